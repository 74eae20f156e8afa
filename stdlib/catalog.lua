--- What was backed up: one JSON document per run below the state directory, written at once.
-- @module std.catalog

local file = require "engine.file"
local json = require "engine.json"
local log = require "std.log"

local catalog = {}

catalog.SCHEMA = 1

local function directory(ctx)
  return ("%s/catalog/%s/%s"):format(ctx.dirs.state, ctx.profile, ctx.config_name)
end

--- Write a run's record; the same run replaces its earlier one.
-- @tparam table ctx
-- @tparam table record needs `id` and `action`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function catalog.save(ctx, record)
  record.schema = catalog.SCHEMA
  if record.error then record.error = log.redact(record.error) end
  -- The words of a failing command may be in any encoding.
  if record.error and not utf8.len(record.error) then record.error = record.error:gsub("[\128-\255]", "?") end
  local dir = directory(ctx)
  local ok, failed = file.mkdirs(dir)
  if not ok then return nil, failed end
  return file.replace(("%s/%s-%s.json"):format(dir, record.id, record.action), json.encode(record, true) .. "\n",
    { mode = 384 }) -- 0600: domain XML may hold what not everybody should read
end

--- Forget a run: its snapshots are gone.
-- @tparam table ctx
-- @tparam table record
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function catalog.remove(ctx, record)
  local ok, failed = file.remove(("%s/%s-%s.json"):format(directory(ctx), record.id, record.action))
  if ok or failed.code == "not_found" then return true end
  return nil, failed
end

--- All records of this config, oldest first. A file that cannot be read is reported and passed over.
-- @tparam table ctx
-- @treturn[1] {table,...}
-- @return[2] nil
-- @treturn[2] Err
function catalog.list(ctx)
  local dir = directory(ctx)
  local names, failed = file.list(dir)
  if not names then
    if failed.code == "not_found" then return {} end
    return nil, failed
  end
  local records = {}
  for _, name in ipairs(names) do
    if name:find("%.json$") then
      local path = dir .. "/" .. name
      local text, record
      text, failed = file.read(path)
      if text then record, failed = json.decode(text) end
      if record and type(record) == "table" and record.schema == catalog.SCHEMA then
        records[#records + 1] = record
      else
        log.warn("%s: %s; it is passed over", path, failed or "not a record of a schema that this version knows")
      end
    end
  end
  return records
end

--- Whether a record is needed for a copy in a vault, even when none is left on the primary.
-- @tparam table record
-- @treturn boolean
function catalog.in_vault(record)
  for _, entry in ipairs(record.replicated or {}) do
    if entry.kind == "snapvault" and not entry.gone then return true end
  end
  return false
end

--- The backup that made a snapshot.
-- @tparam table ctx
-- @tparam string snapshot name
-- @treturn[1] ?table nil when there is none
-- @return[2] nil
-- @treturn[2] Err
function catalog.find(ctx, snapshot)
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  for i = #records, 1, -1 do
    if records[i].action == "backup" and records[i].snapshot == snapshot then return records[i] end
  end
  return nil
end

return catalog
