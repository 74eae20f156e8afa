/* LUN maps over REST. Made and removed at once, without a job. */
#include "lun.h"
#include "rest.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field fields[] = {
    {"svm.uuid", REST_KEY, 0},     {"svm.name", REST_KEY, 0},    {"lun.uuid", REST_KEY, 0},
    {"lun.name", REST_KEY, 0},     {"igroup.uuid", REST_KEY, 0}, {"igroup.name", REST_KEY, 0},
    {"igroup.os_type", 0, 0},      {"igroup.protocol", 0, 0},    {"igroup.initiators", 0, 0},
    {"logical_unit_number", 0, 0}, {"lun.node.name", 0, 0},
};

static void record(struct rest_list *l, const struct sim_lun *lun, const struct sim_map *map)
{
    const struct sim_igroup *group = map->igroup;
    AUTO_FREE char *node = sim_printf("%s-01", sim.cluster);
    rest_record(l);
    rest_text(l, "svm.uuid", group->svm->uuid);
    rest_text(l, "svm.name", group->svm->name);
    rest_text(l, "lun.uuid", lun->uuid);
    rest_text(l, "lun.name", lun->path);
    rest_text(l, "igroup.uuid", group->uuid);
    rest_text(l, "igroup.name", group->name);
    rest_text(l, "igroup.os_type", group->os_type);
    rest_text(l, "igroup.protocol", group->protocol);
    if (rest_wants(l, "igroup.initiators")) {
        json_t *list = json_array();
        for (size_t i = 0; i < group->initiator_count; i++)
            json_array_append_new(list, json_string(group->initiators[i]));
        rest_put(l, "igroup.initiators", list);
    }
    rest_number(l, "logical_unit_number", map->id);
    rest_text(l, "lun.node.name", node);
}

static void self_of(char self[128], const struct sim_lun *lun, const struct sim_map *map)
{
    snprintf(self, 128, "/protocols/san/lun-maps/%s/%s", lun->uuid, map->igroup->uuid);
}

/* after: the group whose map ended the last page. */
static bool list_lun(struct rest_list *l, const struct sim_lun *lun, const char *after)
{
    bool room = true, seen = !after;
    for (size_t i = 0; i < lun->map_count && room; i++) {
        char self[128];
        const struct sim_map *map = &lun->maps[i];
        if (seen) {
            record(l, lun, map);
            self_of(self, lun, map);
            room = rest_row(l, self, lun->vol->svm->name, lun->path, map->igroup->name);
        } else {
            seen = !strcmp(map->igroup->name, after);
        }
    }
    return room;
}

/* The second key is the path: "/vol/VOLUME/NAME". */
static void split(const char *path, char volume[256], const char **name)
{
    size_t n = strcspn(path + 5, "/");
    snprintf(volume, 256, "%.*s", (int)n, path + 5);
    *name = path[5 + n] ? path + 6 + n : "";
}

static bool list_svm(struct rest_list *l, const struct sim_svm *svm, const char *path)
{
    char volume[256] = "";
    const char *name = NULL;
    bool room = true, resume = path && !strncmp(path, "/vol/", 5);
    if (resume)
        split(path, volume, &name);
    for (size_t k = sim_volume_after(svm, resume ? volume : NULL, true);
         k < svm->volume_count && room; k++) {
        const struct sim_volume *vol = svm->volumes[k];
        bool here = resume && !strcmp(volume, vol->name);
        for (size_t i = sim_lun_after(vol, here ? name : NULL, true); i < vol->lun_count && room;
             i++) {
            const struct sim_lun *lun = vol->luns[i];
            bool again = here && !strcmp(lun->name, name);
            if (lun->map_count && rest_may(l, "lun.name", lun->path) &&
                rest_may(l, "lun.uuid", lun->uuid))
                room = list_lun(l, lun, again ? l->keys[2] : NULL);
        }
    }
    return room;
}

int rest_maps_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = l.keys[0] && !strcmp(l.keys[0], svm->name);
        if (rest_sees(r, svm) && rest_may(&l, "svm.name", svm->name))
            room = list_svm(&l, svm, same ? l.keys[1] : NULL);
    }
    sim_unlock();
    return rest_list_end(&l);
}

/* Locked. The LUN and the group of the address, and the map between them. */
static const struct sim_map *find(struct rest *r, struct sim_lun **lun, struct sim_igroup **group)
{
    *lun = sim_lun_by_uuid(NULL, r->params[0]);
    *group = sim_igroup_by_uuid(NULL, r->params[1]);
    if (!*lun || !rest_sees(r, (*lun)->vol->svm)) {
        rest_fail(r, 5374875, "lun.uuid", "The LUN does not exist.");
        return NULL;
    }
    if (!*group || !rest_sees(r, (*group)->svm)) {
        rest_fail(r, 5374878, "igroup.uuid", "The igroup does not exist.");
        return NULL;
    }
    const struct sim_map *map = sim_map_find(*lun, *group);
    if (!map)
        rest_fail(r, 5374922, NULL, "LUN \"%s\" is not mapped to \"%s\".", (*lun)->path,
                  (*group)->name);
    return map;
}

int rest_map_get(struct rest *r)
{
    struct rest_list l;
    struct sim_lun *lun;
    struct sim_igroup *group;
    if (rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    const struct sim_map *map = find(r, &lun, &group);
    if (map)
        record(&l, lun, map);
    sim_unlock();
    if (map)
        return rest_object_end(&l, r->path);
    rest_list_drop(&l);
    return -1;
}

int rest_map_delete(struct rest *r)
{
    static const char *const none[] = {NULL};
    struct sim_lun *lun;
    struct sim_igroup *group;
    struct sim_err err = {0};
    if (rest_accept(r, none))
        return -1;
    sim_lock();
    int rc = find(r, &lun, &group) ? 0 : -1;
    if (!rc && (sim_map_remove(lun, group, &err) || sim_lun_save(lun)))
        rc = rest_fail(r, 65552, NULL, "The map cannot be removed.");
    sim_unlock();
    return rc;
}

/* Locked. "lun" and "igroup", each by name or uuid. */
static struct sim_lun *read_lun(struct rest *r, const struct sim_svm *svm)
{
    const char *name = rest_arg(r, "lun.name"), *uuid = rest_arg(r, "lun.uuid");
    struct sim_lun *lun = NULL;
    if (uuid) {
        lun = sim_lun_by_uuid(svm, uuid);
    } else if (name) {
        lun = sim_lun_by_path(svm, name);
    } else {
        rest_fail(r, REST_EMISSING, "lun.name", "The field \"lun.name\" is required.");
        return NULL;
    }
    if (!lun)
        rest_fail(r, 1254201, "lun.name", "The LUN \"%.200s\" does not exist.", name ? name : uuid);
    return lun;
}

static struct sim_igroup *read_group(struct rest *r, const struct sim_svm *svm)
{
    const char *name = rest_arg(r, "igroup.name"), *uuid = rest_arg(r, "igroup.uuid");
    struct sim_igroup *group = NULL;
    if (uuid) {
        group = sim_igroup_by_uuid(svm, uuid);
    } else if (name) {
        group = sim_igroup_find(svm, name);
    } else {
        rest_fail(r, REST_EMISSING, "igroup.name", "The field \"igroup.name\" is required.");
        return NULL;
    }
    if (!group)
        rest_fail(r, 5374878, "igroup.name", "The igroup \"%.96s\" does not exist.",
                  name ? name : uuid);
    return group;
}

static json_t *made(const struct sim_lun *lun, const struct sim_igroup *group, unsigned id)
{
    return json_pack("{s:i, s:[{s:i, s:o, s:o, s:o}]}", "num_records", 1, "records",
                     "logical_unit_number", (int)id, "lun", rest_ref(lun->path, lun->uuid),
                     "igroup", rest_ref(group->name, group->uuid), "svm",
                     rest_ref(group->svm->name, group->svm->uuid));
}

/* Locked. */
static int create(struct rest *r, const struct sim_svm *svm, int64_t number)
{
    char self[128];
    bool records = false;
    unsigned id = 0;
    struct sim_err err = {0};
    struct sim_lun *lun = read_lun(r, svm);
    struct sim_igroup *group = lun ? read_group(r, svm) : NULL;
    if (!group || rest_flag_arg(r, "return_records", &records))
        return -1;
    if (sim_map_add(lun, group, number, &id, &err))
        return rest_fail_model(r, REST_DO_LUN_MAP, &err);
    if (sim_lun_save(lun))
        return rest_fail(r, 65552, NULL, "State not saved.");
    self_of(self, lun, sim_map_find(lun, group));
    r->status = 201;
    r->location = sim_arena_printf(&r->arena, "/api%s", self);
    r->out = records ? made(lun, group, id) : NULL;
    return 0;
}

int rest_map_create(struct rest *r)
{
    static const char *const names[] = {"svm.name",
                                        "svm.uuid",
                                        "lun.name",
                                        "lun.uuid",
                                        "igroup.name",
                                        "igroup.uuid",
                                        "logical_unit_number",
                                        NULL};
    uint64_t id = UINT64_MAX;
    if (rest_accept(r, names) || rest_count_arg(r, "logical_unit_number", 0, SIM_MAP_IDS - 1, &id))
        return -1;
    const struct sim_svm *svm = rest_svm(r);
    if (!svm)
        return -1;
    sim_lock();
    int rc = create(r, svm, id == UINT64_MAX ? -1 : (int64_t)id);
    sim_unlock();
    return rc;
}
