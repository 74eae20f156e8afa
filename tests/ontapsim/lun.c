/* LUN objects: lookups, adding and dropping, and what keeps them in step with their files. */
#include "lun.h"
#include "restore.h"
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

enum { SCAN_DEPTH = 16 };

static const char serial_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-#$%&*+?[!]^~@";

bool sim_serial_ok(const char *serial)
{
    return strlen(serial) == SIM_LUN_SERIAL && strspn(serial, serial_alphabet) == SIM_LUN_SERIAL;
}

void sim_serial_from(char out[SIM_LUN_SERIAL + 1], uint64_t seed)
{
    size_t letters = sizeof(serial_alphabet) - 1;
    for (size_t i = 0; i < SIM_LUN_SERIAL; i++) {
        out[i] = serial_alphabet[(size_t)(seed >> 16) % letters];
        seed = seed * 6364136223846793005U + 1442695040888963407U;
    }
    out[SIM_LUN_SERIAL] = '\0';
}

void sim_serial_make(char out[SIM_LUN_SERIAL + 1])
{
    uint64_t seed = 0;
    do {
        if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
            sim_log("no random numbers from the kernel");
            abort();
        }
        sim_serial_from(out, seed);
    } while (sim_index_find(&sim.serials, out));
}

bool sim_os_type_ok(const char *os_type)
{
    static const char *const known[] = {"aix",         "hpux",        "hyper_v", "image",
                                        "linux",       "netware",     "openvms", "solaris",
                                        "vmware",      "solaris_efi", "windows", "windows_2008",
                                        "windows_gpt", "xen",         NULL};
    size_t i = 0;
    while (known[i] && strcmp(known[i], os_type) != 0)
        i++;
    return known[i] != NULL;
}

size_t sim_lun_after(const struct sim_volume *vol, const char *name, bool inclusive)
{
    size_t lo = 0, hi = vol->lun_count;
    while (name && lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(vol->luns[mid]->name, name);
        if (order < 0 || (order == 0 && !inclusive))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct sim_lun *sim_lun_find(const struct sim_volume *vol, const char *name)
{
    size_t i = sim_lun_after(vol, name, true);
    return i < vol->lun_count && !strcmp(vol->luns[i]->name, name) ? vol->luns[i] : NULL;
}

struct sim_lun *sim_lun_by_path(const struct sim_svm *svm, const char *path)
{
    if (strncmp(path, "/vol/", 5) != 0 || !strchr(path + 5, '/'))
        return NULL;
    const char *slash = strchr(path + 5, '/');
    AUTO_FREE char *name = strndup(path + 5, (size_t)(slash - path - 5));
    for (size_t i = 0; i < sim.svm_count && name; i++) {
        if (svm && sim.svms[i] != svm)
            continue;
        const struct sim_volume *vol = sim_volume_find(sim.svms[i], name);
        struct sim_lun *lun = vol ? sim_lun_find(vol, slash + 1) : NULL;
        if (lun)
            return lun;
    }
    return NULL;
}

static struct sim_lun *of_svm(struct sim_lun *lun, const struct sim_svm *svm)
{
    return lun && (!svm || lun->vol->svm == svm) ? lun : NULL;
}

struct sim_lun *sim_lun_by_serial(const struct sim_svm *svm, const char *serial)
{
    return of_svm(sim_index_find(&sim.serials, serial), svm);
}

struct sim_lun *sim_lun_by_uuid(const struct sim_svm *svm, const char *uuid)
{
    return of_svm(sim_index_find(&sim.luns, uuid), svm);
}

const char *sim_lun_leaf(const struct sim_lun *lun)
{
    const char *slash = strrchr(lun->name, '/');
    return slash ? slash + 1 : lun->name;
}

const char *sim_lun_qtree(const struct sim_lun *lun, size_t *len)
{
    *len = strchr(lun->name, '/') ? strcspn(lun->name, "/") : 0;
    return lun->name;
}

static bool look(const struct sim_lun *lun, struct stat *st)
{
    AUTO_CLOSE int fd = sim_store_open(lun->vol->dir, lun->name, O_PATH, 0);
    return fd >= 0 && !fstat(fd, st);
}

uint64_t sim_lun_used(const struct sim_lun *lun)
{
    struct stat st;
    return look(lun, &st) ? (uint64_t)st.st_blocks * 512 : 0;
}

bool sim_lun_mapped(const struct sim_lun *lun)
{
    return lun->map_count > 0;
}

bool sim_lun_restoring(const struct sim_lun *lun)
{
    return sim_restore_running(lun->vol, lun->name);
}

bool sim_lun_snap_path(const char *path, char **volume, char **snapshot, char **rest)
{
    static const char below[] = "/.snapshot/";
    if (strncmp(path, "/vol/", 5) != 0)
        return false;
    size_t n = strcspn(path + 5, "/");
    const char *snap = path + 5 + n + strlen(below);
    if (!n || strncmp(path + 5 + n, below, strlen(below)) != 0)
        return false;
    size_t m = strcspn(snap, "/");
    if (!m || snap[m] != '/' || !snap[m + 1])
        return false;
    *volume = strndup(path + 5, n);
    *snapshot = strndup(snap, m);
    *rest = strdup(snap + m + 1);
    return *volume && *snapshot && *rest;
}

static void insert(struct sim_volume *vol, struct sim_lun *lun)
{
    size_t at = sim_lun_after(vol, lun->name, true);
    vol->luns = sim_grow(vol->luns, vol->lun_count + 1, sizeof(struct sim_lun *));
    memmove(&vol->luns[at + 1], &vol->luns[at], (vol->lun_count - at) * sizeof(struct sim_lun *));
    vol->luns[at] = lun;
    vol->lun_count++;
}

struct sim_lun *sim_lun_add(struct sim_volume *vol, const char *name,
                            const struct sim_lun_spec *spec)
{
    struct sim_lun *lun = sim_alloc(1, sizeof(*lun));
    lun->vol = vol;
    lun->name = sim_dup(name);
    lun->path = sim_printf("/vol/%s/%s", vol->name, name);
    lun->size = spec->size;
    lun->os_type = sim_dup(spec->os_type ? spec->os_type : "linux");
    lun->comment = spec->comment && *spec->comment ? sim_dup(spec->comment) : NULL;
    lun->reserved = spec->reserved;
    lun->online = true;
    lun->created = sim_epoch();
    if (spec->uuid && sim_is_uuid(spec->uuid) && !sim_index_find(&sim.luns, spec->uuid))
        memcpy(lun->uuid, spec->uuid, sizeof(lun->uuid));
    else
        sim_uuid(lun->uuid);
    if (spec->serial && strlen(spec->serial) == SIM_LUN_SERIAL &&
        !sim_index_find(&sim.serials, spec->serial))
        memcpy(lun->serial, spec->serial, sizeof(lun->serial));
    else
        sim_serial_make(lun->serial);
    insert(vol, lun);
    sim_index_add(&sim.luns, lun->uuid, lun);
    sim_index_add(&sim.serials, lun->serial, lun);
    return lun;
}

static void lun_free(struct sim_lun *lun)
{
    struct sim_err none = {0};
    while (lun->map_count)
        sim_map_remove(lun, lun->maps[0].igroup, &none);
    sim_index_drop(&sim.luns, lun->uuid);
    sim_index_drop(&sim.serials, lun->serial);
    free(lun->maps);
    free(lun->name);
    free(lun->path);
    free(lun->os_type);
    free(lun->comment);
    free(lun);
}

void sim_lun_drop(struct sim_lun *lun)
{
    struct sim_volume *vol = lun->vol;
    size_t at = sim_lun_after(vol, lun->name, true);
    memmove(&vol->luns[at], &vol->luns[at + 1],
            (vol->lun_count - at - 1) * sizeof(struct sim_lun *));
    vol->lun_count--;
    lun_free(lun);
}

void sim_lun_drop_all(struct sim_volume *vol)
{
    for (size_t i = 0; i < vol->lun_count; i++)
        lun_free(vol->luns[i]);
    vol->lun_count = 0;
}

void sim_lun_repath(struct sim_volume *vol)
{
    for (size_t i = 0; i < vol->lun_count; i++) {
        free(vol->luns[i]->path);
        vol->luns[i]->path = sim_printf("/vol/%s/%s", vol->name, vol->luns[i]->name);
    }
}

void sim_lun_rename_entry(struct sim_lun *lun, const char *name)
{
    struct sim_volume *vol = lun->vol;
    size_t at = sim_lun_after(vol, lun->name, true);
    memmove(&vol->luns[at], &vol->luns[at + 1],
            (vol->lun_count - at - 1) * sizeof(struct sim_lun *));
    vol->lun_count--;
    free(lun->name);
    free(lun->path);
    lun->name = sim_dup(name);
    lun->path = sim_printf("/vol/%s/%s", vol->name, name);
    insert(vol, lun);
}

void sim_lun_refresh(struct sim_volume *vol, const char *name)
{
    struct sim_lun *lun = sim_lun_find(vol, name);
    struct stat st;
    if (lun && look(lun, &st) && st.st_size > 0)
        lun->size = (uint64_t)st.st_size;
}

bool sim_lun_marked(const struct stat *st)
{
    return S_ISREG(st->st_mode) && (st->st_mode & S_ISVTX);
}

struct scan {
    struct sim_volume *vol;
    const struct sim_volume *like;
};

static void found(const struct scan *s, const char *name, const struct stat *st)
{
    if (sim_lun_find(s->vol, name))
        return;
    const struct sim_lun *old = s->like ? sim_lun_find(s->like, name) : NULL;
    sim_lun_add(s->vol, name,
                &(struct sim_lun_spec){.size = (uint64_t)st->st_size,
                                       .os_type = old ? old->os_type : NULL,
                                       .comment = old ? old->comment : NULL,
                                       .reserved = old && old->reserved});
}

static void scan_dir(const struct scan *s, int dir, const char *prefix, int depth)
{
    int fd = depth > SCAN_DEPTH ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        AUTO_FREE char *name = sim_printf("%s%s", prefix, e->d_name);
        AUTO_CLOSE int sub = S_ISDIR(st.st_mode) ? sim_store_dir(dir, e->d_name) : -1;
        AUTO_FREE char *deeper = sub >= 0 ? sim_printf("%s/", name) : NULL;
        if (sub >= 0)
            scan_dir(s, sub, deeper, depth + 1);
        else if (sim_lun_marked(&st))
            found(s, name, &st);
    }
    if (d)
        closedir(d);
}

void sim_lun_rescan(struct sim_volume *vol, const struct sim_volume *like)
{
    for (size_t i = vol->lun_count; i-- > 0;) {
        struct stat st;
        if (!look(vol->luns[i], &st) || !S_ISREG(st.st_mode))
            sim_lun_drop(vol->luns[i]);
        else
            vol->luns[i]->size = (uint64_t)st.st_size;
    }
    scan_dir(&(struct scan){vol, like}, vol->dir, "", 0);
}
