--- What an error has to teach: where in the script, by what, what was undone, what to do.
-- @module std.failure

local err = require "engine.err"
local file = require "engine.file"
local trace = require "engine.trace"
local codes = require "std.codes"
local log = require "std.log"

local failure = {}

local SHOWN = 8 -- lines of one kind; big runs undo a lot
local typed = {} -- texts that lie in no file, by the name they were compiled under
local LAST = 20 -- calls that --debug shows

-- What takes back what a run has done, in words: %o the guest or controller, %a the rest. Others take nothing back.
local BACK = {
  ["domain.resume"] = "guest '%o' runs again", ["domain.thaw"] = "guest '%o' is thawed",
  ["domain.start"] = "guest '%o' is started", ["ontap.snapshot_delete"] = "snapshot deleted: %a on %o",
  ["ontap.lun_delete"] = "LUN deleted: %a on %o", ["ontap.lun_unmap"] = "LUN unmapped: %a on %o",
  ["ontap.volume_delete"] = "volume deleted: %a on %o", ["ontap.file_delete"] = "file deleted: %a on %o",
  ["ontap.cg_abort"] = "consistency group given up on %o",
}

local function place(at)
  local path, line = (at or ""):match("^(.*):(%d+)$")
  return path, tonumber(line)
end

local function shipped(path)
  return path:find("^stdlib/") or path:find("^scripts/")
end

-- A line of a script that lies in a file; the shipped ones are within the program.
local function source(path, number)
  local text = typed[path or ""] or path and not shipped(path) and file.read(path, { offset = 0, count = 1 << 20 })
  if not text then return nil end
  local n = 0
  for line in text:gmatch("([^\n]*)\n?") do
    n = n + 1
    if n == number then return (line:gsub("\r$", "")) end
  end
end

-- Messages of Lua's own begin with the place that they mean; those about a config begin in the same way, and its line is
-- never shown: it may hold a password.
local function place_of(failed)
  local path, line = failed.message:match("^([^\n:]+):(%d+): ")
  local said = path and path .. ":" .. line
  local script = path and (typed[path] or failed.syntax or path:find("%.lua$") or path == place(failed.at))
  if said and (said == failed.at or script and source(path, tonumber(line))) then return said, true end
  return failed.at
end

-- The first column of what Lua's compiler stumbled over.
local function column(failed, line)
  local near = failed.syntax and failed.syntax:match(" near (.+)$")
  if not near then return nil end
  if near == "<eof>" then return #line + 1 end
  local token = near:match("^'(.*)'$") or near
  local at, from = nil, 1
  repeat -- the last one: what stands before was understood
    local hit = line:find(token, from, true)
    at, from = hit or at, hit and hit + 1
  until not hit
  return at
end

local function phrase(call, words)
  return (words:gsub("%%(%a)", function(what) return (what == "o" and call.object or call.args) or "-" end))
end

--- The guests that calls of this process let stand still and that were not brought back by one.
-- @treturn {{name=string,uuid=string,uri=string,freeze=boolean},...} by name; freeze: frozen, not suspended
function failure.standing()
  local list = {}
  for i, guest in ipairs(trace.standing()) do
    list[i] = { name = guest.name, uuid = guest.uuid, uri = guest.uri, freeze = not guest.suspended }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

-- Calls after the failure that took something back, and those of them that failed and were not done again.
local function undone(after)
  local done, open, left = {}, {}, {}
  for _, call in ipairs(trace.calls(after)) do
    local words = BACK[call.op]
    local key = ("%s %s %s"):format(call.op, call.object, call.args)
    if words and call.took then
      open[key] = call.failed and { text = phrase(call, words), why = call.message } or nil
      if not call.failed then done[#done + 1] = phrase(call, words) end
    end
  end
  for _, row in pairs(open) do left[#left + 1] = ("not done: %s: %s"):format(row.text, row.why) end
  for _, guest in ipairs(failure.standing()) do left[#left + 1] = ("guest '%s' stands still"):format(guest.name) end
  table.sort(left)
  return done, left
end

-- Of an error about a nil: the call just before in the same file that gave nil, with its error.
local function forgotten(failed, at)
  local said = failed.message:match("^[^\n]*") -- a log may follow
  if not said:find("a nil value", 1, true) and not said:find("got nil", 1, true) then return nil end
  local path, line = place(at)
  local last
  for _, call in ipairs(trace.calls()) do
    local where, number = place(call.at)
    if call.failed and where == path and number <= line and call.number <= (failed.after or math.huge) then last = call end
  end
  return last and { op = last.op, at = last.at, message = last.message, code = last.code }
end

--- An error with all that is known of it.
-- @tparam Err failed
-- @treturn table `{message, code, scf, at, line, column, causes, before, undone, left, remedy}`: at "FILE:LINE" and line
--   its text, of the script where it came from; causes `{{message=,code=,at=},...}`, the nearest first; before: a call
--   that had given nil; undone and left: texts
-- @usage
-- local failure, err = require "std.failure", require "std.err"
-- local facts = failure.facts(err.coded("kvm-00003", "guest 'web1'", err.new("timeout", "no answer")))
-- assert(facts.causes[1].message == "no answer" and facts.remedy:find("virsh domstate"))
function failure.facts(failed)
  local at = place_of(failed)
  local path, number = place(at)
  local facts = { message = tostring(failed.message), code = failed.code, scf = failed.scf, at = at, causes = {},
    line = source(path, number) }
  facts.column = facts.line and column(failed, facts.line)
  local cause, after = failed.cause, failed.after or trace.count()
  while err.is(cause) and #facts.causes < SHOWN do
    facts.causes[#facts.causes + 1] = { message = tostring(cause.message), code = cause.code, at = cause.at }
    after = math.min(after, cause.after or after)
    cause = cause.cause
  end
  facts.before = forgotten(failed, at)
  facts.undone, facts.left = undone(after)
  local known = failed.scf and codes.get(failed.scf)
  facts.remedy = failed.remedy or known and known.remedy
  return facts
end

-- Lines of one kind under a common word, not too many.
local function put(lines, word, list)
  for i, text in ipairs(list) do
    if i > SHOWN then
      lines[#lines + 1] = ("  %-7s and %d more"):format("", #list - SHOWN)
      return
    end
    lines[#lines + 1] = ("  %-7s %s"):format(i == 1 and word or "", text)
  end
end

--- The same for people: the lines that come after the message, none when it says all.
-- @tparam Err failed
-- @tparam[opt] {debug=boolean} opts debug: also places in the shipped library
-- @treturn {string,...}
function failure.lines(failed, opts)
  local facts, lines = failure.facts(failed), {}
  local _, said = place_of(failed)
  local path, number = place(facts.at)
  if path and not said and (not shipped(path) or opts and opts.debug) then put(lines, "at", { facts.at }) end
  if facts.line then
    lines[#lines + 1] = ("  %7d | %s"):format(number, facts.line)
    if facts.column then
      lines[#lines + 1] = ("  %7s | %s^"):format("", (facts.line:sub(1, facts.column - 1):gsub("[^\t]", " ")))
    end
  end
  if facts.before then
    put(lines, "before", { ("%s at %s gave nil: %s"):format(facts.before.op, facts.before.at, facts.before.message) })
  end
  for _, cause in ipairs(facts.causes) do
    -- most messages end with their cause's
    if not facts.message:find(cause.message, 1, true) then put(lines, "cause", { cause.message }) end
  end
  put(lines, "undone", facts.undone)
  put(lines, "left", facts.left)
  if facts.remedy and not facts.message:find(facts.remedy, 1, true) then put(lines, "remedy", { facts.remedy }) end
  return lines
end

-- The last calls, for --debug.
local function last_calls(count)
  local calls = trace.calls(count - LAST)
  local first = calls[1] and calls[1].begun or 0
  for _, call in ipairs(calls) do
    if call.number > count then break end
    local words = { call.op }
    words[#words + 1] = call.object
    words[#words + 1] = call.args
    log.debug("call %d: +%.3f s %s: %s", call.number, call.begun - first, table.concat(words, " "),
      call.failed and call.message or call.took and ("done in %.3f s"):format(call.took) or "under way")
  end
end

--- Log an error that nobody catches any more, and print what it has to teach on standard error.
-- @tparam Err failed
-- @tparam[opt] {debug=boolean} opts debug: with Lua's traceback and the engine's last calls, which the debug log always has
function failure.tell(failed, opts)
  local count = trace.count() -- reading the script's line is a call as well
  log.error(failed)
  local lines = failure.lines(failed, opts)
  if #lines > 0 then io.stderr:write(log.redact(table.concat(lines, "\n")), "\n") end
  for line in (failed.traceback or ""):gmatch("[^\n]+") do log.debug(line) end
  if failed.traceback then last_calls(count) end
end

-- Whether the line is a call and nothing but, so that its results go nowhere; and not the end of a longer statement.
local CONTINUES = { ["and"] = true, ["or"] = true, ["not"] = true, ["return"] = true, ["in"] = true }
local function discards(path, number, op)
  local line, above = source(path, number), source(path, number - 1) or ""
  local name = op:match("[%w_]+$")
  if not line or not line:find(("^%%s*[%%a_][%%w_%%.]*[:.]%s%%s*[({\"']"):format(name)) then return false end
  return not above:find("[=,({.+*/<>~-]%s*$") and not CONTINUES[above:match("(%a+)%s*$") or ""]
end

-- Closes what a script has not: what became of it, in words.
local function close(value)
  local called, ok, failed = pcall(value.close, value)
  trace.closed(value)
  if called and ok then return "is closed now" end
  return ("cannot be closed now: %s"):format(tostring(not called and ok or failed))
end

--- Warn of what a script forgot: errors of calls that change something which it did not look at; guards, connections,
-- locks and clones that it left open, with what became of them (clones are closed, which waits); guests that stand still.
-- @tparam boolean guests also tell of guests: not after a failure, which has told what it left
function failure.forgotten(guests)
  for _, call in ipairs(trace.calls()) do
    local path, number = place(call.at)
    if call.changes and call.failed and call.direct and call.code ~= "cancelled" and path
      and discards(path, number, call.op) then
      log.warn("%s: nobody looks at the error of this %s: %s; write assert(...), or local ok, failed = ...",
        call.at, call.op, call.message)
    end
  end
  local opened = trace.open()
  collectgarbage() -- of guards those that are done with are not held any more
  local held = {}
  for _, row in ipairs(trace.open()) do held[row.at .. row.what] = true end
  for _, row in ipairs(opened) do
    local path = place(row.at)
    if path and not shipped(path) and (held[row.at .. row.what] or not row.what:find("^guard process ")) then
      log.warn("%s: the %s that is opened here was not closed, and %s; write local name <close> = ...", row.at, row.what,
        row.ends or close(row.value))
    end
  end
  for _, guest in ipairs(guests and failure.standing() or {}) do
    log.warn("the script ended, and guest '%s' stands still", guest.name)
  end
end

--- Keep a text that lies in no file, so that errors can show its lines.
-- @tparam string name under which it is compiled
-- @tparam string text
function failure.keep(name, text)
  typed[name] = text
end

--- Compile a script's text.
-- @tparam string text
-- @tparam string path for messages
-- @tparam[opt] table env its global variables
-- @treturn[1] function
-- @return[2] nil
-- @treturn[2] Err `invalid`, exit 2: what Lua's compiler says, with the line
function failure.compile(text, path, env)
  local fn, syntax = load(text, "@" .. path, "t", env or _G)
  if fn then return fn end
  -- Lua shortens long paths in its own words
  local line, what = syntax:match(":(%d+): (.*)$")
  local at = line and ("%s:%s"):format(path, line)
  return nil, err.new { code = "invalid", message = at and ("%s: %s"):format(at, what) or syntax, exit = 2, syntax = syntax,
    at = at }
end

return failure
