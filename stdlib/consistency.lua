--- Snapshots of several volumes as one: the controller holds writes to all of them back while it makes them.
-- Each controller has a group of its own. All groups are started before the first one is committed, so that
-- the moment is the same everywhere.
-- @module std.consistency

local clock = require "engine.clock"
local xml = require "engine.xml"
local err = require "std.err"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"
local task = require "std.task"

local consistency = {}

-- Seconds until a controller gives a group up by itself and lets writes go on.
local TIMEOUTS = { URGENT = 5, MEDIUM = 7, RELAXED = 20 }

-- The same question would get the same answer.
local FINAL = { cancelled = true, not_found = true, denied = true, unsupported = true, invalid = true }

-- After these the request may or may not have been carried out: the volumes are asked.
local UNCERTAIN = { timeout = true, unreachable = true, protocol = true, io = true }

local function groups_of(volumes)
  local groups, by_name = {}, {}
  for _, v in ipairs(volumes) do
    local group = by_name[v.controller]
    if not group then
      group = { controller = v.controller, names = {}, volumes = {} }
      by_name[v.controller] = group
      groups[#groups + 1] = group
    end
    group.names[#group.names + 1] = v.volume
    group.volumes[#group.volumes + 1] = v
  end
  return groups
end

local function describe(group)
  return ("volumes %s of controller '%s'"):format(table.concat(group.names, ", "), group.controller)
end

-- How the volumes of a group that stands on the controller differ from those wanted; nil: not at all.
local function difference(group, found)
  local wanted, extra, common = {}, {}, 0
  for _, name in ipairs(group.names) do wanted[name] = true end
  for _, name in ipairs(found.volumes or {}) do
    if wanted[name] then common = common + 1 else extra[#extra + 1] = name end
    wanted[name] = nil
  end
  if not next(wanted) and #extra == 0 then return nil end
  if common == 0 then return "" end
  local lacking = {}
  for name in pairs(wanted) do lacking[#lacking + 1] = name end
  table.sort(lacking)
  return ("; group '%s' %s"):format(found.name, #lacking > 0 and "lacks " .. table.concat(lacking, ", ")
    or "also has " .. table.concat(extra, ", "))
end

-- REST knows groups as objects only, which an administrator has made.
local function check_group(ctx, group)
  local controller = ctx.controllers[group.controller]
  if controller.transport ~= "rest" then return true end
  local rows, failed = controller.client:cg_groups()
  failed = failed and privileges.explain(controller, failed, "snapshot groups")
  local hint = ""
  for _, row in ipairs(rows or {}) do
    local other = controller.svm and row.svm and row.svm ~= controller.svm
    local how = not other and difference(group, row)
    if not other and not how then
      controller.group = row.uuid
      log.info("Consistency group '%s' of controller '%s' has these volumes", row.name, group.controller)
      return true
    end
    if how and how ~= "" then hint = how end
  end
  local why = rows and "none has exactly these" .. hint or "they cannot be listed: " .. tostring(failed)
  return nil, err.coded("STORAGE-02003", ("%s: over REST the volumes of a run must be those of one consistency group "
    .. "on the controller; %s; make such a group there, or write ONTAP_API=zapi where ONTAPI answers, or "
    .. "NTAP_CONSISTENCY_GROUP_SNAPSHOT=N"):format(describe(group), why), nil,
    { code = failed and failed.code or "unsupported", source = failed and failed.source,
      native = failed and failed.native })
end

--- Check that the controllers can make the groups, before anything stands still. `ontap.identify` comes first.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02003
function consistency.check(ctx, volumes)
  for _, group in ipairs(groups_of(volumes)) do
    local ok, failed = check_group(ctx, group)
    if not ok then return nil, failed end
  end
  return true
end

--- Force a consistency point on the volumes of the groups, so that the controllers have less to write while guests stand
-- still (`NTAP_CONSISTENCY_GROUP_WAFL_SYNC`). ONTAPI's `wafl-sync`, whose names are those of NetApp's Python binding: on a
-- cluster it returns when the point is scheduled. What `wafl-get-sync-status` says when it is done is documented
-- nowhere, so that nothing waits for it. It makes a group faster and no better: a failure is told, and the backup goes on.
-- @tparam table ctx with `as_group`
-- @tparam {{controller=string,volume=string},...} volumes
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err `cancelled`
function consistency.sync(ctx, volumes)
  if not ctx.as_group or not ctx.cfg:get("NTAP_CONSISTENCY_GROUP_WAFL_SYNC") then return true end
  local done, cancelled = task.map(groups_of(volumes), function(group)
    local controller = ctx.controllers[group.controller]
    if controller.transport == "rest" then
      log.warn("NTAP_CONSISTENCY_GROUP_WAFL_SYNC: no consistency point is forced on %s: REST has no such call",
        describe(group))
      return true
    end
    local names = {}
    for i, name in ipairs(group.names) do names[i] = "<volume-name>" .. assert(xml.escape(name)) .. "</volume-name>" end
    local ok, failed = controller.client:call("wafl-sync", "<volumes>" .. table.concat(names) .. "</volumes>")
    if ok then
      log.info("A consistency point is forced on %s", describe(group))
    elseif failed.code == "cancelled" then
      return nil, failed
    else
      log.warn("NTAP_CONSISTENCY_GROUP_WAFL_SYNC: no consistency point is forced on %s: %s", describe(group), failed)
    end
    return true
  end)
  return done and true, cancelled
end

-- Runs fn for all groups at once. What is under way is waited for even when another one has failed: given
-- up, it might still be carried out after the clean-up has looked.
local function each(groups, fn)
  local outcomes, cancelled = task.map(groups, fn, { limit = #groups, collect = true })
  if not outcomes then return nil, cancelled end
  for _, outcome in ipairs(outcomes) do
    if not outcome.ok then return nil, outcome.err end
  end
  return true
end

local function start(ctx, group, name, opts)
  for _, v in ipairs(group.volumes) do
    log.info("STORAGE-02007: Creating Snapshot copy [%s] on [%s:%s]", name, v.controller, v.volume)
    v.tried = true
  end
  local controller = ctx.controllers[group.controller]
  local known = { group = controller.group }
  for key, value in pairs(opts) do known[key] = value end
  local begun, failed = controller.client:cg_start(group.names, name, known)
  if not begun then
    return nil, err.coded("STORAGE-02003", ("snapshot %s, %s"):format(name, describe(group)),
      privileges.explain(controller, failed, "snapshot groups"))
  end
  group.id, group.committed = begun.planned and "the group of cg_start" or begun.id, begun.committed
  if begun.committed then
    log.info("Controller '%s' makes the snapshots of a group in one step", group.controller)
  end
  return true
end

-- Whether all volumes have the snapshot, when an answer was lost.
local function all_there(ctx, group, name)
  for _, v in ipairs(group.volumes) do
    local rows = ontap.snapshots(ctx, v, name)
    if not rows or not rows[1] then return false end
  end
  return true
end

-- Whether every volume has it is looked at when the guests run again.
local function commit(ctx, group, name)
  if not group.committed then
    local ok, failed = ctx.controllers[group.controller].client:cg_commit(group.id, { look = false })
    if not ok and UNCERTAIN[failed.code] and all_there(ctx, group, name) then
      log.warn("%s; the snapshots are there nevertheless", failed)
      ok = true
    end
    if not ok then
      return nil, err.coded("STORAGE-02006", ("snapshot %s, %s"):format(name, describe(group)), failed)
    end
  end
  for _, v in ipairs(group.volumes) do
    log.info("STORAGE-02008: Creating Snapshot copy [%s] on [%s:%s] finished successfully", name, v.controller, v.volume)
  end
  return true
end

local function attempt(ctx, volumes, name, opts)
  local groups = groups_of(volumes)
  local ok, failed = each(groups, function(group) return start(ctx, group, name, opts) end)
  if not ok then return nil, failed end
  return each(groups, function(group) return commit(ctx, group, name) end)
end

--- Snapshot volumes as consistency groups, all under one name. A try that fails is repeated as
-- `NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT` and `_WAIT` say, but never beyond the time for which guests may
-- stand still.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes
-- @tparam string name
-- @tparam {comment=string,label=string} opts
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02003, STORAGE-02006; some volumes may have their snapshot
function consistency.snapshot(ctx, volumes, name, opts)
  local cfg = ctx.cfg
  local times = cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT")
  local wait = cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_WAIT")
  local group_opts = { timeout = TIMEOUTS[cfg:get("NTAP_CONSISTENCY_GROUP_TIMEOUT")], comment = opts.comment,
    label = opts.label }
  local limit = clock.mono() + cfg:get("SC_AGENT_UNQUIESCE_TIMEOUT")
  for n = 1, times + 1 do
    local ok, failed = attempt(ctx, volumes, name, group_opts)
    if ok then return true end
    if n > times or FINAL[failed.code] then return nil, failed end
    if clock.mono() + wait + group_opts.timeout > limit then
      log.warn("No further try: the guests may stand still for %d seconds", cfg:get("SC_AGENT_UNQUIESCE_TIMEOUT"))
      return nil, failed
    end
    log.warn("%s; try %d of %d follows in %d s", failed, n + 1, times + 1, wait)
    -- What this try has left would be in the way of the next one.
    local left = ontap.undo_snapshot(ctx, volumes, name, opts.comment, true)
    if #left > 0 then
      log.error(left[1])
      return nil, failed
    end
    task.sleep(wait)
  end
end

return consistency
