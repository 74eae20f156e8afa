/* ontap_rest*.c: the real client against a server of this program's own. tests/data/rest holds the
 * exchanges: what each verb must send for what it is answered, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/zapi/server.h"
#include "no_memory.h"
#include "clock.h"
#include "loop.h"
#include "ontap_rest.h"
#include "ontap_verb.h"

#include <stdio.h>

#define LIMIT       20.0
#define MAX_ANSWERS 64

static struct moon_loop *loop;
static bool told;

static void on_op(struct moon_op *op, void *arg)
{
    (void)op, (void)arg;
    told = true;
}

static void run(struct moon_op *op)
{
    double give_up = moon_clock_mono() + LIMIT;
    told = false;
    if (moon_op_start(op, loop, on_op, NULL) < 0) {
        op->failed = true;
        return;
    }
    while (!told && moon_clock_mono() < give_up)
        moon_loop_once(loop, 0.01);
    assert_true(told);
}

/* --- exchanges --------------------------------------------------------------------------- */

struct exchange {
    char title[160], verb[64];
    json_t *args, *with;
    struct moon_buf answers[MAX_ANSWERS];
    char *wants[MAX_ANSWERS]; /* "METHOD /path body" */
    bool lost[MAX_ANSWERS];
    int nanswers, nwants;
    char outcome[4096];
};

static void exchange_free(struct exchange *x)
{
    json_decref(x->args);
    json_decref(x->with);
    for (int i = 0; i < MAX_ANSWERS; i++) {
        moon_buf_free(&x->answers[i]);
        free(x->wants[i]);
    }
    memset(x, 0, sizeof *x);
}

/* "201 Location=/api/x {json}", "lost" */
static void add_answer(struct exchange *x, const char *line)
{
    assert_true(x->nanswers < MAX_ANSWERS);
    struct moon_buf *b = &x->answers[x->nanswers];
    x->lost[x->nanswers] = strcmp(line, "lost") == 0;
    x->nanswers++;
    if (strcmp(line, "lost") == 0)
        return;
    int status = atoi(line);
    const char *rest = line + strcspn(line, " ");
    rest += strspn(rest, " ");
    moon_buf_addf(b, "HTTP/1.1 %d Said\r\nContent-Type: application/hal+json\r\n", status);
    if (strncmp(rest, "Location=", 9) == 0) {
        size_t n = strcspn(rest, " ");
        moon_buf_addf(b, "Location: %.*s\r\n", (int)(n - 9), rest + 9);
        rest += n + strspn(rest + n, " ");
    }
    moon_buf_addf(b, "Content-Length: %zu\r\n\r\n%s", strlen(rest), rest);
}

static void add_line(struct exchange *x, char *line)
{
    char *space = strchr(line, ' ');
    if (strncmp(line, "call ", 5) == 0) {
        char *args = strchr(line + 5, ' ');
        assert_non_null(args);
        *args++ = '\0';
        snprintf(x->verb, sizeof x->verb, "%s", line + 5);
        x->args = parse(args);
    } else if (strncmp(line, "with ", 5) == 0) {
        x->with = parse(line + 5);
    } else if (line[0] == '>' && space) {
        assert_true(x->nwants < MAX_ANSWERS);
        x->wants[x->nwants++] = strdup(space + 1);
    } else if (line[0] == '<' && space) {
        add_answer(x, space + 1);
    } else if (strchr("=!", line[0])) {
        snprintf(x->outcome, sizeof x->outcome, "%s", line);
    } else {
        snprintf(x->title, sizeof x->title, "%s", line);
    }
}

/* Lines up to an empty one; false at the end of the file. */
static bool next_exchange(FILE *f, struct exchange *x)
{
    static char line[16384];
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#')
            continue;
        if (line[0] != '\0')
            add_line(x, line);
        else if (x->verb[0])
            return true;
    }
    return x->verb[0] != '\0';
}

/* "METHOD /path body" of a request, below /api. */
static void line_of_request(int n, char *out, size_t size)
{
    const char *r = request(n);
    const char *path = strchr(r, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
    const char *body = strstr(r, "\r\n\r\n");
    assert_true(path && end && body);
    assert_memory_equal(path + 1, "/api", 4);
    snprintf(out, size, "%.*s %.*s%s%s", (int)(path - r), r, (int)(end - path - 5), path + 5,
             body[4] ? " " : "", body + 4);
    /* This name holds the time. */
    for (char *p = out; (p = strstr(p, "moonsnap_check_")); p++) {
        char *number = p + strlen("moonsnap_check_");
        memmove(number, number + strspn(number, "0123456789"),
                strlen(number + strspn(number, "0123456789")) + 1);
    }
}

static struct moon_ontap *client(const json_t *with)
{
    struct moon_err err = {0};
    json_t *options =
        json_pack("{s:s, s:s, s:i, s:b, s:s, s:s, s:s, s:i, s:i, s:s*}", "name", "filer1", "host",
                  "127.0.0.1", "port", srv.port, "https", 0, "user", "admin", "password", "geheim",
                  "api", "rest", "timeout", 60, "retries", 0, "svm",
                  json_string_value(json_object_get(with, "svm")));
    struct moon_ontap *o = moon_ontap_new(options, &err);
    json_decref(options);
    if (!o)
        fail_msg("%s", err.message);
    o->version = (int)json_integer_value(json_object_get(with, "version"));
    o->version_hidden = json_is_true(json_object_get(with, "hidden"));
    if (json_object_get(with, "uuids"))
        json_object_update(o->uuids, json_object_get(with, "uuids"));
    return o;
}

static struct answer served[MAX_ANSWERS];

static void serve_exchange(struct exchange *x)
{
    for (int i = 0; i < x->nanswers; i++) {
        const struct moon_buf *b = &x->answers[i];
        served[i] = (struct answer){x->lost[i] ? "" : b->data, b->len, x->lost[i] ? CLOSE : KEEP};
    }
    if (x->nanswers == 0) /* nothing may be asked */
        served[0] = (struct answer){"", 0, CLOSE};
    serve_start(served, x->nanswers ? (size_t)x->nanswers : 1);
}

static void describe_outcome(const struct moon_op *op, char *out, size_t size)
{
    if (op->failed) {
        assert_null(op->result);
        assert_null(strstr(op->err.message, "geheim"));
        snprintf(out, size, "! %s %d %s", moon_code_name(op->err.code), op->err.native,
                 op->err.message);
        return;
    }
    char *text = op->result
                     ? json_dumps(op->result, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY)
                     : strdup("true");
    snprintf(out, size, "= %s", text ? text : "?");
    free(text);
}

/* "= JSON" is the whole result; "! code number text" the error, with a part of its text. */
static bool as_wanted(const char *want, const char *got)
{
    if (want[0] == '=')
        return strcmp(want, got) == 0;
    const char *text = strchr(want + 2, ' ');
    text = text ? strchr(text + 1, ' ') : NULL;
    size_t head = text ? (size_t)(text - want) : strlen(want);
    return strncmp(want, got, head) == 0 && got[head] == ' ' && (!text || strstr(got, text + 1));
}

static int play(struct exchange *x)
{
    char got[8192], line[8192];
    int wrong = 0;
    serve_exchange(x);
    struct moon_err err = {0};
    struct moon_ontap *o = client(x->with);
    struct moon_op *op = moon_ontap_call_new(o, verb_named(x->verb), x->args, &err);
    assert_non_null(op);
    moon_ontap_unref(o);
    run(op);
    describe_outcome(op, got, sizeof got);
    int sent = count(&srv.nrequests);
    for (int i = 0; i < sent || i < x->nwants; i++) {
        line[0] = '\0';
        if (i < sent)
            line_of_request(i, line, sizeof line);
        if (i < sent && i < x->nwants && strcmp(line, x->wants[i]) == 0)
            continue;
        print_message("%s: request %d\n  want %s\n  sent %s\n", x->title, i,
                      i < x->nwants ? x->wants[i] : "(none)", line);
        wrong = 1;
    }
    if (!as_wanted(x->outcome, got)) {
        print_message("%s:\n  want %s\n  have %s\n", x->title, x->outcome, got);
        wrong = 1;
    }
    moon_op_unref(op);
    serve_stop();
    return wrong;
}

static bool played[MOON_ONTAP_VERB_COUNT];

static void play_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/data/rest/%s", name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s is missing", path);
    static struct exchange x;
    int wrong = 0, n = 0;
    while (next_exchange(f, &x)) {
        if (x.outcome[0] == '\0')
            fail_msg("%s: no outcome", x.title);
        wrong += play(&x);
        played[verb_named(x.verb)] = true;
        exchange_free(&x);
        n++;
    }
    fclose(f);
    print_message("%s: %d exchanges\n", name, n);
    assert_int_equal(wrong, 0);
    assert_true(n > 0);
}

static void test_system(void **state)
{
    (void)state;
    play_file("system");
}

static void test_snapshots(void **state)
{
    (void)state;
    play_file("snapshots");
}

static void test_wire(void **state)
{
    (void)state;
    play_file("wire");
}

static void test_restores(void **state)
{
    (void)state;
    play_file("restores");
}

static void test_luns(void **state)
{
    (void)state;
    play_file("luns");
}

static void test_groups(void **state)
{
    (void)state;
    play_file("groups");
}

static void test_clones(void **state)
{
    (void)state;
    play_file("clones");
}

static void test_mirrors(void **state)
{
    (void)state;
    play_file("mirrors");
}

/* Each allocation of a reply fails in turn: all of it, or an error. A row without `online` or a list without its last
 * row is none. */
static void test_no_memory(void **state)
{
    static const char *const files[] = {"luns", "snapshots", "mirrors", "system"};
    static struct exchange x;
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128], got[8192];
        snprintf(path, sizeof path, "tests/data/rest/%s", files[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        int lists = 0;
        while (lists < 3 && next_exchange(f, &x)) {
            unsigned long refused = 0;
            bool one = strncmp(x.outcome, "= [", 3) == 0 || strncmp(x.outcome, "= {", 3) == 0;
            lists += one;
            for (bool did = one; did;) {
                serve_exchange(&x);
                struct moon_err err = {0};
                struct moon_ontap *o = client(x.with);
                struct moon_op *op = moon_ontap_call_new(o, verb_named(x.verb), x.args, &err);
                assert_non_null(op);
                moon_ontap_unref(o);
                refuse_json(++refused);
                run(op);
                did = allow_json();
                describe_outcome(op, got, sizeof got);
                if (op->failed ? !did : !as_wanted(x.outcome, got))
                    fail_msg("%s: allocation %lu fails:\n  want %s\n  have %s", x.title, refused,
                             x.outcome, got);
                moon_op_unref(op);
                serve_stop();
            }
            exchange_free(&x);
        }
        fclose(f);
        exchange_free(&x);
        assert_int_equal(lists, 3);
    }
}

/* Every verb of REST has been played. */
static void test_all_verbs(void **state)
{
    (void)state;
    for (int v = 0; v < MOON_ONTAP_VERB_COUNT; v++) {
        if (v != MOON_ONTAP_CALL && !played[v])
            fail_msg("%s has no exchange", moon_ontap_verb_name((enum moon_ontap_verb)v));
    }
}

/* --- heads ------------------------------------------------------------------------------- */

static void test_headers(void **state)
{
    (void)state;
    static struct exchange x;
    add_line(&x, (char[]){"call svms {}"});
    add_line(&x, (char[]){"with {\"svm\":\"svm_kvm\"}"});
    add_line(&x, (char[]){"< 200 {\"records\":[]}"});
    add_line(&x, (char[]){"> GET /svm/svms?fields=name,uuid,state&max_records=1000"});
    add_line(&x, (char[]){"= []"});
    serve_exchange(&x);
    struct moon_ontap *o = client(x.with);
    struct moon_op *op = moon_ontap_call_new(o, MOON_ONTAP_SVMS, x.args, NULL);
    run(op);
    assert_false(op->failed);
    assert_non_null(strstr(request(0), "\r\nAccept: application/json\r\n"));
    assert_non_null(strstr(request(0), "\r\nAuthorization: Basic YWRtaW46Z2VoZWlt\r\n"));
    assert_non_null(strstr(request(0), "\r\nX-Dot-Client-App: moonsnap/" MOON_VERSION "\r\n"));
    assert_non_null(strstr(request(0), "\r\nX-Dot-SVM-Name: svm_kvm\r\n"));
    assert_null(strstr(request(0), "Content-Type"));
    moon_op_unref(op);
    op = moon_ontap_call_new(o, MOON_ONTAP_CLUSTER, x.args, NULL);
    run(op);
    assert_null(strstr(request(1), "X-Dot-SVM-Name"));
    moon_op_unref(op);
    moon_ontap_unref(o);
    serve_stop(); /* its thread still holds the answers */
    exchange_free(&x);
}

static int setup(void **state)
{
    (void)state;
    loop = moon_loop_new(NULL);
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    moon_loop_free(loop, LIMIT);
    loop = NULL;
    serve_stop();
    return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_system),    CASE(test_snapshots), CASE(test_wire),   CASE(test_restores),
        CASE(test_luns),      CASE(test_groups),    CASE(test_clones), CASE(test_mirrors),
        CASE(test_no_memory), CASE(test_all_verbs), CASE(test_headers)};
    return cmocka_run_group_tests_name("ontap_rest", tests, NULL, NULL);
}
