#include "peer.h"

#include <pthread.h>
#include <sys/socket.h>

static struct {
    pthread_mutex_t lock; /* held while a connection is served */
    int listener;
    const char *data, *end;
    size_t size;
} peer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void listen_to(int fd)
{
    char asked[64 << 10];
    for (size_t n = 0; n < sizeof asked - 1;) {
        ssize_t got = recv(fd, asked + n, sizeof asked - 1 - n, 0);
        if (got <= 0)
            return;
        n += (size_t)got;
        asked[n] = '\0';
        size_t len = 0;
        if (!peer.end && n >= sizeof len)
            memcpy(&len, asked, sizeof len);
        if (peer.end ? strstr(asked, peer.end) != NULL : len > 0 && n >= sizeof len + len)
            return;
    }
}

static void serve(int fd)
{
    listen_to(fd);
    for (size_t at = 0; at < peer.size;) {
        ssize_t n = send(fd, peer.data + at, peer.size - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
}

static void *run(void *arg)
{
    int fd;
    while ((fd = accept(peer.listener, NULL, NULL)) >= 0) {
        pthread_mutex_lock(&peer.lock);
        serve(fd);
        pthread_mutex_unlock(&peer.lock);
        close(fd);
    }
    return arg;
}

void fuzz_peer_start(int listener)
{
    pthread_t id;
    peer.listener = listener;
    fuzz_check(listener >= 0 && listen(listener, 16) == 0, "no socket to listen on");
    fuzz_check(pthread_create(&id, NULL, run, NULL) == 0, "no thread for the other side");
    pthread_detach(id);
}

void fuzz_peer_says(const void *data, size_t size, const char *end)
{
    pthread_mutex_lock(&peer.lock);
    peer.data = data;
    peer.size = size;
    peer.end = end;
    pthread_mutex_unlock(&peer.lock);
}
