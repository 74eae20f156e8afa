/* Single-file restore from a snapshot: a background thread moves the bytes into the live file. */
#ifndef SIM_RESTORE_H
#define SIM_RESTORE_H

#include "model.h"

#include <jansson.h>

/* Unlocked. Check, open and start; the bytes follow later. path and dest are relative to the
 * volume; dest NULL: the same path. uuid NULL: any. */
int sim_restore_file(struct sim_volume *vol, const char *snapshot, const char *uuid,
                     const char *path, const char *dest, struct sim_err *err);

/* Locked. Running restores of an SVM (NULL: all). */
unsigned sim_restore_count(const struct sim_svm *svm);
/* Locked. True while that file (relative to the volume) is the target of a restore. */
bool sim_restore_running(const struct sim_volume *vol, const char *dest);

/* A restore goes on after a restart: what is running, and how to take it up again. */
json_t *sim_restore_state(void);
void sim_restore_load(json_t *list);

void sim_restore_free(void);

#endif
