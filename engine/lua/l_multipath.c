/*** Block devices and multipath maps of this host. Every function waits. `where` says where to look
 * instead of this host, for tests and recorded trees: root (holds sys/ and dev/), dm (recorded tables),
 * socket (multipathd's; "" asks none).
 * @module engine.multipath
 */
#include "moonlua.h"

#include "multipath.h"

static const char *str(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

static struct moon_mpath_world world(const json_t *args)
{
    return (struct moon_mpath_world){
        .root = str(args, "root"), .dm = str(args, "dm"), .socket = str(args, "socket")};
}

static double seconds(const json_t *args)
{
    json_t *n = json_object_get(args, "timeout");
    return n ? json_number_value(n) : 30;
}

static int mpath_find(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    struct moon_mpath_world w = world(args);
    return moon_mpath_find(&w, str(args, "name"), out, err);
}

static int mpath_list(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    struct moon_mpath_world w = world(args);
    return moon_mpath_list(&w, out, err);
}

static int mpath_same_lun(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    struct moon_mpath_world w = world(args);
    json_t *map = NULL;
    if (moon_mpath_find(&w, str(args, "name"), &map, err) < 0)
        return -1;
    int rc = moon_mpath_same_lun(&w, map, err);
    json_decref(map);
    return rc;
}

static int mpath_resize(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    struct moon_mpath_world w = world(args);
    return moon_mpath_resize(&w, str(args, "name"), seconds(args), err);
}

static int mpath_flush(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    struct moon_mpath_world w = world(args);
    return moon_mpath_flush(&w, str(args, "name"), seconds(args), err);
}

static int mpath_fail(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    struct moon_mpath_world w = world(args);
    return moon_mpath_fail(&w, str(args, "name"), err);
}

static int mpath_reinstate(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    struct moon_mpath_world w = world(args);
    return moon_mpath_reinstate(&w, str(args, "name"), err);
}

static int mpath_reconfigure(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    struct moon_mpath_world w = world(args);
    return moon_mpath_reconfigure(&w, err);
}

static const struct moonlua_self plain = {.prefix = "multipath"};
static const struct moonlua_prim functions[] = {
    /*** The device behind any of its names: `/dev/mapper/x`, `/dev/disk/by-id/...`, `/dev/dm-3`, a link.
     * `{device, number, kind = "multipath" | "partition" | "lvm" | "crypt" | "dm" | "disk" | "other",
     * size (bytes), read_only, name?, uuid?, suspended?, wwid?, vendor?, product?, revision?,
     * slaves={...}, holders={...}}`, and for a map `features`, `queueing`, `handler` (or `untold`: why
     * not), `usable` (number of paths), `paths = {{device, number, size, hctl, host, state, access,
     * preferred, wwid, serial, target, group, group_state, usable, failures, checker, priority}, ...}`;
     * what nobody tells is missing. `not_found`, `invalid` (no block device).
     * @function find
     * @awaits
     * @tparam string name
     * @tparam[opt] {root=string,dm=string,socket=string} where */
    {"find", "name:s {root:s? dm:s? socket:s?}", 0, mpath_find},
    /*** All multipath maps, as `find` gives them, in the order of their numbers.
     * @function list
     * @usage
     * for _, map in ipairs(assert(require("engine.multipath").list { root = dir, dm = "none" })) do print(map.name) end
     * @awaits
     * @tparam[opt] {root=string,dm=string,socket=string} where */
    {"list", "{root:s? dm:s? socket:s?}", 0, mpath_list},
    /*** Whether every path of a map still is the LUN that the map is named after; `conflict` names the
     * path that is another LUN. Rescan the paths first: what /sys has may be older than a change.
     * @function same_lun
     * @awaits
     * @tparam string name
     * @tparam[opt] {root=string,dm=string,socket=string} where */
    {"same_lun", "name:s {root:s? dm:s? socket:s?}", 0, mpath_same_lun},
    /*** Let a map take the size of its paths. `conflict`: they differ; `busy`: no usable path;
     * `unreachable`: multipathd is not running.
     * @function resize
     * @awaits
     * @tparam string name
     * @tparam[opt] {timeout=number,root=string,dm=string,socket=string} options timeout in seconds, 30 */
    {"resize", "name:s {timeout:n? root:s? dm:s? socket:s?}", MOONLUA_CHANGES, mpath_resize},
    /*** Remove a map. `busy`, naming the holder, while it is used, or while it queues without a path.
     * @function flush
     * @awaits
     * @tparam string name
     * @tparam[opt] {timeout=number,root=string,dm=string,socket=string} options timeout in seconds, 30 */
    {"flush", "name:s {timeout:n? root:s? dm:s? socket:s?}", MOONLUA_CHANGES, mpath_flush},
    /*** Take a path out of use; `conflict` when it is the map's last usable one.
     * @function fail
     * @awaits
     * @tparam string name such as `sdb`
     * @tparam[opt] {root=string,dm=string,socket=string} where */
    {"fail", "name:s {root:s? dm:s? socket:s?}", MOONLUA_CHANGES, mpath_fail},
    /*** Take a path into use again.
     * @function reinstate
     * @awaits
     * @tparam string name such as `sdb`
     * @tparam[opt] {root=string,dm=string,socket=string} where */
    {"reinstate", "name:s {root:s? dm:s? socket:s?}", MOONLUA_CHANGES, mpath_reinstate},
    /*** Let multipathd read its configuration again.
     * @function reconfigure
     * @awaits
     * @tparam[opt] {socket=string} where */
    {"reconfigure", "{root:s? dm:s? socket:s?}", MOONLUA_CHANGES, mpath_reconfigure},
    {NULL, NULL, 0, NULL}};

int luaopen_engine_multipath(lua_State *L)
{
    lua_newtable(L);
    moonlua_setprims(L, functions, &plain);
    return 1;
}
