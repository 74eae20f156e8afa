/* Copy, remove and measure directory trees. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

enum { MAX_DEPTH = 64, CHUNK = 8 << 20, BOUNCE = 1 << 18 };
enum { LEASE_TRIES = 100, LEASE_WAIT_NS = 100000000 };

int sim_store_dir(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int sim_store_make_dir(int parent, const char *name)
{
    if (mkdirat(parent, name, 0755) && errno != EEXIST)
        return -1;
    return sim_store_dir(parent, name);
}

bool sim_store_path_ok(const char *path)
{
    if (!*path || *path == '/' || strlen(path) > 3900)
        return false;
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 0 || n > 255 || (n == 1 && path[0] == '.') || (n == 2 && !strncmp(path, "..", 2)))
            return false;
        path += n;
        if (*path == '/' && !*++path)
            return false;
    }
    return true;
}

/* Without waiting for a pipe's other end, but for an NFS server's lease (a delegation) to be given
 * back, as ONTAP breaks locks for a restore: opening has asked for that already. */
static int open_at(int dir, const char *name, int flags, mode_t mode)
{
    for (int tries = 0;; tries++) {
        int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
        if (fd >= 0 || errno != EWOULDBLOCK || tries == LEASE_TRIES)
            return fd;
        nanosleep(&(struct timespec){.tv_nsec = LEASE_WAIT_NS}, NULL);
    }
}

int sim_store_open(int dir, const char *path, int flags, mode_t mode)
{
    if (!sim_store_path_ok(path)) {
        errno = EINVAL;
        return -1;
    }
    AUTO_FREE char *copy = sim_dup(path);
    AUTO_CLOSE int at = dup(dir);
    char *part = copy;
    for (char *slash = strchr(part, '/'); slash && at >= 0; slash = strchr(part, '/')) {
        *slash = '\0';
        int next = sim_store_dir(at, part);
        int saved = errno;
        close(at);
        at = next;
        errno = saved;
        part = slash + 1;
    }
    return at < 0 ? -1 : open_at(at, part, flags, mode);
}

int sim_store_make_parents(int dir, const char *path)
{
    AUTO_FREE char *copy = sim_dup(path);
    for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        AUTO_CLOSE int fd = sim_store_open(dir, copy, O_RDONLY | O_DIRECTORY, 0);
        bool made = fd >= 0 || (sim_store_path_ok(copy) && !mkdirat(dir, copy, 0755));
        if (!made)
            return errno ? errno : EINVAL;
        *slash = '/';
    }
    return 0;
}

/* The directory that holds the last part of a path; -1 with errno. */
static int open_parent(int dir, const char *path, const char **leaf)
{
    const char *slash = strrchr(path, '/');
    *leaf = slash ? slash + 1 : path;
    if (!sim_store_path_ok(path)) {
        errno = EINVAL;
        return -1;
    }
    if (!slash)
        return dup(dir);
    AUTO_FREE char *above = strndup(path, (size_t)(slash - path));
    return above ? sim_store_open(dir, above, O_RDONLY | O_DIRECTORY, 0) : -1;
}

int sim_store_rename(int from_dir, const char *from, int to_dir, const char *to, bool replace)
{
    const char *leaf_from, *leaf_to;
    AUTO_CLOSE int a = open_parent(from_dir, from, &leaf_from);
    AUTO_CLOSE int b = a < 0 ? -1 : open_parent(to_dir, to, &leaf_to);
    if (b < 0)
        return errno;
    return renameat2(a, leaf_from, b, leaf_to, replace ? 0 : RENAME_NOREPLACE) ? errno : 0;
}

int sim_store_unlink(int dir, const char *path)
{
    const char *leaf;
    AUTO_CLOSE int parent = open_parent(dir, path, &leaf);
    return parent < 0 ? -1 : unlinkat(parent, leaf, 0);
}

/* Through user space, for file systems that cannot copy by themselves. */
static int bounce(int from, int to, off_t pos, off_t end, off_t shift)
{
    AUTO_FREE char *buf = sim_alloc(1, BOUNCE);
    while (pos < end) {
        size_t want = end - pos < BOUNCE ? (size_t)(end - pos) : (size_t)BOUNCE;
        ssize_t got = pread(from, buf, want, pos);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return 0; /* shorter than it was: the rest stays a hole */
        for (ssize_t done = 0; done < got;) {
            ssize_t put = pwrite(to, buf + done, (size_t)(got - done), pos + shift + done);
            if (put < 0 && errno != EINTR)
                return errno;
            done += put > 0 ? put : 0;
        }
        pos += got;
    }
    return 0;
}

/* shift: how much further into the destination. */
static int copy_range(int from, int to, off_t pos, off_t end, off_t shift,
                      const atomic_bool *cancel)
{
    while (pos < end) {
        if (cancel && *cancel)
            return ECANCELED;
        off_t upto = end - pos < CHUNK ? end : pos + CHUNK;
        off_t in = pos, out = pos + shift;
        ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(upto - pos), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOSPC)
            return ENOSPC;
        if (n <= 0) { /* not supported here, or a kernel that reports nothing to copy */
            int rc = bounce(from, to, pos, upto, shift);
            if (rc)
                return rc;
            n = upto - pos;
        }
        pos += n;
    }
    return 0;
}

/* Free the blocks of a range, so that it reads as zeros; the hard way where that is unknown. */
static int clear_range(int to, off_t pos, off_t end)
{
    struct stat st;
    if (fstat(to, &st))
        return errno;
    if (end > st.st_size)
        end = st.st_size; /* beyond it there is nothing to clear */
    if (pos >= end || !fallocate(to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, end - pos))
        return 0;
    AUTO_FREE char *zeros = sim_alloc(1, BOUNCE);
    while (pos < end) {
        size_t want = end - pos < BOUNCE ? (size_t)(end - pos) : (size_t)BOUNCE;
        ssize_t n = pwrite(to, zeros, want, pos);
        if (n < 0 && errno != EINTR)
            return errno;
        pos += n > 0 ? n : 0;
    }
    return 0;
}

int sim_store_copy_file(int from, int to, const atomic_bool *cancel)
{
    struct stat st;
    if (fstat(from, &st))
        return errno;
    if (!ioctl(to, FICLONE, from))
        return ftruncate(to, st.st_size) ? errno : 0;
    off_t pos = 0;
    while (pos < st.st_size) {
        off_t data = lseek(from, pos, SEEK_DATA);
        if (data < 0)
            data = errno == ENXIO ? st.st_size : pos;
        if (data > st.st_size)
            data = st.st_size;
        off_t hole = data < st.st_size ? lseek(from, data, SEEK_HOLE) : data;
        if (hole <= data || hole > st.st_size)
            hole = st.st_size;
        int rc = clear_range(to, pos, data);
        if (!rc)
            rc = copy_range(from, to, data, hole, 0, cancel);
        if (rc)
            return rc;
        pos = hole;
    }
    return ftruncate(to, st.st_size) ? errno : 0;
}

int sim_store_copy_part(int from, int to, off_t from_pos, off_t to_pos, off_t count,
                        const atomic_bool *cancel)
{
    return copy_range(from, to, from_pos, from_pos + count, to_pos - from_pos, cancel);
}

static void copy_attributes(int fd, const struct stat *st)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (!geteuid() && fchown(fd, st->st_uid, st->st_gid))
        return;
    fchmod(fd, st->st_mode & 07777);
    futimens(fd, times);
}

static int copy_dir(int from, int to, const char *skip, int depth, const atomic_bool *cancel);

static int copy_entry(int from, int to, const char *name, const struct stat *st, int depth,
                      const atomic_bool *cancel)
{
    if (S_ISLNK(st->st_mode)) {
        char target[4096];
        ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
        if (n < 0)
            return errno;
        target[n] = '\0';
        return symlinkat(target, to, name) ? errno : 0;
    }
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        return 0; /* sockets, pipes and devices hold no data */
    bool is_dir = S_ISDIR(st->st_mode);
    AUTO_CLOSE int in = open_at(from, name, O_RDONLY | (is_dir ? O_DIRECTORY : 0), 0);
    if (in < 0)
        return errno == ENOENT ? 0 : errno;
    if (is_dir && mkdirat(to, name, 0700))
        return errno;
    AUTO_CLOSE int out =
        is_dir ? sim_store_dir(to, name)
               : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return errno;
    int rc =
        is_dir ? copy_dir(in, out, NULL, depth + 1, cancel) : sim_store_copy_file(in, out, cancel);
    if (!rc)
        copy_attributes(out, st);
    return rc;
}

static DIR *open_list(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    return d;
}

static struct dirent *next_entry(DIR *d)
{
    struct dirent *e;
    do {
        e = readdir(d);
    } while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
    return e;
}

static int copy_dir(int from, int to, const char *skip, int depth, const atomic_bool *cancel)
{
    if (depth > MAX_DEPTH)
        return ELOOP;
    DIR *d = open_list(from);
    int rc = d ? 0 : errno;
    for (struct dirent *e = d ? next_entry(d) : NULL; e && !rc; e = next_entry(d)) {
        struct stat st;
        if (skip && !strcmp(e->d_name, skip))
            continue;
        if (!fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            rc = copy_entry(from, to, e->d_name, &st, depth, cancel);
        if (cancel && *cancel)
            rc = ECANCELED;
    }
    if (d)
        closedir(d);
    return rc;
}

int sim_store_copy_tree(int from, int to_parent, const char *to_name, const char *skip,
                        const atomic_bool *cancel)
{
    struct stat st;
    if (fstat(from, &st) || mkdirat(to_parent, to_name, 0700))
        return errno;
    AUTO_CLOSE int to = sim_store_dir(to_parent, to_name);
    if (to < 0)
        return errno;
    int rc = copy_dir(from, to, skip, 0, cancel);
    if (!rc)
        copy_attributes(to, &st);
    return rc;
}

static int remove_dir(int parent, const char *name, int depth)
{
    AUTO_CLOSE int fd = sim_store_dir(parent, name);
    DIR *d = fd < 0 || depth > MAX_DEPTH ? NULL : open_list(fd);
    if (!d)
        return fd < 0 ? errno : ELOOP;
    fchmod(fd, 0700);
    int rc = 0;
    for (struct dirent *e = next_entry(d); e && !rc; e = next_entry(d)) {
        if (!unlinkat(fd, e->d_name, 0))
            continue;
        rc = errno == EISDIR || errno == EPERM ? remove_dir(fd, e->d_name, depth + 1) : errno;
    }
    closedir(d);
    if (!rc && unlinkat(parent, name, AT_REMOVEDIR))
        rc = errno;
    return rc;
}

int sim_store_remove_tree(int parent, const char *name)
{
    return remove_dir(parent, name, 0);
}

static uint64_t usage(int dir, const char *skip, int depth)
{
    uint64_t sum = 0;
    DIR *d = depth > MAX_DEPTH ? NULL : open_list(dir);
    for (struct dirent *e = d ? next_entry(d) : NULL; e; e = next_entry(d)) {
        struct stat st;
        if ((skip && !strcmp(e->d_name, skip)) || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        sum += (uint64_t)st.st_blocks * 512;
        AUTO_CLOSE int sub = S_ISDIR(st.st_mode) ? sim_store_dir(dir, e->d_name) : -1;
        if (sub >= 0)
            sum += usage(sub, NULL, depth + 1);
    }
    if (d)
        closedir(d);
    return sum;
}

uint64_t sim_store_usage(int dir)
{
    return usage(dir, ".snapshot", 0);
}

static uint64_t held(int dir, int newer, int depth)
{
    uint64_t sum = 0;
    DIR *d = depth > MAX_DEPTH ? NULL : open_list(dir);
    for (struct dirent *e = d ? next_entry(d) : NULL; e; e = next_entry(d)) {
        struct stat st, other;
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (S_ISDIR(st.st_mode)) {
            AUTO_CLOSE int sub = sim_store_dir(dir, e->d_name);
            AUTO_CLOSE int twin = newer < 0 ? -1 : sim_store_dir(newer, e->d_name);
            sum += sub < 0 ? 0 : held(sub, twin, depth + 1);
        } else if (newer < 0 || fstatat(newer, e->d_name, &other, AT_SYMLINK_NOFOLLOW) ||
                   other.st_size != st.st_size || other.st_mtim.tv_sec != st.st_mtim.tv_sec ||
                   other.st_mtim.tv_nsec != st.st_mtim.tv_nsec) {
            sum += (uint64_t)st.st_blocks * 512;
        }
    }
    if (d)
        closedir(d);
    return sum;
}

uint64_t sim_store_held(int dir, int newer)
{
    return held(dir, newer, 0);
}

char *sim_store_read(int dir, const char *name, size_t limit, size_t *len)
{
    AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        return NULL;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit) {
        errno = EFBIG;
        return NULL;
    }
    char *data = sim_alloc((size_t)st.st_size + 1, 1);
    size_t have = 0;
    while (have < (size_t)st.st_size) {
        ssize_t n = read(fd, data + have, (size_t)st.st_size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    *len = have;
    return data;
}

int sim_store_write(int dir, const char *name, const char *data, size_t len, mode_t mode)
{
    AUTO_FREE char *temp = sim_printf("%s.tmp", name);
    AUTO_CLOSE int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return errno;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, data + done, len - done);
        if (n < 0 && errno != EINTR)
            return errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return renameat(dir, temp, dir, name) ? errno : 0;
}
