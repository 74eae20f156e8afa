/* Jobs, by number. */
#include "job.h"
#include "model.h"

#include <stdio.h>
#include <string.h>

static struct sim_job **jobs; /* by id */
static size_t job_count;

static const char *const states[] = {
    [SIM_JOB_QUEUED] = "queued",
    [SIM_JOB_RUNNING] = "running",
    [SIM_JOB_SUCCESS] = "success",
    [SIM_JOB_FAILURE] = "failure",
};

const char *sim_job_state_name(const struct sim_job *job)
{
    return states[job->state];
}

bool sim_job_over(const struct sim_job *job)
{
    return job->state == SIM_JOB_SUCCESS || job->state == SIM_JOB_FAILURE;
}

static void drop(size_t at)
{
    free(jobs[at]->description);
    free(jobs[at]);
    memmove(&jobs[at], &jobs[at + 1], (job_count - at - 1) * sizeof(struct sim_job *));
    job_count--;
}

static void set_end(struct sim_job *job, enum sim_job_state state, int num, const char *detail)
{
    job->state = state;
    job->num = num;
    job->ended = sim_epoch();
    job->ended_ms = sim_now_ms();
    job->doom = SIM_JOB_LIVES;
    if (detail != job->detail)
        snprintf(job->detail, sizeof(job->detail), "%s", detail);
    sim_wake();
}

/* Let the time that has passed have its effect. */
static void update(void)
{
    int64_t now = sim_now_ms();
    for (size_t i = 0; i < job_count;) {
        struct sim_job *job = jobs[i];
        bool doomed = job->doom != SIM_JOB_LIVES && now >= job->doom_at;
        bool old = sim_job_over(job) && job->ended_ms < now - sim.job_keep_ms;
        if (old || (doomed && job->doom == SIM_JOB_VANISHES)) {
            drop(i);
            continue;
        }
        if (doomed) {
            job->lies = job->doom == SIM_JOB_LIES;
            set_end(job, job->lies ? SIM_JOB_SUCCESS : SIM_JOB_FAILURE, job->num, job->detail);
        }
        i++;
    }
}

/* The index of the first job whose id is at least that. */
static size_t place(uint64_t id)
{
    size_t lo = 0, hi = job_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (jobs[mid]->id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct sim_job *sim_job_new(const char *name, const char *svm)
{
    struct sim_job *job = sim_alloc(1, sizeof(*job));
    update();
    job->id = sim.next_job++;
    job->state = SIM_JOB_RUNNING;
    job->started = sim_epoch();
    snprintf(job->name, sizeof(job->name), "%s", name);
    snprintf(job->svm, sizeof(job->svm), "%s", svm);
    sim_uuid(job->uuid);
    jobs = sim_grow(jobs, job_count + 1, sizeof(struct sim_job *));
    jobs[job_count++] = job;
    return job;
}

struct sim_job *sim_job_find(uint64_t id)
{
    update();
    size_t i = place(id);
    return i < job_count && jobs[i]->id == id ? jobs[i] : NULL;
}

struct sim_job *sim_job_by_uuid(const char *uuid)
{
    update();
    for (size_t i = job_count; i-- > 0;) {
        if (!strcmp(jobs[i]->uuid, uuid))
            return jobs[i];
    }
    return NULL;
}

struct sim_job *sim_job_next(uint64_t after)
{
    update();
    size_t i = place(after + 1);
    return i < job_count ? jobs[i] : NULL;
}

static void end(uint64_t id, enum sim_job_state state, int num, const char *detail)
{
    size_t i = place(id);
    if (i == job_count || jobs[i]->id != id)
        return;
    set_end(jobs[i], state, num, detail);
}

void sim_job_end(uint64_t id, bool ok, const char *detail)
{
    end(id, ok ? SIM_JOB_SUCCESS : SIM_JOB_FAILURE, ok ? 0 : SIM_EGENERIC, detail);
}

void sim_job_fail(uint64_t id, const struct sim_err *err)
{
    end(id, SIM_JOB_FAILURE, err->num ? err->num : SIM_EGENERIC, err->reason);
}

void sim_job_forget(uint64_t id)
{
    size_t i = place(id);
    if (i < job_count && jobs[i]->id == id)
        drop(i);
    sim_wake();
}

void sim_job_free(void)
{
    while (job_count)
        drop(job_count - 1);
    free(jobs);
    jobs = NULL;
}
