/* REST: an export policy for one client, and a volume mounted under it. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- the policy -------------------------------------------------------------------------- */

static int ask_create(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    const struct moon_ontap_access *access = moon_ontap_access(moon_ontap_arg(call, "access"));
    ask->method = "POST";
    ask->changes = true;
    return rest_body(ask, rest_path(ask, "/protocols/nfs/export-policies"),
                     json_pack("{s:s, s:{s:s*}, s:[{s:[{s:s}], s:[s], s:[s], s:[s], s:[s]}]}",
                               "name", moon_ontap_arg(call, "name"), "svm", "name",
                               rest_known(call, "volume.svm"), "rules", "clients", "match",
                               moon_ontap_arg(call, "client"), "protocols", "nfs", "ro_rule", "sys",
                               "rw_rule", access->write, "superuser", access->root),
                     err);
}

const struct rest_verb moon_rest_export_create = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_volume_now, .take = rest_take_volume},
                                        {.ask = ask_create, .take = rest_take_done}}};

static int ask_policy(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/protocols/nfs/export-policies");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "name"));
    rc |= rest_query(ask, "fields", "name,id,svm.name");
    return rc ? rest_no_memory(err) : 0;
}

static int take_policy(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const char *name = moon_ontap_arg(call, "name");
    json_t *record = rest_record(answer, "name", name, &n);
    json_t *id = json_object_get(record, "id");
    if (!record)
        return rest_fail(call, err, MOON_NOT_FOUND, "there is no export policy '%s'", name);
    if (n > 1)
        return rest_fail(call, err, MOON_CONFLICT,
                         "%zu SVMs have an export policy '%s': give the SVM, or its own LIF", n,
                         name);
    if (!json_is_integer(id))
        return rest_fail(call, err, MOON_PROTOCOL, "export policy '%s' has no id", name);
    return rest_remember(call, "id", json_incref(id)) < 0 ? rest_no_memory(err) : REST_NEXT;
}

static int ask_delete(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "DELETE";
    ask->changes = true;
    int rc = rest_path(ask, "/protocols/nfs/export-policies/%lld",
                       (long long)json_integer_value(json_object_get(call->memo, "id")));
    return rc ? rest_no_memory(err) : 0;
}

static int take_gone(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    return rest_record(answer, "name", moon_ontap_arg(call, "name"), &n) ? rest_not_done(call, err)
                                                                         : REST_DONE;
}

const struct rest_verb moon_rest_export_delete = {
    .steps = (const struct rest_step[]){{.ask = ask_policy, .take = take_policy},
                                        {.ask = ask_delete, .take = rest_take_done, .look = 2},
                                        {.ask = ask_policy, .take = take_gone}}};

/* --- the volume -------------------------------------------------------------------------- */

static int ask_export(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "PATCH";
    ask->changes = true;
    int rc = rest_path(ask, "/storage/volumes/%s", rest_known(call, "volume.uuid"));
    rc |= rest_query(ask, "return_timeout", rest_patience(call));
    return rest_body(ask, rc,
                     json_pack("{s:{s:s, s:{s:s}}}", "nas", "path",
                               moon_ontap_arg(call, "junction"), "export_policy", "name",
                               moon_ontap_arg(call, "policy")),
                     err);
}

static int ask_exported(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "volume"));
    rc |= rest_query(ask, "fields", "name,uuid,nas.path,nas.export_policy.name");
    return rc ? rest_no_memory(err) : 0;
}

static int take_exported(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    const json_t *record = rest_record(answer, "name", moon_ontap_arg(call, "volume"), &n);
    const char *path = rest_text(record, "nas.path");
    const char *policy = rest_text(record, "nas.export_policy.name");
    bool so = path && policy && strcmp(path, moon_ontap_arg(call, "junction")) == 0 &&
              strcmp(policy, moon_ontap_arg(call, "policy")) == 0;
    return so ? REST_DONE : rest_not_done(call, err);
}

const struct rest_verb moon_rest_volume_export = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_volume_now, .take = rest_take_volume},
                                        {.ask = ask_export, .take = rest_take_done, .look = 2},
                                        {.ask = ask_exported, .take = take_exported}}};
