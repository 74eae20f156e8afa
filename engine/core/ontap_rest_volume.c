/* Volumes over REST. They are addressed by uuid: a name is looked up once and then remembered. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

/* --- which volume ------------------------------------------------------------------------ */

/* The volume that a step or the call names, or the one in the path of a LUN or file
 * (/vol/VOLUME/...). */
static int volume_name(const struct moon_ontap_call *call, char *out, size_t size,
                       struct moon_err *err)
{
    const char *which = rest_known(call, "which"), *path = moon_ontap_arg(call, "path");
    const char *name = which ? which : moon_ontap_arg(call, "volume");
    size_t len = name ? strlen(name) : 0;
    if (!name && path && strncmp(path, "/vol/", 5) == 0) {
        name = path + 5;
        len = strcspn(name, "/");
        if (name[len] == '\0')
            len = 0;
    }
    if (len == 0 || len >= size)
        return rest_fail(call, err, MOON_INVALID, "a path is /vol/VOLUME/REST");
    snprintf(out, size, "%.*s", (int)len, name);
    return 0;
}

int rest_ask_volume_now(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    char name[256];
    if (volume_name(call, name, sizeof name, err) < 0)
        return -1;
    int rc = rest_path(ask, "/storage/volumes");
    rc |= rest_match(ask, "name", name);
    rc |= rest_query(ask, "fields", "name,uuid,svm.name");
    return rc ? rest_no_memory(err) : 0;
}

int rest_ask_volume(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    char name[256];
    if (volume_name(call, name, sizeof name, err) < 0)
        return -1;
    json_t *known = json_object_get(call->ontap->uuids, name);
    if (!known)
        return rest_ask_volume_now(call, ask, err);
    if (rest_remember(call, "volume", json_copy(known)) < 0 ||
        rest_remember(call, "remembered", json_string(name)) < 0)
        return rest_no_memory(err);
    return REST_NEXT;
}

int rest_take_volume(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    char name[256];
    size_t n;
    if (volume_name(call, name, sizeof name, err) < 0)
        return -1;
    const json_t *record = rest_record(answer, "name", name, &n);
    if (!record)
        return rest_fail(call, err, MOON_NOT_FOUND, "volume '%s' is not there", name);
    if (n > 1)
        return rest_fail(call, err, MOON_CONFLICT,
                         "%zu SVMs have a volume '%s': give the SVM, or its own LIF", n, name);
    const char *uuid = rest_uuid(record, "uuid"), *svm = rest_text(record, "svm.name");
    json_t *volume = json_pack("{s:s*, s:s*, s:s}", "uuid", uuid, "svm", svm, "name", name);
    if (!uuid || !volume) {
        json_decref(volume);
        return rest_fail(call, err, MOON_PROTOCOL, "volume '%s' has no uuid", name);
    }
    json_object_set(call->ontap->uuids, name, volume);
    return rest_remember(call, "volume", volume) < 0 ? rest_no_memory(err) : REST_NEXT;
}

/* --- volumes ----------------------------------------------------------------------------- */

#define VOLUME_FIELDS                                                                              \
    "name,uuid,svm.name,nas.path,type,style,state,space.size,space.available,space.used"

/* Early releases do not know is_svm_root, and refuse a list with it: then it is asked for without. */
static int ask_volumes(struct moon_ontap_call *call, struct rest_ask *ask, struct moon_err *err)
{
    int rc = rest_path(ask, "/storage/volumes");
    rc |= rest_pattern(ask, "name", moon_ontap_arg(call, "name"));
    rc |= rest_match(ask, "nas.path", moon_ontap_arg(call, "junction"));
    bool plain = json_object_get(call->memo, "plain") != NULL;
    rc |= rest_query(ask, "fields", plain ? VOLUME_FIELDS : VOLUME_FIELDS ",is_svm_root");
    return rc ? rest_no_memory(err) : 0;
}

static int volumes_refused(struct moon_ontap_call *call, int status, struct moon_err *err)
{
    if (status != 400 || call->tag || json_object_get(call->memo, "plain"))
        return -1;
    return rest_remember(call, "plain", json_true()) < 0 ? rest_no_memory(err) : REST_AGAIN;
}

static bool row_volume(const struct moon_ontap_call *call, const json_t *record, json_t *row)
{
    const char *want = moon_ontap_arg(call, "name"), *name = rest_text(record, "name");
    if ((want && (!name || !rest_matches(want, name))) ||
        !rest_wanted(moon_ontap_arg(call, "junction"), rest_text(record, "nas.path")))
        return false;
    rest_put_text(row, "name", record, "name");
    rest_put_text(row, "uuid", record, "uuid");
    rest_put_text(row, "svm", record, "svm.name");
    rest_put_text(row, "junction", record, "nas.path");
    rest_put_text(row, "type", record, "type");
    rest_put_text(row, "style", record, "style");
    rest_put_text(row, "state", record, "state");
    rest_put_bool(row, "svm_root", record, "is_svm_root");
    rest_put_int(row, "size", record, "space.size");
    rest_put_int(row, "available", record, "space.available");
    rest_put_int(row, "used", record, "space.used");
    return true;
}

/* Later calls need the uuids, and a guest may wait for them then. Only where a name can mean one
 * volume only: a list of one SVM, or one without two of that name. */
static void remember_rows(struct moon_ontap_call *call)
{
    AUTO_JSON json_t *seen = json_object();
    json_t *row;
    size_t i;
    json_array_foreach (call->op.result, i, row) {
        const char *name = rest_text(row, "name"), *uuid = rest_uuid(row, "uuid");
        if (!name || !uuid)
            continue;
        bool twice = json_object_get(seen, name) != NULL;
        json_object_set_new(seen, name, json_true());
        json_object_del(call->ontap->uuids, name);
        if (!twice)
            json_object_set_new(call->ontap->uuids, name,
                                json_pack("{s:s, s:s, s:s*}", "name", name, "uuid", uuid, "svm",
                                          rest_text(row, "svm")));
    }
}

static int take_volumes(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    int rc = rest_take_rows(call, answer, err);
    bool whole = json_is_array(call->op.result) && !moon_ontap_arg(call, "page");
    if (rc == REST_DONE && whole && (call->ontap->svm || !moon_ontap_arg(call, "junction")))
        remember_rows(call);
    return rc;
}

const struct rest_verb moon_rest_volumes = {
    .steps =
        (const struct rest_step[]){
            {.ask = ask_volumes, .take = take_volumes, .refused = volumes_refused, .list = true}},
    .row = row_volume};
