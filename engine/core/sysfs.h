/* Block devices as /sys has them. The root below which sys/ and dev/ lie is a parameter ("" is this
 * host), so that a recorded tree can be read in the place of a host's own. Reading an attribute does
 * not touch the device; it does not block on a path that hangs. */
#ifndef MOON_SYSFS_H
#define MOON_SYSFS_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The text of an attribute without blanks at its end, owned; NULL when there is none. */
char *moon_sysfs_text(const char *root, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An attribute's bytes (a VPD page), owned; NULL with *len 0 when there are none. */
unsigned char *moon_sysfs_bytes(size_t *len, const char *root, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The number in an attribute; `otherwise` when there is none. */
int64_t moon_sysfs_int(int64_t otherwise, const char *root, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Names in a directory, sorted (an empty array when there is no such directory). New reference; NULL: out of memory. */
json_t *moon_sysfs_list(const char *root, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Where a link below root leads, without links and below root, owned; NULL when it leads nowhere. */
char *moon_sysfs_real(const char *root, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The kernel's name ("dm-3", "sda1") of a block device that is given as any path: a node, or a link
 * to one (/dev/mapper/x, /dev/disk/by-id/...), or that name itself. Owned; NULL with *err
 * (not_found, or invalid for what is no block device). */
char *moon_sysfs_device(const char *root, const char *path, struct moon_err *err);

#endif
