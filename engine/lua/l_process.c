/*** Programs, and this process.
 * @module engine.process
 */
#include "moonlua.h"

#include "memory.h"
#include "proc.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

static const struct moonlua_self plain = {.prefix = "process"};

/* A program under way. What its waiter does next may depend on that it does nothing any more: a cancel ends it, and
 * waits for that. */
struct run_op {
    struct moon_op op;
    json_t *args;
    int stop; /* eventfd */
};

static int run_program(const json_t *args, const int *stop, json_t **out, struct moon_err *err)
{
    json_t *list = json_object_get(args, "argv"), *env = json_object_get(args, "env");
    size_t n = json_array_size(list), m = json_array_size(env), own = 0;
    while (json_is_true(json_object_get(args, "inherit")) && environ && environ[own])
        own++;
    const char **argv = calloc(n + 1, sizeof *argv), **envp = calloc(m + own + 1, sizeof *envp);
    int rc = 0;
    for (size_t i = 0; argv && i < n; i++) {
        argv[i] = json_string_value(json_array_get(list, i));
        if (!argv[i])
            rc = moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "run",
                              "argument %zu is not a string", i + 1);
    }
    for (size_t i = 0; envp && i < m; i++) {
        envp[i] = json_string_value(json_array_get(env, i));
        if (!envp[i])
            rc = moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "run",
                              "environment entry %zu is not a string", i + 1);
    }
    for (size_t i = 0; envp && i < own; i++)
        envp[m + i] = environ[i];
    json_t *input = json_object_get(args, "input");
    json_int_t kept = json_integer_value(json_object_get(args, "max_output"));
    if (kept < 0)
        rc = moon_err_set(err, MOON_INVALID, MOON_SRC_ENGINE, 0, "run", "max_output is negative");
    struct moon_proc_args a = {
        .argv = argv,
        .env = envp,
        .cwd = json_string_value(json_object_get(args, "cwd")),
        .input = json_string_value(input),
        .input_len = json_string_length(input),
        .timeout = json_number_value(json_object_get(args, "timeout")),
        .max_output = (size_t)kept,
        .stop = stop,
    };
    if (!argv || !envp)
        rc = moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, "run", "out of memory");
    if (rc == 0)
        rc = moon_proc_run(&a, out, err);
    free(argv);
    free(envp);
    return rc;
}

static void run_run(struct moon_op *op)
{
    struct run_op *p = (struct run_op *)op;
    op->failed = run_program(p->args, &p->stop, &op->result, &op->err) < 0;
}

static void run_cancel(struct moon_op *op, struct moon_loop *loop)
{
    (void)loop;
    eventfd_write(((struct run_op *)op)->stop, 1);
}

static void run_destroy(struct moon_op *op)
{
    struct run_op *p = (struct run_op *)op;
    json_decref(p->args);
    if (p->stop >= 0)
        close(p->stop);
}

static struct moon_op *run_new(const json_t *args, struct moon_err *err)
{
    static const struct moon_op_kind kind = {
        .name = "run", .run = run_run, .cancel = run_cancel, .destroy = run_destroy, .whole = true};
    struct run_op *p = calloc(1, sizeof *p);
    json_t *copy = moon_memory_copy(args); /* the worker's own: reference counts are not atomic */
    if (!p || !copy) {
        free(p);
        json_decref(copy);
        moon_err_errno(err, ENOMEM, "run", "program");
        return NULL;
    }
    moon_op_init(&p->op, &kind);
    p->args = copy;
    p->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->stop < 0) {
        moon_err_errno(err, errno, "run", "program");
        moon_op_unref(&p->op);
        return NULL;
    }
    return &p->op;
}

/*** Run a program without a shell. In a dry run it is refused and recorded, unless `reads` says
 * that it changes nothing. When the waiting task is cancelled, by a signal as well, the program and its process group get
 * SIGTERM, 2 s later SIGKILL, and the task goes on when the program has ended.
 * @function run
 * @usage
 * local out = assert(require("engine.process").run({ "/bin/echo", "hello" }, { timeout = 5 }))
 * assert(out.status == 0 and out.stdout == "hello\n")
 * @awaits
 * @tparam {string,...} argv
 * @tparam[opt] {env={string,...},inherit=boolean,cwd=string,input=string,timeout=number,max_output=integer,
 *   reads=boolean} options env as "NAME=value", added to a minimal environment; inherit: to moonsnap's own, which may
 *   hold secrets; timeout in seconds;
 *   max_output: bytes of each stream that are kept, 1 MiB when not given
 * @treturn[1] table `{status | signal, stdout, stderr, truncated, timed_out, left, seconds}`; left: not even SIGKILL has ended it
 *   within 3 s, as it waits for a disk, say, and nobody waits for it any more
 * @return[2] nil
 * @treturn[2] Err `not_found`, `denied` (the program), `invalid`
 */
static int process_call(lua_State *L)
{
    json_t *args =
        moonlua_args(L, 1,
                     "argv:t {env:t? inherit:b? cwd:s? input:d? timeout:n? max_output:i? "
                     "reads:b?}");
    bool reads = json_is_true(json_object_get(args, "reads"));
    const char *program = json_string_value(json_array_get(json_object_get(args, "argv"), 0));
    moonlua_finish finish = NULL;
    if (!reads) {
        /* Environment and input may hold secrets. */
        json_t **told = moonlua_newjson(L);
        *told = moon_memory_copy(args);
        if (!*told)
            return luaL_error(L, "out of memory");
        json_object_del(*told, "env");
        json_object_del(*told, "input");
        int n = moonlua_refused(L, "process.run", program, *told);
        if (n > 0)
            return n;
        finish = moonlua_note(L, "process.run", program, *told, true);
    }
    struct moon_err err;
    struct moon_op *op = run_new(args, &err);
    if (!op)
        return moonlua_pusherr(L, &err);
    moonlua_call_begins(moonlua_get(L), "process.run", program, NULL, !reads);
    return moonlua_await(L, op, finish);
}

static int read_line(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)self, (void)args;
    char *line = NULL;
    size_t size = 0;
    ssize_t n = getline(&line, &size, stdin);
    if (n < 0) {
        free(line);
        return moon_err_set(err, MOON_NOT_FOUND, MOON_SRC_OS, 0, "read",
                            "standard input has ended");
    }
    if (n > 0 && line[n - 1] == '\n')
        n--;
    int rc = moon_op_give(out, json_stringn_nocheck(line, (size_t)n), "read", err);
    free(line);
    return rc;
}

static const struct moonlua_prim prims[] = {
    /*** One line of standard input without its end. Unlike io.read it can be interrupted by Ctrl-C.
     * @function read_line
     * @awaits
     * @treturn[1] string
     * @return[2] nil
     * @treturn[2] Err `not_found` at the end of the input */
    {"read_line", "", 0, read_line},
    {NULL, NULL, 0, NULL}};

/*** Whether a standard stream is a terminal.
 * @function isatty
 * @tparam integer fd 0, 1 or 2
 * @treturn boolean
 */
static int process_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static struct termios terminal; /* of standard input, as it was before its echo went off */
static bool silent;

static void echo_again(void)
{
    if (silent)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    silent = false;
}

/*** Let the terminal at standard input show what is typed, or not. It shows it again when the program
 * ends, however that comes. Nothing happens where standard input is no terminal.
 * @function echo
 * @tparam boolean on
 */
static int process_echo(lua_State *L)
{
    static bool registered;
    luaL_checktype(L, 1, LUA_TBOOLEAN);
    if (lua_toboolean(L, 1)) {
        echo_again();
    } else if (!silent && tcgetattr(STDIN_FILENO, &terminal) == 0) {
        struct termios quiet = terminal;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
        if (!registered)
            registered = atexit(echo_again) == 0;
        /* What was typed before was shown, so that it is no secret any more. */
        silent = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    }
    return 0;
}

/*** This process: `{pid, start, uid, host}`. start: clock ticks since boot; with the pid it names one
 * process for good.
 * @function self
 * @treturn table
 */
static int process_self(lua_State *L)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    uint64_t start = 0;
    moon_proc_start_time(getpid(), &start, NULL);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, getpid());
    lua_setfield(L, -2, "pid");
    lua_pushinteger(L, (lua_Integer)start);
    lua_setfield(L, -2, "start");
    lua_pushinteger(L, geteuid());
    lua_setfield(L, -2, "uid");
    lua_pushstring(L, host);
    lua_setfield(L, -2, "host");
    return 1;
}

/*** Whether a process lives that `self` has described.
 * @function alive
 * @tparam integer pid
 * @tparam integer start
 * @treturn boolean
 */
static int process_alive(lua_State *L)
{
    lua_Integer pid = luaL_checkinteger(L, 1), start = luaL_checkinteger(L, 2);
    uint64_t now = 0;
    bool lives = pid > 0 && pid <= INT_MAX && moon_proc_start_time((pid_t)pid, &now, NULL) == 0;
    lua_pushboolean(L, lives && now == (uint64_t)start);
    return 1;
}

/*** A variable of the environment whose value nobody else shall see from now on: it is empty afterwards, for
 * os.getenv, for the guard process, and in /proc/PID/environ. PATH, HOME and LANG, which programs get and need,
 * stay as they are.
 * @function take_env
 * @tparam string name
 * @treturn string|nil the value; nil when it is not set
 */
static int process_take_env(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    char *value = getenv(name);
    lua_pushstring(L, value);
    /* Not unsetenv: it moves the others, while another thread may be looking for one of them. */
    if (value && strcmp(name, "PATH") != 0 && strcmp(name, "HOME") != 0 &&
        strcmp(name, "LANG") != 0)
        explicit_bzero(value, strlen(value));
    return 1;
}

/*** The running program's version.
 * @function version
 * @treturn string
 */
static int process_version(lua_State *L)
{
    lua_pushliteral(L, MOON_VERSION);
    return 1;
}

/*** A file that travels inside the binary, compiled.
 * @function shipped
 * @tparam string name such as "scripts/backup.lua"
 * @treturn ?function what `load` would give of it: not run yet, a new one each time; nil when there is no such file
 */
static int process_shipped(lua_State *L)
{
    if (!moonlua_embedded(L, luaL_checkstring(L, 1)))
        lua_pushnil(L);
    return 1;
}

/*** Let `require` also look in a directory.
 * @function add_path
 * @tparam string dir absolute
 */
static int process_add_path(lua_State *L)
{
    const char *dir = luaL_checkstring(L, 1);
    luaL_argcheck(L, dir[0] == '/' && !strchr(dir, ';') && !strchr(dir, '?'), 1,
                  "an absolute directory is wanted");
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s", dir, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    return 0;
}

/*** An absolute path without links; nil when there is no such file.
 * @function realpath
 * @tparam string path
 * @treturn string|nil
 */
static int process_realpath(lua_State *L)
{
    char *real = realpath(luaL_checkstring(L, 1), NULL);
    lua_pushstring(L, real);
    free(real);
    return 1;
}

int luaopen_engine_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", process_call},
                                         {"isatty", process_isatty},
                                         {"echo", process_echo},
                                         {"self", process_self},
                                         {"alive", process_alive},
                                         {"version", process_version},
                                         {"shipped", process_shipped},
                                         {"add_path", process_add_path},
                                         {"realpath", process_realpath},
                                         {"take_env", process_take_env},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    moonlua_setprims(L, prims, &plain);
    return 1;
}
