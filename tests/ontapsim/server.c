/* HTTP over libmicrohttpd: collect a body, find the front end, send what it made. */
#include "server.h"
#include "cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BODY_LIMIT = 4 << 20, IDLE_SECONDS = 30, CONNECTIONS = 400 };

static struct MHD_Daemon *daemon_;
static char *cert, *key;

struct exchange {
    struct sim_buf body;
    bool too_big;
};

/* Send half, then fail: the peer sees fewer bytes than Content-Length promised. */
struct half {
    char *data;
    size_t len;
};

static ssize_t half_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    const struct half *h = cls;
    if (pos >= h->len)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t n = h->len - (size_t)pos < max ? h->len - (size_t)pos : max;
    memcpy(buf, h->data + pos, n);
    return (ssize_t)n;
}

static void half_free(void *cls)
{
    struct half *h = cls;
    free(h->data);
    free(h);
}

static struct MHD_Response *make_response(struct sim_http *h)
{
    size_t len = h->out.len;
    char *data = h->out.data ? h->out.data : sim_dup("");
    h->out = (struct sim_buf){0};
    if (h->cut != SIM_CUT_HALF)
        return MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    struct half *half = sim_alloc(1, sizeof(*half));
    *half = (struct half){data, len / 2};
    return MHD_create_response_from_callback(len, 4096, half_read, half, half_free);
}

/* A socket that is connected to nobody sends RST, below TLS and at once. */
static void reset(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (info && connect(info->connect_fd, &nobody, sizeof(nobody)))
        sim_log("reset: %s", strerror(errno));
}

static enum MHD_Result send_reply(struct MHD_Connection *c, struct sim_http *h)
{
    char seconds[16];
    if (h->cut == SIM_CUT_RESET)
        reset(c);
    if (h->cut == SIM_CUT_DROP || h->cut == SIM_CUT_RESET)
        return MHD_NO;
    struct MHD_Response *r = make_response(h);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", h->type ? h->type : "text/plain");
    MHD_add_response_header(r, "Cache-Control", "no-cache,no-store");
    if (h->status == 401)
        MHD_add_response_header(r, "WWW-Authenticate", "Basic realm=\"Administration\"");
    if (h->location)
        MHD_add_response_header(r, "Location", h->location);
    snprintf(seconds, sizeof(seconds), "%u", h->retry_after);
    if (h->retry_after)
        MHD_add_response_header(r, "Retry-After", seconds);
    enum MHD_Result rc = MHD_queue_response(c, h->status, r);
    MHD_destroy_response(r);
    return rc;
}

void sim_http_text(struct sim_http *h, unsigned status, const char *text)
{
    h->status = status;
    h->type = "text/plain; charset=utf-8";
    h->out.len = 0;
    sim_buf_addf(&h->out, "%s\n", text);
}

static void route(struct sim_http *h, bool too_big)
{
    if (too_big)
        sim_http_text(h, 413, "The body is too large.");
    else if (!strcmp(h->path, "/servlets/netapp.servlets.admin.XMLrequest_filer"))
        sim_zapi_serve(h);
    else if (!strncmp(h->path, "/sim/", 5))
        sim_control_serve(h);
    else
        sim_http_text(h, 404, "Not found.");
}

static bool announced_too_big(struct MHD_Connection *c)
{
    const char *len = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    uint64_t n;
    return len && !sim_number(len, 0, BODY_LIMIT, &n);
}

/* A counter for each connection. */
static void notify(void *cls, struct MHD_Connection *c, void **context,
                   enum MHD_ConnectionNotificationCode what)
{
    (void)cls;
    (void)c;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = sim_alloc(1, sizeof(unsigned));
    } else {
        free(*context);
        *context = NULL;
    }
}

static unsigned next_request(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    unsigned *count = info ? info->socket_context : NULL;
    return count ? ++*count : 1;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **state)
{
    (void)cls;
    (void)version;
    struct exchange *x = *state;
    struct sim_http h = {.method = method, .path = url};
    if (!x) {
        *state = x = sim_alloc(1, sizeof(*x));
        /* No idle limit while a call is carried out, however long that takes. */
        MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0);
        if (!announced_too_big(c))
            return MHD_YES;
        route(&h, true);
        return send_reply(c, &h);
    }
    if (*len) {
        x->too_big = x->too_big || x->body.len + *len > BODY_LIMIT;
        if (!x->too_big)
            sim_buf_add(&x->body, data, *len);
        *len = 0;
        return MHD_YES;
    }
    h.body = x->body.data ? x->body.data : "";
    h.body_len = x->body.len;
    h.authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    h.last = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "last");
    sim_fault_connection(next_request(c));
    route(&h, x->too_big);
    sim_fault_apply(&h.fault, &h);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_SECONDS);
    enum MHD_Result rc = send_reply(c, &h);
    sim_buf_free(&h.out);
    return rc;
}

static void done(void *cls, struct MHD_Connection *c, void **state,
                 enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *state;
    (void)cls;
    (void)c;
    (void)why;
    if (x)
        sim_buf_free(&x->body);
    free(x);
    *state = NULL;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Into out, terminated; false when it is no base64, too long or holds a zero byte. */
static bool base64(const char *text, char *out, size_t size)
{
    unsigned bits = 0, have = 0;
    size_t n = 0;
    for (; *text && *text != '='; text++) {
        int d = base64_digit(*text);
        if (d < 0)
            return false;
        bits = (bits << 6 | (unsigned)d) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (n + 1 >= size || !(bits >> have & 0xff))
                return false;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    out[n] = '\0';
    return strspn(text, "=") == strlen(text);
}

const struct sim_user *sim_server_login(const char *authorization)
{
    char plain[1024];
    if (!authorization || strncasecmp(authorization, "Basic ", 6) != 0)
        return NULL;
    authorization += 6 + strspn(authorization + 6, " ");
    if (!base64(authorization, plain, sizeof(plain)))
        return NULL;
    char *colon = strchr(plain, ':');
    if (!colon)
        return NULL;
    *colon = '\0';
    for (size_t i = 0; i < sim.user_count; i++) {
        if (!strcmp(sim.users[i].name, plain) && !strcmp(sim.users[i].password, colon + 1))
            return &sim.users[i];
    }
    return NULL;
}

static int listen_socket(uint16_t *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(sim.listen_port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(sim.listen_port)};
    bool is_v4 = inet_pton(AF_INET, sim.listen_host, &v4.sin_addr) == 1;
    struct sockaddr *addr = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);
    int one = 1;
    if (!is_v4 && inet_pton(AF_INET6, sim.listen_host, &v6.sin6_addr) != 1)
        return -1;
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, addr, size) || listen(fd, 128) || getsockname(fd, addr, &size)) {
        sim_log("listen on %s port %u: %s", sim.listen_host, sim.listen_port, strerror(errno));
        sim_auto_close(&fd);
        return -1;
    }
    *port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
    return fd;
}

int sim_server_start(uint16_t *port)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;
    int fd = listen_socket(port);
    if (fd < 0)
        return -1;
    if (!sim.http && sim_cert_load(&cert, &key)) {
        close(fd);
        return -1;
    }
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, cert},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, key},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    daemon_ = MHD_start_daemon(
        flags | (sim.http ? 0 : (unsigned)MHD_USE_TLS), 0, NULL, NULL, handle, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, done, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, notify, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_ARRAY, sim.http ? plain : tls, MHD_OPTION_END);
    if (!daemon_) {
        sim_log("the HTTP server does not start; are certificate and key a pair?");
        close(fd);
        return -1;
    }
    return 0;
}

void sim_server_stop(void)
{
    if (daemon_)
        MHD_stop_daemon(daemon_);
    daemon_ = NULL;
    free(cert);
    free(key);
    cert = key = NULL;
}
