--- The controllers of a config: clients, their volumes, snapshots on many volumes at once.
-- A controller is what Snap Creator calls one: the name before the colon in `VOLUMES` and
-- `NTAP_USERS`, on clustered ONTAP an SVM.
-- @module std.ontap

local engine = require "engine.ontap"
local mount = require "engine.mount"
local err = require "std.err"
local log = require "std.log"
local task = require "std.task"

local ontap = {}

-- Names in a stable order: those of VOLUMES first, as written, then the rest of NTAP_USERS.
local function controller_names(cfg)
  local names, seen = {}, {}
  local function add(name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, item in ipairs(cfg:get("VOLUMES") or {}) do add(item.controller) end
  for _, item in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do add(item.controller) end
  local rest = {}
  for name in pairs(cfg:get("NTAP_USERS") or {}) do rest[#rest + 1] = name end
  table.sort(rest)
  for _, name in ipairs(rest) do add(name) end
  return names
end

local function login(cfg, name)
  local interfaces = cfg:get("MANAGEMENT_INTERFACES") or {}
  if cfg:get("VSERVER_TUNNEL_ENABLED") then
    local cluster = cfg:get("CMODE_CLUSTER_NAME")
    local user = (cfg:get("CMODE_CLUSTER_USERS") or {})[cluster]
    return interfaces[cluster] or cluster, user, name
  end
  return interfaces[name] or name, (cfg:get("NTAP_USERS") or {})[name], nil
end

--- Make the clients of all controllers of the config: `ctx.controllers`, a list that is also
-- indexed by name. Makes no request.
-- @tparam table ctx
-- @treturn[1] {{name=string,client=Ontap,host=string},...}
-- @return[2] nil
-- @treturn[2] Err scf-00039
function ontap.connect(ctx)
  if ctx.controllers then return ctx.controllers end
  local cfg, list = ctx.cfg, {}
  if cfg:get("TRANSPORT") == "HTTP" then
    log.warn("%s: TRANSPORT: with HTTP passwords cross the network in clear; write HTTPS", cfg:where("TRANSPORT"))
  end
  for _, name in ipairs(controller_names(cfg)) do
    local host, user, svm = login(cfg, name)
    if not user then
      return nil, err.coded("scf-00039", ("controller '%s'"):format(name), nil, { code = "invalid", exit = 2 })
    end
    local client, failed = engine.new {
      name = name, host = host, port = cfg:get("PORT"), https = cfg:get("TRANSPORT") ~= "HTTP",
      user = user.user, password = user.password, svm = svm, timeout = cfg:get("NTAP_TIMEOUT"),
      ca_file = cfg:get("ONTAP_CA_FILE"), pin = cfg:get("ONTAP_PIN"), api = cfg:get("ONTAP_API"):lower(),
      max_requests = cfg:get("ONTAP_MAX_REQUESTS"),
    }
    if not client then return nil, failed end
    list[#list + 1] = { name = name, client = client, host = host }
    list[name] = list[#list]
  end
  ctx.controllers = list
  return list
end

--- Ask every controller for its version, as Snap Creator does before anything else.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-03033
function ontap.identify(ctx)
  local controllers, failed = ontap.connect(ctx)
  if not controllers then return nil, failed end
  return task.map(controllers, function(controller)
    log.banner(("Detecting Data ONTAP mode for %s"):format(controller.name))
    log.info("STORAGE-03031: Getting system version details of [%s]", controller.name)
    local identity, problem = controller.client:identity()
    if not identity then
      return nil, err.coded("STORAGE-03033", ("controller '%s'"):format(controller.name), problem)
    end
    if not identity.clustered then
      return nil, err.new("unsupported", ("controller '%s' runs Data ONTAP 7-Mode; only clustered ONTAP is supported")
        :format(controller.name))
    end
    controller.version = identity.version
    log.info("STORAGE-03032: Getting system version details of [%s] finished successfully: ONTAP %s over %s",
      controller.name, identity.version, identity.transport)
    return true
  end)
end

--- The volumes of a controller; asked once per run.
-- @tparam table controller one of `ctx.controllers`
-- @treturn[1] {table,...} rows of the `volumes` call, also indexed by name
-- @return[2] nil
-- @treturn[2] Err STORAGE-02152
function ontap.volumes(controller)
  if controller.volumes then return controller.volumes end
  local rows, failed = controller.client:volumes()
  if not rows then
    return nil, err.coded("STORAGE-02152", ("controller '%s'"):format(controller.name), failed)
  end
  local list = {}
  for _, row in ipairs(rows) do
    list[#list + 1] = row
    list[row.name] = row
  end
  controller.volumes = list
  return list
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
    set[host] = true
    for _, address in ipairs(mount.addresses(host) or {}) do set[address] = true end
  end
  local lifs, failed = controller.client:lifs()
  if not lifs and failed.code ~= "denied" and failed.code ~= "unsupported" then return nil, failed end
  if not lifs then
    log.debug("controller '%s': its LIFs cannot be read, names and addresses of the config decide: %s",
      controller.name, failed)
  end
  for _, lif in ipairs(lifs or {}) do
    if lif.address then set[lif.address] = true end
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
  local client = ctx.controllers[v.controller].client
  local rows, failed = client:snapshots(v.volume, { name = name })
  if not rows then
    return nil, err.coded("STORAGE-02092", ("volume %s:%s"):format(v.controller, v.volume), failed)
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
-- @treturn[2] Err STORAGE-02009; volumes before and beside the one that failed may have their snapshot
function ontap.snapshot(ctx, volumes, name, opts)
  -- A request that is under way is waited for even when another one has failed: given up, it might
  -- still be carried out after the clean-up has looked.
  local failed_already = false
  local outcomes, cancelled = task.map(volumes, function(v)
    if failed_already then return true end
    log.info("STORAGE-02007: Creating Snapshot copy [%s] on [%s:%s]", name, v.controller, v.volume)
    v.tried = true
    local ok, failed = ctx.controllers[v.controller].client:snapshot_create(v.volume, name, opts)
    if not ok and UNCERTAIN[failed.code] and made_after_all(ctx, v, name, opts.comment) then
      log.warn("%s; the snapshot is there nevertheless", failed)
      ok = true
    end
    if not ok then
      failed_already = true
      return nil, err.coded("STORAGE-02009", ("snapshot %s on %s:%s"):format(name, v.controller, v.volume), failed)
    end
    log.info("STORAGE-02008: Creating Snapshot copy [%s] on [%s:%s] finished successfully", name, v.controller,
      v.volume)
    return true
  end, { limit = ctx.cfg:get("ONTAP_MAX_REQUESTS"), collect = true })
  if not outcomes then return nil, cancelled end
  for _, outcome in ipairs(outcomes) do
    if not outcome.ok then return nil, outcome.err end
  end
  return true
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
      to), failed)
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
  log.warn("Deleting Snapshot copy [%s] on [%s]", snapshot.name, where)
  local ok, failed = ctx.controllers[v.controller].client:snapshot_delete(v.volume, snapshot.name,
    { uuid = snapshot.uuid, force = force or nil })
  if ok or failed.code == "not_found" then return true end
  return nil, err.coded("STORAGE-02015", ("snapshot %s on %s"):format(snapshot.name, where), failed)
end

--- Delete what a failed run has made: only snapshots of this name that carry this run's comment.
-- @tparam table ctx
-- @tparam {table,...} volumes those that `snapshot` was given
-- @tparam string name
-- @tparam string comment
-- @treturn {Err,...} what could not be deleted
function ontap.undo_snapshot(ctx, volumes, name, comment)
  local failures = {}
  for _, v in ipairs(volumes) do
    if v.tried then
      local rows, failed = ontap.snapshots(ctx, v, name)
      for _, row in ipairs(rows or {}) do
        if row.comment == comment then
          _, failed = ontap.delete(ctx, v, row)
        end
      end
      if failed then failures[#failures + 1] = failed end
    end
  end
  return failures
end

return ontap
