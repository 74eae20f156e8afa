/* Failures that a test orders at run time, for both transports: which rule fires for a call
 * (faults.c), and what that does to the call and to its finished reply (fault_apply.c). */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "util.h"

enum sim_action {
    SIM_FAULT_NONE,
    /* instead of the call, or after it: the call fails */
    SIM_FAULT_ERROR,
    SIM_FAULT_BUSY,
    SIM_FAULT_NOSPACE,
    SIM_FAULT_SUSPENDED,
    /* the same, one level lower: the HTTP reply is another one, or none */
    SIM_FAULT_AUTH,
    SIM_FAULT_HTTP,
    SIM_FAULT_REDIRECT,
    SIM_FAULT_DROP,
    SIM_FAULT_RESET,
    SIM_FAULT_GARBAGE,
    SIM_FAULT_LOGIN,
    /* the reply speaks of a job that ends badly */
    SIM_FAULT_JOB_FAIL,
    SIM_FAULT_JOB_LIES,
    SIM_FAULT_JOB_LOST,
    /* the call is carried out, its reply suffers */
    SIM_FAULT_TRUNCATE,
    SIM_FAULT_CONTROL,
    SIM_FAULT_MUTATE,
    /* only time: so long, or until the rule is removed */
    SIM_FAULT_DELAY,
    SIM_FAULT_HOLD,
    /* left to the handler */
    SIM_FAULT_LOSE,
    SIM_FAULT_REPEAT,
    SIM_FAULT_SLOW,
};

struct sim_fault {
    enum sim_action action;
    bool after; /* the call is carried out first */
    int num;    /* ZAPI errno; 0: the action's own */
    int code;   /* REST error code; 0: the one that goes with the errno */
    unsigned status;
    unsigned retry_after; /* seconds */
    unsigned ms;
    uint64_t seed;
    uint64_t rule;    /* its id */
    uint64_t hit;     /* how often the rule has fired, from 1 */
    char volume[256]; /* the rule's volume, or "" */
    char reason[256];
    char location[256];
};

/* The calling thread now serves the nth request of its connection. */
void sim_fault_connection(unsigned ordinal);

/* Which rule fires for this call? A ZAPI call's name, or "METHOD /template" for REST. volumes: the
 * volumes it touches. Counts the match. */
bool sim_fault_match(const char *call, const char *svm, const char *const *volumes, size_t count,
                     struct sim_fault *out);

/* Add a rule from JSON; its id, or 0 with a text that says what is wrong. */
uint64_t sim_fault_add(const char *json, size_t len, struct sim_err *err);
/* What these remove holds no call any more. */
bool sim_fault_delete(uint64_t id); /* unlocked */
void sim_fault_clear(void);         /* unlocked */
bool sim_fault_exists(uint64_t id);
char *sim_fault_json(void); /* owned */

/* A front end asks these in this order: sim_fault_wait(); carry the call out unless sim_fault_skips();
 * then, if sim_fault_fails(), the call has failed with sim_fault_error(); if sim_fault_has_job(),
 * the reply is about the job that sim_fault_job() returns. The server does the rest with
 * sim_fault_apply(). */
void sim_fault_wait(const struct sim_fault *f); /* unlocked */
bool sim_fault_skips(const struct sim_fault *f);
bool sim_fault_fails(const struct sim_fault *f);
bool sim_fault_has_job(const struct sim_fault *f);
/* Always returns -1. call as in sim_fault_match(). */
int sim_fault_error(const struct sim_fault *f, const char *call, struct sim_err *err);
/* Locked. A job that runs for f->ms more and then fails or is gone; its number. */
uint64_t sim_fault_job(const struct sim_fault *f, const char *name, const char *svm);
/* For the request log: what became of the call. */
const char *sim_fault_outcome(const struct sim_fault *f, bool failed);

struct sim_http;
/* What the fault does to the finished reply, whichever front end made it. */
void sim_fault_apply(const struct sim_fault *f, struct sim_http *h);

#endif
