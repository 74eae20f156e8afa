/* LUNs: listing, and calls on one of them. */
#include "zapi.h"
#include "lun.h"

#include <stdio.h>
#include <string.h>

static void lun_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_lun *lun)
{
    size_t n = 0;
    const char *qtree = sim_lun_qtree(lun, &n);
    const char *node = sim_arena_printf(&it->arena, "%s-01", sim.cluster);
    zapi_rec_text(it, rec, "alignment", "indeterminate");
    zapi_rec_number(it, rec, "block-size", 512);
    zapi_rec_text(it, rec, "class", "regular");
    zapi_rec_text(it, rec, "comment", lun->comment);
    zapi_rec_number(it, rec, "creation-timestamp", (uint64_t)lun->created);
    zapi_rec_flag(it, rec, "is-clone", false);
    zapi_rec_flag(it, rec, "is-restore-inaccessible", sim_lun_restoring(lun));
    zapi_rec_flag(it, rec, "is-space-alloc-enabled", false);
    zapi_rec_flag(it, rec, "is-space-reservation-enabled", lun->reserved);
    zapi_rec_flag(it, rec, "mapped", sim_lun_mapped(lun));
    zapi_rec_text(it, rec, "multiprotocol-type", lun->os_type);
    zapi_rec_text(it, rec, "node", node);
    zapi_rec_flag(it, rec, "online", lun->online);
    zapi_rec_key(it, rec, "path", lun->path);
    zapi_rec_number(it, rec, "prefix-size", 0);
    zapi_rec_text(it, rec, "qtree", sim_arena_printf(&it->arena, "%.*s", (int)n, qtree));
    zapi_rec_flag(it, rec, "read-only", strcmp(lun->vol->type, "rw") != 0);
    zapi_rec_text(it, rec, "serial-number", lun->serial);
    zapi_rec_text(it, rec, "share-state", "none");
    zapi_rec_number(it, rec, "size", lun->size);
    if (zapi_iter_wants(it, "size-used"))
        zapi_rec_number(it, rec, "size-used", sim_lun_used(lun));
    zapi_rec_flag(it, rec, "staging", false);
    zapi_rec_text(it, rec, "state", lun->online ? "online" : "offline");
    zapi_rec_number(it, rec, "suffix-size", 0);
    zapi_rec_text(it, rec, "uuid", lun->uuid);
    zapi_rec_text(it, rec, "volume", lun->vol->name);
    zapi_rec_key(it, rec, "vserver", lun->vol->svm->name);
}

/* The text that a field of the only query must have, when it is plain; else NULL. */
static const char *plain(struct zapi_iter *it, const char *field)
{
    const xmlNode *node = it->query && !zapi_next(it->query) ? zapi_child(it->query, field) : NULL;
    const char *text = node ? zapi_text(&it->z->arena, node) : "";
    return *text && !strpbrk(text, "*|!<>") && !strstr(text, "..") ? text : NULL;
}

/* A query for one LUN needs no list. True: it was one, *lun is what it may be. */
static bool single(struct zapi_iter *it, const struct sim_lun **lun)
{
    const char *path = plain(it, "path"), *serial = plain(it, "serial-number");
    const char *uuid = plain(it, "uuid");
    const struct sim_svm *svm = it->z->svm;
    if (path && (svm || sim.svm_count == 1))
        *lun = sim_lun_by_path(svm, path);
    else if (serial)
        *lun = sim_lun_by_serial(svm, serial);
    else if (uuid)
        *lun = sim_lun_by_uuid(svm, uuid);
    else
        return false;
    return true;
}

static bool list_volume(struct zapi_iter *it, const struct sim_volume *vol, const char *after)
{
    bool room = true;
    if (!zapi_iter_may(it, "volume", vol->name) || strcmp(vol->state, "online") != 0)
        return true;
    for (size_t i = sim_lun_after(vol, after, false); i < vol->lun_count && room; i++) {
        const struct sim_lun *lun = vol->luns[i];
        struct zapi_rec *rec = zapi_iter_record(it, "lun-info");
        if (!zapi_iter_may(it, "serial-number", lun->serial) ||
            !zapi_iter_may(it, "path", lun->path))
            continue;
        lun_record(it, rec, lun);
        room = zapi_iter_row(it, rec, vol->svm->name, vol->name, lun->name);
    }
    return room;
}

static void list_all(struct zapi_iter *it)
{
    bool room = true;
    for (size_t i = sim_svm_after(it->keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = it->keys[0] && !strcmp(it->keys[0], svm->name);
        if ((it->z->svm && it->z->svm != svm) || !zapi_iter_may(it, "vserver", svm->name))
            continue;
        for (size_t k = sim_volume_after(svm, same ? it->keys[1] : NULL, true);
             k < svm->volume_count && room; k++) {
            const struct sim_volume *vol = svm->volumes[k];
            bool here = same && it->keys[1] && !strcmp(it->keys[1], vol->name);
            room = list_volume(it, vol, here ? it->keys[2] : NULL);
        }
    }
}

int zapi_lun_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    const struct sim_lun *lun = NULL;
    if (zapi_iter_begin(&it, z, "lun-info"))
        return -1;
    sim_lock();
    if (it.keys[0] || !single(&it, &lun)) {
        list_all(&it);
    } else if (lun && !strcmp(lun->vol->state, "online")) {
        struct zapi_rec *rec = zapi_iter_record(&it, "lun-info");
        lun_record(&it, rec, lun);
        zapi_iter_row(&it, rec, lun->vol->svm->name, lun->vol->name, lun->name);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

int zapi_no_svm(struct zapi *z)
{
    return sim_fail(&z->err, SIM_ENOAPI, "Unable to find API: %.80s", z->name);
}

struct sim_lun *zapi_lun_locked(struct zapi *z, const char *path)
{
    sim_lock();
    struct sim_lun *lun = z->svm ? sim_lun_by_path(z->svm, path) : NULL;
    if (lun)
        return lun;
    sim_unlock();
    sim_fail(&z->err, SIM_ELUNMISSING, "No such LUN exists: \"%.200s\".", path);
    return NULL;
}

/* The "path" argument of a call that needs an SVM. */
static const char *need_path(struct zapi *z)
{
    if (!z->svm)
        zapi_no_svm(z);
    return z->svm ? zapi_need(z, "path") : NULL;
}

int zapi_lun_create_by_size(struct zapi *z)
{
    struct sim_lun_spec spec = {.reserved = true};
    const char *path = need_path(z);
    if (!path || !zapi_need(z, "size") || zapi_count(z, "size", 0, INT64_MAX, &spec.size) ||
        zapi_flag(z, "space-reservation-enabled", &spec.reserved))
        return -1;
    spec.os_type = zapi_arg(z, "ostype");
    if (!spec.os_type)
        spec.os_type = zapi_arg(z, "type");
    spec.comment = zapi_arg(z, "comment");
    if (sim_lun_create(z->svm, path, &spec, &z->err))
        return -1;
    zapi_put_number(z, "actual-size", spec.size);
    return 0;
}

int zapi_lun_resize(struct zapi *z)
{
    uint64_t size = 0;
    bool force = false;
    const char *path = need_path(z);
    if (!path || !zapi_need(z, "size") || zapi_count(z, "size", 0, INT64_MAX, &size) ||
        zapi_flag(z, "force", &force) || sim_lun_resize(z->svm, path, size, force, &z->err))
        return -1;
    zapi_put_number(z, "actual-size", size);
    return 0;
}

int zapi_lun_move(struct zapi *z)
{
    const char *path = need_path(z);
    const char *to = path ? zapi_need(z, "new-path") : NULL;
    return to ? sim_lun_move(z->svm, path, to, &z->err) : -1;
}

int zapi_lun_destroy(struct zapi *z)
{
    bool force = false, fenced = false;
    const char *path = need_path(z);
    if (!path || zapi_flag(z, "force", &force) || zapi_flag(z, "destroy-fenced-lun", &fenced))
        return -1;
    return sim_lun_destroy(z->svm, path, force, &z->err);
}

int zapi_lun_online(struct zapi *z)
{
    const char *path = need_path(z);
    return path ? sim_lun_set_online(z->svm, path, true, &z->err) : -1;
}

int zapi_lun_offline(struct zapi *z)
{
    const char *path = need_path(z);
    return path ? sim_lun_set_online(z->svm, path, false, &z->err) : -1;
}

int zapi_lun_set_comment(struct zapi *z)
{
    const char *path = need_path(z);
    const char *comment = path ? zapi_arg(z, "comment") : NULL;
    if (path && !comment)
        comment = "";
    return path ? sim_lun_modify(z->svm, path, comment, NULL, NULL, &z->err) : -1;
}

int zapi_lun_get_comment(struct zapi *z)
{
    const char *path = need_path(z);
    const struct sim_lun *lun = path ? zapi_lun_locked(z, path) : NULL;
    if (!lun)
        return -1;
    if (lun->comment)
        zapi_put(z, "comment", lun->comment);
    sim_unlock();
    return 0;
}

int zapi_lun_set_space_reservation_info(struct zapi *z)
{
    bool on = false;
    const char *path = need_path(z);
    if (!path || !zapi_need(z, "enable") || zapi_flag(z, "enable", &on))
        return -1;
    return sim_lun_modify(z->svm, path, NULL, NULL, &on, &z->err);
}

int zapi_lun_get_serial_number(struct zapi *z)
{
    const char *path = need_path(z);
    const struct sim_lun *lun = path ? zapi_lun_locked(z, path) : NULL;
    if (!lun)
        return -1;
    zapi_put(z, "serial-number", lun->serial);
    sim_unlock();
    return 0;
}

int zapi_lun_set_serial_number(struct zapi *z)
{
    const char *path = need_path(z);
    const char *serial = path ? zapi_need(z, "serial-number") : NULL;
    return serial ? sim_lun_set_serial(z->svm, path, serial, &z->err) : -1;
}

int zapi_lun_restore_status(struct zapi *z)
{
    const char *path = need_path(z);
    const struct sim_lun *lun = path ? zapi_lun_locked(z, path) : NULL;
    if (!lun)
        return -1;
    zapi_put(z, "is-running", sim_lun_restoring(lun) ? "true" : "false");
    sim_unlock();
    return 0;
}

int zapi_lun_get_geometry(struct zapi *z)
{
    enum { SECTORS = 63, TRACKS = 255, SECTOR = 512 };
    const char *path = need_path(z);
    const struct sim_lun *lun = path ? zapi_lun_locked(z, path) : NULL;
    if (!lun)
        return -1;
    zapi_put_number(z, "bytes-per-sector", SECTOR);
    zapi_put_number(z, "cylinders", lun->size / SECTOR / SECTORS / TRACKS);
    zapi_put_number(z, "max-resize-size", 16ULL << 40);
    zapi_put_number(z, "sectors-per-track", SECTORS);
    zapi_put_number(z, "size", lun->size);
    zapi_put_number(z, "tracks-per-cylinder", TRACKS);
    sim_unlock();
    return 0;
}
