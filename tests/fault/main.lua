--- main.lua WORLD DIR [ONLY]: one of the worlds in which every primitive call of every workflow goes wrong in turn, in
-- every way, over both transports. WORLD is a JSON file that `cell.sh` wrote; DIR is where the worlds that `run` started
-- leave what they have done; ONLY "WORKFLOW API KIND N" or the beginning of that, * for any, N also FROM-TO.
--
--   MOON_FAULT_VERBOSE  a line for each case

local file = require "engine.file"
local json = require "engine.json"
local log = require "engine.log"
local judge = require "judge"
local plan = require "plan"
local workflows = require "workflows"
local world = require "world"

local made, dir, only = ...
only = only or ""
log.open { quiet = true }

local flows = {}
for _, flow in ipairs(workflows) do flows[flow.name] = flow end

local w = world.new(assert(json.decode(assert(file.read(made)))))

local function run(case)
  local flow = flows[case.flow]
  local out
  w:arrange(flow)
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

-- At once, since other worlds write, too.
local function tell(case, wrong, out)
  local lines = {}
  if os.getenv "MOON_FAULT_VERBOSE" then
    lines[1] = ("%s: %s: exit %s"):format(case.title, case.what, out.status or -out.signal)
  end
  for i, text in ipairs(wrong) do
    lines[#lines + 1] = ("%s %s: %s: %s"):format(i == 1 and "FAILED" or "      ", case.title, case.what, text)
  end
  if #wrong > 0 then lines[#lines + 1] = "       | " .. out.stderr:gsub("%s+$", ""):gsub("\n", "\n       | ") end
  if #lines > 0 then print(table.concat(lines, "\n")) end
end

local units = plan.units(only)
plan.share(dir, "survey", #units, function(k)
  w:begin(units[k].flow, units[k].api)
  return plan.survey(w, units[k], only)
end)

local at
local blocks = plan.blocks((plan.choose(dir, #units)))
plan.share(dir, "block", #blocks, function(k)
  local held = {}
  for i, case in ipairs(blocks[k]) do
    local unit = case.flow .. " " .. case.api
    if at ~= unit then w:begin(flows[case.flow], case.api) end
    at = unit
    local wrong, out = run(case)
    held[i] = #wrong == 0
    tell(case, wrong, out)
  end
  return held
end)
w:clear()
