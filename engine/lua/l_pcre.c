/*** Regular expressions (PCRE2), with limits: no pattern hangs a run.
 * @module engine.pcre
 */
#include "moonlua.h"

#include "rx.h"

#define RX_TYPE "engine.Regex"

static struct moon_rx *check_rx(lua_State *L)
{
    return *(struct moon_rx **)luaL_checkudata(L, 1, RX_TYPE);
}

/*** Compile a pattern.
 * @function new
 * @usage
 * local rx = assert(require("engine.pcre").new("^web(\\d+)$"))
 * assert(assert(rx:match("web12")).groups[1] == "12")
 * @tparam string pattern
 * @tparam[opt] string flags any of "imsxub"
 * @treturn[1] Regex
 * @return[2] nil
 * @treturn[2] Err `invalid` with the offset
 */
static int rx_new(lua_State *L)
{
    const char *pattern = luaL_checkstring(L, 1);
    const char *flags = luaL_optstring(L, 2, NULL);
    struct moon_rx **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, RX_TYPE);
    struct moon_err err;
    if (moon_rx_new(pattern, flags, box, &err) < 0)
        return moonlua_pusherr(L, &err);
    return 1;
}

static int rx_gc(lua_State *L)
{
    struct moon_rx **box = lua_touserdata(L, 1);
    moon_rx_free(*box);
    *box = NULL;
    return 0;
}

/*** The first match: `{start, end, text, groups={...}, names={...}}`, offsets in bytes from 0.
 * @function Regex:match
 * @tparam string subject
 * @treturn[1] table|nil
 * @return[2] nil
 * @treturn[2] Err `invalid`
 */
static int rx_match(lua_State *L)
{
    struct moon_rx *rx = check_rx(L);
    size_t len;
    const char *subject = luaL_checklstring(L, 2, &len);
    json_t **box = moonlua_newjson(L);
    struct moon_err err;
    if (moon_rx_match(rx, subject, len, 0, box, &err) < 0)
        return moonlua_pusherr(L, &err);
    moonlua_pushholes(L, *box);
    return 1;
}

/*** All matches.
 * @function Regex:all
 * @tparam string subject
 * @treturn[1] {table,...}
 * @return[2] nil
 * @treturn[2] Err `invalid`
 */
static int rx_all(lua_State *L)
{
    struct moon_rx *rx = check_rx(L);
    size_t len;
    const char *subject = luaL_checklstring(L, 2, &len);
    json_t **box = moonlua_newjson(L);
    struct moon_err err;
    if (moon_rx_all(rx, subject, len, 0, box, &err) < 0)
        return moonlua_pusherr(L, &err);
    moonlua_pushholes(L, *box);
    return 1;
}

/*** Replace every match; `$1` and `${name}` stand for groups.
 * @function Regex:replace
 * @tparam string subject
 * @tparam string with
 * @treturn[1] string
 * @treturn[1] integer how many
 * @return[2] nil
 * @treturn[2] Err `invalid`
 */
static int rx_replace(lua_State *L)
{
    struct moon_rx *rx = check_rx(L);
    size_t len;
    const char *subject = luaL_checklstring(L, 2, &len);
    const char *with = luaL_checkstring(L, 3);
    struct moon_buf b = {0};
    size_t n = 0;
    struct moon_err err;
    if (moon_rx_replace(rx, subject, len, with, 0, &b, &n, &err) < 0) {
        moon_buf_free(&b);
        return moonlua_pusherr(L, &err);
    }
    lua_pushlstring(L, b.data ? b.data : "", b.len);
    moon_buf_free(&b);
    lua_pushinteger(L, (lua_Integer)n);
    return 2;
}

int luaopen_engine_pcre(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", rx_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"match", rx_match}, {"all", rx_all}, {"replace", rx_replace}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", rx_gc}, {NULL, NULL}};
    moonlua_class(L, RX_TYPE, meta);
    moonlua_methods(L, RX_TYPE);
    luaL_setfuncs(L, methods, 0);
    luaL_newlib(L, functions);
    return 1;
}
