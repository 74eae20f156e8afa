-- Consistency groups against controllers that answer as told: order of the calls, retries, what is left behind.
local consistency = require "std.consistency"
local err = require "std.err"
local events = require "std.events"
local log = require "std.log"
local t = require "std.test"

log.open { quiet = true }

-- A controller whose calls are written down; answers[verb] is a function, or a list of them, one for each call.
local function controller(name, world, answers)
  local client, used = {}, {}
  local function answer(verb, ...)
    local how = answers[verb]
    if type(how) == "table" then
      used[verb] = (used[verb] or 0) + 1
      how = how[math.min(used[verb], #how)]
    end
    return how(...)
  end
  for _, verb in ipairs { "cg_start", "cg_commit", "cg_groups", "snapshots", "snapshot_delete", "ems_log" } do
    client[verb] = function(_, ...)
      local first = ...
      world[#world + 1] = name .. " " .. verb .. (type(first) == "string" and " " .. first or "")
      return answer(verb, ...)
    end
  end
  return { name = name, client = client, transport = answers.transport or "zapi", svm = answers.svm }
end

local DEFAULTS = { NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT = 0, NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_WAIT = 0,
  NTAP_CONSISTENCY_GROUP_TIMEOUT = "MEDIUM", SC_AGENT_UNQUIESCE_TIMEOUT = 605 }

local function context(controllers, values)
  local ctx = { controllers = {}, action = "backup", config_name = "kvm", policy = "daily" }
  for i, c in ipairs(controllers) do ctx.controllers[i], ctx.controllers[c.name] = c, c end
  ctx.cfg = { get = function(_, name)
    if values and values[name] ~= nil then return values[name] end
    return DEFAULTS[name]
  end }
  return ctx
end

local function started() return { id = "7" } end
local function yes() return true end
local function refuse(code) return function() return nil, err.new(code, "told to be " .. code) end end
local VOLUMES = { { controller = "a", volume = "v1" }, { controller = "b", volume = "w1" },
  { controller = "a", volume = "v2" } }

local function fresh()
  local list = {}
  for i, v in ipairs(VOLUMES) do list[i] = { controller = v.controller, volume = v.volume } end
  return list
end

local function take(ctx) return consistency.snapshot(ctx, fresh(), "s1", { comment = "mine", label = "daily" }) end

t.case("all groups are started before the first one is committed", function()
  local world, got = {}, nil
  local function start(names, name, opts)
    got = got or { names, name, opts }
    return { id = "7" }
  end
  local a = controller("a", world, { cg_start = start, cg_commit = yes })
  local b = controller("b", world, { cg_start = started, cg_commit = yes })
  t.ok(take(context { a, b }))
  t.eq(got, { { "v1", "v2" }, "s1", { timeout = 7, comment = "mine", label = "daily" } })
  t.eq(world, { "a cg_start", "b cg_start", "a cg_commit 7", "b cg_commit 7" })
end)

t.case("the time a controller waits is the parameter's", function()
  for word, seconds in pairs { URGENT = 5, MEDIUM = 7, RELAXED = 20 } do
    local seen
    local function start(_, _, o)
      seen = o.timeout
      return { id = "1" }
    end
    local a = controller("a", {}, { cg_start = start, cg_commit = yes })
    local b = controller("b", {}, { cg_start = started, cg_commit = yes })
    t.ok(take(context({ a, b }, { NTAP_CONSISTENCY_GROUP_TIMEOUT = word })))
    t.eq(seen, seconds)
  end
end)

t.case("one step where the controller has only one", function()
  local world = {}
  local a = controller("a", world, { cg_start = function() return { id = "g", committed = true } end, cg_commit = yes })
  local b = controller("b", world, { cg_start = started, cg_commit = yes })
  t.ok(take(context { a, b }))
  t.eq(world, { "a cg_start", "b cg_start", "b cg_commit 7" })
end)

t.case("a start that fails commits nothing", function()
  local world = {}
  local a = controller("a", world, { cg_start = started, cg_commit = yes })
  local b = controller("b", world, { cg_start = refuse("conflict"), cg_commit = yes })
  local ok, failed = take(context { a, b })
  t.err(ok, failed, "conflict", "w1 of controller 'b': told to be conflict")
  t.eq(failed.scf, "STORAGE-02003")
  t.eq(world, { "a cg_start", "b cg_start" })
end)

t.case("a commit that fails has its own code, and the others are waited for", function()
  local world = {}
  local a = controller("a", world, { cg_start = started, cg_commit = refuse("conflict") })
  local b = controller("b", world, { cg_start = started, cg_commit = yes })
  local ok, failed = take(context { a, b })
  t.err(ok, failed, "conflict", "v1, v2 of controller 'a'")
  t.eq(failed.scf, "STORAGE-02006")
  t.eq(#world, 4)
end)

t.case("a lost answer to the commit is decided by looking at each volume", function()
  for _, there in ipairs { true, false } do
    local world = {}
    local a = controller("a", world, { cg_start = started, cg_commit = refuse("timeout"),
      snapshots = function(volume) return (there or volume == "v1") and { { name = "s1" } } or {} end })
    local b = controller("b", world, { cg_start = started, cg_commit = yes })
    local ok, failed = take(context { a, b })
    if there then t.ok(ok, failed) else t.err(ok, failed, "timeout") end
  end
end)

t.case("a try that failed is repeated, after what it left is gone", function()
  local world, deleted = {}, {}
  local rows = { v1 = { name = "s1", comment = "", uuid = "u1" }, w1 = { name = "s1", comment = "somebody's" } }
  local answers = { cg_start = { refuse("busy"), started }, cg_commit = yes,
    snapshots = function(volume) return rows[volume] and not deleted[volume] and { rows[volume] } or {} end,
    snapshot_delete = function(volume, name, o)
      deleted[volume] = name .. " " .. tostring(o.uuid)
      return true
    end }
  local a = controller("a", world, answers)
  local b = controller("b", world, { cg_start = started, cg_commit = yes, snapshots = answers.snapshots,
    snapshot_delete = answers.snapshot_delete })
  local ok, failed = take(context({ a, b }, { NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT = 1 }))
  t.ok(ok, failed)
  t.eq(deleted, { v1 = "s1 u1" }) -- never another one's
end)

t.case("as often as the count says, and no longer", function()
  local world = {}
  local a = controller("a", world, { cg_start = refuse("busy"), snapshots = function() return {} end })
  local v = { { controller = "a", volume = "v1" } }
  local ctx = context({ a }, { NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT = 2 })
  t.err(nil, select(2, consistency.snapshot(ctx, v, "s1", { comment = "mine" })), "busy")
  t.eq(table.concat(world, ","), "a cg_start,a snapshots v1,a cg_start,a snapshots v1,a cg_start")
end)

t.case("what stays as it is, is not repeated", function()
  for _, code in ipairs { "denied", "unsupported", "not_found", "invalid" } do
    local world = {}
    local a = controller("a", world, { cg_start = refuse(code) })
    local ctx = context({ a }, { NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT = 5 })
    t.err(nil, select(2, consistency.snapshot(ctx, { { controller = "a", volume = "v1" } }, "s1", {})), code)
    t.eq(#world, 1, code)
  end
end)

t.case("no try begins that could end after the guests' time", function()
  local world = {}
  local a = controller("a", world, { cg_start = refuse("busy"), snapshots = function() return {} end })
  local ctx = context({ a }, { NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT = 5, SC_AGENT_UNQUIESCE_TIMEOUT = 6 })
  t.err(nil, select(2, consistency.snapshot(ctx, { { controller = "a", volume = "v1" } }, "s1", {})), "busy")
  t.eq(world, { "a cg_start" })
end)

t.case("over REST the group must stand there already", function()
  local function check(groups, svm)
    local a = controller("a", {}, { transport = "rest", svm = svm, cg_groups = groups })
    local b = controller("b", {}, { transport = "zapi", cg_groups = function() error("asked") end })
    return consistency.check(context { a, b }, fresh())
  end
  local function has(...)
    local rows = { ... }
    return function() return rows end
  end
  t.ok(check(has({ name = "g0", volumes = { "x" } }, { name = "g1", volumes = { "v2", "v1" } })))
  t.ok(check(has { name = "g1", svm = "svm1", volumes = { "v2", "v1" } }, "svm1"))
  local function refused(pattern, ...)
    local ok, failed = check(...)
    t.eq(t.err(ok, failed, "unsupported", pattern).scf, "STORAGE-02003")
    for _, way in ipairs { "make such a group there", "ONTAP_API=zapi", "NTAP_CONSISTENCY_GROUP_SNAPSHOT=N" } do
      t.ok(tostring(failed):find(way, 1, true), way)
    end
  end
  refused("none has exactly these; make", has { name = "g0", volumes = { "x" } })
  refused("group 'g1' lacks v2;", has { name = "g1", volumes = { "v1" } })
  refused("group 'g1' also has v3;", has { name = "g1", volumes = { "v1", "v2", "v3" } })
  refused("none has exactly these; make", has { name = "g1", svm = "svm2", volumes = { "v1", "v2" } }, "svm1")
  refused("they cannot be listed: told to be unsupported", refuse("unsupported"))
  local ok, failed = check(refuse("denied"))
  t.err(ok, failed, "denied", "told to be denied")
end)

t.case("messages go to controllers that have answered, and fail nothing", function()
  local world, got, kinds = {}, {}, {}
  local function put(source, text, o)
    got[#got + 1] = { source, text, o.level, o.event }
    kinds[#kinds + 1] = ("%s, %s, %s"):format(o.category, o.autosupport and "to support" or "local", type(o.host))
    return true
  end
  local a = controller("a", world, { ems_log = put })
  local b = controller("b", world, { ems_log = refuse("denied") })
  local c = controller("c", world, { ems_log = put })
  c.transport = nil
  local ctx = context { a, b, c }
  events.tell(ctx, "started")
  events.tell(ctx, "finished")
  events.tell(ctx, "failed", err.new("io", "broken")) -- NTAP_ASUP_ERROR_ENABLE is N
  t.eq(got, { { "moonsnap", "backup of config kvm, policy daily, started", 6, 1 },
    { "moonsnap", "backup of config kvm, policy daily, finished", 6, 2 } })
  ctx = context({ a, b, c }, { NTAP_ASUP_ERROR_ENABLE = true })
  events.tell(ctx, "failed", err.new("io", ("x"):rep(400)))
  t.eq({ #got[3][2], got[3][3], got[3][4] }, { 255, 3, 3 })
  t.eq(kinds, { "Backup Started, local, string", "Backup Completed, local, string", "Backup Failed, to support, string" })
  events.tell({ cfg = ctx.cfg }, "started") -- nobody is there yet
  t.raises(function() events.tell(ctx, "odd") end, "'odd' is not a kind")
end)

return t.done()
