--- main.lua READY ROOT CERTS PROFILE API [PATTERN]: every case of the suite in one cell; READY is what the simulator
-- printed when it was ready, CERTS where the clients' certificates are. Prints a line for each
-- case that failed, the reasons of those that do not apply, and in the end "held N, not applicable N, failed N".
local err = require "engine.err"
local file = require "engine.file"
local log = require "engine.log"
local contract = require "contract"
local profiles = require "profiles"
local world = require "world"

local ready, root, certs, profile, api, pattern = ...
log.open { quiet = true }
math.randomseed(tonumber(os.getenv("MOON_SEED") or 1))

local here = package.path:match("^(.-)/%?%.lua")
for _, name in ipairs(assert(file.list(here))) do
  local module = name:match("^(cases_%w+)%.lua$")
  if module then require(module) end
end

local function text_of(problem)
  if err.is(problem) then return ("%s (%s %s)"):format(tostring(problem), problem.code, tostring(problem.native)) end
  return tostring(problem)
end

local said, lifs = assert(file.read(ready)), {}
for name, url in said:gmatch("ontapsim: LIF (%S+) of SVM %S+ at (%S+)") do lifs[name] = url end
local url = assert(said:match("ontapsim: listening on (%S+)"), said)
local w = world.new { url = url, root = root, ca = root .. "/.ontapsim/cert.pem", lifs = lifs, certs = certs, profile = assert(profiles.find(profile)), api = api }
local held, failed, reasons, not_applicable = 0, 0, {}, 0
for _, case in ipairs(contract.cases) do
  if not pattern or case.name:find(pattern) then
    local reason = contract.reason(case, w)
    if reason then
      not_applicable = not_applicable + 1
      reasons[reason] = (reasons[reason] or 0) + 1
    else
      w:begin()
      local ok, problem = pcall(case.run, w)
      local done, trouble = pcall(w.finish, w)
      if ok and not done then ok, problem = false, trouble end
      collectgarbage()
      if ok then held = held + 1 else
        failed = failed + 1
        print(("FAILED %s/%s: %s: %s"):format(profile, api, case.name, text_of(problem)))
      end
    end
  end
end

local list = {}
for reason in pairs(reasons) do list[#list + 1] = reason end
table.sort(list)
for _, reason in ipairs(list) do
  print(("not applicable %s/%s: %d: %s"):format(profile, api, reasons[reason], reason))
end
print(("provoked %d"):format(contract.provoked()))
print(("transport %s"):format(w.transport or "none"))
print(("held %d, not applicable %d, failed %d"):format(held, not_applicable, failed))
return failed == 0 and 0 or 1
