--- backup: suspend, snapshot, resume, keep by policy. Order and banners are Snap Creator's.
local workflow = require "std.workflow"
local backup = require "std.backup"
local discovery = require "std.discovery"
local err = require "std.err"
local events = require "std.events"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local quiesce = require "std.quiesce"
local recover = require "std.recover"

return workflow {
  action = "backup",
  summary = "suspend the guests, snapshot their volumes, resume, keep copies by policy",
  needs = { "policy" },
  lock = true,
  phases = { "discover", "pre", "quiesce", "snapshot", "unquiesce", "replicate", "post", "retain" },

  -- Everything that can be known or refused before the first suspend is done here.
  discover = function(ctx)
    assert(ontap.identify(ctx))
    log.banner("Agent validation")
    assert(discovery.connect(ctx))
    assert(recover.stale(ctx))
    log.banner("Plugin validation")
    log.banner("Application auto discovery")
    assert(discovery.run(ctx))
    assert(discovery.verdict(ctx))
    log.banner("Running storage discovery")
    return backup.prepare(ctx)
  end,

  pre = function(ctx)
    assert(hooks.check(ctx, { "PRE_NTAP_CMD", "PRE_APP_QUIESCE_CMD", "POST_APP_QUIESCE_CMD", "PRE_APP_UNQUIESCE_CMD",
      "POST_APP_UNQUIESCE_CMD", "POST_NTAP_CMD" }))
    events.tell(ctx, "started")
    log.banner("Pre Ntap commands")
    assert(hooks.run(ctx, "PRE_NTAP_CMD"))
    assert(backup.begin(ctx))
    return hooks.run(ctx, "PRE_APP_QUIESCE_CMD")
  end,

  quiesce = function(ctx)
    log.banner("Application quiesce")
    ctx.guard = ctx:own(quiesce.guard(ctx, ctx.guests))
    assert(ctx.guard:suspend())
    for _, failure in ipairs(ctx.guard.failures) do
      log.warn("[scf-00038] going on although guest '%s' is not suspended (APP_IGNORE_ERROR=Y)", failure.guest.name)
      ctx:worse(3)
    end
    return hooks.run(ctx, "POST_APP_QUIESCE_CMD")
  end,

  snapshot = function(ctx)
    log.banner("Creating Snapshot copies")
    -- Not cut short by the guard's time limit: when that passes the guests run again, and a snapshot
    -- that comes late is still worth having.
    return backup.snapshot(ctx)
  end,

  unquiesce = function(ctx)
    log.banner("Application unquiesce")
    for _, guest in ipairs(ctx.guard:disturbed()) do
      log.error(err.coded("agt-00008", ("guest '%s' was resumed by somebody else before the snapshot was complete")
        :format(guest.name)))
      ctx.crash_consistent = true
      ctx:worse(3)
    end
    local ran, problem = hooks.run(ctx, "PRE_APP_UNQUIESCE_CMD")
    local result = ctx.guard:release() -- whatever became of that command
    if result.fired then
      log.error(err.coded("agt-00008", "the time limit passed and the guests were resumed"))
      ctx.crash_consistent = true
      ctx:worse(3)
    end
    if #result.failed > 0 then
      ctx:worse(5)
      local ignore = ctx.cfg:get("APP_IGNORE_ERROR")
      local failed = err.coded(ignore and "scf-00033" or "scf-00032", "guests", result.failed[1])
      if not ignore then return nil, failed end
      log.error(failed)
    end
    if not ran then return nil, problem end
    return hooks.run(ctx, "POST_APP_UNQUIESCE_CMD")
  end,

  -- The snapshots are there and the guests run: this is when the backup exists.
  replicate = function(ctx)
    assert(backup.confirm(ctx))
    events.tell(ctx, "finished")
    log.banner("Post Data Transfer commands")
    return true
  end,

  post = function(ctx)
    log.banner("Post Ntap commands")
    assert(hooks.run(ctx, "POST_NTAP_CMD"))
    log.banner("ARCHIVE COMMANDS")
    return true
  end,

  retain = function(ctx)
    log.banner("Running Snapshot copy Delete on Primary")
    assert(backup.retain(ctx))
    log.banner("Agent Workflow Finalization")
    backup.report(ctx)
    return true
  end,

  failed = function(ctx, failed)
    backup.failed(ctx, failed)
    events.tell(ctx, "failed", failed)
  end,
}
