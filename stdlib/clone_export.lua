--- The NFS export of a volume clone: a policy of its own, named after the clone, with one rule for
-- `NTAP_NFS_EXPORT_HOST`, and the clone mounted under it at `/<clone>`. The policy of the parent is not touched.
-- @module std.clone_export

local mount = require "engine.mount"
local err = require "std.err"
local log = require "std.log"
local privileges = require "std.privileges"

local clone_export = {}

--- Where a clone is mounted in its SVM's namespace.
-- @tparam table clone
-- @treturn string
function clone_export.junction(clone)
  return "/" .. clone.name
end

--- Export a new clone. After a failure the clone is not mounted; `clone_export.remove` takes the policy away.
-- @tparam table ctx
-- @tparam table clone with `export`, the host
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02062
function clone_export.make(ctx, clone)
  local controller = ctx.controllers[clone.controller]
  local access, junction = ctx.cfg:get("NTAP_NFS_EXPORT_ACCESS"), clone_export.junction(clone)
  log.info("Exporting %s:%s to %s, %s", clone.controller, junction, clone.export, access)
  -- Mounted last, when the rule is there: under the parent's policy others could see it.
  local ok, failed = controller.client:export_create(clone.parent, clone.name,
    { client = clone.export, access = access })
  local right = "make export policies"
  if not ok and failed.code == "exists" then clone.export = nil end -- somebody else's is not ours to delete
  if ok then
    ok, failed = controller.client:volume_export(clone.name, { policy = clone.name, junction = junction })
    right = failed and failed.op == "volume-mount" and "mount clones" or "export clones"
  end
  if ok then return true end
  return nil, err.coded("STORAGE-02062", ("%s:%s to %s"):format(clone.controller, clone.name, clone.export),
    privileges.explain(controller, failed, right))
end

--- Whether this host has a clone mounted, which would hang when the clone goes.
-- @tparam table ctx
-- @tparam table clone
-- @treturn[1] boolean false
-- @return[2] nil
-- @treturn[2] Err busy
function clone_export.is_used(ctx, clone)
  local list, failed = mount.list { mountinfo = ctx.cfg:get("KVM_MOUNTINFO") }
  if not list then return nil, failed end
  local junction = clone_export.junction(clone)
  for _, one in ipairs(list) do
    local export = one.nfs and one.export or ""
    if export == junction or export:sub(1, #junction + 1) == junction .. "/" then
      return nil, err.new("busy", ("it is mounted on this host at %s; unmount it, or do so in UMOUNT_CMD##")
        :format(one.mountpoint))
    end
  end
  return false
end

--- Delete the policy of a clone that is gone.
-- @tparam table ctx
-- @tparam table clone
-- @treturn[1] boolean true, also when there was none
-- @return[2] nil
-- @treturn[2] Err STORAGE-02062
function clone_export.remove(ctx, clone)
  local controller = ctx.controllers[clone.controller]
  local ok, failed = controller.client:export_delete(clone.name)
  if ok or failed.code == "not_found" then return true end
  return nil, err.coded("STORAGE-02062", ("export policy %s:%s is left"):format(clone.controller, clone.name),
    privileges.explain(controller, failed, "make export policies"))
end

return clone_export
