--- pingController: whether the controllers of a config can be reached and used, and what is missing.
local workflow = require "std.workflow"
local ping = require "std.ping"
local report = require "std.report"

return workflow {
  action = "pingController",
  summary = "look at each controller: address, certificate, login, transports, SVM, missing privileges",
  options = {},
  phases = { "look" },

  look = function(ctx)
    local document = assert(ping.all(ctx))
    local rows, remedies = {}, {}
    for _, controller in ipairs(document) do
      for _, row in ipairs(controller.rows) do
        rows[#rows + 1] = { controller.controller, row.check, row.status, row.detail }
        if row.remedy then
          remedies[#remedies + 1] = ("%s, %s: %s"):format(controller.controller, row.check, row.remedy)
        end
        if row.status == "missing" or row.status == "unknown" then ctx:worse(1) end
      end
    end
    local text = report.table({ "CONTROLLER", "CHECK", "RESULT", "DETAIL" }, rows)
    if #remedies > 0 then text = text .. "\n\nWhat to do:\n  " .. table.concat(remedies, "\n  ") end
    report.print(ctx, document, text)
  end,
}
