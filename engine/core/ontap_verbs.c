/* The verbs of the ONTAP client: their names, their arguments, and which of them change something. */
#include "ontap_priv.h"

#include <string.h>

static const struct {
    const char *name, *signature;
    bool changes;
} verbs[MOON_ONTAP_VERB_COUNT] = {
    [MOON_ONTAP_IDENTITY] = {"identity", "", false},
    [MOON_ONTAP_CLUSTER] = {"cluster", "", false},
    [MOON_ONTAP_SVMS] = {"svms", "{name:s? max:i? page:s?}", false},
    [MOON_ONTAP_LIFS] = {"lifs", "{address:s? max:i? page:s?}", false},
    [MOON_ONTAP_VOLUMES] = {"volumes", "{name:s? junction:s? max:i? page:s?}", false},
    [MOON_ONTAP_SNAPSHOT_CREATE] = {"snapshot_create", "volume:s name:s {comment:s? label:s?}",
                                    true},
    [MOON_ONTAP_SNAPSHOTS] = {"snapshots", "volume:s {name:s? max:i? page:s?}", false},
    [MOON_ONTAP_SNAPSHOT_DELETE] = {"snapshot_delete", "volume:s name:s {uuid:s? force:b?}", true},
    [MOON_ONTAP_SNAPSHOT_RENAME] = {"snapshot_rename", "volume:s name:s {to:s}", true},
    [MOON_ONTAP_SNAPSHOT_MODIFY] = {"snapshot_modify", "volume:s name:s {comment:s? label:s?}",
                                    true},
    [MOON_ONTAP_CG_START] = {"cg_start",
                             "volumes:t name:s {timeout:i? comment:s? label:s? group:s?}", true},
    [MOON_ONTAP_CG_COMMIT] = {"cg_commit", "id:s {look:b?}", true},
    [MOON_ONTAP_CG_GROUPS] = {"cg_groups", "{max:i? page:s?}", false},
    [MOON_ONTAP_FILE_RESTORE] = {"file_restore", "volume:s snapshot:s {path:s to:s?}", true},
    [MOON_ONTAP_LUN_RESTORE] = {"lun_restore", "path:s snapshot:s {from:s?}", true},
    [MOON_ONTAP_RESTORE_STATUS] = {"restore_status", "{volume:s? path:s? job:s?}", false},
    [MOON_ONTAP_FILE_INFO] = {"file_info", "path:s", false},
    [MOON_ONTAP_LUNS] = {"luns", "{path:s? serial:s? volume:s? max:i? page:s?}", false},
    [MOON_ONTAP_LUN_MAPS] = {"lun_maps", "{path:s? igroup:s? max:i? page:s?}", false},
    [MOON_ONTAP_IGROUPS] = {"igroups", "{name:s? max:i? page:s?}", false},
    [MOON_ONTAP_LUN_MAP] = {"lun_map", "path:s igroup:s {id:i?}", true},
    [MOON_ONTAP_LUN_UNMAP] = {"lun_unmap", "path:s igroup:s", true},
    [MOON_ONTAP_LUN_ONLINE] = {"lun_online", "path:s", true},
    [MOON_ONTAP_LUN_OFFLINE] = {"lun_offline", "path:s", true},
    [MOON_ONTAP_LUN_DELETE] = {"lun_delete", "path:s {uuid:s? force:b?}", true},
    [MOON_ONTAP_FILE_CLONE] = {"file_clone", "volume:s {from:s to:s snapshot:s? overwrite:b?}",
                               true},
    [MOON_ONTAP_LUN_CLONE] = {"lun_clone", "path:s {to:s snapshot:s? reserve:b?}", true},
    [MOON_ONTAP_VOLUME_CLONE] = {"volume_clone",
                                 "volume:s {to:s snapshot:s junction:s? reserve:s?}", true},
    [MOON_ONTAP_VOLUME_CLONE_SPLIT] = {"volume_clone_split", "volume:s", true},
    [MOON_ONTAP_VOLUME_CLONES] = {"volume_clones", "{parent:s? max:i? page:s?}", false},
    [MOON_ONTAP_VOLUME_DELETE] = {"volume_delete", "volume:s {uuid:s? parent:s?}", true},
    [MOON_ONTAP_EXPORT_CREATE] = {"export_create", "volume:s name:s {client:s access:s}", true},
    [MOON_ONTAP_EXPORT_DELETE] = {"export_delete", "name:s", true},
    [MOON_ONTAP_VOLUME_EXPORT] = {"volume_export", "volume:s {policy:s junction:s}", true},
    [MOON_ONTAP_MIRRORS] = {"mirrors", "{destination:s? source:s? max:i? page:s?}", false},
    [MOON_ONTAP_MIRROR_UPDATE] = {"mirror_update", "destination:s {snapshot:s? rate:i?}", true},
    [MOON_ONTAP_MIRROR_TRANSFER] = {"mirror_transfer", "destination:s {transfer:s?}", false},
    [MOON_ONTAP_MIRROR_CHANGE] = {"mirror_change", "destination:s action:s", true},
    [MOON_ONTAP_MIRROR_RESTORE] = {"mirror_restore",
                                   "source:s destination:s snapshot:s {files:t? replace:b?}", true},
    [MOON_ONTAP_MIRROR_POLICIES] = {"mirror_policies", "{name:s? max:i? page:s?}", false},
    [MOON_ONTAP_EMS_LOG] =
        {"ems_log", "source:s message:s {level:i? event:i? host:s? category:s? autosupport:b?}",
         true},
    [MOON_ONTAP_JOB] = {"job", "id:s", false},
    [MOON_ONTAP_CALL] = {"call", "name:s args:s?", true},
    [MOON_ONTAP_REQUEST] = {"request", "method:s path:s body:t?", true},
};

const char *moon_ontap_verb_name(enum moon_ontap_verb verb)
{
    return verbs[verb].name;
}

const char *moon_ontap_verb_signature(enum moon_ontap_verb verb)
{
    return verbs[verb].signature;
}

/* A call reads when its last words say so: volume-get-iter, snapshot-list-info, lun-restore-status.
 */
static bool call_reads(const char *name)
{
    static const char *const endings[] = {"-get",         "-get-iter",       "-list-info",
                                          "-get-version", "-restore-status", "-get-ontapi-version"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (len > n && strcmp(name + len - n, endings[i]) == 0)
            return true;
    }
    return false;
}

bool moon_ontap_verb_changes(enum moon_ontap_verb verb, const json_t *args)
{
    if (verb == MOON_ONTAP_CALL) {
        const char *name = json_string_value(json_object_get(args, "name"));
        return !name || !call_reads(name);
    }
    if (verb == MOON_ONTAP_REQUEST) {
        const char *method = json_string_value(json_object_get(args, "method"));
        return !method || strcmp(method, "GET") != 0;
    }
    return verbs[verb].changes;
}

const struct moon_ontap_access *moon_ontap_access(const char *name)
{
    static const struct moon_ontap_access table[] = {
        {"root", "sys", "sys"}, {"read-write", "sys", "none"}, {"read-only", "never", "none"}};
    for (size_t i = 0; name && i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

/* A name that becomes a part of a path or an address must be one part. */
static bool one_part(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* "svm:volume", and nothing in it that a query would read. */
static bool is_place(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon && colon != text && colon[1] && !strchr(colon + 1, ':') &&
           !text[strcspn(text, "*?|!<>[]{}\"/ ")];
}

static int check_places(enum moon_ontap_verb verb, const json_t *args, struct moon_err *err)
{
    static const char *const keys[] = {"destination", "source"};
    if (verb < MOON_ONTAP_MIRROR_UPDATE || verb > MOON_ONTAP_MIRROR_RESTORE)
        return 0; /* a list is narrowed by any text, and a message has a source of another kind */
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *place = json_string_value(json_object_get(args, keys[i]));
        if (place && !is_place(place))
            return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, verbs[verb].name,
                                "%s '%s': must be SVM:VOLUME", keys[i], place);
    }
    return 0;
}

int moon_ontap_verb_check(enum moon_ontap_verb verb, const json_t *args, struct moon_err *err)
{
    static const char *const kinds[][2] = {
        {"volume", "volume"}, {"snapshot", "snapshot"}, {"name", "snapshot"}};
    bool snapshot = verb == MOON_ONTAP_SNAPSHOT_CREATE || verb == MOON_ONTAP_SNAPSHOT_DELETE ||
                    verb == MOON_ONTAP_SNAPSHOT_RENAME || verb == MOON_ONTAP_SNAPSHOT_MODIFY ||
                    verb == MOON_ONTAP_CG_START;
    for (size_t i = 0; i < (snapshot ? 3 : 2); i++) {
        const char *name = json_string_value(json_object_get(args, kinds[i][0]));
        if (name && !one_part(name))
            return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, verbs[verb].name,
                                "%s '%s': is not the name of a %s", kinds[i][0], name, kinds[i][1]);
    }
    const char *access = json_string_value(json_object_get(args, "access"));
    if (access && !moon_ontap_access(access))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, verbs[verb].name,
                            "access '%s': must be root, read-write or read-only", access);
    return check_places(verb, args, err);
}
