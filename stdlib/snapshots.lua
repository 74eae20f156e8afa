--- How a backup comes by its snapshots: from the controller, as groups, by a command of the site, or taken
-- over from another product; and the metadata volumes, whose turn comes after the resume.
-- @module std.snapshots

local catalog = require "std.catalog"
local pcre = require "engine.pcre"
local consistency = require "std.consistency"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"
local naming = require "std.naming"
local ontap = require "std.ontap"

local snapshots = {}

local function key_of(v) return v.controller .. ":" .. v.volume end

--- How this run gets its snapshots.
-- @tparam table ctx
-- @treturn string "controller", "command", "external" (NTAP_USE_EXTERNAL_SNAPSHOT) or "disabled"
--   (NTAP_SNAPSHOT_DISABLE)
function snapshots.way(ctx)
  local cfg = ctx.cfg
  if cfg:get("NTAP_USE_EXTERNAL_SNAPSHOT") then return "external" end
  if cfg:get("NTAP_SNAPSHOT_DISABLE") then return "disabled" end
  return #cfg:commands("NTAP_SNAPSHOT_CREATE_CMD") > 0 and "command" or "controller"
end

--- Whether there is a reason to suspend guests: a copy that exists already does not become better by it.
-- @tparam table ctx
-- @treturn boolean
function snapshots.pauses(ctx)
  if ctx.way == "external" then return false end
  return ctx.way ~= "disabled" or #ctx.cfg:commands("POST_APP_QUIESCE_CMD") > 0
    or #ctx.cfg:commands("PRE_APP_UNQUIESCE_CMD") > 0
end

--- Part the volumes: `ctx.data_volumes` are snapshotted while the guests are suspended,
-- `ctx.metadata_volumes` (META_DATA_VOLUME) after; `ctx.volumes` is both.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err scf-00045, or a guest's disk lies on a metadata volume
function snapshots.part(ctx)
  local where, metadata, later = ctx.cfg:where("META_DATA_VOLUME"), {}, {}
  for _, item in ipairs(ctx.cfg:get("META_DATA_VOLUME") or {}) do
    for _, volume in ipairs(item.volumes) do
      local v = { controller = item.controller, volume = volume, metadata = true }
      metadata[#metadata + 1], later[key_of(v)] = v, true
    end
  end
  for _, guest in ipairs(ctx.guests) do
    for _, disk in ipairs(guest.disks) do
      if later[key_of(disk.object)] then
        return nil, err.new("conflict", ("%s: META_DATA_VOLUME: guest '%s' has its disk %s on %s, which must be "
          .. "snapshotted while it is suspended; take the volume out"):format(where, guest.name, disk.target,
          key_of(disk.object)), { exit = 2 })
      end
    end
  end
  local data = {}
  for _, v in ipairs(ctx.volumes) do
    if not later[key_of(v)] then data[#data + 1] = v end
  end
  if #data == 0 then
    return nil, err.coded("scf-00045", where .. ": META_DATA_VOLUME", nil, { code = "invalid", exit = 2 })
  end
  ctx.data_volumes, ctx.metadata_volumes = data, metadata
  ctx.volumes = table.move(metadata, 1, #metadata, #data + 1, table.move(data, 1, #data, 1, {}))
  return true
end

-- The run that has recorded a snapshot as its own already.
local function recorded_by(ctx, uuid)
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  for _, record in ipairs(records) do
    if record.action == "backup" and record.status ~= "failed" and record.id ~= ctx.id then
      for _, v in ipairs(record.volumes or {}) do
        if uuid and v.snapshot_uuid == uuid then return record.id end
      end
    end
  end
  return nil
end

-- Names of the pattern that all volumes have, with the time of the oldest snapshot of that name.
local function common(ctx, rows, regex)
  local found = {}
  for _, v in ipairs(ctx.volumes) do
    for _, row in ipairs(rows[key_of(v)]) do
      local match, failed = regex:match(row.name)
      if failed then return nil, failed end
      if match and not naming.parse_safety(row.name, ctx.cfg:get("SNAME")) then
        local entry = found[row.name] or { name = row.name, times = 0, created = row.created, uuid = row.uuid }
        entry.times, entry.created = entry.times + 1, math.min(entry.created, row.created)
        found[row.name] = entry
      end
    end
  end
  local newest
  for _, entry in pairs(found) do
    if entry.times == #ctx.volumes and (not newest or entry.created > newest.created
      or entry.created == newest.created and entry.name > newest.name) then
      newest = entry
    end
  end
  return newest or false
end

--- Find the foreign snapshot to take over: the newest name that matches NTAP_EXTERNAL_SNAPSHOT_REGEX and that
-- all volumes have. It keeps its name, and retention never touches it.
-- @tparam table ctx
-- @tparam {string={table,...}} rows the snapshots of each volume, by "controller:volume"
-- @treturn[1] string its name
-- @return[2] nil
-- @treturn[2] Err scf-00067
function snapshots.external(ctx, rows)
  local pattern, where = ctx.cfg:get("NTAP_EXTERNAL_SNAPSHOT_REGEX"), ctx.cfg:where("NTAP_EXTERNAL_SNAPSHOT_REGEX")
  local regex, failed = pcre.new(pattern)
  if not regex then
    return nil, err.new("invalid", ("%s: NTAP_EXTERNAL_SNAPSHOT_REGEX: %s"):format(where, failed.message), { exit = 2 })
  end
  local newest
  newest, failed = common(ctx, rows, regex)
  if newest == nil then return nil, failed end
  if not newest then
    return nil, err.coded("scf-00067", ("%s: '%s' matches no snapshot that all %d volume(s) have"):format(where, pattern,
      #ctx.volumes), nil, { code = "not_found" })
  end
  local before
  before, failed = recorded_by(ctx, newest.uuid)
  if failed then return nil, failed end
  if before then
    return nil, err.coded("scf-00067", ("snapshot %s: run %s has taken it over already, and '%s' matches no newer one")
      :format(newest.name, before, pattern), nil, { code = "not_found" })
  end
  log.info("Snapshot copy [%s] of %s is taken over", newest.name, os.date("%Y-%m-%d %H:%M:%S", newest.created))
  return newest.name
end

--- That a snapshot which another product made for this run is not one of an earlier run.
-- @tparam table ctx
-- @tparam table v volume
-- @tparam table row of the `snapshots` call
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009
function snapshots.check_fresh(ctx, v, row)
  if ctx.way ~= "disabled" then return true end
  local before, failed = recorded_by(ctx, row.uuid)
  if failed then return nil, failed end
  if not before then return true end
  return nil, err.coded("STORAGE-02009", ("snapshot %s on %s: it is the one that run %s has recorded already; with "
    .. "NTAP_SNAPSHOT_DISABLE=Y another product must make a new one for each run"):format(row.name, key_of(v), before),
    nil, { code = "exists" })
end

local function by_command(ctx, volumes, family)
  for _, v in ipairs(volumes) do
    log.info("STORAGE-02007: Creating Snapshot copy [%s] on [%s] by command", ctx.snapshot, key_of(v))
    v.tried = true
  end
  local ok, failed = hooks.run(ctx, family)
  if ok then return true end
  return nil, err.coded("STORAGE-02009", ("snapshot %s"):format(ctx.snapshot), failed)
end

--- Take the snapshots of the guests' volumes, all in flight together.
-- @tparam table ctx
-- @tparam {{controller=string,volume=string},...} volumes data volumes, all or those of one group
-- @tparam {comment=string,label=string} opts
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009, STORAGE-02003, STORAGE-02006
function snapshots.take(ctx, volumes, opts)
  if ctx.way == "external" or ctx.way == "disabled" then
    log.info("No Snapshot copy is created: [%s] is another product's", ctx.snapshot)
    return true
  end
  if ctx.way == "command" then return by_command(ctx, volumes, "NTAP_SNAPSHOT_CREATE_CMD") end
  local take = ctx.as_group and consistency.snapshot or ontap.snapshot
  return take(ctx, volumes, ctx.snapshot, opts)
end

--- Take those of the metadata volumes; the guests run.
-- @tparam table ctx
-- @tparam {comment=string,label=string} opts
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02009
function snapshots.take_metadata(ctx, opts)
  if #ctx.metadata_volumes == 0 then
    log.info("META_DATA_VOLUME is not set. Skipping")
    return true
  end
  if ctx.way == "external" or ctx.way == "disabled" then return true end
  local family = "NTAP_METADATA_SNAPSHOT_CREATE_CMD"
  if #ctx.cfg:commands(family) > 0 then return by_command(ctx, ctx.metadata_volumes, family) end
  return ontap.snapshot(ctx, ctx.metadata_volumes, ctx.snapshot, opts)
end

return snapshots
