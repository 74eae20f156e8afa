/* What virt.c, virt_domain.c, virt_error.c and virt_link.c share. */
#ifndef MOON_VIRT_PRIV_H
#define MOON_VIRT_PRIV_H

#include "auto.h"
#include "virt.h"

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdatomic.h>

/* A connection that serves one call at a time: libvirt's client (9.0) may not see the answer to a call that
 * shares its connection with one that hangs. */
struct moon_link {
    virConnectPtr conn;
    virDomainPtr *domains; /* handles of all domains when it was warmed, by uuid; NULL: none yet */
    int count;
    bool reserve; /* kept for what brings a guest back */
    struct moon_link *next;
};

struct moon_virt {
    atomic_int refs;
    char *uri;
    pthread_mutex_t lock;   /* guards what follows; never held while a connection is opened */
    virConnectPtr shared;   /* for calls that look */
    struct moon_link *idle; /* for calls that change, the one used last first */
    struct moon_link *reserve;
};

/* Sets *err from the thread's last libvirt error: "OBJECT 'NAME': OP: text". -1. */
int virt_fail(struct moon_err *err, const char *op, const char *object, const char *name);
int virt_no_memory(struct moon_err *err, const char *op);

/* Drops a reference unless it is the last one: false. */
bool virt_let_go(struct moon_virt *v);

/* Of libvirt's numbers, the names in virt.h. */
const char *virt_state_name(int state);
const char *virt_reason_name(int state, int reason);

static inline void close_conn(virConnectPtr *conn)
{
    if (*conn)
        virConnectClose(*conn);
}
#define AUTO_CONN MOON_AUTO(close_conn)

static inline void free_domain(virDomainPtr *dom)
{
    if (*dom)
        virDomainFree(*dom);
}
#define AUTO_DOMAIN MOON_AUTO(free_domain)

/* A reference to the shared connection, alive; NULL with *err. */
virConnectPtr virt_shared(struct moon_virt *v, struct moon_err *err);

/* An idle link or a new one, for one call; NULL with *err. rescue: may use the reserve. */
struct moon_link *virt_take(struct moon_virt *v, bool rescue, struct moon_err *err);
/* An idle link if there is one; never opens one. */
struct moon_link *virt_take_idle(struct moon_virt *v);
/* With one that is broken all that are kept go. */
void virt_give(struct moon_virt *v, struct moon_link *link);
/* Whether a call has shown that its libvirtd is gone. Does not ask it. */
bool virt_link_broken(const struct moon_link *link);
void virt_close_link(struct moon_link *link);
void virt_close_all(struct moon_virt *v);

/* A handle of the caller's own; asks libvirt only when the link was not warmed. NULL: libvirt's error. */
virDomainPtr virt_link_domain(const struct moon_link *link, const char *uuid);

#endif
