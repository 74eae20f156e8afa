--- gc: what runs that died or failed left on the controllers; listed, and with --yes removed.
local workflow = require "std.workflow"
local clone_removal = require "std.clone_removal"
local hooks = require "std.hooks"
local leftovers = require "std.leftovers"
local log = require "std.log"
local ontap = require "std.ontap"
local report = require "std.report"

local function describe(item)
  return { run = item.record.id, action = item.record.action, kind = item.kind, controller = item.controller,
    name = item.name, volume = item.volume, state = item.state, reason = item.reason }
end

return workflow {
  action = "gc",
  summary = "list what dead and failed runs left: snapshots, clones, LUN maps, fetched disks; --yes removes it",
  options = { "yes", "safety" },
  lock = true,
  phases = { "find", "remove", "report" },

  find = function(ctx)
    assert(ontap.connect(ctx))
    assert(hooks.check(ctx, { "UMOUNT_CMD", "PRE_NTAP_CLONE_DELETE_CMD" }))
    ctx.found = assert(leftovers.find(ctx))
    for _, item in ipairs(ctx.found) do
      item.state = item.failed and "unknown" or item.keep and "kept" or item.gone and "gone" or "found"
      item.reason = item.failed and tostring(item.failed) or item.keep
      if item.failed then
        log.error(item.failed)
        ctx:worse(3)
      end
    end
  end,

  -- What cannot be removed keeps nothing else from it.
  remove = function(ctx)
    if not (ctx.opts.yes or ctx.dry_run) then return true end
    local released, left = false, {}
    for _, item in ipairs(ctx.found) do
      local ok, failed = not item.keep and not item.failed, nil
      if ok and item.clone and item.record.status == "ok" and not item.gone and not released then
        ok, failed = clone_removal.release(ctx) -- somebody may use clones that were complete
        released = ok
      end
      if ok then ok, failed = leftovers.remove(ctx, item) end
      if ok then
        item.state = "removed"
      else
        left[#left + 1] = item
      end
      if failed then
        item.state, item.reason = "failed", tostring(failed)
        log.error(failed)
        ctx:worse(3)
      end
    end
    return leftovers.settle(ctx, left)
  end,

  report = function(ctx)
    if ctx.dry_run then return true end
    local document, rows, open = {}, {}, 0
    for i, item in ipairs(ctx.found) do
      document[i] = describe(item)
      rows[i] = { item.record.id, item.record.action, item.kind, item.controller,
        item.volume and item.name and item.volume .. ":" .. item.name or item.name or item.volume, item.state, item.reason }
      if item.state == "found" or item.state == "gone" then open = open + 1 end
    end
    local text = #rows == 0 and "No run has left anything"
      or report.table({ "RUN", "ACTION", "KIND", "CONTROLLER", "NAME", "STATE", "WHY" }, rows)
    if open > 0 then text = text .. ("\n\n%d can be removed: run it again with --yes"):format(open) end
    report.print(ctx, document, text)
  end,
}
