/* Volumes over REST: list and get. */
#include "rest_volume.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

#define V9101 REST_V(9, 10, 1)

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"comment", 0, 0},
    {"create_time", 0, 0},
    {"language", 0, 0},
    {"size", 0, 0},
    {"state", 0, 0},
    {"style", 0, 0},
    {"type", 0, 0},
    {"aggregates", REST_LIST, 0},
    {"aggregates.name", 0, 0},
    {"aggregates.uuid", 0, 0},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
    {"space.size", 0, 0},
    {"space.available", 0, 0},
    {"space.used", 0, 0},
    {"space.afs_total", 0, REST_V(9, 9, 1)},
    {"space.snapshot.reserve_percent", 0, 0},
    {"space.snapshot.reserve_size", 0, REST_V(9, 9, 1)},
    {"space.snapshot.used", 0, 0},
    {"space.logical_space.enforcement", 0, 0},
    {"space.logical_space.reporting", 0, 0},
    {"snapshot_policy.name", 0, 0},
    {"snapshot_count", 0, V9101},
    {"guarantee.type", 0, 0},
    {"guarantee.honored", 0, 0},
    {"tiering.policy", 0, 0},
    {"encryption.enabled", 0, 0},
    {"efficiency.compression", 0, 0},
    {"efficiency.dedupe", 0, 0},
    {"files.maximum", 0, 0},
    {"error_state.is_inconsistent", 0, 0},
    {"error_state.has_bad_blocks", 0, 0},
    {"movement.state", REST_EXPENSIVE, 0},
    {"autosize.mode", 0, 0},
    {"consistency_group.name", 0, V9101},
    {"consistency_group.uuid", 0, V9101},
    {"nas.path", REST_EXPENSIVE, 0},
    {"nas.export_policy.name", REST_EXPENSIVE, 0},
    {"nas.security_style", REST_EXPENSIVE, 0},
    {"nas.unix_permissions", REST_EXPENSIVE, 0},
    {"nas.uid", REST_EXPENSIVE, 0},
    {"nas.gid", REST_EXPENSIVE, 0},
    {"is_svm_root", REST_EXPENSIVE, REST_V(9, 7, 0)},
    {"qos.policy.name", REST_EXPENSIVE, 0},
    {"quota.enabled", REST_EXPENSIVE, 0},
    {"snaplock.type", REST_EXPENSIVE, 0},
    {"clone.is_flexclone", REST_EXPENSIVE, 0},
    {"clone.split_initiated", REST_EXPENSIVE, 0},
    {"clone.split_complete_percent", REST_EXPENSIVE, 0},
    {"clone.parent_volume.name", REST_EXPENSIVE, 0},
    {"clone.parent_volume.uuid", REST_EXPENSIVE, 0},
    {"clone.parent_snapshot.name", REST_EXPENSIVE, 0},
    {"clone.parent_snapshot.uuid", REST_EXPENSIVE, 0},
    {"clone.parent_svm.name", REST_EXPENSIVE, 0},
    {"clone.parent_svm.uuid", REST_EXPENSIVE, 0},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

void rest_aggregate_uuid(char out[37], const char *name)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a: the same name, the same uuid */
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3U;
    snprintf(out, 37, "%08x-%04x-4%03x-8%03x-%.12s", (unsigned)(h >> 32),
             (unsigned)(h >> 16) & 0xffff, (unsigned)h & 0xfff, (unsigned)(h >> 12) & 0xfff,
             sim.cluster_uuid + 24);
}

static json_t *aggregates_of(const struct sim_volume *vol)
{
    char uuid[37];
    rest_aggregate_uuid(uuid, vol->aggregate);
    return json_pack("[o]", rest_ref(vol->aggregate, uuid));
}

static void space_part(struct rest_list *l, struct sim_volume *vol)
{
    struct sim_space space = {0};
    uint64_t reserve = vol->size / 100 * vol->reserve;
    bool walk = rest_wants(l, "space.available") || rest_wants(l, "space.used") ||
                rest_wants(l, "space.snapshot.used");
    if (walk)
        sim_space(vol, &space);
    rest_number(l, "space.size", vol->size);
    rest_number(l, "space.available", space.available);
    rest_number(l, "space.used", space.used);
    rest_number(l, "space.afs_total", vol->size - reserve);
    rest_number(l, "space.snapshot.reserve_percent", vol->reserve);
    rest_number(l, "space.snapshot.reserve_size", reserve);
    rest_number(l, "space.snapshot.used", space.snaps);
    rest_flag(l, "space.logical_space.enforcement", false);
    rest_flag(l, "space.logical_space.reporting", false);
}

/* What costs ONTAP more: given when it is named. */
static void nas_part(struct rest_list *l, const struct sim_volume *vol)
{
    rest_text(l, "nas.path", vol->junction);
    rest_text(l, "nas.export_policy.name", vol->exports ? vol->exports : "default");
    rest_text(l, "nas.security_style", "unix");
    rest_number(l, "nas.unix_permissions", 755);
    rest_number(l, "nas.uid", 0);
    rest_number(l, "nas.gid", 0);
    rest_flag(l, "is_svm_root", vol->is_root);
    rest_flag(l, "quota.enabled", false);
    rest_text(l, "snaplock.type", "non_snaplock");
}

static void clone_part(struct rest_list *l, const struct sim_volume *vol)
{
    const struct sim_volume *parent = vol->parent;
    rest_flag(l, "clone.is_flexclone", parent != NULL);
    if (!parent)
        return;
    rest_flag(l, "clone.split_initiated", vol->splitting);
    rest_number(l, "clone.split_complete_percent", 0);
    rest_text(l, "clone.parent_volume.name", parent->name);
    rest_text(l, "clone.parent_volume.uuid", parent->instance_uuid);
    rest_text(l, "clone.parent_snapshot.name", vol->parent_snap);
    rest_text(l, "clone.parent_snapshot.uuid", vol->parent_snap_uuid);
    rest_text(l, "clone.parent_svm.name", parent->svm->name);
    rest_text(l, "clone.parent_svm.uuid", parent->svm->uuid);
}

static void group_part(struct rest_list *l, const struct sim_volume *vol)
{
    const struct sim_group *group = rest_wants(l, "consistency_group") ? sim_group_of(vol) : NULL;
    rest_text(l, "consistency_group.name", group ? group->name : NULL);
    rest_text(l, "consistency_group.uuid", group ? group->uuid : NULL);
}

static void record(struct rest_list *l, struct sim_volume *vol)
{
    rest_text(l, "uuid", vol->instance_uuid);
    rest_text(l, "name", vol->name);
    rest_text(l, "comment", vol->comment ? vol->comment : "");
    rest_time(l, "create_time", vol->created);
    rest_text(l, "language", "c.utf_8");
    rest_number(l, "size", vol->size);
    rest_text(l, "state", vol->state);
    rest_text(l, "style", "flexvol");
    rest_text(l, "type", vol->type);
    if (rest_wants(l, "aggregates"))
        rest_put(l, "aggregates", aggregates_of(vol));
    rest_text(l, "svm.name", vol->svm->name);
    rest_text(l, "svm.uuid", vol->svm->uuid);
    space_part(l, vol);
    rest_text(l, "snapshot_policy.name", vol->policy ? vol->policy : "none");
    rest_number(l, "snapshot_count", vol->snap_count);
    rest_text(l, "guarantee.type", "none");
    rest_flag(l, "guarantee.honored", true);
    rest_text(l, "tiering.policy", "none");
    rest_flag(l, "encryption.enabled", false);
    rest_text(l, "efficiency.compression", "none");
    rest_text(l, "efficiency.dedupe", "none");
    rest_number(l, "files.maximum", 31122);
    rest_flag(l, "error_state.is_inconsistent", false);
    rest_flag(l, "error_state.has_bad_blocks", false);
    rest_text(l, "autosize.mode", "off");
    group_part(l, vol);
    nas_part(l, vol);
    clone_part(l, vol);
}

static char *self_of(struct rest *r, const struct sim_volume *vol)
{
    return sim_arena_printf(&r->arena, "/storage/volumes/%s", vol->instance_uuid);
}

/* Can this volume match at all? Saves making its record. */
static bool may(const struct rest_list *l, const struct sim_volume *vol)
{
    return rest_may(l, "name", vol->name) && rest_may(l, "uuid", vol->instance_uuid) &&
           rest_may(l, "nas.path", vol->junction);
}

int rest_volumes_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = l.keys[0] && !strcmp(l.keys[0], svm->name);
        if (!rest_sees(r, svm) || !rest_may(&l, "svm.name", svm->name))
            continue;
        for (size_t k = sim_volume_after(svm, same ? l.keys[1] : NULL, false);
             k < svm->volume_count && room; k++) {
            char self[80];
            struct sim_volume *vol = svm->volumes[k];
            if (!may(&l, vol))
                continue;
            rest_record(&l);
            record(&l, vol);
            snprintf(self, sizeof(self), "/storage/volumes/%s", vol->instance_uuid);
            room = rest_row(&l, self, svm->name, vol->name, NULL);
        }
    }
    sim_unlock();
    return rest_list_end(&l);
}

int rest_volume_get(struct rest *r)
{
    struct rest_list l;
    const char *self = NULL;
    if (rest_object_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    struct sim_volume *vol = rest_volume(r, r->params[0]);
    if (vol) {
        rest_record(&l);
        record(&l, vol);
        self = self_of(r, vol);
    }
    sim_unlock();
    if (self)
        return rest_object_end(&l, self);
    rest_list_drop(&l);
    return -1;
}

int rest_volumes_select(struct rest *r, struct sim_volume ***vols, size_t *count)
{
    struct rest_list l;
    *vols = NULL;
    *count = 0;
    if (rest_list_begin(&l, r, fields, FIELDS))
        return -1;
    bool filtered = rest_filtered(&l);
    sim_lock();
    for (size_t i = 0; filtered && i < sim.svm_count; i++) {
        const struct sim_svm *svm = sim.svms[i];
        for (size_t k = 0; rest_sees(r, svm) && k < svm->volume_count; k++) {
            if (!may(&l, svm->volumes[k]))
                continue;
            rest_record(&l);
            record(&l, svm->volumes[k]);
            if (!rest_match(&l))
                continue;
            *vols = sim_grow(*vols, *count + 1, sizeof(struct sim_volume *));
            (*vols)[(*count)++] = svm->volumes[k];
        }
    }
    sim_unlock();
    rest_list_drop(&l);
    return filtered ? 0 : rest_bulk(r, false, 0, NULL);
}
