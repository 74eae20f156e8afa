#include "sysfs.h"

#include "auto.h"
#include "memory.h"
#include "store.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char OP[] = "device";

enum { ATTRIBUTE_MAX = 64 << 10, LINKS = 16 };

static char *join(const char *root, const char *fmt, va_list ap)
{
    AUTO_FREE char *rest = NULL;
    char *path = NULL;
    if (vasprintf(&rest, fmt, ap) < 0)
        rest = NULL;
    if (!rest || asprintf(&path, "%s%s", root, rest) < 0)
        path = NULL;
    return moon_memory_got(path);
}

#define JOINED(path)                                                                               \
    va_list ap_;                                                                                   \
    va_start(ap_, fmt);                                                                            \
    AUTO_FREE char *path = join(root, fmt, ap_);                                                   \
    va_end(ap_)

char *moon_sysfs_text(const char *root, const char *fmt, ...)
{
    JOINED(path);
    char *text = NULL;
    size_t len = 0;
    if (!path || moon_store_read(path, ATTRIBUTE_MAX, &text, &len, NULL) < 0)
        return NULL;
    while (len > 0 && strchr(" \t\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

unsigned char *moon_sysfs_bytes(size_t *len, const char *root, const char *fmt, ...)
{
    JOINED(path);
    char *data = NULL;
    *len = 0;
    if (!path || moon_store_read(path, ATTRIBUTE_MAX, &data, len, NULL) < 0)
        return NULL;
    return (unsigned char *)data;
}

int64_t moon_sysfs_int(int64_t otherwise, const char *root, const char *fmt, ...)
{
    JOINED(path);
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    if (!path || moon_store_read(path, ATTRIBUTE_MAX, &text, &len, NULL) < 0)
        return otherwise;
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    return errno || end == text || (*end && *end != '\n') ? otherwise : (int64_t)n;
}

json_t *moon_sysfs_list(const char *root, const char *fmt, ...)
{
    JOINED(path);
    json_t *names = NULL;
    struct moon_err err = {.code = MOON_INTERNAL};
    if (!path || moon_store_list(path, &names, &err) < 0)
        return err.code == MOON_INTERNAL ? NULL : json_array();
    return names;
}

static char *resolved(const char *path)
{
    char *real = realpath(path, NULL);
    if (!real && errno == ENOMEM)
        moon_memory_note();
    return real;
}

char *moon_sysfs_real(const char *root, const char *fmt, ...)
{
    JOINED(path);
    AUTO_FREE char *real = path ? resolved(path) : NULL;
    AUTO_FREE char *top = *root ? resolved(root) : NULL;
    size_t n = top ? strlen(top) : 0;
    if (!real || (*root && (!top || strncmp(real, top, n) != 0)))
        return NULL;
    return moon_memory_got(strdup(real + n));
}

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* One step along a link: what it says, seen from its own directory. NULL: not a link. */
static char *follow(const char *root, const char *path)
{
    char target[PATH_MAX];
    char *next = NULL;
    AUTO_FREE char *here = NULL;
    if (asprintf(&here, "%s%s", root, path) < 0) {
        here = NULL;
        moon_memory_note();
        return NULL;
    }
    ssize_t n = readlink(here, target, sizeof target - 1);
    if (n <= 0)
        return NULL;
    target[n] = '\0';
    int dir = (int)(base(path) - path);
    if (target[0] == '/')
        next = strdup(target);
    else if (asprintf(&next, "%.*s%s", dir, path, target) < 0)
        next = NULL;
    return moon_memory_got(next);
}

/* By number where there is a node: its path may have any name. In a recorded tree there are no nodes,
 * there the last link's name is the device's. */
static char *by_number(const char *root, const char *path, bool *is_other)
{
    struct stat st;
    AUTO_FREE char *here = NULL;
    if (asprintf(&here, "%s%s", root, path) < 0)
        here = moon_memory_got(NULL);
    if (!here || stat(here, &st) < 0)
        return NULL;
    *is_other = !S_ISBLK(st.st_mode);
    if (*is_other)
        return NULL;
    AUTO_FREE char *real =
        moon_sysfs_real(root, "/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
    return real ? moon_memory_got(strdup(base(real))) : NULL;
}

char *moon_sysfs_device(const char *root, const char *path, struct moon_err *err)
{
    bool other = false;
    unsigned long before = moon_memory_failures();
    AUTO_FREE char *at = strchr(path, '/') ? moon_memory_got(strdup(path)) : NULL;
    char *name = at ? by_number(root, at, &other) : NULL;
    if (name)
        return name;
    for (int i = 0; at && i < LINKS; i++) {
        char *next = follow(root, at);
        if (!next)
            break;
        free(at);
        at = next;
    }
    const char *last = base(at ? at : path);
    AUTO_FREE char *known =
        *last && last[0] != '.' ? moon_sysfs_real(root, "/sys/class/block/%s", last) : NULL;
    if (!known && *last && last[0] != '.')
        known = moon_sysfs_real(root, "/sys/block/%s", last);
    char *device = known && !other ? moon_memory_got(strdup(last)) : NULL;
    /* A link that could not be followed leads to another device, or to none. */
    if (moon_memory_check(before, OP, err) < 0) {
        free(device);
        return NULL;
    }
    if (device)
        return device;
    moon_err_set(err, other ? MOON_INVALID : MOON_NOT_FOUND, MOON_SRC_MULTIPATH, 0, OP,
                 other ? "%s: not a block device" : "%s: no such block device on this host", path);
    return NULL;
}
