-- The dry run: whatever changes something is refused and recorded, reads go on.
local clock = require "engine.clock"
local file = require "engine.file"
local http = require "engine.http"
local guard = require "engine.guard"
local log = require "engine.log"
local lun = require "engine.lun"
local mount = require "engine.mount"
local multipath = require "engine.multipath"
local ontap = require "engine.ontap"
local plan = require "engine.plan"
local process = require "engine.process"
local seal = require "engine.seal"
local virt = require "engine.virt"
local t = require "std.test"

log.open { quiet = true }

local TMP = os.getenv("MOON_TEST_TMP") or "/tmp"
local NAME = TMP .. "/plan"
local NONE = NAME .. "/none"
assert(file.mkdirs(NAME))
assert(file.replace(NAME .. "/there", "content"))
local conn = assert(virt.open("test:///default"))
local row = assert(conn:lookup("test"))
local dom = conn:domain(row)
local JOURNAL = TMP .. "/plan.journal"
local process_guard <close> = assert(guard.start { journal = JOURNAL, uri = "test:///default", profile = "p", config = "c",
  action = "a", deadline = 60 })
local filer = assert(ontap.new { host = "127.0.0.1", port = 1, name = "filer1", timeout = 5, retries = 0 })

t.case("before it begins", function()
  t.eq(plan.active(), false)
  t.eq(plan.steps(), {})
  plan.start()
  t.eq(plan.active(), true)
  plan.start()
  t.eq(plan.active(), true)
  t.eq(plan.steps(), {})
end)

-- Every primitive that the engine's tables mark as changing: how to call it, and what is recorded.
local changing = {
  ["file.replace"] = { function() return file.replace(NONE, "x", { mode = 384 }) end, NONE,
    { path = NONE, data = "x", mode = 384 } },
  ["file.append"] = { function() return file.append(NAME .. "/there", "x") end, NAME .. "/there",
    { path = NAME .. "/there", data = "x" } },
  ["file.mkdirs"] = { function() return file.mkdirs(NONE) end, NONE, { path = NONE } },
  ["file.remove"] = { function() return file.remove(NAME .. "/there") end, NAME .. "/there",
    { path = NAME .. "/there" } },
  ["guard.note_free"] = { function() return guard.note_free(NONE, "u") end, NONE, { path = NONE, uuid = "u" } },
  ["virt.define"] = { function() return conn:define("<domain/>") end, "test:///default" },
  ["domain.suspend"] = { function() return dom:suspend() end, "test" },
  ["domain.resume"] = { function() return dom:resume() end, "test" },
  ["domain.freeze"] = { function() return dom:freeze() end, "test" },
  ["domain.thaw"] = { function() return dom:thaw() end, "test" },
  ["domain.shutdown"] = { function() return dom:shutdown() end, "test" },
  ["domain.destroy"] = { function() return dom:destroy() end, "test" },
  ["domain.start"] = { function() return dom:start { paused = true } end, "test", { paused = true } },
  ["domain.undefine"] = { function() return dom:undefine() end, "test" },
  ["domain.agent"] = { function() return dom:agent("{}") end, "test" },
  ["ontap.snapshot_create"] = { function() return filer:snapshot_create("v", "s", { comment = "c" }) end, "filer1",
    { volume = "v", name = "s", comment = "c" } },
  ["ontap.snapshot_delete"] = { function() return filer:snapshot_delete("v", "s") end, "filer1",
    { volume = "v", name = "s" } },
  ["ontap.snapshot_rename"] = { function() return filer:snapshot_rename("v", "s", { to = "x" }) end, "filer1",
    { volume = "v", name = "s", to = "x" } },
  ["ontap.file_restore"] = { function() return filer:file_restore("v", "s", { path = "a" }) end, "filer1",
    { volume = "v", snapshot = "s", path = "a" } },
  ["ontap.ems_log"] = { function() return filer:ems_log("s", "m") end, "filer1", { source = "s", message = "m" } },
  ["ontap.call"] = { function() return filer:call("volume-offline", "<name>v</name>") end, "filer1",
    { name = "volume-offline", args = "<name>v</name>" } },
  ["ontap.snapshot_modify"] = { function() return filer:snapshot_modify("v", "s", { label = "l" }) end, "filer1",
    { volume = "v", name = "s", label = "l" } },
  ["ontap.cg_start"] = { function() return filer:cg_start({ "v", "w" }, "s") end, "filer1",
    { volumes = { "v", "w" }, name = "s" } },
  ["ontap.cg_commit"] = { function() return filer:cg_commit("7") end, "filer1", { id = "7" } },
  ["ontap.lun_restore"] = { function() return filer:lun_restore("/vol/v/l", "s") end, "filer1",
    { path = "/vol/v/l", snapshot = "s" } },
  ["ontap.lun_map"] = { function() return filer:lun_map("/vol/v/l", "g") end, "filer1", { path = "/vol/v/l", igroup = "g" } },
  ["ontap.lun_unmap"] = { function() return filer:lun_unmap("/vol/v/l", "g") end, "filer1",
    { path = "/vol/v/l", igroup = "g" } },
  ["ontap.lun_online"] = { function() return filer:lun_online("/vol/v/l") end, "filer1", { path = "/vol/v/l" } },
  ["ontap.lun_offline"] = { function() return filer:lun_offline("/vol/v/l") end, "filer1", { path = "/vol/v/l" } },
  ["ontap.lun_delete"] = { function() return filer:lun_delete("/vol/v/l", { uuid = "u" }) end, "filer1",
    { path = "/vol/v/l", uuid = "u" } },
  ["ontap.file_clone"] = { function() return filer:file_clone("v", { from = "a", to = "b" }) end, "filer1",
    { volume = "v", from = "a", to = "b" } },
  ["ontap.lun_clone"] = { function() return filer:lun_clone("/vol/v/l", { to = "/vol/v/m" }) end, "filer1",
    { path = "/vol/v/l", to = "/vol/v/m" } },
  ["ontap.volume_clone"] = { function() return filer:volume_clone("v", { to = "w", snapshot = "s" }) end, "filer1",
    { volume = "v", to = "w", snapshot = "s" } },
  ["ontap.volume_clone_split"] = { function() return filer:volume_clone_split("w") end, "filer1", { volume = "w" } },
  ["ontap.volume_delete"] = { function() return filer:volume_delete("w") end, "filer1", { volume = "w" } },
  ["ontap.export_create"] = { function() return filer:export_create("w", "p", { client = "h", access = "root" }) end, "filer1",
    { volume = "w", name = "p", client = "h", access = "root" } },
  ["ontap.export_delete"] = { function() return filer:export_delete("p") end, "filer1", { name = "p" } },
  ["ontap.volume_export"] = { function() return filer:volume_export("w", { policy = "p", junction = "/w" }) end, "filer1",
    { volume = "w", policy = "p", junction = "/w" } },
  ["ontap.mirror_update"] = { function() return filer:mirror_update("s:d") end, "filer1", { destination = "s:d" } },
  ["ontap.mirror_change"] = { function() return filer:mirror_change("s:d", "quiesce") end, "filer1",
    { destination = "s:d", action = "quiesce" } },
  ["ontap.mirror_restore"] = { function() return filer:mirror_restore("s:d", "t:v", "n") end, "filer1",
    { source = "s:d", destination = "t:v", snapshot = "n" } },
  ["ontap.request"] = { function() return filer:request("PATCH", "/storage/volumes/u", { state = "offline" }) end, "filer1",
    { method = "PATCH", path = "/storage/volumes/u", body = { state = "offline" } } },
  ["multipath.resize"] = { function() return multipath.resize("/dev/nosuch") end, "/dev/nosuch", { name = "/dev/nosuch" } },
  ["multipath.flush"] = { function() return multipath.flush("/dev/nosuch") end, "/dev/nosuch", { name = "/dev/nosuch" } },
  ["multipath.fail"] = { function() return multipath.fail("sdzz") end, "sdzz", { name = "sdzz" } },
  ["multipath.reinstate"] = { function() return multipath.reinstate("sdzz") end, "sdzz", { name = "sdzz" } },
  ["multipath.reconfigure"] = { function() return multipath.reconfigure() end },
  ["lun.rescan"] = { function() return lun.rescan("/dev/nosuch") end, "/dev/nosuch", { name = "/dev/nosuch" } },
  ["lun.scan"] = { function() return lun.scan() end },
  ["lun.remove"] = { function() return lun.remove("3600a0980383062716d5d5076684b6f66") end, nil,
    { wwid = "3600a0980383062716d5d5076684b6f66" } },
  ["lun.drop_cache"] = { function() return lun.drop_cache("/dev/nosuch") end, "/dev/nosuch", { name = "/dev/nosuch" } },
  ["process.run"] = { function() return process.run { "touch", NONE } end, "touch", { argv = { "touch", NONE } } },
  ["seal.make_key"] = { function() return seal.make_key(NONE) end, nil, { key = NONE } },
  ["http.request"] = { function() return http.request("http://127.0.0.1:1/", { method = "DELETE", user = "u",
    password = "geheim", headers = { Cookie = "geheim" } }) end, "127.0.0.1:1/" },
  ["guard.start"] = { function() return guard.start { journal = NONE, uri = "test:///default", profile = "p", config = "c",
    action = "a", deadline = 60 } end, NONE },
  ["guard.hold"] = { function() return process_guard:hold { { uuid = "u", name = "n" } } end, JOURNAL,
    { domains = { { uuid = "u", name = "n" } } } },
  ["guard.free"] = { function() return process_guard:free { "u" } end, JOURNAL, { uuids = { "u" } } },
  ["guard.begin"] = { function() return process_guard:begin("u", 5) end, JOURNAL, { uuid = "u", limit = 5 } },
  ["guard.settled"] = { function() return process_guard:settled(0) end, JOURNAL, { holds = 0 } },
  ["guard.detach"] = { function() return process_guard:detach() end, JOURNAL },
  ["guard.finish"] = { function() return process_guard:finish() end, JOURNAL },
}

for name, case in pairs(changing) do
  t.case(name .. " is refused and recorded", function()
    local before = #plan.steps()
    t.eq(table.pack(case[1]()), { { planned = true }, n = 1 })
    local steps = plan.steps()
    t.eq(#steps, before + 1)
    t.eq(steps[#steps], { op = name, object = case[2], args = case[3] })
  end)
end

local function text(path) return assert(file.read(path)) end

t.case("no primitive of the sources is missing above", function()
  local prefix = { ["l_file.c"] = "file", ["l_guard.c"] = "guard", ["l_virt.c"] = "virt", ["domain.c"] = "domain",
    ["l_multipath.c"] = "multipath", ["l_lun.c"] = "lun", ["l_seal.c"] = "seal" }
  local found = 0
  for _, name in ipairs(assert(file.list("engine/lua"))) do
    local source = name:find("%.c$") and text("engine/lua/" .. name) or ""
    for prim, flags in source:gmatch('{"([%w_]+)",%s*"[^"]*",%s*([%u_ |]+),') do
      if flags:find("MOONLUA_CHANGES") then
        found = found + 1
        local p = assert(prefix[name], name)
        t.ok(changing[p .. "." .. prim], name .. ": " .. prim)
      end
    end
  end
  t.ok(found >= 14, found)
  found = 0
  for name in text("engine/core/ontap_verbs.c"):gmatch('=%s*{"([%w_]+)",%s*"[^"]*",%s*true}') do
    found = found + 1
    t.ok(changing["ontap." .. name], name)
  end
  t.eq(found, 27)
end)

t.case("nothing was done", function()
  t.eq(text(NAME .. "/there"), "content")
  t.eq(file.list(NAME), { "there" })
  t.eq(dom:state().state, "running")
  t.eq(#assert(conn:list()), 1)
end)

t.case("arguments are checked all the same", function()
  local before = #plan.steps()
  t.raises(function() file.remove(5) end, "string expected")
  t.raises(function() file.replace(NONE, "x", { mod = 1 }) end, "unknown option 'mod'")
  t.raises(function() filer:snapshot_create("v") end, "'name' is missing")
  t.eq(#plan.steps(), before)
end)

t.case("reads go on and are not recorded", function()
  local before = #plan.steps()
  t.eq(file.read(NAME .. "/there"), "content")
  t.eq(file.stat(NAME).type, "dir")
  t.eq(file.list(NAME), { "there" })
  t.ok(conn:info().libvirt)
  t.eq(conn:lookup("test").uuid, row.uuid)
  t.ok(dom:xml():find("<domain", 1, true))
  t.ok(mount.list())
  t.eq(process.run({ "echo", "x" }, { reads = true }).stdout, "x\n")
  t.err(http.request("http://127.0.0.1:1/") , select(2, http.request("http://127.0.0.1:1/")), "unreachable")
  t.err(nil, select(2, http.request("http://127.0.0.1:1/", { method = "head" })), "unreachable")
  t.err(nil, select(2, filer:snapshots("v")), "unreachable")
  t.err(nil, select(2, filer:call("volume-get-iter")), "unreachable")
  t.ok(clock.now() > 1e9)
  t.eq(#plan.steps(), before)
end)

t.case("an address is recorded without what is secret", function()
  for url, want in pairs { ["http://u:geheim@h:1/p?x=1#f"] = "h:1/p", ["https://u:ge@heim@h/p"] = "h/p",
    ["http://h/p?mail=a@b"] = "h/p", ["http://h/a@b"] = "h/a@b" } do
    http.request(url, { body = "x" })
    local steps = plan.steps()
    t.eq(steps[#steps].object, want, url)
  end
end)

t.case("a body without a method is a change", function()
  t.eq(http.request("http://127.0.0.1:1/", { body = "x" }), { planned = true })
  t.eq(http.request("http://127.0.0.1:1/", { method = "GETX" }), { planned = true })
end)

t.case("io.open reads and does not write", function()
  t.eq(text(NAME .. "/there"), "content")
  for _, mode in ipairs { "w", "a", "r+", "w+", "a+", "wb", "r+b" } do
    local f, problem = io.open(NAME .. "/there", mode)
    t.err(f, problem, "denied", "not written in a dry run")
  end
  t.err(nil, select(2, io.open(NONE, "w")), "denied")
  local f = t.ok(io.open(NAME .. "/there", "rb"))
  f:close()
  t.eq(select("#", io.open(NONE)), 3)
  for line in io.lines(NAME .. "/there") do t.eq(line, "content") end
  t.eq(file.list(NAME), { "there" })
end)

t.case("io.output does not write either", function()
  local before = io.output and io.output()
  pcall(function() io.output(NONE) end)
  if before then io.output(before) end
  t.eq(file.list(NAME), { "there" })
end)

t.case("steps are a copy", function()
  plan.steps()[1].op = "changed"
  t.ok(plan.steps()[1].op ~= "changed")
end)

return t.done()
