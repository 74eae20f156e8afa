--- The parsers of the library, by fuzz target and letter. Each gets a text, and a function that makes a file of one.
-- A parser gives a value, or nil and an error object; it raises nothing. What it gives is used here as its callers
-- use it, since a wrong shape does its damage there.

local clock = require "engine.clock"
local json = require "engine.json"
local hooks = require "engine.plan"
local process = require "engine.process"
local seal = require "engine.seal"
local xml = require "engine.xml"
local apply = require "std.apply"
local catalog = require "std.catalog"
local command = require "std.command"
local config = require "std.config"
local config_file = require "std.config_file"
local err = require "std.err"
local expand = require "std.config_expand"
local federation_journal = require "std.federation_journal"
local guest = require "std.guest"
local image = require "std.image"
local jobs = require "std.jobs"
local menu = require "std.menu"
local naming = require "std.naming"
local options = require "std.options"
local params = require "std.params"
local plans = require "std.plans"
local redact = require "std.redact"
local report = require "std.report"
local retention = require "std.retention"
local sanlun = require "std.sanlun"
local secrets = require "std.secrets"
local task = require "std.task"

task.sleep = function() end -- what is asked again is asked at once

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

-- io.open for files whose texts are known; nothing else exists.
local function opener(text_of)
  return function(path)
    local text = text_of(path)
    if not text then return nil, path .. ": No such file or directory", 2 end
    local at = 1
    return { read = function(_, n)
      local part = text:sub(at, at + n - 1)
      at = at + #part
      return part ~= "" and part or nil
    end, close = function() end }
  end
end

-- All that a run asks a config.
local function asked(opts)
  opts.state_dir, opts.config_dir = "/nowhere", "/c"
  opts.is_local, opts.stat = function() return true end, function() return { mode = 384 } end
  local cfg = outcome(config.load(opts))
  if not cfg then return end
  for _, failed in ipairs(cfg:check()) do outcome(nil, failed) end
  for name in pairs(cfg.entries) do outcome(cfg:raw(name) or cfg:get(name) or true) end
  for _, family in ipairs { "PRE_NTAP_CMD", "POST_NTAP_CMD" } do
    for _, one in ipairs(cfg:commands(family)) do outcome(cfg:expand(one.text, { SNAPNAME = "s" })) end
  end
  outcome(cfg:policy_check("daily"))
end

-- The config; behind a form feed the global ones; behind another the policies that it names.
local function whole_config(text)
  local parts = {}
  for part in (text .. "\f"):gmatch("([^\f]*)\f") do parts[#parts + 1] = part end
  asked { profile = "p", config = "x", policy = "daily", open = opener(function(path)
    return path == "/c/p/x.conf" and parts[1] or path:find("/global%.conf$") and parts[2]
      or path:find("^/c/p/policies/%w+%.policy$") and parts[3]
  end) }
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

-- What no message may repeat: words of a text that look like nothing else.
local function hidden(text, message)
  for word in text:gmatch("%u+%d%d%w+") do
    if #word >= 8 and message:find(word, 1, true) then error("a message with a password: " .. message) end
  end
end

-- What the value of a type promises to those who use it.
local promises = {}

function promises.mapping(list, row)
  local written = outcome(params.format_mapping(list))
  if not written then error("a mapping that was read cannot be written") end
  if not same(params.parse(row, written, "x"), list) then error("a mapping that does not come back") end
  for _, disk in ipairs(list) do
    if ("/" .. disk.file .. "/"):find("/../", 1, true) then error("a path that leaves its volume: " .. disk.path) end
    if disk.path ~= ("/vol/%s/%s"):format(disk.volume, disk.file) then error("a path in other pieces: " .. disk.path) end
  end
end

function promises.users(users)
  for controller, login in pairs(users) do
    assert(#controller > 0 and #login.user > 0 and (login.entry or #login.password > 0))
  end
end

function promises.retentions(list)
  for _, item in ipairs(list) do assert(list.map[item.policy] == item.count and item.count >= 0) end
end

function promises.age(age)
  local days = params.age_of(age, "daily")
  assert(days == nil or days >= 1)
end

function promises.volumes(list)
  for _, at in ipairs(list) do assert(#at.controller > 0 and #at.volumes > 0) end
end

function promises.paths(value) outcome(params.for_controller(value, "c1") or true) end
promises.pins = promises.paths

local function one_param(text)
  local key, value = text:match("^([^\n]*)\n?(.*)$")
  local row = params.find(params.canonical(key)) or params.find(params.nearest(key) or "SNAME")
  if not row then return end
  value = value:gsub("%c", " ") -- config_file.check lets none through
  local result, failed = params.parse(row, value, "x.conf:1", row.name)
  if outcome(result, failed) == nil then
    if row.secret then hidden(value, failed.message) end
  elseif promises[row.type] then
    promises[row.type](result, row)
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
  for line in text:gmatch("[^\n]+") do
    args[#args + 1] = line
    if #args == 1 << 20 then break end -- the kernel takes no more
  end
  local opts = outcome(options.parse(args))
  if not opts then return end
  if type(opts.action) ~= "string" then error("no action") end
  asked { profile = opts.profile, config = opts.config or "x", policy = opts.policy, params = opts.params,
    open = opener(function(path)
      return not path:find("global") and "SNAME=a\nVOLUMES=c1:v1\nNTAP_USERS=c1:u/p\nNTAP_SNAPSHOT_RETENTIONS=daily:1\n"
    end) }
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

-- A name a line; behind " @" how many days before today its copy was made. A volume has 1023 of them.
local function names(text)
  local list, now = {}, 2000000000
  for line in text:gmatch("[^\n]+") do
    local name, days = line:match("^(.-) @(%d%d?%d?)$")
    name = name and name ~= "" and name or line
    list[#list + 1] = { name = name, created = days and now - 86400 * days or #list * 86400, volume = "v", controller = "c" }
    naming.epoch(name)
    outcome(clock.parse_stamp(name))
    if #list == 1 << 16 then break end
  end
  local o = { snapshots = list, sname = "demo", policies = { "daily", "hourly" }, policy = "daily", count = 2, age_days = 3,
    now = now }
  local plan = retention.plan(o)
  if #plan.delete + #plan.keep + #plan.blocked ~= #list then error("a snapshot that was lost") end
  for _, s in ipairs(plan.delete) do
    if not s.name:find("^demo%-daily_") then error("a foreign snapshot would be deleted: " .. s.name) end
    if s.name:find("_unlimited$") then error("a snapshot to be kept would be deleted: " .. s.name) end
    if now - s.created <= 3 * 86400 then error("a young snapshot would be deleted: " .. s.name) end
  end
  local kept = 0
  for _, s in ipairs(plan.keep) do kept = kept + (naming.parse(s.name, "demo", { "daily" }) and 1 or 0) end
  if #plan.delete > 0 and kept < 2 then error("too few copies would be left") end
end

local function record(text)
  local r = outcome(catalog.decode(text))
  if not r then return end
  catalog.in_vault(r)
  for _, v in ipairs(r.volumes or {}) do assert(#(v.controller .. ":" .. v.volume) > 0) end
  for _, v in ipairs(r.replicated or {}) do assert(#(v.controller .. ":" .. v.volume) > 0) end
  for _, one in ipairs(r.action == "backup" and r.guests or {}) do
    for _, disk in ipairs(one.disks) do assert(#(one.name .. disk.target .. disk.controller .. disk.path) >= 0) end
  end
  assert(os.date("%Y-%m-%d", math.max(0, r.started or 0)))
  if ("/x/%s-%s.json"):format(r.id, r.action):find("/", 4, true) then error("a record elsewhere") end
end

local function undo_journal(text, as_file)
  local note = outcome(federation_journal.read(as_file(text)))
  if not note then return end
  for _, entry in ipairs(note.undo) do
    local child = outcome(federation_journal.noted(entry))
    for _, item in ipairs(child and child.cfg:commands("APP_UNQUIESCE_CMD") or {}) do
      outcome(child.cfg:expand(item.text, child.vars))
    end
  end
end

local function ended_job(text)
  local job = outcome(jobs.decode(text))
  if not job then return end
  report.table({ "A", "B", "C", "D" }, { { job.id .. job.action .. job.state, job.policy, job.detail, job.snapshot } })
  assert(os.date("%Y-%m-%d", job.started) and os.date("%Y-%m-%d", job.finished))
end

-- The answers of a guest's agent to a program that is started, and looked after.
local function agent(text)
  local answers = {}
  for line in text:gmatch("[^\n]+") do answers[#answers + 1] = line end
  local asked_for = 0
  local dom = { name = function() return "g" end, agent = function()
    asked_for = asked_for + 1
    if answers[asked_for] then return answers[asked_for] end
    return nil, err.new("unreachable", "no agent")
  end }
  local done = outcome(guest.exec(dom, { "/bin/true" }))
  if done then assert(done.status == 0 and #done.stdout + #done.stderr <= #text) end
end

-- A plan as it stands in a file; one that nobody has made is refused.
local function plan_file(text, as_file)
  outcome(plans.read(as_file(text)))
end

-- By somebody who knows how to make it fit: of this host, user, directory and time, with its digests.
local function fitting(document)
  local run, self = document.run, process.self()
  for name, here in pairs { host = self.host, user = self.uid, directory = process.realpath("."), made = clock.now() // 1 } do
    if type(run[name]) == type(here) then run[name] = here end
  end
  for _, part in ipairs { "run", "steps", "facts", "plan" } do
    document.digests[part] = seal.digest(json.encode(document[part] == nil and {} or document[part]))
  end
  return json.encode(document)
end

-- Carried out in a world that is as it was, or where nothing is as planned. No call is made: it is asked for, and told of.
local function applied(path, document, other)
  local ask, told = nil, nil
  hooks.hold, hooks.observe = function(fn) ask = fn end, function(fn) told = fn end
  process.run = function() return { status = 0, stdout = json.encode(document), stderr = "" } end
  local dirs = { state = "/var/lib/moonsnap", log = "/var/log/moonsnap", run = "/run/moonsnap" }
  local code, failed = apply.main({ words = { "apply", path } }, function() return dirs end, function(args, held)
    for _, arg in ipairs(args) do assert(type(arg) == "string") end
    held:begin { stamp = document.run.stamp, id = document.run.id, dirs = dirs }
    for _, step in ipairs(other) do
      local given = step.args or {}
      local refused = ask { op = step.op, object = step.object, args = given, side = step.side }
      if refused then outcome(nil, refused) end
      told { op = step.op, object = step.object, args = given, changes = true, result = { status = 0 } }
    end
    return 0
  end)
  if code == nil then outcome(nil, failed) end
  return code
end

local function followed(text, as_file)
  local document = json.decode(text)
  if type(document) ~= "table" or type(document.run) ~= "table" or type(document.digests) ~= "table" then return end
  local path = as_file(fitting(document))
  local planned = outcome(plans.read(path))
  if not planned then return end
  for _, how in ipairs(plans.differences(planned, planned, { state = "/s", log = "/l", run = "/r" })) do
    error("a plan that differs from itself: " .. how)
  end
  local code = applied(path, planned, planned.steps)
  if code ~= nil and code ~= 0 then error("a plan that is refused in its own world") end
  applied(path, planned, { { op = "ontap.snapshot_delete", object = "svm1", args = { volume = "v", name = "n" } } })
end

local function image_header(text, as_file)
  for _, name in ipairs(image.backing_files(as_file(text), "qcow2")) do assert(#name > 0) end
end

local function password(text, as_file)
  secrets.kind(text)
  if text:find("%z") then return end -- config_file.check lets none through
  local where = { state_dir = "/nowhere", stat = function() return { mode = 384 } end }
  if not text:find("^file:") then outcome(secrets.reveal(text, where)) end
  local secret = outcome(secrets.reveal("file:" .. as_file(text), where))
  if secret then assert(#secret > 0 and not secret:find("%c") and text:sub(1, #secret) == secret) end
end

local function menu_answer(text)
  for _, many in ipairs { true, false } do
    local list = said(menu.parse(text, 9, many))
    for i, row in ipairs(list or {}) do assert(row >= 1 and row <= 9 and (i == 1 or row > list[i - 1])) end
  end
end

local function tree(text)
  local value = outcome(json.decode(text))
  if value ~= nil and not same(json.decode(json.encode(value, true)), value) then error("JSON that does not come back") end
  outcome(xml.parse(text))
end

local function table_of(text)
  local rows = {}
  for line in text:gmatch("[^\n]+") do rows[#rows + 1] = { line, line:sub(2) } end
  report.table({ "A", "B" }, rows)
end

local targets = {
  config = { c = whole_config, e = edited_config },
  params = { p = one_param },
  options = { o = command_line },
  records = { r = record, f = undo_journal, e = ended_job },
  guest = { a = agent, i = image_header },
  names = { n = names },
  plans = { r = plan_file, f = followed },
  texts = { x = substituted, k = split_command, s = said_by_sanlun, d = without_secrets, j = tree, t = table_of,
    a = password, m = menu_answer },
}

return function(target, which, text, as_file)
  local letters, order = targets[target], {}
  for letter in pairs(letters) do order[#order + 1] = letter end
  table.sort(order)
  local parser = letters[which] or letters[order[which:byte() % #order + 1]]
  parser(text, as_file)
  return true
end
