--- The steps of a restore. Everything is checked before anything is touched, and the identity of guest,
-- disk and snapshot once more right before the disk is overwritten.
-- @module std.restore

local clock = require "engine.clock"
local catalog = require "std.catalog"
local err = require "std.err"
local log = require "std.log"
local naming = require "std.naming"
local ontap = require "std.ontap"
local report = require "std.report"
local power = require "std.restore_power"
local restore_checks = require "std.restore_checks"
local steps = require "std.restore_steps"
local restore_vault = require "std.restore_vault"
local selection = require "std.selection"
local storage = require "std.storage"

local restore = {}

-- Outcomes of a backup that left something to restore.
local RESTORABLE = { ok = true, partial = true, ["crash-consistent"] = true }

local function names_of(record)
  local names = {}
  for i, guest in ipairs(record.guests) do names[i] = guest.name end
  return table.concat(names, ", ")
end

local function recorded_guest(record, name)
  for _, guest in ipairs(record.guests) do
    if guest.name == name then return guest end
  end
end

-- The primary's copy of a disk, or else a vault's.
local function find_copy(ctx, item, i, object)
  local row, failed = restore_checks.snapshot(ctx, object, item.recorded.disks[i])
  if row then
    item.infos[i], failed = storage.in_snapshot(ctx, object, ctx.snapshot)
  elseif failed.code == "not_found" then
    local place, problem = restore_vault.find(ctx, object)
    if place == nil then return nil, problem end
    if not place then return nil, failed end
    row, item.vault[i], ctx.vault = place.row, place, true
    item.infos[i], failed = restore_vault.info(ctx, object, place)
  end
  if not item.infos[i] then return nil, failed end
  item.created = row.created
  return true
end

local function find_item(ctx, name)
  local recorded = recorded_guest(ctx.source, name)
  if not recorded then
    return nil, err.coded("kvm-00002", ("guest '%s' is not in backup %s, which has %s"):format(name, ctx.snapshot,
      names_of(ctx.source)), nil, { code = "not_found", exit = 2 })
  end
  if recorded.in_doubt then
    return nil, err.new("conflict", ("guest '%s': when backup %s was made, its disks were what an unfinished restore had "
      .. "left; take another backup"):format(name, ctx.snapshot))
  end
  local item = { name = name, recorded = recorded, infos = {}, vault = {} }
  local ok, failed = restore_checks.identity(ctx, item)
  if not ok then return nil, failed end
  for i, object in ipairs(item.objects) do
    ok, failed = find_copy(ctx, item, i, object)
    if not ok then return nil, failed end
  end
  return item
end

-- What a menu offers: the backups that ended well and are still there, on the primary or in a vault.
local function can_be_restored(copy)
  if not copy.record or not RESTORABLE[copy.record.status] then return false end
  return copy.volumes[1] ~= nil or restore_vault.has(copy)
end

--- Find the backup and check every guest that is to be restored against it. Sets `ctx.source`, `ctx.items`, `ctx.volumes`.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00001, kvm-00002, kvm-00008, STORAGE-02025
function restore.find(ctx)
  if not ctx.cfg:get("APP_DEFINED_RESTORE") then
    return nil, err.new("unsupported", ("%s: APP_DEFINED_RESTORE: with N a whole volume would be restored, which is "
      .. "not done to guests; write Y"):format(ctx.cfg:where("APP_DEFINED_RESTORE")), { exit = 2 })
  end
  local record, failed
  ctx.snapshot, failed = selection.backup(ctx, can_be_restored, { secondary = true, spare = true })
  if not ctx.snapshot then return nil, failed end
  record, failed = catalog.find(ctx, ctx.snapshot)
  if failed then return nil, failed end
  if not record then
    return nil, err.new("not_found", ("backup '%s' is not in the catalog of config %s; see moonsnap backupList")
      :format(ctx.snapshot, ctx.config_name), { exit = 2 })
  end
  if not RESTORABLE[record.status] then
    return nil, err.new("conflict", ("backup '%s' cannot be restored: the catalog says '%s'"):format(ctx.snapshot,
      record.status))
  end
  ctx.source = record
  local names
  names, failed = selection.guests(ctx, record)
  if not names then return nil, failed end
  local ok
  ok, failed = ontap.connect(ctx)
  if not ok then return nil, failed end
  ctx.items = {}
  local objects, seen = {}, {}
  for _, name in ipairs(names) do
    if not seen[name] then
      seen[name] = true
      local item
      item, failed = find_item(ctx, name)
      if not item then return nil, failed end
      ctx.items[#ctx.items + 1] = item
      for _, object in ipairs(item.objects) do objects[#objects + 1] = object end
    end
  end
  ok, failed = restore_checks.users(ctx)
  if not ok then return nil, failed end
  ctx.volumes = storage.volumes(objects)
  return ontap.check_volumes(ctx, ctx.volumes)
end

--- What would happen, as data.
-- @tparam table ctx
-- @treturn {table,...}
function restore.describe(ctx)
  local list = {}
  for _, item in ipairs(ctx.items) do
    local disks = {}
    for i, object in ipairs(item.objects) do
      disks[i] = { target = item.recorded.disks[i].target, controller = object.controller, path = object.mapping,
        vault = item.vault[i] and item.vault[i].destination or nil }
    end
    list[#list + 1] = { guest = item.name, uuid = item.recorded.uuid, state = item.state, snapshot = ctx.snapshot,
      taken = item.created, lost_seconds = math.floor(clock.now()) - item.created, disks = disks }
  end
  return list
end

local function ago(seconds)
  if seconds < 120 then return ("%d seconds"):format(seconds) end
  if seconds < 7200 then return ("%d minutes"):format(seconds // 60) end
  if seconds < 172800 then return ("%d hours"):format(seconds // 3600) end
  return ("%d days"):format(seconds // 86400)
end

--- What would be lost, in words.
-- @tparam table ctx
-- @treturn string
function restore.warning(ctx)
  local lines = { ("Restore from %s:"):format(ctx.snapshot) }
  for _, item in ipairs(restore.describe(ctx)) do
    local stop = power.ALIVE[item.state] and "; it is " .. item.state .. " and will be powered off" or ""
    lines[#lines + 1] = ("  guest %s: everything written in the last %s is lost%s"):format(item.guest,
      ago(item.lost_seconds), stop)
    for _, disk in ipairs(item.disks) do
      lines[#lines + 1] = ("    disk %s  %s:%s%s"):format(disk.target, disk.controller, disk.path,
        disk.vault and ", from the vault " .. disk.vault or "")
    end
  end
  return table.concat(lines, "\n")
end

local function begin(ctx)
  ctx.record = { id = ctx.id, action = "restore", profile = ctx.profile, config = ctx.config_name,
    snapshot = ctx.snapshot, status = "started", started = math.floor(ctx.started),
    guests = restore.describe(ctx), source = ctx.source.id, comment = "moonsnap restore=" .. ctx.id, volumes = {} }
  for i, v in ipairs(ctx.volumes) do ctx.record.volumes[i] = { controller = v.controller, volume = v.volume } end
  return catalog.save(ctx, ctx.record)
end

--- Begin the run's record, and fetch what is left in vaults only: beside the disks, which stay as they are.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function restore.fetch(ctx)
  local ok, failed = begin(ctx)
  if not ok then return nil, failed end
  restore_vault.clean_stale(ctx)
  if not ctx.vault then return true end
  log.banner("Vault Restore")
  return restore_vault.fetch(ctx)
end

--- Snapshot the volumes as they are now, before anything is overwritten. With disks of a vault always: that
-- snapshot is what they are restored from.
-- @tparam table ctx after `fetch`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function restore.safety(ctx)
  if ctx.vault or ctx.cfg:get("NTAP_RESTORE_SAFETY_SNAPSHOT") then
    ctx.safety = naming.make_safety(ctx.cfg:get("SNAME"), ctx.stamp)
    ctx.record.safety = ctx.safety
  end
  local ok, failed = catalog.save(ctx, ctx.record)
  if not ok then return nil, failed end
  if not ctx.safety then return true end
  return ontap.snapshot(ctx, ctx.volumes, ctx.safety, { comment = ctx.record.comment })
end

-- A safety snapshot of disks that nobody has overwritten holds space for nothing.
local function drop_safety(ctx)
  if not ctx.safety then return end
  for _, item in ipairs(ctx.items) do
    if item.restored or item.in_doubt then return end
  end
  local problems = ontap.undo_snapshot(ctx, ctx.volumes, ctx.safety, ctx.record.comment)
  for _, problem in ipairs(problems) do log.warn("nothing was overwritten, yet a safety snapshot may stay: %s", problem) end
  if #problems == 0 then ctx.record.safety = nil end
end

-- A disk that may be half old and half new must not be used: the guest stays off, loudly.
local function disk_in_doubt(ctx, item, failed)
  local how = ctx.safety and ("the state before is in snapshot %s of its volume; "):format(ctx.safety) or ""
  return err.coded("scf-00052", ("guest '%s' stays off: its disk may be incomplete; %srun the restore again")
    :format(item.name, how), failed, { exit = 5 })
end

-- Between the first look and now somebody was asked, a disk was fetched, other guests were restored.
local function same_snapshots(ctx, item)
  for i, object in ipairs(item.objects) do
    if not item.vault[i] then
      local row, failed = restore_checks.snapshot(ctx, object, item.recorded.disks[i])
      if not row then return nil, failed end
    end
  end
  return true
end

local function restore_one(ctx, item)
  local ok, failed
  for _, object in ipairs(item.objects) do
    ok, failed = storage.ready(ctx, object)
    if not ok then return nil, err.coded("scf-00052", ("guest '%s'"):format(item.name), failed) end
  end
  ok, failed = steps.note(ctx, item, "stopping")
  if ok then ok, failed = steps.alone(ctx, item) end
  if ok then ok, failed = power.stop(ctx, item) end
  if not ok then return nil, failed end
  -- Once more, now that nothing can change any more below our hands.
  local state = item.state
  ontap.forget_volumes(ctx)
  ok, failed = restore_checks.identity(ctx, item)
  local now = item.state
  item.state = state
  if ok and not ctx.dry_run then ok, failed = restore_checks.users(ctx) end
  if ok and not ctx.dry_run then ok, failed = same_snapshots(ctx, item) end
  if not ok then return nil, failed end
  if power.ALIVE[now] and not ctx.dry_run then
    return nil, err.coded("kvm-00010", ("guest '%s' is %s again: somebody else started it"):format(item.name, now), nil,
      { code = "conflict" })
  end
  for i, object in ipairs(item.objects) do
    local fetched = item.vault[i]
    log.info("Restoring [%s:%s] from Snapshot copy [%s]", object.controller, object.mapping, ctx.snapshot)
    ok, failed = steps.note(ctx, item, "overwriting", i, "overwriting")
    if not ok and i > 1 then return nil, disk_in_doubt(ctx, item, failed) end
    if not ok then return nil, failed end
    item.in_doubt = true -- until the answer is in: an interrupt may come in between
    ok, failed = storage.restore(ctx, object, fetched and ctx.safety or ctx.snapshot, item.infos[i],
      fetched and fetched.path)
    item.in_doubt = not ok and (failed.started or i > 1)
    if not ok then
      if item.in_doubt then
        return nil, disk_in_doubt(ctx, item, failed)
      end
      steps.note_done(ctx, item, "stopping", i)
      return nil, err.coded("scf-00052", ("guest '%s'"):format(item.name), failed)
    end
    item.in_doubt = i < #item.objects -- one disk of then and one of now are no guest
    item.restored = not item.in_doubt
    steps.note_done(ctx, item, item.restored and "restored" or "overwriting", i, "restored")
    log.info("Restoring [%s:%s] finished successfully", object.controller, object.mapping)
  end
  return power.start(ctx, item)
end

--- Restore guest after guest; the first failure ends it.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function restore.all(ctx)
  for _, item in ipairs(ctx.items) do
    local ok, failed = restore_one(ctx, item)
    if not ok then
      for _, done in ipairs(ctx.items) do
        if done.restored then
          log.warn("Guest '%s' is restored already and stays so", done.name)
          failed.exit = failed.exit == 5 and 5 or 3
        end
      end
      return nil, failed
    end
  end
  restore_vault.clean(ctx)
  ctx.record.status = "ok"
  ctx.record.finished = math.floor(clock.now())
  local ok, failed = catalog.save(ctx, ctx.record)
  if not ok then
    return nil, err.new(failed.code, ("catalog: %s; the guests are restored, and it is not recorded"):format(failed.message),
      { exit = 3 })
  end
  return true
end

local function volumes_of(ctx)
  local names = {}
  for i, v in ipairs(ctx.volumes) do names[i] = v.controller .. ":" .. v.volume end
  return table.concat(names, ", ")
end

--- After a failure or an interrupt: start again what was stopped, unless its disk is in doubt.
-- @tparam table ctx
-- @tparam Err failed
function restore.failed(ctx, failed)
  if not ctx.record or ctx.dry_run then return end
  for _, item in ipairs(ctx.items or {}) do
    if item.in_doubt then
      if failed.exit ~= 5 then log.error(disk_in_doubt(ctx, item, failed)) end
      ctx:worse(5)
    else
      local ok, problem = power.start(ctx, item)
      if not ok then
        log.error(err.coded("scf-00026", ("guest '%s'"):format(item.name), problem))
        ctx:worse(5)
      end
    end
  end
  drop_safety(ctx)
  if ctx.record.safety and ctx.volumes[1].tried then
    log.warn("What was there before is in snapshot %s of %s, where that could be made; it stays until backupDel "
      .. "--backupName %s", ctx.safety, volumes_of(ctx), ctx.safety)
  end
  restore_vault.clean(ctx)
  ctx.record.status = "failed"
  ctx.record.error = tostring(failed)
  ctx.record.finished = math.floor(clock.now())
  local ok, problem = catalog.save(ctx, ctx.record)
  if not ok then log.error("catalog: %s", problem) end
end

--- Print what was restored.
-- @tparam table ctx
function restore.report(ctx)
  if ctx.dry_run then
    report.print(ctx, restore.describe(ctx), restore.warning(ctx))
    return
  end
  local rows = {}
  for _, item in ipairs(ctx.items) do
    for i, object in ipairs(item.objects) do
      rows[#rows + 1] = { i == 1 and item.name or "", object.controller, object.mapping,
        i == 1 and (item.started and "restored, started" or "restored, " .. item.state) or "" }
    end
  end
  local text = ("Restored from %s\n"):format(ctx.snapshot)
    .. report.table({ "GUEST", "CONTROLLER", "PATH", "RESULT" }, rows)
  if ctx.safety then text = text .. ("\nThe state before is in snapshot %s"):format(ctx.safety) end
  report.print(ctx, ctx.record, text)
end

return restore
