/* FlexClone volumes, their split, reverting a volume. A clone is a copy of its own from the
 * beginning; the tie to the parent's snapshot is kept in the model until it is split. */
#include "job.h"
#include "lun.h"
#include "snap.h"
#include "state.h"
#include "store.h"
#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int fail_io(struct sim_err *err, int e, const struct sim_volume *vol)
{
    return sim_fail(err, e == ENOSPC || e == EDQUOT ? SIM_ENOSPACE : SIM_EINTERNAL,
                    "Volume \"%s\": %s.", vol->name, strerror(e));
}

/* Locked. The snapshot that a clone shall stand on, claimed for it. */
static struct sim_snap *claim(struct sim_volume *parent, const char *snapshot,
                              const struct sim_volume_spec *spec, int *dir, struct sim_err *err)
{
    struct sim_snap *snap = parent->gone ? NULL : sim_snap_find(parent, snapshot);
    if (!snap) {
        sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.255s\" does not exist on volume \"%s\".",
                 snapshot, parent->name);
    } else if (strcmp(parent->state, "online") != 0) {
        sim_fail(err, SIM_EPARENTOFFLINE, "The parent volume \"%s\" is not online.", parent->name);
    } else if (!sim_volume_name_check(parent->svm, spec->name, err) &&
               (!spec->junction || !*spec->junction ||
                !sim_junction_check(parent->svm, NULL, spec->junction, err))) {
        *dir = sim_snap_open(parent, snap);
        if (*dir >= 0) {
            snap->clones++;
            return snap;
        }
        fail_io(err, errno, parent);
    }
    return NULL;
}

/* Locked, the copy is complete. */
static int publish(struct sim_volume *parent, struct sim_snap *snap, const char *temp,
                   const struct sim_volume_spec *spec, char uuid[37], struct sim_err *err)
{
    struct sim_volume_spec full = *spec;
    struct sim_svm *svm = parent->svm;
    full.size = parent->size;
    full.aggregate = parent->aggregate;
    full.reserve = parent->reserve;
    full.policy = spec->policy ? spec->policy : parent->policy;
    full.exports = spec->exports ? spec->exports : parent->exports;
    if (sim_volume_name_check(svm, spec->name, err) ||
        (spec->junction && *spec->junction && sim_junction_check(svm, NULL, spec->junction, err)))
        return -1;
    if (renameat2(svm->dir, temp, svm->dir, spec->name, RENAME_NOREPLACE))
        return fail_io(err, errno, parent);
    struct sim_volume *vol = sim_volume_new(svm, &full);
    if (sim_volume_publish(vol, uuid, err))
        return -1;
    vol->parent = parent;
    vol->parent_snap = sim_dup(snap->name);
    memcpy(vol->parent_snap_uuid, snap->uuid, sizeof(vol->parent_snap_uuid));
    sim_lun_rescan(vol, parent);
    sim_state_save_volume(vol); /* complains by itself */
    return 0;
}

/* Without a snapshot one is made, under the name that ONTAP gives it. */
static int base_snapshot(struct sim_volume *parent, char name[64], struct sim_err *err)
{
    char uuid[37];
    sim_uuid(uuid);
    snprintf(name, 64, "clone_parent_%s", uuid);
    return sim_snap_create(parent, &(struct sim_snap_spec){.name = name}, err);
}

int sim_volume_clone(struct sim_volume *parent, const char *snapshot,
                     const struct sim_volume_spec *spec, char uuid[37], struct sim_err *err)
{
    char made[64];
    AUTO_CLOSE int dir = -1;
    if (!snapshot || !*snapshot) {
        if (base_snapshot(parent, made, err))
            return -1;
        snapshot = made;
    }
    sim_lock();
    AUTO_FREE char *temp = sim_printf(".clone-%llu", (unsigned long long)sim.next_temp++);
    struct sim_snap *snap = claim(parent, snapshot, spec, &dir, err);
    sim_unlock();
    if (!snap)
        return -1;
    int rc = sim_store_copy_tree(dir, parent->svm->dir, temp, NULL, &sim.stopping);
    sim_lock();
    rc = rc ? fail_io(err, rc, parent) : publish(parent, snap, temp, spec, uuid, err);
    if (rc)
        snap->clones--;
    sim_unlock();
    if (rc)
        sim_store_remove_tree(parent->svm->dir, temp);
    return rc;
}

static void *split_run(void *arg)
{
    struct sim_volume *vol = arg;
    sim_lock();
    uint64_t job = vol->split_job;
    sim_unlock();
    sim_sleep_pace(sim_now_ms(), &sim.split_ms);
    sim_lock();
    /* A stopped simulator goes on with it at the next start. */
    if (!sim.stopping && vol->splitting && vol->split_job == job) {
        sim_volume_leave_parent(vol);
        sim_job_end(job, true, "Complete");
        sim_state_save_volume(vol);
    }
    sim_worker_done();
    sim_unlock();
    return NULL;
}

/* Locked. */
static int split_begin(struct sim_volume *vol, struct sim_err *err)
{
    vol->splitting = true;
    vol->split_job = sim_job_new("Vol Split", vol->svm->name)->id;
    if (!sim_spawn(split_run, vol))
        return 0;
    vol->splitting = false;
    sim_job_end(vol->split_job, false, "no thread");
    return sim_fail(err, SIM_EINTERNAL, "The split cannot be started.");
}

static int not_clone(const struct sim_volume *vol, struct sim_err *err)
{
    return sim_fail(err, SIM_EVOLNOTCLONE, "Volume \"%s\" is not a clone.", vol->name);
}

int sim_volume_split(struct sim_volume *vol, uint64_t *job, struct sim_err *err)
{
    sim_lock();
    int rc = 0;
    if (!vol->parent)
        rc = not_clone(vol, err);
    else if (strcmp(vol->state, "online") != 0)
        rc = sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    else if (vol->splitting)
        rc = sim_fail(err, SIM_EVOLSPLITTING, "Volume \"%s\" is being split already.", vol->name);
    else
        rc = split_begin(vol, err);
    if (!rc && sim_state_save_volume(vol))
        rc = fail_io(err, EIO, vol);
    if (job)
        *job = vol->split_job;
    sim_unlock();
    return rc;
}

int sim_volume_split_stop(struct sim_volume *vol, struct sim_err *err)
{
    sim_lock();
    int rc = 0;
    if (!vol->parent)
        rc = not_clone(vol, err);
    else if (!vol->splitting)
        rc = sim_fail(err, SIM_EVOLNOTUNDERWAY, "No split of volume \"%s\" is under way.",
                      vol->name);
    else
        sim_job_end(vol->split_job, false, "The split was stopped.");
    if (!rc) {
        vol->splitting = false;
        rc = sim_state_save_volume(vol) ? fail_io(err, EIO, vol) : 0;
    }
    sim_unlock();
    return rc;
}

void sim_volume_resume(void)
{
    struct sim_err err = {0};
    sim_lock();
    for (size_t s = 0; s < sim.svm_count; s++) {
        for (size_t i = 0; i < sim.svms[s]->volume_count; i++) {
            struct sim_volume *vol = sim.svms[s]->volumes[i];
            if (vol->splitting && split_begin(vol, &err))
                sim_log("%s: %s", vol->name, err.reason);
        }
    }
    sim_unlock();
}

/* The entries of a directory that are no snapshots. */
static DIR *open_list(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    return d;
}

static bool is_own(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, ".snapshot");
}

int sim_volume_exchange(struct sim_volume *vol, const char *temp)
{
    int rc = 0;
    DIR *d = open_list(vol->dir);
    for (struct dirent *e = d ? readdir(d) : NULL; e && !rc; e = readdir(d)) {
        if (!is_own(e->d_name) && unlinkat(vol->dir, e->d_name, 0))
            rc = sim_store_remove_tree(vol->dir, e->d_name);
    }
    if (d)
        closedir(d);
    AUTO_CLOSE int from = sim_store_dir(vol->snap_dir, temp);
    d = from < 0 ? NULL : open_list(from);
    for (struct dirent *e = d ? readdir(d) : NULL; e && !rc; e = readdir(d)) {
        if (!is_own(e->d_name) && renameat(from, e->d_name, vol->dir, e->d_name))
            rc = errno;
    }
    if (d)
        closedir(d);
    return rc;
}

static int check_revert(struct sim_volume *vol, const struct sim_snap *snap, struct sim_err *err)
{
    if (strcmp(vol->state, "online") != 0)
        return sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    if (strcmp(vol->type, "rw") != 0)
        return sim_fail(err, SIM_EVOLREADONLY, "Volume \"%s\" is read-only.", vol->name);
    if (!snap)
        return sim_fail(err, SIM_ESNAPMISSING, "The snapshot does not exist on volume \"%s\".",
                        vol->name);
    if (vol->restores)
        return sim_fail(err, SIM_ERESTORING, "A file restore is in progress.");
    for (size_t i = vol->snap_count; i-- > 0 && vol->ages[i] != snap;) {
        if (sim_snap_busy(vol->ages[i]) || vol->ages[i]->owner_count)
            return sim_fail(err, SIM_ESNAPNOTLATEST, "The newer snapshot \"%s\" is in use.",
                            vol->ages[i]->name);
    }
    return 0;
}

/* Locked: the newer snapshots go. The directories are removed by name at once. */
static void drop_newer(struct sim_volume *vol, const struct sim_snap *snap)
{
    while (vol->ages[vol->snap_count - 1] != snap) {
        struct sim_snap *newer = vol->ages[vol->snap_count - 1];
        int rc = newer->lazy ? 0 : sim_store_remove_tree(vol->snap_dir, newer->name);
        if (rc && rc != ENOENT)
            sim_log("%s: snapshot %s: %s", vol->name, newer->name, strerror(rc));
        sim_snap_take(vol, newer);
        sim_snap_free(newer);
    }
}

int sim_volume_revert(struct sim_volume *vol, const char *snapshot, struct sim_err *err)
{
    AUTO_CLOSE int dir = -1;
    sim_lock();
    if (sim_op_begin(&vol, 1)) {
        int refused = sim_op_refused(&vol, 1, err);
        sim_unlock();
        return refused;
    }
    AUTO_FREE char *temp = sim_printf(".revert-%llu", (unsigned long long)sim.next_temp++);
    struct sim_snap *snap = sim_snap_find(vol, snapshot);
    int rc = check_revert(vol, snap, err);
    if (!rc && (dir = sim_snap_open(vol, snap)) < 0)
        rc = fail_io(err, errno, vol);
    sim_unlock();
    int io = rc ? 0 : sim_store_copy_tree(dir, vol->snap_dir, temp, NULL, &sim.stopping);
    if (!rc && !io)
        io = sim_volume_exchange(vol, temp);
    if (io)
        rc = fail_io(err, io, vol);
    sim_store_remove_tree(vol->snap_dir, temp);
    sim_lock();
    if (!rc) {
        drop_newer(vol, snap);
        sim_lun_rescan(vol, NULL);
        rc = sim_state_save_volume(vol) ? fail_io(err, EIO, vol) : 0;
    }
    sim_op_end(&vol, 1);
    sim_unlock();
    return rc;
}
