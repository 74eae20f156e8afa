/* Values between Lua and the C core, error objects, argument signatures, classes. */
#include "moonlua.h"

#include <math.h>
#include <string.h>

/* Tables in tables: as many as a text that is read may have. */
#define MAX_DEPTH  JSON_PARSER_MAX_DEPTH
#define ERROR_TYPE "engine.Error"
#define JSON_TYPE  "engine.JsonBox"

struct moonlua *moonlua_get(lua_State *L)
{
    return *(struct moonlua **)lua_getextraspace(L);
}

/* --- JSON -------------------------------------------------------------------------------- */

/* null in a list is moonlua_pushnull's value, or nothing where holes are wanted. */
static void push(lua_State *L, const json_t *v, bool holes)
{
    luaL_checkstack(L, 4, "value nested too deeply");
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        lua_createtable(L, 0, (int)json_object_size(v));
        json_t *o = (json_t *)(uintptr_t)v; /* the iteration macro wants it so; nothing changes */
        json_object_foreach (o, key, item) {
            push(L, item, holes);
            lua_setfield(L, -2, key);
        }
        break;
    }
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(v), 0);
        for (size_t i = 0; i < json_array_size(v); i++) {
            const json_t *item = json_array_get(v, i);
            if (json_is_null(item) && !holes)
                moonlua_pushnull(L);
            else
                push(L, item, holes);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(v));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(v));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(v));
        break;
    default:
        lua_pushnil(L);
    }
}

void moonlua_pushjson(lua_State *L, const json_t *v)
{
    push(L, v, false);
}

void moonlua_pushholes(lua_State *L, const json_t *v)
{
    push(L, v, true);
}

void moonlua_pushnull(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
}

static int json_gc(lua_State *L)
{
    json_t **box = lua_touserdata(L, 1);
    json_decref(*box);
    *box = NULL;
    return 0;
}

json_t **moonlua_newjson(lua_State *L)
{
    json_t **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, JSON_TYPE)) {
        lua_pushcfunction(L, json_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

/* Only a key that is UTF-8 becomes a value; that a value could not be added has one other reason. */
static void not_added(lua_State *L, const char *key)
{
    json_t *text = json_string(key);
    json_decref(text);
    luaL_error(L, text ? "out of memory" : "a key that is not UTF-8 is not plain data");
}

/* Each value is attached to its parent before anything below it is looked at, so that an error
 * on the way leaks nothing: the root is in the box. A value that there was no memory for raises: an
 * argument that is left out means something else. */
static void attach(lua_State *L, json_t **root, json_t *parent, const char *key, json_t *value)
{
    if (!value)
        luaL_error(L, "out of memory");
    if (!parent)
        *root = value;
    else if (key) {
        if (json_object_set_new(parent, key, value) < 0)
            not_added(L, key);
    } else if (json_array_append_new(parent, value) < 0)
        luaL_error(L, "out of memory");
}

static void convert(lua_State *L, int idx, json_t **root, json_t *parent, const char *key,
                    int depth);

static void convert_table(lua_State *L, int idx, json_t **root, json_t *parent, const char *key,
                          int depth)
{
    if (depth >= MAX_DEPTH)
        luaL_error(L, "table is nested too deeply (or refers to itself) to be plain data");
    luaL_checkstack(L, 6, NULL);
    lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
    bool list = n > 0;
    if (!list) {
        lua_pushnil(L);
        list = lua_next(L, idx) == 0; /* an empty table is a list */
        if (!list)
            lua_pop(L, 2);
    }
    json_t *value = list ? json_array() : json_object();
    attach(L, root, parent, key, value);
    if (list) {
        lua_Integer keys = 0;
        for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
            keys++;
        if (keys != n)
            luaL_error(L,
                       "table is a list with a key of type string, or with holes: not plain data");
        for (lua_Integer i = 1; i <= n; i++) {
            lua_rawgeti(L, idx, i);
            convert(L, lua_gettop(L), root, value, NULL, depth + 1);
            lua_pop(L, 1);
        }
        return;
    }
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "table has a key of type %s: plain data has string keys or is a list",
                       luaL_typename(L, -2));
        size_t len;
        const char *name = lua_tolstring(L, -2, &len);
        if (strlen(name) != len)
            luaL_error(L, "a key that holds a zero byte is not plain data");
        convert(L, lua_gettop(L), root, value, name, depth + 1);
        lua_pop(L, 1);
    }
}

static void convert(lua_State *L, int idx, json_t **root, json_t *parent, const char *key,
                    int depth)
{
    switch (lua_type(L, idx)) {
    case LUA_TNIL:
        attach(L, root, parent, key, json_null());
        break;
    case LUA_TBOOLEAN:
        attach(L, root, parent, key, json_boolean(lua_toboolean(L, idx)));
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx))
            attach(L, root, parent, key, json_integer(lua_tointeger(L, idx)));
        else if (isfinite(lua_tonumber(L, idx)))
            attach(L, root, parent, key, json_real(lua_tonumber(L, idx)));
        else
            luaL_error(L, "a number that is not finite is not plain data");
        break;
    case LUA_TSTRING: {
        size_t len;
        const char *s = lua_tolstring(L, idx, &len);
        attach(L, root, parent, key, json_stringn_nocheck(s, len));
        break;
    }
    case LUA_TTABLE:
        convert_table(L, idx, root, parent, key, depth);
        break;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, idx)) { /* moonlua_pushnull */
            attach(L, root, parent, key, json_null());
            break;
        }
        /* fall through */
    default:
        luaL_error(L, "a %s is not plain data", luaL_typename(L, idx));
    }
}

json_t *moonlua_tojson(lua_State *L, int idx, json_t **box)
{
    convert(L, lua_absindex(L, idx), box, NULL, NULL, 0);
    return *box;
}

/* --- errors ------------------------------------------------------------------------------ */

static int err_tostring(lua_State *L)
{
    lua_getfield(L, 1, "scf");
    lua_getfield(L, 1, "message");
    const char *scf = lua_tostring(L, -2), *message = lua_tostring(L, -1);
    lua_pushfstring(L, "%s%s%s%s", scf ? "[" : "", scf ? scf : "", scf ? "] " : "",
                    message ? message : "error without a message");
    return 1;
}

void moonlua_markerr(lua_State *L)
{
    if (luaL_newmetatable(L, ERROR_TYPE)) {
        lua_pushcfunction(L, err_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_setmetatable(L, -2);
}

void moonlua_placeerr(lua_State *L)
{
    char place[192];
    if (lua_getfield(L, -1, "at") == LUA_TNIL) {
        moonlua_place(L, place, sizeof place);
        lua_pushstring(L, place);
        lua_setfield(L, -3, "at");
        lua_pushinteger(L, moonlua_call_count(moonlua_get(L)));
        lua_setfield(L, -3, "after");
    }
    lua_pop(L, 1);
}

bool moonlua_iserr(lua_State *L, int idx)
{
    if (!lua_istable(L, idx) || !lua_getmetatable(L, idx))
        return false;
    luaL_getmetatable(L, ERROR_TYPE);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

int moonlua_pusherr(lua_State *L, const struct moon_err *err)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, moon_code_name(err->code));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, moon_source_name(err->source));
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, err->native);
    lua_setfield(L, -2, "native");
    lua_pushstring(L, err->op);
    lua_setfield(L, -2, "op");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    moonlua_markerr(L);
    moonlua_placeerr(L);
    return 2;
}

/* --- signatures -------------------------------------------------------------------------- */

static bool type_fits(lua_State *L, int idx, char type)
{
    switch (type) {
    case 's':
    case 'd':
        return lua_type(L, idx) == LUA_TSTRING;
    case 'i':
        return lua_isinteger(L, idx);
    case 'n':
        return lua_type(L, idx) == LUA_TNUMBER;
    case 'b':
        return lua_isboolean(L, idx);
    case 't':
        return lua_istable(L, idx);
    default:
        return true;
    }
}

static const char *type_text(char type)
{
    switch (type) {
    case 's':
    case 'd':
        return "string";
    case 'i':
        return "integer";
    case 'n':
        return "number";
    case 'b':
        return "boolean";
    default:
        return "table";
    }
}

struct field {
    char name[32];
    char type;
    bool optional;
};

/* The next "name:type?" of a signature; returns where it ends. */
static const char *next_field(const char *p, struct field *f)
{
    size_t n = strcspn(p, ":");
    memcpy(f->name, p, n);
    f->name[n] = '\0';
    f->type = p[n + 1];
    f->optional = p[n + 2] == '?';
    p += n + 2 + (f->optional ? 1 : 0);
    return p + strspn(p, " ");
}

static void add(lua_State *L, int idx, json_t *args, const char *name)
{
    json_t **box = moonlua_newjson(L);
    moonlua_tojson(L, idx, box);
    if (json_object_set_nocheck(args, name, *box) < 0)
        luaL_error(L, "out of memory");
    lua_pop(L, 1);
}

/* Text ends at a zero byte in C, so that it may hold none; bytes (d) may. */
static void check_text(lua_State *L, int idx, int arg, char type, const char *name)
{
    size_t len;
    if (type == 's' && strlen(lua_tolstring(L, idx, &len)) != len)
        luaL_argerror(L, arg, lua_pushfstring(L, "'%s' holds a zero byte", name));
}

static bool is_option(const char *p, const char *name)
{
    for (p += 1 + strspn(p + 1, " "); *p && *p != '}';) {
        struct field f;
        p = next_field(p, &f);
        if (strcmp(f.name, name) == 0)
            return true;
    }
    return false;
}

/* The options table at idx against "{a:s b:i?}"; every key must be known. */
static void options(lua_State *L, int idx, json_t *args, const char *p)
{
    const char *spec = p;
    bool given = !lua_isnoneornil(L, idx);
    if (given)
        luaL_argcheck(L, lua_istable(L, idx), idx - 1,
                      lua_pushfstring(L, "table expected, got %s", luaL_typename(L, idx)));
    for (p += 1 + strspn(p + 1, " "); *p && *p != '}';) {
        struct field f;
        p = next_field(p, &f);
        if (given)
            lua_getfield(L, idx, f.name);
        else
            lua_pushnil(L);
        if (lua_isnil(L, -1)) {
            if (!f.optional)
                luaL_argerror(L, idx - 1, lua_pushfstring(L, "field '%s' is missing", f.name));
        } else {
            if (!type_fits(L, -1, f.type))
                luaL_argerror(L, idx - 1,
                              lua_pushfstring(L, "field '%s': %s expected, got %s", f.name,
                                              type_text(f.type), luaL_typename(L, -1)));
            check_text(L, lua_gettop(L), idx - 1, f.type, f.name);
            add(L, lua_gettop(L), args, f.name);
        }
        lua_pop(L, 1);
    }
    if (!given)
        return;
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING || !is_option(spec, lua_tostring(L, -1)))
            luaL_argerror(L, idx - 1,
                          lua_pushfstring(L, "unknown option '%s'", luaL_tolstring(L, -1, NULL)));
    }
}

json_t *moonlua_args(lua_State *L, int first, const char *signature)
{
    json_t **box = moonlua_newjson(L);
    int top = lua_gettop(L);
    lua_insert(L, first); /* below the arguments: it is the result that stays */
    int idx = first + 1;
    json_t *args = *box = json_object();
    if (!args)
        luaL_error(L, "out of memory");
    const char *p = signature;
    while (*p && *p != '{') {
        struct field f;
        p = next_field(p, &f);
        bool absent = idx > top || lua_isnil(L, idx);
        if (absent && !f.optional)
            luaL_argerror(L, idx - 1, lua_pushfstring(L, "'%s' is missing", f.name));
        if (!absent) {
            /* The box stands below the arguments, so that their numbers are one too high. */
            if (!type_fits(L, idx, f.type))
                luaL_argerror(L, idx - 1,
                              lua_pushfstring(L, "%s expected, got %s", type_text(f.type),
                                              luaL_typename(L, idx)));
            check_text(L, idx, idx - 1, f.type, f.name);
            add(L, idx, args, f.name);
        }
        idx++;
    }
    if (*p == '{') {
        if (idx > top)
            lua_settop(L, idx);
        options(L, idx++, args, p);
    }
    if (idx <= top)
        luaL_error(L, "too many arguments");
    lua_settop(L, first);
    return args;
}

/* --- classes ----------------------------------------------------------------------------- */

void moonlua_class(lua_State *L, const char *type, const luaL_Reg *meta)
{
    luaL_newmetatable(L, type);
    luaL_setfuncs(L, meta, 0);
    lua_newtable(L);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void moonlua_methods(lua_State *L, const char *type)
{
    luaL_getmetatable(L, type);
    lua_getfield(L, -1, "__index");
    lua_remove(L, -2);
}
