/* The verbs over ONTAPI: what each sends, and what it makes of the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/zapi/client.h"

#include <stdlib.h>
#include <string.h>

/* --- what is sent ------------------------------------------------------------------------ */

static enum moon_ontap_verb verb_of(const char *name)
{
    int v = 0;
    while (v < MOON_ONTAP_VERB_COUNT &&
           strcmp(moon_ontap_verb_name((enum moon_ontap_verb)v), name) != 0)
        v++;
    if (v == MOON_ONTAP_VERB_COUNT)
        fail_msg("%s: no such verb", name);
    return (enum moon_ontap_verb)v;
}

/* "VERB ARGS" taken apart; the arguments are a new reference. */
static enum moon_ontap_verb parse_call(char *line, json_t **args)
{
    char *text = line + strcspn(line, " ");
    if (*text)
        *text++ = '\0';
    *args = parse(text);
    return verb_of(line);
}

/* Pairs of lines: verb and arguments, and the first call that is sent for them. */
static void test_requests(void **state)
{
    (void)state;
    reply(PASSED);
    AUTO_FCLOSE FILE *f = open_data("requests");
    bool verbs[MOON_ONTAP_VERB_COUNT] = {false};
    char line[2048], want[2048];
    while (line_of(f, line, sizeof line)) {
        assert_true(line_of(f, want, sizeof want));
        char *version = strstr(want, "@VERSION@");
        if (version) {
            char tail[1024];
            snprintf(tail, sizeof tail, MOON_VERSION "%s", version + 9);
            memcpy(version, tail, strlen(tail) + 1);
        }
        json_t *args = NULL;
        enum moon_ontap_verb verb = parse_call(line, &args);
        int n = srv.fd < 0 ? 0 : count(&srv.nrequests);
        struct moon_op *op = called(verb, args);
        if (count(&srv.nrequests) == n)
            fail_msg("%s: nothing was sent: %s", line, op->err.message);
        moon_op_unref(op);
        sent(n, want);
        verbs[verb] = true;
    }
    for (int v = 0; v < MOON_ONTAP_VERB_COUNT; v++) {
        bool elsewhere = v == MOON_ONTAP_CG_GROUPS || v == MOON_ONTAP_REQUEST; /* REST only */
        if (verbs[v] == elsewhere)
            fail_msg("%s", moon_ontap_verb_name((enum moon_ontap_verb)v));
    }
}

/* What only REST has, says so and what to do instead. */
static void test_not_over_ontapi(void **state)
{
    (void)state;
    reply(PASSED);
    struct moon_err err = bad(MOON_ONTAP_CG_GROUPS, NULL);
    assert_int_equal(err.code, MOON_UNSUPPORTED);
    assert_non_null(strstr(err.message, "group snapshots of any volumes"));
    err = bad(MOON_ONTAP_REQUEST, json_pack("{s:s, s:s}", "method", "GET", "path", "/cluster"));
    assert_int_equal(err.code, MOON_UNSUPPORTED);
    assert_non_null(strstr(err.message, "ONTAP_API"));
    assert_int_equal(count(&srv.nrequests), 0);
}

/* --- calls of several requests ------------------------------------------------------------- */

struct exchange {
    char title[200], verb[64], outcome[2048];
    json_t *args;
    char *wants[MAX_REPLIES];
    int nwants;
};

static void forget(struct exchange *x)
{
    for (int i = 0; i < x->nwants; i++)
        free(x->wants[i]);
    json_decref(x->args);
    memset(x, 0, sizeof *x);
}

/* "lost", "cut XML", "503 2" (Retry-After) or the results. */
static void add_answer(const char *text)
{
    if (strcmp(text, "lost") == 0) {
        assert_true(nreplies < MAX_REPLIES);
        replies[nreplies++] = (struct answer){"HTTP/1.1 ", 9, CLOSE};
    } else if (strncmp(text, "cut ", 4) == 0) {
        reply_text(text + 4);
    } else {
        reply(text);
    }
}

/* A want that ends in "..." is compared up to there. */
static void check_sent(const struct exchange *x, int n)
{
    AUTO_BUF struct moon_buf b = {0};
    moon_buf_addf(&b, ENVELOPE ">%s", x->wants[n]);
    size_t len = b.len;
    bool open = len > 3 && strcmp(b.data + len - 3, "...") == 0;
    if (open)
        b.data[len -= 3] = '\0';
    else
        moon_buf_adds(&b, "</netapp>");
    if (open ? strncmp(body_of(n), b.data, len) != 0 : strcmp(body_of(n), b.data) != 0)
        fail_msg("%s: request %d:\n%s\nwanted:\n%s", x->title, n, body_of(n), b.data);
}

/* "code text": how it failed, and what its message holds; "true"; or JSON. */
static void check_outcome(const struct exchange *x, const struct moon_op *op)
{
    AUTO_BUF struct moon_buf got = {0};
    if (op->failed) {
        const char *code = moon_code_name(op->err.code);
        size_t len = strlen(code);
        if (strncmp(x->outcome, code, len) != 0 ||
            !strstr(op->err.message, x->outcome + len + (x->outcome[len] == ' ')))
            fail_msg("%s:\n%s %s\nwanted:\n%s", x->title, code, op->err.message, x->outcome);
        return;
    }
    AUTO_FREE char *text =
        op->result ? json_dumps(op->result, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    if (strcmp(text ? text : "true", x->outcome) != 0)
        fail_msg("%s:\n%s\nwanted:\n%s", x->title, text ? text : "true", x->outcome);
}

static void run_exchange(struct exchange *x, void **state)
{
    struct moon_op *op = called(verb_of(x->verb), MOON_STEAL(x->args));
    check_outcome(x, op);
    moon_op_unref(op);
    if (count(&srv.nrequests) != x->nwants)
        fail_msg("%s: %d requests instead of %d, the last one:\n%s", x->title,
                 count(&srv.nrequests), x->nwants, body_of(count(&srv.nrequests) - 1));
    for (int i = 0; i < x->nwants; i++)
        check_sent(x, i);
    forget(x);
    assert_int_equal(teardown(state), 0);
    assert_int_equal(setup(state), 0);
}

/* tests/data/zapi/exchanges: "# title", "VERB ARGS", then "> call" and "< answer" in turn, "= outcome". */
static void test_exchanges(void **state)
{
    AUTO_FCLOSE FILE *f = open_data("exchanges");
    struct exchange x = {0};
    char line[4096];
    int ran = 0;
    while (line_of(f, line, sizeof line)) {
        if (line[0] == '#') {
            snprintf(x.title, sizeof x.title, "%.190s", line + 2);
        } else if (line[0] == '>') {
            assert_true(x.nwants < MAX_REPLIES);
            x.wants[x.nwants++] = strdup(line + 2);
        } else if (line[0] == '<') {
            add_answer(line + 2);
        } else if (line[0] == '=') {
            snprintf(x.outcome, sizeof x.outcome, "%.2040s", line + 2);
            run_exchange(&x, state);
            ran++;
        } else if (line[0]) {
            parse_call(line, &x.args);
            snprintf(x.verb, sizeof x.verb, "%.60s", line);
        }
    }
    assert_true(ran > 40);
}

static json_t *restore(const char *path)
{
    return json_pack("{s:s, s:s, s:s}", "volume", "v", "snapshot", "s", "path", path);
}

/* Only paths below the volume may be overwritten. */
static void test_restore_paths(void **state)
{
    (void)state;
    static const char *const outside[] = {"",     "/",   "/vol/v/a", "../a",  "a/../../w/x",
                                          "a/..", "../", "..",       "a/../b"};
    static const char *const inside[] = {"a", "a..b/c", "..a", "a../b", ".a/b", "a b/\xc3\xa4.img"};
    reply(PASSED);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        struct moon_op *op = called(MOON_ONTAP_FILE_RESTORE, restore(inside[i]));
        if (op->failed)
            print_message("refused: '%s': %s\n", inside[i], op->err.message);
        assert_false(op->failed);
        moon_op_unref(op);
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct moon_op *op = called(MOON_ONTAP_FILE_RESTORE, restore(outside[i]));
        if (!op->failed)
            print_message("sent: '%s'\n", outside[i]);
        assert_true(op->failed);
        assert_int_equal(op->err.code, MOON_INVALID);
        moon_op_unref(op);
    }
}

/* --- what comes back --------------------------------------------------------------------- */

static void test_identity(void **state)
{
    (void)state;
    static const char *const versions[][2] = {
        {"NetApp Release 9.14.1P3: Thu Mar 14 02:00:00 UTC 2024", "9.14.1"},
        {"NetApp Release 8.3.2: x", "8.3.2"},
        {"Release R9.10.1X: x", "9.10.1"},
        {"NetApp Release 9.5P3: x", "9.5.0"},
        {"none", ""}};
    reply_file("system-get-version.xml");
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "<results status='passed'><version>%s</version><is-clustered>false</is-clustered>"
                 "</results>",
                 versions[i][0]);
        reply(text);
    }
    AUTO_JSON json_t *first = good(MOON_ONTAP_IDENTITY, NULL);
    equals(first,
           "{\"clustered\":true,\"reason\":\"ONTAP_API=zapi\",\"release\":\"NetApp Release "
           "9.9.1P5: Wed Jan 12 11:04:00 UTC 2022\",\"transport\":\"zapi\",\"version\":\"9.9.1\"}");
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        AUTO_JSON json_t *j = good(MOON_ONTAP_IDENTITY, NULL);
        assert_string_equal(json_string_value(json_object_get(j, "version")), versions[i][1]);
        assert_true(json_is_false(json_object_get(j, "clustered")));
    }
}

/* Each reply beside what it becomes. */
static void test_lists(void **state)
{
    (void)state;
    static const struct {
        enum moon_ontap_verb verb;
        const char *call;
    } lists[] = {{MOON_ONTAP_SVMS, "vserver-get-iter"},
                 {MOON_ONTAP_LIFS, "net-interface-get-iter"},
                 {MOON_ONTAP_VOLUMES, "volume-get-iter"},
                 {MOON_ONTAP_SNAPSHOTS, "snapshot-get-iter"},
                 {MOON_ONTAP_LUNS, "lun-get-iter"},
                 {MOON_ONTAP_LUN_MAPS, "lun-map-get-iter"},
                 {MOON_ONTAP_IGROUPS, "igroup-get-iter"},
                 {MOON_ONTAP_MIRRORS, "snapmirror-get-iter"},
                 {MOON_ONTAP_MIRROR_POLICIES, "snapmirror-policy-get-iter"}};
    static const size_t n = sizeof lists / sizeof *lists;
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.xml", lists[i].call);
        reply_file(name);
    }
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.json", lists[i].call);
        AUTO_FCLOSE FILE *f = open_data(name);
        AUTO_JSON json_t *want = json_loadf(f, 0, NULL);
        AUTO_FREE char *text = json_dumps(want, JSON_SORT_KEYS | JSON_COMPACT);
        AUTO_JSON json_t *got = good(lists[i].verb, lists[i].verb == MOON_ONTAP_SNAPSHOTS
                                                        ? json_pack("{s:s}", "volume", "vm_san01")
                                                        : NULL);
        equals(got, text);
    }
}

static void test_objects(void **state)
{
    (void)state;
    reply("<results status='passed'><sfsr-in-progress>2</sfsr-in-progress>"
          "<max-sfsr-limit>10</max-sfsr-limit></results>");
    reply("<results status='passed'><file-info><file-size>10737418240</file-size><file-type>file"
          "</file-type><modified-timestamp>1773453601</modified-timestamp></file-info></results>");
    reply("<results status='passed'><sfsr-in-progress>many</sfsr-in-progress></results>");
    AUTO_JSON json_t *a = good(MOON_ONTAP_RESTORE_STATUS, NULL);
    equals(a, "{\"limit\":10,\"running\":2}");
    AUTO_JSON json_t *b = good(MOON_ONTAP_FILE_INFO, json_pack("{s:s}", "path", "/vol/v/a"));
    equals(b, "{\"modified\":1773453601,\"size\":10737418240,\"type\":\"file\"}");
    assert_int_equal(bad(MOON_ONTAP_RESTORE_STATUS, NULL).code, MOON_PROTOCOL);
}

static void test_plain_success(void **state)
{
    (void)state;
    reply(PASSED);
    reply("<results status='passed'><result-status>succeeded</result-status></results>");
    for (int i = 0; i < 2; i++)
        assert_null(
            good(MOON_ONTAP_SNAPSHOT_CREATE, json_pack("{s:s, s:s}", "volume", "v", "name", "s")));
}

static void test_raw_call(void **state)
{
    (void)state;
    reply("<results status='passed'><attributes><job-info><job-id>4711</job-id><job-state>running"
          "</job-state></job-info></attributes></results>");
    AUTO_JSON json_t *j = good(MOON_ONTAP_CALL, json_pack("{s:s}", "name", "job-get"));
    assert_string_equal(json_string_value(json_object_get(j, "name")), "results");
    const json_t *info = json_array_get(
        json_object_get(json_array_get(json_object_get(j, "children"), 0), "children"), 0);
    const json_t *state_el = json_array_get(json_object_get(info, "children"), 1);
    assert_string_equal(json_string_value(json_object_get(state_el, "name")), "job-state");
    assert_string_equal(json_string_value(json_object_get(state_el, "text")), "running");
}

/* --- what counts as a change ------------------------------------------------------------- */

static void test_verbs(void **state)
{
    (void)state;
    static const char *const reading[] = {
        "identity",        "cluster",   "svms",           "lifs",      "volumes",
        "snapshots",       "cg_groups", "restore_status", "file_info", "luns",
        "lun_maps",        "igroups",   "volume_clones",  "mirrors",   "mirror_transfer",
        "mirror_policies", "job"};
    AUTO_JSON json_t *none = json_object();
    for (int v = 0; v < MOON_ONTAP_VERB_COUNT; v++) {
        const char *name = moon_ontap_verb_name((enum moon_ontap_verb)v);
        assert_non_null(name);
        assert_non_null(moon_ontap_verb_signature((enum moon_ontap_verb)v));
        bool listed = false;
        for (size_t i = 0; i < sizeof reading / sizeof *reading; i++)
            listed = listed || strcmp(name, reading[i]) == 0;
        if (moon_ontap_verb_changes((enum moon_ontap_verb)v, none) == listed)
            fail_msg("%s", name);
    }
}

/* A raw call that changes something must never pass for one that reads. */
static void test_raw_classes(void **state)
{
    (void)state;
    AUTO_FCLOSE FILE *f = open_data("raw-calls");
    char line[128];
    while (line_of(f, line, sizeof line)) {
        AUTO_JSON json_t *args = json_pack("{s:s}", "name", strchr(line, ' ') + 1);
        bool changes = moon_ontap_verb_changes(MOON_ONTAP_CALL, args);
        if (changes != (line[0] == 'c'))
            fail_msg("'%s' is not told right", line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_requests),      CASE(test_not_over_ontapi), CASE(test_exchanges),
        CASE(test_restore_paths), CASE(test_identity),        CASE(test_lists),
        CASE(test_objects),       CASE(test_plain_success),   CASE(test_raw_call),
        CASE(test_verbs),         CASE(test_raw_classes)};
    return cmocka_run_group_tests_name("ontap verbs", tests, NULL, NULL);
}
