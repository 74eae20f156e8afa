/*** Sealed secrets: text that says nothing without its key file.
 * @module engine.seal
 */
#include "moonlua.h"

#include "seal.h"

#include <stdlib.h>
#include <string.h>

static const char *key_of(const json_t *args)
{
    return json_string_value(json_object_get(args, "key"));
}

static bool guarded(const json_t *args)
{
    return json_is_true(json_object_get(args, "guarded"));
}

static int seal_make_key(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    return moon_seal_make_key(key_of(args), err);
}

static int seal_seal(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    json_t *secret = json_object_get(args, "secret");
    char *text = NULL;
    if (moon_seal(key_of(args), guarded(args), json_string_value(secret),
                  json_string_length(secret), &text, err) < 0)
        return -1;
    int rc = moon_op_give(out, json_string_nocheck(text), "seal", err);
    free(text);
    return rc;
}

static int seal_unseal(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    char *secret = NULL;
    size_t len = 0;
    if (moon_unseal(key_of(args), guarded(args), json_string_value(json_object_get(args, "sealed")),
                    &secret, &len, err) < 0)
        return -1;
    int rc = moon_op_give(out, json_stringn_nocheck(secret, len), "unseal", err);
    explicit_bzero(secret, len);
    free(secret);
    return rc;
}

static const struct moonlua_self plain = {.prefix = "seal"};
static const struct moonlua_prim functions[] = {
    /*** Make a key file, mode 0600. An existing one is never replaced.
     * @function make_key
     * @usage
     * local seal = require "engine.seal"
     * assert(seal.make_key(dir .. "/key"))
     * assert(seal.unseal(dir .. "/key", assert(seal.seal(dir .. "/key", "secret"))) == "secret")
     * @awaits
     * @tparam string key path; its directory exists
     * @treturn[1] boolean true
     * @return[2] nil
     * @treturn[2] Err `exists`, `denied`, `not_found`, `no_space`, `io` */
    {"make_key", "key:s", MOONLUA_CHANGES, seal_make_key},
    /*** Seal a secret.
     * @function seal
     * @awaits
     * @tparam string key path of the key file
     * @tparam string secret 1 to 4096 bytes
     * @tparam[opt] {guarded=boolean} options guarded: the key's directory says who may read it, not its mode
     * @treturn[1] string "sealed:1...."
     * @return[2] nil
     * @treturn[2] Err `not_found`, `denied` (others may read the key), `invalid` */
    {"seal", "key:s secret:d {guarded:b?}", 0, seal_seal},
    /*** The secret of a sealed text.
     * @function unseal
     * @awaits
     * @tparam string key path of the key file
     * @tparam string sealed
     * @tparam[opt] {guarded=boolean} options as for `seal`
     * @treturn[1] string
     * @return[2] nil
     * @treturn[2] Err `not_found`, `denied` (others may read the key), `invalid` (another key, or changed since) */
    {"unseal", "key:s sealed:s {guarded:b?}", 0, seal_unseal},
    {NULL, NULL, 0, NULL}};

/*** SHA-256 of a text. Do not let it stand for a secret: a short one is found by trying.
 * @function digest
 * @usage
 * assert(#require("engine.seal").digest("text") == 64)
 * @tparam string text
 * @treturn string 64 hexadecimal digits
 */
static int seal_digest(lua_State *L)
{
    size_t len = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    char digits[MOON_DIGEST_SIZE];
    moon_digest(text, len, digits);
    lua_pushstring(L, digits);
    return 1;
}

int luaopen_engine_seal(lua_State *L)
{
    static const luaL_Reg lib[] = {{"digest", seal_digest}, {NULL, NULL}};
    luaL_newlib(L, lib);
    moonlua_setprims(L, functions, &plain);
    return 1;
}
