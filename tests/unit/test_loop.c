/* loop.c: what ends the wait, in which order things are told, timers, events, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "loop.h"
#include "op.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT 10.0

static struct moon_loop *loop;
static char told[256]; /* one letter per notification */

static void on_done(struct moon_op *op, void *arg)
{
    (void)op;
    size_t n = strlen(told);
    assert_true(n + 1 < sizeof told);
    told[n] = *(const char *)arg;
    told[n + 1] = '\0';
}

static void start(struct moon_op *op, const char *letter)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    assert_int_equal(moon_op_start(op, loop, on_done, (void *)(uintptr_t)strchr(letters, *letter)),
                     0);
}

static struct moon_op *timer(double seconds, const char *letter)
{
    struct moon_op *op = moon_loop_timer(seconds);
    assert_non_null(op);
    start(op, letter);
    return op;
}

static void pump(size_t want)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (strlen(told) < want && moon_clock_mono() < give_up)
        moon_loop_once(loop, LIMIT);
    assert_int_equal(strlen(told), want);
}

static int setup(void **state)
{
    (void)state;
    told[0] = '\0';
    loop = moon_loop_new(NULL);
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    moon_loop_free(loop, LIMIT);
    return 0;
}

static void test_empty(void **state)
{
    (void)state;
    double begin = moon_clock_mono();
    moon_loop_once(loop, 0);
    moon_loop_once(loop, -1);
    moon_loop_once(loop, 0.02);
    double took = moon_clock_mono() - begin;
    assert_true(took >= 0.015 && took < LIMIT / 2);
    moon_loop_free(NULL, 0);
    assert_non_null(moon_loop_work(loop));
    assert_non_null(moon_loop_curl(loop));
}

static void test_timers_in_order(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *letter;
    } rows[] = {{0.03, "d"}, {0.01, "b"}, {0, "a"}, {0.02, "c"}, {0.04, "e"}};
    for (size_t i = 0; i < 5; i++)
        moon_op_unref(timer(rows[i].seconds, rows[i].letter));
    double begin = moon_clock_mono();
    pump(5);
    double took = moon_clock_mono() - begin;
    assert_string_equal(told, "abcde");
    assert_true(took >= 0.035 && took < LIMIT / 2); /* the wait ends when a timer is due */
}

static void test_timers_fifo(void **state)
{
    (void)state;
    static const char *const letters[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        moon_op_unref(timer(0, letters[i]));
    pump(4);
    assert_string_equal(told, "abcd");
}

static void test_timer_not_early(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        told[0] = '\0';
        double begin = moon_clock_mono();
        moon_op_unref(timer(0.0015, "a"));
        pump(1);
        assert_true(moon_clock_mono() - begin >= 0.0015);
    }
}

static void test_timers_abandoned(void **state)
{
    (void)state;
    static const char *const letters[] = {"a", "b", "c", "d", "e"};
    struct moon_op *ops[5];
    for (size_t i = 0; i < 5; i++)
        ops[i] = timer(0.001 * (double)(i + 1), letters[i]);
    moon_op_abandon(ops[0], loop);
    moon_op_abandon(ops[2], loop);
    moon_op_abandon(ops[4], loop);
    assert_true(ops[2]->done);
    pump(2);
    moon_loop_once(loop, 0.02);
    assert_string_equal(told, "bd");
    for (size_t i = 0; i < 5; i++)
        moon_op_unref(ops[i]);
}

static struct moon_op *victim;

static void abandon_victim(struct moon_op *op, void *arg)
{
    on_done(op, arg);
    moon_op_abandon(victim, loop);
}

static void test_timer_abandons_timer(void **state)
{
    (void)state;
    struct moon_op *first = moon_loop_timer(0);
    static const char letter = 'a';
    assert_int_equal(moon_op_start(first, loop, abandon_victim, (void *)(uintptr_t)&letter), 0);
    victim = timer(0, "b");
    moon_op_unref(timer(0, "c"));
    pump(2);
    assert_string_equal(told, "ac");
    moon_op_unref(first);
    moon_op_unref(victim);
}

static void start_again(struct moon_op *op, void *arg)
{
    int *left = arg;
    on_done(op, (void *)(uintptr_t) "x");
    if (--*left > 0) {
        struct moon_op *next = moon_loop_timer(0);
        assert_int_equal(moon_op_start(next, loop, start_again, arg), 0);
        moon_op_unref(next);
    }
}

static void test_timer_from_notify(void **state)
{
    (void)state;
    int left = 50;
    struct moon_op *op = moon_loop_timer(0);
    assert_int_equal(moon_op_start(op, loop, start_again, &left), 0);
    moon_op_unref(op);
    pump(50);
    assert_int_equal(left, 0);
}

static void test_event(void **state)
{
    (void)state;
    struct moon_op *event = moon_loop_event();
    start(event, "a");
    moon_loop_once(loop, 0.01);
    assert_string_equal(told, "");
    moon_loop_fire(event);
    assert_string_equal(told, "a");
    assert_true(event->done);
    moon_loop_fire(event); /* once only */
    assert_string_equal(told, "a");
    moon_op_unref(event);
}

static void test_event_abandoned(void **state)
{
    (void)state;
    struct moon_op *event = moon_loop_event();
    start(event, "a");
    moon_op_abandon(event, loop);
    assert_true(event->done);
    moon_loop_fire(event);
    assert_string_equal(told, "");
    moon_op_unref(event);
}

/* --- posts from other threads ------------------------------------------------------------ */

static void run_nothing(struct moon_op *op)
{
    (void)op;
}

static const struct moon_op_kind posted_kind = {.name = "posted", .run = run_nothing};

static struct moon_op *posted(const char *letter)
{
    struct moon_op *op = calloc(1, sizeof *op);
    moon_op_init(op, &posted_kind);
    op->notify = on_done;
    op->notify_arg = (void *)(uintptr_t)letter;
    return op;
}

static void *post_later(void *arg)
{
    moon_loop_post(loop, arg);
    return NULL;
}

static void test_post_order(void **state)
{
    (void)state;
    static const char *const letters[] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < 6; i++)
        moon_loop_post(loop, posted(letters[i]));
    assert_string_equal(told, "");
    moon_loop_once(loop, LIMIT);
    assert_string_equal(told, "abcdef");
}

/* A post ends a wait that would last for ever, also when it comes first. */
static void test_post_ends_wait(void **state)
{
    (void)state;
    double begin = moon_clock_mono();
    for (size_t i = 0; i < 50; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_later, posted("a")), 0);
        size_t want = i + 1;
        while (strlen(told) < want && moon_clock_mono() - begin < LIMIT)
            moon_loop_once(loop, 60);
        pthread_join(thread, NULL);
        assert_int_equal(strlen(told), want);
    }
    assert_true(moon_clock_mono() - begin < LIMIT);
}

/* --- a watched descriptor ---------------------------------------------------------------- */

static int watched[2];
static int seen;

static void on_ready(void *arg)
{
    char c = 0;
    assert_ptr_equal(arg, watched);
    assert_int_equal(read(watched[0], &c, 1), 1);
    seen++;
}

static void *write_later(void *arg)
{
    ssize_t n = write(watched[1], "x", 1);
    (void)n;
    return arg;
}

static void test_watch(void **state)
{
    (void)state;
    assert_int_equal(pipe(watched), 0);
    seen = 0;
    moon_loop_watch(loop, watched[0], on_ready, watched);
    moon_loop_once(loop, 0.01);
    assert_int_equal(seen, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_later, NULL), 0);
    double begin = moon_clock_mono();
    while (seen == 0 && moon_clock_mono() - begin < LIMIT)
        moon_loop_once(loop, 60);
    pthread_join(thread, NULL);
    assert_int_equal(seen, 1);
    moon_loop_once(loop, 0);
    assert_int_equal(seen, 1);
    moon_loop_watch(loop, -1, NULL, NULL);
    assert_int_equal(write(watched[1], "x", 1), 1);
    moon_loop_once(loop, 0.01);
    assert_int_equal(seen, 1);
    close(watched[0]);
    close(watched[1]);
}

/* --- the end ----------------------------------------------------------------------------- */

static int freed;

static void count_free(struct moon_op *op)
{
    (void)op;
    freed++;
}

static void test_free_with_things_left(void **state)
{
    (void)state;
    static const struct moon_op_kind counted = {
        .name = "posted", .run = run_nothing, .destroy = count_free};
    moon_op_unref(timer(1e6, "a"));
    moon_op_unref(timer(0, "b"));
    struct moon_op *op = posted("c");
    op->kind = &counted;
    moon_loop_post(loop, op);
    freed = 0;
    moon_loop_free(loop, LIMIT);
    loop = NULL;
    assert_int_equal(freed, 1);
    assert_null(strchr(told, 'a'));
    assert_null(strchr(told, 'b'));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_empty),
        CASE(test_timers_in_order),
        CASE(test_timers_fifo),
        CASE(test_timer_not_early),
        CASE(test_timers_abandoned),
        CASE(test_timer_abandons_timer),
        CASE(test_timer_from_notify),
        CASE(test_event),
        CASE(test_event_abandoned),
        CASE(test_post_order),
        CASE(test_post_ends_wait),
        CASE(test_watch),
        CASE(test_free_with_things_left),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
