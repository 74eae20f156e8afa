/* proc.c: real programs: results, environment, descriptors, limits, time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "proc.h"
#include "tempdir.h"
#include "threads.h"
#include "xml.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

static json_t *run(struct moon_proc_args *args)
{
    struct moon_err err = {0};
    json_t *out = NULL;
    if (moon_proc_run(args, &out, &err) < 0)
        fail_msg("%s", err.message);
    return out;
}

static json_t *shell(const char *script, struct moon_proc_args *args)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct moon_proc_args none = {0};
    args = args ? args : &none;
    args->argv = argv;
    return run(args);
}

static int number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_integer(value) ? (int)json_integer_value(value) : -1;
}

static const char *text(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static bool flag(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

static void test_result(void **state)
{
    (void)state;
    AUTO_JSON json_t *a = shell("echo out; echo err >&2; exit 3", NULL);
    assert_int_equal(number(a, "status"), 3);
    assert_null(json_object_get(a, "signal"));
    assert_string_equal(text(a, "stdout"), "out\n");
    assert_string_equal(text(a, "stderr"), "err\n");
    assert_false(flag(a, "timed_out"));
    assert_false(flag(a, "truncated"));
    assert_true(json_real_value(json_object_get(a, "seconds")) >= 0);
    AUTO_JSON json_t *b = shell("kill -9 $$", NULL);
    assert_int_equal(number(b, "signal"), 9);
    assert_null(json_object_get(b, "status"));
    /* Bytes, not text. */
    AUTO_JSON json_t *c = shell("printf '\\377\\000x'", NULL);
    const json_t *out = json_object_get(c, "stdout");
    assert_int_equal(json_string_length(out), 3);
    assert_memory_equal(json_string_value(out), "\xff\0x", 3);
    AUTO_JSON json_t *d = shell("exec >&- 2>&-; read x; exit 4", NULL);
    assert_int_equal(number(d, "status"), 4);
}

static void test_no_shell(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/echo", "$HOME; `id`", "a b", NULL};
    struct moon_proc_args args = {.argv = argv};
    AUTO_JSON json_t *got = run(&args);
    assert_string_equal(text(got, "stdout"), "$HOME; `id` a b\n");
}

static void test_input(void **state)
{
    (void)state;
    static char big[300000];
    memset(big, 'x', sizeof big);
    struct moon_proc_args args = {.input = big, .input_len = sizeof big};
    AUTO_JSON json_t *count = shell("wc -c", &args);
    assert_int_equal(atoi(text(count, "stdout")), (int)sizeof big);
    AUTO_JSON json_t *unread = shell("exit 0", &args);
    assert_int_equal(number(unread, "status"), 0);
    AUTO_JSON json_t *none = shell("wc -c", NULL);
    assert_int_equal(atoi(text(none, "stdout")), 0);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("MOON_TEST_SECRET", "1", 1);
    const char *const env[] = {"EXTRA=a=b", "LANG=xx", NULL};
    struct moon_proc_args args = {.env = env, .cwd = dir};
    AUTO_JSON json_t *got = shell("pwd -P; env", &args);
    const char *out = text(got, "stdout");
    assert_int_equal(strncmp(out, dir, strlen(dir)), 0);
    assert_non_null(strstr(out, "\nEXTRA=a=b\n"));
    assert_non_null(strstr(out, "\nLANG=xx\n"));
    assert_non_null(strstr(out, "\nPATH="));
    assert_non_null(strstr(out, "\nHOME="));
    assert_null(strstr(out, "MOON_TEST_SECRET"));
}

static void test_descriptors(void **state)
{
    (void)state;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int leak = fcntl(null, F_DUPFD, 50); /* on purpose without close-on-exec */
    close(null);
    assert_true(leak >= 50);
    AUTO_JSON json_t *got = shell("for f in /proc/$$/fd/*; do echo ${f##*/}; done", NULL);
    close(leak);
    static const char *const std[] = {"0\n", "1\n", "2\n"};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(strstr(text(got, "stdout"), std[i]));
    char name[16];
    snprintf(name, sizeof name, "\n%d\n", leak);
    assert_null(strstr(text(got, "stdout"), name));
}

static void test_signals(void **state)
{
    (void)state;
    sigset_t set;
    sigset_t old;
    sigfillset(&set);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    signal(SIGPIPE, SIG_IGN);
    AUTO_JSON json_t *got = shell("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    static const char *const masks[] = {"SigBlk:\t", "SigIgn:\t"};
    for (size_t i = 0; i < 2; i++) {
        const char *mask = strstr(text(got, "stdout"), masks[i]);
        assert_non_null(mask);
        /* 32 and above are the C library's own and valgrind's. */
        assert_int_equal(strtoull(mask + 8, NULL, 16) & 0x7fffffff, 0);
    }
}

static void test_output_limit(void **state)
{
    (void)state;
    struct moon_proc_args args = {.max_output = 1000};
    AUTO_JSON json_t *got = shell("head -c 500000 /dev/zero; head -c 1000 /dev/zero >&2", &args);
    assert_int_equal(json_string_length(json_object_get(got, "stdout")), 1000);
    assert_int_equal(json_string_length(json_object_get(got, "stderr")), 1000);
    assert_true(flag(got, "truncated"));
    assert_int_equal(number(got, "status"), 0);
    AUTO_JSON json_t *fits = shell("head -c 1000 /dev/zero", &args);
    assert_false(flag(fits, "truncated"));
}

static void test_timeout(void **state)
{
    (void)state;
    struct moon_proc_args args = {.timeout = 1}; /* a shell has to start and say its word in it */
    double start = moon_clock_mono();
    AUTO_JSON json_t *got = shell("echo before; exec sleep 100", &args);
    assert_true(flag(got, "timed_out"));
    assert_int_equal(number(got, "signal"), SIGTERM);
    assert_string_equal(text(got, "stdout"), "before\n");
    assert_true(moon_clock_mono() - start < 50);
    /* The whole group goes, and its end is waited for: the pipe is closed by it. */
    AUTO_JSON json_t *group = shell("sleep 100 & wait", &args);
    assert_true(flag(group, "timed_out"));
}

static void test_timeout_kill(void **state)
{
    (void)state;
    struct moon_proc_args args = {.timeout = 1}; /* it sets its trap in it */
    double start = moon_clock_mono();
    AUTO_JSON json_t *got = shell("trap '' TERM; while :; do sleep 100; done", &args);
    assert_true(flag(got, "timed_out"));
    assert_int_equal(number(got, "signal"), SIGKILL);
    double took = moon_clock_mono() - start;
    assert_true(took >= 3 && took < 50);
}

static pid_t deaf; /* the group that no signal reaches; 1: the next one */

int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
    if (deaf == 1 && pid < 0)
        deaf = pid;
    return deaf == pid ? 0 : __real_kill(pid, sig);
}

/* As one that waits for a disk for ever. */
static void test_not_even_killed(void **state)
{
    (void)state;
    struct moon_proc_args args = {.timeout = 0.1};
    deaf = 1;
    AUTO_JSON json_t *got = shell("echo before; exec sleep 30", &args);
    pid_t pid = -deaf;
    deaf = 0;
    assert_true(flag(got, "timed_out"));
    assert_true(flag(got, "left"));
    assert_int_equal(number(got, "signal"), SIGKILL);
    assert_string_equal(text(got, "stdout"), "before\n");
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it lives */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int stop_pipe[2];

static void *stopper(void *arg)
{
    (void)arg;
    char c;
    assert_int_equal(read(stop_pipe[0], &c, 1), 1); /* the program runs */
    eventfd_write(stop_pipe[1], 1);
    return NULL;
}

/* It says that it runs on a named pipe, and would go on for long. */
static void test_stop(void **state)
{
    (void)state;
    const char *fifo = at("runs");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    static const char *const scripts[] = {
        "printf . >\"$0\"; sleep 100 & wait",
        "trap '' TERM; printf . >\"$0\"; while :; do sleep 1; done"};
    for (size_t i = 0; i < 2; i++) {
        const char *argv[] = {"sh", "-c", scripts[i], fifo, NULL};
        stop_pipe[0] = open(fifo, O_RDWR | O_CLOEXEC);
        stop_pipe[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct moon_proc_args args = {.argv = argv, .stop = &stop_pipe[1]};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stopper, NULL), 0);
        struct moon_err err = {0};
        json_t *out = NULL;
        assert_int_equal(moon_proc_run(&args, &out, &err), -1);
        assert_int_equal(err.code, MOON_CANCELLED);
        assert_string_equal(err.message, "program 'sh': ended early");
        assert_null(out);
        pthread_join(thread, NULL);
        /* It is still asked for: not even started. */
        assert_int_equal(moon_proc_run(&args, &out, &err), -1);
        char c;
        assert_int_equal(fcntl(stop_pipe[0], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(read(stop_pipe[0], &c, 1), -1);
        close(stop_pipe[0]);
        close(stop_pipe[1]);
    }
    remove(at("runs"));
}

/* What stays behind with the output open does not hold up the result. */
static void test_left_behind(void **state)
{
    (void)state;
    double start = moon_clock_mono();
    AUTO_JSON json_t *got = shell("sleep 100 & echo $!", NULL);
    assert_int_equal(number(got, "status"), 0);
    assert_true(moon_clock_mono() - start < 20);
    pid_t pid = (pid_t)atoi(text(got, "stdout"));
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0); /* it was let live */
}

static void test_errors(void **state)
{
    (void)state;
    char file[128];
    char missing[128];
    snprintf(file, sizeof file, "%s/plain", dir);
    snprintf(missing, sizeof missing, "%s/missing", dir);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    char path_env[160];
    snprintf(path_env, sizeof path_env, "PATH=%s", dir);
    const char *const env[] = {path_env, NULL};
    const struct {
        const char *program;
        const char *const *env;
        const char *cwd;
        enum moon_code code;
        const char *message;
    } cases[] = {
        {missing, NULL, NULL, MOON_NOT_FOUND, "/missing'"},
        {file, NULL, NULL, MOON_DENIED, "/plain'"},
        {"moon-no-such-program", NULL, NULL, MOON_NOT_FOUND, "'moon-no-such-program': not found"},
        {"plain", env, NULL, MOON_DENIED, "program 'plain'"},
        {"sh", env, NULL, MOON_NOT_FOUND, "program 'sh'"},
        {"sh", NULL, missing, MOON_NOT_FOUND, "directory '"},
        {"sh", NULL, file, MOON_NOT_FOUND, "directory '"},
        {"", NULL, NULL, MOON_INVALID, "argv[0]"},
        {NULL, NULL, NULL, MOON_INVALID, "argv[0]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argv[] = {cases[i].program, "-c", "exit 0", NULL};
        struct moon_proc_args args = {.argv = argv, .env = cases[i].env, .cwd = cases[i].cwd};
        struct moon_err err = {0};
        json_t *out = NULL;
        assert_int_equal(moon_proc_run(&args, &out, &err), -1);
        assert_null(out);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, err.message);
    }
}

static void *many(void *arg)
{
    size_t *bad = arg;
    for (int i = 0; i < 10; i++) {
        const char *argv[] = {"sh", "-c", "cat; exit 7", NULL};
        struct moon_proc_args args = {.argv = argv, .input = "hello", .input_len = 5};
        json_t *out = NULL;
        *bad += moon_proc_run(&args, &out, NULL) < 0 || number(out, "status") != 7 ||
                strcmp(text(out, "stdout"), "hello") != 0;
        json_decref(out);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    in_threads(many);
}

static void test_start_time(void **state)
{
    (void)state;
    struct moon_err err = {0};
    uint64_t mine = 0;
    uint64_t again = 0;
    uint64_t parent = 0;
    assert_int_equal(moon_proc_start_time(getpid(), &mine, &err), 0);
    assert_int_equal(moon_proc_start_time(getpid(), &again, &err), 0);
    assert_int_equal(moon_proc_start_time(getppid(), &parent, &err), 0);
    assert_true(mine > 0 && mine == again && parent <= mine);
    assert_int_equal(moon_proc_start_time(0x7ffffff0, &mine, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_true(mine == again);
}

/* A process that was killed and that its parent does not look after holds nothing any more. */
static void test_start_time_of_the_dead(void **state)
{
    (void)state;
    struct moon_err err = {0};
    uint64_t ticks = 0;
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_true(pid > 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(moon_proc_start_time(pid, &ticks, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int setup(void **state)
{
    (void)state;
    return make_dir("proc");
}

static int teardown(void **state)
{
    (void)state;
    char file[128];
    snprintf(file, sizeof file, "%s/plain", dir);
    remove(file);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),       cmocka_unit_test(test_no_shell),
        cmocka_unit_test(test_input),        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_descriptors),  cmocka_unit_test(test_signals),
        cmocka_unit_test(test_output_limit), cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_timeout_kill), cmocka_unit_test(test_not_even_killed),
        cmocka_unit_test(test_left_behind),  cmocka_unit_test(test_stop),
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_start_time),   cmocka_unit_test(test_start_time_of_the_dead),
    };
    return cmocka_run_group_tests_name("proc", tests, setup, teardown);
}
