--- Applications of other configs that stand still together with the guests: FEDERATED_APPLICATIONS.
--
-- A child config (`profile@config`) brings its own APP_QUIESCE_CMD## and APP_UNQUIESCE_CMD##. The children
-- are quiesced in the order of the list, then the guests are suspended; afterwards the guests run first,
-- then the children are unquiesced from the last to the first, whatever fails. A file in the journal
-- directory tells what is quiesced: a run that died is made good by the next one, or by `unquiesce`.
-- @module std.federation

local file = require "engine.file"
local json = require "engine.json"
local plan = require "engine.plan"
local command = require "std.command"
local config = require "std.config"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"

local federation = {}

local Federation = {}
Federation.__index = Federation

-- What a child's exit code means; every other one: failed, undo and end.
local DONE, UNSUPPORTED, FAILED_NO_UNDO, FAILED_GO_ON = 0, 99, 100, 101

local function wrong(ctx, format, ...)
  return nil, err.new("invalid", ("%s: FEDERATED_APPLICATIONS: "):format(ctx.cfg:where("FEDERATED_APPLICATIONS"))
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
  if cfg:raw("APP_NAME") then
    return nil, err.coded("agt-00012", ("%s: APP_NAME: a child config has its application's commands, "
      .. "APP_QUIESCE_CMD01 and APP_UNQUIESCE_CMD01, and no APP_NAME"):format(cfg:where("APP_NAME")), nil,
      { code = "invalid", exit = 2 })
  end
  local agent = cfg:get("SC_AGENT")
  if agent and not cfg.is_local(agent.host) then
    return wrong(ctx, "%s: %s: SC_AGENT: there is no agent on '%s'; take it out, and reach the application by the "
      .. "command itself, over ssh for instance", item, cfg:where("SC_AGENT"), agent.host)
  end
  for _, family in ipairs { "APP_QUIESCE_CMD", "APP_UNQUIESCE_CMD" } do
    if #cfg:commands(family) == 0 then return wrong(ctx, "%s: it has no %s01; write it in %s", item, family, cfg.path) end
  end
  local ok
  ok, failed = hooks.check(ctx, { "APP_QUIESCE_CMD", "APP_UNQUIESCE_CMD" }, cfg)
  if not ok then return nil, failed end
  return { name = item, cfg = cfg, ignore = cfg:get("APP_IGNORE_ERROR") }
end

local function journal_path(ctx)
  return ("%s/journal/%s.%s.applications.json"):format(ctx.dirs.state, ctx.profile, ctx.config_name)
end

local function run(ctx, child, family)
  for _, item in ipairs(child.cfg:commands(family)) do
    local o = { cfg = child.cfg, name = ("%s%02d"):format(family, item.number), where = item.where, text = item.text,
      vars = hooks.variables(ctx) }
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
  if plan.active() then return true end
  local path = journal_path(self.ctx)
  if #self.standing == 0 then
    local ok, failed = file.remove(path)
    return ok or failed.code == "not_found" or nil, failed
  end
  local names = {}
  for i, child in ipairs(self.standing) do names[i] = child.name end
  local ok, failed = file.mkdirs(self.ctx.dirs.state .. "/journal")
  if not ok then return nil, failed end
  local note = { profile = self.ctx.profile, config = self.ctx.config_name, children = names }
  return file.replace(path, json.encode(note), { mode = 384 }) -- 0600
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
  if out and not status then return err.coded("scf-00036", what, failed) end
  if status == FAILED_GO_ON or child.ignore and status ~= FAILED_NO_UNDO and out then
    log.error(err.coded("scf-00038", what, failed))
    self.ctx:worse(3)
    return nil
  end
  return err.coded("scf-00037", what, failed)
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
    if not ok then return nil, err.coded("scf-00037", ("application %s"):format(child.name), failed) end
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
  local failures, left = { ignored = true }, {}
  for i = #self.standing, 1, -1 do
    local child = self.standing[i]
    log.info("Unquiescing application %s", child.name)
    local _, problem = run(self.ctx, child, "APP_UNQUIESCE_CMD")
    if problem then
      problem = err.coded(child.ignore and "scf-00033" or "scf-00032", ("application %s"):format(child.name), problem,
        { exit = 5 })
      log.error(problem)
      failures[#failures + 1] = problem
      failures.ignored = failures.ignored and child.ignore
      table.insert(left, 1, child)
    else
      log.info("Unquiescing application %s finished successfully", child.name)
    end
  end
  -- What could not be undone stays in the journal: the next run begins with it.
  self.standing = left
  local ok, failed = self:note()
  if not ok then log.error(failed) end
  self.standing = {}
  return failures
end

Federation.__close = function(self)
  if #self.standing > 0 and #self:unquiesce() > 0 then self.ctx:worse(5) end
end

--- Unquiesce what a run of this config that died, or could not do it, has left quiesced. The config's lock is
-- held, so that no other run can be at work on it.
-- @tparam table ctx
-- @treturn[1] integer how many applications
-- @return[2] nil
-- @treturn[2] Err scf-00032
function federation.stale(ctx)
  local path = journal_path(ctx)
  local text, failed = file.read(path)
  if not text then
    if failed.code == "not_found" then return 0 end
    return nil, failed
  end
  local journal
  journal, failed = json.decode(text)
  if type(journal) ~= "table" or type(journal.children) ~= "table" then
    return nil, err.new("invalid", ("%s: %s; look at it and remove it by hand"):format(path, failed or "not a journal"))
  end
  local self = setmetatable({ ctx = ctx, children = {}, standing = {} }, Federation)
  for i, item in ipairs(journal.children) do
    self.standing[i], failed = load_child(ctx, item)
    if not self.standing[i] then return nil, failed end
  end
  local n = #self.standing
  log.warn("An earlier run of config %s left %d application(s) quiesced", ctx.config_name, n)
  local failures = self:unquiesce()
  if #failures > 0 then return nil, failures[1] end
  return n
end

return federation
