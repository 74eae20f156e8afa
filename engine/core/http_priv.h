/* Between loop.c and http.c. */
#ifndef MOON_HTTP_PRIV_H
#define MOON_HTTP_PRIV_H

#include <curl/curl.h>

struct moon_loop;

struct moon_http;

/* Any thread, before any other call of curl's: initializes it once. */
void moon_http_init(void);

/* Set a text that curl copies; *rc is the first failure of several. Lost, it would mean something else:
 * another method, a proxy, any certificate. */
static inline void moon_http_text(CURL *easy, CURLoption option, const char *text, CURLcode *rc)
{
    CURLcode now = curl_easy_setopt(easy, option, text);
    *rc = *rc == CURLE_OK ? now : *rc;
}

/* Trust this file and nothing beside it: the directory of the system's CAs, which curl knows from its build,
 * would count as well. */
static inline void moon_http_trust(CURL *easy, const char *ca_file, CURLcode *rc)
{
    moon_http_text(easy, CURLOPT_CAINFO, ca_file, rc);
    moon_http_text(easy, CURLOPT_CAPATH, NULL, rc);
}

/* Ends the transfers that curl reports as done. */
void moon_http_drain(struct moon_loop *loop);

/* The end of the loop: what is under way is cancelled; nobody is told but its operation. */
void moon_http_drop_all(struct moon_loop *loop);

/* What the transfers of a loop have in common. */
CURLSH *moon_loop_share(struct moon_loop *loop);

/* How many transfers to one server may be under way. */
long moon_loop_connections(const struct moon_loop *loop);

/* Head of the list of transfers, kept by http.c. */
struct moon_http **moon_loop_transfers(struct moon_loop *loop);

#endif
