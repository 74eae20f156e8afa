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

#endif
