/*** Mounts and addresses.
 * @module engine.mount
 */
#include "moonlua.h"

#include "mounts.h"

static const char *str(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

static int mount_find(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_mount_find(str(args, "mountinfo"), str(args, "path"), out, err);
}

static int mount_list(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_mount_list(str(args, "mountinfo"), out, err);
}

static int mount_addresses(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_mount_addresses(str(args, "host"), out, err);
}

static int mount_is_local(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_mount_is_local(str(args, "host"), out, err);
}

static const struct moonlua_self plain = {.prefix = "mount"};
static const struct moonlua_prim functions[] = {
    /*** The mount that a file lies on: `{path (links resolved), mountpoint, relative, fstype,
     * source, nfs, server, export, ...}`; `not_found` when there is no such file.
     * @function find
     * @usage
     * local at = assert(require("engine.mount").find(dir))
     * print(at.mountpoint, at.fstype)
     * @awaits
     * @tparam string path
     * @tparam[opt] {mountinfo=string} options file to read instead of /proc/self/mountinfo */
    {"find", "path:s {mountinfo:s?}", 0, mount_find},
    /*** All mounts.
     * @function list
     * @awaits
     * @tparam[opt] {mountinfo=string} options */
    {"list", "{mountinfo:s?}", 0, mount_list},
    /*** Numeric addresses of a host name; `not_found`, `unreachable` (no name server).
     * @function addresses
     * @awaits
     * @tparam string host */
    {"addresses", "host:s", 0, mount_addresses},
    /*** Whether a name or address is this host's own: its name, long or short, or one of an interface. A name that
     * does not resolve is not.
     * @function is_local
     * @awaits
     * @tparam string host
     * @treturn boolean */
    {"is_local", "host:s", 0, mount_is_local},
    {NULL, NULL, 0, NULL}};

int luaopen_engine_mount(lua_State *L)
{
    lua_newtable(L);
    moonlua_setprims(L, functions, &plain);
    return 1;
}
