/* Generated volumes. */
#include "generate.h"
#include "lun.h"
#include "store.h"
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { HOUR = 3600, FIRST = 1700000000 };
static const uint64_t volume_size = 100ULL << 30;
static const uint64_t lun_size = 64 << 20;
static const char conf[] = "generated";

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037U;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211U;
    return mix(h);
}

static void uuid_of(char out[37], uint64_t h)
{
    uint64_t low = mix(h);
    snprintf(out, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(h >> 32),
             (unsigned)(h >> 16) & 0xffff, (unsigned)h & 0xfff,
             0x8000 | ((unsigned)(low >> 48) & 0x3fff), (unsigned long long)low & 0xffffffffffff);
}

void sim_generate_volumes(struct sim_svm *svm)
{
    for (unsigned i = 1; i <= svm->generate[SIM_GENERATE_VOLUMES]; i++) {
        AUTO_FREE char *name = sim_printf("gen%04u", i);
        AUTO_FREE char *junction = sim_printf("/gen%04u", i);
        if (sim_volume_find(svm, name))
            continue;
        struct sim_volume *vol = sim_volume_new(
            svm,
            &(struct sim_volume_spec){.name = name, .size = volume_size, .junction = junction});
        vol->conf = sim_dup(conf);
        sim_volume_add(svm, vol);
    }
}

static void add_lun(struct sim_volume *vol, unsigned n)
{
    char uuid[37], serial[SIM_LUN_SERIAL + 1];
    AUTO_FREE char *name = sim_printf("lun%05u", n);
    AUTO_FREE char *seed = sim_printf("%s/%s/%s", vol->svm->name, vol->name, name);
    uint64_t h = hash(seed);
    AUTO_CLOSE int fd = sim_store_open(vol->dir, name, O_RDWR | O_CREAT, SIM_LUN_MODE & 0777);
    if (fd < 0 || fchmod(fd, SIM_LUN_MODE) || ftruncate(fd, (off_t)lun_size)) {
        sim_log("lun /vol/%s/%s: %s", vol->name, name, strerror(errno));
        return;
    }
    uuid_of(uuid, h);
    sim_serial_from(serial, h);
    sim_lun_add(vol, name, &(struct sim_lun_spec){lun_size, "linux", NULL, serial, uuid, false})
        ->created = FIRST;
}

static void add_snapshot(struct sim_volume *vol, unsigned n)
{
    struct sim_snap *snap = sim_alloc(1, sizeof(*snap));
    snap->name = sim_printf("snap.%04u", n);
    AUTO_FREE char *seed = sim_printf("%s/%s@%s", vol->svm->name, vol->name, snap->name);
    uuid_of(snap->uuid, hash(seed));
    snap->created = FIRST + (int64_t)n * HOUR;
    snap->lazy = true;
    sim_snap_add(vol, snap);
}

bool sim_generate_fill(struct sim_volume *vol)
{
    const unsigned *count = vol->svm->generate;
    unsigned at = 0;
    if (!vol->conf || strcmp(vol->conf, conf) != 0 || sscanf(vol->name, "gen%u", &at) != 1 || !at)
        return false;
    AUTO_FREE char *seed = sim_printf("%s/%s", vol->svm->name, vol->name);
    uuid_of(vol->uuid, hash(seed));
    uuid_of(vol->instance_uuid, mix(hash(seed)));
    vol->created = FIRST;
    for (unsigned n = at; n <= count[SIM_GENERATE_LUNS]; n += count[SIM_GENERATE_VOLUMES])
        add_lun(vol, n);
    for (unsigned n = 1; n <= count[SIM_GENERATE_SNAPSHOTS]; n++)
        add_snapshot(vol, n);
    return true;
}

/* A generated snapshot holds its volume's LUNs, empty. */
static int materialize(const struct sim_volume *vol, struct sim_snap *snap)
{
    AUTO_CLOSE int dir = sim_store_make_dir(vol->snap_dir, snap->name);
    if (dir < 0)
        return -1;
    for (size_t i = 0; i < vol->lun_count; i++) {
        const struct sim_lun *lun = vol->luns[i];
        if (lun->created != FIRST)
            continue;
        AUTO_CLOSE int fd = sim_store_open(dir, lun->name, O_RDWR | O_CREAT, SIM_LUN_MODE & 0777);
        if (fd < 0 || fchmod(fd, SIM_LUN_MODE) || ftruncate(fd, (off_t)lun_size))
            return -1;
    }
    snap->lazy = false;
    return 0;
}

int sim_snap_open(struct sim_volume *vol, struct sim_snap *snap)
{
    if (snap->lazy && materialize(vol, snap))
        return -1;
    return sim_store_dir(vol->snap_dir, snap->name);
}
