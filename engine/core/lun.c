#include "lun.h"

#include "auto.h"
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char OP[] = "lun";

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static int write_one(const char *root, const char *device, struct moon_err *err)
{
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/sys/block/%s/device/rescan", root, device) < 0)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1\n", 2) != 2)
        return moon_err_errno(err, errno, OP, "rescan of %s", device);
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
    int done = 0;
    json_t *p;
    if (moon_mpath_find(w, name, &found, err) < 0)
        return -1;
    json_t *paths = json_object_get(found, "paths");
    json_array_foreach (paths, i, p)
        json_array_append(devices, json_object_get(p, "device"));
    if (!paths)
        json_array_append(devices, json_object_get(found, "device"));
    json_array_foreach (devices, i, p) {
        const char *device = json_string_value(p);
        AUTO_FREE char *state = moon_sysfs_text(root, "/sys/block/%s/device/state", device);
        if (state && strcmp(state, "running") != 0) {
            json_array_append(left_out, p);
            continue;
        }
        if (write_one(root, device, err) < 0)
            return -1;
        done++;
    }
    if (done == 0)
        return moon_err_set(err, MOON_BUSY, MOON_SRC_MULTIPATH, 0, OP, "%s: none of its paths runs",
                            name);
    *out = json_pack("{s:i, s:O}", "rescanned", done, "left_out", left_out);
    return 0;
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
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
    }
    AUTO_CLOSE int fd = open(node, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return moon_err_errno(err, errno, OP, "%s", node);
    if (ioctl(fd, BLKFLSBUF, 0) < 0)
        return moon_err_errno(err, errno, OP, "%s: its cache is not dropped", node);
    return 0;
}
