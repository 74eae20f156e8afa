--- The policies of a config, and policy objects: files that say how many copies a policy keeps, and what else holds
-- for its runs.
--
-- `NTAP_SNAPSHOT_POLICIES=daily,weekly` names them; each is a file `policies/NAME.policy` beside the config, or in the
-- config directory for all profiles. It has the form of a config. Its own keys are those of Snap Creator's policies:
-- `PRIMARY_COUNT`, `PRIMARY_AGE`, `SECONDARY_COUNT`, `SECONDARY_AGE` and `POLICY_TYPE`; any other line is a parameter
-- that overrules the config in runs with this policy.
-- @module std.config_policy

local err = require "engine.err"
local config_file = require "std.config_file"
local params = require "std.params"

local config_policy = {}

local COUNT = { name = "COUNT", type = "int", min = 0 }
local AGE = { name = "AGE", type = "days", min = 0, max = 36500 }

-- Its own keys, and the parameter in which the values of all policies are gathered.
local OWN = {
  PRIMARY_COUNT = { row = COUNT, gathered = "NTAP_SNAPSHOT_RETENTIONS" },
  PRIMARY_AGE = { row = AGE, gathered = "NTAP_SNAPSHOT_RETENTION_AGE" },
  SECONDARY_COUNT = { row = COUNT, gathered = "NTAP_SNAPVAULT_RETENTIONS" },
  SECONDARY_AGE = { row = AGE, gathered = "NTAP_SNAPVAULT_RETENTION_AGE" },
  POLICY_TYPE = { row = { name = "POLICY_TYPE", type = "enum", values = { "local", "snapmirror", "snapvault" } } },
}

local UPDATE = { snapmirror = "NTAP_SNAPMIRROR_UPDATE", snapvault = "NTAP_SNAPVAULT_UPDATE" }

-- What makes a config this config, which a policy of it cannot change.
local NOT_HERE = { SNAME = true, ALLOW_DUPLICATE_SNAME = true, USE_GLOBAL_CONFIG = true,
  NTAP_SNAPSHOT_POLICIES = true, NTAP_SNAPSHOT_RETENTIONS = true, NTAP_SNAPVAULT_RETENTIONS = true }

local function problem(scf, format, ...)
  return nil, err.new { code = "invalid", source = "engine", op = "config", scf = scf, exit = 2,
    message = format:format(...) }
end

local function fail(...) return problem(nil, ...) end

-- The settings of one policy's file, from the first directory that has it.
local function read(name, where, dirs, open)
  local tried = {}
  for i, dir in ipairs(dirs) do
    tried[i] = ("%s/%s.policy"):format(dir, name)
    local text, failed = config_file.read(tried[i], open)
    if text then return config_file.parse(text, tried[i]) end
    if failed.code ~= "not_found" then return nil, failed end
  end
  return fail("%s: NTAP_SNAPSHOT_POLICIES: there is no policy '%s'; write %s", where, name, table.concat(tried, " or "))
end

-- Sort the settings of one file: own ones into `own`, parameters into `others`.
local function sort(items, name)
  local own, others = {}, {}
  for _, item in ipairs(items) do
    local rule = OWN[item.key]
    if NOT_HERE[item.key] then
      return fail("%s: %s cannot stand in a policy; write it in the config", item.where, item.key)
    elseif item.text ~= "" and rule then
      local value, failed = params.parse(rule.row, item.text, item.where, item.key)
      if value == nil then return nil, failed end
      own[item.key] = value
    elseif item.text ~= "" then
      others[#others + 1] = item
    end
  end
  if not own.PRIMARY_COUNT then
    return fail("policy '%s': PRIMARY_COUNT is not set; write how many copies are kept, 0 to switch it off", name)
  end
  return own, others
end

--- Whether a key is one that stands in policy files only.
-- @tparam string key
-- @treturn boolean
function config_policy.is_own(key)
  return OWN[key] ~= nil
end

--- Read the policies that a config names.
-- @tparam {string,...} names
-- @tparam string where the line that names them
-- @tparam {string,...} dirs directories to look in, in this order
-- @tparam ?string policy policy of the run: only its own parameters are handed on
-- @tparam ?function open in place of io.open, for tests
-- @treturn[1] {{key=,text=,where=},...} settings that overrule the config
-- @return[2] nil
-- @treturn[2] Err `invalid`, `denied`, `io`
function config_policy.read(names, where, dirs, policy, open)
  local gathered, layer = {}, {}
  for _, name in ipairs(names) do
    if not name:find("^[%w_%-]+$") then
      return fail("%s: NTAP_SNAPSHOT_POLICIES: '%s' is not a policy name; write letters, digits, '_' and '-'", where,
        (name:gsub("%c", "?")))
    end
    local items, failed = read(name, where, dirs, open)
    if not items then return nil, failed end
    local own, others = sort(items, name)
    if not own then return nil, others end
    for key, value in pairs(own) do
      local into = OWN[key].gathered
      -- An age of 0 days is none.
      if into and not (OWN[key].row == AGE and value == 0) then
        gathered[into] = (gathered[into] and gathered[into] .. "," or "") .. ("%s:%d"):format(name, value)
      end
    end
    if name == policy then
      local update = UPDATE[own.POLICY_TYPE]
      if update then layer[#layer + 1] = { key = update, text = "Y", where = ("policy '%s'"):format(name) } end
      table.move(others, 1, #others, #layer + 1, layer)
    end
  end
  local keys = {}
  for key in pairs(gathered) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do layer[#layer + 1] = { key = key, text = gathered[key], where = where } end
  return layer
end

--- Is a policy one of a config's? See `Config:policy_check`.
-- @tparam Config cfg
-- @tparam string policy
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err `invalid`, scf-00072
function config_policy.check(cfg, policy)
  local retentions = cfg:get("NTAP_SNAPSHOT_RETENTIONS")
  if not retentions then
    return problem("scf-00072",
      "%s: policy '%s' is not known: NTAP_SNAPSHOT_RETENTIONS is not set; write for instance %s:7",
      cfg.path, policy, policy:find("^[%w_%-]+$") and policy or "daily")
  end
  local where, names = cfg:where("NTAP_SNAPSHOT_RETENTIONS"), {}
  local key = where == cfg:where("NTAP_SNAPSHOT_POLICIES") and "NTAP_SNAPSHOT_POLICIES" or "NTAP_SNAPSHOT_RETENTIONS"
  for _, item in ipairs(retentions) do
    if item.count > 0 then names[#names + 1] = item.policy end
  end
  local known = #names > 0 and table.concat(names, ", ") or "none"
  local count = retentions.map[policy]
  if not count then
    return problem("scf-00072", "policy '%s' is not in %s (%s); known: %s", policy, key, where, known)
  end
  if count == 0 then
    return problem("scf-00072", "policy '%s' is switched off by its count of 0 in %s (%s); known: %s",
      policy, key, where, known)
  end
  return true
end

return config_policy
