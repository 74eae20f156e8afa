--- What must hold after every case, whatever went wrong in it: guests run, nothing is left that nobody knows of, the
-- catalog tells the truth, and the exit code and the message say what happened.
-- @module judge

local json = require "engine.json"

local judge = {}

local PATIENCE = 20 -- seconds after which no guest may stand still any more: 5, four times on a busy machine

local CODES = { [0] = true, [1] = true, [2] = true, [3] = true, [5] = true }

-- Words of a script that fell over instead of saying what is wrong.
local FELL = { "stack traceback", "attempt to ", "bad argument", "%.lua:%d+:", "not enough memory", "out of memory in" }

-- Words that call for somebody: exit 5 needs a reason.
local CALLS = { "could not be resumed", "could not be thawed", "stays off", "could not be started",
  "is still quiesced", "left quiesced", "still under way", "journal" }

-- The C library's own end, and GLib's. getaddrinfo uses what it did not get; libxml2 needs memory for a thread's state to
-- say that there is none, and calls itself until the stack is used up.
local OTHERS_END = { "GLib%-ERROR", "nss_database", "libc%.so%.6%(getaddrinfo%+",
  "%(xmlGetGlobalState%+[^\n]*\n[^\n]*%(__xmlGenericError%+" }

-- Libraries that carry out what others ask for: a crash in one of them belongs to who called it.
local CARRIERS = { "libc%.so", "liblua", "libpcre2", "libxml2", "libjansson", "libcurl", "libgcc_s", "ld%-linux" }

local GOOD = { ok = true, partial = true, ["crash-consistent"] = true }

local function any(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return pattern end
  end
end

local function tell(status)
  return status.signal and "signal " .. status.signal or "exit " .. tostring(status.status)
end

-- Whether a library ended the process by its own choice, or by its own fault, when memory was out. By the frames that
-- alloc.c prints: its own handler, then from the inside out.
local function others_end(err)
  if any(err, OTHERS_END) then return true end
  local inner = 0
  for module in err:gmatch("([^%s/]+)%([^()\n]*%)%[0x%x+%]") do
    inner = inner + 1
    if inner > 1 and not any(module, CARRIERS) then return not module:find("^moonsnap") end
  end
  return false
end

-- Exit code and words.
local function said(flow, case, out, fail)
  local err = out.stderr
  if out.timed_out then return fail("it did not end in %d s", math.floor(out.seconds)) end
  if case.kind == "kill" then
    if out.signal ~= 9 and out.status ~= 0 then fail("%s instead of being killed", tell(out)) end
    return
  end
  -- GLib and the C library end a process by themselves when memory is out, and GLib hands PCRE2 what it did not get:
  -- as good as a kill. A crash below our own code is never excused.
  if case.memory and (out.signal == 5 or out.signal == 6 or out.signal == 11) and others_end(err) then return end
  if out.signal then return fail("it ended by %s", tell(out)) end
  if not CODES[out.status] and not (case.kind == "cancel" and out.status == 143) then fail("%s", tell(out)) end
  local fell = any(err, FELL)
  -- A script of the site that was read as garbage is named by its file and line.
  if flow.script and case.kind == "garbage" and err:find(flow.script .. ":1: unexpected symbol", 1, true) then fell = nil end
  if fell and not case.memory then fail("a script fell over: %s", err:match("[^\n]*" .. fell .. "[^\n]*")) end
  if out.status == 0 then return end
  if out.status ~= 3 and out.status ~= 143 and not err:find("error: ") then
    fail("%s without a word of an error", tell(out))
  end
  local told = err:find("injected") or err:find("not done within")
    or case.kind == "timeout" and err:find("not answered")
  if (case.kind == "error" or case.kind == "timeout") and not told then
    fail("%s, and the reason is not told", tell(out))
  end
  if out.status == 5 and not case.memory and not any(err, CALLS) then fail("exit 5, and nothing is said to need somebody") end
end

-- Guests.
local function standing(w, flow, case, out, fail)
  local at_end = w:standing()
  if flow.suspends and (out.status == 0 or out.signal) or flow.resumes and out.status ~= 0 then
    -- They may stand still, under a guard or in a journal: `unquiesce` and `recover` bring them back.
    local again = flow.suspends and { "unquiesce", "--profile", "demo", "--config", "kvm" } or flow.argv(w)
    if flow.resumes and #at_end == 0 then return end
    local fixed = w:run(again)
    local left = w:wait_running(PATIENCE)
    if #left > 0 then fail("%s ends with %s, and %s: %s", again[1], tell(fixed), table.concat(left, ", "), fixed.stderr) end
    return
  end
  if #at_end > 0 and not out.signal and out.status ~= 5 and out.status ~= 143 and not case.memory then
    fail("%s, and %s", tell(out), table.concat(at_end, ", "))
  end
  -- The disk of a restore that was killed or could not go on is in doubt: its guest is nobody's to start.
  local off = flow.restores and (case.kind == "kill"
    or out.status == 5 and any(out.stderr, { "stays off", "could not be started" })) and "alpha is shutoff" or nil
  local left = w:wait_running(PATIENCE, off)
  if #left > 0 and case.kind == "kill" then
    local fixed = w:run { "recover" }
    left = w:wait_running(PATIENCE, off)
    if #left > 0 and left[1] ~= off then fail("recover ends with %s, and %s", tell(fixed), table.concat(left, ", ")) end
  elseif #left > 0 and left[1] ~= off then
    fail("%s, and after %d s %s", tell(out), PATIENCE, table.concat(left, ", "))
  end
end

-- Applications of other configs: one that stands still is told of, and recover brings it back.
local function applications(w, out, fail)
  local left = w:applications()
  if #left == 0 then return end
  if not out.signal and out.status ~= 5 then
    fail("%s, and applications stand still: %s", tell(out), table.concat(left, ", "))
  end
  local fixed = w:run { "recover" }
  left = w:applications()
  if #left > 0 then
    fail("recover ends with %s, and applications stand still: %s: %s", tell(fixed), table.concat(left, ", "), fixed.stderr)
  end
end

-- Copies on the secondary: each is of a run that says where its copies went, and what is called done is there. Those that are
-- deleted, when the run ended before it could note it, are for the next one.
local function copies(w, out, now, fail)
  local known, stale, ended_well = {}, {}, out.status == 0 and not out.stderr:find("catalog", 1, true)
  for name, entry in pairs(w:catalog()) do
    for _, r in ipairs(entry.record and entry.record.replicated or {}) do
      local key = ("%s %s"):format(r.volume, entry.record.snapshot)
      known[key] = true
      if r.state == "done" and not r.gone and not now.copies[key] then
        if w.base.copies[key] and not ended_well then
          stale[#stale + 1] = { name = name, volume = r.volume }
        else
          fail("%s says that %s is done, and it is not there", name, key)
        end
      end
    end
  end
  for key in pairs(now.copies) do
    local told = known[key] or out.stderr:find("catalog: ", 1, true)
    if not w.base.copies[key] and w.vaults[key:match("^%S+")] and not told then
      fail("%s is a copy that no record tells of", key)
    end
  end
  return stale
end

-- What a restore has of a vault: files beside the disks, and transfers that have not ended well.
local function begun(w)
  local list = w:fetched()
  for _, state in ipairs(w:restores()) do
    if state ~= "success" then list[#list + 1] = "the restore relationship" end
  end
  return list
end

-- It is gone again, or said to be left; and gc removes it.
local function fetched(w, case, out, fail)
  local left = w.replicates and begun(w) or {}
  if #left == 0 then return end
  for _, what in ipairs(left) do
    if case.kind ~= "kill" and not out.signal and not out.stderr:find(what, 1, true) then
      fail("%s is left, and the run does not say so", what)
    end
  end
  local fixed = w:run { "gc", "--profile", "demo", "--config", "kvm", "--yes" }
  left = begun(w)
  if #left > 0 then fail("gc ends with %s, and leaves %s: %s", tell(fixed), table.concat(left, ", "), fixed.stderr) end
end

-- Which runs a snapshot or a clone belongs to, by the catalog.
local function owners(catalog)
  local out = {}
  local function add(key, record) out[key] = out[key] or record end
  for _, entry in pairs(catalog) do
    local r = entry.record
    for _, v in ipairs(r and r.volumes or {}) do add(v.volume .. " " .. r.snapshot, r) end
    for _, c in ipairs(r and r.clones or {}) do
      if r.action == "clone" then add(c.name, r) end
    end
    if r and r.safety then
      for _, guest in ipairs(r.guests) do
        for _, disk in ipairs(guest.disks) do add(disk.path:match("^/vol/([^/]+)") .. " " .. r.safety, r) end
      end
    end
  end
  return out
end

-- What is there that was not there before.
local function strays(w, case, out, now, fail)
  local known = owners(w:catalog())
  local function look(key, short)
    local record = known[key]
    local dead = case.kind == "kill" or out.signal or case.memory == "all"
    if not record then
      fail("%s is in no record of the catalog", key)
    elseif record.status == "failed" and not dead and not out.stderr:find(short, 1, true) then
      fail("%s was left by a failed run, which does not say so", key)
    elseif record.status == "started" and not dead and not out.stderr:find("catalog", 1, true)
      and not (record.action == "clone" and out.stderr:find(short, 1, true)) then
      fail("%s: its record says 'started', and the run has ended", key)
    end
  end
  for key, row in pairs(now.snapshots) do
    local volume = key:match("^%S+")
    if not w.base.snapshots[key] and w.base.volumes[volume] then look(key, row.name) end
  end
  for name in pairs(now.volumes) do
    if not w.base.volumes[name] then look(name, name) end
  end
  for path in pairs(now.luns) do
    local volume = path:match("^/vol/([^/]+)/")
    if not w.base.luns[path] and w.base.volumes[volume] then look(path, path) end
  end
  for name in pairs(now.policies) do
    if not w.base.policies[name] and not now.volumes[name] then fail("export policy %s is left without its clone", name) end
  end
end

-- Whether a record differs from what it was in this only: it says of copies that are not in a vault any more that they are
-- gone.
local function notes_gone(before, after, now)
  local r = after.record
  for _, copy in ipairs(r and r.replicated or {}) do
    if copy.gone and not now.copies[copy.volume .. " " .. r.snapshot] then copy.gone = nil end
  end
  return r ~= nil and json.encode(r) == json.encode(before.record)
end

-- The catalog: what was in it still is, and what it calls good is there.
local function catalog(w, flow, case, out, now, fail)
  local before, after, stale = w:catalog(w.base_dir), w:catalog(), {}
  for name, entry in pairs(after) do
    local r = entry.record
    if not r then
      fail("%s cannot be read", name)
    elseif r.action == "backup" and GOOD[r.status] then
      local there = 0
      for _, v in ipairs(r.volumes) do
        if now.snapshots[v.volume .. " " .. r.snapshot] then there = there + 1 end
      end
      for _, v in ipairs(before[name] and r.replicated or {}) do
        if now.copies[v.volume .. " " .. r.snapshot] then there = there + 1 end
      end
      if there == 0 and before[name] then
        stale[#stale + 1] = name
      elseif there < #r.volumes and not before[name] then
        fail("%s says %s, and %d of %d snapshots are there", name, r.status, there, #r.volumes)
      end
    end
    if not before[name] and r and r.status == "started" and case.kind ~= "kill" and not out.signal
      and case.memory ~= "all" and not out.stderr:find("catalog", 1, true) and r.action ~= "clone" then
      fail("%s says 'started', and the run has ended", name)
    end
  end
  for name, entry in pairs(before) do
    local r = entry.record
    if not after[name] and r.action == "backup" then
      for _, v in ipairs(r.volumes) do
        if now.snapshots[v.volume .. " " .. r.snapshot] then
          fail("%s is gone, and snapshot %s on %s is not", name, r.snapshot, v.volume)
        end
      end
    elseif flow.settles and after[name] and (after[name].record or {}).settled then -- it says that the run failed
      if after[name].record.status ~= "failed" then fail("%s is settled, and says %s", name, after[name].record.status) end
    elseif after[name] and after[name].text ~= entry.text and r.action ~= "clone"
      and not notes_gone(entry, after[name], now) then
      fail("%s was changed", name)
    end
  end
  return stale
end

-- Records of backups whose snapshots or copies are deleted, when the run ended before it could note it: the next one does.
local function forgotten(w, stale, stale_copies, fail)
  if #stale + #stale_copies == 0 then return end
  w.next_second()
  local next_run = w:run(w.next_backup)
  local left = w:catalog()
  for _, name in ipairs(stale) do
    if left[name] then fail("%s says ok, its snapshots are gone, and the next run (%s) leaves it", name, tell(next_run)) end
  end
  for _, one in ipairs(stale_copies) do
    local entry = left[one.name]
    if entry and not entry.record then fail("%s cannot be read after the next run", one.name) end
    for _, r in ipairs(entry and entry.record and entry.record.replicated or {}) do
      if r.volume == one.volume and not r.gone then
        fail("%s says that %s has it, and so it does after the next run (%s): %s", one.name, r.volume, tell(next_run),
          next_run.stderr)
      end
    end
  end
end

-- Nobody may be left to watch, and no journal to tell of, once a run has ended by itself. One that had no memory left
-- could not tell its guard: that one still looks after the guests for some time, as after a kill.
local function journals(w, flow, case, out, fail)
  if out.signal or out.status == 5 or flow.suspends and out.status == 0 or flow.resumes and out.status ~= 0 then return end
  for _, entry in ipairs(w:journals()) do
    local j = entry.journal
    if not j then
      fail("%s cannot be read", entry.path)
    elseif #j.held > 0 and not (case.memory == "all" and j.guard_alive) then
      fail("%s, and its journal holds %d guest(s)", tell(out), #j.held)
    end
  end
end

--- Everything that does not hold after a case.
-- @tparam table w world
-- @tparam table flow of `workflows`
-- @tparam {kind=string,n=integer,...} case memory: an allocation failed
-- @tparam table out of the run
-- @treturn {string,...}
function judge.faults(w, flow, case, out)
  local list = {}
  local function fail(format, ...) list[#list + 1] = format:format(...) end
  said(flow, case, out, fail)
  if out.status == 0 and case.kind ~= "kill" then
    local ok, wrong = pcall(flow.whole, w, out)
    if not ok or wrong then fail("exit 0, but %s", wrong) end
  end
  local now = w:stored()
  strays(w, case, out, now, fail)
  local stale_copies = copies(w, out, now, fail)
  local stale = catalog(w, flow, case, out, now, fail)
  standing(w, flow, case, out, fail)
  applications(w, out, fail)
  journals(w, flow, case, out, fail)
  forgotten(w, stale, stale_copies, fail)
  fetched(w, case, out, fail)
  return list
end

return judge
