/*** The last calls of this process to what lies outside of it: for messages about failures. `std.failure` is
 * made of it.
 * @module engine.trace
 */
#include "moonlua.h"

#include "clock.h"

#include <string.h>

#define KEPT 256 /* calls; a failure in a big run undoes less than that */

struct call {
    long number;                  /* from 1 on; 0: a place that was never used */
    bool changes, failed, direct; /* failed: also one that was given up */
    double begun, took;           /* took < 0: under way */
    char op[40], object[96], args[160], at[192], code[16], message[256];
};

struct moonlua_trace {
    long count;
    struct call calls[KEPT];
};

static const char
    open_handles, /* registry key: weak table of handles that want closing -> where opened */
    kept_values; /* the same of Lua's values, which are closed at the end when the script did not */

/* --- where ------------------------------------------------------------------------------- */

static bool shipped(const char *source)
{
    return strncmp(source, "@stdlib/", 8) == 0 || strncmp(source, "@scripts/", 9) == 0;
}

bool moonlua_place(lua_State *L, char *place, size_t size)
{
    lua_Debug ar;
    bool found = false;
    place[0] = '\0';
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.source[0] != '@' || ar.currentline <= 0)
            continue;
        bool ours = shipped(ar.source);
        if (!ours || !found)
            snprintf(place, size, "%s:%d", ar.source + 1, ar.currentline);
        if (!ours)
            return !found;
        found = true;
    }
    return false;
}

/* --- calls ------------------------------------------------------------------------------- */

/* What names the thing within its object; never what may be a secret. */
static void tell_args(struct call *c, const json_t *args)
{
    static const char *const keys[] = {"path", "volume", "name", "snapshot", "clone", "to"};
    size_t at = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && at < sizeof c->args; i++) {
        const char *s = json_string_value(json_object_get(args, keys[i]));
        int n = s ? snprintf(c->args + at, sizeof c->args - at, "%s%s", at ? " " : "", s) : 0;
        at += n > 0 ? (size_t)n : 0;
    }
}

void moonlua_call_begins(struct moonlua *m, const char *op, const char *object, const json_t *args,
                         bool changes)
{
    if (!m->trace)
        m->trace = calloc(1, sizeof *m->trace);
    m->call = 0;
    if (!m->trace)
        return; /* a message will say less */
    m->call = ++m->trace->count;
    struct call *c = &m->trace->calls[m->call % KEPT];
    *c = (struct call){
        .number = m->call, .changes = changes, .begun = moon_clock_mono(), .took = -1};
    snprintf(c->op, sizeof c->op, "%s", op);
    snprintf(c->object, sizeof c->object, "%s", object ? object : "");
    tell_args(c, args);
}

void moonlua_call_ended(lua_State *L, long number, const struct moon_err *err)
{
    struct moonlua *m = moonlua_get(L);
    moonlua_still_ended(m, number, err != NULL);
    struct call *c = m->trace && number > 0 ? &m->trace->calls[number % KEPT] : NULL;
    if (!c || c->number != number)
        return;
    c->took = moon_clock_mono() - c->begun;
    c->failed = err != NULL;
    if (!err)
        return;
    c->direct = moonlua_place(L, c->at, sizeof c->at);
    snprintf(c->code, sizeof c->code, "%s", moon_code_name(err->code));
    snprintf(c->message, sizeof c->message, "%.255s", err->message);
}

long moonlua_call_count(const struct moonlua *m)
{
    return m->trace ? m->trace->count : 0;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
    if (!*text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

/*** The last calls (256 at most), the oldest first.
 * @function calls
 * @usage
 * local trace = require "engine.trace"
 * local before = trace.count()
 * assert(dom:state())
 * local call = trace.calls(before)[1]
 * assert(call.op == "domain.state" and not call.failed and call.took >= 0)
 * @tparam[opt] integer after only those with a higher number; 0 when not given
 * @treturn {table,...} each `{number, op="domain.suspend", object=, args=, changes=boolean, failed=boolean, begun=, took=, at=,
 *   direct=, code=, message=}`: object and args as text where there are any; begun on the clock of `engine.clock.mono`; took in
 *   seconds, nil while it is under way; at ("FILE:LINE", the script's line), code and message of one that failed,
 *   and direct: whether the script itself made the call, not the library for it
 */
static int trace_calls(lua_State *L)
{
    struct moonlua *m = moonlua_get(L);
    lua_Integer after = luaL_optinteger(L, 1, 0), n = 0;
    long count = moonlua_call_count(m);
    lua_newtable(L);
    for (long number = count > KEPT ? count - KEPT + 1 : 1; number <= count; number++) {
        const struct call *c = &m->trace->calls[number % KEPT];
        if (number <= after)
            continue;
        lua_createtable(L, 0, 11);
        lua_pushinteger(L, number);
        lua_setfield(L, -2, "number");
        lua_pushboolean(L, c->changes);
        lua_setfield(L, -2, "changes");
        lua_pushboolean(L, c->direct);
        lua_setfield(L, -2, "direct");
        lua_pushboolean(L, c->failed);
        lua_setfield(L, -2, "failed");
        lua_pushnumber(L, c->begun);
        lua_setfield(L, -2, "begun");
        if (c->took >= 0) {
            lua_pushnumber(L, c->took);
            lua_setfield(L, -2, "took");
        }
        set_text(L, "op", c->op);
        set_text(L, "object", c->object);
        set_text(L, "args", c->args);
        set_text(L, "at", c->at);
        set_text(L, "code", c->code);
        set_text(L, "message", c->message);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/*** How many calls there were so far: the number of the last one.
 * @function count
 * @treturn integer
 */
static int trace_count(lua_State *L)
{
    lua_pushinteger(L, moonlua_call_count(moonlua_get(L)));
    return 1;
}

/*** The guests that calls of this process let stand still, and that no call has brought back.
 * @function standing
 * @usage
 * local trace = require "engine.trace"
 * assert(dom:suspend())
 * assert(trace.standing()[1].uuid == dom:uuid())
 * assert(dom:resume())
 * assert(#trace.standing() == 0)
 * @treturn {{name=string,uuid=string,uri=string,suspended=boolean,frozen=boolean},...} in the order in which they were stopped
 */
static int trace_standing(lua_State *L)
{
    moonlua_still_push(L);
    return 1;
}

/* --- handles ----------------------------------------------------------------------------- */

/* The value at idx in one of the tables: what it is and where it was opened. */
static void note_open(lua_State *L, const void *table, int idx, const char *what, const char *ends)
{
    char place[192];
    idx = lua_absindex(L, idx);
    moonlua_place(L, place, sizeof place);
    lua_rawgetp(L, LUA_REGISTRYINDEX, table);
    lua_pushvalue(L, idx);
    lua_createtable(L, 0, 4);
    set_text(L, "what", what);
    set_text(L, "at", place);
    set_text(L, "ends", ends);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static void note_closed(lua_State *L, const void *table, int idx)
{
    idx = lua_absindex(L, idx);
    lua_rawgetp(L, LUA_REGISTRYINDEX, table);
    if (lua_istable(L, -1)) { /* not when the state itself is closed */
        lua_pushvalue(L, idx);
        lua_pushnil(L);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
}

void moonlua_opened(lua_State *L, const char *what, const char *ends)
{
    note_open(L, &open_handles, -1, what, ends);
}

void moonlua_closed(lua_State *L, int idx)
{
    note_closed(L, &open_handles, idx);
}

/*** Note a value that a script must close, such as a clone that `std.san` has made: left open it is told at the end, with the
 * script's line, and closed. It is not collected before.
 * @function opened
 * @usage
 * local trace = require "engine.trace"
 * local value = { close = function(self) trace.closed(self) return true end }
 * trace.opened(value, "queue q1")
 * assert(trace.open()[1].what)
 * value:close()
 * @tparam table value with a method `close`, which gives true, or nil and an error
 * @tparam string what "clone /vol/v/l"
 */
static int trace_opened(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    note_open(L, &kept_values, 1, luaL_checkstring(L, 2), "");
    return 0;
}

/*** The value was closed.
 * @function closed
 * @tparam table value as of `opened`; nothing happens for another one
 */
static int trace_closed(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    note_closed(L, &kept_values, 1);
    return 0;
}

/*** A handle belongs to the run from now on, which ends it: no script has to close it.
 * @function kept
 * @usage
 * local trace, virt = require "engine.trace", require "engine.virt"
 * local before = #trace.open()
 * local conn = assert(virt.open("test:///default"))
 * trace.kept(conn)
 * assert(#trace.open() == before)
 * conn:close()
 * @tparam userdata handle a connection, a lock or a guard process
 */
static int trace_kept(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TUSERDATA);
    moonlua_closed(L, 1);
    return 0;
}

/*** How a function was written.
 * @function written
 * @usage
 * local about = require("engine.trace").written(function(ctx, next) end)
 * assert(about.parameters == 2 and about.at:find(":%d+$"))
 * @tparam function fn
 * @treturn {parameters=integer,at=string} how many parameters it names, and FILE:LINE
 */
static int trace_written(lua_State *L)
{
    lua_Debug ar;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, 1);
    lua_getinfo(L, ">Su", &ar);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, ar.nparams);
    lua_setfield(L, -2, "parameters");
    lua_pushfstring(L, "%s:%d", ar.source[0] == '@' ? ar.source + 1 : ar.short_src, ar.linedefined);
    lua_setfield(L, -2, "at");
    return 1;
}

/*** Connections, guards, locks and values of `opened` that are not closed.
 * @function open
 * @treturn {{what=string,at=string,ends=string,value=table},...} what: "connection qemu:///system"; at: FILE:LINE where it was
 *   opened; ends: what becomes of it when nobody closes it; value: that of `opened`, which has no `ends`
 */
static int trace_open(lua_State *L)
{
    lua_Integer n = 0;
    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &open_handles);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_rawseti(L, -4, ++n);
    }
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_values);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_setfield(L, -2, "value");
        lua_rawseti(L, -4, ++n);
    }
    lua_pop(L, 1);
    return 1;
}

void moonlua_trace_init(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &open_handles);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_values);
}

int luaopen_engine_trace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"calls", trace_calls},   {"count", trace_count},       {"opened", trace_opened},
        {"closed", trace_closed}, {"kept", trace_kept},         {"written", trace_written},
        {"open", trace_open},     {"standing", trace_standing}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
