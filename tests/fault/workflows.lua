--- The shipped workflows that change something: what must be there before, how each is run, and what it must have
-- done when it says so. `argv(w)` is the command; `conf(w)` what its config has beside the world's; `base(w)` makes what
-- it needs, once; `arrange(w)` what it needs before each case; `whole(w, out)` gives text when a run that ended with 0
-- has not done its job; `script` is a script of the site; `suspends`, `resumes`, `restores` and `replicates` say what it
-- does, for the judge. Of a backup or restore of another kind, calls before the first one whose "NAME OBJECT PLACE" matches
-- `from` go wrong in `backup` and `restore`; `unwired`: so do its requests, on the wire.

local file = require "engine.file"
local json = require "engine.json"

local world = require "world"

local PAUSE = "stdlib/quiesce" -- where the pause is made
local CONFIG = { "--profile", "demo", "--config", "kvm" }

local function action(name, params, ...)
  local argv = { name, table.unpack(CONFIG) }
  for _, word in ipairs { ... } do argv[#argv + 1] = word end
  if #params > 0 then argv[#argv + 1] = "--params" end
  for _, pair in ipairs(params) do argv[#argv + 1] = pair end
  return argv
end

local function api(w) return "ONTAP_API=" .. w.api end

local function backup(w, policy, ...)
  w.next_second()
  local out = w:must(action("backup", { api(w), ... }, "--policy", policy, "--json"))
  return json.decode(out.stdout).snapshot
end

local function clone(w, kind, ...)
  w.next_second()
  return json.decode(w:must(action(kind, { api(w), ... }, "--policy", "daily", "--json")).stdout).snapshot
end

-- The record that a run printed, and that its snapshots are there.
local function backed_up(w, out)
  local record = json.decode(out.stdout)
  if not record or not record.snapshot then return "it printed no record" end
  local now = w:stored()
  for _, v in ipairs(record.volumes) do
    local row = now.snapshots[v.volume .. " " .. record.snapshot]
    if not row then return ("snapshot %s is not on %s"):format(record.snapshot, v.volume) end
    if v.snapshot_uuid and v.snapshot_uuid ~= row.uuid then return ("%s: another uuid on %s"):format(row.name, v.volume) end
  end
  return nil, record, now
end

local function cloned(w, out)
  local wrong, record, now = backed_up(w, out)
  if wrong then return wrong end
  if #(record.clones or {}) == 0 then return "it printed no clone" end
  for _, c in ipairs(record.clones) do
    if not now[c.kind == "lun" and "luns" or "volumes"][c.name] then return c.name .. " is not there" end
  end
end

-- A command of the site for each family: PRE_NTAP_CMD01=NOTE PRE_NTAP_CMD.
local function noted(w, families)
  local list = {}
  for i, family in ipairs(families) do list[i] = ("%s01=%s/note %s"):format(family, w.dir, family) end
  return list
end

-- That each family's command ran once, in their order.
local function all_noted(w, families)
  local trail = (file.read(w.dir .. "/trail") or ""):gsub("%s+", " ")
  local want = table.concat(families, " ") .. " "
  if trail ~= want then return ("commands ran: %s, not: %s"):format(trail, want) end
end

local AROUND_BACKUP = { "PRE_NTAP_CMD", "PRE_APP_QUIESCE_CMD", "POST_APP_QUIESCE_CMD", "PRE_APP_UNQUIESCE_CMD",
  "POST_APP_UNQUIESCE_CMD", "POST_NTAP_DATA_TRANSFER_CMD", "POST_NTAP_CMD", "ARCHIVE_CMD" }
local AROUND_CUSTOM = { "PRE_APP_QUIESCE_CMD", "POST_APP_QUIESCE_CMD", "PRE_APP_UNQUIESCE_CMD", "POST_APP_UNQUIESCE_CMD" }

-- A backup with one more parameter.
local function variant(name, from, ...)
  local params = { ... }
  return { name = name, from = from,
    argv = function(w)
      return action("backup", { api(w), "NTAP_SNAPSHOT_RETENTIONS=daily:7", table.unpack(params) }, "--policy", "daily",
        "--json")
    end,
    whole = backed_up }
end

-- The same, with more in its config.
local function configured(flow, conf, whole)
  flow.conf, flow.whole = conf, whole or flow.whole
  return flow
end

-- That the secondary has all of it, and the record says so.
local function replicated(w, out)
  local wrong, record, now = backed_up(w, out)
  if wrong then return wrong end
  local seen = {}
  for _, entry in ipairs(record.replicated or {}) do
    seen[entry.volume] = true
    if entry.state ~= "done" then return ("%s is %s"):format(entry.destination, entry.state) end
    if not now.copies[entry.volume .. " " .. record.snapshot] then return entry.destination .. " does not have it" end
  end
  for _, kind in ipairs { w.vaults, w.mirrors } do
    for volume in pairs(kind) do
      if not seen[volume] then return volume .. " is not in the record" end
    end
  end
end

local function restore(w)
  return action("restore", { api(w), "KVM_RESTORE_VM_LIST=alpha" }, "--policy", "daily", "--backupName", w.snapshot, "--yes",
    "--json")
end

local function restored(w, out)
  local record = json.decode(out.stdout)
  if not record or record.status ~= "ok" then return "its record is not ok" end
  if not w:stored().snapshots["vol1 " .. record.safety] then return "there is no safety snapshot" end
  return nil, record
end

local VAULT = { "NTAP_USERS=svm1:vsadmin/secret;svm_vault:vault/secret",
  "MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.1", "NTAP_SNAPVAULT_UPDATE=Y", "SNAPVAULT_VOLUMES=svm1:vol1,vol2" }

-- Beside what a config has to reach the vaults.
local function with_vault(...)
  local lines = table.move(VAULT, 1, #VAULT, 1, {})
  for _, line in ipairs { ... } do lines[#lines + 1] = line end
  return function() return lines end
end

local replicate = configured(variant("replicate", "stdlib/replicat"),
  with_vault("NTAP_SNAPMIRROR_UPDATE=Y", "SNAPMIRROR_VOLUMES=svm1:vol1", "NTAP_SNAPMIRROR_WAIT=1"), replicated)
replicate.replicates = true

-- Its base is a backup that is in the vaults, and goes there.
local retain = configured(variant("retain", "^Ontap%.snapshot_delete v%d"),
  with_vault("NTAP_SNAPVAULT_RETENTIONS=daily:1"), function(w, out)
    local wrong, record, now = backed_up(w, out)
    if wrong then return wrong end
    for vault in pairs(w.vaults) do
      if not now.copies[vault .. " " .. record.snapshot] then return vault .. " does not have it" end
    end
    for key in pairs(now.copies) do
      if w.vaults[key:match "^%S+"] and not key:find(record.snapshot, 1, true) then return key .. " is still there" end
    end
  end)
retain.replicates, retain.unwired = true, true
retain.base = function(w) w.snapshot = backup(w, "daily") end

local CLONES = { "NTAP_CLONE_IGROUP_MAP=svm1:vol2/tape", "NTAP_NFS_EXPORT_HOST=192.0.2.7" }

return {
  { name = "backup",
    base = function(w) backup(w, "hourly") end,
    argv = function(w)
      return action("backup", { api(w), "NTAP_SNAPSHOT_RETENTIONS=hourly:1" }, "--policy", "hourly", "--json")
    end,
    whole = backed_up },

  { name = "group",
    argv = function(w)
      return action("backup", { api(w), "NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y" }, "--policy", "daily", "--json")
    end,
    whole = backed_up },

  { name = "restore",
    restores = true,
    base = function(w) w.snapshot = backup(w, "daily") end,
    argv = restore,
    whole = restored },

  -- Of a backup that only the vaults still have. ONTAPI alone does not fetch single files.
  { name = "vault",
    restores = true, replicates = true, apis = { "auto", "rest" }, from = "^Ontap%.snapshots v%d",
    conf = with_vault("NTAP_SNAPSHOT_RETENTIONS=daily:1"),
    base = function(w)
      w.snapshot = backup(w, "daily")
      backup(w, "daily")
    end,
    argv = restore,
    whole = function(w, out)
      local wrong, record = restored(w, out)
      if wrong then return wrong end
      if not record.guests[1].disks[1].vault then return "it did not come from the vault" end
      if #w:fetched() > 0 and not out.stderr:find("fetched for a restore, is left", 1, true) then
        return "what was fetched is left"
      end
    end },

  { name = "backupDel",
    base = function(w) w.snapshot = backup(w, "daily") end,
    argv = function(w) return action("backupDel", { api(w) }, "--backupName", w.snapshot, "--yes") end,
    whole = function(w, out)
      for key in pairs(w:stored().snapshots) do
        if key:find(w.snapshot, 1, true) then return key .. " is still there" end
      end
      if out.stderr:find "it is passed over" then return end -- a record that could not be read; the next backup forgets it
      for name, entry in pairs(w:catalog()) do
        if entry.record and entry.record.snapshot == w.snapshot then return name .. " is still there" end
      end
    end },

  { name = "cloneVol",
    argv = function(w)
      return action("cloneVol", { api(w), table.unpack(CLONES) }, "--policy", "daily", "--json")
    end,
    whole = cloned },

  { name = "cloneLun",
    argv = function(w) return action("cloneLun", { api(w), CLONES[1] }, "--policy", "daily", "--json") end,
    whole = cloned },

  { name = "cloneDel",
    base = function(w) w.snapshot = clone(w, "cloneVol", table.unpack(CLONES)) end,
    argv = function(w) return action("cloneDel", { api(w) }, "--policy", "daily", "--backupName", w.snapshot, "--yes") end,
    whole = function(w)
      for name in pairs(w:stored().volumes) do
        if name:find("^cl_") then return name .. " is still there" end
      end
    end },

  { name = "discover",
    argv = function(w) return action("discover", { api(w) }) end,
    whole = function() end },

  { name = "quiesce",
    suspends = true,
    argv = function(w) return action("quiesce", { api(w) }) end,
    whole = function(w)
      if #w:standing() ~= #w.guests then return "not all guests are suspended" end
    end },

  { name = "unquiesce",
    resumes = true,
    arrange = function(w) w:must(action("quiesce", { api(w) })) end,
    argv = function(w) return action("unquiesce", { api(w) }) end,
    whole = function(w)
      if #w:standing() > 0 then return "not all guests run" end
    end },

  { name = "recover",
    resumes = true, apis = { "zapi" }, -- it asks no controller
    -- What a backup leaves that died in the pause, and its guard with it.
    arrange = function(w)
      local lines = { "moonsnap-journal 1", "run demo kvm backup", "uri " .. w.uri, "engine 4194303 1", "guard 4194302 1",
        "deadline 4000000000" }
      for _, row in ipairs(assert(w.conn:list())) do
        lines[#lines + 1] = ("hold %s %s"):format(row.uuid, row.name)
        world.sh("virsh", "-q", "-c", w.uri, "suspend", row.name) -- here a guard process would hold it
      end
      assert(file.mkdirs(w.state .. "/journal"))
      assert(file.replace(w.state .. "/journal/demo.kvm.19700101000000-1.journal", table.concat(lines, "\n") .. "\n"))
    end,
    argv = function() return { "recover" } end,
    whole = function(w)
      if #w:standing() > 0 then return "not all guests run" end
    end },

  variant("parallel", PAUSE, "KVM_QUIESCE_MODE=parallel"),
  variant("rolling", PAUSE, "KVM_QUIESCE_MODE=rolling"),
  variant("freeze", PAUSE, "KVM_QUIESCE_METHOD=freeze"),

  configured(variant("hooks", "stdlib/command"), function(w) return noted(w, AROUND_BACKUP) end, function(w, out)
    return backed_up(w, out) or all_noted(w, AROUND_BACKUP)
  end),

  configured(variant("federation", "stdlib/command"),
    function() return { "FEDERATED_APPLICATIONS=db@one;db@two" } end),

  replicate, retain,

  -- The plan of a backup. What of it asks the controllers is the same over both transports.
  { name = "apply",
    apis = { "zapi" },
    base = function(w)
      backup(w, "daily") -- which writes the mapping into the config: a plan need not
      w.next_second()
      w.plan = w.dir .. "/plan.json"
      local out = w:run(action("backup", { api(w) }, "--policy", "daily", "--dry-run", "--json"), {}) -- of the same program
      assert(out.status == 0, out.stderr)
      assert(file.replace(w.plan, out.stdout))
    end,
    argv = function(w) return { "apply", w.plan, "--json" } end,
    whole = backed_up },

  { name = "scdump",
    apis = { "zapi" }, -- it asks each controller who it is
    base = function(w) w.dumped = json.decode(w:must({ "scdump", "--profile", "demo", "--json" }).stdout).files end,
    argv = function() return { "scdump", "--profile", "demo", "--json" } end,
    whole = function(w, out)
      local made = json.decode(out.stdout)
      local listed = world.sh("tar", "-tzf", made.archive)
      for _, name in ipairs(w.dumped) do
        if not listed:find(name, 1, true) and not out.stderr:find("scdump goes on without it", 1, true) then
          return name .. " is not in the archive, and nothing is said to be missing"
        end
      end
    end },

  -- A script of the site that lets the guests stand still for its own commands.
  { name = "custom",
    script = "custom.lua",
    conf = function(w) return noted(w, AROUND_CUSTOM) end,
    base = function(w) world.sh("cp", w.here .. "/custom.lua", w.etc .. "/demo/custom.lua") end,
    argv = function(w) return action("custom", { api(w) }) end,
    whole = function(w) return all_noted(w, AROUND_CUSTOM) end },

  -- What a backup leaves that dies with its snapshots made.
  { name = "gc",
    settles = true,
    base = function(w)
      w.snapshot = backup(w, "daily")
      for name, entry in pairs(w:catalog()) do
        local r = entry.record
        if r.snapshot == w.snapshot then
          r.status, r.finished, r.process = "started", nil, { pid = 4194303, start = 1 }
          assert(file.replace(("%s/catalog/demo/kvm/%s"):format(w.state, name), json.encode(r)))
        end
      end
    end,
    argv = function(w) return action("gc", { api(w) }, "--yes") end,
    whole = function(w)
      for key in pairs(w:stored().snapshots) do
        if key:find(w.snapshot, 1, true) then return key .. " is still there" end
      end
    end },
}
