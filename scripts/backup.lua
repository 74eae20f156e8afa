--- backup: suspend, snapshot, resume, keep by policy. Order and banners are Snap Creator's.
local workflow = require "std.workflow"
local backup = require "std.backup"
local consistency = require "std.consistency"
local discovery = require "std.discovery"
local err = require "std.err"
local events = require "std.events"
local expire_vault = require "std.expire_vault"
local federation = require "std.federation"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local quiesce = require "std.quiesce"
local recover = require "std.recover"
local replicate = require "std.replicate"
local rolling = require "std.rolling"
local snapshots = require "std.snapshots"

-- The site's commands, all of which are looked at before the first guest is suspended.
local HOOKS = { "PRE_NTAP_CMD", "PRE_APP_QUIESCE_CMD", "POST_APP_QUIESCE_CMD", "NTAP_SNAPSHOT_CREATE_CMD",
  "PRE_APP_UNQUIESCE_CMD", "POST_APP_UNQUIESCE_CMD", "NTAP_METADATA_SNAPSHOT_CREATE_CMD",
  "POST_NTAP_DATA_TRANSFER_CMD", "POST_NTAP_CMD", "ARCHIVE_CMD", "NTAP_SNAPSHOT_DELETE_CMD" }

return workflow {
  action = "backup",
  summary = "suspend the guests, snapshot their volumes, resume, keep copies by policy",
  options = {},
  needs = { "policy" },
  lock = true,
  phases = { "discover", "pre", "quiesce", "snapshot", "unquiesce", "metadata", "replicate", "post", "retain" },

  -- Everything that can be known or refused before the first suspend is done here.
  discover = function(ctx)
    assert(ontap.identify(ctx))
    log.banner("Agent validation")
    assert(discovery.connect(ctx))
    assert(recover.stale(ctx))
    assert(federation.stale(ctx))
    log.info("Agent validation finished successfully: libvirt at %s", ctx.uri)
    log.banner("Plugin validation")
    assert(hooks.check(ctx, HOOKS))
    ctx.applications = ctx:own(assert(federation.new(ctx)))
    log.info("Plugin validation finished successfully: kvm")
    log.banner("Application auto discovery")
    if not ctx.cfg:get("APP_AUTO_DISCOVERY") then
      log.info("Application auto discovery is not enabled. Skipping; the guests of KVM_VM_MAPPING are looked at")
    end
    assert(discovery.run(ctx))
    assert(discovery.verdict(ctx))
    log.banner("Running storage discovery")
    return backup.prepare(ctx)
  end,

  pre = function(ctx)
    events.tell(ctx, "started")
    assert(hooks.phase(ctx, "PRE_NTAP_CMD"))
    assert(backup.begin(ctx))
    return hooks.phase(ctx, "PRE_APP_QUIESCE_CMD")
  end,

  -- The applications of other configs first, then the guests that they may run in.
  quiesce = function(ctx)
    assert(consistency.sync(ctx, ctx.data_volumes))
    log.banner("Application quiesce")
    assert(ctx.applications:quiesce())
    local pauses = snapshots.pauses(ctx)
    ctx.guard = ctx:own(quiesce.guard(ctx, pauses and ctx.guests or {}))
    if not pauses then
      log.info("No guest is suspended: the Snapshot copy [%s] is another product's", ctx.snapshot)
      ctx.crash_consistent = true
    end
    ctx.disturbed = {}
    assert(backup.warm(ctx))
    assert(ctx.guard:prepare())
    if rolling.wanted(ctx) then
      log.info("KVM_QUIESCE_MODE=rolling: each group stands still by itself")
    else
      assert(ctx.guard:suspend())
    end
    return hooks.phase(ctx, "POST_APP_QUIESCE_CMD")
  end,

  snapshot = function(ctx)
    log.banner("Creating Snapshot copies")
    -- Not cut short by the guard's time limit: when that passes the guests run again, and a snapshot
    -- that comes late is still worth having.
    return backup.snapshot(ctx)
  end,

  unquiesce = function(ctx)
    local disturbed = ctx.guard:disturbed()
    local ran, problem = hooks.phase(ctx, "PRE_APP_UNQUIESCE_CMD")
    log.banner("Application unquiesce")
    local result = ctx.guard:release() -- whatever became of that command
    local applications = ctx.applications:unquiesce()
    for _, list in ipairs { disturbed, result.thawed } do table.move(list, 1, #list, #ctx.disturbed + 1, ctx.disturbed) end
    backup.judge(ctx, result.fired)
    if #result.failed > 0 then
      ctx:worse(5)
      local ignore = ctx.cfg:get("APP_IGNORE_ERROR")
      local failed = err.coded(ignore and "scf-00033" or "scf-00032", "guests", result.failed[1])
      if not ignore then return nil, failed end
      log.error(failed)
    end
    if #applications > 0 then
      ctx:worse(5)
      if not applications.ignored then return nil, applications[1] end
    end
    if not ran then return nil, problem end
    return hooks.phase(ctx, "POST_APP_UNQUIESCE_CMD")
  end,

  metadata = function(ctx)
    log.banner("Metadata volume Snapshot copies")
    return backup.snapshot_metadata(ctx)
  end,

  -- The snapshots are there and the guests run: this is when the backup exists. Only then is it transferred.
  replicate = function(ctx)
    assert(backup.confirm(ctx))
    assert(replicate.run(ctx))
    events.tell(ctx, "finished")
    return hooks.phase(ctx, "POST_NTAP_DATA_TRANSFER_CMD")
  end,

  post = function(ctx)
    assert(hooks.phase(ctx, "POST_NTAP_CMD"))
    return hooks.phase(ctx, "ARCHIVE_CMD")
  end,

  retain = function(ctx)
    log.banner("Running Snapshot copy Delete on Primary")
    assert(backup.retain(ctx))
    assert(expire_vault.run(ctx))
    log.banner("Agent Workflow Finalization")
    log.info("Finalized workflow with id %s", ctx.id)
    backup.report(ctx)
    return true
  end,

  failed = function(ctx, failed)
    backup.failed(ctx, failed)
    events.tell(ctx, "failed", failed)
  end,
}
