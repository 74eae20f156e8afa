/* Block devices and multipath maps of this host: any name of a device to its map, the map's LUN, its
 * paths and their states; and the changes that a workflow makes to maps.
 *
 * What a device is made of comes from /sys, features and usable paths from device-mapper, the
 * checker's opinion from multipathd where it runs: all of it works with multipathd stopped. Reading
 * never touches a path, so that a dead map does not hang it. Everything here blocks: worker threads. */
#ifndef MOON_MULTIPATH_H
#define MOON_MULTIPATH_H

#include "err.h"

#include <jansson.h>

/* Where to look; NULL members mean this host. Borrowed. */
struct moon_mpath_world {
    const char *root;   /* directory that holds sys/ and dev/ */
    const char *dm;     /* recorded device-mapper tables, see dmtable.h */
    const char *socket; /* multipathd's, see mpathd.h; "" asks none */
};

/* The device behind any of its names (/dev/mapper/x, /dev/disk/by-id/..., /dev/dm-3, dm-3, a link).
 * *out (new):
 *   device  = "dm-3", the kernel's name;  number = "253:3";  size (bytes);  read_only
 *   kind    = "multipath" | "partition" | "lvm" | "crypt" | "dm" | "disk" | "other"
 *   name, uuid = device-mapper's, for what it made;  suspended
 *   wwid    = "3600a0980...", also of a disk without a map
 *   vendor, product, revision = the LUN's
 *   slaves  = ["sda", ...], holders = ["dm-5", ...]: what it is made of, what is made of it
 * and for a multipath map also
 *   features = [...], queueing (I/O waits for ever once no path is left), handler: missing where
 *       device-mapper does not tell, then `untold` says why
 *   paths   = [{device, number, size, hctl = "3:0:0:12", host, state = "running" | "offline" |
 *               "transport-offline" ..., access = "active/optimized" ..., preferred, wwid, serial
 *               (unit serial number page), target (iSCSI name), group, group_state, usable (by
 *               device-mapper), failures, checker, priority}]: fields that nobody tells are missing
 *   usable  = number of paths that device-mapper would use (that run, where it does not tell)
 * MOON_NOT_FOUND: no such device; MOON_INVALID: not a block device. */
int moon_mpath_find(const struct moon_mpath_world *w, const char *name, json_t **out,
                    struct moon_err *err);

/* All multipath maps, in the order of their numbers. */
int moon_mpath_list(const struct moon_mpath_world *w, json_t **out, struct moon_err *err);

/* The same LUN everywhere: each path's identification page, its unit serial number page where that has
 * ONTAP's form, the WWID in /sys and the map's own agree.
 * `map` as from moon_mpath_find. MOON_CONFLICT names the first path that is another LUN: it was
 * replaced under the same LUN number. MOON_NOT_FOUND when no path tells. */
int moon_mpath_same_lun(const struct moon_mpath_world *w, const json_t *map, struct moon_err *err);

/* --- changes; `map` is any name of it ---------------------------------------------------- */

/* Let the map take the size of its paths, which must agree: MOON_CONFLICT otherwise. Asks
 * multipathd, and waits for the new size in /sys. MOON_BUSY: no usable path, the order would hang. */
int moon_mpath_resize(const struct moon_mpath_world *w, const char *map, double seconds,
                      struct moon_err *err);
/* Remove the map. MOON_BUSY, naming the holder, while something uses it or is made of it; MOON_BUSY
 * while it queues without a path (it would hang): fail or remove the paths' queueing first. True also
 * when it has gone before. */
int moon_mpath_flush(const struct moon_mpath_world *w, const char *map, double seconds,
                     struct moon_err *err);
/* One path, by kernel name. Failing the last usable one is refused (MOON_CONFLICT). */
int moon_mpath_fail(const struct moon_mpath_world *w, const char *path, struct moon_err *err);
int moon_mpath_reinstate(const struct moon_mpath_world *w, const char *path, struct moon_err *err);
int moon_mpath_reconfigure(const struct moon_mpath_world *w, struct moon_err *err);

#endif
