/* LUNs over REST: create, clone, change, restore in place, delete. */
#include "clone.h"
#include "lun.h"
#include "rest.h"

#include <stdio.h>
#include <string.h>

/* What a job needs to know; every text is owned. NULL: not asked for. */
struct work {
    struct sim_svm *svm;
    struct sim_volume *vol; /* of a clone */
    char *path;             /* of the LUN */
    char *uuid;             /* of a new one */
    char *snapshot;         /* the source of a clone: a snapshot or NULL, and a path below it */
    char *source;
    char *new_path;
    char *os_type;
    char *comment;
    uint64_t size; /* 0: as it is */
    bool reserve_given;
    bool reserved;
    bool enable_given;
    bool enable;
    bool while_mapped;
    bool in_place;
};

static void work_free(void *arg)
{
    struct work *w = arg;
    free(w->path);
    free(w->uuid);
    free(w->snapshot);
    free(w->source);
    free(w->new_path);
    free(w->os_type);
    free(w->comment);
    free(w);
}

/* The name below the volume in "/vol/VOLUME/NAME". */
static const char *below(const char *path)
{
    const char *slash = strncmp(path, "/vol/", 5) ? NULL : strchr(path + 5, '/');
    return slash ? slash + 1 : path;
}

static int run_create(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    const struct sim_lun_spec spec = {.size = w->size,
                                      .os_type = w->os_type,
                                      .comment = w->comment,
                                      .uuid = w->uuid,
                                      .reserved = w->reserved};
    return sim_lun_create(w->svm, w->path, &spec, err);
}

static int run_clone(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    const struct sim_clone_spec spec = {.snapshot = w->snapshot,
                                        .from = w->source,
                                        .to = below(w->path),
                                        .overwrite = w->in_place,
                                        .same_size = w->in_place && !sim.clone_resize,
                                        .lun_only = true,
                                        .reserved = w->reserved,
                                        .comment = w->comment,
                                        .uuid = w->uuid};
    return sim_clone(w->vol, &spec, err);
}

/* Size, name, state and texts; what comes first and fails ends it. */
static int run_change(void *arg, struct sim_err *err)
{
    struct work *w = arg;
    if (w->source && run_clone(w, err))
        return -1;
    if (w->size && sim_lun_resize(w->svm, w->path, w->size, true, err)) {
        if (err->num != SIM_ELUNSAMESIZE)
            return -1;
        *err = (struct sim_err){0};
    }
    if ((w->comment || w->os_type || w->reserve_given) &&
        sim_lun_modify(w->svm, w->path, w->comment, w->os_type,
                       w->reserve_given ? &w->reserved : NULL, err))
        return -1;
    if (w->enable_given && sim_lun_set_online(w->svm, w->path, w->enable, err)) {
        if (err->num != SIM_ELUNONLINE && err->num != SIM_ELUNOFFLINE)
            return -1;
        *err = (struct sim_err){0}; /* it was so before */
    }
    return w->new_path ? sim_lun_move(w->svm, w->path, w->new_path, err) : 0;
}

static int run_delete(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    sim_lock();
    const struct sim_lun *lun = sim_lun_by_path(w->svm, w->path);
    bool mapped = lun && sim_lun_mapped(lun);
    sim_unlock();
    if (mapped && !w->while_mapped)
        return sim_fail(err, SIM_ELUNMAPPED, "LUN \"%s\" is mapped.", w->path);
    return sim_lun_destroy(w->svm, w->path, true, err);
}

/* Where a new LUN shall be: "name", or "location". NULL with an error. */
static const char *read_path(struct rest *r)
{
    const char *name = rest_arg(r, "name");
    const char *volume = rest_arg(r, "location.volume.name");
    const char *qtree = rest_arg(r, "location.qtree.name");
    const char *leaf = rest_arg(r, "location.logical_unit");
    if (name && *name == '/')
        return name;
    if (!leaf)
        leaf = name;
    if (!volume || !leaf) {
        rest_fail(r, REST_EMISSING, "name", "The field \"name\" is required.");
        return NULL;
    }
    return sim_arena_printf(&r->arena, "/vol/%s/%s%s%s", volume, qtree ? qtree : "",
                            qtree && *qtree ? "/" : "", leaf);
}

/* The volume of a path, for a clone. Locked. */
static struct sim_volume *volume_of(struct rest *r, const struct sim_svm *svm, const char *path)
{
    AUTO_FREE char *name =
        strncmp(path, "/vol/", 5) ? NULL : strndup(path + 5, strcspn(path + 5, "/"));
    struct sim_volume *vol = name ? sim_volume_find(svm, name) : NULL;
    if (!vol)
        rest_fail(r, REST_ENOENTRY, "name", "There is no volume for \"%.200s\".", path);
    return vol;
}

static int read_live_source(struct rest *r, struct work *w, const struct sim_lun *lun,
                            const char *name, const char *uuid)
{
    if (!lun)
        return rest_fail(r, 5374876, uuid ? "clone.source.uuid" : "clone.source.name",
                         "The source LUN \"%.200s\" does not exist.", name ? name : uuid);
    if (name && strcmp(name, lun->path) != 0)
        return rest_fail(r, 5374874, "clone.source", "Name and uuid are not of one LUN.");
    if (lun->vol != w->vol)
        return rest_fail(r, 1260121, "clone.source.name",
                         "A LUN cannot be cloned into another volume.");
    w->source = sim_dup(lun->name);
    return 0;
}

/* Locked. w->path is known. */
static int read_source(struct rest *r, struct work *w, const char *name, const char *uuid)
{
    AUTO_FREE char *volume = NULL;
    w->vol = volume_of(r, w->svm, w->path);
    if (!w->vol)
        return -1;
    if (!name || !sim_lun_snap_path(name, &volume, &w->snapshot, &w->source)) {
        const struct sim_lun *lun =
            uuid ? sim_lun_by_uuid(w->svm, uuid) : sim_lun_by_path(w->svm, name);
        return read_live_source(r, w, lun, name, uuid);
    }
    if (uuid)
        return rest_fail(r, 5374899, "clone.source.uuid",
                         "A source in a snapshot is given by its name alone.");
    if (strcmp(volume, w->vol->name) != 0)
        return rest_fail(r, 1260121, "clone.source.name",
                         "A LUN cannot be cloned into another volume.");
    return 0;
}

static int read_common(struct rest *r, struct work *w)
{
    const char *thin = rest_arg(r, "space.guarantee.requested");
    const char *enabled = rest_arg(r, "enabled");
    w->reserve_given = thin != NULL;
    w->enable_given = enabled != NULL;
    w->comment = sim_dup(rest_arg(r, "comment"));
    w->os_type = sim_dup(rest_arg(r, "os_type"));
    return rest_flag_arg(r, "space.guarantee.requested", &w->reserved) ||
                   rest_flag_arg(r, "enabled", &w->enable) ||
                   rest_count_arg(r, "space.size", 1, INT64_MAX, &w->size)
               ? -1
               : 0;
}

/* What a clone takes from its source and is not told. */
static int check_clone(struct rest *r)
{
    static const char *const names[] = {"space.size", "os_type", NULL};
    for (size_t i = 0; names[i]; i++) {
        if (rest_arg(r, names[i]))
            return rest_fail(r, 5374883, names[i], "\"%s\" cannot be given with \"clone\".",
                             names[i]);
    }
    return 0;
}

static int read_create(struct rest *r, struct work *w)
{
    char uuid[37];
    const char *name = rest_arg(r, "clone.source.name"), *id = rest_arg(r, "clone.source.uuid");
    const char *path = read_path(r);
    w->svm = path ? rest_svm(r) : NULL;
    if (!w->svm || read_common(r, w))
        return -1;
    sim_uuid(uuid);
    w->path = sim_dup(path);
    w->uuid = sim_dup(uuid);
    if (!name && !id)
        return !rest_need(r, "space.size") || !rest_need(r, "os_type") ? -1 : 0;
    sim_lock();
    int rc = check_clone(r) || read_source(r, w, name, id) ? -1 : 0;
    sim_unlock();
    return rc;
}

/* The reply to return_records=true. */
static void add_record(struct rest *r, const struct sim_svm *svm, const char *path)
{
    bool wanted = false;
    if (rest_flag_arg(r, "return_records", &wanted) || !wanted || r->status != 201)
        return;
    sim_lock();
    const struct sim_lun *lun = sim_lun_by_path(svm, path);
    if (lun)
        r->out = json_pack("{s:i, s:[{s:s, s:s, s:s, s:s, s:o, s:{s:I}}]}", "num_records", 1,
                           "records", "uuid", lun->uuid, "name", lun->path, "serial_number",
                           lun->serial, "os_type", lun->os_type, "svm",
                           rest_ref(svm->name, svm->uuid), "space", "size", (json_int_t)lun->size);
    sim_unlock();
}

int rest_lun_create(struct rest *r)
{
    static const char *const names[] = {"name",
                                        "svm.name",
                                        "svm.uuid",
                                        "location.volume.name",
                                        "location.qtree.name",
                                        "location.logical_unit",
                                        "clone.source.name",
                                        "clone.source.uuid",
                                        "clone.is_override_enabled",
                                        "space.size",
                                        "space.guarantee.requested",
                                        "space.scsi_thin_provisioning_support_enabled",
                                        "os_type",
                                        "comment",
                                        "enabled",
                                        "auto_delete",
                                        "qos_policy.name",
                                        NULL};
    if (rest_accept(r, names))
        return -1;
    struct work *w = sim_alloc(1, sizeof(*w));
    if (read_create(r, w)) {
        work_free(w);
        return -1;
    }
    const struct sim_svm *svm = w->svm;
    const char *path = sim_arena_dup(&r->arena, w->path);
    const char *location = sim_arena_printf(&r->arena, "/storage/luns/%s", w->uuid);
    const struct rest_work job = {w->source ? REST_DO_LUN_CLONE : REST_DO_LUN,
                                  svm,
                                  w->source ? run_clone : run_create,
                                  work_free,
                                  w,
                                  201,
                                  location};
    int rc = rest_async(r, &job);
    if (!rc)
        add_record(r, svm, path);
    return rc;
}

static const char *const change_names[] = {"name",
                                           "svm.name",
                                           "svm.uuid",
                                           "svm",
                                           "uuid",
                                           "location.volume.name",
                                           "clone.source.name",
                                           "clone.source.uuid",
                                           "space.size",
                                           "space.guarantee.requested",
                                           "space.scsi_thin_provisioning_support_enabled",
                                           "os_type",
                                           "comment",
                                           "enabled",
                                           "auto_delete",
                                           "qos_policy.name",
                                           NULL};

/* Locked. What the request changes in that LUN. */
static struct work *read_change(struct rest *r, const struct sim_lun *lun)
{
    const char *name = json_string_value(rest_body(r, "clone.source.name"));
    const char *uuid = json_string_value(rest_body(r, "clone.source.uuid"));
    const char *to = json_string_value(rest_body(r, "name"));
    struct work *w = sim_alloc(1, sizeof(*w));
    w->svm = lun->vol->svm;
    w->path = sim_dup(lun->path);
    w->in_place = true;
    w->new_path = to && strcmp(to, lun->path) != 0 ? sim_dup(to) : NULL;
    bool clone = name || uuid;
    int rc = read_common(r, w);
    if (!rc && clone && sim_lun_restoring(lun))
        rc = rest_fail(r, 5374053, NULL, "LUN \"%s\" is the target of a restore.", lun->path);
    if (!rc && clone)
        rc = check_clone(r) || read_source(r, w, name, uuid) ? -1 : 0;
    if (!rc)
        return w;
    work_free(w);
    return NULL;
}

static enum rest_doing doing(const struct work *w)
{
    return w->source ? REST_DO_LUN_CLONE : REST_DO_LUN;
}

int rest_lun_patch(struct rest *r)
{
    struct work *w = NULL;
    if (rest_accept(r, change_names))
        return -1;
    sim_lock();
    const struct sim_lun *lun = rest_lun(r, r->params[0]);
    if (lun)
        w = read_change(r, lun);
    sim_unlock();
    if (!w)
        return -1;
    const struct rest_work job = {doing(w), w->svm, run_change, work_free, w, 200, NULL};
    return rest_async(r, &job);
}

int rest_lun_delete(struct rest *r)
{
    static const char *const names[] = {"allow_delete_while_mapped", NULL};
    struct work *w = NULL;
    bool mapped = false;
    if (rest_accept(r, names) || rest_flag_arg(r, "allow_delete_while_mapped", &mapped))
        return -1;
    sim_lock();
    const struct sim_lun *lun = rest_lun(r, r->params[0]);
    if (lun) {
        w = sim_alloc(1, sizeof(*w));
        *w =
            (struct work){.svm = lun->vol->svm, .path = sim_dup(lun->path), .while_mapped = mapped};
    }
    sim_unlock();
    if (!w)
        return -1;
    const struct rest_work job = {REST_DO_LUN_DELETE, w->svm, run_delete, work_free, w, 200, NULL};
    return rest_async(r, &job);
}

/* Everything that a query matches. */
struct many {
    struct work **items;
    size_t count;
    int (*run)(void *arg, struct sim_err *err);
};

static void many_free(void *arg)
{
    struct many *m = arg;
    for (size_t i = 0; i < m->count; i++)
        work_free(m->items[i]);
    free(m->items);
    free(m);
}

static int run_many(void *arg, struct sim_err *err)
{
    const struct many *m = arg;
    for (size_t i = 0; i < m->count; i++) {
        if (m->run(m->items[i], err))
            return -1;
    }
    return 0;
}

/* A parameter that is no filter, taken out of the query. */
static bool take_flag(struct rest *r, const char *name)
{
    bool value = false;
    for (size_t i = 0; i < r->pair_count; i++) {
        if (strcmp(r->pairs[i].name, name) != 0)
            continue;
        value = !strcmp(r->pairs[i].value, "true");
        memmove(&r->pairs[i], &r->pairs[i + 1], (r->pair_count - i - 1) * sizeof(*r->pairs));
        r->pair_count--;
        break;
    }
    return value;
}

/* Locked. */
static int collect(struct rest *r, struct rest_list *l, struct many *m, bool mapped)
{
    for (size_t s = 0; s < sim.svm_count; s++) {
        for (size_t k = 0; rest_sees(r, sim.svms[s]) && k < sim.svms[s]->volume_count; k++) {
            const struct sim_volume *vol = sim.svms[s]->volumes[k];
            for (size_t i = 0; i < vol->lun_count; i++) {
                const struct sim_lun *lun = vol->luns[i];
                rest_record(l);
                rest_lun_record(l, lun);
                if (!rest_match(l))
                    continue;
                struct work *w =
                    m->run == run_change ? read_change(r, lun) : sim_alloc(1, sizeof(*w));
                if (!w)
                    return -1;
                m->items = sim_grow(m->items, m->count + 1, sizeof(struct work *));
                m->items[m->count++] = w;
                if (m->run == run_delete)
                    *w = (struct work){
                        .svm = vol->svm, .path = sim_dup(lun->path), .while_mapped = mapped};
            }
        }
    }
    return 0;
}

static int bulk(struct rest *r, enum rest_doing what, int (*run)(void *arg, struct sim_err *err))
{
    struct rest_list l;
    bool mapped = take_flag(r, "allow_delete_while_mapped");
    struct many *m = sim_alloc(1, sizeof(*m));
    m->run = run;
    int rc = rest_lun_list_begin(&l, r);
    if (rc) {
        many_free(m);
        return -1;
    }
    bool filtered = rest_filtered(&l);
    size_t pairs = r->pair_count;
    r->pair_count = 0; /* the query selects, the body says what to change */
    sim_lock();
    rc = rest_accept(r, change_names) || (filtered && collect(r, &l, m, mapped)) ? -1 : 0;
    sim_unlock();
    r->pair_count = pairs;
    rest_list_drop(&l);
    size_t count = m->count;
    if (rc || !count) {
        many_free(m);
        return rc ? -1 : rest_bulk(r, filtered, 0, NULL);
    }
    const struct rest_work job = {what, m->items[0]->svm, run_many, many_free, m, 200, NULL};
    return rest_bulk(r, true, count, &job);
}

int rest_luns_patch(struct rest *r)
{
    return bulk(r, REST_DO_LUN, run_change);
}

int rest_luns_delete(struct rest *r)
{
    return bulk(r, REST_DO_LUN_DELETE, run_delete);
}
