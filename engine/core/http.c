#include "http.h"

#include "auto.h"
#include "http_priv.h"
#include "loop.h"
#include "memory.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_TIMEOUT   60.0
#define DEFAULT_CONNECT   10.0
#define DEFAULT_MAX_REPLY ((size_t)64 << 20)
#define IDLE              4L    /* seconds; Apache ends a connection after 5 */
#define RETRY_AFTER_MAX   86400 /* a server that says more is not taken at its word */

struct moon_http {
    CURL *easy;
    struct curl_slist *headers;
    struct moon_http_reply reply;
    size_t max_reply;
    bool too_large;
    char error[CURL_ERROR_SIZE];
    char what[256]; /* "POST https://host:port", for messages: never holds a password */
    void (*done)(void *arg, struct moon_http_reply *reply, const struct moon_err *err);
    void *arg;
    bool sent;                      /* curl has it; before, it waits for its turn at the server */
    struct moon_http *next, **link; /* in the loop's list, the latest first */
};

static void init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void moon_http_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init);
}

static void unlist(struct moon_http *x)
{
    if (!x->link)
        return;
    *x->link = x->next;
    if (x->next)
        x->next->link = x->link;
    x->link = NULL;
}

static void exchange_free(struct moon_http *x)
{
    if (!x)
        return;
    unlist(x);
    if (x->easy)
        curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    moon_buf_free(&x->reply.body);
    free(x);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct moon_http *x = arg;
    size_t len = size * n;
    if (len > x->max_reply - x->reply.body.len) {
        x->too_large = true;
        return 0;
    }
    return moon_buf_add(&x->reply.body, data, len) < 0 ? 0 : len;
}

/* What a server sends may end up in a message: one line of it, whatever it holds. */
static void plain(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* The value when the line is of that header: without blanks around it, cut to fit. */
static bool header_value(const char *line, size_t len, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    for (line += n + 1, len -= n + 1; len > 0 && (*line == ' ' || *line == '\t'); line++, len--)
        ;
    while (len > 0 && strchr(" \t\r\n", line[len - 1]))
        len--;
    snprintf(out, size, "%.*s", (int)len, line);
    plain(out);
    return true;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct moon_http *x = arg;
    size_t len = size * n;
    header_value(data, len, "location", x->reply.location, sizeof x->reply.location);
    return len;
}

static enum moon_code code_of_curl(CURLcode rc)
{
    switch (rc) {
    case CURLE_OPERATION_TIMEDOUT:
        return MOON_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return MOON_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return MOON_DENIED;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return MOON_INVALID;
    case CURLE_OUT_OF_MEMORY:
        return MOON_INTERNAL;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
        return MOON_UNREACHABLE;
    default:
        return MOON_PROTOCOL;
    }
}

static void fill_error(const struct moon_http *x, CURLcode rc, struct moon_err *err)
{
    if (x->too_large) {
        moon_err_set(err, MOON_PROTOCOL, MOON_SRC_HTTP, (int)rc, "http",
                     "%s: the reply is larger than %zu bytes", x->what, x->max_reply);
        return;
    }
    const char *hint = "";
    if (rc == CURLE_PEER_FAILED_VERIFICATION)
        hint = "; trust the certificate with ONTAP_CA_FILE or ONTAP_PIN";
    else if (rc == CURLE_SSL_CERTPROBLEM)
        hint = "; check the files of the login's certificate and key: PEM, readable, no password";
    enum moon_code code = code_of_curl(rc);
    /* curl says "unsupported protocol" of an answer that is no HTTP as well as of an address. */
    char *peer = NULL;
    curl_easy_getinfo(x->easy, CURLINFO_PRIMARY_IP, &peer);
    if (rc == CURLE_UNSUPPORTED_PROTOCOL && peer && *peer)
        code = MOON_PROTOCOL;
    moon_err_set(err, code, MOON_SRC_HTTP, (int)rc, "http", "%s: %s%s", x->what,
                 x->error[0] ? x->error : curl_easy_strerror(rc), hint);
}

/* "https://host:port" */
static const char *server(const struct moon_http *x)
{
    return strchr(x->what, ' ') + 1;
}

/* The turns are ours: in curl's own queue for MAX_HOST_CONNECTIONS a transfer's time runs out while it waits
 * for the others. 0, or -1 with *err. */
static int send_now(struct moon_loop *loop, struct moon_http *x, struct moon_err *err)
{
    CURLMcode rc = curl_multi_add_handle(moon_loop_curl(loop), x->easy);
    if (rc != CURLM_OK)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_HTTP, (int)rc, "http", "%s: %s", x->what,
                            curl_multi_strerror(rc));
    x->sent = true;
    return 0;
}

static long under_way(struct moon_loop *loop, const char *at)
{
    long n = 0;
    for (struct moon_http *x = *moon_loop_transfers(loop); x; x = x->next)
        n += x->sent && strcmp(server(x), at) == 0;
    return n;
}

/* The first in the queue of a server where one has ended. */
static void send_next(struct moon_loop *loop, const char *at)
{
    while (under_way(loop, at) < moon_loop_connections(loop)) {
        struct moon_err err;
        struct moon_http *first = NULL;
        for (struct moon_http *x = *moon_loop_transfers(loop); x; x = x->next) {
            if (!x->sent && strcmp(server(x), at) == 0)
                first = x;
        }
        if (!first)
            return;
        if (send_now(loop, first, &err) < 0) {
            unlist(first);
            first->done(first->arg, &first->reply, &err);
            exchange_free(first);
        }
    }
}

void moon_http_drain(struct moon_loop *loop)
{
    CURLM *multi = moon_loop_curl(loop);
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(multi, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = msg->data.result;
        CURL *easy = msg->easy_handle;
        struct moon_http *x = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &x);
        curl_multi_remove_handle(multi, easy);
        unlist(x);
        struct moon_err err;
        if (rc != CURLE_OK) {
            fill_error(x, rc, &err);
        } else {
            char *type = NULL;
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &x->reply.status);
            curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
            curl_off_t after = 0; /* of both forms, seconds and a date */
            curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
            x->reply.retry_after = after > 0 && after < RETRY_AFTER_MAX ? (long)after : 0;
            snprintf(x->reply.content_type, sizeof x->reply.content_type, "%s", type ? type : "");
            plain(x->reply.content_type);
        }
        char at[sizeof x->what];
        snprintf(at, sizeof at, "%s", server(x));
        x->done(x->arg, &x->reply, rc == CURLE_OK ? NULL : &err);
        exchange_free(x);
        send_next(loop, at);
    }
}

void moon_http_drop_all(struct moon_loop *loop)
{
    struct moon_err err;
    moon_err_set(&err, MOON_CANCELLED, MOON_SRC_ENGINE, 0, "http", "the loop has ended");
    struct moon_http *x;
    while ((x = *moon_loop_transfers(loop))) {
        if (x->sent)
            curl_multi_remove_handle(moon_loop_curl(loop), x->easy);
        x->done(x->arg, &x->reply, &err);
        exchange_free(x);
    }
}

/* scheme://host:port without userinfo, path and query. */
static void describe(struct moon_http *x, const struct moon_http_request *req)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    if (u && curl_url_set(u, CURLUPART_URL, req->url, 0) == CURLUE_OK) {
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
        curl_url_get(u, CURLUPART_HOST, &host, 0);
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    }
    snprintf(x->what, sizeof x->what, "%s %s://%s:%s", req->method, scheme ? scheme : "?",
             host ? host : "?", port ? port : "?");
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

static int set_headers(struct moon_http *x, const struct moon_http_request *req)
{
    /* A controller may ignore Expect, which would cost a second per request. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (const char *const *h = req->headers; list && h && *h; h++) {
        struct curl_slist *more = curl_slist_append(list, *h);
        if (!more) {
            curl_slist_free_all(list);
            list = NULL;
        } else {
            list = more;
        }
    }
    x->headers = list;
    return list ? 0 : -1;
}

static long millis(double seconds, double otherwise)
{
    double s = seconds > 0 ? seconds : otherwise;
    /* Never 0, which means no limit to curl. */
    return s > 86400 ? 86400000L : (long)ceil(s * 1000);
}

static CURLcode set_options(struct moon_http *x, const struct moon_http_request *req)
{
    CURL *e = x->easy;
    CURLcode rc = CURLE_OK;
    curl_easy_setopt(e, CURLOPT_PRIVATE, x);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
    moon_http_text(e, CURLOPT_URL, req->url, &rc);
    moon_http_text(e, CURLOPT_PROTOCOLS_STR, "http,https", &rc);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    moon_http_text(e, CURLOPT_PROXY, "", &rc); /* a controller is never behind http_proxy */
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
    moon_http_text(e, CURLOPT_USERAGENT, "moonsnap/" MOON_VERSION, &rc);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, millis(req->timeout, DEFAULT_TIMEOUT));
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, millis(req->connect_timeout, DEFAULT_CONNECT));
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* Many HTTP/2 streams in one connection would get round the limit of requests per address. */
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    moon_http_text(e, CURLOPT_CUSTOMREQUEST, req->method, &rc);
    if (strcmp(req->method, "HEAD") == 0)
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    if (req->body) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
        moon_http_text(e, CURLOPT_COPYPOSTFIELDS, req->body, &rc);
    }
    if (req->user) {
        curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        moon_http_text(e, CURLOPT_USERNAME, req->user, &rc);
        moon_http_text(e, CURLOPT_PASSWORD, req->password ? req->password : "", &rc);
    }
    /* A server closes what has been idle for some time, and curl cannot always tell: it tries one dead connection
     * after another, six at most. */
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, IDLE);
    /* When a reused connection dies before it answers, curl sends again by itself. What changes
     * something may have been carried out by then: it gets a connection of its own, which nobody gets after it,
     * or they would pile up. */
    if (req->changes || req->repeated)
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    if (req->changes)
        curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    if (req->cert) {
        moon_http_text(e, CURLOPT_SSLCERT, req->cert, &rc);
        moon_http_text(e, CURLOPT_SSLKEY, req->key ? req->key : req->cert, &rc);
        moon_http_text(e, CURLOPT_KEYPASSWD, "",
                       &rc); /* a key with a password must not ask for it */
    }
    if (req->ca_file)
        moon_http_trust(e, req->ca_file, &rc);
    if (req->pin) {
        /* The key itself is named, so who signed the certificate does not matter. */
        moon_http_text(e, CURLOPT_PINNEDPUBLICKEY, req->pin, &rc);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return rc;
}

struct moon_http *moon_http_start(struct moon_loop *loop, const struct moon_http_request *req,
                                  void (*done)(void *arg, struct moon_http_reply *reply,
                                               const struct moon_err *err),
                                  void *arg, struct moon_err *err)
{
    moon_http_init();
    struct moon_http *x = calloc(1, sizeof *x);
    if (x)
        x->easy = curl_easy_init();
    if (!x || !x->easy || set_headers(x, req) < 0) {
        exchange_free(x);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "http", "out of memory");
        return NULL;
    }
    x->max_reply = req->max_reply ? req->max_reply : DEFAULT_MAX_REPLY;
    x->done = done;
    x->arg = arg;
    describe(x, req);
    CURLcode rc = set_options(x, req);
    if (rc != CURLE_OK) {
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_HTTP, (int)rc, "http", "%s: %s", x->what,
                     curl_easy_strerror(rc));
        exchange_free(x);
        return NULL;
    }
    curl_easy_setopt(x->easy, CURLOPT_SHARE, moon_loop_share(loop));
    if (under_way(loop, server(x)) < moon_loop_connections(loop) && send_now(loop, x, err) < 0) {
        exchange_free(x);
        return NULL;
    }
    x->link = moon_loop_transfers(loop);
    x->next = *x->link;
    if (x->next)
        x->next->link = &x->next;
    *x->link = x;
    return x;
}

void *moon_http_cancel(struct moon_loop *loop, struct moon_http *x)
{
    if (!x)
        return NULL;
    void *arg = x->arg;
    char at[sizeof x->what];
    snprintf(at, sizeof at, "%s", server(x));
    if (x->sent)
        curl_multi_remove_handle(moon_loop_curl(loop), x->easy);
    exchange_free(x);
    send_next(loop, at);
    return arg;
}

struct http_op {
    struct moon_op op;
    json_t *request;
    struct moon_http *x;
};

static void op_done(void *arg, struct moon_http_reply *reply, const struct moon_err *err)
{
    struct http_op *h = arg;
    h->x = NULL;
    if (err) {
        h->op.err = *err;
        h->op.failed = true;
        h->op.abandoned = h->op.abandoned || err->code == MOON_CANCELLED;
    } else {
        json_t *type = json_stringn_nocheck(reply->content_type, strlen(reply->content_type));
        h->op.result = json_pack(
            "{s:i, s:o, s:o}", "status", (int)reply->status, "body",
            json_stringn_nocheck(reply->body.data ? reply->body.data : "", reply->body.len),
            "content_type", type);
        h->op.failed = !h->op.result;
        if (h->op.failed)
            moon_err_set(&h->op.err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "http", "out of memory");
    }
    moon_op_complete(&h->op);
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void free_lines(char ***lines)
{
    for (char **l = *lines; l && *l; l++)
        free(*l);
    free(*lines);
}

static int op_start(struct moon_op *op, struct moon_loop *loop)
{
    struct http_op *h = (struct http_op *)op;
    json_t *headers = json_object_get(h->request, "headers");
    __attribute__((cleanup(free_lines))) char **lines =
        calloc(json_object_size(headers) + 1, sizeof *lines);
    size_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach (headers, name, value) {
        const char *text_value = json_string_value(value);
        if (!text_value || strpbrk(name, "\r\n:") || strpbrk(text_value, "\r\n"))
            return moon_err_set(&op->err, MOON_INVALID, MOON_SRC_ENGINE, 0, "http",
                                "header '%s': must be one line of text", name);
        if (!lines || asprintf(&lines[n], "%s: %s", name, text_value) < 0) {
            if (lines)
                lines[n] = NULL;
            return moon_err_set(&op->err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "http",
                                "out of memory");
        }
        n++;
    }
    json_t *body = json_object_get(h->request, "body");
    const char *method = text(h->request, "method");
    struct moon_http_request req = {
        .method = method ? method : (body ? "POST" : "GET"),
        .url = text(h->request, "url"),
        .headers = (const char *const *)lines,
        .body = json_string_value(body),
        .body_len = json_string_length(body),
        .user = text(h->request, "user"),
        .password = text(h->request, "password"),
        .ca_file = text(h->request, "ca_file"),
        .pin = text(h->request, "pin"),
        .changes = method ? strcasecmp(method, "GET") && strcasecmp(method, "HEAD") : body != NULL,
        .timeout = json_number_value(json_object_get(h->request, "timeout")),
    };
    h->x = moon_http_start(loop, &req, op_done, h, &op->err);
    return h->x ? 0 : -1;
}

static void op_cancel(struct moon_op *op, struct moon_loop *loop)
{
    struct http_op *h = (struct http_op *)op;
    moon_http_cancel(loop, MOON_STEAL(h->x));
    moon_op_complete(op);
}

static void op_destroy(struct moon_op *op)
{
    json_decref(((struct http_op *)op)->request);
}

struct moon_op *moon_http_op(const json_t *request, struct moon_err *err)
{
    static const struct moon_op_kind kind = {
        .name = "http", .start = op_start, .cancel = op_cancel, .destroy = op_destroy};
    struct http_op *h = calloc(1, sizeof *h);
    json_t *copy = moon_memory_copy(request);
    if (!h || !copy) {
        free(h);
        json_decref(copy);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "http", "out of memory");
        return NULL;
    }
    moon_op_init(&h->op, &kind);
    h->request = copy;
    return &h->op;
}
