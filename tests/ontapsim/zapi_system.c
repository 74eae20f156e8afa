/* Versions, cluster identity, SVMs, LIFs, application log, jobs. */
#include "zapi.h"
#include "job.h"

#include <stdio.h>
#include <string.h>

int zapi_system_get_version(struct zapi *z)
{
    const unsigned *v = sim.ontap_version;
    AUTO_FREE char *text = sim_printf("NetApp Release %s: Wed Jan 10 12:00:00 UTC 2024", sim.ontap);
    zapi_put_number(z, "build-timestamp", 1704888000);
    zapi_put(z, "is-clustered", "true");
    if (!z->svm) {
        sim_buf_adds(&z->out, "<node-version-details><node-version-detail-info>");
        zapi_put_number(z, "build-timestamp", 1704888000);
        AUTO_FREE char *node = sim_printf("%s-01", sim.cluster);
        zapi_put(z, "node-name", node);
        zapi_put(z, "node-version", text);
        sim_buf_adds(&z->out, "</node-version-detail-info></node-version-details>");
    }
    zapi_put(z, "version", text);
    sim_buf_addf(&z->out,
                 "<version-tuple><system-version-tuple><generation>%u</generation>"
                 "<major>%u</major><minor>%u</minor></system-version-tuple></version-tuple>",
                 v[0], v[1], v[2]);
    return 0;
}

int zapi_system_get_ontapi_version(struct zapi *z)
{
    zapi_put_number(z, "major-version", sim.ontapi_major);
    zapi_put_number(z, "minor-version", sim.ontapi_minor);
    if (!z->svm) {
        AUTO_FREE char *node = sim_printf("%s-01", sim.cluster);
        sim_buf_adds(&z->out, "<node-ontapi-details><node-ontapi-detail-info>");
        zapi_put_number(z, "major-version", sim.ontapi_major);
        zapi_put_number(z, "minor-version", sim.ontapi_minor);
        zapi_put(z, "node-name", node);
        sim_buf_adds(&z->out, "</node-ontapi-detail-info></node-ontapi-details>");
    }
    return 0;
}

int zapi_cluster_identity_get(struct zapi *z)
{
    sim_buf_adds(&z->out, "<attributes><cluster-identity-info>"
                          "<cluster-contact/><cluster-location/>");
    zapi_put(z, "cluster-name", sim.cluster);
    zapi_put(z, "cluster-serial-number", "1-80-000011");
    zapi_put(z, "cluster-uuid", sim.cluster_uuid);
    sim_buf_adds(&z->out, "</cluster-identity-info></attributes>");
    return 0;
}

static void svm_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_svm *svm)
{
    const char *root = NULL;
    struct zapi_rec *list = zapi_rec_add(it, rec, "aggr-list");
    for (size_t i = 0; i < svm->volume_count; i++) {
        const struct sim_volume *vol = svm->volumes[i];
        const struct zapi_rec *seen = list->child;
        while (seen && strcmp(seen->value, vol->aggregate) != 0)
            seen = seen->next;
        if (!seen)
            zapi_rec_text(it, list, "aggr-name", vol->aggregate);
        if (vol->is_root)
            root = vol->name;
    }
    struct zapi_rec *protocols = zapi_rec_add(it, rec, "allowed-protocols");
    zapi_rec_text(it, protocols, "protocol", "nfs");
    zapi_rec_text(it, protocols, "protocol", "iscsi");
    zapi_rec_text(it, rec, "ipspace", "Default");
    zapi_rec_text(it, rec, "operational-state", "running");
    zapi_rec_text(it, rec, "root-volume", root);
    zapi_rec_text(it, rec, "state", "running");
    zapi_rec_text(it, rec, "uuid", svm->uuid);
    zapi_rec_key(it, rec, "vserver-name", svm->name);
    zapi_rec_text(it, rec, "vserver-subtype", "default");
    zapi_rec_text(it, rec, "vserver-type", "data");
}

/* The cluster's own SVM, seen by cluster administrators only. */
static void admin_record(struct zapi_iter *it, struct zapi_rec *rec)
{
    zapi_rec_text(it, rec, "ipspace", "Default");
    zapi_rec_text(it, rec, "uuid", sim.cluster_uuid);
    zapi_rec_key(it, rec, "vserver-name", sim.cluster);
    zapi_rec_text(it, rec, "vserver-type", "admin");
}

int zapi_vserver_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    bool room = true;
    if (zapi_iter_begin(&it, z, "vserver-info"))
        return -1;
    sim_lock();
    /* The key is the name; the admin SVM comes first whatever it is called. */
    if (!z->svm && !it.keys[0]) {
        struct zapi_rec *rec = zapi_iter_record(&it, "vserver-info");
        admin_record(&it, rec);
        room = zapi_iter_row(&it, rec, "", NULL, NULL);
    }
    const char *after = it.keys[0] && *it.keys[0] ? it.keys[0] : NULL;
    for (size_t i = sim_svm_after(after, false); i < sim.svm_count && room; i++) {
        if (z->svm && z->svm != sim.svms[i])
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "vserver-info");
        svm_record(&it, rec, sim.svms[i]);
        room = zapi_iter_row(&it, rec, sim.svms[i]->name, NULL, NULL);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

static void lif_protocols(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_lif *lif)
{
    static const struct {
        unsigned bit;
        const char *name;
    } protocols[] = {{SIM_LIF_NFS, "nfs"}, {SIM_LIF_ISCSI, "iscsi"}, {SIM_LIF_FCP, "fcp"}};
    struct zapi_rec *list = zapi_rec_add(it, rec, "data-protocols");
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        if (lif->services & protocols[i].bit)
            zapi_rec_text(it, list, "data-protocol", protocols[i].name);
    }
    if (!list->child) /* for calls only */
        zapi_rec_text(it, list, "data-protocol", "none");
}

static void lif_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_lif *lif,
                       size_t place)
{
    (void)place;
    bool v6 = lif->address && strchr(lif->address, ':');
    bool v4 = lif->address && !v6;
    const char *state = lif->down ? "down" : "up";
    const char *node = sim_arena_printf(&it->arena, "%s-01", sim.cluster);
    zapi_rec_text(it, rec, "address", lif->address);
    zapi_rec_text(it, rec, "address-family", v6 ? "ipv6" : v4 ? "ipv4" : NULL);
    zapi_rec_text(it, rec, "administrative-status", state);
    zapi_rec_text(it, rec, "current-node", node);
    zapi_rec_text(it, rec, "current-port", "e0c");
    lif_protocols(it, rec, lif);
    zapi_rec_text(it, rec, "firewall-policy", lif->services & SIM_LIF_MGMT ? "mgmt" : "data");
    zapi_rec_text(it, rec, "home-node", node);
    zapi_rec_text(it, rec, "home-port", "e0c");
    zapi_rec_key(it, rec, "interface-name", lif->name);
    zapi_rec_flag(it, rec, "is-home", true);
    zapi_rec_text(it, rec, "lif-uuid", lif->uuid);
    zapi_rec_text(it, rec, "netmask", v4 ? "255.255.255.0" : NULL);
    zapi_rec_text(it, rec, "netmask-length", v6 ? "64" : v4 ? "24" : NULL);
    zapi_rec_text(it, rec, "operational-status", state);
    zapi_rec_text(it, rec, "role", "data");
    zapi_rec_key(it, rec, "vserver", lif->svm->name);
    zapi_rec_text(it, rec, "wwpn", lif->wwpn);
}

int zapi_lifs(struct zapi *z, const char *record, bool (*shown)(const struct sim_lif *lif),
              void (*write)(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_lif *lif,
                            size_t place))
{
    struct zapi_iter it;
    uint64_t skip = 0;
    bool room = true;
    if (zapi_iter_begin(&it, z, record))
        return -1;
    /* The second key is the LIF's place in its SVM. */
    if (it.keys[0] && !sim_number(it.keys[1], 0, UINT32_MAX, &skip))
        return zapi_invalid(z, "tag", it.keys[0]);
    sim_lock();
    for (size_t i = sim_svm_after(it.keys[0], true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        if (z->svm && z->svm != svm)
            continue;
        bool same = it.keys[0] && !strcmp(it.keys[0], svm->name);
        for (size_t k = same ? (size_t)skip + 1 : 0; k < svm->lif_count && room; k++) {
            char place[24];
            if (shown && !shown(&svm->lifs[k]))
                continue;
            struct zapi_rec *rec = zapi_iter_record(&it, record);
            write(&it, rec, &svm->lifs[k], k);
            snprintf(place, sizeof(place), "%zu", k);
            room = zapi_iter_row(&it, rec, svm->name, place, NULL);
        }
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

int zapi_net_interface_get_iter(struct zapi *z)
{
    return zapi_lifs(z, "net-interface-info", NULL, lif_record);
}

int zapi_ems_autosupport_log(struct zapi *z)
{
    static const char *const texts[] = {"app-version",       "category",     "computer-name",
                                        "event-description", "event-source", "event-id",
                                        "log-level",         "auto-support", NULL};
    bool flag = false;
    uint64_t n = 0;
    for (size_t i = 0; texts[i]; i++) {
        if (!zapi_need(z, texts[i]))
            return -1;
    }
    return zapi_flag(z, "auto-support", &flag) || zapi_count(z, "event-id", 0, 4294967294U, &n) ||
                   zapi_count(z, "log-level", 0, 7, &n)
               ? -1
               : 0;
}

int zapi_job_get(struct zapi *z)
{
    const char *text = zapi_need(z, "job-id");
    uint64_t id = 0;
    if (!text || zapi_count(z, "job-id", 0, UINT64_MAX, &id))
        return -1;
    sim_lock();
    const struct sim_job *job = sim_job_find(id);
    if (!job || (z->svm && strcmp(job->svm, z->svm->name) != 0)) {
        sim_unlock();
        return sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    }
    bool running = !sim_job_over(job);
    sim_buf_adds(&z->out, "<attributes><job-info>");
    zapi_put(z, "job-completion", running ? "" : job->detail);
    zapi_put_number(z, "job-id", job->id);
    zapi_put(z, "job-name", job->name);
    zapi_put(z, "job-progress", running ? "Running" : job->detail);
    zapi_put(z, "job-state", sim_job_state_name(job));
    zapi_put_number(z, "job-status-code", running ? 0 : (uint64_t)job->num);
    zapi_put(z, "job-uuid", job->uuid);
    zapi_put(z, "job-vserver", job->svm);
    sim_buf_adds(&z->out, "</job-info></attributes>");
    sim_unlock();
    return 0;
}
