--- Rules that span several parameters of a config.
-- Everything that one line can say about itself is checked when the file is read; what is left
-- stands here. `cfg:check()` and `config.load` are the callers.
-- @module std.config_check

local err = require "engine.err"
local params = require "std.params"

local config_check = {}

local function add(list, scf, format, ...)
  list[#list + 1] = err.new { code = "invalid", source = "engine", op = "config", exit = 2, scf = scf,
    message = format:format(...) }
end

-- Text for "where it was set", or the file when it was not.
local function place(cfg, name)
  local where = cfg:where(name)
  return where == "default" and cfg.path or where
end

local function check_names(cfg, list)
  local sname = cfg:get("SNAME")
  if not sname then
    add(list, nil, "%s: SNAME: it is not set; write SNAME=<prefix of the snapshot names>", cfg.path)
  elseif not sname:find("^[%w_%-%.]+$") then
    add(list, nil, "%s: SNAME: '%s' holds other characters; write letters, digits, '_', '-' and '.'",
      cfg:where("SNAME"), sname)
  end
  local app = cfg:get("APP_NAME")
  if app:lower() ~= "kvm" then
    add(list, "agt-00012", "%s: APP_NAME: '%s' is not a plug-in of this product; write kvm", cfg:where("APP_NAME"), app)
  end
end

-- There is no agent: what SC_AGENT names must be this host, or the host of the libvirt connection.
local function check_agent(cfg, list)
  local hosts = cfg:commands("SC_AGENT_##")
  for _, host in ipairs(hosts) do host.name = ("SC_AGENT_%02d"):format(host.number) end
  if cfg:raw("SC_AGENT") then table.insert(hosts, 1, { where = cfg:where("SC_AGENT"), name = "SC_AGENT" }) end
  if #hosts == 0 then return end
  if #hosts > 1 then
    add(list, nil, "%s: SC_AGENT: a second host is given, the first is in %s; write one host, since a config has "
      .. "one KVM host", hosts[2].where, hosts[1].where)
    return
  end
  local host = cfg:get(hosts[1].name).host
  local uri = cfg:raw("KVM_LIBVIRT_URI") and cfg:get("KVM_LIBVIRT_URI")
  local there = uri and (uri:match("^[%w+]+://([^/?]*)") or ""):gsub("^.*@", ""):gsub(":%d+$", "")
  if there and there:lower() == host:lower() then return end
  local here, failed = cfg.is_local(host)
  if here then return end
  if failed then
    add(list, "scf-00066", "%s: %s: whether %s is this host cannot be told: %s", hosts[1].where, hosts[1].name, host, failed)
    return
  end
  add(list, "scf-00066", "%s: %s: %s is another host, and there is no agent to reach it; run moonsnap there, or write "
    .. "KVM_LIBVIRT_URI=qemu+ssh://%s/system", hosts[1].where, hosts[1].name, host, host)
end

-- VOLUME_GROUPS names lists that are there.
local function check_groups(cfg, list)
  local groups = cfg:get("VOLUME_GROUPS")
  for _, name in ipairs(groups or {}) do
    if not name:find("^VOLUMES_%d%d?$") or not params.find(name) then
      add(list, nil, "%s: VOLUME_GROUPS: '%s' is not the name of a group; write VOLUMES_01 to VOLUMES_99",
        cfg:where("VOLUME_GROUPS"), name)
    elseif not cfg:raw(name) then
      add(list, nil, "%s: VOLUME_GROUPS: group %s is not set; write %s=%s", cfg:where("VOLUME_GROUPS"), name, name,
        params.format(params.find("VOLUMES")))
    end
  end
end

-- Without a password a controller needs a certificate. The entry is told by its number: what stands there
-- may be a piece of a password with a ';' in it.
local function check_passwords(cfg, list, name)
  local certs, bare = cfg:get("ONTAP_CERT"), {}
  for controller, user in pairs(cfg:get(name) or {}) do
    if user.entry and not params.for_controller(certs, controller) then bare[#bare + 1] = user.entry end
  end
  table.sort(bare)
  for _, entry in ipairs(bare) do
    add(list, nil, "%s: %s: entry %d has no '/' between user and password; write %s, or ONTAP_CERT for its controller",
      cfg:where(name), name, entry, params.format(params.find(name)))
  end
end

-- Controllers that a parameter names must have a login.
local function check_users(cfg, list)
  -- Through the cluster's address the cluster's user does everything.
  if cfg:get("VSERVER_TUNNEL_ENABLED") then return end
  local users, certs = cfg:get("NTAP_USERS") or {}, cfg:get("ONTAP_CERT")
  check_passwords(cfg, list, "NTAP_USERS")
  local wanted = {}
  for _, item in ipairs(cfg:get("VOLUMES") or {}) do
    wanted[#wanted + 1] = { name = "VOLUMES", controller = item.controller }
  end
  -- Discovery writes a new mapping, so that an old one is no reason to stop.
  if not cfg:get("APP_AUTO_DISCOVERY") then
    for _, item in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do
      wanted[#wanted + 1] = { name = "KVM_VM_MAPPING", controller = item.controller }
    end
  end
  for _, name in ipairs { "SNAPMIRROR_VOLUMES", "SNAPVAULT_VOLUMES" } do
    for _, item in ipairs(cfg:get(name) or {}) do
      wanted[#wanted + 1] = { name = name, controller = item.controller }
    end
  end
  local seen = {}
  for _, want in ipairs(wanted) do
    if not users[want.controller] and not params.for_controller(certs, want.controller)
      and not seen[want.controller] then
      seen[want.controller] = true
      add(list, "scf-00039", "%s: %s: controller '%s' has no user; write %s:user/password in NTAP_USERS",
        cfg:where(want.name), want.name, want.controller, want.controller)
    end
  end
  if #wanted == 0 and not next(users) and not (certs and next(certs.map)) then
    add(list, "scf-00039", "%s: NTAP_USERS: it is not set; write %s", cfg.path,
      params.format(params.find("NTAP_USERS")))
  end
end

-- How the controllers are reached: what only makes sense together.
local function check_transport(cfg, list)
  local certs, keys = cfg:get("ONTAP_CERT"), cfg:get("ONTAP_KEY")
  if keys and not certs then
    add(list, nil, "%s: ONTAP_KEY: there is no certificate for the key; write ONTAP_CERT", cfg:where("ONTAP_KEY"))
  end
  if certs and cfg:get("TRANSPORT") == "HTTP" then
    add(list, nil, "%s: ONTAP_CERT: a certificate can log in over HTTPS only; write TRANSPORT=HTTPS",
      cfg:where("ONTAP_CERT"))
  end
end

local function check_cluster(cfg, list)
  local cluster = cfg:get("CMODE_CLUSTER_NAME")
  local users = cfg:get("CMODE_CLUSTER_USERS")
  local tunnel = cfg:get("VSERVER_TUNNEL_ENABLED")
  if tunnel and not cluster then
    add(list, "scf-00041", "%s: VSERVER_TUNNEL_ENABLED: Y needs the cluster; write CMODE_CLUSTER_NAME",
      cfg:where("VSERVER_TUNNEL_ENABLED"))
  elseif cluster and (tunnel or users) and not (users and users[cluster])
    and not params.for_controller(cfg:get("ONTAP_CERT"), cluster) then
    add(list, "scf-00042", "%s: CMODE_CLUSTER_NAME: cluster '%s' has no user; write %s:user/password in "
      .. "CMODE_CLUSTER_USERS", cfg:where("CMODE_CLUSTER_NAME"), cluster, cluster)
  end
  check_passwords(cfg, list, "CMODE_CLUSTER_USERS")
end

local function check_volumes(cfg, list)
  if cfg:get("APP_AUTO_DISCOVERY") then return end
  local volumes = cfg:get("VOLUMES")
  if not volumes then
    add(list, nil, "%s: VOLUMES: it is not set and APP_AUTO_DISCOVERY is N; write one of the two", cfg.path)
    return
  end
  local known = {}
  for _, item in ipairs(volumes) do
    for _, volume in ipairs(item.volumes) do known[item.controller .. ":" .. volume] = true end
  end
  for _, item in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do
    local key = item.controller .. ":" .. item.volume
    if not known[key] then
      known[key] = true
      add(list, "scf-00040", "%s: KVM_VM_MAPPING: volume '%s' of guest '%s' is not in VOLUMES; write it there",
        cfg:where("KVM_VM_MAPPING"), key, item.vm)
    end
  end
end

local function check_retention(cfg, list)
  local age = cfg:get("NTAP_SNAPSHOT_RETENTION_AGE")
  local only = cfg:get("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY")
  if (only == "PRIMARY" or only == "BOTH") and not age then
    add(list, nil, "%s: NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY: %s needs an age; write NTAP_SNAPSHOT_RETENTION_AGE",
      cfg:where("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY"), only)
  end
  local retentions = cfg:get("NTAP_SNAPSHOT_RETENTIONS")
  if (only == "PRIMARY" or only == "BOTH") and age then
    for _, item in ipairs(retentions or {}) do
      if item.count > 0 and not params.age_of(age, item.policy) then
        add(list, nil, "%s: NTAP_SNAPSHOT_RETENTION_AGE: policy '%s' has no age, which "
          .. "NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY=%s needs; write %s:<days>",
          cfg:where("NTAP_SNAPSHOT_RETENTION_AGE"), item.policy, only, item.policy)
      end
    end
  end
  -- A misspelt policy here would leave the right one without its age, and delete too much.
  local names = {}
  for policy in pairs(age and age.map or {}) do names[#names + 1] = policy end
  table.sort(names)
  for _, policy in ipairs(names) do
    if not (retentions and retentions.map[policy]) then
      add(list, nil, "%s: NTAP_SNAPSHOT_RETENTION_AGE: policy '%s' is not in NTAP_SNAPSHOT_RETENTIONS; write it there",
        cfg:where("NTAP_SNAPSHOT_RETENTION_AGE"), policy)
    end
  end
end

-- META_DATA_VOLUME is a part of VOLUMES, and not all of it.
local function check_metadata(cfg, list)
  local metadata = cfg:get("META_DATA_VOLUME")
  if not metadata then return end
  local where, known, data = cfg:where("META_DATA_VOLUME"), {}, 0
  for _, item in ipairs(cfg:get("VOLUMES") or {}) do
    for _, volume in ipairs(item.volumes) do
      known[item.controller .. ":" .. volume] = true
      data = data + 1
    end
  end
  for _, item in ipairs(metadata) do
    for _, volume in ipairs(item.volumes) do
      local key = item.controller .. ":" .. volume
      if not known[key] then
        add(list, "scf-00044", "%s: META_DATA_VOLUME: '%s' is not in VOLUMES; write it there", where, key)
      end
      data = data - 1
    end
  end
  if #list == 0 and data <= 0 then
    add(list, "scf-00045", "%s: META_DATA_VOLUME: it is all of VOLUMES; write the guests' volumes there, too", where)
  end
end

-- There is one way to the snapshots of a run.
local function check_snapshots(cfg, list)
  local external, disabled = cfg:get("NTAP_USE_EXTERNAL_SNAPSHOT"), cfg:get("NTAP_SNAPSHOT_DISABLE")
  if external and not cfg:raw("NTAP_EXTERNAL_SNAPSHOT_REGEX") then
    add(list, nil, "%s: NTAP_USE_EXTERNAL_SNAPSHOT: Y needs a pattern; write NTAP_EXTERNAL_SNAPSHOT_REGEX",
      cfg:where("NTAP_USE_EXTERNAL_SNAPSHOT"))
  end
  local ways = {}
  if external then ways[#ways + 1] = "NTAP_USE_EXTERNAL_SNAPSHOT" end
  if disabled then ways[#ways + 1] = "NTAP_SNAPSHOT_DISABLE" end
  if cfg:commands("NTAP_SNAPSHOT_CREATE_CMD")[1] then ways[#ways + 1] = "NTAP_SNAPSHOT_CREATE_CMD01" end
  if cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT") then ways[#ways + 1] = "NTAP_CONSISTENCY_GROUP_SNAPSHOT" end
  if #ways > 1 then
    add(list, nil, "%s: %s: it excludes %s (%s); write one of the two", cfg:where(ways[1]), ways[1], ways[2],
      cfg:where(ways[2]))
  end
end

-- In a rolling run there is no moment at which all guests stand still.
local function check_quiesce(cfg, list)
  local rolling = cfg:get("KVM_QUIESCE_MODE") == "rolling"
  local function refuse(name, where, why)
    add(list, nil, "%s: KVM_QUIESCE_MODE: rolling excludes %s (%s): %s; write KVM_QUIESCE_MODE=parallel, or take %s out",
      cfg:where("KVM_QUIESCE_MODE"), name, where, why, name)
  end
  if not rolling then
    if cfg:get("KVM_ANTI_AFFINITY") then
      add(list, nil, "%s: KVM_ANTI_AFFINITY: with KVM_QUIESCE_MODE=%s all guests stand still together; write "
        .. "KVM_QUIESCE_MODE=rolling", cfg:where("KVM_ANTI_AFFINITY"), cfg:get("KVM_QUIESCE_MODE"))
    end
    return
  end
  if cfg:get("NTAP_CONSISTENCY_GROUP_SNAPSHOT") then
    refuse("NTAP_CONSISTENCY_GROUP_SNAPSHOT", cfg:where("NTAP_CONSISTENCY_GROUP_SNAPSHOT"),
      "a group over all volumes needs all guests at the same moment")
  end
  if cfg:get("NTAP_SNAPSHOT_DISABLE") then
    refuse("NTAP_SNAPSHOT_DISABLE", cfg:where("NTAP_SNAPSHOT_DISABLE"),
      "the other product would have to make each group's snapshots by itself")
  end
  for _, family in ipairs { "NTAP_SNAPSHOT_CREATE_CMD", "POST_APP_QUIESCE_CMD", "PRE_APP_UNQUIESCE_CMD" } do
    local first = cfg:commands(family)[1]
    if first then
      refuse(("%s%02d"):format(family, first.number), first.where, "it runs while all guests stand still")
    end
  end
end

-- Policies that a parameter names must be there: a misspelt one would leave the right one without its rule.
local function check_secondary_policies(cfg, list, name, value)
  local retentions, names = cfg:get("NTAP_SNAPSHOT_RETENTIONS"), {}
  for policy in pairs(value and value.map or {}) do names[#names + 1] = policy end
  table.sort(names)
  for _, policy in ipairs(names) do
    if not (retentions and retentions.map[policy]) then
      add(list, nil, "%s: %s: policy '%s' is not in NTAP_SNAPSHOT_RETENTIONS; write it there", cfg:where(name), name, policy)
    end
  end
end

-- Relationships are not looked for: what is replicated is written down.
local function check_replication(cfg, list)
  for _, pair in ipairs { { "NTAP_SNAPMIRROR_UPDATE", "SNAPMIRROR_VOLUMES" },
    { "NTAP_SNAPVAULT_UPDATE", "SNAPVAULT_VOLUMES" }, { "NTAP_SNAPVAULT_SNAPSHOT", "SNAPVAULT_VOLUMES" } } do
    local update, volumes = pair[1], pair[2]
    if cfg:get(update) and not cfg:get(volumes) then
      add(list, nil, "%s: %s: Y needs the source volumes; write %s=controller:volume", cfg:where(update), update, volumes)
    end
  end
  if cfg:get("NTAP_SNAPVAULT_UPDATE") and cfg:get("NTAP_SNAPVAULT_SNAPSHOT") then
    add(list, "scf-00047", "%s: NTAP_SNAPVAULT_SNAPSHOT: NTAP_SNAPVAULT_UPDATE is Y as well, and only one of them "
      .. "transfers; write N for one of the two", cfg:where("NTAP_SNAPVAULT_SNAPSHOT"))
  end
  if not cfg:get("NTAP_SNAPVAULT_UPDATE") then return end
  if not cfg:get("SNAP_TIMESTAMP_ONLY") then
    add(list, nil, "%s: NTAP_SNAPVAULT_UPDATE: a copy in a vault keeps its name, so that a second '_recent' cannot come; "
      .. "write SNAP_TIMESTAMP_ONLY=Y", cfg:where("NTAP_SNAPVAULT_UPDATE"))
  end
  local age, only = cfg:get("NTAP_SNAPVAULT_RETENTION_AGE"), cfg:get("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY")
  check_secondary_policies(cfg, list, "NTAP_SNAPVAULT_RETENTIONS", cfg:get("NTAP_SNAPVAULT_RETENTIONS"))
  check_secondary_policies(cfg, list, "NTAP_SNAPVAULT_RETENTION_AGE", age)
  if only ~= "SECONDARY" and only ~= "BOTH" then return end
  for _, item in ipairs(cfg:get("NTAP_SNAPSHOT_RETENTIONS") or {}) do
    if not (age and params.age_of(age, item.policy)) then
      add(list, nil, "%s: NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY: %s needs an age for policy '%s' on the secondary; write "
        .. "NTAP_SNAPVAULT_RETENTION_AGE", cfg:where("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY"), only, item.policy)
      return
    end
  end
end

--- Everything that is wrong with a config as a whole.
-- @tparam Config cfg
-- @treturn {Err,...} each `invalid` with exit 2
function config_check.check(cfg)
  local list = {}
  check_names(cfg, list)
  check_agent(cfg, list)
  check_groups(cfg, list)
  check_users(cfg, list)
  check_transport(cfg, list)
  check_cluster(cfg, list)
  check_volumes(cfg, list)
  check_retention(cfg, list)
  check_metadata(cfg, list)
  check_snapshots(cfg, list)
  check_quiesce(cfg, list)
  check_replication(cfg, list)
  return list
end

--- What is allowed but most likely not meant.
-- @tparam Config cfg
-- @treturn {string,...}
function config_check.warnings(cfg)
  local list = {}
  local function warn(name, format, ...)
    list[#list + 1] = ("%s: %s: "):format(place(cfg, name), name) .. format:format(...)
  end
  if cfg:raw("KVM_QUIESCE_GROUPS") and cfg:get("KVM_QUIESCE_MODE") ~= "rolling" then
    warn("KVM_QUIESCE_GROUPS", "it has an effect with KVM_QUIESCE_MODE=rolling only")
  end
  local methods, freezes = cfg:get("KVM_QUIESCE_METHOD"), false
  for _, method in pairs(methods.map) do freezes = freezes or method == "freeze" end
  if cfg:raw("KVM_FREEZE_FALLBACK") and methods.all ~= "freeze" and not freezes then
    warn("KVM_FREEZE_FALLBACK", "no guest is frozen: KVM_QUIESCE_METHOD does not say freeze")
  end
  local step = cfg:get("SC_AGENT_TIMEOUT")
  if step < 600 then warn("SC_AGENT_TIMEOUT", "%d seconds is short for KVM; write 600 or more", step) end
  for _, family in ipairs { "APP_QUIESCE_CMD", "APP_UNQUIESCE_CMD" } do
    for _, item in ipairs(cfg:commands(family)) do
      list[#list + 1] = ("%s: %s%02d has no effect in a config of guests; it belongs into a child config of "
        .. "FEDERATED_APPLICATIONS"):format(item.where, family, item.number)
    end
  end
  local groups = {}
  for _, name in ipairs(cfg:get("VOLUME_GROUPS") or {}) do groups[params.canonical(name)] = true end
  for _, item in ipairs(cfg:commands("VOLUMES_##")) do
    local name = ("VOLUMES_%02d"):format(item.number)
    if not groups[name] then
      list[#list + 1] = ("%s: %s is not in VOLUME_GROUPS: its volumes do not take part"):format(item.where, name)
    end
  end
  if next(groups) and cfg:raw("VOLUMES") then
    list[#list + 1] = ("%s: VOLUMES has no effect: VOLUME_GROUPS takes its place"):format(cfg:where("VOLUME_GROUPS"))
  end
  local only = cfg:get("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY")
  if (only == "SECONDARY" or only == "BOTH") and not cfg:get("NTAP_SNAPVAULT_UPDATE") then
    warn("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY", "copies on a secondary are deleted with NTAP_SNAPVAULT_UPDATE=Y only")
  end
  if cfg:get("TRANSPORT") == "HTTP" and cfg:get("ONTAP_API") == "rest" then
    warn("ONTAP_API", "ONTAP offers REST over HTTPS only; write TRANSPORT=HTTPS")
  end
  return list
end

return config_check
