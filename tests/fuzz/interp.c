/* The interpreter for the parsers of the Lua library. It may take so many steps and so much memory, by the size of the input; a parser
 * that needs more is a finding, and so is an error that is none of ours ("attempt to index a nil value").
 *
 * libFuzzer sees no Lua code, so a hook tells it which lines were run after which. */
#include "interp.h"

#include "fuzz.h"
#include "loop.h"
#include "lua/moonlua.h"

#define STEPS_BASE     20000000L /* a config is checked against a table of 200 parameters */
#define STEPS_PER_BYTE 20000L
#define MEMORY_BASE    ((size_t)64 << 20)
#define MOST           ((size_t)8 << 20) /* a config has 4 MiB at most */
#define HOOK_STEPS     1000
#define SLOTS          (1U << 16)

#ifndef FUZZ_SEEDS
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t lines[SLOTS];
#else
static uint8_t lines[1];
#endif

static struct {
    struct moon_loop *loop;
    struct moonlua *lua;
    size_t used, limit;
    long steps;
    bool starved;
    unsigned last;
} it;

static void *allocate(void *arg, void *old, size_t had, size_t want)
{
    (void)arg;
    if (!old)
        had = 0;
    if (want == 0) {
        it.used -= had;
        free(old);
        return NULL;
    }
    if (it.limit && want > had && it.used + want - had > it.limit) {
        it.starved = true;
        return NULL;
    }
    void *now = realloc(old, want);
    if (now)
        it.used += want - had;
    return now;
}

static void on_hook(lua_State *L, lua_Debug *ar)
{
    if (ar->event == LUA_HOOKCOUNT) {
        it.steps -= HOOK_STEPS;
        fuzz_check(it.steps > 0, "a parser that takes more steps than its input is worth");
        return;
    }
    if (sizeof lines == 1)
        return;
    lua_getinfo(L, "S", ar);
    unsigned here = (unsigned)((uintptr_t)ar->source >> 4) * 31U + (unsigned)ar->currentline;
    lines[(here ^ it.last >> 1) % sizeof lines]++;
    it.last = here;
}

static int watched_end(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    return lua_gettop(L);
}

/* Calls its first argument with the others. A task has a hook of its own, which it gets when it is made: ours
 * takes its place from within. */
static int watched(lua_State *L)
{
    lua_sethook(L, on_hook, (sizeof lines > 1 ? LUA_MASKLINE : 0) | LUA_MASKCOUNT, HOOK_STEPS);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, watched_end);
    return watched_end(L, LUA_OK, 0);
}

/* The path of a file that holds a text, until the next call. */
static int as_file(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    lua_pushstring(L, fuzz_file((const uint8_t *)text, size));
    return 1;
}

static int load(lua_State *L)
{
    const char *path = getenv("MOON_FUZZ_PARSERS");
    if (luaL_loadfilex(L, path ? path : "tests/fuzz/parsers.lua", "t") != LUA_OK)
        return lua_error(L);
    return 1;
}

/* Runs what is at the top of the stack with nargs arguments; true when it did not fail. */
static bool run(int nargs)
{
    lua_State *L = it.lua->L;
    int base = lua_gettop(L) - nargs - 1;
    int n = moonlua_run(it.lua, nargs);
    bool ok = lua_toboolean(L, -n);
    if (!ok) {
        const char *said = luaL_tolstring(L, 1 - n, NULL);
        fprintf(stderr, "fuzz: %s\n", said);
    }
    if (!ok || n < 2)
        lua_settop(L, base);
    return ok;
}

static void start(void)
{
    struct moon_err err;
    if (it.lua)
        return;
    it.loop = moon_loop_new(&err);
    it.lua = it.loop ? moonlua_new(it.loop, NULL, &err) : NULL;
    fuzz_check(it.lua != NULL, "no Lua state");
    lua_State *L = it.lua->L;
    lua_gc(L, LUA_GCCOLLECT, 0);
    it.used = (size_t)lua_gc(L, LUA_GCCOUNT, 0) << 10;
    lua_setallocf(L, allocate, NULL);
    lua_pushcfunction(L, load);
    fuzz_check(lua_pcall(L, 0, 1, 0) == LUA_OK, "parsers.lua cannot be loaded");
    fuzz_check(run(0), "parsers.lua cannot be run"); /* leaves true and the function */
}

int fuzz_lua(const char *target, const uint8_t *data, size_t size)
{
    start();
    lua_State *L = it.lua->L;
    char which = (char)fuzz_byte(&data, &size);
    if (size > MOST)
        size = MOST;
    int top = lua_gettop(L);
    lua_pushcfunction(L, watched);
    lua_pushvalue(L, -2);
    lua_pushstring(L, target);
    lua_pushlstring(L, &which, 1);
    lua_pushlstring(L, size ? (const char *)data : "", size);
    lua_pushcfunction(L, as_file);
    it.steps = STEPS_BASE + STEPS_PER_BYTE * (long)size;
    it.limit = it.used + MEMORY_BASE + 100 * size;
    it.starved = false;
    bool ok = run(5);
    it.limit = 0;
    fuzz_check(!it.starved, "a parser that takes more memory than its input is worth");
    fuzz_check(ok, "a parser that does not keep its word, see above");
    lua_settop(L, top);
    return 0;
}
