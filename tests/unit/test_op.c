/* op.c: who is told, how often, and that everything is freed, for kinds that the loop carries out
 * itself. Kinds with threads are in test_work.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop.h"
#include "op.h"

#include <stdlib.h>

struct probe {
    struct moon_op op;
    int fail_start;
};

static int started, cancelled, destroyed, notified;

static int probe_start(struct moon_op *op, struct moon_loop *loop)
{
    (void)loop;
    started++;
    if (((struct probe *)op)->fail_start)
        return moon_err_set(&op->err, MOON_BUSY, MOON_SRC_ENGINE, 7, "probe", "not now");
    return 0;
}

/* As a transfer does: cancelling ends it at once. */
static void probe_cancel(struct moon_op *op, struct moon_loop *loop)
{
    (void)loop;
    cancelled++;
    moon_op_complete(op);
}

static void probe_destroy(struct moon_op *op)
{
    (void)op;
    destroyed++;
}

static const struct moon_op_kind kind = {
    .name = "probe", .start = probe_start, .cancel = probe_cancel, .destroy = probe_destroy};
static const struct moon_op_kind stubborn = {
    .name = "stubborn", .start = probe_start, .destroy = probe_destroy};

static struct moon_op *probe(const struct moon_op_kind *k)
{
    struct probe *p = calloc(1, sizeof *p);
    assert_non_null(p);
    moon_op_init(&p->op, k);
    return &p->op;
}

static void on_done(struct moon_op *op, void *arg)
{
    assert_true(op->done);
    assert_ptr_equal(arg, &notified);
    notified++;
}

static struct moon_loop *loop;

static int setup(void **state)
{
    (void)state;
    started = cancelled = destroyed = notified = 0;
    loop = moon_loop_new(NULL);
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    moon_loop_free(loop, 5);
    return 0;
}

static void test_references(void **state)
{
    (void)state;
    struct moon_op *op = probe(&kind);
    op->result = json_string("x");
    json_t *result = json_incref(op->result);
    assert_ptr_equal(moon_op_ref(op), op);
    moon_op_unref(op);
    assert_int_equal(destroyed, 0);
    moon_op_unref(op);
    assert_int_equal(destroyed, 1);
    assert_int_equal(result->refcount, 1); /* the operation has let go of its result */
    json_decref(result);
    moon_op_unref(NULL);
}

static void test_completion(void **state)
{
    (void)state;
    struct moon_op *op = probe(&kind);
    assert_int_equal(moon_op_start(op, loop, on_done, &notified), 0);
    assert_int_equal(started, 1);
    assert_false(op->done);
    assert_int_equal(notified, 0);
    moon_op_complete(op);
    assert_int_equal(notified, 1);
    assert_int_equal(destroyed, 0); /* the caller's reference is left */
    moon_op_abandon(op, loop);      /* too late: nothing happens */
    assert_int_equal(cancelled, 0);
    assert_false(op->abandoned);
    moon_op_unref(op);
    assert_int_equal(destroyed, 1);
}

static void test_nobody_waits(void **state)
{
    (void)state;
    struct moon_op *op = probe(&kind);
    assert_int_equal(moon_op_start(op, loop, NULL, NULL), 0);
    moon_op_unref(op);
    assert_int_equal(destroyed, 0); /* it runs */
    moon_op_complete(op);
    assert_int_equal(destroyed, 1);
}

static void test_start_fails(void **state)
{
    (void)state;
    struct moon_op *op = probe(&kind);
    ((struct probe *)op)->fail_start = 1;
    assert_int_equal(moon_op_start(op, loop, on_done, &notified), -1);
    assert_true(op->failed);
    assert_int_equal(op->err.code, MOON_BUSY);
    assert_int_equal(op->err.native, 7);
    assert_int_equal(notified, 0);
    assert_int_equal(destroyed, 0);
    moon_op_unref(op);
    assert_int_equal(destroyed, 1);
}

static void test_abandon(void **state)
{
    (void)state;
    struct moon_op *op = probe(&kind);
    assert_int_equal(moon_op_start(op, loop, on_done, &notified), 0);
    moon_op_abandon(op, loop);
    moon_op_abandon(op, loop);
    assert_int_equal(cancelled, 1);
    assert_true(op->abandoned);
    assert_true(op->done);
    assert_int_equal(notified, 0);
    moon_op_unref(op);
    assert_int_equal(destroyed, 1);
}

/* A kind that cannot be stopped completes later; nobody hears of it. */
static void test_abandon_then_complete(void **state)
{
    (void)state;
    struct moon_op *op = probe(&stubborn);
    assert_int_equal(moon_op_start(op, loop, on_done, &notified), 0);
    moon_op_abandon(op, loop);
    moon_op_unref(op);
    assert_int_equal(destroyed, 0);
    moon_op_complete(op);
    assert_int_equal(notified, 0);
    assert_int_equal(destroyed, 1);
}

static void complete_other(struct moon_op *op, void *arg)
{
    struct moon_op **other = arg;
    notified++;
    if (*other != op)
        moon_op_abandon(*other, loop);
}

static void test_abandon_from_notify(void **state)
{
    (void)state;
    struct moon_op *second = probe(&kind);
    struct moon_op *first = probe(&kind);
    assert_int_equal(moon_op_start(first, loop, complete_other, &second), 0);
    assert_int_equal(moon_op_start(second, loop, complete_other, &second), 0);
    moon_op_complete(first);
    assert_int_equal(notified, 1);
    assert_true(second->done);
    assert_int_equal(cancelled, 1);
    moon_op_unref(first);
    moon_op_unref(second);
    assert_int_equal(destroyed, 2);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_references),          CASE(test_completion), CASE(test_nobody_waits),
        CASE(test_start_fails),         CASE(test_abandon),    CASE(test_abandon_then_complete),
        CASE(test_abandon_from_notify),
    };
    return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}
