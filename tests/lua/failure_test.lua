-- What an error that nobody catches has to teach, and what a script that forgets something is told.
local file = require "engine.file"
local json = require "engine.json"
local process = require "engine.process"
local trace = require "engine.trace"
local virt = require "engine.virt"
local err = require "std.err"
local failure = require "std.failure"
local t = require "std.test"
local task = require "std.task"

local TMP = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/failure"
local BINARY = (os.getenv("MOON_BUILD") or "build") .. "/moonsnap"
assert(file.mkdirs(TMP))

-- Run a script: exit code, standard error, its path.
local function run(text, ...)
  local path = TMP .. "/script.lua"
  assert(file.replace(path, text))
  local out = assert(process.run({ BINARY, "run", path, ... }, { timeout = 60 }))
  return out.status, (out.stderr:gsub(path:gsub("%p", "%%%0"), "FILE")), out.stdout
end

local OPEN = [[
local conn = assert(require("engine.virt").open("test:///default"))
local dom = conn:domain(assert(conn:lookup("test")))
]]

t.case("an error of Lua's own: the line itself", function()
  local code, said = run('local vol = nil\nprint(vol.size)\n')
  t.eq({ code, said }, { 1, "moonsnap: error: FILE:2: attempt to index a nil value (local 'vol')\n"
    .. "        2 | print(vol.size)\n" })
end)

t.case("an error object: where the script made the call", function()
  local code, said = run('local file = require "std.file"\n'
    .. 'local function get() return assert(file.read("/no/such")) end\nget()\n')
  t.eq({ code, said }, { 1, "moonsnap: error: file '/no/such': read: No such file or directory\n  at      FILE:2\n"
    .. '        2 | local function get() return assert(file.read("/no/such")) end\n' })
end)

t.case("a syntax error: a mark below", function()
  local code, said = run("local x = 1\n\tlocal y = = 2\n")
  t.eq({ code, said }, { 2, "moonsnap: error: FILE:2: unexpected symbol near '='\n"
    .. "        2 | \tlocal y = = 2\n          | \t          ^\n" })
  code, said = run("local t = {\n  a = 1")
  t.eq(code, 2)
  t.ok(said:find("\n        2 |   a = 1\n          |        ^\n", 1, true), said)
end)

t.case("causes, the nearest first, and the remedy, unless the message has them", function()
  local inner = err.new("timeout", "the agent does not answer")
  local outer = err.new("io", "web1: not frozen", { cause = inner, scf = "kvm-00016" })
  local text = table.concat(failure.lines(outer), "\n")
  t.ok(text:find("  cause   the agent does not answer\n  remedy  look at the guest agent", 1, true), text)
  text = table.concat(failure.lines(err.coded("kvm-00016", "web1", inner)), "\n")
  t.eq({ text:find("cause", 1, true), text:find("remedy", 1, true) }, {})
  local facts = failure.facts(outer)
  t.eq({ facts.causes[1].code, facts.scf, facts.code }, { "timeout", "kvm-00016", "io" })
  t.ok(facts.at:find("failure_test%.lua:%d+$"), facts.at)
  t.ok(json.encode(facts))
end)

t.case("what was undone after it, and what is left", function()
  local _, said = run(OPEN .. [[
assert(dom:suspend())
local _back <close> = setmetatable({}, { __close = function() assert(dom:resume()) end })
error("in the middle")
]])
  t.ok(said:find("\n  undone  guest 'test' runs again\n", 1, true), said)
  t.ok(not said:find("left", 1, true), said)
  _, said = run(OPEN .. [[
local probe = require "engine.probe"
probe.start()
probe.fail("domain.resume", { message = "made to fail" })
assert(dom:suspend())
local _back <close> = setmetatable({}, { __close = function() assert(dom:resume()) end })
error("in the middle")
]])
  t.ok(said:find("\n  left    guest 'test' stands still\n", 1, true), said)
end)

t.case("a guest that stands still is told of, however many calls come after", function()
  local many = "for _ = 1, 300 do assert(conn:list()) end\n"
  local _, said = run(OPEN .. "assert(dom:suspend())\n" .. many .. "error('in the middle')\n")
  t.ok(said:find("\n  left    guest 'test' stands still\n", 1, true), said)
  _, said = run(OPEN .. "assert(dom:suspend())\n" .. many .. "conn:close()\n")
  t.ok(said:find("warning: the script ended, and guest 'test' stands still", 1, true), said)
  for _, back in ipairs { "assert(dom:resume())", "assert(dom:destroy())" } do
    _, said = run(OPEN .. "assert(dom:suspend())\n" .. many .. back .. "\nerror('in the middle')\n")
    t.ok(not said:find("stands still", 1, true), said)
  end
end)

t.case("what stands still, by guest", function()
  local conn <close> = assert(virt.open("test:///default"))
  local dom = conn:domain(assert(conn:lookup("test")))
  local before = #trace.standing()
  assert(dom:suspend())
  t.err(nil, select(2, dom:start()), "io")
  local guest = trace.standing()[before + 1]
  t.eq({ guest.name, guest.uuid, guest.suspended, guest.frozen }, { "test", dom:uuid(), true, false })
  t.eq(failure.standing()[1].freeze, false)
  assert(dom:resume())
  t.eq(#trace.standing(), before)
end)

t.case("a nil that came with an error which was not looked at", function()
  local _, said = run(OPEN .. 'local other = conn:lookup("nope")\nlocal name = other.name\nprint(name)\n')
  t.ok(said:find("FILE:4: attempt to index a nil value (local 'other')", 1, true), said)
  t.ok(said:find("\n  before  virt.lookup at FILE:3 gave nil: domain 'nope': not defined at test:///default\n", 1, true), said)
end)

t.case("the error of a change that nobody looks at is told", function()
  local warned = "warning: FILE:3: nobody looks at the error of this domain.start: domain 'test': start: "
  local code, said = run(OPEN .. "dom:start()\nconn:close()\n")
  t.eq(code, 0)
  t.ok(said:find(warned, 1, true), said)
  for _, line in ipairs { "local ok = dom:start()", "assert(ok == nil or dom:start())", "if not dom:start() then return 0 end",
    "local ok, failed =\n  dom:start()" } do
    local _, other = run(OPEN:gsub("local conn", "local ok local conn") .. line .. "\n")
    t.ok(not other:find("nobody looks", 1, true), line)
  end
end)

t.case("in a workflow of the site as well", function()
  local code, said = run('return require("std.workflow") { action = "mine", summary = "s", scope = "host",\n'
    .. '  phases = { "one" }, one = function()\n' .. OPEN
    .. '    dom:start()\n    KEPT = conn\n  end }\n', "--state-dir", TMP .. "/state")
  t.eq(code, 0)
  t.ok(said:find("warning: FILE:5: nobody looks at the error of this domain.start", 1, true), said)
  t.ok(said:find("warning: FILE:3: the connection test:///default that is opened here was not closed", 1, true), said)
end)

t.case("what a script leaves open is told, and where it was opened", function()
  local _, said = run(OPEN .. "assert(dom:suspend())\n")
  t.ok(said:find("warning: FILE:1: the connection test:///default that is opened here was not closed", 1, true), said)
  t.ok(said:find("warning: the script ended, and guest 'test' stands still", 1, true), said)
  _, said = run('local _c <close> = assert(require("engine.virt").open("test:///default"))\n')
  t.eq(said, "")
  _, said = run(([[
guard = assert(require("engine.guard").start { journal = %q, uri = "test:///default", profile = "p", config = "c",
  action = "mine", deadline = 60 })
]]):format(TMP .. "/journal"))
  t.ok(said:find("warning: FILE:1: the guard process of .* that is opened here was not closed"), said)
end)

t.case("a lock or a clone that is left open is told and ended, what was closed is not", function()
  local lock = ('local lock%%s = assert(require("engine.file").lock(%q))\n'):format(TMP .. "/mine.lock")
  local _, said = run(lock:format(""))
  t.ok(said:find("warning: FILE:1: the lock .*mine%.lock that is opened here was not closed, and is released now;"), said)
  t.eq(select(2, run(lock:format(" <close>"))), "")
  t.eq(select(2, run(lock:format("") .. "lock:release()\n")), "")
  local value = 'local trace = require "engine.trace"\n'
    .. 'local v = { close = function(self) %s end }\ntrace.opened(v, "clone c1")\n%s\n'
  _, said = run(value:format('require("engine.task").sleep(0.01) print("closed") return true', "v = nil collectgarbage()"))
  t.ok(said:find("warning: FILE:3: the clone c1 that is opened here was not closed, and is closed now;", 1, true), said)
  _, said = run(value:format('return nil, "no way"', ""))
  t.ok(said:find("FILE:3: the clone c1 that is opened here was not closed, and cannot be closed now: no way;", 1, true), said)
  t.eq(select(2, run(value:format("", "trace.closed(v)"))), "")
end)

t.case("--debug: the traceback and the last calls", function()
  local code, said = run('local file = require "std.file"\nfile.read("/etc/hostname")\nerror("boom")\n', "--debug")
  t.eq(code, 1)
  t.ok(said:find("DEBUG: stack traceback:", 1, true), said)
  t.ok(said:find("DEBUG: call %d+: %+%d+%.%d+ s file%.read /etc/hostname: done in"), said)
  code, said = run('error("boom")\n')
  t.eq(code, 1)
  t.ok(not said:find("traceback", 1, true), said)
end)

t.case("a workflow of the site, as text and with --json", function()
  local text = 'return require("std.workflow") { action = "mine", summary = "s", scope = "host", phases = { "one" },\n'
    .. '  one = function()\n    local x\n    return x.y\n  end }\n'
  local code, said, out = run(text, "--json", "--state-dir", TMP .. "/state")
  t.eq(code, 1)
  t.ok(said:find("error: FILE:4: attempt to index a nil value (local 'x')\n        4 |     return x.y\n", 1, true), said)
  local failed = t.ok(json.decode(out)).failed
  t.eq({ failed.code, failed.line, failed.undone }, { "internal", "    return x.y", {} })
  t.ok(failed.at:find("script%.lua:4$"), failed.at)
end)

t.case("no password in the failure as JSON, and a standard output that is full changes no exit code", function()
  local text = 'return require("std.workflow") { action = "mine", summary = "s", scope = "host", phases = { "one" },\n'
    .. '  one = function()\n    require("std.log").secret("hunter2")\n    local err = require "std.err"\n'
    .. '    return nil, err.new("io", "hunter2 is refused", { exit = 5, cause = err.new("io", "who is hunter2?") })\n  end }\n'
  local code, _, out = run(text, "--json", "--state-dir", TMP .. "/state")
  t.eq(code, 5)
  t.ok(not out:find("hunter2", 1, true), out)
  t.eq(t.ok(json.decode(out)).failed.message, "******** is refused")
  local full = assert(process.run({ "/bin/sh", "-c", ('exec "%s" run "%s/script.lua" --json --state-dir "%s/state" >/dev/full')
    :format(BINARY, TMP, TMP) }, { timeout = 60 }))
  t.eq(full.status, 5)
  t.ok(full.stderr:find("error: standard output: No space left on device", 1, true), full.stderr)
end)

t.case("a script that fails while it is loaded as a workflow", function()
  local path = TMP .. "/broken.lua"
  assert(file.replace(path, "local x = nil\nreturn x()\n"))
  local out = assert(process.run({ BINARY, "backup", "--script", path, "--config", "c", "--profile", "p" }, { timeout = 60 }))
  t.eq(out.status, 2)
  t.ok(out.stderr:find("broken.lua: loading it failed: .*broken.lua:2: attempt to call a nil value"), out.stderr)
  t.ok(out.stderr:find("\n        2 | return x()\n", 1, true), out.stderr)
end)

t.case("a failed test shows its line", function()
  local path = TMP .. "/some_test.lua"
  assert(file.replace(path, 'local t = require "std.test"\n'
    .. 't.case("sum", function()\n  t.eq(1 + 1, 3)\nend)\nreturn t.done()\n'))
  local out = assert(process.run({ BINARY, "test", path }, { timeout = 60 }))
  t.eq(out.status, 1)
  t.ok(out.stdout:find("FAILED sum: .*some_test%.lua:3: value: got 2, want 3\n        3 |   t%.eq%(1 %+ 1, 3%)\n"), out.stdout)
end)

t.case("a call that could not begin is not ended by the next wait", function()
  local client = assert(require("engine.ontap").new { host = "127.0.0.1" })
  local before = trace.count()
  t.err(nil, select(2, client:snapshot_delete("a/b", "name")), "invalid")
  task.sleep(0)
  for _, call in ipairs(trace.calls(before)) do t.ok(not call.took or call.failed, call.op) end
end)

t.case("calls are numbered, and old ones forgotten", function()
  local conn <close> = assert(virt.open("test:///default"))
  local before = trace.count()
  for _ = 1, 300 do assert(conn:list()) end
  local calls = trace.calls()
  t.eq({ trace.count() - before, #calls, calls[1].number, calls[256].op }, { 300, 256, before + 45, "virt.list" })
  t.eq(#trace.calls(before + 299), 1)
  conn:lookup("nope")
  local last = trace.calls(before + 300)[1]
  t.eq({ last.failed, last.code, last.args, last.changes }, { true, "not_found", "nope", false })
  t.ok(last.at:find("failure_test%.lua:%d+$"), last.at)
end)

return t.done()
