-- `moonsnap init`: what it writes works as it stands, and nothing that is there is lost.
local file = require "engine.file"
local process = require "engine.process"
local doc = require "std.doc"
local init = require "std.init"
local t = require "std.test"

local DIR = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/site"

local function moonsnap(...)
  return assert(process.run({ process.realpath("/proc/self/exe"), ... }, { timeout = 120, reads = true }))
end

t.case("types in the language server's words", function()
  for text, want in pairs { string = "string", ["?integer"] = "integer?", ["{string,...}"] = "string[]",
    ["Err|string"] = "Err|string", ["{a=?string,b=integer}"] = "{a?: string, b: integer}",
    ["{status=\"ok\"|\"missing\"}"] = "{status: \"ok\"|\"missing\"}", ["{{a=}}"] = "table", row = "any" } do
    t.eq(init.type_of(text), want)
  end
end)

t.case("every module's meta file is Lua, with every function of it", function()
  for _, module in ipairs(doc.index().modules) do
    local text = init.meta(module.name)
    t.ok(load(text, "=" .. module.name))
    for _, entry in ipairs(doc.index().entries) do
      if entry.module == module.name and entry.params and not entry.class and not entry.table then
        t.ok(text:find("[.:]" .. entry.name:match("[%w_]+$") .. "%("), entry.name)
      end
    end
  end
end)

t.case("moonsnap init: the first workflow passes its test, the second init keeps it", function()
  local out = moonsnap("init", DIR)
  t.eq(out.status, 0, out.stderr)
  out = moonsnap("test", DIR .. "/backup_test.lua")
  t.eq(out.status, 0, out.stdout)
  t.ok(out.stdout:find("2 passed, 0 failed", 1, true), out.stdout)
  t.ok(require("engine.json").decode(assert(file.read(DIR .. "/.luarc.json"))))
  t.ok(load(assert(file.read(DIR .. "/.luacheckrc"))))
  assert(file.replace(DIR .. "/backup.lua", "mine"))
  out = moonsnap("init", DIR)
  t.eq(out.status, 0)
  t.ok(out.stdout:find("kept     backup.lua", 1, true), out.stdout)
  t.eq(file.read(DIR .. "/backup.lua"), "mine")
  t.ok(moonsnap("init", DIR .. " two").stdout:find(("Next: moonsnap test '%s two/backup_test.lua'"):format(DIR), 1, true))
  t.eq(moonsnap("init").status, 2)
end)

t.case("a dry run of init writes nothing", function()
  local out = moonsnap("init", DIR .. "-dry", "--dry-run")
  t.eq(out.status, 0, out.stderr)
  t.eq(file.stat(DIR .. "-dry"), nil)
end)

return t.done()
