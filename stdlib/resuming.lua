--- Guests run again, many at once, and nobody waits for one whose QEMU does not answer. A resume waits for as long as that,
-- which may be for ever: behind eight such guests all others would stand still, and the run would never end to say so.
-- @module std.resuming

local plan = require "engine.plan"
local virt = require "engine.virt"
local err = require "std.err"
local task = require "std.task"

local resuming = {}

resuming.LOOK = 5 -- seconds for a look at how a guest stands
resuming.PATIENCE = 2 -- seconds for one call while other guests wait for their turn
resuming.LIMIT = 30 -- seconds once nobody waits any more: libvirt itself lets a call wait so long for its turn at a domain

local AT_ONCE = 8

--- Call fn, and give it up after a while.
-- @tparam number limit seconds
-- @tparam string what to say then
-- @tparam function fn gives a value, or nil and an Err
-- @return[1] what fn returned
-- @return[2] nil
-- @treturn[2] Err `timeout` when it was given up
function resuming.within(limit, what, fn)
  local ok, failed
  local ended, late = task.timeout(limit, function()
    ok, failed = fn()
    return true
  end)
  if ended then return ok, failed end
  return nil, late.code == "timeout" and err.new("timeout", what) or late
end

--- A domain's state, soon or not at all: who asks for the size of a disk that does not answer locks its domain meanwhile.
-- @tparam Domain dom
-- @treturn[1] table as of `Domain:state`
-- @return[2] nil
-- @treturn[2] Err
function resuming.state(dom)
  return resuming.within(resuming.LOOK, "libvirt does not say how it stands", function() return dom:state() end)
end

--- Make a call that brings a guest back, within a time limit. One that was given up may be carried out later, which is what
-- it was for.
-- @tparam table note kept for this guest from call to call: `unanswered` is set to the error while it does not answer
-- @tparam boolean last nobody else waits
-- @tparam string what to say when it does not answer
-- @tparam function fn makes the call
-- @return[1] what fn returned
-- @return[2] nil
-- @treturn[2] Err of the domain, or `timeout`, which is `note.unanswered`
function resuming.call(note, last, what, fn)
  local limit = last and not note.waited and resuming.LIMIT or resuming.PATIENCE
  local ok, failed = resuming.within(limit, what, fn)
  -- libvirt's own `timeout` says that its turn did not come behind the call before, which is still under way.
  local late = not ok and failed.code == "timeout"
  if late then failed = err.new("timeout", what) end
  note.unanswered = late and failed or nil
  note.waited = note.waited or late and last
  return ok, failed
end

--- A connection for a guest that is to be brought back.
-- @tparam string uri of libvirt
-- @tparam table note as of `resuming.call`
-- @tparam boolean last nobody else waits
-- @treturn[1] Connection
-- @return[2] nil
-- @treturn[2] Err of `engine.virt.open`, or `timeout`
function resuming.open(uri, note, last)
  local why -- libvirt's own `timeout` tells more than that it does not answer
  local conn, failed = resuming.call(note, last, ("libvirt at %s does not answer"):format(uri), function()
    local opened
    opened, why = virt.open(uri)
    return opened, why
  end)
  return conn, why and why.code == "timeout" and why or failed
end

--- Resume a domain, as `call` does it.
-- @tparam Domain dom
-- @tparam table note
-- @tparam boolean last
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function resuming.resume(dom, note, last)
  return resuming.call(note, last, "its resume is still under way, and its QEMU does not answer", function()
    return dom:resume()
  end)
end

-- One call for each guest; what a call raised is its failure, and nobody else's.
local function pass(guests, fn, last, limit, failures)
  if #guests == 0 then return end
  local done, cancelled = task.map(guests, function(guest) return fn(guest, last) end,
    { limit = plan.active() and 1 or limit, collect = true })
  if not done then error(cancelled, 0) end
  for i, outcome in ipairs(done) do
    if outcome.err then failures[guests[i]] = outcome.err end
  end
end

--- Bring many guests back. Those that do not answer, or are known to be slow, come last, when nobody waits for them.
-- @tparam {table,...} guests with name
-- @tparam function fn called with a guest and `last`, for `call`: true, or nil and an Err. Called again, with `last`, for
--   one that has set the guest's `unanswered`
-- @tparam[opt] function slow called with a guest: whether it comes last at once
-- @treturn {{guest=table,err=Err},...} those that are not back, in the list's order; kvm-00004 with exit 5, unless fn's error
--   has that exit code itself
function resuming.each(guests, fn, slow)
  local soon, late, failures, list = {}, {}, {}, {}
  for _, guest in ipairs(guests) do table.insert(slow and slow(guest) and late or soon, guest) end
  pass(soon, fn, false, AT_ONCE, failures)
  for _, guest in ipairs(soon) do
    if guest.unanswered then
      late[#late + 1], failures[guest] = guest, nil
    end
  end
  pass(late, fn, true, #late, failures)
  for _, guest in ipairs(guests) do
    local failed = failures[guest]
    if failed and failed.exit ~= 5 then
      failed = err.coded("kvm-00004", ("guest '%s' could not be resumed"):format(guest.name), failed, { exit = 5 })
    end
    if failed then list[#list + 1] = { guest = guest, err = failed } end
  end
  return list
end

return resuming
