--- The steps of a backup around the pause: names and checks before it, record and retention after it.
-- @module std.backup

local clock = require "engine.clock"
local file = require "engine.file"
local process = require "engine.process"
local config = require "std.config"
local consistency = require "std.consistency"
local catalog = require "std.catalog"
local copies = require "std.copies"
local err = require "std.err"
local expire = require "std.expire"
local log = require "std.log"
local naming = require "std.naming"
local ontap = require "std.ontap"
local recent = require "std.recent"
local report = require "std.report"
local restore_steps = require "std.restore_steps"
local rolling = require "std.rolling"
local snapshots = require "std.snapshots"
local task = require "std.task"

local backup = {}

-- Who says that there is a snapshot.
local SAID = { controller = "the controller reported success", command = "the command ended well",
  external = "it was there when the run began", disabled = "another product should have made it" }

local MAX_LABEL = 31 -- characters that a SnapMirror label may have

local function name_in_use(snapshot, v)
  local what = ("snapshot %s on %s:%s: the name is in use"):format(snapshot, v.controller, v.volume)
  return err.coded("STORAGE-02009", what, nil, { code = "exists" })
end

-- Retention goes by SNAME: two configs with one would delete each other's copies.
local function check_sname(ctx)
  if ctx.cfg:get("ALLOW_DUPLICATE_SNAME") then return true end
  local sname, own = ctx.cfg:get("SNAME"), process.realpath(ctx.cfg.path)
  for _, profile in ipairs(file.list(ctx.dirs.config) or {}) do
    for _, name in ipairs(file.list(ctx.dirs.config .. "/" .. profile) or {}) do
      local path = ("%s/%s/%s"):format(ctx.dirs.config, profile, name)
      local theirs, failed
      if name:find("%.conf$") and name ~= "global.conf" and process.realpath(path) ~= own then
        theirs, failed = config.sname_of(path)
      end
      if failed then log.warn("%s; whether that config has the same SNAME cannot be seen", failed) end
      if theirs == sname then
        return nil, err.new("conflict", ("%s: SNAME: '%s' is also that of %s; write another, or "
          .. "ALLOW_DUPLICATE_SNAME=Y"):format(ctx.cfg:where("SNAME"), sname, path), { exit = 2 })
      end
    end
  end
  return true
end

-- The rows of all volumes by "controller:volume"; every snapshot's name is looked at before it is chosen.
local function list_all(ctx)
  local all = {}
  local ok, failed = ontap.each(ctx, ctx.volumes, function(v)
    log.info("STORAGE-02090: Listing Snapshot copies of [%s:%s]", v.controller, v.volume)
    local rows, problem = ontap.snapshots(ctx, v)
    if not rows then return nil, problem end
    log.info("STORAGE-02091: Listing Snapshot copies of [%s:%s] finished successfully: %d", v.controller, v.volume,
      #rows)
    all[v.controller .. ":" .. v.volume] = rows
    return true
  end)
  if not ok then return nil, failed end
  return all
end

-- A name that is in use ends the run, but for the one that every newest copy has.
local function check_name(ctx, all)
  for _, v in ipairs(ctx.volumes) do
    for _, row in ipairs(all[v.controller .. ":" .. v.volume]) do
      if row.name == ctx.snapshot then
        if not ctx.recent or copies.is_foreign(ctx, row) then return nil, name_in_use(ctx.snapshot, v) end
        v.recent = row
      end
      v.names = v.names or {}
      v.names[row.name] = true
    end
  end
  return true
end

-- A misspelt guest gets the method of all others, and is kept apart from nobody.
local function check_names(ctx)
  local here = {}
  for _, guest in ipairs(ctx.guests) do here[guest.name] = true end
  local function check(key, name)
    if not here[name] then
      log.warn("%s: %s: guest '%s' is not in this backup", ctx.cfg:where(key), key, name)
      here[name] = true
    end
  end
  for name in pairs(ctx.cfg:get("KVM_QUIESCE_METHOD").map) do check("KVM_QUIESCE_METHOD", name) end
  for _, set in ipairs(ctx.cfg:get("KVM_ANTI_AFFINITY") or {}) do
    for _, name in ipairs(set) do check("KVM_ANTI_AFFINITY", name) end
  end
end

--- Choose the snapshot's name and check every volume for it: exists, online, writable, name free.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function backup.prepare(ctx)
  local cfg = ctx.cfg
  ctx.way = snapshots.way(ctx)
  ctx.recent = not cfg:get("SNAP_TIMESTAMP_ONLY")
  ctx.snapshot = naming.make { sname = cfg:get("SNAME"), policy = ctx.policy, stamp = ctx.stamp,
    recent = ctx.recent or ctx.way == "disabled" }
  ctx.comment = copies.comment(ctx)
  ctx.as_group = ctx.way == "controller" and cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT")
  local ok, failed = check_sname(ctx)
  if ok then ok, failed = snapshots.part(ctx) end
  if ok then ok, failed = ontap.check_volumes(ctx, ctx.volumes) end
  if ok and ctx.as_group then ok, failed = consistency.check(ctx, ctx.data_volumes) end
  if ok then check_names(ctx) end
  if ok and rolling.wanted(ctx) then ok, failed = rolling.prepare(ctx) end
  if not ok then return nil, failed end
  local all
  all, failed = list_all(ctx)
  if not all then return nil, failed end
  if ctx.way == "disabled" then return true end
  if ctx.way ~= "external" then return check_name(ctx, all) end
  ctx.snapshot, failed = snapshots.external(ctx, all)
  return ctx.snapshot and true, failed
end

--- The snapshot's SnapMirror label: the policy, when it fits.
-- @tparam table ctx
-- @treturn ?string
function backup.label(ctx)
  return #ctx.policy <= MAX_LABEL and ctx.policy or nil
end

local function opts_of(ctx)
  return { comment = ctx.comment, label = backup.label(ctx) }
end

--- The last look before guests stand still: the name is free on every volume. It leaves open as many connections to each
-- controller as will be needed, so that none has to be made while guests wait.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009, STORAGE-02092
function backup.warm(ctx)
  if ctx.dry_run or ctx.way ~= "controller" then return true end
  return ontap.each(ctx, ctx.data_volumes, function(v)
    local rows, failed = ontap.snapshots(ctx, v, ctx.snapshot)
    if not rows then return nil, failed end
    if rows[1] and not ctx.recent then return nil, name_in_use(ctx.snapshot, v) end
    return true
  end)
end

--- Take the snapshots of the guests' volumes; see `std.snapshots`. In a rolling run the guests stand still for it here.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009, STORAGE-02003, STORAGE-02006, in a rolling run scf-00037 as well
function backup.snapshot(ctx)
  local opts = opts_of(ctx)
  if not rolling.wanted(ctx) then return snapshots.take(ctx, ctx.data_volumes, opts) end
  return rolling.run(ctx, function(volumes) return snapshots.take(ctx, volumes, opts) end)
end

--- When all guests run again: what the copies are worth.
-- @tparam table ctx with guard and `disturbed`, the guests that did not stand still until the end
-- @tparam boolean fired the time limit had passed
function backup.judge(ctx, fired)
  if #ctx.guard.failures > 0 then ctx:worse(3) end
  for _, guest in ipairs(ctx.disturbed) do
    local how = guest.stopped == "freeze" and "thawed" or "resumed"
    log.error(err.coded("agt-00008", guest.unknown and ("whether guest '%s' stood still until the snapshot was complete "
      .. "cannot be told"):format(guest.name) or ("guest '%s' was %s by somebody else before the snapshot was complete")
      :format(guest.name, how), guest.unknown))
    ctx.crash_consistent = true
    ctx:worse(3)
  end
  for _, guest in ipairs(ctx.guard.unquiet) do
    ctx.crash_consistent = true
    if guest.fell_back then ctx:worse(3) end
  end
  if fired then
    log.error(err.coded("agt-00008", "the time limit passed and the guests were resumed"))
    ctx.crash_consistent = true
    ctx:worse(3)
  end
end

--- Take those of META_DATA_VOLUME, when the guests run again.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009
function backup.snapshot_metadata(ctx)
  return snapshots.take_metadata(ctx, opts_of(ctx))
end

local function guest_record(ctx, guest)
  local disks = {}
  for i, disk in ipairs(guest.disks) do
    disks[i] = { target = disk.target, source = disk.source, format = disk.format, boot = disk.boot,
      provider = disk.object.provider, controller = disk.object.controller, volume = disk.object.volume,
      path = disk.object.mapping, file = disk.object.path, serial = disk.object.serial, snapshot = ctx.snapshot,
      backing = disk.backing }
  end
  return { name = guest.name, uuid = guest.uuid, state_before = guest.state_before or guest.state, disks = disks,
    xml = guest.xml }
end

--- Write the record of the run before anything is suspended or created, with status "started".
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function backup.begin(ctx)
  local record = { id = ctx.id, action = "backup", profile = ctx.profile, config = ctx.config_name,
    policy = ctx.policy, snapshot = ctx.snapshot, comment = ctx.comment, status = "started", way = ctx.way,
    mode = ctx.cfg:get("KVM_QUIESCE_MODE"), started = math.floor(ctx.started), uri = ctx.uri, guests = {},
    volumes = {}, skipped = ctx.skipped, grouped = ctx.as_group or nil }
  for i, guest in ipairs(ctx.guests) do record.guests[i] = guest_record(ctx, guest) end
  for i, v in ipairs(ctx.volumes) do
    record.volumes[i] = { controller = v.controller, volume = v.volume, metadata = v.metadata }
  end
  -- Only from here on is there something that a failure must be noted of.
  local ok, failed = recent.give_up(ctx)
  if not ok then return nil, failed end
  ctx.record = record
  ok, failed = catalog.save(ctx, record)
  if not ok then return nil, err.new(failed.code, ("catalog: %s; nothing was suspended"):format(failed.message)) end
  return true
end

local function longest_words(longest)
  return ("Longest pause: %.1f ms (%s)"):format(longest.ms, longest.guest)
end

local function fill_pauses(ctx)
  local longest
  for i, guest in ipairs(ctx.guests) do
    local record = ctx.record.guests[i]
    record.state_before = guest.state_before or guest.state
    record.pause_ms = guest.pause_ms and math.floor(guest.pause_ms * 10 + 0.5) / 10 or nil
    record.method = guest.stopped or guest.method and "none" or nil
    record.group = guest.group
    if record.pause_ms and record.pause_ms > (longest and longest.ms or -1) then
      longest = { guest = guest.name, ms = record.pause_ms }
    end
  end
  ctx.record.longest_pause = longest
end

-- A group's snapshots may have been made without comment and label.
local function mark(ctx, v, row)
  local label = backup.label(ctx)
  if row.comment == ctx.comment and (not label or row.label == label) then return end
  local ok, failed = ctx.controllers[v.controller].client:snapshot_modify(v.volume, row.name,
    { comment = ctx.comment, label = label })
  if not ok then
    log.warn("snapshot %s on %s:%s has no comment and no label: %s", row.name, v.controller, v.volume, failed)
    ctx:worse(3)
  end
end

-- What a dry run can tell of that: over ONTAPI a group's snapshots are made without.
local function plan_marks(ctx)
  task.map(ctx.as_group and ctx.data_volumes or {}, function(v)
    if ctx.controllers[v.controller].transport == "zapi" then mark(ctx, v, { name = ctx.snapshot }) end
  end)
end

--- Look at every snapshot on its controller, note uuids, and write the record with its outcome.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err when a snapshot that was reported as made is not there
function backup.confirm(ctx)
  if ctx.confirmed then return true end -- a workflow may have had to be sure earlier
  if #ctx.missing > 0 then
    log.warn("The config names guests that are not in this backup: %s", table.concat(ctx.missing, ", "))
    ctx:worse(3)
  end
  -- A disk that a restore has left half done does not become good by a snapshot. Another config's may have begun meanwhile.
  local unfinished, unread = restore_steps.look(ctx)
  if not unfinished then log.warn("%s", unread) end
  for _, guest in ipairs(ctx.record.guests) do
    if ctx.in_doubt and (ctx.in_doubt[guest.uuid] or ctx.in_doubt[guest.name]) then
      guest.in_doubt = true
      log.warn("Guest '%s' is in this backup with disks that a restore has left in doubt; it cannot be restored from it",
        guest.name)
      ctx:worse(3)
    end
  end
  ctx.confirmed = ctx.dry_run
  if ctx.dry_run then
    plan_marks(ctx)
    return true
  end
  local uuids = {}
  local ok, failed = task.map(ctx.volumes, function(v, i)
    local rows, problem = ontap.snapshots(ctx, v, ctx.snapshot)
    if not rows then return nil, problem end
    if not rows[1] then
      return nil, err.coded("STORAGE-02009", ("snapshot %s on %s:%s: %s, but it is not there"):format(ctx.snapshot,
        v.controller, v.volume, SAID[ctx.way]), nil, { code = "not_found" })
    end
    local fresh
    fresh, problem = snapshots.check_fresh(ctx, v, rows[1])
    if not fresh then return nil, problem end
    if ctx.as_group and not v.metadata then mark(ctx, v, rows[1]) end
    uuids[v.controller .. ":" .. v.volume] = rows[1].uuid
    ctx.record.volumes[i].snapshot_uuid = rows[1].uuid
    ctx.record.volumes[i].created = rows[1].created
    return true
  end, { limit = ctx.cfg:get("ONTAP_MAX_REQUESTS") })
  if not ok then return nil, failed end
  for _, guest in ipairs(ctx.record.guests) do
    for _, disk in ipairs(guest.disks) do disk.snapshot_uuid = uuids[disk.controller .. ":" .. disk.volume] end
  end
  fill_pauses(ctx)
  ctx.record.status = ctx.crash_consistent and "crash-consistent" or ctx.exit == 0 and "ok" or "partial"
  ctx.record.finished = math.floor(clock.now())
  ok, failed = catalog.save(ctx, ctx.record)
  if not ok then
    return nil, err.new(failed.code, ("catalog: %s; the snapshots %s exist and are not recorded"):format(failed.message,
      ctx.snapshot))
  end
  ctx.confirmed = true
  if ctx.record.longest_pause then log.info("%s", longest_words(ctx.record.longest_pause)) end
  return true
end

--- Delete what the policy no longer keeps; see `std.expire`.
-- @function backup.retain
backup.retain = expire.run

--- Print the outcome: a table of guests with their pauses, or the catalog record with --json.
-- @tparam table ctx
function backup.report(ctx)
  if ctx.dry_run then return end
  local rows, longest = {}, ctx.record.longest_pause
  for _, guest in ipairs(ctx.record.guests) do
    for i, disk in ipairs(guest.disks) do
      rows[#rows + 1] = { i == 1 and guest.name or "", i == 1 and guest.state_before or "",
        i == 1 and (guest.pause_ms and ("%.1f"):format(guest.pause_ms) or "-") or "", disk.controller, disk.path }
    end
  end
  local text = ("Snapshot %s\n"):format(ctx.snapshot)
    .. report.table({ "GUEST", "STATE", "PAUSE MS", "CONTROLLER", "PATH" }, rows)
  if longest then text = text .. "\n" .. longest_words(longest) end
  report.print(ctx, ctx.record, text)
end

-- What stays of a backup that failed: retention takes it away in time, without counting it.
local function name_copies(ctx)
  local places = {}
  for _, v in ipairs(ctx.volumes) do
    if v.made then places[#places + 1] = v.controller .. ":" .. v.volume end
  end
  if #places == 0 then return end
  log.warn("Snapshot copy [%s] of this backup stays on %s until retention deletes it; with NTAP_SNAPSHOT_CLEANUP=Y it goes "
    .. "at once", ctx.snapshot, table.concat(places, ", "))
end

--- After a failure: the guests run already. Take away this run's snapshots if asked, mark the record.
-- @tparam table ctx
-- @tparam Err failed
function backup.failed(ctx, failed)
  if not ctx.record or ctx.dry_run then return end
  if ctx.guard then
    local result = ctx.guard:release() -- says again what could not be resumed
    if #result.failed > 0 then ctx:worse(5) end
  end
  if ctx.confirmed then return end -- the backup is good; what came after it failed
  -- Half a consistency group is no backup that anybody asked for.
  -- What a command has made carries no comment; the name was free before.
  local bare = ctx.as_group or ctx.way == "command"
  if ctx.cfg:get("NTAP_SNAPSHOT_CLEANUP") or ctx.as_group then
    for _, problem in ipairs(ontap.undo_snapshot(ctx, ctx.volumes, ctx.snapshot, ctx.comment, bare)) do
      log.error(problem)
    end
  else
    name_copies(ctx)
  end
  fill_pauses(ctx)
  ctx.record.status = "failed"
  ctx.record.error = tostring(failed)
  ctx.record.finished = math.floor(clock.now())
  local ok, problem = catalog.save(ctx, ctx.record)
  if not ok then log.error("catalog: %s", problem) end
end

return backup
