--- Passwords that do not stand in the config: sealed ones, and references.
--
-- In place of a password a config may hold
--
-- * `sealed:1....`, what `moonsnap seal` prints; the key is a file of mode 0600, or a systemd credential
-- * `file:/path`, the first line of a file that nobody else may read
-- * `env:NAME`, a variable of the environment, which is empty once it was read: no other process gets to see it
-- * `credential:NAME`, a credential that systemd hands over (`LoadCredential=`, `LoadCredentialEncrypted=`)
--
-- No error repeats a password, or a text that may be one.
-- @module std.secrets

local file = require "engine.file"
local process = require "engine.process"
local seal = require "engine.seal"
local err = require "engine.err"

local secrets = {}

local KEY_CREDENTIAL = "moonsnap.key"

local function fail(format, ...)
  return nil, err.new { code = "invalid", source = "engine", op = "secret", exit = 2, message = format:format(...) }
end

--- How a password is written.
-- @tparam string text
-- @treturn string "sealed", "file", "env", "credential", "snapcreator" (encrypted by Snap Creator's server), or
--   "plain"
function secrets.kind(text)
  local scheme = text:match("^(%l+):")
  if scheme == "sealed" or scheme == "file" or scheme == "env" or scheme == "credential" then return scheme end
  -- OpenSSL's "Salted__", as Snap Creator prints it in hex, or in base64.
  if #text >= 14 and #text % 2 == 0 and text:find("^%x+$") and text:lower():find("^53616c74")
    or text:find("^U2FsdGVkX1") then
    return "snapcreator"
  end
  return "plain"
end

-- A file below systemd's directory of credentials, which guards it; nil when there is no such directory.
local function credential(name)
  local dir = os.getenv("CREDENTIALS_DIRECTORY")
  return dir and dir ~= "" and dir .. "/" .. name or nil
end

--- The key file in use: the one that is named, else the credential `moonsnap.key`, else that of the state directory.
-- @tparam ?string named
-- @tparam ?string state_dir
-- @treturn string path
-- @treturn boolean whether its directory guards it, so that its mode says nothing
function secrets.key(named, state_dir)
  if named then return named, false end
  local given = credential(KEY_CREDENTIAL)
  if given and file.stat(given) then return given, true end
  return (state_dir or "/var/lib/moonsnap") .. "/secret.key", false
end

--- The mode of a file that group or others may read, which no file with a password may have.
-- @tparam string path
-- @tparam[opt=engine.file.stat] function stat for tests
-- @treturn[1] string|boolean the mode, such as "0644"; false when nobody else may
-- @return[2] nil
-- @treturn[2] Err
function secrets.readable_by_others(path, stat)
  local found, failed = (stat or file.stat)(path)
  if not found then return nil, failed end
  return found.mode & 0x24 ~= 0 and ("%04o"):format(found.mode) -- 044
end

-- The first line of a text, for files that an editor ended with a line end.
local function first_line(text, what)
  local line, rest = text:match("^([^\r\n]*)\r?\n?(.*)$")
  if rest ~= "" then return fail("%s: it has more than one line; write the password alone", what) end
  return line
end

local readers = {}

function readers.sealed(text, where)
  local key, guarded = secrets.key(where.key_file, where.state_dir)
  return seal.unseal(key, text, { guarded = guarded })
end

function readers.file(text, where)
  local path = text:sub(6)
  if path:sub(1, 1) ~= "/" then return fail("file: is followed by an absolute path; write file:/path") end
  local mode, failed = secrets.readable_by_others(path, where.stat)
  if mode then
    return fail("file '%s': others can read the password in it (mode %s); run chmod 600 %s", path, mode, path)
  end
  local content
  if mode == false then content, failed = file.read(path) end
  if not content then return nil, failed end
  return first_line(content, ("file '%s'"):format(path))
end

local taken = {} -- what the variables held that are empty now; another config may name them, too

function readers.env(text)
  local name = text:sub(5)
  if not name:find("^[%a_][%w_]*$") then return fail("env: is followed by the name of a variable; write env:NAME") end
  taken[name] = taken[name] or process.take_env(name)
  if taken[name] then return taken[name] end
  return fail("the environment has no variable %s", name)
end

function readers.credential(text)
  local name = text:sub(12)
  if not name:find("^[%w_%-][%w_%.%-]*$") then
    return fail("credential: is followed by the name of a credential; write credential:NAME")
  end
  local path = credential(name)
  if not path then
    return fail("no credentials were handed over (CREDENTIALS_DIRECTORY is not set); write LoadCredential=%s:/path in "
      .. "the systemd unit", name)
  end
  local content, failed = file.read(path)
  if not content then return nil, failed end
  return first_line(content, ("credential '%s'"):format(name))
end

--- The password that a text stands for. Waits for files.
-- @tparam string text
-- @tparam {key_file=?string,state_dir=?string,stat=?function} where the key is; stat for tests
-- @treturn[1] string a plain one as it is
-- @return[2] nil
-- @treturn[2] Err `invalid`, `not_found`, `denied`: one line that says what to do, without the password
function secrets.reveal(text, where)
  local kind = secrets.kind(text)
  if kind == "plain" then return text end
  if kind == "snapcreator" then
    return fail("it holds a password that Snap Creator's server encrypted, which nothing else can read; run moonsnap "
      .. "seal, type the password, and write what it prints in its place")
  end
  local secret, failed = readers[kind](text, where)
  if not secret then return nil, failed end
  if secret == "" then return fail("what %s: stands for is empty", kind) end
  if secret:find("%c") then return fail("what %s: stands for holds a control character", kind) end
  return secret
end

return secrets
