--- A guest of a restore is powered off and brought back to the state in which it was found.
-- @module std.restore_power

local err = require "std.err"
local log = require "std.log"
local recover = require "std.recover"
local retry = require "std.retry"
local steps = require "std.restore_steps"
local task = require "std.task"

local power = {}

-- States of a guest that is not off.
power.ALIVE = { running = true, blocked = true, paused = true, shutdown = true, suspended = true, crashed = true,
  nostate = true }

local STOP_TIMEOUT = 60 -- seconds for a destroyed guest to be gone

local function tries(ctx, what, item)
  return { times = ctx.cfg:get("KVM_CMD_RETRY_COUNT"), wait = ctx.cfg:get("KVM_CMD_RETRY_WAIT"),
    on_retry = function(failed) log.warn("%s of guest '%s' failed, trying again: %s", what, item.name, failed) end }
end

-- The state to bring a guest back to. Whom a run of ours has suspended was running: that run finds it off, and forgets it,
-- and brought back paused it would stay so for ever.
local function state_before(ctx, item, state)
  if state ~= "paused" then return state end
  local holder, failed = recover.holder(ctx, item.recorded.uuid)
  if failed then return nil, failed end
  if not holder then return state end
  if holder.engine_alive or holder.detached then
    return nil, err.new("busy", ("guest '%s' is suspended by a run of config %s of profile %s; restore it when that has "
      .. "ended%s"):format(item.name, holder.config, holder.profile, holder.detached and ": run unquiesce" or ""), { exit = 4 })
  end
  log.warn("guest '%s' is held by the guard process of a dead run of config %s; it runs after the restore", item.name,
    holder.config)
  return "running"
end

--- Power off, and see that it is off. A guest without a persistent definition would be gone for good. Waits, at most
-- STOP_TIMEOUT and the repeats of KVM_CMD_RETRY_COUNT.
-- @tparam table ctx
-- @tparam table item with `name`, `dom` and `recorded`; gets `state`, to which `start` brings it back, and `stopped`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00010; busy, exit 4: another run holds it suspended, and nothing was done to it
function power.stop(ctx, item)
  local state, failed = item.dom:state()
  if not state then return nil, failed end
  item.state, failed = state_before(ctx, item, state.state)
  if failed then return nil, failed end
  if not power.ALIVE[state.state] then return true end
  local persistent
  persistent, failed = item.dom:persistent()
  if failed then return nil, failed end
  if not persistent then
    return nil, err.coded("kvm-00010", ("guest '%s' is transient: powered off, its definition would be lost")
      :format(item.name), nil, { code = "conflict" })
  end
  local ok
  item.stopped = true
  ok, failed = retry.run(tries(ctx, "power off", item), function() return item.dom:destroy() end)
  if ok == nil and failed.code ~= "conflict" then
    return nil, err.coded("kvm-00010", ("guest '%s'"):format(item.name), failed)
  end
  if ctx.dry_run then return true end
  ok, failed = task.timeout(STOP_TIMEOUT, function()
    while true do
      local now = item.dom:state()
      if now and now.state == "shutoff" then return true end
      task.sleep(0.1)
    end
  end)
  if not ok then return nil, err.coded("kvm-00010", ("guest '%s' does not stop"):format(item.name), failed) end
  log.info("Guest '%s' powered off", item.name)
  return true
end

--- Bring a guest back to the state in which it was found. Waits.
-- @tparam table ctx
-- @tparam table item as `stop` left it; gets `started`
-- @treturn[1] boolean true also when it had not been stopped
-- @return[2] nil
-- @treturn[2] Err kvm-00010 with exit code 5
function power.start(ctx, item)
  if not item.stopped or item.started then return true end
  local paused = item.state == "paused"
  local ok, failed = retry.run(tries(ctx, "start", item), function() return item.dom:start { paused = paused } end)
  if not ok then
    local state = item.dom:state()
    ok = state and power.ALIVE[state.state]
  end
  if not ok then
    return nil, err.coded("kvm-00010", ("guest '%s' could not be started"):format(item.name), failed, { exit = 5 })
  end
  item.started = true
  steps.note_done(ctx, item, item.restored and "started" or "untouched")
  log.info("Guest '%s' started%s", item.name, paused and ", paused as it was" or "")
  return true
end

return power
