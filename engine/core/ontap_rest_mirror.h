/* Between the files about SnapMirror over REST. */
#ifndef MOON_ONTAP_REST_MIRROR_H
#define MOON_ONTAP_REST_MIRROR_H

#include "ontap_rest.h"

/* The relationship with argument `destination`; the memo then has `mirror`, its record. */
int rest_ask_mirror(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_mirror(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
/* Its record in an answer, or NULL. */
json_t *rest_mirror_of(const struct moon_ontap_call *call, const json_t *answer);

/* Whether a transfer in that state (or none) is under way. */
bool rest_runs(const char *state);

/* The result {transfer?}. */
int rest_begun_transfer(struct moon_ontap_call *call, const char *transfer, struct moon_err *err);

#endif
