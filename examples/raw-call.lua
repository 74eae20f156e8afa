--- Volumes with their space guarantee: something for which there is no typed call, asked raw, over the transport that the
-- controller serves. A raw call that changes something is refused in a dry run like any other.
--
-- When to use it: `moonsnap doc engine.ontap` has no call for what you need.
-- run: moonsnap run examples/raw-call.lua
local ontap = require "std.ontap"
local report = require "std.report"
local workflow = require "std.workflow"

-- Text of the element at the end of a path in what ONTAPI answers.
local function at(node, name, ...)
  for _, child in ipairs(node and name and node.children or {}) do
    if child.name == name then return at(child, ...) end
  end
  return not name and node or nil
end

local function over_zapi(client)
  local rows = {}
  local results = assert(client:call("volume-get-iter", "<max-records>500</max-records>"))
  for _, volume in ipairs((at(results, "attributes-list") or {}).children or {}) do
    local name, guarantee = at(volume, "volume-id-attributes", "name"), at(volume, "volume-space-attributes", "space-guarantee")
    rows[#rows + 1] = { name and name.text, guarantee and guarantee.text }
  end
  return rows
end

local function over_rest(client)
  local rows = {}
  local reply = assert(client:request("GET", "/storage/volumes?fields=guarantee.type&max_records=500"))
  for _, volume in ipairs(reply.body.records) do
    rows[#rows + 1] = { volume.name, volume.guarantee and volume.guarantee.type }
  end
  return rows
end

return workflow {
  action = "guarantees",
  summary = "list volumes with their space guarantee",
  phases = { "ask" },

  ask = function(ctx)
    assert(ontap.identify(ctx))
    local all = {}
    for _, controller in ipairs(ctx.controllers) do
      local rows = (controller.transport == "rest" and over_rest or over_zapi)(controller.client)
      for _, row in ipairs(rows) do all[#all + 1] = { controller.name, row[1], row[2] } end
    end
    report.print(ctx, all, report.table({ "CONTROLLER", "VOLUME", "GUARANTEE" }, all))
  end,
}
