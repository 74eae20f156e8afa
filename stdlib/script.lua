--- Plain scripts, which are no workflows: `moonsnap run FILE.lua [ARG ...]`. Their arguments, their dry run, their end.
-- @module std.script

local plan = require "engine.plan"
local process = require "engine.process"
local task = require "engine.task"
local err = require "std.err"
local facts = require "std.facts"
local failure = require "std.failure"
local log = require "std.log"
local report = require "std.report"
local workflow = require "std.workflow"

local script = {}

-- The words that begin with --, and all but those that ask for a plan: a script gets the same ones whether its plan is made
-- or carried out.
local function arguments(args)
  local given, own = {}, {}
  for _, arg in ipairs(args) do given[arg:match("^%-%-(.*)$") or ""] = true end
  for _, arg in ipairs(args) do
    local asks = arg == "--dry-run" or arg == "--json" and given["dry-run"]
    if not asks then own[#own + 1] = arg end
  end
  return own, given
end

-- Standard output is the plan's: what the script prints goes to standard error. Gives a function that ends this.
local function aside()
  local out, write, say = io.stdout, io.write, print
  rawset(io, "stdout", io.stderr)
  rawset(io, "write", function(...) return io.stderr:write(...) end)
  function _G.print(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    io.stderr:write(table.concat(words, "\t"), "\n")
  end
  return function()
    rawset(io, "stdout", out)
    rawset(io, "write", write)
    _G.print = say
  end
end

-- A plan ends where the script fails: what the script then closes is its own to undo. The message handler is called before
-- anything is closed.
local function catcher(held)
  if not held then return err.caught end
  return function(raised)
    plan.hold(nil)
    return err.caught(raised)
  end
end

--- Run a script, which may turn out to be a workflow. Waits as the script does.
-- @tparam function fn the compiled script
-- @tparam {path=string,source=table,args=table,dirs=table,lib_dir=string,held=table} about source: as from
--   `std.plans.source`; args: all words behind the file; dirs: moonsnap's directories; held: the plan that is carried out
-- @treturn[1] integer exit code: what the script returned when that is an integer, 0 when it is something else, and after an
--   error, which is told here, the error's own or 1
-- @return[2] nil
-- @treturn[2] Workflow what the script returned; it is still to be run
function script.run(fn, about)
  local own, given = arguments(about.args)
  -- Not by std.naming, which a site may replace for its script.
  local run = { stamp = os.date("%Y%m%d%H%M%S"), dirs = about.dirs, dry_run = given["dry-run"] }
  run.id = ("%s-%d"):format(run.stamp, process.self().pid)
  local opts = { json = given.json, quiet = given.quiet, debug = given.debug, ["lib-dir"] = about.lib_dir, plain = true,
    args = { "run", about.path, table.unpack(own) }, source = about.source }
  run.opts = opts
  local watched, restore = facts.new(), nil
  if run.dry_run then
    plan.start()
    plan.observe(function(call) watched:take(call) end)
    restore = given.json and aside()
  end
  if given.debug then log.open { console_debug = true } end
  if about.held and about.held:plain() then about.held:begin(run) end
  local ok, value = xpcall(fn, catcher(about.held), table.unpack(own))
  if restore then restore() end
  if workflow.is(value) then return nil, value end
  local code = math.type(value) == "integer" and value or 0
  if not ok then
    value = err.caught(value) -- for memory that ran out Lua calls no handler
    code = value.exit or 1
  end
  if code == 5 then task.alarm() end
  if not ok then failure.tell(value, opts) end
  failure.forgotten(ok)
  if run.dry_run then
    opts.facts = code == 0 and watched or nil -- steps of a run that fails are told, and are no plan
    report.steps(run)
  end
  return code
end

return script
