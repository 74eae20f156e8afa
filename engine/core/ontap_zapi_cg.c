/* ONTAPI: a snapshot of several volumes at one moment. cg-start holds back the writes of all of them,
 * cg-commit completes the snapshots and lets the writes go on; without it ONTAP gives up by itself. The
 * id that goes from one to the other holds all that the second half needs. */
#include "ontap_zapi.h"

#include "auto.h"
#include "memory.h"

#include <string.h>

/* --- start ------------------------------------------------------------------------------- */

static int put_timeout(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    json_t *timeout = json_object_get(c->args, "timeout");
    json_int_t seconds = json_integer_value(timeout);
    if (!timeout)
        return 0;
    if (seconds < 5 || seconds > 120)
        return zapi_fail(c, err, MOON_INVALID, "timeout: must be from 5 to 120 seconds");
    return moon_buf_addf(b, "<user-timeout>%lld</user-timeout>", seconds);
}

static int build_start(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const json_t *volumes = json_object_get(c->args, "volumes");
    const char *name = moon_ontap_arg(c, "name");
    size_t i;
    json_t *volume;
    if (json_array_size(volumes) == 0)
        return zapi_fail(c, err, MOON_INVALID, "volumes: must be a list of names");
    if (!zapi_plain(name, false))
        return zapi_fail(c, err, MOON_INVALID, "a group's snapshot has a name without %s",
                         "* ? | ! < > [ ] { } \" and ..");
    if (put_timeout(b, c, err) < 0)
        return -1;
    int rc = zapi_put(b, "snapshot", name, err) | moon_buf_adds(b, "<volumes>");
    json_array_foreach (volumes, i, volume) {
        const char *text = json_string_value(volume);
        if (zapi_check_volume(c, text ? text : "", err) < 0)
            return -1;
        rc |= zapi_put(b, "volume-name", text, err);
    }
    return rc | moon_buf_adds(b, "</volumes>");
}

static int take_start(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    AUTO_FREE char *id = moon_xml_child_text(results, "cg-id");
    if (!id || !*id)
        return zapi_fail(call, err, MOON_PROTOCOL, "the controller gave no id");
    AUTO_JSON json_t *whole = json_pack(
        "{s:s, s:O, s:s, s:s*, s:s*}", "cg", id, "volumes", json_object_get(call->args, "volumes"),
        "name", moon_ontap_arg(call, "name"), "comment", moon_ontap_arg(call, "comment"), "label",
        moon_ontap_arg(call, "label"));
    AUTO_FREE char *text = moon_memory_dump(whole, JSON_COMPACT | JSON_SORT_KEYS);
    return text ? zapi_give(call, json_pack("{s:s, s:b}", "id", text, "committed", 0), err)
                : zapi_no_memory(err);
}

const struct zapi_verb zapi_cg_start = {
    .steps =
        (const struct zapi_step[]){{.call = "cg-start", .build = build_start, .take = take_start}}};

/* --- commit ------------------------------------------------------------------------------ */

enum { COMMIT, AGAIN, LOOK, MODIFY };

static const json_t *group(const struct moon_ontap_call *call)
{
    return json_object_get(call->memo, "group");
}

static int begin_commit(struct moon_ontap_call *call, struct moon_err *err)
{
    json_t *id = moon_memory_parse(moon_ontap_arg(call, "id"),
                                   json_string_length(json_object_get(call->args, "id")), 0, NULL);
    if (!json_is_object(id)) {
        json_decref(id);
        id = json_object();
    }
    return zapi_remember(call, "group", id) < 0 ? zapi_no_memory(err) : 0;
}

static const char *volume_at(const struct moon_ontap_call *call, size_t i)
{
    return json_string_value(json_array_get(json_object_get(group(call), "volumes"), i));
}

static int build_commit(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const char *id = zapi_value(group(c), "cg");
    if (!*id || !volume_at(c, 0))
        return zapi_fail(c, err, MOON_INVALID, "id: is none that cg_start gave");
    return zapi_put(b, "cg-id", id, err);
}

/* Committed or not, and why not: the volumes decide. */
static int take_commit(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    (void)results, (void)err;
    return json_is_false(json_object_get(call->args, "look")) ? ZAPI_DONE : zapi_go(call, LOOK);
}

static int commit_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)number;
    return zapi_doubt(call, err);
}

/* A commit whose answer was lost may never have come, and until the time is over a volume may list a snapshot that then goes
 * again. After a second one nothing is under way any more, so that looking tells the truth. */
static int again_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)number, (void)err;
    return zapi_go(call, LOOK);
}

static json_t *where_group(const struct moon_ontap_call *call)
{
    AUTO_BUF struct moon_buf any = {0};
    for (size_t i = 0; volume_at(call, i); i++) {
        if (moon_buf_addf(&any, "%s%s", i ? "|" : "", volume_at(call, i)) < 0)
            return NULL;
    }
    return json_pack("{s:s, s:s}", "name", zapi_value(group(call), "name"), "volumes",
                     any.data ? any.data : "");
}

static bool has_volume(const json_t *rows, const char *volume)
{
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        if (strcmp(zapi_value(row, "volume"), volume) == 0)
            return true;
    }
    return false;
}

static int fail_partial(struct moon_ontap_call *call, const char *missing, const char *found,
                        struct moon_err *err)
{
    const json_t *why = json_object_get(call->memo, "why");
    char where[256] = "; try again";
    if (*found)
        snprintf(where, sizeof where, " and is there on %.180s; delete it there and try again",
                 found);
    return zapi_fail(call, err, MOON_PARTIAL, "snapshot '%s' is missing on volume %s%s%s%s",
                     zapi_value(group(call), "name"), missing, where, why ? ": " : "",
                     why ? zapi_value(why, "message") : "");
}

static int rows_group(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *why = json_object_get(call->memo, "why");
    AUTO_BUF struct moon_buf missing = {0}, found = {0};
    for (size_t i = 0; volume_at(call, i); i++) {
        struct moon_buf *b = has_volume(rows, volume_at(call, i)) ? &found : &missing;
        if (moon_buf_addf(b, "%s%s", b->len ? ", " : "", volume_at(call, i)) < 0)
            return zapi_no_memory(err);
    }
    /* What the controller itself calls a failure is no group, even where every snapshot is there. */
    if (why && (missing.len || zapi_was_refused(call))) {
        int rc = zapi_not_so(call, err);
        if (rc == ZAPI_NEXT || !found.len || !missing.len)
            return rc;
    }
    if (missing.len)
        return fail_partial(call, missing.data, found.data ? found.data : "", err);
    bool texts = json_object_get(group(call), "comment") || json_object_get(group(call), "label");
    return texts ? zapi_go(call, MODIFY) : ZAPI_DONE;
}

/* cg-start takes neither comment nor label: each volume's snapshot gets them afterwards. */
static int build_texts(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    size_t at = (size_t)json_integer_value(json_object_get(c->memo, "at"));
    int rc = moon_buf_adds(b, "<query><snapshot-info>");
    rc |= zapi_put(b, "name", zapi_value(group(c), "name"), err);
    rc |= zapi_put(b, "volume", volume_at(c, at), err);
    rc |= moon_buf_adds(b, "</snapshot-info></query><attributes><snapshot-info>");
    rc |= zapi_put(b, "comment", json_string_value(json_object_get(group(c), "comment")), err);
    rc |=
        zapi_put(b, "snapmirror-label", json_string_value(json_object_get(group(c), "label")), err);
    return rc | moon_buf_adds(b, "</snapshot-info></attributes>");
}

static int take_texts(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    (void)results;
    json_int_t at = json_integer_value(json_object_get(call->memo, "at")) + 1;
    if (!volume_at(call, (size_t)at))
        return ZAPI_DONE;
    return zapi_remember(call, "at", json_integer(at)) < 0 ? zapi_no_memory(err)
                                                           : zapi_go(call, MODIFY);
}

static int texts_refused(struct moon_ontap_call *call, int number, struct moon_err *err)
{
    (void)number;
    char text[512];
    snprintf(text, sizeof text, "%.500s", err->message);
    return zapi_fail(call, err, MOON_PARTIAL,
                     "every volume has snapshot '%s', but not its comment and label: %s",
                     zapi_value(group(call), "name"), text);
}

const struct zapi_verb zapi_cg_commit = {
    .steps =
        (const struct zapi_step[]){
            [COMMIT] = {.call = "cg-commit",
                        .build = build_commit,
                        .take = take_commit,
                        .refused = commit_refused},
            [AGAIN] = {.call = "cg-commit",
                       .build = build_commit,
                       .take = take_commit,
                       .refused = again_refused},
            [LOOK] = {.list = &zapi_snapshots, .where = where_group, .rows = rows_group},
            [MODIFY] = {.call = "snapshot-modify-iter",
                        .build = build_texts,
                        .take = take_texts,
                        .refused = texts_refused}},
    .begin = begin_commit,
    .look = LOOK,
    .again = AGAIN};
