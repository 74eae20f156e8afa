-- engine.multipath and engine.lun on a recorded host, as a workflow sees them.
local file = require "engine.file"
local lun = require "engine.lun"
local multipath = require "engine.multipath"
local t = require "std.test"

local TMP = os.getenv("MOON_TEST_TMP") or "/tmp"
local DATA = "tests/data/san/"
local LUN2 = "3600a0980383062716d5d5076684b6f67"

-- Links have no primitive: the paths of a map are what this needs, so their files stand where the links lead.
local function host(name)
  local root = TMP .. "/" .. name
  for line in io.lines(DATA .. name .. ".tree") do
    local path, value = line:match("^([^\t]+)\t=(.*)$")
    local dir = path and path:match("^(.*)/") or line:match("^(.*)/$")
    if dir then assert(file.mkdirs(root .. "/" .. dir)) end
    if path then assert(file.replace(root .. "/" .. path, value .. "\n")) end
  end
  return root
end

t.case("serial numbers and WWIDs", function()
  t.eq(lun.serial(LUN2), "80bqm]PvhKog")
  t.eq(lun.wwid("80bqm]PvhKog"), LUN2)
  local none, failed = lun.serial("360a98000383062716d5d5076684b6f67")
  t.eq(none, nil)
  t.eq(failed.code, "invalid")
  t.ok(failed.message:find("7-Mode", 1, true), failed.message)
  none, failed = lun.wwid("too short")
  t.eq(none, nil)
  t.eq(failed.code, "invalid")
  t.raises(function() lun.serial() end, "string expected")
end)

t.case("errors name the device", function()
  local root = host("plain")
  local none, failed = multipath.find("/dev/mapper/nosuch", { root = root, socket = "" })
  t.eq(none, nil)
  t.eq(failed.code, "not_found")
  t.ok(failed.message:find("/dev/mapper/nosuch", 1, true), failed.message)
  none, failed = lun.holders("dm-77", { root = root })
  t.eq(none, nil)
  t.eq(failed.code, "not_found")
  t.raises(function() multipath.find("dm-1", { sysfs = root }) end, "unknown option 'sysfs'")
end)

t.case("a host without maps has none", function()
  local root = TMP .. "/empty"
  assert(file.mkdirs(root .. "/sys/block"))
  t.eq(multipath.list { root = root, socket = "" }, {})
end)

return t.done()
