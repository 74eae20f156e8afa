/* One ONTAP client for both transports. A call is an operation of the loop: its requests and
 * replies are made by a transport (`struct moon_ontap_ops`), paging and job polling included,
 * and its result has the same shape, units and error codes whichever transport carried it.
 *
 *   identity          -
 *       {version="9.14.1", release, clustered, transport}
 *   svms              -
 *       [{name, uuid, type, state}]
 *   lifs              -
 *       [{name, address, svm, protocols=[...]}]
 *   volumes           name?, junction?
 *       [{name, uuid, svm, junction?, type, style, state, size, available, used (bytes), svm_root}]
 *   snapshot_create   volume, name, comment?, label?
 *       true
 *   snapshots         volume, name? (exact or with *)
 *       [{name, uuid, volume, svm, created (epoch s), busy, dependency?, owners=[...], label?,
 *         comment?, state}]
 *   snapshot_delete   volume, name, uuid?, force?
 *       true
 *   snapshot_rename   volume, name, to
 *       true
 *   file_restore      volume, snapshot, path (below the volume)
 *       true: the restore has started
 *   restores_running  -
 *       {running=n, limit=n}: file restores of this SVM
 *   file_info         path (/vol/VOLUME/...)
 *       {size, type, modified}
 *   ems_log           source, message, level?
 *       true
 *   call              name, args? (XML text of the call's children)
 *       raw ZAPI: the results element as a tree
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
    MOON_ONTAP_SVMS,
    MOON_ONTAP_LIFS,
    MOON_ONTAP_VOLUMES,
    MOON_ONTAP_SNAPSHOT_CREATE,
    MOON_ONTAP_SNAPSHOTS,
    MOON_ONTAP_SNAPSHOT_DELETE,
    MOON_ONTAP_SNAPSHOT_RENAME,
    MOON_ONTAP_FILE_RESTORE,
    MOON_ONTAP_RESTORES_RUNNING,
    MOON_ONTAP_FILE_INFO,
    MOON_ONTAP_EMS_LOG,
    MOON_ONTAP_CALL,
    MOON_ONTAP_VERB_COUNT
};

struct moon_ontap; /* a client: immutable after it was made, shared by its calls */

/* `options`: {name (for messages), host, port?, https (bool), user, password, svm? (tunnel to it
 * from a cluster LIF), ca_file?, pin?, timeout? (s per request), api? ("auto", "zapi", "rest")}.
 * Makes no request. NULL with *err (unsupported: that transport is not there). */
struct moon_ontap *moon_ontap_new(const json_t *options, struct moon_err *err);
struct moon_ontap *moon_ontap_ref(struct moon_ontap *o);
void moon_ontap_unref(struct moon_ontap *o);
const char *moon_ontap_name(const struct moon_ontap *o);

const char *moon_ontap_verb_name(enum moon_ontap_verb verb);
/* The arguments, as moonlua's signature text; see engine/lua/prim.h. */
const char *moon_ontap_verb_signature(enum moon_ontap_verb verb);
/* Whether it changes anything on the controller (refused in a dry run). For the raw call: every
 * name that does not read by its own grammar (-get-, -list-, -iter ...) counts as a change. */
bool moon_ontap_verb_changes(enum moon_ontap_verb verb, const json_t *args);

/* The operation of one call; `args` as in the table above. Owned by the caller. */
struct moon_op *moon_ontap_call_new(struct moon_ontap *o, enum moon_ontap_verb verb,
                                    const json_t *args, struct moon_err *err);

#endif
