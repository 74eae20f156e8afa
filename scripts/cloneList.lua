--- cloneList: the clones of a config's volumes and LUNs: its own, and those of the volumes that others made.
local workflow = require "std.workflow"
local clones = require "std.clones"
local report = require "std.report"

return workflow {
  action = "cloneList",
  summary = "list the clones of the config's volumes and LUNs",
  options = {},
  phases = { "list" },

  list = function(ctx)
    local document, rows = {}, {}
    for i, row in ipairs(assert(clones.list(ctx, assert(clones.volumes(ctx))))) do
      document[i] = { kind = row.kind, controller = row.controller, name = row.name, parent = row.parent,
        snapshot = row.snapshot, created = row.created, igroup = row.igroup, status = row.status }
      rows[i] = { row.controller, row.name, row.kind, row.parent, row.snapshot,
        row.created and os.date("%Y-%m-%d %H:%M:%S", row.created), row.igroup, row.status }
    end
    report.print(ctx, document, report.table({ "CONTROLLER", "CLONE", "KIND", "CLONE OF", "SNAPSHOT", "TIME", "IGROUP",
      "STATUS" }, rows))
  end,
}
