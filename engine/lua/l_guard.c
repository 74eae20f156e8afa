/*** The guard process: resumes what a dead engine left suspended. `std.quiesce` uses it; a workflow
 * that suspends through `std.quiesce` needs nothing of this. Nor does a script that suspends with `Domain:suspend` alone:
 * there is a guard on standby for what no other one holds.
 * @module engine.guard
 */
#include "moonlua.h"

#include "../guard/guard.h"
#include "../guard/journal.h"
#include "../guard/standby.h"
#include "memory.h"

#include <string.h>

#define GUARD_TYPE "engine.Guard"

static void *check_guard(lua_State *L, int idx)
{
    struct moon_guard **box = luaL_checkudata(L, idx, GUARD_TYPE);
    if (!*box)
        luaL_error(L, "the guard is closed");
    return *box;
}

static void *guard_ref(void *self)
{
    return moon_guard_ref(self);
}

static void guard_unref(void *self)
{
    moon_guard_unref(self);
}

static const char *guard_name(void *self)
{
    return moon_guard_journal(self);
}

static int guard_hold(void *g, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)out;
    return moon_guard_hold(g, json_object_get(args, "domains"), err);
}

static int guard_begin(void *g, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)out;
    return moon_guard_begin(g, json_string_value(json_object_get(args, "uuid")),
                            json_number_value(json_object_get(args, "limit")), err);
}

static int guard_free(void *g, const json_t *args, json_t **out, struct moon_err *err)
{
    return moon_guard_free(g, json_object_get(args, "uuids"), out, err);
}

static int guard_over(void *g, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    return moon_guard_over(g, out, err);
}

static int guard_settled(void *g, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)out;
    return moon_guard_settled(g, json_integer_value(json_object_get(args, "holds")), err);
}

static int guard_detach(void *g, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args, (void)out;
    return moon_guard_detach(g, err);
}

static int guard_finish(void *g, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    return moon_guard_finish(g, out, err);
}

static const struct moonlua_self guard_self = {.type = GUARD_TYPE,
                                               .prefix = "guard",
                                               .get = check_guard,
                                               .ref = guard_ref,
                                               .unref = guard_unref,
                                               .name = guard_name};

/*** @type Guard */
static const struct moonlua_prim guard_prims[] = {
    /*** Say that these domains are going to be suspended, or frozen; returns when it is on disk. Their time
     * begins now.
     * @function Guard:hold
     * @awaits
     * @tparam {{uuid=string,name=string,freeze=?boolean},...} domains */
    {"hold", "domains:t", MOONLUA_CHANGES | MOONLUA_RESCUE, guard_hold},
    /*** Say that one of them is suspended now, and at most for so long.
     * @function Guard:begin
     * @awaits
     * @tparam string uuid
     * @tparam number limit seconds */
    {"begin", "uuid:s limit:n", MOONLUA_CHANGES | MOONLUA_RESCUE, guard_begin},
    /*** Say that these run again: `{fired}`, whether the guard had resumed them because the
     * deadline passed.
     * @function Guard:free
     * @awaits
     * @tparam {string,...} uuids */
    {"free", "uuids:t", MOONLUA_CHANGES | MOONLUA_RESCUE, guard_free},
    /*** Which of them the guard has brought back since their time was up, and lets be: one that stands still does so at
     * somebody else's word.
     * @function Guard:over
     * @awaits
     * @treturn {string,...} uuids */
    {"over", "", MOONLUA_RESCUE, guard_over},
    /*** Say that every suspend has returned, so that none can come late.
     * @function Guard:settled
     * @awaits
     * @tparam integer holds how many domains were given to `hold` by now */
    {"settled", "holds:i", MOONLUA_CHANGES | MOONLUA_RESCUE, guard_settled},
    /*** This process will end and leave the domains suspended, at most until the deadline.
     * @function Guard:detach
     * @awaits */
    {"detach", "", MOONLUA_CHANGES | MOONLUA_RESCUE, guard_detach},
    /*** End the guard: `{fired, held}`.
     * @function Guard:finish
     * @awaits */
    {"finish", "", MOONLUA_CHANGES | MOONLUA_RESCUE, guard_finish},
    {NULL, NULL, 0, NULL}};

struct start_op {
    struct moon_op op;
    json_t *options;
    struct moon_guard *guard;
};

static void start_run(struct moon_op *op)
{
    struct start_op *s = (struct start_op *)op;
    op->failed = moon_guard_start(s->options, &s->guard, &op->err) < 0;
}

static void start_destroy(struct moon_op *op)
{
    struct start_op *s = (struct start_op *)op;
    json_decref(s->options);
    moon_guard_unref(s->guard);
}

static int start_finish(lua_State *L, struct moon_op *op)
{
    struct start_op *s = (struct start_op *)op;
    if (op->failed)
        return moonlua_pusherr(L, &op->err);
    struct moon_guard **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, GUARD_TYPE);
    *box = s->guard;
    s->guard = NULL;
    lua_pushfstring(L, "guard process of %s", moon_guard_journal(*box));
    lua_insert(L, -2);
    moonlua_opened(L, lua_tostring(L, -2), "lets run what it still holds, and ends");
    return 1;
}

/*** Start a guard process; returns when it is ready.
 * @function start
 * @usage
 * local guard <close> = assert(require("engine.guard").start { journal = dir .. "/journal", uri = "test:///default",
 *   profile = "p", config = "c", action = "mine", deadline = 60 })
 * assert(guard:hold { { uuid = dom:uuid(), name = dom:name() } })
 * assert(dom:suspend())
 * assert(dom:resume())
 * assert(guard:free { dom:uuid() })
 * assert(guard:settled(1))
 * assert(guard:finish())
 * @awaits
 * @tparam {journal=string,uri=string,profile=string,config=string,action=string,deadline=number,log=string,record=string,syslog=string,give_up=number} options deadline: seconds that a domain may be held; give_up: seconds after which the guard leaves domains that it cannot bring back to `moonsnap recover`, default a day
 * @treturn[1] Guard
 * @return[2] nil
 * @treturn[2] Err `unreachable` (its libvirt connection), `io`, `timeout`
 */
static int guard_start(lua_State *L)
{
    static const struct moon_op_kind kind = {
        .name = "guard.start", .run = start_run, .destroy = start_destroy};
    json_t *args =
        moonlua_args(L, 1,
                     "{journal:s uri:s profile:s config:s action:s deadline:n log:s? record:s? "
                     "syslog:s? give_up:n?}");
    int n = moonlua_refused(L, "guard.start", json_string_value(json_object_get(args, "journal")),
                            NULL);
    if (n > 0)
        return n;
    struct start_op *s = calloc(1, sizeof *s);
    if (!s || !(s->options = moon_memory_copy(args))) {
        free(s);
        return luaL_error(L, "out of memory");
    }
    moon_op_init(&s->op, &kind);
    moonlua_call_begins(moonlua_get(L), "guard.start", NULL, NULL, true);
    return moonlua_await(L, &s->op, start_finish);
}

static int guard_gc(lua_State *L)
{
    struct moon_guard **box = luaL_checkudata(L, 1, GUARD_TYPE);
    moon_guard_unref(*box);
    *box = NULL;
    moonlua_closed(L, 1);
    return 0;
}

static int journal_read(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_journal_read(json_string_value(json_object_get(args, "path")), out, err);
}

static int journal_free(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    return moon_journal_add(json_string_value(json_object_get(args, "path")), err, "free %s",
                            json_string_value(json_object_get(args, "uuid")));
}

/*** Where the guards on standby keep their journals, the action that these tell of, and how long they let a guest stand
 * still. `std.standing` sets it for every program.
 * @function standby
 * @tparam string dir made when it is needed
 * @tparam string action
 * @tparam number deadline seconds
 */
static int guard_standby(lua_State *L)
{
    const char *dir = luaL_checkstring(L, 1), *action = luaL_checkstring(L, 2);
    double deadline = luaL_checknumber(L, 3);
    struct moon_err err;
    luaL_argcheck(L, !strchr(action, '/'), 2, "an action's name expected");
    luaL_argcheck(L, deadline > 0, 3, "not a number of seconds");
    return moon_standby_set(dir, action, deadline, &err) < 0 ? luaL_error(L, "out of memory") : 0;
}

/*** What the guards on standby hold.
 * @function standing
 * @usage
 * assert(dom:suspend())
 * assert(require("engine.guard").standing()[1].name == "test")
 * assert(dom:resume())
 * @treturn {{uri=string,uuid=string,name=string,suspend=boolean,freeze=boolean},...} by name; suspend and freeze: what may
 *   have been done to it
 * @treturn boolean whether there are such guards, holding or not
 */
static int guard_standing(lua_State *L)
{
    bool guards = false;
    json_t **box = moonlua_newjson(L);
    *box = moon_standby_list(&guards);
    if (!*box)
        return luaL_error(L, "out of memory");
    moonlua_pushjson(L, *box);
    lua_pushboolean(L, guards);
    return 2;
}

static int standby_over(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)args, (void)out;
    return moon_standby_over(err);
}

static int standby_finish(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)args, (void)out;
    return moon_standby_finish(err);
}

static const struct moonlua_self plain = {.prefix = "guard"};
static const struct moonlua_prim functions[] = {
    /*** A journal's content; see engine/guard/journal.h.
     * @function read
     * @awaits
     * @tparam string path */
    {"read", "path:s", 0, journal_read},
    /*** Note in another run's journal that a domain runs again.
     * @function note_free
     * @awaits
     * @tparam string path
     * @tparam string uuid */
    {"note_free", "path:s uuid:s", MOONLUA_CHANGES | MOONLUA_WHOLE, journal_free},
    /*** Let go of the guests whose time was up and whom the guards on standby have brought back: one that stands still now does so
     * at somebody else's word.
     * @function standby_over
     * @awaits */
    {"standby_over", "", MOONLUA_RESCUE, standby_over},
    /*** End the guards on standby that hold nothing.
     * @function standby_finish
     * @awaits */
    {"standby_finish", "", MOONLUA_RESCUE, standby_finish},
    {NULL, NULL, 0, NULL}};

int luaopen_engine_guard(lua_State *L)
{
    static const luaL_Reg lib[] = {{"start", guard_start},
                                   {"standby", guard_standby},
                                   {"standing", guard_standing},
                                   {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", guard_gc}, {"__close", guard_gc}, {NULL, NULL}};
    moonlua_class(L, GUARD_TYPE, meta);
    moonlua_methods(L, GUARD_TYPE);
    moonlua_setprims(L, guard_prims, &guard_self);
    luaL_newlib(L, lib);
    moonlua_setprims(L, functions, &plain);
    return 1;
}
