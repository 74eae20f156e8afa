/* Qtrees and export policies over REST. An export policy is a name that volumes carry; its rules are
 * not simulated. */
#include "rest.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field qtree_fields[] = {
    {"svm.name", 0, 0},           {"svm.uuid", 0, 0},
    {"volume.name", REST_KEY, 0}, {"volume.uuid", REST_KEY, 0},
    {"id", REST_KEY, 0},          {"name", REST_KEY, 0},
    {"path", 0, REST_V(9, 9, 1)}, {"nas.path", 0, REST_V(9, 9, 1)},
    {"security_style", 0, 0},     {"unix_permissions", 0, 0},
    {"export_policy.name", 0, 0},
};

/* name "": the volume outside all qtrees, which has the id 0. */
static void qtree_record(struct rest_list *l, const struct sim_volume *vol, const char *name,
                         size_t id)
{
    const char *slash = *name ? "/" : "";
    rest_text(l, "svm.name", vol->svm->name);
    rest_text(l, "svm.uuid", vol->svm->uuid);
    rest_text(l, "volume.name", vol->name);
    rest_text(l, "volume.uuid", vol->instance_uuid);
    rest_number(l, "id", id);
    rest_text(l, "name", name);
    AUTO_FREE char *path = sim_printf("/%s%s%s", vol->name, slash, name);
    rest_text(l, "path", path);
    if (vol->junction) {
        AUTO_FREE char *nas = sim_printf("%s%s%s", vol->junction, slash, name);
        rest_text(l, "nas.path", nas);
    }
    rest_text(l, "security_style", "unix");
    rest_number(l, "unix_permissions", 755);
    rest_text(l, "export_policy.name", vol->exports ? vol->exports : "default");
}

/* One volume's qtrees from the id after the last page's. False: the page is full. */
static bool list_qtrees(struct rest_list *l, const struct sim_volume *vol, size_t from)
{
    char **names = sim_qtree_list(vol);
    bool room = true;
    for (size_t id = 0; !id || names[id - 1]; id++) {
        const char *name = id ? names[id - 1] : "";
        char key[24], self[96];
        if (!room || id < from)
            continue;
        rest_record(l);
        qtree_record(l, vol, name, id);
        snprintf(key, sizeof(key), "%zu", id);
        snprintf(self, sizeof(self), "/storage/qtrees/%s/%zu", vol->instance_uuid, id);
        room = rest_row(l, self, vol->svm->name, vol->name, key);
    }
    for (size_t i = 0; names[i]; i++)
        free(names[i]);
    free(names);
    return room;
}

int rest_qtrees_get(struct rest *r)
{
    struct rest_list l;
    uint64_t id = 0;
    bool room = true;
    if (rest_list_begin(&l, r, qtree_fields, COUNT(qtree_fields)))
        return -1;
    if (l.keys[2] && !sim_number(l.keys[2], 0, UINT32_MAX, &id)) {
        rest_list_drop(&l);
        return rest_invalid(r, "start.after", l.keys[2], NULL);
    }
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = l.keys[0] && !strcmp(l.keys[0], svm->name);
        if (!rest_sees(r, svm) || !rest_may(&l, "svm.name", svm->name))
            continue;
        for (size_t k = sim_volume_after(svm, same ? l.keys[1] : NULL, true);
             k < svm->volume_count && room; k++) {
            const struct sim_volume *vol = svm->volumes[k];
            bool here = same && l.keys[1] && !strcmp(l.keys[1], vol->name);
            if (rest_may(&l, "volume.name", vol->name))
                room = list_qtrees(&l, vol, here ? (size_t)id + 1 : 0);
        }
    }
    sim_unlock();
    return rest_list_end(&l);
}

struct making {
    struct sim_volume *vol;
    char *name;
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
    return sim_qtree_create(m->vol, m->name, err);
}

int rest_qtree_create(struct rest *r)
{
    static const char *const names[] = {
        "name",           "svm.name",         "svm.uuid",           "volume.name", "volume.uuid",
        "security_style", "unix_permissions", "export_policy.name", NULL};
    struct sim_volume *vol = NULL;
    if (rest_accept(r, names) || !rest_need(r, "name"))
        return -1;
    const struct sim_svm *svm = rest_svm(r);
    const char *name = rest_arg(r, "volume.name"), *uuid = rest_arg(r, "volume.uuid");
    if (!svm)
        return -1;
    sim_lock();
    if (name || uuid)
        vol = name ? sim_volume_find(svm, name) : sim_volume_by_uuid(svm, uuid);
    sim_unlock();
    if (!vol)
        return rest_missing_entry(r, "volume.name");
    struct making *m = sim_alloc(1, sizeof(*m));
    *m = (struct making){vol, sim_dup(rest_arg(r, "name"))};
    const char *location =
        sim_arena_printf(&r->arena, "/storage/qtrees/?volume.uuid=%s", vol->instance_uuid);
    const struct rest_work job = {REST_DO_ANY, svm, make, making_free, m, 201, location};
    return rest_async(r, &job);
}

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
