/* SnapMirror over REST: what relationships, transfers and policies share. */
#ifndef SIM_REST_MIRROR_H
#define SIM_REST_MIRROR_H

#include "mirror.h"
#include "rest.h"

/* What was tried, to find the code for a refusal. */
enum rest_mirror_action {
    REST_MIRROR_CREATE,
    REST_MIRROR_INITIALIZE,
    REST_MIRROR_UPDATE,
    REST_MIRROR_RESYNC,
    REST_MIRROR_RESTORE,
    REST_MIRROR_PAUSE,
    REST_MIRROR_RESUME,
    REST_MIRROR_BREAK,
    REST_MIRROR_ABORT,
    REST_MIRROR_DELETE,
    REST_MIRROR_RELEASE,
};

/* Puts the REST code into an error of the model. */
void rest_mirror_code(enum rest_mirror_action action, struct sim_err *err);
/* Locked. The relationship with that uuid, if its destination is in the request's scope; NULL and
 * error 4. */
struct sim_mirror *rest_mirror(struct rest *r, const char *uuid);
const char *rest_mirror_policy_type(const struct sim_policy *p);
const char *rest_transfer_state(const struct sim_transfer *t);
/* ISO 8601, such as PT1H2M3S. */
void rest_duration(char out[32], int64_t seconds);

#endif
