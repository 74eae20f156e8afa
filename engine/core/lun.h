/* What is done to the host's side of a LUN around a restore. Blocking: worker threads. */
#ifndef MOON_LUN_H
#define MOON_LUN_H

#include "multipath.h"

/* Ask the paths of a map, or a disk, again for size and identity. Paths that do not run are left out,
 * since asking them waits for their recovery; MOON_BUSY when none runs. *out (new): {rescanned=n,
 * left_out=[...]}. */
int moon_lun_rescan(const struct moon_mpath_world *w, const char *name, json_t **out,
                    struct moon_err *err);

/* Drop what the host has cached of a device, so that the next read comes from the LUN. What is dirty
 * is written first: the caller makes sure that nothing is. MOON_BUSY without a usable path. */
int moon_lun_drop_cache(const struct moon_mpath_world *w, const char *name, struct moon_err *err);

/* Let every SCSI host look for LUNs that were mapped since. *out (new): {hosts=n}. Appearing takes the
 * kernel and multipathd a moment: look for the map afterwards. */
int moon_lun_scan(const struct moon_mpath_world *w, json_t **out, struct moon_err *err);

/* Take the disks of one LUN off this host, after its map was flushed and before it is unmapped on the
 * controller; the other order leaves paths that never come back. `wwid` names the LUN, so that only its
 * disks can be meant. MOON_BUSY, naming the holder, while one is used. *out (new): {removed=[...]}. */
int moon_lun_remove(const struct moon_mpath_world *w, const char *wwid, json_t **out,
                    struct moon_err *err);

#endif
