--- A clone of a LUN from a snapshot, on this host for a while: made, mapped, used, and taken away again in the
-- order that leaves no stale path (map, disks, mapping, LUN).
-- @module std.san_clone

local clock = require "engine.clock"
local file = require "engine.file"
local lun = require "engine.lun"
local multipath = require "engine.multipath"
local trace = require "engine.trace"
local clones = require "std.clones"
local devices = require "std.devices"
local err = require "std.err"
local log = require "std.log"
local restoring = require "std.restoring"
local task = require "std.task"

local san_clone = {}

local MAP_WAIT = 60      -- seconds for the clone's map to appear
local LEAVE_WAIT = 15    -- seconds for what still makes or opens the map
local USABLE_WAIT = 10   -- seconds more for all of its paths, as many as the original has

-- Names by which a controller knows this host.
local function initiators()
  local names = {}
  local text = file.read("/etc/iscsi/initiatorname.iscsi")
  local iqn = text and text:match("InitiatorName=(%S+)")
  if iqn then names[iqn:lower()] = true end
  for _, host in ipairs(file.list("/sys/class/fc_host") or {}) do
    local wwpn = file.read(("/sys/class/fc_host/%s/port_name"):format(host))
    local hex = wwpn and wwpn:match("0x(%x+)")
    if hex then names[hex:lower():gsub("(%x%x)", "%1:"):sub(1, -2)] = true end
  end
  return names
end

-- The group through which this host sees the original: the only one, or the one that names this host.
local function igroup_of(client, object)
  local maps, failed = client:lun_maps { path = object.mapping }
  if not maps then return nil, failed end
  if #maps == 1 then return maps[1].igroup end
  local own = initiators()
  for _, map in ipairs(maps) do
    local groups
    groups, failed = client:igroups { name = map.igroup }
    if not groups then return nil, failed end
    for _, name in ipairs(groups[1] and groups[1].initiators or {}) do
      if own[name:lower()] then return map.igroup end
    end
  end
  return nil, err.new("not_found", ("LUN %s is mapped to %d initiator groups, and none of them names this host")
    :format(object.mapping, #maps))
end

local function lun_at(client, path)
  local rows, failed = client:luns { path = path }
  if not rows then return nil, failed end
  if not rows[1] then return nil, err.new("not_found", ("LUN %s is not there"):format(path)) end
  return rows[1]
end

local Clone = {}
Clone.__index = Clone

-- The map, once it has as many usable paths as are wanted, or some after a while.
local function wait_map(self, want)
  local name = "/dev/disk/by-id/dm-uuid-mpath-" .. self.wwid
  local give_up, settle = clock.mono() + MAP_WAIT, nil
  while true do
    local map = multipath.find(name, devices.where(self.ctx))
    local usable = map and map.usable or 0
    if usable > 0 then settle = settle or clock.mono() + USABLE_WAIT end
    if usable >= want or (usable > 0 and clock.mono() > settle) then return map end
    if clock.mono() > give_up then
      return nil, err.new("timeout", ("LUN %s was mapped, but no multipath device with WWID %s appeared within %d "
        .. "seconds; is multipathd running?"):format(self.path, self.wwid, MAP_WAIT))
    end
    task.sleep(0.25)
  end
end

-- Looked at once more: multipathd may make the map, or udev look into it, at this very moment, and a disk that goes by
-- itself while it is looked at says nothing of the others.
local PASSES = { busy = true, not_found = true }

-- The host's side first: a LUN that is unmapped below a map leaves paths that never come back.
local function leave_host(self)
  local give_up = clock.mono() + LEAVE_WAIT
  while true do
    local ok, failed = multipath.flush("/dev/disk/by-id/dm-uuid-mpath-" .. self.wwid, devices.where(self.ctx))
    if ok then ok, failed = lun.remove(self.wwid, devices.where(self.ctx)) end
    if ok or not PASSES[failed.code] or clock.mono() >= give_up then return ok, failed end
    task.sleep(0.5)
  end
end

-- The catalog has the clone before it is made: should this process die, `gc` finds it there.
local function remember(self, parent, snapshot)
  local ctx = self.ctx
  ctx.temporary = ctx.temporary or clones.begin_temporary(ctx, snapshot)
  self.entry = { kind = "lun", controller = self.controller, name = self.path, parent = parent, igroup = self.igroup }
  table.insert(ctx.temporary.clones, self.entry)
  return clones.save(ctx, ctx.temporary)
end

local function forget(self)
  local list = self.ctx.temporary.clones
  for i = #list, 1, -1 do
    if list[i] == self.entry then table.remove(list, i) end
  end
  return clones.save(self.ctx, self.ctx.temporary)
end

-- What is not there any more need not be taken away; a mapping may be gone alone, with its initiator group.
local function absent(ok, failed)
  return ok or failed.code == "not_found"
end

--- Take the clone away. Repeats nothing that is done; after a failure it may be called again.
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02049, naming what is left
function Clone:close()
  if self.closed then return true end
  local ok, failed = true, nil
  if self.wwid then ok, failed = leave_host(self) end
  if ok and self.mapped then
    ok, failed = self.client:lun_unmap(self.path, self.igroup)
    ok = absent(ok, failed)
    self.mapped = not ok
  end
  if ok and self.made then
    ok, failed = self.client:lun_delete(self.path, { uuid = self.uuid })
    ok = absent(ok, failed)
  end
  if not ok then
    return nil, err.coded("STORAGE-02049", ("clone %s is left, %s"):format(self.path,
      self.mapped and "mapped to " .. self.igroup or "not mapped"), failed)
  end
  self.closed = true
  trace.closed(self)
  log.info("Clone %s is gone", self.path)
  return forget(self)
end

function Clone:__close()
  local ok, failed = self:close()
  trace.closed(self) -- tried once; what is left is in the catalog, for gc
  if not ok then log.error(failed) end
end

local function bring_up(self, object, snapshot)
  local client = self.client
  local ok, failed = remember(self, object.mapping, snapshot)
  if not ok then return nil, failed end
  ok, failed = client:lun_clone(object.mapping, { to = self.path, snapshot = snapshot })
  -- A lost answer says nothing: what is there under a name that only this run uses is ours.
  self.made = ok or not restoring.is_refusal(failed)
  if not ok then return nil, failed end
  local row
  row, failed = lun_at(client, self.path)
  if not row then return nil, failed end
  self.uuid, self.serial, self.entry.uuid = row.uuid, row.serial, row.uuid
  ok, failed = clones.save(self.ctx, self.ctx.temporary)
  if not ok then return nil, failed end
  self.mapped = true
  ok, failed = client:lun_map(self.path, self.igroup)
  if not ok then return nil, failed end
  local original = multipath.find(object.device, devices.where(self.ctx))
  self.wwid, failed = lun.wwid(row.serial)
  if not self.wwid then return nil, failed end
  ok, failed = lun.scan(devices.where(self.ctx))
  if not ok then return nil, failed end
  local map
  map, failed = wait_map(self, original and original.usable or 1)
  if not map then return nil, failed end
  self.device, self.size = "/dev/" .. map.device, map.size
  log.info("Clone %s of LUN %s is %s here", self.path, object.mapping, self.device)
  return self
end

--- Clone a LUN from a snapshot and bring the clone up on this host. Hold it in a `<close>` variable.
-- @tparam table ctx
-- @tparam table object as from `std.san.locate`
-- @tparam string snapshot name
-- @treturn[1] {device=string,wwid=string,serial=string,uuid=string,path=string,size=integer} with a method `close`
-- @return[2] nil
-- @treturn[2] Err STORAGE-02046, after what was made so far has been taken away
function san_clone.open(ctx, object, snapshot)
  local client = ctx.controllers[object.controller].client
  local what = ("LUN %s from snapshot %s"):format(object.mapping, snapshot)
  local igroup, failed = igroup_of(client, object)
  if not igroup then return nil, err.coded("STORAGE-02046", what, failed) end
  local self = setmetatable({ ctx = ctx, client = client, igroup = igroup,
    controller = object.controller, path = clones.temporary_name(object.mapping, ctx.id) }, Clone)
  trace.opened(self, ("clone %s of LUN %s"):format(self.path, object.mapping))
  local clone
  clone, failed = bring_up(self, object, snapshot)
  if clone then return clone end
  self:__close()
  return nil, err.coded("STORAGE-02046", what, failed)
end

--- Use a clone: fn(device, clone) runs while it is there; afterwards it is taken away, whatever fn does.
-- @tparam table ctx
-- @tparam table object
-- @tparam string snapshot
-- @tparam function fn such as `function(device) return process.run { "fsck", "-n", device } end`
-- @return[1] what fn returns
-- @return[2] nil
-- @treturn[2] Err
function san_clone.with(ctx, object, snapshot, fn)
  local clone, failed = san_clone.open(ctx, object, snapshot)
  if not clone then return nil, failed end
  local held <close> = clone
  return fn(held.device, held)
end

return san_clone
