/* Files below a volume over REST: what they are, copies of them by clone, and how restores stand. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- what a file is ---------------------------------------------------------------------- */

int rest_ask_file(struct moon_ontap_call *call, struct rest_ask *ask, const char *snapshot,
                  const char *path, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes/%s/files/", rest_known(call, "volume.uuid"));
    if (snapshot) {
        rc |= rest_component(ask, ".snapshot/");
        rc |= rest_component(ask, snapshot);
        rc |= rest_component(ask, "/");
    }
    rc |= rest_component(ask, path);
    rc |= rest_query(ask, "return_metadata", "true");
    rc |= rest_query(ask, "fields", "type,size,modified_time");
    return rc ? rest_no_memory(err) : 0;
}

const json_t *rest_file_of(const json_t *answer)
{
    return json_array_get(json_object_get(answer, "records"), 0);
}

const char *rest_below_volume(const char *path)
{
    const char *p = path && strncmp(path, "/vol/", 5) == 0 ? strchr(path + 5, '/') : NULL;
    return p && p[1] ? p + 1 : NULL;
}

/* Below the volume, in a snapshot too, but never outside. */
static bool is_readable(const char *path)
{
    static const char snapshots[] = ".snapshot/";
    if (path && strncmp(path, snapshots, sizeof snapshots - 1) == 0)
        path += sizeof snapshots - 1;
    return path && moon_ontap_plain_path(path);
}

static int ask_info(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *path = rest_below_volume(moon_ontap_arg(call, "path"));
    if (!is_readable(path))
        return rest_fail(call, err, MOON_INVALID, "a path is /vol/VOLUME/FILE");
    return rest_ask_file(call, ask, NULL, path, err);
}

static int take_info(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *file = rest_file_of(answer);
    if (!file)
        return rest_fail(call, err, MOON_NOT_FOUND, "there is no such file");
    if (!(call->op.result = json_object()))
        return rest_no_memory(err);
    rest_put_int(call->op.result, "size", file, "size");
    rest_put_text(call->op.result, "type", file, "type");
    rest_put_time(call->op.result, "modified", file, "modified_time");
    return REST_DONE;
}

const struct rest_verb moon_rest_file_info = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_volume, .take = rest_take_volume},
                                        {.ask = ask_info, .take = take_info}}};

/* --- clones ------------------------------------------------------------------------------ */

static int ask_clone(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *from = moon_ontap_arg(call, "from"), *to = moon_ontap_arg(call, "to");
    const char *snapshot = moon_ontap_arg(call, "snapshot");
    AUTO_FREE char *source = NULL;
    bool overwrite = json_is_true(json_object_get(call->args, "overwrite"));
    if (!moon_ontap_plain_path(from) || !moon_ontap_plain_path(to))
        return rest_fail(call, err, MOON_INVALID,
                         "'%.100s' to '%.100s': must be files' paths below their volume", from, to);
    if (asprintf(&source, "%s%s%s%s", snapshot ? ".snapshot/" : "", snapshot ? snapshot : "",
                 snapshot ? "/" : "", from) < 0) {
        source = NULL;
        return rest_no_memory(err);
    }
    ask->method = "POST";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/file/clone");
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:{s:s, s:s}, s:s, s:s, s:o*}", "volume", "name",
                               rest_known(call, "volume.name"), "uuid",
                               rest_known(call, "volume.uuid"), "source_path", source,
                               "destination_path", to, "overwrite_destination",
                               overwrite ? json_true() : NULL),
                     err);
}

static int ask_cloned(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return rest_ask_file(call, ask, NULL, moon_ontap_arg(call, "to"), err);
}

/* A file that should be overwritten was there before: that it is there now says nothing. */
static int take_cloned(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    bool overwrite = json_is_true(json_object_get(call->args, "overwrite"));
    return rest_file_of(answer) && !overwrite ? REST_DONE : rest_not_done(call, err);
}

static int not_cloned(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)status;
    return err->code == MOON_NOT_FOUND ? rest_not_done(call, err) : -1;
}

const struct rest_verb moon_rest_file_clone = {
    .steps = (const struct rest_step[]){
        {.ask = rest_ask_volume_now, .take = rest_take_volume},
        {.ask = ask_clone, .take = rest_take_done, .look = 2},
        {.ask = ask_cloned, .take = take_cloned, .refused = not_cloned}}};

/* --- how a restore stands ---------------------------------------------------------------- */

static int ask_job(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (!moon_ontap_arg(call, "job"))
        return REST_NEXT;
    const char *job = rest_uuid(call->args, "job");
    if (!job)
        return rest_fail(call, err, MOON_INVALID, "a job of REST has a uuid");
    return rest_path(ask, "/cluster/jobs/%s", job) < 0 ? rest_no_memory(err) : 0;
}

static int stands(struct moon_ontap_call *call, int running, struct moon_err *err)
{
    call->op.result = json_pack("{s:i}", "running", running);
    return call->op.result ? REST_DONE : rest_no_memory(err);
}

static int take_job(struct moon_ontap_call *call, const json_t *job, struct moon_err *err)
{
    const char *state = rest_text(job, "state");
    const json_t *wrong = rest_job_error(job);
    if (!state)
        return rest_fail(call, err, MOON_PROTOCOL, "the job has no state");
    if (strcmp(state, "success") == 0 && !wrong)
        return stands(call, 0, err);
    if (strcmp(state, "queued") == 0 || strcmp(state, "running") == 0 ||
        strcmp(state, "paused") == 0)
        return stands(call, 1, err);
    return rest_refuse(call, 500, wrong ? wrong : job, err);
}

/* A job is forgotten some minutes after its end, and what was overwritten does not show whether all of
 * it was: then nobody knows. */
static int job_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)status;
    if (err->code != MOON_NOT_FOUND || err->native == 0)
        return -1;
    return rest_fail(call, err, MOON_IO,
                     "the controller has forgotten the job, and how it ended with it: compare what "
                     "was restored with the snapshot, or restore it again");
}

static bool is_lun(const struct moon_ontap_call *call)
{
    return !moon_ontap_arg(call, "volume") && rest_below_volume(moon_ontap_arg(call, "path"));
}

static int ask_its_volume(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return moon_ontap_arg(call, "volume") ? rest_ask_volume(call, ask, err) : REST_NEXT;
}

static int ask_its_lun(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return is_lun(call) ? rest_ask_lun(call, ask, err) : REST_NEXT;
}

static int take_jobs(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *object = rest_known(call, is_lun(call) ? "lun.uuid" : "volume.uuid");
    return stands(call, rest_jobs_of(answer, object), err);
}

const struct rest_verb moon_rest_restore_status = {
    .steps = (const struct rest_step[]){{.ask = ask_job, .take = take_job, .refused = job_refused},
                                        {.ask = ask_its_volume, .take = rest_take_volume},
                                        {.ask = ask_its_lun, .take = rest_take_lun},
                                        {.ask = rest_ask_jobs, .take = take_jobs}}};
