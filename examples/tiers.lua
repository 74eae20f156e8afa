--- The shipped backup, with the guests suspended tier by tier: those that take requests first, the database last, so
-- that nobody is asked for what its neighbour cannot answer. They resume in the opposite order. With
-- NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y all volumes get one group snapshot.
--
-- When to use it: an application made of several guests that must be consistent with each other. The tier of a guest is
-- the part of its name before the first digit: web1, app1, db1.
-- run: moonsnap backup --policy daily --script examples/tiers.lua
local log = require "std.log"
local workflow = require "std.workflow"

local TIERS = { "web", "app", "db" }

local rank = {}
for i, tier in ipairs(TIERS) do rank[tier] = i end

local function before(a, b)
  -- a guest of no tier comes first: nobody is known to wait for it
  local first, second = rank[a.name:match("^%a+")] or 0, rank[b.name:match("^%a+")] or 0
  if first ~= second then return first < second end
  return a.name < b.name
end

return workflow.extend("backup", {
  summary = "the shipped backup, guests suspended tier by tier",

  quiesce = function(ctx, next)
    table.sort(ctx.guests, before)
    for i, guest in ipairs(ctx.guests) do log.info("%d. guest '%s'", i, guest.name) end
    return next()
  end,

  unquiesce = function(ctx, next)
    -- the guard resumes in the order of its own list
    table.sort(ctx.guard.attempted, function(a, b) return before(b, a) end)
    return next()
  end,
})
