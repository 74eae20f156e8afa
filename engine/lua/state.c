/* The Lua state: which libraries scripts get, where modules come from. */
#include "moonlua.h"

#include <string.h>

extern const struct moon_embedded {
    const char *name, *data;
    size_t size;
} moon_embedded[];

bool moonlua_embedded(lua_State *L, const char *name)
{
    const struct moon_embedded *e = moon_embedded;
    while (e->name && strcmp(e->name, name) != 0)
        e++;
    if (!e->name)
        return false;
    if (luaL_loadbufferx(L, e->data, e->size, name, "b") != LUA_OK)
        lua_error(L);
    return true;
}

/*** io.open, refused for writing in a dry run. */
static int io_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const char *mode = luaL_optstring(L, 2, "r");
    if (moonlua_get(L)->dry_run && strpbrk(mode, "wa+")) {
        struct moon_err err;
        moon_err_set(&err, MOON_DENIED, MOON_SRC_ENGINE, 0, "open",
                     "file %s: not written in a dry run", path);
        return moonlua_pusherr(L, &err);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static void drop(lua_State *L, const char *table, const char *const *names)
{
    lua_getglobal(L, table);
    for (; *names; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
    lua_pop(L, 1);
}

/* Text chunks only: bytecode can crash the interpreter. */
static int text_load(lua_State *L)
{
    lua_settop(L, 4);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    bool env = !lua_isnil(L, 4);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    if (!env)
        lua_settop(L, 4);
    lua_call(L, env ? 4 : 3, LUA_MULTRET);
    return lua_gettop(L);
}

static void open_libraries(lua_State *L)
{
    static const luaL_Reg libs[] = {
        {LUA_GNAME, luaopen_base},          {LUA_LOADLIBNAME, luaopen_package},
        {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
        {LUA_IOLIBNAME, luaopen_io},        {LUA_OSLIBNAME, luaopen_os},
        {LUA_STRLIBNAME, luaopen_string},   {LUA_MATHLIBNAME, luaopen_math},
        {LUA_UTF8LIBNAME, luaopen_utf8},    {NULL, NULL}};
    for (const luaL_Reg *l = libs; l->name; l++) {
        luaL_requiref(L, l->name, l->func, 1);
        lua_pop(L, 1);
    }
    /* Against accidents, not attackers: what would end the process, run a shell or change files
     * behind the dry run's back. engine.process and engine.file do these properly. */
    drop(
        L, "os",
        (const char *const[]){"execute", "exit", "remove", "rename", "setlocale", "tmpname", NULL});
    drop(L, "io", (const char *const[]){"popen", "tmpfile", "output", NULL});
    drop(L, "package", (const char *const[]){"loadlib", NULL});
    drop(L, "_G", (const char *const[]){"dofile", "loadfile", NULL});
    lua_getglobal(L, "io");
    lua_getfield(L, -1, "open");
    lua_pushcclosure(L, io_open, 1);
    lua_setfield(L, -2, "open");
    lua_pop(L, 1);
    lua_getglobal(L, "load");
    lua_pushcclosure(L, text_load, 1);
    lua_setglobal(L, "load");
}

/* require "std.x": from --lib-dir when it has the file, else compiled in. */
static int search_std(lua_State *L)
{
    const char *module = luaL_checkstring(L, 1);
    if (strncmp(module, "std.", 4) != 0) {
        lua_pushfstring(L, "no module '%s' in the standard library", module);
        return 1;
    }
    const char *dir = moonlua_get(L)->lib_dir;
    if (dir) {
        lua_pushfstring(L, "%s/%s.lua", dir, luaL_gsub(L, module + 4, ".", "/"));
        const char *path = lua_tostring(L, -1);
        int rc = luaL_loadfilex(L, path, "t");
        if (rc == LUA_OK) {
            lua_pushvalue(L, -2);
            return 2;
        }
        if (rc != LUA_ERRFILE)
            return lua_error(L);
        lua_pop(L, 1);
    }
    lua_pushfstring(L, "stdlib/%s.lua", luaL_gsub(L, module + 4, ".", "/"));
    if (!moonlua_embedded(L, lua_tostring(L, -1))) {
        lua_pushfstring(L, "no module '%s' in the standard library", module);
        return 1;
    }
    lua_pushvalue(L, -2);
    return 2;
}

static void open_modules(lua_State *L)
{
    static const luaL_Reg modules[] = {{"engine.clock", luaopen_engine_clock},
                                       {"engine.domxml", luaopen_engine_domxml},
                                       {"engine.err", luaopen_engine_err},
                                       {"engine.file", luaopen_engine_file},
                                       {"engine.guard", luaopen_engine_guard},
                                       {"engine.http", luaopen_engine_http},
                                       {"engine.json", luaopen_engine_json},
                                       {"engine.log", luaopen_engine_log},
                                       {"engine.lun", luaopen_engine_lun},
                                       {"engine.mount", luaopen_engine_mount},
                                       {"engine.multipath", luaopen_engine_multipath},
                                       {"engine.ontap", luaopen_engine_ontap},
                                       {"engine.pcre", luaopen_engine_pcre},
                                       {"engine.plan", luaopen_engine_plan},
                                       {"engine.probe", luaopen_engine_probe},
                                       {"engine.process", luaopen_engine_process},
                                       {"engine.seal", luaopen_engine_seal},
                                       {"engine.task", luaopen_engine_task},
                                       {"engine.terminal", luaopen_engine_terminal},
                                       {"engine.trace", luaopen_engine_trace},
                                       {"engine.virt", luaopen_engine_virt},
                                       {"engine.xml", luaopen_engine_xml},
                                       {NULL, NULL}};
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    lua_pop(L, 1);
    /* preload, the library, then package.path, which scripts' own folders extend; never the
     * working directory and never C modules. */
    lua_getglobal(L, "package");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "path");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "cpath");
    lua_getfield(L, -1, "searchers");
    lua_pushcfunction(L, search_std);
    lua_rawgeti(L, -2, 2);
    lua_rawseti(L, -3, 3);
    lua_rawseti(L, -2, 2);
    lua_pushnil(L);
    lua_rawseti(L, -2, 4);
    lua_pop(L, 2);
}

static int open_all(lua_State *L)
{
    open_libraries(L);
    moonlua_task_init(L);
    moonlua_coroutine_init(L);
    moonlua_trace_init(L);
    open_modules(L);
    return 0;
}

struct moonlua *moonlua_new(struct moon_loop *loop, const char *lib_dir, struct moon_err *err)
{
    struct moonlua *m = calloc(1, sizeof *m);
    if (m) {
        m->loop = loop;
        m->lib_dir = lib_dir;
        m->steps = json_array();
        m->L = luaL_newstate();
    }
    if (!m || !m->L || !m->steps) {
        moonlua_free(m);
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "lua", "out of memory");
        return NULL;
    }
    *(struct moonlua **)lua_getextraspace(m->L) = m;
    lua_pushcfunction(m->L, open_all);
    if (lua_pcall(m->L, 0, 0, 0) != LUA_OK) {
        moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "lua", "%s", lua_tostring(m->L, -1));
        moonlua_free(m);
        return NULL;
    }
    return m;
}

void moonlua_free(struct moonlua *m)
{
    if (!m)
        return;
    moonlua_watch_stop(m);
    if (m->L)
        lua_close(m->L);
    json_decref(m->steps);
    json_decref(m->calls);
    json_decref(m->rules);
    moonlua_still_free(m);
    free(m->trace);
    free(m);
}
