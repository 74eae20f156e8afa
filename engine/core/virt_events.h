/* What happens to the domains of a connection, as libvirt tells it: one is started, suspended, stopped ... */
#ifndef MOON_VIRT_EVENTS_H
#define MOON_VIRT_EVENTS_H

#include "op.h"
#include "virt.h"

struct moon_virt_events;

/* Events from now on: of one domain (its uuid), or of all (NULL). Blocks. Opens a connection of its own. The first one of the
 * process starts a thread that stays, with libvirt's event loop. */
int moon_virt_events_open(struct moon_virt *v, const char *uuid, struct moon_virt_events **out,
                          struct moon_err *err);
struct moon_virt_events *moon_virt_events_ref(struct moon_virt_events *e);
/* Any thread. The owner's comes after moon_virt_events_close, since libvirt holds one as well. */
void moon_virt_events_unref(struct moon_virt_events *e);
const char *moon_virt_events_uri(const struct moon_virt_events *e);

/* No more of them; who waits for one is told (MOON_CANCELLED). Blocks for as long as libvirtd needs to answer. */
void moon_virt_events_close(struct moon_virt_events *e);

/* An operation of the loop, which keeps no worker thread: the next event, in their order,
 *   {uuid, name, event, detail, at}
 * event and detail as virsh names them ("stopped", "shutdown"), "unknown" for what is newer than this program; at: seconds
 * since 1970 when it came. An event that came for a waiter who has gone is the next one's.
 * MOON_UNREACHABLE: libvirtd went away; MOON_IO: some were lost, since nobody took them; MOON_BUSY: somebody waits already.
 * Owned by the caller. NULL: no memory. */
struct moon_op *moon_virt_events_next(struct moon_virt_events *e);

#endif
