/*** What is done to a domain, and asked of it.
 * @submodule engine.virt
 */
#include "moonlua.h"

#include "../guard/standby.h"
#include "virt.h"

#include <string.h>

#define DOMAIN_TYPE "engine.Domain"

static const char *str(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

static void *check_domain(lua_State *L, int idx)
{
    return *(struct moon_domain **)luaL_checkudata(L, idx, DOMAIN_TYPE);
}

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

/* The last handle of a connection that the script has closed closes it. */
static int dom_gc(lua_State *L)
{
    struct moon_domain **box = luaL_checkudata(L, 1, DOMAIN_TYPE);
    struct moon_domain *dom = *box;
    *box = NULL;
    if (dom && !moon_domain_let_go(dom))
        moon_op_close(moonlua_get(L)->loop, dom_unref, dom);
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

int moonlua_pushdomain(lua_State *L, struct moon_virt *v, const char *uuid, const char *name)
{
    struct moon_domain **box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = NULL;
    luaL_setmetatable(L, DOMAIN_TYPE);
    *box = moon_domain_new(v, uuid, name);
    return *box ? 1 : luaL_error(L, "out of memory");
}

void moonlua_domain_init(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", dom_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"pending", dom_pending}, {"name", dom_get_name}, {"uuid", dom_get_uuid}, {NULL, NULL}};
    moonlua_class(L, DOMAIN_TYPE, meta);
    moonlua_methods(L, DOMAIN_TYPE);
    luaL_setfuncs(L, methods, 0);
    moonlua_setprims(L, dom_prims, &dom_self);
}
