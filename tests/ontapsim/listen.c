/* The listeners: one for the cluster's LIF and one for each LIF of an SVM that has a port. Each has
 * one thread per connection. */
#include "server_priv.h"
#include "cert.h"
#include "store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECTIONS = 400 };

struct listener {
    struct sim_lif *lif; /* NULL: the cluster's */
    const char *host;
    uint16_t port;
    struct MHD_Daemon *daemon;
};

static struct listener *listeners;
static size_t listener_count;
static char *cert, *key, *client_ca;

/* Fills in the port when it was 0. */
static int open_socket(struct listener *l)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(l->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(l->port)};
    bool is_v4 = inet_pton(AF_INET, l->host, &v4.sin_addr) == 1;
    struct sockaddr *addr = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);
    int one = 1;
    if (!is_v4 && inet_pton(AF_INET6, l->host, &v6.sin6_addr) != 1)
        return -1;
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, addr, size) || listen(fd, 128) || getsockname(fd, addr, &size)) {
        sim_log("listen on %s port %u: %s", l->host, (unsigned)l->port, strerror(errno));
        sim_auto_close(&fd);
        return -1;
    }
    l->port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
    return fd;
}

static int start(struct listener *l)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;
    int fd = open_socket(l);
    if (fd < 0)
        return -1;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, key},
        {client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, client_ca},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    l->daemon = MHD_start_daemon(
        flags | (sim.http ? 0 : (unsigned)MHD_USE_TLS), 0, NULL, NULL, sim_server_handle, l->lif,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, sim_server_done, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, sim_server_begin, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        sim_server_notify, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, sim.idle_seconds, MHD_OPTION_ARRAY, sim.http ? plain : tls,
        MHD_OPTION_END);
    if (l->daemon)
        return 0;
    sim_log("the HTTP server does not start; are certificate and key a pair?");
    close(fd);
    return -1;
}

static void add(struct sim_lif *lif, const char *host, uint16_t port)
{
    listeners = sim_grow(listeners, listener_count + 1, sizeof(*listeners));
    listeners[listener_count++] = (struct listener){.lif = lif, .host = host, .port = port};
}

int sim_server_start(void)
{
    if (!sim.http && (sim_cert_load(&cert, &key) || sim_cert_client_ca(&client_ca)))
        return -1;
    add(NULL, sim.listen_host, sim.listen_port);
    for (size_t i = 0; i < sim.svm_count; i++) {
        for (size_t k = 0; k < sim.svms[i]->lif_count; k++) {
            struct sim_lif *lif = &sim.svms[i]->lifs[k];
            if (lif->listen_host)
                add(lif, lif->listen_host, lif->listen_port);
        }
    }
    for (size_t i = 0; i < listener_count; i++) {
        if (start(&listeners[i]))
            return -1;
    }
    return 0;
}

void sim_server_announce(void)
{
    for (size_t i = 0; i < listener_count; i++) {
        const struct listener *l = &listeners[i];
        bool v6 = strchr(l->host, ':') != NULL;
        AUTO_FREE char *url = sim_printf("%s://%s%s%s:%u", sim.http ? "http" : "https",
                                         v6 ? "[" : "", l->host, v6 ? "]" : "", (unsigned)l->port);
        if (l->lif)
            printf("ontapsim: LIF %s of SVM %s at %s\n", l->lif->name, l->lif->svm->name, url);
        else
            printf("ontapsim: listening on %s\n", url);
        /* for simulators that have this one as a peer */
        if (!l->lif && sim_store_write(sim.state_dir, "url", url, strlen(url), 0644))
            sim_log("%s/.ontapsim/url cannot be written", sim.root);
    }
    fflush(stdout);
}

void sim_server_stop(void)
{
    for (size_t i = 0; i < listener_count; i++) {
        if (listeners[i].daemon)
            MHD_stop_daemon(listeners[i].daemon);
    }
    free(listeners);
    listeners = NULL;
    listener_count = 0;
    free(cert);
    free(key);
    free(client_ca);
    cert = key = client_ca = NULL;
}
