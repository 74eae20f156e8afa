#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char OP[] = "seal";
static const char KEY_PREFIX[] = "moonsnap-key-1 ";
static const char CONTEXT[] =
    "moonsnap secret 1"; /* sealed by the same key for another use: refused */

enum {
    KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
    MAX_BOX = NONCE_BYTES + MOON_SEAL_MAX + TAG_BYTES,
};

/* What is wiped on every way out. */
struct key {
    unsigned char bytes[KEY_BYTES];
    char text[sizeof KEY_PREFIX + 2 * (size_t)KEY_BYTES];
};

static void wipe_key(struct key *key)
{
    sodium_memzero(key, sizeof *key);
}

#define AUTO_KEY MOON_AUTO(wipe_key)

static int start(struct moon_err *err)
{
    if (sodium_init() < 0)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "libsodium does not start");
    return 0;
}

static int check_owner(int fd, const char *path, struct moon_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return moon_err_errno(err, errno, OP, "key file '%s'", path);
    if (st.st_mode & 077)
        return moon_err_set(
            err, MOON_DENIED, MOON_SRC_OS, 0, OP,
            "key file '%s': others may read or write it (mode %04o); run chmod 600 %s", path,
            (unsigned)st.st_mode & 07777, path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return moon_err_set(err, MOON_DENIED, MOON_SRC_OS, 0, OP,
                            "key file '%s': it belongs to user %u; run chown %u %s", path,
                            (unsigned)st.st_uid, (unsigned)geteuid(), path);
    return 0;
}

static int read_key(const char *path, bool guarded, struct key *key, struct moon_err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return moon_err_errno(err, errno, OP, "key file '%s'", path);
    if (!guarded && check_owner(fd, path, err) < 0)
        return -1;
    ssize_t n = read(fd, key->text, sizeof key->text - 1);
    if (n < 0)
        return moon_err_errno(err, errno, OP, "key file '%s'", path);
    key->text[n] = '\0';
    key->text[strcspn(key->text, "\r\n")] = '\0';
    size_t prefix = sizeof KEY_PREFIX - 1, len = 0;
    const char *base64 = key->text + prefix;
    if (strncmp(key->text, KEY_PREFIX, prefix) != 0 ||
        sodium_base642bin(key->bytes, sizeof key->bytes, base64, strlen(base64), NULL, &len, NULL,
                          BASE64) != 0 ||
        len != KEY_BYTES)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP,
                            "key file '%s': it does not hold a key of moonsnap", path);
    return 0;
}

static int sync_dir(const char *path)
{
    AUTO_FREE char *copy = strdup(path);
    if (!copy)
        return -1;
    AUTO_CLOSE int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && (fsync(fd) == 0 || errno == EINVAL) ? 0 : -1;
}

int moon_seal_make_key(const char *path, struct moon_err *err)
{
    if (start(err) < 0)
        return -1;
    AUTO_KEY struct key key;
    crypto_aead_xchacha20poly1305_ietf_keygen(key.bytes);
    size_t prefix = sizeof KEY_PREFIX - 1;
    memcpy(key.text, KEY_PREFIX, sizeof KEY_PREFIX);
    sodium_bin2base64(key.text + prefix, sizeof key.text - prefix - 1, key.bytes, KEY_BYTES,
                      BASE64);
    strcat(key.text, "\n"); /* room was left for it */

    AUTO_FREE char *temp = NULL;
    if (asprintf(&temp, "%s.XXXXXX", path) < 0) {
        temp = NULL;
        return moon_err_errno(err, ENOMEM, OP, "key file '%s'", path);
    }
    AUTO_CLOSE int fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return moon_err_errno(err, errno, OP, "key file '%s'", path);
    ssize_t len = (ssize_t)strlen(key.text);
    /* A link, and not a rename: of two that make the key at once one finds the other's. */
    int why = write(fd, key.text, (size_t)len) != len ? (errno ? errno : EIO)
              : fsync(fd) < 0                         ? errno
              : link(temp, path) < 0                  ? errno
                                                      : 0;
    unlink(temp);
    if (why || sync_dir(path) < 0)
        return moon_err_errno(err, why ? why : errno, OP, "key file '%s'", path);
    return 0;
}

int moon_seal(const char *key_path, bool guarded, const void *secret, size_t len, char **out,
              struct moon_err *err)
{
    AUTO_KEY struct key key;
    if (len == 0 || len > MOON_SEAL_MAX)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP, "a secret has 1 to %d bytes",
                            MOON_SEAL_MAX);
    if (start(err) < 0 || read_key(key_path, guarded, &key, err) < 0)
        return -1;
    unsigned char box[MAX_BOX];
    unsigned long long sealed = 0;
    randombytes_buf(box, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_BYTES, &sealed, secret, len,
                                               (const unsigned char *)CONTEXT, sizeof CONTEXT - 1,
                                               NULL, box, key.bytes);
    size_t bytes = NONCE_BYTES + (size_t)sealed, prefix = sizeof MOON_SEAL_PREFIX - 1;
    size_t room = prefix + sodium_base64_ENCODED_LEN(bytes, BASE64);
    char *text = malloc(room);
    if (!text)
        return moon_err_errno(err, ENOMEM, OP, "seal");
    memcpy(text, MOON_SEAL_PREFIX, prefix);
    sodium_bin2base64(text + prefix, room - prefix, box, bytes, BASE64);
    *out = text;
    return 0;
}

int moon_unseal(const char *key_path, bool guarded, const char *sealed, char **secret, size_t *len,
                struct moon_err *err)
{
    AUTO_KEY struct key key;
    unsigned char box[MAX_BOX];
    size_t bytes = 0, prefix = sizeof MOON_SEAL_PREFIX - 1;
    if (start(err) < 0)
        return -1;
    if (strncmp(sealed, MOON_SEAL_PREFIX, prefix) != 0 ||
        sodium_base642bin(box, sizeof box, sealed + prefix, strlen(sealed + prefix), NULL, &bytes,
                          NULL, BASE64) != 0 ||
        bytes <= NONCE_BYTES + TAG_BYTES)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP,
                            "the sealed text is not whole; write all that moonsnap seal printed");
    if (read_key(key_path, guarded, &key, err) < 0)
        return -1;
    char *text = calloc(1, bytes);
    if (!text)
        return moon_err_errno(err, ENOMEM, OP, "unseal");
    unsigned long long plain = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)text, &plain, NULL, box + NONCE_BYTES, bytes - NONCE_BYTES,
            (const unsigned char *)CONTEXT, sizeof CONTEXT - 1, box, key.bytes) != 0) {
        free(text);
        return moon_err_set(
            err, MOON_INVALID, MOON_SRC_ENGINE, 0, OP,
            "it was sealed with another key than that of '%s', or was changed since; "
            "run moonsnap seal again",
            key_path);
    }
    *secret = text;
    *len = (size_t)plain;
    return 0;
}

void moon_digest(const void *text, size_t len, char out[MOON_DIGEST_SIZE])
{
    unsigned char bytes[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(bytes, text, len);
    sodium_bin2hex(out, MOON_DIGEST_SIZE, bytes, sizeof bytes);
}
