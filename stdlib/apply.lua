--- `moonsnap apply PLAN.json`: carry out a plan as it stands, or nothing.
--
-- A whole dry run comes first and is compared with the plan. Then the workflow or the plain script runs, and every call that
-- changes something is held against the plan before it is made.
-- @module std.apply

local json = require "engine.json"
local plan = require "engine.plan"
local process = require "engine.process"
local err = require "std.err"
local facts = require "std.facts"
local log = require "std.log"
local plans = require "std.plans"
local task = require "std.task"

local apply = {}

local Held = {}
Held.__index = Held

-- These bring a guest back. They are made whatever a plan says.
local RESCUE = { ["domain.resume"] = true, ["domain.thaw"] = true }
-- And this one, when a run ends early that had stopped the guest.
local BACK = { ["domain.start"] = true }

-- These take back a step: which one, and what it called the thing that these call so.
local UNDOES = {
  ["ontap.snapshot_delete"] = { "ontap.snapshot_create", volume = "volume", name = "name" },
  ["ontap.volume_delete"] = { "ontap.volume_clone", volume = "to" },
  ["ontap.lun_delete"] = { "ontap.lun_clone", path = "to" },
  ["ontap.lun_unmap"] = { "ontap.lun_map", path = "path", igroup = "igroup" },
  ["ontap.export_delete"] = { "ontap.export_create", name = "name" },
  ["file.remove"] = { "file.replace", path = "path" },
}

local function drift(path, how)
  return err.coded("kvm-00019", plans.line(("%s: %s"):format(path, how)), nil, { code = "conflict", exit = 1 })
end

local function describe(step)
  return step.object and step.op .. " " .. step.object or step.op
end

-- What gives up something that was begun, by op, or op and action: the script has seen a failure in what it looked at.
local GIVES_UP = { ["ontap.cg_abort"] = true, ["ontap.mirror_change abort"] = true }

-- A failure that no call of the plan has told of.
local function unseen_failure(step)
  if task.cancelled() then return "the run, which was interrupted" end
  local action = step.args and step.args.action
  return (GIVES_UP[step.op] or action and GIVES_UP[step.op .. " " .. action]) and "what it gives up" or nil
end

-- Before the first change: this very run has looked at the same world.
local function check_facts(self)
  return plans.compare_facts(self.planned.facts, self.planned.run, self.seen.values, self.run, true)[1]
end

-- Whether `made` is what a step takes back. A step's passwords are blacked out; arguments that may hold some are not told.
local function is_undone(made, undo, step)
  if made.op ~= undo[1] or made.object ~= step.object then return false end
  local args = plans.redacted(made.args or {})
  for name, of in pairs(undo) do
    if name ~= 1 and args[of] ~= step.args[name] then return false end
  end
  return true
end

-- Whether a step takes back one that this run has made.
local function undoes(self, step)
  local undo = UNDOES[step.op]
  for _, made in ipairs(undo and self.made or {}) do
    if is_undone(made, undo, step) then return true end
  end
  return false
end

-- After the first refusal: what brings guests back, what takes back what was done, what `<close>` does; of a workflow also
-- what the plan has for later, since its phases look at their errors. A script that does not must get no further.
local function may_follow(self, step)
  return BACK[step.op] or step.closing or undoes(self, step)
    or not self:plain() and self.order:ahead(step, self.run)
end

-- The engine asks this before a call that changes something; nil lets it pass.
local function decide(self, step)
  if plans.bookkeeping(step, self.dirs) then return nil end
  step.args = plans.redacted(step.args)
  if self.refused then
    if RESCUE[step.op] or self.run and may_follow(self, step) then return nil end
    log.warn("%s: %s comes after that refusal, and is not carried out either", self.path, describe(step))
    return self.refused
  end
  -- What loading the script of a workflow does is no step: it would be done before anything is compared.
  local how = not self.run and ("%s comes before the first phase; a workflow's script changes nothing when it is loaded")
    :format(describe(step)) or not self.begun and check_facts(self)
  self.begun = true
  local ok = false
  if not how then ok, how = self.order:take(step, self.run) end
  if ok then return nil end
  self.failed = self.failed or unseen_failure(step)
  if RESCUE[step.op] or self.failed then
    -- A plan says nothing of what follows a failure: then the script is right, as in any run.
    log.warn("%s: %s is not in the plan%s", self.path, describe(step), self.failed and "; it follows the failure of "
      .. self.failed or "")
    return nil
  end
  self.refused = drift(self.path, how)
  return self.refused
end

local function note(self, call)
  if not call.changes then
    if not self.begun then self.seen:take(call) end
  elseif (call.failed or call.op == "process.run" and call.result.status ~= 0) and not plans.bookkeeping(call, self.dirs) then
    self.failed = self.failed or describe(call)
  else
    table.insert(self.made, call)
  end
end

--- Whether the plan is a plain script's.
-- @treturn boolean
function Held:plain()
  return self.planned.run.plain or false
end

--- From now on this process carries out the plan; until then nothing may be changed. `std.cli` calls it when the run has its
-- name, before the first phase; `std.script` before the script's first line.
-- @tparam {stamp=string,id=string} ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00019: something was to be changed before
function Held:begin(ctx)
  if self.refused then return nil, self.refused end
  self.run = { stamp = ctx.stamp, id = ctx.id, plain = self:plain() }
  return true
end

-- Holds every call of this process against the plan.
local function hold(path, planned, dirs)
  local steps = {}
  for _, step in ipairs(planned.steps) do
    if not plans.bookkeeping(step, dirs) then steps[#steps + 1] = step end
  end
  local self = setmetatable({ path = path, planned = planned, dirs = dirs, seen = facts.new(), made = {},
    order = plans.order(steps, planned.run) }, Held)
  plan.hold(function(step) return decide(self, step) end)
  plan.observe(function(call) note(self, call) end)
  return self
end

-- What the run's exit code is as the end of a plan.
local function verdict(self, code)
  plan.hold(nil)
  plan.observe(nil)
  if code ~= 0 then return code end
  if self.refused then -- and the script went on
    log.error(self.refused)
    return 1
  end
  local left = self.order:left()
  if #left == 0 then return 0 end
  log.error("%s: %d step(s) of the plan were not carried out, the first is '%s'", self.path, #left, left[1])
  return 3
end

-- The plan's command as a dry run, in a process of its own: this one is going to change things.
local function dry_run(planned)
  local argv = { process.realpath("/proc/self/exe"), table.unpack(planned.run.args) }
  table.move({ "--dry-run", "--json", not planned.run.plain and "--quiet" or nil }, 1, 3, #argv + 1, argv)
  local out, failed = process.run(argv, { reads = true, inherit = true, max_output = 64 << 20 })
  if not out then return nil, failed end
  if out.status ~= 0 then
    local said = out.stderr:gsub("^moonsnap: error: ", ""):gsub("%s+$", "")
    return nil, err.new("conflict", ("a dry run of its command fails now: %s"):format(said),
      { exit = out.status == 2 and 2 or 1 })
  end
  return json.decode(out.stdout)
end

-- These options say how a run is shown, or answer its question: they may be given to apply.
local PASSED = { "json", "verbose", "quiet", "debug", "yes", "nonInteractive" }

local function command(planned, opts)
  if planned.run.plain then return planned.run.args end -- which are not ours
  local args, has = table.move(planned.run.args, 1, #planned.run.args, 1, {}), {}
  for _, arg in ipairs(args) do has[arg] = true end
  for _, name in ipairs(PASSED) do
    if opts[name] and not has["--" .. name] and not has["-" .. name] then args[#args + 1] = "--" .. name end
  end
  return args
end

--- Carry out a plan.
-- @tparam table opts words[2] is the plan's file
-- @tparam table dirs moonsnap's directories, of the plan's command
-- @tparam function run called with the command and the plan; gives the exit code
-- @treturn[1] integer exit code: that of the run; 1 when a step was refused; 3 when steps of the plan did not come
-- @return[2] nil
-- @treturn[2] Err exit 2: the plan cannot be used; kvm-00019: the world is another one, and nothing was begun
function apply.main(opts, dirs, run)
  local path = opts.words[2]
  if not path or opts.words[3] then
    return nil, err.new("invalid", "apply needs a plan: moonsnap apply PLAN.json", { exit = 2 })
  end
  local planned, failed = plans.read(path)
  if not planned then return nil, failed end
  if planned.run.plain and (opts.yes or opts.nonInteractive) then
    return nil, err.new("invalid", ("%s: its script has the arguments that the plan was made with, and gets no others")
      :format(path), { exit = 2 })
  end
  local now
  now, failed = dry_run(planned)
  if not now then return nil, err.new(failed.code, ("%s: %s"):format(path, failed.message), { exit = failed.exit or 1 }) end
  local own = dirs(planned.run.args)
  local found = plans.differences(planned, now, own)
  for i = 2, #found do log.error("%s: %s", path, found[i]) end
  if found[1] then return nil, drift(path, found[1]) end
  if opts["dry-run"] then
    log.info("%s: the world is as it was; %d step(s) would be carried out", path, #planned.steps)
    return 0
  end
  local held = hold(path, planned, own)
  return verdict(held, run(command(planned, opts), held))
end

return apply
