-- Restores of LUNs on recorded hosts (tests/data/san): what is looked at again right before one is overwritten, and what
-- a failure says about its data. A block device's cache is what no recorded host has.
local clock = require "engine.clock"
local file = require "engine.file"
local lun = require "engine.lun"
local process = require "engine.process"
local err = require "std.err"
local log = require "std.log"
local san = require "std.san"
local t = require "std.test"

log.open { quiet = true }

local TMP = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/san"
local LUN2, LUN3 = "3600a0980383062716d5d5076684b6f67", "3600a0980383062716d5d5076684b6f78"
local SIZE = 64 << 20

local steps -- what was done to host and controller, in order
lun.drop_cache = function(device) -- luacheck: ignore
  steps[#steps + 1] = "drop " .. device:match("[^/]+$")
  return true
end

-- "crossed" is no recording: one of the paths of "plain" leads to another LUN than its map is named after.
local function host(name)
  local dir = TMP .. "/" .. name
  if file.stat(dir) then return dir end
  assert(file.mkdirs(TMP))
  assert(process.run { "tests/lib/san_tree.sh", name == "crossed" and "plain" or name, dir })
  local function put(disk, attribute, text)
    assert(file.replace(("%s/sys/block/%s/device/%s"):format(dir, disk, attribute), text .. "\n"))
  end
  for _, disk in ipairs { "sda", "sdb", "sdc", "sdd" } do put(disk, "rescan", "") end -- to be written to: never recorded
  if name == "crossed" then
    put("sdc", "wwid", "naa." .. LUN3:sub(2))
    put("sdc", "vpd_pg83", "")
  end
  return dir
end

local function lun_row(more)
  local row = { path = "/vol/v1/qt/two", volume = "v1", serial = "80bqm]PvhKog", uuid = "u2", size = SIZE }
  for key, value in pairs(more or {}) do row[key] = value end
  return row
end

-- A run on a recorded host whose controller answers by `answers`, or well.
local function run(name, answers, values)
  local client = { luns = function() return { lun_row() } end, restore_status = function() return { running = 0 } end,
    lun_restore = function() return { job = "j1" } end }
  for key, value in pairs(answers or {}) do client[key] = value end
  local begin = client.lun_restore
  function client:lun_restore(path, snapshot, opts)
    steps[#steps + 1] = ("restore %s %s"):format(path, snapshot)
    return begin(self, path, snapshot, opts)
  end
  steps = {}
  local c = { name = "svm1", client = client, options = { user = "backup" }, transport = "zapi" }
  local all = { KVM_DEVICE_ROOT = host(name), KVM_RESTORE_TIMEOUT = 5 }
  for key, value in pairs(values or {}) do all[key] = value end
  return { controllers = { c, svm1 = c }, cfg = { get = function(_, key) return all[key] end } }
end

local function object(device)
  return { provider = "san", controller = "svm1", volume = "v1", path = "qt/two", mapping = "/vol/v1/qt/two",
    device = device or "/dev/dm-1", wwid = LUN2, serial = "80bqm]PvhKog", uuid = "u2", size = SIZE }
end

t.case("a LUN is found by its map's WWID, with all that names it", function()
  local ctx = run "plain"
  local found = assert(san.locate(ctx, { type = "block", path = "/dev/disk/by-id/dm-uuid-mpath-" .. LUN2, target = "vda" }))
  t.eq({ found.controller, found.volume, found.path, found.mapping, found.wwid, found.serial, found.uuid, found.size },
    { "svm1", "v1", "qt/two", "/vol/v1/qt/two", LUN2, "80bqm]PvhKog", "u2", SIZE })
  t.eq(san.locate(ctx, { type = "file", path = "/srv/a.img", target = "vda" }), nil)
end)

t.case("a restore asks the paths again, drops the cache before and after, and tells the controller once", function()
  local ctx = run "plain"
  t.ok(san.restore(ctx, object(), "s1", { size = SIZE }))
  t.eq(steps, { "drop dm-1", "restore /vol/v1/qt/two s1", "drop dm-1" })
  for _, disk in ipairs { "sdc", "sdd" } do
    t.eq(file.read(("%s/sys/block/%s/device/rescan"):format(host "plain", disk)), "1\n", disk)
  end
end)

t.case("a path that does not run keeps nobody from it", function()
  t.ok(san.restore(run "cut", object(), "s1", true)) -- its size has changed before it was recorded
  t.eq(steps[2], "restore /vol/v1/qt/two s1")
end)

t.case("what is not what it was is not overwritten", function()
  local cases = {
    { "the map is another LUN", "replaced", nil, "dm-1 is LUN " .. LUN3 .. " now and was " .. LUN2 },
    { "a path is another LUN", "crossed", nil, LUN3 },
    { "the controller's LUN has another uuid", "plain", lun_row { uuid = "u9" }, "is another one than it was: serial number" },
    { "the controller's LUN has another serial number", "plain", lun_row { serial = "80bqm]PvhKox" }, "80bqm]PvhKox" },
    { "the controller's LUN is gone", "plain", false, "it is gone" },
    { "a logical volume is on it", "lvm", nil, "this host uses it itself: lvm vg0-lv0" },
    { "a partition is on it", "partition", nil, "this host uses it itself: partition" },
    { "no path runs", "lost", nil, "none of its paths runs" },
  }
  for _, case in ipairs(cases) do
    local name, tree, row, text = table.unpack(case, 1, 4)
    local answers = row ~= nil and { luns = function() return { row or nil } end } or nil
    local ok, failed = san.restore(run(tree, answers), object(), "s1", { size = SIZE })
    t.eq(ok, nil, name)
    t.ok(failed.message:find(text, 1, true), name .. ": " .. failed.message)
    t.eq({ failed.scf, failed.started }, { "STORAGE-02025", false }, name)
    t.eq(steps, {}, name)
  end
end)

t.case("a process that has the device open is waited for, then named", function()
  local holders, mono = lun.holders, clock.mono
  local now, gone_after, asked
  -- luacheck: push ignore
  clock.mono = function()
    now = now + 4
    return now
  end
  lun.holders = function(_, o)
    if o.processes == false then return {} end
    asked = asked + 1
    return asked <= gone_after and { { kind = "process", name = "qemu-system-x86", pid = 77 } } or {}
  end
  -- luacheck: pop
  now, asked, gone_after = 0, 0, 1
  local there = san.restore(run "plain", object(), "s1", true)
  now, asked, gone_after = 0, 0, math.huge
  local ok, failed = san.restore(run "plain", object(), "s1", true)
  lun.holders, clock.mono = holders, mono -- luacheck: ignore
  t.eq(there, true)
  t.err(ok, failed, "busy", "device dm%-1 is in use: process qemu%-system%-x86, pid 77")
  t.eq({ failed.scf, failed.started, #steps }, { "STORAGE-02025", false, 0 })
end)

t.case("whether a LUN could be restored is asked while its guest runs", function()
  t.ok(san.ready(run "cut", object()))
  local ok, failed = san.ready(run "lost", object())
  t.err(ok, failed, "busy", "none of its paths runs")
  t.eq(failed.scf, "STORAGE-02025")
end)

t.case("a refusal leaves the LUN alone, a lost answer leaves it in doubt", function()
  for _, f in ipairs { { "no_space", "ontap", 13025, false }, { "denied", "ontap", 13003, false },
    { "busy", "ontap", 15801, true }, { "timeout", "http", 28, true }, { "io", "http", 500, true } } do
    local ok, failed = san.restore(run("plain", { lun_restore = function()
      return nil, err.new(f[1], "told so", { source = f[2], native = f[3] })
    end }), object(), "s1", { size = SIZE })
    t.err(ok, failed, f[1])
    t.eq({ failed.scf, failed.started }, { "STORAGE-02025", f[4] }, f[1])
  end
end)

t.case("what goes wrong after it began leaves it in doubt", function()
  local ok, failed = san.restore(run("plain", { restore_status = function()
    return nil, err.new("io", "it failed late", { source = "ontap", native = 524511 })
  end }), object(), "s1", { size = SIZE })
  t.err(ok, failed, "io", "it failed late")
  t.eq({ failed.scf, failed.started }, { "kvm-00011", true })
  ok, failed = san.restore(run("plain", { restore_status = function() return { running = 1 } end },
    { KVM_RESTORE_TIMEOUT = 0.3 }), object(), "s1", { size = SIZE })
  t.err(ok, failed, "timeout")
  t.eq({ failed.scf, failed.started }, { "kvm-00011", true })
  -- the host sees another LUN when the controller is done
  local ctx
  ctx = run("plain", { lun_restore = function()
    ctx.cfg = { get = function(_, key) return ({ KVM_DEVICE_ROOT = host "crossed", KVM_RESTORE_TIMEOUT = 5 })[key] end }
    return { job = "j1" }
  end })
  ok, failed = san.restore(ctx, object(), "s1", { size = SIZE })
  t.err(ok, failed, "conflict", LUN3)
  t.eq({ failed.scf, failed.started }, { "kvm-00011", true })
end)

t.case("a LUN that was resized since is restored in its old size only when asked", function()
  local function info(size) return { file_info = function(_, path) return { size = size, path = path } end } end
  t.eq(san.in_snapshot(run("plain", info(SIZE)), object(), "s1").path, "/vol/v1/.snapshot/s1/qt/two")
  local ok, failed = san.in_snapshot(run("plain", info(SIZE // 2)), object(), "s1")
  t.err(ok, failed, "conflict", ("has %d bytes today and %d in snapshot s1; KVM_RESTORE_RESIZE=Y"):format(SIZE, SIZE // 2))
  t.ok(san.in_snapshot(run("plain", info(SIZE // 2), { KVM_RESTORE_RESIZE = true }), object(), "s1"))
  ok, failed = san.in_snapshot(run("plain", { file_info = function() return nil, err.new("not_found", "no entry") end }),
    object(), "s1")
  t.err(ok, failed, "not_found", "LUN /vol/v1/qt/two in snapshot s1")
  t.eq(failed.scf, "STORAGE-02025")
  t.eq(san.in_snapshot(run("plain", { file_info = function() return nil, err.new("denied", "no right") end }), object(),
    "s1"), true)
end)

return t.done()
