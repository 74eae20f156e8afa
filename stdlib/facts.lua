--- What a run has looked at: of what its reading calls gave, the part that stays while nobody changes anything.
-- A plan is held against it; see `std.plans`.
-- @module std.facts

local domxml = require "engine.domxml"
local json = require "engine.json"

local facts = {}

local function guest_disks(call, put)
  local parsed = domxml.parse(call.result)
  if not parsed then return end
  local list = { "uuid " .. tostring(parsed.uuid) }
  for _, disk in ipairs(parsed.disks) do
    list[#list + 1] = ("%s: %s %s"):format(disk.target or "-", disk.device or "-",
      disk.path or disk.source and json.encode(disk.source) or "empty") .. (disk.serial and " serial " .. disk.serial or "")
  end
  put(("disks of guest '%s'%s"):format(call.object, call.args.inactive and " at its next start" or ""), list)
end

local function rows(call) return call.result.rows or call.result end

-- Of a reading call: put(what, value), value a text or a list of texts whose order says nothing.
local READERS = {
  ["domain.state"] = function(call, put)
    local state = call.result.state
    put(("state of guest '%s'"):format(call.object), state == "blocked" and "running" or state)
  end,
  ["domain.xml"] = guest_disks,
  ["ontap.identity"] = function(call, put)
    put(("version of controller '%s'"):format(call.object), call.result.version or "untold")
  end,
  ["ontap.volumes"] = function(call, put)
    for _, row in ipairs(rows(call)) do
      put(("volume %s:%s"):format(call.object, row.name),
        ("%s %s uuid %s"):format(row.state or "-", row.type or "-", row.uuid or "-"), row.name)
    end
  end,
  ["ontap.luns"] = function(call, put)
    for _, row in ipairs(rows(call)) do
      put(("LUN %s:%s"):format(call.object, row.path), ("serial %s, %s bytes, uuid %s"):format(row.serial or "-",
        row.size or "-", row.uuid or "-"), row.path:match("^/vol/([^/]+)/"))
    end
  end,
  ["ontap.snapshots"] = function(call, put)
    local list = {}
    for i, row in ipairs(rows(call)) do list[i] = ("%s (%s)"):format(row.name, row.uuid or "no uuid") end
    put(("snapshots of %s:%s%s"):format(call.object, call.args.volume, call.args.name and " named " .. call.args.name or ""),
      list)
  end,
  ["multipath.find"] = function(call, put)
    put(("device %s"):format(call.args.name), ("wwid %s, %s bytes"):format(call.result.wwid or "-", call.result.size or "-"))
  end,
  ["mount.find"] = function(call, put)
    put(("mount of %s"):format(call.args.path), ("%s of %s"):format(call.result.fstype, call.result.source))
  end,
}

local Facts = {}
Facts.__index = Facts

--- An empty collection.
-- @treturn Facts
function facts.new()
  return setmetatable({ values = {}, volumes = {} }, Facts)
end

--- Take in what a call gave; what says nothing that stays is left out.
-- @tparam table call as `engine.plan.observe` hands it over
function Facts:take(call)
  local read = READERS[call.op]
  if not read or call.result == nil then return end
  read(call, function(what, value, volume)
    if type(value) == "table" then table.sort(value) end
    self.values[what], self.volumes[what] = value, volume
  end)
end

-- The volumes that steps name.
local function volumes_of(steps)
  local named = {}
  for _, step in ipairs(steps) do
    local args = step.args or {}
    for _, name in ipairs(type(args.volumes) == "table" and args.volumes or {}) do named[name] = true end
    if args.volume then named[args.volume] = true end
    local path = type(args.path) == "string" and args.path:match("^/vol/([^/]+)/")
    if path then named[path] = true end
  end
  return named
end

--- What matters for these steps: of lists of all volumes and LUNs only those that a step names, all else as it is.
-- @tparam {Step,...} steps
-- @treturn {string=string|table} what was looked at -> what it was
function Facts:relevant(steps)
  local named, out = volumes_of(steps), {}
  for what, value in pairs(self.values) do
    local volume = self.volumes[what]
    if not volume or named[volume] then out[what] = value end
  end
  return out
end

local function list_difference(what, planned, now)
  local had, has = {}, {}
  for _, item in ipairs(planned) do had[item] = true end
  for _, item in ipairs(now) do has[item] = true end
  for _, item in ipairs(now) do
    if not had[item] then return ("%s: '%s' is not in the plan"):format(what, item) end
  end
  for _, item in ipairs(planned) do
    if not has[item] then return ("%s: '%s' is in the plan and not there any more"):format(what, item) end
  end
end

--- How one fact differs.
-- @tparam string what
-- @param planned its value in the plan
-- @param now its value now; nil: nobody looked
-- @treturn ?string nil when it does not
function facts.difference(what, planned, now)
  if type(planned) == "table" and type(now) == "table" then return list_difference(what, planned, now) end
  if planned == now then return nil end
  local function show(value) return type(value) == "table" and table.concat(value, ", ") or tostring(value) end
  if now == nil then return ("%s: '%s' in the plan, and not to be seen now"):format(what, show(planned)) end
  return ("%s: '%s' in the plan, '%s' now"):format(what, show(planned), show(now))
end

return facts
