/* Single-file restore from a snapshot: a background thread moves the bytes into the live file. */
#ifndef SIM_RESTORE_H
#define SIM_RESTORE_H

#include "model.h"

#include <jansson.h>

struct sim_restore_spec {
    const char *snapshot; /* one of them may be NULL: any */
    const char *uuid;
    const char *path; /* relative to the volume, as is dest */
    const char *dest; /* NULL: the same path */
    uint64_t first;   /* a part of the file, in bytes; count 0: all of it */
    uint64_t count;
};

/* Unlocked. Check, open and start; the bytes follow later, and *job (NULL: not wanted) tells when
 * they are there. */
int sim_restore_start(struct sim_volume *vol, const struct sim_restore_spec *spec, uint64_t *job,
                      struct sim_err *err);
/* The same for a whole file. */
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
