/* Scope-bound cleanup. For engine/core, engine/guard and the simulator only: a Lua error is a
 * longjmp, which runs none of these. */
#ifndef MOON_AUTO_H
#define MOON_AUTO_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MOON_AUTO(fn) __attribute__((cleanup(fn)))

static inline void moon_auto_free(void *p)
{
    free(*(void **)p);
}

static inline void moon_auto_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void moon_auto_fclose(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void moon_auto_json(json_t **json)
{
    json_decref(*json);
}

#define AUTO_FREE   MOON_AUTO(moon_auto_free)
#define AUTO_CLOSE  MOON_AUTO(moon_auto_close)
#define AUTO_FCLOSE MOON_AUTO(moon_auto_fclose)
#define AUTO_JSON   MOON_AUTO(moon_auto_json)

/* Move a pointer out of a variable that would free it. cppcheck takes the NULL of a statement within a
 * return for what is there after it. */
#ifdef __cppcheck__
#define MOON_STEAL(p) (p)
#else
#define MOON_STEAL(p)                                                                              \
    __extension__({                                                                                \
        __typeof__(p) steal_ = (p);                                                                \
        (p) = NULL;                                                                                \
        steal_;                                                                                    \
    })
#endif

#endif
