/* multipath.c and dmtable.c: states of paths and groups, and what contradicts the map's name, each on a recorded host with
 * one thing changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dmtable.h"
#include "san_host.h"
#include "sysfs.h"

#include <stdlib.h>

#define PATH_A "sys/devices/platform/host1/session2/target1:0:0/1:0:0:0" /* sda, LUN1 */
#define PATH_B "sys/devices/platform/host0/session1/target0:0:0/0:0:0:0" /* sdb, LUN1 */

static void put(const char *place, const char *value, bool is_hex)
{
    char at[256];
    snprintf(at, sizeof at, "%s/%s", dir, place);
    make_parents(at);
    put_file(at, value, is_hex);
}

static void take(const char *place)
{
    char at[256];
    snprintf(at, sizeof at, "%s/%s", dir, place);
    assert_int_equal(unlink(at), 0);
}

static void fresh(const char *name)
{
    teardown(NULL), setup(NULL);
    host(name);
}

/* --- ALUA groups, failed and ghost paths --------------------------------------------------- */

static void test_groups(void **state)
{
    (void)state;
    static const struct {
        const char *host, *first, *second; /* paths of the active and of the other group of dm-0 */
    } cases[] = {{"plain", "sdb", "sda"}, {"takeover", "sda", "sdb"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fresh(cases[i].host);
        daemon_of(cases[i].host);
        AUTO_JSON json_t *all = NULL;
        assert_int_equal(moon_mpath_list(&world, &all, NULL), 0);
        const json_t *a = path(json_array_get(all, 0), cases[i].first);
        const json_t *b = path(json_array_get(all, 0), cases[i].second);
        assert_int_equal(number(a, "group"), 1);
        assert_int_equal(number(b, "group"), 2);
        assert_string_equal(text(a, "group_state"), "active");
        assert_string_equal(text(b, "group_state"), "enabled");
        assert_string_equal(text(a, "access"), "active/optimized");
        assert_string_equal(text(b, "access"), "active/non-optimized");
        assert_int_equal(number(a, "priority"), 50);
        assert_int_equal(number(b, "priority"), 10);
        daemon_stop();
    }
}

static void test_failed(void **state)
{
    (void)state;
    host("cut");
    AUTO_JSON json_t *o = find("dm-1");
    assert_true(json_is_false(json_object_get(path(o, "sdc"), "usable")));
    assert_int_equal(number(path(o, "sdc"), "failures"), 2);
    assert_int_equal(number(path(o, "sdc"), "group"), 2);
    assert_true(json_is_true(json_object_get(path(o, "sdd"), "usable")));
    assert_int_equal(number(path(o, "sdd"), "failures"), 0);
    assert_int_equal(number(o, "usable"), 1);
}

/* A ghost is a path that the controller keeps in reserve: the checker says so, the kernel would use it. */
static void test_ghost(void **state)
{
    (void)state;
    host("plain");
    daemon_of("plain");
    char *at = strstr(daemon_.reply, "\"dev\" : \"sda\"");
    assert_non_null(at);
    at = strstr(at, "\"ready\"");
    assert_non_null(at);
    memcpy(at, "\"ghost\"", 7);
    put(PATH_A "/access_state", "standby", false);
    AUTO_JSON json_t *all = NULL;
    assert_int_equal(moon_mpath_list(&world, &all, NULL), 0);
    const json_t *o = json_array_get(all, 0);
    assert_string_equal(text(path(o, "sda"), "checker"), "ghost");
    assert_string_equal(text(path(o, "sda"), "access"), "standby");
    assert_string_equal(text(path(o, "sda"), "state"), "running");
    assert_string_equal(text(path(o, "sdb"), "checker"), "ready");
    assert_int_equal(number(o, "usable"), 2);
    daemon_stop();
}

/* With every path gone, waiting for ever or failing at once is the map's own choice. */
static void test_queueing(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool queueing;
    } cases[] = {{"plain", true}, {"lost", true}, {"stopped", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fresh(cases[i].host);
        AUTO_JSON json_t *o = find("dm-0");
        assert_int_equal(json_is_true(json_object_get(o, "queueing")), cases[i].queueing);
        assert_non_null(json_object_get(o, "queueing"));
        size_t k;
        json_t *feature;
        bool named = false;
        json_array_foreach (json_object_get(o, "features"), k, feature)
            named = named || strcmp(json_string_value(feature), "queue_if_no_path") == 0;
        assert_int_equal(named, cases[i].queueing);
    }
}

/* A directory with one file per map instead of one file for all. */
static void test_recorded_by_map(void **state)
{
    (void)state;
    char tables[128];
    struct moon_err err;
    char *table = NULL, *status = NULL;
    host("plain");
    put("dm/one",
        "table one: 0 8 multipath 0 0 0 0\nstatus one: 0 8 multipath 2 0 0 0 0 0\n"
        "table two: 0 8 linear 8:0 0",
        false);
    put("dm/two", "table two: 0 8 linear 8:0 0\nstatus two: 0 8 linear", false);
    snprintf(tables, sizeof tables, "%s/dm", dir);
    assert_int_equal(moon_dm_read(tables, "one", &table, &status, &err), 0);
    assert_string_equal(table, "0 0 0 0");
    assert_string_equal(status, "2 0 0 0 0 0");
    free(table), free(status);
    assert_int_equal(moon_dm_read(tables, "two", &table, &status, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(moon_dm_read(tables, "three", &table, &status, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

/* --- pages that contradict the map --------------------------------------------------------- */

static int same(struct moon_err *err)
{
    AUTO_JSON json_t *map = find("dm-0");
    return moon_mpath_same_lun(&world, map, err);
}

/* "80bqm]PvhKof" is LUN1, "80bqm]PvhKox" LUN3. */
static void test_pages(void **state)
{
    (void)state;
    static const struct {
        const char *page, *hex;
        const char *other; /* what the message names, NULL: no contradiction */
    } cases[] = {
        /* the identification page alone says another LUN: /sys has kept the old name */
        {"vpd_pg83", "0083001401030010600a0980383062716d5d5076684b6f78", LUN3},
        {"vpd_pg83", "0083001401030010600a0980383062716d5d5076684b6f66", NULL},
        {"vpd_pg83", "00830014010300", NULL}, /* cut: it says nothing */
        {"vpd_pg80", "0080000c383062716d5d5076684b6f78", LUN3},
        {"vpd_pg80", "0080000c383062716d5d5076684b6f66", NULL},
        {"vpd_pg80", "00800004383062716d", NULL}, /* no serial number of ONTAP */
        {"wwid", NULL, LUN3},
    };
    struct moon_err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char at[128];
        fresh("plain");
        assert_int_equal(same(&err), 0);
        snprintf(at, sizeof at, PATH_B "/%s", cases[i].page);
        put(at, cases[i].hex ? cases[i].hex : "naa.600a0980383062716d5d5076684b6f78", cases[i].hex);
        int rc = same(&err);
        if (rc != (cases[i].other ? -1 : 0))
            fail_msg("%zu: %d", i, rc);
        if (rc == 0)
            continue;
        assert_int_equal(err.code, MOON_CONFLICT);
        assert_non_null(strstr(err.message, "sdb"));
        assert_non_null(strstr(err.message, cases[i].other));
    }
}

static void test_untold(void **state)
{
    (void)state;
    static const char *const paths[] = {PATH_A, PATH_B};
    struct moon_err err;
    host("plain");
    for (size_t i = 0; i < 2; i++) {
        char at[128];
        snprintf(at, sizeof at, "%s/wwid", paths[i]), take(at);
        snprintf(at, sizeof at, "%s/vpd_pg80", paths[i]), take(at);
    }
    assert_int_equal(same(&err), 0); /* the identification pages are enough */
    for (size_t i = 0; i < 2; i++) {
        char at[128];
        snprintf(at, sizeof at, "%s/vpd_pg83", paths[i]), take(at);
    }
    assert_int_equal(same(&err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_groups),          CASE(test_failed), CASE(test_ghost), CASE(test_queueing),
        CASE(test_recorded_by_map), CASE(test_pages),  CASE(test_untold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
