/* ontap_rest*.c: whatever a controller answers, no request leaves the client that could revert a whole
 * volume. Every verb is driven through thousands of sequences of answers without a network; each
 * request is judged here, byte by byte, without the client's own guard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ontap_rest.h"
#include "ontap_verb.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *verb, *args;
} samples[] = {
    {"identity", "{}"},
    {"cluster", "{}"},
    {"svms", "{}"},
    {"lifs", "{}"},
    {"volumes", "{}"},
    {"snapshot_create", "{'volume':'v','name':'s'}"},
    {"snapshots", "{'volume':'v'}"},
    {"snapshot_delete", "{'volume':'v','name':'s','force':true}"},
    {"snapshot_rename", "{'volume':'v','name':'s','to':'t'}"},
    {"snapshot_modify", "{'volume':'v','name':'s','comment':'c'}"},
    {"cg_start", "{'volumes':['v'],'name':'s'}"},
    {"cg_commit", "{'id':'{\\'group\\':\\'a1\\',\\'snapshot\\':\\'b2\\',\\'name\\':"
                  "\\'s\\',\\'volumes\\':[\\'v\\']}'}"},
    {"cg_groups", "{}"},
    {"file_restore", "{'volume':'v','snapshot':'s','path':'a/b.img'}"},
    {"file_restore", "{'volume':'v','snapshot':'s','path':'a','to':'c'}"},
    {"file_restore", "{'volume':'v','snapshot':'s','path':'x&restore_to.path='}"},
    {"file_restore", "{'volume':'v','snapshot':'s','path':''}"},
    {"file_restore", "{'volume':'v','snapshot':'s','path':'/'}"},
    {"file_restore", "{'volume':'v','snapshot':'s','path':'..'}"},
    {"file_restore", "{'volume':'v','snapshot':'s','path':'a','to':''}"},
    {"lun_restore", "{'path':'/vol/v/l','snapshot':'s'}"},
    {"restore_status", "{'volume':'v','path':'a','job':'c0ffee'}"},
    {"restore_status", "{'path':'/vol/v/l'}"},
    {"file_info", "{'path':'/vol/v/l'}"},
    {"luns", "{'serial':'a?b'}"},
    {"lun_maps", "{}"},
    {"igroups", "{}"},
    {"lun_map", "{'path':'/vol/v/l','igroup':'i'}"},
    {"lun_unmap", "{'path':'/vol/v/l','igroup':'i'}"},
    {"lun_online", "{'path':'/vol/v/l'}"},
    {"lun_offline", "{'path':'/vol/v/l'}"},
    {"lun_delete", "{'path':'/vol/v/l'}"},
    {"file_clone", "{'volume':'v','from':'a','to':'restore_to','snapshot':'s'}"},
    {"lun_clone", "{'path':'/vol/v/l','to':'/vol/v/m','snapshot':'s'}"},
    {"volume_clone", "{'volume':'v','to':'w','snapshot':'s'}"},
    {"volume_clone_split", "{'volume':'v'}"},
    {"volume_clones", "{}"},
    {"volume_delete", "{'volume':'v'}"},
    {"export_create", "{'volume':'v','name':'p','client':'h','access':'root'}"},
    {"export_delete", "{'name':'p'}"},
    {"volume_export", "{'volume':'v','policy':'p','junction':'/v'}"},
    {"mirrors", "{}"},
    {"mirror_update", "{'destination':'a:v'}"},
    {"mirror_transfer", "{'destination':'a:v','transfer':'c0ffee'}"},
    {"mirror_change", "{'destination':'a:v','action':'resync'}"},
    {"mirror_restore", "{'source':'b:w','destination':'a:v','snapshot':'s',"
                       "'files':[{'from':'/a','to':'b'}]}"},
    {"mirror_restore", "{'source':'b:w','destination':'a:v','snapshot':'s','files':[]}"},
    {"mirror_restore", "{'source':'b:w','destination':'a:v','snapshot':'s'}"},
    {"mirror_policies", "{}"},
    {"ems_log", "{'source':'s','message':'restore_to'}"},
    {"job", "{'id':'c0ffee'}"},
    {"request", "{'method':'PATCH','path':'/storage/volumes/1?Restore_To.snapshot.name=s'}"},
    {"request", "{'method':'PATCH','path':'/storage/volumes/1','body':{'restore_to.snapshot.name':"
                "'s'}}"},
    {"request", "{'method':'PATCH','path':'/storage/volumes','body':{'records':[{'uuid':'1',"
                "'restore_to':{}}]}}"},
    {"request", "{'method':'POST','path':'/private/cli/volume/sn%61pshot/restore'}"},
};

/* JSON with ' for ", and \\' for a " inside of a text. */
static json_t *sample(const char *text)
{
    char out[1024];
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        assert_true(n + 3 < sizeof out);
        if (*p == '\'')
            out[n++] = '"';
        else
            out[n++] = *p;
    }
    out[n] = '\0';
    return parse(out);
}

/* Everything that a lookup could hope for at once. */
#define RICH                                                                                       \
    "\"records\":["                                                                                \
    "{\"name\":\"v\",\"uuid\":\"a1\",\"svm\":{\"name\":\"x\"},\"state\":\"online\",\"nas\":{"      \
    "\"path\":\"/"                                                                                 \
    "v\"},\"clone\":{\"is_flexclone\":true},\"volumes\":[{\"name\":\"v\"}],\"size\":5},"           \
    "{\"name\":\"s\",\"uuid\":\"b2\"},"                                                            \
    "{\"name\":\"/vol/v/"                                                                          \
    "l\",\"uuid\":\"c3\",\"svm\":{\"name\":\"x\"},\"status\":{\"state\":\"online\"}},{\"name\":"   \
    "\"i\","                                                                                       \
    "\"uuid\":\"d4\"},"                                                                            \
    "{\"lun\":{\"name\":\"/vol/v/"                                                                 \
    "l\",\"uuid\":\"c3\"},\"igroup\":{\"name\":\"i\",\"uuid\":\"d4\"}},"                           \
    "{\"uuid\":\"e5\",\"destination\":{\"path\":\"a:v\"},\"source\":{\"path\":\"b:w\"},"           \
    "\"state\":\"broken_off\"}]"

static const struct {
    long status;
    const char *body;
} pool[] = {
    {200, "{" RICH "}"},
    {200, "{" RICH "}"},
    {200, "{" RICH "}"},
    {200, "{" RICH ",\"version\":{\"generation\":9,\"major\":10,\"minor\":1}}"},
    {200, "{\"version\":{\"generation\":9,\"major\":9,\"minor\":1}}"},
    {200, "{\"records\":[]}"},
    {200, "{\"state\":\"success\"}"},
    {200, "{\"state\":\"running\"}"},
    {200, "{\"state\":\"failure\",\"error\":{\"code\":\"918251\",\"message\":\"m\"}}"},
    {200, "{\"records\":[{\"description\":\"PATCH /api/storage/volumes/a1\"}]}"},
    {200, ""},
    {200, "{\"rec"},
    {202, "{\"job\":{\"uuid\":\"c0ffee\"}}"},
    {202, "{}"},
    {400, "{\"error\":{\"code\":\"918251\",\"message\":\"restore_to.path\"}}"},
    {400, "{\"error\":{\"code\":\"262197\",\"message\":\"m\"}}"},
    {400, "{\"error\":{\"code\":\"262179\",\"message\":\"m\"}}"},
    {400, "{\"error\":{\"code\":\"2\",\"message\":\"m\"}}"},
    {403, "{\"error\":{\"code\":\"6\",\"message\":\"m\"}}"},
    {404, "{\"error\":{\"code\":\"4\",\"message\":\"m\"}}"},
    {404, "nothing"},
    {405, "{\"error\":{\"code\":\"3\",\"message\":\"m\"}}"},
    {409, "{\"error\":{\"code\":\"13303844\",\"message\":\"m\"}}"},
    {500, "{\"error\":{\"code\":\"65541\",\"message\":\"m\"}}"},
    {500, ""},
    {503, ""},
    {0, NULL}, /* lost */
};

/* By itself, without the client's own guard: would this request revert a volume? */
static bool reverts(const struct moon_ontap_request *r)
{
    const char *body = r->body.data ? r->body.data : "";
    const char *cli = strcasestr(r->url, "/snapshot/restore");
    const char *path = strstr(r->url, "restore_to.path=");
    if (strcmp(r->method, "GET") == 0)
        return false;
    if (strcasestr(body, "\"restore_to\":") || strcasestr(body, "\"restore_to."))
        return true;
    if (cli && strncmp(cli, "/snapshot/restore-file", 22) != 0)
        return true;
    if (cli && !strstr(body, "\"path\":\"/"))
        return true;
    if (strstr(r->url, "ignore_unknown_fields"))
        return true;
    if (strstr(r->url, "/transfers") && strstr(r->url, "/relationships/e5/") &&
        strcmp(r->method, "POST") == 0 && strstr(body, "source_snapshot") &&
        !strstr(body, "\"files\":[{"))
        return true;
    if (!strcasestr(r->url, "restore_to"))
        return false;
    if (!path || !strchr("?&", path[-1]))
        return true;
    path += strlen("restore_to.path=");
    path += *path == '/';
    return *path == '\0' || *path == '&' || *path == '/' || *path == '.';
}

static uint32_t random_state = 2463534242u;

static uint32_t some(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

/* One request and one answer to it, or none. */
static int one_turn(struct moon_ontap_call *call, int *native_restores)
{
    struct moon_err err = {0};
    struct moon_ontap_request r = {.method = "POST"};
    int rc = moon_ontap_rest.request(call, &r, &err);
    bool reads = strcmp(r.method, "GET") == 0;
    if (rc == 0) {
        if (reverts(&r))
            fail_msg("%s %s %s", r.method, r.url, r.body.data ? r.body.data : "");
        *native_restores += strstr(r.url, "restore_to.path=") != NULL;
    }
    free(r.url);
    free(r.line);
    moon_buf_free(&r.body);
    if (rc < 0)
        return -1;
    /* Lookups find something most of the time, or no call would come far. */
    size_t i = some(reads && some(10) < 7 ? 4 : (uint32_t)(sizeof pool / sizeof *pool));
    if (!pool[i].body) {
        struct moon_err why = {.code = MOON_UNREACHABLE, .source = MOON_SRC_HTTP};
        return moon_ontap_rest.lost(call, &why, &err);
    }
    struct moon_http_reply reply = {.status = pool[i].status};
    moon_buf_adds(&reply.body, pool[i].body);
    rc = moon_ontap_rest.reply(call, &reply, &err);
    moon_buf_free(&reply.body);
    return rc;
}

static void test_no_revert(void **state)
{
    (void)state;
    static const int versions[] = {0, 90901, 91001, 91101, 91401};
    int restores = 0, ended = 0;
    json_t *options = parse("{\"host\":\"h\",\"api\":\"rest\",\"svm\":\"x\"}");
    for (int round = 0; round < 400; round++) {
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
            struct moon_ontap *o = moon_ontap_new(options, NULL);
            json_t *args = sample(samples[i].args);
            o->version = versions[some(5)];
            struct moon_op *op = moon_ontap_call_new(o, verb_named(samples[i].verb), args, NULL);
            struct moon_ontap_call *call = (struct moon_ontap_call *)op;
            call->ops = &moon_ontap_rest;
            int rc = 1;
            for (int turn = 0; turn < 30 && rc > 0; turn++)
                rc = one_turn(call, &restores);
            ended += rc <= 0;
            json_decref(args);
            moon_op_unref(op);
            moon_ontap_unref(o);
        }
    }
    json_decref(options);
    print_message("%d calls ended, %d restores of a file were sent\n", ended, restores);
    assert_true(restores > 100);
}

/* The guard by itself. */
static void test_guard(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body;
        bool one_file, reverts;
    } cases[] = {
        {"PATCH", "/storage/volumes/1?restore_to.snapshot.name=s", "{}", false, true},
        {"PATCH", "/storage/volumes/1?restore_to.snapshot.name=s", "{}", true, true},
        {"PATCH", "/storage/volumes/1?restore_to.path=&restore_to.snapshot.name=s", "{}", true,
         true},
        {"PATCH", "/storage/volumes/1?restore_to.path=a&restore_to.snapshot.name=s", "{}", false,
         true},
        {"PATCH", "/storage/volumes/1?restore_to.path=a&restore_to.snapshot.name=s", "{}", true,
         false},
        {"PATCH", "/storage/volumes/1?x=restore_to.path%3Da&restore_to.snapshot.name=s", "{}", true,
         true},
        {"PATCH", "/storage/volumes/1?RESTORE%5Fto.snapshot.name=s", NULL, false, true},
        {"PATCH", "/storage/volumes/1", "{\"restore_to\":{\"path\":\"a\"}}", true, true},
        {"PATCH", "/storage/volumes", "{\"records\":[{\"restore_to.snapshot.name\":\"s\"}]}", false,
         true},
        {"PATCH", "/application/consistency-groups/1", "{\"restore_to\":{}}", false, true},
        {"POST", "/private/cli/volume/snapshot/restore", "{}", false, true},
        {"POST", "/private/cli/volume/snapshot/restore/", "{}", false, true},
        {"POST", "/private/cli/volume/snapshot/restore-file", "{}", false, false},
        {"POST", "/private/cli/volume/snapshot/partial-restore-file", "{}", false, false},
        {"PATCH", "/storage/volumes/1?return_timeout=0", "{\"nas\":{\"path\":\"restore_to\"}}",
         false, false},
        {"GET", "/storage/volumes?restore_to.path=x", NULL, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rest_ask ask = {.method = cases[i].method, .one_file = cases[i].one_file};
        assert_int_equal(moon_buf_adds(&ask.path, cases[i].path), 0);
        ask.body = cases[i].body ? parse(cases[i].body) : NULL;
        if (rest_reverts(&ask) != cases[i].reverts)
            fail_msg("%s %s", cases[i].method, cases[i].path);
        json_decref(ask.body);
        moon_buf_free(&ask.path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_revert),
                                       cmocka_unit_test(test_guard)};
    return cmocka_run_group_tests_name("ontap_revert", tests, NULL, NULL);
}
