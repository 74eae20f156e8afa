--- What can be read of a config that cannot be loaded: enough to tell somebody so, by its own SENDTRAP.
-- @module std.config_salvage

local blanks = require "std.blanks"
local config_expand = require "std.config_expand"
local config_file = require "std.config_file"
local config_layers = require "std.config_layers"
local config_secrets = require "std.config_secrets"
local params = require "std.params"

local config_salvage = {}

-- The part of a Config that passing on a message needs.
local Salvaged = {}
Salvaged.__index = Salvaged

function Salvaged:raw(name)
  local item = self.items[name]
  return item and item.text
end

Salvaged.get = Salvaged.raw

function Salvaged:where(name)
  return self.items[name] and self.items[name].where or "default"
end

function Salvaged:expand(text, vars)
  return config_expand(text, function(name)
    if vars and vars[name] then return true, vars[name] end
    local row, value = params.find(name), self:raw(name)
    if not value or row and row.secret or config_secrets.is_own(name, value) then return false end
    return true, value, true
  end, {}, self.path)
end

local function lay(self, path)
  local text = config_file.read(path)
  for _, item in ipairs(text and config_file.salvage(text, path) or {}) do
    if item.text ~= "" then self.items[item.key] = item end
  end
end

--- Read it. Waits for the disk.
-- @tparam {profile=?string,config=?string,config_dir=?string} place as for `std.config.load`
-- @treturn ?table with raw, get, where and expand of a Config; nil where no file of that name is to be found
function config_salvage.read(place)
  local paths = config_layers.locate(place)
  if not paths then return nil end
  local self = setmetatable({ path = paths.config, items = {} }, Salvaged)
  lay(self, paths.config)
  if not next(self.items) then return nil end
  if blanks.trim(self:raw("USE_GLOBAL_CONFIG") or ""):upper() == "Y" then
    self.items = {}
    for _, path in ipairs { paths.super, paths.profile, paths.config } do lay(self, path) end
  end
  return self
end

return config_salvage
