-- The primitives: what they accept, what they give, what they say when they refuse.
local clock = require "engine.clock"
local core_err = require "engine.err"
local domxml = require "engine.domxml"
local file = require "engine.file"
local guard = require "engine.guard"
local http = require "engine.http"
local json = require "engine.json"
local log = require "engine.log"
local mount = require "engine.mount"
local ontap = require "engine.ontap"
local pcre = require "engine.pcre"
local process = require "engine.process"
local task = require "engine.task"
local virt = require "engine.virt"
local xml = require "engine.xml"
local err = require "std.err"
local std_task = require "std.task"
local t = require "std.test"

log.open { quiet = true }

local TMP = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/engine"
assert(file.mkdirs(TMP))
local conn = assert(virt.open("test:///default"))
local dom = conn:domain(assert(conn:lookup("test")))
local filer = assert(ontap.new { host = "127.0.0.1", port = 1, timeout = 5, retries = 0 })
local rx = assert(pcre.new("a"))

-- --- arguments

-- Function, its arguments, and what it must say.
local misuse = {
  { file.read, {}, "bad argument #1 .*'path' is missing" },
  { file.read, { 5 }, "bad argument #1 .*string expected, got number" },
  { file.read, { "a", "b" }, "table expected, got string" },
  { file.read, { "a", { limit = 1 } }, "unknown option 'limit'" },
  { file.read, { "a", {}, 5 }, "too many arguments" },
  { file.replace, { "a" }, "bad argument #2 .*'data' is missing" },
  { file.replace, { "a", 5 }, "bad argument #2 .*string expected, got number" },
  { file.replace, { "a", "b", 5 }, "bad argument #3 .*table expected" },
  { file.replace, { "a", "b", { mod = 1 } }, "bad argument #3 .*unknown option 'mod'" },
  { file.replace, { "a", "b", { mode = "x" } }, "bad argument #3 .*field 'mode': integer expected, got string" },
  { file.replace, { "a", "b", { mode = 1.5 } }, "field 'mode': integer expected, got number" },
  { file.replace, { "a", "b", { "mode" } }, "unknown option '1'" },
  { file.replace, { "a", "b", { path = "c" } }, "unknown option 'path'" },
  { file.replace, { "a", "b", {}, 1 }, "too many arguments" },
  { file.append, { true, "b" }, "string expected, got boolean" },
  { file.mkdirs, { {} }, "string expected, got table" },
  { file.list, {}, "'path' is missing" },
  { file.stat, { 1 }, "string expected" },
  { file.remove, {}, "'path' is missing" },
  { file.lock, {}, "string expected" },
  { mount.find, { "/", { mountinfo = 5 } }, "field 'mountinfo': string expected, got number" },
  { mount.find, {}, "'path' is missing" },
  { mount.list, { { x = 1 } }, "unknown option 'x'" },
  { mount.list, { "x" }, "table expected" },
  { mount.addresses, {}, "'host' is missing" },
  { process.run, {}, "'argv' is missing" },
  { process.run, { "ls" }, "table expected, got string" },
  { process.run, { { "ls" }, { timout = 1 } }, "unknown option 'timout'" },
  { process.run, { { "ls" }, { timeout = "1" } }, "field 'timeout': number expected, got string" },
  { process.run, { { "ls" }, { max_output = 1.5 } }, "field 'max_output': integer expected" },
  { process.run, { { "ls" }, { reads = 1 } }, "field 'reads': boolean expected" },
  { process.run, { { print } }, "a function is not plain data" },
  { process.isatty, { "x" }, "number expected" },
  { process.shipped, {}, "string expected" },
  { process.realpath, {}, "string expected" },
  { http.request, {}, "'url' is missing" },
  { http.request, { "u", { header = {} } }, "unknown option 'header'" },
  { http.request, { "u", { headers = "x" } }, "field 'headers': table expected, got string" },
  { ontap.new, {}, "field 'host' is missing" },
  { ontap.new, { { host = "h", prot = 1 } }, "unknown option 'prot'" },
  { ontap.new, { { host = 5 } }, "field 'host': string expected, got number" },
  { filer.snapshots, { filer }, "'volume' is missing" },
  { filer.snapshots, { filer, "v", { nam = "x" } }, "unknown option 'nam'" },
  { filer.snapshot_delete, { filer, "v", "s", { force = "yes" } }, "field 'force': boolean expected" },
  { filer.snapshot_rename, { filer, "v", "s" }, "field 'to' is missing" },
  { filer.snapshot_create, { filer, "v", "s", {}, 1 }, "too many arguments" },
  { filer.identity, { filer, 1 }, "too many arguments" },
  { filer.identity, { rx }, "engine.Ontap expected" },
  { filer.pages, { filer, "identity" }, "'identity' is no list" },
  { filer.pages, { filer, "lun_delete", "/vol/v/a" }, "'lun_delete' is no list" },
  { filer.pages, { filer, "nothing" }, "'nothing' is no list" },
  { filer.pages, { filer, "snapshots", { max = 5 } }, "string expected, got table" },
  { filer.pages, { filer, "luns", { max = "5" } }, "field 'max': integer expected" },
  { filer.identity, {}, "engine.Ontap expected" },
  { http.certificate, { "h" }, "'port' is missing" },
  { http.certificate, { "h", 443, { pins = "x" } }, "unknown option 'pins'" },
  { virt.open, {}, "string expected" },
  { conn.lookup, { conn }, "'name' is missing" },
  { conn.lookup, { conn, 5 }, "string expected, got number" },
  { conn.list, { conn, 1 }, "too many arguments" },
  { conn.list, { dom }, "engine.Connection expected" },
  { conn.domain, { conn, "test" }, "table expected" },
  { conn.domain, { conn, { name = "x" } }, "string expected" },
  { conn.volume, { conn, "pool" }, "'volume' is missing" },
  { conn.events, { conn, {} }, "string expected, got table" },
  { conn.events, { dom }, "engine.Connection expected" },
  { dom.start, { dom, { pause = true } }, "unknown option 'pause'" },
  { dom.start, { dom, { paused = 1 } }, "field 'paused': boolean expected" },
  { dom.suspend, { dom, 1 }, "too many arguments" },
  { dom.suspend, { conn }, "engine.Domain expected" },
  { dom.block_info, { dom }, "'disk' is missing" },
  { dom.agent, { dom, "{}", { timeout = 1.5 } }, "field 'timeout': integer expected" },
  { guard.start, { {} }, "field 'journal' is missing" },
  { guard.read, {}, "'path' is missing" },
  { guard.note_free, { "p" }, "'uuid' is missing" },
  { clock.format, { "x", "%Y" }, "number expected" },
  { clock.format, { 0 }, "string expected" },
  { clock.parse_stamp, {}, "string expected" },
  { json.decode, { {} }, "string expected" },
  { json.encode, {}, "value expected" },
  { xml.parse, {}, "string expected" },
  { xml.escape, { {} }, "string expected" },
  { domxml.parse, {}, "string expected" },
  { domxml.edit, { "<domain/>" }, "table expected" },
  { pcre.new, {}, "string expected" },
  { rx.match, { rx }, "string expected" },
  { rx.replace, { rx, "a" }, "string expected" },
  { rx.match, { conn, "a" }, "engine.Regex expected" },
  { log.secret, {}, "string expected" },
  { log.redact, { {} }, "string expected" },
  { core_err.new, { "x" }, "table expected" },
  { core_err.new, { { code = "odd", message = "m" } }, "'odd' is not an error code" },
  { core_err.new, { { code = "ok", message = "m" } }, "'ok' is not an error code" },
  { core_err.new, { { message = "m" } }, "is not an error code" },
  { core_err.new, { { code = "io" } }, "an error needs a message" },
  { core_err.is, {}, "value expected" },
  { task.spawn, {}, "function expected" },
}

for i, case in ipairs(misuse) do
  t.case("a part of a file", function()
  local path = TMP .. "/part"
  assert(file.replace(path, "0123456789"))
  t.eq(file.read(path, { count = 4 }), "0123")
  t.eq(file.read(path, { offset = 7, count = 9 }), "789")
  t.eq(file.read(path, { offset = 10, count = 1 }), "")
  t.eq(file.read(path, { count = 0 }), "")
  for _, part in ipairs { { offset = 3 }, { offset = -1, count = 1 }, { count = -1 }, { count = 1 << 40 } } do
    local none, failed = file.read(path, part)
    t.eq({ none, failed.code }, { nil, "invalid" })
  end
end)

t.case(("misuse %d: %s"):format(i, case[3]), function()
    t.raises(function() case[1](table.unpack(case[2])) end, case[3])
  end)
end

t.case("nil options are no options", function()
  t.ok(file.replace(TMP .. "/nil", "x", nil))
  t.ok(mount.list(nil))
  t.ok(mount.list())
end)

-- --- errors

t.case("a certificate that cannot be had", function()
  t.err(nil, select(2, http.certificate("127.0.0.1", 1)), "unreachable", "127.0.0.1")
  for _, bad in ipairs { { "a b", 443 }, { "u@h", 443 }, { "h/p", 443 }, { "", 443 }, { "h", 0 }, { "h", 65536 } } do
    t.err(nil, select(2, http.certificate(bad[1], bad[2])), "invalid", "is not an address")
  end
end)

t.case("errors say what, where and in whose words", function()
  local _, e = file.read(TMP .. "/none")
  t.ok(err.is(e))
  t.eq({ e.code, e.source, e.native }, { "not_found", "os", 2 })
  t.ok(e.message:find(TMP .. "/none", 1, true), e.message)
  t.eq(tostring(e), e.message)
  t.ok(#e.op > 0)
  _, e = virt.open("qemu+unix:///system?socket=/no/such")
  t.eq({ e.code, e.source, e.op }, { "unreachable", "libvirt", "connect" })
  _, e = conn:lookup("none")
  t.eq({ e.code, e.source }, { "not_found", "libvirt" })
  _, e = filer:identity()
  t.eq({ e.code, e.source }, { "unreachable", "http" })
  local ok, raised = pcall(function() assert(file.read(TMP .. "/none")) end)
  t.eq({ ok, raised.code }, { false, "not_found" })
end)

t.case("what is raised becomes an error object, with the values of what is not", function()
  local ok, failed = err.try(error, "boom")
  t.eq({ ok, failed.code, failed.message }, { false, "internal", "boom" })
  t.eq({ err.try(function(...) return ... end, 1, nil, 3) }, { true, 1, nil, 3 })
end)

t.case("error objects", function()
  local e = core_err.new { code = "busy", message = "m", native = 5, scf = "scf-00037", extra = {} }
  t.eq({ core_err.is(e), e.source, tostring(e) }, { true, "engine", "[scf-00037] m" })
  t.eq({ core_err.is {}, core_err.is "x", core_err.is(nil), core_err.is(conn) }, { false, false, false, false })
  t.eq(core_err.new({ code = "io", message = "m", source = "os" }).source, "os")
end)

t.case("the codes of library and engine are the same closed list", function()
  local want = { "not_found", "exists", "denied", "busy", "timeout", "cancelled", "unsupported", "invalid", "protocol",
    "io", "unreachable", "conflict", "no_space", "partial", "internal" }
  t.eq(core_err.codes(), want)
  t.eq(err.codes(), want)
  for _, code in ipairs(want) do t.eq(err.new(code, "m").code, code) end
end)

-- --- json

t.case("json round trips", function()
  for _, value in ipairs { 1, -1, 0, math.maxinteger, math.mininteger, 1.5, -0.25, 1e300, 0.1, true, false, "", "a",
    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "quote \" back \\ \n\t\r\x01", { 1, 2, 3 }, {}, { a = 1, b = { c = { "x" } } },
    { { {} } }, { [""] = 1 } } do
    local text = json.encode(value)
    local back = json.decode(text)
    t.eq(back, value, text)
    t.eq(math.type(back), math.type(value), text)
    t.eq(json.decode(json.encode(value, true)), value)
  end
  t.eq(math.type(json.decode(json.encode(2.0))), "float")
  t.eq(json.encode { b = 1, a = { 2 }, c = {} }, '{"a":[2],"b":1,"c":[]}')
  t.eq(json.encode({ a = 1 }, true), '{\n  "a": 1\n}')
  t.eq(json.encode(nil), "null")
  t.eq(select("#", json.decode("null")), 1)
  t.eq(json.decode('{"a":null,"b":[null,1]}').a, nil)
end)

t.case("null in a list keeps its place", function()
  local text = '{"a":[1,null,"x",null],"b":[null],"c":[[null],{}]}'
  local value = t.ok(json.decode(text))
  t.eq(#value.a, 4)
  t.eq({ value.a[2], value.a[4], value.b[1], value.c[1][1] }, { json.null(), json.null(), json.null(), json.null() })
  local seen = {}
  for i, item in ipairs(value.a) do seen[i] = item end
  t.eq(seen, { 1, json.null(), "x", json.null() })
  t.eq(json.encode(value), '{"a":[1,null,"x",null],"b":[null],"c":[[null],[]]}')
  t.eq(json.encode { comment = json.null() }, '{"comment":null}')
  t.eq(json.encode(json.null()), "null")
  local match = t.ok(t.ok(require("engine.pcre").new("(a)|(b)|(c)")):match("c"))
  t.eq({ match.groups[1], match.groups[2], match.groups[3] }, { nil, nil, "c" })
end)

t.case("json that is nested as deep as it may be read can be written", function()
  for _, around in ipairs { { "[", "]", 2048 }, { '{"a":', "}", 2047 } } do
    local inner = around[1] == "[" and "" or "1"
    local deep = around[1]:rep(around[3]) .. inner .. around[2]:rep(around[3])
    t.eq(json.encode(t.ok(json.decode(deep))), deep)
    t.err(nil, select(2, json.decode(around[1] .. deep .. around[2])), "protocol", "depth")
  end
end)

t.case("a zero byte comes back or is refused", function()
  local ok, text = pcall(json.encode, "a\0b")
  if ok then t.eq(json.decode(text), "a\0b") end
  ok, text = pcall(json.encode, { ["a\0b"] = 1 })
  if ok then t.eq(json.decode(text), { ["a\0b"] = 1 }) end
end)

t.case("json refuses what it cannot hold", function()
  local cycle = {}
  cycle[1] = cycle
  t.raises(function() json.encode(cycle) end, "nested too deeply")
  t.raises(function() json.encode(print) end, "a function is not plain data")
  t.raises(function() json.encode { a = conn } end, "a userdata is not plain data")
  t.raises(function() json.encode(0 / 0) end, "not finite")
  t.raises(function() json.encode { 1 / 0 } end, "not finite")
  t.raises(function() json.encode { [true] = 1 } end, "key of type boolean")
  t.raises(function() json.encode { [5] = 1 } end, "key of type number")
  t.raises(function() json.encode "\xff" end, "not UTF%-8")
  t.raises(function() json.encode { ["\xff"] = 1 } end, "not UTF%-8")
end)

t.case("nothing of a table is dropped in silence", function()
  t.raises(function() json.encode { 1, 2, x = 3 } end, "key of type")
  t.raises(function() json.encode { [1] = 1, [2] = 2, [9] = 9 } end, "key of type")
end)

t.case("json text that is none", function()
  for text, place in pairs { [""] = "line 1", ["{"] = "line 1", ["[1,\n2,]"] = "line 2, column", ["1 2"] = "line 1",
    ['{"a":1,"a":2}'] = "duplicate", ['"\xff"'] = "0xff", ["nul"] = "line 1", ["{'a':1}"] = "line 1" } do
    local value, e = json.decode(text)
    t.err(value, e, "protocol", place)
  end
  t.err(nil, select(2, json.decode(("["):rep(5000))), "protocol")
end)

-- --- xml, regular expressions, time

t.case("xml", function()
  local root = t.ok(xml.parse('<?xml version="1.0"?><a x="1&amp;2"><!-- no --><b>text</b><b/>tail</a>'))
  t.eq({ root.name, root.attr.x, root.text, #root.children }, { "a", "1&2", "tail", 2 })
  t.eq(root.children[1].text, "text")
  t.err(nil, select(2, xml.parse("<a>\n<b></a>")), "protocol", "line 2")
  t.err(nil, select(2, xml.parse("")), "protocol")
  t.err(nil, select(2, xml.parse('<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>')), "invalid")
  t.eq(xml.escape("<a> & \"b\" 'c'\xc3\xa4"), "&lt;a&gt; &amp; &quot;b&quot; &#39;c&#39;\xc3\xa4")
  t.eq(xml.escape(""), "")
  t.err(nil, select(2, xml.escape("\1")), "invalid")
  t.err(nil, select(2, xml.escape("\xff")), "invalid")
end)

t.case("pcre", function()
  local r = t.ok(pcre.new("(?<year>\\d{4})-(\\d\\d)"))
  local m = r:match("on 2024-05!")
  t.eq({ m.start, m["end"], m.text, m.names.year }, { 3, 10, "2024-05", "2024" })
  t.eq(r:match("none"), nil)
  t.eq(#r:all("2024-05 2025-06"), 2)
  t.eq({ r:replace("2024-05", "$2/${year}") }, { "05/2024", 1 })
  t.eq({ r:replace("none", "x") }, { "none", 0 })
  t.ok(pcre.new("A", "i"):match("xa"))
  t.err(nil, select(2, pcre.new("(")), "invalid")
  t.err(nil, select(2, pcre.new("a", "Q")), "invalid")
  t.err(nil, select(2, pcre.new("(a+)+$"):match(("a"):rep(40) .. "b")), "invalid")
end)

t.case("clock", function()
  local a = clock.mono()
  t.ok(clock.mono() >= a)
  t.ok(math.abs(clock.now() - os.time()) < 5)
  t.eq(clock.format(0, "%Y-%m-%d %H:%M:%S", true), "1970-01-01 00:00:00")
  t.eq(clock.format(1e9, "%s"), "1000000000")
  t.eq(clock.parse_stamp(clock.format(1700000000, "%Y%m%d%H%M%S")), 1700000000)
  t.err(nil, select(2, clock.format(0, "")), "invalid")
  t.err(nil, select(2, clock.format(0 / 0, "%Y")), "invalid")
  for _, bad in ipairs { "", "2024", "20240230000000", "2024010100000x", "202401010000000" } do
    t.err(nil, select(2, clock.parse_stamp(bad)), "invalid")
  end
end)

-- --- files

t.case("files", function()
  local path = TMP .. "/f"
  t.eq(file.replace(path, "one\0two", { mode = 416 }), true)
  t.eq(file.read(path), "one\0two")
  t.eq(file.append(path, "!"), true)
  local st = file.stat(path)
  t.eq({ st.type, st.size, st.mode }, { "file", 8, 416 })
  t.eq(file.mkdirs(TMP .. "/d/e"), true)
  t.eq(file.list(TMP .. "/d"), { "e" })
  t.err(nil, select(2, file.mkdirs(path)), "exists")
  t.err(nil, select(2, file.read(TMP)), "invalid")
  t.eq(file.remove(path), true)
  t.err(nil, select(2, file.remove(path)), "not_found")
  t.err(nil, select(2, file.stat(path)), "not_found", path:gsub("%-", "%%-"))
  t.err(nil, select(2, file.append("/dev/full", "x")), "no_space")
end)

t.case("a path ends where it ends", function()
  t.raises(function() file.read(TMP .. "/nil\0/more") end, "'path' holds a zero byte")
end)

t.case("locks", function()
  local path = TMP .. "/lock"
  local lock = t.ok(file.lock(path))
  local second, e = file.lock(path)
  t.err(second, e, "busy", "held by process")
  t.eq(e.native, process.self().pid)
  lock:release()
  lock:release()
  do local _again <close> = t.ok(file.lock(path)) end
  local third = t.ok(file.lock(path))
  third:release()
  t.err(nil, select(2, file.lock(TMP .. "/none/lock")), "not_found")
  t.ok(file.lock(path))
  collectgarbage()
  collectgarbage()
  t.ok(file.lock(path), "a lost handle lets go"):release()
end)

-- --- programs, mounts

t.case("programs", function()
  local out = t.ok(process.run({ "sh", "-c", "cat; echo $0 $X >&2; exit 3", "$(id)" }, { input = "in\0put",
    env = { "X=a b" }, cwd = "/" }))
  t.eq({ out.status, out.stdout, out.stderr, out.timed_out, out.truncated }, { 3, "in\0put", "$(id) a b\n", false, false })
  t.eq(process.run({ "pwd" }, { cwd = "/" }).stdout, "/\n")
  t.err(nil, select(2, process.run { "/no/such/program" }), "not_found")
  t.err(nil, select(2, process.run { TMP }), "denied")
  t.err(nil, select(2, process.run {}), "invalid")
  t.err(nil, select(2, process.run { "echo", 5 }), "invalid", "argument 2 is not a string")
  t.err(nil, select(2, process.run({ "echo" }, { env = { true } })), "invalid", "environment entry 1")
end)

t.case("a program that does not end is ended", function()
  local begin = clock.mono()
  local out = t.ok(process.run({ "sleep", "20" }, { timeout = 0.05 }))
  t.eq({ out.timed_out, out.status }, { true, nil })
  t.ok(out.signal == 15 or out.signal == 9, out.signal)
  t.ok(clock.mono() - begin < 8)
end)

t.case("this process", function()
  local me = process.self()
  t.eq(process.realpath("/proc/self"), "/proc/" .. me.pid)
  t.ok(math.type(me.uid) == "integer" and #me.host > 0)
  t.ok(process.version():find("^%d+%.%d+%.%d+$"))
  t.eq(process.realpath("/no/such"), nil)
  t.eq(process.shipped("stdlib/err.lua")().new("busy", "m").code, "busy")
  t.eq(process.shipped("stdlib/none.lua"), nil)
  t.eq(process.isatty(99), false)
end)

t.case("mounts", function()
  assert(file.replace(TMP .. "/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n" ..
    "30 20 0:40 / " .. TMP .. "/d rw shared:5 - nfs4 filer:/vol1 rw,addr=192.0.2.1\n"))
  local m = t.ok(mount.find(TMP .. "/d/e", { mountinfo = TMP .. "/mountinfo" }))
  t.eq({ m.path, m.mountpoint, m.relative, m.fstype, m.nfs, m.server, m.export, m.address },
    { process.realpath(TMP) .. "/d/e", TMP .. "/d", "e", "nfs4", true, "filer", "/vol1", "192.0.2.1" })
  m = t.ok(mount.find(TMP .. "/mountinfo", { mountinfo = TMP .. "/mountinfo" }))
  t.eq({ m.mountpoint, m.nfs, m.server }, { "/", false, nil })
  t.eq(#mount.list { mountinfo = TMP .. "/mountinfo" }, 2)
  t.err(nil, select(2, mount.find(TMP .. "/none")), "not_found")
  t.err(nil, select(2, mount.list { mountinfo = TMP .. "/none" }), "not_found")
  t.eq(mount.addresses("127.0.0.1"), { "127.0.0.1" })
end)

-- --- handles

t.case("a closed connection says so", function()
  local c = assert(virt.open("test:///default"))
  local d = c:domain(assert(c:lookup("test")))
  c:close()
  c:close()
  t.raises(function() c:list() end, "the libvirt connection is closed")
  t.raises(function() c:domain { name = "x", uuid = "y" } end, "is closed")
  t.eq(d:state().state, "running")
  t.eq({ d:name(), #d:uuid(), d:pending() }, { "test", 36, 0 })
end)

t.case("events: what happens to domains, in order, to a task that waits and for one that comes later", function()
  local events <close> = assert(conn:events(dom:uuid()))
  local waiting = task.spawn(function() return events:next() end)
  task.sleep(0)
  local _, e = events:next()
  t.eq({ e.code, e.message }, { "busy", "another task waits for these events already" })
  assert(dom:suspend())
  local ok, first = waiting:join()
  t.eq({ ok, first.name, first.uuid, first.event, first.detail }, { true, "test", dom:uuid(), "suspended", "paused" })
  assert(dom:resume())
  task.sleep(0.05)
  t.eq(assert(events:next()).event, "resumed", "it waited for somebody")
  _, e = std_task.timeout(0.05, function() return events:next() end)
  t.eq(e.code, "timeout")
  assert(dom:suspend())
  assert(dom:resume())
  t.eq(assert(events:next()).event, "suspended", "who gave up took nothing along")
  _, e = conn:events("00000000-0000-0000-0000-000000000001")
  t.eq(e.code, "not_found")
end)

t.case("events that are closed", function()
  local events = assert(conn:events())
  local waiting = task.spawn(function() return events:next() end)
  task.sleep(0.05)
  events:close()
  local _, nothing, e = waiting:join()
  t.eq({ nothing, e.code, e.message }, { nil, "cancelled", "the events of 'test:///default' were closed" })
  events:close()
  t.raises(function() events:next() end, "the events are closed")
end)

t.case("a suspend that no thread has got to yet is pending", function()
  local fifo, go, busy = TMP .. "/fifo", TMP .. "/go", {}
  assert(process.run { "mkfifo", fifo })
  -- Begun before there is no thread for it. It reads while that file is there.
  local reader = task.spawn(function()
    return process.run({ "sh", "-c", "until [ -e $1 ]; do sleep 0.05; done; exec <$0; while [ -e $1 ]; do sleep 0.05; done",
      fifo, go }, { timeout = 60 })
  end)
  for i = 1, 16 do -- as many as there are threads: each waits until somebody reads
    busy[i] = task.spawn(function() return file.append(fifo, "x") end)
  end
  task.sleep(0)
  local asked = task.spawn(function() return dom:suspend() end)
  task.sleep(0)
  local before = dom:pending()
  asked:cancel()
  pcall(asked.join, asked)
  local after = dom:pending()
  assert(io.open(go, "w")):close() -- without a thread of the pool
  for _, one in ipairs(busy) do one:join() end
  assert(file.remove(go))
  t.eq(select(2, reader:join()).status, 0)
  t.eq({ before, after, dom:state().state }, { 1, 0, "running" })
end)

t.case("handles that nobody closes", function()
  for _ = 1, 20 do
    local c = assert(virt.open("test:///default"))
    c:domain(assert(c:lookup("test")))
    assert(c:events())
    assert(pcre.new("x"))
    assert(ontap.new { host = "h" })
  end
  collectgarbage()
  collectgarbage()
  t.eq(dom:state().state, "running")
end)

t.case("a list page by page raises what goes wrong", function()
  local ok, problem = pcall(function()
    for _ in filer:pages("luns", { max = 5 }) do error("a page came") end
  end)
  t.eq(ok, false)
  t.err(nil, problem, "unreachable")
end)

t.case("log", function()
  local path = TMP .. "/log"
  t.eq(log.open { out = path, quiet = true }, true)
  log.secret("geheim")
  log.info("a geheim b\nc")
  log.info(err.new("io", "an object"))
  log.debug("not there")
  t.eq(log.redact("x geheim"), "x ********")
  t.err(nil, select(2, log.open { out = TMP .. "/none/log" }), "not_found")
  log.open { quiet = true }
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line:match("%] (.*)$") end
  t.eq(lines, { "INFO: a ******** b c", "INFO: an object" })
end)

t.case("log options are checked", function()
  t.raises(function() log.open { outt = TMP .. "/x" } end, "unknown option 'outt'")
end)

return t.done()
