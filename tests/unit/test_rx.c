/* rx.c: compiling, matching, limits, walking and replacing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rx.h"

#include <stdlib.h>
#include <string.h>

static struct moon_rx *compile(const char *pattern, const char *flags)
{
    struct moon_err err = {0};
    struct moon_rx *rx = NULL;
    if (moon_rx_new(pattern, flags, &rx, &err) < 0)
        fail_msg("%s", err.message);
    return rx;
}

static void test_compile(void **state)
{
    (void)state;
    struct moon_err err = {0};
    struct moon_rx *rx = NULL;
    assert_int_equal(moon_rx_new("a(b", NULL, &rx, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_non_null(strstr(err.message, "offset 3"));
    assert_non_null(strstr(err.message, "missing closing parenthesis"));
    assert_int_equal(moon_rx_new("a", "iq", &rx, &err), -1);
    assert_non_null(strstr(err.message, "unknown flag 'q'"));
    assert_int_equal(moon_rx_new("\xff", NULL, &rx, &err), -1);
    assert_int_equal(moon_rx_new("a\\Cb", NULL, &rx, &err), -1);
    AUTO_FREE char *big = malloc(MOON_RX_MAX_PATTERN + 2);
    memset(big, 'a', MOON_RX_MAX_PATTERN + 1);
    big[MOON_RX_MAX_PATTERN + 1] = '\0';
    assert_int_equal(moon_rx_new(big, NULL, &rx, &err), -1);
    assert_null(rx);
    moon_rx_free(NULL);
}

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *flags;
        const char *subject;
        const char *want; /* JSON */
    } cases[] = {
        {"b+", NULL, "abbc", "{\"start\":1,\"end\":3,\"text\":\"bb\",\"groups\":[],\"names\":{}}"},
        {"x", NULL, "abc", "null"},
        {"(?<k>\\w+)=(\\d+)?(;)?", NULL, "a=",
         "{\"start\":0,\"end\":2,\"text\":\"a=\",\"groups\":[\"a\",null,null],\"names\":{\"k\":"
         "\"a\"}}"},
        {"B", "i", "abc", "{\"start\":1,\"end\":2,\"text\":\"b\",\"groups\":[],\"names\":{}}"},
        {"^b", "m", "a\nb", "{\"start\":2,\"end\":3,\"text\":\"b\",\"groups\":[],\"names\":{}}"},
        {"a.b", "s", "a\nb",
         "{\"start\":0,\"end\":3,\"text\":\"a\\nb\",\"groups\":[],\"names\":{}}"},
        {"a  b # c", "x", "ab",
         "{\"start\":0,\"end\":2,\"text\":\"ab\",\"groups\":[],\"names\":{}}"},
        {"^.$", NULL, "\xc3\xa4",
         "{\"start\":0,\"end\":2,\"text\":\"\xc3\xa4\",\"groups\":[],\"names\":{}}"},
        {"^\\w$", "u", "\xc3\xa4",
         "{\"start\":0,\"end\":2,\"text\":\"\xc3\xa4\",\"groups\":[],\"names\":{}}"},
        {"^\\w$", NULL, "\xc3\xa4", "null"},
        {"^..$", "b", "\xc3\xa4",
         "{\"start\":0,\"end\":2,\"text\":\"\xc3\xa4\",\"groups\":[],\"names\":{}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_RX struct moon_rx *rx = compile(cases[i].pattern, cases[i].flags);
        struct moon_err err = {0};
        json_t *got = NULL;
        if (moon_rx_match(rx, cases[i].subject, strlen(cases[i].subject), 0, &got, &err) < 0)
            fail_msg("case %zu: %s", i, err.message);
        json_t *want = json_loads(cases[i].want, JSON_DECODE_ANY, NULL);
        if (!json_equal(got, want))
            fail_msg("case %zu", i);
        json_decref(want);
        json_decref(got);
    }
}

static void test_exec(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_RX struct moon_rx *rx = compile("(a)|(?<two>b)", NULL);
    struct moon_rx_span s[4];
    assert_int_equal(moon_rx_groups(rx), 2);
    assert_null(moon_rx_group_name(rx, 1));
    assert_string_equal(moon_rx_group_name(rx, 2), "two");
    assert_null(moon_rx_group_name(rx, 3));
    assert_int_equal(moon_rx_exec(rx, "xab", 3, 2, s, 4, &err), 1);
    assert_int_equal(s[0].start, 2);
    assert_int_equal(s[0].end, 3);
    assert_true(s[1].start == MOON_RX_UNSET);
    assert_int_equal(s[2].start, 2);
    assert_true(s[3].start == MOON_RX_UNSET);
    assert_int_equal(moon_rx_exec(rx, "xab", 3, 3, s, 4, &err), 0);
    assert_int_equal(moon_rx_exec(rx, "xab", 3, 4, s, 4, &err), -1);
    assert_int_equal(moon_rx_exec(rx, NULL, 0, 0, s, 4, &err), 0);
    assert_int_equal(moon_rx_exec(rx, "\xff", 1, 0, s, 4, &err), -1);
    assert_non_null(strstr(err.message, "not utf-8"));
    AUTO_RX struct moon_rx *bytes = compile("\\xff(.)", "b");
    assert_int_equal(moon_rx_exec(bytes, "a\xff\0", 3, 0, s, 2, &err), 1);
    assert_int_equal(s[1].start, 2);
}

static void test_limits(void **state)
{
    (void)state;
    struct moon_err err = {0};
    struct moon_rx_span s[1];
    static const char subject[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    AUTO_RX struct moon_rx *rx = compile("^(a+)+$", NULL);
    assert_int_equal(moon_rx_exec(rx, subject, strlen(subject), 0, s, 1, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_non_null(strstr(err.message, "too much backtracking"));
}

static void test_all(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *flags;
        const char *subject;
        size_t max;
        const char *want; /* start-end pairs */
    } cases[] = {
        {"a", NULL, "banana", 0, "1-2 3-4 5-6 "},
        {"a", NULL, "banana", 2, "1-2 3-4 "},
        {"x*", NULL, "axb", 0, "0-0 1-2 2-2 3-3 "},
        {"", NULL,
         "\xc3\xa4"
         "b",
         0, "0-0 2-2 3-3 "},
        {"$", "m", "a\nb", 0, "1-1 3-3 "},
        {"(?=a)", NULL, "aa", 0, "0-0 1-1 "},
        {"q", NULL, "", 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_RX struct moon_rx *rx = compile(cases[i].pattern, cases[i].flags);
        json_t *got = NULL;
        assert_int_equal(
            moon_rx_all(rx, cases[i].subject, strlen(cases[i].subject), cases[i].max, &got, NULL),
            0);
        AUTO_BUF struct moon_buf b = {0};
        moon_buf_adds(&b, "");
        for (size_t k = 0; k < json_array_size(got); k++) {
            json_t *m = json_array_get(got, k);
            moon_buf_addf(&b, "%d-%d ", (int)json_integer_value(json_object_get(m, "start")),
                          (int)json_integer_value(json_object_get(m, "end")));
        }
        assert_string_equal(b.data, cases[i].want);
        json_decref(got);
    }
}

static void test_replace(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *with;
        const char *subject;
        size_t max;
        const char *want; /* NULL: refused */
        size_t count;
    } cases[] = {
        {"a", "<$0>", "banana", 0, "b<a>n<a>n<a>", 3},
        {"a", "", "banana", 1, "bnana", 1},
        {"(\\w)(?<n>\\d)?", "${n}${1}$$", "a1b", 0, "1a$b$", 2},
        {"x*", "-", "abc", 0, "-a-b-c-", 4},
        {"q", "z", "abc", 0, "abc", 0},
        {"a", "$2", "a", 0, NULL, 0},
        {"a", "${none}", "a", 0, NULL, 0},
        {"a", "cost $", "a", 0, NULL, 0},
        {"a", "${", "a", 0, NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_RX struct moon_rx *rx = compile(cases[i].pattern, NULL);
        AUTO_BUF struct moon_buf b = {0};
        struct moon_err err = {0};
        size_t count = 77;
        int rc = moon_rx_replace(rx, cases[i].subject, strlen(cases[i].subject), cases[i].with,
                                 cases[i].max, &b, &count, &err);
        if (!cases[i].want) {
            assert_int_equal(rc, -1);
            assert_int_equal(err.code, MOON_INVALID);
            assert_int_equal(count, 77);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_string_equal(b.data, cases[i].want);
        assert_int_equal(count, cases[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compile), cmocka_unit_test(test_match),
        cmocka_unit_test(test_exec),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_all),     cmocka_unit_test(test_replace),
    };
    return cmocka_run_group_tests_name("rx", tests, NULL, NULL);
}
