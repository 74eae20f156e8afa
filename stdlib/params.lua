--- Configuration parameters: look up, parse, write.
-- The rows themselves stand in `std.params_table`, the types in `std.params_types`.
-- @module std.params

local err = require "engine.err"
local nearest = require "std.nearest"
local rows = require "std.params_table"
local types = require "std.params_types"
local blanks = require "std.blanks"

local params = {}

local by_name = {}
local families = {}       -- base of a numbered family ("PRE_NTAP_CMD") to its row
for _, row in ipairs(rows) do
  by_name[row.name] = row
  local base = row.name:match("^(.*)##$")
  if base then families[base] = row end
end

--- A parameter.
-- @table row
-- @field name as written in a file; `##` at the end stands for 01 to 99
-- @field type see `std.params_types`
-- @field default text, or nil when it is not set
-- @field values list of allowed values (type enum)
-- @field min smallest number
-- @field max largest number
-- @field meaning one sentence, with the unit
-- @field status "supported", "ignored" or "refused"
-- @field reason why it is ignored or refused
-- @field refuse_when the one value of a supported parameter that is refused
-- @field group heading it belongs under
-- @field ours true when Snap Creator does not have it
-- @field secret true when the value holds a password
-- @field since version that knew it first

--- Find the row of a parameter.
-- @tparam string name, for a numbered one with its number ("PRE_NTAP_CMD01" or "PRE_NTAP_CMD1")
--   or with "##"
-- @treturn[1] row
-- @treturn[1] ?integer number within a family
-- @return[2] nil when there is no such parameter
-- @raise if name is not a string
function params.find(name)
  if type(name) ~= "string" then error("params.find: name must be a string", 2) end
  local row = by_name[name]
  if row then return row end
  local base, digits = name:match("^(.-)(%d%d?)$")
  local number = digits and math.tointeger(tonumber(digits))
  if number and number > 0 and families[base] then return families[base], number end
  return nil
end

--- The one way to write a parameter's name: numbers in families have two digits.
-- @tparam string name
-- @treturn string
-- @raise if name is not a string
function params.canonical(name)
  local row, number = params.find(name)
  if number then return (row.name:gsub("##$", ("%02d"):format(number))) end
  return name
end

--- Every row, in the order of the table.
-- @treturn {row,...} a new list
function params.all()
  return table.move(rows, 1, #rows, 1, {})
end

--- Form of a parameter's value in words, for help.
-- @tparam row row
-- @treturn string
-- @raise if row is not a row
function params.format(row)
  if type(row) ~= "table" or not types.format[row.type] then error("params.format: row expected", 2) end
  if row.type == "enum" then return table.concat(row.values, ", ") end
  return row.hint or types.format[row.type]
end

--- The known name that a misspelt one most likely stands for.
-- @tparam string name
-- @treturn ?string a name at an edit distance of at most 3 (less for short names), or nil;
--   a numbered one comes with the number that was written
-- @raise if name is not a string
function params.nearest(name)
  if type(name) ~= "string" then error("params.nearest: name must be a string", 2) end
  local upper = name:upper()
  local stem, digits = upper:match("^(.-)(%d%d?)$")
  local number = digits and math.max(1, math.tointeger(tonumber(digits))) or 1
  local best, found
  for _, row in ipairs(rows) do
    local base = row.name:match("^(.*)##$")
    local written = base and stem or upper
    -- More than half of a word changed is another word.
    local limit = math.min(3, #written // 2, best and best - 1 or 3)
    if limit >= 0 then
      local d = nearest.distance(written, base or row.name, limit)
      if d <= limit then
        best = d
        found = base and base .. ("%02d"):format(number) or row.name
      end
    end
  end
  return found
end

--- Parse the text of a parameter.
-- Blanks round the text are dropped. Types of the result: yn boolean; int, seconds, minutes, days
-- integer; list {name,...}; volumes {{controller=,volumes={...}},...}; retentions
-- {{policy=,count=},...} with the same as `map` {policy=count}; age {all=,map={policy=days}};
-- users {controller={user=,password=}}; paths and pins {all=,map={controller=text}}; interfaces {controller=interface}; mapping
-- {{vm=,controller=,path=,volume=,file=},...}; agent {host=,port=}; methods and pauses {all=,map={guest=value}}; apart
-- {{guest,...},...}; all others string.
-- @tparam row row from `params.find`
-- @tparam string text
-- @tparam string where the text comes from, such as "kvm.conf:12"
-- @tparam[opt] string key name to show in errors (default: the row's)
-- @return[1] the value
-- @return[2] nil
-- @treturn[2] Err `invalid`: one line with where, the name, what is wrong and what to write
-- @raise if an argument has the wrong type
function params.parse(row, text, where, key)
  if type(row) ~= "table" or not types[row.type] then error("params.parse: row expected", 2) end
  if type(text) ~= "string" then error("params.parse: text must be a string", 2) end
  if type(where) ~= "string" then error("params.parse: where must be a string", 2) end
  local value, problem, want
  text = blanks.trim(text)
  if text == "" then
    problem, want = "it has no value", params.format(row)
  else
    value, problem, want = types[row.type](text, row)
    if value ~= nil then return value end
  end
  return nil, err.new {
    code = "invalid", source = "engine", op = "config", exit = 2,
    message = ("%s: %s: %s; write %s"):format(where, key or row.name, problem, want),
  }
end

--- Days after which copies of a policy are old.
-- @tparam ?table age value of type age
-- @tparam string policy
-- @treturn ?integer days, nil when no age is set for the policy
function params.age_of(age, policy)
  if not age then return nil end
  return age.map[policy] or age.all
end

--- What a parameter of type paths or pins says about one controller.
-- @tparam ?table value
-- @tparam string controller
-- @treturn ?string nil when it says nothing
function params.for_controller(value, controller)
  if not value then return nil end
  return value.map[controller] or value.all
end

--- Write a mapping as text, the reverse of parsing it.
-- @tparam {table,...} list entries with vm, controller and path
-- @treturn[1] string "VM1:c1:/vol/vol1/lun1;..."; "" for an empty list
-- @return[2] nil
-- @treturn[2] Err `invalid`: a name or path that the syntax cannot hold
-- @raise if list is not a list of entries
function params.format_mapping(list)
  if type(list) ~= "table" then error("params.format_mapping: list expected", 2) end
  local out = {}
  for i, entry in ipairs(list) do
    if type(entry) ~= "table" or type(entry.vm) ~= "string" or type(entry.controller) ~= "string"
      or type(entry.path) ~= "string" then
      error(("params.format_mapping: entry %d needs vm, controller and path"):format(i), 2)
    end
    local text = ("%s:%s:%s"):format(entry.vm, entry.controller, entry.path)
    -- Whatever does not come back as it went in would name another guest or disk at the next run.
    local back = not text:find("%c") and types.mapping(text)
    if not back or #back ~= 1 or back[1].vm ~= entry.vm or back[1].controller ~= entry.controller
      or back[1].path ~= entry.path then
      return nil, err.new {
        code = "invalid", source = "engine", op = "mapping",
        message = ("guest '%s': '%s' on '%s' cannot be written in KVM_VM_MAPPING"):format(
          entry.vm, entry.path, entry.controller),
      }
    end
    out[i] = text .. ";"
  end
  return table.concat(out)
end

return params
