/* Export policies over REST: names that volumes carry, those that were made with their rules. */
#include "rest.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field policy_fields[] = {
    {"id", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
    {"rules", REST_LIST, 0},
    {"rules.clients", REST_LIST, 0},
    {"rules.clients.match", 0, 0},
    {"rules.ro_rule", REST_LIST, 0},
    {"rules.rw_rule", REST_LIST, 0},
    {"rules.superuser", REST_LIST, 0},
};

static bool seen_before(const struct sim_svm *svm, size_t volume)
{
    const char *name = svm->volumes[volume]->exports;
    bool seen = !name || !strcmp(name, "default") || sim_export_find(svm, name);
    for (size_t i = 0; i < volume && !seen; i++)
        seen = svm->volumes[i]->exports && !strcmp(svm->volumes[i]->exports, name);
    return seen;
}

static json_t *rules_of(const struct sim_export *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < e->rule_count; i++)
        json_array_append_new(list,
                              json_pack("{s:[{s:s}], s:[s], s:[s], s:[s]}", "clients", "match",
                                        e->rules[i].client, "ro_rule", e->rules[i].ro, "rw_rule",
                                        e->rules[i].rw, "superuser", e->rules[i].root));
    return list;
}

static bool policy_row(struct rest_list *l, const struct sim_svm *svm, const char *name,
                       uint64_t id)
{
    const struct sim_export *e = sim_export_find(svm, name);
    char self[64];
    rest_record(l);
    rest_number(l, "id", id);
    rest_text(l, "name", name);
    rest_text(l, "svm.name", svm->name);
    rest_text(l, "svm.uuid", svm->uuid);
    if (e && rest_wants(l, "rules"))
        rest_put(l, "rules", rules_of(e));
    snprintf(self, sizeof(self), "/protocols/nfs/export-policies/%llu", (unsigned long long)id);
    return rest_row(l, self, sim_arena_printf(&l->r->arena, "%llu", (unsigned long long)id), NULL,
                    NULL);
}

/* "default" in every SVM, and what its volumes carry besides. */
int rest_export_policies_get(struct rest *r)
{
    struct rest_list l;
    uint64_t after = 0, id = 0;
    bool room = true;
    if (rest_list_begin(&l, r, policy_fields, COUNT(policy_fields)))
        return -1;
    if (l.keys[0] && !sim_number(l.keys[0], 0, INT64_MAX, &after)) {
        rest_list_drop(&l);
        return rest_invalid(r, "start.after", l.keys[0], NULL);
    }
    sim_lock();
    for (size_t i = 0; i < sim.svm_count; i++) {
        const struct sim_svm *svm = sim.svms[i];
        if (++id > after && room && rest_sees(r, svm))
            room = policy_row(&l, svm, "default", id);
        for (size_t k = 0; k < svm->volume_count; k++) {
            if (!seen_before(svm, k) && ++id > after && room && rest_sees(r, svm))
                room = policy_row(&l, svm, svm->volumes[k]->exports, id);
        }
    }
    for (size_t i = 0; i < sim.svm_count; i++) {
        const struct sim_svm *svm = sim.svms[i];
        for (size_t k = 0; k < svm->export_count; k++) {
            if (svm->exports[k]->id > after && room && rest_sees(r, svm))
                room = policy_row(&l, svm, svm->exports[k]->name, svm->exports[k]->id);
        }
    }
    sim_unlock();
    return rest_list_end(&l);
}

static const char *first(const json_t *rule, const char *key, const char *none)
{
    const char *text = json_string_value(json_array_get(json_object_get(rule, key), 0));
    return text ? text : none;
}

int rest_export_policy_create(struct rest *r)
{
    static const char *const names[] = {"name", "svm.name", "svm.uuid", "rules", "rules.*", NULL};
    struct sim_err err = {0};
    if (rest_accept(r, names))
        return -1;
    const char *name = rest_need(r, "name");
    struct sim_svm *svm = name ? rest_svm(r) : NULL;
    if (!svm)
        return -1;
    sim_lock();
    struct sim_export *e = sim_export_create(svm, name, &err);
    const json_t *rule;
    size_t i;
    json_array_foreach (e ? rest_body(r, "rules") : NULL, i, rule) {
        const json_t *client = json_array_get(json_object_get(rule, "clients"), 0);
        const char *match = json_string_value(json_object_get(client, "match"));
        sim_export_rule(e, match ? match : "0.0.0.0/0", first(rule, "ro_rule", "any"),
                        first(rule, "rw_rule", "any"), first(rule, "superuser", "none"));
    }
    sim_unlock();
    r->status = 201;
    return e ? 0 : rest_fail_model(r, REST_DO_ANY, &err);
}

int rest_export_policy_delete(struct rest *r)
{
    static const char *const none[] = {NULL};
    struct sim_err err = {0};
    uint64_t id = 0;
    if (rest_accept(r, none))
        return -1;
    if (!sim_number(r->params[0], 0, INT64_MAX, &id))
        return rest_missing_entry(r, "id");
    sim_lock();
    for (size_t i = 0; i < sim.svm_count; i++) {
        struct sim_svm *svm = sim.svms[i];
        for (size_t k = 0; k < svm->export_count; k++) {
            if (svm->exports[k]->id == id && rest_sees(r, svm)) {
                int rc = sim_export_destroy(svm, svm->exports[k], &err);
                sim_unlock();
                return rc ? rest_fail_model(r, REST_DO_ANY, &err) : 0;
            }
        }
    }
    sim_unlock();
    return rest_missing_entry(r, "id");
}
