/* Memory that runs out for jansson, one allocation at a time. Included after cmocka.h. */
#ifndef NO_MEMORY_H
#define NO_MEMORY_H

#include "memory.h"

#include <jansson.h>
#include <stdbool.h>

static json_malloc_t json_before;
static unsigned long json_asked, json_refused; /* allocations so far; the one that fails, 0: none */

static inline void *one_json_fails(size_t size)
{
    return ++json_asked == json_refused ? moon_memory_got(NULL) : json_before(size);
}

/* From now on the nth allocation fails. */
static inline void refuse_json(unsigned long n)
{
    json_free_t free_before;
    json_get_alloc_funcs(&json_before, &free_before);
    json_set_alloc_funcs(one_json_fails, free_before);
    json_asked = 0;
    json_refused = n;
}

/* None fails any more. Whether one did. */
static inline bool allow_json(void)
{
    bool did = json_refused > 0 && json_asked >= json_refused;
    json_set_alloc_funcs(json_before, free);
    json_refused = 0;
    return did;
}

#endif
