/* A guard for what nobody has given to one: scripts may suspend and freeze with the bare calls.
 *
 * Before the first such call a guard process is started for the domain's host, and the domain is in its journal, on
 * disk, before each; it leaves it when it runs again. The guards that the process has of its own (guard.h) are known:
 * what they hold needs nothing here. Domains of libvirt's test driver live within this process and end with it; they
 * are listed, and have no guard. */
#ifndef MOON_STANDBY_H
#define MOON_STANDBY_H

#include "err.h"
#include "virt.h"

#include <jansson.h>
#include <stdbool.h>

/* Where the guards' journals go (a directory, made when it is needed), the action that they tell of, and how many
 * seconds a domain may stand still. Counts for guards that are started after it. Does not block. */
int moon_standby_set(const char *dir, const char *action, double deadline, struct moon_err *err);

/* Suspend a domain, or freeze it (`seconds` and *count as for moon_domain_freeze), with a guard that holds it. One
 * that is paused already stays so, and is nobody's to resume: 0, and nothing is done. On failure of the guard nothing
 * is done either; MOON_INVALID when moon_standby_set was never called. Blocks. */
int moon_standby_suspend(struct moon_domain *d, struct moon_err *err);
int moon_standby_freeze(struct moon_domain *d, int seconds, int *count, struct moon_err *err);

/* Resume it or thaw it, whoever holds it; one that stands still in no way any more is not held after that. Blocks; never
 * waits for a guard that is being started. */
int moon_standby_resume(struct moon_domain *d, struct moon_err *err);
int moon_standby_thaw(struct moon_domain *d, int *count, struct moon_err *err);

/* What is held now: [{uri, uuid, name, suspend, freeze}], by name; the latter two say what may have been done to
 * it. *guards: whether any guard was started and not ended. NULL: no memory. Does not block. */
json_t *moon_standby_list(bool *guards);

/* Let go of those whose time was up and whom their guard has brought back: one that stands still now does so at somebody
 * else's word. -1: a guard did not answer; the others were asked. Blocks. */
int moon_standby_over(struct moon_err *err);

/* The program's end: guards that hold nothing any more end, and leave no journal. Those that do go on when the process is
 * gone. Blocks. */
int moon_standby_finish(struct moon_err *err);

#endif
