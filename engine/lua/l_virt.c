/*** libvirt: connections and domains.
 * @module engine.virt
 */
#include "moonlua.h"

#include "../guard/standby.h"
#include "virt.h"

#include <string.h>

#define CONN_TYPE   "engine.Connection"
#define DOMAIN_TYPE "engine.Domain"

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

static void *check_domain(lua_State *L, int idx)
{
    return *(struct moon_domain **)luaL_checkudata(L, idx, DOMAIN_TYPE);
}

/* --- connections ------------------------------------------------------------------------- */

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
    char *uri;
    struct moon_virt *virt;
};

static void open_run(struct moon_op *op)
{
    struct open_op *o = (struct open_op *)op;
    op->failed = moon_virt_open(o->uri, &o->virt, &op->err) < 0;
}

static void open_destroy(struct moon_op *op)
{
    struct open_op *o = (struct open_op *)op;
    moon_virt_unref(o->virt);
    free(o->uri);
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
        .name = "connect", .run = open_run, .destroy = open_destroy};
    const char *uri = luaL_checkstring(L, 1);
    struct open_op *o = calloc(1, sizeof *o);
    if (!o || !(o->uri = strdup(uri))) {
        free(o);
        return luaL_error(L, "out of memory");
    }
    moon_op_init(&o->op, &kind);
    moonlua_call_begins(moonlua_get(L), "virt.open", uri, NULL, false);
    return moonlua_await(L, &o->op, open_finish);
}

/* The last reference closes the connection, which talks to libvirtd: not in a finaliser. */
static void close_run(struct moon_op *op)
{
    struct open_op *o = (struct open_op *)op;
    moon_virt_unref(o->virt);
    o->virt = NULL;
}

static int conn_gc(lua_State *L)
{
    static const struct moon_op_kind kind = {
        .name = "close", .run = close_run, .destroy = open_destroy};
    struct moon_virt **box = luaL_checkudata(L, 1, CONN_TYPE);
    struct moon_virt *virt = *box;
    *box = NULL;
    moonlua_closed(L, 1);
    struct open_op *o = virt ? calloc(1, sizeof *o) : NULL;
    if (o) {
        moon_op_init(&o->op, &kind);
        o->virt = virt;
        moon_op_start(&o->op, moonlua_get(L)->loop, NULL, NULL);
        moon_op_unref(&o->op);
    }
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
    struct moon_domain **box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = NULL;
    luaL_setmetatable(L, DOMAIN_TYPE);
    *box = moon_domain_new(v, uuid, name);
    return *box ? 1 : luaL_error(L, "out of memory");
}

/* --- domains ----------------------------------------------------------------------------- */

static int dom_persistent(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    bool persistent = false;
    if (moon_domain_persistent(d, &persistent, err) < 0)
        return -1;
    *out = json_boolean(persistent);
    return 0;
}

static int dom_state(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    return moon_domain_state(d, out, err);
}

static int dom_suspend(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args, (void)out;
    return moon_standby_suspend(d, err);
}

static int dom_resume(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args, (void)out;
    return moon_standby_resume(d, err);
}

static int dom_agent_answers(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args, (void)out;
    return moon_domain_agent_answers(d, err);
}

static int dom_freeze(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    int n = 0, seconds = (int)json_integer_value(json_object_get(args, "timeout"));
    /* Before the call: a guest that is frozen must not pass for one that is not. */
    if (moon_op_give(out, json_integer(0), "freeze", err) < 0 ||
        moon_standby_freeze(d, seconds, &n, err) < 0)
        return -1;
    return json_integer_set(*out, n);
}

static int dom_thaw(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args;
    int n = 0;
    if (moon_standby_thaw(d, &n, err) < 0)
        return -1;
    *out = json_integer(n); /* NULL means done, too: it is, and its number is all that is lost */
    return 0;
}

static int dom_shutdown(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args, (void)out;
    return moon_domain_shutdown(d, err);
}

static int dom_destroy(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args, (void)out;
    return moon_domain_destroy(d, err);
}

static int dom_undefine(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)args, (void)out;
    return moon_domain_undefine(d, err);
}

static int dom_start(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    (void)out;
    return moon_domain_start(d, json_is_true(json_object_get(args, "paused")), err);
}

static int text_result(char *text, const char *op, json_t **out, struct moon_err *err)
{
    int rc = moon_op_give(out, json_stringn_nocheck(text, strlen(text)), op, err);
    free(text);
    return rc;
}

static int dom_xml(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    char *xml = NULL;
    if (moon_domain_xml(d, json_is_true(json_object_get(args, "inactive")), &xml, err) < 0)
        return -1;
    return text_result(xml, "xml", out, err);
}

static int dom_agent(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    json_t *timeout = json_object_get(args, "timeout");
    char *reply = NULL;
    if (moon_domain_agent(d, str(args, "command"), timeout ? (int)json_integer_value(timeout) : 10,
                          &reply, err) < 0)
        return -1;
    return text_result(reply, "agent", out, err);
}

static int dom_block_info(void *d, const json_t *args, json_t **out, struct moon_err *err)
{
    return moon_domain_block_info(d, str(args, "disk"), out, err);
}

static void *dom_ref(void *self)
{
    return moon_domain_ref(self);
}

static void dom_unref(void *self)
{
    moon_domain_unref(self);
}

static const char *dom_name(void *self)
{
    return moon_domain_name(self);
}

static const char *dom_uri(void *self)
{
    return moon_domain_uri(self);
}

static const char *dom_uuid(void *self)
{
    return moon_domain_uuid(self);
}

static void dom_pend(void *self, int by)
{
    moon_domain_pend(self, by);
}

static const struct moonlua_self dom_self = {
    DOMAIN_TYPE, "domain", check_domain, dom_ref, dom_unref, dom_name, dom_uri, dom_uuid, dom_pend};

/*** @type Domain
 * Every method returns true or a value; nil and an error object when libvirt refuses:
 * `not_found` (no longer defined), `conflict` (wrong state), `timeout`, `unreachable`, `denied`. */
static const struct moonlua_prim dom_prims[] = {
    /*** `{state, reason}`; state: running blocked paused shutdown shutoff crashed
     * suspended; reason of a paused one: user migration saving ioerror other.
     * @function Domain:state
     * @awaits */
    {"state", "", 0, dom_state},
    /*** Whether it has a definition that stays when it is off; of another one nothing is left then.
     * @function Domain:persistent
     * @awaits
     * @treturn[1] boolean
     * @return[2] nil
     * @treturn[2] Err */
    {"persistent", "", 0, dom_persistent},
    /*** Suspend the guest: it stands still until resume, at most until the end of the program, or for 10 minutes. A guest
     * that no guard of the script's own holds (`std.quiesce`, `engine.guard`) is first given to a guard process, which
     * resumes it when the program dies. One that is paused already stays so, and is not resumed by anybody.
     * @function Domain:suspend
     * @usage
     * assert(dom:suspend()) -- in a workflow `std.quiesce` does this
     * assert(dom:state().state == "paused")
     * assert(dom:resume())
     * @awaits */
    {"suspend", "", MOONLUA_CHANGES | MOONLUA_PENDS, dom_suspend},
    /*** A domain that runs already counts as resumed. Never queues behind other calls.
     * @function Domain:resume
     * @awaits */
    {"resume", "", MOONLUA_CHANGES | MOONLUA_RESCUE, dom_resume},
    /*** Whether the guest agent answers; `unsupported` when there is none. Takes 5 s at most.
     * @function Domain:agent_answers
     * @awaits */
    {"agent_answers", "", 0, dom_agent_answers},
    /*** Freeze the guest's file systems through its agent; number of file systems. After a failure they may
     * be frozen, or become so: thaw them. For how long, and who else thaws them: as with `suspend`.
     * @function Domain:freeze
     * @awaits
     * @tparam[opt] {timeout=integer} options seconds for the agent's answer (for ever) */
    {"freeze", "{timeout:i?}", MOONLUA_CHANGES | MOONLUA_PENDS, dom_freeze},
    /*** Undo freeze; number of file systems.
     * @function Domain:thaw
     * @awaits */
    {"thaw", "", MOONLUA_CHANGES | MOONLUA_RESCUE, dom_thaw},
    /*** Ask the guest to shut down; returns at once.
     * @function Domain:shutdown
     * @awaits */
    {"shutdown", "", MOONLUA_CHANGES, dom_shutdown},
    /*** Power off.
     * @function Domain:destroy
     * @awaits */
    {"destroy", "", MOONLUA_CHANGES | MOONLUA_WHOLE, dom_destroy},
    /*** Start the guest. One that is started paused has run nothing yet and takes nobody's service away, so no guard holds
     * it: it stays paused, also when the program ends or dies, until somebody resumes it. A guest that was paused before a
     * restore comes back so, and a copy beside its original must not run by an accident.
     * @function Domain:start
     * @awaits
     * @tparam[opt] {paused=boolean} options */
    {"start", "{paused:b?}", MOONLUA_CHANGES | MOONLUA_WHOLE, dom_start},
    /*** Remove the definition.
     * @function Domain:undefine
     * @awaits */
    {"undefine", "", MOONLUA_CHANGES, dom_undefine},
    /*** The domain's XML; inactive: what its next start will use.
     * @function Domain:xml
     * @awaits
     * @tparam[opt] {inactive=boolean} options */
    {"xml", "{inactive:b?}", 0, dom_xml},
    /*** Send the guest agent a command (JSON text both ways). `invalid`, and nothing is sent: it is not JSON, or one of
     * those that freeze and thaw (`guest-fsfreeze-*` but for `-status`), which no guard would know of; `freeze` and `thaw`
     * do that. What a program within the guest does (`guest-exec`) nobody undoes.
     * @function Domain:agent
     * @awaits
     * @tparam string command
     * @tparam[opt] {timeout=integer} options seconds (10) */
    {"agent", "command:s {timeout:i?}", MOONLUA_CHANGES | MOONLUA_SECRET, dom_agent},
    /*** `{capacity, allocation, physical}` in bytes of a disk, by target or path.
     * @function Domain:block_info
     * @awaits
     * @tparam string disk */
    {"block_info", "disk:s", 0, dom_block_info},
    {NULL, NULL, 0, NULL}};

static int dom_gc(lua_State *L)
{
    struct moon_domain **box = luaL_checkudata(L, 1, DOMAIN_TYPE);
    moon_domain_unref(*box);
    *box = NULL;
    return 0;
}

/*** Suspends and freezes of this handle that were begun and have not ended, for instance after a timeout.
 * @function Domain:pending
 * @treturn integer
 */
static int dom_pending(lua_State *L)
{
    lua_pushinteger(L, moon_domain_pending(check_domain(L, 1)));
    return 1;
}

/*** The domain's name when the handle was made.
 * @function Domain:name
 * @treturn string */
static int dom_get_name(lua_State *L)
{
    lua_pushstring(L, moon_domain_name(check_domain(L, 1)));
    return 1;
}

/*** The domain's uuid.
 * @function Domain:uuid
 * @treturn string */
static int dom_get_uuid(lua_State *L)
{
    lua_pushstring(L, moon_domain_uuid(check_domain(L, 1)));
    return 1;
}

int luaopen_engine_virt(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", virt_open}, {NULL, NULL}};
    static const luaL_Reg conn_meta[] = {{"__gc", conn_gc}, {"__close", conn_gc}, {NULL, NULL}};
    static const luaL_Reg conn_methods[] = {
        {"domain", conn_domain}, {"close", conn_gc}, {NULL, NULL}};
    static const luaL_Reg dom_meta[] = {{"__gc", dom_gc}, {NULL, NULL}};
    static const luaL_Reg dom_methods[] = {
        {"pending", dom_pending}, {"name", dom_get_name}, {"uuid", dom_get_uuid}, {NULL, NULL}};
    moonlua_class(L, CONN_TYPE, conn_meta);
    moonlua_methods(L, CONN_TYPE);
    luaL_setfuncs(L, conn_methods, 0);
    moonlua_setprims(L, conn_prims, &conn_self);
    moonlua_class(L, DOMAIN_TYPE, dom_meta);
    moonlua_methods(L, DOMAIN_TYPE);
    luaL_setfuncs(L, dom_methods, 0);
    moonlua_setprims(L, dom_prims, &dom_self);
    luaL_newlib(L, functions);
    return 1;
}
