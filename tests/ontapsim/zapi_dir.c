/* Files of a volume: list, rename, delete, usage. Paths are "/vol/VOLUME/...". */
#include "zapi.h"
#include "lun.h"
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sim_volume *volume_of(struct zapi *z, const char *path, const char **rest)
{
    const char *name = NULL;
    if (!zapi_split_path(z, path, &name, rest) || (**rest && !sim_store_path_ok(*rest))) {
        zapi_invalid(z, "path", path);
        return NULL;
    }
    return zapi_volume(z, name);
}

static int failed(struct zapi *z, const char *path, int error)
{
    int number = error == ENOENT || error == ENOTDIR ? SIM_EFILEMISSING : SIM_EGENERIC;
    return sim_fail(&z->err, number, "\"%.200s\": %s.", path, strerror(error));
}

/* An ordinary file of a volume that may be changed, or an error. */
static struct sim_volume *changeable(struct zapi *z, const char *path, const char **rest)
{
    struct stat st;
    struct sim_volume *vol = volume_of(z, path, rest);
    if (!vol)
        return NULL;
    AUTO_CLOSE int fd = **rest ? sim_store_open(vol->dir, *rest, O_PATH, 0) : -1;
    if (!**rest || !strncmp(*rest, ".snapshot/", 10))
        sim_fail(&z->err, SIM_EROFS, "\"%.200s\" cannot be changed.", path);
    else if (fd < 0 || fstat(fd, &st))
        failed(z, path, errno);
    else if (!S_ISREG(st.st_mode) || sim_lun_marked(&st))
        sim_fail(&z->err, SIM_EGENERIC, "\"%.200s\" is not an ordinary file.", path);
    else if (strcmp(vol->type, "dp") == 0)
        sim_fail(&z->err, SIM_EVOLREADONLY, "Volume \"%s\" is read-only.", vol->name);
    else
        return vol;
    return NULL;
}

int zapi_file_delete_file(struct zapi *z)
{
    const char *rest = NULL, *path = zapi_need(z, "path");
    struct sim_volume *vol = path ? changeable(z, path, &rest) : NULL;
    if (!vol)
        return -1;
    return sim_store_unlink(vol->dir, rest) ? failed(z, path, errno) : 0;
}

int zapi_file_rename_file(struct zapi *z)
{
    const char *from = zapi_need(z, "from-path"), *to = from ? zapi_need(z, "to-path") : NULL;
    const char *old = NULL, *new = NULL;
    struct sim_volume *vol = to ? changeable(z, from, &old) : NULL;
    if (!vol)
        return -1;
    if (volume_of(z, to, &new) != vol || !*new || !strncmp(new, ".snapshot/", 10))
        return z->err.num ? -1 : zapi_invalid(z, "to-path", to);
    int error = sim_store_rename(vol->dir, old, vol->dir, new, false);
    return error ? failed(z, to, error) : 0;
}

int zapi_file_usage_get(struct zapi *z)
{
    struct stat st;
    const char *rest = NULL, *path = zapi_need(z, "path");
    struct sim_volume *vol = path ? volume_of(z, path, &rest) : NULL;
    if (!vol)
        return -1;
    AUTO_CLOSE int fd = *rest ? sim_store_open(vol->dir, rest, O_PATH, 0) : -1;
    if (fd < 0 || fstat(fd, &st))
        return failed(z, path, *rest ? errno : EISDIR);
    zapi_put_number(z, "total-bytes", (uint64_t)st.st_blocks * 512);
    zapi_put_number(z, "unique-bytes", (uint64_t)st.st_blocks * 512);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted, without its own dots and the simulator's. In the arena. */
static size_t read_names(struct sim_arena *a, int dir, char ***out)
{
    size_t count = 0, room = 0;
    char **names = NULL;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, ".snapshot"))
            continue;
        if (count == room) {
            room = room ? room * 2 : 64;
            char **more = sim_alloc(room, sizeof(*more));
            if (count)
                memcpy(more, names, count * sizeof(*more));
            free(names);
            names = more;
        }
        names[count++] = sim_arena_dup(a, e->d_name);
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    if (count)
        qsort(names, count, sizeof(*names), by_name);
    *out = names;
    return count;
}

static const char *type_of(const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return "directory";
    if (S_ISLNK(st->st_mode))
        return "symlink";
    return sim_lun_marked(st) ? "lun" : "file";
}

int zapi_file_list_directory_iter(struct zapi *z)
{
    struct zapi_iter it;
    const char *rest = NULL, *path = zapi_need(z, "path");
    struct sim_volume *vol = path ? volume_of(z, path, &rest) : NULL;
    if (!vol || zapi_iter_begin(&it, z, "file-info"))
        return -1;
    AUTO_CLOSE int dir =
        *rest ? sim_store_open(vol->dir, rest, O_RDONLY | O_DIRECTORY, 0) : dup(vol->dir);
    AUTO_FREE char **names = NULL;
    size_t count = dir < 0 ? 0 : read_names(&z->arena, dir, &names);
    if (dir < 0)
        failed(z, path, errno);
    bool room = true;
    for (size_t i = 0; i < count && room; i++) {
        struct stat st;
        if ((it.keys[0] && strcmp(names[i], it.keys[0]) <= 0) ||
            fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW))
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "file-info");
        zapi_rec_number(&it, rec, "bytes-used", (uint64_t)st.st_blocks * 512);
        zapi_rec_number(&it, rec, "file-size", (uint64_t)st.st_size);
        zapi_rec_text(&it, rec, "file-type", type_of(&st));
        zapi_rec_number(&it, rec, "inode-number", (uint64_t)st.st_ino);
        zapi_rec_number(&it, rec, "modified-timestamp", (uint64_t)st.st_mtim.tv_sec);
        zapi_rec_key(&it, rec, "name", names[i]);
        room = zapi_iter_row(&it, rec, names[i], NULL, NULL);
    }
    zapi_iter_end(&it);
    return z->err.num ? -1 : 0;
}
