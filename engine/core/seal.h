/* Sealed secrets: text that says nothing without its key file, and is refused when a byte of it was
 * changed. XChaCha20-Poly1305 of libsodium: its nonces are long enough to be drawn at random, so
 * that nothing must be counted or remembered between two calls.
 *
 * A sealed text is "sealed:1." and base64 (URL alphabet, no padding) of nonce, ciphertext and tag;
 * a key file is one line, "moonsnap-key-1 " and base64 of 32 bytes. Calls block on the disk. */
#ifndef MOON_SEAL_H
#define MOON_SEAL_H

#include "auto.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>

#define MOON_SEAL_PREFIX "sealed:1."
#define MOON_SEAL_MAX    4096 /* bytes of a secret */

/* Make a key file, mode 0600, in a directory that exists. MOON_EXISTS when there is one: a key is
 * never replaced, since what it sealed could not be read any more. */
int moon_seal_make_key(const char *path, struct moon_err *err);

/* guarded: the place of the key file says who may read it (systemd's directory of credentials), not
 * its mode. Without it MOON_DENIED when group or others may read the file, or when it belongs to
 * neither root nor this user. *out is owned by the caller (free). */
int moon_seal(const char *key_path, bool guarded, const void *secret, size_t len, char **out,
              struct moon_err *err);

/* *secret is owned by the caller and ended by a zero byte that len does not count. MOON_INVALID when
 * the text is no sealed one, was changed, or was sealed with another key; no message repeats it. */
int moon_unseal(const char *key_path, bool guarded, const char *sealed, char **secret, size_t *len,
                struct moon_err *err);

/* SHA-256 of a text in hexadecimal digits, ended by a zero byte. Says nothing of a long text that nobody can guess, and
 * gives a short one away to whoever tries them all. */
#define MOON_DIGEST_SIZE 65
void moon_digest(const void *text, size_t len, char out[MOON_DIGEST_SIZE]);

#endif
