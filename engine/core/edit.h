/* Lines typed at a terminal: editing, history and completion, by libedit. Nothing here is for a run that
 * nobody sits before. */
#ifndef MOON_EDIT_H
#define MOON_EDIT_H

#include "err.h"

#include <jansson.h>
#include <stdatomic.h>

struct moon_edit;

/* history: the file that keeps what was typed (mode 0600), or NULL. Loads libedit; -1 with *err
 * (unsupported) where it is not installed. */
int moon_edit_new(const char *history, struct moon_edit **out, struct moon_err *err);
struct moon_edit *moon_edit_ref(struct moon_edit *e);
void moon_edit_unref(struct moon_edit *e);

/* Blocks until a line was typed: a worker thread's. words: the strings that the tab key completes. *out:
 * the line without its end; JSON null when there are no more (ctrl-d). -1 with *err (cancelled) when it was stopped. A
 * line that begins with a blank is not kept in the history. */
int moon_edit_read(struct moon_edit *e, const char *prompt, const json_t *words,
                   const atomic_bool *stop, json_t **out, struct moon_err *err);

/* Any thread: the read that was given this `stop` ends, or does not begin; the terminal is as it was before. */
void moon_edit_stop(struct moon_edit *e, atomic_bool *stop);

#endif
