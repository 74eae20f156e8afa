#include "ontap_priv.h"

#include "auto.h"
#include "log.h"
#include "loop.h"

#include <string.h>

#define MAX_PAGES 20000 /* a controller that pages for ever is broken */

static const struct {
    const char *name, *signature;
    bool changes;
} verbs[MOON_ONTAP_VERB_COUNT] = {
    [MOON_ONTAP_IDENTITY] = {"identity", "", false},
    [MOON_ONTAP_SVMS] = {"svms", "", false},
    [MOON_ONTAP_LIFS] = {"lifs", "", false},
    [MOON_ONTAP_VOLUMES] = {"volumes", "{name:s? junction:s?}", false},
    [MOON_ONTAP_SNAPSHOT_CREATE] = {"snapshot_create", "volume:s name:s {comment:s? label:s?}",
                                    true},
    [MOON_ONTAP_SNAPSHOTS] = {"snapshots", "volume:s {name:s?}", false},
    [MOON_ONTAP_SNAPSHOT_DELETE] = {"snapshot_delete", "volume:s name:s {uuid:s? force:b?}", true},
    [MOON_ONTAP_SNAPSHOT_RENAME] = {"snapshot_rename", "volume:s name:s {to:s}", true},
    [MOON_ONTAP_FILE_RESTORE] = {"file_restore", "volume:s snapshot:s {path:s}", true},
    [MOON_ONTAP_RESTORES_RUNNING] = {"restores_running", "", false},
    [MOON_ONTAP_FILE_INFO] = {"file_info", "path:s", false},
    [MOON_ONTAP_EMS_LOG] = {"ems_log", "source:s message:s {level:i?}", true},
    [MOON_ONTAP_CALL] = {"call", "name:s args:s?", true},
};

const char *moon_ontap_verb_name(enum moon_ontap_verb verb)
{
    return verbs[verb].name;
}

const char *moon_ontap_verb_signature(enum moon_ontap_verb verb)
{
    return verbs[verb].signature;
}

/* A call reads when its last words say so: volume-get-iter, snapshot-list-info, lun-restore-status.
 */
static bool call_reads(const char *name)
{
    static const char *const endings[] = {"-get",         "-get-iter",       "-list-info",
                                          "-get-version", "-restore-status", "-get-ontapi-version"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (len > n && strcmp(name + len - n, endings[i]) == 0)
            return true;
    }
    return false;
}

bool moon_ontap_verb_changes(enum moon_ontap_verb verb, const json_t *args)
{
    if (verb == MOON_ONTAP_CALL) {
        const char *name = json_string_value(json_object_get(args, "name"));
        return !name || !call_reads(name);
    }
    return verbs[verb].changes;
}

static const char *option(const struct moon_ontap *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o->options, key));
    return s && *s ? s : NULL;
}

static int make_base(struct moon_ontap *o, struct moon_err *err)
{
    const char *host = option(o, "host");
    bool https = !json_is_false(json_object_get(o->options, "https"));
    json_t *port = json_object_get(o->options, "port");
    json_int_t n = port ? json_integer_value(port) : (https ? 443 : 80);
    if (!host || strpbrk(host, "/@?# \t") || n < 1 || n > 65535)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ONTAP, 0, "connect",
                            "controller %s: '%s' port %d is not an address", o->name,
                            host ? host : "", (int)n);
    bool bare6 = strchr(host, ':') && host[0] != '[';
    if (asprintf(&o->base, "%s://%s%s%s:%d", https ? "https" : "http", bare6 ? "[" : "", host,
                 bare6 ? "]" : "", (int)n) < 0) {
        o->base = NULL;
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "connect", "out of memory");
    }
    return 0;
}

struct moon_ontap *moon_ontap_new(const json_t *options, struct moon_err *err)
{
    struct moon_ontap *o = calloc(1, sizeof *o);
    if (!o || !(o->options = json_deep_copy(options))) {
        free(o);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "connect", "out of memory");
        return NULL;
    }
    atomic_init(&o->refs, 1);
    o->name = option(o, "name") ? option(o, "name") : option(o, "host");
    o->user = option(o, "user");
    o->password = option(o, "password");
    o->svm = option(o, "svm");
    o->ca_file = option(o, "ca_file");
    o->pin = option(o, "pin");
    o->timeout = json_number_value(json_object_get(o->options, "timeout"));
    o->ops = &moon_ontap_zapi;
    const char *api = option(o, "api");
    int rc = 0;
    if (api && strcmp(api, "rest") == 0)
        rc = moon_err_set(err, MOON_UNSUPPORTED, MOON_SRC_ONTAP, 0, "connect",
                          "controller %s: this version speaks ZAPI only; set ONTAP_API=zapi",
                          o->name);
    if (rc < 0 || make_base(o, err) < 0) {
        moon_ontap_unref(o);
        return NULL;
    }
    return o;
}

struct moon_ontap *moon_ontap_ref(struct moon_ontap *o)
{
    atomic_fetch_add(&o->refs, 1);
    return o;
}

void moon_ontap_unref(struct moon_ontap *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) != 1)
        return;
    json_decref(o->options);
    free(o->base);
    free(o);
}

const char *moon_ontap_name(const struct moon_ontap *o)
{
    return o->name;
}

static int next_request(struct moon_ontap_call *call, struct moon_loop *loop);

/* OUTPUT: that a call was made, and how it ended. TRACE: what it gave (LOG_TRACE_ENABLE). */
static void log_call(const struct moon_ontap_call *call)
{
    const struct moon_op *op = &call->op;
    if (moon_log_wants(MOON_LOG_OUTPUT)) {
        AUTO_FREE char *args = json_dumps(call->args, JSON_COMPACT | JSON_SORT_KEYS);
        moon_log(MOON_LOG_OUTPUT, "%s %s %s: %s", call->ontap->name, verbs[call->verb].name,
                 args ? args : "", op->failed ? op->err.message : "passed");
    }
    if (!op->failed && op->result && moon_log_wants(MOON_LOG_TRACE)) {
        AUTO_FREE char *result = json_dumps(op->result, JSON_COMPACT | JSON_ENCODE_ANY);
        moon_log(MOON_LOG_TRACE, "%s %s: %s", call->ontap->name, verbs[call->verb].name,
                 result ? result : "");
    }
}

/* A snapshot's creation may travel on a warm connection, since a guest waits for it: should it be
 * sent twice, the second answer says that the name exists and the caller finds its own snapshot. */
static bool sent_once(const struct moon_ontap_call *call)
{
    return call->verb != MOON_ONTAP_SNAPSHOT_CREATE &&
           moon_ontap_verb_changes(call->verb, call->args);
}

/* The loop is needed again for the next page; a call lives on one loop only. */
struct step {
    struct moon_ontap_call *call;
    struct moon_loop *loop;
};

static void call_failed(struct moon_ontap_call *call)
{
    call->op.failed = true;
    log_call(call);
    moon_op_complete(&call->op);
}

static void on_reply(void *arg, struct moon_http_reply *reply, const struct moon_err *err)
{
    struct step s = *(struct step *)arg;
    free(arg);
    struct moon_ontap_call *call = s.call;
    call->http = NULL;
    if (err) {
        call->op.err = *err;
        call->op.abandoned = call->op.abandoned || err->code == MOON_CANCELLED;
        moon_err_set(&call->op.err, err->code, err->source, err->native, verbs[call->verb].name,
                     "controller %s: %s", call->ontap->name, err->message);
        call_failed(call);
        return;
    }
    int rc = call->ontap->ops->reply(call, reply, &call->op.err);
    if (rc > 0 && ++call->pages > MAX_PAGES)
        rc = moon_err_set(&call->op.err, MOON_PROTOCOL, MOON_SRC_ONTAP, 0, verbs[call->verb].name,
                          "controller %s: the list does not end", call->ontap->name);
    if (rc > 0)
        rc = next_request(call, s.loop) < 0 ? -1 : 1;
    if (rc < 0) {
        call_failed(call);
    } else if (rc == 0) {
        log_call(call);
        moon_op_complete(&call->op);
    }
}

static int next_request(struct moon_ontap_call *call, struct moon_loop *loop)
{
    struct moon_ontap *o = call->ontap;
    AUTO_FREE char *url = NULL;
    AUTO_BUF struct moon_buf body = {0};
    const char *const *headers = NULL;
    if (o->ops->request(call, &url, &body, &headers, &call->op.err) < 0)
        return -1;
    struct step *s = malloc(sizeof *s);
    if (!s)
        return moon_err_set(&call->op.err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "ontap",
                            "out of memory");
    *s = (struct step){call, loop};
    struct moon_http_request req = {.method = "POST",
                                    .url = url,
                                    .headers = headers,
                                    .body = body.data,
                                    .body_len = body.len,
                                    .user = o->user,
                                    .password = o->password,
                                    .ca_file = o->ca_file,
                                    .pin = o->pin,
                                    .changes = sent_once(call),
                                    .timeout = o->timeout};
    call->http = moon_http_start(loop, &req, on_reply, s, &call->op.err);
    if (!call->http)
        free(s);
    return call->http ? 0 : -1;
}

static int call_start(struct moon_op *op, struct moon_loop *loop)
{
    return next_request((struct moon_ontap_call *)op, loop);
}

static void call_cancel(struct moon_op *op, struct moon_loop *loop)
{
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    free(moon_http_cancel(loop, MOON_STEAL(call->http)));
    moon_op_complete(op);
}

static void call_destroy(struct moon_op *op)
{
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    json_decref(call->args);
    json_decref(call->rows);
    free(call->tag);
    moon_ontap_unref(call->ontap);
}

struct moon_op *moon_ontap_call_new(struct moon_ontap *o, enum moon_ontap_verb verb,
                                    const json_t *args, struct moon_err *err)
{
    static const struct moon_op_kind kind = {
        .name = "ontap", .start = call_start, .cancel = call_cancel, .destroy = call_destroy};
    struct moon_ontap_call *call = calloc(1, sizeof *call);
    json_t *copy = json_deep_copy(args);
    if (!call || !copy) {
        free(call);
        json_decref(copy);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "ontap", "out of memory");
        return NULL;
    }
    moon_op_init(&call->op, &kind);
    call->ontap = moon_ontap_ref(o);
    call->verb = verb;
    call->args = copy;
    return &call->op;
}
