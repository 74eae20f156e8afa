/* When a request of the ONTAP client is sent again. Only what changes nothing is repeated after a
 * loss; what a controller refused because it is busy was not carried out, so that is too. A refused
 * login never is: controllers lock accounts. All repetitions of a request together stay within its
 * timeout. */
#include "ontap_priv.h"

#include "clock.h"
#include "log.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>

#define DEFAULT_TIMEOUT 60.0
#define MAX_DOUBLINGS   3    /* 1, 2, 4, 8, 8 ... times the first pause */
#define JITTER          0.25 /* of a pause, either way: many clients must not come back together */

double moon_ontap_time_left(struct moon_ontap_call *call)
{
    double timeout = call->ontap->timeout > 0 ? call->ontap->timeout : DEFAULT_TIMEOUT;
    double now = moon_clock_mono();
    if (!call->repeat) {
        call->tries = 0;
        call->deadline = now + timeout;
        return timeout;
    }
    call->repeat = false;
    return fmax(call->deadline - now, 0.001);
}

static double pause_of(const struct moon_ontap_call *call)
{
    int doublings = call->tries < MAX_DOUBLINGS ? call->tries : MAX_DOUBLINGS;
    double spread = 1 - JITTER + 2 * JITTER * (arc4random() / (double)UINT32_MAX);
    return ldexp(call->ontap->retry_wait, doublings) * spread;
}

static bool lost(const struct moon_err *err)
{
    return err->source == MOON_SRC_HTTP &&
           (err->code == MOON_UNREACHABLE || err->code == MOON_TIMEOUT ||
            err->native == CURLE_PARTIAL_FILE);
}

static bool refused_for_now(const struct moon_http_reply *reply)
{
    return reply->status == 429 || (reply->status == 503 && reply->retry_after > 0);
}

bool moon_ontap_again(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      const struct moon_err *err)
{
    bool worth = reply ? refused_for_now(reply) || (reply->status == 503 && !call->changes)
                       : lost(err) && !call->changes;
    if (!worth || call->tries >= call->ontap->retries)
        return false;
    double pause = pause_of(call);
    if (reply && reply->retry_after > pause)
        pause = (double)reply->retry_after;
    if (moon_clock_mono() + pause >= call->deadline)
        return false;
    call->tries++;
    call->repeat = true;
    call->delay = pause;
    char status[32];
    snprintf(status, sizeof status, "HTTP %ld", reply ? reply->status : 0);
    moon_log(call->tries < call->ontap->retries ? MOON_LOG_DEBUG : MOON_LOG_WARN,
             "controller %s: %s: %s; again in %.1f s (%d of %d)", call->ontap->name,
             moon_ontap_verb_name(call->verb), reply ? status : err->message, pause, call->tries,
             call->ontap->retries);
    return true;
}
