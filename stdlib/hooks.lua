--- The site's own commands around the phases: `PRE_NTAP_CMD01` and its kin.
--
-- Each must be in the allow-list, `allowed_commands.config` of the config directory, lines
-- `command: <full path>`; a command that begins with `SERVER:` needs no entry there. A non-zero exit
-- status ends the run. See `std.command` for how one is run.
-- @module std.hooks

local command = require "std.command"
local log = require "std.log"

local hooks = {}

-- What Snap Creator calls the phase of a family.
local TITLES = {
  PRE_NTAP_CMD = "Pre Ntap commands", POST_NTAP_CMD = "Post Ntap commands", ARCHIVE_CMD = "ARCHIVE COMMANDS",
  POST_NTAP_DATA_TRANSFER_CMD = "Post Data Transfer commands",
  PRE_APP_QUIESCE_CMD = "Pre application quiesce commands",
  POST_APP_QUIESCE_CMD = "Post application quiesce commands",
  PRE_APP_UNQUIESCE_CMD = "Pre application unquiesce commands",
  POST_APP_UNQUIESCE_CMD = "Post application unquiesce commands",
  PRE_RESTORE_CMD = "Pre Restore commands", POST_RESTORE_CMD = "Post Restore commands",
}

--- The values that commands may use.
-- @tparam table ctx
-- @treturn {string=string}
function hooks.variables(ctx)
  return { SNAP_TIME = ctx.stamp, SNAP_TYPE = ctx.policy, ACTION = ctx.action, SNAPNAME = ctx.snapshot,
    SNAME = ctx.cfg:get("SNAME"), USER_DEFINED = ctx.opts and ctx.opts.user_defined or nil }
end

local function options(cfg, family, item, vars)
  return { cfg = cfg, name = ("%s%02d"):format(family, item.number), where = item.where, text = item.text, vars = vars }
end

--- Run the commands of a family in the order of their numbers.
-- @tparam table ctx
-- @tparam string family such as "PRE_NTAP_CMD"
-- @tparam[opt] {string=string} more run variables beside the usual ones
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err of the first that failed; agt-00009 for one that is not allowed
function hooks.run(ctx, family, more)
  local list = ctx.cfg:commands(family)
  if #list == 0 then
    log.info("%s: no commands defined", family)
    return true
  end
  local vars = hooks.variables(ctx)
  for key, value in pairs(more or {}) do vars[key] = value end
  for _, item in ipairs(list) do
    local o = options(ctx.cfg, family, item, vars)
    local out, failed = command.run(ctx, o)
    if out then failed = command.problem(o, out) end
    if failed then return nil, failed end
  end
  return true
end

--- The banner of a family's phase, then its commands.
-- @tparam table ctx
-- @tparam string family
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err as of `run`
function hooks.phase(ctx, family)
  if not TITLES[family] then error(("hooks.phase: '%s' has no title"):format(tostring(family)), 2) end
  log.banner(TITLES[family])
  return hooks.run(ctx, family)
end

--- Look at commands without running them: quotes, programs, the allow-list.
-- @tparam table ctx
-- @tparam {string,...} families
-- @tparam[opt] Config cfg default: the run's
-- @treturn {Err,...} of those that could not be run
function hooks.problems(ctx, families, cfg)
  cfg = cfg or ctx.cfg
  local vars, list = hooks.variables(ctx), {}
  for _, family in ipairs(families) do
    for _, item in ipairs(cfg:commands(family)) do
      local ok, failed = command.words(ctx, options(cfg, family, item, vars))
      if not ok then list[#list + 1] = failed end
    end
  end
  return list
end

--- Check commands before anything is suspended.
-- @tparam table ctx
-- @tparam {string,...} families
-- @tparam[opt] Config cfg default: the run's
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err of the first that could not be run
function hooks.check(ctx, families, cfg)
  local failed = hooks.problems(ctx, families, cfg)[1]
  if failed then return nil, failed end
  return true
end

return hooks
