/* REST requests: login, route, scope, faults, dispatch, reply. */
#include "rest.h"
#include "access.h"
#include "backend.h"
#include "group.h"
#include "lun.h"
#include "requests.h"
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define V96   REST_V(9, 6, 0)
#define V9101 REST_V(9, 10, 1)
#define V9111 REST_V(9, 11, 1)

/* The first row that fits. */
static const struct rest_route routes[] = {
    {"GET /application/consistency-groups", rest_groups_get, V9101, REST_ANY, REST_DO_CG},
    {"POST /application/consistency-groups", rest_group_create, V9101, REST_ANY, REST_DO_CG},
    {"GET /application/consistency-groups/{uuid}", rest_group_get, V9101, REST_ANY, REST_DO_CG},
    {"PATCH /application/consistency-groups/{uuid}", rest_group_patch, V9101, REST_ANY, REST_DO_CG},
    {"DELETE /application/consistency-groups/{uuid}", rest_group_delete, V9101, REST_ANY,
     REST_DO_CG},
    {"GET /application/consistency-groups/{uuid}/snapshots", rest_group_snaps_get, V9101, REST_ANY,
     REST_DO_CG},
    {"POST /application/consistency-groups/{uuid}/snapshots", rest_group_snap_create, V9101,
     REST_ANY, REST_DO_CG_SNAP},
    {"GET /application/consistency-groups/{uuid}/snapshots/{uuid}", rest_group_snap_get, V9101,
     REST_ANY, REST_DO_CG},
    {"PATCH /application/consistency-groups/{uuid}/snapshots/{uuid}", rest_group_snap_patch, V9111,
     REST_ANY, REST_DO_CG_COMMIT},
    {"DELETE /application/consistency-groups/{uuid}/snapshots/{uuid}", rest_group_snap_delete,
     V9101, REST_ANY, REST_DO_CG_SNAP},
    {"POST /support/ems/application-logs", rest_application_log, V9111, REST_ANY, REST_DO_ANY},
    {"GET /cluster", rest_cluster_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /cluster/jobs", rest_jobs_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /cluster/jobs/{uuid}", rest_job_get, V96, REST_ANY, REST_DO_ANY},
    {"PATCH /cluster/jobs/{uuid}", rest_job_patch, V96, REST_ANY, REST_DO_ANY},
    {"GET /cluster/nodes", rest_nodes_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /network/fc/interfaces", rest_fc_interfaces_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /network/fc/interfaces/{uuid}", rest_fc_interface_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /network/ip/interfaces", rest_ip_interfaces_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /network/ip/interfaces/{uuid}", rest_ip_interface_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /private/cli/vserver", rest_cli_vserver_get, V96, REST_ANY, REST_DO_ANY},
    {"POST /private/cli/volume/snapshot/restore-file", rest_cli_restore_file, V96, REST_ANY,
     REST_DO_RESTORE},
    {"GET /protocols/san/iscsi/services", rest_iscsi_services_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /storage/aggregates", rest_aggregates_get, V96, REST_CLUSTER, REST_DO_ANY},
    {"GET /protocols/nfs/export-policies", rest_export_policies_get, V96, REST_ANY, REST_DO_ANY},
    {"POST /protocols/nfs/export-policies", rest_export_policy_create, V96, REST_ANY, REST_DO_ANY},
    {"DELETE /protocols/nfs/export-policies/{id}", rest_export_policy_delete, V96, REST_ANY,
     REST_DO_ANY},
    {"GET /storage/volumes", rest_volumes_get, V96, REST_ANY, REST_DO_ANY},
    {"POST /storage/volumes", rest_volume_create, V96, REST_ANY, REST_DO_VOLUME_CREATE},
    {"PATCH /storage/volumes", rest_volumes_patch, V96, REST_ANY, REST_DO_VOLUME_MODIFY},
    {"DELETE /storage/volumes", rest_volumes_delete, V96, REST_ANY, REST_DO_VOLUME_DELETE},
    {"GET /storage/volumes/{uuid}", rest_volume_get, V96, REST_ANY, REST_DO_ANY},
    {"PATCH /storage/volumes/{uuid}", rest_volume_patch, V96, REST_ANY, REST_DO_VOLUME_MODIFY},
    {"DELETE /storage/volumes/{uuid}", rest_volume_delete, V96, REST_ANY, REST_DO_VOLUME_DELETE},
    {"GET /storage/volumes/{uuid}/files", rest_files_get, V96, REST_ANY, REST_DO_FILE},
    {"GET /storage/volumes/{uuid}/files/{path...}", rest_files_get, V96, REST_ANY, REST_DO_FILE},
    {"PATCH /storage/volumes/{uuid}/files/{path...}", rest_file_patch, V96, REST_ANY, REST_DO_FILE},
    {"DELETE /storage/volumes/{uuid}/files/{path...}", rest_file_delete, V96, REST_ANY,
     REST_DO_FILE},
    {"GET /storage/volumes/{uuid}/snapshots", rest_snapshots_get, V96, REST_ANY, REST_DO_ANY},
    {"POST /storage/volumes/*/snapshots", rest_snapshots_bulk, V9111, REST_ANY,
     REST_DO_SNAP_CREATE},
    {"POST /storage/volumes/{uuid}/snapshots", rest_snapshot_create, V96, REST_ANY,
     REST_DO_SNAP_CREATE},
    {"DELETE /storage/volumes/{uuid}/snapshots", rest_snapshots_delete, V96, REST_ANY,
     REST_DO_SNAP_DELETE},
    {"GET /storage/volumes/{uuid}/snapshots/{uuid}", rest_snapshot_get, V96, REST_ANY, REST_DO_ANY},
    {"PATCH /storage/volumes/{uuid}/snapshots/{uuid}", rest_snapshot_patch, V96, REST_ANY,
     REST_DO_SNAP_MODIFY},
    {"DELETE /storage/volumes/{uuid}/snapshots/{uuid}", rest_snapshot_delete, V96, REST_ANY,
     REST_DO_SNAP_DELETE},
    {"GET /snapmirror/policies", rest_policies_get, V96, REST_ANY, REST_DO_MIRROR},
    {"POST /snapmirror/policies", rest_policy_create, V96, REST_ANY, REST_DO_MIRROR},
    {"GET /snapmirror/policies/{uuid}", rest_policy_get, V96, REST_ANY, REST_DO_MIRROR},
    {"PATCH /snapmirror/policies/{uuid}", rest_policy_patch, V96, REST_ANY, REST_DO_MIRROR},
    {"DELETE /snapmirror/policies/{uuid}", rest_policy_delete, V96, REST_ANY, REST_DO_MIRROR},
    {"GET /snapmirror/relationships", rest_mirrors_get, V96, REST_ANY, REST_DO_MIRROR},
    {"POST /snapmirror/relationships", rest_mirror_create, V96, REST_ANY, REST_DO_MIRROR},
    {"GET /snapmirror/relationships/{uuid}", rest_mirror_get, V96, REST_ANY, REST_DO_MIRROR},
    {"PATCH /snapmirror/relationships/{uuid}", rest_mirror_patch, V96, REST_ANY, REST_DO_MIRROR},
    {"DELETE /snapmirror/relationships/{uuid}", rest_mirror_delete, V96, REST_ANY, REST_DO_MIRROR},
    {"GET /snapmirror/relationships/{uuid}/transfers", rest_transfers_get, V96, REST_ANY,
     REST_DO_MIRROR},
    {"POST /snapmirror/relationships/{uuid}/transfers", rest_transfer_create, V96, REST_ANY,
     REST_DO_MIRROR},
    {"GET /snapmirror/relationships/{uuid}/transfers/{transfer.uuid}", rest_transfer_get, V96,
     REST_ANY, REST_DO_MIRROR},
    {"PATCH /snapmirror/relationships/{uuid}/transfers/{transfer.uuid}", rest_transfer_patch, V96,
     REST_ANY, REST_DO_MIRROR},
    {"GET /svm/peers", rest_svm_peers_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /protocols/san/igroups", rest_igroups_get, V96, REST_ANY, REST_DO_IGROUP},
    {"POST /protocols/san/igroups", rest_igroup_create, V96, REST_ANY, REST_DO_IGROUP},
    {"GET /protocols/san/igroups/{uuid}", rest_igroup_get, V96, REST_ANY, REST_DO_IGROUP},
    {"PATCH /protocols/san/igroups/{uuid}", rest_igroup_patch, V96, REST_ANY, REST_DO_IGROUP},
    {"DELETE /protocols/san/igroups/{uuid}", rest_igroup_delete, V96, REST_ANY, REST_DO_IGROUP},
    {"GET /protocols/san/igroups/{uuid}/initiators", rest_initiators_get, V96, REST_ANY,
     REST_DO_IGROUP},
    {"POST /protocols/san/igroups/{uuid}/initiators", rest_initiator_create, V96, REST_ANY,
     REST_DO_IGROUP},
    {"DELETE /protocols/san/igroups/{uuid}/initiators/{name}", rest_initiator_delete, V96, REST_ANY,
     REST_DO_IGROUP},
    {"GET /protocols/san/lun-maps", rest_maps_get, V96, REST_ANY, REST_DO_LUN_MAP},
    {"POST /protocols/san/lun-maps", rest_map_create, V96, REST_ANY, REST_DO_LUN_MAP},
    {"GET /protocols/san/lun-maps/{lun}/{igroup}", rest_map_get, V96, REST_ANY, REST_DO_LUN_MAP},
    {"DELETE /protocols/san/lun-maps/{lun}/{igroup}", rest_map_delete, V96, REST_ANY,
     REST_DO_LUN_MAP},
    {"POST /storage/file/clone", rest_file_clone, V96, REST_ANY, REST_DO_FILE_CLONE},
    {"GET /storage/qtrees", rest_qtrees_get, V96, REST_ANY, REST_DO_QTREE},
    {"POST /storage/qtrees", rest_qtree_create, V96, REST_ANY, REST_DO_QTREE},
    {"GET /storage/qtrees/{volume}/{id}", rest_qtree_get, V96, REST_ANY, REST_DO_QTREE},
    {"DELETE /storage/qtrees/{volume}/{id}", rest_qtree_delete, V96, REST_ANY, REST_DO_QTREE},
    {"GET /storage/luns", rest_luns_get, V96, REST_ANY, REST_DO_LUN},
    {"POST /storage/luns", rest_lun_create, V96, REST_ANY, REST_DO_LUN},
    {"PATCH /storage/luns", rest_luns_patch, V96, REST_ANY, REST_DO_LUN},
    {"DELETE /storage/luns", rest_luns_delete, V96, REST_ANY, REST_DO_LUN_DELETE},
    {"GET /storage/luns/{uuid}", rest_lun_get, V96, REST_ANY, REST_DO_LUN},
    {"PATCH /storage/luns/{uuid}", rest_lun_patch, V96, REST_ANY, REST_DO_LUN},
    {"DELETE /storage/luns/{uuid}", rest_lun_delete, V96, REST_ANY, REST_DO_LUN_DELETE},
    {"GET /svm/svms", rest_svms_get, V96, REST_ANY, REST_DO_ANY},
    {"GET /svm/svms/{uuid}", rest_svm_get, V96, REST_ANY, REST_DO_ANY},
};

enum { VOLUMES = 64, FITS_NOT = 0, FITS_PATH = 1, FITS = 2 };

/* One segment of a template against one of the path. */
static bool segment_fits(struct rest *r, const char *want, size_t want_len, const char *have,
                         size_t have_len, size_t *params)
{
    const char *text = rest_decode(&r->arena, have, have_len, false);
    if (!text || !*text)
        return false;
    if (want[0] != '{')
        return strlen(text) == want_len && !strncmp(want, text, want_len);
    if (*params < REST_PARAMS)
        r->params[(*params)++] = text;
    return true;
}

static int route_fits(struct rest *r, const struct rest_route *route)
{
    const char *want = strchr(route->name, ' ') + 1;
    const char *have = r->path;
    size_t params = 0;
    while (*want && *have) {
        want++;
        have += *have == '/';
        size_t want_len = strcspn(want, "/"), have_len = strcspn(have, "/");
        if (want_len > 5 && !strncmp(want + want_len - 4, "...}", 4))
            have_len = strlen(have);
        if (!segment_fits(r, want, want_len, have, have_len, &params))
            return FITS_NOT;
        want += want_len;
        have += have_len;
    }
    if (*want || *have)
        return FITS_NOT;
    size_t n = strlen(r->method);
    return !strncmp(route->name, r->method, n) && route->name[n] == ' ' ? FITS : FITS_PATH;
}

static int find_route(struct rest *r)
{
    bool path = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].since > rest_version())
            continue;
        memset(r->params, 0, sizeof(r->params));
        int fit = route_fits(r, &routes[i]);
        if (fit == FITS) {
            r->route = &routes[i];
            return 0;
        }
        path = path || fit == FITS_PATH;
    }
    rest_fail(r, REST_ENOAPI, NULL, "%s",
              path ? "This operation is not supported." : rest_text_of(REST_ENOAPI));
    if (path)
        r->error.status = 405;
    return -1;
}

/* A request in one SVM does not speak of another. */
static int check_other(struct rest *r, const char *field, const char *own)
{
    const char *text = rest_arg(r, field);
    if (!text || strpbrk(text, "*|!<>{\"") || !strcmp(text, own))
        return 0;
    return rest_fail(r, REST_ECONFLICT, field,
                     "The value \"%.200s\" for field \"%s\" does not match the SVM of the request.",
                     text, field);
}

static int find_scope(struct rest *r, const struct sim_http *h)
{
    const char *name = sim_http_header(h, "X-Dot-SVM-Name");
    const char *uuid = sim_http_header(h, "X-Dot-SVM-UUID");
    struct sim_err err = {0};
    if (sim_scope(h, r->user, name, uuid, &r->svm, &err))
        return rest_fail_model(r, REST_DO_ANY, &err);
    if (!r->svm || (!name && !uuid))
        return 0;
    return check_other(r, "svm.name", r->svm->name) || check_other(r, "svm.uuid", r->svm->uuid) ? -1
                                                                                                : 0;
}

static int read_body(struct rest *r, const struct sim_http *h)
{
    json_error_t err;
    if (!strcmp(r->method, "GET") || strspn(h->body, " \r\n\t") == h->body_len)
        return 0;
    r->body = json_loadb(h->body, h->body_len, JSON_REJECT_DUPLICATES, &err);
    if (r->body && !json_is_object(r->body)) {
        json_decref(r->body);
        r->body = NULL;
        snprintf(err.text, sizeof(err.text), "not an object");
    }
    return r->body ? 0 : rest_fail(r, REST_ESYNTAX, NULL, "The body is no JSON: %s.", err.text);
}

static int open_request(struct rest *r, const struct sim_http *h)
{
    bool ignore = false;
    if (!rest_parse_uri(r, h->uri))
        return rest_fail(r, REST_ESYNTAX, NULL, "The address of the request cannot be read.");
    const char *accept = sim_http_header(h, "Accept");
    r->hal = !accept || strstr(accept, "hal+json") || strstr(accept, "*/*");
    if (find_route(r) || read_body(r, h) || find_scope(r, h))
        return -1;
    AUTO_FREE char *path = sim_printf("/api%s", r->path);
    if ((r->route->scope == REST_CLUSTER && r->svm) || !sim_may_rest(r->user, r->method, path))
        return rest_fail(r, REST_EDENIED, NULL, "%s", rest_text_of(REST_EDENIED));
    if (rest_query_arg(r, "ignore_unknown_fields") && rest_version() < V9111)
        return rest_fail(r, REST_EUNKNOWN, "ignore_unknown_fields",
                         "Unexpected argument \"ignore_unknown_fields\".");
    return rest_flag_arg(r, "ignore_unknown_fields", &ignore);
}

static void add_volume(const char **out, size_t *n, const char *name)
{
    if (name && *n < VOLUMES)
        out[(*n)++] = name;
}

/* The volume in "/vol/VOLUME/...". */
static const char *volume_of_path(struct rest *r, const char *path)
{
    if (!path || strncmp(path, "/vol/", 5) != 0)
        return NULL;
    char *name = sim_arena_dup(&r->arena, path + 5);
    name[strcspn(name, "/")] = '\0';
    return name;
}

/* Which volumes does the request name? For fault rules and the request log. */
static size_t named_volumes(struct rest *r, const char *out[VOLUMES])
{
    static const char *const names[] = {"volume.name", "volume", "location.volume.name",
                                        "clone.parent_volume.name"};
    size_t n = 0, i;
    json_t *item;
    if (strstr(r->route->name, " /storage/volumes/{") && r->params[0]) {
        struct rest_error kept = r->error;
        sim_lock();
        const struct sim_volume *vol = rest_volume(r, r->params[0]);
        add_volume(out, &n, vol ? sim_arena_dup(&r->arena, vol->name) : NULL);
        sim_unlock();
        r->error = kept;
    }
    if (strstr(r->route->name, " /storage/luns/{")) {
        sim_lock();
        const struct sim_lun *lun = sim_lun_by_uuid(r->svm, r->params[0]);
        add_volume(out, &n, lun ? sim_arena_dup(&r->arena, lun->vol->name) : NULL);
        sim_unlock();
    }
    if (strstr(r->route->name, "/consistency-groups/{")) {
        sim_lock();
        const struct sim_group *group = sim_group_by_uuid(r->params[0]);
        for (i = 0; group && i < group->count; i++)
            add_volume(out, &n, sim_arena_dup(&r->arena, group->vols[i]->name));
        sim_unlock();
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        add_volume(out, &n, rest_arg(r, names[i]));
    add_volume(out, &n, volume_of_path(r, rest_arg(r, "name")));
    add_volume(out, &n, volume_of_path(r, rest_arg(r, "lun.name")));
    if (strstr(r->route->name, " /storage/volumes") && !r->params[0])
        add_volume(out, &n, rest_arg(r, "name"));
    json_array_foreach (rest_body(r, "volumes"), i, item)
        add_volume(out, &n, json_string_value(json_object_get(item, "name")));
    return n;
}

/* "vol1,vol2:name" for the log. */
static char *describe(struct rest *r, const char *const *volumes, size_t count)
{
    static const char *const details[] = {"restore_to.snapshot.name",
                                          "restore_to.path",
                                          "snapshot",
                                          "path",
                                          "name",
                                          "action",
                                          "state",
                                          "source_path",
                                          "destination_path",
                                          "event_description"};
    AUTO_BUF struct sim_buf b = {0};
    for (size_t i = 0; i < count && b.len < 200; i++)
        sim_buf_addf(&b, "%s%s", i ? "," : "", volumes[i]);
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
        const char *text = rest_arg(r, details[i]);
        if (text)
            sim_buf_addf(&b, "%s%.255s", b.len ? ":" : "", text);
    }
    return sim_arena_dup(&r->arena, b.data ? b.data : "");
}

/* What a rule says is the code; without one, the code for the rule's errno. */
static int fault_error(struct rest *r, const struct sim_fault *f)
{
    struct sim_err err = {0};
    sim_fault_error(f, r->route->name, &err);
    rest_fail_model(r, r->route->doing, &err);
    if (f->code) {
        r->error.code = f->code;
        r->error.status = rest_status_of(f->code);
    }
    if (f->status)
        r->error.status = f->status;
    return -1;
}

/* The request has started something that will not end well. */
static int doomed_job(struct rest *r, const struct sim_fault *f)
{
    sim_lock();
    uint64_t id = sim_fault_job(f, "REST", r->svm ? r->svm->name : "");
    struct sim_job *job = sim_job_find(id);
    if (job)
        job->description = sim_printf("%s /api%s", r->method, r->path);
    if (job && !job->code) {
        const struct sim_err err = {.num = job->num};
        job->code = rest_code_of(r->route->doing, &err);
    }
    sim_unlock();
    return rest_await(r, id, 200, NULL);
}

/* A rule for one volume of a request that handles several is the handler's business. */
static bool for_handler(struct rest *r, const struct sim_fault *f)
{
    enum rest_doing doing = r->route->doing;
    bool commits =
        doing == REST_DO_CG_COMMIT || (doing == REST_DO_CG_SNAP && !rest_arg(r, "action"));
    return f->action == SIM_FAULT_LOSE || f->action == SIM_FAULT_REPEAT ||
           f->action == SIM_FAULT_SLOW || (commits && f->volume[0] && sim_fault_fails(f));
}

/* Carry the request out, or what a fault makes of it. */
static int run(struct rest *r, struct sim_fault *f)
{
    sim_fault_wait(f);
    if (for_handler(r, f)) {
        r->fault = *f;
        f->action = SIM_FAULT_NONE;
    }
    struct sim_err err = {0};
    int rc = sim_fault_skips(f) ? 0 : r->route->fn(r);
    if (!rc && strncmp(r->route->name, "GET ", 4) != 0 && sim_backend_sync(&err))
        rc = rest_fail_model(r, r->route->doing, &err);
    if (sim_fault_fails(f))
        return fault_error(r, f);
    if (sim_fault_has_job(f) && !rc)
        return doomed_job(r, f);
    return rc;
}

static json_t *error_doc(const struct rest_error *e)
{
    char code[16];
    snprintf(code, sizeof(code), "%d", e->code);
    json_t *error = json_pack("{s:s, s:s}", "message", e->message, "code", code);
    if (e->target[0])
        json_object_set_new(error, "target", json_string(e->target));
    return json_pack("{s:o}", "error", error);
}

static void write_reply(struct rest *r, struct sim_http *h)
{
    const char *pretty = rest_query_arg(r, "pretty");
    size_t flags = pretty && !strcasecmp(pretty, "true") ? JSON_INDENT(2) : JSON_COMPACT;
    if (r->error.code) {
        json_decref(r->out);
        r->out = error_doc(&r->error);
        h->status = r->error.status;
    } else {
        h->status = r->status ? r->status : 200;
        if (r->location)
            sim_http_add(h, "Location", r->location);
        if (r->link) {
            AUTO_FREE char *link = sim_printf("<%s>; rel=\"next\"", r->link);
            sim_http_add(h, "Link", link);
        }
    }
    h->type = r->hal ? "application/hal+json" : "application/json";
    char *text = r->out ? json_dumps(r->out, flags) : NULL;
    h->out.len = 0;
    sim_buf_adds(&h->out, text ? text : "{}");
    sim_buf_adds(&h->out, "\n");
    free(text);
}

static void answer(struct rest *r, struct sim_http *h)
{
    const char *volumes[VOLUMES];
    const char *object = "";
    struct sim_fault *f = &h->fault;
    if (!open_request(r, h)) {
        size_t n = named_volumes(r, volumes);
        object = describe(r, volumes, n);
        sim_fault_match(r->route->name, r->svm ? r->svm->name : "", volumes, n, f);
        if (run(r, f) && !r->error.code)
            rest_fail(r, 65552, NULL, "Internal error.");
    }
    write_reply(r, h);
    sim_requests_add(
        &(struct sim_request){r->route ? r->route->name : NULL, r->svm ? r->svm->name : "",
                              r->user->name, sim_fault_outcome(f, r->error.code != 0), object,
                              r->error.code, r->route && strcmp(r->method, "GET") != 0});
}

static bool too_old(void)
{
    return rest_version() < V96;
}

void sim_rest_serve(struct sim_http *h)
{
    struct rest r = {
        .user = sim_login(h), .method = h->method, .path = "", .query = "", .hal = true};
    if (!sim.rest || too_old()) {
        sim_http_text(h, 404, "Not found.");
    } else if (!r.user) {
        rest_fail(&r, REST_ELOGIN, NULL, "%s", rest_text_of(REST_ELOGIN));
        write_reply(&r, h);
        sim_requests_add(&(struct sim_request){.status = "unauthorized", .num = 401});
    } else {
        sim_sleep(sim.latency_ms);
        answer(&r, h);
    }
    json_decref(r.body);
    json_decref(r.out);
    sim_arena_free(&r.arena);
}
