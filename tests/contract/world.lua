--- The world of one cell: a client of the transport under test, the simulator's control, real files.
-- @module world

local clock = require "engine.clock"
local err = require "std.err"
local file = require "engine.file"
local http = require "engine.http"
local json = require "engine.json"
local ontap = require "engine.ontap"
local process = require "engine.process"
local task = require "std.task"

local KNOWN = {}
for _, code in ipairs(err.codes()) do KNOWN[code] = true end

local world = { patience = 60 }
world.__index = world

-- The call that carries a verb's own change or question, as fault rules name it.
local CALLS = require "calls"

-- The longest that one call may take: its timeout with all repetitions, jobs and looks.
local LONGEST = 25

-- A client whose every call must end in time with a result, or with nil and an error of a known code.
local function check(verb, since, value, problem)
  if clock.mono() - since > LONGEST then error({ broken = verb .. ": it took too long" }, 0) end
  if value ~= nil then return end
  if not err.is(problem) or not KNOWN[problem.code] or problem.message == "" or problem.message:find("[\r\n]") then
    error({ broken = ("%s: failed without an error object: %s"):format(verb, tostring(problem)) }, 0)
  end
end

local function watched(client)
  return setmetatable({}, { __index = function(_, verb)
    local method = client[verb]
    if not method then return nil end
    return function(_, ...)
      local since = clock.mono()
      local results = table.pack(method(client, ...))
      if verb ~= "pages" then check(verb, since, results[1], results[2]) end
      return table.unpack(results, 1, results.n)
    end
  end })
end

--- The world of a cell.
-- @tparam table cell url, root, ca, profile, api, mutates; lifs: name to URL; certs: where certified.pem is
-- @treturn table
function world.new(cell)
  local scheme, host, port = cell.url:match("^(https?)://%[?([^%]]-)%]?:(%d+)$")
  local w = setmetatable({ url = cell.url, root = cell.root, ca = cell.ca, profile = cell.profile, api = cell.api,
    lifs = cell.lifs, certs = cell.certs, mutates = cell.mutates, host = host, port = tonumber(port),
    https = scheme == "https", next = { p = 0, s = 0, m = 0, q = 0 } }, world)
  w.version = require("contract").version(cell.profile.ontap)
  if w.mutates then world.patience = 0.5 end
  w.client, w.vault = w:connect {}, w:connect { svm = "svm2" }
  if cell.api == "auto" then
    local who = w.client:identity()
    w.transport = who and who.transport
    w.absent = "no transport answers"
  elseif cell.profile[cell.api] == true then
    w.transport = cell.api
  else
    w.absent = ("the controller serves no %s"):format(cell.api == "zapi" and "ONTAPI" or "REST")
  end
  return w
end

--- A client: the cluster's administrator, tunnelled to svm1, unless the options say otherwise.
-- @tparam[opt] table with options that replace the defaults; false removes one
-- @treturn[1] Ontap
-- @return[2] nil
-- @treturn[2] Err
function world:connect(with)
  local o = { name = "filer", host = self.host, port = self.port, https = self.https, user = "admin", password = "secret",
    svm = "svm1", ca_file = self.https and self.ca or nil, timeout = 10, api = self.api }
  for key, value in pairs(with or {}) do
    if value == false and key ~= "https" then o[key] = nil else o[key] = value end
  end
  if self.mutates then o.timeout, o.retries, o.retry_wait = 3, 1, 0.01 end
  local client, problem = ontap.new(o)
  return client and watched(client), problem
end

--- A client of an SVM's own LIF.
-- @tparam string lif
-- @tparam[opt] table with
function world:at_lif(lif, with)
  local host, port = self.lifs[lif]:match("^https?://%[?([^%]]-)%]?:(%d+)$")
  local o = { host = host, port = tonumber(port), user = "vsadmin", svm = false }
  for key, value in pairs(with or {}) do o[key] = value end
  return self:connect(o)
end

--- Whether the transport under test is that one.
function world:is(transport) return self.transport == transport end

--- A volume that no other case uses, and the directory of its live files.
function world:volume()
  self.next.p = self.next.p + 1
  local name = ("p%04d"):format(self.next.p)
  return name, self:dir(name)
end

--- A volume with a LUN that no other case uses: volume, path of the LUN, its file.
function world:lun()
  self.next.s = self.next.s + 1
  local name = ("s%04d"):format(self.next.s)
  return name, ("/vol/%s/lun0"):format(name), self:dir(name) .. "/lun0"
end

--- The same in a qtree.
function world:qtree_lun()
  self.next.q = self.next.q + 1
  local name = ("q%04d"):format(self.next.q)
  return name, ("/vol/%s/qt_db/db01 disk0"):format(name), self:dir(name) .. "/qt_db/db01 disk0"
end

function world:dir(volume, svm) return ("%s/%s/%s"):format(self.root, svm or "svm1", volume) end

--- Random bytes.
function world.bytes(n)
  local out = {}
  for i = 1, (n + 7) // 8 do out[i] = string.pack("<i8", math.random(math.mininteger, math.maxinteger)) end
  return table.concat(out):sub(1, n)
end

--- Write a file in place, so that a LUN keeps its inode; random bytes unless given.
function world.write(path, data)
  data = data or world.bytes(65536)
  assert(file.mkdirs(path:match("^(.*)/"), { mode = 493 }))
  local f = assert(io.open(path, file.stat(path) and "r+b" or "wb"))
  f:write(data)
  f:close()
  return data
end

function world.read(path)
  local f = assert(io.open(path, "rb"))
  local data = f:read("a")
  f:close()
  return data
end

--- SHA-256 of a file.
function world.sum(path)
  local r = assert(process.run({ "sha256sum", path }, { reads = true }))
  return assert(r.stdout:match("^\\?(%x+)"), r.stderr)
end

local function control(self, method, path, body)
  local reply = assert(http.request(self.url .. "/sim/" .. path,
    { method = method, body = body and json.encode(body), ca_file = self.https and self.ca or nil }))
  if reply.status >= 300 then error(("%s /sim/%s: %d %s"):format(method, path, reply.status, reply.body), 3) end
  return json.decode(reply.body)
end

--- Ask or order the simulator.
function world:sim(method, path, body) return control(self, method, path, body) end

--- The name of the call that a verb makes on this transport.
function world:call(verb)
  local names = CALLS[verb] or error("no call is known for " .. verb, 2)
  return names[self.transport] or error(("no call is known for %s over %s"):format(verb, self.transport), 2)
end

--- Add a fault rule to the call of a verb; it lasts until the case has ended.
-- @tparam string verb or "*"
-- @tparam table rule
function world:fault(verb, rule)
  local r = { match = verb == "*" and "*" or self:call(verb) }
  for key, value in pairs(rule) do r[key] = value end
  self.faulty = true
  return control(self, "POST", "faults", r).id
end

--- What the simulator has served since the case began.
function world:requests() return control(self, "GET", "requests?last=10000") end

--- A relationship from a volume of svm1 to a new volume of svm2, not initialized: "svm2:mNNNN" and its name.
function world:mirror(volume, policy)
  self.next.m = self.next.m + 1
  local target = ("m%04d"):format(self.next.m)
  local source, dest = "svm1:" .. volume, "svm2:" .. target
  if self:is "zapi" then
    assert(self.vault:call("snapmirror-create", ("<source-location>%s</source-location><destination-location>%s" ..
      "</destination-location><policy>%s</policy><relationship-type>extended_data_protection</relationship-type>")
      :format(source, dest, policy)))
  else
    self:created(self.vault:request("POST", "/snapmirror/relationships?return_timeout=15",
      { source = { path = source }, destination = { path = dest }, policy = { name = policy } }))
  end
  return dest, target
end

--- What the calls of the number cases are about: a file, snapshots, an igroup, a group, a mirror; made once.
function world:prepare_numbers()
  if self.prepared then return self.prepared end
  self.prepared = { dest = "svm2:none" }
  self.write(self:dir "plain" .. "/disk.img", "x")
  assert(self.client:snapshot_create("plain", "s"))
  assert(self.client:snapshot_create("odd", "s"))
  self:igroup("ig_numbers")
  if self:is "rest" and self.version >= 91001 then self:group("cg_numbers", { "plain", "deep" }) end
  self.prepared.dest = self:mirror("plain", "MirrorAllSnapshots")
  return self.prepared
end

--- A consistency group made by hand; ONTAPI needs none.
function world:group(name, volumes)
  local list = {}
  for i, volume in ipairs(volumes) do list[i] = { name = volume, provisioning_options = { action = "add" } } end
  self:created(self.client:request("POST", "/application/consistency-groups?return_timeout=15",
    { name = name, svm = { name = "svm1" }, volumes = list }))
end

--- Count the requests with a call's name.
function world:count(name)
  local pattern, n = "^" .. name:gsub("[%-%.%+%[%]%(%)%$%^%%%?]", "%%%0"):gsub("%*", ".*") .. "$", 0
  for call, times in pairs(self:requests().calls) do
    if call:find(pattern) then n = n + times end
  end
  return n
end

--- How often a login was refused.
function world:logins()
  local n = 0
  for _, r in ipairs(self:requests().log) do
    if r.status == "unauthorized" then n = n + 1 end
  end
  return n
end

--- Wait until a function gives something; four times the seconds on a machine that is busy otherwise.
function world.wait(fn, seconds)
  local till = clock.mono() + math.min(4 * (seconds or 5), world.patience)
  repeat
    local value = fn()
    if value then return value end
    task.sleep(0.01)
  until clock.mono() > till
  error("it did not come", 2)
end

--- Wait for a restore to end: its last status, or nil and the error that it ended with.
function world:restore_end(args)
  local status, failed
  self.wait(function()
    status, failed = self.client:restore_status(args)
    return not status or status.running == 0
  end, 20)
  return status, failed
end

--- A LUN made by hand: its file and its path.
function world:new_lun(volume, name, size)
  local path = ("/vol/%s/%s"):format(volume, name)
  if self:is "zapi" then
    assert(self.client:call("lun-create-by-size", ("<path>%s</path><size>%d</size><ostype>linux</ostype>" ..
      "<space-reservation-enabled>false</space-reservation-enabled>"):format(path, size or 262144)))
  else
    self:created(self.client:request("POST", "/storage/luns?return_timeout=15",
      { name = path, svm = { name = "svm1" }, os_type = "linux", space = { size = size or 262144 } }))
  end
  return self:dir(volume) .. "/" .. name, path
end

--- An igroup made by hand.
function world:igroup(name)
  if #assert(self.client:igroups { name = name }) > 0 then return name end
  if self:is "zapi" then
    assert(self.client:call("igroup-create", ("<initiator-group-name>%s</initiator-group-name>" ..
      "<initiator-group-type>iscsi</initiator-group-type><os-type>linux</os-type>"):format(name)))
    assert(self.client:call("igroup-add", ("<initiator-group-name>%s</initiator-group-name>" ..
      "<initiator>iqn.1994-05.com.redhat:%s</initiator>"):format(name, name)))
  else
    self:created(self.client:request("POST", "/protocols/san/igroups", { name = name, svm = { name = "svm1" },
      protocol = "iscsi", os_type = "linux", initiators = { { name = "iqn.1994-05.com.redhat:" .. name } } }))
  end
  return name
end

--- The reply of a raw request that makes something, its job waited for.
function world:created(reply, problem)
  if not reply then error(problem, 2) end
  local job = reply.body and reply.body.job
  if reply.status >= 300 then error(("HTTP %d: %s"):format(reply.status, json.encode(reply.body)), 2) end
  if job then
    self.wait(function()
      local j = assert(self.client:job(job.uuid))
      if j.state == "failure" then error(("job: %s"):format(tostring(j.message)), 0) end
      return j.state == "success"
    end, 10)
  end
end

--- Run something with the nth reply damaged: what it gave, and how many replies were.
function world:damaged(seed, nth, fn)
  local id = control(self, "POST", "faults", { match = "*", action = "mutate", seed = seed, nth = nth }).id
  local ok, problem = fn()
  local hits = 0
  for _, rule in ipairs(control(self, "GET", "faults").faults) do
    if rule.id == id then hits = rule.hits end
  end
  control(self, "DELETE", "faults")
  self.faulty = nil
  return ok, problem, hits
end

--- Before and after each case.
function world:begin() control(self, "DELETE", "requests") end

function world:finish()
  if self.faulty then control(self, "DELETE", "faults") end
  self.faulty = nil
end

return world
