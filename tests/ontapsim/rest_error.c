/* REST error codes: the HTTP status and text of each, and the codes for what the model says. */
#include "clone.h"
#include "lun.h"
#include "rest.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    unsigned status;
    const char *text;
} codes[] = {
    {REST_EEXISTS, 409, "entry already exists"},
    {REST_EVALUE, 400, "An invalid value was entered."},
    {REST_ENOAPI, 404, "API not found"},
    {REST_ENOENTRY, 404, "entry doesn't exist"},
    {REST_EDENIED, 403, "not authorized for that command"},
    {7, 503, "Resource limit exceeded."},
    {8, 409, "Resource is in use."},
    {65541, 500, "Internal error."},
    {65552, 500, "Internal error."},
    {65562, 500, "Internal error."},
    {262210, 500, "Internal error."},
    {262160, 429, "Too many requests."},
    {REST_ELOGIN, 401, "User is not authorized."},
    {542797, 404, "The snapshot or file does not exist."},
    {1638600, 404, "The snapshot does not exist."},
    {525059, 409, "A snapshot with that name already exists."},
    {524481, 409, "The volume is locked or fenced."},
    {1638543, 409, "The snapshot has an owner."},
    {1638555, 409, "Snapshot has not expired or is locked."},
    {917526, 409, "A volume with that name exists."},
    {917505, 404, "The SVM does not exist."},
    {REST_ENOSVM, 404, "The SVM does not exist."},
    {5374875, 404, "The LUN does not exist."},
    {5374876, 404, "The source LUN does not exist."},
    {1260136, 409, "The destination exists."},
    {5374242, 409, "The LUN exists."},
    {5440688, 409, "The destination exists."},
    {1254196, 409, "A LUN exists at that path."},
    {1254197, 409, "The LUN is mapped."},
    {1254201, 404, "The LUN does not exist."},
    {5374874, 400, "Name and uuid of the source are not of one LUN."},
    {5374883, 400, "The property cannot be given with a clone."},
    {5374899, 400, "A source in a snapshot is given by its name."},
    {1260121, 400, "A LUN cannot be cloned into another volume."},
    {917812, 400, "The destination must be a relative path."},
    {917898, 400, "The block range is invalid."},
    {918236, 400, "Name and uuid are not of one volume."},
    {13565988, 400, "A backup clone is one of a whole file."},
    {1254207, 409, "The LUN is already mapped to this igroup."},
    {5374878, 404, "The igroup does not exist."},
    {5374922, 404, "The LUN map does not exist."},
    {6684674, 404, "No such file or directory."},
    {53411842, 404, "The consistency group does not exist."},
    {53411860, 409, "A consistency group with that name exists."},
    {6619637, 409, "A relationship with this destination exists."},
};

unsigned rest_status_of(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code)
            return codes[i].status;
    }
    return code >= 262160 && code < 262400 ? 400 : 500;
}

const char *rest_text_of(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code)
            return codes[i].text;
    }
    return "The request failed.";
}

/* What the model says, in the words of REST. The first row that fits. */
static const struct {
    enum rest_doing doing; /* REST_DO_ANY: whatever is done */
    int num;
    int code;
} model[] = {
    {REST_DO_SNAP_CREATE, SIM_ESNAPEXISTS, 525059},
    {REST_DO_SNAP_CREATE, SIM_ESNAPTOOMANY, 525062},
    {REST_DO_SNAP_CREATE, SIM_EVOLOFFLINE, 524479},
    {REST_DO_SNAP_CREATE, SIM_ENOSPACE, 524479},
    {REST_DO_SNAP_CREATE, SIM_ESNAPNOTALLOWED, 1638461},
    {REST_DO_SNAP_CREATE, SIM_EINVALID, 1638518},
    {REST_DO_SNAP_CREATE, SIM_ERESTORING, 1638532},
    {REST_DO_SNAP_CREATE, SIM_ENOSVM, REST_ENOSVM},
    {REST_DO_SNAP_DELETE, SIM_ESNAPBUSY, 1638555},
    {REST_DO_SNAP_DELETE, SIM_ESNAPMISSING, 1638600},
    {REST_DO_SNAP_DELETE, SIM_EROFS, 1638521},
    {REST_DO_SNAP_DELETE, SIM_ERESTORING, 524481},
    {REST_DO_SNAP_RENAME, SIM_ESNAPEXISTS, 525059},
    {REST_DO_SNAP_RENAME, SIM_EINVALID, 1638518},
    {REST_DO_SNAP_RENAME, SIM_ESNAPMISSING, 1638600},
    {REST_DO_SNAP_RENAME, SIM_ESNAPNOTALLOWED, 1638522},
    {REST_DO_SNAP_RENAME, SIM_ERESTORING, 1638476},
    {REST_DO_SNAP_MODIFY, SIM_ESNAPMISSING, 1638600},
    {REST_DO_SNAP_MODIFY, SIM_EINVALID, 1638523},
    {REST_DO_RESTORE, SIM_ESNAPMISSING, 542797},
    {REST_DO_RESTORE, SIM_EFILEMISSING, 542797},
    {REST_DO_RESTORE, SIM_EVOLOFFLINE, 9437885},
    {REST_DO_RESTORE, SIM_EINVALID, 918251},
    {REST_DO_RESTORE, SIM_ESNAPBUSY, 1638480},
    {REST_DO_RESTORE, SIM_EINTERNAL, 524511},
    {REST_DO_RESTORE, 0, 524511},
    {REST_DO_VOLUME_CREATE, SIM_EEXISTS, 917526},
    {REST_DO_VOLUME_CREATE, SIM_EDUPLICATE, 917526},
    {REST_DO_VOLUME_CREATE, SIM_EAGGRMISSING, 787140},
    {REST_DO_VOLUME_CLONE, SIM_EEXISTS, 917526},
    {REST_DO_VOLUME_CLONE, SIM_EDUPLICATE, 917526},
    {REST_DO_VOLUME_CLONE, SIM_EVOLMISSING, 524601},
    {REST_DO_VOLUME_CLONE, 0, 524597},
    {REST_DO_VOLUME_MODIFY, SIM_EDUPLICATE, 917526},
    {REST_DO_VOLUME_MODIFY, SIM_EVOLOFFLINE, 917533},
    {REST_DO_VOLUME_MODIFY, SIM_EVOLBUSY, 13107406},
    {REST_DO_VOLUME_MODIFY, SIM_EVOLSPLITTING, 13107406},
    {REST_DO_VOLUME_DELETE, SIM_EVOLMISSING, REST_ENOENTRY},
    {REST_DO_VOLUME_DELETE, SIM_EVOLHASCLONE, 524615},
    {REST_DO_VOLUME_DELETE, SIM_EVOLMOUNTED, 524486},
    {REST_DO_VOLUME_DELETE, SIM_EVOLBUSY, 13107406},
    {REST_DO_VOLUME_DELETE, SIM_EVOLSPLITTING, 13107406},
    {REST_DO_RESTORE, SIM_ELUNNOTINSNAP, 542797},
    {REST_DO_RESTORE, SIM_ESNAPNOTLATEST, 1638480},
    {REST_DO_FILE, SIM_EFILEMISSING, 6684674},
    {REST_DO_LUN_DELETE, SIM_ELUNMAPPED, 1254197},
    {REST_DO_LUN_CLONE, SIM_ECLONESOURCE, 5374876},
    {REST_DO_LUN_CLONE, SIM_ESNAPMISSING, 5374876},
    {REST_DO_LUN_CLONE, SIM_ECLONEEXISTS, 1260136},
    {REST_DO_LUN_CLONE, SIM_ECLONEOFFLINE, 5374904},
    {REST_DO_LUN_CLONE, SIM_ENOSPACE, 13565952},
    {REST_DO_LUN_CLONE, SIM_ECLONERDONLY, 13565952},
    {REST_DO_LUN_CLONE, SIM_ECLONESFSR, 13565952},
    {REST_DO_LUN_CLONE, SIM_ECLONESPLIT, 13565952},
    {REST_DO_LUN_CLONE, SIM_EINTERNAL, 13565952},
    {REST_DO_FILE_CLONE, SIM_ECLONESOURCE, 6684674},
    {REST_DO_FILE_CLONE, SIM_ESNAPMISSING, 6684674},
    {REST_DO_FILE_CLONE, SIM_ECLONEEXISTS, 5440688},
    {REST_DO_FILE_CLONE, SIM_ECLONERANGE, 917898},
    {REST_DO_FILE_CLONE, SIM_EINVALID, REST_EINVALID},
    {REST_DO_FILE_CLONE, SIM_EVOLMISSING, REST_ENOENTRY},
    {REST_DO_FILE_CLONE, 0, 13565952},
    {REST_DO_LUN_MAP, SIM_EMAPCONFLICT, 1254207},
    {REST_DO_IGROUP, SIM_EIGROUPMAPPED, 8},
    {REST_DO_IGROUP, SIM_EIGROUPEXISTS, REST_EEXISTS},
    {REST_DO_IGROUP, SIM_ENODEEXISTS, REST_EEXISTS},
    {REST_DO_IGROUP, SIM_ENODEMISSING, REST_ENOENTRY},
    {REST_DO_QTREE, SIM_EDUPLICATE, REST_EEXISTS},
    {REST_DO_ANY, SIM_ELUNMISSING, 5374875},
    {REST_DO_ANY, SIM_ELUNEXISTS, 5374242},
    {REST_DO_ANY, SIM_ELUNMAPPED, 1254197},
    {REST_DO_ANY, SIM_ELUNRESTORING, 5374053},
    {REST_DO_ANY, SIM_ELUNTOOLARGE, REST_EINVALID},
    {REST_DO_ANY, SIM_ENOVOLUME, REST_ENOENTRY},
    {REST_DO_ANY, SIM_EDIRMISSING, REST_ENOENTRY},
    {REST_DO_LUN, SIM_EVOLOFFLINE, 5374866},
    {REST_DO_LUN_DELETE, SIM_EVOLOFFLINE, 5374866},
    {REST_DO_CG, SIM_EVOLMISSING, 53411861},
    {REST_DO_CG_COMMIT, SIM_ECG, 53411925},
    {REST_DO_CG_SNAP, SIM_ESNAPMISSING, REST_ENOENTRY},
    {REST_DO_CG_SNAP, 0, 53411921},
    {REST_DO_CG_COMMIT, 0, 53411921},
    {REST_DO_ANY, SIM_EBUSY, 8},
    {REST_DO_ANY, SIM_EDUPLICATE, REST_EEXISTS},
    {REST_DO_ANY, SIM_EMISSING, REST_EMISSING},
    {REST_DO_ANY, SIM_EINVALID, REST_EINVALID},
    {REST_DO_ANY, SIM_EVOLMISSING, REST_ENOENTRY},
    {REST_DO_ANY, SIM_EVOLOFFLINE, 524479},
    {REST_DO_ANY, SIM_ESNAPMISSING, 1638600},
    {REST_DO_ANY, SIM_EFILEMISSING, 6684674},
    {REST_DO_ANY, SIM_ENOENTRY, REST_ENOENTRY},
    {REST_DO_ANY, SIM_ENOSVM, REST_ENOSVM},
    {REST_DO_ANY, SIM_ENOSPACE, 524479},
};

int rest_code_of(enum rest_doing doing, const struct sim_err *err)
{
    if (err->rest)
        return err->rest;
    for (size_t i = 0; i < sizeof(model) / sizeof(model[0]); i++) {
        bool fits = model[i].doing == doing || model[i].doing == REST_DO_ANY;
        if (fits && (!model[i].num || model[i].num == err->num))
            return model[i].code;
    }
    return 65552;
}

static void set(struct rest *r, int code, const char *target, const char *text)
{
    r->error = (struct rest_error){.code = code, .status = rest_status_of(code)};
    snprintf(r->error.target, sizeof(r->error.target), "%s", target ? target : "");
    snprintf(r->error.message, sizeof(r->error.message), "%s", text);
}

int rest_fail(struct rest *r, int code, const char *target, const char *fmt, ...)
{
    char text[sizeof(r->error.message)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    set(r, code, target, text);
    return -1;
}

int rest_fail_model(struct rest *r, enum rest_doing doing, const struct sim_err *err)
{
    set(r, rest_code_of(doing, err), NULL, err->reason);
    return -1;
}

int rest_missing_entry(struct rest *r, const char *target)
{
    set(r, REST_ENOENTRY, target, rest_text_of(REST_ENOENTRY));
    return -1;
}

int rest_invalid(struct rest *r, const char *field, const char *value, const char *wanted)
{
    return rest_fail(r, REST_EINVALID, field,
                     "The value \"%.200s\" is invalid for field \"%s\"%s%s%s", value, field,
                     wanted ? " (<" : "", wanted ? wanted : "", wanted ? ">)" : "");
}
