/* ontap_rest_text.c: what may stand in an address or a query, and what the texts of an answer mean; and the table of
 * its error numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ontap_codes.h"
#include "ontap_rest.h"

#include <string.h>

static void test_links(void **state)
{
    (void)state;
    static const char *const good[] = {"/api/storage/volumes?start.uuid=1&fields=*&name=%22a..b%22",
                                       "/api/a/..b/c", "/api/x?y=/../z", "/api/storage/"};
    static const char *const bad[] = {"",
                                      "/",
                                      "/api",
                                      "/apis/x",
                                      "//evil/api/x",
                                      "http://127.0.0.1/api/x",
                                      "https://evil/api/x",
                                      "/api/../servlets/x",
                                      "/api/..",
                                      "/api/a/./b",
                                      "/api/%2e%2e/x",
                                      "/api/%2E./x",
                                      "/api/x y",
                                      "/api/x\r\nHost: evil",
                                      "/api/x#y",
                                      "/api\\x",
                                      "/api/\xc3\xa4"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!rest_link_ok(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (rest_link_ok(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void test_queries(void **state)
{
    (void)state;
    static const struct {
        const char *literal, *query;
    } cases[] = {{"vm_nfs01", "?k=vm_nfs01"},
                 {"80BeR$M7hQwA", "?k=80BeR%24M7hQwA"},
                 {"80BeR$M7hQw?", "?k=%2280BeR%24M7hQw%3F%22"},
                 {"a*b", "?k=%22a%2Ab%22"},
                 {"a|b", "?k=%22a%7Cb%22"},
                 {"!a", "?k=%22%21a%22"},
                 {"<1", "?k=%22%3C1%22"},
                 {"a..b", "?k=%22a..b%22"},
                 {"[a]{b}", "?k=%22%5Ba%5D%7Bb%7D%22"},
                 {"a,b", "?k=%22a,b%22"},
                 {"null", "?k=%22null%22"},
                 {"a&k=b#c%41", "?k=%22a%26k%3Db%23c%2541%22"},
                 {"a b", "?k=%22a%20b%22"},
                 {"~^@#$%&+/-", "?k=~%5E%40%23%24%25%26%2B/-"},
                 {"\xc3\xa4", "?k=%C3%A4"},
                 {"say \"x\"", ""},
                 {NULL, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rest_ask ask = {0};
        assert_int_equal(rest_path(&ask, "%s", "/x"), 0);
        assert_int_equal(rest_match(&ask, "k", cases[i].literal), 0);
        assert_string_equal(ask.path.data + 2, cases[i].query);
        moon_buf_free(&ask.path);
    }
    static const struct {
        const char *pattern, *query;
    } patterns[] = {{"kvmbk_*", "?k=kvmbk_*"}, {"*", "?k=*"}, {"a*|b", ""}, {"ab", "?k=ab"}};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct rest_ask ask = {0};
        assert_int_equal(rest_path(&ask, "%s", "/x"), 0);
        assert_int_equal(rest_pattern(&ask, "k", patterns[i].pattern), 0);
        assert_string_equal(ask.path.data + 2, patterns[i].query);
        moon_buf_free(&ask.path);
    }
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(rest_matches("a", "a"));
    assert_true(rest_matches("a*", "a"));
    assert_true(rest_matches("*", ""));
    assert_true(rest_matches("*b*d", "abcbd"));
    assert_true(rest_matches("a*c", "abcbc"));
    assert_false(rest_matches("a", "ab"));
    assert_false(rest_matches("a?", "ab"));
    assert_false(rest_matches("*a", "ab"));
    assert_false(rest_matches("", "a"));
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        json_int_t want; /* -1: no time */
    } times[] = {{"2026-03-14T02:00:01+00:00", 1773453601},
                 {"2026-03-14T03:00:01+01:00", 1773453601},
                 {"2026-03-13T21:30:01-0430", 1773453601},
                 {"2026-03-14T02:00:01Z", 1773453601},
                 {"2026-03-14T02:00:01.123456Z", 1773453601},
                 {"2026-03-14T02:00:01", 1773453601},
                 {"2026-03-14", -1},
                 {"2026-03-14T02:00:01+x", -1},
                 {"2026-03-14T02:00:01Zx", -1},
                 {"2026-03-14T02:00:01+99:00", -1},
                 {"", -1},
                 {NULL, -1}},
      durations[] = {{"PT24H0M12S", 86412}, {"P1DT1H", 90000}, {"PT34S", 34},   {"P1W", 604800},
                     {"PT0S", 0},           {"PT1.5S", 1},     {"P", -1},       {"PT5", -1},
                     {"P5M", -1},           {"5S", -1},        {"PT1H-3M", -1}, {NULL, -1}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        json_int_t v = -1;
        bool good = rest_time(times[i].text, &v);
        if (good != (times[i].want >= 0) || (good && v != times[i].want))
            fail_msg("%s: %lld", times[i].text, (long long)v);
    }
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        json_int_t v = -1;
        bool good = rest_duration(durations[i].text, &v);
        if (good != (durations[i].want >= 0) || (good && v != durations[i].want))
            fail_msg("%s: %lld", durations[i].text, (long long)v);
    }
}

static void test_parse(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{",    "[]",   "\"x\"",        "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}",
        "{} x", "null", "<html></html>"};
    const char *why = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *j = rest_parse(bad[i], strlen(bad[i]), &why);
        if (j)
            fail_msg("taken: %s", bad[i]);
        assert_non_null(why);
    }
    char deep[1000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    assert_null(rest_parse(deep, sizeof deep, &why));
    assert_string_equal(why, "nested deeper than any answer");
    const char *quoted =
        "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
        "[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[\"}";
    json_t *j = rest_parse(quoted, strlen(quoted), &why);
    assert_non_null(j);
    json_decref(j);
    j = rest_parse("", 0, &why);
    assert_int_equal(json_object_size(j), 0);
    json_decref(j);
}

static void test_codes(void **state)
{
    (void)state;
    size_t n;
    const struct moon_ontap_fault *rows = moon_ontap_rest_faults(&n);
    assert_true(n > 100);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || rows[i - 1].number < rows[i].number);
        assert_true(rows[i].code > MOON_OK && rows[i].code < MOON_CODE_COUNT);
        assert_true(rows[i].name[0] && rows[i].remedy[0]);
        assert_ptr_equal(moon_ontap_rest_fault(rows[i].number), &rows[i]);
    }
    assert_null(moon_ontap_rest_fault(0));
    assert_null(moon_ontap_rest_fault(-4));
    assert_int_equal(moon_ontap_rest_fault(525059)->code, MOON_EXISTS);
    assert_int_equal(moon_ontap_rest_fault(1638555)->code, MOON_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),    cmocka_unit_test(test_queries),
        cmocka_unit_test(test_patterns), cmocka_unit_test(test_times),
        cmocka_unit_test(test_parse),    cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests_name("ontap_rest_text", tests, NULL, NULL);
}
