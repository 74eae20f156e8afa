-- The list of numbered messages.
local codes = require "std.codes"
local t = require "std.test"

t.case("every entry is well formed and there once", function()
  local seen = {}
  for i, row in ipairs(codes.all()) do
    local label = "row " .. i .. " " .. tostring(row.code)
    t.ok(row.code:find("^scf%-%d%d%d%d%d$") or row.code:find("^agt%-%d%d%d%d%d$")
      or row.code:find("^STORAGE%-%d%d%d%d%d$") or row.code:find("^kvm%-%d%d%d%d%d$"), label)
    t.ok(not seen[row.code], label)
    seen[row.code] = true
    t.ok(type(row.text) == "string" and #row.text > 10 and not row.text:find("%.$"), label)
    -- Only progress messages need no remedy.
    if not row.text:find("^the .* was ") and not row.text:find("^the .* were ") and not row.text:find("being") then
      t.ok(type(row.remedy) == "string" and #row.remedy > 5 and not row.remedy:find("%.$"), label)
    end
  end
end)

t.case("codes are found", function()
  t.eq(codes.get("scf-00037").code, "scf-00037")
  t.eq(codes.get("SCF-00038").code, "scf-00038")
  t.eq(codes.get("storage-02009").code, "STORAGE-02009")
  t.eq(codes.get("kvm-99999"), nil)
  t.eq(codes.get(""), nil)
  t.raises(function() codes.get(37) end, "codes.get: code must be a string")
end)

t.case("the numbers that a run reports are there", function()
  for i = 1, 15 do t.ok(codes.get(("kvm-%05d"):format(i)).remedy, i) end
  for _, n in ipairs { 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 32, 33, 36, 37, 38, 39, 40, 41, 42, 44,
    45, 47, 50, 52, 58, 59, 60, 62, 66, 72 } do
    t.ok(codes.get(("scf-%05d"):format(n)), n)
  end
  for _, n in ipairs { 1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13 } do t.ok(codes.get(("agt-%05d"):format(n)), n) end
  for _, n in ipairs { 2, 3, 1001, 1002, 1003, 1004, 2003, 2006, 2007, 2008, 2009, 2015, 2021, 2025, 2038, 2046, 2049,
    2052, 2062, 2072, 2075, 2082, 2090, 2091, 2092, 2102, 2112, 2115, 2122, 2132, 2142, 2152, 2162, 3002, 3031, 3032,
    3033, 3070, 3079, 3094 } do
    t.ok(codes.get(("STORAGE-%05d"):format(n)), n)
  end
end)

t.case("the list is a copy", function()
  local all = codes.all()
  all[1] = nil
  t.ok(codes.all()[1])
end)

return t.done()
