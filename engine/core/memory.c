#include "memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local unsigned long failures;

static _Thread_local bool parsing;
static _Thread_local unsigned long parse_begin;

/* Where jansson could not make room for a byte of a string, it goes on without it, and looks for an end that may
 * not be there in what it has got. What it asks for before it does so fails, too. */
static void *watched(size_t size)
{
    void *p = parsing && failures != parse_begin ? NULL : malloc(size);
    if (!p)
        failures++;
    return p;
}

void moon_memory_watch(void)
{
    json_set_alloc_funcs(watched, free);
}

void moon_memory_note(void)
{
    failures++;
}

unsigned long moon_memory_failures(void)
{
    return failures;
}

int moon_memory_check(unsigned long before, const char *op, struct moon_err *err)
{
    return failures == before
               ? 0
               : moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, op, "out of memory");
}

/* The value, unless a part of it was lost since. */
static json_t *whole(json_t *value, unsigned long before)
{
    if (failures == before)
        return value;
    json_decref(value);
    return NULL;
}

json_t *moon_memory_parse(const char *text, size_t len, size_t flags, json_error_t *error)
{
    unsigned long before = failures;
    parse_begin = before;
    parsing = true;
    json_t *value = whole(json_loadb(text, len, flags, error), before);
    parsing = false;
    if (failures != before && error)
        snprintf(error->text, sizeof error->text, "out of memory");
    return value;
}

json_t *moon_memory_copy(const json_t *value)
{
    unsigned long before = failures;
    return whole(json_deep_copy(value), before);
}

char *moon_memory_dump(const json_t *value, size_t flags)
{
    unsigned long before = failures;
    char *text = json_dumps(value, flags);
    if (failures == before)
        return text;
    free(text);
    return NULL;
}
