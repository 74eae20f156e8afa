/*** Logging: `log.info(text)`, `warn`, `error`, `cmd`, `output`, `debug`, `trace`. Secrets that
 * were registered never appear.
 * @module engine.log
 */
#include "moonlua.h"

#include "log.h"

/*** Open the log files and say what goes to the console. A dry run writes no file.
 * @function open
 * @tparam {out=string,debug=string,error=string,verbose=boolean,console_debug=boolean,console_stdout=boolean,trace=boolean,quiet=boolean} options
 * @treturn[1] boolean true
 * @return[2] nil
 * @treturn[2] Err `denied`, `not_found`, `no_space`, `io`
 */
static int log_open(lua_State *L)
{
    json_t *a = moonlua_args(L, 1,
                             "{out:s? debug:s? error:s? verbose:b? console_debug:b? "
                             "console_stdout:b? trace:b? quiet:b?}");
    struct moon_log_options o = {
        .out = json_string_value(json_object_get(a, "out")),
        .debug = json_string_value(json_object_get(a, "debug")),
        .error = json_string_value(json_object_get(a, "error")),
        .verbose = json_is_true(json_object_get(a, "verbose")),
        .console_debug = json_is_true(json_object_get(a, "console_debug")),
        .console_stdout = json_is_true(json_object_get(a, "console_stdout")),
        .trace = json_is_true(json_object_get(a, "trace")),
        .quiet = json_is_true(json_object_get(a, "quiet")),
    };
    if (moonlua_get(L)->dry_run)
        o.out = o.debug = o.error = NULL;
    struct moon_err err;
    if (moon_log_open(&o, &err) < 0)
        return moonlua_pusherr(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

/*** Register a string that must never appear in a log.
 * @function secret
 * @tparam string text
 */
static int log_secret(lua_State *L)
{
    if (moon_log_secret(luaL_checkstring(L, 1)) < 0)
        return luaL_error(L, "out of memory");
    return 0;
}

/*** The text with every secret replaced.
 * @function redact
 * @tparam string text
 * @treturn string
 */
static int log_redact(lua_State *L)
{
    char *safe = moon_log_redact(luaL_checkstring(L, 1));
    lua_pushstring(L, safe ? safe : "");
    free(safe);
    return 1;
}

/*** Write a line of the log. `error` and `warn` are on the console, too; `cmd` and `output` are commands of the
 * site and what they say.
 * @function error
 * @function warn
 * @function info
 * @function cmd
 * @function output
 * @function debug
 * @function trace
 * @usage
 * require("engine.log").debug("guest web1: the queue is empty")
 * @param text the line; what is no string is made one
 */
/* One function per level; the level is the upvalue. */
static int log_line(lua_State *L)
{
    int level = (int)lua_tointeger(L, lua_upvalueindex(1));
    moon_log((enum moon_level)level, "%s", luaL_tolstring(L, 1, NULL));
    return 0;
}

int luaopen_engine_log(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open", log_open}, {"secret", log_secret}, {"redact", log_redact}, {NULL, NULL}};
    static const char *const levels[] = {"error",  "warn",  "info", "cmd",
                                         "output", "debug", "trace"};
    luaL_newlib(L, functions);
    for (int i = 0; i < MOON_LOG_LEVELS; i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, log_line, 1);
        lua_setfield(L, -2, levels[i]);
    }
    return 1;
}
