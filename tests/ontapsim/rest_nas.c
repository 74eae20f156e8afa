/* Export policies over REST. One is a name that volumes carry; its rules are
 * not simulated. */
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
};

static bool seen_before(const struct sim_svm *svm, size_t volume)
{
    const char *name = svm->volumes[volume]->exports;
    bool seen = !name || !strcmp(name, "default");
    for (size_t i = 0; i < volume && !seen; i++)
        seen = svm->volumes[i]->exports && !strcmp(svm->volumes[i]->exports, name);
    return seen;
}

static bool policy_row(struct rest_list *l, const struct sim_svm *svm, const char *name,
                       uint64_t id)
{
    char self[64];
    rest_record(l);
    rest_number(l, "id", id);
    rest_text(l, "name", name);
    rest_text(l, "svm.name", svm->name);
    rest_text(l, "svm.uuid", svm->uuid);
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
    if (l.keys[0] && !sim_number(l.keys[0], 0, UINT32_MAX, &after)) {
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
    sim_unlock();
    return rest_list_end(&l);
}
