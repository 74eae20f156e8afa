/* Logins, scope and the rights of roles. */
#include "access.h"
#include "server.h"

#include <string.h>
#include <strings.h>

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Into out, terminated; false when it is no base64, too long or holds a zero byte. */
static bool base64(const char *text, char *out, size_t size)
{
    unsigned bits = 0, have = 0;
    size_t n = 0;
    for (; *text && *text != '='; text++) {
        int d = base64_digit(*text);
        if (d < 0)
            return false;
        bits = (bits << 6 | (unsigned)d) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (n + 1 >= size || !(bits >> have & 0xff))
                return false;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    out[n] = '\0';
    return strspn(text, "=") == strlen(text);
}

static bool at_home(const struct sim_http *h, const struct sim_user *user)
{
    return !h->lif || user->svm == h->lif->svm;
}

static const struct sim_user *by_password(const struct sim_http *h)
{
    char plain[1024];
    const char *text = h->authorization;
    if (!text || strncasecmp(text, "Basic ", 6) != 0)
        return NULL;
    text += 6 + strspn(text + 6, " ");
    if (!base64(text, plain, sizeof(plain)))
        return NULL;
    char *colon = strchr(plain, ':');
    if (!colon)
        return NULL;
    *colon = '\0';
    for (size_t i = 0; i < sim.user_count; i++) {
        const struct sim_user *u = &sim.users[i];
        if (at_home(h, u) && u->password && !strcmp(u->name, plain) &&
            !strcmp(u->password, colon + 1))
            return u;
    }
    return NULL;
}

const struct sim_user *sim_login(const struct sim_http *h)
{
    if (h->authorization || !h->cert_name)
        return by_password(h);
    for (size_t i = 0; i < sim.user_count; i++) {
        const struct sim_user *u = &sim.users[i];
        if (at_home(h, u) && u->cert && !strcmp(u->cert, h->cert_name))
            return u;
    }
    return NULL;
}

int sim_scope(const struct sim_http *h, const struct sim_user *user, const char *name,
              const char *uuid, struct sim_svm **svm, struct sim_err *err)
{
    struct sim_svm *own = h->lif ? h->lif->svm : user->svm;
    bool named = name && *name;
    bool identified = uuid && *uuid;
    *svm = own;
    if (!named && !identified)
        return 0;
    if (named && !own && !strcmp(name, sim.cluster))
        return 0;
    struct sim_svm *found = named ? sim_svm_find(name) : NULL;
    for (size_t i = 0; identified && !named && i < sim.svm_count; i++) {
        if (!strcmp(sim.svms[i]->uuid, uuid))
            found = sim.svms[i];
    }
    bool same = found && (!identified || !strcmp(found->uuid, uuid));
    if (!same || (own && own != found))
        return sim_fail(err, SIM_ENOSVM, "Specified vserver not found");
    *svm = found;
    return 0;
}

int sim_scope_refuse(const char *call, struct sim_err *err)
{
    if (sim.scope_error == SIM_EPRIVILEGE)
        return sim_fail(err, SIM_EPRIVILEGE, "Insufficient privileges: %.80s", call);
    return sim_fail(err, SIM_ENOAPI, "Unable to find API: %.80s", call);
}

const struct sim_role *sim_role_find(const char *name)
{
    for (size_t i = 0; i < sim.role_count; i++) {
        if (!strcmp(sim.roles[i].name, name))
            return &sim.roles[i];
    }
    return NULL;
}

/* How much of the text the right covers, in characters plus one; 0: it says nothing about it. Parts
 * are separated by `mark`; a part "*" stands for any one. */
static size_t covers(const char *right, const char *text, char mark)
{
    const char *start = right;
    while (*right) {
        const char ends[] = {mark, '\0'};
        size_t want = strcspn(right, ends), have = strcspn(text, ends);
        bool any = want == 1 && *right == '*';
        if (!have || (!any && (want != have || strncmp(right, text, want) != 0)))
            return 0;
        right += want;
        text += have;
        right += *right == mark;
        text += *text == mark;
    }
    return (size_t)(right - start) + 1;
}

static enum sim_access granted(const struct sim_right *rights, size_t count, const char *text,
                               char mark)
{
    enum sim_access access = SIM_ACCESS_NONE;
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        bool any = !strcmp(rights[i].what, "DEFAULT");
        size_t n = any ? 1 : covers(rights[i].what, text, mark);
        if (n <= best)
            continue;
        best = n;
        access = rights[i].access;
    }
    return access;
}

static bool may_command(const struct sim_role *role, const char *command, bool reads)
{
    if (!command)
        return false;
    enum sim_access access = granted(role->commands, role->command_count, command, ' ');
    return access == SIM_ACCESS_ALL || (reads && access != SIM_ACCESS_NONE);
}

bool sim_may_call(const struct sim_user *user, const char *call)
{
    bool reads = false;
    const char *command = sim_command_of_call(call, &reads);
    return !user->role || may_command(user->role, command, reads);
}

static bool may_method(enum sim_access access, const char *method)
{
    if (access == SIM_ACCESS_ALL || access == SIM_ACCESS_NONE)
        return access == SIM_ACCESS_ALL;
    if (!strcmp(method, "POST"))
        return access == SIM_ACCESS_READ_CREATE || access == SIM_ACCESS_READ_CREATE_MODIFY;
    if (!strcmp(method, "PATCH"))
        return access == SIM_ACCESS_READ_MODIFY || access == SIM_ACCESS_READ_CREATE_MODIFY;
    return strcmp(method, "DELETE") != 0;
}

bool sim_may_rest(const struct sim_user *user, const char *method, const char *path)
{
    const struct sim_role *role = user->role;
    bool reads = false;
    if (!role)
        return true;
    if (role->api_count)
        return may_method(granted(role->apis, role->api_count, path + 1, '/'), method);
    AUTO_FREE char *command = sim_command_of_rest(method, path, &reads);
    return may_command(role, command, reads);
}
