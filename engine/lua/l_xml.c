/*** XML text.
 * @module engine.xml
 */
#include "moonlua.h"

#include "xml.h"

/*** An XML document as plain data.
 * @function parse
 * @usage
 * assert(require("engine.xml").parse("<a><b>text</b></a>").children[1].text == "text")
 * @tparam string text
 * @treturn[1] table `{name=, attr={}, text=, children={...}}` of the root element
 * @return[2] nil
 * @treturn[2] Err `protocol` (with the line), `invalid` (entities, size, depth)
 */
static int xml_parse(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    json_t **box = moonlua_newjson(L);
    struct moon_err err;
    xmlDocPtr doc;
    if (moon_xml_parse(text, len, "xml", &doc, &err) < 0)
        return moonlua_pusherr(L, &err);
    int rc = moon_xml_to_json(xmlDocGetRootElement(doc), box, &err);
    xmlFreeDoc(doc);
    if (rc < 0)
        return moonlua_pusherr(L, &err);
    moonlua_pushjson(L, *box);
    return 1;
}

/*** Text that can stand in an element or an attribute.
 * @function escape
 * @usage
 * assert(require("engine.xml").escape("a < b") == "a &lt; b")
 * @tparam string text
 * @treturn[1] string
 * @return[2] nil
 * @treturn[2] Err `invalid` for what XML cannot hold
 */
static int xml_escape(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    struct moon_buf b = {0};
    struct moon_err err;
    if (moon_xml_escape(&b, text, &err) < 0) {
        moon_buf_free(&b);
        return moonlua_pusherr(L, &err);
    }
    lua_pushlstring(L, b.data ? b.data : "", b.len);
    moon_buf_free(&b);
    return 1;
}

int luaopen_engine_xml(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"parse", xml_parse}, {"escape", xml_escape}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
