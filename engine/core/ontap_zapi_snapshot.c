/* ONTAPI: snapshots of one volume. */
#include "ontap_zapi.h"

#include <string.h>

const struct zapi_list zapi_snapshots = {
    .call = "snapshot-get-iter",
    .record = "snapshot-info",
    .fields = (const struct zapi_field[]){{.key = "name", .path = "name"},
                                          {.key = "uuid", .path = "snapshot-instance-uuid"},
                                          {.key = "volume", .path = "volume"},
                                          {.key = "svm", .path = "vserver"},
                                          {"created", "access-time", ZAPI_INT, NULL, NULL},
                                          {"busy", "busy", ZAPI_BOOL, NULL, NULL},
                                          {.key = "dependency", .path = "dependency"},
                                          {"owners", "snapshot-owners-list", ZAPI_LIST,
                                           "snapshot-owner", "owner"},
                                          {.key = "label", .path = "snapmirror-label"},
                                          {.key = "comment", .path = "comment"},
                                          {.key = "state", .path = "state"},
                                          {0}},
    .filters = (const struct zapi_filter[]){{"name", "name", "name", ZAPI_PATTERN},
                                            {"volume", "volume", "volume", ZAPI_EXACT},
                                            {"volumes", "volume", NULL, ZAPI_ANY_OF},
                                            {0}},
};

/* --- lists ------------------------------------------------------------------------------- */

static json_t *where_volume(const struct moon_ontap_call *call)
{
    return json_pack("{s:s}", "name", moon_ontap_arg(call, "volume"));
}

/* An iterator says of a volume that is not there what it says of one without snapshots. */
static int rows_volume(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    if (json_array_size(rows) > 0)
        return ZAPI_DONE; /* with the empty list that is there */
    return zapi_fail(call, err, MOON_NOT_FOUND, "no such volume; %s",
                     "check its name and that its SVM is the one asked");
}

const struct zapi_verb zapi_list_snapshots = {
    .steps = (const struct zapi_step[]){
        {.list = &zapi_snapshots, .none = 1},
        {.list = &zapi_volumes, .where = where_volume, .rows = rows_volume}}};

/* The snapshots that the outcome of a change is read from: `name`, or the new one of a rename. */
static json_t *where_volume_only(const struct moon_ontap_call *call)
{
    return json_pack("{s:s}", "volume", moon_ontap_arg(call, "volume"));
}

static json_t *where_exact(const struct moon_ontap_call *call)
{
    const char *name = moon_ontap_arg(call, "name");
    if (strchr(name, '*'))
        return where_volume_only(call);
    return json_pack("{s:s, s:s}", "volume", moon_ontap_arg(call, "volume"), "name", name);
}

static const json_t *named(const json_t *rows, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        if (strcmp(zapi_value(row, "name"), name) == 0)
            return row;
    }
    return NULL;
}

/* --- create ------------------------------------------------------------------------------ */

static int build_create(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    /* async would return before the snapshot is there, while a guest waits for it. */
    return zapi_put_arg(b, c, "volume", "volume", err) |
           zapi_put_arg(b, c, "snapshot", "name", err) |
           zapi_put_arg(b, c, "comment", "comment", err) |
           zapi_put_arg(b, c, "snapmirror-label", "label", err) |
           zapi_put(b, "async", "false", err);
}

/* Only its comment tells this call's snapshot from an older one of the same name. */
static int rows_created(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *row = named(rows, moon_ontap_arg(call, "name"));
    const char *comment = moon_ontap_arg(call, "comment");
    bool ours = row && comment && *comment && strcmp(zapi_value(row, "comment"), comment) == 0;
    return ours ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_snapshot_create = {
    .steps =
        (const struct zapi_step[]){
            {.call = "snapshot-create", .build = build_create},
            {.list = &zapi_snapshots, .where = where_exact, .rows = rows_created}},
    .look = 1};

/* --- delete ------------------------------------------------------------------------------ */

static int build_delete(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    bool force = json_is_true(json_object_get(c->args, "force"));
    return zapi_put_arg(b, c, "volume", "volume", err) |
           zapi_put_arg(b, c, "snapshot", "name", err) |
           zapi_put_arg(b, c, "snapshot-instance-uuid", "uuid", err) |
           zapi_put(b, "ignore-owners", force ? "true" : NULL, err);
}

static int rows_deleted(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *row = named(rows, moon_ontap_arg(call, "name"));
    const char *uuid = moon_ontap_arg(call, "uuid");
    bool gone = !row || (uuid && strcmp(zapi_value(row, "uuid"), uuid) != 0);
    return gone ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_snapshot_delete = {
    .steps =
        (const struct zapi_step[]){
            {.call = "snapshot-delete", .build = build_delete},
            {.list = &zapi_snapshots, .where = where_exact, .rows = rows_deleted}},
    .look = 1};

/* --- rename ------------------------------------------------------------------------------ */

static int build_rename(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "volume", "volume", err) |
           zapi_put_arg(b, c, "current-name", "name", err) |
           zapi_put_arg(b, c, "new-name", "to", err);
}

static int rows_renamed(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    bool moved =
        named(rows, moon_ontap_arg(call, "to")) && !named(rows, moon_ontap_arg(call, "name"));
    return moved ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_snapshot_rename = {
    .steps =
        (const struct zapi_step[]){
            {.call = "snapshot-rename", .build = build_rename},
            {.list = &zapi_snapshots, .where = where_volume_only, .rows = rows_renamed}},
    .look = 1};

/* --- modify ------------------------------------------------------------------------------ */

/* The call changes all that a query finds, so the query must find exactly one. */
static int build_modify(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const char *name = moon_ontap_arg(c, "name"), *volume = moon_ontap_arg(c, "volume");
    if (!*name || !*volume || !zapi_plain(name, false) || !zapi_plain(volume, false))
        return zapi_fail(
            c, err, MOON_INVALID,
            "ONTAPI cannot name this snapshot alone: use a name without * ? | ! < > [ ] "
            "{ } \" and ..");
    int rc = moon_buf_adds(b, "<query><snapshot-info>");
    rc |= zapi_put(b, "name", name, err);
    rc |= zapi_put(b, "volume", volume, err);
    rc |= moon_buf_adds(b, "</snapshot-info></query><attributes><snapshot-info>");
    rc |= zapi_put_arg(b, c, "comment", "comment", err);
    rc |= zapi_put_arg(b, c, "snapmirror-label", "label", err);
    return rc | moon_buf_adds(b, "</snapshot-info></attributes>");
}

static int take_modified(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    int64_t n = 0;
    if (moon_xml_child_int(results, "num-succeeded", 0, INT32_MAX, &n, NULL) < 0 || n > 0)
        return ZAPI_DONE;
    return zapi_fail(call, err, MOON_NOT_FOUND, "no such snapshot; %s",
                     "list the volume's snapshots and choose one of them");
}

static bool has(const struct moon_ontap_call *call, const char *key, const json_t *row)
{
    const char *want = moon_ontap_arg(call, key);
    return !want || strcmp(want, zapi_value(row, key)) == 0;
}

static int rows_modified(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *row = named(rows, moon_ontap_arg(call, "name"));
    return row && has(call, "comment", row) && has(call, "label", row) ? ZAPI_DONE
                                                                       : zapi_not_so(call, err);
}

const struct zapi_verb zapi_snapshot_modify = {
    .steps =
        (const struct zapi_step[]){
            {.call = "snapshot-modify-iter", .build = build_modify, .take = take_modified},
            {.list = &zapi_snapshots, .where = where_exact, .rows = rows_modified}},
    .look = 1};
