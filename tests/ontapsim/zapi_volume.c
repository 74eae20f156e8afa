/* volume-get-iter. */
#include "zapi.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void id_part(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_volume *vol)
{
    struct zapi_rec *id = zapi_rec_add(it, rec, "volume-id-attributes");
    const char *node = sim_arena_printf(&it->arena, "%s-01", sim.cluster);
    zapi_rec_text(it, id, "containing-aggregate-name", vol->aggregate);
    zapi_rec_text(it, id, "comment", vol->comment);
    zapi_rec_number(it, id, "creation-time", (uint64_t)vol->created);
    zapi_rec_text(it, id, "instance-uuid", vol->instance_uuid);
    zapi_rec_text(it, id, "junction-path", vol->junction);
    zapi_rec_key(it, id, "name", vol->name);
    zapi_rec_text(it, id, "node", node);
    zapi_rec_key(it, id, "owning-vserver-name", vol->svm->name);
    zapi_rec_text(it, id, "owning-vserver-uuid", vol->svm->uuid);
    zapi_rec_text(it, id, "provenance-uuid", vol->instance_uuid);
    zapi_rec_text(it, id, "style", "flex");
    zapi_rec_text(it, id, "style-extended", "flexvol");
    zapi_rec_text(it, id, "type", vol->type);
    zapi_rec_text(it, id, "uuid", vol->uuid);
}

static void security_part(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_volume *vol)
{
    struct stat st;
    char mode[8];
    struct zapi_rec *security = zapi_rec_add(it, rec, "volume-security-attributes");
    zapi_rec_text(it, security, "style", "unix");
    if (fstat(vol->dir, &st))
        return;
    struct zapi_rec *mine = zapi_rec_add(it, security, "volume-security-unix-attributes");
    snprintf(mode, sizeof(mode), "%o", (unsigned)st.st_mode & 07777);
    zapi_rec_number(it, mine, "group-id", st.st_gid);
    zapi_rec_text(it, mine, "permissions", mode);
    zapi_rec_number(it, mine, "user-id", st.st_uid);
}

static void snapshot_part(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_volume *vol)
{
    struct zapi_rec *s = zapi_rec_add(it, rec, "volume-snapshot-attributes");
    zapi_rec_flag(it, s, "snapdir-access-enabled", true);
    zapi_rec_number(it, s, "snapshot-count", vol->snap_count);
    zapi_rec_text(it, s, "snapshot-policy", vol->policy ? vol->policy : "none");
}

static void space_part(struct zapi_iter *it, struct zapi_rec *rec, struct sim_volume *vol)
{
    struct sim_space space;
    sim_space(vol, &space);
    uint64_t reserve = vol->size / 100 * vol->reserve;
    struct zapi_rec *s = zapi_rec_add(it, rec, "volume-space-attributes");
    zapi_rec_number(it, s, "percentage-size-used",
                    space.used >= vol->size ? 100 : space.used * 100 / vol->size);
    zapi_rec_number(it, s, "percentage-snapshot-reserve", vol->reserve);
    zapi_rec_number(it, s, "size", vol->size);
    zapi_rec_number(it, s, "size-available", space.available);
    zapi_rec_number(it, s, "size-total", vol->size - reserve);
    zapi_rec_number(it, s, "size-used", space.used);
    zapi_rec_number(it, s, "size-used-by-snapshots", space.snaps);
    zapi_rec_number(it, s, "snapshot-reserve-size", reserve);
    zapi_rec_flag(it, s, "is-space-guarantee-enabled", false);
    zapi_rec_text(it, s, "space-guarantee", "none");
}

static void clone_part(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_volume *vol)
{
    struct zapi_rec *clone = zapi_rec_add(it, rec, "volume-clone-attributes");
    struct zapi_rec *parent = zapi_rec_add(it, clone, "volume-clone-parent-attributes");
    zapi_rec_text(it, parent, "name", vol->parent->name);
    zapi_rec_text(it, parent, "snapshot-name", vol->parent_snap);
    zapi_rec_text(it, parent, "uuid", vol->parent->instance_uuid);
}

void zapi_volume_record(struct zapi_iter *it, struct zapi_rec *rec, struct sim_volume *vol)
{
    bool dp = !strcmp(vol->type, "dp");
    if (vol->parent)
        clone_part(it, rec, vol);
    id_part(it, rec, vol);
    struct zapi_rec *exports = zapi_rec_add(it, rec, "volume-export-attributes");
    zapi_rec_text(it, exports, "policy", vol->exports);
    struct zapi_rec *language = zapi_rec_add(it, rec, "volume-language-attributes");
    zapi_rec_text(it, language, "language-code", "c.utf_8");
    struct zapi_rec *mirror = zapi_rec_add(it, rec, "volume-mirror-attributes");
    zapi_rec_flag(it, mirror, "is-data-protection-mirror", dp);
    if (zapi_iter_wants(it, "volume-security-attributes"))
        security_part(it, rec, vol);
    snapshot_part(it, rec, vol);
    if (zapi_iter_wants(it, "volume-space-attributes"))
        space_part(it, rec, vol);
    struct zapi_rec *state = zapi_rec_add(it, rec, "volume-state-attributes");
    zapi_rec_flag(it, state, "is-inconsistent", false);
    zapi_rec_flag(it, state, "is-invalid", false);
    zapi_rec_flag(it, state, "is-node-root", false);
    zapi_rec_flag(it, state, "is-vserver-root", vol->is_root);
    zapi_rec_text(it, state, "state", vol->state);
}

/* What clients look for, before anything is measured. */
static bool may_match(struct zapi_iter *it, const struct sim_volume *vol)
{
    static const char part[] = "volume-id-attributes";
    return zapi_iter_may_in(it, part, "name", vol->name) &&
           zapi_iter_may_in(it, part, "junction-path", vol->junction) &&
           zapi_iter_may_in(it, part, "uuid", vol->uuid) &&
           zapi_iter_may_in(it, part, "instance-uuid", vol->instance_uuid);
}

int zapi_volume_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "volume-attributes"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        if (z->svm && z->svm != svm)
            continue;
        bool same = it.keys[0] && !strcmp(it.keys[0], svm->name);
        for (size_t k = sim_volume_after(svm, same ? it.keys[1] : NULL, false);
             k < svm->volume_count && room; k++) {
            struct zapi_rec *rec = zapi_iter_record(&it, "volume-attributes");
            if (!may_match(&it, svm->volumes[k]))
                continue;
            zapi_volume_record(&it, rec, svm->volumes[k]);
            room = zapi_iter_row(&it, rec, svm->name, svm->volumes[k]->name, NULL);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}
