--- The configuration of one run: files, precedence, checks, `%NAME` substitution.
--
-- Precedence, low to high: built-in defaults, `global.conf`, `<profile>/global.conf` (both only with
-- `USE_GLOBAL_CONFIG=Y`), the config, its policy objects, `--params`, what discovery sets during the run. A key
-- without a value is not set, so that a lower layer shows through; an empty value in `--params` takes the key
-- back to its default.
-- @module std.config

local err = require "engine.err"
local mount = require "engine.mount"
local config_check = require "std.config_check"
local config_file = require "std.config_file"
local config_layers = require "std.config_layers"
local config_policy = require "std.config_policy"
local config_secrets = require "std.config_secrets"
local expand = require "std.config_expand"
local params = require "std.params"
local blanks = require "std.blanks"

local config = {}

local Config = {}
Config.__index = Config
Config.__name = "std.Config"
-- Values may hold passwords, so that printing a config must not show them.
Config.__tostring = function(self) return "config " .. self.path end

-- What a run knows beside the config. These names are never cut short to a shorter key.
local RUN_VARIABLES = {
  SNAME = true, SNAP_TYPE = true, SNAP_TIME = true, SNAPNAME = true, ACTION = true, MSG = true,
  SUCCESS_MSG = true, USER_DEFINED = true,
}

-- The text that holds when nothing is set: fixed, or computed from another parameter.
local function default_text(self, row)
  if row.name == "PORT" then return self:get("TRANSPORT") == "HTTP" and "80" or "443" end
  if row.name == "SC_AGENT_UNQUIESCE_TIMEOUT" then return tostring(self:get("SC_AGENT_TIMEOUT") + 5) end
  return row.default
end

-- Value of NAME for substitution; see std.config_expand.
local function lookup(self, vars)
  return function(name)
    if vars and vars[name] ~= nil then return true, tostring(vars[name]) end
    if name == "SNAP_TYPE" and self.policy then return true, self.policy end
    if name == "USER_DEFINED" and self.user_defined then return true, self.user_defined end
    local row = params.find(name)
    if row and row.secret then return true, nil end
    local entry = self.entries[params.canonical(name)]
    if entry then return true, entry.revealed or entry.text, not (entry.literal or entry.revealed) end
    if row then return true, default_text(self, row) end
    return RUN_VARIABLES[name] or false, nil
  end
end

local value_of

-- Where the key of sealed passwords is.
local function key_place(self)
  local place = { key_file = self.key_file, state_dir = self.state_dir, stat = self.stat }
  local named = self.entries.NTAP_PWD_KEY_FILE
  if named and not place.key_file then
    local failed
    place.key_file, failed = value_of(self, "NTAP_PWD_KEY_FILE", named)
    if not place.key_file then return nil, failed end
  end
  return place
end

local function reveal(self, name, entry, value)
  local place, failed = key_place(self)
  if not place then return nil, failed end
  return config_secrets.reveal(name, entry, value, place)
end

-- Typed value of an entry. A password is taken as it stands: it may well hold a '%'.
function value_of(self, name, entry)
  local row = params.find(name)
  local text = entry.text
  if entry.revealed then return entry.revealed end
  if row and row.secret then
    local value, failed = params.parse(row, text, entry.where, name)
    if value then value, failed = reveal(self, name, entry, value) end
    entry.revealed = value
    return value, failed
  end
  if not entry.literal then
    local expanded, failed = expand(text, lookup(self), { name }, entry.where .. ": " .. name)
    if not expanded then return nil, failed end
    text = expanded
  end
  if not row or row.status ~= "supported" then return text end
  return params.parse(row, text, entry.where, name)
end

-- VOLUMES as VOLUME_GROUPS makes it: the volumes of its lists, each once, in the order of the groups.
local function grouped_volumes(self)
  local list, by_host, seen = {}, {}, {}
  for _, group in ipairs(self:get("VOLUME_GROUPS")) do
    -- What is not a group is config_check's to say.
    local row, number = params.find(group)
    for _, item in ipairs(number and row.name == "VOLUMES_##" and self:get(group) or {}) do
      local host = by_host[item.controller]
      if not host then
        host = { controller = item.controller, volumes = {} }
        by_host[item.controller], list[#list + 1] = host, host
      end
      for _, volume in ipairs(item.volumes) do
        local key = item.controller .. ":" .. volume
        if not seen[key] then host.volumes[#host.volumes + 1] = volume end
        seen[key] = true
      end
    end
  end
  return list
end

--- Typed value of a parameter, its default if it is not set. With VOLUME_GROUPS, VOLUMES is what the groups hold.
-- A key that is not in the table, or is not supported, gives its text. `%NAME` of config keys is filled
-- in; commands are better read with `commands`, whose run variables are filled in later.
-- @tparam string name
-- @return value (see `std.params.parse`); nil when there is none
-- @raise if name is not a string
function Config:get(name)
  if type(name) ~= "string" then error("cfg:get: name must be a string", 2) end
  name = params.canonical(name)
  local entry = self.entries[name]
  if name == "VOLUMES" and self.entries.VOLUME_GROUPS then return grouped_volumes(self) end
  if not entry then
    local row = params.find(name)
    local text = row and default_text(self, row)
    if not text then return nil end
    entry = { text = text, where = "default", literal = true }
  end
  local value, failed = value_of(self, name, entry)
  -- Every entry was read once when it was stored, so that this comes from a later set.
  if value == nil then error(failed, 2) end
  return value
end

--- Text of a key as it was written, without substitution.
-- @tparam string name
-- @treturn ?string nil when it is not set
function Config:raw(name)
  local entry = self.entries[params.canonical(name)]
  return entry and entry.text
end

--- Where a value comes from.
-- @tparam string name
-- @treturn string "FILE:LINE", "--params", what `set` was told, or "default"
function Config:where(name)
  if name == "VOLUMES" and self.entries.VOLUME_GROUPS then name = "VOLUME_GROUPS" end
  local entry = self.entries[params.canonical(name)]
  return entry and entry.where or "default"
end

--- What the config's files set, as it was written; nothing that holds a password.
-- @treturn {{name=string,text=string,where=string},...} in the order of the names
function Config:settings()
  local list = {}
  for name, entry in pairs(self.entries) do
    local row = params.find(name)
    local secret = row and row.secret or not row and (entry.revealed or config_secrets.is_own(name, entry.text))
    if entry.file and not secret then list[#list + 1] = { name = name, text = entry.text, where = entry.where } end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- Fill in `%NAME`.
-- The longest known name at each position is taken: any config key, any parameter, and the run's
-- variables. What is not known or has no value stays as it is, and so does a parameter that holds
-- passwords. Values of config keys are filled in as well, those of vars are not.
-- @tparam string text
-- @tparam[opt] {string=string} vars run variables: SNAME, SNAP_TYPE, SNAP_TIME, SNAPNAME, ACTION, MSG,
--   SUCCESS_MSG, USER_DEFINED, or any other upper-case name
-- @treturn[1] string
-- @return[2] nil
-- @treturn[2] Err `invalid`: a key that refers to itself, or nesting deeper than 8
-- @raise if an argument has the wrong type
function Config:expand(text, vars)
  if type(text) ~= "string" then error("cfg:expand: text must be a string", 2) end
  if vars ~= nil and type(vars) ~= "table" then error("cfg:expand: vars must be a table", 2) end
  return expand(text, lookup(self, vars), {}, self.path)
end

--- Commands of a numbered family, in the order of their numbers.
-- @tparam string family such as "PRE_NTAP_CMD"
-- @treturn {{number=,text=,where=},...} text before substitution
-- @raise if there is no such family
function Config:commands(family)
  if type(family) ~= "string" then error("cfg:commands: family must be a string", 2) end
  local row = params.find((family:gsub("##$", "")) .. "##")
  if not row then error("cfg:commands: there is no family '" .. family .. "'", 2) end
  local list = {}
  for name, entry in pairs(self.entries) do
    local found, number = params.find(name)
    if found == row and number then
      list[#list + 1] = { number = number, text = entry.text, where = entry.where }
    end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

--- Is a policy one of this config?
-- @tparam string policy
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err `invalid`, scf-00072
-- @raise if policy is not a string
function Config:policy_check(policy)
  if type(policy) ~= "string" then error("cfg:policy_check: policy must be a string", 2) end
  return config_policy.check(self, policy)
end

local function is_refused(row, text)
  if row.refuse_when then return text:upper() == row.refuse_when end
  return row.status == "refused" and text:upper() ~= (row.default or ""):upper()
end

-- Check an entry and collect what it gives rise to.
local function accept(self, name, entry)
  local row = params.find(name)
  if not row and not name:find("^SITE_") then -- SITE_ names are the site's own: no parameter will ever begin so
    local nearest = params.nearest(name)
    self.warnings[#self.warnings + 1] = ("%s: %s is not a known parameter%s"):format(entry.where, name,
      nearest and "; did you mean " .. nearest .. "?" or "")
  elseif row and (row.refuse_when or row.status == "refused") then
    if row.type == "yn" then
      local ok, failed = params.parse(row, entry.text, entry.where, name)
      if ok == nil then return nil, failed end
    end
    if is_refused(row, entry.text) then
      return nil, err.new { code = "unsupported", source = "engine", op = "config", exit = 2,
        message = ("%s: %s: it is refused: %s; write %s=%s"):format(entry.where, name, row.reason, name,
          row.default or "") }
    end
  elseif row and row.status == "ignored" and entry.text:upper() ~= (row.default or ""):upper() then
    self.warnings[#self.warnings + 1] = ("%s: %s is ignored: %s"):format(entry.where, name, row.reason)
  end
  local own = not row and config_secrets.is_own(name, entry.text)
  if own and not entry.literal then
    local secret, failed = reveal(self, name, entry, entry.text)
    if not secret then return nil, failed end
    if secret ~= entry.text then entry.revealed = secret end
  end
  local value, failed = value_of(self, name, entry)
  if value == nil then return nil, failed end
  if own or row and row.secret then
    local ok
    ok, failed = config_secrets.check(self, row, name, entry)
    if not ok then return nil, failed end
    -- For the logger to black out.
    for _, secret in ipairs(config_secrets.list(value)) do self.secrets[#self.secrets + 1] = secret end
  end
  return true
end

--- Set a value for the rest of the run, as discovery does. It is taken literally: no `%NAME` in it.
-- @tparam string name
-- @tparam string text "" takes the key back to its default
-- @tparam[opt="discovery"] string where what `where` shall answer
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err `invalid`, `unsupported`; the old value stays
-- @raise if an argument is not a string
function Config:set(name, text, where)
  if type(name) ~= "string" or type(text) ~= "string" then error("cfg:set: name and text must be strings", 2) end
  where = where or "discovery"
  text = blanks.trim(text)
  local canonical, failed = config_file.check(name, text, where)
  if not canonical then return nil, failed end
  local entry = text ~= "" and { text = text, where = where, literal = true } or nil
  if entry then
    local ok, wrong = accept(self, canonical, entry)
    if not ok then return nil, wrong end
  end
  self.entries[canonical] = entry
  return true
end

--- Rules that span several parameters.
-- @treturn {Err,...} empty when all is well
function Config:check()
  return config_check.check(self)
end

local OPTIONS = { profile = "string", config = "string", config_dir = "string", params = "table",
  policy = "string", key_file = "string", state_dir = "string", open = "function", is_local = "function",
  stat = "function" }

--- Read the configuration of a run.
-- @tparam table opts
-- @tparam[opt] string opts.profile
-- @tparam string opts.config name within the profile, or a path (holds '/' or ends in ".conf")
-- @tparam[opt="/etc/moonsnap"] string opts.config_dir
-- @tparam[opt] table opts.params {"K=V",...} or {K=V,...}
-- @tparam[opt] string opts.policy policy of the run, value of %SNAP_TYPE; not checked here
-- @tparam[opt] string opts.key_file key of sealed passwords; not given: see `std.secrets.key`
-- @tparam[opt="/var/lib/moonsnap"] string opts.state_dir
-- @tparam[opt=io.open] function opts.open used to open files, for tests
-- @tparam[opt] function opts.is_local used in place of `engine.mount.is_local`, for tests
-- @tparam[opt] function opts.stat used in place of `engine.file.stat`, for tests
-- @treturn[1] Config with fields profile, path, policy, warnings {string,...} and secrets {string,...}
-- @return[2] nil
-- @treturn[2] Err `invalid`, `unsupported` (refused parameter), `not_found`, `denied`, `io`; exit 2
-- @treturn[2] {Err,...} that and what else is wrong, as far as it can be told while the first is
-- @raise if an option is unknown or has the wrong type
function config.load(opts)
  if type(opts) ~= "table" then error("config.load: options expected", 2) end
  for key, value in pairs(opts) do
    if not OPTIONS[key] then error(("config.load: unknown option '%s'"):format(tostring(key)), 2) end
    if type(value) ~= OPTIONS[key] then error(("config.load: %s must be a %s"):format(key, OPTIONS[key]), 2) end
  end
  local paths, failed = config_layers.locate(opts)
  if not paths then return nil, failed, { failed } end
  local self = setmetatable({ profile = opts.profile, path = paths.config, policy = opts.policy,
    warnings = {}, secrets = {}, entries = {}, is_local = opts.is_local or mount.is_local, stat = opts.stat,
    key_file = opts.key_file, state_dir = opts.state_dir }, Config)
  local layers, problems
  layers, failed, problems = config_layers.collect(paths, opts, self.warnings)
  if not layers then return nil, failed, problems or { failed } end
  problems = {}
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer) do
      if item.text ~= "" then
        self.entries[item.key] = { text = item.text, where = item.where, file = item.file }
        item.entry = self.entries[item.key]
      elseif layer == layers[#layers] then
        self.entries[item.key] = nil
      end
    end
  end
  -- Only what counts is checked, in the order in which it was read.
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer) do
      if item.entry and self.entries[item.key] == item.entry then
        local ok, wrong = accept(self, item.key, item.entry)
        if not ok then problems[#problems + 1] = wrong end
      end
    end
  end
  if problems[1] then return nil, problems[1], problems end
  for _, warning in ipairs(config_check.warnings(self)) do
    self.warnings[#self.warnings + 1] = warning
  end
  return self
end

--- The SNAME of a config file, to find two configs that share one.
-- @tparam string path `<config-dir>/<profile>/<name>.conf`, so that its global configs are known
-- @tparam[opt=io.open] function open used to open the files, for tests
-- @treturn[1] ?string nil when neither it nor a global config that it uses sets it
-- @return[2] nil
-- @treturn[2] Err as from `load`
-- @raise if path is not a string
function config.sname_of(path, open)
  if type(path) ~= "string" then error("config.sname_of: path must be a string", 2) end
  local dir = path:match("^(.*)/[^/]*$") or "."
  -- A policy cannot set it, so that one that is missing there is no matter here.
  local layers, failed = config_layers.collect({ config = path, super = dir .. "/../global.conf",
    profile = dir .. "/global.conf" }, { open = open }, {})
  if not layers then return nil, failed end
  local self = setmetatable({ path = path, entries = {} }, Config)
  for _, layer in ipairs(layers) do
    for _, item in ipairs(layer) do
      if item.text ~= "" then self.entries[item.key] = { text = item.text, where = item.where } end
    end
  end
  local entry = self.entries.SNAME
  if not entry then return nil end
  return value_of(self, "SNAME", entry)
end

--- Change settings in the text of a config file; see `std.config_file.edit`.
-- @function config.edit
config.edit = config_file.edit

return config
