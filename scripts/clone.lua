--- clone: the clone that a plug-in makes by itself. The KVM plug-in makes none.
local workflow = require "std.workflow"
local err = require "std.err"

return workflow {
  action = "clone",
  summary = "refused: the KVM plug-in makes no clones of its own; see cloneVol and cloneLun",
  phases = { "refuse" },

  refuse = function(_ctx)
    return nil, err.new("unsupported", "action clone: plug-in kvm does not support it; use cloneVol or cloneLun",
      { scf = "scf-00004", exit = 2 })
  end,
}
