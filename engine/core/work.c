#include "work.h"

#include "loop.h"
#include "memory.h"
#include "op.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define MAX_LOST 64 /* abandoned calls that still hang; more than that and no thread is added */

struct lane {
    struct moon_work *work;
    pthread_cond_t more; /* of this lane only: one operation wakes one thread, not all of both */
    struct moon_op *head, *tail;
    int limit, threads, idle, lost, queued;
};

/* Every field is guarded by `lock`. Not freed while a thread lives: see moon_work_stop. */
struct moon_work {
    pthread_mutex_t lock;
    pthread_cond_t gone;
    struct moon_loop *loop;
    struct lane normal, rescue;
    pthread_t last; /* the thread that ended last, if `any_ended`: it joins the one before it */
    bool any_ended, stopping;
};

static struct lane *lane_of(struct moon_work *w, const struct moon_op *op)
{
    return op->kind->rescue ? &w->rescue : &w->normal;
}

struct moon_work *moon_work_new(struct moon_loop *loop, int threads, int rescue_threads)
{
    struct moon_work *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->gone, &attr);
    pthread_condattr_destroy(&attr);
    w->loop = loop;
    w->normal = (struct lane){.work = w, .limit = threads};
    w->rescue = (struct lane){.work = w, .limit = rescue_threads};
    pthread_cond_init(&w->normal.more, NULL);
    pthread_cond_init(&w->rescue.more, NULL);
    return w;
}

static void take_out(struct lane *lane, struct moon_op *prev, struct moon_op *op)
{
    if (prev)
        prev->next = op->next;
    else
        lane->head = op->next;
    if (lane->tail == op)
        lane->tail = prev;
    op->next = NULL;
    lane->queued--;
}

/* The first one; in the end, of those that close something. */
static struct moon_op *pop(struct lane *lane, bool stopping)
{
    struct moon_op *prev = NULL, *op = lane->head;
    while (op && stopping && !op->kind->closes) {
        prev = op;
        op = op->next;
    }
    if (op)
        take_out(lane, prev, op);
    return op;
}

/* What was found in part is not found. */
static void run(struct moon_op *op)
{
    unsigned long before = moon_memory_failures();
    op->kind->run(op);
    if (!op->failed && moon_memory_check(before, op->kind->name, &op->err) < 0) {
        op->failed = true;
        json_decref(op->result);
        op->result = NULL;
    }
}

static void *thread_main(void *arg)
{
    struct lane *lane = arg;
    struct moon_work *w = lane->work;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct moon_op *op = pop(lane, w->stopping);
        if (!op) {
            if (w->stopping)
                break;
            lane->idle++;
            pthread_cond_wait(&lane->more, &w->lock);
            lane->idle--;
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        run(op);
        moon_loop_post(w->loop, op);
        pthread_mutex_lock(&w->lock);
    }
    lane->threads--;
    bool follows = w->any_ended;
    pthread_t before = w->last;
    w->last = pthread_self();
    w->any_ended = true;
    pthread_cond_broadcast(&w->gone);
    pthread_mutex_unlock(&w->lock);
    if (follows)
        pthread_join(before, NULL);
    return NULL;
}

/* Signals belong to the loop thread: a new thread starts with all of them blocked. Those that a
 * thread raises by its own fault are left: blocked, they end the process all the same, and a handler
 * that tells where is passed over. */
static int add_thread(struct lane *lane)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t id;
    int rc = pthread_create(&id, NULL, thread_main, lane);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        lane->threads++;
    return rc;
}

int moon_work_submit(struct moon_work *w, struct moon_op *op)
{
    struct lane *lane = lane_of(w, op);
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    op->next = NULL;
    if (lane->tail)
        lane->tail->next = op;
    else
        lane->head = op;
    lane->tail = op;
    lane->queued++;
    int lost = lane->lost < MAX_LOST ? lane->lost : MAX_LOST;
    /* An idle thread that was promised to an earlier operation may not have woken yet. */
    if (lane->queued > lane->idle && lane->threads < lane->limit + lost)
        rc = add_thread(lane);
    if (rc != 0 && lane->threads == 0) {
        lane->queued = 0;
        lane->head = lane->tail = NULL; /* nothing else can wait in a lane without threads */
        rc = moon_err_errno(&op->err, rc, op->kind->name, "thread");
    } else {
        rc = 0;
    }
    pthread_cond_signal(&lane->more);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

void moon_work_abandon(struct moon_work *w, struct moon_op *op)
{
    struct lane *lane = lane_of(w, op);
    pthread_mutex_lock(&w->lock);
    struct moon_op *prev = NULL, *it = lane->head;
    while (it && it != op) {
        prev = it;
        it = it->next;
    }
    if (it) {
        take_out(lane, prev, op);
    } else {
        lane->lost++; /* given back by moon_work_returned when the call ends after all */
        if (lane->queued > lane->idle && lane->lost <= MAX_LOST)
            add_thread(lane);
    }
    pthread_mutex_unlock(&w->lock);
    if (it)
        moon_op_complete(op);
}

void moon_work_returned(struct moon_work *w, const struct moon_op *op)
{
    pthread_mutex_lock(&w->lock);
    lane_of(w, op)->lost--;
    pthread_mutex_unlock(&w->lock);
}

bool moon_work_stop(struct moon_work *w, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double whole;
    until.tv_nsec += (long)(modf(seconds, &whole) * 1e9);
    until.tv_sec += (time_t)whole + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->normal.more);
    pthread_cond_broadcast(&w->rescue.more);
    int rc = 0;
    while (w->normal.threads + w->rescue.threads > 0 && rc == 0)
        rc = pthread_cond_timedwait(&w->gone, &w->lock, &until);
    bool empty = w->normal.threads + w->rescue.threads == 0;
    bool join = empty && w->any_ended;
    w->any_ended = w->any_ended && !join;
    pthread_mutex_unlock(&w->lock);
    /* A thread that said goodbye still gives back what libraries keep by thread (the resolver does): joined, it has. */
    if (join)
        pthread_join(w->last, NULL);
    return empty;
}

static void drop_queue(struct lane *lane)
{
    struct moon_op *op;
    while ((op = pop(lane, false)))
        moon_op_unref(op);
}

void moon_work_free(struct moon_work *w)
{
    if (!w)
        return;
    drop_queue(&w->normal);
    drop_queue(&w->rescue);
    pthread_cond_destroy(&w->normal.more);
    pthread_cond_destroy(&w->rescue.more);
    pthread_cond_destroy(&w->gone);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
