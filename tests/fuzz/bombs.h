/* Inputs that are meant to exhaust a parser, too large to lie in a repository. */
#ifndef FUZZ_BOMBS_H
#define FUZZ_BOMBS_H

#include <stddef.h>
#include <stdint.h>

struct bomb {
    const char *target; /* NULL: for all */
    const char *name;
    uint8_t *(*make)(size_t *size); /* owned by the caller */
};

extern const struct bomb bombs[]; /* ended by a NULL name */

#endif
