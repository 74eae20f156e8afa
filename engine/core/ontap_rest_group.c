/* Consistency groups over REST: snapshots of several volumes at one moment need a group object that
 * holds exactly these volumes. Two phases exist from 9.11.1 on; before, the snapshot is taken at once. */
#include "ontap_rest.h"

#include "auto.h"
#include "memory.h"

#include <string.h>

#define TOO_OLD                                                                                    \
    "REST has consistency groups from ONTAP 9.10.1 on; use ONTAPI there, which needs none"

/* --- groups ------------------------------------------------------------------------------ */

static int ask_groups(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (call->ontap->version && call->ontap->version < 91001)
        return rest_fail(call, err, MOON_UNSUPPORTED, TOO_OLD);
    int rc = rest_path(ask, "/application/consistency-groups");
    rc |= rest_query(ask, "fields", "name,uuid,svm.name,volumes.name");
    return rc ? rest_no_memory(err) : 0;
}

/* With a release that is not known, the missing address tells. */
static int groups_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    if (status == 404 || status == 405 || err->native == 3)
        return rest_fail(call, err, MOON_UNSUPPORTED, TOO_OLD);
    return -1;
}

static bool row_group(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    (void)call;
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "uuid", record, "uuid");
    rest_put_text(row, "svm", record, "svm.name");
    rest_put_list(row, "volumes", record, "volumes", "name");
    return true;
}

const struct rest_verb moon_rest_cg_groups = {
    .steps =
        (const struct rest_step[]){
            REST_VERSION_STEPS,
            {.ask = ask_groups, .take = rest_take_rows, .refused = groups_refused, .list = true}},
    .row = row_group};

/* --- which group ------------------------------------------------------------------------- */

static bool list_has(const json_t *list, const char *text)
{
    json_t *item;
    size_t i;
    json_array_foreach (list, i, item) {
        if (rest_wanted(text, json_string_value(item)))
            return true;
    }
    return false;
}

/* How many of the volumes wanted are in the group. */
static size_t shared(const json_t *wanted, const json_t *group)
{
    AUTO_JSON json_t *row = json_object();
    json_t *item;
    size_t i, n = 0;
    rest_put_list(row, "volumes", group, "volumes", "name");
    json_array_foreach (wanted, i, item)
        n += list_has(json_object_get(row, "volumes"), json_string_value(item));
    return n;
}

/* "a, b" */
static void names_of(const json_t *list, char *out, size_t size)
{
    json_t *item;
    size_t i, len = 0;
    out[0] = '\0';
    json_array_foreach (list, i, item) {
        int n = snprintf(out + len, size - len, "%s%s", i ? ", " : "", json_string_value(item));
        len += n < 0 ? 0 : (size_t)n;
        if (len >= size)
            return;
    }
}

static int no_group(const struct moon_ontap_call *call, const json_t *other, struct moon_err *err)
{
    char names[256];
    const char *name = rest_text(other, "name");
    names_of(json_object_get(call->args, "volumes"), names, sizeof names);
    if (name)
        return rest_fail(call, err, MOON_CONFLICT,
                         "some of these volumes are in consistency group '%s', which holds others: "
                         "make it a group of exactly %s, or use ONTAPI, which needs no group",
                         name, names);
    return rest_fail(call, err, MOON_UNSUPPORTED,
                     "REST takes such a snapshot only of a consistency group: make one of exactly "
                     "%s, or use ONTAPI, which needs none",
                     names);
}

static int take_group(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *wanted = json_object_get(call->args, "volumes"), *other = NULL;
    json_t *group;
    size_t i, n = json_array_size(wanted);
    json_array_foreach (json_object_get(answer, "records"), i, group) {
        size_t both = shared(wanted, group);
        if (both == n && json_array_size(json_object_get(group, "volumes")) == n) {
            const char *uuid = rest_uuid(group, "uuid");
            if (!uuid)
                return rest_fail(call, err, MOON_PROTOCOL, "the consistency group has no uuid");
            return rest_remember(call, "group", json_string(uuid)) < 0 ? rest_no_memory(err)
                                                                       : REST_NEXT;
        }
        other = both && !other ? group : other;
    }
    return no_group(call, other, err);
}

/* --- start ------------------------------------------------------------------------------- */

static int check_start(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const json_t *volumes = json_object_get(call->args, "volumes"), *volume;
    const json_t *timeout = json_object_get(call->args, "timeout");
    const char *name = moon_ontap_arg(call, "name");
    size_t i;
    if (json_array_size(volumes) == 0)
        return rest_fail(call, err, MOON_INVALID, "volumes: must be a list of names");
    json_array_foreach (volumes, i, volume) {
        const char *text = json_string_value(volume);
        if (!text || !*text || strpbrk(text, "/*|"))
            return rest_fail(call, err, MOON_INVALID, "volumes: must be a list of names");
    }
    if (!name || !*name)
        return rest_fail(call, err, MOON_INVALID, "a group's snapshot needs a name");
    if (timeout && (json_integer_value(timeout) < 5 || json_integer_value(timeout) > 120))
        return rest_fail(call, err, MOON_INVALID, "timeout: must be from 5 to 120 seconds");
    return rest_ask_version(call, ask, err);
}

static int ask_own_group(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *known = moon_ontap_arg(call, "group");
    if (!known || !*known)
        return ask_groups(call, ask, err);
    if (!rest_uuid(call->args, "group"))
        return rest_fail(call, err, MOON_INVALID, "group: must be the uuid of a consistency group");
    return rest_remember(call, "group", json_string(known)) < 0 ? rest_no_memory(err) : REST_NEXT;
}

/* With a release that is not known two phases are tried: where they are not known the request is
 * refused as a whole. */
static bool one_phase(const struct moon_ontap_call *call)
{
    return (call->ontap->version && call->ontap->version < 91101) ||
           json_object_get(call->memo, "one_phase");
}

static int ask_start(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    bool once = one_phase(call);
    char seconds[24];
    json_t *timeout = json_object_get(call->args, "timeout");
    snprintf(seconds, sizeof seconds, "%d", timeout ? (int)json_integer_value(timeout) : 7);
    ask->method = "POST";
    ask->changes = true;
    int rc =
        rest_path(ask, "/application/consistency-groups/%s/snapshots", rest_known(call, "group"));
    if (!once) {
        rc |= rest_query(ask, "action", "start");
        rc |= rest_query(ask, "action_timeout", seconds);
    }
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:s, s:s*, s:s*, s:s*}", "name", moon_ontap_arg(call, "name"),
                               "consistency_type", once ? "crash" : NULL, "comment",
                               moon_ontap_arg(call, "comment"), "snapmirror_label",
                               moon_ontap_arg(call, "label")),
                     err);
}

static int start_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    bool unknown = err->native == 262179 || err->native == 262197 || err->native == 3;
    if (status < 400 || status >= 500 || !unknown || one_phase(call) || call->ontap->version)
        return -1;
    return rest_remember(call, "one_phase", json_true()) < 0 ? rest_no_memory(err) : REST_AGAIN;
}

/* What cg_commit must know: an id that says all of it, also to another process. */
static int started(struct moon_ontap_call *call, const char *snapshot, struct moon_err *err)
{
    AUTO_JSON json_t *whole =
        json_pack("{s:s, s:s*, s:s, s:O}", "group", rest_known(call, "group"), "snapshot",
                  one_phase(call) ? NULL : snapshot, "name", moon_ontap_arg(call, "name"),
                  "volumes", json_object_get(call->args, "volumes"));
    AUTO_FREE char *id = moon_memory_dump(whole, JSON_COMPACT | JSON_SORT_KEYS);
    if (id)
        call->op.result = json_pack("{s:s, s:b}", "id", id, "committed", one_phase(call));
    return call->op.result ? REST_DONE : rest_no_memory(err);
}

static int take_start(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer;
    const char *uuid = rest_located(call);
    return one_phase(call) || uuid ? started(call, uuid, err) : REST_NEXT;
}

static int ask_group_snapshot(struct moon_ontap_call *call, struct rest_ask *ask,
                              struct moon_err *err)
{
    int rc =
        rest_path(ask, "/application/consistency-groups/%s/snapshots", rest_known(call, "group"));
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "name"));
    rc |= rest_query(ask, "fields", "name,uuid");
    return rc ? rest_no_memory(err) : 0;
}

static int take_group_snapshot(struct moon_ontap_call *call, const json_t *answer,
                               struct moon_err *err)
{
    size_t n;
    const char *uuid =
        rest_uuid(rest_record(answer, "name", moon_ontap_arg(call, "name"), &n), "uuid");
    if (uuid)
        return started(call, uuid, err);
    if (rest_in_doubt(call))
        return rest_not_done(call, err);
    return rest_fail(call, err, MOON_PROTOCOL, "the group snapshot was begun, but is not there");
}

const struct rest_verb moon_rest_cg_start = {
    .steps = (const struct rest_step[]){
        {.ask = check_start, .take = rest_take_version, .refused = rest_version_refused},
        {.ask = rest_ask_node_version, .take = rest_take_version, .refused = rest_version_refused},
        {.ask = ask_own_group, .take = take_group, .refused = groups_refused},
        {.ask = ask_start, .take = take_start, .refused = start_refused, .look = 4},
        {.ask = ask_group_snapshot, .take = take_group_snapshot}}};

/* --- commit ------------------------------------------------------------------------------ */

enum { COMMIT, COMMIT_AGAIN, VOLUME, SNAPSHOT };

static int read_id(struct moon_ontap_call *call, struct moon_err *err)
{
    AUTO_JSON json_t *id = moon_memory_parse(
        moon_ontap_arg(call, "id"), json_string_length(json_object_get(call->args, "id")), 0, NULL);
    const json_t *volumes = json_object_get(id, "volumes");
    if (!rest_uuid(id, "group") || !rest_text(id, "name") ||
        !json_string_value(json_array_get(volumes, 0)) ||
        (json_object_get(id, "snapshot") && !rest_uuid(id, "snapshot")))
        return rest_fail(call, err, MOON_INVALID, "this is no id that cg_start gave");
    return rest_remember(call, "cg", json_incref(id)) < 0 ? rest_no_memory(err) : 0;
}

static int ask_commit(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (!json_object_get(call->memo, "cg") && read_id(call, err) < 0)
        return -1;
    if (!rest_known(call, "cg.snapshot"))
        return REST_NEXT;
    ask->method = "PATCH";
    ask->changes = true;
    int rc = rest_path(ask, "/application/consistency-groups/%s/snapshots/%s",
                       rest_known(call, "cg.group"), rest_known(call, "cg.snapshot"));
    rc |= rest_query(ask, "action", "commit");
    return rest_body(ask, rc, json_object(), err);
}

/* A commit whose answer was lost is sent once more: when the first one has passed the second is
 * refused, and in either case nothing is under way any more, so that looking tells the truth. */
static int ask_commit_again(struct moon_ontap_call *call, struct rest_ask *ask,
                            struct moon_err *err)
{
    return rest_in_doubt(call) ? ask_commit(call, ask, err) : REST_NEXT;
}

static int take_commit(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer, (void)err;
    return json_is_false(json_object_get(call->args, "look")) ? REST_DONE : rest_go(call, VOLUME);
}

static int again_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)err;
    return status == 401 ? -1 : rest_go(call, VOLUME);
}

static size_t at(const struct moon_ontap_call *call)
{
    return (size_t)json_integer_value(json_object_get(call->memo, "at"));
}

static json_t *volume_at(const struct moon_ontap_call *call)
{
    return json_array_get(rest_at(call->memo, "cg.volumes"), at(call));
}

static int ask_volume(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (rest_remember(call, "which", json_incref(volume_at(call))) < 0)
        return rest_no_memory(err);
    return rest_ask_volume(call, ask, err);
}

static int ask_snapshot(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots", rest_known(call, "volume.uuid"));
    rc |= rest_match(ask, "name", rest_known(call, "cg.name"));
    rc |= rest_query(ask, "fields", "name,uuid");
    return rc ? rest_no_memory(err) : 0;
}

static int note(struct moon_ontap_call *call, const char *key, json_t *volume)
{
    json_t *list = json_object_get(call->memo, key);
    if (!list && rest_remember(call, key, json_array()) < 0)
        return -1;
    return json_array_append(json_object_get(call->memo, key), volume);
}

static int seen_all(struct moon_ontap_call *call, struct moon_err *err)
{
    const json_t *missing = json_object_get(call->memo, "missing");
    const json_t *found = json_object_get(call->memo, "found");
    char lost[256], there[256];
    names_of(missing, lost, sizeof lost);
    names_of(found, there, sizeof there);
    if (!missing)
        return REST_DONE;
    if (rest_in_doubt(call) && !found) {
        json_object_del(call->memo, "missing");
        json_object_del(call->memo, "at");
        return rest_not_done(call, err) < 0 ? -1 : rest_go(call, VOLUME);
    }
    return rest_fail(call, err, MOON_PARTIAL,
                     "snapshot '%s' is missing on volume %s%s%s; delete it where it is and try "
                     "again",
                     rest_known(call, "cg.name"), lost, found ? " and is there on " : "", there);
}

static int take_snapshot(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    bool there = rest_record(answer, "name", rest_known(call, "cg.name"), &n) != NULL;
    if (note(call, there ? "found" : "missing", volume_at(call)) < 0 ||
        rest_remember(call, "at", json_integer((json_int_t)at(call) + 1)) < 0)
        return rest_no_memory(err);
    return volume_at(call) ? rest_go(call, VOLUME) : seen_all(call, err);
}

const struct rest_verb moon_rest_cg_commit = {
    .steps = (const struct rest_step[]){
        [COMMIT] = {.ask = ask_commit, .take = take_commit, .look = COMMIT_AGAIN},
        [COMMIT_AGAIN] = {.ask = ask_commit_again,
                          .take = take_commit,
                          .refused = again_refused,
                          .look = VOLUME},
        [VOLUME] = {.ask = ask_volume, .take = rest_take_volume},
        [SNAPSHOT] = {.ask = ask_snapshot, .take = take_snapshot}}};
