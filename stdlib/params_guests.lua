--- Values that are about single guests: how each one is brought to stand still, and which never together.
-- Called as the parsers of `std.params_types` are.
-- @module std.params_guests

local lists = require "std.params_lists"

local guests = {}

local quote, split = lists.quote, lists.split

guests.METHODS = "suspend, freeze or none, or suspend,guest1:freeze,guest2:none"
guests.PAUSES = "30, or 30,guest1:10,guest2:5"
guests.APART = "guest1,guest2;guest3,guest4"

local METHODS = { suspend = true, freeze = true, none = true }

-- Values for all guests, of single ones, or both: {all=?,map={guest=value}}. A guest's name may hold ':'. read(text)
-- returns the value, or nil and what is wrong.
local function each(text, what, format, read)
  local items, problem = split(text, ",")
  if not items then return nil, problem, format end
  local result = { map = {} }
  for i, item in ipairs(items) do
    local guest, word = item:match("^(.-)%s*:%s*([^:]*)$")
    local value, wrong = read(word or item)
    if value == nil then return nil, ("entry %d: %s"):format(i, wrong), format end
    if guest == "" then return nil, ("entry %d names no guest"):format(i), format end
    if guest and result.map[guest] then
      return nil, ("guest %s is given twice"):format(quote(guest)), "each guest once"
    end
    if not guest and result.all then
      return nil, ("entry %d is a second %s for all guests"):format(i, what), ("one, and guest:%s for the others"):format(what)
    end
    if guest then result.map[guest] = value else result.all = value end
  end
  return result
end

--- A method for all guests, methods of single ones, or both. Where only single ones are named, `all` is "suspend".
-- @tparam string text
-- @treturn[1] {all=string,map={string=string}}
-- @return[2] nil
-- @treturn[2] string what is wrong
-- @treturn[2] string what to write
function guests.methods(text)
  local result, problem, write = each(text, "method", guests.METHODS, function(word)
    local method = word:lower()
    if METHODS[method] then return method end
    return nil, quote(method) .. " is neither suspend nor freeze nor none"
  end)
  if not result then return nil, problem, write end
  result.all = result.all or "suspend"
  return result
end

--- Seconds for all guests, for single ones, or both; without a value for all, the others have no limit of their own.
-- @tparam string text
-- @tparam table row with `min` and `max`
-- @treturn[1] {all=?integer,map={string=integer}}
-- @return[2] nil
-- @treturn[2] string what is wrong
-- @treturn[2] string what to write
function guests.pauses(text, row)
  return each(text, "number", guests.PAUSES, function(word)
    local seconds = word:find("^%d+$") and math.tointeger(tonumber(word))
    if not seconds then return nil, quote(word) .. " is not a whole number of seconds" end
    if seconds < row.min or seconds > row.max then
      return nil, ("%s is not from %d to %d"):format(quote(word), row.min, row.max)
    end
    return seconds
  end)
end

--- Sets of guests, two of which are never paused together: {{guest,...},...}.
-- @tparam string text
-- @treturn[1] {{string,...},...}
-- @return[2] nil
-- @treturn[2] string what is wrong
-- @treturn[2] string what to write
function guests.apart(text)
  local items, problem = split(text, ";")
  if not items then return nil, problem, guests.APART end
  local sets = {}
  for i, item in ipairs(items) do
    local names, wrong = split(item, ",")
    if not names then return nil, ("set %d: %s"):format(i, wrong), guests.APART end
    if #names < 2 then
      return nil, ("set %d %s is one guest alone"):format(i, quote(item)), "two guests or more in each set"
    end
    local seen = {}
    for _, name in ipairs(names) do
      if seen[name] then
        return nil, ("set %d gives guest %s twice"):format(i, quote(name)), "each guest once in a set"
      end
      seen[name] = true
    end
    sets[i] = names
  end
  return sets
end

return guests
