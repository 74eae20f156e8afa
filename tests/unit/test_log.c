/* log.c: which line goes to which file and stream, its form, and that no secret is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auto.h"
#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64], out_path[96], debug_path[96], error_path[96];

static char *content(const char *path)
{
    static char text[4][65536];
    static int next;
    char *to = text[next++ % 4];
    AUTO_FCLOSE FILE *f = fopen(path, "r");
    size_t n = f ? fread(to, 1, sizeof text[0] - 1, f) : 0;
    to[n] = '\0';
    return to;
}

static size_t lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static int open_log(struct moon_log_options o)
{
    struct moon_err err = {0};
    int rc = moon_log_open(&o, &err);
    if (rc < 0)
        fail_msg("%s", err.message);
    return rc;
}

static const struct moon_log_options files = {
    .out = out_path, .debug = debug_path, .error = error_path, .quiet = true};

/* What a function writes to a standard stream, which goes to a file meanwhile. */
static char *captured(int fd, void (*body)(void))
{
    char path[96];
    snprintf(path, sizeof path, "%s/stream%d", dir, fd);
    fflush(NULL);
    int saved = dup(fd);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(saved >= 0 && file >= 0);
    dup2(file, fd);
    close(file);
    body();
    fflush(NULL);
    dup2(saved, fd);
    close(saved);
    return content(path);
}

static void one_of_each(void)
{
    for (int level = 0; level < MOON_LOG_LEVELS; level++)
        moon_log((enum moon_level)level, "text %d", level);
}

static char *quietly(void (*body)(void))
{
    return captured(STDERR_FILENO, body);
}

/* From the nth on none is to be had. */
static unsigned long allocations, refused_from;

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);

void *__wrap_realloc(void *p, size_t size)
{
    return refused_from && ++allocations >= refused_from ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
    return refused_from && ++allocations >= refused_from ? NULL : __real_strdup(s);
}

static void one_error(void)
{
    moon_log(MOON_LOG_ERROR, "what is wrong");
}

/* An error whose words there is no memory for is one. */
static void test_no_memory(void **state)
{
    (void)state;
    open_log(files);
    static const unsigned long first = 1, all = 10;
    for (refused_from = first; refused_from <= all; refused_from++) {
        allocations = 0;
        const char *said = quietly(one_error);
        bool whole = allocations < refused_from;
        assert_string_equal(said, whole ? "moonsnap: error: what is wrong\n"
                                        : "moonsnap: error: out of memory; what went wrong cannot "
                                          "be told\n");
    }
    assert_true(allocations >= 2 && allocations < all);
    refused_from = 0;
}

static void test_level_names(void **state)
{
    (void)state;
    assert_int_equal(moon_log_level("ERROR"), MOON_LOG_ERROR);
    assert_int_equal(moon_log_level("info"), MOON_LOG_INFO);
    assert_int_equal(moon_log_level("Trace"), MOON_LOG_TRACE);
    assert_int_equal(moon_log_level("cmd"), MOON_LOG_CMD);
    assert_int_equal(moon_log_level(""), -1);
    assert_int_equal(moon_log_level("infos"), -1);
}

static void test_files_by_level(void **state)
{
    (void)state;
    struct moon_log_options o = files;
    open_log(o);
    assert_true(moon_log_wants(MOON_LOG_DEBUG));
    assert_false(moon_log_wants(MOON_LOG_TRACE));
    quietly(one_of_each);
    assert_null(strstr(content(debug_path), "TRACE: "));
    unlink(out_path);
    unlink(debug_path);
    unlink(error_path);
    o.trace = true;
    open_log(o);
    assert_true(moon_log_wants(MOON_LOG_TRACE));
    quietly(one_of_each);
    assert_int_equal(lines(content(out_path)), 4);
    assert_non_null(strstr(content(out_path), "ERROR: text 0\n"));
    assert_non_null(strstr(content(out_path), "WARN: text 1\n"));
    assert_non_null(strstr(content(out_path), "INFO: text 2\n"));
    assert_non_null(strstr(content(out_path), "CMD: text 3\n"));
    assert_int_equal(lines(content(debug_path)), MOON_LOG_LEVELS);
    assert_non_null(strstr(content(debug_path), "CMD: text 3\n"));
    assert_non_null(strstr(content(debug_path), "OUTPUT: text 4\n"));
    assert_non_null(strstr(content(debug_path), "DEBUG: text 5\n"));
    assert_non_null(strstr(content(debug_path), "TRACE: text 6\n"));
    assert_int_equal(lines(content(error_path)), 1);
    assert_non_null(strstr(content(error_path), "ERROR: text 0\n"));
}

static void test_form(void **state)
{
    (void)state;
    open_log(files);
    moon_log(MOON_LOG_INFO, "hello %s", "world");
    regex_t rx;
    assert_int_equal(regcomp(&rx,
                             "^\\[(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z][a-z] [ 123][0-9] "
                             "[0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}\\] INFO: hello world\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    int rc = regexec(&rx, content(out_path), 0, NULL, 0);
    regfree(&rx);
    assert_int_equal(rc, 0);
}

static void test_modes_and_append(void **state)
{
    (void)state;
    mode_t old = umask(0);
    open_log(files);
    moon_log(MOON_LOG_INFO, "one");
    open_log(files); /* again: the same files go on */
    umask(old);
    moon_log(MOON_LOG_INFO, "two");
    assert_int_equal(lines(content(out_path)), 2);
    struct stat st = {0};
    assert_int_equal(stat(out_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    moon_log_close();
    moon_log(MOON_LOG_INFO, "three");
    assert_int_equal(lines(content(out_path)), 2);
    open_log((struct moon_log_options){.quiet = true}); /* no files is fine */
    moon_log(MOON_LOG_INFO, "four");
    assert_int_equal(lines(content(out_path)), 2);
}

static void test_open_fails(void **state)
{
    (void)state;
    struct moon_err err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/no/such", dir);
    struct moon_log_options o = {.out = out_path, .debug = path, .quiet = true};
    assert_int_equal(moon_log_open(&o, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    moon_log(MOON_LOG_INFO, "nowhere");
    assert_string_equal(content(out_path), "");
}

/* A full disk does not stop anything. */
static void test_full_disk(void **state)
{
    (void)state;
    open_log((struct moon_log_options){.out = "/dev/full", .debug = debug_path, .quiet = true});
    moon_log(MOON_LOG_INFO, "goes on");
    assert_int_equal(lines(content(debug_path)), 1);
}

/* --- streams ----------------------------------------------------------------------------- */

static void test_console_default(void **state)
{
    (void)state;
    open_log((struct moon_log_options){0});
    assert_string_equal(captured(STDERR_FILENO, one_of_each),
                        "moonsnap: error: text 0\nmoonsnap: warning: text 1\n");
    assert_string_equal(captured(STDOUT_FILENO, one_of_each), "");
}

static void test_console_quiet(void **state)
{
    (void)state;
    open_log((struct moon_log_options){.quiet = true, .trace = true});
    assert_true(moon_log_wants(MOON_LOG_INFO));
    assert_false(moon_log_wants(MOON_LOG_OUTPUT));
    assert_false(moon_log_wants(MOON_LOG_TRACE));
    assert_string_equal(captured(STDERR_FILENO, one_of_each), "moonsnap: error: text 0\n");
}

static void test_console_verbose(void **state)
{
    (void)state;
    open_log((struct moon_log_options){.verbose = true});
    char *err = captured(STDERR_FILENO, one_of_each);
    assert_int_equal(lines(err), 4); /* nothing twice */
    assert_non_null(strstr(err, "] ERROR: text 0\n"));
    assert_non_null(strstr(err, "] INFO: text 2\n"));
    assert_string_equal(captured(STDOUT_FILENO, one_of_each), "");
}

static void test_console_debug(void **state)
{
    (void)state;
    open_log((struct moon_log_options){.console_debug = true, .trace = true});
    assert_int_equal(lines(captured(STDERR_FILENO, one_of_each)), MOON_LOG_LEVELS);
}

static void test_console_stdout(void **state)
{
    (void)state;
    open_log((struct moon_log_options){.verbose = true, .console_stdout = true});
    char *out = captured(STDOUT_FILENO, one_of_each);
    assert_int_equal(lines(out), 4);
    assert_non_null(strstr(out, "] WARN: text 1\n"));
    /* Errors are also where errors are looked for. */
    assert_string_equal(captured(STDERR_FILENO, one_of_each),
                        "moonsnap: error: text 0\nmoonsnap: warning: text 1\n");
}

/* --- secrets ----------------------------------------------------------------------------- */

static void redacts(const char *text, const char *want)
{
    AUTO_FREE char *got = moon_log_redact(text);
    assert_string_equal(got, want);
}

#define STARS "********"

static void test_secrets(void **state)
{
    (void)state;
    redacts("hunter2", "hunter2"); /* not registered */
    moon_log_secret("hunter2");
    moon_log_secret("hunter2");
    moon_log_secret("p%s$^.*");
    moon_log_secret("x");
    moon_log_secret("");
    redacts("hunter2", STARS);
    redacts("a hunter2 b", "a " STARS " b");
    redacts("user:hunter2@host", "user:" STARS "@host");
    redacts("hunter2hunter2, hunter2", STARS STARS ", " STARS);
    redacts("hunter", "hunter");
    redacts("Hunter2", "Hunter2");
    redacts("x p%s$^.* x", "x " STARS " x");
    redacts("", "");
}

/* One secret may hold another one: nothing of the longer one stays, in whatever order they came. */
static void test_nested_secrets(void **state)
{
    (void)state;
    moon_log_secret("pass");
    moon_log_secret("password123");
    redacts("is password123!", "is " STARS "!");
    redacts("pass", STARS);
}

static void test_many_secrets(void **state)
{
    (void)state;
    char secret[32];
    for (int i = 0; i < 300; i++) {
        snprintf(secret, sizeof secret, "secret-%03d", i);
        moon_log_secret(secret);
    }
    for (int i = 0; i < 300; i++) {
        snprintf(secret, sizeof secret, "<secret-%03d>", i);
        redacts(secret, "<" STARS ">");
    }
}

static void log_secret(void)
{
    for (int level = 0; level < MOON_LOG_LEVELS; level++)
        moon_log((enum moon_level)level, "login %s:%s, again %s", "admin", "hunter2", "hunter2");
}

static void test_secrets_everywhere(void **state)
{
    (void)state;
    moon_log_secret("hunter2");
    struct moon_log_options o = files;
    o.console_debug = o.console_stdout = o.trace = true;
    o.quiet = false;
    open_log(o);
    char *err = quietly(log_secret);
    char *out = captured(STDOUT_FILENO, log_secret);
    const char *all[] = {err, out, content(out_path), content(debug_path)};
    for (size_t i = 0; i < 4; i++) {
        assert_null(strstr(all[i], "hunter2"));
        assert_non_null(strstr(all[i], "login admin:" STARS ", again " STARS "\n"));
    }
    assert_null(strstr(content(error_path), "hunter2"));
}

/* --- one line per message ---------------------------------------------------------------- */

static void test_one_line(void **state)
{
    (void)state;
    open_log(files);
    static const char *const texts[] = {
        "a\nb",    "a\r\nb", "\n",      "a\n[Wed Mar  5 14:17:13 2014] ERROR: forged",
        "a\n\n\n", "100%",   "\xff\xfe"};
    for (size_t i = 0; i < 7; i++)
        moon_log(MOON_LOG_INFO, "%s", texts[i]);
    char *got = content(out_path);
    assert_int_equal(lines(got), 7);
    assert_null(strchr(got, '\r'));
    assert_non_null(strstr(got, "INFO: a b\n"));
    assert_non_null(strstr(got, "INFO: 100%\n"));
    for (char *line = got; *line; line = strchr(line, '\n') + 1)
        assert_int_equal(*line, '[');
}

static void test_long_line(void **state)
{
    (void)state;
    open_log(files);
    static char text[50001];
    memset(text, 'y', sizeof text - 1);
    moon_log(MOON_LOG_INFO, "%s|", text);
    char *got = content(out_path);
    assert_int_equal(lines(got), 1);
    assert_non_null(strstr(got, "yyy|\n"));
    assert_true(strlen(got) > 50000);
}

static void *many_lines(void *arg)
{
    for (int i = 0; i < 200; i++)
        moon_log(MOON_LOG_INFO, "%s %d and hunter2", (const char *)arg, i);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    moon_log_secret("hunter2");
    open_log(files);
    pthread_t threads[4];
    char names[4][8] = {"one", "two", "three", "four"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_lines, names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *got = content(out_path);
    assert_int_equal(lines(got), 800);
    for (char *line = got; *line; line = strchr(line, '\n') + 1) {
        char *end = strchr(line, '\n');
        assert_memory_equal(end - 12, "and " STARS, 12);
    }
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/moon-log-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(out_path, sizeof out_path, "%s/out", dir);
    snprintf(debug_path, sizeof debug_path, "%s/debug", dir);
    snprintf(error_path, sizeof error_path, "%s/error", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    moon_log_close();
    char stream[96];
    for (int fd = 1; fd <= 2; fd++) {
        snprintf(stream, sizeof stream, "%s/stream%d", dir, fd);
        unlink(stream);
    }
    unlink(out_path);
    unlink(debug_path);
    unlink(error_path);
    return rmdir(dir);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_no_memory),        CASE(test_level_names),
        CASE(test_files_by_level),   CASE(test_form),
        CASE(test_modes_and_append), CASE(test_open_fails),
        CASE(test_full_disk),        CASE(test_console_default),
        CASE(test_console_quiet),    CASE(test_console_verbose),
        CASE(test_console_debug),    CASE(test_console_stdout),
        CASE(test_secrets),          CASE(test_nested_secrets),
        CASE(test_many_secrets),     CASE(test_secrets_everywhere),
        CASE(test_one_line),         CASE(test_long_line),
        CASE(test_threads),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
