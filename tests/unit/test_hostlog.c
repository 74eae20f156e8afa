/* The host's log, with a socket of the test's own in its place. */
#include "hostlog.h"

#include "tempdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    return make_dir("hostlog");
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"log", "full", "gone"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(at(names[i]));
    return rmdir(dir);
}

static int listen_at(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void test_line(void **state)
{
    (void)state;
    struct moon_err err = {0};
    int fd = listen_at(at("log"));
    char got[2048] = {0}, want[256], long_text[4096];
    assert_int_equal(
        moon_hostlog(at("log"), "moonsnap-guard", MOON_HOSTLOG_WARN, "two\nlines", &err), 0);
    assert_true(recv(fd, got, sizeof got - 1, 0) > 0);
    snprintf(want, sizeof want, "<28>moonsnap-guard[%d]: two lines", (int)getpid());
    assert_string_equal(got, want);
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(moon_hostlog(at("log"), "m", MOON_HOSTLOG_CRIT, long_text, &err), 0);
    assert_int_equal(recv(fd, got, sizeof got, 0), 1023);
    assert_memory_equal(got, "<26>m[", 6);
    close(fd);
}

/* Nobody reads: the sender goes on. */
static void test_full(void **state)
{
    (void)state;
    struct moon_err err = {0};
    int fd = listen_at(at("full")), rc = 0, sent = 0;
    while (rc == 0 && sent < 100000) {
        rc = moon_hostlog(at("full"), "m", MOON_HOSTLOG_ERROR, "text", &err);
        sent++;
    }
    assert_int_equal(rc, -1);
    assert_true(sent > 1);
    assert_int_equal(err.code, MOON_BUSY);
    close(fd);
}

static void test_nobody(void **state)
{
    (void)state;
    struct moon_err err = {0};
    assert_int_equal(moon_hostlog(at("none"), "m", MOON_HOSTLOG_ERROR, "text", &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_non_null(strstr(err.message, "none"));
    close(listen_at(at("gone")));
    assert_int_equal(moon_hostlog(at("gone"), "m", MOON_HOSTLOG_ERROR, "text", &err), -1);
    char path[200];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(moon_hostlog(path, "m", MOON_HOSTLOG_ERROR, "text", &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_line), cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_nobody)};
    return cmocka_run_group_tests_name("hostlog", tests, setup, teardown);
}
