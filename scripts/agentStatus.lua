--- agentStatus: what stands in the place of an agent, looked at in full.
local workflow = require "std.workflow"
local agent = require "std.agent"

return workflow {
  action = "agentStatus",
  summary = "look at this host: libvirt, guests, the guard process, what dead runs left suspended",
  options = { "profile", "libvirt-uri" },
  scope = "host",
  phases = { "look" },

  look = function(ctx)
    return agent.report(ctx, true)
  end,
}
