/* Writes and reads the guard's journal in a thread of its own, one record after the other: the disk may be what does not
 * answer, and the guard process must not wait for that while guests stand still. */
#ifndef MOON_WRITER_H
#define MOON_WRITER_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>

struct moon_writer;

/* path: of the journal; has to stay. Starts the thread. NULL: no memory, or no thread to be had. Lives as long as the
 * process. */
struct moon_writer *moon_writer_new(const char *path);

/* What moon_journal_add, _hold, _free and _read (journal.h) do, waiting until the monotonic time `until` at most.
 * MOON_TIMEOUT: not done by then. Records of moon_writer_add and moon_writer_free are written all the same, in their turn, as
 * soon as the disk answers; a hold is not, or is followed by `free` records of the same domains. One thread at a time. */
int moon_writer_add(struct moon_writer *w, double until, struct moon_err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int moon_writer_hold(struct moon_writer *w, const json_t *domains, double until,
                     struct moon_err *err);
int moon_writer_free(struct moon_writer *w, const json_t *uuids, double until,
                     struct moon_err *err);
int moon_writer_read(struct moon_writer *w, double until, json_t **out, struct moon_err *err);

/* Something is still waiting for the disk. Does not wait itself. */
bool moon_writer_busy(struct moon_writer *w);

#endif
