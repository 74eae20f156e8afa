#include "lun.h"

#include "auto.h"
#include "op.h"
#include "sysfs.h"
#include "wwid.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char OP[] = "lun";

static int no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* Write an order into an attribute. */
__attribute__((format(printf, 4, 5))) static int order(const char *text, struct moon_err *err,
                                                       const char *root, const char *fmt, ...)
{
    AUTO_FREE char *rest = NULL, *path = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&rest, fmt, ap) < 0)
        rest = NULL;
    va_end(ap);
    if (!rest || asprintf(&path, "%s%s", root, rest) < 0) {
        path = NULL;
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
    }
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t len = (ssize_t)strlen(text);
    if (fd < 0 || write(fd, text, (size_t)len) != len)
        return moon_err_errno(err, errno, OP, "%s", rest);
    return 0;
}

int moon_lun_rescan(const struct moon_mpath_world *w, const char *name, json_t **out,
                    struct moon_err *err)
{
    const char *root = w->root ? w->root : "";
    AUTO_JSON json_t *found = NULL;
    AUTO_JSON json_t *left_out = json_array();
    AUTO_JSON json_t *devices = json_array();
    size_t i;
    int done = 0, rc = 0;
    json_t *p;
    if (moon_mpath_find(w, name, &found, err) < 0)
        return -1;
    json_t *paths = json_object_get(found, "paths");
    json_array_foreach (paths, i, p)
        rc |= json_array_append(devices, json_object_get(p, "device"));
    if (!paths)
        rc |= json_array_append(devices, json_object_get(found, "device"));
    if (rc < 0)
        return no_memory(err);
    json_array_foreach (devices, i, p) {
        const char *device = json_string_value(p);
        AUTO_FREE char *state = moon_sysfs_text(root, "/sys/block/%s/device/state", device);
        if (state && strcmp(state, "running") != 0) {
            if (json_array_append(left_out, p) < 0)
                return no_memory(err);
            continue;
        }
        if (order("1\n", err, root, "/sys/block/%s/device/rescan", device) < 0)
            return -1;
        done++;
    }
    if (done == 0)
        return moon_err_set(err, MOON_BUSY, MOON_SRC_MULTIPATH, 0, OP, "%s: none of its paths runs",
                            name);
    return moon_op_give(out, json_pack("{s:i, s:O}", "rescanned", done, "left_out", left_out), OP,
                        err);
}

int moon_lun_drop_cache(const struct moon_mpath_world *w, const char *name, struct moon_err *err)
{
    AUTO_JSON json_t *found = NULL;
    AUTO_FREE char *node = NULL;
    if (moon_mpath_find(w, name, &found, err) < 0)
        return -1;
    json_t *usable = json_object_get(found, "usable");
    if (usable && json_integer_value(usable) == 0)
        return moon_err_set(err, MOON_BUSY, MOON_SRC_MULTIPATH, 0, OP,
                            "%s: no usable path is left; its cache cannot be dropped", name);
    if (asprintf(&node, "%s/dev/%s", w->root ? w->root : "", text_of(found, "device")) < 0) {
        node = NULL;
        return no_memory(err);
    }
    AUTO_CLOSE int fd = open(node, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return moon_err_errno(err, errno, OP, "%s", node);
    if (ioctl(fd, BLKFLSBUF, 0) < 0)
        return moon_err_errno(err, errno, OP, "%s: its cache is not dropped", node);
    return 0;
}

int moon_lun_scan(const struct moon_mpath_world *w, json_t **out, struct moon_err *err)
{
    const char *root = w->root ? w->root : "";
    AUTO_JSON json_t *hosts = moon_sysfs_list(root, "/sys/class/scsi_host");
    size_t i;
    json_t *host;
    if (!hosts)
        return no_memory(err);
    json_array_foreach (hosts, i, host) {
        if (order("- - -\n", err, root, "/sys/class/scsi_host/%s/scan", json_string_value(host)) <
            0)
            return -1;
    }
    return moon_op_give(out, json_pack("{s:i}", "hosts", (int)json_array_size(hosts)), OP, err);
}

static int check_unused(const json_t *disk, struct moon_err *err)
{
    const char *holder = json_string_value(json_array_get(json_object_get(disk, "holders"), 0));
    if (!holder)
        return 0;
    return moon_err_set(err, MOON_BUSY, MOON_SRC_MULTIPATH, 0, OP,
                        "disk %s: %s is made of it; flush the map first", text_of(disk, "device"),
                        holder);
}

/* The disks whose WWID it is. */
static int find_disks(const struct moon_mpath_world *w, const char *wwid, json_t *found,
                      struct moon_err *err)
{
    const char *root = w->root ? w->root : "";
    AUTO_JSON json_t *names = moon_sysfs_list(root, "/sys/block");
    size_t i;
    json_t *name;
    if (!names)
        return no_memory(err);
    json_array_foreach (names, i, name) {
        const char *device = json_string_value(name);
        AUTO_JSON json_t *disk = NULL;
        AUTO_FREE char *naa = moon_sysfs_text(root, "/sys/block/%s/device/wwid", device);
        if (!naa || strncasecmp(naa, "naa.", 4) != 0 || strcasecmp(naa + 4, wwid + 1) != 0)
            continue;
        if (moon_mpath_find(w, device, &disk, err) < 0 || check_unused(disk, err) < 0)
            return -1;
        if (json_array_append(found, name) < 0)
            return no_memory(err);
    }
    return 0;
}

int moon_lun_remove(const struct moon_mpath_world *w, const char *wwid, json_t **out,
                    struct moon_err *err)
{
    const char *root = w->root ? w->root : "";
    char serial[MOON_SERIAL_LEN + 1];
    AUTO_JSON json_t *disks = json_array();
    size_t i;
    json_t *name;
    /* An ONTAP LUN and nothing else, before anything is looked for. */
    if (moon_wwid_serial(wwid, serial, err) < 0)
        return -1;
    if (strlen(wwid) != MOON_WWID_LEN)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP,
                            "WWID '%s': write it with all of its 33 characters", wwid);
    if (find_disks(w, wwid, disks, err) < 0)
        return -1;
    json_array_foreach (disks, i, name) {
        if (order("1\n", err, root, "/sys/block/%s/device/delete", json_string_value(name)) < 0)
            return -1;
    }
    return moon_op_give(out, json_pack("{s:O}", "removed", disks), OP, err);
}
