/* ONTAPI over HTTP, inside: one call being answered, its arguments, its records. A handler parses
 * arguments, calls the model and writes the content of <results>; zapi.c does the rest. */
#ifndef SIM_ZAPI_H
#define SIM_ZAPI_H

#include "faults.h"
#include "model.h"

#include <libxml/tree.h>

struct sim_mirror;
struct sim_destination;

struct zapi {
    const struct sim_user *user;
    struct sim_svm *svm; /* the SVM the call runs in; NULL: the cluster */
    const xmlNode *call;
    const char *name;
    struct sim_arena arena;
    struct sim_buf out; /* content of <results> */
    struct sim_err err;
    struct sim_fault fault; /* bound to one volume and left to the handler; else action NONE */
};

/* 0, or -1 with z->err. */
typedef int (*zapi_fn)(struct zapi *z);

enum zapi_scope { ZAPI_ANY, ZAPI_CLUSTER };

struct zapi_call {
    const char *name;
    zapi_fn fn;
    enum zapi_scope scope;
    bool changing;
};

/* Elements by local name. Texts live as long as the call. */
const xmlNode *zapi_child(const xmlNode *node, const char *name);
const xmlNode *zapi_next(const xmlNode *node);  /* next sibling element */
const xmlNode *zapi_first(const xmlNode *node); /* first child element */
const char *zapi_text(struct sim_arena *a, const xmlNode *node);

/* Arguments of the call: NULL when missing; need: NULL and error 13006 when missing or empty. */
const char *zapi_arg(struct zapi *z, const char *name);
const char *zapi_need(struct zapi *z, const char *name);
int zapi_flag(struct zapi *z, const char *name, bool *value);
int zapi_count(struct zapi *z, const char *name, uint64_t min, uint64_t max, uint64_t *value);
int zapi_invalid(struct zapi *z, const char *field, const char *value);
/* Unlocked. The volume of that name in the call's SVM; NULL and error 13040. What is done with it
 * finds out by itself when it is destroyed meanwhile: the struct stays. */
struct sim_volume *zapi_volume(struct zapi *z, const char *name);
/* "/vol/VOLUME/REST" taken apart; REST may be empty. */
bool zapi_split_path(struct zapi *z, const char *path, const char **volume, const char **rest);

/* The call exists within an SVM only: error 13005. */
int zapi_no_svm(struct zapi *z);
/* Locked when it returns the LUN; else NULL and error 9017. */
struct sim_lun *zapi_lun_locked(struct zapi *z, const char *path);

void zapi_put(struct zapi *z, const char *name, const char *value);
void zapi_put_number(struct zapi *z, const char *name, uint64_t value);

/* A record of an iterator: a small tree. */
struct zapi_rec {
    const char *name;
    const char *value; /* leaf */
    bool key;          /* returned even when it was not asked for */
    bool absent;       /* known to queries, not returned */
    struct zapi_rec *child;
    struct zapi_rec *last;
    struct zapi_rec *next;
};

struct zapi_iter {
    struct zapi *z;
    const xmlNode *query;   /* first record element of the query, or NULL */
    const xmlNode *desired; /* the record element, or NULL */
    uint64_t max;
    uint64_t count;
    const char *keys[3];    /* where the page before this one ended; NULL at the beginning */
    struct sim_arena arena; /* of the record being made */
    struct sim_buf rows;
    struct sim_buf next_tag;
};

int zapi_iter_begin(struct zapi_iter *it, struct zapi *z, const char *record);
struct zapi_rec *zapi_iter_record(struct zapi_iter *it, const char *name); /* drops the last one */
struct zapi_rec *zapi_rec_add(struct zapi_iter *it, struct zapi_rec *parent, const char *name);
void zapi_rec_text(struct zapi_iter *it, struct zapi_rec *parent, const char *name,
                   const char *value); /* NULL: left out */
void zapi_rec_key(struct zapi_iter *it, struct zapi_rec *parent, const char *name,
                  const char *value);
void zapi_rec_number(struct zapi_iter *it, struct zapi_rec *parent, const char *name, uint64_t n);
void zapi_rec_flag(struct zapi_iter *it, struct zapi_rec *parent, const char *name, bool on);
void zapi_rec_write(struct sim_buf *b, const struct zapi_rec *rec); /* outside a list */
bool zapi_rec_match(const struct zapi_iter *it, const struct zapi_rec *rec);
/* Put the record on the page if the query wants it. False when the page is full now. */
bool zapi_iter_row(struct zapi_iter *it, const struct zapi_rec *rec, const char *key0,
                   const char *key1, const char *key2);
/* Is this direct part of the record asked for, by the query or by the desired attributes? */
bool zapi_iter_wants(const struct zapi_iter *it, const char *part);
/* Can records with this value in that direct field match at all? */
bool zapi_iter_may(struct zapi_iter *it, const char *field, const char *value);
/* The same for a field of a part; value NULL: it has none. */
bool zapi_iter_may_in(struct zapi_iter *it, const char *part, const char *field, const char *value);
void zapi_iter_end(struct zapi_iter *it);
/* The one record of a call that gets a single object: <attributes> instead of a list. */
void zapi_iter_single(struct zapi_iter *it);

/* What a call that changes all that its query matches has to say of each. */
struct zapi_many {
    uint64_t passed, failed;
    struct sim_buf done, not_done;
};
/* Counts one, opens its <record>, with the error in it if there is one; the caller puts its key there and closes it. */
struct sim_buf *zapi_many_add(struct zapi_many *m, const char *record, const struct sim_err *err);
/* Writes the lists and the numbers, and frees them and what the iterator has. 0. */
int zapi_many_end(struct zapi_many *m, struct zapi_iter *it);

bool zapi_query_match(const char *query, const char *value);

/* zapi_system.c */
int zapi_system_get_version(struct zapi *z);
int zapi_system_get_ontapi_version(struct zapi *z);
int zapi_cluster_identity_get(struct zapi *z);
int zapi_vserver_get_iter(struct zapi *z);
int zapi_net_interface_get_iter(struct zapi *z);
/* The answer of an iterator over the LIFs, or over those alone that `shown` takes; `place` is the LIF's in its SVM. */
int zapi_lifs(struct zapi *z, const char *record, bool (*shown)(const struct sim_lif *lif),
              void (*write)(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_lif *lif,
                            size_t place));
int zapi_ems_autosupport_log(struct zapi *z);
int zapi_job_get(struct zapi *z);
/* zapi_volume.c */
int zapi_volume_get_iter(struct zapi *z);
void zapi_volume_record(struct zapi_iter *it, struct zapi_rec *rec, struct sim_volume *vol);
/* zapi_snapshot.c */
int zapi_snapshot_create(struct zapi *z);
int zapi_snapshot_get_iter(struct zapi *z);
int zapi_snapshot_delete(struct zapi *z);
int zapi_snapshot_rename(struct zapi *z);
int zapi_snapshot_modify_iter(struct zapi *z);
/* zapi_cg.c */
int zapi_cg_start(struct zapi *z);
int zapi_cg_commit(struct zapi *z);
int zapi_wafl_sync(struct zapi *z);
/* zapi_file.c */
int zapi_snapshot_restore_file(struct zapi *z);
int zapi_snapshot_restore_file_info(struct zapi *z);
int zapi_file_get_file_info(struct zapi *z);
/* zapi_lun.c */
int zapi_lun_create_by_size(struct zapi *z);
int zapi_lun_destroy(struct zapi *z);
int zapi_lun_get_comment(struct zapi *z);
int zapi_lun_get_geometry(struct zapi *z);
int zapi_lun_get_iter(struct zapi *z);
int zapi_lun_get_serial_number(struct zapi *z);
int zapi_lun_move(struct zapi *z);
int zapi_lun_offline(struct zapi *z);
int zapi_lun_online(struct zapi *z);
int zapi_lun_resize(struct zapi *z);
int zapi_lun_restore_status(struct zapi *z);
int zapi_lun_set_comment(struct zapi *z);
int zapi_lun_set_serial_number(struct zapi *z);
int zapi_lun_set_space_reservation_info(struct zapi *z);
/* zapi_igroup.c */
int zapi_lun_initiator_list_map_info(struct zapi *z);
int zapi_lun_map(struct zapi *z);
int zapi_lun_map_get_iter(struct zapi *z);
int zapi_lun_map_list_info(struct zapi *z);
int zapi_lun_unmap(struct zapi *z);
int zapi_igroup_add(struct zapi *z);
int zapi_igroup_create(struct zapi *z);
int zapi_igroup_destroy(struct zapi *z);
int zapi_igroup_get_iter(struct zapi *z);
int zapi_igroup_list_info(struct zapi *z);
int zapi_igroup_remove(struct zapi *z);
int zapi_igroup_rename(struct zapi *z);
/* zapi_clone.c */
int zapi_clone_create(struct zapi *z);
int zapi_volume_clone_create(struct zapi *z);
int zapi_volume_clone_get(struct zapi *z);
int zapi_volume_clone_get_iter(struct zapi *z);
int zapi_volume_clone_split_start(struct zapi *z);
int zapi_volume_clone_split_status(struct zapi *z);
int zapi_volume_clone_split_stop(struct zapi *z);
int zapi_qtree_create(struct zapi *z);
int zapi_qtree_delete(struct zapi *z);
int zapi_qtree_list_iter(struct zapi *z);
/* zapi_life.c */
int zapi_volume_create(struct zapi *z);
int zapi_volume_destroy(struct zapi *z);
int zapi_volume_get_volume_path(struct zapi *z);
int zapi_volume_modify_iter(struct zapi *z);
int zapi_volume_mount(struct zapi *z);
int zapi_volume_offline(struct zapi *z);
int zapi_volume_online(struct zapi *z);
int zapi_volume_rename(struct zapi *z);
int zapi_volume_restrict(struct zapi *z);
int zapi_volume_size(struct zapi *z);
int zapi_volume_unmount(struct zapi *z);
int zapi_snapshot_restore_volume(struct zapi *z);
/* zapi_dir.c */
int zapi_file_list_directory_iter(struct zapi *z);
int zapi_file_rename_file(struct zapi *z);
int zapi_file_delete_file(struct zapi *z);
int zapi_file_usage_get(struct zapi *z);
/* zapi_cluster.c */
int zapi_system_node_get_iter(struct zapi *z);
int zapi_cluster_node_get_iter(struct zapi *z);
int zapi_aggr_get_iter(struct zapi *z);
int zapi_vserver_peer_get_iter(struct zapi *z);
int zapi_sis_get_iter(struct zapi *z);
int zapi_iscsi_service_get_iter(struct zapi *z);
int zapi_iscsi_interface_get_iter(struct zapi *z);

/* zapi_mirror.c */
int zapi_snapmirror_create(struct zapi *z);
int zapi_snapmirror_initialize(struct zapi *z);
int zapi_snapmirror_update(struct zapi *z);
int zapi_snapmirror_resync(struct zapi *z);
int zapi_snapmirror_abort(struct zapi *z);
int zapi_snapmirror_quiesce(struct zapi *z);
int zapi_snapmirror_resume(struct zapi *z);
int zapi_snapmirror_break(struct zapi *z);
int zapi_snapmirror_modify(struct zapi *z);
int zapi_snapmirror_destroy(struct zapi *z);
int zapi_snapmirror_release(struct zapi *z);
int zapi_snapmirror_restore(struct zapi *z);
int zapi_snapmirror_snapshot_owner_create(struct zapi *z);
int zapi_snapmirror_snapshot_owner_destroy(struct zapi *z);
int zapi_snapmirror_snapshot_owner_get(struct zapi *z);
/* zapi_mirror_many.c */
int zapi_snapmirror_destroy_iter(struct zapi *z);
int zapi_snapmirror_release_iter(struct zapi *z);
/* zapi_mirror_get.c */
void zapi_mirror_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_mirror *m);
void zapi_destination_record(struct zapi_iter *it, struct zapi_rec *rec,
                             const struct sim_destination *d);
int zapi_snapmirror_get_iter(struct zapi *z);
int zapi_snapmirror_get(struct zapi *z);
int zapi_snapmirror_get_destination_iter(struct zapi *z);
int zapi_snapmirror_history_get_iter(struct zapi *z);
/* zapi_policy.c */
int zapi_snapmirror_policy_get_iter(struct zapi *z);
int zapi_snapmirror_policy_create(struct zapi *z);
int zapi_snapmirror_policy_delete(struct zapi *z);
int zapi_snapmirror_policy_add_rule(struct zapi *z);
int zapi_snapmirror_policy_remove_rule(struct zapi *z);

/* zapi_export.c */
int zapi_export_policy_create(struct zapi *z);
int zapi_export_policy_destroy(struct zapi *z);
int zapi_export_rule_create(struct zapi *z);

#endif
