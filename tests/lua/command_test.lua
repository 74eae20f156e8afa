-- Commands of the site: words, the allow-list, run variables that stay within their word, time limits.
local clock = require "engine.clock"
local file = require "engine.file"
local process = require "engine.process"
local command = require "std.command"
local config = require "std.config"
local log = require "std.log"
local t = require "std.test"

log.open { quiet = true }

local function split(text)
  local words, wrong = command.split(text)
  return words or wrong
end

t.case("a command is split as a shell would, without one", function()
  t.eq(split("/bin/sleep 60"), { "/bin/sleep", "60" })
  t.eq(split([["/opt/my tool/x" 'a b' c\ d "e\"f" '']]), { "/opt/my tool/x", "a b", "c d", 'e"f', "" })
  t.eq(split("/bin/echo $(reboot) `reboot`"), { "/bin/echo", "$(reboot)", "`reboot`" })
  t.eq(split("/bin/echo 'open"), "a quote is not closed")
  t.eq(split("   "), "it is empty")
end)

t.case("what needs a shell is refused, what happens anyway is dropped", function()
  t.eq(split("/usr/bin/mailx -s %MSG me@example.com </dev/null"), { "/usr/bin/mailx", "-s", "%MSG", "me@example.com" })
  t.eq(split("/bin/x < /dev/null 2>&1"), { "/bin/x" })
  for _, text in ipairs { "/bin/x > /tmp/log", "/bin/x | /bin/y", "/bin/x; /bin/y", "/bin/x &", "/bin/x </etc/passwd" } do
    t.ok(split(text):find("needs a shell", 1, true), text)
  end
  t.eq(split("/bin/sh -c 'a | b > c; d'"), { "/bin/sh", "-c", "a | b > c; d" })
  t.eq(split([[/bin/x \; "a;b"]]), { "/bin/x", ";", "a;b" })
end)

local dir = (os.getenv("MOON_TEST_TMP") or os.getenv("TMPDIR") or "/tmp") .. "/command_test." .. process.self().pid
assert(file.mkdirs(dir))

local function context(text)
  assert(file.replace(dir .. "/c.conf", "SNAME=s\nMY_TOOL=/bin/echo one\n" .. text .. "\n"))
  local cfg = assert(config.load { config = dir .. "/c.conf" })
  return { cfg = cfg, dirs = { config = dir } }
end

local function options(ctx, text, more)
  local o = { cfg = ctx.cfg, name = "PRE_NTAP_CMD01", where = "c.conf:1", text = text, server = true }
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

t.case("config keys may be several words, run variables stay within one", function()
  local ctx = context("")
  local evil = [[a b; 'c' "$(x)" %SNAME]]
  t.eq(command.words(ctx, options(ctx, "%MY_TOOL %MSG two", { vars = { MSG = evil } })),
    { "/bin/echo", "one", evil, "two" })
end)

t.case("the allow-list: program, whole command, quotes; not for SERVER:", function()
  local function words(list, text)
    file.remove(dir .. "/allowed_commands.config")
    if list then assert(file.replace(dir .. "/allowed_commands.config", list, { mode = 384 })) end
    local ctx = context("")
    local argv, failed = command.words(ctx, options(ctx, text, { server = false }))
    return argv and #argv or failed.scf or failed.message
  end
  t.eq(words(nil, "/bin/true"), "agt-00009")
  t.eq(words(nil, "SERVER: /bin/true x"), 2)
  t.eq(words("command: /bin/true\n", "/bin/true x y"), 3)
  t.eq(words("command: /bin/true x\n", "/bin/true x"), 2)
  t.eq(words("command: /bin/true x\n", "/bin/true y"), "agt-00009")
  t.eq(words("command: /bin/TRUE\n", "/bin/true"), "agt-00009")
  t.eq(words('command: "/bin/true"\n', '"/bin/true"'), 1)
  t.eq(words("command: *\n", "/bin/true"), 1)
  t.eq(words("command: true\n", "true"), "c.conf:1: PRE_NTAP_CMD01: 'true' is not a full path; write the full path "
    .. "of a program")
  t.eq(words("command: /no/such\n", "/no/such"), "c.conf:1: PRE_NTAP_CMD01: '/no/such' does not exist; write the "
    .. "full path of a program")
  local loop = dir .. "/loop"
  assert(process.run { "/bin/ln", "-s", loop, loop })
  local _, unreachable = command.words(context(""), options(context(""), "SERVER: " .. loop, { server = false }))
  t.eq(unreachable.exit, 1)
  t.ok(unreachable.message:find("c.conf:1: PRE_NTAP_CMD01: '" .. loop .. "' cannot be looked at: ", 1, true), unreachable)
  local _, missing = command.words(context(""), options(context(""), "SERVER: /no/such", { server = false }))
  t.eq(missing.exit, 2)
  assert(file.replace(dir .. "/allowed_commands.config", "command: /bin/true\n", { mode = 438 }))
  local ctx = context("")
  local _, failed = command.words(ctx, options(ctx, "/bin/true", { server = false }))
  t.eq(failed.scf, "agt-00010")
end)

t.case("a command that does not end is ended, earlier while guests are suspended", function()
  local ctx = context("SC_AGENT_TIMEOUT=60")
  ctx.guard = { remaining = function() return 3.5 end }
  local from = clock.mono()
  local o = options(ctx, "/bin/sleep 30")
  local out = t.ok(command.run(ctx, o))
  t.eq(out.timed_out, true)
  t.ok(clock.mono() - from < 20, clock.mono() - from)
  t.eq(tostring(command.problem(o, out)), "c.conf:1: PRE_NTAP_CMD01: '/bin/sleep': did not end in time")
  ctx.guard = nil
  o = options(ctx, "/bin/sh -c 'echo broken >&2; exit 7'")
  t.eq(tostring(command.problem(o, t.ok(command.run(ctx, o)))),
    "c.conf:1: PRE_NTAP_CMD01: '/bin/sh': exit code 7: broken")
end)

for _, name in ipairs(file.list(dir)) do file.remove(dir .. "/" .. name) end
file.remove(dir)
return t.done()
