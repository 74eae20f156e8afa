--- `%NAME` substitution.
-- The longest known name at each position is taken, so that `%SNAP_TYPE_%SNAP_TIME` and
-- `%SNAP_TYPE_recent` mean what they look like. `%%` is nothing special.
-- @module std.config_expand

local err = require "engine.err"

local MAX_DEPTH = 8

local function fail(format, ...)
  return nil, err.new { code = "invalid", source = "engine", op = "expand", exit = 2, message = format:format(...) }
end

--- Fill in the names in a text.
-- @tparam string text
-- @tparam function lookup called with a name; returns whether it is one, its value (nil: leave the
--   name as it stands) and whether names in that value are to be filled in as well
-- @tparam {string,...} chain names whose values this text comes from; unchanged on return
-- @tparam string where shown in errors
-- @treturn[1] string
-- @return[2] nil
-- @treturn[2] Err `invalid`: a name refers to itself, or values are nested more than 8 deep
local function expand(text, lookup, chain, where)
  local function value_of(name, value)
    for _, seen in ipairs(chain) do
      if seen == name then
        return fail("%s: %%%s refers to itself: %s -> %s", where, name, table.concat(chain, " -> "), name)
      end
    end
    if #chain >= MAX_DEPTH then return fail("%s: %%%s is nested more than %d deep", where, name, MAX_DEPTH) end
    chain[#chain + 1] = name
    local inner, failed = expand(value, lookup, chain, where)
    chain[#chain] = nil
    return inner, failed
  end

  local out, at = {}, 1
  while true do
    local mark = text:find("%", at, true)
    if not mark then
      out[#out + 1] = text:sub(at)
      return table.concat(out)
    end
    out[#out + 1] = text:sub(at, mark - 1)
    local stop = mark             -- last character that is dealt with
    local word = text:match("^%u[%u%d_]*", mark + 1) or ""
    for length = #word, 1, -1 do
      local name = word:sub(1, length)
      local known, value, nested = lookup(name)
      if known then
        stop = mark + length
        if value and nested then
          local failed
          value, failed = value_of(name, value)
          if not value then return nil, failed end
        end
        out[#out + 1] = value or text:sub(mark, stop)
        break
      end
    end
    if stop == mark then out[#out + 1] = "%" end
    at = stop + 1
  end
end

return expand
