--- Journals that earlier runs left behind: guests that nobody watches any more run again,
-- and applications that were quiesced with them.
-- @module std.recover

local file = require "engine.file"
local guard = require "engine.guard"
local plan = require "engine.plan"
local err = require "std.err"
local federation = require "std.federation"
local federation_journal = require "std.federation_journal"
local log = require "std.log"
local restore_steps = require "std.restore_steps"
local resuming = require "std.resuming"
local task = require "std.task"

local recover = {}

-- Reasons that a suspend does not give.
local OTHERS = { ioerror = true, migration = true, saving = true }

local GUARD_WAIT = 60 -- seconds; a guard looks for 35 s at most once libvirtd answers

-- A journal as it is now; nil when its guard has closed and removed it; nil and an error with exit 5.
local function read(path)
  local journal, problem = guard.read(path)
  if journal or problem.code == "not_found" then return journal end
  return nil, err.new(problem.code, ("journal %s cannot be read, and the guests in it may stand still: %s; look at it, "
    .. "resume them, and remove it by hand"):format(path, problem), { exit = 5 })
end

--- Journals of the state directory.
-- @tparam table ctx
-- @tparam[opt] {Err,...} unreadable those that cannot be read are added here, with exit 5, and not told
-- @treturn[1] {{path=string,journal=table},...}
-- @return[2] nil
-- @treturn[2] Err
function recover.journals(ctx, unreadable)
  local dir = ctx.dirs.state .. "/journal"
  local names, failed = file.list(dir)
  if not names then
    if failed.code == "not_found" then return {} end
    return nil, failed
  end
  local list = {}
  for _, name in ipairs(names) do
    if name:find("%.journal$") then
      local path = dir .. "/" .. name
      local journal, problem = read(path)
      if journal then list[#list + 1] = { path = path, journal = journal } end
      if problem and unreadable then
        unreadable[#unreadable + 1] = problem
      elseif problem then
        log.warn(problem)
      end
    end
  end
  return list
end

--- The journal of another run, or of a dead run's guard process, that holds a guest now. Waits for files.
-- @tparam table ctx with `uri`
-- @tparam string uuid
-- @treturn[1] ?table as of `engine.guard.read`; nil: nobody holds it
-- @return[2] nil
-- @treturn[2] Err the journals cannot be listed
function recover.holder(ctx, uuid)
  local list, failed = recover.journals(ctx)
  if not list then return nil, failed end
  for _, entry in ipairs(list) do
    local j = entry.journal
    local another = entry.path ~= ctx:journal_path()
    if another and (j.guard_alive or j.engine_alive) and j.uri == ctx.uri then
      for _, held in ipairs(j.held) do
        if held.uuid == uuid then return j end
      end
    end
  end
  return nil
end

-- Whether the journal still holds a guest. Between its reading and now others may have been waited for, and another start
-- may have brought the guest back and suspended it for a run of its own.
local function holds(path, uuid)
  local journal, failed = read(path)
  for _, held in ipairs(journal and journal.held or {}) do
    if held.uuid == uuid then return true end
  end
  return false, failed
end

-- What is not defined any more does not stand still.
local function undefined(failed)
  if failed.code == "not_found" then return true end
  return nil, failed
end

-- Bring back what one record holds; nil and an error when it stands still after that.
local function bring_back(ctx, path, held, last)
  local dom = ctx.conn:domain(held)
  local state, failed = resuming.call(held, last, "libvirt does not say how it stands", function() return dom:state() end)
  if not state then return undefined(failed) end
  local mine
  mine, failed = holds(path, held.uuid) -- asked last: what was paused before is not another run's
  if failed then return nil, failed end
  if not mine then return true end
  if state.state == "paused" and not OTHERS[state.reason] then
    local ok
    ok, failed = resuming.resume(dom, held, last)
    if not ok then return undefined(failed) end
    log.info("Guest '%s' resumed", held.name)
  end
  if not held.freeze or state.state == "shutoff" then return true end
  local count
  count, failed = dom:thaw()
  if not count then return nil, err.coded("kvm-00017", ("guest '%s' could not be thawed"):format(held.name), failed) end
  log.info("Guest '%s' thawed", held.name)
  return true
end

--- Resume (and thaw, where it may have been frozen) what a journal holds, and note it there. What it does not hold any more
-- is left alone.
-- @tparam table ctx with conn
-- @tparam table entry of `journals`
-- @treturn {Err,...} what could not be resumed
function recover.resume_held(ctx, entry)
  local failures = {}
  for i, at in ipairs(resuming.each(entry.journal.held, function(held, last)
    local ok, failed = bring_back(ctx, entry.path, held, last)
    if not ok then return nil, failed end
    ok, failed = guard.note_free(entry.path, held.uuid)
    if not ok and failed.code ~= "not_found" then return nil, failed end -- else the journal is gone, and needs no note
    return true
  end)) do
    failures[i] = at.err
  end
  return failures
end

-- The guard of a dead run resumes whatever it finds suspended, also what a new run suspends: let it end. Its journal
-- after that, without anything where it has removed it.
local function wait_for_guard(entry)
  log.warn("A run of config %s died; waiting until its guard process has looked after its guests",
    entry.journal.config or "?")
  local ended, failed = task.timeout(GUARD_WAIT, function()
    while true do
      local journal, problem = read(entry.path)
      if problem then return nil, problem end
      if not journal or not journal.guard_alive then return journal or {} end
      task.sleep(0.2)
    end
  end)
  if ended or failed.code ~= "timeout" then return ended, failed end
  return nil, err.new("busy", ("the guard process of a dead run is still at work: %s; its guests are left to it")
    :format(entry.path), { exit = 4 })
end

--- At the start of a run: close journals whose engine and guard are both dead; refuse to go on while
-- this config's guests are left suspended on purpose; say what restores that died have left. Waits for the guards of
-- dead runs, a minute each at most; what another config's guard holds after that is in `ctx.stuck`, and nobody else's
-- backup waits for it.
-- @tparam table ctx with conn; gets `stuck`, {uuid=config name}
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err agt-00005, kvm-00004
function recover.stale(ctx)
  local list, failed = recover.journals(ctx)
  if not list then return nil, failed end
  local first -- a guest that does not come back must not keep the others waiting
  ctx.stuck = {}
  for _, entry in ipairs(list) do
    local j = entry.journal
    local mine = j.profile == ctx.profile and j.config == ctx.config_name
    if j.guard_alive and not j.engine_alive and not j.detached then
      local ended, problem = wait_for_guard(entry)
      entry.journal = ended or j
      j = entry.journal
      if not ended and mine then
        first = first or problem
      elseif not ended then
        log.warn(problem)
        for _, held in ipairs(j.held) do ctx.stuck[held.uuid] = j.config end
      end
    end
    if not j.held then -- its guard has closed and removed it
      log.debug("%s: closed meanwhile", entry.path)
    elseif j.guard_alive then
      if mine and j.detached and #j.held > 0 then
        first = first or err.coded("agt-00005", ("config %s: its guests were suspended by 'quiesce' and are still so")
          :format(ctx.config_name), nil, { code = "conflict" })
      end
    elseif not j.engine_alive and (j.uri == ctx.uri or #j.held == 0) then
      if #j.held > 0 then
        log.warn(j.gave_up and "A run of config %s died, its guard process gave up, and %d guest(s) are left to resume"
          or "A run of config %s died with its guard and left %d guest(s) to resume", j.config or "?", #j.held)
      elseif j.fired then
        log.warn("A run of config %s died; its guests were resumed by the guard process", j.config or "?")
      end
      local failures = recover.resume_held(ctx, entry)
      for _, problem in ipairs(failures) do log.error(problem) end
      if #failures > 0 and (not first or first.exit ~= 5) then first = failures[1] end
      if #failures == 0 and not plan.active() then file.remove(entry.path) end
    end
  end
  if first then return nil, first end
  return restore_steps.tell(ctx)
end

-- Applications may run in guests: theirs come first.
local function guests_looked_after(list, path)
  for _, entry in ipairs(list) do
    local j = entry.journal
    if federation_journal.path(path:match("^(.*)/journal/"), j.profile, j.config) == path
      and j.guard_alive and not j.engine_alive and not j.detached then
      return wait_for_guard(entry)
    end
  end
  return true
end

-- Applications of other configs that dead runs left quiesced (`std.federation`).
local function undo_applications(dirs, opts, list, result)
  local paths, failed = federation_journal.list(dirs.state)
  if not paths then
    table.insert(result.failed, failed)
    return
  end
  for _, path in ipairs(paths) do
    local done
    done, failed = guests_looked_after(list, path)
    if done then done, failed = federation.recover(dirs, opts, path) end
    if done then
      result.applications = result.applications + done
    elseif done == nil then
      table.insert(result.failed, failed)
    end
  end
end

--- Close every stale journal, of whatever config: `moonsnap recover`. Guests are resumed first, then applications that
-- dead runs left quiesced are unquiesced. Waits for the applications' commands, each with its time limit. Guests that a restore
-- left with disks in doubt are said and counted.
-- @tparam table dirs with config, state and run
-- @tparam table opts of the command line: key-file
-- @treturn[1] {closed=integer,resumed=integer,applications=integer,alive=integer,in_doubt=integer,failed={Err,...}}
-- @return[2] nil
-- @treturn[2] Err
function recover.all(dirs, opts)
  local unreadable = {}
  local list, failed = recover.journals({ dirs = dirs }, unreadable)
  if not list then return nil, failed end
  local result = { closed = 0, resumed = 0, applications = 0, alive = 0, failed = unreadable }
  for _, entry in ipairs(list) do
    local j = entry.journal
    if j.guard_alive or j.engine_alive then
      result.alive = result.alive + 1
    else
      local conn, problem
      if #j.held > 0 then conn, problem = resuming.open(j.uri, {}, true) end
      if problem then
        problem = err.coded("kvm-00004", ("%d guest(s) of config %s could not be resumed"):format(#j.held, j.config or "?"),
          problem, { exit = 5 })
      end
      local failures = problem and { problem } or recover.resume_held({ conn = conn }, entry)
      table.move(failures, 1, #failures, #result.failed + 1, result.failed)
      if #failures == 0 then
        result.closed = result.closed + 1
        result.resumed = result.resumed + #j.held
        file.remove(entry.path)
      end
    end
  end
  undo_applications(dirs, opts, list, result)
  result.in_doubt = restore_steps.tell_all(dirs)
  return result
end

return recover
