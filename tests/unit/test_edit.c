/* edit.c: a read that is stopped, and one that is not meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../engine/lazy.h"
#include "edit.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Linked as usual here. */
int moon_lazy_load(const char *library, struct moon_err *err)
{
    (void)library, (void)err;
    return 0;
}

static void type(const char *keys)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], keys, strlen(keys)), (ssize_t)strlen(keys));
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
}

static void test_stop(void **state)
{
    (void)state;
    struct moon_edit *e = NULL;
    struct moon_err err = {0};
    json_t *words = json_array(), *line = NULL;
    atomic_bool before = false, mine = false;
    type("one\ntwo\n");
    assert_int_equal(moon_edit_new(NULL, &e, &err), 0);
    moon_edit_stop(e, &before);
    assert_int_equal(moon_edit_read(e, "> ", words, &before, &line, &err), -1);
    assert_int_equal(err.code, MOON_CANCELLED);
    assert_null(line);
    /* The one after it is nobody's to stop, and finds all that was typed. */
    assert_int_equal(moon_edit_read(e, "> ", words, &mine, &line, &err), 0);
    assert_string_equal(json_string_value(line), "one");
    json_decref(line);
    moon_edit_unref(e);
    json_decref(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
