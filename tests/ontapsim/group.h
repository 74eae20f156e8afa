/* Consistency groups as objects, which REST has: a name over volumes that are in no other group, and
 * the snapshots taken of it. The snapshots themselves are those of the volumes. */
#ifndef SIM_GROUP_H
#define SIM_GROUP_H

#include "model.h"

enum { SIM_GROUP_VOLUMES = 80 };

struct sim_group_snap {
    struct sim_group_snap *next;
    char uuid[37];
    char *name;
    char *comment; /* NULL: none */
    char *label;
    char *type; /* crash, application */
    int64_t created;
    bool pending; /* started, not committed */
    uint64_t cg;  /* the operation, while it is pending */
};

struct sim_group {
    struct sim_group *next;
    struct sim_svm *svm;
    char uuid[37];
    char *name;
    struct sim_volume *vols[SIM_GROUP_VOLUMES];
    size_t count;
    struct sim_group_snap *snaps;
};

/* Locked. By svm and name, in this order. */
struct sim_group *sim_group_first(void);
struct sim_group *sim_group_by_uuid(const char *uuid);
struct sim_group *sim_group_of(const struct sim_volume *vol);
struct sim_group_snap *sim_group_snap_find(const struct sim_group *group, const char *uuid);
/* Does every volume still have that snapshot? */
bool sim_group_snap_complete(const struct sim_group *group, const struct sim_group_snap *snap);

/* Locked. */
struct sim_group *sim_group_create(struct sim_svm *svm, const char *name,
                                   struct sim_volume *const *vols, size_t count,
                                   struct sim_err *err);
/* Change members: more of them, or fewer. */
int sim_group_add(struct sim_group *group, struct sim_volume *vol, struct sim_err *err);
int sim_group_remove(struct sim_group *group, const struct sim_volume *vol, struct sim_err *err);
int sim_group_delete(struct sim_group *group, struct sim_err *err);

struct sim_group_spec {
    const char *uuid; /* of the new snapshot */
    const char *name;
    const char *comment;
    const char *label;
    const char *type;
    unsigned timeout_ms;
};

/* Unlocked; groups are named by uuid because they may go meanwhile. Writes are held back until the
 * commit; one that comes too late fails. lost, silent: as in sim_cg_commit(). */
int sim_group_snap_start(const char *group, const struct sim_group_spec *spec, struct sim_err *err);
int sim_group_snap_commit(const char *group, const char *uuid, const char *lost, bool silent,
                          struct sim_err *err);
int sim_group_snap_delete(const char *group, const char *uuid, struct sim_err *err);
/* Every volume back to the snapshot; newer ones go. */
int sim_group_revert(const char *group, const char *uuid, struct sim_err *err);

void sim_group_load(void); /* after the volumes */
void sim_group_free(void);

#endif
