-- The way to the controller: certificates, logins, refusals, losses. A change is never sent twice.
local c = require "contract"
local clock = require "engine.clock"
local process = require "engine.process"

local QUICK = { retry_wait = 0.02 }

-- A client that is quick to try again, with other options.
local function client(w, with)
  local o = { retry_wait = QUICK.retry_wait }
  for key, value in pairs(with or {}) do o[key] = value end
  return w:connect(o)
end

-- The pin of a certificate's public key.
local function pin_of(cert)
  local r = assert(process.run({ "sh", "-c", 'openssl x509 -in "$0" -pubkey -noout | openssl pkey -pubin -outform der | ' ..
    "openssl dgst -sha256 -binary | base64", cert }, { reads = true }))
  return "sha256//" .. r.stdout:gsub("%s+$", "")
end

-- A certificate that has nothing to do with the controller's.
local function other_ca(w)
  local path = w.root .. "/.other.pem"
  local r = assert(process.run({ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
    "-nodes", "-keyout", "/dev/null", "-out", path, "-subj", "/CN=other", "-days", "2" }, { timeout = 20 }))
  assert(r.status == 0, r.stderr)
  return path
end

c.case { "a wrong password is denied after one single attempt", cell = function(w)
  return not w.transport and w.absent or nil
end, run = function(w)
  local wrong = client(w, { password = "guess" })
  local value, e = wrong:volumes()
  c.fails(value, e, "denied")
  c.eq(w:logins(), 1)
  value, e = wrong:snapshot_create("plain", "never")
  c.fails(value, e, "denied")
  value, e = wrong:identity()
  c.fails(value, e, "denied")
  c.eq(w:logins(), 1)
end }

c.case { "a password that was changed after a while is tried twice, and no more", run = function(w)
  local vol, warm = w:volume(), client(w)
  c.ok(warm:snapshots(vol))
  w:fault("*", { action = "auth" })
  for _ = 1, 3 do
    for verb, args in pairs { snapshots = { vol }, snapshot_create = { vol, "s" }, volumes = {} } do
      local value, e = warm[verb](warm, table.unpack(args))
      c.fails(value, e, "denied")
    end
  end
  c.eq(w:logins(), 2)
end }

c.case { "the message of a refused login holds no password", run = function(w)
  local _, e = client(w, { password = "hunter2-very-secret" }):volumes()
  c.ok(not tostring(e):find("hunter2", 1, true), tostring(e))
end }

c.case { "TLS: a certificate of another CA is refused before the password is sent", run = function(w)
  local value, e = client(w, { ca_file = other_ca(w) }):volumes()
  c.fails(value, e, "denied", "certificate")
  c.eq(w:requests().total, 0)
end }

c.case { "TLS: without a CA file the system's count, and do not know this one", run = function(w)
  local value, e = client(w, { ca_file = false }):snapshot_create("plain", "never")
  c.fails(value, e, "denied", "certificate")
  c.eq(w:requests().total, 0)
end }

c.case { "TLS: a pinned key passes without a CA, another pin is refused", run = function(w)
  local pin = pin_of(w.ca)
  c.ok(client(w, { ca_file = false, pin = pin }):volumes { name = "plain" })
  w:begin()
  local value, e = client(w, { ca_file = false, pin = "sha256//" .. ("A"):rep(43) .. "=" }):volumes()
  c.fails(value, e, "denied")
  c.eq(w:requests().total, 0)
end }

c.case { "a redirect is not followed, and takes no password along", run = function(w)
  w:fault("volumes", { action = "redirect", location = w.url .. "/sim/requests" })
  local value, e = client(w):volumes()
  c.fails(value, e, "protocol", "redirect")
  c.eq(w:count(w:call "volumes"), 1)
end }

c.case { "429 with Retry-After: a call that reads is repeated after that time", slow = true, run = function(w)
  w:fault("volumes", { action = "http", status = 429, retry_after = 1, count = 1 })
  local before = clock.mono()
  c.eq(c.column(c.ok(client(w):volumes { name = "plain" })), { "plain" })
  c.ok(clock.mono() - before >= 1, "the time was waited")
end }

c.case { "503: a call that reads is repeated, up to the limit", run = function(w)
  w:fault("volumes", { action = "http", status = 503, count = 2 })
  c.ok(client(w):volumes { name = "plain" })
  w:finish()
  w:begin()
  w:fault("volumes", { action = "http", status = 503 })
  local value, e = client(w, { retries = 2 }):volumes()
  c.fails(value, e, "busy")
  c.eq(w:count(w:call "volumes"), 3)
end }

c.case { "503 to a change: it is not sent again blindly", run = function(w)
  local vol = w:volume()
  w:fault("snapshot_create", { action = "http", status = 503, after = true, count = 1 })
  local value, e = client(w):snapshot_create(vol, "once")
  c.eq(w:count(w:call "snapshot_create"), 1)
  if value == nil then c.ok(e.code == "busy" or e.code == "io", tostring(e)) end
end }

for _, action in ipairs { "drop", "reset", "truncate" } do
  c.case { ("a reading call outlives one lost reply: %s"):format(action), run = function(w)
    w:fault("volumes", { action = action, count = 1 })
    local rows, e = client(w):volumes { name = "plain" }
    if action == "truncate" and not rows then return c.fails(rows, e, "protocol") end
    c.eq(c.column(c.ok(rows, e)), { "plain" })
  end }

  c.case { ("a reading call fails when every reply is lost: %s"):format(action), run = function(w)
    w:fault("volumes", { action = action })
    local rows, e = client(w, { retries = 2 }):volumes { name = "plain" }
    c.eq(rows, nil)
    c.ok(e.code == "unreachable" or e.code == "protocol" or e.code == "timeout" or e.code == "io", tostring(e))
    c.fails(nil, e, e.code)
  end }

  c.case { ("snapshot_create whose reply is lost (%s): true only when it is there, never exists"):format(action),
    run = function(w)
      for _, after in ipairs { true, false } do
        local vol = w:volume()
        w:fault("snapshot_create", { action = action, after = after or nil, volume = vol })
        local made, e = client(w):snapshot_create(vol, "once")
        w:finish()
        local there = #c.ok(w.client:snapshots(vol)) == 1
        if made then
          c.ok(there, "true, and the snapshot is there")
        else
          c.fails(nil, e, e.code)
          c.ok(e.code ~= "exists", tostring(e))
        end
        if after or action == "truncate" then c.ok(there, "it was carried out") end
      end
    end }
end

-- What must not be sent twice, and what it changes.
local ONCE = {
  { "snapshot_delete", function(w) local v = w:volume() c.ok(w.client:snapshot_create(v, "s")) return { v, "s" } end },
  { "snapshot_rename", function(w)
    local v = w:volume()
    c.ok(w.client:snapshot_create(v, "s"))
    return { v, "s", { to = "t" } }
  end },
  { "file_clone", function(w)
    local v, dir = w:volume()
    w.write(dir .. "/a", "x")
    return { v, { from = "a", to = "b" } }
  end },
  { "lun_delete", function(w) local _, path = w:lun() return { path } end },
  { "file_restore", function(w)
    local v, dir = w:volume()
    w.write(dir .. "/a", "x")
    c.ok(w.client:snapshot_create(v, "s"))
    return { v, "s", { path = "a" } }
  end, "9.10.1" },
}

for _, row in ipairs(ONCE) do
  for _, action in ipairs { "drop", "reset" } do
    c.case { ("%s whose reply is lost (%s) is sent once"):format(row[1], action), since = { rest = row[3] },
      run = function(w)
        local args, warm = row[2](w), client(w)
        c.ok(warm:volumes { name = "plain" })
        w:begin()
        w:fault(row[1], { action = action, after = true })
        local value, e = warm[row[1]](warm, table.unpack(args))
        c.eq(w:count(w:call(row[1])), 1)
        if value == nil then c.fails(nil, e, e.code) end
      end }
  end
end

-- What is looked at when it is not known whether they were carried out.
local LOOKS = { snapshot_create = "snapshots", snapshot_delete = "snapshots", lun_delete = "luns", lun_offline = "luns" }
local ARGS = {
  snapshot_create = function(w) return { w:volume(), "s", { comment = "mine" } } end,
  snapshot_delete = ONCE[1][2], lun_delete = ONCE[4][2], lun_offline = ONCE[4][2],
}

for verb, look in pairs(LOOKS) do
  c.case { verb .. " whose reply is lost, and who may not look: not called refused", run = function(w)
    local args, warm = ARGS[verb](w), client(w)
    w:begin()
    w:fault(verb, { action = "drop", after = true, count = 1 })
    w:fault(look, { action = "error", errno = 13003, code = 6, reason = "Said so." })
    local value, e = warm[verb](warm, table.unpack(args))
    if w:count(w:call(verb)) == 0 then return end -- over REST some are looked up before
    c.fails(value, e, e.code)
    c.ok(e.code ~= "denied" and e.code ~= "not_found", tostring(e))
  end }
end

c.case { "a reused connection that is reset: the read is repeated", run = function(w)
  local warm = client(w)
  c.ok(warm:volumes { name = "plain" })
  w:fault("volumes", { action = "reset", reused = true, count = 1 })
  c.eq(c.column(c.ok(warm:volumes { name = "plain" })), { "plain" })
end }

c.case { "garbage is a protocol error, never a result", run = function(w)
  for _, verb in ipairs { "volumes", "snapshots" } do
    w:fault(verb, { action = "garbage" })
    local value, e = client(w)[verb](client(w), verb == "snapshots" and "plain" or nil)
    c.fails(value, e, "protocol")
    w:finish()
  end
  local vol = w:volume()
  w:fault("snapshot_create", { action = "garbage" })
  local value, e = client(w):snapshot_create(vol, "s")
  c.eq(value, nil)
  c.ok(e.code == "protocol", tostring(e))
end }

c.case { "control characters inside values do no harm", run = function(w)
  w:fault("volumes", { action = "control" })
  local rows, e = client(w):volumes { name = "plain" }
  if rows then
    for _, row in ipairs(rows) do c.ok(not (row.svm or ""):find("[\1\11\31]"), "no control characters in names") end
  else
    c.fails(rows, e, "protocol")
  end
end }

c.case { "a controller that is slow: a timeout in the time that was given", slow = true, run = function(w)
  w:fault("volumes", { action = "hold" })
  local before = clock.mono()
  local value, e = client(w, { timeout = 0.4 }):volumes()
  c.fails(value, e, "timeout")
  c.ok(clock.mono() - before < 20, "in time")
end }

c.case { "HTTP 500 and 403: io and denied, and nothing is believed", run = function(w)
  w:fault("snapshots", { action = "http", status = 500 })
  local value, e = client(w):snapshots("plain")
  c.fails(value, e, "io")
  w:finish()
  w:fault("snapshots", { action = "http", status = 403 })
  value, e = client(w):snapshots("plain")
  c.eq(value, nil)
  c.ok(e.code == "denied" or w:is "zapi" and e.code == "unsupported", tostring(e))
end }

c.case { "nobody listens: unreachable, with the address", cell = function() end, run = function(w)
  local value, e = client(w, { port = 1 }):volumes()
  c.fails(value, e, "unreachable", w.host .. ":1")
end }

c.case { "plain HTTP to an HTTPS port fails", run = function(w)
  local value, e = client(w, { https = false, ca_file = false }):volumes()
  c.eq(value, nil)
  c.fails(nil, e, e.code)
end }

c.case { "many calls at once on one client all come back", run = function(w)
  local task = require "std.task"
  local list = {}
  for i = 1, 20 do list[i] = ("s%04d"):format(i) end
  local names = c.ok(task.map(list, function(name)
    local rows, e = w.client:volumes { name = name }
    if not rows then return nil, e end
    return rows[1].name
  end, { limit = 20 }))
  c.eq(names, list)
end }

c.case { "an SVM's own LIF: its login, its objects, no tunnel", run = function(w)
  local svm = w:at_lif("lif1")
  c.eq(c.column(c.ok(svm:svms())), { "svm1" })
  c.eq(c.column(c.ok(svm:volumes { name = "plain" })), { "plain" })
  local vol = w:volume()
  c.eq(svm:snapshot_create(vol, "s"), true)
  c.eq(#c.ok(w.client:snapshots(vol)), 1)
  local value, e = svm:cluster()
  c.ok(w:is "rest" and value or e and (e.code == "denied" or e.code == "unsupported"), tostring(e))
end }

c.case { "the cluster's administrator is nobody on an SVM's LIF: denied once", run = function(w)
  local value, e = w:at_lif("lif1", { user = "admin" }):volumes()
  c.fails(value, e, "denied")
  c.eq(w:logins(), 1)
end }

c.case { "an IPv6 literal as the controller's address", cell = function(w)
  return not w.transport and w.absent or not w.lifs.lif6 and "this machine has no IPv6" or nil
end, run = function(w)
  for _, host in ipairs { "::1", "[::1]" } do
    c.eq(c.column(c.ok(w:at_lif("lif6", { host = host }):volumes { name = "plain" })), { "plain" })
  end
end }

c.case { "login by certificate; without it nobody", run = function(w)
  local with = { user = false, password = false, svm = false, cert = w.certs .. "/certified.pem",
    key = w.certs .. "/certified.key" }
  c.eq(c.column(c.ok(client(w, with):volumes { name = "plain" })), { "plain" })
  local vol = w:volume()
  c.eq(client(w, with):snapshot_create(vol, "by-certificate"), true)
  local value, e = client(w, { user = false, password = false }):volumes()
  c.fails(value, e, "denied")
end }

c.case { "a certificate file that is not there is an error with its name", run = function(w)
  local value, e = client(w, { cert = "/nowhere/c.pem", key = "/nowhere/c.key" }):volumes()
  c.eq(value, nil)
  c.fails(nil, e, e.code, "/nowhere/c.pem")
end }

c.case { "a role that may read: reads pass, changes are denied and name what was tried", run = function(w)
  local reader = client(w, { user = "reader", svm = false })
  c.eq(c.column(c.ok(reader:volumes { name = "plain" })), { "plain" })
  local vol = w:volume()
  c.eq(c.ok(reader:snapshots(vol)), {})
  local value, e = reader:snapshot_create(vol, "s")
  c.fails(value, e, "denied", vol, "role")
  c.eq(c.ok(w.client:snapshots(vol)), {})
end }
