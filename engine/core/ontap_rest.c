/* ONTAP REST over HTTP: the flow of a call through the steps of its verb. Errors are told apart by
 * error.code, and by the HTTP status where there is none. What changed something and whose outcome
 * is not known (a lost answer, a job that is gone) is looked at before anything is said of it. */
#include "ontap_rest.h"

#include "auto.h"
#include "clock.h"
#include "memory.h"

#include <string.h>

#define PAGE          1000
#define POLL_FIRST    0.1
#define POLL_MAX      2.0
#define LOOKS         3
#define LOOK_PAUSE    0.5
#define ANSWER_MARGIN 5.0 /* seconds of a request's time that the answer itself may need */

static const struct rest_step *step_of(const struct moon_ontap_call *call)
{
    return &moon_rest_verbs[call->verb]->steps[call->step];
}

/* --- memory ------------------------------------------------------------------------------ */

const char *rest_known(const struct moon_ontap_call *call, const char *path)
{
    return rest_text(call->memo, path);
}

int rest_remember(struct moon_ontap_call *call, const char *key, json_t *value)
{
    if (!call->memo)
        call->memo = json_object();
    return json_object_set_new(call->memo, key, value);
}

static void forget(struct moon_ontap_call *call, const char *key)
{
    json_object_del(call->memo, key);
}

/* --- a change whose outcome is not known ------------------------------------------------- */

bool rest_in_doubt(const struct moon_ontap_call *call)
{
    return json_object_get(call->memo, "doubt") != NULL;
}

/* An error as the memo keeps it. */
static json_t *kept(const struct moon_err *err)
{
    return json_pack("{s:i, s:i, s:i, s:s}", "code", (int)err->code, "source", (int)err->source,
                     "native", err->native, "text", err->message);
}

static int fail_as_kept(const struct moon_ontap_call *call, const char *key, const char *still,
                        struct moon_err *err)
{
    const json_t *why = json_object_get(call->memo, key);
    const char *text = rest_text(why, "text");
    return moon_err_set(err, (enum moon_code)json_integer_value(rest_at(why, "code")),
                        (enum moon_source)json_integer_value(rest_at(why, "source")),
                        (int)json_integer_value(rest_at(why, "native")),
                        moon_ontap_verb_name(call->verb), "%s%s%s", text ? text : "failed",
                        still ? "; " : "", still ? still : "");
}

/* Fails with what raised the doubt, and why it stays. */
static int fail_in_doubt(const struct moon_ontap_call *call, const char *still,
                         struct moon_err *err)
{
    return fail_as_kept(call, "doubt", still, err);
}

int rest_note_said(struct moon_ontap_call *call, const struct moon_err *err)
{
    return rest_remember(call, "said", kept(err));
}

int rest_fail_as_said(const struct moon_ontap_call *call, struct moon_err *err)
{
    return fail_as_kept(call, "said", NULL, err);
}

/* *err says what happened to a change. On to the step that looks at the object, if there is one. */
static int doubt(struct moon_ontap_call *call, struct moon_err *err)
{
    const struct rest_step *step = step_of(call);
    forget(call, "job");
    if (json_object_get(call->memo, "said")) /* it was to clear up after that */
        return rest_fail_as_said(call, err);
    if (rest_remember(call, "doubt", kept(err)) < 0)
        return -1;
    if (!step->look)
        return fail_in_doubt(call, "whether it was carried out is not known", err);
    call->delay = 0;
    return rest_go(call, step->look);
}

int rest_not_done(struct moon_ontap_call *call, struct moon_err *err)
{
    json_int_t looks = json_integer_value(json_object_get(call->memo, "looks")) + 1;
    if (looks >= LOOKS)
        return fail_in_doubt(call, "what it should have done is not to be seen", err);
    if (rest_remember(call, "looks", json_integer(looks)) < 0)
        return rest_no_memory(err);
    call->delay = LOOK_PAUSE * (double)looks;
    return REST_AGAIN;
}

int rest_settled(struct moon_ontap_call *call)
{
    forget(call, "doubt");
    forget(call, "looks");
    return REST_NEXT;
}

/* Whether the request that is under way could have changed something. */
static bool changing(const struct moon_ontap_call *call)
{
    return rest_known(call, "job") || json_object_get(call->memo, "changing");
}

/* A request failed without saying whether it was carried out. */
static int unknown(struct moon_ontap_call *call, struct moon_err *err)
{
    if (changing(call))
        return doubt(call, err);
    if (!rest_in_doubt(call))
        return -1;
    char still[300];
    snprintf(still, sizeof still, "looking whether it was done failed as well: %.220s",
             err->message);
    return fail_in_doubt(call, still, err);
}

/* --- requests ---------------------------------------------------------------------------- */

const char *rest_patience(const struct moon_ontap_call *call)
{
    double t = call->ontap->timeout;
    return t <= 0 || t >= 15 + ANSWER_MARGIN ? "15" : t >= 2 * ANSWER_MARGIN ? "5" : "0";
}

static void ask_free(struct rest_ask *ask)
{
    moon_buf_free(&ask->path);
    json_decref(ask->body);
}

static int ask_page(struct moon_ontap_call *call, const char *href, struct rest_ask *ask,
                    struct moon_err *err)
{
    if (!rest_link_ok(href))
        return rest_fail(call, err, MOON_INVALID, "'%s' is not a page of this list", href);
    return moon_buf_adds(&ask->path, href + strlen("/api"));
}

static int ask_list(struct moon_ontap_call *call, const struct rest_step *step,
                    struct rest_ask *ask, struct moon_err *err)
{
    if (call->tag)
        return ask_page(call, call->tag, ask, err);
    int rc = step->ask(call, ask, err);
    if (rc)
        return rc;
    char rows[24];
    snprintf(rows, sizeof rows, "%d", (int)moon_ontap_page_size(call, PAGE));
    return rest_query(ask, "max_records", rows) < 0 ? rest_no_memory(err) : 0;
}

static int ask_job(const char *job, struct rest_ask *ask, struct moon_err *err)
{
    return rest_path(ask, "/cluster/jobs/%s", job) < 0 ? rest_no_memory(err) : 0;
}

/* The next thing to ask; steps that have nothing to ask are passed over. */
static int ask_next(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const char *job = rest_known(call, "job");
    if (job)
        return ask_job(job, ask, err);
    int rc = 0;
    do {
        const struct rest_step *step = step_of(call);
        rc = step->list ? ask_list(call, step, ask, err) : step->ask(call, ask, err);
        if (rc == REST_NEXT)
            call->step++;
    } while (rc > 0);
    const char *more = rc == 0 && !ask->changes ? rest_known(call, "more") : NULL;
    if (!more)
        return rc;
    moon_buf_free(&ask->path);
    return ask_page(call, more, ask, err);
}

static int fill_headers(const struct moon_ontap_call *call, const struct rest_ask *ask,
                        struct moon_ontap_request *out, struct moon_err *err)
{
    const char *svm = ask->cluster ? NULL : call->ontap->svm;
    size_t n = 0;
    out->lines[n++] = "Accept: application/json";
    out->lines[n++] = "X-Dot-Client-App: moonsnap/" MOON_VERSION;
    if (ask->body)
        out->lines[n++] = "Content-Type: application/json";
    if (svm && svm[strcspn(svm, "\r\n")])
        return rest_fail(call, err, MOON_INVALID, "'%s' is not the name of an SVM", svm);
    if (svm) {
        if (asprintf(&out->line, "X-Dot-SVM-Name: %s", svm) < 0) {
            out->line = NULL;
            return rest_no_memory(err);
        }
        out->lines[n++] = out->line;
    }
    out->headers = out->lines;
    return 0;
}

/* What messages about rights say: method and address without the query. */
static int note_asked(struct moon_ontap_call *call, const struct rest_ask *ask,
                      struct moon_err *err)
{
    char asked[128];
    snprintf(asked, sizeof asked, "%s /api%.*s", ask->method, (int)strcspn(ask->path.data, "?"),
             ask->path.data);
    if (rest_remember(call, "asked", json_string(asked)) < 0)
        return rest_no_memory(err);
    forget(call, "changing");
    if (strcmp(ask->method, "GET") != 0 && rest_remember(call, "changing", json_true()) < 0)
        return rest_no_memory(err);
    return 0;
}

static int rest_request(struct moon_ontap_call *call, struct moon_ontap_request *out,
                        struct moon_err *err)
{
    __attribute__((cleanup(ask_free))) struct rest_ask ask = {.method = "GET"};
    if (!moon_rest_verbs[call->verb])
        return rest_fail(call, err, MOON_UNSUPPORTED, "not over REST; set ONTAP_API=zapi");
    if (ask_next(call, &ask, err) < 0)
        return -1;
    if (rest_reverts(&ask))
        return rest_fail(
            call, err, MOON_INVALID,
            "this would revert a whole volume, which is never done; restores go through "
            "file_restore and lun_restore");
    if (note_asked(call, &ask, err) < 0 || fill_headers(call, &ask, out, err) < 0)
        return -1;
    out->method = ask.method;
    out->changes = ask.changes;
    out->warm = ask.warm;
    if (asprintf(&out->url, "%s/api%s", call->ontap->base, ask.path.data) < 0) {
        out->url = NULL;
        return rest_no_memory(err);
    }
    if (ask.body) {
        AUTO_FREE char *text = moon_memory_dump(ask.body, JSON_COMPACT | JSON_SORT_KEYS);
        if (!text || moon_buf_adds(&out->body, text) < 0)
            return rest_no_memory(err);
    }
    return 0;
}

/* --- answers ----------------------------------------------------------------------------- */

int rest_go(struct moon_ontap_call *call, int step)
{
    call->step = step;
    return REST_AGAIN;
}

/* What a step said, as the core wants it. */
static int onward(struct moon_ontap_call *call, int said)
{
    if (said == REST_NEXT)
        call->step++;
    return said > 0 ? 1 : said;
}

/* The volume's uuid was remembered, and nothing has it any more: look it up once more. Not after a
 * change that was made, which would be made twice. */
static bool begin_again(struct moon_ontap_call *call, const struct moon_err *err)
{
    const char *name = rest_known(call, "remembered");
    if (!name || err->native != 4 || err->source != MOON_SRC_ONTAP || rest_in_doubt(call) ||
        json_object_get(call->memo, "changed"))
        return false;
    json_object_del(call->ontap->uuids, name);
    json_object_clear(call->memo);
    call->step = 0;
    return true;
}

static int refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    const struct rest_step *step = step_of(call);
    forget(call, "job");
    forget(call, "records");
    forget(call, "more");
    if (begin_again(call, err))
        return 1;
    int rc = step->refused ? step->refused(call, status, err) : -1;
    if (rc < 0 && rest_in_doubt(call))
        return unknown(call, err);
    return onward(call, rc);
}

/* ONTAP itself says that it does not know what became of the snapshot. */
static bool says_unknown(const struct moon_err *err)
{
    return err->source == MOON_SRC_ONTAP && err->native >= 1638537 && err->native <= 1638539;
}

/* An error inside of the controller says nothing of what was done by then. The command line has the
 * same numbers for everything. */
static bool says_internal(const struct moon_ontap_call *call, const struct moon_err *err)
{
    static const int numbers[] = {65541, 65552, 65562, 262210};
    const char *asked = rest_known(call, "asked");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (err->source == MOON_SRC_ONTAP && err->native == numbers[i])
            return !asked || !strstr(asked, "/private/cli/");
    }
    return false;
}

const char *rest_located(const struct moon_ontap_call *call)
{
    const char *location = rest_known(call, "location");
    const char *last = location && !strchr(location, '?') ? strrchr(location, '/') : NULL;
    AUTO_JSON json_t *o = last ? json_pack("{s:s}", "uuid", last + 1) : NULL;
    return rest_uuid(o, "uuid") ? last + 1 : NULL;
}

const char *rest_job_of(const json_t *answer)
{
    return rest_uuid(answer, "job.uuid");
}

static int on_job(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                  const json_t *job, struct moon_err *err)
{
    double since = json_number_value(json_object_get(call->memo, "since"));
    double pause = json_number_value(json_object_get(call->memo, "pause"));
    const char *state = rest_text(job, "state");
    if (reply->status != 200 || !state) {
        const char *message = rest_text(job, "error.message");
        rest_fail(call, err, MOON_IO, "its job %s cannot be asked for any more: %.200s (HTTP %ld)",
                  rest_known(call, "job"), message ? message : "it has no state", reply->status);
        return doubt(call, err);
    }
    const json_t *wrong = rest_job_error(job);
    if (strcmp(state, "success") == 0 && wrong) {
        rest_refuse(call, 500, wrong, err);
        return doubt(call, err);
    }
    if (strcmp(state, "success") == 0) {
        forget(call, "job");
        return onward(call, step_of(call)->take(call, job, err));
    }
    if (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0 &&
        strcmp(state, "paused") != 0) {
        rest_refuse(call, 500, wrong ? wrong : job, err);
        return says_unknown(err) ? doubt(call, err) : refused(call, 500, err);
    }
    double patience = step_of(call)->patience;
    if (patience > 0 && moon_clock_mono() - since > patience) {
        forget(call, "job");
        return onward(call, step_of(call)->take(call, job, err));
    }
    if (moon_clock_mono() - since > MOON_ONTAP_JOB_PATIENCE) {
        rest_fail(call, err, MOON_TIMEOUT, "its job %s runs on after %.0f s",
                  rest_known(call, "job"), MOON_ONTAP_JOB_PATIENCE);
        return doubt(call, err);
    }
    call->delay = pause;
    return rest_remember(call, "pause", json_real(pause * 2 < POLL_MAX ? pause * 2 : POLL_MAX)) < 0
               ? rest_no_memory(err)
               : 1;
}

/* It goes on as a job: poll that. */
static int await_job(struct moon_ontap_call *call, const char *job, struct moon_err *err)
{
    if (rest_remember(call, "job", json_string(job)) < 0 ||
        rest_remember(call, "since", json_real(moon_clock_mono())) < 0 ||
        rest_remember(call, "pause", json_real(POLL_FIRST * 2)) < 0)
        return rest_no_memory(err);
    call->delay = POLL_FIRST;
    return 1;
}

/* A question that takes longer than 15 s is answered with the records found so far, be it none, and a link to go on (NetApp's
 * API reference, on return_timeout). Who looks something up sees the records of all pages, or what is there would be called
 * missing or gone. 1: there are more to ask for. */
static int gather(struct moon_ontap_call *call, json_t *answer, struct moon_err *err)
{
    json_t *records = json_object_get(answer, "records");
    const char *next = rest_text(answer, "_links.next.href"), *before = rest_known(call, "more");
    if (!json_is_array(records) || step_of(call)->list || step_of(call)->begin || changing(call))
        return 0;
    bool more = next && !(before && strcmp(before, next) == 0);
    json_t *all = json_object_get(call->memo, "records");
    if (all && json_array_extend(all, records) < 0)
        return rest_no_memory(err);
    if (more && !rest_link_ok(next)) {
        rest_fail(call, err, MOON_PROTOCOL, "what was found goes on at '%.200s', %s", next,
                  "which is not a page of this controller");
        return unknown(call, err);
    }
    if (more && ((!all && rest_remember(call, "records", json_incref(records)) < 0) ||
                 rest_remember(call, "more", json_string(next)) < 0))
        return rest_no_memory(err);
    if (more)
        return 1;
    int rc = all ? json_object_set(answer, "records", all) : 0;
    forget(call, "records");
    forget(call, "more");
    return rc < 0 ? rest_no_memory(err) : 0;
}

static int accepted(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                    json_t *answer, struct moon_err *err)
{
    int more = gather(call, answer, err);
    if (more)
        return more;
    const struct rest_step *step = step_of(call);
    const char *job = rest_job_of(answer);
    if (*reply->location && rest_remember(call, "location", json_string(reply->location)) < 0)
        return rest_no_memory(err);
    if (changing(call) && rest_remember(call, "changed", json_true()) < 0)
        return rest_no_memory(err);
    if (rest_remember(call, "status", json_integer(reply->status)) < 0)
        return rest_no_memory(err);
    if (job && !step->begin)
        return await_job(call, job, err);
    if (reply->status == 202 && !job && !step->begin) {
        rest_fail(call, err, MOON_PROTOCOL, "goes on without a job to ask for (HTTP 202)");
        return unknown(call, err);
    }
    return onward(call, step->take(call, answer, err));
}

/* No ONTAP error code: did the request reach what carries it out? */
static bool status_is_vague(int status)
{
    return status == 500 || status == 502 || status == 504;
}

static int rest_reply(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      struct moon_err *err)
{
    int status = (int)reply->status;
    bool good = status >= 200 && status < 300;
    const char *why = NULL;
    AUTO_JSON json_t *answer = rest_parse(reply->body.data, reply->body.len, &why);
    /* A job's record tells of the job, not of this request. */
    bool record = good && json_object_get(answer, "state");
    const json_t *error = record ? NULL : json_object_get(answer, "error");
    if (status == 401) {
        rest_refuse_plain(call, reply, err);
        return refused(call, status, err);
    }
    if (rest_known(call, "job"))
        return on_job(call, reply, answer, err);
    if (good && !answer) {
        rest_fail(call, err, MOON_PROTOCOL, "the answer is not JSON: %s", why);
        return unknown(call, err);
    }
    if (good && !json_is_object(error))
        return accepted(call, reply, answer, err);
    if (!json_is_object(error)) {
        rest_refuse_plain(call, reply, err);
        return status_is_vague(status) ? unknown(call, err) : refused(call, status, err);
    }
    rest_refuse(call, status, error, err);
    return says_unknown(err) || (changing(call) && says_internal(call, err))
               ? unknown(call, err)
               : refused(call, status, err);
}

static int rest_lost(struct moon_ontap_call *call, const struct moon_err *why, struct moon_err *err)
{
    if (rest_known(call, "job")) {
        rest_fail(call, err, why->code, "its job %s could not be asked for: %.300s",
                  rest_known(call, "job"), why->message);
        return doubt(call, err);
    }
    *err = *why;
    return unknown(call, err);
}

int rest_take_done(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)call, (void)answer, (void)err;
    return REST_DONE;
}

int rest_take_next(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)call, (void)answer, (void)err;
    return REST_NEXT;
}

const struct moon_ontap_ops moon_ontap_rest = {
    .name = "rest", .request = rest_request, .reply = rest_reply, .lost = rest_lost};
