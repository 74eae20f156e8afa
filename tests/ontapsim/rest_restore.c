/* Restores over REST: a file or LUN, a part of one, a whole volume (only when no path is named), and
 * the same through the CLI. */
#include "lun.h"
#include "rest_volume.h"
#include "restore.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

/* A part has this granularity. */
enum { BLOCK = 4096 };

struct restore {
    struct sim_volume *vol;
    char *snapshot;
    char *uuid;
    char *path; /* NULL: the whole volume */
    char *dest;
    uint64_t first;
    uint64_t count;
};

static void restore_free(void *arg)
{
    struct restore *w = arg;
    free(w->snapshot);
    free(w->uuid);
    free(w->path);
    free(w->dest);
    free(w);
}

/* The job of REST runs as long as the restore does. */
static int wait_for(uint64_t id, struct sim_err *err)
{
    int rc = 0;
    sim_lock();
    const struct sim_job *job = sim_job_find(id);
    while (job && !sim_job_over(job) && !sim.stopping) {
        sim_wait(sim_now_ms() + 1000);
        job = sim_job_find(id);
    }
    if (!job || !sim_job_over(job))
        rc = sim_fail(err, SIM_EINTERNAL, "The restore was interrupted.");
    else if (job->state == SIM_JOB_FAILURE)
        rc = sim_fail(err, job->num, "%s", job->detail);
    sim_unlock();
    return rc;
}

static int restore_file(void *arg, struct sim_err *err)
{
    const struct restore *w = arg;
    uint64_t job = 0;
    const struct sim_restore_spec spec = {w->snapshot, w->uuid,  w->path,
                                          w->dest,     w->first, w->count};
    return sim_restore_start(w->vol, &spec, &job, err) ? -1 : wait_for(job, err);
}

static int restore_volume(void *arg, struct sim_err *err)
{
    const struct restore *w = arg;
    return sim_volume_revert(w->vol, w->snapshot, err);
}

/* In which forms a path may be given is not known; the configuration says which are taken. */
static const char *path_below(struct rest *r, const struct sim_volume *vol, const char *field,
                              const char *path)
{
    static const char *const forms[] = {
        [SIM_PATH_RELATIVE] = "path below the volume, without a slash before it",
        [SIM_PATH_SLASH] = "path below the volume, with a slash before it",
        [SIM_PATH_VOL] = "/vol/VOLUME/path",
    };
    sim_lock();
    const char *name = sim_arena_dup(&r->arena, vol->name);
    sim_unlock();
    size_t n = strlen(name);
    enum sim_path_form form = *path == '/' ? SIM_PATH_SLASH : SIM_PATH_RELATIVE;
    const char *rest = path + (*path == '/');
    if (!strncmp(path, "/vol/", 5) && !strncmp(path + 5, name, n) && path[5 + n] == '/') {
        form = SIM_PATH_VOL;
        rest = path + 6 + n;
    }
    if (sim.restore_path_form != SIM_PATH_ANY && sim.restore_path_form != form) {
        rest_fail(r, 918251, field, "\"%.200s\" is not valid for a restore: wanted is a %s.", path,
                  forms[sim.restore_path_form]);
        return NULL;
    }
    return rest;
}

static int read_part(struct rest *r, struct restore *w)
{
    if (rest_count_arg(r, "restore_to.start_byte", 0, INT64_MAX, &w->first) ||
        rest_count_arg(r, "restore_to.byte_count", 1, INT64_MAX, &w->count))
        return -1;
    if (w->first % BLOCK || w->count % BLOCK)
        return rest_fail(r, 918251, "restore_to.start_byte",
                         "A part starts and ends at multiples of %d bytes.", BLOCK);
    if ((rest_arg(r, "restore_to.start_byte") != NULL) != (w->count != 0))
        return rest_fail(r, REST_EMISSING, "restore_to.byte_count",
                         "\"start_byte\" and \"byte_count\" belong together.");
    return 0;
}

/* Everything below "restore_to" but the snapshot. */
static int read_file(struct rest *r, struct restore *w, const char *path)
{
    const char *dest = rest_arg(r, "restore_to.restore_path");
    path = path_below(r, w->vol, "restore_to.path", path);
    if (dest)
        dest = path ? path_below(r, w->vol, "restore_to.restore_path", dest) : NULL;
    if (!path || r->error.code || read_part(r, w))
        return -1;
    w->path = sim_dup(path);
    w->dest = sim_dup(dest);
    return 0;
}

/* Locked. The snapshot by name or uuid, as a job will look for it. */
static int read_snapshot(struct rest *r, struct restore *w)
{
    const char *name = rest_arg(r, "restore_to.snapshot.name");
    const char *uuid = rest_arg(r, "restore_to.snapshot.uuid");
    if (!name && !uuid)
        return rest_fail(r, REST_EMISSING, "restore_to.snapshot",
                         "A restore needs \"restore_to.snapshot.name\" or \".uuid\".");
    for (size_t i = 0; !name && i < w->vol->snap_count; i++) {
        if (!strcmp(w->vol->snaps[i]->uuid, uuid))
            name = w->vol->snaps[i]->name;
    }
    w->snapshot = sim_dup(name ? name : "");
    w->uuid = sim_dup(uuid);
    return 0;
}

int rest_restore(struct rest *r, struct sim_volume *vol, bool files)
{
    const char *path = files ? rest_arg(r, "restore_to.path") : NULL;
    bool flag = false;
    struct restore *w = sim_alloc(1, sizeof(*w));
    w->vol = vol;
    sim_lock();
    int rc = read_snapshot(r, w);
    sim_unlock();
    if (!rc && path)
        rc = read_file(r, w, path);
    else if (!rc && files &&
             (rest_arg(r, "restore_to.restore_path") || rest_arg(r, "restore_to.start_byte") ||
              rest_arg(r, "restore_to.byte_count")))
        rc = rest_fail(r, REST_EMISSING, "restore_to.path",
                       "The field \"restore_to.path\" is required with the others.");
    if (rc || rest_flag_arg(r, "preserve_lun_ids", &flag)) {
        restore_free(w);
        return -1;
    }
    const struct rest_work job = {REST_DO_RESTORE,
                                  vol->svm,
                                  path ? restore_file : restore_volume,
                                  restore_free,
                                  w,
                                  200,
                                  NULL};
    return rest_async(r, &job);
}

/* The CLI says what is wrong as a text with HTTP status 500. */
static int cli_fail(struct rest *r, const char *text)
{
    rest_fail(r, 65552, NULL, "Error: command failed: %s", text);
    r->error.status = 500;
    return -1;
}

/* A parameter of a command, with hyphens or underscores. */
static const char *cli_arg(struct rest *r, const char *name)
{
    const char *text = rest_arg(r, name);
    char *other = sim_arena_dup(&r->arena, name);
    for (char *p = other; *p; p++)
        *p = *p == '-' ? '_' : *p;
    return text ? text : rest_arg(r, other);
}

static struct sim_volume *cli_volume(struct rest *r)
{
    const char *svm = cli_arg(r, "vserver");
    const char *name = cli_arg(r, "volume");
    struct sim_svm *in = svm ? sim_svm_find(svm) : r->svm;
    struct sim_volume *vol = NULL;
    sim_lock();
    if (in && rest_sees(r, in) && name)
        vol = sim_volume_find(in, name);
    sim_unlock();
    if (!vol)
        cli_fail(r, "Volume does not exist.");
    return vol;
}

/* volume snapshot restore-file */
int rest_cli_restore_file(struct rest *r)
{
    static const char *const names[] = {"vserver",         "volume",
                                        "snapshot",        "path",
                                        "restore-path",    "restore_path",
                                        "split-disabled",  "split_disabled",
                                        "privilege_level", NULL};
    struct sim_err err = {0};
    if (rest_accept(r, names))
        return -1;
    struct sim_volume *vol = cli_volume(r);
    const char *snapshot = cli_arg(r, "snapshot");
    const char *path = cli_arg(r, "path");
    const char *dest = cli_arg(r, "restore-path");
    if (!vol)
        return -1;
    if (!snapshot || !path || *path != '/' || (dest && *dest != '/'))
        return cli_fail(r, "The parameters -snapshot and -path are needed; a path starts with /.");
    sim_lock();
    bool asks = sim.cli_question && sim_lun_find(vol, path + 1);
    sim_unlock();
    if (asks)
        return cli_fail(r, "The LUN will be restored. Do you want to continue? {y|n}:");
    const struct sim_restore_spec spec = {snapshot, NULL, path + 1, dest ? dest + 1 : NULL, 0, 0};
    if (sim_restore_start(vol, &spec, NULL, &err))
        return cli_fail(r, err.reason);
    r->out = json_pack("{s:s, s:i}", "cli_output", "", "num_records", 1);
    return 0;
}
