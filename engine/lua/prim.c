/*** What every primitive goes through: worker threads for what blocks, and the dry run.
 *
 * In a dry run whatever changes something is refused here and recorded instead, so that no script
 * needs a dry run of its own.
 * @module engine.plan
 */
#include "moonlua.h"

#include "log.h"

#include <string.h>

int moonlua_refused(lua_State *L, const char *op, const char *object, const json_t *args)
{
    struct moonlua *m = moonlua_get(L);
    if (!m->dry_run)
        return moonlua_probed(L, op, object, args);
    json_t *step = json_object();
    int rc = json_object_set_new(step, "op", json_string(op));
    if (object)
        rc |= json_object_set_new(step, "object", json_string_nocheck(object)); /* may be a path */
    if (args && json_object_size(args) > 0)
        rc |= json_object_set_new(step, "args", json_deep_copy(args));
    rc |= json_array_append_new(m->steps, step);
    if (rc < 0)
        luaL_error(L, "out of memory"); /* a plan without this step would be a lie */
    moon_log(MOON_LOG_DEBUG, "dry run: %s %s is not carried out", op, object ? object : "");
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "planned");
    return 1;
}

struct prim_op {
    struct moon_op op;
    const struct moonlua_prim *prim;
    const struct moonlua_self *how;
    void *self;
    json_t *args;
};

static void prim_run(struct moon_op *op)
{
    struct prim_op *p = (struct prim_op *)op;
    op->failed = p->prim->run(p->self, p->args, &op->result, &op->err) < 0;
    /* Here and not on the loop: the last reference to a connection closes it, which may block. */
    if (p->self && p->how->unref)
        p->how->unref(p->self);
    p->self = NULL;
}

static void prim_destroy(struct moon_op *op)
{
    struct prim_op *p = (struct prim_op *)op;
    json_decref(p->args);
    if (p->self && p->how->unref)
        p->how->unref(p->self);
}

struct moon_op *moonlua_prim_op(lua_State *L, const struct moonlua_prim *prim,
                                const struct moonlua_self *how, void *self, const json_t *args)
{
    static const struct moon_op_kind normal = {
        .name = "primitive", .run = prim_run, .destroy = prim_destroy};
    static const struct moon_op_kind rescue = {
        .name = "rescue", .run = prim_run, .destroy = prim_destroy, .rescue = true};
    static const struct moon_op_kind whole = {
        .name = "whole", .run = prim_run, .destroy = prim_destroy, .whole = true};
    struct prim_op *p = calloc(1, sizeof *p);
    json_t *copy = json_deep_copy(args); /* the worker's own: reference counts are not atomic */
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
    if (prim->flags & MOONLUA_CHANGES) {
        lua_pushfstring(L, "%s.%s", how->prefix, prim->name);
        const char *object = self && how->name ? how->name(self) : object_of(args);
        int n = moonlua_refused(L, lua_tostring(L, -1), object,
                                prim->flags & MOONLUA_SECRET ? NULL : args);
        if (n > 0)
            return n;
    }
    return moonlua_await(L, moonlua_prim_op(L, prim, how, self, args), NULL);
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
 * @treturn {Step,...} each `{op="domain.suspend", object="vm1", args={...}}`
 */
static int plan_steps(lua_State *L)
{
    moonlua_pushjson(L, moonlua_get(L)->steps);
    return 1;
}

int luaopen_engine_plan(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"start", plan_start}, {"active", plan_active}, {"steps", plan_steps}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
