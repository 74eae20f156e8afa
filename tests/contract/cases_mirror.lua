-- SnapMirror: relationships, transfers, changes of state, restores; asked at the destination.
local c = require "contract"
local clock = require "engine.clock"

local POLICIES = { "MirrorAllSnapshots", "XDPDefault" }

-- Until that transfer of the destination, or its first one, has ended: how it ended.
local function ended(w, dest, begun)
  return w.wait(function()
    local t = c.ok(w.vault:mirror_transfer(dest, { transfer = begun and begun.transfer }))
    return not t.running and t.state ~= "none" and t
  end, 15)
end

-- A source volume with a file and a snapshot, mirrored: "svm1:v", "svm2:m", the volume, the directories.
local function mirrored(w, policy)
  local vol, dir = w:volume()
  w.write(dir .. "/disk.img")
  c.ok(w.client:snapshot_create(vol, "base", { label = "daily" }))
  local dest, target = w:mirror(vol, policy or POLICIES[1])
  c.eq(w.vault:mirror_change(dest, "initialize"), true)
  ended(w, dest)
  w.wait(function() return c.ok(w.vault:mirrors { destination = dest })[1].state == "snapmirrored" end)
  return "svm1:" .. vol, dest, vol, dir, target
end

c.case { "mirrors: every field; by destination and by source", run = function(w)
  local source, dest = mirrored(w)
  local rows = c.ok(w.vault:mirrors { destination = dest })
  c.eq(#rows, 1)
  c.shape(rows[1], { uuid = c.uuid, source = source, destination = dest, policy = POLICIES[1], type = "async",
    state = "snapmirrored", status = "idle", healthy = true, reason = "string?", lag = "integer?", newest = "string?",
    transferred = "integer?", ended = "integer?", schedule = "string?" })
  c.eq(c.ok(w.vault:mirrors { source = source })[1].destination, dest)
  c.row(c.ok(w.vault:mirrors()), dest, "destination")
  c.eq(c.ok(w.vault:mirrors { destination = "svm2:none" }), {})
  c.eq(c.ok(w.vault:mirrors { source = "svm1:none" }), {})
end }

c.case { "mirrors: before the first transfer uninitialized, without lag", run = function(w)
  local vol = w:volume()
  local dest = w:mirror(vol, POLICIES[1])
  local row = c.ok(w.vault:mirrors { destination = dest })[1]
  c.eq({ row.state, row.status, row.lag, row.newest }, { "uninitialized", "idle", nil, nil })
end }

c.case { "mirror_update: the snapshot and its bytes arrive", run = function(w)
  local _, dest, vol, dir, target = mirrored(w)
  local new = w.write(dir .. "/disk.img")
  c.ok(w.client:snapshot_create(vol, "second", { label = "daily" }))
  local begun = c.ok(w.vault:mirror_update(dest))
  for key in pairs(begun) do c.eq(key, "transfer") end
  local t = ended(w, dest, begun)
  c.shape(t, { running = false, state = "success", bytes = "integer?", reason = "string?" })
  c.row(c.ok(w.vault:snapshots(target)), "second")
  c.ok(w.read(w:dir(target, "svm2") .. "/.snapshot/second/disk.img") == new, "the bytes of the snapshot")
end }

c.case { "mirror_update: of a vault, one snapshot by name", run = function(w)
  local _, dest, vol, _, target = mirrored(w, POLICIES[2])
  c.ok(w.client:snapshot_create(vol, "mine", { label = "daily" }))
  local begun = c.ok(w.vault:mirror_update(dest, { snapshot = "mine" }))
  c.eq(ended(w, dest, begun).state, "success")
  c.row(c.ok(w.vault:snapshots(target)), "mine")
end }

c.case { "mirror_update: no faster than asked for", run = function(w)
  local _, dest, vol, dir = mirrored(w)
  w.write(dir .. "/disk.img", ("x"):rep(60000))
  c.ok(w.client:snapshot_create(vol, "second"))
  c.fails(nil, select(2, w.vault:mirror_update(dest, { rate = 0 })), "invalid", "rate")
  local since = clock.mono()
  c.eq(ended(w, dest, c.ok(w.vault:mirror_update(dest, { rate = 50 }))).state, "success")
  c.ok(clock.mono() - since > 0.9, "60000 bytes at 50 KiB/s take a second")
end }

c.case { "mirror_update: a transfer that runs counts as begun", run = function(w)
  local _, dest, vol = mirrored(w)
  c.ok(w.client:snapshot_create(vol, "second"))
  local begun = c.ok(w.vault:mirror_update(dest))
  c.ok(w.vault:mirror_update(dest))
  ended(w, dest, begun)
end }

c.case { "mirror_update: while it runs, mirrors and mirror_transfer say so", run = function(w)
  local _, dest, vol = mirrored(w)
  c.ok(w.client:snapshot_create(vol, "second"))
  local since = clock.mono()
  local begun = c.ok(w.vault:mirror_update(dest))
  local t = c.ok(w.vault:mirror_transfer(dest, { transfer = begun.transfer }))
  local status = c.ok(w.vault:mirrors { destination = dest })[1].status
  if clock.mono() - since < 0.2 then                     -- it takes 0.25 s
    c.eq({ t.running, t.state == "transferring" or t.state == "queued", status ~= "idle" }, { true, true, true })
  end
  c.eq(ended(w, dest, begun).state, "success")
end }

c.case { "the newest common snapshot of a mirror is busy on the source", run = function(w)
  local _, _, vol = mirrored(w)
  local newest
  for _, row in ipairs(c.ok(w.client:snapshots(vol))) do
    if row.busy then newest = row.name end
  end
  c.ok(newest, "one snapshot is busy")
  local value, e = w.client:snapshot_delete(vol, newest)
  c.fails(value, e, "busy", vol, newest)
end }

c.case { "mirrors, mirror_update, mirror_transfer, mirror_change: a destination that is not there is not found",
  run = function(w)
    c.fails(nil, select(2, w.vault:mirror_update("svm2:none")), "not_found", "svm2:none")
    c.fails(nil, select(2, w.vault:mirror_transfer("svm2:none")), "not_found", "svm2:none")
    for _, action in ipairs { "quiesce", "break", "resync", "abort", "resume", "initialize" } do
      c.fails(nil, select(2, w.vault:mirror_change("svm2:none", action)), "not_found", "svm2:none")
    end
  end }

c.case { "mirror_change: an action that is none is invalid, and so is a place without SVM", run = function(w)
  c.fails(nil, select(2, w.vault:mirror_change("svm2:x", "delete")), "invalid", "delete")
  for _, place in ipairs { "", "x", ":", "svm2:", ":x", "a:b:c" } do
    c.fails(nil, select(2, w.vault:mirror_update(place)), "invalid")
  end
  c.eq(w:requests().changing, 0)
end }

c.case { "mirror_change: quiesce and resume, each twice", run = function(w)
  local _, dest = mirrored(w)
  local function state() return c.ok(w.vault:mirrors { destination = dest })[1].state end
  c.eq(w.vault:mirror_change(dest, "quiesce"), true)
  w.wait(function() return state() == "paused" end)
  c.eq(w.vault:mirror_change(dest, "quiesce"), true)
  c.eq(w.vault:mirror_change(dest, "resume"), true)
  w.wait(function() return state() == "snapmirrored" end)
  c.eq(w.vault:mirror_change(dest, "resume"), true)
end }

c.case { "mirror_change: quiesce, break, resync", run = function(w)
  local _, dest, _, _, target = mirrored(w)
  local function state() return c.ok(w.vault:mirrors { destination = dest })[1].state end
  c.eq(w.vault:mirror_change(dest, "quiesce"), true)
  w.wait(function() return state() == "paused" end)
  c.eq(w.vault:mirror_change(dest, "break"), true)
  w.wait(function() return state() == "broken_off" end)
  c.eq(c.ok(w.vault:volumes { name = target })[1].type, "rw")
  c.eq(w.vault:mirror_change(dest, "resync"), true)
  w.wait(function() return state() == "snapmirrored" end, 10)
  c.eq(c.ok(w.vault:volumes { name = target })[1].type, "dp")
end }

c.case { "mirror_change: abort of nothing is true", run = function(w)
  local _, dest = mirrored(w)
  c.eq(w.vault:mirror_change(dest, "abort"), true)
end }

c.case { "mirror_restore: without replace a whole volume is refused, and nothing is sent", run = function(w)
  local source, dest = mirrored(w)
  w:begin()
  local value, e = w.client:mirror_restore(dest, source, "base")
  c.fails(value, e, "invalid", "replace")
  c.fails(nil, select(2, w.client:mirror_restore(dest, source, "base", { replace = false })), "invalid")
  c.eq(w.client:mirror_restore(dest, source, "base", { files = {} }), nil)
  c.eq(w:requests().changing, 0)
end }

c.case { "mirror_restore: with replace the volume is that of the vault", run = function(w)
  local _, dest, _, dir = mirrored(w)
  local old = w.read(dir .. "/disk.img")
  local fresh, fresh_dir = w:volume()
  local begun = c.ok(w.client:mirror_restore(dest, "svm1:" .. fresh, "base", { replace = true }))
  for key in pairs(begun) do c.ok(key == "job" or key == "transfer", key) end
  w.wait(function() return io.open(fresh_dir .. "/disk.img") and w.read(fresh_dir .. "/disk.img") == old end, 15)
end }

c.case { "mirror_restore: files from the vault, beside the original; no other file is touched",
  zapi = "whole volumes only there", run = function(w)
    local source, dest, _, dir = mirrored(w)
    local old = w.read(dir .. "/disk.img")
    local now, other = w.write(dir .. "/disk.img"), w.write(dir .. "/other.img")
    c.ok(w.client:mirror_restore(dest, source, "base", { files = { { from = "disk.img", to = "disk.vault.img" } } }))
    w.wait(function() return io.open(dir .. "/disk.vault.img") and w.read(dir .. "/disk.vault.img") == old end, 15)
    c.ok(w.read(dir .. "/disk.img") == now and w.read(dir .. "/other.img") == other, "the others are as they were")
  end }

c.case { "mirror_restore: more than eight files, or a path that leads elsewhere, is invalid", run = function(w)
  local files = {}
  for i = 1, 9 do files[i] = { from = "f" .. i, to = "t" .. i } end
  local value, e = w.client:mirror_restore("svm2:x", "svm1:y", "s", { files = files })
  c.eq(value, nil)
  c.ok(e.code == "invalid" or w:is "zapi" and e.code == "unsupported", tostring(e))
  for _, path in ipairs { "", "../x", "a/../b", ".snapshot/s/a" } do
    value, e = w.client:mirror_restore("svm2:x", "svm1:y", "s", { files = { { from = "a", to = path } } })
    c.eq(value, nil)
    c.ok(e.code == "invalid" or w:is "zapi" and e.code == "unsupported", tostring(e))
  end
  c.eq(w:requests().changing, 0)
end }

c.case { "mirror_policies: rules with label and keep", run = function(w)
  local row = c.ok(w.vault:mirror_policies { name = "XDPDefault" })[1]
  c.shape(row, { name = "XDPDefault", svm = "string?", type = "async", rules = function(list)
    return #list == 2 and c.row(list, "daily", "label").keep == 7 and c.row(list, "weekly", "label").keep == 52
  end })
  if w:is "zapi" or w.version >= 91101 then
    c.row(c.ok(w.vault:mirror_policies { name = "MirrorAndVault" })[1].rules, "sm_created", "label")
  end
  c.ok(#c.ok(w.vault:mirror_policies()) > 2, "the whole list")
  c.eq(c.ok(w.vault:mirror_policies { name = "none" }), {})
end }
