/* One asynchronous operation: started and finished on the loop thread, carried out either by a
 * worker thread (kinds with `run`) or by the loop itself (kinds with `start`).
 *
 * Results are jansson values, the one neutral form that the Lua layer turns into tables. */
#ifndef MOON_OP_H
#define MOON_OP_H

#include "err.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

struct moon_loop;
struct moon_op;

struct moon_op_kind {
    const char *name;
    /* Loop thread: it is about to be given to a worker, or started. May be NULL. */
    void (*begin)(struct moon_op *op);
    /* Loop thread: it has ended, or will never run. It may live on, as a value of a script. May be NULL. */
    void (*end)(struct moon_op *op);
    /* Worker thread: blocks as long as it must; fills op->result, or op->err and op->failed. */
    void (*run)(struct moon_op *op);
    /* Loop thread, instead of run: must later call moon_op_complete. -1 with op->err when it
     * could not start. */
    int (*start)(struct moon_op *op, struct moon_loop *loop);
    /* Loop thread: the waiter is gone, or (`whole`) waits for nothing but the end. Stop what can be stopped; completion
     * may still come. Of a kind with run: it may be under way in its thread. May be called twice. */
    void (*cancel)(struct moon_op *op, struct moon_loop *loop);
    /* Free what the operation owns, not the operation itself. May be NULL. */
    void (*destroy)(struct moon_op *op);
    bool rescue; /* runs on the reserved worker: resume, thaw, abort */
    /* A waiter that is told to end waits for its end all the same. Given up, it might be carried out
     * after what the waiter does next about the same thing: an old file over a new one. */
    bool whole;
    /* Of a kind with run: it closes something, and is begun also when the program ends, which waits for it with a limit. Any
     * other that no worker has begun by then never is. */
    bool closes;
};

struct moon_op {
    const struct moon_op_kind *kind;
    atomic_int refs;
    struct moon_op *next; /* queue link; guarded by the queue's lock */

    /* Written by run() before completion, read by the loop thread after it. */
    json_t *result; /* owned; NULL means "true" */
    struct moon_err err;
    bool failed;

    /* Loop thread only. The pointers keep the two flags out of the word that `failed` is in: a
     * compiler may read both with one load, which would also read what a worker writes. */
    void (*notify)(struct moon_op *op, void *arg);
    void *notify_arg;
    bool done;
    bool abandoned;
};

/* Initialise the head of a zeroed, malloc'ed structure whose first member is the operation. */
void moon_op_init(struct moon_op *op, const struct moon_op_kind *kind);
struct moon_op *moon_op_ref(struct moon_op *op);
void moon_op_unref(struct moon_op *op);

/* Loop thread. notify(op, arg) is called once, from the loop, unless the operation was
 * abandoned before. -1: it could not be started, op->err says why, notify is not called. */
int moon_op_start(struct moon_op *op, struct moon_loop *loop,
                  void (*notify)(struct moon_op *, void *), void *arg);

/* Loop thread: nobody waits for this operation any more; its completion will be dropped. */
void moon_op_abandon(struct moon_op *op, struct moon_loop *loop);

/* Loop thread: a worker calls close(what), which may block; also when the program ends. Without memory or a thread nobody does, and
 * `what` stays open to the end. */
void moon_op_close(struct moon_loop *loop, void (*close)(void *what), void *what);

/* Hand over what a call found. value is taken; NULL, as jansson's constructors give it when memory is
 * out, is an error: left as it is it would mean "true". 0, or -1 with *err. Any thread. */
int moon_op_give(json_t **out, json_t *value, const char *op, struct moon_err *err);

/* Loop thread: the end of an operation. Drops the reference that moon_op_start took. */
void moon_op_complete(struct moon_op *op);

#endif
