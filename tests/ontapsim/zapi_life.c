/* The life of a volume: create, mount, state, size, name, destroy, revert. */
#include "zapi.h"
#include "restore.h"
#include "snap.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

/* The volume that an argument names. */
static struct sim_volume *need_volume(struct zapi *z, const char *arg)
{
    const char *name = zapi_need(z, arg);
    return name ? zapi_volume(z, name) : NULL;
}

/* "1073741824" or "1g". */
static int read_size(struct zapi *z, const char *text, uint64_t *size)
{
    static const char units[] = "kmgt";
    const char *digits = sim_arena_dup(&z->arena, text);
    size_t n = strspn(digits, "0123456789");
    const char *unit = text[n] ? strchr(units, text[n] | 0x20) : NULL;
    if (!n || (text[n] && (!unit || text[n + 1])))
        return -1;
    ((char *)(uintptr_t)digits)[n] = '\0';
    if (!sim_number(digits, 0, INT64_MAX >> 40, size) &&
        (unit || !sim_number(digits, 0, INT64_MAX, size)))
        return -1;
    *size <<= unit ? 10 * (unit - units + 1) : 0;
    return 0;
}

static int need_size(struct zapi *z, const char *arg, uint64_t *size)
{
    const char *text = zapi_need(z, arg);
    if (!text)
        return -1;
    return read_size(z, text, size) ? zapi_invalid(z, arg, text) : 0;
}

int zapi_volume_create(struct zapi *z)
{
    uint64_t reserve = 5;
    struct sim_volume_spec spec = {.name = zapi_need(z, "volume")};
    const char *state = zapi_arg(z, "volume-state");
    if (!z->svm)
        return zapi_no_svm(z);
    if (!spec.name || need_size(z, "size", &spec.size) ||
        zapi_count(z, "percentage-snapshot-reserve", 0, 90, &reserve))
        return -1;
    spec.reserve = (unsigned)reserve;
    spec.aggregate = zapi_arg(z, "containing-aggr-name");
    spec.junction = zapi_arg(z, "junction-path");
    spec.comment = zapi_arg(z, "volume-comment");
    spec.policy = zapi_arg(z, "snapshot-policy");
    spec.exports = zapi_arg(z, "export-policy");
    spec.type = zapi_arg(z, "volume-type");
    spec.offline = state && !strcmp(state, "offline");
    if (spec.type && strcmp(spec.type, "rw") != 0 && strcmp(spec.type, "dp") != 0)
        return zapi_invalid(z, "volume-type", spec.type);
    return sim_volume_create(z->svm, &spec, NULL, &z->err);
}

int zapi_volume_mount(struct zapi *z)
{
    bool active = true;
    const char *junction = zapi_need(z, "junction-path");
    if (!junction || zapi_flag(z, "activate-junction", &active))
        return -1;
    struct sim_volume *vol = need_volume(z, "volume-name");
    return vol ? sim_volume_mount(vol, junction, &z->err) : -1;
}

int zapi_volume_unmount(struct zapi *z)
{
    struct sim_volume *vol = need_volume(z, "volume-name");
    return vol ? sim_volume_unmount(vol, &z->err) : -1;
}

int zapi_volume_online(struct zapi *z)
{
    struct sim_volume *vol = need_volume(z, "name");
    return vol ? sim_volume_set_state(vol, "online", false, &z->err) : -1;
}

int zapi_volume_offline(struct zapi *z)
{
    struct sim_volume *vol = need_volume(z, "name");
    return vol ? sim_volume_set_state(vol, "offline", false, &z->err) : -1;
}

int zapi_volume_restrict(struct zapi *z)
{
    struct sim_volume *vol = need_volume(z, "name");
    return vol ? sim_volume_set_state(vol, "restricted", false, &z->err) : -1;
}

int zapi_volume_destroy(struct zapi *z)
{
    bool force = false, offline_first = false;
    if (zapi_flag(z, "force", &force) || zapi_flag(z, "unmount-and-offline", &offline_first))
        return -1;
    struct sim_volume *vol = need_volume(z, "name");
    return vol ? sim_volume_destroy(vol, offline_first, &z->err) : -1;
}

int zapi_volume_rename(struct zapi *z)
{
    const char *name = zapi_need(z, "new-volume-name");
    struct sim_volume *vol = name ? need_volume(z, "volume") : NULL;
    return vol ? sim_volume_rename(vol, name, &z->err) : -1;
}

/* Without a new size it tells the present one; "+1g" and "-1g" are relative. */
int zapi_volume_size(struct zapi *z)
{
    struct sim_volume *vol = need_volume(z, "volume");
    const char *text = vol ? zapi_arg(z, "new-size") : NULL;
    uint64_t size = 0;
    if (!vol)
        return -1;
    sim_lock();
    uint64_t now = vol->size;
    sim_unlock();
    if (text && *text) {
        bool plus = *text == '+', minus = *text == '-';
        if (read_size(z, text + (plus || minus), &size) || (minus && size > now))
            return zapi_invalid(z, "new-size", text);
        now = plus ? now + size : (minus ? now - size : size);
        if (sim_volume_resize(vol, now, &z->err))
            return -1;
    }
    zapi_put_number(z, "volume-size", now);
    return 0;
}

int zapi_volume_get_volume_path(struct zapi *z)
{
    bool cifs = false;
    if (zapi_flag(z, "is-style-cifs", &cifs))
        return -1;
    struct sim_volume *vol = need_volume(z, "volume");
    if (!vol)
        return -1;
    sim_lock();
    char *junction = sim_arena_dup(&z->arena, vol->junction ? vol->junction : "");
    sim_unlock();
    for (char *p = junction; cifs && *p; p++)
        *p = *p == '/' ? '\\' : *p;
    zapi_put(z, "junction", junction);
    return 0;
}

/* It says so and nothing else reverts a volume. */
int zapi_snapshot_restore_volume(struct zapi *z)
{
    bool flag = false;
    const char *snapshot = zapi_need(z, "snapshot");
    if (!snapshot || zapi_flag(z, "preserve-lun-ids", &flag) || zapi_flag(z, "force", &flag))
        return -1;
    struct sim_volume *vol = need_volume(z, "volume");
    return vol ? sim_volume_revert(vol, snapshot, &z->err) : -1;
}

struct modify {
    const char *comment;
    const char *policy;
    const char *exports;
    const char *size_text;
    uint64_t size;
    const unsigned *reserve;
    struct zapi_many many;
};

static const char *part(struct zapi *z, const xmlNode *attributes, const char *block,
                        const char *field)
{
    const xmlNode *b = zapi_child(attributes, block);
    const xmlNode *f = b ? zapi_child(b, field) : NULL;
    return f ? zapi_text(&z->arena, f) : NULL;
}

/* Unlocked. */
static void modify_one(struct zapi *z, struct modify *m, struct sim_volume *vol)
{
    struct sim_err err = {0};
    int rc = m->size_text ? sim_volume_resize(vol, m->size, &err) : 0;
    if (!rc && (m->comment || m->policy || m->exports || m->reserve))
        rc = sim_volume_modify(vol, m->comment, m->policy, m->exports, m->reserve, &err);
    sim_buf_addf(zapi_many_add(&m->many, "volume-modify-iter-info", rc ? &err : NULL),
                 "<volume-key><volume-attributes><volume-id-attributes><name>%s</name>"
                 "<owning-vserver-name>%s</owning-vserver-name></volume-id-attributes>"
                 "</volume-attributes></volume-key></volume-modify-iter-info>",
                 vol->name, z->svm->name);
}

static int read_modify(struct zapi *z, const xmlNode *a, struct modify *m, unsigned *reserve)
{
    uint64_t n = 0;
    m->size_text = part(z, a, "volume-space-attributes", "size");
    m->comment = part(z, a, "volume-id-attributes", "comment");
    m->policy = part(z, a, "volume-snapshot-attributes", "snapshot-policy");
    m->exports = part(z, a, "volume-export-attributes", "policy");
    const char *text = part(z, a, "volume-space-attributes", "percentage-snapshot-reserve");
    if (m->size_text && read_size(z, m->size_text, &m->size))
        return zapi_invalid(z, "size", m->size_text);
    if (text && !sim_number(text, 0, 90, &n))
        return zapi_invalid(z, "percentage-snapshot-reserve", text);
    *reserve = (unsigned)n;
    m->reserve = text ? reserve : NULL;
    return 0;
}

/* A subset: size, snapshot reserve, comment, policies. */
int zapi_volume_modify_iter(struct zapi *z)
{
    struct zapi_iter it;
    struct modify m = {0};
    unsigned reserve = 0;
    const xmlNode *attributes = zapi_child(z->call, "attributes");
    const xmlNode *info = attributes ? zapi_child(attributes, "volume-attributes") : NULL;
    if (!z->svm)
        return zapi_no_svm(z);
    if (!info || !zapi_child(z->call, "query"))
        return sim_fail(&z->err, SIM_EMISSING, "Missing input: %s", info ? "query" : "attributes");
    if (read_modify(z, info, &m, &reserve) || zapi_iter_begin(&it, z, "volume-attributes"))
        return -1;
    sim_lock();
    size_t count = 0;
    struct sim_volume **list =
        sim_arena_alloc(&z->arena, (z->svm->volume_count + 1) * sizeof(struct sim_volume *));
    for (size_t i = 0; i < z->svm->volume_count; i++) {
        struct zapi_rec *rec = zapi_iter_record(&it, "volume-attributes");
        zapi_volume_record(&it, rec, z->svm->volumes[i]);
        if (zapi_rec_match(&it, rec))
            list[count++] = z->svm->volumes[i];
    }
    sim_unlock();
    for (size_t i = 0; i < count; i++)
        modify_one(z, &m, list[i]);
    return zapi_many_end(&m.many, &it);
}
