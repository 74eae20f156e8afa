/* What the configuration says about one SVM. */
#include "config_priv.h"

#include <stdio.h>
#include <string.h>

static void read_volume(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"name",           "size",  "junction", "aggregate",
                                       "type",           "state", "root",     "snapshot_reserve",
                                       "snapshot_limit", NULL};
    static const char *const types[] = {"rw", "dp", NULL};
    static const char *const states[] = {"online", "offline", "restricted", NULL};
    struct sim_volume *vol = sim_alloc(1, sizeof(*vol));
    unsigned limit = sim.ontapi_major == 1 && sim.ontapi_minor < 140 ? 255 : 1023;
    cfg_keys(c, obj, where, keys);
    vol->dir = vol->snap_dir = -1;
    vol->name = cfg_name(c, obj, where);
    if (!json_object_get(obj, "size"))
        cfg_mistake(c, where, "\"size\" is missing");
    vol->size = cfg_number(c, obj, where, "size", 1 << 30, 4096, INT64_MAX / 2);
    vol->junction = cfg_text(c, obj, where, "junction", NULL, false);
    if (vol->junction && vol->junction[0] != '/')
        cfg_mistake(c, where, "\"junction\" must start with /");
    vol->aggregate = cfg_text(c, obj, where, "aggregate", "aggr1", false);
    vol->type = cfg_choice(c, obj, where, "type", types);
    vol->state = cfg_choice(c, obj, where, "state", states);
    vol->is_root = cfg_flag(c, obj, where, "root", false);
    vol->reserve = (unsigned)cfg_number(c, obj, where, "snapshot_reserve", 0, 0, 90);
    vol->limit = (unsigned)cfg_number(c, obj, where, "snapshot_limit", limit, 1, 1023);
    if (sim_volume_find(svm, vol->name))
        cfg_mistake(c, where, "volume \"%s\" is listed twice", vol->name);
    sim_volume_add(svm, vol);
}

static void read_luns(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"path", "size", "serial", NULL};
    json_t *list = cfg_list(c, obj, where, "luns");
    size_t i;
    json_t *item;
    svm->luns = sim_alloc(json_array_size(list), sizeof(*svm->luns));
    json_array_foreach (list, i, item) {
        AUTO_FREE char *at = sim_printf("%s.luns[%zu]", where, i);
        struct sim_lun *lun = &svm->luns[svm->lun_count++];
        char volume[256] = "";
        cfg_keys(c, item, at, keys);
        lun->path = cfg_text(c, item, at, "path", "/vol/x/y", true);
        lun->size = cfg_number(c, item, at, "size", 1 << 20, 512, INT64_MAX / 2);
        lun->serial = cfg_text(c, item, at, "serial", NULL, true);
        if (sscanf(lun->path, "/vol/%255[^/]/", volume) != 1 || !sim_volume_find(svm, volume))
            cfg_mistake(c, at, "\"path\": \"%s\" is not in a volume of this SVM", lun->path);
        if (lun->serial && strlen(lun->serial) != 12)
            cfg_mistake(c, at, "\"serial\": \"%s\" must have 12 characters", lun->serial);
    }
}

void cfg_read_svm(struct cfg *c, json_t *obj, size_t index)
{
    static const char *const keys[] = {"name", "lifs", "volumes", "luns", NULL};
    AUTO_FREE char *where = sim_printf("svms[%zu]", index);
    if (!cfg_keys(c, obj, where, keys))
        return;
    struct sim_svm *svm = sim_alloc(1, sizeof(*svm));
    svm->dir = -1;
    svm->name = cfg_name(c, obj, where);
    if (sim_svm_find(svm->name))
        cfg_mistake(c, where, "SVM \"%s\" is listed twice", svm->name);
    cfg_read_lifs(c, obj, where, svm);
    json_t *list = cfg_list(c, obj, where, "volumes");
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        AUTO_FREE char *at = sim_printf("%s.volumes[%zu]", where, i);
        read_volume(c, item, at, svm);
    }
    read_luns(c, obj, where, svm);
    size_t at = sim_svm_after(svm->name, true);
    sim.svms = sim_grow(sim.svms, sim.svm_count + 1, sizeof(struct sim_svm *));
    memmove(&sim.svms[at + 1], &sim.svms[at], (sim.svm_count - at) * sizeof(struct sim_svm *));
    sim.svms[at] = svm;
    sim.svm_count++;
}
