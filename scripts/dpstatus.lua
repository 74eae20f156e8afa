--- dpstatus: how the SnapMirror and SnapVault relationships of a config stand.
local workflow = require "std.workflow"
local log = require "std.log"
local ontap = require "std.ontap"
local replication = require "std.replication"
local report = require "std.report"

local function duration(seconds)
  if not seconds then return nil end
  return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

local function last_of(row)
  local t = row.controller.client:mirror_transfer(row.destination)
  return t and t.state or "unknown", t and t.reason
end

return workflow {
  action = "dpstatus",
  summary = "show state, lag and last transfer of the config's SnapMirror and SnapVault relationships",
  options = {},
  phases = { "list" },

  list = function(ctx)
    local kinds = replication.kinds(ctx.cfg)
    if #kinds == 0 then return report.print(ctx, {}) end
    assert(ontap.connect(ctx))
    local document, rows = {}, {}
    for _, kind in ipairs(kinds) do
      for _, source in ipairs(replication.sources(ctx.cfg, kind)) do
        local name = source.controller .. ":" .. source.volume
        local found, failed = replication.find(ctx, kind, source)
        if not found then
          log.error(failed)
          ctx:worse(failed.code == "not_found" and 3 or 1)
          document[#document + 1] = { kind = kind.name, source = name, error = tostring(failed) }
          rows[#rows + 1] = { kind.title, name, nil, failed.code == "not_found" and "no relationship" or "unknown" }
        end
        for _, row in ipairs(found or {}) do
          local last, reason = last_of(row)
          document[#document + 1] = { kind = kind.name, source = name, destination = row.destination, state = row.state,
            status = row.status, healthy = row.healthy, reason = row.reason or reason, lag = row.lag, last_transfer = last,
            ended = row.ended, transferred = row.transferred, newest = row.newest, policy = row.policy,
            schedule = row.schedule }
          rows[#rows + 1] = { kind.title, name, row.destination, row.state, row.status, duration(row.lag), last,
            row.ended and os.date("%Y-%m-%d %H:%M:%S", row.ended), report.size(row.transferred), row.newest }
          if row.healthy == false then
            log.warn("%s is not healthy: %s", row.destination, row.reason or reason or "no reason is told")
          end
        end
      end
    end
    local head = { "KIND", "SOURCE", "DESTINATION", "STATE", "STATUS", "LAG", "LAST TRANSFER", "ENDED", "SIZE", "NEWEST" }
    report.print(ctx, document, report.table(head, rows))
  end,
}
