-- ldoc.lua INDEX DIR: writes one file per module, comments and empty functions only, for LDoc to make
-- HTML of. LDoc reads neither the rows of C tables nor types with blanks in them; the index has both.

local index_path, dir = ...
local index = dofile(index_path)

local by_name, of_module = {}, {}
for _, entry in ipairs(index.entries) do
  by_name[entry.name] = entry
  of_module[entry.module] = of_module[entry.module] or {}
  table.insert(of_module[entry.module], entry)
end

-- LDoc takes text for HTML, loses what stands behind `--`, and the tags behind a line of some hundred characters.
local HTML = { ["&"] = "&amp;", ["<"] = "&lt;", ["--"] = "&#45;&#45;" }

local function comment(lines, first, text)
  text = text:gsub("[&<]", HTML):gsub("%-%-", HTML)
  local line = first
  for word in text:gmatch("%S+") do
    if #line + #word > 110 and #line > 3 then
      lines[#lines + 1] = line
      line = "--"
    end
    line = line .. " " .. word
  end
  lines[#lines + 1] = line
end

local function tagged(lines, tag, text)
  comment(lines, "-- @" .. tag, text)
end

-- What LDoc's own tags do not say stands in the text.
local function facts(entry)
  local text = entry.text or ""
  if entry.awaits then text = text .. " Waits." end
  if entry.changes then text = text .. " Refused and recorded in a dry run." end
  return text
end

local function put_function(lines, entry, name)
  comment(lines, "---", facts(entry))
  tagged(lines, entry.table and "table" or "function", name)
  for _, p in ipairs(entry.params) do
    tagged(lines, ("tparam%s"):format(p.opt and "[opt" .. (p.default and "=" .. p.default or "") .. "]" or ""),
      ("%s %s %s"):format(p.type, p.name, p.text or ""))
  end
  for _, field in ipairs(entry.fields or {}) do tagged(lines, "field", field.name .. " " .. (field.text or "")) end
  for i, group in ipairs(entry.returns) do
    for _, value in ipairs(group) do
      tagged(lines, ("treturn[%d]"):format(i), value.type .. " " .. (value.text or ""))
    end
  end
  if entry.raises then tagged(lines, "raise", entry.raises) end
  for _, usage in ipairs(entry.usage or {}) do lines[#lines + 1] = "-- @usage\n-- " .. usage:gsub("\n", "\n-- ") end
  lines[#lines + 1] = ""
end

for _, module in ipairs(index.modules) do
  local lines = {}
  comment(lines, "---", module.text or "")
  if module.code then lines[#lines + 1] = "-- @usage\n-- " .. module.code:gsub("\n", "\n-- ") end
  lines[#lines + 1] = ("-- @module %s\n"):format(module.name)
  local plain, classes = {}, {}
  for _, entry in ipairs(of_module[module.name] or {}) do
    local name = entry.name:sub(#module.name + 2)
    local class = entry.class and name or name:match("^(%u%w*):")
    local shown = entry.alias and by_name[entry.alias] or entry
    if class then
      classes[class] = classes[class] or { methods = {} }
      if entry.class then classes[class].text = entry.text
      else table.insert(classes[class].methods, { shown, name:match("[%w_]+$") }) end
    elseif shown.params then
      plain[#plain + 1] = { shown, name }
    end
  end
  for _, item in ipairs(plain) do put_function(lines, item[1], item[2]) end
  local names = {}
  for name in pairs(classes) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    comment(lines, "---", classes[name].text or "Methods of a " .. name .. ".")
    tagged(lines, "type", name)
    lines[#lines + 1] = ""
    for _, item in ipairs(classes[name].methods) do put_function(lines, item[1], name .. ":" .. item[2]) end
  end
  local f = assert(io.open(("%s/%s.lua"):format(dir, module.name), "w"))
  f:write(table.concat(lines, "\n"), "\n")
  assert(f:close())
end

local f = assert(io.open(dir .. "/config.ld", "w"))
f:write([[
project = "moonsnap"
title = "moonsnap reference"
description = "Primitives (engine.*) and library (std.*) for workflows"
format = "plain"
backtick_references = true
no_space_before_args = true
use_markdown_titles = true
sort = true
]])
assert(f:close())
