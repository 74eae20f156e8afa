/* The source side of SnapMirror, as its destinations see it: what they ask, wherever it is. */
#ifndef SIM_MIRROR_SOURCE_H
#define SIM_MIRROR_SOURCE_H

#include "model.h"

#include <jansson.h>

/* A relationship as its source knows it. */
struct sim_destination {
    char uuid[37]; /* of the relationship */
    char *svm;     /* source */
    char *volume;
    char *destination; /* "svm:volume" */
    char *policy;
    char *policy_type;
};

/* Unlocked. The question is an object with "op", "svm" and "volume" of the source, and what the
 * operation needs; it is taken. The answer is an object, or NULL with an error.
 *
 *   list                          "snapshots": name, uuid, created, label, comment; oldest first
 *   create   name                 makes a snapshot
 *   delete   snapshot             what nobody holds
 *   hold     snapshot, owner      keeps it
 *   keep     snapshot, owner      keeps this one and no other of that owner; null: none
 *   register destination, relationship, policy, policy_type
 *   forget   relationship
 *   release  destination, keep    see sim_mirror_release() */
json_t *sim_source_ask(json_t *question, struct sim_err *err);
/* The same for a volume of this simulator only. */
json_t *sim_source_answer(const json_t *question, struct sim_err *err);
/* Unlocked. The directory of a snapshot of the source; -1 with an error. */
int sim_source_open(const char *svm, const char *volume, const char *snapshot, struct sim_err *err);

/* Locked. */
size_t sim_destination_count(void);
const struct sim_destination *sim_destination_at(size_t i);
/* Unlocked. Source side: it is over, its snapshots are free; keep_snapshots: but not deleted.
 * relationship: its uuid, or NULL: whatever leads from there to the destination. */
int sim_mirror_release(const char *svm, const char *volume, const char *destination,
                       bool keep_snapshots, struct sim_err *err);

/* Locked, before the volume has its new name. */
void sim_destination_rename(const struct sim_volume *vol, const char *name);
json_t *sim_destination_state(void); /* locked */
void sim_destination_load(json_t *list);
void sim_destination_free(void);

/* mirror_peer.c: the other simulators. */
struct sim_peer {
    char *name;
    char *root;
    char *url; /* NULL: as the file that it leaves in its root says */
};

/* The peer that has this SVM, or NULL. */
const struct sim_peer *sim_peer_of(const char *svm);
json_t *sim_peer_ask(const struct sim_peer *peer, json_t *question, struct sim_err *err);

#endif
