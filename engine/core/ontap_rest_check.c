/* Whether a file restore by the command line has ended, which no job and no field tells over REST. What
 * is documented is that no snapshot of the volume can be made meanwhile: so one is made, until that
 * passes, and deleted again. */
#include "ontap_rest.h"

#include "clock.h"

#include <string.h>

#define PREFIX       "moonsnap_check_"
#define WAIT_FIRST   0.5
#define WAIT_MAX     5.0
#define PATIENCE     3600.0 /* seconds for the restore */
#define DELETE_PAUSE 2.0
#define DELETE_TRIES 10 /* a new snapshot may not be deleted for some seconds */

/* The rest of the flow waits by itself: `key` counts. */
static json_int_t count_up(struct moon_ontap_call *call, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(call->memo, key)) + 1;
    return rest_remember(call, key, json_integer(n)) < 0 ? -1 : n;
}

int rest_ask_check(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    if (!rest_known(call, "check") &&
        (rest_remember(call, "check", json_sprintf(PREFIX "%.0f", moon_clock_real())) < 0 ||
         rest_remember(call, "begun", json_real(moon_clock_mono())) < 0))
        return rest_no_memory(err);
    ask->method = "POST";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots", rest_known(call, "volume.uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:s, s:s}", "name", rest_known(call, "check"), "comment",
                               "whether a restore has ended; may be deleted"),
                     err);
}

int rest_take_check(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)call, (void)answer, (void)err;
    return REST_NEXT;
}

int rest_check_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    double since = json_number_value(json_object_get(call->memo, "begun"));
    json_int_t n = count_up(call, "checks");
    char why[320];
    snprintf(why, sizeof why, "%.300s", err->message);
    if (err->code == MOON_EXISTS)
        return REST_NEXT;
    if (n < 0)
        return rest_no_memory(err);
    if (err->code != MOON_BUSY || status == 401)
        return rest_fail(call, err, MOON_PARTIAL,
                         "the restore has begun; whether it has ended cannot be told: %s", why);
    if (moon_clock_mono() - since > PATIENCE)
        return rest_fail(call, err, MOON_TIMEOUT, "the restore has begun and goes on after %.0f s",
                         PATIENCE);
    double pause = WAIT_FIRST * (double)n;
    call->delay = pause < WAIT_MAX ? pause : WAIT_MAX;
    return REST_AGAIN;
}

int rest_ask_checked(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots", rest_known(call, "volume.uuid"));
    rc |= rest_match(ask, "name", rest_known(call, "check"));
    rc |= rest_query(ask, "fields", "name,uuid");
    return rc ? rest_no_memory(err) : 0;
}

int rest_take_checked(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const char *uuid =
        rest_uuid(rest_record(answer, "name", rest_known(call, "check"), &n), "uuid");
    if (!uuid && rest_in_doubt(call))
        return rest_not_done(call, err);
    if (!uuid)
        return rest_restore_begun(call, NULL, err);
    rest_settled(call);
    return rest_remember(call, "check_uuid", json_string(uuid)) < 0 ? rest_no_memory(err)
                                                                    : REST_NEXT;
}

int rest_ask_unchecked(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "DELETE";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/volumes/%s/snapshots/%s", rest_known(call, "volume.uuid"),
                       rest_known(call, "check_uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rc ? rest_no_memory(err) : 0;
}

int rest_take_unchecked(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    (void)answer;
    return rest_restore_begun(call, NULL, err);
}

/* The restore has ended, whatever becomes of the check. */
int rest_unchecked_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    json_int_t n = count_up(call, "deletes");
    if (err->code != MOON_BUSY || status == 401 || n < 0 || n > DELETE_TRIES)
        return rest_restore_begun(call, NULL, err);
    call->delay = DELETE_PAUSE;
    return REST_AGAIN;
}
