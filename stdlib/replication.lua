--- SnapMirror and SnapVault relationships of a config's volumes: which there are, and how they stand.
--
-- A relationship is known where its destination is. So every controller of the config that may be one is asked
-- for those that it has, and the source volumes of `SNAPMIRROR_VOLUMES` and `SNAPVAULT_VOLUMES` are looked up among
-- them. On clustered ONTAP both kinds are SnapMirror relationships; the policy tells them apart: one that goes by
-- labels is a vault.
-- @module std.replication

local err = require "std.err"
local log = require "std.log"
local ontap = require "std.ontap"
local privileges = require "std.privileges"
local task = require "std.task"

local replication = {}

-- The codes of the framework: no status, no relationship, not started, ended with an error, not in time.
local KINDS = {
  { name = "snapmirror", title = "SnapMirror", update = "NTAP_SNAPMIRROR_UPDATE", volumes = "SNAPMIRROR_VOLUMES",
    wait = "NTAP_SNAPMIRROR_WAIT", rate = "NTAP_SNAPMIRROR_MAX_TRANSFER",
    status = "scf-00016", none = "scf-00017", start = "scf-00021", failed = "scf-00021", late = "scf-00022" },
  { name = "snapvault", title = "SnapVault", update = "NTAP_SNAPVAULT_UPDATE", volumes = "SNAPVAULT_VOLUMES",
    wait = "NTAP_SNAPVAULT_WAIT", rate = "NTAP_SNAPVAULT_MAX_TRANSFER",
    status = "scf-00018", none = "scf-00019", start = "scf-00020", failed = "scf-00024", late = "scf-00023" },
}

-- Labels that SnapMirror itself gives a meaning to: they make a mirror.
local OWN_LABELS = { sm_created = true, all_source_snapshots = true }

--- The kinds of replication that a config has volumes for, SnapMirror first.
-- @tparam Config cfg
-- @treturn {table,...} name ("snapmirror", "snapvault"), title, `update`: the parameter that switches it on
function replication.kinds(cfg)
  local list = {}
  for _, kind in ipairs(KINDS) do
    if cfg:get(kind.volumes) then list[#list + 1] = kind end
  end
  return list
end

--- A kind by its name, whether or not a config has volumes for it.
-- @tparam string name "snapmirror" or "snapvault"
-- @treturn table
function replication.kind(name)
  for _, kind in ipairs(KINDS) do
    if kind.name == name then return kind end
  end
  error(("replication.kind: there is no '%s'"):format(tostring(name)), 2)
end

--- The source volumes of a kind, in the order of the config.
-- @tparam Config cfg
-- @tparam table kind of `kinds`
-- @treturn {{controller=string,volume=string},...}
function replication.sources(cfg, kind)
  local list = {}
  for _, item in ipairs(cfg:get(kind.volumes) or {}) do
    for _, volume in ipairs(item.volumes) do list[#list + 1] = { controller = item.controller, volume = volume } end
  end
  return list
end

--- What the rules of a policy make of a relationship, and the labels that it takes.
-- @tparam {{label=string,keep=integer},...} rules
-- @treturn string "mirror", "vault" or "both" (a mirror-vault)
-- @treturn {string=boolean} labels
function replication.class(rules)
  local labels, mirrors = {}, #rules == 0
  for _, rule in ipairs(rules) do
    if OWN_LABELS[rule.label] then mirrors = true else labels[rule.label or ""] = true end
  end
  if not next(labels) then return "mirror", labels end
  return mirrors and "both" or "vault", labels
end

-- All relationships, each with the controller that told it; and what could not be asked. Asked once per run.
local function all(ctx)
  if ctx.relationships then return ctx.relationships end
  local controllers, failed = ontap.connect(ctx)
  if not controllers then return nil, failed end
  local found, seen = { failed = {} }, {}
  local outcomes
  outcomes, failed = task.map(controllers, function(controller) return controller.client:mirrors() end,
    { collect = true })
  if not outcomes then return nil, failed end
  for i, outcome in ipairs(outcomes) do
    if not outcome.ok then
      found.failed[#found.failed + 1] = { controller = controllers[i], err = outcome.err }
    end
    for _, row in ipairs(outcome.ok and outcome.value or {}) do
      -- One cluster may stand under two names.
      if row.source and row.destination and not seen[row.destination] then
        seen[row.destination] = true
        row.controller = controllers[i]
        found[#found + 1] = row
      end
    end
  end
  ctx.relationships = found
  return found
end

-- The policy of a relationship; nil when it cannot be read.
local function policy_of(row)
  local rows, failed = row.controller.client:mirror_policies { name = row.policy }
  local svm = row.destination:match("^(.*):")
  local best
  for _, policy in ipairs(rows or {}) do
    if policy.svm == svm or not best and not policy.svm then best = policy end
  end
  if not best then
    log.warn("policy '%s' of %s cannot be read, and the relationship is taken for a mirror and a vault: %s; check the "
      .. "user's rights on its controller", row.policy, row.destination, failed or "it is not listed")
  end
  return best
end

local function classify(row)
  if row.class == nil then
    local policy = row.policy and policy_of(row)
    row.class, row.labels = false, nil
    if policy then row.class, row.labels = replication.class(policy.rules or {}) end
  end
  return row.class
end

local function fits(ctx, kind, row)
  if row.type == "sync" then return false end -- nothing to update: it always is
  local class = classify(row)
  if class == "both" then
    class = ctx.cfg:get("NTAP_ALLOW_MIRRORVAULT_AS_MIRROR") and "mirror" or "vault"
  end
  return not class or class == (kind.name == "snapmirror" and "mirror" or "vault")
end

--- The name of the source's SVM, as relationships write it, and which destination is meant.
-- @tparam table ctx
-- @tparam {controller=string,volume=string} source
-- @treturn string
-- @treturn ?string of SECONDARY_INTERFACES
function replication.names_of(ctx, source)
  local interfaces = (ctx.cfg:get("SECONDARY_INTERFACES") or {})[source.controller]
  if interfaces then return interfaces.source, interfaces.destination end
  local controller = ctx.controllers[source.controller]
  local rows = ontap.volumes(controller)
  local row = rows and rows[source.volume]
  return row and row.svm or controller.svm or source.controller
end

local CREATE = "snapmirror create -source-path %s -destination-path <svm:volume> -policy %s"

local function missing(ctx, kind, source, path, others)
  local asked, words = {}, {}
  for i, controller in ipairs(ctx.controllers) do asked[i] = controller.name end
  for _, row in ipairs(others) do
    words[#words + 1] = ("%s with policy '%s' (%s) is none of that kind"):format(row.destination, row.policy or "",
      row.type == "sync" and "synchronous" or row.class == "both" and "mirror-vault" or row.class or "unknown")
    if row.class == "both" then words[#words] = words[#words] .. "; see NTAP_ALLOW_MIRRORVAULT_AS_MIRROR" end
  end
  if #words == 0 then
    words[1] = ("no controller of NTAP_USERS (%s) is its destination; a destination's own controller needs an entry there")
      :format(table.concat(asked, ", "))
  end
  local command = CREATE:format(path, kind.name == "snapmirror" and "MirrorAllSnapshots" or "XDPDefault")
  return err.coded(kind.none, ("%s of %s:%s: no relationship: %s (%s)"):format(kind.title, source.controller,
    source.volume, table.concat(words, "; "), command), nil, { code = "not_found", exit = 3 })
end

local function not_asked(kind, what, unread)
  local name = unread.controller.name
  return err.coded(kind.status, ("%s: controller '%s'"):format(what, name),
    privileges.explain(unread.controller, unread.err, "see replication"), { exit = 3, controller = name })
end

--- The relationships of one source volume.
-- @tparam table ctx
-- @tparam table kind of `kinds`
-- @tparam {controller=string,volume=string} source
-- @treturn[1] {table,...} rows of the `mirrors` call, with `controller`, `svm`, `volume` (of the destination) and
--   `labels` (of the policy; nil when unknown); at least one
-- @return[2] nil
-- @treturn[2] Err scf-00016 to scf-00019, with exit 3
function replication.find(ctx, kind, source)
  local what = ("%s of %s:%s"):format(kind.title, source.controller, source.volume)
  local rows, failed = all(ctx)
  if not rows then return nil, err.coded(kind.status, what, failed, { exit = 3 }) end
  if not ctx.controllers[source.controller] then
    return nil, err.coded("scf-00039", ("controller '%s'"):format(source.controller), nil, { code = "invalid", exit = 3 })
  end
  local svm, destination = replication.names_of(ctx, source)
  local path = svm .. ":" .. source.volume
  local list, others = {}, {}
  for _, row in ipairs(rows) do
    local to, volume = row.destination:match("^(.*):([^:]*)$")
    if row.source == path and to and (not destination or destination == to or destination == row.controller.name) then
      row.svm, row.volume = to, volume
      table.insert(fits(ctx, kind, row) and list or others, row)
    end
  end
  if #list > 0 then return list end
  -- Not asked is not missing.
  local unread = rows.failed[1]
  if unread then return nil, not_asked(kind, what, unread) end
  return nil, missing(ctx, kind, source, path, others)
end

--- The secondaries that have not answered: what they are destinations of is not known, and not updated.
-- @tparam table ctx
-- @tparam table kind of `kinds`
-- @treturn {Err,...} scf-00016 or scf-00018 with exit 3; `controller` is its name
function replication.not_asked(ctx, kind)
  local list = {}
  for _, unread in ipairs(ctx.relationships and ctx.relationships.failed or {}) do
    if unread.controller.down then list[#list + 1] = not_asked(kind, kind.title, unread) end
  end
  return list
end

return replication
