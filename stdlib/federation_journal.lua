--- The journal of `std.federation`: what a run has quiesced, and how that is undone, written before it is done.
--
-- It holds the undoing commands themselves with their time limits and the run's variables, so that they can
-- be run when the config has gone. A command with a secret in it is noted as the config has it, without the secret.
-- Nobody but its owner can have written it, and what it names must be on the allow-list of today all the same.
-- @module std.federation_journal

local file = require "engine.file"
local json = require "engine.json"
local plan = require "engine.plan"
local process = require "engine.process"
local config_expand = require "std.config_expand"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"

local journal = {}

local UNDO = "APP_UNQUIESCE_CMD"
local SUFFIX = ".applications.json"
local WRITABLE = 18 -- 0022: others may write

--- Where the journal of a config is.
-- @tparam string state directory
-- @tparam string profile
-- @tparam string config
-- @treturn string
function journal.path(state, profile, config)
  return ("%s/journal/%s.%s%s"):format(state, profile, config, SUFFIX)
end

--- The journals of a state directory.
-- @tparam string state
-- @treturn[1] {string,...} paths, sorted
-- @return[2] nil
-- @treturn[2] Err
function journal.list(state)
  local names, failed = file.list(state .. "/journal")
  if not names then
    if failed.code == "not_found" then return {} end
    return nil, failed
  end
  local paths = {}
  for _, name in ipairs(names) do
    if name:sub(-#SUFFIX) == SUFFIX then paths[#paths + 1] = ("%s/journal/%s"):format(state, name) end
  end
  table.sort(paths)
  return paths
end

--- A directory's own name, by which two ways to write it are compared.
-- @tparam string dir
-- @treturn string
function journal.place(dir)
  return process.realpath(dir) or dir
end

-- What a child's entry needs to be undone without its config.
local function entry_of(ctx, child)
  local vars, later = child.vars or hooks.variables(ctx), {}
  for name in pairs(vars) do later[name] = "%" .. name end
  local entry = { name = child.name, config = child.cfg.path, ignore = child.ignore, vars = vars,
    timeout = child.cfg:get("SC_AGENT_TIMEOUT"), commands = {} }
  for i, item in ipairs(child.cfg:commands(UNDO)) do
    local text = child.cfg:expand(item.text, later)
    local secret = not text or log.redact(text) ~= text
    entry.commands[i] = { number = item.number, where = item.where, text = secret and item.text or text, secret = secret }
  end
  return entry
end

--- Whether a child's config still has the commands that were noted.
-- @tparam table ctx
-- @tparam table child name, cfg, vars
-- @tparam table entry of `read`
-- @treturn boolean
function journal.same(ctx, child, entry)
  local now = entry_of(ctx, child).commands
  for i = 1, math.max(#now, #entry.commands) do
    if not now[i] or not entry.commands[i] or now[i].text ~= entry.commands[i].text then return false end
  end
  return true
end

--- Write what stands still; with nothing the journal goes. Does nothing in a dry run.
-- @tparam table ctx
-- @tparam {table,...} standing children: name, cfg, ignore, vars (of an earlier run)
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function journal.write(ctx, standing)
  if plan.active() then return true end
  local path = journal.path(ctx.dirs.state, ctx.profile, ctx.config_name)
  if #standing == 0 then
    local ok, failed = file.remove(path)
    return ok or failed.code == "not_found" or nil, failed
  end
  local names, undo = {}, {}
  for i, child in ipairs(standing) do names[i], undo[i] = child.name, child.entry or entry_of(ctx, child) end
  local ok, failed = file.mkdirs(ctx.dirs.state .. "/journal")
  if not ok then return nil, failed end
  local note = { profile = ctx.profile, config = ctx.config_name, policy = ctx.policy,
    config_dir = journal.place(ctx.dirs.config), children = names, undo = undo }
  return file.replace(path, json.encode(note), { mode = 384 }) -- 0600
end

local function well_formed(note)
  if type(note) ~= "table" or type(note.profile) ~= "string" or type(note.config) ~= "string"
    or type(note.undo) ~= "table" or #note.undo == 0 then
    return false
  end
  for _, entry in ipairs(note.undo) do
    if type(entry) ~= "table" or type(entry.name) ~= "string" or type(entry.config) ~= "string"
      or type(entry.timeout) ~= "number" or type(entry.vars) ~= "table" or type(entry.commands) ~= "table" then
      return false
    end
    for _, item in ipairs(entry.commands) do
      if type(item) ~= "table" or math.type(item.number) ~= "integer" or type(item.text) ~= "string"
        or type(item.where) ~= "string" then
        return false
      end
    end
  end
  return true
end

--- Read a journal. One that is not this user's own is not gone by: its commands would run as this user.
-- @tparam string path
-- @treturn[1] {profile=,config=,policy=?,config_dir=?,undo={{name=,config=(path),ignore=,timeout=(seconds),vars=,
--   commands={{number=,where=,text=,secret=},...}},...}}
-- @return[2] false when there is none
-- @return[3] nil
-- @treturn[3] Err invalid, denied; exit 5
function journal.read(path)
  local found, failed = file.load(path)
  if not found then
    if failed.code == "not_found" then return false end
    return nil, failed
  end
  local self, stat = process.self(), found.stat
  if stat.uid ~= self.uid or stat.mode & WRITABLE ~= 0 then
    return nil, err.new("denied", ("%s: it belongs to uid %d with mode %04o, and this is uid %d: its commands are not "
      .. "run; do it as the user who made the backup"):format(path, stat.uid, stat.mode & 4095, self.uid), { exit = 5 })
  end
  local note = json.decode(found.data)
  if not well_formed(note) then
    return nil, err.new("invalid", ("%s: not a journal; look at it and remove it by hand"):format(path), { exit = 5 })
  end
  return note
end

-- The part of a Config that running commands needs.
local Noted = {}
Noted.__index = Noted

function Noted:get(name)
  return name == "SC_AGENT_TIMEOUT" and self.entry.timeout or nil
end

function Noted:commands(family)
  return family == UNDO and self.entry.commands or {}
end

function Noted:expand(text, vars)
  return config_expand(text, function(name)
    local value = vars and vars[name]
    if type(value) == "string" then return true, value end
    return false
  end, {}, self.path)
end

--- A child as a run has noted it, for when its config cannot be used any more.
-- @tparam table entry of `read`
-- @treturn[1] {name=,cfg=,ignore=,vars=,entry=}
-- @return[2] nil
-- @treturn[2] Err a command with a secret in it cannot be run without the config
function journal.noted(entry)
  for _, item in ipairs(entry.commands) do
    if item.secret then
      return nil, err.new("not_found", ("application %s: %s: %s%02d has a secret of the config in it, which is noted "
        .. "nowhere else; bring the config back"):format(entry.name, item.where, UNDO, item.number), { exit = 5 })
    end
  end
  return { name = entry.name, ignore = entry.ignore == true, vars = entry.vars, entry = entry,
    cfg = setmetatable({ entry = entry, path = entry.config }, Noted) }
end

return journal
