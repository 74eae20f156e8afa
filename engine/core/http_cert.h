/* What certificate a server shows, for people who have to find out why it is not trusted. */
#ifndef MOON_HTTP_CERT_H
#define MOON_HTTP_CERT_H

#include "op.h"

/* Connects, lets the server show its certificate and sends nothing: no request, no login.
 * `args` holds host, port and, as in a request, ca_file, pin, timeout. The result is
 * {subject, issuer, names, starts, expires (epoch seconds), pem, verified ("system", "ca_file",
 * "pin") or problem (why a request would be refused)}; what the TLS library does not tell is left
 * out. A worker thread does it. */
struct moon_op *moon_http_certificate_op(const json_t *args, struct moon_err *err);

#endif
