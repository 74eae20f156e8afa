/* What device-mapper itself knows of a multipath map: its features, and which paths it would use. */
#ifndef MOON_DMTABLE_H
#define MOON_DMTABLE_H

#include "err.h"

#include <jansson.h>

/* Table and status of a map as the kernel prints them, without the target's name, owned. `recorded`
 * is a file of lines "table NAME: START LENGTH TARGET ..." and "status NAME: ..." to read in the
 * kernel's place, or a directory with such a file for each map, of its name (NULL: the kernel,
 * through libdevmapper). MOON_UNSUPPORTED when there is no
 * device-mapper, MOON_DENIED without the right to ask it, MOON_NOT_FOUND for an unknown map,
 * MOON_INVALID when its target is not multipath. Blocks only if the kernel does. */
int moon_dm_read(const char *recorded, const char *name, char **table, char **status,
                 struct moon_err *err);

/* Both texts into *out (new): {features=[...], queueing (queue_if_no_path), handler?, paths={"8:16" =
 * {group=1.., group_state="active"|"enabled"|"disabled", usable, failures}}}. MOON_PROTOCOL when the
 * counts in a text do not fit what follows. Layout: the kernel's
 * Documentation/admin-guide/device-mapper and drivers/md/dm-mpath.c. */
int moon_dm_parse(const char *table, const char *status, json_t **out, struct moon_err *err);

#endif
