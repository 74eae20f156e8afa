/* Clones of files, LUNs and volumes; qtrees. */
#include "zapi.h"
#include "clone.h"
#include "job.h"
#include "lun.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RANGES = 32, MAX_BLOCKS = 1 << 18 };

static int range_number(struct zapi *z, const xmlNode *range, const char *name, uint64_t *n)
{
    const xmlNode *node = zapi_child(range, name);
    const char *text = node ? zapi_text(&z->arena, node) : "";
    return sim_number(text, 0, INT64_MAX / 8192, n) ? 0 : zapi_invalid(z, name, text);
}

static int read_ranges(struct zapi *z, struct sim_clone_spec *spec)
{
    const xmlNode *list = zapi_child(z->call, "block-ranges");
    uint64_t blocks = 0;
    struct sim_range *ranges = sim_arena_alloc(&z->arena, MAX_RANGES * sizeof(*ranges));
    spec->ranges = ranges;
    for (const xmlNode *n = list ? zapi_first(list) : NULL; n; n = zapi_next(n)) {
        struct sim_range r = {0};
        if (range_number(z, n, "source-block-number", &r.from) ||
            range_number(z, n, "destination-block-number", &r.to) ||
            range_number(z, n, "block-count", &r.count))
            return -1;
        blocks += r.count;
        if (spec->range_count == MAX_RANGES)
            return sim_fail(&z->err, SIM_ECLONEMAXRANGES, "More than %d block ranges.", MAX_RANGES);
        if (blocks > MAX_BLOCKS)
            return sim_fail(&z->err, SIM_ECLONEMAXBLOCKS, "More than %d blocks.", MAX_BLOCKS);
        ranges[spec->range_count++] = r;
    }
    return 0;
}

/* A path below the volume, or "/vol/VOLUME/..." in that volume. */
static const char *inside(struct zapi *z, const char *arg, const char *volume)
{
    const char *in = NULL, *rest = NULL;
    const char *path = zapi_need(z, arg);
    if (!path || *path != '/')
        return path;
    if (!zapi_split_path(z, path, &in, &rest))
        return path + 1;
    if (!strcmp(in, volume))
        return rest;
    sim_fail(&z->err, SIM_ECLONEVOLUME, "\"%.200s\" is not in volume \"%s\".", path, volume);
    return NULL;
}

int zapi_clone_create(struct zapi *z)
{
    struct sim_clone_spec spec = {0};
    bool backup = false, flag = false;
    const char *volume = zapi_need(z, "volume");
    spec.from = volume ? inside(z, "source-path", volume) : NULL;
    spec.to = spec.from ? inside(z, "destination-path", volume) : NULL;
    if (!spec.to || zapi_flag(z, "space-reserve", &spec.reserved) ||
        zapi_flag(z, "destination-exists", &spec.overwrite) || zapi_flag(z, "is-backup", &backup) ||
        zapi_flag(z, "ignore-streams", &flag) || zapi_flag(z, "ignore-locks", &flag) ||
        read_ranges(z, &spec))
        return -1;
    if (zapi_arg(z, "is-backup") && sim.ontapi_minor < 100)
        return zapi_invalid(z, "is-backup", zapi_arg(z, "is-backup"));
    if (backup && spec.range_count)
        return sim_fail(&z->err, SIM_EINVALID, "A backup clone is one of a whole file.");
    const char *snapshot = zapi_arg(z, "snapshot-name");
    spec.snapshot = snapshot && *snapshot ? snapshot : NULL;
    struct sim_volume *vol = zapi_volume(z, volume);
    return vol ? sim_clone(vol, &spec, &z->err) : -1;
}

int zapi_volume_clone_create(struct zapi *z)
{
    bool active = true;
    struct sim_volume_spec spec = {.name = zapi_need(z, "volume")};
    const char *parent = spec.name ? zapi_need(z, "parent-volume") : NULL;
    const char *svm = zapi_arg(z, "parent-vserver");
    if (!parent || zapi_flag(z, "junction-active", &active))
        return -1;
    if (svm && *svm && z->svm && strcmp(svm, z->svm->name) != 0)
        return zapi_invalid(z, "parent-vserver", svm);
    spec.junction = zapi_arg(z, "junction-path");
    spec.comment = zapi_arg(z, "volume-comment");
    spec.type = zapi_arg(z, "volume-type");
    if (spec.type && strcmp(spec.type, "rw") != 0 && strcmp(spec.type, "dp") != 0)
        return zapi_invalid(z, "volume-type", spec.type);
    struct sim_volume *vol = zapi_volume(z, parent);
    return vol ? sim_volume_clone(vol, zapi_arg(z, "parent-snapshot"), &spec, NULL, &z->err) : -1;
}

static struct sim_volume *need_clone(struct zapi *z)
{
    const char *name = zapi_need(z, "volume");
    return name ? zapi_volume(z, name) : NULL;
}

int zapi_volume_clone_split_start(struct zapi *z)
{
    uint64_t job = 0;
    struct sim_volume *vol = need_clone(z);
    if (!vol || sim_volume_split(vol, &job, &z->err))
        return -1;
    zapi_put_number(z, "result-jobid", job);
    zapi_put(z, "result-status", "in_progress");
    return 0;
}

int zapi_volume_clone_split_stop(struct zapi *z)
{
    struct sim_volume *vol = need_clone(z);
    return vol ? sim_volume_split_stop(vol, &z->err) : -1;
}

static void put_split(struct zapi *z, const struct sim_volume *vol)
{
    sim_buf_adds(&z->out, "<clone-split-detail-info>");
    zapi_put_number(z, "inode-percentage-complete", 0);
    zapi_put_number(z, "inodes-processed", 0);
    zapi_put_number(z, "inodes-total", 1);
    zapi_put(z, "name", vol->name);
    sim_buf_adds(&z->out, "</clone-split-detail-info>");
}

/* Of one volume, or of all whose split is under way. */
int zapi_volume_clone_split_status(struct zapi *z)
{
    const char *name = zapi_arg(z, "volume");
    const struct sim_volume *one = name && *name ? zapi_volume(z, name) : NULL;
    if (z->err.num)
        return -1;
    if (!z->svm)
        return zapi_no_svm(z);
    sim_lock();
    if (one && !one->splitting) {
        sim_unlock();
        return sim_fail(&z->err, SIM_EVOLNOTUNDERWAY, "No split of volume \"%s\" is under way.",
                        one->name);
    }
    sim_buf_adds(&z->out, "<clone-split-details>");
    for (size_t i = 0; i < z->svm->volume_count; i++) {
        const struct sim_volume *vol = z->svm->volumes[i];
        if (vol->splitting && (!one || one == vol))
            put_split(z, vol);
    }
    sim_buf_adds(&z->out, "</clone-split-details>");
    sim_unlock();
    return 0;
}

static void clone_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_volume *vol)
{
    zapi_rec_text(it, rec, "aggregate", vol->aggregate);
    if (vol->splitting) {
        zapi_rec_number(it, rec, "block-percentage-complete", 0);
        zapi_rec_number(it, rec, "inode-percentage-complete", 0);
    }
    zapi_rec_text(it, rec, "comment", vol->comment);
    zapi_rec_flag(it, rec, "junction-active", vol->junction != NULL);
    zapi_rec_text(it, rec, "junction-path", vol->junction);
    zapi_rec_text(it, rec, "parent-snapshot", vol->parent_snap);
    zapi_rec_text(it, rec, "parent-volume", vol->parent->name);
    zapi_rec_text(it, rec, "parent-vserver", vol->svm->name);
    zapi_rec_number(it, rec, "size", vol->size);
    zapi_rec_text(it, rec, "space-reserve", "none");
    zapi_rec_text(it, rec, "state", vol->state);
    zapi_rec_text(it, rec, "uuid", vol->uuid);
    zapi_rec_key(it, rec, "volume", vol->name);
    zapi_rec_text(it, rec, "volume-type", vol->type);
    zapi_rec_key(it, rec, "vserver", vol->svm->name);
}

int zapi_volume_clone_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "volume-clone-info"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = it.keys[0] && !strcmp(it.keys[0], svm->name);
        if (z->svm && z->svm != svm)
            continue;
        for (size_t k = sim_volume_after(svm, same ? it.keys[1] : NULL, false);
             k < svm->volume_count && room; k++) {
            if (!svm->volumes[k]->parent)
                continue;
            struct zapi_rec *rec = zapi_iter_record(&it, "volume-clone-info");
            clone_record(&it, rec, svm->volumes[k]);
            room = zapi_iter_row(&it, rec, svm->name, svm->volumes[k]->name, NULL);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

int zapi_volume_clone_get(struct zapi *z)
{
    struct zapi_iter it = {.z = z};
    const struct sim_volume *vol = need_clone(z);
    if (!vol &&
        z->err.num == SIM_EVOLMISSING) /* no volume, no clone: Ansible's module wants this */
        return sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    if (!vol)
        return -1;
    sim_lock();
    bool clone = vol->parent != NULL;
    if (clone) {
        struct zapi_rec *rec = zapi_iter_record(&it, "volume-clone-info");
        clone_record(&it, rec, vol);
        sim_buf_adds(&z->out, "<attributes>");
        zapi_rec_write(&z->out, rec);
        sim_buf_adds(&z->out, "</attributes>");
        sim_arena_free(&it.arena);
    }
    sim_unlock();
    return clone ? 0 : sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
}

int zapi_qtree_create(struct zapi *z)
{
    const char *name = zapi_need(z, "qtree");
    const char *volume = name ? zapi_need(z, "volume") : NULL;
    struct sim_volume *vol = volume ? zapi_volume(z, volume) : NULL;
    return vol ? sim_qtree_create(vol, name, &z->err) : -1;
}

/* "qtree" is a path here: /vol/VOLUME/QTREE. */
int zapi_qtree_delete(struct zapi *z)
{
    const char *volume = NULL, *name = NULL;
    const char *path = zapi_need(z, "qtree");
    if (!path)
        return -1;
    if (!zapi_split_path(z, path, &volume, &name) || !*name)
        return zapi_invalid(z, "qtree", path);
    struct sim_volume *vol = zapi_volume(z, volume);
    return vol ? sim_qtree_delete(vol, name, &z->err) : -1;
}

static bool qtree_row(struct zapi_iter *it, const struct sim_volume *vol, const char *name)
{
    struct zapi_rec *rec = zapi_iter_record(it, "qtree-info");
    zapi_rec_text(it, rec, "export-policy", vol->exports ? vol->exports : "default");
    zapi_rec_number(it, rec, "id", sim_qtree_id(name));
    zapi_rec_flag(it, rec, "is-export-policy-inherited", true);
    zapi_rec_text(it, rec, "oplocks", "enabled");
    zapi_rec_key(it, rec, "qtree", name);
    zapi_rec_text(it, rec, "security-style", "unix");
    zapi_rec_text(it, rec, "status", "normal");
    zapi_rec_key(it, rec, "volume", vol->name);
    zapi_rec_key(it, rec, "vserver", vol->svm->name);
    return zapi_iter_row(it, rec, vol->svm->name, vol->name, name);
}

/* The volume itself is the qtree without a name. */
static bool list_qtrees(struct zapi_iter *it, const struct sim_volume *vol, const char *after)
{
    char **names = sim_qtree_list(vol);
    bool room = after || qtree_row(it, vol, "");
    for (size_t i = 0; names[i]; i++) {
        if (room && (!after || strcmp(names[i], after) > 0))
            room = qtree_row(it, vol, names[i]);
        free(names[i]);
    }
    free(names);
    return room;
}

int zapi_qtree_list_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "qtree-info"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = it.keys[0] && !strcmp(it.keys[0], svm->name);
        if (z->svm && z->svm != svm)
            continue;
        for (size_t k = sim_volume_after(svm, same ? it.keys[1] : NULL, true);
             k < svm->volume_count && room; k++) {
            const struct sim_volume *vol = svm->volumes[k];
            bool here = same && it.keys[1] && !strcmp(it.keys[1], vol->name);
            if (zapi_iter_may(&it, "volume", vol->name) && !strcmp(vol->state, "online"))
                room = list_qtrees(&it, vol, here ? it.keys[2] : NULL);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}
