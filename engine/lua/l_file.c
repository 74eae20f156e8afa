/*** Files that survive a power loss, directories, locks. Failures return nil and an error object
 * that names the path: `not_found`, `exists`, `denied`, `no_space`, `invalid`, `io`.
 * @module engine.file
 */
#include "moonlua.h"

#include "store.h"

#define LOCK_TYPE "engine.Lock"
#define MAX_READ  ((size_t)64 << 20)

static const char *path_of(const json_t *args)
{
    return json_string_value(json_object_get(args, "path"));
}

static mode_t mode_of(const json_t *args, mode_t otherwise)
{
    json_t *mode = json_object_get(args, "mode");
    return mode ? (mode_t)json_integer_value(mode) : otherwise;
}

static int file_read(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    char *data = NULL;
    size_t len = 0;
    json_t *count = json_object_get(args, "count");
    json_int_t n = json_integer_value(count),
               at = json_integer_value(json_object_get(args, "offset"));
    if ((count && (n < 0 || n > (json_int_t)MAX_READ)) || at < 0 || (at && !count))
        return moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "file-read",
                            "file '%s': a part has a count of at most %zu and an offset",
                            path_of(args), (size_t)MAX_READ);
    int rc = count ? moon_store_read_at(path_of(args), (off_t)at, (size_t)n, &data, &len, err)
                   : moon_store_read(path_of(args), MAX_READ, &data, &len, err);
    if (rc < 0)
        return -1;
    rc = moon_op_give(out, json_stringn_nocheck(data, len), "file-read", err);
    free(data);
    return rc;
}

static int file_replace(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    json_t *data = json_object_get(args, "data");
    return moon_store_replace(path_of(args), json_string_value(data), json_string_length(data),
                              mode_of(args, 0), err);
}

static int file_append(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    json_t *data = json_object_get(args, "data");
    return moon_store_append(path_of(args), json_string_value(data), json_string_length(data),
                             mode_of(args, 0600), err);
}

static int file_lock_holder(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    pid_t pid = 0;
    if (moon_store_lock_holder(path_of(args), &pid, err) < 0)
        return -1;
    return moon_op_give(out, pid ? json_integer(pid) : json_false(), "lock", err);
}

static int file_mkdirs(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    return moon_store_mkdirs(path_of(args), mode_of(args, 0700), err);
}

static int file_list(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_store_list(path_of(args), out, err);
}

static int file_stat(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_store_stat(path_of(args), out, err);
}

static int file_load(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self;
    return moon_store_load(path_of(args), MAX_READ, out, err);
}

static int file_remove(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)out;
    return moon_store_remove(path_of(args), err);
}

static const struct moonlua_self plain = {.prefix = "file"};
static const struct moonlua_prim functions[] = {
    /*** The whole content, at most 64 MiB, or a part: up to `count` bytes from `offset` (0).
     * @function read
     * @usage
     * local file = require "engine.file"
     * assert(file.replace(dir .. "/note", "all well\n"))
     * assert(file.read(dir .. "/note") == "all well\n")
     * @awaits
     * @tparam string path
     * @tparam[opt] {offset=integer,count=integer} part */
    {"read", "path:s {offset:i? count:i?}", 0, file_read},
    /*** Replace the content at once: a reader, and the next start after a power loss, sees the old
     * or the new one.
     * @function replace
     * @usage
     * assert(require("engine.file").replace(dir .. "/report", "all well\n", { mode = 420 })) -- 0644
     * @awaits
     * @tparam string path
     * @tparam string data
     * @tparam[opt] {mode=integer} options */
    {"replace", "path:s data:d {mode:i?}", MOONLUA_CHANGES | MOONLUA_WHOLE, file_replace},
    /*** Add to the end of a file, made when it is missing, and sync it.
     * @function append
     * @awaits
     * @tparam string path
     * @tparam string data
     * @tparam[opt] {mode=integer} options */
    {"append", "path:s data:d {mode:i?}", MOONLUA_CHANGES | MOONLUA_WHOLE, file_append},
    /*** Make a directory and those above it.
     * @function mkdirs
     * @awaits
     * @tparam string path
     * @tparam[opt] {mode=integer} options 0700 when not given */
    {"mkdirs", "path:s {mode:i?}", MOONLUA_CHANGES | MOONLUA_WHOLE, file_mkdirs},
    /*** Names in a directory, sorted.
     * @function list
     * @awaits
     * @tparam string path */
    {"list", "path:s", 0, file_list},
    /*** `{type, size, allocated, mtime, inode, device, mode, uid, gid}`.
     * @function stat
     * @awaits
     * @tparam string path */
    {"stat", "path:s", 0, file_stat},
    /*** The whole content, and what `stat` says of the very file that it was read from, whoever puts another one in its
     * place meanwhile: for what is gone by only when nobody else can have written it.
     * @function load
     * @usage
     * local file = require "engine.file"
     * assert(file.replace(dir .. "/rules", "all\n", { mode = 384 })) -- 0600
     * local rules = assert(file.load(dir .. "/rules"))
     * assert(rules.stat.mode & 18 == 0 and rules.data == "all\n") -- 18 = 022: others may write
     * @awaits
     * @tparam string path
     * @treturn[1] {data=string,stat=table}
     * @return[2] nil
     * @treturn[2] Err */
    {"load", "path:s", 0, file_load},
    /*** Remove a file, a link or an empty directory.
     * @function remove
     * @awaits
     * @tparam string path */
    {"remove", "path:s", MOONLUA_CHANGES | MOONLUA_WHOLE, file_remove},
    /*** Who holds a lock, going by what stands in its file; takes nothing.
     * @function lock_holder
     * @awaits
     * @tparam string path
     * @treturn[1] integer its pid
     * @return[2] false when nobody does, or there is no such file
     * @return[3] nil
     * @treturn[3] Err */
    {"lock_holder", "path:s", 0, file_lock_holder},
    {NULL, NULL, 0, NULL}};

/*** Take a lock that ends with this process at the latest; never waits. A dry run takes none.
 * @function lock
 * @usage
 * local lock <close> = assert(require("engine.file").lock(dir .. "/mine.lock"))
 * @tparam string path
 * @treturn[1] Lock a to-be-closed value
 * @return[2] nil
 * @treturn[2] Err `busy` with the holder's pid in `native`
 */
static int file_lock(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct moon_lock **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, LOCK_TYPE);
    struct moon_err err;
    if (moonlua_get(L)->dry_run)
        return 1; /* a handle that holds nothing */
    if (moon_store_lock(path, box, &err) < 0)
        return moonlua_pusherr(L, &err);
    lua_pushfstring(L, "lock %s", path);
    lua_insert(L, -2);
    moonlua_opened(L, lua_tostring(L, -2), "is released now");
    return 1;
}

static int lock_gc(lua_State *L)
{
    struct moon_lock **box = luaL_checkudata(L, 1, LOCK_TYPE);
    moon_store_unlock(*box);
    *box = NULL;
    moonlua_closed(L, 1);
    return 0;
}

int luaopen_engine_file(lua_State *L)
{
    static const luaL_Reg lib[] = {{"lock", file_lock}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", lock_gc}, {"__close", lock_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"release", lock_gc}, {NULL, NULL}};
    moonlua_class(L, LOCK_TYPE, meta);
    moonlua_methods(L, LOCK_TYPE);
    luaL_setfuncs(L, methods, 0);
    luaL_newlib(L, lib);
    moonlua_setprims(L, functions, &plain);
    return 1;
}
