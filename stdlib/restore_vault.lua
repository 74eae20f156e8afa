--- Disks whose snapshot is left in a SnapVault destination only: fetched beside the originals while the guests still
-- run, then restored in place like any other.
--
-- A single file comes back over REST (`POST /snapmirror/relationships/{uuid}/transfers` with `files`); ONTAPI knows whole
-- volumes only, with every other guest in them. The transfer may take hours and may fail: it never writes to a disk in
-- use, but to a path of its own beside it. The safety snapshot then holds the old disk and the fetched one, and the
-- restore in place takes it from there, in the moment that a restore takes.
-- @module std.restore_vault

local clock = require "engine.clock"
local catalog = require "std.catalog"
local connect = require "std.connect"
local err = require "std.err"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"
local replication = require "std.replication"
local storage = require "std.storage"
local task = require "std.task"

local restore_vault = {}

local POLL_FIRST, POLL_MOST = 0.2, 5 -- seconds
local CODE = "STORAGE-02025"

-- A question that failed so says nothing about the transfer: it is asked again.
local PASSING = { timeout = true, unreachable = true, protocol = true, busy = true }

local function copies_of(ctx, object)
  local list, source = {}, object.controller .. ":" .. object.volume
  for _, entry in ipairs(ctx.source.replicated or {}) do
    if entry.kind == "snapvault" and entry.source == source and not entry.gone then list[#list + 1] = entry end
  end
  return list
end

--- Whether a copy is in a vault to which its backup was transferred. A mirror is none.
-- @tparam table copy of `std.copies.list` with `secondary`, in the catalog
-- @treturn boolean
function restore_vault.has(copy)
  for _, entry in ipairs(copy.record.replicated or {}) do
    for _, place in ipairs(copy.secondary) do
      if entry.kind == "snapvault" and not entry.gone and entry.controller == place.controller
        and entry.volume == place.volume then return true end
    end
  end
  return false
end

--- Where a vault has the copy of an object's volume. Waits for the controllers.
-- @tparam table ctx with `source`, the backup's record, and `snapshot`
-- @tparam table object
-- @treturn[1] {controller=,volume=,destination=("svm:volume"),row=(of the `snapshots` call)}
-- @return[2] false no vault has been given a copy
-- @return[3] nil
-- @treturn[3] Err STORAGE-02025, kvm-00008
function restore_vault.find(ctx, object)
  local what, problem = ("snapshot %s of %s:%s"):format(ctx.snapshot, object.controller, object.volume), nil
  for _, entry in ipairs(copies_of(ctx, object)) do
    local rows, failed
    if ctx.controllers[entry.controller] then
      rows, failed = ontap.snapshots(ctx, { controller = entry.controller, volume = entry.volume }, ctx.snapshot)
    else
      failed = err.new("not_found", ("its vault's controller '%s' is not in NTAP_USERS"):format(entry.controller))
    end
    local row = rows and rows[1]
    local made_by = row and row.comment or ""
    if row and made_by ~= "" and ctx.source.comment and made_by ~= ctx.source.comment then
      failed = err.coded("kvm-00008", ("snapshot %s on %s is another one than the backup's"):format(ctx.snapshot,
        entry.destination), nil, { code = "conflict" })
    elseif row then
      return { controller = entry.controller, volume = entry.volume, destination = entry.destination, row = row }
    end
    problem = problem or failed
  end
  if problem then return nil, err.coded(CODE, what, problem) end
  return false
end

--- Whether the copy holds an object, and that it can be fetched. Waits for the controllers.
-- @tparam table ctx
-- @tparam table object
-- @tparam table place of `find`
-- @treturn[1] {size=integer}
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025, unsupported
function restore_vault.info(ctx, object, place)
  local what = ("%s:%s"):format(object.controller, object.mapping)
  if not storage.has_vault(object) then
    return nil, err.new("unsupported", ("%s: disks of provider '%s' are not fetched from a secondary"):format(what,
      object.provider))
  end
  local there = setmetatable({ controller = place.controller, volume = place.volume }, { __index = object })
  local info, failed = storage.in_snapshot(ctx, there, ctx.snapshot)
  if info == true then
    failed = err.new("denied", ("the user of controller '%s' may not read the size of files, by which a fetched one is "
      .. "checked"):format(place.controller))
  end
  if type(info) ~= "table" then return nil, err.coded(CODE, ("%s in the vault %s"):format(what, place.destination), failed) end
  local rest
  rest, failed = connect.rest(ctx.controllers[object.controller])
  if not rest then
    return nil, err.new("unsupported", ("%s: snapshot %s is only in the vault %s, and single files come back from there "
      .. "over REST alone: %s; let REST answer and write ONTAP_API=auto, or clone the volume at the secondary from that "
      .. "snapshot and copy the file"):format(what, ctx.snapshot, place.destination, failed),
      { scf = CODE, exit = 2, cause = failed })
  end
  return info
end

-- Where a run fetches a disk to. Nothing else is ever taken away.
local function path_beside(own, record)
  return ("%s.moonsnap_%s"):format(own, record.id)
end

-- The object's volume as a relationship's destination.
local function destination_of(ctx, object)
  return replication.names_of(ctx, object) .. ":" .. object.volume
end

-- What a run has fetched is found by the run's record, also when it died: its entry there.
local function note(ctx, object, place, path)
  ctx.record.beside = ctx.record.beside or {}
  local one = { provider = object.provider, controller = object.controller, volume = object.volume,
    own = object.path, file = object.file, path = path, from = place.destination, to = destination_of(ctx, object) }
  table.insert(ctx.record.beside, one)
  local ok, failed = catalog.save(ctx, ctx.record)
  return ok and one, failed
end

-- The relationships for a restore to a volume, also those that somebody made by hand. A page may have no rows, and yet there
-- is another one.
local function restores_to(client, destination)
  local rows, seen, path = {}, {}, "/snapmirror/relationships?fields=restore,source.path,destination.path"
  while path and not seen[path] do
    seen[path] = true
    local answer, failed = client:request("GET", path)
    if not answer then return nil, failed end
    local body = type(answer.body) == "table" and answer.body or {}
    for _, row in ipairs(body.records or {}) do
      if row.restore == true and row.destination and row.destination.path == destination then rows[#rows + 1] = row end
    end
    local next_page = body._links and body._links.next and body._links.next.href
    path = type(next_page) == "string" and next_page:match("^/api(/.*)$") or nil
  end
  return rows
end

-- Those of them that the fetching of this entry has made: as far as it was noted, by uuid.
local function made_for(client, one)
  local rows, all, failed = {}, restores_to(client, one.to)
  if not all then return nil, failed end
  for _, row in ipairs(all) do
    local ours = not one.relation or row.uuid == one.relation
    if ours and row.source and row.source.path == one.from then rows[#rows + 1] = row end
  end
  return rows
end

-- Ends a transfer that has not ended well, and takes away its relationship.
local function give_up(client, one)
  client:mirror_change(one.to, "abort")
  for _, row in ipairs(made_for(client, one) or {}) do
    local gone, failed = client:request("DELETE", "/snapmirror/relationships/" .. row.uuid)
    if not gone then log.warn("the restore relationship of %s to %s is left: %s", one.from, one.to, failed) end
  end
end

-- The relationship goes when the transfer has ended well; what came is looked at by the caller.
local function wait(client, destination, transfer, deadline)
  local pause = POLL_FIRST
  while true do
    local t, failed = client:mirror_transfer(destination, { transfer = transfer })
    if not t and failed.code == "not_found" then return true end
    if not t and not PASSING[failed.code] then return nil, failed end
    if t and not t.running then
      if t.state == "success" then return true end
      return nil, err.new("io", t.reason or ("the transfer is %s"):format(t.state))
    end
    local left = deadline - clock.mono()
    if left <= 0 then
      return nil, err.new("timeout", "the transfer takes longer than NTAP_SNAPVAULT_WAIT allows; raise it")
    end
    task.sleep(math.min(pause, left))
    pause = math.min(pause * 1.5, POLL_MOST)
  end
end

-- The next start ends this transfer, should this run die, and nobody else's.
local function note_relation(ctx, client, one)
  local rows = made_for(client, one)
  if not rows then return true end
  one.relation = rows[1] and rows[1].uuid or "gone" -- its transfer has ended
  return catalog.save(ctx, ctx.record)
end

local function transfer(ctx, object, one, deadline)
  local controller = ctx.controllers[object.controller]
  local client, failed = connect.rest(controller)
  if not client then return nil, failed end
  local function refused(why)
    -- Asked over REST, whatever else the controller is asked over.
    local over_rest = setmetatable({ transport = "rest" }, { __index = controller })
    return nil, privileges.explain(over_rest, why, "restore from a vault")
  end
  local others
  others, failed = restores_to(client, one.to)
  if not others then return refused(failed) end
  local done, begun = false, nil
  -- Also for an interrupt: what still writes beside the disk would do so when the path is taken away. A volume has one
  -- relationship: somebody else's was in our way, and is not ours to end.
  local _transfer <close> = setmetatable({}, { __close = function()
    if not done and (begun or #others == 0) then give_up(client, one) end
  end })
  begun, failed = client:mirror_restore(one.from, one.to, ctx.snapshot, { files = { { from = object.path, to = one.path } } })
  if not begun then return refused(failed) end
  if begun.planned then
    done = true
    return true
  end
  local ok
  ok, failed = note_relation(ctx, client, one)
  if ok then ok, failed = wait(client, one.to, begun.transfer, deadline) end
  done = ok == true
  return ok, failed
end

local function fetch_one(ctx, item, i, deadline)
  local object, place = item.objects[i], item.vault[i]
  local path = path_beside(object.path, ctx.record)
  local what = ("%s:%s from the vault %s"):format(object.controller, object.mapping, place.destination)
  log.info("Fetching [%s], Snapshot copy [%s]", what, ctx.snapshot)
  local ok
  local one, failed = note(ctx, object, place, path)
  if one then ok, failed = transfer(ctx, object, one, deadline) end
  if not ok then return nil, err.coded(CODE, what, failed, { exit = 1 }) end
  if ctx.dry_run then return true end
  local info
  info, failed = ctx.controllers[object.controller].client:file_info(("/vol/%s/%s"):format(object.volume, path))
  if info and info.size ~= item.infos[i].size then
    failed = err.new("io", ("what came has %d bytes instead of %d"):format(info.size, item.infos[i].size))
    info = nil
  end
  if not info then return nil, err.coded(CODE, what, failed, { exit = 1 }) end
  place.path = path
  log.info("Fetching [%s] finished successfully", what)
  return true
end

--- Fetch what the guests need from vaults, disk after disk. Touches no disk: after a failure the guests run on as they
-- are. Waits for NTAP_SNAPVAULT_WAIT minutes at most.
-- @tparam table ctx with `record`; items with `vault`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err STORAGE-02025
function restore_vault.fetch(ctx)
  local deadline = clock.mono() + ctx.cfg:get("NTAP_SNAPVAULT_WAIT") * 60
  for _, item in ipairs(ctx.items) do
    for i in ipairs(item.objects) do
      if item.vault[i] then
        local ok, failed = fetch_one(ctx, item, i, deadline)
        if not ok then return nil, failed end
        if ctx.dry_run then item.vault[i].path = path_beside(item.objects[i].path, ctx.record) end
      end
    end
  end
  return true
end

local function remove(ctx, record, one)
  if not ctx.controllers[one.controller] then return nil, err.new("not_found", "its controller is not in NTAP_USERS") end
  if one.path ~= path_beside(one.own, record) then return nil, err.new("conflict", "a restore does not fetch to there") end
  local object = { provider = one.provider, controller = one.controller, volume = one.volume, path = one.own,
    file = one.file }
  return storage.remove(ctx, object, one.path)
end

-- The transfer of a run that died goes on at the controller, and would write the file again.
local function end_transfer(ctx, one)
  local controller = ctx.controllers[one.controller]
  local client = controller and one.from and connect.rest(controller)
  if client and next(made_for(client, one) or {}) then give_up(client, one) end
end

local function clean(ctx, record)
  local left = {}
  for _, one in ipairs(record.beside or {}) do
    if record.id ~= ctx.id then end_transfer(ctx, one) end
    local ok, failed = remove(ctx, record, one)
    if ok then
      if not ctx.dry_run then
        log.info("What was fetched to [%s:/vol/%s/%s] is gone again", one.controller, one.volume, one.path)
      end
    else
      left[#left + 1] = one
      log.warn("%s:/vol/%s/%s, fetched for a restore, is left: %s", one.controller, one.volume, one.path, failed)
    end
  end
  record.beside = #left > 0 and left or nil
end

--- Take away what this run has fetched; what cannot be is named, and the next restore tries again.
-- @tparam table ctx
function restore_vault.clean(ctx)
  if ctx.record and ctx.record.beside and not ctx.dry_run then clean(ctx, ctx.record) end
end

--- Take away what a restore that died, or could not do it, has fetched, and end its transfer. The config's lock is held.
-- Waits for the controllers and the disk.
-- @tparam table ctx
-- @tparam table record of that restore
-- @treturn[1] boolean true, also when there was nothing
-- @return[2] nil
-- @treturn[2] Err something is left; the record has it
function restore_vault.clean_record(ctx, record)
  if not record.beside then return true end
  clean(ctx, record)
  local ok, failed = true, nil
  if not ctx.dry_run then ok, failed = catalog.save(ctx, record) end
  if not ok then return nil, err.new(failed.code, ("catalog: %s"):format(failed.message)) end
  local one = (record.beside or {})[1]
  if not one then return true end
  return nil, err.new("io", ("%s:/vol/%s/%s, fetched for a restore, is left"):format(one.controller, one.volume, one.path))
end

--- The same for all restores of the config; what is left is named.
-- @tparam table ctx
function restore_vault.clean_stale(ctx)
  if ctx.dry_run then return end
  for _, record in ipairs(catalog.list(ctx) or {}) do
    if record.action == "restore" and record.id ~= ctx.id then
      local ok, failed = restore_vault.clean_record(ctx, record)
      if not ok then log.debug("%s", failed) end
    end
  end
end

return restore_vault
