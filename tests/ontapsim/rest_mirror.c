/* SnapMirror relationships over REST. */
#include "rest_mirror.h"
#include "mirror_source.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0},
    {"source.path", 0, 0},
    {"source.svm.name", 0, 0},
    {"source.svm.uuid", 0, 0},
    {"destination.path", 0, 0},
    {"destination.svm.name", 0, 0},
    {"destination.svm.uuid", 0, 0},
    {"policy.name", 0, 0},
    {"policy.type", 0, 0},
    {"policy.uuid", 0, 0},
    {"state", 0, 0},
    {"healthy", 0, 0},
    {"unhealthy_reason", REST_LIST, 0},
    {"unhealthy_reason.code", 0, 0},
    {"unhealthy_reason.message", 0, 0},
    {"lag_time", 0, 0},
    {"exported_snapshot", 0, 0},
    {"restore", 0, 0},
    {"transfer.uuid", REST_EXPENSIVE, 0},
    {"transfer.state", REST_EXPENSIVE, 0},
    {"transfer.bytes_transferred", REST_EXPENSIVE, 0},
    {"transfer.end_time", REST_EXPENSIVE, 0},
    {"transfer.total_duration", REST_EXPENSIVE, 0},
    {"transfer.type", REST_EXPENSIVE, REST_V(9, 11, 1)},
    {"last_transfer_type", 0, REST_V(9, 11, 1)},
    {"transfer_schedule.name", 0, REST_V(9, 11, 1)},
    {"throttle", 0, REST_V(9, 11, 1)},
    {"group_type", 0, REST_V(9, 11, 1)},
    {"total_transfer_bytes", 0, REST_V(9, 13, 1)},
};

void rest_mirror_code(enum rest_mirror_action action, struct sim_err *err)
{
    static const struct {
        int action; /* -1: any */
        int num;    /* 0: any */
        int code;
    } table[] = {
        {-1, SIM_ENOENTRY, REST_ENOENTRY},
        {-1, SIM_EMIRROREXISTS, 6619637},
        {REST_MIRROR_CREATE, SIM_EVOLMISSING, REST_ENOENTRY},
        {REST_MIRROR_CREATE, 0, 13303809},
        {REST_MIRROR_INITIALIZE, 0, 13303812},
        {REST_MIRROR_UPDATE, 0, 13303844},
        {REST_MIRROR_RESYNC, 0, 13303810},
        {REST_MIRROR_RESTORE, 0, 13303845},
        {REST_MIRROR_PAUSE, 0, 13303824},
        {REST_MIRROR_RESUME, 0, 13303811},
        {REST_MIRROR_BREAK, 0, 13303808},
        {REST_MIRROR_ABORT, 0, 13303849},
        {REST_MIRROR_DELETE, 0, 13303813},
        {REST_MIRROR_RELEASE, SIM_EMIRRORNOSOURCE, REST_ENOENTRY},
        {REST_MIRROR_RELEASE, 0, 13303822},
    };
    size_t i = 0;
    while ((table[i].action != -1 && table[i].action != (int)action) ||
           (table[i].num && table[i].num != err->num))
        i++;
    err->rest = table[i].code;
}

void rest_duration(char out[32], int64_t seconds)
{
    long long s = seconds < 0 ? 0 : seconds;
    if (s >= 3600)
        snprintf(out, 32, "PT%lldH%lldM%lldS", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(out, 32, "PT%lldM%lldS", s / 60, s % 60);
    else
        snprintf(out, 32, "PT%lldS", s);
}

const char *rest_mirror_policy_type(const struct sim_policy *p)
{
    return sim_policy_is_sync(p) ? "sync" : "async";
}

const char *rest_transfer_state(const struct sim_transfer *t)
{
    static const char *const names[] = {[SIM_TRANSFER_RUNNING] = "transferring",
                                        [SIM_TRANSFER_SUCCESS] = "success",
                                        [SIM_TRANSFER_FAILED] = "failed",
                                        [SIM_TRANSFER_ABORTED] = "aborted",
                                        [SIM_TRANSFER_HARD_ABORTED] = "hard_aborted"};
    return names[t->state];
}

static const char *state_of(const struct sim_mirror *m, const struct sim_policy *p)
{
    if (m->state == SIM_MIRROR_NEW)
        return "uninitialized";
    if (m->state == SIM_MIRROR_BROKEN)
        return "broken_off";
    if (m->quiesced && !sim_mirror_running(m))
        return "paused";
    return p && sim_policy_is_sync(p) ? "in_sync" : "snapmirrored";
}

static const char *uuid_of_svm(const char *name)
{
    const struct sim_svm *svm = sim_svm_find(name);
    return svm ? svm->uuid : NULL;
}

static void put_path(struct rest_list *l, const char *field, const char *svm, const char *volume)
{
    AUTO_FREE char *path = sim_printf("%s:%s", svm, volume);
    rest_text(l, field, path);
}

static void put_transfer(struct rest_list *l, const struct sim_mirror *m)
{
    const struct sim_transfer *t = m->transfers[0];
    char text[32];
    if (!t)
        return;
    bool running = t->state == SIM_TRANSFER_RUNNING;
    int64_t until = running ? sim_epoch() : t->ended;
    rest_text(l, "transfer.uuid", t->uuid);
    rest_text(l, "transfer.state", rest_transfer_state(t));
    rest_number(l, "transfer.bytes_transferred", t->bytes);
    if (!running)
        rest_time(l, "transfer.end_time", t->ended);
    rest_duration(text, until - t->started);
    rest_text(l, "transfer.total_duration", text);
    rest_text(l, "transfer.type", sim_transfer_kind_name(t));
    const struct sim_transfer *last = running ? m->transfers[1] : t;
    rest_text(l, "last_transfer_type", last ? sim_transfer_kind_name(last) : NULL);
}

/* Fields in the order of the table. */
static void record(struct rest_list *l, const struct sim_mirror *m)
{
    const struct sim_policy *p = sim_mirror_policy(m);
    char text[32];
    rest_text(l, "uuid", m->uuid);
    put_path(l, "source.path", m->source_svm, m->source_volume);
    rest_text(l, "source.svm.name", m->source_svm);
    rest_text(l, "source.svm.uuid", uuid_of_svm(m->source_svm));
    put_path(l, "destination.path", m->svm, m->volume);
    rest_text(l, "destination.svm.name", m->svm);
    rest_text(l, "destination.svm.uuid", uuid_of_svm(m->svm));
    rest_text(l, "policy.name", m->policy);
    rest_text(l, "policy.type", p ? rest_mirror_policy_type(p) : NULL);
    rest_text(l, "policy.uuid", p ? p->uuid : NULL);
    rest_text(l, "state", state_of(m, p));
    rest_flag(l, "healthy", !m->ailing.num);
    if (m->ailing.num)
        rest_put(l, "unhealthy_reason",
                 json_pack("[{s:s, s:s}]", "code", "13303844", "message", m->ailing.reason));
    rest_duration(text, sim_epoch() - m->newest_time);
    rest_text(l, "lag_time", m->newest ? text : NULL);
    rest_text(l, "exported_snapshot", m->newest);
    rest_flag(l, "restore", m->type == SIM_MIRROR_RESTORE);
    put_transfer(l, m);
    rest_text(l, "transfer_schedule.name", m->schedule);
    rest_number(l, "throttle", m->throttle);
    rest_text(l, "group_type", "none");
    rest_number(l, "total_transfer_bytes", m->total_bytes);
}

/* A relationship as its source knows it. */
static void source_record(struct rest_list *l, const struct sim_destination *d)
{
    const struct sim_policy *p = d->policy ? sim_policy_find(NULL, d->policy) : NULL;
    AUTO_FREE char *svm = strndup(d->destination, strcspn(d->destination, ":"));
    rest_text(l, "uuid", d->uuid);
    put_path(l, "source.path", d->svm, d->volume);
    rest_text(l, "source.svm.name", d->svm);
    rest_text(l, "source.svm.uuid", uuid_of_svm(d->svm));
    rest_text(l, "destination.path", d->destination);
    rest_text(l, "destination.svm.name", svm);
    rest_text(l, "policy.name", d->policy);
    rest_text(l, "policy.type", p ? rest_mirror_policy_type(p) : "async");
}

struct sim_mirror *rest_mirror(struct rest *r, const char *uuid)
{
    struct sim_mirror *m = sim_mirror_by_uuid(uuid);
    if (m && (!r->svm || !strcmp(m->svm, r->svm->name)))
        return m;
    rest_missing_entry(r, "uuid");
    return NULL;
}

static int at_source(struct rest *r, bool *value)
{
    return rest_flag_arg(r, "list_destinations_only", value);
}

static void list_sources(struct rest_list *l)
{
    bool room = true;
    uint64_t skip = 0;
    if (l->keys[0] && sim_number(l->keys[0], 0, UINT32_MAX, &skip))
        skip++;
    for (size_t i = (size_t)skip; i < sim_destination_count() && room; i++) {
        const struct sim_destination *d = sim_destination_at(i);
        char self[96], place[24];
        if (l->r->svm && strcmp(d->svm, l->r->svm->name) != 0)
            continue;
        rest_record(l);
        source_record(l, d);
        snprintf(self, sizeof(self), "/snapmirror/relationships/%s", d->uuid);
        snprintf(place, sizeof(place), "%zu", i);
        room = rest_row(l, self, place, NULL, NULL);
    }
}

static void list_mirrors(struct rest_list *l)
{
    bool room = true;
    for (size_t i = 0, n = sim_mirror_count(); i < n && room; i++) {
        const struct sim_mirror *m = sim_mirror_at(i);
        char self[96];
        int order = l->keys[0] ? strcmp(m->svm, l->keys[0]) : 1;
        bool seen = order < 0 || (!order && l->keys[1] && strcmp(m->volume, l->keys[1]) <= 0);
        if (seen || (l->r->svm && strcmp(m->svm, l->r->svm->name) != 0))
            continue;
        rest_record(l);
        record(l, m);
        snprintf(self, sizeof(self), "/snapmirror/relationships/%s", m->uuid);
        room = rest_row(l, self, m->svm, m->volume, NULL);
    }
}

int rest_mirrors_get(struct rest *r)
{
    struct rest_list l;
    bool source = false;
    if (at_source(r, &source) || rest_list_begin(&l, r, fields, COUNT(fields)))
        return -1;
    sim_lock();
    if (source)
        list_sources(&l);
    else
        list_mirrors(&l);
    sim_unlock();
    return rest_list_end(&l);
}

/* Locked. */
static bool object_record(struct rest *r, struct rest_list *l, bool source)
{
    const char *uuid = r->params[0];
    if (!source) {
        const struct sim_mirror *m = rest_mirror(r, uuid);
        if (m)
            record(l, m);
        return m != NULL;
    }
    for (size_t i = 0; i < sim_destination_count(); i++) {
        const struct sim_destination *d = sim_destination_at(i);
        if (strcmp(d->uuid, uuid) != 0 || (r->svm && strcmp(d->svm, r->svm->name) != 0))
            continue;
        source_record(l, d);
        return true;
    }
    rest_missing_entry(r, "uuid");
    return false;
}

int rest_mirror_get(struct rest *r)
{
    struct rest_list l;
    bool source = false;
    if (at_source(r, &source) || rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    AUTO_FREE char *self = sim_printf("/snapmirror/relationships/%s", r->params[0]);
    sim_lock();
    rest_record(&l);
    bool found = object_record(r, &l, source);
    sim_unlock();
    if (found)
        return rest_object_end(&l, self);
    rest_list_drop(&l);
    return -1;
}
