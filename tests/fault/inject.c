/* What `make fault` adds to moonsnap, in a binary of its own: the nth primitive call that a task makes
 * goes wrong. It sits where every one of them begins, by the linker's --wrap=moonlua_await, so that
 * nothing of it is in the binary that people use.
 *
 *   MOON_FAULT=KIND:N         error    not carried out, refused; and so is each later call of the same
 *                                      name about the same object
 *                             timeout  carried out, but its answer never came
 *                             garbage  carried out; the text that it gives is replaced
 *                             cancel   SIGTERM arrives when it begins
 *                             kill     carried out; then the process is killed
 *   MOON_FAULT_TRACE=FILE     a line for each call that returns: N NAME OBJECT PLACE TYPE
 *
 * Sleeping and waiting for tasks do not fail and are not counted. Loop thread only. */
#include "../../engine/lua/moonlua.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { NONE, ERROR, TIMEOUT, GARBAGE, CANCEL, KILL };

static const char *const kinds[] = {[ERROR] = "error",
                                    [TIMEOUT] = "timeout",
                                    [GARBAGE] = "garbage",
                                    [CANCEL] = "cancel",
                                    [KILL] = "kill"};

/* A call under way whose end is looked at. */
struct call {
    struct call *next;
    struct moon_op *op;
    moonlua_finish finish;
    unsigned long n;
    bool chosen;
    char name[64], object[160], place[96];
};

static enum kind kind;
static unsigned long chosen, count;
static FILE *trace;
static struct call *calls;
static char broken[sizeof((struct call *)0)->name + sizeof((struct call *)0)->object];

/* Read before main, and taken out of the environment: the guard process is this binary, too. */
__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("MOON_FAULT"), *path = getenv("MOON_FAULT_TRACE");
    const char *colon = text ? strchr(text, ':') : NULL;
    for (size_t i = ERROR; colon && i <= KILL; i++) {
        if (strlen(kinds[i]) == (size_t)(colon - text) &&
            strncmp(kinds[i], text, strlen(kinds[i])) == 0)
            kind = (enum kind)i;
    }
    if (kind != NONE)
        chosen = strtoul(colon + 1, NULL, 10);
    if (path)
        trace = fopen(path, "we");
    unsetenv("MOON_FAULT");
    unsetenv("MOON_FAULT_TRACE");
}

/* What the call is about, from its arguments or the handle that it belongs to. */
static void name_object(lua_State *L, struct call *c)
{
    static const char *const keys[] = {"volume", "path", "journal", "uuid",
                                       "name",   "url",  "uri",     "destination"};
    for (int i = 1; i <= 2 && !c->object[0]; i++) {
        json_t **box = luaL_testudata(L, i, "engine.JsonBox");
        for (size_t k = 0; box && *box && k < sizeof keys / sizeof *keys && !c->object[0]; k++) {
            const char *s = json_string_value(json_object_get(*box, keys[k]));
            if (s)
                snprintf(c->object, sizeof c->object, "%s", s);
        }
    }
    if (!c->object[0] && luaL_testudata(L, 1, "engine.Domain") &&
        lua_getfield(L, 1, "name") == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
        snprintf(c->object, sizeof c->object, "%s", lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    for (char *p = c->object; *p; p++) {
        if (*p == '\t' || *p == '\n')
            *p = ' ';
    }
}

static void describe(lua_State *L, struct call *c)
{
    const char *type = "";
    lua_Debug ar;
    if (lua_type(L, 1) == LUA_TUSERDATA && luaL_getmetafield(L, 1, "__name") == LUA_TSTRING) {
        type = lua_tostring(L, -1); /* stays: the class holds it */
        lua_pop(L, 1);
    }
    type = strncmp(type, "engine.", 7) == 0 && strcmp(type, "engine.JsonBox") != 0 ? type + 7 : "";
    if (lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar))
        snprintf(c->name, sizeof c->name, "%s%s%s", type, *type ? "." : "",
                 ar.name ? ar.name : "?");
    for (int level = 1; lua_getstack(L, level, &ar) && lua_getinfo(L, "Sl", &ar); level++) {
        if (ar.currentline > 0) {
            snprintf(c->place, sizeof c->place, "%s:%d", ar.short_src, ar.currentline);
            break;
        }
    }
    name_object(L, c);
}

static struct call *take(const struct moon_op *op)
{
    for (struct call **at = &calls; *at; at = &(*at)->next) {
        struct call *c = *at;
        if (c->op == op) {
            *at = c->next;
            return c;
        }
    }
    return NULL;
}

static int ended(lua_State *L, struct moon_op *op)
{
    struct call *c = take(op);
    if (trace) {
        fprintf(trace, "%lu\t%s\t%s\t%s\t%s\n", c->n, c->name, c->object, c->place,
                op->failed                   ? "failed"
                : json_is_string(op->result) ? "text"
                                             : "value");
        fflush(trace);
    }
    if (c->chosen && kind == KILL)
        raise(SIGKILL);
    if (c->chosen && kind == TIMEOUT && !op->failed) {
        op->failed = true;
        moon_err_set(&op->err, MOON_TIMEOUT, MOON_SRC_ENGINE, 0, c->name,
                     "injected: no answer to %s %s", c->name, c->object);
    }
    if (c->chosen && kind == GARBAGE && json_is_string(op->result)) {
        json_decref(op->result);
        op->result = json_string("<{\x01 injected garbage \x7f");
    }
    moonlua_finish finish = c->finish ? c->finish : moonlua_finish_default;
    free(c);
    return finish(L, op);
}

static int refuse(struct moon_op *op, struct moon_loop *loop)
{
    (void)op, (void)loop;
    return -1;
}

/* The operation that never begins: moon_op_start gives its error to whoever asked. */
static void make_fail(struct moon_op *op, const struct call *c)
{
    struct moon_op_kind *k =
        malloc(sizeof *k); /* as long as the operation, which is to the end here */
    if (!k)
        abort();
    *k = *op->kind;
    k->run = NULL;
    k->start = refuse;
    op->kind = k;
    bool filer = strncmp(c->name, "Ontap.", 6) == 0;
    bool virt = strncmp(c->name, "Domain.", 7) == 0 || strncmp(c->name, "Connection.", 11) == 0;
    moon_err_set(&op->err, filer || virt ? MOON_INTERNAL : MOON_IO,
                 filer  ? MOON_SRC_ONTAP
                 : virt ? MOON_SRC_LIBVIRT
                        : MOON_SRC_OS,
                 filer  ? 13001 /* EINTERNALERROR of ONTAPI */
                 : virt ? 1     /* VIR_ERR_INTERNAL_ERROR */
                        : EIO,
                 c->name, "injected: %s %s failed", c->name, c->object);
}

int __real_moonlua_await(lua_State *L, struct moon_op *op, moonlua_finish finish);
int __wrap_moonlua_await(lua_State *L, struct moon_op *op, moonlua_finish finish);

int __wrap_moonlua_await(lua_State *L, struct moon_op *op, moonlua_finish finish)
{
    if ((kind == NONE && !trace) || strcmp(op->kind->name, "sleep") == 0 ||
        strcmp(op->kind->name, "wait") == 0)
        return __real_moonlua_await(L, op, finish);
    free(take(op)); /* one that was given up had this address before */
    struct call *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->op = op;
    c->finish = finish;
    c->n = ++count;
    c->chosen = c->n == chosen;
    describe(L, c);
    c->next = calls;
    calls = c;
    if (kind == ERROR) {
        char key[sizeof broken];
        snprintf(key, sizeof key, "%s %s", c->name, c->object);
        if (c->chosen)
            memcpy(broken, key, sizeof broken);
        if (c->n >= chosen && strcmp(key, broken) == 0)
            make_fail(op, c);
    }
    if (c->chosen && kind == CANCEL)
        kill(getpid(), SIGTERM);
    return __real_moonlua_await(L, op, ended);
}
