-- Success is what the object shows, not what the reply says.
local c = require "contract"
local clock = require "engine.clock"

c.case { "volume-errors: an iterator that passed without a volume is an error, not an empty list",
  rest = "REST has no partial lists", run = function(w)
    local vol = w:volume()
    c.ok(w.client:snapshot_create(vol, "s"))
    w:fault("snapshots", { action = "error", errno = 13023, volume = vol })
    local rows, e = w.client:snapshots(vol)
    c.fails(rows, e, "conflict", vol, 13023)
  end }

local BOTH = { -- verbs that change something, with arguments made by a function, and a look at the object
  { "snapshot_create", function(w) local vol = w:volume() return { vol, "s", { comment = "this call's" } } end,
    function(w, a) return #c.ok(w.client:snapshots(a[1])) == 1 end },
  { "snapshot_delete", function(w) local vol = w:volume() c.ok(w.client:snapshot_create(vol, "s")) return { vol, "s" } end,
    function(w, a) return #c.ok(w.client:snapshots(a[1])) == 0 end },
  { "snapshot_rename", function(w)
    local vol = w:volume()
    c.ok(w.client:snapshot_create(vol, "s"))
    return { vol, "s", { to = "t" } }
  end, function(w, a) return c.ok(w.client:snapshots(a[1]))[1].name == "t" end },
  { "volume_clone", function(w)
    local vol = w:volume()
    c.ok(w.client:snapshot_create(vol, "s"))
    return { vol, { to = vol .. "_job", snapshot = "s" } }
  end, function(w, a) return #c.ok(w.client:volumes { name = a[2].to }) == 1 end },
  { "lun_delete", function(w) local _, path = w:lun() return { path } end,
    function(w, a) return #c.ok(w.client:luns { path = a[1] }) == 0 end },
  { "lun_clone", function(w) local vol, path = w:lun() return { path, { to = "/vol/" .. vol .. "/job" } } end,
    function(w, a) return #c.ok(w.client:luns { path = a[2].to }) == 1 end },
}

-- With a short timeout the client does not let the controller wait for the job, and polls it.
local function poller(w) return w:connect { timeout = 8 } end

for _, row in ipairs(BOTH) do
  local verb, make, done = row[1], row[2], row[3]
  for _, how in ipairs { "waited for", "polled" } do
    c.case { ("%s: a job that fails in the end, %s, is an error with its text and number"):format(verb, how),
      zapi = "no job is given there", run = function(w)
        local args, client = make(w), how == "polled" and poller(w) or w.client
        w:fault(verb, { action = "job_fail", ms = 80, code = 262210, reason = "The aggregate went away." })
        local value, e = client[verb](client, table.unpack(args))
        c.fails(value, e, "io", "The aggregate went away.", 262210)
      end }
  end

  c.case { verb .. ": HTTP 500, 502, 504 say nothing of what was done: the object does", run = function(w)
    local client = w:connect { retry_wait = 0.02 }
    for status, after in pairs { [500] = true, [502] = false, [504] = true } do
      local args = make(w)
      w:fault(verb, { action = "http", status = status, after = after or nil, count = 1 })
      local value, e = client[verb](client, table.unpack(args))
      w:finish()
      c.eq(value or false, after, tostring(e))
      c.eq(done(w, args), after, "the object")
    end
  end }

  c.case { verb .. ": a page of HTML instead of an answer says nothing of what was done either", rest = "the same as garbage",
    run = function(w)
      local args = make(w)
      w:fault(verb, { action = "login", after = true, count = 1 })
      c.ok(w.client[verb](w.client, table.unpack(args)))
      c.ok(done(w, args), "the object says so")
    end }

  c.case { verb .. ": a job that ends in success with an error inside: the object decides", zapi = "no job is given there",
    run = function(w)
      for _, after in ipairs { true, false } do
        local args, client = make(w), poller(w)
        w:fault(verb, { action = "job_lies", ms = 40, after = after or nil, code = 262210,
          reason = "It did not come to an end." })
        local value, e = client[verb](client, table.unpack(args))
        w:finish()
        c.eq(value or false, after, tostring(e))
        if not after then c.fails(value, e, "io", "It did not come to an end.", 262210) end
        c.eq(done(w, args), after, "the object")
      end
    end }

  c.case { verb .. ": a job that is gone: carried out is true", zapi = "no job is given there", run = function(w)
    local args, client = make(w), poller(w)
    w:fault(verb, { action = "job_lost", ms = 40, after = true })
    c.ok(client[verb](client, table.unpack(args)))
    c.ok(done(w, args), "the object says so")
  end }

  c.case { verb .. ": a job that is gone: not carried out is an error", zapi = "no job is given there", run = function(w)
    local args, client = make(w), poller(w)
    w:fault(verb, { action = "job_lost", ms = 40 })
    local value, e = client[verb](client, table.unpack(args))
    c.eq(value, nil)
    c.fails(nil, e, e.code)
    c.ok(not done(w, args), "the object says so")
  end }
end

c.case { "file_restore: a job that fails late is an error of restore_status", zapi = "no job is given there",
  since = { rest = "9.10.1" }, run = function(w)
    local vol, dir = w:volume()
    w.write(dir .. "/disk.img")
    c.ok(w.client:snapshot_create(vol, "s"))
    w:fault("file_restore", { action = "job_fail", ms = 80, code = 524511, reason = "The restore failed." })
    local begun, e = w.client:file_restore(vol, "s", { path = "disk.img" })
    local ended
    if begun then ended, e = w:restore_end { volume = vol, path = "disk.img", job = begun.job } end
    c.eq(ended, nil)
    c.fails(nil, e, e.code, "The restore failed.", 524511)
  end }

c.case { "file_restore: a job that ends in success with an error inside is an error", zapi = "no job is given there",
  since = { rest = "9.10.1" }, run = function(w)
    local vol, dir = w:volume()
    w.write(dir .. "/disk.img")
    c.ok(w.client:snapshot_create(vol, "s"))
    w:fault("file_restore", { action = "job_lies", ms = 80, code = 524511, reason = "The restore failed." })
    local begun = c.ok(w.client:file_restore(vol, "s", { path = "disk.img" }))
    local ended, e = w:restore_end { volume = vol, path = "disk.img", job = begun.job }
    c.fails(ended, e, "io", "The restore failed.", 524511)
    c.eq(c.ok(w.client:job(begun.job)).state, "failure")
  end }

c.case { "file_restore: a job that is gone and did nothing is an error, or said to be forgotten",
  zapi = "no job is given there", since = { rest = "9.10.1" }, run = function(w)
    local vol, dir = w:volume()
    w.write(dir .. "/disk.img")
    c.ok(w.client:snapshot_create(vol, "s"))
    w.write(dir .. "/disk.img", w.bytes(70000))
    w:fault("file_restore", { action = "job_lost", ms = 30 })
    local begun, e = w.client:file_restore(vol, "s", { path = "disk.img" })
    local ended
    if begun then ended, e = w:restore_end { volume = vol, path = "disk.img", job = begun.job } end
    if ended then c.eq(ended.forgotten, true) else c.fails(nil, e, e.code) end
  end }

c.case { "job: running, then failed, then forgotten", zapi = "ONTAPI numbers its jobs", run = function(w)
  local vol = w:volume()
  w:fault("snapshot_create", { action = "job_fail", ms = 200, code = 262210, reason = "No." })
  local uuid = c.ok(w.client:volumes { name = vol })[1].uuid
  local since = clock.mono()
  local reply = c.ok(w.client:request("POST", "/storage/volumes/" .. uuid .. "/snapshots", { name = "s" }))
  c.eq(reply.status, 202)
  local id = reply.body.job.uuid
  local state = c.ok(w.client:job(id)).state
  if clock.mono() - since < 0.2 then c.eq(state, "running") end -- it runs for 0.2 s
  local job = w.wait(function()
    local j = c.ok(w.client:job(id))
    return j.state ~= "running" and j
  end)
  c.shape(job, { state = "failure", code = 262210, message = "No.", progress = "string?" })
  c.fails(nil, select(2, w.client:job("00000000-0000-0000-0000-00000000dead")), "not_found")
end }

c.case { "job: of ONTAPI, by number; one that is not there is not found", rest = "REST names its jobs", run = function(w)
  c.fails(nil, select(2, w.client:job("987654")), "not_found", "987654")
end }

c.case { "snapshot_modify: a list with failures is an error though it passed", rest = "REST changes one object",
  run = function(w)
    local vol = w:volume()
    c.ok(w.client:snapshot_create(vol, "s"))
    w:fault("snapshot_modify", { action = "error", errno = 13023, volume = vol })
    local value, e = w.client:snapshot_modify(vol, "s", { comment = "x" })
    c.fails(value, e, "conflict", vol)
  end }
