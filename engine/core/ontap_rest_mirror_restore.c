/* Restores from a mirror's destination over REST: a relationship of its own kind is made, and one
 * transfer of it carries the files. Without a list of files it writes the whole volume: that is asked
 * for in so many words, or not done. */
#include "ontap_rest_mirror.h"

#include "auto.h"

#include <string.h>

#define MAX_FILES 8

/* --- arguments --------------------------------------------------------------------------- */

static const char *plain_file(const json_t *item, const char *key)
{
    const char *path = json_string_value(json_object_get(item, key));
    if (path && *path == '/')
        path++;
    return path && moon_ontap_plain_path(path) ? path : NULL;
}

/* The files of the transfer; NULL with *err unless each of them is named well. */
static json_t *files_of(const struct moon_ontap_call *call, struct moon_err *err)
{
    const json_t *files = json_object_get(call->args, "files");
    size_t n = json_array_size(files), i;
    AUTO_JSON json_t *out = json_array();
    json_t *item;
    if (n < 1 || n > MAX_FILES) {
        rest_fail(call, err, MOON_INVALID, "files: name one to %d of them", MAX_FILES);
        return NULL;
    }
    json_array_foreach (files, i, item) {
        const char *from = plain_file(item, "from"), *to = plain_file(item, "to");
        if (!from || !to) {
            rest_fail(call, err, MOON_INVALID,
                      "files: each is {from, to}, files' paths below their volumes");
            return NULL;
        }
        json_array_append_new(out, json_pack("{s:o, s:o}", "source_path", json_sprintf("/%s", from),
                                             "destination_path", json_sprintf("/%s", to)));
    }
    if (json_array_size(out) == n)
        return MOON_STEAL(out);
    rest_no_memory(err);
    return NULL;
}

static bool whole_volume(const struct moon_ontap_call *call)
{
    return !json_object_get(call->args, "files") &&
           json_is_true(json_object_get(call->args, "replace"));
}

static int check(const struct moon_ontap_call *call, struct moon_err *err)
{
    if (!*moon_ontap_arg(call, "snapshot"))
        return rest_fail(call, err, MOON_INVALID, "a restore needs the name of a snapshot");
    if (whole_volume(call))
        return 0;
    if (!json_object_get(call->args, "files"))
        return rest_fail(
            call, err, MOON_INVALID,
            "without files the whole destination volume is written: name the files, or "
            "say replace=true");
    AUTO_JSON json_t *files = files_of(call, err);
    return files ? 0 : -1;
}

/* --- the relationship -------------------------------------------------------------------- */

enum { RELATE, FIND, TRANSFER, LOOK, CLEAN };

static int ask_relate(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (check(call, err) < 0)
        return -1;
    ask->method = "POST";
    ask->changes = true;
    int rc = rest_path(ask, "/snapmirror/relationships");
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:{s:s}, s:{s:s}, s:b}", "source", "path",
                               moon_ontap_arg(call, "source"), "destination", "path",
                               moon_ontap_arg(call, "destination"), "restore", 1),
                     err);
}

/* Only what this call has made is taken away again. */
static int take_related(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer;
    return rest_remember(call, "made", json_true()) < 0 ? rest_no_memory(err) : REST_NEXT;
}

static int take_found(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *record = rest_mirror_of(call, answer);
    bool ours =
        record && rest_wanted(moon_ontap_arg(call, "source"), rest_text(record, "source.path"));
    if (ours && rest_in_doubt(call))
        rest_settled(call);
    if (ours)
        return rest_take_mirror(call, answer, err);
    if (rest_in_doubt(call))
        return rest_not_done(call, err);
    return rest_fail(call, err, MOON_PROTOCOL,
                     "the restore relationship was made, but is not there");
}

/* --- the transfer ------------------------------------------------------------------------ */

static int ask_transfer(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    json_t *files = whole_volume(call) ? NULL : files_of(call, err);
    if (!files && !whole_volume(call))
        return -1;
    ask->method = "POST";
    ask->changes = true;
    int rc = rest_path(ask, "/snapmirror/relationships/%s/transfers",
                       rest_uuid(call->memo, "mirror.uuid"));
    return rest_body(ask, rc,
                     json_pack("{s:s, s:o*}", "source_snapshot", moon_ontap_arg(call, "snapshot"),
                               "files", files),
                     err);
}

static int take_transfer(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *job = rest_job_of(answer);
    int rc = rest_begun_transfer(call, rest_located(call), err);
    if (job && call->op.result)
        json_object_set_new(call->op.result, "job", json_string(job));
    return rc;
}

static int transfer_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    if (status == 401 || !json_object_get(call->memo, "made"))
        return -1;
    return rest_note_said(call, err) < 0 ? rest_no_memory(err) : rest_go(call, CLEAN);
}

static int take_look(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *record = rest_mirror_of(call, answer);
    if (rest_runs(rest_text(record, "transfer.state")))
        return rest_begun_transfer(call, rest_uuid(record, "transfer.uuid"), err);
    return rest_not_done(call, err);
}

/* --- after a transfer that could not begin ----------------------------------------------- */

static int ask_clean(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "DELETE";
    ask->changes = true;
    int rc = rest_path(ask, "/snapmirror/relationships/%s", rest_uuid(call->memo, "mirror.uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rc ? rest_no_memory(err) : 0;
}

static int take_clean(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer;
    return rest_fail_as_said(call, err);
}

static int clean_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)status;
    return rest_fail_as_said(call, err);
}

const struct rest_verb moon_rest_mirror_restore = {
    .steps = (const struct rest_step[]){
        [RELATE] = {.ask = ask_relate, .take = take_related, .look = FIND},
        [FIND] = {.ask = rest_ask_mirror, .take = take_found},
        [TRANSFER] = {.ask = ask_transfer,
                      .take = take_transfer,
                      .refused = transfer_refused,
                      .look = LOOK,
                      .begin = true},
        [LOOK] = {.ask = rest_ask_mirror, .take = take_look},
        [CLEAN] = {.ask = ask_clean, .take = take_clean, .refused = clean_refused}}};
