/* The HTTP side, inside: what libmicrohttpd calls for each request, and the listeners that make it
 * do so. */
#ifndef SIM_SERVER_PRIV_H
#define SIM_SERVER_PRIV_H

#include "server.h"

#include <microhttpd.h>

/* The request line has been read: the exchange begins. */
void *sim_server_begin(void *cls, const char *uri, struct MHD_Connection *c);
/* cls: the LIF (const struct sim_lif *) that the request came in on; NULL: the cluster's. */
enum MHD_Result sim_server_handle(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state);
void sim_server_done(void *cls, struct MHD_Connection *c, void **state,
                     enum MHD_RequestTerminationCode why);
void sim_server_notify(void *cls, struct MHD_Connection *c, void **context,
                       enum MHD_ConnectionNotificationCode what);

#endif
