-- The reference holds what the program has: every function that a script can reach is in it, with the
-- parameters that the code takes, and `moonsnap doc` finds it.
local err = require "std.err"
local file = require "engine.file"
local process = require "engine.process"
local doc = require "std.doc"
local t = require "std.test"

local MOONSNAP = (os.getenv("MOON_BUILD") or "build") .. "/moonsnap"
local index = doc.index()

-- Every module by name.
local loaded = {}
for name in pairs(package.preload) do loaded[name] = require(name) end
for _, name in ipairs(assert(file.list("stdlib"))) do
  local module = "std." .. name:match("^([%w_]+)%.lua$")
  loaded[module] = require(module)
end

-- The same function under another module's name needs no second description.
local described = {}
for name, module in pairs(loaded) do
  for key, value in pairs(type(module) == "table" and module or {}) do
    if type(value) == "function" and index.by_name[name .. "." .. key] then described[value] = true end
  end
end

t.case("every function of every module is described", function()
  local lacking, seen = {}, 0
  for name, module in pairs(loaded) do
    for key, value in pairs(type(module) == "table" and module or {}) do
      if type(value) == "function" and type(key) == "string" then
        seen = seen + 1
        if not described[value] then lacking[#lacking + 1] = name .. "." .. key end
      end
    end
  end
  table.sort(lacking)
  t.eq(table.concat(lacking, " "), "")
  t.ok(seen > 250, seen)
end)

t.case("every module is in the list", function()
  for name in pairs(loaded) do t.ok(index.by_name[name], name) end
end)

t.case("every verb of the ONTAP client says what it takes and gives", function()
  local seen = 0
  for _, entry in ipairs(index.entries) do
    if entry.name:find("Ontap:", 1, true) and entry.source:find("ontap%.h$") then
      seen = seen + 1
      t.ok(#(entry.text or "") > 5 and #(entry.returns[1][1].text or "") > 2, entry.name)
    end
  end
  t.eq(seen, 44)
end)

t.case("every description says what the function does", function()
  local bare = {}
  for _, entry in ipairs(index.entries) do
    if not entry.alias and not entry.class and #(entry.summary or "") < 4 then bare[#bare + 1] = entry.name end
  end
  t.eq(table.concat(bare, " "), "")
end)

t.case("the parameters described are those of the code", function()
  local wrong = {}
  for _, entry in ipairs(index.entries) do
    -- the parsers of std.params_types are all called alike, which its own text says
    if entry.args and entry.args ~= "..." and entry.module ~= "std.params_types" then
      local names = {}
      for _, param in ipairs(entry.params) do
        if param.name == "..." or not param.name:find("[.#]") then names[#names + 1] = param.name end
      end
      local got = table.concat(names, ", ")
      -- `_ctx`: the contract has it, this function needs it not
      if got ~= entry.args:gsub("%f[%w_]_", "") then
        wrong[#wrong + 1] = ("%s(%s) not (%s)"):format(entry.name, entry.args, got)
      end
    end
  end
  t.eq(table.concat(wrong, "\n"), "")
end)

t.case("another name for a function leads to it", function()
  for _, entry in ipairs(index.entries) do
    if entry.alias then
      t.ok(index.by_name[entry.alias], entry.name .. " is " .. entry.alias)
      t.eq(doc.find(entry.name)[1].name, entry.alias)
    end
  end
end)

t.case("a name is found with and without its beginning", function()
  t.eq(doc.find("std.retention.plan")[1].name, "std.retention.plan")
  t.eq(doc.find("retention.plan")[1].name, "std.retention.plan")
  t.eq(doc.find("Domain:suspend()")[1].name, "engine.virt.Domain:suspend")
  t.eq(#t.ok(doc.find("suspend")), 2)
  t.eq(doc.find("engine.virt")[1].name, "engine.virt")
  t.err(nil, select(2, doc.find("retention.pln")), "not_found", "but std%.retention%.plan")
  t.err(nil, select(2, doc.find("xyzzyxyzzyxyzzy")), "not_found", "moonsnap doc lists")
end)

t.case("a word leads to where it is spoken of", function()
  local names = {}
  for _, entry in ipairs(doc.mentions("METADATA")) do names[entry.name] = true end
  t.ok(names["std.guest.tagged"] and names["std.world.new"])
  t.eq(doc.mentions("xyzzyxyzzyxyzzy"), {})
  t.ok(not doc.find("metadata"))
end)

t.case("code in a module's description keeps its lines", function()
  local text = doc.describe(doc.find("std.quiesce")[1])
  t.ok(text:find("\n    local guard <close> = quiesce.guard(ctx, guests)\n    assert(guard:suspend())\n", 1, true), text)
  t.ok(doc.describe(doc.find("std.world")[1]):find("\n      local w <close> = world.new", 1, true))
end)

t.case("what a phase gets is described", function()
  local entry = t.ok(doc.find("ctx"))[1]
  local fields = {}
  for _, field in ipairs(entry.fields) do fields[field.name] = true end
  t.ok(fields.cfg and fields.conn and fields.guests and fields.controllers and fields.policy)
end)

t.case("a description has its parts", function()
  local suspend = doc.describe(doc.find("Domain:suspend")[1])
  t.ok(suspend:find("waits", 1, true) and suspend:find("dry run", 1, true), suspend)
  local create = doc.describe(doc.find("Ontap:snapshot_create")[1])
  t.ok(create:find("Ontap:snapshot_create(volume, name [, options])", 1, true), create)
  t.ok(create:find("comment", 1, true), create)
  local run = doc.describe(doc.find("std.process.run")[1])
  t.ok(run:find("std.process.run(argv [, opts])", 1, true) and run:find("`timeout`", 1, true), run)
  t.ok(not doc.describe(doc.find("Domain:state")[1]):find("dry run", 1, true))
  for line in (create .. suspend .. run):gmatch("[^\n]+") do t.ok(#line <= 130, line) end
end)

-- Output of moonsnap doc, or what it said on stderr and its exit code.
local function run(...)
  local out = assert(process.run({ MOONSNAP, "doc", ... }, { timeout = 30, reads = true }))
  return out.status == 0 and out.stdout or out.stderr, out.status
end

t.case("moonsnap doc", function()
  t.ok(run():find("std.retention", 1, true))
  t.ok(run("std.retention.plan"):find("raises", 1, true))
  t.ok(run("kvm-00003"):find("virsh domstate", 1, true))
  t.ok(run("engine.virt"):find("Domain:freeze", 1, true))
  local said, code = run("engine.virtual")
  t.eq(code, 2)
  t.ok(said:find("but engine.virt;", 1, true), said)
  local rows = t.ok(require("engine.json").decode(run("suspend", "--json")))
  t.eq(#rows, 2)
  t.eq(rows[1].changes, true)
end)

t.case("every entry can be printed", function()
  for _, kind in ipairs { index.modules, index.entries } do
    for _, entry in ipairs(kind) do
      if not entry.alias then t.ok(#doc.describe(entry) > #entry.name) end
    end
  end
end)

t.case("the numbered messages are in the reference", function()
  for _, row in ipairs(require("std.codes").all()) do t.ok(require("std.codes").get(row.code) == row) end
  t.ok(err.is(select(2, doc.find("kvm-99999"))))
end)

return t.done()
