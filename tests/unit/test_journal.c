/* guard/journal.c: what is written is what is read, also after a crash in the middle. The guard's
 * objects are not in the core library, so the source itself is here. */
#include "../../engine/guard/journal.c"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include "no_memory.h"
#include "xml.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GONE 4194305 /* beyond what a pid can be */

static char path[64];

static void put(const char *content, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), (ssize_t)len);
    close(fd);
}

#define FIRST "moonsnap-journal 1\n"

static void put_text(const char *records)
{
    char text[4096];
    snprintf(text, sizeof text, FIRST "%s", records);
    put(text, strlen(text));
}

static void add(const char *record)
{
    struct moon_err err = {0};
    if (moon_journal_add(path, &err, "%s", record) < 0)
        fail_msg("%s", err.message);
}

static json_t *must_read(void)
{
    struct moon_err err = {0};
    json_t *j = NULL;
    if (moon_journal_read(path, &j, &err) < 0)
        fail_msg("%s", err.message);
    return j;
}

/* "uuid=name uuid=name" */
static const char *held(const json_t *j)
{
    static char out[1024];
    size_t i, n = 0;
    json_t *h;
    out[0] = '\0';
    json_array_foreach (json_object_get(j, "held"), i, h) {
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%s=%s", i ? " " : "",
                              json_string_value(json_object_get(h, "uuid")),
                              json_string_value(json_object_get(h, "name")));
    }
    return out;
}

static bool is(const json_t *j, const char *key)
{
    assert_true(json_is_boolean(json_object_get(j, key)));
    return json_is_true(json_object_get(j, key));
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "(none)";
}

static void begin(const char *profile)
{
    struct moon_err err = {0};
    struct moon_journal_head head = {
        .profile = profile,
        .config = "c",
        .action = "backup",
        .uri = "qemu+ssh://a b/system",
        .engine = getpid(),
        .guard = GONE,
        .deadline = 1773453601.0,
    };
    if (moon_journal_begin(path, &head, &err) < 0)
        fail_msg("%s", err.message);
}

static void test_round_trip(void **state)
{
    (void)state;
    begin("p");
    add("hold u-1 web server");
    add("hold u-2 db");
    struct stat st = {0};
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    AUTO_JSON json_t *j = must_read();
    assert_string_equal(text_of(j, "profile"), "p");
    assert_string_equal(text_of(j, "config"), "c");
    assert_string_equal(text_of(j, "action"), "backup");
    assert_string_equal(text_of(j, "uri"), "qemu+ssh://a b/system");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "engine"), "pid")),
                     getpid());
    assert_true(is(j, "engine_alive"));
    assert_false(is(j, "guard_alive"));
    assert_true(json_number_value(json_object_get(j, "deadline")) == 1773453601.0);
    assert_string_equal(held(j), "u-1=web server u-2=db");
    assert_false(is(j, "detached"));
    assert_false(is(j, "fired"));
    assert_false(is(j, "closed"));
    add("free u-1");
    add("detached");
    add("fired 1773453700");
    add("gave_up 1773540100");
    add("free u-2");
    add("closed");
    AUTO_JSON json_t *end = must_read();
    assert_string_equal(held(end), "");
    assert_true(is(end, "detached"));
    assert_true(is(end, "fired"));
    assert_true(is(end, "gave_up"));
    assert_true(is(end, "closed"));
}

static void test_hold_and_free(void **state)
{
    (void)state;
    static const struct {
        const char *records, *held;
    } cases[] = {
        {"", ""},
        {"hold a x\nhold a y\n", "a=y"},
        {"hold a x\nhold b y\nhold a z\n", "b=y a=z"},
        {"hold a x\nhold a x\nfree a\n", ""},
        {"hold a x\nfree a\nhold a y\n", "a=y"},
        {"free a\n", ""},
        {"hold a x\nfree b\n", "a=x"},
        {"hold a x\nhold aa y\nfree a\n", "aa=y"},
        {"hold a\n", "a=a"},
        {"hold a  two  spaces \n", "a= two  spaces "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text(cases[i].records);
        AUTO_JSON json_t *j = must_read();
        assert_string_equal(held(j), cases[i].held);
    }
}

/* A record counts when its line end is there. */
static void test_torn_line(void **state)
{
    (void)state;
    static const char whole[] = FIRST "run p c backup\nhold a x\nhold b y\nfree a\n";
    static const char *const states[] = {"", "a=x", "a=x b=y", "b=y"};
    for (size_t len = 0; len < sizeof whole; len++) {
        put(whole, len);
        AUTO_JSON json_t *j = must_read();
        size_t ends = 0;
        for (size_t i = 0; i < len; i++)
            ends += whole[i] == '\n';
        assert_string_equal(held(j), states[ends < 2 ? 0 : ends - 2]);
    }
}

/* What is written after a torn line is a record of its own. */
static void test_add_after_torn_line(void **state)
{
    (void)state;
    put_text("hold a x\nhold b hal");
    add("free a");
    AUTO_JSON json_t *j = must_read();
    assert_string_equal(held(j), "");
    put_text("hold a x\nfre");
    add("free a");
    AUTO_JSON json_t *k = must_read();
    assert_string_equal(held(k), "");
}

static void test_unknown_records(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        int line;
    } cases[] = {
        {"moonsnap-journal 2\n", 1},
        {"\n", 1},
        {"hold a x\n", 1},
        {FIRST "\n", 2},
        {FIRST "hold a x\nfrobnicate a\n", 3},
        {FIRST "hold\n", 2},
        {FIRST "hold  x\n", 2},
        {FIRST "holding a x\n", 2},
        {FIRST "hol a\n", 2},
        {FIRST "run p c\n", 2},
        {FIRST "engine x y\n", 2},
        {FIRST "engine -1 5\n", 2},
        {FIRST "engine 0 5\n", 2},
        {FIRST "guard 5\n", 2},
        {FIRST "HOLD a x\n", 2},
        {FIRST " hold a x\n", 2},
        {FIRST "hold 0123456789012345678901234567890123456789012345678901234567890123456789 x\n",
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].content, strlen(cases[i].content));
        struct moon_err err = {0};
        json_t *j = NULL;
        if (moon_journal_read(path, &j, &err) != -1)
            fail_msg("read: %s", cases[i].content);
        assert_null(j);
        assert_int_equal(err.code, MOON_PROTOCOL);
        char want[96];
        snprintf(want, sizeof want, "%s:%d: ", path, cases[i].line);
        assert_memory_equal(err.message, want, strlen(want));
    }
}

/* A guest's name cannot write a record of its own. */
static void test_names_with_line_ends(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put(FIRST, sizeof FIRST - 1);
    assert_int_equal(moon_journal_add(path, &err, "hold %s %s", "a", "x\nfree a\r\nclosed"), 0);
    assert_int_equal(moon_journal_add(path, &err, "hold %s %s", "b", "\xff\xe4"), 0);
    AUTO_JSON json_t *j = must_read();
    assert_string_equal(held(j), "a=x?free a??closed b=\xff\xe4");
    assert_false(is(j, "closed"));
    AUTO_FREE char *data = NULL;
    size_t len = 0;
    assert_int_equal(moon_store_read(path, 4096, &data, &len, &err), 0);
    size_t ends = 0;
    for (size_t i = 0; i < len; i++)
        ends += data[i] == '\n';
    assert_int_equal(ends, 3);
}

static void process(const char *who, long pid, unsigned long long start, bool alive)
{
    char record[128], key[32];
    snprintf(record, sizeof record, "%s %ld %llu\n", who, pid, start);
    snprintf(key, sizeof key, "%s_alive", who);
    put_text(record);
    AUTO_JSON json_t *j = must_read();
    assert_true(is(j, key) == alive);
    const json_t *p = json_object_get(j, who);
    assert_int_equal(json_integer_value(json_object_get(p, "pid")), pid);
    assert_int_equal(json_integer_value(json_object_get(p, "start")), start);
}

static void test_processes(void **state)
{
    (void)state;
    uint64_t start = 0;
    assert_int_equal(moon_proc_start_time(getpid(), &start, NULL), 0);
    process("engine", getpid(), start, true);
    process("guard", getpid(), start, true);
    process("engine", getpid(), start + 1, false); /* the number is another process's now */
    process("engine", getpid(), 0, false);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    process("guard", child, start, false);
    put_text("");
    AUTO_JSON json_t *j = must_read();
    assert_false(is(j, "engine_alive"));
    assert_false(is(j, "guard_alive"));
    assert_null(json_object_get(j, "engine"));
}

static bool untold;
int __real_moon_proc_start_time(pid_t pid, uint64_t *ticks, struct moon_err *err);
int __wrap_moon_proc_start_time(pid_t pid, uint64_t *ticks, struct moon_err *err);
int __wrap_moon_proc_start_time(pid_t pid, uint64_t *ticks, struct moon_err *err)
{
    return untold ? moon_err_errno(err, EMFILE, "process-start", "process %d", (int)pid)
                  : __real_moon_proc_start_time(pid, ticks, err);
}

/* Not dead: its guests would be resumed in the middle of its run. */
static void test_untold_process(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *j = NULL;
    begin("p");
    untold = true;
    assert_int_equal(moon_journal_read(path, &j, &err), -1);
    untold = false;
    assert_null(j);
    assert_int_equal(err.code, MOON_IO);
    assert_non_null(strstr(err.message, ":4: whether this process lives"));
    AUTO_JSON json_t *after = must_read();
    assert_true(is(after, "engine_alive"));
}

static void test_files(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *j = NULL;
    assert_int_equal(moon_journal_read("/no/such/journal", &j, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(moon_journal_add("/no/such/journal", &err, "closed"), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    /* One that somebody has removed does not come again without its head: nobody could read it. */
    begin("p");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(moon_journal_add(path, &err, "closed"), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_int_equal(moon_journal_read(path, &j, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_null(j);
    begin("p");
}

static atomic_bool begun;

static void *begin_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        unlink(path);
        begin("p");
    }
    atomic_store(&begun, true);
    return NULL;
}

/* Other runs look at it meanwhile: one that does not name its engine yet would be taken for dead. */
static void test_begins_whole(void **state)
{
    (void)state;
    pthread_t thread;
    unlink(path);
    atomic_store(&begun, false);
    assert_int_equal(pthread_create(&thread, NULL, begin_often, NULL), 0);
    bool whole = true;
    while (!atomic_load(&begun)) {
        struct moon_err err = {0};
        AUTO_JSON json_t *j = NULL;
        int rc = moon_journal_read(path, &j, &err);
        whole = whole && (rc == 0 ? is(j, "engine_alive") && json_object_get(j, "deadline") != NULL
                                  : err.code == MOON_NOT_FOUND);
    }
    pthread_join(thread, NULL);
    assert_true(whole);
}

static void test_names_of_a_run(void **state)
{
    (void)state;
    char name[251];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    begin(name);
    AUTO_JSON json_t *j = must_read();
    assert_string_equal(text_of(j, "profile"), name);
    begin("a\nhold u x");
    AUTO_JSON json_t *odd = must_read();
    assert_string_equal(text_of(odd, "profile"), "a?hold?u?x");
    assert_string_equal(held(odd), "");
    begin(NULL);
    AUTO_JSON json_t *none = must_read();
    assert_string_equal(text_of(none, "profile"), "-");
    assert_string_equal(text_of(none, "config"), "c");
}

/* A record that does not fit is taken back whole, and the next one begins a line. */
static void test_no_space(void **state)
{
    (void)state;
    put_text("hold a x\n");
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = sizeof FIRST - 1 + 9 + 12;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct moon_err err = {0};
    int rc = moon_journal_add(path, &err, "hold b %s", "a long name of a guest");
    int after = moon_journal_add(path, NULL, "free a");
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, MOON_NO_SPACE);
    assert_int_equal(after, 0);
    AUTO_JSON json_t *j = must_read();
    assert_string_equal(held(j), "");
}

static void test_lists(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put(FIRST, sizeof FIRST - 1);
    AUTO_JSON json_t *domains =
        json_pack("[{s:s, s:s}, {s:s}]", "uuid", "u1", "name", "a\nfree u1", "uuid", "u2");
    AUTO_JSON json_t *uuids = json_pack("[s, s]", "u2", "u9");
    AUTO_JSON json_t *none = json_array();
    assert_int_equal(moon_journal_hold(path, domains, &err), 0);
    assert_int_equal(moon_journal_hold(path, none, &err), 0);
    AUTO_JSON json_t *j = must_read();
    assert_string_equal(held(j), "u1=a?free u1 u2=u2");
    assert_int_equal(moon_journal_free(path, uuids, &err), 0);
    AUTO_JSON json_t *k = must_read();
    assert_string_equal(held(k), "u1=a?free u1");
    static const char *const bad[] = {"[\"u5\", \"\"]", "[\"u5\", \"a b\"]", "[\"u5\", {}]",
                                      "[\"u5\", \"a\\nclosed\"]", "[\"u5\", 5]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_JSON json_t *list = json_loads(bad[i], 0, NULL);
        assert_non_null(list);
        assert_int_equal(moon_journal_hold(path, list, &err), -1);
        assert_int_equal(err.code, MOON_INVALID);
    }
    AUTO_JSON json_t *same = must_read(); /* all of a list or nothing */
    assert_string_equal(held(same), "u1=a?free u1");
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/moon-journal-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void test_freeze_record(void **state)
{
    (void)state;
    struct moon_err err = {0};
    put_text("");
    AUTO_JSON json_t *domains = json_pack("[{s:s, s:s, s:b}, {s:s, s:s}]", "uuid", "u1", "name",
                                          "a", "freeze", 1, "uuid", "u2", "name", "b");
    assert_int_equal(moon_journal_hold(path, domains, &err), 0);
    AUTO_JSON json_t *j = must_read();
    const json_t *list = json_object_get(j, "held");
    assert_string_equal(held(j), "u1=a u2=b");
    assert_true(json_is_true(json_object_get(json_array_get(list, 0), "freeze")));
    assert_null(json_object_get(json_array_get(list, 1), "freeze"));
    add("free u1");
    AUTO_JSON json_t *after = must_read();
    assert_string_equal(held(after), "u2=b");
}

/* What is read while memory runs out is the whole journal or an error that says why: a guest that is
 * missing, or that is held to be not frozen, would be left as it stands. */
static void test_no_memory(void **state)
{
    (void)state;
    put_text("run demo kvm backup\nuri test:///default\nengine 1 2\nguard 1 2\ndeadline 9\n"
             "hold u1 one\nfreeze u2 two\nhold u3 three\nfree u3\ndetached\n");
    json_t *whole = must_read();
    bool did = true;
    unsigned long failed = 0, n = 0;
    while (did && ++n < 500) {
        struct moon_err err = {0};
        json_t *j = NULL;
        refuse_json(n);
        int rc = moon_journal_read(path, &j, &err);
        did = allow_json();
        if (rc == 0 && !json_equal(j, whole))
            fail_msg("allocation %lu: a part of the journal passes for the whole", n);
        if (rc < 0) {
            assert_string_equal(err.message, "out of memory");
            failed++;
        }
        json_decref(j);
    }
    json_decref(whole);
    assert_false(did); /* to the end */
    assert_true(failed > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_round_trip),
        CASE(test_freeze_record),
        CASE(test_hold_and_free),
        CASE(test_torn_line),
        CASE(test_unknown_records),
        CASE(test_add_after_torn_line),
        CASE(test_names_with_line_ends),
        CASE(test_processes),
        CASE(test_untold_process),
        CASE(test_files),
        CASE(test_begins_whole),
        CASE(test_names_of_a_run),
        CASE(test_no_space),
        CASE(test_lists),
        CASE(test_no_memory),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
