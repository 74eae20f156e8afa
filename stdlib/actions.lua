--- What can be done: the actions by name, each with its summary, and how it is called.
-- @module std.actions

local process = require "engine.process"
local err = require "std.err"
local nearest = require "std.nearest"
local options = require "std.options"
local workflow = require "std.workflow"

local actions = {}

local WORKFLOWS = { "backup", "restore", "discover", "backupList", "backupDel", "volumeList", "policyList", "quiesce",
  "unquiesce", "cloneVol", "cloneLun", "cloneList", "cloneDel", "gc", "custom", "scdump", "jobStatus",
  "agentStatus", "dpstatus", "pingAgent", "pingController" }

-- Name, what stands behind it on the command line, summary, options of its own.
local OTHERS = {
  { "recover", "", "resume guests and unquiesce applications that dead runs left standing still" },
  { "check", "--profile P --config C", "read a config and say what is wrong with it", { "policy", "params" } },
  { "seal", "", "seal a password for a config; it is asked for, or read from standard input", { "key-file" } },
  { "params", "[NAME | WORD]", "all parameters, or what one means" },
  { "actions", "", "this list" },
  { "help", "[ACTION]", "options, or what an action does" },
  { "init", "DIR", "write a first workflow, its test and an editor's files: moonsnap init DIR" },
  { "test", "FILE_test.lua ...", "run tests of workflows in a private world: moonsnap test FILE_test.lua ...",
    { "qemu", "libvirt-uri" } },
  { "repl", "", "Lua typed line by line, with all modules; guests that it leaves paused run again at its end" },
  { "doc", "[MODULE | FUNCTION | MESSAGE | WORD]",
    "reference| FUNCTION | MESSAGE | WORD]", "reference for workflow authors: moonsnap doc [MODULE | FUNCTION | MESSAGE]" },
  { "apply", "PLAN.json", "carry out a plan of --dry-run --json, if nothing has changed since: moonsnap apply PLAN.json" },
  { "run", "FILE.lua [OPTION | ARG ...]", "run a Lua script: moonsnap run FILE.lua [ARG ...]" },
  { "version", "", "version" },
}

--- Every action with its summary, in the order of help.
-- @treturn {{string,string},...}
function actions.rows()
  local rows = {}
  for _, name in ipairs(WORKFLOWS) do rows[#rows + 1] = { name, workflow.load_shipped(name).summary } end
  for _, row in ipairs(OTHERS) do rows[#rows + 1] = { row[1], row[3] } end
  return rows
end

--- That there is no such action, with the one that was meant.
-- @tparam string name
-- @treturn Err `not_found`, exit 2
function actions.unknown(name)
  local names = table.move(WORKFLOWS, 1, #WORKFLOWS, 1, {})
  for _, row in ipairs(OTHERS) do names[#names + 1] = row[1] end
  return err.new("not_found", ("there is no action '%s'%s; see moonsnap actions"):format(name, nearest.hint(name, names)),
    { exit = 2 })
end

-- The words behind a workflow's name that it cannot do without.
local function usage_of(wf)
  local words, needs = {}, {}
  for _, need in ipairs(wf.needs or {}) do needs[need] = true end
  local scope = wf.scope or "config"
  if scope == "config" or needs.profile then words[1] = "--profile P" end
  if scope == "config" then words[2] = "--config C" end
  if needs.policy then words[#words + 1] = "--policy Y" end
  if needs.backupName then words[#words + 1] = "--backupName NAME" end
  return table.concat(words, " ")
end

--- How an action is called, what it does, and the options that it takes beside those of every action.
-- @tparam string name
-- @treturn ?{name=,usage=,summary=,phases=?{string,...},options={{string,string},...}} options: what is written, and what it
--   says; nil when there is no such action
-- @usage assert(require("std.actions").describe("backup").usage == "moonsnap backup --profile P --config C --policy Y")
function actions.describe(name)
  local about
  for _, other in ipairs(OTHERS) do
    if other[1] == name then about = { usage = other[2], summary = other[3], options = other[4] } end
  end
  if not about and not process.shipped(("scripts/%s.lua"):format(name)) then return nil end
  if not about then
    local wf = workflow.load_shipped(name)
    local own = table.move(wf.options or {}, 1, #(wf.options or {}), 1, {})
    if (wf.scope or "config") == "config" then own[#own + 1] = "params" end
    about = { usage = usage_of(wf), summary = wf.summary, phases = wf.phases, options = own }
  end
  about.name = name
  about.usage = ("moonsnap %s %s"):format(name, about.usage):gsub(" $", "")
  about.options = options.rows(about.options or {})
  return about
end

return actions
