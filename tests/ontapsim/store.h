/* The real files behind volumes and snapshots. Everything works relative to directory descriptors
 * and follows no symbolic link, so that no name can lead out of the root directory. */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include "util.h"

#include <stdatomic.h>
#include <sys/types.h>

/* 0 or an errno value, unless something else is said. */

/* The content of directory `from` into the new directory to_parent/to_name. The entry `skip` at the
 * top (NULL: none) is left out. Stops when *cancel becomes true (ECANCELED). */
int sim_store_copy_tree(int from, int to_parent, const char *to_name, const char *skip,
                        const atomic_bool *cancel);
int sim_store_remove_tree(int parent, const char *name);

/* The bytes of one open file into another, same inode, holes kept, size set. */
int sim_store_copy_file(int from, int to, const atomic_bool *cancel);

/* A part of one into another; a destination that ends earlier grows. */
int sim_store_copy_part(int from, int to, off_t from_pos, off_t to_pos, off_t count,
                        const atomic_bool *cancel);

/* A directory below parent, not a link; -1 with errno. */
int sim_store_dir(int parent, const char *name);
/* The same, made when missing. */
int sim_store_make_dir(int parent, const char *name);

/* The directories above "a/b/c". */
int sim_store_make_parents(int dir, const char *path);

/* Open "a/b/c" below dir, refusing links, ".." and empty parts; -1 with errno. */
int sim_store_open(int dir, const char *path, int flags, mode_t mode);

/* To "a/b/c" below to_dir, whose directories must exist. Without replace: EEXIST. */
int sim_store_rename(int from_dir, const char *from, int to_dir, const char *to, bool replace);
/* 0, or -1 with errno. */
int sim_store_unlink(int dir, const char *path);

/* True when a path from outside is relative, clean and has no "." or ".." in it. */
bool sim_store_path_ok(const char *path);

/* Allocated bytes of a volume's live files. */
uint64_t sim_store_usage(int dir);
/* Allocated bytes of the files of one tree that differ from, or are missing in, a newer tree. */
uint64_t sim_store_held(int dir, int newer);

/* A whole small file; NULL with errno. */
char *sim_store_read(int dir, const char *name, size_t limit, size_t *len);
/* Replaced in one step. */
int sim_store_write(int dir, const char *name, const char *data, size_t len, mode_t mode);

#endif
