/* The parsers of the Lua library, which parsers.lua lists by target. */
#ifndef INTERP_H
#define INTERP_H

#include <stddef.h>
#include <stdint.h>

/* Runs the parser of a target whose letter is the first byte on the other bytes. Always 0. */
int fuzz_lua(const char *target, const uint8_t *data, size_t size);

#endif
