-- The failure table: every row has a case that provokes it, every code is in the list of codes or cannot come.
local file = require "engine.file"
local codes = require "std.codes"
local t = require "std.test"

local rows = {}
for line in file.read("tests/data/failures/reference.txt"):gmatch("[^\n]+") do
  if not line:find("^#") then
    local name, ignore, code, exit, where = line:match("^(%S+)%s+([NY ]-)%s+(%S+)%s+(%S+)%s+(%S+)$")
    t.ok(name, line)
    rows[#rows + 1] = { name = name, ignore = ignore, code = code, exit = exit, where = where }
  end
end

local function source(where)
  return file.read(("tests/e2e/%s.sh"):format(where))
end

t.case("every code of the reference's table has a row", function()
  local has = {}
  for _, row in ipairs(rows) do has[row.code] = true end
  for _, n in ipairs { 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 36, 37, 38, 52, 53, 54, 58, 61,
    64, 65, 66, 68, 69, 70, 71, 72 } do
    t.ok(has[("scf-%05d"):format(n)], n)
  end
  for _, code in ipairs { "STORAGE-02003", "STORAGE-02006", "STORAGE-02009", "agt-00008" } do t.ok(has[code], code) end
end)

t.case("every row has a case", function()
  local seen = {}
  for _, row in ipairs(rows) do
    t.ok(not seen[row.name], row.name)
    seen[row.name] = true
    local text = source(row.where)
    t.ok(text, row.where)
    local fn = "\nrow_" .. row.name:gsub("-", "_") .. "() {"
    local marked = false
    for line in text:gmatch("# row: ([^\n]+)") do
      for name in line:gmatch("[%w-]+") do marked = marked or name == row.name end
    end
    t.ok(text:find(fn, 1, true) or marked and text:find(row.code, 1, true), row.name .. " in " .. row.where)
    t.ok(marked or text:find("rows " .. row.where, 1, true), row.where .. " runs its rows")
  end
end)

t.case("no case without a row", function()
  local known = {}
  for _, row in ipairs(rows) do known["row_" .. row.name:gsub("-", "_")] = true end
  for _, where in ipairs { "failure_backup", "failure_pause", "failure_storage", "failure_restore" } do
    for fn in source(where):gmatch("\n(row_[%w_]+)%(%)") do
      t.ok(known[fn] or known[fn:gsub("_after$", "")], fn)
    end
  end
end)

t.case("what can come is in the list of codes", function()
  for _, row in ipairs(rows) do
    t.ok(row.exit == "-" or codes.get(row.code), row.code)
    t.ok(row.exit ~= "-" or not codes.get(row.code), row.code)
  end
end)

return t.done()
