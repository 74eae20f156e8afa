/* SnapMirror relationships over REST: create, change the state, delete. */
#include "rest_mirror.h"
#include "mirror_source.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

/* What a job needs to know; every text is owned. */
struct work {
    char uuid[37];
    char *source_svm, *source_volume;
    char *svm, *volume;
    char *policy, *schedule;
    enum sim_mirror_type type;
    unsigned throttle;
    bool has_throttle;
    bool make_volume; /* create: the destination, too */
    bool initialize;
    enum rest_mirror_action action; /* a change of state; CREATE: none */
    bool at_destination, at_source, keep_snapshots;
};

static void work_free(void *arg)
{
    struct work *w = arg;
    free(w->source_svm);
    free(w->source_volume);
    free(w->svm);
    free(w->volume);
    free(w->policy);
    free(w->schedule);
    free(w);
}

static int coded(enum rest_mirror_action action, int rc, struct sim_err *err)
{
    if (rc && !err->rest)
        rest_mirror_code(action, err);
    return rc;
}

/* As large as the source, where that is known here. */
static int make_destination(const struct work *w, struct sim_err *err)
{
    sim_lock();
    struct sim_svm *svm = sim_svm_find(w->svm);
    const struct sim_svm *from = sim_svm_find(w->source_svm);
    const struct sim_volume *source = from ? sim_volume_find(from, w->source_volume) : NULL;
    const struct sim_volume_spec spec = {
        .name = w->volume, .size = source ? source->size : 10ULL << 30, .type = "dp"};
    bool there = svm && sim_volume_find(svm, w->volume);
    sim_unlock();
    if (!svm)
        return sim_fail(err, SIM_ENOSVM, "There is no SVM \"%s\".", w->svm);
    return there ? 0 : sim_volume_create(svm, &spec, NULL, err);
}

static int create(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    const struct sim_mirror_spec spec = {.source_svm = w->source_svm,
                                         .source_volume = w->source_volume,
                                         .svm = w->svm,
                                         .volume = w->volume,
                                         .policy = w->policy,
                                         .schedule = w->schedule,
                                         .type = w->type,
                                         .throttle = w->throttle,
                                         .uuid = w->uuid};
    char id[37];
    if (w->make_volume && make_destination(w, err))
        return coded(REST_MIRROR_CREATE, -1, err);
    if (sim_mirror_create(&spec, id, err))
        return coded(REST_MIRROR_CREATE, -1, err);
    if (!w->initialize)
        return 0;
    return coded(REST_MIRROR_INITIALIZE,
                 sim_mirror_start(id, SIM_TRANSFER_INITIALIZE, NULL, 0, NULL, NULL, err), err);
}

static int read_path(struct rest *r, const char *field, char **svm, char **volume)
{
    const char *s, *v;
    const char *text = rest_need(r, field);
    if (!text)
        return -1;
    if (!sim_mirror_location(&r->arena, text, &s, &v))
        return rest_invalid(r, field, text, "svm:volume");
    *svm = sim_dup(s);
    *volume = sim_dup(v);
    return 0;
}

/* A policy is named or has a uuid. */
static int read_policy(struct rest *r, struct work *w)
{
    const char *name = rest_arg(r, "policy.name");
    const char *uuid = rest_arg(r, "policy.uuid");
    sim_lock();
    const struct sim_policy *p = uuid ? sim_policy_by_uuid(uuid) : NULL;
    w->policy = sim_dup(p ? p->name : name);
    sim_unlock();
    return uuid && !p ? rest_missing_entry(r, "policy.uuid") : 0;
}

static int read_options(struct rest *r, struct work *w)
{
    uint64_t throttle = 0;
    w->has_throttle = rest_arg(r, "throttle") != NULL;
    if (read_policy(r, w) || rest_count_arg(r, "throttle", 0, UINT32_MAX, &throttle))
        return -1;
    w->throttle = (unsigned)throttle;
    w->schedule = sim_dup(rest_arg(r, "transfer_schedule.name"));
    return 0;
}

static int read_new(struct rest *r, struct work *w)
{
    bool restore = false;
    const char *state = rest_arg(r, "state");
    if (read_path(r, "source.path", &w->source_svm, &w->source_volume) ||
        read_path(r, "destination.path", &w->svm, &w->volume) || read_options(r, w) ||
        rest_flag_arg(r, "restore", &restore) ||
        rest_flag_arg(r, "create_destination.enabled", &w->make_volume))
        return -1;
    if (r->svm && strcmp(w->svm, r->svm->name) != 0)
        return rest_fail(r, REST_EDENIED, "destination.path", "%s", rest_text_of(REST_EDENIED));
    w->initialize = state && (!strcmp(state, "snapmirrored") || !strcmp(state, "in_sync"));
    if (state && !w->initialize)
        return rest_invalid(r, "state", state, "snapmirrored, in_sync");
    w->type = restore ? SIM_MIRROR_RESTORE : SIM_MIRROR_XDP;
    return 0;
}

int rest_mirror_create(struct rest *r)
{
    static const char *const names[] = {"source.*",
                                        "destination.*",
                                        "policy.*",
                                        "restore",
                                        "state",
                                        "throttle",
                                        "transfer_schedule.*",
                                        "create_destination.*",
                                        "identity_preservation",
                                        "preserve",
                                        "quick_resync",
                                        "recover_after_break",
                                        NULL};
    struct work *w = sim_alloc(1, sizeof(*w));
    if (rest_accept(r, names) || read_new(r, w)) {
        work_free(w);
        return -1;
    }
    sim_uuid(w->uuid);
    AUTO_FREE char *location = sim_printf("/snapmirror/relationships/%s", w->uuid);
    const struct rest_work job = {REST_DO_MIRROR, sim_svm_find(w->svm), create, work_free, w, 201,
                                  location};
    return rest_async(r, &job);
}

/* --- changes --- */

static int change_state(const struct work *w, struct sim_err *err)
{
    switch (w->action) {
    case REST_MIRROR_PAUSE:
        return sim_mirror_quiesce(w->uuid, err);
    case REST_MIRROR_RESUME:
        return sim_mirror_resume(w->uuid, err);
    case REST_MIRROR_BREAK:
        return sim_mirror_break(w->uuid, true, err);
    case REST_MIRROR_INITIALIZE:
        return sim_mirror_start(w->uuid, SIM_TRANSFER_INITIALIZE, NULL, 0, NULL, NULL, err);
    case REST_MIRROR_RESYNC:
        return sim_mirror_start(w->uuid, SIM_TRANSFER_RESYNC, NULL, 0, NULL, NULL, err);
    default:
        return 0;
    }
}

static int modify(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    bool options = w->policy || w->schedule || w->has_throttle;
    if (options && sim_mirror_modify(w->uuid, w->policy, w->schedule,
                                     w->has_throttle ? &w->throttle : NULL, err))
        return coded(REST_MIRROR_CREATE, -1, err);
    return coded(w->action, change_state(w, err), err);
}

/* Locked. What a wish for a state means depends on the state there is. */
static int read_state(struct rest *r, const struct sim_mirror *m, struct work *w)
{
    const char *state = rest_arg(r, "state");
    bool mirrored = state && (!strcmp(state, "snapmirrored") || !strcmp(state, "in_sync"));
    /* The API reference has an underscore; Cinder, which is in use, sends a hyphen. */
    bool broken = state && (!strcmp(state, "broken_off") || !strcmp(state, "broken-off"));
    if (!state)
        return 0;
    if (!strcmp(state, "paused") && m->state == SIM_MIRROR_MIRRORED)
        w->action = REST_MIRROR_PAUSE;
    else if (broken && m->state != SIM_MIRROR_BROKEN)
        w->action = REST_MIRROR_BREAK;
    else if (mirrored && m->state == SIM_MIRROR_NEW)
        w->action = REST_MIRROR_INITIALIZE;
    else if (mirrored && m->state == SIM_MIRROR_BROKEN)
        w->action = REST_MIRROR_RESYNC;
    else if (mirrored && m->quiesced)
        w->action = REST_MIRROR_RESUME;
    else if (!mirrored && !broken)
        return rest_fail(r, 13303818, "state", "Invalid transition from \"%s\" to \"%.40s\".",
                         sim_mirror_state_name(m), state);
    return 0;
}

int rest_mirror_patch(struct rest *r)
{
    static const char *const names[] = {
        "state",        "policy.*",      "throttle", "transfer_schedule.*",
        "quick_resync", "preserve",      "restore",  "restore_to_snapshot",
        "source.*",     "destination.*", "failover", NULL};
    struct work *w = sim_alloc(1, sizeof(*w));
    if (rest_accept(r, names) || read_options(r, w)) {
        work_free(w);
        return -1;
    }
    sim_lock();
    const struct sim_mirror *m = rest_mirror(r, r->params[0]);
    int rc = m ? read_state(r, m, w) : -1;
    if (m)
        memcpy(w->uuid, m->uuid, sizeof(w->uuid));
    const struct sim_svm *svm = m ? sim_svm_find(m->svm) : NULL;
    sim_unlock();
    if (rc) {
        work_free(w);
        return rc;
    }
    const struct rest_work job = {REST_DO_MIRROR, svm, modify, work_free, w, 200, NULL};
    return rest_async(r, &job);
}

/* --- delete --- */

/* The source may be in another simulator, or away: then only the destination's side ends. */
static int release(const struct work *w, struct sim_err *err)
{
    AUTO_FREE char *destination = sim_printf("%s:%s", w->svm, w->volume);
    if (sim_svm_find(w->source_svm))
        return sim_mirror_release(w->source_svm, w->source_volume, destination, w->keep_snapshots,
                                  err);
    json_t *q = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "op", "release", "svm", w->source_svm,
                          "volume", w->source_volume, "destination", destination, "relationship",
                          w->uuid, "keep", (int)w->keep_snapshots);
    json_t *answer = sim_source_ask(q, err);
    json_decref(answer);
    return answer ? 0 : -1;
}

static int delete (void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    if (w->at_destination && sim_mirror_destroy(w->uuid, err))
        return coded(REST_MIRROR_DELETE, -1, err);
    return w->at_source ? coded(REST_MIRROR_RELEASE, release(w, err), err) : 0;
}

/* Locked. The relationship as it is known here. */
static int find_for_delete(struct rest *r, struct work *w)
{
    const struct sim_mirror *m = w->at_destination ? rest_mirror(r, r->params[0]) : NULL;
    if (w->at_destination && !m)
        return -1;
    if (m) {
        w->svm = sim_dup(m->svm);
        w->volume = sim_dup(m->volume);
        w->source_svm = sim_dup(m->source_svm);
        w->source_volume = sim_dup(m->source_volume);
        return 0;
    }
    for (size_t i = 0; i < sim_destination_count(); i++) {
        const struct sim_destination *d = sim_destination_at(i);
        const char *svm, *volume;
        if (strcmp(d->uuid, r->params[0]) != 0 ||
            !sim_mirror_location(&r->arena, d->destination, &svm, &volume))
            continue;
        w->svm = sim_dup(svm);
        w->volume = sim_dup(volume);
        w->source_svm = sim_dup(d->svm);
        w->source_volume = sim_dup(d->volume);
        return 0;
    }
    return rest_missing_entry(r, "uuid");
}

int rest_mirror_delete(struct rest *r)
{
    static const char *const names[] = {"destination_only", "source_only", "source_info_only",
                                        "failover", NULL};
    bool destination_only = false, source_only = false, info_only = false;
    struct work *w = sim_alloc(1, sizeof(*w));
    int rc = -1;
    if (!rest_accept(r, names) && !rest_flag_arg(r, "destination_only", &destination_only) &&
        !rest_flag_arg(r, "source_only", &source_only) &&
        !rest_flag_arg(r, "source_info_only", &info_only)) {
        snprintf(w->uuid, sizeof(w->uuid), "%s", r->params[0]);
        w->at_destination = !source_only && !info_only;
        w->at_source = !destination_only;
        w->keep_snapshots = info_only;
        sim_lock();
        rc = find_for_delete(r, w);
        sim_unlock();
    }
    if (rc) {
        work_free(w);
        return -1;
    }
    const struct sim_svm *svm = sim_svm_find(w->at_destination ? w->svm : w->source_svm);
    const struct rest_work job = {REST_DO_MIRROR, svm, delete, work_free, w, 200, NULL};
    return rest_async(r, &job);
}
