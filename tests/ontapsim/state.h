/* What survives a restart: root/.ontapsim/state.json for the cluster, and one file per volume,
 * root/.ontapsim/volumes/SVM/VOLUME.json, so that a change costs one volume's snapshots at most.
 * The directories themselves decide what exists; the files add uuids, times, comments, labels. */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "model.h"

/* Make or open everything below root and fill the model; -1 after a line on stderr. */
int sim_state_open(void);

/* Locked. 0, or -1 after a line on stderr. */
int sim_state_save(void);
int sim_state_save_volume(const struct sim_volume *vol);

#endif
