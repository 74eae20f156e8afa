--- What a contract case is written with. A case is registered once and run in every cell, a version
-- profile with a transport; it says what it needs, and where that is missing it does not apply:
--
--    c.case { "snapshot_create: comment and label come back",
--      since = { rest = "9.6" },                -- oldest release per transport
--      zapi = "the reason why it has no meaning there", -- or rest = "..."
--      run = function(w) ... end }
--
-- `w` is the world of the cell, see world.lua. Checks raise; the first that fails ends the case.
-- @module contract

local t = require "std.test"
local err = require "std.err"

local contract = { cases = {}, said = {}, eq = t.eq, ok = t.ok, raises = t.raises }

--- Register a case.
-- @tparam table spec
function contract.case(spec)
  assert(type(spec[1]) == "string" and type(spec.run) == "function", "a case has a name and a function")
  spec.name = spec[1]
  contract.cases[#contract.cases + 1] = spec
end

--- "9.10.1" as 91001.
-- @tparam string text
-- @treturn integer
function contract.version(text)
  local a, b, c = text:match("^(%d+)%.(%d+)%.?(%d*)")
  return tonumber(a) * 10000 + tonumber(b) * 100 + (tonumber(c) or 0)
end

-- What a case needs on a transport if it does not say.
local OLDEST = { zapi = "9.5", rest = "9.6" }

--- Why a case does not apply in a cell, or nil when it does.
-- @tparam table case
-- @tparam table w the world
-- @treturn string|nil
function contract.reason(case, w)
  if case.cell then return case.cell(w) end
  if not w.transport then return w.absent end
  if case[w.transport] then return case[w.transport] end
  if w.api == "auto" and case.auto then return case.auto end
  local since = (case.since or {})[w.transport] or OLDEST[w.transport]
  if w.version < contract.version(since) then return ("needs ONTAP %s on this transport"):format(since) end
end

--- Check a failed call: its code, that the message is one line that names the object.
-- @param value the call's first result
-- @param e its second
-- @tparam string code
-- @param ... plain texts that the message must hold; a number is the controller's own
-- @return the error
function contract.fails(value, e, code, ...)
  t.err(value, e, code)
  local message = tostring(e)
  if not err.is(e) or message == "" or message:find("[\r\n]") then
    error(("no message of one line: %q"):format(message), 2)
  end
  for _, want in ipairs { ... } do
    if type(want) == "number" then
      t.eq(e.native, want, "native number of: " .. message)
    elseif not message:find(want, 1, true) then
      error(("%q does not say %q"):format(message, want), 2)
    end
  end
  return e
end

--- Check the fields of a result: `shape` maps a name to a type ("string", "integer", "boolean", "list",
-- each with "?" when it may be missing), to a function, or to a value. No other field may be there.
-- @tparam table got
-- @tparam table shape
function contract.shape(got, shape)
  if type(got) ~= "table" then error(("got %s, want a table"):format(tostring(got)), 2) end
  for key in pairs(got) do
    if shape[key] == nil then error(("unexpected field '%s' = %s"):format(key, tostring(got[key])), 2) end
  end
  for key, want in pairs(shape) do
    local value = got[key]
    local kind, optional = tostring(want):match("^(%l+)(%??)$")
    local known = ({ string = true, integer = true, boolean = true, list = true })[kind]
    if type(want) == "function" then
      if not want(value) then error(("field '%s' = %s is not right"):format(key, tostring(value)), 2) end
    elseif type(want) == "string" and known then
      local is = kind == "integer" and math.type(value) == "integer" or kind == "list" and type(value) == "table" or
        type(value) == kind
      if not is and not (optional == "?" and value == nil) then
        error(("field '%s' = %s, want %s"):format(key, tostring(value), want), 2)
      end
    else
      t.eq(value, want, "field '" .. key .. "'")
    end
  end
end

--- A line for the runner.
function contract.say(line) contract.said[#contract.said + 1] = line end

local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

--- Whether something is a uuid.
function contract.uuid(value) return type(value) == "string" and value:find(UUID) ~= nil end

--- One row of a list by its name; raises when it is not there.
-- @tparam table rows
-- @tparam string name
-- @tparam[opt] string key default "name"
function contract.row(rows, name, key)
  for _, row in ipairs(rows) do
    if row[key or "name"] == name then return row end
  end
  error(("no row '%s' among %d"):format(name, #rows), 2)
end

--- The values of one field, sorted.
function contract.column(rows, key)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[key or "name"] end
  table.sort(out)
  return out
end

return contract
