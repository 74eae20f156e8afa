--- `moonsnap check`: everything that is wrong with a config, as far as it can be told without its controllers and guests.
-- @module std.checking

local clock = require "engine.clock"
local config = require "std.config"
local config_layers = require "std.config_layers"
local err = require "std.err"
local federation = require "std.federation"
local hooks = require "std.hooks"
local log = require "std.log"
local naming = require "std.naming"
local params = require "std.params"
local report = require "std.report"
local traps = require "std.traps"
local workflow = require "std.workflow"

local checking = {}

-- Those of the application itself: they stand in a child of FEDERATED_APPLICATIONS, and say nothing in a config of guests.
local APPLICATION = { "APP_QUIESCE_CMD", "APP_UNQUIESCE_CMD" }

-- The numbered commands that some action runs.
local function families()
  local list = {}
  for _, row in ipairs(params.all()) do
    local family = row.status == "supported" and row.name:match("^(.*_CMD)##$")
    if family and family ~= APPLICATION[1] and family ~= APPLICATION[2] then list[#list + 1] = family end
  end
  return list
end

-- A child of FEDERATED_APPLICATIONS: it has no guests, and nothing of what is said of them.
local function is_child(cfg)
  return not cfg:raw("APP_NAME") and cfg:commands(APPLICATION[1])[1] ~= nil
end

local function problems_of(ctx)
  local list = {}
  local function note(ok, failed)
    if not ok then list[#list + 1] = failed end
  end
  if ctx.child then
    note(federation.check(ctx, ctx.profile and ("%s@%s"):format(ctx.profile, ctx.config_name) or ctx.config_name, ctx.cfg))
    return list
  end
  list = ctx.cfg:check()
  if ctx.policy then note(ctx.cfg:policy_check(ctx.policy)) end
  note(traps.check(ctx))
  for _, failed in ipairs(hooks.problems(ctx, families())) do note(nil, failed) end
  note(federation.new(ctx))
  return list
end

--- Read a config and say what is wrong with it: its lines and what they say together, the policy of `--policy`, the
-- commands and the children that it names. Nothing is run, no controller is asked.
-- @tparam table opts
-- @tparam table dirs
-- @treturn[1] integer exit code: 0, or 2 when anything is wrong
-- @return[2] nil
-- @treturn[2] Err that no config is named
function checking.main(opts, dirs)
  local path = opts.config or opts.words[2]
  if not path then
    return nil, err.new("invalid", "check needs a config; write --profile P --config C, or its path"
      .. config_layers.choice(dirs.config, opts.profile), { exit = 2 })
  end
  local cfg, _, problems = config.load { profile = opts.profile, config = path, config_dir = dirs.config,
    params = opts.params, policy = opts.policy, key_file = opts["key-file"], state_dir = dirs.state }
  local warnings = {}
  if cfg then
    for _, secret in ipairs(cfg.secrets) do log.secret(secret) end
    local ctx = workflow.context { opts = opts, cfg = cfg, dirs = dirs, profile = opts.profile,
      config_name = opts.config or path, action = "check", policy = opts.policy, stamp = naming.stamp(),
      started = clock.now(), child = is_child(cfg) }
    warnings = ctx.child and {} or cfg.warnings
    problems = problems_of(ctx)
  end
  local texts = {}
  for _, warning in ipairs(warnings) do log.warn(warning) end
  for i, problem in ipairs(problems) do
    log.error(problem)
    texts[i] = tostring(problem)
  end
  local place = (config_layers.locate { profile = opts.profile, config = path, config_dir = dirs.config } or {}).config or path
  report.print({ opts = opts }, { config = place, warnings = warnings, errors = texts },
    ("%s: %s, %d warning(s)"):format(place, #texts == 0 and "no errors" or ("%d error(s)"):format(#texts), #warnings))
  return #texts == 0 and 0 or 2
end

return checking
