/* holders.c against recorded hosts (tests/data/san): who uses a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "holders.h"
#include "no_memory.h"
#include "san_host.h"
#include "sysfs.h"

#include <stdlib.h>

static void put(const char *place, const char *value)
{
    char at[256];
    snprintf(at, sizeof at, "%s/%s", dir, place);
    make_parents(at);
    put_file(at, value, false);
}

static json_t *users(const char *name, int except)
{
    json_t *out = NULL;
    struct moon_err err;
    char proc[128];
    snprintf(proc, sizeof proc, "%s/proc", dir);
    if (moon_device_holders(&world, proc, name, except, &out, &err) < 0)
        fail_msg("%s", err.message);
    return out;
}

static void proc_with(const char *mountinfo)
{
    put("proc/self/mountinfo", mountinfo);
}

static void open_file(int pid, const char *comm, const char *target)
{
    char at[256];
    snprintf(at, sizeof at, "%s/proc/%d/fd/7", dir, pid);
    make_parents(at);
    assert_int_equal(symlink(target, at), 0);
    snprintf(at, sizeof at, "proc/%d/comm", pid);
    put(at, comm);
}

static void are(const json_t *list, const char *const want[][2], size_t n)
{
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(text(json_array_get(list, i), "kind"), want[i][0]);
        assert_string_equal(text(json_array_get(list, i), "name"), want[i][1]);
    }
}
#define ARE(list, ...)                                                                             \
    are(list, (const char *const[][2]){__VA_ARGS__},                                               \
        sizeof((const char *const[][2]){__VA_ARGS__}) / (2 * sizeof(char *)))

static void test_holders(void **state)
{
    (void)state;
    AUTO_FREE char *mounts = NULL;
    size_t len = 0;
    assert_int_equal(moon_store_read(DATA "partition.mountinfo", 1 << 16, &mounts, &len, NULL), 0);
    mounts[strcspn(mounts, "\n")] = '\0';
    host("partition");
    proc_with(mounts);
    AUTO_JSON json_t *list = users("/dev/mapper/" LUN2, 0);
    ARE(list, {"partition", LUN2 "-part1"}, {"mount", "/mnt"});
    AUTO_JSON json_t *none = users("dm-0", 0);
    assert_int_equal(json_array_size(none), 0);
}

/* dm-1 is used by a logical volume, a mount, as swap and by a process. */
static void host_with_users(void)
{
    host("lvm");
    proc_with("28 22 0:99 / /data rw - btrfs /dev/mapper/vg0-lv0 rw");
    put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/dm-1 partition 1 0 -2");
    open_file(4711, "qemu-system-x86", "/dev/dm-1");
}

static void test_holders_lvm(void **state)
{
    (void)state;
    host_with_users();
    open_file(4712, "dd", "/dev/mapper/" LUN1);
    AUTO_JSON json_t *list = users("dm-1", 0);
    ARE(list, {"lvm", "vg0-lv0"}, {"mount", "/data"}, {"swap", "/dev/dm-1"},
        {"process", "qemu-system-x86"});
    assert_int_equal(number(json_array_get(list, 3), "pid"), 4711);
    AUTO_JSON json_t *without = users("dm-1", 4711);
    assert_int_equal(json_array_size(without), 3);
}

/* Users that the kernel does not name: a loop device on the map's logical volume, one on that and a target's storage object;
 * and some of other things. */
static void test_holders_unnamed(void **state)
{
    (void)state;
    host("lvm");
    proc_with("28 22 0:99 / /data rw - tmpfs tmpfs rw");
    AUTO_JSON json_t *before = users("dm-1", 0);
    assert_int_equal(json_array_size(before), 1);
    static const char *const files[][2] = {
        {"sys/block/loop0/loop/backing_file", "/dev/loop7"},
        {"sys/block/loop3/loop/backing_file", "/dev/dm-1"},
        {"sys/block/loop3/dev", "7:3"},
        {"sys/block/loop3/size", "2048"},
        {"sys/block/loop1/loop/backing_file", "/dev/loop3"},
        {"sys/block/loop5/loop/backing_file", "/srv/image"},
        {"sys/block/loop6/ro", "0"},
        {"sys/kernel/config/target/core/iblock_0/store/udev_path", "/dev/mapper/vg0-lv0"},
        {"sys/kernel/config/target/core/fileio_0/file/udev_path", "/srv/image"},
        {"sys/kernel/config/target/core/iblock_1/other/udev_path", "/dev/dm-0"},
        {"sys/kernel/config/target/core/alua/x", "0"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put(files[i][0], files[i][1]);
    AUTO_JSON json_t *list = users("dm-1", 0);
    ARE(list, {"lvm", "vg0-lv0"}, {"loop", "loop3"}, {"loop", "loop1"}, {"target", "store"});
}

/* A user that there was no memory for must not be left out: a device without users is overwritten. */
static void test_holders_no_memory(void **state)
{
    (void)state;
    char proc[128];
    host_with_users();
    put("sys/block/loop3/loop/backing_file", "/dev/dm-1");
    put("sys/kernel/config/target/core/iblock_0/store/udev_path", "/dev/dm-1");
    snprintf(proc, sizeof proc, "%s/proc", dir);
    bool did = true;
    unsigned long n = 0, failed = 0;
    while (did && ++n < 5000) {
        struct moon_err err = {0};
        AUTO_JSON json_t *list = NULL;
        refuse_json(n);
        int rc = moon_device_holders(&world, proc, "dm-1", 0, &list, &err);
        did = allow_json();
        if (rc == 0 && json_array_size(list) != 6) /* a process without its name is one */
            fail_msg("allocation %lu: a part of the users passes for the whole", n);
        failed += rc < 0;
    }
    assert_false(did); /* to the end */
    assert_true(failed > 40);
}

/* A partition that the kernel made of a single path, mounted; and another guest on the path itself. */
static void test_holders_of_disk(void **state)
{
    (void)state;
    host("unmapped");
    AUTO_FREE char *disk = moon_sysfs_real(dir, "/sys/block/sdc");
    assert_non_null(disk);
    char at[256], target[256];
    static const char *const attributes[][2] = {
        {"partition", "1"}, {"dev", "8:33"}, {"size", "2048"}};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        snprintf(at, sizeof at, "%s/sdc1/%s", disk + 1, attributes[i][0]);
        put(at, attributes[i][1]);
    }
    snprintf(at, sizeof at, "%s/sys/class/block/sdc1", dir);
    make_parents(at);
    snprintf(target, sizeof target, "../..%s/sdc1", disk + strlen("/sys"));
    assert_int_equal(symlink(target, at), 0);
    put("proc/self/mountinfo", "28 22 8:33 / /srv rw - ext4 /dev/sdc1 rw");
    put("proc/815/comm", "qemu-system-x86");
    snprintf(at, sizeof at, "%s/proc/815/fd/9", dir);
    make_parents(at);
    assert_int_equal(symlink("/dev/sdc", at), 0);
    AUTO_JSON json_t *list = users("sdc", 0);
    ARE(list, {"partition", "sdc1"}, {"mount", "/srv"}, {"process", "qemu-system-x86"});
    AUTO_JSON json_t *other = users("sdd", 0); /* another path of the LUN: nobody has that one */
    assert_int_equal(json_array_size(other), 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_holders), CASE(test_holders_lvm),
                                       CASE(test_holders_unnamed), CASE(test_holders_no_memory),
                                       CASE(test_holders_of_disk)};
    return cmocka_run_group_tests_name("holders", tests, NULL, NULL);
}
