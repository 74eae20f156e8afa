/* Lists and records of REST, inside. */
#ifndef SIM_REST_LIST_PRIV_H
#define SIM_REST_LIST_PRIV_H

#include "rest.h"

/* What a field is needed for, in rest_list.want. */
enum { WANT_OUT = 1, WANT_LOOK = 2 };

/* Is name the same as, or below, the first n characters of prefix? */
bool rest_below(const char *name, const char *prefix, size_t n);
/* Does this release know the field? */
bool rest_field_exists(const struct rest_field *f);
/* l->field_count when there is none. */
size_t rest_field_index(const struct rest_list *l, const char *name);
/* Borrowed. All values at a dotted name; through lists, those of every element, collected in many
 * (NULL: lists are not entered). */
json_t *rest_value_at(json_t *from, const char *name, json_t *many);

#endif
