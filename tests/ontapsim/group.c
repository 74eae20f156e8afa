/* Consistency groups as objects. They are few: lists are walked. What is pending is not saved, for
 * its copies do not survive a restart either. */
#include "group.h"
#include "cg.h"
#include "snap.h"
#include "store.h"
#include "volume.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

enum { STATE_LIMIT = 64 << 20 };

static struct sim_group *groups; /* by svm and name */

static void snap_free(struct sim_group_snap *snap)
{
    free(snap->name);
    free(snap->comment);
    free(snap->label);
    free(snap->type);
    free(snap);
}

static void group_free(struct sim_group *group)
{
    while (group->snaps) {
        struct sim_group_snap *next = group->snaps->next;
        snap_free(group->snaps);
        group->snaps = next;
    }
    free(group->name);
    free(group);
}

void sim_group_free(void)
{
    while (groups) {
        struct sim_group *next = groups->next;
        group_free(groups);
        groups = next;
    }
}

/* Volumes that have been destroyed are no members any more. */
static void tidy(struct sim_group *group)
{
    size_t n = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (!group->vols[i]->gone)
            group->vols[n++] = group->vols[i];
    }
    group->count = n;
}

struct sim_group *sim_group_first(void)
{
    for (struct sim_group *g = groups; g; g = g->next)
        tidy(g);
    return groups;
}

struct sim_group *sim_group_by_uuid(const char *uuid)
{
    struct sim_group *g = sim_group_first();
    while (g && strcmp(g->uuid, uuid) != 0)
        g = g->next;
    return g;
}

struct sim_group *sim_group_of(const struct sim_volume *vol)
{
    for (struct sim_group *g = groups; g; g = g->next) {
        for (size_t i = 0; i < g->count; i++) {
            if (g->vols[i] == vol)
                return g;
        }
    }
    return NULL;
}

struct sim_group_snap *sim_group_snap_find(const struct sim_group *group, const char *uuid)
{
    struct sim_group_snap *snap = group->snaps;
    while (snap && strcmp(snap->uuid, uuid) != 0)
        snap = snap->next;
    return snap;
}

bool sim_group_snap_complete(const struct sim_group *group, const struct sim_group_snap *snap)
{
    bool complete = group->count > 0;
    for (size_t i = 0; i < group->count; i++)
        complete = complete && sim_snap_find(group->vols[i], snap->name);
    return complete;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *snap_state(const struct sim_group_snap *s)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:I}", "uuid", s->uuid, "name", s->name, "comment",
                     text_or_null(s->comment), "label", text_or_null(s->label), "type", s->type,
                     "created", (json_int_t)s->created);
}

static json_t *group_state(const struct sim_group *g)
{
    json_t *vols = json_array(), *snaps = json_array();
    for (size_t i = 0; i < g->count; i++)
        json_array_append_new(vols, json_string(g->vols[i]->instance_uuid));
    for (const struct sim_group_snap *s = g->snaps; s; s = s->next) {
        if (!s->pending)
            json_array_append_new(snaps, snap_state(s));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "svm", g->svm->name, "name", g->name, "uuid",
                     g->uuid, "volumes", vols, "snapshots", snaps);
}

/* Locked. root/.ontapsim/groups.json */
static int save(struct sim_err *err)
{
    json_t *list = json_array();
    for (const struct sim_group *g = sim_group_first(); g; g = g->next)
        json_array_append_new(list, group_state(g));
    AUTO_FREE char *text = json_dumps(list, JSON_INDENT(1));
    json_decref(list);
    int rc =
        text ? sim_store_write(sim.state_dir, "groups.json", text, strlen(text), 0600) : ENOMEM;
    return rc ? sim_fail(err, SIM_EINTERNAL, "State not saved: %s.", strerror(rc)) : 0;
}

static void insert(struct sim_group *group)
{
    struct sim_group **at = &groups;
    while (*at) {
        int order = strcmp((*at)->svm->name, group->svm->name);
        if (order > 0 || (!order && strcmp((*at)->name, group->name) > 0))
            break;
        at = &(*at)->next;
    }
    group->next = *at;
    *at = group;
}

static void load_snaps(struct sim_group *group, json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        const char *uuid, *name, *type;
        json_int_t created = 0;
        if (json_unpack(item, "{s:s, s:s, s:s, s:I}", "uuid", &uuid, "name", &name, "type", &type,
                        "created", &created) ||
            !sim_is_uuid(uuid))
            continue;
        struct sim_group_snap *s = sim_alloc(1, sizeof(*s));
        memcpy(s->uuid, uuid, sizeof(s->uuid));
        s->name = sim_dup(name);
        s->type = sim_dup(type);
        s->comment = sim_dup(json_string_value(json_object_get(item, "comment")));
        s->label = sim_dup(json_string_value(json_object_get(item, "label")));
        s->created = created;
        s->next = group->snaps;
        group->snaps = s;
    }
}

static void load_group(json_t *item)
{
    const char *svm, *name, *uuid;
    json_t *vols, *snaps, *vol;
    size_t i;
    if (json_unpack(item, "{s:s, s:s, s:s, s:o, s:o}", "svm", &svm, "name", &name, "uuid", &uuid,
                    "volumes", &vols, "snapshots", &snaps))
        return;
    struct sim_svm *owner = sim_svm_find(svm);
    if (!owner || !sim_is_uuid(uuid))
        return;
    struct sim_group *group = sim_alloc(1, sizeof(*group));
    group->svm = owner;
    group->name = sim_dup(name);
    memcpy(group->uuid, uuid, sizeof(group->uuid));
    json_array_foreach (vols, i, vol) {
        const char *text = json_string_value(vol);
        struct sim_volume *found = text ? sim_volume_by_uuid(owner, text) : NULL;
        if (found && group->count < SIM_GROUP_VOLUMES)
            group->vols[group->count++] = found;
    }
    load_snaps(group, snaps);
    insert(group);
}

void sim_group_load(void)
{
    size_t len, i;
    json_t *item;
    AUTO_FREE char *text = sim_store_read(sim.state_dir, "groups.json", STATE_LIMIT, &len);
    json_t *list = text ? json_loadb(text, len, 0, NULL) : NULL;
    json_array_foreach (list, i, item)
        load_group(item);
    json_decref(list);
}

static int check_member(const struct sim_volume *vol, struct sim_err *err)
{
    const struct sim_group *other = sim_group_of(vol);
    if (!other)
        return 0;
    sim_fail(err, SIM_EGENERIC, "Volume \"%s\" is in the consistency group \"%s\".", vol->name,
             other->name);
    err->rest = 53411865;
    return -1;
}

struct sim_group *sim_group_create(struct sim_svm *svm, const char *name,
                                   struct sim_volume *const *vols, size_t count,
                                   struct sim_err *err)
{
    for (const struct sim_group *g = sim_group_first(); g; g = g->next) {
        if (g->svm != svm || strcmp(g->name, name) != 0)
            continue;
        sim_fail(err, SIM_EEXISTS, "Consistency group \"%s\" exists.", name);
        err->rest = 53411860;
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (check_member(vols[i], err))
            return NULL;
    }
    struct sim_group *group = sim_alloc(1, sizeof(*group));
    sim_uuid(group->uuid);
    group->svm = svm;
    group->name = sim_dup(name);
    group->count = count;
    memcpy(group->vols, vols, count * sizeof(struct sim_volume *));
    insert(group);
    return save(err) ? NULL : group;
}

int sim_group_add(struct sim_group *group, struct sim_volume *vol, struct sim_err *err)
{
    if (sim_group_of(vol) == group)
        return 0;
    if (group->count == SIM_GROUP_VOLUMES)
        return sim_fail(err, SIM_EGENERIC, "A consistency group holds %d volumes at most.",
                        SIM_GROUP_VOLUMES);
    if (check_member(vol, err))
        return -1;
    group->vols[group->count++] = vol;
    return save(err);
}

int sim_group_remove(struct sim_group *group, const struct sim_volume *vol, struct sim_err *err)
{
    size_t i = 0;
    while (i < group->count && group->vols[i] != vol)
        i++;
    if (i == group->count)
        return sim_fail(err, SIM_EVOLMISSING, "Volume \"%s\" is not in \"%s\".", vol->name,
                        group->name);
    memmove(&group->vols[i], &group->vols[i + 1],
            (group->count - i - 1) * sizeof(struct sim_volume *));
    group->count--;
    return save(err);
}

int sim_group_delete(struct sim_group *group, struct sim_err *err)
{
    struct sim_group **at = &groups;
    while (*at && *at != group)
        at = &(*at)->next;
    if (*at)
        *at = group->next;
    group_free(group);
    return save(err);
}

static int no_group(struct sim_err *err)
{
    sim_fail(err, SIM_ENOENTRY, "The consistency group does not exist.");
    err->rest = 53411842;
    return -1;
}

static struct sim_group_snap *snap_new(const struct sim_group_spec *spec)
{
    struct sim_group_snap *s = sim_alloc(1, sizeof(*s));
    memcpy(s->uuid, spec->uuid, sizeof(s->uuid));
    s->name = sim_dup(spec->name);
    s->comment = sim_dup(spec->comment);
    s->label = sim_dup(spec->label);
    s->type = sim_dup(spec->type ? spec->type : "crash");
    s->created = sim_epoch();
    s->pending = true;
    return s;
}

/* Unlocked. The members as they are now. */
static int members(const char *uuid, struct sim_volume **vols, size_t *count, struct sim_err *err)
{
    sim_lock();
    const struct sim_group *group = sim_group_by_uuid(uuid);
    int rc = group ? 0 : no_group(err);
    *count = group ? group->count : 0;
    for (size_t i = 0; i < *count; i++)
        vols[i] = group->vols[i];
    sim_unlock();
    if (!rc && !*count)
        rc = sim_fail(err, SIM_ECG, "The consistency group has no volumes.");
    return rc;
}

int sim_group_snap_start(const char *uuid, const struct sim_group_spec *spec, struct sim_err *err)
{
    struct sim_volume *vols[SIM_GROUP_VOLUMES];
    size_t count = 0;
    uint64_t cg = 0;
    const struct sim_snap_spec each = {spec->name, spec->comment, spec->label, false};
    if (members(uuid, vols, &count, err) ||
        sim_cg_start(vols, count, &each, spec->timeout_ms, &cg, err))
        return -1;
    sim_lock();
    struct sim_group *group = sim_group_by_uuid(uuid);
    if (group) {
        struct sim_group_snap *s = snap_new(spec);
        s->cg = cg;
        s->next = group->snaps;
        group->snaps = s;
    }
    sim_unlock();
    return group ? 0 : no_group(err);
}

/* Locked. */
static void drop(struct sim_group *group, const char *uuid)
{
    struct sim_group_snap **at = &group->snaps;
    while (*at && strcmp((*at)->uuid, uuid) != 0)
        at = &(*at)->next;
    struct sim_group_snap *gone = *at;
    if (!gone)
        return;
    *at = gone->next;
    snap_free(gone);
}

int sim_group_snap_commit(const char *uuid, const char *snap_uuid, const char *lost, bool silent,
                          struct sim_err *err)
{
    sim_lock();
    const struct sim_group *group = sim_group_by_uuid(uuid);
    const struct sim_group_snap *s = group ? sim_group_snap_find(group, snap_uuid) : NULL;
    const struct sim_svm *svm = group ? group->svm : NULL;
    uint64_t cg = s && s->pending ? s->cg : 0;
    sim_unlock();
    if (!svm)
        return no_group(err);
    if (!s || !cg)
        return sim_fail(err, SIM_ECG, "No two-phase snapshot has been started.");
    int rc = sim_cg_commit(svm, cg, lost, silent, err);
    sim_lock();
    struct sim_group *now = sim_group_by_uuid(uuid);
    struct sim_group_snap *made = now ? sim_group_snap_find(now, snap_uuid) : NULL;
    if (made && !rc) {
        made->pending = false;
        made->cg = 0;
        rc = save(err);
    } else if (now) {
        drop(now, snap_uuid);
    }
    sim_unlock();
    return rc;
}

int sim_group_snap_delete(const char *uuid, const char *snap_uuid, struct sim_err *err)
{
    struct sim_volume *vols[SIM_GROUP_VOLUMES];
    size_t count = 0;
    AUTO_FREE char *name = NULL;
    int rc = 0;
    if (members(uuid, vols, &count, err))
        return -1;
    sim_lock();
    const struct sim_group *group = sim_group_by_uuid(uuid);
    const struct sim_group_snap *s = group ? sim_group_snap_find(group, snap_uuid) : NULL;
    name = s && !s->pending ? sim_dup(s->name) : NULL;
    sim_unlock();
    if (!name)
        return sim_fail(err, SIM_ESNAPMISSING, "The snapshot of the group does not exist.");
    for (size_t i = 0; i < count; i++) {
        struct sim_err one = {0};
        if (sim_snap_delete(vols[i], name, NULL, false, &one) && one.num != SIM_ESNAPMISSING) {
            *err = one;
            rc = -1;
        }
    }
    sim_lock();
    struct sim_group *now = sim_group_by_uuid(uuid);
    if (now && !rc) {
        drop(now, snap_uuid);
        rc = save(err);
    }
    sim_unlock();
    return rc;
}

int sim_group_revert(const char *uuid, const char *snap_uuid, struct sim_err *err)
{
    struct sim_volume *vols[SIM_GROUP_VOLUMES];
    size_t count = 0;
    if (members(uuid, vols, &count, err))
        return -1;
    sim_lock();
    const struct sim_group *group = sim_group_by_uuid(uuid);
    const struct sim_group_snap *s = group ? sim_group_snap_find(group, snap_uuid) : NULL;
    AUTO_FREE char *name = s && sim_group_snap_complete(group, s) ? sim_dup(s->name) : NULL;
    sim_unlock();
    int rc = name ? 0 : sim_fail(err, SIM_ESNAPMISSING, "The snapshot is not on every volume.");
    for (size_t i = 0; i < count && !rc; i++)
        rc = sim_volume_revert(vols[i], name, err);
    return rc;
}
