/* Who and where over REST: cluster, SVMs, LIFs, the release; the log, jobs and raw requests. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- the release ------------------------------------------------------------------------- */

int rest_ask_version(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (call->ontap->version || call->ontap->version_hidden)
        return REST_NEXT;
    ask->cluster = true;
    return rest_path(ask, "/cluster?fields=version") < 0 ? rest_no_memory(err) : 0;
}

int rest_ask_node_version(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (call->ontap->version || call->ontap->version_hidden)
        return REST_NEXT;
    ask->cluster = true;
    return rest_path(ask, "/cluster/nodes?fields=version") < 0 ? rest_no_memory(err) : 0;
}

/* 91101 for 9.11.1; 0 when a part is missing or none. */
static int version_number(const json_t *o)
{
    static const char *const parts[] = {"version.generation", "version.major", "version.minor"};
    int number = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_int_t n = json_integer_value(rest_at(o, parts[i]));
        if (n < 0 || n > 99)
            return 0;
        number = number * 100 + (int)n;
    }
    return number;
}

/* Of the cluster, or the lowest of its nodes. */
static const json_t *lowest(const json_t *answer)
{
    const json_t *found = version_number(answer) ? answer : NULL, *node;
    size_t i;
    json_array_foreach (json_object_get(answer, "records"), i, node) {
        int n = version_number(node);
        if (n && (!found || n < version_number(found)))
            found = node;
    }
    return found;
}

int rest_take_version(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)err;
    const json_t *found = lowest(answer);
    if (found)
        call->ontap->version = version_number(found);
    return REST_NEXT;
}

/* A login of an SVM may not see it: then only what is safe everywhere is used. An answer that is not
 * REST's own, other than 403, says that there is no REST. */
int rest_version_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    if (status == 401 || (err->source == MOON_SRC_HTTP && err->native != 403) ||
        (err->code != MOON_DENIED && err->code != MOON_NOT_FOUND && err->code != MOON_UNSUPPORTED))
        return -1;
    const char *asked = rest_known(call, "asked");
    if (asked && strstr(asked, "/nodes"))
        call->ontap->version_hidden = true;
    return REST_NEXT;
}

static int ask_identity(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    (void)call;
    ask->cluster = true;
    return rest_path(ask, "/cluster?fields=version") < 0 ? rest_no_memory(err) : 0;
}

static int ask_identity_nodes(struct moon_ontap_call *call, struct rest_ask *ask,
                              struct moon_err *err)
{
    (void)call;
    ask->cluster = true;
    return rest_path(ask, "/cluster/nodes?fields=version") < 0 ? rest_no_memory(err) : 0;
}

static int take_identity(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *found = lowest(answer);
    call->op.result = json_pack("{s:s, s:b, s:s*}", "transport", "rest", "clustered", 1, "reason",
                                call->ontap->reason);
    if (!call->op.result)
        return rest_no_memory(err);
    if (!found)
        return REST_DONE;
    int n = call->ontap->version = version_number(found);
    json_object_set_new(call->op.result, "version",
                        json_sprintf("%d.%d.%d", n / 10000, n / 100 % 100, n % 100));
    rest_put_text(call->op.result, "release", found, "version.full");
    return REST_DONE;
}

static int identity_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    int rc = rest_version_refused(call, status, err);
    /* Refused by a role, so the login holds and REST is there; no more may be known of it. */
    return rc == REST_NEXT && call->ontap->version_hidden ? take_identity(call, NULL, err) : rc;
}

const struct rest_verb moon_rest_identity = {
    .steps = (const struct rest_step[]){
        {.ask = ask_identity, .take = take_identity, .refused = rest_version_refused},
        {.ask = ask_identity_nodes, .take = take_identity, .refused = identity_refused}}};

/* --- cluster, SVMs, LIFs ----------------------------------------------------------------- */

static int ask_cluster(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    (void)call;
    ask->cluster = true;
    return rest_path(ask, "/cluster?fields=name,uuid") < 0 ? rest_no_memory(err) : 0;
}

static int take_cluster(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    if (!(call->op.result = json_object()))
        return rest_no_memory(err);
    rest_put_text(call->op.result, "name", answer, "name");
    rest_put_text(call->op.result, "uuid", answer, "uuid");
    return REST_DONE;
}

const struct rest_verb moon_rest_cluster = {
    .steps = (const struct rest_step[]){{.ask = ask_cluster, .take = take_cluster}}};

static int ask_svms(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/svm/svms");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "name"));
    rc |= rest_query(ask, "fields", "name,uuid,state");
    return rc ? rest_no_memory(err) : 0;
}

static bool row_svm(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "uuid", record, "uuid");
    rest_put_text(row, "state", record, "state");
    json_object_set_new(row, "type", json_string("data")); /* REST shows no others */
    return rest_wanted(moon_ontap_arg(call, "name"), rest_text(record, "name"));
}

const struct rest_verb moon_rest_svms = {
    .steps = (const struct rest_step[]){{.ask = ask_svms, .take = rest_take_rows, .list = true}},
    .row = row_svm};

static int ask_lifs(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *address = moon_ontap_arg(call, "address");
    int rc = rest_path(ask, "/network/ip/interfaces");
    if (address && !strchr(address, ':')) /* a query compares IPv6 as it is written */
        rc |= rest_match(ask, "ip.address", address);
    rc |= rest_query(ask, "fields", "name,ip.address,svm.name,services");
    return rc ? rest_no_memory(err) : 0;
}

/* "data_nfs" -> "nfs"; the others are no data protocols. */
static void put_protocols(json_t *row, const json_t *record)
{
    static const char *const known[] = {"nfs", "cifs", "iscsi", "fcache", "s3", "nvme_tcp"};
    json_t *out = json_array(), *item;
    size_t i;
    json_array_foreach (json_object_get(record, "services"), i, item) {
        const char *service = json_string_value(item);
        for (size_t k = 0; service && k < sizeof known / sizeof *known; k++) {
            if (strncmp(service, "data_", 5) == 0 && strcmp(service + 5, known[k]) == 0)
                json_array_append_new(out, json_string(known[k]));
        }
    }
    json_object_set_new(row, "protocols", out);
}

static bool row_lif(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    const char *want = moon_ontap_arg(call, "address"), *have = rest_text(record, "ip.address");
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "address", record, "ip.address");
    rest_put_text(row, "svm", record, "svm.name");
    put_protocols(row, record);
    return !want || (have && moon_ontap_same_address(want, have));
}

const struct rest_verb moon_rest_lifs = {
    .steps = (const struct rest_step[]){{.ask = ask_lifs, .take = rest_take_rows, .list = true}},
    .row = row_lif};

/* --- the log ----------------------------------------------------------------------------- */

/* REST knows four of the eight levels. */
static const char *severity(json_int_t level)
{
    return level <= 0 ? "emergency" : level <= 2 ? "alert" : level == 3 ? "error" : "notice";
}

static int ask_ems_log(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    json_t *level = json_object_get(call->args, "level");
    const char *host = moon_ontap_arg(call, "host"), *category = moon_ontap_arg(call, "category");
    if (level && (json_integer_value(level) < 0 || json_integer_value(level) > 7))
        return rest_fail(call, err, MOON_INVALID, "level: must be from 0 (emergency) to 7 (debug)");
    if (call->ontap->version && call->ontap->version < 91101)
        return rest_fail(call, err, MOON_UNSUPPORTED,
                         "REST has the application log from ONTAP 9.11.1 on; ONTAPI has it always");
    ask->method = "POST";
    ask->changes = true;
    return rest_body(
        ask, rest_path(ask, "/support/ems/application-logs"),
        json_pack(
            "{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:b}", "computer_name", host ? host : "kvm-host",
            "event_source", moon_ontap_arg(call, "source"), "app_version", MOON_VERSION, "event_id",
            json_integer_value(json_object_get(call->args, "event")), "category",
            category ? category : "moonsnap", "event_description", moon_ontap_arg(call, "message"),
            "severity", severity(level ? json_integer_value(level) : 6), "autosupport_required",
            json_is_true(json_object_get(call->args, "autosupport"))),
        err);
}

/* With a release that is not known, the missing address tells. */
static int ems_log_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    if (call->ontap->version == 0 && (status == 404 || status == 405 || err->native == 3))
        err->code = MOON_UNSUPPORTED;
    return -1;
}

const struct rest_verb moon_rest_ems_log = {
    .steps = (const struct rest_step[]){
        REST_VERSION_STEPS,
        {.ask = ask_ems_log, .take = rest_take_done, .refused = ems_log_refused}}};

/* --- jobs, raw requests ------------------------------------------------------------------ */

static int ask_job(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *id = rest_uuid(call->args, "id");
    if (!id)
        return rest_fail(call, err, MOON_INVALID, "a job of REST has a uuid");
    return rest_path(ask, "/cluster/jobs/%s", id) < 0 ? rest_no_memory(err) : 0;
}

static int take_job(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    static const char *const running[] = {"queued", "running", "paused"};
    const char *state = rest_text(answer, "state");
    if (!state)
        return rest_fail(call, err, MOON_PROTOCOL, "the job has no state");
    bool good = strcmp(state, "success") == 0 && !rest_job_error(answer);
    const char *now = good ? "success" : "failure";
    for (size_t i = 0; i < sizeof running / sizeof *running; i++) {
        if (strcmp(state, running[i]) == 0)
            now = "running";
    }
    if (!(call->op.result = json_pack("{s:s}", "state", now)))
        return rest_no_memory(err);
    const char *message = rest_text(answer, "error.message");
    const char *code = rest_text(answer, "error.code");
    rest_put_int(call->op.result, "code", answer, "code");
    if (code)
        json_object_set_new(call->op.result, "code", json_integer(atoi(code)));
    rest_put_text(call->op.result, "message", answer, "message");
    if (message)
        json_object_set_new(call->op.result, "message", json_string(message));
    if (strcmp(now, "running") == 0)
        rest_put_text(call->op.result, "progress", answer, "message");
    return REST_DONE;
}

const struct rest_verb moon_rest_job = {
    .steps = (const struct rest_step[]){{.ask = ask_job, .take = take_job}}};

/* A path below /api that stays there, as a link of the controller would be. */
static bool path_ok(const char *path)
{
    AUTO_BUF struct moon_buf href = {0};
    return *path == '/' && path[1] != '/' && moon_buf_addf(&href, "/api%s", path) == 0 &&
           rest_link_ok(href.data);
}

static int check_raw(const struct moon_ontap_call *call, struct moon_err *err)
{
    const char *method = moon_ontap_arg(call, "method"), *path = moon_ontap_arg(call, "path");
    if (!*method || method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
        return rest_fail(call, err, MOON_INVALID, "'%s' is not a method", method);
    if (!path_ok(path))
        return rest_fail(call, err, MOON_INVALID,
                         "'%.200s': give a path below /api, like /storage/volumes?name=x", path);
    return 0;
}

static int ask_request(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    json_t *body = json_object_get(call->args, "body");
    if (check_raw(call, err) < 0)
        return -1;
    ask->method = moon_ontap_arg(call, "method");
    ask->changes = strcmp(ask->method, "GET") != 0;
    ask->body = json_incref(body);
    return moon_buf_adds(&ask->path, moon_ontap_arg(call, "path")) < 0 ? rest_no_memory(err) : 0;
}

static int take_request(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    call->op.result =
        json_pack("{s:O, s:O}", "status", json_object_get(call->memo, "status"), "body", answer);
    return call->op.result ? REST_DONE : rest_no_memory(err);
}

const struct rest_verb moon_rest_request = {
    .steps = (const struct rest_step[]){{.ask = ask_request, .take = take_request, .begin = true}}};
