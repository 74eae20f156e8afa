/*** HTTP for workflows.
 * @module engine.http
 */
#include "moonlua.h"

#include "http.h"
#include "http_cert.h"

#include <string.h>
#include <strings.h>

/*** Make a request. Redirects are not followed; certificates are checked.
 * In a dry run everything but GET and HEAD is refused and recorded.
 * @function request
 * @usage
 * local reply = assert(require("engine.http").request(url, { ca_file = ca_file, timeout = 10 }))
 * print(reply.status, #reply.body)
 * @awaits
 * @tparam string url
 * @tparam[opt] {method=string,headers=table,body=string,user=string,password=string,ca_file=string,pin=string,timeout=number} options timeout in seconds (60)
 * @treturn[1] {status=integer,body=string,content_type=string} any status counts as a reply
 * @return[2] nil
 * @treturn[2] Err `unreachable`, `timeout`, `denied` (certificate), `protocol`, `invalid`
 */
static int http_request(lua_State *L)
{
    json_t *args = moonlua_args(L, 1,
                                "url:s {method:s? headers:t? body:d? user:s? password:s? "
                                "ca_file:s? pin:s? timeout:n?}");
    const char *method = json_string_value(json_object_get(args, "method"));
    bool reads = method ? strcasecmp(method, "GET") == 0 || strcasecmp(method, "HEAD") == 0
                        : !json_object_get(args, "body");
    const char *url = json_string_value(json_object_get(args, "url"));
    moonlua_finish finish = NULL;
    /* Neither headers, body, query nor a user in the address are recorded: they may hold what
     * nobody should read. */
    if (!reads) {
        const char *host = strstr(url, "//");
        host = host ? host + 2 : url;
        size_t authority = strcspn(host, "/?#");
        const char *at = memrchr(host, '@', authority);
        host = at ? at + 1 : host;
        lua_pushlstring(L, host, strcspn(host, "?#"));
        const char *object = lua_tostring(L, -1);
        int n = moonlua_refused(L, "http.request", object, NULL);
        if (n > 0)
            return n;
        finish = moonlua_note(L, "http.request", object, NULL, true);
    }
    struct moon_err err;
    struct moon_op *op = moon_http_op(args, &err);
    if (!op)
        return moonlua_pusherr(L, &err);
    moonlua_call_begins(moonlua_get(L), "http.request", NULL, NULL, !reads);
    return moonlua_await(L, op, finish);
}

/*** The certificate that a server shows; no request and no login is sent.
 * `verified` says by what it would be trusted ("system", "ca_file", "pin"), `problem` why it would not.
 * @function certificate
 * @awaits
 * @tparam string host
 * @tparam integer port
 * @tparam[opt] {ca_file=string,pin=string,timeout=number} options timeout in seconds (10)
 * @treturn[1] {subject=string,issuer=string,names=string,starts=integer,expires=integer,pem=string,verified=string,problem=string}
 * @return[2] nil
 * @treturn[2] Err `unreachable`, `timeout`, `protocol` (it speaks no TLS), `invalid`
 */
static int http_certificate(lua_State *L)
{
    json_t *args = moonlua_args(L, 1, "host:s port:i {ca_file:s? pin:s? timeout:n?}");
    struct moon_err err;
    struct moon_op *op = moon_http_certificate_op(args, &err);
    return op ? moonlua_await(L, op, NULL) : moonlua_pusherr(L, &err);
}

int luaopen_engine_http(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"request", http_request}, {"certificate", http_certificate}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
