--- Which files a config consists of, and what overrules what.
--
-- Low to high: `global.conf`, `<profile>/global.conf` (both only with `USE_GLOBAL_CONFIG=Y`), the config, the policy
-- objects that it names, `--params`.
-- @module std.config_layers

local err = require "engine.err"
local file = require "engine.file"
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

-- Names below a directory, sorted; what `pattern` captures of each.
local function below(dir, pattern, kind)
  local list = {}
  for _, entry in ipairs(file.list(dir) or {}) do
    local name = entry:match(pattern)
    local stat = name and name ~= "global" and file.stat(dir .. "/" .. entry)
    if stat and stat.type == kind then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

--- What there is to choose from, as the end of a message that no config was found. Waits for the disk.
-- @tparam string dir the config directory
-- @tparam ?string profile
-- @treturn string "; profile site has kvm1, kvm2", or what the directory has instead
function config_layers.choice(dir, profile)
  local configs = profile and below(dir .. "/" .. profile, "^([%a_][%w_]*)%.conf$", "file") or {}
  if #configs > 0 then return ("; profile %s has %s"):format(profile, table.concat(configs, ", ")) end
  local profiles = {}
  for _, name in ipairs(below(dir, "^([%a_][%w_]*)$", "dir")) do
    if #below(dir .. "/" .. name, "^([%a_][%w_]*)%.conf$", "file") > 0 then profiles[#profiles + 1] = name end
  end
  if #profiles > 0 then return ("; %s has the profiles %s"):format(dir, table.concat(profiles, ", ")) end
  return ("; %s has no configs, --config-dir names another directory"):format(dir)
end

--- Paths that a profile and a config stand for.
-- @tparam {profile=?string,config=?string,config_dir=?string} opts
-- @treturn[1] {config=string,super=string,profile=?string,policies={string,...},dir=?string} dir: that of the profiles, when
--   the config was given by its name
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
    paths.dir = not opts.open and dir or nil
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
-- @treturn[2] {Err,...} that and all others
function config_layers.read(path, open, optional)
  local text, failed = config_file.read(path, open)
  if not text then
    if optional and failed.code == "not_found" then return {} end
    return nil, failed, { failed }
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
  local layers, problems = {}, {}
  for i, path in ipairs { paths.super, paths.profile } do
    local items, _, all = config_layers.read(path, open, true)
    if not items then table.move(all, 1, #all, #problems + 1, problems) end
    layers[i] = {}
    for _, item in ipairs(items or {}) do
      if not LOCAL_ONLY[item.key] then
        table.insert(layers[i], item)
      elseif item.text ~= "" then
        warnings[#warnings + 1] = ("%s: %s has no effect in a global config"):format(item.where, item.key)
      end
    end
  end
  if problems[1] then return nil, problems[1], problems end
  return layers
end

--- Read everything that a run's configuration consists of.
-- @tparam table paths from `locate`; without `policies` these are not read
-- @tparam {params=?table,policy=?string,open=?function} opts as for `std.config.load`
-- @tparam {string,...} warnings gets what has no effect
-- @treturn[1] {{{key=,text=,where=},...},...} layers, lowest first; the last is that of --params
-- @return[2] nil
-- @treturn[2] Err
-- @treturn[2] ?{Err,...} that and what else is wrong there, as far as it can be told
function config_layers.collect(paths, opts, warnings)
  local given, failed = config_file.params(opts.params or {})
  if not given then return nil, failed end
  local items, problems
  items, failed, problems = config_layers.read(paths.config, opts.open)
  if not items and failed.code == "not_found" and paths.dir then
    failed, problems = err.new { code = "not_found", source = "engine", op = "open", exit = 2,
      message = failed.message .. config_layers.choice(paths.dir, opts.profile) }, nil
  end
  if not items then return nil, failed, problems end
  local layers = {}
  local use_global = effective({ items, given }, "USE_GLOBAL_CONFIG")
  if use_global and use_global.text:upper() == "Y" then
    layers, failed, problems = globals(paths, opts.open, warnings)
    if not layers then return nil, failed, problems end
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
