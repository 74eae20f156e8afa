/* ONTAPI requests: login, parse, scope, faults, dispatch, reply. */
#include "zapi.h"
#include "access.h"
#include "backend.h"
#include "cg.h"
#include "mirror.h"
#include "requests.h"
#include "server.h"

#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

static const struct zapi_call calls[] = {
    {"aggr-get-iter", zapi_aggr_get_iter, ZAPI_CLUSTER, false},
    {"cg-commit", zapi_cg_commit, ZAPI_ANY, true},
    {"cg-start", zapi_cg_start, ZAPI_ANY, true},
    {"clone-create", zapi_clone_create, ZAPI_ANY, true},
    {"cluster-identity-get", zapi_cluster_identity_get, ZAPI_CLUSTER, false},
    {"cluster-node-get-iter", zapi_cluster_node_get_iter, ZAPI_CLUSTER, false},
    {"ems-autosupport-log", zapi_ems_autosupport_log, ZAPI_ANY, true},
    {"export-policy-create", zapi_export_policy_create, ZAPI_ANY, true},
    {"export-policy-destroy", zapi_export_policy_destroy, ZAPI_ANY, true},
    {"export-rule-create", zapi_export_rule_create, ZAPI_ANY, true},
    {"file-delete-file", zapi_file_delete_file, ZAPI_ANY, true},
    {"file-get-file-info", zapi_file_get_file_info, ZAPI_ANY, false},
    {"file-list-directory-iter", zapi_file_list_directory_iter, ZAPI_ANY, false},
    {"file-rename-file", zapi_file_rename_file, ZAPI_ANY, true},
    {"file-usage-get", zapi_file_usage_get, ZAPI_ANY, false},
    {"igroup-add", zapi_igroup_add, ZAPI_ANY, true},
    {"igroup-create", zapi_igroup_create, ZAPI_ANY, true},
    {"igroup-destroy", zapi_igroup_destroy, ZAPI_ANY, true},
    {"igroup-get-iter", zapi_igroup_get_iter, ZAPI_ANY, false},
    {"igroup-list-info", zapi_igroup_list_info, ZAPI_ANY, false},
    {"igroup-remove", zapi_igroup_remove, ZAPI_ANY, true},
    {"igroup-rename", zapi_igroup_rename, ZAPI_ANY, true},
    {"iscsi-interface-get-iter", zapi_iscsi_interface_get_iter, ZAPI_ANY, false},
    {"iscsi-service-get-iter", zapi_iscsi_service_get_iter, ZAPI_ANY, false},
    {"job-get", zapi_job_get, ZAPI_ANY, false},
    {"lun-create-by-size", zapi_lun_create_by_size, ZAPI_ANY, true},
    {"lun-destroy", zapi_lun_destroy, ZAPI_ANY, true},
    {"lun-get-comment", zapi_lun_get_comment, ZAPI_ANY, false},
    {"lun-get-geometry", zapi_lun_get_geometry, ZAPI_ANY, false},
    {"lun-get-iter", zapi_lun_get_iter, ZAPI_ANY, false},
    {"lun-get-serial-number", zapi_lun_get_serial_number, ZAPI_ANY, false},
    {"lun-initiator-list-map-info", zapi_lun_initiator_list_map_info, ZAPI_ANY, false},
    {"lun-map", zapi_lun_map, ZAPI_ANY, true},
    {"lun-map-get-iter", zapi_lun_map_get_iter, ZAPI_ANY, false},
    {"lun-map-list-info", zapi_lun_map_list_info, ZAPI_ANY, false},
    {"lun-move", zapi_lun_move, ZAPI_ANY, true},
    {"lun-offline", zapi_lun_offline, ZAPI_ANY, true},
    {"lun-online", zapi_lun_online, ZAPI_ANY, true},
    {"lun-resize", zapi_lun_resize, ZAPI_ANY, true},
    {"lun-restore-status", zapi_lun_restore_status, ZAPI_ANY, false},
    {"lun-set-comment", zapi_lun_set_comment, ZAPI_ANY, true},
    {"lun-set-serial-number", zapi_lun_set_serial_number, ZAPI_ANY, true},
    {"lun-set-space-reservation-info", zapi_lun_set_space_reservation_info, ZAPI_ANY, true},
    {"lun-unmap", zapi_lun_unmap, ZAPI_ANY, true},
    {"net-interface-get-iter", zapi_net_interface_get_iter, ZAPI_ANY, false},
    {"qtree-create", zapi_qtree_create, ZAPI_ANY, true},
    {"qtree-delete", zapi_qtree_delete, ZAPI_ANY, true},
    {"qtree-list-iter", zapi_qtree_list_iter, ZAPI_ANY, false},
    {"sis-get-iter", zapi_sis_get_iter, ZAPI_ANY, false},
    {"snapmirror-abort", zapi_snapmirror_abort, ZAPI_ANY, true},
    {"snapmirror-break", zapi_snapmirror_break, ZAPI_ANY, true},
    {"snapmirror-create", zapi_snapmirror_create, ZAPI_ANY, true},
    {"snapmirror-destroy", zapi_snapmirror_destroy, ZAPI_ANY, true},
    {"snapmirror-destroy-iter", zapi_snapmirror_destroy_iter, ZAPI_ANY, true},
    {"snapmirror-get", zapi_snapmirror_get, ZAPI_ANY, false},
    {"snapmirror-get-destination-iter", zapi_snapmirror_get_destination_iter, ZAPI_ANY, false},
    {"snapmirror-get-iter", zapi_snapmirror_get_iter, ZAPI_ANY, false},
    {"snapmirror-history-get-iter", zapi_snapmirror_history_get_iter, ZAPI_ANY, false},
    {"snapmirror-initialize", zapi_snapmirror_initialize, ZAPI_ANY, true},
    {"snapmirror-modify", zapi_snapmirror_modify, ZAPI_ANY, true},
    {"snapmirror-policy-add-rule", zapi_snapmirror_policy_add_rule, ZAPI_ANY, true},
    {"snapmirror-policy-create", zapi_snapmirror_policy_create, ZAPI_ANY, true},
    {"snapmirror-policy-delete", zapi_snapmirror_policy_delete, ZAPI_ANY, true},
    {"snapmirror-policy-get-iter", zapi_snapmirror_policy_get_iter, ZAPI_ANY, false},
    {"snapmirror-policy-remove-rule", zapi_snapmirror_policy_remove_rule, ZAPI_ANY, true},
    {"snapmirror-quiesce", zapi_snapmirror_quiesce, ZAPI_ANY, true},
    {"snapmirror-release", zapi_snapmirror_release, ZAPI_ANY, true},
    {"snapmirror-release-iter", zapi_snapmirror_release_iter, ZAPI_ANY, true},
    {"snapmirror-restore", zapi_snapmirror_restore, ZAPI_ANY, true},
    {"snapmirror-resume", zapi_snapmirror_resume, ZAPI_ANY, true},
    {"snapmirror-resync", zapi_snapmirror_resync, ZAPI_ANY, true},
    {"snapmirror-snapshot-owner-create", zapi_snapmirror_snapshot_owner_create, ZAPI_ANY, true},
    {"snapmirror-snapshot-owner-destroy", zapi_snapmirror_snapshot_owner_destroy, ZAPI_ANY, true},
    {"snapmirror-snapshot-owner-get", zapi_snapmirror_snapshot_owner_get, ZAPI_ANY, false},
    {"snapmirror-update", zapi_snapmirror_update, ZAPI_ANY, true},
    {"snapshot-create", zapi_snapshot_create, ZAPI_ANY, true},
    {"snapshot-delete", zapi_snapshot_delete, ZAPI_ANY, true},
    {"snapshot-get-iter", zapi_snapshot_get_iter, ZAPI_ANY, false},
    {"snapshot-modify-iter", zapi_snapshot_modify_iter, ZAPI_ANY, true},
    {"snapshot-rename", zapi_snapshot_rename, ZAPI_ANY, true},
    {"snapshot-restore-file", zapi_snapshot_restore_file, ZAPI_ANY, true},
    {"snapshot-restore-file-info", zapi_snapshot_restore_file_info, ZAPI_ANY, false},
    {"snapshot-restore-volume", zapi_snapshot_restore_volume, ZAPI_ANY, true},
    {"system-get-ontapi-version", zapi_system_get_ontapi_version, ZAPI_ANY, false},
    {"system-get-version", zapi_system_get_version, ZAPI_ANY, false},
    {"system-node-get-iter", zapi_system_node_get_iter, ZAPI_CLUSTER, false},
    {"volume-clone-create", zapi_volume_clone_create, ZAPI_ANY, true},
    {"volume-clone-get", zapi_volume_clone_get, ZAPI_ANY, false},
    {"volume-clone-get-iter", zapi_volume_clone_get_iter, ZAPI_ANY, false},
    {"volume-clone-split-start", zapi_volume_clone_split_start, ZAPI_ANY, true},
    {"volume-clone-split-status", zapi_volume_clone_split_status, ZAPI_ANY, false},
    {"volume-clone-split-stop", zapi_volume_clone_split_stop, ZAPI_ANY, true},
    {"volume-create", zapi_volume_create, ZAPI_ANY, true},
    {"volume-destroy", zapi_volume_destroy, ZAPI_ANY, true},
    {"volume-get-iter", zapi_volume_get_iter, ZAPI_ANY, false},
    {"volume-get-volume-path", zapi_volume_get_volume_path, ZAPI_ANY, false},
    {"volume-modify-iter", zapi_volume_modify_iter, ZAPI_ANY, true},
    {"volume-mount", zapi_volume_mount, ZAPI_ANY, true},
    {"volume-offline", zapi_volume_offline, ZAPI_ANY, true},
    {"volume-online", zapi_volume_online, ZAPI_ANY, true},
    {"volume-rename", zapi_volume_rename, ZAPI_ANY, true},
    {"volume-restrict", zapi_volume_restrict, ZAPI_ANY, true},
    {"volume-size", zapi_volume_size, ZAPI_ANY, true},
    {"volume-unmount", zapi_volume_unmount, ZAPI_ANY, true},
    {"vserver-get-iter", zapi_vserver_get_iter, ZAPI_ANY, false},
    {"vserver-peer-get-iter", zapi_vserver_peer_get_iter, ZAPI_ANY, false},
    {"wafl-sync", zapi_wafl_sync, ZAPI_ANY, true},
};

static const struct zapi_call *find_call(const char *name)
{
    size_t lo = 0, hi = sizeof(calls) / sizeof(calls[0]);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = strcmp(calls[mid].name, name);
        if (order == 0)
            return &calls[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* No network, no external entities, no entity replacement; a DTD with declarations is refused. */
static xmlDoc *parse(const struct sim_http *h, struct sim_err *err)
{
    xmlDoc *doc = NULL;
    if (h->body_len > 0 && h->body_len < INT32_MAX)
        doc = xmlReadMemory(h->body, (int)h->body_len, "request", NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc) {
        sim_fail(err, SIM_EGENERIC, "The request is not well-formed XML.");
        return NULL;
    }
    if (doc->intSubset && doc->intSubset->children) {
        sim_fail(err, SIM_EGENERIC, "The request declares entities.");
        xmlFreeDoc(doc);
        return NULL;
    }
    return doc;
}

static int check_version(struct zapi *z, const char *version, bool tunnel)
{
    unsigned major = 0, minor = 0;
    int end = 0;
    if (!version)
        return 0;
    if (sscanf(version, "%5u.%5u%n", &major, &minor, &end) != 2 || version[end] ||
        major != sim.ontapi_major || minor > sim.ontapi_minor || (tunnel && minor < 15))
        return sim_fail(&z->err, SIM_EVERSION, "Version %.20s is not supported; this is %u.%u.",
                        version, sim.ontapi_major, sim.ontapi_minor);
    return 0;
}

static char *attribute(struct zapi *z, xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    char *copy = value ? sim_arena_dup(&z->arena, (const char *)value) : NULL;
    xmlFree(value);
    return copy;
}

static int open_request(struct zapi *z, const struct sim_http *h, xmlDoc *doc,
                        const struct zapi_call **call)
{
    xmlNode *root = xmlDocGetRootElement(doc);
    if (!root || strcmp((const char *)root->name, "netapp") != 0)
        return sim_fail(&z->err, SIM_EGENERIC, "The root element is not netapp.");
    const xmlNode *node = zapi_first(root);
    if (!node || zapi_next(node))
        return sim_fail(&z->err, SIM_EGENERIC, "A request holds exactly one call.");
    z->call = node;
    z->name = sim_arena_dup(&z->arena, (const char *)node->name);
    if (sim.zapi == SIM_ZAPI_SUSPENDED)
        return sim_fail(&z->err, SIM_ESUSPENDED, "ONTAPI service is suspended on this cluster.");
    const char *vfiler = attribute(z, root, "vfiler");
    if (check_version(z, attribute(z, root, "version"), vfiler && *vfiler) ||
        sim_scope(h, z->user, vfiler, NULL, &z->svm, &z->err))
        return -1;
    *call = find_call(z->name);
    if (!*call)
        return sim_fail(&z->err, SIM_ENOAPI, "Unable to find API: %.80s", z->name);
    if ((*call)->scope == ZAPI_CLUSTER && z->svm)
        return sim_scope_refuse(z->name, &z->err);
    if (!sim_may_call(z->user, z->name))
        return sim_fail(&z->err, SIM_EPRIVILEGE,
                        "Insufficient privileges: user '%.60s' does not have access to %.80s.",
                        z->user->name, z->name);
    return 0;
}

enum { VOLUMES = 64 };

/* Which volumes does the call name? For fault rules and the request log. */
static size_t named_volumes(struct zapi *z, const char *out[VOLUMES])
{
    size_t n = 0;
    uint64_t cg = 0;
    const char *rest;
    static const char *const names[] = {"volume", "volume-name", "parent-volume", "name", NULL};
    const char *volume = NULL;
    for (size_t i = 0; names[i] && !volume; i++)
        volume = zapi_arg(z, names[i]);
    if (!volume)
        zapi_split_path(z, zapi_arg(z, "path"), &volume, &rest);
    const char *to = zapi_arg(z, "destination-location"), *svm;
    if (!volume && to)
        sim_mirror_location(&z->arena, to, &svm, &volume);
    if (volume)
        out[n++] = volume;
    const xmlNode *list = zapi_child(z->call, "volumes");
    for (const xmlNode *v = list ? zapi_first(list) : NULL; v && n < VOLUMES; v = zapi_next(v))
        out[n++] = zapi_text(&z->arena, v);
    if (z->svm && sim_number(zapi_arg(z, "cg-id"), 0, UINT64_MAX, &cg)) {
        sim_lock();
        for (size_t i = 0; i < z->svm->volume_count && n < VOLUMES; i++) {
            if (sim_cg_has(z->svm, cg, z->svm->volumes[i]->name))
                out[n++] = z->svm->volumes[i]->name;
        }
        sim_unlock();
    }
    if (n == 0 && strstr(z->name, "-iter")) {
        const xmlNode *query = zapi_child(z->call, "query");
        const xmlNode *info = query ? zapi_first(query) : NULL;
        const xmlNode *field = info ? zapi_child(info, "volume") : NULL;
        out[n++] = field ? zapi_text(&z->arena, field) : "*";
    }
    return n;
}

/* "vol1,vol2:name" for the log. */
static char *describe(struct zapi *z, const char *const *volumes, size_t count)
{
    static const char *const details[] = {
        "snapshot", "current-name",      "new-name",        "cg-id",
        "path",     "event-description", "source-snapshot", NULL};
    AUTO_BUF struct sim_buf b = {0};
    for (size_t i = 0; i < count && b.len < 200; i++)
        sim_buf_addf(&b, "%s%s", i ? "," : "", volumes[i]);
    for (size_t i = 0; details[i]; i++) {
        const char *text = zapi_arg(z, details[i]);
        if (text)
            sim_buf_addf(&b, "%s%.255s", b.len ? ":" : "", text);
    }
    return sim_arena_dup(&z->arena, b.data ? b.data : "");
}

/* A rule for one volume of a call that handles several is the handler's business, and so is what
 * happens to pages. */
static bool for_handler(const struct zapi *z, const struct sim_fault *f)
{
    if (f->action == SIM_FAULT_REPEAT)
        return true;
    return f->volume[0] && (sim_fault_fails(f) || f->action == SIM_FAULT_LOSE) &&
           (!strcmp(z->name, "cg-commit") || !strcmp(z->name, "snapshot-get-iter"));
}

/* The call has started something that will not end well. */
static void put_doomed_job(struct zapi *z, const struct sim_fault *f)
{
    z->out.len = 0;
    sim_lock();
    uint64_t job = sim_fault_job(f, z->name, z->svm ? z->svm->name : "");
    sim_unlock();
    zapi_put_number(z, "result-jobid", job);
    zapi_put(z, "result-status", "in_progress");
}

/* Carry the call out, or what a fault makes of it. */
static int run(struct zapi *z, const struct zapi_call *call, struct sim_fault *f)
{
    sim_fault_wait(f);
    if (for_handler(z, f)) {
        z->fault = *f;
        if (f->action == SIM_FAULT_REPEAT)
            z->fault.volume[0] = '\0';
        f->action = SIM_FAULT_NONE;
    }
    int rc = sim_fault_skips(f) ? 0 : call->fn(z);
    if (!rc && call->changing)
        rc = sim_backend_sync(&z->err);
    if (sim_fault_fails(f))
        rc = sim_fault_error(f, z->name, &z->err);
    else if (sim_fault_has_job(f) && !rc)
        put_doomed_job(z, f);
    return rc;
}

/* Both quotes and any order of the attributes are seen in the field; on demand each reply has
 * another mixture. */
static void open_results(const struct zapi *z, struct sim_buf *b)
{
    static atomic_uint count;
    unsigned turn = sim.mixed_quotes ? count++ : 0;
    char quote = turn % 2 ? '\'' : '"';
    sim_buf_adds(b, "<results");
    for (unsigned i = 0; i < 3; i++) {
        unsigned which = (i + turn / 2) % 3;
        if (which == 1)
            sim_buf_addf(b, " status=%c%s%c", quote, z->err.num ? "failed" : "passed", quote);
        if (which == 2 && z->err.num)
            sim_buf_addf(b, " errno=%c%d%c", quote, z->err.num, quote);
        if (which != 0 || !z->err.num)
            continue;
        sim_buf_addf(b, " reason=%c", quote);
        sim_buf_xml(b, z->err.reason);
        sim_buf_addf(b, "%c", quote);
    }
}

static void write_reply(struct zapi *z, struct sim_http *h, int64_t started)
{
    struct sim_buf *b = &h->out;
    h->status = 200;
    h->type = "text/xml";
    sim_buf_addf(b,
                 "<?xml version='1.0' encoding='UTF-8' ?>\n"
                 "<!DOCTYPE netapp SYSTEM 'file:/etc/netapp_gx.dtd'>\n"
                 "<netapp version='%u.%u' xmlns='http://www.netapp.com/filer/admin'>\n",
                 sim.ontapi_major, sim.ontapi_minor);
    if (sim.comments)
        sim_buf_addf(b, "<!-- served in %lld ms -->\n", (long long)(sim_now_ms() - started));
    open_results(z, b);
    if (z->err.num || !z->out.len) {
        sim_buf_adds(b, "/></netapp>\n");
    } else {
        sim_buf_adds(b, ">");
        sim_buf_add(b, z->out.data, z->out.len);
        sim_buf_adds(b, "</results></netapp>\n");
    }
}

static void answer(struct zapi *z, struct sim_http *h, xmlDoc *doc, int64_t started)
{
    const struct zapi_call *call = NULL;
    const char *volumes[VOLUMES];
    const char *object = "";
    struct sim_fault *f = &h->fault;
    if (doc && !open_request(z, h, doc, &call)) {
        size_t n = named_volumes(z, volumes);
        object = describe(z, volumes, n);
        sim_fault_match(call->name, z->svm ? z->svm->name : "", volumes, n, f);
        if (run(z, call, f) && !z->err.num)
            sim_fail(&z->err, SIM_EINTERNAL, "Internal error.");
    }
    write_reply(z, h, started);
    const char *status = sim_fault_outcome(f, z->err.num != 0);
    sim_requests_add(&(struct sim_request){call ? call->name : NULL, z->svm ? z->svm->name : "",
                                           z->user->name, status, object, z->err.num,
                                           call && call->changing});
}

void sim_zapi_serve(struct sim_http *h)
{
    int64_t started = sim_now_ms();
    struct zapi z = {.user = sim_login(h), .name = ""};
    if (sim.zapi == SIM_ZAPI_OFF) {
        sim_http_text(h, 404, "Not found.");
    } else if (strcmp(h->method, "POST") != 0) {
        sim_http_text(h, 405, "POST only.");
    } else if (!z.user) {
        sim_requests_add(&(struct sim_request){.status = "unauthorized", .num = 401});
        sim_http_text(h, 401, "Unauthorized.");
    } else {
        sim_sleep(sim.latency_ms);
        xmlDoc *doc = parse(h, &z.err);
        answer(&z, h, doc, started);
        xmlFreeDoc(doc);
    }
    sim_buf_free(&z.out);
    sim_arena_free(&z.arena);
}
