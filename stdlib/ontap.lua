--- The controllers of a config: clients, their volumes, snapshots on many volumes at once.
-- A controller is what Snap Creator calls one: the name before the colon in `VOLUMES` and
-- `NTAP_USERS`, on clustered ONTAP an SVM.
-- @module std.ontap

local mount = require "engine.mount"
local connect = require "std.connect"
local err = require "std.err"
local log = require "std.log"
local privileges = require "std.privileges"
local task = require "std.task"

local ontap = {}

local TRANSPORTS = { zapi = "ONTAPI", rest = "REST" }

--- Make the clients of all controllers of the config: `ctx.controllers`. Makes no request, as `std.connect.all` says.
-- @function ontap.connect
-- @tparam table ctx
-- @treturn[1] {{name=string,client=Ontap,host=string,svm=?string,options=table},...} also indexed by name
-- @return[2] nil
-- @treturn[2] Err scf-00039, scf-00042
ontap.connect = connect.all

-- The controllers that hold what is backed up. In a config with replication every other one holds copies only.
local function primaries(cfg)
  local names = {}
  for _, key in ipairs { "VOLUMES", "KVM_VM_MAPPING", "SNAPMIRROR_VOLUMES", "SNAPVAULT_VOLUMES", "META_DATA_VOLUME" } do
    for _, item in ipairs(cfg:get(key) or {}) do names[item.controller] = true end
  end
  return names, (cfg:get("SNAPMIRROR_VOLUMES") or cfg:get("SNAPVAULT_VOLUMES")) ~= nil
end

--- Ask every controller for its version, as Snap Creator does before anything else. A secondary that does not answer
-- keeps nobody from the data on the primary: its error is `controller.down`, and who needs it says so.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-03033
function ontap.identify(ctx)
  local controllers, failed = ontap.connect(ctx)
  if not controllers then return nil, failed end
  local primary, replicated = primaries(ctx.cfg)
  return task.map(controllers, function(controller)
    log.banner(("Detecting Data ONTAP mode for %s"):format(controller.name))
    log.info("STORAGE-03031: Getting system version details of [%s]", controller.name)
    local identity, problem = controller.client:identity()
    if not identity then
      problem = err.coded("STORAGE-03033", ("controller '%s'"):format(controller.name),
        privileges.explain(controller, problem, "read the version"))
      if not replicated or primary[controller.name] then return nil, problem end
      log.warn("%s; it holds copies only, and the run goes on without it", problem)
      controller.down = problem
      return true
    end
    if identity.clustered == false then
      return nil, err.new("unsupported", ("controller '%s' runs Data ONTAP 7-Mode; only clustered ONTAP is supported")
        :format(controller.name))
    end
    controller.version, controller.transport = identity.version, identity.transport
    log.info("STORAGE-03032: Getting system version details of [%s] finished successfully: %s over %s (%s)",
      controller.name, identity.version and "ONTAP " .. identity.version or "ONTAP, its version is not told",
      TRANSPORTS[identity.transport] or identity.transport, identity.reason or "ONTAP_API")
    return true
  end)
end

--- The volumes of a controller; asked once per run, and again after `forget_volumes`.
-- @tparam table controller one of `ctx.controllers`
-- @treturn[1] {table,...} rows of the `volumes` call, also indexed by name
-- @return[2] nil
-- @treturn[2] Err STORAGE-02152
-- @raise for what is not a controller
function ontap.volumes(controller)
  if type(controller) ~= "table" or not controller.client then
    error("ontap.volumes: a controller is needed, one of ctx.controllers", 2)
  end
  if controller.volumes then return controller.volumes end
  local rows, failed = controller.client:volumes()
  if not rows then
    return nil, err.coded("STORAGE-02152", ("controller '%s'"):format(controller.name),
      privileges.explain(controller, failed, "find volumes"))
  end
  local list = {}
  for _, row in ipairs(rows) do
    list[#list + 1] = row
    list[row.name] = row
  end
  controller.volumes = list
  return list
end

--- Ask for volumes again from here on: what is going to be overwritten lies where they are mounted now.
-- @tparam table ctx
function ontap.forget_volumes(ctx)
  for _, controller in ipairs(ctx.controllers) do controller.volumes = nil end
end

--- Check that volumes can be snapshotted: they exist, are online and writable.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function ontap.check_volumes(ctx, volumes)
  for _, v in ipairs(volumes) do
    local rows, failed = ontap.volumes(ctx.controllers[v.controller])
    if not rows then return nil, failed end
    local row = rows[v.volume]
    local name = v.controller .. ":" .. v.volume
    if not row then
      return nil, err.new("not_found", ("volume %s does not exist, or its user may not see it; see VOLUMES and "
        .. "KVM_VM_MAPPING"):format(name))
    end
    if row.state ~= "online" then
      return nil, err.new("conflict", ("volume %s is %s; bring it online"):format(name, row.state or "in no state"))
    end
    if row.type ~= "rw" then
      return nil, err.new("conflict", ("volume %s is of type %s: snapshots can be made of rw volumes only")
        :format(name, row.type or "?"))
    end
  end
  return true
end

--- The addresses by which a controller is known: its name, its management interface, its LIFs.
-- @tparam table controller
-- @treturn[1] {string=boolean}
-- @return[2] nil
-- @treturn[2] Err when the LIFs cannot be read for now: guests must not be left out for that
function ontap.addresses(controller)
  if controller.addresses then return controller.addresses end
  local set = {}
  for _, host in ipairs { controller.name, controller.host } do
    set[connect.plain(host)] = true
    for _, address in ipairs(mount.addresses(connect.plain(host)) or {}) do set[address] = true end
  end
  local lifs, failed = controller.client:lifs()
  if not lifs and failed.code ~= "denied" and failed.code ~= "unsupported" then return nil, failed end
  if not lifs then
    log.debug("controller '%s': its LIFs cannot be read, names and addresses of the config decide: %s",
      controller.name, failed)
  end
  for _, lif in ipairs(lifs or {}) do
    local others = controller.svm and lif.svm and lif.svm ~= controller.svm
    if lif.address and not others then set[connect.plain(lif.address)] = true end
  end
  controller.addresses = set
  return set
end

--- Snapshots of a volume.
-- @tparam table ctx
-- @tparam {controller=string,volume=string} v
-- @tparam[opt] string name exact
-- @treturn[1] {table,...} rows of the `snapshots` call
-- @return[2] nil
-- @treturn[2] Err STORAGE-02092
function ontap.snapshots(ctx, v, name)
  local controller = ctx.controllers[v.controller]
  local rows, failed = controller.client:snapshots(v.volume, { name = name })
  if not rows then
    return nil, err.coded("STORAGE-02092", ("volume %s:%s"):format(v.controller, v.volume),
      privileges.explain(controller, failed, "list snapshots"))
  end
  if name then
    -- Wildcards in a query cannot be escaped, so the answer is compared here.
    local exact = {}
    for _, row in ipairs(rows) do
      if row.name == name then exact[#exact + 1] = row end
    end
    rows = exact
  end
  return rows
end

--- Call fn for every volume: all controllers at once, at each as many as ONTAP_MAX_REQUESTS says.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes
-- @tparam function fn called with a volume; gives true, or nil and an Err
-- @tparam[opt] boolean finish what is under way when one fails is waited for, and no more is begun; else it is cancelled
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err of the first one in the list's order that failed
function ontap.each(ctx, volumes, fn, finish)
  local lists, by_name, stop = {}, {}, false
  for _, v in ipairs(volumes) do
    if not by_name[v.controller] then
      by_name[v.controller] = {}
      lists[#lists + 1] = by_name[v.controller]
    end
    table.insert(by_name[v.controller], v)
  end
  if #lists == 0 then return true end
  local function call(v)
    if stop then return true end
    local ok, failed = fn(v)
    stop = stop or finish and not ok
    return ok, failed
  end
  local outcomes, cancelled = task.map(lists, function(list)
    local done, failed = task.map(list, call, { limit = ctx.cfg:get("ONTAP_MAX_REQUESTS"), collect = finish })
    for _, outcome in ipairs(finish and done or {}) do
      if not outcome.ok then return nil, outcome.err end
    end
    return done and true, failed
  end, { limit = #lists, collect = finish })
  if not outcomes then return nil, cancelled end
  for _, outcome in ipairs(finish and outcomes or {}) do
    if not outcome.ok then return nil, outcome.err end
  end
  return true
end

-- After these the request may or may not have been carried out: the volume is asked.
local UNCERTAIN = { timeout = true, unreachable = true, protocol = true, exists = true, io = true }

-- Whether our own snapshot is there: same name and the comment that only this run writes.
local function made_after_all(ctx, v, name, comment)
  local rows = ontap.snapshots(ctx, v, name)
  return rows and rows[1] and rows[1].comment == comment
end

--- Snapshot volumes, all under one name, several at once.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes
-- @tparam string name
-- @tparam {comment=string,label=string} opts comment: unique to this run, so that a lost answer can be told
--   from somebody else's snapshot
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009; volumes before and beside the one that failed may have their snapshot: `made` of them
function ontap.snapshot(ctx, volumes, name, opts)
  -- A request that is under way is waited for even when another one has failed: given up, it might
  -- still be carried out after the clean-up has looked.
  return ontap.each(ctx, volumes, function(v)
    log.info("STORAGE-02007: Creating Snapshot copy [%s] on [%s:%s]", name, v.controller, v.volume)
    v.tried, v.unanswered = true, true -- an interrupt leaves it so: it is given up in the call
    local ok, failed = ctx.controllers[v.controller].client:snapshot_create(v.volume, name, opts)
    v.unanswered = not ok and (failed.code == "timeout" or failed.code == "unreachable")
    if not ok and UNCERTAIN[failed.code] and made_after_all(ctx, v, name, opts.comment) then
      log.warn("%s; the snapshot is there nevertheless", failed)
      ok, v.unanswered = true, nil
    end
    if not ok then
      return nil, err.coded("STORAGE-02009", ("snapshot %s on %s:%s"):format(name, v.controller, v.volume),
        privileges.explain(ctx.controllers[v.controller], failed, "create snapshots"))
    end
    v.made = true
    log.info("STORAGE-02008: Creating Snapshot copy [%s] on [%s:%s] finished successfully", name, v.controller,
      v.volume)
    return true
  end, true)
end

--- Rename a snapshot.
-- @tparam table ctx
-- @tparam {controller=string,volume=string} v
-- @tparam {name=string,uuid=string} snapshot its name becomes the new one
-- @tparam string to
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02102
function ontap.rename(ctx, v, snapshot, to)
  local ok, failed = ctx.controllers[v.controller].client:snapshot_rename(v.volume, snapshot.name, { to = to })
  if not ok and (UNCERTAIN[failed.code] or failed.code == "not_found") then
    local rows = ontap.snapshots(ctx, v, to)
    ok = rows and rows[1] and rows[1].uuid == snapshot.uuid
  end
  if not ok then
    return nil, err.coded("STORAGE-02102", ("snapshot %s on %s:%s to %s"):format(snapshot.name, v.controller, v.volume,
      to), privileges.explain(ctx.controllers[v.controller], failed, "rename snapshots"))
  end
  return true
end

--- Delete one snapshot.
-- @tparam table ctx
-- @tparam {controller=string,volume=string} v
-- @tparam {name=string,uuid=string} snapshot
-- @tparam[opt] boolean force also when something owns it
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02015
function ontap.delete(ctx, v, snapshot, force)
  local where = ("%s:%s"):format(v.controller, v.volume)
  local controller = ctx.controllers[v.controller]
  log.warn("Deleting Snapshot copy [%s] on [%s]", snapshot.name, where)
  local function delete()
    return controller.client:snapshot_delete(v.volume, snapshot.name,
      { uuid = snapshot.uuid, force = force and not controller.no_force or nil })
  end
  local ok, failed = delete()
  if not ok and failed.code == "unsupported" and force and not controller.no_force then
    log.warn("%s; on controller '%s' copies that something owns are kept", failed, controller.name)
    controller.no_force = true
    ok, failed = delete()
  end
  if ok or failed.code == "not_found" then return true end
  if UNCERTAIN[failed.code] then
    local rows = ontap.snapshots(ctx, v, snapshot.name)
    if rows and (not rows[1] or rows[1].uuid ~= snapshot.uuid) then
      log.warn("%s; the snapshot is gone nevertheless", failed)
      return true
    end
  end
  return nil, err.coded("STORAGE-02015", ("snapshot %s on %s"):format(snapshot.name, where),
    privileges.explain(controller, failed, "delete snapshots"))
end

--- Delete what a failed run has made: only snapshots of this name that carry this run's comment. One whose request
-- got no answer and that is not there is named: the controller may still make it.
-- @tparam table ctx
-- @tparam {table,...} volumes those that `snapshot` was given
-- @tparam string name
-- @tparam string comment
-- @tparam[opt] boolean bare those without a comment count as well: a group that was not finished has none yet
-- @treturn {Err,...} what could not be deleted, and what may still come
function ontap.undo_snapshot(ctx, volumes, name, comment, bare)
  local failures = {}
  for _, v in ipairs(volumes) do
    if v.tried then
      local rows, failed = ontap.snapshots(ctx, v, name)
      for _, row in ipairs(rows or {}) do
        if row.comment == comment or bare and (row.comment or "") == "" then
          _, failed = ontap.delete(ctx, v, row)
          v.unanswered = nil
        end
      end
      if rows and v.unanswered then
        failed = err.new("timeout", ("snapshot %s on %s:%s was asked for, was not answered, and is not there; should it come "
          .. "yet, gc finds it"):format(name, v.controller, v.volume))
      end
      if failed then failures[#failures + 1] = failed end
    end
  end
  return failures
end

return ontap
