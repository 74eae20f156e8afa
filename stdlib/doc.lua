--- The reference of `engine.*` and `std.*` in the terminal, from the comments of the sources.
-- @module std.doc

local process = require "engine.process"
local codes = require "std.codes"
local err = require "std.err"
local nearest = require "std.nearest"
local report = require "std.report"

local doc = {}

local WIDTH = 96
local index

--- Everything that is documented, as it was when moonsnap was built.
-- @treturn {modules={{name=string,summary=string,text=string,code=?string},...},entries={table,...}} an entry has
--   name, module, summary, text, params and returns; where it applies args (of a Lua function), awaits
--   (the call waits), changes (refused and recorded in a dry run), raises, usage, class, alias, source
-- @usage assert(#require("std.doc").index().entries > 300)
function doc.index()
  if not index then
    index = assert(process.shipped("doc/index.lua"), "this moonsnap was built without its index")()
    index.by_name = {}
    for _, kind in ipairs { index.modules, index.entries } do
      for _, entry in ipairs(kind) do index.by_name[entry.name] = entry end
    end
  end
  return index
end

-- As many of a name's last parts as the other one has: `plan` of `std.retention.plan`.
local function last_parts(name, like)
  local parts = {}
  for part in name:gmatch("[^.:]+") do parts[#parts + 1] = part end
  local _, dots = like:gsub("[.:]", "")
  return table.concat(parts, ".", math.max(1, #parts - dots))
end

local function closest(name)
  local best, score
  for _, kind in ipairs { doc.index().modules, doc.index().entries } do
    for _, entry in ipairs(kind) do
      local d = nearest.distance(name, last_parts(entry.name, name))
      if not score or d < score then best, score = entry.name, d end
    end
  end
  return score <= math.max(1, #name // 3) and best or nil
end

--- Look up a module, function, method or class.
-- @tparam string name `std.retention.plan`, also without its beginning: `retention.plan`, `Domain:suspend`, `suspend`
-- @treturn[1] {table,...} the entries that have this name; what is only another name for a function is
--   answered with that function
-- @return[2] nil
-- @treturn[2] Err `not_found`, with the nearest name
-- @usage assert(require("std.doc").find("retention.plan")[1].name == "std.retention.plan")
function doc.find(name)
  local all = doc.index()
  local function real(entry)
    return entry.alias and all.by_name[entry.alias] or entry
  end
  name = name:gsub("%(.*$", "")
  if all.by_name[name] then return { real(all.by_name[name]) } end
  local found, seen = {}, {}
  for _, kind in ipairs { all.modules, all.entries } do
    for _, entry in ipairs(kind) do
      local rest = entry.name:sub(-#name - 1)
      local one = real(entry)
      if (rest == "." .. name or rest == ":" .. name) and not seen[one] then
        seen[one] = true
        found[#found + 1] = one
      end
    end
  end
  if #found > 0 then return found end
  local near = closest(name)
  return nil, err.new("not_found", ("nothing is documented as '%s'%s; moonsnap doc lists the modules"):format(name,
    near and ", but " .. near or ""), { exit = 2 })
end

-- Text in lines of a width, each behind `indent`; the first may have one of its own.
local function wrap(text, indent, first)
  local lines, line = {}, first or indent
  local empty = true
  for word in text:gmatch("%S+") do
    if not empty and #line + #word + 1 > WIDTH then
      lines[#lines + 1] = line
      line, empty = indent, true
    end
    line = empty and line .. word or line .. " " .. word
    empty = false
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local HANGING = (" "):rep(12)

local function labelled(name)
  return ("  %-10s"):format(name) .. (#name < 10 and "" or " ")
end

--- How a function is called: `std.process.run(argv [, opts])`.
-- @tparam table entry of `find` or `index`
-- @treturn string
function doc.call(entry)
  local out, optional = {}, 0
  for _, param in ipairs(entry.params) do
    if not param.name:find(".", 1, true) then
      local comma = #out > 0 and ", " or ""
      if param.opt then
        out[#out + 1] = (#out > 0 and " [" or "[") .. comma .. param.name
        optional = optional + 1
      else
        out[#out + 1] = comma .. param.name
      end
    end
  end
  return ("%s(%s%s)"):format(entry.name, table.concat(out), ("]"):rep(optional))
end

local function describe_returns(lines, entry)
  for i, group in ipairs(entry.returns) do
    local parts, notes = {}, {}
    for _, value in ipairs(group) do
      parts[#parts + 1] = value.type
      if value.text then notes[#notes + 1] = value.text end
    end
    local head = labelled(i == 1 and "returns" or "or")
    lines[#lines + 1] = wrap(table.concat(parts, ", ") .. (#notes > 0 and "  " .. table.concat(notes, "; ") or ""),
      HANGING, head)
  end
end

--- An entry as text for a terminal.
-- @tparam table entry of `find` or `index`
-- @treturn string
function doc.describe(entry)
  if entry.class or not entry.params then
    local rows = {}
    for _, other in ipairs(doc.index().entries) do
      local of_class = entry.class and other.name:sub(1, #entry.name + 1) == entry.name .. ":"
      if of_class or not entry.class and other.module == entry.name then
        local one = other.alias and doc.index().by_name[other.alias] or other
        rows[#rows + 1] = { "  " .. other.name:sub(#other.module + 2), one and one.summary or "" }
      end
    end
    for _, row in ipairs(rows) do
      if #row[2] > WIDTH - 24 then row[2] = row[2]:sub(1, WIDTH - 27) .. "..." end
    end
    local code = entry.code and "\n\n    " .. entry.code:gsub("\n", "\n    ") or ""
    return entry.name .. "\n" .. wrap(entry.text or "", "  ") .. code
      .. (#rows > 0 and "\n\n" .. report.table({ "  NAME", "" }, rows) or "")
  end
  local lines = { entry.table and entry.name or doc.call(entry), wrap(entry.text or "", "  "), "" }
  for _, param in ipairs(entry.params) do
    local about = param.type .. (param.text and "  " .. param.text or "")
    if param.opt then about = about .. (param.default and (" (default %s)"):format(param.default) or " (optional)") end
    lines[#lines + 1] = wrap(about, HANGING, labelled(param.name))
  end
  for _, field in ipairs(entry.fields or {}) do
    lines[#lines + 1] = wrap(field.text or "", HANGING, labelled(field.name))
  end
  describe_returns(lines, entry)
  if entry.raises then lines[#lines + 1] = wrap(entry.raises, HANGING, labelled("raises")) end
  if entry.awaits then lines[#lines + 1] = "  waits     other tasks run meanwhile" end
  if entry.changes then lines[#lines + 1] = "  dry run   refused and recorded as a step of the plan" end
  for _, usage in ipairs(entry.usage or {}) do
    lines[#lines + 1] = "\n  " .. usage:gsub("\n%s?", "\n  ")
  end
  lines[#lines + 1] = "\n  " .. entry.source
  return table.concat(lines, "\n")
end

local function one_code(row)
  return ("%s\n%s\n%s"):format(row.code, wrap(row.text, "  "),
    row.remedy and wrap(row.remedy, HANGING, labelled("remedy")) or "")
end

--- The modules and functions whose descriptions have a word.
-- @tparam string word letter case does not count
-- @treturn {table,...} entries, by name
function doc.mentions(word)
  local found, wanted = {}, word:lower()
  for _, kind in ipairs { doc.index().modules, doc.index().entries } do
    for _, entry in ipairs(kind) do
      local texts = { entry.name, entry.text or "", entry.code or "", entry.raises or "", table.unpack(entry.usage or {}) }
      for _, list in ipairs { entry.params or {}, entry.fields or {}, table.unpack(entry.returns or {}) } do
        for _, item in ipairs(list) do texts[#texts + 1] = item.text or "" end
      end
      if not entry.alias and table.concat(texts, "\n"):lower():find(wanted, 1, true) then found[#found + 1] = entry end
    end
  end
  table.sort(found, function(a, b) return a.name < b.name end)
  return found
end

-- Nothing has that name: what speaks of it, or the error with the nearest name.
local function search(opts, word, failed)
  local found = #word >= 3 and doc.mentions(word) or {}
  if #found == 0 then return nil, failed end
  local rows = {}
  for i, entry in ipairs(found) do rows[i] = { entry.name, entry.summary } end
  for _, row in ipairs(rows) do
    if #row[2] > 80 then row[2] = row[2]:sub(1, 77) .. "..." end
  end
  report.print({ opts = opts }, found, ("Nothing is called '%s'; it is spoken of in:\n\n"):format(word)
    .. report.table({ "NAME", "" }, rows))
  return 0
end

--- `moonsnap doc [NAME]`: a module, function, method or numbered message, or what speaks of a word; without a name
-- the modules.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err `not_found`
function doc.main(opts)
  local name = opts.words[2]
  if not name then
    local rows = {}
    for i, module in ipairs(doc.index().modules) do rows[i] = { module.name, module.summary } end
    report.print({ opts = opts }, doc.index().modules, report.table({ "MODULE", "" }, rows)
      .. "\n\nmoonsnap doc NAME shows a module, a function, a method (Domain:suspend) or a message (kvm-00003), and of\n"
      .. "any other word where it is spoken of: moonsnap doc metadata.")
    return 0
  end
  local row = codes.get(name)
  if row then
    report.print({ opts = opts }, row, one_code(row))
    return 0
  end
  local found, failed = doc.find(name)
  if not found then return search(opts, name, failed) end
  local texts = {}
  for i, entry in ipairs(found) do texts[i] = doc.describe(entry) end
  report.print({ opts = opts }, found, table.concat(texts, "\n\n"))
  return 0
end

return doc
