/*** The host's side of a LUN: its names, who uses it, rescan and cache.
 * @module engine.lun
 */
#include "moonlua.h"

#include "holders.h"
#include "lun.h"
#include "wwid.h"

static const char *str(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

static struct moon_mpath_world world(const json_t *args)
{
    return (struct moon_mpath_world){
        .root = str(args, "root"), .dm = str(args, "dm"), .socket = str(args, "socket")};
}

/*** The ONTAP serial number (12 characters) in a WWID (`3600a0980...`, `naa.600a0980...`).
 * @function serial
 * @usage
 * local lun = require "engine.lun"
 * assert(lun.wwid(assert(lun.serial("3600a0980383062716d5d5076684b6f66"))) == "3600a0980383062716d5d5076684b6f66")
 * @tparam string wwid
 * @treturn[1] string
 * @return[2] nil
 * @treturn[2] Err `invalid`: not the WWID of an ONTAP LUN; the message says what it looks like
 */
static int lun_serial(lua_State *L)
{
    char serial[MOON_SERIAL_LEN + 1];
    struct moon_err err;
    if (moon_wwid_serial(luaL_checkstring(L, 1), serial, &err) < 0)
        return moonlua_pusherr(L, &err);
    lua_pushstring(L, serial);
    return 1;
}

/*** The WWID, as udev and multipath write it, of an ONTAP serial number.
 * @function wwid
 * @tparam string serial
 * @treturn[1] string 33 characters
 * @return[2] nil
 * @treturn[2] Err `invalid`
 */
static int lun_wwid(lua_State *L)
{
    char wwid[MOON_WWID_LEN + 1];
    struct moon_err err;
    if (moon_serial_wwid(luaL_checkstring(L, 1), wwid, &err) < 0)
        return moonlua_pusherr(L, &err);
    lua_pushstring(L, wwid);
    return 1;
}

static int holders(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    struct moon_mpath_world w = world(args);
    int except = (int)json_integer_value(json_object_get(args, "except"));
    if (json_is_false(json_object_get(args, "processes")))
        except = MOON_HOLDERS_NO_PROCESSES;
    return moon_device_holders(&w, str(args, "proc"), str(args, "name"), except, out, err);
}

static int rescan(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    struct moon_mpath_world w = world(args);
    return moon_lun_rescan(&w, str(args, "name"), out, err);
}

static int drop_cache(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    struct moon_mpath_world w = world(args);
    return moon_lun_drop_cache(&w, str(args, "name"), err);
}

static int scan(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    struct moon_mpath_world w = world(args);
    return moon_lun_scan(&w, out, err);
}

static int remove_disks(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    struct moon_mpath_world w = world(args);
    return moon_lun_remove(&w, str(args, "wwid"), out, err);
}

static const struct moonlua_self plain = {.prefix = "lun"};
static const struct moonlua_prim functions[] = {
    /*** Who uses a device: `{{kind = "partition" | "lvm" | "crypt" | "dm" | "loop" | "mount" | "swap" | "target" | "process",
     * name, device?, pid?}, ...}`, the nearest first, through all layers; empty when nobody does.
     * @function holders
     * @awaits
     * @tparam string name any name of the device
     * @tparam[opt] {except=integer,processes=boolean,proc=string,root=string,dm=string} options except: a pid to leave
     *   out; processes: false leaves out all, each of which costs a look at its open files */
    {"holders", "name:s {except:i? processes:b? proc:s? root:s? dm:s? socket:s?}", 0, holders},
    /*** Ask the paths of a map, or a disk, again for size and identity: `{rescanned, left_out={...}}`.
     * Paths that do not run are left out; `busy` when none runs.
     * @function rescan
     * @awaits
     * @tparam string name any name of the device
     * @tparam[opt] {root=string,dm=string,socket=string} where */
    {"rescan", "name:s {root:s? dm:s? socket:s?}", MOONLUA_CHANGES, rescan},
    /*** Drop what the host has cached of a device, so that the next read comes from the LUN. `busy`
     * without a usable path.
     * @function drop_cache
     * @awaits
     * @tparam string name any name of the device
     * @tparam[opt] {root=string,dm=string,socket=string} where */
    {"drop_cache", "name:s {root:s? dm:s? socket:s?}", MOONLUA_CHANGES, drop_cache},
    /*** Let every SCSI host look for LUNs that were mapped since: `{hosts}`. The map appears a moment later.
     * @function scan
     * @awaits
     * @tparam[opt] {root=string} where */
    {"scan", "{root:s? dm:s? socket:s?}", MOONLUA_CHANGES, scan},
    /*** Take the disks of one LUN off this host, after its map was flushed and before the controller unmaps
     * it: `{removed={...}}`. `busy`, naming the holder, while one is used.
     * @function remove
     * @awaits
     * @tparam string wwid of the LUN
     * @tparam[opt] {root=string} where */
    {"remove", "wwid:s {root:s? dm:s? socket:s?}", MOONLUA_CHANGES, remove_disks},
    {NULL, NULL, 0, NULL}};

int luaopen_engine_lun(lua_State *L)
{
    static const luaL_Reg names[] = {{"serial", lun_serial}, {"wwid", lun_wwid}, {NULL, NULL}};
    luaL_newlib(L, names);
    moonlua_setprims(L, functions, &plain);
    return 1;
}
