#include "writer.h"

#include "auto.h"
#include "clock.h"
#include "journal.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define STACK ((size_t)512 << 10) /* it is locked in memory */

/* In the queue until it is done, so that the first one is what the thread is at. Guarded by the lock but for kind, list and
 * text, which stay as they are, and result and err, which are the thread's until it is done. */
struct record {
    enum { ADD, HOLD, FREE, READ } kind;
    json_t *list;
    char *text;
    json_t *result;
    struct moon_err err;
    int rc;
    bool done, abandoned; /* abandoned: nobody waits for it, and the thread frees it */
    struct record *next;
};

struct moon_writer {
    const char *path;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct record *first;
};

static void record_free(struct record *r)
{
    if (!r)
        return;
    json_decref(r->list);
    json_decref(r->result);
    free(r->text);
    free(r);
}

static void unlink_record(struct moon_writer *w, const struct record *r)
{
    struct record **at = &w->first;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
}

/* --- the thread ---------------------------------------------------------------------------- */

static int carry_out(const char *path, struct record *r)
{
    switch (r->kind) {
    case HOLD:
        return moon_journal_hold(path, r->list, &r->err);
    case FREE:
        return moon_journal_free(path, r->list, &r->err);
    case READ:
        return moon_journal_read(path, &r->result, &r->err);
    default:
        return moon_journal_add(path, &r->err, "%s", r->text);
    }
}

/* Nobody was told that these are held, so that none of them was suspended. */
static void take_back(const char *path, const json_t *domains)
{
    size_t i;
    json_t *domain;
    json_array_foreach (domains, i, domain) {
        const char *uuid = json_string_value(json_object_get(domain, "uuid"));
        moon_journal_add(path, NULL, "free %s", uuid ? uuid : "");
    }
}

static void *write_records(void *arg)
{
    struct moon_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct record *r = w->first;
        if (!r) {
            pthread_cond_wait(&w->work, &w->lock);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        int rc = carry_out(w->path, r);
        pthread_mutex_lock(&w->lock);
        if (r->abandoned && r->kind == HOLD &&
            rc == 0) { /* still the first: nothing may come between */
            pthread_mutex_unlock(&w->lock);
            take_back(w->path, r->list);
            pthread_mutex_lock(&w->lock);
        }
        unlink_record(w, r);
        if (r->abandoned) {
            record_free(r);
        } else {
            r->rc = rc;
            r->done = true;
            pthread_cond_signal(&w->done);
        }
    }
    return NULL;
}

struct moon_writer *moon_writer_new(const char *path)
{
    struct moon_writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->path = path;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, &clock);
    pthread_cond_init(&w->done, &clock);
    pthread_condattr_destroy(&clock);
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    int rc = pthread_create(&thread, &attr, write_records, w);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        return w;
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}

/* --- who waits for it ---------------------------------------------------------------------- */

static int no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "journal", "out of memory");
}

static void enqueue(struct moon_writer *w, struct record *r)
{
    struct record **at = &w->first;
    while (*at)
        at = &(*at)->next;
    *at = r;
    pthread_cond_signal(&w->work);
}

/* Under the lock. The thread frees it, in its turn; but what is still waiting for its turn and has no use any more goes at
 * once. */
static void abandon(struct moon_writer *w, struct record *r)
{
    r->abandoned = true;
    if (r == w->first || r->kind == ADD || r->kind == FREE)
        return;
    unlink_record(w, r);
    record_free(r);
}

/* r: taken; NULL where there was no memory for it. */
static int through(struct moon_writer *w, struct record *r, double until, json_t **out,
                   struct moon_err *err)
{
    if (!r)
        return no_memory(err);
    double seconds;
    struct timespec t;
    t.tv_nsec = (long)(modf(until, &seconds) * 1e9);
    t.tv_sec = (time_t)seconds;
    pthread_mutex_lock(&w->lock);
    enqueue(w, r);
    while (!r->done && moon_clock_mono() < until)
        pthread_cond_timedwait(&w->done, &w->lock, &t);
    bool done = r->done;
    if (!done)
        abandon(w, r);
    pthread_mutex_unlock(&w->lock);
    if (!done)
        return moon_err_set(err, MOON_TIMEOUT, MOON_SRC_ENGINE, 0, "journal",
                            "journal %s: the disk does not answer", w->path);
    int rc = r->rc;
    if (rc < 0 && err)
        *err = r->err;
    if (rc == 0 && out)
        *out = MOON_STEAL(r->result);
    record_free(r);
    return rc;
}

/* list: copied, since its owner may change it while the thread reads it. */
static struct record *record_new(int kind, const json_t *list)
{
    struct record *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->kind = kind;
    if (list && !(r->list = json_deep_copy(list))) {
        free(r);
        return NULL;
    }
    return r;
}

int moon_writer_add(struct moon_writer *w, double until, struct moon_err *err, const char *fmt, ...)
{
    struct record *r = record_new(ADD, NULL);
    va_list ap;
    va_start(ap, fmt);
    if (r && vasprintf(&r->text, fmt, ap) < 0) {
        free(r);
        r = NULL;
    }
    va_end(ap);
    return through(w, r, until, NULL, err);
}

int moon_writer_hold(struct moon_writer *w, const json_t *domains, double until,
                     struct moon_err *err)
{
    return through(w, record_new(HOLD, domains), until, NULL, err);
}

int moon_writer_free(struct moon_writer *w, const json_t *uuids, double until, struct moon_err *err)
{
    return through(w, record_new(FREE, uuids), until, NULL, err);
}

int moon_writer_read(struct moon_writer *w, double until, json_t **out, struct moon_err *err)
{
    return through(w, record_new(READ, NULL), until, out, err);
}

bool moon_writer_busy(struct moon_writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool busy = w->first != NULL;
    pthread_mutex_unlock(&w->lock);
    return busy;
}
