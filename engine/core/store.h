/* Files: whole reads and writes that survive a power loss, directories, advisory locks. Every call
 * may block on the disk (a network file system for long): call them from a worker thread. All are
 * thread safe. Errors carry errno in native and the path in the message. */
#ifndef MOON_STORE_H
#define MOON_STORE_H

#include "auto.h"
#include "err.h"

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/* The whole of a regular file (also of /proc and /sys), with a zero byte added that len does not
 * count. *data is owned by the caller (free). MOON_INVALID when it has more than max_bytes or is
 * not a regular file. */
int moon_store_read(const char *path, size_t max_bytes, char **data, size_t *len,
                    struct moon_err *err);

/* Up to `count` bytes from `offset` of a regular file, of any size; fewer at its end. As above
 * otherwise. */
int moon_store_read_at(const char *path, off_t offset, size_t count, char **data, size_t *len,
                       struct moon_err *err);

/* Put data in place of a file's content at once: a reader sees the old or the new content, and so
 * does the next start after a power loss. The file is made when it is missing; a symbolic link
 * stays and its target is replaced. mode 0 keeps owner and mode of an existing file and gives a
 * new one 0600; another mode is set as it is (no umask) and the owner is the caller. Access lists
 * and extended attributes are not kept. On failure the old content stands. */
int moon_store_replace(const char *path, const void *data, size_t len, mode_t mode,
                       struct moon_err *err);

/* Add data to the end of a file, made with mode when it is missing, and sync it to disk. Not
 * atomic: after a failure part of data may stand there. */
int moon_store_append(const char *path, const void *data, size_t len, mode_t mode,
                      struct moon_err *err);

/* Make a directory and those above it that are missing, with mode (less the umask). An existing
 * directory is fine; anything else of that name is MOON_EXISTS. */
int moon_store_mkdirs(const char *path, mode_t mode, struct moon_err *err);

/* Names in a directory without . and .., sorted by byte value: *out is a new array of strings
 * (bytes as they are, not always UTF-8). */
int moon_store_list(const char *dir, json_t **out, struct moon_err *err);

/* Links are followed. *out: {type = "file" | "dir" | "block" | "char" | "fifo" | "socket", size,
 * allocated (bytes), mtime (epoch seconds), mtime_ns (0..999999999, the part behind the second),
 * inode, device = "major:minor" it lies on, rdev = "major:minor" of a block or char device, mode
 * (permission bits), uid, gid: integers}. */
int moon_store_stat(const char *path, json_t **out, struct moon_err *err);

/* The whole of a file as moon_store_read has it and what moon_store_stat says, both of the very file that was opened,
 * whoever puts another one in its place meanwhile. *out: {data, stat}. */
int moon_store_load(const char *path, size_t max_bytes, json_t **out, struct moon_err *err);

/* Remove a file, a link or an empty directory. MOON_NOT_FOUND when it is missing. */
int moon_store_remove(const char *path, struct moon_err *err);

/* A lock on a file, made 0600 when missing, that ends with this process at the latest. It holds
 * between processes and between two calls in one process. Never waits: MOON_BUSY, with the
 * holder's pid in native and message, when it is taken. The file gets "PID STARTTIME\n"
 * (moon_proc_start_time) and is emptied, not removed, on release. A child that is forked without
 * exec shares the lock: it must close the descriptor. */
struct moon_lock;
int moon_store_lock(const char *path, struct moon_lock **out, struct moon_err *err);
/* *pid: the process that holds the lock, going by what stands in the file; 0 when none does, or there
 * is no file. Takes nothing, so that a run that starts right now is not refused. */
int moon_store_lock_holder(const char *path, pid_t *pid, struct moon_err *err);
int moon_store_lock_fd(const struct moon_lock *lock);
void moon_store_unlock(struct moon_lock *lock);

static inline void moon_auto_unlock(struct moon_lock **lock)
{
    moon_store_unlock(*lock);
}

#define AUTO_LOCK MOON_AUTO(moon_auto_unlock)

#endif
