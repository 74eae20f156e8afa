/*** Time.
 * @module engine.clock
 */
#include "moonlua.h"

#include "clock.h"

/*** Seconds of a clock that never jumps, for durations.
 * @function mono
 * @usage
 * local clock = require "engine.clock"
 * local from = clock.mono()
 * print(("took %.1f s"):format(clock.mono() - from))
 * @treturn number
 */
static int clock_mono(lua_State *L)
{
    lua_pushnumber(L, moon_clock_mono());
    return 1;
}

/*** Seconds since 1970, UTC.
 * @function now
 * @treturn number
 */
static int clock_now(lua_State *L)
{
    lua_pushnumber(L, moon_clock_real());
    return 1;
}

/*** A time as text.
 * @function format
 * @usage
 * assert(require("engine.clock").format(0, "%Y", true) == "1970")
 * @tparam number epoch
 * @tparam string format as strftime's
 * @tparam[opt=false] boolean utc UTC instead of local time
 * @treturn[1] string
 * @return[2] nil
 * @treturn[2] Err `invalid`
 */
static int clock_format(lua_State *L)
{
    double epoch = luaL_checknumber(L, 1);
    const char *format = luaL_checkstring(L, 2);
    char out[256];
    struct moon_err err;
    if (moon_clock_format(epoch, format, lua_toboolean(L, 3), out, sizeof out, &err) < 0)
        return moonlua_pusherr(L, &err);
    lua_pushstring(L, out);
    return 1;
}

/*** "YYYYMMDDhhmmss" of local time to seconds since 1970.
 * @function parse_stamp
 * @tparam string stamp
 * @treturn[1] integer
 * @return[2] nil
 * @treturn[2] Err `invalid`
 */
static int clock_parse_stamp(lua_State *L)
{
    const char *stamp = luaL_checkstring(L, 1);
    int64_t epoch;
    struct moon_err err;
    if (moon_clock_parse_stamp(stamp, true, &epoch, &err) < 0)
        return moonlua_pusherr(L, &err);
    lua_pushinteger(L, epoch);
    return 1;
}

int luaopen_engine_clock(lua_State *L)
{
    static const luaL_Reg functions[] = {{"mono", clock_mono},
                                         {"now", clock_now},
                                         {"format", clock_format},
                                         {"parse_stamp", clock_parse_stamp},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
