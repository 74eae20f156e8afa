#include "virt_priv.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

#define AGENT_WAIT 5  /* s for a guest agent to answer what takes no time */
#define THAW_WAIT  10 /* s to thaw; Windows needs some for its writers */

struct moon_domain {
    atomic_int refs;
    struct moon_virt *virt;
    char uuid[VIR_UUID_STRING_BUFLEN];
    char *name;
    atomic_int pending;
};

static enum moon_code code_of_vir(int code)
{
    switch (code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
        return MOON_NOT_FOUND;
    case VIR_ERR_DOM_EXIST:
        return MOON_EXISTS;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
        return MOON_DENIED;
    case VIR_ERR_OPERATION_TIMEOUT:
        return MOON_TIMEOUT;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_AGENT_UNRESPONSIVE:
        return MOON_UNSUPPORTED;
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
        return MOON_INVALID;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_RPC:
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_LIBSSH:
        return MOON_UNREACHABLE;
    case VIR_ERR_OPERATION_INVALID:
        return MOON_CONFLICT;
    case VIR_ERR_OPERATION_ABORTED:
        return MOON_CANCELLED;
    case VIR_ERR_RESOURCE_BUSY:
        return MOON_BUSY;
    case VIR_ERR_NO_MEMORY:
        return MOON_INTERNAL;
    default:
        return MOON_IO;
    }
}

/* libvirt's last error is per thread: it is copied here, on the thread that made the call. */
int virt_fail(struct moon_err *err, const char *op, const char *object, const char *name)
{
    virErrorPtr e = virGetLastError();
    int native = e ? (int)e->code : 0;
    return moon_err_set(err, code_of_vir(native), MOON_SRC_LIBVIRT, native, op, "%s '%s': %s: %s",
                        object, name, op, e && e->message ? e->message : "unknown libvirt error");
}

int virt_no_memory(struct moon_err *err, const char *op)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, op, "out of memory");
}

static void swallow(void *data, virErrorPtr e)
{
    (void)data, (void)e; /* errors are values here; libvirt would print them on stderr */
}

static void init_once(void)
{
    virInitialize();
    virSetErrorFunc(NULL, swallow);
}

static void close_conn(virConnectPtr *conn)
{
    if (*conn)
        virConnectClose(*conn);
}
#define AUTO_CONN MOON_AUTO(close_conn)

static void free_domain(virDomainPtr *dom)
{
    if (*dom)
        virDomainFree(*dom);
}
#define AUTO_DOMAIN MOON_AUTO(free_domain)

int moon_virt_open(const char *uri, struct moon_virt **out, struct moon_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    struct moon_virt *v = calloc(1, sizeof *v);
    if (!v || !(v->uri = strdup(uri))) {
        free(v);
        return virt_no_memory(err, "connect");
    }
    atomic_init(&v->refs, 1);
    pthread_mutex_init(&v->lock, NULL);
    AUTO_CONN virConnectPtr shared = virt_shared(v, err);
    struct moon_link *first = shared ? virt_take(v, false, err) : NULL;
    struct moon_link *reserve = first ? virt_take(v, false, err) : NULL;
    if (reserve)
        reserve->reserve = true;
    virt_give(v, first);
    virt_give(v, reserve);
    if (!reserve) {
        moon_virt_unref(v);
        return -1;
    }
    *out = v;
    return 0;
}

struct moon_virt *moon_virt_ref(struct moon_virt *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

void moon_virt_unref(struct moon_virt *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    virt_close_all(v);
    pthread_mutex_destroy(&v->lock);
    free(v->uri);
    free(v);
}

const char *moon_virt_uri(const struct moon_virt *v)
{
    return v->uri;
}

static void version_text(unsigned long v, char *out, size_t size)
{
    snprintf(out, size, "%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

int moon_virt_info(struct moon_virt *v, json_t **out, struct moon_err *err)
{
    AUTO_CONN virConnectPtr conn = virt_shared(v, err);
    if (!conn)
        return -1;
    unsigned long lib = 0, daemon = 0, program = 0;
    char lib_text[32], daemon_text[32], program_text[32] = "";
    if (virGetVersion(&lib, NULL, NULL) < 0 || virConnectGetLibVersion(conn, &daemon) < 0)
        return virt_fail(err, "version", "libvirt", v->uri);
    version_text(lib, lib_text, sizeof lib_text);
    version_text(daemon, daemon_text, sizeof daemon_text);
    /* Not every driver knows the version of what it drives. */
    if (virConnectGetVersion(conn, &program) == 0 && program > 0)
        version_text(program, program_text, sizeof program_text);
    const char *type = virConnectGetType(conn);
    AUTO_FREE char *host = virConnectGetHostname(conn);
    *out = json_pack("{s:s, s:s, s:s, s:s, s:s}", "libvirt", lib_text, "daemon", daemon_text,
                     "hypervisor", type ? type : "", "hypervisor_version", program_text, "host",
                     host ? host : "");
    return *out ? 0 : virt_no_memory(err, "version");
}

static const char *state_name(int state)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
        return "running";
    case VIR_DOMAIN_BLOCKED:
        return "blocked";
    case VIR_DOMAIN_PAUSED:
        return "paused";
    case VIR_DOMAIN_SHUTDOWN:
        return "shutdown";
    case VIR_DOMAIN_SHUTOFF:
        return "shutoff";
    case VIR_DOMAIN_CRASHED:
        return "crashed";
    case VIR_DOMAIN_PMSUSPENDED:
        return "suspended";
    default:
        return "nostate";
    }
}

/* Only the reasons that change what a backup or a restore does have a name. */
static const char *reason_name(int state, int reason)
{
    if (state == VIR_DOMAIN_PAUSED) {
        switch (reason) {
        case VIR_DOMAIN_PAUSED_USER:
            return "user";
        case VIR_DOMAIN_PAUSED_MIGRATION:
        case VIR_DOMAIN_PAUSED_POSTCOPY:
        case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED:
            return "migration";
        case VIR_DOMAIN_PAUSED_SAVE:
        case VIR_DOMAIN_PAUSED_DUMP:
        case VIR_DOMAIN_PAUSED_SNAPSHOT:
            return "saving";
        case VIR_DOMAIN_PAUSED_IOERROR:
            return "ioerror";
        default:
            return "other";
        }
    }
    if (state == VIR_DOMAIN_SHUTOFF && reason == VIR_DOMAIN_SHUTOFF_SAVED)
        return "saved";
    return "other";
}

static json_t *domain_json(virDomainPtr dom)
{
    int state = 0, reason = 0, autostart = 0;
    char uuid[VIR_UUID_STRING_BUFLEN];
    if (virDomainGetState(dom, &state, &reason, 0) < 0 || virDomainGetUUIDString(dom, uuid) < 0)
        return NULL;
    int persistent = virDomainIsPersistent(dom);
    virDomainGetAutostart(dom, &autostart);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b}", "name", virDomainGetName(dom), "uuid",
                     uuid, "state", state_name(state), "reason", reason_name(state, reason),
                     "persistent", persistent == 1, "autostart", autostart == 1, "saved",
                     virDomainHasManagedSaveImage(dom, 0) == 1);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(virDomainGetName(*(const virDomainPtr *)a),
                  virDomainGetName(*(const virDomainPtr *)b));
}

int moon_virt_domains(struct moon_virt *v, json_t **out, struct moon_err *err)
{
    AUTO_CONN virConnectPtr conn = virt_shared(v, err);
    if (!conn)
        return -1;
    virDomainPtr *list = NULL;
    int n = virConnectListAllDomains(conn, &list, 0);
    if (n < 0)
        return virt_fail(err, "list domains", "libvirt", v->uri);
    qsort(list, (size_t)n, sizeof *list, by_name);
    json_t *rows = json_array();
    for (int i = 0; i < n; i++) {
        /* A domain that was undefined since the listing is no longer one of them. */
        json_t *row = domain_json(list[i]);
        if (row)
            json_array_append_new(rows, row);
        virDomainFree(list[i]);
    }
    free(list);
    *out = rows;
    return rows ? 0 : virt_no_memory(err, "list domains");
}

int moon_virt_lookup(struct moon_virt *v, const char *name_or_uuid, json_t **out,
                     struct moon_err *err)
{
    AUTO_CONN virConnectPtr conn = virt_shared(v, err);
    if (!conn)
        return -1;
    AUTO_DOMAIN virDomainPtr dom = virDomainLookupByName(conn, name_or_uuid);
    if (!dom) {
        virErrorPtr first = virGetLastError();
        if (!first || first->code != VIR_ERR_NO_DOMAIN)
            return virt_fail(err, "lookup", "domain", name_or_uuid);
        dom = virDomainLookupByUUIDString(conn, name_or_uuid);
    }
    if (!dom) {
        virErrorPtr e = virGetLastError();
        if (e && (e->code == VIR_ERR_INVALID_ARG || e->code == VIR_ERR_NO_DOMAIN))
            return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_LIBVIRT, e->code, "lookup",
                                "domain '%s': not defined at %s", name_or_uuid, v->uri);
        return virt_fail(err, "lookup", "domain", name_or_uuid);
    }
    *out = domain_json(dom);
    return *out ? 0 : virt_fail(err, "lookup", "domain", name_or_uuid);
}

int moon_virt_define(struct moon_virt *v, const char *xml, json_t **out, struct moon_err *err)
{
    AUTO_CONN virConnectPtr conn = virt_shared(v, err);
    if (!conn)
        return -1;
    AUTO_DOMAIN virDomainPtr dom = virDomainDefineXMLFlags(conn, xml, VIR_DOMAIN_DEFINE_VALIDATE);
    if (!dom)
        return virt_fail(err, "define", "libvirt", v->uri);
    *out = domain_json(dom);
    return *out ? 0 : virt_fail(err, "define", "domain", virDomainGetName(dom));
}

int moon_virt_volume(struct moon_virt *v, const char *pool, const char *volume, json_t **out,
                     struct moon_err *err)
{
    AUTO_CONN virConnectPtr conn = virt_shared(v, err);
    if (!conn)
        return -1;
    virStoragePoolPtr p = virStoragePoolLookupByName(conn, pool);
    if (!p)
        return virt_fail(err, "lookup", "storage pool", pool);
    /* Freeing anything resets the thread's last error: it is copied before. */
    virStorageVolPtr vol = virStorageVolLookupByName(p, volume);
    if (!vol)
        virt_fail(err, "lookup", "storage volume", volume);
    virStoragePoolFree(p);
    if (!vol)
        return -1;
    virStorageVolInfo info = {0};
    AUTO_FREE char *path = virStorageVolGetPath(vol);
    int rc = path ? virStorageVolGetInfo(vol, &info) : -1;
    if (rc < 0)
        virt_fail(err, "info", "storage volume", volume);
    virStorageVolFree(vol);
    if (rc < 0)
        return -1;
    *out = json_pack("{s:s, s:I, s:I}", "path", path, "capacity", (json_int_t)info.capacity,
                     "allocation", (json_int_t)info.allocation);
    return *out ? 0 : virt_no_memory(err, "volume");
}

struct moon_domain *moon_domain_new(struct moon_virt *v, const char *uuid, const char *name)
{
    struct moon_domain *d = calloc(1, sizeof *d);
    if (!d || !(d->name = strdup(name))) {
        free(d);
        return NULL;
    }
    atomic_init(&d->refs, 1);
    atomic_init(&d->pending, 0);
    d->virt = moon_virt_ref(v);
    snprintf(d->uuid, sizeof d->uuid, "%s", uuid);
    return d;
}

struct moon_domain *moon_domain_ref(struct moon_domain *d)
{
    atomic_fetch_add(&d->refs, 1);
    return d;
}

void moon_domain_unref(struct moon_domain *d)
{
    if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
        return;
    moon_virt_unref(d->virt);
    free(d->name);
    free(d);
}

const char *moon_domain_uuid(const struct moon_domain *d)
{
    return d->uuid;
}

const char *moon_domain_name(const struct moon_domain *d)
{
    return d->name;
}

const char *moon_domain_uri(const struct moon_domain *d)
{
    return moon_virt_uri(d->virt);
}

int moon_domain_pending(const struct moon_domain *d)
{
    return atomic_load(&d->pending);
}

static virDomainPtr get_domain(struct moon_domain *d, const char *op, struct moon_err *err)
{
    AUTO_CONN virConnectPtr conn = virt_shared(d->virt, err);
    if (!conn)
        return NULL;
    virDomainPtr dom = virDomainLookupByUUIDString(conn, d->uuid);
    if (!dom)
        virt_fail(err, op, "domain", d->name);
    return dom;
}

/* A domain's handle with a link of its own for one call. */
struct held {
    struct moon_virt *virt;
    struct moon_link *link;
    virDomainPtr dom;
};

static void let_go(struct held *h)
{
    if (h->dom)
        virDomainFree(h->dom);
    virt_give(h->virt, h->link);
}
#define AUTO_HELD MOON_AUTO(let_go)

static bool held_dom(struct moon_domain *d, struct held *h, const char *op, struct moon_err *err)
{
    h->dom = h->link ? virt_link_domain(h->link, d->uuid) : NULL;
    if (h->link && !h->dom)
        virt_fail(err, op, "domain", d->name);
    return h->dom != NULL;
}

static bool hold(struct moon_domain *d, bool rescue, struct held *h, const char *op,
                 struct moon_err *err)
{
    *h = (struct held){.virt = d->virt, .link = virt_take(d->virt, rescue, err)};
    return held_dom(d, h, op, err);
}

static int state_of(virDomainPtr dom, const char *name, json_t **out, struct moon_err *err)
{
    int state = 0, reason = 0;
    if (virDomainGetState(dom, &state, &reason, 0) < 0)
        return virt_fail(err, "state", "domain", name);
    *out = json_pack("{s:s, s:s, s:b}", "state", state_name(state), "reason",
                     reason_name(state, reason), "persistent", virDomainIsPersistent(dom) == 1);
    return *out ? 0 : virt_no_memory(err, "state");
}

/* An idle link has the handle; without one the shared connection does. */
int moon_domain_state(struct moon_domain *d, json_t **out, struct moon_err *err)
{
    AUTO_HELD struct held h = {.virt = d->virt, .link = virt_take_idle(d->virt)};
    if (h.link)
        return held_dom(d, &h, "state", err) ? state_of(h.dom, d->name, out, err) : -1;
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, "state", err);
    return dom ? state_of(dom, d->name, out, err) : -1;
}

bool moon_domain_busy(struct moon_domain *d)
{
    struct moon_err err;
    virDomainControlInfo info = {0};
    AUTO_HELD struct held h = {0};
    return hold(d, true, &h, "control", &err) && virDomainGetControlInfo(h.dom, &info, 0) == 0 &&
           (info.state == VIR_DOMAIN_CONTROL_JOB || info.state == VIR_DOMAIN_CONTROL_OCCUPIED);
}

int moon_domain_suspend(struct moon_domain *d, struct moon_err *err)
{
    AUTO_HELD struct held h = {0};
    if (!hold(d, false, &h, "suspend", err))
        return -1;
    atomic_fetch_add(&d->pending, 1);
    int rc = virDomainSuspend(h.dom);
    atomic_fetch_sub(&d->pending, 1);
    return rc < 0 ? virt_fail(err, "suspend", "domain", d->name) : 0;
}

int moon_domain_resume(struct moon_domain *d, struct moon_err *err)
{
    AUTO_HELD struct held h = {0};
    if (!hold(d, true, &h, "resume", err))
        return -1;
    if (virDomainResume(h.dom) == 0)
        return 0;
    virt_fail(err, "resume", "domain", d->name);
    /* QEMU's driver accepts a second resume, other drivers refuse it: the state decides. */
    int state = 0;
    if (virDomainGetState(h.dom, &state, NULL, 0) == 0 &&
        (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED))
        return 0;
    return -1;
}

/* Without a limit libvirt waits for ever for an agent that hangs, and lets nobody else ask it meanwhile. A
 * driver that does not know the call has no agent that could hang. */
static void agent_limit(virDomainPtr dom, int seconds)
{
    virDomainAgentSetResponseTimeout(
        dom, seconds > 0 ? seconds : VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0);
}

/* Asking for the guest's time changes nothing. */
int moon_domain_agent_answers(struct moon_domain *d, struct moon_err *err)
{
    AUTO_HELD struct held h = {0};
    if (!hold(d, false, &h, "agent", err))
        return -1;
    long long seconds = 0;
    unsigned int nanoseconds = 0;
    agent_limit(h.dom, AGENT_WAIT);
    int rc = virDomainGetTime(h.dom, &seconds, &nanoseconds, 0);
    if (rc < 0)
        virt_fail(err, "agent", "domain", d->name);
    agent_limit(h.dom, 0);
    return rc < 0 ? -1 : 0;
}

int moon_domain_freeze(struct moon_domain *d, int seconds, int *count, struct moon_err *err)
{
    AUTO_HELD struct held h = {0};
    if (!hold(d, false, &h, "freeze", err))
        return -1;
    agent_limit(h.dom, seconds);
    atomic_fetch_add(&d->pending, 1);
    int n = virDomainFSFreeze(h.dom, NULL, 0, 0);
    atomic_fetch_sub(&d->pending, 1);
    if (n < 0)
        return virt_fail(err, "freeze", "domain", d->name);
    *count = n;
    return 0;
}

int moon_domain_thaw(struct moon_domain *d, int *count, struct moon_err *err)
{
    AUTO_HELD struct held h = {0};
    if (!hold(d, true, &h, "thaw", err))
        return -1;
    agent_limit(h.dom, THAW_WAIT);
    int n = virDomainFSThaw(h.dom, NULL, 0, 0);
    if (n < 0)
        return virt_fail(err, "thaw", "domain", d->name);
    agent_limit(h.dom, 0);
    *count = n;
    return 0;
}

static int simple_call(struct moon_domain *d, const char *op, int (*call)(virDomainPtr),
                       struct moon_err *err)
{
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, op, err);
    if (!dom)
        return -1;
    return call(dom) < 0 ? virt_fail(err, op, "domain", d->name) : 0;
}

int moon_domain_shutdown(struct moon_domain *d, struct moon_err *err)
{
    return simple_call(d, "shutdown", virDomainShutdown, err);
}

int moon_domain_destroy(struct moon_domain *d, struct moon_err *err)
{
    return simple_call(d, "destroy", virDomainDestroy, err);
}

int moon_domain_undefine(struct moon_domain *d, struct moon_err *err)
{
    return simple_call(d, "undefine", virDomainUndefine, err);
}

int moon_domain_start(struct moon_domain *d, bool paused, struct moon_err *err)
{
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, "start", err);
    if (!dom)
        return -1;
    int rc = virDomainCreateWithFlags(dom, paused ? VIR_DOMAIN_START_PAUSED : 0);
    return rc < 0 ? virt_fail(err, "start", "domain", d->name) : 0;
}

int moon_domain_xml(struct moon_domain *d, bool inactive, char **out, struct moon_err *err)
{
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, "xml", err);
    if (!dom)
        return -1;
    char *xml = virDomainGetXMLDesc(dom, inactive ? VIR_DOMAIN_XML_INACTIVE : 0);
    if (!xml)
        return virt_fail(err, "xml", "domain", d->name);
    *out = xml;
    return 0;
}

int moon_domain_agent(struct moon_domain *d, const char *command, int timeout, char **out,
                      struct moon_err *err)
{
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, "agent", err);
    if (!dom)
        return -1;
    char *reply = virDomainQemuAgentCommand(dom, command, timeout, 0);
    if (!reply)
        return virt_fail(err, "agent", "domain", d->name);
    *out = reply;
    return 0;
}

int moon_domain_block_info(struct moon_domain *d, const char *disk, json_t **out,
                           struct moon_err *err)
{
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, "block info", err);
    if (!dom)
        return -1;
    virDomainBlockInfo info;
    if (virDomainGetBlockInfo(dom, disk, &info, 0) < 0)
        return virt_fail(err, "block info", "domain", d->name);
    *out = json_pack("{s:I, s:I, s:I}", "capacity", (json_int_t)info.capacity, "allocation",
                     (json_int_t)info.allocation, "physical", (json_int_t)info.physical);
    return *out ? 0 : virt_no_memory(err, "block info");
}
