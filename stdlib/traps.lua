--- The words of a run's end, and the commands that pass them on: FAILURE_MSG with SENDTRAP, SUCCESS_MSG with
-- SUCCESS_TRAP. The text is one argument of the command, whatever it holds; no shell sees it. A trap that
-- fails is a warning: it changes nothing about the run.
-- @module std.traps

local command = require "std.command"
local config_salvage = require "std.config_salvage"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"

local traps = {}

local TIMEOUT = 60 -- seconds that one trap may take

local function message(ctx, name, more)
  local text = ctx.cfg:raw(name)
  if not text then return nil end
  local vars = hooks.variables(ctx)
  for key, value in pairs(more) do vars[key] = value end
  local expanded, failed = ctx.cfg:expand(text, vars)
  if not expanded then log.warn("%s", failed) end
  return expanded or text
end

local function send(ctx, name, vars)
  local text = ctx.cfg:raw(name)
  if not text then return end
  for key, value in pairs(hooks.variables(ctx)) do vars[key] = vars[key] or value end
  local o = { cfg = ctx.cfg, name = name, where = ctx.cfg:where(name), text = text, vars = vars, server = true,
    timeout = TIMEOUT }
  local out, failed = command.run(ctx, o)
  if out then failed = command.problem(o, out) end
  if failed then log.warn("%s", failed) end
end

-- Programs get their arguments as C strings.
local function plain(text) return (log.redact(text):gsub("%c+", " ")) end

--- Say and pass on that a run failed, or was done in part only.
-- @tparam table ctx
-- @tparam Err|string failed
function traps.failed(ctx, failed)
  if not ctx.cfg then return end -- an action without a config
  local reason = plain(tostring(failed))
  local text = message(ctx, "FAILURE_MSG", { MSG = reason })
  if text then log.error(text) end
  send(ctx, "SENDTRAP", { MSG = plain(text or reason) })
end

--- Pass on that a run did not begin, since its config cannot be read.
-- @tparam {profile=?string,config=?string,config_dir=string} place
-- @tparam table ctx action, policy, stamp, opts
-- @tparam Err failed
function traps.unread(place, ctx, failed)
  ctx.cfg = config_salvage.read(place)
  if ctx.cfg then traps.failed(ctx, failed) end
end

--- Say and pass on that a run succeeded. Only a backup is passed on: by SUCCESS_TRAP, else, with SUCCESS_MSG,
-- by SENDTRAP.
-- @tparam table ctx
function traps.succeeded(ctx)
  if not ctx.cfg then return end
  local text = message(ctx, "SUCCESS_MSG", {})
  if text then log.info(text) end
  if not (ctx.record and ctx.record.action == "backup") then return end
  if ctx.cfg:raw("SUCCESS_TRAP") then
    send(ctx, "SUCCESS_TRAP", { SUCCESS_MSG = plain(text or ("%s of config %s finished successfully: %s"):format(
      ctx.action, ctx.config_name, ctx.snapshot)) })
  elseif text then
    send(ctx, "SENDTRAP", { MSG = plain(text) })
  end
end

--- Check that the traps could be run.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err exit 2
function traps.check(ctx)
  for _, name in ipairs { "SENDTRAP", "SUCCESS_TRAP" } do
    local text = ctx.cfg:raw(name)
    if text then
      local ok, failed = command.words(ctx, { cfg = ctx.cfg, name = name, where = ctx.cfg:where(name), text = text,
        server = true, vars = { MSG = "", SUCCESS_MSG = "" } })
      if not ok then return nil, err.is(failed) and failed or err.new("invalid", tostring(failed), { exit = 2 }) end
    end
  end
  return true
end

return traps
