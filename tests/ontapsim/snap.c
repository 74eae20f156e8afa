/* Create, delete, rename and modify snapshots of one volume. */
#include "snap.h"
#include "job.h"
#include "mirror.h"
#include "state.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char name_marks[] = "/*?|<>\"'\\`!";

bool sim_snap_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 255 || name[0] == '.')
        return false;
    for (const char *p = name; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr(name_marks, *p))
            return false;
    }
    return true;
}

/* Characters, not bytes. */
static size_t text_length(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static int check_text(const struct sim_snap_spec *spec, struct sim_err *err)
{
    if (spec->name && !sim_snap_name_ok(spec->name))
        return sim_fail(err, SIM_EINVALID,
                        "Invalid value specified for \"snapshot\" element: \"%.80s\".", spec->name);
    if (spec->comment && text_length(spec->comment) > 255)
        return sim_fail(err, SIM_EINVALID, "Comment is longer than 255 characters.");
    if (spec->label && text_length(spec->label) > 31)
        return sim_fail(err, SIM_EINVALID, "SnapMirror label is longer than 31 characters.");
    return 0;
}

int sim_snap_check(struct sim_volume *vol, const struct sim_snap_spec *spec, struct sim_err *err)
{
    struct sim_space space;
    if (check_text(spec, err))
        return -1;
    if (strcmp(vol->type, "rw") != 0)
        return sim_fail(err, SIM_ESNAPNOTALLOWED,
                        "Snapshot creation is not allowed on volume \"%s\" of type %s.", vol->name,
                        vol->type);
    if (strcmp(vol->state, "online") != 0)
        return sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    if (vol->restores)
        return sim_fail(err, SIM_ERESTORING, "A file restore is in progress on volume \"%s\".",
                        vol->name);
    if (sim_snap_find(vol, spec->name))
        return sim_fail(err, SIM_ESNAPEXISTS, "Snapshot \"%s\" already exists on volume \"%s\".",
                        spec->name, vol->name);
    if (vol->snap_count >= vol->limit)
        return sim_fail(err, SIM_ESNAPTOOMANY, "Volume \"%s\" holds %zu snapshots, its limit.",
                        vol->name, vol->snap_count);
    sim_space(vol, &space);
    if (space.available == 0)
        return sim_fail(err, SIM_ENOSPACE, "No space left in volume \"%s\".", vol->name);
    return 0;
}

char *sim_snap_temp(const char *kind)
{
    sim_lock();
    uint64_t n = sim.next_temp++;
    sim_unlock();
    return sim_printf(".%s-%llu", kind, (unsigned long long)n);
}

static int fail_io(struct sim_err *err, int errnum, const struct sim_volume *vol)
{
    return sim_fail(err, errnum == ENOSPC || errnum == EDQUOT ? SIM_ENOSPACE : SIM_EINTERNAL,
                    "Volume \"%s\": %s.", vol->name, strerror(errnum));
}

void sim_snap_discard(struct sim_volume *vol, const char *temp)
{
    int rc = sim_store_remove_tree(vol->snap_dir, temp);
    if (rc && rc != ENOENT)
        sim_log("cannot remove %s/%s/.snapshot/%s: %s", vol->svm->name, vol->name, temp,
                strerror(rc));
}

char *sim_snap_copy(struct sim_volume *vol, struct sim_err *err)
{
    char *temp = sim_snap_temp("new");
    int rc = sim_store_copy_tree(vol->dir, vol->snap_dir, temp, ".snapshot", &sim.stopping);
    if (!rc)
        return temp;
    sim_snap_discard(vol, temp);
    free(temp);
    fail_io(err, rc, vol);
    return NULL;
}

int sim_snap_receive(struct sim_volume *vol, struct sim_snap *snap, const char *temp,
                     struct sim_err *err)
{
    int rc = 0;
    if (vol->gone)
        rc = sim_op_refused(&vol, 1, err);
    else if (sim_snap_find(vol, snap->name))
        rc = sim_fail(err, SIM_ESNAPEXISTS, "Snapshot \"%s\" already exists on volume \"%s\".",
                      snap->name, vol->name);
    else if (vol->snap_count >= vol->limit)
        rc = sim_fail(err, SIM_ESNAPTOOMANY, "Volume \"%s\" holds %zu snapshots, its limit.",
                      vol->name, vol->snap_count);
    if (rc) {
        sim_snap_free(snap);
        return rc;
    }
    sim_snap_add(vol, snap);
    /* The file first: a crash between the two leaves an entry without directory, which the next
     * start drops, and a hidden copy, which it removes. */
    rc = sim_state_save_volume(vol) ? EIO : 0;
    if (!rc && renameat(vol->snap_dir, temp, vol->snap_dir, snap->name))
        rc = errno;
    if (rc) {
        sim_snap_take(vol, snap);
        sim_snap_free(snap);
        sim_state_save_volume(vol);
        return fail_io(err, rc, vol);
    }
    if (vol->snap_count > 1)
        sim_snap_measure(vol, vol->snap_count - 2);
    return 0;
}

int sim_snap_publish(struct sim_volume *vol, const struct sim_snap_spec *spec, const char *temp,
                     int64_t created, struct sim_err *err)
{
    struct sim_snap *snap = sim_alloc(1, sizeof(*snap));
    snap->name = sim_dup(spec->name);
    snap->comment = spec->comment && *spec->comment ? sim_dup(spec->comment) : NULL;
    snap->label = spec->label && *spec->label ? sim_dup(spec->label) : NULL;
    snap->created = created;
    sim_uuid(snap->uuid);
    return sim_snap_receive(vol, snap, temp, err);
}

static int create_now(struct sim_volume *vol, const struct sim_snap_spec *spec, struct sim_err *err)
{
    sim_lock();
    if (sim_op_begin(&vol, 1)) {
        int refused = sim_op_refused(&vol, 1, err);
        sim_unlock();
        return refused;
    }
    int rc = sim_snap_check(vol, spec, err);
    int64_t created = sim_epoch();
    sim_unlock();
    AUTO_FREE char *temp = rc ? NULL : sim_snap_copy(vol, err);
    sim_lock();
    rc = temp ? sim_snap_publish(vol, spec, temp, created, err) : -1;
    sim_op_end(&vol, 1);
    sim_unlock();
    if (rc && temp)
        sim_snap_discard(vol, temp);
    return rc;
}

struct later {
    struct sim_volume *vol;
    uint64_t job;
    char *name;
    char *comment;
    char *label;
};

static void *create_later(void *arg)
{
    struct later *l = arg;
    struct sim_err err = {0};
    sim_sleep_pace(sim_now_ms(), &sim.async_ms);
    int rc =
        create_now(l->vol, &(struct sim_snap_spec){l->name, l->comment, l->label, false}, &err);
    sim_lock();
    if (rc)
        sim_job_fail(l->job, &err);
    else
        sim_job_end(l->job, true, "Complete");
    sim_unlock();
    free(l->name);
    free(l->comment);
    free(l->label);
    free(l);
    sim_lock();
    sim_worker_done();
    sim_unlock();
    return NULL;
}

int sim_snap_create(struct sim_volume *vol, const struct sim_snap_spec *spec, struct sim_err *err)
{
    if (!spec->async)
        return create_now(vol, spec, err);
    sim_lock();
    int rc = sim_snap_check(vol, spec, err);
    if (!rc) {
        struct later *l = sim_alloc(1, sizeof(*l));
        *l = (struct later){vol, sim_job_new("Snapshot Create", vol->svm->name)->id,
                            sim_dup(spec->name), sim_dup(spec->comment), sim_dup(spec->label)};
        if (sim_spawn(create_later, l)) {
            rc = sim_fail(err, SIM_EINTERNAL, "No thread.");
            free(l->name);
            free(l->comment);
            free(l->label);
            free(l);
        }
    }
    sim_unlock();
    return rc;
}

/* A mirror's copies are those of its source; a vault's are its own, but for the one that the next
 * update starts from. */
static int check_destination(const struct sim_volume *vol, const struct sim_snap *snap,
                             struct sim_err *err)
{
    const struct sim_mirror *m = sim_mirror_find(vol->svm->name, vol->name);
    const struct sim_policy *p = m ? sim_mirror_policy(m) : NULL;
    if (!p || (p->type != SIM_POLICY_VAULT && p->type != SIM_POLICY_MIRROR_VAULT))
        return sim_fail(err, SIM_EROFS, "Volume \"%s\" is read-only.", vol->name);
    if (m->newest && !strcmp(m->newest, snap->name))
        return sim_fail(err, SIM_ESNAPBUSY, "Snapshot \"%s\" is in use by snapmirror.", snap->name);
    return 0;
}

static int check_delete(struct sim_volume *vol, const struct sim_snap *snap, bool ignore_owners,
                        struct sim_err *err)
{
    if (strcmp(vol->state, "online") != 0)
        return sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    if (strcmp(vol->type, "rw") != 0 && check_destination(vol, snap, err))
        return -1;
    if (vol->restores)
        return sim_fail(err, SIM_ERESTORING, "A file restore is in progress on volume \"%s\".",
                        vol->name);
    if (sim_snap_busy(snap))
        return sim_fail(err, SIM_ESNAPBUSY, "Snapshot \"%s\" is in use by %s.", snap->name,
                        sim_snap_busy(snap));
    if (!snap->owner_count || ignore_owners)
        return 0;
    sim_fail(err, SIM_ESNAPBUSY, "Snapshot \"%s\" has the owner \"%s\".", snap->name,
             snap->owners[0]);
    err->rest = 1638543;
    return -1;
}

/* Locked, volume held. On success the directory has the returned name. */
static char *unlink_snap(struct sim_volume *vol, struct sim_snap *snap, const char *temp,
                         struct sim_err *err)
{
    size_t age = 0;
    if (renameat(vol->snap_dir, snap->name, vol->snap_dir, temp) && errno != ENOENT) {
        fail_io(err, errno, vol);
        return NULL;
    }
    while (vol->ages[age] != snap)
        age++;
    sim_snap_take(vol, snap);
    sim_snap_free(snap);
    if (age > 0)
        sim_snap_measure(vol, age - 1);
    sim_state_save_volume(vol);
    return sim_dup(temp);
}

int sim_snap_delete(struct sim_volume *vol, const char *name, const char *uuid, bool ignore_owners,
                    struct sim_err *err)
{
    AUTO_FREE char *temp = sim_snap_temp("del");
    AUTO_FREE char *gone = NULL;
    sim_lock();
    if (sim_op_begin(&vol, 1)) {
        int refused = sim_op_refused(&vol, 1, err);
        sim_unlock();
        return refused;
    }
    struct sim_snap *snap = sim_snap_find(vol, name);
    if (!snap || (uuid && strcmp(uuid, snap->uuid) != 0))
        sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.255s\" does not exist on volume \"%s\".",
                 name, vol->name);
    else if (!check_delete(vol, snap, ignore_owners, err))
        gone = unlink_snap(vol, snap, temp, err);
    sim_op_end(&vol, 1);
    sim_unlock();
    if (gone)
        sim_snap_discard(vol, gone);
    return gone ? 0 : -1;
}

static int rename_locked(struct sim_volume *vol, const char *name, const char *new_name,
                         struct sim_err *err)
{
    struct sim_snap *snap = sim_snap_find(vol, name);
    if (check_text(&(struct sim_snap_spec){.name = new_name}, err))
        return -1;
    if (!snap)
        return sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.255s\" does not exist on \"%s\".",
                        name, vol->name);
    if (sim_snap_find(vol, new_name))
        return sim_fail(err, SIM_ESNAPEXISTS, "Snapshot \"%s\" already exists.", new_name);
    if (strcmp(vol->type, "rw") != 0)
        return sim_fail(err, SIM_ESNAPNOTALLOWED, "Volume \"%s\" is read-only.", vol->name);
    if (snap->restores)
        return sim_fail(err, SIM_ERESTORING, "A file restore reads snapshot \"%s\".", name);
    AUTO_CLOSE int dir = sim_snap_open(vol, snap); /* a generated one has none before */
    if (dir < 0 || renameat(vol->snap_dir, name, vol->snap_dir, new_name))
        return fail_io(err, errno, vol);
    sim_snap_rename_entry(vol, snap, new_name);
    return sim_state_save_volume(vol) ? sim_fail(err, SIM_EINTERNAL, "State not saved.") : 0;
}

int sim_snap_rename(struct sim_volume *vol, const char *name, const char *new_name,
                    struct sim_err *err)
{
    sim_lock();
    int rc = -1;
    if (sim_op_begin(&vol, 1)) {
        sim_op_refused(&vol, 1, err);
    } else {
        rc = rename_locked(vol, name, new_name, err);
        sim_op_end(&vol, 1);
    }
    sim_unlock();
    return rc;
}

static void set_text(char **slot, const char *text)
{
    if (!text)
        return;
    free(*slot);
    *slot = *text ? sim_dup(text) : NULL;
}

int sim_snap_modify(struct sim_volume *vol, struct sim_snap *snap, const char *comment,
                    const char *label, struct sim_err *err)
{
    if (check_text(&(struct sim_snap_spec){NULL, comment, label, false}, err))
        return -1;
    set_text(&snap->comment, comment);
    set_text(&snap->label, label);
    return sim_state_save_volume(vol) ? sim_fail(err, SIM_EINTERNAL, "State not saved.") : 0;
}

static size_t owner_index(const struct sim_snap *snap, const char *owner)
{
    size_t i = 0;
    while (i < snap->owner_count && strcmp(snap->owners[i], owner) != 0)
        i++;
    return i;
}

bool sim_snap_owned(const struct sim_snap *snap, const char *owner)
{
    return owner_index(snap, owner) < snap->owner_count;
}

void sim_snap_own(struct sim_snap *snap, const char *owner)
{
    if (sim_snap_owned(snap, owner))
        return;
    snap->owners = sim_grow(snap->owners, snap->owner_count + 1, sizeof(*snap->owners));
    snap->owners[snap->owner_count++] = sim_dup(owner);
}

void sim_snap_disown(struct sim_snap *snap, const char *owner)
{
    size_t i = owner_index(snap, owner);
    if (i == snap->owner_count)
        return;
    free(snap->owners[i]);
    snap->owners[i] = snap->owners[--snap->owner_count];
}
