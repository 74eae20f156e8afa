/* xml.c: what is read, what is refused, and the helpers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "threads.h"
#include "xml.h"

#include <stdlib.h>
#include <string.h>

static xmlDocPtr parse(const char *text)
{
    struct moon_err err = {0};
    xmlDocPtr doc = NULL;
    if (moon_xml_parse(text, strlen(text), "test", &doc, &err) < 0)
        fail_msg("%s", err.message);
    return doc;
}

static void test_accepts(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "<a/>",
        "<?xml version='1.0' encoding='UTF-8' ?>\n<!DOCTYPE netapp SYSTEM "
        "'file:/etc/netapp_gx.dtd'>\n<!-- 0.1 s -->\n<netapp version='1.191' "
        "xmlns='http://www.netapp.com/filer/admin'><results status=\"passed\"/></netapp>",
        "<!DOCTYPE a SYSTEM 'http://192.0.2.1/a.dtd'><a>&amp;&lt;&#65;</a>",
        "<!DOCTYPE a [<!ELEMENT a ANY>]><a/>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_XML xmlDocPtr doc = parse(cases[i]);
        assert_non_null(xmlDocGetRootElement(doc));
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum moon_code code;
        const char *message;
    } cases[] = {
        {"", MOON_PROTOCOL, "test: "},
        {"  ", MOON_PROTOCOL, "test: "},
        {"<html", MOON_PROTOCOL, "line 1: "},
        {"<a>\n<b>\n</a>", MOON_PROTOCOL, "line 3: Opening and ending tag mismatch"},
        {"<a>\x01</a>", MOON_PROTOCOL, "line 1: "},
        {"<a>\xff</a>", MOON_PROTOCOL, "line 1: "},
        {"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", MOON_INVALID, "entity declarations"},
        {"<!DOCTYPE a [<!ENTITY e 'x'>]><a/>", MOON_INVALID, "entity declarations"},
        {"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>", MOON_INVALID,
         "entity declarations"},
        {"<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a/>", MOON_INVALID,
         "entity declarations"},
        {"<!DOCTYPE a [<!NOTATION n SYSTEM 'n'><!ENTITY u SYSTEM 'u' NDATA n>]><a/>", MOON_INVALID,
         "entity declarations"},
        {"<!DOCTYPE a SYSTEM 'file:/etc/passwd'><a>&e;</a>", MOON_INVALID, "entity 'e'"},
        {"<!DOCTYPE a SYSTEM 'file:/etc/passwd'><a b='&e;'/>", MOON_INVALID, "entity 'e'"},
        {"<a>&nbsp;</a>", MOON_INVALID, "entity 'nbsp'"},
        {"<!DOCTYPE a [<!ATTLIST a b (x|y) 'x'>]><a/>", MOON_INVALID, "attribute declarations"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned flags = 0; flags <= MOON_XML_RECOVER; flags++) {
            struct moon_err err = {0};
            xmlDocPtr doc = NULL;
            int rc = moon_xml_parse_with(cases[i].text, strlen(cases[i].text), "test", flags, &doc,
                                         &err);
            if (rc == 0 && flags == MOON_XML_RECOVER && (i == 4 || i == 5)) {
                xmlFreeDoc(doc);
                continue;
            }
            assert_int_equal(rc, -1);
            assert_null(doc);
            assert_int_equal(err.code, cases[i].code);
            if (!strstr(err.message, cases[i].message))
                fail_msg("case %zu: %s", i, err.message);
        }
    }
}

static char *nested(int depth)
{
    AUTO_BUF struct moon_buf b = {0};
    for (int i = 0; i < depth; i++)
        moon_buf_adds(&b, "<a>");
    for (int i = 0; i < depth; i++)
        moon_buf_adds(&b, "</a>");
    return moon_buf_steal(&b);
}

/* <a x0='' x1='' ...>tail; `same`: all of one name. */
static char *wide(size_t attributes, bool same, const char *tail)
{
    AUTO_BUF struct moon_buf b = {0};
    moon_buf_adds(&b, "<a");
    for (size_t i = 0; i < attributes; i++)
        moon_buf_addf(&b, " x%zu = '>'", same ? 0 : i);
    moon_buf_addf(&b, ">%s</a>", tail);
    return moon_buf_steal(&b);
}

/* Some of these would take hours: what is tested is that there is an end. */
static void test_attributes(void **state)
{
    (void)state;
    static const struct {
        size_t attributes;
        bool same, good;
    } cases[] = {{MOON_XML_MAX_ATTRIBUTES, false, true},
                 {MOON_XML_MAX_ATTRIBUTES + 1, false, false},
                 {16 * MOON_XML_MAX_ATTRIBUTES, false, false},
                 {2000000, false, false},
                 {2000000, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_FREE char *text = wide(cases[i].attributes, cases[i].same, "");
        for (unsigned flags = 0; flags <= MOON_XML_RECOVER; flags++) {
            struct moon_err err = {0};
            AUTO_XML xmlDocPtr doc = NULL;
            int rc = moon_xml_parse_with(text, strlen(text), "test", flags, &doc, &err);
            assert_int_equal(rc, cases[i].good ? 0 : -1);
            if (!cases[i].good) {
                assert_int_equal(err.code, MOON_INVALID);
                assert_non_null(strstr(err.message, "too many attributes"));
            }
        }
    }
    /* Text is no attribute, whatever it holds. */
    AUTO_BUF struct moon_buf b = {0};
    for (int i = 0; i < 100; i++)
        moon_buf_adds(&b, "====================================================================\n");
    AUTO_FREE char *text = wide(1, true, b.data);
    AUTO_XML xmlDocPtr doc = parse(text);
    assert_non_null(doc);
}

static void test_limits(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_FREE char *fits = nested(MOON_XML_MAX_DEPTH);
    AUTO_FREE char *deep = nested(MOON_XML_MAX_DEPTH + 1);
    AUTO_XML xmlDocPtr doc = parse(fits);
    assert_non_null(doc);
    xmlDocPtr none = NULL;
    assert_int_equal(moon_xml_parse(deep, strlen(deep), "test", &none, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_non_null(strstr(err.message, "nested too deeply"));
    /* Only the length is looked at. */
    assert_int_equal(moon_xml_parse(deep, MOON_XML_MAX_BYTES + 1, "test", &none, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    size_t big = (size_t)20 << 20;
    AUTO_FREE char *text = malloc(big + 8);
    memset(text, 'x', big + 7);
    memcpy(text, "<a>", 3);
    memcpy(text + big + 3, "</a>", 5);
    AUTO_XML xmlDocPtr large = parse(text);
    AUTO_FREE char *content = moon_xml_text(xmlDocGetRootElement(large));
    assert_int_equal(strlen(content), big);
}

static void test_recover(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *value;
    } cases[] = {
        {"<a>x\x01y</a>", "x?y"},
        {"<a>x\xe4y</a>", "x?y"},
        {"<a>\xc3\xa4\xed\xa0\x80</a>", "\xc3\xa4???"},
        {"<a>x&#1;y</a>", "xy"},
        {"<a b='q\x02'>x</a>", "x"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4\x03</a>", "\xc3\xa4?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct moon_err err = {0};
        AUTO_XML xmlDocPtr doc = NULL;
        if (moon_xml_parse_with(cases[i].text, strlen(cases[i].text), "test", MOON_XML_RECOVER,
                                &doc, &err) < 0)
            fail_msg("case %zu: %s", i, err.message);
        AUTO_FREE char *text = moon_xml_text(xmlDocGetRootElement(doc));
        assert_string_equal(text, cases[i].value);
    }
    static const char *const cut[] = {"<a><b>1</b>", "<a><b>1</c></a>", "<a>x</a><b/>"};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        xmlDocPtr doc = NULL;
        assert_int_equal(
            moon_xml_parse_with(cut[i], strlen(cut[i]), "test", MOON_XML_RECOVER, &doc, NULL), -1);
    }
}

static void test_helpers(void **state)
{
    (void)state;
    AUTO_XML xmlDocPtr doc =
        parse("<r xmlns:q='urn:q' n='7' t=' x '><q:b>1</q:b>text<c> two </c><b><d>3</d></b>"
              "<big>9223372036854775808</big><neg>-5</neg><yes>true</yes><no>0</no>"
              "<bad>maybe</bad><hex>0x10</hex><empty/></r>");
    xmlNodePtr root = xmlDocGetRootElement(doc);
    xmlNodePtr b = moon_xml_child(root, "b");
    assert_non_null(b);
    AUTO_FREE char *one = moon_xml_text(b);
    assert_string_equal(one, "1");
    b = moon_xml_next(b, "b");
    assert_ptr_equal(moon_xml_child(b, NULL), moon_xml_child(b, "d"));
    assert_null(moon_xml_path(root, "b/d")); /* the first b has none */
    assert_null(moon_xml_next(b, "b"));
    assert_null(moon_xml_path(root, "b/d/e"));
    assert_null(moon_xml_child(NULL, "x"));
    assert_null(moon_xml_next(NULL, "x"));
    assert_null(moon_xml_child_text(root, "none"));
    AUTO_FREE char *two = moon_xml_child_text(root, "c");
    AUTO_FREE char *attr = moon_xml_attr(root, "t");
    AUTO_FREE char *empty = moon_xml_child_text(root, "empty");
    assert_string_equal(two, "two");
    assert_string_equal(attr, "x");
    assert_string_equal(empty, "");
    assert_null(moon_xml_attr(root, "none"));
    assert_null(moon_xml_attr(NULL, "none"));

    struct moon_err err = {0};
    int64_t n = 99;
    assert_int_equal(moon_xml_child_int(root, "neg", -5, 5, &n, &err), 0);
    assert_int_equal(n, -5);
    assert_int_equal(moon_xml_attr_int(root, "n", 0, 7, &n, &err), 0);
    assert_int_equal(n, 7);
    static const struct {
        const char *name;
        enum moon_code code;
    } bad[] = {{"none", MOON_NOT_FOUND},
               {"big", MOON_PROTOCOL},
               {"c", MOON_PROTOCOL},
               {"hex", MOON_PROTOCOL},
               {"empty", MOON_PROTOCOL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(moon_xml_child_int(root, bad[i].name, INT64_MIN, INT64_MAX, &n, &err), -1);
        assert_int_equal(err.code, bad[i].code);
        assert_non_null(strstr(err.message, bad[i].name));
    }
    assert_int_equal(moon_xml_child_int(root, "neg", -4, 5, &n, &err), -1);
    assert_int_equal(n, 7);
    bool flag = false;
    assert_int_equal(moon_xml_child_bool(root, "yes", &flag, &err), 0);
    assert_true(flag);
    assert_int_equal(moon_xml_child_bool(root, "no", &flag, &err), 0);
    assert_false(flag);
    assert_int_equal(moon_xml_child_bool(root, "bad", &flag, &err), -1);
    assert_int_equal(err.code, MOON_PROTOCOL);
    assert_int_equal(moon_xml_child_bool(root, "none", &flag, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

static void test_escape(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_BUF struct moon_buf b = {0};
    moon_buf_adds(&b, "<r a='");
    static const char text[] = "a<b>&\"'\t\n\r\xc3\xa4\xf0\x9f\x98\x80";
    assert_int_equal(moon_xml_escape(&b, text, &err), 0);
    moon_buf_adds(&b, "x'/>");
    AUTO_XML xmlDocPtr doc = parse(b.data);
    AUTO_FREE char *back = moon_xml_attr(xmlDocGetRootElement(doc), "a");
    assert_int_equal(strncmp(back, text, sizeof text - 1), 0);
    static const char *const bad[] = {"x\x01", "x\xff", "x\xc0\x80", "x\xed\xa0\x80",
                                      "\xef\xbf\xbf"};
    size_t before = b.len;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(moon_xml_escape(&b, bad[i], &err), -1);
        assert_int_equal(err.code, MOON_INVALID);
        assert_int_equal(b.len, before);
        assert_int_equal(b.data[before], '\0');
    }
}

static void test_json(void **state)
{
    (void)state;
    AUTO_XML xmlDocPtr doc =
        parse("<r x='1'> a <!-- no --><b>t</b><![CDATA[<c>]]> <d y='&quot;'/></r>");
    AUTO_JSON json_t *got = NULL;
    assert_int_equal(moon_xml_to_json(xmlDocGetRootElement(doc), &got, NULL), 0);
    AUTO_JSON json_t *want =
        json_loads("{\"name\":\"r\",\"attr\":{\"x\":\"1\"},\"text\":\"a <c>\",\"children\":["
                   "{\"name\":\"b\",\"attr\":{},\"text\":\"t\",\"children\":[]},"
                   "{\"name\":\"d\",\"attr\":{\"y\":\"\\\"\"},\"text\":\"\",\"children\":[]}]}",
                   0, NULL);
    assert_non_null(want);
    assert_true(json_equal(got, want));
    assert_int_equal(moon_xml_to_json(NULL, &got, NULL), -1);
}

static void *hammer(void *arg)
{
    size_t *bad = arg;
    for (int i = 0; i < 200; i++) {
        xmlDocPtr doc = NULL;
        struct moon_err err = {0};
        *bad += moon_xml_parse("<a><b>1</b></a>", 15, "t", &doc, &err) < 0;
        xmlFreeDoc(doc);
        doc = NULL;
        *bad += moon_xml_parse("<a>\n<b></a>", 11, "t", &doc, &err) == 0 ||
                !strstr(err.message, "line 2");
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    in_threads(hammer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),    cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_recover),    cmocka_unit_test(test_helpers),
        cmocka_unit_test(test_escape),     cmocka_unit_test(test_json),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
