/* Between loop.c and http.c. */
#ifndef MOON_HTTP_PRIV_H
#define MOON_HTTP_PRIV_H

struct moon_loop;

/* Ends the transfers that curl reports as done. */
void moon_http_drain(struct moon_loop *loop);

#endif
