/* What the guard notes in a run's record of the catalog. */
#ifndef MOON_RECORD_H
#define MOON_RECORD_H

#include "err.h"

#include <jansson.h>

/* The run of the record at `path` has died, and its domains were brought back at `when` (epoch seconds):
 * "crash_consistent": true and "rescued": {time, guests = names of held=[{name}]} are added to a record
 * whose run has not ended by its own word ("started"); any other is left as it is. Only when the engine is
 * gone, which else writes it. Blocks on the disk. */
int moon_record_rescued(const char *path, const json_t *held, double when, struct moon_err *err);

#endif
