/* What failed: HTTP statuses, the results of a call, what a passed reply hides; and how it is said. */
#include "ontap_zapi.h"

#include "auto.h"
#include "ontap_codes.h"

#include <stdarg.h>
#include <string.h>

#define NO_SUCH_SVM 15698

/* --- messages ---------------------------------------------------------------------------- */

/* "controller svm1: snapshot-create vol1 snap1" */
void zapi_describe(const struct moon_ontap_call *call, char *out, size_t size)
{
    static const char *const objects[] = {"volume", "name",   "path",        "from",
                                          "to",     "igroup", "destination", "snapshot"};
    int n = snprintf(out, size, "controller %s: %s", call->ontap->name, zapi_call_name(call));
    if (call->verb == MOON_ONTAP_CALL)
        return;
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        const char *text = moon_ontap_arg(call, objects[i]);
        if (!text && i == 0 && call->verb == MOON_ONTAP_JOB)
            text = moon_ontap_arg(call, "id");
        if (text && n > 0 && (size_t)n < size)
            n += snprintf(out + n, size - (size_t)n, " %.200s", text);
    }
}

static int fail_from(const struct moon_ontap_call *call, enum moon_code code,
                     enum moon_source source, int native, const char *text, struct moon_err *err)
{
    char what[512];
    zapi_describe(call, what, sizeof what);
    return moon_err_set(err, code, source, native, zapi_call_name(call), "%s: %s", what, text);
}

int zapi_fail(const struct moon_ontap_call *call, struct moon_err *err, enum moon_code code,
              const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail_from(call, code, code == MOON_INVALID ? MOON_SRC_ENGINE : MOON_SRC_ONTAP, 0, text,
                     err);
}

int zapi_fault(const struct moon_ontap_call *call, int number, const char *reason,
               struct moon_err *err)
{
    const struct moon_ontap_fault *f = moon_ontap_zapi_fault(number);
    const char *svm = number == NO_SUCH_SVM ? call->ontap->svm : NULL;
    char text[768];
    snprintf(text, sizeof text, "%s%.64s%s%.400s (errno %d)%s%s", svm ? "SVM '" : "",
             svm ? svm : "", svm ? "': " : "",
             reason && *reason ? reason : "failed without a reason", number, f ? "; " : "",
             f ? f->remedy : "");
    return fail_from(call, f ? f->code : MOON_IO, MOON_SRC_ONTAP, number, text, err);
}

/* --- replies ----------------------------------------------------------------------------- */

int zapi_check_http(const struct moon_ontap_call *call, const struct moon_http_reply *reply,
                    struct moon_err *err)
{
    int status = (int)reply->status;
    char text[128];
    enum moon_code code = MOON_IO;
    snprintf(text, sizeof text, "HTTP %d", status);
    if (status == 200)
        return 0;
    if (status == 401) {
        code = MOON_DENIED;
        snprintf(text, sizeof text, "wrong user or password (HTTP 401); see NTAP_USERS");
    } else if (status == 429 || status == 503) {
        code = MOON_BUSY;
        snprintf(text, sizeof text, "the controller has too much to do (HTTP %d); %s", status,
                 "try again later, or lower ONTAP_MAX_REQUESTS");
    } else if (status >= 300 && status < 400) {
        code = MOON_PROTOCOL;
        snprintf(text, sizeof text, "answered with a redirect (HTTP %d), which is not followed",
                 status);
    } else if (status >= 400 && status < 500) {
        code = MOON_UNSUPPORTED;
        snprintf(text, sizeof text, "ONTAPI is not served there (HTTP %d); set ONTAP_API=rest",
                 status);
    }
    return fail_from(call, code, MOON_SRC_HTTP, status, text, err);
}

/* The number in a child element, 0 when there is none. */
static int number_in(const xmlNode *parent, const char *child)
{
    int64_t number = 0;
    return moon_xml_child_int(parent, child, 0, INT32_MAX, &number, NULL) < 0 ? 0 : (int)number;
}

/* A passed reply may still carry failures: one per volume that could not be read. */
static int check_volume_errors(const struct moon_ontap_call *call, const xmlNode *results,
                               int *number, struct moon_err *err)
{
    xmlNodePtr e = moon_xml_path(results, "volume-errors/volume-error");
    if (!e)
        return 0;
    AUTO_FREE char *reason = moon_xml_child_text(e, "reason");
    AUTO_FREE char *volume = moon_xml_child_text(e, "name");
    char text[512];
    snprintf(text, sizeof text, "volume '%.200s': %.250s", volume ? volume : "?",
             reason ? reason : "no reason given");
    *number = number_in(e, "errno");
    return zapi_fault(call, *number, text, err);
}

/* So may those of calls that change many objects: one per object that could not be changed. */
static int check_failure_list(const struct moon_ontap_call *call, const xmlNode *results,
                              int *number, struct moon_err *err)
{
    xmlNodePtr e = moon_xml_child(moon_xml_child(results, "failure-list"), NULL);
    if (!e)
        return 0;
    AUTO_FREE char *reason = moon_xml_child_text(e, "error-message");
    *number = number_in(e, "error-code");
    return zapi_fault(call, *number, reason, err);
}

int zapi_check_results(const struct moon_ontap_call *call, const xmlNode *results, int *number,
                       struct moon_err *err)
{
    AUTO_FREE char *status = moon_xml_attr(results, "status");
    int64_t given = 0;
    if (status && strcmp(status, "failed") == 0) {
        AUTO_FREE char *reason = moon_xml_attr(results, "reason");
        if (moon_xml_attr_int(results, "errno", INT32_MIN, INT32_MAX, &given, NULL) < 0)
            given = 0;
        *number = (int)given;
        return zapi_fault(call, *number, reason, err);
    }
    if (!status || strcmp(status, "passed") != 0)
        return zapi_fail(call, err, MOON_PROTOCOL, "the reply has no result status");
    AUTO_FREE char *outcome = moon_xml_child_text(results, "result-status");
    if (outcome && strcmp(outcome, "failed") == 0) {
        AUTO_FREE char *text = moon_xml_child_text(results, "result-error-message");
        *number = number_in(results, "result-error-code");
        return zapi_fault(call, *number, text, err);
    }
    if (check_volume_errors(call, results, number, err) < 0)
        return -1;
    return check_failure_list(call, results, number, err);
}
