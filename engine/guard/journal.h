/* The guard's journal: which domains a run may have suspended, written before it does.
 *
 * One text file per run, a record a line, appended and synced, so that a power loss leaves whole
 * records (a last line without its end is ignored):
 *
 *   moonsnap-journal 1
 *   run PROFILE CONFIG ACTION
 *   uri URI
 *   engine PID STARTTIME        start time in clock ticks since boot: with the pid, one process
 *   guard PID STARTTIME
 *   deadline EPOCH
 *   hold UUID NAME              the run will suspend this domain
 *   freeze UUID NAME            the run will freeze it, or suspend it, or both
 *   free UUID                   it runs again
 *   detached                    `quiesce`: the engine ends while the domains stay suspended
 *   fired EPOCH                 the guard resumed them because nobody else did
 *   gave_up EPOCH               the guard could not resume them, and tries no more
 *   closed                      nothing is held any more
 */
#ifndef MOON_JOURNAL_H
#define MOON_JOURNAL_H

#include "err.h"

#include <jansson.h>
#include <sys/types.h>

struct moon_journal_head {
    const char *profile, *config, *action; /* NULL or empty: "-" */
    const char *uri;
    pid_t engine, guard;
    double deadline; /* epoch */
};

/* Begin a journal with the records of its head, all at once: whoever reads one without them takes its run for dead,
 * and removes it. Blocks on the disk. */
int moon_journal_begin(const char *path, const struct moon_journal_head *head,
                       struct moon_err *err);

/* Add one record (without line end) and sync it. Blocks on the disk. A record that did not fit on
 * it is taken back, so that the next one begins a line. MOON_NOT_FOUND: the journal was removed. */
int moon_journal_add(const char *path, struct moon_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Add a `hold` record for each of [{uuid, name, freeze?}] (`freeze` where that is true), or a `free` record for each of [uuid], and sync
 * once. MOON_INVALID for an entry without a uuid. */
int moon_journal_hold(const char *path, const json_t *domains, struct moon_err *err);
int moon_journal_free(const char *path, const json_t *uuids, struct moon_err *err);

/* {profile, config, action, uri, engine={pid,start}, guard={pid,start}, engine_alive, guard_alive,
 * deadline, held=[{uuid,name,freeze?}], detached, fired,
 * gave_up, closed}. MOON_PROTOCOL naming file and line when
 * it is no journal; MOON_IO when it cannot be told whether engine or guard live (no file may be opened any more, say). */
int moon_journal_read(const char *path, json_t **out, struct moon_err *err);

#endif
