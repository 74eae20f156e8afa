/* virt*.c when libvirtd is started again: of what was open before, nothing shows that it is broken until it is used. Such
 * connections are made of those to libvirt's test driver, which stay as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auto.h"
#include "virt.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORKS, BROKEN, SEEN }; /* SEEN: a call has shown it */

static struct {
    virConnectPtr conn;
    int how;
} opened[64];
static int count;

virErrorPtr __real_virGetLastError(void);
virErrorPtr __wrap_virGetLastError(void);
virConnectPtr __real_virConnectOpen(const char *uri);
virConnectPtr __wrap_virConnectOpen(const char *uri);
int __real_virConnectIsAlive(virConnectPtr conn);
int __wrap_virConnectIsAlive(virConnectPtr conn);
int __real_virDomainResume(virDomainPtr dom);
int __wrap_virDomainResume(virDomainPtr dom);
int __real_virDomainFSThaw(virDomainPtr dom, const char **points, unsigned int n,
                           unsigned int flags);
int __wrap_virDomainFSThaw(virDomainPtr dom, const char **points, unsigned int n,
                           unsigned int flags);
int __real_virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags);
int __wrap_virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags);

static atomic_bool hangs, inside; /* the next connection is not opened; somebody waits for it */

virConnectPtr __wrap_virConnectOpen(const char *uri)
{
    inside = hangs;
    while (hangs)
        usleep(1000);
    virConnectPtr conn = __real_virConnectOpen(uri);
    assert_true(count < 64);
    opened[count].conn = conn;
    opened[count++].how = WORKS;
    return conn;
}

static int *how(virConnectPtr conn)
{
    for (int i = count; i > 0; i--) { /* an address is used again */
        if (opened[i - 1].conn == conn)
            return &opened[i - 1].how;
    }
    fail_msg("a connection that nobody opened");
    return NULL;
}

static virError last;
static char said[64];

static void fails_with(int code, const char *text)
{
    snprintf(said, sizeof said, "%s", text);
    last = (virError){.code = code, .level = VIR_ERR_ERROR, .message = said};
}

virErrorPtr __wrap_virGetLastError(void)
{
    return last.code ? &last : __real_virGetLastError();
}

static int broken(virConnectPtr conn)
{
    if (*how(conn) == WORKS)
        return 0;
    *how(conn) = SEEN;
    fails_with(VIR_ERR_SYSTEM_ERROR, "Cannot write data: Broken pipe");
    return -1;
}

int __wrap_virConnectIsAlive(virConnectPtr conn)
{
    return *how(conn) == SEEN ? 0 : __real_virConnectIsAlive(conn);
}

int __wrap_virDomainResume(virDomainPtr dom)
{
    return broken(virDomainGetConnect(dom)) < 0 ? -1 : __real_virDomainResume(dom);
}

int __wrap_virDomainFSThaw(virDomainPtr dom, const char **points, unsigned int n,
                           unsigned int flags)
{
    return broken(virDomainGetConnect(dom)) < 0 ? -1
                                                : __real_virDomainFSThaw(dom, points, n, flags);
}

static int refuse; /* the code with which the next state is refused; 0: it is not */

int __wrap_virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags)
{
    if (broken(virDomainGetConnect(dom)) < 0)
        return -1;
    if (refuse) {
        fails_with(refuse, "made to fail");
        refuse = 0;
        return -1;
    }
    return __real_virDomainGetState(dom, state, reason, flags);
}

static void restart(void)
{
    for (int i = 0; i < count; i++)
        opened[i].how = BROKEN;
}

static void ok(int rc, const struct moon_err *err)
{
    if (rc != 0)
        fail_msg("%s", err->message);
}

static struct moon_virt *virt;
static struct moon_domain *dom;

static int setup(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *row = NULL;
    count = 0;
    last.code = 0;
    if (moon_virt_open("test:///default", &virt, &err) < 0 ||
        moon_virt_lookup(virt, "test", &row, &err) < 0)
        return -1;
    dom = moon_domain_new(virt, json_string_value(json_object_get(row, "uuid")), "test");
    json_decref(row);
    return dom ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    moon_domain_unref(dom);
    moon_virt_unref(virt);
    return 0;
}

/* A retry for each connection that is kept would take longer than a guest may stand still. */
static void test_resume(void **state)
{
    (void)state;
    struct moon_err err = {0};
    ok(moon_virt_warm(virt, 8, &err), &err);
    ok(moon_domain_suspend(dom, &err), &err);
    restart();
    ok(moon_domain_resume(dom, &err), &err);
}

static void test_thaw(void **state)
{
    (void)state;
    struct moon_err err = {0};
    int frozen = 0, thawed = 0;
    ok(moon_virt_warm(virt, 8, &err), &err);
    ok(moon_domain_freeze(dom, 5, &frozen, &err), &err);
    restart();
    ok(moon_domain_thaw(dom, &thawed, &err), &err);
    assert_int_equal(thawed, frozen);
}

/* Without an answer a guest that an administrator has paused would pass for one that runs. */
static void test_state(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *j = NULL;
    ok(moon_virt_warm(virt, 8, &err), &err);
    restart();
    ok(moon_domain_state(dom, &j, &err), &err);
    json_decref(j);
    restart();
    opened[0].how = SEEN;
    j = NULL;
    ok(moon_domain_state(dom, &j, &err), &err);
    json_decref(j);
    refuse = VIR_ERR_RPC; /* that is an answer: it is not asked again */
    assert_int_equal(moon_domain_state(dom, &j, &err), -1);
}

static void *look_up(void *arg)
{
    (void)arg;
    json_t *row = NULL;
    moon_virt_lookup(virt, "test", &row, NULL);
    json_decref(row);
    return NULL;
}

static void *bring_back(void *arg)
{
    *(int *)arg = moon_domain_resume(dom, NULL);
    return NULL;
}

/* A resume has a connection of its own: it does not wait for one that others look with. */
static void test_resume_beside_one_that_hangs(void **state)
{
    (void)state;
    struct moon_err err = {0};
    pthread_t looks, resumes;
    int rc = -2;
    ok(moon_domain_suspend(dom, &err), &err);
    opened[0].how = SEEN;
    hangs = true;
    assert_int_equal(pthread_create(&looks, NULL, look_up, NULL), 0);
    while (!inside)
        usleep(1000);
    assert_int_equal(pthread_create(&resumes, NULL, bring_back, &rc), 0);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    bool waits = pthread_timedjoin_np(resumes, NULL, &until) != 0;
    hangs = inside = false;
    if (waits)
        pthread_join(resumes, NULL);
    pthread_join(looks, NULL);
    assert_false(waits);
    assert_int_equal(rc, 0);
}

/* A guest that is not in the list is not backed up, and nobody says so. */
static void test_list(void **state)
{
    (void)state;
    struct moon_err err = {0};
    json_t *list = NULL;
    refuse = VIR_ERR_NO_DOMAIN; /* undefined since */
    ok(moon_virt_domains(virt, &list, &err), &err);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    list = NULL;
    refuse = VIR_ERR_RPC;
    assert_int_equal(moon_virt_domains(virt, &list, &err), -1);
    assert_int_equal(err.code, MOON_UNREACHABLE);
    assert_null(list);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_resume), CASE(test_thaw),
        CASE(test_state),  CASE(test_resume_beside_one_that_hangs),
        CASE(test_list),
    };
    return cmocka_run_group_tests_name("virt_restart", tests, NULL, NULL);
}
