#include "log.h"

#include "auto.h"
#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char *const names[MOON_LOG_LEVELS] = {"ERROR",  "WARN",  "INFO", "CMD",
                                                   "OUTPUT", "DEBUG", "TRACE"};

/* Guarded by lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct moon_log_options opt;
static int out_fd = -1, debug_fd = -1, error_fd = -1;
static char **secrets; /* longest first */
static size_t secret_count;

int moon_log_level(const char *name)
{
    for (int i = 0; i < MOON_LOG_LEVELS; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return i;
    }
    return -1;
}

bool moon_log_wants(enum moon_level level)
{
    pthread_mutex_lock(&lock);
    bool wanted = level <= MOON_LOG_CMD || debug_fd >= 0 || opt.console_debug;
    if (level == MOON_LOG_TRACE)
        wanted = wanted && opt.trace;
    pthread_mutex_unlock(&lock);
    return wanted;
}

static int open_file(const char *path, int *fd, struct moon_err *err)
{
    if (!path)
        return 0;
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return *fd < 0 ? moon_err_errno(err, errno, "log", "log file %s", path) : 0;
}

static void close_file(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(void)
{
    close_file(&out_fd);
    close_file(&debug_fd);
    close_file(&error_fd);
}

int moon_log_open(const struct moon_log_options *options, struct moon_err *err)
{
    pthread_mutex_lock(&lock);
    close_all();
    opt = *options;
    int rc = open_file(options->out, &out_fd, err);
    if (rc == 0)
        rc = open_file(options->debug, &debug_fd, err);
    if (rc == 0)
        rc = open_file(options->error, &error_fd, err);
    if (rc < 0)
        close_all();
    opt.out = opt.debug = opt.error = NULL; /* borrowed for the call only */
    pthread_mutex_unlock(&lock);
    return rc;
}

void moon_log_close(void)
{
    pthread_mutex_lock(&lock);
    close_all();
    for (size_t i = 0; i < secret_count; i++)
        free(secrets[i]);
    free(secrets);
    secrets = NULL;
    secret_count = 0;
    pthread_mutex_unlock(&lock);
}

int moon_log_secret(const char *secret)
{
    if (strlen(secret) < 2)
        return 0;
    pthread_mutex_lock(&lock);
    bool known = false;
    for (size_t i = 0; i < secret_count; i++)
        known = known || strcmp(secrets[i], secret) == 0;
    char *copy = known ? NULL : strdup(secret);
    char **more = copy ? realloc(secrets, (secret_count + 1) * sizeof *more) : NULL;
    if (more) {
        secrets = more;
        size_t at = secret_count++;
        /* Longest first: a secret may be the beginning of another one. */
        for (; at > 0 && strlen(secrets[at - 1]) < strlen(copy); at--)
            secrets[at] = secrets[at - 1];
        secrets[at] = copy;
    } else {
        free(copy);
    }
    pthread_mutex_unlock(&lock);
    return known || more ? 0 : -1;
}

static char *redact_locked(const char *text)
{
    char *now = strdup(text);
    for (size_t i = 0; now && i < secret_count; i++) {
        const char *hit = strstr(now, secrets[i]);
        if (!hit)
            continue;
        AUTO_BUF struct moon_buf b = {0};
        const char *from = now;
        for (; hit; hit = strstr(from, secrets[i])) {
            moon_buf_add(&b, from, (size_t)(hit - from));
            moon_buf_adds(&b, "********");
            from = hit + strlen(secrets[i]);
        }
        moon_buf_adds(&b, from);
        free(now);
        now = moon_buf_steal(&b);
    }
    return now;
}

char *moon_log_redact(const char *text)
{
    pthread_mutex_lock(&lock);
    char *s = redact_locked(text);
    pthread_mutex_unlock(&lock);
    return s;
}

/* One write per line, so that lines of several processes on one error log never mix. A full disk
 * must not stop a backup: the line is lost, the run goes on. */
static void put(int fd, const struct moon_buf *line)
{
    if (fd < 0)
        return;
    ssize_t n = write(fd, line->data, line->len);
    (void)n;
}

/* Without memory for its words an error is told all the same. */
static void emit_speechless(enum moon_level level)
{
    static const char line[] = "moonsnap: error: out of memory; what went wrong cannot be told\n";
    ssize_t n = level == MOON_LOG_ERROR ? write(STDERR_FILENO, line, sizeof line - 1) : 0;
    (void)n;
}

static void emit(enum moon_level level, const char *text)
{
    char stamp[64] = "";
    time_t now = time(NULL);
    struct tm tm;
    if (localtime_r(&now, &tm))
        strftime(stamp, sizeof stamp, "%a %b %e %H:%M:%S %Y", &tm);
    if (level == MOON_LOG_TRACE && !opt.trace)
        return;
    AUTO_BUF struct moon_buf line = {0};
    if (moon_buf_addf(&line, "[%s] %s: %s\n", stamp, names[level], text) < 0) {
        emit_speechless(level);
        return;
    }
    if (level <= MOON_LOG_CMD)
        put(out_fd, &line);
    put(debug_fd, &line);
    if (level == MOON_LOG_ERROR)
        put(error_fd, &line);
    bool console = opt.console_debug || (opt.verbose && level <= MOON_LOG_CMD);
    if (console)
        put(opt.console_stdout ? STDOUT_FILENO : STDERR_FILENO, &line);
    if (console && !opt.console_stdout)
        return;
    if (level == MOON_LOG_ERROR || (level == MOON_LOG_WARN && !opt.quiet)) {
        AUTO_BUF struct moon_buf plain = {0};
        if (moon_buf_addf(&plain, "moonsnap: %s: %s\n",
                          level == MOON_LOG_ERROR ? "error" : "warning", text) == 0)
            put(STDERR_FILENO, &plain);
        else
            emit_speechless(level);
    }
}

void moon_log(enum moon_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    if (!text) {
        emit_speechless(level);
        return;
    }
    pthread_mutex_lock(&lock);
    AUTO_FREE char *safe = redact_locked(text);
    if (safe) {
        for (char *p = safe; *p; p++) {
            if (*p == '\n' || *p == '\r')
                *p = ' ';
        }
        emit(level, safe);
    } else {
        emit_speechless(level);
    }
    pthread_mutex_unlock(&lock);
    free(text);
}
