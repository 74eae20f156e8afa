/* snapmirror-destroy-iter and snapmirror-release-iter: all relationships that a query matches. */
#include "zapi.h"
#include "mirror.h"
#include "mirror_source.h"

#include <string.h>

/* What was matched while the lock was held; done one by one afterwards. */
struct target {
    char uuid[37];
    const char *svm, *volume; /* source; for a release */
    const char *destination;
    struct target *next;
};

struct many {
    struct target *list;
    struct target **end;
    struct zapi_many said;
};

static int begin(struct many *m, struct zapi_iter *it, struct zapi *z, const char *record)
{
    *m = (struct many){.end = &m->list};
    if (!zapi_child(z->call, "query"))
        return sim_fail(&z->err, SIM_EMISSING, "Missing input: query");
    return zapi_iter_begin(it, z, record);
}

static void take(struct many *m, struct zapi *z, const char *uuid, const char *destination)
{
    struct target *t = sim_arena_alloc(&z->arena, sizeof(*t));
    *t = (struct target){.destination = sim_arena_dup(&z->arena, destination)};
    memcpy(t->uuid, uuid, sizeof(t->uuid));
    *m->end = t;
    m->end = &t->next;
}

static void outcome(struct many *m, const char *record, const struct target *t,
                    const struct sim_err *err)
{
    if (!err->num) { /* is not listed */
        m->said.passed++;
        return;
    }
    struct sim_buf *b = zapi_many_add(&m->said, record, err);
    sim_buf_adds(b, "<destination-location>");
    sim_buf_xml(b, t->destination);
    sim_buf_addf(b, "</destination-location></%s>", record);
}

int zapi_snapmirror_destroy_iter(struct zapi *z)
{
    struct zapi_iter it;
    struct many m;
    if (begin(&m, &it, z, "snapmirror-info"))
        return -1;
    sim_lock();
    for (size_t i = 0, n = sim_mirror_count(); i < n; i++) {
        const struct sim_mirror *one = sim_mirror_at(i);
        if (z->svm && strcmp(one->svm, z->svm->name) != 0)
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "snapmirror-info");
        zapi_mirror_record(&it, rec, one);
        if (zapi_rec_match(&it, rec))
            take(&m, z, one->uuid, sim_arena_printf(&z->arena, "%s:%s", one->svm, one->volume));
    }
    sim_unlock();
    for (const struct target *t = m.list; t; t = t->next) {
        struct sim_err err = {0};
        sim_mirror_destroy(t->uuid, &err);
        outcome(&m, "snapmirror-destroy-iter-info", t, &err);
    }
    return zapi_many_end(&m.said, &it);
}

int zapi_snapmirror_release_iter(struct zapi *z)
{
    struct zapi_iter it;
    struct many m;
    bool info_only = false;
    if (begin(&m, &it, z, "snapmirror-destination-info") ||
        zapi_flag(z, "relationship-info-only", &info_only))
        return -1;
    sim_lock();
    for (size_t i = 0; i < sim_destination_count(); i++) {
        const struct sim_destination *d = sim_destination_at(i);
        if (z->svm && strcmp(d->svm, z->svm->name) != 0)
            continue;
        struct zapi_rec *rec = zapi_iter_record(&it, "snapmirror-destination-info");
        zapi_destination_record(&it, rec, d);
        if (!zapi_rec_match(&it, rec))
            continue;
        struct target **place = m.end;
        take(&m, z, d->uuid, d->destination);
        (*place)->svm = sim_arena_dup(&z->arena, d->svm);
        (*place)->volume = sim_arena_dup(&z->arena, d->volume);
    }
    sim_unlock();
    for (const struct target *t = m.list; t; t = t->next) {
        struct sim_err err = {0};
        sim_mirror_release(t->svm, t->volume, t->destination, info_only, &err);
        outcome(&m, "snapmirror-release-iter-info", t, &err);
    }
    return zapi_many_end(&m.said, &it);
}
