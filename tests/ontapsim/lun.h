/* LUNs: objects over real files in the directory of their volume. The file is the content; the
 * object adds serial, uuid, size, maps. A file that is a LUN carries the sticky bit, and a directory
 * that is a qtree too, so that copies of them (snapshots, clones) can be told from ordinary files. */
#ifndef SIM_LUN_H
#define SIM_LUN_H

#include "model.h"

#include <jansson.h>
#include <sys/stat.h>

enum {
    SIM_EIGROUPMISSING = 9003,
    SIM_EIGROUPEXISTS = 9004,
    SIM_ENODEMISSING = 9007,
    SIM_ENODEEXISTS = 9008,
    SIM_EMAPCONFLICT = 9009,
    SIM_ELUNEXISTS = 9012,
    SIM_ELUNMAPPED = 9013,
    SIM_ELUNOFFLINE = 9014,
    SIM_ELUNONLINE = 9015,
    SIM_EMAPMISSING = 9016,
    SIM_ELUNMISSING = 9017,
    SIM_EDIRMISSING = 9020,
    SIM_EIGROUPMAPPED = 9029,
    SIM_ELUNTOOLARGE = 9034,
    SIM_ENOVOLUME = 9036,
    SIM_ELUNSAMESIZE = 9042,
    SIM_ELUNRESTORING = 9062,
    SIM_ELUNNOTINSNAP = 9070,
};

enum { SIM_LUN_SERIAL = 12, SIM_MAP_IDS = 4096, SIM_LUN_MODE = 01644, SIM_QTREE_MODE = 01755 };

struct sim_map {
    struct sim_igroup *igroup;
    unsigned id;
};

struct sim_lun {
    struct sim_volume *vol;
    char *name; /* below the volume: "lun1" or "qtree/lun1" */
    char *path; /* "/vol/VOLUME/NAME" */
    char uuid[37];
    char serial[SIM_LUN_SERIAL + 1];
    uint64_t size;
    char *os_type;
    char *comment; /* NULL: none */
    int64_t created;
    bool online;
    bool reserved;
    struct sim_map *maps;
    size_t map_count;
};

struct sim_igroup {
    struct sim_svm *svm;
    char *name;
    char uuid[37];
    char *protocol; /* iscsi, fcp, mixed */
    char *os_type;
    char *comment; /* NULL: none */
    char **initiators;
    size_t initiator_count;
    struct sim_lun **ids; /* SIM_MAP_IDS places; NULL before the first map */
    size_t map_count;
};

/* What a new LUN is to be; NULL and 0 take the default. */
struct sim_lun_spec {
    uint64_t size;
    const char *os_type;
    const char *comment;
    const char *serial;
    const char *uuid;
    bool reserved;
};

/* Locked: lookups. Paths as clients have them; svm NULL: any. */
struct sim_lun *sim_lun_by_path(const struct sim_svm *svm, const char *path);
struct sim_lun *sim_lun_by_serial(const struct sim_svm *svm, const char *serial);
struct sim_lun *sim_lun_by_uuid(const struct sim_svm *svm, const char *uuid);
struct sim_lun *sim_lun_find(const struct sim_volume *vol, const char *name);
/* Index in vol->luns of the first whose name is greater (or not less); NULL: 0. */
size_t sim_lun_after(const struct sim_volume *vol, const char *name, bool inclusive);
/* Its qtree ("" outside), and its own name in there. Length in *len. */
const char *sim_lun_qtree(const struct sim_lun *lun, size_t *len);
const char *sim_lun_leaf(const struct sim_lun *lun);
uint64_t sim_lun_used(const struct sim_lun *lun); /* bytes occupied */
bool sim_lun_mapped(const struct sim_lun *lun);
bool sim_lun_restoring(const struct sim_lun *lun);
/* "/vol/V/.snapshot/S/REST" taken apart, owned; false when it is none. */
bool sim_lun_snap_path(const char *path, char **volume, char **snapshot, char **rest);

bool sim_serial_ok(const char *serial);
void sim_serial_from(char out[SIM_LUN_SERIAL + 1], uint64_t seed);
void sim_serial_make(char out[SIM_LUN_SERIAL + 1]);
bool sim_os_type_ok(const char *os_type);

/* Unlocked: what one can do. A path names a LUN of that SVM. */
int sim_lun_create(struct sim_svm *svm, const char *path, const struct sim_lun_spec *spec,
                   struct sim_err *err);
int sim_lun_resize(struct sim_svm *svm, const char *path, uint64_t size, bool force,
                   struct sim_err *err);
int sim_lun_move(struct sim_svm *svm, const char *path, const char *to, struct sim_err *err);
int sim_lun_destroy(struct sim_svm *svm, const char *path, bool force, struct sim_err *err);
int sim_lun_set_online(struct sim_svm *svm, const char *path, bool online, struct sim_err *err);
int sim_lun_set_serial(struct sim_svm *svm, const char *path, const char *serial,
                       struct sim_err *err);
/* NULL leaves a value as it is; an empty comment removes it. */
int sim_lun_modify(struct sim_svm *svm, const char *path, const char *comment, const char *os_type,
                   const bool *reserved, struct sim_err *err);

/* Locked: for those who move files about. */
struct sim_lun *sim_lun_add(struct sim_volume *vol, const char *name,
                            const struct sim_lun_spec *spec);
void sim_lun_drop(struct sim_lun *lun); /* with its maps; frees it */
/* A file has new content: its LUN, if it is one, has the file's size now. */
void sim_lun_refresh(struct sim_volume *vol, const char *name);
/* Every LUN file below the volume's directory has its object, and every object its file. Identity
 * stays where a LUN was before; a new one takes its type from the LUN of that name in `like` (or
 * NULL). */
void sim_lun_rescan(struct sim_volume *vol, const struct sim_volume *like);
void sim_lun_rename_entry(struct sim_lun *lun, const char *name);
/* The volume was renamed. */
void sim_lun_repath(struct sim_volume *vol);
void sim_lun_drop_all(struct sim_volume *vol);
bool sim_lun_marked(const struct stat *st);

/* Locked: igroups and maps. */
struct sim_igroup *sim_igroup_find(const struct sim_svm *svm, const char *name);
struct sim_igroup *sim_igroup_by_uuid(const struct sim_svm *svm, const char *uuid);
size_t sim_igroup_after(const struct sim_svm *svm, const char *name, bool inclusive);
struct sim_igroup *sim_igroup_create(struct sim_svm *svm, const char *name, const char *protocol,
                                     const char *os_type, struct sim_err *err);
int sim_igroup_destroy(struct sim_igroup *group, bool force, struct sim_err *err);
int sim_igroup_rename(struct sim_igroup *group, const char *name, struct sim_err *err);
int sim_igroup_add(struct sim_igroup *group, const char *initiator, struct sim_err *err);
int sim_igroup_remove(struct sim_igroup *group, const char *initiator, bool force,
                      struct sim_err *err);
bool sim_igroup_has(const struct sim_igroup *group, const char *initiator);
void sim_igroup_free(struct sim_igroup *group);
/* id < 0: the smallest free one; *out (NULL: not wanted) what it became. */
int sim_map_add(struct sim_lun *lun, struct sim_igroup *group, int64_t id, unsigned *out,
                struct sim_err *err);
int sim_map_remove(struct sim_lun *lun, struct sim_igroup *group, struct sim_err *err);
const struct sim_map *sim_map_find(const struct sim_lun *lun, const struct sim_igroup *group);

/* san_state.c: what is kept across restarts. */
json_t *sim_lun_state(const struct sim_volume *vol);
int sim_lun_load(struct sim_volume *vol, json_t *doc); /* the volume's document, or NULL; 0 or -1 */
int sim_lun_save(const struct sim_lun *lun);       /* what it says about itself, maps included */
void sim_map_save(const struct sim_igroup *group); /* the LUNs that are mapped to it */
int sim_igroup_save(const struct sim_svm *svm);
void sim_igroup_load(struct sim_svm *svm);

#endif
