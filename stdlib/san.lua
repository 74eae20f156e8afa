--- Storage provider: a guest's disk is a whole multipath device, a LUN of ONTAP.
-- NetApp's Host Utilities are not needed: the map's WWID holds the LUN's serial number, and the
-- controllers say which LUN has it.
-- @module std.san

local clock = require "engine.clock"
local lun = require "engine.lun"
local multipath = require "engine.multipath"
local connect = require "std.connect"
local devices = require "std.devices"
local err = require "std.err"
local log = require "std.log"
local privileges = require "std.privileges"
local restoring = require "std.restoring"
local lookup = require "std.san_lookup"
local san_clone = require "std.san_clone"
local task = require "std.task"

--- Use a clone of a LUN from a snapshot on this host: `std.san_clone.with`.
-- @function with_clone
local san = { name = "san", vault = true, with_clone = san_clone.with }

-- `san` marks what is wrong with how the guest lies on SAN, not with getting to know it.
local function left_out(code, text, ...)
  return err.new("unsupported", text:format(...), { scf = code, san = true })
end

-- Devices that are no whole multipath device, and what to say of them (Snap Creator's supported
-- configurations: a guest on a raw multipath device, nothing else).
local REFUSED = {
  lvm = "%s is a logical volume (%s)",
  crypt = "%s is an encrypted volume (%s)",
  partition = "%s is a partition (%s), not a whole LUN",
  dm = "%s is a device-mapper device (%s), not a multipath one",
  disk = "%s (%s) is a single path without a multipath map; let multipathd make one",
  other = "%s (%s) is not a SCSI LUN",
}

-- The map of a device, or why there is none that a backup can use.
local function map_of(ctx, path)
  local map, failed = multipath.find(path, devices.where(ctx))
  if not map and failed.code == "not_found" then
    return nil, left_out("kvm-00005", "device %s does not exist on this host", path)
  end
  if not map then return nil, err.coded("kvm-00014", ("device %s"):format(path), failed) end
  if map.kind ~= "multipath" then
    return nil, left_out("kvm-00013", REFUSED[map.kind], path, map.name or map.device)
  end
  local holders
  holders, failed = lun.holders(map.device, devices.where(ctx, { processes = false })) -- the guest itself is one
  if not holders then return nil, err.coded("kvm-00014", ("device %s"):format(path), failed) end
  local holder = holders[1]
  if holder then
    return nil, left_out("kvm-00013", "%s: this host uses it itself: %s %s", path, holder.kind, holder.name)
  end
  return map
end

-- The LUN with a serial number, on the one configured controller that has it.
local function lun_of(ctx, serial, path)
  local found, controller, down
  for _, one in ipairs(ctx.controllers) do
    local row, failed = false, nil
    if one.down then down = down or one.down else row, failed = lookup.find(ctx, one, serial) end
    if row == nil and (failed.code == "denied" or failed.code == "unsupported") then
      return nil, err.coded("kvm-00014", ("device %s, controller '%s'"):format(path, one.name),
        privileges.explain(one, failed, "find LUNs"))
    end
    if row == nil then return nil, err.coded("STORAGE-02052", ("controller '%s'"):format(one.name), failed) end
    if row and found and row.uuid ~= found.uuid then
      return nil, left_out("kvm-00005", "device %s: both %s:%s and %s:%s have the serial number %s", path,
        controller.name, found.path, one.name, row.path, serial)
    end
    if row and not found then found, controller = row, one end
  end
  if not found and down then return nil, down end
  if not found then
    return nil, left_out("kvm-00005", "device %s: no configured controller has a LUN with serial number %s; add its "
      .. "controller to NTAP_USERS", path, serial)
  end
  return found, controller
end

--- That so many disks are going to be located: their LUNs are asked for together.
-- @tparam table ctx with controllers
-- @tparam {table,...} disks as from `engine.domxml`
function san.expect(ctx, disks)
  local serials = {}
  for _, disk in ipairs(disks) do
    local map = disk.type == "block" and disk.path and multipath.find(disk.path, devices.where(ctx))
    serials[#serials + 1] = map and map.wwid and lun.serial(map.wwid) or nil
  end
  lookup.expect(ctx, serials)
end

--- The disks are located; what comes later is asked for anew.
-- @tparam table ctx
function san.located(ctx) lookup.forget(ctx) end

--- Name the storage object of a disk.
-- @tparam table ctx with controllers
-- @tparam table disk as from `engine.domxml`
-- @treturn[1] {provider="san",controller=,volume=,path=(below the volume),mapping="/vol/VOLUME/PATH",device=(any
--   name of it),wwid=,serial=,uuid=(the LUN's),size=(bytes),svm=?string}
-- @return[2] nil, when the disk is no device: another provider may know it
-- @return[3] nil
-- @treturn[3] Err kvm-00005, kvm-00013, kvm-00014: a device, but not one that can be backed up
function san.locate(ctx, disk)
  if disk.type ~= "block" or not disk.path then return nil end
  local map, failed = map_of(ctx, disk.path)
  if not map then return nil, failed end
  local serial
  serial, failed = lun.serial(map.wwid)
  if not serial then return nil, left_out("kvm-00005", "device %s: %s", disk.path, failed.message) end
  local row, controller = lun_of(ctx, serial, disk.path)
  if not row then return nil, controller end
  return { provider = san.name, controller = controller.name, volume = row.volume,
    path = row.path:match("^/vol/[^/]+/(.+)$"), mapping = row.path, device = disk.path, wwid = map.wwid,
    serial = serial, uuid = row.uuid, size = row.size, svm = row.svm }
end

--- Check that a LUN is in a snapshot, with the size that it has today.
-- @tparam table ctx
-- @tparam table object as from `locate`
-- @tparam string snapshot name
-- @treturn[1] {size=integer} or true when the controller does not tell
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025; conflict: the LUN was resized since
function san.in_snapshot(ctx, object, snapshot)
  local client = ctx.controllers[object.controller].client
  local info, failed = client:file_info(("/vol/%s/.snapshot/%s/%s"):format(object.volume, snapshot, object.path))
  if not info and (failed.code == "unsupported" or failed.code == "denied") then
    log.debug("%s; the restore itself will tell", failed)
    return true
  end
  if not info then
    return nil, err.coded("STORAGE-02025", ("LUN %s in snapshot %s"):format(object.mapping, snapshot), failed)
  end
  if info.size ~= object.size and not ctx.cfg:get("KVM_RESTORE_RESIZE") then
    return nil, err.new("conflict", ("LUN %s has %d bytes today and %d in snapshot %s; KVM_RESTORE_RESIZE=Y takes the "
      .. "size of the snapshot"):format(object.mapping, object.size, info.size, snapshot), { scf = "STORAGE-02025" })
  end
  return info
end

-- For so many seconds a process may still have the device open: udev looks into a device that was written to
-- when the guest closed it, and multipathd into one whose path went or came.
local OPEN_WAIT, OPEN_PAUSE = 15, 0.25

-- Nobody uses the device, or gives it back in time. What holds it for good (LVM, a file system) is said at once.
local function wait_unused(ctx, device)
  local ends = clock.mono() + OPEN_WAIT
  while true do
    local holders, failed = lun.holders(device, devices.where(ctx))
    if not holders then return nil, failed end
    local first = holders[1]
    if not first then return true end
    if first.kind ~= "process" or clock.mono() >= ends then
      return nil, err.new("busy", ("device %s is in use: %s %s%s"):format(device, first.kind, first.name,
        first.pid and ", pid " .. first.pid or ""))
    end
    task.sleep(OPEN_PAUSE)
  end
end

--- Whether a path of the LUN's map runs. Its guest may be running, too.
-- @tparam table ctx
-- @tparam table object
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025
function san.ready(ctx, object)
  if ctx.dry_run then return true end
  local scanned, failed = lun.rescan(object.device, devices.where(ctx))
  if not scanned then return nil, err.coded("STORAGE-02025", ("LUN %s"):format(object.mapping), failed) end
  return true
end

-- The same map, LUN and guest's disk as when the restore was prepared, used by nobody: looked at again
-- right before the LUN is overwritten, with what the paths say now and not what /sys remembers.
local function check_identity(ctx, object)
  local scanned, failed = lun.rescan(object.device, devices.where(ctx))
  if not scanned then return nil, failed end
  for _, path in ipairs(scanned.left_out or {}) do
    log.warn("Device %s: path %s does not run; the restore goes on over the others", object.device, path)
  end
  local map
  map, failed = map_of(ctx, object.device)
  if not map then return nil, failed end
  if map.wwid ~= object.wwid then
    return nil, err.coded("kvm-00008", ("device %s is LUN %s now and was %s"):format(object.device, map.wwid,
      object.wwid), nil, { code = "conflict" })
  end
  local same
  same, failed = multipath.same_lun(map.device, devices.where(ctx))
  if not same then return nil, err.coded("kvm-00008", ("device %s"):format(object.device), failed) end
  local rows
  rows, failed = ctx.controllers[object.controller].client:luns { path = object.mapping }
  if not rows then return nil, err.coded("STORAGE-02052", ("controller '%s'"):format(object.controller), failed) end
  local row = rows[1]
  if not row or row.uuid ~= object.uuid or row.serial ~= object.serial then
    return nil, err.coded("kvm-00008", ("LUN %s:%s is another one than it was: %s"):format(object.controller,
      object.mapping, row and "serial number " .. row.serial or "it is gone"), nil, { code = "conflict" })
  end
  local unused
  unused, failed = wait_unused(ctx, map.device)
  if not unused then return nil, failed end
  return map
end

-- For so many seconds after a restore a path may still tell the size from before.
local SIZE_WAIT, SIZE_PAUSE = 15, 0.5

-- The map, with the size that its paths have now.
local function resized(ctx, object)
  local scanned, failed = lun.rescan(object.device, devices.where(ctx))
  if not scanned then return nil, failed end
  local ok
  ok, failed = multipath.resize(object.device, devices.where(ctx))
  if not ok then return nil, failed end
  return multipath.find(object.device, devices.where(ctx))
end

-- The host's side afterwards: same LUN, same map, size followed, nothing old in the cache.
local function settle(ctx, object, info)
  local want = type(info) == "table" and info.size
  local ends = clock.mono() + SIZE_WAIT
  local map, failed = resized(ctx, object)
  while map and want and map.size ~= want and clock.mono() < ends do
    task.sleep(SIZE_PAUSE)
    map, failed = resized(ctx, object)
  end
  local ok = map ~= nil
  if ok then ok, failed = lun.drop_cache(object.device, devices.where(ctx)) end
  if ok then ok, failed = multipath.same_lun(object.device, devices.where(ctx)) end
  if not ok then return nil, failed end
  if map.wwid ~= object.wwid then
    return nil, err.new("conflict", ("device %s is LUN %s now and was %s"):format(object.device, map.wwid, object.wwid))
  end
  if want and map.size ~= want then
    return nil, err.new("io", ("device %s has %d bytes instead of %d"):format(object.device, map.size, want))
  end
  return true
end

--- Restore the LUN from a snapshot, in place, and wait until the data is there. Serial number, uuid, maps
-- and the host's device stay. The guest must be off.
-- @tparam table ctx
-- @tparam table object
-- @tparam string snapshot name
-- @tparam[opt] table info as from `in_snapshot`
-- @tparam[opt] string from path below the volume in the snapshot, when it is another one there
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025, kvm-00008, kvm-00011; its field `started` says whether the disk may have been
--   touched
function san.restore(ctx, object, snapshot, info, from)
  local controller = ctx.controllers[object.controller]
  local client, failed = controller.client, nil
  local what = ("LUN %s from snapshot %s"):format(object.mapping, snapshot)
  -- That another LUN's data leave serial number and maps alone is documented for REST only.
  if from then client, failed = connect.rest(controller) end
  if not client then return nil, err.coded("STORAGE-02025", what, failed, { started = false }) end
  local opts = from and { from = from } or nil
  if ctx.dry_run then return client:lun_restore(object.mapping, snapshot, opts) and true end
  local map
  map, failed = check_identity(ctx, object)
  local ok = map ~= nil
  if ok then ok, failed = lun.drop_cache(map.device, devices.where(ctx)) end
  if not ok then return nil, err.coded("STORAGE-02025", what, failed, { started = false }) end
  local begun
  begun, failed = client:lun_restore(object.mapping, snapshot, opts)
  if not begun then
    return nil, err.coded("STORAGE-02025", what, privileges.explain(controller, failed, "restore LUNs"),
      { started = not restoring.is_refusal(failed) })
  end
  ok, failed = task.timeout(ctx.cfg:get("KVM_RESTORE_TIMEOUT"), function()
    return restoring.wait(client, { path = object.mapping, job = begun.job })
  end)
  if ok then ok, failed = settle(ctx, object, info) end
  if not ok then return nil, err.coded("kvm-00011", what, failed, { started = true }) end
  return true
end

--- Delete a LUN that was fetched from a secondary to a path beside the guest's.
-- @tparam table ctx
-- @tparam table object
-- @tparam string path below the volume
-- @treturn[1] boolean true, also when it is not there
-- @return[2] nil
-- @treturn[2] Err
function san.remove(ctx, object, path)
  local ok, failed = ctx.controllers[object.controller].client:lun_delete(("/vol/%s/%s"):format(object.volume, path))
  if ok or failed.code == "not_found" then return true end
  return nil, failed
end

return san
