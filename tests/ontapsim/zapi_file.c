/* Single-file restore and file attributes. */
#include "zapi.h"
#include "restore.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* "path" and "volume" together: the volume, and the path inside it. */
static struct sim_volume *locate(struct zapi *z, const char *path, const char **rest)
{
    const char *volume = zapi_arg(z, "volume");
    const char *in_path = NULL;
    if (zapi_split_path(z, path, &in_path, rest)) {
        if (volume && *volume && strcmp(volume, in_path) != 0) {
            zapi_invalid(z, "volume", volume);
            return NULL;
        }
        return zapi_volume(z, in_path);
    }
    if (*path == '/') {
        zapi_invalid(z, "path", path);
        return NULL;
    }
    *rest = path;
    if (volume && *volume)
        return zapi_volume(z, volume);
    struct sim_volume *root = NULL;
    sim_lock();
    for (size_t i = 0; z->svm && i < z->svm->volume_count && !root; i++) {
        if (z->svm->volumes[i]->is_root)
            root = z->svm->volumes[i];
    }
    sim_unlock();
    if (root)
        return root;
    sim_fail(&z->err, SIM_EVOLMISSING,
             "A relative path without a volume is one of the root volume.");
    return NULL;
}

int zapi_snapshot_restore_file(struct zapi *z)
{
    bool flag = false;
    const char *path = zapi_need(z, "path");
    const char *snapshot = path ? zapi_need(z, "snapshot") : NULL;
    const char *rest = NULL, *dest = NULL, *dest_volume = NULL;
    if (!snapshot || zapi_flag(z, "force", &flag))
        return -1;
    struct sim_volume *vol = locate(z, path, &rest);
    if (!vol)
        return -1;
    const char *restore_path = zapi_arg(z, "restore-path");
    if (restore_path && *restore_path &&
        (!zapi_split_path(z, restore_path, &dest_volume, &dest) ||
         strcmp(dest_volume, vol->name) != 0))
        return zapi_invalid(z, "restore-path", restore_path);
    return sim_restore_file(vol, snapshot, zapi_arg(z, "snapshot-instance-uuid"), rest, dest,
                            &z->err);
}

int zapi_snapshot_restore_file_info(struct zapi *z)
{
    sim_lock();
    unsigned running = sim_restore_count(z->svm);
    sim_unlock();
    zapi_put_number(z, "max-sfsr-limit", sim.sfsr_limit);
    zapi_put_number(z, "sfsr-in-progress", running);
    return 0;
}

static const char *file_type(const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return "directory";
    if (S_ISLNK(st->st_mode))
        return "symlink";
    return S_ISREG(st->st_mode) ? "file" : "special";
}

static void put_file(struct zapi *z, const struct stat *st)
{
    char perm[8];
    snprintf(perm, sizeof(perm), "%o", (unsigned)(st->st_mode & 07777));
    sim_buf_adds(&z->out, "<file-info>");
    zapi_put_number(z, "accessed-timestamp", (uint64_t)st->st_atim.tv_sec);
    zapi_put(z, "acl-type", "no_acl");
    zapi_put_number(z, "bytes-used", (uint64_t)st->st_blocks * 512);
    zapi_put_number(z, "changed-timestamp", (uint64_t)st->st_ctim.tv_sec);
    zapi_put_number(z, "creation-timestamp", (uint64_t)st->st_ctim.tv_sec);
    zapi_put_number(z, "file-size", (uint64_t)st->st_size);
    zapi_put(z, "file-type", file_type(st));
    zapi_put_number(z, "group-id", st->st_gid);
    zapi_put_number(z, "hard-links-count", (uint64_t)st->st_nlink);
    zapi_put_number(z, "inode-number", (uint64_t)st->st_ino);
    zapi_put_number(z, "modified-timestamp", (uint64_t)st->st_mtim.tv_sec);
    zapi_put_number(z, "owner-id", st->st_uid);
    zapi_put(z, "perm", perm);
    sim_buf_adds(&z->out, "</file-info>");
}

/* A generated snapshot has its directory once somebody looks into it. */
static void show_snapshot(struct sim_volume *vol, const char *path)
{
    if (strncmp(path, ".snapshot/", 10) != 0)
        return;
    AUTO_FREE char *name = strndup(path + 10, strcspn(path + 10, "/"));
    sim_lock();
    struct sim_snap *snap = name ? sim_snap_find(vol, name) : NULL;
    AUTO_CLOSE int fd = snap ? sim_snap_open(vol, snap) : -1;
    sim_unlock();
}

int zapi_file_get_file_info(struct zapi *z)
{
    const char *path = zapi_need(z, "path");
    const char *rest = NULL;
    struct stat st;
    struct sim_volume *vol = path ? locate(z, path, &rest) : NULL;
    if (!vol)
        return -1;
    /* Copies that are not yet, or no longer, snapshots have names that start with a dot. */
    if (!strncmp(rest, ".snapshot/.", 11))
        return sim_fail(&z->err, SIM_EFILEMISSING, "No such file or directory.");
    if (*rest && !sim_store_path_ok(rest))
        return zapi_invalid(z, "path", path);
    show_snapshot(vol, rest);
    AUTO_CLOSE int fd = *rest ? sim_store_open(vol->dir, rest, O_PATH, 0) : dup(vol->dir);
    if (fd < 0 || fstat(fd, &st))
        return sim_fail(&z->err, SIM_EFILEMISSING, "\"%.200s\": %s.", path, strerror(errno));
    put_file(z, &st);
    return 0;
}
