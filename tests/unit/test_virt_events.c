/* virt_events.c on libvirt's test driver, whose default host all connections of a process share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auto.h"
#include "clock.h"
#include "loop.h"
#include "op.h"
#include "virt.h"
#include "virt_events.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT 20.0 /* s until what must come is given up */
#define KEPT  10000

static const char other_xml[] = "<domain type='test'><name>other</name><memory>8192</memory>"
                                "<os><type>hvm</type></os></domain>";

static struct moon_loop *loop;
static struct moon_virt *virt;
static struct moon_domain *dom;

static int setup(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *row = NULL;
    loop = moon_loop_new(&err);
    if (!loop || moon_virt_open("test:///default", &virt, &err) < 0 ||
        moon_virt_lookup(virt, "test", &row, &err) < 0)
        return -1;
    dom = moon_domain_new(virt, json_string_value(json_object_get(row, "uuid")), "test");
    json_decref(row);
    return dom ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    moon_domain_unref(dom);
    moon_virt_unref(virt);
    moon_loop_free(loop, 2);
    return 0;
}

static struct moon_virt_events *opened(const char *uuid)
{
    struct moon_virt_events *e = NULL;
    struct moon_err err = {0};
    assert_int_equal(moon_virt_events_open(virt, uuid, &e, &err), 0);
    return e;
}

static void closed(struct moon_virt_events *e)
{
    moon_virt_events_close(e);
    moon_virt_events_unref(e);
}

static void suspend(void)
{
    struct moon_err err = {0};
    assert_int_equal(moon_domain_suspend(dom, &err), 0);
}

static void resume(void)
{
    struct moon_err err = {0};
    assert_int_equal(moon_domain_resume(dom, &err), 0);
}

static void count(struct moon_op *op, void *arg)
{
    (void)op;
    ++*(int *)arg;
}

static void until(const int *ended)
{
    double end = moon_clock_mono() + LIMIT;
    while (!*ended && moon_clock_mono() < end)
        moon_loop_once(loop, 0.1);
    assert_int_equal(*ended, 1);
}

/* The operation of the next one, after its end. */
static struct moon_op *next_of(struct moon_virt_events *e)
{
    int ended = 0;
    struct moon_op *op = moon_virt_events_next(e);
    assert_non_null(op);
    assert_int_equal(moon_op_start(op, loop, count, &ended), 0);
    until(&ended);
    return op;
}

static void expect(struct moon_virt_events *e, const char *name, const char *event,
                   const char *detail)
{
    struct moon_op *op = next_of(e);
    assert_false(op->failed);
    assert_string_equal(json_string_value(json_object_get(op->result, "name")), name);
    assert_string_equal(json_string_value(json_object_get(op->result, "event")), event);
    assert_string_equal(json_string_value(json_object_get(op->result, "detail")), detail);
    moon_op_unref(op);
}

static void expect_error(struct moon_virt_events *e, enum moon_code code)
{
    struct moon_op *op = next_of(e);
    assert_true(op->failed);
    assert_int_equal(op->err.code, code);
    assert_null(op->result);
    moon_op_unref(op);
}

static void test_order(void **state)
{
    (void)state;
    double before = moon_clock_real();
    struct moon_virt_events *e = opened(NULL);
    suspend();
    resume();
    struct moon_op *op = next_of(e);
    assert_false(op->failed);
    assert_string_equal(json_string_value(json_object_get(op->result, "uuid")),
                        moon_domain_uuid(dom));
    assert_true(json_real_value(json_object_get(op->result, "at")) >= before);
    assert_string_equal(json_string_value(json_object_get(op->result, "event")), "suspended");
    moon_op_unref(op);
    expect(e, "test", "resumed", "unpaused");
    closed(e);
}

static void test_one_domain(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *row = NULL;
    struct moon_virt_events *all = opened(NULL), *one = opened(moon_domain_uuid(dom)), *none = NULL;
    assert_int_equal(moon_virt_define(virt, other_xml, &row, &err), 0);
    struct moon_domain *other =
        moon_domain_new(virt, json_string_value(json_object_get(row, "uuid")), "other");
    assert_int_equal(moon_domain_undefine(other, &err), 0);
    suspend();
    resume();
    expect(one, "test", "suspended", "paused");
    expect(all, "other", "defined", "added");
    expect(all, "other", "undefined", "removed");
    expect(all, "test", "suspended", "paused");
    assert_int_equal(moon_virt_events_open(virt, moon_domain_uuid(other), &none, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_null(none);
    moon_domain_unref(other);
    json_decref(row);
    closed(all);
    closed(one);
}

struct slow {
    struct moon_op op;
};
static atomic_int inside;
static atomic_bool all_inside;

static void slow_run(struct moon_op *op)
{
    (void)op;
    inside++;
    while (!all_inside)
        usleep(1000);
}

/* Woken, and given up before the loop came to it: its event is the next one's, and it was no worker's. */
static void test_given_up(void **state)
{
    (void)state;
    static const struct moon_op_kind kind = {.name = "slow", .run = slow_run};
    enum { WORKERS = 16 };
    struct moon_virt_events *e = opened(NULL);
    struct moon_op *op = moon_virt_events_next(e);
    int ended = 0, done[WORKERS] = {0};
    assert_int_equal(moon_op_start(op, loop, count, &ended), 0);
    suspend();
    usleep(300000); /* most likely it has come by now; if not, this is another, harmless case */
    moon_op_abandon(op, loop);
    moon_op_abandon(op, loop);
    moon_op_unref(op);
    expect(e, "test", "suspended", "paused");
    assert_int_equal(ended, 0);
    resume();
    expect(e, "test", "resumed", "unpaused");
    for (int i = 0; i < WORKERS; i++) {
        struct slow *s = calloc(1, sizeof *s);
        moon_op_init(&s->op, &kind);
        assert_int_equal(moon_op_start(&s->op, loop, count, &done[i]), 0);
        moon_op_unref(&s->op);
    }
    for (double end = moon_clock_mono() + LIMIT; inside < WORKERS && moon_clock_mono() < end;)
        usleep(1000);
    int met = inside;
    all_inside = true;
    for (int i = 0; i < WORKERS; i++)
        until(&done[i]);
    assert_int_equal(met, WORKERS);
    closed(e);
}

static void test_one_waiter(void **state)
{
    (void)state;
    struct moon_virt_events *e = opened(NULL);
    struct moon_op *first = moon_virt_events_next(e), *second = moon_virt_events_next(e);
    int ended = 0;
    assert_int_equal(moon_op_start(first, loop, count, &ended), 0);
    assert_int_equal(moon_op_start(second, loop, count, &ended), -1);
    assert_int_equal(second->err.code, MOON_BUSY);
    moon_op_unref(second);
    moon_op_abandon(first, loop); /* while it waits: at once */
    moon_op_unref(first);
    assert_int_equal(ended, 0);
    first = moon_virt_events_next(e);
    assert_int_equal(moon_op_start(first, loop, count, &ended), 0);
    moon_virt_events_close(e);
    until(&ended);
    assert_true(first->failed);
    assert_int_equal(first->err.code, MOON_CANCELLED);
    moon_op_unref(first);
    moon_virt_events_close(e); /* twice does no harm */
    expect_error(e, MOON_CANCELLED);
    moon_virt_events_unref(e);
}

/* Nobody takes them: as many as there is room for stay, and that there were more is told once. */
static void test_lost(void **state)
{
    (void)state;
    struct moon_virt_events *full = opened(NULL), *taken = opened(NULL);
    for (int i = 0; i < KEPT + 100; i += 2) {
        suspend();
        resume();
        expect(taken, "test", "suspended",
               "paused"); /* so `full`, which was there before, has it */
        expect(taken, "test", "resumed", "unpaused");
    }
    for (int i = 0; i < KEPT; i += 2) {
        expect(full, "test", "suspended", "paused");
        expect(full, "test", "resumed", "unpaused");
    }
    expect_error(full, MOON_IO);
    suspend();
    resume();
    expect(full, "test", "suspended", "paused");
    closed(full);
    closed(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),    cmocka_unit_test(test_one_domain),
        cmocka_unit_test(test_given_up), cmocka_unit_test(test_one_waiter),
        cmocka_unit_test(test_lost),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
