/* The HTTP side: one listener per LIF, one thread per connection, whole bodies in, whole bodies
 * out. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "faults.h"
#include "model.h"

enum sim_cut { SIM_CUT_NONE, SIM_CUT_DROP, SIM_CUT_HALF, SIM_CUT_RESET };

struct sim_http {
    /* request */
    const char *method;
    const char *path;
    const struct sim_lif *lif; /* it came in there; NULL: the cluster's LIF */
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
    enum sim_cut cut;
};

/* Open all listeners. 0, or -1 after a line on stderr. */
int sim_server_start(void);
/* One line on stdout for each listener, the cluster's first. */
void sim_server_announce(void);
void sim_server_stop(void);

/* A short text as the whole reply. */
void sim_http_text(struct sim_http *h, unsigned status, const char *text);

/* The front ends. */
void sim_zapi_serve(struct sim_http *h);
void sim_control_serve(struct sim_http *h);

#endif
