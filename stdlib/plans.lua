--- Plans: what `--dry-run --json` prints, and `moonsnap apply` carries out.
--
-- Beside its steps a plan says of what they came: the command, the program, the script with its modules, the config,
-- and the facts that the run looked at. It holds no password.
-- @module std.plans

local clock = require "engine.clock"
local file = require "engine.file"
local json = require "engine.json"
local process = require "engine.process"
local seal = require "engine.seal"
local err = require "std.err"
local facts = require "std.facts"
local log = require "std.log"
local naming = require "std.naming"
local plan_shape = require "std.plan_shape"

local plans = {}

local FORMAT = 1
local MAX_AGE = 24 * 3600 -- seconds
local AHEAD = 300         -- seconds that a clock may have been set back
local OTHERS_WRITE = 18   -- 022
-- Whose plans may be carried out, beside one's own: root's, and those of who called sudo, whose shell has written the file.
local MINE = { [0] = true, [tonumber(os.getenv "SUDO_UID") or 0] = true }

--- A copy of a value in which every password is blacked out.
-- @param value plain data
-- @return the copy
function plans.redacted(value)
  if type(value) == "string" then return log.redact(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = plans.redacted(item) end
  return copy
end

--- A message that repeats what stands in a plan: one line, whatever that is.
-- @tparam string text
-- @treturn string
function plans.line(text)
  return (text:gsub("%c", "?"))
end

--- What a script's text is known by.
-- @tparam string name for messages
-- @tparam[opt] string text not given: it is a shipped one, which the program's own digest covers
-- @treturn {name=string,digest=string}
function plans.source(name, text)
  return { name = name, digest = text and seal.digest(text) or "shipped" }
end

-- The site's own modules: all that were loaded from files, path -> digest.
local function modules(lib_dir)
  local found = {}
  for name in pairs(package.loaded) do
    local own = lib_dir and name:match("^std%.(.*)$")
    local path = own and ("%s/%s.lua"):format(lib_dir, (own:gsub("%.", "/"))) or package.searchpath(name, package.path)
    local text = path and file.read(path)
    if text then found[path] = seal.digest(text) end
  end
  return found
end

-- How a result is shown says nothing about what is done.
local SHOWN = { ["dry-run"] = true, json = true, verbose = true, quiet = true, debug = true }

-- A plain script's arguments are its own, whatever they look like.
local function command(args, plain)
  local out, withheld = {}, nil
  for _, arg in ipairs(args) do
    if plain or not SHOWN[arg:match("^%-%-?([%a%-]+)$")] then
      out[#out + 1] = log.redact(arg)
      withheld = withheld or out[#out] ~= arg or nil
    end
  end
  return out, withheld
end

-- Neither a password nor the digest of one.
local function settings(cfg)
  local out = {}
  for _, row in ipairs(cfg:settings()) do out[row.name] = { digest = seal.digest(row.text), where = row.where } end
  return out
end

local PARTS = { "run", "steps", "facts", "plan" }

-- Of what was read from a file: `check_shape` comes first, since not all that JSON has can be written again.
local function part_digest(document, part)
  return seal.digest(json.encode(document[part] == nil and {} or document[part]))
end

--- The document of a dry run.
-- @tparam table ctx with `opts` as `std.cli` and `std.script` have them; without `opts.facts` it cannot be carried out
-- @tparam {Step,...} steps without passwords
-- @treturn table `{dry_run=true, plan, steps, run, facts, digests}`
function plans.document(ctx, steps)
  local opts, self = ctx.opts, process.self()
  local document = { dry_run = true, plan = plans.redacted(ctx.plan), steps = steps }
  if not opts.facts then return document end
  local args, withheld = command(opts.args, opts.plain)
  document.run = { format = FORMAT, made = math.floor(clock.now()), version = process.version(), host = self.host,
    user = self.uid, directory = process.realpath("."), args = args, withheld = withheld, stamp = ctx.stamp, id = ctx.id,
    plain = opts.plain,
    program = seal.digest(file.read("/proc/self/exe") or ""), script = opts.source, modules = modules(opts["lib-dir"]),
    settings = ctx.cfg and settings(ctx.cfg) }
  document.facts = plans.redacted(opts.facts:relevant(steps))
  document.digests = {}
  for _, part in ipairs(PARTS) do document.digests[part] = part_digest(document, part) end
  return document
end

local function refused(code, format, ...)
  return nil, err.new(code, plans.line(format:format(...)), { exit = 2 })
end

-- --- reading ----------------------------------------------------------------------------------------------------

local function check_shape(path, document)
  local what = plan_shape.wrong(document)
  if not what then return true end
  return refused("invalid", "%s: '%s' is not as moonsnap writes it; make a new one", path, what)
end

-- Against accidents: who can write the file can also make it fit. `check_owner` is against them.
local function check_whole(path, document)
  for _, part in ipairs(PARTS) do
    if document.digests[part] ~= part_digest(document, part) then
      return refused("invalid", "%s: '%s' was changed after the plan was made; make a new one", path, part)
    end
  end
  return true
end

local function check_place(path, run)
  local self, age = process.self(), clock.now() - run.made
  if run.host ~= self.host then
    return refused("invalid", "%s: it was made on host '%s', this is '%s'; make one here", path, run.host, self.host)
  end
  if run.user ~= self.uid then
    return refused("invalid", "%s: it was made by user %d, this is user %d", path, run.user, self.uid)
  end
  if run.directory ~= process.realpath(".") then
    return refused("invalid", "%s: it was made in %s, where paths of its command begin; run apply there", path, run.directory)
  end
  if run.withheld then
    return refused("invalid", "%s: its command has a password, which a plan does not hold; write it in the config, or refer "
      .. "to it there, and leave --passwd out", path)
  end
  if age > MAX_AGE or age < -AHEAD then
    return refused("invalid", "%s: it was made on %s, and holds for %d hours; make a new one", path,
      os.date("%Y-%m-%d %H:%M", run.made), MAX_AGE // 3600)
  end
  return true
end

local function check_owner(path, stat)
  if stat.mode & OTHERS_WRITE ~= 0 then
    return refused("denied", "%s: others than its owner may write it (mode %04o); look at it, and run chmod go-w", path,
      stat.mode)
  end
  if not MINE[stat.uid] and stat.uid ~= process.self().uid then
    return refused("denied", "%s: it belongs to user %d, who may write there what he wants; make one of your own", path,
      stat.uid)
  end
  return true
end

--- Read a plan that is to be carried out.
-- @tparam string path
-- @treturn[1] table
-- @return[2] nil
-- @treturn[2] Err exit 2: no plan, changed by hand, of another host, user or directory, too old, or somebody else may write
--   it
function plans.read(path)
  local document, ok
  local found, failed = file.load(path)
  if found then document, failed = json.decode(found.data) end
  if failed then return refused(failed.code, "%s%s", found and path .. ": " or "", failed.message) end
  ok, failed = check_owner(path, found.stat)
  if not ok then return nil, failed end
  if type(document) ~= "table" or type(document.run) ~= "table" or type(document.digests) ~= "table" then
    return refused("invalid", "%s: is no plan; moonsnap ACTION ... --dry-run --json >FILE makes one, when it ends well", path)
  end
  if document.run.format ~= FORMAT then
    return refused("unsupported", "%s: its format is %s, this moonsnap reads %d", path, document.run.format, FORMAT)
  end
  ok, failed = check_shape(path, document)
  if ok then ok, failed = check_whole(path, document) end
  if ok then ok, failed = check_place(path, document.run) end
  if not ok then return nil, failed end
  return document
end

-- --- comparing ---------------------------------------------------------------------------------------------------

--- A copy in which the run's own time and id stand as placeholders: names that have them differ from run to run. A
-- workflow has one time, its context's; a plain script takes its own (`std.naming.stamp`), from its begin to its end.
-- @param value
-- @tparam {stamp=string,id=string,plain=boolean,made=integer} run plain: a script's; made: when it ended, in seconds; nil: it
--   goes on
-- @return the copy
function plans.timeless(value, run)
  if type(value) == "string" then
    value = value:gsub(run.id:gsub("%p", "%%%0"), "{run}")
    if not run.plain then return (value:gsub(run.stamp:gsub("%p", "%%%0"), "{time}")) end
    return (value:gsub("%f[%d]" .. ("%d"):rep(14) .. "%f[%D]", function(stamp)
      return stamp >= run.stamp and stamp <= naming.stamp(run.made) and "{time}" or nil
    end))
  end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = plans.timeless(item, run) end
  return copy
end

-- What only the controller knows beforehand.
local FREE = { ["ontap.cg_commit"] = "id" }

-- One line for a step; equal lines are equal steps.
local function line(step, run)
  local args = plans.timeless(step.args or {}, run)
  if FREE[step.op] then args[FREE[step.op]] = nil end
  return ("%s %s %s"):format(step.op, plans.timeless(step.object or "", run), next(args) and json.encode(args) or "")
    :gsub("%s+$", "") .. ""
end

local Order = {}
Order.__index = Order

--- The order of a plan's steps, to hold calls against. What tasks did side by side may come in any order.
-- @tparam {Step,...} steps
-- @tparam {stamp=string,id=string} run that they are from
-- @treturn Order
function plans.order(steps, run)
  local self = setmetatable({ groups = {}, number = 0 }, Order)
  local group
  for _, step in ipairs(steps) do
    if not group or not step.side or step.side ~= group.side then
      group = { side = step.side }
      table.insert(self.groups, group)
    end
    table.insert(group, line(step, run))
  end
  return self
end

local function find(group, text)
  for i, item in ipairs(group) do
    if item == text then return i end
  end
end

--- The next call.
-- @tparam Step step
-- @tparam {stamp=string,id=string} run that it is of
-- @treturn[1] boolean true: it is the plan's
-- @treturn[2] boolean false
-- @treturn[2] string what the plan has there, and what came
function Order:take(step, run)
  local group, text = self.groups[1], line(step, run)
  self.number = self.number + 1
  local i = group and find(group, text)
  if not i then
    return false, ("step %d: the plan has %s there, not '%s'"):format(self.number,
      group and "'" .. table.concat(group, "' or '") .. "'" or "nothing more", text)
  end
  table.remove(group, i)
  if #group == 0 then table.remove(self.groups, 1) end
  return true
end

--- Whether a step is still to come, wherever it stands.
-- @tparam Step step
-- @tparam {stamp=string,id=string} run
-- @treturn boolean
function Order:ahead(step, run)
  local text = line(step, run)
  for _, group in ipairs(self.groups) do
    if find(group, text) then return true end
  end
  return false
end

--- The steps that did not come.
-- @treturn {string,...}
function Order:left()
  local list = {}
  for _, group in ipairs(self.groups) do table.move(group, 1, #group, #list + 1, list) end
  return list
end

local function add(list, ...) list[#list + 1] = select("#", ...) > 0 and ... or nil end

local function compare_settings(out, planned, now)
  local names = {}
  for name in pairs(planned) do names[#names + 1] = name end
  for name in pairs(now) do
    if not planned[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local was, is = planned[name], now[name]
    if not is then add(out, ("%s: %s is not set any more"):format(was.where, name))
    elseif not was then add(out, ("%s: %s was not set"):format(is.where, name))
    elseif was.digest ~= is.digest then add(out, ("%s: %s has another value"):format(is.where, name)) end
  end
end

local function compare_files(out, planned, now)
  if planned.program ~= now.program then
    add(out, ("moonsnap %s is another program than the %s of the plan"):format(now.version, planned.version))
  end
  if planned.script.digest ~= now.script.digest then
    add(out, ("%s: the script is another one than %s of the plan"):format(now.script.name, planned.script.name))
  end
  for path, digest in pairs(planned.modules) do
    if now.modules[path] ~= digest then add(out, ("%s: the module is another one"):format(path)) end
  end
  for path in pairs(now.modules) do
    if not planned.modules[path] then add(out, ("%s: the module was not there"):format(path)) end
  end
end

-- Names that a run looked for hold its time; what it found does not, even when that was made in the same second.
local function sought(values, run)
  local out = {}
  for what, value in pairs(values) do out[plans.timeless(what, run)] = value end
  return out
end

--- How facts differ, as far as the plan has them.
-- @tparam table planned a plan's facts
-- @tparam table run the plan's
-- @tparam table now facts of this moment
-- @tparam {stamp=string,id=string} now_run whose they are
-- @tparam[opt] boolean partly what nobody has looked at yet is no difference
-- @treturn {string,...}
function plans.compare_facts(planned, run, now, now_run, partly)
  local names, out = {}, {}
  planned, now = sought(planned, run), sought(now, now_run)
  for what in pairs(planned) do names[#names + 1] = what end
  table.sort(names)
  for _, what in ipairs(names) do
    if now[what] ~= nil or not partly then add(out, facts.difference(what, planned[what], now[what])) end
  end
  return out
end

--- Of what moonsnap writes for itself, nothing is held: its journal, catalog, logs and locks.
-- @tparam Step step
-- @tparam {string=string} dirs its directories
-- @treturn boolean
function plans.bookkeeping(step, dirs)
  if step.op:find("^guard%.") then return true end
  if not step.op:find("^file%.") then return false end
  for _, name in ipairs { "state", "log", "run" } do
    if ((step.object or "") .. "/"):sub(1, #dirs[name] + 1) == dirs[name] .. "/" then return true end
  end
  return false
end

--- Where the world is not what it was when a plan was made.
-- @tparam table planned a plan
-- @tparam table now one of this moment
-- @tparam {string=string} dirs moonsnap's directories
-- @treturn {string,...} empty when it is the same
function plans.differences(planned, now, dirs)
  local out = {}
  compare_files(out, planned.run, now.run)
  compare_settings(out, planned.run.settings or {}, now.run.settings or {})
  for _, text in ipairs(plans.compare_facts(planned.facts, planned.run, now.facts, now.run)) do add(out, text) end
  local function held(document)
    local list = {}
    for _, step in ipairs(document.steps) do
      if not plans.bookkeeping(step, dirs) then list[#list + 1] = step end
    end
    return list
  end
  local order = plans.order(held(planned), planned.run)
  for _, step in ipairs(held(now)) do
    local ok, how = order:take(step, now.run)
    if not ok then
      add(out, how)
      return out
    end
  end
  for _, text in ipairs(order:left()) do add(out, ("'%s' of the plan would not be carried out"):format(text)) end
  return out
end

return plans
