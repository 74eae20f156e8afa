--- Workflows: declare one, wrap a shipped one, run one.
--
-- A script returns `workflow{ action=, summary=, phases={...}, <phase> = function(ctx) ... end, ... }`.
-- A phase returns true (or nothing), or nil and an error, or raises one; the first failure ends the
-- run. What was handed to `ctx:own` is closed then, in reverse order: suspended guests run again before
-- anything else happens. After that `failed(ctx, err)` may clean up. `ended(ctx, err)` comes last, whatever became of the
-- run: `err` is nil when no phase failed, and `ctx.exit` may still be 3 or 5 then.
-- @module std.workflow

local plan = require "engine.plan"
local process = require "engine.process"
local trace = require "engine.trace"
local err = require "std.err"
local failure = require "std.failure"
local log = require "std.log"
local nearest = require "std.nearest"
local options = require "std.options"

local workflow = {}

-- What scripts may rely on, as scripts/COMPATIBILITY.md says; it changes when something of that goes.
workflow.api = 1

local Workflow = {}
Workflow.__index = Workflow

-- name -> {type, required}
local FIELDS = {
  action = { "string", true }, summary = { "string", true }, phases = { "table", true }, needs = { "table" },
  plan = { "function" }, failed = { "function" }, ended = { "function" }, title = { "string" }, lock = { "boolean" },
  api = { "number" }, scope = { "string" }, options = { "table" },
}

-- What a workflow works on: one config, which it gets read and checked, or more than that.
local SCOPES = { config = true, profile = true, host = true }

-- What a run may need: option or parameter, and how to say so.
local NEEDS = {
  policy = "--policy", backupName = "--backupName", profile = "--profile",
}

local function check(t, level)
  for name, rule in pairs(FIELDS) do
    if t[name] == nil and rule[2] then error(("workflow: field '%s' is missing"):format(name), level) end
    if t[name] ~= nil and type(t[name]) ~= rule[1] then
      error(("workflow: field '%s' must be a %s"):format(name, rule[1]), level)
    end
  end
  if t.api and t.api ~= workflow.api then
    error(("workflow: it is written for api %s, this moonsnap has api %d"):format(t.api, workflow.api), level)
  end
  if t.scope and not SCOPES[t.scope] then error(("workflow: there is no scope '%s'"):format(t.scope), level) end
  if t.lock and (t.scope or "config") ~= "config" then error("workflow: only a config has a lock", level) end
  local phases = {}
  for _, name in ipairs(t.phases) do
    phases[name] = true
    if FIELDS[name] then error(("workflow: a phase cannot be called '%s'"):format(name), level) end
    if t[name] ~= nil and type(t[name]) ~= "function" then
      error(("workflow: phase '%s' must be a function"):format(name), level)
    end
  end
  for name in pairs(t) do
    if not FIELDS[name] and not phases[name] then
      error(("workflow: '%s' is neither a field nor one of its phases"):format(tostring(name)), level)
    end
  end
  for _, name in ipairs(t.options or {}) do
    if not options.known[name] then error(("workflow: there is no option --%s"):format(tostring(name)), level) end
  end
  for _, need in ipairs(t.needs or {}) do
    if not NEEDS[need] then error(("workflow: nobody knows how to give '%s'"):format(tostring(need)), level) end
  end
end

--- Whether a value is a workflow.
-- @param value
-- @treturn boolean
function workflow.is(value)
  return getmetatable(value) == Workflow
end

--- Declare a workflow.
-- @tparam table t action, summary, phases, one function per phase; optional: needs ({"policy",
--   "backupName","profile"}), lock (one run per config at a time), failed(ctx, err), plan(ctx) -> data for a dry
--   run, ended(ctx, err), title, api (1: what it is written for), scope ("profile" or "host": `ctx` has no config, and
--   there is no log file), options (names of those that it reads beside the usual ones, such as {"backupName"}: others are
--   warned of)
-- @treturn Workflow
-- @raise for a field that is missing, unknown or of the wrong type
-- @usage
-- local workflow = require "std.workflow"
-- local mine = workflow {
--   action = "drain", summary = "let the queue run empty", phases = { "drain" },
--   drain = function(ctx) require("std.log").info("profile %s", ctx.profile) end,
-- }
-- assert(workflow.is(mine))
function workflow.new(t)
  check(t, 3)
  return setmetatable(t, Workflow)
end

-- Both, the second one whatever becomes of the first.
local function after(first, second)
  if not first then return second end
  return function(...)
    local ok, problem = pcall(first, ...)
    second(...)
    if not ok then error(problem, 0) end
  end
end

-- A phase round another one. Who asks for `next` and forgets it leaves a step out, quiesce for instance, and learns of it from
-- whatever breaks later.
local function wrapped(what, original, change)
  local about = trace.written(change)
  return function(ctx)
    local called = false
    local ok, failed = change(ctx, function()
      called = true
      return original(ctx)
    end)
    if not called and about.parameters > 1 and not (ok == nil and failed ~= nil) then
      log.warn("%s: phase %s takes next and did not call it: the shipped step was left out; write return next()",
        about.at, what)
    end
    return ok, failed
  end
end

--- A shipped workflow with some of its phases wrapped.
-- @tparam string action
-- @tparam table changes phase name -> function(ctx, next): next() runs the original; one that takes next and does
--   not call it is warned of. `failed` and `ended` come after the original, which always runs; other fields replace
-- @treturn Workflow
-- @raise for a phase that the workflow lacks
-- @usage
-- local mine = require("std.workflow").extend("backup", {
--   quiesce = function(ctx, next)
--     require("std.log").info("policy %s", ctx.policy)
--     return next()
--   end,
-- })
-- assert(mine.action == "backup")
function workflow.extend(action, changes)
  local base = workflow.load_shipped(action)
  local t = {}
  for name, value in pairs(base) do t[name] = value end
  local phases = {}
  for _, name in ipairs(base.phases) do phases[name] = true end
  for name, change in pairs(changes) do
    if phases[name] then
      t[name] = wrapped(("%s of %s"):format(name, action), base[name] or function() end, change)
    elseif name == "failed" or name == "ended" then
      t[name] = after(base[name], change)
    elseif FIELDS[name] then
      t[name] = change
    else
      local names = table.move(base.phases, 1, #base.phases, 1, {})
      for field in pairs(FIELDS) do names[#names + 1] = field end
      table.sort(names)
      error(("workflow.extend: '%s' has no phase '%s'%s"):format(action, tostring(name),
        nearest.hint(tostring(name), names)), 2)
    end
  end
  return workflow.new(t)
end

local function made_by(fn, name)
  local ok, value = err.try(fn)
  if not ok then
    return nil, err.new("invalid", ("%s: loading it failed: %s"):format(name:gsub("^@", ""), tostring(value)),
      { exit = 2, cause = value, at = value.at, traceback = value.traceback })
  end
  if not workflow.is(value) then
    return nil, err.new("invalid", ("%s: does not return a workflow; write return workflow { ... }")
      :format((name:gsub("^@", ""))), { exit = 2 })
  end
  return value
end

--- Compile and run a script's text; it must return a workflow.
-- @tparam string text
-- @tparam string name for messages, "@/path"
-- @treturn[1] Workflow
-- @return[2] nil
-- @treturn[2] Err `invalid`, exit 2
function workflow.compile(text, name)
  local fn, failed = failure.compile(text, (name:gsub("^@", "")))
  if not fn then return nil, failed end
  return made_by(fn, name)
end

--- A workflow that travels with moonsnap.
-- @tparam string action
-- @treturn Workflow
-- @raise when there is none
function workflow.load_shipped(action)
  local name = ("scripts/%s.lua"):format(action)
  local fn = process.shipped(name)
  if not fn then error(("there is no shipped workflow '%s'"):format(action), 3) end
  return assert(made_by(fn, name))
end

--- What the run lacks of what the workflow needs.
-- @tparam Workflow wf
-- @tparam table opts command line options
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err exit 2
function workflow.check_needs(wf, opts)
  for _, need in ipairs(wf.needs or {}) do
    if not opts[need] then
      return nil, err.new("invalid", ("%s needs %s"):format(wf.action, NEEDS[need]), { exit = 2 })
    end
  end
  return true
end

local Context = {}
Context.__index = Context

--- Hand a to-be-closed value to the run: it is closed when the run ends or fails, last one first.
-- @param value
-- @return the same value
function Context:own(value)
  self.owned[#self.owned + 1] = value
  return value
end

--- Ask for an exit code; the worst one wins: 5, then 1, then 3.
-- @tparam integer code
function Context:worse(code)
  local rank = { [0] = 0, [3] = 1, [1] = 2, [5] = 3 }
  if rank[code] > rank[self.exit] then self.exit = code end
  if code == 5 and self.alarm then self.alarm() end
end

--- Where this run's guard writes its journal.
-- @treturn string
function Context:journal_path()
  return ("%s/journal/%s.%s.%s.journal"):format(self.dirs.state, self.profile, self.config_name, self.id)
end

--- What a phase gets: `ctx`. The first fields are there from the beginning, the others when the step that is named has run; a
-- workflow of your own calls it itself. Fields that you add are yours.
-- @table ctx
-- @field cfg the Config: `ctx.cfg:get("SNAME")`, `ctx.cfg:raw("SITE_KEY")`; none with scope "profile" or "host"
-- @field opts options of the command line by name: `ctx.opts.json`, `ctx.opts["libvirt-uri"]`
-- @field profile as given by --profile
-- @field config_name as given by --config
-- @field action name of the action
-- @field policy as given by --policy
-- @field stamp time of the run as in names, "20261124020000"
-- @field id the run: stamp and process id
-- @field dirs `{config=,state=,log=,run=}`
-- @field dry_run whether nothing is to be changed
-- @field exit exit code so far, 0 to begin with; `ctx:worse(3)` asks for another one
-- @field phase name of the phase that runs
-- @field conn connection to libvirt, after `std.discovery.connect`; the run closes it
-- @field guests the guests that take part, after `std.discovery.run` (phase discover of backup)
-- @field volumes `{{controller=string,volume=string},...}` of their disks, after `std.discovery.run`
-- @field controllers clients, a list that is also indexed by name, after `std.ontap.connect` or `std.ontap.identify`
-- @field snapshot name of the snapshots of this run, after phase discover of backup
-- @field record what the catalog will have of this run, after phase pre of backup
-- @field guard what holds the suspended guests, in phases quiesce to unquiesce of backup
-- @field items the guests to restore, after phase find of restore

--- Make a context.
-- @tparam table fields opts, cfg, dirs, profile, config_name, action, policy, stamp; alarm: called without arguments as soon as
--   the run needs somebody to look (exit code 5)
-- @treturn Context
function workflow.context(fields)
  fields.owned = {}
  fields.exit = 0
  fields.dry_run = plan.active()
  return setmetatable(fields, Context)
end

-- Closes owned values in reverse order; an error in one does not keep the others from being closed.
local function close_owned(ctx)
  local first
  while #ctx.owned > 0 do
    local value = table.remove(ctx.owned)
    local ok, failed = pcall(function() local _value <close> = value end)
    if not ok then
      log.error(failed)
      first = first or failed
    end
  end
  return first
end

-- Runs in a function of its own, so that the scope closes on errors and cancels alike.
local function run_phases(wf, ctx)
  local _scope <close> = setmetatable({}, { __close = function(_, failed)
    if failed then plan.hold(nil) end -- a plan ends where it fails: it knows nothing of the clean-up
    close_owned(ctx)
  end })
  for _, name in ipairs(wf.phases) do
    local phase = wf[name]
    if phase then
      ctx.phase = name
      log.debug("phase %s", name)
      local ok, failed = phase(ctx)
      if ok == nil and failed ~= nil then error(failed, 0) end
    end
  end
end

--- Run a workflow's phases.
-- @tparam Workflow wf
-- @tparam Context ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err of the phase that failed; everything owned is closed and `failed` has run
function workflow.run(wf, ctx)
  local ok, failed = err.try(run_phases, wf, ctx)
  local function tell(fn, what)
    local done, problem = err.try(fn or function() end, ctx, failed)
    if done then return end
    local at = problem.at and not tostring(problem):find(problem.at, 1, true) and (" (%s)"):format(problem.at) or ""
    log.error("while %s: %s%s", what, problem, at)
  end
  if ok then
    failed = nil
    tell(wf.ended, "ending")
    return true
  end
  if failed.exit == 1 or failed.exit == 3 or failed.exit == 5 then ctx:worse(failed.exit) end
  tell(wf.failed, "cleaning up")
  tell(wf.ended, "ending")
  return nil, failed
end

return setmetatable(workflow, { __call = function(_, t) return workflow.new(t) end })
