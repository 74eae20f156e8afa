--- What was backed up: one JSON document per run below the state directory, written at once.
--
-- It is also the journal of what runs create on the controllers: a record that names the snapshots, clones and maps
-- is on disk before the first of them is made. `std.leftovers` reads there what a dead run has left.
-- @module std.catalog

local file = require "engine.file"
local json = require "engine.json"
local process = require "engine.process"
local err = require "std.err"
local log = require "std.log"
local naming = require "std.naming"

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

local LATEST = 1 << 40 -- seconds; times beyond have no date

local function is_text(value) return type(value) == "string" end
local function is_word(value) return is_text(value) and value:find("^[%w_%-]+$") ~= nil end
local function is_process(value)
  return type(value) == "table" and math.type(value.pid) == "integer" and math.type(value.start) == "integer"
end
local function is_time(value) return math.type(value) == "integer" and value >= 0 and value < LATEST end

--- What a file below the state directory says of a run: whether a value is a text, a name (of letters, digits, `_` and
-- `-`), a time that has a date (seconds).
-- @function catalog.is_text
-- @function catalog.is_word
-- @function catalog.is_time
-- @param value anything
-- @treturn boolean
catalog.is_text, catalog.is_word, catalog.is_time = is_text, is_word, is_time

-- What readers of a record rely on. Fields that are not listed are nobody's but the writer's.
local REQUIRED = { id = is_word, action = is_word, status = is_text } -- a file's name is made of the first two
local OPTIONAL = { policy = is_text, snapshot = is_text, error = is_text, way = is_text, safety = is_text,
  comment = is_text, started = is_time, finished = is_time, process = is_process }
local LISTS = { guests = {}, volumes = { "controller", "volume" }, replicated = { "controller", "volume" },
  clones = { "controller", "name" } }
local BACKUP = { "snapshot", "guests", "volumes" }
local GUEST, DISK = { "name" }, { "target", "controller", "path" } -- those of a backup; a restore has words of its own
local BACKING = { "path" }

-- The first entry of a list that is no table with these texts, or nil.
local function bad_entry(list, fields)
  if type(list) ~= "table" then return 1 end
  for key, entry in pairs(list) do
    if math.type(key) ~= "integer" or type(entry) ~= "table" then return key end
    for _, field in ipairs(fields) do
      if not is_text(entry[field]) then return key end
    end
  end
  return nil
end

-- The field of a record that is not as it must be, or nil.
local function bad_field(record)
  for key, is in pairs(REQUIRED) do
    if not is(record[key]) then return key end
  end
  for key, is in pairs(OPTIONAL) do
    if record[key] ~= nil and not is(record[key]) then return key end
  end
  for key, fields in pairs(LISTS) do
    local at = record[key] ~= nil and bad_entry(record[key], fields)
    if at then return ("%s[%s]"):format(key, at) end
  end
  for _, key in ipairs(record.action == "backup" and BACKUP or {}) do
    if record[key] == nil then return key end
  end
  local guests = record.action == "backup" and record.guests or {}
  local at = bad_entry(guests, GUEST)
  if at then return ("guests[%s]"):format(at) end
  for i, guest in ipairs(guests) do
    at = bad_entry(guest.disks, DISK)
    if at then return ("guests[%d].disks[%s]"):format(i, at) end
    for n, disk in ipairs(guest.disks) do
      if disk.backing ~= nil and bad_entry(disk.backing, BACKING) then return ("guests[%d].disks[%d].backing"):format(i, n) end
    end
  end
  return nil
end

--- Read a record. A record is taken whole or not at all: what a restore or a deletion would go by must be there and
-- be what it should be.
-- @tparam string text
-- @treturn[1] table
-- @return[2] nil
-- @treturn[2] Err `protocol`: no JSON, another schema, a field that is missing or wrong
function catalog.decode(text)
  local record, failed = json.decode(text)
  if failed then return nil, failed end
  if type(record) ~= "table" or record.schema ~= catalog.SCHEMA then
    return nil, err.new("protocol", "not a record of a schema that this version knows")
  end
  local field = bad_field(record)
  if field then return nil, err.new("protocol", ("not a record of a run: %s is missing or wrong"):format(field)) end
  return record
end

-- A record's name has the local time, which is set back once a year.
local function began(record)
  return record.started or naming.epoch(record.id:match("^%d*")) or 0
end

--- Whether one run began before another; an order for `table.sort`.
-- @tparam table a record
-- @tparam table b record
-- @treturn boolean
function catalog.earlier(a, b)
  if began(a) ~= began(b) then return began(a) < began(b) end
  if a.id ~= b.id then return a.id < b.id end
  return a.action < b.action
end

--- All records of this config, oldest first. A file that cannot be read is reported and passed over.
-- @tparam table ctx a run, or {dirs=,profile=,config_name=}
-- @tparam[opt] string action only those of it; no other file is read
-- @treturn[1] {table,...} `unread` of it: how many files were passed over
-- @return[2] nil
-- @treturn[2] Err
function catalog.list(ctx, action)
  local dir = directory(ctx)
  local names, failed = file.list(dir)
  if not names then
    if failed.code == "not_found" then return { unread = 0 } end
    return nil, failed
  end
  local records = { unread = 0 }
  for _, name in ipairs(names) do
    if name:find("%.json$") and (not action or name:sub(-#action - 6) == "-" .. action .. ".json") then
      local path = dir .. "/" .. name
      local text, record
      text, failed = file.read(path)
      if text then record, failed = catalog.decode(text) end
      if record then
        records[#records + 1] = record
      else
        log.warn("%s: %s; it is passed over", path, failed)
        records.unread = records.unread + 1
      end
    end
  end
  table.sort(records, catalog.earlier)
  return records
end

--- What the catalog knows of the copies: only a run that ended well makes a good one.
-- @tparam {table,...} records as of `list`
-- @treturn {string=string} by the snapshot's name: "ok" or "failed"
function catalog.outcomes(records)
  local by_name = {}
  for _, record in ipairs(records) do
    if record.action == "backup" then
      local good = record.status == "ok" or record.status == "partial" or record.status == "crash-consistent"
      by_name[record.snapshot] = good and "ok" or "failed"
    end
  end
  return by_name
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
