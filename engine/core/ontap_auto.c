/* ONTAP_API=auto: which transport a controller is spoken to with. It is asked once per client, with
 * the cheapest call of ONTAPI; ONTAPI is taken where it answers, since it takes group snapshots of any
 * volumes without an object made for them. Calls that come meanwhile wait for that one answer. */
#include "ontap_priv.h"

#include "auto.h"
#include "log.h"

#include <stdarg.h>

#define SUSPENDED 61253 /* ONTAPI was not used for a month and has switched itself off */
#define BAD_LOGIN 13002

static void take(struct moon_ontap *o, const struct moon_ontap_ops *ops, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void take(struct moon_ontap *o, const struct moon_ontap_ops *ops, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&o->reason, fmt, ap) < 0)
        o->reason = NULL;
    va_end(ap);
    o->ops = ops;
    moon_log(MOON_LOG_INFO, "controller %s: ONTAP_API=auto takes %s: %s", o->name, ops->name,
             o->reason ? o->reason : "");
}

/* An answer of ONTAPI's own, a refusal included, shows that it is served; HTTP 4xx that it is not.
 * All else (a login that fails, no connection) says nothing about the transport. */
static void choose(struct moon_ontap *o, const struct moon_op *probe)
{
    const struct moon_err *e = &probe->err;
    const char *release = json_string_value(json_object_get(probe->result, "release"));
    if (!probe->failed)
        take(o, &moon_ontap_zapi, "ONTAPI answers: %s", release ? release : "release unknown");
    else if (e->source == MOON_SRC_ONTAP && e->native == SUSPENDED)
        take(o, &moon_ontap_rest, "ONTAPI is suspended there (errno %d)", e->native);
    else if (e->source == MOON_SRC_ONTAP && e->native && e->native != BAD_LOGIN)
        take(o, &moon_ontap_zapi, "ONTAPI answers, though not to system-get-version (errno %d)",
             e->native);
    else if (e->source == MOON_SRC_HTTP && e->code == MOON_UNSUPPORTED)
        take(o, &moon_ontap_rest, "ONTAPI is not served there (HTTP %d)", e->native);
}

/* The same error in the words of each call that waited. */
static void fail_as(struct moon_ontap_call *call, const struct moon_err *why)
{
    call->op.err = *why;
    if (why->source == MOON_SRC_HTTP && why->native == 401)
        moon_err_set(
            &call->op.err, why->code, why->source, why->native, moon_ontap_verb_name(call->verb),
            "%s; set ONTAP_API=rest if the account is for the application http only", why->message);
    moon_ontap_fail(call);
}

static void on_probe(struct moon_op *op, void *arg)
{
    struct moon_ontap *o = arg;
    struct moon_ontap_call *list = MOON_STEAL(o->waiting);
    if (list)
        list->link = &list;
    o->probe = NULL;
    choose(o, op);
    for (struct moon_ontap_call *call; (call = list);) {
        moon_ontap_auto_leave(call);
        call->ops = o->ops;
        if (!o->ops)
            fail_as(call, &op->err);
        else if (moon_ontap_go(call) < 0)
            moon_ontap_fail(call);
    }
    moon_op_unref(op);
}

static int ask(struct moon_ontap *o, struct moon_loop *loop, struct moon_err *err)
{
    json_t *none = json_object();
    o->probe = moon_ontap_call_new(o, MOON_ONTAP_IDENTITY, none, err);
    json_decref(none);
    if (!o->probe)
        return -1;
    ((struct moon_ontap_call *)o->probe)->ops = &moon_ontap_zapi;
    if (moon_op_start(o->probe, loop, on_probe, o) == 0)
        return 0;
    *err = o->probe->err;
    moon_op_unref(MOON_STEAL(o->probe));
    return -1;
}

int moon_ontap_auto_wait(struct moon_ontap_call *call)
{
    struct moon_ontap *o = call->ontap;
    if (!o->probe && ask(o, call->loop, &call->op.err) < 0)
        return -1;
    call->link = &o->waiting;
    while (*call->link) /* first come, first served */
        call->link = &(*call->link)->next;
    *call->link = call;
    return 0;
}

void moon_ontap_auto_leave(struct moon_ontap_call *call)
{
    struct moon_ontap *o = call->ontap;
    if (!call->link)
        return;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->next = NULL;
    call->link = NULL;
    if (!o->waiting && o->probe) {
        moon_op_abandon(o->probe, call->loop);
        moon_op_unref(MOON_STEAL(o->probe));
    }
}
