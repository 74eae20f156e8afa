/* buf.c: growth, termination, giving the content away, and no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auto.h"
#include "buf.h"

#include <string.h>

static void test_add(void **state)
{
    (void)state;
    AUTO_BUF struct moon_buf b = {0};
    assert_int_equal(moon_buf_adds(&b, "ab"), 0);
    assert_int_equal(moon_buf_add(&b, "\0c", 2), 0);
    assert_int_equal(moon_buf_addf(&b, "%d-%s", 42, "x"), 0);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data, "ab\0c42-x", 9);
    assert_int_equal(moon_buf_add(&b, NULL, 0), 0);
    assert_int_equal(b.len, 8);
}

static void test_growth(void **state)
{
    (void)state;
    AUTO_BUF struct moon_buf b = {0};
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(moon_buf_addf(&b, "%04d", i), 0);
        assert_true(b.cap > b.len);
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 40000);
    assert_memory_equal(b.data + 39996, "9999", 4);
}

static void test_steal(void **state)
{
    (void)state;
    AUTO_BUF struct moon_buf b = {0};
    AUTO_FREE char *empty = moon_buf_steal(&b);
    assert_string_equal(empty, "");
    moon_buf_adds(&b, "text");
    AUTO_FREE char *text = moon_buf_steal(&b);
    assert_string_equal(text, "text");
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    moon_buf_free(&b);
    moon_buf_free(&b);
}

static void test_too_big(void **state)
{
    (void)state;
    AUTO_BUF struct moon_buf b = {0};
    moon_buf_adds(&b, "keep");
    assert_int_equal(moon_buf_add(&b, "x", SIZE_MAX - 4), -1);
    assert_int_equal(moon_buf_add(&b, "x", SIZE_MAX / 2 + 2), -1);
    assert_string_equal(b.data, "keep");
    assert_int_equal(b.len, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_steal),
        cmocka_unit_test(test_too_big),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
