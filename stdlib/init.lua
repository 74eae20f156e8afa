--- `moonsnap init DIR`: a place to write workflows in, with what an editor needs and a first workflow with its test.
-- @module std.init

local file = require "engine.file"
local plan = require "engine.plan"
local process = require "engine.process"
local doc = require "std.doc"
local err = require "std.err"
local report = require "std.report"

local init = {}

local META = ".moonsnap/meta"

local FILES = {
  [".luarc.json"] = ([[
{
  "runtime.version": "Lua 5.4",
  "workspace.library": ["%s"],
  "workspace.checkThirdParty": false
}
]]):format(META),
  [".luacheckrc"] = [[
std = "lua54"
max_line_length = 128
ignore = { "211/_.+", "212" } -- guards are only closed; a phase need not use its context
exclude_files = { ".moonsnap" }
]],
  ["backup.lua"] = [[
--- The shipped backup, with a step of this site before the guests are suspended.
local log = require "std.log"
local workflow = require "std.workflow"

return workflow.extend("backup", {
  api = 1,
  summary = "the shipped backup of this site",

  quiesce = function(ctx, next)
    log.info("%d guest(s) are about to be suspended", #ctx.guests)
    return next()
  end,
})
]],
  ["backup_test.lua"] = [[
-- moonsnap test backup_test.lua
local t, world = require "std.test", require "std.world"

t.case("guests stand still round the snapshot only", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
  local run = w:run("backup", { policy = "daily", script = "backup.lua" })
  t.eq(run.code, 0, run.log)
  w:order { "domain.suspend web1", "ontap.snapshot_create svm1 vol1", "domain.resume web1" }
end)

t.case("a snapshot that fails leaves no guest paused", function()
  local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
  w.sim:fail("snapshot-create", { action = "nospace" })
  t.eq(w:run("backup", { policy = "daily", script = "backup.lua" }).code, 1)
  t.eq(w:paused(), {})
end)

return t.done()
]],
}

local PLAIN = { string = true, integer = true, number = true, boolean = true, table = true, ["function"] = true,
  any = true, ["nil"] = true, ["false"] = true }

-- A text's parts between separators that stand outside of braces and quotes.
local function parts(text, separator)
  local out, depth, quoted, from = {}, 0, false, 1
  for i = 1, #text do
    local c = text:sub(i, i)
    if c == '"' then quoted = not quoted
    elseif not quoted and c == "{" then depth = depth + 1
    elseif not quoted and c == "}" then depth = depth - 1
    elseif not quoted and depth == 0 and c == separator then
      out[#out + 1] = text:sub(from, i - 1)
      from = i + 1
    end
  end
  out[#out + 1] = text:sub(from)
  return out
end

--- A type of the reference in the words of the Lua language server.
-- @tparam string text such as `{string,...}`, `?integer`, `{name=string,size=?integer}`
-- @treturn string such as `string[]`, `integer?`, `{name: string, size?: integer}`
-- @usage assert(require("std.init").type_of("{{name=string,size=?integer},...}") == "{name: string, size?: integer}[]")
function init.type_of(text)
  local choices = parts(text, "|")
  if #choices > 1 then
    for i, choice in ipairs(choices) do choices[i] = init.type_of(choice) end
    return table.concat(choices, "|")
  end
  if text:sub(1, 1) == "?" then return init.type_of(text:sub(2)) .. "?" end
  if PLAIN[text] or text:find("^%u%w*$") or text:find('^"[^"]*"$') then return text end
  local body = text:match("^{(.*)}$")
  if not body then return "any" end
  local items = parts(body, ",")
  if #items == 2 and items[2] == "..." then return init.type_of(items[1]) .. "[]" end
  local fields = {}
  for i, item in ipairs(items) do
    local name, kind = item:match("^([%a_][%w_]*)=(.*)$")
    if not name then return "table" end
    local optional = kind:sub(1, 1) == "?"
    fields[i] = ("%s%s: %s"):format(name, optional and "?" or "", init.type_of(kind == "" and "any" or kind:gsub("^%?", "")))
  end
  return "{" .. table.concat(fields, ", ") .. "}"
end

local function function_lines(lines, entry, call)
  lines[#lines + 1] = "---" .. (entry.text or "")
  local names = {}
  for _, param in ipairs(entry.params) do
    if param.name:find("^[%a_][%w_]*$") or param.name == "..." then
      names[#names + 1] = param.name
      lines[#lines + 1] = ("---@param %s%s %s %s"):format(param.name, param.opt and "?" or "", init.type_of(param.type),
        param.text or "")
    end
  end
  local failing = #entry.returns > 1
  for _, value in ipairs(entry.returns[1] or {}) do
    lines[#lines + 1] = ("---@return %s%s # %s"):format(init.type_of(value.type), failing and "?" or "", value.text or "")
  end
  if failing and #(entry.returns[1] or {}) == 1 then lines[#lines + 1] = "---@return Err? err" end
  lines[#lines + 1] = ("function %s(%s) end\n"):format(call, table.concat(names, ", "))
end

--- The text of a module's `---@meta` file for the Lua language server.
-- @tparam string module such as "std.process"
-- @treturn string
-- @usage assert(load(require("std.init").meta("engine.virt")))
function init.meta(module)
  local index, classes = doc.index(), {}
  local lines = { "---@meta " .. module, "-- Made by `moonsnap init` of the reference; do not edit.", "", "local M = {}", "" }
  if module == "engine.err" then
    for _, text in ipairs { "---@class Err", "---@field code string", "---@field message string", "---@field source string",
      "---@field scf string?", "---@field exit integer?", "---@field cause Err?", "" } do lines[#lines + 1] = text end
  end
  for _, entry in ipairs(index.entries) do
    local shown = entry.alias and index.by_name[entry.alias] or entry
    if entry.module == module and shown.params and not entry.class and not entry.table then
      local name = entry.name:sub(#module + 2)
      local class = name:match("^(%u%w*):")
      if class and not classes[class] then
        classes[class] = true
        lines[#lines + 1] = ("---@class %s\nlocal %s = {}\n"):format(class, class)
      end
      if shown.awaits then lines[#lines + 1] = "---@async" end
      function_lines(lines, shown, class and name or "M" .. (shown.method and ":" or ".") .. name)
    end
  end
  lines[#lines + 1] = "return M"
  return table.concat(lines, "\n") .. "\n"
end

-- As a shell takes it.
local function shell_word(path)
  return path:find("^[%w_/%.%-]+$") and path or ("'%s'"):format((path:gsub("'", "'\\''")))
end

--- Write all of it; what is there already is not touched, the editor's files excepted, which are made anew.
-- @tparam table opts words: the directory is the second one
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err exit 2: no directory is given; else what could not be written
function init.main(opts)
  local dir = opts.words[2]
  if not dir then return nil, err.new("invalid", "init needs a directory: moonsnap init DIR", { exit = 2 }) end
  if dir:sub(1, 1) ~= "/" then dir = process.realpath(".") .. "/" .. dir end
  if opts["dry-run"] then plan.start() end
  local ok, failed = file.mkdirs(dir .. "/" .. META, { mode = 493 }) -- 0755
  if not ok then return nil, failed end
  for _, module in ipairs(doc.index().modules) do
    ok, failed = file.replace(("%s/%s/%s.lua"):format(dir, META, module.name), init.meta(module.name), { mode = 420 })
    if not ok then return nil, failed end
  end
  local names, written, kept = {}, {}, {}
  for name in pairs(FILES) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = dir .. "/" .. name
    if file.stat(path) then
      kept[#kept + 1] = name
    else
      ok, failed = file.replace(path, FILES[name], { mode = 420 }) -- 0644
      if not ok then return nil, failed end
      written[#written + 1] = name
    end
  end
  local lines = {}
  for _, name in ipairs(written) do lines[#lines + 1] = "written  " .. name end
  for _, name in ipairs(kept) do lines[#lines + 1] = "kept     " .. name end
  lines[#lines + 1] = ("written  %s (%d modules)\n\nNext: moonsnap test %s"):format(META, #doc.index().modules,
    shell_word(opts.words[2] .. "/backup_test.lua"))
  report.print({ opts = opts }, { directory = dir, written = written, kept = kept }, table.concat(lines, "\n"))
  return 0
end

return init
