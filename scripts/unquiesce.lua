--- unquiesce: resume what `quiesce` of this config suspended.
local workflow = require "std.workflow"
local discovery = require "std.discovery"
local err = require "std.err"
local federation = require "std.federation"
local hooks = require "std.hooks"
local log = require "std.log"
local recover = require "std.recover"
local report = require "std.report"

return workflow {
  action = "unquiesce",
  summary = "resume the guests that quiesce suspended",
  options = {},
  lock = true,
  phases = { "unquiesce" },

  unquiesce = function(ctx)
    assert(discovery.connect(ctx))
    local ran, problem = hooks.run(ctx, "PRE_APP_UNQUIESCE_CMD")
    log.banner("Application unquiesce")
    local found, failures = 0, {}
    for _, entry in ipairs(assert(recover.journals(ctx, failures))) do
      local j = entry.journal
      if j.profile == ctx.profile and j.config == ctx.config_name and #j.held > 0 and j.uri ~= ctx.uri then
        failures[#failures + 1] = err.new("conflict", ("%d guest(s) were suspended at %s and cannot be resumed at %s; "
          .. "write --libvirt-uri %s"):format(#j.held, j.uri, ctx.uri, j.uri), { exit = 5 })
      elseif j.profile == ctx.profile and j.config == ctx.config_name then
        if j.fired then
          log.error(err.coded("agt-00008", "the time limit passed and the guests were resumed before this unquiesce"))
          ctx:worse(3)
        end
        found = found + #j.held
        for _, failed in ipairs(recover.resume_held(ctx, entry)) do failures[#failures + 1] = failed end
      end
    end
    local clean, left = true, nil
    -- In a dry run they are suspended still, which is no obstacle.
    if not ctx.dry_run or found == 0 then clean, left = recover.stale(ctx) end
    local applications, standing = federation.stale(ctx)
    if found == 0 and #failures == 0 and applications == 0 then log.info("Nothing of this config is suspended") end
    for _, failed in ipairs(failures) do log.error(failed) end
    if #failures > 0 then return nil, err.coded("scf-00032", "guests", failures[1], { exit = 5 }) end
    if not clean then return nil, left end
    if not applications then return nil, standing end
    if not ran then return nil, problem end
    report.print(ctx, { resumed = found }, ("%d guest(s) resumed"):format(found))
    return hooks.run(ctx, "POST_APP_UNQUIESCE_CMD")
  end,
}
