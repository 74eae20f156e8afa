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
local log = require "std.log"
local naming = require "std.naming"
local ontap = require "std.ontap"
local params = require "std.params"
local report = require "std.report"
local retention = require "std.retention"
local task = require "std.task"

local backup = {}

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

--- Choose the snapshot's name and check every volume for it: exists, online, writable, name free.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function backup.prepare(ctx)
  local cfg = ctx.cfg
  ctx.recent = not cfg:get("SNAP_TIMESTAMP_ONLY")
  ctx.snapshot = naming.make { sname = cfg:get("SNAME"), policy = ctx.policy, stamp = ctx.stamp, recent = ctx.recent }
  -- Nobody else writes this comment: by it a snapshot is known to be this very run's.
  ctx.comment = ("%s run=%s"):format(copies.owner(ctx), ctx.id)
  ctx.as_group = cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT")
  local ok, failed = check_sname(ctx)
  if ok then ok, failed = ontap.check_volumes(ctx, ctx.volumes) end
  if ok and ctx.as_group then ok, failed = consistency.check(ctx, ctx.volumes) end
  if not ok then return nil, failed end
  return task.map(ctx.volumes, function(v)
    log.info("STORAGE-02090: Listing Snapshot copies of [%s:%s]", v.controller, v.volume)
    local rows, problem = ontap.snapshots(ctx, v)
    if not rows then return nil, problem end
    log.info("STORAGE-02091: Listing Snapshot copies of [%s:%s] finished successfully: %d", v.controller, v.volume,
      #rows)
    for _, row in ipairs(rows) do
      if row.name == ctx.snapshot then
        if not ctx.recent then return nil, name_in_use(ctx.snapshot, v) end
        v.recent = row
      end
    end
    return true
  end)
end

--- The snapshot's SnapMirror label: the policy, when it fits.
-- @tparam table ctx
-- @treturn ?string
function backup.label(ctx)
  return #ctx.policy <= MAX_LABEL and ctx.policy or nil
end

--- Take the snapshots: volume by volume, or as consistency groups.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009, STORAGE-02003, STORAGE-02006
function backup.snapshot(ctx)
  local opts = { comment = ctx.comment, label = backup.label(ctx) }
  local take = ctx.as_group and consistency.snapshot or ontap.snapshot
  return take(ctx, ctx.volumes, ctx.snapshot, opts)
end

-- The record of the copy that holds the "recent" name now.
local function recent_record(ctx)
  local uuids = {}
  for _, v in ipairs(ctx.volumes) do
    if v.recent then uuids[v.recent.uuid] = true end
  end
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  for i = #records, 1, -1 do
    local r = records[i]
    if r.action == "backup" and r.snapshot == ctx.snapshot then
      for _, v in ipairs(r.volumes) do
        if uuids[v.snapshot_uuid] then return r end
      end
    end
  end
  return nil
end

local function undo_rename(ctx)
  for _, v in ipairs(ctx.volumes) do
    if v.renamed then
      local ok, failed = ontap.rename(ctx, v, { name = v.renamed, uuid = v.recent.uuid }, ctx.snapshot)
      if not ok then log.error(failed) end
      v.renamed = nil
    end
  end
end

-- With "recent" names the copy that holds the name now gives it up before the new one is made: to one
-- name on all volumes, which the catalog learns.
local function rename_recent(ctx)
  local first
  for _, v in ipairs(ctx.volumes) do first = first or v.recent end
  if not first then return true end
  local record, failed = recent_record(ctx)
  if failed then return nil, failed end
  local new = naming.make { sname = ctx.cfg:get("SNAME"), policy = ctx.policy,
    stamp = record and record.id:match("^(%d+)%-") or naming.stamp(first.created) }
  local ok
  for _, v in ipairs(ctx.volumes) do
    if v.recent then
      ok, failed = ontap.rename(ctx, v, v.recent, new)
      if ok then v.renamed = new else break end
    end
  end
  if not failed and record then
    record.snapshot = new
    for _, guest in ipairs(record.guests) do
      for _, disk in ipairs(guest.disks) do disk.snapshot = new end
    end
    ok, failed = catalog.save(ctx, record)
    if ok then return true end
  end
  if not failed then return true end
  undo_rename(ctx)
  return nil, failed
end

local function guest_record(ctx, guest)
  local disks = {}
  for i, disk in ipairs(guest.disks) do
    disks[i] = { target = disk.target, source = disk.source, format = disk.format, boot = disk.boot,
      provider = disk.object.provider, controller = disk.object.controller, volume = disk.object.volume,
      path = disk.object.mapping, file = disk.object.path, snapshot = ctx.snapshot }
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
    policy = ctx.policy, snapshot = ctx.snapshot, comment = ctx.comment, status = "started",
    started = math.floor(ctx.started), uri = ctx.uri, guests = {}, volumes = {}, skipped = ctx.skipped }
  for i, guest in ipairs(ctx.guests) do record.guests[i] = guest_record(ctx, guest) end
  for i, v in ipairs(ctx.volumes) do record.volumes[i] = { controller = v.controller, volume = v.volume } end
  -- Only from here on is there something that a failure must be noted of.
  local ok, failed = rename_recent(ctx)
  if not ok then return nil, failed end
  ctx.record = record
  ok, failed = catalog.save(ctx, record)
  if not ok then return nil, err.new(failed.code, ("catalog: %s; nothing was suspended"):format(failed.message)) end
  return true
end

local function fill_pauses(ctx)
  for i, guest in ipairs(ctx.guests) do
    local record = ctx.record.guests[i]
    record.state_before = guest.state_before or guest.state
    record.pause_ms = guest.pause_ms and math.floor(guest.pause_ms * 10 + 0.5) / 10 or nil
  end
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
  ctx.confirmed = ctx.dry_run
  if ctx.dry_run then return true end
  local uuids = {}
  local ok, failed = task.map(ctx.volumes, function(v, i)
    local rows, problem = ontap.snapshots(ctx, v, ctx.snapshot)
    if not rows then return nil, problem end
    if not rows[1] then
      return nil, err.coded("STORAGE-02009", ("snapshot %s on %s:%s: the controller reported success, but it is "
        .. "not there"):format(ctx.snapshot, v.controller, v.volume), nil, { code = "not_found" })
    end
    if ctx.as_group then mark(ctx, v, rows[1]) end
    uuids[v.controller .. ":" .. v.volume] = rows[1].uuid
    ctx.record.volumes[i].snapshot_uuid = rows[1].uuid
    ctx.record.volumes[i].created = rows[1].created
    return true
  end)
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
  return true
end

-- What the catalog knows of a copy: only a run that ended well makes it a good one.
local function outcomes(records)
  local by_name = {}
  for _, record in ipairs(records) do
    if record.action == "backup" then
      local good = record.status == "ok" or record.status == "partial" or record.status == "crash-consistent"
      by_name[record.snapshot] = good and "ok" or "failed"
    end
  end
  return by_name
end

local function key_of(v, name)
  return ("%s:%s:%s"):format(v.controller, v.volume, name)
end

-- A record goes when the last of its snapshots was deleted here. there: the snapshots that were found,
-- and with an empty name the volumes that were looked at.
local function forget(ctx, records, there, gone)
  for _, record in ipairs(records) do
    local deleted, left = false, record.action ~= "backup"
    for _, v in ipairs(record.volumes or {}) do
      local key = key_of(v, record.snapshot)
      if gone[key] then
        deleted = true
      elseif there[key] or not there[key_of(v, "")] then
        left = true
      end
    end
    if deleted and not left then
      local ok, failed = catalog.remove(ctx, record)
      if not ok then log.warn("catalog: %s", failed) end
    end
  end
end

local function plan_of(ctx, v, by_name, there)
  local cfg = ctx.cfg
  local rows, failed = ontap.snapshots(ctx, v)
  if not rows then return nil, failed end
  local retentions = cfg:get("NTAP_SNAPSHOT_RETENTIONS")
  local age = cfg:get("NTAP_SNAPSHOT_RETENTION_AGE")
  local only = cfg:get("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY")
  -- In a dry run the copy that would have been made counts as well.
  if ctx.dry_run then rows[#rows + 1] = { name = ctx.snapshot, created = math.floor(clock.now()), busy = false } end
  local ours, now = {}, math.floor(clock.now())
  there[key_of(v, "")] = true
  for _, row in ipairs(rows) do
    there[key_of(v, row.name)] = true
    row.controller, row.volume = v.controller, v.volume
    if not copies.is_foreign(ctx, row) then ours[#ours + 1] = row end
    -- Ages are those of the controller's clock: the host's may have jumped.
    if row.name == ctx.snapshot then now = math.min(now, row.created) end
  end
  return retention.plan {
    snapshots = ours, sname = cfg:get("SNAME"), policies = retentions, policy = ctx.policy,
    count = retentions.map[ctx.policy], age_days = age and params.age_of(age, ctx.policy),
    by_age_only = only == "PRIMARY" or only == "BOTH", nodelete = cfg:get("NTAP_SNAPSHOT_NODELETE"),
    force = cfg:get("CMODE_SNAPSHOT_FORCE_DELETE"), now = now,
    catalog = function(name) return by_name[name] end,
  }
end

--- Delete what the policy no longer keeps. A copy that cannot be deleted does not undo the backup.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function backup.retain(ctx)
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  local by_name, there, gone = outcomes(records), {}, {}
  for _, v in ipairs(ctx.volumes) do
    local decided
    decided, failed = plan_of(ctx, v, by_name, there)
    if not decided then return nil, failed end
    local kept = 0
    for _, s in ipairs(decided.blocked) do
      log.warn("Snapshot copy [%s] on [%s:%s] would go, but: %s", s.name, v.controller, v.volume, s.reason)
      kept = kept + 1
    end
    for _, s in ipairs(decided.delete) do
      local ok
      ok, failed = ontap.delete(ctx, v, s, ctx.cfg:get("CMODE_SNAPSHOT_FORCE_DELETE"))
      if ok then
        gone[key_of(v, s.name)] = true
      elseif failed.code == "busy" then
        log.warn("%s", failed)
        kept = kept + 1
      else
        log.error(failed)
        ctx:worse(3)
      end
    end
    if kept > 0 then
      log.warn("[%s:%s]: %d Snapshot copies beyond policy '%s' are in use and stay; the next run tries again",
        v.controller, v.volume, kept, ctx.policy)
    end
  end
  if not ctx.dry_run then forget(ctx, records, there, gone) end
  return true
end

--- Print the outcome: a table of guests with their pauses, or the catalog record with --json.
-- @tparam table ctx
function backup.report(ctx)
  if ctx.dry_run then return end
  local rows, longest = {}, nil
  for _, guest in ipairs(ctx.record.guests) do
    for i, disk in ipairs(guest.disks) do
      rows[#rows + 1] = { i == 1 and guest.name or "", i == 1 and guest.state_before or "",
        i == 1 and (guest.pause_ms and ("%.1f"):format(guest.pause_ms) or "-") or "", disk.controller, disk.path }
    end
    if guest.pause_ms and (not longest or guest.pause_ms > longest.pause_ms) then longest = guest end
  end
  local text = ("Snapshot %s\n"):format(ctx.snapshot)
    .. report.table({ "GUEST", "STATE", "PAUSE MS", "CONTROLLER", "PATH" }, rows)
  if longest then text = text .. ("\nLongest pause: %.1f ms (%s)"):format(longest.pause_ms, longest.name) end
  report.print(ctx, ctx.record, text)
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
  if ctx.cfg:get("NTAP_SNAPSHOT_CLEANUP") or ctx.as_group then
    for _, problem in ipairs(ontap.undo_snapshot(ctx, ctx.volumes, ctx.snapshot, ctx.comment, ctx.as_group)) do
      log.error(problem)
    end
  end
  fill_pauses(ctx)
  ctx.record.status = "failed"
  ctx.record.error = tostring(failed)
  ctx.record.finished = math.floor(clock.now())
  local ok, problem = catalog.save(ctx, ctx.record)
  if not ok then log.error("catalog: %s", problem) end
end

return backup
