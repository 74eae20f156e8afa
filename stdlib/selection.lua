--- Which backup, and which of its guests: from the command line, or from menus on a terminal.
-- @module std.selection

local clock = require "engine.clock"
local blanks = require "std.blanks"
local copies = require "std.copies"
local err = require "std.err"
local log = require "std.log"
local menu = require "std.menu"

local selection = {}

-- What a copy counts under in the menu of policies.
local function kind_of(copy)
  return copy.policy or "(before a restore)"
end

local function time(epoch)
  return os.date("%Y-%m-%d %H:%M:%S", epoch)
end

local function names_of(copy)
  local names = {}
  for i, guest in ipairs(copy.record and copy.record.guests or {}) do names[i] = guest.name end
  return #names > 0 and table.concat(names, ",") or nil
end

local function choose_policy(ctx, list)
  local policies, seen = {}, {}
  for _, copy in ipairs(list) do
    local kind = kind_of(copy)
    if not seen[kind] then
      policies[#policies + 1] = { name = kind, copies = {} }
      seen[kind] = policies[#policies]
    end
    table.insert(seen[kind].copies, copy)
  end
  if #policies == 1 then return policies[1] end
  local rows = {}
  for i, policy in ipairs(policies) do
    rows[i] = { policy.name, #policy.copies, time(policy.copies[#policy.copies].created) }
  end
  local chosen, failed = menu.choose(("Policies of config %s"):format(ctx.config_name), { "POLICY", "BACKUPS", "NEWEST" },
    rows)
  return chosen and policies[chosen[1]], failed
end

-- Oldest first, so that the newest stands above the question however many there are.
local function choose_copy(policy)
  local rows, now = {}, clock.now()
  for i, copy in ipairs(policy.copies) do
    local volumes = {}
    for k, v in ipairs(copy.volumes) do volumes[k] = v.controller .. ":" .. v.volume end
    for _, v in ipairs(copy.secondary) do
      volumes[#volumes + 1] = ("%s:%s (secondary)"):format(v.controller, v.volume)
    end
    rows[i] = { copy.name, time(copy.created), ("%.1f h"):format((now - copy.created) / 3600),
      copy.record and copy.record.status, names_of(copy), table.concat(volumes, ",") }
  end
  local chosen, failed = menu.choose(("Backups of policy %s, the newest last"):format(policy.name),
    { "BACKUP", "TIME", "AGE", "STATUS", "GUESTS", "VOLUMES" }, rows)
  return chosen and policy.copies[chosen[1]], failed
end

local function on_volume(ctx, v)
  return (not ctx.opts.cntName or ctx.opts.cntName == v.controller)
    and (not ctx.opts.volName or ctx.opts.volName == v.volume)
end

local function on_any(ctx, copy)
  -- --cntName and --volName name the volumes of guests: of a copy that the secondary alone has, those of then.
  for _, v in ipairs(copy.volumes[1] and copy.volumes or copy.record and copy.record.volumes or {}) do
    if on_volume(ctx, v) then return true end
  end
  return false
end

--- The copy's volumes that --cntName and --volName leave.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes
-- @treturn {table,...} those of the list that they name; all when neither is given
function selection.volumes(ctx, volumes)
  local list = {}
  for _, v in ipairs(volumes) do
    if on_volume(ctx, v) then list[#list + 1] = v end
  end
  return list
end

--- The name of the backup that is meant: --backupName, or what somebody chooses. Waits for a person and for the
-- controllers when there is a menu.
-- @tparam table ctx --policy narrows the menu
-- @tparam[opt] function may called with a copy of `std.copies.list`: whether it is offered
-- @tparam[opt] table opts of `std.copies.list`
-- @treturn[1] string
-- @return[2] nil
-- @treturn[2] Err `invalid` (no name and nobody to ask), `not_found` (no backup to choose), `cancelled`; exit 2
function selection.backup(ctx, may, opts)
  if ctx.opts.backupName then return ctx.opts.backupName end
  if not menu.possible(ctx) then
    return nil, err.new("invalid", ("%s needs --backupName; moonsnap backupList shows the names, and on a terminal, "
      .. "without --nonInteractive, there is a menu"):format(ctx.action), { exit = 2 })
  end
  local all, failed = copies.list(ctx, opts)
  if not all then return nil, failed end
  local list = {}
  for _, copy in ipairs(all) do
    if (not ctx.policy or copy.policy == ctx.policy) and (not may or may(copy)) and on_any(ctx, copy) then
      list[#list + 1] = copy
    end
  end
  if #list == 0 then
    return nil, err.new("not_found", ("config %s has no backup to choose; see moonsnap backupList")
      :format(ctx.config_name), { exit = 2 })
  end
  local policy, copy
  policy, failed = choose_policy(ctx, list)
  if not policy then return nil, failed end
  copy, failed = choose_copy(policy)
  return copy and copy.name, failed
end

-- A path as a person may write it: from /vol on, within its volume, or as the host has it.
local function is_named(disk, path)
  local function same(one) return one and one:gsub("^/+", "") == path:gsub("^/+", "") end
  return same(disk.path) or same(disk.file) or disk.source == path
end

local function paths_of(record)
  local list = {}
  for _, guest in ipairs(record.guests) do
    for _, disk in ipairs(guest.disks) do list[#list + 1] = disk.path end
  end
  return table.concat(list, ", ")
end

-- The recorded guests' disks that --fileNames names; each name must be one.
local function named_disks(ctx, record)
  if not ctx.opts.fileNames then return nil end
  local named = {}
  for path in ctx.opts.fileNames:gmatch("[^,]+") do
    path = blanks.trim(path)
    local found = false
    for _, guest in ipairs(record.guests) do
      for _, disk in ipairs(guest.disks) do
        if on_volume(ctx, disk) and is_named(disk, path) then
          named[disk], found = true, true
        end
      end
    end
    if not found then
      return nil, err.new("not_found", ("--fileNames: '%s' is the disk of no guest in backup %s%s, which has %s"):format(path,
        record.snapshot, (ctx.opts.cntName or ctx.opts.volName) and " on --cntName/--volName" or "", paths_of(record)),
        { exit = 2 })
    end
  end
  return named
end

-- Whether a guest is meant. A guest is restored whole: one that is meant in part is refused, since the rest of its
-- disks would be overwritten unasked, or be of another time.
local function is_meant(ctx, guest, named)
  local meant, other = 0, nil
  for _, disk in ipairs(guest.disks) do
    if on_volume(ctx, disk) and (not named or named[disk]) then meant = meant + 1 else other = disk end
  end
  if meant == 0 then return false end
  if not other then return true end
  return nil, err.new("conflict", ("guest '%s' also has disk %s, %s:%s, which %s leaves out; a guest is restored with all "
    .. "its disks"):format(guest.name, other.target, other.controller, other.path,
    ctx.opts.fileNames and "--fileNames" or "--cntName/--volName"), { exit = 2 })
end

local function choose_guests(ctx, record)
  local offered, rows = {}, {}
  for _, guest in ipairs(record.guests) do
    if is_meant(ctx, guest) then
      local disks = {}
      for i, disk in ipairs(guest.disks) do disks[i] = disk.controller .. ":" .. disk.path end
      offered[#offered + 1] = guest.name
      rows[#offered] = { guest.name, guest.state_before, table.concat(disks, " ") }
    end
  end
  if #offered == 0 then
    return nil, err.new("not_found", ("backup %s has no guest on --cntName/--volName"):format(record.snapshot), { exit = 2 })
  end
  local chosen, failed = menu.choose(("Guests in %s"):format(record.snapshot), { "GUEST", "STATE THEN", "DISKS" }, rows,
    { many = true })
  if not chosen then return nil, failed end
  local names = {}
  for i, number in ipairs(chosen) do names[i] = offered[number] end
  return names
end

-- Those of the list that the options mean; without a list all guests of the backup.
local function narrow(ctx, record, listed)
  local named, failed = named_disks(ctx, record)
  if failed then return nil, failed end
  local guests, all, names = {}, {}, {}
  for i, guest in ipairs(record.guests) do guests[guest.name], all[i] = guest, guest.name end
  for _, name in ipairs(listed or all) do
    -- One that is not in this backup stays in the list: whoever looks for it says so.
    local meant = true
    if guests[name] then meant, failed = is_meant(ctx, guests[name], named) end
    if failed then return nil, failed end
    if meant then
      names[#names + 1] = name
    elseif listed then
      log.warn("Guest '%s' of KVM_RESTORE_VM_LIST is left out: none of its disks is named", name)
    end
  end
  if #names == 0 then
    return nil, err.new("not_found", "no guest of KVM_RESTORE_VM_LIST has a disk on what --cntName, --volName and "
      .. "--fileNames name", { exit = 2 })
  end
  return names
end

--- The guests of a backup that are to be restored: KVM_RESTORE_VM_LIST, narrowed by --cntName, --volName and
-- --fileNames; without that list those whose disks --fileNames names, or what somebody chooses. Waits for a person
-- when there is a menu.
-- @tparam table ctx
-- @tparam table record of the catalog
-- @treturn[1] {string,...}
-- @return[2] nil
-- @treturn[2] Err exit 2: `invalid` (nobody to ask), `unsupported` (a whole volume), `not_found`, `conflict` (a guest
--   in part), `cancelled`
function selection.guests(ctx, record)
  local listed = ctx.cfg:get("KVM_RESTORE_VM_LIST")
  if listed and #listed == 0 then listed = nil end
  local o = ctx.opts
  if listed and not (o.cntName or o.volName or o.fileNames) then return listed end
  if listed or o.fileNames then return narrow(ctx, record, listed) end
  if menu.possible(ctx) then return choose_guests(ctx, record) end
  if o.cntName or o.volName then
    return nil, err.new("unsupported", ("--cntName and --volName alone ask for a restore of the whole volume, which the KVM "
      .. "plug-in does not do; write --params KVM_RESTORE_VM_LIST=NAME,... or --fileNames with disks of this backup: %s")
      :format(paths_of(record)), { exit = 2 })
  end
  return nil, err.new("invalid", ("KVM_RESTORE_VM_LIST is not set; write --params KVM_RESTORE_VM_LIST=NAME,... with "
    .. "guests of this backup: %s"):format(names_of { record = record } or "none"), { exit = 2 })
end

return selection
