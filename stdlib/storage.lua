--- The one contract behind which storage stands. A provider is a table with
--
--    name
--    locate(ctx, disk)               storage object of a guest's disk; nil when it is not its kind
--    in_snapshot(ctx, object, name)  whether the snapshot holds the object: {size=} or true
--    ready(ctx, object)              optional: whether a restore could follow, asked while the guest may still run
--    restore(ctx, object, name, info, from)  bring the object back, in place; from: its path in the snapshot, when
--                                    that is another than today's (only with `vault`)
--    vault                           true: objects can be fetched from a secondary, see `std.restore_vault`
--    remove(ctx, object, path)       with `vault`: take away what was fetched to that path below the volume
--
-- and, where many questions at once are cheaper than one after the other, `expect(ctx, disks)` before they are
-- located and `located(ctx)` after, when nothing that was learnt at once may be used any more.
--
-- Objects carry `provider`, `controller`, `volume`, `path` and `mapping`. A site adds a provider with
-- `storage.add`.
-- @module std.storage

local err = require "std.err"

local storage = { providers = { (require "std.nas"), (require "std.san") } }

local by_name = {}
for _, provider in ipairs(storage.providers) do by_name[provider.name] = provider end

--- Add a provider; it is asked before the shipped ones.
-- @tparam table provider
-- @raise when a function of the contract is missing
-- @usage
-- require("std.storage").add { name = "mine", locate = function() end, in_snapshot = function() return true end,
--   restore = function() return true end }
function storage.add(provider)
  for _, name in ipairs { "locate", "in_snapshot", "restore" } do
    if type(provider[name]) ~= "function" then error(("storage.add: provider lacks %s()"):format(name), 2) end
  end
  table.insert(storage.providers, 1, provider)
  by_name[provider.name] = provider
end

--- Do something with many disks located in it: the providers may ask for all of them at once.
-- @tparam table ctx
-- @tparam {table,...} disks as from `engine.domxml`
-- @tparam function fn
-- @return what fn returned
function storage.with_expected(ctx, disks, fn)
  local function each(name, ...)
    for _, provider in ipairs(storage.providers) do
      if provider[name] then provider[name](ctx, ...) end
    end
  end
  local _ended <close> = setmetatable({}, { __close = function() each "located" end })
  each("expect", disks)
  return fn()
end

--- The storage object of a disk.
-- @tparam table ctx
-- @tparam table disk as from `engine.domxml`
-- @treturn[1] table
-- @return[2] nil
-- @treturn[2] Err kvm-00005 when no provider knows it
function storage.locate(ctx, disk)
  for _, provider in ipairs(storage.providers) do
    local object, failed = provider.locate(ctx, disk)
    if object or failed then return object, failed end
  end
  return nil, err.new("unsupported", ("disk %s is of type %s (%s), which nothing here can back up"):format(disk.target,
    disk.type, disk.path or "no path"), { scf = "kvm-00005" })
end

--- Whether a snapshot holds an object.
-- @tparam table ctx
-- @tparam table object
-- @tparam string snapshot
-- @treturn[1] table|boolean
-- @return[2] nil
-- @treturn[2] Err
function storage.in_snapshot(ctx, object, snapshot)
  return by_name[object.provider].in_snapshot(ctx, object, snapshot)
end

--- Whether this host can follow a restore of an object: asked before its guest is powered off, so that what
-- cannot be restored stays in use.
-- @tparam table ctx
-- @tparam table object
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function storage.ready(ctx, object)
  local ready = by_name[object.provider].ready
  if not ready then return true end
  return ready(ctx, object)
end

--- Restore an object in place.
-- @tparam table ctx
-- @tparam table object
-- @tparam string snapshot
-- @param info what `in_snapshot` gave
-- @tparam[opt] string from path below the volume in the snapshot, when it is another one there
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err with `started`
function storage.restore(ctx, object, snapshot, info, from)
  return by_name[object.provider].restore(ctx, object, snapshot, info, from)
end

--- Whether objects of this kind can be fetched from a secondary.
-- @tparam table object
-- @treturn boolean
function storage.has_vault(object)
  return by_name[object.provider].vault == true
end

--- Take away what was fetched beside an object.
-- @tparam table ctx
-- @tparam table object
-- @tparam string path below the volume
-- @treturn[1] boolean true, also when it is not there
-- @return[2] nil
-- @treturn[2] Err
function storage.remove(ctx, object, path)
  return by_name[object.provider].remove(ctx, object, path)
end

--- The distinct volumes of objects, in their order.
-- @tparam {table,...} objects
-- @treturn {{controller=string,volume=string},...}
function storage.volumes(objects)
  local list, seen = {}, {}
  for _, object in ipairs(objects) do
    local key = object.controller .. ":" .. object.volume
    if not seen[key] then
      seen[key] = true
      list[#list + 1] = { controller = object.controller, volume = object.volume }
    end
  end
  return list
end

return storage
