--- pingAgent: whether libvirt answers on this host; there is no agent.
local workflow = require "std.workflow"
local agent = require "std.agent"

return workflow {
  action = "pingAgent",
  summary = "does libvirt answer on this host? there is no agent to ping",
  options = { "profile", "libvirt-uri" },
  scope = "host",
  phases = { "look" },

  look = function(ctx)
    return agent.report(ctx, false)
  end,
}
