/* ONTAPI: SnapMirror, asked at the destination. */
#include "ontap_zapi.h"

#include "auto.h"

#include <string.h>

/* --- one vocabulary for both transports -------------------------------------------------- */

static void set_text(json_t *row, const char *key, const char *text)
{
    json_object_set_new(row, key, json_string(text));
}

/* ONTAPI names six types of policies, REST two. */
static void plain_type(json_t *row)
{
    const char *type = json_string_value(json_object_get(row, "type"));
    if (!type)
        return;
    bool sync = strstr(type, "sync_mirror") != NULL && strcmp(type, "async_mirror") != 0;
    set_text(row, "type", sync || strcmp(type, "automated_failover") == 0 ? "sync" : "async");
}

static void join(json_t *row, const char *key, const char *svm, const char *volume)
{
    AUTO_BUF struct moon_buf b = {0};
    const char *s = json_string_value(json_object_get(row, svm));
    const char *v = json_string_value(json_object_get(row, volume));
    if (s && v && moon_buf_addf(&b, "%s:%s", s, v) == 0)
        set_text(row, key, b.data);
    json_object_del(row, svm);
    json_object_del(row, volume);
}

static bool finish_mirror(json_t *row)
{
    join(row, "source", "source_svm", "source_volume");
    join(row, "destination", "destination_svm", "destination_volume");
    plain_type(row);
    const char *state = zapi_value(row, "state");
    if (strcmp(state, "broken-off") == 0)
        set_text(row, "state", "broken_off");
    else if (strcmp(state, "snapmirrored") == 0 &&
             strcmp(zapi_value(row, "status"), "quiesced") == 0)
        set_text(row, "state", "paused");
    json_t *exported = json_object_get(row, "exported");
    if (exported && !json_object_get(row, "newest"))
        json_object_set(row, "newest", exported);
    json_object_del(row, "exported");
    return true;
}

#define MIRROR_FILTERS                                                                             \
    (const struct zapi_filter[])                                                                   \
    {                                                                                              \
        {"destination", "destination-vserver", "destination", ZAPI_SVM},                           \
            {"destination", "destination-volume", "destination", ZAPI_VOLUME},                     \
            {"source", "source-vserver", "source", ZAPI_SVM},                                      \
            {"source", "source-volume", "source", ZAPI_VOLUME},                                    \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

const struct zapi_list zapi_mirrors = {
    .call = "snapmirror-get-iter",
    .record = "snapmirror-info",
    .fields =
        (const struct zapi_field[]){{.key = "uuid", .path = "relationship-id"},
                                    {.key = "source", .path = "source-location"},
                                    {.key = "source_svm", .path = "source-vserver"},
                                    {.key = "source_volume", .path = "source-volume"},
                                    {.key = "destination", .path = "destination-location"},
                                    {.key = "destination_svm", .path = "destination-vserver"},
                                    {.key = "destination_volume", .path = "destination-volume"},
                                    {.key = "policy", .path = "policy"},
                                    {.key = "type", .path = "policy-type"},
                                    {.key = "state", .path = "mirror-state"},
                                    {.key = "status", .path = "relationship-status"},
                                    {"healthy", "is-healthy", ZAPI_BOOL, NULL, NULL},
                                    {.key = "reason", .path = "unhealthy-reason"},
                                    {"lag", "lag-time", ZAPI_INT, NULL, NULL},
                                    {.key = "newest", .path = "newest-snapshot"},
                                    {.key = "exported", .path = "exported-snapshot"},
                                    {"transferred", "last-transfer-size", ZAPI_INT, NULL, NULL},
                                    {"ended", "last-transfer-end-timestamp", ZAPI_INT, NULL, NULL},
                                    {.key = "schedule", .path = "schedule"},
                                    {0}},
    .filters = MIRROR_FILTERS,
    .finish = finish_mirror,
};

const struct zapi_verb zapi_list_mirrors = {
    .steps = (const struct zapi_step[]){{.list = &zapi_mirrors}}};

static bool finish_policy(json_t *row)
{
    plain_type(row);
    if (strncmp(zapi_value(row, "owner"), "cluster", 7) == 0)
        json_object_del(row, "svm"); /* every SVM may use it */
    json_object_del(row, "owner");
    return true;
}

static const struct zapi_list policies = {
    .call = "snapmirror-policy-get-iter",
    .record = "snapmirror-policy-info",
    .fields = (const struct zapi_field[]){{.key = "name", .path = "policy-name"},
                                          {.key = "svm", .path = "vserver-name"},
                                          {.key = "owner", .path = "owner"},
                                          {.key = "type", .path = "type"},
                                          {"rules", "snapmirror-policy-rules", ZAPI_RULES,
                                           "snapmirror-policy-rule-info", NULL},
                                          {0}},
    .filters = (const struct zapi_filter[]){{"name", "policy-name", "name", ZAPI_EXACT}, {0}},
    .finish = finish_policy,
};

const struct zapi_verb zapi_mirror_policies = {.steps =
                                                   (const struct zapi_step[]){{.list = &policies}}};

/* --- update ------------------------------------------------------------------------------ */

enum {
    NOT_QUIESCED = 17127,
    NO_TRANSFER = 17130,
    ANOTHER_OPERATION = 17131,
    TRANSFER_RUNS = 17137
};

static int put_rate(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    json_t *rate = json_object_get(c->args, "rate");
    if (!rate)
        return 0;
    if (json_integer_value(rate) < 1)
        return zapi_fail(c, err, MOON_INVALID, "rate: must be 1 or more");
    return moon_buf_addf(b, "<max-transfer-rate>%lld</max-transfer-rate>",
                         json_integer_value(rate));
}

static int build_update(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    if (put_rate(b, c, err) < 0)
        return -1;
    return zapi_put_arg(b, c, "destination-location", "destination", err) |
           zapi_put_arg(b, c, "source-snapshot", "snapshot", err);
}

/* One that is under way counts as begun. */
static int update_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    return number == ANOTHER_OPERATION || number == TRANSFER_RUNS ? zapi_take_empty(call, NULL, err)
                                                                  : -1;
}

const struct zapi_verb zapi_mirror_update = {
    .steps = (const struct zapi_step[]){{.call = "snapmirror-update",
                                         .build = build_update,
                                         .take = zapi_take_empty,
                                         .refused = update_refused,
                                         .begins = true}}};

/* --- a transfer -------------------------------------------------------------------------- */

static const struct zapi_list transfers = {
    .call = "snapmirror-get-iter",
    .record = "snapmirror-info",
    .fields =
        (const struct zapi_field[]){{.key = "destination", .path = "destination-location"},
                                    {.key = "source_svm", .path = "source-vserver"},
                                    {.key = "source_volume", .path = "source-volume"},
                                    {.key = "destination_svm", .path = "destination-vserver"},
                                    {.key = "destination_volume", .path = "destination-volume"},
                                    {.key = "status", .path = "relationship-status"},
                                    {.key = "last", .path = "last-transfer-type"},
                                    {.key = "error", .path = "last-transfer-error"},
                                    {"size", "last-transfer-size", ZAPI_INT, NULL, NULL},
                                    {"progress", "relationship-progress", ZAPI_INT, NULL, NULL},
                                    {0}},
    .filters = MIRROR_FILTERS,
    .finish = finish_mirror,
};

static bool at_rest(const char *status)
{
    return strcmp(status, "idle") == 0 || strcmp(status, "quiesced") == 0;
}

static const char *state_of(const json_t *row, bool running)
{
    if (running)
        return strcmp(zapi_value(row, "status"), "queued") == 0 ? "queued" : "transferring";
    if (*zapi_value(row, "error"))
        return "failed";
    return *zapi_value(row, "last") ? "success" : "none";
}

static int no_mirror(struct moon_ontap_call *call, struct moon_err *err)
{
    return zapi_fail(call, err, MOON_NOT_FOUND,
                     "no SnapMirror relationship has this destination; %s",
                     "relationships are known where their destination is: ask that SVM or cluster");
}

static int rows_transfer(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *row = json_array_get(rows, 0);
    if (!row)
        return no_mirror(call, err);
    bool running = !at_rest(zapi_value(row, "status"));
    json_t *o = json_pack("{s:b, s:s}", "running", running, "state", state_of(row, running));
    json_t *bytes = json_object_get(row, running ? "progress" : "size");
    if (bytes)
        json_object_set(o, "bytes", bytes);
    if (!running && *zapi_value(row, "error"))
        json_object_set(o, "reason", json_object_get(row, "error"));
    return zapi_give(call, o, err);
}

const struct zapi_verb zapi_mirror_transfer = {
    .steps = (const struct zapi_step[]){{.list = &transfers, .rows = rows_transfer}}};

/* --- changes ----------------------------------------------------------------------------- */

static const struct {
    const char *action, *call;
    int harmless;            /* the number with which it says that it was so before; 0: none */
    const char *key, *until; /* what the relationship must show then; NULL: it is begun */
} actions[] = {{"quiesce", "snapmirror-quiesce", 0, "status", "quiesced"},
               {"resume", "snapmirror-resume", NOT_QUIESCED, NULL, NULL},
               {"abort", "snapmirror-abort", NO_TRANSFER, NULL, NULL},
               {"break", "snapmirror-break", 0, "state", "broken_off"},
               {"resync", "snapmirror-resync", 0, NULL, NULL},
               {"initialize", "snapmirror-initialize", 0, NULL, NULL}};

enum { ACT, WAIT, ACTIONS = sizeof actions / sizeof *actions };

static size_t action_of(const struct moon_ontap_call *call)
{
    return (size_t)json_integer_value(json_object_get(call->memo, "action"));
}

static int begin_change(struct moon_ontap_call *call, struct moon_err *err)
{
    const char *action = moon_ontap_arg(call, "action");
    size_t i = 0;
    while (i < ACTIONS && strcmp(actions[i].action, action) != 0)
        i++;
    if (i == ACTIONS)
        return moon_err_set(
            err, MOON_INVALID, MOON_SRC_ENGINE, 0, "mirror_change",
            "controller %s: mirror_change %s: action '%s': must be quiesce, resume, "
            "abort, break, resync or initialize",
            call->ontap->name, moon_ontap_arg(call, "destination"), action);
    return zapi_remember(call, "action", json_integer((json_int_t)i)) < 0 ? zapi_no_memory(err) : 0;
}

static const char *change_name(const struct moon_ontap_call *call)
{
    return actions[action_of(call)].call;
}

static int build_change(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "destination-location", "destination", err);
}

static int take_change(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    (void)results, (void)err;
    return actions[action_of(call)].until ? zapi_go(call, WAIT) : ZAPI_DONE;
}

static int change_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)err;
    return number == actions[action_of(call)].harmless ? ZAPI_DONE : -1;
}

/* A quiesce waits for the transfer that is under way: so long, and then the caller may ask again. */
#define WAIT_PAUSE  1.0
#define WAIT_ROUNDS 60

static int rows_changed(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    size_t i = action_of(call);
    const json_t *row = json_array_get(rows, 0);
    json_int_t rounds = json_integer_value(json_object_get(call->memo, "rounds")) + 1;
    if (!row)
        return no_mirror(call, err);
    if (strcmp(zapi_value(row, actions[i].key), actions[i].until) == 0)
        return ZAPI_DONE;
    if (rounds > WAIT_ROUNDS)
        return zapi_fail(call, err, MOON_BUSY,
                         "%s is begun, the relationship is %s (%s); ask again later",
                         actions[i].action, zapi_value(row, "state"), zapi_value(row, "status"));
    call->delay = WAIT_PAUSE;
    return zapi_remember(call, "rounds", json_integer(rounds)) < 0 ? zapi_no_memory(err)
                                                                   : ZAPI_NEXT;
}

const struct zapi_verb zapi_mirror_change = {
    .begin = begin_change,
    .steps = (const struct zapi_step[]){[ACT] = {.named = change_name,
                                                 .build = build_change,
                                                 .take = take_change,
                                                 .refused = change_refused,
                                                 .begins = true},
                                        [WAIT] = {.list = &zapi_mirrors, .rows = rows_changed}}};

/* --- restore ----------------------------------------------------------------------------- */

static int begin_restore(struct moon_ontap_call *call, struct moon_err *err)
{
    const json_t *files = json_object_get(call->args, "files");
    if (files && json_array_size(files) == 0)
        return zapi_fail(call, err, MOON_INVALID, "files: must be one to eight of {from, to}");
    if (files)
        return zapi_fail(call, err, MOON_UNSUPPORTED,
                         "ONTAPI restores whole volumes from a mirror; single files need %s",
                         "ONTAP_API=rest, or a clone at the secondary");
    if (!json_is_true(json_object_get(call->args, "replace")))
        return zapi_fail(
            call, err, MOON_INVALID,
            "without files the whole destination volume is written; say replace=true if "
            "that is meant");
    return 0;
}

static int build_restore(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "destination-location", "destination", err) |
           zapi_put_arg(b, c, "source-location", "source", err) |
           zapi_put_arg(b, c, "source-snapshot", "snapshot", err);
}

static int take_restore(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    json_t *o = json_object();
    zapi_text(o, "job", results, "result-jobid");
    return zapi_give(call, o, err);
}

const struct zapi_verb zapi_mirror_restore = {
    .begin = begin_restore,
    .steps = (const struct zapi_step[]){{.call = "snapmirror-restore",
                                         .build = build_restore,
                                         .take = take_restore,
                                         .begins = true}}};
