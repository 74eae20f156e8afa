/* LUN maps and igroups over REST. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- lists ------------------------------------------------------------------------------- */

static int ask_maps(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/protocols/san/lun-maps");
    rc |= rest_match(ask, "lun.name", moon_ontap_arg(call, "path"));
    rc |= rest_match(ask, "igroup.name", moon_ontap_arg(call, "igroup"));
    rc |= rest_query(ask, "fields",
                     "lun.name,lun.uuid,igroup.name,igroup.uuid,logical_unit_number,svm.name");
    return rc ? rest_no_memory(err) : 0;
}

static bool is_wanted_map(const struct moon_ontap_call *call, const json_t *record)
{
    return rest_wanted(moon_ontap_arg(call, "path"), rest_text(record, "lun.name")) &&
           rest_wanted(moon_ontap_arg(call, "igroup"), rest_text(record, "igroup.name"));
}

static bool row_map(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    rest_put_text(row, "path", record, "lun.name");
    rest_put_text(row, "igroup", record, "igroup.name");
    rest_put_int(row, "id", record, "logical_unit_number");
    rest_put_text(row, "svm", record, "svm.name");
    return is_wanted_map(call, record);
}

const struct rest_verb moon_rest_lun_maps = {
    .steps = (const struct rest_step[]){{.ask = ask_maps, .take = rest_take_rows, .list = true}},
    .row = row_map};

static int ask_igroups(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/protocols/san/igroups");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "name"));
    rc |= rest_query(ask, "fields", "name,svm.name,protocol,os_type,initiators.name");
    return rc ? rest_no_memory(err) : 0;
}

static bool row_igroup(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "svm", record, "svm.name");
    rest_put_text(row, "protocol", record, "protocol");
    rest_put_text(row, "os_type", record, "os_type");
    rest_put_list(row, "initiators", record, "initiators", "name");
    return rest_wanted(moon_ontap_arg(call, "name"), rest_text(record, "name"));
}

const struct rest_verb moon_rest_igroups = {
    .steps = (const struct rest_step[]){{.ask = ask_igroups, .take = rest_take_rows, .list = true}},
    .row = row_igroup};

/* --- map --------------------------------------------------------------------------------- */

/* The map of the LUN to the igroup in an answer, or NULL. */
static const json_t *its_map(const struct moon_ontap_call *call, const json_t *answer)
{
    json_t *record;
    size_t i;
    json_array_foreach (json_object_get(answer, "records"), i, record) {
        if (is_wanted_map(call, record))
            return record;
    }
    return NULL;
}

static int ask_map(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "POST";
    ask->changes = true;
    return rest_body(ask, rest_path(ask, "/protocols/san/lun-maps"),
                     json_pack("{s:{s:s*}, s:{s:s}, s:{s:s}, s:O*}", "svm", "name",
                               rest_known(call, "lun.svm"), "lun", "name",
                               moon_ontap_arg(call, "path"), "igroup", "name",
                               moon_ontap_arg(call, "igroup"), "logical_unit_number",
                               json_object_get(call->args, "id")),
                     err);
}

/* The number that the LUN got, which the answer to the request need not tell. */
static int take_map(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *map = its_map(call, answer);
    if (!map && rest_in_doubt(call))
        return rest_not_done(call, err);
    if (!map)
        return rest_fail(call, err, MOON_IO, "the map was made, but is not there");
    if (!(call->op.result = json_object()))
        return rest_no_memory(err);
    rest_put_int(call->op.result, "id", map, "logical_unit_number");
    return REST_DONE;
}

const struct rest_verb moon_rest_lun_map = {
    .steps = (const struct rest_step[]){{.ask = rest_ask_lun, .take = rest_take_lun},
                                        {.ask = ask_map, .take = rest_take_next, .look = 2},
                                        {.ask = ask_maps, .take = take_map}}};

/* --- unmap ------------------------------------------------------------------------------- */

static int ask_igroup(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/protocols/san/igroups");
    rc |= rest_match(ask, "name", moon_ontap_arg(call, "igroup"));
    rc |= rest_query(ask, "fields", "name,uuid");
    return rc ? rest_no_memory(err) : 0;
}

static int take_igroup(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    size_t n;
    if (rest_record(answer, "name", moon_ontap_arg(call, "igroup"), &n))
        return REST_NEXT;
    return rest_fail(call, err, MOON_NOT_FOUND, "there is no igroup '%s'",
                     moon_ontap_arg(call, "igroup"));
}

static int take_old_map(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *map = its_map(call, answer);
    const char *lun = rest_uuid(map, "lun.uuid"), *igroup = rest_uuid(map, "igroup.uuid");
    if (!map)
        return REST_DONE;
    if (!lun || !igroup)
        return rest_fail(call, err, MOON_PROTOCOL, "the map has no uuids");
    return rest_remember(call, "map", json_pack("{s:s, s:s}", "lun", lun, "igroup", igroup)) < 0
               ? rest_no_memory(err)
               : REST_NEXT;
}

static int ask_unmap(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    ask->method = "DELETE";
    ask->changes = true;
    int rc = rest_path(ask, "/protocols/san/lun-maps/%s/%s", rest_known(call, "map.lun"),
                       rest_known(call, "map.igroup"));
    return rc ? rest_no_memory(err) : 0;
}

/* Somebody else was faster. */
static int unmap_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    (void)call, (void)status;
    return err->code == MOON_NOT_FOUND && err->native ? REST_DONE : -1;
}

static int take_unmapped(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    return its_map(call, answer) ? rest_not_done(call, err) : REST_DONE;
}

const struct rest_verb moon_rest_lun_unmap = {
    .steps = (const struct rest_step[]){
        {.ask = rest_ask_lun, .take = rest_take_lun},
        {.ask = ask_igroup, .take = take_igroup},
        {.ask = ask_maps, .take = take_old_map},
        {.ask = ask_unmap, .take = rest_take_done, .refused = unmap_refused, .look = 4},
        {.ask = ask_maps, .take = take_unmapped}}};
