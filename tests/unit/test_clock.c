/* clock.c: clocks, formats and stamps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void test_clocks(void **state)
{
    (void)state;
    double a = moon_clock_mono();
    double b = moon_clock_mono();
    assert_true(b >= a && a > 0);
    assert_true(fabs(moon_clock_real() - (double)time(NULL)) < 5);
}

static void test_format(void **state)
{
    (void)state;
    struct moon_err err = {0};
    char out[32];
    assert_int_equal(moon_clock_format(1700000000.9, "%Y%m%d%H%M%S", true, out, sizeof out, &err),
                     0);
    assert_string_equal(out, "20231114221320");
    assert_int_equal(moon_clock_format(1700000000, "%H:%M %Z", false, out, sizeof out, &err), 0);
    assert_string_equal(out, "23:13 CET");
    assert_int_equal(moon_clock_format(-0.5, "%Y %S", true, out, sizeof out, &err), 0);
    assert_string_equal(out, "1969 59");
    assert_int_equal(moon_clock_format(0, "", true, out, sizeof out, &err), -1);
    assert_int_equal(moon_clock_format(0, "%Y%Y", true, out, 8, &err), -1);
    assert_int_equal(moon_clock_format(0, "%Y%Y", true, out, 9, &err), 0);
    assert_int_equal(moon_clock_format((double)NAN, "%Y", true, out, sizeof out, &err), -1);
    assert_int_equal(moon_clock_format(1e18, "%Y", true, out, sizeof out, &err), -1);
    assert_string_equal(out, "19701970");
    assert_int_equal(err.code, MOON_INVALID);
}

static void test_stamp(void **state)
{
    (void)state;
    static const struct {
        const char *stamp;
        bool local;
        int64_t want; /* -1: refused */
    } cases[] = {
        {"20231114221320", false, 1700000000},
        {"20231114231320", true, 1700000000},
        {"20240229000000", false, 1709164800},
        {"20230229000000", false, -1},
        {"20231314000000", false, -1},
        {"20231100000000", false, -1},
        {"20231114240000", false, -1},
        {"20231114235960", false, -1},
        {"20240331023000", true, -1},
        {"20240331023000", false, 1711852200},
        {"2023111422132", false, -1},
        {"202311142213200", false, -1},
        {"2023111422132x", false, -1},
        {"-0231114221320", false, -1},
        {"", false, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct moon_err err = {0};
        int64_t got = -1;
        int rc = moon_clock_parse_stamp(cases[i].stamp, cases[i].local, &got, &err);
        assert_int_equal(rc, cases[i].want < 0 ? -1 : 0);
        assert_int_equal(got, cases[i].want);
        assert_int_equal(err.code, rc < 0 ? MOON_INVALID : MOON_OK);
    }
}

int main(void)
{
    /* Central Europe without the help of a time zone database. */
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_stamp),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
