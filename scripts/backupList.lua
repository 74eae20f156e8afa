--- backupList: the copies of a config, with their guests.
local workflow = require "std.workflow"
local copies = require "std.copies"
local report = require "std.report"

local function names_of(copy)
  local names, longest = {}, nil
  for _, guest in ipairs(copy.record and copy.record.guests or {}) do
    names[#names + 1] = guest.name
    if guest.pause_ms and (not longest or guest.pause_ms > longest) then longest = guest.pause_ms end
  end
  return names, longest
end

return workflow {
  action = "backupList",
  summary = "list the copies of the config, oldest first",
  phases = { "list" },

  list = function(ctx)
    local document, rows = {}, {}
    for _, copy in ipairs(assert(copies.list(ctx))) do
      if not ctx.policy or copy.policy == ctx.policy then
        local volumes = {}
        for i, v in ipairs(copy.volumes) do volumes[i] = v.controller .. ":" .. v.volume end
        local guests, longest = names_of(copy)
        local status = copy.kind == "safety" and "safety" or copy.record and copy.record.status or "not in catalog"
        document[#document + 1] = { name = copy.name, policy = copy.policy, created = copy.created, status = status,
          volumes = volumes, guests = guests, longest_pause_ms = longest }
        rows[#rows + 1] = { copy.name, os.date("%Y-%m-%d %H:%M:%S", copy.created), status, table.concat(volumes, ","),
          table.concat(guests, ","), longest and ("%.1f"):format(longest) or "-" }
      end
    end
    report.print(ctx, document, report.table({ "BACKUP", "TIME", "STATUS", "VOLUMES", "GUESTS", "PAUSE MS" }, rows))
  end,
}
