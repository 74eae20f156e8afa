--- The known name that a misspelt one most likely stands for.
-- @module std.nearest

local nearest = {}

--- How far apart two names are: letters that must be put in, taken out or changed.
-- @tparam string a
-- @tparam string b
-- @tparam[opt] integer limit more than that need not be told apart
-- @treturn integer at most limit + 1
-- @usage assert(require("std.nearest").distance("backp", "backup") == 1)
function nearest.distance(a, b, limit)
  limit = limit or #a + #b
  if math.abs(#a - #b) > limit then return limit + 1 end
  local previous = {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local current, best = { [0] = i }, i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      current[j] = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
      best = math.min(best, current[j])
    end
    if best > limit then return limit + 1 end
    previous = current
  end
  return math.min(previous[#b], limit + 1)
end

--- Of several names the one that was meant, as the end of a message.
-- @tparam string name as it was written; letter case does not count
-- @tparam {string,...} names
-- @treturn string "; did you mean backup?", or "" when none is near
-- @usage assert(require("std.nearest").hint("Backup", { "restore", "backup" }) == "; did you mean backup?")
function nearest.hint(name, names)
  local best, limit = nil, math.min(3, #name // 3) -- more of a word changed is another word
  for _, known in ipairs(names) do
    local d = nearest.distance(name:lower(), known:lower(), limit)
    if d <= limit then best, limit = known, d - 1 end
  end
  return best and ("; did you mean %s?"):format(best) or ""
end

return nearest
