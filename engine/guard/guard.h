/* The guard process: it outlives the engine and resumes what a dead engine left suspended.
 *
 * The engine starts it before the first suspend and talks to it over a socket pair. It opens its
 * own libvirt connection at once, so that nothing is missing when it is needed. Its end of the
 * bargain: a `hold` is acknowledged only when it is in the journal and on disk; when the socket
 * ends without `finish`, or the deadline passes, it resumes all that is held, looks again for a
 * settle period, since libvirtd may still carry out the dead engine's last call, and goes on
 * trying while libvirtd is down, for a day. */
#ifndef MOON_GUARD_H
#define MOON_GUARD_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>

struct moon_guard;

/* options: {journal (path), uri, profile, config, action, deadline (seconds that a domain may be held), log
 * (path), record (path, of the run in the catalog), syslog (socket), give_up (seconds after which domains
 * that cannot be brought back are left to `recover`, default a day); the last four optional}. Blocks until the guard is ready. */
int moon_guard_start(const json_t *options, struct moon_guard **out, struct moon_err *err);
struct moon_guard *moon_guard_ref(struct moon_guard *g);
/* The last one closes the socket: without finish or detach, the guard resumes what it holds. */
void moon_guard_unref(struct moon_guard *g);
const char *moon_guard_journal(const struct moon_guard *g);

/* domains: [{uuid, name, freeze?}]: they may be suspended (and frozen, where that is true) once this has
 * returned 0. Their time begins now. Blocks on the disk, no longer than domains that are held may wait. MOON_IO: it did
 * not answer in that time; they are not held. */
int moon_guard_hold(struct moon_guard *g, const json_t *domains, struct moon_err *err);
/* A held domain is suspended now, and for `limit` seconds at most. */
int moon_guard_begin(struct moon_guard *g, const char *uuid, double limit, struct moon_err *err);
/* uuids: they run again. *out {fired = the deadline had passed and the guard resumed them}. */
int moon_guard_free(struct moon_guard *g, const json_t *uuids, json_t **out, struct moon_err *err);
/* *out [uuid]: they were brought back when their time was up, no call is on its way that may suspend them, and the guard lets
 * them be: one that stands still now does so at somebody else's word. */
int moon_guard_over(struct moon_guard *g, json_t **out, struct moon_err *err);
/* Whether a guard of this process holds the domain: hold has returned 0 for it, and nobody has asked to free it. Does
 * not block. */
bool moon_guard_covers(const char *uri, const char *uuid);
/* All suspends of the first `holds` domains have returned: none can come late any more, so that after a
 * sudden end of the engine the guard needs to look again for a moment only. Has no effect when more domains
 * are held by now. */
int moon_guard_settled(struct moon_guard *g, json_int_t holds, struct moon_err *err);
/* The engine is going to end and the domains stay suspended until somebody adds `free` records to
 * the journal, at most until the deadline. */
int moon_guard_detach(struct moon_guard *g, struct moon_err *err);
/* Ends the guard; what is still held is resumed first. *out {fired = the deadline had passed before, held = how many
 * were held until now}. */
int moon_guard_finish(struct moon_guard *g, json_t **out, struct moon_err *err);

/* The guard process itself: main.c calls this for `moonsnap --guard-process OPTIONS`, with the
 * socket as descriptor MOON_GUARD_FD. Returns the exit status. */
#define MOON_GUARD_FD 3
int moon_guard_main(const char *options);

#endif
