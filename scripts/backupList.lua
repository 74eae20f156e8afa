--- backupList: the copies of a config, with their guests.
local workflow = require "std.workflow"
local copies = require "std.copies"
local report = require "std.report"

local function names_of(copy)
  local names, longest = {}, nil
  for _, guest in ipairs(copy.record and copy.record.guests or {}) do
    names[#names + 1] = guest.name
    if guest.pause_ms and (not longest or guest.pause_ms > longest.pause_ms) then longest = guest end
  end
  return names, longest
end

local function places(list)
  local names = {}
  for i, v in ipairs(list) do names[i] = v.controller .. ":" .. v.volume end
  return names
end

return workflow {
  action = "backupList",
  summary = "list the copies of the config, oldest first",
  options = { "policy" },
  phases = { "list" },

  list = function(ctx)
    local document, rows, any = {}, {}, false
    for _, copy in ipairs(assert(copies.list(ctx, { secondary = true }))) do
      if not ctx.policy or copy.policy == ctx.policy then
        local volumes, secondary = places(copy.volumes), places(copy.secondary)
        local guests, longest = names_of(copy)
        local status = copy.kind == "safety" and "safety" or copy.record and copy.record.status or "not in catalog"
        document[#document + 1] = { name = copy.name, policy = copy.policy, created = copy.created, status = status,
          volumes = volumes, secondary = secondary, guests = guests, longest_pause_ms = longest and longest.pause_ms,
          longest_pause_guest = longest and longest.name }
        rows[#rows + 1] = { copy.name, os.date("%Y-%m-%d %H:%M:%S", copy.created), status, table.concat(volumes, ","),
          table.concat(guests, ","), longest and ("%.1f (%s)"):format(longest.pause_ms, longest.name) or "-",
          table.concat(secondary, ",") }
        any = any or #secondary > 0
      end
    end
    local head = { "BACKUP", "TIME", "STATUS", "VOLUMES", "GUESTS", "PAUSE MS", any and "SECONDARY" or nil }
    report.print(ctx, document, report.table(head, rows))
  end,
}
