--- A report: guests whose newest good backup is older than a day. Exit code 3 when there are any, so
-- that a monitoring system can run it.
--
-- When to use it: a backup that was never begun fails nowhere else.
-- run: moonsnap run examples/stale-backups.lua
local copies = require "std.copies"
local discovery = require "std.discovery"
local report = require "std.report"
local workflow = require "std.workflow"

local DAY = 86400

return workflow {
  action = "staleBackups",
  summary = "list the guests without a backup of the last day",
  phases = { "look" },

  look = function(ctx)
    assert(discovery.run(ctx))
    local newest = {}
    for _, copy in ipairs(assert(copies.list(ctx))) do
      if copy.record and copy.record.status == "ok" then
        for _, guest in ipairs(copy.record.guests) do newest[guest.name] = copy end
      end
    end
    local rows = {}
    for _, guest in ipairs(ctx.guests) do
      local copy = newest[guest.name]
      if not copy or os.time() - copy.created > DAY then
        rows[#rows + 1] = { guest.name, copy and copy.name or "none" }
      end
    end
    report.print(ctx, { stale = rows }, #rows == 0 and "Every guest has a backup of the last day."
      or report.table({ "GUEST", "NEWEST BACKUP" }, rows))
    if #rows > 0 then ctx:worse(3) end
  end,
}
