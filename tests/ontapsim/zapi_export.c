/* Export policies over ONTAPI. */
#include "volume.h"
#include "zapi.h"

static int missing(struct zapi *z, int rc)
{
    sim_unlock();
    return rc ? sim_fail(&z->err, SIM_ENOENTRY, "entry doesn't exist") : 0;
}

int zapi_export_policy_create(struct zapi *z)
{
    const char *name = zapi_need(z, "policy-name");
    if (!name || !z->svm)
        return name ? zapi_no_svm(z) : -1;
    sim_lock();
    int rc = sim_export_create(z->svm, name, &z->err) ? 0 : -1;
    sim_unlock();
    return rc;
}

int zapi_export_policy_destroy(struct zapi *z)
{
    const char *name = zapi_need(z, "policy-name");
    if (!name || !z->svm)
        return name ? zapi_no_svm(z) : -1;
    sim_lock();
    struct sim_export *e = sim_export_find(z->svm, name);
    if (!e)
        return missing(z, -1);
    int rc = sim_export_destroy(z->svm, e, &z->err);
    sim_unlock();
    return rc;
}

static const char *flavor(struct zapi *z, const char *rule)
{
    const xmlNode *list = zapi_child(z->call, rule);
    const xmlNode *one = list ? zapi_child(list, "security-flavor") : NULL;
    return one ? zapi_text(&z->arena, one) : "none";
}

int zapi_export_rule_create(struct zapi *z)
{
    const char *name = zapi_need(z, "policy-name");
    const char *client = name ? zapi_need(z, "client-match") : NULL;
    if (!client || !z->svm)
        return client ? zapi_no_svm(z) : -1;
    if (!zapi_child(z->call, "ro-rule") || !zapi_child(z->call, "rw-rule"))
        return sim_fail(&z->err, SIM_EMISSING, "Missing input: ro-rule, rw-rule");
    sim_lock();
    struct sim_export *e = sim_export_find(z->svm, name);
    if (e)
        sim_export_rule(e, client, flavor(z, "ro-rule"), flavor(z, "rw-rule"),
                        flavor(z, "super-user-security"));
    return missing(z, e ? 0 : -1);
}
