--- The form of a plan that was read: a file may be anything, also where its digests fit.
-- @module std.plan_shape

local plan_shape = {}

local shape = {}

function shape.text(value) return type(value) == "string" end
function shape.flag(value) return value == nil or value == true end
function shape.time(value) return math.type(value) == "integer" and value >= 0 and value < 1 << 40 end -- what os.date can write
function shape.number(value) return math.type(value) == "integer" end
function shape.stamp(value) return shape.text(value) and #value == 14 and not value:find("%D") end
function shape.name(value) return shape.text(value) and value ~= "" end
function shape.source(value) return type(value) == "table" and shape.text(value.name) and shape.text(value.digest) end
function shape.setting(value) return type(value) == "table" and shape.text(value.where) and shape.text(value.digest) end
function shape.fact(value) return shape.text(value) or shape.list(value, shape.text) end

function shape.list(value, of)
  if type(value) ~= "table" then return false end
  local n = 0
  for _, item in pairs(value) do
    n = n + 1
    if not of(item) then return false end
  end
  return n == #value
end

function shape.map(value, of)
  if type(value) ~= "table" then return false end
  for name, item in pairs(value) do
    if not shape.text(name) or not of(item) then return false end
  end
  return true
end

function shape.step(value)
  return type(value) == "table" and shape.name(value.op) and (value.object == nil or shape.text(value.object))
    and (value.args == nil or shape.map(value.args, function() return true end))
    and (value.side == nil or shape.number(value.side))
end

local RUN = { made = shape.time, version = shape.text, host = shape.text, user = shape.number, directory = shape.text,
  stamp = shape.stamp, id = shape.name, plain = shape.flag, withheld = shape.flag, program = shape.text, script = shape.source,
  args = function(value) return shape.list(value, shape.text) end,
  modules = function(value) return shape.map(value, shape.text) end,
  settings = function(value) return value == nil or shape.map(value, shape.setting) end }

--- What a plan's reader may rely on. Of what JSON gives: a table with the tables `run` and `digests`.
-- @tparam table document
-- @treturn ?string the part that does not have the form that `plans.document` gives it; nil: all have
function plan_shape.wrong(document)
  for name, fits in pairs(RUN) do
    if not fits(document.run[name]) then return "run." .. name end
  end
  if not shape.list(document.steps, shape.step) then return "steps" end
  if not shape.map(document.facts, shape.fact) then return "facts" end
  return nil
end

return plan_shape
