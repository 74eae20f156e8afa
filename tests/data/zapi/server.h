/* An HTTP server inside a test program: a thread per connection, canned replies in the order of the
 * requests. For programs of one file: everything here is static. */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include "auto.h"
#include "buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum after { KEEP, CLOSE, HANG };

struct answer {
    const char *text; /* the whole reply with its headers */
    size_t len;       /* 0: up to the end of the text */
    enum after after;
};

#define MAX_CONNECTIONS 64
#define MAX_REQUESTS    512

/* Guarded by lock, except what is set before the thread starts. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fd, port;
    pthread_t thread, threads[MAX_CONNECTIONS];
    int fds[MAX_CONNECTIONS];
    int connections, ended, nrequests;
    char *requests[MAX_REQUESTS];
    const struct answer *answers; /* the last one is given again and again */
    int nanswers;
} srv = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static bool send_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

/* Headers and body; owned. NULL when the other side has gone. */
static char *read_request(int fd)
{
    AUTO_BUF struct moon_buf b = {0};
    for (;;) {
        const char *end = b.data ? strstr(b.data, "\r\n\r\n") : NULL;
        if (end) {
            const char *length = strcasestr(b.data, "\r\nContent-Length:");
            size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
            if (b.len >= (size_t)(end + 4 - b.data) + body)
                return moon_buf_steal(&b);
        }
        char chunk[4096];
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n <= 0)
            return NULL;
        moon_buf_add(&b, chunk, (size_t)n);
    }
}

static void *serve(void *arg)
{
    int fd = *(int *)arg;
    enum after after = KEEP;
    char *request;
    while (after != CLOSE && (request = read_request(fd))) {
        pthread_mutex_lock(&srv.lock);
        int n = srv.nrequests;
        srv.requests[srv.nrequests++] = request;
        const struct answer *a = &srv.answers[n < srv.nanswers ? n : srv.nanswers - 1];
        pthread_cond_broadcast(&srv.changed);
        pthread_mutex_unlock(&srv.lock);
        after = a->after;
        if (!send_all(fd, a->text, a->len ? a->len : strlen(a->text)))
            break;
        char c;
        if (after == HANG && recv(fd, &c, 1, 0) <= 0)
            break;
    }
    shutdown(fd, SHUT_RDWR);
    pthread_mutex_lock(&srv.lock);
    srv.ended++;
    pthread_cond_broadcast(&srv.changed);
    pthread_mutex_unlock(&srv.lock);
    return NULL;
}

static void *listen_main(void *arg)
{
    int fd;
    while ((fd = accept(srv.fd, NULL, NULL)) >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock(&srv.lock);
        int n = srv.connections++;
        srv.fds[n] = fd;
        pthread_create(&srv.threads[n], NULL, serve, &srv.fds[n]);
        pthread_mutex_unlock(&srv.lock);
    }
    return arg;
}

static void serve_start(const struct answer *answers, size_t n)
{
    srv.answers = answers;
    srv.nanswers = (int)n;
    srv.connections = srv.ended = srv.nrequests = 0;
    srv.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    assert_int_equal(bind(srv.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(srv.fd, 64), 0);
    assert_int_equal(getsockname(srv.fd, (struct sockaddr *)&a, &len), 0);
    srv.port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&srv.thread, NULL, listen_main, NULL), 0);
}

static void serve_stop(void)
{
    if (srv.fd < 0)
        return;
    shutdown(srv.fd, SHUT_RDWR);
    pthread_join(srv.thread, NULL);
    for (int i = 0; i < srv.connections; i++) {
        shutdown(srv.fds[i], SHUT_RDWR);
        pthread_join(srv.threads[i], NULL);
        close(srv.fds[i]);
    }
    for (int i = 0; i < srv.nrequests; i++)
        free(srv.requests[i]);
    close(srv.fd);
    srv.fd = -1;
    srv.nrequests = 0;
}

static int count(const int *counter)
{
    pthread_mutex_lock(&srv.lock);
    int n = *counter;
    pthread_mutex_unlock(&srv.lock);
    return n;
}

static const char *request(int n)
{
    assert_true(n < count(&srv.nrequests));
    return srv.requests[n];
}

#endif
