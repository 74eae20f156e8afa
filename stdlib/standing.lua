--- Guests that a script lets stand still with `Domain:suspend` or `Domain:freeze` alone, without a guard of its own: the
-- engine gives each to a guard process before the call, and what still stands still at the end of the program runs again.
-- @module std.standing

local guard = require "engine.guard"
local engine_task = require "engine.task"
local log = require "std.log"
local resuming = require "std.resuming"

local standing = {}

standing.HELD = 600 -- seconds that such a guest may stand still

--- Say where the guards' journals go; `recover` and every run find them there. Starts nothing.
-- @tparam table dirs with state
-- @tparam string action for the journal
function standing.prepare(dirs, action)
  guard.standby(dirs.state .. "/journal", action, standing.HELD)
end

local function bring_back(guest, last)
  local conn <close>, failed = resuming.open(guest.uri, guest, last)
  if not conn then return nil, failed end
  local dom, ok = conn:domain { uuid = guest.uuid, name = guest.name }, true
  if guest.suspend then ok, failed = resuming.resume(dom, guest, last) end
  if ok and guest.freeze then ok, failed = dom:thaw() end -- a suspended one has no agent that answers
  if ok then log.warn("guest '%s' runs again", guest.name) end
  return ok, failed
end

--- Resume what still stands still, at the end of the program, many at once: nobody waits for one whose QEMU does not
-- answer. What cannot be resumed is the guard process's from here on.
-- @treturn boolean whether all run again; what does not is logged, and the exit code is 5
function standing.release()
  local list, guards = guard.standing()
  if guards and #list > 0 then
    local ok, failed = resuming.within(resuming.LOOK, "a guard process does not answer", guard.standby_over)
    if not ok then log.debug("who was resumed since its time was up is not known: %s", failed) end
    list = guard.standing()
  end
  local left = resuming.each(list, bring_back)
  for _, at in ipairs(left) do
    log.error(at.err)
    engine_task.alarm()
  end
  if guards then
    local ok, failed = guard.standby_finish()
    if not ok then log.warn("a guard process was not told to end, which it does by itself: %s", failed) end
  end
  return #left == 0
end

return standing
