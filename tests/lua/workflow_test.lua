-- Workflows: declarations, phases, what is owned, wrapping, exit codes.
local tasks = require "engine.task"
local err = require "std.err"
local log = require "std.log"
local t = require "std.test"
local workflow = require "std.workflow"

log.open { quiet = true }

local function context() return workflow.context { opts = {}, action = "x" } end

local function noted(list, word)
  return setmetatable({}, { __close = function() list[#list + 1] = word end })
end

t.case("a declaration is checked", function()
  t.raises(function() workflow { summary = "s", phases = {} } end, "field 'action' is missing")
  t.raises(function() workflow { action = 1, summary = "s", phases = {} } end, "'action' must be a string")
  t.raises(function() workflow { action = "a", summary = "s", phases = {}, quiesc = print } end,
    "'quiesc' is neither a field nor one of its phases")
  t.raises(function() workflow { action = "a", summary = "s", phases = { "go" }, go = 1 } end,
    "phase 'go' must be a function")
  t.raises(function() workflow { action = "a", summary = "s", phases = {}, needs = { "luck" } } end, "luck")
end)

t.case("phases run in order; a missing one is passed over", function()
  local seen = {}
  local wf = workflow { action = "a", summary = "s", phases = { "one", "two", "three" },
    three = function() seen[#seen + 1] = "three" end, one = function() seen[#seen + 1] = "one" end }
  t.ok(workflow.run(wf, context()))
  t.eq(seen, { "one", "three" })
end)

t.case("the first failure ends it: returned, raised as an object, raised as text", function()
  for _, how in ipairs { function() return nil, err.new("io", "broken") end,
    function() error(err.new("io", "broken"), 0) end, function() error("broken") end } do
    local later = false
    local wf = workflow { action = "a", summary = "s", phases = { "one", "two" }, one = how,
      two = function() later = true end }
    local ok, failed = workflow.run(wf, context())
    t.eq(ok, nil)
    t.ok(err.is(failed))
    t.ok(tostring(failed):find("broken", 1, true), tostring(failed))
    t.eq(later, false)
  end
end)

t.case("what is owned is closed last first, before failed runs, also when a close fails", function()
  local seen = {}
  local wf = workflow { action = "a", summary = "s", phases = { "one" },
    one = function(ctx)
      ctx:own(noted(seen, "first"))
      ctx:own(setmetatable({}, { __close = function()
        seen[#seen + 1] = "bad"
        error("cannot close")
      end }))
      ctx:own(noted(seen, "last"))
      error("stop")
    end,
    failed = function() seen[#seen + 1] = "failed" end }
  t.eq((workflow.run(wf, context())), nil)
  t.eq(seen, { "last", "bad", "first", "failed" })
end)

t.case("closing can wait, also after a cancel", function()
  local seen, begun = {}, false
  local wf = workflow { action = "a", summary = "s", phases = { "one" },
    one = function(ctx)
      ctx:own(setmetatable({}, { __close = function()
        tasks.sleep(0.01)
        seen[#seen + 1] = "closed"
      end }))
      begun = true
      tasks.sleep(60)
    end }
  local outcome
  local task = tasks.spawn(function() outcome = table.pack(workflow.run(wf, context())) end)
  while not begun do tasks.sleep(0.002) end
  task:cancel()
  t.ok(task:join())
  t.eq(seen, { "closed" })
  t.eq(outcome[2].code, "cancelled")
end)

t.case("the worst exit code wins", function()
  local ctx = context()
  ctx:worse(3)
  t.eq(ctx.exit, 3)
  ctx:worse(1)
  t.eq(ctx.exit, 1)
  ctx:worse(3)
  t.eq(ctx.exit, 1)
  ctx:worse(5)
  ctx:worse(1)
  t.eq(ctx.exit, 5)
end)

t.case("extend wraps phases and keeps the rest", function()
  local base = workflow.load_shipped("backup")
  local wf = workflow.extend("backup", { summary = "mine", quiesce = function() return "wrapped" end })
  t.eq(wf.summary, "mine")
  t.eq(wf.quiesce({}), "wrapped")
  t.eq(wf.phases, base.phases)
  t.raises(function() workflow.extend("backup", { quiesc = print }) end, "has no phase 'quiesc'")
end)

t.case("extend adds to failed and ended, and takes nothing away", function()
  local seen = {}
  local function sees(name, raises)
    return function(_, failed)
      seen[#seen + 1] = name .. ":" .. tostring(failed and failed.code)
      if raises then error("broken") end
    end
  end
  local base = workflow { action = "a", summary = "s", phases = { "one" }, failed = sees("base", true), ended = sees("end") }
  local shipped = workflow.load_shipped
  workflow.load_shipped = function() return base end
  local ok, mine = pcall(workflow.extend, "a", { failed = sees("mine"), ended = sees("mine end", true) })
  workflow.load_shipped = shipped
  t.ok(ok, mine)
  mine.one = function() return nil, err.new("busy", "no") end
  t.eq((workflow.run(mine, context())), nil)
  t.eq(seen, { "base:busy", "mine:busy", "end:busy", "mine end:busy" })
  seen = {}
  mine.one = nil
  t.eq(workflow.run(mine, context()), true)
  t.eq(seen, { "end:nil", "mine end:nil" })
end)

t.case("compile says what is wrong, with the file", function()
  local wf, failed = workflow.compile("return {", "@/x/y.lua")
  t.eq(wf, nil)
  t.ok(failed.message:find("/x/y.lua:1:", 1, true), failed.message)
  t.eq(failed.exit, 2)
  wf, failed = workflow.compile("return {}", "@/x/y.lua")
  t.eq(wf, nil)
  t.ok(failed.message:find("does not return a workflow", 1, true), failed.message)
  wf, failed = workflow.compile("error('no')", "@/x/y.lua")
  t.eq(wf, nil)
  t.ok(failed.message:find("loading it failed", 1, true), failed.message)
end)

return t.done()
