/*** JSON text.
 * @module engine.json
 */
#include "moonlua.h"

#include "memory.h"

#include <string.h>

/*** A value as JSON: keys sorted, so that the same value always gives the same text.
 * @function encode
 * @usage
 * assert(require("engine.json").encode({ guest = "web1", paused = 12 }) == '{"guest":"web1","paused":12}')
 * @param value plain data; an empty table is a list, `null()` is null
 * @tparam[opt=false] boolean pretty indented by two
 * @treturn string
 * @raise for what is not plain data, and for text that is not UTF-8
 */
static int json_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    size_t flags = JSON_SORT_KEYS | JSON_ENCODE_ANY;
    flags |= lua_toboolean(L, 2) ? JSON_INDENT(2) : JSON_COMPACT;
    json_t **box = moonlua_newjson(L);
    moonlua_tojson(L, 1, box);
    unsigned long failures = moon_memory_failures();
    char *text = moon_memory_dump(*box, flags);
    if (!text)
        return luaL_error(L, moon_memory_failures() == failures ? "not JSON: text that is not UTF-8"
                                                                : "out of memory");
    lua_pushstring(L, text);
    free(text);
    return 1;
}

/*** What null is in a list, where nil would end the list for those who go through it. `encode` takes it everywhere.
 * @function null
 * @usage
 * local json = require "engine.json"
 * assert(json.decode("[1,null,3]")[2] == json.null())
 * assert(json.encode({ comment = json.null() }) == '{"comment":null}')
 * @treturn userdata always the same value
 */
static int json_null_value(lua_State *L)
{
    moonlua_pushnull(L);
    return 1;
}

/*** JSON text as a value; null becomes nil, in a list `null()`.
 * @function decode
 * @usage
 * assert(require("engine.json").decode('{"paused":12}').paused == 12)
 * @tparam string text
 * @treturn[1] table|string|number|boolean
 * @return[2] nil
 * @treturn[2] Err `protocol` with line and column
 */
static int json_decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    json_t **box = moonlua_newjson(L);
    json_error_t e;
    *box =
        moon_memory_parse(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!*box) {
        struct moon_err err;
        moon_err_set(&err, MOON_PROTOCOL, MOON_SRC_ENGINE, 0, "json",
                     "json: line %d, column %d: %s", e.line, e.column, e.text);
        return moonlua_pusherr(L, &err);
    }
    moonlua_pushjson(L, *box);
    return 1;
}

int luaopen_engine_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"encode", json_encode}, {"decode", json_decode}, {"null", json_null_value}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
