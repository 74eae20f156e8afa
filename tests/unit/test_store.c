/* store.c: reads, atomic replacement, directories and locks on real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proc.h"
#include "store.h"
#include "tempdir.h"
#include "xml.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void put(const char *name, const char *text, mode_t mode)
{
    struct moon_err err = {0};
    if (moon_store_replace(at(name), text, strlen(text), mode, &err) < 0)
        fail_msg("%s", err.message);
}

static void holds(const char *name, const char *want)
{
    struct moon_err err = {0};
    AUTO_FREE char *got = NULL;
    size_t len = 0;
    if (moon_store_read(at(name), 1 << 20, &got, &len, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(got, want);
    assert_int_equal(len, strlen(want));
}

static mode_t mode_of(const char *name)
{
    struct stat st = {0};
    assert_int_equal(lstat(at(name), &st), 0);
    return st.st_mode & 07777;
}

static size_t names(json_t **out)
{
    assert_int_equal(moon_store_list(dir, out, NULL), 0);
    return json_array_size(*out);
}

static void test_read(void **state)
{
    (void)state;
    struct moon_err err = {0};
    char *data = NULL;
    size_t len = 0;
    put("f", "12345", 0);
    assert_int_equal(moon_store_read(at("f"), 5, &data, &len, &err), 0);
    assert_int_equal(len, 5);
    free(data);
    data = NULL;
    assert_int_equal(moon_store_read(at("f"), 4, &data, &len, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_int_equal(moon_store_read(at("none"), 4, &data, &len, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(err.native, ENOENT);
    assert_non_null(strstr(err.message, "/none'"));
    assert_int_equal(moon_store_read(dir, 4, &data, &len, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    assert_int_equal(moon_store_read(at("fifo"), 4, &data, &len, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_null(data);
    assert_int_equal(len, 5);
    assert_int_equal(moon_store_read("/proc/self/status", 65536, &data, &len, &err), 0);
    assert_true(len > 100);
    free(data);
}

static void test_replace(void **state)
{
    (void)state;
    struct stat st = {0};
    put("f", "one", 0);
    assert_int_equal(mode_of("f"), 0600);
    put("f", "two", 0640);
    holds("f", "two");
    assert_int_equal(mode_of("f"), 0640);
    put("f", "", 0);
    holds("f", "");
    assert_int_equal(mode_of("f"), 0640);
    if (geteuid() == 0) {
        assert_int_equal(chown(at("f"), 12, 34), 0);
        put("f", "kept", 0);
        assert_int_equal(stat(at("f"), &st), 0);
        assert_int_equal(st.st_uid, 12);
        assert_int_equal(st.st_gid, 34);
        assert_int_equal(mode_of("f"), 0640);
    }
    AUTO_JSON json_t *list = NULL;
    assert_int_equal(names(&list), 1); /* nothing temporary is left */
}

static void test_replace_links(void **state)
{
    (void)state;
    struct moon_err err = {0};
    assert_int_equal(mkdir(at("sub"), 0700), 0);
    assert_int_equal(symlink("sub/b", at("a")), 0);
    assert_int_equal(symlink("c", at("sub/b")), 0);
    put("a", "new", 0); /* through two links, to a file that is not there yet */
    holds("sub/c", "new");
    put("a", "newer", 0);
    holds("sub/c", "newer");
    struct stat st = {0};
    assert_int_equal(lstat(at("a"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(symlink("loop", at("loop")), 0);
    assert_int_equal(moon_store_replace(at("loop"), "x", 1, 0, &err), -1);
    assert_int_equal(err.native, ELOOP);
}

static void test_replace_fails(void **state)
{
    (void)state;
    struct moon_err err = {0};
    assert_int_equal(moon_store_replace(at("no/f"), "x", 1, 0, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(mkdir(at("d"), 0700), 0);
    assert_int_equal(moon_store_replace(at("d"), "x", 1, 0, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    AUTO_JSON json_t *list = NULL;
    assert_int_equal(names(&list), 1);
}

/* A reader sees a whole content, never part of one. */
static void test_replace_atomic(void **state)
{
    (void)state;
    static char a[100000];
    static char b[100000];
    memset(a, 'a', sizeof a - 1);
    memset(b, 'b', sizeof b - 1);
    put("f", a, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int rc = 0;
        for (int i = 0; i < 30 && rc == 0; i++)
            rc = moon_store_replace(at("f"), i % 2 ? a : b, sizeof a - 1, 0, NULL);
        _exit(rc ? 1 : 0);
    }
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        AUTO_FREE char *got = NULL;
        size_t len = 0;
        assert_int_equal(moon_store_read(at("f"), 1 << 20, &got, &len, NULL), 0);
        assert_int_equal(len, sizeof a - 1);
        assert_int_equal(got[0], got[len - 1]);
    }
    assert_int_equal(status, 0);
}

static void test_append(void **state)
{
    (void)state;
    struct moon_err err = {0};
    assert_int_equal(moon_store_append(at("log"), "a\n", 2, 0640, &err), 0);
    assert_int_equal(moon_store_append(at("log"), "b\n", 2, 0600, &err), 0);
    holds("log", "a\nb\n");
    assert_int_equal(mode_of("log"), 0640);
    assert_int_equal(moon_store_append(at("no/log"), "a", 1, 0600, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

static void test_mkdirs(void **state)
{
    (void)state;
    struct moon_err err = {0};
    assert_int_equal(moon_store_mkdirs(at("x//y/z/"), 0750, &err), 0);
    assert_int_equal(mode_of("x/y/z"), 0750);
    assert_int_equal(moon_store_mkdirs(at("x/y/z"), 0700, &err), 0);
    assert_int_equal(moon_store_mkdirs("/", 0700, &err), 0);
    put("x/f", "", 0);
    assert_int_equal(moon_store_mkdirs(at("x/f"), 0700, &err), -1);
    assert_int_equal(err.code, MOON_EXISTS);
    assert_int_equal(moon_store_mkdirs(at("x/f/g"), 0700, &err), -1);
    assert_int_equal(moon_store_mkdirs("", 0700, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

static void test_list(void **state)
{
    (void)state;
    struct moon_err err = {0};
    static const char *const want[] = {".hidden", "B", "a", "a1", "\xff"};
    for (size_t i = 0; i < 5; i++)
        put(want[4 - i], "", 0);
    AUTO_JSON json_t *list = NULL;
    assert_int_equal(names(&list), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(json_string_value(json_array_get(list, i)), want[i]);
    json_t *none = NULL;
    assert_int_equal(moon_store_list(at("none"), &none, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(moon_store_list(at("a"), &none, &err), -1);
    assert_null(none);
}

static json_int_t number(const json_t *json, const char *key)
{
    assert_true(json_is_integer(json_object_get(json, key)));
    return json_integer_value(json_object_get(json, key));
}

static void test_stat(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put("f", "12345", 0640);
    const struct timespec times[2] = {{.tv_sec = 1700000000, .tv_nsec = 123456789},
                                      {.tv_sec = 1700000000, .tv_nsec = 123456789}};
    assert_int_equal(utimensat(AT_FDCWD, at("f"), times, 0), 0);
    assert_int_equal(symlink("f", at("l")), 0);
    AUTO_JSON json_t *got = NULL;
    assert_int_equal(moon_store_stat(at("l"), &got, &err), 0);
    assert_string_equal(json_string_value(json_object_get(got, "type")), "file");
    assert_int_equal(number(got, "size"), 5);
    assert_int_equal(number(got, "mtime"), 1700000000);
    assert_int_equal(number(got, "mtime_ns"), 123456789);
    assert_int_equal(number(got, "mode"), 0640);
    assert_int_equal(number(got, "uid"), getuid());
    assert_int_equal(number(got, "gid"), getgid());
    assert_true(number(got, "allocated") % 512 == 0);
    assert_null(json_object_get(got, "rdev"));
    AUTO_JSON json_t *null = NULL;
    assert_int_equal(moon_store_stat("/dev/null", &null, &err), 0);
    assert_string_equal(json_string_value(json_object_get(null, "type")), "char");
    assert_string_equal(json_string_value(json_object_get(null, "rdev")), "1:3");
    json_t *none = NULL;
    assert_int_equal(moon_store_stat(at("none"), &none, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

static atomic_bool swapping;

/* Two files take turns at one name. */
static void *swap(void *bad)
{
    for (int i = 1; atomic_load(&swapping); i++) { /* at first it is the closed one */
        const char *now = at(i % 2 ? "open" : "closed");
        *(size_t *)bad += link(now, at("next")) < 0 || rename(at("next"), at("name")) < 0;
    }
    return NULL;
}

static void test_load(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put("open", "written by anybody", 0666);
    assert_int_equal(chmod(at("open"), 0666), 0);
    put("closed", "mine", 0600);
    assert_int_equal(link(at("closed"), at("name")), 0);
    size_t bad = 0, seen[2] = {0};
    pthread_t thread;
    atomic_store(&swapping, true);
    assert_int_equal(pthread_create(&thread, NULL, swap, &bad), 0);
    for (int i = 0; i < 2000 || (i < 2000000 && (!seen[0] || !seen[1])); i++) {
        AUTO_JSON json_t *got = NULL;
        if (moon_store_load(at("name"), 64, &got, &err) < 0)
            fail_msg("%s", err.message);
        bool is_open = number(json_object_get(got, "stat"), "mode") == 0666;
        seen[is_open]++;
        assert_string_equal(json_string_value(json_object_get(got, "data")),
                            is_open ? "written by anybody" : "mine");
    }
    atomic_store(&swapping, false);
    pthread_join(thread, NULL);
    assert_true(seen[0] && seen[1]);
    assert_int_equal(bad, 0);
    json_t *none = NULL;
    assert_int_equal(moon_store_load(at("open"), 5, &none, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
    assert_int_equal(moon_store_load(at("none"), 5, &none, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_int_equal(moon_store_load(at("pipe"), 5, &none, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
}

static void test_remove(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put("f", "x", 0);
    assert_int_equal(symlink("f", at("l")), 0);
    assert_int_equal(moon_store_remove(at("l"), &err), 0);
    holds("f", "x");
    assert_int_equal(mkdir(at("d"), 0700), 0);
    put("d/f", "", 0);
    assert_int_equal(moon_store_remove(at("d"), &err), -1);
    assert_int_equal(moon_store_remove(at("d/f"), &err), 0);
    assert_int_equal(moon_store_remove(at("d"), &err), 0);
    assert_int_equal(moon_store_remove(at("d"), &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

static void test_lock(void **state)
{
    (void)state;
    struct moon_err err = {0};
    struct moon_lock *lock = NULL;
    struct moon_lock *second = NULL;
    assert_int_equal(moon_store_lock(at("lock"), &lock, &err), 0);
    assert_int_equal(mode_of("lock"), 0600);
    uint64_t ticks = 0;
    assert_int_equal(moon_proc_start_time(getpid(), &ticks, &err), 0);
    char want[64];
    snprintf(want, sizeof want, "%ld %llu\n", (long)getpid(), (unsigned long long)ticks);
    holds("lock", want);
    assert_int_equal(moon_store_lock(at("lock"), &second, &err), -1);
    assert_null(second);
    assert_int_equal(err.code, MOON_BUSY);
    assert_int_equal(err.native, getpid());
    snprintf(want, sizeof want, "held by process %ld", (long)getpid());
    assert_non_null(strstr(err.message, want));
    pid_t holder = 0;
    assert_int_equal(moon_store_lock_holder(at("lock"), &holder, &err), 0);
    assert_int_equal(holder, getpid());
    moon_store_unlock(lock);
    holds("lock", "");
    assert_int_equal(moon_store_lock_holder(at("lock"), &holder, &err), 0);
    assert_int_equal(holder, 0);
    assert_int_equal(moon_store_lock_holder(at("no/lock"), &holder, &err), 0);
    assert_int_equal(holder, 0);
    put("stale", "1 17\n", 0600); /* pid 1 began at another time */
    assert_int_equal(moon_store_lock_holder(at("stale"), &holder, &err), 0);
    assert_int_equal(holder, 0);
    assert_int_equal(moon_store_lock(at("lock"), &second, &err), 0);
    moon_store_unlock(second);
    moon_store_unlock(NULL);
    assert_int_equal(moon_store_lock(at("no/lock"), &lock, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(symlink("lock", at("link")), 0);
    assert_int_equal(moon_store_lock(at("link"), &lock, &err), -1);
    assert_int_equal(err.native, ELOOP);
}

/* Another process holds it, and its death releases it. */
static void test_lock_process(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct moon_lock *lock = NULL;
        if (moon_store_lock(at("lock"), &lock, NULL) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    char c = 0;
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    struct moon_err err = {0};
    struct moon_lock *lock = NULL;
    assert_int_equal(moon_store_lock(at("lock"), &lock, &err), -1);
    assert_int_equal(err.native, pid);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(moon_store_lock(at("lock"), &lock, &err), 0);
    assert_true(moon_store_lock_fd(lock) >= 0);
    moon_store_unlock(lock);
}

static int setup(void **state)
{
    (void)state;
    umask(022);
    return make_dir("store");
}

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_read),          CASE(test_replace),        CASE(test_replace_links),
        CASE(test_replace_fails), CASE(test_replace_atomic), CASE(test_append),
        CASE(test_mkdirs),        CASE(test_list),           CASE(test_stat),
        CASE(test_load),          CASE(test_remove),         CASE(test_lock),
        CASE(test_lock_process),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
