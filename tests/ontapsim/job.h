/* Jobs: one list for both transports. ONTAPI knows a job by its number, REST by its uuid. A job that
 * has ended is forgotten after sim.job_keep_ms. Everything here is called locked. */
#ifndef SIM_JOB_H
#define SIM_JOB_H

#include "util.h"

enum sim_job_state { SIM_JOB_QUEUED, SIM_JOB_RUNNING, SIM_JOB_SUCCESS, SIM_JOB_FAILURE };

/* How a job ends that a fault rule has made. */
enum sim_doom { SIM_JOB_LIVES, SIM_JOB_FAILS, SIM_JOB_LIES, SIM_JOB_VANISHES };

struct sim_job {
    uint64_t id;
    char uuid[37];
    char name[40]; /* as ONTAPI shows it */
    char svm[256];
    char *description; /* as REST shows it, or NULL */
    enum sim_job_state state;
    bool lies;    /* it is called a success, beside the error that it ended with */
    bool cancel;  /* asked for */
    bool working; /* too late to cancel */
    int num;      /* the model's error number */
    int code;     /* the REST code; 0 while there is none */
    char detail[512];
    int64_t started; /* epoch seconds */
    int64_t ended;
    int64_t ended_ms; /* monotonic */
    enum sim_doom doom;
    int64_t doom_at; /* monotonic ms */
};

/* Running. Valid until it is forgotten: keep the id, not the pointer. */
struct sim_job *sim_job_new(const char *name, const char *svm);
struct sim_job *sim_job_find(uint64_t id);
struct sim_job *sim_job_by_uuid(const char *uuid);
/* The first job with a greater id; NULL at the end. */
struct sim_job *sim_job_next(uint64_t after);
bool sim_job_over(const struct sim_job *job);
void sim_job_end(uint64_t id, bool ok, const char *detail);
void sim_job_fail(uint64_t id, const struct sim_err *err);
void sim_job_forget(uint64_t id);
const char *sim_job_state_name(const struct sim_job *job);
void sim_job_free(void); /* all of them */

#endif
