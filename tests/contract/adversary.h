/* Between the adversary and what it answers with. */
#ifndef ADVERSARY_H
#define ADVERSARY_H

#include "ontap_priv.h"

#include <stdbool.h>
#include <stdint.h>

/* splitmix64: the same sequences for the same seed on every machine. */
uint64_t adv_random(void);
void adv_seed(uint64_t seed);
/* True in `percent` of a hundred. */
bool adv_chance(unsigned percent);
#define ADV_PICK(list) ((list)[adv_random() % (sizeof(list) / sizeof((list)[0]))])

/* How much of what is said in this call is wrong: the same in one call out of three, less and more in
 * the others, so that some get far. Scales the percentages of answers. */
void adv_mood_swing(void);
bool adv_wrong(unsigned percent);

/* A text that means harm: names that lead elsewhere, markup, wildcards, parameters. */
const char *adv_hostile(void);
/* Arguments of a verb, by its signature: sensible ones, some of them hostile. */
json_t *adv_arguments(enum moon_ontap_verb verb);

/* An answer to the request: what a controller would say, an error, a job, damaged or hostile. */
void adv_answer(const struct moon_ontap_call *call, const struct moon_ontap_request *request,
                struct moon_http_reply *reply);

#endif
