--- restore: bring listed guests' disks back from a snapshot, in place, one guest after another.
local workflow = require "std.workflow"
local confirm = require "std.confirm"
local discovery = require "std.discovery"
local err = require "std.err"
local events = require "std.events"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local recover = require "std.recover"
local restore = require "std.restore"

return workflow {
  action = "restore",
  summary = "restore the disks of guests from a backup, in place; on a terminal chosen from menus",
  options = { "policy", "backupName", "cntName", "volName", "fileNames", "yes" },
  lock = true,
  phases = { "find", "confirm", "pre", "fetch", "safety", "restore", "post" },

  find = function(ctx)
    assert(ontap.identify(ctx))
    log.banner("Agent validation")
    assert(discovery.connect(ctx))
    assert(recover.stale(ctx))
    log.banner("Plugin validation")
    log.info("Running Restore Record id Finder")
    assert(restore.find(ctx))
    log.info("Restore ExtendedRepositoryRecord Id set: %s", ctx.source.id)
    ctx.plan = restore.describe(ctx)
  end,

  confirm = function(ctx)
    return confirm.ask(ctx, restore.warning(ctx))
  end,

  pre = function(ctx)
    assert(hooks.check(ctx, { "PRE_RESTORE_CMD", "POST_RESTORE_CMD" }))
    local ok, failed = hooks.phase(ctx, "PRE_RESTORE_CMD")
    if not ok then return nil, err.coded("scf-00027", "nothing was restored", failed) end
    events.tell(ctx, "started")
  end,

  fetch = function(ctx)
    return restore.fetch(ctx)
  end,

  safety = function(ctx)
    return restore.safety(ctx)
  end,

  restore = function(ctx)
    log.banner("Application Restore")
    return restore.all(ctx)
  end,

  post = function(ctx)
    events.tell(ctx, "finished")
    local ok, failed = hooks.phase(ctx, "POST_RESTORE_CMD")
    restore.report(ctx)
    if not ok then return nil, err.coded("scf-00025", "the guests are restored", failed) end
  end,

  failed = function(ctx, failed)
    restore.failed(ctx, failed) -- first: guests come back by it
    if ctx.record then events.tell(ctx, "failed", failed) end
  end,
}
