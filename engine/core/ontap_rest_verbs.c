/* The verbs that REST serves, and the rows of those that list. */
#include "ontap_rest.h"

#include "auto.h"

#include <string.h>

const struct rest_verb *const moon_rest_verbs[MOON_ONTAP_VERB_COUNT] = {
    [MOON_ONTAP_IDENTITY] = &moon_rest_identity,
    [MOON_ONTAP_CLUSTER] = &moon_rest_cluster,
    [MOON_ONTAP_SVMS] = &moon_rest_svms,
    [MOON_ONTAP_LIFS] = &moon_rest_lifs,
    [MOON_ONTAP_VOLUMES] = &moon_rest_volumes,
    [MOON_ONTAP_SNAPSHOT_CREATE] = &moon_rest_snapshot_create,
    [MOON_ONTAP_SNAPSHOTS] = &moon_rest_snapshots,
    [MOON_ONTAP_SNAPSHOT_DELETE] = &moon_rest_snapshot_delete,
    [MOON_ONTAP_SNAPSHOT_RENAME] = &moon_rest_snapshot_rename,
    [MOON_ONTAP_SNAPSHOT_MODIFY] = &moon_rest_snapshot_modify,
    [MOON_ONTAP_CG_START] = &moon_rest_cg_start,
    [MOON_ONTAP_CG_COMMIT] = &moon_rest_cg_commit,
    [MOON_ONTAP_CG_GROUPS] = &moon_rest_cg_groups,
    [MOON_ONTAP_FILE_RESTORE] = &moon_rest_file_restore,
    [MOON_ONTAP_LUN_RESTORE] = &moon_rest_lun_restore,
    [MOON_ONTAP_RESTORE_STATUS] = &moon_rest_restore_status,
    [MOON_ONTAP_FILE_INFO] = &moon_rest_file_info,
    [MOON_ONTAP_LUNS] = &moon_rest_luns,
    [MOON_ONTAP_LUN_MAPS] = &moon_rest_lun_maps,
    [MOON_ONTAP_IGROUPS] = &moon_rest_igroups,
    [MOON_ONTAP_LUN_MAP] = &moon_rest_lun_map,
    [MOON_ONTAP_LUN_UNMAP] = &moon_rest_lun_unmap,
    [MOON_ONTAP_LUN_ONLINE] = &moon_rest_lun_online,
    [MOON_ONTAP_LUN_OFFLINE] = &moon_rest_lun_offline,
    [MOON_ONTAP_LUN_DELETE] = &moon_rest_lun_delete,
    [MOON_ONTAP_FILE_CLONE] = &moon_rest_file_clone,
    [MOON_ONTAP_LUN_CLONE] = &moon_rest_lun_clone,
    [MOON_ONTAP_VOLUME_CLONE] = &moon_rest_volume_clone,
    [MOON_ONTAP_VOLUME_CLONE_SPLIT] = &moon_rest_volume_clone_split,
    [MOON_ONTAP_VOLUME_CLONES] = &moon_rest_volume_clones,
    [MOON_ONTAP_VOLUME_DELETE] = &moon_rest_volume_delete,
    [MOON_ONTAP_EXPORT_CREATE] = &moon_rest_export_create,
    [MOON_ONTAP_EXPORT_DELETE] = &moon_rest_export_delete,
    [MOON_ONTAP_VOLUME_EXPORT] = &moon_rest_volume_export,
    [MOON_ONTAP_MIRRORS] = &moon_rest_mirrors,
    [MOON_ONTAP_MIRROR_UPDATE] = &moon_rest_mirror_update,
    [MOON_ONTAP_MIRROR_TRANSFER] = &moon_rest_mirror_transfer,
    [MOON_ONTAP_MIRROR_CHANGE] = &moon_rest_mirror_change,
    [MOON_ONTAP_MIRROR_RESTORE] = &moon_rest_mirror_restore,
    [MOON_ONTAP_MIRROR_POLICIES] = &moon_rest_mirror_policies,
    [MOON_ONTAP_EMS_LOG] = &moon_rest_ems_log,
    [MOON_ONTAP_JOB] = &moon_rest_job,
    [MOON_ONTAP_REQUEST] = &moon_rest_request,
};

static int add_rows(const struct moon_ontap_call *call, const json_t *records, json_t *rows,
                    struct moon_err *err)
{
    const json_t *record;
    size_t i;
    json_array_foreach (records, i, record) {
        AUTO_JSON json_t *row = json_object();
        if (!row)
            return rest_no_memory(err);
        if (moon_rest_verbs[call->verb]->row(call, record, row) && json_array_append(rows, row) < 0)
            return rest_no_memory(err);
    }
    return 0;
}

int rest_take_rows(struct moon_ontap_call *call, const json_t *answer, struct moon_err *err)
{
    const json_t *records = json_object_get(answer, "records");
    const char *next = rest_text(answer, "_links.next.href");
    if (!json_is_array(records))
        return rest_fail(call, err, MOON_PROTOCOL, "the answer is not a list");
    if (next && !rest_link_ok(next))
        return rest_fail(call, err, MOON_PROTOCOL,
                         "the list goes on at '%.200s', which is not a page of this controller",
                         next);
    AUTO_JSON json_t *rows = json_array();
    AUTO_FREE char *link = next ? strdup(next) : NULL;
    if (!rows || (next && !link))
        return rest_no_memory(err);
    if (add_rows(call, records, rows, err) < 0)
        return -1;
    int rc = moon_ontap_take_page(call, MOON_STEAL(rows), MOON_STEAL(link), err);
    return rc > 0 ? REST_AGAIN : rc;
}
