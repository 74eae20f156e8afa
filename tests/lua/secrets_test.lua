-- Passwords that do not stand in a config: kinds, references, and what is refused.
local config = require "std.config"
local file = require "engine.file"
local process = require "engine.process"
local seal = require "engine.seal"
local secrets = require "std.secrets"
local t = require "std.test"

local DIR = os.getenv("MOON_TEST_TMP")
if not DIR then t.skip("MOON_TEST_TMP is not set") end
DIR = ("%s/secrets_test-%d-%d"):format(DIR, os.time(), math.random(1 << 40))
assert(file.mkdirs(DIR))

local function put(name, text, mode)
  local path = DIR .. "/" .. name
  assert(file.replace(path, text, { mode = tonumber(mode or "600", 8) }))
  return path
end

local KEY = DIR .. "/secret.key"
assert(seal.make_key(KEY))
local SEALED = assert(seal.seal(KEY, "geheim7"))

local function load(text, mode, opts)
  local o = { config = put("kvm.conf", text, mode), state_dir = DIR, is_local = function() return true end }
  for key, value in pairs(opts or {}) do o[key] = value end
  return config.load(o)
end

local function good(...)
  return t.ok(load(...))
end

local function bad(code, message, ...)
  local cfg, err = load(...)
  t.err(cfg, err, code)
  t.eq(err.exit, 2)
  t.eq(tostring(err), (message:gsub("DIR", function() return DIR end)))
end

t.case("kinds", function()
  for text, kind in pairs {
    [SEALED] = "sealed", ["file:/x"] = "file", ["env:X"] = "env", ["credential:x"] = "credential",
    ["53616c7465645f5fabcd"] = "snapcreator", ["53616C7465645F5FABCD"] = "snapcreator", ["53616c7404351e"] = "snapcreator",
    ["U2FsdGVkX1+abc"] = "snapcreator", secret = "plain", ["File:/x"] = "plain", ["53616c74"] = "plain",
    ["53616c7404351"] = "plain", ["53616c7404351x"] = "plain", ["a:b"] = "plain", [""] = "plain", ["x file:/y"] = "plain",
  } do t.eq(secrets.kind(text), kind, text) end
end)

t.case("each kind gives its password", function()
  local path = put("pw", "geheim7\n")
  for _, way in ipairs { SEALED, "file:" .. path, "geheim7" } do
    local cfg = good("SNAME=a\nNTAP_USERS=c1:u/" .. way .. ";c2:v/plain\nOM_PWD=" .. way)
    t.eq(cfg:get("NTAP_USERS"), { c1 = { user = "u", password = "geheim7" }, c2 = { user = "v", password = "plain" } })
    t.eq(cfg:get("OM_PWD"), "geheim7")
    t.eq(cfg.secrets, { "geheim7", "plain", "geheim7" })
    t.eq(cfg:raw("OM_PWD"), way)
    t.eq(cfg:expand("%OM_PWD %NTAP_USERS"), "%OM_PWD %NTAP_USERS")
  end
  t.eq(good("NTAP_USERS=c1:u/file:" .. put("crlf", "geheim7\r\n")):get("NTAP_USERS").c1.password, "geheim7")
  t.eq(good("NTAP_USERS=c1:u/env:HOME", nil):get("NTAP_USERS").c1.password, os.getenv("HOME"))
end)

t.case("a variable is empty once it was read, and can be referred to again", function()
  local script = put("taken.lua", [[
    local secrets = require "std.secrets"
    print(secrets.reveal("env:MOON_TEST_TAKEN", {}), os.getenv "MOON_TEST_TAKEN", secrets.reveal("env:MOON_TEST_TAKEN", {}))
    print(secrets.reveal("env:LANG", {}), os.getenv "LANG")
    print(secrets.reveal("env:MOON_TEST_EMPTY", {}))
    print(secrets.reveal("env:MOON_TEST_NONE", {}))]])
  local out = t.ok(process.run({ process.realpath "/proc/self/exe", "run", script }, { timeout = 60, reads = true,
    env = { "MOON_TEST_TAKEN=geheim7", "MOON_TEST_EMPTY=", "LANG=C" } }))
  t.eq(out.stdout, "geheim7\t\tgeheim7\nC\tC\nnil\twhat env: stands for is empty\n"
    .. "nil\tthe environment has no variable MOON_TEST_NONE\n", out.stderr)
end)

t.case("a password that a file holds is not read again at each use", function()
  local path = put("pw", "one")
  local cfg = good("NTAP_USERS=c1:u/file:" .. path)
  put("pw", "two")
  t.eq(cfg:get("NTAP_USERS").c1.password, "one")
  t.eq(cfg:set("NTAP_USERS", "c1:u/file:" .. path), true)
  t.eq(cfg:get("NTAP_USERS").c1.password, "two")
end)

t.case("a site's own passwords may be referred to, too", function()
  local cfg = good("MY_PASSWORD=" .. SEALED .. "\nPRE_NTAP_CMD01=x\nSUCCESS_MSG=<%MY_PASSWORD>")
  t.eq(cfg:get("MY_PASSWORD"), "geheim7")
  t.eq(cfg:expand("%MY_PASSWORD"), "geheim7")
  t.eq(cfg:get("SUCCESS_MSG"), "<geheim7>")
  t.eq(cfg.secrets, { "geheim7" })
  -- What a password says is not substituted again.
  local percent = t.ok(seal.seal(KEY, "a%SNAME"))
  t.eq(good("SNAME=s\nMY_PASSWORD=" .. percent):expand("%MY_PASSWORD"), "a%SNAME")
  bad("not_found", "DIR/kvm.conf:1: MY_PASSWORD: file 'DIR/none': No such file or directory",
    "MY_PASSWORD=file:" .. DIR .. "/none")
end)

t.case("references that lead nowhere", function()
  local at = "DIR/kvm.conf:1: NTAP_USERS: "
  local function wrong(code, way, message) bad(code, at .. message, "NTAP_USERS=c1:u/" .. way) end
  wrong("not_found", "file:" .. DIR .. "/none", "file 'DIR/none': No such file or directory")
  wrong("invalid", "file:pw", "file: is followed by an absolute path; write file:/path")
  wrong("invalid", "file:" .. put("open", "geheim7", "644"),
    "file 'DIR/open': others can read the password in it (mode 0644); run chmod 600 DIR/open")
  wrong("invalid", "file:" .. put("two", "geheim7\nsecond\n"),
    "file 'DIR/two': it has more than one line; write the password alone")
  wrong("invalid", "file:" .. put("empty", "\n"), "what file: stands for is empty")
  wrong("invalid", "file:" .. put("tab", "a\tb"), "what file: stands for holds a control character")
  wrong("invalid", "env:MOON_NO_SUCH_VARIABLE", "the environment has no variable MOON_NO_SUCH_VARIABLE")
  wrong("invalid", "env:a b", "env: is followed by the name of a variable; write env:NAME")
  wrong("invalid", "credential:../x", "credential: is followed by the name of a credential; write credential:NAME")
  wrong("invalid", "credential:", "credential: is followed by the name of a credential; write credential:NAME")
  wrong("invalid", "sealed:1.AAAA", "the sealed text is not whole; write all that moonsnap seal printed")
  wrong("invalid", "53616c7404351e", "it holds a password that Snap Creator's server encrypted, which nothing else can "
    .. "read; run moonsnap seal, type the password, and write what it prints in its place")
end)

t.case("the key", function()
  local text = "NTAP_USERS=c1:u/" .. SEALED
  local other = DIR .. "/other.key"
  t.ok(seal.make_key(other))
  local got, err = seal.make_key(other)
  t.err(got, err, "exists")
  local message = "DIR/kvm.conf:%d: NTAP_USERS: it was sealed with another key than that of 'DIR/other.key', or was changed "
    .. "since; run moonsnap seal again"
  bad("invalid", message:format(1), text, nil, { key_file = other })
  bad("invalid", message:format(2), "NTAP_PWD_KEY_FILE=" .. other .. "\n" .. text)
  bad("invalid", message:format(1), text .. "\nNTAP_PWD_KEY_FILE=" .. other)
  t.ok(load("NTAP_PWD_KEY_FILE=" .. other .. "\n" .. text, nil, { key_file = KEY })) -- the option comes first
  bad("not_found", "DIR/kvm.conf:1: NTAP_USERS: key file 'DIR/none/secret.key': No such file or directory", text, nil,
    { state_dir = DIR .. "/none" })
  bad("invalid", "DIR/kvm.conf:1: NTAP_PWD_KEY_FILE: 'x' is not an absolute path; write a path that begins with /",
    "NTAP_PWD_KEY_FILE=x\n" .. text)
end)

t.case("in clear only where nobody else reads it", function()
  local text = "\nNTAP_USERS=c1:u/geheim7"
  for _, mode in ipairs { "600", "400", "620", "602", "611" } do t.ok(load(text, mode), mode) end
  for _, mode in ipairs { "640", "604", "644", "660", "440" } do
    bad("denied", "DIR/kvm.conf:2: NTAP_USERS: it holds a password, and others can read the file (mode 0" .. mode
      .. "); run chmod 600 DIR/kvm.conf", text, mode)
  end
  t.ok(load("NTAP_USERS=c1:u/" .. SEALED .. "\nMY_PASSWORD=geheim7", "644"))
  t.ok(load("NTAP_USERS=c1:u\nONTAP_CERT=/c.pem", "644")) -- no password at all
  t.ok(load("NTAP_USERS=", "644", { params = { "NTAP_USERS=c1:u/geheim7" } }))
end)

t.case("NTAP_PWD_PROTECTION=Y wants no password in clear", function()
  local why = "it holds a password in clear, which NTAP_PWD_PROTECTION=Y (DIR/kvm.conf:1) forbids; write what moonsnap "
    .. "seal prints, or file:/path, env:NAME or credential:NAME"
  bad("invalid", "DIR/kvm.conf:2: NTAP_USERS: " .. why, "NTAP_PWD_PROTECTION=y\nNTAP_USERS=c1:u/geheim7")
  bad("invalid", "DIR/kvm.conf:2: OM_PWD: " .. why, "NTAP_PWD_PROTECTION=Y\nOM_PWD=geheim7")
  bad("invalid", "--params: NTAP_USERS: " .. why, "NTAP_PWD_PROTECTION=Y", nil, { params = { "NTAP_USERS=c1:u/geheim7" } })
  t.ok(load("NTAP_PWD_PROTECTION=Y\nNTAP_USERS=c1:u/" .. SEALED .. ";c2:v\nONTAP_CERT=/c.pem"))
  t.ok(load("NTAP_PWD_PROTECTION=N\nNTAP_USERS=c1:u/geheim7"))
  bad("invalid", "DIR/kvm.conf:2: NTAP_USERS: " .. why, "NTAP_PWD_PROTECTION=Y\nNTAP_USERS=c1:u/" .. SEALED .. ";c2:v/plain")
end)

t.case("in --params it is warned of", function()
  local function warned(way)
    for _, warning in ipairs(good("SNAME=a", nil, { params = { "NTAP_USERS=c1:u/" .. way } }).warnings) do
      if warning:find("list of processes", 1, true) then return warning end
    end
  end
  t.eq(warned("geheim7"), "--params: NTAP_USERS: every user of this host can see the password in the list of processes; "
    .. "write it in the config, or file:/path, env:NAME or credential:NAME")
  t.eq(warned(SEALED), nil)
end)

t.case("no message shows a password", function()
  for _, text in ipairs { "NTAP_USERS=c1:u/geheim7", "NTAP_USERS=c1:u/x;geheim7:y/z", "OM_PWD=geheim7" } do
    local cfg, err = load(text, "644")
    t.err(cfg, err, "denied")
    t.ok(not tostring(err):find("geheim7", 1, true), tostring(err))
    cfg, err = load("NTAP_PWD_PROTECTION=Y\n" .. text)
    t.err(cfg, err, "invalid")
    t.ok(not tostring(err):find("geheim7", 1, true), tostring(err))
  end
end)

return t.done()
