--- The shipped backup, with a database inside a guest told to write everything out and hold still before the guest is
-- suspended. The program in the guest is reached through the guest agent; no network, no ssh.
--
-- When to use it: a database that should come up from the copy without a recovery. The hold must end by itself in the
-- guest (here after 60 s): if this host dies in between, nobody is left to end it.
-- run: moonsnap backup --policy daily --script examples/database-in-guest.lua
local guest = require "std.guest"
local log = require "std.log"
local workflow = require "std.workflow"

local NAME = "db1" -- the guest
local HOLD = { "/usr/local/sbin/db-hold", "--for", "60" }
local RELEASE = { "/usr/local/sbin/db-hold", "--end" }

return workflow.extend("backup", {
  summary = "the shipped backup, with the database of a guest held still",

  quiesce = function(ctx, next)
    local db = guest.find(ctx, NAME)
    if not db then return next() end
    local held, failed = guest.exec(db.dom, HOLD, { timeout = 30 })
    if held then
      -- Closed after the guests run again, on success, failure and Ctrl-C alike: first in is last out.
      table.insert(ctx.owned, 1, setmetatable({}, {
        __close = function() assert(guest.exec(db.dom, RELEASE, { timeout = 30 })) end,
      }))
      log.info("The database of '%s' holds still", NAME)
    else
      -- A crash-consistent copy is worth more than none; exit code 3 says that it is one.
      log.warn("the database of '%s' does not hold still: %s", NAME, failed)
      ctx.crash_consistent = true
      ctx:worse(3)
    end
    return next()
  end,
})
