-- Parameter table, name lookup, typed values.
local params = require "std.params"
local types = require "std.params_types"
local t = require "std.test"

-- Copied by name from the tables of Snap Creator's documentation, not from the table under test.
local REFERENCE = "tests/data/params/reference.txt"

local SUPPORTED = [[
SNAME SNAP_TIMESTAMP_ONLY VOLUMES VOLUME_GROUPS VOLUMES_## NTAP_PWD_PROTECTION NTAP_SNAPSHOT_RETENTIONS NTAP_SNAPSHOT_POLICIES
NTAP_SNAPSHOT_RETENTION_AGE
NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY NTAP_SNAPSHOT_NODELETE NTAP_SNAPSHOT_CLEANUP NTAP_USERS TRANSPORT PORT
MANAGEMENT_INTERFACES NTAP_TIMEOUT CMODE_SET VSERVER_TUNNEL_ENABLED CMODE_CLUSTER_NAME CMODE_CLUSTER_USERS LOG_NUM
LOG_TRACE_ENABLE CONFIG_TYPE USE_GLOBAL_CONFIG ALLOW_DUPLICATE_SNAME APP_NAME APP_IGNORE_ERROR APP_AUTO_DISCOVERY
APP_CONF_PERSISTENCE APP_DEFINED_RESTORE KVM_VM_MAPPING KVM_RESTORE_VM_LIST KVM_CMD_RETRY_COUNT SC_AGENT
SC_AGENT_## SC_AGENT_TIMEOUT SC_AGENT_UNQUIESCE_TIMEOUT NTAP_SNAPSHOT_DEPENDENCY_IGNORE CMODE_SNAPSHOT_FORCE_DELETE
PRE_NTAP_CMD## PRE_APP_QUIESCE_CMD## POST_APP_QUIESCE_CMD## PRE_APP_UNQUIESCE_CMD## POST_APP_UNQUIESCE_CMD##
POST_NTAP_CMD## PRE_RESTORE_CMD## POST_RESTORE_CMD## FAILURE_MSG SUCCESS_MSG NTAP_CONSISTENCY_GROUP_SNAPSHOT
NTAP_CONSISTENCY_GROUP_TIMEOUT NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_COUNT NTAP_CONSISTENCY_GROUP_SNAPSHOT_RETRY_WAIT
NTAP_CONSISTENCY_GROUP_WAFL_SYNC
NTAP_ASUP_ERROR_ENABLE NTAP_VOL_CLONE_RESERVE NTAP_LUN_CLONE_RESERVATION NTAP_CLONE_IGROUP_MAP NTAP_CLONE_FOR_BACKUP
NTAP_CLONE_SECONDARY NTAP_CLONE_SECONDARY_VOLUMES
NTAP_NUM_VOL_CLONES PRE_CLONE_CREATE_CMD## POST_CLONE_CREATE_CMD## APP_CLONE_FOLLOW_UP_CMD##
PRE_NTAP_CLONE_DELETE_CMD## MOUNT_CMD## UMOUNT_CMD## NTAP_NFS_EXPORT_HOST
NTAP_NFS_EXPORT_ACCESS
FEDERATED_APPLICATIONS META_DATA_VOLUME NTAP_SNAPSHOT_DISABLE NTAP_USE_EXTERNAL_SNAPSHOT NTAP_EXTERNAL_SNAPSHOT_REGEX
NTAP_SNAPSHOT_CREATE_CMD## NTAP_METADATA_SNAPSHOT_CREATE_CMD## NTAP_SNAPSHOT_DELETE_CMD## SENDTRAP SUCCESS_TRAP
APP_QUIESCE_CMD## APP_UNQUIESCE_CMD## POST_NTAP_DATA_TRANSFER_CMD## ARCHIVE_CMD##
NTAP_SNAPMIRROR_UPDATE SNAPMIRROR_VOLUMES NTAP_SNAPMIRROR_WAIT NTAP_SNAPMIRROR_USE_SNAPSHOT
NTAP_SNAPMIRROR_MAX_TRANSFER NTAP_SNAPVAULT_UPDATE SNAPVAULT_VOLUMES NTAP_SNAPVAULT_RETENTIONS SECONDARY_INTERFACES
NTAP_SNAPVAULT_RETENTION_AGE NTAP_SNAPVAULT_NODELETE NTAP_SNAPVAULT_WAIT NTAP_SNAPVAULT_SNAPSHOT
NTAP_SNAPVAULT_MAX_TRANSFER NTAP_ALLOW_MIRRORVAULT_AS_MIRROR
]]

local OURS = [[
KVM_BACKUP_DATA_DISKS NTAP_RESTORE_SAFETY_SNAPSHOT KVM_LIBVIRT_URI KVM_MOUNTINFO KVM_VMS KVM_EXCLUDE_VMS
KVM_CMD_RETRY_WAIT KVM_NFS_TIMEOUT KVM_RESTORE_TIMEOUT KVM_RESTORE_RESIZE KVM_DEVICE_ROOT KVM_SANLUN
KVM_SANLUN_TIMEOUT KVM_SUSPEND_TIMEOUT
KVM_QUIESCE_MODE KVM_QUIESCE_GROUPS KVM_ANTI_AFFINITY KVM_QUIESCE_METHOD KVM_FREEZE_FALLBACK
KVM_MAX_PAUSE KVM_SYSLOG
ONTAP_API ONTAP_CA_FILE ONTAP_PIN ONTAP_CERT ONTAP_KEY ONTAP_MAX_REQUESTS ONTAP_RETRIES
NTAP_PWD_KEY_FILE
]]

local function words(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end

local function row(name)
  return (t.ok(params.find(name), name))
end

-- Parse as a file would: value, or the text of the error.
local function parse(name, text)
  local value, err = params.parse(row(name), text, "kvm.conf:7", name)
  if value ~= nil then return value end
  t.err(value, err, "invalid")
  t.eq(err.exit, 2)
  return tostring(err)
end

local function eq_text(name, text, message)
  t.eq(parse(name, text), "kvm.conf:7: " .. name .. ": " .. message, text)
end

t.case("every row is well formed", function()
  local seen = {}
  local status = { supported = true, ignored = true, refused = true }
  for i, r in ipairs(params.all()) do
    local label = "row " .. i .. " " .. tostring(r.name)
    t.ok(type(r.name) == "string" and r.name:find("^%u[%u%d_]*#?#?$"), label)
    t.ok(not seen[r.name], label)
    seen[r.name] = true
    t.ok(types.format[r.type] and types[r.type], label)
    t.ok(type(r.meaning) == "string" and r.meaning:find("^%u.*%.$"), label)
    t.ok(status[r.status], label)
    t.eq(r.since, "0.1.0", label)
    t.ok(type(r.group) == "string", label)
    if r.status ~= "supported" or r.refuse_when then t.ok(type(r.reason) == "string" and #r.reason > 10, label) end
    if r.status == "supported" and not r.refuse_when then t.eq(r.reason, nil, label) end
    t.eq(r.type == "enum", r.values ~= nil, label)
    if r.type == "yn" then t.ok(r.default == "Y" or r.default == "N", label) end
    if r.default then
      local value, err = params.parse(r, r.default, "default")
      t.ok(value ~= nil, label .. ": " .. tostring(err))
    end
    if r.ours then t.eq(r.status, "supported", label) end
    for key in pairs(r) do
      t.ok(words("name type default values min max pattern hint meaning status reason refuse_when group since ours "
        .. "secret required")[key], label .. " has a field " .. key)
    end
    t.ok(#params.format(r) > 0, label)
  end
end)

-- {name = section}; numbered families by their first member.
local function documented()
  local names, count = {}, 0
  for line in assert(io.open(REFERENCE)):lines() do
    if not line:find("^#") then
      local section, name = line:match("^(%d%.%d) (%u[%u%d_]*#?#?)$")
      t.ok(name, line)
      names[name:gsub("##$", "01")] = section
      count = count + 1
    end
  end
  t.ok(count > 150, count)
  return names
end

t.case("methods: one for all, single ones, or both", function()
  t.eq(parse("KVM_QUIESCE_METHOD", "freeze"), { all = "freeze", map = {} })
  t.eq(parse("KVM_QUIESCE_METHOD", "web1:Freeze, db1:none"), { all = "suspend", map = { web1 = "freeze", db1 = "none" } })
  t.eq(parse("KVM_QUIESCE_METHOD", "none,a:b:freeze"), { all = "none", map = { ["a:b"] = "freeze" } })
  local write = "; write suspend, freeze or none, or suspend,guest1:freeze,guest2:none"
  eq_text("KVM_QUIESCE_METHOD", "halt", "entry 1: 'halt' is neither suspend nor freeze nor none" .. write)
  eq_text("KVM_QUIESCE_METHOD", "freeze,web1:thaw", "entry 2: 'thaw' is neither suspend nor freeze nor none" .. write)
  eq_text("KVM_QUIESCE_METHOD", "freeze,:none", "entry 2 names no guest" .. write)
  eq_text("KVM_QUIESCE_METHOD", "freeze,none",
    "entry 2 is a second method for all guests; write one, and guest:method for the others")
  eq_text("KVM_QUIESCE_METHOD", "a:none,a:freeze", "guest 'a' is given twice; write each guest once")
end)

t.case("sets of guests that are kept apart", function()
  t.eq(parse("KVM_MAX_PAUSE", "30"), { all = 30, map = {} })
  t.eq(parse("KVM_MAX_PAUSE", "30, web1:10,a:b:5"), { all = 30, map = { web1 = 10, ["a:b"] = 5 } })
  t.eq(parse("KVM_MAX_PAUSE", "web1:10"), { map = { web1 = 10 } })
  local seconds = "; write 30, or 30,guest1:10,guest2:5"
  eq_text("KVM_MAX_PAUSE", "soon", "entry 1: 'soon' is not a whole number of seconds" .. seconds)
  eq_text("KVM_MAX_PAUSE", "30,web1:0", "entry 2: '0' is not from 1 to 3600" .. seconds)
  eq_text("KVM_MAX_PAUSE", "30,10", "entry 2 is a second number for all guests; write one, and guest:number for the others")
  t.eq(parse("KVM_ANTI_AFFINITY", "a, b;c,d,e;"), { { "a", "b" }, { "c", "d", "e" } })
  eq_text("KVM_ANTI_AFFINITY", "a,b;c", "set 2 'c' is one guest alone; write two guests or more in each set")
  eq_text("KVM_ANTI_AFFINITY", "a,b,a", "set 1 gives guest 'a' twice; write each guest once in a set")
  eq_text("KVM_ANTI_AFFINITY", "a,,b", "set 1: entry 2 is empty; write guest1,guest2;guest3,guest4")
end)

t.case("every documented parameter has a row", function()
  local names, ours = documented(), words(OURS)
  for name, section in pairs(names) do t.ok(params.find(name), ("%s of section %s"):format(name, section)) end
  for name in pairs(ours) do t.ok(row(name).ours, name) end
  for _, r in ipairs(params.all()) do
    local name = r.name:gsub("##$", "01")
    t.ok(names[name] or ours[name], r.name)
    t.eq(r.ours == true, ours[name] == true, r.name)
  end
end)

t.case("exactly the promised ones are supported", function()
  local want, ours = words(SUPPORTED), words(OURS)
  for _, r in ipairs(params.all()) do
    t.eq(r.status == "supported", (want[r.name] or ours[r.name]) == true, r.name)
  end
  for _, name in ipairs { "USE_PROXY", "NTAP_OSSV_ENABLE", "ARCHIVE_LOG_ENABLE", "SNAPDRIVE", "APP_DEFINED_BACKUP",
    "APP_DEFINED_MOUNT", "APP_DEFINED_UMOUNT", "APP_DEFINED_CLONE" } do
    t.eq(row(name).status, "refused", name)
  end
  t.eq(row("CMODE_SET").refuse_when, "N")
end)

t.case("passwords are marked", function()
  local secret = {}
  for _, r in ipairs(params.all()) do
    if r.secret then secret[#secret + 1] = r.name end
  end
  t.eq(secret, { "NTAP_USERS", "CMODE_CLUSTER_USERS", "OM_PWD" })
end)

t.case("names are found, numbered ones in every spelling", function()
  local r, n = params.find("PRE_NTAP_CMD01")
  t.eq({ r.name, n }, { "PRE_NTAP_CMD##", 1 })
  r, n = params.find("PRE_NTAP_CMD1")
  t.eq({ r.name, n }, { "PRE_NTAP_CMD##", 1 })
  r, n = params.find("PRE_NTAP_CMD99")
  t.eq({ r.name, n }, { "PRE_NTAP_CMD##", 99 })
  r, n = params.find("PRE_NTAP_CMD##")
  t.eq({ r.name, n }, { "PRE_NTAP_CMD##" })
  for _, name in ipairs { "PRE_NTAP_CMD", "PRE_NTAP_CMD00", "PRE_NTAP_CMD0", "PRE_NTAP_CMD100", "sname", "", "##" } do
    t.eq(params.find(name), nil, name)
  end
  t.eq(params.canonical("PRE_NTAP_CMD7"), "PRE_NTAP_CMD07")
  t.eq(params.canonical("SC_AGENT_2"), "SC_AGENT_02")
  t.eq(params.canonical("MY_KEY1"), "MY_KEY1")
  t.raises(function() params.find(7) end, "params.find: name must be a string")
end)

t.case("the list is a copy", function()
  local all = params.all()
  all[1] = nil
  t.ok(params.all()[1])
end)

t.case("nearest name", function()
  local cases = {
    { "SNAM", "SNAME" }, { "VOLUME", "VOLUMES" }, { "NTAP_SNAPSHOT_RETENTION", "NTAP_SNAPSHOT_RETENTIONS" },
    { "KVM_VM_MAPING", "KVM_VM_MAPPING" }, { "APP_NAMES", "APP_NAME" }, { "PRE_NTAP_COMD03", "PRE_NTAP_CMD03" },
    { "PRE_NTAP_CMD", "PRE_NTAP_CMD01" }, { "PRE_NTAP_CMD100", "PRE_NTAP_CMD01" }, { "sname", "SNAME" },
    { "PROT", "PORT" }, { "SC_AGENT_TIMOUT", "SC_AGENT_TIMEOUT" }, { "PRE_NTAP_CMD00", "PRE_NTAP_CMD01" },
  }
  for _, case in ipairs(cases) do t.eq(params.nearest(case[1]), case[2], case[1]) end
  for _, name in ipairs { "FOO", "X", "", "COMPLETELY_DIFFERENT_THING", "MY_OWN_VARIABLE" } do
    t.eq(params.nearest(name), nil, name)
  end
  t.eq(params.nearest("SNAME"), "SNAME")
end)

t.case("yn", function()
  for _, text in ipairs { "Y", "y", " Y ", "Y\t" } do t.eq(parse("APP_IGNORE_ERROR", text), true, text) end
  for _, text in ipairs { "N", "n" } do t.eq(parse("APP_IGNORE_ERROR", text), false, text) end
  eq_text("APP_IGNORE_ERROR", "yes", "'yes' is neither Y nor N; write Y or N")
  eq_text("APP_IGNORE_ERROR", "1", "'1' is neither Y nor N; write Y or N")
  eq_text("APP_IGNORE_ERROR", " ", "it has no value; write Y or N")
end)

t.case("initiator groups of volumes", function()
  t.eq(parse("NTAP_CLONE_IGROUP_MAP", "c1:v1/ig1, v2/iqn.1;c2:v1/ig1;"), {
    { controller = "c1", volume = "v1", igroup = "ig1" }, { controller = "c1", volume = "v2", igroup = "iqn.1" },
    { controller = "c2", volume = "v1", igroup = "ig1" } })
  local form = "write controller1:volume1/igroup1,volume2/igroup2;controller2:volume1/igroup1"
  eq_text("NTAP_CLONE_IGROUP_MAP", "v1/ig1", "entry 1 'v1/ig1' has no ':'; " .. form)
  eq_text("NTAP_CLONE_IGROUP_MAP", "c1:v1", "entry 1: 'v1' is not volume/igroup; " .. form)
  eq_text("NTAP_CLONE_IGROUP_MAP", "c1:v1/a,v1/b", "volume 'v1' of 'c1' is given twice; write one igroup for each volume")
end)

t.case("numbers", function()
  t.eq(parse("LOG_NUM", "30"), 30)
  t.eq(parse("LOG_NUM", "007"), 7)
  t.eq(math.type(parse("NTAP_TIMEOUT", "60")), "integer")
  eq_text("LOG_NUM", "0", "'0' is too small; write a whole number from 1 to 10000")
  eq_text("LOG_NUM", "10001", "'10001' is too large; write a whole number from 1 to 10000")
  for _, text in ipairs { "abc", "-1", "1.5", "0x10", "1e3", "99999999999999999999", "12s" } do
    eq_text("LOG_NUM", text, "'" .. text .. "' is not a whole number; write a whole number from 1 to 10000")
  end
  eq_text("SC_AGENT_TIMEOUT", "ten", "'ten' is not a whole number; write a whole number of seconds from 1 to 604800")
  eq_text("PORT", "70000", "'70000' is too large; write a whole number from 1 to 65535")
  t.eq(parse("NTAP_SNAPVAULT_WAIT", "10"), 10)
  eq_text("NTAP_SNAPVAULT_WAIT", "x", "'x' is not a whole number; write a whole number of minutes from 1 to 10080")
end)

t.case("enum, path, text with a form", function()
  t.eq(parse("TRANSPORT", "https"), "HTTPS")
  t.eq(parse("ONTAP_API", "REST"), "rest")
  eq_text("TRANSPORT", "FTP", "'FTP' is not an allowed value; write one of HTTP, HTTPS")
  eq_text("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY", "Y",
    "'Y' is not an allowed value; write one of PRIMARY, SECONDARY, BOTH, N")
  t.eq(parse("KVM_MOUNTINFO", "/tmp/m i"), "/tmp/m i")
  eq_text("KVM_MOUNTINFO", "tmp/m", "'tmp/m' is not an absolute path; write a path that begins with /")
  t.eq(parse("KVM_LIBVIRT_URI", "test:///default"), "test:///default")
  t.eq(parse("KVM_LIBVIRT_URI", "qemu+ssh://root@h/system"), "qemu+ssh://root@h/system")
  eq_text("KVM_LIBVIRT_URI", "localhost",
    "'localhost' does not have the right form; write a libvirt URI such as qemu:///system")
  t.eq(parse("PRE_NTAP_CMD1", '"/opt/a b/x" -s %SNAME'), '"/opt/a b/x" -s %SNAME')
end)

t.case("list", function()
  t.eq(parse("KVM_VMS", "VM1, VM 2 ,VM3,"), { "VM1", "VM 2", "VM3" })
  t.eq(parse("KVM_VMS", "VM1,VM1"), { "VM1" })
  eq_text("KVM_VMS", "VM1,,VM2", "entry 2 is empty; write name1,name2")
  eq_text("KVM_VMS", ",", "entry 1 is empty; write name1,name2")
  eq_text("KVM_VMS", "VM1;VM2", "';' does not separate names; write name1,name2")
end)

t.case("volumes", function()
  t.eq(parse("VOLUMES", "c1:v1,v2;c2:v1"),
    { { controller = "c1", volumes = { "v1", "v2" } }, { controller = "c2", volumes = { "v1" } } })
  t.eq(parse("VOLUMES", " c1 : v1 , v2 ; c2 : v1 ; "),
    { { controller = "c1", volumes = { "v1", "v2" } }, { controller = "c2", volumes = { "v1" } } })
  t.eq(parse("VOLUMES", "c1:v1;c2:v1;c1:v2"),
    { { controller = "c1", volumes = { "v1", "v2" } }, { controller = "c2", volumes = { "v1" } } })
  t.eq(parse("VOLUMES", "[fe80::1]:v1"), { { controller = "[fe80::1]", volumes = { "v1" } } })
  local form = "; write controller1:volume1,volume2;controller2:volume1"
  eq_text("VOLUMES", "v1", "entry 1 'v1' has no ':'" .. form)
  eq_text("VOLUMES", "c1:v1;;c2:v1", "entry 2 is empty" .. form)
  eq_text("VOLUMES", "c1:", "entry 1 names no volume of 'c1'" .. form)
  eq_text("VOLUMES", ":v1", "entry 1: '' is not a controller name" .. form)
  eq_text("VOLUMES", "c 1:v1", "entry 1: 'c 1' is not a controller name" .. form)
  eq_text("VOLUMES", "c1:v1,,v2", "entry 1: volume 2 is empty" .. form)
  eq_text("VOLUMES", "c1:v1:v2", "entry 1: 'v1:v2' is not a volume name" .. form)
  eq_text("VOLUMES", "c1:/vol/v1", "entry 1: '/vol/v1' is not a volume name" .. form)
  eq_text("VOLUMES", "c1:v1,v1", "volume 'v1' of 'c1' is given twice; write each volume once")
  eq_text("VOLUMES", "c1:v1;c1:v1", "volume 'v1' of 'c1' is given twice; write each volume once")
end)

t.case("retentions", function()
  t.eq(parse("NTAP_SNAPSHOT_RETENTIONS", "daily:7, Test_Policy-2:0 ,"),
    { { policy = "daily", count = 7 }, { policy = "Test_Policy-2", count = 0 },
      map = { daily = 7, ["Test_Policy-2"] = 0 } })
  local form = "; write daily:7,weekly:4"
  local name = "NTAP_SNAPSHOT_RETENTIONS"
  eq_text(name, "daily", "entry 1 'daily' has no ':'" .. form)
  eq_text(name, "daily:7,,weekly:4", "entry 2 is empty" .. form)
  eq_text(name, "daily:", "policy 'daily': '' is not a whole number; write a whole number, 0 or more")
  eq_text(name, "daily:x", "policy 'daily': 'x' is not a whole number; write a whole number, 0 or more")
  eq_text(name, "daily:-1", "policy 'daily': '-1' is not a whole number; write a whole number, 0 or more")
  eq_text(name, ":7", "entry 1: '' is not a policy name; write a name of letters, digits, '_' and '-'")
  eq_text(name, "da ily:7", "entry 1: 'da ily' is not a policy name; write a name of letters, digits, '_' and '-'")
  eq_text(name, "daily:7;weekly:4",
    "policy 'daily': '7;weekly:4' is not a whole number; write a whole number, 0 or more")
  eq_text(name, "daily:7,daily:8", "policy 'daily' is given twice; write each policy once")
  eq_text(name, "restore:2",
    "the policy name 'restore' is kept for the safety snapshots of restores; write another name")
end)

t.case("age", function()
  local name = "NTAP_SNAPSHOT_RETENTION_AGE"
  t.eq(parse(name, "15"), { all = 15, map = {} })
  t.eq(parse(name, "daily:15, weekly:30"), { map = { daily = 15, weekly = 30 } })
  t.eq(params.age_of(parse(name, "15"), "daily"), 15)
  t.eq(params.age_of(parse(name, "daily:15"), "daily"), 15)
  t.eq(params.age_of(parse(name, "daily:15"), "weekly"), nil)
  t.eq(params.age_of(nil, "weekly"), nil)
  eq_text(name, "0", "'0' is too small; write a whole number of days from 1 to 36500, or daily:15,weekly:30")
  eq_text(name, "daily:0", "policy 'daily': '0' is too small; write a whole number of days from 1 to 36500")
  eq_text(name, "15,daily:3", "entry 1 '15' has no ':'; write 15, or daily:15,weekly:30")
  eq_text(name, "daily:3,daily:4", "policy 'daily' is given twice; write each policy once")
end)

t.case("users", function()
  t.eq(parse("NTAP_USERS", "c1:root/a/b:c; c2:DOM\\u/p ;[fe80::1]:u/p"), {
    c1 = { user = "root", password = "a/b:c" }, c2 = { user = "DOM\\u", password = "p" },
    ["[fe80::1]"] = { user = "u", password = "p" } })
  local form = "; write controller1:user/password;controller2:user/password"
  eq_text("NTAP_USERS", "hunter2", "entry 1 has no ':'" .. form)
  eq_text("NTAP_USERS", "c1:root/hun;ter2", "entry 2 has no ':'" .. form)
  t.eq(parse("NTAP_USERS", "c1:root/hun;ter2:x"), { c1 = { user = "root", password = "hun" },
    ter2 = { user = "x", entry = 2 } })
  eq_text("NTAP_USERS", "c1:root/x;t!r2:x/y", "entry 2 does not begin with a controller name" .. form)
  t.eq(parse("NTAP_USERS", "c1:root"), { c1 = { user = "root", entry = 1 } })
  eq_text("NTAP_USERS", "c1:/x", "entry 1 has no user" .. form)
  eq_text("NTAP_USERS", "c1:root/", "entry 1 has no password" .. form)
  eq_text("NTAP_USERS", "c1:a/hunter2;c1:a/hunter2",
    "entry 2 names the same controller as entry 1; write each controller once")
end)

t.case("one value for all controllers, or one for each", function()
  t.eq(parse("ONTAP_PIN", "sha256//abc+/="), { all = "sha256//abc+/=", map = {} })
  t.eq(parse("ONTAP_PIN", "c1:sha256//a=; [fe80::1]:sha256//b=;"),
    { map = { c1 = "sha256//a=", ["[fe80::1]"] = "sha256//b=" } })
  local form = "; write sha256//HASH, or controller1:sha256//HASH1;controller2:sha256//HASH2"
  eq_text("ONTAP_PIN", "md5", "entry 1 'md5' does not have the right form" .. form)
  eq_text("ONTAP_PIN", "c1:md5", "entry 1: 'md5' does not have the right form" .. form)
  eq_text("ONTAP_PIN", "c1:sha256//a=;c2:", "entry 2: '' does not have the right form" .. form)
  eq_text("ONTAP_PIN", "c1:sha256//a=;c1:sha256//b=", "controller 'c1' is given twice; write each controller once")
  for _, name in ipairs { "ONTAP_CA_FILE", "ONTAP_CERT", "ONTAP_KEY" } do
    t.eq(parse(name, "/etc/c a.pem"), { all = "/etc/c a.pem", map = {} })
    t.eq(parse(name, "c1:/a.pem;c2:/b:c.pem"), { map = { c1 = "/a.pem", c2 = "/b:c.pem" } })
    form = "; write an absolute path, or controller1:/path1;controller2:/path2"
    eq_text(name, "ca.pem", "entry 1 'ca.pem' does not have the right form" .. form)
    eq_text(name, "c1:/a;/b", "entry 2 '/b' has no ':'" .. form)
    eq_text(name, "c/1:/a", "entry 1: 'c/1' is not a controller name" .. form)
  end
  local value = parse("ONTAP_CERT", "c1:/a.pem")
  t.eq({ params.for_controller(value, "c1"), params.for_controller(value, "c2") }, { "/a.pem" })
  t.eq(params.for_controller(parse("ONTAP_CERT", "/a.pem"), "c2"), "/a.pem")
  t.eq(params.for_controller(nil, "c1"), nil)
end)

t.case("no error about users shows a piece of a password", function()
  local secret = "Geheim7"
  for _, text in ipairs { secret, "c1:u/" .. secret .. ";", "c1:u/x;" .. secret, "c1:u/x;" .. secret .. ":y",
    "c1:u/x;" .. secret .. ":y/z;" .. secret .. ":y/z", ";" .. secret, "c1:" .. secret, "c1:/" .. secret,
    "c1 " .. secret .. "/a:b/c", "c1:u/" .. secret .. ";c1:u/" .. secret } do
    local value, err = params.parse(row("NTAP_USERS"), text, "f:1")
    if value == nil then t.ok(not tostring(err):find("Geheim", 1, true), tostring(err)) end
  end
end)

t.case("interfaces", function()
  t.eq(parse("MANAGEMENT_INTERFACES", "c1:c1-mgmt; c2:[fe80::1];c3:10.0.0.1;"),
    { c1 = "c1-mgmt", c2 = "[fe80::1]", c3 = "10.0.0.1" })
  eq_text("MANAGEMENT_INTERFACES", "c1", "entry 1 'c1' has no ':'; write controller1:interface1;controller2:interface2")
  eq_text("MANAGEMENT_INTERFACES", "c1:fe80::1", "entry 1: 'fe80::1' is not a host name or address; "
    .. "write a name, an IPv4 address, or an IPv6 address in brackets")
  eq_text("MANAGEMENT_INTERFACES", "c1:a;c1:b", "controller 'c1' is given twice; write each controller once")
  eq_text("MANAGEMENT_INTERFACES", "c1/x:a",
    "entry 1: 'c1/x' is not a controller name; write controller1:interface1;controller2:interface2")
end)

t.case("mapping", function()
  t.eq(parse("KVM_VM_MAPPING", "VM1:s_c1:/vol/vol1/lun1;VM 2 : s_c2 : /vol/vol2/dir/a..b.qcow2;"), {
    { vm = "VM1", controller = "s_c1", path = "/vol/vol1/lun1", volume = "vol1", file = "lun1" },
    { vm = "VM 2", controller = "s_c2", path = "/vol/vol2/dir/a..b.qcow2", volume = "vol2", file = "dir/a..b.qcow2" },
  })
  t.eq(#parse("KVM_VM_MAPPING", "V:c:/vol/v/a;V:c:/vol/v/b"), 2)
  t.eq(parse("KVM_VM_MAPPING", "V:c:/vol/v/a:b")[1].file, "a:b")
  t.eq(parse("KVM_VM_MAPPING", "V:[fe80::1]:/vol/v/a")[1].controller, "[fe80::1]")
  local form = "; write VM1:controller1:/vol/vol1/lun1;VM2:controller2:/vol/vol2/image;"
  local path = "; write /vol/<volume>/<path of the LUN or file>"
  local name = "KVM_VM_MAPPING"
  eq_text(name, "VM1", "entry 1 'VM1' does not have three fields" .. form)
  eq_text(name, "VM1:c1", "entry 1 'VM1:c1' does not have three fields" .. form)
  eq_text(name, "V:c:/vol/v/a;;V:c:/vol/v/b", "entry 2 is empty" .. form)
  eq_text(name, ":c:/vol/v/a", "entry 1 names no guest" .. form)
  eq_text(name, "V::/vol/v/a", "entry 1: '' is not a controller name" .. form)
  eq_text(name, "V:c:", "entry 1: '' is not a path below a volume" .. path)
  eq_text(name, "V:c:/vol/v", "entry 1: '/vol/v' is not a path below a volume" .. path)
  eq_text(name, "V:c:/vol/v/", "entry 1: '/vol/v/' is not a path below a volume" .. path)
  eq_text(name, "V:c:/vol/v/d/", "entry 1: '/vol/v/d/' ends in '/'" .. path)
  eq_text(name, "V:c:vol/v/a", "entry 1: 'vol/v/a' is not a path below a volume" .. path)
  eq_text(name, "V:c:/vol/v/../w/a", "entry 1: '/vol/v/../w/a' holds '..'" .. path)
  eq_text(name, "V:c:/vol/v/..", "entry 1: '/vol/v/..' holds '..'" .. path)
  eq_text(name, "V:c:/vol/../a", "entry 1: '/vol/../a' holds '..'" .. path)
  eq_text(name, "V:c:/vol/v w/a", "entry 1: 'v w' is not a volume name" .. path)
  eq_text(name, "V:c:/vol/v/a;W:c:/vol/v/a;V:c:/vol/v/a",
    "entry 3 gives guest 'V' the same path as entry 1; write each disk once")
end)

t.case("mapping is written as it is read", function()
  local text = "VM1:s_c1:/vol/vol1/lun1;VM 2:s_c2:/vol/vol2/d/x.img;"
  t.eq(params.format_mapping(parse("KVM_VM_MAPPING", text)), text)
  t.eq(params.format_mapping({}), "")
  for _, entry in ipairs {
    { vm = "a:b", controller = "c", path = "/vol/v/x" }, { vm = "a;b", controller = "c", path = "/vol/v/x" },
    { vm = "a", controller = "c", path = "/vol/v/x;y" }, { vm = " a", controller = "c", path = "/vol/v/x" },
    { vm = "a", controller = "c", path = "/vol/v/x\n" }, { vm = "a", controller = "c", path = "/srv/x" },
    { vm = "a", controller = "c", path = "/vol/v/../x" }, { vm = "", controller = "c", path = "/vol/v/x" },
  } do
    local got, err = params.format_mapping { entry }
    t.err(got, err, "invalid", "cannot be written in KVM_VM_MAPPING$")
  end
  t.raises(function() params.format_mapping("x") end, "params.format_mapping: list expected")
  t.raises(function() params.format_mapping { {} } end, "entry 1 needs vm, controller and path")
end)

t.case("agent", function()
  t.eq(parse("SC_AGENT", "kvmhost1:9090"), { host = "kvmhost1", port = 9090 })
  t.eq(parse("SC_AGENT", "kvmhost1"), { host = "kvmhost1" })
  t.eq(parse("SC_AGENT_01", "[fe80::1]:9090"), { host = "[fe80::1]", port = 9090 })
  eq_text("SC_AGENT", "a:9090,b:9090", "there is more than one host; write one host, since a config has one KVM host")
  eq_text("SC_AGENT", "a:x", "port 'x' is not a whole number; write host:port")
  eq_text("SC_AGENT", "a:0", "port '0' is too small; write host:port")
  eq_text("SC_AGENT", "a b", "'a b' is not a host; write host:port")
end)

t.case("long values are cut in messages, misuse raises", function()
  t.ok(#parse("LOG_NUM", ("x"):rep(5000)) < 200)
  t.raises(function() params.parse({}, "x", "f:1") end, "params.parse: row expected")
  t.raises(function() params.parse(row("SNAME"), 7, "f:1") end, "params.parse: text must be a string")
  t.raises(function() params.parse(row("SNAME"), "x") end, "params.parse: where must be a string")
  t.raises(function() params.format(nil) end, "params.format: row expected")
  t.raises(function() params.nearest(nil) end, "params.nearest: name must be a string")
end)

return t.done()
