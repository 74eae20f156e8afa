--- Error objects: make them, give them a framework code, add context.
-- @module std.err

local core = require "engine.err"
local codes = require "std.codes"

local err = { is = core.is, codes = core.codes, caught = core.caught }

--- An error object.
-- @tparam string code one of `err.codes()`
-- @tparam string message one line, object first
-- @tparam[opt] table fields `scf`, `exit`, `op`, `cause`, ...
-- @treturn Err
-- @usage
-- local err = require "std.err"
-- local failed = err.new("busy", "queue q1: is not empty", { exit = 1 })
-- assert(err.has(failed, "busy"))
function err.new(code, message, fields)
  local e = { code = code, message = message }
  for key, value in pairs(fields or {}) do e[key] = value end
  return core.new(e)
end

--- A failure under a framework code, with its cause's own words and the remedy of the code.
-- @tparam string scf such as "scf-00037" or "kvm-00003"
-- @tparam string what the object and what was tried
-- @tparam[opt] Err|string cause
-- @tparam[opt] table fields such as `exit`; `remedy` in the place of the code's own
-- @treturn Err
-- @usage
-- local failed = require("std.err").coded("kvm-00003", "guest 'web1'", "operation failed")
-- assert(failed.scf == "kvm-00003" and failed.message:find("virsh domstate"))
function err.coded(scf, what, cause, fields)
  local known = codes.get(scf)
  local message = what
  if cause then message = message .. ": " .. tostring(cause) end
  local remedy = fields and fields.remedy or known and known.remedy
  if remedy then message = message .. "; " .. remedy end
  local e = { code = core.is(cause) and cause.code or "internal", message = message, scf = scf,
    cause = core.is(cause) and cause or nil,
    source = core.is(cause) and cause.source or nil,
    native = core.is(cause) and cause.native or nil }
  for key, value in pairs(fields or {}) do e[key] = value end
  return core.new(e)
end

--- Call a function; what it raises becomes an error object, also "not enough memory", for which Lua calls no handler.
-- @tparam function fn may wait
-- @param ... its arguments
-- @treturn[1] boolean true
-- @return[1] what fn returned
-- @treturn[2] boolean false
-- @treturn[2] Err
-- @usage
-- local ok, failed = require("std.err").try(error, "boom")
-- assert(not ok and failed.message == "boom")
function err.try(fn, ...)
  local out = table.pack(xpcall(fn, core.caught, ...))
  if not out[1] then return false, core.caught(out[2]) end
  return table.unpack(out, 1, out.n)
end

--- Whether something is an error object with that code.
-- @param value
-- @tparam string code
-- @treturn boolean
function err.has(value, code)
  return core.is(value) and value.code == code
end

return err
