--- config.lua PROFILE ROOT CLIENT-CA: the simulator's configuration for one run of the contract suite, as JSON on
-- stdout. Every case that changes something takes volumes of its own from a pool, so that no case sees
-- another's snapshots.
local file = require "engine.file"
local json = require "engine.json"
local profiles = require "profiles"

local GIB = 1 << 30
-- A run that damages replies takes new ones for each of them, and needs no TLS for that.
local POOL, SAN_POOL = 200, 80
if os.getenv "MUTATE" then POOL, SAN_POOL = 600, 200 end

-- Every character that ONTAP puts into a serial number and some layer between would take for its own.
local AWKWARD = { "80BeR$M7hQw?", "80BeR*M7hQwA", "800&b%d#fg+i", "[800]Rj0Gde!", "80^a~b@c/d-e", "!80]Rj0Gd[?*",
  "80BeR$M7hQwA", "80BeR$M7hQwa" }

local name, root, client_ca = ...
local profile = assert(profiles.find(name), "no such profile")
local volumes, luns = {}, {}

local function volume(v)
  v.size, v.aggregate = v.size or GIB, "aggr1"
  volumes[#volumes + 1] = v
end

volume { name = "svm1_root", junction = "/", root = true }
volume { name = "plain", junction = "/plain" }
volume { name = "deep", junction = "/plain/deep" }
volume { name = "unmounted" }
volume { name = "mirrored", type = "dp" }
volume { name = "off", state = "offline" }
volume { name = "few", snapshot_limit = 2 }
volume { name = "small", size = 1 << 20 }
volume { name = "odd" }
for i = 1, POOL do volume { name = ("p%04d"):format(i), junction = ("/p%04d"):format(i) } end
for i = 1, SAN_POOL do
  volume { name = ("s%04d"):format(i) }
  luns[#luns + 1] = { path = ("/vol/s%04d/lun0"):format(i), size = 262144, serial = ("80ConTra%04d"):format(i) }
end
for i = 1, SAN_POOL // 4 do
  volume { name = ("q%04d"):format(i) }
  luns[#luns + 1] = { path = ("/vol/q%04d/qt_db/db01 disk0"):format(i), size = 262144, serial = ("80ConQtre%03d"):format(i) }
end
for i, serial in ipairs(AWKWARD) do
  luns[#luns + 1] = { path = ("/vol/odd/lun%d"):format(i), size = 65536, serial = serial }
end

-- Not every machine has IPv6; a container may have none.
local lifs = { { name = "lif1", address = "192.0.2.21", listen = "127.0.0.1:0" }, { name = "lif2", address = "192.0.2.22" } }
if file.read "/proc/net/if_inet6" ~= "" then
  lifs[#lifs + 1] = { name = "lif6", address = "fd00::1", listen = "[::1]:0" }
else
  lifs[#lifs + 1] = { name = "lif6", address = "fd00::1" }
end

local READ = { "version", "vserver", "network interface", "volume show", "volume snapshot show", "lun show" }
local commands = { { command = "DEFAULT", access = "none" } }
for _, command in ipairs(READ) do commands[#commands + 1] = { command = command, access = "readonly" } end

local vault = { { name = "only2", size = GIB, junction = "/only2" } }
for i = 1, POOL // 5 do vault[#vault + 1] = { name = ("m%04d"):format(i), size = GIB, type = "dp" } end

print(json.encode({
  listen = "127.0.0.1:0", http = os.getenv "MUTATE" ~= nil, root = root, restore_ms = 60, async_ms = 50, fence_ms = 2000,
  transfer_ms = 250, rst_keep_ms = 200, comments = true,
  client_ca = client_ca, cluster = { name = "cl1", profile = profile.name },
  roles = { reader = { commands = commands } },
  users = { { name = "admin", password = "secret" }, { name = "vsadmin", password = "secret", svm = "svm1" },
    { name = "reader", password = "secret", svm = "svm1", role = "reader" },
    { name = "certified", cert = "certified", svm = "svm1" } },
  svms = {
    { name = "svm1", lifs = lifs, volumes = volumes, luns = luns },
    { name = "svm2", lifs = { { name = "lif3", address = "192.0.2.31" } }, volumes = vault },
  },
}, true))
