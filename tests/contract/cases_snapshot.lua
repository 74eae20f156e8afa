-- Snapshots: made, listed, renamed, changed, removed.
local c = require "contract"
local clock = require "engine.clock"

c.case { "snapshot_create: true, and every field in the list", run = function(w)
  local vol = w:volume()
  local before = math.floor(clock.now())
  c.eq(w.client:snapshot_create(vol, "kvmbk_a", { comment = "vm=web01 <&> \"daily\"", label = "daily" }), true)
  local rows = c.ok(w.client:snapshots(vol))
  c.eq(#rows, 1)
  c.shape(rows[1], { name = "kvmbk_a", uuid = c.uuid, volume = vol, svm = "svm1",
    created = function(t) return math.type(t) == "integer" and t >= before - 1 and t <= clock.now() + 1 end,
    busy = false, owners = function(o) return #o == 0 end, label = "daily", comment = "vm=web01 <&> \"daily\"",
    state = function(s) return s == "valid" or s == nil end })
end }

c.case { "snapshot_create: the bytes are kept", run = function(w)
  local vol, dir = w:volume()
  local old = w.write(dir .. "/web01/disk.img")
  c.ok(w.client:snapshot_create(vol, "s"))
  w.write(dir .. "/web01/disk.img")
  c.ok(w.read(dir .. "/.snapshot/s/web01/disk.img") == old, "the snapshot holds the old bytes")
end }

c.case { "snapshot_create: a name in use exists", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "twice"))
  local value, e = w.client:snapshot_create(vol, "twice")
  c.fails(value, e, "exists", vol, "twice")
end }

c.case { "snapshot_create: a volume that is not there is not found", run = function(w)
  local value, e = w.client:snapshot_create("nowhere", "s")
  c.fails(value, e, "not_found", "nowhere")
end }

c.case { "snapshot_create: an offline volume is a conflict", run = function(w)
  local value, e = w.client:snapshot_create("off", "s")
  c.eq(value, nil)
  c.ok(e.code == "conflict" or e.code == "no_space", tostring(e))  -- REST has one code for both
  c.fails(value, e, e.code, "off")
end }

c.case { "snapshot_create: a mirror's destination is a conflict", run = function(w)
  local value, e = w.client:snapshot_create("mirrored", "s")
  c.fails(value, e, "conflict", "mirrored")
end }

c.case { "snapshot_create: a volume with all the snapshots it may hold is no_space, with a remedy", run = function(w)
  local at = c.ok(w.client:snapshots("few"))
  for _, snap in ipairs(at) do c.ok(w.client:snapshot_delete("few", snap.name)) end
  c.ok(w.client:snapshot_create("few", "a"))
  c.ok(w.client:snapshot_create("few", "b"))
  local value, e = w.client:snapshot_create("few", "c")
  c.fails(value, e, "no_space", "few", "delete old snapshots")
end }

c.case { "snapshots: by name, by pattern; nothing found is an empty list", run = function(w)
  local vol = w:volume()
  for _, name in ipairs { "kvm_1", "kvm_2", "other" } do c.ok(w.client:snapshot_create(vol, name)) end
  c.eq(c.column(c.ok(w.client:snapshots(vol))), { "kvm_1", "kvm_2", "other" })
  c.eq(c.column(c.ok(w.client:snapshots(vol, { name = "kvm_2" }))), { "kvm_2" })
  c.eq(c.column(c.ok(w.client:snapshots(vol, { name = "kvm_*" }))), { "kvm_1", "kvm_2" })
  c.eq(c.ok(w.client:snapshots(vol, { name = "none" })), {})
end }

c.case { "snapshots: a volume that is not there is not found, never an empty list", run = function(w)
  local rows, e = w.client:snapshots("nowhere")
  c.fails(rows, e, "not_found", "nowhere")
end }

c.case { "snapshots: owners and busy", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "owned"))
  w:sim("PUT", "snapshot", { svm = "svm1", volume = vol, snapshot = "owned", owners = { "SnapMirror" },
    dependency = "snapmirror" })
  local row = c.ok(w.client:snapshots(vol))[1]
  c.eq({ row.busy, #row.owners > 0 }, { true, true })
  if w:is "zapi" then c.eq(row.dependency, "snapmirror") end
end }

c.case { "snapshot_delete: gone; a second time it is not found", run = function(w)
  local vol, dir = w:volume()
  c.ok(w.client:snapshot_create(vol, "s"))
  c.eq(w.client:snapshot_delete(vol, "s"), true)
  c.eq(c.ok(w.client:snapshots(vol)), {})
  c.eq(w.read and io.open(dir .. "/.snapshot/s/x"), nil)
  local value, e = w.client:snapshot_delete(vol, "s")
  c.fails(value, e, "not_found", vol, "s")
end }

c.case { "snapshot_delete: a busy snapshot is busy and stays", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "held"))
  w:sim("PUT", "snapshot", { svm = "svm1", volume = vol, snapshot = "held", owners = {}, dependency = "vclone" })
  local value, e = w.client:snapshot_delete(vol, "held")
  c.fails(value, e, "busy", vol, "held")
  c.eq(#c.ok(w.client:snapshots(vol)), 1)
end }

c.case { "snapshot_delete: owners make it busy", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "held"))
  w:sim("PUT", "snapshot", { svm = "svm1", volume = vol, snapshot = "held", owners = { "backup" } })
  local value, e = w.client:snapshot_delete(vol, "held")
  c.fails(value, e, "busy", vol, "held")
  c.eq(#c.ok(w.client:snapshots(vol)), 1)
end }

c.case { "snapshot_delete: force passes over owners", since = { rest = "9.19.1" }, run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "held"))
  w:sim("PUT", "snapshot", { svm = "svm1", volume = vol, snapshot = "held", owners = { "backup" } })
  c.eq(w.client:snapshot_delete(vol, "held", { force = true }), true)
  c.eq(c.ok(w.client:snapshots(vol)), {})
end }

c.case { "snapshot_delete: force is unsupported before REST of 9.19", zapi = "ONTAPI can",
  run = function(w)
    local vol = w:volume()
    c.ok(w.client:snapshot_create(vol, "s"))
    local value, e = w.client:snapshot_delete(vol, "s", { force = true })
    c.fails(value, e, "unsupported", "9.19")
    c.eq(#c.ok(w.client:snapshots(vol)), 1)
  end }

c.case { "snapshot_delete: with a uuid only that very snapshot", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "s"))
  local first = c.ok(w.client:snapshots(vol))[1].uuid
  c.ok(w.client:snapshot_delete(vol, "s"))
  c.ok(w.client:snapshot_create(vol, "s"))
  local value, e = w.client:snapshot_delete(vol, "s", { uuid = first })
  c.eq(value, nil)
  c.ok(e.code == "not_found" or e.code == "conflict", tostring(e))
  local second = c.ok(w.client:snapshots(vol))[1].uuid
  c.eq(w.client:snapshot_delete(vol, "s", { uuid = second }), true)
  c.eq(c.ok(w.client:snapshots(vol)), {})
end }

c.case { "snapshot_rename: the same snapshot under another name", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "recent"))
  local uuid = c.ok(w.client:snapshots(vol))[1].uuid
  c.eq(w.client:snapshot_rename(vol, "recent", { to = "recent.1" }), true)
  local rows = c.ok(w.client:snapshots(vol))
  c.eq({ #rows, rows[1].name, rows[1].uuid }, { 1, "recent.1", uuid })
end }

c.case { "snapshot_rename: to a name in use exists; from one that is not there not_found", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "a"))
  c.ok(w.client:snapshot_create(vol, "b"))
  local value, e = w.client:snapshot_rename(vol, "a", { to = "b" })
  c.fails(value, e, "exists", vol)
  value, e = w.client:snapshot_rename(vol, "none", { to = "d" })
  c.fails(value, e, "not_found", vol, "none")
  c.eq(c.column(c.ok(w.client:snapshots(vol))), { "a", "b" })
end }

c.case { "snapshot_modify: comment and label, set and removed", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "s", { comment = "old", label = "daily" }))
  c.eq(w.client:snapshot_modify(vol, "s", { comment = "new & better", label = "weekly" }), true)
  local row = c.ok(w.client:snapshots(vol))[1]
  c.eq({ row.comment, row.label }, { "new & better", "weekly" })
  c.eq(w.client:snapshot_modify(vol, "s", { comment = "" }), true)
  row = c.ok(w.client:snapshots(vol))[1]
  c.eq({ row.comment, row.label }, { nil, "weekly" })
end }

c.case { "snapshot_modify: a snapshot that is not there is not found", run = function(w)
  local vol = w:volume()
  local value, e = w.client:snapshot_modify(vol, "none", { comment = "x" })
  c.fails(value, e, "not_found", vol, "none")
end }

c.case { "snapshot names with a dot, a dash and 200 characters", run = function(w)
  local vol = w:volume()
  local long = ("n"):rep(200)
  for _, name in ipairs { "a.b-c_d", long } do
    c.ok(w.client:snapshot_create(vol, name))
    c.eq(#c.ok(w.client:snapshots(vol, { name = name })), 1)
    c.ok(w.client:snapshot_delete(vol, name))
  end
end }
