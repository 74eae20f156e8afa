/* ONTAPI: single files and LUNs out of a snapshot, in place, beside or as clones. The path of a restore
 * is always the full one, which names volume and file: no form of it can mean a whole volume. */
#include "ontap_zapi.h"

#include "auto.h"

#include <string.h>

/* The file of an argument below the call's volume; NULL when it leads elsewhere. */
static const char *file_arg(const struct moon_ontap_call *c, const char *key, struct moon_err *err)
{
    const char *path = moon_ontap_arg(c, key);
    if (path && !moon_ontap_plain_path(path)) {
        zapi_fail(c, err, MOON_INVALID, "%s '%s': must be a file's path below its volume", key,
                  path);
        return NULL;
    }
    return path;
}

static int put_full(struct moon_buf *b, const struct moon_ontap_call *c, const char *element,
                    const char *file, struct moon_err *err)
{
    AUTO_BUF struct moon_buf full = {0};
    if (moon_buf_addf(&full, "/vol/%s/%s", moon_ontap_arg(c, "volume"), file) < 0)
        return -1;
    return zapi_put(b, element, full.data, err);
}

/* --- restores ---------------------------------------------------------------------------- */

static int build_file_restore(struct moon_buf *b, const struct moon_ontap_call *c,
                              struct moon_err *err)
{
    const char *path = file_arg(c, "path", err);
    const char *to = moon_ontap_arg(c, "to");
    if (!path || (to && !file_arg(c, "to", err)) ||
        zapi_check_volume(c, moon_ontap_arg(c, "volume"), err) < 0)
        return -1;
    return zapi_put_arg(b, c, "snapshot", "snapshot", err) | put_full(b, c, "path", path, err) |
           (to ? put_full(b, c, "restore-path", to, err) : 0);
}

/* {}: there is no job to ask for, see restore_status. */
const struct zapi_verb zapi_file_restore = {
    .steps = (const struct zapi_step[]){{.call = "snapshot-restore-file",
                                         .build = build_file_restore,
                                         .take = zapi_take_empty,
                                         .begins = true}}};

static int build_lun_restore(struct moon_buf *b, const struct moon_ontap_call *c,
                             struct moon_err *err)
{
    char volume[204];
    AUTO_BUF struct moon_buf full = {0};
    const char *from = moon_ontap_arg(c, "from");
    if (!zapi_lun_path(c, moon_ontap_arg(c, "path"), volume, err))
        return -1;
    int rc = zapi_put_arg(b, c, "snapshot", "snapshot", err);
    if (!from)
        return rc | zapi_put_arg(b, c, "path", "path", err);
    if (!file_arg(c, "from", err) || moon_buf_addf(&full, "/vol/%s/%s", volume, from) < 0)
        return -1;
    return rc | zapi_put(b, "path", full.data, err) |
           zapi_put_arg(b, c, "restore-path", "path", err);
}

const struct zapi_verb zapi_lun_restore = {
    .steps = (const struct zapi_step[]){{.call = "snapshot-restore-file",
                                         .build = build_lun_restore,
                                         .take = zapi_take_empty,
                                         .begins = true}}};

/* --- how far they are -------------------------------------------------------------------- */

/* ONTAPI tells the restore of one LUN, and how many files of an SVM are being restored. */
static bool of_a_lun(const struct moon_ontap_call *call)
{
    const char *path = moon_ontap_arg(call, "path");
    return path && strncmp(path, "/vol/", 5) == 0;
}

static const char *status_name(const struct moon_ontap_call *call)
{
    return of_a_lun(call) ? "lun-restore-status" : "snapshot-restore-file-info";
}

static int build_status(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return of_a_lun(c) ? zapi_put_arg(b, c, "path", "path", err) : 0;
}

static int take_status(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    json_t *o = json_object();
    if (of_a_lun(call)) {
        bool running = false;
        if (moon_xml_child_bool(results, "is-running", &running, NULL) == 0)
            json_object_set_new(o, "running", json_integer(running));
    } else {
        zapi_int(o, "running", results, "sfsr-in-progress");
        zapi_int(o, "limit", results, "max-sfsr-limit");
    }
    if (zapi_give(call, o, err) < 0 || json_object_get(o, "running"))
        return o ? ZAPI_DONE : -1;
    /* Never taken for "none". */
    return zapi_fail(call, err, MOON_PROTOCOL, "the reply does not say what is under way");
}

const struct zapi_verb zapi_restore_status = {
    .steps = (const struct zapi_step[]){
        {.named = status_name, .build = build_status, .take = take_status}}};

/* --- files ------------------------------------------------------------------------------- */

static int build_file_info(struct moon_buf *b, const struct moon_ontap_call *c,
                           struct moon_err *err)
{
    return zapi_put_arg(b, c, "path", "path", err);
}

static int take_file_info(struct moon_ontap_call *call, const xmlNode *results,
                          struct moon_err *err)
{
    json_t *o = json_object();
    zapi_int(o, "size", results, "file-info/file-size");
    zapi_text(o, "type", results, "file-info/file-type");
    zapi_int(o, "modified", results, "file-info/modified-timestamp");
    return zapi_give(call, o, err);
}

const struct zapi_verb zapi_file_info = {
    .steps = (const struct zapi_step[]){
        {.call = "file-get-file-info", .build = build_file_info, .take = take_file_info}}};

/* --- clones ------------------------------------------------------------------------------ */

static int build_file_clone(struct moon_buf *b, const struct moon_ontap_call *c,
                            struct moon_err *err)
{
    const char *from = file_arg(c, "from", err);
    const char *to = from ? file_arg(c, "to", err) : NULL;
    bool overwrite = json_is_true(json_object_get(c->args, "overwrite"));
    if (!to || zapi_check_volume(c, moon_ontap_arg(c, "volume"), err) < 0)
        return -1;
    return zapi_put_arg(b, c, "volume", "volume", err) |
           zapi_put_arg(b, c, "snapshot-name", "snapshot", err) |
           zapi_put(b, "source-path", from, err) | zapi_put(b, "destination-path", to, err) |
           zapi_put(b, "destination-exists", overwrite ? "true" : NULL, err);
}

static int build_cloned_file(struct moon_buf *b, const struct moon_ontap_call *c,
                             struct moon_err *err)
{
    return put_full(b, c, "path", moon_ontap_arg(c, "to"), err);
}

/* A file that should be overwritten was there before: that it is there now says nothing. */
static int take_cloned_file(struct moon_ontap_call *call, const xmlNode *results,
                            struct moon_err *err)
{
    bool overwrite = json_is_true(json_object_get(call->args, "overwrite"));
    return moon_xml_child(results, "file-info") && !overwrite ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_file_clone = {
    .steps = (const struct zapi_step[]){{.call = "clone-create", .build = build_file_clone},
                                        {.call = "file-get-file-info",
                                         .build = build_cloned_file,
                                         .take = take_cloned_file,
                                         .reads = true}},
    .look = 1};

static int build_lun_clone(struct moon_buf *b, const struct moon_ontap_call *c,
                           struct moon_err *err)
{
    char volume[204], other[204];
    bool reserve = json_is_true(json_object_get(c->args, "reserve"));
    const char *from = zapi_lun_path(c, moon_ontap_arg(c, "path"), volume, err);
    const char *to = from ? zapi_lun_path(c, moon_ontap_arg(c, "to"), other, err) : NULL;
    if (!to)
        return -1;
    if (strcmp(volume, other) != 0)
        return zapi_fail(c, err, MOON_INVALID,
                         "the clone of a LUN lies in the LUN's own volume, %s", volume);
    return zapi_put(b, "volume", volume, err) |
           zapi_put_arg(b, c, "snapshot-name", "snapshot", err) |
           zapi_put(b, "source-path", from, err) | zapi_put(b, "destination-path", to, err) |
           zapi_put(b, "space-reserve", reserve ? "true" : "false", err);
}

static json_t *where_cloned_lun(const struct moon_ontap_call *call)
{
    return json_pack("{s:s}", "path", moon_ontap_arg(call, "to"));
}

static int rows_cloned_lun(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    return json_array_size(rows) > 0 ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_lun_clone = {
    .steps =
        (const struct zapi_step[]){
            {.call = "clone-create", .build = build_lun_clone},
            {.list = &zapi_luns, .where = where_cloned_lun, .rows = rows_cloned_lun}},
    .look = 1};
