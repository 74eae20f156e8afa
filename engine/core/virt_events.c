/* libvirt's event loop has one thread, from the first use on to the end of the process. What it hands over waits in a queue
 * until the loop thread takes it, which is when an operation that was woken ends: one that was given up takes nothing along. */
#include "virt_events.h"

#include "clock.h"
#include "loop.h"
#include "virt_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST           10000 /* that wait to be taken */
#define ALIVE_INTERVAL 5     /* seconds between questions to a libvirtd that says nothing */
#define ALIVE_COUNT    3     /* of them without an answer, and it is gone */

struct moon_virt_events {
    atomic_int refs; /* libvirt has one, for on_event */
    char *uri;
    virConnectPtr conn; /* NULL: closed. Guarded by the lock, as is all below */
    int callback;
    pthread_mutex_t lock;
    json_t *queue;
    bool lost, gone;
    struct moon_op *waiting;
    struct moon_loop *loop; /* its */
};

struct next_op {
    struct moon_op op;
    struct moon_virt_events *events;
};

/* --- libvirt's event loop ---------------------------------------------------------------- */

static void *run_loop(void *arg)
{
    (void)arg;
    for (;;) {
        if (virEventRunDefaultImpl() < 0)
            usleep(100000); /* never seen; it must not become a loop that does nothing else */
    }
    return NULL;
}

static int loop_error; /* errno; guarded by the once */

/* Connections that are open already have no part in it; those to come do, which changes nothing for their callers. The
 * thread has its signals blocked, as the worker has that starts it. */
static void start_loop(void)
{
    pthread_t thread;
    if (virEventRegisterDefaultImpl() < 0)
        loop_error = ENOMEM;
    else
        loop_error = pthread_create(&thread, NULL, run_loop, NULL);
    if (loop_error == 0)
        pthread_detach(thread);
}

/* --- from libvirt's thread --------------------------------------------------------------- */

/* By libvirt's numbers; virsh has the same words. */
static const struct {
    const char *name;
    const char *details[10];
} kinds[] = {
    [VIR_DOMAIN_EVENT_DEFINED] = {"defined", {"added", "updated", "renamed", "from_snapshot"}},
    [VIR_DOMAIN_EVENT_UNDEFINED] = {"undefined", {"removed", "renamed"}},
    [VIR_DOMAIN_EVENT_STARTED] = {"started",
                                  {"booted", "migrated", "restored", "from_snapshot", "wakeup"}},
    [VIR_DOMAIN_EVENT_SUSPENDED] = {"suspended",
                                    {"paused", "migrated", "ioerror", "watchdog", "restored",
                                     "from_snapshot", "api_error", "postcopy", "postcopy_failed"}},
    [VIR_DOMAIN_EVENT_RESUMED] = {"resumed",
                                  {"unpaused", "migrated", "from_snapshot", "postcopy",
                                   "postcopy_failed"}},
    [VIR_DOMAIN_EVENT_STOPPED] = {"stopped",
                                  {"shutdown", "destroyed", "crashed", "migrated", "saved",
                                   "failed", "from_snapshot"}},
    [VIR_DOMAIN_EVENT_SHUTDOWN] = {"shutdown", {"finished", "guest", "host"}},
    [VIR_DOMAIN_EVENT_PMSUSPENDED] = {"pmsuspended", {"memory", "disk"}},
    [VIR_DOMAIN_EVENT_CRASHED] = {"crashed", {"panicked", "crashloaded"}},
};

static const char *event_name(int event)
{
    bool known = event >= 0 && (size_t)event < sizeof kinds / sizeof *kinds && kinds[event].name;
    return known ? kinds[event].name : "unknown";
}

static const char *detail_name(int event, int detail)
{
    bool known = event >= 0 && (size_t)event < sizeof kinds / sizeof *kinds && detail >= 0 &&
                 (size_t)detail < sizeof kinds->details / sizeof *kinds->details &&
                 kinds[event].details[detail];
    return known ? kinds[event].details[detail] : "unknown";
}

/* Under the lock. */
static void wake(struct moon_virt_events *e)
{
    if (e->waiting)
        moon_loop_post(e->loop, e->waiting);
    e->waiting = NULL;
}

static int on_event(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
    (void)conn;
    struct moon_virt_events *e = arg;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    virDomainGetUUIDString(dom, uuid);
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:f}", "uuid", uuid, "name", virDomainGetName(dom), "event",
                  event_name(event), "detail", detail_name(event, detail), "at", moon_clock_real());
    pthread_mutex_lock(&e->lock);
    if (json_array_size(e->queue) >= MOST) {
        e->lost = true;
        json_decref(row);
    } else if (json_array_append_new(e->queue, row) < 0) {
        e->lost = true;
    }
    wake(e);
    pthread_mutex_unlock(&e->lock);
    return 0;
}

static void on_gone(virConnectPtr conn, int reason, void *arg)
{
    (void)conn, (void)reason;
    struct moon_virt_events *e = arg;
    pthread_mutex_lock(&e->lock);
    e->gone = true;
    wake(e);
    pthread_mutex_unlock(&e->lock);
}

static void drop(void *arg)
{
    moon_virt_events_unref(arg);
}

/* --- open and close ---------------------------------------------------------------------- */

struct moon_virt_events *moon_virt_events_ref(struct moon_virt_events *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

void moon_virt_events_unref(struct moon_virt_events *e)
{
    if (!e || atomic_fetch_sub(&e->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&e->lock);
    json_decref(e->queue);
    free(e->uri);
    free(e);
}

const char *moon_virt_events_uri(const struct moon_virt_events *e)
{
    return e->uri;
}

static int subscribe(struct moon_virt_events *e, const char *uuid, struct moon_err *err)
{
    AUTO_DOMAIN virDomainPtr dom = NULL;
    if (uuid && !(dom = virDomainLookupByUUIDString(e->conn, uuid)))
        return virt_fail(err, "events", "domain", uuid);
    moon_virt_events_ref(e);
    e->callback = virConnectDomainEventRegisterAny(e->conn, dom, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                   VIR_DOMAIN_EVENT_CALLBACK(on_event), e, drop);
    if (e->callback < 0) {
        moon_virt_events_unref(e);
        return virt_fail(err, "events", "libvirt", e->uri);
    }
    /* Drivers without a daemon have neither of these, and nothing that could go away. They would never give a reference back
     * either: there is none, since close takes the callback off, and waits for one that is under way. */
    virConnectRegisterCloseCallback(e->conn, on_gone, e, NULL);
    virConnectSetKeepAlive(e->conn, ALIVE_INTERVAL, ALIVE_COUNT);
    return 0;
}

int moon_virt_events_open(struct moon_virt *v, const char *uuid, struct moon_virt_events **out,
                          struct moon_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_loop);
    if (loop_error)
        return moon_err_errno(err, loop_error, "events", "thread");
    struct moon_virt_events *e = calloc(1, sizeof *e);
    if (!e)
        return virt_no_memory(err, "events");
    atomic_init(&e->refs, 1);
    pthread_mutex_init(&e->lock, NULL);
    e->callback = -1;
    e->queue = json_array();
    e->uri = strdup(moon_virt_uri(v));
    int rc = e->queue && e->uri ? 0 : virt_no_memory(err, "events");
    if (rc == 0 && !(e->conn = virConnectOpen(e->uri)))
        rc = virt_fail(err, "connect", "libvirt", e->uri);
    if (rc == 0)
        rc = subscribe(e, uuid, err);
    if (rc < 0) {
        moon_virt_events_close(e);
        moon_virt_events_unref(e);
        return -1;
    }
    *out = e;
    return 0;
}

void moon_virt_events_close(struct moon_virt_events *e)
{
    pthread_mutex_lock(&e->lock);
    virConnectPtr conn = MOON_STEAL(e->conn);
    wake(e);
    pthread_mutex_unlock(&e->lock);
    if (!conn)
        return;
    if (e->callback >= 0)
        virConnectDomainEventDeregisterAny(conn, e->callback);
    virConnectUnregisterCloseCallback(conn, on_gone);
    virConnectClose(conn);
}

/* --- the next one ------------------------------------------------------------------------ */

static int next_start(struct moon_op *op, struct moon_loop *loop)
{
    struct moon_virt_events *e = ((struct next_op *)op)->events;
    pthread_mutex_lock(&e->lock);
    bool busy = e->waiting != NULL;
    if (!busy) {
        e->waiting = op;
        e->loop = loop;
        if (json_array_size(e->queue) > 0 || e->lost || e->gone || !e->conn)
            wake(e);
    }
    pthread_mutex_unlock(&e->lock);
    return busy ? moon_err_set(&op->err, MOON_BUSY, MOON_SRC_ENGINE, 0, "events",
                               "another task waits for these events already")
                : 0;
}

/* One that was woken comes to its end by itself. */
static void next_cancel(struct moon_op *op, struct moon_loop *loop)
{
    (void)loop;
    struct moon_virt_events *e = ((struct next_op *)op)->events;
    pthread_mutex_lock(&e->lock);
    bool waits = e->waiting == op;
    if (waits)
        e->waiting = NULL;
    pthread_mutex_unlock(&e->lock);
    if (waits)
        moon_op_complete(op);
}

static void next_end(struct moon_op *op)
{
    struct moon_virt_events *e = ((struct next_op *)op)->events;
    if (op->abandoned || op->failed)
        return;
    pthread_mutex_lock(&e->lock);
    op->result = json_incref(json_array_get(e->queue, 0));
    if (op->result)
        json_array_remove(e->queue, 0);
    else if (e->lost)
        moon_err_set(
            &op->err, MOON_IO, MOON_SRC_ENGINE, 0, "events",
            "events of '%s' were lost, since more than %d waited; look at the domains' states",
            e->uri, MOST);
    else if (!e->conn)
        moon_err_set(&op->err, MOON_CANCELLED, MOON_SRC_ENGINE, 0, "events",
                     "the events of '%s' were closed", e->uri);
    else
        moon_err_set(
            &op->err, MOON_UNREACHABLE, MOON_SRC_LIBVIRT, 0, "events",
            "libvirt '%s' went away; open the events anew, and look at the domains' states",
            e->uri);
    op->failed = !op->result;
    e->lost = e->lost && !op->failed;
    pthread_mutex_unlock(&e->lock);
}

static void next_destroy(struct moon_op *op)
{
    moon_virt_events_unref(((struct next_op *)op)->events);
}

struct moon_op *moon_virt_events_next(struct moon_virt_events *e)
{
    static const struct moon_op_kind kind = {.name = "events",
                                             .start = next_start,
                                             .cancel = next_cancel,
                                             .end = next_end,
                                             .destroy = next_destroy};
    struct next_op *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    moon_op_init(&n->op, &kind);
    n->events = moon_virt_events_ref(e);
    return &n->op;
}
