-- multipath.lua ROOT MAPS one|all: lookups by engine.multipath in a tree of santree. `one` prints for each kind of name
-- microseconds of the first lookup and the median of all; `all` milliseconds for the list of all maps, KiB of peak memory
-- before and after it, and the numbers of maps and paths.
local clock = require "engine.clock"
local lun = require "engine.lun"
local multipath = require "engine.multipath"

local root, maps, what = ...
maps = tonumber(maps)
-- An empty root is this host, whose multipathd is asked as well.
local where = root ~= "" and { root = root, dm = root .. "/dm", socket = "" } or {}

local function wwid(i) return assert(lun.wwid(("80bqm]P%05d"):format(i))) end

local function disk(n)
  local name = ""
  n = n + 1
  while n > 0 do
    name = string.char(97 + (n - 1) % 26) .. name
    n = (n - 1) // 26
  end
  return "sd" .. name
end

local KINDS = {
  { "/dev/mapper/NAME", function(i) return "/dev/mapper/" .. wwid(i) end, "multipath" },
  { "/dev/disk/by-id/dm-uuid-...", function(i) return "/dev/disk/by-id/dm-uuid-mpath-" .. wwid(i) end, "multipath" },
  { "/dev/disk/by-id/wwn-...", function(i) return "/dev/disk/by-id/wwn-0x" .. wwid(i):sub(2) end, "multipath" },
  { "/dev/dm-N", function(i) return "/dev/dm-" .. i end, "multipath" },
  { "dm-N", function(i) return "dm-" .. i end, "multipath" },
  { "sdX (one path)", function(i) return disk(2 * i) end, "disk" },
}

local function peak()
  for line in io.lines("/proc/self/status") do
    local kib = line:match("^VmHWM:%s*(%d+)")
    if kib then return kib end
  end
end

-- Each kind looks at maps of its own, so that none finds what another has just read.
local function one(kind, number)
  local seen, count = {}, maps // #KINDS
  local step = math.max(count // 500, 1)
  for i = number - 1, maps - 1, #KINDS * step do
    local name = kind[2](i)
    local start = clock.mono()
    local found = assert(multipath.find(name, where))
    seen[#seen + 1] = (clock.mono() - start) * 1e6
    assert(found.kind == kind[3] and found.wwid == wwid(i), name)
    assert(kind[3] == "disk" or #found.paths == 2 and found.usable == 2 and found.queueing, name)
  end
  local first = seen[1]
  table.sort(seen)
  print(("%s\t%.0f\t%.0f\t%d"):format(kind[1], first, seen[(#seen + 1) // 2], #seen))
end

if what == "one" then
  for number, kind in ipairs(KINDS) do one(kind, number) end
else
  local before, start, paths = peak(), clock.mono(), 0
  local list = assert(multipath.list(where))
  local ms = (clock.mono() - start) * 1000
  for _, map in ipairs(list) do paths = paths + #map.paths end
  print(("%.0f %s %s %d %d"):format(ms, before, peak(), #list, paths))
end
