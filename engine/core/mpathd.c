#include "mpathd.h"

#include "auto.h"
#include "clock.h"
#include "memory.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char OP[] = "multipathd";

#define REPLY_MAX ((size_t)64 << 20)
#define ASK_WAIT  10.0

static int failed(struct moon_err *err, int errnum, const char *what)
{
    enum moon_code code = MOON_IO;
    if (errnum == ECONNREFUSED || errnum == ENOENT)
        code = MOON_UNREACHABLE;
    else if (errnum == EACCES || errnum == EPERM)
        code = MOON_DENIED;
    else if (errnum == ETIMEDOUT)
        code = MOON_TIMEOUT;
    return moon_err_set(err, code, MOON_SRC_MULTIPATH, errnum, OP, "multipathd: %s: %s", what,
                        code == MOON_UNREACHABLE ? "it is not running" : strerror(errnum));
}

static int reach(const char *path, struct moon_err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof addr.sun_path)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_MULTIPATH, 0, OP,
                            "multipathd: socket path '%s' is too long", path);
    memcpy(addr.sun_path, path, n);
    if (path[0] == '@')
        addr.sun_path[0] = '\0';
    /* An abstract name ends where the address does; the daemon's has no zero byte at its end. */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, size) < 0)
        return failed(err, errno, "connect");
    int out = fd;
    fd = -1;
    return out;
}

/* All of it, or -1 with errno (ETIMEDOUT after the deadline, EPIPE at the end of the stream). */
static int move(int fd, void *data, size_t len, bool out, double deadline)
{
    for (char *p = data; len > 0;) {
        double left = deadline - moon_clock_mono();
        struct pollfd pfd = {.fd = fd, .events = out ? POLLOUT : POLLIN};
        int rc = left > 0 ? poll(&pfd, 1, (int)(left * 1000) + 1) : 0;
        if (rc == 0)
            errno = ETIMEDOUT;
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc <= 0)
            return -1;
        ssize_t n =
            out ? send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT) : recv(fd, p, len, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n == 0)
            errno = EPIPE;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int moon_mpathd_ask(const char *socket, const char *command, double seconds, char **reply,
                    struct moon_err *err)
{
    double deadline = moon_clock_mono() + seconds;
    AUTO_FREE char *text = NULL;
    size_t len = strlen(command) + 1;
    AUTO_CLOSE int fd = reach(socket ? socket : MOON_MPATHD_SOCKET, err);
    if (fd < 0)
        return -1;
    AUTO_FREE char *copy = strdup(command);
    if (!copy)
        return failed(err, ENOMEM, command);
    if (move(fd, &len, sizeof len, true, deadline) < 0 || move(fd, copy, len, true, deadline) < 0 ||
        move(fd, &len, sizeof len, false, deadline) < 0)
        return failed(err, errno, command);
    if (len == 0 || len > REPLY_MAX || !(text = malloc(len + 1)))
        return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_MULTIPATH, 0, OP,
                            "multipathd: %s: a reply of %zu bytes is announced", command, len);
    if (move(fd, text, len, false, deadline) < 0)
        return failed(err, errno, command);
    text[len] = '\0';
    *reply = MOON_STEAL(text);
    return 0;
}

int moon_mpathd_order(const char *socket, const char *command, double seconds, struct moon_err *err)
{
    AUTO_FREE char *reply = NULL;
    if (moon_mpathd_ask(socket, command, seconds, &reply, err) < 0)
        return -1;
    reply[strcspn(reply, "\n")] = '\0';
    if (strcmp(reply, "ok") == 0)
        return 0;
    if (strstr(reply, "permission") || strstr(reply, "root"))
        return moon_err_set(err, MOON_DENIED, MOON_SRC_MULTIPATH, 0, OP, "multipathd: %s: %s",
                            command, reply);
    if (strcmp(reply, "timeout") == 0)
        return moon_err_set(err, MOON_TIMEOUT, MOON_SRC_MULTIPATH, 0, OP,
                            "multipathd: %s: it is busy; its answer may come later", command);
    return moon_err_set(err, MOON_CONFLICT, MOON_SRC_MULTIPATH, 0, OP,
                        "multipathd: %s: refused (%.80s)", command, reply);
}

static void take_paths(json_t *map, json_t *out)
{
    size_t g, p;
    json_t *group, *path;
    json_array_foreach (json_object_get(map, "path_groups"), g, group) {
        json_array_foreach (json_object_get(group, "paths"), p, path) {
            const char *dev = json_string_value(json_object_get(path, "dev"));
            json_t *row = json_object();
            json_t *checker = json_object_get(path, "chk_st"), *pri = json_object_get(path, "pri");
            json_t *dm = json_object_get(path, "dm_st");
            if (json_is_string(checker))
                json_object_set(row, "checker", checker);
            if (json_is_integer(pri))
                json_object_set(row, "priority", pri);
            if (json_is_string(dm))
                json_object_set(row, "dm", dm);
            if (dev)
                json_object_set_new(out, dev, row);
            else
                json_decref(row);
        }
    }
}

int moon_mpathd_paths(const char *socket, const char *map, json_t **out, struct moon_err *err)
{
    AUTO_FREE char *command = NULL, *reply = NULL;
    json_error_t bad;
    size_t i;
    json_t *one;
    if (map && (!*map || strpbrk(map, " \t\n\"")))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_MULTIPATH, 0, OP,
                            "'%s' is not the name of a map", map);
    if (asprintf(&command, map ? "show map %s json" : "show maps json", map) < 0)
        return failed(err, ENOMEM, "show maps");
    if (moon_mpathd_ask(socket, command, ASK_WAIT, &reply, err) < 0)
        return -1;
    json_t *doc = moon_memory_parse(reply, strlen(reply), 0, &bad);
    if (!json_is_object(doc)) {
        bool refused = strncmp(reply, "fail", 4) == 0;
        json_decref(doc);
        return moon_err_set(err, refused ? MOON_NOT_FOUND : MOON_PROTOCOL, MOON_SRC_MULTIPATH, 0,
                            OP, refused ? "multipathd: it has no map %s%s" : "multipathd: %s: %s",
                            map ? map : "at all", refused ? "" : bad.text);
    }
    *out = json_object();
    take_paths(json_object_get(doc, "map"), *out);
    json_array_foreach (json_object_get(doc, "maps"), i, one)
        take_paths(one, *out);
    json_decref(doc);
    return 0;
}
