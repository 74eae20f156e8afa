--- The shipped backup with a site's own step before the pause: let a queue run empty, and start it
-- again as soon as the guests run, whatever became of the backup.
--
-- When to use it: what stands outside of the guests must stand still as well, a queue or a load balancer's pool.
-- run: moonsnap backup --policy daily --script examples/drain-first.lua
local log = require "std.log"
local process = require "std.process"
local workflow = require "std.workflow"

-- Stands for `queuectl pause` and `queuectl continue`.
local PAUSE, CONTINUE = { "/bin/true", "pause" }, { "/bin/true", "continue" }

return workflow.extend("backup", {
  summary = "the shipped backup, with the queue drained during the pause",

  quiesce = function(ctx, next)
    assert(process.run(PAUSE, { timeout = 30 }))
    -- Owned by the run: closed after the guests were resumed, on success, failure and Ctrl-C alike.
    table.insert(ctx.owned, 1, setmetatable({}, {
      __close = function() assert(process.run(CONTINUE, { timeout = 30 })) end,
    }))
    log.info("The queue is empty")
    return next()
  end,
})
