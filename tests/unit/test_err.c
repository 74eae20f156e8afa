/* err.c: names, messages and what an errno means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "err.h"

#include <errno.h>
#include <string.h>

static void test_names(void **state)
{
    (void)state;
    for (int a = 0; a < MOON_CODE_COUNT; a++) {
        assert_true(*moon_code_name((enum moon_code)a));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(moon_code_name((enum moon_code)a),
                                    moon_code_name((enum moon_code)b));
    }
    for (int a = 0; a < MOON_SOURCE_COUNT; a++)
        assert_true(*moon_source_name((enum moon_source)a));
    assert_string_equal(moon_code_name(MOON_NO_SPACE), "no_space");
    assert_string_equal(moon_source_name(MOON_SRC_LIBVIRT), "libvirt");
    assert_string_equal(moon_code_name((enum moon_code)999), "internal");
    assert_string_equal(moon_source_name((enum moon_source)999), "engine");
}

static void test_set(void **state)
{
    (void)state;
    struct moon_err err = {0};
    assert_int_equal(moon_err_set(NULL, MOON_IO, MOON_SRC_OS, 0, "x", "y"), -1);
    assert_int_equal(moon_err_set(&err, MOON_BUSY, MOON_SRC_ONTAP, 13, "snapshot-delete",
                                  "snapshot '%s': busy\nline\ttwo\x7f", "s1"),
                     -1);
    assert_int_equal(err.code, MOON_BUSY);
    assert_int_equal(err.source, MOON_SRC_ONTAP);
    assert_int_equal(err.native, 13);
    assert_string_equal(err.op, "snapshot-delete");
    assert_string_equal(err.message, "snapshot 's1': busy line two ");
    moon_err_set(&err, MOON_PARTIAL, MOON_SRC_ENGINE, 0, NULL, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: snapshot 's1': busy line two ");
    assert_string_equal(err.op, "");
}

static void test_long(void **state)
{
    (void)state;
    struct moon_err err = {0};
    char text[4000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    moon_err_set(&err, MOON_IO, MOON_SRC_OS, 0, text, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(strlen(err.op), sizeof err.op - 1);
    moon_err_errno(&err, ENOENT, "op", "%s", text);
    assert_non_null(strstr(err.message, "aaa: No such file"));
}

static void test_errno(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        enum moon_code code;
    } cases[] = {{ENOENT, MOON_NOT_FOUND},
                 {ENOTDIR, MOON_NOT_FOUND},
                 {EEXIST, MOON_EXISTS},
                 {EACCES, MOON_DENIED},
                 {EROFS, MOON_DENIED},
                 {EBUSY, MOON_BUSY},
                 {ETIMEDOUT, MOON_TIMEOUT},
                 {EINVAL, MOON_INVALID},
                 {ENOSPC, MOON_NO_SPACE},
                 {EDQUOT, MOON_NO_SPACE},
                 {ECONNREFUSED, MOON_UNREACHABLE},
                 {ENOMEM, MOON_INTERNAL},
                 {EIO, MOON_IO},
                 {ESTALE, MOON_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct moon_err err = {0};
        assert_int_equal(moon_err_errno(&err, cases[i].errnum, "open", "file '%s'", "/x"), -1);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(err.native, cases[i].errnum);
        assert_int_equal(err.source, MOON_SRC_OS);
        assert_int_equal(strncmp(err.message, "file '/x': ", 11), 0);
    }
    assert_int_equal(moon_err_errno(NULL, EIO, "x", "y"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_errno),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
