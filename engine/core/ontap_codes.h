/* What an error number of ONTAP means here: one sorted table per transport. Numbers decide, never
 * the text beside them. */
#ifndef MOON_ONTAP_CODES_H
#define MOON_ONTAP_CODES_H

#include "err.h"

#include <stddef.h>
#include <stdlib.h>

struct moon_ontap_fault {
    int number;
    enum moon_code code;
    const char *name;   /* NetApp's, or what the number stands for */
    const char *remedy; /* what to do, for the end of the message; never empty */
};

/* NULL for a number that is not in the table. */
const struct moon_ontap_fault *moon_ontap_zapi_fault(int number);
const struct moon_ontap_fault *moon_ontap_rest_fault(int number);

/* The whole table, sorted by number. */
const struct moon_ontap_fault *moon_ontap_zapi_faults(size_t *count);
const struct moon_ontap_fault *moon_ontap_rest_faults(size_t *count);

static inline int moon_ontap_fault_order(const void *a, const void *b)
{
    const struct moon_ontap_fault *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The row of `number` in a sorted table. */
static inline const struct moon_ontap_fault *
moon_ontap_fault_find(const struct moon_ontap_fault *rows, size_t count, int number)
{
    struct moon_ontap_fault key = {.number = number};
    return bsearch(&key, rows, count, sizeof key, moon_ontap_fault_order);
}

#endif
