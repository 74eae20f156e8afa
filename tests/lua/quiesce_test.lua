-- The guard on libvirt's test driver: what it suspends, what it leaves alone, and that everything comes
-- back on success, error and cancel.
local file = require "engine.file"
local guards = require "engine.guard"
local plan = require "engine.plan"
local process = require "engine.process"
local tasks = require "engine.task"
local virt = require "engine.virt"
local err = require "std.err"
local log = require "std.log"
local pausing = require "std.pausing"
local quiesce = require "std.quiesce"
local recover = require "std.recover"
local std_task = require "std.task"
local t = require "std.test"

log.open { quiet = true }

local TMP = os.getenv("MOON_TEST_TMP") or "/tmp"
-- The test driver lives in this process; it comes with one running domain and gets a second one.
local URI = "test:///default"
local conn = assert(virt.open(URI))
assert(conn:define("<domain type='test'><name>one</name><memory>1024</memory><os><type>hvm</type></os></domain>"))
assert(conn:domain(assert(conn:lookup("one"))):start())
local row = assert(conn:lookup("one"))
local other = assert(conn:lookup("test"))

local function context(changes)
  local values = { SC_AGENT_UNQUIESCE_TIMEOUT = 60, KVM_SUSPEND_TIMEOUT = 30, KVM_CMD_RETRY_COUNT = 1,
    KVM_CMD_RETRY_WAIT = 0.01, APP_IGNORE_ERROR = false, KVM_QUIESCE_MODE = "serial", KVM_FREEZE_FALLBACK = "suspend",
    KVM_QUIESCE_METHOD = { all = "suspend", map = {} } }
  for key, value in pairs(changes or {}) do values[key] = value end
  return {
    worse = function(self, code) self.exit = code end,
    cfg = { get = function(_, name) return values[name] end }, dirs = { state = TMP .. "/state" },
    uri = URI, conn = conn, profile = "p", config_name = "c", action = "backup",
    journal_path = function(self) return self.dirs.state .. "/journal/p.c.1.journal" end,
  }
end

local function guest(dom)
  return { name = row.name, uuid = row.uuid, dom = dom or conn:domain(row) }
end

local function second() return { name = other.name, uuid = other.uuid, dom = conn:domain(other) } end

local function state(of) return assert(conn:domain(of or row):state()).state end

-- A domain whose calls fail as told; everything else is the real one's.
local function failing(fails)
  local real = conn:domain(row)
  local fake = { calls = {} }
  return setmetatable(fake, { __index = function(_, name)
    return function(_, ...)
      fake.calls[name] = (fake.calls[name] or 0) + 1
      local problem = fails[name] and fails[name](fake.calls[name])
      if problem then return nil, problem end
      return real[name](real, ...)
    end
  end })
end

-- The connection, that is asked who is paused and says this instead.
local function saying(paused)
  return setmetatable({ paused = paused }, { __index = function(_, name)
    return function(_, ...) return conn[name](conn, ...) end
  end })
end

local function always(code) return function() return err.new(code, "made to fail") end end

t.case("suspends what runs and resumes it", function()
  local g = guest()
  do
    local guard <close> = quiesce.guard(context(), { g })
    t.ok(guard:suspend())
    t.eq(state(), "paused")
    t.eq(g.state_before, "running")
    local result = guard:release()
    t.eq(#result.failed, 0)
    t.eq(result.fired, false)
    t.eq(state(), "running")
    t.ok(g.pause_ms > 0 and g.pause_ms < 10000)
  end
  t.eq(state(), "running")
  t.eq(file.list(TMP .. "/state/journal"), {}, "the journal of a run that ended well is gone")
end)

t.case("guests that stand still a second time, by one guard and by the next, come back each time", function()
  local g = guest()
  local function pause(guard)
    t.ok(guard:suspend())
    t.eq(state(), "paused")
    g.pause_ms = nil
    t.eq(#guard:release().failed, 0)
    t.eq(state(), "running")
    t.ok(g.pause_ms)
  end
  do
    local guard <close> = quiesce.guard(context(), { g })
    pause(guard)
    pause(guard)
  end
  local guard <close> = quiesce.guard(context(), { g })
  pause(guard)
  t.ok(guard:suspend())
  t.ok(guard:suspend()) -- nothing more is to be done
  guard:release()
  t.eq(state(), "running")
end)

t.case("a guard that two tasks use at once has one guard process", function()
  local real, started = guards.start, 0
  guards.start = function(...)
    started = started + 1
    return real(...)
  end
  local _real <close> = setmetatable({}, { __close = function() guards.start = real end })
  local one, two = guest(), second()
  do
    local guard <close> = quiesce.guard(context { KVM_QUIESCE_MODE = "rolling" }, { one, two })
    assert(std_task.all { function() return guard:suspend { one } end, function() return guard:suspend { two } end })
    t.eq({ started, state(), state(other) }, { 1, "paused", "paused" })
  end
  t.eq({ state(), state(other) }, { "running", "running" })
end)

t.case("a guest that was paused stays paused", function()
  local dom = conn:domain(row)
  assert(dom:suspend())
  local g = guest()
  do
    local guard <close> = quiesce.guard(context(), { g })
    t.ok(guard:suspend())
    t.eq(g.state_before, "paused")
  end
  t.eq(state(), "paused")
  t.eq(g.pause_ms, nil)
  assert(dom:resume())
end)

t.case("an error between suspend and release resumes", function()
  local ok, failed = pcall(function()
    local guard <close> = quiesce.guard(context(), { guest() })
    assert(guard:suspend())
    error(err.new("io", "the snapshot failed"), 0)
  end)
  t.eq(ok, false)
  t.eq(failed.message, "the snapshot failed")
  t.eq(state(), "running")
end)

t.case("what cannot be resumed when the guard is closed is the run's exit code", function()
  local ctx, bad = context { KVM_CMD_RETRY_COUNT = 0 }, guest(failing { resume = always("io") })
  local kept
  do
    local guard <close> = quiesce.guard(ctx, { bad })
    t.ok(guard:suspend())
    kept = guard
  end
  t.eq(ctx.exit, 5)
  t.eq(state(), "paused")
  assert(conn:domain(row):resume())
  bad.dom = conn:domain(row)
  t.eq(#kept:release().failed, 0)
end)

t.case("a cancelled task resumes", function()
  local suspended = false
  local task = tasks.spawn(function()
    local guard <close> = quiesce.guard(context(), { guest() })
    assert(guard:suspend())
    suspended = true
    tasks.sleep(60)
  end)
  while not suspended do tasks.sleep(0.005) end
  t.eq(state(), "paused")
  task:cancel()
  local ok, failed = task:join()
  t.eq(ok, nil)
  t.eq(failed.code, "cancelled")
  t.eq(state(), "running")
end)

t.case("a suspend that fails is tried again, then ends it with scf-00037", function()
  local dom = failing { suspend = always("io") }
  local guard <close> = quiesce.guard(context { KVM_CMD_RETRY_COUNT = 2 }, { guest(dom) })
  local ok, failed = guard:suspend()
  t.eq(ok, nil)
  t.eq(failed.scf, "scf-00037")
  t.ok(failed.message:find("guest 'one'", 1, true), failed.message)
  t.eq(dom.calls.suspend, 3)
end)

t.case("a failed suspend resumes those before it", function()
  local first, bad = second(), guest(failing { suspend = always("io") })
  do
    local guard <close> = quiesce.guard(context(), { first, bad })
    t.eq((guard:suspend()), nil)
    t.eq(state(other), "paused")
  end
  t.eq(state(other), "running")
  t.eq(state(), "running")
end)

t.case("with APP_IGNORE_ERROR the others are suspended and the failure is noted", function()
  local bad, good = guest(failing { suspend = always("io") }), second()
  local guard <close> = quiesce.guard(context { APP_IGNORE_ERROR = true }, { bad, good })
  t.ok(guard:suspend())
  t.eq(#guard.failures, 1)
  t.eq(guard.failures[1].guest.name, "one")
  t.eq(state(other), "paused")
  guard:release()
  t.eq(state(other), "running")
  t.eq(bad.pause_ms, nil)
end)

t.case("a resume that fails once is tried again", function()
  local dom = failing { resume = function(n) return n == 1 and err.new("busy", "not now") or nil end }
  local guard <close> = quiesce.guard(context(), { guest(dom) })
  t.ok(guard:suspend())
  t.eq(#guard:release().failed, 0)
  t.eq(dom.calls.resume, 2)
  t.eq(state(), "running")
end)

t.case("a guest that cannot be resumed is kvm-00004, exit 5, and does not stop the others", function()
  local bad, good = guest(failing { resume = always("io") }), second()
  local guard = quiesce.guard(context(), { bad, good })
  t.ok(guard:suspend())
  local result = guard:release()
  t.eq(#result.failed, 1)
  t.eq(result.failed[1].scf, "kvm-00004")
  t.eq(result.failed[1].exit, 5)
  t.eq(state(), "paused")
  t.eq(state(other), "running")
  t.ok(guard.process, "the guard process goes on holding it")
  assert(conn:domain(row):resume())
  bad.dom = conn:domain(row)
  t.eq(#guard:release().failed, 0)
  t.eq(guard.process, nil)
end)

t.case("a guard process that was not told that the guests run is no time limit that passed", function()
  local g = guest()
  local guard <close> = quiesce.guard(context(), { g })
  t.ok(guard:suspend())
  local real = guard.process
  guard.process = setmetatable({ free = function() return nil, err.new("io", "made to fail") end },
    { __index = function(_, name) return function(_, ...) return real[name](real, ...) end end })
  local result = guard:release()
  t.eq(result.fired, false)
  t.eq(#result.failed, 0)
  t.eq(state(), "running")
end)

t.case("a guest of which nobody can say whether it stood still", function()
  local asked = 0
  local g = guest(failing { state = function()
    asked = asked + 1
    return asked > 2 and err.new("io", "made to fail") or nil
  end })
  local ctx = context()
  ctx.conn = saying(function() return nil, err.new("io", "made to fail") end)
  local guard <close> = quiesce.guard(ctx, { g })
  t.ok(guard:suspend())
  local list = guard:disturbed()
  t.eq(#list, 1)
  t.eq(list[1].name, row.name)
  t.eq(list[1].unknown.message, "made to fail")
end)

t.case("whether guests stood still is not asked where none was suspended", function()
  local ctx, asked = context { KVM_QUIESCE_METHOD = { all = "none", map = {} } }, 0
  ctx.conn = saying(function()
    asked = asked + 1
    return {}
  end)
  local guard <close> = quiesce.guard(ctx, { guest() })
  t.ok(guard:suspend())
  t.eq({ guard:disturbed(), asked }, { {}, 0 })
end)

t.case("whether guests stood still is one question, and for those that did not one more", function()
  for name, way in pairs {
    ["all stand still"] = { asked = 0, disturbed = {} },
    ["somebody has resumed one"] = { asked = 1, disturbed = { "one" }, call = "resume" },
    ["somebody has powered one off"] = { asked = 1, disturbed = {}, call = "destroy" },
    ["libvirt does not say who is paused"] = { asked = 1, disturbed = {}, paused = function() return tasks.sleep(3600) end },
  } do
    local dom = failing {}
    local g, ctx = guest(dom), context()
    ctx.conn = saying(way.paused)
    local guard <close> = quiesce.guard(ctx, { g, second() })
    t.ok(guard:suspend())
    dom.calls.state = 0
    if way.call then assert(dom[way.call](dom)) end
    local names = {}
    for i, one in ipairs(assert(std_task.timeout(30, function() return guard:disturbed() end))) do names[i] = one.name end
    t.eq({ names, dom.calls.state }, { way.disturbed, way.asked }, name)
    t.eq(#guard:release().failed, 0, name)
    if state() == "shutoff" then assert(conn:domain(row):start()) end
    t.eq({ state(), state(other) }, { "running", "running" }, name)
  end
end)

-- The journal of another run of this host that lives, and holds the guest.
local function others_journal()
  local own = process.self()
  t.ok(file.mkdirs(TMP .. "/state/journal"))
  local path = TMP .. "/state/journal/p.other.1.journal"
  t.ok(file.replace(path, ("moonsnap-journal 1\nrun p other backup\nuri %s\nengine %d %d\nguard %d %d\n"
    .. "deadline 1\nhold %s one\n"):format(URI, own.pid, own.start, own.pid, own.start, row.uuid)))
  return setmetatable({}, { __close = function() file.remove(path) end })
end

t.case("a guest that another run suspends after it was looked at", function()
  local asked, journal = 0, nil
  local g = guest(failing { state = function()
    asked = asked + 1
    if asked == 2 then
      t.ok(conn:domain(row):suspend())
      journal = others_journal()
    end
  end })
  do
    local guard <close> = quiesce.guard(context(), { g })
    local ok, failed = guard:suspend()
    t.eq(ok, nil)
    t.eq({ failed.scf, failed.code, failed.exit }, { "scf-00037", "busy", 4 })
    t.ok(tostring(failed):find("config other", 1, true), tostring(failed))
  end
  t.eq(state(), "paused") -- it is that run's to resume
  local _journal <close> = journal
  t.ok(conn:domain(row):resume())
end)

t.case("a guest that another run lets go while it is looked at", function()
  local asked = 0
  t.ok(conn:domain(row):suspend())
  local g = guest(failing { state = function()
    asked = asked + 1
    if asked == 2 then t.ok(conn:domain(row):resume()) end
  end })
  local guard <close> = quiesce.guard(context(), { g })
  t.ok(guard:suspend())
  t.eq({ g.state_before, g.stopped, state() }, { "running", "suspend", "paused" })
  guard:release()
  t.eq(state(), "running")
end)

t.case("a journal that cannot be read any more while its guard is waited for is not taken for a closed one", function()
  local ctx, said = context(), TMP .. "/stale.log"
  local path = ctx:journal_path()
  assert(file.mkdirs(ctx.dirs.state .. "/journal"))
  -- This process stands for the guard; its run is dead.
  local started = io.open("/proc/self/stat"):read("a"):match("^.*%)" .. (" %S+"):rep(19) .. " (%d+)")
  local head = ("moonsnap-journal 1\nrun p c backup\nuri %s\nengine 1 1\nguard %d %s\ndeadline 9\nhold %s one\n"):format(
    URI, process.self().pid, started, row.uuid)
  local function stale(config)
    assert(file.replace(path, head))
    file.remove(said)
    log.open { out = said, quiet = true }
    ctx.config_name = config
    local waiting = tasks.spawn(recover.stale, ctx)
    while not waiting:done() and not (file.read(said) or ""):find("waiting until its guard", 1, true) do
      tasks.sleep(0.01)
    end
    assert(file.replace(path, head .. "scribbled over\n"))
    local _, ok, failed = waiting:join()
    log.open { quiet = true }
    return ok, failed
  end
  local ok, failed = stale("c")
  t.eq({ ok, failed.exit }, { nil, 5 })
  t.ok(failed.message:find("journal " .. path .. " cannot be read, and the guests in it may stand still: ", 1, true), failed)
  t.ok(stale("other"))
  local text = file.read(said)
  t.ok(text:find("WARN[^\n]*" .. path:gsub("%p", "%%%0") .. " cannot be read[^\n]*remove it by hand"), text)
  t.eq(ctx.stuck, { [row.uuid] = "c" })
  file.remove(path)
  file.remove(said)
end)

t.case("a dry run suspends nothing and starts no guard process", function()
  plan.start() -- holds for the rest of this process
  local guard <close> = quiesce.guard(context(), { guest(), second() })
  t.ok(guard:suspend())
  t.eq(state(), "running")
  t.eq(guard.process, nil)
  local steps = plan.steps()
  t.eq({ steps[1].op, steps[1].object, steps[2].object }, { "domain.suspend", "one", "test" })
end)

-- Carried out after its thaw, it would stay.
t.case("a freeze that was given up is waited for before the thaw", function()
  local left, thaws = 4, {}
  local late = guest {
    state = function() return { state = "running" } end,
    pending = function() return left end,
    thaw = function()
      thaws[#thaws + 1] = left
      return 1
    end,
  }
  late.method, late.freezing = "freeze", true
  tasks.spawn(function()
    while left > 0 do
      tasks.sleep(0.01)
      left = left - 1
    end
  end)
  t.ok(pausing.back(context(), late))
  t.eq(thaws, { 0 })
  left, thaws, late.back, late.unsettled = 1, {}, nil, true
  t.err(nil, select(2, pausing.back(context(), late)), "timeout")
  t.eq({ #thaws, late.back }, { 0, nil })
end)

t.case("a thaw that was answered too late was nobody else's", function()
  for _, lost in ipairs { true, false } do
    local calls = 0
    local one = guest {
      state = function() return { state = "running" } end,
      pending = function() return 0 end,
      thaw = function()
        calls = calls + 1
        if lost and calls == 1 then return nil, err.new("timeout", "no answer") end
        return 0
      end,
    }
    one.method, one.freezing, one.frozen = "freeze", true, 2
    if not pausing.back(context(), one) then t.ok(pausing.back(context(), one)) end
    t.eq({ calls, one.thawed_before }, { lost and 2 or 1, not lost })
  end
end)

return t.done()
