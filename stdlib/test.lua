--- A small harness for tests in Lua.
--
--    local t = require "std.test"
--    t.case("adds", function() t.eq(1 + 1, 2) end)
--    return t.done()
--
-- A case ends at its first failed check. After each case garbage is collected, so that a finalizer
-- that must not wait shows here, and global variables that it left behind make it fail.
-- @module std.test

local core = require "engine.err"
local failure = require "std.failure"

local test = {}

local passed, failed, skipped = 0, {}, 0
local current                         -- name of the running case
local SKIP = {}

local function globals()
  local names = {}
  for name in pairs(_G) do names[name] = true end
  return names
end

local function show(value, depth)
  if type(value) == "string" then return ("%q"):format(value):gsub("\\\n", "\\n") .. "" end
  local meta = type(value) == "table" and getmetatable(value)
  if type(value) ~= "table" or type(meta) == "table" and meta.__tostring then return tostring(value) end
  if depth > 3 then return "{...}" end
  local parts, list = {}, #value
  for i = 1, math.min(list, 20) do parts[i] = show(value[i], depth + 1) end
  if list > 20 then parts[#parts + 1] = "..." end
  local keys = {}
  for key in pairs(value) do
    if math.type(key) ~= "integer" or key < 1 or key > list then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = ("%s=%s"):format(tostring(key), show(value[key], depth + 1))
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- Path and text of the first difference, or nil.
local function difference(got, want, path, seen)
  if got == want or got ~= got and want ~= want then return nil end
  if type(got) ~= "table" or type(want) ~= "table" then
    return ("%s: got %s, want %s"):format(path, show(got, 0), show(want, 0))
  end
  if seen[got] == want then return nil end
  seen[got] = want
  local keys, known = {}, {}
  for _, side in ipairs { want, got } do
    for key in pairs(side) do
      if not known[key] then
        known[key] = true
        keys[#keys + 1] = key
      end
    end
  end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    return tostring(a) < tostring(b)
  end)
  for _, key in ipairs(keys) do
    local at = path .. (math.type(key) and ("[%s]"):format(key) or "." .. tostring(key))
    local found = difference(got[key], want[key], at, seen)
    if found then return found end
  end
  return nil
end

--- Run one case.
-- @tparam string name
-- @tparam function body
-- @raise if an argument has the wrong type, or a case runs inside another
function test.case(name, body)
  if type(name) ~= "string" or type(body) ~= "function" then error("test.case: name and function expected", 2) end
  if current then error("test.case: '" .. name .. "' begins inside '" .. current .. "'", 2) end
  local before = globals()
  current = name
  -- With the lines that say where it comes from, and what led to it.
  local ok, problem = xpcall(body, function(raised) return raised == SKIP and raised or core.caught(raised) end)
  current = nil
  if not ok and problem ~= SKIP then
    problem = table.concat({ tostring(problem), table.unpack(failure.lines(problem)) }, "\n")
  end
  collectgarbage()
  if ok or problem == SKIP then
    local left = {}
    for key in pairs(globals()) do
      if not before[key] then
        left[#left + 1] = tostring(key)
        rawset(_G, key, nil)
      end
    end
    if #left > 0 then
      table.sort(left)
      ok, problem = false, "left global variables behind: " .. table.concat(left, ", ")
    end
  end
  if ok then
    passed = passed + 1
  elseif problem == SKIP then
    skipped = skipped + 1
  else
    failed[#failed + 1] = ("%s: %s"):format(name, tostring(problem))
  end
end

--- Check that two values are equal; tables are compared with all they hold.
-- @param got
-- @param want
-- @tparam[opt] string note shown when they differ
-- @raise if they differ
-- @usage
-- require("std.test").eq({ "a", { b = 1 } }, { "a", { b = 1 } })
function test.eq(got, want, note)
  local found = difference(got, want, "value", {})
  if not found then return end
  note = note and tostring(note) or ""
  -- A log says more than fits before what is compared.
  error(note:find("\n") and found .. "\n" .. note or note ~= "" and note .. ": " .. found or found, 2)
end

--- Check that a value is neither nil nor false.
-- @param value
-- @param[opt] note shown when it is not; an error value that came with a nil will do
-- @return the value
-- @raise if it is not
function test.ok(value, note)
  if not value then error(("got %s%s"):format(tostring(value), note and ": " .. tostring(note) or ""), 2) end
  return value
end

--- Check the result of a call that must have failed.
-- @param value its first result, which must be nil
-- @param err its second result
-- @tparam string code the error's code
-- @tparam[opt] string pattern what its text must match
-- @return the error
-- @raise if it is another result
function test.err(value, err, code, pattern)
  if value ~= nil then error("got " .. show(value, 0) .. ", want nil and an error", 2) end
  if err == nil or type(err) == "string" then error("got " .. show(err, 0) .. ", want an error object", 2) end
  if err.code ~= code then
    error(("got code %s (%s), want %s"):format(tostring(err.code), tostring(err), tostring(code)), 2)
  end
  if pattern and not tostring(err):find(pattern) then
    error(("error %q does not match %q"):format(tostring(err), pattern), 2)
  end
  return err
end

--- Check that a function raises.
-- @tparam function body
-- @tparam[opt] string pattern what the error's text must match
-- @return what was raised
-- @raise if it does not, or raises something else
function test.raises(body, pattern)
  local ok, problem = pcall(body)
  if ok then error("nothing was raised", 2) end
  if problem == SKIP then error(SKIP, 0) end
  if pattern and not tostring(problem):find(pattern) then
    error(("raised %q, which does not match %q"):format(tostring(problem), pattern), 2)
  end
  return problem
end

--- End the case as skipped; outside a case, count one as skipped.
-- @tparam string reason
function test.skip(reason)
  print(("skipped: %s%s"):format(current and current .. ": " or "", tostring(reason)))
  if current then error(SKIP, 0) end
  skipped = skipped + 1
end

--- Print what failed and the closing line.
-- @treturn integer exit code of the test file: 0, or 1 when something failed
function test.done()
  for _, text in ipairs(failed) do print("FAILED " .. text) end
  local code = #failed > 0 and 1 or 0
  print(("%d passed, %d failed, %d skipped"):format(passed, #failed, skipped))
  passed, failed, skipped = 0, {}, 0
  return code
end

return test
