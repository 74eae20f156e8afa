-- Where require looks, and what api = 1 is: scripts/COMPATIBILITY.md.
local file = require "std.file"
local process = require "engine.process"
local t = require "std.test"
local workflow = require "std.workflow"

local TMP = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/modules"
local MOONSNAP = process.realpath("/proc/self/exe")

local function write(path, text)
  assert(file.mkdirs((TMP .. "/" .. path):match("^(.*)/")))
  assert(file.replace(TMP .. "/" .. path, text))
end

-- Standard output of a script, or standard error and the exit code.
local function run(text, ...)
  write("bin/script.lua", text)
  local out = assert(process.run({ MOONSNAP, "run", TMP .. "/bin/script.lua", ... }, { reads = true, timeout = 30,
    env = { "HOME=" .. TMP } }))
  return out.status == 0 and out.stdout or out.stderr, out.status
end

t.case("one module of the library is replaced, all others stay", function()
  write("lib/naming.lua", "return { make = function() return 'mine' end }")
  local text = [[print(require("std.naming").make {}, require("std.report").size(1536))]]
  t.eq(run(text, "--lib-dir", TMP .. "/lib"), "mine\t1.5 KiB\n")
  local said, code = run(text)
  t.ok(not said:find("mine"), said)
  t.eq(code, 1)
end)

t.case("a replacement that is broken is named, and nothing takes its place", function()
  write("lib/naming.lua", "return {\n  x = \n}")
  local said, code = run([[require("std.naming")]], "--lib-dir", TMP .. "/lib")
  t.eq(code, 1)
  t.ok(said:find("lib/naming.lua:3:", 1, true), said)
end)

t.case("all modules at once, each by its own text", function()
  local names = {}
  for _, name in ipairs(assert(file.list("stdlib"))) do
    local text, hits = assert(file.read("stdlib/" .. name)):gsub("\n(return [^\n]+\n?)$",
      "\n_G.replaced = (_G.replaced or 0) + 1\n%1")
    names[#names + 1] = hits == 1 and name:match("^[%w_]+") or nil
    write("all/" .. name, text)
  end
  local said, code = run([[
    for _, name in ipairs { ... } do if name:find("^[%w_]+$") then require("std." .. name) end end
    print(replaced)]], "--lib-dir", TMP .. "/all", table.unpack(names))
  t.eq(code, 0, said)
  t.eq(tonumber(said), #names)
  t.ok(#names > 60, #names)
end)

-- A tree as LuaRocks lays one out.
write("rocks/share/lua/5.4/tiny.lua", "return { where = 'tree' }")
write("rocks/share/lua/5.4/deep/init.lua", "return { part = require 'deep.part' }")
write("rocks/share/lua/5.4/deep/part.lua", "return 'deep'")
write("rocks/share/lua/5.4/std/log.lua", "error('the library is not shadowed')")
write("rocks/share/lua/5.4/engine/log.lua", "error('nor is the engine')")
write("rocks/lib/lua/5.4/cmod.so", "no")
local USE = [[print(require("tiny").where, require("deep").part, require("std.log").info and require("engine.log").info and 1)]]

t.case("a LuaRocks tree, by option and beside the configs", function()
  t.eq(run(USE, "--lua-tree", TMP .. "/rocks"), "tree\tdeep\t1\n")
  local said, code = run(USE)
  t.eq(code, 1)
  t.ok(said:find("tiny", 1, true), said)
  write("etc/rocks/share/lua/5.4/tiny.lua", "return { where = 'etc' }")
  t.eq(run([[print(require("tiny").where)]], "--config-dir", TMP .. "/etc"), "etc\n")
end)

t.case("a tree of LuaRocks' own making", function()
  write("rock/greet-1.0-1.rockspec", [[package, version = "greet", "1.0-1"
    source, dependencies = { url = "file://." }, { "lua >= 5.4" }
    build = { type = "builtin", modules = { greet = "greet.lua", ["greet.words"] = "words.lua" } }]])
  write("rock/greet.lua", [[return require("greet.words") .. "!"]])
  write("rock/words.lua", [[return "hello"]])
  local out = assert(process.run({ "luarocks", "--lua-version", "5.4", "--tree", TMP .. "/made", "make",
    "greet-1.0-1.rockspec" }, { cwd = TMP .. "/rock", env = { "HOME=" .. TMP }, timeout = 60 }))
  t.eq(out.status, 0, out.stderr)
  t.eq(run([[print((require("greet")))]], "--lua-tree", TMP .. "/made"), "hello!\n")
end)

t.case("the script's own directory comes before the tree", function()
  write("bin/tiny.lua", "return { where = 'beside' }")
  t.eq(run(USE, "--lua-tree", TMP .. "/rocks"), "beside\tdeep\t1\n")
  assert(file.remove(TMP .. "/bin/tiny.lua"))
end)

t.case("no C modules, no tree that is not there", function()
  local said, code = run([[require("cmod")]], "--lua-tree", TMP .. "/rocks")
  t.eq(code, 1)
  t.ok(said:find("module 'cmod' not found", 1, true), said)
  said, code = run(USE, "--lua-tree", TMP .. "/nosuch")
  t.eq(code, 2)
  t.ok(said:find("--lua-tree " .. TMP .. "/nosuch", 1, true), said)
end)

t.case("a workflow in a site's file finds the tree, too", function()
  write("etc/scripts/mine.lua", [[return require("std.workflow") { action = "mine", summary = require("tiny").where,
    scope = "host", api = 1, phases = { "one" }, one = function() print("done by " .. require("tiny").where) end }]])
  local out = assert(process.run({ MOONSNAP, "mine", "--config-dir", TMP .. "/etc", "--state-dir", TMP .. "/state" },
    { reads = true, timeout = 30 }))
  t.eq(out.stdout, "done by etc\n", out.stderr)
end)

t.case("api", function()
  local function declare(api)
    return workflow { action = "a", summary = "s", phases = {}, api = api }
  end
  t.eq(declare(1).api, 1)
  t.eq(declare(nil).api, nil)
  t.raises(function() declare(2) end, "written for api 2, this moonsnap has api 1")
  t.raises(function() declare("1") end, "must be a number")
end)

return t.done()
