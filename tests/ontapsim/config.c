/* The configuration file. Every mistake is one line on stderr that names the file and the key;
 * reading goes on after a mistake, so that one run shows them all. */
#include "config.h"
#include "model.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct cfg {
    const char *file;
    int mistakes;
};

__attribute__((format(printf, 3, 4))) static void mistake(struct cfg *c, const char *where,
                                                          const char *fmt, ...)
{
    AUTO_FREE char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    sim_log("%s: %s: %s", c->file, *where ? where : "top level", text ? text : "");
    c->mistakes++;
}

/* The object's keys are all in the list (NULL at its end). */
static bool known_keys(struct cfg *c, json_t *obj, const char *where, const char *const *known)
{
    const char *key;
    json_t *value;
    if (!json_is_object(obj)) {
        mistake(c, where, "must be an object { ... }");
        return false;
    }
    json_object_foreach(obj, key, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            mistake(c, where, "unknown key \"%s\"", key);
    }
    return true;
}

static char *text_of(struct cfg *c, json_t *obj, const char *where, const char *key,
                     const char *fallback, bool needed)
{
    json_t *v = json_object_get(obj, key);
    if (!v || json_is_null(v)) {
        if (needed)
            mistake(c, where, "\"%s\" is missing", key);
        return sim_dup(fallback);
    }
    if (!json_is_string(v) || !*json_string_value(v)) {
        mistake(c, where, "\"%s\" must be a text in quotes, not empty", key);
        return sim_dup(fallback);
    }
    return sim_dup(json_string_value(v));
}

static uint64_t number_of(struct cfg *c, json_t *obj, const char *where, const char *key,
                          uint64_t fallback, uint64_t min, uint64_t max)
{
    json_t *v = json_object_get(obj, key);
    if (!v)
        return fallback;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) < min ||
        (uint64_t)json_integer_value(v) > max) {
        mistake(c, where, "\"%s\" must be a whole number from %llu to %llu", key,
                (unsigned long long)min, (unsigned long long)max);
        return fallback;
    }
    return (uint64_t)json_integer_value(v);
}

static bool flag_of(struct cfg *c, json_t *obj, const char *where, const char *key, bool fallback)
{
    json_t *v = json_object_get(obj, key);
    if (v && !json_is_boolean(v))
        mistake(c, where, "\"%s\" must be true or false", key);
    return v && json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* Names become directories: letters, digits and a few marks only. */
static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 203 && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == n;
}

static char *name_of(struct cfg *c, json_t *obj, const char *where)
{
    char *name = text_of(c, obj, where, "name", "unnamed", true);
    if (!name_ok(name))
        mistake(c, where, "\"name\": \"%s\" may hold letters, digits, _ - . only", name);
    return name;
}

static char *choice_of(struct cfg *c, json_t *obj, const char *where, const char *key,
                       const char *const *allowed)
{
    char *text = text_of(c, obj, where, key, allowed[0], false);
    for (size_t i = 0; allowed[i]; i++) {
        if (!strcmp(allowed[i], text))
            return text;
    }
    mistake(c, where, "\"%s\": \"%s\" is not one of its values (%s, %s ...)", key, text, allowed[0],
            allowed[1]);
    return text;
}

/* The array below a key, or NULL after a mistake; a missing one counts as empty. */
static json_t *list_of(struct cfg *c, json_t *obj, const char *where, const char *key)
{
    json_t *v = json_object_get(obj, key);
    if (v && !json_is_array(v))
        mistake(c, where, "\"%s\" must be a list [ ... ]", key);
    return v && json_is_array(v) ? v : NULL;
}

static void read_listen(struct cfg *c, json_t *top)
{
    AUTO_FREE char *listen = text_of(c, top, "", "listen", "127.0.0.1:0", false);
    char *colon = strrchr(listen, ':');
    uint64_t port = 0;
    struct in6_addr parsed;
    if (colon && sim_number(colon + 1, 0, 65535, &port)) {
        *colon = '\0';
        size_t n = strlen(listen);
        char *host = listen;
        if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
            host[n - 1] = '\0';
            host++;
        }
        sim.listen_host = sim_dup(strcmp(host, "localhost") != 0 ? host : "127.0.0.1");
        sim.listen_port = (uint16_t)port;
        if (inet_pton(AF_INET, sim.listen_host, &parsed) == 1 ||
            inet_pton(AF_INET6, sim.listen_host, &parsed) == 1)
            return;
    }
    mistake(c, "listen", "must be ADDRESS:PORT, such as 127.0.0.1:8443 or [::1]:0");
}

static void read_cluster(struct cfg *c, json_t *top)
{
    static const char *const keys[] = {"name", "ontap", "ontapi", "zapi", "rest", NULL};
    json_t *obj = json_object_get(top, "cluster");
    AUTO_FREE char *ontapi = NULL;
    int end = 0;
    if (obj)
        known_keys(c, obj, "cluster", keys);
    sim.cluster = text_of(c, obj, "cluster", "name", "cl1", false);
    sim.ontap = text_of(c, obj, "cluster", "ontap", "9.14.1", false);
    ontapi = text_of(c, obj, "cluster", "ontapi", "1.241", false);
    if (!name_ok(sim.cluster))
        mistake(c, "cluster", "\"name\" may hold letters, digits, _ - . only");
    if (sscanf(sim.ontap, "%3u.%3u.%3u%n", &sim.ontap_version[0], &sim.ontap_version[1],
               &sim.ontap_version[2], &end) != 3 ||
        strspn(sim.ontap + end, "PRCXD0123456789") != strlen(sim.ontap + end))
        mistake(c, "cluster", "\"ontap\" must be a version such as 9.14.1");
    if (sscanf(ontapi, "%3u.%5u%n", &sim.ontapi_major, &sim.ontapi_minor, &end) != 2 || ontapi[end])
        mistake(c, "cluster", "\"ontapi\" must be a version such as 1.241");
    json_t *zapi = json_object_get(obj, "zapi");
    if (zapi && json_is_string(zapi) && !strcmp(json_string_value(zapi), "suspended"))
        sim.zapi = SIM_ZAPI_SUSPENDED;
    else if (zapi && !json_is_boolean(zapi))
        mistake(c, "cluster", "\"zapi\" must be true, false or \"suspended\"");
    else
        sim.zapi = !zapi || json_is_true(zapi) ? SIM_ZAPI_ON : SIM_ZAPI_OFF;
    sim.rest = flag_of(c, obj, "cluster", "rest", true);
}

static void read_lifs(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"name", "address", NULL};
    json_t *list = list_of(c, obj, where, "lifs");
    size_t i;
    json_t *item;
    svm->lifs = sim_alloc(json_array_size(list), sizeof(*svm->lifs));
    json_array_foreach(list, i, item)
    {
        AUTO_FREE char *at = sim_printf("%s.lifs[%zu]", where, i);
        struct sim_lif *lif = &svm->lifs[svm->lif_count++];
        struct in6_addr parsed;
        known_keys(c, item, at, keys);
        lif->name = name_of(c, item, at);
        lif->address = text_of(c, item, at, "address", "127.0.0.1", true);
        if (inet_pton(AF_INET, lif->address, &parsed) != 1 &&
            inet_pton(AF_INET6, lif->address, &parsed) != 1)
            mistake(c, at, "\"address\": \"%s\" is not an IP address", lif->address);
    }
}

static void read_volume(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"name",           "size",  "junction", "aggregate",
                                       "type",           "state", "root",     "snapshot_reserve",
                                       "snapshot_limit", NULL};
    static const char *const types[] = {"rw", "dp", NULL};
    static const char *const states[] = {"online", "offline", "restricted", NULL};
    struct sim_volume *vol = sim_alloc(1, sizeof(*vol));
    unsigned limit = sim.ontapi_major == 1 && sim.ontapi_minor < 140 ? 255 : 1023;
    known_keys(c, obj, where, keys);
    vol->dir = vol->snap_dir = -1;
    vol->name = name_of(c, obj, where);
    if (!json_object_get(obj, "size"))
        mistake(c, where, "\"size\" is missing");
    vol->size = number_of(c, obj, where, "size", 1 << 30, 4096, INT64_MAX / 2);
    vol->junction = text_of(c, obj, where, "junction", NULL, false);
    if (vol->junction && vol->junction[0] != '/')
        mistake(c, where, "\"junction\" must start with /");
    vol->aggregate = text_of(c, obj, where, "aggregate", "aggr1", false);
    vol->type = choice_of(c, obj, where, "type", types);
    vol->state = choice_of(c, obj, where, "state", states);
    vol->is_root = flag_of(c, obj, where, "root", false);
    vol->reserve = (unsigned)number_of(c, obj, where, "snapshot_reserve", 0, 0, 90);
    vol->limit = (unsigned)number_of(c, obj, where, "snapshot_limit", limit, 1, 1023);
    if (sim_volume_find(svm, vol->name))
        mistake(c, where, "volume \"%s\" is listed twice", vol->name);
    sim_volume_add(svm, vol);
}

static void read_luns(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"path", "size", "serial", NULL};
    json_t *list = list_of(c, obj, where, "luns");
    size_t i;
    json_t *item;
    svm->luns = sim_alloc(json_array_size(list), sizeof(*svm->luns));
    json_array_foreach(list, i, item)
    {
        AUTO_FREE char *at = sim_printf("%s.luns[%zu]", where, i);
        struct sim_lun *lun = &svm->luns[svm->lun_count++];
        char volume[256] = "";
        known_keys(c, item, at, keys);
        lun->path = text_of(c, item, at, "path", "/vol/x/y", true);
        lun->size = number_of(c, item, at, "size", 1 << 20, 512, INT64_MAX / 2);
        lun->serial = text_of(c, item, at, "serial", NULL, true);
        if (sscanf(lun->path, "/vol/%255[^/]/", volume) != 1 || !sim_volume_find(svm, volume))
            mistake(c, at, "\"path\": \"%s\" is not in a volume of this SVM", lun->path);
        if (lun->serial && strlen(lun->serial) != 12)
            mistake(c, at, "\"serial\": \"%s\" must have 12 characters", lun->serial);
    }
}

static void read_svm(struct cfg *c, json_t *obj, size_t index)
{
    static const char *const keys[] = {"name", "lifs", "volumes", "luns", NULL};
    AUTO_FREE char *where = sim_printf("svms[%zu]", index);
    if (!known_keys(c, obj, where, keys))
        return;
    struct sim_svm *svm = sim_alloc(1, sizeof(*svm));
    svm->dir = -1;
    svm->name = name_of(c, obj, where);
    if (sim_svm_find(svm->name))
        mistake(c, where, "SVM \"%s\" is listed twice", svm->name);
    read_lifs(c, obj, where, svm);
    json_t *list = list_of(c, obj, where, "volumes");
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        AUTO_FREE char *at = sim_printf("%s.volumes[%zu]", where, i);
        read_volume(c, item, at, svm);
    }
    read_luns(c, obj, where, svm);
    size_t at = sim_svm_after(svm->name, true);
    sim.svms = sim_grow(sim.svms, sim.svm_count + 1, sizeof(struct sim_svm *));
    memmove(&sim.svms[at + 1], &sim.svms[at], (sim.svm_count - at) * sizeof(struct sim_svm *));
    sim.svms[at] = svm;
    sim.svm_count++;
}

static void read_users(struct cfg *c, json_t *top)
{
    static const char *const keys[] = {"name", "password", "svm", NULL};
    json_t *list = list_of(c, top, "", "users");
    size_t i;
    json_t *item;
    sim.users = sim_alloc(json_array_size(list), sizeof(*sim.users));
    json_array_foreach(list, i, item)
    {
        AUTO_FREE char *at = sim_printf("users[%zu]", i);
        struct sim_user *user = &sim.users[sim.user_count++];
        known_keys(c, item, at, keys);
        user->name = text_of(c, item, at, "name", "", true);
        user->password = text_of(c, item, at, "password", "", true);
        user->svm_name = text_of(c, item, at, "svm", NULL, false);
        user->svm = user->svm_name ? sim_svm_find(user->svm_name) : NULL;
        if (user->svm_name && !user->svm)
            mistake(c, at, "\"svm\": there is no SVM \"%s\"", user->svm_name);
        if (strchr(user->name, ':'))
            mistake(c, at, "\"name\" must not hold a colon");
    }
    if (!sim.user_count)
        mistake(c, "users", "at least one user is needed");
}

static void read_top(struct cfg *c, json_t *top)
{
    static const char *const keys[] = {"listen",     "http",       "cert",     "key",
                                       "root",       "latency_ms", "cluster",  "users",
                                       "svms",       "restore_ms", "async_ms", "fence_ms",
                                       "page_limit", "sfsr_limit", NULL};
    if (!known_keys(c, top, "", keys))
        return;
    read_listen(c, top);
    sim.http = flag_of(c, top, "", "http", false);
    sim.cert_file = text_of(c, top, "", "cert", NULL, false);
    sim.key_file = text_of(c, top, "", "key", NULL, false);
    if (!sim.cert_file != !sim.key_file)
        mistake(c, "cert", "\"cert\" and \"key\" belong together");
    sim.root = text_of(c, top, "", "root", "build/sim", false);
    sim.latency_ms = (unsigned)number_of(c, top, "", "latency_ms", 0, 0, 600000);
    sim.restore_ms = (unsigned)number_of(c, top, "", "restore_ms", 200, 0, 3600000);
    sim.async_ms = (unsigned)number_of(c, top, "", "async_ms", 100, 0, 3600000);
    sim.fence_ms = (unsigned)number_of(c, top, "", "fence_ms", 0, 0, 3600000);
    sim.page_limit = (unsigned)number_of(c, top, "", "page_limit", 0, 0, 1000000);
    sim.sfsr_limit = (unsigned)number_of(c, top, "", "sfsr_limit", 64, 1, 1000);
    read_cluster(c, top);
    json_t *list = list_of(c, top, "", "svms");
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) read_svm(c, item, i);
    if (!sim.svm_count)
        mistake(c, "svms", "at least one SVM is needed");
    read_users(c, top);
}

int sim_config_load(const char *file)
{
    struct cfg c = {.file = file};
    json_error_t err;
    json_t *top = json_load_file(file, JSON_REJECT_DUPLICATES, &err);
    if (!top) {
        if (err.line > 0)
            sim_log("%s: line %d, column %d: %s", file, err.line, err.column, err.text);
        else
            sim_log("%s: %s", file, err.text);
        return -1;
    }
    read_top(&c, top);
    json_decref(top);
    return c.mistakes ? -1 : 0;
}
