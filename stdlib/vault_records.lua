--- What the catalog says of the copies in vaults, held against what they have: an update, or a vault's own schedule, brings
-- along what an earlier one could not, and the controller's policy deletes. Whoever finds a copy there must find out what it
-- is of, also when it is long gone from the primary.
-- @module std.vault_records

local catalog = require "std.catalog"
local copies = require "std.copies"
local log = require "std.log"
local ontap = require "std.ontap"

local vault_records = {}

-- Also under another name: one may have been renamed to be kept for ever.
local function on_primary(ctx, record)
  for _, v in ipairs(record.volumes or {}) do
    if not ctx.controllers[v.controller] then return true end
    local rows, failed = ontap.snapshots(ctx, v)
    if not rows and failed.code ~= "not_found" then return true end
    for _, row in ipairs(rows or {}) do
      if row.name == record.snapshot or row.uuid and row.uuid == v.snapshot_uuid then return true end
    end
  end
  return false
end

local function is_of(record, source)
  for _, v in ipairs(record.volumes or {}) do
    if v.controller == source.controller and v.volume == source.volume then return true end
  end
  return false
end

-- Bring a record's entries of this vault up to date. Whether anything has changed. It may have been made anew for another
-- volume since: all volumes of a run have snapshots of one name, and what it has of that name is of its own source.
local function note(record, r, there)
  local source, own, found, changed = r.source.controller .. ":" .. r.source.volume, is_of(record, r.source), nil, false
  for _, entry in ipairs(record.replicated or {}) do
    if entry.kind == "snapvault" and entry.controller == r.controller.name and entry.volume == r.volume then
      if entry.source == source then found = entry end
      local gone = not there or own and entry.source ~= source
      if gone and not entry.gone then entry.gone, changed = true, true end
    end
  end
  if not there then return changed end
  if found then
    if found.state == "done" and not found.gone then return changed end
    found.state, found.error, found.gone = "done", nil, nil
    return true
  end
  if not own then return changed end
  record.replicated = record.replicated or {}
  table.insert(record.replicated, { kind = "snapvault", source = source, destination = r.destination,
    controller = r.controller.name, volume = r.volume, state = "done" })
  return true
end

--- Hold the records of earlier backups against what a vault has. A record goes with the last of its copies, wherever that
-- was. What cannot be written is told; the next run does it.
-- @tparam table ctx
-- @tparam {controller=Controller,volume=string,destination=string,source={controller=string,volume=string}} r
-- @tparam {string=boolean} names of all copies of this config that it has
function vault_records.compare(ctx, r, names)
  local records, unread = catalog.list(ctx)
  if not records then log.warn("catalog: %s", unread) end
  for _, record in ipairs(records or {}) do
    if record.action == "backup" and record.id ~= ctx.id and note(record, r, names[record.snapshot]) then
      local ok, failed
      if catalog.in_vault(record) or on_primary(ctx, record) then
        ok, failed = catalog.save(ctx, record)
      else
        ok, failed = catalog.remove(ctx, record)
      end
      if not ok then log.warn("catalog: %s", failed) end
    end
  end
end

--- The same, with a look at what it has. Waits for the controller.
-- @tparam table ctx
-- @tparam table r
function vault_records.look(ctx, r)
  local rows, failed = ontap.snapshots(ctx, { controller = r.controller.name, volume = r.volume })
  if not rows then
    log.warn("What SnapVault [%s] has of earlier backups is not noted: %s", r.destination, failed)
    return
  end
  local names = {}
  for _, row in ipairs(rows) do names[row.name] = not copies.is_foreign(ctx, row) or nil end
  vault_records.compare(ctx, r, names)
end

return vault_records
