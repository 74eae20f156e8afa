--- The controllers that the contract suite runs against: releases, and which transports they serve.
-- @module profiles

local profiles = {
  { name = "9.5", ontap = "9.5.0", ontapi = "1.150", zapi = true, rest = false },
  { name = "9.9.1", ontap = "9.9.1", ontapi = "1.191", zapi = true, rest = true },
  { name = "9.10.1", ontap = "9.10.1", ontapi = "1.201", zapi = true, rest = true },
  { name = "9.11.1", ontap = "9.11.1", ontapi = "1.211", zapi = true, rest = true },
  { name = "9.14.1", ontap = "9.14.1", ontapi = "1.241", zapi = "suspended", rest = true },
  { name = "rest-only", ontap = "9.16.1", ontapi = "1.261", zapi = false, rest = true },
}

--- @tparam string name
-- @treturn table|nil
function profiles.find(name)
  for _, profile in ipairs(profiles) do
    if profile.name == name then return profile end
  end
end

return profiles
