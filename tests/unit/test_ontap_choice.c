/* ontap.c, ontap_auto.c, ontap_retry.c: which transport is taken, what is sent again and when, how a
 * client logs in. One file, though a long one: all cases stand on the same list of answers and the same ways to call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/zapi/client.h"

#include <stdlib.h>
#include <string.h>

#define VERSION                                                                                    \
    "<results status='passed'><version>NetApp Release 9.9.1P5: x</version><is-clustered>true"      \
    "</is-clustered></results>"
#define AUTO "\"api\":\"auto\""

/* An answer with a status of its own, and more of its head. */
static void reply_status(const char *status, const char *head)
{
    assert_true(nreplies < MAX_REPLIES);
    struct moon_buf *b = &texts[nreplies];
    moon_buf_addf(b, "HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n", status, head);
    replies[nreplies++] = (struct answer){b->data, b->len, KEEP};
}

static void reply_lost(void)
{
    assert_true(nreplies < MAX_REPLIES);
    replies[nreplies++] = (struct answer){"HTTP/1.1 ", 9, CLOSE};
}

static void serve_now(void)
{
    serve_start(replies, nreplies);
}

/* Several calls of one client, started together, in the order of their verbs. */
static void start_all(struct moon_ontap *o, const enum moon_ontap_verb *verbs, size_t n,
                      struct moon_op **ops)
{
    AUTO_JSON json_t *none = json_object();
    told = 0;
    for (size_t i = 0; i < n; i++) {
        ops[i] = moon_ontap_call_new(o, verbs[i], none, NULL);
        assert_non_null(ops[i]);
        assert_int_equal(moon_op_start(ops[i], loop, on_op, NULL), 0);
    }
}

static struct moon_op *one(struct moon_ontap *o, enum moon_ontap_verb verb, json_t *args)
{
    AUTO_JSON json_t *owned = args ? args : json_object();
    struct moon_op *op = moon_ontap_call_new(o, verb, owned, NULL);
    assert_non_null(op);
    told = 0;
    if (moon_op_start(op, loop, on_op, NULL) == 0)
        pump(told_now, 1);
    return op;
}

static bool is_rest(int n)
{
    return strstr(request(n), " /api/") != NULL;
}

/* --- which transport ----------------------------------------------------------------------- */

static void test_auto_takes_ontapi(void **state)
{
    (void)state;
    more = "{" AUTO "}";
    reply(VERSION);
    reply(VERSION);
    AUTO_JSON json_t *j = good(MOON_ONTAP_IDENTITY, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "transport")), "zapi");
    assert_string_equal(json_string_value(json_object_get(j, "reason")),
                        "ONTAPI answers: NetApp Release 9.9.1P5: x");
}

/* Also when the account may not ask for the version: it is ONTAPI that says so. */
static void test_auto_refused_version(void **state)
{
    (void)state;
    more = "{" AUTO "}";
    reply("<results status='failed' errno='13003' reason='not allowed'/>");
    reply("<results status='passed'/>");
    AUTO_JSON json_t *j = good(MOON_ONTAP_SVMS, NULL);
    assert_int_equal(json_array_size(j), 0);
    assert_int_equal(count(&srv.nrequests), 2);
    assert_false(is_rest(1));
}

/* Suspended, or not served: REST is asked, and stays. */
static void test_auto_takes_rest(void **state)
{
    static const char *const statuses[] = {NULL, "404 Not Found", "403 Forbidden",
                                           "405 Method Not Allowed", "410 Gone"};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        more = "{" AUTO "}";
        if (statuses[i])
            reply_status(statuses[i], "");
        else
            reply("<results status='failed' errno='61253' reason='suspended'/>");
        reply_bytes("200 OK", "{\"records\":[],\"num_records\":0}", 30);
        serve_now();
        struct moon_ontap *o = client();
        for (int n = 0; n < 2; n++) {
            struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
            if (op->failed)
                fail_msg("%s", op->err.message);
            moon_op_unref(op);
        }
        moon_ontap_unref(o);
        assert_false(is_rest(0));
        for (int n = 1; n < count(&srv.nrequests); n++)
            assert_true(is_rest(n));
        teardown(state);
        setup(state);
    }
}

/* What says nothing about the transport chooses none; the next call asks again. */
static void test_auto_undecided(void **state)
{
    (void)state;
    more = "{" AUTO "}";
    reply_status("500 Oops", "");
    reply_text("<html>It works!</html>");
    reply_status("302 Found", "Location: https://elsewhere/\r\n");
    reply(VERSION);
    reply("<results status='passed'/>");
    serve_now();
    static const enum moon_code codes[] = {MOON_IO, MOON_PROTOCOL, MOON_PROTOCOL};
    struct moon_ontap *o = client();
    for (int i = 0; i < 3; i++) {
        struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
        assert_true(op->failed);
        assert_int_equal(op->err.code, codes[i]);
        moon_op_unref(op);
    }
    struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
    assert_false(op->failed);
    moon_op_unref(op);
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 5);
}

/* A wrong password is tried once, whatever is called afterwards. */
static void test_refused_login(void **state)
{
    static const char *const apis[] = {"auto", "zapi", "rest"};
    for (size_t i = 0; i < 3; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"api\":\"%s\",\"retries\":3}", apis[i]);
        more = text;
        reply_status("401 Unauthorized", "");
        serve_now();
        struct moon_ontap *o = client();
        for (int n = 0; n < 3; n++) {
            struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
            assert_true(op->failed);
            assert_int_equal(op->err.code, MOON_DENIED);
            assert_int_equal(op->err.native, 401);
            assert_non_null(strstr(op->err.message, "wrong user or password"));
            if (i == 0 && n == 0)
                assert_non_null(strstr(op->err.message, "ONTAP_API=rest"));
            moon_op_unref(op);
        }
        moon_ontap_unref(o);
        assert_int_equal(count(&srv.nrequests), 1);
        teardown(state);
        setup(state);
    }
}

/* Nor is it tried again when ONTAPI is not served, which a controller says before it looks at it. */
static void test_refused_after_choice(void **state)
{
    (void)state;
    more = "{" AUTO "}";
    reply_status("404 Not Found", "");
    reply_status("401 Unauthorized", "");
    serve_now();
    struct moon_ontap *o = client();
    for (int n = 0; n < 2; n++) {
        struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
        assert_true(op->failed);
        assert_int_equal(op->err.code, MOON_DENIED);
        moon_op_unref(op);
    }
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 2);
}

/* Once a login has passed, a later refusal is that one call's. */
static void test_login_refused_later(void **state)
{
    (void)state;
    reply(PASSED);
    reply_status("401 Unauthorized", "");
    reply(PASSED);
    serve_now();
    struct moon_ontap *o = client();
    for (int n = 0; n < 3; n++) {
        struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
        assert_int_equal(op->failed, n == 1);
        moon_op_unref(op);
    }
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 3);
}

/* Refused twice, one after the other, the password is another one by now: nobody tries it any more. */
static void test_password_changed(void **state)
{
    (void)state;
    reply(PASSED);
    reply_status("401 Unauthorized", "");
    serve_now();
    struct moon_ontap *o = client();
    for (int n = 0; n < 6; n++) {
        struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
        assert_int_equal(op->failed, n > 0);
        assert_true(n == 0 || op->err.code == MOON_DENIED);
        moon_op_unref(op);
    }
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 3);
}

/* Those that were under way together were one try. */
static void test_refused_together(void **state)
{
    (void)state;
    static const enum moon_ontap_verb verbs[] = {MOON_ONTAP_SVMS, MOON_ONTAP_LUNS};
    struct moon_op *ops[2];
    reply(PASSED);
    reply_status("401 Unauthorized", "");
    reply_status("401 Unauthorized", "");
    reply(PASSED);
    serve_now();
    struct moon_ontap *o = client();
    moon_op_unref(one(o, MOON_ONTAP_SVMS, NULL));
    start_all(o, verbs, 2, ops);
    pump(told_now, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(ops[i]->failed);
        moon_op_unref(ops[i]);
    }
    struct moon_op *op = one(o, MOON_ONTAP_SVMS, NULL);
    assert_false(op->failed);
    moon_op_unref(op);
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 4);
}

/* Calls that begin together ask once. */
static void test_one_probe(void **state)
{
    (void)state;
    static const enum moon_ontap_verb verbs[] = {MOON_ONTAP_SVMS, MOON_ONTAP_LUNS,
                                                 MOON_ONTAP_IGROUPS};
    struct moon_op *ops[3];
    more = "{" AUTO "}";
    reply(VERSION);
    reply("<results status='passed'/>");
    serve_now();
    struct moon_ontap *o = client();
    start_all(o, verbs, 3, ops);
    pump(told_now, 3);
    for (int i = 0; i < 3; i++) {
        assert_false(ops[i]->failed);
        moon_op_unref(ops[i]);
    }
    moon_ontap_unref(o);
    int probes = 0;
    for (int n = 0; n < count(&srv.nrequests); n++)
        probes += strstr(request(n), "system-get-version") != NULL;
    assert_int_equal(probes, 1);
    assert_int_equal(count(&srv.nrequests), 4);
}

/* They also hear of its failure together, each by its own name. */
static void test_probe_fails_for_all(void **state)
{
    (void)state;
    static const enum moon_ontap_verb verbs[] = {MOON_ONTAP_SVMS, MOON_ONTAP_LUNS};
    struct moon_op *ops[2];
    more = "{" AUTO "}";
    reply_status("401 Unauthorized", "");
    serve_now();
    struct moon_ontap *o = client();
    start_all(o, verbs, 2, ops);
    pump(told_now, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(ops[i]->failed);
        assert_int_equal(ops[i]->err.code, MOON_DENIED);
        assert_string_equal(ops[i]->err.op, i ? "luns" : "svms");
        moon_op_unref(ops[i]);
    }
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 1);
}

/* Whoever goes leaves the question to the others; the last one ends it. */
static void test_waiters_leave(void **state)
{
    (void)state;
    static const enum moon_ontap_verb verbs[] = {MOON_ONTAP_SVMS, MOON_ONTAP_LUNS};
    struct moon_op *ops[2];
    more = "{" AUTO "}";
    replies[nreplies++] =
        (struct answer){"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<net", 0, HANG};
    serve_now();
    struct moon_ontap *o = client();
    start_all(o, verbs, 2, ops);
    pump(requests_now, 1);
    moon_op_abandon(ops[0], loop);
    assert_true(ops[0]->done && !ops[1]->done);
    moon_op_abandon(ops[1], loop);
    assert_true(ops[1]->done);
    pump(ended_now, 1);
    moon_op_unref(ops[0]);
    moon_op_unref(ops[1]);
    moon_ontap_unref(o);
    assert_int_equal(told, 0);
}

/* A raw call says by itself what it is, and asks nobody. */
static void test_raw_names_its_transport(void **state)
{
    (void)state;
    more = "{" AUTO "}";
    reply(PASSED);
    reply_bytes("200 OK", "{}", 2);
    serve_now();
    struct moon_ontap *o = client();
    struct moon_op *op = one(o, MOON_ONTAP_CALL, json_pack("{s:s}", "name", "job-get-iter"));
    assert_false(op->failed);
    moon_op_unref(op);
    op = one(o, MOON_ONTAP_REQUEST, json_pack("{s:s, s:s}", "method", "GET", "path", "/cluster"));
    assert_false(op->failed);
    moon_op_unref(op);
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 2);
    assert_true(!is_rest(0) && is_rest(1));
}

/* --- what is sent again -------------------------------------------------------------------- */

#define RETRIES "{\"retries\":3,\"retry_wait\":0.02}"

static double timed(enum moon_ontap_verb verb, json_t *args, enum moon_code want)
{
    double begun = moon_clock_mono();
    struct moon_op *op = called(verb, args);
    if (op->failed ? op->err.code != want : want != MOON_OK)
        fail_msg("%s", op->failed ? op->err.message : "passed");
    moon_op_unref(op);
    return moon_clock_mono() - begun;
}

static void test_reads_again(void **state)
{
    (void)state;
    more = RETRIES;
    reply_lost();
    reply_lost();
    reply_status("503 Service Unavailable", "");
    reply(PASSED);
    double took = timed(MOON_ONTAP_SVMS, NULL, MOON_OK);
    assert_int_equal(count(&srv.nrequests), 4);
    /* 0.02, 0.04 and 0.08 s, each a quarter less or more. */
    assert_true(took >= 0.105 && took < 10);
    for (int i = 1; i < 4; i++)
        assert_string_equal(body_of(i), body_of(0));
}

static void test_gives_up(void **state)
{
    (void)state;
    more = "{\"retries\":2,\"retry_wait\":0.01}";
    reply_lost();
    struct moon_err err = bad(MOON_ONTAP_SVMS, NULL);
    assert_int_equal(err.code, MOON_UNREACHABLE);
    assert_non_null(strstr(err.message, "(tried 3 times)"));
    assert_int_equal(count(&srv.nrequests), 3);
}

/* What changes something is sent once: it may have been carried out. */
static void test_changes_once(void **state)
{
    (void)state;
    static const char *const bare[] = {"500 Oops", "503 Service Unavailable", "502 Bad Gateway"};
    for (size_t i = 0; i < 4; i++) {
        more = RETRIES;
        if (i < 3)
            reply_status(bare[i], "");
        else
            reply_lost();
        timed(MOON_ONTAP_LUN_MAP, json_pack("{s:s, s:s}", "path", "/vol/v/a", "igroup", "g"),
              i == 1 ? MOON_BUSY : (i < 3 ? MOON_IO : MOON_UNREACHABLE));
        for (int n = 1; n < count(&srv.nrequests); n++) /* but it is looked at */
            assert_null(strstr(body_of(n), "<lun-map>"));
        teardown(state);
        setup(state);
    }
}

/* A controller that says when to come back has not done it: also changes wait for that. */
static void test_retry_after(void **state)
{
    (void)state;
    more = RETRIES;
    reply_status("503 Service Unavailable", "Retry-After: 1\r\n");
    reply("<results status='passed'><lun-id-assigned>1</lun-id-assigned></results>");
    double took = timed(MOON_ONTAP_LUN_MAP,
                        json_pack("{s:s, s:s}", "path", "/vol/v/a", "igroup", "g"), MOON_OK);
    assert_true(took >= 1.0 && took < 10);
    assert_int_equal(count(&srv.nrequests), 2);
}

static void test_too_many_requests(void **state)
{
    (void)state;
    more = RETRIES;
    reply_status("429 Too Many Requests", "");
    reply(PASSED);
    timed(MOON_ONTAP_LUN_UNMAP, json_pack("{s:s, s:s}", "path", "/vol/v/a", "igroup", "g"),
          MOON_OK);
    assert_int_equal(count(&srv.nrequests), 2);
}

/* A pause that does not fit into the time that the caller gives is not begun. */
static void test_retry_after_too_long(void **state)
{
    (void)state;
    more = "{\"retries\":3,\"retry_wait\":0.02,\"timeout\":20}";
    reply_status("503 Service Unavailable", "Retry-After: 30\r\n");
    assert_true(timed(MOON_ONTAP_SVMS, NULL, MOON_BUSY) < 10);
    assert_int_equal(count(&srv.nrequests), 1);
}

static void test_bounded_by_timeout(void **state)
{
    (void)state;
    more = "{\"retries\":100,\"retry_wait\":0.6,\"timeout\":3}";
    reply_lost();
    timed(MOON_ONTAP_SVMS, NULL, MOON_UNREACHABLE);
    /* After 0.6 and 1.2 s, each a quarter less or more: after the next pause the time would be over. */
    assert_in_range(count(&srv.nrequests), 2, 3);
}

static void test_never_again(void **state)
{
    static const char *const statuses[] = {"401 Unauthorized", "403 Forbidden", "404 Not Found",
                                           "500 Oops", "302 Found"};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        more = RETRIES;
        reply_status(statuses[i], "Retry-After: 1\r\n");
        struct moon_op *op = called(MOON_ONTAP_SVMS, NULL);
        assert_true(op->failed);
        moon_op_unref(op);
        assert_int_equal(count(&srv.nrequests), 1);
        teardown(state);
        setup(state);
    }
}

/* Each page is a request of its own, with tries of its own. */
static void test_page_again(void **state)
{
    (void)state;
    more = "{\"retries\":1,\"retry_wait\":0.01}";
    reply("<results status='passed'><next-tag>t</next-tag></results>");
    reply_lost();
    reply("<results status='passed'><next-tag>u</next-tag></results>");
    reply_lost();
    reply(PASSED);
    timed(MOON_ONTAP_SVMS, NULL, MOON_OK);
    assert_int_equal(count(&srv.nrequests), 5);
    assert_string_equal(body_of(2), body_of(1));
    assert_string_equal(body_of(4), body_of(3));
    assert_non_null(strstr(body_of(4), "<tag>u</tag>"));
}

/* A call that is given up during a pause sends nothing more. */
static void test_abandoned_in_pause(void **state)
{
    (void)state;
    more = "{\"retries\":3,\"retry_wait\":3}";
    reply_lost();
    serve_now();
    struct moon_ontap *o = client();
    static const enum moon_ontap_verb verb = MOON_ONTAP_SVMS;
    struct moon_op *op;
    start_all(o, &verb, 1, &op);
    pump(ended_now, 1);
    for (int i = 0; i < 10; i++)
        moon_loop_once(loop, 0.01);
    assert_false(op->done);
    moon_op_abandon(op, loop);
    assert_true(op->done);
    moon_op_unref(op);
    moon_ontap_unref(o);
    assert_int_equal(count(&srv.nrequests), 1);
}

/* --- the client object --------------------------------------------------------------------- */

static void test_addresses(void **state)
{
    (void)state;
    AUTO_FCLOSE FILE *f = open_data("addresses");
    char line[256];
    while (line_of(f, line, sizeof line)) {
        AUTO_JSON json_t *options = parse(strchr(line, ' ') + 1);
        struct moon_err err = {0};
        struct moon_ontap *o = moon_ontap_new(options, &err);
        assert_true((o != NULL) == (err.code == MOON_OK));
        if (strncmp(line, moon_code_name(err.code), strcspn(line, " ")) != 0)
            fail_msg("%s: %s", line, err.message);
        moon_ontap_unref(o);
    }
    AUTO_JSON json_t *named = parse("{\"host\":\"h\",\"name\":\"n\"}");
    struct moon_ontap *o = moon_ontap_new(named, NULL);
    assert_string_equal(moon_ontap_name(o), "n");
    assert_ptr_equal(moon_ontap_ref(o), o);
    moon_ontap_unref(o);
    assert_string_equal(moon_ontap_name(o), "n");
    moon_ontap_unref(o);
}

static int connections_now(void)
{
    return count(&srv.connections);
}

/* No more requests at once to one address than the administrator allows, also below the default. */
static void test_most_requests(void **state)
{
    (void)state;
    static const enum moon_ontap_verb verbs[] = {MOON_ONTAP_SVMS, MOON_ONTAP_LUNS,
                                                 MOON_ONTAP_IGROUPS, MOON_ONTAP_LUN_MAPS};
    struct moon_op *ops[4];
    replies[nreplies++] =
        (struct answer){"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<net", 0, HANG};
    serve_now();
    moon_loop_allow_connections(loop, 2);
    struct moon_ontap *o = client();
    start_all(o, verbs, 4, ops);
    pump(requests_now, 2);
    for (int i = 0; i < 20; i++)
        moon_loop_once(loop, 0.01);
    assert_int_equal(connections_now(), 2);
    assert_int_equal(requests_now(), 2);
    moon_op_abandon(ops[0], loop);
    pump(requests_now, 3); /* the next one takes the place */
    for (int i = 1; i < 4; i++)
        moon_op_abandon(ops[i], loop);
    for (int i = 0; i < 4; i++)
        moon_op_unref(ops[i]);
    moon_ontap_unref(o);
}

/* A certificate that cannot be read is no reason to go on without one. */
static void test_unreadable_certificate(void **state)
{
    (void)state;
    reply(PASSED);
    more = "{\"https\":true,\"cert\":\"/nonexistent/cert.pem\"}";
    struct moon_err err = bad(MOON_ONTAP_SVMS, NULL);
    assert_int_equal(err.code, MOON_INVALID);
    assert_non_null(strstr(err.message, "certificate and key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_auto_takes_ontapi),
                                       CASE(test_auto_refused_version),
                                       CASE(test_auto_takes_rest),
                                       CASE(test_auto_undecided),
                                       CASE(test_refused_login),
                                       CASE(test_refused_after_choice),
                                       CASE(test_login_refused_later),
                                       CASE(test_password_changed),
                                       CASE(test_refused_together),
                                       CASE(test_one_probe),
                                       CASE(test_probe_fails_for_all),
                                       CASE(test_waiters_leave),
                                       CASE(test_raw_names_its_transport),
                                       CASE(test_reads_again),
                                       CASE(test_gives_up),
                                       CASE(test_changes_once),
                                       CASE(test_retry_after),
                                       CASE(test_too_many_requests),
                                       CASE(test_retry_after_too_long),
                                       CASE(test_bounded_by_timeout),
                                       CASE(test_never_again),
                                       CASE(test_page_again),
                                       CASE(test_abandoned_in_pause),
                                       CASE(test_addresses),
                                       CASE(test_most_requests),
                                       CASE(test_unreadable_certificate)};
    return cmocka_run_group_tests_name("ontap choice", tests, NULL, NULL);
}
