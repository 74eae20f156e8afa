--- Which snapshots may go. Decides, never deletes.
-- Everything here is a reason to keep; a copy is deleted only when none of them holds.
-- @module std.retention

local naming = require "std.naming"

local retention = {}

local DAY = 86400

local OPTIONS = { snapshots = "table", sname = "string", policies = "table", policy = "string", count = "number",
  age_days = "number", by_age_only = "boolean", nodelete = "boolean", force = "boolean", now = "number",
  catalog = "function" }

local function check_options(o)
  if type(o) ~= "table" then error("retention.plan: options expected", 3) end
  for key, value in pairs(o) do
    if not OPTIONS[key] then error(("retention.plan: unknown option '%s'"):format(tostring(key)), 3) end
    if type(value) ~= OPTIONS[key] then
      error(("retention.plan: %s must be a %s"):format(key, OPTIONS[key]), 3)
    end
  end
  for _, key in ipairs { "snapshots", "sname", "policies", "policy", "now" } do
    if o[key] == nil then error(("retention.plan: %s is missing"):format(key), 3) end
  end
  if o.by_age_only and not o.age_days then error("retention.plan: by_age_only needs age_days", 3) end
  if not o.by_age_only and not o.count then error("retention.plan: count is missing", 3) end
end

-- Oldest first. Copies of one run share their second, so that names decide between equals.
local function older(a, b)
  if a.created ~= b.created then return a.created < b.created end
  if a.name ~= b.name then return a.name < b.name end
  if a.controller ~= b.controller then return (a.controller or "") < (b.controller or "") end
  return (a.volume or "") < (b.volume or "")
end

local function with_reason(snapshot, reason)
  local copy = {}
  for key, value in pairs(snapshot) do copy[key] = value end
  copy.reason = reason
  return copy
end

-- Why a name is not up for deletion at all, or nil and what it was read as.
local function not_ours(o, snapshot)
  local found = naming.parse(snapshot.name, o.sname, o.policies)
  if not found then
    if naming.parse_safety(snapshot.name, o.sname) then return "taken before a restore" end
    return "not a backup of this config"
  end
  if found.policy ~= o.policy then return ("belongs to policy '%s'"):format(found.policy) end
  if found.unlimited then return "renamed to be kept for ever" end
  return nil
end

local function blocked_by(snapshot)
  if snapshot.owners and #snapshot.owners > 0 then
    return ("in use on the controller by %s"):format(table.concat(snapshot.owners, ", "))
  end
  if snapshot.busy then return "in use on the controller" end
  local dependency = snapshot.dependency
  if dependency and dependency ~= "" then
    return dependency == true and "something depends on it" or ("something depends on it: %s"):format(dependency)
  end
  return nil
end

-- Reason to keep a candidate, or nil and the reason to delete it. newer is the number of good copies
-- that are newer than it.
local function judge(o, snapshot, newer)
  if o.nodelete then return "NTAP_SNAPSHOT_NODELETE=Y" end
  local old = o.age_days and o.now - snapshot.created > o.age_days * DAY
  if o.by_age_only then
    if not old then return ("not older than %g days"):format(o.age_days) end
    return nil, ("older than %g days"):format(o.age_days)
  end
  if o.count == 0 then return "the policy is switched off by its count of 0" end
  if newer < o.count then return ("one of the newest %d"):format(o.count) end
  if o.age_days and not old then return ("beyond %d copies, but not older than %g days"):format(o.count, o.age_days) end
  if o.age_days then return nil, ("beyond %d copies and older than %g days"):format(o.count, o.age_days) end
  return nil, ("beyond %d copies"):format(o.count)
end

-- One volume: list is its snapshots.
local function plan_volume(o, list, result)
  local candidates = {}
  for _, snapshot in ipairs(list) do
    local reason = not_ours(o, snapshot)
    if reason then
      result.keep[#result.keep + 1] = with_reason(snapshot, reason)
    else
      candidates[#candidates + 1] = snapshot
    end
  end
  table.sort(candidates, function(a, b) return older(b, a) end)

  -- A copy of a run that failed may not be usable: it takes no place of a good one, and goes when as
  -- many good ones stand behind it. Without any good one the newest copy is all there is.
  local newest
  for _, snapshot in ipairs(candidates) do
    if not (o.catalog and o.catalog(snapshot.name) == "failed") then
      newest = snapshot
      break
    end
  end
  newest = newest or candidates[1]

  local good = 0
  for _, snapshot in ipairs(candidates) do
    local keep, why = judge(o, snapshot, good)
    if snapshot == newest and not keep then keep = "the newest good copy" end
    local blocked = not keep and not o.force and blocked_by(snapshot)
    if keep then
      result.keep[#result.keep + 1] = with_reason(snapshot, keep)
    elseif blocked then
      result.blocked[#result.blocked + 1] = with_reason(snapshot, blocked)
    else
      result.delete[#result.delete + 1] = with_reason(snapshot, why)
    end
    if not (o.catalog and o.catalog(snapshot.name) == "failed") then good = good + 1 end
  end
end

--- Decide which snapshots of a policy are to be deleted.
-- Volumes are looked at one by one. Never deleted: a name that is not certainly a backup of this SNAME
-- and policy, one that ends in _unlimited, a restore's safety copy, the newest good copy. The count
-- includes the copy just made; copies of failed backups are not counted. With a count and an age a copy
-- goes only when it is beyond the one and older than the other. A count of 0 deletes nothing.
-- @tparam table o
-- @tparam {table,...} o.snapshots of any volumes: name, created (epoch), volume, controller, busy, owners
--   (names), dependency (text or true)
-- @tparam string o.sname
-- @tparam table o.policies all policies of the config: names, or a value of type retentions
-- @tparam string o.policy the policy of this run
-- @tparam integer o.count copies to keep (may be absent with by_age_only)
-- @tparam[opt] number o.age_days
-- @tparam[opt=false] boolean o.by_age_only the count does not matter
-- @tparam[opt=false] boolean o.nodelete keep everything
-- @tparam[opt=false] boolean o.force delete also what is busy or has a dependency
-- @tparam integer o.now epoch
-- @tparam[opt] function o.catalog name to "ok", "failed" or nil; what it does not know counts as good
-- @treturn {delete={table,...},keep={table,...},blocked={table,...}} every snapshot once, as a copy with
--   a reason; each list oldest first
-- @raise if an option is unknown, missing or of the wrong type
-- @usage
-- local plan = require("std.retention").plan { sname = "web", policies = { "daily" }, policy = "daily", count = 1,
--   now = 1800000000, snapshots = {
--     { name = "web-daily_20261124020000", created = 1795485600, volume = "vol1", controller = "svm1" },
--     { name = "web-daily_20261125020000", created = 1795572000, volume = "vol1", controller = "svm1" } } }
-- assert(#plan.delete == 1 and plan.delete[1].name == "web-daily_20261124020000")
function retention.plan(o)
  check_options(o)
  local volumes, order = {}, {}
  for i, snapshot in ipairs(o.snapshots) do
    if type(snapshot) ~= "table" or type(snapshot.name) ~= "string" or type(snapshot.created) ~= "number" then
      error(("retention.plan: snapshot %d needs name and created"):format(i), 2)
    end
    local key = (snapshot.controller or "") .. "\0" .. (snapshot.volume or "")
    if not volumes[key] then
      volumes[key] = {}
      order[#order + 1] = key
    end
    table.insert(volumes[key], snapshot)
  end
  local result = { delete = {}, keep = {}, blocked = {} }
  for _, key in ipairs(order) do plan_volume(o, volumes[key], result) end
  for _, list in pairs(result) do table.sort(list, older) end
  return result
end

return retention
