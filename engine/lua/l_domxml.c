/*** Domain XML: what disks a guest has, and edits on a copy. The fields stand in
 * engine/core/domxml.h.
 * @module engine.domxml
 */
#include "moonlua.h"

#include "domxml.h"

/*** Read a domain's XML.
 * @function parse
 * @usage
 * local xml = assert(dom:xml())
 * for _, disk in ipairs(assert(require("engine.domxml").parse(xml)).disks) do print(disk.target, disk.path) end
 * @tparam string xml
 * @treturn[1] table `{name, uuid, type, os, disks={{device, type, source, path, target, bus,
 * format, boot_order, is_boot, readonly, backing={...}}, ...}}`
 * @return[2] nil
 * @treturn[2] Err `protocol`, `invalid`
 */
static int domxml_parse(lua_State *L)
{
    const char *xml = luaL_checkstring(L, 1);
    json_t **box = moonlua_newjson(L);
    struct moon_err err;
    if (moon_domxml_parse(xml, box, &err) < 0)
        return moonlua_pusherr(L, &err);
    moonlua_pushjson(L, *box);
    return 1;
}

/*** A changed copy of a domain's XML.
 * @function edit
 * @usage
 * local copy = assert(require("engine.domxml").edit(assert(dom:xml()), { name = "copy", uuid = "new", macs = "new" }))
 * assert(copy:find("<name>copy</name>", 1, true))
 * @tparam string xml
 * @tparam table edits `{name, uuid ("new"), macs ("new"), disks={target={file|dev}}, detach_media}`
 * @treturn[1] string
 * @return[2] nil
 * @treturn[2] Err `protocol`, `invalid`, `not_found` (no such disk)
 */
static int domxml_edit(lua_State *L)
{
    const char *xml = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    json_t **box = moonlua_newjson(L);
    moonlua_tojson(L, 2, box);
    struct moon_err err;
    char *out = NULL;
    if (moon_domxml_edit(xml, *box, &out, &err) < 0)
        return moonlua_pusherr(L, &err);
    lua_pushstring(L, out);
    free(out);
    return 1;
}

int luaopen_engine_domxml(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"parse", domxml_parse}, {"edit", domxml_edit}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
