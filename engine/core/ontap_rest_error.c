/* The errors of REST calls: who asked for what, what the controller says, what to do about it. */
#include "ontap_rest.h"

#include "ontap_codes.h"

#include <stdarg.h>
#include <string.h>

#define NO_SVM 2621462

int rest_no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "rest", "out of memory");
}

/* "controller svm1: snapshot_rename vol1 s1 to s2" */
static void describe(const struct moon_ontap_call *call, char *out, size_t size)
{
    static const char *const objects[] = {"volume", "name", "path", "destination", "id"};
    int n = snprintf(out, size, "controller %s: %s", call->ontap->name,
                     moon_ontap_verb_name(call->verb));
    for (size_t i = 0; i < sizeof objects / sizeof *objects && n > 0 && (size_t)n < size; i++) {
        const char *object = moon_ontap_arg(call, objects[i]);
        if (object)
            n += snprintf(out + n, size - (size_t)n, " %s", object);
    }
    const char *to = moon_ontap_arg(call, "to");
    if (to && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, " to %s", to);
}

static int fail_as(const struct moon_ontap_call *call, struct moon_err *err, enum moon_code code,
                   enum moon_source source, int native, const char *text)
{
    char what[384];
    describe(call, what, sizeof what);
    return moon_err_set(err, code, source, native, moon_ontap_verb_name(call->verb), "%s: %s", what,
                        text);
}

int rest_fail(const struct moon_ontap_call *call, struct moon_err *err, enum moon_code code,
              const char *fmt, ...)
{
    char text[640];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail_as(call, err, code, MOON_SRC_ONTAP, 0, text);
}

/* --- what an answer means ---------------------------------------------------------------- */

static enum moon_code code_of_status(int status)
{
    static const struct {
        int status;
        enum moon_code code;
    } codes[] = {{401, MOON_DENIED},      {403, MOON_DENIED},   {404, MOON_NOT_FOUND},
                 {405, MOON_UNSUPPORTED}, {409, MOON_CONFLICT}, {429, MOON_BUSY},
                 {503, MOON_BUSY}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].status == status)
            return codes[i].code;
    }
    return status >= 300 && status < 400 ? MOON_PROTOCOL : status < 500 ? MOON_INVALID : MOON_IO;
}

/* The number of an error: a decimal integer in a string, in jobs also a number. */
static int number_of(const json_t *code)
{
    if (json_is_integer(code))
        return (int)json_integer_value(code);
    const char *s = json_string_value(code);
    return s && *s && !s[strspn(s, "0123456789")] && strlen(s) < 10 ? atoi(s) : 0;
}

/* `message` and `code` of an error object or of a job. */
int rest_refuse(const struct moon_ontap_call *call, int status, const json_t *error,
                struct moon_err *err)
{
    const char *message = rest_text(error, "message");
    int number = number_of(json_object_get(error, "code"));
    const struct moon_ontap_fault *fault = moon_ontap_rest_fault(number);
    enum moon_code code = fault ? fault->code : code_of_status(status);
    if (status == 429 || (status == 503 && code == MOON_IO))
        code = MOON_BUSY;
    char text[640], about[160] = "";
    const char *asked = code == MOON_DENIED ? rest_known(call, "asked") : NULL;
    if (asked)
        snprintf(about, sizeof about, " (%s)", asked);
    else if (number == NO_SVM && call->ontap->svm)
        snprintf(about, sizeof about, " (SVM '%s')", call->ontap->svm);
    snprintf(text, sizeof text, "%.320s (code %d)%s%s%s", message ? message : "no reason given",
             number, fault ? "; " : "", fault ? fault->remedy : "", about);
    return fail_as(call, err, code, MOON_SRC_ONTAP, number, text);
}

const json_t *rest_job_error(const json_t *job)
{
    const json_t *error = json_object_get(job, "error");
    if (number_of(json_object_get(error, "code")))
        return error;
    return number_of(json_object_get(job, "code")) ? job : NULL;
}

/* An answer without an error object. */
int rest_refuse_plain(const struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      struct moon_err *err)
{
    int status = (int)reply->status;
    const char *text = "the controller failed inside";
    enum moon_code code = code_of_status(status);
    if (status == 401)
        text = "wrong user or password; see NTAP_USERS";
    else if (status == 429 || status == 503)
        text = "the controller has too much to do";
    else if (status >= 300 && status < 400)
        text = "answered with a redirect, which is not followed";
    else if (status == 403)
        text = "the account may not use REST, or not this part of it";
    else if (status >= 400 && status < 500)
        text = "REST is not served there: set ONTAP_API=zapi, or auto";
    if (status == 404 || (status >= 400 && code == MOON_INVALID))
        code = MOON_UNSUPPORTED;
    char line[160];
    snprintf(line, sizeof line, "%s (HTTP %d)", text, status);
    return fail_as(call, err, code, MOON_SRC_HTTP, status, line);
}
