/* ONTAPI (ZAPI) over HTTP: one call per request, HTTP 200 also for failures, `results` with
 * status, errno and reason. Errors are told apart by errno, never by the reason's text. */
#include "ontap_priv.h"

#include "auto.h"
#include "ontap_codes.h"
#include "xml.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#define PAGE "100" /* max-records: the documented maximum of early releases */

/* --- error numbers ----------------------------------------------------------------------- */

/* Fails with what the controller said: reason, number, and what to do about it. */
static int fault(int number, const char *what, const char *reason, const char *name,
                 struct moon_err *err)
{
    const struct moon_ontap_fault *f = moon_ontap_zapi_fault(number);
    return moon_err_set(err, f ? f->code : MOON_IO, MOON_SRC_ONTAP, number, name,
                        "%s: %s (errno %d)%s%s", what,
                        reason && *reason ? reason : "failed without a reason", number,
                        f ? "; " : "", f ? f->remedy : "");
}

/* --- requests ---------------------------------------------------------------------------- */

static int no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "zapi", "out of memory");
}

/* <name>text</name>, nothing when text is NULL. */
static int put(struct moon_buf *b, const char *name, const char *text, struct moon_err *err)
{
    if (!text)
        return 0;
    if (moon_buf_addf(b, "<%s>", name) < 0 || moon_xml_escape(b, text, err) < 0 ||
        moon_buf_addf(b, "</%s>", name) < 0)
        return -1;
    return 0;
}

static int put_arg(struct moon_buf *b, const struct moon_ontap_call *call, const char *element,
                   const char *arg, struct moon_err *err)
{
    return put(b, element, moon_ontap_arg(call, arg), err);
}

/* The part that every iterator shares: page size and continuation. */
static int put_page(struct moon_buf *b, const struct moon_ontap_call *call, struct moon_err *err)
{
    if (moon_buf_adds(b, "<max-records>" PAGE "</max-records>") < 0)
        return -1;
    return put(b, "tag", call->tag, err);
}

static int build_page_only(struct moon_buf *b, const struct moon_ontap_call *c,
                           struct moon_err *err)
{
    return put_page(b, c, err);
}

static int build_volumes(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    int rc = put_page(b, c, err);
    if (moon_ontap_arg(c, "name") || moon_ontap_arg(c, "junction")) {
        rc |= moon_buf_adds(b, "<query><volume-attributes><volume-id-attributes>");
        rc |= put_arg(b, c, "junction-path", "junction", err);
        rc |= put_arg(b, c, "name", "name", err);
        rc |= moon_buf_adds(b, "</volume-id-attributes></volume-attributes></query>");
    }
    rc |= moon_buf_adds(
        b, "<desired-attributes><volume-attributes><volume-id-attributes><name/><instance-uuid/>"
           "<junction-path/><owning-vserver-name/><type/><style-extended/></volume-id-attributes>"
           "<volume-space-attributes><size/><size-available/><size-used/></volume-space-attributes>"
           "<volume-state-attributes><state/><is-vserver-root/></volume-state-attributes>"
           "</volume-attributes></desired-attributes>");
    return rc;
}

static int build_snapshots(struct moon_buf *b, const struct moon_ontap_call *c,
                           struct moon_err *err)
{
    int rc = put_page(b, c, err);
    rc |= moon_buf_adds(b, "<query><snapshot-info>");
    rc |= put_arg(b, c, "name", "name", err);
    rc |= put_arg(b, c, "volume", "volume", err);
    rc |= moon_buf_adds(b, "</snapshot-info></query>");
    return rc;
}

static int build_snapshot_create(struct moon_buf *b, const struct moon_ontap_call *c,
                                 struct moon_err *err)
{
    /* async would return before the snapshot is there, while a guest waits for it. */
    return put_arg(b, c, "volume", "volume", err) | put_arg(b, c, "snapshot", "name", err) |
           put_arg(b, c, "comment", "comment", err) |
           put_arg(b, c, "snapmirror-label", "label", err) | put(b, "async", "false", err);
}

static int build_snapshot_delete(struct moon_buf *b, const struct moon_ontap_call *c,
                                 struct moon_err *err)
{
    bool force = json_is_true(json_object_get(c->args, "force"));
    return put_arg(b, c, "volume", "volume", err) | put_arg(b, c, "snapshot", "name", err) |
           put_arg(b, c, "snapshot-instance-uuid", "uuid", err) |
           put(b, "ignore-owners", force ? "true" : NULL, err);
}

static int build_snapshot_rename(struct moon_buf *b, const struct moon_ontap_call *c,
                                 struct moon_err *err)
{
    return put_arg(b, c, "volume", "volume", err) | put_arg(b, c, "current-name", "name", err) |
           put_arg(b, c, "new-name", "to", err);
}

static int build_file_restore(struct moon_buf *b, const struct moon_ontap_call *c,
                              struct moon_err *err)
{
    /* The full path form says the volume twice over and can never mean another one. */
    const char *path = moon_ontap_arg(c, "path");
    AUTO_BUF struct moon_buf full = {0};
    if (!moon_ontap_plain_path(path))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "file_restore",
                            "path '%s': must be a file's path below its volume", path);
    if (moon_buf_addf(&full, "/vol/%s/%s", moon_ontap_arg(c, "volume"), path) < 0)
        return -1;
    return put_arg(b, c, "snapshot", "snapshot", err) | put(b, "path", full.data, err);
}

static int build_file_info(struct moon_buf *b, const struct moon_ontap_call *c,
                           struct moon_err *err)
{
    return put_arg(b, c, "path", "path", err);
}

static int build_ems_log(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    char level[24];
    json_t *n = json_object_get(c->args, "level");
    snprintf(level, sizeof level, "%d", n ? (int)json_integer_value(n) : 6);
    return put(b, "app-version", MOON_VERSION, err) | put(b, "auto-support", "false", err) |
           put(b, "category", "moonsnap", err) | put(b, "computer-name", "kvm-host", err) |
           put_arg(b, c, "event-description", "message", err) | put(b, "event-id", "0", err) |
           put_arg(b, c, "event-source", "source", err) | put(b, "log-level", level, err);
}

static int build_call(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const char *args = moon_ontap_arg(c, "args");
    if (!args)
        return 0;
    /* Parsed and not just pasted: "</x><other-call>" would make another call of it. */
    AUTO_BUF struct moon_buf whole = {0};
    AUTO_XML xmlDocPtr doc = NULL;
    if (moon_buf_addf(&whole, "<x>%s</x>", args) < 0 ||
        moon_xml_parse(whole.data, whole.len, "arguments of the call", &doc, err) < 0)
        return -1;
    return moon_buf_adds(b, args);
}

/* --- replies ----------------------------------------------------------------------------- */

/* Set o[key] from the text of an element; absent or empty elements leave the key out. */
static void take_text(json_t *o, const char *key, const xmlNode *parent, const char *path)
{
    AUTO_FREE char *s = moon_xml_text(moon_xml_path(parent, path));
    if (s && *s)
        json_object_set_new(o, key, json_string(s));
}

static void take_int(json_t *o, const char *key, const xmlNode *parent, const char *path)
{
    AUTO_FREE char *s = moon_xml_text(moon_xml_path(parent, path));
    char *end = NULL;
    long long v = s && *s ? strtoll(s, &end, 10) : 0;
    if (end && *end == '\0')
        json_object_set_new(o, key, json_integer(v));
}

static void take_bool(json_t *o, const char *key, const xmlNode *parent, const char *path)
{
    AUTO_FREE char *s = moon_xml_text(moon_xml_path(parent, path));
    json_object_set_new(o, key, json_boolean(s && strcmp(s, "true") == 0));
}

static void take_list(json_t *o, const char *key, const xmlNode *parent, const char *list,
                      const char *item, const char *child)
{
    json_t *out = json_array();
    for (xmlNodePtr n = moon_xml_child(moon_xml_path(parent, list), item); n;
         n = moon_xml_next(n, item)) {
        AUTO_FREE char *s = child ? moon_xml_child_text(n, child) : moon_xml_text(n);
        if (s)
            json_array_append_new(out, json_string(s));
    }
    json_object_set_new(o, key, out);
}

static void row_svm(json_t *o, const xmlNode *n)
{
    take_text(o, "name", n, "vserver-name");
    take_text(o, "uuid", n, "uuid");
    take_text(o, "type", n, "vserver-type");
    take_text(o, "state", n, "state");
}

static void row_lif(json_t *o, const xmlNode *n)
{
    take_text(o, "name", n, "interface-name");
    take_text(o, "address", n, "address");
    take_text(o, "svm", n, "vserver");
    take_list(o, "protocols", n, "data-protocols", "data-protocol", NULL);
}

static void row_volume(json_t *o, const xmlNode *n)
{
    take_text(o, "name", n, "volume-id-attributes/name");
    take_text(o, "uuid", n, "volume-id-attributes/instance-uuid");
    take_text(o, "svm", n, "volume-id-attributes/owning-vserver-name");
    take_text(o, "junction", n, "volume-id-attributes/junction-path");
    take_text(o, "type", n, "volume-id-attributes/type");
    take_text(o, "style", n, "volume-id-attributes/style-extended");
    take_text(o, "state", n, "volume-state-attributes/state");
    take_bool(o, "svm_root", n, "volume-state-attributes/is-vserver-root");
    take_int(o, "size", n, "volume-space-attributes/size");
    take_int(o, "available", n, "volume-space-attributes/size-available");
    take_int(o, "used", n, "volume-space-attributes/size-used");
}

static void row_snapshot(json_t *o, const xmlNode *n)
{
    take_text(o, "name", n, "name");
    take_text(o, "uuid", n, "snapshot-instance-uuid");
    take_text(o, "volume", n, "volume");
    take_text(o, "svm", n, "vserver");
    take_int(o, "created", n, "access-time");
    take_bool(o, "busy", n, "busy");
    take_text(o, "dependency", n, "dependency");
    take_list(o, "owners", n, "snapshot-owners-list", "snapshot-owner", "owner");
    take_text(o, "label", n, "snapmirror-label");
    take_text(o, "comment", n, "comment");
    take_text(o, "state", n, "state");
}

/* "NetApp Release 9.14.1P3: Thu ..." -> "9.14.1" */
static void parse_identity(json_t *o, const xmlNode *results)
{
    take_text(o, "release", results, "version");
    take_bool(o, "clustered", results, "is-clustered");
    const char *release = json_string_value(json_object_get(o, "release"));
    const char *p = release ? strpbrk(release, "0123456789") : NULL;
    size_t len = p ? strspn(p, "0123456789.") : 0;
    json_object_set_new(o, "version", json_stringn(p ? p : "", len));
    json_object_set_new(o, "transport", json_string("zapi"));
}

static void parse_restores(json_t *o, const xmlNode *results)
{
    take_int(o, "running", results, "sfsr-in-progress");
    take_int(o, "limit", results, "max-sfsr-limit");
}

static void parse_file_info(json_t *o, const xmlNode *results)
{
    take_int(o, "size", results, "file-info/file-size");
    take_text(o, "type", results, "file-info/file-type");
    take_int(o, "modified", results, "file-info/modified-timestamp");
}

/* {}: there is no job to ask for, see restore_status. */
static void parse_nothing(json_t *o, const xmlNode *results)
{
    (void)o, (void)results;
}

/* One row per verb: the call, its arguments, and how its reply reads: an iterator's rows
 * (`row`, `record` names the element), one object (`object`), or nothing. */
static const struct {
    const char *call;
    int (*build)(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err);
    const char *record;
    void (*row)(json_t *o, const xmlNode *n);
    void (*object)(json_t *o, const xmlNode *results);
} zapi[MOON_ONTAP_VERB_COUNT] = {
    [MOON_ONTAP_IDENTITY] = {.call = "system-get-version", .object = parse_identity},
    [MOON_ONTAP_SVMS] = {"vserver-get-iter", build_page_only, "vserver-info", row_svm, NULL},
    [MOON_ONTAP_LIFS] = {"net-interface-get-iter", build_page_only, "net-interface-info", row_lif,
                         NULL},
    [MOON_ONTAP_VOLUMES] = {"volume-get-iter", build_volumes, "volume-attributes", row_volume,
                            NULL},
    [MOON_ONTAP_SNAPSHOT_CREATE] = {.call = "snapshot-create", .build = build_snapshot_create},
    [MOON_ONTAP_SNAPSHOTS] = {"snapshot-get-iter", build_snapshots, "snapshot-info", row_snapshot,
                              NULL},
    [MOON_ONTAP_SNAPSHOT_DELETE] = {.call = "snapshot-delete", .build = build_snapshot_delete},
    [MOON_ONTAP_SNAPSHOT_RENAME] = {.call = "snapshot-rename", .build = build_snapshot_rename},
    [MOON_ONTAP_FILE_RESTORE] = {.call = "snapshot-restore-file",
                                 .build = build_file_restore,
                                 .object = parse_nothing},
    [MOON_ONTAP_RESTORE_STATUS] = {.call = "snapshot-restore-file-info", .object = parse_restores},
    [MOON_ONTAP_FILE_INFO] = {.call = "file-get-file-info",
                              .build = build_file_info,
                              .object = parse_file_info},
    [MOON_ONTAP_EMS_LOG] = {.call = "ems-autosupport-log", .build = build_ems_log},
    [MOON_ONTAP_CALL] = {.call = NULL, .build = build_call},
};

static int zapi_request(struct moon_ontap_call *call, struct moon_ontap_request *out,
                        struct moon_err *err)
{
    struct moon_buf *body = &out->body;
    static const char *const lines[] = {"Content-Type: text/xml; charset=\"UTF-8\"",
                                        "X-Dot-Client-App: moonsnap/" MOON_VERSION, NULL};
    const char *name = zapi[call->verb].call;
    if (!name && call->verb != MOON_ONTAP_CALL)
        return moon_err_set(err, MOON_UNSUPPORTED, MOON_SRC_ONTAP, 0,
                            moon_ontap_verb_name(call->verb), "controller %s: %s: not over ONTAPI",
                            call->ontap->name, moon_ontap_verb_name(call->verb));
    if (!name)
        name = moon_ontap_arg(call, "name");
    if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
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
    rc |= moon_buf_addf(body, "><%s>", name);
    if (zapi[call->verb].build)
        rc |= zapi[call->verb].build(body, call, err);
    rc |= moon_buf_addf(body, "</%s></netapp>", name);
    if (rc)
        return err->code == MOON_OK ? no_memory(err) : -1;
    if (asprintf(&out->url, "%s/servlets/netapp.servlets.admin.XMLrequest_filer",
                 call->ontap->base) < 0) {
        out->url = NULL;
        return no_memory(err);
    }
    out->headers = lines;
    out->changes = moon_ontap_verb_changes(call->verb, call->args);
    out->warm = call->verb == MOON_ONTAP_SNAPSHOT_CREATE;
    return 0;
}

/* "controller svm1: snapshot-create vol1" */
static void describe(const struct moon_ontap_call *call, const char *name, char *out, size_t size)
{
    const char *volume = moon_ontap_arg(call, "volume");
    const char *object = moon_ontap_arg(call, "name");
    if (!object)
        object = moon_ontap_arg(call, "path");
    if (call->verb == MOON_ONTAP_CALL)
        object = NULL;
    snprintf(out, size, "controller %s: %s%s%s%s%s", call->ontap->name, name, volume ? " " : "",
             volume ? volume : "", object ? " " : "", object ? object : "");
}

static int check_http(const struct moon_http_reply *reply, const char *what, const char *name,
                      struct moon_err *err)
{
    int status = (int)reply->status;
    if (status == 200)
        return 0;
    if (status == 401)
        return moon_err_set(err, MOON_DENIED, MOON_SRC_HTTP, 401, name,
                            "%s: wrong user or password (HTTP 401); see NTAP_USERS", what);
    if (status == 429 || status == 503)
        return moon_err_set(err, MOON_BUSY, MOON_SRC_HTTP, status, name,
                            "%s: the controller has too much to do (HTTP %d)", what, status);
    if (status >= 300 && status < 400)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_HTTP, status, name,
                            "%s: answered with a redirect (HTTP %d), which is not followed", what,
                            status);
    if (status >= 400 && status < 500)
        return moon_err_set(err, MOON_UNSUPPORTED, MOON_SRC_HTTP, status, name,
                            "%s: ONTAPI is not served there (HTTP %d)", what, status);
    return moon_err_set(err, MOON_IO, MOON_SRC_HTTP, status, name, "%s: HTTP %d", what, status);
}

/* A passed reply may still carry failures: one per volume that could not be read. */
static int check_volume_errors(const xmlNode *results, const char *what, const char *name,
                               struct moon_err *err)
{
    xmlNodePtr e = moon_xml_path(results, "volume-errors/volume-error");
    if (!e)
        return 0;
    AUTO_FREE char *reason = moon_xml_child_text(e, "reason");
    AUTO_FREE char *volume = moon_xml_child_text(e, "name");
    int64_t number = 0;
    if (moon_xml_child_int(e, "errno", 0, INT32_MAX, &number, NULL) < 0)
        number = 0;
    AUTO_BUF struct moon_buf where = {0};
    if (moon_buf_addf(&where, "%s: volume '%s'", what, volume ? volume : "?") < 0)
        return no_memory(err);
    return fault((int)number, where.data, reason, name, err);
}

/* A call that runs on as a job says so with status="passed": its outcome counts, not that. */
static int check_result_status(const xmlNode *results, const char *what, const char *name,
                               struct moon_err *err)
{
    AUTO_FREE char *status = moon_xml_child_text(results, "result-status");
    if (!status || strcmp(status, "failed") != 0)
        return 0;
    AUTO_FREE char *text = moon_xml_child_text(results, "result-error-message");
    int64_t number = 0;
    if (moon_xml_child_int(results, "result-error-code", 0, INT32_MAX, &number, NULL) < 0)
        number = 0;
    return fault((int)number, what, text, name, err);
}

static int check_results(const xmlNode *results, const char *what, const char *name,
                         struct moon_err *err)
{
    AUTO_FREE char *status = moon_xml_attr(results, "status");
    if (status && strcmp(status, "passed") == 0) {
        if (check_result_status(results, what, name, err) < 0)
            return -1;
        return check_volume_errors(results, what, name, err);
    }
    if (!status || strcmp(status, "failed") != 0)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ONTAP, 0, name,
                            "%s: the reply has no result status", what);
    AUTO_FREE char *reason = moon_xml_attr(results, "reason");
    int64_t number = 0;
    if (moon_xml_attr_int(results, "errno", INT32_MIN, INT32_MAX, &number, NULL) < 0)
        number = 0;
    return fault((int)number, what, reason, name, err);
}

static int take_page(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    const char *record = zapi[call->verb].record;
    json_t *rows = json_array();
    for (xmlNodePtr n = moon_xml_child(moon_xml_child(results, "attributes-list"), record);
         rows && n; n = moon_xml_next(n, record)) {
        json_t *row = json_object();
        json_array_append_new(rows, row);
        zapi[call->verb].row(row, n);
    }
    return rows ? moon_ontap_take_page(call, rows, moon_xml_child_text(results, "next-tag"), err)
                : no_memory(err);
}

static int zapi_reply(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      struct moon_err *err)
{
    const char *name = zapi[call->verb].call ? zapi[call->verb].call : moon_ontap_arg(call, "name");
    char what[384];
    describe(call, name, what, sizeof what);
    if (check_http(reply, what, name, err) < 0)
        return -1;
    AUTO_XML xmlDocPtr doc = NULL;
    if (moon_xml_parse_with(reply->body.data ? reply->body.data : "", reply->body.len, what,
                            MOON_XML_RECOVER, &doc, err) < 0) {
        err->source = MOON_SRC_ONTAP;
        err->code = MOON_PROTOCOL;
        return -1;
    }
    xmlNodePtr results = moon_xml_child(xmlDocGetRootElement(doc), "results");
    if (!results)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ONTAP, 0, name,
                            "%s: the answer is not an ONTAPI reply", what);
    if (check_results(results, what, name, err) < 0)
        return -1;
    if (call->verb == MOON_ONTAP_CALL)
        return moon_xml_to_json(results, &call->op.result, err);
    if (zapi[call->verb].row)
        return take_page(call, results, err);
    if (zapi[call->verb].object) {
        if (!(call->op.result = json_object()))
            return no_memory(err);
        zapi[call->verb].object(call->op.result, results);
        if (call->verb == MOON_ONTAP_IDENTITY && call->ontap->reason)
            json_object_set_new(call->op.result, "reason", json_string(call->ontap->reason));
    }
    return 0;
}

const struct moon_ontap_ops moon_ontap_zapi = {
    .name = "zapi", .request = zapi_request, .reply = zapi_reply};
