-- The catalog held against what controllers have: which record a copy belongs to, which copies count, what is somebody
-- else's, what may be forgotten.
local catalog = require "std.catalog"
local clone_targets = require "std.clone_targets"
local clones = require "std.clones"
local copies = require "std.copies"
local err = require "std.err"
local expire = require "std.expire"
local expire_vault = require "std.expire_vault"
local leftovers = require "std.leftovers"
local log = require "std.log"
local t = require "std.test"
local vault_records = require "std.vault_records"

local NOW = 1795485600
local serial = 0

-- A controller with these snapshots on its volumes, as the client gives them; what is deleted is noted.
local function controller(name, volumes)
  local client, deleted = {}, {}
  function client.volumes()
    local rows = {}
    for volume in pairs(volumes) do rows[#rows + 1] = { name = volume } end
    return rows
  end
  function client.snapshots(_, volume, o)
    if not volumes[volume] then return nil, err.new("unreachable", "no answer") end
    local rows = {}
    for i, s in ipairs(volumes[volume]) do
      if not o.name or o.name == s.name then
        rows[#rows + 1] = { name = s.name, uuid = s.uuid, comment = s.comment, created = NOW + i }
      end
    end
    return rows
  end
  function client.snapshot_delete(_, _, snapshot)
    deleted[#deleted + 1] = snapshot
    return true
  end
  return { name = name, client = client, options = {}, deleted = deleted }
end

-- The nth run's snapshot, or with another name one that somebody has made or renamed.
local function name_of(n) return ("a-daily_2026112402000%d"):format(n) end
local function snapshot(n, name)
  return { name = name or name_of(n), uuid = "u" .. n, comment = not name and "moonsnap config=p/c run=" .. n .. "-1" or nil }
end
local NEW = 9 -- this run

local function record(n, volumes, more)
  local r = { snapshot = name_of(n), volumes = {}, guests = {}, action = "backup", id = n .. "-1", status = "ok" }
  for i, volume in ipairs(volumes) do
    r.volumes[i] = { controller = "c1", volume = volume, snapshot_uuid = "u" .. n }
  end
  for key, value in pairs(more or {}) do r[key] = value end
  return r
end

-- A run of a config with the controller c1 and the vault c2, each with snapshots by volume, and with these records.
local function run_with(primary, vault, records, settings)
  serial = serial + 1
  local all = { SNAME = "a", NTAP_SNAPSHOT_RETENTIONS = { "daily", map = { daily = 1 } }, NTAP_SNAPVAULT_UPDATE = true,
    NTAP_SNAPVAULT_RETENTIONS = { map = { daily = 2 } }, NTAP_SNAPVAULT_NODELETE = false }
  for key, value in pairs(settings or {}) do all[key] = value end
  local c1, c2 = controller("c1", primary), controller("c2", vault)
  local ctx = { id = NEW .. "-1", profile = "p", config_name = "c", policy = "daily", snapshot = name_of(NEW), opts = {},
    dirs = { state = ("%s/records.%d"):format(os.getenv("MOON_TEST_TMP") or "/tmp", serial) }, lock = true,
    volumes = { { controller = "c1", volume = "v1" } }, controllers = { c1, c2, c1 = c1, c2 = c2 },
    worse = function() end, cfg = { get = function(_, key) return all[key] end, commands = function() return {} end } }
  for _, one in ipairs(records) do assert(catalog.save(ctx, one)) end
  log.open { quiet = true }
  return ctx
end

local function to(source, volume, more)
  local entry = { kind = "snapvault", source = "c1:" .. source, destination = "s2:" .. volume, controller = "c2",
    volume = volume, state = "done" }
  for key, value in pairs(more or {}) do entry[key] = value end
  return entry
end

local function relation(ctx, source, volume)
  return { kind = { name = "snapvault" }, controller = ctx.controllers.c2, volume = volume, destination = "s2:" .. volume,
    source = { controller = "c1", volume = source } }
end

-- What the catalog says: the number of each run, and where its copies are.
local function known(ctx)
  local out = {}
  for i, r in ipairs(assert(catalog.list(ctx))) do
    local words = { r.id:match("^%d+") }
    for _, e in ipairs(r.replicated or {}) do
      words[#words + 1] = ("%s %s>%s %s%s"):format(e.kind, e.source, e.volume, e.state, e.gone and " gone" or "")
    end
    out[i] = table.concat(words, ", ")
  end
  return out
end

t.case("a copy that came later is noted, one that is gone, too; the last one takes the record along", function()
  local ctx = run_with({ v1 = { snapshot(2) } }, { w1 = { snapshot(2) } }, { record(1, { "v1" }, { replicated = {
    to("v1", "w1") } }), record(2, { "v1" }, { replicated = { to("v1", "w1", { state = "failed", error = "x" }) } }) })
  vault_records.look(ctx, relation(ctx, "v1", "w1"))
  t.eq(known(ctx), { "2, snapvault c1:v1>w1 done" })
end)

t.case("a vault that has become that of another volume says nothing of the first one's copies", function()
  local ctx = run_with({ v1 = {}, v2 = { snapshot(1) } }, { w1 = { snapshot(1) } },
    { record(1, { "v1", "v2" }, { replicated = { to("v1", "w1") } }) })
  for _ = 1, 2 do
    vault_records.look(ctx, relation(ctx, "v2", "w1"))
    t.eq(known(ctx), { "1, snapvault c1:v1>w1 done gone, snapvault c1:v2>w1 done" })
  end
end)

t.case("a vault whose volume has another name now has what it had", function()
  local ctx = run_with({ v2 = {} }, { w1 = { snapshot(1) } }, { record(1, { "v1" }, { replicated = { to("v1", "w1") } }) })
  vault_records.look(ctx, relation(ctx, "v2", "w1"))
  t.eq(known(ctx), { "1, snapvault c1:v1>w1 done" })
end)

t.case("what went to a mirror that is a vault now is in the vault", function()
  local ctx = run_with({ v1 = { snapshot(1) } }, { w1 = { snapshot(1) } },
    { record(1, { "v1" }, { replicated = { to("v1", "w1", { kind = "snapmirror" }) } }) })
  vault_records.look(ctx, relation(ctx, "v1", "w1"))
  t.eq(known(ctx), { "1, snapmirror c1:v1>w1 done, snapvault c1:v1>w1 done" })
end)

t.case("an answer that fails changes no record", function()
  local ctx = run_with({ v1 = {} }, {}, { record(1, { "v1" }, { replicated = { to("v1", "w1") } }) })
  vault_records.look(ctx, relation(ctx, "v1", "w1"))
  t.eq(known(ctx), { "1, snapvault c1:v1>w1 done" })
end)

t.case("a copy of a backup that failed takes no place of a good one in the vault", function()
  local all = { snapshot(1), snapshot(2), snapshot(NEW) }
  local ctx = run_with({ v1 = all }, { w1 = all }, { record(1, { "v1" }), record(2, { "v1" }, { status = "failed" }) })
  ctx.replicated = { relation(ctx, "v1", "w1") }
  assert(expire_vault.run(ctx))
  t.eq(ctx.controllers.c2.deleted, {})
end)

t.case("the record of a copy that was renamed to be kept for ever stays", function()
  local kept = snapshot(1, name_of(1) .. "_unlimited")
  local ctx = run_with({ v1 = { kept, snapshot(NEW) } }, {}, { record(1, { "v1" }) })
  assert(expire.run(ctx))
  t.eq({ ctx.controllers.c1.deleted, known(ctx) }, { {}, { "1" } })
  ctx = run_with({ v1 = { kept } }, { w1 = {} }, { record(1, { "v1" }, { replicated = { to("v1", "w1") } }) })
  vault_records.look(ctx, relation(ctx, "v1", "w1"))
  t.eq(known(ctx), { "1, snapvault c1:v1>w1 done gone" })
end)

t.case("another snapshot where one is gone keeps no record", function()
  local ctx = run_with({ v1 = { snapshot(7, "manual"), snapshot(NEW) } }, {}, { record(1, { "v1" }) })
  assert(expire.run(ctx))
  t.eq(known(ctx), {})
end)

t.case("another config's copy is foreign, whatever its profile is called", function()
  local ctx = run_with({}, {}, {})
  for comment, foreign in pairs { ["moonsnap config=p/c run=1-1"] = false, ["moonsnap config=p/d run=1-1"] = true,
    ["moonsnap config=my profile/c run=1-1"] = true, ["by hand"] = false, [""] = false } do
    t.eq(copies.is_foreign(ctx, { name = "x", comment = comment }), foreign, comment)
  end
  t.eq(copies.is_foreign(ctx, { name = "x" }), false)
end)

t.case("a copy that this config made on another host is foreign, unless its record is here", function()
  local ctx = run_with({}, {}, { record(1, { "v1" }) })
  ctx.id = "9-9"
  local ours = copies.comment(ctx)
  t.ok(ours:find("^moonsnap config=p/c run=9%-9 host=%S+$"), ours)
  t.eq(copies.is_foreign(ctx, { name = "x", comment = ours }), false)
  local there = "moonsnap config=p/c run=%s host=there"
  t.eq(copies.is_foreign(ctx, { name = "x", comment = there:format("9-9") }), true)
  t.eq(copies.is_foreign(ctx, { name = "x", comment = there:format(assert(catalog.list(ctx))[1].id) }), false)
end)

t.case("a failed run whose record has no comment owns no snapshot without one", function()
  local ctx = run_with({ v1 = { snapshot(7, "manual") } }, {}, { record(1, { "v1" }, { status = "failed", started = NOW }) },
    { NTAP_SNAPSHOT_CLEANUP = true })
  t.eq(#assert(leftovers.find(ctx)), 0)
end)

t.case("what a dead run made and somebody renamed to be kept for ever is kept", function()
  local kept = snapshot(1)
  kept.name = kept.name .. "_unlimited"
  local ctx = run_with({ v1 = { kept, snapshot(2) } }, {}, { record(1, { "v1" }, { status = "started", started = NOW,
    comment = kept.comment }), record(2, { "v1" }, { status = "started", started = NOW, comment = snapshot(2).comment }) })
  local found, left = assert(leftovers.find(ctx)), {}
  for i, item in ipairs(found) do left[i] = item.name .. (item.keep and " kept" or "") end
  t.eq(left, { kept.name .. " kept", snapshot(2).name })
end)

t.case("a clone that somebody has deleted takes no place of one that is there", function()
  local ctx = run_with({ v1 = {}, v2 = {}, cl_1 = {}, cl_3 = {} }, {}, {}, { NTAP_NUM_VOL_CLONES = 3 })
  for n = 1, 3 do
    local clone = { kind = "volume", controller = "c1", name = "cl_" .. n, parent = "v1" }
    assert(catalog.save(ctx, { id = n .. "-1", action = "clone", status = "ok", started = NOW + n, clones = { clone } }))
  end
  local function names(list)
    local out = {}
    for i, clone in ipairs(list) do out[i] = clone.name end
    return out
  end
  local list = assert(clones.known(ctx))
  t.eq(names(assert(clones.surplus(ctx, list, 2))), { "cl_2" }) -- to be forgotten
  t.eq(names(assert(clone_targets.outdated(ctx, { { kind = "volume", controller = "c1", parent = "v1", name = "cl_4" } }))),
    { "cl_2" })
  t.eq(names(assert(clone_targets.outdated(ctx, { { kind = "volume", controller = "c1", parent = "v2", name = "cl_5" } }))), {})
end)

t.case("records are in the order of their runs, also where the clock is set back for the winter", function()
  local ctx = run_with({}, {}, {})
  local runs = { ["20261025025000-1"] = NOW, ["20261025021000-2"] = NOW + 1200, ["20261025040000-3"] = NOW + 7800 }
  for id, started in pairs(runs) do
    assert(catalog.save(ctx, record(1, {}, { id = id, started = started })))
  end
  local ids = {}
  for i, r in ipairs(assert(catalog.list(ctx))) do ids[i] = r.id end
  t.eq(ids, { "20261025025000-1", "20261025021000-2", "20261025040000-3" })
end)

return t.done()
