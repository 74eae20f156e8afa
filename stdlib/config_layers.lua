--- Which files a config consists of, and what overrules what.
--
-- Low to high: `global.conf`, `<profile>/global.conf` (both only with `USE_GLOBAL_CONFIG=Y`), the config, the policy
-- objects that it names, `--params`.
-- @module std.config_layers

local err = require "engine.err"
local config_file = require "std.config_file"
local config_policy = require "std.config_policy"
local params = require "std.params"

local config_layers = {}

-- These say how a config is read or compared, which a global config cannot say for others.
local LOCAL_ONLY = { USE_GLOBAL_CONFIG = true, ALLOW_DUPLICATE_SNAME = true }

local function problem(format, ...)
  return err.new { code = "invalid", source = "engine", op = "config", exit = 2, message = format:format(...) }
end

local function name_problem(kind, name)
  return problem("%s '%s' is not a valid name; write letters, digits and '_', beginning with a letter or '_'",
    kind, (name:gsub("%c", "?")))
end

--- Paths that a profile and a config stand for.
-- @tparam {profile=?string,config=?string,config_dir=?string} opts
-- @treturn[1] {config=string,super=string,profile=?string,policies={string,...}}
-- @return[2] nil
-- @treturn[2] Err `invalid`
function config_layers.locate(opts)
  local dir = opts.config_dir or "/etc/moonsnap"
  local profile, name = opts.profile, opts.config
  if profile and not profile:find("^[%a_][%w_]*$") then return nil, name_problem("profile", profile) end
  if not name or name == "" then return nil, problem("no config is given; write --config with a name or a path") end
  local paths = { super = dir .. "/global.conf", profile = profile and dir .. "/" .. profile .. "/global.conf" }
  if name:find("/", 1, true) or name:find("%.conf$") then
    paths.config = name
  else
    if not name:find("^[%a_][%w_]*$") then return nil, name_problem("config", name) end
    if name == "global" then return nil, problem("config 'global': it is read below other configs, not by itself") end
    if not profile then return nil, problem("config '%s': no profile is given; write --profile", name) end
    paths.config = ("%s/%s/%s.conf"):format(dir, profile, name)
  end
  paths.policies = { (paths.config:match("^(.*)/[^/]*$") or ".") .. "/policies", dir .. "/policies" }
  return paths
end

--- The settings of a file.
-- @tparam string path
-- @tparam ?function open in place of io.open, for tests
-- @tparam[opt] boolean optional an absent file has no settings
-- @treturn[1] {{key=,text=,line=,where=,file=},...}
-- @return[2] nil
-- @treturn[2] Err
function config_layers.read(path, open, optional)
  local text, failed = config_file.read(path, open)
  if not text then
    if optional and failed.code == "not_found" then return {} end
    return nil, failed
  end
  return config_file.parse(text, path)
end

-- What holds for a key when the layers are laid over each other; the last one may take a key back.
local function effective(layers, key)
  local found
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer) do
      if item.key == key then
        if item.text ~= "" then found = item elseif layer == layers[#layers] then found = nil end
      end
    end
  end
  return found
end

-- The two global configs, without what they cannot say.
local function globals(paths, open, warnings)
  local layers = {}
  for i, path in ipairs { paths.super, paths.profile } do
    local items, failed = config_layers.read(path, open, true)
    if not items then return nil, failed end
    layers[i] = {}
    for _, item in ipairs(items) do
      if not LOCAL_ONLY[item.key] then
        table.insert(layers[i], item)
      elseif item.text ~= "" then
        warnings[#warnings + 1] = ("%s: %s has no effect in a global config"):format(item.where, item.key)
      end
    end
  end
  return layers
end

--- Read everything that a run's configuration consists of.
-- @tparam table paths from `locate`; without `policies` these are not read
-- @tparam {params=?table,policy=?string,open=?function} opts as for `std.config.load`
-- @tparam {string,...} warnings gets what has no effect
-- @treturn[1] {{{key=,text=,where=},...},...} layers, lowest first; the last is that of --params
-- @return[2] nil
-- @treturn[2] Err
function config_layers.collect(paths, opts, warnings)
  local given, failed = config_file.params(opts.params or {})
  if not given then return nil, failed end
  local items
  items, failed = config_layers.read(paths.config, opts.open)
  if not items then return nil, failed end
  local layers = {}
  local use_global = effective({ items, given }, "USE_GLOBAL_CONFIG")
  if use_global and use_global.text:upper() == "Y" then
    layers, failed = globals(paths, opts.open, warnings)
    if not layers then return nil, failed end
  end
  layers[#layers + 1] = items
  layers[#layers + 1] = given
  local names = paths.policies and effective(layers, "NTAP_SNAPSHOT_POLICIES")
  if names then
    local list, policies
    list, failed = params.parse(params.find(names.key), names.text, names.where)
    if not list then return nil, failed end
    policies, failed = config_policy.read(list, names.where, paths.policies, opts.policy, opts.open)
    if not policies then return nil, failed end
    local plain = effective(layers, "NTAP_SNAPSHOT_RETENTIONS")
    if plain and plain.where ~= "--params" then
      warnings[#warnings + 1] = ("%s: NTAP_SNAPSHOT_RETENTIONS has no effect: the policies of NTAP_SNAPSHOT_POLICIES "
        .. "(%s) overrule it"):format(plain.where, names.where)
    end
    table.insert(layers, #layers, policies)
  end
  return layers
end

return config_layers
