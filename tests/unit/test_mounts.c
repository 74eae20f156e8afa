/* mounts.c: mount tables (tests/data/mountinfo and tables made here) and addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mounts.h"
#include "tempdir.h"
#include "store.h"
#include "xml.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *name, const char *text)
{
    struct moon_err err = {0};
    if (moon_store_replace(at(name), text, strlen(text), 0600, &err) < 0)
        fail_msg("%s", err.message);
}

static void check(const json_t *json, const char *key, const char *want)
{
    const json_t *value = json_object_get(json, key);
    const char *got = json_is_string(value) ? json_string_value(value)
                      : json_is_true(value) ? "true"
                      : value               ? "false"
                                            : "-";
    if (strcmp(got, want) != 0)
        fail_msg("%s: got %s, want %s", key, got, want);
}

static void test_list(void **state)
{
    (void)state;
    static const char *const want[][6] = {
        /* mountpoint, fstype, nfs, server, export, address */
        {"/proc", "proc", "false", "-", "-", "-"},
        {"/sys", "sysfs", "false", "-", "-", "-"},
        {"/dev", "devtmpfs", "false", "-", "-", "-"},
        {"/", "ext4", "false", "-", "-", "-"},
        {"/srv/old", "autofs", "false", "-", "-", "-"},
        {"/srv/old", "nfs", "true", "192.0.2.21", "/vm_nfs01", "192.0.2.21"},
        {"/srv/old/.snapshot/daily.0", "nfs", "true", "192.0.2.21", "/vm_nfs01/.snapshot/daily.0",
         "192.0.2.21"},
        {"/srv/six", "nfs4", "true", "fe80::1%eth0", "/vm data", "fe80::1%eth0"},
        {"/srv/bind mount", "nfs4", "true", "filer1.example", "/guests/a", "192.0.2.22"},
        {"/srv/bind2", "nfs4", "true", "filer1.example", "/vol1/guests/b", "192.0.2.22"},
        {"/srv/tab\tnl\nback\\", "tmpfs", "false", "-", "-", "-"},
    };
    static const char *const keys[] = {"mountpoint", "fstype", "nfs",
                                       "server",     "export", "address"};
    AUTO_JSON json_t *list = NULL;
    struct moon_err err = {0};
    if (moon_mount_list("tests/data/mountinfo/nfs-host", &list, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(json_array_size(list), sizeof want / sizeof *want);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        for (size_t k = 0; k < 6; k++)
            check(json_array_get(list, i), keys[k], want[i][k]);
    }
    const json_t *nfs = json_array_get(list, 5);
    check(nfs, "device", "0:50");
    check(nfs, "options", "rw,relatime");
    assert_int_equal(json_integer_value(json_object_get(nfs, "id")), 41);
    assert_int_equal(json_integer_value(json_object_get(nfs, "parent")), 40);
    check(json_array_get(list, 10), "source", "");
}

static void test_bad_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "1 0 8:1 / / rw",
        "1 0 8:1 / / rw - ext4 /dev/sda",
        "1 0 8:1 / / rw shared:1 ext4 /dev/sda rw",
        "1 0 8-1 / / rw - ext4 /dev/sda rw",
        "1 0 8: / / rw - ext4 /dev/sda rw",
        "a 0 8:1 / / rw - ext4 /dev/sda rw",
        "-1 0 8:1 / / rw - ext4 /dev/sda rw",
        "99999999999 0 8:1 / / rw - ext4 /dev/sda rw",
        "1 0 8:1 / rel rw - ext4 /dev/sda rw",
        "1 0 8:1 / / rw - ext4 /dev/sda rw more",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_FREE char *text = NULL;
        assert_true(asprintf(&text, "1 0 8:1 / / rw - ext4 /dev/sda rw\n%s\n", bad[i]) > 0);
        put("table", text);
        struct moon_err err = {0};
        json_t *list = NULL;
        assert_int_equal(moon_mount_list(at("table"), &list, &err), -1);
        assert_int_equal(err.code, MOON_PROTOCOL);
        assert_non_null(strstr(err.message, "/table': line 2 "));
        assert_null(list);
    }
    struct moon_err err = {0};
    json_t *list = NULL;
    assert_int_equal(moon_mount_list(at("none"), &list, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    put("table", "");
    assert_int_equal(moon_mount_list(at("table"), &list, &err), 0);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void test_find(void **state)
{
    (void)state;
    AUTO_FREE char *table = NULL;
    assert_true(asprintf(&table,
                         "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
                         "2 1 0:9 / %s/a rw - autofs systemd-1 rw\n"
                         "3 2 0:10 / %s/a rw - nfs filer:/one rw,addr=192.0.2.1\n"
                         "4 3 0:11 / %s/a/.snapshot rw - nfs filer:/one/.snapshot rw\n"
                         "5 1 0:12 / %s/a\\040b rw - nfs4 filer:/two rw\n",
                         dir, dir, dir, dir) > 0);
    put("table", table);
    static const struct {
        const char *path;
        const char *source;
        const char *relative;
    } cases[] = {
        {"a/guest/disk.img", "filer:/one", "guest/disk.img"},
        {"a", "filer:/one", ""},
        {"link", "filer:/one", "guest/disk.img"},
        {"a/.snapshot/s1", "filer:/one/.snapshot", "s1"},
        {"a b/disk.img", "filer:/two", "disk.img"},
        {"ab", "/dev/sda", NULL},
    };
    struct moon_err err = {0};
    assert_int_equal(moon_store_mkdirs(at("a/guest"), 0700, &err), 0);
    assert_int_equal(moon_store_mkdirs(at("a/.snapshot/s1"), 0700, &err), 0);
    assert_int_equal(moon_store_mkdirs(at("a b"), 0700, &err), 0);
    put("a/guest/disk.img", "x");
    put("a b/disk.img", "x");
    put("ab", "x");
    assert_int_equal(symlink("a/guest/disk.img", at("link")), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_JSON json_t *got = NULL;
        if (moon_mount_find(at("table"), at(cases[i].path), &got, &err) < 0)
            fail_msg("%s", err.message);
        check(got, "source", cases[i].source);
        check(got, "relative", cases[i].relative ? cases[i].relative : at(cases[i].path) + 1);
    }
    AUTO_JSON json_t *linked = NULL;
    assert_int_equal(moon_mount_find(at("table"), at("link"), &linked, NULL), 0);
    check(linked, "path", at("a/guest/disk.img"));
    json_t *none = NULL;
    assert_int_equal(moon_mount_find(at("table"), at("missing"), &none, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_non_null(strstr(err.message, "/missing'"));
    put("table", "4 3 0:11 / /elsewhere rw - nfs filer:/one rw\n");
    assert_int_equal(moon_mount_find(at("table"), at("a"), &none, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_null(none);
}

/* The live table: the answer is the mount that the kernel says the file is on. */
static void test_live(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/proc/self/status", "/dev/null"};
    static const char *const points[] = {"/", "/proc", "/dev"};
    for (size_t i = 0; i < 3; i++) {
        struct moon_err err = {0};
        AUTO_JSON json_t *got = NULL;
        if (moon_mount_find(NULL, paths[i], &got, &err) < 0)
            fail_msg("%s", err.message);
        AUTO_JSON json_t *st = NULL;
        assert_int_equal(moon_store_stat(points[i], &st, &err), 0);
        check(got, "mountpoint", points[i]);
        check(got, "device", json_string_value(json_object_get(st, "device")));
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const same[] = {"192.0.2.7", "2001:db8::1"};
    struct moon_err err = {0};
    for (size_t i = 0; i < 2; i++) {
        AUTO_JSON json_t *list = NULL;
        assert_int_equal(moon_mount_addresses(same[i], &list, &err), 0);
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(json_string_value(json_array_get(list, 0)), same[i]);
    }
    AUTO_JSON json_t *local = NULL;
    assert_int_equal(moon_mount_addresses("localhost", &local, &err), 0);
    assert_true(json_array_size(local) >= 1);
    for (size_t i = 1; i < json_array_size(local); i++)
        assert_string_not_equal(json_string_value(json_array_get(local, i)),
                                json_string_value(json_array_get(local, 0)));
    json_t *none = NULL;
    assert_int_equal(moon_mount_addresses("", &none, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(moon_mount_addresses("192.0.2.7.8.9", &none, &err), -1);
    assert_non_null(strstr(err.message, "host '192.0.2.7.8.9'"));
}

static void test_is_local(void **state)
{
    (void)state;
    char own[256] = "", longer[300];
    gethostname(own, sizeof own - 1);
    own[strcspn(own, ".")] = '\0';
    snprintf(longer, sizeof longer, "%s.example.invalid", own);
    const struct {
        const char *host;
        bool local;
    } cases[] = {
        {"localhost", true},
        {"LocalHost", true},
        {own, true},
        {"127.0.0.1", true},
        {"[::1]", true},
        {"192.0.2.7", false},
        {"[2001:db8::1]", false},
        {"no.such.invalid", false},
        {"", false},
    };
    struct moon_err err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_JSON json_t *answer = NULL;
        assert_int_equal(moon_mount_is_local(cases[i].host, &answer, &err), 0);
        if (json_is_true(answer) != cases[i].local)
            fail_msg("%s: %d", cases[i].host, json_is_true(answer));
    }
    /* With a domain of its own the host name settles it; without one the short name does. */
    AUTO_JSON json_t *answer = NULL;
    assert_int_equal(moon_mount_is_local(longer, &answer, &err), 0);
    char whole[256] = "";
    gethostname(whole, sizeof whole - 1);
    assert_int_equal(json_is_true(answer), strchr(whole, '.') == NULL);
    json_t *none = NULL;
    char big[400];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(moon_mount_is_local(big, &none, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
}

static int setup(void **state)
{
    (void)state;
    return make_dir("mounts");
}

static int teardown(void **state)
{
    (void)state;
    static const char *const made[] = {"a/guest/disk.img",
                                       "a/guest",
                                       "a/.snapshot/s1",
                                       "a/.snapshot",
                                       "a",
                                       "a b/disk.img",
                                       "a b",
                                       "ab",
                                       "link",
                                       "table"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        remove(at(made[i]));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),      cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_find),      cmocka_unit_test(test_live),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_is_local),
    };
    return cmocka_run_group_tests_name("mounts", tests, setup, teardown);
}
