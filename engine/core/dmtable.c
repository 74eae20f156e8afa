#include "dmtable.h"

#include "auto.h"
#include "memory.h"
#include "store.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static const char OP[] = "multipath";

enum { RECORDED_MAX = 16 << 20, GROUPS_MAX = 1024, PATHS_MAX = 1024 };

/* --- reading ----------------------------------------------------------------------------- */

/* "KIND NAME: START LENGTH multipath REST" in a text of such lines: REST, owned. */
static char *recorded_line(const char *text, const char *kind, const char *name)
{
    AUTO_FREE char *head = NULL;
    if (asprintf(&head, "%s %s: ", kind, name) < 0)
        return head = moon_memory_got(NULL);
    size_t n = strlen(head);
    for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        if (strncmp(p, head, n) != 0)
            continue;
        const char *end = strchr(p, '\n');
        const char *target = strstr(p, " multipath ");
        if (!target || (end && target > end))
            return NULL;
        target += strlen(" multipath ");
        return moon_memory_got(strndup(target, end ? (size_t)(end - target) : strlen(target)));
    }
    return NULL;
}

static int read_recorded(const char *file, const char *name, char **table, char **status,
                         struct moon_err *err)
{
    AUTO_FREE char *text = NULL, *own = NULL;
    struct stat st;
    size_t len = 0;
    bool by_map = stat(file, &st) == 0 && S_ISDIR(st.st_mode);
    if (by_map && asprintf(&own, "%s/%s", file, name) < 0)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
    if (moon_store_read(by_map ? own : file, RECORDED_MAX, &text, &len, err) < 0)
        return -1;
    *table = recorded_line(text, "table", name);
    *status = recorded_line(text, "status", name);
    if (*table && *status)
        return 0;
    return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_MULTIPATH, 0, OP,
                        "map %s: device-mapper has no multipath map of that name", name);
}

static void task_free(struct dm_task **t)
{
    if (*t)
        dm_task_destroy(*t);
}

static enum moon_code code_of(int errnum)
{
    if (errnum == ENXIO || errnum == ENODEV)
        return MOON_NOT_FOUND;
    return errnum == EACCES || errnum == EPERM ? MOON_DENIED : MOON_UNSUPPORTED;
}

static void silent(int level, const char *file, int line, int dm_errno, const char *fmt, ...)
{
    (void)level, (void)file, (void)line, (void)dm_errno, (void)fmt;
}

static int ask(int what, const char *name, char **out, struct moon_err *err)
{
    uint64_t start = 0, length = 0;
    char *target = NULL, *params = NULL;
    /* The library would print to stderr; the error is in the task. */
    dm_log_with_errno_init(silent);
    __attribute__((cleanup(task_free))) struct dm_task *t = dm_task_create(what);
    if (!t || !dm_task_set_name(t, name) || !dm_task_run(t)) {
        int errnum = t ? dm_task_get_errno(t) : ENOMEM;
        return moon_err_set(err, code_of(errnum), MOON_SRC_MULTIPATH, errnum, OP,
                            "map %s: device-mapper does not tell: %s", name, strerror(errnum));
    }
    dm_get_next_target(t, NULL, &start, &length, &target, &params);
    if (!target || strcmp(target, "multipath") != 0)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_MULTIPATH, 0, OP,
                            "map %s: its target is %s, not multipath", name,
                            target ? target : "empty");
    *out = strdup(params ? params : "");
    return *out ? 0 : moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
}

int moon_dm_read(const char *recorded, const char *name, char **table, char **status,
                 struct moon_err *err)
{
    *table = *status = NULL;
    int rc = recorded ? read_recorded(recorded, name, table, status, err) : 0;
    if (!recorded) {
        rc = ask(DM_DEVICE_TABLE, name, table, err);
        if (rc == 0)
            rc = ask(DM_DEVICE_STATUS, name, status, err);
    }
    if (rc < 0) {
        free(MOON_STEAL(*table));
        free(MOON_STEAL(*status));
    }
    return rc;
}

/* --- parsing ----------------------------------------------------------------------------- */

/* The words of a text, one after the other. `ok` stays false once something did not fit. */
struct words {
    char *at;
    bool ok;
};

static const char *word(struct words *w)
{
    char *p = w->at + strspn(w->at, " ");
    size_t n = strcspn(p, " ");
    if (n == 0) {
        w->ok = false;
        return "";
    }
    w->at = p + n + (p[n] != '\0');
    p[n] = '\0';
    return p;
}

static unsigned count(struct words *w, unsigned max)
{
    const char *text = word(w);
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 10);
    if (!*text || *end || *text == '-' || n > max) {
        w->ok = false;
        return 0;
    }
    return (unsigned)n;
}

static void skip(struct words *w, unsigned n)
{
    while (n-- > 0 && w->ok)
        word(w);
}

/* features, handler; the groups are read from the status, which lists them in the same order. */
static void parse_table(struct words *w, json_t *o)
{
    json_t *features = json_array();
    bool queueing = false;
    for (unsigned n = count(w, 64); n > 0 && w->ok; n--) {
        const char *f = word(w);
        queueing = queueing || strcmp(f, "queue_if_no_path") == 0;
        json_array_append_new(features, json_string(f));
    }
    json_object_set_new(o, "features", features);
    json_object_set_new(o, "queueing", json_boolean(queueing));
    unsigned handler = count(w, 64);
    if (handler > 0 && w->ok) {
        json_object_set_new(o, "handler", json_string(word(w)));
        skip(w, handler - 1);
    }
}

static const char *group_state(const char *letter)
{
    if (strcmp(letter, "A") == 0)
        return "active";
    return strcmp(letter, "E") == 0 ? "enabled" : "disabled";
}

static void parse_path(struct words *w, unsigned args, int group, const char *state, json_t *paths)
{
    const char *dev = word(w);
    bool usable = strcmp(word(w), "A") == 0;
    unsigned failures = count(w, UINT32_MAX);
    skip(w, args);
    if (w->ok)
        json_object_set_new(paths, dev,
                            json_pack("{s:i, s:s, s:b, s:I}", "group", group, "group_state", state,
                                      "usable", (int)usable, "failures", (json_int_t)failures));
}

/* False when there is no memory for the paths. */
static bool parse_status(struct words *w, json_t *o)
{
    json_t *paths = json_object();
    if (json_object_set_new(o, "paths", paths) < 0) /* which has freed them */
        return false;
    skip(w, count(w, 64));
    skip(w, count(w, 64));
    unsigned groups = count(w, GROUPS_MAX);
    count(w, GROUPS_MAX); /* the group to try next */
    for (unsigned g = 1; g <= groups && w->ok; g++) {
        const char *state = group_state(word(w));
        skip(w, count(w, 64));
        unsigned n = count(w, PATHS_MAX);
        unsigned args = count(w, 64);
        while (n-- > 0 && w->ok)
            parse_path(w, args, (int)g, state, paths);
    }
    return true;
}

int moon_dm_parse(const char *table, const char *status, json_t **out, struct moon_err *err)
{
    AUTO_FREE char *t = strdup(table);
    AUTO_FREE char *s = strdup(status);
    json_t *o = json_object();
    struct words tw = {t, t != NULL}, sw = {s, s != NULL};
    bool enough = t && s && o;
    if (enough) {
        parse_table(&tw, o);
        enough = parse_status(&sw, o);
    }
    if (enough && tw.ok && sw.ok) {
        *out = o;
        return 0;
    }
    json_decref(o);
    if (!enough)
        return moon_err_errno(err, ENOMEM, OP, "a multipath map");
    return moon_err_set(err, MOON_PROTOCOL, MOON_SRC_MULTIPATH, 0, OP,
                        "device-mapper's %s of a multipath map cannot be read: '%.200s'",
                        tw.ok ? "status" : "table", tw.ok ? status : table);
}
