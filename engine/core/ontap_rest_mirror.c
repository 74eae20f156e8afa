/* SnapMirror over REST, asked at the destination: how relationships and transfers stand, and what
 * begins or changes them. */
#include "ontap_rest_mirror.h"

#include "auto.h"

#include <string.h>

/* --- list -------------------------------------------------------------------------------- */

static int ask_mirrors(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/snapmirror/relationships");
    rc |= rest_match(ask, "destination.path", moon_ontap_arg(call, "destination"));
    rc |= rest_match(ask, "source.path", moon_ontap_arg(call, "source"));
    /* Not by name: some came with later releases. */
    rc |= rest_query(ask, "fields", "*,transfer");
    return rc ? rest_no_memory(err) : 0;
}

bool rest_runs(const char *state)
{
    return rest_wanted("transferring", state) || rest_wanted("queued", state);
}

/* What ONTAPI calls the status of a relationship. */
static const char *status_of(const json_t *record)
{
    const char *transfer = rest_text(record, "transfer.state");
    if (rest_runs(transfer))
        return transfer;
    return rest_wanted("paused", rest_text(record, "state")) ? "quiesced" : "idle";
}

static void put_reason(json_t *row, const char *key, const json_t *reasons)
{
    const char *text = rest_text(json_array_get(reasons, 0), "message");
    if (text)
        json_object_set_new(row, key, json_string(text));
}

static bool row_mirror(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    json_int_t lag;
    if (!rest_wanted(moon_ontap_arg(call, "destination"), rest_text(record, "destination.path")) ||
        !rest_wanted(moon_ontap_arg(call, "source"), rest_text(record, "source.path")))
        return false;
    rest_put_text(row, "uuid", record, "uuid");
    rest_put_text(row, "source", record, "source.path");
    rest_put_text(row, "destination", record, "destination.path");
    rest_put_text(row, "policy", record, "policy.name");
    rest_put_text(row, "type", record, "policy.type");
    rest_put_text(row, "state", record, "state");
    json_object_set_new(row, "status", json_string(status_of(record)));
    rest_put_bool(row, "healthy", record, "healthy");
    put_reason(row, "reason", json_object_get(record, "unhealthy_reason"));
    if (rest_duration(rest_text(record, "lag_time"), &lag))
        json_object_set_new(row, "lag", json_integer(lag));
    rest_put_text(row, "newest", record, "exported_snapshot");
    rest_put_int(row, "transferred", record, "transfer.bytes_transferred");
    rest_put_time(row, "ended", record, "transfer.end_time");
    rest_put_text(row, "schedule", record, "transfer_schedule.name");
    return true;
}

const struct rest_verb moon_rest_mirrors = {
    .steps = (const struct rest_step[]){{.ask = ask_mirrors, .take = rest_take_rows, .list = true}},
    .row = row_mirror};

static int ask_policies(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/snapmirror/policies");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "name"));
    /* Not by name: some came with later releases. */
    rc |= rest_query(ask, "fields", "*");
    return rc ? rest_no_memory(err) : 0;
}

/* What ONTAPI has as rules of its own names. */
static void put_named_rule(json_t *rules, const json_t *record, const char *property,
                           const char *label)
{
    if (json_is_true(json_object_get(record, property)))
        json_array_append_new(rules, json_pack("{s:s, s:i}", "label", label, "keep", 1));
}

/* A count is a number, in some releases one in a string. */
static void put_rules(json_t *row, const json_t *record)
{
    json_t *rules = json_array(), *item;
    size_t i;
    json_array_foreach (json_object_get(record, "retention"), i, item) {
        json_t *rule = json_object();
        const char *count = rest_text(item, "count");
        rest_put_text(rule, "label", item, "label");
        rest_put_int(rule, "keep", item, "count");
        if (count)
            json_object_set_new(rule, "keep", json_integer(atoll(count)));
        json_array_append_new(rules, rule);
    }
    put_named_rule(rules, record, "create_snapshot_on_source", "sm_created");
    put_named_rule(rules, record, "copy_all_source_snapshots", "all_source_snapshots");
    json_object_set_new(row, "rules", rules);
}

static bool row_policy(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "svm", record, "svm.name");
    rest_put_text(row, "type", record, "type");
    put_rules(row, record);
    return rest_wanted(moon_ontap_arg(call, "name"), rest_text(record, "name"));
}

const struct rest_verb moon_rest_mirror_policies = {
    .steps =
        (const struct rest_step[]){{.ask = ask_policies, .take = rest_take_rows, .list = true}},
    .row = row_policy};

/* --- which relationship ------------------------------------------------------------------ */

int rest_ask_mirror(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/snapmirror/relationships");
    rc |= rest_match(ask, "destination.path", moon_ontap_arg(call, "destination"));
    rc |= rest_query(ask, "fields", "uuid,source.path,destination.path,state,transfer");
    return rc ? rest_no_memory(err) : 0;
}

json_t *rest_mirror_of(const struct moon_ontap_call *call, const json_t *answer)
{
    size_t n;
    json_t *record =
        rest_record(answer, "destination.path", moon_ontap_arg(call, "destination"), &n);
    return rest_uuid(record, "uuid") ? record : NULL;
}

int rest_take_mirror(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    json_t *record = rest_mirror_of(call, answer);
    if (!record)
        return rest_fail(call, err, MOON_NOT_FOUND,
                         "no SnapMirror relationship has this destination; relationships are known "
                         "where their destination is: ask that SVM or cluster");
    return rest_remember(call, "mirror", json_incref(record)) < 0 ? rest_no_memory(err) : REST_NEXT;
}

static const char *uuid_of(const struct moon_ontap_call *call)
{
    return rest_uuid(call->memo, "mirror.uuid");
}

/* --- update ------------------------------------------------------------------------------ */

int rest_begun_transfer(struct moon_ontap_call *call, const char *transfer, struct moon_err *err)
{
    call->op.result = json_pack("{s:s*}", "transfer", transfer);
    return call->op.result ? REST_DONE : rest_no_memory(err);
}

static int ask_update(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    json_t *rate = json_object_get(call->args, "rate");
    if (rate && json_integer_value(rate) < 1)
        return rest_fail(call, err, MOON_INVALID, "rate: must be 1 or more");
    ask->method = "POST";
    ask->changes = true;
    return rest_body(ask, rest_path(ask, "/snapmirror/relationships/%s/transfers", uuid_of(call)),
                     json_pack("{s:s*, s:O*}", "source_snapshot", moon_ontap_arg(call, "snapshot"),
                               "throttle", rate),
                     err);
}

static int take_update(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer;
    return rest_begun_transfer(call, rest_located(call), err);
}

/* Several codes also say that a transfer is under way, which will do. */
static int update_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    static const int numbers[] = {13303844, 13303812, 13303810};
    size_t i = 0;
    while (i < sizeof numbers / sizeof *numbers && numbers[i] != err->native)
        i++;
    if (status == 401 || i == sizeof numbers / sizeof *numbers)
        return -1;
    return rest_note_said(call, err) < 0 ? rest_no_memory(err) : REST_NEXT;
}

static int take_under_way(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *record = rest_mirror_of(call, answer);
    const char *now = rest_uuid(record, "transfer.uuid");
    const char *before = rest_uuid(call->memo, "mirror.transfer.uuid");
    bool another = now && !rest_wanted(now, before);
    if (rest_runs(rest_text(record, "transfer.state")) || (rest_in_doubt(call) && another))
        return rest_begun_transfer(call, now, err);
    return rest_in_doubt(call) ? rest_not_done(call, err) : rest_fail_as_said(call, err);
}

const struct rest_verb moon_rest_mirror_update = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_mirror, .take = rest_take_mirror},
                                        {.ask = ask_update,
                                         .take = take_update,
                                         .refused = update_refused,
                                         .look = 2,
                                         .begin = true},
                                        {.ask = rest_ask_mirror, .take = take_under_way}}};

/* --- a transfer -------------------------------------------------------------------------- */

static int transfer_stands(struct moon_ontap_call *call, const json_t *transfer,
                           const json_t *reasons, struct moon_err *err)
{
    const char *state = rest_text(transfer, "state");
    bool running = rest_runs(state);
    json_t *o = call->op.result =
        json_pack("{s:b, s:s}", "running", running, "state", state ? state : "none");
    if (!o)
        return rest_no_memory(err);
    rest_put_int(o, "bytes", transfer, "bytes_transferred");
    if (!running && state && strcmp(state, "success") != 0) {
        put_reason(o, "reason", reasons);
        rest_put_text(o, "reason", transfer, "error_info.message");
    }
    return REST_DONE;
}

static int take_for_transfer(struct moon_ontap_call *call, const json_t *answer,
                             struct moon_err *err)
{
    int rc = rest_take_mirror(call, answer, err);
    const json_t *mirror = json_object_get(call->memo, "mirror");
    if (rc != REST_NEXT || moon_ontap_arg(call, "transfer"))
        return rc;
    return transfer_stands(call, json_object_get(mirror, "transfer"),
                           json_object_get(mirror, "unhealthy_reason"), err);
}

static int ask_transfer(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *transfer = rest_uuid(call->args, "transfer");
    if (!transfer)
        return rest_fail(call, err, MOON_INVALID, "a transfer of REST has a uuid");
    int rc = rest_path(ask, "/snapmirror/relationships/%s/transfers/%s", uuid_of(call), transfer);
    return rc ? rest_no_memory(err) : 0;
}

static int take_transfer(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    if (!rest_text(answer, "state"))
        return rest_fail(call, err, MOON_PROTOCOL, "the transfer has no state");
    return transfer_stands(call, answer, NULL, err);
}

const struct rest_verb moon_rest_mirror_transfer = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_mirror, .take = take_for_transfer},
                                        {.ask = ask_transfer, .take = take_transfer}}};

/* --- changes of state -------------------------------------------------------------------- */

/* What a state that is asked for means depends on the one that is: so that is looked at first.
 * `from`: the only state in which it is asked for, NULL: in any but `done`. In state `done` nothing is
 * left to do. `begins`: a transfer follows, which is not waited for. */
static const struct action {
    const char *name, *from, *state, *done;
    bool begins;
} actions[] = {{"quiesce", NULL, "paused", "paused", false},
               {"resume", "paused", "snapmirrored", NULL, false},
               {"break", NULL, "broken_off", "broken_off", false},
               {"resync", "broken_off", "snapmirrored", NULL, true},
               {"initialize", "uninitialized", "snapmirrored", NULL, true},
               {"abort", NULL, "aborted", NULL, false}};

enum { MIRROR, WAIT, BEGIN, LOOK };

#define BEGUN 15.0 /* seconds: what has not failed by then goes on */

static const struct action *action_of(const struct moon_ontap_call *call)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, moon_ontap_arg(call, "action")) == 0)
            return &actions[i];
    }
    return NULL;
}

static bool aborts(const struct action *a)
{
    return strcmp(a->name, "abort") == 0;
}

static int ask_before(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (!action_of(call))
        return rest_fail(call, err, MOON_INVALID,
                         "action '%s': must be quiesce, resume, abort, break, resync or initialize",
                         moon_ontap_arg(call, "action"));
    return rest_ask_mirror(call, ask, err);
}

static int take_before(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const struct action *a = action_of(call);
    int rc = rest_take_mirror(call, answer, err);
    const char *state = rest_known(call, "mirror.state");
    if (rc != REST_NEXT)
        return rc;
    if (aborts(a))
        return rest_runs(rest_known(call, "mirror.transfer.state")) ? REST_NEXT : REST_DONE;
    if (!state)
        return rest_fail(call, err, MOON_BUSY,
                         "the relationship's state is not known now; try again in some minutes");
    if (a->done && strcmp(state, a->done) == 0)
        return REST_DONE;
    if (!a->from || strcmp(state, a->from) == 0)
        return a->begins ? rest_go(call, BEGIN) : REST_NEXT;
    if (strcmp(a->name, "resume") == 0)
        return REST_DONE; /* nothing had been quiesced */
    return rest_fail(call, err, MOON_CONFLICT, "%s needs a relationship that is %s, this one is %s",
                     a->name, a->from, state);
}

static int ask_change(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const struct action *a = action_of(call);
    ask->method = "PATCH";
    ask->changes = true;
    int rc = rest_path(ask, "/snapmirror/relationships/%s", uuid_of(call));
    if (aborts(a))
        rc |= rest_path(ask, "/transfers/%s", rest_uuid(call->memo, "mirror.transfer.uuid"));
    else
        rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc, json_pack("{s:s}", "state", a->state), err);
}

static int take_after(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const struct action *a = action_of(call);
    const json_t *record = rest_mirror_of(call, answer);
    const char *state = rest_text(record, "state");
    bool runs = rest_runs(rest_text(record, "transfer.state"));
    bool done = aborts(a)   ? record && !runs
                : a->begins ? runs || rest_wanted(a->state, state)
                            : rest_wanted(a->state, state);
    return done ? REST_DONE : rest_not_done(call, err);
}

const struct rest_verb moon_rest_mirror_change = {
    .steps = (const struct rest_step[]){
        [MIRROR] = {.ask = ask_before, .take = take_before},
        [WAIT] = {.ask = ask_change, .take = rest_take_done, .look = LOOK},
        [BEGIN] = {.ask = ask_change, .take = rest_take_done, .look = LOOK, .patience = BEGUN},
        [LOOK] = {.ask = rest_ask_mirror, .take = take_after}}};
