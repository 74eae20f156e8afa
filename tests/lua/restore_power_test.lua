-- A guest of a restore is powered off and brought back as it was, also when somebody has suspended it.
local file = require "engine.file"
local process = require "engine.process"
local virt = require "engine.virt"
local log = require "std.log"
local power = require "std.restore_power"
local t = require "std.test"

log.open { quiet = true }

local TMP = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/restore_power"
local URI = "test:///default"
local conn = assert(virt.open(URI))
assert(conn:define("<domain type='test'><name>one</name><memory>1024</memory><os><type>hvm</type></os></domain>"))
local row = assert(conn:lookup("one"))
local dom = conn:domain(row)
assert(dom:start())

local ctx = { cfg = { get = function() return 1 end }, dirs = { state = TMP }, uri = URI, conn = conn, items = {},
  record = { id = "1", action = "restore", profile = "p", config = "c", guests = {} }, profile = "p", config_name = "c",
  journal_path = function() return TMP .. "/journal/p.c.1.journal" end, worse = function() end }

-- The domain, but that libvirt's test driver starts none paused: how it was to be started is in `began`.
local began
local fake = setmetatable({ start = function(_, how)
  began = how.paused and "paused" or "running"
  return dom:start()
end }, { __index = function(_, name) return function(_, ...) return dom[name](dom, ...) end end })

local function item() return { name = "one", dom = fake, recorded = { uuid = row.uuid } } end

local function state() return assert(dom:state()).state end

-- The journal of a run that holds the guest: of its engine's pid and start, with a guard process that lives.
local function journal(start, more)
  local own = process.self()
  assert(file.mkdirs(TMP .. "/journal"))
  local path = TMP .. "/journal/p.other.1.journal"
  assert(file.replace(path, ("moonsnap-journal 1\nrun p other backup\nuri %s\nengine %d %d\nguard %d %d\ndeadline 1\n"
    .. "hold %s one\n%s"):format(URI, own.pid, start, own.pid, own.start, row.uuid, more or "")))
  return setmetatable({}, { __close = function() file.remove(path) end })
end

-- Through a power off and back: how it was started.
local function round()
  local one = item()
  t.ok(power.stop(ctx, one))
  t.eq(state(), "shutoff")
  t.ok(power.start(ctx, one))
  return began
end

t.case("as it was found: running, paused by an administrator", function()
  t.eq(round(), "running")
  t.ok(dom:suspend())
  t.eq(round(), "paused")
end)

t.case("whom a living run has suspended is left to it", function()
  local own = process.self().start
  t.ok(dom:suspend())
  for _, held in ipairs { { own }, { own + 1, "detached\n" } } do
    local _journal <close> = journal(table.unpack(held))
    local one = item()
    local ok, failed = power.stop(ctx, one)
    t.err(ok, failed, "busy", "by a run of config other of profile p")
    t.eq({ failed.exit, state(), one.stopped }, { 4, "paused" })
  end
end)

t.case("whom a dead run has suspended runs again: its guard process forgets a guest that is off", function()
  local _journal <close> = journal(process.self().start + 1)
  t.eq(round(), "running")
  -- What was suspended with the bare call is held until it is resumed with it, and would be resumed at the end.
  t.ok(dom:suspend())
  t.ok(dom:resume())
end)

t.case("one without a definition that stays is not powered off", function()
  local xml = assert(dom:xml())
  assert(dom:undefine())
  t.eq({ dom:persistent(), state() }, { false, "running" })
  local one = item()
  local ok, failed = power.stop(ctx, one)
  t.err(ok, failed, "conflict", "guest 'one' is transient")
  t.eq({ failed.scf, state(), one.stopped }, { "kvm-00010", "running" })
  assert(conn:define(xml))
  t.eq(dom:persistent(), true)
  t.eq(round(), "running")
end)

return t.done()
