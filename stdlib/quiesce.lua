--- Guests that stand still and come back, whatever happens.
--
--    local guard <close> = quiesce.guard(ctx, guests)
--    assert(guard:suspend())
--    ... snapshot ...
--    guard:release()
--
-- The guard resumes on success, error and cancel; the guard process that it starts does so when this
-- process dies. Only what was running is suspended, and only what was suspended here is resumed. How each guest
-- stands still (suspended, frozen) is `std.pausing`'s part.
-- @module std.quiesce

local clock = require "engine.clock"
local file = require "engine.file"
local guard_process = require "engine.guard"
local plan = require "engine.plan"
local catalog = require "std.catalog"
local err = require "std.err"
local log = require "std.log"
local pausing = require "std.pausing"
local recover = require "std.recover"
local resuming = require "std.resuming"
local task = require "std.task"

local quiesce = {}

-- Guests at once. Each has a libvirt connection of its own, since libvirtd serves five calls of one client at a time
-- and the client's answers wait for one another. With 32 guests on two processors the longest pause is the same within
-- the spread of the runs for 4, 8, 12 and 16; more connections are of use where there are more processors.
local AT_ONCE = 8

local AT_A_GLANCE = 0.1 -- seconds for all guests' states
local LOOKS = 5 -- at a guest, 0.1 s apart, where the connection to libvirt is broken

local Guard = {}
Guard.__index = Guard

local RUNNING = { running = true, blocked = true }

local function identity(list)
  local out = {}
  for i, guest in ipairs(list) do
    out[i] = { uuid = guest.uuid, name = guest.name, freeze = guest.method == "freeze" or nil }
  end
  return out
end

-- Whether a paused guest stays so, since somebody wants it paused who is no run of ours. Looked at once more after the
-- journals: a run that lets it go in between leaves it running.
local function stays_paused(self, guest)
  local holder, failed = recover.holder(self.ctx, guest.uuid)
  if failed then return nil, failed end
  if holder then
    return nil, err.new("busy", ("guest '%s' is suspended by a run of config %s of profile %s, and would run again "
      .. "in the middle of this one"):format(guest.name, holder.config, holder.profile), { exit = 4 })
  end
  local state
  state, failed = guest.dom:state()
  if not state then return nil, failed end
  return not RUNNING[state.state]
end

-- Whether a guest runs now; the others need nothing.
local function look(self, guest)
  local dead = self.ctx.stuck and self.ctx.stuck[guest.uuid]
  if dead then
    return nil, err.new("busy", ("guest '%s' is still held by the guard process of a dead run of config %s, which would "
      .. "resume it in the middle of this one"):format(guest.name, dead), { exit = 4 })
  end
  local state, failed = guest.dom:state()
  if not state and failed.code == "not_found" then
    state = { state = "gone", reason = "other" } -- a transient one that was powered off
  elseif not state then
    return nil, failed
  end
  guest.state_before = state.state
  guest.reason_before = state.reason
  if RUNNING[state.state] then return true end
  if state.state ~= "paused" then
    log.info("Guest '%s' is %s; no suspend is needed", guest.name, state.state)
    return false
  end
  local stays
  stays, failed = stays_paused(self, guest)
  if failed then return nil, failed end
  if not stays then
    guest.state_before, guest.reason_before = "running", nil
    return true
  end
  log.info("Guest '%s' is paused already (%s); it stays so", guest.name, state.reason)
  return false
end

-- The guests that run and are to stand still, each with its method.
local function running_guests(self, guests)
  local runs, failed = task.map(guests, function(guest)
    pausing.anew(guest)
    local running, problem = look(self, guest)
    if problem or not running then return running, problem end
    local chosen
    chosen, problem = pausing.choose(self.ctx, guest)
    if not chosen then return nil, problem end
    if guest.method ~= "none" then return true end
    log.info("Guest '%s' is taken as it runs: the copy of it is crash-consistent only", guest.name)
    self.unquiet[#self.unquiet + 1] = guest
    return false
  end, { limit = AT_ONCE, collect = true })
  if not runs then return nil, failed end
  local list = {}
  for i, guest in ipairs(guests) do -- of several failures the first one in the guests' order is told
    if not runs[i].ok then return nil, runs[i].err end
    if runs[i].value then list[#list + 1] = guest end
  end
  return list
end

local function start_process(self)
  while self.starting do task.sleep(0.01) end -- for another task; a second one would take its journal away
  if self.process then return self.process end
  self.starting = true
  local _started <close> = setmetatable({}, { __close = function() self.starting = nil end })
  local ctx = self.ctx
  local ok, failed = file.mkdirs(ctx.dirs.state .. "/journal")
  if not ok then return nil, failed end
  self.process, failed = guard_process.start {
    journal = ctx:journal_path(), uri = ctx.uri, profile = ctx.profile, config = ctx.config_name,
    action = ctx.action, deadline = self.limit, log = ctx.dirs.log and ctx.dirs.log .. "/guard.log" or nil,
    record = ctx.record and catalog.path(ctx, ctx.record) or nil, syslog = ctx.cfg:get("KVM_SYSLOG"),
  }
  return self.process, failed
end

--- Start the guard process and make ready the libvirt connections, while all guests run. `suspend` does it where
-- nobody has. Waits for both.
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function Guard:prepare()
  if plan.active() or self.ready then return true end
  local ok, failed = start_process(self)
  if not ok then return nil, failed end
  ok, failed = self.ctx.conn:warm(self.serial and 2 or AT_ONCE)
  self.ready = ok
  return ok, failed
end

-- Only those of one group at a time in a rolling run: each has a time limit of its own.
local function hold(self, list)
  local ok, failed = self:prepare()
  if not ok or plan.active() then return ok, failed end
  for _, guest in ipairs(list) do guest.due = clock.mono() + self.limit end
  ok, failed = self.process:hold(identity(list))
  if ok then self.holds = self.holds + #list end
  for _, guest in ipairs(list) do guest.held = ok end
  return ok, failed
end

local function still_pending(self)
  for _, guest in ipairs(self.attempted) do
    if guest.dom:pending() > 0 then return true end
  end
  return false
end

-- A guest's own time begins now: it is held for as long as those before it are suspended, too.
local function begin_pause(self, guest)
  local pauses = self.ctx.cfg:get("KVM_MAX_PAUSE")
  local limit = pauses and (pauses.map[guest.name] or pauses.all)
  if not limit or not self.process then return true end
  guest.due = math.min(guest.due, clock.mono() + limit)
  return self.process:begin(guest.uuid, limit)
end

local function stop(self, guest)
  local begun, problem = begin_pause(self, guest)
  if not begun then return nil, err.coded("scf-00037", "the guard process", problem) end
  for i = #self.attempted, 1, -1 do -- it may stand still for the second time
    if self.attempted[i] == guest then table.remove(self.attempted, i) end
  end
  self.attempted[#self.attempted + 1] = guest
  local ok, failed = pausing.stop(self.ctx, guest, function()
    local stays, trouble = stays_paused(self, guest)
    if stays == false then return false end
    guest.nothing_done = true
    if self.process then self.process:free { guest.uuid } end
    guest.held = nil
    return stays, trouble
  end)
  if guest.fell_back and guest.method == "none" then self.unquiet[#self.unquiet + 1] = guest end
  if ok then return true end
  log.error(failed)
  self.failures[#self.failures + 1] = { guest = guest, err = failed }
  if self.ctx.cfg:get("APP_IGNORE_ERROR") then
    log.warn("[scf-00038] going on although guest '%s' is not suspended (APP_IGNORE_ERROR=Y)", guest.name)
    return true
  end
  return nil, err.coded("scf-00037", ("guest '%s'"):format(guest.name), failed.cause or failed, { exit = failed.exit })
end

--- Let the guests that run stand still: one after another in their order, or (KVM_QUIESCE_MODE) many at once.
-- @tparam[opt] {table,...} guests some of the guard's; default: all
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err scf-00037 of the first guest that could not be suspended; with `APP_IGNORE_ERROR=Y`
--   those are noted in `guard.failures` and the others suspended
function Guard:suspend(guests)
  local list, failed = running_guests(self, guests or self.guests)
  if not list then return nil, err.coded("scf-00037", "guests", failed, { exit = failed.exit }) end
  if #list == 0 then return true end
  self.arming = self.arming + 1
  local ok
  ok, failed = hold(self, list)
  if ok then
    ok, failed = task.map(list, function(guest) return stop(self, guest) end,
      { limit = (self.serial or plan.active()) and 1 or AT_ONCE })
  else
    failed = err.coded("scf-00037", "the guard process", failed)
  end
  self.arming = self.arming - 1
  if not ok then return nil, failed end
  if self.process and self.arming == 0 and not still_pending(self) then self.process:settled(self.holds) end
  return true
end

-- The first looks may find their connection broken, though libvirtd is back.
local function look_again(guest)
  local state, failed
  for _ = 1, LOOKS do
    state, failed = resuming.state(guest.dom)
    if state or failed.code ~= "unreachable" and failed.code ~= "io" then break end
    task.sleep(0.1)
  end
  return state, failed
end

-- Those that libvirt has as paused: one question for all of them, since they stand still meanwhile. Where it takes
-- longer than asking for each, none.
local function paused(self)
  local uuids = resuming.within(AT_A_GLANCE, "libvirt does not say who is paused", function() return self.ctx.conn:paused() end)
  local set = {}
  for _, uuid in ipairs(uuids or {}) do set[uuid] = true end
  return set
end

--- After the snapshot: whether all that was suspended here stood still until now. Somebody else may have
-- resumed a guest; then the snapshot is crash-consistent only. Of frozen ones only `release` can tell.
-- @tparam[opt] {table,...} guests some of the guard's; default: all
-- @treturn {table,...} guests that run, or of which nobody can say: these have the reason in `unknown`
function Guard:disturbed(guests)
  local list, stand = {}, {}
  if plan.active() then return list end
  for _, guest in ipairs(guests or self.attempted) do
    if guest.stopped == "suspend" and not guest.back then stand[#stand + 1] = guest end
  end
  if #stand == 0 then return list end -- frozen ones are not asked about, and stand still now
  local still, unsure = paused(self), {}
  for _, guest in ipairs(stand) do
    if not still[guest.uuid] then unsure[#unsure + 1] = guest end
  end
  task.map(unsure, function(guest)
    local state, failed = look_again(guest)
    guest.unknown = failed
    if not state or RUNNING[state.state] then list[#list + 1] = guest end
  end, { limit = AT_ONCE })
  return list
end

--- How long the guests may still stand still.
-- @treturn ?number seconds; nil when none does
function Guard:remaining()
  local first
  for _, guest in ipairs(self.attempted) do
    if guest.stopped_at and not guest.back and (not first or guest.stopped_at < first) then first = guest.stopped_at end
  end
  return first and math.max(0, first + self.limit - clock.mono())
end

-- Tell the guard process which guests run again. Those that were held and never touched do so, too.
local function free(self, guests)
  local uuids = {}
  for _, guest in ipairs(guests) do
    if guest.held and (guest.back or not guest.attempted) then uuids[#uuids + 1] = guest.uuid end
  end
  if #uuids == 0 then return end
  local answer, failed = self.process:free(uuids)
  for _, guest in ipairs(guests) do -- only now: a cancel that comes before is no reason not to tell
    if guest.back or not guest.attempted then guest.held = nil end
  end
  if not answer then log.warn("the guard process was not told that guests run again: %s", failed) end
  self.fired = self.fired or (answer and answer.fired) or false
end

-- Those that the guard process has brought back since their time was up: whoever stands still now does so at somebody
-- else's word. When it does not say, all are taken for ours.
local function over(self, list)
  local late, set = false, {}
  for _, guest in ipairs(list) do late = late or guest.held and clock.mono() >= guest.due end
  local uuids = late and self.process and resuming.within(resuming.LOOK, "the guard process does not answer",
    function() return self.process:over() end)
  for _, uuid in ipairs(uuids or {}) do set[uuid] = true end
  return set
end

--- Let everything run again that was brought to stand still here, many at once, never stopping at a
-- failure. May be called again; what runs already is left alone.
-- @tparam[opt] {table,...} guests some of the guard's: the guard process stays for the others; default: all
-- @treturn {failed={Err,...},fired=boolean,thawed={guest,...}} failed: guests that could not be resumed (the guard process
--   goes on trying); fired: the time limit had passed and the guard process resumed them; thawed: guests that somebody
--   else had thawed before
function Guard:release(guests)
  local failures, thawed, mine, list = {}, {}, {}, {}
  self.released = self.released or not guests
  for _, guest in ipairs(guests or self.guests) do mine[guest] = true end
  for _, guest in ipairs(self.attempted) do
    if mine[guest] and not guest.back then list[#list + 1] = guest end
  end
  local let_be = over(self, list)
  local function bring_back(guest, last)
    if guest.nothing_done or let_be[guest.uuid] then
      guest.back = true
      guest.pause_ms = guest.stopped_at and math.max(0, guest.due - guest.stopped_at) * 1000
      return true
    end
    local ok, failed = pausing.back(self.ctx, guest, last)
    if ok and guest.thawed_before then thawed[#thawed + 1] = guest end
    return ok, failed
  end
  -- Many at once in a serial run, too: nobody stands still while another one's QEMU, or its suspend, is waited for.
  for _, at in ipairs(resuming.each(list, bring_back, pausing.slow)) do
    if at.err.message ~= at.guest.told then log.error(at.err) end
    at.guest.told = at.err.message
    failures[#failures + 1] = at.err
  end
  if self.process then free(self, guests or self.guests) end
  if self.process and #failures == 0 and not guests then
    local process = self.process
    self.process, self.ready = nil, false
    local last, failed = process:finish()
    if not last then log.warn("the guard process was not told to end, which it does by itself: %s", failed) end
    self.fired = self.fired or (last and last.fired) or false
  end
  return { failed = failures, fired = self.fired, thawed = thawed }
end

--- Leave the guests suspended when this process ends: another one resumes them, at the latest the
-- guard process when the time limit passes.
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function Guard:detach()
  if self.process then -- in a dry run there is none
    local ok, failed = self.process:detach()
    if not ok then return nil, failed end
  end
  self.attempted = {}
  self.process = nil
  return true
end

-- Nobody reads what a release by `<close>` found, so the run's exit code says it. `release` called before has told the
-- time limit to its caller.
Guard.__close = function(self)
  local told = self.released
  task.insist(function()
    local result = self:release()
    if #result.failed > 0 then self.ctx:worse(5) end
    if result.fired and not told then
      log.error(err.coded("agt-00008", "the time limit passed and the guests were resumed"))
      self.ctx:worse(3)
    end
  end)
end

--- A guard over guests; suspends nothing yet.
-- @tparam table ctx the workflow's context
-- @tparam {table,...} guests as from `std.discovery`, in the order in which they are suspended
-- @treturn Guard a to-be-closed value, which ends the run with exit code 5 when a guest could not be resumed, and with 3
--   when the time limit had passed; `failures`: guests that could not be suspended; `unquiet`: those that run, since
--   KVM_QUIESCE_METHOD or KVM_FREEZE_FALLBACK say none
function quiesce.guard(ctx, guests)
  return setmetatable({ ctx = ctx, guests = guests, attempted = {}, failures = {}, unquiet = {}, fired = false,
    holds = 0, arming = 0, serial = ctx.cfg:get("KVM_QUIESCE_MODE") == "serial",
    limit = ctx.cfg:get("SC_AGENT_UNQUIESCE_TIMEOUT") }, Guard)
end

return quiesce
