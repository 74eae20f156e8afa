/*** For tests of workflows: what a run changed, in order, and calls that fail when told to. Off unless a
 * script switches it on; it lasts for this process. `std.world` is made of it.
 * @module engine.probe
 */
#include "moonlua.h"

#include "log.h"
#include "memory.h"

#include <string.h>

static bool matches(const json_t *rule, const char *key, const char *value)
{
    const char *want = json_string_value(json_object_get(rule, key));
    return !want || (value && strcmp(want, value) == 0);
}

/* The rule that makes this call fail, or NULL; all rules that match count. */
static json_t *rule_for(json_t *rules, const char *op, const char *object)
{
    json_t *hit = NULL;
    size_t i;
    json_t *rule;
    json_array_foreach (rules, i, rule) {
        if (!matches(rule, "op", op) || !matches(rule, "object", object))
            continue;
        json_int_t seen = json_integer_value(json_object_get(rule, "seen")) + 1;
        json_int_t nth = json_integer_value(json_object_get(rule, "nth"));
        json_int_t count = json_integer_value(json_object_get(rule, "count"));
        json_object_set_new(rule, "seen", json_integer(seen));
        if (!hit && (nth ? seen == nth : !count || seen <= count))
            hit = rule;
    }
    if (hit)
        json_object_set_new(hit, "hit", json_true());
    return hit;
}

int moonlua_probed(lua_State *L, const char *op, const char *object, const json_t *args)
{
    struct moonlua *m = moonlua_get(L);
    if (!m->calls)
        return 0;
    unsigned long before = moon_memory_failures();
    const json_t *rule = rule_for(m->rules, op, object);
    json_t *call = json_object();
    json_object_set_new(call, "op", json_string(op));
    if (object)
        json_object_set_new(call, "object", json_string(object));
    if (args && json_object_size(args) > 0)
        json_object_set_new(call, "args", moon_memory_copy(args));
    const json_t *answer = json_object_get(rule, "answer");
    if (rule && !answer)
        json_object_set_new(call, "failed", json_true());
    json_array_append_new(m->calls, call);
    if (moon_memory_failures() != before)
        return luaL_error(L, "out of memory"); /* a test would take it for not made */
    if (!rule)
        return 0;
    if (answer) {
        moonlua_pushjson(L, answer);
        return 1;
    }
    moon_log(MOON_LOG_DEBUG, "probe: %s %s is made to fail", op, object ? object : "");
    moonlua_pushjson(L, rule);
    int at = lua_gettop(L);
    lua_pushnil(L);
    lua_createtable(L, 0, 4);
    static const char *const keys[] = {"code", "message", "op"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        lua_getfield(L, at, keys[i]);
        lua_setfield(L, -2, keys[i]);
    }
    lua_pushliteral(L, "engine");
    lua_setfield(L, -2, "source");
    moonlua_markerr(L);
    return 2;
}

/*** Note from now on every call that changes something; forgets what was noted and all rules.
 * @function start
 * @usage
 * local probe = require "engine.probe"
 * probe.start()
 * probe.fail("domain.suspend", { nth = 2, code = "timeout" })
 * assert(dom:suspend() and dom:resume())
 * local ok, failed = dom:suspend()
 * assert(not ok and failed.code == "timeout")
 * assert(#probe.calls() == 3 and probe.calls()[3].failed)
 * probe.stop()
 */
static int probe_start(lua_State *L)
{
    struct moonlua *m = moonlua_get(L);
    json_decref(m->calls);
    json_decref(m->rules);
    m->calls = json_array();
    m->rules = json_array();
    return 0;
}

/*** Note nothing more, and let no call fail.
 * @function stop
 */
static int probe_stop(lua_State *L)
{
    struct moonlua *m = moonlua_get(L);
    json_decref(m->calls);
    json_decref(m->rules);
    m->calls = m->rules = NULL;
    return 0;
}

/* A list of `start`; an empty one when there was none. */
static int push_list(lua_State *L, const json_t *list)
{
    if (list)
        moonlua_pushjson(L, list);
    else
        lua_newtable(L);
    return 1;
}

/*** What was noted since `start`, in the order in which the calls began.
 * @function calls
 * @treturn {table,...} each `{op="domain.suspend", object="web1", args={...}, failed=true where a rule hit}`; the
 *   names are those of the steps of a dry run
 */
static int probe_calls(lua_State *L)
{
    return push_list(L, moonlua_get(L)->calls);
}

/*** Let a call fail, or give an answer, without being carried out.
 * @function fail
 * @tparam string op as in `calls`
 * @tparam[opt] {object=string,nth=integer,count=integer,code=string,message=string,answer=any} options object: only of
 *   that guest or controller; nth: only the nth call; count: only so many, else for ever; code: `io` when not given;
 *   answer: what the call returns, in place of a failure
 * @raise for a code that is not in the list, and before `start`
 */
static int probe_fail(lua_State *L)
{
    json_t *args =
        moonlua_args(L, 1, "op:s {object:s? nth:i? count:i? code:s? message:s? answer:v?}");
    struct moonlua *m = moonlua_get(L);
    if (!m->rules)
        return luaL_error(L, "probe.fail: probe.start comes first");
    const char *code = json_string_value(json_object_get(args, "code"));
    int i = 1;
    while (code && i < MOON_CODE_COUNT && strcmp(code, moon_code_name((enum moon_code)i)) != 0)
        i++;
    if (i == MOON_CODE_COUNT)
        return luaL_error(L, "'%s' is not an error code", code);
    unsigned long before = moon_memory_failures();
    json_t *rule = moon_memory_copy(args);
    if (!code)
        json_object_set_new(rule, "code", json_string("io"));
    if (!json_object_get(rule, "message"))
        json_object_set_new(rule, "message", json_string("made to fail by a test"));
    json_array_append_new(m->rules, rule);
    if (moon_memory_failures() != before)
        return luaL_error(L, "out of memory");
    return 0;
}

/*** The rules so far: what `fail` was given, and whether a call met them.
 * @function rules
 * @usage
 * local probe = require "engine.probe"
 * probe.start()
 * probe.fail("domain.suspend", { object = "web9" })
 * assert(probe.rules()[1].op == "domain.suspend" and not probe.rules()[1].hit)
 * probe.stop()
 * @treturn {table,...} each `{op=, hit=true where a call was made to fail or was answered}` and the options of `fail`
 */
static int probe_rules(lua_State *L)
{
    return push_list(L, moonlua_get(L)->rules);
}

int luaopen_engine_probe(lua_State *L)
{
    static const luaL_Reg functions[] = {{"start", probe_start}, {"stop", probe_stop},
                                         {"calls", probe_calls}, {"fail", probe_fail},
                                         {"rules", probe_rules}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
