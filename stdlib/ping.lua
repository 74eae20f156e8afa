--- Whether the controllers of a config can be worked with, step by step, and what to do where not.
-- A step that fails ends the look at its controller where the next ones could only fail with it. A login is
-- tried once: what is refused is not tried again, so that no account is locked.
-- @module std.ping

local clock = require "engine.clock"
local mount = require "engine.mount"
local connect = require "std.connect"
local err = require "std.err"
local http = require "std.http"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"

local ping = {}

local SOON = 30 * 86400 -- seconds before its end from which a certificate is warned of
local SUSPENDED = 61253
local TRIES = { zapi = "ONTAPI", rest = "REST" }

local BY = { system = "the system's CAs", ca_file = "ONTAP_CA_FILE", pin = "ONTAP_PIN" }

-- A list of rows: {check=,status="ok"|"missing"|"warning"|"unknown",detail=,remedy=}.
local function add(rows, check, status, detail, remedy)
  rows[#rows + 1] = { check = check, status = status, detail = tostring(detail), remedy = remedy }
  return status == "ok"
end

local function check_address(rows, controller)
  local host = connect.plain(controller.host)
  local addresses = mount.addresses(host)
  if not addresses or #addresses == 0 then
    return add(rows, "address", "missing", ("'%s' does not resolve"):format(host),
      ("write %s:ADDRESS in MANAGEMENT_INTERFACES, or the name into /etc/hosts"):format(controller.name))
  end
  return add(rows, "address", "ok", ("%s port %d"):format(table.concat(addresses, ", "), controller.options.port))
end

local function day(epoch) return epoch and clock.format(epoch, "%Y-%m-%d") or "?" end

local function check_certificate(rows, controller)
  local o = controller.options
  if not o.https then
    return add(rows, "certificate", "warning", "none: TRANSPORT=HTTP, passwords cross the network in clear",
      "write TRANSPORT=HTTPS") or true
  end
  local cert, failed = http.certificate(connect.plain(controller.host), o.port,
    { ca_file = o.ca_file, pin = o.pin, timeout = math.min(o.timeout, 20) })
  if not cert then
    return add(rows, "certificate", "missing", failed, failed.code == "protocol" and "check PORT and TRANSPORT"
      or "check the address, PORT, and whether a firewall lets this host through")
  end
  local what = ("subject %s, issuer %s, until %s"):format(cert.subject or "?", cert.issuer or "?", day(cert.expires))
  if cert.problem then
    return add(rows, "certificate", "missing", ("%s: %s"):format(what, cert.problem),
      ("get it with openssl s_client -connect %s:%d -showcerts, compare it with 'security certificate show' on the "
        .. "controller, and name the file in ONTAP_CA_FILE"):format(controller.host, o.port))
  end
  what = ("%s; verified by %s"):format(what, BY[cert.verified] or cert.verified)
  if cert.expires and cert.expires - clock.now() < SOON then
    add(rows, "certificate", "warning", what, "renew it on the controller before it runs out")
    return true
  end
  return add(rows, "certificate", "ok", what)
end

local function is_login(failed)
  return failed.code == "denied" and (failed.native == 401 or failed.native == 13002)
end

-- The first call that carries the login. What any answer beside a refused login shows is enough.
local function check_login(rows, controller)
  local identity, failed = controller.client:identity()
  local o = controller.options
  local who = o.cert and "certificate " .. o.cert or ("user '%s'"):format(o.user)
  if not identity and is_login(failed) then
    return add(rows, "login", "missing", ("%s: %s"):format(who, failed), o.cert
      and "check 'security login show': method cert, and the common name of the certificate as the user"
      or "check the password, and 'security login show' for the applications ontapi and http; not tried again here")
  end
  if not identity and failed.code ~= "denied" then
    return add(rows, "login", "missing", failed, "check PORT, TRANSPORT and ONTAP_API")
  end
  controller.version = identity and identity.version
  controller.transport = identity and identity.transport or failed.source == "ontap" and o.api or nil
  add(rows, "login", "ok", who)
  if identity and identity.clustered == false then
    return add(rows, "version", "missing", "Data ONTAP 7-Mode", "only clustered ONTAP is supported")
  end
  return add(rows, "version", "ok", controller.version and "ONTAP " .. controller.version
    or "not told to this account", nil)
end

-- What one transport answers to a call of its own; "login": it does not take this login.
local function state_of(controller, api)
  local client, failed = connect.variant(controller, { api = api, retries = 0 })
  if not client then return nil, failed end
  local identity, problem = client:identity()
  -- Where the version is not told, nothing may be there that could tell it.
  if identity and not identity.version then identity, problem = client:svms() end
  if identity then return "active" end
  if problem.native == SUSPENDED then return "suspended", problem end
  if is_login(problem) then return "login", problem end
  if problem.code == "denied" then return "active" end
  return "absent", problem
end

local REMEDIES = {
  suspended = "it was not used for a month; 'system services web ontapi modify -suspended false' brings it back",
  login = { zapi = "security login create -user-or-group-name USER -application ontapi -role ROLE",
    rest = "security login create -user-or-group-name USER -application http -role ROLE" },
}

-- One transport is enough; which one is used is said.
local function check_transports(rows, controller)
  local used = controller.transport
  local refused = false
  for _, api in ipairs { "zapi", "rest" } do
    local wanted = controller.options.api == "auto" or controller.options.api == api
    if api == used then
      add(rows, TRIES[api], "ok", "active; used")
    elseif refused then
      add(rows, TRIES[api], "unknown", "not tried: one login was refused already")
    else
      local state, problem = state_of(controller, api)
      local remedy = REMEDIES[state]
      if type(remedy) == "table" then remedy = remedy[api] end
      refused = state == "login"
      add(rows, TRIES[api], state == "active" and "ok" or (wanted and not used) and "missing" or "warning",
        problem and ("%s: %s"):format(state, problem) or state, remedy)
    end
  end
  return used ~= nil
end

-- Over REST an SVM's login may read the cluster's name. It sees its own SVM, and no LIF of the cluster itself.
local function sees_cluster(controller)
  local svms, failed = controller.client:svms()
  if not svms then return nil, failed end
  if #svms > 1 then return true end
  local lifs = controller.client:lifs()
  for _, lif in ipairs(lifs or {}) do
    if not lif.svm then return true end
  end
  return nil, err.new("denied", "it sees one SVM and none of the cluster's LIFs")
end

local function check_scope(rows, controller, tunnel)
  local cluster, failed = controller.client:cluster()
  if cluster and controller.transport == "rest" and not tunnel then
    local all
    all, failed = sees_cluster(controller)
    cluster = all and cluster
  end
  if cluster and not tunnel then
    return add(rows, "scope", "missing", ("cluster '%s': volumes are not found without an SVM"):format(cluster.name),
      "log in at the SVM, or write VSERVER_TUNNEL_ENABLED=Y, CMODE_CLUSTER_NAME and CMODE_CLUSTER_USERS")
  end
  if cluster then return add(rows, "scope", "ok", ("cluster '%s'"):format(cluster.name)) end
  if failed.code ~= "denied" and failed.code ~= "unsupported" then return add(rows, "scope", "unknown", failed) end
  if tunnel then
    return add(rows, "scope", "missing", "this is not the login of a cluster: " .. tostring(failed),
      "check CMODE_CLUSTER_USERS, and that CMODE_CLUSTER_NAME is the cluster's management LIF")
  end
  return add(rows, "scope", "ok", "SVM")
end

local function check_svm(rows, controller)
  local name = controller.svm
  if not name then
    local svms, failed = controller.client:svms()
    if not svms then
      add(rows, "SVM", "warning", failed, "the account may not see its own SVM; nothing depends on it")
      return
    end
    name = svms[1] and svms[1].name
  end
  add(rows, "SVM", name and "ok" or "missing", name or "none is seen", not name and "check the login's SVM" or nil)
  controller.svm_name = name
  local lifs, failed = controller.client:lifs()
  if not lifs then
    add(rows, "LIFs", "warning", failed, "discovery goes by names and addresses of the config alone")
    return
  end
  local list = {}
  for _, lif in ipairs(lifs) do
    if lif.address and not (controller.svm and lif.svm and lif.svm ~= controller.svm) then
      list[#list + 1] = ("%s %s"):format(lif.name, lif.address)
    end
  end
  add(rows, "LIFs", #list > 0 and "ok" or "warning", #list > 0 and table.concat(list, ", ") or "none",
    #list == 0 and "guests' NFS mounts are told by the addresses of LIFs" or nil)
end

-- The volumes that the config names; one that is there, for what is tried on a volume.
local function check_volumes(rows, controller, cfg)
  local wanted, seen = {}, {}
  local function want(name)
    if not seen[name] then wanted[#wanted + 1] = name end
    seen[name] = true
  end
  for _, item in ipairs(cfg:get("VOLUMES") or {}) do
    for _, name in ipairs(item.controller == controller.name and item.volumes or {}) do want(name) end
  end
  for _, entry in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do
    if entry.controller == controller.name then want(entry.volume) end
  end
  local volumes, failed = ontap.volumes(controller)
  if not volumes then
    add(rows, "volumes", "missing", failed)
    return nil
  end
  local missing = {}
  for _, name in ipairs(wanted) do
    if not volumes[name] then missing[#missing + 1] = name end
  end
  if #missing > 0 then
    add(rows, "volumes", "missing", ("not found: %s"):format(table.concat(missing, ", ")),
      "correct VOLUMES and KVM_VM_MAPPING, or let the account see them")
  else
    add(rows, "volumes", "ok", ("%d seen, %d of the config"):format(#volumes, #wanted))
  end
  for _, name in ipairs(wanted) do
    if volumes[name] then return name end
  end
  return volumes[1] and volumes[1].name
end

local STATUS = { granted = "ok", unknown = "unknown" }

local function check_privileges(rows, controller, cfg, volume)
  for _, found in ipairs(privileges.try(controller, cfg, volume)) do
    local right = found.right
    local status = STATUS[found.verdict]
      or (privileges.is_optional(right, controller.transport) and "warning" or "missing")
    local detail = ("for %s"):format(right.actions == "all" and "all actions" or right.actions)
    if found.err then detail = ("%s: %s"):format(detail, found.err) end
    add(rows, "may " .. right.name, status, detail, found.verdict == "denied"
      and privileges.grant(right, controller.transport, controller.svm_name)
      or found.verdict == "absent" and "this release does not offer it over " .. TRIES[controller.transport] or nil)
  end
end

-- From the address to the transports; false when there is no use in going on.
local function reach(rows, controller)
  return check_address(rows, controller) and check_certificate(rows, controller) and check_login(rows, controller)
    and check_transports(rows, controller)
end

local function check_inside(rows, controller, cfg)
  check_svm(rows, controller)
  check_privileges(rows, controller, cfg, check_volumes(rows, controller, cfg))
end

local function through_cluster(ctx, out)
  local cluster, failed = connect.cluster(ctx)
  if not cluster then return nil, failed end
  local rows = {}
  out[1] = { controller = cluster.name, host = cluster.host, rows = rows }
  if not reach(rows, cluster) or not check_scope(rows, cluster, true) then return out end
  local controllers
  controllers, failed = ontap.connect(ctx)
  if not controllers then
    add(rows, "SVM", "missing", failed, "write the SVM's name in VOLUMES, or a LIF's address in MANAGEMENT_INTERFACES")
    return out
  end
  for _, controller in ipairs(controllers) do
    controller.transport, controller.version = cluster.transport, cluster.version
    out[#out + 1] = { controller = controller.name, host = controller.host, rows = {} }
    check_inside(out[#out].rows, controller, ctx.cfg)
  end
  return out
end

--- Look at every controller of the config.
-- @tparam table ctx
-- @treturn[1] {{controller=string,host=string,version=string,transport=string,rows={table,...}},...} row: check,
--   status ("ok", "missing", "warning", "unknown"), detail, remedy
-- @return[2] nil
-- @treturn[2] Err when the config has no login for a controller
function ping.all(ctx)
  local out = {}
  if ctx.cfg:get("VSERVER_TUNNEL_ENABLED") then return through_cluster(ctx, out) end
  local controllers, failed = ontap.connect(ctx)
  if not controllers then return nil, failed end
  for _, controller in ipairs(controllers) do
    local rows = {}
    log.info("Looking at controller '%s' (%s)", controller.name, controller.host)
    if reach(rows, controller) and check_scope(rows, controller, false) then
      check_inside(rows, controller, ctx.cfg)
    end
    out[#out + 1] = { controller = controller.name, host = controller.host, version = controller.version,
      transport = controller.transport, rows = rows }
  end
  if #out == 0 then return nil, err.new("invalid", "the config names no controller", { exit = 2 }) end
  return out
end

return ping
