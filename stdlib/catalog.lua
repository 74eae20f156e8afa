--- What was backed up: one JSON document per run below the state directory, written at once.
--
-- It is also the journal of what runs create on the controllers: a record that names the snapshots, clones and maps
-- is on disk before the first of them is made. `std.leftovers` reads there what a dead run has left.
-- @module std.catalog

local file = require "engine.file"
local json = require "engine.json"
local process = require "engine.process"
local log = require "std.log"

local catalog = {}

catalog.SCHEMA = 1

local function directory(ctx)
  return ("%s/catalog/%s/%s"):format(ctx.dirs.state, ctx.profile, ctx.config_name)
end

--- Where a run's record is.
-- @tparam table ctx
-- @tparam table record `id` and `action`
-- @treturn string path
function catalog.path(ctx, record)
  return ("%s/%s-%s.json"):format(directory(ctx), record.id, record.action)
end

--- The process that a run's id names.
-- @tparam string id
-- @treturn ?integer pid
function catalog.pid_of(id)
  return math.tointeger(tonumber(tostring(id):match("%-(%d+)$") or ""))
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
  return file.replace(catalog.path(ctx, record), json.encode(record, true) .. "\n",
    { mode = 384 }) -- 0600: domain XML may hold what not everybody should read
end

--- Whether a record's run ended without a word: killed, or the host went down.
-- @tparam table ctx a run, or {dirs=,profile=,config_name=}
-- @tparam table record
-- @treturn boolean false also when nobody can say
function catalog.is_dead(ctx, record)
  if record.status ~= "started" or record.id == ctx.id then return false end
  if record.process then return not process.alive(record.process.pid, record.process.start) end
  if ctx.lock then return true end -- nobody else runs with this config
  local holder = file.lock_holder(("%s/%s.%s.lock"):format(ctx.dirs.run, ctx.profile, ctx.config_name))
  return holder ~= nil and holder ~= catalog.pid_of(record.id)
end

--- Forget a run: its snapshots are gone.
-- @tparam table ctx
-- @tparam table record
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function catalog.remove(ctx, record)
  local ok, failed = file.remove(catalog.path(ctx, record))
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
