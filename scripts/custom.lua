--- custom: the plug-in's own action. The KVM plug-in has none: the site's script of this name is it.
local workflow = require "std.workflow"
local err = require "std.err"

return workflow {
  action = "custom",
  summary = "the site's own action: custom.lua in the profile's directory or below scripts, with --params",
  phases = { "custom" },

  custom = function(ctx)
    return nil, err.new("unsupported", ("custom: the KVM plug-in has no action of its own; write the site's as "
      .. "%s/%s/custom.lua or %s/scripts/custom.lua"):format(ctx.dirs.config, ctx.profile, ctx.dirs.config), { exit = 2 })
  end,
}
