--- How far a restore is, in the catalog before each step: should the run die, the next start says what the disks
-- are and how to go on.
--
-- Step of a guest: nil (nothing was done to it), "stopping", "overwriting", "restored" (all disks are the
-- backup's), "started", "untouched" (given up and started again). Step of a disk: "overwriting", "restored".
-- @module std.restore_steps

local file = require "engine.file"
local catalog = require "std.catalog"
local err = require "std.err"
local log = require "std.log"

local steps = {}

--- Note a step before it is made. Waits for the disk.
-- @tparam table ctx with `items` and `record`
-- @tparam table item one of `ctx.items`
-- @tparam string step of the guest
-- @tparam[opt] integer disk which of its disks
-- @tparam[opt] string disk_step nil: that disk is as it was
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function steps.note(ctx, item, step, disk, disk_step)
  if ctx.dry_run then return true end
  for i, one in ipairs(ctx.items) do
    if one == item then
      local entry = ctx.record.guests[i]
      entry.step = step
      if disk then entry.disks[disk].step = disk_step end
    end
  end
  local ok, failed = catalog.save(ctx, ctx.record)
  if ok then return true end
  return nil, err.new(failed.code, ("catalog: %s"):format(failed.message))
end

--- Note what is done already: that it cannot be noted does not undo it, the run is done in part.
-- @tparam table ctx
-- @tparam table item
-- @tparam string step
-- @tparam[opt] integer disk
-- @tparam[opt] string disk_step
function steps.note_done(ctx, item, step, disk, disk_step)
  local ok, failed = steps.note(ctx, item, step, disk, disk_step)
  if ok then return end
  log.error(failed)
  ctx:worse(3)
end

local function how_to(record, guest)
  return ("run the restore again (--backupName %s --params KVM_RESTORE_VM_LIST=%s)%s; or look at the disks yourself, and "
    .. "then moonsnap gc --yes --safety"):format(record.snapshot, guest.guest, record.safety
    and "; the state before is in snapshot " .. record.safety or "")
end

-- What a guest's disks are, in words; nil when it needs nobody.
local function verdict(record, guest)
  local was_on = guest.state ~= "shutoff"
  if guest.step == "overwriting" then
    local parts = {}
    for _, disk in ipairs(guest.disks) do
      parts[#parts + 1] = ("%s %s"):format(disk.target, disk.step == "restored" and "is the backup's"
        or disk.step == "overwriting" and "may be old, the backup's or a mix" or "is as it was")
    end
    return ("do not start it, its disks do not belong together: %s; %s"):format(table.concat(parts, ", "),
      how_to(record, guest)), true
  elseif guest.step == "stopping" and was_on then
    return "its disks are as they were; it may have been powered off: look, and start it"
  elseif guest.step == "restored" and was_on then
    return "its disks are the backup's; it was not started again: look, and start it"
  end
end

-- Calls fn(place) for each config of the host, `own` among them: as `std.catalog` takes a run.
local function each_config(dirs, own, fn)
  for _, profile in ipairs(file.list(dirs.state .. "/catalog") or {}) do
    for _, config in ipairs(file.list(("%s/catalog/%s"):format(dirs.state, profile)) or {}) do
      local is_own = own and own.profile == profile and own.config_name == config
      fn(is_own and own or { dirs = dirs, profile = profile, config_name = config })
    end
  end
end

-- The restores of all configs but this run's own, oldest first: several may have the same guests.
local function restores(dirs, own)
  local list, failed = {}, nil
  each_config(dirs, own, function(place)
    local records, unread = catalog.list(place, "restore")
    if not records then
      failed = failed or unread
      log.warn("%s", unread)
    end
    for _, record in ipairs(records or {}) do
      if record.id ~= (own and own.id) then
        list[#list + 1] = { place = place, record = record, own = place == own,
          live = record.status == "started" and not catalog.is_dead(place, record) }
      end
    end
  end)
  table.sort(list, function(a, b) return catalog.earlier(a.record, b.record) end)
  return list, failed
end

-- One guest of one restore, after all earlier ones. A guest is known by its uuid; records of older versions have its name
-- alone, which is that of their config.
local function take(last, one, guest)
  if not catalog.is_text(guest.guest) or type(guest.disks) ~= "table" then return end
  local record, place = one.record, one.place
  local name = ("%s/%s/%s"):format(place.profile, place.config_name, guest.guest)
  local key, text, in_doubt = guest.uuid or name, nil, false
  local before = last[key] or last[name]
  if one.live then
    in_doubt = guest.step == "overwriting"
    if not in_doubt then return end
  elseif record.status ~= "ok" and not record.settled then
    text, in_doubt = verdict(record, guest)
  end
  -- What was done to it before stands until it is restored whole.
  local nothing = not guest.step or guest.step == "untouched" or guest.step == "stopping"
  if before and before.in_doubt and nothing and record.status ~= "ok" and not record.settled then return end
  last[name] = nil
  last[key] = { guest = guest.guest, uuid = guest.uuid, record = record, in_doubt = in_doubt or false, text = text,
    config = place.config_name, own = one.own, live = one.live }
end

-- Guests of restores that did not end, or that another config makes right now (`live`): the last word on each counts, a
-- later restore settles an earlier one. Waits for the disk, asks no controller.
-- {{guest=,uuid=?,config=,own=(of this run's config),record=,in_doubt=(the disks may be a mix),live=,text=},...}; and an Err
local function unfinished(dirs, own)
  local last, list, failed = {}, restores(dirs, own)
  for _, one in ipairs(list) do
    for _, guest in ipairs(one.record.guests or {}) do take(last, one, guest) end
  end
  local found = {}
  for _, one in pairs(last) do
    if one.text or one.live then found[#found + 1] = one end
  end
  table.sort(found, function(a, b)
    if a.record ~= b.record then return catalog.earlier(a.record, b.record) end
    return a.guest < b.guest
  end)
  return found, failed
end

local function say(one)
  if one.live then
    log.warn("Guest '%s' is being restored right now, by config %s", one.guest, one.config)
    return
  end
  local text = ("Guest '%s': a restore of config %s (run %s) did not end; %s"):format(one.guest, one.config, one.record.id,
    one.text)
  if one.in_doubt then log.error(text) else log.warn(text) end
end

--- Which guests have disks that an unfinished restore has left, of whichever config, or that another config is restoring at
-- this moment. Sets `ctx.in_doubt`, {string=boolean} by uuid, or by name where only that is known. Waits for the disk.
-- @tparam table ctx
-- @treturn[1] {table,...} what is unfinished
-- @return[2] nil
-- @treturn[2] Err; ctx.in_doubt is as it was
function steps.look(ctx)
  local list, failed = unfinished(ctx.dirs, ctx)
  if failed then return nil, failed end
  ctx.in_doubt = {}
  for _, one in ipairs(list) do
    -- A name alone may be another host's guest.
    if one.in_doubt and (one.uuid or one.own) then ctx.in_doubt[one.uuid or one.guest] = true end
  end
  return list
end

--- That nobody else is restoring a guest. Looked at when this run's own step is noted: of two that begin together each sees
-- the other one. Waits for the disk.
-- @tparam table ctx
-- @tparam table item one of `ctx.items`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err busy, exit 4
function steps.alone(ctx, item)
  local list, failed = restores(ctx.dirs, ctx)
  if failed then return nil, failed end
  for _, one in ipairs(list) do
    for _, guest in ipairs(one.live and one.record.guests or {}) do
      if guest.uuid == item.recorded.uuid and guest.step and guest.step ~= "started" and guest.step ~= "untouched" then
        return nil, err.new("busy", ("guest '%s' is being restored by run %s of config %s of profile %s; restore it when that "
          .. "has ended"):format(item.name, one.record.id, one.place.config_name, one.place.profile), { exit = 4 })
      end
    end
  end
  return true
end

--- At the start of a run: say which guests earlier restores have left, and how to go on. Waits for the disk.
-- @tparam table ctx with conn
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function steps.tell(ctx)
  local list, failed = steps.look(ctx)
  if not list then return nil, failed end
  for _, one in ipairs(list) do
    local row = ctx.conn:lookup(one.guest)
    local here = row and (not one.uuid or row.uuid == one.uuid)
    if one.own and (one.in_doubt and (here or not row) or here and row.state == "shutoff")
      or not one.own and one.in_doubt and one.uuid and here then say(one) end
  end
  return true
end

--- The same for every config of the host, for `moonsnap recover`.
-- @tparam table dirs state and run
-- @treturn integer how many guests' disks are in doubt
function steps.tell_all(dirs)
  local count = 0
  for _, one in ipairs((unfinished(dirs))) do
    if not one.live then
      say(one)
      if one.in_doubt then count = count + 1 end
    end
  end
  return count
end

return steps
