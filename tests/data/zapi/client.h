/* The real ONTAP client against the server of server.h: one call at a time, its result or its error. */
#ifndef TEST_CLIENT_H
#define TEST_CLIENT_H

#include "replies.h"

#include "clock.h"
#include "loop.h"
#include "ontap.h"
#include "xml.h"

#define LIMIT 10.0

static struct moon_loop *loop;
static const char *svm;
static const char *more; /* options over those of every client, as JSON; NULL */
static int told;

static inline void on_op(struct moon_op *op, void *arg)
{
    (void)op, (void)arg;
    told++;
}

/* Runs the loop until the counter is there. */
static inline void pump(int (*now)(void), int want)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (now() < want && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.01);
    assert_int_equal(now(), want);
}

static inline int told_now(void)
{
    return told;
}

static inline int requests_now(void)
{
    return count(&srv.nrequests);
}

static inline int ended_now(void)
{
    return count(&srv.ended);
}

/* Of ONTAPI, without repetitions, unless `more` says otherwise. */
static inline struct moon_ontap *client(void)
{
    struct moon_err err = {0};
    AUTO_JSON json_t *options =
        json_pack("{s:s, s:s, s:i, s:b, s:s, s:s, s:i, s:s, s:i, s:f}", "name", "filer1", "host",
                  "127.0.0.1", "port", srv.port, "https", 0, "user", "admin", "password", "geheim",
                  "timeout", 9, "api", "zapi", "retries", 0, "retry_wait", 0.01);
    if (svm)
        json_object_set_new(options, "svm", json_string(svm));
    AUTO_JSON json_t *over = more ? parse(more) : NULL;
    if (over)
        json_object_update(options, over);
    struct moon_ontap *o = moon_ontap_new(options, &err);
    if (!o)
        fail_msg("%s", err.message);
    return o;
}

/* An operation that has ended. */
static inline struct moon_op *called(enum moon_ontap_verb verb, json_t *args)
{
    AUTO_JSON json_t *owned = args ? args : json_object();
    assert_non_null(owned);
    if (srv.fd < 0)
        serve_start(replies, nreplies);
    struct moon_ontap *o = client();
    struct moon_err err = {0};
    struct moon_op *op = moon_ontap_call_new(o, verb, owned, &err);
    if (!op)
        fail_msg("%s", err.message);
    moon_ontap_unref(o); /* the call keeps what it needs */
    told = 0;
    if (moon_op_start(op, loop, on_op, NULL) == 0)
        pump(told_now, 1);
    return op;
}

/* The result of a call that must succeed: a new reference, NULL for plain success. */
static inline json_t *good(enum moon_ontap_verb verb, json_t *args)
{
    struct moon_op *op = called(verb, args);
    if (op->failed)
        fail_msg("%s", op->err.message);
    json_t *result = json_incref(op->result);
    moon_op_unref(op);
    return result;
}

static inline struct moon_err bad(enum moon_ontap_verb verb, json_t *args)
{
    struct moon_op *op = called(verb, args);
    assert_true(op->failed);
    assert_null(op->result);
    struct moon_err err = op->err;
    moon_op_unref(op);
    assert_null(strstr(err.message, "geheim"));
    return err;
}

static inline int setup(void **state)
{
    (void)state;
    svm = more = NULL;
    nreplies = 0;
    loop = moon_loop_new(NULL);
    return loop ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    moon_loop_free(loop, LIMIT);
    loop = NULL;
    serve_stop();
    for (size_t i = 0; i < MAX_REPLIES; i++)
        moon_buf_free(&texts[i]);
    return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
