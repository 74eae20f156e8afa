/* One HTTP request: collect its body, find the front end, send what that made. */
#include "server_priv.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BODY_LIMIT = 4 << 20 };

struct exchange {
    char *uri;
    bool started;
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
    for (size_t i = 0; i < h->header_count; i++)
        MHD_add_response_header(r, h->headers[i].name, h->headers[i].value);
    if (h->status == 401)
        MHD_add_response_header(r, "WWW-Authenticate", "Basic realm=\"Administration\"");
    if (h->location)
        MHD_add_response_header(r, "Location", h->location);
    snprintf(seconds, sizeof(seconds), "%u", h->retry_after);
    if (h->retry_after)
        MHD_add_response_header(r, "Retry-After", seconds);
    if (h->last_one)
        MHD_add_response_header(r, "Connection", "close");
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

const char *sim_http_header(const struct sim_http *h, const char *name)
{
    return h->connection ? MHD_lookup_connection_value(h->connection, MHD_HEADER_KIND, name) : NULL;
}

void sim_http_add(struct sim_http *h, const char *name, const char *value)
{
    if (h->header_count == SIM_HEADERS)
        return;
    h->headers[h->header_count].name = name;
    h->headers[h->header_count++].value = sim_dup(value);
}

static void release(struct sim_http *h)
{
    sim_buf_free(&h->out);
    while (h->header_count)
        free(h->headers[--h->header_count].value);
}

static void route(struct sim_http *h, bool too_big)
{
    if (too_big)
        sim_http_text(h, 413, "The body is too large.");
    else if (!strcmp(h->path, "/servlets/netapp.servlets.admin.XMLrequest_filer"))
        sim_zapi_serve(h);
    else if (!strcmp(h->path, "/api") || !strncmp(h->path, "/api/", 5))
        sim_rest_serve(h);
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
void sim_server_notify(void *cls, struct MHD_Connection *c, void **context,
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

/* The common name of a client certificate that the configured authority has signed, or NULL. */
static const char *peer_name(struct MHD_Connection *c, char *name, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_session_t session = info ? info->tls_session : NULL;
    gnutls_x509_crt_t crt = NULL;
    unsigned count = 0, status = 0;
    const gnutls_datum_t *list = session ? gnutls_certificate_get_peers(session, &count) : NULL;
    if (!list || !count || gnutls_certificate_verify_peers2(session, &status) || status ||
        gnutls_x509_crt_init(&crt))
        return NULL;
    bool found =
        !gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER) &&
        !gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size);
    gnutls_x509_crt_deinit(crt);
    return found ? name : NULL;
}

void *sim_server_begin(void *cls, const char *uri, struct MHD_Connection *c)
{
    struct exchange *x = sim_alloc(1, sizeof(*x));
    (void)cls;
    (void)c;
    x->uri = sim_dup(uri);
    return x;
}

enum MHD_Result sim_server_handle(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state)
{
    (void)version;
    struct exchange *x = *state;
    struct sim_http h = {.method = method, .path = url, .uri = x->uri, .connection = c, .lif = cls};
    char name[256];
    if (!x->started) {
        x->started = true;
        /* No idle limit while a call is carried out, however long that takes. */
        MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0);
        if (!announced_too_big(c))
            return MHD_YES;
        route(&h, true);
        enum MHD_Result refused = send_reply(c, &h);
        release(&h);
        return refused;
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
    h.cert_name = sim.client_ca ? peer_name(c, name, sizeof(name)) : NULL;
    h.authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    h.last = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "last");
    unsigned ordinal = next_request(c);
    h.last_one = sim.connection_requests && ordinal >= sim.connection_requests;
    sim_fault_connection(ordinal);
    route(&h, x->too_big);
    sim_fault_apply(&h.fault, &h);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, sim.idle_seconds);
    enum MHD_Result rc = send_reply(c, &h);
    release(&h);
    return rc;
}

void sim_server_done(void *cls, struct MHD_Connection *c, void **state,
                     enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *state;
    (void)cls;
    (void)c;
    (void)why;
    if (!x)
        return;
    sim_buf_free(&x->body);
    free(x->uri);
    free(x);
    *state = NULL;
}
