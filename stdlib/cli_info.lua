--- Actions that need no config's controllers: help, actions, params, check, recover, version.
-- @module std.cli_info

local file = require "engine.file"
local plan = require "engine.plan"
local process = require "engine.process"
local seal = require "engine.seal"
local actions = require "std.actions"
local err = require "std.err"
local log = require "std.log"
local options = require "std.options"
local params = require "std.params"
local recover = require "std.recover"
local refused_actions = require "std.refused_actions"
local report = require "std.report"
local secrets = require "std.secrets"

local info = {}

--- Print the version.
-- @tparam table opts
-- @treturn integer exit code
function info.version(opts)
  report.print({ opts = { json = opts.json } }, { version = process.version() }, "moonsnap " .. process.version())
  return 0
end

--- Print what can be done.
-- @tparam table opts
-- @treturn integer exit code
function info.actions(opts)
  local rows, list, refused = actions.rows(), {}, { "\n\nRefused:" }
  for i, row in ipairs(rows) do list[i] = { action = row[1], summary = row[2], status = "supported" } end
  for _, group in ipairs(refused_actions.all()) do
    for _, name in ipairs(group.actions) do
      list[#list + 1] = { action = name, reason = group.reason, status = "refused" }
    end
    refused[#refused + 1] = ("  %s\n    %s"):format(table.concat(group.actions, " "), group.reason)
  end
  report.print({ opts = opts }, list, report.table({ "ACTION", "WHAT IT DOES" }, rows)
    .. table.concat(refused, "\n"))
  return 0
end

-- Rows of two columns for a machine.
local function pairs_of(rows, key)
  local list = {}
  for i, row in ipairs(rows) do list[i] = { [key] = row[1], summary = row[2] } end
  return list
end

local function help_lines(about)
  local lines = { about.usage, "", "  " .. about.summary }
  if #about.options > 0 then
    lines[#lines + 1] = ""
    for _, row in ipairs(about.options) do lines[#lines + 1] = ("  %-26s %s"):format(row[1], row[2]) end
  end
  if about.phases then
    lines[#lines + 1] = "\n  phases: " .. table.concat(about.phases, ", ")
    lines[#lines + 1] = "  Options of every action (--dry-run, --json, ...): moonsnap help"
  end
  return lines
end

--- Print the options, or what an action does.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err `not_found`
function info.help(opts)
  local action = opts.words[2]
  if action then
    local about = actions.describe(action)
    if about then
      report.print({ opts = { json = opts.json } }, { name = about.name, usage = about.usage, summary = about.summary,
        phases = about.phases, options = pairs_of(about.options, "option") }, table.concat(help_lines(about), "\n"))
      return 0
    end
    local row = refused_actions.find(action)
    if row then
      report.print({ opts = { json = opts.json } }, { name = action, refused = row.reason },
        ("moonsnap %s: refused: %s"):format(action, row.reason))
      return 0
    end
    return nil, actions.unknown(action)
  end
  local rows = actions.rows()
  report.print({ opts = { json = opts.json } },
    { actions = pairs_of(rows, "name"), options = pairs_of(options.help, "option") },
    table.concat({ "moonsnap ACTION --profile P --config C [--policy Y] [--params K=V ...] [options]",
      "moonsnap --profile P --config C --action ACTION --policy Y --verbose    (Snap Creator's form)", "",
      report.table({ "ACTION", "" }, rows), "", report.table({ "OPTION", "" }, options.help) }, "\n"))
  return 0
end

--- The reference; see `std.doc`.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err `not_found`
function info.doc(opts)
  return require("std.doc").main(opts)
end

--- Make a place to write workflows in; see `std.init`.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err
function info.init(opts)
  return require("std.init").main(opts)
end

--- Run test files of workflows; see `std.tester`.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err
function info.test(opts)
  return require("std.tester").main(opts)
end

--- Lua typed line by line; see `std.repl`.
-- @tparam table opts
-- @tparam table dirs
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err
function info.repl(opts, dirs)
  return require("std.repl").main(opts, dirs)
end

local function describe(row)
  local lines = { row.name .. (row.ours and "  (moonsnap's own)" or "") }
  local function add(label, value)
    if value ~= nil and value ~= "" then lines[#lines + 1] = ("  %-8s %s"):format(label, value) end
  end
  add("meaning", row.meaning)
  add("form", params.format(row))
  add("default", row.default)
  add("status", row.status .. (row.reason and ": " .. row.reason or ""))
  return table.concat(lines, "\n")
end

-- The parameters whose names hold a word, in any letter case.
local function params_with(word)
  local list = {}
  for _, row in ipairs(params.all()) do
    if row.name:find(word:upper(), 1, true) then list[#list + 1] = row end
  end
  return list
end

local function list_params(opts, list)
  local rows = {}
  for i, row in ipairs(list) do rows[i] = { row.name, row.status, row.default or "", row.meaning } end
  report.print({ opts = opts }, list, report.table({ "PARAMETER", "STATUS", "DEFAULT", "MEANING" }, rows))
  return 0
end

--- Print all parameters, one, or those whose names hold a word.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err `not_found`
function info.params(opts)
  local name = opts.words[2]
  if name then
    local row = params.find(name)
    local with = row and {} or params_with(name)
    if not row and #with == 0 then
      local nearest = params.nearest(name)
      return nil, err.new("not_found", ("there is no parameter '%s'%s; moonsnap params lists all"):format(name,
        nearest and "; did you mean " .. nearest .. "?" or ""), { exit = 2 })
    end
    if not row then return list_params(opts, with) end
    report.print({ opts = opts }, row, describe(row))
    return 0
  end
  return list_params(opts, params.all())
end

--- Resume what dead runs left suspended.
-- @tparam table opts
-- @tparam table dirs
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err
function info.recover(opts, dirs)
  if opts["dry-run"] then plan.start() end
  local result, failed = recover.all(dirs, opts)
  if not result then return nil, failed end
  for _, problem in ipairs(result.failed) do log.error(problem) end
  local ctx = { opts = opts, dry_run = plan.active() }
  report.print(ctx, result, ("%d stale journal(s) closed, %d guest(s) looked after, %d application(s) unquiesced, %d "
    .. "run(s) under way"):format(result.closed, result.resumed, result.applications, result.alive))
  if ctx.dry_run then report.steps(ctx) end
  return #result.failed > 0 and 5 or result.in_doubt > 0 and 3 or 0
end

-- A password typed twice without being shown, or the one line of standard input.
local function ask_secret()
  if not process.isatty(0) then
    local line = process.read_line()
    if line and process.read_line() then
      return nil, err.new("invalid", "standard input has more than one line; write the password alone", { exit = 2 })
    end
    return line or ""
  end
  local _echo <close> = setmetatable({}, { __close = function() process.echo(true) end })
  process.echo(false)
  local answers = {}
  for i, prompt in ipairs { "Password: ", "Again: " } do
    io.stderr:write(prompt)
    answers[i] = process.read_line()
    io.stderr:write("\n")
    if not answers[i] then return nil, err.new("cancelled", "no password was given", { exit = 2 }) end
  end
  if answers[1] ~= answers[2] then return nil, err.new("invalid", "the two passwords differ", { exit = 2 }) end
  return answers[1]
end

-- The first use makes the key. It is never replaced: what it sealed could not be read any more.
local function have_key(opts, dirs)
  local key, guarded = secrets.key(opts["key-file"], dirs.state)
  local found, failed = file.stat(key)
  if found then return key, guarded end
  if failed.code ~= "not_found" then return nil, failed end
  local ok
  ok, failed = file.mkdirs(key:match("^(.*)/[^/]*$") or ".")
  if ok then ok, failed = seal.make_key(key) end
  if not ok and failed.code ~= "exists" then return nil, failed end
  if not plan.active() and not opts.quiet then
    io.stderr:write(("moonsnap: %s is the new key; without it nothing that is sealed can be read\n"):format(key))
  end
  return key, guarded
end

--- Seal a password: print the text that stands for it in a config.
-- @tparam table opts
-- @tparam table dirs
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err
function info.seal(opts, dirs)
  if opts.words[2] or opts.words[1] ~= "seal" and opts.words[1] then
    -- It is not repeated here either: it would end up in a log.
    return nil, err.new("invalid", "seal takes no password as an argument, where every user of this host can see it; it "
      .. "asks for it, or reads standard input", { exit = 2 })
  end
  if opts["dry-run"] then plan.start() end
  local key, guarded = have_key(opts, dirs)
  if not key then return nil, guarded end
  if plan.active() then
    report.print({ opts = opts }, { dry_run = true, steps = plan.steps() },
      ("Dry run: nothing was changed. The password would be sealed with the key %s"):format(key))
    return 0
  end
  local secret, failed = ask_secret()
  if not secret then return nil, failed end
  if #secret < 2 or secret:find("%c") then
    return nil, err.new("invalid", "a password has two characters or more, and no control characters", { exit = 2 })
  end
  local sealed
  sealed, failed = seal.seal(key, secret, { guarded = guarded })
  if not sealed then return nil, failed end
  report.print({ opts = { json = opts.json } }, { sealed = sealed, key = key }, sealed)
  return 0
end

--- Read a config and say what is wrong with it; see `std.checking`.
-- @tparam table opts
-- @tparam table dirs
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err
function info.check(opts, dirs)
  return require("std.checking").main(opts, dirs)
end

return info
