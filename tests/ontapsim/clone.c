/* Clones of files and LUNs. A new one is made under a hidden name beside the snapshots and appears
 * complete; an existing one is overwritten in its own inode, so that whoever has it open sees the
 * new bytes. */
#include "clone.h"
#include "lun.h"
#include "restore.h"
#include "state.h"
#include "store.h"
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct work {
    struct sim_volume *vol;
    const struct sim_clone_spec *spec;
    int from;
    int to; /* existing destination; -1: a new one */
    struct stat st;
    bool is_lun;
    char *temp; /* name of the new one below .snapshot until it is complete */
};

static int fail_io(struct sim_err *err, int e, const char *path)
{
    int num = e == ENOSPC || e == EDQUOT ? SIM_ENOSPACE : SIM_EINTERNAL;
    return sim_fail(err, e == EEXIST ? SIM_ECLONEEXISTS : num, "\"%.200s\": %s.", path,
                    strerror(e));
}

static int check(const struct sim_volume *vol, const struct sim_clone_spec *spec,
                 struct sim_err *err)
{
    if (!sim_store_path_ok(spec->from))
        return sim_fail(err, SIM_EINVALID,
                        "Invalid value specified for \"source-path\": \"%.200s\".", spec->from);
    if (!sim_store_path_ok(spec->to) || !strncmp(spec->to, ".snapshot", 9))
        return sim_fail(err, SIM_EINVALID,
                        "Invalid value specified for \"destination-path\": \"%.200s\".", spec->to);
    if (strcmp(vol->state, "online") != 0)
        return sim_fail(err, SIM_ECLONEOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    if (strcmp(vol->type, "rw") != 0)
        return sim_fail(err, SIM_ECLONERDONLY, "Volume \"%s\" is read-only.", vol->name);
    if (vol->restores)
        return sim_fail(err, SIM_ECLONESFSR, "A file restore is in progress on volume \"%s\".",
                        vol->name);
    if (vol->splitting)
        return sim_fail(err, SIM_ECLONESPLIT, "Volume \"%s\" is being split from its parent.",
                        vol->name);
    return 0;
}

static int no_source(struct sim_err *err, const char *path)
{
    return sim_fail(err, SIM_ECLONESOURCE, "The source \"%.200s\" does not exist.", path);
}

/* Locked. */
static int open_source(struct work *w, struct sim_err *err)
{
    const struct sim_clone_spec *spec = w->spec;
    struct sim_snap *snap = spec->snapshot ? sim_snap_find(w->vol, spec->snapshot) : NULL;
    if (spec->snapshot && !snap)
        return sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.200s\" does not exist on \"%s\".",
                        spec->snapshot, w->vol->name);
    if (!snap && !strncmp(spec->from, ".snapshot", 9))
        return no_source(err, spec->from);
    AUTO_CLOSE int dir = snap ? sim_snap_open(w->vol, snap) : dup(w->vol->dir);
    w->from = dir < 0 ? -1 : sim_store_open(dir, spec->from, O_RDONLY, 0);
    if (w->from < 0 || fstat(w->from, &w->st))
        return no_source(err, spec->from);
    if (!S_ISREG(w->st.st_mode))
        return sim_fail(err, SIM_EINVALID, "\"%.200s\" is not a normal file.", spec->from);
    /* A snapshot of before the LUN was marked has it as a plain file. */
    w->is_lun = sim_lun_marked(&w->st) || sim_lun_find(w->vol, spec->from);
    return spec->lun_only && !w->is_lun ? no_source(err, spec->from) : 0;
}

/* Locked. */
static int open_destination(struct work *w, struct sim_err *err)
{
    struct stat st;
    const struct sim_clone_spec *spec = w->spec;
    w->to = sim_store_open(w->vol->dir, spec->to, O_RDWR, 0);
    if (w->to < 0 && errno != ENOENT)
        return fail_io(err, errno, spec->to);
    if (w->to < 0)
        return 0;
    if (fstat(w->to, &st) || !S_ISREG(st.st_mode))
        return sim_fail(err, SIM_EINVALID, "\"%.200s\" is not a normal file.", spec->to);
    if (!spec->overwrite && !spec->range_count)
        return sim_fail(err, SIM_ECLONEEXISTS, "Clone \"%.200s\" already exists.", spec->to);
    if (spec->same_size && st.st_size != w->st.st_size)
        return sim_fail(err, SIM_EINVALID, "\"%.200s\" has another size than the source.",
                        spec->to);
    if (!spec->snapshot && !strcmp(spec->from, spec->to) && !spec->range_count)
        return sim_fail(err, SIM_EINVALID, "Source and destination are the same.");
    return 0;
}

static int check_ranges(const struct work *w, uint64_t block, struct sim_err *err)
{
    struct stat to = w->st;
    if (w->to >= 0 && fstat(w->to, &to))
        return fail_io(err, errno, w->spec->to);
    for (size_t i = 0; i < w->spec->range_count; i++) {
        const struct sim_range *r = &w->spec->ranges[i];
        uint64_t in = ((uint64_t)w->st.st_size + block - 1) / block;
        uint64_t out = ((uint64_t)to.st_size + block - 1) / block;
        if (!r->count || r->from > in || r->count > in - r->from || r->to > out ||
            r->count > out - r->to)
            return sim_fail(err, SIM_ECLONERANGE, "Block range %llu:%llu:%llu is out of range.",
                            (unsigned long long)r->from, (unsigned long long)r->to,
                            (unsigned long long)r->count);
    }
    return 0;
}

static int copy(const struct work *w, int to, struct sim_err *err)
{
    uint64_t block = w->is_lun ? 512 : 4096;
    if (!w->spec->range_count) {
        int rc = sim_store_copy_file(w->from, to, &sim.stopping);
        return rc ? fail_io(err, rc, w->spec->to) : 0;
    }
    if (check_ranges(w, block, err) || (w->to < 0 && ftruncate(to, w->st.st_size)))
        return err->num ? -1 : fail_io(err, errno, w->spec->to);
    for (size_t i = 0; i < w->spec->range_count; i++) {
        const struct sim_range *r = &w->spec->ranges[i];
        int rc = sim_store_copy_part(w->from, to, (off_t)(r->from * block), (off_t)(r->to * block),
                                     (off_t)(r->count * block), &sim.stopping);
        if (rc)
            return fail_io(err, rc, w->spec->to);
    }
    return 0;
}

/* Unlocked, volume held: the bytes. */
static int run(struct work *w, struct sim_err *err)
{
    if (w->to >= 0)
        return copy(w, w->to, err);
    mode_t mode = w->is_lun ? SIM_LUN_MODE : w->st.st_mode & 0777;
    AUTO_CLOSE int to =
        openat(w->vol->snap_dir, w->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return fail_io(err, errno, w->spec->to);
    if (copy(w, to, err))
        return -1;
    if (!geteuid() && fchown(to, w->st.st_uid, w->st.st_gid))
        return fail_io(err, errno, w->spec->to);
    return fchmod(to, mode) ? fail_io(err, errno, w->spec->to) : 0;
}

/* Locked: the name, and for a LUN its object. */
static int publish(struct work *w, struct sim_err *err)
{
    struct sim_volume *vol = w->vol;
    const struct sim_lun *source = sim_lun_find(vol, w->spec->from);
    if (w->to >= 0) {
        sim_lun_refresh(vol, w->spec->to);
        return sim_state_save_volume(vol) ? fail_io(err, EIO, w->spec->to) : 0;
    }
    int rc = sim_store_rename(vol->snap_dir, w->temp, vol->dir, w->spec->to, false);
    if (rc)
        return fail_io(err, rc, w->spec->to);
    if (w->is_lun && !sim_lun_find(vol, w->spec->to))
        sim_lun_add(vol, w->spec->to,
                    &(struct sim_lun_spec){.size = (uint64_t)w->st.st_size,
                                           .os_type = source ? source->os_type : NULL,
                                           .comment = w->spec->comment,
                                           .uuid = w->spec->uuid,
                                           .reserved = w->spec->reserved});
    return sim_state_save_volume(vol) ? fail_io(err, EIO, w->spec->to) : 0;
}

int sim_clone(struct sim_volume *vol, const struct sim_clone_spec *spec, struct sim_err *err)
{
    struct work w = {.vol = vol, .spec = spec, .from = -1, .to = -1};
    sim_lock();
    if (sim_op_begin(&vol, 1)) {
        int refused = sim_op_refused(&vol, 1, err);
        sim_unlock();
        return refused;
    }
    w.temp = sim_printf(".clone-%llu", (unsigned long long)sim.next_temp++);
    int rc = check(vol, spec, err);
    if (!rc)
        rc = open_source(&w, err);
    if (!rc)
        rc = open_destination(&w, err);
    if (!rc) {
        sim_unlock();
        rc = run(&w, err);
        sim_lock();
    }
    if (!rc)
        rc = publish(&w, err);
    if (w.to < 0)
        unlinkat(vol->snap_dir, w.temp, 0); /* still there only after a failure */
    sim_op_end(&vol, 1);
    sim_unlock();
    free(w.temp);
    sim_auto_close(&w.from);
    sim_auto_close(&w.to);
    return rc;
}
