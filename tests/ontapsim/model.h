/* The controller as data: cluster, users, SVMs, LIFs, volumes, snapshots. This and job.c are the
 * only places with state; one mutex (sim_lock) guards all of it except what config.c wrote once before
 * the first thread started.
 *
 * Work that copies data must not hold the mutex: sim_op_begin() gives one thread the volume for
 * itself, then the mutex is released for the copy and taken again to publish the result. */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "index.h"
#include "util.h"

#include <pthread.h>
#include <stdatomic.h>

/* ONTAP error numbers, as the ZAPI reply has them. */
enum {
    SIM_EBUSY = 16,
    SIM_EROFS = 30,
    SIM_EGENERIC = 13001,
    SIM_EPRIVILEGE = 13003,
    SIM_ENOAPI = 13005,
    SIM_EMISSING = 13006,
    SIM_EVERSION = 13010,
    SIM_ESNAPEXISTS = 13020,
    SIM_ESNAPMISSING = 13021,
    SIM_ESNAPTOOMANY = 13022,
    SIM_ESNAPNOTALLOWED = 13023,
    SIM_ESNAPBUSY = 13024,
    SIM_ENOSPACE = 13025,
    SIM_EVOLMISSING = 13040,
    SIM_EVOLOFFLINE = 13042,
    SIM_EVOLREADONLY = 13043,
    SIM_EFILEMISSING = 13113,
    SIM_EINTERNAL = 13114,
    SIM_EINVALID = 13115,
    SIM_ECG = 13700,
    SIM_ECGSNAP = 13701,
    SIM_ENOENTRY = 15661,
    SIM_ENOSVM = 15698,
    SIM_ERESTORING = 15801,
    SIM_ESUSPENDED = 61253,
};

struct sim_snap {
    char *name;
    char uuid[37];
    int64_t created; /* epoch seconds */
    char *comment;   /* NULL: none */
    char *label;
    char *dependency; /* not NULL: busy, cannot be deleted */
    char **owners;
    size_t owner_count;
    uint64_t held;     /* bytes that only this and older snapshots keep; unused for the newest */
    unsigned restores; /* running restores that read it */
    unsigned clones;   /* FlexClone volumes that stand on it */
    bool lazy;         /* generated: its directory is made when somebody looks into it */
};

struct sim_volume {
    struct sim_svm *svm;
    char *name;
    char uuid[37];
    char instance_uuid[37];
    uint64_t size;
    char *junction; /* NULL: not mounted */
    char *aggregate;
    char *type;       /* rw, dp */
    char *state;      /* online, offline, restricted */
    unsigned reserve; /* per cent for snapshots */
    unsigned limit;   /* snapshots */
    bool is_root;
    int64_t created;         /* epoch seconds */
    int dir;                 /* live data */
    int snap_dir;            /* its .snapshot */
    struct sim_snap **snaps; /* by name */
    struct sim_snap **ages;  /* the same, oldest first */
    size_t snap_count;
    bool in_op;
    unsigned restores; /* running */
    char *comment;     /* NULL: none */
    char *policy;      /* of snapshots */
    char *exports;     /* export policy */
    char *conf;        /* what the configuration says of it; NULL: made at run time. See state.h */
    struct sim_lun_conf *conf_luns;
    struct sim_lun **luns; /* by name */
    size_t lun_count;
    struct sim_volume *parent; /* FlexClone: the volume and the snapshot that it stands on */
    char *parent_name;         /* only while the state is read */
    char *parent_snap;
    char parent_snap_uuid[37];
    bool splitting;
    uint64_t split_job;
    bool gone; /* destroyed; the struct stays for those who hold it */
    struct sim_volume *next_gone;
};

/* What a LIF carries. */
enum { SIM_LIF_NFS = 1, SIM_LIF_ISCSI = 2, SIM_LIF_FCP = 4, SIM_LIF_MGMT = 8 };

struct sim_lif {
    struct sim_svm *svm;
    char *name;
    char *address; /* NULL: Fibre Channel only */
    char *wwpn;
    char *listen_host; /* NULL: nobody listens there */
    uint16_t listen_port;
    unsigned services;
    bool down;
    char uuid[37];
};

/* A LUN that the configuration asks for. */
struct sim_lun_conf {
    struct sim_lun_conf *next;
    char *name; /* below the volume */
    char *serial;
    char *uuid; /* the rest may be NULL */
    char *comment;
    char *os_type;
    uint64_t size;
    char **igroups;
    int64_t *ids; /* -1: any */
    size_t map_count;
};

struct sim_export_rule {
    char *client, *ro, *rw, *root; /* security flavors */
};

struct sim_export {
    char *name;
    uint64_t id;
    struct sim_export_rule *rules;
    size_t rule_count;
};

struct sim_svm {
    char *name;
    char uuid[37];
    struct sim_lif *lifs;
    size_t lif_count;
    struct sim_volume **volumes; /* by name */
    size_t volume_count;
    struct sim_igroup **igroups; /* by name */
    size_t igroup_count;
    char **conf_igroups; /* name and what the configuration says of it, in turns */
    size_t conf_igroup_count;
    struct sim_export **exports;
    size_t export_count;
    unsigned generate[3]; /* volumes, LUNs, snapshots of each volume; see generate.h */
    int dir;
};

struct sim_user {
    char *name;
    char *password;              /* NULL: certificate only */
    char *cert;                  /* common name, or NULL */
    const struct sim_role *role; /* NULL: everything in its scope */
    char *svm_name;              /* NULL: cluster administrator */
    struct sim_svm *svm;
};

/* In which form REST takes the path of a file to restore. */
enum sim_path_form { SIM_PATH_ANY, SIM_PATH_RELATIVE, SIM_PATH_SLASH, SIM_PATH_VOL };

enum sim_zapi_mode { SIM_ZAPI_OFF, SIM_ZAPI_ON, SIM_ZAPI_SUSPENDED };

struct sim {
    /* from the configuration, constant afterwards */
    char *listen_host;
    uint16_t listen_port;
    bool http;
    char *cert_file;
    char *key_file;
    char *client_ca; /* PEM file; NULL: no certificate logins */
    char *root;
    char *backend; /* a command, or NULL: see backend.h */
    unsigned latency_ms;
    unsigned restore_ms;
    unsigned async_ms;
    unsigned transfer_ms;   /* a SnapMirror transfer runs at least that long */
    uint64_t transfer_rate; /* bytes per second; 0: no limit */
    unsigned rst_keep_ms;   /* a finished restore relationship stays that long */
    unsigned fence_ms;      /* 0: as the call says */
    unsigned page_limit;    /* 0: none */
    unsigned sfsr_limit;
    unsigned split_ms;
    bool clone_resize;     /* a LUN that is overwritten by a clone over REST takes its size */
    bool mixed_quotes;     /* ONTAPI's attributes in any quotes and order */
    unsigned idle_seconds; /* a connection that is idle for so long is closed */
    unsigned connection_requests; /* and after so many requests; 0: never */
    bool comments;                /* ONTAPI replies hold an XML comment before their results */
    /* of REST, where the sources are silent or differ */
    int unknown_field_code; /* for an unknown name in fields= */
    bool empty_last_page;   /* a full page has a next link although nothing follows */
    enum sim_path_form restore_path_form;
    bool restore_path_ignored; /* below 9.10.1, instead of an error: the volume is reverted */
    bool cli_question;         /* the CLI asks before it restores a LUN, and so fails over REST */
    unsigned ems_status;       /* of a written application log: 201 or 200 */
    bool busy_owners;          /* what keeps a snapshot busy stands among its owners */
    bool job_error;            /* a failed job has the object "error" */
    unsigned job_ms;           /* a job of REST runs at least that long */
    unsigned job_keep_ms;      /* a job that has ended is known that long */
    char *cluster;
    char *ontap;
    unsigned ontap_version[3];
    unsigned ontapi_major;
    unsigned ontapi_minor;
    enum sim_zapi_mode zapi;
    bool rest;
    int scope_error;        /* of a cluster's call on an SVM */
    struct sim_peer *peers; /* other simulators */
    size_t peer_count;
    struct sim_role *roles;
    size_t role_count;
    struct sim_user *users;
    size_t user_count;
    struct sim_svm **svms; /* by name */
    size_t svm_count;
    /* guarded by the mutex */
    char cluster_uuid[37];
    int root_dir;
    int state_dir;
    uint64_t next_cg;
    uint64_t next_job;
    uint64_t next_temp;
    struct sim_cg *cgs;
    struct sim_restore *restores;
    struct sim_volume *gone;  /* destroyed ones */
    struct sim_index volumes; /* by each of their uuids */
    struct sim_index luns;    /* by uuid */
    struct sim_index serials; /* LUNs */
    char **old_names;         /* of renamed volumes: somebody may be reading one */
    size_t old_name_count;
    struct sim_policy **policies; /* SnapMirror: by name; none before the first look */
    size_t policy_count;
    struct sim_mirror **mirrors; /* by destination */
    size_t mirror_count;
    struct sim_destination **destinations; /* of what is mirrored from here */
    size_t destination_count;
    unsigned workers; /* background threads alive */
    atomic_bool stopping;
};

extern struct sim sim;

void sim_lock(void);
void sim_unlock(void);
void sim_wake(void);          /* state changed: wake whoever waits; call it locked */
void sim_wait(int64_t until); /* locked; until a wake or that monotonic ms */
void sim_sleep(unsigned ms);  /* unlocked; ends early when the simulator stops */
/* The same until *ms after `began`, monotonic ms; *ms is looked at anew at each wake (/sim/pace). */
void sim_sleep_pace(int64_t began, const unsigned *ms);
void sim_stop(void); /* ask background threads to end and wait for them; unlocked */
int sim_spawn(void *(*fn)(void *), void *arg); /* locked; a background thread, 0 or -1 */
void sim_worker_done(void);                    /* locked; the last thing such a thread does */

struct sim_svm *sim_svm_find(const char *name);
struct sim_volume *sim_volume_find(const struct sim_svm *svm, const char *name);
struct sim_volume *sim_volume_by_uuid(const struct sim_svm *svm, const char *uuid);
struct sim_snap *sim_snap_find(const struct sim_volume *vol, const char *name);

/* Index of the first entry whose name is greater than `after` (NULL: 0). */
size_t sim_svm_after(const char *after, bool inclusive);
size_t sim_volume_after(const struct sim_svm *svm, const char *after, bool inclusive);
size_t sim_snap_after(const struct sim_volume *vol, const char *after);

void sim_volume_add(struct sim_svm *svm, struct sim_volume *vol); /* takes vol */
void sim_volume_register(struct sim_volume *vol);                 /* it has its uuids now */
void sim_volume_bury(struct sim_volume *vol); /* off the list; the struct stays */
void sim_volume_rename_entry(struct sim_volume *vol, const char *name);
void sim_snap_add(struct sim_volume *vol, struct sim_snap *snap);  /* takes snap */
void sim_snap_take(struct sim_volume *vol, struct sim_snap *snap); /* removes, caller owns */
void sim_snap_rename_entry(struct sim_volume *vol, struct sim_snap *snap, const char *name);
void sim_snap_free(struct sim_snap *snap);
/* Locked. What keeps it from being deleted, as `dependency` has it; NULL: nothing. */
const char *sim_snap_busy(const struct sim_snap *snap);
/* Locked. Its directory; -1 with errno. */
int sim_snap_open(struct sim_volume *vol, struct sim_snap *snap);
void sim_free(void);

/* Locked. Have these volumes to oneself; -1 when the simulator stops or a volume is gone. */
int sim_op_begin(struct sim_volume *const *vols, size_t count);
void sim_op_end(struct sim_volume *const *vols, size_t count);
/* Why sim_op_begin() failed: a volume is gone, or the simulator stops. Always -1. */
int sim_op_refused(struct sim_volume *const *vols, size_t count, struct sim_err *err);

struct sim_space {
    uint64_t live;  /* bytes of the active file system */
    uint64_t snaps; /* bytes kept by snapshots alone */
    uint64_t used;
    uint64_t available;
};

/* Locked. Walks the volume's files. */
void sim_space(struct sim_volume *vol, struct sim_space *out);
/* Locked. What the newest snapshot alone keeps is not stored but seen against the live files. */
uint64_t sim_snap_held(struct sim_volume *vol, size_t age);
/* Locked. Look again at what the snapshot at this age keeps. */
void sim_snap_measure(struct sim_volume *vol, size_t age);

#endif
