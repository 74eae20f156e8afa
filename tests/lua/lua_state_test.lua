-- What a script gets of Lua, and what it does not.
local file = require "engine.file"
local process = require "engine.process"
local t = require "std.test"

local TMP = os.getenv("MOON_TEST_TMP") or "/tmp"
local BINARY = process.realpath((os.getenv("MOON_BUILD") or "build") .. "/moonsnap")

t.case("what would go behind the engine's back is not there", function()
  t.eq({ os.execute, os.exit, os.remove, os.rename, os.tmpname, os.setlocale }, {})
  t.eq({ io.popen, io.tmpfile }, {})
  t.eq({ rawget(_G, "dofile"), rawget(_G, "loadfile"), rawget(_G, "debug") }, {})
  t.eq({ package.loaded.debug, package.preload.debug }, {})
  t.raises(function() require "debug" end, "module 'debug' not found")
end)

t.case("C modules cannot be loaded", function()
  t.eq(package.cpath, "")
  t.eq(#package.searchers, 3)
  t.eq(package.loadlib, nil)
end)

t.case("the rest is there", function()
  for _, name in ipairs { "assert", "error", "getmetatable", "ipairs", "load", "next", "pairs", "pcall", "print",
    "rawequal", "rawget", "rawlen", "rawset", "require", "select", "setmetatable", "tonumber", "tostring", "type",
    "xpcall", "collectgarbage", "warn" } do
    t.eq(type(_G[name]), "function", name)
  end
  for _, name in ipairs { "coroutine", "io", "math", "os", "package", "string", "table", "utf8" } do
    t.eq(type(_G[name]), "table", name)
  end
  t.ok(os.time() > 1e9 and os.date("%Y") and os.getenv("PATH") and os.clock())
end)

-- The library is compiled by the build; its errors keep their place all the same.
t.case("an error in the library names file and line, a script may not load bytecode", function()
  t.raises(function() require("std.report").table({ "A" }, { 1 }) end, "^stdlib/report%.lua:%d+: .*local .row.")
  t.eq(load(string.dump(function() end)), nil)
  local chunk = process.shipped("stdlib/naming.lua")
  t.ok(chunk ~= process.shipped("stdlib/naming.lua") and type(chunk().make) == "function")
end)

t.case("--lib-dir replaces single modules, from their text", function()
  local dir = TMP .. "/lib"
  local script = dir .. "/script.lua"
  assert(file.mkdirs(dir))
  assert(file.replace(dir .. "/naming.lua", "return { make = function() return 'replaced' end }\n"))
  assert(file.replace(script, 'print(require("std.naming").make(), type(require("std.err").new))\n'))
  local run = { BINARY, "run", script, "--lib-dir", dir }
  t.eq(assert(process.run(run)).stdout, "replaced\tfunction\n")
  assert(file.replace(dir .. "/naming.lua", "return {\n  make =\n}\n"))
  local out = assert(process.run(run))
  t.ok(out.status ~= 0 and out.stderr:find("naming.lua:3:", 1, true), out.stderr)
end)

-- The library that a script requires is a table of its own, whatever the caller's globals hold.
t.case("modules are loaded once and leave no globals", function()
  local before = {}
  for name in pairs(_G) do before[name] = true end
  for _, name in ipairs(assert(file.list("stdlib"))) do
    local module = name:match("^(.*)%.lua$")
    if module then t.ok(rawequal(require("std." .. module), require("std." .. module)), module) end
  end
  for _, name in ipairs(assert(file.list("engine/lua"))) do
    local module = name:match("^l_(.*)%.c$")
    if module then t.eq(type(require("engine." .. module)), "table", module) end
  end
  for name in pairs(_G) do t.ok(before[name], "global " .. tostring(name)) end
end)

t.case("text only", function()
  local code = string.dump(function() return 1 end)
  for _, mode in ipairs { "b", "bt", "t" } do
    local fn, problem = load(code, "chunk", mode)
    t.eq(fn, nil)
    t.ok(problem:find("attempt to load a binary chunk"), problem)
  end
  t.eq(load(code), nil)
  local parts = { code:sub(1, 10), code:sub(11) }
  t.eq(load(function() return table.remove(parts, 1) end), nil)
  local path = TMP .. "/bytecode.lua"
  assert(file.replace(path, code))
  local out = assert(process.run({ BINARY, "run", path }, { timeout = 20 }))
  t.ok(out.status ~= 0 and out.stderr:find("binary chunk"), out.stderr)
end)

t.case("load does the rest as ever", function()
  t.eq(load("return 1 + 1")(), 2)
  t.eq(load("return x", "c", "t", { x = 5 })(), 5)
  t.eq(load("return ...", "c")(7), 7)
  local parts = { "return ", "8" }
  t.eq(load(function() return table.remove(parts, 1) end)(), 8)
  local fn, problem = load("return +", "@name")
  t.eq(fn, nil)
  t.ok(problem:find("^name:1:"), problem)
  t.raises(function() load("error('x')", "=mine", nil, { error = error })() end, "^mine:1: x$")
end)

t.case("nothing is loaded from the working directory", function()
  assert(file.mkdirs(TMP .. "/cwd/sub"))
  assert(file.mkdirs(TMP .. "/elsewhere"))
  assert(file.replace(TMP .. "/cwd/stray.lua", "return 'stray'"))
  assert(file.replace(TMP .. "/cwd/std.lua", "return 'stray'"))
  assert(file.replace(TMP .. "/elsewhere/beside.lua", "return 'beside'"))
  assert(file.replace(TMP .. "/elsewhere/main.lua", [[
    print(package.path)
    print((require "beside"))
    for _, name in ipairs { "stray", "./stray", "sub.x", "std.none", "..stray", "../cwd/stray" } do
      print(name, pcall(require, name) and "loaded" or "not found")
    end]]))
  local main = TMP .. "/elsewhere/main.lua"
  local out = assert(process.run({ BINARY, "run", main }, { cwd = TMP .. "/cwd", timeout = 20 }))
  t.eq(out.stdout, process.realpath(TMP) .. "/elsewhere/?.lua;\nbeside\nstray\tnot found\n./stray\tnot found\n" ..
    "sub.x\tnot found\nstd.none\tnot found\n..stray\tnot found\n../cwd/stray\tnot found\n", out.stderr)
end)

t.case("only absolute directories are searched", function()
  for _, bad in ipairs { "relative", ".", "", "./x", "/a;./?.lua", "/a?b" } do
    t.raises(function() process.add_path(bad) end, "an absolute directory is wanted")
  end
end)

t.case("the library cannot be shadowed by a file of the same name", function()
  local dir = TMP .. "/shadow"
  assert(file.mkdirs(dir .. "/std"))
  assert(file.replace(dir .. "/std/err.lua", "return 'shadow'"))
  assert(file.replace(dir .. "/main.lua", "print(type(require 'std.err'))"))
  local out = assert(process.run({ BINARY, "run", dir .. "/main.lua" }, { timeout = 20 }))
  t.eq(out.stdout, "table\n", out.stderr)
end)

t.case("metatables of handles are closed", function()
  local task = require "engine.task".spawn(function() end)
  t.eq(getmetatable(task), false)
  t.raises(function() setmetatable(task, {}) end)
  t.eq(task.unknown, nil)
  task:join()
end)

t.case("exit codes", function()
  local path = TMP .. "/exit.lua"
  for text, want in pairs { ["return 3"] = 3, ["return 'x'"] = 0, [""] = 0, ["error 'x'"] = 1, ["return +"] = 2,
    ["local e <close> = setmetatable({}, {__close = function() error 'late' end}) return 0"] = 1 } do
    assert(file.replace(path, text))
    t.eq(assert(process.run({ BINARY, "run", path }, { timeout = 20 })).status, want, text)
  end
  t.eq(assert(process.run({ BINARY, "run", TMP .. "/none.lua" }, { timeout = 20 })).status, 2)
end)

return t.done()
