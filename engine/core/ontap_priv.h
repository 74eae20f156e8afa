/* Between ontap.c and the transports. */
#ifndef MOON_ONTAP_PRIV_H
#define MOON_ONTAP_PRIV_H

#include "ontap.h"

struct moon_ontap {
    atomic_int refs;
    const struct moon_ontap_ops *ops; /* NULL: "auto", and nothing has answered yet */
    char *reason;                     /* why that transport, for people; NULL while ops is */
    json_t *options;
    char *base;                                               /* "https://host:port" */
    const char *name, *user, *password, *svm, *ca_file, *pin; /* borrowed from options */
    const char *cert, *key;                                   /* the same */
    double timeout; /* seconds for a request with all its repetitions */
    int retries;
    double retry_wait;
    int version;         /* 91401 is 9.14.1; 0 while it is not known */
    bool version_hidden; /* asked, but the login may not read it */
    /* Volume name -> {uuid, svm}: what calls have seen so far; REST addresses by uuid. */
    json_t *uuids;
    bool accepted; /* a login of this client has passed */
    /* The first login has not (HTTP 401), or two in a row: none is tried any more. */
    struct moon_err refused;
    int refusals;      /* in a row, since one passed */
    double refused_at; /* the last of them; on the monotonic clock */

    /* ontap_auto.c */
    struct moon_op *probe;           /* asks which transport answers */
    struct moon_ontap_call *waiting; /* calls that begin once that is known */
};

/* Seconds until a job that runs and runs is given up; what became of it is then looked up. */
#define MOON_ONTAP_JOB_PATIENCE 600.0

/* One call under way. */
struct moon_ontap_call {
    struct moon_op op;
    struct moon_ontap *ontap;
    const struct moon_ontap_ops *ops;
    enum moon_ontap_verb verb;
    json_t *args;
    json_t *rows;   /* what paging has gathered so far */
    json_t *places; /* where in it each row is */
    char *tag;      /* where the next page begins, as the transport names it; NULL at first */
    int step;       /* the transport's own: which request of a call that takes several */
    json_t *memo;   /* an object: what earlier steps have found (uuids, a job) */
    double delay;   /* seconds before the next request; the core clears it */
    int pages;
    struct moon_loop *loop;
    struct moon_http *http;
    struct moon_op *timer;

    /* ontap_retry.c: the request under way */
    int tries;
    double deadline; /* on the monotonic clock */
    double sent;     /* the same */
    bool changes, repeat;

    struct moon_ontap_call *next, **link; /* in ontap->waiting */
};

/* One request; the core frees what is in it. */
struct moon_ontap_request {
    const char *method;
    char *url; /* malloc'ed */
    struct moon_buf body;
    const char *const *headers; /* "Name: value" lines, NULL-terminated, borrowed */
    const char *lines[6];       /* room for them */
    char *line;                 /* one of them that was made for this request; malloc'ed */
    bool changes;               /* must not be sent twice */
    bool warm; /* it changes something and may yet go over a connection that is open already: should
                * curl send it twice, its second answer tells */
};

/* A transport. Both functions run on the loop thread. */
struct moon_ontap_ops {
    const char *name;
    /* Fill the next request; called again for the same one when it is repeated. */
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

/* --- ontap.c --- */

/* Begin a call whose transport is known; it has ended when -1 comes back. */
int moon_ontap_go(struct moon_ontap_call *call);
/* End a call with the error in call->op.err. */
void moon_ontap_fail(struct moon_ontap_call *call);

/* How many rows the next page should have: what the caller wants of a page, at most `most`. */
json_int_t moon_ontap_page_size(const struct moon_ontap_call *call, json_int_t most);

/* Take the rows of a page (an array) and where the next one begins (malloc'ed; NULL or empty at the
 * end), both owned from now on. Returns what `reply` must: 1 while a whole list goes on; 0 with the
 * result set: the list, or the one page that the caller asked for, {rows, next?}. A controller that
 * hands out the same `next` again has no more (seen by Harvest's authors). */
int moon_ontap_take_page(struct moon_ontap_call *call, json_t *rows, char *next,
                         struct moon_err *err);

/* --- ontap_auto.c --- */

/* Puts a call on the list of those that wait for the choice of a transport; the first one asks. */
int moon_ontap_auto_wait(struct moon_ontap_call *call);
/* Takes it off again. */
void moon_ontap_auto_leave(struct moon_ontap_call *call);

/* --- ontap_retry.c --- */

/* Called for each request that is about to be sent: seconds that are left for it. */
double moon_ontap_time_left(struct moon_ontap_call *call);
/* Whether the same request is sent again; call->delay is then the pause. `reply` is NULL when there
 * was none. */
bool moon_ontap_again(struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      const struct moon_err *err);

/* The string argument `key`, or NULL. */
static inline const char *moon_ontap_arg(const struct moon_ontap_call *call, const char *key)
{
    return json_string_value(json_object_get(call->args, key));
}

/* What a client may do, as security flavors of an export rule: who writes, who is root. NULL: no such
 * name. */
struct moon_ontap_access {
    const char *name, *write, *root;
};
const struct moon_ontap_access *moon_ontap_access(const char *name);

/* Whether two texts are one address, however they write it: IPv6 can be written in many ways. */
bool moon_ontap_same_address(const char *a, const char *b);

/* Whether it names a file below its volume: no component that is empty, leads elsewhere or into a
 * snapshot. What restores writes nowhere else. */
bool moon_ontap_plain_path(const char *path);

#endif
