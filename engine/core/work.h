/* A bounded pool of threads for calls that block (libvirt, files, name resolution).
 *
 * Threads are made when work waits and none is idle. Operations of a kind marked `rescue` have
 * threads of their own, so that resume and thaw never queue behind what hangs. A thread whose
 * operation was abandoned counts as lost and may be replaced. */
#ifndef MOON_WORK_H
#define MOON_WORK_H

#include <stdbool.h>

struct moon_loop;
struct moon_op;
struct moon_work;

/* Completions are posted to the loop. NULL when there is no memory. */
struct moon_work *moon_work_new(struct moon_loop *loop, int threads, int rescue_threads);

/* Any thread. -1 (op->err) when no thread could be made and none exists. */
int moon_work_submit(struct moon_work *w, struct moon_op *op);

/* Loop thread: drops the operation if it still waits, else counts its thread as lost. */
void moon_work_abandon(struct moon_work *w, struct moon_op *op);

/* Loop thread: a call that had been counted as lost has ended after all. */
void moon_work_returned(struct moon_work *w, const struct moon_op *op);

/* No thread starts new work after this. Waits up to `seconds` for running calls; true when every
 * thread is gone and the pool (and the loop) may be freed. */
bool moon_work_stop(struct moon_work *w, double seconds);
void moon_work_free(struct moon_work *w);

#endif
