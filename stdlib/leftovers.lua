--- What runs that died or failed have left on the controllers: snapshots, safety snapshots, clones with their maps,
-- disks that were fetched from a vault.
--
-- The catalog had all of it before it was made. Nothing is touched that a record does not name and the controller
-- does not confirm: a snapshot by the comment that only its run wrote (where none can be written, by name and time),
-- a clone by uuid and parent (`std.clones`). What is in doubt is kept and named.
-- @module std.leftovers

local clock = require "engine.clock"
local catalog = require "std.catalog"
local clone_removal = require "std.clone_removal"
local clones = require "std.clones"
local err = require "std.err"
local log = require "std.log"
local ontap = require "std.ontap"
local restore_vault = require "std.restore_vault"

local leftovers = {}

local SKEW = 300      -- seconds by which the clocks of host and controller may differ
local LONGEST = 86400 -- seconds; a run creates nothing later than that
local ON_ITS_WAY = 3600 -- seconds for which a dead run's last request may still be carried out

-- Made by the engine where a restore's end can be told in no other way; see engine/core/ontap_rest_check.c.
local CHECK_NAME, CHECK_COMMENT = "^moonsnap_check_(%d+)$", "whether a restore has ended; may be deleted"

-- The snapshots of a volume, asked for once; an empty list when the volume is gone.
local function rows_of(ctx, cache, v)
  local key = v.controller .. ":" .. v.volume
  if cache[key] then return cache[key] end
  local controller = ctx.controllers[v.controller]
  if not controller then
    return nil, err.new("not_found", ("volume %s: its controller is not in the config any more; write it in NTAP_USERS")
      :format(key))
  end
  local known, failed = ontap.volumes(controller)
  if known and not known[v.volume] then
    cache[key] = {}
  elseif known then
    cache[key], failed = ontap.snapshots(ctx, v)
  end
  return cache[key], failed
end

local function in_time(record, epoch)
  return epoch ~= nil and epoch >= record.started - SKEW and epoch <= record.started + LONGEST
end

-- Groups begin without a comment, and what a command of the site makes never has one; the name was free before.
local function is_own(record, row)
  if record.comment and row.comment == record.comment then return true end
  local bare = record.grouped or record.way == "command"
  return bare and (row.comment or "") == "" and row.name == record.snapshot and not row.name:find("_recent$")
    and in_time(record, row.created)
end

local function add(found, record, kind, v, row, keep)
  found[#found + 1] = { record = record, kind = kind, controller = v.controller, volume = v.volume, name = row.name,
    row = row, keep = keep }
end

local function each_row(ctx, cache, found, record, fn)
  for _, v in ipairs(record.volumes or {}) do
    local rows, failed = rows_of(ctx, cache, v)
    if not rows then
      found[#found + 1] = { record = record, kind = "unknown", controller = v.controller, volume = v.volume,
        failed = failed }
    end
    for _, row in ipairs(rows or {}) do fn(v, row) end
  end
end

-- True when all of its snapshots are there, so that none can come any more.
local function of_backup(ctx, cache, found, record)
  if record.way == "external" or record.way == "disabled" then return end -- another product's
  local keep
  if record.status == "failed" and not record.grouped and not ctx.cfg:get("NTAP_SNAPSHOT_CLEANUP") then
    keep = "the run failed, and NTAP_SNAPSHOT_CLEANUP=N keeps what such a run has made"
  end
  local count = 0
  each_row(ctx, cache, found, record, function(v, row)
    if not is_own(record, row) then return end
    add(found, record, "snapshot", v, row, row.name:find("_unlimited$") and "renamed to be kept for ever" or keep)
    count = count + 1
  end)
  return count == #record.volumes
end

-- As `of_backup`; without a safety snapshot there is nothing to wait for.
local function of_restore(ctx, cache, found, record)
  local keep = not ctx.opts.safety and "the state before a restore that did not end well; --safety deletes it too" or nil
  local count = 0
  each_row(ctx, cache, found, record, function(v, row)
    local checked = tonumber(row.name:match(CHECK_NAME))
    if record.status ~= "ok" and row.name == record.safety and row.comment == record.comment then
      add(found, record, "safety snapshot", v, row, keep)
      count = count + 1
    elseif checked and row.comment == CHECK_COMMENT and checked >= record.started
      and checked <= (record.finished or record.started + LONGEST) then
      add(found, record, "check snapshot", v, row)
    end
  end)
  return not record.safety or count == #(record.volumes or {})
end

-- Whether a request of that run may still be under way: then what is not there yet may come.
local function is_young(record)
  return clock.now() - record.started < ON_ITS_WAY
end

local function add_fetched(found, record)
  for _, one in ipairs(record.beside or {}) do
    found[#found + 1] = { record = record, kind = "fetched disk", controller = one.controller, volume = one.volume,
      name = one.path, fetched = true }
  end
end

-- What a run left whose record cannot be read is not found: that is no good end.
local function note_unread(ctx, list)
  if list.unread > 0 then ctx:worse(3) end
end

local function add_clones(ctx, found)
  local known, failed = clones.known(ctx)
  if not known then return nil, failed end
  note_unread(ctx, known)
  for _, clone in ipairs(known) do
    local record = clone.record
    local dead = catalog.is_dead(ctx, record)
    if dead or record.status ~= "started" and (record.status ~= "ok" or record.temporary) then
      local row, problem = clones.look(ctx, clone)
      local conflict = row == nil and problem.code == "conflict"
      if row or row == nil or clone.uuid or not is_young(record) then
        found[#found + 1] = { record = record, kind = clone.kind .. " clone", controller = clone.controller,
          name = clone.name, clone = clone, gone = row == false, keep = conflict and problem.message or nil,
          failed = row == nil and not conflict and problem or nil }
      end
    end
  end
  return true
end

--- What is there. Waits for the controllers, changes nothing. With records that cannot be read the run ends with exit
-- code 3.
-- @tparam table ctx with controllers; `opts.safety`: safety snapshots may go as well
-- @treturn[1] {{record=table,kind="snapshot"|"safety snapshot"|"check snapshot"|"fetched disk"|"volume clone"|
--   "lun clone"|"unknown",
--   controller=,volume=?,name=?,gone=?boolean,keep=?string (why it is not removed),failed=?Err (it cannot be
--   told)},...}, oldest run first; gone: only the catalog has it still
-- @return[2] nil
-- @treturn[2] Err
function leftovers.find(ctx)
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  note_unread(ctx, records)
  local found, cache = {}, {}
  ctx.unfinished = {}
  for _, record in ipairs(records) do
    local bad = not record.settled and (record.status == "failed" or catalog.is_dead(ctx, record))
    local complete
    if bad and record.action == "backup" then
      complete = of_backup(ctx, cache, found, record)
    elseif record.action == "restore" and (bad or record.status == "ok") then
      complete = of_restore(ctx, cache, found, record)
      add_fetched(found, record)
    end
    if bad and (record.action == "backup" or record.action == "restore") then
      ctx.unfinished[#ctx.unfinished + 1] = { record = record, complete = complete }
    end
  end
  local ok
  ok, failed = add_clones(ctx, found)
  if not ok then return nil, failed end
  return found
end

--- Remove one item of `find`. Waits for the controller, and for this host where a LUN is in use.
-- @tparam table ctx
-- @tparam table item without `keep` and `failed`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err it is still there, and the catalog has it
function leftovers.remove(ctx, item)
  if item.clone then return clone_removal.remove(ctx, item.clone) end
  if item.fetched then return restore_vault.clean_record(ctx, item.record) end
  return ontap.delete(ctx, item, item.row)
end

--- After the removals: a run of which nothing is left, and from which nothing can come any more, is looked at no
-- more; the catalog says that it failed.
-- @tparam table ctx after `find`
-- @tparam {table,...} left items that are still there
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function leftovers.settle(ctx, left)
  local open = {}
  for _, item in ipairs(left) do open[item.record] = true end
  for _, one in ipairs(ctx.unfinished) do
    local record = one.record
    local dead = record.status == "started"
    -- Safety snapshots that were not asked for keep their restore open, with what it says of its guests.
    local keeps = record.action == "restore" and not ctx.opts.safety
    if not open[record] and not keeps and not (dead and is_young(record) and not one.complete) then
      record.settled = math.floor(clock.now())
      if dead then
        record.status = "failed"
        record.error = "the run died; what it had made was removed"
      end
      local ok, failed = catalog.save(ctx, record)
      if not ok then return nil, err.new(failed.code, ("catalog: %s"):format(failed.message)) end
    end
  end
  log.debug("%d item(s) of earlier runs are left", #left)
  return true
end

return leftovers
