--- The command line: options, files, one run.
-- @module std.cli

local clock = require "engine.clock"
local file = require "engine.file"
local plan = require "engine.plan"
local process = require "engine.process"
local core = require "engine.task"
local trace = require "engine.trace"
local apply = require "std.apply"
local cli_info = require "std.cli_info"
local config = require "std.config"
local config_layers = require "std.config_layers"
local err = require "std.err"
local facts = require "std.facts"
local failure = require "std.failure"
local jobs = require "std.jobs"
local log = require "std.log"
local naming = require "std.naming"
local options = require "std.options"
local places = require "std.places"
local plans = require "std.plans"
local report = require "std.report"
local script = require "std.script"
local standing = require "std.standing"
local task = require "std.task"
local traps = require "std.traps"
local workflow = require "std.workflow"

local cli = {}

-- Whoever asked for JSON gets the failure as well. That it cannot be written does not change how the run ended: exit code 5
-- and the trap go by that.
local function print_failure(ctx, failed)
  if not ctx.opts.json or ctx.printed then return end
  local ok, problem = pcall(report.print, ctx, plans.redacted { failed = failure.facts(failed) })
  if not ok then log.error(problem) end
end

-- Errors that nobody logged yet, and the exit code they stand for.
local function fail(failed, otherwise, opts)
  failure.tell(failed, opts)
  if opts then print_failure({ opts = opts }, failed) end
  return failed.exit or otherwise
end

-- LOG_NUM: how many .out and .debug logs of a config are kept.
local function rotate(dir, name, keep)
  for _, kind in ipairs { "out", "debug" } do
    local found = {}
    for _, entry in ipairs(file.list(dir) or {}) do
      local pattern = ("^%s%%.%s%%.%%d+%%.log$"):format((name:gsub("%p", "%%%0")), kind)
      if entry:find(pattern) then found[#found + 1] = entry end
    end
    for i = 1, #found - keep do file.remove(dir .. "/" .. found[i]) end
  end
end

local function open_logs(ctx)
  local opts = ctx.opts
  local options_ = {
    verbose = opts.verbose or false, console_debug = opts.debug or false, quiet = opts.quiet or false,
    -- Snap Creator's own form printed its log on stdout, where scripts look for it.
    trace = ctx.cfg and ctx.cfg:get("LOG_TRACE_ENABLE") or false,
    console_stdout = (opts.snapcreator and not opts.json) or false,
  }
  if not plan.active() and ctx.cfg then
    local dir = ctx.dirs.log .. "/" .. ctx.profile
    local ok, failed = file.mkdirs(dir)
    if not ok then return nil, failed end
    local base = dir .. "/" .. ctx.config_name
    rotate(dir, ctx.config_name, math.max(ctx.cfg:get("LOG_NUM") - 1, 0))
    options_.out = ("%s.out.%s.log"):format(base, ctx.stamp)
    options_.debug = ("%s.debug.%s.log"):format(base, ctx.stamp)
    options_.error = base .. ".error.log"
  end
  return log.open(options_)
end

local function take_lock(ctx)
  local dir = ctx.dirs.run
  local ok, failed = file.mkdirs(dir)
  if not ok then return nil, failed end
  local lock
  lock, failed = file.lock(("%s/%s.%s.lock"):format(dir, ctx.profile, ctx.config_name))
  if not lock then
    if failed.code == "busy" then
      failed = err.new("busy", ("config %s of profile %s: another run holds its lock (pid %s)"):format(ctx.config_name,
        ctx.profile, failed.native), { exit = 4 })
    end
    return nil, failed
  end
  trace.kept(lock)
  ctx.lock = lock
  ok, failed = jobs.note(ctx)
  if not ok then log.warn("%s; jobStatus will not know what this run does", failed) end
  return true
end

local function load_config(opts, dirs, action)
  local cfg, failed, problems = config.load { profile = opts.profile, config = opts.config, config_dir = dirs.config,
    params = opts.params, policy = opts.policy, key_file = opts["key-file"], state_dir = dirs.state }
  for i = 2, cfg and 0 or #problems do log.error(problems[i]) end -- who calls tells the first
  if not cfg then return nil, failed end
  for _, secret in ipairs(cfg.secrets) do log.secret(secret) end
  if opts["libvirt-uri"] then
    local ok
    ok, failed = cfg:set("KVM_LIBVIRT_URI", opts["libvirt-uri"], "--libvirt-uri")
    if not ok then return nil, failed end
  end
  cfg.user_defined = opts.user_defined
  -- One config has one lock, one catalog and one journal, whether it is given by name or by path.
  local path = process.realpath(cfg.path) or cfg.path
  local function plain(text) return (text:gsub("[^%w_%.%-]", "_")) end
  local ctx = workflow.context {
    opts = opts, cfg = cfg, dirs = dirs, profile = opts.profile or plain(path:match("([^/]+)/[^/]*$") or "default"),
    config_name = plain(path:match("([^/]*)$"):gsub("%.conf$", "")), action = action, policy = opts.policy,
    stamp = naming.stamp(), started = clock.now(), alarm = core.alarm,
  }
  return ctx
end

-- What is about a profile or about this host has no config.
local function without_config(opts, dirs, action)
  return workflow.context { opts = opts, dirs = dirs, profile = opts.profile, config_name = opts.config or "-",
    action = action, policy = opts.policy, stamp = naming.stamp(), started = clock.now(), alarm = core.alarm }
end

-- Options that only some actions read: a workflow that says which it reads does not read the others.
local SPECIAL = { "backupName", "cntName", "volName", "fileNames", "verify", "safety", "qemu" }

local function warn_of_options(wf, opts)
  local reads = {}
  for _, name in ipairs(wf.options or SPECIAL) do reads[name] = true end
  for _, name in ipairs(wf.needs or {}) do reads[name] = true end
  for _, name in ipairs(SPECIAL) do
    if opts[name] and not reads[name] then log.warn("--%s has no effect in %s", name, wf.action) end
  end
end

local function check_config(ctx)
  for _, warning in ipairs(ctx.cfg.warnings) do log.warn(warning) end
  local first
  for _, failed in ipairs(ctx.cfg:check()) do
    if first then log.error(first) end
    first = failed
  end
  if first then return nil, first end
  -- The default of APP_NAME will not do: whose action it is must have been written down.
  if ctx.action == "custom" and not ctx.cfg:raw("APP_NAME") then
    return nil, err.coded("scf-00050", ctx.cfg.path .. ": action custom", nil, { code = "invalid", exit = 2 })
  end
  if ctx.policy then
    log.info("Validating policy: %s", ctx.policy)
    local ok, failed = ctx.cfg:policy_check(ctx.policy)
    if not ok then return nil, failed end
    log.info("Validating policy: %s finished successfully", ctx.policy)
  end
  return true
end

-- The end that field scripts look for.
local function say_success(ctx)
  log.banner(("moonsnap %s finished successfully"):format(process.version()))
  log.info('NetApp Snap Creator Framework finished successfully "(Action: %s) (Config: %s)"', ctx.action,
    ctx.config_name)
end

local function finish(ctx, ok, failed)
  failure.forgotten(false) -- guests that stand still are the workflow's own affair
  if not ok then
    failure.tell(failed, ctx.opts)
    print_failure(ctx, failed)
    traps.failed(ctx, failed)
    if ctx.exit == 5 then return 5 end -- a guest that is not back comes first, whatever failed
    if failed.exit then return failed.exit end
    return ctx.exit ~= 0 and ctx.exit ~= 3 and ctx.exit or 1
  end
  if ctx.exit == 0 then
    traps.succeeded(ctx)
    if not ctx.dry_run then say_success(ctx) end
  else
    local text = ("%s%s finished with errors (exit code %d)"):format(ctx.action,
      ctx.cfg and " of config " .. ctx.config_name or "", ctx.exit)
    log.warn(text)
    traps.failed(ctx, text)
  end
  if ctx.dry_run then report.steps(ctx) end
  return ctx.exit
end

-- From the first line of the log to the exit code.
local function run_bound(wf, ctx)
  local ok, failed = open_logs(ctx)
  if not ok then
    traps.failed(ctx, failed)
    return fail(failed, 1, ctx.opts), failed
  end
  log.info("Action started! moonsnap %s (Action: %s) (Config: %s) (Profile: %s)", process.version(), ctx.action,
    ctx.config_name, ctx.profile or "-")
  warn_of_options(wf, ctx.opts)
  if ctx.cfg then
    ok, failed = traps.check(ctx)
    if not ok then return fail(failed, 2, ctx.opts), failed end
    ok, failed = check_config(ctx)
    if not ok then
      traps.failed(ctx, failed)
      return fail(failed, 2, ctx.opts), failed
    end
  end
  ok, failed = workflow.run(wf, ctx)
  -- Interrupted now, `quiesce` would end as if it had resumed the guests; and who has to look would not be called.
  if ok or ctx.exit == 5 and not core.cancelled() then core.settle() end
  return finish(ctx, ok, failed), failed
end

local function run_workflow(wf, opts, dirs, words)
  if opts.words[words + 1] then
    return fail(err.new("invalid", ("'%s' belongs to no option; see moonsnap help"):format(opts.words[words + 1]),
      { exit = 2 }), nil, opts)
  end
  if opts.foreign then
    return fail(err.new("invalid", ("--%s belongs to no action that there is here; see moonsnap actions")
      :format(opts.foreign), { exit = 2 }), nil, opts)
  end
  local ok, failed = workflow.check_needs(wf, opts)
  if not ok then return fail(failed, 2, opts) end
  local bound = (wf.scope or "config") == "config"
  if bound and not opts.config then
    return fail(err.new("invalid", "no config is given; write --profile P --config C"
      .. config_layers.choice(dirs.config, opts.profile), { exit = 2 }), nil, opts)
  end
  if opts["dry-run"] then
    plan.start()
    opts.facts = facts.new()
    plan.observe(function(call) opts.facts:take(call) end)
  end
  local ctx
  ctx, failed = (bound and load_config or without_config)(opts, dirs, wf.action)
  if not ctx then
    local code = fail(failed, 2, opts)
    traps.unread({ profile = opts.profile, config = opts.config, config_dir = dirs.config },
      { action = wf.action, policy = opts.policy, stamp = naming.stamp(), opts = opts }, failed)
    return code
  end
  -- Two runs of one second, for two policies say, are still two.
  ctx.id = ("%s-%d"):format(ctx.stamp, process.self().pid)
  if opts.held then
    ok, failed = opts.held:begin(ctx)
    if not ok then return fail(failed, 1, opts) end
  end
  -- The lock comes before the logs: a run that may not start leaves no files behind.
  if wf.lock and not plan.active() then
    ok, failed = take_lock(ctx)
    if not ok then
      traps.failed(ctx, failed)
      return fail(failed, 1, opts)
    end
  end
  local code
  code, failed = run_bound(wf, ctx)
  if ctx.lock then
    local problem
    ok, problem = jobs.ended(ctx, code, code ~= 0 and failed or nil)
    if not ok then log.warn("%s; jobStatus will not know how this run ended", problem) end
  end
  return code
end

local function run_action(action, opts)
  local dirs = places.directories(opts)
  if opts["dry-run"] then plan.start() end -- before a script is loaded
  local wf
  local tree, failed = places.add_tree(opts, dirs)
  if tree then wf, failed = places.workflow(action, opts, dirs) end
  if not wf then return fail(failed, 2, opts) end
  return run_workflow(wf, opts, dirs, opts.snapcreator and 0 or 1)
end

-- A script outside the search path: a workflow, run with the options behind it, or plain Lua that gets
-- them as its arguments and may return an exit code.
local function run_file(path, args, held)
  local text, failed = file.read(path)
  if not text then
    failed.exit = 2
    return fail(failed, nil, options.parse(args))
  end
  local fn
  fn, failed = failure.compile(text, path)
  if not fn then return fail(failed, nil, options.parse(args)) end
  process.add_path(process.realpath(path):match("^(.*)/[^/]*$"))
  -- A plain script has arguments of its own, which need not be options.
  local known = options.parse(args) or {}
  local dirs = places.directories(known)
  standing.prepare(dirs, "run")
  local tree, missing = places.add_tree(known, dirs)
  if not tree then return fail(missing, 2, known) end
  local source = plans.source(path, text)
  local code, wf = script.run(fn, { path = path, source = source, args = args, dirs = dirs, lib_dir = known["lib-dir"],
    held = held })
  if code then return code end
  local opts
  opts, failed = options.parse(args)
  if not opts then return fail(failed, 2) end
  opts.args, opts.held, opts.source = { "run", path, table.unpack(args) }, held, source
  return run_workflow(wf, opts, places.directories(opts), 0)
end

local function given(args, word)
  for _, arg in ipairs(args) do
    if arg == word then return true end
  end
  return false
end

local main

-- The directories of a command that is not this one.
local function directories_of(args)
  local rest = args[1] == "run" and table.move(args, 3, #args, 1, {}) or args
  return places.directories(options.parse(rest) or {}) -- a plain script's need not be options
end

local function run_plan(opts)
  local ok, failed = log.open { verbose = opts.verbose, console_debug = opts.debug, quiet = opts.quiet }
  local code
  if ok then code, failed = apply.main(opts, directories_of, main) end
  return code or fail(failed, 1, opts)
end

function main(args, held)
  if args[1] == "run" and args[2] and not args[2]:find("^%-") then
    return run_file(args[2], table.move(args, 3, #args, 1, {}), held)
  end
  local opts, failed = options.parse(args)
  if not opts then return fail(failed, 2, { json = given(args, "--json") }) end
  if opts.action == "help" and args[1] and not opts.words[1] and not opts.snapcreator then
    return fail(err.new("invalid", "no action is given: moonsnap ACTION ..., or --action ACTION; see moonsnap help"), 2, opts)
  end
  if opts.action == "run" then
    return fail(err.new("invalid", "run is the first word, the script the second: moonsnap run FILE.lua [OPTION | ARG ...]",
      { exit = 2 }), nil, opts)
  end
  if opts.action == "apply" then return run_plan(opts) end
  local info, dirs = cli_info[opts.action], places.directories(opts)
  standing.prepare(dirs, info and opts.action or "run")
  if info then
    local code
    code, failed = info(opts, dirs)
    return code or fail(failed, 2, opts)
  end
  opts.args, opts.held = args, held
  return run_action(opts.action, opts)
end

--- The command line.
-- @tparam {string,...} args
-- @treturn integer exit code
function cli.main(args)
  local ok, code = err.try(main, args)
  if code == 5 or not ok and code.exit == 5 then core.alarm() end
  local released = task.insist(standing.release)
  if not ok and released then error(code, 0) end
  if not ok then failure.tell(code) end
  return released and code or 5
end

return cli
