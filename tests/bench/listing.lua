-- listing.lua URL CA-FILE zapi|rest list|pages: one listing of all LUNs of svm1 by the engine. Prints milliseconds, KiB
-- of peak memory before and after, and the number of LUNs.
local clock = require "engine.clock"
local ontap = require "engine.ontap"

local url, ca, api, how = ...
local host, port = url:match("^https://([^:]+):(%d+)")
local client = assert(ontap.new { name = "filer", host = host, port = tonumber(port), user = "admin", password = "secret",
  svm = "svm1", ca_file = ca, api = api, timeout = 60 })

local function peak()
  for line in io.lines("/proc/self/status") do
    local kib = line:match("^VmHWM:%s*(%d+)")
    if kib then return kib end
  end
end

assert(client:identity())
local before, count, start = peak(), 0, clock.mono()
if how == "pages" then
  for rows in client:pages("luns", {}) do count = count + #rows end
else
  count = #assert(client:luns {})
end
local ms = (clock.mono() - start) * 1000
print(("%.0f %s %s %d"):format(ms, before, peak(), count))
