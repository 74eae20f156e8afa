/* Single-file restore. While one runs, its volume takes and deletes no snapshots; what is running
 * is part of the saved state, so that an interrupted restore is taken up by the next start. */
#include "restore.h"
#include "backend.h"
#include "job.h"
#include "lun.h"
#include "snap.h"
#include "state.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct sim_restore {
    struct sim_restore *next;
    struct sim_volume *vol;
    char *snapshot;
    char *path;
    char *dest;
    uint64_t first; /* a part of the file; count 0: all of it */
    uint64_t count;
    uint64_t job;
    int from;
    int to;
};

static void restore_free(struct sim_restore *r)
{
    if (!r)
        return;
    sim_auto_close(&r->from);
    sim_auto_close(&r->to);
    free(r->snapshot);
    free(r->path);
    free(r->dest);
    free(r);
}

void sim_restore_free(void)
{
    while (sim.restores) {
        struct sim_restore *next = sim.restores->next;
        restore_free(sim.restores);
        sim.restores = next;
    }
}

unsigned sim_restore_count(const struct sim_svm *svm)
{
    unsigned n = 0;
    for (const struct sim_restore *r = sim.restores; r; r = r->next)
        n += !svm || r->vol->svm == svm;
    return n;
}

bool sim_restore_running(const struct sim_volume *vol, const char *dest)
{
    for (const struct sim_restore *r = sim.restores; r; r = r->next) {
        if (r->vol == vol && !strcmp(r->dest, dest))
            return true;
    }
    return false;
}

static void end(struct sim_restore *r, int rc)
{
    struct sim_restore **at = &sim.restores;
    struct sim_snap *snap = sim_snap_find(r->vol, r->snapshot);
    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    r->vol->restores--;
    if (snap)
        snap->restores--;
    sim_job_end(r->job, rc == 0, rc ? strerror(rc) : "Complete");
    if (rc)
        sim_log("restore of %s on %s: %s", r->dest, r->vol->name, strerror(rc));
    sim_state_save();
    restore_free(r);
}

/* A LUN may have another size now: its device follows before the restore is said to be over. */
static void settle(const struct sim_restore *r)
{
    struct sim_err err = {0};
    sim_lock();
    bool is_lun = sim_lun_find(r->vol, r->dest) != NULL;
    if (is_lun) {
        sim_lun_refresh(r->vol, r->dest);
        sim_state_save_volume(r->vol);
    }
    sim_unlock();
    if (is_lun && sim_backend_sync(&err))
        sim_log("%s", err.reason);
}

static void *run(void *arg)
{
    struct sim_restore *r = arg;
    int64_t began = sim_now_ms();
    int rc = r->count ? sim_store_copy_part(r->from, r->to, (off_t)r->first, (off_t)r->first,
                                            (off_t)r->count, &sim.stopping)
                      : sim_store_copy_file(r->from, r->to, &sim.stopping);
    sim_sleep_pace(began, &sim.restore_ms);
    if (!rc)
        settle(r);
    sim_lock();
    if (rc != ECANCELED) /* a stopped one stays in the state */
        end(r, rc);
    sim_worker_done();
    sim_unlock();
    return NULL;
}

/* Locked. Takes r in any case. */
static int start(struct sim_restore *r, struct sim_snap *snap, struct sim_err *err)
{
    r->job = sim_job_new("SnapRestore File", r->vol->svm->name)->id;
    r->next = sim.restores;
    sim.restores = r;
    r->vol->restores++;
    snap->restores++;
    if (sim_state_save() || sim_spawn(run, r)) {
        end(r, EAGAIN);
        return sim_fail(err, SIM_EINTERNAL, "The restore cannot be started.");
    }
    return 0;
}

static int check(struct sim_volume *vol, const struct sim_snap *snap, const char *dest,
                 struct sim_err *err)
{
    if (strcmp(vol->state, "online") != 0)
        return sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    if (strcmp(vol->type, "rw") != 0)
        return sim_fail(err, SIM_EVOLREADONLY, "Volume \"%s\" is read-only.", vol->name);
    if (!snap)
        return sim_fail(err, SIM_ESNAPMISSING, "The snapshot does not exist on volume \"%s\".",
                        vol->name);
    if (sim_restore_running(vol, dest) || sim_restore_count(NULL) >= sim.sfsr_limit)
        return sim_fail(err, SIM_ERESTORING, "A restore is in progress.");
    return 0;
}

static int fail_open(struct sim_err *err, const char *path)
{
    int e = errno;
    if (e == ENOENT || e == ENOTDIR)
        return sim_fail(err, SIM_EFILEMISSING, "\"%.200s\": no such file or directory.", path);
    if (e == ENOSPC || e == EDQUOT)
        return sim_fail(err, SIM_ENOSPACE, "\"%.200s\": %s.", path, strerror(e));
    return sim_fail(err, SIM_EINVALID, "\"%.200s\": %s.", path, strerror(e));
}

/* A LUN restored beside its original, or after that was deleted, is a new one. */
static void new_lun(struct sim_restore *r, const struct sim_lun *original, const struct stat *from)
{
    if (fchmod(r->to, SIM_LUN_MODE))
        sim_log("mode of %s: %s", r->dest, strerror(errno));
    if (!sim_lun_find(r->vol, r->dest))
        sim_lun_add(r->vol, r->dest,
                    &(struct sim_lun_spec){.size = (uint64_t)from->st_size,
                                           .os_type = original ? original->os_type : NULL,
                                           .reserved = original && original->reserved});
    sim_state_save_volume(r->vol);
}

/* Both files. The target's directory must exist; a target that does not is made. */
static int open_both(struct sim_restore *r, struct sim_snap *snap, struct sim_err *err)
{
    struct stat from, to;
    const struct sim_lun *lun = sim_lun_find(r->vol, r->path);
    AUTO_CLOSE int snap_dir = sim_snap_open(r->vol, snap);
    r->from = snap_dir < 0 ? -1 : sim_store_open(snap_dir, r->path, O_RDONLY, 0);
    if (r->from < 0 && errno == ENOENT && lun)
        return sim_fail(err, SIM_ELUNNOTINSNAP, "LUN \"%s\" is not in snapshot \"%s\".", lun->path,
                        snap->name);
    if (r->from < 0 || fstat(r->from, &from))
        return fail_open(err, r->path);
    if (!S_ISREG(from.st_mode))
        return sim_fail(err, SIM_EINVALID, "\"%.200s\" is not a normal file.", r->path);
    if (r->count && r->first + r->count > (uint64_t)from.st_size)
        return sim_fail(err, SIM_EINVALID, "\"%.200s\" has no such range of bytes.", r->path);
    r->to = sim_store_open(r->vol->dir, r->dest, O_RDWR, 0);
    uint64_t now = r->to >= 0 && !fstat(r->to, &to) ? (uint64_t)to.st_blocks * 512 : 0;
    uint64_t then = (uint64_t)from.st_blocks * 512;
    struct sim_space space;
    sim_space(r->vol, &space);
    if (then > now && then - now > space.available)
        return sim_fail(err, SIM_ENOSPACE, "No space left in volume \"%s\".", r->vol->name);
    if (r->to >= 0 && !S_ISREG(to.st_mode))
        return sim_fail(err, SIM_EINVALID, "\"%.200s\" is not a normal file.", r->dest);
    if (r->to < 0 && errno == ENOENT && !r->count) {
        r->to =
            sim_store_open(r->vol->dir, r->dest, O_RDWR | O_CREAT | O_EXCL, from.st_mode & 0777);
        if (r->to >= 0 && !geteuid() && fchown(r->to, from.st_uid, from.st_gid))
            sim_log("owner of %s: %s", r->dest, strerror(errno));
        if (r->to >= 0 && (lun || sim_lun_marked(&from)))
            new_lun(r, lun, &from);
    }
    return r->to < 0 ? fail_open(err, r->dest) : 0;
}

/* Locked, volume held. */
static int prepare(struct sim_volume *vol, struct sim_snap *snap,
                   const struct sim_restore_spec *spec, uint64_t *job, struct sim_err *err)
{
    struct sim_restore *r = sim_alloc(1, sizeof(*r));
    *r = (struct sim_restore){.vol = vol,
                              .from = -1,
                              .to = -1,
                              .snapshot = sim_dup(snap->name),
                              .path = sim_dup(spec->path),
                              .dest = sim_dup(spec->dest ? spec->dest : spec->path),
                              .first = spec->first,
                              .count = spec->count};
    if (open_both(r, snap, err)) {
        restore_free(r);
        return -1;
    }
    if (start(r, snap, err)) /* r is gone */
        return -1;
    if (job)
        *job = r->job;
    return 0;
}

static bool below_snapshot(const char *path)
{
    return !strncmp(path, ".snapshot", 9) && (path[9] == '/' || !path[9]);
}

static struct sim_snap *find(const struct sim_volume *vol, const struct sim_restore_spec *spec)
{
    struct sim_snap *snap = spec->snapshot ? sim_snap_find(vol, spec->snapshot) : NULL;
    for (size_t i = 0; !spec->snapshot && spec->uuid && i < vol->snap_count; i++) {
        if (!strcmp(vol->snaps[i]->uuid, spec->uuid))
            snap = vol->snaps[i];
    }
    return snap && (!spec->uuid || !strcmp(spec->uuid, snap->uuid)) ? snap : NULL;
}

int sim_restore_start(struct sim_volume *vol, const struct sim_restore_spec *spec, uint64_t *job,
                      struct sim_err *err)
{
    const char *dest = spec->dest ? spec->dest : spec->path;
    if (!sim_store_path_ok(spec->path) || below_snapshot(spec->path))
        return sim_fail(err, SIM_EINVALID, "Invalid value specified for \"path\": \"%.200s\".",
                        spec->path);
    if (!sim_store_path_ok(dest) || below_snapshot(dest))
        return sim_fail(err, SIM_EINVALID,
                        "Invalid value specified for \"restore-path\": \"%.200s\".", dest);
    sim_lock();
    if (sim_op_begin(&vol, 1)) {
        int refused = sim_op_refused(&vol, 1, err);
        sim_unlock();
        return refused;
    }
    struct sim_snap *snap = find(vol, spec);
    int rc = check(vol, snap, dest, err);
    if (!rc)
        rc = prepare(vol, snap, spec, job, err);
    sim_op_end(&vol, 1);
    sim_unlock();
    return rc;
}

int sim_restore_file(struct sim_volume *vol, const char *snapshot, const char *uuid,
                     const char *path, const char *dest, struct sim_err *err)
{
    const struct sim_restore_spec spec = {snapshot, uuid, path, dest, 0, 0};
    return sim_restore_start(vol, &spec, NULL, err);
}

json_t *sim_restore_state(void)
{
    json_t *list = json_array();
    for (const struct sim_restore *r = sim.restores; r; r = r->next)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "svm",
                                        r->vol->svm->name, "volume", r->vol->name, "snapshot",
                                        r->snapshot, "path", r->path, "dest", r->dest, "first",
                                        (json_int_t)r->first, "count", (json_int_t)r->count));
    return list;
}

void sim_restore_load(json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        const char *svm, *volume;
        json_int_t first = 0, count = 0;
        struct sim_restore_spec spec = {0};
        struct sim_err err = {0};
        if (json_unpack(item, "{s:s, s:s, s:s, s:s, s:s, s?I, s?I}", "svm", &svm, "volume", &volume,
                        "snapshot", &spec.snapshot, "path", &spec.path, "dest", &spec.dest, "first",
                        &first, "count", &count))
            continue;
        spec.first = (uint64_t)first;
        spec.count = (uint64_t)count;
        struct sim_svm *s = sim_svm_find(svm);
        struct sim_volume *vol = s ? sim_volume_find(s, volume) : NULL;
        if (vol && sim_restore_start(vol, &spec, NULL, &err))
            sim_log("restore of %s on %s is not taken up: %s", spec.dest, volume, err.reason);
    }
}
