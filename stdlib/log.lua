--- Logging for workflows, in Snap Creator's form.
-- `log.info(text, ...)` and so on take a `string.format` pattern when there are arguments.
-- @module std.log

local core = require "engine.log"

local log = { secret = core.secret, redact = core.redact, open = core.open }

for _, level in ipairs { "error", "warn", "info", "cmd", "output", "debug", "trace" } do
  local put = core[level]
  log[level] = function(text, ...)
    put(select("#", ...) > 0 and text:format(...) or tostring(text))
  end
end

--- A phase's headline.
-- @tparam string title
function log.banner(title)
  log.info("########## %s ##########", title)
end

return log
