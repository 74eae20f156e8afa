--- Values that are about single guests: how each one is brought to stand still, and which never together.
-- Called as the parsers of `std.params_types` are.
-- @module std.params_guests

local lists = require "std.params_lists"

local guests = {}

local quote, split = lists.quote, lists.split

guests.METHODS = "suspend, freeze or none, or suspend,guest1:freeze,guest2:none"
guests.APART = "guest1,guest2;guest3,guest4"

local METHODS = { suspend = true, freeze = true, none = true }

--- A method for all guests, methods of single ones, or both: {all=,map={guest=method}}. Where only single ones are
-- named, `all` is "suspend". A guest's name may hold ':'.
-- @tparam string text
-- @treturn[1] {all=string,map={string=string}}
-- @return[2] nil
-- @treturn[2] string what is wrong
-- @treturn[2] string what to write
function guests.methods(text)
  local items, problem = split(text, ",")
  if not items then return nil, problem, guests.METHODS end
  local result = { map = {} }
  for i, item in ipairs(items) do
    local guest, method = item:match("^(.-)%s*:%s*([^:]*)$")
    method = (method or item):lower()
    if not METHODS[method] then
      return nil, ("entry %d: %s is neither suspend nor freeze nor none"):format(i, quote(method)), guests.METHODS
    end
    if guest == "" then return nil, ("entry %d names no guest"):format(i), guests.METHODS end
    if guest and result.map[guest] then
      return nil, ("guest %s is given twice"):format(quote(guest)), "each guest once"
    end
    if not guest and result.all then
      return nil, ("entry %d is a second method for all guests"):format(i), "one, and guest:method for the others"
    end
    if guest then result.map[guest] = method else result.all = method end
  end
  result.all = result.all or "suspend"
  return result
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
