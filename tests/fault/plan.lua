--- Which cases there are: every primitive call and every request of a clean run, times what can become of it. Each
-- workflow over each transport is surveyed once, by whichever world is free; all worlds then choose the same cases.
-- @module plan
--
--   MOON_FAULT_N=N      so many of the cases, chosen by MOON_FAULT_SEED (1); without it all
--   MOON_FAULT_ALLOC=M  allocations of a backup fail instead: "all", "sites" (the first one of each distinct stack), or so
--                       many of the sites, chosen by the seed

local file = require "engine.file"
local json = require "engine.json"
local judge = require "judge"
local task = require "std.task"
local workflows = require "workflows"
local world = require "world"

local plan = {}

local KINDS = { "error", "timeout", "garbage", "cancel", "kill" }
-- What the controller does to one request, on the wire: a sim's fault rule.
local WIRE = {
  { name = "wire-garbage", action = "garbage" },
  { name = "wire-cut", action = "truncate" },
  { name = "wire-drop", action = "drop" },
  { name = "wire-500", action = "http", status = 500 },
}
local ALLOC = os.getenv "MOON_FAULT_ALLOC"
local SAMPLE, SEED = tonumber(ALLOC or os.getenv "MOON_FAULT_N" or ""), tonumber(os.getenv "MOON_FAULT_SEED" or "1")

--- What can go wrong, as the table names it.
-- @treturn {string,...}
function plan.kinds()
  if ALLOC then return { "lua", "own", "lua-all", "own-all" } end
  local list = table.move(KINDS, 1, #KINDS, 1, {})
  for _, wire in ipairs(WIRE) do list[#list + 1] = wire.name end
  return list
end

-- Whether ONLY lets it through, as far as it is known.
local function is_wanted(only, ...)
  local i = 0
  for want in only:gmatch "%S+" do
    i = i + 1
    local word = (select(i, ...))
    local from, to = want:match "^(%d+)-(%d+)$"
    if from and type(word) == "number" then
      if word < tonumber(from) or word > tonumber(to) then return false end
    elseif word and want ~= "*" and want ~= tostring(word) then
      return false
    end
  end
  return true
end

--- Workflows over transports, in the order of the table.
-- @tparam string only "WORKFLOW API KIND N" or the beginning of that
-- @treturn {{flow=table,api=string},...}
function plan.units(only)
  local list = {}
  for _, flow in ipairs(workflows) do
    for _, api in ipairs(flow.apis or { "zapi", "rest" }) do
      if (not ALLOC or flow.name == "backup") and is_wanted(only, flow.name, api) then
        list[#list + 1] = { flow = flow, api = api }
      end
    end
  end
  return list
end

--- Do each of a number of pieces once, shared with the other worlds; returns when all are done. The lock of a piece ends
-- with the process that holds it, so what a world leaves that dies is done by another one.
-- @tparam string dir that all worlds know
-- @tparam string name of the kind of piece
-- @tparam integer count
-- @tparam function work gets the number; what it returns is kept in DIR/NAME.NUMBER.json
function plan.share(dir, name, count, work)
  local left
  repeat
    left = 0
    for k = 1, count do
      local path = ("%s/%s.%d.json"):format(dir, name, k)
      if not file.stat(path) then
        left = left + 1
        local lock <close> = file.lock(path .. ".lock")
        if lock and not file.stat(path) then assert(file.replace(path, json.encode(work(k)))) end
      end
    end
    if left > 0 then task.sleep(0.1) end
  until left == 0
end

--- What `share` kept.
-- @treturn ?table nil when it is not there
function plan.kept(dir, name, k)
  local text = file.read(("%s/%s.%d.json"):format(dir, name, k))
  return text and json.decode(text) or nil
end

-- A clean run: its calls and the requests that it makes.
local function survey(w, flow)
  local trace = w.dir .. "/trace"
  w:arrange(flow)
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

-- A backup or restore of another kind begins with the calls of every one: they go wrong there.
local function first_of_its_own(flow, calls)
  if not flow.from then return 1 end
  for i, call in ipairs(calls) do
    if ("%s %s %s"):format(call.name, call.object, call.place):find(flow.from) then return i end
  end
  error(("%s: no call of its own is a '%s'"):format(flow.name, flow.from), 0)
end

-- All cases of a workflow over one transport.
local function cases_of(w, flow, api, only)
  local calls, requests = survey(w, flow)
  local list = {}
  local function add(kind, n, what, fields)
    local case = { flow = flow.name, api = api, kind = kind, n = n, what = what }
    for key, value in pairs(fields or {}) do case[key] = value end
    case.title = ("%s %s %s %d"):format(flow.name, api, kind, n)
    if is_wanted(only, flow.name, api, kind, n) then list[#list + 1] = case end
  end
  local since = first_of_its_own(flow, calls)
  for _, kind in ipairs(KINDS) do
    for i = since, #calls do
      local call = calls[i]
      if kind ~= "garbage" or call.text then
        add(kind, call.n, ("%s %s (%s)"):format(call.name, call.object:gsub("^.*/", ""), call.place))
      end
    end
  end
  for _, wire in ipairs(flow.unwired and {} or WIRE) do
    for n = 1, requests do add(wire.name, n, ("request %d"):format(n), { wire = wire }) end
  end
  local before = since > 1 and (" (the first %d are those of %s)"):format(since - 1, flow.restores and "restore" or "backup")
  print(("%-10s %-4s %3d primitive calls%s, %3d requests: %4d cases"):format(flow.name, api, #calls, before or "", requests,
    #list))
  return list
end

-- All cases of failing allocations of a workflow over one transport. A case where memory stays out comes for each tenth
-- site, with both kinds of callers in it.
local function allocations_of(w, flow, api, only)
  local trace, list, seen = w.dir .. "/allocations", {}, {}
  w:arrange(flow)
  w:run(flow.argv(w), { "MOON_ALLOC_TRACE=" .. trace })
  local function add(class, n, rest)
    if not is_wanted(only, flow.name, api, class .. (rest and "-all" or ""), n) then return end
    list[#list + 1] = { flow = flow.name, api = api, kind = class .. (rest and "-all" or ""), n = n,
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

--- All cases of a workflow over one transport, found by a clean run of it. Says how many.
-- @tparam table w world, in the workflow's own base
-- @tparam table unit of `units`
-- @tparam string only
-- @treturn {table,...} cases: {flow,api,kind,n,title,what[,wire][,memory,alloc]}
function plan.survey(w, unit, only)
  return (ALLOC and allocations_of or cases_of)(w, unit.flow, unit.api, only)
end

--- The cases that are run, from the surveys of all units.
-- @tparam string dir
-- @tparam integer units how many
-- @treturn {table,...}
-- @treturn integer how many there are
function plan.choose(dir, units)
  local all = {}
  for k = 1, units do
    for _, case in ipairs(plan.kept(dir, "survey", k) or {}) do
      all[#all + 1] = case
      case.order = #all
    end
  end
  local count = #all
  if not SAMPLE or SAMPLE >= count then return all, count end
  math.randomseed(SEED)
  for i = count, 2, -1 do
    local k = math.random(i)
    all[i], all[k] = all[k], all[i]
  end
  local chosen = table.move(all, 1, SAMPLE, 1, {})
  table.sort(chosen, function(a, b) return a.order < b.order end)
  return chosen, count
end

--- Which of the cases are one piece of work: so many, in their order.
-- @tparam {table,...} cases
-- @treturn {{table,...},...}
function plan.blocks(cases)
  local list, size = {}, 10
  for i = 1, #cases, size do list[#list + 1] = table.move(cases, i, math.min(i + size - 1, #cases), 1, {}) end
  return list
end

return plan
