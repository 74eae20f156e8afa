/* What a fault that fired does: to the call, to its job, and to the bytes of the finished reply. */
#include "faults.h"
#include "job.h"
#include "model.h"
#include "server.h"

#include <stdio.h>
#include <string.h>

/* Until a job has gone wrong, unless the rule says it: the reply must be able to name it. */
enum { JOB_MS = 100 };

bool sim_fault_fails(const struct sim_fault *f)
{
    return f->action >= SIM_FAULT_ERROR && f->action <= SIM_FAULT_SUSPENDED;
}

bool sim_fault_has_job(const struct sim_fault *f)
{
    return f->action >= SIM_FAULT_JOB_FAIL && f->action <= SIM_FAULT_JOB_LOST;
}

void sim_fault_wait(const struct sim_fault *f)
{
    int64_t until = sim_now_ms() + f->ms;
    if (f->action == SIM_FAULT_HOLD) {
        sim_lock();
        while (!sim.stopping && sim_now_ms() < until && sim_fault_exists(f->rule))
            sim_wait(until);
        sim_unlock();
    } else if (!sim_fault_has_job(f)) { /* there it is the job that takes the time */
        sim_sleep(f->ms);
    }
}

bool sim_fault_skips(const struct sim_fault *f)
{
    return !f->after && f->action >= SIM_FAULT_ERROR && f->action <= SIM_FAULT_JOB_LOST;
}

int sim_fault_error(const struct sim_fault *f, const char *call, struct sim_err *err)
{
    static const struct {
        enum sim_action action;
        const char *call; /* NULL: any other */
        int num;
        const char *text;
    } table[] = {
        {SIM_FAULT_BUSY, "snapshot-delete", SIM_ESNAPBUSY, "The snapshot is in use."},
        {SIM_FAULT_BUSY, "snapshot-restore-file", SIM_ERESTORING, "A restore is in progress."},
        {SIM_FAULT_BUSY, NULL, SIM_EBUSY, "The object is in use."},
        {SIM_FAULT_NOSPACE, NULL, SIM_ENOSPACE, "No space left in the volume."},
        {SIM_FAULT_SUSPENDED, NULL, SIM_ESUSPENDED, "ONTAPI service is suspended on this cluster."},
        {SIM_FAULT_ERROR, NULL, SIM_EGENERIC, "Injected failure."},
    };
    size_t i = 0;
    while (table[i].action != f->action || (table[i].call && strcmp(table[i].call, call) != 0))
        i++;
    return sim_fail(err, f->num ? f->num : table[i].num, "%s",
                    f->reason[0] ? f->reason : table[i].text);
}

uint64_t sim_fault_job(const struct sim_fault *f, const char *name, const char *svm)
{
    struct sim_job *job = sim_job_new(name, svm);
    job->doom = f->action == SIM_FAULT_JOB_LOST   ? SIM_JOB_VANISHES
                : f->action == SIM_FAULT_JOB_LIES ? SIM_JOB_LIES
                                                  : SIM_JOB_FAILS;
    job->doom_at = sim_now_ms() + (f->ms ? f->ms : JOB_MS);
    job->num = f->num ? f->num : SIM_EGENERIC;
    job->code = f->code;
    snprintf(job->detail, sizeof(job->detail), "%s",
             f->reason[0] ? f->reason : "Injected failure.");
    return job->id;
}

const char *sim_fault_outcome(const struct sim_fault *f, bool failed)
{
    switch (f->action) {
    case SIM_FAULT_AUTH:
        return "unauthorized";
    case SIM_FAULT_HTTP:
        return f->status == 401 ? "unauthorized" : "failed";
    case SIM_FAULT_REDIRECT:
    case SIM_FAULT_DROP:
    case SIM_FAULT_RESET:
    case SIM_FAULT_GARBAGE:
    case SIM_FAULT_LOGIN:
    case SIM_FAULT_TRUNCATE:
        return "dropped";
    default:
        return failed ? "failed" : "passed";
    }
}

/* splitmix64: the same damage for the same seed and count, on every machine. */
static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* Cut the body at some point, flip up to eight bits, or both. Its length in the header is right. */
static void mutate(const struct sim_fault *f, struct sim_buf *b)
{
    uint64_t state = f->seed ^ f->hit * 0xd1342543de82ef95U;
    unsigned what = (unsigned)(next(&state) % 3);
    if (what != 1 && b->len)
        b->len = (size_t)(next(&state) % b->len);
    for (uint64_t n = what ? next(&state) % 8 + 1 : 0; n && b->len; n--) {
        uint64_t at = next(&state) % (b->len * 8);
        b->data[at / 8] = (char)(b->data[at / 8] ^ (1 << at % 8));
    }
    if (b->data)
        b->data[b->len] = '\0';
}

/* A control character at the start of every value: of each text between two XML tags, of each JSON
 * string that follows a colon. */
static void add_controls(struct sim_buf *b)
{
    static const char marks[] = {0x01, 0x0b, 0x1f};
    struct sim_buf out = {0};
    bool json = b->len && b->data[0] == '{';
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++) {
        const char *p = b->data + i;
        char before = i ? p[-1] : '\0', after = i + 1 < b->len ? p[1] : '\0';
        sim_buf_add(&out, p, 1);
        bool value = json ? *p == '"' && (before == ':' || (before == ' ' && i > 1 && p[-2] == ':'))
                          : *p == '>' && after && !strchr("<\r\n", after);
        if (value)
            sim_buf_add(&out, &marks[n++ % sizeof(marks)], 1);
    }
    sim_buf_free(b);
    *b = out;
}

static void make_garbage(struct sim_buf *b)
{
    static const char noise[] = "\x01\xfe<results status=passed & \xff\x00 no XML, no {JSON";
    b->len = 0;
    sim_buf_add(b, noise, sizeof(noise) - 1);
}

/* The whole reply is this HTTP status, as each front end says it. */
static void make_status(struct sim_http *h, unsigned status, const char *reason)
{
    static const struct {
        unsigned status;
        int code;
        const char *text;
    } table[] = {
        {401, 6691623, "User is not authorized."},
        {403, 6, "not authorized for that command"},
        {404, 4, "entry doesn't exist"},
        {429, 262160, "Too many requests."},
        {503, 8, "The service is not available now."},
        {0, 262210, "Internal error."},
    };
    size_t i = 0;
    while (table[i].status && table[i].status != status)
        i++;
    const char *text = *reason ? reason : table[i].text;
    sim_http_text(h, status, text);
    if (strncmp(h->path, "/api/", 5) != 0)
        return;
    h->type = "application/hal+json";
    h->out.len = 0;
    sim_buf_adds(&h->out, "{\"error\":{\"message\":\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            sim_buf_adds(&h->out, "\\");
        sim_buf_add(&h->out, p, 1);
    }
    sim_buf_addf(&h->out, "\",\"code\":\"%d\"}}", table[i].code);
}

void sim_fault_apply(const struct sim_fault *f, struct sim_http *h)
{
    switch (f->action) {
    case SIM_FAULT_AUTH:
        make_status(h, 401, f->reason);
        break;
    case SIM_FAULT_HTTP:
        make_status(h, f->status, f->reason);
        h->retry_after = f->retry_after;
        break;
    case SIM_FAULT_REDIRECT:
        sim_http_text(h, f->status ? f->status : 302, "Moved.");
        h->location = f->location;
        break;
    case SIM_FAULT_DROP:
        h->cut = SIM_CUT_DROP;
        break;
    case SIM_FAULT_RESET:
        h->cut = SIM_CUT_RESET;
        break;
    case SIM_FAULT_TRUNCATE:
        h->cut = SIM_CUT_HALF;
        break;
    case SIM_FAULT_GARBAGE:
        make_garbage(&h->out);
        break;
    case SIM_FAULT_LOGIN:
        sim_http_text(h, 200, "<html><body><p>Please log in.</p></body></html>");
        h->type = "text/html";
        break;
    case SIM_FAULT_CONTROL:
        add_controls(&h->out);
        break;
    case SIM_FAULT_MUTATE:
        mutate(f, &h->out);
        break;
    default:
        break;
    }
}
