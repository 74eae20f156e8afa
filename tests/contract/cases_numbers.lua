-- Every error number of the controller, provoked on a verb that can meet it: its code here, the number itself, and
-- a message that holds the object, the controller's words and what to do.
local c = require "contract"
local file = require "engine.file"

local HERE = package.path:match("^(.-)/%?%.lua")

-- Arguments of a verb that would pass if nothing were wrong, and the object that the message must name.
local DEST = "destination"          -- made when it is needed
local ARGS = {
  snapshot_create = { { "plain", "never" }, "plain" },
  snapshot_delete = { { "plain", "s" }, "plain" },
  snapshot_rename = { { "plain", "s", { to = "t" } }, "plain" },
  snapshot_modify = { { "plain", "s", { comment = "c" } }, "plain" },
  snapshots = { { "plain" }, "plain" },
  cg_start = { { { "plain", "deep" }, "never" }, "never" },
  file_restore = { { "plain", "s", { path = "disk.img" } }, "disk.img" },
  file_info = { { "/vol/plain/disk.img" }, "disk.img" },
  file_clone = { { "plain", { from = "disk.img", to = "copy.img" } }, "copy.img" },
  luns = { { { path = "/vol/odd/lun1" } }, "" },
  lun_restore = { { "/vol/odd/lun1", "s" }, "/vol/odd/lun1" },
  lun_clone = { { "/vol/odd/lun1", { to = "/vol/odd/clone" } }, "/vol/odd/clone" },
  lun_map = { { "/vol/odd/lun1", "ig_numbers" }, "/vol/odd/lun1" },
  lun_delete = { { "/vol/odd/lun1" }, "/vol/odd/lun1" },
  volume_clone = { { "plain", { to = "plain_clone", snapshot = "s" } }, "plain" },
  volume_clone_split = { { "plain" }, "plain" },
  mirror_update = { { DEST }, DEST },
  mirror_initialize = { { DEST, "initialize" }, DEST },
  mirror_break = { { DEST, "break" }, DEST },
  mirror_restore = { { DEST, "svm1:plain", "s", { replace = true } }, "svm1:plain" },
  ems_log = { { "moonsnap", "text" }, "" },
}

local METHOD = { mirror_initialize = "mirror_change", mirror_break = "mirror_change" }

local provoked = {}

-- The numbers of the engine's table of a transport, read from its source.
local function table_of(transport)
  local text = assert(file.read(("%s/../../engine/core/ontap_codes_%s.c"):format(HERE, transport)))
  local numbers = {}
  for number, code in text:gmatch("{(%d+), MOON_([A-Z_]+),") do numbers[tonumber(number)] = code:lower() end
  return numbers
end

for _, transport in ipairs { "zapi", "rest" } do
  local ok, list = pcall(require, "numbers_" .. transport)
  if not ok then list = {} end
  for _, row in ipairs(list) do
    local number, code, verb, since = row[1], row[2], row[3], row.since
    local case = { ("%s %d on %s is %s"):format(transport == "zapi" and "errno" or "code", number, verb, code),
      since = since and { [transport] = since }, run = function(w)
        local dest = w:prepare_numbers().dest
        local args, object = {}, ARGS[verb][2] == DEST and dest or ARGS[verb][2]
        for i, value in ipairs(ARGS[verb][1]) do args[i] = value == DEST and dest or value end
        w:fault(verb, { action = "error", [transport == "zapi" and "errno" or "code"] = number, reason = "Said so.",
          status = row.status })
        local client = w:connect { retries = 0, svm = verb:find("^mirror") and "svm2" or nil }
        local value, e = client[METHOD[verb] or verb](client, table.unpack(args))
        c.fails(value, e, code, number, object, "Said so.")
        c.ok(tostring(e):find("; ", 1, true), "a remedy: " .. tostring(e))
        provoked[number] = true
      end }
    case[transport == "zapi" and "rest" or "zapi"] = "a number of the other transport"
    case.auto = "numbers are provoked where the transport is given"
    c.case(case)
  end
  local case = { "every number of the engine's table is provoked: " .. transport, run = function()
    local known, seen = table_of(transport), {}
    for _, row in ipairs(list) do
      c.eq(known[row[1]], row[2], "number " .. row[1])
      seen[row[1]] = true
    end
    for number in pairs(known) do c.ok(seen[number], "number " .. number .. " is not provoked") end
  end }
  case[transport == "zapi" and "rest" or "zapi"] = "a table of the other transport"
  case.auto = "numbers are provoked where the transport is given"
  c.case(case)
end

--- How many numbers were provoked.
function c.provoked()
  local n = 0
  for _ in pairs(provoked) do n = n + 1 end
  return n
end
