/* The other side of a connection: a thread that says what the input holds to whoever asks. */
#ifndef FUZZ_PEER_H
#define FUZZ_PEER_H

#include "fuzz.h"

/* Listens on this socket, once per process. */
void fuzz_peer_start(int listener);

/* What the next connections get, and then the end of the stream, once they have asked: up to `end`, or
 * with NULL as many bytes as the size_t at the beginning says. Borrowed until the next call, which
 * waits until a connection that is open has been served. */
void fuzz_peer_says(const void *data, size_t size, const char *end);

#endif
