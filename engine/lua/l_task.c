/*** Tasks: coroutines that the loop parks and resumes.
 *
 * A call that waits parks its task, and others go on meanwhile. Cancelling resumes the task with an error, once:
 * to-be-closed values then run and may wait again. A call that must not be given up half-way is waited for before.
 * @module engine.task
 */
#include "task_priv.h"

static struct moonlua_task *check_task(lua_State *L, int idx)
{
    return luaL_checkudata(L, idx, TASK_TYPE);
}

/*** Start a task; it runs when the caller next waits.
 * @function spawn
 * @usage
 * local task = require "engine.task"
 * local two = task.spawn(function() return 1 + 1 end)
 * assert(select(2, two:join()) == 2)
 * @tparam function fn
 * @param ... its arguments
 * @treturn Task
 */
static int task_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    moonlua_spawn(L, lua_gettop(L) - 1);
    return 1;
}

/*** Wait. `sleep(0)` lets everything else go on for a moment, in the middle of long computing.
 * @function sleep
 * @awaits
 * @tparam number seconds
 * @treturn boolean true
 */
static int task_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "not a number of seconds");
    struct moon_op *op = moon_loop_timer(seconds);
    return op ? moonlua_await(L, op, NULL) : luaL_error(L, "out of memory");
}

/*** Whether the running task was asked to end (it may be closing what it holds).
 * @function cancelled
 * @treturn boolean
 */
static int task_cancelled(lua_State *L)
{
    struct moonlua_task *t = moonlua_get(L)->running;
    lua_pushboolean(L, t && t->cancel);
    return 1;
}

/*** What an interrupt from the terminal (SIGINT) ends: from now on this task, and nothing once it has ended,
 * instead of the program.
 * @function foreground
 * @tparam ?Task task nil: the program again
 */
static int task_foreground(lua_State *L)
{
    struct moonlua *m = moonlua_get(L);
    struct moonlua_task *t = lua_isnoneornil(L, 1) ? NULL : check_task(L, 1);
    m->interactive = t != NULL;
    m->foreground = t && !t->done ? t : NULL;
    return 0;
}

/*** What the program was to do is done, and its exit code says so: the next signal comes too late to end it.
 * One more does, so that writing down what was done cannot hang for ever.
 * @function settle
 */
static int task_settle(lua_State *L)
{
    moonlua_get(L)->settled = true;
    return 0;
}

/*** Somebody has to look, such as at a guest that could not be brought back. Whatever ends the program from now on, a signal
 * or an error: its exit code is 5.
 * @function alarm
 */
static int task_alarm(lua_State *L)
{
    moonlua_get(L)->alarm = true;
    return 0;
}

/*** How long scripts may compute without a wait: the one that goes on gets an error (`timeout`) that names the
 * line where it was, so that guests that stand still are resumed and what is open is closed. Time of the CPU
 * counts. Until it is set, 30 s.
 * @function limit
 * @usage
 * local before = require("engine.task").limit(120)
 * assert(require("engine.task").limit(before) == 120)
 * @tparam[opt] number seconds 0: no limit; nil: leave it
 * @treturn number the limit before, in seconds
 */
static int task_limit(lua_State *L)
{
    struct moonlua *m = moonlua_get(L);
    double before = m->watch.limit, seconds = luaL_optnumber(L, 1, before);
    luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "not a number of seconds");
    m->watch.limit = seconds;
    lua_pushnumber(L, before);
    return 1;
}

static int push_outcome(lua_State *L, struct moonlua_task *t)
{
    if (t->failed) {
        lua_pushnil(L);
        lua_pushvalue(t->co, -1);
        lua_xmove(t->co, L, 1);
        return 2;
    }
    int n = t->nresults;
    luaL_checkstack(L, n + 1, NULL);
    lua_pushboolean(L, true);
    int base = lua_gettop(t->co) - n;
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(t->co, base + i);
        lua_xmove(t->co, L, 1);
    }
    return n + 1;
}

static int join_finish(lua_State *L, struct moon_op *op)
{
    (void)op;
    return push_outcome(L, lua_touserdata(L, 1));
}

/* Wait for the end of one of the n tasks at the bottom of the stack; at once when one has ended. */
static int await_first(lua_State *L, int n, moonlua_finish finish)
{
    struct moonlua_task *running = moonlua_get(L)->running;
    bool ended = false;
    for (int i = 1; i <= n; i++) {
        struct moonlua_task *t = check_task(L, i);
        if (t == running)
            return luaL_error(L, "a task cannot wait for itself");
        ended = ended || t->done;
    }
    if (ended)
        return finish(L, NULL);
    struct moon_op *op = moon_loop_event();
    for (int i = 1; i <= n && op; i++) {
        if (!moonlua_joined(check_task(L, i), op)) {
            op->done = true; /* never started: those before keep it, and have nobody to tell */
            moon_op_unref(op);
            op = NULL;
        }
    }
    return op ? moonlua_await(L, op, finish) : luaL_error(L, "out of memory");
}

/*** Wait for a task to end.
 * @function Task:join
 * @awaits
 * @treturn[1] boolean true, then the values that its function returned
 * @return[2] nil
 * @return[2] what it raised: an error object
 */
static int task_join(lua_State *L)
{
    lua_settop(L, 1);
    return await_first(L, 1, join_finish);
}

static int first_finish(lua_State *L, struct moon_op *op)
{
    (void)op;
    int i = 1;
    while (!check_task(L, i)->done)
        i++;
    lua_pushinteger(L, i);
    return 1;
}

/*** Wait until one of several tasks has ended, in whatever way: out of memory is one.
 * @function first
 * @awaits
 * @usage
 * local task = require "engine.task"
 * local slow = task.spawn(function() task.sleep(60) end)
 * local quick = task.spawn(function() return "done" end)
 * assert(task.first(slow, quick) == 2)
 * slow:cancel()
 * @tparam Task ... at least one
 * @treturn integer which of them, counted from 1; of several that have, the first
 */
static int task_first(lua_State *L)
{
    luaL_argcheck(L, lua_gettop(L) > 0, 1, "a task expected");
    return await_first(L, lua_gettop(L), first_finish);
}

/*** Ask a task to end: the call in which it waits raises an error with code `cancelled`, once.
 * @function Task:cancel
 */
static int task_cancel(lua_State *L)
{
    moonlua_cancel(check_task(L, 1));
    return 0;
}

/*** Whether the task has ended.
 * @function Task:done
 * @treturn boolean
 */
static int task_done(lua_State *L)
{
    lua_pushboolean(L, check_task(L, 1)->done);
    return 1;
}

int luaopen_engine_task(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spawn", task_spawn},   {"sleep", task_sleep},           {"cancelled", task_cancelled},
        {"limit", task_limit},   {"foreground", task_foreground}, {"first", task_first},
        {"settle", task_settle}, {"alarm", task_alarm},           {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"join", task_join}, {"cancel", task_cancel}, {"done", task_done}, {NULL, NULL}};
    moonlua_methods(L, TASK_TYPE);
    luaL_setfuncs(L, methods, 0);
    luaL_newlib(L, functions);
    return 1;
}
