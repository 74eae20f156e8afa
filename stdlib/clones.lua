--- The clones of a config: what the catalog says was made, and what the controllers have. How one is deleted is
-- `std.clone_removal`'s part.
-- @module std.clones

local process = require "engine.process"
local catalog = require "std.catalog"
local err = require "std.err"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"

local clones = {}

local ACTION = "clone"
local TEMPORARY = "temporary" -- what a workflow uses for a moment (`std.san_clone`), beside the clones of its run

--- Text for a clone in messages.
-- @tparam table clone an entry of a clone record
-- @treturn string
function clones.text(clone)
  return ("%s clone %s:%s"):format(clone.kind == "lun" and "LUN" or "volume", clone.controller, clone.name)
end

--- Begin the record of this run's clones. Nothing is written before the first `clones.save`.
-- @tparam table ctx with `snapshot`
-- @tparam boolean temporary the clones go when the run ends
-- @treturn table record: id, action, policy, snapshot, temporary, status, started, clones
function clones.begin(ctx, temporary)
  return { id = ctx.id, action = ACTION, profile = ctx.profile, config = ctx.config_name, policy = ctx.policy,
    snapshot = ctx.snapshot, temporary = temporary, status = "started", started = math.floor(ctx.started), clones = {} }
end

--- The record of clones that go before the run ends; as of `clones.begin`.
-- @tparam table ctx
-- @tparam string snapshot
-- @treturn table
function clones.begin_temporary(ctx, snapshot)
  local record = clones.begin(ctx, true)
  local own = process.self()
  record.action, record.snapshot = TEMPORARY, snapshot
  -- A workflow may do without the config's lock.
  record.process = { pid = own.pid, start = own.start }
  return record
end

--- The path of a temporary clone. No other run makes one of that name.
-- @tparam string path of the LUN
-- @tparam string id of the run
-- @treturn string
function clones.temporary_name(path, id)
  return ("%s_moonsnap_%s"):format(path, id)
end

--- Write a clone record; one without clones is removed.
-- @tparam table ctx
-- @tparam table record
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function clones.save(ctx, record)
  if ctx.dry_run then return true end
  local ok, failed
  if #record.clones == 0 then
    ok, failed = catalog.remove(ctx, record)
  else
    ok, failed = catalog.save(ctx, record)
  end
  if not ok then return nil, err.new(failed.code, ("catalog: %s"):format(failed.message)) end
  return true
end

--- The clones that the catalog of this config has, oldest first. Temporary ones only where their run died. Asks no
-- controller.
-- @tparam table ctx
-- @treturn[1] {{kind="volume"|"lun",controller=,name=(volume, or path of the LUN),parent=,uuid=?,igroup=?,junction=?,
--   source=?("controller:volume" of the primary, when it is on a secondary),record=table},...}; `unread` as of
--   `catalog.list`
-- @return[2] nil
-- @treturn[2] Err
function clones.known(ctx)
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  local list = { unread = records.unread }
  for _, record in ipairs(records) do
    local counts = record.action == ACTION or record.action == TEMPORARY and catalog.is_dead(ctx, record)
    for _, entry in ipairs(counts and record.clones or {}) do
      local clone = { record = record, entry = entry }
      for key, value in pairs(entry) do clone[key] = value end
      list[#list + 1] = clone
    end
  end
  return list
end

local function client_of(ctx, clone)
  local controller = ctx.controllers[clone.controller]
  if controller then return controller.client, controller end
  return nil, err.new("not_found", ("%s: its controller is not in the config any more; write it in NTAP_USERS")
    :format(clones.text(clone)))
end

--- That something is not as it was when a clone was made.
-- @tparam table clone
-- @tparam string text
-- @return nil
-- @treturn Err conflict
function clones.conflict(clone, text)
  return nil, err.new("conflict", ("%s: %s; it is left alone"):format(clones.text(clone), text))
end

-- The row of a clone of `parent` by that name.
local function flexclone(client, parent, name)
  local rows, failed = client:volume_clones { parent = parent }
  if not rows then return nil, failed end
  for _, row in ipairs(rows) do
    if row.name == name then return row end
  end
  return false
end

local function look_volume(client, clone)
  local rows, failed = client:volumes { name = clone.name }
  if not rows then return nil, failed end
  local row = rows[1]
  if not row then return false end
  local tie
  tie, failed = flexclone(client, clone.parent, clone.name)
  if tie == nil then return nil, failed end
  if not tie then return clones.conflict(clone, ("it is no clone of volume %s (any more)"):format(clone.parent)) end
  if clone.uuid and row.uuid ~= clone.uuid then return clones.conflict(clone, "another volume has its name now") end
  -- Made by a run that ended before it could note the uuid. Nobody else clones from our snapshot under our name.
  if not clone.uuid and tie.snapshot ~= clone.record.snapshot then
    return clones.conflict(clone, ("it stands on snapshot %s, not on %s"):format(tie.snapshot or "?", clone.record.snapshot))
  end
  return row
end

local function look_lun(client, clone)
  local rows, failed = client:luns { path = clone.name }
  if not rows then return nil, failed end
  local row = rows[1]
  if not row then return false end
  local sure = clone.record.action == TEMPORARY and clone.name == clones.temporary_name(clone.parent, clone.record.id)
  if not clone.uuid and not sure then
    return clones.conflict(clone, "the run that was to make it ended before it could note which LUN it made; if nobody needs "
      .. "it, delete it on the controller")
  end
  if clone.uuid and row.uuid ~= clone.uuid then return clones.conflict(clone, "another LUN has its path now") end
  return row
end

--- What a controller has of a clone now.
-- @tparam table ctx
-- @tparam table clone of `clones.known`
-- @treturn[1] table row of the `volumes` or `luns` call
-- @return[2] false when it is not there any more
-- @return[3] nil
-- @treturn[3] Err conflict: something is there, but not that clone; STORAGE-02132
function clones.look(ctx, clone)
  local client, controller = client_of(ctx, clone)
  if not client then return nil, controller end
  local look = clone.kind == "lun" and look_lun or look_volume
  local row, failed = look(client, clone)
  if row == nil and failed.code ~= "conflict" then
    return nil, err.coded("STORAGE-02132", clones.text(clone), privileges.explain(controller, failed,
      clone.kind == "lun" and "find LUNs" or "list clones"))
  end
  return row, failed
end

-- Whether a volume clone is certainly not there any more: it takes no place of one that is.
local function is_gone(ctx, clone)
  local controller = ctx.controllers[clone.controller]
  local rows = controller and ontap.volumes(controller)
  return rows ~= nil and not rows[clone.name]
end

--- Clones that may go: what a run left half made or only meant for its own time, and the oldest volume clones of
-- each volume beyond a number; also those that somebody has deleted, which are to be forgotten. Decides, never deletes. Waits
-- for the controllers where their volumes were not asked for yet.
-- @tparam table ctx
-- @tparam {table,...} list of `clones.known`, oldest first
-- @tparam integer keep volume clones of each volume
-- @tparam[opt] table coming set of "controller:volume" that will get one more
-- @treturn {table,...}
function clones.surplus(ctx, list, keep, coming)
  local out, newer = {}, {}
  for i = #list, 1, -1 do
    local clone = list[i]
    local of = clone.controller .. ":" .. clone.parent
    if clone.record.temporary or clone.record.status ~= "ok" or clone.kind == "volume" and is_gone(ctx, clone) then
      table.insert(out, 1, clone)
    elseif clone.kind == "volume" then
      newer[of] = (newer[of] or (coming and coming[of] and 1 or 0)) + 1
      if newer[of] > keep then table.insert(out, 1, clone) end
    end
  end
  return out
end

--- Every clone of this config's volumes, also those that others made.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes
-- @treturn[1] {{clone=(of `known`, or nil),kind=,controller=,name=,parent=,snapshot=?,status="ok"|"incomplete"|
--   "gone"|"replaced" (something else is there)|"not seen" (no right to)|"not ours",...},...}
-- @return[2] nil
-- @treturn[2] Err STORAGE-02132
function clones.list(ctx, volumes)
  local known, failed = clones.known(ctx)
  if not known then return nil, failed end
  local out, seen = {}, {}
  for _, clone in ipairs(known) do
    local row, problem = clones.look(ctx, clone)
    local denied = row == nil and problem.code == "denied" and clone.kind == "lun"
    if row == nil and not denied and problem.code ~= "conflict" and problem.code ~= "not_found" then
      return nil, problem
    end
    if denied then log.warn("%s", problem) end
    local whole = clone.record.status == "ok" and not clone.record.temporary
    out[#out + 1] = { clone = clone, kind = clone.kind, controller = clone.controller, name = clone.name,
      parent = clone.parent, snapshot = clone.record.snapshot, created = clone.record.started, igroup = clone.igroup,
      status = row and (whole and "ok" or "incomplete") or row == false and "gone" or denied and "not seen"
        or "replaced" }
    if row then seen[clone.controller .. ":" .. clone.name] = true end
  end
  for _, v in ipairs(volumes) do
    local controller = ctx.controllers[v.controller]
    local rows, problem = controller.client:volume_clones { parent = v.volume }
    if not rows then
      return nil, err.coded("STORAGE-02132", ("volume %s:%s"):format(v.controller, v.volume),
        privileges.explain(controller, problem, "list clones"))
    end
    for _, row in ipairs(rows) do
      if not seen[v.controller .. ":" .. row.name] then
        out[#out + 1] = { kind = "volume", controller = v.controller, name = row.name, parent = v.volume,
          snapshot = row.snapshot, status = "not ours" }
      end
    end
  end
  return out
end

--- The volumes whose clones belong to a config: those of VOLUMES and of the mapping that are there.
-- @tparam table ctx
-- @treturn[1] {{controller=string,volume=string},...}
-- @return[2] nil
-- @treturn[2] Err
function clones.volumes(ctx)
  local list, seen = {}, {}
  local function add(controller, volume)
    if seen[controller .. ":" .. volume] then return true end
    seen[controller .. ":" .. volume] = true
    local rows, failed = ontap.volumes(ctx.controllers[controller])
    if not rows then return nil, failed end
    if rows[volume] then list[#list + 1] = { controller = controller, volume = volume } end
    return true
  end
  local ok, failed = ontap.connect(ctx)
  for _, item in ipairs(ok and ctx.cfg:get("VOLUMES") or {}) do
    for _, volume in ipairs(item.volumes) do
      ok, failed = add(item.controller, volume)
      if not ok then return nil, failed end
    end
  end
  for _, item in ipairs(ok and ctx.cfg:get("KVM_VM_MAPPING") or {}) do
    ok, failed = add(item.controller, item.volume)
    if not ok then return nil, failed end
  end
  -- Where the config has clones on a secondary, others may have some as well.
  local known
  if ok then known, failed = clones.known(ctx) end
  if not known then return nil, failed end
  for _, clone in ipairs(known) do
    if clone.source and ctx.controllers[clone.controller] then
      ok, failed = add(clone.controller, clone.parent)
      if not ok then return nil, failed end
    end
  end
  return list
end

return clones
