/* Snapshot calls on single volumes. */
#include "zapi.h"
#include "snap.h"

#include <string.h>

int zapi_snapshot_create(struct zapi *z)
{
    const char *volume = zapi_need(z, "volume");
    struct sim_snap_spec spec = {.name = volume ? zapi_need(z, "snapshot") : NULL};
    if (!spec.name || zapi_flag(z, "async", &spec.async))
        return -1;
    spec.comment = zapi_arg(z, "comment");
    spec.label = zapi_arg(z, "snapmirror-label");
    struct sim_volume *vol = zapi_volume(z, volume);
    return vol ? sim_snap_create(vol, &spec, &z->err) : -1;
}

int zapi_snapshot_delete(struct zapi *z)
{
    bool ignore_owners = false;
    const char *volume = zapi_need(z, "volume");
    const char *name = volume ? zapi_need(z, "snapshot") : NULL;
    if (!name || zapi_flag(z, "ignore-owners", &ignore_owners))
        return -1;
    const char *uuid = zapi_arg(z, "snapshot-instance-uuid");
    struct sim_volume *vol = zapi_volume(z, volume);
    return vol ? sim_snap_delete(vol, name, uuid, ignore_owners, &z->err) : -1;
}

int zapi_snapshot_rename(struct zapi *z)
{
    const char *volume = zapi_need(z, "volume");
    const char *name = volume ? zapi_need(z, "current-name") : NULL;
    const char *new_name = name ? zapi_need(z, "new-name") : NULL;
    struct sim_volume *vol = new_name ? zapi_volume(z, volume) : NULL;
    return vol ? sim_snap_rename(vol, name, new_name, &z->err) : -1;
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
    return whole ? (part >= whole ? 100 : part * 100 / whole) : 0;
}

static size_t age_of(const struct sim_volume *vol, const struct sim_snap *snap)
{
    size_t i = 0;
    while (i < vol->snap_count && vol->ages[i] != snap)
        i++;
    return i;
}

/* newest: what the newest snapshot holds, which takes a walk over the files to find out. */
static void size_fields(struct zapi_iter *it, struct zapi_rec *rec, struct sim_volume *vol,
                        const struct sim_snap *snap, bool cumulative, uint64_t newest)
{
    size_t age = age_of(vol, snap);
    uint64_t own = age + 1 < vol->snap_count ? snap->held : newest;
    uint64_t sum = newest;
    for (size_t i = age; cumulative && i + 1 < vol->snap_count; i++)
        sum += vol->ages[i]->held;
    if (cumulative) {
        zapi_rec_number(it, rec, "cumulative-percentage-of-total-blocks", percent(sum, vol->size));
        zapi_rec_number(it, rec, "cumulative-total", sum / 1024);
    }
    zapi_rec_number(it, rec, "percentage-of-total-blocks", percent(own, vol->size));
    zapi_rec_number(it, rec, "percentage-of-used-blocks", percent(own, vol->size));
    zapi_rec_number(it, rec, "total", own / 1024);
}

static bool wants_sum(const struct zapi_iter *it)
{
    return zapi_iter_wants(it, "cumulative-total") ||
           zapi_iter_wants(it, "cumulative-percentage-of-total-blocks");
}

static bool wants_size(const struct zapi_iter *it)
{
    return wants_sum(it) || zapi_iter_wants(it, "total") ||
           zapi_iter_wants(it, "percentage-of-total-blocks") ||
           zapi_iter_wants(it, "percentage-of-used-blocks");
}

static uint64_t newest_held(const struct zapi_iter *it, struct sim_volume *vol)
{
    return vol->snap_count && wants_size(it) ? sim_snap_held(vol, vol->snap_count - 1) : 0;
}

static void snap_record(struct zapi_iter *it, struct zapi_rec *rec, struct sim_volume *vol,
                        const struct sim_snap *snap, uint64_t newest)
{
    zapi_rec_number(it, rec, "access-time", (uint64_t)snap->created);
    zapi_rec_flag(it, rec, "busy", sim_snap_busy(snap) || snap->restores);
    zapi_rec_text(it, rec, "comment", snap->comment);
    zapi_rec_flag(it, rec, "contains-lun-clones", false);
    zapi_rec_text(it, rec, "dependency", sim_snap_busy(snap) ? sim_snap_busy(snap) : "");
    zapi_rec_flag(it, rec, "is-constituent-snapshot", false);
    zapi_rec_key(it, rec, "name", snap->name);
    if (wants_size(it))
        size_fields(it, rec, vol, snap, wants_sum(it), newest);
    zapi_rec_text(it, rec, "snapmirror-label", snap->label);
    zapi_rec_text(it, rec, "snapshot-instance-uuid", snap->uuid);
    if (snap->owner_count) {
        struct zapi_rec *owners = zapi_rec_add(it, rec, "snapshot-owners-list");
        for (size_t i = 0; i < snap->owner_count; i++) {
            struct zapi_rec *owner = zapi_rec_add(it, owners, "snapshot-owner");
            zapi_rec_text(it, owner, "owner", snap->owners[i]);
        }
    }
    zapi_rec_text(it, rec, "snapshot-version-uuid", snap->uuid);
    zapi_rec_text(it, rec, "state", "valid");
    zapi_rec_key(it, rec, "volume", vol->name);
    zapi_rec_text(it, rec, "volume-provenance-uuid", vol->instance_uuid);
    zapi_rec_key(it, rec, "vserver", vol->svm->name);
}

static void volume_error(struct sim_buf *b, const struct sim_volume *vol, int num,
                         const char *reason)
{
    sim_buf_addf(b, "<volume-error><errno>%d</errno><name>%s</name><reason>", num, vol->name);
    sim_buf_xml(b, reason);
    sim_buf_addf(b, "</reason><vserver>%s</vserver></volume-error>", vol->svm->name);
}

/* A volume that cannot tell about its snapshots: an empty mirror, one that is not online, or one
 * that a fault rule names. */
static bool unreadable(const struct zapi *z, const struct sim_volume *vol, struct sim_buf *errors)
{
    const struct sim_fault *f = &z->fault;
    if (f->action != SIM_FAULT_NONE && !strcmp(f->volume, vol->name)) {
        volume_error(errors, vol, f->num ? f->num : SIM_ESNAPNOTALLOWED,
                     f->reason[0] ? f->reason : "Injected failure.");
        return true;
    }
    bool empty_mirror = !strcmp(vol->type, "dp") && vol->snap_count == 0;
    if (empty_mirror || strcmp(vol->state, "online") != 0) {
        volume_error(errors, vol, SIM_ESNAPNOTALLOWED,
                     empty_mirror ? "The mirror is not initialized." : "Volume is not online.");
        return true;
    }
    return false;
}

/* One volume's snapshots from the place where the last page ended. False: the page is full. */
static bool list_volume(struct zapi_iter *it, struct sim_volume *vol, const char *after,
                        bool started, struct sim_buf *errors)
{
    bool room = true;
    if (!zapi_iter_may(it, "volume", vol->name) || (!started && unreadable(it->z, vol, errors)))
        return true;
    uint64_t newest = newest_held(it, vol);
    for (size_t i = sim_snap_after(vol, after); i < vol->snap_count && room; i++) {
        const struct sim_snap *snap = vol->snaps[i];
        if (!zapi_iter_may(it, "name", snap->name))
            continue;
        struct zapi_rec *rec = zapi_iter_record(it, "snapshot-info");
        snap_record(it, rec, vol, snap, newest);
        room = zapi_iter_row(it, rec, vol->svm->name, vol->name, snap->name);
    }
    return room;
}

int zapi_snapshot_get_iter(struct zapi *z)
{
    AUTO_BUF struct sim_buf errors = {0};
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "snapshot-info"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = it.keys[0] && !strcmp(it.keys[0], svm->name);
        if ((z->svm && z->svm != svm) || !zapi_iter_may(&it, "vserver", svm->name))
            continue;
        for (size_t k = sim_volume_after(svm, same ? it.keys[1] : NULL, true);
             k < svm->volume_count && room; k++) {
            struct sim_volume *vol = svm->volumes[k];
            bool here = same && it.keys[1] && !strcmp(it.keys[1], vol->name);
            room = list_volume(&it, vol, here ? it.keys[2] : NULL, here, &errors);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    if (errors.len)
        sim_buf_addf(&z->out, "<volume-errors>%s</volume-errors>", errors.data);
    return 0;
}

struct modify {
    const char *comment;
    const char *label;
    struct zapi_many many;
};

static void modify_one(struct modify *m, struct sim_volume *vol, struct sim_snap *snap)
{
    struct sim_err err = {0};
    bool ok = !sim_snap_modify(vol, snap, m->comment, m->label, &err);
    struct sim_buf *b = zapi_many_add(&m->many, "snapshot-modify-iter-info", ok ? NULL : &err);
    sim_buf_adds(b, "<snapshot-key><snapshot-info><name>");
    sim_buf_xml(b, snap->name);
    sim_buf_addf(b,
                 "</name><volume>%s</volume><vserver>%s</vserver></snapshot-info></snapshot-key>",
                 vol->name, vol->svm->name);
    sim_buf_adds(b, "</snapshot-modify-iter-info>");
}

static void modify_all(struct zapi_iter *it, struct modify *m)
{
    const struct sim_svm *svm = it->z->svm;
    const struct zapi_many *many = &m->many;
    for (size_t k = 0; svm && k < svm->volume_count; k++) {
        struct sim_volume *vol = svm->volumes[k];
        if (!zapi_iter_may(it, "volume", vol->name))
            continue;
        uint64_t newest = newest_held(it, vol);
        for (size_t i = 0; i < vol->snap_count && many->passed + many->failed < it->max; i++) {
            struct zapi_rec *rec = zapi_iter_record(it, "snapshot-info");
            snap_record(it, rec, vol, vol->snaps[i], newest);
            if (zapi_rec_match(it, rec))
                modify_one(m, vol, vol->snaps[i]);
        }
    }
}

int zapi_snapshot_modify_iter(struct zapi *z)
{
    struct zapi_iter it;
    struct modify m = {0};
    const xmlNode *attributes = zapi_child(z->call, "attributes");
    const xmlNode *info = attributes ? zapi_child(attributes, "snapshot-info") : NULL;
    const xmlNode *query = zapi_child(z->call, "query");
    if (!info || !query)
        return sim_fail(&z->err, SIM_EMISSING, "Missing input: %s", info ? "query" : "attributes");
    const xmlNode *comment = zapi_child(info, "comment");
    const xmlNode *label = zapi_child(info, "snapmirror-label");
    m.comment = comment ? zapi_text(&z->arena, comment) : NULL;
    m.label = label ? zapi_text(&z->arena, label) : NULL;
    if (zapi_iter_begin(&it, z, "snapshot-info"))
        return -1;
    it.max = zapi_child(z->call, "max-records") ? it.max : UINT32_MAX;
    sim_lock();
    modify_all(&it, &m);
    sim_unlock();
    return zapi_many_end(&m.many, &it);
}
