/* One ONTAP client for both transports. A call is an operation of the loop: its requests and
 * replies are made by a transport (`struct moon_ontap_ops`), lookups, paging and job polling
 * included, and its result has the same shape, units and error codes whichever transport carried it.
 *
 * Sizes are bytes, times epoch seconds, durations seconds; `path` of a LUN is "/vol/VOLUME/REST",
 * `path` of a file is below its volume. What ONTAP does not tell is left out. A verb that names an
 * object which is not there fails with not_found; a list that matches nothing is empty.
 *
 * Who and where
 *   identity          -
 *       {version="9.14.1", release, clustered, transport="zapi"|"rest", reason}: `reason` says why
 *       that transport was taken; over REST, version and release are missing where the account may
 *       not read them
 *   cluster           -
 *       {name, uuid}: denied or unsupported with the login of an SVM
 *   svms              {name?}
 *       [{name, uuid, type, state}]
 *   lifs              {address?}
 *       [{name, address?, svm?, protocols=[...]}]
 *
 * Volumes and snapshots
 *   volumes           {name?, junction?}
 *       [{name, uuid, svm, junction?, type, style, state, size, available, used, svm_root}]
 *       svm_root: REST tells it from 9.7 on, and false before
 *   snapshot_create   volume, name, {comment?, label?}
 *       true: the snapshot is there
 *   snapshots         volume, {name? (exact or with *)}
 *       [{name, uuid, volume, svm, created, busy, dependency?, owners=[...], label?, comment?, state}]
 *       REST has no busy flag: there `busy` says that something owns the snapshot
 *   snapshot_delete   volume, name, {uuid?, force?}
 *       true. force: owners do not count (ONTAPI, REST from 9.19; else unsupported)
 *   snapshot_rename   volume, name, {to}
 *       true
 *   snapshot_modify   volume, name, {comment?, label?}
 *       true; an empty text removes
 *
 * Consistency groups
 *   cg_start          volumes (list of names), name, {timeout? (s, 5..120), comment?, label?, group?}
 *       {id, committed}: writes are held back until cg_commit or the timeout. Over REST the volumes
 *       must be exactly those of a group object; `committed` is true where only one phase exists.
 *       group: that object's uuid from cg_groups, so that it need not be looked for while guests wait
 *   cg_commit         id, {look?}
 *       true: every volume has the snapshot (looked at, not believed; with look=false it is believed:
 *       whoever waits for it looks later, and over ONTAPI gives comment and label with snapshot_modify)
 *   cg_groups         -
 *       [{name, uuid, svm, volumes=[...]}]; unsupported over ONTAPI, which needs no such object
 *
 * Restores. None of these can revert a volume
 *   file_restore      volume, snapshot, {path, to?}
 *       {job?, form?}: the restore has started; hand it to restore_status
 *   lun_restore       path, snapshot, {from? (its path below the volume in the snapshot, when not the same)}
 *       {job?}: the same for a LUN, in place: serial, uuid and maps stay
 *   restore_status    {volume? path? job?} (volume and path of the file, or path of the LUN)
 *       {running=n, limit?}: how many of those asked about are under way; without arguments the file
 *       restores of the whole SVM. A restore that failed late is an error, and so is a job that the
 *       controller has forgotten
 *   file_info         path (/vol/VOLUME/..., also below .snapshot/NAME/)
 *       {size, type, modified}
 *
 * LUNs
 *   luns              {path?, serial?, volume?}
 *       [{path, volume, qtree?, svm, serial, uuid, size, used, online, mapped, os_type, created?,
 *         comment?}]; serials are compared byte by byte, whatever characters they hold
 *   lun_maps          {path?, igroup?}
 *       [{path, igroup, id, svm}]
 *   igroups           {name?}
 *       [{name, svm, protocol, os_type, initiators=[...]}]
 *   lun_map           path, igroup, {id?}
 *       {id}
 *   lun_unmap         path, igroup
 *       true, also when it was not mapped
 *   lun_online, lun_offline   path
 *       true, also when it was so before
 *   lun_delete        path, {uuid?, force? (while mapped)}
 *       true; uuid: refused (conflict) when another LUN has that path now
 *
 * Clones
 *   file_clone        volume, {from, to, snapshot?, overwrite?}
 *       true
 *   lun_clone         path, {to, snapshot?, reserve?}
 *       true: online, not mapped, with a serial of its own. reserve: with space of its own (ONTAPI;
 *       REST has no such clone: unsupported)
 *   volume_clone      volume, {to, snapshot, junction?, reserve? ("none", "volume")}
 *       true
 *   volume_clone_split  volume
 *       true: begun
 *   volume_clones     {parent?}
 *       [{name, svm, parent, snapshot?, splitting}]
 *   volume_delete     volume, {uuid?, parent?}
 *       true: unmounted, taken offline and deleted. Refused for what is not a clone unless uuid is given;
 *       parent: refused for what is not a clone of that volume, whatever its uuid
 *
 * Exports
 *   export_create     volume (of the SVM), name, {client, access ("root", "read-write", "read-only")}
 *       true: a policy with one rule, NFS for that client; a call that fails may leave it without rule
 *   export_delete     name
 *       true
 *   volume_export     volume, {policy, junction}
 *       true: the volume carries the policy, and then is mounted
 *
 * SnapMirror: asked at the destination
 *   mirrors           {destination?, source?} ("svm:volume")
 *       [{uuid, source, destination, policy, type, state, status, healthy, reason?, lag?, newest?,
 *         transferred?, ended? (epoch s, of the last transfer), schedule?}]; state: uninitialized, snapmirrored, broken_off, paused ...;
 *       status: idle, transferring, queued, quiescing, quiesced, aborting ...
 *   mirror_update     destination, {snapshot?, rate? (KiB/s at most, 1 and more)}
 *       {transfer?}: begun; exists already counts as begun
 *   mirror_transfer   destination, {transfer?}
 *       {running, state, bytes?, reason?}: how the last or that transfer stands
 *   mirror_change     destination, action ("quiesce", "resume", "abort", "break", "resync", "initialize")
 *       true
 *   mirror_restore    source, destination, snapshot, {files? ([{from, to}], at most 8, REST only)}
 *       {job?, transfer?}: begun. Without files the whole destination volume is written: it must be
 *       named in `replace=true` (options), which no shipped workflow sets
 *   mirror_policies   {name?}
 *       [{name, svm?, type, rules=[{label, keep}]}]; the labels sm_created and all_source_snapshots make
 *       a mirror (REST tells them from 9.11.1 and 9.10.1)
 *
 * The rest
 *   ems_log           source, message, {level? (0 emergency ... 7 debug), event?, host?, category? (moonsnap),
 *                     autosupport? (also sent to support)}
 *       true, or unsupported (REST before 9.11.1)
 *   job               id (ONTAPI: number; REST: uuid)
 *       {state="running"|"success"|"failure", code?, message?, progress?}; not_found once forgotten
 *   call              name, args? (XML text of the call's children)
 *       raw ONTAPI: the results element as a tree
 *   request           method, path ("/storage/volumes?name=x", below /api), body? (plain data)
 *       raw REST: {status, body}; a job is not waited for
 *
 * Facts about the wire come from NetApp's published clients and API reference; each builder and
 * parser names its call. */
#ifndef MOON_ONTAP_H
#define MOON_ONTAP_H

#include "http.h"
#include "op.h"

#include <jansson.h>

enum moon_ontap_verb {
    MOON_ONTAP_IDENTITY,
    MOON_ONTAP_CLUSTER,
    MOON_ONTAP_SVMS,
    MOON_ONTAP_LIFS,
    MOON_ONTAP_VOLUMES,
    MOON_ONTAP_SNAPSHOT_CREATE,
    MOON_ONTAP_SNAPSHOTS,
    MOON_ONTAP_SNAPSHOT_DELETE,
    MOON_ONTAP_SNAPSHOT_RENAME,
    MOON_ONTAP_SNAPSHOT_MODIFY,
    MOON_ONTAP_CG_START,
    MOON_ONTAP_CG_COMMIT,
    MOON_ONTAP_CG_GROUPS,
    MOON_ONTAP_FILE_RESTORE,
    MOON_ONTAP_LUN_RESTORE,
    MOON_ONTAP_RESTORE_STATUS,
    MOON_ONTAP_FILE_INFO,
    MOON_ONTAP_LUNS,
    MOON_ONTAP_LUN_MAPS,
    MOON_ONTAP_IGROUPS,
    MOON_ONTAP_LUN_MAP,
    MOON_ONTAP_LUN_UNMAP,
    MOON_ONTAP_LUN_ONLINE,
    MOON_ONTAP_LUN_OFFLINE,
    MOON_ONTAP_LUN_DELETE,
    MOON_ONTAP_FILE_CLONE,
    MOON_ONTAP_LUN_CLONE,
    MOON_ONTAP_VOLUME_CLONE,
    MOON_ONTAP_VOLUME_CLONE_SPLIT,
    MOON_ONTAP_VOLUME_CLONES,
    MOON_ONTAP_VOLUME_DELETE,
    MOON_ONTAP_EXPORT_CREATE,
    MOON_ONTAP_EXPORT_DELETE,
    MOON_ONTAP_VOLUME_EXPORT,
    MOON_ONTAP_MIRRORS,
    MOON_ONTAP_MIRROR_UPDATE,
    MOON_ONTAP_MIRROR_TRANSFER,
    MOON_ONTAP_MIRROR_CHANGE,
    MOON_ONTAP_MIRROR_RESTORE,
    MOON_ONTAP_MIRROR_POLICIES,
    MOON_ONTAP_EMS_LOG,
    MOON_ONTAP_JOB,
    MOON_ONTAP_CALL,
    MOON_ONTAP_REQUEST,
    MOON_ONTAP_VERB_COUNT
};

struct moon_ontap; /* a client, shared by its calls; loop thread only */

/* `options`: {name (for messages), host, port?, https (bool), user, password, svm? (tunnel to it
 * from a cluster LIF), ca_file?, pin?, cert?, key? (PEM files: login by certificate), timeout? (s
 * for a request with its repetitions), api? ("auto", "zapi", "rest"), retries? (of what only reads),
 * retry_wait? (s, the first pause)}. Makes no request: with "auto" the first call finds out which
 * transport answers. When the first login is refused (HTTP 401), or two in a row later, no call of this
 * client tries another: accounts are locked for that. NULL with *err. */
struct moon_ontap *moon_ontap_new(const json_t *options, struct moon_err *err);
struct moon_ontap *moon_ontap_ref(struct moon_ontap *o);
void moon_ontap_unref(struct moon_ontap *o);
const char *moon_ontap_name(const struct moon_ontap *o);

const char *moon_ontap_verb_name(enum moon_ontap_verb verb);
/* The arguments, as moonlua's signature text; see engine/lua/prim.h. */
const char *moon_ontap_verb_signature(enum moon_ontap_verb verb);
/* Whether it changes anything on the controller (refused in a dry run). For the raw calls: every
 * name that does not read by its own grammar (-get-, -list-, -iter ...) and every method but GET
 * counts as a change. */
bool moon_ontap_verb_changes(enum moon_ontap_verb verb, const json_t *args);
/* Whether the names among the arguments can be what they should be: volumes and snapshots are parts
 * of paths, so one that is empty or holds a / would mean another object. -1 with *err. */
int moon_ontap_verb_check(enum moon_ontap_verb verb, const json_t *args, struct moon_err *err);

/* The operation of one call; `args` as in the table above. Owned by the caller. A list verb takes
 * two more arguments, for lists too long to hold: `max` (rows of a page) and `page` (where to go on,
 * "" at the beginning); its result is then {rows=[...], next?} of that page alone. */
struct moon_op *moon_ontap_call_new(struct moon_ontap *o, enum moon_ontap_verb verb,
                                    const json_t *args, struct moon_err *err);

#endif
