/* Policies, relationships and destinations in root/.ontapsim/mirrors.json. */
#include "mirror.h"
#include "mirror_source.h"
#include "job.h"
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT = 64 << 20 };

static json_t *policy_json(const struct sim_policy *p)
{
    json_t *rules = json_array();
    for (size_t i = 0; i < p->rule_count; i++)
        json_array_append_new(rules, json_pack("{s:s, s:i, s:b}", "label", p->rules[i].label,
                                               "keep", (int)p->rules[i].keep, "preserve",
                                               (int)p->rules[i].preserve));
    return json_pack("{s:s, s:s, s:s*, s:s, s:s*, s:o}", "name", p->name, "uuid", p->uuid, "svm",
                     p->svm, "type", sim_policy_type_name(p), "comment", p->comment, "rules",
                     rules);
}

static json_t *transfer_json(const struct sim_transfer *t)
{
    json_t *files = json_array();
    for (size_t i = 0; i < t->file_count; i++)
        json_array_append_new(
            files, json_pack("{s:s, s:s}", "from", t->files[i].from, "to", t->files[i].to));
    return json_pack("{s:s, s:i, s:i, s:s*, s:s*, s:o, s:I, s:I, s:I, s:I, s:i, s:i, s:s}", "uuid",
                     t->uuid, "kind", (int)t->kind, "state", (int)t->state, "source_snapshot",
                     t->source_snapshot, "snapshot", t->snapshot, "files", files, "bytes",
                     (json_int_t)t->bytes, "total", (json_int_t)t->total, "started",
                     (json_int_t)t->started, "ended", (json_int_t)t->ended, "rate", (int)t->rate,
                     "errno", t->error.num, "reason", t->error.reason);
}

static json_t *mirror_json(const struct sim_mirror *m)
{
    json_t *transfers = json_array();
    for (size_t i = 0; i < SIM_TRANSFERS && m->transfers[i]; i++)
        json_array_append_new(transfers, transfer_json(m->transfers[i]));
    json_t *doc = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:i, s:i, s:b, s:i, s:s*, s:s, s:I, s:o, s:I}",
        "uuid", m->uuid, "source_svm", m->source_svm, "source_volume", m->source_volume, "svm",
        m->svm, "volume", m->volume, "policy", m->policy, "schedule", m->schedule, "type",
        (int)m->type, "state", (int)m->state, "quiesced", (int)m->quiesced, "throttle",
        (int)m->throttle, "newest", m->newest, "newest_uuid", m->newest_uuid, "newest_time",
        (json_int_t)m->newest_time, "transfers", transfers, "total_bytes",
        (json_int_t)m->total_bytes);
    json_object_set_new(doc, "serial", json_integer((json_int_t)m->serial));
    json_object_set_new(doc, "errno", json_integer(m->ailing.num));
    json_object_set_new(doc, "reason", json_string(m->ailing.reason));
    return doc;
}

int sim_mirror_save(void)
{
    json_t *policies = json_array();
    json_t *mirrors = json_array();
    for (size_t i = 0; i < sim_policy_count(); i++) {
        if (!sim.policies[i]->builtin)
            json_array_append_new(policies, policy_json(sim.policies[i]));
    }
    for (size_t i = 0; i < sim.mirror_count; i++) {
        if (!sim.mirrors[i]->removed_ms)
            json_array_append_new(mirrors, mirror_json(sim.mirrors[i]));
    }
    json_t *doc = json_pack("{s:i, s:o, s:o, s:o}", "version", 1, "policies", policies,
                            "relationships", mirrors, "destinations", sim_destination_state());
    char *out = doc ? json_dumps(doc, JSON_INDENT(1)) : NULL;
    int rc = out ? sim_store_write(sim.state_dir, "mirrors.json", out, strlen(out), 0600) : EINVAL;
    if (rc)
        sim_log("state file mirrors.json: %s", strerror(rc));
    free(out);
    json_decref(doc);
    return rc ? -1 : 0;
}

static const char *text(json_t *doc, const char *key)
{
    return json_string_value(json_object_get(doc, key));
}

static json_int_t number(json_t *doc, const char *key)
{
    return json_integer_value(json_object_get(doc, key));
}

static void take_uuid(char out[37], json_t *doc, const char *key)
{
    const char *uuid = text(doc, key);
    if (uuid && sim_is_uuid(uuid))
        snprintf(out, 37, "%s", uuid);
}

static void load_policy(json_t *doc)
{
    struct sim_err err = {0};
    enum sim_policy_type type;
    size_t i;
    json_t *rule;
    if (!text(doc, "name") || !text(doc, "type") || !sim_policy_type_read(text(doc, "type"), &type))
        return;
    struct sim_policy *p =
        sim_policy_create(text(doc, "svm"), text(doc, "name"), type, text(doc, "comment"), &err);
    if (!p)
        return;
    take_uuid(p->uuid, doc, "uuid");
    while (p->rule_count) /* what a new one has: the state says it all */
        sim_policy_remove_rule(p, p->rules[0].label, &err);
    json_array_foreach (json_object_get(doc, "rules"), i, rule) {
        if (text(rule, "label"))
            sim_policy_add_rule(p, text(rule, "label"), (unsigned)number(rule, "keep"),
                                json_is_true(json_object_get(rule, "preserve")), &err);
    }
}

static struct sim_transfer *load_transfer(json_t *doc)
{
    struct sim_transfer *t = sim_alloc(1, sizeof(*t));
    json_t *files = json_object_get(doc, "files");
    size_t i;
    json_t *file;
    take_uuid(t->uuid, doc, "uuid");
    t->kind = (enum sim_transfer_kind)number(doc, "kind");
    t->state = (enum sim_transfer_state)number(doc, "state");
    t->source_snapshot = sim_dup(text(doc, "source_snapshot"));
    t->snapshot = sim_dup(text(doc, "snapshot"));
    t->bytes = (uint64_t)number(doc, "bytes");
    t->total = (uint64_t)number(doc, "total");
    t->started = number(doc, "started");
    t->ended = number(doc, "ended");
    t->rate = (unsigned)number(doc, "rate");
    t->error.num = (int)number(doc, "errno");
    snprintf(t->error.reason, sizeof(t->error.reason), "%s",
             text(doc, "reason") ? text(doc, "reason") : "");
    t->files = sim_alloc(json_array_size(files), sizeof(*t->files));
    json_array_foreach (files, i, file) {
        if (text(file, "from") && text(file, "to"))
            t->files[t->file_count++] =
                (struct sim_restore_pair){sim_dup(text(file, "from")), sim_dup(text(file, "to"))};
    }
    return t;
}

static void load_mirror(json_t *doc)
{
    const struct sim_mirror_spec spec = {.source_svm = text(doc, "source_svm"),
                                         .source_volume = text(doc, "source_volume"),
                                         .svm = text(doc, "svm"),
                                         .volume = text(doc, "volume"),
                                         .policy = text(doc, "policy"),
                                         .schedule = text(doc, "schedule"),
                                         .type = (enum sim_mirror_type)number(doc, "type"),
                                         .throttle = (unsigned)number(doc, "throttle")};
    size_t i;
    json_t *item;
    if (!spec.source_svm || !spec.source_volume || !spec.svm || !spec.volume || !spec.policy)
        return;
    struct sim_mirror *m = sim_mirror_add(&spec);
    take_uuid(m->uuid, doc, "uuid");
    m->state = (enum sim_mirror_state)number(doc, "state");
    m->quiesced = json_is_true(json_object_get(doc, "quiesced"));
    m->newest = sim_dup(text(doc, "newest"));
    take_uuid(m->newest_uuid, doc, "newest_uuid");
    m->newest_time = number(doc, "newest_time");
    m->total_bytes = (uint64_t)number(doc, "total_bytes");
    m->serial = (unsigned)number(doc, "serial");
    m->ailing.num = (int)number(doc, "errno");
    snprintf(m->ailing.reason, sizeof(m->ailing.reason), "%s",
             text(doc, "reason") ? text(doc, "reason") : "");
    json_array_foreach (json_object_get(doc, "transfers"), i, item) {
        if (i < SIM_TRANSFERS)
            m->transfers[i] = load_transfer(item);
    }
}

int sim_mirror_load(void)
{
    size_t len = 0, i;
    json_t *item;
    json_error_t err;
    AUTO_FREE char *data = sim_store_read(sim.state_dir, "mirrors.json", LIMIT, &len);
    if (!data && errno == ENOENT)
        return 0;
    json_t *doc = data ? json_loadb(data, len, 0, &err) : NULL;
    if (!doc) {
        sim_log("state file mirrors.json: %s; remove it to start afresh",
                data ? err.text : strerror(errno));
        return -1;
    }
    json_array_foreach (json_object_get(doc, "policies"), i, item)
        load_policy(item);
    json_array_foreach (json_object_get(doc, "relationships"), i, item)
        load_mirror(item);
    sim_destination_load(json_object_get(doc, "destinations"));
    json_decref(doc);
    return 0;
}

void sim_mirror_resume_all(void)
{
    sim_lock();
    for (size_t i = 0; i < sim.mirror_count; i++) {
        struct sim_mirror *m = sim.mirrors[i];
        if (!sim_mirror_running(m))
            continue;
        m->transfers[0]->bytes = m->transfers[0]->total = 0;
        m->transfers[0]->started_ms = sim_now_ms();
        m->transfers[0]->job = sim_job_new("SnapMirror", m->svm)->id;
        if (sim_mirror_spawn(m))
            sim_log("%s:%s: the transfer does not go on: no thread", m->svm, m->volume);
    }
    sim_unlock();
}
