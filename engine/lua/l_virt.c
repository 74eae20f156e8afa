/*** libvirt: connections, domains, and what happens to them.
 * @module engine.virt
 */
#include "moonlua.h"

#include "virt.h"
#include "virt_events.h"

#include <string.h>

#define CONN_TYPE   "engine.Connection"
#define EVENTS_TYPE "engine.Events"

static const char *str(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

static void *check_conn(lua_State *L, int idx)
{
    struct moon_virt **box = luaL_checkudata(L, idx, CONN_TYPE);
    if (!*box)
        luaL_error(L, "the libvirt connection is closed");
    return *box;
}

static int conn_info(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    return moon_virt_info(self, out, err);
}

static int conn_list(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    return moon_virt_domains(self, out, err);
}

static int conn_paused(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    return moon_virt_paused(self, out, err);
}

static int conn_lookup(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    return moon_virt_lookup(self, str(args, "name"), out, err);
}

static int conn_define(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    return moon_virt_define(self, str(args, "xml"), out, err);
}

static int conn_volume(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    return moon_virt_volume(self, str(args, "pool"), str(args, "volume"), out, err);
}

static int conn_warm(void *self, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)out;
    return moon_virt_warm(self, (int)json_integer_value(json_object_get(args, "count")), err);
}

static void *conn_ref(void *self)
{
    return moon_virt_ref(self);
}

static void conn_unref(void *self)
{
    moon_virt_unref(self);
}

static const char *conn_name(void *self)
{
    return moon_virt_uri(self);
}

static const struct moonlua_self conn_self = {.type = CONN_TYPE,
                                              .prefix = "virt",
                                              .get = check_conn,
                                              .ref = conn_ref,
                                              .unref = conn_unref,
                                              .name = conn_name};

/*** @type Connection */
static const struct moonlua_prim conn_prims[] = {
    /*** Versions: `{libvirt, daemon, hypervisor, hypervisor_version, host}`; the version of QEMU is "" where
     * the driver does not tell it.
     * @function Connection:info
     * @awaits */
    {"info", "", 0, conn_info},
    /*** All domains, by name: `{name, uuid, state, reason, persistent, autostart}` each.
     * @function Connection:list
     * @awaits */
    {"list", "", 0, conn_list},
    /*** The uuids of all domains that are paused, in no order. One question for all of them, where `Domain:state` is one for
     * each; for that it waits for a domain whose disk somebody asks about and does not answer, so give it a time limit.
     * @function Connection:paused
     * @awaits
     * @treturn[1] {string,...}
     * @return[2] nil
     * @treturn[2] Err */
    {"paused", "", 0, conn_paused},
    /*** One domain by name or uuid; `not_found` when it is not defined.
     * @function Connection:lookup
     * @awaits
     * @tparam string name */
    {"lookup", "name:s", 0, conn_lookup},
    /*** Define a domain from XML (checked against libvirt's schema).
     * @function Connection:define
     * @awaits
     * @tparam string xml */
    {"define", "xml:s", MOONLUA_CHANGES | MOONLUA_SECRET, conn_define},
    /*** Make ready for so many suspends, freezes, resumes and thaws at once (at most 32).
     * @function Connection:warm
     * @awaits
     * @tparam integer count */
    {"warm", "count:i", 0, conn_warm},
    /*** A storage pool's volume: `{path, capacity, allocation}`.
     * @function Connection:volume
     * @awaits
     * @tparam string pool
     * @tparam string volume */
    {"volume", "pool:s volume:s", 0, conn_volume},
    {NULL, NULL, 0, NULL}};

struct open_op {
    struct moon_op op;
    struct moon_loop *loop;
    char *uri;
    struct moon_virt *virt;
};

static void open_destroy(struct moon_op *op)
{
    struct open_op *o = (struct open_op *)op;
    moon_virt_unref(o->virt);
    free(o->uri);
}

static void open_run(struct moon_op *op)
{
    struct open_op *o = (struct open_op *)op;
    op->failed = moon_virt_open(o->uri, &o->virt, &op->err) < 0;
}

/* Opened for somebody who has gone. */
static void open_end(struct moon_op *op)
{
    struct open_op *o = (struct open_op *)op;
    if (!op->abandoned || !o->virt)
        return;
    moon_op_close(o->loop, conn_unref, o->virt);
    o->virt = NULL;
}

static int open_finish(lua_State *L, struct moon_op *op)
{
    struct open_op *o = (struct open_op *)op;
    if (op->failed)
        return moonlua_pusherr(L, &op->err);
    struct moon_virt **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, CONN_TYPE);
    *box = o->virt;
    o->virt = NULL;
    lua_pushfstring(L, "connection %s", o->uri);
    lua_insert(L, -2);
    moonlua_opened(L, lua_tostring(L, -2), "is closed now");
    return 1;
}

/*** Open a connection.
 * @function open
 * @usage
 * local conn <close> = assert(require("engine.virt").open("test:///default"))
 * for _, row in ipairs(assert(conn:list())) do print(row.name, row.state) end
 * @awaits
 * @tparam string uri any libvirt URI, for instance `qemu:///system`, `test:///default`
 * @treturn[1] Connection
 * @return[2] nil
 * @treturn[2] Err `unreachable`, `denied`
 */
static int virt_open(lua_State *L)
{
    static const struct moon_op_kind kind = {
        .name = "connect", .run = open_run, .end = open_end, .destroy = open_destroy};
    const char *uri = luaL_checkstring(L, 1);
    struct open_op *o = calloc(1, sizeof *o);
    if (!o || !(o->uri = strdup(uri))) {
        free(o);
        return luaL_error(L, "out of memory");
    }
    moon_op_init(&o->op, &kind);
    o->loop = moonlua_get(L)->loop;
    moonlua_call_begins(moonlua_get(L), "virt.open", uri, NULL, false);
    return moonlua_await(L, &o->op, open_finish);
}

static int conn_gc(lua_State *L)
{
    struct moon_virt **box = luaL_checkudata(L, 1, CONN_TYPE);
    struct moon_virt *virt = *box;
    *box = NULL;
    moonlua_closed(L, 1);
    if (virt)
        moon_op_close(moonlua_get(L)->loop, conn_unref, virt);
    return 0;
}

/*** A handle of a domain; makes no call.
 * @function Connection:domain
 * @usage
 * local web = conn:domain(assert(conn:lookup("test")))
 * assert(web:state().state == "running")
 * @tparam {uuid=string,name=string} row as from list or lookup
 * @treturn Domain
 */
static int conn_domain(lua_State *L)
{
    struct moon_virt *v = check_conn(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "uuid");
    lua_getfield(L, 2, "name");
    const char *uuid = luaL_checkstring(L, -2), *name = luaL_checkstring(L, -1);
    return moonlua_pushdomain(L, v, uuid, name);
}

/* --- events ------------------------------------------------------------------------------ */

static void *check_events(lua_State *L, int idx)
{
    struct moon_virt_events **box = luaL_checkudata(L, idx, EVENTS_TYPE);
    if (!*box)
        luaL_error(L, "the events are closed");
    return *box;
}

struct events_op {
    struct moon_op op;
    struct moon_loop *loop;
    struct moon_virt *virt;
    char *uuid; /* NULL: all domains */
    struct moon_virt_events *events;
};

static void events_destroy(struct moon_op *op)
{
    struct events_op *o = (struct events_op *)op;
    moon_virt_unref(o->virt);
    moon_virt_events_unref(o->events);
    free(o->uuid);
}

static void events_close(void *events)
{
    moon_virt_events_close(events);
    moon_virt_events_unref(events);
}

static void events_run(struct moon_op *op)
{
    struct events_op *o = (struct events_op *)op;
    op->failed = moon_virt_events_open(o->virt, o->uuid, &o->events, &op->err) < 0;
    moon_virt_unref(o->virt); /* here, not on the loop: it may be the last one */
    o->virt = NULL;
}

/* Opened for somebody who has gone. */
static void events_end(struct moon_op *op)
{
    struct events_op *o = (struct events_op *)op;
    if (!op->abandoned || !o->events)
        return;
    moon_op_close(o->loop, events_close, o->events);
    o->events = NULL;
}

static int events_finish(lua_State *L, struct moon_op *op)
{
    struct events_op *o = (struct events_op *)op;
    if (op->failed)
        return moonlua_pusherr(L, &op->err);
    struct moon_virt_events **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, EVENTS_TYPE);
    *box = o->events;
    o->events = NULL;
    lua_pushfstring(L, "events of %s", moon_virt_events_uri(*box));
    lua_insert(L, -2);
    moonlua_opened(L, lua_tostring(L, -2), "is closed now");
    return 1;
}

/*** What happens to domains from now on, whoever does it: a queue of which `Events:next` takes the first. A workflow waits so
 * for a guest that shuts down, without asking for its state again and again. Uses a connection of its own.
 * @function Connection:events
 * @usage
 * local dom = conn:domain(assert(conn:lookup("test")))
 * local events <close> = assert(conn:events(dom:uuid()))
 * assert(dom:suspend())
 * local first = assert(events:next())
 * assert(first.name == "test" and first.event == "suspended" and first.detail == "paused")
 * assert(dom:resume())
 * assert(events:next().event == "resumed")
 * @awaits
 * @tparam[opt] string uuid of that domain only (all)
 * @treturn[1] Events
 * @return[2] nil
 * @treturn[2] Err `unreachable`, `denied`, `not_found` (no such domain), `invalid` (no uuid),
 *   `unsupported` (the driver has no events)
 */
static int conn_events(lua_State *L)
{
    static const struct moon_op_kind kind = {
        .name = "events", .run = events_run, .end = events_end, .destroy = events_destroy};
    struct moon_virt *v = check_conn(L, 1);
    const char *uuid = luaL_optstring(L, 2, NULL);
    struct events_op *o = calloc(1, sizeof *o);
    if (!o || (uuid && !(o->uuid = strdup(uuid)))) {
        free(o);
        return luaL_error(L, "out of memory");
    }
    moon_op_init(&o->op, &kind);
    o->loop = moonlua_get(L)->loop;
    o->virt = moon_virt_ref(v);
    moonlua_call_begins(moonlua_get(L), "virt.events", moon_virt_uri(v), NULL, false);
    return moonlua_await(L, &o->op, events_finish);
}

/*** @type Events */
/*** The next event, in the order in which they came. Waits until there is one: in a dry run nothing is started or stopped,
 * so give it a time limit (`std.task.timeout`). An event that comes when nobody waits is kept, 10000 of them.
 *
 * event and detail are libvirt's: defined (added updated renamed from_snapshot), undefined (removed renamed), started (booted
 * migrated restored from_snapshot wakeup), suspended (paused migrated ioerror watchdog restored from_snapshot api_error
 * postcopy postcopy_failed), resumed (unpaused migrated from_snapshot postcopy postcopy_failed), stopped (shutdown destroyed
 * crashed migrated saved failed from_snapshot), shutdown (finished guest host), pmsuspended (memory disk), crashed (panicked
 * crashloaded); "unknown" for what is newer than this program.
 * @function Events:next
 * @awaits
 * @treturn[1] {uuid=string,name=string,event=string,detail=string,at=number} at: seconds since 1970 when it came
 * @return[2] nil
 * @treturn[2] Err `unreachable` (libvirt went away: open them anew, and look at the domains' states), `io` (some were lost,
 *   as nobody took them), `busy` (another task waits for these), `cancelled` (they were closed meanwhile)
 */
static int events_next(lua_State *L)
{
    struct moon_virt_events *e = check_events(L, 1);
    struct moon_op *op = moon_virt_events_next(e);
    if (!op)
        return luaL_error(L, "out of memory");
    moonlua_call_begins(moonlua_get(L), "events.next", moon_virt_events_uri(e), NULL, false);
    return moonlua_await(L, op, NULL);
}

static int events_gc(lua_State *L)
{
    struct moon_virt_events **box = luaL_checkudata(L, 1, EVENTS_TYPE);
    struct moon_virt_events *events = *box;
    *box = NULL;
    moonlua_closed(L, 1);
    if (events)
        moon_op_close(moonlua_get(L)->loop, events_close, events);
    return 0;
}

int luaopen_engine_virt(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", virt_open}, {NULL, NULL}};
    static const luaL_Reg conn_meta[] = {{"__gc", conn_gc}, {"__close", conn_gc}, {NULL, NULL}};
    static const luaL_Reg conn_methods[] = {
        {"domain", conn_domain}, {"events", conn_events}, {"close", conn_gc}, {NULL, NULL}};
    static const luaL_Reg events_meta[] = {
        {"__gc", events_gc}, {"__close", events_gc}, {NULL, NULL}};
    static const luaL_Reg events_methods[] = {
        {"next", events_next}, {"close", events_gc}, {NULL, NULL}};
    moonlua_class(L, CONN_TYPE, conn_meta);
    moonlua_methods(L, CONN_TYPE);
    luaL_setfuncs(L, conn_methods, 0);
    moonlua_setprims(L, conn_prims, &conn_self);
    moonlua_class(L, EVENTS_TYPE, events_meta);
    moonlua_methods(L, EVENTS_TYPE);
    luaL_setfuncs(L, events_methods, 0);
    moonlua_domain_init(L);
    luaL_newlib(L, functions);
    return 1;
}
