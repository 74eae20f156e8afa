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
    int version;         /* 91401 is 9.14.1; 0 while it is not known */
    bool version_hidden; /* asked, but the login may not read it */
    /* Volume name -> {uuid, svm}: what calls have seen so far; REST addresses by uuid. */
    json_t *uuids;
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

/* One request; the core frees what is in it. */
struct moon_ontap_request {
    const char *method;
    char *url; /* malloc'ed */
    struct moon_buf body;
    const char *const *headers; /* "Name: value" lines, NULL-terminated, borrowed */
    char *line;                 /* one of them that was made for this request; malloc'ed */
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
    /* Instead of reply when none came (`why`): what was asked may have been carried out or not. The
     * same results; -1 without touching *err fails with `why`. May be NULL. */
    int (*lost)(struct moon_ontap_call *call, const struct moon_err *why, struct moon_err *err);
};

extern const struct moon_ontap_ops moon_ontap_zapi;
extern const struct moon_ontap_ops moon_ontap_rest;

/* The string argument `key`, or NULL. */
static inline const char *moon_ontap_arg(const struct moon_ontap_call *call, const char *key)
{
    return json_string_value(json_object_get(call->args, key));
}

/* Whether it names a file below its volume: no component that is empty, leads elsewhere or into a
 * snapshot. What restores writes nowhere else. */
bool moon_ontap_plain_path(const char *path);

#endif
