#include "holders.h"

#include "auto.h"
#include "mounts.h"
#include "store.h"
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char OP[] = "holders";

enum { LAYERS = 16, FILE_MAX = 16 << 20 };

struct search {
    const struct moon_mpath_world *w;
    const char *root, *proc;
    json_t *out;
    json_t *numbers; /* "253:2" -> kernel name: the device and all that is made of it */
    bool lost;       /* memory was out: there may be more */
};

/* What was found is kept; value is taken. */
static void add(struct search *s, json_t *value)
{
    if (json_array_append_new(s->out, value) < 0)
        s->lost = true;
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* --- devices ----------------------------------------------------------------------------- */

static void add_device(struct search *s, const json_t *d)
{
    const char *name = text_of(d, "name"), *device = text_of(d, "device");
    add(s, json_pack("{s:s, s:s, s:s}", "kind", text_of(d, "kind"), "name", name ? name : device,
                     "device", device));
}

/* Partitions of a disk are directories in its own. */
static json_t *partitions(struct search *s, const char *device)
{
    AUTO_JSON json_t *names = moon_sysfs_list(s->root, "/sys/block/%s", device);
    json_t *out = json_array(), *name;
    size_t i;
    s->lost = s->lost || !names || !out;
    json_array_foreach (names, i, name) {
        AUTO_FREE char *n =
            moon_sysfs_text(s->root, "/sys/block/%s/%s/partition", device, json_string_value(name));
        if (n && json_array_append(out, name) < 0)
            s->lost = true;
    }
    return out;
}

/* Depth first, so that each layer stands behind what it is made of. */
static void follow(struct search *s, const char *device, int depth, bool known)
{
    /* Without multipathd's opinion, which nobody needs here and which may take its time. */
    const struct moon_mpath_world w = {.root = s->w->root, .dm = s->w->dm, .socket = ""};
    AUTO_JSON json_t *d = NULL;
    struct moon_err err;
    json_t *name;
    size_t i;
    if (depth > LAYERS)
        return;
    if (moon_mpath_find(&w, device, &d, &err) < 0) {
        s->lost = s->lost || err.code == MOON_INTERNAL;
        return;
    }
    if (!known)
        add_device(s, d);
    const char *number = text_of(d, "number");
    if (number && json_object_set_new(s->numbers, number, json_string(device)) < 0)
        s->lost = true;
    AUTO_JSON json_t *parts = partitions(s, device);
    if (json_array_extend(parts, json_object_get(d, "holders")) < 0)
        s->lost = true;
    json_array_foreach (parts, i, name)
        follow(s, json_string_value(name), depth + 1, false);
}

/* Looked at below /dev only: any other path may be on a file system that hangs. */
static bool is_ours(const struct search *s, const char *path)
{
    if (strncmp(path, "/dev/", 5) != 0)
        return false;
    AUTO_FREE char *device = moon_sysfs_device(s->root, path, NULL);
    const char *key;
    json_t *name;
    if (!device)
        return false;
    json_object_foreach (s->numbers, key, name) {
        if (strcmp(json_string_value(name), device) == 0)
            return true;
    }
    return false;
}

/* The kernel does not name loop devices among a disk's holders. One may be made of another. */
static void add_loops(struct search *s)
{
    AUTO_JSON json_t *names = moon_sysfs_list(s->root, "/sys/block"), *seen = json_object();
    json_t *name;
    bool found = true;
    s->lost = s->lost || !names || !seen;
    for (int layer = 0; found && layer < LAYERS; layer++) {
        size_t i;
        found = false;
        json_array_foreach (names, i, name) {
            const char *loop = json_string_value(name);
            if (strncmp(loop, "loop", 4) != 0 || json_object_get(seen, loop))
                continue;
            AUTO_FREE char *file =
                moon_sysfs_text(s->root, "/sys/block/%s/loop/backing_file", loop);
            if (!file || !is_ours(s, file))
                continue;
            found = json_object_set_new(seen, loop, json_true()) == 0;
            s->lost = s->lost || !found;
            add(s, json_pack("{s:s, s:s, s:s}", "kind", "loop", "name", loop, "device", loop));
            follow(s, loop, 0, true);
        }
    }
}

/* --- users of these devices -------------------------------------------------------------- */

static int add_mounts(struct search *s, struct moon_err *err)
{
    AUTO_FREE char *file = NULL;
    AUTO_JSON json_t *list = NULL;
    json_t *m;
    size_t i;
    if (asprintf(&file, "%s/self/mountinfo", s->proc) < 0)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
    if (moon_mount_list(file, &list, err) < 0)
        return -1;
    json_array_foreach (list, i, m) {
        const char *source = text_of(m, "source");
        /* btrfs has a number of its own, but names its device. */
        bool by_name = source && is_ours(s, source);
        if (by_name || json_object_get(s->numbers, text_of(m, "device")))
            add(s,
                json_pack("{s:s, s:O}", "kind", "mount", "name", json_object_get(m, "mountpoint")));
    }
    return 0;
}

/* A head line, then "/dev/dm-2 partition 1048572 0 -2". */
static void add_swaps(struct search *s)
{
    AUTO_FREE char *file = NULL, *text = NULL;
    char *save = NULL;
    size_t len = 0;
    struct moon_err err = {.code = MOON_INTERNAL};
    if (asprintf(&file, "%s/swaps", s->proc) < 0 ||
        moon_store_read(file, FILE_MAX, &text, &len, &err) < 0) {
        s->lost = s->lost || err.code == MOON_INTERNAL;
        return;
    }
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        line[strcspn(line, " \t")] = '\0';
        if (is_ours(s, line))
            add(s, json_pack("{s:s, s:s}", "kind", "swap", "name", line));
    }
}

/* Block devices that this host's own SCSI target hands out to others: LIO, /sys/kernel/config/target/core/iblock_0/NAME. */
static void add_targets(struct search *s)
{
    static const char core[] = "/sys/kernel/config/target/core";
    AUTO_JSON json_t *adapters = moon_sysfs_list(s->root, "%s", core);
    json_t *adapter, *name;
    size_t i, k;
    s->lost = s->lost || !adapters;
    json_array_foreach (adapters, i, adapter) {
        const char *a = json_string_value(adapter);
        AUTO_JSON json_t *names = moon_sysfs_list(s->root, "%s/%s", core, a);
        s->lost = s->lost || !names;
        json_array_foreach (names, k, name) {
            AUTO_FREE char *path =
                moon_sysfs_text(s->root, "%s/%s/%s/udev_path", core, a, json_string_value(name));
            if (path && is_ours(s, path))
                add(s, json_pack("{s:s, s:O}", "kind", "target", "name", name));
        }
    }
}

/* A descriptor's link is looked at, not followed: what it points to may hang. */
static bool has_open(struct search *s, const char *pid)
{
    AUTO_FREE char *dir = NULL;
    char target[PATH_MAX];
    bool found = false;
    DIR *d = asprintf(&dir, "%s/%s/fd", s->proc, pid) < 0 ? NULL : opendir(dir);
    if (!d) {
        s->lost = s->lost || errno == ENOMEM;
        return false;
    }
    for (struct dirent *e = readdir(d); e && !found; e = readdir(d)) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        found = is_ours(s, target);
    }
    closedir(d);
    return found;
}

static int add_processes(struct search *s, int except, struct moon_err *err)
{
    AUTO_JSON json_t *names = NULL;
    json_t *name;
    size_t i;
    if (moon_store_list(s->proc, &names, err) < 0)
        return -1;
    json_array_foreach (names, i, name) {
        const char *pid = json_string_value(name);
        long n = strspn(pid, "0123456789") == strlen(pid) ? strtol(pid, NULL, 10) : 0;
        if (n <= 0 || n == except || !has_open(s, pid))
            continue;
        AUTO_FREE char *comm = moon_sysfs_text(s->proc, "/%s/comm", pid);
        /* A process may call itself what is no UTF-8. */
        json_t *called = comm ? json_string(comm) : NULL;
        add(s, json_pack("{s:s, s:o, s:i}", "kind", "process", "name",
                         called ? called : json_string("?"), "pid", (int)n));
    }
    return 0;
}

int moon_device_holders(const struct moon_mpath_world *w, const char *proc, const char *name,
                        int except, json_t **out, struct moon_err *err)
{
    struct search s = {.w = w,
                       .root = w->root ? w->root : "",
                       .proc = proc ? proc : "/proc",
                       .out = json_array(),
                       .numbers = json_object()};
    s.lost = !s.out || !s.numbers;
    AUTO_FREE char *device = moon_sysfs_device(s.root, name, err);
    int rc = device ? 0 : -1;
    if (rc == 0) {
        follow(&s, device, 0, true);
        add_loops(&s);
        rc = add_mounts(&s, err);
    }
    if (rc == 0) {
        add_swaps(&s);
        add_targets(&s);
        rc = except == MOON_HOLDERS_NO_PROCESSES ? 0 : add_processes(&s, except, err);
    }
    json_decref(s.numbers);
    if (rc == 0 && s.lost)
        rc = moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
    if (rc == 0)
        *out = s.out;
    else
        json_decref(s.out);
    return rc;
}
