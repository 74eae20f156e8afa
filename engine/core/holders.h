/* Who uses a block device: what is made of it, what is mounted from it, who has it open. What a
 * restore or a flush must not touch is refused with the name that stands here. */
#ifndef MOON_HOLDERS_H
#define MOON_HOLDERS_H

#include "multipath.h"

/* *out (new): [{kind, name, device?, pid?}], the nearest first:
 *   partition, lvm, crypt, dm     a device made of it, by device-mapper's name; and then who uses that
 *   loop                          a loop device made of it or of one of these
 *   mount                         name = the mount point
 *   swap                          name = the device
 *   target                        handed out by this host's own SCSI target (LIO), name = the storage object's
 *   process                       name = the program, pid; `except` is left out (0: nobody,
 *                                 MOON_HOLDERS_NO_PROCESSES: all, none is looked at)
 * Devices are followed through all layers. Processes are those that this user may look into: without
 * root those of other users are not seen. proc: "/proc" or a tree in its place. Reads only /sys and
 * proc, never the device. */
#define MOON_HOLDERS_NO_PROCESSES (-1)
int moon_device_holders(const struct moon_mpath_world *w, const char *proc, const char *name,
                        int except, json_t **out, struct moon_err *err);

#endif
