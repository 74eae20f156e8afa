#include "standby.h"

#include "auto.h"
#include "guard.h"
#include "log.h"
#include "store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A guard process; one for each host. */
struct host {
    char *uri;
    struct moon_guard *guard; /* NULL for the test driver */
    json_int_t holds;
    int calls; /* suspends and freezes under way */
    struct host *next;
};

struct entry {
    struct host *host;
    char *uuid, *name;
    bool suspended, frozen; /* or may be */
    bool leaving;           /* its guard is being told that it runs */
    int calls;
    struct entry *next;
};

/* `start` is taken by those only who are about to suspend, since starting a guard may take long; it comes before
 * `lock`, which guards all that is here and is never held over a call. */
static pthread_mutex_t start = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static struct host *hosts;
static struct entry *entries;
static char *directory, *action_name;
static double limit;
static int started;

int moon_standby_set(const char *dir, const char *action, double deadline, struct moon_err *err)
{
    char *d = strdup(dir), *a = strdup(action);
    if (!d || !a) {
        free(d);
        free(a);
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "standby", "out of memory");
    }
    pthread_mutex_lock(&lock);
    free(directory);
    free(action_name);
    directory = d;
    action_name = a;
    limit = deadline;
    pthread_mutex_unlock(&lock);
    return 0;
}

/* The domains of libvirt's test driver. */
static bool in_process(const char *uri)
{
    return strncmp(uri, "test:", 5) == 0;
}

/* --- the guard of a host -------------------------------------------------------------------- */

static struct host *known_host(const char *uri)
{
    for (struct host *h = hosts; h; h = h->next) {
        if (strcmp(h->uri, uri) == 0)
            return h;
    }
    return NULL;
}

static int start_guard(const char *uri, struct moon_guard **out, struct moon_err *err)
{
    pthread_mutex_lock(&lock);
    AUTO_FREE char *dir = directory ? strdup(directory) : NULL;
    AUTO_JSON json_t *options = json_pack("{s:s, s:s, s:s, s:s?, s:f}", "uri", uri, "profile", "-",
                                          "config", "-", "action", action_name, "deadline", limit);
    pthread_mutex_unlock(&lock);
    if (!dir)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "standby",
                            "no directory for the guard's journal is known");
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s.%d.%d.journal", dir,
                 json_string_value(json_object_get(options, "action")), (int)getpid(),
                 ++started) < 0)
        path = NULL;
    if (!path || json_object_set_new(options, "journal", json_string_nocheck(path)) < 0)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "standby", "out of memory");
    if (moon_store_mkdirs(dir, 0700, err) < 0)
        return -1;
    return moon_guard_start(options, out, err);
}

/* Only under `start`. */
static struct host *host_of(const char *uri, struct moon_err *err)
{
    pthread_mutex_lock(&lock);
    struct host *h = known_host(uri);
    pthread_mutex_unlock(&lock);
    if (h)
        return h;
    h = calloc(1, sizeof *h);
    if (!h || !(h->uri = strdup(uri))) {
        free(h);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "standby", "out of memory");
        return NULL;
    }
    if (!in_process(uri) && start_guard(uri, &h->guard, err) < 0) {
        free(h->uri);
        free(h);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    h->next = hosts;
    hosts = h;
    pthread_mutex_unlock(&lock);
    return h;
}

/* --- what is held --------------------------------------------------------------------------- */

static struct entry *find_at(const char *uri, const char *uuid)
{
    for (struct entry *e = entries; e; e = e->next) {
        if (strcmp(e->host->uri, uri) == 0 && strcmp(e->uuid, uuid) == 0)
            return e;
    }
    return NULL;
}

static struct entry *find(const struct moon_domain *d)
{
    return find_at(moon_domain_uri(d), moon_domain_uuid(d));
}

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    free(e->uuid);
    free(e->name);
    free(e);
}

static struct entry *entry_new(struct host *h, const struct moon_domain *d, struct moon_err *err)
{
    struct entry *e = calloc(1, sizeof *e);
    if (e && (e->uuid = strdup(moon_domain_uuid(d))) && (e->name = strdup(moon_domain_name(d)))) {
        e->host = h;
        return e;
    }
    entry_free(e);
    moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "standby", "out of memory");
    return NULL;
}

static int tell_guard(const struct host *h, const struct moon_domain *d, bool freeze,
                      struct moon_err *err)
{
    if (!h->guard)
        return 0;
    AUTO_JSON json_t *domains = json_pack(
        "[{s:s, s:o, s:b}]", "uuid", moon_domain_uuid(d), "name",
        json_stringn_nocheck(moon_domain_name(d), strlen(moon_domain_name(d))), "freeze", freeze);
    if (!domains)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "standby", "out of memory");
    return moon_guard_hold(h->guard, domains, err);
}

/* Under `start`: the domain is held when this returns its entry. The guard is told each time, so that it knows that a
 * call is on its way. */
static struct entry *hold(const struct moon_domain *d, bool freeze, bool *fresh_one,
                          struct moon_err *err)
{
    struct host *h = host_of(moon_domain_uri(d), err);
    if (!h)
        return NULL;
    pthread_mutex_lock(&lock);
    struct entry *e = find(d);
    while (e && e->leaving) { /* told after this, its guard would let go of it */
        pthread_cond_wait(&left, &lock);
        e = find(d);
    }
    bool frozen = freeze || (e && e->frozen);
    if (e)
        e->calls++; /* it stays */
    pthread_mutex_unlock(&lock);
    struct entry *fresh = e ? NULL : entry_new(h, d, err);
    *fresh_one = fresh != NULL;
    bool ok = (e || fresh) && tell_guard(h, d, frozen, err) == 0;
    pthread_mutex_lock(&lock);
    if (ok && fresh) {
        fresh->calls = 1;
        fresh->next = entries;
        entries = e = fresh;
        fresh = NULL;
    } else if (!ok && e) {
        e->calls--;
    }
    if (ok) {
        e->frozen = e->frozen || freeze;
        e->suspended = e->suspended || !freeze;
        h->calls++;
        h->holds++;
    }
    pthread_mutex_unlock(&lock);
    entry_free(fresh);
    return ok ? e : NULL;
}

static void unlink_entry(struct entry *e)
{
    for (struct entry **at = &entries; *at; at = &(*at)->next) {
        if (*at == e) {
            *at = e->next;
            return;
        }
    }
}

/* It stands still in no way any more. Not while a call is out that may yet suspend it. Under `lock`, which is let go
 * of while the guard is told. */
static void let_go(struct entry *e)
{
    if (e->suspended || e->frozen || e->calls > 0 || e->leaving)
        return;
    e->leaving = true;
    pthread_mutex_unlock(&lock);
    struct moon_err err;
    AUTO_JSON json_t *uuids = json_pack("[s]", e->uuid), *answer = NULL;
    int rc = e->host->guard ? moon_guard_free(e->host->guard, uuids, &answer, &err) : 0;
    if (rc < 0)
        moon_log(MOON_LOG_WARN, "the guard process was not told that guest '%s' runs again: %s",
                 e->name, err.message);
    else if (json_is_true(json_object_get(answer, "fired")))
        moon_log(MOON_LOG_WARN, "guest '%s' may have run before: its time was up", e->name);
    pthread_mutex_lock(&lock);
    unlink_entry(e);
    entry_free(e);
    pthread_cond_broadcast(&left);
}

/* --- calls ---------------------------------------------------------------------------------- */

enum { FAILED = -1, GO_ON, NOTHING_TO_DO };

struct call {
    struct entry *entry; /* NULL: a guard of somebody else's holds the domain */
    bool fresh;          /* nothing was done to it before */
};

/* What is paused, or has no agent, is found out before there is something to undo. */
static int look(struct moon_domain *d, bool freeze, struct moon_err *err)
{
    if (freeze)
        return in_process(moon_domain_uri(d)) || moon_domain_agent_answers(d, err) == 0 ? GO_ON
                                                                                        : FAILED;
    AUTO_JSON json_t *state = NULL;
    if (moon_domain_state(d, &state, err) < 0)
        return FAILED;
    const char *word = json_string_value(json_object_get(state, "state"));
    return word && strcmp(word, "paused") == 0 ? NOTHING_TO_DO : GO_ON;
}

static int begin(struct moon_domain *d, bool freeze, struct call *c, struct moon_err *err)
{
    *c = (struct call){0};
    pthread_mutex_lock(&lock);
    bool mine = find(d) != NULL;
    pthread_mutex_unlock(&lock);
    if (!mine && moon_guard_covers(moon_domain_uri(d), moon_domain_uuid(d)))
        return GO_ON;
    int how = mine ? GO_ON : look(d, freeze, err);
    if (how != GO_ON)
        return how;
    pthread_mutex_lock(&start);
    c->entry = hold(d, freeze, &c->fresh, err);
    pthread_mutex_unlock(&start);
    return c->entry ? GO_ON : FAILED;
}

/* These say that libvirt has begun nothing. */
static bool nothing_done(const struct moon_err *err)
{
    return err->code == MOON_CONFLICT || err->code == MOON_NOT_FOUND || err->code == MOON_DENIED ||
           err->code == MOON_UNSUPPORTED;
}

static void end(const struct call *c, bool freeze, int rc, const struct moon_err *err)
{
    struct entry *e = c->entry;
    if (!e)
        return;
    pthread_mutex_lock(&lock);
    struct host *h = e->host;
    e->calls--;
    bool quiet = --h->calls == 0 && h->guard;
    struct moon_guard *guard = quiet ? moon_guard_ref(h->guard) : NULL;
    json_int_t holds = h->holds;
    /* A freeze that failed may have frozen, whatever the agent said. */
    if (rc < 0 && !freeze && c->fresh && e->calls == 0 && nothing_done(err))
        e->suspended = false;
    let_go(e);
    pthread_mutex_unlock(&lock);
    if (guard)
        moon_guard_settled(guard, holds, NULL);
    moon_guard_unref(guard);
}

int moon_standby_suspend(struct moon_domain *d, struct moon_err *err)
{
    struct call c;
    int how = begin(d, false, &c, err);
    if (how != GO_ON)
        return how == NOTHING_TO_DO ? 0 : -1;
    int rc = moon_domain_suspend(d, err);
    end(&c, false, rc, err);
    return rc;
}

int moon_standby_freeze(struct moon_domain *d, int seconds, int *count, struct moon_err *err)
{
    struct call c;
    if (begin(d, true, &c, err) == FAILED)
        return -1;
    int rc = moon_domain_freeze(d, seconds, count, err);
    end(&c, true, rc, err);
    return rc;
}

static void back(const struct moon_domain *d, bool thawed)
{
    pthread_mutex_lock(&lock);
    struct entry *e = find(d);
    if (e && e->calls == 0) { /* else it may be suspended after this */
        if (thawed)
            e->frozen = false;
        else
            e->suspended = false;
        let_go(e);
    }
    pthread_mutex_unlock(&lock);
}

int moon_standby_resume(struct moon_domain *d, struct moon_err *err)
{
    int rc = moon_domain_resume(d, err);
    if (rc == 0)
        back(d, false);
    return rc;
}

int moon_standby_thaw(struct moon_domain *d, int *count, struct moon_err *err)
{
    int rc = moon_domain_thaw(d, count, err);
    if (rc == 0)
        back(d, true);
    return rc;
}

/* --- the end -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

json_t *moon_standby_list(bool *guards)
{
    json_t *list = json_array();
    size_t n = 0;
    *guards = false;
    pthread_mutex_lock(&lock);
    for (const struct host *h = hosts; h; h = h->next)
        *guards = *guards || h->guard;
    for (const struct entry *e = entries; e; e = e->next)
        n++;
    AUTO_FREE const struct entry **sorted = calloc(n + 1, sizeof *sorted);
    int rc = list && sorted ? 0 : -1;
    n = 0;
    for (const struct entry *e = entries; e && rc == 0; e = e->next) {
        if (!e->leaving)
            sorted[n++] = e;
    }
    if (rc == 0)
        qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++)
        rc |= json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:b, s:b}", "uri", sorted[i]->host->uri, "uuid",
                            sorted[i]->uuid, "name",
                            json_stringn_nocheck(sorted[i]->name, strlen(sorted[i]->name)),
                            "suspend", sorted[i]->suspended, "freeze", sorted[i]->frozen));
    pthread_mutex_unlock(&lock);
    if (rc < 0)
        json_decref(list);
    return rc < 0 ? NULL : list;
}

int moon_standby_over(struct moon_err *err)
{
    int rc = 0;
    pthread_mutex_lock(&start); /* no host comes or goes */
    for (const struct host *h = hosts; h; h = h->next) {
        AUTO_JSON json_t *uuids = NULL;
        if (!h->guard)
            continue;
        if (moon_guard_over(h->guard, &uuids, err) < 0) {
            rc = -1;
            continue;
        }
        for (size_t i = 0; i < json_array_size(uuids); i++) {
            pthread_mutex_lock(&lock);
            struct entry *e = find_at(h->uri, json_string_value(json_array_get(uuids, i)));
            if (e && e->calls == 0) {
                e->suspended = e->frozen = false;
                let_go(e);
            }
            pthread_mutex_unlock(&lock);
        }
    }
    pthread_mutex_unlock(&start);
    return rc;
}

/* Takes the first host with a guard that holds nothing out of the list. */
static struct host *idle_host(void)
{
    for (struct host **at = &hosts; *at; at = &(*at)->next) {
        struct host *h = *at;
        bool holds = h->calls > 0;
        for (const struct entry *e = entries; e; e = e->next)
            holds = holds || e->host == h;
        if (!holds && h->guard) {
            *at = h->next;
            return h;
        }
    }
    return NULL;
}

int moon_standby_finish(struct moon_err *err)
{
    int rc = 0;
    struct host *h;
    pthread_mutex_lock(&start);
    for (;;) {
        pthread_mutex_lock(&lock);
        h = idle_host();
        pthread_mutex_unlock(&lock);
        if (!h)
            break;
        if (moon_guard_finish(h->guard, NULL, err) < 0)
            rc = -1;
        moon_guard_unref(h->guard);
        free(h->uri);
        free(h);
    }
    pthread_mutex_unlock(&start);
    return rc;
}
