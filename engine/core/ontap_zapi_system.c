/* ONTAPI: who and where, the log, jobs, and any other call. */
#include "ontap_zapi.h"

#include "auto.h"

#include <string.h>
#include <unistd.h>

/* "NetApp Release 9.14.1P3: Thu ..." -> "9.14.1", "NetApp Release 9.5P3: ..." -> "9.5.0" */
static json_t *version_of(struct moon_ontap *o, const char *release)
{
    int n[3] = {0};
    char text[48] = "";
    const char *p = release ? strpbrk(release, "0123456789") : NULL;
    if (p && sscanf(p, "%3d.%2d.%2d", &n[0], &n[1], &n[2]) >= 2) {
        o->version = n[0] * 10000 + n[1] * 100 + n[2];
        snprintf(text, sizeof text, "%d.%d.%d", n[0], n[1], n[2]);
    }
    return json_string(text);
}

static int take_identity(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    json_t *o = json_object();
    zapi_text(o, "release", results, "version");
    zapi_bool(o, "clustered", results, "is-clustered");
    const char *release = json_string_value(json_object_get(o, "release"));
    json_object_set_new(o, "version", version_of(call->ontap, release));
    json_object_set_new(o, "transport", json_string("zapi"));
    if (call->ontap->reason)
        json_object_set_new(o, "reason", json_string(call->ontap->reason));
    return zapi_give(call, o, err);
}

const struct zapi_verb zapi_identity = {
    .steps = (const struct zapi_step[]){{.call = "system-get-version", .take = take_identity}}};

static int take_cluster(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    json_t *o = json_object();
    zapi_text(o, "name", results, "attributes/cluster-identity-info/cluster-name");
    zapi_text(o, "uuid", results, "attributes/cluster-identity-info/cluster-uuid");
    return zapi_give(call, o, err);
}

const struct zapi_verb zapi_cluster = {
    .steps = (const struct zapi_step[]){{.call = "cluster-identity-get", .take = take_cluster}}};

/* Data SVMs: those that own nodes and the cluster itself are none to work with. */
static const struct zapi_list svms = {
    .call = "vserver-get-iter",
    .record = "vserver-info",
    .fields = (const struct zapi_field[]){{.key = "name", .path = "vserver-name"},
                                          {.key = "uuid", .path = "uuid"},
                                          {.key = "type", .path = "vserver-type"},
                                          {.key = "state", .path = "state"},
                                          {0}},
    .filters = (const struct zapi_filter[]){{"name", "vserver-name", "name", ZAPI_EXACT}, {0}},
    .only_path = "vserver-type",
    .only = "data",
};

const struct zapi_verb zapi_list_svms = {.steps = (const struct zapi_step[]){{.list = &svms}}};

/* The SVM of a LIF that serves the cluster or a node is nothing to go to. */
static bool finish_lif(json_t *row)
{
    const char *role = json_string_value(json_object_get(row, "role"));
    if (role && strcmp(role, "data") != 0)
        json_object_del(row, "svm");
    json_object_del(row, "role");
    return true;
}

static const struct zapi_list lifs = {
    .call = "net-interface-get-iter",
    .record = "net-interface-info",
    .fields = (const struct zapi_field[]){{.key = "name", .path = "interface-name"},
                                          {.key = "address", .path = "address"},
                                          {.key = "svm", .path = "vserver"},
                                          {.key = "role", .path = "role"},
                                          {.key = "protocols",
                                           .path = "data-protocols",
                                           .kind = ZAPI_LIST,
                                           .item = "data-protocol"},
                                          {0}},
    .filters = (const struct zapi_filter[]){{"address", "address", "address", ZAPI_ADDRESS}, {0}},
    .finish = finish_lif,
};

const struct zapi_verb zapi_list_lifs = {.steps = (const struct zapi_step[]){{.list = &lifs}}};

static int build_ems_log(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    char level[24], event[24], own[256] = "";
    const char *host = moon_ontap_arg(c, "host"), *category = moon_ontap_arg(c, "category");
    bool support = json_is_true(json_object_get(c->args, "autosupport"));
    json_t *n = json_object_get(c->args, "level");
    snprintf(level, sizeof level, "%d", n ? (int)json_integer_value(n) : 6);
    snprintf(event, sizeof event, "%lld", json_integer_value(json_object_get(c->args, "event")));
    if (!host && gethostname(own, sizeof own - 1) < 0)
        own[0] = '\0';
    return zapi_put(b, "app-version", MOON_VERSION, err) |
           zapi_put(b, "auto-support", support ? "true" : "false", err) |
           zapi_put(b, "category", category ? category : "moonsnap", err) |
           zapi_put(b, "computer-name", host ? host : (*own ? own : "kvm-host"), err) |
           zapi_put_arg(b, c, "event-description", "message", err) |
           zapi_put(b, "event-id", event, err) | zapi_put_arg(b, c, "event-source", "source", err) |
           zapi_put(b, "log-level", level, err);
}

const struct zapi_verb zapi_ems_log = {
    .steps = (const struct zapi_step[]){{.call = "ems-autosupport-log", .build = build_ems_log}}};

static int build_job(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const char *id = moon_ontap_arg(c, "id");
    if (!*id || id[strspn(id, "0123456789")])
        return zapi_fail(c, err, MOON_INVALID, "job '%s': ONTAPI numbers its jobs", id);
    return zapi_put(b, "job-id", id, err);
}

static const char *plain_state(const char *state, bool failed)
{
    static const char *const bad[] = {"failure", "error", "quit", "dead"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (strcmp(state, bad[i]) == 0)
            return "failure";
    }
    if (strcmp(state, "success") == 0)
        return failed ? "failure" : "success";
    return "running";
}

static int take_job(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    const xmlNode *info = moon_xml_path(results, "attributes/job-info");
    AUTO_FREE char *state = moon_xml_child_text(info, "job-state");
    if (!state)
        return zapi_fail(call, err, MOON_PROTOCOL, "the job has no state");
    json_t *o = json_object();
    zapi_int(o, "code", info, "job-status-code");
    zapi_text(o, "message", info, "job-completion");
    zapi_text(o, "progress", info, "job-progress");
    bool failed = json_integer_value(json_object_get(o, "code")) != 0;
    if (!failed)
        json_object_del(o, "code");
    json_object_set_new(o, "state", json_string(plain_state(state, failed)));
    return zapi_give(call, o, err);
}

const struct zapi_verb zapi_job = {
    .steps = (const struct zapi_step[]){{.call = "job-get", .build = build_job, .take = take_job}}};

static const char *call_name(const struct moon_ontap_call *call)
{
    return moon_ontap_arg(call, "name");
}

static int build_call(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const char *args = moon_ontap_arg(c, "args");
    if (!args)
        return 0;
    /* Parsed and not just pasted: "</x><other-call>" would make another call of it. */
    AUTO_BUF struct moon_buf whole = {0};
    AUTO_XML xmlDocPtr doc = NULL;
    if (moon_buf_addf(&whole, "<x>%s</x>", args) < 0)
        return -1;
    if (moon_xml_parse(whole.data, whole.len, "arguments of the call", &doc, err) < 0) {
        err->code = MOON_INVALID;
        return -1;
    }
    return moon_buf_adds(b, args);
}

static int take_call(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    return moon_xml_to_json(results, &call->op.result, err);
}

const struct zapi_verb zapi_call = {
    .steps = (const struct zapi_step[]){
        {.named = call_name, .build = build_call, .take = take_call, .begins = true}}};
