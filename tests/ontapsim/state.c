/* State below the root directory, read at the start and written after every change. */
#include "state.h"
#include "generate.h"
#include "lun.h"
#include "restore.h"
#include "snap.h"
#include "store.h"
#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { STATE_LIMIT = 64 << 20 };

/* The document in a file; NULL when there is none. *bad is set when it cannot be used. */
static json_t *load(int dir, const char *name, bool *bad)
{
    size_t len = 0;
    json_error_t err;
    AUTO_FREE char *text = sim_store_read(dir, name, STATE_LIMIT, &len);
    if (!text) {
        if (errno != ENOENT) {
            sim_log("state file %s: %s", name, strerror(errno));
            *bad = true;
        }
        return NULL;
    }
    json_t *doc = json_loadb(text, len, 0, &err);
    if (!doc || !json_is_object(doc)) {
        sim_log("state file %s: line %d: %s; remove it to start afresh", name, err.line, err.text);
        *bad = true;
        json_decref(doc);
        return NULL;
    }
    return doc;
}

static int save(int dir, const char *name, json_t *doc)
{
    char *text = json_dumps(doc, JSON_INDENT(1));
    json_decref(doc);
    if (!text)
        return -1;
    int rc = sim_store_write(dir, name, text, strlen(text), 0600);
    free(text);
    if (rc)
        sim_log("state file %s: %s", name, strerror(rc));
    return rc ? -1 : 0;
}

static void take_uuid(char out[37], json_t *obj, const char *key)
{
    const char *text = json_string_value(json_object_get(obj, key));
    if (text && sim_is_uuid(text))
        snprintf(out, 37, "%s", text);
    else
        sim_uuid(out);
}

int sim_state_save(void)
{
    json_t *svms = json_object();
    json_t *lifs = json_object();
    for (size_t i = 0; i < sim.svm_count; i++) {
        const struct sim_svm *svm = sim.svms[i];
        json_object_set_new(svms, svm->name, json_string(svm->uuid));
        for (size_t k = 0; k < svm->lif_count; k++) {
            AUTO_FREE char *key = sim_printf("%s/%s", svm->name, svm->lifs[k].name);
            json_object_set_new(lifs, key, json_string(svm->lifs[k].uuid));
        }
    }
    json_t *doc = json_pack("{s:i, s:s, s:I, s:I, s:o, s:o, s:o}", "version", 1, "cluster_uuid",
                            sim.cluster_uuid, "next_cg", (json_int_t)sim.next_cg, "next_job",
                            (json_int_t)sim.next_job, "svms", svms, "lifs", lifs, "restores",
                            sim_restore_state());
    return doc ? save(sim.state_dir, "state.json", doc) : -1;
}

static int open_svm_state(const struct sim_svm *svm)
{
    AUTO_CLOSE int all = sim_store_make_dir(sim.state_dir, "volumes");
    return all < 0 ? -1 : sim_store_make_dir(all, svm->name);
}

static json_t *snap_json(const struct sim_snap *s)
{
    json_t *owners = json_array();
    for (size_t i = 0; i < s->owner_count; i++)
        json_array_append_new(owners, json_string(s->owners[i]));
    json_t *doc =
        json_pack("{s:s, s:s, s:I, s:s*, s:s*, s:s*, s:o, s:I}", "name", s->name, "uuid", s->uuid,
                  "created", (json_int_t)s->created, "comment", s->comment, "label", s->label,
                  "dependency", s->dependency, "owners", owners, "held", (json_int_t)s->held);
    if (s->lazy)
        json_object_set_new(doc, "lazy", json_true());
    return doc;
}

int sim_state_save_volume(const struct sim_volume *vol)
{
    if (vol->gone)
        return 0;
    AUTO_CLOSE int dir = open_svm_state(vol->svm);
    AUTO_FREE char *name = sim_printf("%s.json", vol->name);
    json_t *snaps = json_array();
    for (size_t i = 0; i < vol->snap_count; i++)
        json_array_append_new(snaps, snap_json(vol->ages[i]));
    json_t *doc =
        json_pack("{s:i, s:s, s:s, s:I, s:o, s:o}", "version", 1, "uuid", vol->uuid,
                  "instance_uuid", vol->instance_uuid, "created", (json_int_t)vol->created,
                  "snapshots", snaps, "luns", sim_lun_state(vol));
    if (doc)
        sim_volume_state(vol, doc);
    if (dir < 0) {
        json_decref(doc);
        return -1;
    }
    return doc ? save(dir, name, doc) : -1;
}

void sim_state_drop_volume(const struct sim_volume *vol)
{
    AUTO_CLOSE int dir = open_svm_state(vol->svm);
    AUTO_FREE char *name = sim_printf("%s.json", vol->name);
    if (dir < 0)
        return;
    if (!vol->conf)
        unlinkat(dir, name, 0);
    else
        save(dir, name,
             json_pack("{s:i, s:b, s:s}", "version", 1, "deleted", 1, "conf", vol->conf));
}

int sim_state_save_svm(const struct sim_svm *svm, const char *part, json_t *doc)
{
    AUTO_CLOSE int all = sim_store_make_dir(sim.state_dir, "svms");
    AUTO_FREE char *name = sim_printf("%s.%s.json", svm->name, part);
    if (all < 0) {
        json_decref(doc);
        return -1;
    }
    return doc ? save(all, name, doc) : -1;
}

json_t *sim_state_load_svm(const struct sim_svm *svm, const char *part)
{
    bool bad = false;
    AUTO_CLOSE int all = sim_store_make_dir(sim.state_dir, "svms");
    AUTO_FREE char *name = sim_printf("%s.%s.json", svm->name, part);
    return all < 0 ? NULL : load(all, name, &bad);
}

static void load_snap(struct sim_volume *vol, json_t *obj)
{
    const char *name = json_string_value(json_object_get(obj, "name"));
    size_t i;
    json_t *owner;
    if (!name || !sim_store_path_ok(name) || strchr(name, '/') || sim_snap_find(vol, name))
        return;
    bool lazy = json_is_true(json_object_get(obj, "lazy"));
    AUTO_CLOSE int fd = lazy ? -1 : sim_store_dir(vol->snap_dir, name);
    if (fd < 0 && !lazy)
        return; /* gone with its directory */
    struct sim_snap *s = sim_alloc(1, sizeof(*s));
    s->lazy = lazy;
    s->name = sim_dup(name);
    take_uuid(s->uuid, obj, "uuid");
    s->created = json_integer_value(json_object_get(obj, "created"));
    s->comment = sim_dup(json_string_value(json_object_get(obj, "comment")));
    s->label = sim_dup(json_string_value(json_object_get(obj, "label")));
    s->dependency = sim_dup(json_string_value(json_object_get(obj, "dependency")));
    s->held = (uint64_t)json_integer_value(json_object_get(obj, "held"));
    json_t *owners = json_object_get(obj, "owners");
    s->owners = sim_alloc(json_array_size(owners), sizeof(*s->owners));
    json_array_foreach (owners, i, owner) {
        if (json_is_string(owner))
            s->owners[s->owner_count++] = sim_dup(json_string_value(owner));
    }
    sim_snap_add(vol, s);
}

/* Directories that no state file knows are snapshots too; the left-overs of a crash are not. */
static void adopt(struct sim_volume *vol)
{
    int fd = openat(vol->snap_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            fstatat(vol->snap_dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
            (!S_ISDIR(st.st_mode) && e->d_name[0] != '.'))
            continue;
        if (e->d_name[0] == '.') {
            int rc = unlinkat(vol->snap_dir, e->d_name, 0)
                         ? sim_store_remove_tree(vol->snap_dir, e->d_name)
                         : 0;
            if (rc)
                sim_log("cannot remove %s/%s/.snapshot/%s: %s", vol->svm->name, vol->name,
                        e->d_name, strerror(rc));
        } else if (!sim_snap_name_ok(e->d_name) || !sim_utf8_ok(e->d_name)) {
            sim_log("%s/%s: a directory in .snapshot has no name for a snapshot and is left out",
                    vol->svm->name, vol->name);
        } else if (!sim_snap_find(vol, e->d_name)) {
            struct sim_snap *s = sim_alloc(1, sizeof(*s));
            s->name = sim_dup(e->d_name);
            sim_uuid(s->uuid);
            s->created = st.st_mtim.tv_sec;
            sim_snap_add(vol, s);
        }
    }
    closedir(d);
}

static int open_volume(struct sim_volume *vol, json_t *doc)
{
    size_t i;
    json_t *item;
    vol->dir = sim_store_make_dir(vol->svm->dir, vol->name);
    vol->snap_dir = vol->dir < 0 ? -1 : sim_store_make_dir(vol->dir, ".snapshot");
    if (vol->snap_dir < 0) {
        sim_log("%s/%s/%s: %s", sim.root, vol->svm->name, vol->name, strerror(errno));
        return -1;
    }
    bool fresh = !doc && sim_generate_fill(vol);
    if (!fresh) {
        take_uuid(vol->uuid, doc, "uuid");
        take_uuid(vol->instance_uuid, doc, "instance_uuid");
        vol->created = json_integer_value(json_object_get(doc, "created"));
    }
    if (!vol->created)
        vol->created = sim_epoch();
    sim_volume_restore(vol, doc);
    sim_volume_register(vol);
    json_array_foreach (json_object_get(doc, "snapshots"), i, item)
        load_snap(vol, item);
    adopt(vol);
    for (i = 0; i < vol->snap_count; i++) {
        if (!vol->ages[i]->held)
            sim_snap_measure(vol, i);
    }
    if (sim_lun_load(vol, doc))
        return -1;
    return fresh ? 0 : sim_state_save_volume(vol);
}

/* The volumes that clients made in earlier runs. */
static void add_made(struct sim_svm *svm, int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        bool bad = false;
        size_t n = strlen(e->d_name);
        AUTO_FREE char *name =
            n > 5 && !strcmp(e->d_name + n - 5, ".json") ? strndup(e->d_name, n - 5) : NULL;
        if (!name || sim_volume_find(svm, name))
            continue;
        json_t *doc = load(dir, e->d_name, &bad);
        if (doc && json_is_true(json_object_get(doc, "made")))
            sim_volume_add(svm, sim_volume_new(svm, &(struct sim_volume_spec){.name = name}));
        json_decref(doc);
    }
    if (d)
        closedir(d);
}

/* Half-made clones and half-removed volumes of a run that ended too soon. */
static void sweep(const struct sim_svm *svm)
{
    int fd = openat(svm->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (!strncmp(e->d_name, ".gone-", 6) || !strncmp(e->d_name, ".clone-", 7))
            sim_store_remove_tree(svm->dir, e->d_name);
    }
    if (d)
        closedir(d);
}

static int open_volumes(struct sim_svm *svm, int dir)
{
    for (size_t i = 0; i < svm->volume_count;) {
        bool bad = false;
        struct sim_volume *vol = svm->volumes[i];
        AUTO_FREE char *name = sim_printf("%s.json", vol->name);
        json_t *doc = load(dir, name, &bad);
        bool deleted = sim_volume_deleted(vol, doc);
        int rc = 0;
        if (deleted)
            sim_volume_bury(vol);
        else if (bad ||
                 open_volume(vol, json_is_true(json_object_get(doc, "deleted")) ? NULL : doc))
            rc = -1;
        json_decref(doc);
        if (rc)
            return -1;
        i += !deleted;
    }
    return 0;
}

static int open_svm(struct sim_svm *svm, json_t *doc)
{
    take_uuid(svm->uuid, json_object_get(doc, "svms"), svm->name);
    for (size_t k = 0; k < svm->lif_count; k++) {
        AUTO_FREE char *key = sim_printf("%s/%s", svm->name, svm->lifs[k].name);
        take_uuid(svm->lifs[k].uuid, json_object_get(doc, "lifs"), key);
    }
    svm->dir = sim_store_make_dir(sim.root_dir, svm->name);
    AUTO_CLOSE int dir = open_svm_state(svm);
    if (svm->dir < 0 || dir < 0) {
        sim_log("%s/%s: %s", sim.root, svm->name, strerror(errno));
        return -1;
    }
    sweep(svm);
    sim_generate_volumes(svm);
    add_made(svm, dir);
    sim_igroup_load(svm);
    if (open_volumes(svm, dir))
        return -1;
    sim_volume_link(svm);
    return 0;
}

static int open_root(void)
{
    AUTO_FREE char *path = sim_dup(sim.root);
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0755); /* a failure shows when the last one is opened */
        *p = '/';
    }
    if (mkdir(path, 0755) && errno != EEXIST) {
        sim_log("root %s: %s", sim.root, strerror(errno));
        return -1;
    }
    sim.root_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sim.state_dir = sim.root_dir < 0 ? -1 : sim_store_make_dir(sim.root_dir, ".ontapsim");
    if (sim.state_dir < 0) {
        sim_log("root %s: %s", sim.root, strerror(errno));
        return -1;
    }
    if (flock(sim.state_dir, LOCK_EX | LOCK_NB)) {
        sim_log("root %s: another simulator is running there", sim.root);
        return -1;
    }
    return 0;
}

int sim_state_open(void)
{
    bool bad = false;
    if (open_root())
        return -1;
    json_t *doc = load(sim.state_dir, "state.json", &bad);
    if (bad)
        return -1;
    take_uuid(sim.cluster_uuid, doc, "cluster_uuid");
    sim.next_cg = (uint64_t)json_integer_value(json_object_get(doc, "next_cg"));
    sim.next_job = (uint64_t)json_integer_value(json_object_get(doc, "next_job"));
    if (!sim.next_cg)
        sim.next_cg = 1;
    if (!sim.next_job)
        sim.next_job = 1;
    int rc = 0;
    for (size_t i = 0; i < sim.svm_count && !rc; i++)
        rc = open_svm(sim.svms[i], doc);
    if (!rc)
        sim_restore_load(json_object_get(doc, "restores"));
    json_decref(doc);
    return rc || sim_state_save() ? -1 : 0;
}
