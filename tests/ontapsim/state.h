/* What survives a restart: root/.ontapsim/state.json for the cluster, and one file per volume,
 * root/.ontapsim/volumes/SVM/VOLUME.json, so that a change costs one volume's snapshots at most.
 * The directories themselves decide what exists; the files add uuids, times, comments, labels. */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "model.h"

#include <jansson.h>

/* Make or open everything below root and fill the model; -1 after a line on stderr. */
int sim_state_open(void);

/* Locked. 0, or -1 after a line on stderr. */
int sim_state_save(void);
int sim_state_save_volume(const struct sim_volume *vol);
/* The volume of that name is no more: one of the configuration leaves a mark, so that it does not
 * come back with the next start. */
void sim_state_drop_volume(const struct sim_volume *vol);
/* A document of an SVM beside its volumes, root/.ontapsim/svms/SVM.PART.json; takes doc. */
int sim_state_save_svm(const struct sim_svm *svm, const char *part, json_t *doc);
json_t *sim_state_load_svm(const struct sim_svm *svm, const char *part); /* NULL: none */

/* volume_state.c: the attributes of a volume. What clients changed counts until the configuration
 * says something else than it did then. */
void sim_volume_state(const struct sim_volume *vol, json_t *doc);
void sim_volume_restore(struct sim_volume *vol, json_t *doc); /* doc may be NULL */
bool sim_volume_deleted(const struct sim_volume *vol, json_t *doc);
void sim_volume_link(struct sim_svm *svm); /* clones to their parents */

#endif
