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

--- Guests of restores that did not end: the last word on each counts, a later restore settles an earlier one. Waits
-- for the disk, asks no controller.
-- @tparam table ctx a run, or {dirs=,profile=,config_name=}
-- @treturn[1] {{guest=string,record=table,in_doubt=boolean,text=string},...} in_doubt: the disks may be a mix
-- @return[2] nil
-- @treturn[2] Err
function steps.unfinished(ctx)
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  local last, names = {}, {}
  for _, record in ipairs(records) do
    local over = record.status == "ok" or record.status == "failed" or catalog.is_dead(ctx, record)
    for _, guest in ipairs(record.action == "restore" and over and record.guests or {}) do
      local text, in_doubt
      if record.status ~= "ok" and not record.settled then text, in_doubt = verdict(record, guest) end
      -- What was done to it before stands until it is restored whole.
      local nothing = not guest.step or guest.step == "untouched" or guest.step == "stopping"
      if not (last[guest.guest] and last[guest.guest].in_doubt and nothing and record.status ~= "ok"
        and not record.settled) then
        if not last[guest.guest] then names[#names + 1] = guest.guest end
        last[guest.guest] = { guest = guest.guest, record = record, in_doubt = in_doubt or false, text = text }
      end
    end
  end
  local list = {}
  for _, name in ipairs(names) do
    if last[name].text then list[#list + 1] = last[name] end
  end
  return list
end

local function say(config, one)
  local text = ("Guest '%s': a restore of config %s (run %s) did not end; %s"):format(one.guest, config, one.record.id,
    one.text)
  if one.in_doubt then log.error(text) else log.warn(text) end
end

--- At the start of a run: say which guests earlier restores have left, and how to go on. Sets `ctx.in_doubt`.
-- @tparam table ctx with conn
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function steps.tell(ctx)
  local list, failed = steps.unfinished(ctx)
  if not list then return nil, failed end
  ctx.in_doubt = {}
  for _, one in ipairs(list) do
    local row = ctx.conn:lookup(one.guest)
    if one.in_doubt then ctx.in_doubt[one.guest] = true end
    if one.in_doubt or row and row.state == "shutoff" then say(ctx.config_name, one) end
  end
  return true
end

--- The same for every config of the host, for `moonsnap recover`.
-- @tparam table dirs state and run
-- @treturn integer how many guests' disks are in doubt
function steps.tell_all(dirs)
  local count = 0
  for _, profile in ipairs(file.list(dirs.state .. "/catalog") or {}) do
    for _, config in ipairs(file.list(("%s/catalog/%s"):format(dirs.state, profile)) or {}) do
      local list, failed = steps.unfinished { dirs = dirs, profile = profile, config_name = config }
      if not list then log.warn("%s", failed) end
      for _, one in ipairs(list or {}) do
        say(config, one)
        if one.in_doubt then count = count + 1 end
      end
    end
  end
  return count
end

return steps
