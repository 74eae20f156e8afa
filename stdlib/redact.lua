--- Configs and logs as they may be shown to strangers: no password, and nothing that might be one.
-- What is known to be harmless stays; comments, keys that nobody knows and arguments of commands do not, since old
-- passwords stand in them. The values that are found to be secret are handed back, to be blacked out in logs.
-- @module std.redact

local config_policy = require "std.config_policy"
local params = require "std.params"
local blanks = require "std.blanks"

local redact = {}

local MASK = "********"

local TELLING = { "pass", "pw", "secret", "token", "key" }

local function tells(option)
  for _, word in ipairs(TELLING) do
    if option:lower():find(word, 1, true) then return true end
  end
  return false
end

-- Arguments that may be passwords: what follows an option of such a name, and words that mix letters with others.
local function remember_arguments(secrets, rest)
  secrets[#secrets + 1] = rest
  local after = false
  for word in rest:gmatch("%S+") do
    local name, value = word:match("^([%w_%-]+)=(.+)$")
    if after and #word >= 4 or #word >= 6 and word:find("%a") and word:find("[^%a]") and not word:find("^[/%-%%]")
      and not name then
      secrets[#secrets + 1] = word
    elseif value and tells(name) then
      secrets[#secrets + 1] = value
    end
    after = not name and word:find("^%-") ~= nil and tells(word)
  end
end

-- The program stays, its arguments may hold a password.
local function command(text, secrets)
  local program, rest = text:match("^(%S+)%s*(.*)$")
  if not program or rest == "" then return text end
  remember_arguments(secrets, rest)
  return program .. " " .. MASK
end

-- user:password@ of a URI.
local function uri(text)
  return (text:gsub("://([^/@%s:]*):[^/@%s]*@", "://%1:" .. MASK .. "@"))
end

-- All that may be the password in a secret value: all of it, and what stands behind each user.
local function remember(secrets, value)
  secrets[#secrets + 1] = value
  for entry in value:gmatch("[^;]+") do
    local password = entry:match("/(.+)$")
    if password then secrets[#secrets + 1] = blanks.trim(password) end
  end
end

local function setting(line, key, value, secrets)
  local row = params.find(key)
  if value == "" or config_policy.is_own(key) then return line end
  if not row or row.secret then
    if row then remember(secrets, value) end
    return ("%s=%s"):format(key, MASK)
  end
  if row.type == "command" then return ("%s=%s"):format(key, command(value, secrets)) end
  return ("%s=%s"):format(key, uri(value))
end

--- The text of a config or a policy file without secrets, line for line.
-- @tparam string text
-- @treturn string
-- @treturn {string,...} what was found to be secret, also in settings that are commented out
-- @raise if text is not a string
function redact.config(text)
  if type(text) ~= "string" then error("redact.config: text must be a string", 2) end
  local out, secrets = {}, {}
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\r?\n") do
    local comment = line:find("^%s*#") ~= nil
    local from = line:find("[^#%s]") or 1
    local key, at = line:match("^(%u[%u%d_]*)%s*=()", from)
    local value = at and blanks.trim(line:sub(at))
    if comment then
      local row = key and params.find(key)
      if row and row.secret and value ~= "" then remember(secrets, value) end
      line = "# (comment left out)"
    elseif key then
      line = setting(line, key, value, secrets)
    elseif line:find("%S") then
      line = "# (a line that is no setting, left out)"
    end
    out[#out + 1] = line
  end
  return table.concat(out, "\n") .. "\n", secrets
end

--- The list of allowed commands without the commands' arguments.
-- @tparam string text
-- @treturn string
-- @treturn {string,...} what may be secret in the arguments
-- @raise if text is not a string
function redact.commands(text)
  if type(text) ~= "string" then error("redact.commands: text must be a string", 2) end
  local out, secrets = {}, {}
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    local given = line:match("^%s*command:(.*)$")
    if given then out[#out + 1] = "command: " .. command(blanks.trim(given), secrets) end
  end
  return table.concat(out, "\n") .. "\n", secrets
end

local TIME = "^%[%a%a%a %a%a%a [ %d]%d [%d:]+ %d%d%d%d%] "

--- A log without what the site's commands were called with and what they said; all other lines stay.
-- @tparam string text
-- @treturn string
-- @raise if text is not a string
function redact.log(text)
  if type(text) ~= "string" then error("redact.log: text must be a string", 2) end
  local out, inside = {}, false
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do
    local level = line:find(TIME) and line:gsub(TIME, ""):match("^%u+")
    -- What a command said may have lines of its own.
    inside = level == "CMD" or level == "OUTPUT" or inside and not level
    if not inside then
      out[#out + 1] = line
    elseif level then
      out[#out + 1] = ("%s%s: [%s %s] finished with exit code: [%s]"):format(line:match(TIME), level,
        line:match("%u+: %[([^%s%]]+)") or "?", MASK, line:match("exit code: %[([^%]]*)%]") or "?")
    end
  end
  return table.concat(out, "\n") .. "\n"
end

return redact
