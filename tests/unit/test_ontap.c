/* ontap.c and ontap_zapi.c: the real client against a server of this program's own. What each verb
 * sends is compared byte by byte; what each kind of reply becomes is checked field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/zapi/replies.h"
#include "clock.h"
#include "loop.h"
#include "ontap.h"
#include "xml.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT 10.0

/* --- calls ------------------------------------------------------------------------------- */

static struct moon_loop *loop;
static const char *svm;
static int told;

static void on_op(struct moon_op *op, void *arg)
{
    (void)op, (void)arg;
    told++;
}

/* Runs the loop until the counter is there. */
static void pump(int (*now)(void), int want)
{
    double give_up = moon_clock_mono() + LIMIT;
    while (now() < want && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.01);
    assert_int_equal(now(), want);
}

static int told_now(void)
{
    return told;
}

static int requests_now(void)
{
    return count(&srv.nrequests);
}

static int ended_now(void)
{
    return count(&srv.ended);
}

static struct moon_ontap *client(void)
{
    struct moon_err err = {0};
    AUTO_JSON json_t *options =
        json_pack("{s:s, s:s, s:i, s:b, s:s, s:s, s:i, s:s, s:i}", "name", "filer1", "host",
                  "127.0.0.1", "port", srv.port, "https", 0, "user", "admin", "password", "geheim",
                  "timeout", 9, "api", "zapi", "retries", 0);
    if (svm)
        json_object_set_new(options, "svm", json_string(svm));
    struct moon_ontap *o = moon_ontap_new(options, &err);
    if (!o)
        fail_msg("%s", err.message);
    return o;
}

/* An operation that has ended. */
static struct moon_op *called(enum moon_ontap_verb verb, json_t *args)
{
    AUTO_JSON json_t *owned = args ? args : json_object();
    assert_non_null(owned);
    if (srv.fd < 0)
        serve_start(replies, nreplies);
    struct moon_ontap *o = client();
    struct moon_err err = {0};
    struct moon_op *op = moon_ontap_call_new(o, verb, owned, &err);
    if (!op)
        fail_msg("%s", err.message);
    moon_ontap_unref(o); /* the call keeps what it needs */
    told = 0;
    if (moon_op_start(op, loop, on_op, NULL) == 0)
        pump(told_now, 1);
    return op;
}

/* The result of a call that must succeed: a new reference, NULL for plain success. */
static json_t *good(enum moon_ontap_verb verb, json_t *args)
{
    struct moon_op *op = called(verb, args);
    if (op->failed)
        fail_msg("%s", op->err.message);
    json_t *result = json_incref(op->result);
    moon_op_unref(op);
    return result;
}

static struct moon_err bad(enum moon_ontap_verb verb, json_t *args)
{
    struct moon_op *op = called(verb, args);
    assert_true(op->failed);
    assert_null(op->result);
    struct moon_err err = op->err;
    moon_op_unref(op);
    assert_null(strstr(err.message, "geheim"));
    return err;
}

static int setup(void **state)
{
    (void)state;
    svm = NULL;
    nreplies = 0;
    loop = moon_loop_new(NULL);
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    moon_loop_free(loop, LIMIT);
    loop = NULL;
    serve_stop();
    for (size_t i = 0; i < MAX_REPLIES; i++)
        moon_buf_free(&texts[i]);
    return 0;
}

/* --- what is sent ------------------------------------------------------------------------ */

/* Pairs of lines: verb and arguments, and the call that is sent for them. */
static void test_requests(void **state)
{
    (void)state;
    reply(PASSED);
    AUTO_FCLOSE FILE *f = open_data("requests");
    bool verbs[MOON_ONTAP_VERB_COUNT] = {false};
    char line[2048], want[2048];
    for (int n = 0; line_of(f, line, sizeof line); n++) {
        assert_true(line_of(f, want, sizeof want));
        char *version = strstr(want, "@VERSION@");
        if (version) {
            char tail[1024];
            snprintf(tail, sizeof tail, MOON_VERSION "%s", version + 9);
            memcpy(version, tail, strlen(tail) + 1);
        }
        char *args = strchr(line, ' ');
        *args++ = '\0';
        int v = 0;
        while (v < MOON_ONTAP_VERB_COUNT &&
               strcmp(moon_ontap_verb_name((enum moon_ontap_verb)v), line) != 0)
            v++;
        assert_true(v < MOON_ONTAP_VERB_COUNT);
        json_decref(good((enum moon_ontap_verb)v, parse(args)));
        sent(n, want);
        verbs[v] = true;
    }
    static const enum moon_ontap_verb first[] = {MOON_ONTAP_IDENTITY, MOON_ONTAP_SNAPSHOT_CREATE,
                                                 MOON_ONTAP_FILE_RESTORE, MOON_ONTAP_CALL};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        assert_true(verbs[first[i]]);
}

static void test_http_head(void **state)
{
    (void)state;
    reply(PASSED);
    json_decref(good(MOON_ONTAP_IDENTITY, NULL));
    static const char line[] = "POST /servlets/netapp.servlets.admin.XMLrequest_filer HTTP/1.1\r\n";
    assert_memory_equal(request(0), line, sizeof line - 1);
    assert_non_null(strstr(request(0), "\r\nContent-Type: text/xml; charset=\"UTF-8\"\r\n"));
    assert_non_null(strstr(request(0), "\r\nAuthorization: Basic YWRtaW46Z2VoZWlt\r\n"));
    assert_non_null(strstr(request(0), "\r\nX-Dot-Client-App: moonsnap/" MOON_VERSION "\r\n"));
}

static void test_tunnel(void **state)
{
    (void)state;
    reply(PASSED);
    svm = "svm<&\"1";
    json_decref(good(MOON_ONTAP_IDENTITY, NULL));
    assert_string_equal(body_of(0), ENVELOPE " vfiler=\"svm&lt;&amp;&quot;1\"><system-get-version>"
                                             "</system-get-version></netapp>");
    svm = "";
    json_decref(good(MOON_ONTAP_IDENTITY, NULL));
    sent(1, "<system-get-version></system-get-version>");
}

static void test_escaping(void **state)
{
    (void)state;
    reply(PASSED);
    json_decref(good(MOON_ONTAP_SNAPSHOT_RENAME,
                     json_pack("{s:s, s:s, s:s}", "volume", "a<b>&c", "name", "\"q\" 'p'", "to",
                               "t\tn\n\xc3\xa4</new-name>")));
    AUTO_XML xmlDocPtr doc = NULL;
    const char *body = body_of(0);
    assert_int_equal(moon_xml_parse(body, strlen(body), "request", &doc, NULL), 0);
    xmlNodePtr call = moon_xml_child(xmlDocGetRootElement(doc), "snapshot-rename");
    AUTO_FREE char *volume = moon_xml_child_text(call, "volume");
    AUTO_FREE char *name = moon_xml_child_text(call, "current-name");
    AUTO_FREE char *to = moon_xml_child_text(call, "new-name");
    assert_string_equal(volume, "a<b>&c");
    assert_string_equal(name, "\"q\" 'p'");
    assert_string_equal(to, "t\tn\n\xc3\xa4</new-name>");
}

/* What XML cannot hold is refused before anything is sent. */
static void test_unsendable(void **state)
{
    (void)state;
    reply(PASSED);
    struct moon_err err =
        bad(MOON_ONTAP_SNAPSHOT_CREATE, json_pack("{s:s, s:s}", "volume", "v", "name", "a\x01z"));
    assert_int_equal(err.code, MOON_INVALID);
    json_t *latin1 = json_object();
    json_object_set_new(latin1, "volume", json_string("v"));
    json_object_set_new(latin1, "name", json_stringn_nocheck("\xe4", 1));
    err = bad(MOON_ONTAP_SNAPSHOT_CREATE, latin1);
    assert_int_equal(err.code, MOON_INVALID);
    static const char *const names[] = {"",      "Volume-get", "a b",
                                        "a/><b", "a\n",        "volume-get-\xc3\xa4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        err = bad(MOON_ONTAP_CALL, json_pack("{s:s}", "name", names[i]));
        assert_int_equal(err.code, MOON_INVALID);
    }
    assert_int_equal(count(&srv.nrequests), 0);
}

static json_t *restore(const char *path)
{
    return json_pack("{s:s, s:s, s:s}", "volume", "v", "snapshot", "s", "path", path);
}

/* Only paths below the volume may be overwritten. */
static void test_restore_paths(void **state)
{
    (void)state;
    static const char *const outside[] = {"",     "/",   "/vol/v/a", "../a",  "a/../../w/x",
                                          "a/..", "../", "..",       "a/../b"};
    static const char *const inside[] = {"a", "a..b/c", "..a", "a../b", ".a/b", "a b/\xc3\xa4.img"};
    reply(PASSED);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        struct moon_op *op = called(MOON_ONTAP_FILE_RESTORE, restore(inside[i]));
        if (op->failed)
            print_message("refused: '%s': %s\n", inside[i], op->err.message);
        assert_false(op->failed);
        moon_op_unref(op);
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct moon_op *op = called(MOON_ONTAP_FILE_RESTORE, restore(outside[i]));
        if (!op->failed)
            print_message("sent: '%s'\n", outside[i]);
        assert_true(op->failed);
        assert_int_equal(op->err.code, MOON_INVALID);
        moon_op_unref(op);
    }
}

/* --- what comes back --------------------------------------------------------------------- */

static void test_identity(void **state)
{
    (void)state;
    static const char *const versions[][2] = {
        {"NetApp Release 9.14.1P3: Thu Mar 14 02:00:00 UTC 2024", "9.14.1"},
        {"NetApp Release 8.3.2: x", "8.3.2"},
        {"Release R9.10.1X: x", "9.10.1"},
        {"none", ""}};
    reply_file("system-get-version.xml");
    for (size_t i = 0; i < 4; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "<results status='passed'><version>%s</version><is-clustered>false</is-clustered>"
                 "</results>",
                 versions[i][0]);
        reply(text);
    }
    AUTO_JSON json_t *first = good(MOON_ONTAP_IDENTITY, NULL);
    equals(first,
           "{\"clustered\":true,\"reason\":\"ONTAP_API=zapi\",\"release\":\"NetApp Release "
           "9.9.1P5: Wed Jan 12 11:04:00 UTC 2022\",\"transport\":\"zapi\",\"version\":\"9.9.1\"}");
    for (size_t i = 0; i < 4; i++) {
        AUTO_JSON json_t *j = good(MOON_ONTAP_IDENTITY, NULL);
        assert_string_equal(json_string_value(json_object_get(j, "version")), versions[i][1]);
        assert_true(json_is_false(json_object_get(j, "clustered")));
    }
}

/* Each reply beside what it becomes. */
static void test_lists(void **state)
{
    (void)state;
    static const struct {
        enum moon_ontap_verb verb;
        const char *call;
    } lists[] = {{MOON_ONTAP_SVMS, "vserver-get-iter"},
                 {MOON_ONTAP_LIFS, "net-interface-get-iter"},
                 {MOON_ONTAP_VOLUMES, "volume-get-iter"},
                 {MOON_ONTAP_SNAPSHOTS, "snapshot-get-iter"}};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.xml", lists[i].call);
        reply_file(name);
    }
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.json", lists[i].call);
        AUTO_FCLOSE FILE *f = open_data(name);
        AUTO_JSON json_t *want = json_loadf(f, 0, NULL);
        AUTO_FREE char *text = json_dumps(want, JSON_SORT_KEYS | JSON_COMPACT);
        AUTO_JSON json_t *got = good(lists[i].verb, json_pack("{s:s}", "volume", "v"));
        equals(got, text);
    }
}

static void test_objects(void **state)
{
    (void)state;
    reply("<results status='passed'><sfsr-in-progress>2</sfsr-in-progress>"
          "<max-sfsr-limit>10</max-sfsr-limit></results>");
    reply("<results status='passed'><file-info><file-size>10737418240</file-size><file-type>file"
          "</file-type><modified-timestamp>1773453601</modified-timestamp></file-info></results>");
    reply("<results status='passed'><sfsr-in-progress>many</sfsr-in-progress></results>");
    AUTO_JSON json_t *a = good(MOON_ONTAP_RESTORE_STATUS, NULL);
    equals(a, "{\"limit\":10,\"running\":2}");
    AUTO_JSON json_t *b = good(MOON_ONTAP_FILE_INFO, json_pack("{s:s}", "path", "/vol/v/a"));
    equals(b, "{\"modified\":1773453601,\"size\":10737418240,\"type\":\"file\"}");
    AUTO_JSON json_t *c = good(MOON_ONTAP_RESTORE_STATUS, NULL);
    equals(c, "{}");
}

static void test_plain_success(void **state)
{
    (void)state;
    reply(PASSED);
    reply("<results status='passed'><result-status>succeeded</result-status></results>");
    for (int i = 0; i < 2; i++)
        assert_null(
            good(MOON_ONTAP_SNAPSHOT_CREATE, json_pack("{s:s, s:s}", "volume", "v", "name", "s")));
}

static void test_raw_call(void **state)
{
    (void)state;
    reply("<results status='passed'><attributes><job-info><job-id>4711</job-id><job-state>running"
          "</job-state></job-info></attributes></results>");
    AUTO_JSON json_t *j = good(MOON_ONTAP_CALL, json_pack("{s:s}", "name", "job-get"));
    assert_string_equal(json_string_value(json_object_get(j, "name")), "results");
    const json_t *info = json_array_get(
        json_object_get(json_array_get(json_object_get(j, "children"), 0), "children"), 0);
    const json_t *state_el = json_array_get(json_object_get(info, "children"), 1);
    assert_string_equal(json_string_value(json_object_get(state_el, "name")), "job-state");
    assert_string_equal(json_string_value(json_object_get(state_el, "text")), "running");
}

/* All the shapes in which a passed reply has been seen. */
static void test_shapes(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "<netapp><results status='passed'/></netapp>",
        "<?xml version=\"1.0\"?><netapp xmlns=\"urn:other\"><results status=\"passed\"></results>"
        "</netapp>",
        "<n:netapp xmlns:n=\"http://www.netapp.com/filer/admin\"><n:results status=\"passed\"/>"
        "</n:netapp>",
        "<!-- 12 ms --><netapp><!-- here too --><results errno='0' status='passed' reason=''/>"
        "</netapp>",
        "<netapp xmlns='http://www.netapp.com/filer/admin'>\n\n  <results status='passed' />\n\n"
        "</netapp>\n\n"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        reply_text(shapes[i]);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        assert_null(
            good(MOON_ONTAP_EMS_LOG, json_pack("{s:s, s:s}", "source", "s", "message", "m")));
}

/* --- lists ------------------------------------------------------------------------------- */

static void reply_page(const char *name, const char *tag)
{
    char text[512];
    snprintf(text, sizeof text,
             "<results status='passed'><attributes-list><vserver-info><vserver-name>%s"
             "</vserver-name></vserver-info></attributes-list>%s%s%s<num-records>1</num-records>"
             "</results>",
             name, tag ? "<next-tag>" : "", tag ? tag : "", tag ? "</next-tag>" : "");
    reply(text);
}

#define TAG(key)                                                                                   \
    "&lt;vserver-get-iter-key-td&gt;&lt;key-0&gt;" key "&lt;/key-0&gt;&lt;/vserver-get-iter-key-"  \
    "td&gt;"

static void test_paging(void **state)
{
    (void)state;
    reply_page("a", TAG("a &amp;amp; b"));
    reply_page("b", TAG("c"));
    reply_page("c", NULL);
    AUTO_JSON json_t *j = good(MOON_ONTAP_SVMS, NULL);
    equals(j, "[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]");
    assert_int_equal(count(&srv.nrequests), 3);
    sent(0, "<vserver-get-iter>" PAGE "</vserver-get-iter>");
    sent(1, "<vserver-get-iter>" PAGE "<tag>" TAG("a &amp;amp; b") "</tag></vserver-get-iter>");
    sent(2, "<vserver-get-iter>" PAGE "<tag>" TAG("c") "</tag></vserver-get-iter>");
    assert_int_equal(count(&srv.connections), 1);
}

/* The same query goes with every page. */
static void test_paging_keeps_query(void **state)
{
    (void)state;
    reply("<results status='passed'><attributes-list/><next-tag>t</next-tag></results>");
    reply("<results status='passed'><num-records>0</num-records></results>");
    AUTO_JSON json_t *j =
        good(MOON_ONTAP_SNAPSHOTS, json_pack("{s:s, s:s}", "volume", "v", "name", "n"));
    equals(j, "[]");
    sent(1, "<snapshot-get-iter>" PAGE "<tag>t</tag><query><snapshot-info><name>n</name><volume>v"
            "</volume></snapshot-info></query></snapshot-get-iter>");
}

static void test_repeated_tag(void **state)
{
    (void)state;
    reply_page("a", "t");
    reply_page("b", "t");
    AUTO_JSON json_t *j = good(MOON_ONTAP_SVMS, NULL);
    equals(j, "[{\"name\":\"a\"},{\"name\":\"b\"}]");
    assert_int_equal(count(&srv.nrequests), 2);
}

static void test_no_rows(void **state)
{
    (void)state;
    reply("<results status='passed'><num-records>0</num-records></results>");
    reply("<results status='passed'><attributes-list/><num-records>0</num-records></results>");
    reply("<results status='passed'><attributes-list></attributes-list><next-tag/></results>");
    reply("<results status='passed'/>");
    for (int i = 0; i < 4; i++) {
        AUTO_JSON json_t *j = good(MOON_ONTAP_SVMS, NULL);
        equals(j, "[]");
    }
}

/* A failure in the middle of a list gives no half list. */
static void test_second_page_fails(void **state)
{
    (void)state;
    reply_page("a", "t");
    reply("<results status='failed' errno='13001' reason='no'/>");
    struct moon_err err = bad(MOON_ONTAP_SVMS, NULL);
    assert_int_equal(err.native, 13001);
}

/* --- failures ---------------------------------------------------------------------------- */

static void test_errnos(void **state)
{
    (void)state;
    AUTO_FCLOSE FILE *f = open_data("errnos");
    char line[64];
    while (line_of(f, line, sizeof line)) {
        char text[128];
        int number = atoi(line);
        snprintf(text, sizeof text,
                 "<results reason=\"it doesn&apos;t\" status=\"failed\" errno=\"%d\"/>", number);
        reply(text);
        struct moon_err err = bad(MOON_ONTAP_SNAPSHOT_DELETE,
                                  json_pack("{s:s, s:s}", "volume", "vol1", "name", "snap1"));
        teardown(NULL);
        setup(NULL);
        assert_string_equal(moon_code_name(err.code), strchr(line, ' ') + 1);
        assert_int_equal(err.native, number);
        assert_int_equal(err.source, MOON_SRC_ONTAP);
        assert_string_equal(err.op, "snapshot-delete");
        snprintf(text, sizeof text,
                 "controller filer1: snapshot-delete vol1 snap1: it doesn't (errno %d)", number);
        assert_memory_equal(err.message, text, strlen(text));
    }
}

static void test_remedies(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *text;
    } cases[] = {{13003, "role does not allow"},
                 {13025, "free space"},
                 {13022, "delete old snapshots"},
                 {61253, "ontapi modify -suspended false"}};
    for (size_t i = 0; i < 4; i++) {
        char text[96];
        snprintf(text, sizeof text, "<results status='failed' errno='%d' reason='r'/>",
                 cases[i].number);
        reply(text);
    }
    for (size_t i = 0; i < 4; i++)
        assert_non_null(strstr(bad(MOON_ONTAP_SVMS, NULL).message, cases[i].text));
}

static void test_odd_failures(void **state)
{
    (void)state;
    static const char *const texts_of[] = {
        "<results status='failed'/>", "<results status='failed' errno='' reason=''/>",
        "<results status='failed' errno='x' reason='y'/>",
        "<results status='failed' errno='99999999999999999999' reason='big'/>"};
    for (size_t i = 0; i < 4; i++)
        reply(texts_of[i]);
    for (size_t i = 0; i < 4; i++) {
        struct moon_err err = bad(MOON_ONTAP_SVMS, NULL);
        assert_int_equal(err.code, MOON_IO);
        assert_int_equal(err.native, 0);
        assert_true(i > 1 || strstr(err.message, "failed without a reason"));
    }
}

static void test_volume_errors(void **state)
{
    (void)state;
    reply("<results status='passed'><volume-errors><volume-error><errno>13023</errno><reason>not "
          "allowed</reason><name>vol9</name><vserver>svm1</vserver></volume-error></volume-errors>"
          "<num-records>0</num-records></results>");
    reply("<results status='passed'><volume-errors/><num-records>0</num-records></results>");
    struct moon_err err = bad(MOON_ONTAP_SNAPSHOTS, json_pack("{s:s}", "volume", "vol9"));
    assert_int_equal(err.code, MOON_CONFLICT);
    assert_int_equal(err.native, 13023);
    assert_non_null(strstr(err.message, "volume 'vol9': not allowed (errno 13023)"));
    AUTO_JSON json_t *j = good(MOON_ONTAP_SNAPSHOTS, json_pack("{s:s}", "volume", "vol9"));
    equals(j, "[]");
}

static void test_result_status(void **state)
{
    (void)state;
    reply("<results status='passed'><result-status>failed</result-status><result-error-code>13025"
          "</result-error-code><result-error-message>full</result-error-message></results>");
    reply("<results status='passed'><result-status>failed</result-status></results>");
    struct moon_err err =
        bad(MOON_ONTAP_SNAPSHOT_CREATE, json_pack("{s:s, s:s}", "volume", "v", "name", "s"));
    assert_int_equal(err.code, MOON_NO_SPACE);
    assert_int_equal(err.native, 13025);
    assert_non_null(strstr(err.message, "full (errno 13025)"));
    err = bad(MOON_ONTAP_SNAPSHOT_CREATE, json_pack("{s:s, s:s}", "volume", "v", "name", "s"));
    assert_int_equal(err.code, MOON_IO);
}

static void test_http_status(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        enum moon_code code;
        const char *text;
    } cases[] = {{"401 Unauthorized", MOON_DENIED, "wrong user or password"},
                 {"403 Forbidden", MOON_UNSUPPORTED, "HTTP 403"},
                 {"404 Not Found", MOON_UNSUPPORTED, "ONTAPI is not served there"},
                 {"429 Too Many Requests", MOON_BUSY, "too much to do"},
                 {"503 Service Unavailable", MOON_BUSY, "too much to do"},
                 {"302 Found", MOON_PROTOCOL, "redirect"},
                 {"500 Internal Server Error", MOON_IO, "HTTP 500"},
                 {"204 No Content", MOON_IO, "HTTP 204"}};
    for (size_t i = 0; i < 8; i++)
        reply_bytes(cases[i].status, "<netapp><results status='passed'/></netapp>",
                    i == 7 ? 0 : strlen("<netapp><results status='passed'/></netapp>"));
    for (size_t i = 0; i < 8; i++) {
        struct moon_err err = bad(MOON_ONTAP_SVMS, NULL);
        if (err.code != cases[i].code || !strstr(err.message, cases[i].text))
            fail_msg("%s: %s: %s", cases[i].status, moon_code_name(err.code), err.message);
        assert_int_equal(err.native, atoi(cases[i].status));
        assert_int_equal(err.source, MOON_SRC_HTTP);
        assert_non_null(strstr(err.message, "controller filer1: vserver-get-iter: "));
    }
    assert_int_equal(count(&srv.nrequests),
                     8); /* nothing is tried twice behind the caller's back */
}

/* Never mistaken for success. */
static void test_not_a_reply(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html><body>It works!</body></html>",
        "It works!",
        XML_HEAD "<results status=\"passed\"><attributes-list><vserver-info><vserver-name>a",
        XML_HEAD "<results status=\"passed\"/>",
        XML_HEAD "<results/></netapp>",
        XML_HEAD "<results status=\"maybe\"/></netapp>",
        XML_HEAD "</netapp>",
    };
    for (size_t i = 0; i < 8; i++)
        reply_text(bodies[i]);
    for (size_t i = 0; i < 8; i++) {
        struct moon_err err = bad(MOON_ONTAP_SVMS, NULL);
        if (err.code != MOON_PROTOCOL)
            fail_msg("reply %zu: %s: %s", i, moon_code_name(err.code), err.message);
        assert_int_equal(err.source, MOON_SRC_ONTAP);
        assert_non_null(strstr(err.message, "controller filer1: vserver-get-iter"));
    }
}

static void test_control_characters(void **state)
{
    (void)state;
    reply(
        "<results status='passed'><attributes-list><vserver-info><vserver-name>a\x01"
        "b\xff</vserver-name><state>run\nning</state></vserver-info></attributes-list></results>");
    AUTO_JSON json_t *j = good(MOON_ONTAP_SVMS, NULL);
    equals(j, "[{\"name\":\"a?b?\",\"state\":\"run\\nning\"}]");
}

static void test_control_characters_in_reason(void **state)
{
    (void)state;
    reply("<results status='failed' errno='13001' reason='bad\x02&#10;thing'/>");
    struct moon_err err = bad(MOON_ONTAP_SVMS, NULL);
    assert_non_null(strstr(err.message, "bad? thing"));
}

static void test_large(void **state)
{
    (void)state;
    AUTO_BUF struct moon_buf b = {0};
    moon_buf_adds(&b, XML_HEAD "<results status='passed'><attributes-list>");
    for (int i = 0; i < 40000; i++)
        moon_buf_addf(&b,
                      "<vserver-info><vserver-name>svm_with_a_long_name_%05d</vserver-name><uuid>"
                      "a41f2d66-7f11-11ee-9d1b-00a098f10001</uuid><state>running</state>"
                      "</vserver-info>\n",
                      i);
    moon_buf_adds(&b, "</attributes-list></results></netapp>");
    assert_true(b.len > 5 * 1000 * 1000);
    reply_bytes("200 OK", b.data, b.len);
    AUTO_JSON json_t *j = good(MOON_ONTAP_SVMS, NULL);
    assert_int_equal(json_array_size(j), 40000);
    assert_string_equal(json_string_value(json_object_get(json_array_get(j, 39999), "name")),
                        "svm_with_a_long_name_39999");
}

static void test_entities(void **state)
{
    (void)state;
    reply_text("<?xml version='1.0'?><!DOCTYPE netapp [<!ENTITY a 'aaaaaaaaaaaaaaaaaaaa'>"
               "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>"
               "<netapp><results status='passed'><version>&c;</version></results></netapp>");
    reply_text("<?xml version='1.0'?><!DOCTYPE netapp [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
               "<netapp><results status='passed'><version>&x;</version></results></netapp>");
    for (int i = 0; i < 2; i++) {
        struct moon_err err = bad(MOON_ONTAP_IDENTITY, NULL);
        assert_int_equal(err.code, MOON_PROTOCOL);
        assert_null(strstr(err.message, "root:"));
    }
}

static void test_unreachable(void **state)
{
    (void)state;
    reply(PASSED);
    json_decref(good(MOON_ONTAP_IDENTITY, NULL));
    int port = srv.port;
    serve_stop();
    AUTO_JSON json_t *options = json_pack("{s:s, s:i, s:b, s:s, s:i}", "host", "127.0.0.1", "port",
                                          port, "https", 0, "api", "zapi", "retries", 0);
    struct moon_ontap *o = moon_ontap_new(options, NULL);
    AUTO_JSON json_t *none = json_object();
    struct moon_op *op = moon_ontap_call_new(o, MOON_ONTAP_SVMS, none, NULL);
    told = 0;
    assert_int_equal(moon_op_start(op, loop, on_op, NULL), 0);
    pump(told_now, 1);
    assert_true(op->failed);
    assert_int_equal(op->err.code, MOON_UNREACHABLE);
    assert_string_equal(op->err.op, "svms");
    assert_non_null(strstr(op->err.message, "controller 127.0.0.1: POST http://127.0.0.1:"));
    moon_op_unref(op);
    moon_ontap_unref(o);
}

static void test_abandoned(void **state)
{
    (void)state;
    replies[0] = (struct answer){"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<net", 0, HANG};
    nreplies = 1;
    serve_start(replies, 1);
    struct moon_ontap *o = client();
    AUTO_JSON json_t *none = json_object();
    struct moon_op *op = moon_ontap_call_new(o, MOON_ONTAP_SVMS, none, NULL);
    moon_ontap_unref(o);
    told = 0;
    assert_int_equal(moon_op_start(op, loop, on_op, NULL), 0);
    pump(requests_now, 1);
    moon_op_abandon(op, loop);
    assert_true(op->done);
    moon_op_unref(op);
    pump(ended_now, 1);
    assert_int_equal(told, 0);
}

/* --- the client object, and what counts as a change ---------------------------------------- */

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

static void test_verbs(void **state)
{
    (void)state;
    static const char *const reading[] = {
        "identity",        "cluster",   "svms",           "lifs",      "volumes",
        "snapshots",       "cg_groups", "restore_status", "file_info", "luns",
        "lun_maps",        "igroups",   "volume_clones",  "mirrors",   "mirror_transfer",
        "mirror_policies", "job"};
    AUTO_JSON json_t *none = json_object();
    for (int v = 0; v < MOON_ONTAP_VERB_COUNT; v++) {
        const char *name = moon_ontap_verb_name((enum moon_ontap_verb)v);
        assert_non_null(name);
        assert_non_null(moon_ontap_verb_signature((enum moon_ontap_verb)v));
        bool listed = false;
        for (size_t i = 0; i < sizeof reading / sizeof *reading; i++)
            listed = listed || strcmp(name, reading[i]) == 0;
        if (moon_ontap_verb_changes((enum moon_ontap_verb)v, none) == listed)
            fail_msg("%s", name);
    }
}

/* A raw call that changes something must never pass for one that reads. */
static void test_raw_classes(void **state)
{
    (void)state;
    AUTO_FCLOSE FILE *f = open_data("raw-calls");
    char line[128];
    while (line_of(f, line, sizeof line)) {
        AUTO_JSON json_t *args = json_pack("{s:s}", "name", strchr(line, ' ') + 1);
        bool changes = moon_ontap_verb_changes(MOON_ONTAP_CALL, args);
        if (changes != (line[0] == 'c'))
            fail_msg("'%s' is not told right", line);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_requests),
                                       CASE(test_http_head),
                                       CASE(test_tunnel),
                                       CASE(test_escaping),
                                       CASE(test_unsendable),
                                       CASE(test_restore_paths),
                                       CASE(test_identity),
                                       CASE(test_lists),
                                       CASE(test_objects),
                                       CASE(test_plain_success),
                                       CASE(test_raw_call),
                                       CASE(test_shapes),
                                       CASE(test_paging),
                                       CASE(test_paging_keeps_query),
                                       CASE(test_repeated_tag),
                                       CASE(test_no_rows),
                                       CASE(test_second_page_fails),
                                       CASE(test_errnos),
                                       CASE(test_remedies),
                                       CASE(test_odd_failures),
                                       CASE(test_volume_errors),
                                       CASE(test_result_status),
                                       CASE(test_http_status),
                                       CASE(test_not_a_reply),
                                       CASE(test_control_characters),
                                       CASE(test_control_characters_in_reason),
                                       CASE(test_large),
                                       CASE(test_entities),
                                       CASE(test_unreachable),
                                       CASE(test_abandoned),
                                       CASE(test_addresses),
                                       CASE(test_verbs),
                                       CASE(test_raw_classes)};
    return cmocka_run_group_tests_name("ontap", tests, NULL, NULL);
}
