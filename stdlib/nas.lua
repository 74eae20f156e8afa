--- Storage provider: a guest's disk is a file on an NFS volume of ONTAP.
-- @module std.nas

local file = require "engine.file"
local mount = require "engine.mount"
local devices = require "std.devices"
local err = require "std.err"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"
local restoring = require "std.restoring"
local task = require "std.task"

local nas = { name = "nfs", vault = true }

local SIZE_WAIT = 65 -- seconds until the NFS client has surely asked for the size again

-- Addresses of the server behind a mount.
local function server_addresses(ctx, m)
  local cache = ctx.nas_servers or {}
  ctx.nas_servers = cache
  if not cache[m.server] then
    local set = { [m.server] = true }
    for _, address in ipairs(mount.addresses(m.server) or {}) do set[address] = true end
    cache[m.server] = set
  end
  if m.address then cache[m.server][m.address] = true end -- one name, several addresses
  return cache[m.server]
end

local function serves(controller, addresses)
  local own, failed = ontap.addresses(controller)
  if not own then return nil, failed end
  for address in pairs(addresses) do
    if own[address] then return true end
  end
  return false
end

local by_junction = setmetatable({}, { __mode = "k" }) -- of each list of volumes

-- The volume whose junction path is the longest prefix of an export path, and the rest below it.
local function volume_at(volumes, path)
  local index = by_junction[volumes]
  if not index then
    index = {}
    for _, v in ipairs(volumes) do
      if v.junction then index[v.junction] = index[v.junction] or v end
    end
    by_junction[volumes] = index
  end
  local at = #path + 1
  while at do
    at = path:sub(1, at - 1):match("^.*()/")
    local v = at and index[at == 1 and "/" or path:sub(1, at - 1)]
    if v then return v, path:sub(at + 1) end
  end
  return nil
end

-- What to do differs from case to case, so that these say it themselves.
local function left_out(text, ...)
  return err.new("unsupported", text:format(...), { scf = "kvm-00005" })
end

-- An image that is not on NFS. One on a file system of a LUN is a guest on SAN in a way that is not supported, which a run
-- does not pass over (`std.discovery.verdict`); one on this host's own disks is nobody's business here.
local function not_on_nfs(ctx, m)
  local wwid = m.source:find("^/dev/") and devices.lun_below(ctx, m.source)
  if not wwid then return left_out("image %s lies on %s (%s), not on NFS", m.path, m.fstype, m.source) end
  return err.new("unsupported", ("image %s lies on a file system (%s, %s) on LUN %s; put the guest on a whole LUN or on an "
    .. "NFS volume"):format(m.path, m.fstype, m.source, wwid), { scf = "kvm-00013", san = true })
end

--- That so many disks are going to be located: what all of them need is asked for once.
-- @tparam table ctx with controllers
-- @tparam {table,...} disks as from `engine.domxml`
function nas.expect(ctx, disks)
  ctx.nas_failed = {}
  local files = false
  for _, disk in ipairs(disks) do files = files or disk.type == "file" and disk.path ~= nil end
  if not files then return end
  task.map(ctx.controllers, function(controller)
    if controller.down then return true end
    local ok, failed = task.all {
      function() return ontap.addresses(controller) end,
      function() return ontap.volumes(controller) end,
    }
    if not ok then ctx.nas_failed[controller.name] = failed end -- told where a disk needs the answer
    return true
  end)
end

--- The disks are located; what comes later is asked for anew.
-- @tparam table ctx
function nas.located(ctx) ctx.nas_failed = nil end

--- Name the storage object of a disk.
-- @tparam table ctx with controllers
-- @tparam table disk as from `engine.domxml`
-- @treturn[1] {provider="nfs",controller=,volume=,path=(below the volume),mapping="/vol/VOLUME/PATH",file=(host
--   path without links),mountpoint=}
-- @return[2] nil, when the disk is not a file: another provider may know it
-- @return[3] nil
-- @treturn[3] Err kvm-00005, kvm-00013: a file, but not one that can be backed up
function nas.locate(ctx, disk)
  if disk.type ~= "file" or not disk.path then return nil end
  local limit = ctx.cfg:get("KVM_NFS_TIMEOUT")
  local m, failed = task.timeout(limit, function()
    return mount.find(disk.path, { mountinfo = ctx.cfg:get("KVM_MOUNTINFO") })
  end)
  if not m and failed.code == "timeout" then
    return nil, err.new("timeout", ("image %s: its file system has not answered for %g s; is its NFS server up? See "
      .. "KVM_NFS_TIMEOUT"):format(disk.path, limit))
  end
  if not m then return nil, failed end
  if not m.nfs then return nil, not_on_nfs(ctx, m) end
  if m.relative:find("^%.snapshot/") or m.relative:find("/%.snapshot/") then
    return nil, left_out("image %s lies in a snapshot directory", m.path)
  end
  local addresses = server_addresses(ctx, m)
  local export = m.export == "/" and "" or m.export
  local full = export .. "/" .. m.relative
  local found, matched, down = nil, false, nil
  for _, controller in ipairs(ctx.controllers) do
    local answers = false
    down = down or controller.down
    failed = ctx.nas_failed and ctx.nas_failed[controller.name]
    if failed then return nil, failed end
    if not controller.down then answers, failed = serves(controller, addresses) end
    if answers == nil then return nil, failed end
    if answers then
      matched = true
      local volumes
      volumes, failed = ontap.volumes(controller)
      if not volumes then return nil, failed end
      local volume, rest = volume_at(volumes, full)
      if volume and found then
        return nil, left_out("image %s: both %s:%s and %s:%s serve %s:%s; name one of them in NTAP_USERS", m.path,
          found.controller, found.volume, controller.name, volume.name, m.server, m.export)
      end
      if volume then
        found = { provider = nas.name, controller = controller.name, volume = volume.name, path = rest,
          mapping = ("/vol/%s/%s"):format(volume.name, rest), file = m.path, mountpoint = m.mountpoint }
      end
    end
  end
  if found then return found end
  if down then return nil, down end -- it may lie there
  if not matched then
    return nil, left_out("image %s: NFS server %s is no configured controller; add it to NTAP_USERS, or let the "
      .. "controller's name resolve to its address", m.path, m.server)
  end
  return nil, left_out("image %s: no volume of a configured controller has its junction at %s; see moonsnap volumeList",
    m.path, full)
end

--- Check that a file is in a snapshot.
-- @tparam table ctx
-- @tparam table object as from `locate`
-- @tparam string snapshot name
-- @treturn[1] {size=integer} or true when the controller does not tell
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025
function nas.in_snapshot(ctx, object, snapshot)
  local client = ctx.controllers[object.controller].client
  local info, failed = client:file_info(("/vol/%s/.snapshot/%s/%s"):format(object.volume, snapshot, object.path))
  if info then return info end
  if failed.code == "unsupported" or failed.code == "denied" then
    log.debug("%s; the restore itself will tell", failed)
    return true
  end
  return nil, err.coded("STORAGE-02025", ("file %s in snapshot %s"):format(object.mapping, snapshot), failed)
end

--- Restore the file from a snapshot, in place, and wait until the data is there. The guest must be off.
-- @tparam table ctx
-- @tparam table object
-- @tparam string snapshot name
-- @tparam[opt] table info as from `in_snapshot`: the size is compared afterwards
-- @tparam[opt] string from path below the volume in the snapshot, when it is another one there
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025; its field `started` says whether the disk may have been touched
function nas.restore(ctx, object, snapshot, info, from)
  local controller = ctx.controllers[object.controller]
  local client = controller.client
  local what = ("file %s from snapshot %s"):format(object.mapping, snapshot)
  local begun, failed = client:file_restore(object.volume, snapshot,
    { path = from or object.path, to = from and object.path or nil })
  if not begun then
    return nil, err.coded("STORAGE-02025", what, privileges.explain(controller, failed, "restore files"),
      { started = not restoring.is_refusal(failed) })
  end
  if begun.planned then return true end -- a dry run
  local done
  done, failed = task.timeout(ctx.cfg:get("KVM_RESTORE_TIMEOUT"), function()
    return restoring.wait(client, { volume = object.volume, path = object.path, job = begun.job })
  end)
  if not done then
    failed = privileges.explain(controller, failed, "follow restores")
    return nil, err.coded("kvm-00011", what, failed, { started = true })
  end
  if type(info) == "table" and info.size then
    -- The NFS client may remember the size of before for up to a minute (acregmax), or not answer at all.
    local stat
    local same
    same, failed = task.timeout(SIZE_WAIT, function()
      while not stat or stat.size ~= info.size do
        if stat then task.sleep(1) end
        local problem
        stat, problem = file.stat(object.file)
        if not stat then return nil, problem end
      end
      return true
    end)
    if not same then
      if stat then failed = err.new("io", ("it has %d bytes instead of %d"):format(stat.size, info.size)) end
      return nil, err.coded("kvm-00011", what, failed, { started = true })
    end
  end
  return true
end

--- Delete a file that was fetched from a secondary to a path beside the image.
-- @tparam table ctx
-- @tparam table object
-- @tparam string path below the volume; it begins with the object's own
-- @treturn[1] boolean true, also when it is not there
-- @return[2] nil
-- @treturn[2] Err
function nas.remove(_ctx, object, path)
  local ok, failed = file.remove(object.file .. path:sub(#object.path + 1))
  if ok or failed.code == "not_found" then return true end
  return nil, failed
end

return nas
