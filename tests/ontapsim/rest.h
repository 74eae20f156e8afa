/* REST over HTTP, inside: one request being answered, its arguments, its records. A handler parses
 * arguments, calls the model and writes records; rest.c does the rest. A new call is a handler in a
 * rest_*.c and a row in the table of rest.c.
 *
 * A handler of a collection:
 *
 *     struct rest_list l;
 *     if (rest_list_begin(&l, r, fields, COUNT))
 *         return -1;
 *     sim_lock();
 *     for (... in the order of the keys, from l.keys on ...) {
 *         rest_record(&l);
 *         rest_text(&l, "uuid", x->uuid);          (only what the client wants is kept)
 *         rest_text(&l, "svm.name", x->svm->name);
 *         if (!rest_row(&l, self, x->svm->name, x->name, NULL))
 *             break;                               (the page is full)
 *     }
 *     sim_unlock();
 *     return rest_list_end(&l);
 *
 * of one object: rest_object_begin, the same rest_text and so on, rest_object_end. A handler that
 * changes something calls rest_accept first, then reads arguments (each may stand in the query or in
 * the body), and leaves what takes time to rest_async. */
#ifndef SIM_REST_H
#define SIM_REST_H

#include "faults.h"
#include "job.h"
#include "model.h"

#include <jansson.h>

/* Codes that handlers give themselves; what the model says is translated in rest_error.c. */
enum {
    REST_EEXISTS = 1,
    REST_EVALUE = 2,
    REST_ENOAPI = 3,
    REST_ENOENTRY = 4,
    REST_EDENIED = 6,
    REST_ESYNTAX = 262177,
    REST_EUNKNOWN = 262179, /* no such argument */
    REST_ECONFLICT = 262186,
    REST_ETWICE = 262188,
    REST_EREADONLY = 262196,
    REST_EINVALID = 262197, /* bad value for a field */
    REST_EMISSING = 262245,
    REST_ENOSVM = 2621462,
    REST_ELOGIN = 6691623,
};

/* What was being done, to find the code for a model's error. */
enum rest_doing {
    REST_DO_ANY,
    REST_DO_SNAP_CREATE,
    REST_DO_SNAP_DELETE,
    REST_DO_SNAP_RENAME,
    REST_DO_SNAP_MODIFY,
    REST_DO_RESTORE,
    REST_DO_VOLUME_CREATE,
    REST_DO_VOLUME_CLONE,
    REST_DO_VOLUME_MODIFY,
    REST_DO_VOLUME_DELETE,
    REST_DO_FILE,
    REST_DO_FILE_CLONE,
    REST_DO_LUN,
    REST_DO_LUN_DELETE,
    REST_DO_LUN_CLONE,
    REST_DO_LUN_MAP,
    REST_DO_IGROUP,
    REST_DO_QTREE,
    REST_DO_CG,
    REST_DO_CG_SNAP,
    REST_DO_CG_COMMIT,
    REST_DO_MIRROR,
};

#define REST_V(generation, major, minor) ((generation)*10000 + (major)*100 + (minor))

unsigned rest_version(void); /* of the simulated release, as REST_V */

struct rest_pair {
    const char *name;
    const char *value;
};

struct rest_error {
    int code; /* 0: none */
    unsigned status;
    char target[80];
    char message[512];
};

enum { REST_PARAMS = 4 };

struct rest {
    const struct sim_user *user;
    struct sim_svm *svm; /* the SVM the request is about; NULL: the cluster */
    const struct rest_route *route;
    const char *method;
    const char *path;                /* below /api, as sent, no slash at the end */
    const char *query;               /* as sent, "" when there is none */
    const char *params[REST_PARAMS]; /* what stands for {...} in the template, decoded */
    struct rest_pair *pairs;         /* the query, decoded */
    size_t pair_count;
    json_t *body; /* an object, or NULL */
    bool hal;     /* the client takes HAL links */
    bool
        query_selects; /* a change of a collection: the query selects, the body says what changes */
    const char *const *extras; /* query arguments of a list that are no filters; NULL: none */
    struct sim_arena arena;
    struct sim_fault fault;
    /* reply */
    unsigned status; /* of success; 0: 200 */
    json_t *out;     /* NULL: {} */
    const char *location;
    const char *link;
    struct rest_error error;
};

/* 0, or -1 with r->error. */
typedef int (*rest_fn)(struct rest *r);

enum rest_scope { REST_ANY, REST_CLUSTER };

struct rest_route {
    const char *name; /* "GET /storage/volumes/{uuid}"; a last {path...} takes any rest */
    rest_fn fn;
    unsigned since; /* REST_V */
    enum rest_scope scope;
    enum rest_doing doing;
};

/* rest_error.c. All of these return -1. target NULL: none. */
int rest_fail(struct rest *r, int code, const char *target, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int rest_fail_model(struct rest *r, enum rest_doing doing, const struct sim_err *err);
int rest_missing_entry(struct rest *r, const char *target); /* 404, code 4 */
int rest_invalid(struct rest *r, const char *field, const char *value, const char *wanted);
/* The code for a model's error number; the HTTP status and the standard text of a code. */
int rest_code_of(enum rest_doing doing, const struct sim_err *err);
unsigned rest_status_of(int code);
const char *rest_text_of(int code);

/* rest_args.c */

/* False: bad escapes. Path and query are split, decoded and put into r. */
bool rest_parse_uri(struct rest *r, const char *uri);
/* Decoded text in the arena, or NULL. */
char *rest_decode(struct sim_arena *a, const char *text, size_t len, bool plus);
void rest_encode(struct sim_buf *b, const char *text); /* for a query or one path segment */
bool rest_reserved(const char *name);                  /* fields, max_records ... */
/* Is what a change has made wanted in its reply? */
bool rest_returns_records(const struct rest *r);
/* No argument, in query or body, but these (NULL at the end; "a.*" stands for all below a). */
int rest_accept(struct rest *r, const char *const *names);
/* NULL when missing. Texts live as long as the request. */
const char *rest_query_arg(const struct rest *r, const char *name);
const char *rest_arg(struct rest *r, const char *name); /* query, else body */
const char *rest_need(struct rest *r, const char *name);
json_t *rest_body(const struct rest *r, const char *name); /* borrowed; dotted name */
int rest_flag_arg(struct rest *r, const char *name, bool *value);
int rest_count_arg(struct rest *r, const char *name, uint64_t min, uint64_t max, uint64_t *value);
/* A size in bytes, or with KB, MB, GB, TB. */
int rest_size_arg(struct rest *r, const char *name, uint64_t *value);
/* The SVM that svm.name, svm.uuid or the scope says; NULL with an error. */
struct sim_svm *rest_svm(struct rest *r);
/* Locked or not: is this SVM within the request's scope? */
bool rest_sees(const struct rest *r, const struct sim_svm *svm);
/* Locked. The volume with that instance uuid; NULL and error 4. */
struct sim_volume *rest_volume(struct rest *r, const char *uuid);

/* rest_filter.c: the query language. */
struct rest_filter;
/* In the arena; NULL with an error. */
struct rest_filter *rest_filter_new(struct rest *r, const char *field, const char *query);
/* value NULL: the record has no such field. */
bool rest_filter_match(const struct rest_filter *f, const json_t *value);
bool rest_filter_match_text(const struct rest_filter *f, const char *value);

/* rest_list.c: records. */
enum {
    REST_KEY = 1,       /* always returned */
    REST_EXPENSIVE = 2, /* returned when it is named */
    REST_LIST = 4,      /* a list of objects, put as a whole; its parts are fields of their own */
};

struct rest_field {
    const char *name;
    unsigned flags;
    unsigned since; /* 0: always */
};

struct rest_list {
    struct rest *r;
    const struct rest_field *fields;
    size_t field_count;
    unsigned char *want;
    struct rest_filter **filters; /* by field */
    const char *keys[3];          /* where the page before this one ended; NULL: at the beginning */
    bool single;
    bool count_only;
    uint64_t max, offset, count;
    size_t cursor;
    size_t order[4]; /* fields to sort by */
    bool descending[4];
    size_t orders;
    json_t *rec;
    json_t *aside; /* what filters or the order look at and the client does not want */
    json_t *rows;
    struct sim_buf after; /* continuation */
    bool more;
};

/* For GET; for PATCH and DELETE of a collection too, before rest_accept: from then on arguments are
 * those of the body alone. */
int rest_list_begin(struct rest_list *l, struct rest *r, const struct rest_field *fields,
                    size_t count);
void rest_record(struct rest_list *l); /* drops the last one */
/* Is this field, or something below it, needed? */
bool rest_wants(const struct rest_list *l, const char *name);
/* Can records with this value in that field match at all? */
bool rest_may(const struct rest_list *l, const char *name, const char *value);
void rest_put(struct rest_list *l, const char *name, json_t *value); /* takes value; NULL: none */
void rest_text(struct rest_list *l, const char *name, const char *value); /* NULL: left out */
void rest_number(struct rest_list *l, const char *name, uint64_t value);
void rest_flag(struct rest_list *l, const char *name, bool value);
void rest_time(struct rest_list *l, const char *name, int64_t epoch);
bool rest_match(const struct rest_list *l);
/* Put the record on the page if the filters want it. False when the page is full. self: the path of
 * the object below /api, or NULL. The keys say where the next page goes on. */
bool rest_row(struct rest_list *l, const char *self, const char *key0, const char *key1,
              const char *key2);
int rest_list_end(struct rest_list *l);
/* Without a reply: after an error, or where all that match are changed (rest_match). */
void rest_list_drop(struct rest_list *l);
bool rest_filtered(const struct rest_list *l); /* is there any filter? */

int rest_object_begin(struct rest_list *l, struct rest *r, const struct rest_field *fields,
                      size_t count);
int rest_object_end(struct rest_list *l, const char *self);

json_t *rest_link(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))); /* {"self":{"href"}} */
json_t *rest_ref(const char *name, const char *uuid);
void rest_iso_time(char out[32], int64_t epoch);

/* rest_job.c: what takes time. The request waits for return_timeout; if the work is done by then, it
 * is answered as if it had been done at once, else with 202 and a job. */
struct rest_work {
    enum rest_doing doing;
    const struct sim_svm *svm; /* whose job */
    /* Unlocked, in a thread of its own. */
    int (*run)(void *arg, struct sim_err *err);
    void (*done)(void *arg); /* frees arg; NULL: free */
    void *arg;               /* taken */
    unsigned status;         /* 201 for something new; 0: 200 */
    const char *location;    /* below /api, or NULL */
};

int rest_async(struct rest *r, const struct rest_work *w);
/* The same for a job that exists: wait, then answer. */
int rest_await(struct rest *r, uint64_t job, unsigned status, const char *location);
/* For a change of everything that a query matches (filtered: there is one; else it is refused):
 * rest_async with the count in the reply. count 0: nothing to do, w NULL. */
int rest_bulk(struct rest *r, bool filtered, size_t count, const struct rest_work *w);
/* return_timeout as said, 0 when it is missing. */
int rest_return_timeout(struct rest *r, unsigned *seconds);

int rest_jobs_get(struct rest *r);
int rest_job_get(struct rest *r);
int rest_job_patch(struct rest *r);
/* rest_snapshot.c */
int rest_snapshots_get(struct rest *r);
int rest_snapshots_delete(struct rest *r);
int rest_snapshots_bulk(struct rest *r);
int rest_snapshot_create(struct rest *r);
int rest_snapshot_get(struct rest *r);
int rest_snapshot_patch(struct rest *r);
int rest_snapshot_delete(struct rest *r);
/* rest_volume.c */
int rest_volumes_get(struct rest *r);
int rest_volumes_patch(struct rest *r);
int rest_volumes_delete(struct rest *r);
int rest_volume_get(struct rest *r);
int rest_volume_create(struct rest *r);
int rest_volume_patch(struct rest *r);
int rest_volume_delete(struct rest *r);
/* rest_restore.c */
int rest_cli_restore_file(struct rest *r);
/* rest_file.c */
int rest_files_get(struct rest *r);
int rest_file_patch(struct rest *r);
int rest_file_delete(struct rest *r);
/* rest_group.c */
int rest_groups_get(struct rest *r);
int rest_group_get(struct rest *r);
int rest_group_create(struct rest *r);
int rest_group_patch(struct rest *r);
int rest_group_delete(struct rest *r);
/* rest_group_snap.c */
int rest_group_snaps_get(struct rest *r);
int rest_group_snap_get(struct rest *r);
int rest_group_snap_create(struct rest *r);
int rest_group_snap_patch(struct rest *r);
int rest_group_snap_delete(struct rest *r);
/* rest_cluster.c */
int rest_aggregates_get(struct rest *r);
int rest_cli_vserver_get(struct rest *r);
int rest_iscsi_services_get(struct rest *r);
int rest_svm_peers_get(struct rest *r);
/* rest_nas.c */
int rest_export_policies_get(struct rest *r);
int rest_export_policy_create(struct rest *r);
int rest_export_policy_delete(struct rest *r);
/* rest_system.c */
int rest_cluster_get(struct rest *r);
int rest_application_log(struct rest *r);
int rest_nodes_get(struct rest *r);
int rest_svms_get(struct rest *r);
int rest_svm_get(struct rest *r);
int rest_ip_interfaces_get(struct rest *r);
int rest_ip_interface_get(struct rest *r);
int rest_fc_interfaces_get(struct rest *r);
int rest_fc_interface_get(struct rest *r);
/* rest_lun.c */
int rest_luns_get(struct rest *r);
int rest_lun_get(struct rest *r);
int rest_lun_list_begin(struct rest_list *l, struct rest *r);
void rest_lun_record(struct rest_list *l, const struct sim_lun *lun);
struct sim_lun *rest_lun(struct rest *r, const char *uuid); /* locked; NULL and error 5374875 */
/* rest_lun_ops.c */
int rest_lun_create(struct rest *r);
int rest_lun_patch(struct rest *r);
int rest_lun_delete(struct rest *r);
int rest_luns_patch(struct rest *r);
int rest_luns_delete(struct rest *r);
/* rest_igroup.c */
int rest_igroups_get(struct rest *r);
int rest_igroup_get(struct rest *r);
int rest_igroup_create(struct rest *r);
int rest_igroup_patch(struct rest *r);
int rest_igroup_delete(struct rest *r);
int rest_initiators_get(struct rest *r);
int rest_initiator_create(struct rest *r);
int rest_initiator_delete(struct rest *r);
/* rest_map.c */
int rest_maps_get(struct rest *r);
int rest_map_get(struct rest *r);
int rest_map_create(struct rest *r);
int rest_map_delete(struct rest *r);
/* rest_clone.c */
int rest_file_clone(struct rest *r);
/* rest_qtree.c */
int rest_qtrees_get(struct rest *r);
int rest_qtree_get(struct rest *r);
int rest_qtree_create(struct rest *r);
int rest_qtree_delete(struct rest *r);

/* rest_mirror.c */
int rest_mirrors_get(struct rest *r);
int rest_mirror_get(struct rest *r);
/* rest_mirror_ops.c */
int rest_mirror_create(struct rest *r);
int rest_mirror_patch(struct rest *r);
int rest_mirror_delete(struct rest *r);
/* rest_transfer.c */
int rest_transfers_get(struct rest *r);
int rest_transfer_get(struct rest *r);
int rest_transfer_create(struct rest *r);
int rest_transfer_patch(struct rest *r);
/* rest_policy.c */
int rest_policies_get(struct rest *r);
int rest_policy_get(struct rest *r);
int rest_policy_create(struct rest *r);
int rest_policy_patch(struct rest *r);
int rest_policy_delete(struct rest *r);

#endif
