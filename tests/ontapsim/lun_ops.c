/* What clients do to LUNs. Whatever touches the file has the volume for itself meanwhile. */
#include "lun.h"
#include "state.h"
#include "store.h"
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { COMMENT_MAX = 254 };
static const uint64_t size_max = 128ULL << 40;

static int fail_io(struct sim_err *err, const char *path)
{
    int e = errno;
    if (e == ENOENT || e == ENOTDIR)
        return sim_fail(err, SIM_EDIRMISSING, "\"%.200s\": no such directory.", path);
    if (e == EEXIST)
        return sim_fail(err, SIM_ELUNEXISTS, "\"%.200s\" already exists.", path);
    return sim_fail(err, e == ENOSPC || e == EDQUOT ? SIM_ENOSPACE : SIM_EINTERNAL,
                    "\"%.200s\": %s.", path, strerror(e));
}

static int no_lun(struct sim_err *err, const char *path)
{
    return sim_fail(err, SIM_ELUNMISSING, "No such LUN exists: \"%.200s\".", path);
}

/* The volume of a path and what is below it; NULL with *err. Locked. */
static struct sim_volume *volume_of(struct sim_svm *svm, const char *path, const char **name,
                                    struct sim_err *err)
{
    size_t n = strncmp(path, "/vol/", 5) ? 0 : strcspn(path + 5, "/");
    if (!n || !path[5 + n] || !sim_store_path_ok(path + 6 + n) ||
        !strncmp(path + 6 + n, ".snapshot", 9)) {
        sim_fail(err, SIM_EINVALID, "Invalid value specified for \"path\": \"%.200s\".", path);
        return NULL;
    }
    AUTO_FREE char *volume = strndup(path + 5, n);
    struct sim_volume *vol = volume ? sim_volume_find(svm, volume) : NULL;
    *name = path + 6 + n;
    if (!vol)
        sim_fail(err, SIM_ENOVOLUME, "No such volume exists: \"%.200s\".", volume ? volume : "");
    return vol;
}

static int writable(const struct sim_volume *vol, struct sim_err *err)
{
    if (strcmp(vol->state, "online") != 0)
        return sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    if (strcmp(vol->type, "rw") != 0)
        return sim_fail(err, SIM_EVOLREADONLY, "Volume \"%s\" is read-only.", vol->name);
    return 0;
}

/* Locked when it returns 0, with the volume held; give_back() ends that. */
static int take(struct sim_svm *svm, const char *path, struct sim_volume **vol, const char **name,
                struct sim_err *err)
{
    sim_lock();
    *vol = volume_of(svm, path, name, err);
    int rc = *vol ? 0 : -1;
    if (!rc && sim_op_begin(vol, 1))
        rc = sim_op_refused(vol, 1, err);
    if (rc)
        sim_unlock();
    return rc;
}

static int give_back(struct sim_volume *vol, int rc)
{
    sim_op_end(&vol, 1);
    sim_unlock();
    return rc;
}

static int saved(const struct sim_volume *vol, struct sim_err *err)
{
    return sim_state_save_volume(vol) ? sim_fail(err, SIM_EINTERNAL, "State not saved.") : 0;
}

static int check_size(uint64_t size, struct sim_err *err)
{
    if (size < 512)
        return sim_fail(err, SIM_EINVALID, "Invalid value specified for \"size\": \"%llu\".",
                        (unsigned long long)size);
    return size > size_max ? sim_fail(err, SIM_ELUNTOOLARGE, "LUN size too large.") : 0;
}

static int check_texts(const char *comment, const char *os_type, struct sim_err *err)
{
    if (comment && strlen(comment) > COMMENT_MAX)
        return sim_fail(err, SIM_EINVALID, "Comment is longer than %d characters.", COMMENT_MAX);
    if (os_type && !sim_os_type_ok(os_type))
        return sim_fail(err, SIM_EINVALID, "Invalid value specified for \"ostype\": \"%.80s\".",
                        os_type);
    return 0;
}

static int create(struct sim_volume *vol, const char *name, const struct sim_lun_spec *spec,
                  struct sim_err *err)
{
    if (writable(vol, err) || check_size(spec->size, err) ||
        check_texts(spec->comment, spec->os_type, err))
        return -1;
    if (spec->serial && sim_index_find(&sim.serials, spec->serial))
        return sim_fail(err, SIM_EINVALID, "Serial number \"%s\" is in use.", spec->serial);
    AUTO_CLOSE int fd =
        sim_store_open(vol->dir, name, O_RDWR | O_CREAT | O_EXCL, SIM_LUN_MODE & 0777);
    if (fd < 0)
        return fail_io(err, name);
    if (fchmod(fd, SIM_LUN_MODE) || ftruncate(fd, (off_t)spec->size)) {
        fail_io(err, name);
        sim_store_unlink(vol->dir, name);
        return -1;
    }
    sim_lun_add(vol, name, spec);
    return saved(vol, err);
}

int sim_lun_create(struct sim_svm *svm, const char *path, const struct sim_lun_spec *spec,
                   struct sim_err *err)
{
    struct sim_volume *vol;
    const char *name;
    return take(svm, path, &vol, &name, err) ? -1 : give_back(vol, create(vol, name, spec, err));
}

static int resize(struct sim_volume *vol, const char *name, uint64_t size, bool force,
                  struct sim_err *err)
{
    struct sim_lun *lun = sim_lun_find(vol, name);
    if (!lun)
        return no_lun(err, name);
    if (writable(vol, err) || check_size(size, err))
        return -1;
    if (sim_lun_restoring(lun))
        return sim_fail(err, SIM_ELUNRESTORING, "A restore of the LUN is in progress.");
    if (size == lun->size)
        return sim_fail(err, SIM_ELUNSAMESIZE, "The LUN has that size already.");
    if (size < lun->size && !force)
        return sim_fail(err, SIM_EINVALID, "Reducing the size of a LUN needs \"force\".");
    AUTO_CLOSE int fd = sim_store_open(vol->dir, name, O_RDWR, 0);
    if (fd < 0 || ftruncate(fd, (off_t)size))
        return fail_io(err, name);
    lun->size = size;
    return saved(vol, err);
}

int sim_lun_resize(struct sim_svm *svm, const char *path, uint64_t size, bool force,
                   struct sim_err *err)
{
    struct sim_volume *vol;
    const char *name;
    return take(svm, path, &vol, &name, err) ? -1
                                             : give_back(vol, resize(vol, name, size, force, err));
}

static int move(struct sim_volume *vol, const char *name, const char *to, struct sim_err *err)
{
    struct sim_lun *lun = sim_lun_find(vol, name);
    if (!lun)
        return no_lun(err, name);
    if (writable(vol, err))
        return -1;
    if (sim_lun_restoring(lun))
        return sim_fail(err, SIM_ELUNRESTORING, "A restore of the LUN is in progress.");
    int rc = sim_store_rename(vol->dir, name, vol->dir, to, false);
    if (rc) {
        errno = rc;
        return fail_io(err, to);
    }
    sim_lun_rename_entry(lun, to);
    return saved(vol, err);
}

int sim_lun_move(struct sim_svm *svm, const char *path, const char *to, struct sim_err *err)
{
    struct sim_volume *vol;
    const char *name, *to_name = NULL;
    if (take(svm, path, &vol, &name, err))
        return -1;
    const struct sim_volume *other = volume_of(svm, to, &to_name, err);
    int rc = other ? 0 : -1;
    if (!rc && other != vol)
        rc = sim_fail(err, SIM_EINVALID, "A LUN moves inside its volume only: \"%.200s\".", to);
    return give_back(vol, rc ? rc : move(vol, name, to_name, err));
}

static int destroy(struct sim_volume *vol, const char *name, bool force, struct sim_err *err)
{
    struct sim_lun *lun = sim_lun_find(vol, name);
    if (!lun)
        return no_lun(err, name);
    if (writable(vol, err))
        return -1;
    if (sim_lun_restoring(lun))
        return sim_fail(err, SIM_ELUNRESTORING, "A restore of the LUN is in progress.");
    if (lun->online && sim_lun_mapped(lun) && !force)
        return sim_fail(err, SIM_ELUNMAPPED, "LUN \"%s\" is mapped.", lun->path);
    if (sim_store_unlink(vol->dir, name) && errno != ENOENT)
        return fail_io(err, name);
    sim_lun_drop(lun);
    return saved(vol, err);
}

int sim_lun_destroy(struct sim_svm *svm, const char *path, bool force, struct sim_err *err)
{
    struct sim_volume *vol;
    const char *name;
    return take(svm, path, &vol, &name, err) ? -1 : give_back(vol, destroy(vol, name, force, err));
}

/* Locked when it returns a LUN. For changes of the object alone. */
static struct sim_lun *lock_lun(struct sim_svm *svm, const char *path, struct sim_err *err)
{
    sim_lock();
    struct sim_lun *lun = sim_lun_by_path(svm, path);
    if (lun && !writable(lun->vol, err))
        return lun;
    if (!lun)
        no_lun(err, path);
    sim_unlock();
    return NULL;
}

static int done(const struct sim_lun *lun, int rc, struct sim_err *err)
{
    if (!rc)
        rc = saved(lun->vol, err);
    sim_unlock();
    return rc;
}

int sim_lun_set_online(struct sim_svm *svm, const char *path, bool online, struct sim_err *err)
{
    struct sim_lun *lun = lock_lun(svm, path, err);
    int rc = 0;
    if (!lun)
        return -1;
    if (online == lun->online)
        rc = sim_fail(err, online ? SIM_ELUNONLINE : SIM_ELUNOFFLINE, "LUN \"%s\" is %s already.",
                      lun->path, online ? "online" : "offline");
    else
        lun->online = online;
    return done(lun, rc, err);
}

int sim_lun_set_serial(struct sim_svm *svm, const char *path, const char *serial,
                       struct sim_err *err)
{
    struct sim_lun *lun = lock_lun(svm, path, err);
    int rc = 0;
    if (!lun)
        return -1;
    const struct sim_lun *other = sim_index_find(&sim.serials, serial);
    if (!sim_serial_ok(serial)) {
        rc = sim_fail(err, SIM_EINVALID,
                      "Invalid value specified for \"serial-number\": \"%.40s\".", serial);
    } else if (lun->online) {
        rc = sim_fail(err, SIM_ELUNONLINE, "LUN \"%s\" must be offline.", lun->path);
    } else if (other && other != lun) {
        rc = sim_fail(err, SIM_EINVALID, "Serial number \"%s\" is in use.", serial);
    } else {
        sim_index_drop(&sim.serials, lun->serial);
        snprintf(lun->serial, sizeof(lun->serial), "%s", serial);
        sim_index_add(&sim.serials, lun->serial, lun);
    }
    return done(lun, rc, err);
}

int sim_lun_modify(struct sim_svm *svm, const char *path, const char *comment, const char *os_type,
                   const bool *reserved, struct sim_err *err)
{
    struct sim_lun *lun = lock_lun(svm, path, err);
    if (!lun)
        return -1;
    int rc = check_texts(comment, os_type, err);
    if (!rc && comment) {
        free(lun->comment);
        lun->comment = *comment ? sim_dup(comment) : NULL;
    }
    if (!rc && os_type) {
        free(lun->os_type);
        lun->os_type = sim_dup(os_type);
    }
    if (!rc && reserved)
        lun->reserved = *reserved;
    return done(lun, rc, err);
}
