--- Which guests there are, and which storage object is behind each: section by section as Snap
-- Creator's plug-in does it, reported by name where something is left out.
-- @module std.discovery

local domxml = require "engine.domxml"
local file = require "engine.file"
local trace = require "engine.trace"
local virt = require "engine.virt"
local config = require "std.config"
local config_file = require "std.config_file"
local err = require "std.err"
local image = require "std.image"
local log = require "std.log"
local ontap = require "std.ontap"
local params = require "std.params"
local storage = require "std.storage"
local task = require "std.task"

local discovery = {}

-- Reasons to leave a guest out and go on; everything else ends the run.
local LEFT_OUT = { ["kvm-00005"] = true, ["kvm-00013"] = true, ["kvm-00014"] = true }

--- Open the libvirt connection of the config: `ctx.conn`, `ctx.uri`.
-- @tparam table ctx
-- @treturn[1] Connection
-- @return[2] nil
-- @treturn[2] Err scf-00066
function discovery.connect(ctx)
  if ctx.conn then return ctx.conn end
  ctx.uri = ctx.opts["libvirt-uri"] or ctx.cfg:get("KVM_LIBVIRT_URI")
  local conn, failed = virt.open(ctx.uri)
  if not conn then return nil, err.coded("scf-00066", ("libvirt at %s"):format(ctx.uri), failed) end
  trace.kept(conn)
  ctx.conn = conn
  return conn
end

-- A function that says whether a guest may take part at all.
local function chosen(cfg)
  local excluded, only = {}, nil
  for _, name in ipairs(cfg:get("KVM_EXCLUDE_VMS") or {}) do excluded[name] = true end
  for _, name in ipairs(cfg:get("KVM_VMS") or {}) do
    only = only or {}
    only[name] = true
  end
  return function(name) return not excluded[name] and (not only or only[name] == true) end
end

-- Names that the config asks for: a set, and where each was asked for.
local function asked_for(cfg)
  local names, may = {}, chosen(cfg)
  for _, entry in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do
    if may(entry.vm) then names[entry.vm] = cfg:where("KVM_VM_MAPPING") end
  end
  for _, name in ipairs(cfg:get("KVM_VMS") or {}) do
    if may(name) then names[name] = cfg:where("KVM_VMS") end
  end
  return names
end

-- Domains that take part, in the order of the mapping, then by name.
local function select_domains(ctx, rows)
  local cfg, by_name = ctx.cfg, {}
  for _, row in ipairs(rows) do by_name[row.name] = row end
  local excluded, only = {}, nil
  for _, name in ipairs(cfg:get("KVM_EXCLUDE_VMS") or {}) do excluded[name] = true end
  for _, name in ipairs(cfg:get("KVM_VMS") or {}) do
    if not by_name[name] then
      return nil, err.new("not_found", ("%s: KVM_VMS: guest '%s' is not defined at %s"):format(cfg:where("KVM_VMS"),
        name, ctx.uri), { exit = 2 })
    end
    only = only or {}
    only[name] = true
  end
  local auto = cfg:get("APP_AUTO_DISCOVERY")
  local list, taken = {}, {}
  local function take(name)
    if taken[name] or excluded[name] or (only and not only[name]) then return end
    taken[name] = true
    list[#list + 1] = by_name[name]
  end
  for _, entry in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do
    if by_name[entry.vm] then
      take(entry.vm)
    elseif not auto then
      return nil, err.coded("kvm-00001", ("%s: KVM_VM_MAPPING: guest '%s'"):format(cfg:where("KVM_VM_MAPPING"),
        entry.vm), nil, { code = "not_found" })
    else
      log.warn("Guest '%s' of KVM_VM_MAPPING is not defined any more; it is dropped", entry.vm)
    end
  end
  if auto then
    for _, row in ipairs(rows) do take(row.name) end
  end
  return list
end

local function skip(ctx, guest, target, code, reason, unsupported)
  if unsupported then ctx.unsupported[#ctx.unsupported + 1] = guest end
  ctx.skipped[#ctx.skipped + 1] = { guest = guest, target = target, code = code, reason = reason }
  log.warn("Guest '%s'%s is left out: [%s] %s", guest, target and (", disk " .. target) or "", code, reason)
end

-- A disk of a storage pool is a file or device after all.
local function resolve_pool(ctx, disk)
  if disk.type ~= "volume" then return disk end
  local volume, failed = ctx.conn:volume(disk.source.pool, disk.source.volume)
  if not volume then return nil, failed end
  disk.type = volume.path:find("^/dev/") and "block" or "file"
  disk.path = volume.path
  return disk
end

-- An overlay is worthless without the images below it. The files of them, as they are now, or nil.
local function check_backing(ctx, guest, disk, object)
  local chain, seen, files = {}, {}, {}
  for _, one in ipairs(disk.backing or {}) do chain[#chain + 1] = one end
  for _, path in ipairs(object.file and image.backing_files(object.file, disk.format) or {}) do
    chain[#chain + 1] = { type = "file", path = path }
  end
  for _, one in ipairs(chain) do
    local name = one.path or "?"
    local below = one.path and not seen[name] and storage.locate(ctx, { type = one.type, path = one.path,
      target = disk.target })
    if not seen[name] and (not below or below.controller ~= object.controller or below.volume ~= object.volume) then
      log.warn("Guest '%s', disk %s: its backing file %s is not in volume %s:%s and not part of this backup",
        guest, disk.target, name, object.controller, object.volume)
    end
    if one.type == "file" and one.path and not seen[name] then
      local is = image.identity(name)
      if is and utf8.len(name) then
        is.path = name
        files[#files + 1] = is
      end
    end
    seen[name] = true
  end
  return files[1] and files
end

-- A guest with its disks as libvirt has them.
local function describe(ctx, row)
  local dom = ctx.conn:domain(row)
  local live, failed = dom:xml()
  if not live then return nil, failed end
  local xml
  xml, failed = dom:xml { inactive = true }
  if not xml then return nil, failed end
  local parsed
  parsed, failed = domxml.parse(live)
  if not parsed then return nil, failed end
  return { name = row.name, uuid = row.uuid, dom = dom, state = row.state, xml = xml, disks = {},
    defined = parsed.disks }
end

-- Whether a disk belongs in a backup; the others are left out, which is said where they are met.
local function wanted_disk(ctx, disk)
  return disk.device ~= "cdrom" and disk.device ~= "floppy"
    and (disk.is_boot or ctx.cfg:get("KVM_BACKUP_DATA_DISKS"))
end

-- The storage object behind each disk that is backed up.
local function inspect(ctx, guest)
  local row, defined = guest, guest.defined
  guest.defined = nil
  local problem, failed
  for _, disk in ipairs(defined) do
    if disk.device == "cdrom" or disk.device == "floppy" then
      if disk.path then skip(ctx, row.name, disk.target, "kvm-00007", ("%s medium %s"):format(
        disk.device == "cdrom" and "CD-ROM" or "floppy", disk.path)) end
    elseif not wanted_disk(ctx, disk) then
      skip(ctx, row.name, disk.target, "kvm-00006", ("data disk %s; KVM_BACKUP_DATA_DISKS=Y takes it too")
        :format(disk.path or disk.type))
    else
      local object
      disk, failed = resolve_pool(ctx, disk)
      if disk then object, failed = storage.locate(ctx, disk) end
      if object and not utf8.len(object.mapping .. (object.file or "")) then
        object, failed = nil, err.coded("kvm-00005", ("image %s: its path is not UTF-8"):format(disk.path), nil,
          { code = "unsupported" })
      end
      if object then
        guest.disks[#guest.disks + 1] = { target = disk.target, source = disk.path, format = disk.format,
          boot = disk.is_boot, object = object, backing = check_backing(ctx, row.name, disk, object) }
      else
        problem = problem or failed
      end
    end
  end
  if #defined == 0 or (#guest.disks == 0 and not problem) then
    problem = problem or err.new("unsupported", "it has no disk", { scf = "kvm-00005" })
  end
  guest.problem = problem
  return guest
end

-- Several guests on one disk: a restore of one would damage the other.
local function drop_shared(ctx, guests)
  local users = {}
  for _, guest in ipairs(guests) do
    for _, disk in ipairs(guest.disks) do
      local key = disk.object.controller .. ":" .. disk.object.mapping
      users[key] = users[key] or {}
      users[key][guest.name] = true
    end
  end
  local kept = {}
  for _, guest in ipairs(guests) do
    local shared, on_lun
    for _, disk in ipairs(guest.disks) do
      local names = {}
      for name in pairs(users[disk.object.controller .. ":" .. disk.object.mapping]) do names[#names + 1] = name end
      table.sort(names)
      if #names > 1 then
        shared = ("%s is used by %s"):format(disk.object.mapping, table.concat(names, " and "))
        on_lun = disk.object.serial ~= nil
      end
    end
    if shared then
      skip(ctx, guest.name, nil, "kvm-00012", shared, on_lun)
    else
      kept[#kept + 1] = guest
    end
  end
  return kept
end

-- Without discovery the mapping is the word of the administrator: it must be true.
local function check_mapping(ctx, guests)
  local cfg = ctx.cfg
  local found = {}
  for _, guest in ipairs(guests) do
    for _, disk in ipairs(guest.disks) do
      found[("%s:%s:%s"):format(guest.name, disk.object.controller, disk.object.mapping)] = true
    end
  end
  local may = chosen(cfg)
  for _, entry in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do
    if may(entry.vm) and not found[("%s:%s:%s"):format(entry.vm, entry.controller, entry.path)] then
      return nil, err.new("conflict", ("%s: KVM_VM_MAPPING: guest '%s' does not have a disk at %s:%s today; run "
        .. "'moonsnap discover', or write APP_AUTO_DISCOVERY=Y"):format(cfg:where("KVM_VM_MAPPING"), entry.vm,
        entry.controller, entry.path), { exit = 2 })
    end
  end
  return true
end

-- The mapping as text; a guest whose name its form cannot hold is backed up all the same.
local function mapping_of(guests)
  local out = {}
  for _, guest in ipairs(guests) do
    for _, disk in ipairs(guest.disks) do
      local text, failed = params.format_mapping { { vm = guest.name, controller = disk.object.controller,
        path = disk.object.mapping } }
      if not text then log.warn("%s", failed) end
      out[#out + 1] = text
    end
  end
  return table.concat(out)
end

-- What the config said of guests that are still defined but had to be left out this time: what is
-- written into it must not forget them, or the next run would not miss them.
local function still_wanted(ctx, names, kept)
  local list = {}
  for _, entry in ipairs(ctx.cfg:get("KVM_VM_MAPPING") or {}) do
    if names[entry.vm] and not kept[entry.vm] then
      list[#list + 1] = { vm = entry.vm, controller = entry.controller, path = entry.path }
    end
  end
  return params.format_mapping(list)
end

-- Without discovery VOLUMES is the administrator's word: all of them, guests or not.
local function add_volumes(ctx)
  if ctx.cfg:get("APP_AUTO_DISCOVERY") then return end
  local seen = {}
  for _, v in ipairs(ctx.volumes) do seen[v.controller .. ":" .. v.volume] = true end
  for _, item in ipairs(ctx.cfg:get("VOLUMES") or {}) do
    for _, volume in ipairs(item.volumes) do
      if not seen[item.controller .. ":" .. volume] then
        seen[item.controller .. ":" .. volume] = true
        ctx.volumes[#ctx.volumes + 1] = { controller = item.controller, volume = volume }
      end
    end
  end
end

--- Write the mapping into the config file, with APP_CONF_PERSISTENCE=Y; every other line stays as it is.
local function persist(ctx, text)
  local cfg = ctx.cfg
  if not cfg:get("APP_CONF_PERSISTENCE") then return true end
  local before = ctx.mapping_before
  if before.where == "--params" or before.text == text then return true end
  local old, failed = file.read(cfg.path)
  local ok = old ~= nil
  -- Somebody may be writing it: what is no config now must not be made worse.
  if ok then ok, failed = config_file.parse(old, cfg.path) end
  if ok then ok, failed = file.replace(cfg.path, config.edit(old, { KVM_VM_MAPPING = text })) end
  if not ok then return nil, err.coded("scf-00058", ("KVM_VM_MAPPING in %s"):format(cfg.path), failed) end
  log.info("KVM_VM_MAPPING written to %s", cfg.path)
  return true
end

--- Discover. Sets `ctx.guests` (those that can be backed up, in order: {name, uuid, dom, state, xml,
-- disks={{target, source, boot, object}}}), `ctx.skipped`, `ctx.volumes`, `ctx.missing` (guests that the
-- config names but that had to be left out), `ctx.unsupported` (see `verdict`) and the run's KVM_VM_MAPPING.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err scf-00028, scf-00029, scf-00058
function discovery.run(ctx)
  local ok, failed = discovery.connect(ctx)
  if ok then ok, failed = ontap.connect(ctx) end
  if not ok then return nil, failed end
  ctx.skipped, ctx.missing, ctx.unsupported = {}, {}, {}
  local rows
  rows, failed = ctx.conn:list()
  if not rows then return nil, err.coded("scf-00028", "domains", failed) end
  local defined = {}
  for _, row in ipairs(rows) do defined[row.name] = true end
  rows, failed = select_domains(ctx, rows)
  if not rows then return nil, failed end
  local wanted = asked_for(ctx.cfg)
  local inspected
  inspected, failed = task.map(rows, function(row) return describe(ctx, row) end, { limit = 4 })
  if inspected then
    local disks = {}
    for _, guest in ipairs(inspected) do
      for _, disk in ipairs(guest.defined) do
        if wanted_disk(ctx, disk) then disks[#disks + 1] = disk end
      end
    end
    inspected, failed = storage.with_expected(ctx, disks, function()
      return task.map(inspected, function(guest) return inspect(ctx, guest) end, { limit = 4 })
    end)
  end
  if not inspected then return nil, err.coded("scf-00028", "guests", failed) end
  local guests = {}
  for _, guest in ipairs(inspected) do
    if guest.problem and not LEFT_OUT[guest.problem.scf] and guest.problem.code ~= "not_found" then
      return nil, err.coded("scf-00028", ("guest '%s'"):format(guest.name), guest.problem)
    elseif guest.problem then
      skip(ctx, guest.name, nil, guest.problem.scf or "kvm-00005", guest.problem.message, guest.problem.san)
    else
      guests[#guests + 1] = guest
    end
  end
  ctx.guests = drop_shared(ctx, guests)
  local kept = {}
  for _, guest in ipairs(ctx.guests) do kept[guest.name] = true end
  for name in pairs(wanted) do
    if not kept[name] then ctx.missing[#ctx.missing + 1] = name end
  end
  table.sort(ctx.missing)
  if #ctx.guests == 0 then
    return nil, err.coded("scf-00029", ("%d domain(s) at %s"):format(#rows, ctx.uri), nil, { code = "not_found" })
  end
  if not ctx.cfg:get("APP_AUTO_DISCOVERY") then
    ok, failed = check_mapping(ctx, ctx.guests)
    if not ok then return nil, failed end
  end
  local objects = {}
  for _, guest in ipairs(ctx.guests) do
    for _, disk in ipairs(guest.disks) do objects[#objects + 1] = disk.object end
  end
  ctx.volumes = storage.volumes(objects)
  add_volumes(ctx)
  local text = mapping_of(ctx.guests)
  local lasting = text .. still_wanted(ctx, defined, kept)
  ctx.mapping_before = { text = ctx.cfg:raw("KVM_VM_MAPPING"), where = ctx.cfg:where("KVM_VM_MAPPING") }
  ok, failed = ctx.cfg:set("KVM_VM_MAPPING", text)
  if not ok then return nil, failed end
  log.info("KVM_VM_MAPPING=%s", text)
  return persist(ctx, lasting)
end

--- What guests on SAN in a way that is not supported (a logical volume, a partition, one path, a LUN that
-- several guests share or that no configured controller has) mean for the run: it ends before anything is
-- suspended, or goes on without them with APP_IGNORE_ERROR=Y and ends with exit code 3.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00013
function discovery.verdict(ctx)
  if #ctx.unsupported == 0 then return true end
  if ctx.cfg:get("APP_IGNORE_ERROR") then
    ctx:worse(3)
    return true
  end
  return nil, err.coded("kvm-00013", ("guest(s) %s; see above, leave them out with KVM_EXCLUDE_VMS, or write "
    .. "APP_IGNORE_ERROR=Y"):format(table.concat(ctx.unsupported, ", ")), nil, { code = "unsupported" })
end

return discovery
