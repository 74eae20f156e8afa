/* SnapMirror policies: those that every cluster has, and those that clients make. */
#include "mirror.h"
#include "volume.h"

#include <string.h>

struct builtin {
    const char *name;
    enum sim_policy_type type;
    struct {
        const char *label;
        unsigned keep;
    } rules[4];
};

static const struct builtin builtins[] = {
    {"Asynchronous", SIM_POLICY_MIRROR_VAULT, {{"sm_created", 1}, {"daily", 7}, {"weekly", 52}}},
    {"DPDefault", SIM_POLICY_ASYNC, {{"sm_created", 1}, {"all_source_snapshots", 1}}},
    {"MirrorAllSnapshots", SIM_POLICY_ASYNC, {{"sm_created", 1}, {"all_source_snapshots", 1}}},
    {"MirrorAndVault", SIM_POLICY_MIRROR_VAULT, {{"sm_created", 1}, {"daily", 7}, {"weekly", 52}}},
    {"MirrorLatest", SIM_POLICY_ASYNC, {{"sm_created", 1}}},
    {"StrictSync", SIM_POLICY_STRICT_SYNC, {{"sm_created", 2}}},
    {"Sync", SIM_POLICY_SYNC, {{"sm_created", 2}}},
    {"XDPDefault", SIM_POLICY_VAULT, {{"daily", 7}, {"weekly", 52}}},
};

static const char *const type_names[] = {
    [SIM_POLICY_ASYNC] = "async_mirror",
    [SIM_POLICY_VAULT] = "vault",
    [SIM_POLICY_MIRROR_VAULT] = "mirror_vault",
    [SIM_POLICY_SYNC] = "sync_mirror",
    [SIM_POLICY_STRICT_SYNC] = "strict_sync_mirror",
};

const char *sim_policy_type_name(const struct sim_policy *p)
{
    return type_names[p->type];
}

bool sim_policy_type_read(const char *text, enum sim_policy_type *type)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
        if (strcmp(type_names[i], text) != 0)
            continue;
        *type = (enum sim_policy_type)i;
        return true;
    }
    return false;
}

static void add_rule(struct sim_policy *p, const char *label, unsigned keep, bool preserve)
{
    p->rules = sim_grow(p->rules, p->rule_count + 1, sizeof(*p->rules));
    p->rules[p->rule_count++] =
        (struct sim_policy_rule){.label = sim_dup(label), .keep = keep, .preserve = preserve};
}

static bool same_owner(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static struct sim_policy *add(const char *svm, const char *name, enum sim_policy_type type)
{
    struct sim_policy *p = sim_alloc(1, sizeof(*p));
    size_t at = sim.policy_count;
    while (at > 0 && strcmp(sim.policies[at - 1]->name, name) > 0)
        at--;
    p->name = sim_dup(name);
    p->svm = sim_dup(svm);
    p->type = type;
    sim_uuid(p->uuid);
    sim.policies = sim_grow(sim.policies, sim.policy_count + 1, sizeof(struct sim_policy *));
    memmove(&sim.policies[at + 1], &sim.policies[at],
            (sim.policy_count - at) * sizeof(struct sim_policy *));
    sim.policies[at] = p;
    sim.policy_count++;
    return p;
}

/* Their uuids follow from the cluster's, so that they survive without being saved. */
static void add_builtins(void)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        struct sim_policy *p = add(NULL, builtins[i].name, builtins[i].type);
        p->builtin = true;
        memcpy(p->uuid, sim.cluster_uuid, sizeof(p->uuid));
        p->uuid[0] = "0123456789abcdef"[i];
        for (size_t k = 0; k < 4 && builtins[i].rules[k].label; k++)
            add_rule(p, builtins[i].rules[k].label, builtins[i].rules[k].keep, false);
    }
}

static void ensure(void)
{
    if (!sim.policy_count)
        add_builtins();
}

struct sim_policy *sim_policy_find(const char *svm, const char *name)
{
    struct sim_policy *found = NULL;
    ensure();
    for (size_t i = 0; i < sim.policy_count; i++) {
        struct sim_policy *p = sim.policies[i];
        if (strcmp(p->name, name) != 0)
            continue;
        if (same_owner(p->svm, svm))
            return p;
        if (!p->svm)
            found = p;
    }
    return found;
}

struct sim_policy *sim_policy_by_uuid(const char *uuid)
{
    ensure();
    for (size_t i = 0; i < sim.policy_count; i++) {
        if (!strcmp(sim.policies[i]->uuid, uuid))
            return sim.policies[i];
    }
    return NULL;
}

struct sim_policy *sim_policy_create(const char *svm, const char *name, enum sim_policy_type type,
                                     const char *comment, struct sim_err *err)
{
    const struct sim_policy *there = sim_policy_find(svm, name);
    if (!*name || strlen(name) > 256) {
        sim_fail(err, SIM_EINVALID, "Invalid value specified for \"policy-name\".");
        return NULL;
    }
    if (there && (there->builtin || same_owner(there->svm, svm))) {
        sim_fail(err, SIM_EDUPLICATE, "duplicate entry: policy \"%.80s\"", name);
        return NULL;
    }
    struct sim_policy *p = add(svm, name, type);
    p->comment = sim_dup(comment);
    if (type == SIM_POLICY_ASYNC || type == SIM_POLICY_MIRROR_VAULT)
        add_rule(p, "sm_created", 1, false);
    return p;
}

int sim_policy_add_rule(struct sim_policy *p, const char *label, unsigned keep, bool preserve,
                        struct sim_err *err)
{
    if (p->builtin)
        return sim_fail(err, SIM_EPRIVILEGE, "Policy \"%s\" is one of the cluster's own.", p->name);
    if (!*label || strlen(label) > 31)
        return sim_fail(err, SIM_EINVALID, "SnapMirror label \"%.40s\" must have 1 to 31 bytes.",
                        label);
    if (sim_policy_rule(p, label))
        return sim_fail(err, SIM_EDUPLICATE, "duplicate entry: rule \"%s\"", label);
    if (p->rule_count == 10)
        return sim_fail(err, SIM_EMIRROR, "Policy \"%s\" has ten rules, its limit.", p->name);
    add_rule(p, label, keep, preserve);
    return 0;
}

static void free_rule(struct sim_policy *p, size_t i)
{
    free(p->rules[i].label);
    memmove(&p->rules[i], &p->rules[i + 1], (p->rule_count - i - 1) * sizeof(*p->rules));
    p->rule_count--;
}

int sim_policy_remove_rule(struct sim_policy *p, const char *label, struct sim_err *err)
{
    if (p->builtin)
        return sim_fail(err, SIM_EPRIVILEGE, "Policy \"%s\" is one of the cluster's own.", p->name);
    for (size_t i = 0; i < p->rule_count; i++) {
        if (strcmp(p->rules[i].label, label) != 0)
            continue;
        free_rule(p, i);
        return 0;
    }
    return sim_fail(err, SIM_ENOENTRY, "entry doesn't exist");
}

static void policy_free(struct sim_policy *p)
{
    while (p->rule_count)
        free_rule(p, p->rule_count - 1);
    free(p->rules);
    free(p->name);
    free(p->svm);
    free(p->comment);
    free(p);
}

int sim_policy_delete(struct sim_policy *p, struct sim_err *err)
{
    size_t at = 0;
    if (p->builtin)
        return sim_fail(err, SIM_EPRIVILEGE, "Policy \"%s\" is one of the cluster's own.", p->name);
    for (size_t i = 0, n = sim_mirror_count(); i < n; i++) {
        if (sim_mirror_policy(sim_mirror_at(i)) == p)
            return sim_fail(err, SIM_EMIRROR, "Policy \"%s\" is in use.", p->name);
    }
    while (sim.policies[at] != p)
        at++;
    memmove(&sim.policies[at], &sim.policies[at + 1],
            (sim.policy_count - at - 1) * sizeof(struct sim_policy *));
    sim.policy_count--;
    policy_free(p);
    return 0;
}

const struct sim_policy_rule *sim_policy_rule(const struct sim_policy *p, const char *label)
{
    for (size_t i = 0; label && i < p->rule_count; i++) {
        if (!strcmp(p->rules[i].label, label))
            return &p->rules[i];
    }
    return NULL;
}

bool sim_policy_makes(const struct sim_policy *p)
{
    return p->type != SIM_POLICY_VAULT;
}

bool sim_policy_takes_all(const struct sim_policy *p)
{
    return sim_policy_rule(p, "all_source_snapshots") != NULL;
}

bool sim_policy_is_sync(const struct sim_policy *p)
{
    return p->type == SIM_POLICY_SYNC || p->type == SIM_POLICY_STRICT_SYNC;
}

unsigned sim_policy_total_keep(const struct sim_policy *p)
{
    unsigned sum = 0;
    for (size_t i = 0; i < p->rule_count; i++)
        sum += p->rules[i].keep;
    return sum;
}

size_t sim_policy_count(void)
{
    ensure();
    return sim.policy_count;
}

void sim_policy_free(void)
{
    for (size_t i = 0; i < sim.policy_count; i++)
        policy_free(sim.policies[i]);
    free(sim.policies);
    sim.policies = NULL;
    sim.policy_count = 0;
}
