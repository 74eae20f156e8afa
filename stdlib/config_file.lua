--- Syntax of config files: read them into lines, change lines in them.
-- What the keys mean is `std.config`'s matter. Messages never repeat the text of a line, since a
-- line that is broken may hold a piece of a password.
-- @module std.config_file

local err = require "engine.err"
local params = require "std.params"
local blanks = require "std.blanks"

local config_file = {}

local MAX_FILE = 4 * 1024 * 1024
local MAX_LINE = 64 * 1024
local MAX_PROBLEMS = 50
local BOM = "\xEF\xBB\xBF"

local function fail(code, op, format, ...)
  return nil, err.new { code = code, source = "engine", op = op, exit = 2, message = format:format(...) }
end

-- errno values that io.open hands on, as codes of the closed list.
local CODES = { [1] = "denied", [2] = "not_found", [13] = "denied", [20] = "not_found" }

--- Read a whole file.
-- @tparam string path
-- @tparam[opt=io.open] function open in place of io.open, for tests
-- @treturn[1] string
-- @return[2] nil
-- @treturn[2] Err `not_found`, `denied`, `io`, `invalid` (too large)
function config_file.read(path, open)
  local file, message, native = (open or io.open)(path, "rb")
  if not file then
    -- The system's message begins with the path already.
    return fail(CODES[native] or "io", "open", "%s", message or path .. ": cannot be opened")
  end
  local text, problem = file:read(MAX_FILE + 1)
  file:close()
  if problem then return fail("io", "read", "%s: %s", path, problem) end
  text = text or ""
  if #text > MAX_FILE then return fail("invalid", "read", "%s: larger than 4 MiB; not a config file", path) end
  return text
end

--- Check one key and value.
-- @tparam string key as written, without blanks round it
-- @tparam string value as written, without blanks round it
-- @tparam string where shown in errors
-- @treturn[1] string the key in its canonical form (numbers with two digits)
-- @return[2] nil
-- @treturn[2] Err `invalid`
function config_file.check(key, value, where)
  if not key:find("^%u[%u%d_]*$") then
    if key:find("^%a[%w_]*$") then
      return fail("invalid", "config", "%s: key '%s' is not in upper case; write %s", where, key, key:upper())
    end
    return fail("invalid", "config",
      "%s: what stands before '=' is not a key; write upper-case letters, digits and '_'", where)
  end
  if value:find("[%z\1-\8\10-\31\127]") then
    return fail("invalid", "config", "%s: %s: it holds a control character; write plain text", where, key)
  end
  return params.canonical(key)
end

-- Lines with what ends them; a file may lack the last line end.
local function each_line(text)
  local at, number = 1, 0
  return function()
    if at > #text then return nil end
    local stop = text:find("\n", at, true) or #text
    local line = text:sub(at, stop)
    at, number = stop + 1, number + 1
    local ending = line:match("\r?\n$") or ""
    return number, line:sub(1, #line - #ending), ending
  end
end

--- Split the text of a config file into its settings.
-- Blank lines and lines that begin with `#` are skipped, blanks round key and value dropped. Carriage
-- returns at line ends and a byte order mark are tolerated.
-- @tparam string text
-- @tparam string name of the file, for errors
-- @treturn[1] {{key=,text=,line=,where=,file=},...} in file order; an empty text means not set
-- @return[2] nil
-- @treturn[2] Err `invalid`, with FILE:LINE
-- @treturn[2] {Err,...} that and all others, in the order of their lines
-- @raise if an argument is not a string
function config_file.parse(text, name)
  if type(text) ~= "string" or type(name) ~= "string" then error("config_file.parse: strings expected", 2) end
  if text:sub(1, #BOM) == BOM then text = text:sub(#BOM + 1) end
  local items, lines, problems = {}, {}, {}
  local function wrong(...) problems[#problems + 1] = select(2, fail("invalid", "config", ...)) end
  for number, line in each_line(text) do
    local where = name .. ":" .. number
    local equals, empty = line:find("=", 1, true), line:find("^%s*#") or not line:find("%S")
    if #line > MAX_LINE then
      wrong("%s: line is longer than 64 KiB", where)
    elseif line:find("\0", 1, true) then
      wrong("%s: line holds a NUL byte; write the file as plain text", where)
    elseif not empty and not equals then
      wrong("%s: line has no '='; write KEY=value or a comment", where)
    elseif not empty then
      local key, value = blanks.trim(line:sub(1, equals - 1)), blanks.trim(line:sub(equals + 1))
      local canonical, problem = config_file.check(key, value, where)
      local before = canonical and lines[canonical]
      if not canonical then
        problems[#problems + 1] = problem
      elseif before then
        wrong("%s: %s: already set in line %d as %s; write it once", where, key, before.line, before.written)
      else
        lines[canonical] = { line = number, written = key }
        items[#items + 1] = { key = canonical, text = value, line = number, where = where, file = name }
      end
    end
    if #problems == MAX_PROBLEMS then break end -- no config at all
  end
  if problems[1] then return nil, problems[1], problems end
  return items
end

--- The settings of those lines that can be read: of a file that `parse` refuses.
-- @tparam string text
-- @tparam string name of the file
-- @treturn {{key=,text=,line=,where=,file=},...} of a key that is set twice, both
function config_file.salvage(text, name)
  local items = {}
  for number, line in each_line(text) do
    local item = (config_file.parse(line, name) or {})[1]
    if item then
      item.line, item.where = number, name .. ":" .. number
      items[#items + 1] = item
    end
  end
  return items
end

--- Read what was given to --params, as settings like those of a file.
-- @tparam table given {"K=V",...} or {K=V,...}
-- @treturn[1] {{key=,text=,where=},...}
-- @return[2] nil
-- @treturn[2] Err `invalid`
-- @raise if something is not a string
function config_file.params(given)
  local items, seen = {}, {}
  local function add(key, value)
    value = blanks.trim(value)
    local canonical, failed = config_file.check(key, value, "--params")
    if not canonical then return nil, failed end
    if seen[canonical] then return fail("invalid", "config", "--params: %s: it is given twice; write it once", key) end
    seen[canonical] = true
    items[#items + 1] = { key = canonical, text = value, where = "--params" }
    return true
  end
  for i, pair in ipairs(given) do
    if type(pair) ~= "string" then error("config.load: params must be strings", 3) end
    local equals = pair:find("=", 1, true)
    if not equals then
      return fail("invalid", "config", "--params: argument %d has no '='; write KEY=value", i)
    end
    local ok, failed = add(blanks.trim(pair:sub(1, equals - 1)), pair:sub(equals + 1))
    if not ok then return nil, failed end
  end
  if #given == 0 then
    local keys = {}
    for key, value in pairs(given) do
      if type(key) ~= "string" or type(value) ~= "string" then error("config.load: params must be strings", 3) end
      keys[#keys + 1] = key
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
      local ok, failed = add(key, given[key])
      if not ok then return nil, failed end
    end
  end
  return items
end

--- Change settings in the text of a config file and keep every other byte.
-- A key that is set in the file, or stands there without a value, keeps its line and its spacing; one
-- that is absent is appended. Line ends are those of the file.
-- @tparam string text
-- @tparam {string=string} changes key to new value
-- @treturn string the new text
-- @raise if a key or value cannot be written, or an argument has the wrong type
function config_file.edit(text, changes)
  if type(text) ~= "string" then error("config.edit: text must be a string", 2) end
  if type(changes) ~= "table" then error("config.edit: changes must be a table", 2) end
  local want, order = {}, {}
  for key, value in pairs(changes) do
    if type(key) ~= "string" or type(value) ~= "string" then
      error("config.edit: keys and values must be strings", 2)
    end
    if not key:find("^%u[%u%d_]*$") then error("config.edit: '" .. key .. "' is not a key", 2) end
    if value:find("%c") or #value + #key >= MAX_LINE or value:find("^%s") or value:find("%s$") then
      error("config.edit: the value of " .. key .. " cannot be written in one line", 2)
    end
    local canonical = params.canonical(key)
    if want[canonical] then error("config.edit: " .. key .. " is given twice", 2) end
    want[canonical] = { key = key, value = value }
    order[#order + 1] = canonical
  end
  table.sort(order)

  local out, last, common = {}, "\n", nil
  if text:sub(1, #BOM) == BOM then
    out[1], text = BOM, text:sub(#BOM + 1)
  end
  for _, line, ending in each_line(text) do
    local head, key, equals = line:match("^(%s*)(%u[%u%d_]*)(%s*=%s*)")
    local change = key and want[params.canonical(key)]
    if change and not change.done then
      change.done = true
      line = head .. key .. equals .. change.value
    end
    out[#out + 1] = line .. ending
    last, common = ending, common or ending
  end
  if not common or common == "" then common = "\n" end
  for _, canonical in ipairs(order) do
    local change = want[canonical]
    if not change.done then
      if last == "" then out[#out + 1] = common end
      out[#out + 1] = change.key .. "=" .. change.value .. common
      last = common
    end
  end
  return table.concat(out)
end

return config_file
