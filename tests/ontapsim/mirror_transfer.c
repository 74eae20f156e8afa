/* The thread of a transfer: which snapshots go, their bytes into hidden copies at the destination,
 * the time it takes, then all of them at once in the open; and the same for a restore. */
#include "mirror.h"
#include "job.h"
#include "lun.h"
#include "mirror_source.h"
#include "snap.h"
#include "state.h"
#include "store.h"
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A snapshot on its way. */
struct parcel {
    char *name;
    char *temp; /* its copy below the destination's .snapshot, until it is published */
    struct sim_snap *snap;
};

struct work {
    struct sim_mirror *m;
    struct sim_transfer *t;
    struct sim_volume *vol;
    char *owner;   /* of what the source keeps for us */
    char *made;    /* the snapshot that this transfer had made, or NULL */
    char *live;    /* the copy that becomes the live files, or NULL */
    json_t *snaps; /* of the source, oldest first */
    size_t common; /* index of the newest that both have, plus one; 0: none */
    struct parcel *parcels;
    size_t count;
};

static json_t *question(const struct work *w, const char *op, const char *key, const char *value)
{
    json_t *q = json_pack("{s:s, s:s, s:s, s:s}", "op", op, "svm", w->m->source_svm, "volume",
                          w->m->source_volume, "owner", w->owner);
    if (q && key)
        json_object_set_new(q, key, value ? json_string(value) : json_null());
    return q;
}

static int ask(const struct work *w, const char *op, const char *key, const char *value,
               struct sim_err *err)
{
    json_t *answer = sim_source_ask(question(w, op, key, value), err);
    json_decref(answer);
    return answer ? 0 : -1;
}

static const char *text(json_t *doc, const char *key)
{
    return json_string_value(json_object_get(doc, key));
}

static const char *snap_text(const struct work *w, size_t i, const char *key)
{
    const char *value = text(json_array_get(w->snaps, i), key);
    return value ? value : "";
}

/* Locked. The destination's snapshot with the source's identity. */
static struct sim_snap *twin(const struct work *w, size_t i)
{
    struct sim_snap *s = sim_snap_find(w->vol, snap_text(w, i, "name"));
    return s && !strcmp(s->uuid, snap_text(w, i, "uuid")) ? s : NULL;
}

static int list(struct work *w, struct sim_err *err)
{
    json_t *answer = sim_source_ask(question(w, "list", NULL, NULL), err);
    json_t *snaps = json_object_get(answer, "snapshots");
    json_decref(w->snaps);
    w->snaps = json_incref(snaps);
    json_decref(answer);
    if (!w->snaps)
        return err->num ? -1
                        : sim_fail(err, SIM_EMIRROR, "The source does not list its snapshots.");
    sim_lock();
    w->common = 0;
    for (size_t i = 0; i < json_array_size(w->snaps); i++) {
        if (twin(w, i))
            w->common = i + 1;
    }
    sim_unlock();
    return 0;
}

/* snapmirror.UUID_SERIAL.DATE_TIME, on the source. */
static int make_snapshot(struct work *w, struct sim_err *err)
{
    char when[32];
    struct tm tm;
    time_t now = (time_t)sim_epoch();
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%d_%H%M%S", &tm);
    sim_lock();
    unsigned serial = ++w->m->serial;
    sim_mirror_save(); /* a name is never taken twice, whatever comes between */
    sim_unlock();
    w->made = sim_printf("snapmirror.%s_%u.%s", w->m->uuid, serial, when);
    if (!ask(w, "create", "name", w->made, err))
        return list(w, err);
    free(w->made);
    w->made = NULL;
    return -1;
}

static bool wanted(const struct work *w, const struct sim_policy *p, size_t i)
{
    const char *name = snap_text(w, i, "name");
    if (w->t->source_snapshot)
        return !strcmp(name, w->t->source_snapshot);
    if (w->t->kind == SIM_TRANSFER_RESTORE)
        return i + 1 == json_array_size(w->snaps);
    if (w->made && !strcmp(w->made, name))
        return true;
    if (i < w->common || !strncmp(name, "snapmirror.", 11))
        return false;
    if (sim_policy_takes_all(p))
        return true;
    return w->t->kind != SIM_TRANSFER_INITIALIZE && sim_policy_rule(p, snap_text(w, i, "label"));
}

static struct sim_snap *make_snap(json_t *doc)
{
    struct sim_snap *s = sim_alloc(1, sizeof(*s));
    s->name = sim_dup(text(doc, "name"));
    s->label = sim_dup(text(doc, "label"));
    s->comment = sim_dup(text(doc, "comment"));
    s->created = json_integer_value(json_object_get(doc, "created"));
    snprintf(s->uuid, sizeof(s->uuid), "%s", text(doc, "uuid"));
    return s;
}

/* Locked. */
static int pick(struct work *w, struct sim_err *err)
{
    const struct sim_policy *p = sim_mirror_policy(w->m);
    bool found = false;
    if (!p)
        return sim_fail(err, SIM_EMIRROR, "There is no policy \"%.200s\".", w->m->policy);
    w->parcels = sim_alloc(json_array_size(w->snaps), sizeof(*w->parcels));
    for (size_t i = 0; i < json_array_size(w->snaps); i++) {
        const char *name = snap_text(w, i, "name");
        if (!sim_snap_name_ok(name) || !sim_is_uuid(snap_text(w, i, "uuid")) || !wanted(w, p, i))
            continue;
        found = true;
        if (w->t->kind != SIM_TRANSFER_RESTORE && twin(w, i))
            continue; /* it is there already */
        w->parcels[w->count++] =
            (struct parcel){.name = sim_dup(name), .snap = make_snap(json_array_get(w->snaps, i))};
    }
    if (!found && (w->t->source_snapshot || w->t->kind == SIM_TRANSFER_RESTORE))
        return sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.200s\" does not exist on the source.",
                        w->t->source_snapshot ? w->t->source_snapshot : "");
    return 0;
}

static int plan(struct work *w, struct sim_err *err)
{
    enum sim_transfer_kind kind = w->t->kind;
    if (list(w, err))
        return -1;
    if ((kind == SIM_TRANSFER_UPDATE || kind == SIM_TRANSFER_RESYNC) && !w->common)
        return sim_fail(err, SIM_EMIRROR, "No common snapshot between source and destination.");
    sim_lock();
    const struct sim_policy *p = sim_mirror_policy(w->m);
    bool make = kind != SIM_TRANSFER_RESTORE && !w->t->source_snapshot && p &&
                (sim_policy_makes(p) || kind == SIM_TRANSFER_INITIALIZE);
    sim_unlock();
    if (make && make_snapshot(w, err))
        return -1;
    sim_lock();
    int rc = pick(w, err);
    sim_unlock();
    for (size_t i = 0; i < w->count && !rc; i++)
        rc = ask(w, "hold", "snapshot", w->parcels[i].name, err);
    return rc;
}

static int stopped(const struct work *w, int rc, struct sim_err *err)
{
    if (rc == ECANCELED)
        return sim_fail(err, SIM_EMIRROR, "The transfer was aborted.");
    return sim_fail(err, rc == ENOSPC || rc == EDQUOT ? SIM_ENOSPACE : SIM_EMIRROR, "%s: %s.",
                    w->m->volume, strerror(rc));
}

static void add_total(struct work *w, uint64_t bytes)
{
    sim_lock();
    w->t->total += bytes;
    sim_unlock();
}

/* One snapshot's files into a hidden copy. Counted is what the one before it does not have. */
static int copy_snapshot(struct work *w, struct parcel *p, int before, struct sim_err *err)
{
    AUTO_CLOSE int from = sim_source_open(w->m->source_svm, w->m->source_volume, p->name, err);
    if (from < 0)
        return -1;
    add_total(w, sim_store_held(from, before));
    p->temp = sim_snap_temp("mirror");
    int rc = sim_store_copy_tree(from, w->vol->snap_dir, p->temp, NULL, &w->m->cancel);
    return rc ? stopped(w, rc, err) : 0;
}

static int copy_live(struct work *w, const char *temp, struct sim_err *err)
{
    AUTO_CLOSE int from = sim_store_dir(w->vol->snap_dir, temp);
    w->live = sim_snap_temp("live");
    int rc = from < 0 ? errno
                      : sim_store_copy_tree(from, w->vol->snap_dir, w->live, NULL, &w->m->cancel);
    return rc ? stopped(w, rc, err) : 0;
}

static int copy_all(struct work *w, struct sim_err *err)
{
    AUTO_CLOSE int before = -1;
    if (w->common) {
        sim_lock();
        before = sim_snap_open(w->vol, twin(w, w->common - 1));
        sim_unlock();
    }
    for (size_t i = 0; i < w->count; i++) {
        if (copy_snapshot(w, &w->parcels[i], before, err))
            return -1;
        sim_auto_close(&before);
        before = sim_store_dir(w->vol->snap_dir, w->parcels[i].temp);
    }
    /* The live files follow the newest; after a break they go back even when nothing came. */
    if (w->count)
        return copy_live(w, w->parcels[w->count - 1].temp, err);
    return w->t->kind == SIM_TRANSFER_RESYNC
               ? copy_live(w, snap_text(w, w->common - 1, "name"), err)
               : 0;
}

static uint64_t slower(uint64_t a, uint64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* Time passes. */
static int pace(struct work *w, struct sim_err *err)
{
    sim_lock();
    struct sim_transfer *t = w->t;
    uint64_t rate = slower(sim.transfer_rate, (t->rate ? t->rate : w->m->throttle) * 1024ULL);
    int64_t least = rate ? (int64_t)(t->total * 1000 / rate) : 0;
    while (!w->m->cancel) {
        /* looked at anew: /sim/pace may have changed it */
        int64_t need = least < sim.transfer_ms ? sim.transfer_ms : least;
        int64_t now = sim_now_ms();
        if (now >= t->started_ms + need)
            break;
        t->bytes = t->total * (uint64_t)(now - t->started_ms) / (uint64_t)need;
        sim_wait(now + 50 < t->started_ms + need ? now + 50 : t->started_ms + need);
    }
    bool cancel = w->m->cancel;
    sim_unlock();
    return cancel ? stopped(w, ECANCELED, err) : 0;
}

/* --- at the destination --- */

static bool ours(const struct work *w, const char *name)
{
    AUTO_FREE char *prefix = sim_printf("snapmirror.%s_", w->m->uuid);
    return !strncmp(name, prefix, strlen(prefix));
}

/* Locked. */
static void drop(struct work *w, struct sim_snap *snap)
{
    int rc = snap->lazy ? 0 : sim_store_remove_tree(w->vol->snap_dir, snap->name);
    if (rc && rc != ENOENT)
        sim_log("%s: snapshot %s: %s", w->vol->name, snap->name, strerror(rc));
    sim_snap_take(w->vol, snap);
    sim_snap_free(snap);
}

static bool on_source(const struct work *w, const char *uuid)
{
    for (size_t i = 0; i < json_array_size(w->snaps); i++) {
        if (!strcmp(snap_text(w, i, "uuid"), uuid))
            return true;
    }
    return false;
}

/* Locked. How many with that label are newer? */
static unsigned newer_ones(const struct work *w, size_t age, const char *label)
{
    unsigned n = 0;
    for (size_t i = age + 1; i < w->vol->snap_count; i++)
        n += w->vol->ages[i]->label && !strcmp(w->vol->ages[i]->label, label);
    return n;
}

/* Locked. What the policy does not keep goes; never the newest common one. */
static void retain(struct work *w)
{
    const struct sim_policy *p = sim_mirror_policy(w->m);
    for (size_t i = w->vol->snap_count; p && i > 0; i--) {
        struct sim_snap *s = w->vol->ages[i - 1];
        const struct sim_policy_rule *rule = sim_policy_rule(p, s->label);
        if (!strcmp(s->uuid, w->m->newest_uuid) || sim_snap_busy(s))
            continue;
        bool gone = sim_policy_takes_all(p) && !on_source(w, s->uuid);
        bool full =
            rule && rule->keep && !rule->preserve && newer_ones(w, i - 1, s->label) >= rule->keep;
        if (gone || full || ours(w, s->name))
            drop(w, s);
    }
    sim_state_save_volume(w->vol);
}

/* Locked. What was written after the common snapshot is lost. */
static void rewind_to_common(struct work *w)
{
    while (w->vol->snap_count) {
        struct sim_snap *newest = w->vol->ages[w->vol->snap_count - 1];
        if (!strcmp(newest->uuid, snap_text(w, w->common - 1, "uuid")))
            break;
        drop(w, newest);
    }
}

/* Locked, volume held. */
static int publish(struct work *w, struct sim_err *err)
{
    if (w->t->kind == SIM_TRANSFER_RESYNC)
        rewind_to_common(w);
    for (size_t i = 0; i < w->count; i++) {
        struct parcel *p = &w->parcels[i];
        struct sim_snap *snap = p->snap;
        if (w->t->kind == SIM_TRANSFER_RESTORE && sim_snap_find(w->vol, p->name))
            continue;
        p->snap = NULL;
        if (sim_snap_receive(w->vol, snap, p->temp, err))
            return -1;
        free(p->temp);
        p->temp = NULL;
        free(w->t->snapshot);
        w->t->snapshot = sim_dup(p->name);
    }
    return 0;
}

/* Locked. The newest snapshot that both have is the exported one. */
static void note_newest(struct work *w)
{
    for (size_t i = json_array_size(w->snaps); i > 0; i--) {
        const struct sim_snap *s = twin(w, i - 1);
        if (!s)
            continue;
        free(w->m->newest);
        w->m->newest = sim_dup(s->name);
        memcpy(w->m->newest_uuid, s->uuid, sizeof(s->uuid));
        w->m->newest_time = s->created;
        return;
    }
}

static int deliver(struct work *w, struct sim_err *err)
{
    const struct sim_svm *local = sim_svm_find(w->m->source_svm);
    sim_lock();
    if (sim_op_begin(&w->vol, 1)) {
        int rc = sim_op_refused(&w->vol, 1, err);
        sim_unlock();
        return rc;
    }
    int rc = publish(w, err);
    sim_unlock();
    int io = !rc && w->live ? sim_volume_exchange(w->vol, w->live) : 0;
    if (io)
        rc = stopped(w, io, err);
    sim_lock();
    if (w->live)
        sim_lun_rescan(w->vol, local ? sim_volume_find(local, w->m->source_volume) : NULL);
    if (!rc && w->t->kind != SIM_TRANSFER_RESTORE) {
        note_newest(w);
        retain(w);
        w->m->state = SIM_MIRROR_MIRRORED;
        sim_mirror_set_type(w->m, "dp");
    }
    sim_state_save_volume(w->vol);
    sim_op_end(&w->vol, 1);
    sim_unlock();
    return rc;
}

/* --- restore of files --- */

static int restore_one(struct work *w, int snap, const struct sim_restore_pair *pair,
                       struct sim_err *err)
{
    struct stat st;
    AUTO_CLOSE int from = sim_store_open(snap, pair->from, O_RDONLY, 0);
    if (from < 0 || fstat(from, &st) || !S_ISREG(st.st_mode))
        return sim_fail(err, SIM_EFILEMISSING, "\"/%.200s\" is no file in the snapshot.",
                        pair->from);
    int rc = sim_store_make_parents(w->vol->dir, pair->to);
    if (rc)
        return sim_fail(err, SIM_EINVALID, "\"/%.200s\": %s.", pair->to, strerror(rc));
    AUTO_CLOSE int to = sim_store_open(w->vol->dir, pair->to, O_RDWR | O_CREAT, 0600);
    if (to < 0 || fchmod(to, st.st_mode & 07777))
        return sim_fail(err, SIM_EINVALID, "\"/%.200s\": %s.", pair->to, strerror(errno));
    rc = sim_store_copy_file(from, to, &w->m->cancel);
    return rc ? stopped(w, rc, err) : 0;
}

static int measure_files(struct work *w, int snap, struct sim_err *err)
{
    for (size_t i = 0; i < w->t->file_count; i++) {
        struct stat st;
        AUTO_CLOSE int from = sim_store_open(snap, w->t->files[i].from, O_RDONLY, 0);
        if (from < 0 || fstat(from, &st))
            return sim_fail(err, SIM_EFILEMISSING, "\"/%.200s\" is no file in the snapshot.",
                            w->t->files[i].from);
        add_total(w, (uint64_t)st.st_blocks * 512);
    }
    return 0;
}

static int restore_files(struct work *w, struct sim_err *err)
{
    AUTO_CLOSE int snap =
        sim_source_open(w->m->source_svm, w->m->source_volume, w->parcels[0].name, err);
    if (snap < 0 || measure_files(w, snap, err) || pace(w, err))
        return -1;
    sim_lock();
    if (sim_op_begin(&w->vol, 1)) {
        int refused = sim_op_refused(&w->vol, 1, err);
        sim_unlock();
        return refused;
    }
    sim_unlock();
    int rc = 0;
    for (size_t i = 0; i < w->t->file_count && !rc; i++)
        rc = restore_one(w, snap, &w->t->files[i], err);
    sim_lock();
    sim_lun_rescan(w->vol, NULL);
    sim_state_save_volume(w->vol);
    sim_op_end(&w->vol, 1);
    sim_unlock();
    return rc;
}

static int carry_out(struct work *w, struct sim_err *err)
{
    if (plan(w, err))
        return -1;
    if (w->t->file_count)
        return restore_files(w, err);
    return copy_all(w, err) || pace(w, err) || deliver(w, err) ? -1 : 0;
}

/* --- the end --- */

/* The source keeps the newest common snapshot and forgets what it held before. */
static void settle_source(struct work *w, bool ok)
{
    struct sim_err err = {0};
    bool restore = w->t->kind == SIM_TRANSFER_RESTORE;
    sim_lock();
    AUTO_FREE char *newest = restore ? NULL : sim_dup(w->m->newest);
    sim_unlock();
    if (ask(w, "keep", "snapshot", newest, &err))
        sim_log("%s:%s: the source: %s", w->m->svm, w->m->volume, err.reason);
    for (size_t i = 0; i < json_array_size(w->snaps); i++) {
        const char *name = snap_text(w, i, "name");
        bool old = ours(w, name) && (!newest || strcmp(newest, name) != 0);
        if (old && (ok || (w->made && !strcmp(w->made, name))))
            ask(w, "delete", "snapshot", name, &err);
    }
    if (restore && ok) {
        json_t *q = question(w, "forget", "relationship", w->m->uuid);
        json_decref(sim_source_ask(q, &err));
    }
}

/* Locked. */
static void finish(struct work *w, int rc, const struct sim_err *err)
{
    struct sim_mirror *m = w->m;
    struct sim_transfer *t = w->t;
    bool aborted = rc && m->cancel;
    t->state = !rc ? SIM_TRANSFER_SUCCESS : SIM_TRANSFER_FAILED;
    if (aborted)
        t->state = m->hard ? SIM_TRANSFER_HARD_ABORTED : SIM_TRANSFER_ABORTED;
    t->ended = sim_epoch();
    t->ended_ms = sim_now_ms();
    t->error = *err;
    if (!rc) {
        t->bytes = t->total;
        m->total_bytes += t->total;
    }
    if (!aborted)
        m->ailing = *err;
    if (!rc && m->type == SIM_MIRROR_RESTORE)
        m->removed_ms = sim_now_ms() + 1 + sim.rst_keep_ms;
    m->cancel = m->hard = false;
    if (rc)
        sim_job_fail(t->job, err);
    else
        sim_job_end(t->job, true, "Complete");
    sim_mirror_save();
}

static void work_free(struct work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->parcels[i].temp)
            sim_snap_discard(w->vol, w->parcels[i].temp);
        free(w->parcels[i].temp);
        free(w->parcels[i].name);
        sim_snap_free(w->parcels[i].snap);
    }
    if (w->live)
        sim_snap_discard(w->vol, w->live);
    free(w->parcels);
    free(w->live);
    free(w->made);
    free(w->owner);
    json_decref(w->snaps);
}

static void *run(void *arg)
{
    struct sim_mirror *m = arg;
    struct sim_err err = {0};
    struct work w = {.m = m, .t = m->transfers[0]};
    sim_lock();
    const struct sim_svm *svm = sim_svm_find(m->svm);
    w.vol = svm ? sim_volume_find(svm, m->volume) : NULL;
    w.owner = sim_printf("snapmirror.%s", m->uuid);
    sim_unlock();
    int rc = w.vol ? carry_out(&w, &err)
                   : sim_fail(&err, SIM_EVOLMISSING, "There is no volume \"%s\".", m->volume);
    if (!sim.stopping || !rc) { /* one that a stop interrupts is taken up by the next start */
        settle_source(&w, rc == 0);
        sim_lock();
        finish(&w, rc, &err);
        sim_unlock();
    }
    work_free(&w);
    sim_lock();
    sim_worker_done();
    sim_unlock();
    return NULL;
}

int sim_mirror_spawn(struct sim_mirror *m)
{
    return sim_spawn(run, m);
}
