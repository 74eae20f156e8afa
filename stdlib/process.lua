--- Programs, for workflows.
-- @module std.process

local core = require "engine.process"
local err = require "std.err"
local blanks = require "std.blanks"

local process = {}

--- Run a program without a shell and want it to succeed.
-- In a dry run it is refused and recorded, unless `opts.reads`.
-- @tparam {string,...} argv
-- @tparam[opt] table opts env, cwd, input, timeout (seconds), max_output (bytes), reads; see `engine.process.run`
-- @treturn[1] {status=0,stdout=string,stderr=string,truncated=boolean,seconds=number}
-- @return[2] nil
-- @treturn[2] Err `not_found`, `denied`, `timeout`, `io` (a status other than 0, with what it said)
-- @usage
-- assert(require("std.process").run({ "/bin/true" }, { timeout = 30 }))
function process.run(argv, opts)
  local out, failed = core.run(argv, opts)
  if not out then return nil, failed end
  if out.planned then return { status = 0, stdout = "", stderr = "", seconds = 0, planned = true } end
  if out.timed_out then return nil, err.new("timeout", ("program %s: did not end in time"):format(argv[1])) end
  if out.status ~= 0 then
    local said = blanks.trim_end(out.stderr ~= "" and out.stderr or out.stdout)
    return nil, err.new("io", ("program %s: %s: %s"):format(argv[1],
      out.status and "exit code " .. out.status or "signal " .. out.signal, said))
  end
  return out
end

return process
