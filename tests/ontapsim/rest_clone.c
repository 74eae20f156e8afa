/* File clones over REST. */
#include "clone.h"
#include "rest.h"
#include "store.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RANGES = 32 };

struct work {
    struct sim_volume *vol;
    char *snapshot;
    char *from;
    char *to;
    bool overwrite;
    struct sim_range ranges[MAX_RANGES];
    size_t range_count;
};

static void work_free(void *arg)
{
    struct work *w = arg;
    free(w->snapshot);
    free(w->from);
    free(w->to);
    free(w);
}

static int run(void *arg, struct sim_err *err)
{
    const struct work *w = arg;
    const struct sim_clone_spec spec = {.snapshot = w->snapshot,
                                        .from = w->from,
                                        .to = w->to,
                                        .ranges = w->ranges,
                                        .range_count = w->range_count,
                                        .overwrite = w->overwrite};
    return sim_clone(w->vol, &spec, err);
}

/* "volume" by name, by uuid, or by both; early releases want both. Locked. */
static struct sim_volume *read_volume(struct rest *r)
{
    const char *name = rest_arg(r, "volume.name"), *uuid = rest_arg(r, "volume.uuid");
    struct sim_volume *vol = NULL;
    if (!name && !uuid) {
        rest_fail(r, REST_EMISSING, "volume", "The field \"volume.uuid\" is required.");
        return NULL;
    }
    if (uuid) {
        vol = rest_volume(r, uuid);
        if (vol && name && strcmp(name, vol->name) != 0) {
            rest_fail(r, 918236, "volume", "Name and uuid are not of one volume.");
            return NULL;
        }
        return vol;
    }
    const struct sim_svm *svm = rest_svm(r);
    vol = svm ? sim_volume_find(svm, name) : NULL;
    if (svm && !vol)
        rest_missing_entry(r, "volume.name");
    return vol;
}

/* ".snapshot/NAME/REST" or a live path. */
static void read_source(struct work *w, const char *path)
{
    static const char below[] = ".snapshot/";
    const char *name = strncmp(path, below, strlen(below)) ? NULL : path + strlen(below);
    const char *slash = name ? strchr(name, '/') : NULL;
    w->from = sim_dup(slash ? slash + 1 : path);
    w->snapshot = slash ? strndup(name, (size_t)(slash - name)) : NULL;
}

/* "SOURCE:DESTINATION:COUNT", in blocks. */
static int read_ranges(struct rest *r, struct work *w)
{
    size_t i;
    json_t *item;
    json_array_foreach (rest_body(r, "range"), i, item) {
        unsigned long long from, to, count;
        int end = 0;
        const char *text = json_string_value(item);
        if (!text || sscanf(text, "%llu:%llu:%llu%n", &from, &to, &count, &end) != 3 || text[end] ||
            w->range_count == MAX_RANGES || from > INT64_MAX / 8192 || to > INT64_MAX / 8192 ||
            count > INT64_MAX / 8192)
            return rest_fail(r, 917898, "range", "The block range \"%.80s\" is bad.",
                             text ? text : "");
        w->ranges[w->range_count++] = (struct sim_range){from, to, count};
    }
    return 0;
}

static int read_work(struct rest *r, struct work *w)
{
    bool backup = false;
    const char *from = rest_need(r, "source_path");
    const char *to = from ? rest_need(r, "destination_path") : NULL;
    if (!to)
        return -1;
    if (*to == '/')
        return rest_fail(r, 917812, "destination_path",
                         "The destination is a path below the volume.");
    read_source(w, from);
    w->to = sim_dup(to);
    if (rest_flag_arg(r, "overwrite_destination", &w->overwrite) ||
        rest_flag_arg(r, "is_backup", &backup) || read_ranges(r, w))
        return -1;
    if (backup && w->range_count)
        return rest_fail(r, 13565988, "is_backup", "A backup clone is one of a whole file.");
    sim_lock();
    w->vol = read_volume(r);
    sim_unlock();
    return w->vol ? 0 : -1;
}

int rest_file_clone(struct rest *r)
{
    static const char *const names[] = {"volume.name",
                                        "volume.uuid",
                                        "svm.name",
                                        "svm.uuid",
                                        "source_path",
                                        "destination_path",
                                        "overwrite_destination",
                                        "is_backup",
                                        "range",
                                        "autodelete",
                                        "token_uuid",
                                        NULL};
    if (rest_accept(r, names))
        return -1;
    struct work *w = sim_alloc(1, sizeof(*w));
    if (read_work(r, w)) {
        work_free(w);
        return -1;
    }
    const struct rest_work job = {REST_DO_FILE_CLONE, w->vol->svm, run, work_free, w, 201, NULL};
    return rest_async(r, &job);
}
