/* A loop and a server of the program's own for each case: test_http.c, test_http_op.c. Included after cmocka.h. */
#ifndef HTTP_CASE_H
#define HTTP_CASE_H

#include "../data/zapi/server.h"
#include "clock.h"
#include "loop.h"

#include <stdio.h>

#define LIMIT 10.0

static struct moon_loop *loop;

static inline int setup(void **state)
{
    (void)state;
    loop = moon_loop_new(NULL);
    return loop ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    moon_loop_free(loop, LIMIT);
    serve_stop();
    return 0;
}

#define SERVE(...)                                                                                 \
    static const struct answer answers[] = {__VA_ARGS__};                                          \
    serve_start(answers, sizeof answers / sizeof *answers)

#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\nhello"

static inline char *url(const char *path)
{
    static char out[128];
    snprintf(out, sizeof out, "http://127.0.0.1:%d%s", srv.port, path);
    return out;
}

/* Runs the loop until a counter has reached a number. */
static inline void pump(const int *calls, int want)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (*calls < want && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.2);
    assert_int_equal(*calls, want);
}

static inline void until_requests(int n)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (count(&srv.nrequests) < n && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.01);
    assert_int_equal(count(&srv.nrequests), n);
}

static inline void until_ended(int n)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (count(&srv.ended) < n && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.01);
    assert_int_equal(count(&srv.ended), n);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
