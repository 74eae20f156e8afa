--- How a clone is deleted: its maps, this host's side of its LUNs, the clone, its place in the catalog.
--
-- A clone is deleted only when the catalog of this very config has it, the controller still has the same
-- object (uuid), and nobody but this config uses it. A volume must also still be a clone of the volume
-- that it was made from. What is in doubt is left alone and named.
-- @module std.clone_removal

local lun = require "engine.lun"
local multipath = require "engine.multipath"
local clone_export = require "std.clone_export"
local clones = require "std.clones"
local devices = require "std.devices"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"
local privileges = require "std.privileges"

local clone_removal = {}

-- What a step of a deletion needs, by the call that was refused.
local RIGHTS = { ["volume-unmount"] = "unmount clones", ["volume-offline"] = "take clones offline" }

local CODES = { volume = "STORAGE-02142", lun = "STORAGE-02049" }

-- This host's side of a LUN first: one that is unmapped below a map leaves paths that never come back.
local function leave_host(ctx, row)
  local wwid, failed = lun.wwid(row.serial)
  if not wwid then return nil, failed end
  local name, where = "/dev/disk/by-id/dm-uuid-mpath-" .. wwid, devices.where(ctx)
  local map
  map, failed = multipath.find(name, where)
  if not map then
    if failed.code == "not_found" then return true end
    return nil, failed
  end
  local holders
  holders, failed = lun.holders(map.device, where)
  if not holders then return nil, failed end
  if holders[1] then
    return nil, err.new("busy", ("LUN %s is in use on this host, %s: %s %s"):format(row.path, map.device,
      holders[1].kind, holders[1].name))
  end
  local ok
  ok, failed = multipath.flush(name, where)
  if not ok then return nil, failed end
  return lun.remove(wwid, where)
end

-- The maps of the clone's LUNs: {{row=,igroup=},...}. Somebody else's is a reason to leave the clone alone.
local function maps_of(client, clone, row)
  local rows = { row }
  if clone.kind == "volume" then
    -- Somebody else may have mapped one since: who may not see that cannot know.
    local failed
    rows, failed = client:luns { volume = clone.name }
    if not rows then return nil, failed, "find LUNs" end
  end
  local found = {}
  for _, one in ipairs(rows) do
    local maps, failed = client:lun_maps { path = one.path }
    if not maps then return nil, failed, "see LUN maps" end
    for _, map in ipairs(maps) do
      if map.igroup ~= clone.igroup then
        return clones.conflict(clone, ("LUN %s is mapped to initiator group '%s', which was not done by this config")
          :format(one.path, map.igroup))
      end
      found[#found + 1] = { row = one, igroup = map.igroup }
    end
  end
  return found
end

local function unmap(ctx, client, clone, row)
  local maps, failed, right = maps_of(client, clone, row)
  if not maps then return nil, failed, right end
  -- Nothing is taken away before all of it may be.
  local ok
  for _, map in ipairs(maps) do
    ok, failed = leave_host(ctx, map.row)
    if not ok then return nil, failed end
  end
  for _, map in ipairs(maps) do
    ok, failed = client:lun_unmap(map.row.path, map.igroup)
    if not ok then return nil, failed, "unmap LUNs" end
  end
  return true
end

local function forget(ctx, clone)
  if ctx.dry_run then return true end
  local list = clone.record.clones
  for i = #list, 1, -1 do
    if list[i] == clone.entry then table.remove(list, i) end
  end
  return clones.save(ctx, clone.record)
end

-- Each step leaves a clone that the next attempt goes on from: still in the catalog, less of its maps. The third
-- result is the right that the step needs.
local function take_down(ctx, clone, row)
  local client = ctx.controllers[clone.controller].client
  if clone.export then
    local used, problem = clone_export.is_used(ctx, clone)
    if used == nil then return nil, problem, "delete clones" end
  end
  local ok, failed, right = unmap(ctx, client, clone, row)
  if not ok then return nil, failed, right or "find LUNs" end
  if clone.kind == "lun" then
    ok, failed = client:lun_delete(clone.name, { uuid = row.uuid })
    return ok, failed, "delete LUNs"
  end
  ok, failed = client:volume_delete(clone.name, { uuid = row.uuid, parent = clone.parent })
  return ok, failed, RIGHTS[failed and failed.op] or "delete clones"
end

--- Delete one clone with its maps, without the config's commands, and forget it.
-- @tparam table ctx
-- @tparam table clone of `clones.known`
-- @treturn[1] boolean true, also when it was not there any more
-- @return[2] nil
-- @treturn[2] Err conflict, STORAGE-02142, STORAGE-02049, STORAGE-02132; the clone stays in the catalog
function clone_removal.remove(ctx, clone)
  local row, failed = clones.look(ctx, clone)
  if row == nil then return nil, failed end
  if row then
    log.warn("Deleting %s", clones.text(clone))
    local ok, right
    ok, failed, right = take_down(ctx, clone, row)
    -- What was not found may have been a map or its initiator group.
    if not ok and not (failed.code == "not_found" and clones.look(ctx, clone) == false) then
      return nil, err.coded(CODES[clone.kind], clones.text(clone) .. " is left",
        privileges.explain(ctx.controllers[clone.controller], failed, right))
    end
  elseif not clone.uuid and clone.record.id == ctx.id then
    return true -- its answer was lost a moment ago: it may still come, and the next run looks again
  end
  if clone.export then
    local ok
    ok, failed = clone_export.remove(ctx, clone)
    if not ok then return nil, failed end
  end
  return forget(ctx, clone)
end

--- Run the config's commands that come before clones are deleted.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function clone_removal.release(ctx)
  local ok, failed = hooks.run(ctx, "UMOUNT_CMD")
  if not ok then return nil, failed end
  return hooks.run(ctx, "PRE_NTAP_CLONE_DELETE_CMD")
end

--- Delete clones of this config. Ends at the first that cannot be deleted. The commands before a deletion are run
-- once, and only when there is something to delete.
-- @tparam table ctx
-- @tparam {table,...} list of `clones.known`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err as of `remove`, or of the command that failed
function clone_removal.delete(ctx, list)
  local released = false
  for _, clone in ipairs(list) do
    local row, failed = clones.look(ctx, clone)
    if row == nil then return nil, failed end
    local ok = true
    if row and not released then ok, failed = clone_removal.release(ctx) end
    released = released or row ~= false
    if ok then ok, failed = clone_removal.remove(ctx, clone) end
    if not ok then return nil, failed end
  end
  return true
end

return clone_removal
