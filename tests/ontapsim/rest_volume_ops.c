/* Changes of volumes over REST: create, clone, modify, split, delete. */
#include "rest_volume.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

/* What is to be made. Every text is owned. */
struct making {
    struct sim_svm *svm;
    struct sim_volume *parent; /* NULL: no clone */
    char *snapshot;
    struct sim_volume_spec spec;
    char *texts[8]; /* what spec points to */
    size_t text_count;
    char uuid[37];
};

static const char *keep(struct making *m, const char *text)
{
    return text ? (m->texts[m->text_count++] = sim_dup(text)) : NULL;
}

static void making_free(void *arg)
{
    struct making *m = arg;
    while (m->text_count)
        free(m->texts[--m->text_count]);
    free(m->snapshot);
    free(m);
}

static int make(void *arg, struct sim_err *err)
{
    struct making *m = arg;
    if (m->parent)
        return sim_volume_clone(m->parent, m->snapshot, &m->spec, m->uuid, err);
    return sim_volume_create(m->svm, &m->spec, m->uuid, err);
}

/* Locked. Name and uuid of the parent's volume and snapshot go together. */
static int read_parent(struct rest *r, struct making *m)
{
    const char *name = rest_arg(r, "clone.parent_volume.name");
    const char *uuid = rest_arg(r, "clone.parent_volume.uuid");
    const char *snap = rest_arg(r, "clone.parent_snapshot.name");
    const char *snap_uuid = rest_arg(r, "clone.parent_snapshot.uuid");
    if (!name && !uuid)
        return rest_fail(r, 918243, "clone.parent_volume", "The parent volume is not named.");
    struct sim_volume *parent =
        name ? sim_volume_find(m->svm, name) : sim_volume_by_uuid(m->svm, uuid);
    if (!parent)
        return rest_fail(r, 524601, "clone.parent_volume", "The parent volume does not exist.");
    if (uuid && strcmp(parent->instance_uuid, uuid) != 0)
        return rest_fail(r, 918244, "clone.parent_volume",
                         "Name and uuid of the parent volume are not those of one volume.");
    for (size_t i = 0; snap_uuid && i < parent->snap_count; i++) {
        if (strcmp(parent->snaps[i]->uuid, snap_uuid) != 0)
            continue;
        if (snap && strcmp(parent->snaps[i]->name, snap) != 0)
            return rest_fail(r, 918245, "clone.parent_snapshot",
                             "Name and uuid of the snapshot are not those of one snapshot.");
        snap = parent->snaps[i]->name;
    }
    if (snap_uuid && !snap)
        return rest_fail(r, 918246, "clone.parent_snapshot", "The snapshot does not exist.");
    m->parent = parent;
    m->snapshot = sim_dup(snap);
    return 0;
}

static int read_spec(struct rest *r, struct making *m)
{
    json_t *aggregates = rest_body(r, "aggregates");
    const char *aggregate =
        json_string_value(json_object_get(json_array_get(aggregates, 0), "name"));
    uint64_t reserve = 0;
    const char *state = rest_arg(r, "state");
    if (rest_size_arg(r, "size", &m->spec.size) || rest_size_arg(r, "space.size", &m->spec.size) ||
        rest_count_arg(r, "space.snapshot.reserve_percent", 0, 90, &reserve))
        return -1;
    if (!m->parent && !m->spec.size)
        m->spec.size = 20 << 20; /* the smallest that ONTAP makes */
    if (aggregate && !sim_aggregate_exists(aggregate))
        return rest_fail(r, 787140, "aggregates.name", "Aggregate \"%.80s\" does not exist.",
                         aggregate);
    m->spec.name = keep(m, rest_arg(r, "name"));
    m->spec.aggregate = keep(m, aggregate);
    m->spec.junction = keep(m, rest_arg(r, "nas.path"));
    m->spec.type = keep(m, rest_arg(r, "type"));
    m->spec.comment = keep(m, rest_arg(r, "comment"));
    m->spec.policy = keep(m, rest_arg(r, "snapshot_policy.name"));
    m->spec.exports = keep(m, rest_arg(r, "nas.export_policy.name"));
    m->spec.reserve = (unsigned)reserve;
    m->spec.offline = state && !strcmp(state, "offline");
    return 0;
}

static int read_making(struct rest *r, struct making *m)
{
    bool flexclone = false;
    if (!rest_need(r, "name") || rest_flag_arg(r, "clone.is_flexclone", &flexclone))
        return -1;
    m->svm = rest_svm(r);
    if (!m->svm)
        return -1;
    sim_lock();
    int rc = flexclone ? read_parent(r, m) : 0;
    if (!rc)
        rc = read_spec(r, m);
    sim_unlock();
    return rc;
}

/* The reply to return_records=true: what has been made. */
static void add_record(struct rest *r, const struct sim_svm *svm, const char *name)
{
    if (!rest_returns_records(r) || r->status != 201)
        return;
    sim_lock();
    const struct sim_volume *vol = sim_volume_find(svm, name);
    if (vol)
        r->out =
            json_pack("{s:i, s:[{s:s, s:s, s:o}]}", "num_records", 1, "records", "uuid",
                      vol->instance_uuid, "name", vol->name, "svm", rest_ref(svm->name, svm->uuid));
    sim_unlock();
}

/* Some of these say what holds here for every volume; they are taken and not kept. */
int rest_volume_create(struct rest *r)
{
    static const char *const names[] = {"name",
                                        "svm.*",
                                        "size",
                                        "space.size",
                                        "space.snapshot.reserve_percent",
                                        "aggregates.*",
                                        "type",
                                        "style",
                                        "state",
                                        "comment",
                                        "language",
                                        "guarantee.*",
                                        "encryption.*",
                                        "tiering.*",
                                        "nas.*",
                                        "snapshot_policy.*",
                                        "clone.*",
                                        "autosize.*",
                                        "efficiency.*",
                                        "qos.*",
                                        NULL};
    if (rest_accept(r, names))
        return -1;
    struct making *m = sim_alloc(1, sizeof(*m));
    if (read_making(r, m)) {
        making_free(m);
        return -1;
    }
    AUTO_BUF struct sim_buf location = {0};
    AUTO_FREE char *name = sim_dup(m->spec.name);
    const struct sim_svm *svm = m->svm;
    sim_buf_adds(&location, "/storage/volumes/?name=");
    rest_encode(&location, name);
    sim_buf_addf(&location, "&svm.name=%s", svm->name);
    const struct rest_work job = {m->parent ? REST_DO_VOLUME_CLONE : REST_DO_VOLUME_CREATE,
                                  svm,
                                  make,
                                  making_free,
                                  m,
                                  201,
                                  location.data};
    int rc = rest_async(r, &job);
    if (!rc)
        add_record(r, svm, name);
    return rc;
}

/* A PATCH: what is NULL stays. The volumes are changed one after the other. */
struct change {
    struct sim_volume **vols;
    size_t count;
    char *name;
    char *comment;
    char *state;
    char *junction; /* "": unmount */
    char *policy;
    char *exports;
    uint64_t size;
    uint64_t reserve;
    bool has_reserve;
    bool split;
};

static void change_free(void *arg)
{
    struct change *c = arg;
    free(c->vols);
    free(c->name);
    free(c->comment);
    free(c->state);
    free(c->junction);
    free(c->policy);
    free(c->exports);
    free(c);
}

static int mount(struct sim_volume *vol, const char *junction, struct sim_err *err)
{
    sim_lock();
    bool mounted = vol->junction != NULL;
    bool same = mounted ? !strcmp(vol->junction, junction) : !*junction;
    sim_unlock();
    if (same)
        return 0;
    if (mounted && sim_volume_unmount(vol, err))
        return -1;
    return *junction ? sim_volume_mount(vol, junction, err) : 0;
}

/* What is so already is not changed. */
static bool is_state(const struct sim_volume *vol, const char *state)
{
    sim_lock();
    bool same = !strcmp(vol->state, state);
    sim_unlock();
    return same;
}

static bool is_named(const struct sim_volume *vol, const char *name)
{
    sim_lock();
    bool same = !strcmp(vol->name, name);
    sim_unlock();
    return same;
}

static bool is_sized(const struct sim_volume *vol, uint64_t size)
{
    sim_lock();
    bool same = vol->size == size;
    sim_unlock();
    return same;
}

static int set_state(const struct change *c, struct sim_volume *vol, bool online,
                     struct sim_err *err)
{
    if (!c->state || online != !strcmp(c->state, "online") || is_state(vol, c->state))
        return 0;
    return sim_volume_set_state(vol, c->state, true, err);
}

static int change_one(const struct change *c, struct sim_volume *vol, struct sim_err *err)
{
    unsigned reserve = (unsigned)c->reserve;
    bool plain = c->comment || c->policy || c->exports || c->has_reserve;
    if (set_state(c, vol, true, err))
        return -1;
    if (c->name && !is_named(vol, c->name) && sim_volume_rename(vol, c->name, err))
        return -1;
    if (plain && sim_volume_modify(vol, c->comment, c->policy, c->exports,
                                   c->has_reserve ? &reserve : NULL, err))
        return -1;
    if (c->size && !is_sized(vol, c->size) && sim_volume_resize(vol, c->size, err))
        return -1;
    if (c->junction && mount(vol, c->junction, err))
        return -1;
    if (c->split && sim_volume_split(vol, NULL, err))
        return -1;
    return set_state(c, vol, false, err);
}

static int change(void *arg, struct sim_err *err)
{
    const struct change *c = arg;
    int rc = 0;
    for (size_t i = 0; i < c->count && !rc; i++)
        rc = change_one(c, c->vols[i], err);
    return rc;
}

static int read_change(struct rest *r, struct change *c)
{
    const char *state = rest_arg(r, "state");
    if (state && strcmp(state, "online") != 0 && strcmp(state, "offline") != 0 &&
        strcmp(state, "restricted") != 0)
        return rest_invalid(r, "state", state, "online, offline, restricted");
    if (rest_size_arg(r, "size", &c->size) || rest_size_arg(r, "space.size", &c->size) ||
        rest_count_arg(r, "space.snapshot.reserve_percent", 0, 90, &c->reserve) ||
        rest_flag_arg(r, "clone.split_initiated", &c->split))
        return -1;
    if (rest_arg(r, "clone.split_initiated") && !c->split)
        return rest_fail(r, 918248, "clone.split_initiated", "A split is begun with true only.");
    c->has_reserve = rest_arg(r, "space.snapshot.reserve_percent") != NULL;
    c->name = sim_dup(rest_arg(r, "name"));
    c->comment = sim_dup(rest_arg(r, "comment"));
    c->state = sim_dup(state);
    c->junction = sim_dup(rest_arg(r, "nas.path"));
    c->policy = sim_dup(rest_arg(r, "snapshot_policy.name"));
    c->exports = sim_dup(rest_arg(r, "nas.export_policy.name"));
    return 0;
}

static const char *const change_names[] = {"name",
                                           "comment",
                                           "state",
                                           "size",
                                           "space.size",
                                           "space.snapshot.reserve_percent",
                                           "nas.path",
                                           "nas.export_policy.name",
                                           "snapshot_policy.name",
                                           "clone.split_initiated",
                                           NULL};

static bool wants_restore(struct rest *r)
{
    static const char *const names[] = {"restore_to.snapshot.name", "restore_to.snapshot.uuid",
                                        "restore_to.path",          "restore_to.restore_path",
                                        "restore_to.start_byte",    "restore_to.byte_count"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (rest_arg(r, names[i]))
            return true;
    }
    return false;
}

/* Before 9.10.1 only a whole volume goes back. */
static int patch_restore(struct rest *r)
{
    static const char *const old[] = {"restore_to.snapshot.name", "restore_to.snapshot.uuid", NULL};
    static const char *const now[] = {"restore_to.snapshot.name", "restore_to.snapshot.uuid",
                                      "restore_to.path",          "restore_to.restore_path",
                                      "restore_to.start_byte",    "restore_to.byte_count",
                                      "preserve_lun_ids",         NULL};
    bool newer = rest_version() >= REST_V(9, 10, 1);
    if (rest_accept(r, newer || sim.restore_path_ignored ? now : old))
        return -1;
    sim_lock();
    struct sim_volume *vol = rest_volume(r, r->params[0]);
    sim_unlock();
    return vol ? rest_restore(r, vol, newer) : -1;
}

int rest_volume_patch(struct rest *r)
{
    if (wants_restore(r))
        return patch_restore(r);
    if (rest_accept(r, change_names))
        return -1;
    struct change *c = sim_alloc(1, sizeof(*c));
    sim_lock();
    struct sim_volume *vol = rest_volume(r, r->params[0]);
    sim_unlock();
    if (!vol || read_change(r, c)) {
        change_free(c);
        return -1;
    }
    c->vols = sim_grow(NULL, 1, sizeof(struct sim_volume *));
    c->vols[c->count++] = vol;
    const struct rest_work job = {
        REST_DO_VOLUME_MODIFY, vol->svm, change, change_free, c, 200, NULL};
    return rest_async(r, &job);
}

int rest_volumes_patch(struct rest *r)
{
    struct change *c = sim_alloc(1, sizeof(*c));
    if (rest_volumes_select(r, &c->vols, &c->count) || rest_accept(r, change_names) ||
        read_change(r, c)) {
        change_free(c);
        return -1;
    }
    size_t count = c->count;
    if (!count) {
        change_free(c);
        return rest_bulk(r, true, 0, NULL);
    }
    const struct rest_work job = {
        REST_DO_VOLUME_MODIFY, c->vols[0]->svm, change, change_free, c, 200, NULL};
    return rest_bulk(r, true, count, &job);
}

/* An online volume is taken offline, but it must not be mounted. */
static int destroy(void *arg, struct sim_err *err)
{
    const struct change *c = arg;
    int rc = 0;
    for (size_t i = 0; i < c->count && !rc; i++) {
        sim_lock();
        if (c->vols[i]->junction)
            rc =
                sim_fail(err, SIM_EVOLMOUNTED,
                         "Volume \"%s\" must be unmounted before it is deleted.", c->vols[i]->name);
        sim_unlock();
        rc = rc ? rc : sim_volume_destroy(c->vols[i], true, err);
    }
    return rc;
}

int rest_volume_delete(struct rest *r)
{
    static const char *const names[] = {"force", NULL};
    bool force = false;
    if (rest_accept(r, names) || rest_flag_arg(r, "force", &force))
        return -1;
    sim_lock();
    struct sim_volume *vol = rest_volume(r, r->params[0]);
    sim_unlock();
    if (!vol)
        return -1;
    struct change *c = sim_alloc(1, sizeof(*c));
    c->vols = sim_grow(NULL, 1, sizeof(struct sim_volume *));
    c->vols[c->count++] = vol;
    const struct rest_work job = {
        REST_DO_VOLUME_DELETE, vol->svm, destroy, change_free, c, 200, NULL};
    return rest_async(r, &job);
}

int rest_volumes_delete(struct rest *r)
{
    struct change *c = sim_alloc(1, sizeof(*c));
    if (rest_volumes_select(r, &c->vols, &c->count)) {
        change_free(c);
        return -1;
    }
    size_t count = c->count;
    if (!count) {
        change_free(c);
        return rest_bulk(r, true, 0, NULL);
    }
    const struct rest_work job = {
        REST_DO_VOLUME_DELETE, c->vols[0]->svm, destroy, change_free, c, 200, NULL};
    return rest_bulk(r, true, count, &job);
}
