-- Many guests are brought back, and some do not answer, raise, or have become somebody else's.
local file = require "engine.file"
local guards = require "engine.guard"
local tasks = require "engine.task"
local virt = require "engine.virt"
local log = require "std.log"
local pausing = require "std.pausing"
local quiesce = require "std.quiesce"
local recover = require "std.recover"
local resuming = require "std.resuming"
local task = require "std.task"
local t = require "std.test"

log.open { quiet = true }

local TMP = os.getenv("MOON_TEST_TMP") or "/tmp"
local URI = "test:///default" -- its one domain lives in this process
local conn = assert(virt.open(URI))
local row = assert(conn:lookup("test"))
local VALUES = { SC_AGENT_UNQUIESCE_TIMEOUT = 60, KVM_SUSPEND_TIMEOUT = 30, KVM_CMD_RETRY_COUNT = 1, KVM_CMD_RETRY_WAIT = 0.01,
  KVM_QUIESCE_MODE = "parallel", KVM_QUIESCE_METHOD = { all = "suspend", map = {} } }

local function context()
  return { cfg = { get = function(_, name) return VALUES[name] end }, dirs = { state = TMP .. "/state" }, uri = URI,
    conn = conn, profile = "p", config_name = "c", action = "backup",
    journal_path = function(self) return self.dirs.state .. "/journal/p.c.1.journal" end }
end

local function guest(dom) return { name = row.name, uuid = row.uuid, dom = dom or conn:domain(row) } end

local function state() return assert(conn:domain(row):state()).state end

-- A guest whose QEMU does not answer: its resume does not end.
local function hung(i)
  local now = "running"
  local dom = { state = function() return { state = now, reason = "user" } end, pending = function() return 0 end,
    resume = function() return tasks.sleep(3600) end }
  function dom.suspend()
    now = "paused"
    return true
  end
  return { name = "hung" .. i, uuid = ("00000000-0000-0000-0000-%012d"):format(i), dom = dom }
end

local function with_hung(last)
  local guests = {}
  for i = 1, 17 do guests[i] = hung(i) end
  guests[#guests + 1] = last
  return guests
end

-- fn within a bounded time, and what it gave; with short limits. A guest that is there answers within them on a busy machine,
-- too. limit_of_last: seconds for one that nobody waits for.
local function bounded(fn, limit_of_last)
  local patience, limit, look, thaw = resuming.PATIENCE, resuming.LIMIT, resuming.LOOK, pausing.THAW
  resuming.PATIENCE, resuming.LIMIT, resuming.LOOK, pausing.THAW = 0.1, limit_of_last or 0.6, 0.5, 0.1
  local _limits <close> = setmetatable({}, { __close = function()
    resuming.PATIENCE, resuming.LIMIT, resuming.LOOK, pausing.THAW = patience, limit, look, thaw
  end })
  return assert(task.timeout(30, fn))
end

t.case("guests that do not answer keep nobody waiting, and the release ends and says so", function()
  local guard = quiesce.guard(context(), with_hung(guest()))
  t.ok(guard:suspend())
  t.eq(state(), "paused")
  local result = bounded(function() return guard:release() end)
  t.eq(state(), "running")
  t.eq(#result.failed, 17)
  t.eq({ result.failed[1].scf, result.failed[1].exit }, { "kvm-00004", 5 })
  t.ok(tostring(result.failed[1]):find("guest 'hung1'.*the guard process brings it back"), tostring(result.failed[1]))
  t.ok(guard.process, "the guard process goes on holding them")
end)

t.case("a guest that answers late is back", function()
  local late, calls = hung(1), 0
  function late.dom.resume()
    calls = calls + 1
    return tasks.sleep(calls == 1 and 3600 or 0.2)
  end
  local guard = quiesce.guard(context(), { late })
  t.ok(guard:suspend())
  t.eq(#bounded(function() return guard:release() end, 20).failed, 0)
  t.eq({ calls, late.back, guard.process }, { 2, true, nil })
end)

t.case("what bringing one guest back raises keeps no other one from it", function()
  local bad = hung(1)
  function bad.dom.resume() error("made to raise") end
  local guard = quiesce.guard(context(), { bad, guest() })
  t.ok(guard:suspend())
  local result = guard:release()
  t.eq({ #result.failed, state() }, { 1, "running" })
  t.eq({ result.failed[1].scf, result.failed[1].exit }, { "kvm-00004", 5 })
  function bad.dom.resume() return true end
  t.eq(#guard:release().failed, 0)
end)

-- Who asks for the size of a disk that does not answer has locked the domain.
local function locked(g)
  g.dom.state = function() return tasks.sleep(3600) end
end

t.case("a guest that cannot even be looked at keeps nobody suspended", function()
  local stuck, g = hung(1), guest()
  local guard = quiesce.guard(context(), { stuck, g })
  t.ok(guard:suspend())
  locked(stuck)
  local disturbed = bounded(function() return guard:disturbed() end)
  t.eq({ #disturbed, disturbed[1].name, disturbed[1].unknown.code }, { 1, "hung1", "timeout" })
  t.eq(#bounded(function() return guard:release() end).failed, 1)
  t.eq(state(), "running")
end)

t.case("one that was suspended after it was looked at, or not: nothing was done to it", function()
  local stuck, resumed = hung(1), 0
  local look = stuck.dom.state
  function stuck.dom.state()
    locked(stuck)
    return look()
  end
  function stuck.dom.resume()
    resumed = resumed + 1
    return true
  end
  local ctx = context()
  local guard = quiesce.guard(ctx, { guest(), stuck })
  local failed = bounded(function() return { guard:suspend() } end)[2]
  t.eq({ failed.scf, failed.cause.code }, { "scf-00037", "timeout" })
  t.eq(#bounded(function() return guard:release() end).failed, 0)
  t.eq({ resumed, state() }, { 0, "running" })
end)

t.case("a thaw that does not end keeps no other guest frozen", function()
  local guests = {}
  for i = 1, 9 do
    local g = hung(i)
    g.method, g.freezing, g.dom.thaw = "freeze", true, function() return tasks.sleep(3600) end
    guests[i] = g
  end
  guests[9].dom.thaw = function()
    for i = 1, 8 do guests[i].dom.thaw = function() return 1 end end
    return 1
  end
  local guard = quiesce.guard(context(), guests)
  guard.attempted = guests
  local result = bounded(function() return guard:release() end)
  t.eq({ #result.failed, guests[1].back, guests[9].back }, { 0, true, true })
end)

-- The journal of a dead run, which holds these guests.
local function dead_journal(guests)
  local path = TMP .. "/state/journal/p.dead.1.journal"
  local lines = { "moonsnap-journal 1", "run p dead backup", "uri " .. URI, "engine 1 1", "guard 1 1", "deadline 1" }
  for _, g in ipairs(guests) do lines[#lines + 1] = ("hold %s %s"):format(g.uuid, g.name) end
  t.ok(file.mkdirs(TMP .. "/state/journal"))
  t.ok(file.replace(path, table.concat(lines, "\n") .. "\n"))
  local list = assert(recover.journals(context()))
  t.eq({ #list, list[1].path }, { 1, path })
  return list[1]
end

t.case("recover: guests that do not answer keep nobody waiting", function()
  local guests, by_uuid = with_hung(row), {}
  for _, g in ipairs(guests) do
    by_uuid[g.uuid] = g.dom or conn:domain(row)
    if g.dom then g.dom.suspend() end
  end
  local entry = dead_journal(guests)
  t.ok(conn:domain(row):suspend())
  local fake = { domain = function(_, held) return by_uuid[held.uuid] end }
  local failures = bounded(function() return recover.resume_held({ conn = fake }, entry) end)
  t.eq({ #failures, failures[1].scf, failures[1].exit, state() }, { 17, "kvm-00004", 5, "running" })
  t.eq(#assert(guards.read(entry.path)).held, 17)
  for i = 1, 17 do locked(guests[i]) end
  t.ok(conn:domain(row):suspend())
  entry = dead_journal(guests)
  t.eq({ #bounded(function() return recover.resume_held({ conn = fake }, entry) end), state() }, { 17, "running" })
  file.remove(entry.path)
end)

t.case("recover: what another start has brought back since the journal was read is left alone", function()
  local entry = dead_journal { row }
  t.ok(guards.note_free(entry.path, row.uuid))
  t.ok(conn:domain(row):suspend()) -- a run of that start
  t.eq({ #recover.resume_held(context(), entry), state() }, { 0, "paused" })
  t.ok(file.remove(entry.path))
  t.eq({ #recover.resume_held(context(), entry), state() }, { 0, "paused" })
  t.eq(file.stat(entry.path), nil)
  t.ok(conn:domain(row):resume())
end)

return t.done()
