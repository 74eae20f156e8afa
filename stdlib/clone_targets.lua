--- What clones a backup is to get, under which names, and which older ones make room for them. Decides and looks,
-- changes nothing.
-- @module std.clone_targets

local clones = require "std.clones"
local err = require "std.err"
local log = require "std.log"
local privileges = require "std.privileges"
local replication = require "std.replication"

local clone_targets = {}

local MAX_NAME = 203    -- characters of a volume's name
local SUFFIX = "_CLONE" -- of a LUN's clone

-- Snap Creator's name, cl_...-YYYYMMDDhhmmss, with the characters that ONTAP takes in the name of a volume.
local function volume_name(ctx, volume)
  local head = ("cl_%s_%s"):format(ctx.cfg:get("SNAME"), volume):gsub("[^%w_]", "_")
  local tail = "_" .. ctx.stamp
  return head:sub(1, MAX_NAME - #tail) .. tail
end

-- Of a clone on a secondary the group may be written for its own parent, or for the source of that.
local function igroup_for(ctx, place, source)
  for _, wanted in ipairs { place, source } do
    for _, item in ipairs(ctx.cfg:get("NTAP_CLONE_IGROUP_MAP") or {}) do
      if item.controller == wanted.controller and item.volume == wanted.volume then return item.igroup end
    end
  end
  return nil
end

--- Check that the initiator groups of the clones are there. Waits for the controllers.
-- @tparam table ctx
-- @tparam {table,...} targets of `of`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-03002
function clone_targets.check_igroups(ctx, targets)
  local where, seen, asked = ctx.cfg:where("NTAP_CLONE_IGROUP_MAP"), {}, {}
  for _, v in ipairs(ctx.volumes) do seen[v.controller .. ":" .. v.volume] = true end
  for _, target in ipairs(targets) do seen[target.controller .. ":" .. target.parent] = true end
  for _, item in ipairs(ctx.cfg:get("NTAP_CLONE_IGROUP_MAP") or {}) do
    if not seen[item.controller .. ":" .. item.volume] then
      log.warn("%s: NTAP_CLONE_IGROUP_MAP: volume %s:%s is not in this backup", where, item.controller, item.volume)
    end
  end
  for _, target in ipairs(targets) do
    local key = target.igroup and target.controller .. ":" .. target.igroup
    if key and not asked[key] then
      asked[key] = true
      local controller = ctx.controllers[target.controller]
      local rows, failed = controller.client:igroups { name = target.igroup }
      if not rows then
        return nil, err.coded("STORAGE-03002", ("initiator group '%s' of controller '%s'"):format(target.igroup,
          target.controller), privileges.explain(controller, failed, "find initiator groups"))
      end
      if not rows[1] then
        return nil, err.new("not_found", ("%s: NTAP_CLONE_IGROUP_MAP: controller '%s' has no initiator group '%s'; "
          .. "create it, or write another"):format(where, target.controller, target.igroup),
          { scf = "STORAGE-03002", exit = 2 })
      end
    end
  end
  return true
end

local function wrong(ctx, key, text, ...)
  return nil, err.new("invalid", ("%s: %s: "):format(ctx.cfg:where(key), key) .. text:format(...), { exit = 2 })
end

-- What clones on the secondary stand on, and what cannot be had there.
local function check_secondary(ctx, kind)
  local key, cfg = "NTAP_CLONE_SECONDARY", ctx.cfg
  if kind == "lun" then
    return wrong(ctx, key, "a SnapMirror destination is read-only and its LUNs cannot be cloned in place; use cloneVol")
  end
  if not cfg:get("NTAP_SNAPMIRROR_UPDATE") then
    return wrong(ctx, key, "the snapshot must get to the destination first; write NTAP_SNAPMIRROR_UPDATE=Y")
  end
  if not cfg:get("NTAP_SNAPMIRROR_WAIT") then
    return wrong(ctx, key, "the clone can be made when the transfer has ended; write NTAP_SNAPMIRROR_WAIT=<minutes>")
  end
  return true
end

local function is_named(wanted, v, row)
  for _, item in ipairs(wanted or {}) do
    if item.source == v.controller and item.controller == row.controller.name and item.volume == row.volume then
      return true
    end
  end
  return wanted == nil
end

-- The destination of a volume that is to be cloned: the only one, or the one that the config names.
local function destination_of(ctx, kind, v)
  local wanted = ctx.cfg:get("NTAP_CLONE_SECONDARY_VOLUMES")
  local rows, failed = replication.find(ctx, kind, v)
  if not rows then
    return nil, err.new(failed.code, failed.message, { scf = failed.scf, cause = failed.cause, exit = 1 })
  end
  local list, names = {}, {}
  for i, row in ipairs(rows) do
    names[i] = ("%s/%s"):format(row.controller.name, row.volume)
    if is_named(wanted, v, row) then list[#list + 1] = row end
  end
  if #list == 1 then return list[1] end
  local key = "NTAP_CLONE_SECONDARY_VOLUMES"
  return wrong(ctx, wanted and key or "NTAP_CLONE_SECONDARY", "volume %s:%s has the SnapMirror destinations %s; name one of "
    .. "them in %s", v.controller, v.volume, table.concat(names, ", "), key)
end

local function secondary_targets(ctx)
  local mirror, sources = replication.kind("snapmirror"), {}
  for _, source in ipairs(replication.sources(ctx.cfg, mirror)) do sources[source.controller .. ":" .. source.volume] = true end
  local targets = {}
  for i, v in ipairs(ctx.volumes) do
    if not sources[v.controller .. ":" .. v.volume] then
      return wrong(ctx, "NTAP_CLONE_SECONDARY", "volume %s:%s is in the backup and not in SNAPMIRROR_VOLUMES", v.controller,
        v.volume)
    end
    local row, failed = destination_of(ctx, mirror, v)
    if not row then return nil, failed end
    local place = { controller = row.controller.name, volume = row.volume }
    targets[i] = { kind = "volume", controller = place.controller, parent = place.volume,
      source = v.controller .. ":" .. v.volume, name = volume_name(ctx, place.volume), igroup = igroup_for(ctx, place, v),
      export = ctx.cfg:get("NTAP_NFS_EXPORT_HOST") }
  end
  return targets
end

local function volume_targets(ctx)
  if ctx.cfg:get("NTAP_CLONE_SECONDARY") then return secondary_targets(ctx) end
  local targets = {}
  for i, v in ipairs(ctx.volumes) do
    targets[i] = { kind = "volume", controller = v.controller, parent = v.volume, name = volume_name(ctx, v.volume),
      igroup = igroup_for(ctx, v), export = ctx.cfg:get("NTAP_NFS_EXPORT_HOST") }
  end
  return targets
end

local function inventory(ctx, v)
  local controller = ctx.controllers[v.controller]
  local rows, failed = controller.client:luns { volume = v.volume }
  if rows then return rows end
  return nil, err.coded("scf-00035", ("volume %s:%s"):format(v.controller, v.volume),
    privileges.explain(controller, failed, "find LUNs"))
end

local function lun_targets(ctx)
  local targets = {}
  for _, v in ipairs(ctx.volumes) do
    local rows, failed = inventory(ctx, v)
    if not rows then return nil, failed end
    local there = {}
    for _, row in ipairs(rows) do there[row.path] = true end
    for _, row in ipairs(rows) do
      local original = row.path:sub(-#SUFFIX) == SUFFIX and row.path:sub(1, -#SUFFIX - 1)
      if not (original and there[original]) then
        targets[#targets + 1] = { kind = "lun", controller = v.controller, parent = row.path,
          name = row.path .. SUFFIX, igroup = igroup_for(ctx, v) }
      end
    end
  end
  if #targets == 0 then
    return nil, err.new("not_found", "the volumes of this backup hold no LUN; use cloneVol", { scf = "scf-00035",
      exit = 2 })
  end
  return targets
end

--- The clones to be made. With `NTAP_CLONE_SECONDARY=Y` they are of the volumes' SnapMirror destinations. Waits for the
-- controllers.
-- @tparam table ctx with `volumes`
-- @tparam string kind "volume" or "lun"
-- @treturn[1] {{kind=,controller=,parent=(volume, or path of the LUN),name=,igroup=?,export=?,source=?("controller:volume"
--   of the primary)},...}
-- @return[2] nil
-- @treturn[2] Err scf-00035, scf-00016, scf-00017; exit 2 for what the config lacks
function clone_targets.of(ctx, kind)
  if ctx.cfg:get("NTAP_CLONE_SECONDARY") then
    local ok, failed = check_secondary(ctx, kind)
    if not ok then return nil, failed end
  end
  if kind == "lun" then return lun_targets(ctx) end
  return volume_targets(ctx)
end

--- What has to go before the new clones: a LUN has one clone, a volume so many. Waits for the disk.
-- @tparam table ctx
-- @tparam {table,...} targets of `of`
-- @treturn[1] {table,...} of `clones.known`
-- @return[2] nil
-- @treturn[2] Err
function clone_targets.outdated(ctx, targets)
  local known, failed = clones.known(ctx)
  if not known then return nil, failed end
  local coming, replaced = {}, {}
  for _, target in ipairs(targets) do
    local set = target.kind == "lun" and replaced or coming
    set[target.controller .. ":" .. (target.kind == "lun" and target.name or target.parent)] = true
  end
  local temporary = ctx.cfg:get("NTAP_CLONE_FOR_BACKUP")
  local surplus = {}
  local most = ctx.cfg:get("NTAP_NUM_VOL_CLONES")
  for _, clone in ipairs(clones.surplus(ctx, known, most, not temporary and coming or nil)) do
    surplus[clone.entry] = true
  end
  local list = {}
  for _, clone in ipairs(known) do
    local whole = clone.record.status == "ok" and not clone.record.temporary
    if surplus[clone.entry] and (not whole or coming[clone.controller .. ":" .. clone.parent])
      or clone.kind == "lun" and replaced[clone.controller .. ":" .. clone.name] then
      list[#list + 1] = clone
    end
  end
  return list
end

--- Check that each name is free, or becomes free by what is deleted before. Waits for the controllers.
-- @tparam table ctx
-- @tparam {table,...} targets of `of`
-- @tparam {table,...} old of `outdated`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02038, STORAGE-02046
function clone_targets.check_names(ctx, targets, old)
  local frees = {}
  for _, clone in ipairs(old) do
    local row, failed = clones.look(ctx, clone)
    if row == nil then return nil, failed end
    if row then frees[clone.controller .. ":" .. clone.name] = true end
  end
  for _, target in ipairs(targets) do
    local client = ctx.controllers[target.controller].client
    local rows, failed
    if target.kind == "lun" then
      rows, failed = client:luns { path = target.name }
    else
      rows, failed = client:volumes { name = target.name }
    end
    if not rows then return nil, failed end
    if rows[1] and not frees[target.controller .. ":" .. target.name] then
      return nil, err.new("exists", ("%s: the name is in use, and not by a clone that this config has made; it is left "
        .. "alone"):format(clones.text(target)), { scf = target.kind == "lun" and "STORAGE-02046" or "STORAGE-02038" })
    end
  end
  return true
end

return clone_targets
