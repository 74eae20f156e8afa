/* Snapshots over REST: made and listed below their volume, changed by their uuid. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- looking ----------------------------------------------------------------------------- */

/* The snapshot that argument `key` names. */
static int ask_named(struct moon_ontap_call *call, const char *key, struct rest_ask *ask,
                     struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots", rest_known(call, "volume.uuid"));
    rc |= rest_match(ask, "name", moon_ontap_arg(call, key));
    rc |= rest_query(ask, "fields", "name,uuid,comment,snapmirror_label");
    return rc ? rest_no_memory(err) : 0;
}

static int ask_snapshot(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return ask_named(call, "name", ask, err);
}

static const json_t *named(const struct moon_ontap_call *call, const char *key,
                           const json_t *answer)
{
    size_t n;
    return rest_record(answer, "name", moon_ontap_arg(call, key), &n);
}

/* What is changed next goes by this uuid; where the caller knows it, by no other. */
static int take_snapshot(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *want = moon_ontap_arg(call, "uuid");
    const json_t *record = named(call, "name", answer);
    const char *uuid = rest_uuid(record, "uuid");
    if (record && !uuid)
        return rest_fail(call, err, MOON_PROTOCOL, "the snapshot has no uuid");
    if (!record || (want && strcasecmp(want, uuid) != 0))
        return rest_fail(call, err, MOON_NOT_FOUND, "the volume has no such snapshot%s",
                         record ? " any more: another one has its name" : "");
    return rest_remember(call, "uuid", json_string(uuid)) < 0 ? rest_no_memory(err) : REST_NEXT;
}

static int path_of_snapshot(struct moon_ontap_call *call, struct rest_ask *ask)
{
    return rest_path(ask, "/storage/volumes/%s/snapshots/%s", rest_known(call, "volume.uuid"),
                     rest_known(call, "uuid"));
}

/* --- create ------------------------------------------------------------------------------ */

static int ask_create(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "POST";
    /* It may travel on a warm connection, since a guest waits for it: should it be sent twice, the
     * second answer says that the name exists and the caller finds its own snapshot. */
    ask->changes = ask->warm = true;
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots", rest_known(call, "volume.uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:s, s:s*, s:s*}", "name", moon_ontap_arg(call, "name"), "comment",
                               moon_ontap_arg(call, "comment"), "snapmirror_label",
                               moon_ontap_arg(call, "label")),
                     err);
}

/* Only its comment tells this call's snapshot from an older one of the same name. */
static int take_created(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *want = moon_ontap_arg(call, "comment");
    const char *is = rest_text(named(call, "name", answer), "comment");
    bool ours = want && *want && is && strcmp(want, is) == 0;
    return ours ? REST_DONE : rest_not_done(call, err);
}

/* One number says that the volume is offline or that it is full. */
#define OFFLINE_OR_FULL 524479

static int create_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)status;
    if (err->native != OFFLINE_OR_FULL)
        return -1;
    return rest_note_said(call, err) < 0 ? rest_no_memory(err) : rest_go(call, 3);
}

static int ask_state(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes/%s", rest_known(call, "volume.uuid"));
    rc |= rest_query(ask, "fields", "state");
    return rc ? rest_no_memory(err) : 0;
}

static int take_state(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *state = rest_text(answer, "state");
    rest_fail_as_said(call, err);
    if (state && strcmp(state, "online") != 0)
        err->code = MOON_CONFLICT;
    return -1;
}

static int state_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)status;
    return rest_fail_as_said(call, err);
}

const struct rest_verb moon_rest_snapshot_create = {
    .steps = (const struct rest_step[]){
        {.ask = rest_ask_volume, .take = rest_take_volume},
        {.ask = ask_create, .take = rest_take_done, .refused = create_refused, .look = 2},
        {.ask = ask_snapshot, .take = take_created},
        {.ask = ask_state, .take = take_state, .refused = state_refused}}};

/* --- list -------------------------------------------------------------------------------- */

static int ask_snapshots(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots", rest_known(call, "volume.uuid"));
    rc |= rest_pattern(ask, "name", moon_ontap_arg(call, "name"));
    rc |= rest_query(ask, "fields",
                     "name,uuid,create_time,comment,snapmirror_label,owners,state,svm.name");
    return rc ? rest_no_memory(err) : 0;
}

static bool row_snapshot(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    const char *want = moon_ontap_arg(call, "name"), *name = rest_text(record, "name");
    if (want && (!name || !rest_matches(want, name)))
        return false;
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "uuid", record, "uuid");
    rest_put_text(row, "volume", call->args, "volume");
    rest_put_text(row, "svm", call->memo, "volume.svm");
    rest_put_text(row, "svm", record, "svm.name");
    rest_put_time(row, "created", record, "create_time");
    rest_put_list(row, "owners", record, "owners", NULL);
    json_object_set_new(row, "busy",
                        json_boolean(json_array_size(json_object_get(row, "owners")) > 0));
    rest_put_text(row, "label", record, "snapmirror_label");
    rest_put_text(row, "comment", record, "comment");
    rest_put_text(row, "state", record, "state");
    return true;
}

const struct rest_verb moon_rest_snapshots = {
    .steps =
        (const struct rest_step[]){{.ask = rest_ask_volume, .take = rest_take_volume},
                                   {.ask = ask_snapshots, .take = rest_take_rows, .list = true}},
    .row = row_snapshot};

/* --- delete ------------------------------------------------------------------------------ */

static int ask_delete(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    bool force = json_is_true(json_object_get(call->args, "force"));
    if (force && call->ontap->version < 91900)
        return rest_fail(call, err, MOON_UNSUPPORTED,
                         "REST deletes an owned snapshot from ONTAP 9.19 on; use ONTAPI");
    ask->method = "DELETE";
    ask->changes = true;
    int rc = path_of_snapshot(call, ask);
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    rc |= force ? rest_query(ask, "ignore_owners", "true") : 0;
    return rc ? rest_no_memory(err) : 0;
}

static int take_deleted(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *uuid = rest_uuid(named(call, "name", answer), "uuid");
    return uuid && strcasecmp(uuid, rest_known(call, "uuid")) == 0 ? rest_not_done(call, err)
                                                                   : REST_DONE;
}

/* Only force needs to know the release. */
static int ask_version_for_force(struct moon_ontap_call *call, struct rest_ask *ask,
                                 struct moon_err *err)
{
    bool force = json_is_true(json_object_get(call->args, "force"));
    return force ? rest_ask_version(call, ask, err) : REST_NEXT;
}

static int ask_node_version_for_force(struct moon_ontap_call *call, struct rest_ask *ask,
                                      struct moon_err *err)
{
    bool force = json_is_true(json_object_get(call->args, "force"));
    return force ? rest_ask_node_version(call, ask, err) : REST_NEXT;
}

const struct rest_verb moon_rest_snapshot_delete = {
    .steps = (const struct rest_step[]){
        {.ask = rest_ask_volume, .take = rest_take_volume},
        {.ask = ask_version_for_force, .take = rest_take_version, .refused = rest_version_refused},
        {.ask = ask_node_version_for_force,
         .take = rest_take_version,
         .refused = rest_version_refused},
        {.ask = ask_snapshot, .take = take_snapshot},
        {.ask = ask_delete, .take = rest_take_done, .look = 5},
        {.ask = ask_snapshot, .take = take_deleted}}};

/* --- rename, modify ---------------------------------------------------------------------- */

static int ask_rename(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "PATCH";
    ask->changes = true;
    int rc = path_of_snapshot(call, ask);
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc, json_pack("{s:s}", "name", moon_ontap_arg(call, "to")), err);
}

static int ask_new_name(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return ask_named(call, "to", ask, err);
}

static int take_renamed(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *uuid = rest_uuid(named(call, "to", answer), "uuid");
    return uuid && strcasecmp(uuid, rest_known(call, "uuid")) == 0 ? REST_DONE
                                                                   : rest_not_done(call, err);
}

const struct rest_verb moon_rest_snapshot_rename = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_volume, .take = rest_take_volume},
                                        {.ask = ask_snapshot, .take = take_snapshot},
                                        {.ask = ask_rename, .take = rest_take_done, .look = 3},
                                        {.ask = ask_new_name, .take = take_renamed}}};

static int ask_modify(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "PATCH";
    ask->changes = true;
    int rc = path_of_snapshot(call, ask);
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:s*, s:s*}", "comment", moon_ontap_arg(call, "comment"),
                               "snapmirror_label", moon_ontap_arg(call, "label")),
                     err);
}

/* An argument that was given is what the snapshot has now; empty means none. */
static bool has_now(const struct moon_ontap_call *call, const char *arg, const json_t *record,
                    const char *field)
{
    const char *want = moon_ontap_arg(call, arg), *have = rest_text(record, field);
    return !want || strcmp(want, have ? have : "") == 0;
}

static int take_modified(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *record = named(call, "name", answer);
    bool done = record && has_now(call, "comment", record, "comment") &&
                has_now(call, "label", record, "snapmirror_label");
    return done ? REST_DONE : rest_not_done(call, err);
}

const struct rest_verb moon_rest_snapshot_modify = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_volume, .take = rest_take_volume},
                                        {.ask = ask_snapshot, .take = take_snapshot},
                                        {.ask = ask_modify, .take = rest_take_done, .look = 3},
                                        {.ask = ask_snapshot, .take = take_modified}}};
