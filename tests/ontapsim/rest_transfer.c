/* Transfers of SnapMirror relationships over REST: start one, watch it, abort it. */
#include "rest_mirror.h"
#include "store.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { MAX_FILES = 8 };

static const struct rest_field fields[] = {
    {"uuid", REST_KEY, 0},
    {"relationship.uuid", REST_KEY, 0},
    {"relationship.destination.path", 0, 0},
    {"relationship.restore", 0, 0},
    {"state", 0, 0},
    {"snapshot", 0, 0},
    {"bytes_transferred", 0, 0},
    {"total_duration", 0, 0},
    {"end_time", 0, 0},
    {"last_updated_time", 0, 0},
    {"throttle", 0, 0},
    {"error_info.code", 0, 0},
    {"error_info.message", 0, 0},
};

static void record(struct rest_list *l, const struct sim_mirror *m, const struct sim_transfer *t)
{
    char text[32];
    bool running = t->state == SIM_TRANSFER_RUNNING;
    AUTO_FREE char *path = sim_printf("%s:%s", m->svm, m->volume);
    rest_text(l, "uuid", t->uuid);
    rest_text(l, "relationship.uuid", m->uuid);
    rest_text(l, "relationship.destination.path", path);
    rest_flag(l, "relationship.restore", m->type == SIM_MIRROR_RESTORE);
    rest_text(l, "state", rest_transfer_state(t));
    rest_text(l, "snapshot", t->snapshot ? t->snapshot : t->source_snapshot);
    rest_number(l, "bytes_transferred", t->bytes);
    rest_duration(text, (running ? sim_epoch() : t->ended) - t->started);
    rest_text(l, "total_duration", text);
    if (!running)
        rest_time(l, "end_time", t->ended);
    rest_time(l, "last_updated_time", running ? sim_epoch() : t->ended);
    rest_number(l, "throttle", t->rate ? t->rate : m->throttle);
    if (t->error.num) {
        snprintf(text, sizeof(text), "%d", t->kind == SIM_TRANSFER_RESTORE ? 13303845 : 13303844);
        rest_text(l, "error_info.code", text);
        rest_text(l, "error_info.message", t->error.reason);
    }
}

int rest_transfers_get(struct rest *r)
{
    struct rest_list l;
    bool room = true;
    if (rest_list_begin(&l, r, fields, COUNT(fields)))
        return -1;
    bool after = l.keys[0] != NULL;
    sim_lock();
    const struct sim_mirror *m = rest_mirror(r, r->params[0]);
    for (size_t i = 0; m && i < SIM_TRANSFERS && m->transfers[i] && room; i++) {
        char self[160];
        const struct sim_transfer *t = m->transfers[i];
        if (after) {
            after = strcmp(l.keys[0], t->uuid) != 0;
            continue;
        }
        rest_record(&l);
        record(&l, m, t);
        snprintf(self, sizeof(self), "/snapmirror/relationships/%s/transfers/%s", m->uuid, t->uuid);
        room = rest_row(&l, self, t->uuid, NULL, NULL);
    }
    sim_unlock();
    if (m)
        return rest_list_end(&l);
    rest_list_drop(&l);
    return -1;
}

int rest_transfer_get(struct rest *r)
{
    struct rest_list l;
    if (rest_object_begin(&l, r, fields, COUNT(fields)))
        return -1;
    AUTO_FREE char *self =
        sim_printf("/snapmirror/relationships/%s/transfers/%s", r->params[0], r->params[1]);
    sim_lock();
    const struct sim_mirror *m = rest_mirror(r, r->params[0]);
    const struct sim_transfer *t = m ? sim_mirror_transfer(m, r->params[1]) : NULL;
    if (t) {
        rest_record(&l);
        record(&l, m, t);
    } else if (m) {
        rest_missing_entry(r, "uuid");
    }
    sim_unlock();
    if (t)
        return rest_object_end(&l, self);
    rest_list_drop(&l);
    return -1;
}

/* Paths begin at the volume; the model's do not begin with a slash. */
static int read_file(struct rest *r, json_t *item, struct sim_restore_pair *pair)
{
    const char *from = json_string_value(json_object_get(item, "source_path"));
    const char *to = json_string_value(json_object_get(item, "destination_path"));
    if (!from)
        return rest_fail(r, REST_EMISSING, "files.source_path", "The field is required.");
    if (!to)
        to = from;
    from += strspn(from, "/");
    to += strspn(to, "/");
    if (!sim_store_path_ok(from) || !sim_store_path_ok(to) || !strncmp(to, ".snapshot", 9))
        return rest_fail(r, 13303847, "files", "A path is invalid.");
    pair->from = sim_arena_dup(&r->arena, from);
    pair->to = sim_arena_dup(&r->arena, to);
    return 0;
}

static int read_files(struct rest *r, struct sim_restore_pair *files, size_t *count)
{
    json_t *list = rest_body(r, "files");
    size_t i;
    json_t *item;
    if (!list)
        return 0;
    if (!json_array_size(list))
        return rest_fail(r, 13303846, "files", "The list of files is empty.");
    if (json_array_size(list) > MAX_FILES)
        return rest_fail(r, 13303847, "files", "At most %d files at once.", MAX_FILES);
    json_array_foreach (list, i, item) {
        if (read_file(r, item, &files[(*count)++]))
            return -1;
    }
    return 0;
}

/* What a transfer is depends on the relationship. */
static int start(struct rest *r, const char *uuid, const struct sim_restore_pair *files,
                 size_t count, unsigned rate, char id[37])
{
    struct sim_err err = {0};
    enum rest_mirror_action action = REST_MIRROR_UPDATE;
    const char *snapshot = rest_arg(r, "source_snapshot");
    int rc;
    sim_lock();
    const struct sim_mirror *m = rest_mirror(r, uuid);
    bool restore = m && m->type == SIM_MIRROR_RESTORE;
    bool fresh = m && m->state == SIM_MIRROR_NEW;
    sim_unlock();
    if (!m)
        return -1;
    if (count && !restore)
        return rest_fail(r, 13303847, "files",
                         "Files are restored by a relationship with \"restore\" only.");
    if (restore) {
        action = REST_MIRROR_RESTORE;
        rc = sim_mirror_restore(uuid, snapshot, files, count, rate, id, NULL, &err);
    } else {
        action = fresh ? REST_MIRROR_INITIALIZE : REST_MIRROR_UPDATE;
        rc = sim_mirror_start(uuid, fresh ? SIM_TRANSFER_INITIALIZE : SIM_TRANSFER_UPDATE, snapshot,
                              rate, id, NULL, &err);
    }
    if (!rc)
        return 0;
    rest_mirror_code(action, &err);
    return rest_fail_model(r, REST_DO_MIRROR, &err);
}

int rest_transfer_create(struct rest *r)
{
    static const char *const names[] = {"source_snapshot", "files",   "throttle",
                                        "files.*",         "options", "storage_efficiency_enabled",
                                        "on_demand_attrs", NULL};
    struct sim_restore_pair files[MAX_FILES];
    size_t count = 0;
    uint64_t rate = 0;
    char id[37];
    bool records = false;
    if (rest_accept(r, names) || read_files(r, files, &count) ||
        rest_count_arg(r, "throttle", 0, UINT32_MAX, &rate) ||
        rest_flag_arg(r, "return_records", &records) ||
        start(r, r->params[0], files, count, (unsigned)rate, id))
        return -1;
    r->status = 201;
    r->location = sim_arena_printf(&r->arena, "/api/snapmirror/relationships/%s/transfers/%s",
                                   r->params[0], id);
    if (records)
        r->out = json_pack("{s:i, s:[{s:s}]}", "num_records", 1, "records", "uuid", id);
    return 0;
}

int rest_transfer_patch(struct rest *r)
{
    static const char *const names[] = {"state", NULL};
    struct sim_err err = {0};
    const char *state = rest_accept(r, names) ? NULL : rest_need(r, "state");
    if (!state)
        return -1;
    bool hard = !strcmp(state, "hard_aborted");
    if (!hard && strcmp(state, "aborted") != 0)
        return rest_invalid(r, "state", state, "aborted, hard_aborted");
    sim_lock();
    const struct sim_mirror *m = rest_mirror(r, r->params[0]);
    const struct sim_transfer *t = m ? sim_mirror_transfer(m, r->params[1]) : NULL;
    bool running = t && t->state == SIM_TRANSFER_RUNNING;
    bool sync = m && sim_mirror_policy(m) && sim_policy_is_sync(sim_mirror_policy(m));
    sim_unlock();
    if (!m)
        return -1;
    if (!t)
        return rest_missing_entry(r, "uuid");
    if (sync)
        return rest_fail(r, 13303848, NULL, "A synchronous relationship has nothing to abort.");
    if (!running)
        return rest_fail(r, 13303849, NULL, "The transfer is not in a state to be aborted.");
    if (!sim_mirror_abort(r->params[0], hard, &err))
        return 0;
    rest_mirror_code(REST_MIRROR_ABORT, &err);
    return rest_fail_model(r, REST_DO_MIRROR, &err);
}
