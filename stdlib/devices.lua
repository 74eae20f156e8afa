--- Where this run looks for block devices.
-- @module std.devices

local devices = {}

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

return devices
