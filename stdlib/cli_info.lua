--- Actions that need no config's controllers: help, actions, params, check, recover, version.
-- @module std.cli_info

local file = require "engine.file"
local plan = require "engine.plan"
local process = require "engine.process"
local seal = require "engine.seal"
local config = require "std.config"
local err = require "std.err"
local log = require "std.log"
local options = require "std.options"
local params = require "std.params"
local recover = require "std.recover"
local refused_actions = require "std.refused_actions"
local report = require "std.report"
local secrets = require "std.secrets"
local workflow = require "std.workflow"

local info = {}

local ACTIONS = { "backup", "restore", "discover", "backupList", "backupDel", "volumeList", "policyList", "quiesce",
  "unquiesce", "cloneVol", "cloneLun", "cloneList", "cloneDel", "gc", "custom", "scdump", "jobStatus",
  "agentStatus", "dpstatus", "pingAgent", "pingController" }

local OTHERS = {
  { "recover", "resume guests and unquiesce applications that dead runs left standing still" },
  { "check", "read a config and say what is wrong with it" },
  { "seal", "seal a password for a config; it is asked for, or read from standard input" },
  { "params", "all parameters, or what one means" },
  { "actions", "this list" },
  { "help", "options, or what an action does" },
  { "init", "write a first workflow, its test and an editor's files: moonsnap init DIR" },
  { "test", "run tests of workflows in a private world: moonsnap test FILE_test.lua ..." },
  { "repl", "Lua typed line by line, with all modules; guests that it leaves paused run again at its end" },
  { "doc", "reference for workflow authors: moonsnap doc [MODULE | FUNCTION | MESSAGE]" },
  { "apply", "carry out a plan of --dry-run --json, if nothing has changed since: moonsnap apply PLAN.json" },
  { "run", "run a Lua script: moonsnap run FILE.lua [ARG ...]" },
  { "version", "version" },
}

local function action_rows()
  local rows = {}
  for _, name in ipairs(ACTIONS) do rows[#rows + 1] = { name, workflow.load_shipped(name).summary } end
  for _, row in ipairs(OTHERS) do rows[#rows + 1] = row end
  return rows
end

--- Print the version.
-- @treturn integer exit code
function info.version()
  print("moonsnap " .. process.version())
  return 0
end

--- Print what can be done.
-- @tparam table opts
-- @treturn integer exit code
function info.actions(opts)
  local rows, list, refused = action_rows(), {}, { "\n\nRefused:" }
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

--- Print the options, or what an action does.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err `not_found`
function info.help(opts)
  local action = opts.words[2]
  if action then
    for _, row in ipairs(action_rows()) do
      if row[1] == action then
        print(("moonsnap %s: %s"):format(action, row[2]))
        if process.shipped(("scripts/%s.lua"):format(action)) then
          local wf = workflow.load_shipped(action)
          print("phases: " .. table.concat(wf.phases, ", "))
          if wf.needs then print("needs: " .. table.concat(wf.needs, ", ")) end
        end
        return 0
      end
    end
    local row = refused_actions.find(action)
    if row then
      print(("moonsnap %s: refused: %s"):format(action, row.reason))
      return 0
    end
    return nil, err.new("not_found", ("there is no action '%s'; see moonsnap actions"):format(action), { exit = 2 })
  end
  print("moonsnap ACTION --profile P --config C [--policy Y] [--params K=V ...] [options]")
  print("moonsnap --profile P --config C --action ACTION --policy Y --verbose    (Snap Creator's form)")
  print("")
  print(report.table({ "ACTION", "" }, action_rows()))
  print("")
  print(report.table({ "OPTION", "" }, options.help))
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

--- Print all parameters, or one.
-- @tparam table opts
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err `not_found`
function info.params(opts)
  local name = opts.words[2]
  if name then
    local row = params.find(name)
    if not row then
      local nearest = params.nearest(name)
      return nil, err.new("not_found", ("there is no parameter '%s'%s"):format(name,
        nearest and "; did you mean " .. nearest .. "?" or ""), { exit = 2 })
    end
    report.print({ opts = opts }, row, describe(row))
    return 0
  end
  local rows, all = {}, params.all()
  for i, row in ipairs(all) do rows[i] = { row.name, row.status, row.default or "", row.meaning } end
  report.print({ opts = opts }, all, report.table({ "PARAMETER", "STATUS", "DEFAULT", "MEANING" }, rows))
  return 0
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

--- Read a config and say what is wrong with it.
-- @tparam table opts
-- @tparam table dirs
-- @treturn[1] integer exit code
-- @return[2] nil
-- @treturn[2] Err
function info.check(opts, dirs)
  local path = opts.config or opts.words[2]
  if not path then return nil, err.new("invalid", "check needs --config", { exit = 2 }) end
  local cfg, failed = config.load { profile = opts.profile, config = path, config_dir = dirs.config,
    params = opts.params, policy = opts.policy, key_file = opts["key-file"], state_dir = dirs.state }
  if not cfg then return nil, failed end
  for _, warning in ipairs(cfg.warnings) do log.warn(warning) end
  local problems = cfg:check()
  for _, problem in ipairs(problems) do log.error(problem) end
  if #problems > 0 then return 2 end
  report.print({ opts = opts }, { config = cfg.path, warnings = cfg.warnings },
    ("%s: no errors, %d warning(s)"):format(cfg.path, #cfg.warnings))
  return 0
end

return info
