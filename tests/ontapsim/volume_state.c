/* The attributes of a volume in its state file. */
#include "state.h"

#include <stdio.h>
#include <string.h>

static void put(json_t *doc, const char *key, const char *text)
{
    if (text)
        json_object_set_new(doc, key, json_string(text));
}

void sim_volume_state(const struct sim_volume *vol, json_t *doc)
{
    put(doc, "conf", vol->conf);
    if (!vol->conf)
        json_object_set_new(doc, "made", json_true());
    json_object_set_new(doc, "size", json_integer((json_int_t)vol->size));
    json_object_set_new(doc, "reserve", json_integer(vol->reserve));
    put(doc, "junction", vol->junction);
    put(doc, "aggregate", vol->aggregate);
    put(doc, "type", vol->type);
    put(doc, "state", vol->state);
    put(doc, "comment", vol->comment);
    put(doc, "policy", vol->policy);
    put(doc, "exports", vol->exports);
    if (!vol->parent)
        return;
    put(doc, "parent", vol->parent->name);
    put(doc, "parent_snapshot", vol->parent_snap);
    put(doc, "parent_snapshot_uuid", vol->parent_snap_uuid);
    if (vol->splitting)
        json_object_set_new(doc, "splitting", json_true());
}

static bool same_conf(const struct sim_volume *vol, json_t *doc)
{
    const char *then = json_string_value(json_object_get(doc, "conf"));
    return then ? vol->conf && !strcmp(then, vol->conf) : !vol->conf;
}

bool sim_volume_deleted(const struct sim_volume *vol, json_t *doc)
{
    return json_is_true(json_object_get(doc, "deleted")) && same_conf(vol, doc);
}

static void take(char **slot, json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    free(*slot);
    *slot = sim_dup(text);
}

void sim_volume_restore(struct sim_volume *vol, json_t *doc)
{
    const char *uuid = json_string_value(json_object_get(doc, "parent_snapshot_uuid"));
    if (!doc || !json_is_string(json_object_get(doc, "state")))
        return;
    take(&vol->comment, doc, "comment");
    take(&vol->policy, doc, "policy");
    take(&vol->exports, doc, "exports");
    if (same_conf(vol, doc)) {
        vol->size = (uint64_t)json_integer_value(json_object_get(doc, "size"));
        vol->reserve = (unsigned)json_integer_value(json_object_get(doc, "reserve"));
        take(&vol->junction, doc, "junction");
        take(&vol->aggregate, doc, "aggregate");
        take(&vol->type, doc, "type");
        take(&vol->state, doc, "state");
    }
    take(&vol->parent_name, doc, "parent");
    take(&vol->parent_snap, doc, "parent_snapshot");
    if (uuid && sim_is_uuid(uuid))
        snprintf(vol->parent_snap_uuid, sizeof(vol->parent_snap_uuid), "%s", uuid);
    vol->splitting = vol->parent_name && json_is_true(json_object_get(doc, "splitting"));
}

static void link_one(struct sim_volume *vol)
{
    struct sim_volume *parent = sim_volume_find(vol->svm, vol->parent_name);
    struct sim_snap *snap = parent ? sim_snap_find(parent, vol->parent_snap) : NULL;
    for (size_t i = 0; parent && i < parent->snap_count && !snap; i++) {
        if (!strcmp(parent->snaps[i]->uuid, vol->parent_snap_uuid))
            snap = parent->snaps[i];
    }
    if (snap) {
        vol->parent = parent;
        snap->clones++;
    } else {
        sim_log("%s/%s: the snapshot that this clone stands on is gone", vol->svm->name, vol->name);
        vol->splitting = false;
    }
}

void sim_volume_link(struct sim_svm *svm)
{
    for (size_t i = 0; i < svm->volume_count; i++) {
        struct sim_volume *vol = svm->volumes[i];
        if (vol->parent_name && vol->parent_snap)
            link_one(vol);
        free(vol->parent_name);
        vol->parent_name = NULL;
    }
}
