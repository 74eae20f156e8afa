--- Applications of other configs that stand still together with the guests: FEDERATED_APPLICATIONS.
--
-- A child config (`profile@config`) brings its own APP_QUIESCE_CMD## and APP_UNQUIESCE_CMD##. The children
-- are quiesced in the order of the list, then the guests are suspended; afterwards the guests run first,
-- then the children are unquiesced from the last to the first, whatever fails. A file in the journal
-- directory tells what is quiesced and how that is undone: a run that died is made good by the next one, by
-- `unquiesce`, or by `moonsnap recover`.
-- @module std.federation

local file = require "engine.file"
local plan = require "engine.plan"
local command = require "std.command"
local config = require "std.config"
local err = require "std.err"
local federation_journal = require "std.federation_journal"
local hooks = require "std.hooks"
local log = require "std.log"
local task = require "std.task"

local federation = {}

local Federation = {}
Federation.__index = Federation

-- What a child's exit code means; every other one: failed, undo and end.
local DONE, UNSUPPORTED, FAILED_NO_UNDO, FAILED_GO_ON = 0, 99, 100, 101

-- What the codes say of guests is not what helps here.
local NOT_QUIESCED = { remedy = "look at its command; no snapshot is taken, and what was quiesced is unquiesced" }
local WENT_ON = { remedy = "look at its command; its data in this backup may not be consistent" }
local LEFT = { remedy = "it is left quiesced: look at its command, then run moonsnap recover, or the next backup tries again",
  exit = 5 }

local function wrong(ctx, format, ...)
  local where = ctx.cfg:where("FEDERATED_APPLICATIONS")
  return nil, err.new("invalid", ("%s: FEDERATED_APPLICATIONS: "):format(where == "default" and ctx.cfg.path or where)
    .. format:format(...), { exit = 2 })
end

local function load_child(ctx, item)
  local profile, name = item:match("^([%w_]+)@([%w_]+)$")
  if not profile then return wrong(ctx, "'%s' is not profile@config; write databases@db1;databases@db2", item) end
  if profile == ctx.profile and name == ctx.config_name then return wrong(ctx, "'%s' is this config itself", item) end
  local cfg, failed = config.load { profile = profile, config = name, config_dir = ctx.dirs.config, policy = ctx.policy,
    key_file = ctx.opts["key-file"], state_dir = ctx.dirs.state }
  if not cfg then return wrong(ctx, "%s: %s", item, failed) end
  for _, secret in ipairs(cfg.secrets) do log.secret(secret) end
  local ok
  ok, failed = federation.check(ctx, item, cfg)
  if not ok then return nil, failed end
  return { name = item, cfg = cfg, ignore = cfg:get("APP_IGNORE_ERROR") }
end

--- Whether a config can be a child: it has its application's commands, which may be run, and no guests.
-- @tparam table ctx
-- @tparam string item `profile@config`
-- @tparam Config cfg
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err exit 2, agt-00009, agt-00012
function federation.check(ctx, item, cfg)
  if cfg:raw("APP_NAME") then
    return nil, err.coded("agt-00012", ("%s: APP_NAME: a child config has its application's commands, "
      .. "APP_QUIESCE_CMD01 and APP_UNQUIESCE_CMD01, and no APP_NAME"):format(cfg:where("APP_NAME")), nil,
      { code = "invalid", exit = 2 })
  end
  local agent = cfg:get("SC_AGENT")
  local here, failed = true, nil
  if agent then here, failed = cfg.is_local(agent.host) end
  if here == nil then return nil, failed end
  if not here then
    return wrong(ctx, "%s: %s: SC_AGENT: there is no agent on '%s'; take it out, and reach the application by the "
      .. "command itself, over ssh for instance", item, cfg:where("SC_AGENT"), agent.host)
  end
  for _, family in ipairs { "APP_QUIESCE_CMD", "APP_UNQUIESCE_CMD" } do
    if #cfg:commands(family) == 0 then return wrong(ctx, "%s: it has no %s01; write it in %s", item, family, cfg.path) end
  end
  return hooks.check(ctx, { "APP_QUIESCE_CMD", "APP_UNQUIESCE_CMD" }, cfg)
end

local function run(ctx, child, family)
  for _, item in ipairs(child.cfg:commands(family)) do
    local o = { cfg = child.cfg, name = ("%s%02d"):format(family, item.number), where = item.where, text = item.text,
      vars = child.vars or hooks.variables(ctx) }
    local out, failed = command.run(ctx, o)
    if not out then return nil, failed end
    if out.status ~= DONE then return out, command.problem(o, out) end
  end
  return { status = DONE }
end

--- Read the child configs and check their commands; nothing is run.
-- @tparam table ctx
-- @treturn[1] Federation a to-be-closed value: closing it unquiesces what is quiesced
-- @return[2] nil
-- @treturn[2] Err exit 2, agt-00009, agt-00012
function federation.new(ctx)
  local self = setmetatable({ ctx = ctx, children = {}, standing = {} }, Federation)
  local seen = {}
  for item in (ctx.cfg:get("FEDERATED_APPLICATIONS") or ""):gmatch("[^;%s]+") do
    if seen[item] then return wrong(ctx, "'%s' is given twice", item) end
    seen[item] = true
    local child, failed = load_child(ctx, item)
    if not child then return nil, failed end
    self.children[#self.children + 1] = child
  end
  return self
end

function Federation:note()
  return federation_journal.write(self.ctx, self.standing)
end

-- What became of a child that is not quiesced: an error that ends the run, or nil to go on without it.
local function judge(self, child, out, failed)
  local what = ("application %s"):format(child.name)
  local status = out and out.status
  if status == UNSUPPORTED or status == FAILED_NO_UNDO then
    table.remove(self.standing)
    local ok, problem = self:note()
    if not ok then log.error(problem) end
  end
  if out and not status then return err.coded("scf-00036", what, failed, NOT_QUIESCED) end
  if status == FAILED_GO_ON or child.ignore and status ~= FAILED_NO_UNDO and out then
    log.error(err.coded("scf-00038", what, failed, WENT_ON))
    self.ctx:worse(3)
    return nil
  end
  return err.coded("scf-00037", what, failed, NOT_QUIESCED)
end

--- Quiesce the children in their order.
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err scf-00036, scf-00037; with APP_IGNORE_ERROR=Y of the child, or its exit code 101, the run
--   goes on and ends with exit code 3
function Federation:quiesce()
  for _, child in ipairs(self.children) do
    log.info("Quiescing application %s", child.name)
    self.standing[#self.standing + 1] = child
    local ok, failed = self:note() -- before: a command that was begun may have done its work
    if not ok then return nil, err.coded("scf-00037", ("application %s"):format(child.name), failed, NOT_QUIESCED) end
    local out, problem = run(self.ctx, child, "APP_QUIESCE_CMD")
    if problem then
      log.error("Quiescing application %s finished with errors", child.name)
      problem = judge(self, child, out, problem)
      if problem then return nil, problem end
    else
      log.info("Quiescing application %s finished successfully", child.name)
    end
  end
  return true
end

--- Unquiesce what is quiesced, from the last to the first, never stopping at a failure. May be called again.
-- @treturn {Err,...} scf-00032 or, with APP_IGNORE_ERROR=Y of the child, scf-00033; `ignored` of the list
--   is true when all are such
function Federation:unquiesce()
  local failures = { ignored = true }
  for i = #self.standing, 1, -1 do
    local child = self.standing[i]
    local _, problem = nil, child.lost
    if not problem then
      log.info("Unquiescing application %s", child.name)
      _, problem = run(self.ctx, child, "APP_UNQUIESCE_CMD")
    end
    if problem then
      problem = err.coded(child.ignore and "scf-00033" or "scf-00032", ("application %s"):format(child.name), problem, LEFT)
      log.error(problem)
      failures[#failures + 1] = problem
      failures.ignored = failures.ignored and child.ignore
    else
      log.info("Unquiescing application %s finished successfully", child.name)
      table.remove(self.standing, i)
      -- At once: who dies now does not do it twice. What could not be undone stays, and the next run begins with it.
      local ok, failed = self:note()
      if not ok then log.error(failed) end
    end
  end
  self.standing = {}
  return failures
end

Federation.__close = function(self)
  task.insist(function()
    if #self.standing > 0 and #self:unquiesce() > 0 then self.ctx:worse(5) end
  end)
end

-- A child of a dead run. What its config says today counts, since who mends a command mends it there; when that
-- cannot be used, what the run has noted.
local function revive(ctx, entry)
  local child, failed = load_child(ctx, entry.name)
  if not child then
    local noted, problem = federation_journal.noted(entry)
    if not noted then return nil, problem end
    log.warn("application %s: %s; its commands are those that the run noted", entry.name, failed)
    return noted
  end
  child.vars, child.entry = entry.vars, entry
  if not federation_journal.same(ctx, child, entry) then
    log.warn("application %s: %s has other APP_UNQUIESCE_CMD## than when it was quiesced; those of today are run",
      entry.name, child.cfg.path)
  end
  return child
end

local function undo(ctx, journal)
  local self = setmetatable({ ctx = ctx, children = {}, standing = {} }, Federation)
  for i, entry in ipairs(journal.undo) do
    local child, failed = revive(ctx, entry)
    -- One whose commands cannot be had stays in the journal; the others do not wait for it.
    self.standing[i] = child or { name = entry.name, entry = entry, ignore = entry.ignore, lost = failed }
  end
  local n = #self.standing
  log.warn("An earlier run of config %s left %d application(s) quiesced", ctx.config_name, n)
  local failures = self:unquiesce()
  if #failures > 0 then return nil, failures[1] end
  return n
end

--- Unquiesce what a run of this config that died, or could not do it, has left quiesced. The config's lock is
-- held, so that no other run can be at work on it.
-- @tparam table ctx
-- @treturn[1] integer how many applications
-- @return[2] nil
-- @treturn[2] Err scf-00032
function federation.stale(ctx)
  local journal, failed = federation_journal.read(federation_journal.path(ctx.dirs.state, ctx.profile,
    ctx.config_name))
  if journal == nil then return nil, failed end
  return journal and undo(ctx, journal) or 0
end

-- What undoing needs of a run's context, from its journal.
local function context_of(dirs, opts, journal, path)
  local vars = journal.undo[1].vars
  return { dirs = dirs, opts = { ["key-file"] = opts["key-file"], user_defined = vars.USER_DEFINED },
    profile = journal.profile, config_name = journal.config, policy = journal.policy, stamp = vars.SNAP_TIME,
    action = vars.ACTION, snapshot = vars.SNAPNAME, worse = function() end,
    cfg = { where = function() return path end, get = function(_, name) return vars[name] end } }
end

local function lock(dirs, journal)
  local path = ("%s/%s.%s.lock"):format(dirs.run, journal.profile, journal.config)
  if plan.active() then
    local holder, failed = file.lock_holder(path)
    if holder == nil then return nil, failed end
    return not holder or nil, holder and err.new("busy", "a run is under way") or nil
  end
  local ok, failed = file.mkdirs(dirs.run)
  if not ok then return nil, failed end
  return file.lock(path)
end

--- Undo what one journal says, for a run that is dead: by the commands of the children's configs in `dirs.config`,
-- or those noted when a config cannot be used; each on the allow-list there, and with its own time limit. What is
-- undone leaves the journal at once. A dry run notes the commands as steps.
-- @tparam table dirs config, state, run
-- @tparam table opts of the command line: key-file
-- @tparam string path of the journal
-- @treturn[1] integer how many applications
-- @return[2] false a run of that config is under way, or there is no such journal any more
-- @return[3] nil
-- @treturn[3] Err scf-00032 and others, with exit 5
function federation.recover(dirs, opts, path)
  local journal, failed = federation_journal.read(path)
  if not journal then return journal, failed end
  local held
  held, failed = lock(dirs, journal)
  if not held then
    if failed.code == "busy" then return false end
    return nil, failed
  end
  local _held <close> = held ~= true and held or nil
  journal, failed = federation_journal.read(path) -- its run may have ended meanwhile
  if not journal then return journal, failed end
  local place = federation_journal.place(dirs.config)
  if journal.config_dir ~= place then
    return nil, err.new("conflict", ("%s: its run had the config directory %s, and this one has %s; run moonsnap recover "
      .. "--config-dir %s"):format(path, journal.config_dir, place, journal.config_dir), { exit = 5 })
  end
  return undo(context_of(dirs, opts, journal, path), journal)
end

return federation
