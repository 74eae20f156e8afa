/* Regular expressions (PCRE2), bounded so that no pattern can hang a run or eat the memory.
 *
 * A compiled expression never changes: any number of threads may use one at once. Nothing blocks.
 * Offsets are bytes from the start of the subject, 0-based, the end exclusive. */
#ifndef MOON_RX_H
#define MOON_RX_H

#include "auto.h"
#include "buf.h"
#include "err.h"

#include <jansson.h>
#include <stddef.h>

#define MOON_RX_MAX_PATTERN 65536
#define MOON_RX_UNSET       ((size_t)-1)

struct moon_rx;

struct moon_rx_span {
    size_t start; /* MOON_RX_UNSET, both, for a group that took no part in the match */
    size_t end;
};

/* flags: any of "i" (caseless), "m" (^ and $ at every line), "s" (dot matches line feed), "x"
 * (white space and # comments in the pattern), "u" (\w, \d and the like by Unicode), "b" (bytes:
 * without it pattern and subject are UTF-8). NULL means none.
 * *out is owned by the caller: moon_rx_free. MOON_INVALID with PCRE2's text and the offset. */
int moon_rx_new(const char *pattern, const char *flags, struct moon_rx **out, struct moon_err *err);
void moon_rx_free(struct moon_rx *rx);

/* Number of capture groups; the name of group 1..n, NULL when it has none (borrowed). */
size_t moon_rx_groups(const struct moon_rx *rx);
const char *moon_rx_group_name(const struct moon_rx *rx, size_t group);

/* Search subject[0..len) from offset start. 1 when it matches: spans[0] is the whole match,
 * spans[n] group n, as many as count says. 0 when it does not; -1 is an error: MOON_INVALID when
 * the subject is not UTF-8 or a limit was reached. */
int moon_rx_exec(const struct moon_rx *rx, const char *subject, size_t len, size_t start,
                 struct moon_rx_span *spans, size_t count, struct moon_err *err);

/* The same as a record {start, end (integers), text, groups = [text, or null when unset], names =
 * {name = text}}; JSON null when there is no match. With "b" texts may hold any bytes. */
int moon_rx_match(const struct moon_rx *rx, const char *subject, size_t len, size_t start,
                  json_t **out, struct moon_err *err);

/* All matches, left to right, as an array of such records; at most max (0: no limit). */
int moon_rx_all(const struct moon_rx *rx, const char *subject, size_t len, size_t max, json_t **out,
                struct moon_err *err);

/* Add subject to b with at most max matches (0: all) replaced: $0 to $99, ${1} and ${name} stand
 * for groups (empty when unset), $$ for a dollar. *replaced may be NULL. MOON_INVALID for a
 * reference to a group that the pattern lacks. On failure b may hold part of the result. */
int moon_rx_replace(const struct moon_rx *rx, const char *subject, size_t len, const char *with,
                    size_t max, struct moon_buf *b, size_t *replaced, struct moon_err *err);

static inline void moon_auto_rx(struct moon_rx **rx)
{
    moon_rx_free(*rx);
}

#define AUTO_RX MOON_AUTO(moon_auto_rx)

#endif
