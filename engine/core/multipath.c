#include "multipath.h"

#include "auto.h"
#include "dmtable.h"
#include "memory.h"
#include "mpathd.h"
#include "sysfs.h"
#include "wwid.h"

#include <string.h>
#include <strings.h>

static const char OP[] = "multipath";

enum { SECTOR = 512 };

static int no_memory(struct moon_err *err)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, OP, "out of memory");
}

static const char *root_of(const struct moon_mpath_world *w)
{
    return w->root ? w->root : "";
}

/* Takes text; NULL and empty are left out. -1: it is no UTF-8, or memory is out. */
static int put_text(json_t *o, const char *key, char *text)
{
    int rc = text && *text ? json_object_set_new(o, key, json_string(text)) : 0;
    free(text);
    return rc;
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* --- one SCSI disk ----------------------------------------------------------------------- */

/* "naa.600a0980..." of /sys as udev writes it, "3600a0980...". */
static char *wwid_of_naa(char *naa)
{
    char *out = NULL;
    if (naa && strncasecmp(naa, "naa.", 4) == 0 && asprintf(&out, "3%s", naa + 4) < 0)
        out = moon_memory_got(NULL);
    free(naa);
    return out;
}

static char *unit_serial(const char *root, const char *device)
{
    char serial[256];
    size_t len = 0;
    unsigned char *page = moon_sysfs_bytes(&len, root, "/sys/block/%s/device/vpd_pg80", device);
    bool ok = page && moon_vpd80_serial(page, len, serial, sizeof serial, NULL) == 0;
    free(page);
    return ok ? moon_memory_got(strdup(serial)) : NULL;
}

/* ".../host3/session1/target3:0:0/3:0:0:12": the last part, and the session's target. */
static void put_address(json_t *o, const char *root, const char *device)
{
    AUTO_FREE char *real = moon_sysfs_real(root, "/sys/block/%s/device", device);
    const char *hctl = real ? strrchr(real, '/') : NULL;
    if (!hctl)
        return;
    json_object_set_new(o, "hctl", json_string(hctl + 1));
    json_object_set_new(o, "host", json_integer(strtol(hctl + 1, NULL, 10)));
    const char *session = strstr(real, "/session");
    size_t n = session ? strcspn(session + 1, "/") : 0;
    if (session)
        put_text(o, "target",
                 moon_sysfs_text(root, "%.*s/iscsi_session/%.*s/targetname",
                                 (int)(session - real + 1 + (long)n), real, (int)n, session + 1));
}

/* NULL: out of memory. */
static json_t *disk(const char *root, const char *device)
{
    json_t *o = json_pack("{s:s}", "device", device);
    int rc = put_text(o, "number", moon_sysfs_text(root, "/sys/block/%s/dev", device));
    json_object_set_new(
        o, "size", json_integer(moon_sysfs_int(0, root, "/sys/block/%s/size", device) * SECTOR));
    put_address(o, root, device);
    put_text(o, "state", moon_sysfs_text(root, "/sys/block/%s/device/state", device));
    put_text(o, "access", moon_sysfs_text(root, "/sys/block/%s/device/access_state", device));
    int64_t preferred = moon_sysfs_int(-1, root, "/sys/block/%s/device/preferred_path", device);
    if (preferred >= 0)
        json_object_set_new(o, "preferred", json_boolean(preferred));
    rc |= put_text(o, "wwid",
                   wwid_of_naa(moon_sysfs_text(root, "/sys/block/%s/device/wwid", device)));
    put_text(o, "serial", unit_serial(root, device));
    if (rc < 0)
        json_decref(o);
    return rc < 0 ? NULL : o;
}

static void put_product(json_t *o, const char *root, const char *device)
{
    put_text(o, "vendor", moon_sysfs_text(root, "/sys/block/%s/device/vendor", device));
    put_text(o, "product", moon_sysfs_text(root, "/sys/block/%s/device/model", device));
    put_text(o, "revision", moon_sysfs_text(root, "/sys/block/%s/device/rev", device));
}

/* --- any device -------------------------------------------------------------------------- */

static const char *kind_of(const char *root, const char *device, const char *uuid)
{
    static const struct {
        const char *prefix, *kind;
    } kinds[] = {{"mpath-", "multipath"}, {"LVM-", "lvm"}, {"CRYPT-", "crypt"}};
    if (uuid) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            if (strncmp(uuid, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
                return kinds[i].kind;
        }
        /* "part1-mpath-...": kpartx's name for a partition of a map. */
        size_t n = strncmp(uuid, "part", 4) == 0 ? strspn(uuid + 4, "0123456789") : 0;
        return n > 0 && uuid[4 + n] == '-' ? "partition" : "dm";
    }
    AUTO_FREE char *partition = moon_sysfs_text(root, "/sys/class/block/%s/partition", device);
    if (partition)
        return "partition";
    AUTO_FREE char *type = moon_sysfs_text(root, "/sys/block/%s/device/type", device);
    return type ? "disk" : "other";
}

/* NULL: out of memory. */
static json_t *describe(const char *root, const char *device)
{
    static const char *const places[] = {"/sys/block", "/sys/class/block"};
    AUTO_FREE char *known = moon_sysfs_real(root, "/sys/block/%s", device);
    const char *at = places[known ? 0 : 1];
    AUTO_FREE char *uuid = moon_sysfs_text(root, "%s/%s/dm/uuid", at, device);
    AUTO_FREE char *name = moon_sysfs_text(root, "%s/%s/dm/name", at, device);
    const char *kind = kind_of(root, device, name ? (uuid ? uuid : "") : NULL);
    json_t *o = json_pack("{s:s, s:s}", "device", device, "kind", kind);
    int rc = put_text(o, "number", moon_sysfs_text(root, "%s/%s/dev", at, device));
    json_object_set_new(o, "size",
                        json_integer(moon_sysfs_int(0, root, "%s/%s/size", at, device) * SECTOR));
    json_object_set_new(o, "read_only",
                        json_boolean(moon_sysfs_int(0, root, "%s/%s/ro", at, device)));
    /* One that has no holders may be written to: what could not be listed must not look so. */
    rc |= json_object_set_new(o, "slaves", moon_sysfs_list(root, "%s/%s/slaves", at, device));
    rc |= json_object_set_new(o, "holders", moon_sysfs_list(root, "%s/%s/holders", at, device));
    if (name) {
        json_object_set_new(
            o, "suspended",
            json_boolean(moon_sysfs_int(0, root, "%s/%s/dm/suspended", at, device)));
        rc |= put_text(o, "name", MOON_STEAL(name));
        rc |= put_text(o, "uuid", MOON_STEAL(uuid));
    }
    if (strcmp(kind, "disk") == 0) {
        rc |= put_text(o, "wwid",
                       wwid_of_naa(moon_sysfs_text(root, "/sys/block/%s/device/wwid", device)));
        put_product(o, root, device);
    }
    if (rc < 0)
        json_decref(o);
    return rc < 0 ? NULL : o;
}

/* --- a map ------------------------------------------------------------------------------- */

/* features and path states as device-mapper has them; an empty object with the reason without it. */
static json_t *from_kernel(const struct moon_mpath_world *w, json_t *map)
{
    struct moon_err why;
    AUTO_FREE char *table = NULL, *status = NULL;
    json_t *dm = NULL;
    if (moon_dm_read(w->dm, text_of(map, "name"), &table, &status, &why) < 0 ||
        moon_dm_parse(table, status, &dm, &why) < 0) {
        json_object_set_new(map, "untold", json_string(why.message));
        return json_object();
    }
    static const char *const keys[] = {"features", "queueing", "handler"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *v = json_object_get(dm, keys[i]);
        if (v)
            json_object_set(map, keys[i], v);
    }
    json_t *paths = json_incref(json_object_get(dm, "paths"));
    json_decref(dm);
    return paths ? paths : json_object();
}

/* `checked`: what multipathd says, by device; may be NULL. -1: out of memory. */
static int put_paths(const struct moon_mpath_world *w, json_t *map, const json_t *checked)
{
    const char *root = root_of(w);
    int rc = 0;
    json_t *paths = json_array();
    json_t *kernel = from_kernel(w, map);
    bool told = !json_object_get(map, "untold");
    int usable = 0;
    size_t i;
    json_t *slave;
    json_array_foreach (json_object_get(map, "slaves"), i, slave) {
        json_t *p = disk(root, json_string_value(slave));
        const char *number = text_of(p, "number"), *state = text_of(p, "state");
        json_t *of_dm = number ? json_object_get(kernel, number) : NULL;
        if (of_dm)
            json_object_update(p, of_dm);
        json_t *of_daemon = json_object_get(checked, json_string_value(slave));
        static const char *const keys[] = {"checker", "priority"};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            json_t *v = json_object_get(of_daemon, keys[k]);
            if (v)
                json_object_set(p, keys[k], v);
        }
        bool runs = state && strcmp(state, "running") == 0;
        usable += told ? json_is_true(json_object_get(p, "usable")) : runs;
        rc |= json_array_append_new(paths, p);
    }
    json_decref(kernel);
    rc |= json_object_set_new(map, "paths", paths);
    rc |= json_object_set_new(map, "usable", json_integer(usable));
    const char *first = json_string_value(json_array_get(json_object_get(map, "slaves"), 0));
    if (first)
        put_product(map, root, first);
    const char *uuid = text_of(map, "uuid");
    json_t *wwid = uuid ? json_string(uuid + strlen("mpath-")) : NULL;
    return rc | json_object_set_new(map, "wwid", wwid);
}

static bool is_map(const json_t *o)
{
    const char *kind = text_of(o, "kind");
    return kind && strcmp(kind, "multipath") == 0;
}

static json_t *ask_daemon(const struct moon_mpath_world *w, const char *map)
{
    json_t *out = NULL;
    bool none = w->socket && !*w->socket;
    if (none || moon_mpathd_paths(w->socket, map, &out, NULL) < 0)
        return NULL;
    return out;
}

int moon_mpath_find(const struct moon_mpath_world *w, const char *name, json_t **out,
                    struct moon_err *err)
{
    AUTO_FREE char *device = moon_sysfs_device(root_of(w), name, err);
    if (!device)
        return -1;
    json_t *o = describe(root_of(w), device);
    int rc = o ? 0 : -1;
    if (is_map(o)) {
        json_t *checked = ask_daemon(w, text_of(o, "name"));
        rc = put_paths(w, o, checked);
        json_decref(checked);
    }
    if (rc == 0)
        *out = o;
    else
        json_decref(o);
    return rc == 0 ? 0 : no_memory(err);
}

/* dm-2 before dm-10 */
static int by_number(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    return strverscmp(x, y);
}

int moon_mpath_list(const struct moon_mpath_world *w, json_t **out, struct moon_err *err)
{
    json_t *names = moon_sysfs_list(root_of(w), "/sys/block");
    size_t n = json_array_size(names), i;
    json_t *name;
    const char **sorted = calloc(n + 1, sizeof *sorted);
    json_t *list = json_array();
    if (!names || !sorted || !list) {
        json_decref(names), json_decref(list), free(sorted);
        return no_memory(err);
    }
    int rc = 0;
    json_array_foreach (names, i, name)
        sorted[i] = json_string_value(name);
    qsort(sorted, n, sizeof *sorted, by_number);
    json_t *checked = ask_daemon(w, NULL);
    for (i = 0; i < n; i++) {
        if (strncmp(sorted[i], "dm-", 3) != 0)
            continue;
        json_t *o = describe(root_of(w), sorted[i]);
        rc |= !o ? -1 : is_map(o) ? put_paths(w, o, checked) | json_array_append(list, o) : 0;
        json_decref(o);
    }
    json_decref(checked);
    json_decref(names);
    free(sorted);
    if (rc == 0)
        *out = list;
    else
        json_decref(list);
    return rc == 0 ? 0 : no_memory(err);
}

/* --- identity ---------------------------------------------------------------------------- */

/* The LUN that a unit serial number names: ONTAP's has 12 characters, those of other lengths are not its. */
static bool wwid_of_serial(const char *serial, char wwid[MOON_WWID_LEN + 1])
{
    return serial && strlen(serial) == MOON_SERIAL_LEN && moon_serial_wwid(serial, wwid, NULL) == 0;
}

int moon_mpath_same_lun(const struct moon_mpath_world *w, const json_t *map, struct moon_err *err)
{
    const char *want = text_of(map, "wwid"), *name = text_of(map, "name");
    size_t told = 0, i;
    json_t *p;
    if (!want)
        return moon_err_set(err, MOON_INVALID, MOON_SRC_MULTIPATH, 0, OP, "%s: has no WWID",
                            name ? name : text_of(map, "device"));
    json_array_foreach (json_object_get(map, "paths"), i, p) {
        const char *device = text_of(p, "device"), *said = text_of(p, "wwid");
        char page_wwid[MOON_WWID_LEN + 1], unit_wwid[MOON_WWID_LEN + 1];
        size_t len = 0;
        unsigned char *page =
            moon_sysfs_bytes(&len, root_of(w), "/sys/block/%s/device/vpd_pg83", device);
        bool has_page = page && moon_vpd83_wwid(page, len, page_wwid, NULL) == 0;
        free(page);
        bool has_unit = wwid_of_serial(text_of(p, "serial"), unit_wwid);
        const char *other = said && strcasecmp(said, want) != 0 ? said : NULL;
        if (has_unit && strcasecmp(unit_wwid, want) != 0)
            other = unit_wwid;
        if (has_page && strcasecmp(page_wwid, want) != 0)
            other = page_wwid;
        if (other)
            return moon_err_set(err, MOON_CONFLICT, MOON_SRC_MULTIPATH, 0, OP,
                                "map %s: its path %s is LUN %s, not %s: another LUN has taken its "
                                "place under the same LUN number; nothing may be written there",
                                name, device, other, want);
        told += has_page || has_unit || said;
    }
    if (told == 0)
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_MULTIPATH, 0, OP,
                            "map %s: no path tells which LUN it is", name);
    return 0;
}
