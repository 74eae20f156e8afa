/* LUNs as real devices: whenever what is mapped changes, a command of the user's (config key `backend`)
 * is told all of it and makes it so, on an iSCSI target for instance. */
#ifndef SIM_BACKEND_H
#define SIM_BACKEND_H

#include "model.h"

/* Unlocked. Run the command if the mapped, online LUNs are not those that it was told of last: one line
 * each on its standard input, "LUN-NUMBER SERIAL SIZE FILE". Waits for it. -1 when it fails: the change
 * stands, and the next one tries again. */
int sim_backend_sync(struct sim_err *err);

#endif
