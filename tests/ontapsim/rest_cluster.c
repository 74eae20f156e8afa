/* What clients that provision storage ask over REST before they begin: SVM peers, iSCSI services,
 * aggregates, and the SVMs as the command line lists them. */
#include "iscsi.h"
#include "rest.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* An object that has no stored uuid gets one that stays the same: the other's, with its first digits
 * replaced by those of a sum over the text. */
static void derived_uuid(char out[37], const char *uuid, const char *text)
{
    uint32_t sum = 2166136261U;
    for (; *text; text++)
        sum = (sum ^ (unsigned char)*text) * 16777619U;
    snprintf(out, 37, "%08x%.28s", sum, uuid + 8);
}

static const struct rest_field peer_fields[] = {
    {"uuid", REST_KEY, 0},       {"name", REST_KEY, 0},   {"svm.name", REST_KEY, 0},
    {"svm.uuid", REST_KEY, 0},   {"state", 0, 0},         {"applications", 0, 0},
    {"peer.svm.name", 0, 0},     {"peer.svm.uuid", 0, 0}, {"peer.cluster.name", 0, 0},
    {"peer.cluster.uuid", 0, 0},
};

static void peer_record(struct rest_list *l, const char *uuid, const struct sim_svm *svm,
                        const struct sim_svm *peer)
{
    rest_text(l, "uuid", uuid);
    rest_text(l, "name", peer->name);
    rest_text(l, "svm.name", svm->name);
    rest_text(l, "svm.uuid", svm->uuid);
    rest_text(l, "state", "peered");
    rest_put(l, "applications", json_pack("[s]", "snapmirror"));
    rest_text(l, "peer.svm.name", peer->name);
    rest_text(l, "peer.svm.uuid", peer->uuid);
    rest_text(l, "peer.cluster.name", sim.cluster);
    rest_text(l, "peer.cluster.uuid", sim.cluster_uuid);
}

/* All SVMs of one cluster are peers of each other. */
int rest_svm_peers_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, peer_fields, COUNT(peer_fields)))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        if (!rest_sees(r, svm))
            continue;
        bool same = l.keys[0] && !strcmp(l.keys[0], svm->name);
        for (size_t k = sim_svm_after(same ? l.keys[1] : NULL, false); k < sim.svm_count && room;
             k++) {
            char uuid[37], self[64];
            if (k == i)
                continue;
            derived_uuid(uuid, svm->uuid, sim.svms[k]->uuid);
            snprintf(self, sizeof(self), "/svm/peers/%s", uuid);
            rest_record(&l);
            peer_record(&l, uuid, svm, sim.svms[k]);
            room = rest_row(&l, self, svm->name, sim.svms[k]->name, NULL);
        }
    }
    sim_unlock();
    return rest_list_end(&l);
}

static const struct rest_field iscsi_fields[] = {
    {"svm.name", REST_KEY, 0}, {"svm.uuid", REST_KEY, 0}, {"enabled", 0, 0},
    {"target.name", 0, 0},     {"target.alias", 0, 0},
};

int rest_iscsi_services_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, iscsi_fields, COUNT(iscsi_fields)))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], false); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        char self[80];
        if (!rest_sees(r, svm) || !sim_iscsi_served(svm))
            continue;
        snprintf(self, sizeof(self), "/protocols/san/iscsi/services/%s", svm->uuid);
        rest_record(&l);
        rest_text(&l, "svm.name", svm->name);
        rest_text(&l, "svm.uuid", svm->uuid);
        rest_flag(&l, "enabled", true);
        rest_text(&l, "target.name", sim_iscsi_target(&r->arena, svm));
        rest_text(&l, "target.alias", svm->name);
        room = rest_row(&l, self, svm->name, NULL, NULL);
    }
    sim_unlock();
    return rest_list_end(&l);
}

static const struct rest_field aggregate_fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"state", 0, 0},
    {"node.name", 0, 0},
    {"space.block_storage.size", 0, 0},
    {"space.block_storage.used", 0, 0},
    {"space.block_storage.available", 0, 0},
};

int rest_aggregates_get(struct rest *r)
{
    struct rest_list l;
    struct statvfs fs;
    bool room = true;
    if (rest_list_begin(&l, r, aggregate_fields, COUNT(aggregate_fields)))
        return -1;
    bool known = !statvfs(sim.root, &fs);
    uint64_t block = known ? fs.f_frsize : 0;
    sim_lock();
    for (const char *name = sim_aggregate_after(l.keys[0]); name && room;
         name = sim_aggregate_after(name)) {
        char uuid[37], self[64];
        derived_uuid(uuid, sim.cluster_uuid, name);
        snprintf(self, sizeof(self), "/storage/aggregates/%s", uuid);
        rest_record(&l);
        rest_text(&l, "uuid", uuid);
        rest_text(&l, "name", name);
        rest_text(&l, "state", "online");
        rest_text(&l, "node.name", sim_arena_printf(&r->arena, "%s-01", sim.cluster));
        if (known) {
            rest_number(&l, "space.block_storage.size", fs.f_blocks * block);
            rest_number(&l, "space.block_storage.used", (fs.f_blocks - fs.f_bavail) * block);
            rest_number(&l, "space.block_storage.available", fs.f_bavail * block);
        }
        room = rest_row(&l, self, name, NULL, NULL);
    }
    sim_unlock();
    return rest_list_end(&l);
}

static const struct rest_field vserver_fields[] = {
    {"vserver", REST_KEY, 0},
    {"type", 0, 0},
    {"uuid", 0, 0},
};

/* The command line's "vserver show": with the cluster's own SVM, which the API proper leaves out. */
int rest_cli_vserver_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, vserver_fields, COUNT(vserver_fields)))
        return -1;
    sim_lock();
    if (!r->svm && !l.keys[0]) {
        rest_record(&l);
        rest_text(&l, "vserver", sim.cluster);
        rest_text(&l, "type", "admin");
        rest_text(&l, "uuid", sim.cluster_uuid);
        room = rest_row(&l, NULL, "", NULL, NULL);
    }
    const char *after = l.keys[0] && *l.keys[0] ? l.keys[0] : NULL;
    for (size_t i = sim_svm_after(after, false); i < sim.svm_count && room; i++) {
        if (!rest_sees(r, sim.svms[i]))
            continue;
        rest_record(&l);
        rest_text(&l, "vserver", sim.svms[i]->name);
        rest_text(&l, "type", "data");
        rest_text(&l, "uuid", sim.svms[i]->uuid);
        room = rest_row(&l, NULL, sim.svms[i]->name, NULL, NULL);
    }
    sim_unlock();
    return rest_list_end(&l);
}
