/* Initiator groups and LUN maps. */
#include "zapi.h"
#include "lun.h"

#include <stdio.h>
#include <string.h>

/* Locked when it returns a group. */
static struct sim_igroup *group_locked(struct zapi *z, const char *name)
{
    sim_lock();
    struct sim_igroup *group = z->svm ? sim_igroup_find(z->svm, name) : NULL;
    if (group)
        return group;
    sim_unlock();
    sim_fail(&z->err, SIM_EIGROUPMISSING, "No such initiator group: \"%.96s\".", name);
    return NULL;
}

static int save_igroups(struct zapi *z, int rc)
{
    if (!rc && sim_igroup_save(z->svm))
        rc = sim_fail(&z->err, SIM_EINTERNAL, "State not saved.");
    sim_unlock();
    return rc;
}

int zapi_igroup_create(struct zapi *z)
{
    if (!z->svm)
        return zapi_no_svm(z);
    const char *name = zapi_need(z, "initiator-group-name");
    const char *protocol = name ? zapi_need(z, "initiator-group-type") : NULL;
    const char *os_type = zapi_arg(z, "os-type");
    if (!protocol)
        return -1;
    if (!os_type)
        os_type = zapi_arg(z, "ostype");
    sim_lock();
    const struct sim_igroup *group =
        sim_igroup_create(z->svm, name, protocol, os_type ? os_type : "default", &z->err);
    return save_igroups(z, group ? 0 : -1);
}

static struct sim_igroup *need_group(struct zapi *z)
{
    const char *name = z->svm ? zapi_need(z, "initiator-group-name") : NULL;
    if (!z->svm)
        zapi_no_svm(z);
    return name ? group_locked(z, name) : NULL;
}

int zapi_igroup_destroy(struct zapi *z)
{
    bool force = false;
    if (zapi_flag(z, "force", &force))
        return -1;
    struct sim_igroup *group = need_group(z);
    return group ? save_igroups(z, sim_igroup_destroy(group, force, &z->err)) : -1;
}

int zapi_igroup_rename(struct zapi *z)
{
    const char *name = zapi_need(z, "initiator-group-new-name");
    struct sim_igroup *group = name ? need_group(z) : NULL;
    if (!group)
        return -1;
    int rc = sim_igroup_rename(group, name, &z->err);
    if (!rc)
        sim_map_save(group);
    return save_igroups(z, rc);
}

int zapi_igroup_add(struct zapi *z)
{
    const char *initiator = zapi_need(z, "initiator");
    struct sim_igroup *group = initiator ? need_group(z) : NULL;
    return group ? save_igroups(z, sim_igroup_add(group, initiator, &z->err)) : -1;
}

int zapi_igroup_remove(struct zapi *z)
{
    bool force = false;
    const char *initiator = zapi_need(z, "initiator");
    if (!initiator || zapi_flag(z, "force", &force))
        return -1;
    struct sim_igroup *group = need_group(z);
    return group ? save_igroups(z, sim_igroup_remove(group, initiator, force, &z->err)) : -1;
}

static void igroup_record(struct zapi_iter *it, struct zapi_rec *rec,
                          const struct sim_igroup *group)
{
    zapi_rec_flag(it, rec, "initiator-group-alua-enabled", true);
    zapi_rec_key(it, rec, "initiator-group-name", group->name);
    zapi_rec_text(it, rec, "initiator-group-os-type", group->os_type);
    zapi_rec_text(it, rec, "initiator-group-type", group->protocol);
    zapi_rec_text(it, rec, "initiator-group-uuid", group->uuid);
    if (group->initiator_count) {
        struct zapi_rec *list = zapi_rec_add(it, rec, "initiators");
        for (size_t i = 0; i < group->initiator_count; i++)
            zapi_rec_text(it, zapi_rec_add(it, list, "initiator-info"), "initiator-name",
                          group->initiators[i]);
    }
    zapi_rec_key(it, rec, "vserver", group->svm->name);
}

int zapi_igroup_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "initiator-group-info"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = it.keys[0] && !strcmp(it.keys[0], svm->name);
        if (z->svm && z->svm != svm)
            continue;
        for (size_t k = sim_igroup_after(svm, same ? it.keys[1] : NULL, false);
             k < svm->igroup_count && room; k++) {
            struct zapi_rec *rec = zapi_iter_record(&it, "initiator-group-info");
            igroup_record(&it, rec, svm->igroups[k]);
            room = zapi_iter_row(&it, rec, svm->name, svm->igroups[k]->name, NULL);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

/* One group as a list-info call shows it; lun (NULL: none) adds the number. */
static void put_group(struct zapi *z, const struct sim_igroup *group, const struct sim_map *map)
{
    sim_buf_adds(&z->out, "<initiator-group-info>");
    zapi_put(z, "initiator-group-name", group->name);
    zapi_put(z, "initiator-group-os-type", group->os_type);
    zapi_put(z, "initiator-group-type", group->protocol);
    zapi_put(z, "initiator-group-uuid", group->uuid);
    if (group->initiator_count) {
        sim_buf_adds(&z->out, "<initiators>");
        for (size_t i = 0; i < group->initiator_count; i++) {
            sim_buf_adds(&z->out, "<initiator-info>");
            zapi_put(z, "initiator-name", group->initiators[i]);
            sim_buf_adds(&z->out, "</initiator-info>");
        }
        sim_buf_adds(&z->out, "</initiators>");
    }
    if (map)
        zapi_put_number(z, "lun-id", map->id);
    sim_buf_adds(&z->out, "</initiator-group-info>");
}

int zapi_igroup_list_info(struct zapi *z)
{
    const char *name = zapi_arg(z, "initiator-group-name");
    if (!z->svm)
        return zapi_no_svm(z);
    const struct sim_igroup *one = name && *name ? group_locked(z, name) : NULL;
    if (name && *name && !one)
        return -1;
    if (!one)
        sim_lock();
    sim_buf_adds(&z->out, "<initiator-groups>");
    for (size_t i = 0; i < z->svm->igroup_count; i++) {
        if (!one || one == z->svm->igroups[i])
            put_group(z, z->svm->igroups[i], NULL);
    }
    sim_buf_adds(&z->out, "</initiator-groups>");
    sim_unlock();
    return 0;
}

/* Path and group of lun-map and lun-unmap. Locked when it returns 0. */
static int need_both(struct zapi *z, struct sim_lun **lun, struct sim_igroup **group)
{
    const char *path = z->svm ? zapi_need(z, "path") : NULL;
    const char *name = path ? zapi_need(z, "initiator-group") : NULL;
    if (!z->svm)
        zapi_no_svm(z);
    *lun = name ? zapi_lun_locked(z, path) : NULL;
    if (!*lun)
        return -1;
    *group = sim_igroup_find(z->svm, name);
    if (*group)
        return 0;
    sim_unlock();
    return sim_fail(&z->err, SIM_EIGROUPMISSING, "No such initiator group: \"%.96s\".", name);
}

int zapi_lun_map(struct zapi *z)
{
    struct sim_lun *lun;
    struct sim_igroup *group;
    uint64_t id = UINT64_MAX;
    unsigned assigned = 0;
    if (zapi_count(z, "lun-id", 0, SIM_MAP_IDS - 1, &id) || need_both(z, &lun, &group))
        return -1;
    int rc = sim_map_add(lun, group, id == UINT64_MAX ? -1 : (int64_t)id, &assigned, &z->err);
    if (!rc)
        zapi_put_number(z, "lun-id-assigned", assigned);
    if (!rc && sim_lun_save(lun))
        rc = sim_fail(&z->err, SIM_EINTERNAL, "State not saved.");
    sim_unlock();
    return rc;
}

int zapi_lun_unmap(struct zapi *z)
{
    struct sim_lun *lun;
    struct sim_igroup *group;
    if (need_both(z, &lun, &group))
        return -1;
    int rc = sim_map_remove(lun, group, &z->err);
    if (!rc && sim_lun_save(lun))
        rc = sim_fail(&z->err, SIM_EINTERNAL, "State not saved.");
    sim_unlock();
    return rc;
}

int zapi_lun_map_list_info(struct zapi *z)
{
    const char *path = zapi_need(z, "path");
    const struct sim_lun *lun = path ? zapi_lun_locked(z, path) : NULL;
    if (!lun)
        return -1;
    if (lun->map_count)
        sim_buf_adds(&z->out, "<initiator-groups>");
    for (size_t i = 0; i < lun->map_count; i++)
        put_group(z, lun->maps[i].igroup, &lun->maps[i]);
    if (lun->map_count)
        sim_buf_adds(&z->out, "</initiator-groups>");
    sim_unlock();
    return 0;
}

static bool list_maps(struct zapi_iter *it, const struct sim_lun *lun, const char *after)
{
    bool room = true, seen = !after;
    for (size_t i = 0; i < lun->map_count && room; i++) {
        const struct sim_map *map = &lun->maps[i];
        const char *node = sim_arena_printf(&it->z->arena, "%s-01", sim.cluster);
        struct zapi_rec *rec = zapi_iter_record(it, "lun-map-info");
        if (!seen) {
            seen = !strcmp(map->igroup->name, after);
            continue;
        }
        zapi_rec_key(it, rec, "initiator-group", map->igroup->name);
        zapi_rec_text(it, rec, "initiator-group-uuid", map->igroup->uuid);
        zapi_rec_number(it, rec, "lun-id", map->id);
        zapi_rec_text(it, rec, "lun-uuid", lun->uuid);
        zapi_rec_text(it, rec, "node", node);
        zapi_rec_key(it, rec, "path", lun->path);
        zapi_rec_key(it, rec, "vserver", lun->vol->svm->name);
        room = zapi_iter_row(it, rec, lun->vol->svm->name, lun->path, map->igroup->name);
    }
    return room;
}

/* The second key is the path, the third the group. */
static void list_svm(struct zapi_iter *it, const struct sim_svm *svm, bool same, bool *room)
{
    const char *volume = NULL, *name = NULL;
    if (same)
        zapi_split_path(it->z, it->keys[1], &volume, &name);
    for (size_t k = sim_volume_after(svm, volume, true); k < svm->volume_count && *room; k++) {
        const struct sim_volume *vol = svm->volumes[k];
        bool here = volume && !strcmp(volume, vol->name);
        for (size_t i = sim_lun_after(vol, here ? name : NULL, true); i < vol->lun_count && *room;
             i++) {
            const struct sim_lun *lun = vol->luns[i];
            bool again = here && !strcmp(lun->name, name);
            if (lun->map_count && zapi_iter_may(it, "path", lun->path))
                *room = list_maps(it, lun, again ? it->keys[2] : NULL);
        }
    }
}

int zapi_lun_map_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "lun-map-info"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        if (!z->svm || z->svm == svm)
            list_svm(&it, svm, it.keys[0] && !strcmp(it.keys[0], svm->name), &room);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

int zapi_lun_initiator_list_map_info(struct zapi *z)
{
    const char *initiator = zapi_need(z, "initiator");
    if (!z->svm)
        return zapi_no_svm(z);
    if (!initiator)
        return -1;
    sim_lock();
    sim_buf_adds(&z->out, "<lun-maps>");
    for (size_t g = 0; g < z->svm->igroup_count; g++) {
        const struct sim_igroup *group = z->svm->igroups[g];
        for (unsigned i = 0; sim_igroup_has(group, initiator) && group->ids && i < SIM_MAP_IDS;
             i++) {
            if (!group->ids[i])
                continue;
            sim_buf_adds(&z->out, "<lun-map-info>");
            zapi_put(z, "initiator-group", group->name);
            zapi_put_number(z, "lun-id", i);
            zapi_put(z, "path", group->ids[i]->path);
            sim_buf_adds(&z->out, "</lun-map-info>");
        }
    }
    sim_buf_adds(&z->out, "</lun-maps>");
    sim_unlock();
    return 0;
}
