/* LUNs over REST: found by path or serial, changed by uuid. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- which LUN --------------------------------------------------------------------------- */

static int ask_named(struct moon_ontap_call *call, const char *key, struct rest_ask *ask,
                     struct moon_err *err)
{
    const char *path = rest_below_volume(moon_ontap_arg(call, key));
    if (!path || !moon_ontap_plain_path(path))
        return rest_fail(call, err, MOON_INVALID, "the path of a LUN is /vol/VOLUME/LUN");
    int rc = rest_path(ask, "/storage/luns");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, key));
    rc |= rest_query(ask, "fields", "name,uuid,svm.name,status.state,status.mapped");
    return rc ? rest_no_memory(err) : 0;
}

int rest_ask_lun(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return ask_named(call, "path", ask, err);
}

const json_t *rest_one_lun(const struct moon_ontap_call *call, const json_t *answer,
                           const char *path, struct moon_err *err)
{
    size_t n;
    const json_t *record = rest_record(answer, "name", path, &n);
    if (!record)
        rest_fail(call, err, MOON_NOT_FOUND, "there is no LUN '%s'", path);
    else if (n > 1)
        rest_fail(call, err, MOON_CONFLICT,
                  "%zu SVMs have a LUN '%s': give the SVM, or its own LIF", n, path);
    else if (rest_uuid(record, "uuid"))
        return record;
    else
        rest_fail(call, err, MOON_PROTOCOL, "LUN '%s' has no uuid", path);
    return NULL;
}

static bool is_online(const json_t *record)
{
    const char *state = rest_text(record, "status.state");
    return state && strcmp(state, "online") == 0;
}

int rest_take_lun(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *record = rest_one_lun(call, answer, moon_ontap_arg(call, "path"), err);
    if (!record)
        return -1;
    json_t *lun = json_pack("{s:s, s:s*, s:b, s:b}", "uuid", rest_uuid(record, "uuid"), "svm",
                            rest_text(record, "svm.name"), "online", is_online(record), "mapped",
                            json_is_true(rest_at(record, "status.mapped")));
    return rest_remember(call, "lun", lun) < 0 ? rest_no_memory(err) : REST_NEXT;
}

static bool lun_is(const struct moon_ontap_call *call, const char *key)
{
    return json_is_true(json_object_get(json_object_get(call->memo, "lun"), key));
}

/* --- list -------------------------------------------------------------------------------- */

#define LUN_FIELDS                                                                                 \
    "name,uuid,serial_number,svm.name,location.volume.name,location.qtree.name,os_type,"           \
    "space.size,space.used,status.state,status.mapped,comment"

/* `plain` goes up when the controller does not take a question: first the serial is not asked for,
 * then the creation time is not, which early releases do not have. */
static json_int_t plainness(const struct moon_ontap_call *call)
{
    return json_integer_value(json_object_get(call->memo, "plain"));
}

static int ask_luns(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    json_int_t plain = plainness(call);
    int rc = rest_path(ask, "/storage/luns");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "path"));
    if (plain == 0)
        rc |= rest_match(ask, "serial_number", moon_ontap_arg(call, "serial"));
    rc |= rest_match(ask, "location.volume.name", moon_ontap_arg(call, "volume"));
    rc |= rest_query(ask, "fields", plain < 2 ? LUN_FIELDS ",create_time" : LUN_FIELDS);
    return rc ? rest_no_memory(err) : 0;
}

static int luns_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    json_int_t plain = plainness(call);
    if (status != 400 || call->tag || plain >= 2)
        return -1;
    if (plain == 0 && !moon_ontap_arg(call, "serial"))
        plain = 1;
    return rest_remember(call, "plain", json_integer(plain + 1)) < 0 ? rest_no_memory(err)
                                                                     : REST_AGAIN;
}

static bool row_lun(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    if (!rest_wanted(moon_ontap_arg(call, "path"), rest_text(record, "name")) ||
        !rest_wanted(moon_ontap_arg(call, "serial"), rest_text(record, "serial_number")) ||
        !rest_wanted(moon_ontap_arg(call, "volume"), rest_text(record, "location.volume.name")))
        return false;
    rest_put_text(row, "path", record, "name");
    rest_put_text(row, "volume", record, "location.volume.name");
    rest_put_text(row, "qtree", record, "location.qtree.name");
    rest_put_text(row, "svm", record, "svm.name");
    rest_put_text(row, "serial", record, "serial_number");
    rest_put_text(row, "uuid", record, "uuid");
    rest_put_int(row, "size", record, "space.size");
    rest_put_int(row, "used", record, "space.used");
    json_object_set_new(row, "online", json_boolean(is_online(record)));
    rest_put_bool(row, "mapped", record, "status.mapped");
    rest_put_text(row, "os_type", record, "os_type");
    rest_put_time(row, "created", record, "create_time");
    rest_put_text(row, "comment", record, "comment");
    return true;
}

const struct rest_verb moon_rest_luns = {
    .steps =
        (const struct rest_step[]){
            {.ask = ask_luns, .take = rest_take_rows, .refused = luns_refused, .list = true}},
    .row = row_lun};

/* --- online, offline, delete ------------------------------------------------------------- */

static int ask_enable(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    bool on = call->verb != MOON_ONTAP_LUN_OFFLINE;
    ask->method = "PATCH";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/luns/%s", rest_known(call, "lun.uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc, json_pack("{s:b}", "enabled", on), err);
}

static int take_before(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    int rc = rest_take_lun(call, answer, err);
    bool on = call->verb == MOON_ONTAP_LUN_ONLINE;
    return rc == REST_NEXT && lun_is(call, "online") == on ? REST_DONE : rc;
}

static int take_enabled(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    int rc = take_before(call, answer, err);
    return rc == REST_NEXT ? rest_not_done(call, err) : rc;
}

#define ENABLE_STEPS                                                                               \
    (const struct rest_step[])                                                                     \
    {                                                                                              \
        {.ask = rest_ask_lun, .take = take_before},                                                \
            {.ask = ask_enable, .take = rest_take_done, .look = 2},                                \
        {                                                                                          \
            .ask = rest_ask_lun, .take = take_enabled                                              \
        }                                                                                          \
    }

const struct rest_verb moon_rest_lun_online = {.steps = ENABLE_STEPS};
const struct rest_verb moon_rest_lun_offline = {.steps = ENABLE_STEPS};

static int take_doomed(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *want = moon_ontap_arg(call, "uuid");
    int rc = rest_take_lun(call, answer, err);
    if (rc != REST_NEXT)
        return rc;
    if (want && strcasecmp(want, rest_known(call, "lun.uuid")) != 0)
        return rest_fail(call, err, MOON_CONFLICT, "another LUN has that path now (uuid %s)",
                         rest_known(call, "lun.uuid"));
    return REST_NEXT;
}

static int ask_delete(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    bool force = json_is_true(json_object_get(call->args, "force"));
    ask->method = "DELETE";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/luns/%s", rest_known(call, "lun.uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    rc |= force ? rest_query(ask, "allow_delete_while_mapped", "true") : 0;
    return rc ? rest_no_memory(err) : 0;
}

static int take_deleted(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const char *uuid =
        rest_uuid(rest_record(answer, "name", moon_ontap_arg(call, "path"), &n), "uuid");
    return uuid && strcasecmp(uuid, rest_known(call, "lun.uuid")) == 0 ? rest_not_done(call, err)
                                                                       : REST_DONE;
}

const struct rest_verb moon_rest_lun_delete = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_lun, .take = take_doomed},
                                        {.ask = ask_delete, .take = rest_take_done, .look = 2},
                                        {.ask = rest_ask_lun, .take = take_deleted}}};

/* --- clone ------------------------------------------------------------------------------- */

/* The path of the LUN in the snapshot, or as it is now; owned, NULL without memory. */
/* Where the LUN is in the snapshot, below the volume: a restore may take it from another place. */
static const char *below_in_snapshot(const struct moon_ontap_call *call)
{
    const char *from = moon_ontap_arg(call, "from");
    return from ? from : rest_below_volume(moon_ontap_arg(call, "path"));
}

static char *source_path(const struct moon_ontap_call *call)
{
    const char *snapshot = moon_ontap_arg(call, "snapshot"), *path = moon_ontap_arg(call, "path");
    char *out = NULL;
    int n = snapshot ? asprintf(&out, "/vol/%s/.snapshot/%s/%s", rest_known(call, "volume.name"),
                                snapshot, below_in_snapshot(call))
                     : asprintf(&out, "%s", path);
    return n < 0 ? NULL : out;
}

static int check_clone(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *path = moon_ontap_arg(call, "path"), *to = moon_ontap_arg(call, "to");
    const char *below = rest_below_volume(path), *to_below = rest_below_volume(to);
    if (json_is_true(json_object_get(call->args, "reserve")))
        return rest_fail(call, err, MOON_UNSUPPORTED,
                         "a clone with space of its own can be made over ONTAPI only");
    if (!below || !to_below || !moon_ontap_plain_path(below) || !moon_ontap_plain_path(to_below))
        return rest_fail(call, err, MOON_INVALID, "the path of a LUN is /vol/VOLUME/LUN");
    if (below - path != to_below - to || strncmp(path, to, (size_t)(below - path)) != 0)
        return rest_fail(call, err, MOON_INVALID, "'%.200s': a LUN is cloned within its own volume",
                         to);
    return rest_ask_volume_now(call, ask, err);
}

/* Without a snapshot there is nothing to ask for. */
static int ask_source(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return moon_ontap_arg(call, "snapshot") ? rest_ask_source(call, ask, err) : REST_NEXT;
}

static int ask_clone(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    AUTO_FREE char *source = source_path(call);
    ask->method = "POST";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/luns");
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc | !source,
                     json_pack("{s:{s:s*}, s:s, s:{s:{s:s}}}", "svm", "name",
                               rest_known(call, "volume.svm"), "name", moon_ontap_arg(call, "to"),
                               "clone", "source", "name", source ? source : ""),
                     err);
}

static int ask_new(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return ask_named(call, "to", ask, err);
}

/* Online is what the caller was promised. */
static int take_new(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *record = rest_one_lun(call, answer, moon_ontap_arg(call, "to"), err);
    if (!record)
        return rest_in_doubt(call) && err->code == MOON_NOT_FOUND ? rest_not_done(call, err) : -1;
    if (is_online(record))
        return REST_DONE;
    if (rest_remember(call, "lun", json_pack("{s:s}", "uuid", rest_uuid(record, "uuid"))) < 0)
        return rest_no_memory(err);
    return rest_settled(call);
}

const struct rest_verb moon_rest_lun_clone = {
    .steps = (const struct rest_step[]){{.ask = check_clone, .take = rest_take_volume},
                                        {.ask = ask_source, .take = rest_take_source},
                                        {.ask = ask_clone, .take = rest_take_next, .look = 3},
                                        {.ask = ask_new, .take = take_new},
                                        {.ask = ask_enable, .take = rest_take_done}}};

/* --- restore in place -------------------------------------------------------------------- */

enum { STEP_RESTORE = 5, STEP_LOOK = 6 };

static int ask_live_file(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return rest_ask_file(call, ask, NULL, rest_below_volume(moon_ontap_arg(call, "path")), err);
}

static int take_live_file(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    json_t *size = json_object_get(rest_file_of(answer), "size");
    if (!json_is_integer(size))
        return rest_go(call, STEP_RESTORE);
    return rest_remember(call, "size", json_incref(size)) < 0 ? rest_no_memory(err) : REST_NEXT;
}

/* Sizes that may not be read are not compared; the restore itself is tried. */
static int live_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)err;
    return status == 401 ? -1 : rest_go(call, STEP_RESTORE);
}

static int ask_old_file(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return rest_ask_file(call, ask, moon_ontap_arg(call, "snapshot"), below_in_snapshot(call), err);
}

/* What becomes of the size is not documented: so it is not tried. */
static int take_old_file(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    json_t *then = json_object_get(rest_file_of(answer), "size");
    json_t *now = json_object_get(call->memo, "size");
    if (json_is_integer(then) && json_integer_value(then) != json_integer_value(now))
        return rest_fail(
            call, err, MOON_CONFLICT,
            "the LUN has been resized since snapshot '%s' (%" JSON_INTEGER_FORMAT
            " bytes then, %" JSON_INTEGER_FORMAT
            " now): give it the size of then, or clone it from the snapshot to a new path",
            moon_ontap_arg(call, "snapshot"), json_integer_value(then), json_integer_value(now));
    return REST_NEXT;
}

static int old_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    if (err->code == MOON_NOT_FOUND && err->native)
        return rest_fail(call, err, MOON_NOT_FOUND, "snapshot '%s' does not hold the LUN",
                         moon_ontap_arg(call, "snapshot"));
    return status == 401 ? -1 : REST_NEXT;
}

static int ask_restore(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    AUTO_FREE char *source = source_path(call);
    ask->method = "PATCH";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/luns/%s", rest_known(call, "lun.uuid"));
    rc |= rest_query(ask, "return_timeout", "0");
    return rest_body(ask, rc | !source,
                     json_pack("{s:{s:{s:s}}}", "clone", "source", "name", source ? source : ""),
                     err);
}

static int begun(struct moon_ontap_call *call, const char *job, struct moon_err *err)
{
    call->op.result = json_pack("{s:s*}", "job", job);
    return call->op.result ? REST_DONE : rest_no_memory(err);
}

static int take_restore(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    return begun(call, rest_job_of(answer), err);
}

static int take_jobs(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    return rest_jobs_of(answer, rest_known(call, "lun.uuid")) ? begun(call, NULL, err)
                                                              : rest_not_done(call, err);
}

static int check_from(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *from = moon_ontap_arg(call, "from");
    if (from && !moon_ontap_plain_path(from))
        return rest_fail(call, err, MOON_INVALID,
                         "from '%.100s': must be a LUN's path below its volume", from);
    return rest_ask_volume_now(call, ask, err);
}

const struct rest_verb moon_rest_lun_restore = {
    .steps = (const struct rest_step[]){
        {.ask = check_from, .take = rest_take_volume},
        {.ask = rest_ask_source, .take = rest_take_source},
        {.ask = rest_ask_lun, .take = rest_take_lun},
        {.ask = ask_live_file, .take = take_live_file, .refused = live_refused},
        {.ask = ask_old_file, .take = take_old_file, .refused = old_refused},
        [STEP_RESTORE] =
            {.ask = ask_restore, .take = take_restore, .look = STEP_LOOK, .begin = true},
        [STEP_LOOK] = {.ask = rest_ask_jobs, .take = take_jobs}}};
