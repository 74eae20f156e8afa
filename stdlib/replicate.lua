--- What follows a backup on the secondary: SnapMirror and SnapVault updates, and waiting for them.
-- Runs when the guests run again. A relationship is never created, initialized or changed.
-- @module std.replicate

local clock = require "engine.clock"
local backup = require "std.backup"
local catalog = require "std.catalog"
local err = require "std.err"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"
local replication = require "std.replication"
local task = require "std.task"
local vault_records = require "std.vault_records"

local replicate = {}

-- Seconds. SETTLE: so long a controller may take until what it has begun, or ended, shows in its lists.
local POLL_FIRST, POLL_MOST, SETTLE = 0.2, 5, 10

-- A question that failed so says nothing about the transfer: it is asked again.
local PASSING = { timeout = true, unreachable = true, protocol = true, busy = true }

local READY = { snapmirrored = true }
local REMEDY = {
  uninitialized = "initialize it first: snapmirror initialize -destination-path %s",
  paused = "resume it: snapmirror resume -destination-path %s",
  broken_off = "resynchronize it, or delete it: snapmirror resync -destination-path %s",
}

local function failure(code, r, why, cause_code)
  return err.coded(code, ("%s of %s:%s to %s"):format(r.kind.title, r.source.controller, r.source.volume, r.destination),
    why, { code = cause_code or err.is(why) and why.code or "conflict", exit = 3 })
end

-- Time left before the wait of a relationship ends; nil: it is not waited for.
local function left(r)
  return r.deadline and r.deadline - clock.mono()
end

-- What a copy of a vault has: the snapshot's own name, which comes along. nil and an Err: it cannot be told.
local function arrived(ctx, r)
  local rows, failed
  if not r.by_name then
    if r.transfer then return true end
    rows, failed = r.controller.client:mirrors { destination = r.destination }
    if not rows then return nil, failed end
    return rows[1] ~= nil and rows[1].newest ~= r.newest
  end
  rows, failed = ontap.snapshots({ controllers = { [r.controller.name] = r.controller } },
    { controller = r.controller.name, volume = r.volume }, ctx.snapshot)
  if not rows then return nil, failed end
  return rows[1] ~= nil
end

-- Wait until fn returns something else than nil. nil when the time is over.
local function poll(r, fn)
  local pause = POLL_FIRST
  while true do
    local value, failed = fn()
    if value ~= nil or failed then return value, failed end
    local rest = left(r)
    if rest and rest <= 0 then return nil, failure(r.kind.late, r, nil, "timeout") end
    task.sleep(rest and math.min(pause, rest) or pause)
    pause = math.min(pause * 1.5, POLL_MOST)
  end
end

local function transfer_of(r)
  local t, failed = r.controller.client:mirror_transfer(r.destination, { transfer = r.transfer })
  if t or PASSING[failed.code] then return t end
  return nil, failure(r.kind.status, r, failed)
end

-- One that is under way may have begun before this backup's snapshot: the update comes after it.
local function wait_idle(r)
  return poll(r, function()
    local t, failed = transfer_of(r)
    if failed then return nil, failed end
    if not t or t.running then return nil end
    r.before = t.reason
    return true
  end)
end

local function check(ctx, r)
  if not READY[r.state] then
    local remedy = REMEDY[r.state]
    return nil, failure(r.kind.start, r, ("it is %s%s"):format(r.state or "in no state",
      remedy and "; " .. remedy:format(r.destination) or ""))
  end
  local label = backup.label(ctx)
  if r.kind.name == "snapvault" and not r.named and r.labels and not r.labels[label] then
    return nil, failure(r.kind.start, r, ("its policy '%s' has no rule for the label '%s', so that nothing would be "
      .. "transferred; snapmirror policy add-rule -policy %s -snapmirror-label %s -keep <copies>"):format(r.policy or "",
      label, r.policy or "", label))
  end
  return true
end

-- A running transfer that is not waited for in the end is waited for here no longer than that of a vault.
local function begin(ctx, r)
  local minutes = ctx.cfg:get(r.kind.wait)
  r.deadline = clock.mono() + (minutes or ctx.cfg:get("NTAP_SNAPVAULT_WAIT")) * 60
  r.waits = minutes ~= nil
  log.info("Updating %s [%s:%s] to [%s]", r.kind.title, r.source.controller, r.source.volume, r.destination)
  if not ctx.dry_run then
    local idle, failed = wait_idle(r)
    if not idle then return nil, failed end
  end
  local begun, failed = r.controller.client:mirror_update(r.destination,
    { snapshot = r.named and ctx.snapshot or nil, rate = ctx.cfg:get(r.kind.rate) })
  if not begun then
    return nil, failure(r.kind.start, r, privileges.explain(r.controller, failed, "update replication"))
  end
  r.transfer = begun.transfer
  return true
end

-- ONTAPI tells of the last transfer only: until the new one shows, that is the one before.
local function finish(ctx, r)
  local since, ran = clock.mono(), false
  return poll(r, function()
    local t, failed = transfer_of(r)
    if failed then return nil, failed end
    if not t then return nil end
    ran = ran or t.running
    if t.running then return nil end
    local settled = clock.mono() - since > SETTLE
    if t.state == "success" then
      r.bytes = t.bytes
      local there, unknown = arrived(ctx, r)
      if there then return true end
      if not settled then return nil end
      if unknown then return nil, failure(r.kind.status, r, unknown) end
      return nil, failure(r.kind.failed, r, ("the transfer has ended, and snapshot %s is not there")
        :format(ctx.snapshot), "not_found")
    end
    if not r.transfer and not ran and not settled and t.reason == r.before then return nil end
    return nil, failure(r.kind.failed, r, t.reason or ("the transfer is %s"):format(t.state), "io")
  end)
end

local function update(ctx, r)
  local ok, failed = check(ctx, r)
  if ok then ok, failed = begin(ctx, r) end
  if ok then
    r.entry.state = "started"
    if ctx.dry_run then return true end
    if not r.waits then
      log.info("%s [%s:%s] to [%s] was started and is not waited for (%s)", r.kind.title, r.source.controller,
        r.source.volume, r.destination, r.kind.wait)
      return true
    end
    ok, failed = finish(ctx, r)
  end
  if not ok then
    -- One that is late goes on at the controller.
    r.entry.state, r.entry.error = failed.code == "timeout" and "late" or "failed", tostring(failed)
    return nil, failed
  end
  r.entry.state, r.entry.bytes, r.entry.finished = "done", r.bytes, math.floor(clock.now())
  log.info("Updating %s [%s:%s] to [%s] finished successfully", r.kind.title, r.source.controller, r.source.volume,
    r.destination)
  return true
end

-- Whether a volume has this run's snapshot.
local function in_backup(ctx, source)
  for _, v in ipairs(ctx.volumes) do
    if v.controller == source.controller and v.volume == source.volume then return true end
  end
  return false
end

-- The controller's own schedule transfers: look only whether there is one, and what it has brought.
local function left_to_schedule(ctx, kind, source)
  local rows, failed = replication.find(ctx, kind, source)
  if not rows then return nil, failed end
  for _, row in ipairs(rows) do
    if row.schedule then
      log.info("SnapVault [%s:%s] to [%s] is transferred by its own schedule '%s' (NTAP_SNAPVAULT_SNAPSHOT=Y)",
        source.controller, source.volume, row.destination, row.schedule)
    else
      log.warn("SnapVault [%s:%s] to [%s] has no schedule, and NTAP_SNAPVAULT_SNAPSHOT=Y leaves the transfer to one",
        source.controller, source.volume, row.destination)
    end
    if not ctx.dry_run then
      vault_records.look(ctx, { controller = row.controller, volume = row.volume, destination = row.destination,
        source = source })
    end
  end
  return true
end

-- The relationships of a kind to be updated, by source controller; and the first failure, the others are in the log.
local function plan(ctx, kind, entries, note)
  local groups, by_name = {}, {}
  for _, source in ipairs(replication.sources(ctx.cfg, kind)) do
    local named = kind.name == "snapmirror" and ctx.cfg:get("NTAP_SNAPMIRROR_USE_SNAPSHOT")
      or kind.name == "snapvault" and not backup.label(ctx)
    local by_name_only = named or kind.name == "snapvault"
    if by_name_only and not in_backup(ctx, source) then
      log.warn("%s: volume %s:%s is not in this backup and is not transferred", kind.volumes, source.controller,
        source.volume)
      ctx:worse(3)
    else
      local rows, failed = replication.find(ctx, kind, source)
      if not rows then note(failed) end
      for _, row in ipairs(rows or {}) do
        local r = { kind = kind, source = source, controller = row.controller, destination = row.destination,
          svm = row.svm, volume = row.volume, policy = row.policy, labels = row.labels, state = row.state,
          newest = row.newest, named = named, by_name = by_name_only }
        r.entry = { kind = kind.name, source = source.controller .. ":" .. source.volume, destination = r.destination,
          controller = r.controller.name, volume = r.volume, state = "pending" }
        entries[#entries + 1] = r.entry
        if not by_name[source.controller] then
          by_name[source.controller] = {}
          groups[#groups + 1] = by_name[source.controller]
        end
        table.insert(by_name[source.controller], r)
      end
    end
  end
  return groups
end

local function save(ctx)
  local ok, failed = catalog.save(ctx, ctx.record)
  if not ok then log.warn("catalog: %s", failed) end
end

-- The volumes of one controller at the same time, one controller after another. One that fails keeps none of the
-- others from their copy.
local function run_group(ctx, group, note)
  local outcomes, cancelled = task.map(group, function(r) return update(ctx, r) end,
    { limit = ctx.cfg:get("ONTAP_MAX_REQUESTS"), collect = true })
  if not outcomes then return nil, cancelled end
  for i, outcome in ipairs(outcomes) do
    if outcome.ok then
      table.insert(ctx.replicated, group[i])
    else
      note(outcome.err)
    end
  end
  return true
end

-- An update brings along what an earlier one could not. Before retention on the primary forgets it.
local function note_along(ctx, kind)
  for _, r in ipairs(kind.name == "snapvault" and not ctx.dry_run and ctx.replicated or {}) do
    if r.kind == kind then vault_records.look(ctx, r) end
  end
end

--- Update the relationships of `SNAPMIRROR_VOLUMES` and `SNAPVAULT_VOLUMES`, as far as the config asks for it, and wait
-- for them. What was transferred is noted in the run's record, `replicated`.
-- May wait as long as `NTAP_SNAPMIRROR_WAIT` and `NTAP_SNAPVAULT_WAIT` allow, for each controller.
-- @tparam table ctx with `record`, `volumes`, `snapshot`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err scf-00016 to scf-00024, the first; exit 3, since the backup itself is there
function replicate.run(ctx)
  local cfg, first = ctx.cfg, nil
  ctx.replicated = {}
  -- Whoever brings that guest back must not wait for a transfer.
  if ctx.exit == 5 and #replication.kinds(cfg) > 0 then
    log.warn("A guest could not be brought back to its state: nothing is transferred to the secondary")
    return true
  end
  local told = {}
  local function note(failed)
    if first then log.error(failed) end
    first = first or failed
    if failed.controller then told[failed.controller] = true end
  end
  for _, kind in ipairs(replication.kinds(cfg)) do
    if cfg:get(kind.update) then
      log.banner(kind.title .. " update")
      ctx.record.replicated = ctx.record.replicated or {}
      local groups = plan(ctx, kind, ctx.record.replicated, note)
      for _, failed in ipairs(replication.not_asked(ctx, kind)) do
        if not told[failed.controller] then note(failed) end
      end
      -- Before the first transfer: who finds a copy on the secondary must find out what it is of.
      save(ctx)
      for _, group in ipairs(groups) do
        local ok, failed = run_group(ctx, group, note)
        if not ok then return nil, failed end
      end
      save(ctx)
      note_along(ctx, kind)
    elseif kind.name == "snapvault" and cfg:get("NTAP_SNAPVAULT_SNAPSHOT") then
      log.banner(kind.title .. " update")
      for _, source in ipairs(replication.sources(cfg, kind)) do
        local ok, failed = left_to_schedule(ctx, kind, source)
        if not ok then note(failed) end
      end
    end
  end
  if first then return nil, first end
  return true
end

return replicate
