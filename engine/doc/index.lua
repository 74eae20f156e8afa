-- index.lua INDEX FILE ...: reads the documentation comments of C bindings and Lua modules, writes the
-- index that `moonsnap doc` looks things up in (a Lua chunk that returns it). The comments are the one
-- source: HTML, the editor's meta files and the terminal are all made from this index.
--
-- A comment is LDoc's form, `/*** ... */` in C and `--- ...` in Lua. What the code knows better than a
-- comment is taken from the code: the parameters of a Lua function, whether a primitive changes something
-- (its row's flags), and the whole signature of an ONTAP verb.

local out_path = ...
local files = { select(2, ...) }

local entries, modules, documented = {}, {}, {}

-- A type expression at the beginning of a text, and what follows: braces and quotes may hold blanks.
local function take_type(text)
  local at, kind = 1, {}
  while at <= #text do
    local part = text:match("^%b{}", at) or text:match('^"[^"]*"', at) or text:match("^[^%s{]+", at)
    if not part then break end
    kind[#kind + 1] = part
    at = at + #part
    if not text:find("^[|;{]", at) and not part:find("[|?]$") then break end
  end
  return (table.concat(kind):gsub("%s+", "")), (text:sub(at):gsub("^%s+", ""))
end

local function squeeze(text)
  return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

-- A comment's text to {text=, tags={{name, modifiers, text}}}.
local function split_tags(text)
  local lead, tags = {}, {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local name, modifiers, rest = line:match("^%s*@(%a+)(%[?[^%]%s]*%]?)%s*(.*)$")
    if name then
      tags[#tags + 1] = { name = name, modifiers = modifiers:match("^%[(.*)%]$"), text = rest }
    elseif #tags > 0 then
      tags[#tags].text = tags[#tags].text .. "\n" .. line
    else
      lead[#lead + 1] = line
    end
  end
  return { text = table.concat(lead, "\n"):gsub("^%s+", ""):gsub("%s+$", "") .. "", tags = tags }
end

local function summary_of(text)
  local flat = squeeze(text)
  return flat:match("^(.-%.)%s") or flat
end

-- The tags of a function into the fields of its entry.
local function read_tags(entry, tags)
  local groups = {}
  for _, tag in ipairs(tags) do
    local text = tag.text
    if tag.name == "tparam" then
      local kind, rest = take_type(squeeze(text))
      local name, about = rest:match("^([^%s,]+),?%s*(.*)$")
      entry.params[#entry.params + 1] = { name = name, type = kind, text = about,
        opt = tag.modifiers and tag.modifiers:find("^opt") and true or nil,
        default = tag.modifiers and tag.modifiers:match("^opt=(.*)$") }
    elseif tag.name == "param" then
      local name, about = squeeze(text):match("^(%S+)%s*(.*)$")
      entry.params[#entry.params + 1] = { name = name, type = "any", text = about,
        opt = tag.modifiers and tag.modifiers:find("^opt") and true or nil }
    elseif tag.name == "treturn" or tag.name == "return" then
      local group = tonumber(tag.modifiers) or 1
      local kind, rest = nil, squeeze(text)
      if tag.name == "treturn" then kind, rest = take_type(rest) end
      if rest == "nil" or rest:find("^nil[;, ]") then kind, rest = "nil", rest:gsub("^nil%s*", "") end
      if rest:find("^false[;, ]?") and not kind then kind, rest = "false", rest:gsub("^false%s*", "") end
      groups[group] = groups[group] or {}
      table.insert(groups[group], { type = kind or "any", text = rest })
    elseif tag.name == "raise" then
      entry.raises = squeeze(text)
    elseif tag.name == "awaits" then
      entry.awaits = true
    elseif tag.name == "usage" then
      entry.usage = entry.usage or {}
      table.insert(entry.usage, (text:gsub("^%s*\n", ""):gsub("%s+$", "")))
    elseif tag.name == "field" then
      local name, about = squeeze(text):match("^(%S+)%s*(.*)$")
      entry.fields = entry.fields or {}
      table.insert(entry.fields, { name = name, text = about })
    end
  end
  for i = 1, 9 do
    if groups[i] then entry.returns[#entry.returns + 1] = groups[i] end
  end
end

local function add(module, name, block, where)
  local entry = { name = module .. "." .. name, module = module, text = squeeze(block.text),
    summary = summary_of(block.text), params = {}, returns = {}, source = where }
  read_tags(entry, block.tags)
  documented[entry.name] = true
  entries[#entries + 1] = entry
  return entry
end

-- One description may be that of several functions.
local function functions_of(block)
  local names = {}
  for _, tag in ipairs(block.tags) do
    if tag.name == "function" or tag.name == "table" then names[#names + 1] = squeeze(tag.text) end
  end
  return names
end

local function tag_of(block, name)
  for _, tag in ipairs(block.tags) do
    if tag.name == name then return squeeze(tag.text) end
  end
end

local function line_of(text, at)
  return select(2, text:sub(1, at):gsub("\n", "")) + 1
end

local function read_file(path)
  local f = assert(io.open(path))
  local text = f:read("a")
  f:close()
  return text
end

local TYPES = { s = "string", d = "string", i = "integer", n = "number", b = "boolean", t = "table", v = "any" }

-- "volume:s name:s {comment:s?}" to a list of parameters.
local function from_signature(signature)
  local params, options, required = {}, {}, false
  for inside in signature:gmatch("%b{}") do
    for name, kind, opt in inside:gmatch("([%w_]+):(%a)(%??)") do
      options[#options + 1] = ("%s=%s%s"):format(name, opt, TYPES[kind])
      required = required or opt == ""
    end
  end
  for name, kind, opt in signature:gsub("%b{}", ""):gmatch("([%w_]+):(%a)(%??)") do
    params[#params + 1] = { name = name, type = TYPES[kind], text = "", opt = opt ~= "" or nil }
  end
  if #options > 0 then
    params[#params + 1] = { name = "options", type = "{" .. table.concat(options, ",") .. "}", text = "",
      opt = not required or nil }
  end
  return params
end

-- Text, and the lines of code in it: indented, after an empty line.
local function parted(text)
  local prose, code, above = {}, {}, ""
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local among = line:find("^   %s*%S") and (above == "" or code[#code] == above)
    table.insert(among and code or prose, line)
    above = line
  end
  return table.concat(prose, "\n"), table.concat(code, "\n"):gsub("^   ", ""):gsub("\n   ", "\n") .. ""
end

local function add_module(name, text, where)
  local prose, code = parted(text)
  modules[#modules + 1] = { name = name, text = squeeze(prose), code = code, summary = summary_of(prose), source = where }
end

local function read_c(path)
  local text, module = read_file(path), nil
  for at, body, after in text:gmatch("()/%*%*%*(.-)%*/()") do
    local block = split_tags(body:gsub("\n%s*%* ?", "\n") .. "")
    local where = ("%s:%d"):format(path, line_of(text, at))
    local named = tag_of(block, "module")
    local fn = tag_of(block, "function")
    local class = tag_of(block, "type")
    if named then
      module = named
      add_module(module, block.text, where)
    elseif tag_of(block, "submodule") then
      module = tag_of(block, "submodule")
    elseif class and module then
      local name, about = class:match("^(%S+)%s*(.*)$")
      entries[#entries + 1] = { name = module .. "." .. name, module = module, class = true, text = about,
        summary = summary_of(about), params = {}, returns = {}, source = where }
    elseif fn and module then
      local entry
      for _, name in ipairs(functions_of(block)) do entry = add(module, name, block, where) end
      -- a row of primitives: `{"suspend", "signature", FLAGS, run}` right behind its comment
      local signature, flags = text:match('^%s*{"[%w_]+",%s*"([^"]*)",%s*([^,]+),', after)
      if signature then
        entry.changes = flags:find("MOONLUA_CHANGES") and true or nil
        if #entry.params == 0 then entry.params = from_signature(signature) end
        if #entry.returns == 0 then
          entry.returns = { { { type = "any", text = "the value described above, or true" } },
            { { type = "nil", text = "" }, { type = "Err", text = "" } } }
        end
      elseif text:sub(after, after + 2500):match("^.-\n}"):find("moonlua_refused") then
        entry.changes = true
      end
    end
  end
end

-- The verbs of the ONTAP client: signatures from the table of the C file, meaning from the list in the header.
local function read_verbs(header, source)
  local about, name, names = {}, nil, nil
  local comment = read_file(header):match("^/%*(.-)%*/")
  for line in comment:gmatch("[^\n]+") do
    line = line:gsub("^ %*", "")
    local first = line:match("^   (%l[%w_, ]-)%s%s") or line:match("^   (%l[%w_]*_[%w_]+, [%w_]+)")
    if first then
      names = {}
      local arguments = squeeze(line:sub(#first + 4))
      for word in first:gmatch("[%w_]+") do
        names[#names + 1] = word
        about[word] = { arguments = arguments }
      end
      name = true
    elseif line:find("^       %s*%S") and name then
      for _, word in ipairs(names) do table.insert(about[word], squeeze(line)) end
    else
      name = nil
    end
  end
  for verb, signature, changes in read_file(source):gmatch('=%s*{"([%w_]+)",%s*"([^"]*)",%s*(%l+)}') do
    local lines = about[verb]
    local meaning = lines and table.concat(lines, " ") or ""
    local arguments = lines and lines.arguments or "-"
    local entry = { name = "engine.ontap.Ontap:" .. verb, module = "engine.ontap",
      text = arguments == "-" and "Takes no arguments." or ("Takes %s."):format(arguments),
      summary = summary_of(meaning), params = from_signature(signature), awaits = true, source = header,
      changes = changes == "true" or nil,
      returns = { { { type = "any", text = meaning } }, { { type = "nil", text = "" }, { type = "Err", text = "" } } } }
    entries[#entries + 1] = entry
  end
end

-- `local M = { a = core.b, c = core.d }`: functions of another module under this one's name.
local function read_aliases(module, text)
  local required = {}
  for name, from in text:gmatch('local ([%w_]+) = require "([%w_.]+)"') do required[name] = from end
  local variable = text:match("\nreturn ([%w_]+)%s*$") or text:match("\nreturn setmetatable%(([%w_]+)")
  local body = variable and text:match("\nlocal " .. variable .. " = (%b{})\n")
  for name, from, original in (body or ""):gmatch("([%w_]+) = ([%w_]+)%.([%w_]+)") do
    if required[from] and not documented[module .. "." .. name] then
      entries[#entries + 1] = { name = module .. "." .. name, module = module, params = {}, returns = {},
        alias = required[from] .. "." .. original }
    end
  end
end

local function read_lua(path)
  local text, lines = read_file(path), {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  local module = text:match("\n%-%- @module ([%w_.]+)")
  if not module then return end
  local i = 1
  while i <= #lines do
    if lines[i]:find("^%-%-%-[^%-]") then
      local start, body = i, { (lines[i]:gsub("^%-%-%-%s?", "")) }
      while lines[i + 1] and lines[i + 1]:find("^%-%-") do
        i = i + 1
        body[#body + 1] = lines[i]:gsub("^%-%-%s?", "") .. ""
      end
      local block = split_tags(table.concat(body, "\n"))
      local where = ("%s:%d"):format(path, start)
      local code = lines[i + 1] or ""
      local variable, sep, name, args = code:match("^function ([%w_]+)([.:])([%w_]+)%s*(%b())")
      local named = functions_of(block)
      if tag_of(block, "module") then
        add_module(module, block.text, where)
      elseif #named > 0 then
        for _, full in ipairs(named) do
          add(module, full:match("[%w_]+$"), block, where).table = tag_of(block, "table") and true or nil
        end
      elseif variable then
        local full = name
        if variable and variable:find("^%u") then full = variable .. ":" .. name end
        local entry = add(module, full, block, where)
        if variable and sep == ":" and not variable:find("^%u") then entry.method = true end
        entry.args = args:sub(2, -2)
      end
    end
    i = i + 1
  end
  read_aliases(module, text)
end

local header, source
for _, path in ipairs(files) do
  if path:find("%.lua$") then read_lua(path)
  elseif path:find("ontap%.h$") then header = path
  elseif path:find("ontap_verbs%.c$") then source = path
  else read_c(path) end
end
if header and source then read_verbs(header, source) end

table.sort(entries, function(a, b) return a.name < b.name end)
table.sort(modules, function(a, b) return a.name < b.name end)

-- A value as Lua text; keys in order, so that the same sources give the same bytes.
local function put(f, value)
  if type(value) ~= "table" then
    f:write(type(value) == "string" and ("%q"):format(value):gsub("\\\n", "\\n") or tostring(value))
    return
  end
  f:write("{")
  for _, item in ipairs(value) do
    put(f, item)
    f:write(",")
  end
  local keys = {}
  for key, item in pairs(value) do
    if type(key) == "string" and item ~= "" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    f:write(("[%q]="):format(key))
    put(f, value[key])
    f:write(",")
  end
  f:write("}\n")
end

local f = assert(io.open(out_path, "w"))
f:write("return ")
put(f, { modules = modules, entries = entries })
assert(f:close())
