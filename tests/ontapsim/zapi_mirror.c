/* SnapMirror relationships: what one can do to them. */
#include "zapi.h"
#include "mirror.h"
#include "mirror_source.h"
#include "snap.h"
#include "state.h"
#include "volume.h"

#include <string.h>

/* Two ways to say where something is: "svm:volume", or its parts. */
struct end {
    const char *svm;
    const char *volume;
};

static int read_end(struct zapi *z, const char *which, struct end *end)
{
    const char *location = zapi_arg(z, sim_arena_printf(&z->arena, "%s-location", which));
    end->svm = zapi_arg(z, sim_arena_printf(&z->arena, "%s-vserver", which));
    end->volume = zapi_arg(z, sim_arena_printf(&z->arena, "%s-volume", which));
    if (location && *location) {
        if (!sim_mirror_location(&z->arena, location, &end->svm, &end->volume))
            return zapi_invalid(z, sim_arena_printf(&z->arena, "%s-location", which), location);
        return 0;
    }
    if (!end->svm && z->svm)
        end->svm = z->svm->name;
    if (!end->svm || !end->volume)
        return sim_fail(&z->err, SIM_EMISSING, "Missing input: %s-location", which);
    return 0;
}

/* The destination belongs to the SVM of the call. */
static int read_destination(struct zapi *z, struct end *end)
{
    if (read_end(z, "destination", end))
        return -1;
    if (z->svm && strcmp(end->svm, z->svm->name) != 0)
        return sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    return 0;
}

/* The relationship's uuid. A source that is named must be its own. */
static int find(struct zapi *z, char uuid[37])
{
    struct end end, source;
    if (read_destination(z, &end))
        return -1;
    bool named = zapi_arg(z, "source-location") || zapi_arg(z, "source-volume");
    if (named && read_end(z, "source", &source))
        return -1;
    sim_lock();
    const struct sim_mirror *m = sim_mirror_find(end.svm, end.volume);
    int rc = 0;
    if (!m)
        rc = sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    else if (named && (strcmp(m->source_svm, source.svm) != 0 ||
                       strcmp(m->source_volume, source.volume) != 0))
        rc = sim_fail(&z->err, SIM_EMIRRORSOURCE, "The source of the relationship is %s:%s.",
                      m->source_svm, m->source_volume);
    else
        memcpy(uuid, m->uuid, sizeof(m->uuid));
    sim_unlock();
    return rc;
}

static int read_type(struct zapi *z, enum sim_mirror_type *type)
{
    static const struct {
        const char *name;
        enum sim_mirror_type type;
    } types[] = {{"data_protection", SIM_MIRROR_DP},
                 {"vault", SIM_MIRROR_XDP},
                 {"extended_data_protection", SIM_MIRROR_XDP},
                 {"restore", SIM_MIRROR_RESTORE}};
    const char *text = zapi_arg(z, "relationship-type");
    *type = SIM_MIRROR_XDP;
    for (size_t i = 0; text && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, text) != 0)
            continue;
        *type = types[i].type;
        return 0;
    }
    return text ? zapi_invalid(z, "relationship-type", text) : 0;
}

static int read_rate(struct zapi *z, unsigned *rate)
{
    uint64_t n = 0;
    if (zapi_count(z, "max-transfer-rate", 0, UINT32_MAX, &n))
        return -1;
    *rate = (unsigned)n;
    return 0;
}

static int succeeded(struct zapi *z, int rc)
{
    if (!rc)
        zapi_put(z, "result-status", "succeeded");
    return rc;
}

int zapi_snapmirror_create(struct zapi *z)
{
    struct end to, from;
    struct sim_mirror_spec spec = {.policy = zapi_arg(z, "policy"),
                                   .schedule = zapi_arg(z, "schedule")};
    char uuid[37];
    if (read_destination(z, &to) || read_end(z, "source", &from) || read_type(z, &spec.type) ||
        read_rate(z, &spec.throttle))
        return -1;
    spec.svm = to.svm;
    spec.volume = to.volume;
    spec.source_svm = from.svm;
    spec.source_volume = from.volume;
    return succeeded(z, sim_mirror_create(&spec, uuid, &z->err));
}

/* Starts a transfer. with_job: the reply speaks of a job that one can look at. */
static int start(struct zapi *z, enum sim_transfer_kind kind, bool with_job)
{
    char uuid[37];
    unsigned rate = 0;
    uint64_t job = 0;
    if (read_rate(z, &rate) || find(z, uuid) ||
        sim_mirror_start(uuid, kind, zapi_arg(z, "source-snapshot"), rate, NULL, &job, &z->err))
        return -1;
    if (!with_job)
        return succeeded(z, 0);
    zapi_put_number(z, "result-jobid", job);
    zapi_put(z, "result-status", "in_progress");
    return 0;
}

int zapi_snapmirror_initialize(struct zapi *z)
{
    return start(z, SIM_TRANSFER_INITIALIZE, true);
}

int zapi_snapmirror_update(struct zapi *z)
{
    return start(z, SIM_TRANSFER_UPDATE, false);
}

int zapi_snapmirror_resync(struct zapi *z)
{
    return start(z, SIM_TRANSFER_RESYNC, false);
}

int zapi_snapmirror_abort(struct zapi *z)
{
    char uuid[37];
    bool hard = false, only_check = false;
    if (zapi_flag(z, "clear-checkpoint", &hard) || zapi_flag(z, "check-only", &only_check) ||
        find(z, uuid))
        return -1;
    return succeeded(z, only_check ? 0 : sim_mirror_abort(uuid, hard, &z->err));
}

int zapi_snapmirror_quiesce(struct zapi *z)
{
    char uuid[37];
    return find(z, uuid) ? -1 : succeeded(z, sim_mirror_quiesce(uuid, &z->err));
}

int zapi_snapmirror_resume(struct zapi *z)
{
    char uuid[37];
    return find(z, uuid) ? -1 : succeeded(z, sim_mirror_resume(uuid, &z->err));
}

int zapi_snapmirror_break(struct zapi *z)
{
    char uuid[37];
    return find(z, uuid) ? -1 : succeeded(z, sim_mirror_break(uuid, false, &z->err));
}

int zapi_snapmirror_modify(struct zapi *z)
{
    char uuid[37];
    unsigned rate = 0;
    bool given = zapi_arg(z, "max-transfer-rate") != NULL;
    if (read_rate(z, &rate) || find(z, uuid))
        return -1;
    return succeeded(z, sim_mirror_modify(uuid, zapi_arg(z, "policy"), zapi_arg(z, "schedule"),
                                          given ? &rate : NULL, &z->err));
}

int zapi_snapmirror_destroy(struct zapi *z)
{
    char uuid[37];
    return find(z, uuid) ? -1 : succeeded(z, sim_mirror_destroy(uuid, &z->err));
}

int zapi_snapmirror_release(struct zapi *z)
{
    struct end to, from;
    bool info_only = false;
    if (read_end(z, "destination", &to) || read_end(z, "source", &from) ||
        zapi_flag(z, "relationship-info-only", &info_only))
        return -1;
    if (z->svm && strcmp(from.svm, z->svm->name) != 0)
        return sim_fail(&z->err, SIM_EMIRRORNOSOURCE, "The source is not of this SVM.");
    const char *destination = sim_arena_printf(&z->arena, "%s:%s", to.svm, to.volume);
    return succeeded(z, sim_mirror_release(from.svm, from.volume, destination, info_only, &z->err));
}

/* A relationship for the restore alone, then its transfer. What a failed attempt has left there is
 * taken up with clean-up-failure. */
int zapi_snapmirror_restore(struct zapi *z)
{
    struct end to, from;
    struct sim_mirror_spec spec = {.type = SIM_MIRROR_RESTORE};
    char uuid[37] = "";
    bool clean = false;
    uint64_t job = 0;
    if (read_destination(z, &to) || read_end(z, "source", &from) || read_rate(z, &spec.throttle) ||
        zapi_flag(z, "clean-up-failure", &clean))
        return -1;
    spec.svm = to.svm;
    spec.volume = to.volume;
    spec.source_svm = from.svm;
    spec.source_volume = from.volume;
    sim_lock();
    const struct sim_mirror *left = clean ? sim_mirror_find(to.svm, to.volume) : NULL;
    if (left && left->type == SIM_MIRROR_RESTORE)
        memcpy(uuid, left->uuid, sizeof(uuid));
    sim_unlock();
    if (clean && !*uuid)
        return sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    if (clean)
        return succeeded(z, sim_mirror_destroy(uuid, &z->err));
    if (sim_mirror_create(&spec, uuid, &z->err) ||
        sim_mirror_restore(uuid, zapi_arg(z, "source-snapshot"), NULL, 0, 0, NULL, &job, &z->err))
        return -1;
    zapi_put_number(z, "result-jobid", job);
    zapi_put(z, "result-status", "in_progress");
    return 0;
}

/* --- owners of snapshots --- */

static struct sim_volume *owner_volume(struct zapi *z, const char **name)
{
    const char *volume = zapi_need(z, "volume");
    *name = volume ? zapi_need(z, "snapshot") : NULL;
    return *name ? zapi_volume(z, volume) : NULL;
}

/* Locked. */
static struct sim_snap *owner_snapshot(struct zapi *z, const struct sim_volume *vol,
                                       const char *name)
{
    struct sim_snap *snap = sim_snap_find(vol, name);
    if (!snap)
        sim_fail(&z->err, SIM_ESNAPMISSING, "Snapshot \"%.255s\" does not exist on volume \"%s\".",
                 name, vol->name);
    return snap;
}

static int change_owner(struct zapi *z, bool add)
{
    const char *name = NULL;
    const char *owner = zapi_arg(z, "snapshot-owner-name");
    struct sim_volume *vol = owner_volume(z, &name);
    if (!vol)
        return -1;
    if (!owner || !*owner)
        owner = "snapmirror";
    if (strlen(owner) > 32)
        return zapi_invalid(z, "snapshot-owner-name", owner);
    sim_lock();
    struct sim_snap *snap = owner_snapshot(z, vol, name);
    int rc = snap ? 0 : -1;
    if (snap && sim_snap_owned(snap, owner) == add)
        rc = add ? sim_fail(&z->err, SIM_EDUPLICATE, "duplicate entry")
                 : sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    if (!rc && add)
        sim_snap_own(snap, owner);
    else if (!rc)
        sim_snap_disown(snap, owner);
    if (!rc)
        sim_state_save_volume(vol);
    sim_unlock();
    return rc;
}

int zapi_snapmirror_snapshot_owner_create(struct zapi *z)
{
    return change_owner(z, true);
}

int zapi_snapmirror_snapshot_owner_destroy(struct zapi *z)
{
    return change_owner(z, false);
}

int zapi_snapmirror_snapshot_owner_get(struct zapi *z)
{
    const char *name = NULL;
    struct sim_volume *vol = owner_volume(z, &name);
    if (!vol)
        return -1;
    sim_lock();
    const struct sim_snap *snap = owner_snapshot(z, vol, name);
    if (snap) {
        sim_buf_adds(&z->out, "<attributes><snapshot-owner-info>");
        zapi_put(z, "snapshot", snap->name);
        sim_buf_adds(&z->out, "<snapshot-owners>");
        for (size_t i = 0; i < snap->owner_count; i++)
            zapi_put(z, "snapshot-owner-name", snap->owners[i]);
        sim_buf_adds(&z->out, "</snapshot-owners>");
        zapi_put(z, "volume", vol->name);
        zapi_put(z, "vserver", vol->svm->name);
        sim_buf_adds(&z->out, "</snapshot-owner-info></attributes>");
    }
    sim_unlock();
    return snap ? 0 : -1;
}
