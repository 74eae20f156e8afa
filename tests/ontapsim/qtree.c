/* Qtrees: directories at the top of a volume that carry the mark. */
#include "lun.h"
#include "state.h"
#include "store.h"
#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_ID = 4994 };

static int fail_io(struct sim_err *err, int e, const char *name)
{
    return sim_fail(err, e == ENOSPC || e == EDQUOT ? SIM_ENOSPACE : SIM_EINTERNAL,
                    "Qtree \"%.64s\": %s.", name, strerror(e));
}

unsigned sim_qtree_id(const char *name)
{
    unsigned h = 2166136261U;
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619U;
    return *name ? h % MAX_ID + 1 : 0;
}

int sim_qtree_create(struct sim_volume *vol, const char *name, struct sim_err *err)
{
    size_t n = strlen(name);
    if (n == 0 || n > 64 || strchr(name, '/') || name[0] == '.' || !sim_store_path_ok(name))
        return sim_fail(err, SIM_EINVALID, "Invalid value specified for \"qtree\": \"%.80s\".",
                        name);
    sim_lock();
    int rc = 0;
    if (strcmp(vol->state, "online") != 0)
        rc = sim_fail(err, SIM_EVOLOFFLINE, "Volume \"%s\" is %s.", vol->name, vol->state);
    else if (mkdirat(vol->dir, name, 0755) && errno == EEXIST)
        rc = sim_fail(err, SIM_EDUPLICATE, "Qtree \"%s\" already exists.", name);
    else if (fchmodat(vol->dir, name, SIM_QTREE_MODE, 0))
        rc = fail_io(err, errno, name);
    sim_unlock();
    return rc;
}

int sim_qtree_delete(struct sim_volume *vol, const char *name, struct sim_err *err)
{
    struct stat st;
    int rc = 0;
    sim_lock();
    if (sim_op_begin(&vol, 1)) {
        rc = sim_op_refused(&vol, 1, err);
        sim_unlock();
        return rc;
    }
    if (!sim_store_path_ok(name) || strchr(name, '/') ||
        fstatat(vol->dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode) ||
        !(st.st_mode & S_ISVTX))
        rc = sim_fail(err, SIM_ENOENTRY, "Qtree \"%.64s\" does not exist.", name);
    else if ((rc = sim_store_remove_tree(vol->dir, name)))
        rc = fail_io(err, rc, name);
    sim_lun_rescan(vol, NULL);
    if (!rc && sim_state_save_volume(vol))
        rc = fail_io(err, EIO, name);
    sim_op_end(&vol, 1);
    sim_unlock();
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **sim_qtree_list(const struct sim_volume *vol)
{
    char **list = sim_alloc(1, sizeof(char *));
    size_t n = 0;
    int fd = openat(vol->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(vol->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
            !S_ISDIR(st.st_mode) || !(st.st_mode & S_ISVTX))
            continue;
        list = sim_grow(list, n + 2, sizeof(char *));
        list[n++] = sim_dup(e->d_name);
        list[n] = NULL;
    }
    if (d)
        closedir(d);
    qsort(list, n, sizeof(char *), by_name);
    return list;
}
