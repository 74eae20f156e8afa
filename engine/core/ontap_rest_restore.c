/* Restores of single files over REST.
 *
 * The request that restores a file differs from the one that reverts its whole volume, with all guests
 * on it, by one query field. So it is built in one place, which refuses to build it without the path
 * of a file (ask_native), and the flow lets no other request pass that has such a field or a command
 * that reverts (rest_reverts). */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- what must never be sent ------------------------------------------------------------- */

#define FIELD "restore_to"

/* At any depth: records of a bulk request have keys as well. */
static bool body_reverts(json_t *body)
{
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach (body, i, item) {
        if (body_reverts(item))
            return true;
    }
    json_object_foreach (body, key, item) {
        if (strncasecmp(key, FIELD, strlen(FIELD)) == 0 || body_reverts(item))
            return true;
    }
    return false;
}

/* The first `len` bytes without percent-encoding; owned. */
static char *decoded(const char *text, size_t len)
{
    char *plain = strndup(text, len), *to = plain;
    for (const char *p = plain; p && *p; p++, to++) {
        unsigned c;
        bool code = *p == '%' && p[1] && p[2] && sscanf(p + 1, "%2x", &c) == 1;
        *to = code ? (char)c : *p;
        p += code ? 2 : 0;
    }
    if (to)
        *to = '\0';
    return plain;
}

/* volume snapshot restore, but not restore-file */
static bool command_reverts(const char *path)
{
    static const char command[] = "/snapshot/restore";
    for (const char *p = path; (p = strcasestr(p, command)); p++) {
        if (strncasecmp(p + sizeof command - 1, "-file", 5) != 0)
            return true;
    }
    return false;
}

/* Whether a query field restores; *file: it names the file. */
static bool field_restores(const char *field, size_t len, bool *file)
{
    AUTO_FREE char *plain = decoded(field, len);
    static const char path[] = FIELD ".path=";
    if (!plain)
        return true;
    if (strncmp(plain, path, sizeof path - 1) == 0 && plain[sizeof path - 1])
        *file = true;
    return strncasecmp(plain, FIELD, strlen(FIELD)) == 0;
}

bool rest_reverts(const struct rest_ask *ask)
{
    const char *query = strchr(ask->path.data, '?');
    size_t len = query ? (size_t)(query - ask->path.data) : ask->path.len;
    bool restores = false, file = false;
    if (strcmp(ask->method, "GET") == 0)
        return false;
    AUTO_FREE char *path = decoded(ask->path.data, len);
    if (!path || command_reverts(path) || body_reverts(ask->body))
        return true;
    for (const char *p = query; p;) {
        size_t n = strcspn(++p, "&");
        restores = field_restores(p, n, &file) || restores;
        p = p[n] ? p + n : NULL;
    }
    return restores && !(ask->one_file && file);
}

enum { STEP_RESTORE = 4, STEP_LOOK, STEP_FILE, STEP_CHECK };

/* --- the forms of a file restore --------------------------------------------------------- */

/* Which form of a path the native request wants is not documented: they are tried in this order while
 * the controller refuses the value. The command line takes what a role may not do natively, and all
 * releases before 9.10.1. */
enum form { RELATIVE, ABSOLUTE, FULL, CLI, FORMS };

static const char *const form_names[FORMS] = {"relative", "absolute", "full", "cli"};

static enum form form_of(const struct moon_ontap_call *call)
{
    json_t *form = json_object_get(call->memo, "form");
    if (form)
        return (enum form)json_integer_value(form);
    return call->ontap->version >= 91001 ? RELATIVE : CLI;
}

/* The file's path in a form; owned, NULL without memory. */
static char *path_in(enum form form, const char *volume, const char *path)
{
    char *out = NULL;
    int n = form == RELATIVE ? asprintf(&out, "%s", path)
            : form == FULL   ? asprintf(&out, "/vol/%s/%s", volume, path)
                             : asprintf(&out, "/%s", path);
    return n < 0 ? NULL : out;
}

static int check_paths(const struct moon_ontap_call *call, struct moon_err *err)
{
    const char *path = moon_ontap_arg(call, "path"), *to = moon_ontap_arg(call, "to");
    const char *wrong = !path || !moon_ontap_plain_path(path) ? path
                        : to && !moon_ontap_plain_path(to)    ? to
                                                              : NULL;
    if (!path || wrong)
        return rest_fail(call, err, MOON_INVALID,
                         "path '%.200s': must be a file's path below its volume",
                         wrong ? wrong : "");
    return 0;
}

/* PATCH /storage/volumes/{uuid} with restore_to: the one place that builds it. */
static int ask_native(const struct moon_ontap_call *call, struct rest_ask *ask,
                      struct moon_err *err)
{
    const char *volume = rest_known(call, "volume.name"), *to = moon_ontap_arg(call, "to");
    const char *uuid = rest_known(call, "volume.uuid");
    const char *snapshot = moon_ontap_arg(call, "snapshot");
    if (check_paths(call, err) < 0)
        return -1;
    if (!uuid || !volume || !snapshot || !*snapshot)
        return rest_fail(call, err, MOON_INTERNAL, "volume and snapshot are not known");
    AUTO_FREE char *path = path_in(form_of(call), volume, moon_ontap_arg(call, "path"));
    AUTO_FREE char *target = to ? path_in(form_of(call), volume, to) : NULL;
    if (!path || !*path || (to && !target))
        return rest_no_memory(err);
    ask->method = "PATCH";
    ask->changes = true;
    ask->one_file = true;
    /* In the query, where a field that a release does not know is refused; with ignore_unknown_fields
     * it would be dropped, and the rest is a revert of the volume. */
    int rc = rest_path(ask, "/storage/volumes/%s", uuid);
    rc |= rest_query(ask, FIELD ".path", path);
    rc |= target ? rest_query(ask, FIELD ".restore_path", target) : 0;
    rc |= rest_query(ask, FIELD ".snapshot.name", snapshot);
    rc |= rest_query(ask, "return_timeout", "0");
    return rest_body(ask, rc, json_object(), err);
}

static int ask_cli(const struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *to = moon_ontap_arg(call, "to"), *svm = rest_known(call, "volume.svm");
    if (check_paths(call, err) < 0)
        return -1;
    AUTO_FREE char *path = path_in(CLI, "", moon_ontap_arg(call, "path"));
    AUTO_FREE char *target = to ? path_in(CLI, "", to) : NULL;
    if (!path || (to && !target))
        return rest_no_memory(err);
    ask->method = "POST";
    ask->changes = true;
    return rest_body(ask, rest_path(ask, "/private/cli/volume/snapshot/restore-file"),
                     json_pack("{s:s*, s:s, s:s, s:s, s:s*}", "vserver", svm, "volume",
                               rest_known(call, "volume.name"), "snapshot",
                               moon_ontap_arg(call, "snapshot"), "path", path, "restore-path",
                               target),
                     err);
}

static int ask_restore(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return form_of(call) == CLI ? ask_cli(call, ask, err) : ask_native(call, ask, err);
}

int rest_restore_begun(struct moon_ontap_call *call, const char *job, struct moon_err *err)
{
    call->op.result = json_pack("{s:s*, s:s}", "job", job, "form", form_names[form_of(call)]);
    return call->op.result ? REST_DONE : rest_no_memory(err);
}

/* The command answers before the data are back, and names no job: its end is waited for here. */
static int take_restore(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const char *job = rest_job_of(answer);
    return form_of(call) == CLI && !job ? rest_go(call, STEP_CHECK)
                                        : rest_restore_begun(call, job, err);
}

/* A value that the controller does not take, so that nothing has begun. */
static bool refuses_value(int status, int number)
{
    static const int numbers[] = {2, 4, 262186, 262197, 542797, 918251, 6684674};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (status >= 400 && status < 500 && numbers[i] == number)
            return true;
    }
    return false;
}

static int try_form(struct moon_ontap_call *call, enum form form, struct moon_err *err)
{
    return rest_remember(call, "form", json_integer(form)) < 0 ? rest_no_memory(err) : REST_AGAIN;
}

/* The next form; when all have been refused, it is worth a look whether the snapshot has the file. */
static int restore_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    enum form form = form_of(call);
    bool unknown_field = err->native == 262179;
    if (form < FULL && refuses_value(status, err->native))
        return try_form(call, form + 1, err);
    if (form < CLI && (unknown_field || (err->code == MOON_DENIED && status == 403)))
        return try_form(call, CLI, err);
    if (form == CLI ? err->code == MOON_DENIED || status < 400
                    : !refuses_value(status, err->native))
        return -1;
    if (rest_note_said(call, err) < 0)
        return rest_no_memory(err);
    return rest_go(call, STEP_FILE);
}

/* --- the snapshot, and the file in it ---------------------------------------------------- */

int rest_ask_source(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots", rest_known(call, "volume.uuid"));
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "snapshot"));
    rc |= rest_query(ask, "fields", "name,uuid");
    return rc ? rest_no_memory(err) : 0;
}

int rest_take_source(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    if (rest_record(answer, "name", moon_ontap_arg(call, "snapshot"), &n))
        return REST_NEXT;
    return rest_fail(call, err, MOON_NOT_FOUND, "volume '%s' has no snapshot '%s'",
                     rest_known(call, "volume.name"), moon_ontap_arg(call, "snapshot"));
}

static int ask_file(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return rest_ask_file(call, ask, moon_ontap_arg(call, "snapshot"), moon_ontap_arg(call, "path"),
                         err);
}

static int take_file(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer;
    return rest_fail_as_said(call, err);
}

static int file_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)status;
    if (err->code != MOON_NOT_FOUND || err->native == 0)
        return rest_fail_as_said(call, err);
    return rest_fail(call, err, MOON_NOT_FOUND, "snapshot '%s' does not hold the file",
                     moon_ontap_arg(call, "snapshot"));
}

/* --- whether it has begun ---------------------------------------------------------------- */

int rest_ask_jobs(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    (void)call;
    int rc = rest_path(ask, "/cluster/jobs");
    rc |= rest_query(ask, "state", "queued|running|paused");
    rc |= rest_query(ask, "fields", "description,state");
    return rc ? rest_no_memory(err) : 0;
}

int rest_jobs_of(const json_t *answer, const char *object)
{
    json_t *job;
    size_t i;
    int n = 0;
    json_array_foreach (json_object_get(answer, "records"), i, job) {
        const char *text = rest_text(job, "description");
        bool changes = text && strncmp(text, "PATCH ", 6) == 0 &&
                       (strstr(text, "/storage/volumes/") || strstr(text, "/storage/luns/"));
        n += text &&
             (strstr(text, "restore-file") || (changes && (!object || strstr(text, object))));
    }
    return n;
}

static int take_jobs(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    return rest_jobs_of(answer, rest_known(call, "volume.uuid"))
               ? rest_restore_begun(call, NULL, err)
               : rest_not_done(call, err);
}

static int check_first(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    return check_paths(call, err) < 0 ? -1 : rest_ask_version(call, ask, err);
}

const struct rest_verb moon_rest_file_restore = {
    .steps = (const struct rest_step[]){
        {.ask = check_first, .take = rest_take_version, .refused = rest_version_refused},
        {.ask = rest_ask_node_version, .take = rest_take_version, .refused = rest_version_refused},
        {.ask = rest_ask_volume_now, .take = rest_take_volume},
        {.ask = rest_ask_source, .take = rest_take_source},
        [STEP_RESTORE] = {.ask = ask_restore,
                          .take = take_restore,
                          .refused = restore_refused,
                          .look = STEP_LOOK,
                          .begin = true},
        [STEP_LOOK] = {.ask = rest_ask_jobs, .take = take_jobs},
        [STEP_FILE] = {.ask = ask_file, .take = take_file, .refused = file_refused},
        [STEP_CHECK] = REST_CHECK_STEPS(STEP_CHECK)}};
