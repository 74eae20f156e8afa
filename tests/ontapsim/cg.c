/* Consistency groups. A file system cannot hold back the writes of a guest, so the fence is the
 * deadline alone: the copies are taken by cg-start, and cg-commit must come before it passes. */
#include "cg.h"

#include <string.h>

struct sim_cg {
    struct sim_cg *next;
    uint64_t id;
    int64_t deadline; /* monotonic ms */
    int64_t created;
    char *name;
    char *comment;
    char *label;
    size_t count;
    struct sim_volume **vols;
    char **temps;
};

static void cg_free(struct sim_cg *cg)
{
    for (size_t i = 0; i < cg->count; i++)
        free(cg->temps[i]);
    free(cg->temps);
    free(cg->vols);
    free(cg->name);
    free(cg->comment);
    free(cg->label);
    free(cg);
}

/* Unlocked, no longer listed: remove the copies that were not published. */
static void discard(struct sim_cg *cg)
{
    for (size_t i = 0; i < cg->count; i++) {
        if (cg->temps[i])
            sim_snap_discard(cg->vols[i], cg->temps[i]);
    }
    cg_free(cg);
}

static struct sim_cg *find(const struct sim_svm *svm, uint64_t id)
{
    for (struct sim_cg *cg = sim.cgs; cg; cg = cg->next) {
        if (cg->id == id && cg->vols[0]->svm == svm)
            return cg;
    }
    return NULL;
}

static void unlink_cg(const struct sim_cg *cg)
{
    struct sim_cg **at = &sim.cgs;
    while (*at && *at != cg)
        at = &(*at)->next;
    if (*at)
        *at = cg->next;
}

bool sim_cg_has(const struct sim_svm *svm, uint64_t id, const char *volume)
{
    const struct sim_cg *cg = find(svm, id);
    for (size_t i = 0; cg && i < cg->count; i++) {
        if (!volume || !strcmp(cg->vols[i]->name, volume))
            return true;
    }
    return false;
}

static struct sim_cg *cg_new(struct sim_volume *const *vols, size_t count,
                             const struct sim_snap_spec *spec)
{
    struct sim_cg *cg = sim_alloc(1, sizeof(*cg));
    cg->name = sim_dup(spec->name);
    cg->comment = sim_dup(spec->comment);
    cg->label = sim_dup(spec->label);
    cg->count = count;
    cg->vols = sim_alloc(count, sizeof(struct sim_volume *));
    cg->temps = sim_alloc(count, sizeof(char *));
    memcpy(cg->vols, vols, count * sizeof(struct sim_volume *));
    cg->created = sim_epoch();
    return cg;
}

int sim_cg_start(struct sim_volume *const *vols, size_t count, const struct sim_snap_spec *spec,
                 unsigned timeout_ms, uint64_t *id, struct sim_err *err)
{
    sim_lock();
    if (sim_op_begin(vols, count)) {
        int refused = sim_op_refused(vols, count, err);
        sim_unlock();
        return refused;
    }
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = sim_snap_check(vols[i], spec, err);
    sim_unlock();
    struct sim_cg *cg = rc ? NULL : cg_new(vols, count, spec);
    for (size_t i = 0; i < count && !rc; i++) {
        cg->temps[i] = sim_snap_copy(vols[i], err);
        rc = cg->temps[i] ? 0 : -1;
    }
    sim_lock();
    if (!rc) {
        *id = cg->id = sim.next_cg++;
        cg->deadline = sim_now_ms() + (sim.fence_ms ? sim.fence_ms : timeout_ms);
        cg->next = sim.cgs;
        sim.cgs = cg;
    }
    sim_op_end(vols, count); /* wakes the timer too */
    sim_unlock();
    if (rc && cg)
        discard(cg);
    return rc;
}

int sim_cg_commit(const struct sim_svm *svm, uint64_t id, const char *lost, bool silent,
                  struct sim_err *err)
{
    int rc = 0;
    sim_lock();
    struct sim_cg *cg = find(svm, id);
    if (cg)
        unlink_cg(cg);
    if (!cg) {
        rc = sim_fail(err, SIM_ECG, "There is no consistency group operation with the id %llu.",
                      (unsigned long long)id);
    } else if (sim_now_ms() > cg->deadline) {
        rc = sim_fail(err, SIM_ECG, "The consistency group operation has timed out.");
    }
    for (size_t i = 0; cg && !rc && i < cg->count; i++) {
        const struct sim_snap_spec spec = {cg->name, cg->comment, cg->label, false};
        struct sim_err one = {0};
        bool drop = lost && !strcmp(lost, cg->vols[i]->name);
        if (!drop && !sim_snap_publish(cg->vols[i], &spec, cg->temps[i], cg->created, &one)) {
            free(cg->temps[i]);
            cg->temps[i] = NULL;
        } else if (!drop || !silent) {
            sim_fail(err, SIM_ECGSNAP, "The snapshot failed on volume \"%s\": %s",
                     cg->vols[i]->name, drop ? "not completed." : one.reason);
        }
    }
    if (err->num)
        rc = -1;
    sim_unlock();
    if (cg)
        discard(cg);
    return rc;
}

static void *timer(void *arg)
{
    (void)arg;
    sim_lock();
    while (!sim.stopping) {
        int64_t now = sim_now_ms();
        int64_t until = now + 1000;
        struct sim_cg *late = NULL;
        for (struct sim_cg *cg = sim.cgs; cg && !late; cg = cg->next) {
            if (cg->deadline < now)
                late = cg;
            else if (cg->deadline < until)
                until = cg->deadline + 1;
        }
        if (late) {
            unlink_cg(late);
            sim_unlock();
            discard(late);
            sim_lock();
        } else {
            sim_wait(until);
        }
    }
    sim_worker_done();
    sim_unlock();
    return NULL;
}

int sim_cg_timer_start(void)
{
    sim_lock();
    int rc = sim_spawn(timer, NULL);
    sim_unlock();
    return rc;
}

void sim_cg_free(void)
{
    while (sim.cgs) {
        struct sim_cg *cg = sim.cgs;
        sim.cgs = cg->next;
        discard(cg);
    }
}
