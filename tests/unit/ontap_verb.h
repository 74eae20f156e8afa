/* The verbs of the ONTAP client, and JSON, as tables of tests name them. Included after cmocka.h. */
#ifndef ONTAP_VERB_H
#define ONTAP_VERB_H

#include "ontap.h"

#include <string.h>

static inline json_t *parse(const char *text)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!j)
        fail_msg("not JSON: %s", text);
    return j;
}

static inline enum moon_ontap_verb verb_named(const char *name)
{
    int v = 0;
    while (v < MOON_ONTAP_VERB_COUNT &&
           strcmp(moon_ontap_verb_name((enum moon_ontap_verb)v), name) != 0)
        v++;
    if (v == MOON_ONTAP_VERB_COUNT)
        fail_msg("no verb %s", name);
    return (enum moon_ontap_verb)v;
}

#endif
