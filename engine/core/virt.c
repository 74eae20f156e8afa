/* libvirt: the connection and what it knows; its domains are in virt_domain.c. */
#include "virt_priv.h"

#include <libvirt/virterror.h>
#include <string.h>

static void swallow(void *data, virErrorPtr e)
{
    (void)data, (void)e; /* errors are values here; libvirt would print them on stderr */
}

static void init_once(void)
{
    virInitialize();
    virSetErrorFunc(NULL, swallow);
}

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

bool virt_let_go(struct moon_virt *v)
{
    int refs = atomic_load(&v->refs);
    while (refs > 1) {
        if (atomic_compare_exchange_weak(&v->refs, &refs, refs - 1))
            return true;
    }
    return false;
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

const char *virt_state_name(int state)
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
const char *virt_reason_name(int state, int reason)
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
                     uuid, "state", virt_state_name(state), "reason",
                     virt_reason_name(state, reason), "persistent", persistent == 1, "autostart",
                     autostart == 1, "saved", virDomainHasManagedSaveImage(dom, 0) == 1);
}

/* Whether the thread's last call failed since there is no such domain, or none that this user may look at. */
static bool is_gone(void)
{
    virErrorPtr e = virGetLastError();
    return e && (e->code == VIR_ERR_NO_DOMAIN || e->code == VIR_ERR_ACCESS_DENIED);
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
    int rc = rows ? 0 : virt_no_memory(err, "list domains");
    for (int i = 0; i < n; i++) {
        /* A domain that was undefined since the listing is no longer one of them; any other one must not be missed. */
        json_t *row = rc == 0 ? domain_json(list[i]) : NULL;
        if (row ? json_array_append_new(rows, row) < 0 : rc == 0 && !is_gone())
            rc = virt_fail(err, "list domains", "domain", virDomainGetName(list[i]));
        virDomainFree(list[i]);
    }
    free(list);
    if (rc < 0)
        json_decref(rows);
    else
        *out = rows;
    return rc;
}

int moon_virt_paused(struct moon_virt *v, json_t **out, struct moon_err *err)
{
    AUTO_CONN virConnectPtr conn = virt_shared(v, err);
    if (!conn)
        return -1;
    virDomainPtr *list = NULL;
    int n = virConnectListAllDomains(conn, &list, VIR_CONNECT_LIST_DOMAINS_PAUSED);
    if (n < 0)
        return virt_fail(err, "list domains", "libvirt", v->uri);
    json_t *uuids = json_array();
    int rc = uuids ? 0 : -1;
    for (int i = 0; i < n; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN] = "";
        virDomainGetUUIDString(list[i], uuid);
        rc = rc < 0 ? rc : json_array_append_new(uuids, json_string(uuid));
        virDomainFree(list[i]);
    }
    free(list);
    if (rc < 0) {
        json_decref(uuids);
        return virt_no_memory(err, "list domains");
    }
    *out = uuids;
    return 0;
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
