/* LUNs over REST: records. */
#include "lun.h"
#include "rest.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
    {"auto_delete", REST_EXPENSIVE, 0},
    {"class", 0, 0},
    {"comment", 0, 0},
    {"create_time", 0, 0},
    {"enabled", 0, 0},
    {"location.logical_unit", 0, 0},
    {"location.node.name", 0, REST_V(9, 10, 1)},
    {"location.qtree.name", 0, 0},
    {"location.volume.name", 0, 0},
    {"location.volume.uuid", 0, 0},
    {"lun_maps", REST_EXPENSIVE | REST_LIST, 0},
    {"lun_maps.igroup.name", REST_EXPENSIVE, 0},
    {"lun_maps.igroup.uuid", REST_EXPENSIVE, 0},
    {"lun_maps.logical_unit_number", REST_EXPENSIVE, 0},
    {"movement.progress.state", REST_EXPENSIVE, 0}, /* nothing is ever moving */
    {"os_type", 0, 0},
    {"qos_policy.name", 0, 0}, /* there are no such policies */
    {"qos_policy.uuid", 0, 0},
    {"serial_number", 0, 0},
    {"serial_number_hex", 0, REST_V(9, 17, 1)},
    {"space.guarantee.requested", 0, 0},
    {"space.guarantee.reserved", 0, 0},
    {"space.scsi_thin_provisioning_support_enabled", 0, REST_V(9, 10, 1)},
    {"space.size", 0, 0},
    {"space.used", 0, 0},
    {"status.container_state", 0, 0},
    {"status.mapped", REST_EXPENSIVE, 0},
    {"status.read_only", 0, 0},
    {"status.state", 0, 0},
};

static json_t *maps_of(const struct sim_lun *lun)
{
    json_t *list = lun->map_count ? json_array() : NULL;
    for (size_t i = 0; i < lun->map_count; i++) {
        const struct sim_map *map = &lun->maps[i];
        json_array_append_new(list, json_pack("{s:o, s:i}", "igroup",
                                              rest_ref(map->igroup->name, map->igroup->uuid),
                                              "logical_unit_number", (int)map->id));
    }
    return list;
}

static void identity(struct rest_list *l, const struct sim_lun *lun)
{
    char hex[2 * SIM_LUN_SERIAL + 1];
    for (size_t i = 0; i < SIM_LUN_SERIAL; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)lun->serial[i]);
    rest_text(l, "os_type", lun->os_type);
    rest_text(l, "serial_number", lun->serial);
    rest_text(l, "serial_number_hex", hex);
}

static void location(struct rest_list *l, const struct sim_lun *lun)
{
    size_t n = 0;
    const char *qtree = sim_lun_qtree(lun, &n);
    AUTO_FREE char *name = n ? strndup(qtree, n) : NULL;
    AUTO_FREE char *node = sim_printf("%s-01", sim.cluster);
    rest_text(l, "location.logical_unit", sim_lun_leaf(lun));
    rest_text(l, "location.node.name", node);
    rest_text(l, "location.qtree.name", name);
    rest_text(l, "location.volume.name", lun->vol->name);
    rest_text(l, "location.volume.uuid", lun->vol->instance_uuid);
}

void rest_lun_record(struct rest_list *l, const struct sim_lun *lun)
{
    bool up = !strcmp(lun->vol->state, "online");
    rest_text(l, "uuid", lun->uuid);
    rest_text(l, "name", lun->path);
    rest_text(l, "svm.name", lun->vol->svm->name);
    rest_text(l, "svm.uuid", lun->vol->svm->uuid);
    rest_flag(l, "auto_delete", false);
    rest_text(l, "class", "regular");
    rest_text(l, "comment", lun->comment);
    rest_time(l, "create_time", lun->created);
    rest_flag(l, "enabled", lun->online);
    if (rest_wants(l, "location"))
        location(l, lun);
    if (rest_wants(l, "lun_maps"))
        rest_put(l, "lun_maps", maps_of(lun));
    identity(l, lun);
    rest_flag(l, "space.guarantee.requested", lun->reserved);
    rest_flag(l, "space.guarantee.reserved", lun->reserved);
    rest_flag(l, "space.scsi_thin_provisioning_support_enabled", false);
    rest_number(l, "space.size", lun->size);
    if (rest_wants(l, "space.used"))
        rest_number(l, "space.used", sim_lun_used(lun));
    rest_text(l, "status.container_state", up ? "online" : "volume_offline");
    rest_flag(l, "status.mapped", sim_lun_mapped(lun));
    rest_flag(l, "status.read_only", strcmp(lun->vol->type, "rw") != 0);
    rest_text(l, "status.state", up && lun->online ? "online" : "offline");
}

/* "svm" as a filter means the name. */
int rest_lun_list_begin(struct rest_list *l, struct rest *r)
{
    for (size_t i = 0; i < r->pair_count; i++) {
        if (!strcmp(r->pairs[i].name, "svm"))
            r->pairs[i].name = "svm.name";
    }
    return rest_list_begin(l, r, fields, COUNT(fields));
}

static bool list_volume(struct rest_list *l, const struct sim_volume *vol, const char *after)
{
    bool room = true;
    for (size_t i = sim_lun_after(vol, after, false); i < vol->lun_count && room; i++) {
        char self[64];
        const struct sim_lun *lun = vol->luns[i];
        if (!rest_may(l, "serial_number", lun->serial) || !rest_may(l, "name", lun->path) ||
            !rest_may(l, "uuid", lun->uuid))
            continue;
        rest_record(l);
        rest_lun_record(l, lun);
        snprintf(self, sizeof(self), "/storage/luns/%s", lun->uuid);
        room = rest_row(l, self, vol->svm->name, vol->name, lun->name);
    }
    return room;
}

int rest_luns_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_lun_list_begin(&l, r))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = l.keys[0] && !strcmp(l.keys[0], svm->name);
        if (!rest_sees(r, svm) || !rest_may(&l, "svm.name", svm->name))
            continue;
        for (size_t k = sim_volume_after(svm, same ? l.keys[1] : NULL, true);
             k < svm->volume_count && room; k++) {
            const struct sim_volume *vol = svm->volumes[k];
            bool here = same && l.keys[1] && !strcmp(l.keys[1], vol->name);
            if (rest_may(&l, "location.volume.name", vol->name))
                room = list_volume(&l, vol, here ? l.keys[2] : NULL);
        }
    }
    sim_unlock();
    return rest_list_end(&l);
}

struct sim_lun *rest_lun(struct rest *r, const char *uuid)
{
    struct sim_lun *lun = sim_lun_by_uuid(NULL, uuid);
    if (lun && rest_sees(r, lun->vol->svm))
        return lun;
    rest_fail(r, 5374875, "uuid", "The LUN %.40s does not exist.", uuid);
    return NULL;
}

int rest_lun_get(struct rest *r)
{
    struct rest_list l;
    char self[64];
    if (rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    const struct sim_lun *lun = rest_lun(r, r->params[0]);
    if (lun) {
        rest_record(&l);
        rest_lun_record(&l, lun);
        snprintf(self, sizeof(self), "/storage/luns/%s", lun->uuid);
    }
    sim_unlock();
    if (lun)
        return rest_object_end(&l, sim_arena_dup(&r->arena, self));
    rest_list_drop(&l);
    return -1;
}
