/* virt*.c on libvirt's test driver. Connections to test:///default share one host; each connection
 * to test:///FILE has a host of its own, so nothing that is changed there shows through the other
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auto.h"
#include "virt.h"
#include "xml.h"

#include <stdlib.h>
#include <string.h>

static char file_uri[128], file_path[96];

static const char node[] =
    "<node><domain type='test'><name>web</name>"
    "<uuid>11111111-2222-3333-4444-555555555555</uuid><memory>8192</memory><os><type>hvm</type>"
    "</os><devices><disk type='file' device='disk'><source file='/images/web.img'/>"
    "<target dev='vda'/></disk></devices></domain>"
    "<domain type='test'><name>app</name><uuid>66666666-2222-3333-4444-555555555555</uuid>"
    "<memory>8192</memory><os><type>hvm</type></os></domain></node>";

static struct moon_virt *virt;

static int setup(void **state)
{
    (void)state;
    snprintf(file_path, sizeof file_path, "/tmp/moon-virt-XXXXXX");
    int fd = mkstemp(file_path);
    if (fd < 0 || write(fd, node, sizeof node - 1) != (ssize_t)(sizeof node - 1))
        return -1;
    close(fd);
    snprintf(file_uri, sizeof file_uri, "test://%s", file_path);
    struct moon_err err = {0};
    int rc = moon_virt_open("test:///default", &virt, &err);
    if (rc < 0)
        print_error("%s\n", err.message);
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    moon_virt_unref(virt);
    unlink(file_path);
    return 0;
}

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "(none)";
}

static struct moon_domain *domain(struct moon_virt *v, const char *name)
{
    struct moon_err err = {0};
    json_t *row = NULL;
    if (moon_virt_lookup(v, name, &row, &err) < 0)
        fail_msg("%s", err.message);
    struct moon_domain *d = moon_domain_new(v, text(row, "uuid"), text(row, "name"));
    json_decref(row);
    assert_non_null(d);
    return d;
}

static void unref(struct moon_domain **d)
{
    moon_domain_unref(*d);
}
#define AUTO_DOM MOON_AUTO(unref)

/* "paused user" */
static const char *state_of(struct moon_domain *d)
{
    static char out[64];
    struct moon_err err = {0};
    AUTO_JSON json_t *j = NULL;
    if (moon_domain_state(d, &j, &err) < 0)
        fail_msg("%s", err.message);
    snprintf(out, sizeof out, "%s %s", text(j, "state"), text(j, "reason"));
    return out;
}

static void ok(int rc, const struct moon_err *err)
{
    if (rc != 0)
        fail_msg("%s", err->message);
}

static void test_info(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_JSON json_t *j = NULL;
    ok(moon_virt_info(virt, &j, &err), &err);
    unsigned a = 0, b = 0, c = 0;
    assert_int_equal(sscanf(text(j, "libvirt"), "%u.%u.%u", &a, &b, &c), 3);
    assert_true(a >= 1 && b < 1000 && c < 1000);
    assert_string_equal(text(j, "daemon"), text(j, "libvirt"));
    assert_string_equal(text(j, "hypervisor"), "TEST");
    assert_true(strlen(text(j, "host")) > 0);
    assert_string_equal(moon_virt_uri(virt), "test:///default");
}

static void test_list(void **state)
{
    (void)state;
    struct moon_err err = {0};
    struct moon_virt *v = NULL;
    ok(moon_virt_open(file_uri, &v, &err), &err);
    AUTO_JSON json_t *list = NULL;
    ok(moon_virt_domains(v, &list, &err), &err);
    assert_int_equal(json_array_size(list), 2);
    const json_t *app = json_array_get(list, 0), *web = json_array_get(list, 1); /* by name */
    assert_string_equal(text(app, "name"), "app");
    assert_string_equal(text(web, "name"), "web");
    assert_string_equal(text(web, "uuid"), "11111111-2222-3333-4444-555555555555");
    assert_string_equal(text(web, "state"), "running");
    assert_string_equal(text(web, "reason"), "other");
    assert_true(json_is_true(json_object_get(web, "persistent")));
    assert_true(json_is_false(json_object_get(web, "autostart")));
    moon_virt_unref(v);
}

static void test_lookup(void **state)
{
    (void)state;
    struct moon_err err = {0};
    struct moon_virt *v = NULL;
    ok(moon_virt_open(file_uri, &v, &err), &err);
    AUTO_JSON json_t *by_name = NULL;
    ok(moon_virt_lookup(v, "web", &by_name, &err), &err);
    AUTO_JSON json_t *by_uuid = NULL;
    ok(moon_virt_lookup(v, "11111111-2222-3333-4444-555555555555", &by_uuid, &err), &err);
    assert_true(json_equal(by_name, by_uuid));
    assert_string_equal(text(by_name, "name"), "web");
    static const char *const missing[] = {"nobody", "", "WEB",
                                          "99999999-2222-3333-4444-555555555555"};
    for (size_t i = 0; i < 4; i++) {
        json_t *none = NULL;
        err = (struct moon_err){0};
        assert_int_equal(moon_virt_lookup(v, missing[i], &none, &err), -1);
        assert_null(none);
        if (err.code != MOON_NOT_FOUND)
            fail_msg("'%s': %s: %s", missing[i], moon_code_name(err.code), err.message);
        assert_int_equal(err.source, MOON_SRC_LIBVIRT);
        assert_true(err.native != 0);
        assert_non_null(strstr(err.message, file_uri));
    }
    moon_virt_unref(v);
}

static void test_suspend_and_resume(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_DOM struct moon_domain *d = domain(virt, "test");
    assert_string_equal(moon_domain_name(d), "test");
    assert_int_equal(strlen(moon_domain_uuid(d)), 36);
    assert_string_equal(state_of(d), "running other");
    bool persistent = false;
    ok(moon_domain_persistent(d, &persistent, &err), &err);
    assert_true(persistent);
    ok(moon_domain_suspend(d, &err), &err);
    assert_string_equal(state_of(d), "paused user");
    assert_int_equal(moon_domain_pending(d), 0);
    ok(moon_domain_resume(d, &err), &err);
    assert_string_equal(state_of(d), "running other");
    ok(moon_domain_resume(d, &err), &err); /* it runs: that is all that was asked for */
    assert_string_equal(state_of(d), "running other");
}

static void test_paused(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_JSON json_t *before = NULL, *paused = NULL, *after = NULL;
    AUTO_DOM struct moon_domain *d = domain(virt, "test");
    ok(moon_virt_paused(virt, &before, &err), &err);
    assert_int_equal(json_array_size(before), 0);
    ok(moon_domain_suspend(d, &err), &err);
    ok(moon_virt_paused(virt, &paused, &err), &err);
    assert_int_equal(json_array_size(paused), 1);
    assert_string_equal(json_string_value(json_array_get(paused, 0)), moon_domain_uuid(d));
    ok(moon_domain_resume(d, &err), &err);
    ok(moon_virt_paused(virt, &after, &err), &err);
    assert_int_equal(json_array_size(after), 0);
}

static void test_destroy_and_start(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_DOM struct moon_domain *d = domain(virt, "test");
    ok(moon_domain_destroy(d, &err), &err);
    assert_string_equal(state_of(d), "shutoff other");
    assert_int_equal(moon_domain_destroy(d, &err), -1);
    assert_int_equal(err.code, MOON_CONFLICT);
    assert_string_equal(err.op, "destroy");
    assert_non_null(strstr(err.message, "domain 'test': destroy: "));
    assert_int_equal(moon_domain_suspend(d, &err), -1);
    assert_int_equal(moon_domain_pending(d), 0);
    assert_int_equal(moon_domain_resume(d, &err), -1);      /* off is not running */
    assert_int_equal(moon_domain_start(d, true, &err), -1); /* this driver cannot */
    assert_int_equal(err.code, MOON_INVALID);
    ok(moon_domain_start(d, false, &err), &err);
    ok(moon_domain_shutdown(d, &err), &err);
    assert_string_equal(state_of(d), "shutoff other");
    ok(moon_domain_start(d, false, &err), &err);
    assert_string_equal(state_of(d), "running other");
    assert_int_equal(moon_domain_start(d, false, &err), -1);
}

/* Handles that were learnt before are good for a domain that was stopped and started since. */
static void test_warm(void **state)
{
    (void)state;
    struct moon_err err = {0};
    ok(moon_virt_warm(virt, 3, &err), &err);
    ok(moon_virt_warm(virt, 1000, &err), &err); /* as many as are kept */
    AUTO_DOM struct moon_domain *d = domain(virt, "test");
    ok(moon_domain_destroy(d, &err), &err);
    ok(moon_domain_start(d, false, &err), &err);
    for (int i = 0; i < 3; i++) {
        ok(moon_domain_suspend(d, &err), &err);
        assert_string_equal(state_of(d), "paused user");
        ok(moon_domain_resume(d, &err), &err);
    }
    AUTO_DOM struct moon_domain *ghost =
        moon_domain_new(virt, "99999999-2222-3333-4444-555555555555", "ghost");
    assert_int_equal(moon_domain_suspend(ghost, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    ok(moon_virt_warm(virt, 0, &err), &err);
}

static void test_freeze_and_thaw(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_DOM struct moon_domain *d = domain(virt, "test");
    int frozen = -1, thawed = -1;
    ok(moon_domain_freeze(d, 5, &frozen, &err), &err);
    assert_true(frozen > 0);
    assert_int_equal(moon_domain_pending(d), 0);
    ok(moon_domain_thaw(d, &thawed, &err), &err);
    assert_int_equal(thawed, frozen);
    ok(moon_domain_destroy(d, &err), &err);
    assert_int_equal(moon_domain_freeze(d, 5, &frozen, &err), -1);
    assert_int_equal(err.code, MOON_CONFLICT);
    assert_int_equal(moon_domain_pending(d), 0);
    ok(moon_domain_start(d, false, &err), &err);
}

static void test_define_and_undefine(void **state)
{
    (void)state;
    struct moon_err err = {0};
    static const char xml[] = "<domain type='test'><name>new</name><memory>1024</memory><os><type>"
                              "hvm</type></os></domain>";
    AUTO_JSON json_t *row = NULL;
    ok(moon_virt_define(virt, xml, &row, &err), &err);
    assert_string_equal(text(row, "name"), "new");
    assert_string_equal(text(row, "state"), "shutoff");
    AUTO_DOM struct moon_domain *d = domain(virt, "new");
    ok(moon_domain_undefine(d, &err), &err);
    AUTO_JSON json_t *none = NULL;
    assert_int_equal(moon_domain_state(d, &none, &err), -1); /* the handle outlives its domain */
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_non_null(strstr(err.message, "domain 'new': state: "));
    static const char *const broken[] = {
        "", "<domain", "<domain type='test'><name>x</name></domain>", "<network/>"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(moon_virt_define(virt, broken[i], &none, &err), -1);
        if (err.code != MOON_INVALID)
            fail_msg("'%s': %s: %s", broken[i], moon_code_name(err.code), err.message);
        assert_null(strchr(err.message, '\n'));
    }
}

static void test_xml(void **state)
{
    (void)state;
    struct moon_err err = {0};
    struct moon_virt *v = NULL;
    ok(moon_virt_open(file_uri, &v, &err), &err);
    AUTO_DOM struct moon_domain *d = domain(v, "web");
    for (int inactive = 0; inactive < 2; inactive++) {
        AUTO_FREE char *xml = NULL;
        ok(moon_domain_xml(d, inactive, &xml, &err), &err);
        assert_non_null(strstr(xml, "<source file='/images/web.img'/>"));
        /* Only a running domain has an id. */
        assert_true((strstr(xml, " id='") != NULL) == !inactive);
    }
    moon_virt_unref(v);
}

static void test_storage_volume(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *out = NULL;
    assert_int_equal(moon_virt_volume(virt, "no-pool", "v", &out, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_non_null(strstr(err.message, "storage pool 'no-pool'"));
    assert_int_equal(moon_virt_volume(virt, "default-pool", "no-volume", &out, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_non_null(strstr(err.message, "storage volume 'no-volume'"));
    assert_null(out);
}

static void test_no_agent(void **state)
{
    (void)state;
    struct moon_err err = {0};
    AUTO_DOM struct moon_domain *d = domain(virt, "test");
    char *reply = NULL;
    assert_int_equal(moon_domain_agent(d, "{\"execute\":\"guest-ping\"}", 1, &reply, &err), -1);
    assert_int_equal(err.code, MOON_UNSUPPORTED);
    assert_null(reply);
    assert_string_equal(err.op, "agent");
}

/* What freezes is found in each form that libvirt or an agent may read; what only asks is sent. */
static void test_agent_freezes_nothing(void **state)
{
    (void)state;
    AUTO_DOM struct moon_domain *d = domain(virt, "test");
    const struct {
        const char *command, *says;
    } refused[] = {
        {"{\"execute\":\"guest-fsfreeze-freeze\"}", "call dom:freeze(), and dom:thaw()"},
        {" {\"arguments\": {}, \"execute\" :\n\"guest-fsfreeze-freeze-list\"} ",
         "call dom:freeze()"},
        {"{\"execute\":\"guest-fsfreeze-thaw\"}", "dom:thaw()"},
        {"{\"execute\":\"\\u0067uest-fsfreeze\\u002dfreeze\"}", "call dom:freeze()"},
        {"{\"execute\":\"guest-ping\",\"execute\":\"guest-fsfreeze-freeze\"}", "a key twice"},
        {"{\"\\u0065xecute\":\"guest-fsfreeze-freeze\"}", "call dom:freeze()"},
        {"{'execute':'guest-fsfreeze-freeze'}",
         "no JSON object, or has a key twice: line 1, column 2"},
        {"{\"execute\":\"guest-ping\"}{\"execute\":\"guest-fsfreeze-freeze\"}", "no JSON object"},
        {"", "no JSON object"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct moon_err err = {0};
        char *reply = NULL;
        assert_int_equal(moon_domain_agent(d, refused[i].command, 1, &reply, &err), -1);
        assert_int_equal(err.code, MOON_INVALID);
        assert_non_null(strstr(err.message, "domain 'test'"));
        assert_non_null(strstr(err.message, refused[i].says));
        assert_null(reply);
    }
    /* Of the test driver, which has no agent. */
    const char *const sent[] = {
        "{\"execute\":\"guest-fsfreeze-status\"}",
        "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"guest-fsfreeze-freeze\"}}"};
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        struct moon_err err = {0};
        char *reply = NULL;
        assert_int_equal(moon_domain_agent(d, sent[i], 1, &reply, &err), -1);
        assert_int_equal(err.code, MOON_UNSUPPORTED);
    }
}

static void test_unknown_domain(void **state)
{
    (void)state;
    AUTO_DOM struct moon_domain *d =
        moon_domain_new(virt, "99999999-2222-3333-4444-555555555555", "ghost");
    struct moon_err err = {0};
    AUTO_JSON json_t *out = NULL;
    char *xml = NULL;
    int n = 0;
    bool persistent = true;
    const struct {
        const char *op;
        int rc;
    } calls[] = {{"persistent", moon_domain_persistent(d, &persistent, NULL)},
                 {"suspend", moon_domain_suspend(d, NULL)},
                 {"resume", moon_domain_resume(d, NULL)},
                 {"freeze", moon_domain_freeze(d, 5, &n, NULL)},
                 {"thaw", moon_domain_thaw(d, &n, NULL)},
                 {"shutdown", moon_domain_shutdown(d, NULL)},
                 {"destroy", moon_domain_destroy(d, NULL)},
                 {"start", moon_domain_start(d, false, NULL)},
                 {"undefine", moon_domain_undefine(d, NULL)},
                 {"xml", moon_domain_xml(d, false, &xml, NULL)},
                 {"block info", moon_domain_block_info(d, "vda", &out, NULL)}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].rc != -1)
            fail_msg("%s passed", calls[i].op);
    }
    assert_int_equal(moon_domain_resume(d, &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
    assert_non_null(strstr(err.message, "domain 'ghost': resume: "));
    assert_int_equal(moon_domain_pending(d), 0);
}

static void test_bad_uris(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        enum moon_code code;
    } cases[] = {{"qemu+unix:///system?socket=/no/such/socket", MOON_UNREACHABLE},
                 {"qemu+tcp://127.0.0.1:1/system", MOON_UNREACHABLE},
                 {"nodriver:///x", MOON_UNREACHABLE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct moon_err err = {0};
        struct moon_virt *v = NULL;
        assert_int_equal(moon_virt_open(cases[i].uri, &v, &err), -1);
        assert_null(v);
        if (err.code != cases[i].code)
            fail_msg("%s: %s (%d): %s", cases[i].uri, moon_code_name(err.code), err.native,
                     err.message);
        assert_string_equal(err.op, "connect");
        assert_non_null(strstr(err.message, cases[i].uri));
    }
}

/* A domain keeps its connection. */
static void test_lifetimes(void **state)
{
    (void)state;
    struct moon_err err = {0};
    struct moon_virt *v = NULL;
    ok(moon_virt_open(file_uri, &v, &err), &err);
    assert_ptr_equal(moon_virt_ref(v), v);
    moon_virt_unref(v);
    struct moon_domain *d = domain(v, "web");
    moon_virt_unref(v);
    assert_string_equal(state_of(d), "running other");
    assert_ptr_equal(moon_domain_ref(d), d);
    moon_domain_unref(d);
    assert_string_equal(state_of(d), "running other");
    moon_domain_unref(d);
    moon_domain_unref(NULL);
    moon_virt_unref(NULL);
    /* Where nothing may block: all but the last one of all. */
    ok(moon_virt_open(file_uri, &v, &err), &err);
    d = moon_domain_new(v, "11111111-2222-3333-4444-555555555555", "web");
    assert_non_null(d);
    assert_true(moon_domain_let_go(moon_domain_ref(d)));
    struct moon_domain *other = moon_domain_new(v, "66666666-2222-3333-4444-555555555555", "app");
    assert_non_null(other);
    moon_virt_unref(v);
    assert_true(moon_domain_let_go(other));
    assert_false(moon_domain_let_go(d));
    assert_string_equal(moon_domain_name(d), "web");
    moon_domain_unref(d);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_info),
        CASE(test_list),
        CASE(test_lookup),
        CASE(test_suspend_and_resume),
        CASE(test_paused),
        CASE(test_destroy_and_start),
        CASE(test_warm),
        CASE(test_freeze_and_thaw),
        CASE(test_define_and_undefine),
        CASE(test_xml),
        CASE(test_storage_volume),
        CASE(test_no_agent),
        CASE(test_agent_freezes_nothing),
        CASE(test_unknown_domain),
        CASE(test_bad_uris),
        CASE(test_lifetimes),
    };
    return cmocka_run_group_tests_name("virt", tests, NULL, NULL);
}
