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
};

/* One call under way. */
struct moon_ontap_call {
    struct moon_op op;
    struct moon_ontap *ontap;
    enum moon_ontap_verb verb;
    json_t *args;
    json_t *rows; /* what paging has gathered so far */
    char *tag;    /* the transport's continuation, NULL at first */
    int pages;
    struct moon_http *http;
};

/* A transport. Both functions run on the loop thread. */
struct moon_ontap_ops {
    const char *name;
    /* Fill url (owned), body and headers of the next request. */
    int (*request)(struct moon_ontap_call *call, char **url, struct moon_buf *body,
                   const char *const **headers, struct moon_err *err);
    /* 1: make the next request; 0: done, op.result is set (NULL for true); -1: failed. */
    int (*reply)(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                 struct moon_err *err);
};

extern const struct moon_ontap_ops moon_ontap_zapi;

/* The string argument `key`, or NULL. */
static inline const char *moon_ontap_arg(const struct moon_ontap_call *call, const char *key)
{
    return json_string_value(json_object_get(call->args, key));
}

#endif
