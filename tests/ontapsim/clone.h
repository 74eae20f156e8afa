/* Clones of files and LUNs inside a volume, from the live files or a snapshot. */
#ifndef SIM_CLONE_H
#define SIM_CLONE_H

#include "model.h"

enum {
    SIM_ECLONESFSR = 14529,
    SIM_ECLONEOFFLINE = 14926,
    SIM_ECLONERDONLY = 14928,
    SIM_ECLONESOURCE = 14935,
    SIM_ECLONEVOLUME = 14937,
    SIM_ECLONERANGE = 14946,
    SIM_ECLONEEXISTS = 14952,
    SIM_ECLONESPLIT = 14964,
    SIM_ECLONEMAXRANGES = 14967,
    SIM_ECLONEMAXBLOCKS = 14968,
};

/* In blocks of 512 bytes for a LUN, 4096 for a file. */
struct sim_range {
    uint64_t from;
    uint64_t to;
    uint64_t count;
};

struct sim_clone_spec {
    const char *snapshot; /* NULL: the live file */
    const char *from;     /* below the volume */
    const char *to;
    const struct sim_range *ranges; /* none: the whole file */
    size_t range_count;
    bool overwrite; /* the destination may exist: it gets the data, and a LUN keeps its identity */
    bool lun_only;  /* the source must be a LUN */
    bool reserved;
    bool same_size;      /* what is overwritten must have the size of the source */
    const char *comment; /* of a new LUN */
    const char *uuid;    /* NULL: any */
};

/* Unlocked. The bytes are there when it returns. */
int sim_clone(struct sim_volume *vol, const struct sim_clone_spec *spec, struct sim_err *err);

#endif
