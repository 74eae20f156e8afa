--- volumeList: the volumes of a config.
local workflow = require "std.workflow"
local ontap = require "std.ontap"
local report = require "std.report"

return workflow {
  action = "volumeList",
  summary = "list the volumes of the config",
  options = {},
  phases = { "list" },

  list = function(ctx)
    local document, rows, seen = {}, {}, {}
    local controllers = assert(ontap.connect(ctx))
    local function add(controller, name)
      if seen[controller .. ":" .. name] then return end
      seen[controller .. ":" .. name] = true
      local v = assert(ontap.volumes(controllers[controller]))[name]
      document[#document + 1] = { controller = controller, volume = name, found = v ~= nil, size = v and v.size,
        available = v and v.available, junction = v and v.junction, state = v and v.state, type = v and v.type }
      rows[#rows + 1] = { controller, name, v and v.state or "not found", v and v.type, report.size(v and v.size),
        report.size(v and v.available), v and v.junction }
      if not v then ctx:worse(1) end
    end
    for _, item in ipairs(ctx.cfg:get("VOLUMES") or {}) do
      for _, name in ipairs(item.volumes) do add(item.controller, name) end
    end
    for _, entry in ipairs(ctx.cfg:get("KVM_VM_MAPPING") or {}) do add(entry.controller, entry.volume) end
    local head = { "CONTROLLER", "VOLUME", "STATE", "TYPE", "SIZE", "FREE", "JUNCTION" }
    report.print(ctx, document, report.table(head, rows))
  end,
}
