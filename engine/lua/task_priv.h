/* Between task.c, which runs the tasks, and l_task.c, which gives them to scripts. */
#ifndef MOONLUA_TASK_PRIV_H
#define MOONLUA_TASK_PRIV_H

#include "moonlua.h"

#define TASK_TYPE "engine.Task"

/* The userdata of a script's handle; the coroutine is its user value. */
struct moonlua_task {
    struct moonlua *m;
    lua_State *co;
    struct moonlua_task *ready_next;
    struct moon_op *op; /* what it waits for; owned by the wait box on its stack */
    bool queued, done, failed;
    bool cancel;    /* asked to end */
    bool delivered; /* and told so */
    int nresults;   /* on co's stack, once done */
    struct moon_op **joiners;
    size_t njoiners;
};

/* A task of the function and the nargs arguments on top of L; it runs at the loop's next turn. The result is the
 * userdata that then stands there. [-(nargs + 1), +1, e] */
struct moonlua_task *moonlua_spawn(lua_State *L, int nargs);
/* Ask a task to end; does not wait for it. Nothing, when it was asked before or has ended. */
void moonlua_cancel(struct moonlua_task *t);
/* Fire this event (moon_loop_event) when the task, which has not ended, does. Takes a reference of its own. False: out
 * of memory. */
bool moonlua_joined(struct moonlua_task *t, struct moon_op *event);

#endif
