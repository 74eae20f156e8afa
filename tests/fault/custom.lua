--- What a site may write as its custom action: the guests stand still while commands of its own do their work.
local workflow = require "std.workflow"
local discovery = require "std.discovery"
local hooks = require "std.hooks"
local ontap = require "std.ontap"
local quiesce = require "std.quiesce"
local recover = require "std.recover"

return workflow {
  action = "custom",
  summary = "commands of the site while the guests stand still",
  lock = true,
  phases = { "find", "work" },

  find = function(ctx)
    assert(ontap.identify(ctx))
    assert(discovery.connect(ctx))
    ctx:own(ctx.conn)
    assert(recover.stale(ctx))
    assert(hooks.check(ctx, { "PRE_APP_QUIESCE_CMD", "POST_APP_QUIESCE_CMD", "PRE_APP_UNQUIESCE_CMD",
      "POST_APP_UNQUIESCE_CMD" }))
    assert(discovery.run(ctx))
    return discovery.verdict(ctx)
  end,

  work = function(ctx)
    assert(hooks.phase(ctx, "PRE_APP_QUIESCE_CMD"))
    do
      local guard <close> = quiesce.guard(ctx, ctx.guests)
      assert(guard:suspend())
      assert(hooks.phase(ctx, "POST_APP_QUIESCE_CMD"))
      assert(hooks.phase(ctx, "PRE_APP_UNQUIESCE_CMD"))
    end
    return hooks.phase(ctx, "POST_APP_UNQUIESCE_CMD")
  end,
}
