--- quiesce: suspend the guests and leave them so, under the guard's time limit.
local workflow = require "std.workflow"
local discovery = require "std.discovery"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local quiesce = require "std.quiesce"
local recover = require "std.recover"
local report = require "std.report"
local rolling = require "std.rolling"

local STATES = { suspend = "suspended", freeze = "frozen" }

return workflow {
  action = "quiesce",
  summary = "suspend the guests and leave them so until unquiesce, at most SC_AGENT_UNQUIESCE_TIMEOUT seconds",
  options = {},
  lock = true,
  phases = { "discover", "quiesce", "detach" },

  discover = function(ctx)
    assert(ontap.identify(ctx))
    assert(discovery.connect(ctx))
    assert(recover.stale(ctx))
    assert(discovery.run(ctx))
    return discovery.verdict(ctx)
  end,

  quiesce = function(ctx)
    assert(hooks.check(ctx, { "PRE_APP_QUIESCE_CMD", "POST_APP_QUIESCE_CMD", "PRE_APP_UNQUIESCE_CMD",
      "POST_APP_UNQUIESCE_CMD" }))
    if ctx.cfg:raw("FEDERATED_APPLICATIONS") then
      log.warn("%s: FEDERATED_APPLICATIONS: only a backup quiesces other configs' applications; this suspends guests",
        ctx.cfg:where("FEDERATED_APPLICATIONS"))
    end
    assert(rolling.none(ctx))
    assert(hooks.phase(ctx, "PRE_APP_QUIESCE_CMD"))
    log.banner("Application quiesce")
    ctx.guard = ctx:own(quiesce.guard(ctx, ctx.guests))
    assert(ctx.guard:suspend())
    if #ctx.guard.failures > 0 then ctx:worse(3) end
    return hooks.phase(ctx, "POST_APP_QUIESCE_CMD")
  end,

  detach = function(ctx)
    local document, rows = {}, {}
    for i, guest in ipairs(ctx.guests) do
      local state = guest.stopped and STATES[guest.stopped] or guest.state_before
      document[i] = { name = guest.name, uuid = guest.uuid, state = state }
      rows[i] = { guest.name, state }
    end
    report.print(ctx, document, report.table({ "GUEST", "STATE" }, rows))
    return ctx.guard:detach() -- last: whatever fails before it resumes the guests
  end,
}
