/* ontap.c and ontap_zapi.c, the wire: what is sent around a call, what replies and failures become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/zapi/client.h"
#include "ontap_codes.h"

#include <stdlib.h>
#include <string.h>

/* --- requests --- */

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

/* --- replies --- */

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

#define SVMS(tag)                                                                                  \
    "<vserver-get-iter>" PAGE tag "<query><vserver-info><vserver-type>data</vserver-type>"         \
    "</vserver-info></query><desired-attributes><vserver-info><vserver-name/><uuid/>"              \
    "<vserver-type/><state/></vserver-info></desired-attributes></vserver-get-iter>"

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
    sent(0, SVMS(""));
    sent(1, SVMS("<tag>" TAG("a &amp;amp; b") "</tag>"));
    sent(2, SVMS("<tag>" TAG("c") "</tag>"));
    assert_int_equal(count(&srv.connections), 1);
}

/* The same query goes with every page. */
static void test_paging_keeps_query(void **state)
{
    (void)state;
    reply("<results status='passed'><attributes-list/><next-tag>t</next-tag></results>");
    reply("<results status='passed'><num-records>0</num-records></results>");
    AUTO_JSON json_t *j =
        good(MOON_ONTAP_LUN_MAPS, json_pack("{s:s, s:s}", "path", "/vol/v/a", "igroup", "g"));
    equals(j, "[]");
    sent(1, "<lun-map-get-iter>" PAGE "<tag>t</tag><query><lun-map-info><path>/vol/v/a</path>"
            "<initiator-group>g</initiator-group></lun-map-info></query><desired-attributes>"
            "<lun-map-info><path/><initiator-group/><lun-id/><vserver/></lun-map-info>"
            "</desired-attributes></lun-map-get-iter>");
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

/* Both tables are searched: sorted, and a row that says nothing is none. */
static void test_codes(void **state)
{
    (void)state;
    size_t n;
    const struct moon_ontap_fault *rows = moon_ontap_zapi_faults(&n);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || rows[i - 1].number < rows[i].number);
        assert_true(rows[i].code > MOON_OK && rows[i].code < MOON_CODE_COUNT);
        assert_ptr_equal(moon_ontap_zapi_fault(rows[i].number), &rows[i]);
        assert_true(*rows[i].name && strlen(rows[i].remedy) > 10);
    }
    assert_null(moon_ontap_zapi_fault(0));
    assert_null(moon_ontap_zapi_fault(-1));
    assert_null(moon_ontap_zapi_fault(99999));
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
    reply("<results status='passed'><volume-errors/><attributes-list><snapshot-info><name>s</name>"
          "<volume>vol9</volume></snapshot-info></attributes-list></results>");
    struct moon_err err = bad(MOON_ONTAP_SNAPSHOTS, json_pack("{s:s}", "volume", "vol9"));
    assert_int_equal(err.code, MOON_CONFLICT);
    assert_int_equal(err.native, 13023);
    assert_non_null(strstr(err.message, "volume 'vol9': not allowed (errno 13023)"));
    AUTO_JSON json_t *j = good(MOON_ONTAP_SNAPSHOTS, json_pack("{s:s}", "volume", "vol9"));
    assert_int_equal(json_array_size(j), 1);
}

/* A call that changes many objects passes also when it changed none. */
static void test_failure_list(void **state)
{
    (void)state;
    reply("<results status='passed'><failure-list><snapshot-modify-iter-info><error-code>13040"
          "</error-code><error-message>gone</error-message></snapshot-modify-iter-info>"
          "</failure-list><num-failed>1</num-failed><num-succeeded>0</num-succeeded></results>");
    reply("<results status='passed'><num-failed>0</num-failed><num-succeeded>0</num-succeeded>"
          "</results>");
    reply("<results status='passed'><failure-list/><num-failed>0</num-failed><num-succeeded>1"
          "</num-succeeded></results>");
    for (int i = 0; i < 2; i++) {
        struct moon_err err =
            bad(MOON_ONTAP_SNAPSHOT_MODIFY,
                json_pack("{s:s, s:s, s:s}", "volume", "v", "name", "s", "comment", "c"));
        assert_int_equal(err.code, MOON_NOT_FOUND);
        assert_non_null(strstr(err.message, "snapshot-modify-iter v s: "));
        assert_true(i || strstr(err.message, "gone (errno 13040)"));
    }
    assert_null(good(MOON_ONTAP_SNAPSHOT_MODIFY,
                     json_pack("{s:s, s:s, s:s}", "volume", "v", "name", "s", "comment", "c")));
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

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_http_head),
                                       CASE(test_tunnel),
                                       CASE(test_escaping),
                                       CASE(test_unsendable),
                                       CASE(test_shapes),
                                       CASE(test_paging),
                                       CASE(test_paging_keeps_query),
                                       CASE(test_repeated_tag),
                                       CASE(test_no_rows),
                                       CASE(test_second_page_fails),
                                       CASE(test_errnos),
                                       CASE(test_codes),
                                       CASE(test_remedies),
                                       CASE(test_odd_failures),
                                       CASE(test_volume_errors),
                                       CASE(test_failure_list),
                                       CASE(test_result_status),
                                       CASE(test_http_status),
                                       CASE(test_not_a_reply),
                                       CASE(test_control_characters),
                                       CASE(test_control_characters_in_reason),
                                       CASE(test_large),
                                       CASE(test_entities),
                                       CASE(test_unreachable),
                                       CASE(test_abandoned)};
    return cmocka_run_group_tests_name("ontap", tests, NULL, NULL);
}
