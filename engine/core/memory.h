/* Memory that ran out where nobody asked. A row of twenty optional fields does not look twenty times
 * whether jansson could keep one, and a row without `busy` or a request without its filter means
 * something else: who makes it asks once, in the end. */
#ifndef MOON_MEMORY_H
#define MOON_MEMORY_H

#include "err.h"

#include <jansson.h>

/* From now on jansson's allocations are watched. Any number of times, before there are threads. */
void moon_memory_watch(void);

/* An allocation has failed in this thread; jansson's and moon_buf's say so by themselves. */
void moon_memory_note(void);

/* What was allocated, as it is; NULL is noted. For what reads as "there is none" to who asked. */
static inline void *moon_memory_got(void *p)
{
    if (!p)
        moon_memory_note();
    return p;
}

/* How many have failed in this thread so far. */
unsigned long moon_memory_failures(void);

/* 0 when none has failed in this thread since there were `before`; else -1 with *err, internal. */
int moon_memory_check(unsigned long before, const char *op, struct moon_err *err);

/* JSON text as a value, or NULL with *error (may be NULL): json_loadb leaves out bytes of a string that
 * there was no memory for, or overwrites what is not its own. flags are jansson's. Any thread. */
json_t *moon_memory_parse(const char *text, size_t len, size_t flags, json_error_t *error);

/* A deep copy, or NULL: json_deep_copy leaves out what there was no memory for. Any thread. */
json_t *moon_memory_copy(const json_t *value);

/* A value as JSON text, to be freed, or NULL: json_dumps goes on after a key that there was no room for, and what it gives
 * then is no JSON. NULL as well for text that is not UTF-8. flags are jansson's. Any thread. */
char *moon_memory_dump(const json_t *value, size_t flags);

#endif
