/* The guard process. No Lua; one thread but for what may hang: calls to libvirt (back.h) and the journal's disk (writer.h). */
#include "guard.h"

#include "../lazy.h"
#include "auto.h"
#include "back.h"
#include "clock.h"
#include "hostlog.h"
#include "journal.h"
#include "log.h"
#include "memory.h"
#include "record.h"
#include "store.h"
#include "virt.h"
#include "writer.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define MAX_MESSAGE (1 << 20)
#define SETTLE      3.0 /* s to look again after everything was brought back */
#define LATE                                                                                       \
    35.0 /* s, while a dead engine's suspend may still be on its way and has not been seen to come: \
            libvirt lets a call wait 30 s for its turn at a domain */
#define CRY           5.0     /* s after which it is said that guests do not come back */
#define RETRY         0.25    /* s between tries */
#define GIVE_UP       86400.0 /* s: who has not seen to it in a day runs moonsnap recover */
#define JOURNAL_CHECK 0.25    /* s between looks at a detached run's journal */
#define DISK_WAIT     0.25 /* s for a record of the journal while guests wait to be brought back */
#define DISK_PATIENCE 20.0 /* s for one else; the engine waits 30 s for an answer */
#define NEVER         1e18 /* `until` of a domain that was looked after when its time was up */
#define ALL           1e17 /* as a time: whoever is held, but for those */

struct process {
    json_t *options;
    const char *journal;
    struct moon_writer *writer; /* all that is written there but its head */
    struct moon_virt *virt;
    struct moon_back *back;
    json_t
        *held; /* [{uuid, name, freeze?, until, thawed?}]; the latter two on the monotonic clock */
    double limit;   /* s that a domain may be held */
    double give_up; /* s to try to bring domains back */
    bool alive;     /* the engine is there */
    bool detached, fired, told, cried;
    bool gave_up;     /* what is held stands still; the journal stays as it is */
    bool settled;     /* no suspend is on its way */
    json_int_t holds; /* domains that were held so far */
    json_int_t id;    /* of the request that is being answered */
};

static void nap(double seconds)
{
    poll(NULL, 0, (int)(seconds * 1000));
}

static const char *field(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* --- bringing domains back --------------------------------------------------------------- */

static bool due(const json_t *held, double now)
{
    return json_number_value(json_object_get(held, "until")) <= now;
}

/* When the time of the first held domain is up; far away when none is held. */
static double first_until(const struct process *p)
{
    double first = HUGE_VAL;
    size_t i;
    json_t *h;
    json_array_foreach (p->held, i, h)
        first = fmin(first, json_number_value(json_object_get(h, "until")));
    return first;
}

/* Until when the disk is waited for: no longer than a domain may wait for us. */
static double disk_until(const struct process *p)
{
    double now = moon_clock_mono();
    return fmax(now + DISK_WAIT, fmin(now + DISK_PATIENCE, first_until(p)));
}

/* For the guard's own log and the host's. */
static void say(const struct process *p, enum moon_hostlog level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(const struct process *p, enum moon_hostlog level, const char *fmt, ...)
{
    char text[512];
    int at =
        snprintf(text, sizeof text, "profile %.64s, config %.64s: ", field(p->options, "profile"),
                 field(p->options, "config"));
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + at, sizeof text - (size_t)at, fmt, ap);
    va_end(ap);
    moon_log(level == MOON_HOSTLOG_WARN ? MOON_LOG_WARN : MOON_LOG_ERROR, "%s", text);
    const char *socket = field(p->options, "syslog");
    if (*socket)
        moon_hostlog(socket, "moonsnap-guard", level, text, NULL);
}

/* The engine is gone and cannot say how its run ended. A detached one had no record. */
static void mark_record(const struct process *p)
{
    struct moon_err err;
    const char *record = field(p->options, "record");
    if (*record && !p->alive && moon_record_rescued(record, p->held, moon_clock_real(), &err) < 0)
        moon_log(MOON_LOG_WARN, "the catalog does not know of it: %s", err.message);
}

/* What is held is noted as free: the run is over for it. When not even that can be written, the
 * journal goes, or a later start would resume what an administrator has paused since. */
static void close_records(struct process *p)
{
    json_t *uuids = json_array();
    int rc = 0;
    size_t i;
    json_t *h;
    json_array_foreach (p->held, i, h)
        rc |= json_array_append(uuids, json_object_get(h, "uuid"));
    if (rc < 0 || moon_writer_free(p->writer, uuids, moon_clock_mono() + DISK_PATIENCE, NULL) < 0)
        moon_store_remove(p->journal, NULL);
    json_decref(uuids);
    json_array_clear(p->held);
}

/* Each once, and when the guests have been looked after: first things first. */
static void tell(struct process *p, const char *why, bool last, size_t left, double seconds)
{
    if (left == 0 && !p->told)
        say(p, MOON_HOSTLOG_WARN, "%s: %s guests run again", why, last ? "the" : "those");
    else if (left > 0 && !p->cried && (!last || seconds > CRY))
        say(p, MOON_HOSTLOG_CRIT, "%s: %zu guest(s) stand still and cannot be resumed yet", why,
            left);
    p->told = p->told || left == 0;
    p->cried = p->cried || (left > 0 && (!last || seconds > CRY));
}

/* Trying for ever, the guard would keep `recover` and every further run waiting. The journal is theirs from here on. */
static void give_up(struct process *p, const char *why, size_t left)
{
    p->gave_up = true;
    say(p, MOON_HOSTLOG_CRIT,
        "%s: %zu guest(s) stand still and could not be resumed in %.0f s; no more tries: run "
        "moonsnap recover",
        why, left, p->give_up);
    moon_writer_add(p->writer, disk_until(p), NULL, "gave_up %.0f", moon_clock_real());
}

/* Bring back all that is held. last: the engine cannot suspend any more, so the records may be
 * closed afterwards; else they stay for its end, and only those are brought back whose time is up.
 * Returns how many are not back. */
static size_t rescue(struct process *p, const char *why, double settle, bool last)
{
    if (json_array_size(p->held) == 0)
        return 0;
    bool first = !p->fired;
    if (first)
        moon_writer_add(p->writer, moon_clock_mono() + DISK_WAIT, NULL, "fired %.0f",
                        moon_clock_real());
    p->fired = true;
    double begin = moon_clock_mono(), settled = begin + settle;
    if (last)
        moon_back_expect(p->back);
    size_t left = 0;
    bool came = false;
    for (int round = 0;; round++) {
        left = moon_back_look(p->back, p->held, last ? ALL : begin, p->settled, round % 240 == 0);
        if (first && round == 0) /* first things first */
            moon_log(MOON_LOG_WARN, "%s: %zu domain(s) are brought back", why,
                     json_array_size(p->held));
        double now = moon_clock_mono();
        /* From here on a suspend is somebody else's. */
        if (last && !came && moon_back_came(p->back, p->held)) {
            came = true;
            settled = fmin(settled, now + SETTLE);
        }
        tell(p, why, last, left, now - begin);
        if (!last || now >= begin + p->give_up || (left == 0 && now >= settled))
            break;
        nap(RETRY);
    }
    if (last && left == 0) {
        mark_record(p);
        close_records(p);
    } else if (last) {
        give_up(p, why, left);
    }
    return left;
}

/* --- messages ---------------------------------------------------------------------------- */

static void reply(const struct process *p, json_t *answer)
{
    json_object_set_new(answer, "id", json_integer(p->id));
    char *text = moon_memory_dump(answer, JSON_COMPACT);
    if (text)
        send(MOON_GUARD_FD, text, strlen(text), MSG_NOSIGNAL);
    free(text);
    json_decref(answer);
}

static void reply_error(const struct process *p, const struct moon_err *err)
{
    reply(p, json_pack("{s:s}", "error", err->message));
}

/* Held anew, it is no more one that was looked after when its time was up (on_over). */
static void drop_over(struct process *p, const char *uuid)
{
    for (size_t i = json_array_size(p->held); i > 0; i--) {
        const json_t *h = json_array_get(p->held, i - 1);
        if (json_number_value(json_object_get(h, "until")) == NEVER &&
            strcmp(field(h, "uuid"), uuid) == 0)
            json_array_remove(p->held, i - 1);
    }
}

static void on_hold(struct process *p, const json_t *request)
{
    struct moon_err err;
    json_t *domains = json_object_get(request, "domains"), *domain;
    size_t i, before = json_array_size(p->held);
    int rc = 0;
    json_array_foreach (domains, i, domain)
        rc |= json_object_set_new(domain, "until", json_real(moon_clock_mono() + p->limit));
    rc |= json_array_extend(p->held, domains);
    if (rc < 0)
        moon_err_set(&err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "hold", "out of memory");
    /* Memory first here, too: a domain in the journal alone is brought back by the next start only. */
    if (rc < 0 || moon_writer_hold(p->writer, domains, disk_until(p), &err) < 0) {
        while (json_array_size(p->held) > before)
            json_array_remove(p->held, before);
        reply_error(p, &err);
        return;
    }
    json_array_foreach (domains, i, domain)
        drop_over(p, field(domain, "uuid"));
    p->holds += (json_int_t)json_array_size(domains);
    p->settled = false;
    reply(p, json_pack("{s:b}", "ok", 1));
}

/* A domain with a limit of its own is suspended now: held it may have been for long, while others were. */
static void on_begin(struct process *p, const json_t *request)
{
    size_t i;
    json_t *h;
    int rc = 0;
    double until = moon_clock_mono() + json_number_value(json_object_get(request, "limit"));
    json_array_foreach (p->held, i, h) {
        if (strcmp(field(h, "uuid"), field(request, "uuid")) == 0 &&
            until < json_number_value(json_object_get(h, "until")))
            rc |= json_object_set_new(h, "until", json_real(until));
    }
    reply(p, rc < 0 ? json_pack("{s:s}", "error", "out of memory") : json_pack("{s:b}", "ok", 1));
}

static void forget(struct process *p, const char *uuid)
{
    for (size_t i = json_array_size(p->held); i > 0; i--) {
        if (strcmp(field(json_array_get(p->held, i - 1), "uuid"), uuid) == 0)
            json_array_remove(p->held, i - 1);
    }
}

static void on_free(struct process *p, const json_t *request)
{
    struct moon_err err;
    size_t i;
    json_t *uuid, *uuids = json_object_get(request, "uuids");
    /* Memory first: they run, whatever the disk has to say. */
    json_array_foreach (uuids, i, uuid) {
        if (json_is_string(uuid))
            forget(p, json_string_value(uuid));
    }
    if (moon_writer_free(p->writer, uuids, disk_until(p), &err) < 0)
        reply_error(p, &err);
    else
        reply(p, json_pack("{s:b, s:b}", "ok", 1, "fired", p->fired));
}

/* Whom the engine need not bring back: they run since their time was up, or somebody else has suspended them. */
static void on_over(const struct process *p)
{
    json_t *uuids = json_array(), *h;
    size_t i;
    json_array_foreach (p->held, i, h) {
        if (json_number_value(json_object_get(h, "until")) == NEVER)
            json_array_append(uuids, json_object_get(h, "uuid"));
    }
    reply(p, json_pack("{s:o}", "uuids", uuids));
}

static void close_journal(struct process *p, bool keep)
{
    if (p->gave_up)
        return;
    /* A run that ended well leaves nothing; a rescued one is reported by the next start. */
    if (keep)
        moon_writer_add(p->writer, disk_until(p), NULL, "closed");
    else
        moon_store_remove(p->journal, NULL);
}

/* true: the process ends. */
static bool on_message(struct process *p, const char *text, size_t len)
{
    json_t *request = moon_memory_parse(text, len, 0, NULL);
    p->id = json_integer_value(json_object_get(request, "id"));
    const char *op = field(request, "op");
    bool end = false;
    if (strcmp(op, "hold") == 0) {
        on_hold(p, request);
    } else if (strcmp(op, "begin") == 0) {
        on_begin(p, request);
    } else if (strcmp(op, "free") == 0) {
        on_free(p, request);
    } else if (strcmp(op, "over") == 0) {
        on_over(p);
    } else if (strcmp(op, "settled") == 0) {
        /* Said before further domains were held, it is not true of those. */
        if (json_integer_value(json_object_get(request, "holds")) == p->holds)
            p->settled = true;
        reply(p, json_pack("{s:b}", "ok", 1));
    } else if (strcmp(op, "detach") == 0) {
        struct moon_err err;
        p->detached = moon_writer_add(p->writer, disk_until(p), &err, "detached") == 0;
        if (p->detached)
            reply(p, json_pack("{s:b}", "ok", 1));
        else
            reply_error(p, &err);
    } else if (strcmp(op, "finish") == 0) {
        size_t before = json_array_size(p->held);
        bool fired =
            p->fired; /* not what is done now: the engine may only have failed to say `free` */
        rescue(p, "the run ended with domains still suspended", 0, true);
        close_journal(p, false);
        reply(p, json_pack("{s:b, s:b, s:I}", "ok", 1, "fired", fired, "held", (json_int_t)before));
        end = true;
    } else {
        reply(p, json_pack("{s:s}", "error", "unknown request"));
    }
    json_decref(request);
    return end;
}

/* --- life -------------------------------------------------------------------------------- */

/* A detached run is ended by `unquiesce`, which writes to the journal. */
static bool freed_by_others(struct process *p)
{
    json_t *j = NULL;
    if (moon_writer_busy(p->writer) || moon_writer_read(p->writer, disk_until(p), &j, NULL) < 0)
        return false;
    size_t left = json_array_size(json_object_get(j, "held"));
    json_decref(j);
    return left == 0;
}

static int wait_ms(const struct process *p)
{
    if (p->detached)
        return (int)(JOURNAL_CHECK * 1000);
    double left = first_until(p) - moon_clock_mono();
    return left > 3600 ? 3600000 : (int)fmax(ceil(left * 1000), 0);
}

/* The time of one domain at least is up. When it is back and no suspend is on its way, it is left alone until the engine
 * ends or holds it anew: who suspends it from now on is somebody else. */
static void time_is_up(struct process *p)
{
    double now = moon_clock_mono();
    size_t i, over = 0;
    json_t *h;
    json_array_foreach (p->held, i, h)
        over += due(h, now) || json_number_value(json_object_get(h, "until")) == NEVER;
    /* One guest's own limit leaves the others suspended, also when nobody waits for them. */
    bool last = p->detached && over == json_array_size(p->held);
    size_t left = rescue(p, "the time limit has passed", SETTLE, last);
    bool done = left == 0 && p->settled;
    json_t *freed = done ? json_array() : NULL;
    json_array_foreach (p->held, i, h) {
        if (!due(h, now))
            continue;
        if (freed)
            json_array_append_new(freed, json_string(field(h, "uuid")));
        json_object_set_new(h, "until", json_real(done ? NEVER : moon_clock_mono() + SETTLE));
    }
    if (json_array_size(freed) > 0)
        moon_writer_free(p->writer, freed, moon_clock_mono() + DISK_WAIT, NULL);
    json_decref(freed);
}

static void serve(struct process *p)
{
    AUTO_FREE char *text = malloc(MAX_MESSAGE);
    bool open = true;
    if (!text)
        return; /* nothing is held yet: the engine finds its guard gone, and suspends nothing */
    for (;;) {
        struct pollfd fd = {.fd = open ? MOON_GUARD_FD : -1, .events = POLLIN};
        int rc = poll(&fd, 1, wait_ms(p));
        if (rc > 0) {
            ssize_t n = recv(MOON_GUARD_FD, text, MAX_MESSAGE, 0);
            if (n > 0 && on_message(p, text, (size_t)n))
                return;
            if (n <= 0 && !p->detached) {
                bool held = json_array_size(p->held) > 0;
                p->alive = false;
                rescue(p, "moonsnap has ended without resuming", p->settled ? SETTLE : LATE, true);
                close_journal(p, held);
                return;
            }
            open = open && n > 0;
        }
        if (p->detached && freed_by_others(p)) {
            close_journal(p, false);
            return;
        }
        if (moon_clock_mono() >= first_until(p)) {
            time_is_up(p);
            if (p->detached && (p->gave_up || json_array_size(p->held) == 0)) {
                close_journal(p, true);
                return;
            }
        }
    }
}

static int open_journal(const struct process *p, struct moon_err *err)
{
    struct moon_journal_head head = {
        .profile = field(p->options, "profile"),
        .config = field(p->options, "config"),
        .action = field(p->options, "action"),
        .uri = field(p->options, "uri"),
        .engine = getppid(),
        .guard = getpid(),
        .deadline = moon_clock_real() + p->limit,
    };
    return moon_journal_begin(p->journal, &head, err);
}

/* It must work when memory is what ran out: the kernel shall choose somebody else, and what it has
 * touched by now stays in memory. Not everything that is mapped, which would be 70 MiB of
 * libraries. An ordinary user may do neither. */
static void stay_alive(void)
{
    if (chdir("/") < 0)
        moon_log(MOON_LOG_WARN, "guard: chdir: %s", strerror(errno));
    if (geteuid() != 0)
        return;
    AUTO_FCLOSE FILE *f = fopen("/proc/self/oom_score_adj", "we");
    if (f)
        fputs("-900", f);
    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

int moon_guard_main(const char *options)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    moon_memory_watch();
    struct process p = {.options = moon_memory_parse(options, strlen(options), 0, NULL),
                        .held = json_array(),
                        .alive = true};
    p.journal = field(p.options, "journal");
    if (!p.options || !p.held || !*p.journal)
        return 2;
    p.limit = json_number_value(json_object_get(p.options, "deadline"));
    p.give_up = json_number_value(json_object_get(p.options, "give_up"));
    if (p.give_up <= 0)
        p.give_up = GIVE_UP;
    const char *log = field(p.options, "log");
    struct moon_log_options lo = {.out = *log ? log : NULL, .quiet = true};
    moon_log_open(&lo, NULL);
    struct moon_err err;
    /* What it needs later is loaded before the first suspend, whatever becomes of the disk. */
    if (moon_lazy_load("libvirt", &err) < 0 ||
        moon_virt_open(field(p.options, "uri"), &p.virt, &err) < 0 || open_journal(&p, &err) < 0) {
        reply_error(&p, &err);
        return 1;
    }
    p.back = moon_back_new(p.virt);
    p.writer = moon_writer_new(p.journal);
    if (!p.back || !p.writer) {
        moon_err_set(&err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "guard", "no memory, or no thread");
        moon_store_remove(p.journal, NULL);
        reply_error(&p, &err);
        return 1;
    }
    stay_alive();
    reply(&p, json_pack("{s:b}", "ok", 1));
    serve(&p);
    moon_log_close();
    /* Not a tidy end: closing the connection talks to libvirtd, which may hang. */
    _exit(0);
}
