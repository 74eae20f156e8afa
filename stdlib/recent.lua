--- The name `<SNAME>-<policy>_recent`, which the newest copy has with SNAP_TIMESTAMP_ONLY=N.
-- @module std.recent

local catalog = require "std.catalog"
local log = require "std.log"
local naming = require "std.naming"
local ontap = require "std.ontap"

local recent = {}

-- The record of the copy that holds the name now.
local function record_of(ctx)
  local uuids = {}
  for _, v in ipairs(ctx.volumes) do
    if v.recent then uuids[v.recent.uuid] = true end
  end
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  for i = #records, 1, -1 do
    local r = records[i]
    if r.action == "backup" and r.snapshot == ctx.snapshot then
      for _, v in ipairs(r.volumes) do
        if uuids[v.snapshot_uuid] then return r end
      end
    end
  end
  return nil
end

local function undo(ctx)
  for _, v in ipairs(ctx.volumes) do
    if v.renamed then
      local ok, failed = ontap.rename(ctx, v, { name = v.renamed, uuid = v.recent.uuid }, ctx.snapshot)
      if not ok then log.error(failed) end
      v.renamed = nil
    end
  end
end

-- The name that the copy gets: with its time, or the next second that is free on every volume that has to rename one. Where
-- the clock is set back for the winter, two runs may have the same time.
local function new_name(ctx, stamp)
  while true do
    local name, taken = naming.make { sname = ctx.cfg:get("SNAME"), policy = ctx.policy, stamp = stamp }, false
    for _, v in ipairs(ctx.volumes) do taken = taken or v.recent and v.names[name] end
    if not taken then return name end
    stamp = naming.stamp(naming.epoch(stamp) + 1)
  end
end

--- Before the new copy is made, the one that holds the name gives it up: to one name on all volumes, which
-- the catalog learns. `v.recent` of `ctx.volumes` is the row of that copy,
-- `v.names` are the names of all.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02102; what was renamed has its old name again
function recent.give_up(ctx)
  local first
  for _, v in ipairs(ctx.volumes) do first = first or v.recent end
  if not first then return true end
  local record, failed = record_of(ctx)
  if failed then return nil, failed end
  local new = new_name(ctx, record and record.id:match("^(%d+)%-") or naming.stamp(first.created))
  local ok
  for _, v in ipairs(ctx.volumes) do
    if v.recent then
      ok, failed = ontap.rename(ctx, v, v.recent, new)
      if ok then v.renamed = new else break end
    end
  end
  if not failed and record then
    record.snapshot = new
    for _, guest in ipairs(record.guests) do
      for _, disk in ipairs(guest.disks) do disk.snapshot = new end
    end
    ok, failed = catalog.save(ctx, record)
    if ok then return true end
  end
  if not failed then return true end
  undo(ctx)
  return nil, failed
end

return recent
