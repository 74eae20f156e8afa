-- Tasks: what waits where, what cancels whom, and what a group leaves behind.
local core = require "engine.task"
local clock = require "engine.clock"
local process = require "engine.process"
local file = require "engine.file"
local err = require "std.err"
local task = require "std.task"
local t = require "std.test"

local TMP = os.getenv("MOON_TEST_TMP") or "/tmp"
local BINARY = (os.getenv("MOON_BUILD") or "build") .. "/moonsnap"

-- Let the others run, n times.
local function turns(n) for _ = 1, n or 1 do core.sleep(0) end end

-- Wait for a condition, at most a minute.
local function eventually(fn)
  local give_up = clock.mono() + 60
  while not fn() do
    if clock.mono() > give_up then error("it did not come to that", 2) end
    core.sleep(0.002)
  end
end

-- Within less time than what it ends would take.
local function quick(fn)
  local begin = clock.mono()
  local out = table.pack(fn())
  t.ok(clock.mono() - begin < 30, "it took " .. clock.mono() - begin .. " s")
  return table.unpack(out, 1, out.n)
end

t.case("a task runs when the caller waits, and gives its results", function()
  local ran = false
  local a = core.spawn(function(...)
    ran = true
    return select("#", ...), ...
  end, 1, nil, "x", nil)
  t.eq(ran, false)
  t.eq(a:done(), false)
  local out = table.pack(a:join())
  t.eq(out, { true, 4, 1, nil, "x", nil, n = 6 })
  t.eq(a:done(), true)
  t.eq(table.pack(a:join()), out, "joined again")
  t.eq(table.pack(core.spawn(function() end):join()), { true, n = 1 })
end)

t.case("a failed task gives an error object", function()
  local ok, problem = core.spawn(function() error("boom") end):join()
  t.eq(ok, nil)
  t.ok(err.is(problem))
  t.eq(problem.code, "internal")
  t.ok(problem.message:find("task_test.lua:%d+: boom$"), problem.message)
  t.ok(problem.traceback:find("task_test.lua", 1, true))
  local mine = err.new("conflict", "mine")
  local _, same = core.spawn(function() error(mine) end):join()
  t.ok(rawequal(same, mine))
  local _, none = core.spawn(function() error() end):join()
  t.eq(none.message, "nil")
  local _, odd = core.spawn(function() error({}) end):join()
  t.ok(err.is(odd))
end)

t.case("joining: several at once, oneself, from a finished task", function()
  local a = core.spawn(function() core.sleep(0.01) return 7 end)
  local got = {}
  for i = 1, 5 do core.spawn(function() got[i] = select(2, a:join()) end) end
  a:join()
  turns(2)
  t.eq(got, { 7, 7, 7, 7, 7 })
  local me
  me = core.spawn(function() return me:join() end)
  local ok, problem = me:join()
  t.eq(ok, nil)
  t.ok(problem.message:find("cannot wait for itself"), problem.message)
end)

t.case("sleep takes a number of seconds", function()
  for _, bad in ipairs { -1, 1e10, 0 / 0, "x", {} } do t.raises(function() core.sleep(bad) end, "bad argument #1") end
  t.raises(core.sleep, "bad argument #1")
  t.raises(function() core.spawn(5) end, "function expected")
  local begin = clock.mono()
  t.eq(core.sleep(0.01), true)
  t.ok(clock.mono() - begin >= 0.01)
end)

t.case("a thousand tasks", function()
  local sum, tasks = 0, {}
  for i = 1, 1000 do
    tasks[i] = core.spawn(function()
      core.sleep((i * 7 % 10) / 1000)
      sum = sum + i
      return i
    end)
  end
  for i = 1, 1000 do t.eq({ tasks[i]:join() }, { true, i }) end
  t.eq(sum, 500500)
end)

t.case("deep recursion is an error of that task alone", function()
  local function deep(n) return 1 + deep(n + 1) end
  local ok, problem = core.spawn(deep, 1):join()
  t.eq(ok, nil)
  t.ok(problem.message:find("stack overflow"), problem.message)
  local function waits(n) if n == 0 then return core.sleep(0) end local r = waits(n - 1) return r end
  t.eq({ core.spawn(waits, 5000):join() }, { true, true })
end)

t.case("insist: what a cancel interrupts is done all the same, then the cancel goes on", function()
  local calls, ends, after = 0, 0, false
  local one = core.spawn(function()
    task.insist(function()
      calls = calls + 1
      core.sleep(calls == 1 and 60 or 0.02)
      ends = ends + 1
    end)
    after = true
  end)
  while calls == 0 do core.sleep(0) end
  one:cancel()
  local ok, failed = one:join()
  t.eq({ ok, failed.code, calls, ends, after }, { nil, "cancelled", 2, 1, false })
  t.eq({ task.insist(function() return 1, nil, 3 end) }, { 1, nil, 3 })
  calls = 0
  local raised = select(2, pcall(task.insist, function() calls = calls + 1 error("no", 0) end))
  t.eq({ raised, calls }, { "no", 1 })
end)

-- --- where one may wait

t.case("inside pcall, iterators, metamethods and closing values", function()
  t.eq({ pcall(core.sleep, 0) }, { true, true })
  local n = 0
  for i in function(_, last) core.sleep(0) if (last or 0) < 3 then return (last or 0) + 1 end end do n = n + i end
  t.eq(n, 6)
  local object = setmetatable({}, {
    __index = function(_, key)
      core.sleep(0)
      return key
    end,
    __add = function()
      core.sleep(0)
      return 5
    end,
  })
  t.eq(object.field, "field")
  t.eq(object + 1, 5)
  local closed = false
  do local _x <close> = setmetatable({}, { __close = function() core.sleep(0) closed = true end }) end
  t.eq(closed, true)
end)

t.case("not where Lua cannot go on, and it is said where that is", function()
  local here = "task_test%.lua:%d+"
  t.raises(function() coroutine.wrap(function() core.sleep(0) end)() end,
    "a coroutine of the script's own cannot do %(that of the function at .*" .. here .. "%)")
  t.raises(function() table.sort({ 2, 1 }, function(a, b) core.sleep(0) return a < b end) end,
    "cannot be made here: within sort, called at .*" .. here)
  t.raises(function() return ("x"):gsub("x", function() pcall(core.sleep, 0) core.sleep(0) end) end,
    "cannot be made here: within gsub, called at .*" .. here)
  t.raises(function() core.spawn(function() end):join(coroutine.wrap(function() file.read("/") end)()) end,
    "a coroutine of the script's own cannot do")
  local _, said
  do setmetatable({}, { __gc = function() _, said = pcall(core.sleep, 0) end }) end
  collectgarbage()
  t.ok(said:find("cannot be made here: in the finalizer at .*" .. here), said)
  turns()
end)

t.case("nor at file level", function()
  local dir = TMP .. "/modules"
  assert(file.mkdirs(dir))
  assert(file.replace(dir .. "/waits_at_load.lua", 'require("engine.task").sleep(0)\n'))
  process.add_path(dir)
  t.raises(function() require "waits_at_load" end, "at file level of a module, require was called at .*task_test%.lua:%d+")
end)

-- --- computing without a wait

-- Ends what runs within it soon; as short as a look comes again.
local function limited(fn)
  local before = core.limit(0.2)
  local out = table.pack(pcall(fn))
  core.limit(before)
  return table.unpack(out, 1, out.n)
end

local LOOPS = "task_test%.lua:%d+: the script computed for 0%.2 s without a wait"
local function spin() while true do local _ = {} end end

t.case("a loop that never waits is ended, and its line named", function()
  local closed
  local ok, problem = limited(function()
    local _c <close> = setmetatable({}, { __close = function() core.sleep(0.001) closed = true end })
    spin()
  end)
  t.eq(ok, false)
  t.err(nil, problem, "timeout", LOOPS)
  t.eq(closed, true, "what closes may wait")
end)

t.case("also in a coroutine of the script's own", function()
  for _, run in ipairs { function() coroutine.wrap(spin)() end,
    function() error(select(2, coroutine.resume(coroutine.create(spin))), 0) end } do
    local _, problem = limited(run)
    t.err(nil, problem, "timeout", LOOPS)
  end
end)

t.case("and in a task beside others, which go on", function()
  local before = core.limit(0.2)
  local a, b = core.spawn(spin), core.spawn(function() core.sleep(0.01) return "fine" end)
  local _, problem = a:join()
  t.err(nil, problem, "timeout", LOOPS)
  t.eq({ b:join() }, { true, "fine" })
  core.limit(before)
end)

t.case("one that catches the error is ended all the same", function()
  local before, caught = core.limit(0.2), 0
  local _, problem = core.spawn(function()
    while true do
      pcall(spin)
      caught = caught + 1
    end
  end):join()
  core.limit(before)
  t.err(nil, problem, "timeout", LOOPS)
  t.ok(caught >= 1 and caught <= 3, caught)
end)

t.case("a wait now and then is enough", function()
  local before = core.limit(0.3)
  local start = os.clock()
  while os.clock() - start < 0.7 do core.sleep(0) end
  t.eq(core.limit(0), 0.3)
  local stop = os.clock() + 0.5
  while os.clock() < stop do end
  core.limit(before)
end)

t.case("a loop where no error can be raised ends the process", function()
  local path = TMP .. "/finalizer.lua"
  assert(file.replace(path, 'require("engine.task").limit(0)\nrequire("engine.task").limit(0.01)\n'
    .. 'setmetatable({}, { __gc = function() while true do local _ = {} end end })\ncollectgarbage()\n'))
  local out = t.ok(process.run({ BINARY, "run", path }, { timeout = 100 }))
  t.eq(out.status, 1)
  t.ok(out.stderr:find("computes where it cannot be stopped", 1, true), out.stderr)
end)

t.case("coroutines of the script's own work", function()
  local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
  t.eq({ gen(), gen(), gen() }, { 1, 2, 3 })
  core.sleep(0)
  local ok, problem = core.spawn(function()
    coroutine.yield(1)
    core.sleep(60)
  end):join()
  t.eq(ok, nil)
  t.eq(problem.code, "cancelled")
end)

-- --- cancelling

t.case("cancel is delivered once, in the call that waits", function()
  local log = {}
  local a = core.spawn(function()
    local ok, problem = pcall(core.sleep, 60)
    log[1], log[2], log[3] = ok, problem.code, core.cancelled()
    log[4] = core.sleep(0.001)
    return "done"
  end)
  turns(2)
  t.eq(core.cancelled(), false)
  a:cancel()
  a:cancel()
  t.eq({ quick(function() return a:join() end) }, { true, "done" })
  t.eq(log, { false, "cancelled", true, true })
  a:cancel()
  t.eq(core.cancelled(), false)
end)

t.case("cancelled before it began, or while it computes", function()
  local reached = false
  local a = core.spawn(function()
    core.sleep(60)
    reached = true
  end)
  a:cancel()
  local ok, problem = quick(function() return a:join() end)
  t.eq({ ok, problem.code, reached }, { nil, "cancelled", false })
  local b
  b = core.spawn(function()
    b:cancel()
    reached = "still running"
    core.sleep(60)
  end)
  ok, problem = quick(function() return b:join() end)
  t.eq({ ok, problem.code, reached }, { nil, "cancelled", "still running" })
end)

t.case("closing values may wait after a cancel", function()
  local steps = {}
  local a = core.spawn(function()
    local _outer <close> = setmetatable({}, { __close = function(_, e)
      steps[#steps + 1] = "outer " .. e.code
      steps[#steps + 1] = file.stat("/").type
    end })
    local _inner <close> = setmetatable({}, { __close = function(_, e)
      core.sleep(0.002)
      steps[#steps + 1] = "inner " .. e.code
    end })
    core.sleep(60)
  end)
  turns(2)
  a:cancel()
  local ok, problem = a:join()
  t.eq({ ok, problem.code }, { nil, "cancelled" })
  t.eq(steps, { "inner cancelled", "outer cancelled", "dir" })
end)

t.case("a file that is being written is written before the cancel arrives", function()
  local path, text = TMP .. "/whole", ("x"):rep(8 << 20)
  local ok, problem
  for _ = 1, 50 do -- until a cancel comes before the file is written: usually the first one does
    local writer = core.spawn(function() assert(file.replace(path, text)) end)
    turns()
    writer:cancel()
    ok, problem = writer:join()
    t.ok(file.stat(path), "it is there")
    t.ok(file.read(path) == text, "all of it")
    if not ok then break end
    file.remove(path)
  end
  t.eq(ok, nil)
  t.eq(problem.code, "cancelled")
end)

t.case("a cancelled program is ended with its children before its task goes on", function()
  local function runs(name, script)
    local pids = TMP .. "/" .. name
    local a = core.spawn(process.run, { "sh", "-c", script, pids })
    eventually(function() return (file.read(pids) or ""):find("\n") end)
    a:cancel()
    local _, problem = a:join()
    t.eq(problem.code, "cancelled")
    for pid in file.read(pids):gmatch("%d+") do
      eventually(function() -- a child's zombie is not its parent's any more
        local text = file.read(("/proc/%s/stat"):format(pid))
        return not text or text:find("%) Z ")
      end)
    end
  end
  runs("willing", "sleep 100 & echo $$ $! >$0; wait")
  runs("stubborn", "trap '' TERM; echo $$ >$0; while :; do sleep 0.1; done")
end)

t.case("a program that was not started is not started after a cancel", function()
  local made, tasks = TMP .. "/made", {}
  for i = 1, 16 do tasks[i] = core.spawn(process.run, { "sleep", "100" }) end -- all threads of the pool
  local late = core.spawn(process.run, { "touch", made })
  turns(3)
  late:cancel()
  for _, a in ipairs(tasks) do a:cancel() end
  for _, a in ipairs(tasks) do a:join() end
  t.eq({ select(2, late:join()).code, (file.stat(made)) }, { "cancelled" })
end)

-- --- groups

t.case("map keeps the order and the limit", function()
  local running, most = 0, 0
  local list = {}
  for i = 1, 30 do list[i] = i end
  local out = t.ok(task.map(list, function(x, i)
    running = running + 1
    most = math.max(most, running)
    core.sleep((30 - i) % 4 / 1000)
    running = running - 1
    return x * 10 + (x - i)
  end, { limit = 3 }))
  for i = 1, 30 do t.eq(out[i], i * 10) end
  t.eq({ most, running }, { 3, 0 })
  most = 0
  t.ok(task.map(list, function() running = running + 1 most = math.max(most, running) core.sleep(0.001)
    running = running - 1 end))
  t.eq(most, 4)
  t.eq(task.map({}, error), {})
  t.eq(task.map({ 1, 2 }, function(x) if x == 2 then return false end end), { true, false })
end)

t.case("a limit that lets nothing run is a mistake", function()
  for _, limit in ipairs { 0, -1 } do
    t.raises(function() task.map({ 1, 2 }, function() return 1 end, { limit = limit }) end)
  end
end)

t.case("the first failure cancels the rest, wherever it stands in the list", function()
  for place = 1, 3 do
    local cancelled, closed, begun = 0, 0, 0
    local out, problem = quick(function()
      return task.map({ 1, 2, 3, 4, 5, 6 }, function(x)
        begun = begun + 1
        local _c <close> = setmetatable({}, { __close = function() core.sleep(0.001) closed = closed + 1 end })
        if x == place then
          core.sleep(0.005)
          return nil, err.new("no_space", "number " .. x)
        end
        local ok, e = pcall(core.sleep, 60)
        if not ok and e.code == "cancelled" then cancelled = cancelled + 1 end
        if not ok then error(e, 0) end
      end, { limit = 3 })
    end)
    t.eq(out, nil)
    t.eq(problem.message, "number " .. place)
    t.eq({ begun, cancelled, closed }, { 3, 2, 3 }, "place " .. place)
  end
end)

t.case("what a call raises is a failure, and an error object", function()
  local out, problem = task.map({ 1 }, function() error("boom") end)
  t.err(out, problem, "internal", "boom")
end)

t.case("even if it raises nil", function()
  local out, problem = task.map({ 1 }, function() error() end)
  t.eq(out, nil)
  t.ok(problem)
end)

t.case("collect gives every outcome", function()
  local out = t.ok(task.map({ 1, 2, 3 }, function(x)
    if x == 2 then return nil, err.new("busy", "two") end
    if x == 3 then error(err.new("io", "three")) end
    return x
  end, { limit = 2, collect = true }))
  t.eq({ out[1].ok, out[1].value }, { true, 1 })
  t.eq({ out[2].ok, out[2].err.code }, { false, "busy" })
  t.eq({ out[3].ok, out[3].err.code }, { false, "io" })
end)

t.case("cancelling the caller cancels the group and waits for it", function()
  local closed, begun = 0, 0
  local a = core.spawn(function()
    return task.map({ 1, 2, 3 }, function()
      begun = begun + 1
      local _c <close> = setmetatable({}, { __close = function() core.sleep(0.002) closed = closed + 1 end })
      core.sleep(60)
    end)
  end)
  eventually(function() return begun == 3 end)
  a:cancel()
  local ok, problem = quick(function() return a:join() end)
  t.eq({ ok, problem.code, closed }, { nil, "cancelled", 3 })
end)

t.case("all", function()
  t.eq(task.all { function() core.sleep(0.002) return "a" end, function() return "b" end }, { "a", "b" })
  t.eq(task.all {}, {})
  local out, problem = quick(function()
    return task.all { function() core.sleep(60) end, function() return nil, err.new("io", "second") end }
  end)
  t.err(out, problem, "io", "second")
end)

t.case("first: the number of one that has ended, in whatever way", function()
  local slow = core.spawn(function() core.sleep(60) end)
  local quick_one = core.spawn(function() core.sleep(0.002) end)
  t.eq(quick(function() return core.first(slow, quick_one) end), 2)
  t.eq(core.first(slow, quick_one), 2, "asked again")
  local broken = core.spawn(function() core.sleep(0.002) error("broken") end)
  t.eq(quick(function() return core.first(broken, slow) end), 1)
  local waits = core.spawn(function() return core.first(slow) end)
  turns(2)
  waits:cancel()
  local ok, problem = quick(function() return waits:join() end)
  t.err(ok, problem, "cancelled")
  slow:cancel()
  t.eq(quick(function() return core.first(slow) end), 1)
  t.raises(function() core.first() end, "a task expected")
  t.raises(function() core.first(slow, 1) end, "bad argument #2")
  local itself
  itself = core.spawn(function() return core.first(slow, itself) end)
  t.ok(select(2, itself:join()).message:find("a task cannot wait for itself", 1, true))
end)

t.case("race", function()
  local lost
  local out = table.pack(quick(function()
    return task.race {
      function() local ok, e = pcall(core.sleep, 60) lost = not ok and e.code end,
      function() core.sleep(0.002) return "won", nil, 3, nil end }
  end))
  t.eq(out, { "won", nil, 3, nil, n = 4 })
  t.eq(lost, "cancelled")
  t.eq({ task.race { function() return "at once" end, function() return "second" end } }, { "at once" })
  local none, problem = quick(function()
    return task.race { function() core.sleep(60) end, function() error(err.new("io", "first to end")) end }
  end)
  t.err(none, problem, "io", "first to end")
  none, problem = task.race { function() error("a text") end }
  t.err(none, problem, "internal", "a text")
  t.raises(function() task.race {} end, "nothing to run")
end)

t.case("timeout", function()
  t.eq(table.pack(task.timeout(60, function() core.sleep(0) return 1, nil end)), { 1, nil, n = 2 })
  local closed = false
  local out, problem = quick(function()
    return task.timeout(0.01, function()
      local _c <close> = setmetatable({}, { __close = function() core.sleep(0.001) closed = true end })
      core.sleep(60)
    end)
  end)
  t.err(out, problem, "timeout", "not done within 0.01 s")
  t.eq(closed, true)
  out, problem = task.timeout(60, function() return nil, err.new("io", "its own") end)
  t.err(out, problem, "io", "its own")
  out, problem = quick(function()
    return task.timeout(0.005, function() return task.timeout(60, function() core.sleep(60) end) end)
  end)
  t.err(out, problem, "timeout", "0.005")
end)

-- --- what a script leaves running

-- The output and exit code of a script in a process of its own.
local function script(text)
  local path = TMP .. "/script.lua"
  assert(file.replace(path, text))
  return assert(process.run({ BINARY, "run", path }, { timeout = 20 }))
end

t.case("what is left over ends with the script", function()
  local out = script [[
    local task = require "engine.task"
    task.spawn(function()
      local _c <close> = setmetatable({}, { __close = function() task.sleep(0) print "closed" end })
      task.sleep(60)
    end)
    task.sleep(0)
    return 7]]
  t.eq({ out.status, out.stdout }, { 7, "closed\n" }, out.stderr)
  t.ok(out.seconds < 15)
end)

t.case("a signal does not end what is settled, the second one does", function()
  local function signalled(times)
    return script(([[
      local task, process = require "engine.task", require "engine.process"
      local pid = tostring(process.self().pid)
      task.settle()
      for _ = 1, %d do
        process.run { "kill", "-TERM", pid }
        task.sleep(0.05)
      end
      print "done"]]):format(times))
  end
  local out = signalled(1)
  local said = "moonsnap: warning: signal 15 (Terminated): the work is done and this run is about to end; press again "
    .. "to end it now\n"
  t.eq({ out.status, out.stdout, out.stderr }, { 0, "done\n", said })
  out = signalled(2)
  t.eq({ out.status, out.stdout }, { 143, "" })
  t.ok(out.stderr:find(said .. "moonsnap: warning: signal 15 (Terminated): ending", 1, true), out.stderr)
end)

t.case("who has to look is called by the exit code, whatever ends the program", function()
  local function ends(what)
    return script(([[
      local task, process = require "engine.task", require "engine.process"
      local function signal() process.run { "kill", "-TERM", tostring(process.self().pid) } task.sleep(0.05) end
      task.alarm()
      %s]]):format(what)).status
  end
  t.eq(ends("signal()"), 5)
  t.eq(ends("local _hangs <close> = setmetatable({}, { __close = function() signal() task.sleep(60) end })\nsignal()"), 5)
  t.eq(ends("error('boom')"), 5)
end)

t.case("a task takes any number of arguments and results", function()
  local out = script [[
    local task = require "engine.task"
    local many = {}
    for i = 1, 5000 do many[i] = i end
    local got = table.pack(task.spawn(function(...) return ... end, table.unpack(many)):join())
    print(got.n, got[5001])]]
  t.eq({ out.status, out.signal, out.stdout }, { 0, nil, "5001\t5000\n" })
end)

return t.done()
