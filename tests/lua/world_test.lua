-- The tools for testing workflows: the probe, the world, `moonsnap test`. What they say must be so, above all when
-- a test ought to fail.
local file = require "engine.file"
local probe = require "engine.probe"
local process = require "engine.process"
local virt = require "engine.virt"
local guest = require "std.guest"
local t = require "std.test"
local world = require "std.world"

local TMP = os.getenv("MOON_TEST_TMP") or "/tmp"
local MOONSNAP = process.realpath("/proc/self/exe")

t.case("the probe is off until it is switched on", function()
  local conn <close> = assert(virt.open("test:///default"))
  local dom = conn:domain(assert(conn:lookup("test")))
  assert(dom:suspend() and dom:resume())
  t.eq(probe.calls(), {})
  t.raises(function() probe.fail("domain.suspend") end, "start comes first")
  probe.start()
  assert(dom:suspend() and dom:resume())
  t.eq(probe.calls(), { { op = "domain.suspend", object = "test" }, { op = "domain.resume", object = "test" } })
  probe.stop()
  t.eq(probe.calls(), {})
end)

t.case("a call that is made to fail is not carried out", function()
  local conn <close> = assert(virt.open("test:///default"))
  local dom = conn:domain(assert(conn:lookup("test")))
  probe.start()
  probe.fail("domain.suspend", { object = "other" })
  probe.fail("domain.suspend", { nth = 2, code = "timeout", message = "too late" })
  assert(dom:suspend() and dom:resume())
  local ok, failed = dom:suspend()
  t.err(ok, failed, "timeout", "too late")
  t.eq(dom:state().state, "running")
  assert(dom:suspend() and dom:resume())
  t.eq(probe.calls()[3].failed, true)
  probe.fail("domain.suspend", { count = 1 })
  t.err(nil, select(2, dom:suspend()), "io", "made to fail")
  assert(dom:suspend() and dom:resume())
  probe.fail("process.run", { answer = { status = 0, stdout = "made up" } })
  t.eq(process.run { "/bin/false" }.stdout, "made up")
  t.raises(function() probe.fail("x", { code = "nonsense" }) end, "not an error code")
  probe.stop()
end)

t.case("the order of calls is checked, and what is wrong is named", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
  local dom = w:domain("web1")
  assert(dom:suspend() and dom:resume())
  w:order { "domain.suspend web1", "domain.resume web1" }
  local said = tostring(t.raises(function() w:order { "domain.resume web1", "domain.suspend web1" } end))
  t.ok(said:find("'domain.suspend web1' did not come, or came too early", 1, true), said)
  t.ok(said:find("\n  domain.resume web1", 1, true), said)
end)

t.case("a world leaves nothing behind", function()
  local dir, url
  do
    local w <close> = world.new { guests = { { name = "web1", volume = "vol1" },
      { name = "off1", volume = "vol2", off = true } } }
    dir, url = w.dir, w.sim.url
    t.eq(w.conn:lookup("off1").state, "shutoff")
    t.ok(file.stat(dir .. "/etc/demo/kvm.conf"))
    t.eq(file.stat(dir .. "/etc/demo/kvm.conf").mode & 511, 384) -- 0600
  end
  t.eq(file.stat(dir), nil)
  t.err(nil, select(2, require("engine.http").request(url .. "/sim/requests", { timeout = 5 })), "unreachable")
  local conn <close> = assert(virt.open("test:///default"))
  t.eq(conn:lookup("web1"), nil)
end)

-- What the world, discovery and the run open is theirs to close; the script answers for its own.
t.case("a run warns of what its script leaves open, and of nothing else", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
  local path = TMP .. "/opens.lua"
  local function warnings(body)
    assert(file.replace(path, ([[return require("std.workflow").extend("backup", {
      discover = function(ctx, next) assert(require("std.discovery").connect(ctx)) %s return next() end })]]):format(body)))
    local log, list = w:run("backup", { policy = "daily", script = path }).log, {}
    for line in log:gmatch("[^\n]*not closed[^\n]*") do list[#list + 1] = line end
    return list
  end
  t.eq(warnings(""), {})
  t.eq(warnings("local x = nil print(x.y)"), {})
  t.eq(#w:paused(), 0, "the world's own connection still answers")
  local left = warnings('local mine = require("engine.virt").open(ctx.uri)')
  t.ok(#left == 1 and left[1]:find("opens.lua:2: the connection test:///default that is opened here was not closed", 1, true),
    table.concat(left, "\n"))
end)

t.case("a dry run in a world changes nothing, and says what would be", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
  local plan = w:plan("backup", { policy = "daily" })
  local ops = {}
  for _, step in ipairs(plan.steps) do ops[#ops + 1] = step.op end
  t.ok(table.concat(ops, " "):find("domain.suspend ontap.snapshot_create domain.resume", 1, true), table.concat(ops, " "))
  t.eq(w.sim:snapshots("vol1"), {})
  t.eq(w.sim:changes(), {})
end)

t.case("a guest's agent: programs, their output, their failures", function()
  local answers = {}
  local dom = { name = function() return "web1" end, agent = function() return table.remove(answers, 1) end }
  answers = { '{"return":{"pid":1}}', '{"return":{"exited":false}}',
    '{"return":{"exited":true,"exitcode":0,"out-data":"aGVsbG8gd29ybGQK"}}' }
  t.eq(guest.exec(dom, { "/bin/echo" }), { status = 0, stdout = "hello world\n", stderr = "" })
  answers = { '{"return":{"pid":1}}', '{"return":{"exited":true,"exitcode":2,"err-data":"bm8="}}' }
  t.err(nil, select(2, guest.exec(dom, { "/bin/x" })), "io", "guest 'web1': program /bin/x: exit code 2: no")
  answers = { '{"return":{"pid":1}}', '{"return":{"exited":false}}', '{"return":{"exited":false}}' }
  t.err(nil, select(2, guest.exec(dom, { "/bin/x" }, { timeout = 0.1 })), "timeout")
end)

t.case("a guest's agent says what it likes, and is told apart from a failure of ours", function()
  local answers = {}
  local dom = { name = function() return "web1" end, agent = function() return table.remove(answers, 1) end }
  for _, reply in ipairs { "7", '"x"', "{}", '{"return":7}', '{"return":null}' } do
    answers = { reply }
    t.err(nil, select(2, guest.exec(dom, { "/bin/x" })), "protocol",
      "guest 'web1': its agent does not answer guest%-exec as it should")
  end
  answers = { '{"return":{"pid":1}}', '{"return":{"exited":true,"signal":9,"err-data":"YQobW20="}}' }
  t.err(nil, select(2, guest.exec(dom, { "/bin/x" })), "io", "program /bin/x: ended by signal 9: a  %[m")
  answers = { '{"return":{"pid":1}}', '{"return":{"exited":true,"exitcode":"0","out-data":5}}' }
  t.err(nil, select(2, guest.exec(dom, { "/bin/x" })), "io", "no exit code")
end)

t.case("a misspelt test is told so, and is not a test of something else", function()
  local guests = { { name = "web1", volume = "vol1" } }
  t.raises(function() world.new { guest = guests } end,
    "a world has no 'guest'; did you mean guests%?; it has conf, guests, sim, volumes")
  t.raises(function() world.new { guests = { { nme = "web1", volume = "vol1" } } } end,
    "a guest has no 'nme'; did you mean name%?")
  t.raises(function() world.new { guests = { { name = "web1" } } } end, "a guest needs name, and volume or disks")
  t.raises(function() world.new { guests = { { name = "web1", volume = "vol9" } } } end,
    "guest 'web1': the world has no volume 'vol9'; it has vol1, vol2")
  t.raises(function() world.new() end, "a table with guests is needed")
  local w <close> = world.new { guests = guests }
  t.raises(function() w:run("backup", { polcy = "daily" }) end, "a run has no 'polcy'; did you mean policy%?")
  t.raises(function() w.sim:fail("snapshot-create", { acton = "nospace" }) end, "simulator: .*: key \"acton\" is unknown")
end)

t.case("a guest can be tagged, and a snapshot be old", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1", metadata =
    "<site:backup xmlns:site='urn:site:backup'><site:class>gold</site:class></site:backup>" } } }
  t.eq(guest.tagged(w.conn, "urn:site:backup", "class", "gold"), { "web1" })
  t.raises(function() guest.tagged(nil, "urn:site:backup", "class") end, "a connection is needed")
  t.eq(w:run("backup", { policy = "daily" }).code, 0)
  w.sim:age("vol1", w.sim:snapshots("vol1")[1], 31 * 86400)
  local path = TMP .. "/old.lua"
  assert(file.replace(path, [[return require("std.workflow") { action = "old", summary = "s", phases = { "look" },
    look = function(ctx)
    local ontap = require "std.ontap"
    for _, controller in ipairs(assert(ontap.connect(ctx))) do
      for _, row in ipairs(assert(ontap.snapshots(ctx, { controller = controller.name, volume = "vol1" }))) do
        if os.time() - row.created > 30 * 86400 then ctx:worse(3) end
      end
    end
  end }]]))
  t.eq(w:run(path).code, 3)
  t.raises(function() w.sim:age("vol1", "none", 1) end, "no such snapshot")
  t.raises(function() require("std.ontap").volumes({}) end, "a controller is needed")
end)

t.case("a phase that forgets next is told of, one that replaces it is not", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
  local path = TMP .. "/next.lua"
  local function warned(fn)
    assert(file.replace(path, ('return require("std.workflow").extend("backup", {\n  post = %s })'):format(fn)))
    local run = w:run("backup", { policy = "daily", script = path })
    t.eq(run.code, 0, run.log)
    return run.log:match("WARN: .-([%w_]+%.lua:%d+: phase [^\n]*)")
  end
  t.eq(warned("function(ctx, next) end"), "next.lua:2: phase post of backup takes next and did not call it: the shipped step "
    .. "was left out; write return next()")
  t.eq(warned("function(ctx, next) return next() end"), nil)
  t.eq(warned("function(ctx) end"), nil)
end)

t.case("an error of a workflow's own clean-up names its line", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
  local path = TMP .. "/failed.lua"
  assert(file.replace(path, [[return require("std.workflow").extend("backup", { discover = function() return nil, "no" end,
    failed = function(ctx) require("std.http").post_json(ctx.cfg:get("SITE_WEBHOOK"), {}) end })]]))
  local log = w:run("backup", { policy = "daily", script = path }).log
  t.ok(log:find("while cleaning up: .*%(.*failed%.lua:2%)"), log)
end)

-- Output and exit code of `moonsnap test` on a file with that text.
local function test(text, ...)
  local path = TMP .. "/some_test.lua"
  assert(file.replace(path, text))
  local out = assert(process.run({ MOONSNAP, "test", path, ... }, { timeout = 120, reads = true }))
  return out.stdout .. out.stderr, out.status
end

t.case("moonsnap test: what passes is one line, what fails is shown", function()
  local said, code = test [[local t = require "std.test" t.case("a", function() t.eq(1, 1) end) return t.done()]]
  t.eq(code, 0, said)
  t.ok(said:find("^ok     .*some_test.lua: 1 passed, 0 failed\n$"), said)
  said, code = test [[local t = require "std.test" t.case("a", function() t.eq(1, 2) end) return t.done()]]
  t.eq(code, 1)
  t.ok(said:find("got 1, want 2", 1, true) and said:find("FAILED .*0 passed, 1 failed"), said)
  said, code = test [[local t = require "std.test" t.case("a", function() end)]]
  t.eq(code, 1)
  t.ok(said:find("did not end with return t.done()", 1, true), said)
  said, code = test [[error("broken")]]
  t.eq(code, 1)
  t.ok(said:find("broken", 1, true), said)
end)

t.case("moonsnap test: failures that never came about are told, also of what passes", function()
  local said, code = test [[local t, world = require "std.test", require "std.world" t.case("a", function()
    local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
    w:fail("domain.suspnd")
    w:answer("ontap.snapshots", {})
    w:fail("domain.suspend", { count = 1 })
    w.sim:fail("snapshot-creat")
    w.sim:fail("snapshot-create", { nth = 1 })
    w:run("backup", { policy = "daily" })
    w:run("backup", { policy = "daily" })
    t.eq(w:paused(), {}) end) return t.done()]]
  t.eq(code, 0, said)
  local lines = {}
  for line in said:gmatch("never came about: [^\n]*some_test%.lua:([^\n]*)") do lines[#lines + 1] = line end
  t.eq(lines, { "6: snapshot-creat", "3: domain.suspnd", "4: ontap.snapshots" }, said)
end)

t.case("what differs comes before a long note", function()
  local said = test [[local t = require "std.test" t.case("a", function() t.eq(1, 2, "a log\nof two lines: a nil value") end)
    return t.done()]]
  t.ok(said:find("some_test.lua:1: value: got 1, want 2\na log\nof two lines", 1, true), said)
  t.ok(not said:find("  before ", 1, true), said)
end)

t.case("a world that goes takes nothing with it that a link leads to", function()
  local outside = TMP .. "/outside"
  assert(file.mkdirs(outside))
  assert(file.replace(outside .. "/kept", "x"))
  local dir
  do
    local w <close> = world.new { guests = {} }
    dir = w.dir
    t.eq(process.run({ "/bin/ln", "-s", outside, dir .. "/link" }, { reads = true }).status, 0)
  end
  t.eq(file.stat(dir), nil)
  t.ok(file.stat(outside .. "/kept"))
end)

t.case("moonsnap test: no file, no simulator", function()
  local out = assert(process.run({ MOONSNAP, "test" }, { reads = true }))
  t.eq(out.status, 2)
  out = assert(process.run({ MOONSNAP, "test", TMP .. "/none_test.lua" }, { reads = true }))
  t.eq(out.status, 2)
  assert(file.replace(TMP .. "/w_test.lua", [[local t, world = require "std.test", require "std.world"
    t.case("a", function() local w <close> = world.new { guests = {} } end) return t.done()]]))
  out = assert(process.run({ MOONSNAP, "test", TMP .. "/w_test.lua" }, { reads = true,
    env = { "MOONSNAP_ONTAPSIM=/nowhere/ontapsim" } }))
  t.eq(out.status, 1)
  t.ok(out.stdout:find("/nowhere/ontapsim: there is no simulator; `make install`", 1, true), out.stdout)
end)

return t.done()
