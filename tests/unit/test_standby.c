/* guard/standby.c: a bare suspend or freeze is in a guard's journal before libvirt is asked, stays there while it may still
 * come, and leaves it when the domain runs again. The guard's objects are not a part of the library, so that the source is
 * compiled in; guards and domains are what stands here. */
#include "../../engine/guard/standby.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tempdir.h"

struct moon_domain {
    const char *uri, *uuid, *name;
    bool paused;
    enum moon_code suspend, freeze; /* how it fails; MOON_OK: it does not */
    atomic_bool hangs, inside;      /* its suspend does not return; it is being suspended */
};

struct moon_guard {
    char nothing;
};

static struct moon_guard the_guard;
static enum moon_code start_fails, hold_fails;
static bool covered;
static const char *over; /* the domain that its guard has brought back */

/* What was done, in its order. */
static char done[512];
static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;

static void add(const char *word)
{
    pthread_mutex_lock(&done_lock);
    size_t at = strlen(done);
    snprintf(done + at, sizeof done - at, "%s%s", at ? " " : "", word);
    pthread_mutex_unlock(&done_lock);
}

static int result(enum moon_code code, struct moon_err *err)
{
    return code == MOON_OK ? 0 : moon_err_set(err, code, MOON_SRC_ENGINE, 0, "test", "as ordered");
}

const char *moon_domain_uri(const struct moon_domain *d)
{
    return d->uri;
}

const char *moon_domain_uuid(const struct moon_domain *d)
{
    return d->uuid;
}

const char *moon_domain_name(const struct moon_domain *d)
{
    return d->name;
}

int moon_domain_state(struct moon_domain *d, json_t **out, struct moon_err *err)
{
    (void)err;
    *out = json_pack("{s:s}", "state", d->paused ? "paused" : "running");
    return 0;
}

int moon_domain_agent_answers(struct moon_domain *d, struct moon_err *err)
{
    (void)d, (void)err;
    return 0;
}

int moon_domain_suspend(struct moon_domain *d, struct moon_err *err)
{
    add("suspend");
    d->inside = true;
    while (d->hangs)
        usleep(1000);
    d->paused = d->suspend == MOON_OK;
    return result(d->suspend, err);
}

int moon_domain_resume(struct moon_domain *d, struct moon_err *err)
{
    (void)err;
    add("resume");
    d->paused = false;
    return 0;
}

int moon_domain_freeze(struct moon_domain *d, int seconds, int *count, struct moon_err *err)
{
    (void)seconds;
    add("freeze");
    *count = 1;
    return result(d->freeze, err);
}

int moon_domain_thaw(struct moon_domain *d, int *count, struct moon_err *err)
{
    (void)d, (void)err;
    add("thaw");
    *count = 1;
    return 0;
}

int moon_guard_start(const json_t *options, struct moon_guard **out, struct moon_err *err)
{
    assert_non_null(json_string_value(json_object_get(options, "journal")));
    add("start");
    *out = &the_guard;
    return result(start_fails, err);
}

int moon_guard_hold(struct moon_guard *g, const json_t *domains, struct moon_err *err)
{
    add(json_is_true(json_object_get(json_array_get(domains, 0), "freeze")) ? "hold-frozen"
                                                                            : "hold");
    (void)g;
    return result(hold_fails, err);
}

int moon_guard_free(struct moon_guard *g, const json_t *uuids, json_t **out, struct moon_err *err)
{
    (void)g, (void)err;
    assert_int_equal(json_array_size(uuids), 1);
    add("free");
    *out = json_pack("{s:b}", "fired", 0);
    return 0;
}

int moon_guard_over(struct moon_guard *g, json_t **out, struct moon_err *err)
{
    (void)g, (void)err;
    add("over");
    *out = over ? json_pack("[s, s]", "2", over) : json_array();
    return 0;
}

int moon_guard_settled(struct moon_guard *g, json_int_t holds, struct moon_err *err)
{
    (void)g, (void)holds, (void)err;
    add("settled");
    return 0;
}

int moon_guard_finish(struct moon_guard *g, json_t **out, struct moon_err *err)
{
    (void)g, (void)out, (void)err;
    add("finish");
    return 0;
}

bool moon_guard_covers(const char *uri, const char *uuid)
{
    (void)uri, (void)uuid;
    return covered;
}

struct moon_guard *moon_guard_ref(struct moon_guard *g)
{
    return g;
}

void moon_guard_unref(struct moon_guard *g)
{
    (void)g;
}

/* --- what the tests say -------------------------------------------------------------------- */

static void was_done(const char *want)
{
    assert_string_equal(done, want);
    done[0] = '\0';
}

static void is_held(const char *name, bool suspended, bool frozen)
{
    bool guards;
    AUTO_JSON json_t *list = moon_standby_list(&guards);
    assert_int_equal(json_array_size(list), name ? 1 : 0);
    const json_t *e = json_array_get(list, 0);
    if (!name)
        return;
    assert_string_equal(json_string_value(json_object_get(e, "name")), name);
    assert_int_equal(json_is_true(json_object_get(e, "suspend")), suspended);
    assert_int_equal(json_is_true(json_object_get(e, "freeze")), frozen);
}

static struct moon_domain a;

static int fresh(void **state)
{
    (void)state;
    a = (struct moon_domain){.uri = "qemu:///test", .uuid = "1", .name = "a"};
    start_fails = hold_fails = MOON_OK;
    covered = false;
    over = NULL;
    done[0] = '\0';
    return 0;
}

static int setup(void **state)
{
    return fresh(state) < 0 ? -1 : moon_standby_set(dir, "run", 5, NULL);
}

/* Every test leaves nothing held: the guard ends, and the next one starts another. */
static int teardown(void **state)
{
    (void)state;
    assert_int_equal(moon_standby_finish(NULL), 0);
    is_held(NULL, false, false);
    return 0;
}

/* The first test: no directory is known yet. */
static void test_never_set(void **state)
{
    (void)state;
    struct moon_err err;
    assert_int_equal(moon_standby_suspend(&a, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    was_done("");
}

static void test_journal_first(void **state)
{
    (void)state;
    struct moon_err err;
    assert_int_equal(moon_standby_suspend(&a, &err), 0);
    was_done("start hold suspend settled");
    is_held("a", true, false);
    assert_int_equal(moon_standby_finish(&err), 0);
    was_done(""); /* it holds one: it goes on when the process is gone */
    assert_int_equal(moon_standby_resume(&a, &err), 0);
    was_done("resume free");
    is_held(NULL, false, false);
    assert_int_equal(moon_standby_finish(&err), 0);
    was_done("finish");
}

/* Its time was up, and its guard has brought it back: who suspends it after that is somebody else. */
static void test_over(void **state)
{
    (void)state;
    struct moon_err err;
    assert_int_equal(moon_standby_over(&err), 0);
    was_done(""); /* nobody to ask */
    assert_int_equal(moon_standby_suspend(&a, &err), 0);
    was_done("start hold suspend settled");
    assert_int_equal(moon_standby_over(&err), 0);
    was_done("over");
    is_held("a", true, false);
    over = a.uuid;
    assert_int_equal(moon_standby_over(&err), 0);
    was_done("over free");
    is_held(NULL, false, false);
}

static void test_paused_before(void **state)
{
    (void)state;
    struct moon_err err;
    a.paused = true;
    assert_int_equal(moon_standby_suspend(&a, &err), 0);
    was_done("");
    is_held(NULL, false, false);
}

static void test_no_guard(void **state)
{
    (void)state;
    struct moon_err err;
    start_fails = MOON_IO;
    assert_int_equal(moon_standby_suspend(&a, &err), -1);
    was_done("start");
    start_fails = MOON_OK;
    hold_fails = MOON_IO;
    assert_int_equal(moon_standby_suspend(&a, &err), -1);
    was_done("start hold");
    assert_int_equal(err.code, MOON_IO);
    is_held(NULL, false, false);
}

static void test_failed_suspend(void **state)
{
    (void)state;
    struct moon_err err;
    a.suspend = MOON_CONFLICT; /* it has begun nothing */
    assert_int_equal(moon_standby_suspend(&a, &err), -1);
    was_done("start hold suspend free settled");
    is_held(NULL, false, false);
    a.suspend = MOON_TIMEOUT; /* it may yet come */
    assert_int_equal(moon_standby_suspend(&a, &err), -1);
    is_held("a", true, false);
    a.suspend = MOON_CONFLICT; /* says nothing of the one before */
    assert_int_equal(moon_standby_suspend(&a, &err), -1);
    is_held("a", true, false);
    assert_int_equal(moon_standby_resume(&a, &err), 0);
    is_held(NULL, false, false);
}

static void test_freeze(void **state)
{
    (void)state;
    struct moon_err err;
    int count = 0;
    a.freeze = MOON_UNSUPPORTED; /* an agent may have frozen, whatever it says */
    assert_int_equal(moon_standby_freeze(&a, 0, &count, &err), -1);
    was_done("start hold-frozen freeze settled");
    is_held("a", false, true);
    assert_int_equal(moon_standby_suspend(&a, &err), 0);
    was_done("hold-frozen suspend settled");
    is_held("a", true, true);
    assert_int_equal(moon_standby_resume(&a, &err), 0);
    is_held("a", false, true);
    assert_int_equal(moon_standby_thaw(&a, &count, &err), 0);
    was_done("resume thaw free");
    is_held(NULL, false, false);
}

static void test_of_another(void **state)
{
    (void)state;
    struct moon_err err;
    covered = true;
    assert_int_equal(moon_standby_suspend(&a, &err), 0);
    was_done("suspend");
    is_held(NULL, false, false);
}

static void test_driver(void **state)
{
    (void)state;
    struct moon_err err;
    a.uri = "test:///default";
    assert_int_equal(moon_standby_suspend(&a, &err), 0);
    was_done("suspend");
    is_held("a", true, false);
    assert_int_equal(moon_standby_resume(&a, &err), 0);
}

static void *suspend_it(void *arg)
{
    struct moon_err err;
    return moon_standby_suspend(arg, &err) == 0 ? NULL : arg;
}

/* Resumed while a suspend of it is on its way, it may stand still after that. */
static void test_resumed_too_early(void **state)
{
    (void)state;
    struct moon_err err;
    pthread_t thread;
    void *failed;
    a.hangs = true;
    assert_int_equal(pthread_create(&thread, NULL, suspend_it, &a), 0);
    for (int i = 0; !a.inside; i++) {
        assert_true(i < 20000);
        usleep(1000);
    }
    assert_int_equal(moon_standby_resume(&a, &err), 0);
    was_done("start hold suspend resume");
    is_held("a", true, false);
    a.hangs = false;
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    is_held("a", true, false);
    assert_int_equal(moon_standby_resume(&a, &err), 0);
    was_done("settled resume free");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_never_set, fresh, teardown),
        cmocka_unit_test_setup_teardown(test_journal_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paused_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_guard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_suspend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freeze, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_driver, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resumed_too_early, setup, teardown),
    };
    if (make_dir("standby") < 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(dir);
    return failed;
}
