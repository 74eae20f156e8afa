--- The runs of all configs: what the catalog has of them, how others ended, and those under way, told by lock and
-- journal.
-- @module std.jobs

local clock = require "engine.clock"
local file = require "engine.file"
local json = require "engine.json"
local catalog = require "std.catalog"
local err = require "std.err"
local log = require "std.log"
local recover = require "std.recover"

local jobs = {}

-- A record's status in Snap Creator's words.
local STATES = { ok = "successful", partial = "completed with errors", ["crash-consistent"] = "completed with errors",
  failed = "failed" }

local DETAILS = { partial = "guests are missing in it or were not suspended", ["crash-consistent"] = "crash-consistent only" }

-- Exit codes in the same words; every other one: failed.
local ENDED = { [0] = "successful", [3] = "completed with errors" }

local KEPT = 100 -- ended runs of a config that are remembered beside the catalog

local function note_path(dirs, profile, config)
  return ("%s/%s.%s.run"):format(dirs.run, profile, config)
end

--- Say beside the lock what this run is. The note counts only while its writer holds the lock, so that nobody
-- needs to remove it.
-- @tparam table ctx
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function jobs.note(ctx)
  local note = { id = ctx.id, action = ctx.action, policy = ctx.policy, started = math.floor(ctx.started) }
  return file.replace(note_path(ctx.dirs, ctx.profile, ctx.config_name), json.encode(note) .. "\n", { mode = 384 })
end

local function ended_dir(dirs, profile, config)
  return ("%s/jobs/%s/%s"):format(dirs.state, profile, config)
end

--- Write down how a run that held its config's lock ended. The catalog has good backups and restores; this also has
-- the other actions, and runs that ended before they had anything to record. The newest 100 of a config are kept.
-- @tparam table ctx
-- @tparam integer code exit code
-- @tparam[opt] Err failed
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function jobs.ended(ctx, code, failed)
  local dir = ended_dir(ctx.dirs, ctx.profile, ctx.config_name)
  local ok, problem = file.mkdirs(dir)
  if not ok then return nil, problem end
  local job = { id = ctx.id, action = ctx.action, policy = ctx.policy, started = math.floor(ctx.started),
    finished = math.floor(clock.now()), state = ENDED[code] or "failed",
    detail = failed and log.redact(tostring(failed)) or nil }
  ok, problem = file.replace(("%s/%s.json"):format(dir, ctx.id), json.encode(job) .. "\n", { mode = 384 }) -- 0600
  if not ok then return nil, problem end
  local names = {}
  for _, name in ipairs(file.list(dir) or {}) do
    if name:find("^%d+%-%d+%.json$") then names[#names + 1] = name end
  end
  table.sort(names) -- by time: a name begins with its stamp
  for i = 1, #names - KEPT do file.remove(dir .. "/" .. names[i]) end
  return true
end

-- Entries of a directory; an empty list when there is none.
local function entries(dir)
  local names, failed = file.list(dir)
  if names then return names end
  if failed.code == "not_found" or failed.code == "invalid" then return {} end
  return nil, failed
end

local function wanted(filter, profile, config)
  return (not filter.profile or filter.profile == profile) and (not filter.config or filter.config == config)
end

-- What holds the lock of each config: {["profile/config"] = pid}, and a job for each.
local function under_way(dirs, filter, list)
  local names, failed = entries(dirs.run)
  if not names then return nil, failed end
  local holders = {}
  for _, name in ipairs(names) do
    local profile, config = name:match("^([^.]+)%.(.+)%.lock$")
    local pid
    if profile and wanted(filter, profile, config) then
      pid, failed = file.lock_holder(dirs.run .. "/" .. name)
      if pid == nil then return nil, failed end
    end
    if pid then
      holders[profile .. "/" .. config] = pid
      local text = file.read(note_path(dirs, profile, config))
      local note = text and json.decode(text)
      -- None: it is just starting. Another's, or one that is damaged, tells nothing.
      if type(note) ~= "table" or catalog.pid_of(note.id) ~= pid or math.type(note.started) ~= "integer" then note = {} end
      list[#list + 1] = { id = note.id, profile = profile, config = config, action = note.action, policy = note.policy,
        started = note.started, state = "in progress", detail = ("process %d"):format(pid) }
    end
  end
  return holders
end

-- Guests that `quiesce` left suspended on purpose: that job ends with unquiesce or the time limit.
local function held(dirs, filter, list)
  local found, failed = recover.journals { dirs = dirs }
  if not found then return nil, failed end
  for _, entry in ipairs(found) do
    local j = entry.journal
    if j.detached and j.guard_alive and #j.held > 0 and wanted(filter, j.profile, j.config) then
      local id = entry.path:match("%.([^./]+)%.journal$")
      list[#list + 1] = { id = id, profile = j.profile, config = j.config, action = j.action, state = "in progress",
        detail = ("%d guest(s) are suspended until unquiesce"):format(#j.held) }
    end
  end
  return true
end

local function from_record(dirs, profile, config, record)
  local job = { id = record.id, profile = profile, config = config, action = record.action, policy = record.policy,
    started = record.started, finished = record.finished, snapshot = record.snapshot, state = STATES[record.status],
    detail = record.error or DETAILS[record.status] }
  if not job.state then -- "started": it is not under way, or its lock would have told
    job.state = "failed"
    local rescued = record.rescued and " and the guard process resumed its guests" or ""
    job.detail = ("the run died%s; its last word is in %s/%s"):format(rescued, dirs.log, profile)
  end
  return job
end

-- Calls fn(profile, config) for each wanted directory PROFILE/CONFIG below one of the state directory.
local function each_config(dirs, below, filter, fn)
  local root = dirs.state .. "/" .. below
  local profiles, failed = entries(root)
  if not profiles then return nil, failed end
  for _, profile in ipairs(profiles) do
    local configs
    configs, failed = entries(root .. "/" .. profile)
    if not configs then return nil, failed end
    for _, config in ipairs(configs) do
      local ok = true
      if wanted(filter, profile, config) then ok, failed = fn(profile, config) end
      if not ok then return nil, failed end
    end
  end
  return true
end

local function recorded(dirs, filter, holders, list)
  return each_config(dirs, "catalog", filter, function(profile, config)
    local records, failed = catalog.list { dirs = dirs, profile = profile, config_name = config }
    if not records then return nil, failed end
    for _, record in ipairs(records) do
      local running = record.status == "started" and holders[profile .. "/" .. config]
      if not (running and running == catalog.pid_of(record.id)) then
        list[#list + 1] = from_record(dirs, profile, config, record)
      end
    end
    return true
  end)
end

--- Read what `ended` wrote.
-- @tparam string text
-- @treturn[1] table
-- @return[2] nil
-- @treturn[2] Err `protocol`: no JSON, a field that is missing or wrong
function jobs.decode(text)
  local job, failed = json.decode(text)
  if failed then return nil, failed end
  if type(job) ~= "table" then return nil, err.new("protocol", "not the end of a run") end
  for key, is in pairs { id = catalog.is_word, action = catalog.is_word, state = catalog.is_text,
    started = catalog.is_time, finished = catalog.is_time } do
    if not is(job[key]) then return nil, err.new("protocol", ("not the end of a run: %s is missing or wrong"):format(key)) end
  end
  for _, key in ipairs { "policy", "detail" } do
    if job[key] ~= nil and not catalog.is_text(job[key]) then
      return nil, err.new("protocol", ("not the end of a run: %s is wrong"):format(key))
    end
  end
  return job
end

-- Runs that `ended` wrote down and that are not in the list yet: the catalog knows more of a run than its end.
local function remembered(dirs, filter, list)
  local known = {}
  for _, job in ipairs(list) do
    if job.id then known[job.id] = true end
  end
  return each_config(dirs, "jobs", filter, function(profile, config)
    local dir = ended_dir(dirs, profile, config)
    local names, failed = entries(dir)
    if not names then return nil, failed end
    for _, name in ipairs(names) do
      local text, job = name:find("%.json$") and file.read(dir .. "/" .. name), nil
      if text then job, failed = jobs.decode(text) end
      if text and not job then log.warn("%s/%s: %s; it is passed over", dir, name, failed) end
      if job and not known[job.id] then
        job.profile, job.config = profile, config
        list[#list + 1] = job
      end
    end
    return true
  end)
end

--- All jobs of the state directory, oldest first: backups and restores that the catalog knows, the ends of other
-- runs, and whatever holds the lock of a config or keeps its guests suspended. Waits for files only.
-- @tparam table dirs state, run, log
-- @tparam[opt] {profile=string,config=string} filter
-- @treturn[1] {{id=,profile=,config=,action=,policy=,started=(epoch),finished=,state="in progress"|"successful"|
--   "completed with errors"|"failed",detail=,snapshot=},...}
-- @return[2] nil
-- @treturn[2] Err
function jobs.list(dirs, filter)
  filter = filter or {}
  local list = {}
  local holders, failed = under_way(dirs, filter, list)
  if not holders then return nil, failed end
  local ok
  ok, failed = held(dirs, filter, list)
  if ok then ok, failed = recorded(dirs, filter, holders, list) end
  if ok then ok, failed = remembered(dirs, filter, list) end
  if not ok then return nil, failed end
  log.debug("%d job(s)", #list)
  table.sort(list, function(a, b)
    local x, y = a.started or math.huge, b.started or math.huge
    if x ~= y then return x < y end
    return (a.id or "") < (b.id or "")
  end)
  return list
end

return jobs
