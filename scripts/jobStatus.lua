--- jobStatus: the runs that the catalog knows and those under way.
local workflow = require "std.workflow"
local jobs = require "std.jobs"
local report = require "std.report"

local function time(epoch)
  return epoch and os.date("%Y-%m-%d %H:%M:%S", epoch)
end

return workflow {
  action = "jobStatus",
  summary = "list all runs and their state; --profile and --config narrow it",
  options = { "profile" },
  scope = "host",
  phases = { "list" },

  list = function(ctx)
    local config = ctx.opts.config
    local list = assert(jobs.list(ctx.dirs, { profile = ctx.opts.profile,
      config = config and config:match("([^/]*)$"):gsub("%.conf$", "") or nil }))
    local rows = {}
    for i, job in ipairs(list) do
      rows[i] = { job.id, job.profile, job.config, job.action, job.policy, time(job.started), time(job.finished), job.state,
        job.detail }
    end
    report.print(ctx, list, report.table({ "JOB", "PROFILE", "CONFIG", "ACTION", "POLICY", "START", "END", "STATE",
      "DETAIL" }, rows))
  end,
}
