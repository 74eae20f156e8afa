--- policyList: the retention policies of a config.
local workflow = require "std.workflow"
local catalog = require "std.catalog"
local params = require "std.params"
local report = require "std.report"

-- What makes a copy go, in words.
local function rule(ctx, item, age)
  local only = ctx.cfg:get("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY")
  if item.count == 0 then return "switched off" end
  if ctx.cfg:get("NTAP_SNAPSHOT_NODELETE") then return "nothing is deleted (NTAP_SNAPSHOT_NODELETE=Y)" end
  if age and (only == "PRIMARY" or only == "BOTH") then return "age" end
  return age and "count and age" or "count"
end

-- Backups of each policy that ended well, and when the last one began.
local function outcomes(ctx)
  local found = {}
  for _, record in ipairs(assert(catalog.list(ctx))) do
    if record.action == "backup" and record.policy and record.status ~= "failed" and record.status ~= "started" then
      local one = found[record.policy] or { backups = 0 }
      found[record.policy] = one
      one.backups = one.backups + 1
      one.last = math.max(one.last or 0, record.started or 0)
    end
  end
  return found
end

return workflow {
  action = "policyList",
  summary = "list the retention policies of the config: how many copies, for how long",
  options = {},
  phases = { "list" },

  list = function(ctx)
    local document, rows, found = {}, {}, outcomes(ctx)
    for _, item in ipairs(ctx.cfg:get("NTAP_SNAPSHOT_RETENTIONS") or {}) do
      local age = params.age_of(ctx.cfg:get("NTAP_SNAPSHOT_RETENTION_AGE"), item.policy)
      local known = found[item.policy] or { backups = 0 }
      document[#document + 1] = { policy = item.policy, count = item.count, age_days = age, deleted_by = rule(ctx, item, age),
        backups = known.backups, last = known.last }
      rows[#rows + 1] = { item.policy, item.count, age, rule(ctx, item, age), known.backups,
        known.last and os.date("%Y-%m-%d %H:%M:%S", known.last) }
    end
    report.print(ctx, document, report.table({ "POLICY", "COUNT", "AGE DAYS", "DELETED BY", "BACKUPS", "LAST" }, rows))
  end,
}
