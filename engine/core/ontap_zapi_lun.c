/* ONTAPI: LUNs, igroups and which LUN is mapped to which. */
#include "ontap_zapi.h"

#include "auto.h"

#include <string.h>

enum {
    NOT_ENABLED = 9014,  /* it is offline */
    NOT_DISABLED = 9015, /* it is online */
    NO_SUCH_MAP = 9016,
    INVALID_INPUT = 13115
};

/* --- lists ------------------------------------------------------------------------------- */

const struct zapi_list zapi_luns = {
    .call = "lun-get-iter",
    .record = "lun-info",
    .fields = (const struct zapi_field[]){{.key = "path", .path = "path"},
                                          {.key = "volume", .path = "volume"},
                                          {.key = "qtree", .path = "qtree"},
                                          {.key = "svm", .path = "vserver"},
                                          {.key = "serial", .path = "serial-number"},
                                          {.key = "uuid", .path = "uuid"},
                                          {"size", "size", ZAPI_INT, NULL, NULL},
                                          {"used", "size-used", ZAPI_INT, NULL, NULL},
                                          {"online", "online", ZAPI_BOOL, NULL, NULL},
                                          {"mapped", "mapped", ZAPI_BOOL, NULL, NULL},
                                          {.key = "os_type", .path = "multiprotocol-type"},
                                          {"created", "creation-timestamp", ZAPI_INT, NULL, NULL},
                                          {.key = "comment", .path = "comment"},
                                          {0}},
    .filters = (const struct zapi_filter[]){{"path", "path", "path", ZAPI_EXACT},
                                            {"serial", "serial-number", "serial", ZAPI_EXACT},
                                            {"volume", "volume", "volume", ZAPI_EXACT},
                                            {0}},
};

const struct zapi_list zapi_lun_maps = {
    .call = "lun-map-get-iter",
    .record = "lun-map-info",
    .fields = (const struct zapi_field[]){{.key = "path", .path = "path"},
                                          {.key = "igroup", .path = "initiator-group"},
                                          {"id", "lun-id", ZAPI_INT, NULL, NULL},
                                          {.key = "svm", .path = "vserver"},
                                          {0}},
    .filters = (const struct zapi_filter[]){{"path", "path", "path", ZAPI_EXACT},
                                            {"igroup", "initiator-group", "igroup", ZAPI_EXACT},
                                            {0}},
};

static const struct zapi_list igroups = {
    .call = "igroup-get-iter",
    .record = "initiator-group-info",
    .fields = (const struct zapi_field[]){{.key = "name", .path = "initiator-group-name"},
                                          {.key = "svm", .path = "vserver"},
                                          {.key = "protocol", .path = "initiator-group-type"},
                                          {.key = "os_type", .path = "initiator-group-os-type"},
                                          {"initiators", "initiators", ZAPI_LIST, "initiator-info",
                                           "initiator-name"},
                                          {0}},
    .filters =
        (const struct zapi_filter[]){{"name", "initiator-group-name", "name", ZAPI_EXACT}, {0}},
};

const struct zapi_verb zapi_list_luns = {.steps = (const struct zapi_step[]){{.list = &zapi_luns}}};
const struct zapi_verb zapi_list_lun_maps = {
    .steps = (const struct zapi_step[]){{.list = &zapi_lun_maps}}};
const struct zapi_verb zapi_list_igroups = {.steps =
                                                (const struct zapi_step[]){{.list = &igroups}}};

/* --- maps -------------------------------------------------------------------------------- */

static int build_map(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    json_t *id = json_object_get(c->args, "id");
    int rc = zapi_put_arg(b, c, "path", "path", err);
    rc |= zapi_put_arg(b, c, "initiator-group", "igroup", err);
    return rc | (id ? moon_buf_addf(b, "<lun-id>%lld</lun-id>", json_integer_value(id)) : 0);
}

static int take_map(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    json_t *o = json_object();
    zapi_int(o, "id", results, "lun-id-assigned");
    return zapi_give(call, o, err);
}

static int rows_mapped(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    json_t *id = json_object_get(json_array_get(rows, 0), "id");
    json_t *want = json_object_get(call->args, "id");
    if (!id || (want && !json_equal(id, want)))
        return zapi_not_so(call, err);
    return zapi_give(call, json_pack("{s:O}", "id", id), err);
}

const struct zapi_verb zapi_lun_map = {
    .steps = (const struct zapi_step[]){{.call = "lun-map", .build = build_map, .take = take_map},
                                        {.list = &zapi_lun_maps, .rows = rows_mapped}},
    .look = 1};

static int build_unmap(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "path", "path", err) |
           zapi_put_arg(b, c, "initiator-group", "igroup", err);
}

/* The second number also stands for other things that are wrong: the maps tell. */
static int unmap_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    return number == NO_SUCH_MAP || number == INVALID_INPUT ? zapi_doubt(call, err) : -1;
}

static int rows_unmapped(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    return json_array_size(rows) == 0 ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_lun_unmap = {
    .steps =
        (const struct zapi_step[]){
            {.call = "lun-unmap", .build = build_unmap, .refused = unmap_refused},
            {.list = &zapi_lun_maps, .rows = rows_unmapped}},
    .look = 1};

/* --- online, offline --------------------------------------------------------------------- */

static int build_path(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "path", "path", err);
}

static int switch_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    return number == NOT_ENABLED || number == NOT_DISABLED ? zapi_doubt(call, err) : -1;
}

static int rows_switched(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    json_t *online = json_object_get(json_array_get(rows, 0), "online");
    bool so = online && json_is_true(online) == (call->verb == MOON_ONTAP_LUN_ONLINE);
    return so ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_lun_online = {
    .steps =
        (const struct zapi_step[]){
            {.call = "lun-online", .build = build_path, .refused = switch_refused},
            {.list = &zapi_luns, .rows = rows_switched}},
    .look = 1};

const struct zapi_verb zapi_lun_offline = {
    .steps =
        (const struct zapi_step[]){
            {.call = "lun-offline", .build = build_path, .refused = switch_refused},
            {.list = &zapi_luns, .rows = rows_switched}},
    .look = 1};

/* --- delete ------------------------------------------------------------------------------ */

enum { FIND, DESTROY, LOOK };

static json_t *where_path(const struct moon_ontap_call *call)
{
    return json_pack("{s:s}", "path", moon_ontap_arg(call, "path"));
}

/* A path may belong to another LUN by now. */
static int rows_found(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const char *uuid = moon_ontap_arg(call, "uuid");
    const json_t *row = json_array_get(rows, 0);
    if (!row)
        return zapi_fail(call, err, MOON_NOT_FOUND, "no such LUN; check the path with 'lun show'");
    if (uuid && strcmp(zapi_value(row, "uuid"), uuid) != 0)
        return zapi_fail(call, err, MOON_CONFLICT,
                         "another LUN has that path now (uuid %s); it was left alone",
                         zapi_value(row, "uuid"));
    return zapi_go(call, DESTROY);
}

static int build_destroy(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    bool force = json_is_true(json_object_get(c->args, "force"));
    return zapi_put_arg(b, c, "path", "path", err) |
           zapi_put(b, "force", force ? "true" : NULL, err);
}

static int rows_gone(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const char *uuid = moon_ontap_arg(call, "uuid");
    const json_t *row = json_array_get(rows, 0);
    bool gone = !row || (uuid && strcmp(zapi_value(row, "uuid"), uuid) != 0);
    return gone ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_lun_delete = {
    .steps =
        (const struct zapi_step[]){
            [FIND] = {.list = &zapi_luns, .where = where_path, .rows = rows_found},
            [DESTROY] = {.call = "lun-destroy", .build = build_destroy},
            [LOOK] = {.list = &zapi_luns, .where = where_path, .rows = rows_gone}},
    .look = LOOK};
