/* ONTAPI: an export policy for one client, and a volume mounted under it. */
#include "ontap_zapi.h"

#include "auto.h"

#include <string.h>

/* --- the policy -------------------------------------------------------------------------- */

static int build_policy(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "policy-name", "name", err);
}

static int take_policy(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    (void)results, (void)err;
    return zapi_go(call, 1);
}

static int put_flavor(struct moon_buf *b, const char *element, const char *flavor,
                      struct moon_err *err)
{
    return moon_buf_addf(b, "<%s>", element) | zapi_put(b, "security-flavor", flavor, err) |
           moon_buf_addf(b, "</%s>", element);
}

static int build_rule(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const struct moon_ontap_access *access = moon_ontap_access(moon_ontap_arg(c, "access"));
    return zapi_put_arg(b, c, "policy-name", "name", err) |
           zapi_put_arg(b, c, "client-match", "client", err) |
           put_flavor(b, "ro-rule", "sys", err) | put_flavor(b, "rw-rule", access->write, err) |
           put_flavor(b, "super-user-security", access->root, err) |
           moon_buf_adds(b, "<protocol><access-protocol>nfs</access-protocol></protocol>");
}

const struct zapi_verb zapi_export_create = {
    .steps = (const struct zapi_step[]){
        {.call = "export-policy-create", .build = build_policy, .take = take_policy},
        {.call = "export-rule-create", .build = build_rule}}};

const struct zapi_verb zapi_export_delete = {
    .steps = (const struct zapi_step[]){{.call = "export-policy-destroy", .build = build_policy}}};

/* --- the volume -------------------------------------------------------------------------- */

enum { MODIFY, MOUNT, LOOK };

/* The call changes all that a query finds, so the query must find exactly one. */
static int build_modify(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    const char *volume = moon_ontap_arg(c, "volume");
    if (!zapi_plain(volume, false))
        return zapi_fail(c, err, MOON_INVALID, "'%s' is not the name of a volume", volume);
    int rc = moon_buf_adds(b, "<query><volume-attributes><volume-id-attributes>");
    rc |= zapi_put(b, "name", volume, err);
    rc |= moon_buf_adds(b, "</volume-id-attributes></volume-attributes></query><attributes>"
                           "<volume-attributes><volume-export-attributes>");
    rc |= zapi_put_arg(b, c, "policy", "policy", err);
    return rc | moon_buf_adds(b, "</volume-export-attributes></volume-attributes></attributes>");
}

static int take_modified(struct moon_ontap_call *call, const xmlNode *results, struct moon_err *err)
{
    int64_t n = 0;
    const xmlNode *failure =
        moon_xml_child(moon_xml_child(results, "failure-list"), "volume-modify-iter-info");
    if (failure) {
        AUTO_FREE char *reason = moon_xml_child_text(failure, "error-message");
        moon_xml_child_int(failure, "error-code", 0, INT32_MAX, &n, NULL);
        return zapi_fault(call, (int)n, reason ? reason : "", err);
    }
    if (moon_xml_child_int(results, "num-succeeded", 0, INT32_MAX, &n, NULL) == 0 && n == 0)
        return zapi_fail(call, err, MOON_NOT_FOUND, "no such volume");
    return zapi_go(call, MOUNT);
}

static int build_mount(struct moon_buf *b, const struct moon_ontap_call *c, struct moon_err *err)
{
    return zapi_put_arg(b, c, "volume-name", "volume", err) |
           zapi_put_arg(b, c, "junction-path", "junction", err) |
           zapi_put(b, "activate-junction", "true", err);
}

static const struct zapi_list exported = {
    .call = "volume-get-iter",
    .record = "volume-attributes",
    .fields =
        (const struct zapi_field[]){
            {.key = "name", .path = "volume-id-attributes/name"},
            {.key = "junction", .path = "volume-id-attributes/junction-path"},
            {.key = "policy", .path = "volume-export-attributes/policy"},
            {0}},
    .filters =
        (const struct zapi_filter[]){{"volume", "volume-id-attributes/name", "name", ZAPI_EXACT},
                                     {0}},
};

static int rows_exported(struct moon_ontap_call *call, const json_t *rows, struct moon_err *err)
{
    const json_t *row = json_array_get(rows, 0);
    bool so = strcmp(zapi_value(row, "junction"), moon_ontap_arg(call, "junction")) == 0 &&
              strcmp(zapi_value(row, "policy"), moon_ontap_arg(call, "policy")) == 0;
    return so ? ZAPI_DONE : zapi_not_so(call, err);
}

const struct zapi_verb zapi_volume_export = {
    .steps =
        (const struct zapi_step[]){
            [MODIFY] = {.call = "volume-modify-iter", .build = build_modify, .take = take_modified},
            [MOUNT] = {.call = "volume-mount", .build = build_mount},
            [LOOK] = {.list = &exported, .rows = rows_exported}},
    .look = LOOK};
