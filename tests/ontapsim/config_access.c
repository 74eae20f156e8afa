/* What the configuration says about access: LIFs, users, roles. */
#include "config_priv.h"
#include "access.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_address(const char *text)
{
    struct in6_addr parsed;
    return inet_pton(AF_INET, text, &parsed) == 1 || inet_pton(AF_INET6, text, &parsed) == 1;
}

char *cfg_listen(struct cfg *c, json_t *obj, const char *where, const char *fallback,
                 uint16_t *port)
{
    AUTO_FREE char *listen = cfg_text(c, obj, where, "listen", fallback, false);
    char *colon = listen ? strrchr(listen, ':') : NULL;
    uint64_t n = 0;
    if (!listen)
        return NULL;
    if (colon && sim_number(colon + 1, 0, 65535, &n)) {
        *colon = '\0';
        size_t len = strlen(listen);
        char *host = listen;
        if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
            host[len - 1] = '\0';
            host++;
        }
        *port = (uint16_t)n;
        if (!strcmp(host, "localhost"))
            return sim_dup("127.0.0.1");
        if (is_address(host))
            return sim_dup(host);
    }
    cfg_mistake(c, where, "\"listen\" must be ADDRESS:PORT, such as 127.0.0.1:8443 or [::1]:0");
    return NULL;
}

static void read_services(struct cfg *c, json_t *obj, const char *where, struct sim_lif *lif)
{
    static const struct {
        const char *name;
        unsigned bit;
    } services[] = {{"nfs", SIM_LIF_NFS},
                    {"iscsi", SIM_LIF_ISCSI},
                    {"fcp", SIM_LIF_FCP},
                    {"management", SIM_LIF_MGMT}};
    enum { N = sizeof(services) / sizeof(services[0]) };
    json_t *list = cfg_list(c, obj, where, "services");
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        const char *name = json_string_value(item);
        size_t k = 0;
        while (k < N && (!name || strcmp(services[k].name, name) != 0))
            k++;
        if (k == N)
            cfg_mistake(c, where, "\"services\" are nfs, iscsi, fcp and management");
        else
            lif->services |= services[k].bit;
    }
    if (!lif->services)
        lif->services = SIM_LIF_NFS | SIM_LIF_ISCSI | SIM_LIF_MGMT;
}

static void read_lif(struct cfg *c, json_t *item, const char *at, struct sim_lif *lif)
{
    static const char *const keys[] = {"name", "address", "listen", "services", "wwpn", "up", NULL};
    cfg_keys(c, item, at, keys);
    lif->name = cfg_name(c, item, at);
    read_services(c, item, at, lif);
    bool fc = lif->services == SIM_LIF_FCP;
    lif->wwpn = cfg_text(c, item, at, "wwpn", NULL, fc);
    lif->down = !cfg_flag(c, item, at, "up", true);
    lif->listen_host = cfg_listen(c, item, at, NULL, &lif->listen_port);
    lif->address = cfg_text(c, item, at, "address", lif->listen_host, !fc && !lif->listen_host);
    if (lif->address && !is_address(lif->address))
        cfg_mistake(c, at, "\"address\": \"%s\" is not an IP address", lif->address);
}

void cfg_read_lifs(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    json_t *list = cfg_list(c, obj, where, "lifs");
    size_t i;
    json_t *item;
    svm->lifs = sim_alloc(json_array_size(list), sizeof(*svm->lifs));
    json_array_foreach (list, i, item) {
        AUTO_FREE char *at = sim_printf("%s.lifs[%zu]", where, i);
        struct sim_lif *lif = &svm->lifs[svm->lif_count++];
        lif->svm = svm;
        read_lif(c, item, at, lif);
    }
}

/* What every REST role before 9.10.1 lacks: a right for one resource or a part of it. */
static bool qualified_too_early(const char *api)
{
    const unsigned *v = sim.ontap_version;
    bool early = v[0] < 9 || (v[0] == 9 && (v[1] < 10 || (v[1] == 10 && v[2] < 1)));
    return early && strchr(api, '*');
}

static void read_right(struct cfg *c, json_t *obj, const char *where, bool rest,
                       struct sim_right *right)
{
    static const char *const levels[] = {
        [SIM_ACCESS_NONE] = "none",
        [SIM_ACCESS_READONLY] = "readonly",
        [SIM_ACCESS_READ_CREATE] = "read_create",
        [SIM_ACCESS_READ_MODIFY] = "read_modify",
        [SIM_ACCESS_READ_CREATE_MODIFY] = "read_create_modify",
        [SIM_ACCESS_ALL] = "all",
    };
    static const char *const keys[2][3] = {{"command", "access", NULL}, {"api", "access", NULL}};
    cfg_keys(c, obj, where, keys[rest]);
    AUTO_FREE char *what = cfg_text(c, obj, where, keys[rest][0], "DEFAULT", true);
    AUTO_FREE char *access = cfg_text(c, obj, where, "access", "all", true);
    size_t level = 0;
    while (level <= SIM_ACCESS_ALL && strcmp(levels[level], access) != 0)
        level++;
    if (level > SIM_ACCESS_ALL || (!rest && level > SIM_ACCESS_READONLY && level < SIM_ACCESS_ALL))
        cfg_mistake(c, where, "\"access\": \"%s\" is not one of its values (none, readonly, %sall)",
                    access, rest ? "read_create, read_modify, read_create_modify, " : "");
    else
        right->access = (enum sim_access)level;
    if (rest && strncmp(what, "/api/", 5) != 0)
        cfg_mistake(c, where, "\"api\": \"%s\" must start with /api/", what);
    else if (rest && qualified_too_early(what))
        cfg_mistake(c, where, "\"api\": \"%s\" needs ONTAP 9.10.1; this is %s", what, sim.ontap);
    right->what = sim_dup(rest ? what + 1 : what);
}

static struct sim_right *read_rights(struct cfg *c, json_t *obj, const char *where, bool rest,
                                     size_t *count)
{
    const char *key = rest ? "rest" : "commands";
    json_t *list = cfg_list(c, obj, where, key);
    struct sim_right *rights = sim_alloc(json_array_size(list), sizeof(*rights));
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        AUTO_FREE char *at = sim_printf("%s.%s[%zu]", where, key, i);
        read_right(c, item, at, rest, &rights[(*count)++]);
    }
    return rights;
}

static void read_roles(struct cfg *c, json_t *top)
{
    static const char *const keys[] = {"commands", "rest", NULL};
    json_t *roles = json_object_get(top, "roles");
    const char *name;
    json_t *item;
    if (roles && !json_is_object(roles))
        cfg_mistake(c, "roles", "must be an object { \"NAME\": { ... } }");
    sim.roles = sim_alloc(json_object_size(roles), sizeof(*sim.roles));
    json_object_foreach (roles, name, item) {
        AUTO_FREE char *at = sim_printf("roles.%s", name);
        struct sim_role *role = &sim.roles[sim.role_count++];
        role->name = sim_dup(name);
        if (!cfg_keys(c, item, at, keys))
            continue;
        role->commands = read_rights(c, item, at, false, &role->command_count);
        role->apis = read_rights(c, item, at, true, &role->api_count);
    }
}

static void read_user(struct cfg *c, json_t *item, const char *at, struct sim_user *user)
{
    static const char *const keys[] = {"name", "password", "cert", "svm", "role", NULL};
    cfg_keys(c, item, at, keys);
    user->name = cfg_text(c, item, at, "name", "", true);
    user->cert = cfg_text(c, item, at, "cert", NULL, false);
    user->password = cfg_text(c, item, at, "password", NULL, !user->cert);
    user->svm_name = cfg_text(c, item, at, "svm", NULL, false);
    user->svm = user->svm_name ? sim_svm_find(user->svm_name) : NULL;
    AUTO_FREE char *role = cfg_text(c, item, at, "role", NULL, false);
    user->role = role ? sim_role_find(role) : NULL;
    if (user->svm_name && !user->svm)
        cfg_mistake(c, at, "\"svm\": there is no SVM \"%s\"", user->svm_name);
    if (role && !user->role)
        cfg_mistake(c, at, "\"role\": there is no role \"%s\"", role);
    if (user->cert && !sim.client_ca)
        cfg_mistake(c, at, "\"cert\" needs \"client_ca\"");
    if (strchr(user->name, ':'))
        cfg_mistake(c, at, "\"name\" must not hold a colon");
}

void cfg_read_users(struct cfg *c, json_t *top)
{
    json_t *list = cfg_list(c, top, "", "users");
    size_t i;
    json_t *item;
    read_roles(c, top);
    sim.users = sim_alloc(json_array_size(list), sizeof(*sim.users));
    json_array_foreach (list, i, item) {
        AUTO_FREE char *at = sim_printf("users[%zu]", i);
        read_user(c, item, at, &sim.users[sim.user_count++]);
    }
    if (!sim.user_count)
        cfg_mistake(c, "users", "at least one user is needed");
}
