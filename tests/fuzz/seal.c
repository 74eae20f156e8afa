/* Sealed secrets, and key files. The first byte says which of the two the rest is: nothing but what
 * was sealed with the key is ever opened. */
#include "fuzz.h"

#include "seal.h"

FUZZ(seal)
{
    static const char key[] = "moonsnap-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    static const char sealed[] =
        "sealed:1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct moon_err err = {0};
    char *secret = NULL;
    size_t len = 0;
    bool is_key = fuzz_byte(&data, &size) & 1;
    AUTO_FREE char *text = fuzz_text(data, size);
    const char *path =
        is_key ? fuzz_file(data, size) : fuzz_file((const uint8_t *)key, sizeof key - 1);
    if (fuzz_outcome(moon_unseal(path, true, is_key ? sealed : text, &secret, &len, &err), &err)) {
        fuzz_check(false, "opened what nobody sealed");
        free(secret);
    }
    /* What a key seals it opens, whatever the key file looks like. */
    char *box = NULL;
    memset(&err, 0, sizeof err);
    if (!fuzz_outcome(moon_seal(path, true, "word", 4, &box, &err), &err))
        return 0;
    bool same = moon_unseal(path, true, box, &secret, &len, &err) == 0 && len == 4 &&
                memcmp(secret, "word", 4) == 0;
    free(box);
    free(secret);
    fuzz_check(same, "a key that does not open what it sealed");
    return 0;
}
