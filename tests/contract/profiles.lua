--- The controllers that the contract suite runs against: releases, and which transports they serve. The
-- simulator's profiles of the same names; the release is here since cases ask for it.
-- @module profiles

local profiles = {
  { name = "9.5", ontap = "9.5.0", zapi = true, rest = false },
  { name = "9.9.1", ontap = "9.9.1", zapi = true, rest = true },
  { name = "9.10.1", ontap = "9.10.1", zapi = true, rest = true },
  { name = "9.11.1", ontap = "9.11.1", zapi = true, rest = true },
  { name = "9.14.1", ontap = "9.14.1", zapi = false, rest = true },
  { name = "rest-only", ontap = "9.15.1", zapi = false, rest = true },
}

--- @tparam string name
-- @treturn table|nil
function profiles.find(name)
  for _, profile in ipairs(profiles) do
    if profile.name == name then return profile end
  end
end

return profiles
