/* What clients that provision storage ask before they begin: nodes, aggregates, SVM peers, iSCSI. */
#include "zapi.h"
#include "iscsi.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static const char *node_name(struct zapi_iter *it)
{
    return sim_arena_printf(&it->arena, "%s-01", sim.cluster);
}

/* There is one node. */
static int one_node(struct zapi *z, const char *record, const char *name_field)
{
    struct zapi_iter it;
    if (zapi_iter_begin(&it, z, record))
        return -1;
    if (!it.keys[0]) {
        struct zapi_rec *rec = zapi_iter_record(&it, record);
        const char *name = node_name(&it);
        zapi_rec_flag(&it, rec, "is-all-flash-optimized", false);
        zapi_rec_flag(&it, rec, "is-all-flash-select-optimized", false);
        zapi_rec_flag(&it, rec, "is-node-healthy", true);
        zapi_rec_key(&it, rec, name_field, name);
        zapi_rec_text(&it, rec, "node-model", "SIMBOX");
        zapi_iter_row(&it, rec, name, NULL, NULL);
    }
    zapi_iter_end(&it);
    return 0;
}

int zapi_system_node_get_iter(struct zapi *z)
{
    return one_node(z, "node-details-info", "node");
}

int zapi_cluster_node_get_iter(struct zapi *z)
{
    return one_node(z, "cluster-node-info", "node-name");
}

/* An aggregate is as large as the file system that the volumes lie in. */
static void aggregate_space(struct zapi_iter *it, struct zapi_rec *rec)
{
    struct statvfs fs;
    if (statvfs(sim.root, &fs))
        return;
    uint64_t total = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
    struct zapi_rec *s = zapi_rec_add(it, rec, "aggr-space-attributes");
    zapi_rec_number(it, s, "percent-used-capacity", total ? 100 - available * 100 / total : 0);
    zapi_rec_number(it, s, "size-available", available);
    zapi_rec_number(it, s, "size-total", total);
    zapi_rec_number(it, s, "size-used", total - available);
}

int zapi_aggr_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "aggr-attributes"))
        return -1;
    sim_lock();
    for (const char *name = sim_aggregate_after(it.keys[0]); name && room;
         name = sim_aggregate_after(name)) {
        struct zapi_rec *rec = zapi_iter_record(&it, "aggr-attributes");
        struct zapi_rec *owner = zapi_rec_add(&it, rec, "aggr-ownership-attributes");
        zapi_rec_text(&it, owner, "home-name", node_name(&it));
        struct zapi_rec *raid = zapi_rec_add(&it, rec, "aggr-raid-attributes");
        zapi_rec_flag(&it, raid, "has-local-root", false);
        zapi_rec_flag(&it, raid, "has-partner-root", false);
        zapi_rec_text(&it, raid, "state", "online");
        aggregate_space(&it, rec);
        zapi_rec_key(&it, rec, "aggregate-name", name);
        room = zapi_iter_row(&it, rec, name, NULL, NULL);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

/* All SVMs of one cluster are peers of each other. */
int zapi_vserver_peer_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "vserver-peer-info"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const char *name = sim.svms[i]->name;
        if (z->svm && z->svm != sim.svms[i])
            continue;
        bool same = it.keys[0] && !strcmp(it.keys[0], name);
        for (size_t k = sim_svm_after(same ? it.keys[1] : NULL, false); k < sim.svm_count && room;
             k++) {
            if (k == i)
                continue;
            struct zapi_rec *rec = zapi_iter_record(&it, "vserver-peer-info");
            struct zapi_rec *list = zapi_rec_add(&it, rec, "applications");
            zapi_rec_text(&it, list, "vserver-peer-application", "snapmirror");
            zapi_rec_text(&it, rec, "peer-cluster", sim.cluster);
            zapi_rec_text(&it, rec, "peer-state", "peered");
            zapi_rec_key(&it, rec, "peer-vserver", sim.svms[k]->name);
            zapi_rec_text(&it, rec, "remote-vserver-name", sim.svms[k]->name);
            zapi_rec_key(&it, rec, "vserver", name);
            room = zapi_iter_row(&it, rec, name, sim.svms[k]->name, NULL);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

/* No volume has storage efficiency, so there is nothing to list. */
int zapi_sis_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    if (zapi_iter_begin(&it, z, "sis-status-info"))
        return -1;
    zapi_iter_end(&it);
    return 0;
}

int zapi_iscsi_service_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "iscsi-service-info"))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], false); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        if ((z->svm && z->svm != svm) || !sim_iscsi_served(svm))
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "iscsi-service-info");
        zapi_rec_text(&it, rec, "alias-name", svm->name);
        zapi_rec_flag(&it, rec, "is-available", true);
        zapi_rec_text(&it, rec, "node-name", sim_iscsi_target(&it.arena, svm));
        zapi_rec_key(&it, rec, "vserver", svm->name);
        room = zapi_iter_row(&it, rec, svm->name, NULL, NULL);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

static void portal_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_lif *lif,
                          size_t place)
{
    zapi_rec_text(it, rec, "current-node", node_name(it));
    zapi_rec_text(it, rec, "current-port", "e0c");
    zapi_rec_key(it, rec, "interface-name", lif->name);
    zapi_rec_text(it, rec, "ip-address", lif->address);
    zapi_rec_number(it, rec, "ip-port", SIM_ISCSI_PORT);
    zapi_rec_flag(it, rec, "is-interface-enabled", !lif->down);
    zapi_rec_text(it, rec, "tpgroup-name", lif->name);
    zapi_rec_number(it, rec, "tpgroup-tag", 1024 + place);
    zapi_rec_key(it, rec, "vserver", lif->svm->name);
}

static bool is_portal(const struct sim_lif *lif)
{
    return lif->address && (lif->services & SIM_LIF_ISCSI);
}

int zapi_iscsi_interface_get_iter(struct zapi *z)
{
    return zapi_lifs(z, "iscsi-interface-list-entry-info", is_portal, portal_record);
}
