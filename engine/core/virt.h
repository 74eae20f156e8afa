/* libvirt connections and domain calls. Every function blocks and belongs on a worker thread,
 * except the new/ref/unref and get functions. All are thread safe. */
#ifndef MOON_VIRT_H
#define MOON_VIRT_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>

struct moon_virt;   /* a connection, reopened when libvirtd went away */
struct moon_domain; /* one domain of a connection, by uuid */

/* Opens three connections to `uri`: one shared by the calls that look, one for suspend and freeze, which
 * may hang, one kept free for resume and thaw. More of the latter two kinds are opened as calls meet. */
int moon_virt_open(const char *uri, struct moon_virt **out, struct moon_err *err);
struct moon_virt *moon_virt_ref(struct moon_virt *v);
void moon_virt_unref(struct moon_virt *v); /* the last one closes: blocks for a moment */
const char *moon_virt_uri(const struct moon_virt *v);

/* Makes ready `count` (at most 32) connections for as many suspends, freezes, resumes and thaws at once,
 * with a handle of every domain in each, so that none of these calls has to look one up. */
int moon_virt_warm(struct moon_virt *v, int count, struct moon_err *err);

/* {libvirt="9.0.0", daemon="9.0.0", hypervisor="QEMU", host="name"} */
int moon_virt_info(struct moon_virt *v, json_t **out, struct moon_err *err);

/* [{name, uuid, id?, state, reason, persistent, autostart}], by name. state: "running" "blocked"
 * "paused" "shutdown" "shutoff" "crashed" "suspended" "nostate". */
int moon_virt_domains(struct moon_virt *v, json_t **out, struct moon_err *err);

/* [uuid] of all domains that are paused, in one call: it waits for whoever holds any of the domains locked. */
int moon_virt_paused(struct moon_virt *v, json_t **out, struct moon_err *err);

/* {name, uuid, state, reason} of a domain by name or uuid; MOON_NOT_FOUND when not defined. */
int moon_virt_lookup(struct moon_virt *v, const char *name_or_uuid, json_t **out,
                     struct moon_err *err);

/* Define a domain from XML: {name, uuid}. */
int moon_virt_define(struct moon_virt *v, const char *xml, json_t **out, struct moon_err *err);

/* {path, capacity, allocation} of a storage pool's volume, for disks of type 'volume'. */
int moon_virt_volume(struct moon_virt *v, const char *pool, const char *volume, json_t **out,
                     struct moon_err *err);

/* No call is made. NULL: no memory. */
struct moon_domain *moon_domain_new(struct moon_virt *v, const char *uuid, const char *name);
struct moon_domain *moon_domain_ref(struct moon_domain *d);
void moon_domain_unref(struct moon_domain *d); /* the last one of its connection closes that: blocks */
/* The same where nothing may block; false when it would, and the reference is kept. */
bool moon_domain_let_go(struct moon_domain *d);
const char *moon_domain_uuid(const struct moon_domain *d);
const char *moon_domain_name(const struct moon_domain *d);
const char *moon_domain_uri(const struct moon_domain *d); /* of its connection */

/* Suspends and freezes of this handle that were asked for and have not ended, for instance because their
 * waiter gave up: while there are any, a resume may be followed by a late suspend. Whoever hands one to a
 * thread counts it before, since nobody can say when the thread gets to it: by 1 and, at its end, by -1. */
int moon_domain_pending(const struct moon_domain *d);
void moon_domain_pend(struct moon_domain *d, int by);

/* Whether a call that changes the domain is on its way in libvirt or in its QEMU, whoever made it. A
 * suspend is one for as long as the guest's disk does not answer. Never waits for such a call. */
bool moon_domain_busy(struct moon_domain *d);

/* {state, reason}: one question, since it is asked while guests stand still. */
int moon_domain_state(struct moon_domain *d, json_t **out, struct moon_err *err);
/* Whether it has a definition that stays when it is off. */
int moon_domain_persistent(struct moon_domain *d, bool *out, struct moon_err *err);
int moon_domain_suspend(struct moon_domain *d, struct moon_err *err);
/* Through the reserved connection. A domain that runs already counts as resumed. */
int moon_domain_resume(struct moon_domain *d, struct moon_err *err);
/* Whether the guest agent answers: 0; MOON_UNSUPPORTED when there is none. Waits 5 s at most. */
int moon_domain_agent_answers(struct moon_domain *d, struct moon_err *err);
/* Number of frozen file systems. Needs the guest agent, which gets `seconds` to answer (0: for ever). After
 * a failure the guest may be frozen or become so: thaw it. */
int moon_domain_freeze(struct moon_domain *d, int seconds, int *count, struct moon_err *err);
int moon_domain_thaw(struct moon_domain *d, int *count, struct moon_err *err);
int moon_domain_shutdown(struct moon_domain *d, struct moon_err *err);
int moon_domain_destroy(struct moon_domain *d, struct moon_err *err);
/* paused: it stands still until somebody resumes it, and no guard does. */
int moon_domain_start(struct moon_domain *d, bool paused, struct moon_err *err);
int moon_domain_undefine(struct moon_domain *d, struct moon_err *err);
/* Owned XML text; inactive: what the next start will use. Secrets are left out. */
int moon_domain_xml(struct moon_domain *d, bool inactive, char **out, struct moon_err *err);
/* Reply of a guest agent command (both JSON text); timeout in seconds. MOON_INVALID: not JSON, or one that freezes or
 * thaws (guest-fsfreeze-*, but for -status), which moon_domain_freeze and moon_domain_thaw do; then nothing was sent. */
int moon_domain_agent(struct moon_domain *d, const char *command, int timeout, char **out,
                      struct moon_err *err);
/* {capacity, allocation, physical} in bytes of the disk with that target or path. */
int moon_domain_block_info(struct moon_domain *d, const char *disk, json_t **out,
                           struct moon_err *err);

#endif
