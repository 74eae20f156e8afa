--- The clones that `cloneVol` and `cloneLun` make of a backup, from its snapshots: checked before a guest is
-- suspended, made after all of them run again.
-- @module std.cloning

local backup = require "std.backup"
local clone_export = require "std.clone_export"
local clone_targets = require "std.clone_targets"
local clone_removal = require "std.clone_removal"
local clones = require "std.clones"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"
local report = require "std.report"
local restoring = require "std.restoring"
local workflow = require "std.workflow"

local cloning = {}

local HOOKS = { "PRE_CLONE_CREATE_CMD", "POST_CLONE_CREATE_CMD", "MOUNT_CMD", "APP_CLONE_FOLLOW_UP_CMD",
  "UMOUNT_CMD", "PRE_NTAP_CLONE_DELETE_CMD" }

--- Check everything that the clones need, before a guest is suspended: what is to be cloned, its name, initiator
-- groups, what must be deleted before. Sets `ctx.cloning`.
-- @tparam table ctx after `std.backup.prepare`
-- @tparam string kind "volume" or "lun"
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err scf-00035, STORAGE-02038, STORAGE-02046, STORAGE-02132, STORAGE-03002; what to do stands in it
function cloning.prepare(ctx, kind)
  local reserve = ctx.cfg:get("NTAP_LUN_CLONE_RESERVATION") == "true"
  for _, v in ipairs(kind == "lun" and reserve and ctx.volumes or {}) do
    if ctx.controllers[v.controller].transport == "rest" then
      return nil, err.new("unsupported", ("%s: NTAP_LUN_CLONE_RESERVATION: controller '%s' is reached over REST, which "
        .. "makes LUN clones without reservation only; write false, or ONTAP_API=zapi")
        :format(ctx.cfg:where("NTAP_LUN_CLONE_RESERVATION"), v.controller), { exit = 2 })
    end
  end
  local targets, failed = clone_targets.of(ctx, kind)
  if not targets then return nil, failed end
  local ok, old
  ok, failed = clone_targets.check_igroups(ctx, targets)
  if not ok then return nil, failed end
  old, failed = clone_targets.outdated(ctx, targets)
  if not old then return nil, failed end
  ok, failed = clone_targets.check_names(ctx, targets, old)
  if not ok then return nil, failed end
  ctx.cloning = { targets = targets, reserve = reserve }
  return true
end

-- The new object, or false when it is not there.
local function made(client, target)
  if target.kind == "lun" then
    local rows, failed = client:luns { path = target.name }
    return rows and (rows[1] or false), failed
  end
  local rows, failed = client:volume_clones { parent = target.parent }
  for _, row in ipairs(rows or {}) do
    if row.name == target.name then
      rows, failed = client:volumes { name = target.name }
      return rows and (rows[1] or false), failed
    end
  end
  return rows and false, failed
end

local function create(ctx, client, target)
  if target.kind == "lun" then
    return client:lun_clone(target.parent, { to = target.name, snapshot = ctx.snapshot,
      reserve = ctx.cloning.reserve or nil })
  end
  return client:volume_clone(target.parent, { to = target.name, snapshot = ctx.snapshot,
    reserve = ctx.cfg:get("NTAP_VOL_CLONE_RESERVE") })
end

local function not_made(target, what, cause)
  if target.kind == "volume" then return err.coded("STORAGE-02038", what, cause) end
  return err.coded("scf-00034", clones.text(target), err.coded("STORAGE-02046", what, cause))
end

-- In the catalog before it is made: a clone that nobody knows would stay for ever.
local function clone_one(ctx, target)
  local controller, record = ctx.controllers[target.controller], ctx.cloning.record
  local client = controller.client
  local what = ("%s from snapshot %s"):format(clones.text(target), ctx.snapshot)
  log.info("Creating %s", what)
  table.insert(record.clones, target)
  local ok, failed = clones.save(ctx, record)
  if not ok then return nil, failed end
  ok, failed = create(ctx, client, target)
  if ctx.dry_run and ok then return true end
  -- A lost answer says nothing: what is there now, under a name that was free, is ours.
  if not ok and restoring.is_refusal(failed) then
    table.remove(record.clones)
    local saved, problem = clones.save(ctx, record)
    if not saved then log.error(problem) end
    return nil, not_made(target, what, privileges.explain(controller, failed,
      target.kind == "lun" and "clone LUNs" or "clone volumes"))
  end
  local row, problem = made(client, target)
  if not row then return nil, not_made(target, what, failed or problem or "the controller reported success, but it "
    .. "is not there") end
  target.uuid = row.uuid
  log.info("Creating %s finished successfully", what)
  return clones.save(ctx, record)
end

-- In a dry run the LUNs of a volume's clone are not there yet: they are those of the volume.
local function luns_of(ctx, client, target)
  if target.kind == "lun" then return { target.name } end
  local rows, failed = client:luns { volume = ctx.dry_run and target.parent or target.name }
  if not rows then return nil, failed end
  local paths = {}
  for i, row in ipairs(rows) do paths[i] = ("/vol/%s/%s"):format(target.name, row.path:match("^/vol/[^/]+/(.+)$")) end
  return paths
end

local function map_one(ctx, target)
  if not target.igroup then return true end
  local controller = ctx.controllers[target.controller]
  local paths, failed = luns_of(ctx, controller.client, target)
  if not paths then return nil, err.coded("scf-00035", clones.text(target), failed) end
  for _, path in ipairs(paths) do
    log.info("Mapping LUN %s:%s to initiator group '%s'", target.controller, path, target.igroup)
    local ok
    ok, failed = controller.client:lun_map(path, target.igroup)
    if not ok then
      local cause = err.coded("STORAGE-03002", ("LUN %s:%s to '%s'"):format(target.controller, path, target.igroup),
        privileges.explain(controller, failed, "map LUNs"))
      return nil, err.coded("scf-00008", clones.text(target), cause)
    end
  end
  return true
end

-- The backup is there whatever becomes of its clones: a run that ends here is done in part.
local function in_part(failed)
  return err.new(failed.code, failed.message, { scf = failed.scf, exit = 3, cause = failed.cause, native = failed.native,
    source = failed.source })
end

local function own(ctx)
  local known, failed = clones.known(ctx)
  if not known then return nil, failed end
  local list = {}
  for _, clone in ipairs(known) do
    if clone.record.id == ctx.id then list[#list + 1] = clone end
  end
  return list
end

-- A transfer that has ended need not have brought this run's snapshot: that is up to the policy.
local function check_arrived(ctx)
  for _, target in ipairs(ctx.dry_run and {} or ctx.cloning.targets) do
    if target.source then
      local rows, failed = ontap.snapshots(ctx, { controller = target.controller, volume = target.parent }, ctx.snapshot)
      if not rows then return nil, failed end
      if not rows[1] then
        return nil, err.new("not_found", ("volume %s:%s, the destination of %s, has no snapshot %s after the transfer; write "
          .. "NTAP_SNAPMIRROR_USE_SNAPSHOT=Y"):format(target.controller, target.parent, target.source, ctx.snapshot),
          { scf = "STORAGE-02038" })
      end
    end
  end
  return true
end

local function make_all(ctx)
  local state = ctx.cloning
  local arrived, lacks = check_arrived(ctx)
  if not arrived then return nil, lacks end
  local old, failed = clone_targets.outdated(ctx, state.targets)
  if not old then return nil, failed end
  local ok
  ok, failed = clone_removal.delete(ctx, old)
  if ok then ok, failed = hooks.run(ctx, "PRE_CLONE_CREATE_CMD") end
  if not ok then return nil, failed end
  state.record = clones.begin(ctx, ctx.cfg:get("NTAP_CLONE_FOR_BACKUP"))
  for _, target in ipairs(state.targets) do
    ok, failed = clone_one(ctx, target)
    if ok then ok, failed = map_one(ctx, target) end
    if ok and target.export then ok, failed = clone_export.make(ctx, target) end
    if not ok then return nil, failed end
  end
  state.record.status = "ok"
  ctx.record.clones = state.record.clones -- for who reads the outcome as JSON
  ok, failed = clones.save(ctx, state.record)
  state.complete = ok -- for the catalog: what is not in it as whole is taken away by the next run
  for _, family in ipairs { "POST_CLONE_CREATE_CMD", "MOUNT_CMD", "APP_CLONE_FOLLOW_UP_CMD" } do
    if ok then ok, failed = hooks.run(ctx, family) end
  end
  if not ok then return nil, failed end
  return true
end

--- Make the clones: the outdated ones are deleted, the new ones made, mapped, and their commands run.
-- @tparam table ctx after `cloning.prepare`, when the guests run and the snapshots are there
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err with exit 3; `cloning.failed` takes away what was made
function cloning.make(ctx)
  log.banner("Creating clones")
  local ok, failed = make_all(ctx)
  if not ok then return nil, in_part(failed) end
  return true
end

--- The end of a run: with `NTAP_CLONE_FOR_BACKUP=Y` its clones are deleted, else they are told.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err with exit 3
function cloning.finish(ctx)
  if ctx.cfg:get("NTAP_CLONE_FOR_BACKUP") then
    log.banner("Deleting clones")
    ctx.cloning.ending = true
    local list, failed = own(ctx)
    if not list then return nil, in_part(failed) end
    local ok
    ok, failed = clone_removal.delete(ctx, list)
    if not ok then return nil, in_part(failed) end
  elseif not ctx.dry_run and not ctx.opts.json then
    local rows = {}
    for i, target in ipairs(ctx.cloning.targets) do
      rows[i] = { target.controller, target.parent, target.name, target.igroup, target.export }
    end
    report.print(ctx, nil, report.table({ "CONTROLLER", "CLONE OF", "CLONE", "IGROUP", "EXPORTED TO" }, rows))
  end
  return true
end

--- After a failure: clones that are not complete, or were meant for this run only, are taken away again. What
-- cannot be is named, stays in the catalog, and is tried again by the next run and by `cloneDel`.
-- @tparam table ctx
function cloning.failed(ctx)
  local record = ctx.cloning and ctx.cloning.record
  if not record or ctx.dry_run or ctx.cloning.ending then return end
  if ctx.cloning.complete and not record.temporary then return end
  local list, problem = own(ctx)
  local ok = list ~= nil
  -- Somebody may use clones that were complete.
  if ok and ctx.cloning.complete then ok, problem = clone_removal.release(ctx) end
  if not ok then
    log.error(problem)
    return
  end
  for _, clone in ipairs(list) do
    ok, problem = clone_removal.remove(ctx, clone)
    if not ok then log.error(problem) end
  end
end

--- The workflow of an action that makes clones: the shipped backup, with the clones behind it.
-- @tparam string action
-- @tparam string kind "volume" or "lun"
-- @tparam string summary
-- @treturn Workflow
function cloning.workflow(action, kind, summary)
  local failed_backup = workflow.load_shipped("backup").failed
  return workflow.extend("backup", {
    action = action,
    summary = summary,

    discover = function(ctx, next)
      assert(next())
      return cloning.prepare(ctx, kind)
    end,

    pre = function(ctx, next)
      assert(hooks.check(ctx, HOOKS))
      return next()
    end,

    -- Before the replication, which may take long; the guests run. On the secondary there is nothing to clone before.
    replicate = function(ctx, next)
      if ctx.cfg:get("NTAP_CLONE_SECONDARY") then
        assert(next())
        return cloning.make(ctx)
      end
      assert(backup.confirm(ctx))
      assert(cloning.make(ctx))
      return next()
    end,

    retain = function(ctx, next)
      assert(next())
      return cloning.finish(ctx)
    end,

    failed = function(ctx, failed)
      cloning.failed(ctx)
      return failed_backup(ctx, failed)
    end,
  })
end

return cloning
