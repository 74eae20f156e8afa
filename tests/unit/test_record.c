/* guard/record.c: only the record of a run that did not end by its own word is marked. The guard's objects are not
 * in the core library, so the source itself is here. */
#include "../../engine/guard/record.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static void put(const char *text)
{
    assert_int_equal(moon_store_replace(path, text, strlen(text), 0, NULL), 0);
}

static json_t *get(void)
{
    json_t *record = json_load_file(path, 0, NULL);
    assert_non_null(record);
    return record;
}

static int mark(struct moon_err *err)
{
    AUTO_JSON json_t *held =
        json_pack("[{s:s, s:s}, {s:s, s:s}]", "uuid", "u1", "name", "a", "uuid", "u2", "name", "b");
    return moon_record_rescued(path, held, 1234.5, err);
}

static void test_started(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put("{\"status\": \"started\", \"id\": \"x\", \"guests\": []}");
    assert_int_equal(mark(&err), 0);
    AUTO_JSON json_t *record = get();
    assert_true(json_is_true(json_object_get(record, "crash_consistent")));
    assert_string_equal(json_string_value(json_object_get(record, "status")), "started");
    assert_string_equal(json_string_value(json_object_get(record, "id")), "x");
    AUTO_JSON json_t *want = json_pack("{s:i, s:[s, s]}", "time", 1234, "guests", "a", "b");
    assert_true(json_equal(json_object_get(record, "rescued"), want));
}

static void test_ended(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put("{\"status\": \"ok\"}");
    assert_int_equal(mark(&err), 0);
    AUTO_JSON json_t *record = get(), *want = json_pack("{s:s}", "status", "ok");
    assert_true(json_equal(record, want));
}

static void test_no_record(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "[]", "{}", "{\"status\": 1}",
                                      "{\"status\": \"started\""};
    struct moon_err err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(bad[i]);
        assert_int_equal(mark(&err), -1);
        assert_int_equal(err.code, MOON_PROTOCOL);
        assert_non_null(strstr(err.message, path));
    }
    unlink(path);
    assert_int_equal(mark(&err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/moon-record-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_started), cmocka_unit_test(test_ended),
                                       cmocka_unit_test(test_no_record)};
    return cmocka_run_group_tests_name("record", tests, setup, teardown);
}
