/* Qtrees over REST. */
#include "rest.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field fields[] = {
    {"svm.uuid", REST_KEY, 0},
    {"svm.name", REST_KEY, 0},
    {"volume.uuid", REST_KEY, 0},
    {"volume.name", REST_KEY, 0},
    {"id", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"export_policy.name", 0, 0},
    {"nas.path", 0, REST_V(9, 9, 1)},
    {"path", 0, 0},
    {"qos_policy.name", 0, REST_V(9, 8, 0)}, /* there are no such policies */
    {"security_style", 0, 0},
    {"unix_permissions", 0, 0},
};

static void record(struct rest_list *l, const struct sim_volume *vol, const char *name)
{
    AUTO_FREE char *path =
        vol->junction ? sim_printf("%s%s%s", strcmp(vol->junction, "/") ? vol->junction : "",
                                   *name ? "/" : "", name)
                      : NULL;
    rest_record(l);
    rest_text(l, "svm.uuid", vol->svm->uuid);
    rest_text(l, "svm.name", vol->svm->name);
    rest_text(l, "volume.uuid", vol->instance_uuid);
    rest_text(l, "volume.name", vol->name);
    rest_number(l, "id", sim_qtree_id(name));
    rest_text(l, "name", name);
    rest_text(l, "export_policy.name", vol->exports ? vol->exports : "default");
    rest_text(l, "nas.path", path);
    rest_text(l, "path", path);
    rest_text(l, "security_style", "unix");
    rest_number(l, "unix_permissions", 755);
}

static bool row(struct rest_list *l, const struct sim_volume *vol, const char *name)
{
    char self[96];
    record(l, vol, name);
    snprintf(self, sizeof(self), "/storage/qtrees/%s/%u", vol->instance_uuid, sim_qtree_id(name));
    return rest_row(l, self, vol->svm->name, vol->name, name);
}

/* The volume itself is the qtree without a name. */
static bool list_volume(struct rest_list *l, const struct sim_volume *vol, const char *after)
{
    char **names = sim_qtree_list(vol);
    bool room = after || row(l, vol, "");
    for (size_t i = 0; names[i]; i++) {
        if (room && (!after || strcmp(names[i], after) > 0))
            room = row(l, vol, names[i]);
        free(names[i]);
    }
    free(names);
    return room;
}

int rest_qtrees_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, fields, COUNT(fields)))
        return -1;
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
            if (rest_may(&l, "volume.name", vol->name) && !strcmp(vol->state, "online"))
                room = list_volume(&l, vol, here ? l.keys[2] : NULL);
        }
    }
    sim_unlock();
    return rest_list_end(&l);
}

/* Locked. The qtree of the address, in the arena; NULL with an error. */
static const char *find(struct rest *r, struct sim_volume **vol)
{
    uint64_t id = 0;
    const char *found = NULL;
    *vol = rest_volume(r, r->params[0]);
    if (!*vol || !sim_number(r->params[1], 0, UINT32_MAX, &id)) {
        if (*vol)
            rest_missing_entry(r, "id");
        return NULL;
    }
    if (id == sim_qtree_id(""))
        return "";
    char **names = sim_qtree_list(*vol);
    for (size_t i = 0; names[i]; i++) {
        if (sim_qtree_id(names[i]) == id)
            found = sim_arena_dup(&r->arena, names[i]);
        free(names[i]);
    }
    free(names);
    if (!found)
        rest_missing_entry(r, "id");
    return found;
}

int rest_qtree_get(struct rest *r)
{
    struct rest_list l;
    struct sim_volume *vol;
    if (rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    const char *name = find(r, &vol);
    if (name)
        record(&l, vol, name);
    sim_unlock();
    if (name)
        return rest_object_end(&l, r->path);
    rest_list_drop(&l);
    return -1;
}

struct work {
    struct sim_volume *vol;
    char *name;
};

static void work_free(void *arg)
{
    struct work *w = arg;
    free(w->name);
    free(w);
}

static int run_create(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    return sim_qtree_create(w->vol, w->name, err);
}

static int run_delete(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    return sim_qtree_delete(w->vol, w->name, err);
}

/* "volume" by name or uuid. Locked. */
static struct sim_volume *read_volume(struct rest *r)
{
    const char *name = rest_arg(r, "volume.name"), *uuid = rest_arg(r, "volume.uuid");
    if (uuid)
        return rest_volume(r, uuid);
    const struct sim_svm *svm = name ? rest_svm(r) : NULL;
    struct sim_volume *vol = svm ? sim_volume_find(svm, name) : NULL;
    if (!name)
        rest_fail(r, REST_EMISSING, "volume.name", "The field \"volume.name\" is required.");
    else if (svm && !vol)
        rest_missing_entry(r, "volume.name");
    return vol;
}

int rest_qtree_create(struct rest *r)
{
    static const char *const names[] = {
        "svm.name",           "svm.uuid",       "volume.name",      "volume.uuid", "name",
        "export_policy.name", "security_style", "unix_permissions", NULL};
    if (rest_accept(r, names))
        return -1;
    const char *name = rest_need(r, "name");
    sim_lock();
    struct sim_volume *vol = name ? read_volume(r) : NULL;
    sim_unlock();
    if (!vol)
        return -1;
    struct work *w = sim_alloc(1, sizeof(*w));
    *w = (struct work){vol, sim_dup(name)};
    const char *location = sim_arena_printf(&r->arena, "/storage/qtrees/%s/%u", vol->instance_uuid,
                                            sim_qtree_id(name));
    const struct rest_work job = {REST_DO_QTREE, vol->svm, run_create, work_free, w, 201, location};
    return rest_async(r, &job);
}

int rest_qtree_delete(struct rest *r)
{
    static const char *const none[] = {NULL};
    struct sim_volume *vol;
    if (rest_accept(r, none))
        return -1;
    sim_lock();
    const char *name = find(r, &vol);
    sim_unlock();
    if (!name)
        return -1;
    struct work *w = sim_alloc(1, sizeof(*w));
    *w = (struct work){vol, sim_dup(name)};
    const struct rest_work job = {REST_DO_QTREE, vol->svm, run_delete, work_free, w, 200, NULL};
    return rest_async(r, &job);
}
