-- The sources as their reader sees them: every public function is described, every code that a
-- description names exists, and the layers hold.
local core_err = require "engine.err"
local file = require "engine.file"
local t = require "std.test"

local function read(path) return assert(file.read(path)) end

local function files(dir, ending)
  local out = {}
  for _, name in ipairs(file.list(dir) or {}) do
    local path = dir .. "/" .. name
    if file.stat(path).type == "dir" then table.move(files(path, ending), 1, 999, #out + 1, out)
    elseif name:find(ending .. "$") then out[#out + 1] = path end
  end
  return out
end

local CODES = {}
for _, code in ipairs(core_err.codes()) do CODES[code] = true end

-- Blocks of a C file by name: { name = { text = , summary = } }; a method is Type:name.
local function c_blocks(text)
  local blocks = {}
  for body in text:gmatch("/%*%*%*(.-)%*/") do
    local block = body:gsub("\n%s*%* ?", "\n")
    local name = block:match("@function%s+([%w_:]+)")
    if name then
      local summary = block:match("^%s*(.-)%s*@function"):gsub("%s+", " ")
      blocks[name:match("[%w_]+$")] = { text = block, summary = summary }
    end
  end
  return blocks
end

local c_sources = files("engine/lua", "%.c")
local lua_sources = files("stdlib", "%.lua")

t.case("there is something to look at", function()
  t.ok(#c_sources > 15, #c_sources)
  t.ok(#lua_sources > 20, #lua_sources)
end)

-- Names that scripts see: rows of luaL_Reg tables and of primitives, without metamethods.
local function registered(text)
  local names = {}
  for body in text:gmatch("luaL_Reg%s+[%w_]+%[%]%s*=%s*(%b{})") do
    for name, fn in body:gmatch('{"([%w_]+)",%s*([%w_]+)}') do
      -- close and release are __gc and __close by another name
      if not name:find("^__") and not fn:find("_gc$") then names[#names + 1] = name end
    end
  end
  for body in text:gmatch("struct moonlua_prim%s+[%w_]+%[%]%s*=%s*(%b{})") do
    for name in body:gsub("/%*.-%*/", ""):gmatch('{"([%w_]+)",%s*"') do names[#names + 1] = name end
  end
  return names
end

local total = 0
for _, path in ipairs(c_sources) do
  local text = read(path)
  -- state.c registers modules and libraries as well
  local names = path:find("state%.c$") and {} or registered(text)
  total = total + #names
  if #names > 0 then
    t.case(path .. ": every function has a description", function()
      local blocks, lacking = c_blocks(text), {}
      for _, name in ipairs(names) do
        if not blocks[name] then lacking[#lacking + 1] = name end
      end
      t.eq(table.concat(lacking, " "), "")
    end)
    t.case(path .. ": every description begins with a summary", function()
      local blocks, lacking = c_blocks(text), {}
      for _, name in ipairs(names) do
        if blocks[name] and #blocks[name].summary < 4 then lacking[#lacking + 1] = name end
      end
      t.eq(table.concat(lacking, " "), "")
    end)
    t.case(path .. ": has a module header", function()
      t.ok(text:find("^/%*%*%*.-@%l*module engine%.%w+"), path)
    end)
  end
end

t.case("the tables were found", function() t.ok(total > 70, total) end)

-- The lines of comment that end just above a line.
local function block_above(lines, n)
  local out = {}
  for i = n - 1, 1, -1 do
    if not lines[i]:find("^%-%-") then break end
    table.insert(out, 1, lines[i])
  end
  return out
end

for _, path in ipairs(lua_sources) do
  local lines = {}
  for line in (read(path) .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  local module = lines[#lines]:match("^return ([%w_]+)$") or lines[#lines - 1]:match("^return ([%w_]+)$")
  t.case(path .. ": every public function has a description with a summary", function()
    local lacking = {}
    for n, line in ipairs(lines) do
      local name = module and line:match("^function " .. module .. "[.:]([%w_]+)%s*%(")
      if name then
        local block = block_above(lines, n)
        local summary = block[1] and block[1]:match("^%-%-%-%s+(%S.*)$")
        if not summary or summary:find("^@") then lacking[#lacking + 1] = name end
      end
    end
    t.eq(table.concat(lacking, " "), "")
  end)
  t.case(path .. ": has a module header", function()
    t.ok(lines[1]:find("^%-%-%- %S"), lines[1])
    t.ok(read(path):find("\n%-%- @module std%." .. path:match("([%w_]+)%.lua$")), "@module")
  end)
end

-- "Err `a`, `b` (why), `c`": the codes of a description.
local function codes_of(text)
  local out = {}
  for rest in text:gmatch("Err(%s+`[^\n]*)") do
    rest = rest:gsub("%b()", "")
    local code, after = rest:match("^%s+`([^`]+)`(.*)$")
    while code do
      out[#out + 1] = code
      code, after = after:match("^%s*,%s*`([^`]+)`(.*)$")
    end
  end
  return out
end

t.case("documented codes exist", function()
  local seen = 0
  for _, list in ipairs { c_sources, lua_sources } do
    for _, path in ipairs(list) do
      for _, code in ipairs(codes_of(read(path))) do
        seen = seen + 1
        t.ok(CODES[code], path .. ": " .. code)
      end
    end
  end
  t.ok(seen > 20, seen)
end)

t.case("codes that the library makes exist", function()
  for _, path in ipairs(lua_sources) do
    for code in read(path):gmatch('err%.new%("([^"]+)"') do t.ok(CODES[code], path .. ": " .. code) end
    for code in read(path):gmatch('err%.new%s*{%s*code = "([^"]+)"') do t.ok(CODES[code], path .. ": " .. code) end
    for code in read(path):gmatch('err%.has%([^()]-,%s*"([^"]+)"%)') do t.ok(CODES[code], path .. ": " .. code) end
  end
end)

t.case("codes that the library names by number exist", function()
  local codes = require "std.codes"
  for _, path in ipairs(lua_sources) do
    for code in read(path):gmatch('err%.coded%("([^"]+)"') do t.ok(codes.get(code), path .. ": " .. code) end
  end
end)

t.case("lua.h stays below engine/lua", function()
  for _, dir in ipairs { "engine/core", "engine/guard" } do
    for _, path in ipairs(files(dir, "%.[ch]")) do
      t.ok(not read(path):find('#include%s*[<"][^>"]*lua[%w]*%.h[>"]'), path)
    end
  end
end)

t.case("layers point down", function()
  for _, path in ipairs(files("engine/core", "%.[ch]")) do
    t.ok(not read(path):find('#include%s*"[^"]*guard/'), path)
    t.ok(not read(path):find('#include%s*"[^"]*lua/'), path)
  end
  for _, path in ipairs(lua_sources) do
    for name in read(path):gmatch('require%s*%(?%s*["\']([^"\']+)["\']') do
      t.ok(name:find("^std%.") or name:find("^engine%."), path .. ": " .. name)
    end
  end
end)

t.case("scripts and examples use the library alone", function()
  local seen = 0
  for _, dir in ipairs { "scripts", "examples" } do
    for _, path in ipairs(files(dir, "%.lua")) do
      seen = seen + 1
      for name in read(path):gmatch('require%s*%(?%s*["\']([^"\']+)["\']') do
        -- an example may build upon the one beside it
        t.ok(name:find("^std%.") or dir == "examples" and file.stat(("examples/%s.lua"):format(name)), path .. ": " .. name)
      end
    end
  end
  t.ok(seen > 3, seen)
end)

t.case("every binding and every library module loads under its name", function()
  for _, path in ipairs(c_sources) do
    local name = path:match("l_(%w+)%.c$")
    if name then
      local header = read(path):match("@module engine%.(%w+)")
      t.eq(header, name, path)
    end
  end
end)

return t.done()
