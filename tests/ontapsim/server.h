/* The HTTP side: one listener per LIF, one thread per connection, whole bodies in, whole bodies
 * out. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "faults.h"
#include "model.h"

enum sim_cut { SIM_CUT_NONE, SIM_CUT_DROP, SIM_CUT_HALF, SIM_CUT_RESET };

enum { SIM_HEADERS = 6 };

struct sim_http {
    /* request */
    const char *method;
    const char *path;
    const struct sim_lif *lif; /* it came in there; NULL: the cluster's LIF */
    const char *uri;           /* as sent: path and query, not decoded */
    void *connection;
    const char *authorization; /* header, or NULL */
    const char *cert_name;     /* common name of a verified client certificate, or NULL */
    const char *last;          /* ?last=, or NULL */
    const char *body;          /* "" when there is none */
    size_t body_len;
    /* the rule that fires for this call; the front end matches it, the server applies it */
    struct sim_fault fault;
    /* reply */
    unsigned status;
    const char *type;
    struct sim_buf out;
    unsigned retry_after; /* seconds; 0: no such header */
    const char *location; /* header, or NULL */
    struct {
        const char *name;
        char *value;
    } headers[SIM_HEADERS];
    size_t header_count;
    enum sim_cut cut;
    bool last_one; /* the connection ends with this reply */
};

/* Open all listeners. 0, or -1 after a line on stderr. */
int sim_server_start(void);
/* One line on stdout for each listener, the cluster's first. */
void sim_server_announce(void);
void sim_server_stop(void);

/* A short text as the whole reply. */
void sim_http_text(struct sim_http *h, unsigned status, const char *text);

/* A header of the request, or NULL. */
const char *sim_http_header(const struct sim_http *h, const char *name);
/* One more header in the reply. The name is a constant, the value is copied. */
void sim_http_add(struct sim_http *h, const char *name, const char *value);

/* The front ends. */
void sim_rest_serve(struct sim_http *h);
void sim_zapi_serve(struct sim_http *h);
void sim_control_serve(struct sim_http *h);

#endif
