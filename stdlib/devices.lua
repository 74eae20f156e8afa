--- Where this run looks for block devices, and whose storage is below one.
-- @module std.devices

local multipath = require "engine.multipath"

local devices = {}

local LAYERS = 8 -- at most: a file system on a volume group on partitions of maps of disks has five

--- Options for the functions of `engine.multipath` and `engine.lun`: this host, or the tree that KVM_DEVICE_ROOT
-- names (a recorded host in a test).
-- @tparam table ctx
-- @tparam[opt] table more options to add
-- @treturn table
function devices.where(ctx, more)
  local root = ctx.cfg:get("KVM_DEVICE_ROOT")
  local options = root and { root = root, dm = root .. "/dm", socket = root .. "/multipathd" } or {}
  for key, value in pairs(more or {}) do options[key] = value end
  return options
end

-- What a device is made of. A partition of a disk (sdc1) names no slave: its disk is meant.
local function parts_of(device)
  if device.kind == "partition" and #device.slaves == 0 then return { (device.device:gsub("%d+$", "")) } end
  return device.slaves
end

--- The NetApp LUN below a device, through partitions, logical volumes and maps. Reads /sys; waits for multipathd where
-- a map is found.
-- @tparam table ctx
-- @tparam string name any name of a device
-- @treturn ?string the LUN's WWID; nil when there is none, or when name is no device of this host
function devices.lun_below(ctx, name)
  local where = devices.where(ctx)
  local function look(at, layers)
    local device = layers > 0 and multipath.find(at, where)
    if not device then return nil end
    if device.vendor == "NETAPP" then return device.wwid or device.device end
    for _, part in ipairs(parts_of(device)) do
      local found = look(part, layers - 1)
      if found then return found end
    end
    return nil
  end
  return look(name, LAYERS)
end

return devices
