/* Volumes: create, mount, state, size, name, destroy. */
#include "volume.h"
#include "lun.h"
#include "mirror.h"
#include "state.h"
#include "store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int sim_volume_name_check(const struct sim_svm *svm, const char *name, struct sim_err *err)
{
    size_t n = strlen(name);
    bool ok = n > 0 && n <= 203 && (isalpha((unsigned char)name[0]) || name[0] == '_');
    for (const char *p = name; *p && ok; p++)
        ok = isalnum((unsigned char)*p) || *p == '_';
    if (!ok)
        return sim_fail(err, SIM_EVOLNAME, "Volume name \"%.203s\" is invalid.", name);
    if (sim_volume_find(svm, name))
        return sim_fail(err, SIM_EEXISTS, "Volume \"%s\" already exists in SVM \"%s\".", name,
                        svm->name);
    return 0;
}

int sim_junction_check(const struct sim_svm *svm, const struct sim_volume *vol,
                       const char *junction, struct sim_err *err)
{
    size_t n = strlen(junction);
    if (junction[0] != '/' || n < 2 || n > 255 || junction[n - 1] == '/' ||
        !sim_store_path_ok(junction + 1))
        return sim_fail(err, SIM_EMOUNTFAILED, "Junction path \"%.255s\" is invalid.", junction);
    for (size_t i = 0; i < svm->volume_count; i++) {
        const struct sim_volume *other = svm->volumes[i];
        if (other != vol && other->junction && !strcmp(other->junction, junction))
            return sim_fail(err, SIM_EMOUNTFAILED, "Junction path \"%s\" is in use by \"%s\".",
                            junction, other->name);
    }
    return 0;
}

bool sim_aggregate_exists(const char *name)
{
    for (size_t s = 0; s < sim.svm_count; s++) {
        for (size_t i = 0; i < sim.svms[s]->volume_count; i++) {
            if (!strcmp(sim.svms[s]->volumes[i]->aggregate, name))
                return true;
        }
    }
    for (const struct sim_volume *vol = sim.gone; vol; vol = vol->next_gone) {
        if (!strcmp(vol->aggregate, name))
            return true;
    }
    return !strcmp(name, "aggr1");
}

const char *sim_aggregate_after(const char *name)
{
    const char *next = NULL;
    for (size_t s = 0; s < sim.svm_count; s++) {
        const struct sim_svm *svm = sim.svms[s];
        for (size_t i = 0; i < svm->volume_count; i++) {
            const char *a = svm->volumes[i]->aggregate;
            if ((!name || strcmp(a, name) > 0) && (!next || strcmp(a, next) < 0))
                next = a;
        }
    }
    return next;
}

struct sim_volume *sim_volume_new(struct sim_svm *svm, const struct sim_volume_spec *spec)
{
    struct sim_volume *vol = sim_alloc(1, sizeof(*vol));
    const char *aggregate = svm->volume_count ? svm->volumes[0]->aggregate : "aggr1";
    vol->svm = svm;
    vol->dir = vol->snap_dir = -1;
    vol->name = sim_dup(spec->name);
    vol->size = spec->size;
    vol->aggregate = sim_dup(spec->aggregate ? spec->aggregate : aggregate);
    vol->type = sim_dup(spec->type ? spec->type : "rw");
    vol->state = sim_dup(spec->offline ? "offline" : "online");
    vol->comment = spec->comment && *spec->comment ? sim_dup(spec->comment) : NULL;
    vol->policy = sim_dup(spec->policy);
    vol->exports = sim_dup(spec->exports);
    vol->junction = spec->junction && *spec->junction ? sim_dup(spec->junction) : NULL;
    vol->reserve = spec->reserve;
    vol->limit = sim_snapshot_limit();
    vol->created = sim_epoch();
    sim_uuid(vol->uuid);
    sim_uuid(vol->instance_uuid);
    return vol;
}

unsigned sim_snapshot_limit(void)
{
    return sim.ontapi_major == 1 && sim.ontapi_minor < 140 ? 255 : 1023;
}

/* Locked. Nothing may refer to it yet. */
static int fail_new(struct sim_volume *vol, struct sim_err *err)
{
    int e = errno;
    sim_fail(err, e == ENOSPC ? SIM_ENOSPACE : SIM_EINTERNAL, "Volume \"%s\": %s.", vol->name,
             strerror(e));
    sim_volume_add(vol->svm, vol);
    sim_volume_bury(vol);
    return -1;
}

int sim_volume_publish(struct sim_volume *vol, char uuid[37], struct sim_err *err)
{
    vol->dir = sim_store_make_dir(vol->svm->dir, vol->name);
    vol->snap_dir = vol->dir < 0 ? -1 : sim_store_make_dir(vol->dir, ".snapshot");
    if (vol->snap_dir < 0)
        return fail_new(vol, err);
    sim_volume_add(vol->svm, vol);
    sim_volume_register(vol);
    if (uuid)
        memcpy(uuid, vol->instance_uuid, sizeof(vol->instance_uuid));
    return sim_state_save_volume(vol) ? sim_fail(err, SIM_EINTERNAL, "State not saved.") : 0;
}

static int check_spec(const struct sim_svm *svm, const struct sim_volume_spec *spec,
                      struct sim_err *err)
{
    if (sim_volume_name_check(svm, spec->name, err) ||
        (spec->junction && *spec->junction && sim_junction_check(svm, NULL, spec->junction, err)))
        return -1;
    if (spec->size < 4096 || spec->size > INT64_MAX / 2)
        return sim_fail(err, SIM_EINVALID, "Invalid value specified for \"size\": \"%llu\".",
                        (unsigned long long)spec->size);
    if (spec->aggregate && !sim_aggregate_exists(spec->aggregate))
        return sim_fail(err, SIM_EAGGRMISSING, "Aggregate \"%.100s\" does not exist.",
                        spec->aggregate);
    return 0;
}

int sim_volume_create(struct sim_svm *svm, const struct sim_volume_spec *spec, char uuid[37],
                      struct sim_err *err)
{
    sim_lock();
    int rc = check_spec(svm, spec, err);
    if (!rc)
        rc = sim_volume_publish(sim_volume_new(svm, spec), uuid, err);
    sim_unlock();
    return rc;
}

/* Locked on success: the volume is there and held. */
static int take(struct sim_volume *vol, struct sim_err *err)
{
    sim_lock();
    if (!sim_op_begin(&vol, 1))
        return 0;
    int rc = sim_op_refused(&vol, 1, err);
    sim_unlock();
    return rc;
}

static int give_back(struct sim_volume *vol, int rc, struct sim_err *err)
{
    if (!rc && sim_state_save_volume(vol))
        rc = sim_fail(err, SIM_EINTERNAL, "State not saved.");
    sim_op_end(&vol, 1);
    sim_unlock();
    return rc;
}

static void set(char **slot, const char *text)
{
    free(*slot);
    *slot = text && *text ? sim_dup(text) : NULL;
}

int sim_volume_mount(struct sim_volume *vol, const char *junction, struct sim_err *err)
{
    if (take(vol, err))
        return -1;
    int rc = 0;
    if (strcmp(vol->state, "online") != 0)
        rc = sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    else if (vol->junction)
        rc = sim_fail(err, SIM_EVOLMOUNTED, "Volume \"%s\" is mounted at \"%s\" already.",
                      vol->name, vol->junction);
    else
        rc = sim_junction_check(vol->svm, vol, junction, err);
    if (!rc)
        set(&vol->junction, junction);
    return give_back(vol, rc, err);
}

int sim_volume_unmount(struct sim_volume *vol, struct sim_err *err)
{
    if (take(vol, err))
        return -1;
    int rc = vol->junction
                 ? 0
                 : sim_fail(err, SIM_EVOLNOTMOUNTED, "Volume \"%s\" is not mounted.", vol->name);
    if (!rc)
        set(&vol->junction, NULL);
    return give_back(vol, rc, err);
}

static int check_offline(const struct sim_volume *vol, bool unmount, struct sim_err *err)
{
    if (vol->junction && !unmount)
        return sim_fail(err, SIM_EVOLMOUNTED,
                        "Volume \"%s\" in Vserver \"%s\" must be unmounted before being taken "
                        "offline or restricted.",
                        vol->name, vol->svm->name);
    if (vol->is_root)
        return sim_fail(err, SIM_EGENERIC, "Volume \"%s\" is the root volume of its SVM.",
                        vol->name);
    if (vol->restores)
        return sim_fail(err, SIM_EVOLBUSY, "A file restore is in progress on volume \"%s\".",
                        vol->name);
    if (vol->splitting)
        return sim_fail(err, SIM_EVOLSPLITTING, "Volume \"%s\" is being split from its parent.",
                        vol->name);
    return 0;
}

int sim_volume_set_state(struct sim_volume *vol, const char *state, bool unmount,
                         struct sim_err *err)
{
    bool online = !strcmp(state, "online");
    int rc = 0;
    if (take(vol, err))
        return -1;
    if (online && vol->parent && strcmp(vol->parent->state, "online") != 0)
        rc = sim_fail(err, SIM_EPARENTOFFLINE, "The parent volume \"%s\" is not online.",
                      vol->parent->name);
    else if (!online && !strcmp(vol->state, state))
        rc = sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s already.", vol->name, state);
    else if (online && !strcmp(vol->state, "online"))
        rc = sim_fail(err, SIM_EVOLONLINE, "Volume \"%s\" is online already.", vol->name);
    else if (!online)
        rc = check_offline(vol, unmount, err);
    if (!rc && !online)
        set(&vol->junction, NULL);
    if (!rc)
        set(&vol->state, state);
    return give_back(vol, rc, err);
}

int sim_volume_resize(struct sim_volume *vol, uint64_t size, struct sim_err *err)
{
    struct sim_space space;
    int rc = 0;
    if (take(vol, err))
        return -1;
    sim_space(vol, &space);
    if (size < 4096 || size > INT64_MAX / 2)
        rc = sim_fail(err, SIM_EINVALID, "Invalid value specified for \"new-size\": \"%llu\".",
                      (unsigned long long)size);
    else if (size < space.used)
        rc = sim_fail(err, SIM_ENOSPACE, "Volume \"%s\" uses more than that.", vol->name);
    else if (strcmp(vol->state, "online") != 0)
        rc = sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    else
        vol->size = size;
    return give_back(vol, rc, err);
}

int sim_volume_modify(struct sim_volume *vol, const char *comment, const char *policy,
                      const char *exports, const unsigned *reserve, struct sim_err *err)
{
    if (take(vol, err))
        return -1;
    int rc = 0;
    if (reserve && *reserve > 90)
        rc = sim_fail(err, SIM_EINVALID, "The snapshot reserve may be 90 per cent at most.");
    if (!rc && comment)
        set(&vol->comment, comment);
    if (!rc && policy)
        set(&vol->policy, policy);
    if (!rc && exports)
        set(&vol->exports, exports);
    if (!rc && reserve)
        vol->reserve = *reserve;
    return give_back(vol, rc, err);
}

int sim_volume_rename(struct sim_volume *vol, const char *name, struct sim_err *err)
{
    if (take(vol, err))
        return -1;
    int rc = sim_volume_name_check(vol->svm, name, err);
    if (!rc)
        rc = sim_mirror_check_rename(vol, err);
    if (!rc && vol->restores)
        rc = sim_fail(err, SIM_EVOLBUSY, "A file restore is in progress on volume \"%s\".",
                      vol->name);
    if (!rc && renameat2(vol->svm->dir, vol->name, vol->svm->dir, name, RENAME_NOREPLACE))
        rc = sim_fail(err, SIM_EINTERNAL, "Volume \"%s\": %s.", vol->name, strerror(errno));
    if (!rc) {
        sim_state_drop_volume(vol);
        set(&vol->conf, NULL);
        sim_mirror_rename(vol, name);
        sim_volume_rename_entry(vol, name);
        sim_lun_repath(vol);
    }
    return give_back(vol, rc, err);
}

static int check_destroy(const struct sim_volume *vol, bool offline_first, struct sim_err *err)
{
    for (size_t i = 0; i < vol->snap_count; i++) {
        if (vol->snaps[i]->clones)
            return sim_fail(err, SIM_EVOLHASCLONE,
                            "Volume \"%s\" has clones; its snapshot \"%s\" is in use.", vol->name,
                            vol->snaps[i]->name);
    }
    if (!offline_first && !strcmp(vol->state, "online"))
        return sim_fail(err, SIM_EVOLONLINE, "Volume \"%s\" must be offline.", vol->name);
    if (sim_mirror_check_destroy(vol, err))
        return -1;
    return check_offline(vol, offline_first, err);
}

void sim_volume_leave_parent(struct sim_volume *vol)
{
    struct sim_volume *parent = vol->parent;
    for (size_t i = 0; parent && i < parent->snap_count; i++) {
        struct sim_snap *snap = parent->snaps[i];
        if (!strcmp(snap->uuid, vol->parent_snap_uuid) && snap->clones)
            snap->clones--;
    }
    vol->parent = NULL;
    vol->splitting = false;
    set(&vol->parent_snap, NULL);
}

int sim_volume_destroy(struct sim_volume *vol, bool offline_first, struct sim_err *err)
{
    if (take(vol, err))
        return -1;
    struct sim_svm *svm = vol->svm;
    AUTO_FREE char *temp = sim_printf(".gone-%llu", (unsigned long long)sim.next_temp++);
    int rc = check_destroy(vol, offline_first, err);
    if (!rc && renameat(svm->dir, vol->name, svm->dir, temp) && errno != ENOENT)
        rc = sim_fail(err, SIM_EINTERNAL, "Volume \"%s\": %s.", vol->name, strerror(errno));
    if (!rc) {
        sim_state_drop_volume(vol);
        sim_volume_leave_parent(vol);
        sim_lun_drop_all(vol);
        sim_volume_bury(vol);
    }
    sim_op_end(&vol, 1);
    sim_unlock();
    if (!rc)
        sim_store_remove_tree(svm->dir, temp); /* what stays is removed by the next start */
    return rc;
}
