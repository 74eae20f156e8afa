--- The world of one cell: a client of the transport under test, the simulator's control, real files.
-- @module world

local clock = require "engine.clock"
local file = require "engine.file"
local http = require "engine.http"
local json = require "engine.json"
local ontap = require "engine.ontap"
local process = require "engine.process"
local task = require "std.task"

local world = {}
world.__index = world

-- The call that carries a verb's own change or question, as fault rules name it.
local CALLS = require "calls"

--- @tparam {url=string,root=string,ca=string,profile=table,api=string} cell
-- @treturn table
function world.new(cell)
  local scheme, host, port = cell.url:match("^(https?)://%[?([^%]]-)%]?:(%d+)$")
  local w = setmetatable({ url = cell.url, root = cell.root, ca = cell.ca, profile = cell.profile, api = cell.api,
    host = host, port = tonumber(port), https = scheme == "https", next = { p = 0, s = 0 } }, world)
  w.version = require("contract").version(cell.profile.ontap)
  w.client = w:connect {}
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
  return ontap.new(o)
end

--- Whether the transport under test is that one.
function world:is(transport) return self.transport == transport end

--- A volume that no other case uses, and the directory of its live files.
function world:volume()
  self.next.p = self.next.p + 1
  local name = ("p%03d"):format(self.next.p)
  return name, self:dir(name)
end

--- A volume with a LUN that no other case uses: volume, path of the LUN, its file.
function world:lun()
  self.next.s = self.next.s + 1
  local name = ("s%03d"):format(self.next.s)
  return name, ("/vol/%s/lun0"):format(name), self:dir(name) .. "/lun0"
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

--- Count the requests with a call's name.
function world:count(name) return self:requests().calls[name] or 0 end

--- Wait until a function gives something.
function world.wait(fn, seconds)
  local till = clock.mono() + (seconds or 5)
  repeat
    local value = fn()
    if value then return value end
    task.sleep(0.01)
  until clock.mono() > till
  error("it did not come", 2)
end

--- Wait for a restore.
function world:restored(client, args)
  return self.wait(function()
    local status, problem = client:restore_status(args)
    if not status then error(problem, 0) end
    return status.running == 0
  end, 10)
end

--- Before and after each case.
function world:begin() control(self, "DELETE", "requests") end

function world:finish()
  if self.faulty then control(self, "DELETE", "faults") end
  self.faulty = nil
end

return world
