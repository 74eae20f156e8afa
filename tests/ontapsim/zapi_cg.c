/* cg-start and cg-commit, and the consistency point that may come before them. */
#include "zapi.h"
#include "cg.h"

#include <string.h>

enum { MAX_VOLUMES = 256 };

/* The fence in milliseconds. */
static int read_timeout(struct zapi *z, unsigned *ms)
{
    const char *name = zapi_arg(z, "timeout");
    const char *text = zapi_arg(z, "user-timeout");
    uint64_t seconds = 7;
    if (name && *name && text && *text)
        return zapi_invalid(z, "user-timeout", text);
    if (zapi_count(z, "user-timeout", 5, 120, &seconds))
        return -1;
    if (name && *name) {
        if (!strcmp(name, "urgent"))
            seconds = 5;
        else if (!strcmp(name, "relaxed"))
            seconds = 20;
        else if (strcmp(name, "medium") != 0)
            return zapi_invalid(z, "timeout", name);
    }
    *ms = (unsigned)seconds * 1000;
    return 0;
}

static int add_volume(struct zapi *z, struct sim_volume *vol, struct sim_volume **vols,
                      size_t *count)
{
    for (size_t i = 0; i < *count; i++) {
        if (vols[i] == vol)
            return 0;
    }
    if (*count == MAX_VOLUMES)
        return sim_fail(&z->err, SIM_ECG, "More than %d volumes.", MAX_VOLUMES);
    vols[(*count)++] = vol;
    return 0;
}

static int read_volumes(struct zapi *z, struct sim_volume **vols, size_t *count)
{
    const xmlNode *names = zapi_child(z->call, "volumes");
    const xmlNode *uuids = zapi_child(z->call, "volume-uuids");
    for (const xmlNode *n = names ? zapi_first(names) : NULL; n; n = zapi_next(n)) {
        struct sim_volume *vol = zapi_volume(z, zapi_text(&z->arena, n));
        if (!vol || add_volume(z, vol, vols, count))
            return -1;
    }
    for (const xmlNode *n = uuids ? zapi_first(uuids) : NULL; n; n = zapi_next(n)) {
        const char *uuid = zapi_text(&z->arena, n);
        sim_lock();
        struct sim_volume *vol = z->svm ? sim_volume_by_uuid(z->svm, uuid) : NULL;
        sim_unlock();
        if (!vol)
            return sim_fail(&z->err, SIM_EVOLMISSING, "There is no volume %.40s.", uuid);
        if (add_volume(z, vol, vols, count))
            return -1;
    }
    return *count ? 0 : sim_fail(&z->err, SIM_EMISSING, "Missing input: volumes");
}

int zapi_cg_start(struct zapi *z)
{
    struct sim_volume *vols[MAX_VOLUMES];
    size_t count = 0;
    unsigned ms = 0;
    uint64_t id = 0;
    const struct sim_snap_spec spec = {.name = zapi_need(z, "snapshot"),
                                       .comment = zapi_arg(z, "comment"),
                                       .label = zapi_arg(z, "snapmirror-label")};
    if (!spec.name || read_timeout(z, &ms) || read_volumes(z, vols, &count) ||
        sim_cg_start(vols, count, &spec, ms, &id, &z->err))
        return -1;
    zapi_put_number(z, "cg-id", id);
    return 0;
}

int zapi_cg_commit(struct zapi *z)
{
    uint64_t id = 0;
    const char *lost = z->fault.action != SIM_FAULT_NONE ? z->fault.volume : NULL;
    if (!zapi_need(z, "cg-id") || zapi_count(z, "cg-id", 0, UINT64_MAX, &id))
        return -1;
    return sim_cg_commit(z->svm, id, lost, z->fault.action == SIM_FAULT_LOSE, &z->err);
}

/* There is nothing to force: files are written when they are written. The names are those of NetApp's own binding; what
 * wafl-get-sync-status answers is documented nowhere, so that there is no such call. */
int zapi_wafl_sync(struct zapi *z)
{
    static uint64_t next = 1;
    struct sim_volume *vols[MAX_VOLUMES];
    size_t count = 0;
    if (read_volumes(z, vols, &count))
        return -1;
    sim_lock();
    uint64_t first = next;
    next += count;
    sim_unlock();
    sim_buf_adds(&z->out, "<handles>");
    for (size_t i = 0; i < count; i++) {
        sim_buf_adds(&z->out, "<wafl-sync-handle>");
        zapi_put_number(z, "handle", first + i);
        zapi_put(z, "volume", vols[i]->name);
        sim_buf_adds(&z->out, "</wafl-sync-handle>");
    }
    sim_buf_adds(&z->out, "</handles>");
    return 0;
}
