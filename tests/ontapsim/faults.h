/* Failures that a test orders at run time. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "util.h"

enum sim_action {
    SIM_FAULT_NONE,
    SIM_FAULT_ERROR,
    SIM_FAULT_DELAY,
    SIM_FAULT_DROP,
    SIM_FAULT_GARBAGE,
    SIM_FAULT_TRUNCATE,
    SIM_FAULT_BUSY,
    SIM_FAULT_NOSPACE,
    SIM_FAULT_AUTH,
    SIM_FAULT_LOSE,
};

struct sim_fault {
    enum sim_action action;
    bool after; /* the call is carried out first */
    int num;
    unsigned ms;
    char volume[256]; /* the rule's volume, or "" */
    char reason[256];
};

/* Which rule fires for this call? volumes: the volumes it touches. Counts the match. */
bool sim_fault_match(const char *call, const char *svm, const char *const *volumes, size_t count,
                     struct sim_fault *out);

/* Add a rule from JSON; its id, or 0 with a text that says what is wrong. */
uint64_t sim_fault_add(const char *json, size_t len, struct sim_err *err);
bool sim_fault_delete(uint64_t id);
void sim_fault_clear(void);
char *sim_fault_json(void); /* owned */

#endif
