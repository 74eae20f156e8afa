/* SnapMirror relationships: what there are, seen from the destination and from the source. */
#include "zapi.h"
#include "mirror.h"
#include "mirror_source.h"

#include <stdio.h>
#include <string.h>

static const struct sim_transfer *last_finished(const struct sim_mirror *m)
{
    size_t i = sim_mirror_running(m) ? 1 : 0;
    return m->transfers[i];
}

static void last_part(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_mirror *m)
{
    const struct sim_transfer *t = last_finished(m);
    if (!t)
        return;
    zapi_rec_number(it, rec, "last-transfer-duration", (uint64_t)(t->ended - t->started));
    zapi_rec_number(it, rec, "last-transfer-end-timestamp", (uint64_t)t->ended);
    zapi_rec_text(it, rec, "last-transfer-error", t->error.num ? t->error.reason : NULL);
    if (t->error.num) {
        struct zapi_rec *codes = zapi_rec_add(it, rec, "last-transfer-error-codes");
        zapi_rec_number(it, codes, "integer", (uint64_t)t->error.num);
    }
    zapi_rec_text(it, rec, "last-transfer-from",
                  sim_arena_printf(&it->arena, "%s:%s", m->source_svm, m->source_volume));
    zapi_rec_number(it, rec, "last-transfer-size", t->bytes);
    zapi_rec_text(it, rec, "last-transfer-type", sim_transfer_kind_name(t));
}

static void running_part(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_mirror *m)
{
    const struct sim_transfer *t = m->transfers[0];
    if (!sim_mirror_running(m))
        return;
    zapi_rec_text(it, rec, "current-transfer-type", sim_transfer_kind_name(t));
    zapi_rec_number(it, rec, "progress-last-updated", (uint64_t)sim_epoch());
    zapi_rec_number(it, rec, "relationship-progress", t->bytes);
    zapi_rec_number(it, rec, "snapshot-progress", t->bytes);
    zapi_rec_text(it, rec, "transfer-snapshot", t->source_snapshot);
}

void zapi_mirror_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_mirror *m)
{
    const struct sim_policy *p = sim_mirror_policy(m);
    zapi_rec_key(it, rec, "destination-location",
                 sim_arena_printf(&it->arena, "%s:%s", m->svm, m->volume));
    zapi_rec_text(it, rec, "destination-volume", m->volume);
    zapi_rec_text(it, rec, "destination-vserver", m->svm);
    zapi_rec_text(it, rec, "exported-snapshot", m->newest);
    if (m->newest)
        zapi_rec_number(it, rec, "exported-snapshot-timestamp", (uint64_t)m->newest_time);
    zapi_rec_flag(it, rec, "is-healthy", !m->ailing.num);
    if (m->newest)
        zapi_rec_number(it, rec, "lag-time", (uint64_t)(sim_epoch() - m->newest_time));
    last_part(it, rec, m);
    zapi_rec_number(it, rec, "max-transfer-rate", m->throttle);
    zapi_rec_text(it, rec, "mirror-state", sim_mirror_state_name(m));
    zapi_rec_text(it, rec, "newest-snapshot", m->newest);
    if (m->newest)
        zapi_rec_number(it, rec, "newest-snapshot-timestamp", (uint64_t)m->newest_time);
    zapi_rec_text(it, rec, "policy", m->policy);
    zapi_rec_text(it, rec, "policy-type", p ? sim_policy_type_name(p) : NULL);
    zapi_rec_text(it, rec, "relationship-control-plane", "v2");
    zapi_rec_text(it, rec, "relationship-group-type", "none");
    zapi_rec_text(it, rec, "relationship-id", m->uuid);
    running_part(it, rec, m);
    zapi_rec_text(it, rec, "relationship-status", sim_mirror_status_name(m));
    zapi_rec_text(it, rec, "relationship-type", sim_mirror_type_name(m));
    zapi_rec_text(it, rec, "schedule", m->schedule);
    zapi_rec_key(it, rec, "source-location",
                 sim_arena_printf(&it->arena, "%s:%s", m->source_svm, m->source_volume));
    zapi_rec_text(it, rec, "source-volume", m->source_volume);
    zapi_rec_text(it, rec, "source-vserver", m->source_svm);
    zapi_rec_text(it, rec, "unhealthy-reason", m->ailing.num ? m->ailing.reason : NULL);
    zapi_rec_text(it, rec, "vserver", m->svm);
}

/* The keys are the destination's SVM and volume. */
static bool passed(const struct zapi_iter *it, const char *svm, const char *volume)
{
    int order = it->keys[0] ? strcmp(svm, it->keys[0]) : 1;
    return order > 0 || (order == 0 && strcmp(volume, it->keys[1] ? it->keys[1] : "") > 0);
}

int zapi_snapmirror_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "snapmirror-info"))
        return -1;
    sim_lock();
    for (size_t i = 0, n = sim_mirror_count(); i < n && room; i++) {
        const struct sim_mirror *m = sim_mirror_at(i);
        if ((z->svm && strcmp(m->svm, z->svm->name) != 0) || !passed(&it, m->svm, m->volume))
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "snapmirror-info");
        zapi_mirror_record(&it, rec, m);
        room = zapi_iter_row(&it, rec, m->svm, m->volume, NULL);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

int zapi_snapmirror_get(struct zapi *z)
{
    struct zapi_iter it;
    const char *svm = NULL, *volume = NULL;
    const char *location = zapi_arg(z, "destination-location");
    if (location && !sim_mirror_location(&z->arena, location, &svm, &volume))
        return zapi_invalid(z, "destination-location", location);
    if (!location) {
        svm = zapi_arg(z, "destination-vserver");
        volume = zapi_need(z, "destination-volume");
        if (!volume)
            return -1;
    }
    if (!svm && z->svm)
        svm = z->svm->name;
    if (zapi_iter_begin(&it, z, "snapmirror-info"))
        return -1;
    it.query = NULL;
    sim_lock();
    const struct sim_mirror *m = svm ? sim_mirror_find(svm, volume) : NULL;
    if (m && (!z->svm || !strcmp(z->svm->name, svm))) {
        struct zapi_rec *rec = zapi_iter_record(&it, "snapmirror-info");
        zapi_mirror_record(&it, rec, m);
        zapi_iter_row(&it, rec, svm, volume, NULL);
    }
    sim_unlock();
    if (!it.count)
        sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    zapi_iter_single(&it);
    return z->err.num ? -1 : 0;
}

void zapi_destination_record(struct zapi_iter *it, struct zapi_rec *rec,
                             const struct sim_destination *d)
{
    const char *svm = NULL, *volume = NULL;
    zapi_rec_key(it, rec, "destination-location", d->destination);
    if (sim_mirror_location(&it->arena, d->destination, &svm, &volume)) {
        zapi_rec_text(it, rec, "destination-volume", volume);
        zapi_rec_text(it, rec, "destination-vserver", svm);
    }
    zapi_rec_flag(it, rec, "is-constituent", false);
    zapi_rec_text(it, rec, "policy-type", d->policy_type);
    zapi_rec_text(it, rec, "relationship-group-type", "none");
    zapi_rec_text(it, rec, "relationship-id", d->uuid);
    zapi_rec_text(it, rec, "relationship-status", "idle");
    zapi_rec_text(it, rec, "relationship-type", "extended_data_protection");
    zapi_rec_key(it, rec, "source-location",
                 sim_arena_printf(&it->arena, "%s:%s", d->svm, d->volume));
    zapi_rec_text(it, rec, "source-volume", d->volume);
    zapi_rec_text(it, rec, "source-vserver", d->svm);
}

int zapi_snapmirror_get_destination_iter(struct zapi *z)
{
    struct zapi_iter it;
    uint64_t skip = 0;
    bool room = true;
    if (zapi_iter_begin(&it, z, "snapmirror-destination-info"))
        return -1;
    if (it.keys[0] && !sim_number(it.keys[0], 0, UINT32_MAX, &skip))
        return zapi_invalid(z, "tag", it.keys[0]);
    sim_lock();
    for (size_t i = it.keys[0] ? (size_t)skip + 1 : 0; i < sim_destination_count() && room; i++) {
        const struct sim_destination *d = sim_destination_at(i);
        char place[24];
        if (z->svm && strcmp(d->svm, z->svm->name) != 0)
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "snapmirror-destination-info");
        zapi_destination_record(&it, rec, d);
        snprintf(place, sizeof(place), "%zu", i);
        room = zapi_iter_row(&it, rec, place, NULL, NULL);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

static void history_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_mirror *m,
                           const struct sim_transfer *t)
{
    static const char *const results[] = {[SIM_TRANSFER_SUCCESS] = "success",
                                          [SIM_TRANSFER_FAILED] = "failure",
                                          [SIM_TRANSFER_ABORTED] = "failure",
                                          [SIM_TRANSFER_HARD_ABORTED] = "failure"};
    zapi_rec_text(it, rec, "destination-location",
                  sim_arena_printf(&it->arena, "%s:%s", m->svm, m->volume));
    zapi_rec_number(it, rec, "end-time", (uint64_t)t->ended);
    zapi_rec_key(it, rec, "operation-id", t->uuid);
    zapi_rec_text(it, rec, "operation-type", sim_transfer_kind_name(t));
    zapi_rec_text(it, rec, "relationship-id", m->uuid);
    zapi_rec_text(it, rec, "result", results[t->state]);
    zapi_rec_text(it, rec, "source-location",
                  sim_arena_printf(&it->arena, "%s:%s", m->source_svm, m->source_volume));
    zapi_rec_number(it, rec, "start-time", (uint64_t)t->started);
    zapi_rec_number(it, rec, "transfer-size", t->bytes);
}

/* Transfers that are over, newest first for each relationship. */
int zapi_snapmirror_history_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    uint64_t skip = 0, at = 0;
    bool room = true;
    if (zapi_iter_begin(&it, z, "snapmirror-history-info"))
        return -1;
    if (it.keys[0] && !sim_number(it.keys[0], 0, UINT64_MAX - 1, &skip))
        return zapi_invalid(z, "tag", it.keys[0]);
    skip += it.keys[0] != NULL;
    sim_lock();
    for (size_t i = 0, n = sim_mirror_count(); i < n && room; i++) {
        const struct sim_mirror *m = sim_mirror_at(i);
        bool mine = !z->svm || !strcmp(m->svm, z->svm->name);
        for (size_t k = sim_mirror_running(m); mine && k < SIM_TRANSFERS && m->transfers[k] && room;
             k++, at++) {
            char place[24];
            if (at < skip)
                continue;
            struct zapi_rec *rec = zapi_iter_record(&it, "snapmirror-history-info");
            history_record(&it, rec, m, m->transfers[k]);
            snprintf(place, sizeof(place), "%llu", (unsigned long long)at);
            room = zapi_iter_row(&it, rec, place, NULL, NULL);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}
