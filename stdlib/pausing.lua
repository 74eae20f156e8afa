--- One guest stands still and runs again: suspended by libvirt, or its file systems frozen by its agent.
-- A part of `std.quiesce`, which arms the guard process before anything here is called.
--
-- What is noted in a guest: `method` (how it is to stand still: "suspend", "freeze" or "none"), `attempted`
-- and `freezing` (what may have been done to it, whatever was answered), `stopped` (how it stands still),
-- `stopped_at`, `back`, `pause_ms`; `nothing_done` when there is nothing to undo.
-- @module std.pausing

local clock = require "engine.clock"
local plan = require "engine.plan"
local err = require "std.err"
local log = require "std.log"
local resuming = require "std.resuming"
local retry = require "std.retry"
local task = require "std.task"

local pausing = {}

local SETTLE = 30 -- seconds to wait for a suspend or a freeze that was given up but may still be carried out
local AGENT = 15 -- seconds that libvirt itself may need beside the agent's answer

pausing.THAW = 12 -- seconds for one thaw while other guests wait: libvirt gives the agent 10

-- What is noted of one time that a guest stands still.
local NOTES = { "attempted", "freezing", "stopped", "stopped_at", "back", "pause_ms", "nothing_done", "frozen", "freeze_failed",
  "fell_back", "thawed_before", "thaw_late", "unsettled", "unanswered", "waited", "told", "unknown", "due" }

local NOT_RESPONDING = { timeout = true, unsupported = true, unreachable = true }

local function tries(ctx, what, guest)
  return {
    times = ctx.cfg:get("KVM_CMD_RETRY_COUNT"),
    wait = ctx.cfg:get("KVM_CMD_RETRY_WAIT"),
    on_retry = function(failed, n) log.warn("%s of guest '%s' failed, try %d: %s", what, guest.name, n + 1, failed) end,
  }
end

--- Begin anew with a guest that may have stood still before, for whatever guard: that it came back then says nothing of what
-- comes now. One that has not come back keeps its notes.
-- @tparam table guest
function pausing.anew(guest)
  if not guest.back then return end
  for _, note in ipairs(NOTES) do guest[note] = nil end
end

--- How a guest is to stand still, as the config says it.
-- @tparam table ctx
-- @tparam {name=string} guest
-- @treturn string "suspend", "freeze" or "none"
function pausing.wanted(ctx, guest)
  local methods = ctx.cfg:get("KVM_QUIESCE_METHOD")
  return methods.map[guest.name] or methods.all
end

-- Instead of a freeze: what KVM_FREEZE_FALLBACK says, or the error.
local function fall_back(ctx, guest, why)
  local fallback = ctx.cfg:get("KVM_FREEZE_FALLBACK")
  if fallback == "fail" then
    return nil, err.coded("kvm-00016", ("guest '%s' could not be frozen"):format(guest.name), why)
  end
  log.warn("Guest '%s' could not be frozen: %s; it %s (KVM_FREEZE_FALLBACK=%s)", guest.name, why,
    fallback == "none" and "is taken as it runs" or "is suspended", fallback)
  guest.fell_back = true
  return fallback
end

--- Decide how a guest stands still: its agent is asked now, while all guests run, since one that does not answer
-- takes 5 s to show.
-- @tparam table ctx
-- @tparam table guest gets `method`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00016
function pausing.choose(ctx, guest)
  guest.method = pausing.wanted(ctx, guest)
  if guest.method ~= "freeze" then return true end
  local ok, failed = guest.dom:agent_answers()
  if ok then return true end
  guest.method, failed = fall_back(ctx, guest, failed)
  return guest.method and true, failed
end

local function suspend(ctx, guest)
  local sent = clock.mono()
  -- QEMU waits for the guest's own reads and writes first: for ever, where its disk does not answer.
  local limit = ctx.cfg:get("KVM_SUSPEND_TIMEOUT")
  local ok, failed = task.timeout(limit, function()
    return retry.run(tries(ctx, "suspend", guest), function()
      local done, problem = guest.dom:suspend()
      if done or problem.code ~= "conflict" then return done, problem end
      -- Off since it was looked at: no reason to let the others stand still through the retries.
      local state = resuming.state(guest.dom)
      if state and state.state == "shutoff" then return false end
      return nil, problem
    end)
  end)
  if ok then
    guest.stopped, guest.stopped_at = "suspend", clock.mono()
    log.info("Guest '%s' suspended in %.1f ms", guest.name, (guest.stopped_at - sent) * 1000)
    return true
  end
  if ok == nil and guest.dom:pending() > 0 and failed and failed.code == "timeout" then
    failed = err.new("timeout", ("it is still under way after %g s (KVM_SUSPEND_TIMEOUT); does the guest's disk answer?")
      :format(limit))
  end
  -- Powered off since it was looked at: there is nothing to suspend any more.
  local state = ok == nil and failed.code ~= "cancelled" and resuming.state(guest.dom)
  if ok == false or state and state.state == "shutoff" then
    log.info("Guest '%s' was shut off meanwhile; no suspend is needed", guest.name)
    guest.state_before = "shutoff"
    return true
  end
  return nil, err.coded("kvm-00003", ("guest '%s' could not be suspended"):format(guest.name), failed)
end

-- No second try: the agent answered a moment ago, and a guest that did not freeze is thawed before anything else.
local function freeze(ctx, guest)
  local sent, limit = clock.mono(), ctx.cfg:get("KVM_SUSPEND_TIMEOUT")
  guest.freezing = true
  local count, failed = task.timeout(limit + AGENT, function() return guest.dom:freeze { timeout = limit } end)
  if count then
    guest.stopped, guest.stopped_at, guest.frozen = "freeze", clock.mono(), count
    log.info("Guest '%s': %s file system(s) frozen in %.1f ms", guest.name, count == true and "its" or count,
      (guest.stopped_at - sent) * 1000)
    return true
  end
  if failed.code == "cancelled" then return nil, failed end
  guest.freeze_failed = failed
  guest.method, failed = fall_back(ctx, guest, failed)
  if not guest.method then return nil, failed end
  return guest.method == "none" or suspend(ctx, guest)
end

--- Let a guest stand still. The guard process must hold it.
-- @tparam table ctx
-- @tparam table guest of which `choose` was asked
-- @tparam function paused called when it is paused already: true, it stays so, and nothing is done to it; false, it runs
--   again; nil and an Err
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00003, kvm-00016, of `paused`; but for the last something may have been done to it all the same
function pausing.stop(ctx, guest, paused)
  -- The list may be minutes old: whom an administrator has paused since then is his. libvirt would not tell.
  local before, unknown = resuming.state(guest.dom)
  if not before and unknown.code == "timeout" then
    guest.nothing_done = true
    return nil, err.coded("kvm-00003", ("guest '%s' could not be suspended"):format(guest.name), unknown)
  end
  if before and before.state == "paused" then
    local stays, failed = paused()
    if failed then return nil, failed end
    if stays then
      log.info("Guest '%s' was paused meanwhile (%s); it stays so", guest.name, before.reason)
      guest.state_before = "paused"
      return true
    end
  end
  guest.attempted = true
  if guest.method == "freeze" then return freeze(ctx, guest) end
  return suspend(ctx, guest)
end

-- A suspend or a freeze that nobody waits for any more may still be carried out, after what undoes it: look again until it
-- has ended, or leave the guest to the guard process, which goes on looking.
local function settle(guest, what)
  local until_time = clock.mono() + (guest.unsettled and 0 or SETTLE)
  while guest.dom:pending() > 0 and clock.mono() < until_time do task.sleep(0.02) end
  guest.unsettled = guest.dom:pending() > 0
  if not guest.unsettled then return true end
  return nil, err.new("timeout", ("its %s is still under way"):format(what))
end

-- What is still under way cannot be undone by hand either.
local function not_back(scf, what, guest, failed)
  local remedy = (guest.unsettled or guest.unanswered) and "the guard process brings it back when that has ended" or nil
  return err.coded(scf, what:format(guest.name), failed, { exit = 5, remedy = remedy })
end

local function resume(ctx, guest, last)
  local ok, failed = settle(guest, "suspend")
  if ok then
    ok, failed = retry.run(tries(ctx, "resume", guest), function()
      local done, problem = resuming.resume(guest.dom, guest, last)
      if guest.unanswered then return false end -- the first call still does what a second one would
      return done, problem
    end)
  end
  if ok == false then return nil, not_back("kvm-00004", "guest '%s' could not be resumed", guest, guest.unanswered) end
  if not ok and failed.code == "not_found" then return true end -- undefined meanwhile: nothing stands still
  if not ok and guest.dom:pending() == 0 then
    local state = resuming.state(guest.dom)
    ok = state and state.state ~= "paused"
  end
  if ok then return true end
  return nil, not_back("kvm-00004", "guest '%s' could not be resumed", guest, failed)
end

-- Also after a freeze that failed: libvirt may have given up what the agent carries out a moment later.
local function thaw(ctx, guest, last)
  local opts = tries(ctx, "thaw", guest)
  if guest.freeze_failed then opts.times = 0 end -- the guard process goes on, and others wait for this run
  local count, failed = settle(guest, "freeze")
  if count then
    count, failed = retry.run(opts, function()
      local thawed, problem = resuming.within(pausing.THAW + (last and SETTLE or 0),
        "its thaw is still under way, and libvirt does not answer", function() return guest.dom:thaw() end)
      local late = not thawed and problem.code == "timeout"
      guest.unanswered = late and problem or nil
      guest.thaw_late = guest.thaw_late or late
      return not late and thawed, problem
    end)
  end
  if count == false then return nil, not_back("kvm-00017", "guest '%s' could not be thawed", guest, guest.unanswered) end
  if count then
    -- One of our own that was answered too late has done it, or somebody else.
    guest.thawed_before = count == 0 and not guest.thaw_late and guest.frozen and guest.frozen ~= 0
    return true
  end
  local state = failed.code ~= "not_found" and resuming.state(guest.dom)
  if failed.code == "not_found" or state and state.state == "shutoff" then return true end
  -- An agent that refuses both has frozen nothing.
  if guest.freeze_failed and not NOT_RESPONDING[guest.freeze_failed.code] and not NOT_RESPONDING[failed.code] then
    log.warn("Guest '%s': its agent refused to freeze and refuses to thaw: %s", guest.name, failed)
    return true
  end
  return nil, not_back("kvm-00017", "guest '%s' could not be thawed", guest, failed)
end

--- Let a guest run again. May be called again when it failed.
-- @tparam table ctx
-- @tparam table guest
-- @tparam boolean last as for `std.resuming.call`
-- @treturn[1] boolean true; `pause_ms` is set when it stood still
-- @return[2] nil
-- @treturn[2] Err kvm-00004, kvm-00017; exit 5
function pausing.back(ctx, guest, last)
  local ok, failed = true, nil
  -- A fall-back from freeze to suspend has done both: first it must run.
  if guest.method == "suspend" or guest.stopped == "suspend" then ok, failed = resume(ctx, guest, last) end
  if ok and guest.freezing then ok, failed = thaw(ctx, guest, last) end
  if not ok then return nil, failed end
  guest.back = true
  if guest.stopped_at and not plan.active() then
    guest.pause_ms = (clock.mono() - guest.stopped_at) * 1000
    log.info(guest.stopped == "freeze" and "Guest '%s' thawed; it was frozen for %.1f ms"
      or "Guest '%s' resumed; it was paused for %.1f ms", guest.name, guest.pause_ms)
  end
  return true
end

--- Whether bringing the guest back may take long, so that others come first.
-- @tparam table guest
-- @treturn boolean
function pausing.slow(guest)
  return guest.dom:pending() > 0 or guest.freeze_failed ~= nil or guest.unanswered ~= nil
end

return pausing
