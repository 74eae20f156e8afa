/* multipathd's command socket. Protocol (multipath-tools, libmpathcmd): a length as a native size_t,
 * then that many bytes, the text with its zero byte, in both directions. */
#ifndef MOON_MPATHD_H
#define MOON_MPATHD_H

#include "err.h"

#include <jansson.h>

/* Where the daemon listens; the leading @ means the abstract namespace. */
#define MOON_MPATHD_SOCKET "@/org/kernel/linux/storage/multipathd"

/* One command and its reply, owned. socket NULL: the above. Waits at most `seconds`.
 * MOON_UNREACHABLE when no daemon listens there, MOON_DENIED without the right, MOON_TIMEOUT,
 * MOON_PROTOCOL for a reply that ends early or is larger than 64 MiB. */
int moon_mpathd_ask(const char *socket, const char *command, double seconds, char **reply,
                    struct moon_err *err);

/* The same for a command that answers "ok" or "fail": MOON_CONFLICT, naming the command, when the
 * daemon refused it. */
int moon_mpathd_order(const char *socket, const char *command, double seconds,
                      struct moon_err *err);

/* What the daemon thinks of the paths of a map (name, WWID or alias), or of all with NULL: *out =
 * {"sdb" = {checker="ready", priority=50, dm="active"}} by kernel name. */
int moon_mpathd_paths(const char *socket, const char *map, json_t **out, struct moon_err *err);

#endif
