--- discover: which guests there are and which storage object is behind each.
local workflow = require "std.workflow"
local discovery = require "std.discovery"
local log = require "std.log"
local ontap = require "std.ontap"
local report = require "std.report"
local sanlun = require "std.sanlun"

local function rows_of(ctx)
  local document, rows = { guests = {}, skipped = ctx.skipped, mapping = ctx.cfg:raw("KVM_VM_MAPPING") }, {}
  for _, guest in ipairs(ctx.guests) do
    local disks = {}
    for i, disk in ipairs(guest.disks) do
      disks[i] = { target = disk.target, source = disk.source, controller = disk.object.controller,
        volume = disk.object.volume, path = disk.object.mapping }
      rows[#rows + 1] = { guest.name, guest.state, disk.target, disk.object.controller, disk.object.mapping }
    end
    document.guests[#document.guests + 1] = { name = guest.name, uuid = guest.uuid, state = guest.state, disks = disks }
  end
  return document, rows
end

return workflow {
  action = "discover",
  summary = "find the LUN or NFS file behind each guest; rewrite KVM_VM_MAPPING; --verify compares with sanlun",
  options = { "verify" },
  lock = true,
  phases = { "discover", "verify", "report" },

  discover = function(ctx)
    assert(ontap.identify(ctx))
    log.banner("Application auto discovery")
    return discovery.run(ctx)
  end,

  -- Discovery is done without sanlun: where it is not there, that is said and the run is done in part.
  verify = function(ctx)
    if not ctx.opts.verify then return true end
    log.banner("Comparison with sanlun")
    local rows, failed = sanlun.compare(ctx)
    ctx.verified = rows or { failed = failed }
    if not rows then
      log.error(failed)
      ctx:worse(3)
    end
    return true
  end,

  report = function(ctx)
    local document, rows = rows_of(ctx)
    local verified = ctx.verified
    local text = report.table({ "GUEST", "STATE", "DISK", "CONTROLLER", "PATH" }, rows)
    for _, s in ipairs(ctx.skipped) do
      text = text .. ("\nleft out: %s%s: [%s] %s"):format(s.guest, s.target and " " .. s.target or "", s.code, s.reason)
    end
    if verified and verified.failed then
      document.verify_failed = tostring(verified.failed)
      text = text .. "\nnot compared with sanlun"
    elseif verified then
      document.verify = verified
      text = text .. "\n\n" .. (#verified == 0 and "no guest on a LUN: nothing to compare with sanlun"
        or report.table({ "GUEST", "DISK", "DISCOVERED", "SANLUN", "RESULT" }, sanlun.cells(verified)))
    end
    report.print(ctx, document, text)
    if #ctx.missing > 0 then ctx:worse(3) end
    local ok, failed = sanlun.verdict(ctx, verified or {})
    if ok then ok, failed = discovery.verdict(ctx) end
    return ok, failed
  end,
}
