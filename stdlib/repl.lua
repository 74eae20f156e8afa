--- `moonsnap repl`: Lua typed line by line, in the environment of scripts. Each input runs as a task: it may wait, and
-- Ctrl-C ends it and nothing else. Guests that an input leaves standing still are told of, and run again at the end
-- (`std.standing`).
-- @module std.repl

local core = require "engine.task"
local file = require "engine.file"
local guard = require "engine.guard"
local process = require "engine.process"
local terminal = require "engine.terminal"
local err = require "std.err"
local failure = require "std.failure"
local log = require "std.log"
local standing = require "std.standing"

local repl = {}

local PROMPT, MORE = "moonsnap> ", "     ...> "
local INPUT = "(input)" -- its name in messages

local HELLO = [[moonsnap %s, Lua 5.4. std and engine have all modules: std.doc, engine.virt ...
=EXPRESSION prints values, ctrl-c ends what runs, ctrl-d or exit this program; moonsnap doc is the reference.]]

-- std and engine: their modules by name, loaded when they are first named.
local function modules(prefix, names)
  local list = {}
  for _, name in ipairs(names) do
    local short = name:match("^" .. prefix .. "%.(.+)$")
    if short then list[short] = true end
  end
  return setmetatable({}, {
    __index = function(t, name)
      if not list[name] then return nil end
      local module = require(prefix .. "." .. name)
      rawset(t, name, module)
      return module
    end,
    __pairs = function() return pairs(list) end,
  })
end

-- From the reference: the names of modules; and of these with what can be called of them.
local function modules_and_functions()
  local names, all = {}, {}
  local index = require("std.doc").index()
  for i, module in ipairs(index.modules) do names[i], all[i] = module.name, module.name end
  for _, entry in ipairs(index.entries) do
    if not entry.name:find(":", 1, true) then all[#all + 1] = entry.name end
  end
  return names, all
end

--- What can be completed: names of variables, of modules, and of what stands behind their dots and colons.
-- @tparam table env the variables
-- @tparam {string,...} names that are there as well, such as "std.task.map"
-- @treturn {string,...} sorted, each a name such as "string.format" or "conn:lookup"
function repl.words(env, names)
  local seen = {}
  local function below(name, value, depth)
    if depth == 0 then return end
    for field, kind in pairs(terminal.names(value)) do
      if field:find("^%a[%w_]*$") then
        local method = kind == "function" and type(value) == "userdata"
        seen[name .. (method and ":" or ".") .. field] = true
        if type(value) == "table" and kind == "table" then below(name .. "." .. field, rawget(value, field), depth - 1) end
      end
    end
  end
  for name, value in pairs(env) do
    if type(name) == "string" and name ~= "_G" then
      seen[name] = true
      below(name, value, 2)
    end
  end
  for name in pairs(package.loaded) do
    if type(env[name]) ~= "table" then below(name, package.loaded[name], 1) end
  end
  for _, name in ipairs(names) do seen[name] = true end
  local words = {}
  for word in pairs(seen) do words[#words + 1] = word end
  table.sort(words)
  return words
end

-- A value as it is printed: tables with what they hold, one level deep.
local function show(value)
  local meta = getmetatable(value)
  if type(value) == "string" then return value end
  if type(value) ~= "table" or type(meta) == "table" and meta.__tostring then return tostring(value) end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = ("%s = %s"):format(type(key) == "string" and key or ("[%s]"):format(tostring(key)),
      type(item) == "string" and ("%q"):format(item) or tostring(item))
  end
  table.sort(parts)
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

-- The input as a function; nil when there is more to come; or nil and the error. What is an expression gives its values.
local function compile(text, env)
  local expression = text:gsub("^%s*=", "")
  failure.keep(INPUT, text)
  local fn = failure.compile("return " .. expression, INPUT, env)
  if fn then return fn end
  local problem
  fn, problem = failure.compile(text, INPUT, env)
  if fn or problem.message:find("<eof>$") then return fn end
  return nil, problem
end

-- Where input comes from: read(prompt, words) -> line, or nil, or nil and an error `cancelled`.
local function source(dirs)
  if not (process.isatty(0) and process.isatty(1)) then
    return function() return process.read_line() end, false
  end
  local ok, failed = file.mkdirs(dirs.state)
  if not ok then log.warn("%s; what is typed is not kept", failed) end
  local editor
  editor, failed = terminal.open(ok and dirs.state .. "/repl.history" or nil)
  if not editor then
    log.warn("%s; lines cannot be edited", failed)
    return function(prompt)
      io.stdout:write(prompt):flush()
      return process.read_line()
    end, true
  end
  return function(prompt, words) return editor:read(prompt, words) end, true
end

-- As a task. A person's ctrl-c is for it as long as it runs.
local function run(person, fn, ...)
  local t = core.spawn(fn, ...)
  if person then core.foreground(t) end
  return table.pack(t:join())
end

-- One input, of one line or more; nil at the end.
local function read(read_line, person, words, env)
  local text
  while true do
    local out = run(person, read_line, text and MORE or PROMPT, words)
    local line, failed = out[2], out[3] or out[1] == nil and out[2] or nil
    if err.has(failed, "not_found") then failed = nil end -- standard input has ended
    if failed then
      if not err.has(failed, "cancelled") then return nil, failed end
      io.stdout:write("\n")
      text = nil
    elseif line == nil then
      return text -- what is begun and not ended gets its error
    else
      text = text and text .. "\n" .. line or line
      local fn, problem = compile(text, env)
      if fn or problem or line == "exit" then return text end
    end
  end
end

-- Tell of the guests that stand still since the last input; `told` has those before it.
local function tell_new(told)
  local now = {}
  for _, guest in ipairs((guard.standing())) do
    local key = guest.uri .. " " .. guest.uuid
    now[key] = true
    if not told[key] then
      log.warn("guest '%s' stands still now; it runs again when you resume it, at the end of this program, or in %d s",
        guest.name, standing.HELD)
    end
  end
  return now
end

-- The number of inputs that failed; or nil and an error.
local function loop(opts, dirs)
  local names, documented = modules_and_functions()
  local env = setmetatable({ std = modules("std", names), engine = modules("engine", names) }, { __index = _G })
  env._G = env
  local read_line, person = source(dirs)
  local failures, told = 0, {}
  if person then print(HELLO:format(process.version())) end
  while true do
    local visible = setmetatable({}, { __index = env })
    for name, value in pairs(_G) do visible[name] = value end
    for name, value in pairs(env) do visible[name] = value end
    local text, failed = read(read_line, person, person and repl.words(visible, documented) or {}, env)
    if failed then return nil, failed end
    if not text or text:find("^%s*exit%s*%(?%)?%s*$") then break end
    local fn, problem = compile(text, env)
    local out = fn and run(person, fn) or { nil, problem or err.new("invalid", "the input ends in the middle") }
    if out[1] then
      for i = 2, out.n do print(show(out[i])) end
    elseif person and err.has(out[2], "cancelled") then
      print "ended"
    else
      failures = failures + 1
      failure.tell(out[2], opts)
    end
    told = tell_new(told)
  end
  if person then io.stdout:write("\n") end
  return failures
end

--- Read, run, print, until there is no more input.
-- @tparam table opts options of the command line
-- @tparam table dirs where files are
-- @treturn[1] integer exit code: 1 when input that no person typed has failed
-- @return[2] nil
-- @treturn[2] Err
function repl.main(opts, dirs)
  log.open { console_debug = opts.debug or false, quiet = opts.quiet or false }
  local failures, failed = loop(opts, dirs)
  core.foreground(nil)
  if not failures then return nil, failed end
  return failures > 0 and not process.isatty(0) and 1 or 0
end

return repl
