/*** What every primitive goes through: worker threads for what blocks, and the dry run.
 *
 * In a dry run whatever changes something is refused here and recorded instead, so that no script
 * needs a dry run of its own.
 * @module engine.plan
 */
#include "moonlua.h"

#include "log.h"
#include "memory.h"

#include <string.h>

/* A step of a plan. What tasks do side by side has no order of its own: they are told apart from the main one, and
 * numbered by how far that has come. */
static json_t *step_new(lua_State *L, const char *op, const char *object, const json_t *args)
{
    struct moonlua *m = moonlua_get(L);
    json_t *step = json_object();
    int rc = json_object_set_new(step, "op", json_string(op));
    if (object)
        rc |= json_object_set_new(step, "object", json_string_nocheck(object)); /* may be a path */
    if (args && json_object_size(args) > 0)
        rc |= json_object_set_new(step, "args", moon_memory_copy(args));
    if (m->running != m->main)
        rc |= json_object_set_new(step, "side", json_integer(m->turns));
    if (rc < 0) {
        json_decref(step);
        luaL_error(L, "out of memory"); /* a plan without this step would be a lie */
    }
    return step;
}

/* Whether a value is being closed that goes out of scope; not when that is for an error. */
static bool closing(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "n", &ar);
        if (strcmp(ar.namewhat, "metamethod") == 0 && ar.name && strcmp(ar.name, "close") == 0)
            return true;
    }
    return false;
}

/* Whether plan.hold's function lets a step pass; if not, nil and what it gave. */
static int held(lua_State *L, const char *op, const char *object, const json_t *args)
{
    json_t **box = moonlua_newjson(L);
    *box = step_new(L, op, object, args);
    if (closing(L) && json_object_set_new(*box, "closing", json_true()) < 0)
        return luaL_error(L, "out of memory");
    lua_rawgeti(L, LUA_REGISTRYINDEX, moonlua_get(L)->hold);
    moonlua_pushjson(L, *box);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1))
        return 0;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

int moonlua_refused(lua_State *L, const char *op, const char *object, const json_t *args)
{
    struct moonlua *m = moonlua_get(L);
    if (!m->dry_run) {
        int n = m->hold ? held(L, op, object, args) : 0;
        return n ? n : moonlua_probed(L, op, object, args);
    }
    if (json_array_append_new(m->steps, step_new(L, op, object, args)) < 0)
        luaL_error(L, "out of memory");
    moon_log(MOON_LOG_DEBUG, "dry run: %s %s is not carried out", op, object ? object : "");
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "planned");
    return 1;
}

/* --- calls that are observed ------------------------------------------------------------- */

void moonlua_observed(lua_State *L, int idx, const struct moon_op *op)
{
    struct moonlua *m = moonlua_get(L);
    if (!m->observe) /* not any more */
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, m->observe);
    lua_pushvalue(L, idx);
    if (op->failed)
        lua_pushboolean(L, true);
    else
        moonlua_pushjson(L, op->result);
    lua_setfield(L, -2, op->failed ? "failed" : "result");
    lua_call(L, 1, 0);
}

/* Below the wait box, which is on top, lies the note. */
static int noted_finish(lua_State *L, struct moon_op *op)
{
    moonlua_observed(L, lua_gettop(L) - 1, op);
    return moonlua_finish_default(L, op);
}

moonlua_finish moonlua_note(lua_State *L, const char *op, const char *object, const json_t *args,
                            bool changes)
{
    if (!moonlua_get(L)->observe)
        return NULL;
    lua_createtable(L, 0, 5);
    lua_pushstring(L, op);
    lua_setfield(L, -2, "op");
    lua_pushstring(L, object);
    lua_setfield(L, -2, "object");
    moonlua_pushjson(L, args);
    lua_setfield(L, -2, "args");
    lua_pushboolean(L, changes);
    lua_setfield(L, -2, "changes");
    return noted_finish;
}

/* --- primitives that block --------------------------------------------------------------- */

struct prim_op {
    struct moon_op op;
    const struct moonlua_prim *prim;
    const struct moonlua_self *how;
    void *self;
    json_t *args;
    bool pending;
};

static void prim_begin(struct moon_op *op)
{
    struct prim_op *p = (struct prim_op *)op;
    p->pending = p->prim->flags & MOONLUA_PENDS;
    if (p->pending)
        p->how->pend(p->self, 1);
}

static void let_go(struct prim_op *p)
{
    if (p->pending)
        p->how->pend(p->self, -1);
    p->pending = false;
    if (p->self && p->how->unref)
        p->how->unref(p->self);
    p->self = NULL;
}

static void prim_run(struct moon_op *op)
{
    struct prim_op *p = (struct prim_op *)op;
    op->failed = p->prim->run(p->self, p->args, &op->result, &op->err) < 0;
    /* Here and not on the loop: the last reference to a connection closes it, which may block. */
    let_go(p);
}

/* What never came to a thread; else it has been let go there. */
static void prim_end(struct moon_op *op)
{
    let_go((struct prim_op *)op);
}

static void prim_destroy(struct moon_op *op)
{
    struct prim_op *p = (struct prim_op *)op;
    json_decref(p->args);
    let_go(p);
}

static struct moon_op *prim_new(lua_State *L, const struct moonlua_prim *prim,
                                const struct moonlua_self *how, void *self, const json_t *args)
{
    static const struct moon_op_kind normal = {.name = "primitive",
                                               .begin = prim_begin,
                                               .end = prim_end,
                                               .run = prim_run,
                                               .destroy = prim_destroy};
    static const struct moon_op_kind rescue = {.name = "rescue",
                                               .begin = prim_begin,
                                               .end = prim_end,
                                               .run = prim_run,
                                               .destroy = prim_destroy,
                                               .rescue = true};
    static const struct moon_op_kind whole = {.name = "whole",
                                              .begin = prim_begin,
                                              .end = prim_end,
                                              .run = prim_run,
                                              .destroy = prim_destroy,
                                              .whole = true};
    struct prim_op *p = calloc(1, sizeof *p);
    json_t *copy = moon_memory_copy(args); /* the worker's own: reference counts are not atomic */
    if (!p || !copy) {
        free(p);
        json_decref(copy);
        luaL_error(L, "out of memory");
        return NULL;
    }
    moon_op_init(&p->op, prim->flags & MOONLUA_RESCUE  ? &rescue
                         : prim->flags & MOONLUA_WHOLE ? &whole
                                                       : &normal);
    p->prim = prim;
    p->how = how;
    p->self = self && how->ref ? how->ref(self) : self;
    p->args = copy;
    return &p->op;
}

/* The file, controller or program that a step is about, when the arguments say it. */
static const char *object_of(const json_t *args)
{
    static const char *const keys[] = {"path", "name", "volume", "url"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *s = json_string_value(json_object_get(args, keys[i]));
        if (s)
            return s;
    }
    return NULL;
}

/* Upvalues: the row and how to reach self. */
static int prim_call(lua_State *L)
{
    const struct moonlua_prim *prim = lua_touserdata(L, lua_upvalueindex(1));
    const struct moonlua_self *how = lua_touserdata(L, lua_upvalueindex(2));
    void *self = how->type ? how->get(L, 1) : NULL;
    json_t *args = moonlua_args(L, how->type ? 2 : 1, prim->signature);
    bool changes = prim->flags & MOONLUA_CHANGES;
    const json_t *told = prim->flags & MOONLUA_SECRET ? NULL : args;
    lua_pushfstring(L, "%s.%s", how->prefix, prim->name);
    const char *op = lua_tostring(L, -1);
    const char *object = self && how->name ? how->name(self) : object_of(args);
    int n = changes ? moonlua_refused(L, op, object, told) : 0;
    if (n > 0)
        return n;
    moonlua_finish finish = moonlua_note(L, op, object, told, changes);
    struct moon_op *call = prim_new(L, prim, how, self, args);
    moonlua_call_begins(moonlua_get(L), op, self && how->name ? object : NULL, told, changes);
    if (self && how->uuid)
        moonlua_still_begins(moonlua_get(L), op, how->uri(self), how->uuid(self), object);
    return moonlua_await(L, call, finish);
}

void moonlua_setprims(lua_State *L, const struct moonlua_prim *rows,
                      const struct moonlua_self *self)
{
    for (const struct moonlua_prim *p = rows; p->name; p++) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)p);
        lua_pushlightuserdata(L, (void *)(uintptr_t)self);
        lua_pushcclosure(L, prim_call, 2);
        lua_setfield(L, -2, p->name);
    }
}

/*** Begin a dry run: from now on nothing changes any more, in this process.
 * @function start
 */
static int plan_start(lua_State *L)
{
    moonlua_get(L)->dry_run = true;
    return 0;
}

/*** Whether this is a dry run.
 * @function active
 * @usage
 * if require("engine.plan").active() then print("only told, not done") end
 * @treturn boolean whether this is a dry run
 */
static int plan_active(lua_State *L)
{
    lua_pushboolean(L, moonlua_get(L)->dry_run);
    return 1;
}

/*** What was refused so far, in order.
 * @function steps
 * @treturn {Step,...} each `{op="domain.suspend", object="vm1", args={...}}`; where another task than the main one
 *   called also `side`, a number that those have in common between whose calls the main task did nothing
 */
static int plan_steps(lua_State *L)
{
    moonlua_pushjson(L, moonlua_get(L)->steps);
    return 1;
}

/* The function at index 1, or nil, in place of the one before. */
static int set_function(lua_State *L, int *ref)
{
    if (!lua_isnoneornil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_unref(L, LUA_REGISTRYINDEX, *ref ? *ref : LUA_NOREF);
    lua_settop(L, 1);
    *ref = lua_isnil(L, 1) ? 0 : luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/*** Let a function decide about every call that changes something, before it is made. It must not wait.
 * @function hold
 * @usage
 * local plan, err = require "engine.plan", require "std.err"
 * plan.hold(function(step) return step.op == "domain.destroy" and err.new("denied", "not today") or nil end)
 * local ok, failed = dom:destroy()
 * plan.hold(nil)
 * assert(not ok and failed.code == "denied")
 * @tparam ?function fn called with a step as `steps` has them, and `closing=true` when a value that goes out of scope makes
 *   the call, unless an error closes it; nil lets it pass, an error is what the call then fails with. nil: every call passes again
 */
static int plan_hold(lua_State *L)
{
    return set_function(L, &moonlua_get(L)->hold);
}

/*** Let a function see every call that waits, when it has ended. It must not wait.
 * @function observe
 * @usage
 * local plan, seen = require "engine.plan", {}
 * plan.observe(function(call) seen[#seen + 1] = call.op end)
 * assert(dom:state())
 * plan.observe(nil)
 * assert(seen[1] == "domain.state")
 * @tparam ?function fn called with `{op=, object=, args=, changes=, result=}`, or `failed=true` in place of the result;
 *   arguments that may hold secrets are left out. nil: nobody looks any more
 */
static int plan_observe(lua_State *L)
{
    return set_function(L, &moonlua_get(L)->observe);
}

int luaopen_engine_plan(lua_State *L)
{
    static const luaL_Reg functions[] = {{"start", plan_start},     {"active", plan_active},
                                         {"steps", plan_steps},     {"hold", plan_hold},
                                         {"observe", plan_observe}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
