--- The site's own commands around the phases: `PRE_NTAP_CMD01` and its kin.
--
-- A command is split into words as a shell does with quotes, and run without one. It must be in the
-- allow-list, `allowed_commands.config` of the config directory, lines `command: <full path>`; a command
-- that begins with `SERVER:` needs no entry there. A non-zero exit status ends the run.
-- @module std.hooks

local file = require "engine.file"
local process = require "engine.process"
local err = require "std.err"
local log = require "std.log"

local hooks = {}

--- Split a command line into words: blanks separate, single and double quotes join, backslash escapes
-- outside single quotes.
-- @tparam string text
-- @treturn[1] {string,...}
-- @return[2] nil
-- @treturn[2] string what is wrong
function hooks.split(text)
  local words, word, quote, i = {}, nil, nil, 1
  while i <= #text do
    local c = text:sub(i, i)
    if quote then
      if c == quote then
        quote = nil
      elseif c == "\\" and quote == '"' and text:find('^[\\"]', i + 1) then
        i = i + 1
        word = word .. text:sub(i, i)
      else
        word = word .. c
      end
    elseif c == "'" or c == '"' then
      quote = c
      word = word or ""
    elseif c:find("%s") then
      if word then words[#words + 1] = word end
      word = nil
    elseif c == "\\" and i < #text then
      i = i + 1
      word = (word or "") .. text:sub(i, i)
    else
      word = (word or "") .. c
    end
    i = i + 1
  end
  if quote then return nil, "a quote is not closed" end
  if word then words[#words + 1] = word end
  if #words == 0 then return nil, "it is empty" end
  return words
end

-- The allow-list: full command texts and program paths.
local function allowed(ctx)
  if ctx.allowed then return ctx.allowed end
  local path = ctx.dirs.config .. "/allowed_commands.config"
  local text, failed = file.read(path)
  if not text and failed.code ~= "not_found" then return nil, failed end
  local set = { path = path }
  for line in (text or ""):gmatch("[^\r\n]+") do
    local command = line:match("^%s*command:%s*(.-)%s*$")
    if command and command ~= "" then set[command] = true end
  end
  ctx.allowed = set
  return set
end

local function variables(ctx)
  return { SNAP_TIME = ctx.stamp, SNAP_TYPE = ctx.policy, ACTION = ctx.action, SNAPNAME = ctx.snapshot }
end

-- The words of a command that may be run.
local function words_of(ctx, family, item, vars)
  local name = ("%s%02d"):format(family, item.number)
  local text, failed = ctx.cfg:expand(item.text, vars)
  if not text then return nil, failed end
  local server = text:match("^SERVER:%s*(.*)$")
  local command = server or text
  local argv, wrong = hooks.split(command)
  if not argv then
    return nil, err.new("invalid", ("%s: %s: %s"):format(item.where, name, wrong), { exit = 2 })
  end
  if not server then
    local list
    list, failed = allowed(ctx)
    if not list then return nil, failed end
    if not (list[command] or list[item.text] or list[argv[1]]) then
      return nil, err.coded("agt-00009", ("%s: %s: '%s' is not in %s"):format(item.where, name, argv[1], list.path),
        nil, { code = "denied" })
    end
  end
  return argv, command, name
end

local function run_one(ctx, family, item, vars)
  local argv, command, name = words_of(ctx, family, item, vars)
  if not argv then return nil, command end
  local out, failed = process.run(argv, { timeout = ctx.cfg:get("SC_AGENT_TIMEOUT") })
  if not out then return nil, failed end
  if out.planned then return true end
  log.cmd("[%s] finished with exit code: [%s] stdout: [%s] stderr: [%s]", command,
    out.status or ("signal " .. out.signal), out.stdout, out.stderr)
  if out.status ~= 0 then
    local how = out.timed_out and "did not end in time" or out.status and "exit code " .. out.status
      or "signal " .. out.signal
    return nil, err.new("io", ("%s: %s: '%s': %s: %s"):format(item.where, name, argv[1], how,
      (out.stderr ~= "" and out.stderr or out.stdout):gsub("%s+$", "")))
  end
  return true
end

--- Run the commands of a family in the order of their numbers.
-- @tparam table ctx
-- @tparam string family such as "PRE_NTAP_CMD"
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err of the first that failed; agt-00009 for one that is not allowed
function hooks.run(ctx, family)
  local list = ctx.cfg:commands(family)
  if #list == 0 then
    log.debug("%s: no commands defined", family)
    return true
  end
  local vars = variables(ctx)
  for _, item in ipairs(list) do
    local ok, failed = run_one(ctx, family, item, vars)
    if not ok then return nil, failed end
  end
  return true
end

--- Check commands without running them, before anything is suspended: quotes and the allow-list.
-- @tparam table ctx
-- @tparam {string,...} families
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err of the first that could not be run
function hooks.check(ctx, families)
  local vars = variables(ctx)
  for _, family in ipairs(families) do
    for _, item in ipairs(ctx.cfg:commands(family)) do
      local argv, failed = words_of(ctx, family, item, vars)
      if not argv then return nil, failed end
    end
  end
  return true
end

return hooks
