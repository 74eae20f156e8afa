--- Retention at the end of a backup: plan, delete, forget.
-- @module std.expire

local clock = require "engine.clock"
local catalog = require "std.catalog"
local copies = require "std.copies"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local params = require "std.params"
local retention = require "std.retention"

local expire = {}

local COMMAND = "NTAP_SNAPSHOT_DELETE_CMD"

local function key_of(v, name)
  return ("%s:%s:%s"):format(v.controller, v.volume, name)
end

-- A record goes when the last of its snapshots has: deleted here, or by a run that ended before it could forget it.
-- there: the snapshots that were found, by name and by uuid, since one may have been renamed to be kept for ever; and with
-- an empty name the volumes that were looked at. What failed and left nothing stays as the word of that run.
local function forget(ctx, records, there, gone, by_name)
  for _, record in ipairs(records) do
    local deleted, left = by_name[record.snapshot] == "ok", record.action ~= "backup" or catalog.in_vault(record)
    for _, v in ipairs(record.volumes or {}) do
      local key = key_of(v, record.snapshot)
      if gone[key] then
        deleted = true
      elseif there[key] or there[key_of(v, v.snapshot_uuid or record.snapshot)] or not there[key_of(v, "")] then
        left = true
      end
    end
    if deleted and not left then
      local ok, failed = catalog.remove(ctx, record)
      if not ok then log.warn("catalog: %s", failed) end
    end
  end
end

local function plan_of(ctx, v, by_name, there)
  local cfg = ctx.cfg
  local rows, failed = ontap.snapshots(ctx, v)
  if not rows then return nil, failed end
  local retentions = cfg:get("NTAP_SNAPSHOT_RETENTIONS")
  local age = cfg:get("NTAP_SNAPSHOT_RETENTION_AGE")
  local only = cfg:get("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY")
  -- In a dry run the copy that would have been made counts as well.
  if ctx.dry_run and ctx.way ~= "external" and ctx.way ~= "disabled" then
    rows[#rows + 1] = { name = ctx.snapshot, created = math.floor(clock.now()), busy = false }
  end
  local ours, now = {}, math.floor(clock.now())
  there[key_of(v, "")] = true
  for _, row in ipairs(rows) do
    there[key_of(v, row.name)] = true
    if row.uuid then there[key_of(v, row.uuid)] = true end
    row.controller, row.volume = v.controller, v.volume
    if not copies.is_foreign(ctx, row) then ours[#ours + 1] = row end
    -- Ages are those of the controller's clock: the host's may have jumped.
    if row.name == ctx.snapshot then now = math.min(now, row.created) end
  end
  return retention.plan {
    snapshots = ours, sname = cfg:get("SNAME"), policies = retentions, policy = ctx.policy,
    count = retentions.map[ctx.policy], age_days = age and params.age_of(age, ctx.policy),
    by_age_only = only == "PRIMARY" or only == "BOTH", nodelete = cfg:get("NTAP_SNAPSHOT_NODELETE"),
    force = cfg:get("CMODE_SNAPSHOT_FORCE_DELETE"), now = now,
    catalog = function(name) return by_name[name] end,
  }
end

-- Deletes one copy; true also when it stays since it is in use.
local function delete(ctx, v, s, gone)
  local ok, failed = ontap.delete(ctx, v, s, ctx.cfg:get("CMODE_SNAPSHOT_FORCE_DELETE"))
  if ok then
    gone[key_of(v, s.name)] = true
  elseif failed.code == "busy" then
    log.warn("%s", failed)
    return true
  else
    log.error(failed)
    ctx:worse(3)
  end
  return false
end

--- Whether the config deletes snapshots by command, NTAP_SNAPSHOT_DELETE_CMD##.
-- @tparam table ctx
-- @treturn boolean
function expire.has_command(ctx)
  return #ctx.cfg:commands(COMMAND) > 0
end

--- Delete a snapshot by the config's command, which does so on all volumes, and look whether it is gone. Waits for the
-- command and the controllers.
-- @tparam table ctx
-- @tparam string name
-- @tparam {{controller=string,volume=string},...} volumes that have it
-- @treturn {table,...} the volumes that it is gone from
-- @treturn ?Err the first that went wrong; STORAGE-02015 where it is still there
function expire.by_command(ctx, name, volumes)
  log.warn("Deleting Snapshot copy [%s] by command", name)
  local ok, failed = hooks.run(ctx, COMMAND, { SNAPNAME = name })
  local deleted = {}
  for _, v in ipairs(ok and not ctx.dry_run and volumes or {}) do
    local rows, problem = ontap.snapshots(ctx, v, name)
    if rows and rows[1] then
      problem = err.coded("STORAGE-02015", ("snapshot %s on %s:%s: %s ended well, but it is there"):format(name,
        v.controller, v.volume, COMMAND), nil, { code = "conflict" })
    elseif rows then
      deleted[#deleted + 1] = v
    end
    failed = failed or problem
  end
  return deleted, failed
end

-- The site's command deletes a name wherever it is: so only one that goes from every volume that has it.
local function delete_by_command(ctx, plans, there, gone)
  local names, stays = {}, {}
  for _, p in ipairs(plans) do
    for _, s in ipairs(p.decided.delete) do
      if not names[s.name] then names[#names + 1] = s.name end
      names[s.name] = names[s.name] or {}
      names[s.name][key_of(p.v, "")] = p.v
    end
  end
  for _, p in ipairs(plans) do
    for _, name in ipairs(names) do
      if there[key_of(p.v, name)] and not names[name][key_of(p.v, "")] then stays[name] = p.v end
    end
  end
  for _, name in ipairs(names) do
    if stays[name] then
      log.warn("Snapshot copy [%s] is kept on [%s:%s], and %s would delete it there as well", name,
        stays[name].controller, stays[name].volume, COMMAND)
    else
      local volumes = {}
      for _, v in pairs(names[name]) do volumes[#volumes + 1] = v end
      local deleted, failed = expire.by_command(ctx, name, volumes)
      for _, v in ipairs(deleted) do gone[key_of(v, name)] = true end
      if failed then
        log.error(failed)
        ctx:worse(3)
      end
    end
  end
end

--- Delete what the policy no longer keeps. A copy that cannot be deleted does not undo the backup.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function expire.run(ctx)
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  local by_name, there, gone, plans = catalog.outcomes(records), {}, {}, {}
  local command = expire.has_command(ctx)
  local decided, ok = {}
  ok, failed = ontap.each(ctx, ctx.volumes, function(v)
    local problem
    decided[v], problem = plan_of(ctx, v, by_name, there)
    return decided[v] and true, problem
  end)
  if not ok then return nil, failed end
  for i, v in ipairs(ctx.volumes) do plans[i] = { v = v, decided = decided[v] } end
  for _, p in ipairs(plans) do
    local v, kept = p.v, 0
    for _, s in ipairs(p.decided.blocked) do
      log.warn("Snapshot copy [%s] on [%s:%s] would go, but: %s", s.name, v.controller, v.volume, s.reason)
      kept = kept + 1
    end
    for _, s in ipairs(command and {} or p.decided.delete) do
      if delete(ctx, v, s, gone) then kept = kept + 1 end
    end
    if kept > 0 then
      log.warn("[%s:%s]: %d Snapshot copies beyond policy '%s' are in use and stay; the next run tries again",
        v.controller, v.volume, kept, ctx.policy)
    end
  end
  if command then delete_by_command(ctx, plans, there, gone) end
  if not ctx.dry_run then forget(ctx, records, there, gone, by_name) end
  return true
end

return expire
