#include "hostlog.h"

#include "auto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DAEMON   3 /* facility */
#define MAX_LINE 1024

int moon_hostlog(const char *path, const char *ident, enum moon_hostlog level, const char *text,
                 struct moon_err *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "hostlog",
                            "%s: too long for the path of a socket", path);
    memcpy(to.sun_path, path, strlen(path));
    /* Without time and host, which the receiver adds: the form that syslog(3) writes to a local socket
     * has no more than the priority, the name and the pid that anybody depends on. */
    char line[MAX_LINE];
    int n = snprintf(line, sizeof line, "<%d>%s[%d]: %s", DAEMON * 8 + (int)level, ident,
                     (int)getpid(), text);
    size_t len = n < (int)sizeof line ? (size_t)n : sizeof line - 1;
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        sendto(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) < 0)
        return moon_err_errno(err, errno, "hostlog", "%s", path);
    return 0;
}
