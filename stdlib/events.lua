--- Messages to the controllers' own event log, as Snap Creator writes them: at the start and at the end of a
-- backup or a restore, and of an error with `NTAP_ASUP_ERROR_ENABLE=Y`. They are told to whoever watches the
-- controller; no run fails because of them.
-- @module std.events

local process = require "engine.process"
local err = require "std.err"
local log = require "std.log"
local task = require "std.task"

local events = {}

local SOURCE = "moonsnap"
local TIMEOUT = 25 -- seconds that one message may take
local MAX_TEXT = 255

-- level: 3 error, 6 information. Snap Creator's category at the end of a backup is "Backup Completed", the others
-- go by that; only an error asks the controller to send an AutoSupport message, and that only with NTAP_ASUP_ERROR_ENABLE=Y.
local KINDS = {
  started = { event = 1, level = 6, category = "%s Started" },
  finished = { event = 2, level = 6, category = "%s Completed" },
  failed = { event = 3, level = 3, category = "%s Failed", autosupport = true },
}

-- What most accounts may not do, or the controller does not know, is no news.
local QUIET = { denied = true, unsupported = true }

local function send(ctx, controller, kind, text)
  log.info("STORAGE-01001: Sending AutoSupport message to [%s]", controller.name)
  local what = ctx.action == "restore" and "Restore" or "Backup" -- clones are made of a backup
  local ok, failed = task.timeout(TIMEOUT, function()
    return controller.client:ems_log(SOURCE, text, { level = KINDS[kind].level, event = KINDS[kind].event,
      category = KINDS[kind].category:format(what), autosupport = KINDS[kind].autosupport, host = process.self().host })
  end)
  if ok then
    log.info("STORAGE-01002: Sending AutoSupport message to [%s] finished successfully", controller.name)
    return
  end
  failed = err.coded("STORAGE-01003", ("controller '%s'"):format(controller.name), failed)
  if QUIET[failed.code] and not ctx.cfg:get("NTAP_ASUP_ERROR_ENABLE") then
    log.debug("%s", failed)
  else
    log.warn("%s", failed)
  end
end

--- Tell all controllers that `ontap.identify` found.
-- @tparam table ctx
-- @tparam string kind "started", "finished" or "failed"
-- @tparam[opt] Err failed what went wrong
function events.tell(ctx, kind, failed)
  if not KINDS[kind] then error(("events.tell: '%s' is not a kind of message"):format(tostring(kind)), 2) end
  if kind == "failed" and not ctx.cfg:get("NTAP_ASUP_ERROR_ENABLE") then return end
  -- One that did not answer, or refused the login, is not bothered again.
  local controllers = {}
  for _, controller in ipairs(ctx.controllers or {}) do
    if controller.transport then controllers[#controllers + 1] = controller end
  end
  local of = ctx.action == "restore" and "backup " .. ctx.snapshot or "policy " .. (ctx.policy or "none")
  local text = ("%s of config %s, %s, %s%s"):format(ctx.action, ctx.config_name, of, kind,
    failed and ": " .. log.redact(tostring(failed)) or "")
  task.map(controllers, function(controller)
    send(ctx, controller, kind, text:sub(1, MAX_TEXT))
    return true
  end, { collect = true })
end

return events
