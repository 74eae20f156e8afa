/* The host's own log: syslog's socket, which systemd's journal also listens on. */
#ifndef MOON_HOSTLOG_H
#define MOON_HOSTLOG_H

#include "err.h"

/* As in RFC 5424, table 2. */
enum moon_hostlog { MOON_HOSTLOG_CRIT = 2, MOON_HOSTLOG_ERROR = 3, MOON_HOSTLOG_WARN = 4 };

#define MOON_HOSTLOG_SOCKET "/dev/log"

/* Send one line, as facility daemon under the name `ident` with this process's pid. Never waits: a log
 * daemon that has stopped reading must not stop who has guests to resume, so the line is lost then
 * (MOON_BUSY). MOON_NOT_FOUND, MOON_UNREACHABLE where nobody listens at `socket`. Thread safe. */
int moon_hostlog(const char *socket, const char *ident, enum moon_hostlog level, const char *text,
                 struct moon_err *err);

#endif
