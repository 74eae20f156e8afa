/* The connections behind struct moon_virt: one shared by the calls that look, and links, one per call, for those
 * that change a domain. */
#include "virt_priv.h"

#include <stdlib.h>
#include <string.h>

#define MAX_IDLE 32 /* links kept; libvirtd takes thousands of clients */

/* A reference to what is shared now; NULL when that is nothing, or broken, which goes then. */
static virConnectPtr shared_alive(struct moon_virt *v)
{
    virConnectPtr conn = v->shared;
    if (conn && virConnectIsAlive(conn) != 1) {
        virConnectClose(conn);
        conn = v->shared = NULL;
    }
    if (conn)
        virConnectRef(conn);
    return conn;
}

/* Opened without the lock: it may hang, and a resume needs the lock for a link that it has already. */
virConnectPtr virt_shared(struct moon_virt *v, struct moon_err *err)
{
    pthread_mutex_lock(&v->lock);
    virConnectPtr conn = shared_alive(v);
    pthread_mutex_unlock(&v->lock);
    if (conn)
        return conn;
    AUTO_CONN virConnectPtr fresh = virConnectOpen(v->uri);
    if (!fresh) {
        virt_fail(err, "connect", "libvirt", v->uri);
        return NULL;
    }
    pthread_mutex_lock(&v->lock);
    conn = shared_alive(v); /* another thread may have been faster */
    if (!conn) {
        conn = v->shared = MOON_STEAL(fresh);
        virConnectRef(conn);
    }
    pthread_mutex_unlock(&v->lock);
    return conn;
}

void virt_close_link(struct moon_link *link)
{
    if (!link)
        return;
    for (int i = 0; i < link->count; i++)
        virDomainFree(link->domains[i]);
    free(link->domains);
    if (link->conn)
        virConnectClose(link->conn);
    free(link);
}

static void close_list(struct moon_link *link)
{
    while (link) {
        struct moon_link *next = link->next;
        virt_close_link(link);
        link = next;
    }
}

void virt_close_all(struct moon_virt *v)
{
    close_list(v->idle);
    close_list(v->reserve);
    if (v->shared)
        virConnectClose(v->shared);
}

static struct moon_link *pop(struct moon_link **list)
{
    struct moon_link *link = *list;
    if (link) {
        *list = link->next;
        link->next = NULL;
    }
    return link;
}

/* One that lives; those whose libvirtd went away are closed on the way. */
static struct moon_link *take_alive(struct moon_virt *v, bool rescue)
{
    for (;;) {
        pthread_mutex_lock(&v->lock);
        struct moon_link *link = pop(&v->idle);
        if (!link && rescue)
            link = pop(&v->reserve);
        pthread_mutex_unlock(&v->lock);
        if (!link || !virt_link_broken(link))
            return link;
        virt_close_link(link);
    }
}

struct moon_link *virt_take_idle(struct moon_virt *v)
{
    return take_alive(v, false);
}

struct moon_link *virt_take(struct moon_virt *v, bool rescue, struct moon_err *err)
{
    struct moon_link *link = take_alive(v, rescue);
    if (link)
        return link;
    link = calloc(1, sizeof *link);
    if (!link) {
        virt_no_memory(err, "connect");
        return NULL;
    }
    link->conn = virConnectOpen(v->uri);
    if (!link->conn) {
        virt_fail(err, "connect", "libvirt", v->uri);
        free(link);
        return NULL;
    }
    return link;
}

bool virt_link_broken(const struct moon_link *link)
{
    return virConnectIsAlive(link->conn) != 1;
}

/* The kept links go back to the same libvirtd, and each would show only by a failed call of its own that it has gone. */
static void drop_kept(struct moon_virt *v)
{
    pthread_mutex_lock(&v->lock);
    struct moon_link *idle = v->idle, *reserve = v->reserve;
    v->idle = v->reserve = NULL;
    pthread_mutex_unlock(&v->lock);
    close_list(idle);
    close_list(reserve);
}

void virt_give(struct moon_virt *v, struct moon_link *link)
{
    if (!link)
        return;
    if (virt_link_broken(link)) {
        virt_close_link(link);
        drop_kept(v);
        return;
    }
    pthread_mutex_lock(&v->lock);
    struct moon_link **list = link->reserve ? &v->reserve : &v->idle;
    int n = 0;
    for (const struct moon_link *it = *list; it; it = it->next)
        n++;
    bool keep = n < MAX_IDLE;
    if (keep) {
        link->next = *list;
        *list = link;
    }
    pthread_mutex_unlock(&v->lock);
    if (!keep)
        virt_close_link(link);
}

static int by_uuid(const void *a, const void *b)
{
    unsigned char x[VIR_UUID_BUFLEN] = {0}, y[VIR_UUID_BUFLEN] = {0};
    virDomainGetUUID(*(const virDomainPtr *)a, x);
    virDomainGetUUID(*(const virDomainPtr *)b, y);
    return memcmp(x, y, sizeof x);
}

static int uuid_against(const void *key, const void *item)
{
    char text[VIR_UUID_STRING_BUFLEN] = "";
    virDomainGetUUIDString(*(const virDomainPtr *)item, text);
    return strcasecmp(key, text);
}

virDomainPtr virt_link_domain(const struct moon_link *link, const char *uuid)
{
    virDomainPtr *known = link->count == 0 ? NULL
                                           : bsearch(uuid, link->domains, (size_t)link->count,
                                                     sizeof *link->domains, uuid_against);
    if (!known)
        return virDomainLookupByUUIDString(link->conn, uuid);
    virDomainRef(*known);
    return *known;
}

/* One call for all handles, in the place of one before each suspend and each resume. */
static int learn_domains(struct moon_link *link)
{
    virDomainPtr *list = NULL;
    int n = virConnectListAllDomains(link->conn, &list, 0);
    if (n < 0)
        return -1;
    qsort(list, (size_t)n, sizeof *list, by_uuid);
    for (int i = 0; i < link->count; i++)
        virDomainFree(link->domains[i]);
    free(link->domains);
    link->domains = list;
    link->count = n;
    return 0;
}

int moon_virt_warm(struct moon_virt *v, int count, struct moon_err *err)
{
    struct moon_link *taken = NULL;
    int rc = 0;
    for (int i = 0; i < count && i < MAX_IDLE && rc == 0; i++) {
        struct moon_link *link = virt_take(v, false, err);
        rc = link ? 0 : -1;
        if (link && learn_domains(link) < 0)
            rc = virt_fail(err, "list domains", "libvirt", v->uri);
        if (link) {
            link->next = taken;
            taken = link;
        }
    }
    while (taken) {
        struct moon_link *link = pop(&taken);
        virt_give(v, link);
    }
    return rc;
}
