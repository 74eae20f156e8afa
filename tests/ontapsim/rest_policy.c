/* SnapMirror policies over REST. */
#include "rest_mirror.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
    {"scope", 0, 0},
    {"type", 0, 0},
    {"sync_type", 0, 0},
    {"comment", 0, 0},
    {"retention", REST_LIST, 0},
    {"retention.label", 0, 0},
    {"retention.count", 0, 0},
    {"retention.preserve", 0, 0},
    {"create_snapshot_on_source", 0, REST_V(9, 11, 1)},
    {"copy_all_source_snapshots", 0, REST_V(9, 10, 1)},
    {"copy_latest_source_snapshot", 0, REST_V(9, 11, 1)},
};

/* Rules that stand for themselves in ONTAPI are properties of their own here. */
static bool is_label(const struct sim_policy_rule *rule)
{
    return strcmp(rule->label, "sm_created") != 0 &&
           strcmp(rule->label, "all_source_snapshots") != 0;
}

static json_t *retention(const struct sim_policy *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->rule_count; i++) {
        if (is_label(&p->rules[i]))
            json_array_append_new(list, json_pack("{s:s, s:i, s:b}", "label", p->rules[i].label,
                                                  "count", (int)p->rules[i].keep, "preserve",
                                                  (int)p->rules[i].preserve));
    }
    if (json_array_size(list))
        return list;
    json_decref(list);
    return NULL;
}

static void record(struct rest_list *l, const struct sim_policy *p)
{
    const struct sim_svm *svm = p->svm ? sim_svm_find(p->svm) : NULL;
    rest_text(l, "uuid", p->uuid);
    rest_text(l, "name", p->name);
    rest_text(l, "svm.name", svm ? svm->name : NULL);
    rest_text(l, "svm.uuid", svm ? svm->uuid : NULL);
    rest_text(l, "scope", svm ? "svm" : "cluster");
    rest_text(l, "type", rest_mirror_policy_type(p));
    if (sim_policy_is_sync(p))
        rest_text(l, "sync_type", p->type == SIM_POLICY_SYNC ? "sync" : "strict_sync");
    rest_text(l, "comment", p->comment);
    rest_put(l, "retention", retention(p));
    if (sim_policy_is_sync(p))
        return;
    rest_flag(l, "create_snapshot_on_source", sim_policy_makes(p));
    rest_flag(l, "copy_all_source_snapshots", sim_policy_takes_all(p));
    rest_flag(l, "copy_latest_source_snapshot",
              p->type == SIM_POLICY_ASYNC && !sim_policy_takes_all(p));
}

static bool sees(const struct rest *r, const struct sim_policy *p)
{
    return !r->svm || !p->svm || !strcmp(p->svm, r->svm->name);
}

int rest_policies_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    uint64_t skip = 0;
    if (rest_list_begin(&l, r, fields, COUNT(fields)))
        return -1;
    if (l.keys[0] && sim_number(l.keys[0], 0, UINT32_MAX, &skip))
        skip++;
    sim_lock();
    size_t count = sim_policy_count();
    for (size_t i = (size_t)skip; i < count && room; i++) {
        const struct sim_policy *p = sim.policies[i];
        char self[96], place[24];
        if (!sees(r, p))
            continue;
        rest_record(&l);
        record(&l, p);
        snprintf(self, sizeof(self), "/snapmirror/policies/%s", p->uuid);
        snprintf(place, sizeof(place), "%zu", i);
        room = rest_row(&l, self, place, NULL, NULL);
    }
    sim_unlock();
    return rest_list_end(&l);
}

/* Locked. To be changed: NULL for what is only to be looked at. */
static struct sim_policy *find(struct rest *r)
{
    struct sim_policy *p = sim_policy_by_uuid(r->params[0]);
    if (p && sees(r, p))
        return p;
    rest_missing_entry(r, "uuid");
    return NULL;
}

int rest_policy_get(struct rest *r)
{
    struct rest_list l;
    if (rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    AUTO_FREE char *self = sim_printf("/snapmirror/policies/%s", r->params[0]);
    sim_lock();
    const struct sim_policy *p = find(r);
    if (p) {
        rest_record(&l);
        record(&l, p);
    }
    sim_unlock();
    if (p)
        return rest_object_end(&l, self);
    rest_list_drop(&l);
    return -1;
}

/* A count is a number, or a text in older releases. */
static unsigned count_of(json_t *item)
{
    json_t *v = json_object_get(item, "count");
    uint64_t n = 1;
    if (json_is_integer(v))
        return (unsigned)json_integer_value(v);
    if (json_is_string(v) && !sim_number(json_string_value(v), 0, 1023, &n))
        n = 1;
    return (unsigned)n;
}

/* Locked. */
static int set_retention(struct rest *r, struct sim_policy *p)
{
    json_t *list = rest_body(r, "retention");
    struct sim_err err = {0};
    size_t i;
    json_t *item;
    if (!list)
        return 0;
    for (i = p->rule_count; i > 0 && !err.num; i--) {
        if (is_label(&p->rules[i - 1]))
            sim_policy_remove_rule(p, p->rules[i - 1].label, &err);
    }
    json_array_foreach (list, i, item) {
        const char *label = json_string_value(json_object_get(item, "label"));
        if (!label)
            return rest_fail(r, REST_EMISSING, "retention.label", "The field is required.");
        if (!err.num)
            sim_policy_add_rule(p, label, count_of(item),
                                json_is_true(json_object_get(item, "preserve")), &err);
    }
    return err.num ? rest_fail_model(r, REST_DO_MIRROR, &err) : 0;
}

static int read_type(struct rest *r, enum sim_policy_type *type)
{
    const char *text = rest_arg(r, "type");
    const char *sync = rest_arg(r, "sync_type");
    bool makes = true;
    if (rest_flag_arg(r, "create_snapshot_on_source", &makes))
        return -1;
    *type = SIM_POLICY_ASYNC;
    if (text && !strcmp(text, "sync"))
        *type = sync && !strcmp(sync, "strict_sync") ? SIM_POLICY_STRICT_SYNC : SIM_POLICY_SYNC;
    else if (text && strcmp(text, "async") != 0)
        return rest_invalid(r, "type", text, "async, sync");
    else if (!makes)
        *type = SIM_POLICY_VAULT;
    else if (json_array_size(rest_body(r, "retention")))
        *type = SIM_POLICY_MIRROR_VAULT;
    return 0;
}

static int fail(struct rest *r, struct sim_err *err)
{
    if (err->num == SIM_ENOENTRY)
        return rest_missing_entry(r, "uuid");
    if (err->num == SIM_EPRIVILEGE)
        return rest_fail(r, REST_EDENIED, NULL, "%s", err->reason);
    err->rest = err->num == SIM_EMIRROR ? 13303809 : REST_EEXISTS;
    return rest_fail_model(r, REST_DO_MIRROR, err);
}

/* Locked. */
static struct sim_policy *make(struct rest *r, enum sim_policy_type type, const char *svm)
{
    struct sim_err err = {0};
    bool all = false;
    if (rest_flag_arg(r, "copy_all_source_snapshots", &all))
        return NULL;
    struct sim_policy *p =
        sim_policy_create(svm, rest_arg(r, "name"), type, rest_arg(r, "comment"), &err);
    if (p && all)
        sim_policy_add_rule(p, "all_source_snapshots", 1, false, &err);
    if (!p)
        fail(r, &err);
    else if (set_retention(r, p)) {
        err.num = 0;
        sim_policy_delete(p, &err);
        p = NULL;
    }
    return p;
}

int rest_policy_create(struct rest *r)
{
    static const char *const names[] = {"name",
                                        "type",
                                        "sync_type",
                                        "comment",
                                        "retention",
                                        "svm.name",
                                        "svm.uuid",
                                        "create_snapshot_on_source",
                                        "copy_all_source_snapshots",
                                        "copy_latest_source_snapshot",
                                        "retention.*",
                                        "identity_preservation",
                                        "transfer_schedule.*",
                                        "throttle",
                                        NULL};
    enum sim_policy_type type;
    bool named = rest_arg(r, "svm.name") || rest_arg(r, "svm.uuid") || r->svm;
    if (rest_accept(r, names) || !rest_need(r, "name") || read_type(r, &type))
        return -1;
    const struct sim_svm *svm = named ? rest_svm(r) : NULL;
    if (named && !svm)
        return -1;
    sim_lock();
    struct sim_policy *p = make(r, type, svm ? svm->name : NULL);
    if (p) {
        r->status = 201;
        r->location = sim_arena_printf(&r->arena, "/api/snapmirror/policies/%s", p->uuid);
        sim_mirror_save();
    }
    sim_unlock();
    return p ? 0 : -1;
}

int rest_policy_patch(struct rest *r)
{
    static const char *const names[] = {
        "comment", "retention", "retention.*", "transfer_schedule.*", "throttle", NULL};
    int rc = -1;
    if (rest_accept(r, names))
        return -1;
    sim_lock();
    struct sim_policy *p = find(r);
    if (p && (p->builtin || (r->svm && !p->svm)))
        rest_fail(r, REST_EDENIED, NULL, "%s", rest_text_of(REST_EDENIED));
    else if (p)
        rc = set_retention(r, p);
    const char *comment = rest_arg(r, "comment");
    if (!rc && comment) {
        free(p->comment);
        p->comment = sim_dup(comment);
    }
    if (!rc)
        sim_mirror_save();
    sim_unlock();
    return rc;
}

int rest_policy_delete(struct rest *r)
{
    static const char *const names[] = {NULL};
    struct sim_err err = {0};
    int rc = -1;
    if (rest_accept(r, names))
        return -1;
    sim_lock();
    struct sim_policy *p = find(r);
    if (p && r->svm && !p->svm)
        rest_fail(r, REST_EDENIED, NULL, "%s", rest_text_of(REST_EDENIED));
    else if (p && sim_policy_delete(p, &err))
        fail(r, &err);
    else if (p)
        rc = sim_mirror_save();
    sim_unlock();
    return rc;
}
