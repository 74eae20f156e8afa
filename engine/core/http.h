/* HTTP exchanges on the loop's curl multi handle. Loop thread only. */
#ifndef MOON_HTTP_H
#define MOON_HTTP_H

#include "buf.h"
#include "err.h"
#include "op.h"

#include <stdbool.h>
#include <stddef.h>

struct moon_loop;

/* Every pointer is borrowed for the length of the call that takes the request. */
struct moon_http_request {
    const char *method;         /* "GET", "POST" ... */
    const char *url;            /* http:// or https:// only */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    const char *body;
    size_t body_len;
    const char *user, *password; /* Basic, sent at once; NULL for none */
    const char *ca_file;         /* PEM to trust instead of the system's; NULL for the system's */
    const char *cert,
        *key;        /* PEM files to log in with; key NULL: it stands in cert; NULL for none */
    const char *pin; /* "sha256//BASE64" of the server's public key; then no CA is asked */
    bool changes;    /* it must not be sent twice: see set_options */
    bool repeated;   /* the last attempt was lost: not over an old connection again */
    double timeout;  /* seconds for the whole exchange from its turn on; 0 = 60 */
    double connect_timeout; /* seconds; 0 = 10 */
    size_t max_reply;       /* bytes; 0 = 64 MiB */
};

struct moon_http_reply {
    long status; /* HTTP status */
    struct moon_buf body;
    char content_type[128];
    char location[512]; /* the Location header, whatever the status; "" when there was none */
    long retry_after;   /* seconds, 0 when the server did not say */
};

struct moon_http;

/* Starts an exchange. `done` is called once from the loop: err is NULL when a reply with any
 * status came in, and the reply belongs to the callee until it returns (steal the body if it is
 * needed longer). Redirects are never followed: they would carry the password elsewhere.
 * NULL with *err when it could not start. */
struct moon_http *moon_http_start(struct moon_loop *loop, const struct moon_http_request *req,
                                  void (*done)(void *arg, struct moon_http_reply *reply,
                                               const struct moon_err *err),
                                  void *arg, struct moon_err *err);

/* Ends an exchange without calling `done`; gives back its `arg`. */
void *moon_http_cancel(struct moon_loop *loop, struct moon_http *x);

/* An exchange as an operation, for scripts. `request` holds method, url, headers {name: value},
 * body, user, password, ca_file, pin, timeout; the result is {status, body, content_type}. */
struct moon_op *moon_http_op(const json_t *request, struct moon_err *err);

#endif
