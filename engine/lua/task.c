/* The scheduler of tasks: coroutines that the loop parks and resumes.
 *
 * A call that waits yields a private sentinel with its operation kept in a userdata on the coroutine's stack.
 * Cancelling resumes the task with an error, once: to-be-closed values then run and may wait again. An operation
 * that must not be given up half-way is waited for before. The body runs under pcall inside the coroutine, so that
 * closing happens where waiting is possible. */
#include "task_priv.h"

#include "clock.h"

#include <signal.h>
#include <string.h>

#define WAIT_TYPE "engine.Wait"
#define GRACE     120.0 /* seconds for closing handlers after a signal */

static const char sentinel; /* its address marks an engine wait */
static const char active;   /* registry key: task userdata that have not ended */
static const char threads;  /* registry key: weak set of the coroutines of tasks */

struct wait {
    struct moonlua *m;
    struct moon_op *op;
    moonlua_finish finish;
    long call; /* see l_trace.c */
};

static int wait_gc(lua_State *L)
{
    struct wait *w = lua_touserdata(L, 1);
    if (w->op) {
        moon_op_abandon(w->op, w->m->loop);
        moon_op_unref(w->op);
        w->op = NULL;
    }
    return 0;
}

static void make_ready(struct moonlua_task *t)
{
    struct moonlua *m = t->m;
    if (t->queued || t->done)
        return;
    t->queued = true;
    t->ready_next = NULL;
    if (m->ready_tail)
        m->ready_tail->ready_next = t;
    else
        m->ready_head = t;
    m->ready_tail = t;
}

static void on_done(struct moon_op *op, void *arg)
{
    (void)op;
    make_ready(arg);
}

static int raise_cancelled(lua_State *L, struct moonlua_task *t, long call)
{
    t->delivered = true;
    struct moon_err err;
    if (t->m->signal)
        moon_err_set(&err, MOON_CANCELLED, MOON_SRC_ENGINE, t->m->signal, "task",
                     "interrupted by signal %d (%s)", t->m->signal, strsignal(t->m->signal));
    else
        moon_err_set(&err, MOON_CANCELLED, MOON_SRC_ENGINE, 0, "task", "cancelled");
    moonlua_call_ended(L, call, &err);
    moonlua_pusherr(L, &err);
    return lua_error(L);
}

int moonlua_finish_default(lua_State *L, struct moon_op *op)
{
    if (op->failed)
        return moonlua_pusherr(L, &op->err);
    if (op->result)
        moonlua_pushjson(L, op->result);
    else
        lua_pushboolean(L, true);
    return 1;
}

static int after_wait(lua_State *L, int status, lua_KContext box)
{
    (void)status;
    struct wait *w = lua_touserdata(L, (int)box);
    struct moonlua_task *t = w->m->running;
    if (!t || t->co != L)
        return luaL_error(L, "a task is resumed by the engine only");
    t->op = NULL;
    if (t->cancel && !t->delivered)
        return raise_cancelled(L, t, w->call);
    moonlua_call_ended(L, w->call, w->op->failed ? &w->op->err : NULL);
    return w->finish(L, w->op);
}

/* Where the function was called from which Lua code cannot wait: the innermost C function that is not made
 * for it, or a finalizer. Pushes words for it. */
static void push_boundary(lua_State *L)
{
    lua_Debug ar, caller;
    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "nSf", &ar);
        lua_CFunction f = lua_tocfunction(L, -1);
        lua_pop(L, 1);
        if (ar.name && strcmp(ar.name, "__gc") == 0) {
            lua_pushfstring(L, "in the finalizer at %s:%d", ar.short_src, ar.linedefined);
            return;
        }
        if (!f)
            continue;
        lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        lua_getfield(L, -1, LUA_GNAME);
        lua_getfield(L, -1, "pcall");
        lua_getfield(L, -2, "xpcall");
        bool waits = lua_tocfunction(L, -1) == f || lua_tocfunction(L, -2) == f;
        lua_pop(L, 4);
        if (waits || !lua_getstack(L, level + 1, &caller))
            continue;
        lua_getinfo(L, "Sl", &caller);
        bool required = ar.name && strcmp(ar.name, "require") == 0;
        lua_pushfstring(L, "%s%s%s called at %s:%d",
                        required ? "at file level of a module, " : "within ",
                        ar.name ? ar.name : "a function of C", required ? " was" : ",",
                        caller.short_src, caller.currentline);
        return;
    }
    lua_pushliteral(L, "at file level");
}

/* The first function of the coroutine, in words. */
static void push_origin(lua_State *L)
{
    lua_Debug ar, first;
    int level = 0;
    for (; lua_getstack(L, level, &ar); level++)
        first = ar;
    lua_getinfo(L, "S", &first);
    lua_pushfstring(L, "%s:%d", first.short_src, first.linedefined);
}

int moonlua_await(lua_State *L, struct moon_op *op, moonlua_finish finish)
{
    struct moonlua *m = moonlua_get(L);
    struct moonlua_task *t = m->running;
    struct wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = (struct wait){m, op, finish ? finish : moonlua_finish_default, m->call};
    m->call = 0;
    luaL_setmetatable(L, WAIT_TYPE);
    int box = lua_gettop(L);
    if (!t || t->co != L) {
        op->done = true; /* never started: nothing to abandon */
        if (!t)
            return luaL_error(L, "this call waits and needs a task (not at file level)");
        push_origin(L);
        return luaL_error(
            L,
            "this call waits, which a coroutine of the script's own cannot do (that of "
            "the function at %s); std.task has functions that run things at the same time",
            lua_tostring(L, -1));
    }
    if (!lua_isyieldable(L)) {
        op->done = true;
        push_boundary(L);
        return luaL_error(
            L, "this call waits and cannot be made here: %s; make it before, and keep its result",
            lua_tostring(L, -1));
    }
    if (t->cancel && !t->delivered) {
        op->done = true;
        return raise_cancelled(L, t, w->call);
    }
    if (moon_op_start(op, m->loop, on_done, t) < 0) {
        op->done = true;
        moonlua_call_ended(L, w->call, &op->err);
        return w->finish(L, op);
    }
    t->op = op;
    lua_pushlightuserdata(L, (void *)(uintptr_t)&sentinel);
    return lua_yieldk(L, 1, box, after_wait);
}

/* --- running tasks ----------------------------------------------------------------------- */

int moonlua_caught(lua_State *L)
{
    luaL_checkstack(L, 8, NULL);
    lua_settop(L, 1);
    if (!moonlua_iserr(L, 1)) {
        const char *text = luaL_tolstring(L, 1, NULL);
        lua_createtable(L, 0, 7);
        lua_pushstring(L, "internal");
        lua_setfield(L, -2, "code");
        lua_pushstring(L, "engine");
        lua_setfield(L, -2, "source");
        lua_pushstring(L, text);
        lua_setfield(L, -2, "message");
        moonlua_markerr(L);
    } else {
        lua_pushvalue(L, 1);
    }
    moonlua_placeerr(L);
    if (lua_getfield(L, -1, "traceback") == LUA_TNIL) {
        luaL_traceback(L, L, NULL, 1);
        lua_setfield(L, -3, "traceback");
    }
    lua_pop(L, 1);
    return 1;
}

static int task_end(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    struct moonlua_task *t = moonlua_get(L)->running;
    t->failed = status != LUA_OK && status != LUA_YIELD;
    return lua_gettop(L) - 1;
}

/* Stack: function, arguments. */
static int task_main(lua_State *L)
{
    lua_pushcfunction(L, moonlua_caught);
    lua_insert(L, 1);
    return task_end(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, task_end), 0);
}

bool moonlua_joined(struct moonlua_task *t, struct moon_op *event)
{
    struct moon_op **more = realloc(t->joiners, (t->njoiners + 1) * sizeof *more);
    if (!more)
        return false;
    t->joiners = more;
    t->joiners[t->njoiners++] = moon_op_ref(event);
    return true;
}

static void finish_task(struct moonlua_task *t)
{
    lua_State *L = t->m->L;
    t->done = true;
    if (t->m->foreground == t)
        t->m->foreground = NULL;
    t->m->alive--;
    for (size_t i = 0; i < t->njoiners; i++) {
        moon_loop_fire(t->joiners[i]);
        moon_op_unref(t->joiners[i]);
    }
    free(t->joiners);
    t->joiners = NULL;
    t->njoiners = 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &active);
    lua_pushnil(L);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
}

static void resume(struct moonlua_task *t, int nargs)
{
    struct moonlua *m = t->m;
    struct moonlua_task *before = m->running;
    m->running = t;
    if (t == m->main)
        m->turns++;
    int n = 0;
    int rc = moonlua_watch_resume(m, t->co, m->L, nargs, &n);
    m->running = before;
    if (rc == LUA_YIELD) {
        if (n == 1 && lua_touserdata(t->co, -1) == &sentinel) {
            lua_pop(t->co, 1);
            return;
        }
        /* A yield of the script's own, outside any coroutine of its own: it can never go on by
         * itself, so the task is told to end. */
        lua_pop(t->co, n);
        t->cancel = true;
        make_ready(t);
        return;
    }
    if (rc != LUA_OK) { /* not even the handler could run: out of memory */
        t->failed = true;
        n = 1;
    }
    t->nresults = n;
    finish_task(t);
}

struct moonlua_task *moonlua_spawn(lua_State *L, int nargs)
{
    struct moonlua *m = moonlua_get(L);
    int base = lua_gettop(L) - nargs;
    struct moonlua_task *t = lua_newuserdatauv(L, sizeof *t, 1);
    *t = (struct moonlua_task){.m = m, .done = true};
    luaL_setmetatable(L, TASK_TYPE);
    t->co = lua_newthread(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &threads);
    lua_pushvalue(L, -2);
    lua_pushboolean(L, true);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &active);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, t); /* alive while it runs, whether or not anybody holds the handle */
    lua_pop(L, 1);
    lua_insert(L, base);
    luaL_checkstack(L, 4, NULL);
    if (!lua_checkstack(t->co, nargs + 8))
        luaL_error(L, "too many arguments for a task");
    lua_pushcfunction(t->co, task_main);
    lua_xmove(L, t->co, nargs + 1);
    t->done = false;
    m->alive++;
    make_ready(t);
    return t;
}

/* Only those that are ready now: a task that is made ready by every turn must not keep the loop
 * from its other work. */
static void run_ready(struct moonlua *m)
{
    struct moonlua_task *next = m->ready_head;
    m->ready_head = m->ready_tail = NULL;
    while (next) {
        struct moonlua_task *t = next;
        next = t->ready_next;
        t->queued = false;
        int nargs = lua_status(t->co) == LUA_OK ? lua_gettop(t->co) - 1 : 0;
        resume(t, nargs);
    }
}

void moonlua_cancel(struct moonlua_task *t)
{
    if (t->done || t->cancel)
        return;
    t->cancel = true;
    struct moon_op *op = t->op;
    if (op && op->kind->whole) {
        if (op->kind->cancel)
            op->kind->cancel(op, t->m->loop);
    } else if (op) {
        t->op = NULL;
        moon_op_abandon(op, t->m->loop);
        make_ready(t);
    }
}

static void cancel_all(struct moonlua *m)
{
    lua_State *L = m->L;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &active);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        moonlua_cancel(lua_touserdata(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Stack: function, arguments -> the task's userdata. */
static int spawn_main(lua_State *L)
{
    moonlua_spawn(L, lua_gettop(L) - 1);
    return 1;
}

int moonlua_run(struct moonlua *m, int nargs)
{
    lua_State *L = m->L;
    lua_pushcfunction(L, spawn_main);
    lua_insert(L, -nargs - 2);
    if (lua_pcall(L, nargs + 1, 1, 0) != LUA_OK) { /* no memory */
        lua_pushboolean(L, false);
        lua_insert(L, -2);
        return 2;
    }
    struct moonlua_task *main = lua_touserdata(L, -1);
    m->main = main;
    int handle = lua_gettop(L);
    moonlua_watch_start(m);
    double give_up = 0;
    bool told = false;
    while (m->alive > 0) {
        run_ready(m);
        if (m->alive == 0)
            break;
        double now = moon_clock_mono();
        if (m->signal && !told) {
            told = true;
            give_up = now + GRACE;
            moonlua_cancel(main);
            continue;
        }
        if (main->done && give_up == 0) {
            /* Tasks that nobody waited for end with the main one. */
            give_up = now + GRACE;
            cancel_all(m);
            continue;
        }
        if (give_up != 0 && (now >= give_up || m->signal < 0))
            break;
        moon_loop_once(m->loop, m->ready_head ? 0 : give_up != 0 ? 0.2 : 3600);
    }
    if (!main->done) {
        lua_pushboolean(L, false);
        struct moon_err err;
        moon_err_set(&err, MOON_TIMEOUT, MOON_SRC_ENGINE, 0, "task",
                     "did not end in time after the signal");
        moonlua_pusherr(L, &err);
        lua_remove(L, -2);
        lua_remove(L, handle);
        return 2;
    }
    lua_pushboolean(L, !main->failed);
    luaL_checkstack(L, main->nresults, NULL);
    lua_xmove(main->co, L, main->nresults);
    lua_remove(L, handle);
    return main->nresults + 1;
}

const char *moonlua_interrupt(struct moonlua *m, int sig)
{
    if (m->interactive && sig == SIGINT) {
        if (m->foreground)
            moonlua_cancel(m->foreground);
        return NULL;
    }
    if (m->settled) {
        m->settled = false;
        return "the work is done and this run is about to end; press again to end it now";
    }
    m->signal = m->signal ? -abs(m->signal) : sig;
    return "ending; press again to stop waiting";
}

static int task_gc(lua_State *L)
{
    struct moonlua_task *t = luaL_checkudata(L, 1, TASK_TYPE);
    for (size_t i = 0; i < t->njoiners; i++)
        moon_op_unref(t->joiners[i]);
    free(t->joiners);
    t->joiners = NULL;
    t->njoiners = 0;
    return 0;
}

bool moonlua_istask(lua_State *L, int idx)
{
    lua_pushvalue(L, idx);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &threads);
    lua_insert(L, -2);
    bool is = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return is;
}

void moonlua_task_init(lua_State *L)
{
    static const luaL_Reg wait_meta[] = {{"__gc", wait_gc}, {NULL, NULL}};
    static const luaL_Reg task_meta[] = {{"__gc", task_gc}, {NULL, NULL}};
    moonlua_class(L, WAIT_TYPE, wait_meta);
    moonlua_class(L, TASK_TYPE, task_meta);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &active);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &threads);
}
