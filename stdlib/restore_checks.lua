--- What must still be so before a disk is overwritten: same guest, same disk, same snapshot.
-- @module std.restore_checks

local domxml = require "engine.domxml"
local err = require "std.err"
local ontap = require "std.ontap"
local storage = require "std.storage"

local restore_checks = {}

local function same_object(a, b)
  return a.controller == b.controller and a.volume == b.volume and a.mapping == b.path
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

--- Check that guest and disks are those of the backup: same uuid, same storage objects. Waits for libvirt and the
-- controllers.
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
    item.objects[i] = object
  end
  return true
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
    return nil, err.new("not_found", ("snapshot %s is not on %s:%s any more; see moonsnap backupList")
      :format(ctx.snapshot, object.controller, object.volume), { scf = "STORAGE-02025" })
  end
  if disk.snapshot_uuid and rows[1].uuid ~= disk.snapshot_uuid then
    return nil, err.coded("kvm-00008", ("snapshot %s on %s:%s is another one than the backup's"):format(ctx.snapshot,
      object.controller, object.volume), nil, { code = "conflict" })
  end
  return rows[1]
end

return restore_checks
