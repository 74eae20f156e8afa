#include "back.h"

#include "auto.h"
#include "clock.h"
#include "log.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE   250                 /* ms for the calls of one look */
#define THAW_AGAIN 2.0                 /* s between two thaws of a domain that may be frozen late */
#define STACK      ((size_t)512 << 10) /* they are locked in memory */

/* What a call has found: it runs, or needs nothing from us; it stood still and was brought back; it is gone or off; a
 * call that may suspend it is under way; it failed. */
enum found { RUNS, BROUGHT_BACK, GONE, BUSY, FAILED };

/* A call that may hang, and its thread. Guarded by the lock but for dom and back; look and settled are the looking
 * thread's until it is begun. */
struct call {
    enum { IDLE, UNDER_WAY, DONE } state;
    enum found found;
    int count;
    struct moon_err err;
    struct moon_domain *dom;
    struct moon_back *back;
    unsigned look; /* the one that began it */
    bool settled;
};

/* What is known of one domain; kept for good, since a call may return after any time. */
struct look {
    struct moon_domain *dom;
    struct call resume, thaw;
    bool frozen_once; /* a thaw has been said */
    double thawed;    /* monotonic */
    bool left;        /* of this look */
    bool came;        /* found suspended, or gone, since moon_back_expect */
    struct moon_err err;
    struct look *next;
};

struct moon_back {
    struct moon_virt *virt;
    struct look *looks;
    pthread_mutex_t lock;
    pthread_cond_t done;
    int under_way; /* calls; guarded by lock */
    unsigned looks_so_far;
    bool settled; /* no call is on its way, says this look */
};

struct moon_back *moon_back_new(struct moon_virt *virt)
{
    struct moon_back *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->virt = virt;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->done, &attr);
    pthread_condattr_destroy(&attr);
    return b;
}

static const char *field(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static struct look *known(const struct moon_back *b, const char *uuid)
{
    for (struct look *l = b->looks; l; l = l->next) {
        if (strcmp(moon_domain_uuid(l->dom), uuid) == 0)
            return l;
    }
    return NULL;
}

static struct look *look_at(struct moon_back *b, const json_t *held)
{
    struct look *l = known(b, field(held, "uuid"));
    if (l)
        return l;
    l = calloc(1, sizeof *l);
    if (!l || !(l->dom = moon_domain_new(b->virt, field(held, "uuid"), field(held, "name")))) {
        free(l);
        return NULL;
    }
    l->resume.dom = l->thaw.dom = l->dom;
    l->resume.back = l->thaw.back = b;
    l->thawed = -HUGE_VAL;
    l->next = b->looks;
    b->looks = l;
    return l;
}

/* --- calls in threads of their own --------------------------------------------------------- */

static void ended(struct call *c, enum found found, const struct moon_err *err, int count)
{
    pthread_mutex_lock(&c->back->lock);
    c->state = DONE;
    c->found = found;
    c->err = *err;
    c->count = count;
    c->back->under_way--;
    pthread_cond_signal(&c->back->done);
    pthread_mutex_unlock(&c->back->lock);
}

static enum found failed(const struct moon_err *err)
{
    return err->code == MOON_NOT_FOUND ? GONE : FAILED;
}

/* Needs nothing from us: it does not stand still, or for a reason that a suspend does not give: an I/O error, a
 * migration, a save. */
static bool runs(const json_t *state)
{
    static const char *const reasons[] = {"ioerror", "migration", "saving"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(field(state, "reason"), reasons[i]) == 0)
            return true;
    }
    return strcmp(field(state, "state"), "paused") != 0;
}

/* A look at the domain may hang, too. Back is one that runs and on whose way no call is that may suspend it: one that
 * waits for a dead disk can take days. */
static enum found resume(const struct call *c, struct moon_err *err)
{
    AUTO_JSON json_t *state = NULL;
    bool busy = !c->settled && moon_domain_busy(c->dom); /* asked first: it may end in between */
    if (moon_domain_state(c->dom, &state, err) < 0)
        return failed(err);
    if (runs(state))
        return busy ? BUSY : RUNS;
    return moon_domain_resume(c->dom, err) < 0 ? FAILED : BROUGHT_BACK;
}

static void *resume_thread(void *arg)
{
    struct call *c = arg;
    struct moon_err err = {0};
    enum found found = resume(c, &err);
    ended(c, found, &err, 0);
    return NULL;
}

static bool is_off(struct moon_domain *d)
{
    struct moon_err err;
    AUTO_JSON json_t *state = NULL;
    return moon_domain_state(d, &state, &err) == 0 && strcmp(field(state, "state"), "shutoff") == 0;
}

/* A domain that is off has nothing frozen. */
static void *thaw_thread(void *arg)
{
    struct call *c = arg;
    struct moon_err err = {0};
    int count = 0;
    enum found found = moon_domain_thaw(c->dom, &count, &err) < 0 ? failed(&err) : BROUGHT_BACK;
    if (found == FAILED && err.code == MOON_CONFLICT && is_off(c->dom))
        found = GONE;
    ended(c, found, &err, count);
    return NULL;
}

/* Where no thread can be had, here and now. */
static void begin(struct moon_back *b, struct call *c, void *(*fn)(void *))
{
    pthread_mutex_lock(&b->lock);
    bool mine = c->state == IDLE;
    if (mine) {
        c->state = UNDER_WAY;
        c->look = b->looks_so_far;
        c->settled = b->settled;
        b->under_way++;
    }
    pthread_mutex_unlock(&b->lock);
    if (!mine)
        return;
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    if (pthread_create(&thread, &attr, fn, c) != 0)
        fn(c);
    pthread_attr_destroy(&attr);
}

static void wait_for_calls(struct moon_back *b)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PATIENCE * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    int rc = 0;
    pthread_mutex_lock(&b->lock);
    while (b->under_way > 0 && rc == 0)
        rc = pthread_cond_timedwait(&b->done, &b->lock, &until);
    pthread_mutex_unlock(&b->lock);
}

/* The outcome of a call that has ended, once; false while it is under way, or where there is none. */
static bool take(struct moon_back *b, struct call *c, struct call *out)
{
    pthread_mutex_lock(&b->lock);
    bool done = c->state == DONE;
    *out = *c;
    if (done)
        c->state = IDLE;
    pthread_mutex_unlock(&b->lock);
    return done;
}

/* --- one domain ---------------------------------------------------------------------------- */

static void end_resume(struct moon_back *b, struct look *l)
{
    struct call c;
    if (!take(b, &l->resume, &c)) {
        if (c.state == UNDER_WAY)
            moon_err_set(&l->err, MOON_BUSY, MOON_SRC_LIBVIRT, 0, "resume",
                         "libvirt has not answered yet");
        return;
    }
    /* One that an earlier look began has seen what was then. */
    l->left = c.found == BUSY || c.found == FAILED || c.look != b->looks_so_far;
    l->err = c.err;
    l->came = l->came || c.found == BROUGHT_BACK || c.found == GONE;
    if (c.found == BUSY)
        moon_err_set(&l->err, MOON_BUSY, MOON_SRC_LIBVIRT, 0, "resume",
                     "a call that may suspend it is under way");
    if (c.found == BROUGHT_BACK)
        moon_log(MOON_LOG_WARN, "domain '%s' (%s) resumed by the guard", moon_domain_name(l->dom),
                 moon_domain_uuid(l->dom));
}

static void begin_resume(struct moon_back *b, struct look *l)
{
    end_resume(b, l); /* of an earlier look, which did not wait for it */
    l->left = true;
    begin(b, &l->resume, resume_thread);
}

static void begin_thaw(struct moon_back *b, struct look *l)
{
    if (moon_clock_mono() >= l->thawed + THAW_AGAIN)
        begin(b, &l->thaw, thaw_thread);
}

/* A freeze was asked for, whatever became of that. */
static void end_thaw(struct moon_back *b, struct look *l)
{
    struct call c;
    bool done = take(b, &l->thaw, &c);
    if (!done && c.state == IDLE)
        return; /* thawed a moment ago */
    if (!done || c.found == FAILED) {
        l->left = true;
        if (done)
            l->err = c.err;
        else
            moon_err_set(&l->err, MOON_BUSY, MOON_SRC_LIBVIRT, 0, "thaw", "its thaw is under way");
        return;
    }
    if (c.found == BROUGHT_BACK && !l->frozen_once)
        moon_log(MOON_LOG_WARN, "domain '%s' (%s) thawed by the guard: %d file system(s)",
                 moon_domain_name(l->dom), moon_domain_uuid(l->dom), c.count);
    l->frozen_once = true;
    l->thawed = moon_clock_mono();
}

static bool due(const json_t *held, double now)
{
    return json_number_value(json_object_get(held, "until")) <= now;
}

static bool may_be_frozen(const json_t *held)
{
    return json_is_true(json_object_get(held, "freeze"));
}

/* Those that run can be thawed, and an agent takes its time: so all are resumed before. */
size_t moon_back_look(struct moon_back *b, const json_t *held, double now, bool settled,
                      bool report)
{
    size_t i, left = 0;
    json_t *h;
    struct look *l;
    b->looks_so_far++;
    b->settled = settled;
    json_array_foreach (held, i, h) {
        if (due(h, now) && (l = look_at(b, h)))
            begin_resume(b, l);
    }
    wait_for_calls(b);
    json_array_foreach (held, i, h) {
        if (!due(h, now) || !(l = look_at(b, h)))
            continue;
        end_resume(b, l);
        if (may_be_frozen(h))
            begin_thaw(b, l);
    }
    wait_for_calls(b);
    json_array_foreach (held, i, h) {
        if (!due(h, now))
            continue;
        l = look_at(b, h);
        if (l && may_be_frozen(h))
            end_thaw(b, l);
        if (l && !l->left)
            continue;
        left++;
        if (report)
            moon_log(MOON_LOG_ERROR, "domain '%s' cannot be brought back yet: %s", field(h, "name"),
                     l ? l->err.message : "out of memory");
    }
    return left;
}

void moon_back_expect(struct moon_back *b)
{
    for (struct look *l = b->looks; l; l = l->next)
        l->came = false;
}

bool moon_back_came(const struct moon_back *b, const json_t *held)
{
    size_t i;
    json_t *h;
    json_array_foreach (held, i, h) {
        const struct look *l = known(b, field(h, "uuid"));
        if (!l || !l->came || may_be_frozen(h))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(field(json_array_get(held, k), "uuid"), field(h, "uuid")) == 0)
                return false;
        }
    }
    return true;
}
