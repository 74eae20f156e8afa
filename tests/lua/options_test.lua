-- Command line options, and the words of hook commands.
local options = require "std.options"
local report = require "std.report"
local t = require "std.test"

local function parse(line)
  local args = {}
  for word in line:gmatch("%S+") do args[#args + 1] = word end
  return options.parse(args)
end

t.case("both command forms mean the same", function()
  local ours = parse("backup --profile P --config C --policy daily --verbose")
  local theirs = parse("--profile P --config C --action backup --policy daily --verbose")
  t.eq(ours.action, "backup")
  t.eq(theirs.action, "backup")
  t.eq(theirs.snapcreator, true)
  t.eq(ours.snapcreator, false)
  for _, name in ipairs { "profile", "config", "policy", "verbose" } do t.eq(ours[name], theirs[name], name) end
end)

t.case("params are a list up to the next option", function()
  local opts = parse("restore --params A=1 B=2=3 --yes --config=C")
  t.eq(opts.params, { "A=1", "B=2=3" })
  t.eq(opts.yes, true)
  t.eq(opts.config, "C")
end)

t.case("mistakes are named", function()
  for line, text in pairs {
    ["backup --polcy x"] = "no option --polcy", ["backup --policy"] = "--policy needs a value",
    ["backup --yes --yes"] = "--yes is given twice", ["backup --yes=1"] = "--yes takes no value",
    ["backup --params"] = "--params needs NAME=VALUE", ["backup ---x"] = "'---x' is not an option",
  } do
    local opts, failed = parse(line)
    t.eq(opts, nil, line)
    t.ok(failed.message:find(text, 1, true), failed.message)
    t.eq(failed.exit, 2)
  end
end)

t.case("help and nothing at all", function()
  t.eq(parse("").action, "help")
  t.eq(parse("--help").action, "help")
  t.eq(parse("backup --help").words[2], "backup")
  t.eq(parse("--version").action, "version")
end)

t.case("tables are aligned, numbers to the right", function()
  t.eq(report.table({ "A", "N" }, { { "x", 5 }, { "longer", 12 } }), "A        N\nx        5\nlonger  12")
  t.eq(report.size(1536), "1.5 KiB")
  t.eq(report.size(12), "12 B")
  t.eq(report.size(nil), "-")
end)

return t.done()
