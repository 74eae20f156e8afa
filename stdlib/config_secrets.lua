--- The passwords of a config: what stands for them, and who may read them.
-- @module std.config_secrets

local err = require "engine.err"
local params = require "std.params"
local secrets = require "std.secrets"

local config_secrets = {}

local function problem(code, format, ...)
  return nil, err.new { code = code, source = "engine", op = "config", exit = 2, message = format:format(...) }
end

--- Whether a key that is no parameter most likely holds a password, by its name and length.
-- @tparam string name
-- @tparam string text
-- @treturn boolean
function config_secrets.is_own(name, text)
  return #text >= 6 and (name:find("PWD", 1, true) or name:find("PASSW", 1, true)) ~= nil
end

--- The passwords of a value.
-- @tparam string|{controller={user=,password=}} value
-- @treturn {string,...} in the same order in every run
function config_secrets.list(value)
  if type(value) ~= "table" then return { value } end
  local list = {}
  for _, user in pairs(value) do list[#list + 1] = user.password end
  table.sort(list)
  return list
end

--- Put what it stands for in place of each password of a value.
-- @tparam string name
-- @tparam table entry of the config
-- @tparam string|{controller={user=,password=}} value changed in place when it is a table
-- @tparam table place where the key is; see `std.secrets.reveal`
-- @treturn[1] string|table
-- @return[2] nil
-- @treturn[2] Err `invalid`, `not_found`, `denied`; exit 2
function config_secrets.reveal(name, entry, value, place)
  local function one(text)
    local secret, failed = secrets.reveal(text, place)
    if secret then return secret end
    return problem(failed.code, "%s: %s: %s", entry.where, name, failed.message)
  end
  if type(value) == "string" then return one(value) end
  for _, user in pairs(value) do
    if user.password then
      local secret, failed = one(user.password)
      if not secret then return nil, failed end
      user.password = secret
    end
  end
  return value
end

--- Whether the passwords of an entry may stand where they do: in clear only where their owner alone reads them,
-- and nowhere with NTAP_PWD_PROTECTION=Y. Adds a warning for those in --params.
-- @tparam Config cfg
-- @tparam ?row row nil for a key that is no parameter
-- @tparam string name
-- @tparam table entry
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err `invalid`, `denied` (others can read the file); exit 2
function config_secrets.check(cfg, row, name, entry)
  local value = row and params.parse(row, entry.text, entry.where, name) or entry.text
  local plain = false
  for _, text in ipairs(config_secrets.list(value)) do plain = plain or secrets.kind(text) == "plain" end
  -- That a site's own key is a password is a guess, too weak to refuse a config for.
  if not plain or not row then return true end
  local protection = cfg.entries.NTAP_PWD_PROTECTION
  if protection and protection.text:upper() == "Y" then
    return problem("invalid", "%s: %s: it holds a password in clear, which NTAP_PWD_PROTECTION=Y (%s) forbids; write "
      .. "what moonsnap seal prints, or file:/path, env:NAME or credential:NAME", entry.where, name, protection.where)
  end
  if entry.where == "--params" then
    cfg.warnings[#cfg.warnings + 1] = ("--params: %s: every user of this host can see the password in the list of "
      .. "processes; write it in the config, or file:/path, env:NAME or credential:NAME"):format(name)
  end
  if not entry.file then return true end
  local mode, failed = secrets.readable_by_others(entry.file, cfg.stat)
  if mode then
    return problem("denied", "%s: %s: it holds a password, and others can read the file (mode %s); run chmod 600 %s",
      entry.where, name, mode, entry.file)
  end
  if mode == nil then return nil, failed end
  return true
end

return config_secrets
