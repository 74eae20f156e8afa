#include "proc.h"

#include "auto.h"
#include "buf.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char OP[] = "process";
static const double KILL_AFTER = 2.0;   /* from SIGTERM to SIGKILL */
static const double LEAVE_AFTER = 3.0;  /* from SIGKILL until it is let be */
static const double DRAIN_FOR = 0.5;    /* output after the program's end */
static const double CHECK_EVERY = 0.02; /* only where the kernel has no pidfd_open */

struct stream {
    int fd;
    struct moon_buf kept;
};

struct child {
    const char *program;
    size_t max_output;
    struct stream streams[2];
    bool truncated;
    pid_t pid;
    int pidfd; /* -1 where there is none */
    int stop;  /* -1: nobody can ask for an early end, or somebody has */
    bool stopped;
    double started;
    double deadline; /* INFINITY: none */
    double killed;   /* when SIGTERM was sent, 0 before */
    bool sigkilled, left;
    double ended; /* when the program was seen to have ended, 0 before */
};

/* ---- environment ---- */

static const char *value_in(const char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (; env && *env; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    }
    return NULL;
}

static void auto_strv(char ***list)
{
    for (char **s = *list; s && *s; s++)
        free(*s);
    free(*list);
}

static char **make_env(const char *const *extra)
{
    static const char *const base[][2] = {
        {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"HOME", "/"}, {"LANG", "C.UTF-8"}};
    size_t n = 0;
    while (extra && extra[n])
        n++;
    __attribute__((cleanup(auto_strv))) char **env = calloc(n + 4, sizeof *env);
    if (!env)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        if (value_in(extra, base[i][0]))
            continue;
        const char *own = getenv(base[i][0]);
        if (asprintf(&env[used], "%s=%s", base[i][0], own && *own ? own : base[i][1]) < 0) {
            env[used] = NULL;
            return NULL;
        }
        used++;
    }
    for (size_t i = 0; i < n; i++) {
        if (!(env[used] = strdup(extra[i])))
            return NULL;
        used++;
    }
    return MOON_STEAL(env);
}

/* ---- finding the program ---- */

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int find_program(const char *name, const char *search, char **out, struct moon_err *err)
{
    if (strchr(name, '/')) {
        /* Known before the fork; what only exec can tell comes from there. */
        if (name[0] == '/' && access(name, X_OK) < 0)
            return moon_err_errno(err, errno, OP, "program '%s'", name);
        *out = strdup(name);
        return *out ? 0 : moon_err_errno(err, ENOMEM, OP, "program '%s'", name);
    }
    bool denied = false;
    for (const char *dir = search; dir && *name;) {
        size_t len = strcspn(dir, ":");
        AUTO_FREE char *path = NULL;
        if (asprintf(&path, "%.*s/%s", (int)(len ? len : 1), len ? dir : ".", name) < 0) {
            path = NULL;
            return moon_err_errno(err, ENOMEM, OP, "program '%s'", name);
        }
        if (is_program(path)) {
            *out = MOON_STEAL(path);
            return 0;
        }
        denied = denied || access(path, F_OK) == 0;
        dir = dir[len] ? dir + len + 1 : NULL;
    }
    return moon_err_errno(err, denied ? EACCES : ENOENT, OP, "program '%s': not found in PATH '%s'",
                          name, search);
}

static int check_cwd(const char *cwd, struct moon_err *err)
{
    struct stat st;
    if (!cwd)
        return 0;
    if (stat(cwd, &st) < 0)
        return moon_err_errno(err, errno, OP, "directory '%s'", cwd);
    if (!S_ISDIR(st.st_mode) || access(cwd, X_OK) < 0)
        return moon_err_errno(err, S_ISDIR(st.st_mode) ? EACCES : ENOTDIR, OP, "directory '%s'",
                              cwd);
    return 0;
}

/* ---- descriptors ---- */

/* The spawn's dup2 onto 0, 1 and 2 must not hit a descriptor that a later one still needs. */
static int above_std(int *fd)
{
    if (*fd > 2)
        return 0;
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (moved < 0)
        return -1;
    close(*fd);
    *fd = moved;
    return 0;
}

static int make_pipe(int *reader, int *writer)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    *reader = fds[0];
    *writer = fds[1];
    if (above_std(reader) < 0 || above_std(writer) < 0)
        return -1;
    return fcntl(*reader, F_SETFL, O_NONBLOCK) < 0 ? -1 : 0;
}

/* Input lies in memory as a file, so that nobody has to feed a pipe and no SIGPIPE can come. */
static int make_input(const void *data, size_t len)
{
    AUTO_CLOSE int fd =
        data ? memfd_create("input", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || above_std(&fd) < 0)
        return -1;
    for (size_t done = 0; data && done < len;) {
        ssize_t n = write(fd, (const char *)data + done, len - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    if (data && lseek(fd, 0, SEEK_SET) < 0)
        return -1;
    int result = fd;
    fd = -1;
    return result;
}

/* ---- start ---- */

static int spawn(const char *program, const struct moon_proc_args *args, char **env, int in,
                 int out, int err_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    sigset_t none;
    sigset_t set;
    sigemptyset(&none);
    sigfillset(&set);
    int rc = posix_spawn_file_actions_adddup2(&actions, in, 0);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, out, 1);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (args->cwd)
        rc = rc ? rc : posix_spawn_file_actions_addchdir_np(&actions, args->cwd);
    rc = rc ? rc : posix_spawnattr_setsigmask(&attr, &none);
    rc = rc ? rc : posix_spawnattr_setsigdefault(&attr, &set);
    rc = rc ? rc : posix_spawnattr_setpgroup(&attr, 0);
    rc = rc ? rc
            : posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                  POSIX_SPAWN_SETPGROUP);
    if (!rc) {
        /* posix_spawn takes char *const[] for historical reasons and changes nothing. */
        union {
            const char *const *in;
            char *const *out;
        } argv = {.in = args->argv};
        rc = posix_spawn(pid, program, &actions, &attr, argv.out, env);
    }
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* ---- run ---- */

static int read_some(struct child *c, struct stream *s, struct moon_err *err)
{
    char chunk[65536];
    ssize_t n = read(s->fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return moon_err_errno(err, errno, OP, "program '%s': read output", c->program);
    if (n == 0) {
        close(s->fd);
        s->fd = -1;
        return 0;
    }
    size_t left = c->max_output - s->kept.len;
    size_t take = (size_t)n < left ? (size_t)n : left;
    c->truncated = c->truncated || take < (size_t)n;
    if (moon_buf_add(&s->kept, chunk, take) < 0)
        return moon_err_errno(err, ENOMEM, OP, "program '%s': output", c->program);
    return 0;
}

/* Ended, but still a zombie: while it is, its pid and its group number belong to nobody else. */
static bool has_ended(const struct child *c)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == c->pid;
}

/* Send what is due; the time of the next thing that may become due. */
static double step(struct child *c, double now)
{
    if (c->killed == 0 && c->ended == 0 && now >= c->deadline) {
        kill(-c->pid, SIGTERM);
        c->killed = now;
    }
    if (c->killed != 0 && !c->sigkilled && now >= c->killed + KILL_AFTER) {
        kill(-c->pid, SIGKILL);
        c->sigkilled = true;
    }
    double next = c->ended != 0 ? c->ended + DRAIN_FOR : c->killed == 0 ? c->deadline : INFINITY;
    if (c->killed != 0 && c->ended == 0)
        next = fmin(next, c->killed + KILL_AFTER + (c->sigkilled ? LEAVE_AFTER : 0));
    else if (c->killed != 0 && !c->sigkilled)
        next = fmin(next, c->killed + KILL_AFTER);
    if (c->pidfd < 0 && c->ended == 0)
        next = fmin(next, now + CHECK_EVERY);
    return next;
}

/* Whether an early end is asked for. It stays asked for: nobody looks again. */
static bool asked_to_stop(struct child *c, const struct pollfd *stop)
{
    if (stop->fd < 0 || !(stop->revents & POLLIN))
        return false;
    c->stop = -1;
    c->stopped = true;
    return true;
}

static int supervise(struct child *c, struct moon_err *err)
{
    for (;;) {
        double now = moon_clock_mono();
        if (c->ended == 0 && has_ended(c))
            c->ended = now;
        bool open = c->streams[0].fd >= 0 || c->streams[1].fd >= 0;
        if (c->ended != 0 && (!open || now >= c->ended + DRAIN_FOR))
            return 0;
        double next = step(c, now);
        c->left = c->sigkilled && c->ended == 0 && now >= c->killed + KILL_AFTER + LEAVE_AFTER;
        if (c->left)
            return 0;
        struct pollfd fds[4] = {{.fd = c->streams[0].fd, .events = POLLIN},
                                {.fd = c->streams[1].fd, .events = POLLIN},
                                {.fd = c->ended == 0 ? c->pidfd : -1, .events = POLLIN},
                                {.fd = c->stop, .events = POLLIN}};
        double wait = fmin(fmax(next - now, 0) * 1000 + 1, 3600000);
        if (poll(fds, 4, (int)wait) < 0) {
            if (errno != EINTR)
                return moon_err_errno(err, errno, OP, "program '%s': poll", c->program);
            continue;
        }
        if (asked_to_stop(c, &fds[3]))
            c->deadline = 0;
        for (size_t i = 0; i < 2; i++) {
            if (fds[i].fd >= 0 && fds[i].revents && read_some(c, &c->streams[i], err) < 0)
                return -1;
        }
    }
}

static int start(struct child *c, const struct moon_proc_args *args, struct moon_err *err)
{
    __attribute__((cleanup(auto_strv))) char **env = make_env(args->env);
    if (!env)
        return moon_err_errno(err, ENOMEM, OP, "program '%s'", args->argv[0]);
    AUTO_FREE char *path = NULL;
    if (check_cwd(args->cwd, err) < 0 ||
        find_program(args->argv[0], value_in((const char *const *)env, "PATH"), &path, err) < 0)
        return -1;
    AUTO_CLOSE int out = -1;
    AUTO_CLOSE int err_fd = -1;
    AUTO_CLOSE int in = make_input(args->input, args->input_len);
    if (in < 0 || make_pipe(&c->streams[0].fd, &out) < 0 ||
        make_pipe(&c->streams[1].fd, &err_fd) < 0)
        return moon_err_errno(err, errno, OP, "program '%s': set up its streams", path);
    c->started = moon_clock_mono();
    c->deadline = args->timeout > 0 ? c->started + args->timeout : (double)INFINITY;
    int rc = spawn(path, args, env, in, out, err_fd, &c->pid);
    if (rc) {
        c->pid = 0;
        return moon_err_errno(err, rc, OP, "program '%s'", path);
    }
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    return 0;
}

/* The status; whoever is left of a group that was told to end is killed before it loses its
 * number. */
static int reap(struct child *c, bool failed)
{
    int status = 0;
    if (c->killed != 0 || failed)
        kill(-c->pid, SIGKILL);
    if (c->left && waitpid(c->pid, &status, WNOHANG) <= 0)
        return SIGKILL; /* what it ends by some day */
    while (!c->left && waitpid(c->pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return status;
}

static void release(struct child *c)
{
    for (size_t i = 0; i < 2; i++) {
        if (c->streams[i].fd >= 0)
            close(c->streams[i].fd);
        moon_buf_free(&c->streams[i].kept);
    }
    if (c->pidfd >= 0)
        close(c->pidfd);
}

static int stopped(const struct child *c, struct moon_err *err)
{
    return moon_err_set(err, MOON_CANCELLED, MOON_SRC_ENGINE, 0, OP, "program '%s': ended early",
                        c->program);
}

static json_t *kept_text(const struct stream *s)
{
    return json_stringn_nocheck(s->kept.data ? s->kept.data : "", s->kept.len);
}

int moon_proc_run(const struct moon_proc_args *args, json_t **out, struct moon_err *err)
{
    if (!args->argv || !args->argv[0] || !*args->argv[0])
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP,
                            "program: none named; give argv[0]");
    __attribute__((cleanup(release))) struct child c = {
        .program = args->argv[0],
        .max_output = args->max_output ? args->max_output : MOON_PROC_MAX_OUTPUT,
        .streams = {{.fd = -1}, {.fd = -1}},
        .pidfd = -1,
        .stop = args->stop ? *args->stop : -1,
    };
    struct pollfd early = {.fd = c.stop, .events = POLLIN};
    if (poll(&early, 1, 0) > 0 && asked_to_stop(&c, &early))
        return stopped(&c, err);
    if (start(&c, args, err) < 0)
        return -1;
    int rc = supervise(&c, err);
    int status = reap(&c, rc < 0);
    if (rc < 0)
        return -1;
    if (c.stopped)
        return stopped(&c, err);
    if (status == -1)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_OS, ECHILD, OP,
                            "program '%s': its exit status was taken by another thread; SIGCHLD "
                            "must not be ignored",
                            c.program);
    bool exited = WIFEXITED(status);
    json_t *json = json_pack("{s:i, s:o, s:o, s:b, s:b, s:b, s:f}", exited ? "status" : "signal",
                             exited ? WEXITSTATUS(status) : WTERMSIG(status), "stdout",
                             kept_text(&c.streams[0]), "stderr", kept_text(&c.streams[1]),
                             "truncated", c.truncated, "timed_out", c.killed != 0, "left", c.left,
                             "seconds", moon_clock_mono() - c.started);
    if (!json)
        return moon_err_errno(err, ENOMEM, OP, "program '%s': result", c.program);
    *out = json;
    return 0;
}

int moon_proc_start_time(pid_t pid, uint64_t *ticks, struct moon_err *err)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0)
        return moon_err_errno(err, errno == ESRCH ? ENOENT : errno, "process-start", "process %ld",
                              (long)pid);
    text[n] = '\0';
    /* The name is in brackets and may hold spaces and brackets itself; field 3 is behind it. */
    const char *s = strrchr(text, ')');
    if (s && s[1] == ' ' && (s[2] == 'Z' || s[2] == 'X')) /* dead, its parent has not noticed */
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_OS, ESRCH, "process-start",
                            "process %ld has ended", (long)pid);
    for (int field = 2; s && field < 22; field++) {
        s = strchr(s, ' ');
        s = s ? s + 1 : NULL;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long value = s ? strtoull(s, &end, 10) : 0;
    if (!s || errno || end == s || *end != ' ')
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_OS, 0, "process-start",
                            "%s: field 22 is not a number", path);
    *ticks = value;
    return 0;
}
