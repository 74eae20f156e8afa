/* Between the files of the ONTAPI transport: ontap_zapi.c has the wire and the flow of a call,
 * ontap_zapi_text.c what is written and read, one file per subject the verbs.
 *
 * A verb is a row of steps. A step makes one call of ONTAPI and takes its results; pages are gathered,
 * jobs polled and errors told apart around it. What steps must tell each other stands in the call's
 * memo. */
#ifndef MOON_ONTAP_ZAPI_H
#define MOON_ONTAP_ZAPI_H

#include "ontap_priv.h"
#include "xml.h"

/* What a step says; -1 with *err: the call has failed. */
enum {
    ZAPI_DONE = 0, /* the call is complete; op.result is set, or NULL for true */
    ZAPI_NEXT = 1, /* on with the step that call->step names, after call->delay */
};

/* --- lists --- */

enum zapi_kind { ZAPI_TEXT, ZAPI_INT, ZAPI_BOOL, ZAPI_LIST, ZAPI_RULES };

/* One value of a row, and where it stands below the record. Fields of one parent stand together: the
 * desired attributes are made from this table. Ended by a NULL key. */
struct zapi_field {
    const char *key, *path;
    enum zapi_kind kind;
    const char *item,
        *child; /* of a list: its elements, and which child of theirs; NULL: their text */
};

enum zapi_match {
    ZAPI_EXACT,   /* byte by byte, also where the text holds operators of a query */
    ZAPI_PATTERN, /* * stands for any text */
    ZAPI_ADDRESS, /* IP addresses in any form */
    ZAPI_SVM,     /* "svm:volume": its parts are asked for, the whole is compared */
    ZAPI_VOLUME,
    ZAPI_ANY_OF, /* names joined by |, sent as they are */
};

/* An argument that narrows a list: sent as a query where a query can carry it, and always compared
 * with the row's `key`. Filters of one parent stand together. Ended by a NULL arg. */
struct zapi_filter {
    const char *arg, *path, *key;
    enum zapi_match match;
};

struct zapi_list {
    const char *call, *record;
    const struct zapi_field *fields;
    const struct zapi_filter *filters;
    const char *only_path, *only; /* a condition that every record meets; NULL: none */
    bool (*finish)(json_t *row);  /* last touches; false: the row is left out. May be NULL */
};

extern const struct zapi_list zapi_volumes, zapi_snapshots, zapi_luns, zapi_lun_maps, zapi_mirrors;

/* --- verbs --- */

typedef int (*zapi_build)(struct moon_buf *b, const struct moon_ontap_call *call,
                          struct moon_err *err);

struct zapi_step {
    const char *call;
    const char *(*named)(const struct moon_ontap_call *call); /* instead, when it depends */
    zapi_build build;
    /* NULL: the call has done what it should. */
    int (*take)(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err);
    /* Refused with that number; *err is filled: -1 to leave it so, or another way on. May be NULL. */
    int (*refused)(struct moon_ontap_call *call, int number, struct moon_err *err);
    bool begins; /* what it starts goes on without the caller: its job is not waited for */
    bool reads;  /* changes nothing, though its verb does */

    /* Instead of all that: a list. */
    const struct zapi_list *list;
    json_t *(*where)(
        const struct moon_ontap_call *call); /* its arguments; NULL: those of the call */
    /* All its rows. NULL: they are the result. */
    int (*rows)(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err);
    /* Adds to each row of the result what earlier steps have found. May be NULL. */
    void (*touch)(const struct moon_ontap_call *call, json_t *row);
    int none; /* of a list that is the result: the step that asks why it is empty; 0: none */
};

struct zapi_verb {
    const struct zapi_step *steps;
    /* Before the first request; leaves a memo. May be NULL. */
    int (*begin)(struct moon_ontap_call *call, struct moon_err *err);
    int look; /* the step that looks at the object when the outcome is not known; 0: there is none */
    /* Before that, the step that sends the change once more, where a second time is refused if the first has passed; 0: none */
    int again;
};

extern const struct zapi_verb zapi_identity, zapi_cluster, zapi_list_svms, zapi_list_lifs,
    zapi_ems_log, zapi_job, zapi_call;
extern const struct zapi_verb zapi_list_volumes, zapi_volume_clone, zapi_volume_clone_split,
    zapi_volume_clones, zapi_volume_delete, zapi_export_create, zapi_export_delete,
    zapi_volume_export;
extern const struct zapi_verb zapi_snapshot_create, zapi_list_snapshots, zapi_snapshot_delete,
    zapi_snapshot_rename, zapi_snapshot_modify, zapi_cg_start, zapi_cg_commit;
extern const struct zapi_verb zapi_file_restore, zapi_lun_restore, zapi_restore_status,
    zapi_file_info, zapi_file_clone;
extern const struct zapi_verb zapi_list_luns, zapi_list_lun_maps, zapi_list_igroups, zapi_lun_map,
    zapi_lun_unmap, zapi_lun_online, zapi_lun_offline, zapi_lun_delete, zapi_lun_clone;
extern const struct zapi_verb zapi_list_mirrors, zapi_mirror_update, zapi_mirror_transfer,
    zapi_mirror_change, zapi_mirror_restore, zapi_mirror_policies;

/* --- ontap_zapi.c: the flow --- */

int zapi_no_memory(struct moon_err *err);
/* The ONTAPI call of the step under way. */
const char *zapi_call_name(const struct moon_ontap_call *call);

/* Takes `value`; -1 when it is NULL or there is no memory. */
int zapi_remember(struct moon_ontap_call *call, const char *key, json_t *value);
const char *zapi_known(const struct moon_ontap_call *call, const char *key);

int zapi_go(struct moon_ontap_call *call, int step); /* ZAPI_NEXT */

/* Whether the object decides: keeps *err and goes to the verb's look, once. Else -1. */
int zapi_doubt(struct moon_ontap_call *call, const struct moon_err *err);
/* Whether that doubt came of the controller's own refusal, and not of an answer that got lost. */
bool zapi_was_refused(const struct moon_ontap_call *call);
/* For a look, and where the look itself is refused: what raised the doubt is *err again, after another look or two when the answer was
 * lost. */
int zapi_not_so(struct moon_ontap_call *call, struct moon_err *err);

/* `take` of a step whose result is {}. */
int zapi_take_empty(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err);
/* The result of the call is `value`, which is taken. */
int zapi_give(struct moon_ontap_call *call, json_t *value, struct moon_err *err);

/* --- ontap_zapi_check.c --- */

/* "controller svm1: snapshot-create vol1 snap1" */
void zapi_describe(const struct moon_ontap_call *call, char *out, size_t size);
/* Fails in these words. Always -1. */
int zapi_fail(const struct moon_ontap_call *call, struct moon_err *err, enum moon_code code,
              const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The controller's own words for `number`, with what to do about it. Always -1. */
int zapi_fault(const struct moon_ontap_call *call, int number, const char *reason,
               struct moon_err *err);

/* 0 when there are results to read. */
int zapi_check_http(const struct moon_ontap_call *call, const struct moon_http_reply *reply,
                    struct moon_err *err);
/* 0, or -1 with the number of the failure, which may be 0. */
int zapi_check_results(const struct moon_ontap_call *call, const xmlNode *results, int *number,
                       struct moon_err *err);

/* --- ontap_zapi_text.c --- */

/* <name>text</name>, nothing when text is NULL. */
int zapi_put(struct moon_buf *b, const char *name, const char *text, struct moon_err *err);
int zapi_put_arg(struct moon_buf *b, const struct moon_ontap_call *call, const char *element,
                 const char *arg, struct moon_err *err);
int zapi_put_list(struct moon_buf *b, const struct moon_ontap_call *call,
                  const struct zapi_list *list, const json_t *where, struct moon_err *err);

/* The rows of a page that match; NULL without memory. */
json_t *zapi_rows(const xmlNode *results, const struct zapi_list *list, const json_t *where);

/* Set o[key] from the text of an element; absent or empty elements leave the key out. */
void zapi_text(json_t *o, const char *key, const xmlNode *parent, const char *path);
void zapi_int(json_t *o, const char *key, const xmlNode *parent, const char *path);
void zapi_bool(json_t *o, const char *key, const xmlNode *parent, const char *path);

/* Whether a query finds exactly this text: it holds none of the operators, escaping which is not
 * documented. `stars`: but for *. */
bool zapi_plain(const char *text, bool stars);

/* "/vol/VOLUME/REST" taken apart, VOLUME into `volume`; NULL with *err when it is none, or when REST
 * leads elsewhere. Returns REST. */
const char *zapi_lun_path(const struct moon_ontap_call *call, const char *path, char volume[204],
                          struct moon_err *err);
/* A volume's name that can stand in a path. -1 with *err. */
int zapi_check_volume(const struct moon_ontap_call *call, const char *name, struct moon_err *err);

static inline const char *zapi_value(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : "";
}

#endif
