/* The configuration file. Every mistake is one line on stderr that names the file and the key;
 * reading goes on after a mistake, so that one run shows them all. */
#include "config.h"
#include "config_priv.h"
#include "mirror_source.h"

#include <stdio.h>
#include <string.h>

void cfg_mistake(struct cfg *c, const char *where, const char *fmt, ...)
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
bool cfg_keys(struct cfg *c, json_t *obj, const char *where, const char *const *known)
{
    const char *key;
    json_t *value;
    if (!json_is_object(obj)) {
        cfg_mistake(c, where, "must be an object { ... }");
        return false;
    }
    json_object_foreach (obj, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            cfg_mistake(c, where, "unknown key \"%s\"", key);
    }
    return true;
}

char *cfg_text(struct cfg *c, json_t *obj, const char *where, const char *key, const char *fallback,
               bool needed)
{
    json_t *v = json_object_get(obj, key);
    if (!v || json_is_null(v)) {
        if (needed)
            cfg_mistake(c, where, "\"%s\" is missing", key);
        return sim_dup(fallback);
    }
    if (!json_is_string(v) || !*json_string_value(v)) {
        cfg_mistake(c, where, "\"%s\" must be a text in quotes, not empty", key);
        return sim_dup(fallback);
    }
    return sim_dup(json_string_value(v));
}

uint64_t cfg_number(struct cfg *c, json_t *obj, const char *where, const char *key,
                    uint64_t fallback, uint64_t min, uint64_t max)
{
    json_t *v = json_object_get(obj, key);
    if (!v)
        return fallback;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) < min ||
        (uint64_t)json_integer_value(v) > max) {
        cfg_mistake(c, where, "\"%s\" must be a whole number from %llu to %llu", key,
                    (unsigned long long)min, (unsigned long long)max);
        return fallback;
    }
    return (uint64_t)json_integer_value(v);
}

bool cfg_flag(struct cfg *c, json_t *obj, const char *where, const char *key, bool fallback)
{
    json_t *v = json_object_get(obj, key);
    if (v && !json_is_boolean(v))
        cfg_mistake(c, where, "\"%s\" must be true or false", key);
    return v && json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* Names become directories: letters, digits and a few marks only. */
bool cfg_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 203 && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == n;
}

char *cfg_name(struct cfg *c, json_t *obj, const char *where)
{
    char *name = cfg_text(c, obj, where, "name", "unnamed", true);
    if (!cfg_name_ok(name))
        cfg_mistake(c, where, "\"name\": \"%s\" may hold letters, digits, _ - . only", name);
    return name;
}

char *cfg_choice(struct cfg *c, json_t *obj, const char *where, const char *key,
                 const char *const *allowed)
{
    char *text = cfg_text(c, obj, where, key, allowed[0], false);
    for (size_t i = 0; allowed[i]; i++) {
        if (!strcmp(allowed[i], text))
            return text;
    }
    cfg_mistake(c, where, "\"%s\": \"%s\" is not one of its values (%s, %s ...)", key, text,
                allowed[0], allowed[1]);
    return text;
}

/* The array below a key, or NULL after a mistake; a missing one counts as empty. */
json_t *cfg_list(struct cfg *c, json_t *obj, const char *where, const char *key)
{
    json_t *v = json_object_get(obj, key);
    if (v && !json_is_array(v))
        cfg_mistake(c, where, "\"%s\" must be a list [ ... ]", key);
    return v && json_is_array(v) ? v : NULL;
}

/* What one release or another answers to; keys that are given count more. */
static const struct profile {
    const char *name;
    const char *ontap;
    const char *ontapi;
    enum sim_zapi_mode zapi;
    bool rest;
} profiles[] = {
    {"9.5", "9.5", "1.150", SIM_ZAPI_ON, false},
    {"9.9.1", "9.9.1", "1.191", SIM_ZAPI_ON, true},
    {"9.10.1", "9.10.1", "1.201", SIM_ZAPI_ON, true},
    {"9.11.1", "9.11.1", "1.211", SIM_ZAPI_ON, true},
    {"9.14.1", "9.14.1", "1.241", SIM_ZAPI_SUSPENDED, true},
    {"rest-only", "9.15.1", "1.251", SIM_ZAPI_OFF, true},
};
static const struct profile plain = {"", "9.14.1", "1.241", SIM_ZAPI_ON, true};

static const struct profile *read_profile(struct cfg *c, json_t *obj)
{
    AUTO_FREE char *name = cfg_text(c, obj, "cluster", "profile", NULL, false);
    for (size_t i = 0; name && i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (!strcmp(profiles[i].name, name))
            return &profiles[i];
    }
    if (name)
        cfg_mistake(c, "cluster",
                    "\"profile\" is one of 9.5, 9.9.1, 9.10.1, 9.11.1, 9.14.1, rest-only");
    return &plain;
}

static void read_versions(struct cfg *c, json_t *obj, const struct profile *p)
{
    AUTO_FREE char *ontapi = cfg_text(c, obj, "cluster", "ontapi", p->ontapi, false);
    int end = 0;
    sim.ontap = cfg_text(c, obj, "cluster", "ontap", p->ontap, false);
    bool ok = sscanf(sim.ontap, "%3u.%3u%n.%3u%n", &sim.ontap_version[0], &sim.ontap_version[1],
                     &end, &sim.ontap_version[2], &end) >= 2;
    if (!ok || strspn(sim.ontap + end, "PRCXD0123456789") != strlen(sim.ontap + end))
        cfg_mistake(c, "cluster", "\"ontap\" must be a version such as 9.14.1");
    end = 0;
    if (sscanf(ontapi, "%3u.%5u%n", &sim.ontapi_major, &sim.ontapi_minor, &end) != 2 || ontapi[end])
        cfg_mistake(c, "cluster", "\"ontapi\" must be a version such as 1.241");
}

static void read_cluster(struct cfg *c, json_t *top)
{
    static const char *const keys[] = {"name", "profile", "ontap",       "ontapi",
                                       "zapi", "rest",    "scope_error", NULL};
    json_t *obj = json_object_get(top, "cluster");
    if (obj)
        cfg_keys(c, obj, "cluster", keys);
    const struct profile *p = read_profile(c, obj);
    sim.cluster = cfg_text(c, obj, "cluster", "name", "cl1", false);
    if (!cfg_name_ok(sim.cluster))
        cfg_mistake(c, "cluster", "\"name\" may hold letters, digits, _ - . only");
    read_versions(c, obj, p);
    json_t *zapi = json_object_get(obj, "zapi");
    sim.zapi = p->zapi;
    if (zapi && json_is_string(zapi) && !strcmp(json_string_value(zapi), "suspended"))
        sim.zapi = SIM_ZAPI_SUSPENDED;
    else if (zapi && !json_is_boolean(zapi))
        cfg_mistake(c, "cluster", "\"zapi\" must be true, false or \"suspended\"");
    else if (zapi)
        sim.zapi = json_is_true(zapi) ? SIM_ZAPI_ON : SIM_ZAPI_OFF;
    sim.rest = cfg_flag(c, obj, "cluster", "rest", p->rest);
    sim.scope_error =
        (int)cfg_number(c, obj, "cluster", "scope_error", SIM_ENOAPI, SIM_EPRIVILEGE, SIM_ENOAPI);
    if (sim.scope_error != SIM_EPRIVILEGE && sim.scope_error != SIM_ENOAPI)
        cfg_mistake(c, "cluster", "\"scope_error\" is 13003 or 13005");
}

static void read_rest(struct cfg *c, json_t *top)
{
    static const char *const forms[] = {"any", "relative", "slash", "vol", NULL};
    const unsigned *v = sim.ontap_version;
    bool newer = v[0] > 9 || (v[0] == 9 && v[1] >= 9);
    sim.job_ms = (unsigned)cfg_number(c, top, "", "job_ms", 0, 0, 600000);
    sim.job_keep_ms = (unsigned)cfg_number(c, top, "", "job_keep_ms", 300000, 0, 3600000);
    sim.job_error = cfg_flag(c, top, "", "job_error", newer);
    AUTO_FREE char *form = cfg_choice(c, top, "", "restore_path_form", forms);
    for (size_t i = 0; forms[i]; i++) {
        if (!strcmp(forms[i], form))
            sim.restore_path_form = (enum sim_path_form)i;
    }
    sim.restore_path_ignored = cfg_flag(c, top, "", "restore_path_ignored", false);
    sim.cli_question = cfg_flag(c, top, "", "cli_question", false);
    sim.ems_status = (unsigned)cfg_number(c, top, "", "ems_status", 201, 200, 201);
    sim.busy_owners = cfg_flag(c, top, "", "busy_owners", true);
    sim.empty_last_page = cfg_flag(c, top, "", "empty_last_page", false);
    sim.unknown_field_code =
        (int)cfg_number(c, top, "", "unknown_field_code", 262197, 262160, 262400);
}

static void read_peers(struct cfg *c, json_t *top)
{
    static const char *const keys[] = {"name", "root", "url", NULL};
    json_t *list = cfg_list(c, top, "", "peers");
    size_t i;
    json_t *item;
    sim.peers = sim_alloc(json_array_size(list), sizeof(*sim.peers));
    json_array_foreach (list, i, item) {
        AUTO_FREE char *at = sim_printf("peers[%zu]", i);
        struct sim_peer *peer = &sim.peers[sim.peer_count++];
        cfg_keys(c, item, at, keys);
        peer->name = cfg_name(c, item, at);
        peer->root = cfg_text(c, item, at, "root", "", true);
        peer->url = cfg_text(c, item, at, "url", NULL, false);
    }
}

static void read_top(struct cfg *c, json_t *top)
{
    static const char *const keys[] = {"listen",
                                       "http",
                                       "cert",
                                       "key",
                                       "root",
                                       "latency_ms",
                                       "cluster",
                                       "users",
                                       "svms",
                                       "restore_ms",
                                       "async_ms",
                                       "fence_ms",
                                       "page_limit",
                                       "sfsr_limit",
                                       "client_ca",
                                       "roles",
                                       "transfer_ms",
                                       "transfer_rate",
                                       "rst_keep_ms",
                                       "peers",
                                       "comments",
                                       "mixed_quotes",
                                       "idle_seconds",
                                       "connection_requests",
                                       "job_ms",
                                       "job_keep_ms",
                                       "job_error",
                                       "empty_last_page",
                                       "busy_owners",
                                       "restore_path_form",
                                       "restore_path_ignored",
                                       "cli_question",
                                       "ems_status",
                                       "unknown_field_code",
                                       "split_ms",
                                       "clone_resize",
                                       "backend",
                                       NULL};
    if (!cfg_keys(c, top, "", keys))
        return;
    sim.listen_host = cfg_listen(c, top, "", "127.0.0.1:0", &sim.listen_port);
    sim.client_ca = cfg_text(c, top, "", "client_ca", NULL, false);
    sim.http = cfg_flag(c, top, "", "http", false);
    sim.cert_file = cfg_text(c, top, "", "cert", NULL, false);
    sim.key_file = cfg_text(c, top, "", "key", NULL, false);
    if (!sim.cert_file != !sim.key_file)
        cfg_mistake(c, "cert", "\"cert\" and \"key\" belong together");
    sim.root = cfg_text(c, top, "", "root", "build/sim", false);
    sim.backend = cfg_text(c, top, "", "backend", NULL, false);
    sim.latency_ms = (unsigned)cfg_number(c, top, "", "latency_ms", 0, 0, 600000);
    sim.restore_ms = (unsigned)cfg_number(c, top, "", "restore_ms", 200, 0, 3600000);
    sim.async_ms = (unsigned)cfg_number(c, top, "", "async_ms", 100, 0, 3600000);
    sim.fence_ms = (unsigned)cfg_number(c, top, "", "fence_ms", 0, 0, 3600000);
    sim.page_limit = (unsigned)cfg_number(c, top, "", "page_limit", 0, 0, 1000000);
    sim.sfsr_limit = (unsigned)cfg_number(c, top, "", "sfsr_limit", 64, 1, 1000);
    sim.mixed_quotes = cfg_flag(c, top, "", "mixed_quotes", false);
    sim.idle_seconds = (unsigned)cfg_number(c, top, "", "idle_seconds", 30, 1, 3600);
    sim.connection_requests =
        (unsigned)cfg_number(c, top, "", "connection_requests", 0, 0, 1000000);
    sim.comments = cfg_flag(c, top, "", "comments", false);
    sim.clone_resize = cfg_flag(c, top, "", "clone_resize", true);
    sim.split_ms = (unsigned)cfg_number(c, top, "", "split_ms", 500, 0, 3600000);
    sim.transfer_ms = (unsigned)cfg_number(c, top, "", "transfer_ms", 200, 0, 3600000);
    sim.transfer_rate = cfg_number(c, top, "", "transfer_rate", 0, 0, INT64_MAX);
    sim.rst_keep_ms = (unsigned)cfg_number(c, top, "", "rst_keep_ms", 2000, 0, 3600000);
    read_peers(c, top);
    read_cluster(c, top);
    read_rest(c, top);
    json_t *list = cfg_list(c, top, "", "svms");
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item)
        cfg_read_svm(c, item, i);
    if (!sim.svm_count)
        cfg_mistake(c, "svms", "at least one SVM is needed");
    cfg_read_users(c, top);
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
