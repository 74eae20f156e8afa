--- table.lua DIR DEAD SECONDS [ONLY]: what the worlds of a matrix found, in one table and one closing sum. DEAD of them
-- did not come up or ended early; a case that no world has an answer to has failed.

local plan = require "plan"

local dir, dead, seconds, only = ...
dead, only = math.tointeger(tonumber(dead)), only or ""
local units, kinds = plan.units(only), plan.kinds()
local chosen, all = plan.choose(dir, #units)
local ran, held, passed, failed, lost = {}, {}, 0, dead, 0

for k = 1, #units do
  if not plan.kept(dir, "survey", k) then
    print(("FAILED %s %s: its cases are not known"):format(units[k].flow.name, units[k].api))
    failed = failed + 1
  end
end
for k, block in ipairs(plan.blocks(chosen)) do
  local answers = plan.kept(dir, "block", k)
  for i, case in ipairs(block) do
    local key = ("%s %s %s"):format(case.flow, case.api, case.kind)
    ran[key] = (ran[key] or 0) + 1
    if answers and answers[i] then
      held[key] = (held[key] or 0) + 1
      passed = passed + 1
    else
      failed = failed + 1
      if not answers then lost = lost + 1 end
    end
  end
end

io.write(("\n%-10s %-5s"):format("workflow", "api"))
for _, kind in ipairs(kinds) do io.write((" %13s"):format(kind)) end
print "   held/ran"
for _, unit in ipairs(units) do
  local row, any = {}, false
  for i, kind in ipairs(kinds) do
    local key = ("%s %s %s"):format(unit.flow.name, unit.api, kind)
    any = any or ran[key]
    row[i] = (" %13s"):format(ran[key] and ("%d/%d"):format(held[key] or 0, ran[key]) or "-")
  end
  if any then print(("%-10s %-5s%s"):format(unit.flow.name, unit.api, table.concat(row))) end
end
print(("\n%d of %d cases in %s s"):format(#chosen, all, seconds))
if lost > 0 then print(("%d cases were not run to their end: counted as failed"):format(lost)) end
if dead > 0 then print(("%d world(s) did not come up or ended early: each counted as failed"):format(dead)) end
print(("%d passed, %d failed, 0 skipped"):format(passed, failed))
return failed == 0 and passed > 0 and 0 or 1
