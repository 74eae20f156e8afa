/* Initiator groups and LUN maps. */
#include "lun.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

size_t sim_igroup_after(const struct sim_svm *svm, const char *name, bool inclusive)
{
    size_t i = 0;
    while (name && i < svm->igroup_count) {
        int order = strcmp(svm->igroups[i]->name, name);
        if (order > 0 || (order == 0 && inclusive))
            break;
        i++;
    }
    return i;
}

struct sim_igroup *sim_igroup_find(const struct sim_svm *svm, const char *name)
{
    for (size_t i = 0; i < svm->igroup_count; i++) {
        if (!strcmp(svm->igroups[i]->name, name))
            return svm->igroups[i];
    }
    return NULL;
}

struct sim_igroup *sim_igroup_by_uuid(const struct sim_svm *svm, const char *uuid)
{
    for (size_t s = 0; s < sim.svm_count; s++) {
        for (size_t i = 0; i < sim.svms[s]->igroup_count && (!svm || svm == sim.svms[s]); i++) {
            if (!strcmp(sim.svms[s]->igroups[i]->uuid, uuid))
                return sim.svms[s]->igroups[i];
        }
    }
    return NULL;
}

void sim_igroup_free(struct sim_igroup *group)
{
    for (size_t i = 0; i < group->initiator_count; i++)
        free(group->initiators[i]);
    free(group->initiators);
    free(group->ids);
    free(group->name);
    free(group->protocol);
    free(group->os_type);
    free(group->comment);
    free(group);
}

static void insert(struct sim_igroup *group)
{
    struct sim_svm *svm = group->svm;
    size_t at = sim_igroup_after(svm, group->name, true);
    svm->igroups = sim_grow(svm->igroups, svm->igroup_count + 1, sizeof(struct sim_igroup *));
    memmove(&svm->igroups[at + 1], &svm->igroups[at],
            (svm->igroup_count - at) * sizeof(struct sim_igroup *));
    svm->igroups[at] = group;
    svm->igroup_count++;
}

static void take_out(const struct sim_igroup *group)
{
    struct sim_svm *svm = group->svm;
    size_t at = sim_igroup_after(svm, group->name, true);
    memmove(&svm->igroups[at], &svm->igroups[at + 1],
            (svm->igroup_count - at - 1) * sizeof(struct sim_igroup *));
    svm->igroup_count--;
}

static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 96)
        return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("-_.:", *p))
            return false;
    }
    return true;
}

static int check_name(const struct sim_svm *svm, const char *name, struct sim_err *err)
{
    if (!name_ok(name))
        return sim_fail(err, SIM_EINVALID,
                        "Invalid value specified for \"initiator-group-name\": \"%.100s\".", name);
    if (sim_igroup_find(svm, name))
        return sim_fail(err, SIM_EIGROUPEXISTS, "The igroup \"%s\" already exists.", name);
    return 0;
}

struct sim_igroup *sim_igroup_create(struct sim_svm *svm, const char *name, const char *protocol,
                                     const char *os_type, struct sim_err *err)
{
    if (check_name(svm, name, err))
        return NULL;
    if (strcmp(protocol, "iscsi") != 0 && strcmp(protocol, "fcp") != 0 &&
        strcmp(protocol, "mixed") != 0) {
        sim_fail(err, SIM_EINVALID,
                 "Invalid value specified for \"initiator-group-type\": \"%.40s\".", protocol);
        return NULL;
    }
    /* An igroup may also say "default", a LUN may not. */
    if (strcmp(os_type, "default") != 0 && !sim_os_type_ok(os_type)) {
        sim_fail(err, SIM_EINVALID, "Invalid value specified for \"os-type\": \"%.40s\".", os_type);
        return NULL;
    }
    struct sim_igroup *group = sim_alloc(1, sizeof(*group));
    group->svm = svm;
    group->name = sim_dup(name);
    group->protocol = sim_dup(protocol);
    group->os_type = sim_dup(os_type);
    sim_uuid(group->uuid);
    insert(group);
    return group;
}

int sim_igroup_destroy(struct sim_igroup *group, bool force, struct sim_err *err)
{
    struct sim_err none = {0};
    if (group->map_count && !force)
        return sim_fail(err, SIM_EIGROUPMAPPED, "LUN maps for the igroup \"%s\" exist.",
                        group->name);
    for (size_t i = 0; i < SIM_MAP_IDS && group->map_count; i++) {
        struct sim_lun *lun = group->ids[i];
        if (lun && !sim_map_remove(lun, group, &none))
            sim_lun_save(lun);
    }
    take_out(group);
    sim_igroup_free(group);
    return 0;
}

int sim_igroup_rename(struct sim_igroup *group, const char *name, struct sim_err *err)
{
    if (check_name(group->svm, name, err))
        return -1;
    take_out(group);
    free(group->name);
    group->name = sim_dup(name);
    insert(group);
    return 0;
}

static size_t initiator_at(const struct sim_igroup *group, const char *initiator)
{
    size_t i = 0;
    while (i < group->initiator_count && strcasecmp(group->initiators[i], initiator) != 0)
        i++;
    return i;
}

bool sim_igroup_has(const struct sim_igroup *group, const char *initiator)
{
    return initiator_at(group, initiator) < group->initiator_count;
}

int sim_igroup_add(struct sim_igroup *group, const char *initiator, struct sim_err *err)
{
    if (!*initiator || strlen(initiator) > 255 || strpbrk(initiator, " \t\n,"))
        return sim_fail(err, SIM_EINVALID, "Invalid value specified for \"initiator\": \"%.200s\".",
                        initiator);
    if (sim_igroup_has(group, initiator))
        return sim_fail(err, SIM_ENODEEXISTS, "The igroup \"%s\" holds \"%s\" already.",
                        group->name, initiator);
    group->initiators =
        sim_grow(group->initiators, group->initiator_count + 1, sizeof(*group->initiators));
    group->initiators[group->initiator_count++] = sim_dup(initiator);
    return 0;
}

int sim_igroup_remove(struct sim_igroup *group, const char *initiator, bool force,
                      struct sim_err *err)
{
    size_t at = initiator_at(group, initiator);
    if (at == group->initiator_count)
        return sim_fail(err, SIM_ENODEMISSING, "The igroup \"%s\" does not hold \"%.200s\".",
                        group->name, initiator);
    if (group->map_count && !force)
        return sim_fail(err, SIM_EIGROUPMAPPED, "LUN maps for the igroup \"%s\" exist.",
                        group->name);
    free(group->initiators[at]);
    memmove(&group->initiators[at], &group->initiators[at + 1],
            (group->initiator_count - at - 1) * sizeof(*group->initiators));
    group->initiator_count--;
    return 0;
}

const struct sim_map *sim_map_find(const struct sim_lun *lun, const struct sim_igroup *group)
{
    for (size_t i = 0; i < lun->map_count; i++) {
        if (lun->maps[i].igroup == group)
            return &lun->maps[i];
    }
    return NULL;
}

int sim_map_add(struct sim_lun *lun, struct sim_igroup *group, int64_t id, unsigned *out,
                struct sim_err *err)
{
    if (sim_map_find(lun, group))
        return sim_fail(err, SIM_EMAPCONFLICT, "LUN \"%s\" is mapped to \"%s\" already.", lun->path,
                        group->name);
    if (id >= SIM_MAP_IDS)
        return sim_fail(err, SIM_EINVALID, "Invalid value specified for \"lun-id\": \"%lld\".",
                        (long long)id);
    if (!group->ids)
        group->ids = sim_alloc(SIM_MAP_IDS, sizeof(struct sim_lun *));
    for (size_t i = 0; id < 0 && i < SIM_MAP_IDS; i++) {
        if (!group->ids[i])
            id = (int64_t)i;
    }
    if (id < 0 || group->ids[id])
        return sim_fail(err, SIM_EMAPCONFLICT, "LUN id %lld is in use in \"%s\".", (long long)id,
                        group->name);
    group->ids[id] = lun;
    group->map_count++;
    lun->maps = sim_grow(lun->maps, lun->map_count + 1, sizeof(*lun->maps));
    lun->maps[lun->map_count++] = (struct sim_map){group, (unsigned)id};
    if (out)
        *out = (unsigned)id;
    return 0;
}

int sim_map_remove(struct sim_lun *lun, struct sim_igroup *group, struct sim_err *err)
{
    size_t i = 0;
    while (i < lun->map_count && lun->maps[i].igroup != group)
        i++;
    if (i == lun->map_count)
        return sim_fail(err, SIM_EMAPMISSING, "LUN \"%s\" is not mapped to \"%s\".", lun->path,
                        group->name);
    group->ids[lun->maps[i].id] = NULL;
    group->map_count--;
    memmove(&lun->maps[i], &lun->maps[i + 1], (lun->map_count - i - 1) * sizeof(*lun->maps));
    lun->map_count--;
    return 0;
}
