--- The shipped workflows that change something: what must be there before, how each is run, and what it must have
-- done when it says so. `argv(w)` is the command; `base(w)` makes what it needs, once; `arrange(w)` what it needs
-- before each case; `whole(w, out)` gives text when a run that ended with 0 has not done its job.

local file = require "engine.file"
local json = require "engine.json"

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
    base = function(w) w.snapshot = backup(w, "daily") end,
    argv = function(w)
      return action("restore", { api(w), "KVM_RESTORE_VM_LIST=alpha" }, "--policy", "daily", "--backupName", w.snapshot,
        "--yes", "--json")
    end,
    whole = function(w, out)
      local record = json.decode(out.stdout)
      if not record or record.status ~= "ok" then return "its record is not ok" end
      if not w:stored().snapshots["vol1 " .. record.safety] then return "there is no safety snapshot" end
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
        assert(w.conn:domain(row):suspend())
      end
      assert(file.mkdirs(w.state .. "/journal"))
      assert(file.replace(w.state .. "/journal/demo.kvm.19700101000000-1.journal", table.concat(lines, "\n") .. "\n"))
    end,
    argv = function() return { "recover" } end,
    whole = function(w)
      if #w:standing() > 0 then return "not all guests run" end
    end },
}
