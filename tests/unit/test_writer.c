/* guard/writer.c: nobody waits for a disk longer than they said, and what is written comes in its order. The guard's objects
 * are not a part of the library, so that the source is compiled in; the journal's place, and the disk's, is taken by what
 * stands here. */
#include "../../engine/guard/writer.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

static atomic_bool hangs;    /* the disk does not answer */
static atomic_bool fails;    /* it answers that it is full */
static atomic_int under_way; /* calls that have begun and not ended */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char written[512];

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static int disk(struct moon_err *err, const char *word, const char *what)
{
    under_way++;
    while (hangs)
        nap();
    pthread_mutex_lock(&lock);
    size_t at = strlen(written);
    if (!fails)
        snprintf(written + at, sizeof written - at, "%s%s%s;", word, *word ? " " : "", what);
    pthread_mutex_unlock(&lock);
    under_way--;
    return fails ? moon_err_set(err, MOON_IO, MOON_SRC_OS, 28, "journal", "full") : 0;
}

int moon_journal_add(const char *path, struct moon_err *err, const char *fmt, ...)
{
    char text[64];
    va_list ap;
    assert_string_equal(path, "the journal");
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return disk(err, "", text);
}

static const char *name_of(const json_t *list)
{
    const json_t *item = json_array_get(list, 0);
    const char *name = json_string_value(item);
    return name ? name : json_string_value(json_object_get(item, "uuid"));
}

int moon_journal_hold(const char *path, const json_t *domains, struct moon_err *err)
{
    (void)path;
    return disk(err, "hold", name_of(domains));
}

int moon_journal_free(const char *path, const json_t *uuids, struct moon_err *err)
{
    (void)path;
    return disk(err, "free", name_of(uuids));
}

int moon_journal_read(const char *path, json_t **out, struct moon_err *err)
{
    (void)path;
    int rc = disk(err, "", "read");
    *out = rc == 0 ? json_string("read") : NULL;
    return rc;
}

/* --- what is asked for --------------------------------------------------------------------- */

static struct moon_writer *w;
static struct moon_err err;

static double soon(void)
{
    return moon_clock_mono() + 0.02;
}

static double late(void)
{
    return moon_clock_mono() + 60;
}

static int hold(const char *uuid, double until)
{
    AUTO_JSON json_t *list = json_pack("[{s:s}]", "uuid", uuid);
    return moon_writer_hold(w, list, until, &err);
}

static int let_go(const char *uuid, double until)
{
    AUTO_JSON json_t *list = json_pack("[s]", uuid);
    return moon_writer_free(w, list, until, &err);
}

static void stop_disk(void)
{
    hangs = true;
    assert_int_equal(moon_writer_add(w, soon(), &err, "fired %d", 1), -1);
    assert_int_equal(err.code, MOON_TIMEOUT);
    assert_non_null(strstr(err.message, "the journal"));
    for (int i = 0; i < 60000 && under_way == 0; i++)
        nap();
    assert_int_equal(under_way, 1);
}

static void all_is_written(const char *what)
{
    hangs = false;
    for (int i = 0; i < 60000 && moon_writer_busy(w); i++)
        nap();
    assert_false(moon_writer_busy(w));
    pthread_mutex_lock(&lock);
    assert_string_equal(written, what);
    pthread_mutex_unlock(&lock);
}

static int setup(void **state)
{
    (void)state;
    hangs = fails = false;
    *written = '\0';
    if (!w)
        w = moon_writer_new("the journal");
    return w ? 0 : -1;
}

static void test_written(void **state)
{
    (void)state;
    json_t *read = NULL;
    assert_int_equal(hold("a", late()), 0);
    assert_int_equal(let_go("a", late()), 0);
    assert_int_equal(moon_writer_read(w, late(), &read, &err), 0);
    assert_string_equal(json_string_value(read), "read");
    json_decref(read);
    assert_int_equal(moon_writer_add(w, late(), NULL, "closed"), 0);
    all_is_written("hold a;free a;read;closed;");
}

static void test_fails(void **state)
{
    (void)state;
    json_t *read = NULL;
    fails = true;
    assert_int_equal(hold("a", late()), -1);
    assert_int_equal(err.code, MOON_IO);
    assert_string_equal(err.message, "full");
    assert_int_equal(moon_writer_read(w, late(), &read, &err), -1);
    assert_null(read);
    fails = false;
    all_is_written("");
}

/* A hold that is not begun is left out, and so is what nobody would read; what says that domains run is written. */
static void test_waits_no_longer(void **state)
{
    (void)state;
    json_t *read = NULL;
    stop_disk();
    assert_true(moon_writer_busy(w));
    assert_int_equal(hold("a", soon()), -1);
    assert_int_equal(err.code, MOON_TIMEOUT);
    assert_int_equal(let_go("b", soon()), -1);
    assert_int_equal(err.code, MOON_TIMEOUT);
    assert_int_equal(moon_writer_read(w, soon(), &read, &err), -1);
    assert_int_equal(moon_writer_add(w, 0, NULL, "closed"), -1); /* a time that is past */
    all_is_written("fired 1;free b;closed;");
}

/* On a busy machine the thread may take its time to begin it. */
static void hold_is_given_up_midway(const char *uuid)
{
    hangs = true;
    for (double wait = 0.05; wait < 60 && under_way == 0; wait *= 2) {
        assert_int_equal(hold(uuid, moon_clock_mono() + wait), -1);
        assert_int_equal(err.code, MOON_TIMEOUT);
    }
    assert_int_equal(under_way, 1);
}

/* Written after it was given up: its domains are free again before anything else is said of them. */
static void test_hold_comes_late(void **state)
{
    (void)state;
    hold_is_given_up_midway("a");
    let_go("b", soon());
    all_is_written("hold a;free a;free b;");
    fails = true;
    hold_is_given_up_midway("a");
    all_is_written("hold a;free a;free b;"); /* it failed: nothing is there to take back */
}

/* Who asked for it may change or free the list meanwhile. */
static void test_list_is_copied(void **state)
{
    (void)state;
    stop_disk();
    AUTO_JSON json_t *list = json_pack("[s]", "a");
    assert_int_equal(moon_writer_free(w, list, soon(), &err), -1);
    json_array_set_new(list, 0, json_string("b"));
    all_is_written("fired 1;free a;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_written, setup),
        cmocka_unit_test_setup(test_fails, setup),
        cmocka_unit_test_setup(test_waits_no_longer, setup),
        cmocka_unit_test_setup(test_hold_comes_late, setup),
        cmocka_unit_test_setup(test_list_is_copied, setup),
    };
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
