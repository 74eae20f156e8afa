--- Actions that need no config's controllers: help, actions, params, check, recover, version.
-- @module std.cli_info

local plan = require "engine.plan"
local process = require "engine.process"
local config = require "std.config"
local err = require "std.err"
local log = require "std.log"
local options = require "std.options"
local params = require "std.params"
local recover = require "std.recover"
local report = require "std.report"
local workflow = require "std.workflow"

local info = {}

local ACTIONS = { "backup", "restore", "discover", "backupList", "backupDel", "volumeList", "quiesce", "unquiesce",
  "cloneVol", "cloneLun", "cloneList", "cloneDel", "clone", "pingController" }

local OTHERS = {
  { "recover", "resume the guests that runs left suspended which died with their guard" },
  { "check", "read a config and say what is wrong with it" },
  { "params", "all parameters, or what one means" },
  { "actions", "this list" },
  { "help", "options, or what an action does" },
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
  local rows = action_rows()
  local list = {}
  for i, row in ipairs(rows) do list[i] = { action = row[1], summary = row[2] } end
  report.print({ opts = opts }, list, report.table({ "ACTION", "WHAT IT DOES" }, rows))
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
  local result, failed = recover.all(dirs)
  if not result then return nil, failed end
  for _, problem in ipairs(result.failed) do log.error(problem) end
  report.print({ opts = opts }, result, ("%d stale journal(s) closed, %d guest(s) looked after, %d run(s) under way")
    :format(result.closed, result.resumed, result.alive))
  return #result.failed > 0 and 5 or 0
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
    params = opts.params, policy = opts.policy }
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
