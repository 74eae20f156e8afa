/* What the configuration says about one SVM. */
#include "config_priv.h"
#include "generate.h"
#include "lun.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

static void read_volume(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"name",
                                       "size",
                                       "junction",
                                       "aggregate",
                                       "type",
                                       "state",
                                       "root",
                                       "snapshot_reserve",
                                       "snapshot_limit",
                                       "comment",
                                       "snapshot_policy",
                                       "export_policy",
                                       NULL};
    static const char *const types[] = {"rw", "dp", NULL};
    static const char *const states[] = {"online", "offline", "restricted", NULL};
    struct sim_volume *vol = sim_alloc(1, sizeof(*vol));
    unsigned limit = sim_snapshot_limit();
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
    vol->comment = cfg_text(c, obj, where, "comment", NULL, false);
    vol->policy = cfg_text(c, obj, where, "snapshot_policy", NULL, false);
    vol->exports = cfg_text(c, obj, where, "export_policy", NULL, false);
    vol->conf =
        sim_printf("%llu %u %s %s %s %s", (unsigned long long)vol->size, vol->reserve, vol->type,
                   vol->state, vol->aggregate, vol->junction ? vol->junction : "");
    if (sim_volume_find(svm, vol->name))
        cfg_mistake(c, where, "volume \"%s\" is listed twice", vol->name);
    sim_volume_add(svm, vol);
}

/* "maps": [ { "igroup": "g1", "id": 0 } ] */
static void read_maps(struct cfg *c, json_t *obj, const char *where, struct sim_lun_conf *lun)
{
    static const char *const keys[] = {"igroup", "id", NULL};
    json_t *list = cfg_list(c, obj, where, "maps");
    size_t i;
    json_t *item;
    lun->igroups = sim_alloc(json_array_size(list), sizeof(char *));
    lun->ids = sim_alloc(json_array_size(list), sizeof(*lun->ids));
    json_array_foreach (list, i, item) {
        AUTO_FREE char *at = sim_printf("%s.maps[%zu]", where, i);
        cfg_keys(c, item, at, keys);
        lun->igroups[lun->map_count] = cfg_text(c, item, at, "igroup", "", true);
        lun->ids[lun->map_count++] =
            json_object_get(item, "id")
                ? (int64_t)cfg_number(c, item, at, "id", 0, 0, SIM_MAP_IDS - 1)
                : -1;
    }
}

static void read_lun(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"path",    "size",    "serial", "uuid",
                                       "comment", "os_type", "maps",   NULL};
    char volume[256] = "";
    int end = 0;
    cfg_keys(c, obj, where, keys);
    AUTO_FREE char *path = cfg_text(c, obj, where, "path", "/vol/x/y", true);
    bool split = sscanf(path, "/vol/%255[^/]/%n", volume, &end) == 1 && end && path[end];
    struct sim_volume *vol = split ? sim_volume_find(svm, volume) : NULL;
    if (!vol) {
        cfg_mistake(c, where, "\"path\": \"%s\" is not in a volume of this SVM", path);
        return;
    }
    struct sim_lun_conf *lun = sim_alloc(1, sizeof(*lun));
    struct sim_lun_conf **last = &vol->conf_luns;
    while (*last && strcmp((*last)->name, path + end) != 0)
        last = &(*last)->next;
    if (*last) {
        cfg_mistake(c, where, "LUN \"%s\" is listed twice", path);
        while (*last)
            last = &(*last)->next;
    }
    *last = lun;
    lun->name = sim_dup(path + end);
    lun->size = cfg_number(c, obj, where, "size", 1 << 20, 512, INT64_MAX / 2);
    lun->serial = cfg_text(c, obj, where, "serial", "", true);
    lun->uuid = cfg_text(c, obj, where, "uuid", NULL, false);
    lun->comment = cfg_text(c, obj, where, "comment", NULL, false);
    lun->os_type = cfg_text(c, obj, where, "os_type", NULL, false);
    read_maps(c, obj, where, lun);
    if (strlen(lun->serial) != SIM_LUN_SERIAL)
        cfg_mistake(c, where, "\"serial\": \"%s\" must have %d characters", lun->serial,
                    SIM_LUN_SERIAL);
    if (lun->uuid && !sim_is_uuid(lun->uuid))
        cfg_mistake(c, where, "\"uuid\": \"%s\" is none", lun->uuid);
    if (lun->os_type && !sim_os_type_ok(lun->os_type))
        cfg_mistake(c, where, "\"os_type\": \"%s\" is none", lun->os_type);
}

static void read_igroup(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"name", "protocol", "os_type", "initiators", NULL};
    struct sim_err err = {0};
    size_t i;
    json_t *item;
    cfg_keys(c, obj, where, keys);
    AUTO_FREE char *name = cfg_text(c, obj, where, "name", "unnamed", true);
    AUTO_FREE char *protocol = cfg_text(c, obj, where, "protocol", "iscsi", false);
    AUTO_FREE char *os_type = cfg_text(c, obj, where, "os_type", "linux", false);
    struct sim_igroup *group = sim_igroup_create(svm, name, protocol, os_type, &err);
    json_array_foreach (cfg_list(c, obj, where, "initiators"), i, item) {
        if (!json_is_string(item))
            cfg_mistake(c, where, "\"initiators\" must be a list of texts");
        else if (group && !err.num)
            sim_igroup_add(group, json_string_value(item), &err);
    }
    if (err.num)
        cfg_mistake(c, where, "%s", err.reason);
    size_t n = 2 * svm->conf_igroup_count++;
    svm->conf_igroups = sim_grow(svm->conf_igroups, n + 2, sizeof(char *));
    svm->conf_igroups[n] = sim_dup(name);
    svm->conf_igroups[n + 1] = json_dumps(obj, JSON_COMPACT | JSON_SORT_KEYS);
}

static void read_generate(struct cfg *c, json_t *obj, const char *where, struct sim_svm *svm)
{
    static const char *const keys[] = {"volumes", "luns", "snapshots", NULL};
    unsigned *count = svm->generate;
    cfg_keys(c, obj, where, keys);
    count[SIM_GENERATE_VOLUMES] = (unsigned)cfg_number(c, obj, where, "volumes", 1, 1, 9999);
    count[SIM_GENERATE_LUNS] = (unsigned)cfg_number(c, obj, where, "luns", 0, 0, 99999);
    count[SIM_GENERATE_SNAPSHOTS] = (unsigned)cfg_number(c, obj, where, "snapshots", 0, 0, 1023);
}

/* Every item of a list of objects. */
static void each(struct cfg *c, json_t *obj, const char *where, const char *key,
                 void (*read)(struct cfg *, json_t *, const char *, struct sim_svm *),
                 struct sim_svm *svm)
{
    size_t i;
    json_t *item;
    json_array_foreach (cfg_list(c, obj, where, key), i, item) {
        AUTO_FREE char *at = sim_printf("%s.%s[%zu]", where, key, i);
        read(c, item, at, svm);
    }
}

void cfg_read_svm(struct cfg *c, json_t *obj, size_t index)
{
    static const char *const keys[] = {"name",    "lifs",     "volumes", "luns",
                                       "igroups", "generate", NULL};
    AUTO_FREE char *where = sim_printf("svms[%zu]", index);
    if (!cfg_keys(c, obj, where, keys))
        return;
    struct sim_svm *svm = sim_alloc(1, sizeof(*svm));
    svm->dir = -1;
    svm->name = cfg_name(c, obj, where);
    if (sim_svm_find(svm->name))
        cfg_mistake(c, where, "SVM \"%s\" is listed twice", svm->name);
    cfg_read_lifs(c, obj, where, svm);
    each(c, obj, where, "volumes", read_volume, svm);
    each(c, obj, where, "igroups", read_igroup, svm);
    each(c, obj, where, "luns", read_lun, svm);
    AUTO_FREE char *generate = sim_printf("%s.generate", where);
    if (json_object_get(obj, "generate"))
        read_generate(c, json_object_get(obj, "generate"), generate, svm);
    size_t at = sim_svm_after(svm->name, true);
    sim.svms = sim_grow(sim.svms, sim.svm_count + 1, sizeof(struct sim_svm *));
    memmove(&sim.svms[at + 1], &sim.svms[at], (sim.svm_count - at) * sizeof(struct sim_svm *));
    sim.svms[at] = svm;
    sim.svm_count++;
}
