/* http.c against a server of this program's own: what is sent, what every kind of reply and every kind of failure
 * becomes. TLS is in the end-to-end tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http.h"
#include "http_case.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- exchanges --------------------------------------------------------------------------- */

struct seen {
    int calls;
    bool failed;
    struct moon_err err;
    long status, retry_after;
    char content_type[128];
    char *body;
    size_t len;
};

static void on_done(void *arg, struct moon_http_reply *reply, const struct moon_err *err)
{
    struct seen *s = arg;
    s->calls++;
    s->failed = err != NULL;
    if (err) {
        s->err = *err;
        return;
    }
    s->status = reply->status;
    s->retry_after = reply->retry_after;
    snprintf(s->content_type, sizeof s->content_type, "%s", reply->content_type);
    s->len = reply->body.len;
    s->body = moon_buf_steal(&reply->body);
}

static void seen_free(struct seen *s)
{
    free(s->body);
}
#define AUTO_SEEN MOON_AUTO(seen_free)

static void exchange(struct moon_http_request *req, struct seen *s)
{
    struct moon_err err = {0};
    if (!req->method)
        req->method = req->body ? "POST" : "GET";
    if (!req->url)
        req->url = url("/");
    if (!moon_http_start(loop, req, on_done, s, &err))
        fail_msg("%s", err.message);
    assert_int_equal(s->calls, 0); /* never before the loop runs */
    pump(&s->calls, 1);
}

/* What curl is told; one option at a time cannot be kept. */
static int option_refused, options_set; /* 0: none */

CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);

CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list ap;
    va_start(ap, option);
    bool text = option > CURLOPTTYPE_OBJECTPOINT && option < CURLOPTTYPE_FUNCTIONPOINT;
    CURLcode rc;
    if (text && ++options_set == option_refused)
        rc = CURLE_OUT_OF_MEMORY;
    else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        rc = __real_curl_easy_setopt(easy, option, va_arg(ap, curl_off_t));
    else if (option < CURLOPTTYPE_OBJECTPOINT)
        rc = __real_curl_easy_setopt(easy, option, va_arg(ap, long));
    else
        rc = __real_curl_easy_setopt(easy, option, va_arg(ap, void *));
    va_end(ap);
    return rc;
}

static void test_get(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    AUTO_SEEN struct seen s = {0};
    exchange(&(struct moon_http_request){.url = url("/a?b=c")}, &s);
    assert_false(s.failed);
    assert_int_equal(s.status, 200);
    assert_string_equal(s.content_type, "text/xml");
    assert_int_equal(s.len, 5);
    assert_string_equal(s.body, "hello");
    assert_int_equal(s.retry_after, 0);
    const char *r = request(0);
    assert_memory_equal(r, "GET /a?b=c HTTP/1.1\r\n", 21);
    assert_non_null(strstr(r, "\r\nUser-Agent: moonsnap/"));
    assert_null(strcasestr(r, "\r\nExpect:"));
    assert_null(strcasestr(r, "\r\nAuthorization:"));
}

static void test_post(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    static const char *const headers[] = {"Content-Type: text/plain", "X-One: 1", NULL};
    size_t len = 3000; /* long enough for Expect: 100-continue */
    AUTO_FREE char *body = malloc(len + 1);
    memset(body, 'x', len);
    body[len] = '\0';
    body[7] = '\0'; /* bytes, not a string */
    AUTO_SEEN struct seen s = {0};
    exchange(&(struct moon_http_request){.headers = headers, .body = body, .body_len = len}, &s);
    memset(body, 'y', len);
    assert_int_equal(s.status, 200);
    const char *r = request(0);
    assert_memory_equal(r, "POST / HTTP/1.1\r\n", 17);
    assert_non_null(strstr(r, "\r\nContent-Length: 3000\r\n"));
    assert_non_null(strstr(r, "\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(r, "\r\nX-One: 1\r\n"));
    assert_null(strcasestr(r, "\r\nExpect:"));
    const char *sent = strstr(r, "\r\n\r\n") + 4;
    assert_memory_equal(sent, "xxxxxxx\0xxxx", 12);
    assert_int_equal(sent[len - 1], 'x');
}

static void test_methods(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, CLOSE}, {OK_TEXT, 0, CLOSE},
          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, CLOSE});
    static const char *const methods[] = {"DELETE", "PATCH", "HEAD"};
    for (int i = 0; i < 3; i++) {
        AUTO_SEEN struct seen s = {0};
        exchange(&(struct moon_http_request){.method = methods[i]}, &s);
        assert_false(s.failed);
        assert_int_equal(s.len, i < 2 ? 5 : 0);
        assert_memory_equal(request(i), methods[i], strlen(methods[i]));
    }
}

static void test_status_codes(void **state)
{
    (void)state;
    static char soon[128];
    char date[64];
    time_t then = time(NULL) + 600;
    struct tm tm;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &tm));
    snprintf(soon, sizeof soon, "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
             date);
    SERVE({"HTTP/1.1 204 No Content\r\n\r\n", 0, KEEP},
          {"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno", 0, KEEP},
          {"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n", 0, KEEP},
          {"HTTP/1.1 503 Busy\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", 0, KEEP},
          {"HTTP/1.1 500 Oops\r\nretry-after: Fri, 31 Dec 2027 23:59:59 GMT\r\nContent-Length: "
           "0\r\n\r\n",
           0, KEEP},
          {"HTTP/1.1 429 Slow\r\nRETRY-AFTER: -5\r\nContent-Length: 0\r\n\r\n", 0, KEEP},
          {soon, 0, KEEP});
    static const long want[][2] = {{204, 0}, {401, 0}, {404, 0}, {503, 17}, {500, 0}, {429, 0}};
    for (size_t i = 0; i < 6; i++) {
        AUTO_SEEN struct seen s = {0};
        exchange(&(struct moon_http_request){0}, &s);
        assert_false(s.failed);
        assert_int_equal(s.status, want[i][0]);
        assert_int_equal(s.retry_after, want[i][1]);
    }
    AUTO_SEEN struct seen dated = {0};
    exchange(&(struct moon_http_request){0}, &dated);
    assert_in_range(dated.retry_after, 500, 600); /* it may also be a date */
    assert_int_equal(count(&srv.nrequests), 7);   /* a 401 is not answered by a second try */
}

static void test_redirect(void **state)
{
    (void)state;
    SERVE({"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/else\r\nContent-Length: 0\r\n\r\n",
           0, KEEP});
    AUTO_SEEN struct seen s = {0};
    exchange(&(struct moon_http_request){.user = "u", .password = "p"}, &s);
    assert_false(s.failed);
    assert_int_equal(s.status, 302);
    assert_int_equal(count(&srv.nrequests), 1);
}

static void test_basic(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    AUTO_SEEN struct seen a = {0};
    exchange(&(struct moon_http_request){.user = "admin", .password = "s:e c\xc3\xa4"}, &a);
    assert_non_null(strstr(request(0), "\r\nAuthorization: Basic YWRtaW46czplIGPDpA==\r\n"));
    AUTO_SEEN struct seen b = {0};
    exchange(&(struct moon_http_request){.user = "admin"}, &b);
    assert_non_null(strstr(request(1), "\r\nAuthorization: Basic YWRtaW46\r\n"));
    AUTO_SEEN struct seen c = {0};
    exchange(&(struct moon_http_request){0}, &c); /* nothing is carried over */
    assert_null(strstr(request(2), "Authorization"));
}

static void test_keep_alive(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP}, {OK_TEXT, 0, KEEP}, {OK_TEXT, 0, CLOSE}, {OK_TEXT, 0, KEEP});
    for (int i = 0; i < 4; i++) {
        AUTO_SEEN struct seen s = {0};
        exchange(&(struct moon_http_request){0}, &s);
        assert_false(s.failed);
        if (i == 2) { /* the server has closed an idle connection: not the next one's trouble */
            pthread_mutex_lock(&srv.lock);
            while (srv.ended < 1)
                pthread_cond_wait(&srv.changed, &srv.lock);
            pthread_mutex_unlock(&srv.lock);
        }
    }
    assert_int_equal(count(&srv.connections), 2);
}

static void test_chunked(void **state)
{
    (void)state;
    SERVE(
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\nd\0ef\r\n0\r\n\r\n",
         sizeof "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                "chunked\r\n\r\n3\r\nabc\r\n4\r\nd\0ef\r\n0\r\n\r\n" -
             1,
         KEEP});
    AUTO_SEEN struct seen s = {0};
    exchange(&(struct moon_http_request){0}, &s);
    assert_false(s.failed);
    assert_int_equal(s.len, 7);
    assert_memory_equal(s.body, "abcd\0ef", 8);
    assert_string_equal(s.content_type, "");
}

static void test_size_limit(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP}, {OK_TEXT, 0, KEEP},
          {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 0, CLOSE});
    AUTO_SEEN struct seen fits = {0};
    exchange(&(struct moon_http_request){.max_reply = 5}, &fits);
    assert_false(fits.failed);
    AUTO_SEEN struct seen s = {0};
    exchange(&(struct moon_http_request){.max_reply = 4}, &s);
    assert_true(s.failed);
    assert_int_equal(s.err.code, MOON_PROTOCOL);
    assert_int_equal(s.err.source, MOON_SRC_HTTP);
    assert_non_null(strstr(s.err.message, "the reply is larger than 4 bytes"));
    AUTO_SEEN struct seen open_end = {0};
    exchange(&(struct moon_http_request){.max_reply = 12}, &open_end);
    assert_true(open_end.failed);
    assert_non_null(strstr(open_end.err.message, "larger than 12 bytes"));
}

/* --- failures ---------------------------------------------------------------------------- */

static void fails(struct moon_http_request *req, enum moon_code code, const char *text)
{
    AUTO_SEEN struct seen s = {0};
    exchange(req, &s);
    assert_true(s.failed);
    if (s.err.code != code || !strstr(s.err.message, text))
        fail_msg("%s: %s", moon_code_name(s.err.code), s.err.message);
    assert_int_equal(s.err.source, MOON_SRC_HTTP);
    assert_null(strstr(s.err.message, "geheim"));
}

static void test_timeout(void **state)
{
    (void)state;
    SERVE({"", 0, HANG}, {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0, HANG});
    double begin = moon_clock_mono();
    fails(&(struct moon_http_request){.timeout = 0.05}, MOON_TIMEOUT, "GET http://127.0.0.1:");
    fails(&(struct moon_http_request){.timeout = 0.05}, MOON_TIMEOUT, "GET http://127.0.0.1:");
    assert_true(moon_clock_mono() - begin >= 0.09);
    assert_true(moon_clock_mono() - begin < LIMIT / 2);
}

/* Shorter than what curl can count is not "without end". */
static void test_timeout_tiny(void **state)
{
    (void)state;
    SERVE({"", 0, HANG});
    struct seen s = {0};
    struct moon_http_request req = {.method = "GET", .url = url("/"), .timeout = 0.0004};
    struct moon_http *x = moon_http_start(loop, &req, on_done, &s, NULL);
    assert_non_null(x);
    double give_up = moon_clock_mono() + LIMIT;
    while (s.calls == 0 && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.1);
    if (s.calls == 0)
        moon_http_cancel(loop, x);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.err.code, MOON_TIMEOUT);
}

static void test_refused(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    char *gone = strdup(url("/geheim?geheim"));
    serve_stop();
    fails(&(struct moon_http_request){.url = gone, .user = "u", .password = "geheim"},
          MOON_UNREACHABLE, "GET http://127.0.0.1:");
    free(gone);
}

static void test_cut(void **state)
{
    (void)state;
    SERVE({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0, CLOSE});
    fails(&(struct moon_http_request){0}, MOON_PROTOCOL, "http://127.0.0.1:");
}

static void test_cut_chunked(void **state)
{
    (void)state;
    SERVE({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 0, CLOSE});
    fails(&(struct moon_http_request){0}, MOON_PROTOCOL, "http://127.0.0.1:");
}

static void test_no_reply(void **state)
{
    (void)state;
    SERVE({"", 0, CLOSE});
    fails(&(struct moon_http_request){0}, MOON_UNREACHABLE, "http://127.0.0.1:");
}

static void test_no_http(void **state)
{
    (void)state;
    SERVE({"220 mail.example.net ESMTP\r\n", 0, CLOSE});
    fails(&(struct moon_http_request){0}, MOON_PROTOCOL, "http://127.0.0.1:");
}

static void test_bad_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum moon_code code;
    } cases[] = {{"file:///etc/passwd", MOON_INVALID},
                 {"gopher://127.0.0.1/", MOON_INVALID},
                 {"http://", MOON_INVALID},
                 {"http://127.0.0.1:99999/", MOON_INVALID},
                 {"http://no-such-host.invalid/", MOON_UNREACHABLE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen s = {0};
        exchange(&(struct moon_http_request){.url = cases[i].url, .timeout = 5}, &s);
        assert_true(s.failed);
        if (s.err.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].url, moon_code_name(s.err.code), s.err.message);
    }
}

static void test_userinfo_is_not_shown(void **state)
{
    (void)state;
    fails(&(struct moon_http_request){.url = "http://u:geheim@127.0.0.1:1/?geheim"},
          MOON_UNREACHABLE, "GET http://127.0.0.1:1:");
}

/* --- cancelling -------------------------------------------------------------------------- */

static void test_cancel(void **state)
{
    (void)state;
    SERVE({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0, HANG}, {OK_TEXT, 0, KEEP});
    struct seen s = {0};
    struct moon_http_request req = {.method = "GET", .url = url("/")};
    struct moon_http *x = moon_http_start(loop, &req, on_done, &s, NULL);
    until_requests(1);
    assert_ptr_equal(moon_http_cancel(loop, x), &s);
    until_ended(1); /* the connection is closed, not kept */
    assert_int_equal(s.calls, 0);
    assert_null(moon_http_cancel(loop, NULL));
    AUTO_SEEN struct seen next = {0};
    exchange(&(struct moon_http_request){0}, &next);
    assert_string_equal(next.body, "hello");
}

static void test_cancel_at_once(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    struct seen s = {0};
    struct moon_http_request req = {.method = "GET", .url = url("/")};
    struct moon_http *x = moon_http_start(loop, &req, on_done, &s, NULL);
    assert_ptr_equal(moon_http_cancel(loop, x), &s);
    moon_loop_once(loop, 0.01);
    assert_int_equal(s.calls, 0);
}

static struct moon_http *twin[2];
static int twins;

static void cancel_twin(void *arg, struct moon_http_reply *reply, const struct moon_err *err)
{
    (void)reply;
    int *me = arg;
    assert_null(err);
    twins++;
    twin[*me] = NULL;
    if (twin[1 - *me]) {
        moon_http_cancel(loop, twin[1 - *me]);
        twin[1 - *me] = NULL;
    }
}

static void test_cancel_from_callback(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    static int index[2] = {0, 1};
    struct moon_http_request req = {.method = "GET", .url = url("/")};
    for (int i = 0; i < 2; i++)
        twin[i] = moon_http_start(loop, &req, cancel_twin, &index[i], NULL);
    twins = 0;
    pump(&twins, 1);
    moon_loop_once(loop, 0.01);
    assert_int_equal(twins, 1);
}

static void test_many(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    static struct seen all[100];
    memset(all, 0, sizeof all);
    struct moon_http_request req = {.method = "GET", .url = url("/")};
    for (int i = 0; i < 100; i++)
        assert_non_null(moon_http_start(loop, &req, on_done, &all[i], NULL));
    for (int i = 0; i < 100; i++) {
        pump(&all[i].calls, 1);
        assert_false(all[i].failed);
        assert_string_equal(all[i].body, "hello");
        free(all[i].body);
    }
    assert_true(count(&srv.connections) <= 4);
}

/* While a request waits for its turn at a server its time does not run. */
static void test_turn(void **state)
{
    (void)state;
#define HELD {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0, HANG}
    SERVE(HELD, HELD, HELD, HELD, {OK_TEXT, 0, KEEP});
    struct seen none = {0};
    AUTO_SEEN struct seen late = {0};
    struct moon_http *held[4];
    struct moon_http_request req = {.method = "GET", .url = url("/")};
    for (int i = 0; i < 4; i++)
        held[i] = moon_http_start(loop, &req, on_done, &none, NULL);
    until_requests(4);
    req.timeout = 2;
    assert_non_null(moon_http_start(loop, &req, on_done, &late, NULL));
    for (double until = moon_clock_mono() + 2.5; moon_clock_mono() < until;)
        moon_loop_once(loop, 0.1);
    assert_int_equal(late.calls, 0);
    for (int i = 0; i < 4; i++)
        moon_http_cancel(loop, held[i]);
    pump(&late.calls, 1);
    assert_false(late.failed);
    assert_string_equal(late.body, "hello");
    assert_int_equal(none.calls, 0);
}

/* Without its method, pin or body a request means something else: one that lost a part is not sent. */
static void test_no_memory(void **state)
{
    (void)state;
    SERVE({OK_TEXT, sizeof OK_TEXT - 1, CLOSE});
    /* These point to what is there for as long as the request: curl copies nothing. */
    static const int borrowed = 5; /* PRIVATE, ERRORBUFFER, HTTPHEADER, WRITEDATA, HEADERDATA */
    struct moon_http_request req = {.method = "DELETE",
                                    .url = url("/"),
                                    .body = "body",
                                    .body_len = 4,
                                    .user = "u",
                                    .password = "p",
                                    .cert = "/c",
                                    .ca_file = "/ca",
                                    .pin = "sha256//x"};
    int sent = 0;
    for (option_refused = 1, options_set = option_refused; options_set >= option_refused;
         option_refused++) {
        struct moon_err err = {0};
        struct seen s = {0};
        options_set = 0;
        struct moon_http *x = moon_http_start(loop, &req, on_done, &s, &err);
        sent += x && options_set >= option_refused;
        if (!x) {
            assert_int_equal(err.code, MOON_INTERNAL);
            assert_int_equal(err.native, CURLE_OUT_OF_MEMORY);
        }
        moon_http_cancel(loop, x);
        assert_int_equal(s.calls, 0);
    }
    option_refused = 0;
    assert_int_equal(sent, borrowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_get),          CASE(test_post),           CASE(test_methods),
        CASE(test_status_codes), CASE(test_redirect),       CASE(test_basic),
        CASE(test_keep_alive),   CASE(test_chunked),        CASE(test_size_limit),
        CASE(test_timeout),      CASE(test_timeout_tiny),   CASE(test_refused),
        CASE(test_cut),          CASE(test_cut_chunked),    CASE(test_no_reply),
        CASE(test_no_http),      CASE(test_bad_addresses),  CASE(test_userinfo_is_not_shown),
        CASE(test_cancel),       CASE(test_cancel_at_once), CASE(test_cancel_from_callback),
        CASE(test_many),         CASE(test_turn),           CASE(test_no_memory),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
