--- Bounded retries. What is worth a second try is decided by the error's code, never by its text.
-- @module std.retry

local task = require "std.task"

local retry = {}

-- These stay as they are however often one asks.
local FINAL = { cancelled = true, not_found = true, denied = true, unsupported = true, invalid = true }

--- Call fn until it succeeds.
-- @tparam {times=integer,wait=number,on_retry=function} opts times: runs after the first one; wait: seconds
--   between them; on_retry(err, n) is told before each
-- @tparam function fn returns a value, or nil and an error
-- @return[1] what fn returned
-- @return[2] nil
-- @treturn[2] Err of the last run
-- @usage
-- local n = 0
-- local value = assert(require("std.retry").run({ times = 3, wait = 0.01 }, function()
--   n = n + 1
--   if n < 3 then return nil, require("std.err").new("busy", "not yet") end
--   return n
-- end))
-- assert(value == 3)
function retry.run(opts, fn)
  for n = 0, opts.times do
    local value, failed = fn()
    if value ~= nil then return value end
    if n == opts.times or FINAL[failed.code] then return nil, failed end
    if opts.on_retry then opts.on_retry(failed, n + 1) end
    task.sleep(opts.wait or 1)
  end
end

return retry
