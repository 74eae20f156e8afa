/* ONTAPI: volumes, their clones, and how a clone is taken down. */
#include "ontap_zapi.h"

#include "auto.h"

#include <string.h>

/* --- lists ------------------------------------------------------------------------------- */

#define ID    "volume-id-attributes/"
#define STATE "volume-state-attributes/"

/* The parts of a FlexGroup are no volumes to anyone but ONTAP. */
static bool finish_volume(json_t *row)
{
    return strcmp(zapi_value(row, "style"), "flexgroup_constituent") != 0;
}

const struct zapi_list zapi_volumes = {
    .call = "volume-get-iter",
    .record = "volume-attributes",
    .fields =
        (const struct zapi_field[]){
            {.key = "name", .path = ID "name"},
            {.key = "uuid", .path = ID "instance-uuid"},
            {.key = "junction", .path = ID "junction-path"},
            {.key = "svm", .path = ID "owning-vserver-name"},
            {.key = "type", .path = ID "type"},
            {.key = "style", .path = ID "style-extended"},
            {"size", "volume-space-attributes/size", ZAPI_INT, NULL, NULL},
            {"available", "volume-space-attributes/size-available", ZAPI_INT, NULL, NULL},
            {"used", "volume-space-attributes/size-used", ZAPI_INT, NULL, NULL},
            {.key = "state", .path = STATE "state"},
            {"svm_root", STATE "is-vserver-root", ZAPI_BOOL, NULL, NULL},
            {0}},
    .filters =
        (const struct zapi_filter[]){{"name", ID "name", "name", ZAPI_EXACT},
                                     {"junction", ID "junction-path", "junction", ZAPI_EXACT},
                                     {0}},
    .finish = finish_volume,
};

const struct zapi_verb zapi_list_volumes = {
    .steps = (const struct zapi_step[]){{.list = &zapi_volumes}}};

/* What is looked at before a volume is changed, or when it is not known whether it was. */
static const struct zapi_list whole = {
    .call = "volume-get-iter",
    .record = "volume-attributes",
    .fields =
        (const struct zapi_field[]){{.key = "name", .path = ID "name"},
                                    {.key = "uuid", .path = ID "instance-uuid"},
                                    {.key = "junction", .path = ID "junction-path"},
                                    {.key = "state", .path = STATE "state"},
                                    {"svm_root", STATE "is-vserver-root", ZAPI_BOOL, NULL, NULL},
                                    {.key = "parent",
                                     .path = "volume-clone-attributes/"
                                             "volume-clone-parent-attributes/name"},
                                    {0}},
    .filters = (const struct zapi_filter[]){{"volume", ID "name", "name", ZAPI_EXACT}, {0}},
};

/* --- clones ------------------------------------------------------------------------------ */

static int build_clone(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const char *reserve = moon_ontap_arg(c, "reserve");
    bool mounted = moon_ontap_arg(c, "junction") != NULL;
    return zapi_put_arg(b, c, "parent-volume", "volume", err) |
           zapi_put_arg(b, c, "parent-snapshot", "snapshot", err) |
           zapi_put_arg(b, c, "volume", "to", err) |
           zapi_put(b, "space-reserve", reserve ? reserve : "none", err) |
           zapi_put_arg(b, c, "junction-path", "junction", err) |
           zapi_put(b, "junction-active", mounted ? "true" : NULL, err);
}

static json_t *where_cloned(const struct moon_ontap_call *call)
{
    return json_pack("{s:s}", "volume", moon_ontap_arg(call, "to"));
}

static int rows_cloned(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const char *parent = zapi_value(json_array_get(rows, 0), "parent");
    return strcmp(parent, moon_ontap_arg(call, "volume")) == 0 ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_volume_clone = {
    .steps =
        (const struct zapi_step[]){{.call = "volume-clone-create", .build = build_clone},
                                   {.list = &whole, .where = where_cloned, .rows = rows_cloned}},
    .look = 1};

static int build_split(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "volume", "volume", err);
}

const struct zapi_verb zapi_volume_clone_split = {
    .steps = (const struct zapi_step[]){
        {.call = "volume-clone-split-start", .build = build_split, .begins = true}}};

static const struct zapi_list clones = {
    .call = "volume-clone-get-iter",
    .record = "volume-clone-info",
    .fields = (const struct zapi_field[]){{.key = "name", .path = "volume"},
                                          {.key = "svm", .path = "vserver"},
                                          {.key = "parent", .path = "parent-volume"},
                                          {.key = "snapshot", .path = "parent-snapshot"},
                                          {0}},
    .filters = (const struct zapi_filter[]){{"parent", "parent-volume", "parent", ZAPI_EXACT}, {0}},
};

/* The list of clones does not tell which are being split: that is asked first. */
enum { SPLITS, CLONES };
enum { NOTHING_RUNS = 13171 };

static int take_splits(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    json_t *names = json_object();
    static const char item[] = "clone-split-detail-info";
    for (xmlNodePtr n = moon_xml_child(moon_xml_child(results, "clone-split-details"), item); n;
         n = moon_xml_next(n, item)) {
        AUTO_FREE char *name = moon_xml_child_text(n, "name");
        if (name)
            json_object_set_new(names, name, json_true());
    }
    return zapi_remember(call, "splits", names) < 0 ? zapi_no_memory(err) : zapi_go(call, CLONES);
}

static int splits_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)err;
    return number == NOTHING_RUNS ? zapi_go(call, CLONES) : -1;
}

static void touch_clone(const struct moon_ontap_call *call, json_t *row)
{
    const json_t *splits = json_object_get(call->memo, "splits");
    bool splitting = json_object_get(splits, zapi_value(row, "name")) != NULL;
    json_object_set_new(row, "splitting", json_boolean(splitting));
}

const struct zapi_verb zapi_volume_clones = {
    .steps = (const struct zapi_step[]){[SPLITS] = {.call = "volume-clone-split-status",
                                                    .take = take_splits,
                                                    .refused = splits_refused},
                                        [CLONES] = {.list = &clones, .touch = touch_clone}}};

/* --- taking one down --------------------------------------------------------------------- */

/* Unmounted, offline, destroyed: each step leaves a volume that the next attempt goes on from. When an
 * answer is lost the volume is looked at again. */
enum { FIND, UNMOUNT, OFFLINE, DESTROY, LOOK };
enum { NOT_MOUNTED = 14716, IS_OFFLINE = 13042, MAX_ROUNDS = 3 };

static int next_teardown(struct moon_ontap_call *call, const json_t *row)
{
    if (*zapi_value(row, "junction"))
        return zapi_go(call, UNMOUNT);
    return zapi_go(call, strcmp(zapi_value(row, "state"), "offline") ? OFFLINE : DESTROY);
}

static int rows_to_delete(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *row = json_array_get(rows, 0);
    const char *uuid = moon_ontap_arg(call, "uuid"), *parent = moon_ontap_arg(call, "parent");
    if (!row)
        return zapi_fail(call, err, MOON_NOT_FOUND,
                         "no such volume; check its name and that its SVM is the one asked");
    if (json_is_true(json_object_get(row, "svm_root")))
        return zapi_fail(call, err, MOON_CONFLICT, "it is the root volume of its SVM");
    if (uuid && strcmp(zapi_value(row, "uuid"), uuid) != 0)
        return zapi_fail(call, err, MOON_CONFLICT,
                         "another volume has that name now (uuid %s); it was left alone",
                         zapi_value(row, "uuid"));
    if (parent && strcmp(zapi_value(row, "parent"), parent) != 0)
        return zapi_fail(call, err, MOON_CONFLICT,
                         "it is no clone of volume '%s' (any more); it was left alone", parent);
    if (!uuid && !*zapi_value(row, "parent"))
        return zapi_fail(call, err, MOON_CONFLICT,
                         "it is no clone (any more); give its uuid to delete it all the same");
    if (zapi_remember(call, "uuid", json_string(zapi_value(row, "uuid"))) < 0)
        return zapi_no_memory(err);
    return next_teardown(call, row);
}

static int rows_after_loss(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *row = json_array_get(rows, 0);
    json_int_t rounds = json_integer_value(json_object_get(call->memo, "rounds")) + 1;
    if (!row || strcmp(zapi_value(row, "uuid"), zapi_known(call, "uuid")) != 0)
        return ZAPI_DONE;
    if (rounds > MAX_ROUNDS || zapi_was_refused(call))
        return zapi_not_so(call, err);
    if (zapi_remember(call, "rounds", json_integer(rounds)) < 0)
        return zapi_no_memory(err);
    json_object_del(call->memo, "why"); /* the next loss may be looked at as well */
    return next_teardown(call, row);
}

static int build_unmount(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "volume-name", "volume", err);
}

static int build_name(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "name", "volume", err);
}

static int take_unmount(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    (void)results, (void)err;
    return zapi_go(call, OFFLINE);
}

static int take_offline(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    (void)results, (void)err;
    return zapi_go(call, DESTROY);
}

static int unmount_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)err;
    return number == NOT_MOUNTED ? zapi_go(call, OFFLINE) : -1;
}

static int offline_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)err;
    return number == IS_OFFLINE ? zapi_go(call, DESTROY) : -1;
}

const struct zapi_verb zapi_volume_delete = {
    .steps = (const struct zapi_step[]){[FIND] = {.list = &whole, .rows = rows_to_delete},
                                        [UNMOUNT] = {.call = "volume-unmount",
                                                     .build = build_unmount,
                                                     .take = take_unmount,
                                                     .refused = unmount_refused},
                                        [OFFLINE] = {.call = "volume-offline",
                                                     .build = build_name,
                                                     .take = take_offline,
                                                     .refused = offline_refused},
                                        [DESTROY] = {.call = "volume-destroy", .build = build_name},
                                        [LOOK] = {.list = &whole, .rows = rows_after_loss}},
    .look = LOOK};
