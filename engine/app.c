#include "app.h"

#include "log.h"
#include "loop.h"
#include "lua/moonlua.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WORKER_GRACE 3.0 /* seconds for calls that are still out in the end; programs get 2 */

struct app {
    struct moon_loop *loop;
    struct moonlua *lua;
    int signals; /* signalfd */
};

static void on_signal(void *arg)
{
    struct app *app = arg;
    struct signalfd_siginfo info;
    if (read(app->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    int sig = (int)info.ssi_signo;
    const char *what = moonlua_interrupt(app->lua, sig);
    if (what)
        moon_log(MOON_LOG_WARN, "signal %d (%s): %s", sig, strsignal(sig), what);
}

/* Signals are read by the loop, on its own terms: blocked everywhere, also in threads. */
static int open_signals(struct app *app, struct moon_err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    app->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (app->signals < 0)
        return moon_err_set(err, MOON_INTERNAL, MOON_SRC_OS, 0, "start", "no signal descriptor");
    moon_loop_watch(app->loop, app->signals, on_signal, app);
    return 0;
}

/* --lib-dir DIR must be known before the first library module is loaded. */
static const char *lib_dir(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--lib-dir") == 0)
            return argv[i + 1];
    }
    return NULL;
}

/* Stack: nothing -> main function and the list of arguments. */
static int load_cli(lua_State *L)
{
    char **argv = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "std.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_newtable(L);
    for (int i = 1; argv[i]; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    return 2;
}

static int to_text(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* What was raised, which is on top. Outside of a protected call an error of Lua's own would end the process, and
 * making a text may raise one. */
static void log_raised(lua_State *L)
{
    lua_pushcfunction(L, to_text);
    lua_pushvalue(L, -2);
    lua_pcall(L, 1, 1, 0);
    const char *text = lua_tostring(L, -1);
    moon_log(MOON_LOG_ERROR, "%s", text ? text : "out of memory");
    lua_pop(L, 1);
}

static int run(struct app *app, char **argv)
{
    lua_State *L = app->lua->L;
    lua_pushcfunction(L, load_cli);
    lua_pushlightuserdata(L, argv);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK) {
        log_raised(L);
        return 1;
    }
    int n = moonlua_run(app->lua, 1);
    if (lua_toboolean(L, -n))
        return n > 1 ? (int)lua_tointeger(L, 1 - n) : 0;
    log_raised(L);
    if (moonlua_iserr(L, -1) && lua_getfield(L, -1, "traceback") == LUA_TSTRING)
        moon_log(MOON_LOG_DEBUG, "%s", lua_tostring(L, -1));
    return 1;
}

int moon_app_run(int argc, char **argv)
{
    struct app app = {.signals = -1};
    struct moon_err err;
    int status = 1;
    app.loop = moon_loop_new(&err);
    if (app.loop)
        app.lua = moonlua_new(app.loop, lib_dir(argc, argv), &err);
    if (!app.loop || !app.lua || open_signals(&app, &err) < 0) {
        fprintf(stderr, "moonsnap: error: %s\n", err.message);
    } else {
        status = run(&app, argv);
        if (app.lua->alarm)
            status = 5;
        else if (app.lua->signal && status != 5)
            status = 128 + abs(app.lua->signal);
    }
    /* Lua first: closing it lets go of what its handles hold; then the loop and its workers. */
    moonlua_free(app.lua);
    moon_loop_free(app.loop, WORKER_GRACE);
    if (app.signals >= 0)
        close(app.signals);
    moon_log_close();
    return status;
}
