#include "loop.h"

#include "clock.h"
#include "http_priv.h"
#include "memory.h"
#include "op.h"
#include "work.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WORKERS          16 /* suspends at once have a connection each; the rest is for files */
#define RESCUE_WORKERS   16 /* as many guests are brought back at once */
#define CACHED           256 /* idle connections kept, whatever curl makes of the number of transfers */
#define HOST_CONNECTIONS 4 /* requests at once to one controller address */

struct timer {
    struct moon_op op;
    double seconds, deadline;
    struct timer *next;
};

struct moon_loop {
    CURLM *multi; /* NULL before the first request */
    int wake_fd;  /* eventfd: something is posted */
    struct moon_work *work;
    struct timer *timers; /* sorted by deadline, each holds a reference */
    struct moon_http *transfers;
    CURLSH *share;         /* TLS sessions: a new connection need not begin from nothing */
    long host_connections; /* 0: nobody has said yet */
    int watch_fd;
    void (*watch_ready)(void *arg);
    void *watch_arg;

    pthread_mutex_t lock; /* guards posted and posted_tail */
    struct moon_op *posted, *posted_tail;
};

struct moon_loop *moon_loop_new(struct moon_err *err)
{
    struct moon_loop *loop = calloc(1, sizeof *loop);
    moon_memory_watch();
    if (loop) {
        pthread_mutex_init(&loop->lock, NULL);
        loop->watch_fd = -1;
        loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        loop->work = moon_work_new(loop, WORKERS, RESCUE_WORKERS);
    }
    if (!loop || loop->wake_fd < 0 || !loop->work) {
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "loop", "out of memory");
        moon_loop_free(loop, 0);
        return NULL;
    }
    return loop;
}

/* Not before the first request: libcurl and what it needs take longer to load than most actions
 * that talk to nobody take altogether. */
static void open_curl(struct moon_loop *loop)
{
    moon_http_init();
    loop->multi = curl_multi_init();
    loop->share = curl_share_init();
    if (loop->share)
        curl_share_setopt(loop->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    if (!loop->multi)
        return;
    curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long)CACHED);
}

struct moon_work *moon_loop_work(struct moon_loop *loop)
{
    return loop->work;
}

CURLM *moon_loop_curl(struct moon_loop *loop)
{
    if (!loop->multi)
        open_curl(loop);
    return loop->multi;
}

CURLSH *moon_loop_share(struct moon_loop *loop)
{
    if (!loop->multi)
        open_curl(loop);
    return loop->share;
}

long moon_loop_connections(const struct moon_loop *loop)
{
    return loop->host_connections ? loop->host_connections : HOST_CONNECTIONS;
}

struct moon_http **moon_loop_transfers(struct moon_loop *loop)
{
    return &loop->transfers;
}

void moon_loop_allow_connections(struct moon_loop *loop, long count)
{
    if (count > loop->host_connections)
        loop->host_connections = count;
}

void moon_loop_post(struct moon_loop *loop, struct moon_op *op)
{
    pthread_mutex_lock(&loop->lock);
    op->next = NULL;
    if (loop->posted_tail)
        loop->posted_tail->next = op;
    else
        loop->posted = op;
    loop->posted_tail = op;
    pthread_mutex_unlock(&loop->lock);
    eventfd_write(loop->wake_fd, 1);
}

/* Whether there was anything. */
static bool drain_posted(struct moon_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct moon_op *op = loop->posted;
    loop->posted = loop->posted_tail = NULL;
    pthread_mutex_unlock(&loop->lock);
    bool any = op != NULL;
    while (op) {
        struct moon_op *next = op->next;
        op->next = NULL;
        if (op->abandoned && op->kind->run)
            moon_work_returned(loop->work, op);
        moon_op_complete(op);
        op = next;
    }
    return any;
}

static void drain_timers(struct moon_loop *loop)
{
    double now = moon_clock_mono();
    while (loop->timers && loop->timers->deadline <= now) {
        struct timer *t = loop->timers;
        loop->timers = t->next;
        moon_op_complete(&t->op);
    }
}

/* The loop's one wait. Is the watched descriptor readable? */
static bool wait_for(struct moon_loop *loop, int ms)
{
    int watched;
    if (loop->multi) {
        /* A transfer that was just added makes curl's own timeout zero, so this comes back at once. */
        struct curl_waitfd extra[] = {{.fd = loop->wake_fd, .events = CURL_WAIT_POLLIN},
                                      {.fd = loop->watch_fd, .events = CURL_WAIT_POLLIN}};
        curl_multi_poll(loop->multi, extra, loop->watch_fd >= 0 ? 2 : 1, ms, NULL);
        watched = extra[1].revents;
    } else {
        struct pollfd fds[] = {{.fd = loop->wake_fd, .events = POLLIN},
                               {.fd = loop->watch_fd, .events = POLLIN}};
        watched = poll(fds, 2, ms) > 0 ? fds[1].revents : 0;
    }
    eventfd_t woken; /* before what is posted is taken: a later post wakes the next wait */
    eventfd_read(loop->wake_fd, &woken);
    return watched != 0;
}

void moon_loop_once(struct moon_loop *loop, double max_wait)
{
    double wait = max_wait;
    if (loop->timers)
        wait = fmin(wait, loop->timers->deadline - moon_clock_mono());
    int ms = wait <= 0 ? 0 : (int)fmin(ceil(wait * 1000), 60000);
    bool watched = wait_for(loop, ms);
    if (loop->multi) {
        int running = 0;
        curl_multi_perform(loop->multi, &running);
        moon_http_drain(loop);
    }
    drain_posted(loop);
    drain_timers(loop);
    if (watched && loop->watch_ready)
        loop->watch_ready(loop->watch_arg);
}

static int timer_start(struct moon_op *op, struct moon_loop *loop)
{
    struct timer *t = (struct timer *)op;
    t->deadline = moon_clock_mono() + t->seconds;
    struct timer **at = &loop->timers;
    while (*at && (*at)->deadline <= t->deadline)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
    return 0;
}

static void timer_cancel(struct moon_op *op, struct moon_loop *loop)
{
    for (struct timer **at = &loop->timers; *at; at = &(*at)->next) {
        if (&(*at)->op == op) {
            *at = (*at)->next;
            moon_op_complete(op);
            return;
        }
    }
}

struct moon_op *moon_loop_timer(double seconds)
{
    static const struct moon_op_kind kind = {
        .name = "sleep", .start = timer_start, .cancel = timer_cancel};
    struct timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    moon_op_init(&t->op, &kind);
    t->seconds = seconds;
    return &t->op;
}

static int event_start(struct moon_op *op, struct moon_loop *loop)
{
    (void)op, (void)loop;
    return 0;
}

static void event_cancel(struct moon_op *op, struct moon_loop *loop)
{
    (void)loop;
    moon_op_complete(op);
}

struct moon_op *moon_loop_event(void)
{
    static const struct moon_op_kind kind = {
        .name = "wait", .start = event_start, .cancel = event_cancel};
    struct moon_op *op = calloc(1, sizeof *op);
    if (op)
        moon_op_init(op, &kind);
    return op;
}

void moon_loop_fire(struct moon_op *event)
{
    if (!event->done)
        moon_op_complete(event);
}

void moon_loop_watch(struct moon_loop *loop, int fd, void (*ready)(void *arg), void *arg)
{
    loop->watch_fd = fd;
    loop->watch_ready = ready;
    loop->watch_arg = arg;
}

void moon_loop_free(struct moon_loop *loop, double seconds)
{
    if (!loop)
        return;
    if (loop->work) {
        /* A call that hangs will post to this loop some day: it must still be there. One that has ended may leave something
         * that is closed by the workers: they are stopped again. */
        do {
            if (!moon_work_stop(loop->work, seconds))
                return;
        } while (drain_posted(loop));
        moon_work_free(loop->work);
    }
    while (loop->timers) {
        struct timer *t = loop->timers;
        loop->timers = t->next;
        moon_op_unref(&t->op);
    }
    moon_http_drop_all(loop);
    if (loop->multi)
        curl_multi_cleanup(loop->multi);
    if (loop->share)
        curl_share_cleanup(loop->share);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}
