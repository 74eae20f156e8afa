/* multipath.c, mpath_change.c, dmtable.c and mpathd.c against recorded hosts (tests/data/san) and a daemon of this program's
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dmtable.h"
#include "lun.h"
#include "mpathd.h"
#include "san_host.h"
#include "sysfs.h"

/* --- names --------------------------------------------------------------------------------- */

static void test_any_name(void **state)
{
    (void)state;
    static const char *const names[] = {"dm-1",
                                        "/dev/dm-1",
                                        "/dev/mapper/" LUN2,
                                        "/dev/disk/by-id/dm-name-" LUN2,
                                        "/dev/disk/by-id/dm-uuid-mpath-" LUN2,
                                        "/dev/disk/by-id/wwn-0x600a0980383062716d5d5076684b6f67",
                                        "/dev/disk/by-id/scsi-" LUN2};
    host("plain");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        AUTO_JSON json_t *o = find(names[i]);
        assert_string_equal(text(o, "device"), "dm-1");
        assert_string_equal(text(o, "wwid"), LUN2);
    }
    char link[128], file[128];
    snprintf(link, sizeof link, "%s/dev/guest-disk", dir);
    assert_int_equal(symlink("/dev/mapper/" LUN2, link), 0);
    AUTO_JSON json_t *o = find("/dev/guest-disk");
    assert_string_equal(text(o, "device"), "dm-1");

    struct moon_err err;
    json_t *none = NULL;
    static const char *const missing[] = {"/dev/mapper/nosuch", "",       ".", "..",
                                          "/dev/dm-9",          "dm-1/dm"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        assert_int_equal(moon_mpath_find(&world, missing[i], &none, &err), -1);
        assert_int_equal(err.code, MOON_NOT_FOUND);
    }
    assert_int_equal(moon_mpath_find(&world, "/dev/mapper/", &none, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    snprintf(file, sizeof file, "%s/dev/sda", dir);
    put_file(file, "not a node", false);
    assert_int_equal(moon_mpath_find(&world, "/dev/sda", &none, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
}

/* --- maps ---------------------------------------------------------------------------------- */

static void test_map(void **state)
{
    (void)state;
    host("plain");
    AUTO_JSON json_t *o = find("/dev/mapper/" LUN1);
    assert_string_equal(text(o, "kind"), "multipath");
    assert_string_equal(text(o, "number"), "253:0");
    assert_string_equal(text(o, "name"), LUN1);
    assert_string_equal(text(o, "uuid"), "mpath-" LUN1);
    assert_string_equal(text(o, "vendor"), "NETAPP");
    assert_string_equal(text(o, "product"), "LUN C-Mode");
    assert_string_equal(text(o, "revision"), "9141");
    assert_string_equal(text(o, "handler"), "alua");
    assert_int_equal(number(o, "size"), 64 << 20);
    assert_int_equal(number(o, "usable"), 2);
    assert_true(json_is_true(json_object_get(o, "queueing")));
    assert_true(json_is_false(json_object_get(o, "suspended")));
    assert_int_equal(json_array_size(json_object_get(o, "features")), 3);
    assert_int_equal(json_array_size(json_object_get(o, "paths")), 2);
    const json_t *p = path(o, "sdb");
    assert_string_equal(text(p, "number"), "8:16");
    assert_string_equal(text(p, "hctl"), "0:0:0:0");
    assert_int_equal(number(p, "host"), 0);
    assert_string_equal(text(p, "state"), "running");
    assert_string_equal(text(p, "access"), "active/optimized");
    assert_string_equal(text(p, "wwid"), LUN1);
    assert_string_equal(text(p, "serial"), "0383062716d5d5076684b6f66");
    assert_string_equal(text(p, "target"), "iqn.1992-08.com.netapp:sn.lab:vs.1");
    assert_string_equal(text(p, "group_state"), "active");
    assert_true(json_is_true(json_object_get(p, "usable")));
    assert_string_equal(text(path(o, "sda"), "access"), "active/non-optimized");
    assert_null(json_object_get(p, "checker")); /* nobody was asked */
}

static void test_states(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int usable;
        const char *state_a, *state_b;
    } cases[] = {{"plain", 2, "running", "running"},
                 {"cut", 1, "transport-offline", "running"},
                 {"lost", 0, "transport-offline", "transport-offline"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        teardown(NULL), setup(NULL);
        host(cases[i].name);
        AUTO_JSON json_t *o = find("dm-0");
        assert_int_equal(number(o, "usable"), cases[i].usable);
        assert_string_equal(text(path(o, "sda"), "state"), cases[i].state_a);
        assert_string_equal(text(path(o, "sdb"), "state"), cases[i].state_b);
        /* without device-mapper the paths' own states count */
        world.dm = "/nonexistent";
        AUTO_JSON json_t *untold = find("dm-0");
        assert_string_not_equal(text(untold, "untold"), "-");
        assert_null(json_object_get(untold, "queueing"));
        assert_int_equal(number(untold, "usable"), cases[i].usable);
    }
    teardown(NULL), setup(NULL);
    host("takeover");
    AUTO_JSON json_t *o = find("dm-0");
    assert_string_equal(text(path(o, "sdb"), "access"), "active/non-optimized");
    assert_string_equal(text(path(o, "sda"), "access"), "active/optimized");
}

static void test_alias(void **state)
{
    (void)state;
    host("alias");
    AUTO_JSON json_t *o = find("/dev/mapper/oradata");
    assert_string_equal(text(o, "name"), "oradata");
    assert_string_equal(text(o, "wwid"), LUN2);
    assert_int_equal(number(o, "usable"), 2);
}

static void test_daemon(void **state)
{
    (void)state;
    host("cut");
    daemon_of("cut");
    AUTO_JSON json_t *all = NULL;
    assert_int_equal(moon_mpath_list(&world, &all, NULL), 0);
    assert_int_equal(json_array_size(all), 2);
    const json_t *o = json_array_get(all, 0);
    assert_string_equal(text(o, "device"), "dm-0");
    assert_string_equal(text(path(o, "sda"), "checker"), "faulty");
    assert_string_equal(text(path(o, "sdb"), "checker"), "ready");
    assert_int_equal(number(path(o, "sdb"), "priority"), 50);
    assert_string_equal(daemon_.orders, "show maps json;");
    daemon_stop();
    /* stopped: everything but its own opinion is still there */
    teardown(NULL), setup(NULL);
    host("stopped");
    snprintf(socket_path, sizeof socket_path, "%s/socket", dir);
    world.socket = socket_path;
    AUTO_JSON json_t *alone = find("dm-0");
    assert_int_equal(number(alone, "usable"), 2);
    assert_true(json_is_false(json_object_get(alone, "queueing")));
    assert_null(json_object_get(path(alone, "sdb"), "checker"));
    struct moon_err err;
    assert_int_equal(moon_mpath_reconfigure(&world, &err), -1);
    assert_int_equal(err.code, MOON_UNREACHABLE);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *host, *name, *kind, *wwid;
    } cases[] = {
        {"lvm", "/dev/mapper/vg0-lv0", "lvm", "-"},
        {"partition", "/dev/mapper/" LUN2 "-part1", "partition", "-"},
        {"unmapped", "sdc", "disk", LUN2},
        {"plain", "sda", "disk", LUN1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        teardown(NULL), setup(NULL);
        host(cases[i].host);
        AUTO_JSON json_t *o = find(cases[i].name);
        assert_string_equal(text(o, "kind"), cases[i].kind);
        assert_string_equal(text(o, "wwid"), cases[i].wwid);
        assert_null(json_object_get(o, "paths"));
    }
    AUTO_JSON json_t *all = NULL;
    teardown(NULL), setup(NULL);
    host("lvm");
    assert_int_equal(moon_mpath_list(&world, &all, NULL), 0);
    assert_int_equal(json_array_size(all), 2); /* the logical volume is no map */
}

static int same(const char *name, struct moon_err *err)
{
    AUTO_JSON json_t *map = find(name);
    return moon_mpath_same_lun(&world, map, err);
}

static void test_identity(void **state)
{
    (void)state;
    struct moon_err err;
    host("plain");
    assert_int_equal(same("dm-0", &err), 0);
    assert_int_equal(same("dm-1", &err), 0);
    teardown(NULL), setup(NULL);
    /* one path has been asked again and left the map; the other still says what it was */
    host("replacing");
    assert_int_equal(same("dm-1", &err), 0);
    /* the map as it was before that: its first path is another LUN by now */
    char slave[192];
    snprintf(slave, sizeof slave, "%s/sys/devices/virtual/block/dm-1/slaves/sdc", dir);
    assert_int_equal(
        symlink("../../../../platform/host1/session2/target1:0:0/1:0:0:1/block/sdc", slave), 0);
    assert_int_equal(same("dm-1", &err), -1);
    assert_int_equal(err.code, MOON_CONFLICT);
    assert_non_null(strstr(err.message, "sdc"));
    assert_non_null(strstr(err.message, LUN3));
    teardown(NULL), setup(NULL);
    host("replaced");
    AUTO_JSON json_t *o = find("dm-1");
    assert_string_equal(text(o, "wwid"), LUN3);
    assert_int_equal(same("dm-1", &err), 0);
}

static void test_table_garbage(void **state)
{
    (void)state;
    static const char TABLE[] =
        "3 queue_if_no_path pg_init_retries 50 1 alua 2 1 service-time 0 1 2 "
        "8:16 1 1 service-time 0 1 2 8:0 1 1 ";
    static const char STATUS[] = "2 0 1 0 2 1 A 0 1 2 8:16 A 0 0 1 E 0 1 2 8:0 F 3 0 1 ";
    json_t *out = NULL;
    struct moon_err err;
    assert_int_equal(moon_dm_parse(TABLE, STATUS, &out, &err), 0);
    const json_t *p = json_object_get(json_object_get(out, "paths"), "8:0");
    assert_int_equal(number(p, "failures"), 3);
    assert_true(json_is_false(json_object_get(p, "usable")));
    json_decref(out);
    for (size_t cut = 0; cut < sizeof STATUS - 4; cut++) {
        AUTO_FREE char *part = strndup(STATUS, cut);
        out = NULL;
        if (moon_dm_parse(TABLE, part, &out, &err) == 0)
            fail_msg("'%s' was read", part);
        assert_int_equal(err.code, MOON_PROTOCOL);
    }
    static const char *const bad[] = {"", "x", "-1", "99999999999999999999", "3 a b", "1 a 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(moon_dm_parse(bad[i], STATUS, &out, &err), -1);
}

/* --- orders -------------------------------------------------------------------------------- */

static void grow_map(const char *order)
{
    if (strncmp(order, "resize map", 10) == 0)
        unpack("resized");
}

static void drop_map(const char *order)
{
    char path_[192];
    snprintf(path_, sizeof path_, "%s/sys/block/dm-1", dir);
    if (strncmp(order, "del map", 7) == 0)
        unlink(path_);
}

static void test_resize(void **state)
{
    (void)state;
    struct moon_err err;
    host("plain");
    daemon_start("ok\n");
    assert_int_equal(moon_mpath_resize(&world, "dm-1", 5, &err), 0);
    assert_null(strstr(daemon_.orders, "resize")); /* nothing to do */
    daemon_stop();
    host("grown");
    daemon_start("ok\n");
    daemon_.then = grow_map;
    assert_int_equal(moon_mpath_resize(&world, "/dev/mapper/" LUN2, 5, &err), 0);
    assert_non_null(strstr(daemon_.orders, "resize map " LUN2 ";"));
    daemon_stop();
    AUTO_JSON json_t *o = find("dm-1");
    assert_int_equal(number(o, "size"), 96 << 20);
}

static void test_resize_refused(void **state)
{
    (void)state;
    struct moon_err err;
    host("grown");
    daemon_start("fail\n");
    assert_int_equal(moon_mpath_resize(&world, "dm-1", 1, &err), -1);
    assert_int_equal(err.code, MOON_CONFLICT);
    daemon_says("ok\n", 0, 0);
    assert_int_equal(moon_mpath_resize(&world, "dm-1", 0.3, &err), -1);
    assert_int_equal(err.code, MOON_TIMEOUT);
    daemon_.orders[0] = '\0';
    char size[256];
    snprintf(size, sizeof size,
             "%s/sys/devices/platform/host0/session1/target0:0:0/0:0:0:1/block/sdd/size", dir);
    put_file(size, "131072", false);
    assert_int_equal(moon_mpath_resize(&world, "dm-1", 1, &err), -1);
    assert_int_equal(err.code, MOON_CONFLICT);
    assert_null(strstr(daemon_.orders, "resize"));
    daemon_stop();
    teardown(NULL), setup(NULL);
    host("lost");
    daemon_start("ok\n");
    assert_int_equal(moon_mpath_resize(&world, "dm-1", 1, &err), -1);
    assert_int_equal(err.code, MOON_BUSY);
    assert_int_equal(moon_mpath_flush(&world, "dm-1", 1, &err), -1);
    assert_int_equal(err.code, MOON_BUSY);
    assert_int_equal(moon_lun_drop_cache(&world, "dm-1", &err), -1);
    assert_int_equal(err.code, MOON_BUSY);
    json_t *out = NULL;
    assert_int_equal(moon_lun_rescan(&world, "dm-1", &out, &err), -1);
    assert_int_equal(err.code, MOON_BUSY);
    assert_null(strstr(daemon_.orders, "del map"));
    daemon_stop();
}

static void test_flush(void **state)
{
    (void)state;
    struct moon_err err;
    host("plain");
    daemon_start("ok\n");
    daemon_.then = drop_map;
    assert_int_equal(moon_mpath_flush(&world, "/dev/mapper/" LUN2, 5, &err), 0);
    assert_non_null(strstr(daemon_.orders, "del map " LUN2 ";"));
    assert_int_equal(moon_mpath_flush(&world, "dm-1", 5, &err), 0); /* gone: fine */
    daemon_stop();
    teardown(NULL), setup(NULL);
    host("lvm");
    daemon_start("ok\n");
    assert_int_equal(moon_mpath_flush(&world, "dm-1", 1, &err), -1);
    assert_int_equal(err.code, MOON_BUSY);
    assert_non_null(strstr(err.message, "dm-2"));
    assert_int_equal(moon_mpath_flush(&world, "dm-2", 1, &err), -1);
    assert_int_equal(err.code, MOON_INVALID); /* a logical volume is no map */
    assert_null(strstr(daemon_.orders, "del map"));
    daemon_stop();
}

static void test_paths(void **state)
{
    (void)state;
    struct moon_err err;
    host("plain");
    daemon_start("ok\n");
    assert_int_equal(moon_mpath_fail(&world,
                                     "/dev/disk/by-id/scsi-1NETAPP_LUN_C-Mode:"
                                     "0383062716d5d5076684b6f66",
                                     &err),
                     0);
    assert_int_equal(moon_mpath_reinstate(&world, "sda", &err), 0);
    assert_int_equal(moon_mpath_reconfigure(&world, &err), 0);
    assert_non_null(strstr(daemon_.orders, "fail path sda;reinstate path sda;reconfigure;"));
    daemon_stop();
    host("cut");
    daemon_start("ok\n");
    assert_int_equal(moon_mpath_fail(&world, "sdb", &err), -1); /* the last one */
    assert_int_equal(err.code, MOON_CONFLICT);
    assert_null(strstr(daemon_.orders, "fail"));
    daemon_stop();
    teardown(NULL), setup(NULL);
    host("unmapped");
    assert_int_equal(moon_mpath_fail(&world, "sdc", &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
}

static void test_protocol(void **state)
{
    (void)state;
    static const struct {
        size_t announce, send;
        const char *reply;
        enum moon_code code;
    } cases[] = {
        {0, 0, "not json", MOON_PROTOCOL},
        {0, 0, "fail\n", MOON_NOT_FOUND},
        {0, 0, "[]", MOON_PROTOCOL},
        {SIZE_MAX, 0, "{}", MOON_PROTOCOL},
        {(size_t)1 << 40, 0, "{}", MOON_PROTOCOL},
        {100, 3, "{}", MOON_IO}, /* ends early */
    };
    struct moon_err err;
    json_t *out = NULL;
    host("plain");
    daemon_start("");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        daemon_says(cases[i].reply, cases[i].announce, cases[i].send);
        assert_int_equal(moon_mpathd_paths(socket_path, NULL, &out, &err), -1);
        if (err.code != cases[i].code)
            fail_msg("%zu: %s", i, err.message);
    }
    assert_int_equal(moon_mpathd_paths(socket_path, "a b", &out, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    daemon_stop();
}

/* --- disks that come and go ---------------------------------------------------------------- */

static void attribute(const char *place, const char *name, const char *value)
{
    char path_[256];
    snprintf(path_, sizeof path_, "%s/%s/%s", dir, place, name);
    make_parents(path_);
    put_file(path_, value, false);
}

static void test_remove(void **state)
{
    (void)state;
    static const char A[] = "sys/devices/platform/host1/session2/target1:0:0/1:0:0:1";
    static const char B[] = "sys/devices/platform/host0/session1/target0:0:0/0:0:0:1";
    struct moon_err err;
    json_t *out = NULL;
    host("plain");
    assert_int_equal(moon_lun_remove(&world, LUN2, &out, &err), -1);
    assert_int_equal(err.code, MOON_BUSY); /* its map is still there */
    teardown(NULL), setup(NULL);
    host("unmapped");
    assert_int_equal(moon_lun_remove(&world, "3600a0980", &out, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_int_equal(moon_lun_remove(&world, LUN3, &out, &err), 0); /* no such LUN: nothing to do */
    assert_int_equal(json_array_size(json_object_get(out, "removed")), 0);
    json_decref(out);
    attribute(A, "delete", "-"), attribute(B, "delete", "-");
    assert_int_equal(moon_lun_remove(&world, LUN2, &out, &err), 0);
    assert_int_equal(json_array_size(json_object_get(out, "removed")), 2);
    json_decref(out);
    AUTO_FREE char *a = moon_sysfs_text(dir, "/%s/delete", A);
    AUTO_FREE char *b = moon_sysfs_text(dir, "/%s/delete", B);
    assert_string_equal(a, "1");
    assert_string_equal(b, "1");
}

static void test_scan(void **state)
{
    (void)state;
    struct moon_err err;
    json_t *out = NULL;
    host("plain");
    attribute("sys/class/scsi_host/host0", "scan", "");
    attribute("sys/class/scsi_host/host1", "scan", "");
    assert_int_equal(moon_lun_scan(&world, &out, &err), 0);
    assert_int_equal(number(out, "hosts"), 2);
    json_decref(out);
    AUTO_FREE char *scan = moon_sysfs_text(dir, "/sys/class/scsi_host/host1/scan");
    assert_string_equal(scan, "- - -");
}

static void test_rescan(void **state)
{
    (void)state;
    static const char B[] = "sys/devices/platform/host0/session1/target0:0:0/0:0:0:0";
    struct moon_err err;
    json_t *out = NULL;
    host("cut");
    attribute(B, "rescan", "-");
    assert_int_equal(moon_lun_rescan(&world, "dm-0", &out, &err), 0);
    assert_int_equal(number(out, "rescanned"), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(out, "left_out"), 0)),
                        "sda");
    json_decref(out);
    AUTO_FREE char *asked = moon_sysfs_text(dir, "/%s/rescan", B);
    assert_string_equal(asked, "1");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_any_name),       CASE(test_map),           CASE(test_states),
        CASE(test_alias),          CASE(test_daemon),        CASE(test_kinds),
        CASE(test_identity),       CASE(test_table_garbage), CASE(test_resize),
        CASE(test_resize_refused), CASE(test_flush),         CASE(test_paths),
        CASE(test_protocol),       CASE(test_remove),        CASE(test_scan),
        CASE(test_rescan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
