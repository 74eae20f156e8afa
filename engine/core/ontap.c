#include "ontap_priv.h"

#include "auto.h"
#include "clock.h"
#include "log.h"
#include "loop.h"
#include "memory.h"

#include <arpa/inet.h>
#include <string.h>

#define MAX_PAGES          20000 /* a controller that pages for ever is broken */
#define DEFAULT_RETRIES    3
#define DEFAULT_RETRY_WAIT 1.0
#define REFUSALS           2 /* in a row, of a login that has passed before */

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

static int invalid(struct moon_err *err, const struct moon_ontap *o, const char *text)
{
    return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "connect", "controller %s: %s",
                        o->name ? o->name : "", text);
}

/* The numbers, and what the options say about the login. */
static int take_options(struct moon_ontap *o, struct moon_err *err)
{
    json_t *retries = json_object_get(o->options, "retries");
    json_t *wait = json_object_get(o->options, "retry_wait");
    o->timeout = json_number_value(json_object_get(o->options, "timeout"));
    o->retries = retries ? (int)json_integer_value(retries) : DEFAULT_RETRIES;
    o->retry_wait = wait ? json_number_value(wait) : DEFAULT_RETRY_WAIT;
    if (o->retries < 0 || o->retries > 100)
        return invalid(err, o, "retries: must be from 0 to 100");
    if (!(o->retry_wait >= 0 && o->retry_wait <= 3600))
        return invalid(err, o, "retry_wait: must be from 0 to 3600 seconds");
    if (o->key && !o->cert)
        return invalid(err, o, "a key (key) without its certificate (cert)");
    if (o->cert && json_is_false(json_object_get(o->options, "https")))
        return invalid(err, o, "a login by certificate needs HTTPS");
    return 0;
}

/* ops stays NULL for "auto". */
static int take_api(struct moon_ontap *o, struct moon_err *err)
{
    static const struct moon_ontap_ops *const all[] = {&moon_ontap_zapi, &moon_ontap_rest};
    const char *api = option(o, "api");
    if (!api || strcmp(api, "auto") == 0)
        return 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(api, all[i]->name) == 0)
            o->ops = all[i];
    }
    if (!o->ops)
        return invalid(err, o, "api: must be auto, zapi or rest");
    if (asprintf(&o->reason, "ONTAP_API=%s", api) < 0)
        o->reason = NULL;
    return 0;
}

struct moon_ontap *moon_ontap_new(const json_t *options, struct moon_err *err)
{
    struct moon_ontap *o = calloc(1, sizeof *o);
    if (!o || !(o->options = moon_memory_copy(options))) {
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
    o->cert = option(o, "cert");
    o->key = option(o, "key");
    o->uuids = json_object();
    if (!o->uuids)
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "connect", "out of memory");
    if (!o->uuids || make_base(o, err) < 0 || take_options(o, err) < 0 || take_api(o, err) < 0) {
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
    json_decref(o->uuids);
    free(o->reason);
    free(o->base);
    free(o);
}

const char *moon_ontap_name(const struct moon_ontap *o)
{
    return o->name;
}

bool moon_ontap_plain_path(const char *path)
{
    static const char *const refused[] = {"", ".", "..", ".snapshot"};
    for (const char *p = path;; p++) {
        size_t len = strcspn(p, "/");
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
            if (strlen(refused[i]) == len && memcmp(p, refused[i], len) == 0)
                return false;
        }
        p += len;
        if (!*p)
            return true;
    }
}

bool moon_ontap_same_address(const char *a, const char *b)
{
    unsigned char x[16], y[16];
    for (int i = 0; i < 2; i++) {
        int family = i ? AF_INET6 : AF_INET;
        if (inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1)
            return memcmp(x, y, i ? 16 : 4) == 0;
    }
    return strcmp(a, b) == 0;
}

/* OUTPUT: that a call was made, and how it ended. TRACE: what it gave (LOG_TRACE_ENABLE). */
static void log_call(const struct moon_ontap_call *call)
{
    const struct moon_op *op = &call->op;
    if (moon_log_wants(MOON_LOG_OUTPUT)) {
        AUTO_FREE char *args = moon_memory_dump(call->args, JSON_COMPACT | JSON_SORT_KEYS);
        moon_log(MOON_LOG_OUTPUT, "%s %s %s: %s", call->ontap->name,
                 moon_ontap_verb_name(call->verb), args ? args : "",
                 op->failed ? op->err.message : "passed");
    }
    if (!op->failed && op->result && moon_log_wants(MOON_LOG_TRACE)) {
        AUTO_FREE char *result = moon_memory_dump(op->result, JSON_COMPACT | JSON_ENCODE_ANY);
        moon_log(MOON_LOG_TRACE, "%s %s: %s", call->ontap->name, moon_ontap_verb_name(call->verb),
                 result ? result : "");
    }
}

void moon_ontap_fail(struct moon_ontap_call *call)
{
    call->op.failed = true;
    log_call(call);
    moon_op_complete(&call->op);
}

/* Accounts are locked after a few wrong passwords: the first refusal of a login is the last. Of one that has passed before, the
 * second is, since what refuses may have been in trouble for a moment; requests that were under way together count once. */
static void note_login(struct moon_ontap_call *call, const struct moon_http_reply *reply)
{
    struct moon_ontap *o = call->ontap;
    if (reply->status >= 200 && reply->status < 300) {
        o->accepted = true; /* other statuses may come before the login is looked at */
        o->refusals = 0;
    }
    if (reply->status != 401 || call->op.err.code == MOON_OK || call->sent < o->refused_at)
        return;
    o->refused_at = moon_clock_mono();
    if (++o->refusals >= REFUSALS || !o->accepted)
        o->refused = call->op.err;
}

/* No reply came: the transport may look whether the change was made after all. */
static int take_loss(struct moon_ontap_call *call, const struct moon_err *err)
{
    char tried[32] = "";
    if (call->tries > 0)
        snprintf(tried, sizeof tried, " (tried %d times)", call->tries + 1);
    struct moon_err why;
    moon_err_set(&why, err->code, err->source, err->native, moon_ontap_verb_name(call->verb),
                 "controller %s: %s%s", call->ontap->name, err->message, tried);
    call->op.err = why;
    call->op.abandoned = call->op.abandoned || err->code == MOON_CANCELLED;
    if (!call->ops->lost || err->code == MOON_CANCELLED)
        return -1;
    return call->ops->lost(call, &why, &call->op.err);
}

static int take_reply(struct moon_ontap_call *call, const struct moon_http_reply *reply)
{
    int rc = call->ops->reply(call, reply, &call->op.err);
    note_login(call, reply);
    return rc;
}

static void on_reply(void *arg, struct moon_http_reply *reply, const struct moon_err *err)
{
    struct moon_ontap_call *call = arg;
    call->http = NULL;
    bool again = moon_ontap_again(call, err ? NULL : reply, err);
    unsigned long before = moon_memory_failures();
    int rc = again ? 1 : err ? take_loss(call, err) : take_reply(call, reply);
    if (rc >= 0 && moon_memory_check(before, moon_ontap_verb_name(call->verb), &call->op.err) < 0) {
        rc = -1;
        json_decref(MOON_STEAL(call->op.result));
    }
    if (rc > 0 && !again && ++call->pages > MAX_PAGES)
        rc = moon_err_set(&call->op.err, MOON_PROTOCOL, MOON_SRC_ONTAP, 0,
                          moon_ontap_verb_name(call->verb), "controller %s: the list does not end",
                          call->ontap->name);
    if (rc > 0)
        rc = moon_ontap_go(call) < 0 ? -1 : 1;
    if (rc < 0) {
        moon_ontap_fail(call);
    } else if (rc == 0) {
        log_call(call);
        moon_op_complete(&call->op);
    }
}

static void request_free(struct moon_ontap_request *r)
{
    free(r->url);
    free(r->line);
    moon_buf_free(&r->body);
}

static int send_request(struct moon_ontap_call *call)
{
    struct moon_ontap *o = call->ontap;
    __attribute__((cleanup(request_free))) struct moon_ontap_request r = {.method = "POST"};
    unsigned long before = moon_memory_failures();
    if (call->ops->request(call, &r, &call->op.err) < 0 ||
        moon_memory_check(before, moon_ontap_verb_name(call->verb), &call->op.err) < 0)
        return -1;
    call->changes = r.changes;
    bool repeated = call->repeat; /* moon_ontap_time_left ends it */
    struct moon_http_request req = {.method = r.method,
                                    .url = r.url,
                                    .headers = r.headers,
                                    .body = r.body.data,
                                    .body_len = r.body.len,
                                    .user = o->cert ? NULL : o->user,
                                    .password = o->password,
                                    .ca_file = o->ca_file,
                                    .pin = o->pin,
                                    .cert = o->cert,
                                    .key = o->key,
                                    .changes = r.changes && !r.warm,
                                    .repeated = repeated,
                                    .timeout = moon_ontap_time_left(call)};
    call->sent = moon_clock_mono();
    call->http = moon_http_start(call->loop, &req, on_reply, call, &call->op.err);
    return call->http ? 0 : -1;
}

static void on_timer(struct moon_op *timer, void *arg)
{
    struct moon_ontap_call *call = arg;
    moon_op_unref(timer);
    call->timer = NULL;
    if (send_request(call) < 0)
        moon_ontap_fail(call);
}

/* At once, or after the pause that the transport asked for. */
int moon_ontap_go(struct moon_ontap_call *call)
{
    double delay = call->delay;
    call->delay = 0;
    if (delay <= 0)
        return send_request(call);
    call->timer = moon_loop_timer(delay);
    if (!call->timer || moon_op_start(call->timer, call->loop, on_timer, call) < 0)
        return moon_err_set(&call->op.err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "ontap",
                            "out of memory");
    return 0;
}

static const struct moon_ontap_ops *raw_ops(enum moon_ontap_verb verb)
{
    if (verb == MOON_ONTAP_CALL)
        return &moon_ontap_zapi;
    return verb == MOON_ONTAP_REQUEST ? &moon_ontap_rest : NULL;
}

static int call_start(struct moon_op *op, struct moon_loop *loop)
{
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    struct moon_ontap *o = call->ontap;
    call->loop = loop;
    if (o->refused.code != MOON_OK) {
        op->err = o->refused;
        return -1;
    }
    /* A raw call names its transport by itself, unless the other one was asked for. */
    if (!call->ops)
        call->ops = o->ops ? o->ops : raw_ops(call->verb);
    return call->ops ? moon_ontap_go(call) : moon_ontap_auto_wait(call);
}

static void call_cancel(struct moon_op *op, struct moon_loop *loop)
{
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    moon_ontap_auto_leave(call);
    moon_http_cancel(loop, MOON_STEAL(call->http));
    if (call->timer) {
        moon_op_abandon(call->timer, loop);
        moon_op_unref(MOON_STEAL(call->timer));
    }
    moon_op_complete(op);
}

static void call_destroy(struct moon_op *op)
{
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    json_decref(call->args);
    json_decref(call->rows);
    json_decref(call->places);
    json_decref(call->memo);
    free(call->tag);
    moon_op_unref(call->timer);
    moon_ontap_unref(call->ontap);
}

struct moon_op *moon_ontap_call_new(struct moon_ontap *o, enum moon_ontap_verb verb,
                                    const json_t *args, struct moon_err *err)
{
    static const struct moon_op_kind kind = {
        .name = "ontap", .start = call_start, .cancel = call_cancel, .destroy = call_destroy};
    if (moon_ontap_verb_check(verb, args, err) < 0)
        return NULL;
    struct moon_ontap_call *call = calloc(1, sizeof *call);
    json_t *copy = moon_memory_copy(args);
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
    const char *page = moon_ontap_arg(call, "page");
    if (page && *page && !(call->tag = strdup(page))) {
        moon_op_unref(&call->op);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "ontap", "out of memory");
        return NULL;
    }
    return &call->op;
}

json_int_t moon_ontap_page_size(const struct moon_ontap_call *call, json_int_t most)
{
    json_int_t max = json_integer_value(json_object_get(call->args, "max"));
    return max > 0 && max < most ? max : most;
}

static bool one_page(const struct moon_ontap_call *call)
{
    return json_object_get(call->args, "max") || json_object_get(call->args, "page");
}

/* What tells a row from others: its uuid, in whose SVM; else all that it holds. Owned; NULL without memory. */
static char *key_of(const json_t *row)
{
    static const char *const keys[] = {"uuid", "svm", "volume"};
    AUTO_BUF struct moon_buf key = {0};
    if (!json_object_get(row, "uuid"))
        return moon_memory_dump(row, JSON_COMPACT | JSON_SORT_KEYS);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = json_string_value(json_object_get(row, keys[i]));
        if (moon_buf_addf(&key, "%s/", text ? text : "") < 0)
            return NULL;
    }
    return moon_buf_steal(&key);
}

/* The rows of another page to those before. A controller finds its place again by the name of the last row, so that what is
 * renamed meanwhile may come twice: the later row counts, for who keeps the newest three must not count one as two. */
static int gather(struct moon_ontap_call *call, const json_t *rows)
{
    if (!call->rows)
        call->rows = json_array();
    if (!call->places)
        call->places = json_object();
    json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        AUTO_FREE char *key = key_of(row);
        const json_t *place = key ? json_object_get(call->places, key) : NULL;
        json_int_t at = (json_int_t)json_array_size(call->rows);
        int rc = !key    ? -1
                 : place ? json_array_set(call->rows, (size_t)json_integer_value(place), row)
                         : json_object_set_new(call->places, key, json_integer(at)) |
                               json_array_append(call->rows, row);
        if (rc < 0)
            return -1;
    }
    return call->rows && call->places ? 0 : -1;
}

int moon_ontap_take_page(struct moon_ontap_call *call, json_t *rows, char *next,
                         struct moon_err *err)
{
    AUTO_FREE char *before = MOON_STEAL(call->tag);
    bool more = next && *next && !(before && strcmp(before, next) == 0);
    call->tag = more ? next : NULL;
    if (!more)
        free(next);
    if (one_page(call)) {
        call->op.result = json_pack("{s:o, s:s*}", "rows", rows, "next", call->tag);
    } else if (!more && !call->rows) {
        call->op.result = rows; /* all on one page */
    } else {
        int rc = gather(call, rows);
        json_decref(rows);
        if (rc == 0 && more)
            return 1;
        call->op.result = rc == 0 ? MOON_STEAL(call->rows) : NULL;
        json_decref(MOON_STEAL(call->places));
    }
    return call->op.result
               ? 0
               : moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "ontap", "out of memory");
}
