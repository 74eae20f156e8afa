/* multipathd's replies. With an odd first byte the rest is a reply of its own length, else all that
 * comes over the socket, the length included. */
#include "peer.h"

#include "mpathd.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char *start(void)
{
    static char path[64];
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (path[0])
        return path;
    snprintf(path, sizeof path, "@moonsnap-fuzz-%ld", (long)getpid());
    memcpy(addr.sun_path + 1, path + 1, strlen(path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    fuzz_check(fd >= 0 && bind(fd, (struct sockaddr *)&addr, len) == 0, "no socket");
    fuzz_peer_start(fd);
    return path;
}

FUZZ(mpathd)
{
    struct moon_err err = {0};
    const char *path = start();
    AUTO_JSON json_t *paths = NULL;
    AUTO_FREE char *reply = NULL;
    bool whole = fuzz_byte(&data, &size) & 1;
    size_t len = size + 1, at = whole ? sizeof len : 0;
    AUTO_FREE char *bytes = malloc(at + size + 1);
    fuzz_check(bytes != NULL, "no memory for the input");
    memcpy(bytes, &len, at);
    if (size)
        memcpy(bytes + at, data, size);
    bytes[at + size] = '\0';
    fuzz_peer_says(bytes, at + size + whole, NULL);
    bool got = fuzz_outcome(moon_mpathd_paths(path, NULL, &paths, &err), &err);
    fuzz_check(!got || json_is_object(paths), "no table of paths");
    memset(&err, 0, sizeof err);
    fuzz_outcome(moon_mpathd_ask(path, "list", 5, &reply, &err), &err);
    memset(&err, 0, sizeof err);
    fuzz_outcome(moon_mpathd_order(path, "reconfigure", 5, &err), &err);
    fuzz_peer_says("", 0, NULL);
    return 0;
}
