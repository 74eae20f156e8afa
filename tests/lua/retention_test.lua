-- What retention may delete, by example and by random search.
local naming = require "std.naming"
local retention = require "std.retention"
local t = require "std.test"

local DAY = 86400
local NOW = naming.epoch("20240701120000")

local function snapshot(age_in_days, fields)
  local created = math.floor(NOW - age_in_days * DAY)
  local s = { created = created, volume = "v1", controller = "c1",
    name = naming.make { sname = "kvm", policy = "daily", stamp = naming.stamp(created) } }
  for key, value in pairs(fields or {}) do s[key] = value end
  return s
end

local function plan(snapshots, options)
  local o = { snapshots = snapshots, sname = "kvm", policies = { "daily", "weekly" }, policy = "daily", now = NOW }
  for key, value in pairs(options) do o[key] = value end
  return retention.plan(o)
end

-- Ages in days of a list, oldest first.
local function ages(list)
  local out = {}
  for i, s in ipairs(list) do out[i] = (NOW - s.created) // DAY end
  return out
end

local function series(n)
  local list = {}
  for i = 1, n do list[i] = snapshot((i * 7) % n) end       -- n must not be a multiple of 7
  return list
end

t.case("by count, the new copy included", function()
  local p = plan(series(5), { count = 3 })
  t.eq(ages(p.delete), { 4, 3 })
  t.eq(ages(p.keep), { 2, 1, 0 })
  t.eq(p.blocked, {})
  t.eq(p.delete[1].reason, "beyond 3 copies")
  t.eq(p.keep[1].reason, "one of the newest 3")
  t.eq(#plan(series(3), { count = 3 }).delete, 0)
  t.eq(#plan({}, { count = 3 }).delete, 0)
end)

t.case("by count and age: both are needed", function()
  local p = plan(series(6), { count = 2, age_days = 3.5 })
  t.eq(ages(p.delete), { 5, 4 })
  t.eq(p.keep[1].reason, "beyond 2 copies, but not older than 3.5 days")
  t.eq(p.delete[1].reason, "beyond 2 copies and older than 3.5 days")
  t.eq(ages(plan(series(6), { count = 5, age_days = 1 }).delete), { 5 })
  -- Exactly as old is not older.
  t.eq(ages(plan(series(6), { count = 1, age_days = 4 }).delete), { 5 })
end)

t.case("by age alone", function()
  local p = plan(series(6), { count = 5, age_days = 2, by_age_only = true })
  t.eq(ages(p.delete), { 5, 4, 3 })
  t.eq(p.delete[1].reason, "older than 2 days")
  t.eq(p.keep[1].reason, "not older than 2 days")
  p = plan({ snapshot(30), snapshot(20) }, { age_days = 2, by_age_only = true })
  t.eq(ages(p.delete), { 30 })
  t.eq(p.keep[1].reason, "the newest good copy")
end)

t.case("switched off, or never", function()
  t.eq(plan(series(6), { count = 0 }).delete, {})
  t.eq(plan(series(6), { count = 0 }).keep[1].reason, "the policy is switched off by its count of 0")
  local p = plan(series(6), { count = 1, nodelete = true })
  t.eq(p.delete, {})
  t.eq(p.keep[1].reason, "NTAP_SNAPSHOT_NODELETE=Y")
end)

t.case("names of others stay", function()
  local others = {
    { "kvm-weekly_20240101000000", "belongs to policy 'weekly'" },
    { "kvm2-daily_20240101000000", "not a backup of this config" },
    { "kvm-x-daily_20240101000000", "not a backup of this config" },
    { "kvm-daily_20240101", "not a backup of this config" },
    { "kvm-daily_20240101000000_unlimited", "renamed to be kept for ever" },
    { "kvm-restore_20240101000000", "taken before a restore" },
    { "hourly.0", "not a backup of this config" },
    { "snapmirror.x.2024-01-01", "not a backup of this config" },
  }
  for _, other in ipairs(others) do
    local p = plan({ snapshot(0), snapshot(1), snapshot(100, { name = other[1] }) }, { count = 1, force = true })
    t.eq(ages(p.delete), { 1 }, other[1])
    t.eq({ p.keep[1].name, p.keep[1].reason }, other, other[1])
  end
end)

t.case("recent copies count", function()
  local p = plan({ snapshot(0, { name = "kvm-daily_recent" }), snapshot(1), snapshot(2) }, { count = 2 })
  t.eq(ages(p.delete), { 2 })
end)

t.case("copies that something owns are blocked, with or without a busy flag", function()
  local list = { snapshot(0), snapshot(1, { busy = true, owners = { "SnapMirror", "clone" } }),
    snapshot(2, { busy = false, owners = { "SnapMirror" } }), snapshot(3, { busy = false, owners = {} }) }
  local p = plan(list, { count = 1 })
  t.eq(ages(p.delete), { 3 })
  t.eq(p.blocked[1].reason, "in use on the controller by SnapMirror")
  t.eq(p.blocked[2].reason, "in use on the controller by SnapMirror, clone")
  t.eq(ages(plan(list, { count = 1, force = true }).delete), { 3, 2, 1 })
end)

t.case("busy and needed copies are blocked unless forced", function()
  local list = { snapshot(0), snapshot(1, { busy = true }), snapshot(2, { dependency = "clone" }),
    snapshot(3, { dependency = true }), snapshot(4), snapshot(5, { busy = false, dependency = "" }) }
  local p = plan(list, { count = 1 })
  t.eq(ages(p.delete), { 5, 4 })
  t.eq(ages(p.blocked), { 3, 2, 1 })
  t.eq(p.blocked[1].reason, "something depends on it")
  t.eq(p.blocked[2].reason, "something depends on it: clone")
  t.eq(p.blocked[3].reason, "in use on the controller")
  p = plan(list, { count = 1, force = true })
  t.eq(ages(p.delete), { 5, 4, 3, 2, 1 })
  t.eq(p.blocked, {})
end)

t.case("failed backups take no place of good ones", function()
  local bad = {}
  local function catalog(name) return bad[name] and "failed" or "ok" end
  local list = series(6)
  for _, s in ipairs(list) do
    local age = (NOW - s.created) // DAY
    if age == 0 or age == 2 or age == 4 then bad[s.name] = true end
  end
  -- Good: 1, 3, 5. The failed one of day 4 goes: two good ones are newer.
  local p = plan(list, { count = 2, catalog = catalog })
  t.eq(ages(p.delete), { 5, 4 })
  t.eq(ages(p.keep), { 3, 2, 1, 0 })
  -- The newest good copy is not the newest copy.
  p = plan(list, { age_days = 0.5, by_age_only = true, catalog = catalog })
  t.eq(ages(p.delete), { 5, 4, 3, 2 })
  t.eq(p.keep[1].reason, "the newest good copy")
  -- None is good: nothing goes by count, and by age the newest stays.
  local function all_bad() return "failed" end
  t.eq(plan(list, { count = 1, catalog = all_bad }).delete, {})
  t.eq(ages(plan(series(6), { age_days = 0.5, by_age_only = true, catalog = all_bad }).keep), { 0 })
  -- What the catalog does not know counts as good.
  t.eq(ages(plan(list, { count = 3, catalog = function() end }).delete), { 5, 4, 3 })
end)

t.case("each volume by itself, oldest first, equals by name", function()
  local list = { snapshot(0), snapshot(3), snapshot(0, { volume = "v2" }), snapshot(3, { volume = "v2" }),
    snapshot(0, { controller = "c2" }), snapshot(5, { controller = "c2" }), snapshot(3, { controller = "c0" }),
    snapshot(0, { controller = "c0" }) }
  local p = plan(list, { count = 1 })
  local got = {}
  for i, s in ipairs(p.delete) do got[i] = ("%s:%s:%d"):format(s.controller, s.volume, (NOW - s.created) // DAY) end
  t.eq(got, { "c2:v1:5", "c0:v1:3", "c1:v1:3", "c1:v2:3" })
  local a, b = snapshot(3, { name = "kvm-daily_20240101000000" }), snapshot(3, { name = "kvm-daily_20240102000000" })
  p = plan({ snapshot(0), b, a }, { count = 1 })
  t.eq({ p.delete[1].name, p.delete[2].name }, { a.name, b.name })
end)

t.case("input is not changed", function()
  local list = series(5)
  local first = list[1]
  local p = plan(list, { count = 1 })
  t.eq(list[1], first)
  t.eq(first.reason, nil)
  t.ok(p.delete[1].reason)
end)

t.case("random inputs: never the newest good copy, never more than allowed", function()
  math.randomseed(20240701)
  local names = { "daily", "weekly" }
  for round = 1, 2000 do
    local list, bad, seen = {}, {}, {}
    for _ = 1, math.random(0, 25) do
      local s = snapshot(math.random(0, 40) + math.random(), { volume = "v" .. math.random(1, 2) })
      local kind = math.random(10)
      if kind == 1 then s.name = s.name .. "_unlimited"
      elseif kind == 2 then s.name = "other-daily_" .. naming.stamp(s.created)
      elseif kind == 3 then s.name = "kvm-weekly_" .. naming.stamp(s.created)
      elseif kind == 4 then s.name = "kvm-restore_" .. naming.stamp(s.created) end
      s.busy = math.random(8) == 1
      s.dependency = math.random(8) == 1 and "clone" or nil
      if not seen[s.volume .. s.name] then
        seen[s.volume .. s.name] = true
        list[#list + 1] = s
        if math.random(5) == 1 then bad[s.name] = true end
      end
    end
    local o = { snapshots = list, sname = "kvm", policies = names, policy = "daily", now = NOW,
      count = math.random(0, 6), age_days = math.random(2) == 1 and math.random(1, 40) or nil,
      force = math.random(3) == 1, nodelete = math.random(10) == 1,
      catalog = function(name) return bad[name] and "failed" or nil end }
    o.by_age_only = o.age_days ~= nil and math.random(3) == 1
    local p = retention.plan(o)
    local label = "round " .. round
    t.eq(#p.delete + #p.keep + #p.blocked, #list, label)
    t.eq(retention.plan(o), p, label)
    for i = 2, #p.delete do t.ok(p.delete[i - 1].created <= p.delete[i].created, label) end
    for _, volume in ipairs { "v1", "v2" } do
      local newest, good, gone = nil, 0, 0
      for _, s in ipairs(list) do
        local found = naming.parse(s.name, "kvm", names)
        if s.volume == volume and found and found.policy == "daily" and not found.unlimited and not bad[s.name] then
          good = good + 1
          if not newest or s.created > newest.created then newest = s end
        end
      end
      for _, s in ipairs(p.delete) do
        if s.volume == volume then
          local found = naming.parse(s.name, "kvm", names)
          t.ok(found and found.policy == "daily" and not found.unlimited, label)
          t.ok(not newest or s.name ~= newest.name, label)
          t.ok(o.force or not (s.busy or s.dependency), label)
          t.ok(not o.nodelete and (o.count > 0 or o.by_age_only), label)
          if o.age_days then t.ok(NOW - s.created > o.age_days * DAY, label) end
          if not bad[s.name] then gone = gone + 1 end
        end
      end
      if not o.by_age_only then t.ok(gone <= math.max(0, good - math.max(1, o.count)), label) end
    end
  end
end)

t.case("misuse raises", function()
  t.raises(function() retention.plan() end, "options expected")
  t.raises(function() plan({}, { count = 1, extra = 1 }) end, "unknown option 'extra'")
  t.raises(function() plan({}, { count = "1" }) end, "count must be a number")
  t.raises(function() plan({}, {}) end, "count is missing")
  t.raises(function() plan({}, { by_age_only = true }) end, "by_age_only needs age_days")
  t.raises(function() plan({ {} }, { count = 1 }) end, "snapshot 1 needs name and created")
  t.raises(function() retention.plan { snapshots = {}, count = 1 } end, "sname is missing")
end)

return t.done()
