/* Changes to multipath maps: each is checked for what would make it hang, or harm, before it is
 * ordered, since a map that queues without a path holds whoever touches it. */
#include "multipath.h"

#include "auto.h"
#include "clock.h"
#include "mpathd.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

static const char OP[] = "multipath";

#define ORDER_WAIT 30.0 /* multipathd may be busy with other maps */
#define LOOK_AGAIN 0.1

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* The map of that name; MOON_INVALID when the device is no map. */
static int find_map(const struct moon_mpath_world *w, const char *name, json_t **out,
                    struct moon_err *err)
{
    if (moon_mpath_find(w, name, out, err) < 0)
        return -1;
    const char *kind = text_of(*out, "kind");
    if (strcmp(kind, "multipath") == 0)
        return 0;
    moon_err_set(err, MOON_INVALID, MOON_SRC_MULTIPATH, 0, OP,
                 "%s: a %s device, not a multipath map", name, kind);
    json_decref(MOON_STEAL(*out));
    return -1;
}

static int order(const struct moon_mpath_world *w, struct moon_err *err, const char *verb,
                 const char *object)
{
    AUTO_FREE char *command = NULL;
    if (strpbrk(object, " \t\n\""))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_MULTIPATH, 0, OP,
                            "'%s' is not the name of a map or path", object);
    if (asprintf(&command, "%s%s%s", verb, *object ? " " : "", object) < 0) {
        command = NULL;
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
    }
    return moon_mpathd_order(w->socket, command, ORDER_WAIT, err);
}

static int need_path(const json_t *map, const char *what, struct moon_err *err)
{
    if (json_integer_value(json_object_get(map, "usable")) > 0)
        return 0;
    return moon_err_set(err, MOON_BUSY, MOON_SRC_MULTIPATH, 0, OP,
                        "map %s: no usable path is left, to %s it would hang; bring a path back",
                        text_of(map, "name"), what);
}

/* The one size of all paths. */
static int path_size(const json_t *map, json_int_t *out, struct moon_err *err)
{
    size_t i;
    json_t *p;
    const char *first = NULL;
    json_array_foreach (json_object_get(map, "paths"), i, p) {
        json_int_t size = json_integer_value(json_object_get(p, "size"));
        if (first && size != *out)
            return moon_err_set(err, MOON_CONFLICT, MOON_SRC_MULTIPATH, 0, OP,
                                "map %s: path %s has %lld bytes, path %s %lld; rescan the paths",
                                text_of(map, "name"), first, (long long)*out, text_of(p, "device"),
                                (long long)size);
        *out = size;
        first = text_of(p, "device");
    }
    return 0;
}

static void look_again(void)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)(LOOK_AGAIN * 1e9)}, NULL);
}

int moon_mpath_resize(const struct moon_mpath_world *w, const char *map, double seconds,
                      struct moon_err *err)
{
    double deadline = moon_clock_mono() + seconds;
    AUTO_JSON json_t *m = NULL;
    json_int_t want = 0;
    if (find_map(w, map, &m, err) < 0 || need_path(m, "resize", err) < 0 ||
        path_size(m, &want, err) < 0)
        return -1;
    if (json_integer_value(json_object_get(m, "size")) == want)
        return 0;
    if (order(w, err, "resize map", text_of(m, "name")) < 0)
        return -1;
    for (;;) {
        AUTO_JSON json_t *now = NULL;
        if (find_map(w, map, &now, err) < 0)
            return -1;
        json_int_t size = json_integer_value(json_object_get(now, "size"));
        if (size == want)
            return 0;
        if (moon_clock_mono() > deadline)
            return moon_err_set(err, MOON_TIMEOUT, MOON_SRC_MULTIPATH, 0, OP,
                                "map %s: it still has %lld bytes, its paths have %lld",
                                text_of(now, "name"), (long long)size, (long long)want);
        look_again();
    }
}

static int check_flush(const json_t *m, struct moon_err *err)
{
    const char *holder = json_string_value(json_array_get(json_object_get(m, "holders"), 0));
    if (holder)
        return moon_err_set(err, MOON_BUSY, MOON_SRC_MULTIPATH, 0, OP,
                            "map %s: %s is made of it; take that away first", text_of(m, "name"),
                            holder);
    /* Flushing writes back what is cached: that waits for ever when I/O is queued without a path. */
    if (json_is_true(json_object_get(m, "queueing")))
        return need_path(m, "flush", err);
    return 0;
}

int moon_mpath_flush(const struct moon_mpath_world *w, const char *map, double seconds,
                     struct moon_err *err)
{
    double deadline = moon_clock_mono() + seconds;
    AUTO_JSON json_t *m = NULL;
    struct moon_err gone;
    if (find_map(w, map, &m, &gone) < 0) {
        if (gone.code == MOON_NOT_FOUND)
            return 0;
        *err = gone;
        return -1;
    }
    if (check_flush(m, err) < 0 || order(w, err, "del map", text_of(m, "name")) < 0)
        return -1;
    while (moon_clock_mono() <= deadline) {
        AUTO_JSON json_t *now = NULL;
        if (moon_mpath_find(w, text_of(m, "device"), &now, &gone) < 0 &&
            gone.code == MOON_NOT_FOUND)
            return 0;
        look_again();
    }
    return moon_err_set(err, MOON_TIMEOUT, MOON_SRC_MULTIPATH, 0, OP,
                        "map %s: it is still there after %.0f s; is it open?", text_of(m, "name"),
                        seconds);
}

int moon_mpath_fail(const struct moon_mpath_world *w, const char *path, struct moon_err *err)
{
    AUTO_JSON json_t *disk = NULL, *m = NULL;
    size_t i, others = 0;
    json_t *p;
    if (moon_mpath_find(w, path, &disk, err) < 0)
        return -1;
    const char *device = text_of(disk, "device");
    const char *holder = json_string_value(json_array_get(json_object_get(disk, "holders"), 0));
    if (!holder)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_MULTIPATH, 0, OP,
                            "%s: no path of a multipath map", path);
    if (find_map(w, holder, &m, err) < 0)
        return -1;
    json_array_foreach (json_object_get(m, "paths"), i, p)
        others +=
            strcmp(text_of(p, "device"), device) != 0 && json_is_true(json_object_get(p, "usable"));
    if (others == 0)
        return moon_err_set(err, MOON_CONFLICT, MOON_SRC_MULTIPATH, 0, OP,
                            "path %s: map %s would have no usable path left", device,
                            text_of(m, "name"));
    return order(w, err, "fail path", device);
}

int moon_mpath_reinstate(const struct moon_mpath_world *w, const char *path, struct moon_err *err)
{
    AUTO_JSON json_t *disk = NULL;
    if (moon_mpath_find(w, path, &disk, err) < 0)
        return -1;
    return order(w, err, "reinstate path", text_of(disk, "device"));
}

int moon_mpath_reconfigure(const struct moon_mpath_world *w, struct moon_err *err)
{
    return order(w, err, "reconfigure", "");
}
