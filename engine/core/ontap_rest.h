/* Between the files of the REST transport: ontap_rest.c has the wire and the flow of a call,
 * ontap_rest_text.c what is read and written, one file per subject the verbs.
 *
 * A verb is a row of steps. A step asks for one thing and takes the answer; jobs are waited for,
 * pages gathered and errors told apart around it. What steps must tell each other stands in the
 * call's memo. */
#ifndef MOON_ONTAP_REST_H
#define MOON_ONTAP_REST_H

#include "ontap_priv.h"
#include "xml.h" /* AUTO_JSON */

/* What a step says; -1 with *err: the call has failed. */
enum {
    REST_DONE = 0,  /* the call is complete; op.result is set, or NULL for true */
    REST_NEXT = 1,  /* on to the next step; of `ask`: there is nothing to ask here */
    REST_AGAIN = 2, /* on with the step that call->step names, after call->delay; `ask` as well */
};

struct rest_ask {
    const char *method;   /* "GET" unless the step says otherwise */
    struct moon_buf path; /* below /api, with its query */
    json_t *body;         /* owned */
    bool queried;         /* path has a query already */
    bool changes;         /* must not be sent twice */
    bool warm;            /* see struct moon_ontap_request */
    bool one_file;        /* a restore that names its file; see rest_reverts */
    bool cluster;         /* asked of the cluster, also when calls are tunnelled to an SVM */
};

struct rest_step {
    int (*ask)(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
    int (*take)(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
    /* The controller refused, *err is filled: -1 to leave it so, or another way on. May be NULL. */
    int (*refused)(struct moon_ontap_call *call, int status, struct moon_err *err);
    int look; /* the step that looks at the object when the outcome is not known; 0: there is none */
    bool begin;      /* a job is only begun, take sees it */
    double patience; /* seconds after which its job counts as begun well; 0: it must end */
    bool list;       /* a collection: rows are gathered page by page */
};

struct rest_verb {
    const struct rest_step *steps;
    /* Fill the row of a record; false: it was not asked for. Lists only. */
    bool (*row)(const struct moon_ontap_call *call, const json_t *record, json_t *row);
};

/* NULL: not over REST. */
extern const struct rest_verb *const moon_rest_verbs[MOON_ONTAP_VERB_COUNT];

extern const struct rest_verb moon_rest_identity, moon_rest_cluster, moon_rest_svms, moon_rest_lifs,
    moon_rest_ems_log, moon_rest_job, moon_rest_request;
extern const struct rest_verb moon_rest_volumes;
extern const struct rest_verb moon_rest_snapshot_create, moon_rest_snapshots,
    moon_rest_snapshot_delete, moon_rest_snapshot_rename, moon_rest_snapshot_modify;

extern const struct rest_verb moon_rest_file_restore, moon_rest_file_info, moon_rest_file_clone,
    moon_rest_restore_status;
extern const struct rest_verb moon_rest_cg_start, moon_rest_cg_commit, moon_rest_cg_groups;
extern const struct rest_verb moon_rest_volume_clone, moon_rest_volume_clone_split,
    moon_rest_volume_clones, moon_rest_volume_delete;
extern const struct rest_verb moon_rest_export_create, moon_rest_export_delete,
    moon_rest_volume_export;
extern const struct rest_verb moon_rest_mirrors, moon_rest_mirror_update, moon_rest_mirror_transfer,
    moon_rest_mirror_change, moon_rest_mirror_restore, moon_rest_mirror_policies;
extern const struct rest_verb moon_rest_luns, moon_rest_lun_maps, moon_rest_igroups,
    moon_rest_lun_map, moon_rest_lun_unmap, moon_rest_lun_online, moon_rest_lun_offline,
    moon_rest_lun_delete, moon_rest_lun_clone, moon_rest_lun_restore;

/* --- ontap_rest_error.c: "controller NAME: VERB OBJECT: ..."; all give -1 --- */

int rest_fail(const struct moon_ontap_call *call, struct moon_err *err, enum moon_code code,
              const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int rest_no_memory(struct moon_err *err);
/* What `code` and `message` of an error object say, or of a job. */
int rest_refuse(const struct moon_ontap_call *call, int status, const json_t *error,
                struct moon_err *err);
/* The part of a job's record that rest_refuse reads, when an error stands in it, whatever its state says; else NULL. NetApp's
 * API reference gives a job `error` only when it fails (GET /cluster/jobs/{uuid}), and early releases `code` alone. */
const json_t *rest_job_error(const json_t *job);
/* An answer with an HTTP status only. */
int rest_refuse_plain(const struct moon_ontap_call *call, const struct moon_http_reply *reply,
                      struct moon_err *err);

/* --- ontap_rest.c: the flow --- */

/* What the memo holds at a path like "volume.uuid", or NULL. */
const char *rest_known(const struct moon_ontap_call *call, const char *path);
/* Takes `value`; -1 when it is NULL or there is no memory. */
int rest_remember(struct moon_ontap_call *call, const char *key, json_t *value);

/* `take` of a step whose answer says no more than that it was done. */
int rest_take_done(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
/* The same where another step follows. */
int rest_take_next(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);

int rest_go(struct moon_ontap_call *call, int step); /* REST_AGAIN */

/* Whether this step looks because the outcome of a change is not known. */
bool rest_in_doubt(const struct moon_ontap_call *call);
/* It does not look done (yet): looks again for a moment, then fails with what raised the doubt. */
int rest_not_done(struct moon_ontap_call *call, struct moon_err *err);
/* It was done after all, and the call goes on: REST_NEXT. */
int rest_settled(struct moon_ontap_call *call);
/* Keep what the controller said when it refused, for rest_fail_as_said: another answer comes between. */
int rest_note_said(struct moon_ontap_call *call, const struct moon_err *err);
int rest_fail_as_said(const struct moon_ontap_call *call, struct moon_err *err);

/* The uuid at the end of the last Location header, or NULL. */
const char *rest_located(const struct moon_ontap_call *call);

/* The uuid of the job in an answer, or NULL. */
const char *rest_job_of(const json_t *answer);

/* Seconds for return_timeout that leave time for the answer. */
const char *rest_patience(const struct moon_ontap_call *call);

/* --- ontap_rest_verbs.c --- */

/* Gathers the rows of a page: `take` of every list step. */
int rest_take_rows(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);

/* --- ontap_rest_text.c: JSON, queries, times --- */

/* The answer's JSON; not deeper than a sane answer. NULL with the reason in *why. */
json_t *rest_parse(const char *text, size_t len, const char **why);

/* The value at a dotted path, or NULL. */
json_t *rest_at(const json_t *o, const char *path);
const char *rest_text(const json_t *o, const char *path);
/* The same when it has the form of a uuid: what goes into an address. */
const char *rest_uuid(const json_t *o, const char *path);
/* The first record of a collection whose `path` is `text`; *n: how many have it. */
json_t *rest_record(const json_t *answer, const char *path, const char *text, size_t *n);

/* Set row[key] from the record; what is absent or empty is left out. */
void rest_put_text(json_t *row, const char *key, const json_t *record, const char *path);
void rest_put_int(json_t *row, const char *key, const json_t *record, const char *path);
void rest_put_bool(json_t *row, const char *key, const json_t *record, const char *path);
void rest_put_time(json_t *row, const char *key, const json_t *record, const char *path);
/* An array of texts: of the items themselves, or of their `child`. */
void rest_put_list(json_t *row, const char *key, const json_t *record, const char *path,
                   const char *child);

/* "2026-03-14T02:00:01+00:00" to epoch seconds, "P1DT2H3M4S" to seconds; false: not such a text. */
bool rest_time(const char *text, json_int_t *out);
bool rest_duration(const char *text, json_int_t *out);

/* Build an address. 0, or -1 without memory, so that they can be joined by |. */
int rest_path(struct rest_ask *ask, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int rest_query(struct rest_ask *ask, const char *key, const char *value);
/* A filter on exactly `literal` (NULL: none). It is quoted where it holds operators of a query; what
 * no quoting can carry is left out: rows are compared here in any case. */
int rest_match(struct rest_ask *ask, const char *key, const char *literal);
/* The same for a name in which * stands for any text. */
int rest_pattern(struct rest_ask *ask, const char *key, const char *pattern);
/* One path component of an address: everything but letters, digits, - and _ is encoded. */
int rest_component(struct rest_ask *ask, const char *text);
/* 0 when body is there and rc is 0. */
int rest_body(struct rest_ask *ask, int rc, json_t *body, struct moon_err *err);

bool rest_matches(const char *pattern, const char *text);
/* NULL wants nothing, a text itself. */
bool rest_wanted(const char *want, const char *have);

/* A link that a controller gave: a path below /api of the same controller, and nothing else. */
bool rest_link_ok(const char *href);

/* --- ontap_rest_volume.c --- */

/* Which volume, by name (the memo's `which`, argument `volume`, or the one in `path`): known or looked up. The memo then
 * has volume.uuid, volume.svm and volume.name. The second form always asks, for what must not meet
 * another volume. */
int rest_ask_volume(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_ask_volume_now(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_volume(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);

/* --- ontap_rest_restore.c --- */

/* Whether a request could revert a whole volume: the flow sends none that does. */
bool rest_reverts(const struct rest_ask *ask);
/* The volume has the argument `snapshot`. */
int rest_ask_source(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_source(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
/* The jobs that have not ended, and how many of them may be restores of an object (a uuid; NULL: of
 * any): jobs tell the address that was asked for, not all of what was asked. */
int rest_ask_jobs(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_jobs_of(const json_t *answer, const char *object);

/* The result {job?, form}. */
int rest_restore_begun(struct moon_ontap_call *call, const char *job, struct moon_err *err);

/* --- ontap_rest_check.c: whether a restore without a job has ended --- */

int rest_ask_check(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_check(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
int rest_check_refused(struct moon_ontap_call *call, int status, struct moon_err *err);
int rest_ask_checked(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_checked(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
int rest_ask_unchecked(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_unchecked(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
int rest_unchecked_refused(struct moon_ontap_call *call, int status, struct moon_err *err);

/* Its three steps, the last of a verb, of which `first` is the first. */
#define REST_CHECK_STEPS(first)                                                                    \
    {.ask = rest_ask_check,                                                                        \
     .take = rest_take_check,                                                                      \
     .refused = rest_check_refused,                                                                \
     .look = (first) + 1},                                                                         \
        {.ask = rest_ask_checked, .take = rest_take_checked},                                      \
    {                                                                                              \
        .ask = rest_ask_unchecked, .take = rest_take_unchecked, .refused = rest_unchecked_refused  \
    }

/* --- ontap_rest_file.c --- */

/* What a file below the volume of the memo is, now or in a snapshot. */
int rest_ask_file(struct moon_ontap_call *call, struct rest_ask *ask, const char *snapshot,
                  const char *path, struct moon_err *err);
const json_t *rest_file_of(const json_t *answer);
/* "/vol/VOLUME/REST" -> "REST"; NULL: not such a path. */
const char *rest_below_volume(const char *path);

/* --- ontap_rest_lun.c --- */

/* The LUN at argument `path`: the memo then has lun.uuid, lun.svm, lun.online and lun.mapped. */
int rest_ask_lun(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_lun(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
/* The one record with that name; NULL with *err where there is none, or several. */
const json_t *rest_one_lun(const struct moon_ontap_call *call, const json_t *answer,
                           const char *path, struct moon_err *err);

/* --- ontap_rest_system.c --- */

/* Which release; the memo is not needed: call->ontap->version, 0 when the login may not read it. */
int rest_ask_version(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_ask_node_version(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err);
int rest_take_version(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err);
int rest_version_refused(struct moon_ontap_call *call, int status, struct moon_err *err);

/* The two steps at the head of a verb that must know the release. */
#define REST_VERSION_STEPS                                                                         \
    {.ask = rest_ask_version, .take = rest_take_version, .refused = rest_version_refused},         \
    {                                                                                              \
        .ask = rest_ask_node_version, .take = rest_take_version, .refused = rest_version_refused   \
    }

#endif
