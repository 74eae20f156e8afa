--- `%NAME` substitution.
-- The longest known name at each position is taken, so that `%SNAP_TYPE_%SNAP_TIME` and
-- `%SNAP_TYPE_recent` mean what they look like. `%%` is nothing special.
-- @module std.config_expand

local err = require "engine.err"

local MAX_DEPTH = 8
local MAX_NAME = 128 -- characters; a longer name is none
local MAX_WORK = 1 << 20 -- bytes and names; eight levels of names in names could make any number

local function fail(format, ...)
  return nil, err.new { code = "invalid", source = "engine", op = "expand", exit = 2, message = format:format(...) }
end

--- Fill in the names in a text. What comes of it has at most 1 MiB.
-- @tparam string text
-- @tparam function lookup called with a name; returns whether it is one, its value (nil: leave the
--   name as it stands) and whether names in that value are to be filled in as well
-- @tparam {string,...} chain names whose values this text comes from; on return the same names, and as `work` what it
--   took so far
-- @tparam string where shown in errors
-- @treturn[1] string
-- @return[2] nil
-- @treturn[2] Err `invalid`: a name refers to itself, values are nested more than 8 deep, or too long a text
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
  chain.work = (chain.work or 0) + #text
  while true do
    chain.work = chain.work + 1
    if chain.work > MAX_WORK then return fail("%s: with all names filled in it has more than 1 MiB", where) end
    local mark = text:find("%", at, true)
    if not mark then
      out[#out + 1] = text:sub(at)
      return table.concat(out)
    end
    out[#out + 1] = text:sub(at, mark - 1)
    local stop = mark             -- last character that is dealt with
    local word = text:match("^%u[%u%d_]*", mark + 1) or ""
    for length = math.min(#word, MAX_NAME), 1, -1 do
      local name = word:sub(1, length)
      local known, value, nested = lookup(name)
      if known then
        stop = mark + length
        if value and nested then
          local failed
          value, failed = value_of(name, value)
          if not value then return nil, failed end
        end
        chain.work = chain.work + #(value or "")
        out[#out + 1] = value or text:sub(mark, stop)
        break
      end
    end
    if stop == mark then out[#out + 1] = "%" end
    at = stop + 1
  end
end

return expand
