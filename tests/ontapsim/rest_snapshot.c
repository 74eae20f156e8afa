/* Snapshots of volumes over REST. */
#include "rest.h"
#include "snap.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field fields[] = {
    {"volume.uuid", REST_KEY, 0},
    {"volume.name", REST_KEY, 0},
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"create_time", 0, 0},
    {"comment", 0, 0},
    {"snapmirror_label", 0, 0},
    {"owners", REST_EXPENSIVE, 0},
    {"size", REST_EXPENSIVE, REST_V(9, 9, 1)},
    {"state", 0, 0},
    {"expiry_time", 0, 0},
    {"version_uuid", 0, REST_V(9, 9, 1)},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
};

/* What keeps a snapshot, in the words of REST. */
static const char *owner_name(const char *dependency)
{
    static const struct {
        const char *dependency, *owner;
    } names[] = {{"snapmirror", "snapmirror_dependent"}, {"vclone", "volume_clone"}};
    for (size_t i = 0; i < COUNT(names); i++) {
        if (!strcmp(names[i].dependency, dependency))
            return names[i].owner;
    }
    return dependency;
}

static json_t *owners_of(const struct sim_snap *snap)
{
    json_t *list = json_array();
    for (size_t i = 0; i < snap->owner_count; i++)
        json_array_append_new(list, json_string(snap->owners[i]));
    const char *busy = sim.busy_owners ? sim_snap_busy(snap) : NULL;
    if (busy)
        json_array_append_new(list, json_string(owner_name(busy)));
    if (json_array_size(list))
        return list;
    json_decref(list);
    return NULL;
}

static uint64_t size_of(struct sim_volume *vol, const struct sim_snap *snap)
{
    size_t age = 0;
    while (age < vol->snap_count && vol->ages[age] != snap)
        age++;
    return age < vol->snap_count ? sim_snap_held(vol, age) : 0;
}

static void record(struct rest_list *l, struct sim_volume *vol, const struct sim_snap *snap)
{
    rest_text(l, "volume.uuid", vol->instance_uuid);
    rest_text(l, "volume.name", vol->name);
    rest_text(l, "uuid", snap->uuid);
    rest_text(l, "name", snap->name);
    rest_time(l, "create_time", snap->created);
    rest_text(l, "comment", snap->comment);
    rest_text(l, "snapmirror_label", snap->label);
    if (rest_wants(l, "owners"))
        rest_put(l, "owners", owners_of(snap));
    if (rest_wants(l, "size"))
        rest_number(l, "size", size_of(vol, snap));
    rest_text(l, "state", "valid");
    rest_text(l, "version_uuid", snap->uuid);
    rest_text(l, "svm.name", vol->svm->name);
    rest_text(l, "svm.uuid", vol->svm->uuid);
}

static char *self_of(struct rest *r, const struct sim_volume *vol, const char *uuid)
{
    return sim_arena_printf(&r->arena, "/storage/volumes/%s/snapshots/%s", vol->instance_uuid,
                            uuid);
}

/* One volume's snapshots from the place where the last page ended. False: the page is full. */
static bool list_volume(struct rest_list *l, struct sim_volume *vol, const char *after)
{
    bool room = true;
    for (size_t i = sim_snap_after(vol, after); i < vol->snap_count && room; i++) {
        char self[160];
        const struct sim_snap *snap = vol->snaps[i];
        if (!rest_may(l, "name", snap->name))
            continue;
        rest_record(l);
        record(l, vol, snap);
        snprintf(self, sizeof(self), "/storage/volumes/%s/snapshots/%s", vol->instance_uuid,
                 snap->uuid);
        room = rest_row(l, self, vol->svm->name, vol->name, snap->name);
    }
    return room;
}

/* Locked. "*" in place of a volume's uuid: those of all volumes. */
static void list_all(struct rest_list *l)
{
    bool room = true;
    const char *const *keys = l->keys;
    for (size_t i = sim_svm_after(keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = keys[0] && !strcmp(keys[0], svm->name);
        if (!rest_sees(l->r, svm) || !rest_may(l, "svm.name", svm->name))
            continue;
        for (size_t k = sim_volume_after(svm, same ? keys[1] : NULL, true);
             k < svm->volume_count && room; k++) {
            struct sim_volume *vol = svm->volumes[k];
            bool here = same && keys[1] && !strcmp(keys[1], vol->name);
            if (rest_may(l, "volume.name", vol->name) &&
                rest_may(l, "volume.uuid", vol->instance_uuid))
                room = list_volume(l, vol, here ? keys[2] : NULL);
        }
    }
}

int rest_snapshots_get(struct rest *r)
{
    struct rest_list l;
    bool all = !strcmp(r->params[0], "*");
    if (rest_list_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    struct sim_volume *vol = all ? NULL : rest_volume(r, r->params[0]);
    if (all)
        list_all(&l);
    else if (vol)
        list_volume(&l, vol, l.keys[2]);
    sim_unlock();
    if (all || vol)
        return rest_list_end(&l);
    rest_list_drop(&l);
    return -1;
}

/* Locked. */
static struct sim_snap *find(struct rest *r, struct sim_volume **vol)
{
    *vol = rest_volume(r, r->params[0]);
    for (size_t i = 0; *vol && i < (*vol)->snap_count; i++) {
        if (!strcmp((*vol)->snaps[i]->uuid, r->params[1]))
            return (*vol)->snaps[i];
    }
    if (*vol)
        rest_missing_entry(r, "uuid");
    return NULL;
}

int rest_snapshot_get(struct rest *r)
{
    struct rest_list l;
    struct sim_volume *vol;
    const char *self = NULL;
    if (rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    const struct sim_snap *snap = find(r, &vol);
    if (snap) {
        rest_record(&l);
        record(&l, vol, snap);
        self = self_of(r, vol, snap->uuid);
    }
    sim_unlock();
    if (self)
        return rest_object_end(&l, self);
    rest_list_drop(&l);
    return -1;
}

/* What a job needs to know; every text is owned. */
struct work {
    struct sim_volume *vol;
    char *name;
    char *uuid;
    char *new_name;
    char *comment;
    char *label;
    bool ignore_owners;
};

static void work_free(void *arg)
{
    struct work *w = arg;
    free(w->name);
    free(w->uuid);
    free(w->new_name);
    free(w->comment);
    free(w->label);
    free(w);
}

static int create(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    return sim_snap_create(w->vol, &(struct sim_snap_spec){w->name, w->comment, w->label, false},
                           err);
}

/* The reply to return_records=true: what has been made. */
static void add_record(struct rest *r, struct sim_volume *vol, const char *name)
{
    if (!rest_returns_records(r) || r->status != 201)
        return;
    sim_lock();
    const struct sim_snap *snap = sim_snap_find(vol, name);
    if (snap)
        r->out = json_pack("{s:i, s:[{s:s, s:s, s:o, s:o}]}", "num_records", 1, "records", "uuid",
                           snap->uuid, "name", snap->name, "volume",
                           rest_ref(vol->name, vol->instance_uuid), "svm",
                           rest_ref(vol->svm->name, vol->svm->uuid));
    sim_unlock();
}

int rest_snapshot_create(struct rest *r)
{
    static const char *const names[] = {"name",     "comment",     "snapmirror_label", "svm.name",
                                        "svm.uuid", "volume.name", "volume.uuid",      NULL};
    AUTO_BUF struct sim_buf location = {0};
    if (rest_accept(r, names))
        return -1;
    const char *name = rest_need(r, "name");
    sim_lock();
    struct sim_volume *vol = name ? rest_volume(r, r->params[0]) : NULL;
    sim_unlock();
    if (!vol)
        return -1;
    struct work *w = sim_alloc(1, sizeof(*w));
    *w = (struct work){.vol = vol,
                       .name = sim_dup(name),
                       .comment = sim_dup(rest_arg(r, "comment")),
                       .label = sim_dup(rest_arg(r, "snapmirror_label"))};
    /* A query, not an object. */
    sim_buf_addf(&location, "/storage/volumes/%s/snapshots/?name=", vol->instance_uuid);
    rest_encode(&location, name);
    const struct rest_work job = {REST_DO_SNAP_CREATE, vol->svm, create, work_free, w, 201,
                                  location.data};
    int rc = rest_async(r, &job);
    if (!rc)
        add_record(r, vol, name);
    return rc;
}

static int delete (void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    return sim_snap_delete(w->vol, w->name, w->uuid, w->ignore_owners, err);
}

static int read_ignore(struct rest *r, bool *ignore)
{
    if (rest_arg(r, "ignore_owners") && rest_version() < REST_V(9, 19, 1))
        return rest_fail(r, REST_EUNKNOWN, "ignore_owners",
                         "Unexpected argument \"ignore_owners\".");
    return rest_flag_arg(r, "ignore_owners", ignore);
}

int rest_snapshot_delete(struct rest *r)
{
    static const char *const names[] = {"ignore_owners", NULL};
    struct work *w = NULL;
    struct sim_volume *vol;
    bool ignore = false;
    if (rest_accept(r, names) || read_ignore(r, &ignore))
        return -1;
    sim_lock();
    const struct sim_snap *snap = find(r, &vol);
    if (snap) {
        w = sim_alloc(1, sizeof(*w));
        *w = (struct work){.vol = vol,
                           .name = sim_dup(snap->name),
                           .uuid = sim_dup(snap->uuid),
                           .ignore_owners = ignore};
    }
    sim_unlock();
    if (!w)
        return -1;
    const struct rest_work job = {REST_DO_SNAP_DELETE, vol->svm, delete, work_free, w, 200, NULL};
    return rest_async(r, &job);
}

/* Several snapshots of one volume. */
struct many {
    struct work **items;
    size_t count;
    bool go_on; /* after a failure */
};

static void many_free(void *arg)
{
    struct many *m = arg;
    for (size_t i = 0; i < m->count; i++)
        work_free(m->items[i]);
    free(m->items);
    free(m);
}

static void many_add(struct many *m, const struct work *item)
{
    m->items = sim_grow(m->items, m->count + 1, sizeof(struct work *));
    m->items[m->count] = sim_alloc(1, sizeof(*item));
    *m->items[m->count++] = *item;
}

/* The first failure is the job's. */
static int each(struct many *m, int (*run)(void *arg, struct sim_err *err), struct sim_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < m->count && (!rc || m->go_on); i++) {
        struct sim_err one = {0};
        if (run(m->items[i], &one) && !rc) {
            *err = one;
            rc = -1;
        }
    }
    return rc;
}

static int delete_many(void *arg, struct sim_err *err)
{
    return each(arg, delete, err);
}

static int create_many(void *arg, struct sim_err *err)
{
    return each(arg, create, err);
}

/* DELETE on the collection: everything that the query matches. */
int rest_snapshots_delete(struct rest *r)
{
    struct rest_list l;
    struct many *m = sim_alloc(1, sizeof(*m));
    const char *go_on = rest_query_arg(r, "continue_on_failure");
    if (rest_list_begin(&l, r, fields, COUNT(fields))) {
        many_free(m);
        return -1;
    }
    m->go_on = go_on && !strcmp(go_on, "true");
    sim_lock();
    struct sim_volume *vol = rest_volume(r, r->params[0]);
    for (size_t i = 0; vol && i < vol->snap_count; i++) {
        rest_record(&l);
        record(&l, vol, vol->snaps[i]);
        if (rest_match(&l))
            many_add(m, &(struct work){.vol = vol,
                                       .name = sim_dup(vol->snaps[i]->name),
                                       .uuid = sim_dup(vol->snaps[i]->uuid)});
    }
    sim_unlock();
    bool filtered = rest_filtered(&l);
    rest_list_drop(&l);
    size_t count = m->count;
    if (!vol || !filtered || !count) {
        many_free(m);
        return !vol ? -1 : rest_bulk(r, filtered, 0, NULL);
    }
    const struct rest_work job = {
        REST_DO_SNAP_DELETE, vol->svm, delete_many, many_free, m, 200, NULL};
    return rest_bulk(r, true, count, &job);
}

/* The volume that a record of a bulk creation names; all by name, or all by uuid. */
static struct sim_volume *bulk_volume(struct rest *r, json_t *item, const char **by)
{
    json_t *ref = json_object_get(item, "volume");
    const char *name = json_string_value(json_object_get(ref, "name"));
    const char *uuid = json_string_value(json_object_get(ref, "uuid"));
    const char *key = uuid ? "uuid" : "name";
    struct sim_volume *vol = NULL;
    if (*by && strcmp(*by, key) != 0) {
        rest_fail(r, 1638617, "volume", "Volumes are named by name or by uuid, not both.");
        return NULL;
    }
    *by = key;
    if (uuid)
        return rest_volume(r, uuid);
    const char *svm = json_string_value(json_object_get(json_object_get(item, "svm"), "name"));
    struct sim_svm *in = r->svm ? r->svm : (svm ? sim_svm_find(svm) : NULL);
    if (name && in)
        vol = sim_volume_find(in, name);
    if (!vol)
        rest_missing_entry(r, "volume.name");
    return vol;
}

static int read_bulk(struct rest *r, struct many *m)
{
    json_t *records = rest_body(r, "records");
    const char *first = NULL, *by = NULL;
    size_t i;
    json_t *item;
    if (!json_array_size(records))
        return rest_fail(r, 1638618, "records", "The volumes must be listed in \"records\".");
    json_array_foreach (records, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (!name || (first && strcmp(first, name) != 0))
            return rest_fail(r, name ? 1638616 : REST_EMISSING, "name",
                             "Every record has the same snapshot name.");
        first = name;
        struct sim_volume *vol = bulk_volume(r, item, &by);
        if (!vol)
            return -1;
        const char *comment = json_string_value(json_object_get(item, "comment"));
        const char *label = json_string_value(json_object_get(item, "snapmirror_label"));
        many_add(m, &(struct work){.vol = vol,
                                   .name = sim_dup(name),
                                   .comment = sim_dup(comment),
                                   .label = sim_dup(label)});
    }
    return 0;
}

/* One name on several volumes, one after the other: no consistency between them. */
int rest_snapshots_bulk(struct rest *r)
{
    static const char *const names[] = {"records.name",
                                        "records.comment",
                                        "records.snapmirror_label",
                                        "records.volume.name",
                                        "records.volume.uuid",
                                        "records.svm.name",
                                        "records.svm.uuid",
                                        NULL};
    struct many *m = sim_alloc(1, sizeof(*m));
    m->go_on = true;
    sim_lock();
    int rc = rest_accept(r, names) || read_bulk(r, m) ? -1 : 0;
    sim_unlock();
    if (rc) {
        many_free(m);
        return -1;
    }
    size_t count = m->count;
    const struct rest_work job = {
        REST_DO_SNAP_CREATE, m->items[0]->vol->svm, create_many, many_free, m, 201, NULL};
    return rest_bulk(r, true, count, &job);
}

static int modify(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    const char *name = w->new_name ? w->new_name : w->name;
    if (w->new_name && strcmp(w->new_name, w->name) != 0 &&
        sim_snap_rename(w->vol, w->name, w->new_name, err))
        return -1;
    if (!w->comment && !w->label)
        return 0;
    sim_lock();
    struct sim_snap *snap = sim_snap_find(w->vol, name);
    int rc = snap && !strcmp(snap->uuid, w->uuid)
                 ? sim_snap_modify(w->vol, snap, w->comment, w->label, err)
                 : sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.255s\" does not exist.", name);
    sim_unlock();
    return rc;
}

int rest_snapshot_patch(struct rest *r)
{
    static const char *const names[] = {"name", "comment", "snapmirror_label", NULL};
    struct work *w = NULL;
    struct sim_volume *vol;
    if (rest_accept(r, names))
        return -1;
    sim_lock();
    const struct sim_snap *snap = find(r, &vol);
    if (snap) {
        w = sim_alloc(1, sizeof(*w));
        *w = (struct work){.vol = vol,
                           .name = sim_dup(snap->name),
                           .uuid = sim_dup(snap->uuid),
                           .new_name = sim_dup(rest_arg(r, "name")),
                           .comment = sim_dup(rest_arg(r, "comment")),
                           .label = sim_dup(rest_arg(r, "snapmirror_label"))};
    }
    sim_unlock();
    if (!w)
        return -1;
    const struct rest_work job = {w->new_name ? REST_DO_SNAP_RENAME : REST_DO_SNAP_MODIFY,
                                  vol->svm,
                                  modify,
                                  work_free,
                                  w,
                                  200,
                                  NULL};
    return rest_async(r, &job);
}
