--- The world of the fault matrix: the engine with its seam, guests, the simulator, and how all of it comes back to where
-- a case began. A case takes a fifth of a second, since libvirtd, guests, simulator and connections stay.
-- @module world

local clock = require "engine.clock"
local file = require "engine.file"
local guard = require "engine.guard"
local http = require "engine.http"
local json = require "engine.json"
local ontap = require "engine.ontap"
local process = require "engine.process"
local task = require "std.task"
local virt = require "engine.virt"

local world = {}
world.__index = world

local LIMIT = 120 -- seconds that a run may take: it may wait 60 for a guest to stop

--- The world.
-- @tparam table made by tests/fault/cell.sh: here (the directory of this), dir, uri, url, root, ca, engine (with the seam),
--   plain (moonsnap), guests, vaults and mirrors of svm_vault ({DESTINATION=SOURCE} volumes)
-- @treturn table
function world.new(made)
  local scheme, host, port = made.url:match("^(https?)://([^/:]+):(%d+)")
  local w = setmetatable(made, world)
  w.state, w.etc, w.base_dir = made.dir .. "/state", made.dir .. "/etc", made.dir .. "/base"
  w.next_backup = { "backup", "--profile", "demo", "--config", "kvm", "--policy", "daily" }
  w.conn = assert(virt.open(made.uri))
  w.filer = assert(ontap.new { name = "filer", host = host, port = tonumber(port), https = scheme == "https",
    user = "vsadmin", password = "secret", ca_file = made.ca, api = "rest", timeout = 60 })
  w.secondary = assert(ontap.new { name = "secondary", host = host, port = tonumber(port), https = scheme == "https",
    user = "vault", password = "secret", ca_file = made.ca, api = "rest", timeout = 60 })
  w.anchors = 0
  w.first = w:stored()
  return w
end

--- Run a program that must succeed.
function world.sh(...)
  local out = assert(process.run({ ... }, { timeout = 60 }))
  if out.status ~= 0 then error(("%s: %s%s"):format(table.concat({ ... }, " "), out.stdout, out.stderr), 2) end
  return out.stdout
end

--- Run an action.
-- @tparam {string,...} argv the action and its own arguments
-- @tparam[opt] {string,...} env of the seam; without it the plain binary runs
-- @treturn table as from `engine.process.run`
function world:run(argv, env)
  local line = { env and self.engine or self.plain, table.unpack(argv) }
  for _, word in ipairs { "--config-dir", self.etc, "--state-dir", self.state } do line[#line + 1] = word end
  return assert(process.run(line, { env = env, timeout = LIMIT, max_output = 1 << 22 }))
end

--- Run an action of the plain binary that must succeed.
function world:must(argv)
  local out = self:run(argv)
  if out.status ~= 0 then
    error(("%s: exit %s: %s"):format(table.concat(argv, " "), tostring(out.status), out.stderr), 2)
  end
  return out
end

--- Order something from the simulator.
function world:sim(method, path, body)
  local reply = assert(http.request(self.url .. "/sim/" .. path, { method = method, ca_file = self.ca,
    body = body and json.encode(body) }))
  if reply.status >= 300 then error(("%s /sim/%s: %d %s"):format(method, path, reply.status, reply.body), 2) end
  return reply.body ~= "" and json.decode(reply.body) or nil
end

-- Whether file systems of a guest are frozen: what its agent says (tests/guest/agent.c).
local function is_frozen(self, name)
  local text = file.read(("%s/local/%s/frozen"):format(self.dir, name))
  return text ~= nil and tonumber(text) ~= 0
end

--- Guests that do not run, by name: "alpha is paused", "alpha is frozen".
-- @treturn {string,...}
function world:standing()
  local list, state = {}, {}
  for _, row in ipairs(assert(self.conn:list())) do state[row.name] = row.state end
  for _, name in ipairs(self.guests) do
    if state[name] ~= "running" then
      list[#list + 1] = ("%s is %s"):format(name, state[name] or "gone")
    elseif is_frozen(self, name) then
      list[#list + 1] = name .. " is frozen"
    end
  end
  return list
end

--- Applications of other configs that stand still.
-- @treturn {string,...}
function world:applications()
  return file.list(self.dir .. "/applications") or {}
end

--- Wait until nothing stands still.
-- @tparam number seconds
-- @tparam[opt] string but what nobody will make run, "alpha is shutoff": it is not waited for
-- @treturn {string,...} what does all the same
function world:wait_running(seconds, but)
  local till, list = clock.mono() + seconds, self:standing()
  while #list > 0 and not (#list == 1 and list[1] == but) and clock.mono() < till do
    task.sleep(0.02)
    list = self:standing()
  end
  return list
end

--- Journals of guests in the state directory, with what is in them.
function world:journals()
  local list = {}
  for _, name in ipairs(file.list(self.state .. "/journal") or {}) do
    local path = ("%s/journal/%s"):format(self.state, name)
    local journal = name:find("%.journal$") and guard.read(path)
    if not name:find("%.applications%.json$") then list[#list + 1] = { path = path, journal = journal or nil } end
  end
  return list
end

-- End guard processes: one that has still to look would take the next case's suspend for its own. It may end by itself
-- just now, and is waited for: until then it writes to the state directory.
local function end_guards(self)
  local till = clock.mono() + 60
  for _, entry in ipairs(self:journals()) do
    local j = entry.journal
    while j and (j.guard_alive or j.engine_alive) do
      if clock.mono() > till then error("cannot go on: a guard process does not end", 0) end
      if j.guard_alive then assert(process.run { "kill", "-KILL", tostring(j.guard.pid) }) end
      if j.engine_alive then assert(process.run { "kill", "-KILL", tostring(j.engine.pid) }) end
      task.sleep(0.01)
      j = guard.read(entry.path)
    end
  end
end

local function revive(self)
  for _, row in ipairs(assert(self.conn:list())) do
    local dom = self.conn:domain(row)
    if row.state == "paused" then dom:resume() elseif row.state == "shutoff" then dom:start {} end
    if row.state == "running" and is_frozen(self, row.name) then dom:thaw() end
  end
  local list = self:wait_running(60)
  if #list > 0 then error("cannot go on: " .. table.concat(list, ", "), 0) end
end

-- The snapshots of a volume into `into`, but for those that SnapMirror makes and those that the world does.
local function add_snapshots(client, volume, into)
  for _, s in ipairs(assert(client:snapshots(volume))) do
    if not s.name:find "^snapmirror%." and not s.name:find "^anchor_" then into[volume .. " " .. s.name] = s end
  end
end

--- What the controllers have: `{volumes={NAME=row}, luns={PATH=row}, snapshots={"VOLUME NAME"=row}, policies={NAME=id},
-- copies={"VOLUME NAME"=row} on the secondary, when the workflow replicates}`.
function world:stored()
  local out = { volumes = {}, luns = {}, snapshots = {}, policies = {}, copies = {} }
  for _, row in ipairs(assert(self.filer:volumes())) do
    out.volumes[row.name] = row
    if row.state == "online" then add_snapshots(self.filer, row.name, out.snapshots) end
  end
  for _, kind in ipairs(self.replicates and { self.vaults, self.mirrors } or {}) do
    for name in pairs(kind) do add_snapshots(self.secondary, name, out.copies) end
  end
  for _, row in ipairs(assert(self.filer:luns())) do out.luns[row.path] = row end
  local reply = assert(self.filer:request("GET", "/protocols/nfs/export-policies?fields=name"))
  for _, row in ipairs(reply.body.records or {}) do out.policies[row.name] = row.id end
  return out
end

--- Relationships that were made for a transfer from a vault to the primary: how their transfer stands. One that has
-- ended well is taken away by the controller, a moment later.
-- @treturn {string,...}
function world:restores()
  local list = {}
  local reply = assert(self.filer:request("GET", "/snapmirror/relationships?fields=restore,transfer"))
  for _, row in ipairs(reply.body.records or {}) do
    if row.restore then list[#list + 1] = row.transfer and row.transfer.state or "none" end
  end
  return list
end

--- Files that restores have fetched from a vault, beside the disks.
-- @treturn {string,...} "vol1/alpha.img.moonsnap_RUN"
function world:fetched()
  local list = {}
  for _, volume in pairs(self.vaults) do
    for _, name in ipairs(file.list(("%s/svm1/%s"):format(self.root, volume)) or {}) do
      if name:find "%.moonsnap_" then list[#list + 1] = volume .. "/" .. name end
    end
  end
  return list
end

-- Transfers of a dead run go on: wait until there is none.
local function wait_idle(self)
  local till = clock.mono() + 60
  repeat
    local running = #self:restores() > 0
    for _, row in ipairs(assert(self.secondary:mirrors {})) do running = running or row.status ~= "idle" end
    if not running then return end
    task.sleep(0.05)
  until clock.mono() > till
  error("cannot go on: transfers do not end", 0)
end

-- The newest snapshot that a vault has, too, cannot be deleted on either side: let it be one of the world's own.
local function advance(self)
  local last, name = ("anchor_%d"):format(self.anchors), ("anchor_%d"):format(self.anchors + 1)
  self.anchors = self.anchors + 1
  for vault, volume in pairs(self.vaults) do
    assert(self.filer:snapshot_create(volume, name, { label = "daily" }))
    assert(self.secondary:mirror_update("svm_vault:" .. vault, {}))
  end
  wait_idle(self)
  for vault, volume in pairs(self.vaults) do
    self.filer:snapshot_delete(volume, last)
    self.secondary:snapshot_delete(vault, last)
  end
end

local HELD = { busy = true, conflict = true }

local function delete_snapshot(self, client, volume, name)
  local ok, failed = client:snapshot_delete(volume, name)
  if not ok and self.replicates and HELD[failed.code] then
    advance(self)
    ok, failed = client:snapshot_delete(volume, name)
  end
  if not ok then error(("snapshot %s on %s: %s"):format(name, volume, failed), 0) end
end

local function remove(self, now, base)
  for path in pairs(now.luns) do
    local volume = path:match("^/vol/([^/]+)/")
    if not base.luns[path] and base.volumes[volume] then assert(self.filer:lun_delete(path, { force = true })) end
  end
  for name, row in pairs(now.volumes) do
    if not base.volumes[name] then
      for path in pairs(now.luns) do
        if path:find("/vol/" .. name .. "/", 1, true) then self.filer:lun_delete(path, { force = true }) end
      end
      assert(self.filer:volume_delete(name, { uuid = row.uuid }))
    end
  end
  for name, id in pairs(now.policies) do
    if not base.policies[name] then
      assert(self.filer:request("DELETE", ("/protocols/nfs/export-policies/%s"):format(tostring(id):gsub("%.0$", ""))))
    end
  end
  for key, row in pairs(now.snapshots) do
    local volume = key:match("^%S+")
    if not base.snapshots[key] and base.volumes[volume] then delete_snapshot(self, self.filer, volume, row.name) end
  end
  -- Asked again: what made way for a deletion has taken along what the run had not transferred.
  for key, row in pairs(self:stored().copies) do
    local vault = key:match("^%S+") -- a mirror gets what its source has by the next transfer
    if not base.copies[key] and self.vaults[vault] then delete_snapshot(self, self.secondary, vault, row.name) end
  end
end

-- What a restore that died has begun at the secondary.
local function end_transfers(self)
  if not self.replicates then return end
  wait_idle(self)
  for _, path in ipairs(self:fetched()) do world.sh("rm", ("%s/svm1/%s"):format(self.root, path)) end
end

--- Keep what there is now as the place to come back to.
function world:keep()
  self.base = self:stored()
  world.sh("rm", "-rf", self.base_dir)
  world.sh("mkdir", "-p", self.base_dir, self.state)
  world.sh("cp", "-a", self.state, self.etc, self.base_dir)
end

--- Come back: guests run, nobody guards them, the state directory and the controller are as they were kept.
-- What was deleted since is made again, by name; only `uuid` and time differ.
-- @treturn {string,...} what had been deleted and was no snapshot: only the workflow itself can make it again
function world:back()
  end_guards(self)
  revive(self)
  end_transfers(self)
  world.sh("rm", "-rf", self.state, self.etc, self.dir .. "/trail", self.dir .. "/applications")
  world.sh("cp", "-a", self.base_dir .. "/state", self.base_dir .. "/etc", self.dir)
  local now, lost = self:stored(), {}
  remove(self, now, self.base)
  for key, row in pairs(self.base.snapshots) do
    if not now.snapshots[key] and self.base.volumes[key:match("^%S+")] then
      if now.volumes[key:match("^%S+")] then
        assert(self.filer:snapshot_create(key:match("^%S+"), row.name, { comment = row.comment, label = row.label }))
      end
    end
  end
  for _, kind in ipairs { "volumes", "luns", "copies" } do
    for name in pairs(self.base[kind]) do
      if not now[kind][name] then lost[#lost + 1] = name end
    end
  end
  return lost
end

--- Remove everything that any run has made: as the world was found.
function world:clear()
  self.base = self.first
  end_guards(self)
  revive(self)
  end_transfers(self)
  world.sh("rm", "-rf", self.state)
  remove(self, self:stored(), self.first)
end

--- Make a workflow's own base.
-- @tparam table flow of `workflows`
-- @tparam string api zapi or rest
function world:begin(flow, api)
  self:clear()
  self.api, self.replicates = api, flow.replicates
  world.sh("rm", "-rf", self.etc)
  world.sh("cp", "-a", self.dir .. "/etc.kept", self.etc)
  if flow.conf then
    local path, lines = self.etc .. "/demo/kvm.conf", flow.conf(self)
    local text = assert(file.read(path))
    for _, line in ipairs(lines) do text = text:gsub("\n" .. line:match "^[%w_]+" .. "=[^\n]*", "") end
    assert(file.replace(path, text .. table.concat(lines, "\n") .. "\n", { mode = 384 })) -- 0600
  end
  if flow.base then
    flow.base(self)
    world.next_second()
  end
  self:keep()
end

--- Make ready for a case: the base, and what the workflow needs before each.
-- @tparam table flow
function world:arrange(flow)
  if #self:back() > 0 then self:begin(flow, self.api) end
  -- A mirror has what the last case's run made until the next transfer: nothing may have its name.
  if self.replicates then world.next_second() end
  if flow.arrange then flow.arrange(self) end
end

--- The records of the catalog by file name: the text and, where it can be read, the record.
function world:catalog(root)
  local out, dir = {}, (root or self.dir) .. "/state/catalog/demo/kvm"
  for _, name in ipairs(file.list(dir) or {}) do
    local text = file.read(dir .. "/" .. name)
    out[name] = { text = text, record = text and json.decode(text) or nil }
  end
  return out
end

--- Wait for the next second, in which a snapshot gets another name. By the clock that the name is made of: that of os.time
-- and os.date goes by the kernel's ticks, and is some milliseconds behind `clock.now`, more where a tick comes late.
function world.next_second()
  local now = os.time()
  while os.time() == now do task.sleep(0.01) end
end

return world
