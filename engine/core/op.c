#include "op.h"

#include "loop.h"
#include "work.h"

#include <stdlib.h>

void moon_op_init(struct moon_op *op, const struct moon_op_kind *kind)
{
    op->kind = kind;
    atomic_init(&op->refs, 1);
}

struct moon_op *moon_op_ref(struct moon_op *op)
{
    atomic_fetch_add(&op->refs, 1);
    return op;
}

void moon_op_unref(struct moon_op *op)
{
    if (!op || atomic_fetch_sub(&op->refs, 1) != 1)
        return;
    if (op->kind->destroy)
        op->kind->destroy(op);
    json_decref(op->result);
    free(op);
}

int moon_op_start(struct moon_op *op, struct moon_loop *loop,
                  void (*notify)(struct moon_op *, void *), void *arg)
{
    op->notify = notify;
    op->notify_arg = arg;
    moon_op_ref(op);
    if (op->kind->begin)
        op->kind->begin(op);
    int rc = op->kind->run ? moon_work_submit(moon_loop_work(loop), op) : op->kind->start(op, loop);
    if (rc < 0) {
        op->failed = true;
        if (op->kind->end)
            op->kind->end(op);
        moon_op_unref(op);
    }
    return rc;
}

void moon_op_abandon(struct moon_op *op, struct moon_loop *loop)
{
    if (op->done || op->abandoned)
        return;
    op->abandoned = true;
    if (op->kind->run)
        moon_work_abandon(moon_loop_work(loop), op);
    if (op->kind->cancel)
        op->kind->cancel(op, loop);
}

struct close_op {
    struct moon_op op;
    void (*close)(void *what);
    void *what;
};

static void close_run(struct moon_op *op)
{
    struct close_op *c = (struct close_op *)op;
    c->close(c->what);
}

void moon_op_close(struct moon_loop *loop, void (*close)(void *what), void *what)
{
    static const struct moon_op_kind kind = {.name = "close", .run = close_run, .closes = true};
    struct close_op *c = calloc(1, sizeof *c);
    if (!c)
        return;
    moon_op_init(&c->op, &kind);
    c->close = close;
    c->what = what;
    moon_op_start(&c->op, loop, NULL, NULL);
    moon_op_unref(&c->op);
}

int moon_op_give(json_t **out, json_t *value, const char *op, struct moon_err *err)
{
    *out = value;
    return value ? 0 : moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, op, "out of memory");
}

void moon_op_complete(struct moon_op *op)
{
    op->done = true;
    if (op->kind->end)
        op->kind->end(op);
    if (!op->abandoned && op->notify)
        op->notify(op, op->notify_arg);
    moon_op_unref(op);
}
