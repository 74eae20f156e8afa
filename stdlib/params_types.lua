--- Values of configuration parameters: text in, typed value out.
-- Every parser is called with the trimmed, non-empty text and the row of the parameter. It returns
-- the value, or nil, what is wrong, and what to write in its place.
-- Parsers of parameters with passwords never repeat a piece of the text: a password that holds the
-- separator would otherwise end up in a message.
-- @module std.params_types

local guests = require "std.params_guests"
local lists = require "std.params_lists"
local blanks = require "std.blanks"

local types = {}

local HOST, is_host, quote, split, take_host = lists.HOST, lists.is_host, lists.quote, lists.split, lists.take_host
local by_host, map_by_host, parts_of = lists.by_host, lists.map_by_host, lists.parts_of

--- What a value of each type looks like, for help and for error messages.
-- @table types.format
types.format = {
  yn = "Y or N",
  int = "a whole number",
  seconds = "a whole number of seconds",
  minutes = "a whole number of minutes",
  days = "a whole number of days",
  text = "text",
  enum = "one of the listed values",
  list = "name1,name2",
  volumes = "controller1:volume1,volume2;controller2:volume1",
  retentions = "daily:7,weekly:4",
  age = "15, or daily:15,weekly:30",
  users = "controller1:user/password;controller2:user/password",
  interfaces = "controller1:interface1;controller2:interface2",
  secondaries = "controller1:source1/destination1;controller2:source2/destination2",
  mapping = "VM1:controller1:/vol/vol1/lun1;VM2:controller2:/vol/vol2/image;",
  path = "an absolute path",
  paths = "an absolute path, or controller1:/path1;controller2:/path2",
  pins = "sha256//HASH, or controller1:sha256//HASH1;controller2:sha256//HASH2",
  command = "a command line",
  regex = "a regular expression",
  clone_volumes = "controller1:secondary1/volume1;controller1:secondary1/volume2",
  igroups = "controller1:volume1/igroup1,volume2/igroup2;controller2:volume1/igroup1",
  agent = "host:port",
  methods = guests.METHODS,
  pauses = guests.PAUSES,
  apart = guests.APART,
}

types.methods, types.apart, types.pauses = guests.methods, guests.apart, guests.pauses

local function number(text, row)
  local format = types.format[row.type]
  local low, high = row.min, row.max
  local want = low and high and ("%s from %d to %d"):format(format, low, high)
    or low and ("%s, %d or more"):format(format, low) or format
  local value = text:find("^%d+$") and math.tointeger(tonumber(text))
  if not value then return nil, quote(text) .. " is not a whole number", want end
  if low and value < low then return nil, quote(text) .. " is too small", want end
  if high and value > high then return nil, quote(text) .. " is too large", want end
  return value
end

--- A whole number within the row's limits.
-- @function types.int
-- @function types.seconds
-- @function types.minutes
-- @function types.days
-- @tparam string text
-- @tparam table row
types.int, types.seconds, types.minutes, types.days = number, number, number, number

--- Y or N in either case, as a boolean.
function types.yn(text)
  local upper = text:upper()
  if upper == "Y" then return true end
  if upper == "N" then return false end
  return nil, quote(text) .. " is neither Y nor N", types.format.yn
end

--- Text, of the form that the row gives if it gives one. Commands and regular expressions are text too.
function types.text(text, row)
  if row.pattern and not text:find(row.pattern) then
    return nil, quote(text) .. " does not have the right form", row.hint
  end
  return text
end

types.command, types.regex = types.text, types.text

--- One of the row's values, whatever its case; spelt as in the row.
function types.enum(text, row)
  for _, value in ipairs(row.values) do
    if value:upper() == text:upper() then return value end
  end
  return nil, quote(text) .. " is not an allowed value", "one of " .. table.concat(row.values, ", ")
end

--- An absolute path.
function types.path(text)
  if text:sub(1, 1) ~= "/" then return nil, quote(text) .. " is not an absolute path", "a path that begins with /" end
  return text
end

-- One value for every controller, or "controller1:value1;controller2:value2": {all=,map={controller=value}}.
local function by_controller(text, format, is_value)
  if is_value(text) then return { all = text, map = {} } end
  if not lists.take_host(text) then return nil, ("entry 1 %s does not have the right form"):format(quote(text)), format end
  local map, problem, want = map_by_host(text, format, function(value)
    if is_value(value) then return value end
    return nil, quote(value) .. " does not have the right form"
  end)
  if not map then return nil, problem, want end
  return { map = map }
end

--- A file for every controller, or one per controller: {all=,map={controller=path}}.
function types.paths(text)
  return by_controller(text, types.format.paths, function(value)
    return value:sub(1, 1) == "/" and not value:find(";", 1, true)
  end)
end

--- A pinned public key for every controller, or one per controller: {all=,map={controller=pin}}.
function types.pins(text)
  return by_controller(text, types.format.pins, function(value) return value:find("^sha256//[%w+/]+=*$") ~= nil end)
end

--- Names between commas, each once: {name,...}.
function types.list(text)
  if text:find(";", 1, true) then
    return nil, "';' does not separate names", types.format.list
  end
  local items, problem = split(text, ",")
  if not items then return nil, problem, types.format.list end
  -- A name written twice means the same as once; acting on it twice would not.
  local names, seen = {}, {}
  for _, name in ipairs(items) do
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  return names
end

--- Volumes per controller, in the order written: {{controller=,volumes={...}},...}.
function types.volumes(text)
  local format = types.format.volumes
  local items, problem, want = by_host(text, format)
  if not items then return nil, problem, want end
  local list, known = {}, {}
  for i, item in ipairs(items) do
    local host = item.host
    if item.rest == "" then return nil, ("entry %d names no volume of %s"):format(i, quote(host)), format end
    local volumes
    volumes, problem, want = parts_of(i, item.rest, format)
    if not volumes then return nil, problem, want end
    local at = known[host]
    if not at then
      at = { controller = host, volumes = {}, seen = {} }
      known[host] = at
      list[#list + 1] = at
    end
    for _, volume in ipairs(volumes) do
      if not volume:find(HOST) then
        return nil, ("entry %d: %s is not a volume name"):format(i, quote(volume)), format
      end
      if at.seen[volume] then
        return nil, ("volume %s of %s is given twice"):format(quote(volume), quote(host)), "each volume once"
      end
      at.seen[volume] = true
      at.volumes[#at.volumes + 1] = volume
    end
  end
  for _, at in ipairs(list) do at.seen = nil end
  return list
end

-- "policy:number,policy:number"; number parses the part after the colon.
local function by_policy(text, format, read)
  local items, problem = split(text, ",")
  if not items then return nil, problem, format end
  local list, seen = {}, {}
  for i, item in ipairs(items) do
    local policy, digits = blanks.cut(item, ":")
    if not policy then return nil, ("entry %d %s has no ':'"):format(i, quote(item)), format end
    if not policy:find("^[%w_%-]+$") then
      return nil, ("entry %d: %s is not a policy name"):format(i, quote(policy)),
        "a name of letters, digits, '_' and '-'"
    end
    if policy == "restore" then
      return nil, "the policy name 'restore' is kept for the safety snapshots of restores", "another name"
    end
    if seen[policy] then return nil, ("policy %s is given twice"):format(quote(policy)), "each policy once" end
    local value, wrong, want = read(digits)
    if not value then return nil, ("policy %s: %s"):format(quote(policy), wrong), want end
    seen[policy] = value
    list[#list + 1] = { policy = policy, value = value }
  end
  return list, seen
end

--- Copies per policy: {{policy=,count=},...,map={policy=count}}.
function types.retentions(text)
  local list, map, want = by_policy(text, types.format.retentions, function(digits)
    return number(digits, { type = "int", min = 0 })
  end)
  if not list then return nil, map, want end
  local result = { map = map }
  for i, item in ipairs(list) do result[i] = { policy = item.policy, count = item.value } end
  return result
end

--- Days for all policies, or per policy: {all=,map={policy=days}}.
function types.age(text)
  -- An age of 0 days would delete a copy that was made a second ago.
  local row = { type = "days", min = 1, max = 36500 }
  if not text:find(":", 1, true) then
    local all, wrong, want = number(text, row)
    if not all then return nil, wrong, want .. ", or " .. "daily:15,weekly:30" end
    return { all = all, map = {} }
  end
  local list, map, want = by_policy(text, types.format.age, function(digits) return number(digits, row) end)
  if not list then return nil, map, want end
  return { map = map }
end

--- Credentials per controller: {controller={user=,password=}}. The password may hold ':' and '/'. Where there
-- is none, `entry` says in which entry, and `std.config_check` demands a client certificate.
function types.users(text)
  local format = types.format.users
  local items, problem = split(text, ";")
  if not items then return nil, problem, format end
  local users, first = {}, {}
  for i, item in ipairs(items) do
    local host, rest = take_host(item)
    if not host then return nil, ("entry %d has no ':'"):format(i), format end
    if not is_host(host) then return nil, ("entry %d does not begin with a controller name"):format(i), format end
    local user, password = rest:match("^([^/]-)/(.*)$")
    user = user or rest
    if user == "" then return nil, ("entry %d has no user"):format(i), format end
    if password == "" then return nil, ("entry %d has no password"):format(i), format end
    if first[host] then
      return nil, ("entry %d names the same controller as entry %d"):format(i, first[host]), "each controller once"
    end
    first[host] = i
    users[host] = { user = user, password = password, entry = not password and i or nil }
  end
  return users
end

--- Address per controller: {controller=interface}.
function types.interfaces(text)
  return map_by_host(text, types.format.interfaces, function(interface)
    if is_host(interface) then return interface end
    return nil, quote(interface) .. " is not a host name or address",
      "a name, an IPv4 address, or an IPv6 address in brackets"
  end)
end

--- Names in relationships per controller: {controller={source=,destination=}}.
function types.secondaries(text)
  return map_by_host(text, types.format.secondaries, function(rest)
    local source, destination = rest:match("^([^/]+)/([^/]+)$")
    if source and is_host(source) and is_host(destination) then
      return { source = source, destination = destination }
    end
    return nil, quote(rest) .. " is not source/destination"
  end)
end

--- Split a storage path of the form /vol/VOLUME/REST.
-- @tparam string path
-- @treturn[1] string the volume
-- @treturn[1] string what stands below the volume
-- @return[2] nil
-- @treturn[2] string what is wrong with the path
function types.storage_path(path)
  local volume, rest = path:match("^/vol/([^/]+)/(.+)$")
  if not volume then return nil, quote(path) .. " is not a path below a volume" end
  if not volume:find(HOST) then return nil, quote(volume) .. " is not a volume name" end
  if rest:sub(-1) == "/" then return nil, quote(path) .. " ends in '/'" end
  -- A path that climbs would restore over a file outside the volume it names.
  if ("/" .. rest .. "/"):find("/../", 1, true) or volume == ".." or volume == "." then
    return nil, quote(path) .. " holds '..'"
  end
  return volume, rest
end

--- Disks of guests, in the order written: {{vm=,controller=,path=,volume=,file=},...}.
function types.mapping(text)
  local format = types.format.mapping
  local items, problem = split(text, ";")
  if not items then return nil, problem, format end
  local list, seen = {}, {}
  for i, item in ipairs(items) do
    local vm, rest = blanks.cut(item, ":")
    local host, path
    if vm then host, path = take_host(rest) end
    if not path then return nil, ("entry %d %s does not have three fields"):format(i, quote(item)), format end
    if vm == "" then return nil, ("entry %d names no guest"):format(i), format end
    if not is_host(host) then return nil, ("entry %d: %s is not a controller name"):format(i, quote(host)), format end
    local volume, file = types.storage_path(path)
    if not volume then return nil, ("entry %d: %s"):format(i, file), "/vol/<volume>/<path of the LUN or file>" end
    local key = vm .. "\0" .. path
    if seen[key] then
      return nil, ("entry %d gives guest %s the same path as entry %d"):format(i, quote(vm), seen[key]),
        "each disk once"
    end
    seen[key] = i
    list[i] = { vm = vm, controller = host, path = path, volume = volume, file = file }
  end
  return list
end

--- Initiator groups of volumes, in the order written: {{controller=,volume=,igroup=},...}.
function types.igroups(text)
  local format = types.format.igroups
  local items, problem, want = by_host(text, format)
  if not items then return nil, problem, want end
  local list, seen = {}, {}
  for i, item in ipairs(items) do
    local host = item.host
    local pairs_of
    pairs_of, problem, want = parts_of(i, item.rest, format)
    if not pairs_of then return nil, problem, want end
    for _, pair in ipairs(pairs_of) do
      local volume, igroup = pair:match("^([^/%s]+)%s*/%s*([%w_%.%-:]+)$")
      if not volume or not volume:find(HOST) then
        return nil, ("entry %d: %s is not volume/igroup"):format(i, quote(pair)), format
      end
      if seen[host .. ":" .. volume] then
        return nil, ("volume %s of %s is given twice"):format(quote(volume), quote(host)), "one igroup for each volume"
      end
      seen[host .. ":" .. volume] = true
      list[#list + 1] = { controller = host, volume = volume, igroup = igroup }
    end
  end
  return list
end

--- Volumes on secondaries, by the controller of their source: {{source=,controller=,volume=},...}, in the order written.
function types.clone_volumes(text)
  local format = types.format.clone_volumes
  local items, problem, want = by_host(text, format)
  if not items then return nil, problem, want end
  local list = {}
  for i, item in ipairs(items) do
    local parts
    parts, problem, want = parts_of(i, item.rest, format)
    if not parts then return nil, problem, want end
    for _, part in ipairs(parts) do
      local host, volume = part:match("^([^/%s]+)%s*/%s*([%w_]+)$")
      if not host or not is_host(host) then
        return nil, ("entry %d: %s is not secondary/volume"):format(i, quote(part)), format
      end
      list[#list + 1] = { source = item.host, controller = host, volume = volume }
    end
  end
  return list
end

--- One host with an optional port: {host=,port=}.
function types.agent(text)
  if text:find("[,;]") then return nil, "there is more than one host", "one host, since a config has one KVM host" end
  local host, port = take_host(text)
  if not host then host = text end
  if not is_host(host) then return nil, quote(text) .. " is not a host", types.format.agent end
  if port then
    local value, wrong = number(port, { type = "int", min = 1, max = 65535 })
    if not value then return nil, "port " .. wrong, types.format.agent end
    port = value
  end
  return { host = host, port = port or nil }
end

return types
