--- A private world for tests of workflows: an ONTAP simulator of its own, guests of libvirt's test driver (or
-- of QEMU, `moonsnap test --qemu`) whose disks lie on its volumes, a config. Workflows run in it as they stand,
-- calls fail when told to, and what was done is there to be looked at.
--
--    local t, world = require "std.test", require "std.world"
--    t.case("a full volume leaves no guest paused", function()
--      local w <close> = world.new { guests = { { name = "web1", volume = "vol1" } } }
--      w.sim:fail("snapshot-create", { nth = 1, action = "nospace" })
--      t.eq(w:run("backup", { policy = "daily" }).code, 1)
--      t.eq(w:paused(), {})
--      t.eq(w.sim:snapshots("vol1"), {})
--    end)
--    return t.done()
-- @module std.world

local file = require "engine.file"
local json = require "engine.json"
local probe = require "engine.probe"
local process = require "engine.process"
local tasks = require "engine.task"
local trace = require "engine.trace"
local virt = require "engine.virt"
local err = require "std.err"
local nearest = require "std.nearest"
local sim = require "std.world_sim"

local world = {}

local World = {}
World.__index = World

local number = 0

-- A misspelt field would be a test of something else.
local FIELDS = { world = { guests = true, volumes = true, conf = true, sim = true },
  guest = { name = true, volume = true, disks = true, off = true, metadata = true },
  run = { policy = true, params = true, script = true, args = true } }

local function check_fields(what, value, level)
  local known = {}
  for name in pairs(FIELDS[what]) do known[#known + 1] = name end
  table.sort(known)
  for name in pairs(value) do
    if not FIELDS[what][name] then
      error(("std.world: a %s has no '%s'%s; it has %s"):format(what, tostring(name), nearest.hint(tostring(name), known),
        table.concat(known, ", ")), level + 1)
    end
  end
end

local XML = [[
<domain type='%s'><name>%s</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  %s<devices>%s<memballoon model='none'/></devices></domain>]]
local DISK = "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/>"
  .. "<target dev='vd%s' bus='virtio'/></disk>"

local function write(path, text, mode)
  assert(file.mkdirs(path:match("^(.*)/"), { mode = 493 })) -- 0755: the guests' account must get there
  assert(file.replace(path, text, { mode = mode or 420 }))
end

-- Disks differ from guest to guest, and from block to block.
local function content(seed)
  local blocks = {}
  for i = 1, 2048 do
    local text = ("%s block %d "):format(seed, i)
    blocks[i] = (text:rep(512 // #text + 1)):sub(1, 512)
  end
  return table.concat(blocks)
end

-- The host's own mounts, and the simulator's volumes as NFS mounts.
local function mountinfo(self)
  local lines, root = {}, "1"
  for line in io.lines("/proc/self/mountinfo") do
    lines[#lines + 1] = line
    if line:match("^%d+ %d+ %S+ %S+ (%S+)") == "/" then root = line:match("^%d+") end
  end
  for i, volume in ipairs(self.volumes) do
    lines[#lines + 1] = ("%d %s 0:%d / %s rw,relatime - nfs4 127.0.0.1:/%s rw,vers=4.1,addr=127.0.0.1"):format(900 + i, root,
      900 + i, self.sim:path(volume), volume)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function define(self, guest)
  local known = {}
  for _, volume in ipairs(self.volumes) do known[volume] = true end
  local disks, type_ = {}, self.uri:find("^test:") and "test" or "qemu"
  for i, volume in ipairs(guest.disks or { guest.volume }) do
    if not known[volume] then
      error(("std.world: guest '%s': the world has no volume '%s'; it has %s"):format(guest.name, tostring(volume),
        table.concat(self.volumes, ", ")), 0)
    end
    local path = ("%s/%s%s.img"):format(self.sim:path(volume), guest.name, i > 1 and "-" .. i or "")
    write(path, content(path:match("[^/]+/[^/]+$")), 438) -- 0666
    disks[i] = DISK:format(path, string.char(96 + i))
  end
  local about = guest.metadata and ("<metadata>%s</metadata>"):format(guest.metadata) or ""
  local xml = XML:format(type_, guest.name, about, table.concat(disks))
  assert(self.conn:define(xml))
  -- As libvirt has it, with its uuid: a dry run's own libvirt must know the guest by the same one.
  xml = assert(self:domain(guest.name):xml { inactive = true })
  self.guests[#self.guests + 1] = { name = guest.name, xml = xml, off = guest.off }
  if not guest.off then assert(self:domain(guest.name):start()) end
end

local function config(self, changes)
  local names = {}
  for i, guest in ipairs(self.guests) do names[i] = guest.name end
  local values = { SNAME = "demo", SNAP_TIMESTAMP_ONLY = "Y", VOLUMES = "svm1:" .. table.concat(self.volumes, ","),
    NTAP_USERS = "svm1:vsadmin/secret", MANAGEMENT_INTERFACES = "svm1:127.0.0.1", TRANSPORT = "HTTPS", PORT = self.sim.port,
    NTAP_SNAPSHOT_RETENTIONS = "hourly:3,daily:7", APP_NAME = "kvm", APP_AUTO_DISCOVERY = "Y", SC_AGENT_TIMEOUT = 600,
    KVM_CMD_RETRY_COUNT = 0, ONTAP_CA_FILE = self.sim.ca_file, KVM_MOUNTINFO = self.dir .. "/mountinfo",
    KVM_LIBVIRT_URI = self.uri, KVM_VMS = table.concat(names, ",") }
  for key, value in pairs(changes or {}) do values[key] = value end
  local lines = {}
  for key, value in pairs(values) do lines[#lines + 1] = ("%s=%s"):format(key, value) end
  table.sort(lines)
  return table.concat(lines, "\n") .. "\n"
end

--- Make a world.
-- @tparam {guests={table,...},volumes={string,...},conf=table,sim=table} opts guests: `{name=, volume=}` each, or
--   `{name=, disks={VOLUME,...}}` for several disks, `off=true` for one that does not run, `metadata=` XML
--   that its definition holds, a tag for instance; volumes: "vol1" and "vol2" when not given; conf: parameters that
--   differ; sim: keys of the simulator's config that differ
-- @treturn World a to-be-closed value: closing it removes all of it. Fields: dir, conn, uri, sim
-- @raise what kept it from coming up
-- @usage
-- local w <close> = require("std.world").new { guests = { { name = "web1", volume = "vol1" } } }
-- assert(w:run("backup", { policy = "daily" }).code == 0)
-- w:order { "domain.suspend web1", "ontap.snapshot_create svm1 vol1", "domain.resume web1" }
-- assert(#w:paused() == 0 and #w.sim:snapshots("vol1") == 1)
function world.new(opts)
  if type(opts) ~= "table" then error("world.new: a table with guests is needed", 2) end
  check_fields("world", opts, 2)
  for _, guest in ipairs(opts.guests or {}) do
    check_fields("guest", guest, 2)
    if not guest.name or not (guest.volume or guest.disks) then
      error("world.new: a guest needs name, and volume or disks", 2)
    end
  end
  number = number + 1
  local self = setmetatable({ guests = {}, rules = {}, volumes = opts.volumes or { "vol1", "vol2" },
    uri = os.getenv("MOONSNAP_TEST_URI") or "test:///default",
    dir = ("%s/moonworld.%d.%d"):format(os.getenv("MOON_TEST_TMP") or "/tmp", process.self().pid, number) }, World)
  local ok, failed = pcall(function()
    write(self.dir .. "/etc/demo/.keep", "")
    self.sim = sim.start(self.dir .. "/sim", self.volumes, opts.sim)
    self.conn = assert(virt.open(self.uri))
    trace.kept(self.conn)
    for _, guest in ipairs(opts.guests or {}) do define(self, guest) end
    write(self.dir .. "/mountinfo", mountinfo(self))
    write(self.dir .. "/etc/demo/kvm.conf", config(self, opts.conf), 384) -- 0600: it has a password
  end)
  if not ok then
    self:close()
    error(failed, 0)
  end
  probe.start()
  return self
end

--- Change parameters of the config for the runs to come.
-- @tparam table changes
function World:configure(changes)
  write(self.dir .. "/etc/demo/kvm.conf", config(self, changes), 384)
end

--- A guest's handle.
-- @tparam string name
-- @treturn Domain
function World:domain(name)
  return self.conn:domain(assert(self.conn:lookup(name)))
end

--- Names of the guests that stand still.
-- @treturn {string,...}
function World:paused()
  local names = {}
  for _, guest in ipairs(self.guests) do
    if self.conn:lookup(guest.name) and assert(self:domain(guest.name):state()).state == "paused" then
      names[#names + 1] = guest.name
    end
  end
  return names
end

-- Snapshot names have a resolution of one second.
local function next_second(self)
  while self.second == os.time() do tasks.sleep(0.02) end
  self.second = os.time()
end

-- A script is looked for where the test is started, then beside the test.
local function beside(path)
  if not path or file.stat(path) then return path end
  for dir in package.path:gmatch("([^;]+)/%?%.lua") do
    if file.stat(dir .. "/" .. path) then return dir .. "/" .. path end
  end
  return path
end

local function arguments(self, what, opts)
  local args = what:find("%.lua$") and { "run", beside(what) } or { what }
  local function add(...) table.move({ ... }, 1, select("#", ...), #args + 1, args) end
  add("--profile", "demo", "--config", "kvm", "--config-dir", self.dir .. "/etc", "--state-dir", self.dir .. "/state", "--yes")
  if opts.policy then add("--policy", opts.policy) end
  if opts.script then add("--script", beside(opts.script)) end
  if opts.params then
    add("--params")
    for key, value in pairs(opts.params) do add(("%s=%s"):format(key, value)) end
  end
  for _, arg in ipairs(opts.args or {}) do add(arg) end
  return args
end

local function newest(dir, pattern)
  local best, at
  for _, name in ipairs(file.list(dir) or {}) do
    local stat = name:find(pattern) and file.stat(dir .. "/" .. name)
    if stat and (not at or stat.mtime >= at) then best, at = dir .. "/" .. name, stat.mtime end
  end
  return best
end

--- Run a workflow in this world, in this process.
-- @tparam string what an action, or the path of a script (ends in `.lua`)
-- @tparam[opt] {policy=string,params=table,script=string,args={string,...}} opts
-- @treturn {code=integer,log=string,record=?table} exit code, the run's log, the newest record of the catalog
-- @raise nothing: what a workflow raises is in the log, with code 1
function World:run(what, opts)
  check_fields("run", opts or {}, 2)
  next_second(self)
  local args = arguments(self, what, opts or {})
  args[#args + 1] = "--quiet"
  local ok, code = pcall(require("std.cli").main, args)
  collectgarbage() -- the run's lock goes with its context
  local log = newest(self.dir .. "/state/log/demo", "%.debug%.")
  local record = newest(self.dir .. "/state/catalog/demo/kvm", "%.json$")
  return { code = ok and code or 1, log = (log and file.read(log) or "") .. (ok and "" or tostring(code)),
    record = record and json.decode(assert(file.read(record))) or nil }
end

--- What a workflow would do, by `--dry-run --json`, in a process of its own.
-- @tparam string what
-- @tparam[opt] table opts as for `run`
-- @treturn {plan=table,steps={table,...}}
-- @raise when the dry run fails
function World:plan(what, opts)
  next_second(self)
  local args = arguments(self, what, opts or {})
  table.insert(args, 1, process.realpath("/proc/self/exe"))
  local uri = self.uri
  if uri == "test:///default" then
    -- The guests of this process are its own; that one gets the same from a file.
    local all = {}
    for _, guest in ipairs(self.guests) do all[#all + 1] = guest.xml end
    write(self.dir .. "/node.xml", "<node>" .. table.concat(all, "\n") .. "</node>")
    uri = "test://" .. self.dir .. "/node.xml"
  end
  table.move({ "--dry-run", "--json", "--quiet", "--libvirt-uri", uri }, 1, 5, #args + 1, args)
  local out = assert(process.run(args, { reads = true, timeout = 60 }))
  if out.status ~= 0 then error(err.new("io", ("dry run of %s: exit code %s: %s"):format(what, out.status, out.stderr)), 0) end
  return assert(json.decode(out.stdout))
end

--- Let a call to libvirt, a program or the like fail; for the controller's own calls see `w.sim:fail`. A failure
-- that never came about is told of when the world closes.
-- @tparam string op such as "domain.suspend"
-- @tparam[opt] table opts object (guest), nth, count, code, message; see `engine.probe.fail`
function World:fail(op, opts)
  self.rules[#self.rules + 1] = ("%s: %s"):format(sim.place(), op)
  probe.fail(op, opts or {})
end

--- Give an answer to a call in place of what the world has: a guest agent's, say, which the test driver lacks. Calls
-- that only read are not among them, but for the agent's; an answer that no call came for is told of when the world closes.
-- @tparam string op such as "domain.agent"
-- @param value what the call returns
-- @tparam[opt] table opts object, nth, count
function World:answer(op, value, opts)
  local rule = { answer = value }
  for key, item in pairs(opts or {}) do rule[key] = item end
  self.rules[#self.rules + 1] = ("%s: %s"):format(sim.place(), op)
  probe.fail(op, rule)
end

-- Of the world itself, and what says nothing about the workflow.
local QUIET = { file = true, guard = true, virt = true }

--- What was changed since the world was made, in order, one line each: "domain.suspend web1",
-- "ontap.snapshot_create svm1 vol1 demo-daily_20261124020000", "process.run /bin/true pause".
-- @treturn {string,...}
function World:calls()
  local lines = {}
  for _, call in ipairs(probe.calls()) do
    local args, parts = call.args or {}, { call.op, call.object }
    local own = call.op == "http.request" and (call.object or ""):find("/sim/", 1, true)
    if not QUIET[call.op:match("^%a+")] and not own then
      if args.argv then parts = { call.op, table.concat(args.argv, " ") } end
      for _, key in ipairs { "volume", "volumes", "path", "name", "snapshot" } do
        local value = call.op:find("^ontap") and args[key]
        if value then parts[#parts + 1] = type(value) == "table" and table.concat(value, ",") or value end
      end
      lines[#lines + 1] = table.concat(parts, " ") .. (call.failed and " (made to fail)" or "")
    end
  end
  return lines
end

--- Check that calls came in an order; others may stand between them.
-- @tparam {string,...} wanted beginnings of lines of `calls`
-- @raise naming the first that is missing, with all that was called
function World:order(wanted)
  local lines, at = self:calls(), 1
  for _, want in ipairs(wanted) do
    while lines[at] and lines[at]:sub(1, #want) ~= want do at = at + 1 end
    if not lines[at] then
      error(("'%s' did not come, or came too early; calls:\n  %s"):format(want, table.concat(lines, "\n  ")), 2)
    end
    at = at + 1
  end
end

-- First as it stands: a link goes, and not what it leads to.
local function remove(path)
  if file.remove(path) then return end
  for _, name in ipairs(file.list(path) or {}) do remove(path .. "/" .. name) end
  file.remove(path)
end

-- A failure that was asked for and never came about: the test may have passed for another reason.
local function tell_unmet(self)
  local unmet = self.sim and self.sim:unmet() or {}
  for i, rule in ipairs(probe.rules()) do
    if not rule.hit and self.rules[i] then unmet[#unmet + 1] = self.rules[i] end
  end
  for _, text in ipairs(unmet) do print("never came about: " .. text) end
end

--- Remove everything: guests, simulator, files. Closing the value does this.
function World:close()
  tell_unmet(self)
  probe.stop()
  for _, guest in ipairs(self.conn and self.guests or {}) do
    local row = self.conn:lookup(guest.name)
    local dom = row and self.conn:domain(row)
    if dom then
      dom:destroy()
      dom:undefine()
    end
  end
  if self.conn then self.conn:close() end
  if self.sim then self.sim:stop() end
  self.conn, self.sim, self.guests = nil, nil, {}
  remove(self.dir)
end

World.__close = World.close

return world
