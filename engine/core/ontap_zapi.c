/* ONTAPI (ZAPI) over HTTP: one call per request, HTTP 200 also for failures, `results` with
 * status, errno and reason. Errors are told apart by errno, never by the reason's text. */
#include "ontap_zapi.h"

#include "auto.h"
#include "clock.h"

#include <string.h>

#define POLL_FIRST 0.5 /* seconds between two looks at a job */
#define POLL_MAX   2.0
#define LOOKS      3 /* at an object after a lost answer: the change may be under way yet */

static const struct zapi_verb *const verbs[MOON_ONTAP_VERB_COUNT] = {
    [MOON_ONTAP_IDENTITY] = &zapi_identity,
    [MOON_ONTAP_CLUSTER] = &zapi_cluster,
    [MOON_ONTAP_SVMS] = &zapi_list_svms,
    [MOON_ONTAP_LIFS] = &zapi_list_lifs,
    [MOON_ONTAP_VOLUMES] = &zapi_list_volumes,
    [MOON_ONTAP_SNAPSHOT_CREATE] = &zapi_snapshot_create,
    [MOON_ONTAP_SNAPSHOTS] = &zapi_list_snapshots,
    [MOON_ONTAP_SNAPSHOT_DELETE] = &zapi_snapshot_delete,
    [MOON_ONTAP_SNAPSHOT_RENAME] = &zapi_snapshot_rename,
    [MOON_ONTAP_SNAPSHOT_MODIFY] = &zapi_snapshot_modify,
    [MOON_ONTAP_CG_START] = &zapi_cg_start,
    [MOON_ONTAP_CG_COMMIT] = &zapi_cg_commit,
    [MOON_ONTAP_FILE_RESTORE] = &zapi_file_restore,
    [MOON_ONTAP_LUN_RESTORE] = &zapi_lun_restore,
    [MOON_ONTAP_RESTORE_STATUS] = &zapi_restore_status,
    [MOON_ONTAP_FILE_INFO] = &zapi_file_info,
    [MOON_ONTAP_LUNS] = &zapi_list_luns,
    [MOON_ONTAP_LUN_MAPS] = &zapi_list_lun_maps,
    [MOON_ONTAP_IGROUPS] = &zapi_list_igroups,
    [MOON_ONTAP_LUN_MAP] = &zapi_lun_map,
    [MOON_ONTAP_LUN_UNMAP] = &zapi_lun_unmap,
    [MOON_ONTAP_LUN_ONLINE] = &zapi_lun_online,
    [MOON_ONTAP_LUN_OFFLINE] = &zapi_lun_offline,
    [MOON_ONTAP_LUN_DELETE] = &zapi_lun_delete,
    [MOON_ONTAP_FILE_CLONE] = &zapi_file_clone,
    [MOON_ONTAP_LUN_CLONE] = &zapi_lun_clone,
    [MOON_ONTAP_VOLUME_CLONE] = &zapi_volume_clone,
    [MOON_ONTAP_VOLUME_CLONE_SPLIT] = &zapi_volume_clone_split,
    [MOON_ONTAP_VOLUME_CLONES] = &zapi_volume_clones,
    [MOON_ONTAP_VOLUME_DELETE] = &zapi_volume_delete,
    [MOON_ONTAP_EXPORT_CREATE] = &zapi_export_create,
    [MOON_ONTAP_EXPORT_DELETE] = &zapi_export_delete,
    [MOON_ONTAP_VOLUME_EXPORT] = &zapi_volume_export,
    [MOON_ONTAP_MIRRORS] = &zapi_list_mirrors,
    [MOON_ONTAP_MIRROR_UPDATE] = &zapi_mirror_update,
    [MOON_ONTAP_MIRROR_TRANSFER] = &zapi_mirror_transfer,
    [MOON_ONTAP_MIRROR_CHANGE] = &zapi_mirror_change,
    [MOON_ONTAP_MIRROR_RESTORE] = &zapi_mirror_restore,
    [MOON_ONTAP_MIRROR_POLICIES] = &zapi_mirror_policies,
    [MOON_ONTAP_EMS_LOG] = &zapi_ems_log,
    [MOON_ONTAP_JOB] = &zapi_job,
    [MOON_ONTAP_CALL] = &zapi_call,
};

/* What to do instead of a verb that ONTAPI does not have. */
static const char *const instead[MOON_ONTAP_VERB_COUNT] = {
    [MOON_ONTAP_CG_GROUPS] = "ONTAPI takes group snapshots of any volumes and has no group objects",
    [MOON_ONTAP_REQUEST] = "a raw REST request needs ONTAP_API=auto or rest",
};

/* --- jobs -------------------------------------------------------------------------------- */

static int build_poll(struct moon_buf *b, const struct moon_ontap_call *call, struct moon_err *err)
{
    return zapi_put(b, "job-id", zapi_known(call, "job"), err);
}

static const struct zapi_step *step_of(const struct moon_ontap_call *call);

static bool job_runs(const char *state)
{
    /* Of an "unknown" one NetApp's mapping of ONTAPI to REST (job-get) says that it runs. */
    static const char *const ended[] = {"success", "failure", "error", "quit", "dead"};
    for (size_t i = 0; i < sizeof ended / sizeof *ended; i++) {
        if (strcmp(state, ended[i]) == 0)
            return false;
    }
    return true;
}

static int unknown(struct moon_ontap_call *call, const struct moon_err *why);

static int take_poll(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    const xmlNode *info = moon_xml_path(results, "attributes/job-info");
    AUTO_FREE char *state = moon_xml_child_text(info, "job-state");
    AUTO_FREE char *text = moon_xml_child_text(info, "job-completion");
    int64_t code = 0;
    if (!state) {
        zapi_fail(call, err, MOON_PROTOCOL, "job %s has no state", zapi_known(call, "job"));
        return unknown(call, err);
    }
    if (moon_xml_child_int(info, "job-status-code", 0, INT32_MAX, &code, NULL) < 0)
        code = 0;
    double since = json_number_value(json_object_get(call->memo, "since"));
    bool runs = job_runs(state);
    if (runs && moon_clock_mono() - since <= MOON_ONTAP_JOB_PATIENCE) {
        call->delay = call->pages == 0 ? POLL_FIRST : POLL_MAX;
        return ZAPI_NEXT;
    }
    call->step = (int)json_integer_value(json_object_get(call->memo, "step"));
    if (runs) {
        zapi_fail(call, err, MOON_TIMEOUT, "its job %s runs on after %.0f s",
                  zapi_known(call, "job"), MOON_ONTAP_JOB_PATIENCE);
        return zapi_doubt(call, err);
    }
    if (strcmp(state, "success") == 0 && code == 0) {
        const struct zapi_step *step = step_of(call);
        return step->take ? step->take(call, results, err) : ZAPI_DONE;
    }
    zapi_fault(call, (int)code, text && *text ? text : state, err);
    return zapi_doubt(call, err); /* a job may fail after it has done its work */
}

/* Finished jobs are forgotten after a while. */
static int poll_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)number;
    call->step = (int)json_integer_value(json_object_get(call->memo, "step"));
    return zapi_doubt(call, err);
}

static const struct zapi_step poll_step = {.call = "job-get",
                                           .build = build_poll,
                                           .take = take_poll,
                                           .refused = poll_refused,
                                           .reads = true};
#define POLL_STEP (-1) /* in call->step */

/* --- the flow ---------------------------------------------------------------------------- */

static const struct zapi_step *step_of(const struct moon_ontap_call *call)
{
    return call->step == POLL_STEP ? &poll_step : &verbs[call->verb]->steps[call->step];
}

const char *zapi_call_name(const struct moon_ontap_call *call)
{
    const struct zapi_step *step = step_of(call);
    if (step->list)
        return step->list->call;
    return step->call ? step->call : step->named(call);
}

int zapi_no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "zapi", "out of memory");
}

int zapi_remember(struct moon_ontap_call *call, const char *key, json_t *value)
{
    if (!call->memo)
        call->memo = json_object();
    return json_object_set_new(call->memo, key, value);
}

const char *zapi_known(const struct moon_ontap_call *call, const char *key)
{
    return json_string_value(json_object_get(call->memo, key));
}

int zapi_go(struct moon_ontap_call *call, int step)
{
    call->step = step;
    return ZAPI_NEXT;
}

int zapi_give(struct moon_ontap_call *call, json_t *value, struct moon_err *err)
{
    call->op.result = value;
    return value ? ZAPI_DONE : zapi_no_memory(err);
}

int zapi_take_empty(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    (void)results;
    return zapi_give(call, json_object(), err);
}

/* --- when the outcome is not known ------------------------------------------------------- */

int zapi_doubt(struct moon_ontap_call *call, const struct moon_err *err)
{
    int look = verbs[call->verb]->look;
    if (look == 0 || json_object_get(call->memo, "why"))
        return -1;
    json_t *why =
        json_pack("{s:i, s:i, s:i, s:s, s:s}", "code", (int)err->code, "source", (int)err->source,
                  "native", err->native, "op", err->op, "message", err->message);
    if (zapi_remember(call, "why", why) < 0)
        return -1;
    return zapi_go(call, look);
}

bool zapi_was_refused(const struct moon_ontap_call *call)
{
    const json_t *why = json_object_get(call->memo, "why");
    return json_integer_value(json_object_get(why, "source")) == MOON_SRC_ONTAP &&
           json_integer_value(json_object_get(why, "native")) != 0;
}

int zapi_not_so(struct moon_ontap_call *call, struct moon_err *err)
{
    const json_t *why = json_object_get(call->memo, "why");
    json_int_t looks = json_integer_value(json_object_get(call->memo, "looks")) + 1;
    if (!zapi_was_refused(call) && looks < LOOKS &&
        zapi_remember(call, "looks", json_integer(looks)) == 0) {
        call->delay = call->ontap->retry_wait;
        return ZAPI_NEXT;
    }
    return moon_err_set(err, (enum moon_code)json_integer_value(json_object_get(why, "code")),
                        (enum moon_source)json_integer_value(json_object_get(why, "source")),
                        (int)json_integer_value(json_object_get(why, "native")),
                        zapi_value(why, "op"), "%s", zapi_value(why, "message"));
}

/* What came, or did not come, says nothing about what was done. */
static int unknown(struct moon_ontap_call *call, const struct moon_err *why)
{
    const struct zapi_verb *verb = verbs[call->verb];
    if (!call->changes && call->step != POLL_STEP)
        return -1;
    if (verb->again && call->step == verb->again)
        return zapi_go(call, verb->look);
    int rc = zapi_doubt(call, why);
    return rc == ZAPI_NEXT && verb->again ? zapi_go(call, verb->again) : rc;
}

static int zapi_lost(struct moon_ontap_call *call, const struct moon_err *why, struct moon_err *err)
{
    (void)err;
    return unknown(call, why);
}

/* --- requests ---------------------------------------------------------------------------- */

/* What narrows the list of this step: a new reference. */
static json_t *where_of(const struct moon_ontap_call *call)
{
    const struct zapi_step *step = step_of(call);
    return step->where ? step->where(call) : json_incref(call->args);
}

static int put_call(struct moon_buf *b, const struct moon_ontap_call *call, const char *name,
                    struct moon_err *err)
{
    const struct zapi_step *step = step_of(call);
    int rc = moon_buf_addf(b, "><%s>", name);
    if (step->list) {
        json_t *where = where_of(call);
        rc |= where ? zapi_put_list(b, call, step->list, where, err) : zapi_no_memory(err);
        json_decref(where);
    } else if (step->build) {
        rc |= step->build(b, call, err);
    }
    return rc | moon_buf_addf(b, "</%s></netapp>", name);
}

static bool is_call_name(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

static int zapi_request(struct moon_ontap_call *call, struct moon_ontap_request *out,
                        struct moon_err *err)
{
    struct moon_buf *body = &out->body;
    static const char *const lines[] = {"Content-Type: text/xml; charset=\"UTF-8\"",
                                        "X-Dot-Client-App: moonsnap/" MOON_VERSION, NULL};
    if (!verbs[call->verb])
        return moon_err_set(err, MOON_UNSUPPORTED, MOON_SRC_ONTAP, 0,
                            moon_ontap_verb_name(call->verb),
                            "controller %s: %s: not over ONTAPI: %s", call->ontap->name,
                            moon_ontap_verb_name(call->verb), instead[call->verb]);
    if (verbs[call->verb]->begin && !call->memo && verbs[call->verb]->begin(call, err) < 0)
        return -1;
    const struct zapi_step *step = step_of(call);
    const char *name = zapi_call_name(call);
    if (!is_call_name(name))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "call",
                            "'%s' is not the name of an ONTAPI call", name);
    err->code = MOON_OK;
    int rc = moon_buf_adds(body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<netapp xmlns=\""
                                 "http://www.netapp.com/filer/admin\" version=\"1.21\"");
    if (call->ontap->svm) {
        rc |= moon_buf_adds(body, " vfiler=\"");
        rc |= moon_xml_escape(body, call->ontap->svm, err);
        rc |= moon_buf_adds(body, "\"");
    }
    rc |= put_call(body, call, name, err);
    if (rc)
        return err->code == MOON_OK ? zapi_no_memory(err) : -1;
    if (asprintf(&out->url, "%s/servlets/netapp.servlets.admin.XMLrequest_filer",
                 call->ontap->base) < 0) {
        out->url = NULL;
        return zapi_no_memory(err);
    }
    out->headers = lines;
    out->changes = moon_ontap_verb_changes(call->verb, call->args) && !step->list && !step->reads;
    /* A guest waits for it: should it be sent twice, the second answer says that the name exists. */
    out->warm = call->verb == MOON_ONTAP_SNAPSHOT_CREATE;
    return 0;
}

/* --- replies ----------------------------------------------------------------------------- */

/* Whether the call goes on as a job that the caller waits for. What only reads never does. */
static bool to_be_polled(struct moon_ontap_call *call, const xmlNode *results)
{
    if (!call->changes || step_of(call)->begins || call->verb == MOON_ONTAP_CALL ||
        call->step == POLL_STEP)
        return false;
    AUTO_FREE char *outcome = moon_xml_child_text(results, "result-status");
    AUTO_FREE char *job = moon_xml_child_text(results, "result-jobid");
    if (!outcome || strcmp(outcome, "in_progress") != 0 || !job || !*job)
        return false;
    return zapi_remember(call, "job", json_string(job)) == 0 &&
           zapi_remember(call, "since", json_real(moon_clock_mono())) == 0 &&
           zapi_remember(call, "step", json_integer(call->step)) == 0;
}

/* The rows of a list inside another verb, over all its pages. */
static int take_inner(struct moon_ontap_call *call, json_t *rows, char *next, struct moon_err *err)
{
    AUTO_FREE char *before = MOON_STEAL(call->tag);
    bool more = *next && !(before && strcmp(before, next) == 0);
    if (!call->rows)
        call->rows = json_array();
    int rc = json_array_extend(call->rows, rows);
    json_decref(rows);
    call->tag = more ? next : NULL;
    if (!more)
        free(next);
    if (rc < 0)
        return zapi_no_memory(err);
    if (more)
        return ZAPI_NEXT;
    AUTO_JSON json_t *all = MOON_STEAL(call->rows);
    return step_of(call)->rows(call, all, err);
}

static bool nothing(const json_t *result)
{
    const json_t *rows = json_object_get(result, "rows");
    return json_array_size(rows ? rows : result) == 0 && !json_object_get(result, "next");
}

static int take_list(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    const struct zapi_step *step = step_of(call);
    AUTO_JSON json_t *where = where_of(call);
    json_t *rows = where ? zapi_rows(results, step->list, where) : NULL;
    char *next = moon_xml_child_text(results, "next-tag");
    if (!next)
        next = strdup("");
    if (!rows || !next) {
        json_decref(rows);
        free(next);
        return zapi_no_memory(err);
    }
    for (size_t i = 0; step->touch && i < json_array_size(rows); i++)
        step->touch(call, json_array_get(rows, i));
    if (step->rows)
        return take_inner(call, rows, next, err);
    const char *page = moon_ontap_arg(call, "page");
    int rc = moon_ontap_take_page(call, rows, next, err);
    return rc == ZAPI_DONE && !(page && *page) && step->none && nothing(call->op.result)
               ? zapi_go(call, step->none)
               : rc;
}

/* Whether this step looks what became of the change. The object is not there, or may not be seen: neither says that the
 * change was refused, which is what the look's own error would be taken for. */
static bool in_doubt(const struct moon_ontap_call *call)
{
    return call->step == verbs[call->verb]->look && json_object_get(call->memo, "why");
}

/* EAPIEXCEPTION and EINTERNALERROR: it failed inside, at whatever point. */
static bool says_internal(int number)
{
    return number == 13004 || number == 13114;
}

/* No answer of ONTAPI's own: did the request reach what carries it out? */
static bool status_is_vague(const struct moon_ontap_call *call, long status)
{
    return status == 500 || status == 502 || status == 504 ||
           (call->step == POLL_STEP && status != 401);
}

static int take_results(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    const struct zapi_step *step = step_of(call);
    int number = 0;
    if (zapi_check_results(call, results, &number, err) < 0) {
        if (number && in_doubt(call))
            return zapi_not_so(call, err);
        if (err->code == MOON_PROTOCOL || (call->changes && says_internal(number)))
            return unknown(call, err);
        return step->refused && number ? step->refused(call, number, err) : -1;
    }
    if (to_be_polled(call, results)) {
        call->pages = -1;
        return zapi_go(call, POLL_STEP);
    }
    if (step->list)
        return take_list(call, results, err);
    return step->take ? step->take(call, results, err) : ZAPI_DONE;
}

static int zapi_reply(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      struct moon_err *err)
{
    if (zapi_check_http(call, reply, err) < 0)
        return status_is_vague(call, reply->status) ? unknown(call, err) : -1;
    char what[512];
    zapi_describe(call, what, sizeof what);
    AUTO_XML xmlDocPtr doc = NULL;
    if (moon_xml_parse_with(reply->body.data ? reply->body.data : "", reply->body.len, what,
                            MOON_XML_RECOVER, &doc, err) < 0) {
        err->source = MOON_SRC_ONTAP;
        err->code = MOON_PROTOCOL;
        return unknown(call, err);
    }
    xmlNodePtr results = moon_xml_child(xmlDocGetRootElement(doc), "results");
    if (!results) {
        zapi_fail(call, err, MOON_PROTOCOL, "the answer is not an ONTAPI reply");
        return unknown(call, err);
    }
    int rc = take_results(call, results, err);
    if (rc < 0 && call->op.result) { /* found before the step that failed */
        json_decref(call->op.result);
        call->op.result = NULL;
    }
    return rc;
}

const struct moon_ontap_ops moon_ontap_zapi = {
    .name = "zapi", .request = zapi_request, .reply = zapi_reply, .lost = zapi_lost};
