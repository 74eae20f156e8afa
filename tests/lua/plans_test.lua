-- Plans: what may come in any order and what may not, names that hold a time, facts that differ, and what the engine
-- lets pass and shows while a plan is held.
local plan = require "engine.plan"
local virt = require "engine.virt"
local err = require "std.err"
local facts = require "std.facts"
local naming = require "std.naming"
local plans = require "std.plans"
local t = require "std.test"
local task = require "std.task"

local PLANNED = { stamp = "20261124020000", id = "20261124020000-7" }
local NOW = { stamp = "20261124050607", id = "20261124050607-12" }

local function step(op, object, args, side) return { op = op, object = object, args = args, side = side } end

local function snapshot(volume, run, side)
  return step("ontap.snapshot_create", "svm1",
    { volume = volume, name = "demo-daily_" .. run.stamp, comment = "run=" .. run.id }, side)
end

local STEPS = { step("domain.suspend", "a", nil, 4), step("domain.suspend", "b", nil, 4), snapshot("vol1", PLANNED, 9),
  snapshot("vol2", PLANNED, 9), step("process.run", "/bin/true", { argv = { "/bin/true" } }),
  step("domain.resume", "a", nil, 12) }

local function takes(list)
  local order = plans.order(STEPS, PLANNED)
  for i, item in ipairs(list) do
    local ok, how = order:take(item, NOW)
    if not ok then return i, how end
  end
  return #order:left()
end

t.case("side by side any order, else the plan's; names have the time of their run", function()
  t.eq(takes { step("domain.suspend", "b", nil, 1), step("domain.suspend", "a", nil, 2), snapshot("vol2", NOW, 3),
    snapshot("vol1", NOW, 5), step("process.run", "/bin/true", { argv = { "/bin/true" } }), step("domain.resume", "a") }, 0)
end)

t.case("a step too early, too often, of another name or with other arguments", function()
  local at, how = takes { step("domain.suspend", "a"), snapshot("vol1", NOW) }
  t.eq(at, 2)
  t.ok(how:find("step 2: the plan has 'domain.suspend b' there, not 'ontap.snapshot_create svm1", 1, true), how)
  t.eq((takes { step("domain.suspend", "a"), step("domain.suspend", "a") }), 2)
  local both = { step("domain.suspend", "a"), step("domain.suspend", "b") }
  t.eq((takes { both[1], both[2], snapshot("vol3", NOW) }), 3)
  t.eq((takes { both[1], both[2], snapshot("vol1", { stamp = "20261124020001", id = NOW.id }) }), 3)
  t.eq((takes { both[1], both[2] }), 4) -- left
end)

t.case("more than the plan has", function()
  local order = plans.order({ step("domain.suspend", "a") }, PLANNED)
  t.ok(order:ahead(step("domain.suspend", "a"), NOW))
  t.eq(order:take(step("domain.suspend", "a"), NOW), true)
  t.eq(order:ahead(step("domain.suspend", "a"), NOW), false)
  local ok, how = order:take(step("domain.resume", "a"), NOW)
  t.eq(ok, false)
  t.ok(how:find("the plan has nothing more there", 1, true), how)
end)

t.case("a plain script takes its own times, from its begin to its end", function()
  local run = { stamp = naming.stamp(1000000000), id = "x-1", plain = true, made = 1000000005 }
  local function timeless(seconds) return plans.timeless("s_" .. naming.stamp(seconds) .. "_x", run) end
  for _, seconds in ipairs { 1000000000, 1000000003, 1000000005 } do t.eq(timeless(seconds), "s_{time}_x") end
  for _, seconds in ipairs { 999999999, 1000000006 } do t.eq(timeless(seconds), "s_" .. naming.stamp(seconds) .. "_x") end
  t.eq(plans.timeless({ run.stamp .. "0", "a" .. run.stamp }, run), { run.stamp .. "0", "a{time}" })
  run.made = nil -- it goes on
  t.eq(timeless(), "s_{time}_x")
end)

t.case("what only the controller knows is free", function()
  local order = plans.order({ step("ontap.cg_commit", "svm1", { id = "the group of cg_start", look = false }) }, PLANNED)
  t.eq(order:take(step("ontap.cg_commit", "svm1", { id = "77", look = false }), NOW), true)
end)

t.case("facts", function()
  local f = facts.new()
  f:take { op = "ontap.volumes", object = "svm1", args = {}, result = {
    { name = "vol1", uuid = "u1", state = "online", type = "rw" },
    { name = "other", uuid = "u2", state = "online", type = "rw" } } }
  f:take { op = "ontap.snapshots", object = "svm1", args = { volume = "vol1" }, result = { { name = "s2", uuid = "y" },
    { name = "s1", uuid = "x" } } }
  f:take { op = "domain.state", object = "a", args = {}, result = { state = "running" } }
  f:take { op = "domain.state", object = "b", args = {}, failed = true }
  local seen = f:relevant { snapshot("vol1", PLANNED) }
  t.eq(seen, { ["volume svm1:vol1"] = "online rw uuid u1", ["snapshots of svm1:vol1"] = { "s1 (x)", "s2 (y)" },
    ["state of guest 'a'"] = "running" })
  t.eq(plans.compare_facts(seen, PLANNED, seen, NOW), {})
  local now = { ["volume svm1:vol1"] = "online rw uuid u1", ["snapshots of svm1:vol1"] = { "s1 (x)", "s3 (z)" } }
  t.eq(plans.compare_facts(seen, PLANNED, now, NOW), { "snapshots of svm1:vol1: 's3 (z)' is not in the plan",
    "state of guest 'a': 'running' in the plan, and not to be seen now" })
  t.eq(#plans.compare_facts(seen, PLANNED, now, NOW, true), 1)
  now["snapshots of svm1:vol1"] = { "s1 (x)" }
  t.eq(plans.compare_facts(seen, PLANNED, now, NOW, true),
    { "snapshots of svm1:vol1: 's2 (y)' is in the plan and not there any more" })
end)

t.case("what was made in the second of the plan is another's all the same", function()
  local planned = { ["snapshots of svm1:vol1"] = { "demo-hourly_" .. PLANNED.stamp },
    ["snapshots of svm1:vol1 named demo-daily_" .. PLANNED.stamp] = {} }
  local now = { ["snapshots of svm1:vol1"] = { "demo-hourly_" .. PLANNED.stamp },
    ["snapshots of svm1:vol1 named demo-daily_" .. NOW.stamp] = {} }
  t.eq(plans.compare_facts(planned, PLANNED, now, NOW), {})
  now["snapshots of svm1:vol1"] = { "demo-hourly_" .. NOW.stamp }
  t.eq(#plans.compare_facts(planned, PLANNED, now, NOW), 1)
end)

t.case("moonsnap's own files are not held, others are", function()
  local dirs = { state = "/s/state", log = "/s/log", run = "/s/run" }
  t.eq(plans.bookkeeping(step("file.replace", "/s/state/catalog/x.json"), dirs), true)
  t.eq(plans.bookkeeping(step("file.mkdirs", "/s/run"), dirs), true)
  t.eq(plans.bookkeeping(step("guard.hold", "/s/state/journal/x"), dirs), true)
  t.eq(plans.bookkeeping(step("file.replace", "/s/stateless"), dirs), false)
  t.eq(plans.bookkeeping(step("domain.suspend", "/s/state"), dirs), false)
end)

t.case("the engine asks before a call, and shows it after", function()
  local conn = assert(virt.open("test:///default"))
  local dom = conn:domain(assert(conn:lookup("test")))
  local asked, seen = {}, {}
  plan.hold(function(s)
    asked[#asked + 1] = s
    return s.op == "domain.destroy" and err.new("conflict", "not in the plan") or nil
  end)
  plan.observe(function(call) seen[#seen + 1] = call end)
  assert(task.all { function() return dom:suspend() end, function() return true end })
  t.err(nil, select(2, dom:destroy()), "conflict", "not in the plan")
  do
    local _back <close> = setmetatable({}, { __close = function() assert(dom:resume()) end })
  end
  local again, failed = dom:start()
  plan.hold(nil)
  plan.observe(nil)
  t.eq(again, nil, failed)
  local side = asked[1].side
  t.eq(math.type(side), "integer")
  t.eq(asked, { step("domain.suspend", "test", nil, side), step("domain.destroy", "test"),
    { op = "domain.resume", object = "test", closing = true }, step("domain.start", "test") })
  t.eq(#seen, 3)
  t.eq({ seen[1].op, seen[1].changes, seen[1].failed }, { "domain.suspend", true })
  t.eq({ seen[3].op, seen[3].failed }, { "domain.start", true })
  t.eq(dom:state().state, "running")
  t.ok(dom:destroy(), "nobody is asked any more")
  t.raises(function() plan.hold("no") end, "function expected")
end)

return t.done()
