--- HTTP, for workflows: tell a chat, ask an inventory.
-- @module std.http

local core = require "engine.http"
local json = require "engine.json"
local err = require "std.err"

local http = {}

local function call(url, opts)
  local reply, failed = core.request(url, opts)
  if not reply then return nil, failed end
  if reply.planned then return { status = 200, body = "", planned = true } end
  if reply.status >= 300 then
    return nil, err.new(reply.status == 404 and "not_found" or reply.status == 401 and "denied" or "io",
      ("%s: HTTP %d"):format(url, reply.status), { native = reply.status, source = "http" })
  end
  return reply
end

--- GET; any status from 300 on is a failure.
-- @tparam string url
-- @tparam[opt] table opts headers, user, password, ca_file, pin, timeout (seconds)
-- @treturn[1] {status=integer,body=string}
-- @return[2] nil
-- @treturn[2] Err
-- @usage
-- local reply = assert(require("std.http").get(url, { ca_file = ca_file, timeout = 10 }))
function http.get(url, opts)
  return call(url, opts)
end

--- POST a table as JSON; refused and recorded in a dry run.
-- @tparam string url
-- @tparam table value
-- @tparam[opt] table opts as in `get`
-- @treturn[1] {status=integer,body=string}
-- @return[2] nil
-- @treturn[2] Err
function http.post_json(url, value, opts)
  local o = {}
  for k, v in pairs(opts or {}) do o[k] = v end
  o.method, o.body = "POST", json.encode(value)
  o.headers = { ["Content-Type"] = "application/json" }
  for k, v in pairs(opts and opts.headers or {}) do o.headers[k] = v end
  return call(url, o)
end

--- The certificate that a server shows, and whether it is trusted. Nothing is sent to the server.
-- @tparam string host
-- @tparam integer port
-- @tparam[opt] table opts ca_file, pin, timeout (seconds)
-- @treturn[1] {subject=string,issuer=string,names=string,starts=integer,expires=integer,pem=string,verified=string,
--   problem=string} verified: by what ("system", "ca_file", "pin"); problem: why not
-- @return[2] nil
-- @treturn[2] Err `unreachable`, `timeout`, `protocol`
function http.certificate(host, port, opts)
  return core.certificate(host, port, opts)
end

return http
