--- The backups of a config: what the controllers have, joined with what the catalog knows.
-- @module std.copies

local process = require "engine.process"
local catalog = require "std.catalog"
local log = require "std.log"
local naming = require "std.naming"
local ontap = require "std.ontap"
local task = require "std.task"

local copies = {}

-- Volumes of the config, its mapping and its catalog: a volume that left the config still has copies.
local function volumes_of(ctx, records)
  local list, seen = {}, {}
  local function add(controller, volume)
    local key = controller .. ":" .. volume
    if not seen[key] and ctx.controllers[controller] then
      seen[key] = true
      list[#list + 1] = { controller = controller, volume = volume }
    end
  end
  for _, item in ipairs(ctx.cfg:get("VOLUMES") or {}) do
    for _, volume in ipairs(item.volumes) do add(item.controller, volume) end
  end
  for _, entry in ipairs(ctx.cfg:get("KVM_VM_MAPPING") or {}) do add(entry.controller, entry.volume) end
  for _, record in ipairs(records) do
    for _, v in ipairs(record.volumes or {}) do add(v.controller, v.volume) end
  end
  return list
end

local function controllers_of(ctx, volumes)
  local list, seen = {}, {}
  for _, v in ipairs(volumes) do
    if not seen[v.controller] then list[#list + 1] = ctx.controllers[v.controller] end
    seen[v.controller] = true
  end
  return list
end

--- Which config makes a snapshot: the beginning of the comment that its snapshots carry.
-- @tparam table ctx
-- @treturn string
function copies.owner(ctx)
  return ("moonsnap config=%s/%s"):format(ctx.profile, ctx.config_name)
end

-- A comment has 255 characters at most.
local function this_host() return process.self().host:gsub("%s", "_"):sub(1, 64) end

--- The comment of a run's snapshots. Nobody else writes it: by it they are known to be this very run's.
-- @tparam table ctx with `id`
-- @treturn string
function copies.comment(ctx)
  return ("%s run=%s host=%s"):format(copies.owner(ctx), ctx.id, this_host())
end

-- A host may get another name, and a catalog another host: whose record is here, is ours.
local function is_recorded(ctx, run)
  if not ctx.recorded then
    local records = catalog.list(ctx)
    if not records then return false end -- told by who needs them
    ctx.recorded = {}
    for _, record in ipairs(records) do ctx.recorded[record.id] = true end
  end
  return ctx.recorded[run] or false
end

--- Whether a snapshot says that another config made it, or this config on another host, whatever its name: several hosts
-- may share volumes, and a file of settings. May wait for the disk.
-- @tparam table ctx
-- @tparam table row of the `snapshots` call
-- @treturn boolean
function copies.is_foreign(ctx, row)
  local made_by, rest = (row.comment or ""):match("^(moonsnap config=.+) run=(.*)$")
  if not made_by then return false end
  if made_by ~= copies.owner(ctx) then return true end
  local run, host = rest:match("^(%S+) host=(%S+)$")
  return host ~= nil and host ~= this_host() and not is_recorded(ctx, run)
end

-- The volumes to which backups of the catalog were transferred.
local function secondaries_of(ctx, records)
  local list, seen = {}, {}
  for _, record in ipairs(records) do
    for _, entry in ipairs(record.replicated or {}) do
      local key = entry.controller .. ":" .. entry.volume
      if not seen[key] and ctx.controllers[entry.controller] then
        seen[key] = true
        list[#list + 1] = { controller = entry.controller, volume = entry.volume }
      end
    end
  end
  return list
end

-- Add the copies on the secondary. One that does not answer is no reason to show nothing.
local function add_secondaries(ctx, records, opts, take)
  local volumes = secondaries_of(ctx, records)
  local outcomes, cancelled = task.map(volumes, function(v) return ontap.snapshots(ctx, v) end, { collect = true })
  if not outcomes then return nil, cancelled end
  for i, outcome in ipairs(outcomes) do
    if outcome.ok then
      for _, row in ipairs(outcome.value) do take(volumes[i], row, "secondary") end
    else
      log.warn("the copies on the secondary %s:%s are not shown: %s", volumes[i].controller, volumes[i].volume,
        tostring(outcome.err))
      if not opts.spare then ctx:worse(3) end
    end
  end
  return true
end

--- All copies of this config, oldest first.
-- @tparam table ctx
-- @tparam[opt] {secondary=boolean,spare=boolean} opts secondary: also look where the catalog says that backups were transferred
--   to; spare: one that does not answer is told, but leaves the run's exit code as it is
-- @treturn[1] {{name=,policy=(nil for a safety copy),kind="backup"|"safety",created=,volumes={{controller=,volume=,
--   snapshot=row},...},secondary=(the same),record=(of the catalog)},...}; a copy may be on the secondary alone
-- @return[2] nil
-- @treturn[2] Err
function copies.list(ctx, opts)
  local ok, failed = ontap.connect(ctx)
  if not ok then return nil, failed end
  local records
  records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  local by_name, sname = {}, ctx.cfg:get("SNAME")
  local retentions = ctx.cfg:get("NTAP_SNAPSHOT_RETENTIONS") or {}
  local function take(v, row, where)
    local parsed = naming.parse(row.name, sname, retentions)
    local safety = not parsed and naming.parse_safety(row.name, sname)
    if not parsed and not safety or copies.is_foreign(ctx, row) then return end
    local copy = by_name[row.name] or { name = row.name, policy = parsed and parsed.policy,
      kind = parsed and "backup" or "safety", created = row.created, volumes = {}, secondary = {} }
    by_name[row.name] = copy
    copy.created = math.min(copy.created, row.created) -- volumes answer in any order
    table.insert(copy[where], { controller = v.controller, volume = v.volume, snapshot = row })
  end
  local volumes = volumes_of(ctx, records)
  -- One call per controller first: a login that is refused must not be refused once for each volume.
  ok, failed = task.map(controllers_of(ctx, volumes), ontap.volumes)
  if not ok then return nil, failed end
  ok, failed = task.map(volumes, function(v)
    local known, problem = ontap.volumes(ctx.controllers[v.controller])
    if not known then return nil, problem end
    if not known[v.volume] then return true end
    local rows
    rows, problem = ontap.snapshots(ctx, v)
    if not rows then return nil, problem end
    for _, row in ipairs(rows) do take(v, row, "volumes") end
    return true
  end)
  if ok and opts and opts.secondary then ok, failed = add_secondaries(ctx, records, opts, take) end
  if not ok then return nil, failed end
  for _, record in ipairs(records) do
    local copy = record.action == "backup" and by_name[record.snapshot]
    if copy then copy.record = record end
  end
  local list = {}
  for _, copy in pairs(by_name) do
    for _, places in ipairs { copy.volumes, copy.secondary } do
      table.sort(places, function(a, b)
        return a.controller .. ":" .. a.volume < b.controller .. ":" .. b.volume
      end)
    end
    list[#list + 1] = copy
  end
  table.sort(list, function(a, b)
    if a.created ~= b.created then return a.created < b.created end
    return a.name < b.name
  end)
  return list
end

return copies
