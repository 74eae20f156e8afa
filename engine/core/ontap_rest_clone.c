/* FlexClone volumes over REST, from their making to the end. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

#define FIELDS                                                                                     \
    "name,uuid,svm.name,state,nas.path,clone.is_flexclone,clone.parent_volume.name,"               \
    "clone.parent_snapshot.name,clone.split_initiated"

/* --- list -------------------------------------------------------------------------------- */

static int ask_clones(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes");
    rc |= rest_query(ask, "clone.is_flexclone", "true");
    rc |= rest_match(ask, "clone.parent_volume.name", moon_ontap_arg(call, "parent"));
    rc |= rest_query(ask, "fields", FIELDS);
    return rc ? rest_no_memory(err) : 0;
}

static bool is_clone(const json_t *record)
{
    return json_is_true(rest_at(record, "clone.is_flexclone"));
}

static bool row_clone(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "svm", record, "svm.name");
    rest_put_text(row, "parent", record, "clone.parent_volume.name");
    rest_put_text(row, "snapshot", record, "clone.parent_snapshot.name");
    rest_put_bool(row, "splitting", record, "clone.split_initiated");
    return is_clone(record) && rest_wanted(moon_ontap_arg(call, "parent"),
                                           rest_text(record, "clone.parent_volume.name"));
}

const struct rest_verb moon_rest_volume_clones = {
    .steps = (const struct rest_step[]){{.ask = ask_clones, .take = rest_take_rows, .list = true}},
    .row = row_clone};

/* --- make -------------------------------------------------------------------------------- */

static int ask_clone(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *junction = moon_ontap_arg(call, "junction");
    const char *reserve = moon_ontap_arg(call, "reserve");
    ask->method = "POST";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/volumes");
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:s, s:{s:s*}, s:{s:b, s:{s:s}, s:{s:s}}, s:o*, s:o*}", "name",
                               moon_ontap_arg(call, "to"), "svm", "name",
                               rest_known(call, "volume.svm"), "clone", "is_flexclone", 1,
                               "parent_volume", "name", moon_ontap_arg(call, "volume"),
                               "parent_snapshot", "name", moon_ontap_arg(call, "snapshot"), "nas",
                               junction ? json_pack("{s:s}", "path", junction) : NULL, "guarantee",
                               reserve ? json_pack("{s:s}", "type", reserve) : NULL),
                     err);
}

static int ask_made(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "to"));
    rc |= rest_query(ask, "fields", FIELDS);
    return rc ? rest_no_memory(err) : 0;
}

static int take_made(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const json_t *record = rest_record(answer, "name", moon_ontap_arg(call, "to"), &n);
    bool ours = record && rest_wanted(moon_ontap_arg(call, "volume"),
                                      rest_text(record, "clone.parent_volume.name"));
    return ours ? REST_DONE : rest_not_done(call, err);
}

const struct rest_verb moon_rest_volume_clone = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_volume_now, .take = rest_take_volume},
                                        {.ask = rest_ask_source, .take = rest_take_source},
                                        {.ask = ask_clone, .take = rest_take_done, .look = 3},
                                        {.ask = ask_made, .take = take_made}}};

/* --- which clone ------------------------------------------------------------------------- */

static int ask_which(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "volume"));
    rc |= rest_query(ask, "fields", FIELDS);
    return rc ? rest_no_memory(err) : 0;
}

/* The memo then has volume and record. */
static int take_which(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    json_t *record = rest_record(answer, "name", moon_ontap_arg(call, "volume"), &n);
    int rc = rest_take_volume(call, answer, err);
    if (rc == REST_NEXT && rest_remember(call, "record", json_incref(record)) < 0)
        return rest_no_memory(err);
    return rc;
}

static int patch(struct moon_ontap_call *call, struct rest_ask *ask, json_t *body,
                 struct moon_err *err)
{
    ask->method = "PATCH";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/volumes/%s", rest_known(call, "volume.uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc, body, err);
}

/* --- split ------------------------------------------------------------------------------- */

static int take_unsplit(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    int rc = take_which(call, answer, err);
    const json_t *record = json_object_get(call->memo, "record");
    if (rc != REST_NEXT)
        return rc;
    if (!is_clone(record))
        return rest_fail(call, err, MOON_CONFLICT, "the volume is no clone");
    return json_is_true(rest_at(record, "clone.split_initiated")) ? REST_DONE : REST_NEXT;
}

static int ask_split(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "PATCH";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/volumes/%s", rest_known(call, "volume.uuid"));
    rc |= rest_query(ask, "return_timeout", "0"); /* it takes as long as the copy does */
    return rest_body(ask, rc, json_pack("{s:{s:b}}", "clone", "split_initiated", 1), err);
}

/* A volume that is no clone any more has been split. */
static int take_split(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    int rc = take_which(call, answer, err);
    const json_t *record = json_object_get(call->memo, "record");
    if (rc != REST_NEXT)
        return rc;
    return !is_clone(record) || json_is_true(rest_at(record, "clone.split_initiated"))
               ? REST_DONE
               : rest_not_done(call, err);
}

const struct rest_verb moon_rest_volume_clone_split = {
    .steps = (const struct rest_step[]){
        {.ask = ask_which, .take = take_unsplit},
        {.ask = ask_split, .take = rest_take_done, .look = 2, .patience = 5},
        {.ask = ask_which, .take = take_split}}};

/* --- delete ------------------------------------------------------------------------------ */

enum { WHICH, UNMOUNT, UNMOUNTED, OFFLINE, TAKEN_OFFLINE, DELETE, DELETED };

static const json_t *record_of(const struct moon_ontap_call *call)
{
    return json_object_get(call->memo, "record");
}

/* A clone by its name; what is no clone only by its uuid too. */
static int take_doomed(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *want = moon_ontap_arg(call, "uuid"), *parent = moon_ontap_arg(call, "parent");
    int rc = take_which(call, answer, err);
    if (rc != REST_NEXT)
        return rc;
    if (want && strcasecmp(want, rest_known(call, "volume.uuid")) != 0)
        return rest_fail(call, err, MOON_CONFLICT, "another volume has that name now (uuid %s)",
                         rest_known(call, "volume.uuid"));
    const char *of = rest_text(record_of(call), "clone.parent_volume.name");
    if (parent && (!is_clone(record_of(call)) || !of || strcmp(of, parent) != 0))
        return rest_fail(call, err, MOON_CONFLICT,
                         "the volume is no clone of volume '%s' (any more); it was left alone",
                         parent);
    if (!want && !is_clone(record_of(call)))
        return rest_fail(call, err, MOON_CONFLICT,
                         "the volume is no clone: it is deleted only by name and uuid");
    return REST_NEXT;
}

static int ask_unmount(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (!rest_text(record_of(call), "nas.path"))
        return rest_go(call, OFFLINE);
    return patch(call, ask, json_pack("{s:{s:s}}", "nas", "path", ""), err);
}

static int take_unmounted(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const json_t *record = rest_record(answer, "name", moon_ontap_arg(call, "volume"), &n);
    return rest_text(record, "nas.path") ? rest_not_done(call, err) : rest_settled(call);
}

static bool is_offline(const json_t *record)
{
    return rest_wanted("offline", rest_text(record, "state"));
}

static int ask_offline(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (is_offline(record_of(call)))
        return rest_go(call, DELETE);
    return patch(call, ask, json_pack("{s:s}", "state", "offline"), err);
}

static int take_offline(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const json_t *record = rest_record(answer, "name", moon_ontap_arg(call, "volume"), &n);
    return is_offline(record) ? rest_settled(call) : rest_not_done(call, err);
}

/* A clone holds its parent's snapshot as long as it waits in the recovery queue: it passes by it. Of
 * other volumes nothing is so certain that no one wants them back. */
static int ask_delete(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    bool force = is_clone(record_of(call)) && !json_object_get(call->memo, "queue");
    ask->method = "DELETE";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/volumes/%s", rest_known(call, "volume.uuid"));
    rc |= force ? rest_query(ask, "force", "true") : 0;
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rc ? rest_no_memory(err) : 0;
}

/* Early releases do not know `force`. */
static int delete_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    if (status != 400 || err->native != 262179 || json_object_get(call->memo, "queue"))
        return -1;
    return rest_remember(call, "queue", json_true()) < 0 ? rest_no_memory(err) : REST_AGAIN;
}

static int take_deleted(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const char *uuid =
        rest_uuid(rest_record(answer, "name", moon_ontap_arg(call, "volume"), &n), "uuid");
    if (uuid && strcasecmp(uuid, rest_known(call, "volume.uuid")) == 0)
        return rest_not_done(call, err);
    json_object_del(call->ontap->uuids, moon_ontap_arg(call, "volume"));
    return REST_DONE;
}

static int go_offline(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer, (void)err;
    return rest_go(call, OFFLINE);
}

static int go_delete(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer, (void)err;
    return rest_go(call, DELETE);
}

static int take_gone(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer, (void)err;
    json_object_del(call->ontap->uuids, moon_ontap_arg(call, "volume"));
    return REST_DONE;
}

const struct rest_verb moon_rest_volume_delete = {
    .steps = (const struct rest_step[]){
        [WHICH] = {.ask = ask_which, .take = take_doomed},
        [UNMOUNT] = {.ask = ask_unmount, .take = go_offline, .look = UNMOUNTED},
        [UNMOUNTED] = {.ask = ask_which, .take = take_unmounted},
        [OFFLINE] = {.ask = ask_offline, .take = go_delete, .look = TAKEN_OFFLINE},
        [TAKEN_OFFLINE] = {.ask = ask_which, .take = take_offline},
        [DELETE] =
            {.ask = ask_delete, .take = take_gone, .refused = delete_refused, .look = DELETED},
        [DELETED] = {.ask = ask_which, .take = take_deleted}}};
