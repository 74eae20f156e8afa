/* Files and directories of a volume over REST: attributes, lists, rename, delete. */
#include "lun.h"
#include "rest.h"
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct rest_field fields[] = {
    {"path", REST_KEY, 0},  {"name", REST_KEY, 0},      {"type", 0, 0},
    {"size", 0, 0},         {"bytes_used", 0, 0},       {"accessed_time", 0, 0},
    {"changed_time", 0, 0}, {"creation_time", 0, 0},    {"modified_time", 0, 0},
    {"inode_number", 0, 0}, {"hard_links_count", 0, 0}, {"owner_id", 0, 0},
    {"group_id", 0, 0},     {"unix_permissions", 0, 0}, {"volume.name", 0, 0},
    {"volume.uuid", 0, 0},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static const char *type_of(const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return "directory";
    if (S_ISLNK(st->st_mode))
        return "symlink";
    if (!S_ISREG(st->st_mode))
        return "unknown";
    return sim_lun_marked(st) ? "lun" : "file";
}

/* One octal digit after the other, as a decimal number. */
static uint64_t permissions(mode_t mode)
{
    return (uint64_t)(mode >> 6 & 7) * 100 + (mode >> 3 & 7) * 10 + (mode & 7);
}

static void record(struct rest_list *l, const struct sim_volume *vol, const char *path,
                   const char *name, const struct stat *st)
{
    rest_text(l, "path", path);
    rest_text(l, "name", name);
    rest_text(l, "type", type_of(st));
    rest_number(l, "size", (uint64_t)st->st_size);
    rest_number(l, "bytes_used", (uint64_t)st->st_blocks * 512);
    rest_time(l, "accessed_time", st->st_atim.tv_sec);
    rest_time(l, "changed_time", st->st_ctim.tv_sec);
    rest_time(l, "creation_time", st->st_ctim.tv_sec);
    rest_time(l, "modified_time", st->st_mtim.tv_sec);
    rest_number(l, "inode_number", (uint64_t)st->st_ino);
    rest_number(l, "hard_links_count", (uint64_t)st->st_nlink);
    rest_number(l, "owner_id", st->st_uid);
    rest_number(l, "group_id", st->st_gid);
    rest_number(l, "unix_permissions", permissions(st->st_mode));
    rest_text(l, "volume.name", vol->name);
    rest_text(l, "volume.uuid", vol->instance_uuid);
}

static int missing(struct rest *r, const char *path)
{
    return rest_fail(r, 6684674, "path", "\"%.200s\": no such file or directory.", path);
}

/* Locked. A path below the volume, in a snapshot too; -1 with an error. */
static int open_path(struct rest *r, struct sim_volume *vol, const char *path)
{
    AUTO_CLOSE int dir = -1;
    const char *rest = path;
    if (!*path)
        return dup(vol->dir);
    if (!sim_store_path_ok(path))
        return missing(r, path);
    if (!strncmp(path, ".snapshot/", 10)) {
        char *name = sim_arena_dup(&r->arena, path + 10);
        rest = path + 10 + strcspn(name, "/");
        rest += *rest == '/';
        name[strcspn(name, "/")] = '\0';
        struct sim_snap *snap = sim_snap_find(vol, name);
        dir = snap ? sim_snap_open(vol, snap) : -1;
    } else {
        dir = dup(vol->dir);
    }
    int fd = dir < 0 ? -1 : (*rest ? sim_store_open(dir, rest, O_PATH, 0) : dup(dir));
    return fd < 0 ? missing(r, path) : fd;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted and owned; those of the simulator itself are not among them. */
static char **names_in(int fd, size_t *count)
{
    char **names = NULL;
    int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = dir < 0 ? NULL : fdopendir(dir);
    const struct dirent *e;
    *count = 0;
    while (d && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        names = sim_grow(names, *count + 1, sizeof(char *));
        names[(*count)++] = sim_dup(e->d_name);
    }
    if (d)
        closedir(d);
    else
        sim_auto_close(&dir);
    if (*count)
        qsort(names, *count, sizeof(char *), by_name);
    return names;
}

static void list_directory(struct rest_list *l, const struct sim_volume *vol, const char *path,
                           int fd)
{
    size_t count;
    char **names = names_in(fd, &count);
    bool room = true;
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        bool after = !l->keys[0] || strcmp(names[i], l->keys[0]) > 0;
        bool hidden = !*path && !strcmp(names[i], ".snapshot");
        if (room && after && !hidden && !fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW)) {
            rest_record(l);
            record(l, vol, *path ? path : ".", names[i], &st);
            room = rest_row(l, NULL, names[i], NULL, NULL);
        }
        free(names[i]);
    }
    free(names);
}

static void list_one(struct rest_list *l, const struct sim_volume *vol, const char *path,
                     const struct stat *st)
{
    const char *slash = strrchr(path, '/');
    char *above = sim_arena_dup(&l->r->arena, slash ? path : ".");
    if (slash)
        above[slash - path] = '\0';
    rest_record(l);
    record(l, vol, above, slash ? slash + 1 : path, st);
    rest_row(l, NULL, path, NULL, NULL);
}

/* A directory's entries; with return_metadata, or for a file, the attributes of the one thing. */
int rest_files_get(struct rest *r)
{
    static const char *const extras[] = {"return_metadata", NULL};
    struct rest_list l;
    struct stat st;
    const char *path = r->params[1] ? r->params[1] : "";
    const char *metadata = rest_query_arg(r, "return_metadata");
    r->extras = extras;
    if (rest_list_begin(&l, r, fields, FIELDS))
        return -1;
    sim_lock();
    struct sim_volume *vol = rest_volume(r, r->params[0]);
    AUTO_CLOSE int fd = vol ? open_path(r, vol, path) : -1;
    int rc = fd < 0 || fstat(fd, &st) ? -1 : 0;
    if (!rc && S_ISDIR(st.st_mode) && (!metadata || strcmp(metadata, "true") != 0))
        list_directory(&l, vol, path, fd);
    else if (!rc && !l.keys[0])
        list_one(&l, vol, path, &st);
    sim_unlock();
    if (!rc)
        return rest_list_end(&l);
    rest_list_drop(&l);
    return -1;
}

/* Locked. An ordinary file of a volume that may be changed; NULL with an error. */
static struct sim_volume *changeable(struct rest *r, const char *path)
{
    struct stat st;
    struct sim_volume *vol = rest_volume(r, r->params[0]);
    AUTO_CLOSE int fd = vol ? open_path(r, vol, path) : -1;
    if (fd < 0 || fstat(fd, &st))
        return NULL;
    bool writable = !strcmp(vol->type, "rw") && !strcmp(vol->state, "online");
    if (writable && S_ISREG(st.st_mode) && !sim_lun_marked(&st) &&
        strncmp(path, ".snapshot/", 10) != 0)
        return vol;
    rest_fail(r, REST_EVALUE, "path", "\"%.200s\" cannot be changed.", path);
    return NULL;
}

int rest_file_delete(struct rest *r)
{
    static const char *const none[] = {NULL};
    if (rest_accept(r, none))
        return -1;
    sim_lock();
    const struct sim_volume *vol = changeable(r, r->params[1]);
    int rc = vol ? 0 : -1;
    if (vol && sim_store_unlink(vol->dir, r->params[1]))
        rc = missing(r, r->params[1]);
    sim_unlock();
    return rc;
}

/* The new name is a path below the volume, with escapes as in an address. */
int rest_file_patch(struct rest *r)
{
    static const char *const names[] = {"path", NULL};
    int rc = -1;
    if (rest_accept(r, names))
        return -1;
    const char *to = rest_need(r, "path");
    if (!to)
        return -1;
    const char *plain = rest_decode(&r->arena, to, strlen(to), false);
    to = plain ? plain : to;
    if (!sim_store_path_ok(to) || !strncmp(to, ".snapshot", 9))
        return rest_invalid(r, "path", to, NULL);
    sim_lock();
    const struct sim_volume *vol = changeable(r, r->params[1]);
    int e = vol ? sim_store_rename(vol->dir, r->params[1], vol->dir, to, false) : 0;
    if (e == EEXIST)
        rest_fail(r, REST_EEXISTS, "path", "\"%.200s\" exists.", to);
    else if (e)
        missing(r, to);
    else if (vol)
        rc = 0;
    sim_unlock();
    return rc;
}
