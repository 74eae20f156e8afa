/* Work that takes time, and the jobs that it becomes. */
#include "rest.h"
#include "backend.h"

#include <stdio.h>
#include <string.h>

struct op {
    uint64_t job;
    struct rest_work w;
};

int rest_return_timeout(struct rest *r, unsigned *seconds)
{
    const char *text = rest_query_arg(r, "return_timeout");
    uint64_t n = 0;
    if (text && !sim_number(text, 0, 120, &n))
        return rest_invalid(r, "return_timeout", text, "0..120");
    *seconds = (unsigned)n;
    return 0;
}

/* Locked. True when the work is to be done: nobody has cancelled it while it was waiting. */
static bool wait_for_start(uint64_t id)
{
    int64_t began = sim_now_ms();
    struct sim_job *job = sim_job_find(id);
    if (job)
        job->state = SIM_JOB_RUNNING;
    while (!sim.stopping && job && !job->cancel && sim_now_ms() < began + sim.job_ms) {
        sim_wait(began + sim.job_ms);
        job = sim_job_find(id);
    }
    if (job)
        job->working = true;
    return !sim.stopping && (!job || !job->cancel);
}

static void finish(const struct op *op, int rc, const struct sim_err *err)
{
    struct sim_job *job = sim_job_find(op->job);
    if (!job)
        return;
    if (rc) {
        job->code = rest_code_of(op->w.doing, err);
        sim_job_fail(op->job, err);
    } else {
        sim_job_end(op->job, true, "success");
    }
}

static void op_free(struct op *op)
{
    if (op->w.done)
        op->w.done(op->w.arg);
    else
        free(op->w.arg);
    free(op);
}

static void *work(void *arg)
{
    struct op *op = arg;
    struct sim_err err = {0};
    int rc = -1;
    sim_lock();
    bool go = wait_for_start(op->job);
    sim_unlock();
    if (go)
        rc = op->w.run(op->w.arg, &err) ? -1 : sim_backend_sync(&err);
    else
        sim_fail(&err, SIM_EGENERIC, "The job was cancelled.");
    sim_lock();
    finish(op, rc, &err);
    sim_unlock();
    op_free(op);
    sim_lock();
    sim_worker_done();
    sim_unlock();
    return NULL;
}

/* The link to a job is there without HAL too: Cinder asks for plain JSON and follows it. */
static void job_reply(struct rest *r, const struct sim_job *job)
{
    json_t *ref = json_pack("{s:s}", "uuid", job->uuid);
    json_object_set_new(ref, "_links", rest_link("/api/cluster/jobs/%s", job->uuid));
    json_decref(r->out);
    r->out = json_pack("{s:o}", "job", ref);
    r->status = 202;
}

int rest_await(struct rest *r, uint64_t id, unsigned status, const char *location)
{
    unsigned seconds = 0;
    int rc = rest_return_timeout(r, &seconds);
    int64_t until = sim_now_ms() + (int64_t)seconds * 1000;
    sim_lock();
    struct sim_job *job = sim_job_find(id);
    while (!rc && seconds && job && !sim_job_over(job) && !sim.stopping && sim_now_ms() < until) {
        int64_t soon = sim_now_ms() + 100; /* a doomed job ends without a wake */
        sim_wait(soon < until ? soon : until);
        job = sim_job_find(id);
    }
    if (location)
        r->location = sim_arena_printf(&r->arena, "/api%s", location);
    if (!rc && !job)
        rc = rest_fail(r, 65552, NULL, "The job is gone.");
    else if (!rc && seconds && job->state == SIM_JOB_FAILURE)
        rc = rest_fail(r, job->code, NULL, "%s", job->detail);
    else if (!rc && seconds && job->state == SIM_JOB_SUCCESS)
        r->status = status;
    else if (!rc)
        job_reply(r, job);
    sim_unlock();
    return rc;
}

int rest_async(struct rest *r, const struct rest_work *w)
{
    unsigned seconds = 0;
    struct op *op = sim_alloc(1, sizeof(*op));
    op->w = *w;
    op->w.location = NULL;
    if (rest_return_timeout(r, &seconds)) {
        op_free(op);
        return -1;
    }
    sim_lock();
    struct sim_job *job = sim_job_new(r->route->name, w->svm ? w->svm->name : "");
    uint64_t id = op->job = job->id;
    job->state = SIM_JOB_QUEUED;
    job->description = sim_printf("%s /api%s", r->method, r->path);
    int rc = sim_spawn(work, op);
    if (rc)
        sim_job_forget(id);
    sim_unlock();
    if (!rc)
        return rest_await(r, id, w->status, w->location);
    op_free(op);
    return rest_fail(r, 65552, NULL, "No thread.");
}

int rest_bulk(struct rest *r, bool filtered, size_t count, const struct rest_work *w)
{
    if (!filtered)
        return rest_fail(r, REST_EMISSING, NULL,
                         "A change of a collection needs a query that selects records.");
    if (w && rest_async(r, w))
        return -1;
    json_t *job = json_object_get(r->out, "job");
    if (job)
        json_object_set_new(r->out, "jobs", json_pack("[O]", job));
    if (!r->out)
        r->out = json_object();
    json_object_set_new(r->out, "num_records", json_integer((json_int_t)count));
    return 0;
}

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0}, {"description", 0, 0},
    {"state", 0, 0},       {"message", 0, 0},
    {"code", 0, 0},        {"start_time", 0, 0},
    {"end_time", 0, 0},    {"error.message", 0, 0},
    {"error.code", 0, 0},  {"node.name", 0, REST_V(9, 10, 1)},
    {"svm.name", 0, 0},    {"svm.uuid", 0, 0},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static void job_record(struct rest_list *l, const struct sim_job *job)
{
    bool failed = job->state == SIM_JOB_FAILURE || job->lies;
    const struct sim_err err = {.num = job->num};
    int code = job->code ? job->code : rest_code_of(REST_DO_ANY, &err);
    const struct sim_svm *svm = sim_svm_find(job->svm);
    char text[24];
    rest_text(l, "uuid", job->uuid);
    rest_text(l, "description", job->description ? job->description : job->name);
    rest_text(l, "state", sim_job_state_name(job));
    rest_text(l, "message", sim_job_over(job) ? job->detail : "");
    rest_number(l, "code", failed ? (uint64_t)code : 0);
    rest_time(l, "start_time", job->started);
    if (sim_job_over(job))
        rest_time(l, "end_time", job->ended);
    if (failed && sim.job_error) {
        snprintf(text, sizeof(text), "%d", code);
        rest_text(l, "error.message", job->detail);
        rest_text(l, "error.code", text);
    }
    snprintf(text, sizeof(text), "%.19s-01", sim.cluster);
    rest_text(l, "node.name", text);
    rest_text(l, "svm.name", svm ? svm->name : NULL);
    rest_text(l, "svm.uuid", svm ? svm->uuid : NULL);
}

static bool visible(const struct rest *r, const struct sim_job *job)
{
    return !r->svm || !strcmp(job->svm, r->svm->name);
}

int rest_jobs_get(struct rest *r)
{
    struct rest_list l;
    uint64_t after = 0;
    if (rest_list_begin(&l, r, fields, FIELDS))
        return -1;
    if (l.keys[0] && !sim_number(l.keys[0], 0, UINT64_MAX, &after)) {
        rest_list_drop(&l);
        return rest_invalid(r, "start.after", l.keys[0], NULL);
    }
    sim_lock();
    for (struct sim_job *job = sim_job_next(after); job; job = sim_job_next(job->id)) {
        char key[24], self[64];
        if (!visible(r, job))
            continue;
        rest_record(&l);
        job_record(&l, job);
        snprintf(key, sizeof(key), "%llu", (unsigned long long)job->id);
        snprintf(self, sizeof(self), "/cluster/jobs/%s", job->uuid);
        if (!rest_row(&l, self, key, NULL, NULL))
            break;
    }
    sim_unlock();
    return rest_list_end(&l);
}

int rest_job_get(struct rest *r)
{
    struct rest_list l;
    if (rest_object_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    const struct sim_job *job = sim_job_by_uuid(r->params[0]);
    if (job && !visible(r, job))
        job = NULL;
    rest_record(&l);
    if (job)
        job_record(&l, job);
    sim_unlock();
    if (job)
        return rest_object_end(&l, sim_arena_printf(&r->arena, "/cluster/jobs/%s", r->params[0]));
    rest_list_drop(&l);
    return rest_missing_entry(r, "uuid");
}

/* Only what has not begun can be cancelled; nothing here can be paused. */
int rest_job_patch(struct rest *r)
{
    static const char *const names[] = {"action", NULL};
    int rc = 0;
    if (rest_accept(r, names))
        return -1;
    const char *action = rest_need(r, "action");
    if (!action)
        return -1;
    if (strcmp(action, "cancel") != 0 && strcmp(action, "pause") != 0 &&
        strcmp(action, "resume") != 0)
        return rest_invalid(r, "action", action, "pause, resume, cancel");
    sim_lock();
    struct sim_job *job = sim_job_by_uuid(r->params[0]);
    if (!job || !visible(r, job)) {
        rc = rest_missing_entry(r, "uuid");
    } else if (strcmp(action, "cancel") != 0 || job->working || sim_job_over(job)) {
        rc = rest_fail(r, REST_EVALUE, "action", "The job is %s; it does not take \"%s\".",
                       sim_job_state_name(job), action);
    } else {
        job->cancel = true;
        sim_wake();
    }
    sim_unlock();
    return rc;
}
