/* An HTTP reply from its first byte on: status, headers, Retry-After, Location, body. */
#include "peer.h"

#include "http.h"
#include "loop.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct moon_loop *loop;
static char url[64];

static void start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    struct moon_err err;
    if (loop)
        return;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    loop = moon_loop_new(&err);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fuzz_check(loop && fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 &&
                   getsockname(fd, (struct sockaddr *)&a, &len) == 0,
               "no socket");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/api", ntohs(a.sin_port));
    fuzz_peer_start(fd);
}

static void done(void *arg, struct moon_http_reply *reply, const struct moon_err *err)
{
    *(bool *)arg = true;
    if (!fuzz_outcome(err ? -1 : 0, err))
        return;
    fuzz_check(reply->retry_after >= 0 && reply->retry_after <= 86400, "an endless Retry-After");
    fuzz_check(memchr(reply->location, '\0', sizeof reply->location) != NULL,
               "a Location without end");
    fuzz_check(!strpbrk(reply->location, "\r\n") && !strpbrk(reply->content_type, "\r\n"),
               "a header of two lines");
    fuzz_check(memchr(reply->content_type, '\0', sizeof reply->content_type) != NULL,
               "a content type without end");
}

FUZZ(http)
{
    struct moon_err err = {0};
    bool ended = false;
    start();
    fuzz_peer_says(data, size, "\r\n\r\n");
    struct moon_http_request req = {.method = "GET",
                                    .url = url,
                                    .user = "u",
                                    .password = "p",
                                    .timeout = 5,
                                    .max_reply = 1 << 20};
    fuzz_check(moon_http_start(loop, &req, done, &ended, &err) != NULL, "no exchange");
    while (!ended)
        moon_loop_once(loop, 1);
    fuzz_peer_says("", 0, "\r\n\r\n");
    return 0;
}
