/* What the destinations of a volume ask its simulator: by a call when that is this one, by HTTP when
 * it is a peer (mirror_peer.c). */
#include "mirror_source.h"
#include "lun.h"
#include "mirror.h"
#include "snap.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char *text(const json_t *doc, const char *key)
{
    return json_string_value(json_object_get(doc, key));
}

static struct sim_volume *volume_of(const json_t *question, struct sim_err *err)
{
    const char *svm = text(question, "svm"), *volume = text(question, "volume");
    const struct sim_svm *s = svm ? sim_svm_find(svm) : NULL;
    struct sim_volume *vol = s && volume ? sim_volume_find(s, volume) : NULL;
    if (!vol)
        sim_fail(err, SIM_EVOLMISSING, "There is no source volume %.200s:%.200s.", svm ? svm : "",
                 volume ? volume : "");
    return vol;
}

/* --- snapshots --- */

static json_t *list(struct sim_volume *vol)
{
    json_t *snaps = json_array();
    for (size_t i = 0; i < vol->snap_count; i++) {
        const struct sim_snap *s = vol->ages[i];
        json_array_append_new(snaps, json_pack("{s:s, s:s, s:I, s:s*, s:s*}", "name", s->name,
                                               "uuid", s->uuid, "created", (json_int_t)s->created,
                                               "label", s->label, "comment", s->comment));
    }
    return json_pack("{s:o}", "snapshots", snaps);
}

/* One owner per relationship, and one dependency for all of them. */
static void hold_one(struct sim_snap *snap, const char *owner)
{
    sim_snap_own(snap, owner);
    if (!snap->dependency)
        snap->dependency = sim_dup("snapmirror");
}

static void let_go(struct sim_snap *snap, const char *owner)
{
    static const char prefix[] = "snapmirror.";
    bool others = false;
    sim_snap_disown(snap, owner);
    for (size_t i = 0; i < snap->owner_count; i++)
        others = others || !strncmp(snap->owners[i], prefix, sizeof(prefix) - 1);
    if (others || !snap->dependency || strcmp(snap->dependency, "snapmirror") != 0)
        return;
    free(snap->dependency);
    snap->dependency = NULL;
}

static int hold(struct sim_volume *vol, const char *name, const char *owner, bool only,
                struct sim_err *err)
{
    struct sim_snap *snap = name ? sim_snap_find(vol, name) : NULL;
    if (!owner)
        return sim_fail(err, SIM_EMISSING, "Missing input: owner");
    if (name && !snap)
        return sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.255s\" does not exist on \"%s\".",
                        name, vol->name);
    for (size_t i = 0; only && i < vol->snap_count; i++) {
        if (vol->snaps[i] != snap && sim_snap_owned(vol->snaps[i], owner))
            let_go(vol->snaps[i], owner);
    }
    if (snap)
        hold_one(snap, owner);
    return sim_state_save_volume(vol);
}

/* --- destinations --- */

static void destination_free(struct sim_destination *d)
{
    free(d->svm);
    free(d->volume);
    free(d->destination);
    free(d->policy);
    free(d->policy_type);
    free(d);
}

static void forget_at(size_t at)
{
    destination_free(sim.destinations[at]);
    memmove(&sim.destinations[at], &sim.destinations[at + 1],
            (sim.destination_count - at - 1) * sizeof(struct sim_destination *));
    sim.destination_count--;
}

static void forget(const char *relationship)
{
    for (size_t i = sim.destination_count; i > 0; i--) {
        if (!strcmp(sim.destinations[i - 1]->uuid, relationship))
            forget_at(i - 1);
    }
}

static int add_destination(const json_t *doc, struct sim_err *err)
{
    const char *uuid = text(doc, "relationship"), *to = text(doc, "destination");
    if (!uuid || !sim_is_uuid(uuid) || !to)
        return sim_fail(err, SIM_EMISSING, "Missing input: relationship, destination");
    forget(uuid);
    struct sim_destination *d = sim_alloc(1, sizeof(*d));
    memcpy(d->uuid, uuid, sizeof(d->uuid));
    d->svm = sim_dup(text(doc, "svm"));
    d->volume = sim_dup(text(doc, "volume"));
    d->destination = sim_dup(to);
    d->policy = sim_dup(text(doc, "policy"));
    d->policy_type = sim_dup(text(doc, "policy_type"));
    sim.destinations =
        sim_grow(sim.destinations, sim.destination_count + 1, sizeof(struct sim_destination *));
    sim.destinations[sim.destination_count++] = d;
    return 0;
}

size_t sim_destination_count(void)
{
    return sim.destination_count;
}

const struct sim_destination *sim_destination_at(size_t i)
{
    return sim.destinations[i];
}

void sim_destination_rename(const struct sim_volume *vol, const char *name)
{
    AUTO_FREE char *was = sim_printf("%s:%s", vol->svm->name, vol->name);
    for (size_t i = 0; i < sim.destination_count; i++) {
        struct sim_destination *d = sim.destinations[i];
        if (!strcmp(d->svm, vol->svm->name) && !strcmp(d->volume, vol->name)) {
            free(d->volume);
            d->volume = sim_dup(name);
        }
        if (strcmp(d->destination, was) != 0)
            continue;
        free(d->destination);
        d->destination = sim_printf("%s:%s", vol->svm->name, name);
    }
}

json_t *sim_destination_state(void)
{
    json_t *all = json_array();
    for (size_t i = 0; i < sim.destination_count; i++) {
        const struct sim_destination *d = sim.destinations[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s*}", "relationship",
                                             d->uuid, "svm", d->svm, "volume", d->volume,
                                             "destination", d->destination, "policy", d->policy,
                                             "policy_type", d->policy_type));
    }
    return all;
}

void sim_destination_load(json_t *all)
{
    size_t i;
    json_t *item;
    json_array_foreach (all, i, item) {
        struct sim_err err = {0};
        if (!text(item, "svm") || !text(item, "volume") || add_destination(item, &err))
            sim_log("a destination in the state is left out: %s", err.reason);
    }
}

void sim_destination_free(void)
{
    while (sim.destination_count)
        forget_at(sim.destination_count - 1);
    free(sim.destinations);
    sim.destinations = NULL;
}

/* --- questions --- */

static json_t *answer_locked(const json_t *q, const char *op, struct sim_err *err)
{
    struct sim_volume *vol = volume_of(q, err);
    bool keep = !strcmp(op, "keep");
    if (!vol)
        return NULL;
    if (!strcmp(op, "list"))
        return list(vol);
    if (keep || !strcmp(op, "hold"))
        hold(vol, text(q, "snapshot"), text(q, "owner"), keep, err);
    else if (!strcmp(op, "register"))
        add_destination(q, err);
    else if (!strcmp(op, "forget"))
        forget(text(q, "relationship") ? text(q, "relationship") : "");
    else
        sim_fail(err, SIM_EINVALID, "There is no operation \"%.40s\".", op);
    if (!err->num && (!strcmp(op, "register") || !strcmp(op, "forget")) && sim_mirror_save())
        sim_fail(err, SIM_EINTERNAL, "State not saved.");
    return err->num ? NULL : json_object();
}

static int answer_release(const json_t *q, struct sim_err *err)
{
    const char *svm = text(q, "svm"), *volume = text(q, "volume"), *to = text(q, "destination");
    if (!svm || !volume || !to)
        return sim_fail(err, SIM_EMISSING, "Missing input: svm, volume, destination");
    return sim_mirror_release(svm, volume, to, json_is_true(json_object_get(q, "keep")), err);
}

json_t *sim_source_answer(const json_t *q, struct sim_err *err)
{
    const char *op = text(q, "op") ? text(q, "op") : "";
    bool make = !strcmp(op, "create"), remove = !strcmp(op, "delete");
    json_t *answer = NULL;
    if (!strcmp(op, "release"))
        return answer_release(q, err) ? NULL : json_object();
    sim_lock();
    struct sim_volume *vol = make || remove ? volume_of(q, err) : NULL;
    if (!make && !remove)
        answer = answer_locked(q, op, err);
    sim_unlock();
    const char *name = text(q, make ? "name" : "snapshot");
    if (!vol)
        return answer;
    if (!name) {
        sim_fail(err, SIM_EMISSING, "Missing input: %s", make ? "name" : "snapshot");
        return NULL;
    }
    int rc = make ? sim_snap_create(vol, &(struct sim_snap_spec){.name = name}, err)
                  : sim_snap_delete(vol, name, NULL, false, err);
    return rc ? NULL : json_object();
}

json_t *sim_source_ask(json_t *question, struct sim_err *err)
{
    json_t *answer = NULL;
    const char *svm = text(question, "svm");
    const struct sim_peer *peer = svm && !sim_svm_find(svm) ? sim_peer_of(svm) : NULL;
    if (!question)
        sim_fail(err, SIM_EINVALID, "A name is no UTF-8.");
    else if (peer)
        answer = sim_peer_ask(peer, question, err);
    else
        answer = sim_source_answer(question, err);
    json_decref(question);
    return answer;
}

static int fail_open(struct sim_err *err, const char *svm, const char *volume, const char *snapshot)
{
    return sim_fail(err, SIM_ESNAPMISSING, "Snapshot \"%.255s\" of %s:%s: %s.", snapshot, svm,
                    volume, strerror(errno));
}

int sim_source_open(const char *svm, const char *volume, const char *snapshot, struct sim_err *err)
{
    struct sim_svm *s = sim_svm_find(svm);
    const struct sim_peer *peer = s ? NULL : sim_peer_of(svm);
    int fd = -1;
    errno = ENOENT;
    if (s) {
        sim_lock();
        struct sim_volume *vol = sim_volume_find(s, volume);
        struct sim_snap *snap = vol ? sim_snap_find(vol, snapshot) : NULL;
        fd = snap ? sim_snap_open(vol, snap) : -1;
        sim_unlock();
    } else if (peer) {
        AUTO_FREE char *path =
            sim_printf("%s/%s/%s/.snapshot/%s", peer->root, svm, volume, snapshot);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    return fd < 0 ? fail_open(err, svm, volume, snapshot) : fd;
}

/* Locked. The relationship that leads from there to the destination; owned uuid or NULL. */
static char *find_destination(const char *svm, const char *volume, const char *destination)
{
    for (size_t i = 0; i < sim.destination_count; i++) {
        const struct sim_destination *d = sim.destinations[i];
        if (!strcmp(d->svm, svm) && !strcmp(d->volume, volume) &&
            !strcmp(d->destination, destination))
            return sim_dup(d->uuid);
    }
    return NULL;
}

/* Locked. The snapshots that the relationship has made; owned, NULL at the end. */
static char **made_by(const struct sim_volume *vol, const char *uuid)
{
    AUTO_FREE char *prefix = sim_printf("snapmirror.%s_", uuid);
    char **names = sim_alloc(vol->snap_count + 1, sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < vol->snap_count; i++) {
        if (!strncmp(vol->snaps[i]->name, prefix, strlen(prefix)))
            names[n++] = sim_dup(vol->snaps[i]->name);
    }
    return names;
}

int sim_mirror_release(const char *svm, const char *volume, const char *destination,
                       bool keep_snapshots, struct sim_err *err)
{
    sim_lock();
    AUTO_FREE char *uuid = find_destination(svm, volume, destination);
    struct sim_svm *s = sim_svm_find(svm);
    struct sim_volume *vol = s ? sim_volume_find(s, volume) : NULL;
    AUTO_FREE char *owner = uuid ? sim_printf("snapmirror.%s", uuid) : NULL;
    char **names = uuid && vol ? made_by(vol, uuid) : NULL;
    if (uuid && vol)
        hold(vol, NULL, owner, true, err);
    if (uuid)
        forget(uuid);
    if (uuid && sim_mirror_save())
        sim_fail(err, SIM_EINTERNAL, "State not saved.");
    sim_unlock();
    for (size_t i = 0; names && names[i]; i++) {
        struct sim_err ignored = {0};
        if (!keep_snapshots)
            sim_snap_delete(vol, names[i], NULL, false, &ignored);
        free(names[i]);
    }
    free(names);
    if (!uuid)
        return sim_fail(err, SIM_EMIRRORNOSOURCE,
                        "No release information for destination \"%.200s\".", destination);
    return err->num ? -1 : 0;
}
