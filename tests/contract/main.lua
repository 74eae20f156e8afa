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
math.randomseed(1)

-- MUTATE=SEED: damage replies, at most MUTATE_MOST, in an order of that seed; "held" then counts the damaged ones.
local MUTATE, MUTATE_MOST = tonumber(os.getenv "MUTATE" or ""), tonumber(os.getenv "MUTATE_MOST" or "200")

local here = package.path:match("^(.-)/%?%.lua")
for _, name in ipairs(assert(file.list(here))) do
  local module = name:match("^(cases_%w+)%.lua$")
  if module then require(module) end
end

local function text_of(problem)
  if type(problem) == "table" and problem.broken then return problem.broken end
  if err.is(problem) then return ("%s (%s %s)"):format(tostring(problem), problem.code, tostring(problem.native)) end
  return tostring(problem)
end

local said, lifs = assert(file.read(ready)), {}
for name, url in said:gmatch("ontapsim: LIF (%S+) of SVM %S+ at (%S+)") do lifs[name] = url end
local w = world.new { url = assert(said:match("ontapsim: listening on (%S+)"), said), root = root, lifs = lifs,
  ca = root .. "/.ontapsim/cert.pem", certs = certs, profile = assert(profiles.find(profile)), api = api, mutates = MUTATE }

-- The cases of this cell, and how many there are for each reason that others are not.
local function choose()
  local chosen, reasons, left_out = {}, {}, 0
  for _, case in ipairs(contract.cases) do
    if not pattern or case.name:find(pattern) then
      local reason = contract.reason(case, w)
      if not reason then chosen[#chosen + 1] = case else
        left_out = left_out + 1
        reasons[reason] = (reasons[reason] or 0) + 1
      end
    end
  end
  return chosen, reasons, left_out
end

local function run(case)
  w:begin()
  local ok, problem = pcall(case.run, w)
  local done, trouble = pcall(w.finish, w)
  if ok and not done then ok, problem = false, trouble end
  collectgarbage()
  return ok, problem
end

local function fail(case, problem)
  print(("FAILED %s/%s: %s: %s"):format(profile, api, case.name, text_of(problem)))
end

-- Every case once.
local function hold(cases)
  local failed = 0
  for _, case in ipairs(cases) do
    local ok, problem = run(case)
    if not ok then
      failed = failed + 1
      fail(case, problem)
    end
  end
  return #cases - failed, failed
end

-- Every case once for each of its replies, with that one damaged: whatever it comes to, each call must end in time
-- with a result or an error.
local function mutate(cases)
  local mutated, failed = 0, 0
  math.randomseed(MUTATE)
  for i = #cases, 2, -1 do
    local k = math.random(i)
    cases[i], cases[k] = cases[k], cases[i]
  end
  for _, case in ipairs(cases) do
    if mutated >= MUTATE_MOST then break end
    local at, hit = 0, not case.slow
    while hit and at < 40 do
      at = at + 1
      local ok, problem, hits = w:damaged(MUTATE * 1000003 + at, at, function() return pcall(case.run, w) end)
      hit = hits > 0
      mutated = mutated + hits
      if not ok and type(problem) == "table" and problem.broken then
        failed = failed + 1
        fail(case, { broken = ("reply %d, MUTATE=%d: %s"):format(at, MUTATE, problem.broken) })
      end
    end
  end
  return mutated, failed
end

local cases, reasons, left_out = choose()
local held, failed = (MUTATE and mutate or hold)(cases)
local list = {}
for reason in pairs(reasons) do list[#list + 1] = reason end
table.sort(list)
for _, reason in ipairs(list) do
  print(("not applicable %s/%s: %d: %s"):format(profile, api, reasons[reason], reason))
end
for _, line in ipairs(contract.said) do print(line) end
print(("provoked %d"):format(contract.provoked()))
print(("transport %s"):format(w.transport or "none"))
print(("held %d, not applicable %d, failed %d"):format(held, left_out, failed))
return failed == 0 and 0 or 1
