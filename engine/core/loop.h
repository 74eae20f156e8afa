/* The event loop. It waits at one point, in curl_multi_poll (in poll before the first request):
 * HTTP transfers, completions posted by workers, timers and signals all end it. Everything here belongs to the loop thread, except
 * moon_loop_post. */
#ifndef MOON_LOOP_H
#define MOON_LOOP_H

#include "err.h"

#include <curl/curl.h>

struct moon_loop;
struct moon_op;
struct moon_work;

struct moon_loop *moon_loop_new(struct moon_err *err);

/* Cancels transfers, stops the workers (waiting at most `seconds`), frees the loop. */
void moon_loop_free(struct moon_loop *loop, double seconds);

struct moon_work *moon_loop_work(struct moon_loop *loop);
/* Made by the first call; NULL when memory is out. */
CURLM *moon_loop_curl(struct moon_loop *loop);

/* How many requests may be under way to one address at once: 4 unless somebody says otherwise, and
 * then the largest wish. */
void moon_loop_allow_connections(struct moon_loop *loop, long count);

/* Any thread: `op` has run, or what it waits for has come; it will be completed by the next moon_loop_once. */
void moon_loop_post(struct moon_loop *loop, struct moon_op *op);

/* Waits for something to happen, at most max_wait seconds, and handles all of it. */
void moon_loop_once(struct moon_loop *loop, double max_wait);

/* An operation that completes after `seconds` (sleep). Owned by the caller. NULL: no memory. */
struct moon_op *moon_loop_timer(double seconds);

/* An operation that completes when somebody calls moon_loop_fire (join, events). */
struct moon_op *moon_loop_event(void);
void moon_loop_fire(struct moon_op *event);

/* A descriptor that ends the wait when readable; `ready` is then called. One at most. */
void moon_loop_watch(struct moon_loop *loop, int fd, void (*ready)(void *arg), void *arg);

#endif
