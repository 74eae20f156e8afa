/* The life of a volume: create, clone, split, mount, take offline, rename, revert, destroy. A
 * destroyed volume's struct stays, marked `gone`, because threads may still hold it. */
#ifndef SIM_VOLUME_H
#define SIM_VOLUME_H

#include "model.h"

enum {
    SIM_EEXISTS = 17,
    SIM_ESNAPNOTLATEST = 13030,
    SIM_EVOLNAME = 13044,
    SIM_EVOLONLINE = 13060,
    SIM_EDUPLICATE = 13130,
    SIM_EVOLBUSY = 13158,
    SIM_EVOLNOTCLONE = 13170,
    SIM_EVOLNOTUNDERWAY = 13171,
    SIM_EAGGRMISSING = 14420,
    SIM_EVOLMOUNTED = 14713,
    SIM_EMOUNTFAILED = 14714,
    SIM_EVOLNOTMOUNTED = 14716,
    SIM_EVOLHASCLONE = 15894,
    SIM_EPARENTOFFLINE = 17003,
    SIM_EVOLSPLITTING = 17151,
};

struct sim_volume_spec {
    const char *name;
    uint64_t size;
    const char *aggregate; /* NULL: that of another volume of the SVM */
    const char *junction;  /* NULL: not mounted */
    const char *type;      /* NULL: rw */
    const char *comment;
    const char *policy;  /* snapshot policy; NULL: "default" */
    const char *exports; /* export policy; NULL: "default" */
    unsigned reserve;
    bool offline;
};

/* Locked. Is the name free and made of the right characters? */
int sim_volume_name_check(const struct sim_svm *svm, const char *name, struct sim_err *err);
/* Locked. May something be mounted there (`vol` itself does not count)? */
int sim_junction_check(const struct sim_svm *svm, const struct sim_volume *vol,
                       const char *junction, struct sim_err *err);
/* Locked. Is there such an aggregate? */
bool sim_aggregate_exists(const char *name);
/* Locked. The one with the smallest name that is greater; NULL: none. name NULL: the first. */
const char *sim_aggregate_after(const char *name);

/* Locked, for those who make volumes: the struct with everything but its directories; and the
 * directories, the entry and the saved state. */
struct sim_volume *sim_volume_new(struct sim_svm *svm, const struct sim_volume_spec *spec);
int sim_volume_publish(struct sim_volume *vol, char uuid[37], struct sim_err *err);
unsigned sim_snapshot_limit(void); /* of a volume */
/* Locked. It stands on its own from now on. */
void sim_volume_leave_parent(struct sim_volume *vol);

/* Unlocked. uuid (NULL: not wanted): the new volume's instance uuid. */
int sim_volume_create(struct sim_svm *svm, const struct sim_volume_spec *spec, char uuid[37],
                      struct sim_err *err);
/* snapshot NULL: one is made. spec: name, junction and comment count; `type` "dp" gives a mirror. */
int sim_volume_clone(struct sim_volume *parent, const char *snapshot,
                     const struct sim_volume_spec *spec, char uuid[37], struct sim_err *err);
/* Begins; *job (NULL: not wanted) tells when it is done. */
int sim_volume_split(struct sim_volume *vol, uint64_t *job, struct sim_err *err);
int sim_volume_split_stop(struct sim_volume *vol, struct sim_err *err);
int sim_volume_mount(struct sim_volume *vol, const char *junction, struct sim_err *err);
int sim_volume_unmount(struct sim_volume *vol, struct sim_err *err);
/* state: online, offline, restricted. unmount: a mounted volume may go offline. */
int sim_volume_set_state(struct sim_volume *vol, const char *state, bool unmount,
                         struct sim_err *err);
int sim_volume_resize(struct sim_volume *vol, uint64_t size, struct sim_err *err);
int sim_volume_rename(struct sim_volume *vol, const char *name, struct sim_err *err);
/* NULL leaves a value as it is; an empty comment removes it. */
int sim_volume_modify(struct sim_volume *vol, const char *comment, const char *policy,
                      const char *exports, const unsigned *reserve, struct sim_err *err);
/* offline_first: unmount it and take it offline; else it must be offline already. */
int sim_volume_destroy(struct sim_volume *vol, bool offline_first, struct sim_err *err);
/* Unlocked, volume held: the live files out, those of a copy in .snapshot in. 0 or an errno value. */
int sim_volume_exchange(struct sim_volume *vol, const char *temp);
/* The whole volume back to the snapshot; newer snapshots go. LUNs keep their identity. */
int sim_volume_revert(struct sim_volume *vol, const char *snapshot, struct sim_err *err);

/* Qtrees are directories at the top of a volume that carry the mark. */
int sim_qtree_create(struct sim_volume *vol, const char *name, struct sim_err *err);
int sim_qtree_delete(struct sim_volume *vol, const char *name, struct sim_err *err);
unsigned sim_qtree_id(const char *name); /* stays the same; 0 for the volume itself, "" */
/* Locked. Sorted, owned, NULL at the end; never NULL. */
char **sim_qtree_list(const struct sim_volume *vol);

/* Splits that a stop interrupted go on; after everything is loaded. */
void sim_volume_resume(void);

/* export.c; locked */
struct sim_export *sim_export_find(const struct sim_svm *svm, const char *name);
struct sim_export *sim_export_create(struct sim_svm *svm, const char *name, struct sim_err *err);
void sim_export_rule(struct sim_export *e, const char *client, const char *ro, const char *rw,
                     const char *root);
void sim_export_free(struct sim_export *e);
int sim_export_destroy(struct sim_svm *svm, struct sim_export *e, struct sim_err *err);

#endif
