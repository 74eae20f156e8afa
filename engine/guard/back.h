/* Bringing domains back: resume, thaw. One whose QEMU or agent does not answer keeps nobody else waiting, since each
 * call that may hang has a thread of its own. */
#ifndef MOON_BACK_H
#define MOON_BACK_H

#include "virt.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct moon_back;

/* NULL: no memory. Lives as long as the process. */
struct moon_back *moon_back_new(struct moon_virt *virt);

/* One look at each of held=[{uuid, name, freeze?, until}] whose `until` (monotonic) is not after `now`: what is paused
 * is resumed, what may be frozen is thawed. settled: no call is on its way that may suspend one. report: log
 * why one is not back. Waits for the calls, at most half a second for those that hang, also where the domain's state alone
 * is asked for. Returns how many are not back; a look later goes on with them. One thread at a time. */
size_t moon_back_look(struct moon_back *b, const json_t *held, double now, bool settled,
                      bool report);

/* The engine has ended: what it asked for last may still come. Before the first look after that. */
void moon_back_expect(struct moon_back *b);

/* Whether it has come for each of `held`: the domain was found suspended since then and brought back, or is gone. One that
 * is held more than once, or may be frozen, has more to expect than can be seen. Does not wait. */
bool moon_back_came(const struct moon_back *b, const json_t *held);

#endif
