/* LUNs, igroups and maps across restarts. LUNs are part of their volume's document, igroups have
 * one for each SVM. */
#include "lun.h"
#include "state.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static json_t *maps_json(const struct sim_lun *lun)
{
    json_t *maps = json_array();
    for (size_t i = 0; i < lun->map_count; i++)
        json_array_append_new(maps, json_pack("{s:s, s:i}", "igroup", lun->maps[i].igroup->name,
                                              "id", (int)lun->maps[i].id));
    return maps;
}

static json_t *lun_json(const struct sim_lun *lun)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:I, s:b, s:b, s:o}", "name", lun->name, "uuid",
                     lun->uuid, "serial", lun->serial, "os_type", lun->os_type, "comment",
                     lun->comment, "created", (json_int_t)lun->created, "online", lun->online,
                     "reserved", lun->reserved, "maps", maps_json(lun));
}

/* What the configuration says of a LUN, as one text. */
static char *conf_text(const struct sim_lun_conf *conf)
{
    AUTO_BUF struct sim_buf b = {0};
    sim_buf_addf(&b, "%llu %s %s %s %s", (unsigned long long)conf->size, conf->serial,
                 conf->uuid ? conf->uuid : "", conf->os_type ? conf->os_type : "",
                 conf->comment ? conf->comment : "");
    for (size_t i = 0; i < conf->map_count; i++)
        sim_buf_addf(&b, " %s:%lld", conf->igroups[i], (long long)conf->ids[i]);
    return sim_dup(b.data);
}

/* {"luns": [...], "conf": {NAME: what the configuration said when it was followed}} */
json_t *sim_lun_state(const struct sim_volume *vol)
{
    json_t *luns = json_array();
    json_t *conf = json_object();
    for (size_t i = 0; i < vol->lun_count; i++)
        json_array_append_new(luns, lun_json(vol->luns[i]));
    for (const struct sim_lun_conf *c = vol->conf_luns; c; c = c->next) {
        AUTO_FREE char *text = conf_text(c);
        json_object_set_new(conf, c->name, json_string(text));
    }
    return json_pack("{s:o, s:o}", "list", luns, "conf", conf);
}

/* The file of a LUN with its mark; made with that size when it is missing and `make` says so. */
static bool have_file(const struct sim_volume *vol, const char *name, bool make, uint64_t *size)
{
    struct stat st;
    if (!sim_store_path_ok(name) || (make && sim_store_make_parents(vol->dir, name)))
        return false;
    AUTO_CLOSE int fd =
        sim_store_open(vol->dir, name, O_RDWR | (make ? O_CREAT : 0), SIM_LUN_MODE & 0777);
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
        return false;
    if (make && st.st_size == 0) {
        if (ftruncate(fd, (off_t)*size))
            return false;
        st.st_size = (off_t)*size;
    }
    if (!sim_lun_marked(&st) && fchmod(fd, (st.st_mode & 0777) | S_ISVTX))
        return false;
    *size = (uint64_t)st.st_size;
    return true;
}

static void map_by_name(struct sim_lun *lun, const char *igroup, int64_t id)
{
    struct sim_err err = {0};
    struct sim_igroup *group = igroup ? sim_igroup_find(lun->vol->svm, igroup) : NULL;
    if (!group)
        sim_log("lun %s: there is no igroup \"%s\"", lun->path, igroup ? igroup : "");
    else if (!sim_map_find(lun, group) && sim_map_add(lun, group, id, NULL, &err))
        sim_log("lun %s: %s", lun->path, err.reason);
}

static const char *text_of(json_t *obj, const char *key)
{
    return json_string_value(json_object_get(obj, key));
}

static void load_lun(struct sim_volume *vol, json_t *obj)
{
    const char *name = text_of(obj, "name");
    uint64_t size = 0;
    size_t i;
    json_t *map;
    if (!name || sim_lun_find(vol, name) || !have_file(vol, name, false, &size))
        return; /* gone with its file */
    struct sim_lun *lun = sim_lun_add(
        vol, name,
        &(struct sim_lun_spec){.size = size,
                               .os_type = text_of(obj, "os_type"),
                               .comment = text_of(obj, "comment"),
                               .serial = text_of(obj, "serial"),
                               .uuid = text_of(obj, "uuid"),
                               .reserved = json_is_true(json_object_get(obj, "reserved"))});
    lun->created = json_integer_value(json_object_get(obj, "created"));
    lun->online = json_is_true(json_object_get(obj, "online"));
    json_array_foreach (json_object_get(obj, "maps"), i, map)
        map_by_name(lun, text_of(map, "igroup"), json_integer_value(json_object_get(map, "id")));
}

/* The configuration has its way with a LUN when it is new or says something new. */
static int follow_conf(struct sim_volume *vol, const struct sim_lun_conf *conf, json_t *seen)
{
    AUTO_FREE char *text = conf_text(conf);
    const char *then = text_of(seen, conf->name);
    struct sim_lun *lun = sim_lun_find(vol, conf->name);
    uint64_t size = conf->size;
    if (then && !strcmp(then, text))
        return 0;
    if (!have_file(vol, conf->name, true, &size)) {
        sim_log("lun /vol/%s/%s: %s", vol->name, conf->name, strerror(errno));
        return -1;
    }
    AUTO_FREE char *uuid = lun ? sim_dup(lun->uuid) : sim_dup(conf->uuid);
    if (lun)
        sim_lun_drop(lun);
    lun = sim_lun_add(vol, conf->name,
                      &(struct sim_lun_spec){.size = size,
                                             .os_type = conf->os_type,
                                             .comment = conf->comment,
                                             .serial = conf->serial,
                                             .uuid = conf->uuid ? conf->uuid : uuid});
    for (size_t i = 0; i < conf->map_count; i++)
        map_by_name(lun, conf->igroups[i], conf->ids[i]);
    return 0;
}

int sim_lun_load(struct sim_volume *vol, json_t *doc)
{
    size_t i;
    json_t *item;
    json_t *luns = json_object_get(doc, "luns");
    json_array_foreach (json_object_get(luns, "list"), i, item)
        load_lun(vol, item);
    for (const struct sim_lun_conf *c = vol->conf_luns; c; c = c->next) {
        if (follow_conf(vol, c, json_object_get(luns, "conf")))
            return -1;
    }
    sim_lun_rescan(vol, NULL);
    return 0;
}

int sim_lun_save(const struct sim_lun *lun)
{
    return sim_state_save_volume(lun->vol);
}

void sim_map_save(const struct sim_igroup *group)
{
    const struct sim_volume *last = NULL;
    for (size_t i = 0; group->ids && i < SIM_MAP_IDS; i++) {
        const struct sim_volume *vol = group->ids[i] ? group->ids[i]->vol : NULL;
        if (vol && vol != last)
            sim_state_save_volume(vol);
        last = vol ? vol : last;
    }
}

int sim_igroup_save(const struct sim_svm *svm)
{
    json_t *list = json_array();
    json_t *conf = json_object();
    for (size_t i = 0; i < svm->igroup_count; i++) {
        const struct sim_igroup *g = svm->igroups[i];
        json_t *initiators = json_array();
        for (size_t k = 0; k < g->initiator_count; k++)
            json_array_append_new(initiators, json_string(g->initiators[k]));
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s*, s:o}", "name", g->name, "uuid",
                                        g->uuid, "protocol", g->protocol, "os_type", g->os_type,
                                        "comment", g->comment, "initiators", initiators));
    }
    for (size_t i = 0; i < svm->conf_igroup_count; i++)
        json_object_set_new(conf, svm->conf_igroups[2 * i],
                            json_string(svm->conf_igroups[2 * i + 1]));
    return sim_state_save_svm(svm, "igroups", json_pack("{s:o, s:o}", "list", list, "conf", conf));
}

/* An igroup of the configuration that says what it said before is as the state has it. */
static bool unchanged(const struct sim_svm *svm, const char *name, json_t *seen)
{
    const char *then = text_of(seen, name);
    for (size_t i = 0; i < svm->conf_igroup_count; i++) {
        if (!strcmp(svm->conf_igroups[2 * i], name))
            return then && !strcmp(svm->conf_igroups[2 * i + 1], then);
    }
    return true;
}

static void load_igroup(struct sim_svm *svm, json_t *obj)
{
    struct sim_err err = {0};
    const char *name = text_of(obj, "name"), *protocol = text_of(obj, "protocol");
    const char *os_type = text_of(obj, "os_type"), *uuid = text_of(obj, "uuid");
    size_t i;
    json_t *initiator;
    struct sim_igroup *g = name ? sim_igroup_find(svm, name) : NULL;
    if (!g && name && protocol && os_type) {
        g = sim_igroup_create(svm, name, protocol, os_type, &err);
        if (!g)
            return;
        g->comment = sim_dup(text_of(obj, "comment"));
        json_array_foreach (json_object_get(obj, "initiators"), i, initiator) {
            if (json_is_string(initiator))
                sim_igroup_add(g, json_string_value(initiator), &err);
        }
    }
    if (g && uuid && sim_is_uuid(uuid))
        snprintf(g->uuid, sizeof(g->uuid), "%s", uuid);
}

void sim_igroup_load(struct sim_svm *svm)
{
    struct sim_err none = {0};
    size_t i;
    json_t *item;
    json_t *doc = sim_state_load_svm(svm, "igroups");
    json_t *seen = json_object_get(doc, "conf");
    for (i = svm->igroup_count; doc && i-- > 0;) {
        if (unchanged(svm, svm->igroups[i]->name, seen))
            sim_igroup_destroy(svm->igroups[i], true, &none);
    }
    json_array_foreach (json_object_get(doc, "list"), i, item)
        load_igroup(svm, item);
    json_decref(doc);
    if (svm->igroup_count)
        sim_igroup_save(svm);
}
