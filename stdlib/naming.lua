--- Snapshot names: make them, and tell which ones are ours.
-- `<SNAME>-<policy>_<YYYYMMDDhhmmss>` or `<SNAME>-<policy>_recent`; a copy renamed to end in
-- `_unlimited` is kept for ever; a restore's safety copy is `<SNAME>-restore_<YYYYMMDDhhmmss>`.
-- Retention deletes by these names, so that reading them is exact: this SNAME, a known policy, a
-- date that exists, and nothing before or behind.
-- @module std.naming

local naming = {}

local SAFETY = "restore"

local function check_text(name, what, value)
  if type(value) ~= "string" or value == "" then error(("naming.%s: %s must be a text"):format(name, what), 3) end
end

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function fields(stamp)
  if type(stamp) ~= "string" or not stamp:find("^%d%d%d%d%d%d%d%d%d%d%d%d%d%d$") then return nil end
  local function part(from, to) return math.tointeger(tonumber(stamp:sub(from, to))) end
  local t = { year = part(1, 4), month = part(5, 6), day = part(7, 8),
    hour = part(9, 10), min = part(11, 12), sec = part(13, 14) }
  if t.year < 1970 or t.month < 1 or t.month > 12 then return nil end
  local leap = t.year % 4 == 0 and (t.year % 100 ~= 0 or t.year % 400 == 0)
  local days = t.month == 2 and leap and 29 or DAYS[t.month]
  if t.day < 1 or t.day > days or t.hour > 23 or t.min > 59 or t.sec > 59 then return nil end
  return t
end

--- Time stamp for a name, in local time.
-- @tparam[opt] integer epoch seconds (default: now)
-- @treturn string YYYYMMDDhhmmss
-- @raise if epoch is not an integer
-- @usage
-- print(require("std.naming").stamp())
function naming.stamp(epoch)
  if epoch ~= nil and not math.tointeger(epoch) then error("naming.stamp: epoch must be an integer", 2) end
  return os.date("%Y%m%d%H%M%S", epoch and math.tointeger(epoch))
end

--- Time of a time stamp.
-- @tparam string stamp YYYYMMDDhhmmss in local time
-- @treturn ?integer seconds; nil when it is not a date that exists
function naming.epoch(stamp)
  local t = fields(stamp)
  return t and os.time(t)
end

--- Name of a backup's snapshots.
-- @tparam table opts
-- @tparam string opts.sname
-- @tparam string opts.policy
-- @tparam[opt] string opts.stamp needed unless recent
-- @tparam[opt=false] boolean opts.recent name of the newest copy when SNAP_TIMESTAMP_ONLY=N
-- @treturn string
-- @raise if a field is missing or the stamp is not a date
function naming.make(opts)
  if type(opts) ~= "table" then error("naming.make: options expected", 2) end
  check_text("make", "sname", opts.sname)
  check_text("make", "policy", opts.policy)
  if opts.recent then return ("%s-%s_recent"):format(opts.sname, opts.policy) end
  if not fields(opts.stamp) then error("naming.make: stamp must be YYYYMMDDhhmmss", 2) end
  return ("%s-%s_%s"):format(opts.sname, opts.policy, opts.stamp)
end

--- Name of the snapshot that a restore takes of what it will overwrite.
-- @tparam string sname
-- @tparam string stamp
-- @treturn string
-- @raise if sname is not a text or stamp not a date
function naming.make_safety(sname, stamp)
  check_text("make_safety", "sname", sname)
  if not fields(stamp) then error("naming.make_safety: stamp must be YYYYMMDDhhmmss", 2) end
  return ("%s-%s_%s"):format(sname, SAFETY, stamp)
end

-- What stands behind "<sname>-<policy>_", or nil.
local function behind(name, sname, policy)
  local head = sname .. "-" .. policy .. "_"
  return name:sub(1, #head) == head and name:sub(#head + 1) or nil
end

--- Attribute a snapshot name to a policy of a config.
-- @tparam string name
-- @tparam string sname the config's SNAME
-- @tparam table policies list of names, or a value of type retentions
-- @treturn ?{policy=string,stamp=?string,recent=boolean,unlimited=boolean} nil when it is not
--   certainly a backup of this SNAME
-- @raise if an argument has the wrong type
-- @usage
-- local found = require("std.naming").parse("web-daily_20261124020000", "web", { "daily" })
-- assert(found.policy == "daily")
function naming.parse(name, sname, policies)
  check_text("parse", "name", name)
  check_text("parse", "sname", sname)
  if type(policies) ~= "table" then error("naming.parse: policies must be a list", 2) end
  for _, policy in ipairs(policies) do
    if type(policy) == "table" then policy = policy.policy end
    local rest = policy ~= SAFETY and behind(name, sname, policy)
    if rest then
      local kept = rest:match("^(.*)_unlimited$")
      local core = kept or rest
      if core == "recent" then return { policy = policy, recent = true, unlimited = kept ~= nil } end
      if fields(core) then
        return { policy = policy, stamp = core, recent = false, unlimited = kept ~= nil }
      end
    end
  end
  return nil
end

--- Recognise a restore's safety snapshot.
-- @tparam string name
-- @tparam string sname
-- @treturn ?{stamp=string}
-- @raise if an argument is not a text
function naming.parse_safety(name, sname)
  check_text("parse_safety", "name", name)
  check_text("parse_safety", "sname", sname)
  local rest = behind(name, sname, SAFETY)
  if rest and fields(rest) then return { stamp = rest } end
  return nil
end

return naming
