/* A recorded host (tests/data/san) below a directory of its own, and a multipathd of this program's own.
 * Included by the tests of maps, after cmocka.h. */
#ifndef SAN_HOST_H
#define SAN_HOST_H

#include "auto.h"
#include "multipath.h"
#include "store.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define DATA "tests/data/san/"
#define LUN1 "3600a0980383062716d5d5076684b6f66"
#define LUN2 "3600a0980383062716d5d5076684b6f67"
#define LUN3 "3600a0980383062716d5d5076684b6f78"

static char dir[64], dm[128], socket_path[100];
static struct moon_mpath_world world;

/* --- a recorded host ----------------------------------------------------------------------- */

static inline void make_parents(char *path)
{
    for (char *p = strchr(path + strlen(dir) + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
}

static inline void put_file(const char *path, const char *text, bool is_hex)
{
    char data[4096];
    size_t n = 0;
    if (is_hex) {
        for (const char *p = text; p[0] && p[1] && n < sizeof data; p += 2) {
            unsigned byte = 0;
            assert_int_equal(sscanf(p, "%2x", &byte), 1);
            data[n++] = (char)byte;
        }
    } else {
        n = (size_t)snprintf(data, sizeof data, "%s\n", text);
    }
    AUTO_FCLOSE FILE *f = fopen(path, "w"); /* no sync: a tree has hundreds of them */
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
}

static inline void unpack(const char *name)
{
    AUTO_FREE char *text = NULL;
    char file[128], path[512], *save = NULL;
    size_t len = 0;
    struct moon_err err;
    snprintf(file, sizeof file, DATA "%s.tree", name);
    if (moon_store_read(file, 1 << 20, &text, &len, &err) < 0)
        fail_msg("%s", err.message);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *tab = strchr(line, '\t');
        if (tab)
            *tab = '\0';
        snprintf(path, sizeof path, "%s/%s", dir, line);
        make_parents(path);
        if (!tab)
            mkdir(path, 0755);
        else if (tab[1] == '>')
            assert_true(symlink(tab + 2, path) == 0 || errno == EEXIST);
        else
            put_file(path, tab + 2, tab[1] == ':');
    }
}

/* This host is the recorded one of that name from now on; without a daemon. */
static inline void host(const char *name)
{
    unpack(name);
    snprintf(dm, sizeof dm, DATA "%s.dm", name);
    world = (struct moon_mpath_world){.root = dir, .dm = dm, .socket = ""};
}

static inline json_t *find(const char *name)
{
    json_t *out = NULL;
    struct moon_err err;
    if (moon_mpath_find(&world, name, &out, &err) < 0)
        fail_msg("%s: %s", name, err.message);
    return out;
}

static inline const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "-";
}

static inline const json_t *path(const json_t *map, const char *device)
{
    size_t i;
    json_t *p;
    json_array_foreach (json_object_get(map, "paths"), i, p) {
        if (strcmp(text(p, "device"), device) == 0)
            return p;
    }
    fail_msg("no path %s", device);
    return NULL;
}

static inline int64_t number(const json_t *o, const char *key)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

static inline int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/moon-san.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

/* --- a daemon ------------------------------------------------------------------------------ */

static struct {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    char orders[1024]; /* what was asked, each followed by a semicolon */
    char reply[64 << 10];
    size_t announce, send; /* 0: the reply's own length */
    void (*then)(const char *order);
} daemon_ = {.fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static inline bool whole(int fd, void *data, size_t len, bool out)
{
    for (char *p = data; len > 0;) {
        ssize_t n = out ? send(fd, p, len, MSG_NOSIGNAL) : recv(fd, p, len, 0);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static inline void serve_one(int fd)
{
    char order[256];
    size_t len = 0;
    if (!whole(fd, &len, sizeof len, false) || len > sizeof order || !whole(fd, order, len, false))
        return;
    pthread_mutex_lock(&daemon_.lock);
    size_t have = strlen(daemon_.orders);
    snprintf(daemon_.orders + have, sizeof daemon_.orders - have, "%s;", order);
    size_t n = strlen(daemon_.reply) + 1;
    size_t announce = daemon_.announce ? daemon_.announce : n;
    size_t bytes = daemon_.send ? daemon_.send : n;
    void (*then)(const char *order) = daemon_.then;
    /* The test may prepare the next reply while this one is on its way. */
    AUTO_FREE char *reply = malloc(sizeof daemon_.reply);
    if (reply)
        memcpy(reply, daemon_.reply, sizeof daemon_.reply);
    pthread_mutex_unlock(&daemon_.lock);
    if (then)
        then(order);
    if (reply && whole(fd, &announce, sizeof announce, true))
        whole(fd, reply, bytes, true);
}

/* What it says from now on; 0: the reply's own length. */
static inline void daemon_says(const char *reply, size_t announce, size_t bytes)
{
    pthread_mutex_lock(&daemon_.lock);
    snprintf(daemon_.reply, sizeof daemon_.reply, "%s", reply);
    daemon_.announce = announce;
    daemon_.send = bytes;
    pthread_mutex_unlock(&daemon_.lock);
}

static inline void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(daemon_.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve_one(fd);
        close(fd);
    }
}

static inline void daemon_start(const char *reply)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(socket_path, sizeof socket_path, "%s/socket", dir);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", socket_path);
    snprintf(daemon_.reply, sizeof daemon_.reply, "%s", reply);
    daemon_.orders[0] = '\0';
    daemon_.announce = daemon_.send = 0;
    daemon_.then = NULL;
    daemon_.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(daemon_.fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(daemon_.fd, 8), 0);
    assert_int_equal(pthread_create(&daemon_.thread, NULL, serve, NULL), 0);
    world.socket = socket_path;
}

static inline void daemon_stop(void)
{
    shutdown(daemon_.fd, SHUT_RDWR);
    pthread_join(daemon_.thread, NULL);
    close(daemon_.fd);
    unlink(socket_path);
    world.socket = "";
}

/* The recorded reply to "show maps json". */
static inline void daemon_of(const char *name)
{
    AUTO_FREE char *reply = NULL;
    char file[128];
    size_t len = 0;
    snprintf(file, sizeof file, DATA "%s.maps", name);
    assert_int_equal(moon_store_read(file, 1 << 20, &reply, &len, NULL), 0);
    daemon_start(reply);
}

#endif
