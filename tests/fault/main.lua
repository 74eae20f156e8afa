--- main.lua WORLD [ONLY]: every primitive call of every workflow goes wrong in turn, in every way, over both transports.
-- WORLD is a JSON file that `run` wrote; ONLY "WORKFLOW API KIND N" or the beginning of that, * for any, N also FROM-TO.
--
--   MOON_FAULT_N=N      so many of the cases, chosen by MOON_FAULT_SEED (1); without it all
--   MOON_FAULT_ALLOC=M  allocations of a backup fail instead: "all", "sites" (the first one of each distinct stack), or so
--                       many of the sites, chosen by the seed
--   MOON_FAULT_VERBOSE  a line for each case

local clock = require "engine.clock"
local file = require "engine.file"
local json = require "engine.json"
local log = require "engine.log"
local judge = require "judge"
local workflows = require "workflows"
local world = require "world"

local made, only = ...
log.open { quiet = true }

local wanted = {}
for word in (only or ""):gmatch("%S+") do wanted[#wanted + 1] = word end

-- Whether ONLY lets it through, as far as it is known.
local function is_wanted(...)
  for i, word in ipairs { ... } do
    local want = wanted[i] or "*"
    local from, to = want:match "^(%d+)-(%d+)$"
    if from and type(word) == "number" then
      if word < tonumber(from) or word > tonumber(to) then return false end
    elseif want ~= "*" and want ~= tostring(word) then
      return false
    end
  end
  return true
end

local KINDS = { "error", "timeout", "garbage", "cancel", "kill" }
-- What the controller does to one request, on the wire: a sim's fault rule.
local WIRE = {
  { name = "wire-garbage", action = "garbage" },
  { name = "wire-cut", action = "truncate" },
  { name = "wire-drop", action = "drop" },
  { name = "wire-500", action = "http", status = 500 },
}
local SAMPLE, SEED = tonumber(os.getenv "MOON_FAULT_N" or ""), tonumber(os.getenv "MOON_FAULT_SEED" or "1")
local VERBOSE, ALLOC = os.getenv "MOON_FAULT_VERBOSE", os.getenv "MOON_FAULT_ALLOC"

local w = world.new(assert(json.decode(assert(file.read(made)))))
local first = w:stored()

local function begin(flow, api)
  w.api = api
  w:clear(first)
  world.sh("rm", "-rf", w.etc)
  world.sh("cp", "-a", w.dir .. "/etc.kept", w.etc)
  if flow.base then
    flow.base(w)
    w.next_second()
  end
  w:keep()
end

local function back(flow)
  if #w:back() > 0 then begin(flow, w.api) end
  if flow.arrange then flow.arrange(w) end
end

-- A clean run: its calls and the requests that it makes.
local function survey(flow)
  local trace = w.dir .. "/trace"
  back(flow)
  world.sh("rm", "-f", trace)
  w:sim("DELETE", "requests")
  local out = w:run(flow.argv(w), { "MOON_FAULT_TRACE=" .. trace })
  local requests = w:sim("GET", "requests?last=0").total
  local wrong = judge.faults(w, flow, { kind = "none" }, out)
  if out.status ~= 0 or #wrong > 0 then
    error(("%s over %s does not hold without a fault: exit %s: %s\n%s"):format(flow.name, w.api, out.status or out.signal,
      table.concat(wrong, "; "), out.stderr), 0)
  end
  local calls = {}
  for line in assert(file.read(trace)):gmatch("[^\n]+") do
    local n, name, object, place, kind = line:match("^(%d+)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
    calls[#calls + 1] = { n = tonumber(n), name = name, object = object, place = place, text = kind == "text" }
  end
  table.sort(calls, function(a, b) return a.n < b.n end)
  return calls, requests
end

-- All cases of a workflow over one transport.
local function cases_of(flow, api)
  begin(flow, api)
  local calls, requests = survey(flow)
  local list = {}
  local function add(kind, n, what, fields)
    local case = { flow = flow, api = api, kind = kind, n = n, what = what }
    for key, value in pairs(fields or {}) do case[key] = value end
    case.title = ("%s %s %s %d"):format(flow.name, api, kind, n)
    if is_wanted(flow.name, api, kind, n) then list[#list + 1] = case end
  end
  for _, kind in ipairs(KINDS) do
    for _, call in ipairs(calls) do
      if kind ~= "garbage" or call.text then
        add(kind, call.n, ("%s %s (%s)"):format(call.name, call.object:gsub("^.*/", ""), call.place))
      end
    end
  end
  for _, wire in ipairs(WIRE) do
    for n = 1, requests do add(wire.name, n, ("request %d"):format(n), { wire = wire }) end
  end
  return list, #calls, requests
end

-- All cases of failing allocations of a workflow over one transport. A case where memory stays out comes for each tenth
-- site, with both kinds of callers in it.
local function allocations_of(flow, api)
  local trace, list, seen = w.dir .. "/allocations", {}, {}
  begin(flow, api)
  back(flow)
  w:run(flow.argv(w), { "MOON_ALLOC_TRACE=" .. trace })
  local function add(class, n, rest)
    if not is_wanted(flow.name, api, class .. (rest and "-all" or ""), n) then return end
    list[#list + 1] = { flow = flow, api = api, kind = class .. (rest and "-all" or ""), n = n,
      memory = rest and "all" or "one",
      title = ("%s %s %s%s %d"):format(flow.name, api, class, rest and "-all" or "", n), what = "an allocation fails",
      alloc = ("MOON_ALLOC=%s:%d%s"):format(class, n, rest and ":all" or "") }
  end
  local text, sites, totals = assert(file.read(trace)), 0, {}
  for class, n in text:gmatch("(%a+) (%d+) %x+\n") do
    sites = sites + 1
    seen[#seen + 1] = { class = class, n = tonumber(n) }
  end
  table.sort(seen, function(a, b) return a.class < b.class or a.class == b.class and a.n < b.n end)
  for class, n in text:gmatch("total (%a+) (%d+)\n") do
    totals[#totals + 1] = class .. " " .. n
    for i = 1, ALLOC == "all" and tonumber(n) or 0 do add(class, i) end
  end
  for i, site in ipairs(seen) do
    if ALLOC ~= "all" then add(site.class, site.n) end
    if i % 10 == 0 then add(site.class, site.n, true) end
  end
  print(("%-10s %-4s allocations: %s; %d distinct stacks: %d cases"):format(flow.name, api, table.concat(totals, ", "), sites,
    #list))
  return list
end

local function run(case)
  local flow, out = case.flow
  back(flow)
  if case.alloc then
    out = w:run(flow.argv(w), { case.alloc })
  elseif case.wire then
    w:sim("POST", "faults", { match = "*", nth = case.n, action = case.wire.action, status = case.wire.status })
    out = w:run(flow.argv(w))
    w:sim("DELETE", "faults")
  else
    out = w:run(flow.argv(w), { ("MOON_FAULT=%s:%d"):format(case.kind, case.n) })
  end
  return judge.faults(w, flow, case, out), out
end

local function sample(list)
  if ALLOC then SAMPLE = tonumber(ALLOC) end
  if not SAMPLE or SAMPLE >= #list then return list, 0 end
  math.randomseed(SEED)
  local left = #list - SAMPLE
  for i = #list, 2, -1 do
    local k = math.random(i)
    list[i], list[k] = list[k], list[i]
  end
  local chosen = table.move(list, 1, SAMPLE, 1, {})
  table.sort(chosen, function(a, b) return a.order < b.order end)
  return chosen, left
end

local all = {}
for _, flow in ipairs(workflows) do
  for _, api in ipairs(flow.apis or { "zapi", "rest" }) do
    if ALLOC and flow.name == "backup" and is_wanted(flow.name, api) then
      for _, case in ipairs(allocations_of(flow, api)) do
        all[#all + 1] = case
        case.order = #all
      end
    elseif not ALLOC and is_wanted(flow.name, api) then
      local list, calls, requests = cases_of(flow, api)
      print(("%-10s %-4s %3d primitive calls, %3d requests: %4d cases"):format(flow.name, api, calls, requests, #list))
      for _, case in ipairs(list) do
        all[#all + 1] = case
        case.order = #all
      end
    end
  end
end
local chosen, left = sample(all)
if left > 0 then print(("seed %d: %d of %d cases, %d left out"):format(SEED, #chosen, #all, left)) end

local ran, held, failed, since = {}, {}, 0, clock.mono()
local at
for _, case in ipairs(chosen) do
  if not at or at.flow ~= case.flow or at.api ~= case.api then begin(case.flow, case.api) end
  at = case
  local key = ("%s %s %s"):format(case.flow.name, case.api, case.kind)
  local wrong, out = run(case)
  ran[key] = (ran[key] or 0) + 1
  if #wrong == 0 then held[key] = (held[key] or 0) + 1 else failed = failed + 1 end
  if VERBOSE then print(("%s: %s: exit %s"):format(case.title, case.what, out.status or -out.signal)) end
  for i, text in ipairs(wrong) do
    print(("%s %s: %s: %s"):format(i == 1 and "FAILED" or "      ", case.title, case.what, text))
  end
  if #wrong > 0 then print("       | " .. out.stderr:gsub("%s+$", ""):gsub("\n", "\n       | ")) end
end
w:clear(first)

local kinds = ALLOC and { "lua", "own", "lua-all", "own-all" } or table.move(KINDS, 1, #KINDS, 1, {})
for _, wire in ipairs(ALLOC and {} or WIRE) do kinds[#kinds + 1] = wire.name end
io.write(("\n%-10s %-5s"):format("workflow", "api"))
for _, kind in ipairs(kinds) do io.write((" %13s"):format(kind)) end
print "   held/ran"
for _, flow in ipairs(workflows) do
  for _, api in ipairs(flow.apis or { "zapi", "rest" }) do
    local row, any = {}, false
    for i, kind in ipairs(kinds) do
      local key = ("%s %s %s"):format(flow.name, api, kind)
      any = any or ran[key]
      row[i] = (" %13s"):format(ran[key] and ("%d/%d"):format(held[key] or 0, ran[key]) or "-")
    end
    if any then print(("%-10s %-5s%s"):format(flow.name, api, table.concat(row))) end
  end
end
print(("\n%d cases in %.0f s"):format(#chosen, clock.mono() - since))
print(("%d passed, %d failed, 0 skipped"):format(#chosen - failed, failed))
return failed == 0 and #chosen > 0 and 0 or 1
