/* SnapMirror relationships: what there are, and what one can do to them. The bytes are moved by
 * mirror_transfer.c. */
#include "mirror.h"
#include "job.h"
#include "mirror_source.h"
#include "state.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

static void transfer_free(struct sim_transfer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->file_count; i++) {
        free(t->files[i].from);
        free(t->files[i].to);
    }
    free(t->files);
    free(t->source_snapshot);
    free(t->snapshot);
    free(t);
}

static void mirror_free(struct sim_mirror *m)
{
    for (size_t i = 0; i < SIM_TRANSFERS; i++)
        transfer_free(m->transfers[i]);
    free(m->source_svm);
    free(m->source_volume);
    free(m->svm);
    free(m->volume);
    free(m->policy);
    free(m->schedule);
    free(m->newest);
    free(m);
}

static void take_off(size_t at)
{
    struct sim_mirror *m = sim.mirrors[at];
    memmove(&sim.mirrors[at], &sim.mirrors[at + 1],
            (sim.mirror_count - at - 1) * sizeof(struct sim_mirror *));
    sim.mirror_count--;
    mirror_free(m);
}

/* Restores that are over disappear after a while. */
static void purge(void)
{
    int64_t now = sim_now_ms();
    for (size_t i = sim.mirror_count; i > 0; i--) {
        const struct sim_mirror *m = sim.mirrors[i - 1];
        if (m->removed_ms && m->removed_ms <= now)
            take_off(i - 1);
    }
}

static int order(const struct sim_mirror *m, const char *svm, const char *volume)
{
    int rc = strcmp(m->svm, svm);
    return rc ? rc : strcmp(m->volume, volume);
}

static size_t place(const char *svm, const char *volume)
{
    size_t lo = 0, hi = sim.mirror_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (order(sim.mirrors[mid], svm, volume) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct sim_mirror *sim_mirror_find(const char *svm, const char *volume)
{
    purge();
    size_t at = place(svm, volume);
    return at < sim.mirror_count && !order(sim.mirrors[at], svm, volume) ? sim.mirrors[at] : NULL;
}

struct sim_mirror *sim_mirror_by_uuid(const char *uuid)
{
    purge();
    for (size_t i = 0; i < sim.mirror_count; i++) {
        if (!strcmp(sim.mirrors[i]->uuid, uuid))
            return sim.mirrors[i];
    }
    return NULL;
}

size_t sim_mirror_count(void)
{
    purge();
    return sim.mirror_count;
}

struct sim_mirror *sim_mirror_at(size_t i)
{
    return sim.mirrors[i];
}

struct sim_transfer *sim_mirror_transfer(const struct sim_mirror *m, const char *uuid)
{
    for (size_t i = 0; i < SIM_TRANSFERS && m->transfers[i]; i++) {
        if (!strcmp(m->transfers[i]->uuid, uuid))
            return m->transfers[i];
    }
    return NULL;
}

bool sim_mirror_running(const struct sim_mirror *m)
{
    return m->transfers[0] && m->transfers[0]->state == SIM_TRANSFER_RUNNING;
}

const struct sim_policy *sim_mirror_policy(const struct sim_mirror *m)
{
    return sim_policy_find(m->svm, m->policy);
}

int sim_mirror_check_destroy(const struct sim_volume *vol, struct sim_err *err)
{
    const struct sim_mirror *m = sim_mirror_find(vol->svm->name, vol->name);
    if (!m)
        return 0;
    return sim_fail(err, SIM_EVOLBUSY,
                    "Volume \"%s\" is the destination of a SnapMirror relationship with %s:%s.",
                    vol->name, m->source_svm, m->source_volume);
}

static bool is_source(const struct sim_mirror *m, const struct sim_volume *vol)
{
    return !strcmp(m->source_svm, vol->svm->name) && !strcmp(m->source_volume, vol->name);
}

int sim_mirror_check_rename(const struct sim_volume *vol, struct sim_err *err)
{
    for (size_t i = 0, n = sim_mirror_count(); i < n; i++) {
        const struct sim_mirror *m = sim.mirrors[i];
        bool concerned = is_source(m, vol) || !order(m, vol->svm->name, vol->name);
        if (concerned && sim_mirror_running(m))
            return sim_fail(err, SIM_EVOLBUSY, "A SnapMirror transfer of volume \"%s\" runs.",
                            vol->name);
    }
    return 0;
}

static int by_destination(const void *a, const void *b)
{
    const struct sim_mirror *const *x = a, *const *y = b;
    return order(*x, (*y)->svm, (*y)->volume);
}

void sim_mirror_rename(const struct sim_volume *vol, const char *name)
{
    for (size_t i = 0; i < sim.mirror_count; i++) {
        struct sim_mirror *m = sim.mirrors[i];
        char **slot = !order(m, vol->svm->name, vol->name) ? &m->volume
                      : is_source(m, vol)                  ? &m->source_volume
                                                           : NULL;
        if (!slot)
            continue;
        free(*slot);
        *slot = sim_dup(name);
    }
    if (sim.mirror_count)
        qsort(sim.mirrors, sim.mirror_count, sizeof(struct sim_mirror *), by_destination);
    sim_destination_rename(vol, name);
    sim_mirror_save();
}

const char *sim_mirror_state_name(const struct sim_mirror *m)
{
    static const char *const names[] = {[SIM_MIRROR_NEW] = "uninitialized",
                                        [SIM_MIRROR_MIRRORED] = "snapmirrored",
                                        [SIM_MIRROR_BROKEN] = "broken-off"};
    return names[m->state];
}

const char *sim_mirror_status_name(const struct sim_mirror *m)
{
    if (sim_mirror_running(m) && m->cancel)
        return "aborting";
    if (sim_mirror_running(m))
        return m->quiesced ? "quiescing" : "transferring";
    return m->quiesced ? "quiesced" : "idle";
}

const char *sim_mirror_type_name(const struct sim_mirror *m)
{
    static const char *const names[] = {[SIM_MIRROR_DP] = "data_protection",
                                        [SIM_MIRROR_XDP] = "extended_data_protection",
                                        [SIM_MIRROR_RESTORE] = "restore"};
    return names[m->type];
}

const char *sim_transfer_kind_name(const struct sim_transfer *t)
{
    static const char *const names[] = {[SIM_TRANSFER_INITIALIZE] = "initialize",
                                        [SIM_TRANSFER_UPDATE] = "update",
                                        [SIM_TRANSFER_RESYNC] = "resync",
                                        [SIM_TRANSFER_RESTORE] = "restore"};
    return names[t->kind];
}

bool sim_mirror_location(struct sim_arena *a, const char *text, const char **svm,
                         const char **volume)
{
    static const char scheme[] = "://";
    const char *old = strstr(text, scheme);
    char *copy = sim_arena_dup(a, old ? old + sizeof(scheme) - 1 : text);
    char *mark = strchr(copy, old ? '/' : ':');
    if (!mark || mark == copy || !mark[1] || strpbrk(mark + 1, "/:"))
        return false;
    *mark = '\0';
    *svm = copy;
    *volume = mark + 1;
    return true;
}

static struct sim_volume *destination(const char *svm, const char *volume)
{
    const struct sim_svm *s = sim_svm_find(svm);
    return s ? sim_volume_find(s, volume) : NULL;
}

/* Locked. */
static int check_new(const struct sim_mirror_spec *spec, struct sim_err *err)
{
    const struct sim_volume *vol = destination(spec->svm, spec->volume);
    const struct sim_mirror *there = sim_mirror_find(spec->svm, spec->volume);
    bool rw = vol && !strcmp(vol->type, "rw");
    if (there)
        return sim_fail(err, SIM_EMIRROREXISTS, "A relationship with the destination %s:%s exists.",
                        spec->svm, spec->volume);
    if (!vol)
        return sim_fail(err, SIM_EVOLMISSING, "There is no volume \"%.200s\" in SVM \"%.200s\".",
                        spec->volume, spec->svm);
    if (spec->type == SIM_MIRROR_RESTORE && !rw)
        return sim_fail(err, SIM_EVOLREADONLY, "A restore needs a read-write volume; \"%s\" is %s.",
                        vol->name, vol->type);
    if (spec->type != SIM_MIRROR_RESTORE && rw)
        return sim_fail(err, SIM_EMIRRORNOTDP, "Volume \"%s\" is not of type DP.", vol->name);
    if (!strcmp(spec->svm, spec->source_svm) && !strcmp(spec->volume, spec->source_volume))
        return sim_fail(err, SIM_EMIRROR, "Source and destination are the same.");
    if (spec->policy && !sim_policy_find(spec->svm, spec->policy))
        return sim_fail(err, SIM_ENOENTRY, "There is no policy \"%.200s\".", spec->policy);
    return 0;
}

static const char *default_policy(enum sim_mirror_type type)
{
    return type == SIM_MIRROR_DP ? "DPDefault" : "MirrorAllSnapshots";
}

struct sim_mirror *sim_mirror_add(const struct sim_mirror_spec *spec)
{
    struct sim_mirror *m = sim_alloc(1, sizeof(*m));
    size_t at = place(spec->svm, spec->volume);
    if (spec->uuid)
        snprintf(m->uuid, sizeof(m->uuid), "%s", spec->uuid);
    else
        sim_uuid(m->uuid);
    m->source_svm = sim_dup(spec->source_svm);
    m->source_volume = sim_dup(spec->source_volume);
    m->svm = sim_dup(spec->svm);
    m->volume = sim_dup(spec->volume);
    m->policy = sim_dup(spec->policy ? spec->policy : default_policy(spec->type));
    m->schedule = sim_dup(spec->schedule);
    m->type = spec->type;
    m->throttle = spec->throttle;
    sim.mirrors = sim_grow(sim.mirrors, sim.mirror_count + 1, sizeof(struct sim_mirror *));
    memmove(&sim.mirrors[at + 1], &sim.mirrors[at],
            (sim.mirror_count - at) * sizeof(struct sim_mirror *));
    sim.mirrors[at] = m;
    sim.mirror_count++;
    return m;
}

/* Unlocked. Is the source there, and does it know of us from now on? */
static int greet_source(const struct sim_mirror_spec *spec, const char *uuid, struct sim_err *err)
{
    sim_lock();
    const struct sim_policy *p =
        sim_policy_find(spec->svm, spec->policy ? spec->policy : default_policy(spec->type));
    AUTO_FREE char *there = sim_printf("%s:%s", spec->svm, spec->volume);
    json_t *question =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "op", "register", "svm", spec->source_svm,
                  "volume", spec->source_volume, "destination", there, "relationship", uuid,
                  "policy", p ? p->name : "", "policy_type", p ? sim_policy_type_name(p) : "");
    sim_unlock();
    json_t *answer = sim_source_ask(question, err);
    json_decref(answer);
    return answer ? 0 : -1;
}

int sim_mirror_create(const struct sim_mirror_spec *spec, char id[37], struct sim_err *err)
{
    sim_lock();
    int rc = check_new(spec, err);
    struct sim_mirror *m = rc ? NULL : sim_mirror_add(spec);
    if (m)
        memcpy(id, m->uuid, sizeof(m->uuid));
    sim_unlock();
    if (rc)
        return -1;
    rc = greet_source(spec, id, err);
    sim_lock();
    m = sim_mirror_by_uuid(id);
    if (rc && m)
        m->removed_ms = 1;
    if (!rc && sim_mirror_save())
        rc = sim_fail(err, SIM_EINTERNAL, "State not saved.");
    sim_unlock();
    return rc;
}

/* Locked. The relationship when it is there and no transfer runs. */
static struct sim_mirror *idle(const char *uuid, struct sim_err *err)
{
    struct sim_mirror *m = sim_mirror_by_uuid(uuid);
    if (!m)
        sim_fail(err, SIM_ENOENTRY, "entry doesn't exist");
    else if (sim_mirror_running(m))
        sim_fail(err, SIM_EMIRRORTRANSFER, "Another transfer is in progress.");
    return m && !sim_mirror_running(m) ? m : NULL;
}

static int check_start(const struct sim_mirror *m, enum sim_transfer_kind kind, struct sim_err *err)
{
    static const enum sim_mirror_state needed[] = {
        [SIM_TRANSFER_INITIALIZE] = SIM_MIRROR_NEW,
        [SIM_TRANSFER_UPDATE] = SIM_MIRROR_MIRRORED,
        [SIM_TRANSFER_RESYNC] = SIM_MIRROR_BROKEN,
        [SIM_TRANSFER_RESTORE] = SIM_MIRROR_NEW,
    };
    const struct sim_volume *vol = destination(m->svm, m->volume);
    if (kind != SIM_TRANSFER_RESTORE && m->type == SIM_MIRROR_RESTORE)
        return sim_fail(err, SIM_EMIRROR, "The relationship is one of a restore.");
    if (m->state != needed[kind])
        return sim_fail(err, SIM_EMIRROR, "Not possible while the relationship is %s.",
                        sim_mirror_state_name(m));
    if (m->quiesced && kind != SIM_TRANSFER_RESYNC)
        return sim_fail(err, SIM_EMIRROR, "The relationship is quiesced.");
    if (!vol)
        return sim_fail(err, SIM_EVOLMISSING, "There is no volume \"%s\".", m->volume);
    if (strcmp(vol->state, "online") != 0)
        return sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    return 0;
}

/* Locked. A transfer becomes the newest; takes t. */
static int launch(struct sim_mirror *m, struct sim_transfer *t, char id[37], uint64_t *job,
                  struct sim_err *err)
{
    AUTO_FREE char *name = sim_printf("SnapMirror %s", sim_transfer_kind_name(t));
    transfer_free(m->transfers[SIM_TRANSFERS - 1]);
    memmove(&m->transfers[1], &m->transfers[0],
            (SIM_TRANSFERS - 1) * sizeof(struct sim_transfer *));
    m->transfers[0] = t;
    sim_uuid(t->uuid);
    t->started = sim_epoch();
    t->started_ms = sim_now_ms();
    t->job = sim_job_new(name, m->svm)->id;
    m->cancel = m->hard = false;
    if (id)
        memcpy(id, t->uuid, sizeof(t->uuid));
    if (job)
        *job = t->job;
    if (!sim_mirror_save() && !sim_mirror_spawn(m))
        return 0;
    t->state = SIM_TRANSFER_FAILED;
    sim_job_end(t->job, false, "No thread.");
    return sim_fail(err, SIM_EINTERNAL, "The transfer cannot be started.");
}

int sim_mirror_start(const char *uuid, enum sim_transfer_kind kind, const char *snapshot,
                     unsigned rate, char id[37], uint64_t *job, struct sim_err *err)
{
    sim_lock();
    struct sim_mirror *m = idle(uuid, err);
    int rc = m ? check_start(m, kind, err) : -1;
    if (!rc) {
        struct sim_transfer *t = sim_alloc(1, sizeof(*t));
        t->kind = kind;
        t->source_snapshot = snapshot && *snapshot ? sim_dup(snapshot) : NULL;
        t->rate = rate;
        rc = launch(m, t, id, job, err);
    }
    sim_unlock();
    return rc;
}

int sim_mirror_restore(const char *uuid, const char *snapshot, const struct sim_restore_pair *files,
                       size_t count, unsigned rate, char id[37], uint64_t *job, struct sim_err *err)
{
    sim_lock();
    struct sim_mirror *m = idle(uuid, err);
    int rc = m ? check_start(m, SIM_TRANSFER_RESTORE, err) : -1;
    if (!rc && m->type != SIM_MIRROR_RESTORE)
        rc = sim_fail(err, SIM_EMIRROR, "Files are restored by a relationship for a restore only.");
    if (!rc) {
        struct sim_transfer *t = sim_alloc(1, sizeof(*t));
        t->kind = SIM_TRANSFER_RESTORE;
        t->source_snapshot = snapshot && *snapshot ? sim_dup(snapshot) : NULL;
        t->rate = rate;
        t->files = sim_alloc(count, sizeof(*t->files));
        for (; t->file_count < count; t->file_count++)
            t->files[t->file_count] = (struct sim_restore_pair){sim_dup(files[t->file_count].from),
                                                                sim_dup(files[t->file_count].to)};
        rc = launch(m, t, id, job, err);
    }
    sim_unlock();
    return rc;
}

int sim_mirror_abort(const char *uuid, bool hard, struct sim_err *err)
{
    int rc = 0;
    sim_lock();
    struct sim_mirror *m = sim_mirror_by_uuid(uuid);
    if (!m) {
        rc = sim_fail(err, SIM_ENOENTRY, "entry doesn't exist");
    } else if (!sim_mirror_running(m)) {
        rc = sim_fail(err, SIM_EMIRRORIDLE, "There is no transfer in progress.");
    } else {
        m->hard = hard;
        m->cancel = true;
        sim_wake();
    }
    sim_unlock();
    return rc;
}

int sim_mirror_quiesce(const char *uuid, struct sim_err *err)
{
    int rc = 0;
    sim_lock();
    struct sim_mirror *m = sim_mirror_by_uuid(uuid);
    if (!m) {
        rc = sim_fail(err, SIM_ENOENTRY, "entry doesn't exist");
    } else {
        m->quiesced = true; /* a transfer that runs is let finish */
        rc = sim_mirror_save();
    }
    sim_unlock();
    return rc;
}

int sim_mirror_resume(const char *uuid, struct sim_err *err)
{
    int rc = 0;
    sim_lock();
    struct sim_mirror *m = sim_mirror_by_uuid(uuid);
    if (!m) {
        rc = sim_fail(err, SIM_ENOENTRY, "entry doesn't exist");
    } else if (!m->quiesced) {
        rc = sim_fail(err, SIM_EMIRRORNOTQUIESCED, "The relationship is not quiesced.");
    } else {
        m->quiesced = false;
        rc = sim_mirror_save();
    }
    sim_unlock();
    return rc;
}

/* Locked. The volume takes writes from now on, or not any longer. */
void sim_mirror_set_type(const struct sim_mirror *m, const char *type)
{
    struct sim_volume *vol = destination(m->svm, m->volume);
    if (!vol || !strcmp(vol->type, type))
        return;
    free(vol->type);
    vol->type = sim_dup(type);
    sim_state_save_volume(vol);
}

int sim_mirror_break(const char *uuid, bool force, struct sim_err *err)
{
    int rc = 0;
    sim_lock();
    struct sim_mirror *m = idle(uuid, err);
    if (!m) {
        rc = -1;
    } else if (m->state != SIM_MIRROR_MIRRORED) {
        rc = sim_fail(err, SIM_EMIRROR, "Not possible while the relationship is %s.",
                      sim_mirror_state_name(m));
    } else if (!m->quiesced && !force) {
        rc = sim_fail(err, SIM_EMIRRORNOTQUIESCED, "The relationship is not quiesced.");
    } else {
        m->state = SIM_MIRROR_BROKEN;
        m->quiesced = false;
        sim_mirror_set_type(m, "rw");
        rc = sim_mirror_save();
    }
    sim_unlock();
    return rc;
}

int sim_mirror_modify(const char *uuid, const char *policy, const char *schedule,
                      const unsigned *throttle, struct sim_err *err)
{
    int rc = 0;
    sim_lock();
    struct sim_mirror *m = idle(uuid, err);
    if (!m)
        rc = -1;
    else if (policy && !sim_policy_find(m->svm, policy))
        rc = sim_fail(err, SIM_ENOENTRY, "There is no policy \"%.200s\".", policy);
    if (!rc && policy) {
        free(m->policy);
        m->policy = sim_dup(policy);
    }
    if (!rc && schedule) {
        free(m->schedule);
        m->schedule = *schedule ? sim_dup(schedule) : NULL;
    }
    if (!rc && throttle)
        m->throttle = *throttle;
    if (!rc)
        rc = sim_mirror_save();
    sim_unlock();
    return rc;
}

int sim_mirror_destroy(const char *uuid, struct sim_err *err)
{
    int rc = -1;
    sim_lock();
    struct sim_mirror *m = idle(uuid, err);
    if (m) {
        m->removed_ms = 1;
        rc = sim_mirror_save();
        if (rc)
            sim_fail(err, SIM_EINTERNAL, "State not saved.");
    }
    sim_unlock();
    return rc;
}

void sim_mirror_stop(void)
{
    for (size_t i = 0; i < sim.mirror_count; i++)
        sim.mirrors[i]->cancel = true;
    sim_wake();
}

void sim_mirror_free(void)
{
    while (sim.mirror_count)
        take_off(sim.mirror_count - 1);
    free(sim.mirrors);
    sim.mirrors = NULL;
    sim_policy_free();
    sim_destination_free();
}
