-- Replication: what a policy makes of a relationship, which relationship is whose, what is said when there is none.
local file = require "engine.file"
local err = require "std.err"
local log = require "std.log"
local params = require "std.params"
local replication = require "std.replication"
local t = require "std.test"

local function rule(label) return { label = label, keep = 1 } end

t.case("the rules of a policy tell a mirror from a vault", function()
  local function class(...)
    local rules = {}
    for i, label in ipairs { ... } do rules[i] = rule(label) end
    return (replication.class(rules))
  end
  t.eq(class(), "mirror")
  t.eq(class("sm_created"), "mirror")
  t.eq(class("sm_created", "all_source_snapshots"), "mirror")
  t.eq(class("daily"), "vault")
  t.eq(class("daily", "weekly"), "vault")
  t.eq(class("sm_created", "daily"), "both")
  t.eq(select(2, replication.class { rule "sm_created", rule "daily" }), { daily = true })
end)

t.case("SECONDARY_INTERFACES", function()
  local row = params.find("SECONDARY_INTERFACES")
  t.eq(params.parse(row, "c1:c1-rep/c2;[fe80::1]:a/b", "f:1"),
    { c1 = { source = "c1-rep", destination = "c2" }, ["[fe80::1]"] = { source = "a", destination = "b" } })
  for text, why in pairs { ["c1"] = "entry 1 .c1. has no", ["c1:a"] = "is not source/destination",
    ["c1:a/b/c"] = "is not source/destination", ["c1:a/b;c1:a/b"] = "given twice", ["c1:/b"] = "not source/destination" } do
    t.err(params.parse(row, text, "f:1"), select(2, params.parse(row, text, "f:1")), "invalid", why)
  end
end)

-- A controller that knows relationships and policies, as the client gives them.
local POLICIES = { Mirror = { rule "sm_created" }, Vault = { rule "daily" }, Both = { rule "sm_created", rule "daily" } }

local function controller(name, mirrors, failed)
  local client = {}
  function client.mirrors() if failed then return nil, failed end return mirrors end
  function client.mirror_policies(_, o) return { { name = o.name, type = "async", rules = POLICIES[o.name] } } end
  function client.volumes() return { { name = "v1", svm = "svm_" .. name } } end
  return { name = name, client = client, options = {} }
end

local function context(list, settings)
  local controllers = {}
  for i, one in ipairs(list) do
    controllers[i], controllers[one.name] = one, one
  end
  return { controllers = controllers, cfg = { get = function(_, name) return settings[name] end } }
end

local function mirror(destination, policy, type)
  return { source = "svm_c1:v1", destination = destination, policy = policy, type = type or "async" }
end

local SOURCE = { controller = "c1", volume = "v1" }
local SETTINGS = { SNAPMIRROR_VOLUMES = { { controller = "c1", volumes = { "v1" } } },
  SNAPVAULT_VOLUMES = { { controller = "c1", volumes = { "v1", "v2" } } } }
local cfg = { get = function(_, name) return SETTINGS[name] end }
local kinds = replication.kinds(cfg)
local MIRROR, VAULT = kinds[1], kinds[2]

t.case("kinds and sources in the order of the config", function()
  t.eq({ MIRROR.name, VAULT.name }, { "snapmirror", "snapvault" })
  t.eq(replication.sources(cfg, VAULT), { { controller = "c1", volume = "v1" }, { controller = "c1", volume = "v2" } })
  t.eq(replication.kinds({ get = function() end }), {})
end)

local function destinations(rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row.destination end
  return out
end

t.case("each kind finds its own, wherever the destination is", function()
  local function ctx(more)
    return context({ controller("c1", {}), controller("c2", { mirror("s2:m", "Mirror"), mirror("s2:v", "Vault"),
      mirror("s2:b", "Both"), mirror("s2:s", "Mirror", "sync"), { source = "svm_c1:v9", destination = "s2:x" } }),
      -- The same cluster under another name.
      controller("c3", { mirror("s2:m", "Mirror") }) }, more or {})
  end
  t.eq(destinations(replication.find(ctx(), MIRROR, SOURCE)), { "s2:m" })
  t.eq(destinations(replication.find(ctx(), VAULT, SOURCE)), { "s2:v", "s2:b" })
  local as_mirror = { NTAP_ALLOW_MIRRORVAULT_AS_MIRROR = true }
  t.eq(destinations(replication.find(ctx(as_mirror), MIRROR, SOURCE)), { "s2:m", "s2:b" })
  local row = replication.find(ctx(), VAULT, SOURCE)[1]
  t.eq({ row.svm, row.volume, row.controller.name, row.labels }, { "s2", "v", "c2", { daily = true } })
end)

t.case("SECONDARY_INTERFACES names source and destination", function()
  local rows = { mirror("s2:m", "Mirror"), mirror("s3:m", "Mirror") }
  for _, row in ipairs(rows) do row.source = "rep:v1" end
  local named = { SECONDARY_INTERFACES = { c1 = { source = "rep", destination = "s3" } } }
  t.eq(destinations(replication.find(context({ controller("c1", {}), controller("c2", rows) }, named), MIRROR, SOURCE)),
    { "s3:m" })
end)

t.case("none: the advice to create it, and what there is instead", function()
  local function fails(ctx, kind, code, pattern)
    local rows, failed = replication.find(ctx, kind, SOURCE)
    t.eq({ rows, failed.scf, failed.exit }, { nil, code, 3 })
    t.ok(tostring(failed):find(pattern, 1, true), tostring(failed))
    t.ok(tostring(failed):find("c1:v1", 1, true), tostring(failed))
  end
  local empty = context({ controller("c1", {}), controller("c2", {}) }, {})
  fails(empty, MIRROR, "scf-00017", "a destination's own controller needs an entry there")
  fails(empty, VAULT, "scf-00019", "create the relationship first")
  local other = context({ controller("c1", { mirror("s2:b", "Both") }) }, {})
  fails(other, MIRROR, "scf-00017", "s2:b with policy 'Both' (mirror-vault) is none of that kind")
  fails(other, MIRROR, "scf-00017", "NTAP_ALLOW_MIRRORVAULT_AS_MIRROR")
  local away = context({ controller("c1", {}), controller("c2", nil, err.new("unreachable", "no route")) }, {})
  fails(away, MIRROR, "scf-00016", "controller 'c2': no route")
  fails(away, VAULT, "scf-00018", "no route")
end)

t.case("a policy that cannot be read is both kinds, which is said", function()
  local path = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/replication.log"
  log.open { out = path, quiet = true }
  local c2 = controller("c2", { mirror("s2:m", "Mirror"), mirror("s2:v", "Vault") })
  function c2.client.mirror_policies(_, o)
    if o.name == "Mirror" then return nil, err.new("denied", "not for you") end
    return {}
  end
  local ctx = context({ controller("c1", {}), c2 }, {})
  for _, kind in ipairs(kinds) do t.eq(destinations(replication.find(ctx, kind, SOURCE)), { "s2:m", "s2:v" }) end
  log.open { quiet = true }
  local said, times = file.read(path), 0
  for line in said:gmatch("[^\n]+") do
    if line:find("WARN", 1, true) and line:find("taken for a mirror and a vault", 1, true) then times = times + 1 end
  end
  t.eq(times, 2, said) -- once each
  t.ok(said:find("policy 'Mirror' of s2:m cannot be read.*not for you; check"), said)
  t.ok(said:find("policy 'Vault' of s2:v cannot be read.*not listed"), said)
  file.remove(path)
end)

return t.done()
