/* Consistency-group snapshots: start copies all volumes, commit makes the copies visible together,
 * a late commit finds them gone. */
#ifndef SIM_CG_H
#define SIM_CG_H

#include "snap.h"

struct sim_cg;

/* Unlocked. vols: no volume twice. */
int sim_cg_start(struct sim_volume *const *vols, size_t count, const struct sim_snap_spec *spec,
                 unsigned timeout_ms, uint64_t *id, struct sim_err *err);

/* Unlocked. lost: a volume (or NULL) whose snapshot is thrown away, for fault injection; with
 * `silent` the call passes all the same. */
int sim_cg_commit(const struct sim_svm *svm, uint64_t id, const char *lost, bool silent,
                  struct sim_err *err);

/* Locked. Does this group (of that SVM) hold the volume (NULL: any)? */
bool sim_cg_has(const struct sim_svm *svm, uint64_t id, const char *volume);
/* The background thread that ends fences; started once. */
int sim_cg_timer_start(void);
/* After everything has stopped. */
void sim_cg_free(void);

#endif
