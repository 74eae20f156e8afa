/* seal.c: key files, sealing, and everything that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "seal.h"
#include "tempdir.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(at(name), 0600);
}

static void make(const char *name)
{
    struct moon_err err = {0};
    if (moon_seal_make_key(at(name), &err) < 0)
        fail_msg("%s", err.message);
}

static char *seal(const char *key, const char *secret)
{
    struct moon_err err = {0};
    char *out = NULL;
    if (moon_seal(at(key), false, secret, strlen(secret), &out, &err) < 0)
        fail_msg("%s", err.message);
    return out;
}

static void refused(const char *key, const char *sealed, enum moon_code code, const char *why)
{
    struct moon_err err = {0};
    char *secret = NULL;
    size_t len = 0;
    assert_int_equal(moon_unseal(at(key), false, sealed, &secret, &len, &err), -1);
    if (err.code != code || !strstr(err.message, why))
        fail_msg("got %s: %s; want %s", moon_code_name(err.code), err.message, why);
    assert_null(secret);
}

static void test_key(void **state)
{
    (void)state;
    struct moon_err err = {0};
    make("key");
    struct stat st;
    assert_int_equal(stat(at("key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    AUTO_FREE char *sealed = seal("key", "pw");
    assert_int_equal(moon_seal_make_key(at("key"), &err), -1);
    assert_int_equal(err.code, MOON_EXISTS);
    /* The old key still opens what it sealed. */
    AUTO_FREE char *secret = NULL;
    size_t len = 0;
    assert_int_equal(moon_unseal(at("key"), false, sealed, &secret, &len, &err), 0);
    assert_int_equal(moon_seal_make_key(at("none/key"), &err), -1);
    assert_int_equal(err.code, MOON_NOT_FOUND);
}

static void *make_one(void *arg)
{
    struct moon_err err = {0};
    int *made = arg;
    *made = moon_seal_make_key(at("race"), &err) == 0;
    return NULL;
}

static void test_race(void **state)
{
    (void)state;
    pthread_t threads[8];
    int made[8] = {0}, sum = 0;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_one, &made[i]), 0);
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        sum += made[i];
    }
    assert_int_equal(sum, 1);
    AUTO_FREE char *sealed = seal("race", "x");
    assert_non_null(sealed);
}

static void test_round(void **state)
{
    (void)state;
    char big[MOON_SEAL_MAX + 1];
    memset(big, 'a', sizeof big);
    big[MOON_SEAL_MAX] = '\0';
    const char *const secrets[] = {"x", "geheim7;:/%SNAME", "\xc3\xa4 \xff", big};
    make("key1");
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct moon_err err = {0};
        AUTO_FREE char *one = seal("key1", secrets[i]);
        AUTO_FREE char *two = seal("key1", secrets[i]);
        assert_string_not_equal(one, two); /* two seals of one secret do not show that it is one */
        assert_int_equal(
            strspn(one, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:."),
            strlen(one)); /* nothing that means something in a config */
        AUTO_FREE char *secret = NULL;
        size_t len = 0;
        assert_int_equal(moon_unseal(at("key1"), false, one, &secret, &len, &err), 0);
        assert_int_equal(len, strlen(secrets[i]));
        assert_string_equal(secret, secrets[i]);
    }
    struct moon_err err = {0};
    char *out = NULL;
    assert_int_equal(moon_seal(at("key1"), false, "", 0, &out, &err), -1);
    assert_int_equal(moon_seal(at("key1"), false, big, MOON_SEAL_MAX + 1, &out, &err), -1);
    assert_int_equal(err.code, MOON_INVALID);
}

static void test_changed(void **state)
{
    (void)state;
    make("key2");
    make("other");
    AUTO_FREE char *sealed = seal("key2", "geheim7");
    refused("other", sealed, MOON_INVALID, "sealed with another key than that of");
    size_t prefix = strlen(MOON_SEAL_PREFIX), len = strlen(sealed);
    for (size_t i = prefix; i < len; i++) { /* every single character counts */
        char was = sealed[i];
        sealed[i] = was == 'A' ? 'B' : 'A';
        struct moon_err err = {0};
        char *secret = NULL;
        size_t n = 0;
        if (moon_unseal(at("key2"), false, sealed, &secret, &n, &err) == 0)
            fail_msg("character %zu does not count", i);
        sealed[i] = was;
    }
    for (size_t i = 0; i < len; i++) { /* and none may be missing */
        char was = sealed[i];
        sealed[i] = '\0';
        struct moon_err err = {0};
        char *secret = NULL;
        size_t n = 0;
        assert_int_equal(moon_unseal(at("key2"), false, sealed, &secret, &n, &err), -1);
        sealed[i] = was;
    }
    refused("key2", "sealed:2.AAAA", MOON_INVALID, "not whole");
    refused("key2", "sealed:1.", MOON_INVALID, "not whole");
    refused("key2", "sealed:1.!!", MOON_INVALID, "not whole");
}

static void test_bad_keys(void **state)
{
    (void)state;
    make("key3");
    AUTO_FREE char *sealed = seal("key3", "geheim7");
    refused("absent", sealed, MOON_NOT_FOUND, "key file");
    static const mode_t modes[] = {0640, 0604, 0660, 0602};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        chmod(at("key3"), modes[i]);
        refused("key3", sealed, MOON_DENIED, "run chmod 600");
    }
    /* What a credential directory guards is not judged by its mode. */
    struct moon_err err = {0};
    AUTO_FREE char *secret = NULL;
    size_t len = 0;
    chmod(at("key3"), 0440);
    assert_int_equal(moon_unseal(at("key3"), true, sealed, &secret, &len, &err), 0);
    static const char *const texts[] = {
        "",
        "\n",
        "moonsnap-key-1 \n",
        "moonsnap-key-1 AAAA\n",
        "moonsnap-key-2 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
        "moonsnap-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("bad", texts[i]);
        refused("bad", sealed, MOON_INVALID, "does not hold a key of moonsnap");
    }
    if (geteuid() == 0) {
        put("theirs", "moonsnap-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
        assert_int_equal(chown(at("theirs"), 65534, 65534), 0);
        refused("theirs", sealed, MOON_DENIED, "belongs to user 65534");
    }
}

static int setup(void **state)
{
    (void)state;
    return make_dir("seal");
}

static int teardown(void **state)
{
    (void)state;
    static const char *const made[] = {"key",   "race", "key1", "key2",
                                       "other", "key3", "bad",  "theirs"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        remove(at(made[i]));
    return rmdir(dir); /* a file left beside the keys fails here */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key),      cmocka_unit_test(test_race),
        cmocka_unit_test(test_round),    cmocka_unit_test(test_changed),
        cmocka_unit_test(test_bad_keys),
    };
    return cmocka_run_group_tests_name("seal", tests, setup, teardown);
}
