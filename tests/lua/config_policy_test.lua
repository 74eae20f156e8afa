-- Policy objects, volume groups, the host of a config.
local config = require "std.config"
local t = require "std.test"

local PATH = "/etc/m/host1/kvm.conf"

local function load(text, policy, files, opts)
  files = files or {}
  files[PATH] = text
  local o = { profile = "host1", config = "kvm", config_dir = "/etc/m", policy = policy }
  for key, value in pairs(opts or {}) do o[key] = value end
  o.open = function(path)
    local content = files[path]
    if not content then return nil, path .. ": No such file or directory", 2 end
    return { read = function(_, n) return #content > 0 and content:sub(1, n) or nil end, close = function() end }
  end
  o.stat = function() return { mode = tonumber("600", 8) } end
  o.is_local = o.is_local or function(host) return host == "here" end
  return config.load(o)
end

local function good(...)
  return t.ok(load(...))
end

local function eq_error(message, ...)
  local cfg, err = load(...)
  t.err(cfg, err, "invalid")
  t.eq(err.exit, 2)
  t.eq(tostring(err), message)
end

local function warned(cfg, text)
  for _, warning in ipairs(cfg.warnings) do
    if warning:find(text, 1, true) then return true end
  end
  return false
end

-- Errors of check beside those about what these small configs leave out.
local function checked(text, opts)
  local out = {}
  for _, err in ipairs(good("SNAME=a\nNTAP_USERS=c1:u/p;c2:u/p\nVOLUMES=c1:v1\n" .. text, nil, nil, opts):check()) do
    out[#out + 1] = tostring(err)
  end
  return out
end

local DAILY, WEEKLY = "/etc/m/host1/policies/daily.policy", "/etc/m/policies/weekly.policy"
local function policies()
  return {
    [DAILY] = "# nights\nPRIMARY_COUNT=7\nPRIMARY_AGE = 14\nSECONDARY_COUNT=21\nNTAP_SNAPSHOT_NODELETE=Y\n",
    [WEEKLY] = "PRIMARY_COUNT=4\nPRIMARY_AGE=0\nPOLICY_TYPE=SnapVault\nNTAP_TIMEOUT=99\nLOG_NUM=\n",
    ["/etc/m/policies/daily.policy"] = "PRIMARY_COUNT=1\n",
  }
end
local TEXT = "NTAP_SNAPSHOT_POLICIES=daily,weekly\nNTAP_TIMEOUT=30\nLOG_NUM=5\n"

t.case("counts and ages of all policies are gathered", function()
  local cfg = good(TEXT, nil, policies())
  t.eq(cfg:get("NTAP_SNAPSHOT_RETENTIONS").map, { daily = 7, weekly = 4 })
  t.eq(cfg:get("NTAP_SNAPSHOT_RETENTION_AGE").map, { daily = 14 })
  t.eq(cfg:raw("NTAP_SNAPVAULT_RETENTIONS"), "daily:21")
  t.eq(cfg:where("NTAP_SNAPSHOT_RETENTIONS"), PATH .. ":1")
  t.eq(cfg:policy_check("weekly"), true)
  local ok, err = cfg:policy_check("monthly")
  t.err(ok, err, "invalid")
  t.eq({ err.scf, err.message },
    { "scf-00072", "policy 'monthly' is not in NTAP_SNAPSHOT_POLICIES (" .. PATH .. ":1); known: daily, weekly" })
end)

t.case("what else a policy says holds for its own runs, above the config and below --params", function()
  local cfg = good(TEXT, nil, policies())
  t.eq({ cfg:get("NTAP_TIMEOUT"), cfg:get("NTAP_SNAPSHOT_NODELETE"), cfg:raw("NTAP_SNAPVAULT_UPDATE") }, { 30, false })
  cfg = good(TEXT, "daily", policies())
  t.eq({ cfg:get("NTAP_TIMEOUT"), cfg:get("NTAP_SNAPSHOT_NODELETE") }, { 30, true })
  t.eq(cfg:where("NTAP_SNAPSHOT_NODELETE"), DAILY .. ":5")
  cfg = good(TEXT, "weekly", policies())
  t.eq({ cfg:get("NTAP_TIMEOUT"), cfg:get("NTAP_SNAPSHOT_NODELETE"), cfg:raw("NTAP_SNAPVAULT_UPDATE") },
    { 99, false, "Y" })
  t.eq(cfg:get("LOG_NUM"), 5) -- without a value it says nothing
  cfg = good(TEXT, "weekly", policies(), { params = { "NTAP_TIMEOUT=11", "NTAP_SNAPSHOT_RETENTIONS=weekly:1" } })
  t.eq({ cfg:get("NTAP_TIMEOUT"), cfg:get("NTAP_SNAPSHOT_RETENTIONS").map }, { 11, { weekly = 1 } })
end)

t.case("policies overrule the config, which is said", function()
  local cfg = good(TEXT .. "NTAP_SNAPSHOT_RETENTIONS=hourly:3", nil, policies())
  t.eq(cfg:get("NTAP_SNAPSHOT_RETENTIONS").map, { daily = 7, weekly = 4 })
  t.ok(warned(cfg, PATH .. ":4: NTAP_SNAPSHOT_RETENTIONS has no effect: the policies of NTAP_SNAPSHOT_POLICIES ("
    .. PATH .. ":1) overrule it"))
  cfg = good(TEXT, nil, policies(), { params = { "NTAP_SNAPSHOT_POLICIES=", "NTAP_SNAPSHOT_RETENTIONS=x:1" } })
  t.eq(cfg:get("NTAP_SNAPSHOT_RETENTIONS").map, { x = 1 })
end)

t.case("policies may be named in a global config", function()
  local files = policies()
  files["/etc/m/global.conf"] = "NTAP_SNAPSHOT_POLICIES=daily"
  t.eq(good("USE_GLOBAL_CONFIG=Y", nil, files):get("NTAP_SNAPSHOT_RETENTIONS").map, { daily = 7 })
end)

t.case("policies that are wrong", function()
  eq_error(PATH .. ":1: NTAP_SNAPSHOT_POLICIES: there is no policy 'hourly'; write /etc/m/host1/policies/hourly.policy "
    .. "or /etc/m/policies/hourly.policy", "NTAP_SNAPSHOT_POLICIES=hourly")
  eq_error(PATH .. ":1: NTAP_SNAPSHOT_POLICIES: '../x' is not a policy name; write letters, digits, '_' and '-'",
    "NTAP_SNAPSHOT_POLICIES=../x")
  local function wrong(policy, message)
    eq_error(message, "NTAP_SNAPSHOT_POLICIES=daily", nil, { [DAILY] = policy })
  end
  wrong("PRIMARY_AGE=3",
    "policy 'daily': PRIMARY_COUNT is not set; write how many copies are kept, 0 to switch it off")
  wrong("PRIMARY_COUNT=x", DAILY .. ":1: PRIMARY_COUNT: 'x' is not a whole number; write a whole number, 0 or more")
  wrong("\nPOLICY_TYPE=y", DAILY .. ":2: POLICY_TYPE: 'y' is not an allowed value; "
    .. "write one of local, snapmirror, snapvault")
  for _, key in ipairs { "SNAME", "ALLOW_DUPLICATE_SNAME", "USE_GLOBAL_CONFIG", "NTAP_SNAPSHOT_POLICIES",
    "NTAP_SNAPSHOT_RETENTIONS", "NTAP_SNAPVAULT_RETENTIONS" } do
    wrong("PRIMARY_COUNT=1\n" .. key .. "=Y", DAILY .. ":2: " .. key
      .. " cannot stand in a policy; write it in the config")
  end
  wrong("PRIMARY_COUNT", DAILY .. ":1: line has no '='; write KEY=value or a comment")
  local cfg, err = load("NTAP_SNAPSHOT_POLICIES=daily", "daily", { [DAILY] = "PRIMARY_COUNT=1\nUSE_PROXY=Y" })
  t.err(cfg, err, "unsupported", "^" .. DAILY:gsub("%p", "%%%0") .. ":2: USE_PROXY: it is refused")
end)

t.case("volume groups take the place of VOLUMES", function()
  local text = "VOLUME_GROUPS=VOLUMES_2,VOLUMES_01\nVOLUMES=c9:old\nVOLUMES_01=c1:v1,v2;c2:w1\nVOLUMES_02=c1:v2,v3\n"
  local cfg = good(text)
  t.eq(cfg:get("VOLUMES"), { { controller = "c1", volumes = { "v2", "v3", "v1" } },
    { controller = "c2", volumes = { "w1" } } })
  t.ok(warned(cfg, PATH .. ":1: VOLUMES has no effect: VOLUME_GROUPS takes its place"))
  t.eq(good(text, nil, nil, { params = { "VOLUME_GROUPS=VOLUMES_02" } }):get("VOLUMES"),
    { { controller = "c1", volumes = { "v2", "v3" } } })
  t.ok(warned(good(text, nil, nil, { params = { "VOLUME_GROUPS=VOLUMES_02" } }),
    PATH .. ":3: VOLUMES_01 is not in VOLUME_GROUPS: its volumes do not take part"))
  t.eq(good(text, nil, nil, { params = { "VOLUME_GROUPS=" } }):get("VOLUMES"),
    { { controller = "c9", volumes = { "old" } } })
end)

t.case("volume groups that are wrong", function()
  t.eq(checked("VOLUME_GROUPS=VOLUMES_1\nVOLUMES_1=c1:v1"), {})
  t.eq(checked("VOLUME_GROUPS=VOLUMES_02\nVOLUMES_1=c1:v1"), { PATH .. ":4: VOLUME_GROUPS: group VOLUMES_02 is not set; "
    .. "write VOLUMES_02=controller1:volume1,volume2;controller2:volume1" })
  for _, name in ipairs { "VOLUMES", "daily", "VOLUMES_00", "VOLUMES_100", "NTAP_USERS" } do
    t.eq(checked("VOLUME_GROUPS=" .. name)[1], PATH .. ":4: VOLUME_GROUPS: '" .. name
      .. "' is not the name of a group; write VOLUMES_01 to VOLUMES_99")
  end
  -- A controller of a group needs a user as one of VOLUMES does.
  t.eq(checked("VOLUME_GROUPS=VOLUMES_01\nVOLUMES_01=c7:v1"), { "[scf-00039] " .. PATH
    .. ":4: VOLUMES: controller 'c7' has no user; write c7:user/password in NTAP_USERS" })
end)

t.case("SC_AGENT is this host, or that of the libvirt connection", function()
  t.eq(checked("SC_AGENT=here:9090"), {})
  t.eq(checked("SC_AGENT_01=here:9090"), {})
  local function elsewhere(name)
    return { "[scf-00066] " .. PATH .. ":4: " .. name .. ": there is another host, and there is no agent to reach it; "
      .. "run moonsnap there, or write KVM_LIBVIRT_URI=qemu+ssh://there/system" }
  end
  t.eq(checked("SC_AGENT=there:9090"), elsewhere "SC_AGENT")
  t.eq(checked("SC_AGENT_02=there"), elsewhere "SC_AGENT_02")
  t.eq(checked("SC_AGENT=there\nKVM_LIBVIRT_URI=qemu:///system"), elsewhere "SC_AGENT")
  t.eq(checked("SC_AGENT=there\nKVM_LIBVIRT_URI=qemu+ssh://other/system"), elsewhere "SC_AGENT")
  t.eq(checked("SC_AGENT=there:9090\nKVM_LIBVIRT_URI=qemu+ssh://root@THERE:22/system"), {})
  t.eq(checked("SC_AGENT=there\nKVM_LIBVIRT_URI=qemu+tls://there/system?no_verify=1"), {})
  t.eq(checked("SC_AGENT=there\nKVM_LIBVIRT_URI=test:/default"), elsewhere "SC_AGENT")
  t.eq(checked("SC_AGENT=there", { is_local = function() return nil, "no addresses" end }),
    { "[scf-00066] " .. PATH .. ":4: SC_AGENT: whether there is this host cannot be told: no addresses" })
end)

t.case("the timeout of suspended guests follows that of a step", function()
  t.eq(good("SC_AGENT_TIMEOUT=900"):get("SC_AGENT_UNQUIESCE_TIMEOUT"), 905)
  t.eq(good("SC_AGENT_TIMEOUT=900\nSC_AGENT_UNQUIESCE_TIMEOUT=60"):get("SC_AGENT_UNQUIESCE_TIMEOUT"), 60)
  t.ok(warned(good("SC_AGENT_TIMEOUT=599"), PATH .. ":1: SC_AGENT_TIMEOUT: 599 seconds is short for KVM"))
end)

return t.done()
