/* Export policies of an SVM, each with its rules: who may mount what carries it. They are kept in memory only. */
#include "volume.h"

#include <stdlib.h>
#include <string.h>

struct sim_export *sim_export_find(const struct sim_svm *svm, const char *name)
{
    for (size_t i = 0; i < svm->export_count; i++) {
        if (!strcmp(svm->exports[i]->name, name))
            return svm->exports[i];
    }
    return NULL;
}

struct sim_export *sim_export_create(struct sim_svm *svm, const char *name, struct sim_err *err)
{
    static uint64_t last = 4294967296;
    if (!*name || !strcmp(name, "default") || sim_export_find(svm, name)) {
        sim_fail(err, SIM_EDUPLICATE, "Export policy \"%.80s\" already exists.", name);
        return NULL;
    }
    struct sim_export *e = sim_alloc(1, sizeof(*e));
    e->name = sim_dup(name);
    e->id = ++last;
    svm->exports = sim_grow(svm->exports, svm->export_count + 1, sizeof(struct sim_export *));
    svm->exports[svm->export_count++] = e;
    return e;
}

void sim_export_rule(struct sim_export *e, const char *client, const char *ro, const char *rw,
                     const char *root)
{
    e->rules = sim_grow(e->rules, e->rule_count + 1, sizeof(*e->rules));
    e->rules[e->rule_count++] =
        (struct sim_export_rule){sim_dup(client), sim_dup(ro), sim_dup(rw), sim_dup(root)};
}

void sim_export_free(struct sim_export *e)
{
    for (size_t i = 0; i < e->rule_count; i++) {
        free(e->rules[i].client);
        free(e->rules[i].ro);
        free(e->rules[i].rw);
        free(e->rules[i].root);
    }
    free(e->rules);
    free(e->name);
    free(e);
}

/* A policy that a volume carries stays. */
int sim_export_destroy(struct sim_svm *svm, struct sim_export *e, struct sim_err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < svm->volume_count; i++) {
        if (svm->volumes[i]->exports && !strcmp(svm->volumes[i]->exports, e->name))
            return sim_fail(err, SIM_EINVALID, "Export policy \"%s\" is in use by volume \"%s\".",
                            e->name, svm->volumes[i]->name);
    }
    while (svm->exports[at] != e)
        at++;
    svm->export_count--;
    memmove(&svm->exports[at], &svm->exports[at + 1],
            (svm->export_count - at) * sizeof(struct sim_export *));
    sim_export_free(e);
    return 0;
}
