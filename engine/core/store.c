#include "store.h"

#include "buf.h"
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct moon_lock {
    int fd;
};

/* ---- read ---- */

static int read_all(int fd, size_t max_bytes, struct moon_buf *b)
{
    char chunk[65536];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if ((size_t)n > max_bytes - b->len) {
            errno = EOVERFLOW;
            return -1;
        }
        if (moon_buf_add(b, chunk, (size_t)n) < 0) {
            errno = ENOMEM;
            return -1;
        }
    }
}

static const char READ[] = "file-read";

/* A descriptor to read a regular file, or -1. */
static int open_regular(const char *path, struct moon_err *err)
{
    /* Not to hang in open when it is a pipe. */
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return moon_err_errno(err, errno, READ, "file '%s': read", path);
    if (!S_ISREG(st.st_mode))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_OS, S_ISDIR(st.st_mode) ? EISDIR : 0, READ,
                            "file '%s': not a regular file", path);
    int out = fd;
    fd = -1;
    return out;
}

int moon_store_read_at(const char *path, off_t offset, size_t count, char **data, size_t *len,
                       struct moon_err *err)
{
    AUTO_CLOSE int fd = open_regular(path, err);
    if (fd < 0)
        return -1;
    AUTO_FREE char *text = malloc(count + 1);
    if (!text)
        return moon_err_errno(err, ENOMEM, READ, "file '%s': read", path);
    size_t have = 0;
    while (have < count) {
        ssize_t n = pread(fd, text + have, count - have, offset + (off_t)have);
        if (n < 0 && errno != EINTR)
            return moon_err_errno(err, errno, READ, "file '%s': read", path);
        if (n == 0)
            break;
        have += n > 0 ? (size_t)n : 0;
    }
    text[have] = '\0';
    *len = have;
    *data = MOON_STEAL(text);
    return 0;
}

static int read_file(int fd, const char *path, size_t max_bytes, char **data, size_t *len,
                     struct moon_err *err)
{
    AUTO_BUF struct moon_buf b = {0};
    if (read_all(fd, max_bytes, &b) < 0) {
        if (errno == EOVERFLOW)
            return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, READ,
                                "file '%s': has more than the %zu bytes that are accepted", path,
                                max_bytes);
        return moon_err_errno(err, errno, READ, "file '%s': read", path);
    }
    size_t n = b.len;
    char *text = moon_buf_steal(&b);
    if (!text)
        return moon_err_errno(err, ENOMEM, READ, "file '%s': read", path);
    *data = text;
    *len = n;
    return 0;
}

int moon_store_read(const char *path, size_t max_bytes, char **data, size_t *len,
                    struct moon_err *err)
{
    AUTO_CLOSE int fd = open_regular(path, err);
    return fd < 0 ? -1 : read_file(fd, path, max_bytes, data, len, err);
}

/* ---- write ---- */

static int write_all(int fd, const void *data, size_t len)
{
    const char *s = data;
    while (len) {
        ssize_t n = write(fd, s, len);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            s += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* "." for a bare name; owned. */
static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int sync_dir_of(const char *path)
{
    AUTO_FREE char *dir = dir_of(path);
    AUTO_CLOSE int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return -1;
    /* Some file systems (FUSE, old SMB) cannot sync a directory and say EINVAL. */
    return fsync(fd) < 0 && errno != EINVAL ? -1 : 0;
}

/* Where a chain of links ends, even when nothing stands there; owned, NULL with errno. */
static char *follow(const char *path)
{
    AUTO_FREE char *at = strdup(path);
    for (int hops = 0; at && hops < 40; hops++) {
        char link[PATH_MAX];
        ssize_t n = readlink(at, link, sizeof link - 1);
        if (n < 0)
            return errno == EINVAL || errno == ENOENT ? MOON_STEAL(at) : NULL;
        link[n] = '\0';
        char *next = NULL;
        AUTO_FREE char *dir = dir_of(at);
        if (!dir)
            return NULL;
        if (link[0] == '/')
            next = strdup(link);
        else if (asprintf(&next, "%s/%s", dir, link) < 0)
            next = NULL;
        free(at);
        at = next;
    }
    if (at)
        errno = ELOOP;
    return NULL;
}

static int write_new(const char *temp, int fd, const char *target, const struct stat *old,
                     const void *data, size_t len, mode_t mode)
{
    if (old && mode == 0) {
        struct stat st;
        if (fstat(fd, &st) < 0)
            return -1;
        if ((st.st_uid != old->st_uid || st.st_gid != old->st_gid) &&
            fchown(fd, old->st_uid, old->st_gid) < 0)
            return -1;
        mode = old->st_mode & 07777;
    }
    if (fchmod(fd, mode ? mode : 0600) < 0 || write_all(fd, data, len) < 0 || fsync(fd) < 0)
        return -1;
    return rename(temp, target) < 0 ? -1 : 0;
}

int moon_store_replace(const char *path, const void *data, size_t len, mode_t mode,
                       struct moon_err *err)
{
    static const char op[] = "file-replace";
    AUTO_FREE char *target = follow(path);
    if (!target)
        return moon_err_errno(err, errno, op, "file '%s': follow link", path);
    struct stat st;
    bool exists = lstat(target, &st) == 0;
    if (!exists && errno != ENOENT)
        return moon_err_errno(err, errno, op, "file '%s': replace", path);
    if (exists && !S_ISREG(st.st_mode))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_OS, S_ISDIR(st.st_mode) ? EISDIR : 0, op,
                            "file '%s': not a regular file", path);
    AUTO_FREE char *dir = dir_of(target);
    AUTO_FREE char *temp = NULL;
    if (!dir || asprintf(&temp, "%s/.moonsnap-XXXXXX", dir) < 0) {
        temp = NULL;
        return moon_err_errno(err, ENOMEM, op, "file '%s': replace", path);
    }
    AUTO_CLOSE int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return moon_err_errno(err, errno, op, "file '%s': make a new file beside it", path);
    if (write_new(temp, fd, target, exists ? &st : NULL, data, len, mode) < 0) {
        int why = errno;
        unlink(temp);
        return moon_err_errno(err, why, op, "file '%s': replace", path);
    }
    if (sync_dir_of(target) < 0)
        return moon_err_errno(err, errno, op, "file '%s': replaced, but its directory not synced",
                              path);
    return 0;
}

int moon_store_append(const char *path, const void *data, size_t len, mode_t mode,
                      struct moon_err *err)
{
    static const char op[] = "file-append";
    static const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY;
    bool made = false;
    AUTO_CLOSE int fd = open(path, flags);
    if (fd < 0 && errno == ENOENT) {
        fd = open(path, flags | O_CREAT, mode ? mode : 0600);
        made = true;
    }
    if (fd < 0 || write_all(fd, data, len) < 0 || (fsync(fd) < 0 && errno != EINVAL))
        return moon_err_errno(err, errno, op, "file '%s': append", path);
    if (made && sync_dir_of(path) < 0)
        return moon_err_errno(err, errno, op, "file '%s': its directory was not synced", path);
    return 0;
}

/* ---- directories ---- */

static int make_dir(const char *path, mode_t mode)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return sync_dir_of(path);
    int why = errno;
    /* EROFS and EACCES come before EEXIST on some systems. */
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        why = EEXIST;
    }
    errno = why;
    return -1;
}

int moon_store_mkdirs(const char *path, mode_t mode, struct moon_err *err)
{
    static const char op[] = "mkdirs";
    AUTO_FREE char *part = strdup(path);
    if (!part || !*path)
        return moon_err_errno(err, part ? ENOENT : ENOMEM, op, "directory '%s'", path);
    size_t len = strlen(part);
    while (len > 1 && part[len - 1] == '/')
        part[--len] = '\0';
    for (size_t i = 1; i <= len; i++) {
        if ((part[i] != '/' && part[i] != '\0') || part[i - 1] == '/')
            continue;
        char keep = part[i];
        part[i] = '\0';
        if (make_dir(part, mode) < 0)
            return moon_err_errno(err, errno, op, "directory '%s'", part);
        part[i] = keep;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **at;
    size_t count;
    size_t cap;
};

static void free_names(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->at[i]);
    free(n->at);
}

static int add_name(struct names *n, const char *name)
{
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 64;
        char **at = realloc(n->at, cap * sizeof *at);
        if (!at)
            return -1;
        n->at = at;
        n->cap = cap;
    }
    n->at[n->count] = strdup(name);
    return n->at[n->count] ? (n->count++, 0) : -1;
}

static void auto_closedir(DIR **d)
{
    if (*d)
        closedir(*d);
}

int moon_store_list(const char *dir, json_t **out, struct moon_err *err)
{
    static const char op[] = "list";
    __attribute__((cleanup(auto_closedir))) DIR *d = opendir(dir);
    if (!d)
        return moon_err_errno(err, errno, op, "directory '%s': list", dir);
    __attribute__((cleanup(free_names))) struct names names = {0};
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            break;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (add_name(&names, e->d_name) < 0)
            return moon_err_errno(err, ENOMEM, op, "directory '%s': list", dir);
    }
    if (errno)
        return moon_err_errno(err, errno, op, "directory '%s': list", dir);
    if (names.count)
        qsort(names.at, names.count, sizeof *names.at, by_name);
    json_t *list = json_array();
    for (size_t i = 0; list && i < names.count; i++) {
        if (json_array_append_new(list, json_stringn_nocheck(names.at[i], strlen(names.at[i]))) <
            0) {
            json_decref(list);
            list = NULL;
        }
    }
    if (!list)
        return moon_err_errno(err, ENOMEM, op, "directory '%s': list", dir);
    *out = list;
    return 0;
}

/* ---- stat, remove ---- */

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "dir";
    case S_IFBLK:
        return "block";
    case S_IFCHR:
        return "char";
    case S_IFIFO:
        return "fifo";
    default:
        return "socket";
    }
}

static json_t *device(dev_t dev)
{
    return json_sprintf("%u:%u", major(dev), minor(dev));
}

static int stat_json(struct stat st, const char *path, json_t **out, struct moon_err *err)
{
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:i, s:I, s:I}", "type", type_name(st.st_mode), "size",
        (json_int_t)st.st_size, "allocated", (json_int_t)st.st_blocks * 512, "mtime",
        (json_int_t)st.st_mtim.tv_sec, "mtime_ns", (json_int_t)st.st_mtim.tv_nsec, "inode",
        (json_int_t)st.st_ino, "device", device(st.st_dev), "mode", (int)(st.st_mode & 07777),
        "uid", (json_int_t)st.st_uid, "gid", (json_int_t)st.st_gid);
    if (json && (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) &&
        json_object_set_new(json, "rdev", device(st.st_rdev)) < 0) {
        json_decref(json);
        json = NULL;
    }
    if (!json)
        return moon_err_errno(err, ENOMEM, "stat", "file '%s'", path);
    *out = json;
    return 0;
}

int moon_store_stat(const char *path, json_t **out, struct moon_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return moon_err_errno(err, errno, "stat", "file '%s'", path);
    return stat_json(st, path, out, err);
}

int moon_store_load(const char *path, size_t max_bytes, json_t **out, struct moon_err *err)
{
    AUTO_CLOSE int fd = open_regular(path, err);
    if (fd < 0)
        return -1;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return moon_err_errno(err, errno, "stat", "file '%s'", path);
    AUTO_FREE char *data = NULL;
    size_t len = 0;
    AUTO_JSON json_t *about = NULL;
    if (read_file(fd, path, max_bytes, &data, &len, err) < 0 ||
        stat_json(st, path, &about, err) < 0)
        return -1;
    json_t *json = json_pack("{s:o, s:O}", "data", json_stringn_nocheck(data, len), "stat", about);
    if (!json)
        return moon_err_errno(err, ENOMEM, READ, "file '%s': read", path);
    *out = json;
    return 0;
}

int moon_store_remove(const char *path, struct moon_err *err)
{
    if (remove(path) < 0)
        return moon_err_errno(err, errno, "remove", "file '%s': remove", path);
    if (sync_dir_of(path) < 0)
        return moon_err_errno(err, errno, "remove", "file '%s': its directory was not synced",
                              path);
    return 0;
}

/* ---- locks ---- */

static int busy(int fd, const char *path, struct moon_err *err)
{
    char text[64] = {0};
    int pid = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n > 0) {
        char *end = NULL;
        long value = strtol(text, &end, 10);
        pid = *end == ' ' && value > 0 && value <= INT_MAX ? (int)value : 0;
    }
    if (pid)
        return moon_err_set(err, MOON_BUSY, MOON_SRC_OS, pid, "lock",
                            "lock '%s': held by process %d; wait until it has ended", path, pid);
    return moon_err_set(err, MOON_BUSY, MOON_SRC_OS, 0, "lock",
                        "lock '%s': held by another process; wait until it has ended", path);
}

/* 1 when fd is locked and still is what path names, 0 when the file was replaced meanwhile. */
static int try_lock(int fd, const char *path, struct moon_err *err)
{
    struct stat mine;
    struct stat there;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return busy(fd, path, err);
        if (errno != EINTR)
            return moon_err_errno(err, errno, "lock", "lock '%s'", path);
    }
    if (fstat(fd, &mine) < 0)
        return moon_err_errno(err, errno, "lock", "lock '%s'", path);
    return lstat(path, &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int write_owner(int fd, const char *path, struct moon_err *err)
{
    uint64_t ticks = 0;
    char text[64];
    if (moon_proc_start_time(getpid(), &ticks, err) < 0)
        return -1;
    int n = snprintf(text, sizeof text, "%ld %llu\n", (long)getpid(), (unsigned long long)ticks);
    if (ftruncate(fd, 0) < 0 || write_all(fd, text, (size_t)n) < 0)
        return moon_err_errno(err, errno, "lock", "lock '%s': write owner", path);
    return 0;
}

int moon_store_lock(const char *path, struct moon_lock **out, struct moon_err *err)
{
    for (int tries = 0; tries < 16; tries++) {
        AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
        if (fd < 0)
            return moon_err_errno(err, errno, "lock", "lock '%s'", path);
        int rc = try_lock(fd, path, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            continue;
        struct moon_lock *lock = calloc(1, sizeof *lock);
        if (!lock)
            return moon_err_errno(err, ENOMEM, "lock", "lock '%s'", path);
        if (write_owner(fd, path, err) < 0) {
            free(lock);
            return -1;
        }
        lock->fd = fd;
        fd = -1;
        *out = lock;
        return 0;
    }
    return moon_err_set(err, MOON_BUSY, MOON_SRC_OS, 0, "lock",
                        "lock '%s': is removed again and again; stop what removes it", path);
}

int moon_store_lock_holder(const char *path, pid_t *pid, struct moon_err *err)
{
    char text[64] = {0};
    long holder = 0;
    unsigned long long start = 0;
    uint64_t ticks = 0;
    *pid = 0;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : moon_err_errno(err, errno, "lock", "lock '%s'", path);
    if (pread(fd, text, sizeof text - 1, 0) < 0)
        return moon_err_errno(err, errno, "lock", "lock '%s'", path);
    if (sscanf(text, "%ld %llu", &holder, &start) == 2 && holder > 0 && holder <= INT_MAX &&
        moon_proc_start_time((pid_t)holder, &ticks, NULL) == 0 && ticks == start)
        *pid = (pid_t)holder;
    return 0;
}

int moon_store_lock_fd(const struct moon_lock *lock)
{
    return lock->fd;
}

void moon_store_unlock(struct moon_lock *lock)
{
    if (!lock)
        return;
    /* A failure leaves an old owner's pid in a free lock, which nobody reads. */
    if (ftruncate(lock->fd, 0) < 0)
        errno = 0;
    close(lock->fd);
    free(lock);
}
