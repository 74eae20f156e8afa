--- How the controllers of a config are reached: address, login, certificates, and the SVM behind a name.
-- @module std.connect

local engine = require "engine.ontap"
local mount = require "engine.mount"
local err = require "std.err"
local log = require "std.log"
local params = require "std.params"

local connect = {}

-- Names in a stable order: those of VOLUMES first, as written, then the rest that have a login.
local function controller_names(cfg)
  local names, seen = {}, {}
  local function add(name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, item in ipairs(cfg:get("VOLUMES") or {}) do add(item.controller) end
  for _, item in ipairs(cfg:get("KVM_VM_MAPPING") or {}) do add(item.controller) end
  local rest, certs = {}, cfg:get("ONTAP_CERT")
  for name in pairs(cfg:get("NTAP_USERS") or {}) do rest[#rest + 1] = name end
  for name in pairs(certs and certs.map or {}) do
    if name ~= cfg:get("CMODE_CLUSTER_NAME") then rest[#rest + 1] = name end
  end
  table.sort(rest)
  for _, name in ipairs(rest) do add(name) end
  return names
end

-- How to reach and log in to what stands under that name in the config, as engine.ontap takes it.
-- nil when it has neither user nor certificate.
local function access(cfg, name, users)
  local function own(key) return params.for_controller(cfg:get(key), name) end
  local cert, user = own("ONTAP_CERT"), (users or {})[name]
  if not user and not cert then return nil end
  local interfaces = cfg:get("MANAGEMENT_INTERFACES") or {}
  return {
    name = name, host = interfaces[name] or name, port = cfg:get("PORT"), https = cfg:get("TRANSPORT") ~= "HTTP",
    -- Sent along with a certificate, a password could be refused where the certificate is not.
    user = not cert and user.user or nil, password = not cert and user.password or nil,
    cert = cert, key = own("ONTAP_KEY"), ca_file = own("ONTAP_CA_FILE"), pin = own("ONTAP_PIN"),
    api = cfg:get("ONTAP_API"), timeout = cfg:get("NTAP_TIMEOUT"), max_requests = cfg:get("ONTAP_MAX_REQUESTS"),
    retries = cfg:get("ONTAP_RETRIES"),
  }
end

--- An address without the brackets that IPv6 has in a config, in the one form in which all are compared.
-- @tparam string address or a host name, which comes back as it is
-- @treturn string
function connect.plain(address)
  address = address:match("^%[(.*)%]$") or address
  if not address:find(":", 1, true) then return address end
  return (mount.addresses(address) or {})[1] or address:lower()
end

-- Addresses that may be those of a LIF of the SVM behind a name.
local function addresses_of(cfg, name)
  local list, seen = {}, {}
  local function add(address)
    if not seen[address] then list[#list + 1] = address end
    seen[address] = true
  end
  for _, host in ipairs { (cfg:get("MANAGEMENT_INTERFACES") or {})[name] or name, name } do
    host = connect.plain(host)
    for _, address in ipairs(mount.addresses(host) or {}) do add(address) end
  end
  return list
end

-- A config names an SVM by its name, or by the name or address of one of its LIFs.
local function svm_of(cluster, cfg, name)
  local rows, failed
  -- The second is its name on the surviving side of a MetroCluster.
  for _, one in ipairs { name, name .. "-mc" } do
    rows, failed = cluster.client:svms { name = one }
    if not rows then return nil, failed end
    for _, row in ipairs(rows) do
      if row.name == one then return one end
    end
  end
  local addresses = addresses_of(cfg, name)
  for _, address in ipairs(addresses) do
    rows, failed = cluster.client:lifs { address = address }
    if not rows then return nil, failed end
    for _, lif in ipairs(rows) do
      if lif.svm then
        log.info("Controller '%s' is SVM '%s' of cluster '%s', by the address %s of its LIF '%s'", name, lif.svm,
          cluster.name, address, lif.name)
        return lif.svm
      end
    end
  end
  return nil, err.new("not_found", ("controller '%s': cluster '%s' has no SVM of this name, and no LIF with its address "
    .. "(%s); write the SVM's name, or the address of one of its LIFs in MANAGEMENT_INTERFACES"):format(name,
    cluster.name, #addresses > 0 and table.concat(addresses, ", ") or "the name does not resolve"), { exit = 2 })
end

--- With `VSERVER_TUNNEL_ENABLED=Y` the client of the cluster: `ctx.cluster`. Makes no request.
-- @tparam table ctx
-- @treturn[1] {name=string,client=Ontap,host=string,options=table}
-- @return[2] nil
-- @treturn[2] Err scf-00042
function connect.cluster(ctx)
  if ctx.cluster then return ctx.cluster end
  local cfg = ctx.cfg
  local name = cfg:get("CMODE_CLUSTER_NAME")
  local options = name and access(cfg, name, cfg:get("CMODE_CLUSTER_USERS"))
  if not options then
    return nil, err.coded("scf-00042", ("cluster '%s'"):format(name or ""), nil, { code = "invalid", exit = 2 })
  end
  local client, failed = engine.new(options)
  if not client then return nil, failed end
  ctx.cluster = { name = name, client = client, host = options.host, options = options }
  return ctx.cluster
end

--- Another client with the same login.
-- @tparam table controller
-- @tparam table changes options of engine.ontap that differ
-- @treturn[1] Ontap
-- @return[2] nil
-- @treturn[2] Err
function connect.variant(controller, changes)
  local options = {}
  for key, value in pairs(controller.options) do options[key] = value end
  for key, value in pairs(changes) do options[key] = value end
  return engine.new(options)
end

--- A client with the same login that speaks REST, for what ONTAPI has no call for. Waits for the controller when
-- that was not asked yet.
-- @tparam table controller one that `ontap.identify` found
-- @treturn[1] Ontap
-- @return[2] nil
-- @treturn[2] Err unsupported: ONTAP_API forces ONTAPI, or REST is not served
function connect.rest(controller)
  if controller.transport == "rest" then return controller.client end
  if controller.rest then return controller.rest end
  if controller.options.api == "zapi" then
    return nil, err.new("unsupported", ("controller '%s' is reached over ONTAPI alone (ONTAP_API=zapi)")
      :format(controller.name))
  end
  local client, failed = connect.variant(controller, { api = "rest" })
  if not client then return nil, failed end
  local identity
  identity, failed = client:identity()
  if not identity then
    return nil, err.new("unsupported", ("controller '%s' does not serve REST: %s"):format(controller.name, failed),
      { cause = failed })
  end
  controller.rest = client
  return client
end

local function add_controller(ctx, list, name)
  local options, failed, client, svm
  if ctx.cluster then
    svm, failed = svm_of(ctx.cluster, ctx.cfg, name)
    if not svm then return nil, failed end
    options = access(ctx.cfg, ctx.cluster.name, ctx.cfg:get("CMODE_CLUSTER_USERS"))
    options.name, options.svm = name, svm
  else
    options = access(ctx.cfg, name, ctx.cfg:get("NTAP_USERS"))
  end
  if not options then
    return nil, err.coded("scf-00039", ("controller '%s'"):format(name), nil, { code = "invalid", exit = 2 })
  end
  client, failed = engine.new(options)
  if not client then return nil, failed end
  list[#list + 1] = { name = name, client = client, host = options.host, svm = svm, options = options }
  list[name] = list[#list]
  return true
end

--- Make the clients of all controllers of the config: `ctx.controllers`, a list that is also
-- indexed by name. Makes no request, except with `VSERVER_TUNNEL_ENABLED=Y`: then the cluster is asked which
-- SVM each controller is.
-- @tparam table ctx
-- @treturn[1] {{name=string,client=Ontap,host=string,svm=?string,options=table},...}
-- @return[2] nil
-- @treturn[2] Err scf-00039, scf-00042
function connect.all(ctx)
  if ctx.controllers then return ctx.controllers end
  local cfg, list = ctx.cfg, {}
  if cfg:get("TRANSPORT") == "HTTP" then
    log.warn("%s: TRANSPORT: with HTTP passwords cross the network in clear; write HTTPS", cfg:where("TRANSPORT"))
  end
  local ok, failed
  if cfg:get("VSERVER_TUNNEL_ENABLED") then
    ok, failed = connect.cluster(ctx)
    if not ok then return nil, failed end
  end
  for _, name in ipairs(controller_names(cfg)) do
    ok, failed = add_controller(ctx, list, name)
    if not ok then return nil, failed end
  end
  ctx.controllers = list
  return list
end

return connect
