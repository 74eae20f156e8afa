/* Volumes, LUNs and snapshots by the thousand, for tests of scale. Names, uuids and serials follow
 * from the place in the row, so that nothing needs to be saved before a client changes something;
 * the directory of a snapshot is made when somebody looks into it. */
#ifndef SIM_GENERATE_H
#define SIM_GENERATE_H

#include "model.h"

enum { SIM_GENERATE_VOLUMES, SIM_GENERATE_LUNS, SIM_GENERATE_SNAPSHOTS };

/* Before the state is read: "gen0001" and so on, mounted at "/gen0001". */
void sim_generate_volumes(struct sim_svm *svm);
/* A generated volume without saved state gets its LUNs ("lun00001", spread over the volumes in
 * turns) and snapshots ("snap.0001"); false: it is none. Its directories are open. */
bool sim_generate_fill(struct sim_volume *vol);

#endif
