--- Suspended guests that come back, whatever happens.
--
--    local guard <close> = quiesce.guard(ctx, guests)
--    assert(guard:suspend())
--    ... snapshot ...
--    guard:release()
--
-- The guard resumes on success, error and cancel; the guard process that it starts does so when this
-- process dies. Only what was running is suspended, and only what was suspended here is resumed.
-- @module std.quiesce

local clock = require "engine.clock"
local file = require "engine.file"
local guard_process = require "engine.guard"
local plan = require "engine.plan"
local err = require "std.err"
local log = require "std.log"
local recover = require "std.recover"
local retry = require "std.retry"
local task = require "std.task"

local quiesce = {}

local SETTLE = 30 -- seconds to wait for a suspend that was given up but may still be carried out

local Guard = {}
Guard.__index = Guard

local RUNNING = { running = true, blocked = true }

local function tries(self, what, guest)
  return {
    times = self.ctx.cfg:get("KVM_CMD_RETRY_COUNT"),
    wait = self.ctx.cfg:get("KVM_CMD_RETRY_WAIT"),
    on_retry = function(failed, n) log.warn("%s of guest '%s' failed, try %d: %s", what, guest.name, n + 1, failed) end,
  }
end

local function identity(list)
  local out = {}
  for i, guest in ipairs(list) do out[i] = { uuid = guest.uuid, name = guest.name } end
  return out
end

-- The journal of another run that holds a guest suspended now.
local function held_by(self, guest)
  local list, failed = recover.journals(self.ctx)
  if not list then return nil, failed end
  for _, entry in ipairs(list) do
    local j = entry.journal
    if (j.guard_alive or j.engine_alive) and j.uri == self.ctx.uri then
      for _, held in ipairs(j.held) do
        if held.uuid == guest.uuid then return j end
      end
    end
  end
  return nil
end

-- Which guests run now; the others need nothing.
local function running_guests(self)
  local list = {}
  for _, guest in ipairs(self.guests) do
    local state, failed = guest.dom:state()
    if not state and failed.code == "not_found" then
      state = { state = "gone", reason = "other" } -- a transient one that was powered off
    elseif not state then
      return nil, failed
    end
    guest.state_before = state.state
    guest.reason_before = state.reason
    if RUNNING[state.state] then
      list[#list + 1] = guest
    elseif state.state == "paused" then
      local holder
      holder, failed = held_by(self, guest)
      if failed then return nil, failed end
      if holder then
        return nil, err.new("busy", ("guest '%s' is suspended by a run of config %s of profile %s, and would run again "
          .. "in the middle of this one"):format(guest.name, holder.config, holder.profile), { exit = 4 })
      end
      log.info("Guest '%s' is paused already (%s); it stays so", guest.name, state.reason)
    else
      log.info("Guest '%s' is %s; no suspend is needed", guest.name, state.state)
    end
  end
  return list
end

local function start_guard(self, list)
  if plan.active() then return true end
  local ctx = self.ctx
  local ok, failed = file.mkdirs(ctx.dirs.state .. "/journal")
  if not ok then return nil, failed end
  local process
  process, failed = guard_process.start {
    journal = ctx:journal_path(), uri = ctx.uri, profile = ctx.profile, config = ctx.config_name,
    action = ctx.action, deadline = self.limit, log = ctx.dirs.log and ctx.dirs.log .. "/guard.log" or nil,
  }
  if not process then return nil, failed end
  self.process = process
  self.until_time = clock.mono() + self.limit
  return process:hold(identity(list))
end

local function suspend_one(self, guest)
  -- The list may be minutes old: whom an administrator has paused since then is his. libvirt would not tell.
  local before = guest.dom:state()
  if before and before.state == "paused" then
    log.info("Guest '%s' was paused meanwhile (%s); it stays so", guest.name, before.reason)
    guest.state_before = "paused"
    if self.process then self.process:free { guest.uuid } end
    return true
  end
  local sent = clock.mono()
  guest.attempted = true
  self.attempted[#self.attempted + 1] = guest
  -- QEMU waits for the guest's own reads and writes first: for ever, where its disk does not answer.
  local limit = self.ctx.cfg:get("KVM_SUSPEND_TIMEOUT")
  local ok, failed = task.timeout(limit, function()
    return retry.run(tries(self, "suspend", guest), function()
      local done, problem = guest.dom:suspend()
      if done or problem.code ~= "conflict" then return done, problem end
      -- Off since it was looked at: no reason to let the others stand still through the retries.
      local state = guest.dom:state()
      if state and state.state == "shutoff" then return false end
      return nil, problem
    end)
  end)
  if not ok and guest.dom:pending() > 0 and failed and failed.code == "timeout" then
    failed = err.new("timeout", ("it is still under way after %g s (KVM_SUSPEND_TIMEOUT); does the guest's disk answer?")
      :format(limit))
  end
  if ok == false then
    log.info("Guest '%s' was shut off meanwhile; no suspend is needed", guest.name)
    guest.state_before = "shutoff"
    return true
  end
  if ok then
    guest.suspended_at = clock.mono()
    log.info("Guest '%s' suspended in %.1f ms", guest.name, (guest.suspended_at - sent) * 1000)
    return true
  end
  -- Powered off since it was looked at: there is nothing to suspend any more.
  local state = failed.code ~= "cancelled" and guest.dom:state()
  if state and state.state == "shutoff" then
    log.info("Guest '%s' was shut off meanwhile; no suspend is needed", guest.name)
    guest.state_before = "shutoff"
    return true
  end
  return nil, err.coded("kvm-00003", ("guest '%s' could not be suspended"):format(guest.name), failed)
end

local function still_pending(self)
  for _, guest in ipairs(self.attempted) do
    if guest.dom:pending() > 0 then return true end
  end
  return false
end

--- Suspend the guests that run, one after another in their order.
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err scf-00037 of the first guest that could not be suspended; with `APP_IGNORE_ERROR=Y`
--   those are noted in `guard.failures` and the others suspended
function Guard:suspend()
  local list, failed = running_guests(self)
  if not list then return nil, err.coded("scf-00037", "guests", failed, { exit = failed.exit }) end
  if #list == 0 then return true end
  local ok
  ok, failed = start_guard(self, list)
  if not ok then return nil, err.coded("scf-00037", "the guard process", failed) end
  for _, guest in ipairs(list) do
    ok, failed = suspend_one(self, guest)
    if not ok then
      log.error(failed)
      self.failures[#self.failures + 1] = { guest = guest, err = failed }
      if not self.ctx.cfg:get("APP_IGNORE_ERROR") then
        return nil, err.coded("scf-00037", ("guest '%s'"):format(guest.name), failed.cause or failed)
      end
    end
  end
  if self.process and not still_pending(self) then self.process:settled() end
  return true
end

-- A suspend that nobody waits for any more may still be carried out: look again until it has ended, or leave the
-- guest to the guard process, which goes on looking.
local function settle(guest)
  local until_time = clock.mono() + (guest.unsettled and 0 or SETTLE)
  while guest.dom:pending() > 0 and clock.mono() < until_time do task.sleep(0.02) end
  guest.unsettled = guest.dom:pending() > 0
  if not guest.unsettled then return true end
  return nil, err.new("timeout", "its suspend is still under way; the guard process resumes it when that has ended")
end

local function resume_one(self, guest)
  local ok, failed = settle(guest)
  if ok then ok, failed = retry.run(tries(self, "resume", guest), function() return guest.dom:resume() end) end
  if not ok and failed.code == "not_found" then ok = true end -- undefined meanwhile: nothing stands still
  if not ok and guest.dom:pending() == 0 then
    local state = guest.dom:state()
    ok = state and state.state ~= "paused"
  end
  if not ok then
    return nil, err.coded("kvm-00004", ("guest '%s' could not be resumed"):format(guest.name), failed, { exit = 5 })
  end
  guest.back = true
  if guest.suspended_at then
    guest.pause_ms = (clock.mono() - guest.suspended_at) * 1000
    log.info("Guest '%s' resumed; it was paused for %.1f ms", guest.name, guest.pause_ms)
  end
  return true
end

--- After the snapshot: whether all that was suspended here stood still until now. Somebody else may have
-- resumed a guest; then the snapshot is crash-consistent only.
-- @treturn {table,...} guests that run, or of which nobody can say
function Guard:disturbed()
  local list = {}
  if plan.active() then return list end
  for _, guest in ipairs(self.attempted) do
    if guest.suspended_at and not guest.back then
      -- Once more: the first look may find its connection broken, though libvirtd is back.
      local state = guest.dom:state() or guest.dom:state()
      if not state or RUNNING[state.state] then list[#list + 1] = guest end
    end
  end
  return list
end

--- How long the guests may still stand still.
-- @treturn ?number seconds; nil when none does
function Guard:remaining()
  if not self.until_time or not self.process then return nil end
  return math.max(0, self.until_time - clock.mono())
end

--- Resume everything that was suspended here, one after another, never stopping at a failure.
-- May be called again; what runs already is left alone.
-- @treturn {failed={Err,...},fired=boolean} failed: guests that could not be resumed (the guard process
--   goes on trying); fired: the time limit had passed and the guard process resumed them
function Guard:release()
  local failures, uuids = {}, {}
  local function bring_back(guest)
    if not guest.back then
      local ok, failed = resume_one(self, guest)
      if not ok then
        log.error(failed)
        failures[#failures + 1] = failed
      end
    end
    if guest.back then uuids[#uuids + 1] = guest.uuid end
  end
  -- Nobody stands still while another one's suspend is waited for.
  local late = {}
  for _, guest in ipairs(self.attempted) do
    if not guest.back and guest.dom:pending() > 0 then late[#late + 1] = guest else bring_back(guest) end
  end
  for _, guest in ipairs(late) do bring_back(guest) end
  local process = self.process
  if process and #failures == 0 then
    self.process = nil
    if #uuids > 0 then
      local answer = process:free(uuids)
      self.fired = self.fired or (answer and answer.fired) or false
    end
    local last = process:finish()
    self.fired = self.fired or (last and last.fired) or false
  end
  return { failed = failures, fired = self.fired }
end

--- Leave the guests suspended when this process ends: another one resumes them, at the latest the
-- guard process when the time limit passes.
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function Guard:detach()
  if not self.process then return true end
  local ok, failed = self.process:detach()
  if not ok then return nil, failed end
  self.attempted = {}
  self.process = nil
  return true
end

Guard.__close = function(self) self:release() end

--- A guard over guests; suspends nothing yet.
-- @tparam table ctx the workflow's context
-- @tparam {table,...} guests as from `std.discovery`, in the order in which they are suspended
-- @treturn Guard a to-be-closed value
function quiesce.guard(ctx, guests)
  return setmetatable({ ctx = ctx, guests = guests, attempted = {}, failures = {}, fired = false,
    limit = ctx.cfg:get("SC_AGENT_UNQUIESCE_TIMEOUT") }, Guard)
end

return quiesce
