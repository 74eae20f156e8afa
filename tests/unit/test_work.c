/* work.c: the pool seen through its loop: how much runs at once, what queues behind what, and what
 * becomes of operations that nobody waits for any more. One file, though a long one: all cases stand on the same
 * jobs, their gate and counters, and a wrapped moon_loop_post. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "loop.h"
#include "memory.h"
#include "op.h"
#include "work.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKERS 16 /* of a loop */
#define RESCUE  16
#define LIMIT   10.0 /* seconds that something may take before the test gives up */

/* What all jobs of a case share. Counters are guarded by lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static int running, ran, posted, destroyed;
static bool open_gate;

/* Loop thread only. */
static int notified;
static int order[4096];

struct job {
    struct moon_op op;
    int id;
    bool gated; /* stays in run() until the gate opens */
    bool fails;
    bool let_out; /* guarded by lock: this one alone may go */
    sigset_t mask;
};

static void job_run(struct moon_op *op)
{
    struct job *j = (struct job *)op;
    pthread_sigmask(SIG_BLOCK, NULL, &j->mask);
    pthread_mutex_lock(&lock);
    running++;
    pthread_cond_broadcast(&changed);
    while (j->gated && !open_gate && !j->let_out)
        pthread_cond_wait(&changed, &lock);
    running--;
    ran++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (j->fails) {
        op->failed = true;
        moon_err_set(&op->err, MOON_IO, MOON_SRC_OS, 5, "job", "job %d", j->id);
    } else {
        op->result = json_integer(j->id);
    }
}

static void job_destroy(struct moon_op *op)
{
    (void)op;
    pthread_mutex_lock(&lock);
    destroyed++;
    pthread_mutex_unlock(&lock);
}

/* A row of which a field was lost. */
static void partial_run(struct moon_op *op)
{
    op->result = json_object();
    moon_memory_note();
}

static const struct moon_op_kind partial = {.name = "partial", .run = partial_run};

static const struct moon_op_kind normal = {.name = "job", .run = job_run, .destroy = job_destroy};
static const struct moon_op_kind rescue = {
    .name = "rescue", .run = job_run, .destroy = job_destroy, .rescue = true};
static const struct moon_op_kind closing = {
    .name = "close", .run = job_run, .destroy = job_destroy, .closes = true};

void __real_moon_loop_post(struct moon_loop *loop, struct moon_op *op);
void __wrap_moon_loop_post(struct moon_loop *loop, struct moon_op *op);

void __wrap_moon_loop_post(struct moon_loop *loop, struct moon_op *op)
{
    __real_moon_loop_post(loop, op);
    pthread_mutex_lock(&lock);
    posted++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static struct job *job(const struct moon_op_kind *kind, int id, bool gated)
{
    struct job *j = calloc(1, sizeof *j);
    assert_non_null(j);
    moon_op_init(&j->op, kind);
    j->id = id;
    j->gated = gated;
    return j;
}

static void on_done(struct moon_op *op, void *arg)
{
    (void)arg;
    order[notified++] = ((struct job *)op)->id;
}

static struct moon_loop *loop;

static struct job *start(const struct moon_op_kind *kind, int id, bool gated)
{
    struct job *j = job(kind, id, gated);
    assert_int_equal(moon_op_start(&j->op, loop, on_done, NULL), 0);
    return j;
}

/* Wait, without the loop, until a counter has reached a number; false when it does not. */
static bool reaches(const int *counter, int want)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)LIMIT;
    int rc = 0;
    pthread_mutex_lock(&lock);
    while (*counter < want && rc == 0)
        rc = pthread_cond_timedwait(&changed, &lock, &until);
    bool there = *counter >= want;
    pthread_mutex_unlock(&lock);
    return there;
}

static int now(const int *counter)
{
    pthread_mutex_lock(&lock);
    int n = *counter;
    pthread_mutex_unlock(&lock);
    return n;
}

static void open_up(void)
{
    pthread_mutex_lock(&lock);
    open_gate = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void pump(int want)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (notified < want && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.2);
    assert_int_equal(notified, want);
}

static void pump_destroyed(int want)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (now(&destroyed) < want && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.2);
    assert_int_equal(now(&destroyed), want);
}

static int setup(void **state)
{
    (void)state;
    running = ran = posted = destroyed = notified = 0;
    open_gate = false;
    loop = moon_loop_new(NULL);
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    open_up();
    moon_loop_free(loop, LIMIT);
    return 0;
}

static void test_results(void **state)
{
    (void)state;
    struct job *good = start(&normal, 41, false);
    struct job *bad = job(&normal, 42, false);
    bad->fails = true;
    assert_int_equal(moon_op_start(&bad->op, loop, on_done, NULL), 0);
    pump(2);
    assert_true(good->op.done);
    assert_false(good->op.failed);
    assert_int_equal(json_integer_value(good->op.result), 41);
    assert_true(bad->op.failed);
    assert_null(bad->op.result);
    assert_int_equal(bad->op.err.code, MOON_IO);
    assert_string_equal(bad->op.err.message, "job 42");
    moon_op_unref(&good->op);
    moon_op_unref(&bad->op);
    assert_int_equal(now(&destroyed), 2);
}

/* Told in the order in which they ended, which need not be that of their start. */
static void test_completion_order(void **state)
{
    (void)state;
    struct job *slow = start(&normal, 1, true);
    assert_true(reaches(&running, 1));
    for (int i = 2; i <= 5; i++) {
        moon_op_unref(&start(&normal, i, false)->op);
        assert_true(reaches(&posted, i - 1));
    }
    open_up();
    assert_true(reaches(&posted, 5));
    pump(5);
    static const int want[] = {2, 3, 4, 5, 1};
    assert_memory_equal(order, want, sizeof want);
    moon_op_unref(&slow->op);
}

static void test_many(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++)
        moon_op_unref(&start(i % 5 ? &normal : &rescue, i, false)->op);
    pump(2000);
    static bool seen[2000];
    for (int i = 0; i < 2000; i++) {
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
    assert_int_equal(now(&ran), 2000);
    assert_int_equal(now(&destroyed), 2000);
}

static void test_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < WORKERS + 5; i++)
        moon_op_unref(&start(&normal, i, true)->op);
    assert_true(reaches(&running, WORKERS));
    moon_loop_once(loop, 0.05);
    assert_int_equal(now(&running), WORKERS);
    assert_int_equal(now(&ran), 0);
    open_up();
    pump(WORKERS + 5);
}

/* One idle thread must not take a whole burst upon itself: the first of it may hang. */
static void burst(const struct moon_op_kind *kind, int n)
{
    for (int round = 1; round <= 20; round++) {
        moon_op_unref(&start(kind, 0, false)->op);
        pump(1);
        for (int i = 0; i < n; i++)
            moon_op_unref(&start(kind, i, true)->op);
        bool all = reaches(&running, n);
        if (!all)
            print_message("round %d: %d of %d run\n", round, now(&running), n);
        open_up();
        pump(n + 1);
        assert_true(all);
        moon_loop_free(loop, LIMIT);
        assert_int_equal(setup(NULL), 0);
    }
}

static void test_burst_after_idle(void **state)
{
    (void)state;
    burst(&normal, WORKERS);
}

static void test_rescue_burst_after_idle(void **state)
{
    (void)state;
    burst(&rescue, RESCUE);
}

static void test_rescue_lane(void **state)
{
    (void)state;
    for (int i = 0; i < WORKERS + 20; i++)
        moon_op_unref(&start(&normal, i, true)->op);
    assert_true(reaches(&running, WORKERS));
    struct job *a = start(&rescue, 100, false);
    struct job *b = start(&rescue, 101, false);
    pump(2); /* while every ordinary thread hangs */
    assert_true(a->op.done && b->op.done);
    assert_int_equal(now(&ran), 2);
    moon_op_unref(&a->op);
    moon_op_unref(&b->op);
    open_up();
    pump(WORKERS + 22);
}

/* One resume that hangs does not stop the next one. */
static void test_rescue_beside_stuck_rescue(void **state)
{
    (void)state;
    moon_op_unref(&start(&rescue, 1, true)->op);
    assert_true(reaches(&running, 1));
    moon_op_unref(&start(&rescue, 2, false)->op);
    pump(1);
    assert_int_equal(order[0], 2);
    open_up();
    pump(2);
}

static void test_abandon_queued(void **state)
{
    (void)state;
    for (int i = 0; i < WORKERS; i++)
        moon_op_unref(&start(&normal, i, true)->op);
    assert_true(reaches(&running, WORKERS));
    struct job *queued[4];
    for (int i = 0; i < 4; i++)
        queued[i] = start(&normal, 100 + i, false);
    static const int turn[] = {1, 3, 0, 2}; /* middle, last, first, the only one left */
    for (int i = 0; i < 4; i++) {
        moon_op_abandon(&queued[turn[i]]->op, loop);
        assert_true(queued[turn[i]]->op.done);
        moon_op_unref(&queued[turn[i]]->op);
        assert_int_equal(now(&destroyed), i + 1);
    }
    struct job *last = start(&normal, 200, false); /* the queue is still whole */
    open_up();
    pump(WORKERS + 1);
    assert_int_equal(now(&ran), WORKERS + 1);
    moon_op_unref(&last->op);
}

static void test_abandon_running(void **state)
{
    (void)state;
    struct job *j = start(&normal, 1, true);
    assert_true(reaches(&running, 1));
    moon_op_abandon(&j->op, loop);
    moon_op_unref(&j->op);
    assert_int_equal(now(&destroyed), 0); /* the thread still uses it */
    open_up();
    pump_destroyed(1);
    assert_int_equal(notified, 0);
}

static void test_abandon_posted(void **state)
{
    (void)state;
    struct job *j = start(&normal, 1, false);
    assert_true(reaches(&posted, 1));
    moon_op_abandon(&j->op, loop);
    moon_op_unref(&j->op);
    assert_int_equal(now(&destroyed), 0); /* the loop still has it in its list */
    pump_destroyed(1);
    assert_int_equal(notified, 0);
    moon_op_unref(&start(&normal, 2, false)->op);
    pump(1);
}

/* A thread that hangs in an abandoned call is replaced, as often as that happens. */
static void test_lost_threads_are_replaced(void **state)
{
    (void)state;
    for (int round = 1; round <= 3; round++) {
        struct job *stuck[WORKERS];
        for (int i = 0; i < WORKERS; i++)
            stuck[i] = start(&normal, i, true);
        assert_true(reaches(&running, WORKERS * round));
        struct job *waiting = start(&normal, 50 + round, false);
        moon_loop_once(loop, 0.01);
        assert_int_equal(notified, round - 1);
        for (int i = 0; i < WORKERS; i++) {
            moon_op_abandon(&stuck[i]->op, loop);
            moon_op_unref(&stuck[i]->op);
        }
        pump(round);
        assert_int_equal(order[round - 1], 50 + round);
        moon_op_unref(&waiting->op);
    }
    open_up();
    pump_destroyed(3 * WORKERS + 3);
    assert_int_equal(notified, 3);
    moon_op_unref(&start(&normal, 1, false)->op);
    pump(4);
}

static void abandon_arg(struct moon_op *op, void *arg)
{
    on_done(op, NULL);
    moon_op_abandon(arg, loop);
}

/* Both have been posted when the first one's waiter gives the second one up. */
static void test_abandon_in_same_batch(void **state)
{
    (void)state;
    struct job *second = job(&normal, 2, false);
    struct job *first = job(&normal, 1, false);
    assert_int_equal(moon_op_start(&first->op, loop, abandon_arg, second), 0);
    assert_true(reaches(&posted, 1));
    assert_int_equal(moon_op_start(&second->op, loop, on_done, NULL), 0);
    assert_true(reaches(&posted, 2));
    moon_op_unref(&first->op);
    moon_op_unref(&second->op);
    pump_destroyed(2);
    assert_int_equal(notified, 1);
    assert_int_equal(order[0], 1);
}

static void test_signals_stay_away(void **state)
{
    (void)state;
    sigset_t before;
    sigset_t after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    struct job *j = start(&normal, 1, false);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    pump(1);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_int_equal(sigismember(&j->mask, signals[i]), 1);
        assert_int_equal(sigismember(&after, signals[i]), sigismember(&before, signals[i]));
    }
    moon_op_unref(&j->op);
}

/* --- stopping ---------------------------------------------------------------------------- */

static struct moon_work *own;

static void submit(struct job *j)
{
    moon_op_ref(&j->op);
    j->op.notify = on_done;
    assert_int_equal(moon_work_submit(own, &j->op), 0);
    moon_op_unref(&j->op);
}

static void test_stop(void **state)
{
    (void)state;
    own = moon_work_new(loop, 2, 1);
    assert_non_null(own);
    assert_true(moon_work_stop(own, 0)); /* no thread was ever made */
    moon_work_free(own);
    moon_work_free(NULL);
    own = moon_work_new(loop, 2, 1);
    submit(job(&normal, 1, false));
    submit(job(&rescue, 2, false));
    pump(2);
    assert_true(moon_work_stop(own, LIMIT)); /* idle threads go at once */
    moon_work_free(own);
}

static void test_stop_does_not_hang(void **state)
{
    (void)state;
    own = moon_work_new(loop, 2, 1);
    submit(job(&normal, 1, true));
    submit(job(&rescue, 2, true));
    submit(job(&normal, 3, true));
    assert_true(reaches(&running, 3));
    for (int i = 0; i < 4; i++) {
        submit(job(&normal, 10 + i, false));
        if (i == 1)
            submit(job(&closing, 20, false));
    }
    double begin = moon_clock_mono();
    assert_false(moon_work_stop(own, 0));
    assert_true(moon_clock_mono() - begin < LIMIT / 2);
    open_up();
    assert_true(moon_work_stop(own, LIMIT));
    assert_int_equal(now(&ran), 4); /* nothing new was begun but what closes something */
    moon_work_free(own);
    assert_int_equal(now(&destroyed), 4); /* what still waited is freed, and nobody was told */
    assert_int_equal(notified, 0);
    pump(4);
    for (int i = 0; i < notified; i++)
        assert_true(order[i] < 10 || order[i] == 20);
}

/* What a library keeps by thread, as the resolver does, and gives back when the thread ends. */
static pthread_key_t kept;
static int given_back; /* guarded by lock */

static void give_back(void *what)
{
    (void)what;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    pthread_mutex_lock(&lock);
    given_back++;
    pthread_mutex_unlock(&lock);
}

static void keep_run(struct moon_op *op)
{
    pthread_setspecific(kept, op);
    job_run(op);
}

static void test_stop_leaves_no_thread(void **state)
{
    (void)state;
    static const struct moon_op_kind keeps = {
        .name = "test.keeps", .run = keep_run, .destroy = job_destroy};
    given_back = 0;
    assert_int_equal(pthread_key_create(&kept, give_back), 0);
    own = moon_work_new(loop, 3, 1);
    for (int i = 1; i <= 3; i++)
        submit(job(&keeps, i, true));
    assert_true(reaches(&running, 3));
    open_up();
    pump(3);
    assert_true(moon_work_stop(own, LIMIT));
    assert_int_equal(now(&given_back), 3);
    moon_work_free(own);
    pthread_key_delete(kept);
}

static void *open_soon(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    open_up();
    return arg;
}

/* Parts of a second count as well. */
static void test_stop_waits(void **state)
{
    (void)state;
    own = moon_work_new(loop, 1, 1);
    submit(job(&normal, 1, true));
    assert_true(reaches(&running, 1));
    pthread_t helper;
    assert_int_equal(pthread_create(&helper, NULL, open_soon, NULL), 0);
    double begin = moon_clock_mono();
    bool stopped = moon_work_stop(own, 0.95);
    double waited = moon_clock_mono() - begin;
    pthread_join(helper, NULL);
    bool later = moon_work_stop(own, LIMIT);
    moon_work_free(own);
    pump(1);
    assert_true(later);
    assert_true(stopped || waited >= 0.9); /* the helper may be late on a busy machine */
}

/* A loop whose pool does not stop is left behind: its thread may still post to it. */
static void test_loop_is_left_to_stuck_thread(void **state)
{
    (void)state;
    static struct moon_loop *left; /* keeps it reachable */
    left = moon_loop_new(NULL);
    assert_non_null(left);
    struct job *j = job(&normal, 1, true);
    assert_int_equal(moon_op_start(&j->op, left, on_done, NULL), 0);
    assert_true(reaches(&running, 1));
    double begin = moon_clock_mono();
    moon_loop_free(left, 0);
    assert_true(moon_clock_mono() - begin < LIMIT / 2);
    open_up();
    assert_true(reaches(&posted, 1));
    assert_int_equal(notified, 0);
    moon_loop_free(left, LIMIT); /* the thread has gone: now everything is freed */
    assert_int_equal(notified, 1);
    left = NULL;
    moon_op_unref(&j->op);
    assert_int_equal(now(&destroyed), 1);
}

static struct moon_loop *ending;
static atomic_int closed;

static void note_closed(void *what)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    *(atomic_int *)what += 1;
}

static void close_end(struct moon_op *op)
{
    assert_true(op->abandoned);
    moon_op_close(ending, note_closed, &closed);
}

/* Given up, and ended while the workers stop: what it leaves is closed before they are freed. */
static void test_loop_end_closes_what_is_left(void **state)
{
    (void)state;
    static const struct moon_op_kind leaves = {
        .name = "job", .run = job_run, .end = close_end, .destroy = job_destroy};
    struct moon_err err;
    ending = moon_loop_new(&err);
    assert_non_null(ending);
    struct job *j = job(&leaves, 1, true);
    assert_int_equal(moon_op_start(&j->op, ending, on_done, NULL), 0);
    assert_true(reaches(&running, 1));
    moon_op_abandon(&j->op, ending);
    moon_op_unref(&j->op);
    closed = 0;
    open_up();
    moon_loop_free(ending, LIMIT);
    ending = NULL;
    assert_int_equal(closed, 1);
    assert_int_equal(now(&destroyed), 1);
    assert_int_equal(notified, 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* the thread's next one is whole again */
        struct job *j = start(i == 0 ? &partial : &normal, 7, false);
        pump(i + 1);
        assert_int_equal(j->op.failed, i == 0);
        if (i == 0) {
            assert_null(j->op.result);
            assert_int_equal(j->op.err.code, MOON_INTERNAL);
            assert_string_equal(j->op.err.message, "out of memory");
        }
        moon_op_unref(&j->op);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    const struct CMUnitTest tests[] = {
        CASE(test_results),
        CASE(test_completion_order),
        CASE(test_many),
        CASE(test_bounded),
        CASE(test_burst_after_idle),
        CASE(test_rescue_burst_after_idle),
        CASE(test_rescue_lane),
        CASE(test_rescue_beside_stuck_rescue),
        CASE(test_abandon_queued),
        CASE(test_abandon_running),
        CASE(test_abandon_posted),
        CASE(test_lost_threads_are_replaced),
        CASE(test_abandon_in_same_batch),
        CASE(test_signals_stay_away),
        CASE(test_stop),
        CASE(test_stop_does_not_hang),
        CASE(test_stop_waits),
        CASE(test_stop_leaves_no_thread),
        CASE(test_loop_is_left_to_stuck_thread),
        CASE(test_loop_end_closes_what_is_left),
        CASE(test_no_memory),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
