--- The simulator of a test's world; `std.world` starts it.
-- @module std.world_sim

local file = require "engine.file"
local http = require "engine.http"
local json = require "engine.json"
local process = require "engine.process"
local tasks = require "engine.task"
local err = require "std.err"

local world_sim = {}

local Sim = {}
Sim.__index = Sim

local READY = 20 -- seconds

-- $MOONSNAP_ONTAPSIM, else beside moonsnap.
local function program()
  local path = os.getenv("MOONSNAP_ONTAPSIM") or process.realpath("/proc/self/exe"):gsub("[^/]*$", "ontapsim")
  if not file.stat(path) then
    error(err.new("not_found", ("%s: there is no simulator; `make install` puts it beside moonsnap, or MOONSNAP_ONTAPSIM "
      .. "names it"):format(path)), 0)
  end
  return path
end

local function configuration(root, volumes, changes)
  local rows = {}
  for i, name in ipairs(volumes) do
    rows[i] = { name = name, size = 1 << 30, junction = "/" .. name, aggregate = "aggr1" }
  end
  local conf = { listen = "127.0.0.1:0", root = root, cluster = { name = "cl1", ontap = "9.14.1", ontapi = "1.241" },
    users = { { name = "admin", password = "secret" }, { name = "vsadmin", password = "secret", svm = "svm1" } },
    svms = { { name = "svm1", lifs = { { name = "lif1", address = "127.0.0.1" } }, volumes = rows } } }
  for key, value in pairs(changes or {}) do conf[key] = value end
  return json.encode(conf, true)
end

--- The line of the script that called the function that calls this.
-- @treturn string "FILE:LINE"
function world_sim.place()
  local _, at = pcall(error, "", 4) -- pcall, this function, its caller, the script
  return (tostring(at):gsub(": $", ""))
end

--- Start a simulator; returns when it answers.
-- @tparam string dir a directory of its own
-- @tparam {string,...} volumes names, on SVM svm1
-- @tparam[opt] table changes keys of its config that differ
-- @treturn Sim fields: port, url, ca_file, root
-- @raise why it does not start
function world_sim.start(dir, volumes, changes)
  local self = setmetatable({ dir = dir, rules = {}, root = dir .. "/root" }, Sim)
  for _, name in ipairs(volumes) do assert(file.mkdirs(self:path(name), { mode = 493 })) end -- 0755
  assert(file.replace(dir .. "/sim.json", configuration(self.root, volumes, changes)))
  -- It ends with this process, however that ends; setpriv asks the kernel for it.
  local argv = { "/bin/sh", "-c", 'echo $$ >"$2/pid"; exec setpriv --pdeathsig TERM "$0" --config "$1" >"$2/out" 2>&1',
    program(), dir .. "/sim.json", dir }
  self.task = tasks.spawn(function() return assert(process.run(argv, { reads = true })) end)
  for _ = 1, READY / 0.02 do
    local said = file.read(dir .. "/out") or ""
    self.url, self.port = said:match("listening on (https?://[^%s/]*:(%d+))")
    if self.url then break end
    if self.task:done() then error(err.new("io", "the simulator does not start: " .. said), 0) end
    tasks.sleep(0.02)
  end
  if not self.url then
    self:stop()
    error(err.new("timeout", ("the simulator does not answer within %d s"):format(READY)), 0)
  end
  self.ca_file = self.root .. "/.ontapsim/cert.pem"
  return self
end

--- The directory that holds a volume's files.
-- @tparam string volume
-- @treturn string
function Sim:path(volume)
  return ("%s/svm1/%s"):format(self.root, volume)
end

local function ask(self, method, path, body)
  local reply = assert(http.request(self.url .. path, { method = method, body = body and json.encode(body), user = "admin",
    password = "secret", ca_file = self.ca_file, timeout = 20 }))
  if reply.status >= 300 then
    local said = json.decode(reply.body)
    error(err.new("invalid", ("simulator: %s: %s"):format(path, type(said) == "table" and said.error or reply.body)), 0)
  end
  return reply.body ~= "" and json.decode(reply.body) or nil
end

--- Let a call fail.
-- @tparam string call its name over ONTAPI ("snapshot-create") or REST ("POST /storage/volumes/{uuid}/snapshots");
--   `*` and `?` match
-- @tparam[opt] table opts action ("error" when not given, "nospace", "busy", "drop", "delay" with ms, "hold"
--   until the faults are cleared ...), nth, count, volume, errno; see the simulator's README
-- @raise when the simulator does not take the rule
function Sim:fail(call, opts)
  local rule = { match = call, action = "error" }
  for key, value in pairs(opts or {}) do rule[key] = value end
  local id = ask(self, "POST", "/sim/faults", rule).id
  self.rules[id] = ("%s: %s"):format(world_sim.place(), call)
end

-- Rules that no call met so far are noted; those that were met are done with.
local function look(self)
  if not next(self.rules) then return end
  for _, row in ipairs(ask(self, "GET", "/sim/faults").faults) do
    if row.hits > 0 then self.rules[row.id] = nil end
  end
end

--- Failures that were asked for and that no call came to.
-- @treturn {string,...} "FILE:LINE: CALL"
function Sim:unmet()
  pcall(look, self) -- a test may have ended it
  local list = {}
  for _, text in pairs(self.rules) do list[#list + 1] = text end
  table.sort(list)
  return list
end

--- Let a snapshot be older than it is.
-- @tparam string volume
-- @tparam string name
-- @tparam integer seconds
-- @raise when there is no such snapshot
function Sim:age(volume, name, seconds)
  ask(self, "PUT", "/sim/snapshot", { svm = "svm1", volume = volume, snapshot = name, created = os.time() - seconds })
end

--- Forget all rules of `fail`.
function Sim:heal()
  pcall(look, self)
  ask(self, "DELETE", "/sim/faults")
end

--- The calls so far that changed something: `{call=, object=, status=}` each.
-- @treturn {table,...}
function Sim:changes()
  local out = {}
  for _, row in ipairs(ask(self, "GET", "/sim/requests?last=10000").log) do
    if row.changing then out[#out + 1] = row end
  end
  return out
end

--- Names of a volume's snapshots, sorted.
-- @tparam string volume
-- @treturn {string,...}
function Sim:snapshots(volume)
  local names = {}
  for _, name in ipairs(file.list(self:path(volume) .. "/.snapshot") or {}) do
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  return names
end

--- End it.
function Sim:stop()
  local pid = file.read(self.dir .. "/pid")
  if pid and not self.task:done() then
    process.run({ "/bin/sh", "-c", "kill $0", (pid:gsub("%s", "")) }, { reads = true, timeout = 5 })
    self.task:join()
  end
end

return world_sim
