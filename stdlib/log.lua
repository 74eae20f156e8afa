--- Logging for workflows, in Snap Creator's form.
-- `log.info(text, ...)` and so on take a `string.format` pattern when there are arguments.
-- @module std.log

local core = require "engine.log"

local log = { secret = core.secret, redact = core.redact, open = core.open }

--- Write a line of the log.
-- @function log.error
-- @function log.warn
-- @function log.info
-- @function log.cmd
-- @function log.output
-- @function log.debug
-- @function log.trace
-- @tparam string text a pattern of `string.format` when there are more arguments, else as it stands
-- @param[opt] ... its arguments
for _, level in ipairs { "error", "warn", "info", "cmd", "output", "debug", "trace" } do
  local put = core[level]
  log[level] = function(text, ...)
    put(select("#", ...) > 0 and text:format(...) or tostring(text))
  end
end

--- A phase's headline.
-- @tparam string title
-- @usage
-- require("std.log").banner("Draining the queue")
function log.banner(title)
  log.info("########## %s ##########", title)
end

return log
