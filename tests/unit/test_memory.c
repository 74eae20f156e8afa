/* core/memory.c: JSON is whole or not there at all, whichever allocation fails. */
#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "no_memory.h"

/* Keys longer than the values are where the text grows. */
static json_t *record(void)
{
    json_t *o = json_object();
    for (int i = 0; o && i < 200; i++) {
        char key[64];
        snprintf(key, sizeof key, "a key that is rather longer than its value %d", i);
        assert_int_equal(json_object_set_new(o, key, json_integer(i)), 0);
    }
    return o;
}

static void dump_as(size_t flags)
{
    json_t *value = record();
    char *whole = moon_memory_dump(value, flags);
    assert_non_null(whole);
    unsigned long failed = 0, n = 0;
    for (bool did = true; did && ++n < 5000;) {
        refuse_json(n);
        char *text = moon_memory_dump(value, flags);
        did = allow_json();
        if (text && strcmp(text, whole) != 0)
            fail_msg("allocation %lu: a part passes for the whole", n);
        failed += !text;
        free(text);
    }
    assert_int_equal(failed, n - 1);
    assert_true(failed > 5);
    free(whole);
    json_decref(value);
}

static void test_dump(void **state)
{
    (void)state;
    dump_as(JSON_COMPACT);
    dump_as(JSON_INDENT(2) | JSON_SORT_KEYS);
}

static void test_copy(void **state)
{
    (void)state;
    json_t *value = record();
    bool did = true;
    for (unsigned long n = 1; did; n++) {
        assert_true(n < 5000);
        refuse_json(n);
        json_t *copy = moon_memory_copy(value);
        did = allow_json();
        assert_true(did ? !copy : json_equal(copy, value));
        json_decref(copy);
    }
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dump), cmocka_unit_test(test_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
