/* What one can do to snapshots, independent of the transport: the ZAPI and REST front ends parse
 * their arguments and call these. Everything here is called unlocked unless it says otherwise. */
#ifndef SIM_SNAP_H
#define SIM_SNAP_H

#include "model.h"

struct sim_snap_spec {
    const char *name;
    const char *comment; /* NULL: none */
    const char *label;
    bool async;
};

bool sim_snap_name_ok(const char *name);

int sim_snap_create(struct sim_volume *vol, const struct sim_snap_spec *spec, struct sim_err *err);
/* uuid NULL: any. */
int sim_snap_delete(struct sim_volume *vol, const char *name, const char *uuid, bool ignore_owners,
                    struct sim_err *err);
int sim_snap_rename(struct sim_volume *vol, const char *name, const char *new_name,
                    struct sim_err *err);
/* Locked. NULL leaves a value as it is, an empty text removes it. */
int sim_snap_modify(struct sim_volume *vol, struct sim_snap *snap, const char *comment,
                    const char *label, struct sim_err *err);

/* Locked. Who wants it to stay; a change is not saved. */
bool sim_snap_owned(const struct sim_snap *snap, const char *owner);
void sim_snap_own(struct sim_snap *snap, const char *owner);
void sim_snap_disown(struct sim_snap *snap, const char *owner);

/* The steps of a creation, for consistency groups too. */

/* Locked, the volume held by sim_op_begin. */
int sim_snap_check(struct sim_volume *vol, const struct sim_snap_spec *spec, struct sim_err *err);
/* Unlocked. A copy of the live files under a name that no client sees; owned text or NULL. */
char *sim_snap_copy(struct sim_volume *vol, struct sim_err *err);
/* Locked. Turn such a copy into a snapshot, or leave it there and fail. */
int sim_snap_publish(struct sim_volume *vol, const struct sim_snap_spec *spec, const char *temp,
                     int64_t created, struct sim_err *err);
/* The same for a snapshot that comes with its own identity; takes snap. */
int sim_snap_receive(struct sim_volume *vol, struct sim_snap *snap, const char *temp,
                     struct sim_err *err);
/* Unlocked. A name in .snapshot that no client sees and the next start removes; owned. */
char *sim_snap_temp(const char *kind);
/* Unlocked. */
void sim_snap_discard(struct sim_volume *vol, const char *temp);

#endif
