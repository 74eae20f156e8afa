--- What must still be so before a disk is overwritten: same guest, same disk, same snapshot.
-- @module std.restore_checks

local domxml = require "engine.domxml"
local err = require "std.err"
local image = require "std.image"
local ontap = require "std.ontap"
local storage = require "std.storage"
local task = require "std.task"

local restore_checks = {}

local function same_object(a, b)
  return a.controller == b.controller and a.volume == b.volume and a.mapping == b.path
end

-- Whether the LUN is that of then: one that was deleted and made anew has the path of the old one, and other data may be
-- on it. A LUN keeps its serial number where it is restored or moved; records of older versions have none.
local function same_lun(object, disk)
  return disk.serial == nil or disk.serial == object.serial
end

-- The disk of today's XML with that target, as a storage object.
local function todays_object(ctx, dom, name, target)
  local xml, failed = dom:xml { inactive = true }
  if not xml then return nil, failed end
  local parsed
  parsed, failed = domxml.parse(xml)
  if not parsed then return nil, failed end
  for _, disk in ipairs(parsed.disks) do
    if disk.target == target then
      if disk.type == "volume" then
        local volume = ctx.conn:volume(disk.source.pool, disk.source.volume)
        if volume then disk.type, disk.path = "file", volume.path end
      end
      return storage.locate(ctx, disk)
    end
  end
  return nil, err.coded("kvm-00008", ("guest '%s' has no disk %s today"):format(name, target), nil,
    { code = "conflict" })
end

-- Only the disk's own file is restored: what it stands upon must be what it was, or the two make no disk. Records of older
-- versions do not have it.
local function same_backing(item, disk)
  for _, was in ipairs(disk.backing or {}) do
    local is, failed = image.identity(was.path)
    if not is or is.size ~= was.size or is.mtime ~= was.mtime or is.mtime_ns ~= was.mtime_ns then
      return nil, err.coded("kvm-00008", ("guest '%s', disk %s: %s, which its image stands upon, %s"):format(item.name,
        disk.target, was.path, is and "was changed since the backup" or "is not what it was"), failed, { code = "conflict",
        remedy = "the image of then would not belong to it; bring it back first, from the snapshot and with its time (cp -p)" })
    end
  end
  return true
end

--- Check that guest and disks are those of the backup: same uuid, same storage objects, same LUNs by serial number, upon
-- the same images. Waits for libvirt and the controllers.
-- @tparam table ctx with `conn`
-- @tparam table item name, `recorded`: the guest's entry in the backup; gets `dom`, `state` and `objects`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00001, kvm-00008; conflict: the guest has a saved memory image
function restore_checks.identity(ctx, item)
  local row, failed = ctx.conn:lookup(item.name)
  if not row then
    if failed.code ~= "not_found" then return nil, failed end
    return nil, err.coded("kvm-00001", ("guest '%s'"):format(item.name), nil, { code = "not_found" })
  end
  if row.uuid ~= item.recorded.uuid then
    return nil, err.coded("kvm-00008", ("guest '%s' has uuid %s today and had %s in the backup"):format(item.name,
      row.uuid, item.recorded.uuid), nil, { code = "conflict" })
  end
  if row.saved then
    return nil, err.new("conflict", ("guest '%s' has a saved memory image: started after the restore, that memory "
      .. "would meet a disk of another time and destroy it; start and shut down the guest, or give the memory up "
      .. "with virsh managedsave-remove"):format(item.name))
  end
  item.dom = item.dom or ctx.conn:domain(row)
  item.state = row.state
  item.objects = {}
  for i, disk in ipairs(item.recorded.disks) do
    local object
    object, failed = todays_object(ctx, item.dom, item.name, disk.target)
    if not object then return nil, failed end
    if not same_object(object, disk) then
      return nil, err.coded("kvm-00008", ("guest '%s', disk %s: it is %s:%s today and was %s:%s in the backup")
        :format(item.name, disk.target, object.controller, object.mapping, disk.controller, disk.path), nil,
        { code = "conflict" })
    end
    if not same_lun(object, disk) then
      return nil, err.coded("kvm-00008", ("guest '%s', disk %s: LUN %s:%s has serial number %s today and had %s in the "
        .. "backup"):format(item.name, disk.target, object.controller, object.mapping, object.serial or "-", disk.serial),
        nil, { code = "conflict", remedy = "it is another LUN; where it is to take the place of the old one, give it that "
          .. "serial number on the controller first" })
    end
    local same
    same, failed = same_backing(item, disk)
    if not same then return nil, failed end
    item.objects[i] = object
  end
  return true
end

-- What a snapshot is called that somebody has renamed, or nil.
local function name_today(ctx, object, uuid)
  for _, row in ipairs(uuid and ontap.snapshots(ctx, object) or {}) do
    if row.uuid == uuid then return row.name end
  end
  return nil
end

--- The snapshot of the backup, by name and uuid, on the volume of an object. Waits for the controller.
-- @tparam table ctx with `snapshot`
-- @tparam table object storage object of today
-- @tparam table disk of the backup's record
-- @treturn[1] table row of the `snapshots` call
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025, kvm-00008
function restore_checks.snapshot(ctx, object, disk)
  local rows, failed = ontap.snapshots(ctx, object, ctx.snapshot)
  if not rows then return nil, failed end
  if not rows[1] then
    local name = name_today(ctx, object, disk.snapshot_uuid)
    return nil, err.new("not_found", ("snapshot %s is not on %s:%s any more; %s"):format(ctx.snapshot, object.controller,
      object.volume, name and ("it is called %s there now: give it its old name for the restore"):format(name)
      or "see moonsnap backupList"), { scf = "STORAGE-02025" })
  end
  if disk.snapshot_uuid and rows[1].uuid ~= disk.snapshot_uuid then
    return nil, err.coded("kvm-00008", ("snapshot %s on %s:%s is another one than the backup's"):format(ctx.snapshot,
      object.controller, object.volume), nil, { code = "conflict" })
  end
  return rows[1]
end

-- The disk and the images below it, each as a disk that can be located.
local function layers_of(ctx, disk)
  local list = {}
  local function add(one)
    if one.type == "volume" and one.source then
      local volume = ctx.conn:volume(one.source.pool, one.source.volume)
      if volume then one = { type = "file", path = volume.path } end
    end
    list[#list + 1] = one.path and { type = one.type, path = one.path, target = disk.target } or nil
  end
  add(disk)
  for _, below in ipairs(disk.backing or {}) do add(below) end
  if disk.type == "file" and disk.path then
    for _, path in ipairs(image.backing_files(disk.path, disk.format)) do add { type = "file", path = path } end
  end
  return list
end

-- What a guest uses, now and after its next start: disks that can be located. Empty when it is gone meanwhile.
local function layers_of_guest(ctx, row)
  local dom, list = ctx.conn:domain(row), {}
  for _, inactive in ipairs { true, false } do
    local xml, problem = dom:xml { inactive = inactive }
    if not xml and problem.code == "not_found" then return list end
    local parsed
    if xml then parsed, problem = domxml.parse(xml) end
    if not parsed then return nil, problem end
    for _, disk in ipairs(parsed.disks) do
      local layers = layers_of(ctx, disk)
      table.move(layers, 1, #layers, #list + 1, list)
    end
  end
  return list
end

--- No other guest may use what is going to be overwritten, as a disk or below one. Waits for libvirt and the controllers.
-- @tparam table ctx with `conn` and `items`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00012
function restore_checks.users(ctx)
  local wanted = {}
  for _, item in ipairs(ctx.items) do
    for _, object in ipairs(item.objects) do wanted[object.controller .. ":" .. object.mapping] = item end
  end
  local rows, failed = ctx.conn:list()
  if not rows then return nil, failed end
  local used
  used, failed = task.map(rows, function(row) return layers_of_guest(ctx, row) end)
  if not used then return nil, failed end
  local all = {}
  for _, layers in ipairs(used) do table.move(layers, 1, #layers, #all + 1, all) end
  local ok
  ok, failed = storage.with_expected(ctx, all, function()
    return task.map(rows, function(row, i)
      for _, layer in ipairs(used[i]) do
        local object = storage.locate(ctx, layer)
        local item = object and wanted[object.controller .. ":" .. object.mapping]
        if item and item.recorded.uuid ~= row.uuid then
          return nil, err.coded("kvm-00012", ("guest '%s': %s:%s is also used by guest '%s' (%s)"):format(item.name,
            object.controller, object.mapping, row.name, row.state), nil, { code = "conflict" })
        end
      end
      return true
    end)
  end)
  return ok and true, failed
end

return restore_checks
