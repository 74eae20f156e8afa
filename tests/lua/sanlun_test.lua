-- std.sanlun: recorded output of several versions, and the comparison on a recorded host.
local file = require "engine.file"
local log = require "std.log"
local process = require "std.process"
local sanlun = require "std.sanlun"
local t = require "std.test"

log.open { quiet = true }

local TMP = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/sanlun"
local DATA = "tests/data/sanlun/"
local LUN1, LUN2 = "3600a0980383062716d5d5076684b6f66", "3600a0980383062716d5d5076684b6f67"

local function data(name) return assert(file.read(DATA .. name)) end

t.case("a line per path, in the forms of all versions", function()
  for name, want in pairs {
    ["luhu71.paths"] = { 4, "svm_database:/vol/dbs1/disk", "/dev/sdb" },
    ["active_sync.paths"] = { 5, "svm_site2:/vol/vol1_s2/guest", "/dev/sdi" },
    ["luhu60.paths"] = { 1, "vsA:/vol/guests_vol/guest_lun1", "/dev/sdt" },
    ["luhu50.paths"] = { 2, "vsB:/vol/guest2_vol/guest_lun3", "/dev/sdy" },
    ["plain.paths"] = { 4, "svm1:/vol/vol1/one", "/dev/sda" },
  } do
    local list, unread = sanlun.paths(data(name))
    t.ok(list, name .. ": " .. tostring(unread))
    t.eq({ #list, list[1].lun, list[1].node }, want, name)
    t.eq(unread, {}, name)
  end
end)

t.case("a block per map, by WWID, alias or both", function()
  t.eq(sanlun.maps(data "luhu80.maps"), { { lun = "svm_kvm_01:/vol/guests_016/lun",
    host = "3600a09803830426552244d3768517741", wwid = "3600a09803830426552244d3768517741",
    name = "3600a09803830426552244d3768517741" } })
  local list, unread = sanlun.maps(data "luhu71.maps")
  t.eq(unread, {})
  t.eq(#list, 1)
  t.eq({ list[1].name, list[1].wwid, list[1].host }, { "oradata", "3600a09803830426552244d3768517742",
    "oradata(3600a09803830426552244d3768517742)" })
  t.ok(list[1].lun:find("^svm_virtualization:/vol/a_volume_.*_0123456789$"), list[1].lun)
  list = sanlun.maps((data "plain.maps"):gsub(LUN1, "mpatha"):gsub(LUN2, LUN2:upper()))
  t.eq({ list[1].name, list[1].wwid }, { "mpatha" })
  t.eq({ list[2].lun, list[2].wwid }, { "svm1:/vol/vol2/qt/two", LUN2 })
end)

t.case("more than is kept is noticed", function()
  local out = assert(process.run({ "printf", "12345" }, { max_output = 3 }))
  t.eq({ out.stdout, out.truncated }, { "123", true })
  local none, failed = process.run({ "printf", "12345" }, { max_output = -1 })
  t.err(none, failed, "invalid", "max_output")
end)

t.case("nothing is no LUN, and no mistake", function()
  for _, text in ipairs { "", "\n\n", (data "plain.paths"):match("^(.-)svm1") } do
    t.eq(sanlun.paths(text), {})
  end
  t.eq(sanlun.maps("\n"), {})
end)

t.case("LUNs of E-Series and FlashRay are none of ours", function()
  local text = data "plain.paths"
  local foreign = "array7                Volume_4               /dev/sdq        host0      iSCSI      2t      E-Series\n"
  t.eq(#sanlun.paths(text .. foreign), 4)
  t.eq(sanlun.paths(foreign), {})
end)

t.case("what cannot be read is said", function()
  for _, text in ipairs { "sanlun: command failed", "<html>", ("\0"):rep(40), "svm1 /vol/vol1/one", (" "):rep(9) .. "x" } do
    local list, failed = sanlun.paths(text)
    t.err(list, failed, "protocol", "cannot be read")
    list, failed = sanlun.maps(text)
    t.err(list, failed, "protocol", "cannot be read")
  end
  local list, unread = sanlun.paths(data "plain.paths" .. "svm1   /vol/vol1/cut of")
  t.eq({ #list, unread }, { 4, { "svm1   /vol/vol1/cut of" } })
  -- cut anywhere: never an error in the reader, never a LUN that is not there
  local known, whole = {}, data "plain.maps"
  for _, block in ipairs(sanlun.maps(whole)) do known[block.lun] = block.wwid end
  for cut = 1, #whole, 7 do
    list = sanlun.maps(whole:sub(1, cut))
    for _, block in ipairs(list or {}) do
      local is_whole = block.wwid and known[block.lun] == block.wwid
      t.ok(is_whole or not block.wwid, cut)
    end
  end
  list, unread = sanlun.maps("ONTAP Path: svm1:/vol/v/a\nLUN: 0\nONTAP Path: svm1:/vol/v/b\nHost Device: " .. LUN1)
  t.eq({ #list, list[1].lun, unread }, { 1, "svm1:/vol/v/b", { "ONTAP Path: svm1:/vol/v/a" } })
end)

-- A recorded host with a sanlun that prints these two texts, and two guests on its LUNs.
local function host(maps, paths, more)
  if not file.stat(TMP) then
    assert(file.mkdirs(TMP))
    assert(process.run { "tests/lib/san_tree.sh", "plain", TMP .. "/host" })
    assert(process.run { "cp", "tests/lib/sanlun.sh", TMP .. "/sanlun" })
  end
  for _, name in ipairs { "fails", "hangs" } do file.remove(TMP .. "/" .. name) end
  assert(file.replace(TMP .. "/maps", maps))
  assert(file.replace(TMP .. "/paths", paths))
  for name, text in pairs(more or {}) do assert(file.replace(TMP .. "/" .. name, text)) end
  local values = { KVM_SANLUN = TMP .. "/sanlun", KVM_SANLUN_TIMEOUT = 1, KVM_DEVICE_ROOT = TMP .. "/host" }
  local function guest(name, wwid, mapping)
    return { name = name, disks = { { target = "vda", object = { provider = "san", controller = "filer", svm = "svm1",
      mapping = mapping, device = "/dev/mapper/" .. wwid, wwid = wwid } } } }
  end
  return { exit = 0, worse = function(self, code) self.exit = code end,
    cfg = { get = function(_, name) return values[name] end }, values = values,
    guests = { guest("one", LUN1, "/vol/vol1/one"), guest("two", LUN2, "/vol/vol2/qt/two"),
      { name = "nfs", disks = { { target = "vda", object = { provider = "nas" } } } } } }
end

local function results(ctx)
  local rows = assert(sanlun.compare(ctx))
  local out = {}
  for i, row in ipairs(rows) do out[i] = row.result end
  return table.concat(out, " "), rows
end

t.case("both say the same", function()
  local maps, paths = data "plain.maps", data "plain.paths"
  local ctx = host(maps, paths)
  local said, rows = results(ctx)
  t.eq(said, "agrees agrees")
  t.eq({ rows[1].lun, rows[1].sanlun, rows[2].target }, { "svm1:/vol/vol1/one", { "svm1:/vol/vol1/one" }, "vda" })
  t.eq({ sanlun.verdict(ctx, rows), ctx.exit }, { true, 0 })
  -- each of the two lists is enough; so is the controller's name in the config, and an alias of the map
  t.eq(results(host("", paths)), "agrees agrees")
  t.eq(results(host(maps, "")), "agrees agrees")
  t.eq(results(host(maps:gsub("svm1:", "filer:"), "")), "agrees agrees")
  t.eq(results(host(maps:gsub(LUN1, "m1(" .. LUN1 .. ")"):gsub(LUN2, "dm-1"), "")), "agrees agrees")
end)

t.case("sanlun names another LUN, or this LUN elsewhere", function()
  local maps, paths = data "plain.maps", data "plain.paths"
  local ctx = host(maps:gsub("/vol/vol1/one", "/vol/vol1/other"), paths)
  local said, rows = results(ctx)
  t.eq(said, "differs agrees")
  t.eq(rows[1].sanlun, { "svm1:/vol/vol1/one", "svm1:/vol/vol1/other" })
  local ok, failed = sanlun.verdict(ctx, rows)
  t.err(ok, failed, "conflict", "discovery found svm1:/vol/vol1/one, sanlun says svm1:/vol/vol1/one svm1:/vol/vol1/other")
  t.eq(failed.scf, "kvm-00015")
  t.eq(results(host(maps:gsub("svm1:", "svm2:"), "")), "differs differs")
  -- the two LUNs have changed places
  t.eq(results(host(maps:gsub("vol1/one", "X"):gsub("vol2/qt/two", "vol1/one"):gsub("X", "vol2/qt/two"), "")),
    "differs differs")
  said, rows = results(host(maps:gsub(LUN1, LUN1:gsub("f66$", "f78")), ""))
  t.eq(said, "differs agrees")
  t.eq(rows[1].elsewhere, { (LUN1:gsub("f66$", "f78")) })
  t.eq(sanlun.cells(rows)[1][4], "at " .. LUN1:gsub("f66$", "f78"))
end)

t.case("sanlun does not know it", function()
  local one = (data "plain.maps"):match("^(.-)\n\n%s+ONTAP Path: svm1:/vol/vol2")
  local ctx = host(one, "")
  local said, rows = results(ctx)
  t.eq(said, "agrees unknown")
  t.eq({ sanlun.verdict(ctx, rows), ctx.exit }, { true, 3 })
  t.eq(sanlun.cells(rows)[2], { "two", "vda", "svm1:/vol/vol2/qt/two", nil, "unknown" })
end)

t.case("no answer is an error that says what to do", function()
  local ctx = host("", "", { fails = "Unable to open device" })
  local rows, failed = sanlun.compare(ctx)
  t.err(rows, failed, "io", "Unable to open device")
  ctx = host("", "", { hangs = "" })
  rows, failed = sanlun.compare(ctx)
  t.err(rows, failed, "timeout", "KVM_SANLUN_TIMEOUT")
  ctx = host("Segmentation fault", "")
  rows, failed = sanlun.compare(ctx)
  t.err(rows, failed, "protocol", "Segmentation fault")
  ctx.values.KVM_SANLUN = TMP .. "/none/sanlun"
  rows, failed = sanlun.compare(ctx)
  t.err(rows, failed, "not_found", "KVM_SANLUN")
  ctx.guests = { ctx.guests[3] }
  t.eq(sanlun.compare(ctx), {})
end)

return t.done()
