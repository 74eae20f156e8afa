--- What the shipped actions need to be allowed on a controller, and how to find out whether an account is.
--
-- Reading is tried by reading. A change is tried on what cannot exist: over ONTAPI a volume whose name has
-- characters that ONTAP takes in no volume name, over REST the uuid that is all zeros and is never given to
-- anything; or with a value that is never valid, or without what such a call must have (a name). ONTAP looks
-- at the rights of the account before it looks at the objects, so that the answer is either that the call is
-- not allowed, or that there is no such thing.
-- In no case is anything changed. The controller's audit log shows the tries.
-- @module std.privileges

local err = require "std.err"

local privileges = {}

local NOWHERE = "-no-such-volume-"
local NIL = "00000000-0000-0000-0000-000000000000"
local NOTHING = ("/storage/volumes/%s/snapshots/%s"):format(NIL, NIL)

local ARGS = ("<volume>%s</volume>"):format(NOWHERE)
local NO_CLONE = ("<query><volume-clone-info><parent-volume>%s</parent-volume></volume-clone-info></query>")
  :format(NOWHERE)
local SNAPSHOT = ARGS .. "<snapshot>-none-</snapshot>"

-- The first of the answers that is no refusal of a role, or the first refusal.
local function either(client, ...)
  local refusal
  for _, request in ipairs { ... } do
    local reply, failed = client:request(table.unpack(request))
    if reply or failed.code ~= "denied" or failed.native == 401 then return reply, failed end
    refusal = refusal or failed
  end
  return nil, refusal
end

local function always() return true end

local function igroups_wanted(cfg) return cfg:get("NTAP_CLONE_IGROUP_MAP") ~= nil end

local function export_wanted(cfg) return cfg:get("NTAP_NFS_EXPORT_HOST") ~= nil end

-- Whether a config says anything of clones.
local function clones_wanted(cfg)
  for _, name in ipairs { "NTAP_NUM_VOL_CLONES", "NTAP_CLONE_FOR_BACKUP", "NTAP_VOL_CLONE_RESERVE",
    "NTAP_LUN_CLONE_RESERVATION", "NTAP_CLONE_IGROUP_MAP", "NTAP_NFS_EXPORT_HOST" } do
    if cfg:raw(name) then return true end
  end
  return false
end

-- Asked for where it turns out to be needed: which controller it is stands in the catalog, not in the config.
local function never() return false end

local function replicates(cfg)
  return cfg:get("NTAP_SNAPMIRROR_UPDATE") or cfg:get("NTAP_SNAPVAULT_UPDATE")
end

-- name; actions that need it; `command` of a traditional role and `api` of a REST role, with the access;
-- `zapi` and `rest` try it, where it is a right of its own there; `when` the config needs it; `optional`: without
-- it the actions go on (a transport's name: over that one only).
-- A volume that is there is handed over where there is one, and the controller.
local list = {
  { name = "read the version", actions = "all", command = "version", access = "readonly",
    api = "/api/cluster", api_access = "readonly", optional = "rest",
    zapi = function(client) return client:identity() end,
    rest = function(client) return client:request("GET", "/cluster?fields=version") end },
  { name = "find the SVM", actions = "all", command = "vserver", access = "readonly",
    api = "/api/svm/svms", api_access = "readonly", optional = true,
    zapi = function(client) return client:svms() end, rest = function(client) return client:svms() end },
  { name = "find addresses", actions = "discover, backup, restore, quiesce", command = "network interface",
    access = "readonly", api = "/api/network/ip/interfaces", api_access = "readonly", optional = true,
    zapi = function(client) return client:lifs() end, rest = function(client) return client:lifs() end },
  { name = "find LUNs", actions = "guests on LUNs, cloneVol, cloneDel", command = "lun show", access = "readonly",
    api = "/api/storage/luns", api_access = "readonly", optional = true,
    zapi = function(client) return client:luns { path = "/vol/" .. NOWHERE .. "/-none-" } end,
    rest = function(client) return client:luns { path = "/vol/" .. NOWHERE .. "/-none-" } end },
  { name = "find volumes", actions = "all", command = "volume show", access = "readonly",
    api = "/api/storage/volumes", api_access = "readonly",
    zapi = function(client) return client:volumes { name = NOWHERE } end,
    rest = function(client) return client:volumes { name = NOWHERE } end },
  { name = "list snapshots", actions = "backup, backupList, backupDel, restore", command = "volume snapshot show",
    access = "readonly", api = "/api/storage/volumes/*/snapshots", api_access = "readonly",
    zapi = function(client, volume) return client:snapshots(volume or NOWHERE, { name = "-none-" }) end,
    rest = function(client, volume)
      if volume then return client:snapshots(volume, { name = "-none-" }) end
      return client:request("GET", ("/storage/volumes/%s/snapshots"):format(NIL))
    end },
  { name = "create snapshots", actions = "backup, restore", command = "volume snapshot create", access = "all",
    api = "/api/storage/volumes/*/snapshots", api_access = "read_create",
    zapi = function(client) return client:call("snapshot-create", SNAPSHOT) end,
    rest = function(client) return client:request("POST", ("/storage/volumes/%s/snapshots"):format(NIL),
      { name = "-none-" }) end },
  { name = "delete snapshots", actions = "backup, backupDel", command = "volume snapshot delete", access = "all",
    api = "/api/storage/volumes/*/snapshots", api_access = "all",
    zapi = function(client) return client:call("snapshot-delete", SNAPSHOT) end,
    rest = function(client) return client:request("DELETE", NOTHING) end },
  { name = "rename snapshots", actions = "backup", command = "volume snapshot rename", access = "all",
    api = "/api/storage/volumes/*/snapshots", api_access = "read_create_modify",
    when = function(cfg) return not cfg:get("SNAP_TIMESTAMP_ONLY") end,
    zapi = function(client) return client:call("snapshot-rename",
      ARGS .. "<current-name>-none-</current-name><new-name>-neither-</new-name>") end,
    rest = function(client) return client:request("PATCH", NOTHING, { name = "-neither-" }) end },
  { name = "label group snapshots", actions = "backup", command = "volume snapshot modify", access = "all",
    api = "/api/storage/volumes/*/snapshots", api_access = "read_create_modify",
    when = function(cfg) return cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT") end,
    zapi = function(client) return client:call("snapshot-modify-iter",
      ("<query><snapshot-info><volume>%s</volume><name>-none-</name></snapshot-info></query><attributes><snapshot-info>"
        .. "<comment>-</comment></snapshot-info></attributes>"):format(NOWHERE)) end,
    rest = function(client) return client:request("PATCH", NOTHING, { comment = "-" }) end },
  { name = "snapshot groups", actions = "backup", command = "volume snapshot create", access = "all",
    api = "/api/application/consistency-groups", api_access = "all",
    when = function(cfg) return cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT") end,
    zapi = function(client) return client:call("cg-start", ("<snapshot>-none-</snapshot><timeout>urgent</timeout>"
      .. "<volumes><volume-name>%s</volume-name></volumes>"):format(NOWHERE)) end,
    rest = function(client) return client:request("POST",
      ("/application/consistency-groups/%s/snapshots?action=start"):format(NIL), { name = "-none-" }) end },
  { name = "look into snapshots", actions = "restore", command = "volume file show", access = "readonly",
    api = "/api/storage/volumes/*/files", api_access = "readonly", optional = true,
    zapi = function(client, volume) return client:file_info(("/vol/%s/-none-"):format(volume or NOWHERE)) end,
    rest = function(client) return client:request("GET", ("/storage/volumes/%s/files/-none-"):format(NIL)) end },
  { name = "restore files", actions = "restore", command = "volume snapshot restore-file", access = "all",
    api = "/api/private/cli/volume/snapshot/restore-file", api_access = "all",
    zapi = function(client) return client:call("snapshot-restore-file", SNAPSHOT .. "<path>-none-</path>") end,
    -- Two ways: the one command, or the right to change volumes, which is used of a release that is known to be young enough.
    rest = function(client, _, controller)
      local change = { "PATCH", ("/storage/volumes/%s"):format(NIL), { comment = "-" } }
      return either(client, { "POST", "/private/cli/volume/snapshot/restore-file",
        { volume = NOWHERE, snapshot = "-none-", path = "/-none-" } }, controller.version and change or nil)
    end },
  { name = "restore LUNs", actions = "restore of guests on LUNs", command = "volume snapshot restore-file", access = "all",
    api = "/api/storage/luns", api_access = "read_modify", optional = true, -- over ONTAPI the call is that for files
    rest = function(client) return client:request("PATCH", ("/storage/luns/%s"):format(NIL), { comment = "-" }) end },
  { name = "follow restores", actions = "restore", command = "volume snapshot show", access = "readonly",
    api = "/api/cluster/jobs", api_access = "readonly",
    zapi = function(client) return client:restore_status {} end,
    rest = function(client) return client:request("GET", ("/cluster/jobs/%s"):format(NIL)) end },
  { name = "list clones", actions = "cloneVol, cloneDel, cloneList", command = "volume clone", access = "readonly",
    api = "/api/storage/volumes", api_access = "readonly", when = clones_wanted,
    zapi = function(client) return client:call("volume-clone-get-iter", NO_CLONE) end,
    rest = function(client) return client:volume_clones { parent = NOWHERE } end },
  { name = "clone volumes", actions = "cloneVol", command = "volume clone create", access = "all",
    api = "/api/storage/volumes", api_access = "all", when = clones_wanted, optional = true,
    zapi = function(client) return client:call("volume-clone-create",
      ("<parent-volume>%s</parent-volume><parent-snapshot>-none-</parent-snapshot><volume>-none-</volume>")
        :format(NOWHERE)) end,
    rest = function(client) return client:request("POST", "/storage/volumes", { comment = "-" }) end },
  { name = "take clones offline", actions = "cloneVol, cloneDel", command = "volume offline", access = "all",
    api = "/api/storage/volumes", api_access = "all", when = clones_wanted, optional = true,
    zapi = function(client) return client:call("volume-offline", ("<name>%s</name>"):format(NOWHERE)) end },
  { name = "delete clones", actions = "cloneVol, cloneDel", command = "volume delete", access = "all",
    api = "/api/storage/volumes", api_access = "all", when = clones_wanted, optional = true,
    zapi = function(client) return client:call("volume-destroy", ("<name>%s</name>"):format(NOWHERE)) end,
    rest = function(client) return client:request("DELETE", ("/storage/volumes/%s"):format(NIL)) end },
  { name = "clone LUNs", actions = "cloneLun", command = "volume file clone create", access = "all",
    api = "/api/storage/luns", api_access = "all", when = clones_wanted, optional = true,
    zapi = function(client) return client:call("clone-create", ARGS .. "<source-path>-none-</source-path>"
      .. "<destination-path>-neither-</destination-path>") end,
    rest = function(client) return client:request("POST", "/storage/luns", { comment = "-" }) end },
  { name = "delete LUNs", actions = "cloneLun, cloneDel", command = "lun delete", access = "all",
    api = "/api/storage/luns", api_access = "all", when = clones_wanted, optional = true,
    zapi = function(client) return client:call("lun-destroy", ("<path>/vol/%s/-none-</path>"):format(NOWHERE)) end,
    rest = function(client) return client:request("DELETE", ("/storage/luns/%s"):format(NIL)) end },
  { name = "see LUN maps", actions = "clones of or with LUNs", command = "lun mapping show", access = "readonly",
    api = "/api/protocols/san/lun-maps", api_access = "readonly", when = clones_wanted, optional = true,
    zapi = function(client) return client:lun_maps { path = "/vol/" .. NOWHERE .. "/-none-" } end,
    rest = function(client) return client:lun_maps { path = "/vol/" .. NOWHERE .. "/-none-" } end },
  { name = "find initiator groups", actions = "clones with an initiator group", command = "lun igroup show",
    access = "readonly", api = "/api/protocols/san/igroups", api_access = "readonly", when = igroups_wanted,
    zapi = function(client) return client:igroups { name = "-none-" } end,
    rest = function(client) return client:igroups { name = "-none-" } end },
  { name = "map LUNs", actions = "clones with an initiator group", command = "lun mapping create", access = "all",
    api = "/api/protocols/san/lun-maps", api_access = "all", when = igroups_wanted,
    zapi = function(client) return client:call("lun-map",
      ("<path>/vol/%s/-none-</path><initiator-group>-none-</initiator-group>"):format(NOWHERE)) end,
    rest = function(client) return client:request("POST", "/protocols/san/lun-maps", { lun = { name = "-none-" } }) end },
  { name = "unmap LUNs", actions = "clones with an initiator group", command = "lun mapping delete", access = "all",
    api = "/api/protocols/san/lun-maps", api_access = "all", when = igroups_wanted,
    zapi = function(client) return client:call("lun-unmap",
      ("<path>/vol/%s/-none-</path><initiator-group>-none-</initiator-group>"):format(NOWHERE)) end,
    rest = function(client) return client:request("DELETE", ("/protocols/san/lun-maps/%s/%s"):format(NIL, NIL)) end },
  { name = "make export policies", actions = "clones that are exported", command = "vserver export-policy", access = "all",
    api = "/api/protocols/nfs/export-policies", api_access = "all", when = export_wanted,
    zapi = function(client) return client:call("export-rule-create",
      "<policy-name>-none-</policy-name><client-match>192.0.2.1</client-match>") end,
    rest = function(client) return client:request("POST", "/protocols/nfs/export-policies", { rules = {} }) end },
  { name = "export clones", actions = "clones that are exported", command = "volume modify", access = "all",
    api = "/api/storage/volumes", api_access = "all", when = export_wanted,
    zapi = function(client) return client:call("volume-modify-iter",
      ("<query><volume-attributes><volume-id-attributes><name>%s</name></volume-id-attributes></volume-attributes></query>"
        .. "<attributes><volume-attributes><volume-export-attributes><policy>default</policy></volume-export-attributes>"
        .. "</volume-attributes></attributes>"):format(NOWHERE)) end },
  { name = "mount clones", actions = "clones that are exported", command = "volume mount", access = "all",
    api = "/api/storage/volumes", api_access = "all", when = export_wanted,
    zapi = function(client) return client:call("volume-mount",
      ("<volume-name>%s</volume-name><junction-path>/-none-</junction-path>"):format(NOWHERE)) end },
  { name = "unmount clones", actions = "clones that are exported", command = "volume unmount", access = "all",
    api = "/api/storage/volumes", api_access = "all", when = export_wanted,
    zapi = function(client) return client:call("volume-unmount", ("<volume-name>%s</volume-name>"):format(NOWHERE)) end },
  { name = "see replication", actions = "backup with replication, dpstatus", command = "snapmirror show",
    access = "readonly", api = "/api/snapmirror/relationships", api_access = "readonly", when = replicates,
    zapi = function(client) return client:mirrors { source = NOWHERE .. ":" .. NOWHERE } end,
    rest = function(client) return client:mirrors { source = NOWHERE .. ":" .. NOWHERE } end },
  { name = "see replication policies", actions = "backup with replication, dpstatus", command = "snapmirror policy show",
    access = "readonly", api = "/api/snapmirror/policies", api_access = "readonly", when = replicates, optional = true,
    zapi = function(client) return client:mirror_policies { name = NOWHERE } end,
    rest = function(client) return client:mirror_policies { name = NOWHERE } end },
  { name = "update replication", actions = "backup with replication", command = "snapmirror update", access = "all",
    api = "/api/snapmirror/relationships", api_access = "all", when = replicates,
    zapi = function(client) return client:call("snapmirror-update",
      ("<destination-location>%s:%s</destination-location>"):format(NOWHERE, NOWHERE)) end,
    rest = function(client) return client:request("POST", ("/snapmirror/relationships/%s/transfers"):format(NIL), {}) end },
  { name = "restore from a vault", actions = "restore of a backup that only a vault has", command = "snapmirror",
    access = "all", api = "/api/snapmirror/relationships", api_access = "all", when = never },
  { name = "write events", actions = "backup, restore", command = "event generate-autosupport-log", access = "all",
    api = "/api/support/ems/application-logs", api_access = "all", optional = true,
    -- Without what a call must have, and with a severity that there is not.
    zapi = function(client) return client:call("ems-autosupport-log") end,
    rest = function(client) return client:request("POST", "/support/ems/application-logs", { severity = "-none-" }) end },
}

--- Every right that an action may need: name, actions, command, access, api, api_access, optional.
-- @treturn {table,...}
function privileges.all()
  return table.move(list, 1, #list, 1, {})
end

--- What to run on the controller to grant a right.
-- @tparam table right a row of `all`
-- @tparam string transport "zapi" or "rest"
-- @tparam ?string svm
-- @treturn string
function privileges.grant(right, transport, svm)
  local where = svm and " -vserver " .. svm or ""
  if transport == "rest" then
    return ("security login rest-role create%s -role ROLE -api \"%s\" -access %s"):format(where, right.api,
      right.api_access)
  end
  return ("security login role create%s -role ROLE -cmddirname \"%s\" -access %s"):format(where, right.command,
    right.access)
end

--- A refusal of the controller with the command that ends it.
-- @tparam table controller
-- @tparam Err failed comes back as it is when it is no refusal of a role
-- @tparam string name of the right that the call needed
-- @treturn Err
function privileges.explain(controller, failed, name)
  -- A login or a certificate that was refused says nothing about the role.
  if failed.code ~= "denied" or failed.native == 401 or failed.native == 13002 then return failed end
  if failed.source == "http" and failed.native ~= 403 then return failed end
  local right
  for _, row in ipairs(list) do
    if row.name == name then right = row end
  end
  if not right then error(("privileges.explain: there is no right '%s'"):format(tostring(name)), 2) end
  local o = controller.options or {}
  return err.new("denied", ("%s; the role of %s lacks what it takes to %s: %s"):format(tostring(failed),
    o.user and ("user '%s'"):format(o.user) or "the account", name,
    privileges.grant(right, controller.transport or failed.source == "ontap" and failed.native == 13003 and "zapi"
      or "rest", controller.svm)), { source = failed.source, native = failed.native, op = failed.op })
end

-- What an answer says about the right: "granted", "denied", "absent" (no such call), "unknown" with the reason.
local function verdict(value, failed)
  if value == nil then
    if failed.code == "denied" then return "denied", failed end
    if failed.code == "unsupported" then return "absent", failed end
    if failed.code == "unreachable" or failed.code == "timeout" or failed.code == "cancelled" then
      return "unknown", failed
    end
    return "granted"
  end
  if type(value) == "table" and value.planned then
    return "unknown", err.new("unsupported", "a dry run tries no changes")
  end
  return "granted"
end

--- Whether the actions go on without a right.
-- @tparam table right a row of `all`
-- @tparam string transport "zapi" or "rest"
-- @treturn boolean
function privileges.is_optional(right, transport)
  return right.optional == true or right.optional == transport
end

--- Try every right that the shipped actions need with this config.
-- @tparam table controller with `client`, `transport`, and `version` where it is told
-- @tparam Config cfg
-- @tparam ?string volume one that is there
-- @treturn {{right=,verdict="granted"|"denied"|"absent"|"unknown",err=Err},...}
function privileges.try(controller, cfg, volume)
  local out = {}
  for _, right in ipairs(list) do
    local try = right[controller.transport]
    if try and (right.when or always)(cfg) then
      local found, failed = verdict(try(controller.client, volume, controller))
      out[#out + 1] = { right = right, verdict = found, err = failed }
    end
  end
  return out
end

return privileges
