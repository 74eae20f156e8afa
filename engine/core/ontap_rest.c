/* ONTAP REST over HTTP: JSON bodies, records and links, jobs for what takes time. */
#include "ontap_priv.h"

static int rest_request(struct moon_ontap_call *call, struct moon_ontap_request *out,
                        struct moon_err *err)
{
    (void)out;
    return moon_err_set(err, MOON_UNSUPPORTED, MOON_SRC_ONTAP, 0, "connect",
                        "controller %s: this version speaks ZAPI only; set ONTAP_API=zapi",
                        call->ontap->name);
}

static int rest_reply(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      struct moon_err *err)
{
    (void)call, (void)reply, (void)err;
    return 0;
}

const struct moon_ontap_ops moon_ontap_rest = {
    .name = "rest", .request = rest_request, .reply = rest_reply};
