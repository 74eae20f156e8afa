--- Every numbered message: what it means and what to do about it.
-- `scf-`, `STORAGE-` and `agt-` numbers are Snap Creator's, so that whoever watches logs for them
-- finds them here as well; only those that a run of the KVM plug-in can meet are listed. `kvm-` numbers
-- are ours, since no numbers of the KVM plug-in are public.
-- @module std.codes

local codes = {}

local list = {
  -- KVM
  { "kvm-00001", "a guest of KVM_RESTORE_VM_LIST is not defined any more",
    "define the guest again with its old name and disk paths; a deleted guest is not re-created" },
  { "kvm-00002", "the guest is not in the mapping",
    "run discovery, or add the guest to KVM_VM_MAPPING" },
  { "kvm-00003", "the guest could not be suspended",
    "look at the guest with virsh domstate and at libvirt's log; APP_IGNORE_ERROR=Y backs up without it" },
  { "kvm-00004", "the guest could not be resumed; page someone",
    "run virsh resume, then moonsnap recover; the guest stands still until then" },
  { "kvm-00005", "the disk does not lie on NFS storage of a configured controller; it is left out",
    "add the controller to NTAP_USERS, or let its name and the NFS server's resolve to the same address" },
  { "kvm-00006", "the data disk is left out",
    "write KVM_BACKUP_DATA_DISKS=Y to back up data disks as well" },
  { "kvm-00007", "removable media is left out",
    "detach the ISO image or floppy from the guest" },
  { "kvm-00008", "the disk in the snapshot is not the disk that the guest has today",
    "compare the guest's XML of today with the one in the catalog; restore by hand if the old disk is meant" },
  { "kvm-00009", "the restore overwrites a disk and was not confirmed",
    "answer the question, or pass --yes" },
  { "kvm-00010", "the guest could not be stopped or started for the restore",
    "stop or start it with virsh; if the restore had begun, check the disk first" },
  { "kvm-00011", "it could not be confirmed that the restored file is the one in the snapshot",
    "do not start the guest before the file was compared; the safety snapshot has the state before" },
  { "kvm-00012", "two guests use the same disk; both are left out",
    "give each guest a disk of its own" },
  { "kvm-00013", "the disk is a logical volume, or an image file on a file system on SAN; it is left out",
    "put the guest on a whole multipath device or on an NFS volume" },
  { "kvm-00014", "no LUN information can be had; guests on SAN are left out, those on NFS are backed up",
    "check that multipathd runs and that the user may list LUNs on the controller" },
  { "kvm-00015", "sanlun names another LUN than discovery",
    "compare the LUN's serial number on the controller with the map's WWID, and restore nothing before it is clear" },
  { "kvm-00016", "the guest's file systems could not be frozen",
    "look at the guest agent in the guest (virsh domtime NAME asks it), or write another KVM_QUIESCE_METHOD for it" },
  { "kvm-00017", "the guest's file systems could not be thawed; page someone",
    "run virsh domfsthaw, then moonsnap recover; writes in the guest wait until then" },
  { "kvm-00018", "guests of KVM_ANTI_AFFINITY share a volume and would stand still together",
    "move a disk of one of them to another volume, or take them out of the set" },
  { "kvm-00019", "the world is not what it was when the plan was made",
    "see what has changed, and make a new plan with --dry-run --json" },

  -- Framework
  { "scf-00004", "the plug-in could not make the clone", "use cloneVol or cloneLun" },
  { "scf-00005", "the plug-in could not clean up after a clone", "see the message before it" },
  { "scf-00006", "what the plug-in does before a clone failed", "see the message before it" },
  { "scf-00007", "what the plug-in does after a clone failed", "see the message before it" },
  { "scf-00008", "a cloned LUN could not be mapped; the clone is taken away again",
    "check the initiator group of NTAP_CLONE_IGROUP_MAP" },
  { "scf-00016", "the state of SnapMirror could not be read",
    "check the relationship on the destination and the user's rights" },
  { "scf-00017", "there is no SnapMirror relationship for the volume",
    "create the relationship first; it is never created here" },
  { "scf-00018", "the state of SnapVault could not be read",
    "check the relationship on the destination and the user's rights" },
  { "scf-00019", "there is no SnapVault relationship for the volume",
    "create the relationship first; it is never created here" },
  { "scf-00020", "the SnapVault update could not be started", "check the relationship on the destination" },
  { "scf-00021", "the SnapMirror transfer ended with an error", "look at the destination's last transfer error" },
  { "scf-00022", "the SnapMirror transfer did not end in time", "raise NTAP_SNAPMIRROR_WAIT" },
  { "scf-00023", "the SnapVault transfer did not end in time", "raise NTAP_SNAPVAULT_WAIT" },
  { "scf-00024", "the SnapVault transfer ended with an error", "look at the destination's last transfer error" },
  { "scf-00025", "what follows a restore failed", "the disks are restored; start the guests by hand" },
  { "scf-00026", "cleaning up after a failed restore failed", "check the state of each guest of the restore" },
  { "scf-00027", "what comes before a restore failed", "nothing was restored; mend the cause and run it again" },
  { "scf-00028", "discovery failed", "check the connection to libvirt and to the controllers" },
  { "scf-00029", "discovery found nothing to back up",
    "check that guests lie on supported storage, and KVM_VMS and KVM_EXCLUDE_VMS" },
  { "scf-00032", "guests could not be resumed", "see the kvm-00004 messages and resume them by hand" },
  { "scf-00033", "guests could not be resumed; the run goes on since APP_IGNORE_ERROR=Y",
    "see the kvm-00004 messages and resume them by hand" },
  { "scf-00034", "the LUN could not be cloned; the backup is there", "see the controller's message" },
  { "scf-00035", "the LUNs of a volume could not be listed", "check the user's rights" },
  { "scf-00036", "suspending gave no result", "look for an earlier message about libvirt" },
  { "scf-00037", "guests could not be suspended; no snapshot is taken",
    "see the kvm-00003 messages; all guests were resumed, but for those of a kvm-00004 or kvm-00017 message" },
  { "scf-00038", "guests could not be suspended; the run goes on since APP_IGNORE_ERROR=Y",
    "see the kvm-00003 messages; these guests are crash-consistent only" },
  { "scf-00039", "a controller has no user", "add controller:user/password to NTAP_USERS" },
  { "scf-00040", "a volume is not in VOLUMES", "add it to VOLUMES, or write APP_AUTO_DISCOVERY=Y" },
  { "scf-00041", "the name of the cluster is missing or wrong", "set CMODE_CLUSTER_NAME" },
  { "scf-00042", "the user of the cluster is missing or wrong", "set CMODE_CLUSTER_USERS" },
  { "scf-00044", "META_DATA_VOLUME is not in VOLUMES", "add it to VOLUMES" },
  { "scf-00045", "META_DATA_VOLUME is the only volume in VOLUMES", "add the data volumes to VOLUMES" },
  { "scf-00047", "two kinds of SnapVault update are switched on",
    "choose one of NTAP_SNAPVAULT_UPDATE and NTAP_SNAPVAULT_SNAPSHOT" },
  { "scf-00050", "a custom action needs a plug-in", "set APP_NAME" },
  { "scf-00052", "the restore failed",
    "see what the controller said; a disk that was overwritten is in the safety snapshot as it was before" },
  { "scf-00058", "what discovery found could not be written to the config file",
    "check the rights on the file and its directory, or write APP_CONF_PERSISTENCE=N" },
  { "scf-00059", "collecting support information failed", "check the space and the rights in the target directory" },
  { "scf-00060", "the request is not valid", "compare the options with the action's help" },
  { "scf-00062", "the user or the password was refused", "check NTAP_USERS" },
  { "scf-00066", "the host cannot be used for backups", "check the connection to libvirt and SC_AGENT" },
  { "scf-00067", "no external snapshot matches the pattern",
    "compare NTAP_EXTERNAL_SNAPSHOT_REGEX with the snapshots on all volumes; let the other product make one" },
  { "scf-00072", "the policy is not defined in the config", "use a policy of NTAP_SNAPSHOT_RETENTIONS" },

  -- Storage
  { "STORAGE-00002", "nothing can carry out the request on the controller", "check TRANSPORT and ONTAP_API" },
  { "STORAGE-00003", "the controller cannot be reached", "check name, PORT, TRANSPORT and the network" },
  { "STORAGE-01001", "an AutoSupport message is being sent" },
  { "STORAGE-01002", "the AutoSupport message was sent" },
  { "STORAGE-01003", "the AutoSupport message could not be sent",
    "check the cluster's user; the backup is not harmed" },
  { "STORAGE-01004", "a file cannot be restored into another volume", "restore it within its volume" },
  { "STORAGE-02003", "the consistency group could not be started", "check the volumes and the user's rights" },
  { "STORAGE-02006", "the consistency group could not be committed",
    "raise NTAP_CONSISTENCY_GROUP_TIMEOUT to RELAXED" },
  { "STORAGE-02007", "a snapshot is being created" },
  { "STORAGE-02008", "the snapshot was created" },
  { "STORAGE-02009", "the snapshot could not be created",
    "see the controller's message; check space, the number of snapshots and the user's rights" },
  { "STORAGE-02015", "the snapshot could not be deleted",
    "look for clones and replication that need it, or write CMODE_SNAPSHOT_FORCE_DELETE=Y" },
  { "STORAGE-02021", "the volume could not be restored", "volumes of guests are not restored; restore the guests" },
  { "STORAGE-02025", "the file could not be restored from the snapshot",
    "check that the file is in the snapshot and that SnapRestore is licensed" },
  { "STORAGE-02038", "the volume could not be cloned", "check that FlexClone is licensed" },
  { "STORAGE-02046", "the LUN could not be cloned", "check that FlexClone is licensed" },
  { "STORAGE-02049", "the LUN could not be deleted", "check that it is not mapped" },
  { "STORAGE-02052", "the LUNs could not be listed", "check the user's rights" },
  { "STORAGE-02062", "the volume could not be exported over NFS", "check the export policy" },
  { "STORAGE-02072", "the state of SnapMirror could not be read", "check the user's rights" },
  { "STORAGE-02075", "the SnapMirror relationships could not be listed", "check the user's rights" },
  { "STORAGE-02082", "SnapMirror could not be updated", "check the relationship on the destination" },
  { "STORAGE-02090", "the snapshots are being listed" },
  { "STORAGE-02091", "the snapshots were listed" },
  { "STORAGE-02092", "the snapshots could not be listed", "check the name of the volume and the user's rights" },
  { "STORAGE-02102", "the snapshot could not be renamed", "look for another snapshot with the new name" },
  { "STORAGE-02112", "the state of SnapVault could not be read", "check the user's rights" },
  { "STORAGE-02115", "the SnapVault relationships could not be listed", "check the user's rights" },
  { "STORAGE-02122", "SnapVault could not be updated", "check the relationship on the destination" },
  { "STORAGE-02132", "the clones could not be listed", "check the user's rights" },
  { "STORAGE-02142", "the volume could not be deleted", "check that it is offline and not mounted" },
  { "STORAGE-02152", "the volumes could not be listed", "check the name of the SVM and the user's rights" },
  { "STORAGE-02162", "the volume could not be restored", "volumes of guests are not restored; restore the guests" },
  { "STORAGE-03002", "the LUN could not be mapped to an initiator group", "check that the group exists" },
  { "STORAGE-03031", "the version of the controller is being read" },
  { "STORAGE-03032", "the version of the controller was read" },
  { "STORAGE-03033", "the version of the controller could not be read",
    "check name, PORT, TRANSPORT and the user in NTAP_USERS" },
  { "STORAGE-03070", "the restore from SnapVault failed", "check the relationship and the snapshot on the secondary" },
  { "STORAGE-03079", "the junction path of the volume could not be read", "check that the volume is mounted" },
  { "STORAGE-03094", "the qtrees could not be listed", "check the user's rights" },

  -- Agent
  { "agt-00001", "the port is in use", "stop what listens there or choose another port" },
  { "agt-00003", "the start parameters are wrong", "compare them with the help" },
  { "agt-00004", "no host is given for a remote agent", "set SC_AGENT, or run on the KVM host itself" },
  { "agt-00005", "the guests are suspended by another run already",
    "wait for it, or run moonsnap recover if it is dead" },
  { "agt-00006", "the watchdog could not be started; no guest was suspended",
    "raise the limits on processes and open files" },
  { "agt-00008", "the time for suspended guests ran out; they were resumed and the backup is crash-consistent only",
    "find what took so long, or raise SC_AGENT_UNQUIESCE_TIMEOUT" },
  { "agt-00009", "the hook command is not allowed",
    "add it to the list of allowed commands exactly as it is written in the config, in a line 'command: <full path>'" },
  { "agt-00010", "the list of allowed commands cannot be read", "check that it exists and the rights on it" },
  { "agt-00011", "the command is not allowed", "add it to the list of allowed commands" },
  { "agt-00012", "the plug-in does not exist here", "write APP_NAME=kvm" },
  { "agt-00013", "the plug-in's environment could not be set up", "see the message before it" },
}

local by_code = {}
for _, row in ipairs(list) do
  by_code[row[1]] = { code = row[1], text = row[2], remedy = row[3] }
end

--- Look up a code.
-- @tparam string code such as "scf-00037"; letter case does not matter
-- @treturn ?{code=string,text=string,remedy=?string} nil when it is not listed; progress messages have
--   no remedy
-- @raise if code is not a string
-- @usage
-- print(require("std.codes").get("kvm-00003").remedy)
function codes.get(code)
  if type(code) ~= "string" then error("codes.get: code must be a string", 2) end
  return by_code[code] or by_code[code:lower()] or by_code[code:upper()]
end

--- Every code, in the order of the table.
-- @treturn {{code=,text=,remedy=},...} a new list
function codes.all()
  local all = {}
  for i, row in ipairs(list) do all[i] = by_code[row[1]] end
  return all
end

return codes
