/* Cluster, nodes, SVMs, LIFs over REST. */
#include "rest.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field cluster_fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"version.full", REST_KEY, 0},
    {"version.generation", 0, 0},
    {"version.major", 0, 0},
    {"version.minor", 0, 0},
    {"contact", 0, 0},
    {"location", 0, 0},
    {"dns_domains", 0, 0},
    {"name_servers", 0, 0},
    {"ntp_servers", 0, 0},
    {"timezone.name", 0, 0},
    {"san_optimized", 0, 0},
    {"disaggregated", 0, REST_V(9, 16, 1)},
};

static void version_part(struct rest_list *l)
{
    const unsigned *v = sim.ontap_version;
    AUTO_FREE char *full = sim_printf("NetApp Release %s: Wed Jan 10 12:00:00 UTC 2024", sim.ontap);
    rest_text(l, "version.full", full);
    rest_number(l, "version.generation", v[0]);
    rest_number(l, "version.major", v[1]);
    rest_number(l, "version.minor", v[2]);
}

int rest_cluster_get(struct rest *r)
{
    struct rest_list l;
    if (rest_object_begin(&l, r, cluster_fields, COUNT(cluster_fields)))
        return -1;
    rest_record(&l);
    rest_text(&l, "uuid", sim.cluster_uuid);
    rest_text(&l, "name", sim.cluster);
    version_part(&l);
    rest_text(&l, "timezone.name", "Etc/UTC");
    rest_flag(&l, "san_optimized", false);
    rest_flag(&l, "disaggregated", false);
    return rest_object_end(&l, "/cluster");
}

static const struct rest_field node_fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"serial_number", 0, 0},
    {"model", 0, 0},
    {"version.full", 0, 0},
    {"version.generation", 0, 0},
    {"version.major", 0, 0},
    {"version.minor", 0, 0},
    {"state", 0, REST_V(9, 7, 0)},
    {"membership", 0, 0},
    {"is_all_flash_optimized", 0, 0},
    {"is_all_flash_select_optimized", 0, 0},
    {"is_capacity_optimized", 0, 0},
};

int rest_nodes_get(struct rest *r)
{
    struct rest_list l;
    char uuid[37];
    if (rest_list_begin(&l, r, node_fields, COUNT(node_fields)))
        return -1;
    AUTO_FREE char *name = sim_printf("%s-01", sim.cluster);
    /* One node: its uuid is the cluster's with another first digit. */
    snprintf(uuid, sizeof(uuid), "%s", sim.cluster_uuid);
    uuid[0] = uuid[0] == '0' ? '1' : '0';
    if (!l.keys[0]) {
        rest_record(&l);
        rest_text(&l, "uuid", uuid);
        rest_text(&l, "name", name);
        rest_text(&l, "serial_number", "4048820-60-9");
        rest_text(&l, "model", "SIMBOX");
        version_part(&l);
        rest_text(&l, "state", "up");
        rest_text(&l, "membership", "member");
        rest_flag(&l, "is_all_flash_optimized", false);
        rest_flag(&l, "is_all_flash_select_optimized", false);
        rest_flag(&l, "is_capacity_optimized", false);
        AUTO_FREE char *self = sim_printf("/cluster/nodes/%s", uuid);
        rest_row(&l, self, name, NULL, NULL);
    }
    return rest_list_end(&l);
}

/* Nothing is kept but the entry in the request log. */
int rest_application_log(struct rest *r)
{
    static const char *const names[] = {"computer_name", "event_source",         "app_version",
                                        "category",      "event_description",    "event_id",
                                        "severity",      "autosupport_required", NULL};
    static const char *const severities[] = {"emergency", "alert", "error", "notice"};
    bool known = false, flag = false;
    uint64_t id = 0;
    if (rest_accept(r, names))
        return -1;
    for (size_t i = 0; names[i]; i++) {
        if (!rest_need(r, names[i]))
            return -1;
    }
    const char *severity = rest_arg(r, "severity");
    for (size_t i = 0; i < COUNT(severities); i++)
        known = known || !strcmp(severities[i], severity);
    if (!known)
        return rest_fail(r, 983146, "severity", "\"%.40s\" is no severity.", severity);
    if (rest_count_arg(r, "event_id", 0, UINT32_MAX, &id) ||
        rest_flag_arg(r, "autosupport_required", &flag))
        return -1;
    r->status = sim.ems_status;
    return 0;
}

static const struct rest_field svm_fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"state", 0, 0},
    {"subtype", 0, 0},
    {"language", 0, 0},
    {"comment", 0, 0},
    {"ipspace.name", 0, 0},
    {"snapshot_policy.name", 0, 0},
    {"aggregates", REST_LIST, 0},
    {"aggregates.name", 0, 0},
    {"ip_interfaces", REST_LIST, 0},
    {"ip_interfaces.name", 0, 0},
    {"ip_interfaces.uuid", 0, 0},
    {"ip_interfaces.ip.address", 0, 0},
    {"nfs.enabled", 0, 0},
    {"nfs.allowed", 0, REST_V(9, 7, 0)},
    {"iscsi.enabled", 0, 0},
    {"iscsi.allowed", 0, REST_V(9, 7, 0)},
    {"cifs.enabled", 0, 0},
    {"cifs.allowed", 0, REST_V(9, 7, 0)},
    {"fcp.enabled", 0, 0},
    {"fcp.allowed", 0, REST_V(9, 7, 0)},
    {"nvme.enabled", 0, 0},
    {"nvme.allowed", 0, REST_V(9, 7, 0)},
    {"ndmp.allowed", 0, REST_V(9, 7, 0)},
    {"max_volumes", 0, REST_V(9, 9, 1)},
};

static json_t *aggregates_of(const struct sim_svm *svm)
{
    json_t *list = json_array();
    for (size_t i = 0; i < svm->volume_count; i++) {
        const char *name = svm->volumes[i]->aggregate;
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = !strcmp(svm->volumes[k]->aggregate, name);
        if (!seen)
            json_array_append_new(list, rest_ref(name, NULL));
    }
    return list;
}

static json_t *interfaces_of(const struct sim_svm *svm)
{
    json_t *list = json_array();
    for (size_t i = 0; i < svm->lif_count; i++) {
        json_t *item = rest_ref(svm->lifs[i].name, svm->lifs[i].uuid);
        json_object_set_new(item, "ip", json_pack("{s:s}", "address", svm->lifs[i].address));
        json_array_append_new(list, item);
    }
    return list;
}

static void svm_record(struct rest_list *l, const struct sim_svm *svm)
{
    static const struct {
        const char *enabled, *allowed;
        bool on;
    } protocols[] = {{"nfs.enabled", "nfs.allowed", true},
                     {"iscsi.enabled", "iscsi.allowed", true},
                     {"cifs.enabled", "cifs.allowed", false},
                     {"fcp.enabled", "fcp.allowed", false},
                     {"nvme.enabled", "nvme.allowed", false}};
    rest_text(l, "uuid", svm->uuid);
    rest_text(l, "name", svm->name);
    rest_text(l, "state", "running");
    rest_text(l, "subtype", "default");
    rest_text(l, "language", "c.utf_8");
    rest_text(l, "comment", "");
    rest_text(l, "ipspace.name", "Default");
    rest_text(l, "snapshot_policy.name", "none");
    if (rest_wants(l, "aggregates"))
        rest_put(l, "aggregates", aggregates_of(svm));
    if (rest_wants(l, "ip_interfaces"))
        rest_put(l, "ip_interfaces", interfaces_of(svm));
    for (size_t i = 0; i < COUNT(protocols); i++) {
        rest_flag(l, protocols[i].enabled, protocols[i].on);
        rest_flag(l, protocols[i].allowed, protocols[i].on);
    }
    rest_flag(l, "ndmp.allowed", false);
    rest_text(l, "max_volumes", "unlimited");
}

int rest_svms_get(struct rest *r)
{
    struct rest_list l;
    if (rest_list_begin(&l, r, svm_fields, COUNT(svm_fields)))
        return -1;
    sim_lock();
    for (size_t i = sim_svm_after(l.keys[0], false); i < sim.svm_count; i++) {
        const struct sim_svm *svm = sim.svms[i];
        char self[64];
        if (!rest_sees(r, svm))
            continue;
        rest_record(&l);
        svm_record(&l, svm);
        snprintf(self, sizeof(self), "/svm/svms/%s", svm->uuid);
        if (!rest_row(&l, self, svm->name, NULL, NULL))
            break;
    }
    sim_unlock();
    return rest_list_end(&l);
}

int rest_svm_get(struct rest *r)
{
    struct rest_list l;
    const struct sim_svm *found = NULL;
    if (rest_object_begin(&l, r, svm_fields, COUNT(svm_fields)))
        return -1;
    sim_lock();
    for (size_t i = 0; i < sim.svm_count; i++) {
        if (rest_sees(r, sim.svms[i]) && !strcmp(sim.svms[i]->uuid, r->params[0]))
            found = sim.svms[i];
    }
    rest_record(&l);
    if (found)
        svm_record(&l, found);
    sim_unlock();
    if (found)
        return rest_object_end(&l, sim_arena_printf(&r->arena, "/svm/svms/%s", found->uuid));
    rest_list_drop(&l);
    return rest_missing_entry(r, "uuid");
}

static const struct rest_field lif_fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"ip.address", 0, 0},
    {"ip.family", 0, 0},
    {"ip.netmask", 0, 0},
    {"enabled", 0, 0},
    {"state", 0, 0},
    {"scope", 0, 0},
    {"ipspace.name", 0, 0},
    {"services", 0, 0},
    {"service_policy.name", 0, 0},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
    {"location.is_home", 0, 0},
    {"location.home_node.name", 0, 0},
    {"location.home_port.name", 0, 0},
    {"location.home_port.node.name", 0, 0},
    {"location.node.name", 0, 0},
    {"location.port.name", 0, 0},
    {"location.port.node.name", 0, 0},
    {"location.auto_revert", 0, 0},
    {"location.failover", 0, 0},
};

static json_t *services_of(const struct sim_lif *lif)
{
    static const struct {
        unsigned service;
        const char *name;
    } names[] = {{SIM_LIF_NFS | SIM_LIF_ISCSI, "data_core"},
                 {SIM_LIF_NFS, "data_nfs"},
                 {SIM_LIF_ISCSI, "data_iscsi"},
                 {SIM_LIF_MGMT, "management_https"}};
    json_t *list = json_array();
    for (size_t i = 0; i < COUNT(names); i++) {
        if (lif->services & names[i].service)
            json_array_append_new(list, json_string(names[i].name));
    }
    return list;
}

static void lif_record(struct rest_list *l, const struct sim_svm *svm, const struct sim_lif *lif)
{
    bool v6 = strchr(lif->address, ':') != NULL;
    AUTO_FREE char *node = sim_printf("%s-01", sim.cluster);
    rest_text(l, "uuid", lif->uuid);
    rest_text(l, "name", lif->name);
    rest_text(l, "ip.address", lif->address);
    rest_text(l, "ip.family", v6 ? "ipv6" : "ipv4");
    rest_text(l, "ip.netmask", v6 ? "64" : "24");
    rest_flag(l, "enabled", !lif->down);
    rest_text(l, "state", lif->down ? "down" : "up");
    rest_text(l, "scope", "svm");
    rest_text(l, "ipspace.name", "Default");
    if (rest_wants(l, "services"))
        rest_put(l, "services", services_of(lif));
    rest_text(l, "service_policy.name", "default-data-files");
    rest_text(l, "svm.name", svm->name);
    rest_text(l, "svm.uuid", svm->uuid);
    rest_flag(l, "location.is_home", true);
    rest_text(l, "location.home_node.name", node);
    rest_text(l, "location.home_port.name", "e0c");
    rest_text(l, "location.home_port.node.name", node);
    rest_text(l, "location.node.name", node);
    rest_text(l, "location.port.name", "e0c");
    rest_text(l, "location.port.node.name", node);
    rest_flag(l, "location.auto_revert", true);
    rest_text(l, "location.failover", "broadcast_domain_only");
}

static const struct rest_field fc_fields[] = {
    {"uuid", REST_KEY, 0},
    {"name", REST_KEY, 0},
    {"wwpn", 0, 0},
    {"wwnn", 0, 0},
    {"data_protocol", 0, 0},
    {"enabled", 0, 0},
    {"state", 0, 0},
    {"svm.name", 0, 0},
    {"svm.uuid", 0, 0},
    {"location.node.name", 0, 0},
    {"location.port.name", 0, 0},
};

static void fc_record(struct rest_list *l, const struct sim_svm *svm, const struct sim_lif *lif)
{
    AUTO_FREE char *node = sim_printf("%s-01", sim.cluster);
    rest_text(l, "uuid", lif->uuid);
    rest_text(l, "name", lif->name);
    rest_text(l, "wwpn", lif->wwpn);
    rest_text(l, "data_protocol", "fcp");
    rest_flag(l, "enabled", !lif->down);
    rest_text(l, "state", lif->down ? "down" : "up");
    rest_text(l, "svm.name", svm->name);
    rest_text(l, "svm.uuid", svm->uuid);
    rest_text(l, "location.node.name", node);
    rest_text(l, "location.port.name", "0e");
}

/* The two kinds of LIF, IP and Fibre Channel, are two collections. */
struct lif_kind {
    const struct rest_field *fields;
    size_t count;
    const char *path;
    void (*record)(struct rest_list *l, const struct sim_svm *svm, const struct sim_lif *lif);
    bool fc;
};

static const struct lif_kind ip = {lif_fields, COUNT(lif_fields), "/network/ip/interfaces",
                                   lif_record, false};
static const struct lif_kind fc = {fc_fields, COUNT(fc_fields), "/network/fc/interfaces", fc_record,
                                   true};

static bool is_kind(const struct lif_kind *kind, const struct sim_lif *lif)
{
    return kind->fc ? (lif->services & SIM_LIF_FCP) != 0 : lif->address != NULL;
}

/* One SVM's LIFs from the place where the last page ended. False: the page is full. */
static bool list_lifs(struct rest_list *l, const struct lif_kind *kind, const struct sim_svm *svm,
                      size_t from)
{
    bool room = true;
    for (size_t k = from; k < svm->lif_count && room; k++) {
        char place[24], self[80];
        if (!is_kind(kind, &svm->lifs[k]))
            continue;
        rest_record(l);
        kind->record(l, svm, &svm->lifs[k]);
        snprintf(place, sizeof(place), "%zu", k);
        snprintf(self, sizeof(self), "%s/%s", kind->path, svm->lifs[k].uuid);
        room = rest_row(l, self, svm->name, place, NULL);
    }
    return room;
}

static int get_lifs(struct rest *r, const struct lif_kind *kind)
{
    struct rest_list l;
    uint64_t place = 0;
    bool room = true;
    if (rest_list_begin(&l, r, kind->fields, kind->count))
        return -1;
    const char *after = l.keys[0];
    if (after && (!l.keys[1] || !sim_number(l.keys[1], 0, UINT32_MAX, &place))) {
        rest_list_drop(&l);
        return rest_invalid(r, "start.after", after, NULL);
    }
    sim_lock();
    for (size_t i = sim_svm_after(after, true); i < sim.svm_count && room; i++) {
        const struct sim_svm *svm = sim.svms[i];
        bool same = after && !strcmp(after, svm->name);
        room = !rest_sees(r, svm) || list_lifs(&l, kind, svm, same ? (size_t)place + 1 : 0);
    }
    sim_unlock();
    return rest_list_end(&l);
}

static int get_lif(struct rest *r, const struct lif_kind *kind)
{
    struct rest_list l;
    bool found = false;
    if (rest_object_begin(&l, r, kind->fields, kind->count))
        return -1;
    sim_lock();
    for (size_t i = 0; i < sim.svm_count; i++) {
        const struct sim_svm *svm = sim.svms[i];
        for (size_t k = 0; rest_sees(r, svm) && k < svm->lif_count; k++) {
            if (!is_kind(kind, &svm->lifs[k]) || strcmp(svm->lifs[k].uuid, r->params[0]) != 0)
                continue;
            found = true;
            rest_record(&l);
            kind->record(&l, svm, &svm->lifs[k]);
        }
    }
    sim_unlock();
    if (found)
        return rest_object_end(&l, sim_arena_printf(&r->arena, "%s/%s", kind->path, r->params[0]));
    rest_list_drop(&l);
    return rest_missing_entry(r, "uuid");
}

int rest_ip_interfaces_get(struct rest *r)
{
    return get_lifs(r, &ip);
}

int rest_ip_interface_get(struct rest *r)
{
    return get_lif(r, &ip);
}

int rest_fc_interfaces_get(struct rest *r)
{
    return get_lifs(r, &fc);
}

int rest_fc_interface_get(struct rest *r)
{
    return get_lif(r, &fc);
}
