/* Shared by the binding files. In the comments: [-pops, +pushes, raises: - never, e errors,
 * m memory only], as in the Lua manual.
 *
 * Rules of this folder: a Lua error is a longjmp, so check all arguments first, then take C
 * resources, and keep whatever must survive a Lua call inside a userdata. */
#ifndef MOONLUA_H
#define MOONLUA_H

#include "err.h"
#include "loop.h"
#include "op.h"

#include <jansson.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <time.h>

/* What the handler of a signal reads; see watch.c. */
struct moonlua_watch {
    lua_State *volatile current; /* whose Lua code runs now: a task or a coroutine of its own */
    volatile int ticks;          /* since the running task went on */
    int strikes;                 /* errors that were raised since then */
    volatile double limit;       /* s without a wait; 0: none */
    timer_t timer;
};

/* What one Lua state needs to know of its engine; reached from any of its threads. */
struct moonlua {
    lua_State *L;
    struct moon_loop *loop;
    struct moonlua_task *running; /* the task whose Lua code runs now */
    struct moonlua_task *main;    /* the one that all others come from; NULL before it begins */
    int turns;                    /* how often its Lua code was gone on with */
    struct moonlua_task *ready_head, *ready_tail;
    int alive;                       /* tasks that have not ended */
    struct moonlua_task *foreground; /* what SIGINT ends, when interactive */
    bool interactive;
    int signal;   /* the signal that asked for the end, 0 */
    bool settled; /* the next one comes too late */
    bool alarm;   /* somebody has to look: exit code 5, whatever ends the program */
    bool dry_run;
    json_t *steps;     /* what the dry run refused: [{op, object, args, side}] */
    int hold, observe; /* registry: functions of engine.plan; 0: none */
    json_t *calls;     /* a test's notes of what changes something, in the same form; NULL: none */
    json_t *rules;     /* and which of these calls are to fail */
    struct moonlua_watch watch;
    struct moonlua_trace *trace;    /* the last calls; NULL before the first */
    struct moonlua_still *stopping; /* calls under way that stop a domain or bring it back */
    struct moonlua_still *still;    /* domains that stand still, the first one first */
    long call;                      /* the number of the one that is about to wait, 0 */
    const char *lib_dir;            /* overrides the compiled-in library; NULL */
};

struct moonlua *moonlua_get(lua_State *L); /* [-0, +0, -] */

/* --- state.c --- */
struct moonlua *moonlua_new(struct moon_loop *loop, const char *lib_dir, struct moon_err *err);
void moonlua_free(struct moonlua *m);
/* Pushes the chunk of a compiled-in file ("stdlib/err.lua"), as `load` gives it; false, and nothing is pushed, when there is
 * none. Raises where the Lua library is of another version than the one the program was built with. [-0, +(0|1), e] */
bool moonlua_embedded(lua_State *L, const char *name);

/* --- util.c --- */
/* null is nil; in a list it is moonlua_pushnull's value, so that what stands behind it keeps its place and is seen by those
 * who go through the list; with holes it is nil there, too. [-0, +1, m] */
void moonlua_pushjson(lua_State *L, const json_t *v);
void moonlua_pushholes(lua_State *L, const json_t *v);
void moonlua_pushnull(lua_State *L); /* [-0, +1, -] */
/* The value at idx as JSON into the box that newjson made. Raises for functions, cycles, keys
 * that are neither strings nor a list. [-0, +0, e] */
json_t *moonlua_tojson(lua_State *L, int idx, json_t **box);
/* A userdata that owns a JSON value: survives errors. [-0, +1, m] */
json_t **moonlua_newjson(lua_State *L);
/* nil, error object. Always returns 2. [-0, +2, m] */
int moonlua_pusherr(lua_State *L, const struct moon_err *err);
/* Make the table at the top an error object. [-1, +1, m] */
void moonlua_markerr(lua_State *L);
/* nil and an error object -> the same with what messages want to know of its origin, unless it has it. [-0, +0, m] */
void moonlua_placeerr(lua_State *L);
bool moonlua_iserr(lua_State *L, int idx); /* [-0, +0, -] */
/* Arguments from index `first` by a signature into JSON; raises what is wrong.
 * "volume:s name:s {comment:s? label:s?}": positional arguments, then one options table. Types: s
 * text (no zero byte), d bytes, i integer, n number, b boolean, t table of plain data, v any plain value; ? optional.
 * Pushes the box that owns the result. [-0, +1, e] */
json_t *moonlua_args(lua_State *L, int first, const char *signature);
/* Register a metatable for a handle type: methods in a separate __index table. [-0, +0, m] */
void moonlua_class(lua_State *L, const char *type, const luaL_Reg *meta);
/* The methods table of a class, to fill. [-0, +1, m] */
void moonlua_methods(lua_State *L, const char *type);

/* --- task.c; see task_priv.h --- */
typedef int (*moonlua_finish)(lua_State *L, struct moon_op *op);
/* Park the running task until `op` is done, then return what finish pushes (NULL: the result, or
 * nil and the error). Takes the caller's reference to op. Use as `return moonlua_await(...)`.
 * Raises outside a task, inside a nested coroutine, and when the task is cancelled. */
int moonlua_await(lua_State *L, struct moon_op *op, moonlua_finish finish);
int moonlua_finish_default(lua_State *L, struct moon_op *op);
/* Run the function and arguments on the top of L as the main task until it ends; afterwards
 * leftover tasks are cancelled and waited for. Pushes its results: true and values, or false and
 * an error object. Returns their number. */
int moonlua_run(struct moonlua *m, int nargs);
/* Message handler, and engine.err.caught: what was raised becomes an error object with its traceback. */
int moonlua_caught(lua_State *L);
void moonlua_task_init(lua_State *L);       /* [-0, +0, m] */
bool moonlua_istask(lua_State *L, int idx); /* whether the thread at idx is a task's [-0, +0, -] */
/* Ask the main task to end because of a signal; the second time the loop gives up waiting. Returns what is to be said of
 * it; NULL: it was not for the program, but for the task in the foreground. */
const char *moonlua_interrupt(struct moonlua *m, int signal);

/* --- watch.c, coroutine.c --- */
/* Scripts are watched from now on, on this thread, which is the loop's. */
void moonlua_watch_start(struct moonlua *m);
void moonlua_watch_stop(struct moonlua *m);
/* lua_resume, with its time counted; the way all Lua code of tasks and of their coroutines goes. */
int moonlua_watch_resume(struct moonlua *m, lua_State *co, lua_State *from, int nargs,
                         int *nresults);
void moonlua_coroutine_init(lua_State *L); /* [-0, +0, m] */

/* --- still.c --- */
/* The call that began last is about this domain, called so. */
void moonlua_still_begins(struct moonlua *m, const char *op, const char *uri, const char *uuid,
                          const char *name);
/* Its call has ended. A number of 0 is no call. */
void moonlua_still_ended(struct moonlua *m, long call, bool failed);
/* A list of {name, uuid, uri, suspended, frozen}. [-0, +1, m] */
void moonlua_still_push(lua_State *L);
void moonlua_still_free(struct moonlua *m);

/* --- l_trace.c --- */
/* "FILE:LINE" of the innermost function that is not of the shipped library, else of the innermost; "". Whether it
 * is the innermost, and not of the library. */
bool moonlua_place(lua_State *L, char *place, size_t size); /* [-0, +0, -] */
/* The next moonlua_await is this call: nothing that may raise or return comes in between, or the await after it would end
 * this call as well. args may be NULL; of them only names are kept. */
void moonlua_call_begins(struct moonlua *m, const char *op, const char *object, const json_t *args,
                         bool changes);
/* err: NULL when it went well. A number of 0 is no call. [-0, +0, -] */
void moonlua_call_ended(lua_State *L, long number, const struct moon_err *err);
long moonlua_call_count(const struct moonlua *m);
/* The handle at the top wants closing by the script, with what becomes of it otherwise ("is ..."); and was closed.
 * [-0, +0, m] */
void moonlua_opened(lua_State *L, const char *what, const char *ends);
void moonlua_closed(lua_State *L, int idx);
void moonlua_trace_init(lua_State *L); /* [-0, +0, m] */

/* --- prim.c --- */
/* What changes something asks here first. In a dry run the step is recorded and {planned = true} pushed; one
 * that plan.hold's function does not let pass is nil and its error, and a test may let the call fail, too. The
 * number of results that the caller then returns at once; 0: go on. [-0, +0|1|2, e] */
int moonlua_refused(lua_State *L, const char *op, const char *object, const json_t *args);
/* For plan.observe: push a note of a call that is going to be made, and give the finish to await it with. Nothing
 * is pushed, and NULL given, when nobody observes. args may be NULL. [-0, +0|1, m] */
moonlua_finish moonlua_note(lua_State *L, const char *op, const char *object, const json_t *args,
                            bool changes);
/* The call of the note at idx has ended; what that finish does, for one of its own. [-0, +0, e] */
void moonlua_observed(lua_State *L, int idx, const struct moon_op *op);

/* --- l_probe.c --- */
/* The same for a test's notes and rules alone. [-0, +0|2, m] */
int moonlua_probed(lua_State *L, const char *op, const char *object, const json_t *args);

/* One blocking primitive: a row of a table, carried out by a worker thread. */
struct moonlua_prim {
    const char *name;
    const char *signature;
    unsigned flags;
    /* Worker thread, no Lua. `self` is what the binding handed to moonlua_setprims' methods. */
    int (*run)(void *self, const json_t *args, json_t **out, struct moon_err *err);
};
#define MOONLUA_CHANGES 1u  /* refused in a dry run */
#define MOONLUA_RESCUE  2u  /* runs on the reserved worker */
#define MOONLUA_SECRET  4u  /* its arguments may hold secrets: not recorded */
#define MOONLUA_WHOLE   8u  /* a cancelled task waits for its end: see struct moon_op_kind */
#define MOONLUA_PENDS   16u /* self is told that it was begun, and has ended */

/* How the methods of a class reach their C object. */
struct moonlua_self {
    const char *type;                    /* class name, NULL for plain functions */
    const char *prefix;                  /* "domain": the step's name is domain.suspend */
    void *(*get)(lua_State *L, int idx); /* checked, raises when closed */
    void *(*ref)(void *self);
    void (*unref)(void *self);
    const char *(*name)(void *self);
    /* Of a domain: its connection and its uuid; NULL for others. */
    const char *(*uri)(void *self);
    const char *(*uuid)(void *self);
    void (*pend)(void *self, int by); /* for MOONLUA_PENDS; any thread */
};

/* Add a function per row (ended by a NULL name) to the table at the top. The rows and `self` must
 * live as long as the state. [-0, +0, m] */
void moonlua_setprims(lua_State *L, const struct moonlua_prim *rows,
                      const struct moonlua_self *self);

/* --- domain.c --- */
struct moon_virt;
/* A handle of a domain; makes no call. Always returns 1. [-0, +1, e] */
int moonlua_pushdomain(lua_State *L, struct moon_virt *v, const char *uuid, const char *name);
void moonlua_domain_init(lua_State *L); /* its class [-0, +0, m] */

/* --- the modules --- */
int luaopen_engine_clock(lua_State *L);
int luaopen_engine_domxml(lua_State *L);
int luaopen_engine_err(lua_State *L);
int luaopen_engine_file(lua_State *L);
int luaopen_engine_guard(lua_State *L);
int luaopen_engine_http(lua_State *L);
int luaopen_engine_json(lua_State *L);
int luaopen_engine_log(lua_State *L);
int luaopen_engine_lun(lua_State *L);
int luaopen_engine_mount(lua_State *L);
int luaopen_engine_multipath(lua_State *L);
int luaopen_engine_ontap(lua_State *L);
int luaopen_engine_pcre(lua_State *L);
int luaopen_engine_plan(lua_State *L);
int luaopen_engine_probe(lua_State *L);
int luaopen_engine_process(lua_State *L);
int luaopen_engine_seal(lua_State *L);
int luaopen_engine_task(lua_State *L);
int luaopen_engine_terminal(lua_State *L);
int luaopen_engine_trace(lua_State *L);
int luaopen_engine_virt(lua_State *L);
int luaopen_engine_xml(lua_State *L);

#endif
