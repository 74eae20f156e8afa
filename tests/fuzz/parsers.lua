--- The parsers of the library, each under a letter, as the fuzz target `lua` calls them.
-- A parser gives a value, or nil and an error object; it raises nothing. What it gives is used here as its callers
-- use it, since a wrong shape does its damage there.

local clock = require "engine.clock"
local json = require "engine.json"
local xml = require "engine.xml"
local catalog = require "std.catalog"
local command = require "std.command"
local config = require "std.config"
local config_file = require "std.config_file"
local err = require "std.err"
local expand = require "std.config_expand"
local naming = require "std.naming"
local options = require "std.options"
local params = require "std.params"
local redact = require "std.redact"
local report = require "std.report"
local retention = require "std.retention"
local sanlun = require "std.sanlun"
local secrets = require "std.secrets"

-- One result of a parser, or its error object.
local function outcome(value, failed)
  if value ~= nil then return value end
  if not err.is(failed) or type(failed.message) ~= "string" or failed.message == "" then
    error("neither a result nor an error object: " .. tostring(failed))
  end
  if failed.message:find("\n", 1, true) then error("an error of two lines: " .. failed.message) end
  return nil
end

-- A result, or words that say what is wrong.
local function said(value, problem)
  if value ~= nil then return value end
  if type(problem) ~= "string" or problem == "" then error("neither a result nor a reason") end
  return nil
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- io.open for a text that is the config; nothing else exists.
local function opener(text)
  return function(path)
    if path ~= "/c/p/x.conf" then return nil, path .. ": No such file or directory", 2 end
    local at = 1
    return { read = function(_, n)
      local part = text:sub(at, at + n - 1)
      at = at + #part
      return part ~= "" and part or nil
    end, close = function() end }
  end
end

local function whole_config(text)
  local cfg = outcome(config.load { profile = "p", config = "x", config_dir = "/c", policy = "daily",
    state_dir = "/nowhere", open = opener(text), is_local = function() return true end,
    stat = function() return { mode = 384 } end })
  if not cfg then return end
  for _, failed in ipairs(cfg:check()) do outcome(nil, failed) end
  for name in pairs(cfg.entries) do cfg:get(name) end
  for _, family in ipairs { "PRE_NTAP_CMD", "POST_NTAP_CMD" } do
    for _, one in ipairs(cfg:commands(family)) do outcome(cfg:expand(one.text, { SNAPNAME = "s" })) end
  end
  outcome(cfg:policy_check("daily"))
end

local function edited_config(text)
  local items = outcome(config_file.parse(text, "x.conf"))
  local changes = { KVM_VM_MAPPING = "vm1:c1:/vol/v1/a;", SNAME = "other" }
  local now = config_file.edit(text, changes)
  local again = config_file.parse(now, "x.conf")
  if not items then return end
  if not again then error("an edited config cannot be read any more") end
  local before, after = {}, {}
  for _, item in ipairs(items) do before[item.key] = item.text end
  for _, item in ipairs(again) do after[item.key] = item.text end
  for key, value in pairs(changes) do before[key] = value end
  if not same(before, after) then error("an edit that changes another key") end
end

local function one_param(text)
  local key, value = text:match("^([^\n]*)\n?(.*)$")
  local row = params.find(params.canonical(key)) or params.find(params.nearest(key) or "SNAME")
  if not row then return end
  value = value:gsub("%c", " ") -- config_file.check lets none through
  local result = outcome(params.parse(row, value, "x.conf:1", row.name))
  if result and row.type == "mapping" then
    local written = outcome(params.format_mapping(result))
    if not written then error("a mapping that was read cannot be written") end
    if not same(params.parse(row, written, "x"), result) then error("a mapping that does not come back") end
  end
end

local function substituted(text)
  local vars = { A = text, AB = "%A", LOOP = "%LOOP", DEEP = "%AB%AB%AB", B = "plain" }
  outcome(expand(text, function(name) return vars[name] ~= nil, vars[name], name ~= "B" end, {}, "x.conf:1"))
end

local function split_command(text)
  local words = said(command.split(text))
  for _, word in ipairs(words or {}) do
    if word:find("\0", 1, true) and not text:find("\0", 1, true) then error("a word of nothing") end
  end
end

local function command_line(text)
  local args = {}
  for line in text:gmatch("[^\n]+") do args[#args + 1] = line end
  local opts = outcome(options.parse(args))
  if opts and type(opts.action) ~= "string" then error("no action") end
end

local function said_by_sanlun(text)
  for _, read in ipairs { sanlun.paths, sanlun.maps } do
    local list, unread = read(text)
    if outcome(list, unread) then
      for _, row in ipairs(list) do
        if type(row.lun) ~= "string" or not (row.node or row.host) then error("a row without LUN or device") end
      end
    end
  end
end

local function without_secrets(text)
  local shown, found = redact.config(text)
  for _, read in ipairs { redact.commands, redact.log } do read(text) end
  for line in text:gmatch("[^\r\n]+") do
    local password = line:match("^NTAP_USERS=%w+:%w+/(%w%w%w%w%w%w%w+)$")
    if password and shown:find(password, 1, true) and select(2, text:gsub(password, "")) == 1 then
      error("a password that is shown")
    end
  end
  for _, one in ipairs(found) do
    if type(one) ~= "string" then error("a secret that is no text") end
  end
end

local function names(text)
  local list = {}
  for name in text:gmatch("[^\n]+") do
    list[#list + 1] = { name = name, created = #list * 86400, volume = "v", controller = "c" }
    naming.epoch(name)
    outcome(clock.parse_stamp and clock.parse_stamp(name) or true)
  end
  if #list == 0 then return end
  local o = { snapshots = list, sname = "demo", policies = { "daily", "hourly" }, policy = "daily", count = 2, age_days = 3,
    now = 1000 * 86400 }
  local plan = retention.plan(o)
  if #plan.delete + #plan.keep + #plan.blocked ~= #list then error("a snapshot that was lost") end
  for _, s in ipairs(plan.delete) do
    if not s.name:find("^demo%-daily_") then error("a foreign snapshot would be deleted: " .. s.name) end
  end
end

local function record(text)
  local r = outcome(catalog.decode(text))
  if not r then return end
  catalog.in_vault(r)
  for _, v in ipairs(r.volumes or {}) do assert(#(v.controller .. ":" .. v.volume) > 0) end
  for _, v in ipairs(r.replicated or {}) do assert(#(v.controller .. ":" .. v.volume) > 0) end
  for _, guest in ipairs(r.action == "backup" and r.guests or {}) do
    for _, disk in ipairs(guest.disks) do assert(#(guest.name .. disk.target .. disk.controller .. disk.path) >= 0) end
  end
  assert(os.date("%Y-%m-%d", math.max(0, r.started or 0)))
  if ("/x/%s-%s.json"):format(r.id, r.action):find("/", 4, true) then error("a record elsewhere") end
end

local function tree(text)
  local value = outcome(json.decode(text))
  if value ~= nil then json.encode(value, true) end
  outcome(xml.parse(text))
end

local function table_of(text)
  local rows = {}
  for line in text:gmatch("[^\n]+") do rows[#rows + 1] = { line, line:sub(2) } end
  report.table({ "A", "B" }, rows)
end

local letters = { c = whole_config, e = edited_config, p = one_param, x = substituted, k = split_command, o = command_line,
  s = said_by_sanlun, d = without_secrets, n = names, r = record, j = tree, t = table_of,
  a = function(text) secrets.kind(text) end }
local order = {}
for letter in pairs(letters) do order[#order + 1] = letter end
table.sort(order)

return function(which, text)
  local parser = letters[which] or letters[order[which:byte() % #order + 1]]
  parser(text)
  return true
end
