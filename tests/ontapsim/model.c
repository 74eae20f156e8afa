/* Lookups, the mutex, background threads, jobs and space accounting. */
#include "model.h"
#include "access.h"
#include "mirror.h"
#include "mirror_source.h"
#include "lun.h"
#include "store.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <time.h>

struct sim sim = {.root_dir = -1, .state_dir = -1};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    pthread_condattr_destroy(&attr);
}

void sim_lock(void)
{
    pthread_once(&once, init);
    pthread_mutex_lock(&mutex);
}

void sim_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

void sim_wake(void)
{
    pthread_cond_broadcast(&changed);
}

void sim_wait(int64_t until)
{
    struct timespec ts = {.tv_sec = until / 1000, .tv_nsec = (until % 1000) * 1000000};
    pthread_cond_timedwait(&changed, &mutex, &ts);
}

void sim_sleep_pace(int64_t began, const unsigned *ms)
{
    sim_lock();
    while (!sim.stopping && sim_now_ms() < began + *ms)
        sim_wait(began + *ms);
    sim_unlock();
}

void sim_sleep(unsigned ms)
{
    if (ms)
        sim_sleep_pace(sim_now_ms(), &ms);
}

void sim_stop(void)
{
    sim_lock();
    sim.stopping = true;
    sim_mirror_stop();
    sim_wake();
    while (sim.workers)
        sim_wait(sim_now_ms() + 1000);
    sim_unlock();
}

int sim_spawn(void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &attr, fn, arg);
    pthread_attr_destroy(&attr);
    if (rc)
        return -1;
    sim.workers++;
    return 0;
}

void sim_worker_done(void)
{
    sim.workers--;
    sim_wake();
}

/* Binary search: the first index whose name is >= (or >) the text. */
#define LOWER_BOUND(array, count, text, inclusive)                                                 \
    size_t lo = 0, hi = (count);                                                                   \
    while ((text) && lo < hi) {                                                                    \
        size_t mid = lo + (hi - lo) / 2;                                                           \
        int order = strcmp((array)[mid]->name, (text));                                            \
        if (order < 0 || (order == 0 && !(inclusive)))                                             \
            lo = mid + 1;                                                                          \
        else                                                                                       \
            hi = mid;                                                                              \
    }                                                                                              \
    return lo

size_t sim_svm_after(const char *after, bool inclusive)
{
    LOWER_BOUND(sim.svms, sim.svm_count, after, inclusive);
}

size_t sim_volume_after(const struct sim_svm *svm, const char *after, bool inclusive)
{
    LOWER_BOUND(svm->volumes, svm->volume_count, after, inclusive);
}

static size_t snap_bound(const struct sim_volume *vol, const char *name, bool inclusive)
{
    LOWER_BOUND(vol->snaps, vol->snap_count, name, inclusive);
}

size_t sim_snap_after(const struct sim_volume *vol, const char *after)
{
    return snap_bound(vol, after, false);
}

struct sim_svm *sim_svm_find(const char *name)
{
    size_t i = sim_svm_after(name, true);
    return i < sim.svm_count && !strcmp(sim.svms[i]->name, name) ? sim.svms[i] : NULL;
}

struct sim_volume *sim_volume_find(const struct sim_svm *svm, const char *name)
{
    size_t i = sim_volume_after(svm, name, true);
    return i < svm->volume_count && !strcmp(svm->volumes[i]->name, name) ? svm->volumes[i] : NULL;
}

struct sim_volume *sim_volume_by_uuid(const struct sim_svm *svm, const char *uuid)
{
    struct sim_volume *vol = sim_index_find(&sim.volumes, uuid);
    return vol && (!svm || vol->svm == svm) ? vol : NULL;
}

struct sim_snap *sim_snap_find(const struct sim_volume *vol, const char *name)
{
    size_t i = snap_bound(vol, name, true);
    return i < vol->snap_count && !strcmp(vol->snaps[i]->name, name) ? vol->snaps[i] : NULL;
}

void sim_volume_add(struct sim_svm *svm, struct sim_volume *vol)
{
    size_t at = sim_volume_after(svm, vol->name, true);
    svm->volumes = sim_grow(svm->volumes, svm->volume_count + 1, sizeof(*svm->volumes));
    memmove(&svm->volumes[at + 1], &svm->volumes[at],
            (svm->volume_count - at) * sizeof(*svm->volumes));
    svm->volumes[at] = vol;
    svm->volume_count++;
    vol->svm = svm;
}

void sim_volume_register(struct sim_volume *vol)
{
    sim_index_add(&sim.volumes, vol->uuid, vol);
    sim_index_add(&sim.volumes, vol->instance_uuid, vol);
}

static void volume_out(struct sim_volume *vol)
{
    struct sim_svm *svm = vol->svm;
    size_t at = sim_volume_after(svm, vol->name, true);
    memmove(&svm->volumes[at], &svm->volumes[at + 1],
            (svm->volume_count - at - 1) * sizeof(*svm->volumes));
    svm->volume_count--;
}

void sim_volume_bury(struct sim_volume *vol)
{
    volume_out(vol);
    sim_index_drop(&sim.volumes, vol->uuid);
    sim_index_drop(&sim.volumes, vol->instance_uuid);
    vol->gone = true;
    vol->next_gone = sim.gone;
    sim.gone = vol;
}

void sim_volume_rename_entry(struct sim_volume *vol, const char *name)
{
    volume_out(vol);
    sim.old_names = sim_grow(sim.old_names, sim.old_name_count + 1, sizeof(*sim.old_names));
    sim.old_names[sim.old_name_count++] = vol->name;
    vol->name = sim_dup(name);
    sim_volume_add(vol->svm, vol);
}

void sim_snap_add(struct sim_volume *vol, struct sim_snap *snap)
{
    size_t n = vol->snap_count;
    size_t at = snap_bound(vol, snap->name, true);
    size_t age = n;
    vol->snaps = sim_grow(vol->snaps, n + 1, sizeof(*vol->snaps));
    vol->ages = sim_grow(vol->ages, n + 1, sizeof(*vol->ages));
    while (age > 0 && vol->ages[age - 1]->created > snap->created)
        age--;
    memmove(&vol->snaps[at + 1], &vol->snaps[at], (n - at) * sizeof(*vol->snaps));
    memmove(&vol->ages[age + 1], &vol->ages[age], (n - age) * sizeof(*vol->ages));
    vol->snaps[at] = snap;
    vol->ages[age] = snap;
    vol->snap_count++;
}

static void drop(struct sim_snap **array, size_t count, const struct sim_snap *snap)
{
    size_t i = 0;
    while (i < count && array[i] != snap)
        i++;
    if (i < count)
        memmove(&array[i], &array[i + 1], (count - i - 1) * sizeof(struct sim_snap *));
}

void sim_snap_take(struct sim_volume *vol, struct sim_snap *snap)
{
    drop(vol->snaps, vol->snap_count, snap);
    drop(vol->ages, vol->snap_count, snap);
    vol->snap_count--;
}

void sim_snap_rename_entry(struct sim_volume *vol, struct sim_snap *snap, const char *name)
{
    size_t rest = vol->snap_count - 1;
    drop(vol->snaps, vol->snap_count, snap);
    free(snap->name);
    snap->name = sim_dup(name);
    vol->snap_count = rest; /* the search must not see the last, stale place */
    size_t at = snap_bound(vol, name, true);
    memmove(&vol->snaps[at + 1], &vol->snaps[at], (rest - at) * sizeof(*vol->snaps));
    vol->snaps[at] = snap;
    vol->snap_count = rest + 1;
}

int sim_op_begin(struct sim_volume *const *vols, size_t count)
{
    for (;;) {
        bool free_all = true, gone = false;
        for (size_t i = 0; i < count; i++) {
            free_all = free_all && !vols[i]->in_op;
            gone = gone || vols[i]->gone;
        }
        if (sim.stopping || gone)
            return -1;
        if (free_all)
            break;
        sim_wait(sim_now_ms() + 1000);
    }
    for (size_t i = 0; i < count; i++)
        vols[i]->in_op = true;
    return 0;
}

void sim_op_end(struct sim_volume *const *vols, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vols[i]->in_op = false;
    sim_wake();
}

int sim_op_refused(struct sim_volume *const *vols, size_t count, struct sim_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (vols[i]->gone)
            return sim_fail(err, SIM_EVOLMISSING, "Volume \"%s\" does not exist any more.",
                            vols[i]->name);
    }
    return sim_fail(err, SIM_EINTERNAL, "The system is shutting down.");
}

const char *sim_snap_busy(const struct sim_snap *snap)
{
    if (snap->dependency)
        return snap->dependency;
    return snap->clones ? "vclone" : NULL;
}

static uint64_t held_against(struct sim_volume *vol, size_t age)
{
    const struct sim_snap *newer = age + 1 < vol->snap_count ? vol->ages[age + 1] : NULL;
    if (vol->ages[age]->lazy || (newer && newer->lazy))
        return 0;
    AUTO_CLOSE int mine = sim_store_dir(vol->snap_dir, vol->ages[age]->name);
    AUTO_CLOSE int next = newer ? sim_store_dir(vol->snap_dir, newer->name) : dup(vol->dir);
    return mine < 0 ? 0 : sim_store_held(mine, next);
}

void sim_snap_measure(struct sim_volume *vol, size_t age)
{
    if (age + 1 < vol->snap_count)
        vol->ages[age]->held = held_against(vol, age);
}

uint64_t sim_snap_held(struct sim_volume *vol, size_t age)
{
    return age + 1 < vol->snap_count ? vol->ages[age]->held : held_against(vol, age);
}

void sim_space(struct sim_volume *vol, struct sim_space *out)
{
    *out = (struct sim_space){.live = sim_store_usage(vol->dir)};
    for (size_t i = 0; i < vol->snap_count; i++)
        out->snaps += sim_snap_held(vol, i);
    uint64_t reserve = vol->size / 100 * vol->reserve;
    uint64_t room = vol->size - reserve;
    out->used = out->live + (out->snaps > reserve ? out->snaps - reserve : 0);
    out->available = out->used < room ? room - out->used : 0;
}

void sim_snap_free(struct sim_snap *snap)
{
    if (!snap)
        return;
    for (size_t i = 0; i < snap->owner_count; i++)
        free(snap->owners[i]);
    free(snap->owners);
    free(snap->name);
    free(snap->comment);
    free(snap->label);
    free(snap->dependency);
    free(snap);
}

static void conf_luns_free(struct sim_lun_conf *conf)
{
    while (conf) {
        struct sim_lun_conf *next = conf->next;
        for (size_t i = 0; i < conf->map_count; i++)
            free(conf->igroups[i]);
        free(conf->igroups);
        free(conf->ids);
        free(conf->name);
        free(conf->serial);
        free(conf->uuid);
        free(conf->comment);
        free(conf->os_type);
        free(conf);
        conf = next;
    }
}

static void volume_free(struct sim_volume *vol)
{
    for (size_t i = 0; i < vol->snap_count; i++)
        sim_snap_free(vol->snaps[i]);
    sim_lun_drop_all(vol);
    conf_luns_free(vol->conf_luns);
    free(vol->luns);
    free(vol->snaps);
    free(vol->ages);
    free(vol->name);
    free(vol->junction);
    free(vol->aggregate);
    free(vol->type);
    free(vol->state);
    free(vol->comment);
    free(vol->policy);
    free(vol->exports);
    free(vol->conf);
    free(vol->parent_name);
    free(vol->parent_snap);
    sim_auto_close(&vol->dir);
    sim_auto_close(&vol->snap_dir);
    free(vol);
}

static void svm_free(struct sim_svm *svm)
{
    for (size_t i = 0; i < svm->volume_count; i++)
        volume_free(svm->volumes[i]);
    for (size_t i = 0; i < svm->lif_count; i++) {
        free(svm->lifs[i].name);
        free(svm->lifs[i].address);
        free(svm->lifs[i].wwpn);
        free(svm->lifs[i].listen_host);
    }
    for (size_t i = 0; i < svm->igroup_count; i++)
        sim_igroup_free(svm->igroups[i]);
    for (size_t i = 0; i < 2 * svm->conf_igroup_count; i++)
        free(svm->conf_igroups[i]);
    for (size_t i = 0; i < svm->export_count; i++)
        sim_export_free(svm->exports[i]);
    free(svm->conf_igroups);
    free(svm->exports);
    free(svm->volumes);
    free(svm->lifs);
    free(svm->igroups);
    free(svm->name);
    sim_auto_close(&svm->dir);
    free(svm);
}

static void rights_free(struct sim_right *rights, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(rights[i].what);
    free(rights);
}

void sim_free(void)
{
    while (sim.gone) {
        struct sim_volume *vol = sim.gone;
        sim.gone = vol->next_gone;
        volume_free(vol);
    }
    for (size_t i = 0; i < sim.svm_count; i++)
        svm_free(sim.svms[i]);
    for (size_t i = 0; i < sim.old_name_count; i++)
        free(sim.old_names[i]);
    free(sim.old_names);
    sim_index_free(&sim.volumes);
    sim_index_free(&sim.luns);
    sim_index_free(&sim.serials);
    for (size_t i = 0; i < sim.user_count; i++) {
        free(sim.users[i].name);
        free(sim.users[i].password);
        free(sim.users[i].cert);
        free(sim.users[i].svm_name);
    }
    for (size_t i = 0; i < sim.role_count; i++) {
        rights_free(sim.roles[i].commands, sim.roles[i].command_count);
        rights_free(sim.roles[i].apis, sim.roles[i].api_count);
        free(sim.roles[i].name);
    }
    free(sim.roles);
    for (size_t i = 0; i < sim.peer_count; i++) {
        free(sim.peers[i].name);
        free(sim.peers[i].root);
        free(sim.peers[i].url);
    }
    free(sim.peers);
    free(sim.client_ca);
    free(sim.svms);
    free(sim.users);
    free(sim.listen_host);
    free(sim.cert_file);
    free(sim.key_file);
    free(sim.root);
    free(sim.backend);
    free(sim.cluster);
    free(sim.ontap);
    sim_auto_close(&sim.state_dir);
    sim_auto_close(&sim.root_dir);
}
