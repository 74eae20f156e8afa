/* Mounts, as /proc/self/mountinfo tells them, and the addresses of the servers behind them. */
#ifndef MOON_MOUNTS_H
#define MOON_MOUNTS_H

#include "err.h"

#include <jansson.h>

/* mountinfo is the file to read; NULL means /proc/self/mountinfo. A line that cannot be read is
 * MOON_PROTOCOL naming file and line; above 16 MiB MOON_INVALID.
 *
 * A mount is {id, parent (integers), device = "major:minor", mountpoint, fstype, source, root
 * (the directory of the file system that is mounted), options, super_options (comma separated),
 * nfs = boolean}, and for nfs and nfs4 also {server, export, address}: source split at the colon
 * (brackets of an IPv6 server removed), root added to export when it is a subdirectory; address
 * is the addr= that the kernel talks to, absent when the line has none. Strings are bytes as the
 * kernel has them, not always UTF-8. */

/* All mounts in the file's order. Does not block. */
int moon_mount_list(const char *mountinfo, json_t **out, struct moon_err *err);

/* The mount that a file lies on: the longest mount point above it, of equal ones the last. With
 * the live mount table a mount that is hidden by a later one further up is passed over. *out is
 * such a mount with {path = the path without links, relative = the part below the mount point,
 * "" for the mount point itself}. MOON_NOT_FOUND when path does not exist or nothing fits.
 * Blocks while the file system of path does not answer (a lost NFS server: for ever). */
int moon_mount_find(const char *mountinfo, const char *path, json_t **out, struct moon_err *err);

/* Addresses of a host name as numbers, each once, in the resolver's order: *out is a new array of
 * strings. An address gives itself. Blocks on DNS. MOON_NOT_FOUND when the name has none,
 * MOON_UNREACHABLE when no name server answers. */
int moon_mount_addresses(const char *host, json_t **out, struct moon_err *err);

/* Is host (a name, or an address with or without brackets) this machine: its host name, long or
 * short, or a name or address of one of its interfaces? *out is a new boolean; a name that does
 * not resolve is not this machine. Blocks on DNS when the name itself does not say. */
int moon_mount_is_local(const char *host, json_t **out, struct moon_err *err);

#endif
