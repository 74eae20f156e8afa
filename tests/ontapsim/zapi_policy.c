/* SnapMirror policies. */
#include "zapi.h"
#include "mirror.h"

#include <stdio.h>
#include <string.h>

static void policy_record(struct zapi_iter *it, struct zapi_rec *rec, const struct sim_policy *p)
{
    zapi_rec_text(it, rec, "comment", p->comment);
    zapi_rec_text(it, rec, "owner", p->svm ? "vserver_admin" : "cluster_admin");
    zapi_rec_key(it, rec, "policy-name", p->name);
    struct zapi_rec *rules = zapi_rec_add(it, rec, "snapmirror-policy-rules");
    for (size_t i = 0; i < p->rule_count; i++) {
        struct zapi_rec *rule = zapi_rec_add(it, rules, "snapmirror-policy-rule-info");
        zapi_rec_number(it, rule, "keep", p->rules[i].keep);
        zapi_rec_flag(it, rule, "preserve", p->rules[i].preserve);
        zapi_rec_text(it, rule, "snapmirror-label", p->rules[i].label);
        zapi_rec_number(it, rule, "warn", p->rules[i].warn);
    }
    zapi_rec_number(it, rec, "total-keep", sim_policy_total_keep(p));
    zapi_rec_number(it, rec, "total-rules", p->rule_count);
    zapi_rec_text(it, rec, "transfer-priority", "normal");
    zapi_rec_number(it, rec, "tries", 8);
    zapi_rec_text(it, rec, "type", sim_policy_type_name(p));
    zapi_rec_key(it, rec, "vserver-name", p->svm ? p->svm : sim.cluster);
}

int zapi_snapmirror_policy_get_iter(struct zapi *z)
{
    struct zapi_iter it;
    uint64_t skip = 0;
    bool room = true;
    if (zapi_iter_begin(&it, z, "snapmirror-policy-info"))
        return -1;
    if (it.keys[0] && !sim_number(it.keys[0], 0, UINT32_MAX, &skip))
        return zapi_invalid(z, "tag", it.keys[0]);
    sim_lock();
    size_t count = sim_policy_count();
    for (size_t i = it.keys[0] ? (size_t)skip + 1 : 0; i < count && room; i++) {
        const struct sim_policy *p = sim.policies[i];
        char place[24];
        if (z->svm && p->svm && strcmp(p->svm, z->svm->name) != 0)
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "snapmirror-policy-info");
        policy_record(&it, rec, p);
        snprintf(place, sizeof(place), "%zu", i);
        room = zapi_iter_row(&it, rec, place, NULL, NULL);
    }
    sim_unlock();
    zapi_iter_end(&it);
    return 0;
}

/* An SVM's account makes policies of its SVM. */
static const char *owner(const struct zapi *z)
{
    return z->svm ? z->svm->name : NULL;
}

/* Locked. */
static struct sim_policy *find(struct zapi *z)
{
    const char *name = zapi_need(z, "policy-name");
    struct sim_policy *p = name ? sim_policy_find(owner(z), name) : NULL;
    if (name && !p)
        sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist");
    if (p && !p->svm && z->svm) {
        sim_fail(&z->err, SIM_EPRIVILEGE, "Policy \"%s\" is the cluster's.", p->name);
        p = NULL;
    }
    return p;
}

static int saved(int rc)
{
    return rc ? rc : sim_mirror_save();
}

int zapi_snapmirror_policy_create(struct zapi *z)
{
    const char *name = zapi_need(z, "policy-name");
    const char *text = zapi_arg(z, "type");
    enum sim_policy_type type = SIM_POLICY_ASYNC;
    if (!name || (text && !sim_policy_type_read(text, &type)))
        return name ? zapi_invalid(z, "type", text) : -1;
    sim_lock();
    const struct sim_policy *p =
        sim_policy_create(owner(z), name, type, zapi_arg(z, "comment"), &z->err);
    int rc = p ? saved(0) : -1;
    sim_unlock();
    return rc;
}

int zapi_snapmirror_policy_delete(struct zapi *z)
{
    sim_lock();
    struct sim_policy *p = find(z);
    int rc = p ? saved(sim_policy_delete(p, &z->err)) : -1;
    sim_unlock();
    return rc;
}

int zapi_snapmirror_policy_add_rule(struct zapi *z)
{
    const char *label = zapi_need(z, "snapmirror-label");
    uint64_t keep = 1;
    bool preserve = false;
    if (!label || zapi_count(z, "keep", 0, 1023, &keep) || zapi_flag(z, "preserve", &preserve))
        return -1;
    sim_lock();
    struct sim_policy *p = find(z);
    int rc = p ? saved(sim_policy_add_rule(p, label, (unsigned)keep, preserve, &z->err)) : -1;
    sim_unlock();
    return rc;
}

int zapi_snapmirror_policy_remove_rule(struct zapi *z)
{
    const char *label = zapi_need(z, "snapmirror-label");
    if (!label)
        return -1;
    sim_lock();
    struct sim_policy *p = find(z);
    int rc = p ? saved(sim_policy_remove_rule(p, label, &z->err)) : -1;
    sim_unlock();
    return rc;
}
