-- Every example does what it says, in a private world; and what it does when a step of it fails.
local file = require "std.file"
local t = require "std.test"
local world = require "std.world"

local EXAMPLES = "examples/"

local function guests(...)
  local list = {}
  for i, name in ipairs { ... } do list[i] = { name = name, volume = i % 2 == 1 and "vol1" or "vol2" } end
  return list
end

-- A run that must end so; the run is returned.
local function expect(code, run)
  t.eq(run.code, code, run.log:sub(-2000))
  return run
end

local function script(name, opts)
  opts = opts or {}
  opts.policy, opts.script = opts.policy or "daily", EXAMPLES .. name
  return opts
end

t.case("tiers: web first, database last, and back in the opposite order", function()
  local w <close> = world.new { guests = guests("app1", "db1", "web1"), conf = { NTAP_CONSISTENCY_GROUP_SNAPSHOT = "Y",
    NTAP_CONSISTENCY_GROUP_TIMEOUT = "MEDIUM" } }
  expect(0, w:run("backup", script("tiers.lua")))
  w:order { "domain.suspend web1", "domain.suspend app1", "domain.suspend db1", "ontap.cg_start svm1 vol1,vol2",
    "ontap.cg_commit svm1", "domain.resume db1", "domain.resume app1", "domain.resume web1" }
  t.eq(w:paused(), {})
end)

t.case("tiers: one that cannot be suspended lets all run again", function()
  local w <close> = world.new { guests = guests("app1", "db1", "web1") }
  w:fail("domain.suspend", { object = "db1" })
  expect(1, w:run("backup", script("tiers.lua")))
  t.eq(w:paused(), {})
  t.eq(w.sim:snapshots("vol1"), {})
end)

-- What the agent of a guest answers to guest-exec and guest-exec-status, in turn.
local function agent(w, code)
  w:answer("domain.agent", '{"return":{"pid":7}}', { nth = 1 })
  w:answer("domain.agent", ('{"return":{"exited":true,"exitcode":%d,"err-data":"bG9ja2Vk"}}'):format(code), { nth = 2 })
  w:answer("domain.agent", '{"return":{"pid":8}}', { nth = 3 })
  w:answer("domain.agent", '{"return":{"exited":true,"exitcode":0}}', { nth = 4 })
end

t.case("database-in-guest: holds still round the snapshot", function()
  local w <close> = world.new { guests = guests("db1", "web1") }
  agent(w, 0)
  expect(0, w:run("backup", script("database-in-guest.lua")))
  w:order { "domain.agent db1", "domain.agent db1", "domain.suspend db1", "ontap.snapshot_create svm1 vol1",
    "domain.resume db1", "domain.agent db1", "domain.agent db1" }
end)

t.case("database-in-guest: released when the snapshot fails", function()
  local w <close> = world.new { guests = guests("db1", "web1") }
  agent(w, 0)
  w.sim:fail("snapshot-create", { action = "nospace" })
  expect(1, w:run("backup", script("database-in-guest.lua")))
  w:order { "domain.suspend db1", "ontap.snapshot_create svm1", "domain.resume db1", "domain.agent db1" }
  t.eq(w:paused(), {})
end)

t.case("database-in-guest: a database that does not hold still is told, and backed up", function()
  local w <close> = world.new { guests = guests("db1", "web1") }
  agent(w, 1)
  local run = expect(3, w:run("backup", script("database-in-guest.lua")))
  t.ok(run.log:find("exit code 1: locked", 1, true), run.log)
  t.eq(run.record.status, "crash-consistent")
  t.eq(#w.sim:snapshots("vol1"), 1)
end)

local function gold(w, params)
  params = params or {}
  params.SITE_CLASS = params.SITE_CLASS or "gold"
  params.SITE_SENDMAIL = "/bin/true"
  return w:run("backup", script("tagged-gold.lua", { params = params }))
end

-- Guests whose last freeze was not undone.
local function frozen(w)
  local names = {}
  for _, call in ipairs(w:calls()) do
    local op, name = call:match("^domain%.(%a+) (%S+)$")
    if op == "freeze" then names[name] = true elseif op == "thaw" then names[name] = nil end
  end
  return names
end

local function tag(w, name, class)
  local dom = w:domain(name)
  local xml = assert(dom:xml { inactive = true })
  assert(w.conn:define((xml:gsub("</domain>", ("<metadata><site:backup xmlns:site='urn:site:backup'><site:class>%s"
    .. "</site:class></site:backup></metadata></domain>"):format(class)))))
end

t.case("tagged-gold: only the guests that are tagged", function()
  local w <close> = world.new { guests = guests("web1", "db1", "test1") }
  tag(w, "web1", "gold")
  tag(w, "db1", "gold")
  tag(w, "test1", "bronze")
  local run = expect(0, gold(w))
  t.eq(#run.record.guests, 2)
  for _, guest in ipairs(run.record.guests) do t.ok(guest.name ~= "test1") end
  w:order { "domain.freeze", "domain.freeze", "ontap.cg_start svm1", "ontap.cg_commit svm1", "domain.thaw", "domain.thaw" }
  t.ok(not table.concat(w:calls(), "\n"):find("/bin/true", 1, true), "no mail for a good backup")
end)

t.case("tagged-gold: nobody is tagged", function()
  local w <close> = world.new { guests = guests("web1") }
  expect(1, gold(w))
  w:order { "process.run /bin/true root" }
end)

-- A failure of each step: who is told, and what is left.
for name, step in pairs {
  controller = { function(w) w.sim:fail("system-get-version") end },
  guard = { function(w) w:fail("guard.start", { code = "unreachable" }) end },
  freeze = { function(w)
    w:fail("domain.freeze", { object = "db1" })
    w:fail("domain.suspend", { object = "db1" })
  end },
  group = { function(w) w.sim:fail("cg-start") end },
  commit = { function(w) w.sim:fail("cg-commit") end },
} do
  t.case("tagged-gold: failure of " .. name .. " is mailed and leaves every guest running", function()
    local w <close> = world.new { guests = guests("web1", "db1") }
    tag(w, "web1", "gold")
    tag(w, "db1", "gold")
    step[1](w)
    expect(1, gold(w, step[2]))
    w:order { "process.run /bin/true root" }
    t.eq(w:paused(), {})
    t.eq(frozen(w), {})
    t.eq(w.sim:snapshots("vol1"), {})
    t.eq(w.sim:snapshots("vol2"), {})
  end)
end

t.case("tagged-gold: a guest that cannot be frozen is suspended, and the group is taken", function()
  local w <close> = world.new { guests = guests("web1", "db1") }
  tag(w, "web1", "gold")
  tag(w, "db1", "gold")
  w:fail("domain.freeze", { object = "db1" })
  expect(0, gold(w))
  w:order { "domain.suspend db1", "ontap.cg_start svm1 vol", "ontap.cg_commit svm1", "domain.resume db1" }
  w:order { "domain.freeze web1", "ontap.cg_start svm1 vol", "ontap.cg_commit svm1", "domain.thaw web1" }
  t.eq(w:paused(), {})
  t.eq(frozen(w), {})
end)

t.case("tagged-gold: a mirror that is not updated is mailed, the backup stands", function()
  local w <close> = world.new { guests = guests("web1") }
  tag(w, "web1", "gold")
  expect(3, gold(w, { SNAPMIRROR_VOLUMES = "svm1:vol1" }))
  w:order { "domain.thaw web1", "process.run /bin/true root" }
  t.eq(#w.sim:snapshots("vol1"), 1)
end)

t.case("tagged-gold: a mail that cannot be sent changes nothing else", function()
  local w <close> = world.new { guests = guests("web1") }
  tag(w, "web1", "gold")
  w.sim:fail("cg-start")
  w:fail("process.run", { object = "/bin/true" })
  local run = expect(1, gold(w))
  t.ok(run.log:find("nobody was told", 1, true), run.log)
  t.eq(frozen(w), {})
end)

t.case("restore-beside: a copy with a new identity, the original untouched", function()
  local w <close> = world.new { guests = guests("web1") }
  local run = expect(0, w:run("backup", { policy = "daily" }))
  local before = assert(file.read(w.sim:path("vol1") .. "/web1.img"))
  assert(file.replace(w.sim:path("vol1") .. "/web1.img", "changed since"))
  expect(0, w:run(EXAMPLES .. "restore-beside.lua", { params = { SITE_GUEST = "web1" } }))
  local copy = "web1-" .. run.record.snapshot:match("%d+$")
  local row = assert(w.conn:lookup(copy))
  t.eq(row.state, "shutoff")
  t.ok(row.uuid ~= w.conn:lookup("web1").uuid)
  t.eq(file.read(("%s/%s-vda.img"):format(w.sim:path("vol1"), copy)), before)
  t.eq(file.read(w.sim:path("vol1") .. "/web1.img"), "changed since")
  t.eq(w.conn:lookup("web1").state, "running")
  expect(1, w:run(EXAMPLES .. "restore-beside.lua", { params = { SITE_GUEST = "web1" } }))
  w:domain(copy):undefine()
end)

t.case("restore-beside: without a backup", function()
  local w <close> = world.new { guests = guests("web1") }
  expect(1, w:run(EXAMPLES .. "restore-beside.lua", { params = { SITE_GUEST = "web1" } }))
  expect(2, w:run(EXAMPLES .. "restore-beside.lua"))
end)

t.case("boot-check: the clone runs, and goes away", function()
  local w <close> = world.new { guests = guests("web1") }
  local run = expect(0, w:run("backup", { policy = "daily" }))
  local copy = "web1-" .. run.record.snapshot:match("%d+$")
  local opts = { params = { SITE_GUEST = "web1", SITE_BOOT_SECONDS = 1 } }
  expect(0, w:run(EXAMPLES .. "boot-check.lua", opts))
  w:order { "ontap.file_clone svm1 vol1", "domain.start " .. copy, "domain.destroy " .. copy, "domain.undefine " .. copy }
  t.eq(w.conn:lookup(copy), nil)
  t.eq(file.stat(("%s/%s-vda.img"):format(w.sim:path("vol1"), copy)), nil)
  w:fail("domain.start", { object = copy })
  expect(1, w:run(EXAMPLES .. "boot-check.lua", opts))
  t.eq(w.conn:lookup(copy), nil)
  t.eq(file.stat(("%s/%s-vda.img"):format(w.sim:path("vol1"), copy)), nil)
end)

t.case("restore-one-disk: the other disk stays", function()
  local w <close> = world.new { guests = { { name = "db1", disks = { "vol1", "vol2" } } },
    conf = { KVM_BACKUP_DATA_DISKS = "Y" } }
  local run = expect(0, w:run("backup", { policy = "daily" }))
  local system, data = w.sim:path("vol1") .. "/db1.img", w.sim:path("vol2") .. "/db1-2.img"
  local before = assert(file.read(data))
  local size = #before
  for _, path in ipairs { system, data } do assert(file.replace(path, ("x"):rep(size), { mode = 438 })) end
  local function restore(disk)
    return w:run("restore", { script = EXAMPLES .. "restore-one-disk.lua", args = { "--backupName", run.record.snapshot },
      params = { KVM_RESTORE_VM_LIST = "db1", SITE_DISK = disk } })
  end
  expect(2, restore("vdz"))
  expect(0, restore("vdb"))
  t.eq(file.read(data) == before, true, "the data disk is back")
  t.eq(file.read(system) == ("x"):rep(size), true, "the system disk is as it was")
end)

t.case("restore-new-network: new addresses, told to the site", function()
  local w <close> = world.new { guests = guests("web1") }
  local dom = w:domain("web1")
  assert(w.conn:define((assert(dom:xml { inactive = true }):gsub("</devices>",
    "<interface type='user'><mac address='52:54:00:11:22:33'/></interface></devices>"))))
  local run = expect(0, w:run("backup", { policy = "daily" }))
  expect(0, w:run("restore", { script = EXAMPLES .. "restore-new-network.lua", args = { "--backupName", run.record.snapshot },
    params = { KVM_RESTORE_VM_LIST = "web1", SITE_NETWORK_CMD = "/bin/true" } }))
  w:order { "ontap.file_restore svm1 vol1", "process.run /bin/true web1 52:54:00:" }
  t.ok(not table.concat(w:calls(), "\n"):find("11:22:33", 1, true), "not the old address")
end)

t.case("copy-out: the bytes of the snapshot, and never half a file", function()
  local w <close> = world.new { guests = guests("web1") }
  expect(0, w:run("backup", { policy = "daily" }))
  local before = assert(file.read(w.sim:path("vol1") .. "/web1.img"))
  assert(file.replace(w.sim:path("vol1") .. "/web1.img", "changed since"))
  local target = w.dir .. "/out.img"
  local opts = { params = { SITE_GUEST = "web1", SITE_TARGET = target } }
  w:fail("file.append", { nth = 1, code = "no_space" })
  expect(1, w:run(EXAMPLES .. "copy-out.lua", opts))
  t.eq(file.stat(target), nil)
  local run = expect(0, w:run(EXAMPLES .. "copy-out.lua", opts))
  t.eq(file.read(target) == before, true)
  t.ok(run.log:find("100 %", 1, true))
  expect(2, w:run(EXAMPLES .. "copy-out.lua", opts))
end)

for _, transport in ipairs { "zapi", "rest" } do
  t.case("raw-call over " .. transport, function()
    local w <close> = world.new { guests = guests("web1"), conf = { ONTAP_API = transport } }
    expect(0, w:run(EXAMPLES .. "raw-call.lua"))
    t.eq(w.sim:changes(), {})
  end)
end

t.case("reflink-storage: copies made while the guests stand still", function()
  local w <close> = world.new { guests = guests("web1", "db1") }
  local opts = { policy = "daily", params = { SITE_COPIES = w.dir .. "/copies" } }
  expect(0, w:run(EXAMPLES .. "reflink-storage.lua", opts))
  w:order { "domain.suspend", "domain.suspend", "process.run /bin/cp", "process.run /bin/cp", "domain.resume", "domain.resume" }
  local names = assert(file.list(w.dir .. "/copies"))
  t.eq(file.read(("%s/copies/%s/web1-vda.img"):format(w.dir, names[1])), file.read(w.sim:path("vol1") .. "/web1.img"))
  w:fail("process.run", { object = "/bin/cp", nth = 2 })
  expect(1, w:run(EXAMPLES .. "reflink-storage.lua", opts))
  t.eq(w:paused(), {})
end)

t.case("drain-first: the queue goes on, whatever becomes of the backup", function()
  local w <close> = world.new { guests = guests("web1") }
  expect(0, w:run("backup", script("drain-first.lua")))
  w:order { "process.run /bin/true pause", "domain.suspend web1", "domain.resume web1", "process.run /bin/true continue" }
  w.sim:fail("snapshot-create")
  expect(1, w:run("backup", script("drain-first.lua")))
  local calls = w:calls()
  t.eq(calls[#calls], "process.run /bin/true continue")
end)

t.case("stale-backups: a guest without one is exit code 3", function()
  local w <close> = world.new { guests = guests("web1", "db1") }
  expect(3, w:run(EXAMPLES .. "stale-backups.lua"))
  expect(0, w:run("backup", { policy = "daily" }))
  expect(0, w:run(EXAMPLES .. "stale-backups.lua"))
end)

t.case("restore-and-tell runs the site's follow-up after a restore", function()
  local w <close> = world.new { guests = guests("web1") }
  local run = expect(0, w:run("backup", { policy = "daily" }))
  expect(0, w:run("restore", { script = EXAMPLES .. "restore-and-tell.lua", args = { "--backupName", run.record.snapshot },
    params = { KVM_RESTORE_VM_LIST = "web1" } }))
  w:order { "ontap.file_restore svm1 vol1", "process.run /bin/true site-follow-up web1" }
end)

t.case("every example is short and says when to use it", function()
  for _, name in ipairs(assert(file.list("examples"))) do
    if name:find("%.lua$") then
      local text = assert(file.read(EXAMPLES .. name))
      local _, lines = text:gsub("\n", "")
      t.ok(lines < (name == "tagged-gold.lua" and 61 or 80), name .. " is too long")
      t.ok(text:find("[Ww]hen to use it"), name .. " does not say when to use it")
    end
  end
end)

return t.done()
