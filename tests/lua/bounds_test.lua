-- What is read has a bound: in time, in size, in what is believed of a file.
local t = require "std.test"
local blanks = require "std.blanks"
local catalog = require "std.catalog"
local expand = require "std.config_expand"
local params = require "std.params"

t.case("blanks round a text", function()
  for given, want in pairs { [""] = "", ["  "] = "", ["a"] = "a", [" a b\t\n"] = "a b", ["a "] = "a", [" a"] = "a" } do
    t.eq(blanks.trim(given), want, given)
  end
  t.eq(blanks.trim_end("  a \n\n"), "  a")
  t.eq(blanks.trim_end(" \n"), "")
  t.eq({ blanks.cut(" a : b:c ", ":") }, { " a", "b:c " })
  t.eq({ blanks.cut(":", ":") }, { "", "" })
  t.eq(blanks.cut("ab", ":"), nil)
end)

-- Measured against itself: twice the blanks take about twice the time, not four times. Processor time, the best of a few.
local function seconds(n, work)
  local text, best = "a" .. (" "):rep(n) .. "b", math.huge
  for _ = 1, 5 do
    local began = os.clock()
    for _ = 1, 20 do work(text) end
    best = math.min(best, os.clock() - began)
  end
  return best
end

t.case("runs of blanks take time by their length", function()
  local row = params.find("SNAME")
  for name, work in pairs { trim = blanks.trim, trim_end = blanks.trim_end,
    cut = function(s) blanks.cut(s, ":") end, parse = function(s) params.parse(row, s, "x") end } do
    local ratio = seconds(400000, work) / math.max(seconds(50000, work), 1e-6)
    t.ok(ratio < 32, ("%s: eight times the blanks take %.1f times as long"):format(name, ratio))
  end
end)

t.case("names in names have a limit", function()
  local vars = { A = ("%B"):rep(30), B = ("%C"):rep(30), C = ("%D"):rep(30), D = ("%E"):rep(30), E = "", F = "fine" }
  local function lookup(name) return vars[name] ~= nil, vars[name], true end
  local got, err = expand(("%A"):rep(30), lookup, {}, "kvm.conf:1")
  t.err(got, err, "invalid")
  t.eq(err.message, "kvm.conf:1: with all names filled in it has more than 1 MiB")
  t.eq(expand("x%F%" .. ("N"):rep(100000), lookup, {}, "kvm.conf:1"), "xfine%" .. ("N"):rep(100000))
end)

-- A record that decodes, and changes of it that do not.
local GOOD = '{"schema":1,"id":"20260314020001-7","action":"backup","status":"ok","snapshot":"s","started":1773453601,'
  .. '"guests":[{"name":"g","disks":[{"target":"vda","controller":"c","path":"/vol/v/a"}]}],'
  .. '"volumes":[{"controller":"c","volume":"v"}]}'

t.case("a record is taken whole or not at all", function()
  t.eq(t.ok(catalog.decode(GOOD)).id, "20260314020001-7")
  -- What a restore writes of its guests is its own.
  t.ok(catalog.decode('{"schema":1,"id":"a-7","action":"restore","status":"started","guests":[{"guest":"g","disks":[{}]}],'
    .. '"volumes":[{"controller":"c","volume":"v"}],"safety":"s","process":{"pid":7,"start":1}}'))
  for _, change in ipairs {
    { '"schema":1', '"schema":2' }, { '"id":"20260314020001%-7"', '"id":"../../etc/x"' }, { '"id":"20260314020001%-7",', "" },
    { '"action":"backup"', '"action":"a/b"' }, { '"snapshot":"s"', '"snapshot":7' }, { '"snapshot":"s",', "" },
    { "1773453601", "1e300" }, { "1773453601", '"soon"' }, { "1773453601", "-1" }, { "1773453601", "9223372036854775807" },
    { '"volumes":%[.*%]', '"volumes":3' }, { '"volume":"v"', '"volume":null' }, { '"name":"g"', '"name":{}' },
    { '"disks":%[.-%]', '"disks":{"a":1}' }, { '"target":"vda",', "" }, { ',"volumes":%[.*%]', "" }, { "^{", "[" },
    { "^.*$", "null" }, { '"guests":%[', '"guests":[null,' }, { '"disks":%[', '"disks":[null,' },
    { '"volumes":%[', '"volumes":[null,' },
  } do
    local text, n = GOOD:gsub(change[1], (change[2]:gsub("%%", "%%%%")))
    t.eq(n, 1, change[1])
    local got, err = catalog.decode(text)
    t.err(got, err, "protocol")
  end
end)

return t.done()
