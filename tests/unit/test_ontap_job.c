/* A job that runs and runs: both transports give it up after the same time, look what became of the change, and say so.
 * Driven without a network, and on a clock that is turned on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "ontap_priv.h"
#include "ontap_verb.h"

#include <stdlib.h>
#include <string.h>

static double ahead;
double __real_moon_clock_mono(void);
double __wrap_moon_clock_mono(void);
double __wrap_moon_clock_mono(void)
{
    return __real_moon_clock_mono() + ahead;
}

#define RESULTS(attributes, xml)                                                                   \
    "<netapp version='1.150' xmlns='http://www.netapp.com/filer/admin'><results "                  \
    "status='passed'" attributes ">" xml "</results></netapp>"
#define SNAPSHOT "\"records\":[{\"name\":\"v\",\"uuid\":\"a1\"},{\"name\":\"s\",\"uuid\":\"b2\"}]"

/* What a controller says: the snapshot is there and stays so. */
static const char *answer(const struct moon_ontap_request *r, long *status, int *polls)
{
    const char *body = r->body.data ? r->body.data : "";
    *status = 200;
    if (strstr(body, "<job-get>") || strstr(r->url, "/cluster/jobs/")) {
        ++*polls;
        ahead += MOON_ONTAP_JOB_PATIENCE / 4;
        return *body ? RESULTS("", "<attributes><job-info><job-state>running</job-state></job-info>"
                                   "</attributes>")
                     : "{\"state\":\"running\"}";
    }
    if (strstr(body, "<snapshot-delete>"))
        return RESULTS("", "<result-status>in_progress</result-status><result-jobid>7"
                           "</result-jobid>");
    if (*body && strstr(body, "-iter>"))
        return RESULTS("", "<attributes-list><snapshot-info><name>s</name><volume>v</volume>"
                           "</snapshot-info></attributes-list><num-records>1</num-records>");
    if (strcmp(r->method, "DELETE") == 0) {
        *status = 202;
        return "{\"job\":{\"uuid\":\"c0ffee\"}}";
    }
    return "{" SNAPSHOT "}";
}

static int one_turn(struct moon_ontap_call *call, int *polls, struct moon_err *err)
{
    struct moon_ontap_request r = {.method = "POST"};
    long status = 0;
    int rc = call->ops->request(call, &r, err);
    const char *said = rc == 0 ? answer(&r, &status, polls) : "";
    free(r.url);
    free(r.line);
    moon_buf_free(&r.body);
    if (rc < 0)
        return -1;
    struct moon_http_reply reply = {.status = status};
    assert_int_equal(moon_buf_adds(&reply.body, said), 0);
    rc = call->ops->reply(call, &reply, err);
    moon_buf_free(&reply.body);
    return rc;
}

static void given_up(const struct moon_ontap_ops *ops, const char *api)
{
    struct moon_err err = {0};
    json_t *options = json_pack("{s:s, s:s, s:s}", "host", "h", "api", api, "svm", "x");
    json_t *args = json_pack("{s:s, s:s}", "volume", "v", "name", "s");
    struct moon_ontap *o = moon_ontap_new(options, NULL);
    struct moon_op *op = moon_ontap_call_new(o, verb_named("snapshot_delete"), args, NULL);
    struct moon_ontap_call *call = (struct moon_ontap_call *)op;
    call->ops = ops;
    call->changes = true; /* as ontap.c says of it */
    int rc = 1, polls = 0;
    for (int turn = 0; turn < 60 && rc > 0; turn++)
        rc = one_turn(call, &polls, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, MOON_TIMEOUT);
    assert_non_null(strstr(err.message, "runs on after 600 s"));
    assert_in_range(polls, 4, 6);
    json_decref(options);
    json_decref(args);
    moon_op_unref(op);
    moon_ontap_unref(o);
}

static void test_zapi(void **state)
{
    (void)state;
    given_up(&moon_ontap_zapi, "zapi");
}

static void test_rest(void **state)
{
    (void)state;
    given_up(&moon_ontap_rest, "rest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_zapi), cmocka_unit_test(test_rest)};
    return cmocka_run_group_tests_name("ontap_job", tests, NULL, NULL);
}
