/* guard/back.c: a call that hangs, be it one that only looks, holds up no other domain. The guard's objects are not a part
 * of the library, so that the source is compiled in; libvirt's place is taken by what stands here. */
#include "../../engine/guard/back.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

struct moon_domain {
    const char *name;
    atomic_bool hangs; /* in every call, until it is let go */
    atomic_bool paused, off;
    atomic_int calls;
};

static struct moon_domain domains[] = {{.name = "a"}, {.name = "b"}};

struct moon_domain *moon_domain_new(struct moon_virt *v, const char *uuid, const char *name)
{
    (void)v, (void)uuid;
    return &domains[name[0] - 'a'];
}

const char *moon_domain_uuid(const struct moon_domain *d)
{
    return d->name;
}

const char *moon_domain_name(const struct moon_domain *d)
{
    return d->name;
}

static void call(struct moon_domain *d)
{
    d->calls++;
    while (d->hangs)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

bool moon_domain_busy(struct moon_domain *d)
{
    call(d);
    return false;
}

int moon_domain_state(struct moon_domain *d, json_t **out, struct moon_err *err)
{
    (void)err;
    call(d);
    const char *state = d->off ? "shutoff" : d->paused ? "paused" : "running";
    *out = json_pack("{s:s, s:s}", "state", state, "reason", "user");
    return 0;
}

int moon_domain_resume(struct moon_domain *d, struct moon_err *err)
{
    (void)err;
    call(d);
    d->paused = false;
    return 0;
}

int moon_domain_thaw(struct moon_domain *d, int *count, struct moon_err *err)
{
    call(d);
    *count = 1;
    return d->off ? moon_err_set(err, MOON_CONFLICT, MOON_SRC_LIBVIRT, 0, "thaw", "it is off") : 0;
}

static struct moon_back *b;
static json_t *held;

static int setup(void **state)
{
    (void)state;
    struct moon_log_options quiet = {.quiet = true};
    moon_log_open(&quiet, NULL);
    for (size_t i = 0; i < 2; i++)
        domains[i].paused = true;
    domains[0].off = domains[1].off = false;
    held = json_pack("[{s:s, s:s, s:f}, {s:s, s:s, s:f}]", "uuid", "a", "name", "a", "until", 0.0,
                     "uuid", "b", "name", "b", "until", 0.0);
    b = moon_back_new(NULL);
    return b && held ? 0 : -1;
}

/* Looks until so many are left. */
static void look_until(size_t left, bool settled)
{
    for (int i = 0; moon_back_look(b, held, 1, settled, false) != left; i++)
        assert_true(i < 100);
}

/* Without a thread of its own the look at `a` would never return. */
static void a_look_that_hangs(bool settled)
{
    domains[0].hangs = true;
    look_until(1, settled);
    assert_true(domains[0].paused);
    assert_false(domains[1].paused);
    domains[0].hangs = false;
    look_until(0, settled);
    assert_false(domains[0].paused);
}

static void test_state_hangs(void **state)
{
    (void)state;
    a_look_that_hangs(true);
}

static void test_busy_hangs(void **state)
{
    (void)state;
    a_look_that_hangs(false);
}

/* What a look finds that was begun long ago is no news: it may have been suspended since. */
static void test_stale(void **state)
{
    (void)state;
    domains[0].paused = domains[1].paused = false;
    domains[0].hangs = true;
    look_until(1, true);
    int calls = domains[0].calls;
    domains[0].hangs = false;
    look_until(0, true);
    assert_true(domains[0].calls > calls);
}

/* A domain may be held twice. */
static void test_twice(void **state)
{
    (void)state;
    assert_int_equal(json_array_append(held, json_array_get(held, 0)), 0);
    look_until(0, true);
    assert_false(domains[0].paused || domains[1].paused);
    look_until(0, true);
}

static void test_thaw(void **state)
{
    (void)state;
    domains[1].off = true;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(json_object_set_new(json_array_get(held, i), "freeze", json_true()), 0);
    domains[0].hangs = true;
    look_until(1, true);
    domains[0].hangs = false;
    look_until(0, true);
}

/* One suspend of each is on its way: it has come when it was undone, and not when the domain is merely found to run. */
static void test_came(void **state)
{
    (void)state;
    moon_back_expect(b);
    assert_false(moon_back_came(b, held));
    domains[1].paused = false;
    look_until(0, false);
    assert_false(moon_back_came(b, held));
    domains[1].paused = true;
    look_until(0, false);
    look_until(0, false);
    assert_true(moon_back_came(b, held));
    moon_back_expect(b);
    assert_false(moon_back_came(b, held));
}

/* Of two suspends one may be to come, and a freeze is not seen. */
static void test_more_to_come(void **state)
{
    (void)state;
    look_until(0, false);
    assert_true(moon_back_came(b, held));
    assert_int_equal(json_array_append(held, json_array_get(held, 0)), 0);
    assert_false(moon_back_came(b, held));
    assert_int_equal(json_array_remove(held, 2), 0);
    assert_int_equal(json_object_set_new(json_array_get(held, 1), "freeze", json_true()), 0);
    assert_false(moon_back_came(b, held));
}

static int teardown(void **state)
{
    (void)state;
    json_decref(held);
    for (struct look *l = b->looks, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    free(b);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_state_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
        cmocka_unit_test_setup_teardown(test_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thaw, setup, teardown),
        cmocka_unit_test_setup_teardown(test_came, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_to_come, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
