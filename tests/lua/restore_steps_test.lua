-- Guests whose disks a restore has left in doubt: which they are, whichever config restored or backs up.
local process = require "engine.process"
local catalog = require "std.catalog"
local log = require "std.log"
local steps = require "std.restore_steps"
local t = require "std.test"

local NOW = 1795485600
local own = process.self()
local serial = 0

-- A run of config c, on a host where these guests are defined, uuid by name.
local function run_with(guests, restores)
  serial = serial + 1
  local dirs = { state = ("%s/steps.%d"):format(os.getenv("MOON_TEST_TMP") or "/tmp", serial) }
  dirs.run = dirs.state
  local ctx = { id = "20261124090000-9", profile = "p", config_name = "c", dirs = dirs, lock = true,
    conn = { lookup = function(_, name) return guests[name] and { uuid = guests[name], state = "shutoff" } end } }
  for i, r in ipairs(restores) do
    assert(catalog.save({ dirs = dirs, profile = "p", config_name = r.config }, { id = ("2026112400000%d-1"):format(i),
      action = "restore", status = r.status, started = NOW + i, snapshot = "s", settled = r.settled, process = r.process,
      guests = { { guest = r.guest, uuid = r.uuid, state = "running", step = r.step,
        disks = { { target = "vda", step = r.step } } } } }))
  end
  log.open { quiet = true }
  assert(steps.tell(ctx))
  return ctx
end

local function doubtful(ctx, name, uuid) return ctx.in_doubt[uuid] or ctx.in_doubt[name] or false end

local HALF = { config = "d", guest = "web", uuid = "U1", status = "failed", step = "overwriting" }
local function with(more)
  local r = {}
  for key, value in pairs(HALF) do r[key] = value end
  for key, value in pairs(more) do r[key] = value end
  return r
end

t.case("a restore of another config that did not end", function()
  t.eq(doubtful(run_with({ web = "U1" }, { HALF }), "web", "U1"), true)
  t.eq(doubtful(run_with({ web = "U1" }, { with { config = "c" } }), "web", "U1"), true)
  t.eq(doubtful(run_with({ web = "U1" }, {}), "web", "U1"), false)
end)

t.case("the last word counts, whichever config says it", function()
  t.eq(doubtful(run_with({ web = "U1" }, { HALF, with { config = "c", status = "ok", step = "started" } }), "web", "U1"), false)
  t.eq(doubtful(run_with({ web = "U1" }, { with { status = "ok", step = "started" }, with { config = "c" } }), "web", "U1"),
    true)
  t.eq(doubtful(run_with({ web = "U1" }, { with { settled = NOW } }), "web", "U1"), false)
  -- One that was given up before it touched a disk settles nothing.
  t.eq(doubtful(run_with({ web = "U1" }, { HALF, with { config = "c", step = "untouched" } }), "web", "U1"), true)
end)

t.case("another guest of that name is not meant", function()
  t.eq(doubtful(run_with({ web = "U2" }, { HALF }), "web", "U2"), false)
  t.eq(doubtful(run_with({ web2 = "U1" }, { HALF }), "web2", "U1"), true)
end)

t.case("records of older versions have names alone, and speak for their config", function()
  local function old(config)
    local r = with { config = config }
    r.uuid = nil
    return r
  end
  t.eq(doubtful(run_with({ web = "U1" }, { old "c" }), "web", "U1"), true)
  t.eq(doubtful(run_with({ web = "U1" }, { old "d" }), "web", "U1"), false)
  t.eq(doubtful(run_with({ web = "U1" }, { old "c", with { config = "c", status = "ok", step = "started" } }), "web", "U1"),
    false)
end)

t.case("one that another config is restoring right now", function()
  local ctx = run_with({ web = "U1" }, { with { status = "started", process = { pid = own.pid, start = own.start } } })
  t.eq(doubtful(ctx, "web", "U1"), true)
  t.eq(steps.tell_all(ctx.dirs), 0)
  ctx = run_with({ web = "U1" }, { HALF })
  t.eq(steps.tell_all(ctx.dirs), 1)
end)

t.case("a restore is alone with its guest, or does not begin", function()
  local function alone(restore)
    local ok, failed = steps.alone(run_with({ web = "U1" }, { restore }), { name = "web", recorded = { uuid = "U1" } })
    return ok or failed.code .. " " .. failed.exit
  end
  local process_of = { pid = own.pid, start = own.start }
  local function live(step, uuid) return with { status = "started", process = process_of, step = step, uuid = uuid } end
  t.eq(alone(live "overwriting"), "busy 4")
  t.eq(alone(live "stopping"), "busy 4")
  t.eq(alone(live "restored"), "busy 4")
  t.eq(alone(live "started"), true)
  t.eq(alone(live("overwriting", "U2")), true)
  t.eq(alone(with { status = "started", process = { pid = own.pid, start = own.start - 1 } }), true)
  t.eq(alone(HALF), true)
end)

return t.done()
