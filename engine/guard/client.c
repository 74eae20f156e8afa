/* The engine's side of the guard. */
#include "guard.h"

#include "../lazy.h"
#include "auto.h"
#include "memory.h"
#include "op.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define START_TIMEOUT 30000 /* ms: the guard opens a libvirt connection of its own */
#define REPLY_TIMEOUT 30000 /* ms: an fsync on a busy disk */
#define MAX_MESSAGE   (1 << 17)
#define PART          100 /* domains in one message: 100 names of 255 bytes fit any socket buffer */

struct moon_guard {
    atomic_int refs;
    pthread_mutex_t lock; /* one exchange at a time */
    int fd;
    pid_t pid;
    json_int_t serial; /* guarded by lock */
    char *journal, *uri;
    json_t *held; /* {uuid: true}; guarded by covers_lock, as the list is */
    struct moon_guard *next;
};

/* The guards that can be asked, for moon_guard_covers. */
static pthread_mutex_t covers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct moon_guard *guards;

extern char **environ;

static int no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "guard", "out of memory");
}

static int spawn(int fd, const char *options, pid_t *pid, struct moon_err *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, fd, MOON_GUARD_FD);
    posix_spawn_file_actions_addclosefrom_np(&files, MOON_GUARD_FD + 1);
    /* A session of its own: closing the terminal or Ctrl-C must not reach it. */
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char name[] = "moonsnap-guard", flag[] = "--guard-process";
    AUTO_FREE char *copy = strdup(options);
    char *argv[] = {name, flag, copy, NULL};
    int rc = copy ? posix_spawn(pid, "/proc/self/exe", &files, &attr, argv, environ) : ENOMEM;
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    /* cppcheck-suppress memleak ; AUTO_FREE frees the copy */
    return rc == 0 ? 0 : moon_err_errno(err, rc, "guard", "guard process");
}

/* Wait for one message. */
static int receive(struct moon_guard *g, int timeout_ms, json_t **out, struct moon_err *err)
{
    struct pollfd p = {.fd = g->fd, .events = POLLIN};
    int rc;
    do
        rc = poll(&p, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return moon_err_set(err, MOON_TIMEOUT, MOON_SRC_ENGINE, 0, "guard",
                            "guard process: no answer in %d s", timeout_ms / 1000);
    AUTO_FREE char *text = malloc(MAX_MESSAGE);
    if (!text)
        return no_memory(err);
    ssize_t n = recv(g->fd, text, MAX_MESSAGE, 0);
    if (n < 0)
        return moon_err_errno(err, errno, "guard", "guard process");
    if (n == 0)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "guard",
                            "guard process: it has ended");
    AUTO_JSON json_t *reply = moon_memory_parse(text, (size_t)n, 0, NULL);
    if (!reply)
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, "guard",
                            "guard process: unreadable answer");
    *out = MOON_STEAL(reply);
    return 0;
}

static int check_reply(const json_t *reply, struct moon_err *err)
{
    const char *error = json_string_value(json_object_get(reply, "error"));
    if (!error)
        return 0;
    return moon_err_set(err, MOON_IO, MOON_SRC_ENGINE, 0, "guard", "guard process: %s", error);
}

/* Requests are numbered: the late answer to one that timed out must never pass for the answer to
 * the next, or a domain might be suspended before the journal has it. */
static int exchange(struct moon_guard *g, json_t *request, json_t **out, struct moon_err *err)
{
    AUTO_JSON json_t *owned = request;
    AUTO_JSON json_t *reply = NULL;
    pthread_mutex_lock(&g->lock);
    json_int_t id = ++g->serial;
    /* An answer to a request without its number would be waited for in vain. */
    bool numbered = json_object_set_new(owned, "id", json_integer(id)) == 0;
    AUTO_FREE char *text = numbered ? moon_memory_dump(owned, JSON_COMPACT) : NULL;
    int rc = -1;
    if (!text) {
        no_memory(err);
    } else if (send(g->fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
        moon_err_errno(err, errno, "guard", "guard process");
    } else {
        do {
            json_decref(MOON_STEAL(reply));
            rc = receive(g, REPLY_TIMEOUT, &reply, err);
        } while (rc == 0 && json_integer_value(json_object_get(reply, "id")) != id);
    }
    pthread_mutex_unlock(&g->lock);
    if (rc == 0)
        rc = check_reply(reply, err);
    if (rc == 0 && out)
        *out = MOON_STEAL(reply);
    return rc;
}

/* A message has a largest size, so that long lists go in parts. */
static int exchange_list(struct moon_guard *g, const char *op, const char *key, const json_t *list,
                         json_t **out, struct moon_err *err)
{
    size_t at = 0;
    do {
        json_t *part = json_array();
        int rc = part ? 0 : -1;
        for (size_t n = 0; n < PART && at < json_array_size(list); n++, at++)
            rc |= json_array_append(part, json_array_get(list, at));
        AUTO_JSON json_t *reply = NULL;
        if (rc < 0) { /* a domain that is left out would be suspended and not be held */
            json_decref(part);
            return no_memory(err);
        }
        if (exchange(g, json_pack("{s:s, s:o}", "op", op, key, part), &reply, err) < 0)
            return -1;
        if (out && at >= json_array_size(list))
            *out = MOON_STEAL(reply); /* "fired" stays true once it is */
    } while (at < json_array_size(list));
    return 0;
}

int moon_guard_start(const json_t *options, struct moon_guard **out, struct moon_err *err)
{
    /* From here on guests may stand still: no library that is missing may end the program. */
    if (moon_lazy_load("", err) < 0)
        return -1;
    AUTO_FREE char *text = moon_memory_dump(options, JSON_COMPACT);
    const char *journal = json_string_value(json_object_get(options, "journal"));
    const char *uri = json_string_value(json_object_get(options, "uri"));
    struct moon_guard *g = calloc(1, sizeof *g);
    int pair[2] = {-1, -1};
    if (!g)
        return no_memory(err);
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->lock, NULL);
    g->fd = -1;
    if (!text || !journal || !(g->journal = strdup(journal)) ||
        !(g->uri = strdup(uri ? uri : "")) || !(g->held = json_object())) {
        moon_guard_unref(g);
        return no_memory(err);
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        moon_err_errno(err, errno, "guard", "guard process: socket");
        moon_guard_unref(g);
        return -1;
    }
    g->fd = pair[0];
    /* With a standard stream closed the pair may be 0 to 2, which the spawn replaces. */
    int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, MOON_GUARD_FD + 1);
    close(pair[1]);
    int rc = theirs < 0 ? moon_err_errno(err, errno, "guard", "guard process: socket")
                        : spawn(theirs, text, &g->pid, err);
    if (theirs >= 0)
        close(theirs);
    AUTO_JSON json_t *ready = NULL;
    if (rc == 0)
        rc = receive(g, START_TIMEOUT, &ready, err);
    if (rc == 0)
        rc = check_reply(ready, err);
    if (rc < 0) {
        moon_guard_unref(g);
        return -1;
    }
    pthread_mutex_lock(&covers_lock);
    g->next = guards;
    guards = g;
    pthread_mutex_unlock(&covers_lock);
    *out = g;
    return 0;
}

/* Not known to be held is held twice, which does no harm. */
static void note_held(struct moon_guard *g, const json_t *domains)
{
    size_t i;
    json_t *domain;
    pthread_mutex_lock(&covers_lock);
    json_array_foreach (domains, i, domain)
        json_object_set_new(g->held, json_string_value(json_object_get(domain, "uuid")),
                            json_true());
    pthread_mutex_unlock(&covers_lock);
}

/* uuids: NULL for all. */
static void note_free(struct moon_guard *g, const json_t *uuids)
{
    size_t i;
    json_t *uuid;
    pthread_mutex_lock(&covers_lock);
    if (!uuids)
        json_object_clear(g->held);
    json_array_foreach (uuids, i, uuid)
        json_object_del(g->held, json_string_value(uuid));
    pthread_mutex_unlock(&covers_lock);
}

static void leave_list(const struct moon_guard *g)
{
    pthread_mutex_lock(&covers_lock);
    for (struct moon_guard **at = &guards; *at; at = &(*at)->next) {
        if (*at == g) {
            *at = g->next;
            break;
        }
    }
    pthread_mutex_unlock(&covers_lock);
}

bool moon_guard_covers(const char *uri, const char *uuid)
{
    bool covers = false;
    pthread_mutex_lock(&covers_lock);
    for (const struct moon_guard *g = guards; g && !covers; g = g->next)
        covers = strcmp(g->uri, uri) == 0 && json_object_get(g->held, uuid);
    pthread_mutex_unlock(&covers_lock);
    return covers;
}

struct moon_guard *moon_guard_ref(struct moon_guard *g)
{
    atomic_fetch_add(&g->refs, 1);
    return g;
}

void moon_guard_unref(struct moon_guard *g)
{
    if (!g || atomic_fetch_sub(&g->refs, 1) != 1)
        return;
    leave_list(g);
    if (g->fd >= 0)
        close(g->fd);
    /* Reap it if it has gone; if it has work to do it must live on without us. */
    if (g->pid > 0)
        waitpid(g->pid, NULL, WNOHANG);
    pthread_mutex_destroy(&g->lock);
    json_decref(g->held);
    free(g->journal);
    free(g->uri);
    free(g);
}

const char *moon_guard_journal(const struct moon_guard *g)
{
    return g->journal;
}

int moon_guard_hold(struct moon_guard *g, const json_t *domains, struct moon_err *err)
{
    if (exchange_list(g, "hold", "domains", domains, NULL, err) < 0)
        return -1;
    note_held(g, domains);
    return 0;
}

int moon_guard_begin(struct moon_guard *g, const char *uuid, double limit, struct moon_err *err)
{
    return exchange(g, json_pack("{s:s, s:s, s:f}", "op", "begin", "uuid", uuid, "limit", limit),
                    NULL, err);
}

int moon_guard_free(struct moon_guard *g, const json_t *uuids, json_t **out, struct moon_err *err)
{
    note_free(g, uuids);
    return exchange_list(g, "free", "uuids", uuids, out, err);
}

int moon_guard_over(struct moon_guard *g, json_t **out, struct moon_err *err)
{
    AUTO_JSON json_t *reply = NULL;
    if (exchange(g, json_pack("{s:s}", "op", "over"), &reply, err) < 0)
        return -1;
    return moon_op_give(out, json_incref(json_object_get(reply, "uuids")), "guard", err);
}

int moon_guard_settled(struct moon_guard *g, json_int_t holds, struct moon_err *err)
{
    return exchange(g, json_pack("{s:s, s:I}", "op", "settled", "holds", holds), NULL, err);
}

int moon_guard_detach(struct moon_guard *g, struct moon_err *err)
{
    return exchange(g, json_pack("{s:s}", "op", "detach"), NULL, err);
}

int moon_guard_finish(struct moon_guard *g, json_t **out, struct moon_err *err)
{
    note_free(g, NULL);
    if (exchange(g, json_pack("{s:s}", "op", "finish"), out, err) < 0)
        return -1;
    /* It has nothing left to do; should it not end all the same, it is not ours to wait for. */
    for (int i = 0; g->pid > 0 && i < 100; i++) {
        if (waitpid(g->pid, NULL, WNOHANG) != 0)
            g->pid = 0;
        else
            poll(NULL, 0, 5);
    }
    return 0;
}
