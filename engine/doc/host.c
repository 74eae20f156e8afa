/* A Lua interpreter for the build: `host FILE.lua ARG ...` runs the file with the arguments in `arg` and `...`.
 * The build then needs nothing but the library that moonsnap itself is linked with. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    if (!L || argc < 2)
        return 2;
    luaL_openlibs(L);
    int rc = luaL_loadfile(L, argv[1]);
    if (rc == LUA_OK) {
        luaL_checkstack(L, argc, "arguments");
        for (int i = 2; i < argc; i++)
            lua_pushstring(L, argv[i]);
        rc = lua_pcall(L, argc - 2, 0, 0);
    }
    if (rc != LUA_OK)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return rc == LUA_OK ? 0 : 1;
}
