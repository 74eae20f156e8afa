/* What the adversary answers: everything that a parser could look for, in one reply, with values that
 * fit or that mean harm; errors and jobs; then damage to the bytes. */
#include "adversary.h"

#include "ontap_codes.h"

#include <string.h>

#define UUID "0c7e5a52-8011-11ee-9d1b-00a098f10001"

/* %s: a name that fits the request; what stands in single quotes becomes a hostile value now and then. */
static const char record[] =
    "{'uuid':'" UUID
    "','name':'%s','state':'online','type':'rw','style':'flexvol','is_svm_root':false,"
    "'svm':{'name':'svm_kvm','uuid':'" UUID "'},'volume':{'name':'vm_nfs01','uuid':'" UUID "'},"
    "'version':{'full':'NetApp Release 9.11.1','generation':9,'major':11,'minor':1},"
    "'nas':{'path':'/vm_nfs01'},'space':{'size':1073741824,'available':5,'used':6},"
    "'clone':{'is_flexclone':true,'parent_volume':{'name':'vm_nfs01','uuid':'" UUID "'},"
    "'parent_snapshot':{'name':'snap1'},'split_initiated':false},"
    "'location':{'volume':{'name':'vm_san01','uuid':'" UUID "'},'qtree':{'name':'q'},"
    "'logical_unit':'web01_disk0'},'serial_number':'80BeR$M7hQwA','os_type':'linux','enabled':true,"
    "'status':{'state':'online','mapped':true},'create_time':'2026-03-14T02:00:01+00:00',"
    "'lun':{'name':'/vol/vm_san01/web01_disk0','uuid':'" UUID "'},'logical_unit_number':3,"
    "'igroup':{'name':'kvmhost1','uuid':'" UUID
    "'},'protocol':'iscsi','initiators':[{'name':'iqn'}],"
    "'owners':['snapmirror_dependent'],'comment':'c','snapmirror_label':'daily','size':12345,"
    "'volumes':[{'name':'vm_nfs01','uuid':'" UUID "'},{'name':'vm_san01','uuid':'" UUID "'}],"
    "'source':{'path':'svm_kvm:vm_san01','svm':{'name':'svm_kvm'}},"
    "'destination':{'path':'svm_vault:vm_san01_v','svm':{'name':'svm_vault'}},"
    "'policy':{'name':'kvm_vault','type':'async'},'healthy':true,'lag_time':'PT24H0M12S',"
    "'transfer':{'uuid':'" UUID "','state':'success','bytes_transferred':5},"
    "'retention':[{'label':'daily','count':30}],'exported_snapshot':'snap1',"
    "'ip':{'address':'192.0.2.21'},'services':['data_nfs'],'scope':'svm','path':'web01','access':'"
    "all',"
    "'modified_time':'2026-03-14T02:00:01+00:00','message':'said so','code':0,'cli_output':'done'}";

static const char *fitting_name(const struct moon_ontap_call *call, const char *url)
{
    static const struct {
        const char *part, *arg;
    } table[] = {{"/snapshots", "name"},         {"/snapshots", "snapshot"},
                 {"/storage/luns", "path"},      {"/igroups", "igroup"},
                 {"/storage/volumes", "volume"}, {"/storage/volumes", "name"},
                 {"/svm/svms", "name"}};
    for (size_t i = 0; url && i < sizeof table / sizeof *table; i++) {
        const char *arg = moon_ontap_arg(call, table[i].arg);
        if (arg && strstr(url, table[i].part))
            return arg;
    }
    const char *path = moon_ontap_arg(call, "path");
    return path && strncmp(path, "/vol/vm_san01/", 14) == 0 ? "vm_san01" : "vm_nfs01";
}

static json_t *harmed(json_t *v);

static void harm_members(json_t *v)
{
    const char *key;
    json_t *member;
    void *next;
    json_object_foreach_safe(v, next, key, member)
    {
        if (adv_wrong(4))
            json_object_del(v, key);
        else
            json_object_set_new(v, key, harmed(json_incref(member)));
    }
}

/* Takes v, gives it or something else. */
static json_t *harmed(json_t *v)
{
    if (json_is_object(v)) {
        harm_members(v);
        return v;
    }
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            json_array_set_new(v, i, harmed(json_incref(json_array_get(v, i))));
        return v;
    }
    if (!adv_wrong(6))
        return v;
    json_decref(v);
    switch (adv_random() % 5) {
    case 0:
        return json_null();
    case 1:
        return json_integer((json_int_t)adv_random());
    case 2:
        return json_array();
    default:
        return json_string_nocheck(adv_hostile());
    }
}

static json_t *make_record(const char *name)
{
    struct moon_buf b = {0};
    json_t *quoted = json_string_nocheck(name);
    char *inner = json_dumps(quoted, JSON_ENCODE_ANY);
    for (const char *p = record; *p; p++) {
        if (strncmp(p, "'%s'", 4) == 0) {
            moon_buf_adds(&b, inner ? inner : "\"\"");
            p += 3;
        } else {
            moon_buf_add(&b, *p == '\'' ? "\"" : p, 1);
        }
    }
    json_t *out = json_loads(b.data, 0, NULL);
    moon_buf_free(&b);
    free(inner);
    json_decref(quoted);
    return out ? harmed(out) : json_object();
}

static json_t *make_error(void)
{
    static const int liked[] = {4, 6, 262179, 262197, 262188, 5374875, 1638555, 525059, 53411925};
    size_t count;
    const struct moon_ontap_fault *all = moon_ontap_rest_faults(&count);
    int code = adv_chance(50) || !count ? ADV_PICK(liked) : all[adv_random() % count].number;
    char number[24];
    snprintf(number, sizeof number, "%d", code);
    return json_pack("{s:s, s:s, s:s}", "message", adv_chance(20) ? "<&\n>" : "entry doesn't exist",
                     "code", number, "target", "restore_to.path");
}

static json_t *make_job(void)
{
    static const char *const states[] = {"success", "success", "failure", "running",
                                         "queued",  "error",   "paused"};
    json_t *job = json_pack("{s:s, s:s, s:s, s:i}", "uuid", UUID, "state", ADV_PICK(states),
                            "message", "said so", "code", adv_chance(50) ? 0 : 1638555);
    if (adv_chance(30))
        json_object_set_new(job, "error", make_error());
    return harmed(job);
}

static json_t *make_list(const struct moon_ontap_call *call, const char *url)
{
    static const char *const nexts[] = {"/api/storage/volumes?start.uuid=x",
                                        "/api/storage/volumes/" UUID "/snapshots?x=y",
                                        "https://192.0.2.66/api/x",
                                        "//192.0.2.66/api",
                                        "/api/../x",
                                        "",
                                        "/servlets",
                                        "x"};
    json_t *rows = json_array();
    for (uint64_t n = adv_random() % 3 + (adv_chance(70) ? 1 : 0); n; n--)
        json_array_append_new(
            rows, make_record(!adv_wrong(20) ? fitting_name(call, url) : adv_hostile()));
    json_t *list = json_pack("{s:o, s:i}", "records", rows, "num_records", 1);
    if (adv_chance(8))
        json_object_set_new(list, "_links",
                            json_pack("{s:{s:s}}", "next", "href", ADV_PICK(nexts)));
    return list;
}

static void answer_rest(const struct moon_ontap_call *call, const struct moon_ontap_request *r,
                        struct moon_http_reply *reply)
{
    static const long bad[] = {400, 400, 403, 404, 404, 405, 409, 429, 500, 502, 503, 302, 401};
    static const char *const places[] = {"/api/storage/volumes/" UUID "/snapshots/?name=snap1",
                                         "/api/application/consistency-groups/" UUID
                                         "/snapshots/" UUID,
                                         "/api/snapmirror/relationships/" UUID "/transfers/" UUID,
                                         "/api/storage/volumes/?restore_to.snapshot.name=x",
                                         "/api/x/..",
                                         "..",
                                         "",
                                         "https://192.0.2.66/"};
    bool get = strcmp(r->method, "GET") == 0;
    json_t *body = NULL;
    reply->status = get ? 200 : adv_chance(50) ? 200 : adv_chance(50) ? 201 : 202;
    if (adv_wrong(25)) {
        reply->status = ADV_PICK(bad);
        body = json_pack("{s:o}", "error", make_error());
    } else if (strstr(r->url, "/cluster/jobs/")) {
        body = make_job();
    } else if (!get && adv_chance(60)) {
        body = json_pack("{s:o}", "job", make_job());
    } else {
        body = adv_chance(40) ? make_record(fitting_name(call, r->url)) : make_list(call, r->url);
    }
    if (!get && adv_chance(70))
        snprintf(reply->location, sizeof reply->location, "%s", ADV_PICK(places));
    char *text = json_dumps(body, JSON_COMPACT);
    moon_buf_adds(&reply->body, text ? text : "{}");
    free(text);
    json_decref(body);
}

/* Every element that a parser of ONTAPI replies may look for; below the records, everything again. */
static const char *const leaves[][2] = {
    {"name", "vm_nfs01"},
    {"vserver-name", "svm_kvm"},
    {"uuid", UUID},
    {"vserver-type", "data"},
    {"state", "online"},
    {"interface-name", "lif1"},
    {"address", "192.0.2.21"},
    {"vserver", "svm_kvm"},
    {"volume", "vm_nfs01"},
    {"access-time", "1773453601"},
    {"busy", "false"},
    {"comment", "c"},
    {"snapmirror-label", "daily"},
    {"snapshot-instance-uuid", UUID},
    {"path", "/vol/vm_san01/web01_disk0"},
    {"qtree", ""},
    {"serial-number", "80BeR$M7hQwA"},
    {"size", "262144"},
    {"size-used", "5"},
    {"online", "true"},
    {"mapped", "false"},
    {"multiprotocol-type", "linux"},
    {"lun-id", "3"},
    {"initiator-group", "kvmhost1"},
    {"initiator-group-name", "kvmhost1"},
    {"cg-id", "42"},
    {"lun-id-assigned", "3"},
    {"is-running", "false"},
    {"sfsr-in-progress", "0"},
    {"max-sfsr-limit", "64"},
    {"result-jobid", "4711"},
    {"job-id", "4711"},
    {"job-state", "success"},
    {"job-status-code", "0"},
    {"file-size", "12345"},
    {"file-type", "file"},
    {"modified-timestamp", "1773453601"},
    {"destination-location", "svm_vault:vm_san01_v"},
    {"source-location", "svm_kvm:vm_san01"},
    {"mirror-state", "snapmirrored"},
    {"relationship-status", "idle"},
    {"lag-time", "5"},
    {"newest-snapshot", "snap1"},
    {"is-healthy", "true"},
    {"policy", "kvm_vault"},
    {"policy-name", "p"},
    {"parent-volume", "vm_nfs01"},
    {"parent-snapshot", "snap1"},
    {"num-failed", "0"},
    {"num-succeeded", "1"},
    {"version", "NetApp Release 9.11.1"},
    {"major-version", "1"},
    {"minor-version", "211"},
    {"is-clustered", "true"},
    {"junction-path", "/vm_nfs01"},
    {"instance-uuid", UUID},
    {"owning-vserver-name", "svm_kvm"},
    {"type", "rw"},
};

static void put_leaves(struct moon_buf *b, const char *name)
{
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        const char *text = leaves[i][1];
        if (adv_wrong(3))
            continue;
        if (adv_wrong(4))
            text = adv_hostile();
        else if (name && strstr("name path volume destination-location", leaves[i][0]))
            text = name;
        moon_buf_addf(b, "<%s>", leaves[i][0]);
        if (moon_ontap_plain_path(text) || adv_chance(50)) {
            /* escaped by hand: hostile text may not be valid XML at all */
            for (const char *p = text; *p; p++)
                moon_buf_adds(b, *p == '<' ? "&lt;" : *p == '&' ? "&amp;" : (char[]){*p, '\0'});
        }
        moon_buf_addf(b, "</%s>", leaves[i][0]);
    }
}

static const char *const records[] = {
    "volume-attributes",  "snapshot-info",          "lun-info",
    "lun-map-info",       "initiator-group-info",   "snapmirror-info",
    "volume-clone-info",  "snapmirror-policy-info", "vserver-info",
    "net-interface-info", "cluster-identity-info",  "job-info",
    "file-info",
};

static const char *const blocks[] = {"volume-id-attributes", "volume-state-attributes",
                                     "volume-space-attributes", "volume-clone-attributes"};

static void put_records(struct moon_buf *b, const char *list, const char *name)
{
    moon_buf_addf(b, "<%s>", list);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        if (adv_chance(10))
            continue;
        moon_buf_addf(b, "<%s>", records[i]);
        for (size_t k = 0; k < sizeof blocks / sizeof *blocks && i == 0; k++) {
            moon_buf_addf(b, "<%s>", blocks[k]);
            put_leaves(b, name);
            moon_buf_addf(b, "</%s>", blocks[k]);
        }
        put_leaves(b, name);
        moon_buf_addf(b, "</%s>", records[i]);
    }
    moon_buf_addf(b, "</%s>", list);
}

static void answer_zapi(const struct moon_ontap_call *call, struct moon_http_reply *reply)
{
    static const char *const statuses[] = {"succeeded", "in_progress", "failed", ""};
    static const int liked[] = {13005, 13020, 13021, 13024, 13040, 15661, 15801, 17131, 61253};
    static const char *const names[] = {"volume", "name", "path", "destination"};
    struct moon_buf *b = &reply->body;
    size_t count;
    const struct moon_ontap_fault *all = moon_ontap_zapi_faults(&count);
    const char *name = moon_ontap_arg(call, ADV_PICK(names));
    reply->status = adv_wrong(4) ? 503 : adv_wrong(3) ? 401 : adv_wrong(3) ? 404 : 200;
    moon_buf_adds(b, "<?xml version='1.0' encoding='UTF-8' ?>\n<netapp version='1.191'>");
    if (adv_wrong(25)) {
        int number = adv_chance(50) ? ADV_PICK(liked) : all[adv_random() % count].number;
        moon_buf_addf(b, "<results status=\"failed\" errno=\"%d\" reason=\"no\"/></netapp>",
                      number);
        return;
    }
    moon_buf_adds(b, "<results status=\"passed\">");
    if (adv_chance(30))
        moon_buf_addf(b,
                      "<result-status>%s</result-status><result-error-code>%d</result-error-code>",
                      ADV_PICK(statuses), ADV_PICK(liked));
    put_records(b, "attributes-list", name);
    if (adv_chance(60))
        put_records(b, "attributes", name);
    put_leaves(b, name);
    if (adv_chance(8))
        moon_buf_addf(b, "<next-tag>tag%u</next-tag>", (unsigned)(adv_random() % 3));
    if (adv_wrong(8))
        moon_buf_adds(b, "<volume-errors><volume-error><errno>13023</errno><name>v</name>"
                         "</volume-error></volume-errors>");
    if (adv_wrong(8))
        moon_buf_adds(b, "<failure-list><x><error-code>13001</error-code></x></failure-list>");
    moon_buf_adds(b, "</results></netapp>");
}

/* Cut, bits flipped, a piece doubled. */
static void damage(struct moon_buf *b)
{
    if (!b->len)
        return;
    if (adv_chance(50))
        b->len = (size_t)(adv_random() % b->len);
    for (uint64_t n = adv_random() % 6; n && b->len; n--) {
        uint64_t at = adv_random() % (b->len * 8);
        b->data[at / 8] = (char)(b->data[at / 8] ^ (1 << at % 8));
    }
    b->data[b->len] = '\0';
}

void adv_answer(const struct moon_ontap_call *call, const struct moon_ontap_request *request,
                struct moon_http_reply *reply)
{
    if (call->ops == &moon_ontap_zapi)
        answer_zapi(call, reply);
    else
        answer_rest(call, request, reply);
    if (adv_wrong(10))
        damage(&reply->body);
}
