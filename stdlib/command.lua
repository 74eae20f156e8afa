--- One command of the site: its words, whether it may run, its run with a time limit, its output in the log.
--
-- A command is split into words as a shell does with quotes, and run without one: nothing that a value
-- holds can become a second command. Redirections, pipes and `;` need a shell and are refused, but for
-- `</dev/null` and `2>&1`, which say what happens anyway.
-- @module std.command

local clock = require "engine.clock"
local file = require "engine.file"
local process = require "engine.process"
local err = require "std.err"
local log = require "std.log"
local blanks = require "std.blanks"

local command = {}

local WRITABLE = 18 -- 0022: others may write
local GRACE = 3 -- seconds before the guests are resumed anyway

-- What happens anyway: standard input is empty, both outputs go to the log.
local HARMLESS = { ["</dev/null"] = true, ["2>&1"] = true }

--- Split a command line into words: blanks separate, single and double quotes join, backslash escapes
-- outside single quotes.
-- @tparam string text
-- @treturn[1] {string,...}
-- @return[2] nil
-- @treturn[2] string what is wrong
function command.split(text)
  local words, word, quote, bare, i = {}, nil, nil, "", 1
  local function close()
    if word and not (HARMLESS[word] and word == bare) then words[#words + 1] = word end
    local special = bare:match("[<>|;&]")
    if word and special and not HARMLESS[bare] then return special end
    word, bare = nil, ""
  end
  text = text:gsub("<%s+/dev/null", "</dev/null")
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
      local special = close()
      if special then return nil, ("'%s' needs a shell; quote it, or write a script"):format(special) end
    elseif c == "\\" and i < #text then
      i = i + 1
      word = (word or "") .. text:sub(i, i)
    else
      word = (word or "") .. c
      bare = bare .. c
    end
    i = i + 1
  end
  if quote then return nil, "a quote is not closed" end
  local special = close()
  if special then return nil, ("'%s' needs a shell; quote it, or write a script"):format(special) end
  if #words == 0 then return nil, "it is empty" end
  return words
end

-- The allow-list: full command texts and program paths.
local function allowed(ctx)
  if ctx.allowed then return ctx.allowed end
  local path = ctx.dirs.config .. "/allowed_commands.config"
  local found, failed = file.load(path)
  if not found and failed.code ~= "not_found" then return nil, err.coded("agt-00010", path, failed, { exit = 2 }) end
  if found and found.stat.mode & WRITABLE ~= 0 then
    return nil, err.coded("agt-00010", ("%s: others than its owner may write to it (mode %04o); chmod go-w"):format(path,
      found.stat.mode & 4095), nil, { code = "denied", exit = 2 })
  end
  local set = { path = path }
  for line in (found and found.data or ""):gmatch("[^\r\n]+") do
    local entry = line:match("^%s*command:(.*)$")
    if entry and entry:find("%S") then set[blanks.trim(entry)] = true end
  end
  if set["*"] then log.warn("%s: '*' allows every command; list those that are needed", path) end
  ctx.allowed = set
  return set
end

-- What is wrong with the program of a command. A path that is no program's is the config's fault; one that cannot be
-- looked at may be right, and the host is at fault.
local function check_program(o, program)
  local function config_says(what)
    return err.new("invalid", ("%s: %s: '%s' %s; write the full path of a program"):format(o.where, o.name, program, what),
      { exit = 2 })
  end
  if program:sub(1, 1) ~= "/" then return config_says("is not a full path") end
  local stat, failed = file.stat(program)
  if not stat and failed.code == "not_found" then return config_says("does not exist") end
  if not stat then
    return err.new(failed.code, ("%s: %s: '%s' cannot be looked at: %s; see that this user can reach it"):format(o.where,
      o.name, program, failed), { exit = 1 })
  end
  if stat.type ~= "file" or stat.mode & 73 == 0 then return config_says("is not a program") end -- 0111
  return nil
end

--- The words of a command that may be run. Config keys in it are filled in before it is split, so that
-- they may stand for several words; run variables after, so that each stays within its word.
-- @tparam table ctx
-- @tparam table o
-- @tparam Config o.cfg the config that it comes from
-- @tparam string o.name such as "PRE_NTAP_CMD01"
-- @tparam string o.where for messages
-- @tparam string o.text
-- @tparam[opt] {string=string} o.vars run variables
-- @tparam[opt=false] boolean o.server it needs no entry in the allow-list
-- @treturn[1] {string,...}
-- @return[2] nil
-- @treturn[2] Err agt-00009, or `invalid` with exit 2; another code with exit 1 where the program cannot be looked at
function command.words(ctx, o)
  -- A run variable may have the name of a config key: %SUCCESS_MSG.
  local later = {}
  for name in pairs(o.vars or {}) do later[name] = "%" .. name end
  local text, failed = o.cfg:expand(o.text, later)
  if not text then return nil, failed end
  local server = text:match("^SERVER:%s*(.*)$")
  local line = server or text
  local argv, wrong = command.split(line)
  if not argv then
    return nil, err.new("invalid", ("%s: %s: %s"):format(o.where, o.name, wrong), { exit = 2 })
  end
  if not (server or o.server) then
    local list
    list, failed = allowed(ctx)
    if not list then return nil, failed end
    if not (list[line] or list[o.text] or list[argv[1]] or list['"' .. argv[1] .. '"'] or list["*"]) then
      return nil, err.coded("agt-00009", ("%s: %s: '%s' is not in %s"):format(o.where, o.name, argv[1], list.path),
        nil, { code = "denied" })
    end
  end
  failed = check_program(o, argv[1])
  if failed then return nil, failed end
  for i = 2, #argv do
    argv[i], failed = o.cfg:expand(argv[i], o.vars)
    if not argv[i] then return nil, failed end
  end
  return argv
end

-- Seconds that a command may take: never beyond the moment at which suspended guests are resumed.
local function limit_of(ctx, o)
  local limit = o.timeout or o.cfg:get("SC_AGENT_TIMEOUT")
  local left = ctx.guard and ctx.guard.remaining and ctx.guard:remaining()
  -- What does not end by itself needs a moment to be ended.
  return left and math.max(0.1, math.min(limit, left - GRACE)) or limit
end

--- Run a command. What it says goes to the log.
-- @tparam table ctx
-- @tparam table o as for `words`, and
-- @tparam[opt] number o.timeout seconds; default SC_AGENT_TIMEOUT, and while guests are suspended never
--   longer than they may be
-- @treturn[1] table status or signal, timed_out, left, stdout, stderr; `planned` in a dry run
-- @return[2] nil
-- @treturn[2] Err when it could not be run at all
function command.run(ctx, o)
  local argv, failed = command.words(ctx, o)
  if not argv then return nil, failed end
  local began, limit = clock.mono(), limit_of(ctx, o)
  local out
  out, failed = process.run(argv, { timeout = limit })
  if not out then return nil, failed end
  if out.planned then
    out.status = 0
    return out
  end
  local ended = out.left and "none, not even SIGKILL has ended it"
    or out.timed_out and ("none, it was ended after %.1f s"):format(clock.mono() - began)
    or out.status or "none, signal " .. out.signal
  log.cmd("Command [%s] finished with exit code: [%s] stdout: [%s] stderr: [%s]", table.concat(argv, " "), ended,
    blanks.trim_end(out.stdout), blanks.trim_end(out.stderr))
  return out
end

--- How a command ended, as an error.
-- @tparam table o as for `run`
-- @tparam table out what `run` gave
-- @treturn ?Err nil for exit code 0
function command.problem(o, out)
  if out.status == 0 then return nil end
  local how = out.left and "did not end in time, not even by SIGKILL"
    or out.timed_out and "did not end in time" or out.status and "exit code " .. out.status
    or "signal " .. out.signal
  local said = blanks.trim_end((out.stderr or "") ~= "" and out.stderr or out.stdout or "")
  return err.new(out.timed_out and "timeout" or "io", ("%s: %s: '%s': %s%s"):format(o.where, o.name,
    o.text:gsub("^SERVER:%s*", ""):match("^%S+"), how, said ~= "" and ": " .. said or ""))
end

return command
