--- What a restore that a controller carries out tells on its way: whether it was refused, when it is over.
-- @module std.restoring

local log = require "std.log"
local task = require "std.task"

local restoring = {}

-- Failures of a restore that had begun, or about which the controller does not know. The rest of what it says
-- with a number of its own is a refusal.
local BEGUN = {}
for _, number in ipairs {
  13038, 15801, 13004, 13114,                        -- ONTAPI: restore error, restore in progress, internal errors
  524511, 1638532, 917536, 5374053,                  -- REST: restore failed, one is in progress, a job's own error
  65541, 65552, 65562, 262210, 500, 502, 504,        -- REST: internal errors, and HTTP where there is no number
} do BEGUN[number] = true end

-- These say that nothing was begun, whoever says them: the controller, or the client that did not get so far.
local REFUSED = { denied = true, unsupported = true, invalid = true, not_found = true }

--- Whether a failed start was a refusal, which leaves the data alone; a lost answer says nothing about it.
-- @tparam Err failed of `file_restore` or `lun_restore`
-- @treturn boolean
function restoring.is_refusal(failed)
  if BEGUN[failed.native] then return false end
  if REFUSED[failed.code] then return true end
  return failed.source == "ontap" and failed.native ~= nil and failed.native ~= 0
end

--- Wait until the data is there: the call that begins a restore returns before. Over ONTAPI completion of one
-- file cannot be asked for, so that the number of restores under way is waited out.
-- @tparam Ontap client
-- @tparam {volume=string,path=string,job=string} query as for `restore_status`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err also a restore that failed on its way
function restoring.wait(client, query)
  local step = 0.2
  while true do
    local state, failed = client:restore_status(query)
    if not state then return nil, failed end
    if (state.running or 0) == 0 then return true end
    log.debug("restore of %s: %d under way", query.path, state.running)
    task.sleep(step)
    step = math.min(step * 1.5, 5)
  end
end

return restoring
