-- Config files: syntax, precedence, substitution, checks, edits.
local config = require "std.config"
local t = require "std.test"

-- Files that stand in a table; what is absent gives the error of an absent file.
local function opener(files)
  return function(path)
    local text = files[path]
    if not text then return nil, path .. ": No such file or directory", 2 end
    if type(text) == "table" then return nil, path .. ": " .. text[1], text[2] end
    return { read = function(_, n) return #text > 0 and text:sub(1, n) or nil end, close = function() end }
  end
end

local PATH = "/etc/m/host1/kvm.conf"

local function load(text, opts)
  local files = { [PATH] = text }
  local o = { profile = "host1", config = "kvm", config_dir = "/etc/m" }
  for key, value in pairs(opts or {}) do
    if key == "files" then
      for path, content in pairs(value) do files[path] = content end
    else
      o[key] = value
    end
  end
  o.open = opener(files)
  o.stat = function() return { mode = tonumber("600", 8) } end
  o.is_local = function(host) return host == "kvmhost1" or host == "h2" end
  return config.load(o)
end

local function good(text, opts)
  local cfg, err = load(text, opts)
  return t.ok(cfg, err)
end

-- Warnings beside the one about the short timeout, which every small config here would give.
local function warnings(cfg)
  local out = {}
  for _, warning in ipairs(cfg.warnings) do
    if not warning:find("SC_AGENT_TIMEOUT: ", 1, true) then out[#out + 1] = warning end
  end
  return out
end

local function eq_error(text, message, opts, code)
  local cfg, err = load(text, opts)
  t.err(cfg, err, code or "invalid")
  t.eq(err.exit, 2)
  t.eq(tostring(err), message)
end

local FULL = [[
########################
## Connection Options ##
########################
CONFIG_TYPE=PLUGIN
SNAME=kvm_host1
SNAP_TIMESTAMP_ONLY=Y
VOLUMES=s_c1:vol1;s_c2:vol2
NTAP_SNAPSHOT_RETENTIONS=hourly:12,daily:7,off:0
NTAP_USERS=s_c1:scuser/pa%SNAME/1;s_c2:scuser/geheim
TRANSPORT=HTTPS
SC_AGENT=kvmhost1:9090
SC_AGENT_TIMEOUT=600
APP_NAME=kvm
KVM_VM_MAPPING=VM1:s_c1:/vol/vol1/lun1;VM2:s_c2:/vol/vol2/lun2;
  # Post commands
POST_APP_QUIESCE_CMD01 = /bin/sleep 60
PRE_NTAP_CMD01=
PRE_NTAP_CMD2=/bin/two
PRE_NTAP_CMD10="/opt/a b/ten" %SNAPNAME
PRE_NTAP_CMD03=/bin/three
]]

t.case("a whole config", function()
  local cfg = good(FULL)
  t.eq(cfg.warnings, {})
  t.eq(cfg:check(), {})
  t.eq(cfg:get("SNAME"), "kvm_host1")
  t.eq(cfg:get("SNAP_TIMESTAMP_ONLY"), true)
  t.eq(cfg:get("APP_IGNORE_ERROR"), false)
  t.eq(cfg:get("VOLUMES")[2], { controller = "s_c2", volumes = { "vol2" } })
  t.eq(cfg:get("NTAP_USERS").s_c1, { user = "scuser", password = "pa%SNAME/1" })
  t.eq(cfg.secrets, { "geheim", "pa%SNAME/1" })
  t.eq(cfg:get("NTAP_SNAPSHOT_RETENTIONS").map, { hourly = 12, daily = 7, off = 0 })
  t.eq(cfg:get("PORT"), 443)
  t.eq(cfg:get("SC_AGENT_UNQUIESCE_TIMEOUT"), 605)
  t.eq(cfg:get("KVM_CMD_RETRY_COUNT"), 3)
  t.eq(cfg:get("KVM_RESTORE_VM_LIST"), nil)
  t.eq(cfg:get("NO_SUCH_KEY"), nil)
  t.eq(cfg:raw("SNAME"), "kvm_host1")
  t.eq(cfg:raw("PRE_NTAP_CMD01"), nil)
  t.eq(cfg:raw("PRE_NTAP_CMD02"), "/bin/two")
  t.eq(cfg:where("SNAME"), PATH .. ":5")
  t.eq(cfg:where("LOG_NUM"), "default")
  t.eq(cfg:where("POST_APP_QUIESCE_CMD1"), PATH .. ":16")
  t.eq(cfg.path, PATH)
  t.ok(not tostring(cfg):find("geheim", 1, true))
  t.eq(cfg:commands("PRE_NTAP_CMD"), {
    { number = 2, text = "/bin/two", where = PATH .. ":18" },
    { number = 3, text = "/bin/three", where = PATH .. ":20" },
    { number = 10, text = '"/opt/a b/ten" %SNAPNAME', where = PATH .. ":19" } })
  t.eq(cfg:commands("POST_NTAP_CMD##"), {})
  t.raises(function() cfg:commands("NO_CMD") end, "there is no family 'NO_CMD'")
end)

t.case("defaults alone", function()
  local cfg = good("")
  t.eq(cfg:get("APP_NAME"), "kvm")
  t.eq(cfg:get("SC_AGENT_TIMEOUT"), 300)
  t.eq(cfg:get("SC_AGENT_UNQUIESCE_TIMEOUT"), 305)
  t.eq(cfg:get("ONTAP_API"), "auto")
  t.eq(cfg:get("NTAP_RESTORE_SAFETY_SNAPSHOT"), true)
  t.eq(cfg:get("KVM_BACKUP_DATA_DISKS"), false)
  t.eq(cfg:get("USE_PROXY"), "N")
  t.eq(cfg.warnings, { PATH .. ": SC_AGENT_TIMEOUT: 300 seconds is short for KVM; write 600 or more" })
end)

t.case("port goes by transport", function()
  t.eq(good("TRANSPORT=http"):get("PORT"), 80)
  t.eq(good("TRANSPORT=HTTP\nPORT=8088"):get("PORT"), 8088)
  t.eq(good("X=%PORT\nTRANSPORT=HTTP"):get("X"), "80")
end)

t.case("byte order mark, carriage returns, tabs, missing last line end", function()
  local cfg = good("\xEF\xBB\xBFSNAME=a\r\n\r\n \t# x\r\n\tLOG_NUM\t=\t5 \t\r\nAPP_NAME=kvm")
  t.eq(cfg:get("SNAME"), "a")
  t.eq(cfg:get("LOG_NUM"), 5)
  t.eq(cfg:where("LOG_NUM"), PATH .. ":4")
  t.eq(cfg:get("APP_NAME"), "kvm")
  t.eq(good("SUCCESS_MSG=\"a = b\" # c"):get("SUCCESS_MSG"), "\"a = b\" # c")
end)

t.case("malformed lines", function()
  eq_error("SNAME=a\nNTAP_USERS c1:u/geheim\n", PATH .. ":2: line has no '='; write KEY=value or a comment")
  eq_error("sname=a", PATH .. ":1: key 'sname' is not in upper case; write SNAME")
  eq_error("\n\nSnap_Name = a", PATH .. ":3: key 'Snap_Name' is not in upper case; write SNAP_NAME")
  local not_key = "what stands before '=' is not a key; write upper-case letters, digits and '_'"
  for _, text in ipairs { "=a", "1A=b", "A B=c", "export SNAME=a", "A-B=c", "_A=b", "u/geheim7=c", "[x]=y", "Ä=1" } do
    eq_error(text, PATH .. ":1: " .. not_key)
  end
  eq_error("SNAME=a\nLOG_NUM=1\nSNAME=a\n", PATH .. ":3: SNAME: already set in line 1 as SNAME; write it once")
  eq_error("SNAME=\nSNAME=a\n", PATH .. ":2: SNAME: already set in line 1 as SNAME; write it once")
  eq_error("PRE_NTAP_CMD1=a\nPRE_NTAP_CMD01=b",
    PATH .. ":2: PRE_NTAP_CMD01: already set in line 1 as PRE_NTAP_CMD1; write it once")
  eq_error("SNAME=a\nX=\0", PATH .. ":2: line holds a NUL byte; write the file as plain text")
  eq_error("# \0", PATH .. ":1: line holds a NUL byte; write the file as plain text")
  eq_error("SNAME=a\27[31m", PATH .. ":1: SNAME: it holds a control character; write plain text")
  eq_error("SNAME=a\rLOG_NUM=3", PATH .. ":1: SNAME: it holds a control character; write plain text")
  eq_error("X=" .. ("a"):rep(65535), PATH .. ":1: line is longer than 64 KiB")
  t.ok(load("X=" .. ("a"):rep(65534)))
  eq_error(("# a\n"):rep(1024 * 1024 + 1), PATH .. ": larger than 4 MiB; not a config file")
  t.ok(load("X=" .. (" "):rep(60000) .. "\n" .. (" "):rep(60000) .. "\nY=a" .. (" "):rep(60000) .. "b"))
end)

t.case("values that do not parse", function()
  eq_error("SNAME=a\nLOG_NUM=x", PATH .. ":2: LOG_NUM: 'x' is not a whole number; write a whole number from 1 to 10000")
  eq_error("NTAP_USERS=c1:/p", PATH .. ":1: NTAP_USERS: entry 1 has no user; "
    .. "write controller1:user/password;controller2:user/password")
  eq_error("KVM_VM_MAPPING=VM1", PATH .. ":1: KVM_VM_MAPPING: entry 1 'VM1' does not have three fields; "
    .. "write VM1:controller1:/vol/vol1/lun1;VM2:controller2:/vol/vol2/image;")
  eq_error("NTAP_SNAPSHOT_RETENTIONS=daily", PATH .. ":1: NTAP_SNAPSHOT_RETENTIONS: entry 1 'daily' has no ':'; "
    .. "write daily:7,weekly:4")
end)

t.case("files that cannot be read", function()
  local function from(config_name, files)
    return config.load { profile = "host1", config = config_name, config_dir = "/etc/m", open = opener(files) }
  end
  local cfg, err = from("kvm", {})
  t.err(cfg, err, "not_found")
  t.eq(tostring(err), PATH .. ": No such file or directory")
  cfg, err = from("kvm", { [PATH] = { "Permission denied", 13 } })
  t.err(cfg, err, "denied", "Permission denied")
  cfg, err = from("kvm", { [PATH] = { "Input/output error", 5 } })
  t.err(cfg, err, "io")
  cfg, err = config.load { config = "/", open = function()
    return { read = function() return nil, "Is a directory", 21 end, close = function() end }
  end }
  t.err(cfg, err, "io", "^/: Is a directory$")
end)

t.case("names of profiles and configs", function()
  local function message(opts)
    opts.open = opener { ["x.conf"] = "SNAME=p", ["./x"] = "SNAME=q" }
    local cfg, err = config.load(opts)
    t.err(cfg, err, "invalid")
    return tostring(err)
  end
  local rule = "is not a valid name; write letters, digits and '_', beginning with a letter or '_'"
  t.eq(message { profile = "1a", config = "x" }, "profile '1a' " .. rule)
  t.eq(message { profile = "a-b", config = "x" }, "profile 'a-b' " .. rule)
  t.eq(message { profile = "../x", config = "x" }, "profile '../x' " .. rule)
  t.eq(message { profile = "a", config = "1x" }, "config '1x' " .. rule)
  t.eq(message { profile = "a", config = "x y" }, "config 'x y' " .. rule)
  t.eq(message { config = "x" }, "config 'x': no profile is given; write --profile")
  t.eq(message { profile = "a" }, "no config is given; write --config with a name or a path")
  t.eq(message { profile = "a", config = "global" }, "config 'global': it is read below other configs, not by itself")
  local open = opener { ["x.conf"] = "SNAME=p", ["./x"] = "SNAME=q" }
  t.eq(t.ok(config.load { config = "x.conf", open = open }):get("SNAME"), "p")
  t.eq(t.ok(config.load { config = "./x", open = open }):get("SNAME"), "q")
end)

local GLOBALS = {
  ["/etc/m/global.conf"] = "LOG_NUM=1\nNTAP_TIMEOUT=11\nKVM_CMD_RETRY_COUNT=21\nSUCCESS_MSG=super\n",
  ["/etc/m/host1/global.conf"] = "NTAP_TIMEOUT=12\nKVM_CMD_RETRY_COUNT=22\n",
}

t.case("precedence", function()
  local cfg = good("USE_GLOBAL_CONFIG=Y\nKVM_CMD_RETRY_COUNT=23\nPORT=33\nLOG_NUM=\n",
    { files = GLOBALS, params = { "PORT=44" } })
  t.eq(cfg:get("LOG_NUM"), 1)
  t.eq(cfg:where("LOG_NUM"), "/etc/m/global.conf:1")
  t.eq(cfg:get("NTAP_TIMEOUT"), 12)
  t.eq(cfg:where("NTAP_TIMEOUT"), "/etc/m/host1/global.conf:1")
  t.eq(cfg:get("KVM_CMD_RETRY_COUNT"), 23)
  t.eq(cfg:get("PORT"), 44)
  t.eq(cfg:where("PORT"), "--params")
  t.eq(cfg:get("SUCCESS_MSG"), "super")
end)

t.case("global configs only when asked for, and optional", function()
  t.eq(good("LOG_NUM=\n", { files = GLOBALS }):get("LOG_NUM"), 30)
  t.eq(good("USE_GLOBAL_CONFIG=N\n", { files = GLOBALS }):get("LOG_NUM"), 30)
  t.eq(good("", { files = GLOBALS, params = { "USE_GLOBAL_CONFIG=y" } }):get("LOG_NUM"), 1)
  t.eq(good("USE_GLOBAL_CONFIG=Y\n", { files = GLOBALS, params = { USE_GLOBAL_CONFIG = "N" } }):get("LOG_NUM"), 30)
  t.eq(good("USE_GLOBAL_CONFIG=Y"):get("LOG_NUM"), 30)
  eq_error("USE_GLOBAL_CONFIG=x", PATH .. ":1: USE_GLOBAL_CONFIG: 'x' is neither Y nor N; write Y or N")
  local cfg, err = load("USE_GLOBAL_CONFIG=Y", { files = { ["/etc/m/global.conf"] = { "Permission denied", 13 } } })
  t.err(cfg, err, "denied", "^/etc/m/global.conf: ")
end)

t.case("what a global config cannot say, and what is overridden there", function()
  local cfg = good("USE_GLOBAL_CONFIG=Y\nUSE_PROXY=N\nLOG_NUM=4", { files = {
    ["/etc/m/global.conf"] = "ALLOW_DUPLICATE_SNAME=Y\nUSE_PROXY=Y\nLOG_NUM=x\n" } })
  t.eq(warnings(cfg), { "/etc/m/global.conf:1: ALLOW_DUPLICATE_SNAME has no effect in a global config" })
  t.eq(cfg:get("ALLOW_DUPLICATE_SNAME"), false)
  eq_error("USE_GLOBAL_CONFIG=Y", "/etc/m/global.conf:1: USE_PROXY: it is refused: "
    .. "the KVM plug-in does not work through Unified Manager; write USE_PROXY=N",
    { files = { ["/etc/m/global.conf"] = "USE_PROXY=Y" } }, "unsupported")
end)

t.case("--params", function()
  t.eq(good("", { params = { "SNAME = a b=c " } }):get("SNAME"), "a b=c")
  t.eq(good("", { params = { SNAME = "x", LOG_NUM = "3" } }):get("LOG_NUM"), 3)
  t.eq(good("PRE_NTAP_CMD01=a", { params = { "PRE_NTAP_CMD1=b" } }):commands("PRE_NTAP_CMD"),
    { { number = 1, text = "b", where = "--params" } })
  -- An empty value takes the key back.
  t.eq(good("KVM_VMS=a,b", { params = { "KVM_VMS=" } }):get("KVM_VMS"), nil)
  t.eq(good("LOG_NUM=3", { params = { "LOG_NUM=" } }):where("LOG_NUM"), "default")
  eq_error("", "--params: argument 2 has no '='; write KEY=value", { params = { "A=b", "C" } })
  eq_error("", "--params: SNAME: it is given twice; write it once", { params = { "SNAME=b", "SNAME=b" } })
  eq_error("", "--params: key 'sname' is not in upper case; write SNAME", { params = { "sname=b" } })
  eq_error("", "--params: SNAME: it holds a control character; write plain text", { params = { "SNAME=a\nb" } })
  eq_error("", "--params: LOG_NUM: '0' is too small; write a whole number from 1 to 10000",
    { params = { "LOG_NUM=0" } })
  t.eq(warnings(good("", { params = { "LOG_NUMM=1" } })),
    { "--params: LOG_NUMM is not a known parameter; did you mean LOG_NUM?" })
end)

local function checks(text)
  local out = {}
  for _, failed in ipairs(good("SNAME=a\nNTAP_USERS=c:u/p\n" .. text):check()) do out[#out + 1] = tostring(failed) end
  return out
end

t.case("metadata volumes are some of VOLUMES", function()
  t.eq(checks("VOLUMES=c:v1,v2\nMETA_DATA_VOLUME=c:v2"), {})
  t.eq(checks("VOLUMES=c:v1,v2\nMETA_DATA_VOLUME=c:v3"),
    { "[scf-00044] " .. PATH .. ":4: META_DATA_VOLUME: 'c:v3' is not in VOLUMES; write it there" })
  t.eq(checks("VOLUMES=c:v1,v2\nMETA_DATA_VOLUME=c:v1,v2"), { "[scf-00045] " .. PATH
    .. ":4: META_DATA_VOLUME: it is all of VOLUMES; write the guests' volumes there, too" })
end)

t.case("there is one way to the snapshots", function()
  t.eq(checks("NTAP_USE_EXTERNAL_SNAPSHOT=Y"), { PATH .. ":3: NTAP_USE_EXTERNAL_SNAPSHOT: Y needs a pattern; write "
    .. "NTAP_EXTERNAL_SNAPSHOT_REGEX" })
  t.eq(checks("NTAP_USE_EXTERNAL_SNAPSHOT=Y\nNTAP_EXTERNAL_SNAPSHOT_REGEX=^nightly\nNTAP_SNAPSHOT_DISABLE=y"), { PATH
    .. ":3: NTAP_USE_EXTERNAL_SNAPSHOT: it excludes NTAP_SNAPSHOT_DISABLE (" .. PATH .. ":5); write one of the two" })
end)

t.case("unknown and ignored parameters are reported", function()
  t.eq(warnings(good("SITE_CLASS=gold\n")), {})
  local cfg = good("SNAM=a\nMY_SITE_VARIABLE=b\nVFILERS=v@c:x\nNTAP_SNAPSHOT_DISABLE=N\nNTAP_SNAPVAULT_WAIT=10\n"
    .. "NTAP_SNAPSHOT_DISABLE2=\nNTAP_SNAPVAULT_RESTORE_WAIT=y\nKVM_VM_CONFIG_DIR=/etc/libvirt/qemu\n"
    .. "APP_QUIESCE_CMD01=/bin/true\n\nNTAP_DFM_SNAPSHOT_FORMAT=rubbish\n"
    .. "SUCCESS_MSG=%MY_SITE_VARIABLE!\n")
  t.eq(warnings(cfg), {
    PATH .. ":1: SNAM is not a known parameter; did you mean SNAME?",
    PATH .. ":2: MY_SITE_VARIABLE is not a known parameter",
    PATH .. ":3: VFILERS is ignored: vFilers exist in 7-Mode only",
    PATH .. ":7: NTAP_SNAPVAULT_RESTORE_WAIT is ignored: a restore from a vault is always waited for, at most "
      .. "NTAP_SNAPVAULT_WAIT minutes, and leaves only the safety snapshot on the primary",
    PATH .. ":11: NTAP_DFM_SNAPSHOT_FORMAT is ignored: not carried out by this version: data sets are not kept",
    PATH .. ":9: APP_QUIESCE_CMD01 has no effect in a config of guests; it belongs into a child config of "
      .. "FEDERATED_APPLICATIONS",
  })
  t.eq(cfg:get("MY_SITE_VARIABLE"), "b")
  t.eq(cfg:get("SUCCESS_MSG"), "b!")
  t.eq(warnings(good("KVM_VM_CONFIG_DIR=/srv/xml")),
    { PATH .. ":1: KVM_VM_CONFIG_DIR is ignored: domain XML is read from libvirt itself" })
end)

t.case("refused parameters", function()
  local function refused(line, reason, other)
    eq_error("\n" .. line, ("%s:2: %s: it is refused: %s; write %s"):format(PATH, line:match("^[^=]*"), reason, other),
      nil, "unsupported")
  end
  refused("USE_PROXY=y", "the KVM plug-in does not work through Unified Manager", "USE_PROXY=N")
  refused("NTAP_OSSV_ENABLE=Y", "OSSV backups do not exist for KVM guests", "NTAP_OSSV_ENABLE=N")
  refused("ARCHIVE_LOG_ENABLE=daily:3", "archive logs are not managed for KVM guests", "ARCHIVE_LOG_ENABLE=N")
  refused("ARCHIVE_LOG_ENABLE=Y", "archive logs are not managed for KVM guests", "ARCHIVE_LOG_ENABLE=N")
  refused("CMODE_SET=N", "Data ONTAP 7-Mode is not supported", "CMODE_SET=Y")
  refused("SNAPDRIVE=Y", "SnapDrive is not used; snapshots are taken through the controller", "SNAPDRIVE=N")
  for _, name in ipairs { "BACKUP", "MOUNT", "UMOUNT", "CLONE" } do
    refused("APP_DEFINED_" .. name .. "=Y", "no plug-in does this by itself, the KVM one neither",
      "APP_DEFINED_" .. name .. "=N")
  end
  t.eq(warnings(good("USE_PROXY=N\nNTAP_OSSV_ENABLE=n\nARCHIVE_LOG_ENABLE=n\nCMODE_SET=Y\nSNAPDRIVE=")), {})
  eq_error("USE_PROXY=maybe", PATH .. ":1: USE_PROXY: 'maybe' is neither Y nor N; write Y or N")
end)

t.case("substitution", function()
  local cfg = good("SNAME=kvm\nNTAP_USERS=c:u/geheim\nA=1\nAB=2\nNEST=<%AB>\nNAMED=%A%AB %NEST\nCMODE_CLUSTER_USERS="
    .. "c:u/geheim\nPRE_NTAP_CMD1=x\nOM_PWD=geheim2", { policy = "daily" })
  local vars = { SNAP_TIME = "20240101000000", SNAPNAME = "n", ACTION = "backup", MSG = "bad %A", USER_DEFINED = "u" }
  local cases = {
    { "%SNAME-%SNAP_TYPE_%SNAP_TIME", "kvm-daily_20240101000000" },
    { "%SNAP_TYPE_recent", "daily_recent" },
    { "%SNAP_TYPERECENT", "dailyRECENT" },
    { "%A%AB%ABC", "122C" },
    { "%NAMED", "12 <2>" },
    { "%MSG", "bad %A" },
    { "%UNKNOWN %lower %1 100% %", "%UNKNOWN %lower %1 100% %" },
    { "%%A", "%1" }, { "%%", "%%" },
    { "%NTAP_USERS %CMODE_CLUSTER_USERS %OM_PWD", "%NTAP_USERS %CMODE_CLUSTER_USERS %OM_PWD" },
    { "%PORT", "443" }, { "%LOG_NUM", "30" },
    { "%SUCCESS_MSG", "%SUCCESS_MSG" },            -- known but without a value
    { "%PRE_NTAP_CMD01 %PRE_NTAP_CMD1", "x x" },
    { "%ACTION %USER_DEFINED %SNAPNAME", "backup u n" },
    { "", "" },
  }
  for _, case in ipairs(cases) do t.eq(cfg:expand(case[1], vars), case[2], case[1]) end
  t.eq(cfg:expand("%SNAP_TYPE %SNAP_TIME", { SNAP_TYPE = "weekly" }), "weekly %SNAP_TIME")
  t.eq(cfg:expand("%SNAME", { SNAME = "run" }), "run")
  t.eq(cfg:get("OM_PWD"), "geheim2")
  t.eq(cfg.secrets, { "geheim", "geheim", "geheim2" })
  t.raises(function() cfg:expand(7) end, "text must be a string")
  t.raises(function() cfg:expand("x", 7) end, "vars must be a table")
end)

t.case("substitution in typed values", function()
  local cfg = good("C=c1\nVOL=v1\nVOLUMES=%C:%VOL\nDAYS=5\nNTAP_SNAPSHOT_RETENTION_AGE=%DAYS")
  t.eq(cfg:get("VOLUMES"), { { controller = "c1", volumes = { "v1" } } })
  t.eq(cfg:get("NTAP_SNAPSHOT_RETENTION_AGE").all, 5)
  t.eq(cfg:raw("VOLUMES"), "%C:%VOL")
end)

t.case("substitution that does not end", function()
  eq_error("A=%A", PATH .. ":1: A: %A refers to itself: A -> A")
  eq_error("A=%B\nB=x%C\nC=%A", PATH .. ":1: A: %A refers to itself: A -> B -> C -> A")
  eq_error("SNAME=a%SNAME", PATH .. ":1: SNAME: %SNAME refers to itself: SNAME -> SNAME")
  local lines = {}
  for i = 1, 9 do lines[i] = ("K%d_=%%K%d_"):format(i, i + 1) end
  eq_error(table.concat(lines, "\n") .. "\nK10_=x", PATH .. ":1: K1_: %K9_ is nested more than 8 deep")
  t.eq(good(table.concat(lines, "\n", 3) .. "\nK10_=x"):get("K3_"), "x")
  local cfg = good("A=1")
  t.ok(cfg:set("A", "%A"))
  t.eq(cfg:get("A"), "%A")           -- set values are literal
end)

t.case("policies", function()
  local cfg = good(FULL)
  t.eq(cfg:policy_check("daily"), true)
  local ok, err = cfg:policy_check("weekly")
  t.err(ok, err, "invalid")
  t.eq({ err.scf, err.exit }, { "scf-00072", 2 })
  t.eq(err.message, "policy 'weekly' is not in NTAP_SNAPSHOT_RETENTIONS (" .. PATH .. ":8); known: hourly, daily")
  ok, err = cfg:policy_check("off")
  t.err(ok, err, "invalid")
  t.eq(err.message, "policy 'off' is switched off by its count of 0 in NTAP_SNAPSHOT_RETENTIONS ("
    .. PATH .. ":8); known: hourly, daily")
  ok, err = good(""):policy_check("daily")
  t.err(ok, err, "invalid")
  t.eq(err.message, PATH .. ": policy 'daily' is not known: NTAP_SNAPSHOT_RETENTIONS is not set; "
    .. "write for instance daily:7")
  t.raises(function() cfg:policy_check() end, "policy must be a string")
end)

t.case("values of the run", function()
  local cfg = good(FULL)
  t.eq(cfg:set("KVM_VM_MAPPING", "V:s_c1:/vol/vol1/50%SNAME;"), true)
  t.eq(cfg:get("KVM_VM_MAPPING")[1].file, "50%SNAME")
  t.eq(cfg:where("KVM_VM_MAPPING"), "discovery")
  local ok, err = cfg:set("KVM_VM_MAPPING", "V")
  t.err(ok, err, "invalid", "^discovery: KVM_VM_MAPPING: entry 1 'V' does not have three fields")
  t.eq(#cfg:get("KVM_VM_MAPPING"), 1)
  ok, err = cfg:set("USE_PROXY", "Y", "script")
  t.err(ok, err, "unsupported", "^script: USE_PROXY: it is refused")
  ok, err = cfg:set("lower", "x")
  t.err(ok, err, "invalid", "write LOWER$")
  t.eq(cfg:set("KVM_VM_MAPPING", ""), true)
  t.eq(cfg:get("KVM_VM_MAPPING"), nil)
  t.eq(cfg:set("NTAP_USERS", "c9:u/neues"), true)
  t.eq(cfg.secrets[#cfg.secrets], "neues")
  t.raises(function() cfg:set("SNAME", 7) end, "name and text must be strings")
  t.raises(function() cfg:get(7) end, "name must be a string")
end)

t.case("a site's own passwords are remembered", function()
  t.eq(good("MY_PASSWORD=langes\nPWD_CHECK=Y\nTHEIR_PWD=auch_lang"):get("MY_PASSWORD"), "langes")
  t.eq(good("MY_PASSWORD=langes\nPWD_CHECK=Y\nTHEIR_PWD=auch_lang").secrets, { "langes", "auch_lang" })
end)

-- The errors of check, as text.
local function checked(text)
  local out = {}
  for i, err in ipairs(good(text):check()) do
    t.eq({ err.code, err.exit }, { "invalid", 2 })
    out[i] = tostring(err)
  end
  return out
end

local MIN = "SNAME=a\nNTAP_USERS=c1:u/p\nVOLUMES=c1:v1\n"

t.case("rules across parameters", function()
  t.eq(checked(MIN), {})
  t.eq(checked("NTAP_USERS=c1:u/p"), { PATH .. ": SNAME: it is not set; write SNAME=<prefix of the snapshot names>" })
  t.eq(checked("NTAP_USERS=c1:u/p\nSNAME=a b"),
    { PATH .. ":2: SNAME: 'a b' holds other characters; write letters, digits, '_', '-' and '.'" })
  t.eq(checked("NTAP_USERS=c1:u/p\nSNAME=a.b-C_1"), {})
  t.eq(checked(MIN .. "APP_NAME=oracle"),
    { "[agt-00012] " .. PATH .. ":4: APP_NAME: 'oracle' is not a plug-in of this product; write kvm" })
  t.eq(checked(MIN .. "SC_AGENT=h1:9090\nSC_AGENT_01=h2:9090"), { PATH .. ":5: SC_AGENT: a second host is given, "
    .. "the first is in " .. PATH .. ":4; write one host, since a config has one KVM host" })
  t.eq(checked(MIN .. "SC_AGENT_01=h2:9090"), {})
  t.eq(checked("SNAME=a\nVOLUMES=c1:v1;c2:v1,v2\nNTAP_USERS=c1:u/p"), { "[scf-00039] " .. PATH
    .. ":2: VOLUMES: controller 'c2' has no user; write c2:user/password in NTAP_USERS" })
  t.eq(checked("SNAME=a"), { "[scf-00039] " .. PATH
    .. ": NTAP_USERS: it is not set; write controller1:user/password;controller2:user/password" })
end)

t.case("rules about the cluster", function()
  local tunnel = "SNAME=a\nVOLUMES=svm1:v1\nVSERVER_TUNNEL_ENABLED=Y\n"
  t.eq(checked(tunnel), { "[scf-00041] " .. PATH
    .. ":3: VSERVER_TUNNEL_ENABLED: Y needs the cluster; write CMODE_CLUSTER_NAME" })
  t.eq(checked(tunnel .. "CMODE_CLUSTER_NAME=cl1"), { "[scf-00042] " .. PATH
    .. ":4: CMODE_CLUSTER_NAME: cluster 'cl1' has no user; write cl1:user/password in CMODE_CLUSTER_USERS" })
  t.eq(checked(tunnel .. "CMODE_CLUSTER_NAME=cl1\nCMODE_CLUSTER_USERS=cl1:u/p"), {})
  t.eq(checked(MIN .. "CMODE_CLUSTER_NAME=cl1"), {})
end)

t.case("a certificate in place of a password", function()
  local bare = "SNAME=a\nNTAP_USERS=c1:u;c2:v/geheim7\n"
  t.eq(checked(bare), { PATH .. ":2: NTAP_USERS: entry 1 has no '/' between user and password; write "
    .. "controller1:user/password;controller2:user/password, or ONTAP_CERT for its controller" })
  t.eq(checked(bare .. "ONTAP_CERT=/c.pem"), {})
  t.eq(checked(bare .. "ONTAP_CERT=c1:/c.pem\nONTAP_KEY=c1:/k.pem"), {})
  t.eq(#checked(bare .. "ONTAP_CERT=c2:/c.pem"), 1)
  t.eq(checked("SNAME=a\nVOLUMES=c1:v1\nONTAP_CERT=/c.pem"), {})
  t.eq(checked("SNAME=a\nONTAP_CERT=c1:/c.pem"), {})
  t.eq(checked(MIN .. "ONTAP_KEY=/k.pem"), { PATH .. ":4: ONTAP_KEY: there is no certificate for the key; write ONTAP_CERT" })
  t.eq(checked(MIN .. "ONTAP_CERT=/c.pem\nTRANSPORT=HTTP"), { PATH
    .. ":4: ONTAP_CERT: a certificate can log in over HTTPS only; write TRANSPORT=HTTPS" })
  local tunnel = "SNAME=a\nVOLUMES=svm1:v1\nVSERVER_TUNNEL_ENABLED=Y\nCMODE_CLUSTER_NAME=cl1\n"
  t.eq(checked(tunnel .. "ONTAP_CERT=cl1:/c.pem"), {})
  t.eq(#checked(tunnel .. "CMODE_CLUSTER_USERS=cl1:u"), 1)
  -- What stands behind a ';' in a password is not shown.
  for _, text in ipairs(checked("SNAME=a\nNTAP_USERS=c1:root/x;geheim7:y")) do
    t.ok(not text:find("geheim7", 1, true), text)
  end
end)

t.case("REST over plain HTTP is warned of", function()
  t.eq(warnings(good(MIN .. "TRANSPORT=HTTP\nONTAP_API=rest")),
    { PATH .. ":5: ONTAP_API: ONTAP offers REST over HTTPS only; write TRANSPORT=HTTPS" })
  t.eq(warnings(good(MIN .. "TRANSPORT=HTTP")), {})
end)

t.case("rules without discovery", function()
  local off = "SNAME=a\nNTAP_USERS=c1:u/p\nAPP_AUTO_DISCOVERY=N\n"
  t.eq(checked(off), { PATH .. ": VOLUMES: it is not set and APP_AUTO_DISCOVERY is N; write one of the two" })
  t.eq(checked(off .. "VOLUMES=c1:v1\nKVM_VM_MAPPING=A:c1:/vol/v1/a;B:c1:/vol/v2/b;C:c1:/vol/v2/c"), { "[scf-00040] "
    .. PATH .. ":5: KVM_VM_MAPPING: volume 'c1:v2' of guest 'B' is not in VOLUMES; write it there" })
  t.eq(checked(off .. "VOLUMES=c1:v1\nKVM_VM_MAPPING=A:c9:/vol/v1/a"), {
    "[scf-00039] " .. PATH .. ":5: KVM_VM_MAPPING: controller 'c9' has no user; write c9:user/password in NTAP_USERS",
    "[scf-00040] " .. PATH .. ":5: KVM_VM_MAPPING: volume 'c9:v1' of guest 'A' is not in VOLUMES; write it there" })
  -- An old mapping is no obstacle to a new one.
  t.eq(checked(MIN .. "KVM_VM_MAPPING=A:c9:/vol/v1/a"), {})
end)

t.case("rules about retention", function()
  t.eq(checked(MIN .. "NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=PRIMARY"), { PATH
    .. ":4: NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY: PRIMARY needs an age; write NTAP_SNAPSHOT_RETENTION_AGE" })
  t.eq(checked(MIN .. "NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=BOTH\nNTAP_SNAPSHOT_RETENTION_AGE=3"), {})
  t.eq(checked(MIN .. "NTAP_SNAPSHOT_RETENTIONS=daily:1\nNTAP_SNAPSHOT_RETENTION_AGE=daly:3"), { PATH
    .. ":5: NTAP_SNAPSHOT_RETENTION_AGE: policy 'daly' is not in NTAP_SNAPSHOT_RETENTIONS; write it there" })
  t.eq(checked(MIN .. "NTAP_SNAPSHOT_RETENTIONS=daily:1,weekly:1\nNTAP_SNAPSHOT_RETENTION_AGE=daily:3\n"
    .. "NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=PRIMARY"), { PATH .. ":5: NTAP_SNAPSHOT_RETENTION_AGE: policy 'weekly' has "
    .. "no age, which NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=PRIMARY needs; write weekly:<days>" })
  t.eq(warnings(good("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=SECONDARY")), { PATH
    .. ":1: NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY: copies on a secondary are deleted with NTAP_SNAPVAULT_UPDATE=Y only" })
end)

t.case("rules about replication", function()
  local vault = MIN .. "NTAP_SNAPSHOT_RETENTIONS=daily:1,weekly:1\nNTAP_SNAPVAULT_UPDATE=Y\n"
  local good_one = vault .. "SNAPVAULT_VOLUMES=c1:v1\nSNAP_TIMESTAMP_ONLY=Y\n"
  t.eq(checked(good_one), {})
  t.eq(checked(vault .. "SNAP_TIMESTAMP_ONLY=Y"), { PATH .. ":5: NTAP_SNAPVAULT_UPDATE: Y needs the source volumes; write "
    .. "SNAPVAULT_VOLUMES=controller:volume" })
  t.eq(checked(MIN .. "NTAP_SNAPMIRROR_UPDATE=Y"), { PATH .. ":4: NTAP_SNAPMIRROR_UPDATE: Y needs the source volumes; write "
    .. "SNAPMIRROR_VOLUMES=controller:volume" })
  t.eq(checked(good_one .. "NTAP_SNAPVAULT_SNAPSHOT=Y"), { "[scf-00047] " .. PATH .. ":8: NTAP_SNAPVAULT_SNAPSHOT: "
    .. "NTAP_SNAPVAULT_UPDATE is Y as well, and only one of them transfers; write N for one of the two" })
  t.eq(checked(vault .. "SNAPVAULT_VOLUMES=c1:v1\nSNAP_TIMESTAMP_ONLY=N"), { PATH .. ":5: NTAP_SNAPVAULT_UPDATE: a copy in "
    .. "a vault keeps its name, so that a second '_recent' cannot come; write SNAP_TIMESTAMP_ONLY=Y" })
  t.eq(checked(good_one .. "NTAP_SNAPVAULT_RETENTIONS=dayly:3"), { PATH .. ":8: NTAP_SNAPVAULT_RETENTIONS: policy 'dayly' "
    .. "is not in NTAP_SNAPSHOT_RETENTIONS; write it there" })
  t.eq(checked(good_one .. "NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=SECONDARY\nNTAP_SNAPVAULT_RETENTION_AGE=daily:3"), { PATH
    .. ":8: NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY: SECONDARY needs an age for policy 'weekly' on the secondary; write "
    .. "NTAP_SNAPVAULT_RETENTION_AGE" })
  t.eq(checked(good_one .. "NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=SECONDARY\nNTAP_SNAPVAULT_RETENTION_AGE=3"), {})
  t.eq(checked(MIN .. "NTAP_SNAPMIRROR_UPDATE=Y\nSNAPMIRROR_VOLUMES=c7:v1"), { "[scf-00039] " .. PATH
    .. ":5: SNAPMIRROR_VOLUMES: controller 'c7' has no user; write c7:user/password in NTAP_USERS" })
end)

t.case("the short timeout is reported where it stands", function()
  t.eq(good("SC_AGENT_TIMEOUT=599").warnings,
    { PATH .. ":1: SC_AGENT_TIMEOUT: 599 seconds is short for KVM; write 600 or more" })
  t.eq(good("SC_AGENT_TIMEOUT=600").warnings, {})
end)

t.case("no message shows a password", function()
  for _, text in ipairs { "NTAP_USERS c1:u/geheim7", "NTAP_USERS=geheim7", "NTAP_USERS=c1:u/x;geheim7:y/z;geheim7:y",
    "c2:u/geheim7=x", "NTAP_USERS=c1:u/geheim7\nNTAP_USERS=c1:u/geheim7", "NTAP_USERS=c1:u/geheim7\1",
    "NTAP_USERS=c1:u/geheim7\nX=%NTAP_USERS\nLOG_NUM=%NTAP_USERS" } do
    local cfg, err = load(text)
    t.err(cfg, err, "invalid")
    t.ok(not tostring(err):find("geheim7", 1, true), tostring(err))
  end
  local cfg = good("NTAP_USERS=c1:u/geheim7\nVOLUMES=c2:v\nSNAME=x%NTAP_USERS")
  for _, err in ipairs(cfg:check()) do t.ok(not tostring(err):find("geheim7", 1, true)) end
  t.ok(not table.concat(cfg.warnings, "\n"):find("geheim7", 1, true))
end)

t.case("sname of another file", function()
  local open = opener { ["/a"] = "X=1\nSNAME=kvm_%X\n", ["/b"] = "X=1", ["/c"] = "x",
    ["/e/p/a.conf"] = "USE_GLOBAL_CONFIG=Y", ["/e/p/b.conf"] = "", ["/e/p/../global.conf"] = "SNAME=super\nX=2",
    ["/e/p/global.conf"] = "SNAME=profile_%X", ["/e/q/a.conf"] = "USE_GLOBAL_CONFIG=Y",
    ["/e/q/../global.conf"] = "SNAME=super" }
  t.eq(config.sname_of("/e/p/a.conf", open), "profile_2")
  t.eq(config.sname_of("/e/p/b.conf", open), nil)
  t.eq(config.sname_of("/e/q/a.conf", open), "super")
  t.eq(config.sname_of("/p", opener { ["/p"] = "SNAME=p\nNTAP_SNAPSHOT_POLICIES=none" }), "p")
  t.eq(config.sname_of("/a", open), "kvm_1")
  t.eq(config.sname_of("/b", open), nil)
  local got, err = config.sname_of("/c", open)
  t.err(got, err, "invalid", "^/c:1: line has no '='")
  got, err = config.sname_of("/d", open)
  t.err(got, err, "not_found")
  t.raises(function() config.sname_of() end, "path must be a string")
end)

t.case("edits keep every other byte", function()
  local edit = config.edit
  local map = { KVM_VM_MAPPING = "A:c:/vol/v/a;" }
  local cases = {
    { "# x\nKVM_VM_MAPPING=old\nLOG_NUM=3\n", "# x\nKVM_VM_MAPPING=A:c:/vol/v/a;\nLOG_NUM=3\n" },
    { "KVM_VM_MAPPING =  old  \nX=1", "KVM_VM_MAPPING =  A:c:/vol/v/a;\nX=1" },
    { "  KVM_VM_MAPPING=\r\nX=1\r\n", "  KVM_VM_MAPPING=A:c:/vol/v/a;\r\nX=1\r\n" },
    { "X=1\r\n", "X=1\r\nKVM_VM_MAPPING=A:c:/vol/v/a;\r\n" },
    { "X=1\r\nY=2", "X=1\r\nY=2\r\nKVM_VM_MAPPING=A:c:/vol/v/a;\r\n" },
    { "X=1", "X=1\nKVM_VM_MAPPING=A:c:/vol/v/a;\n" },
    { "", "KVM_VM_MAPPING=A:c:/vol/v/a;\n" },
    { "#KVM_VM_MAPPING=old\n", "#KVM_VM_MAPPING=old\nKVM_VM_MAPPING=A:c:/vol/v/a;\n" },
    { "KVM_VM_MAPPING2=old\n", "KVM_VM_MAPPING2=old\nKVM_VM_MAPPING=A:c:/vol/v/a;\n" },
    { "\xEF\xBB\xBFKVM_VM_MAPPING=old", "\xEF\xBB\xBFKVM_VM_MAPPING=A:c:/vol/v/a;" },
    { "garbage \0\xFF\nKVM_VM_MAPPING=old\n\n\n", "garbage \0\xFF\nKVM_VM_MAPPING=A:c:/vol/v/a;\n\n\n" },
  }
  for _, case in ipairs(cases) do
    t.eq(edit(case[1], map), case[2])
    t.eq(edit(case[2], map), case[2])
  end
  t.eq(edit("B=1\n", { C = "3", A = "%1" }), "B=1\nA=%1\nC=3\n")
  t.eq(edit("PRE_NTAP_CMD1=a\n", { PRE_NTAP_CMD01 = "b" }), "PRE_NTAP_CMD1=b\n")
  t.eq(edit("A=1\n", { A = "" }), "A=\n")
  t.eq(edit("A=1\n\n# end", {}), "A=1\n\n# end")
  t.raises(function() edit("", { A = "x\ny" }) end, "the value of A cannot be written in one line")
  t.raises(function() edit("", { A = " x" }) end, "the value of A cannot be written in one line")
  t.raises(function() edit("", { a = "x" }) end, "'a' is not a key")
  t.raises(function() edit("", { A = 1 }) end, "keys and values must be strings")
  t.raises(function() edit("", { PRE_NTAP_CMD1 = "a", PRE_NTAP_CMD01 = "b" }) end, "is given twice")
  t.raises(function() edit(nil, {}) end, "text must be a string")
  t.raises(function() edit("") end, "changes must be a table")
end)

t.case("real files", function()
  local dir = os.getenv("MOON_TEST_TMP")
  if not dir then t.skip("MOON_TEST_TMP is not set") end
  local path = ("%s/config_test-%d-%d"):format(dir, os.time(), math.random(1 << 40))
  local file = t.ok(io.open(path, "wb"))
  file:write(FULL)
  file:close()
  require("engine.file").replace(path, FULL, { mode = tonumber("600", 8) })
  local cfg, err = config.load { config = path }
  t.ok(cfg, err)
  t.eq(cfg:where("SNAME"), path .. ":5")
  t.eq(config.sname_of(path), "kvm_host1")
  path = path .. ".absent"
  cfg, err = config.load { config = path }
  t.err(cfg, err, "not_found")
  t.ok(tostring(err):find(path, 1, true))
  cfg, err = config.load { config = dir .. "/" }
  t.err(cfg, err, "io", "directory")
end)

t.case("misuse raises", function()
  t.raises(function() config.load() end, "config.load: options expected")
  t.raises(function() config.load { configs = "x" } end, "unknown option 'configs'")
  t.raises(function() config.load { config = 7 } end, "config must be a string")
  t.raises(function() load("", { params = { 7 } }) end, "params must be strings")
  t.raises(function() load("", { params = { SNAME = 7 } }) end, "params must be strings")
end)

return t.done()
