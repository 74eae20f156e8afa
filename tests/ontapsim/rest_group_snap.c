/* Snapshots of consistency groups over REST, in one phase or in two. */
#include "rest_volume.h"

#include <stdio.h>
#include <string.h>

/* Seconds that ONTAP gives itself, and a client that names none. */
enum { TIMEOUT = 7 };

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"consistency_group.uuid", REST_KEY, 0},
    {"consistency_group.name", REST_KEY, 0},
    {"comment", 0, 0},
    {"consistency_type", 0, 0},
    {"create_time", 0, 0},
    {"snapmirror_label", 0, 0},
    {"is_partial", 0, 0},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static void record(struct rest_list *l, const struct sim_group *group,
                   const struct sim_group_snap *s)
{
    rest_text(l, "uuid", s->uuid);
    rest_text(l, "name", s->name);
    rest_text(l, "consistency_group.uuid", group->uuid);
    rest_text(l, "consistency_group.name", group->name);
    rest_text(l, "comment", s->comment);
    rest_text(l, "consistency_type", s->type);
    rest_time(l, "create_time", s->created);
    rest_text(l, "snapmirror_label", s->label);
    rest_flag(l, "is_partial", !sim_group_snap_complete(group, s));
    rest_text(l, "svm.name", group->svm->name);
    rest_text(l, "svm.uuid", group->svm->uuid);
}

static char *self_of(struct rest *r, const char *group, const char *uuid)
{
    return sim_arena_printf(&r->arena, "/application/consistency-groups/%s/snapshots/%s", group,
                            uuid);
}

/* Newest first; the key is the uuid of the last one shown. */
int rest_group_snaps_get(struct rest *r)
{
    struct rest_list l;
    if (rest_list_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    const struct sim_group *group = rest_group(r);
    const struct sim_group_snap *s = group ? group->snaps : NULL;
    if (group && l.keys[0]) {
        s = sim_group_snap_find(group, l.keys[0]);
        s = s ? s->next : NULL;
    }
    for (; s; s = s->next) {
        if (s->pending)
            continue;
        rest_record(&l);
        record(&l, group, s);
        if (!rest_row(&l, self_of(r, group->uuid, s->uuid), s->uuid, NULL, NULL))
            break;
    }
    sim_unlock();
    if (group)
        return rest_list_end(&l);
    rest_list_drop(&l);
    return -1;
}

int rest_group_snap_get(struct rest *r)
{
    struct rest_list l;
    const char *self = NULL;
    if (rest_object_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    const struct sim_group *group = rest_group(r);
    const struct sim_group_snap *s = group ? sim_group_snap_find(group, r->params[1]) : NULL;
    if (s && !s->pending) {
        rest_record(&l);
        record(&l, group, s);
        self = self_of(r, group->uuid, s->uuid);
    } else if (group) {
        rest_missing_entry(r, "uuid");
    }
    sim_unlock();
    if (self)
        return rest_object_end(&l, self);
    rest_list_drop(&l);
    return -1;
}

/* What a job needs to know; every text is owned. */
struct work {
    char group[37];
    char uuid[37];
    char *name;
    char *comment;
    char *label;
    char *type;
    unsigned timeout_ms;
    bool commit; /* at once: one phase */
    struct sim_fault fault;
};

static void work_free(void *arg)
{
    struct work *w = arg;
    free(w->name);
    free(w->comment);
    free(w->label);
    free(w->type);
    free(w);
}

/* A rule for one volume: its snapshot is thrown away, and the commit tells or does not. */
static int commit(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    const char *lost = w->fault.action != SIM_FAULT_NONE ? w->fault.volume : NULL;
    return sim_group_snap_commit(w->group, w->uuid, lost, w->fault.action == SIM_FAULT_LOSE, err);
}

static int start(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    const struct sim_group_spec spec = {w->uuid,  w->name, w->comment,
                                        w->label, w->type, w->timeout_ms};
    if (sim_group_snap_start(w->group, &spec, err))
        return -1;
    return w->commit ? commit(arg, err) : 0;
}

static int delete (void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    return sim_group_snap_delete(w->group, w->uuid, err);
}

/* action=start and its timeout; none: one phase. */
static int read_action(struct rest *r, struct work *w)
{
    const char *action = rest_arg(r, "action");
    const char *timeout = rest_arg(r, "action_timeout");
    uint64_t seconds = TIMEOUT;
    bool phases = rest_version() >= REST_V(9, 11, 1);
    if (!phases && (action || timeout))
        return rest_fail(r, REST_EUNKNOWN, action ? "action" : "action_timeout",
                         "Unexpected argument \"%s\".", action ? "action" : "action_timeout");
    if (action && strcmp(action, "start") != 0)
        return rest_invalid(r, "action", action, "start");
    if (rest_count_arg(r, "action_timeout", 5, 120, &seconds))
        return -1;
    w->commit = !action;
    w->timeout_ms = (unsigned)seconds * 1000;
    return 0;
}

/* Locked. The group's part of the work. */
static int read_group(struct rest *r, struct work *w, const struct sim_svm **svm)
{
    const struct sim_group *group = rest_group(r);
    if (!group)
        return -1;
    memcpy(w->group, group->uuid, sizeof(w->group));
    *svm = group->svm;
    return 0;
}

int rest_group_snap_create(struct rest *r)
{
    static const char *const names[] = {"name",   "comment",        "snapmirror_label",
                                        "action", "action_timeout", "consistency_type",
                                        NULL};
    const struct sim_svm *svm = NULL;
    if (rest_accept(r, names) || !rest_need(r, "name"))
        return -1;
    struct work *w = sim_alloc(1, sizeof(*w));
    sim_lock();
    int rc = read_group(r, w, &svm);
    sim_unlock();
    const char *type = rest_arg(r, "consistency_type");
    if (!rc && type && strcmp(type, "crash") != 0 && strcmp(type, "application") != 0)
        rc = rest_invalid(r, "consistency_type", type, "crash, application");
    if (rc || read_action(r, w)) {
        work_free(w);
        return -1;
    }
    sim_uuid(w->uuid);
    w->name = sim_dup(rest_arg(r, "name"));
    w->comment = sim_dup(rest_arg(r, "comment"));
    w->label = sim_dup(rest_arg(r, "snapmirror_label"));
    w->type = sim_dup(type);
    w->fault = r->fault;
    const char *location = self_of(r, w->group, w->uuid);
    const struct rest_work job = {REST_DO_CG_SNAP, svm, start, work_free, w, 201, location};
    return rest_async(r, &job);
}

/* The second phase is answered when it is over. */
int rest_group_snap_patch(struct rest *r)
{
    static const char *const names[] = {"action", NULL};
    struct work w = {.fault = r->fault};
    struct sim_err err = {0};
    const struct sim_svm *svm = NULL;
    if (rest_accept(r, names))
        return -1;
    const char *action = rest_need(r, "action");
    if (!action)
        return -1;
    if (strcmp(action, "commit") != 0)
        return rest_invalid(r, "action", action, "commit");
    sim_lock();
    int rc = read_group(r, &w, &svm);
    sim_unlock();
    if (rc)
        return -1;
    snprintf(w.uuid, sizeof(w.uuid), "%s", r->params[1]);
    return commit(&w, &err) ? rest_fail_model(r, REST_DO_CG_COMMIT, &err) : 0;
}

int rest_group_snap_delete(struct rest *r)
{
    static const char *const none[] = {NULL};
    const struct sim_svm *svm = NULL;
    if (rest_accept(r, none))
        return -1;
    struct work *w = sim_alloc(1, sizeof(*w));
    sim_lock();
    int rc = read_group(r, w, &svm);
    sim_unlock();
    if (rc) {
        work_free(w);
        return -1;
    }
    snprintf(w->uuid, sizeof(w->uuid), "%s", r->params[1]);
    const struct rest_work job = {REST_DO_CG_SNAP, svm, delete, work_free, w, 200, NULL};
    return rest_async(r, &job);
}
