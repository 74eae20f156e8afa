--- unquiesce: resume what `quiesce` of this config suspended.
local workflow = require "std.workflow"
local discovery = require "std.discovery"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"
local recover = require "std.recover"

return workflow {
  action = "unquiesce",
  summary = "resume the guests that quiesce suspended",
  lock = true,
  phases = { "unquiesce" },

  unquiesce = function(ctx)
    assert(discovery.connect(ctx))
    assert(hooks.run(ctx, "PRE_APP_UNQUIESCE_CMD"))
    log.banner("Application unquiesce")
    local found, failures = 0, {}
    for _, entry in ipairs(assert(recover.journals(ctx))) do
      local j = entry.journal
      if j.profile == ctx.profile and j.config == ctx.config_name then
        if j.fired then
          log.error(err.coded("agt-00008", "the time limit passed and the guests were resumed before this unquiesce"))
          ctx:worse(3)
        end
        found = found + #j.held
        for _, failed in ipairs(recover.resume_held(ctx, entry)) do failures[#failures + 1] = failed end
      end
    end
    assert(recover.stale(ctx))
    if found == 0 then log.info("Nothing of this config is suspended") end
    for _, failed in ipairs(failures) do log.error(failed) end
    if #failures > 0 then return nil, err.coded("scf-00032", "guests", failures[1], { exit = 5 }) end
    return hooks.run(ctx, "POST_APP_UNQUIESCE_CMD")
  end,
}
