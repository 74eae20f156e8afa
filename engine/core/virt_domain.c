/* One domain of a connection: calls that look use the shared connection, those that suspend, freeze and undo it a
 * link of their own. */
#include "memory.h"
#include "virt_priv.h"

#include <libvirt/libvirt-qemu.h>
#include <string.h>

#define AGENT_WAIT 5  /* s for a guest agent to answer what takes no time */
#define THAW_WAIT  10 /* s to thaw; Windows needs some for its writers */
#define AGAIN      3  /* times that a broken link is exchanged for another one, for one call */

struct moon_domain {
    atomic_int refs;
    struct moon_virt *virt;
    char uuid[VIR_UUID_STRING_BUFLEN];
    char *name;
    atomic_int pending;
};

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

bool moon_domain_let_go(struct moon_domain *d)
{
    int refs = atomic_load(&d->refs);
    while (refs > 1) {
        if (atomic_compare_exchange_weak(&d->refs, &refs, refs - 1))
            return true;
    }
    if (!virt_let_go(d->virt))
        return false;
    free(d->name);
    free(d);
    return true;
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

void moon_domain_pend(struct moon_domain *d, int by)
{
    atomic_fetch_add(&d->pending, by);
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
    *out = json_pack("{s:s, s:s}", "state", virt_state_name(state), "reason",
                     virt_reason_name(state, reason));
    return *out ? 0 : virt_no_memory(err, "state");
}

static int shared_state(struct moon_domain *d, json_t **out, struct moon_err *err, bool *broken)
{
    AUTO_CONN virConnectPtr conn = virt_shared(d->virt, err);
    AUTO_DOMAIN virDomainPtr dom = conn ? virDomainLookupByUUIDString(conn, d->uuid) : NULL;
    int rc = dom    ? state_of(dom, d->name, out, err)
             : conn ? virt_fail(err, "state", "domain", d->name)
                    : -1;
    *broken = conn && virConnectIsAlive(conn) != 1;
    return rc;
}

/* An idle link has the handle; without one the shared connection does. */
int moon_domain_state(struct moon_domain *d, json_t **out, struct moon_err *err)
{
    for (int again = 0;; again++) {
        AUTO_HELD struct held h = {.virt = d->virt, .link = virt_take_idle(d->virt)};
        bool broken = false;
        int rc = !h.link                         ? shared_state(d, out, err, &broken)
                 : held_dom(d, &h, "state", err) ? state_of(h.dom, d->name, out, err)
                                                 : -1;
        if (rc == 0 || again == AGAIN || !(broken || (h.link && virt_link_broken(h.link))))
            return rc;
    }
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
    return virDomainSuspend(h.dom) < 0 ? virt_fail(err, "suspend", "domain", d->name) : 0;
}

/* A call that brings a guest back. A link that was kept may be broken since libvirtd was started again, which the call itself
 * shows first: that is no answer, and there is no time for one more try after another. */
static int bring_back(struct moon_domain *d, const char *op,
                      int (*call)(virDomainPtr, const char *, int *, struct moon_err *), int *count,
                      struct moon_err *err)
{
    for (int again = 0;; again++) {
        AUTO_HELD struct held h = {0};
        int rc = hold(d, true, &h, op, err) ? call(h.dom, d->name, count, err) : -1;
        if (rc == 0 || !h.link || again == AGAIN || !virt_link_broken(h.link))
            return rc;
    }
}

static int resume(virDomainPtr dom, const char *name, int *count, struct moon_err *err)
{
    (void)count;
    if (virDomainResume(dom) == 0)
        return 0;
    virt_fail(err, "resume", "domain", name);
    /* QEMU's driver accepts a second resume, other drivers refuse it: the state decides. */
    int state = 0;
    if (virDomainGetState(dom, &state, NULL, 0) == 0 &&
        (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED))
        return 0;
    return -1;
}

int moon_domain_resume(struct moon_domain *d, struct moon_err *err)
{
    return bring_back(d, "resume", resume, NULL, err);
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
    int n = virDomainFSFreeze(h.dom, NULL, 0, 0);
    if (n < 0)
        return virt_fail(err, "freeze", "domain", d->name);
    *count = n;
    return 0;
}

static int thaw(virDomainPtr dom, const char *name, int *count, struct moon_err *err)
{
    agent_limit(dom, THAW_WAIT);
    int n = virDomainFSThaw(dom, NULL, 0, 0);
    if (n < 0)
        return virt_fail(err, "thaw", "domain", name);
    agent_limit(dom, 0);
    *count = n;
    return 0;
}

int moon_domain_thaw(struct moon_domain *d, int *count, struct moon_err *err)
{
    return bring_back(d, "thaw", thaw, count, err);
}

int moon_domain_persistent(struct moon_domain *d, bool *out, struct moon_err *err)
{
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, "persistent", err);
    int persistent = dom ? virDomainIsPersistent(dom) : -1;
    if (dom && persistent < 0)
        return virt_fail(err, "persistent", "domain", d->name);
    *out = persistent == 1;
    return dom ? 0 : -1;
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

/* A guest that its agent has frozen at somebody's word is in nobody's journal. Only asking how it stands is left. */
static bool stands_still(const char *name)
{
    static const char prefix[] = "guest-fsfreeze-";
    return name && strncmp(name, prefix, sizeof prefix - 1) == 0 &&
           strcmp(name + sizeof prefix - 1, "status") != 0;
}

/* The command in the form in which it was looked at, owned: libvirt and the agent read looser texts in ways of their own. */
static char *agent_command(const struct moon_domain *d, const char *text, struct moon_err *err)
{
    json_error_t e;
    AUTO_JSON json_t *command = moon_memory_parse(text, strlen(text), JSON_REJECT_DUPLICATES, &e);
    if (!command) {
        /* jansson's own words repeat the text, which may hold a password. */
        moon_err_set(
            err, MOON_INVALID, MOON_SRC_ENGINE, 0, "agent",
            "domain '%s': the command for its agent is no JSON object, or has a key twice: "
            "line %d, column %d",
            d->name, e.line, e.column);
        return NULL;
    }
    const char *name = json_string_value(json_object_get(command, "execute"));
    if (stands_still(name)) {
        moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "agent",
                     "domain '%s': '%s' is not sent as a command, since no guard process would "
                     "know of it; call dom:freeze(), and dom:thaw()",
                     d->name, name);
        return NULL;
    }
    char *out = moon_memory_dump(command, JSON_COMPACT);
    if (!out)
        virt_no_memory(err, "agent");
    return out;
}

int moon_domain_agent(struct moon_domain *d, const char *command, int timeout, char **out,
                      struct moon_err *err)
{
    AUTO_FREE char *sent = agent_command(d, command, err);
    if (!sent)
        return -1;
    AUTO_DOMAIN virDomainPtr dom = get_domain(d, "agent", err);
    if (!dom)
        return -1;
    char *reply = virDomainQemuAgentCommand(dom, sent, timeout, 0);
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
