/* Consistency groups over REST. Groups are made over volumes that exist. */
#include "rest_volume.h"

#include <stdio.h>
#include <string.h>

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0},  {"name", REST_KEY, 0},          {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},     {"volumes", REST_LIST, 0},      {"volumes.name", 0, 0},
    {"volumes.uuid", 0, 0}, {"snapshot_policy.name", 0, 0},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static json_t *volumes_of(const struct sim_group *group)
{
    json_t *list = json_array();
    for (size_t i = 0; i < group->count; i++)
        json_array_append_new(list, rest_ref(group->vols[i]->name, group->vols[i]->instance_uuid));
    return list;
}

static void record(struct rest_list *l, const struct sim_group *group)
{
    rest_text(l, "uuid", group->uuid);
    rest_text(l, "name", group->name);
    rest_text(l, "svm.name", group->svm->name);
    rest_text(l, "svm.uuid", group->svm->uuid);
    if (rest_wants(l, "volumes"))
        rest_put(l, "volumes", volumes_of(group));
    rest_text(l, "snapshot_policy.name", "none");
}

/* Has the last page gone past this group? */
static bool seen(const struct rest_list *l, const struct sim_group *group)
{
    int order = l->keys[0] ? strcmp(group->svm->name, l->keys[0]) : 1;
    return order < 0 || (!order && l->keys[1] && strcmp(group->name, l->keys[1]) <= 0);
}

int rest_groups_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    for (const struct sim_group *g = sim_group_first(); g && room; g = g->next) {
        char self[80];
        if (!rest_sees(r, g->svm) || seen(&l, g))
            continue;
        rest_record(&l);
        record(&l, g);
        snprintf(self, sizeof(self), "/application/consistency-groups/%s", g->uuid);
        room = rest_row(&l, self, g->svm->name, g->name, NULL);
    }
    sim_unlock();
    return rest_list_end(&l);
}

struct sim_group *rest_group(struct rest *r)
{
    struct sim_group *group = sim_group_by_uuid(r->params[0]);
    if (group && rest_sees(r, group->svm))
        return group;
    rest_fail(r, 53411842, "uuid", "The consistency group does not exist.");
    return NULL;
}

int rest_group_get(struct rest *r)
{
    struct rest_list l;
    const char *self = NULL;
    if (rest_object_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    const struct sim_group *group = rest_group(r);
    if (group) {
        rest_record(&l);
        record(&l, group);
        self = sim_arena_printf(&r->arena, "/application/consistency-groups/%s", group->uuid);
    }
    sim_unlock();
    if (self)
        return rest_object_end(&l, self);
    rest_list_drop(&l);
    return -1;
}

/* Locked. The volumes of the body, with the action of each: "add" unless `actions` allows more. */
static struct sim_volume *member(struct rest *r, const struct sim_svm *svm, json_t *item,
                                 const char **action)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *uuid = json_string_value(json_object_get(item, "uuid"));
    json_t *options = json_object_get(item, "provisioning_options");
    *action = json_string_value(json_object_get(options, "action"));
    struct sim_volume *vol =
        name ? sim_volume_find(svm, name) : (uuid ? sim_volume_by_uuid(svm, uuid) : NULL);
    if (!vol)
        rest_fail(r, 53411861, "volumes", "Volume \"%.203s\" does not exist.",
                  name ? name : (uuid ? uuid : ""));
    return vol;
}

/* Locked. */
static int read_members(struct rest *r, const struct sim_svm *svm, struct sim_volume **vols,
                        size_t *count)
{
    json_t *list = rest_body(r, "volumes");
    size_t i;
    json_t *item;
    if (!json_array_size(list))
        return rest_fail(r, REST_EMISSING, "volumes", "The field \"volumes\" is required.");
    json_array_foreach (list, i, item) {
        const char *action;
        struct sim_volume *vol = member(r, svm, item, &action);
        if (!vol)
            return -1;
        if (!action || strcmp(action, "add") != 0)
            return rest_fail(r, REST_EVALUE, "volumes.provisioning_options.action",
                             "Only volumes that exist can be put into a group: \"add\".");
        if (*count == SIM_GROUP_VOLUMES)
            return rest_fail(r, 7, "volumes", "A consistency group holds %d volumes at most.",
                             SIM_GROUP_VOLUMES);
        vols[(*count)++] = vol;
    }
    return 0;
}

struct making {
    struct sim_svm *svm;
    char *name;
    struct sim_volume *vols[SIM_GROUP_VOLUMES];
    size_t count;
};

static void making_free(void *arg)
{
    struct making *m = arg;
    free(m->name);
    free(m);
}

static int make(void *arg, struct sim_err *err)
{
    const struct making *m = arg;
    sim_lock();
    const struct sim_group *group = sim_group_create(m->svm, m->name, m->vols, m->count, err);
    sim_unlock();
    return group ? 0 : -1;
}

int rest_group_create(struct rest *r)
{
    static const char *const names[] = {
        "name", "svm.*", "volumes.name", "volumes.uuid", "volumes.provisioning_options.action",
        NULL};
    struct making *m = sim_alloc(1, sizeof(*m));
    AUTO_BUF struct sim_buf location = {0};
    int rc = rest_accept(r, names) || !rest_need(r, "name") || !(m->svm = rest_svm(r)) ? -1 : 0;
    m->name = rc ? NULL : sim_dup(rest_arg(r, "name"));
    sim_lock();
    rc = rc ? rc : read_members(r, m->svm, m->vols, &m->count);
    sim_unlock();
    if (rc) {
        making_free(m);
        return -1;
    }
    sim_buf_adds(&location, "/application/consistency-groups/?name=");
    rest_encode(&location, m->name);
    const struct rest_work job = {REST_DO_CG, m->svm, make, making_free, m, 201, location.data};
    return rest_async(r, &job);
}

struct change {
    char group[37];
    char snapshot[37]; /* "": no revert */
};

static int revert(void *arg, struct sim_err *err)
{
    const struct change *c = arg;
    return sim_group_revert(c->group, c->snapshot, err);
}

static struct change *change_new(const struct sim_group *group, const char *snapshot)
{
    struct change *c = sim_alloc(1, sizeof(*c));
    memcpy(c->group, group->uuid, sizeof(c->group));
    snprintf(c->snapshot, sizeof(c->snapshot), "%s", snapshot);
    return c;
}

/* Locked. The snapshot that a revert names. */
static const char *revert_to(struct rest *r, const struct sim_group *group)
{
    const char *name = rest_arg(r, "restore_to.snapshot.name");
    const char *uuid = rest_arg(r, "restore_to.snapshot.uuid");
    for (const struct sim_group_snap *s = group->snaps; s; s = s->next) {
        if (!s->pending && (!name || !strcmp(name, s->name)) && (!uuid || !strcmp(uuid, s->uuid)))
            return s->uuid;
    }
    rest_missing_entry(r, "restore_to.snapshot");
    return NULL;
}

/* Locked. Members come and go. */
static int change_members(struct rest *r, struct sim_group *group)
{
    json_t *list = rest_body(r, "volumes");
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        struct sim_err err = {0};
        const char *action;
        struct sim_volume *vol = member(r, group->svm, item, &action);
        if (!vol)
            return -1;
        bool add = action && !strcmp(action, "add");
        if (!add && (!action || strcmp(action, "remove") != 0))
            return rest_invalid(r, "volumes.provisioning_options.action", action ? action : "",
                                "add, remove");
        if (add ? sim_group_add(group, vol, &err) : sim_group_remove(group, vol, &err))
            return rest_fail_model(r, REST_DO_CG, &err);
    }
    return 0;
}

int rest_group_patch(struct rest *r)
{
    static const char *const names[] = {"restore_to.snapshot.name",
                                        "restore_to.snapshot.uuid",
                                        "volumes.name",
                                        "volumes.uuid",
                                        "volumes.provisioning_options.action",
                                        NULL};
    struct rest_work job = {.doing = REST_DO_RESTORE, .run = revert, .status = 200};
    if (rest_accept(r, names))
        return -1;
    bool back = rest_arg(r, "restore_to.snapshot.name") || rest_arg(r, "restore_to.snapshot.uuid");
    sim_lock();
    struct sim_group *group = rest_group(r);
    int rc = group ? 0 : -1;
    const char *snapshot = group && back ? revert_to(r, group) : NULL;
    if (group && !back)
        rc = change_members(r, group);
    if (snapshot) {
        job.svm = group->svm;
        job.arg = change_new(group, snapshot);
    }
    sim_unlock();
    if (!back)
        return rc;
    return job.arg ? rest_async(r, &job) : -1;
}

static int delete (void *arg, struct sim_err *err)
{
    const struct change *c = arg;
    sim_lock();
    struct sim_group *group = sim_group_by_uuid(c->group);
    int rc = group ? sim_group_delete(group, err)
                   : sim_fail(err, SIM_ENOENTRY, "The consistency group does not exist.");
    sim_unlock();
    return rc;
}

/* The volumes and their snapshots stay. */
int rest_group_delete(struct rest *r)
{
    static const char *const none[] = {NULL};
    struct rest_work job = {.doing = REST_DO_CG, .run = delete, .status = 200};
    if (rest_accept(r, none))
        return -1;
    sim_lock();
    const struct sim_group *group = rest_group(r);
    if (group) {
        job.svm = group->svm;
        job.arg = change_new(group, "");
    }
    sim_unlock();
    return job.arg ? rest_async(r, &job) : -1;
}
