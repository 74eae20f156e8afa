/* http.c: a request as an operation of a loop, made of JSON and answered in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http.h"
#include "http_case.h"

#include <string.h>

static int told;

static void on_op(struct moon_op *op, void *arg)
{
    (void)op, (void)arg;
    told++;
}

static struct moon_op *operation(json_t *request)
{
    struct moon_err err = {0};
    AUTO_JSON json_t *owned = request;
    assert_non_null(owned);
    struct moon_op *op = moon_http_op(owned, &err);
    if (!op)
        fail_msg("%s", err.message);
    told = 0;
    return op;
}

static struct moon_op *finished(json_t *request)
{
    struct moon_op *op = operation(request);
    if (moon_op_start(op, loop, on_op, NULL) == 0)
        pump(&told, 1);
    return op;
}

static void test_op(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP},
          {"HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\n\xff\0z",
           sizeof "HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\n\xff\0z" - 1, KEEP});
    struct moon_op *op =
        finished(json_pack("{s:s, s:s, s:{s:s}, s:s, s:s, s:s}", "method", "PUT", "url", url("/x"),
                           "headers", "X-A", "b", "body", "data", "user", "u", "password", "p"));
    assert_false(op->failed);
    assert_int_equal(json_integer_value(json_object_get(op->result, "status")), 200);
    assert_string_equal(json_string_value(json_object_get(op->result, "body")), "hello");
    assert_string_equal(json_string_value(json_object_get(op->result, "content_type")), "text/xml");
    assert_memory_equal(request(0), "PUT /x HTTP/1.1\r\n", 17);
    assert_non_null(strstr(request(0), "\r\nX-A: b\r\n"));
    assert_non_null(strstr(request(0), "\r\nAuthorization: Basic dTpw\r\n"));
    assert_non_null(strstr(request(0), "\r\n\r\ndata"));
    moon_op_unref(op);
    op = finished(json_pack("{s:s}", "url", url("/")));
    assert_memory_equal(request(1), "GET ", 4);
    assert_int_equal(json_integer_value(json_object_get(op->result, "status")), 404);
    const json_t *body = json_object_get(op->result, "body");
    assert_int_equal(json_string_length(body), 3);
    assert_memory_equal(json_string_value(body), "\xff\0z", 3);
    moon_op_unref(op);
    op = finished(json_pack("{s:s, s:s}", "url", url("/"), "body", ""));
    assert_memory_equal(request(2), "POST ", 5);
    moon_op_unref(op);
}

static void test_op_fails(void **state)
{
    (void)state;
    struct moon_op *op = finished(json_pack("{s:s}", "url", "http://127.0.0.1:1/"));
    assert_true(op->failed);
    assert_int_equal(op->err.code, MOON_UNREACHABLE);
    assert_null(op->result);
    moon_op_unref(op);
}

/* A reply is a table whatever its Content-Type holds. */
static void test_op_content_type(void **state)
{
    (void)state;
    SERVE({"HTTP/1.1 200 OK\r\nContent-Type: text/\xe4\r\nContent-Length: 0\r\n\r\n", 0, KEEP});
    struct moon_op *op = finished(json_pack("{s:s}", "url", url("/")));
    bool table = json_is_object(op->result);
    moon_op_unref(op);
    assert_true(table);
}

/* A header's value that is no text is refused or written out, never invented. */
static void test_op_header_types(void **state)
{
    (void)state;
    SERVE({OK_TEXT, 0, KEEP});
    struct moon_op *op =
        finished(json_pack("{s:s, s:{s:i}}", "url", url("/"), "headers", "X-Count", 5));
    bool refused = op->failed && op->err.code == MOON_INVALID;
    moon_op_unref(op);
    assert_true(refused || strstr(request(0), "\r\nX-Count: 5\r\n"));
}

static void test_op_abandoned(void **state)
{
    (void)state;
    SERVE({"", 0, HANG});
    struct moon_op *op = operation(json_pack("{s:s}", "url", url("/")));
    assert_int_equal(moon_op_start(op, loop, on_op, NULL), 0);
    until_requests(1);
    moon_op_abandon(op, loop);
    assert_true(op->done);
    moon_op_unref(op);
    until_ended(1);
    assert_int_equal(told, 0);
}

/* What is still under way when the loop ends is cancelled and freed. */
static void test_loop_ends(void **state)
{
    (void)state;
    SERVE({"", 0, HANG});
    struct moon_op *op = operation(json_pack("{s:s}", "url", url("/")));
    assert_int_equal(moon_op_start(op, loop, on_op, NULL), 0);
    until_requests(1);
    moon_loop_free(loop, LIMIT);
    loop = NULL;
    int refs = atomic_load(&op->refs);
    moon_op_unref(op);
    serve_stop();
    assert_int_equal(told, 0);
    assert_int_equal(refs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_op),
        CASE(test_op_fails),
        CASE(test_op_content_type),
        CASE(test_op_header_types),
        CASE(test_op_abandoned),
        CASE(test_loop_ends),
    };
    return cmocka_run_group_tests_name("http_op", tests, NULL, NULL);
}
