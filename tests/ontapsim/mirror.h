/* SnapMirror: policies, relationships (they live where the destination is), transfers that copy
 * snapshots of a source volume into a destination volume. The source is a volume of this simulator
 * or of another one on this machine (a peer); either way it is asked through mirror_source.c. */
#ifndef SIM_MIRROR_H
#define SIM_MIRROR_H

#include "model.h"

#include <jansson.h>
#include <stdatomic.h>

enum {
    SIM_EMIRROR = 13102,
    SIM_EMIRRORSOURCE = 17105, /* the source is a different one */
    SIM_EMIRRORNOTDP = 17114,
    SIM_EMIRROREXISTS = 17122,
    SIM_EMIRRORNOTQUIESCED = 17127,
    SIM_EMIRRORIDLE = 17130,
    SIM_EMIRRORACTIVE = 17131, /* another operation */
    SIM_EMIRRORTRANSFER = 17137,
    SIM_EMIRRORNOSOURCE = 19068,
};

/* --- policies: mirror_policy.c --- */

enum sim_policy_type {
    SIM_POLICY_ASYNC,
    SIM_POLICY_VAULT,
    SIM_POLICY_MIRROR_VAULT,
    SIM_POLICY_SYNC,
    SIM_POLICY_STRICT_SYNC,
};

struct sim_policy_rule {
    char *label;
    unsigned keep;
    bool preserve;
    unsigned warn;
};

struct sim_policy {
    char *name;
    char uuid[37];
    char *svm; /* NULL: the cluster's */
    enum sim_policy_type type;
    char *comment;
    struct sim_policy_rule *rules;
    size_t rule_count;
    bool builtin;
};

/* Locked. The SVM's own policy, else the cluster's. */
struct sim_policy *sim_policy_find(const char *svm, const char *name);
struct sim_policy *sim_policy_by_uuid(const char *uuid);
struct sim_policy *sim_policy_create(const char *svm, const char *name, enum sim_policy_type type,
                                     const char *comment, struct sim_err *err);
int sim_policy_add_rule(struct sim_policy *p, const char *label, unsigned keep, bool preserve,
                        struct sim_err *err);
int sim_policy_remove_rule(struct sim_policy *p, const char *label, struct sim_err *err);
int sim_policy_delete(struct sim_policy *p, struct sim_err *err);
const struct sim_policy_rule *sim_policy_rule(const struct sim_policy *p, const char *label);
/* Does an update make a snapshot of its own on the source? Does it take all there are? */
size_t sim_policy_count(void);
void sim_policy_free(void);
bool sim_policy_makes(const struct sim_policy *p);
bool sim_policy_takes_all(const struct sim_policy *p);
bool sim_policy_is_sync(const struct sim_policy *p);
unsigned sim_policy_total_keep(const struct sim_policy *p);

/* --- relationships: mirror.c --- */

enum sim_mirror_type { SIM_MIRROR_DP, SIM_MIRROR_XDP, SIM_MIRROR_RESTORE };
enum sim_mirror_state { SIM_MIRROR_NEW, SIM_MIRROR_MIRRORED, SIM_MIRROR_BROKEN };
enum sim_transfer_state {
    SIM_TRANSFER_RUNNING,
    SIM_TRANSFER_SUCCESS,
    SIM_TRANSFER_FAILED,
    SIM_TRANSFER_ABORTED,
    SIM_TRANSFER_HARD_ABORTED,
};
enum sim_transfer_kind {
    SIM_TRANSFER_INITIALIZE,
    SIM_TRANSFER_UPDATE,
    SIM_TRANSFER_RESYNC,
    SIM_TRANSFER_RESTORE,
};

struct sim_restore_pair {
    char *from;
    char *to;
};

struct sim_transfer {
    char uuid[37];
    enum sim_transfer_kind kind;
    enum sim_transfer_state state;
    char *source_snapshot;          /* asked for; NULL: as the policy says */
    char *snapshot;                 /* the newest one moved so far */
    struct sim_restore_pair *files; /* restore of some; none: the whole volume */
    size_t file_count;
    uint64_t bytes; /* so far */
    uint64_t total;
    int64_t started; /* epoch seconds */
    int64_t ended;
    int64_t started_ms; /* monotonic */
    int64_t ended_ms;
    uint64_t job;
    unsigned rate; /* KB/s; 0: the relationship's */
    struct sim_err error;
};

enum { SIM_TRANSFERS = 32 };

struct sim_mirror {
    char uuid[37];
    char *source_svm;
    char *source_volume;
    char *svm;
    char *volume;
    char *policy;
    char *schedule;
    enum sim_mirror_type type;
    enum sim_mirror_state state;
    bool quiesced;
    atomic_bool cancel;    /* the running transfer ends early */
    bool hard;             /* and forgets its checkpoint */
    unsigned throttle;     /* KB/s; 0: none */
    struct sim_err ailing; /* why it is not healthy; num 0: it is */
    char *newest;          /* the exported snapshot; NULL: none yet */
    char newest_uuid[37];
    int64_t newest_time;
    struct sim_transfer *transfers[SIM_TRANSFERS]; /* newest first; NULL: no more */
    uint64_t total_bytes;
    int64_t removed_ms; /* a restore that is over: gone at that time; 0: stays */
    unsigned serial;    /* of the snapshots it makes */
};

struct sim_mirror_spec {
    const char *source_svm;
    const char *source_volume;
    const char *svm;
    const char *volume;
    const char *policy; /* NULL: the type's own */
    const char *schedule;
    enum sim_mirror_type type;
    unsigned throttle;
    const char *uuid; /* NULL: a new one */
};

/* "svm:volume" or "cluster://svm/volume"; false when it is neither. Texts in the arena. */
bool sim_mirror_location(struct sim_arena *a, const char *text, const char **svm,
                         const char **volume);

/* Locked. */
struct sim_mirror *sim_mirror_find(const char *svm, const char *volume);
struct sim_mirror *sim_mirror_by_uuid(const char *uuid);
struct sim_transfer *sim_mirror_transfer(const struct sim_mirror *m, const char *uuid);
bool sim_mirror_running(const struct sim_mirror *m);
const struct sim_policy *sim_mirror_policy(const struct sim_mirror *m);
/* May the volume go? Not while it is the destination of a relationship. */
int sim_mirror_check_destroy(const struct sim_volume *vol, struct sim_err *err);
/* May it get another name, and how its relationships follow. */
int sim_mirror_check_rename(const struct sim_volume *vol, struct sim_err *err);
void sim_mirror_rename(const struct sim_volume *vol, const char *name);
size_t sim_mirror_count(void);
struct sim_mirror *sim_mirror_at(size_t i);                     /* by destination */
const char *sim_mirror_state_name(const struct sim_mirror *m);  /* as ONTAPI has it */
const char *sim_mirror_status_name(const struct sim_mirror *m); /* idle, transferring ... */
const char *sim_mirror_type_name(const struct sim_mirror *m);
const char *sim_transfer_kind_name(const struct sim_transfer *t);
const char *sim_policy_type_name(const struct sim_policy *p);
bool sim_policy_type_read(const char *text, enum sim_policy_type *type);

/* Unlocked. What one can do; the relationship is named by its uuid, which the caller has looked up.
 * A transfer goes on in the background; id (37 characters, or NULL) becomes its uuid, job (or NULL)
 * its number. */
int sim_mirror_create(const struct sim_mirror_spec *spec, char id[37], struct sim_err *err);
int sim_mirror_start(const char *uuid, enum sim_transfer_kind kind, const char *snapshot,
                     unsigned rate, char id[37], uint64_t *job, struct sim_err *err);
int sim_mirror_restore(const char *uuid, const char *snapshot, const struct sim_restore_pair *files,
                       size_t count, unsigned rate, char id[37], uint64_t *job,
                       struct sim_err *err);
int sim_mirror_abort(const char *uuid, bool hard, struct sim_err *err);
int sim_mirror_quiesce(const char *uuid, struct sim_err *err);
int sim_mirror_resume(const char *uuid, struct sim_err *err);
/* force: quiesce first, as REST does. */
int sim_mirror_break(const char *uuid, bool force, struct sim_err *err);
int sim_mirror_modify(const char *uuid, const char *policy, const char *schedule,
                      const unsigned *throttle, struct sim_err *err);
/* The relationship alone; the source keeps its snapshots until it is told to release. */
int sim_mirror_destroy(const char *uuid, struct sim_err *err);

/* Locked. Background threads of transfers end as soon as they can. */
void sim_mirror_stop(void);
void sim_mirror_free(void);

/* Locked, for mirror_state.c and mirror_transfer.c. */
struct sim_mirror *sim_mirror_add(const struct sim_mirror_spec *spec);
void sim_mirror_set_type(const struct sim_mirror *m, const char *type);

/* mirror_transfer.c. Locked: the thread for m's newest transfer. */
int sim_mirror_spawn(struct sim_mirror *m);

/* mirror_state.c. Locked. */
int sim_mirror_save(void);
int sim_mirror_load(void);
/* After everything is loaded: transfers that a stop interrupted go on. */
void sim_mirror_resume_all(void);

#endif
