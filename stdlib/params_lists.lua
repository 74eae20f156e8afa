--- How lists are written in a config: between `;`, `,` and `:`, with what is said of one that is not right.
-- @module std.params_lists

local blanks = require "std.blanks"

local lists = {}

-- Snap Creator allows the name or the address of a controller; an IPv6 address stands in brackets.
lists.HOST = "^[%w_%.%-]+$"
local HOST6 = "^%[[%x:%.%%%w]+%]$"

--- Whether a text can be the name or address of a controller.
-- @tparam string text
-- @treturn boolean
function lists.is_host(text)
  return text:find(lists.HOST) ~= nil or text:find(HOST6) ~= nil
end

--- A text in quotes for messages, cut when it is long.
-- @tparam string text
-- @treturn string
function lists.quote(text)
  if #text > 60 then text = text:sub(1, 57) .. "..." end
  return "'" .. text .. "'"
end

--- Items between separators, without the blanks round them. One separator at the end is usual.
-- @tparam string text
-- @tparam string separator one character
-- @treturn[1] {string,...}
-- @return[2] nil
-- @treturn[2] string what is wrong
function lists.split(text, separator)
  local items = {}
  for item in (text .. separator):gmatch("([^" .. separator .. "]*)" .. separator) do
    items[#items + 1] = blanks.trim(item)
  end
  if #items > 1 and items[#items] == "" then items[#items] = nil end
  for i, item in ipairs(items) do
    if item == "" then return nil, ("entry %d is empty"):format(i) end
  end
  return items
end

--- Part "host:rest"; the colons inside a bracketed address do not count.
-- @tparam string item
-- @treturn[1] string host
-- @treturn[1] string rest
-- @return[2] nil when there is no colon
function lists.take_host(item)
  if item:sub(1, 1) == "[" then
    return item:match("^(%[[^%]]*%])%s*:%s*(.*)$")
  end
  return blanks.cut(item, ":")
end

--- Entries "controller:rest" between semicolons.
-- @tparam string text
-- @tparam string format what such a list looks like
-- @treturn[1] {{host=string,rest=string},...}
-- @return[2] nil
-- @treturn[2] string what is wrong
-- @treturn[2] string what to write
function lists.by_host(text, format)
  local items, problem = lists.split(text, ";")
  if not items then return nil, problem, format end
  local list = {}
  for i, item in ipairs(items) do
    local host, rest = lists.take_host(item)
    if not host then return nil, ("entry %d %s has no ':'"):format(i, lists.quote(item)), format end
    if not lists.is_host(host) then
      return nil, ("entry %d: %s is not a controller name"):format(i, lists.quote(host)), format
    end
    list[i] = { host = host, rest = rest }
  end
  return list
end

--- The parts between commas of an entry.
-- @tparam integer i number of the entry
-- @tparam string rest
-- @tparam string format
-- @treturn[1] {string,...}
-- @return[2] nil
-- @treturn[2] string what is wrong
-- @treturn[2] string what to write
function lists.parts_of(i, rest, format)
  local parts, wrong = lists.split(rest, ",")
  if parts then return parts end
  return nil, ("entry %d: %s"):format(i, wrong:gsub("^entry", "volume")), format
end

--- One value for each controller.
-- @tparam string text
-- @tparam string format
-- @tparam function read (rest) gives the value, or nil, what is wrong, and what to write if not the format
-- @treturn[1] {controller=value}
-- @return[2] nil
-- @treturn[2] string what is wrong
-- @treturn[2] string what to write
function lists.map_by_host(text, format, read)
  local items, problem, want = lists.by_host(text, format)
  if not items then return nil, problem, want end
  local map = {}
  for i, item in ipairs(items) do
    local value
    value, problem, want = read(item.rest)
    if value == nil then return nil, ("entry %d: %s"):format(i, problem), want or format end
    if map[item.host] then
      return nil, ("controller %s is given twice"):format(lists.quote(item.host)), "each controller once"
    end
    map[item.host] = value
  end
  return map
end

return lists
