--- Actions of Snap Creator that are not done here: why not, or what stands in their place.
-- A site's own script of that name is run all the same: only what nobody provides is refused.
-- @module std.refused_actions

local refused = {}

local NO_SERVER = "there is no server here that keeps %s; %s"

-- Names, the reason with what to use instead; `families`: patterns of further names of the kind; `scf`: Snap Creator's
-- number of it.
local groups = {
  { { "mount", "umount" }, "the KVM plug-in supports neither mount nor umount; read single files of a copy in .snapshot/NAME "
    .. "of the NFS mount, or write a workflow with std.san.with_clone for a LUN" },
  { { "clone" }, "the KVM plug-in does not support clones of its own; use cloneVol or cloneLun", scf = "scf-00004" },
  { { "arch" }, "the KVM plug-in does not support archive log management; write a command of the site into POST_NTAP_CMD##" },
  { { "ossv" }, "the KVM plug-in does not support backup operations with OSSV; use backup" },
  { { "pmsetup" }, "data sets of the NetApp Management Console are not supported; create the SnapMirror or SnapVault "
    .. "relationship on the controller" },
  { { "fileBasedBackup", "integrityCheck" }, "it is an action of the SAP HANA plug-in; APP_NAME=kvm is the only one here" },
  { { "dispatch" }, "every workflow is an action by its own name here: moonsnap NAME, or moonsnap run FILE.lua" },
  { { "pingServer" }, "there is no server here; use agentStatus for this host and pingController for the controllers" },
  { { "profileCreate", "profileDelete" }, NO_SERVER:format("profiles",
    "a profile is a directory below the config directory: use mkdir or rmdir") },
  { { "configImport", "configExport", "globalImport", "globalExport", "globalDelete", "profileglobalImport",
    "profileglobalExport", "profileglobalDelete" }, NO_SERVER:format("configs",
    "a config is a file <config-dir>/<profile>/<config>.conf, global settings are global.conf: copy or remove it, then "
    .. "run moonsnap check") },
  { { "policyAdd", "policyUpdate", "policyDelete", "policyDetails", "policyAssignToProfile",
    "policyUnassignFromProfile", "policyListForProfile" }, NO_SERVER:format("policies",
    "write them into NTAP_SNAPSHOT_RETENTIONS of the config, or as policies/NAME.policy beside it; policyList shows them") },
  { { "backupTypeAdd", "backupTypeUpdate", "backupTypeDelete", "backupTypeList" }, NO_SERVER:format("backup types",
    "KVM has one: the guests are suspended"), families = { "^backupType%u" } },
  { { "policySchedAdd", "policySchedUpdate", "policySchedDelete", "policySchedList", "policySchedDetails",
    "schedCreate", "schedUpdate", "schedDelete", "schedRun", "schedList", "schedDetails", "schedActionList",
    "schedFreqList" }, NO_SERVER:format("schedules", "call moonsnap backup from a systemd timer or from cron"),
    families = { "^sched%u" } },
  { { "userAdd", "userDelete", "userList", "roleAdd", "roleDelete", "roleList", "permAdd", "permDelete", "permList",
    "opAssign", "opUnassign", "profileAssign", "profileUnassign" }, NO_SERVER:format("users and roles",
    "who may run moonsnap, and read its configs, is said by the rights on its files and by sudo"),
    families = { "^user%u", "^role%u", "^perm%l*%u", "^op%u" } },
}

local by_name = {}
for _, group in ipairs(groups) do
  for _, name in ipairs(group[1]) do by_name[name] = { action = name, reason = group[2], scf = group.scf } end
end

--- Look up an action.
-- @tparam string action as it is written; letter case counts, as with all actions
-- @treturn ?{action=string,reason=string,scf=?string} nil when it is not one of these
-- @raise if action is not a string
function refused.find(action)
  if type(action) ~= "string" then error("refused_actions.find: action must be a string", 2) end
  if by_name[action] then return by_name[action] end
  for _, group in ipairs(groups) do
    for _, family in ipairs(group.families or {}) do
      if action:find(family) then return { action = action, reason = group[2] } end
    end
  end
  return nil
end

--- Every one, by what they have in common.
-- @treturn {{actions={string,...},reason=string},...} a new list
function refused.all()
  local list = {}
  for i, group in ipairs(groups) do
    list[i] = { actions = table.move(group[1], 1, #group[1], 1, {}), reason = group[2] }
  end
  return list
end

return refused
