--- Which LUN has a serial number. One guest is one question; for many of them the LUNs of a controller are read once,
-- page by page, and those that are wanted are kept.
-- @module std.san_lookup

local log = require "std.log"

local lookup = {}

local FEW = 8 -- serial numbers: so many single questions cost no more than the pages of a small controller

-- The wanted serial numbers with their LUNs on one controller (false: it has none), or nil when reading them all
-- would take more requests than asking for each.
local function read(controller, wanted, count)
  local found, pages = {}, 0
  for serial in pairs(wanted) do found[serial] = false end
  for rows in controller.client:pages("luns", {}) do
    for _, row in ipairs(rows) do
      if row.serial and wanted[row.serial] then found[row.serial] = found[row.serial] or row end
    end
    pages = pages + 1
    if pages >= count and #rows > 0 then return nil end
  end
  return found
end

--- Say which serial numbers are going to be asked for; what `find` answers is then of one moment, until `forget`.
-- Waits for the controllers.
-- @tparam table ctx with `controllers`; gets `luns_read`
-- @tparam {string,...} serials
function lookup.expect(ctx, serials)
  local wanted, count = {}, 0
  for _, serial in ipairs(serials) do
    count = count + (wanted[serial] and 0 or 1)
    wanted[serial] = true
  end
  ctx.luns_read = {}
  if count <= FEW then return end
  for _, controller in ipairs(ctx.controllers) do
    -- What cannot be read is asked for one by one, where the failure is told with the device that it concerns.
    local read_all, found = true, nil
    if not controller.down then read_all, found = pcall(read, controller, wanted, count) end
    if read_all then
      ctx.luns_read[controller.name] = found
    else
      log.debug("controller '%s': its LUNs are asked for one by one: %s", controller.name, found)
    end
  end
end

--- Ask again from here on: what is going to be overwritten is looked at as it is now.
-- @tparam table ctx
function lookup.forget(ctx) ctx.luns_read = nil end

--- The LUN with a serial number on one controller. Waits for it, unless `expect` has read it.
-- @tparam table ctx
-- @tparam table controller one of `ctx.controllers`
-- @tparam string serial
-- @treturn[1] ?table row of the `luns` call; false when there is none
-- @return[2] nil
-- @treturn[2] Err of the call
function lookup.find(ctx, controller, serial)
  local found = ctx.luns_read and ctx.luns_read[controller.name]
  if found and found[serial] ~= nil then return found[serial] end
  local rows, failed = controller.client:luns { serial = serial }
  if not rows then return nil, failed end
  return rows[1] or false
end

return lookup
