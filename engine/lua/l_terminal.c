/*** Lines typed at a terminal, with editing, history and completion; and what there is to complete.
 * `std.repl` is made of it.
 * @module engine.terminal
 */
#include "moonlua.h"

#include "edit.h"

#include <string.h>

#define EDITOR_TYPE "engine.Editor"

static struct moon_edit *check_editor(lua_State *L, int idx)
{
    struct moon_edit **box = luaL_checkudata(L, idx, EDITOR_TYPE);
    if (!*box)
        luaL_error(L, "the editor is closed");
    return *box;
}

/*** Make ready to read lines from a terminal.
 * @function open
 * @tparam[opt] string history the file that keeps what is typed (mode 0600)
 * @treturn[1] Editor
 * @return[2] nil
 * @treturn[2] Err `unsupported` (libedit is not installed), `io`
 */
static int terminal_open(lua_State *L)
{
    const char *history = luaL_optstring(L, 1, NULL);
    struct moon_edit **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, EDITOR_TYPE);
    struct moon_err err;
    return moon_edit_new(history, box, &err) < 0 ? moonlua_pusherr(L, &err) : 1;
}

struct read_op {
    struct moon_op op;
    struct moon_edit *edit;
    json_t *args;
    atomic_bool stop;
};

static void read_run(struct moon_op *op)
{
    struct read_op *r = (struct read_op *)op;
    op->failed =
        moon_edit_read(r->edit, json_string_value(json_object_get(r->args, "prompt")),
                       json_object_get(r->args, "words"), &r->stop, &op->result, &op->err) < 0;
}

/* A worker that waits for a key must not keep the terminal. */
static void read_cancel(struct moon_op *op, struct moon_loop *loop)
{
    (void)loop;
    struct read_op *r = (struct read_op *)op;
    moon_edit_stop(r->edit, &r->stop);
}

static void read_destroy(struct moon_op *op)
{
    struct read_op *r = (struct read_op *)op;
    moon_edit_unref(r->edit);
    json_decref(r->args);
}

/*** @type Editor */
/*** Read a line. When the waiting task is cancelled, the terminal is as it was before.
 * @function Editor:read
 * @awaits
 * @tparam string prompt
 * @tparam {string,...} words what the tab key completes
 * @treturn[1] ?string the line without its end; nil when there are no more (ctrl-d)
 * @return[2] nil
 * @treturn[2] Err `cancelled`, `internal`
 */
static int editor_read(lua_State *L)
{
    static const struct moon_op_kind kind = {
        .name = "read", .run = read_run, .cancel = read_cancel, .destroy = read_destroy};
    struct moon_edit *e = check_editor(L, 1);
    json_t *args = moonlua_args(L, 2, "prompt:s words:t");
    struct read_op *r = calloc(1, sizeof *r);
    if (!r || !(r->args = json_deep_copy(args))) {
        free(r);
        return luaL_error(L, "out of memory");
    }
    moon_op_init(&r->op, &kind);
    r->edit = moon_edit_ref(e);
    atomic_init(&r->stop, false);
    return moonlua_await(L, &r->op, NULL);
}

static int editor_gc(lua_State *L)
{
    struct moon_edit **box = luaL_checkudata(L, 1, EDITOR_TYPE);
    moon_edit_unref(*box);
    *box = NULL;
    return 0;
}

/*** The names of what stands behind a value's dot or colon: a table's own, and a handle's methods.
 * @function names
 * @usage
 * local names = require("engine.terminal").names(conn)
 * assert(names.lookup == "function")
 * @param value
 * @treturn {string=string} name -> type of what it names; empty for values that have none
 */
static int terminal_names(lua_State *L)
{
    lua_settop(L, 1);
    lua_newtable(L);
    if (luaL_getmetafield(L, 1, "__index") == LUA_TNIL)
        lua_pushnil(L);
    for (int source = 3; source != 1; source = source == 3 ? 4 : 1) {
        if (source == 4)
            lua_pushvalue(L, 1);
        if (!lua_istable(L, -1))
            continue;
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING)
                continue;
            lua_pushvalue(L, -2);
            lua_pushstring(L, luaL_typename(L, -2));
            lua_rawset(L, 2);
        }
    }
    lua_settop(L, 2);
    return 1;
}

int luaopen_engine_terminal(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open", terminal_open}, {"names", terminal_names}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", editor_gc}, {"__close", editor_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"read", editor_read}, {NULL, NULL}};
    moonlua_class(L, EDITOR_TYPE, meta);
    moonlua_methods(L, EDITOR_TYPE);
    luaL_setfuncs(L, methods, 0);
    luaL_newlib(L, functions);
    return 1;
}
