/* Between ontap.c and the transports. */
#ifndef MOON_ONTAP_PRIV_H
#define MOON_ONTAP_PRIV_H

#include "ontap.h"

struct moon_ontap {
    atomic_int refs;
    const struct moon_ontap_ops *ops;
    json_t *options;
    char *base;                                               /* "https://host:port" */
    const char *name, *user, *password, *svm, *ca_file, *pin; /* borrowed from options */
    double timeout;
    int version;   /* 91401 is 9.14.1; 0 while it is not known */
    json_t *uuids; /* volume name -> uuid: what calls have seen so far; REST addresses by uuid */
};

/* One call under way. */
struct moon_ontap_call {
    struct moon_op op;
    struct moon_ontap *ontap;
    enum moon_ontap_verb verb;
    json_t *args;
    json_t *rows; /* what paging has gathered so far */
    char *tag;    /* the transport's continuation, NULL at first */
    int step;     /* the transport's own: which request of a call that takes several */
    json_t *memo; /* an object: what earlier steps have found (uuids, a job) */
    double delay; /* seconds before the next request; the core clears it */
    int pages;
    struct moon_loop *loop;
    struct moon_http *http;
    struct moon_op *timer;
};

/* One request; the core owns what is in it. */
struct moon_ontap_request {
    const char *method;
    char *url; /* malloc'ed */
    struct moon_buf body;
    const char *const *headers; /* "Name: value" lines, NULL-terminated, borrowed */
    bool changes;               /* must not be sent twice */
};

/* A transport. Both functions run on the loop thread. */
struct moon_ontap_ops {
    const char *name;
    /* Fill the next request. */
    int (*request)(struct moon_ontap_call *call, struct moon_ontap_request *out,
                   struct moon_err *err);
    /* 1: make the next request, after call->delay; 0: done, op.result is set (NULL for true);
     * -1: failed. */
    int (*reply)(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                 struct moon_err *err);
};

extern const struct moon_ontap_ops moon_ontap_zapi;
extern const struct moon_ontap_ops moon_ontap_rest;

/* The string argument `key`, or NULL. */
static inline const char *moon_ontap_arg(const struct moon_ontap_call *call, const char *key)
{
    return json_string_value(json_object_get(call->args, key));
}

#endif
