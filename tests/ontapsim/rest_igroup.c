/* Initiator groups over REST. */
#include "lun.h"
#include "rest.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field fields[] = {
    {"svm.uuid", REST_KEY, 0},
    {"svm.name", REST_KEY, 0},
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"protocol", 0, 0},
    {"os_type", 0, 0},
    {"comment", 0, REST_V(9, 9, 1)},
    {"igroups", REST_LIST, REST_V(9, 9, 1)}, /* none is nested */
    {"igroups.name", 0, REST_V(9, 9, 1)},
    {"igroups.uuid", 0, REST_V(9, 9, 1)},
    {"initiators", REST_LIST, 0},
    {"initiators.name", 0, 0},
    {"lun_maps", REST_EXPENSIVE | REST_LIST, 0},
    {"lun_maps.logical_unit_number", REST_EXPENSIVE, 0},
    {"lun_maps.lun.name", REST_EXPENSIVE, 0},
    {"lun_maps.lun.uuid", REST_EXPENSIVE, 0},
};

static json_t *initiators_of(const struct sim_igroup *group)
{
    json_t *list = group->initiator_count ? json_array() : NULL;
    for (size_t i = 0; i < group->initiator_count; i++)
        json_array_append_new(list, json_pack("{s:s}", "name", group->initiators[i]));
    return list;
}

static json_t *maps_of(const struct sim_igroup *group)
{
    json_t *list = group->map_count ? json_array() : NULL;
    for (int i = 0; list && i < SIM_MAP_IDS; i++) {
        const struct sim_lun *lun = group->ids[i];
        if (lun)
            json_array_append_new(list, json_pack("{s:i, s:o}", "logical_unit_number", i, "lun",
                                                  rest_ref(lun->path, lun->uuid)));
    }
    return list;
}

static void record(struct rest_list *l, const struct sim_igroup *group)
{
    rest_record(l);
    rest_text(l, "svm.uuid", group->svm->uuid);
    rest_text(l, "svm.name", group->svm->name);
    rest_text(l, "uuid", group->uuid);
    rest_text(l, "name", group->name);
    rest_text(l, "protocol", group->protocol);
    rest_text(l, "os_type", group->os_type);
    rest_text(l, "comment", group->comment);
    if (rest_wants(l, "initiators"))
        rest_put(l, "initiators", initiators_of(group));
    if (rest_wants(l, "lun_maps"))
        rest_put(l, "lun_maps", maps_of(group));
}

int rest_igroups_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = l.keys[0] && !strcmp(l.keys[0], svm->name);
        if (!rest_sees(r, svm))
            continue;
        for (size_t k = sim_igroup_after(svm, same ? l.keys[1] : NULL, false);
             k < svm->igroup_count && room; k++) {
            char self[80];
            const struct sim_igroup *group = svm->igroups[k];
            record(&l, group);
            snprintf(self, sizeof(self), "/protocols/san/igroups/%s", group->uuid);
            room = rest_row(&l, self, svm->name, group->name, NULL);
        }
    }
    sim_unlock();
    return rest_list_end(&l);
}

/* Locked. */
static struct sim_igroup *find(struct rest *r)
{
    struct sim_igroup *group = sim_igroup_by_uuid(NULL, r->params[0]);
    if (group && rest_sees(r, group->svm))
        return group;
    rest_missing_entry(r, "uuid");
    return NULL;
}

int rest_igroup_get(struct rest *r)
{
    struct rest_list l;
    if (rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    const struct sim_igroup *group = find(r);
    if (group)
        record(&l, group);
    sim_unlock();
    if (group)
        return rest_object_end(&l, r->path);
    rest_list_drop(&l);
    return -1;
}

/* Locked on entry, unlocked when it returns. */
static int finish(struct rest *r, const struct sim_svm *svm, int rc, struct sim_err *err)
{
    if (!rc && sim_igroup_save(svm))
        rc = sim_fail(err, SIM_EINTERNAL, "State not saved.");
    sim_unlock();
    return rc ? rest_fail_model(r, r->route->doing, err) : 0;
}

/* Names in a list of objects, or of texts. */
static int add_all(struct sim_igroup *group, json_t *list, struct sim_err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        const char *name = json_is_string(item) ? json_string_value(item)
                                                : json_string_value(json_object_get(item, "name"));
        if (sim_igroup_add(group, name ? name : "", err))
            return -1;
    }
    return 0;
}

static void set_comment(struct rest *r, struct sim_igroup *group)
{
    const char *comment = rest_arg(r, "comment");
    if (!comment)
        return;
    free(group->comment);
    group->comment = *comment ? sim_dup(comment) : NULL;
}

static void add_record(struct rest *r, const struct sim_igroup *group)
{
    bool wanted = false;
    if (!rest_flag_arg(r, "return_records", &wanted) && wanted)
        r->out =
            json_pack("{s:i, s:[{s:s, s:s, s:s, s:s, s:o}]}", "num_records", 1, "records", "uuid",
                      group->uuid, "name", group->name, "protocol", group->protocol, "os_type",
                      group->os_type, "svm", rest_ref(group->svm->name, group->svm->uuid));
}

int rest_igroup_create(struct rest *r)
{
    static const char *const names[] = {
        "name",    "svm.name", "svm.uuid",   "protocol",        "os_type",
        "comment", "igroups",  "initiators", "initiators.name", NULL};
    struct sim_err err = {0}, none = {0};
    if (rest_accept(r, names))
        return -1;
    const char *name = rest_need(r, "name");
    const char *os_type = name ? rest_need(r, "os_type") : NULL;
    const char *protocol = rest_arg(r, "protocol");
    struct sim_svm *svm = os_type ? rest_svm(r) : NULL;
    if (!svm)
        return -1;
    sim_lock();
    struct sim_igroup *group =
        sim_igroup_create(svm, name, protocol ? protocol : "mixed", os_type, &err);
    int rc = group ? add_all(group, rest_body(r, "initiators"), &err) : -1;
    if (group && rc)
        sim_igroup_destroy(group, true, &none);
    if (!rc) {
        set_comment(r, group);
        r->status = 201;
        r->location = sim_arena_printf(&r->arena, "/api/protocols/san/igroups/%s", group->uuid);
        add_record(r, group);
    }
    return finish(r, svm, rc, &err);
}

int rest_igroup_patch(struct rest *r)
{
    static const char *const names[] = {"name", "os_type", "comment", NULL};
    struct sim_err err = {0};
    if (rest_accept(r, names))
        return -1;
    const char *name = rest_arg(r, "name"), *os_type = rest_arg(r, "os_type");
    if (os_type && strcmp(os_type, "default") != 0 && !sim_os_type_ok(os_type))
        return rest_invalid(r, "os_type", os_type, NULL);
    sim_lock();
    struct sim_igroup *group = find(r);
    if (!group) {
        sim_unlock();
        return -1;
    }
    int rc = name && strcmp(name, group->name) ? sim_igroup_rename(group, name, &err) : 0;
    if (!rc && os_type) {
        free(group->os_type);
        group->os_type = sim_dup(os_type);
    }
    if (!rc)
        set_comment(r, group);
    if (!rc && name)
        sim_map_save(group);
    return finish(r, group->svm, rc, &err);
}

int rest_igroup_delete(struct rest *r)
{
    static const char *const names[] = {"allow_delete_while_mapped", NULL};
    struct sim_err err = {0};
    bool force = false;
    if (rest_accept(r, names) || rest_flag_arg(r, "allow_delete_while_mapped", &force))
        return -1;
    sim_lock();
    struct sim_igroup *group = find(r);
    if (!group) {
        sim_unlock();
        return -1;
    }
    const struct sim_svm *svm = group->svm;
    return finish(r, svm, sim_igroup_destroy(group, force, &err), &err);
}

int rest_initiators_get(struct rest *r)
{
    static const char *const none[] = {NULL};
    if (rest_accept(r, none))
        return -1;
    sim_lock();
    const struct sim_igroup *group = find(r);
    json_t *list = group ? json_array() : NULL;
    for (size_t i = 0; group && i < group->initiator_count; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:s}", "igroup", rest_ref(group->name, group->uuid),
                                        "name", group->initiators[i]));
    if (group)
        r->out =
            json_pack("{s:o, s:i}", "records", list, "num_records", (int)group->initiator_count);
    sim_unlock();
    return group ? 0 : -1;
}

/* One by "name", or several as "records". */
int rest_initiator_create(struct rest *r)
{
    static const char *const names[] = {"name",         "comment",         "records",
                                        "records.name", "records.comment", NULL};
    struct sim_err err = {0};
    if (rest_accept(r, names))
        return -1;
    json_t *records = rest_body(r, "records");
    const char *name = records ? NULL : rest_need(r, "name");
    if (!records && !name)
        return -1;
    sim_lock();
    struct sim_igroup *group = find(r);
    if (!group) {
        sim_unlock();
        return -1;
    }
    r->status = 201;
    return finish(r, group->svm,
                  records ? add_all(group, records, &err) : sim_igroup_add(group, name, &err),
                  &err);
}

int rest_initiator_delete(struct rest *r)
{
    static const char *const names[] = {"allow_delete_while_mapped", NULL};
    struct sim_err err = {0};
    bool force = false;
    if (rest_accept(r, names) || rest_flag_arg(r, "allow_delete_while_mapped", &force))
        return -1;
    sim_lock();
    struct sim_igroup *group = find(r);
    if (!group) {
        sim_unlock();
        return -1;
    }
    return finish(r, group->svm, sim_igroup_remove(group, r->params[1], force, &err), &err);
}
