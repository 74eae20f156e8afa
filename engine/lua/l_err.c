/*** Error objects: tables with `code`, `message`, `source`, `native`, `op`, optional `cause`, `scf`
 * (a framework code such as scf-00037) and `exit` (the process's exit code it asks for). Where it comes from: `at`
 * ("FILE:LINE", the script's line) and `after` (the number of the last call before it; see `engine.trace`).
 * @module engine.err
 */
#include "moonlua.h"

#include <string.h>

/*** Make an error object of a table; `code` must be one of the closed list.
 * @function new
 * @usage
 * local failed = require("engine.err").new { code = "not_found", message = "guest 'web1': is not defined" }
 * assert(failed.code == "not_found" and tostring(failed):find("web1"))
 * @tparam table t code and message are required
 * @treturn Err the same table
 * @raise for a code that is not in the list
 */
static int err_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "code");
    const char *code = luaL_optstring(L, -1, "");
    int i = 1;
    while (i < MOON_CODE_COUNT && strcmp(code, moon_code_name((enum moon_code)i)) != 0)
        i++;
    if (i == MOON_CODE_COUNT)
        return luaL_error(L, "'%s' is not an error code", code);
    if (lua_getfield(L, 1, "message") != LUA_TSTRING)
        return luaL_error(L, "an error needs a message");
    if (lua_getfield(L, 1, "source") == LUA_TNIL) {
        lua_pushliteral(L, "engine");
        lua_setfield(L, 1, "source");
    }
    lua_settop(L, 1);
    moonlua_markerr(L);
    moonlua_placeerr(L);
    return 1;
}

/*** Whether a value is an error object.
 * @function is
 * @param value anything
 * @treturn boolean whether it is an error object
 */
static int err_is(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, moonlua_iserr(L, 1));
    return 1;
}

/*** As the handler of `xpcall`: what was raised as an error object, which has also its `traceback`. One that
 * is an error object stays the same.
 * @function caught
 * @usage
 * local err = require "engine.err"
 * local ok, failed = xpcall(function() error("boom") end, err.caught)
 * assert(not ok and failed.code == "internal" and failed.message:find("boom") and failed.traceback)
 * @param raised anything
 * @treturn Err
 */

/*** The closed list of codes.
 * @function codes
 * @treturn {string,...}
 */
static int err_codes(lua_State *L)
{
    lua_newtable(L);
    for (int i = 1; i < MOON_CODE_COUNT; i++) {
        lua_pushstring(L, moon_code_name((enum moon_code)i));
        lua_rawseti(L, -2, i);
    }
    return 1;
}

int luaopen_engine_err(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", err_new},
                                         {"is", err_is},
                                         {"codes", err_codes},
                                         {"caught", moonlua_caught},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
