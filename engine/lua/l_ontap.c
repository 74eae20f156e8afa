/*** ONTAP controllers: one client object for both transports. Every method waits, and returns nil and
 * an error object when the controller refuses. Sizes are bytes, times seconds since the epoch, durations
 * seconds; the path of a LUN is `/vol/VOLUME/REST`, that of a file lies below its volume (`web1.img`).
 * A method that names an object which is not there fails with `not_found`; a list that matches nothing
 * is empty. What ONTAP does not tell is left out of a result.
 * @module engine.ontap
 */
#include "moonlua.h"

#include "ontap.h"

#include <string.h>

#define ONTAP_TYPE "engine.Ontap"

static struct moon_ontap *check_ontap(lua_State *L)
{
    return *(struct moon_ontap **)luaL_checkudata(L, 1, ONTAP_TYPE);
}

/*** Describe a controller; no request is made yet.
 * @function new
 * @usage
 * local svm = assert(require("engine.ontap").new { host = host, port = port, user = user, password = password,
 *   ca_file = ca_file })
 * for _, volume in ipairs(assert(svm:volumes())) do print(volume.name, volume.available) end
 * @tparam {name=string,host=string,port=integer,https=boolean,user=string,password=string,svm=string,ca_file=string,pin=string,cert=string,key=string,timeout=number,api=string,max_requests=integer,retries=integer,retry_wait=number} options
 * @treturn[1] Ontap
 * @return[2] nil
 * @treturn[2] Err `invalid`, `unsupported`
 */
static int ontap_new(lua_State *L)
{
    json_t *args =
        moonlua_args(L, 1,
                     "{host:s name:s? port:i? https:b? user:s? password:s? svm:s? "
                     "ca_file:s? pin:s? cert:s? key:s? timeout:n? api:s? max_requests:i? "
                     "retries:i? retry_wait:n?}");
    json_t *most = json_object_get(args, "max_requests");
    if (most)
        moon_loop_allow_connections(moonlua_get(L)->loop, (long)json_integer_value(most));
    struct moon_ontap **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, ONTAP_TYPE);
    struct moon_err err;
    *box = moon_ontap_new(args, &err);
    return *box ? 1 : moonlua_pusherr(L, &err);
}

static int ontap_gc(lua_State *L)
{
    struct moon_ontap **box = lua_touserdata(L, 1);
    moon_ontap_unref(*box);
    *box = NULL;
    return 0;
}

/* One method per verb; the verb is the upvalue. */
static int ontap_verb(lua_State *L)
{
    enum moon_ontap_verb verb = (enum moon_ontap_verb)lua_tointeger(L, lua_upvalueindex(1));
    struct moon_ontap *o = check_ontap(L);
    json_t *args = moonlua_args(L, 2, moon_ontap_verb_signature(verb));
    bool changes = moon_ontap_verb_changes(verb, args);
    lua_pushfstring(L, "ontap.%s", moon_ontap_verb_name(verb));
    const char *name = lua_tostring(L, -1);
    int n = changes ? moonlua_refused(L, name, moon_ontap_name(o), args) : 0;
    if (n > 0)
        return n;
    moonlua_finish finish = moonlua_note(L, name, moon_ontap_name(o), args, changes);
    struct moon_err err;
    struct moon_op *op = moon_ontap_call_new(o, verb, args, &err);
    if (!op)
        return moonlua_pusherr(L, &err);
    moonlua_call_begins(moonlua_get(L), name, moon_ontap_name(o), args, changes);
    return moonlua_await(L, op, finish);
}

/* --- lists page by page ------------------------------------------------------------------ */

enum { PAGES_CLIENT = 1, PAGES_VERB, PAGES_ARGS, PAGES_DONE }; /* upvalues of the iterator */

static int finish_page(lua_State *L, struct moon_op *op)
{
    if (op->failed) {
        moonlua_pusherr(L, &op->err);
        return lua_error(L);
    }
    struct moon_ontap **o = lua_touserdata(L, lua_upvalueindex(PAGES_CLIENT));
    json_t **args = lua_touserdata(L, lua_upvalueindex(PAGES_ARGS));
    int verb = (int)lua_tointeger(L, lua_upvalueindex(PAGES_VERB));
    lua_pushfstring(L, "ontap.%s", moon_ontap_verb_name((enum moon_ontap_verb)verb));
    if (moonlua_note(L, lua_tostring(L, -1), moon_ontap_name(*o), *args, false))
        moonlua_observed(L, lua_gettop(L), op);
    json_t *next = json_object_get(op->result, "next");
    if (next) {
        /* The page before would come again, and again. */
        if (json_object_set(*args, "page", next) < 0)
            return luaL_error(L, "out of memory");
    } else {
        lua_pushboolean(L, true);
        lua_replace(L, lua_upvalueindex(PAGES_DONE));
    }
    moonlua_pushjson(L, json_object_get(op->result, "rows"));
    return 1;
}

static int next_page(lua_State *L)
{
    struct moon_ontap **o = lua_touserdata(L, lua_upvalueindex(PAGES_CLIENT));
    json_t **args = lua_touserdata(L, lua_upvalueindex(PAGES_ARGS));
    enum moon_ontap_verb verb =
        (enum moon_ontap_verb)lua_tointeger(L, lua_upvalueindex(PAGES_VERB));
    if (lua_toboolean(L, lua_upvalueindex(PAGES_DONE)))
        return 0;
    struct moon_err err;
    struct moon_op *op = moon_ontap_call_new(*o, verb, *args, &err);
    if (!op) {
        moonlua_pusherr(L, &err);
        return lua_error(L);
    }
    return moonlua_await(L, op, finish_page);
}

/* The verb of that name that gives pages; raises when it is none. */
static enum moon_ontap_verb check_list(lua_State *L, int arg)
{
    const char *name = luaL_checkstring(L, arg);
    int verb = 0;
    while (verb < MOON_ONTAP_VERB_COUNT &&
           strcmp(moon_ontap_verb_name((enum moon_ontap_verb)verb), name) != 0)
        verb++;
    if (verb == MOON_ONTAP_VERB_COUNT ||
        !strstr(moon_ontap_verb_signature((enum moon_ontap_verb)verb), "page:s?"))
        luaL_argerror(L, arg, lua_pushfstring(L, "'%s' is no list", name));
    return (enum moon_ontap_verb)verb;
}

/*** A list too long to hold, page by page: `for rows in client:pages("luns", {max = 500}) do`. Each turn
 * waits for one page and forgets the one before; no page is asked for before it is wanted. A failure
 * raises the error object, since a loop that ends early would pass for the whole list.
 * @function Ontap:pages
 * @usage
 * for rows in client:pages("snapshots", "vol1", { max = 100 }) do
 *   for _, row in ipairs(rows) do print(row.name) end
 * end
 * @tparam string verb one of those that give a list
 * @param ... its arguments; options also take `max` (rows of a page at most) and `page` (where to begin)
 * @treturn function for a generic `for`: each time an array of rows
 */
static int ontap_pages(lua_State *L)
{
    check_ontap(L);
    enum moon_ontap_verb verb = check_list(L, 2);
    json_t *args = moonlua_args(L, 3, moon_ontap_verb_signature(verb));
    int box = lua_gettop(L);
    if (!json_object_get(args, "page") && json_object_set_new(args, "page", json_string("")) < 0)
        return luaL_error(L, "out of memory");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, verb);
    lua_pushvalue(L, box);
    lua_pushboolean(L, false);
    lua_pushcclosure(L, next_page, PAGES_DONE);
    return 1;
}

int luaopen_engine_ontap(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", ontap_new}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", ontap_gc}, {NULL, NULL}};
    moonlua_class(L, ONTAP_TYPE, meta);
    moonlua_methods(L, ONTAP_TYPE);
    for (int verb = 0; verb < MOON_ONTAP_VERB_COUNT; verb++) {
        lua_pushinteger(L, verb);
        lua_pushcclosure(L, ontap_verb, 1);
        lua_setfield(L, -2, moon_ontap_verb_name((enum moon_ontap_verb)verb));
    }
    lua_pushcfunction(L, ontap_pages);
    lua_setfield(L, -2, "pages");
    luaL_newlib(L, functions);
    return 1;
}
