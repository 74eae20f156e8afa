-- Clones of files, LUNs and volumes, and their teardown.
local c = require "contract"
local file = require "engine.file"

c.case { "file_clone: of a snapshot, beside the original", run = function(w)
  local vol, dir = w:volume()
  local old = w.write(dir .. "/web 01/disk.img")
  c.ok(w.client:snapshot_create(vol, "s"))
  local new = w.write(dir .. "/web 01/disk.img")
  c.eq(w.client:file_clone(vol, { from = "web 01/disk.img", to = "web 01/disk.verify.img", snapshot = "s" }), true)
  c.ok(w.read(dir .. "/web 01/disk.verify.img") == old, "the bytes of the snapshot")
  c.ok(w.read(dir .. "/web 01/disk.img") == new, "the original is as it was")
end }

c.case { "file_clone: of the live file", run = function(w)
  local vol, dir = w:volume()
  local now = w.write(dir .. "/disk.img")
  c.eq(w.client:file_clone(vol, { from = "disk.img", to = "copy.img" }), true)
  c.ok(w.read(dir .. "/copy.img") == now, "the bytes of now")
end }

c.case { "file_clone: a destination that is there exists, unless overwrite", run = function(w)
  local vol, dir = w:volume()
  local from, there = w.write(dir .. "/a"), w.write(dir .. "/b")
  local value, e = w.client:file_clone(vol, { from = "a", to = "b" })
  c.fails(value, e, "exists", "b")
  c.ok(w.read(dir .. "/b") == there, "it is as it was")
  c.eq(w.client:file_clone(vol, { from = "a", to = "b", overwrite = true }), true)
  c.ok(w.read(dir .. "/b") == from, "it was replaced")
end }

c.case { "file_clone: source, snapshot or volume not there is not found", run = function(w)
  local vol, dir = w:volume()
  w.write(dir .. "/a")
  c.ok(w.client:snapshot_create(vol, "s"))
  for _, args in ipairs { { vol, "none", nil, "none" }, { vol, "none", "s", "none" }, { vol, "a", "nosnap", "nosnap" },
    { "nowhere", "a", nil, "nowhere" } } do
    local value, e = w.client:file_clone(args[1], { from = args[2], to = "b", snapshot = args[3] })
    c.fails(value, e, "not_found", args[4])
  end
end }

c.case { "file_clone: paths that lead out of the volume are refused before anything is sent", run = function(w)
  for _, path in ipairs { "", "../x", "a/../b", "/x", ".snapshot/s/a" } do
    c.fails(nil, select(2, w.client:file_clone("plain", { from = path, to = "b" })), "invalid")
    c.fails(nil, select(2, w.client:file_clone("plain", { from = "a", to = path })), "invalid")
  end
  c.eq(w:requests().changing, 0)
end }

c.case { "lun_clone: of a snapshot: online, not mapped, a serial of its own, the bytes of then", run = function(w)
  local vol, path, disk = w:lun()
  local old = w.write(disk)
  c.ok(w.client:snapshot_create(vol, "s"))
  local new = w.write(disk)
  local to = "/vol/" .. vol .. "/verify"
  c.eq(w.client:lun_clone(path, { to = to, snapshot = "s" }), true)
  local clone, original = c.ok(w.client:luns { path = to })[1], c.ok(w.client:luns { path = path })[1]
  c.eq({ clone.online, clone.mapped, clone.size }, { true, false, original.size })
  c.ok(clone.serial ~= original.serial and clone.uuid ~= original.uuid, "serial and uuid of its own")
  c.ok(w.read(w:dir(vol) .. "/verify"):sub(1, #old) == old, "the bytes of the snapshot")
  c.ok(w.read(disk):sub(1, #new) == new, "the original is as it was")
end }

c.case { "lun_clone: of the live LUN, in a qtree", run = function(w)
  local vol, path, disk = w:qtree_lun()
  local now = w.write(disk)
  c.eq(w.client:lun_clone(path, { to = "/vol/" .. vol .. "/qt_db/b" }), true)
  c.ok(w.read(w:dir(vol) .. "/qt_db/b"):sub(1, #now) == now, "the bytes of now")
  c.eq(c.ok(w.client:luns { path = "/vol/" .. vol .. "/qt_db/b" })[1].qtree, "qt_db")
end }

c.case { "lun_clone: a path in use exists; source or snapshot not there is not found", run = function(w)
  local vol, path = w:lun()
  w:new_lun(vol, "there")
  c.ok(w.client:snapshot_create(vol, "s"))
  local value, e = w.client:lun_clone(path, { to = "/vol/" .. vol .. "/there" })
  c.fails(value, e, "exists", "/vol/" .. vol .. "/there")
  value, e = w.client:lun_clone("/vol/" .. vol .. "/none", { to = "/vol/" .. vol .. "/x" })
  c.fails(value, e, "not_found", "/vol/" .. vol .. "/none")
  value, e = w.client:lun_clone(path, { to = "/vol/" .. vol .. "/x", snapshot = "nosnap" })
  c.fails(value, e, "not_found", "nosnap")
end }

c.case { "lun_clone: into another volume is invalid", run = function(w)
  local _, path = w:lun()
  local other = w:lun()
  local value, e = w.client:lun_clone(path, { to = "/vol/" .. other .. "/x" })
  c.eq(value, nil)
  c.ok(e.code == "invalid" or e.code == "unsupported", tostring(e))
end }

-- Every kind of clone whose answer does not come: its arguments, and whether it is there.
local LOST = {
  file_clone = function(w)
    local vol, dir = w:volume()
    w.write(dir .. "/a")
    return { vol, { from = "a", to = "b" } }, function() return file.stat(dir .. "/b") ~= nil end
  end,
  lun_clone = function(w)
    local vol, path = w:lun()
    local to = "/vol/" .. vol .. "/lost"
    return { path, { to = to } }, function() return #c.ok(w.client:luns { path = to }) == 1 end
  end,
  volume_clone = function(w)
    local vol = w:volume()
    c.ok(w.client:snapshot_create(vol, "s"))
    local to = vol .. "_lost"
    return { vol, { to = to, snapshot = "s" } }, function() return #c.ok(w.client:volumes { name = to }) == 1 end
  end,
}
for _, verb in ipairs { "file_clone", "lun_clone", "volume_clone" } do
  for _, after in ipairs { true, false } do
    c.case { ("%s whose reply is lost: %s"):format(verb, after and "made is true" or "not made is an error of the wire"),
      run = function(w)
        local args, there = LOST[verb](w)
        w:fault(verb, { action = "drop", after = after or nil, count = 1 })
        local value, e = w.client[verb](w.client, table.unpack(args))
        c.eq(w:count(w:call(verb)), 1)
        w:finish()
        c.eq(there(), after)
        if after then return c.eq({ value, e }, { true }) end
        c.fails(value, e, e.code)
        c.ok(e.code ~= "exists" and e.code ~= "not_found", tostring(e))
      end }
  end
end

c.case { "file_clone over a file whose reply is lost: that a file is there proves nothing", run = function(w)
  local vol, dir = w:volume()
  w.write(dir .. "/a")
  local there = w.write(dir .. "/b")
  w:fault("file_clone", { action = "drop", count = 1 })
  local value, e = w.client:file_clone(vol, { from = "a", to = "b", overwrite = true })
  w:finish()
  c.fails(value, e, e.code)
  c.ok(w.read(dir .. "/b") == there, "it is as it was")
end }

-- A clone of a fresh volume with one file: parent, clone, the file's bytes.
local function cloned(w, with)
  local vol, dir = w:volume()
  local old = w.write(dir .. "/disk.img")
  c.ok(w.client:snapshot_create(vol, "s"))
  w.write(dir .. "/disk.img")
  local name = vol .. "_clone"
  local args = { to = name, snapshot = "s" }
  for key, value in pairs(with or {}) do args[key] = value end
  c.eq(w.client:volume_clone(vol, args), true)
  return vol, name, old
end

c.case { "volume_clone: a volume with the bytes of the snapshot; mounted; in the list of clones", run = function(w)
  local vol, name, old = cloned(w, { junction = "/verify_a" })
  local row = c.ok(w.client:volumes { name = name })[1]
  c.eq({ row.state, row.junction, row.type }, { "online", "/verify_a", "rw" })
  c.ok(w.read(w:dir(name) .. "/disk.img") == old, "the bytes of the snapshot")
  local clones = c.ok(w.client:volume_clones { parent = vol })
  c.eq(#clones, 1)
  c.shape(clones[1], { name = name, svm = "svm1", parent = vol, snapshot = "s", splitting = false })
  c.row(c.ok(w.client:volume_clones()), name)
  c.eq(c.ok(w.client:volume_clones { parent = "plain" }), {})
end }

c.case { "volume_clone: while it is there its parent's snapshot is busy", run = function(w)
  local vol, name = cloned(w)
  c.eq(c.ok(w.client:snapshots(vol))[1].busy, true)
  local value, e = w.client:snapshot_delete(vol, "s")
  c.fails(value, e, "busy", vol, "s")
  c.eq(w.client:volume_delete(name), true)
  c.eq(w.client:snapshot_delete(vol, "s"), true)
end }

c.case { "volume_delete: a clone that is mounted and online goes, its parent stays", run = function(w)
  local vol, name = cloned(w, { junction = "/verify_b" })
  c.eq(w.client:volume_delete(name), true)
  c.eq(c.ok(w.client:volumes { name = name }), {})
  c.eq(#c.ok(w.client:volumes { name = vol }), 1)
  c.eq(file.stat(w:dir(name)), nil)
end }

c.case { "volume_delete: what is no clone is refused; a volume that is not there is not found", run = function(w)
  local vol, dir = w:volume()
  local data = w.write(dir .. "/disk.img")
  local value, e = w.client:volume_delete(vol)
  c.eq(value, nil)
  c.ok(e.code == "conflict" or e.code == "invalid" or e.code == "denied", tostring(e))
  c.fails(nil, e, e.code, vol)
  local row = c.ok(w.client:volumes { name = vol })[1]
  c.eq({ row.state, row.junction }, { "online", "/" .. vol })
  c.ok(w.read(dir .. "/disk.img") == data, "it is as it was")
  value, e = w.client:volume_delete("nowhere")
  c.fails(value, e, "not_found", "nowhere")
end }

c.case { "volume_delete: with a uuid only that very volume", run = function(w)
  local vol = w:volume()
  local wrong = c.ok(w.client:volumes { name = "plain" })[1].uuid
  local value, e = w.client:volume_delete(vol, { uuid = wrong })
  c.fails(value, e, "conflict", vol)
  c.eq(c.ok(w.client:volumes { name = vol })[1].state, "online")
  c.eq(w.client:volume_delete(vol, { uuid = c.ok(w.client:volumes { name = vol })[1].uuid }), true)
  c.eq(c.ok(w.client:volumes { name = vol }), {})
end }

c.case { "volume_delete: a clone with clones of its own is a conflict and stays online", run = function(w)
  local _, name = cloned(w, { junction = "/verify_c" })
  c.ok(w.client:snapshot_create(name, "t"))
  c.ok(w.client:volume_clone(name, { to = name .. "2", snapshot = "t" }))
  local value, e = w.client:volume_delete(name)
  c.eq(value, nil)
  c.ok(e.code == "conflict" or e.code == "busy", tostring(e))
  c.eq(#c.ok(w.client:volumes { name = name }), 1)
  c.eq(w.client:volume_delete(name .. "2"), true)
  c.eq(w.client:volume_delete(name), true)
end }

c.case { "volume_clone: a name in use exists; parent or snapshot not there is not found", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "s"))
  local value, e = w.client:volume_clone(vol, { to = "plain", snapshot = "s" })
  c.fails(value, e, "exists", "plain")
  value, e = w.client:volume_clone("nowhere", { to = "x", snapshot = "s" })
  c.fails(value, e, "not_found", "nowhere")
  value, e = w.client:volume_clone(vol, { to = "x", snapshot = "nosnap" })
  c.fails(value, e, "not_found", "nosnap")
  c.eq(c.ok(w.client:volumes { name = "x" }), {})
end }

c.case { "volume_clone_split: begun; in the end no clone, and the snapshot is free", run = function(w)
  local vol, name, old = cloned(w)
  c.eq(w.client:volume_clone_split(name), true)
  w.wait(function() return #c.ok(w.client:volume_clones { parent = vol }) == 0 end, 10)
  c.ok(w.read(w:dir(name) .. "/disk.img") == old, "its bytes are its own")
  c.eq(w.client:snapshot_delete(vol, "s"), true)
  local value, e = w.client:volume_clone_split(vol)
  c.fails(value, e, "conflict", vol)
end }

c.case { "volume_delete: with a parent only a clone of that very volume", run = function(w)
  local vol, name = cloned(w)
  local uuid = c.ok(w.client:volumes { name = name })[1].uuid
  local value, e = w.client:volume_delete(name, { uuid = uuid, parent = "plain" })
  c.fails(value, e, "conflict", name)
  local other = w:volume()
  value, e = w.client:volume_delete(other, { uuid = c.ok(w.client:volumes { name = other })[1].uuid, parent = vol })
  c.fails(value, e, "conflict", other)
  c.eq({ c.ok(w.client:volumes { name = name })[1].state, c.ok(w.client:volumes { name = other })[1].state },
    { "online", "online" })
  c.eq(w.client:volume_delete(name, { uuid = uuid, parent = vol }), true)
  c.eq(c.ok(w.client:volumes { name = name }), {})
end }

c.case { "volume_clone, lun_clone: with a space guarantee; REST has none for LUNs, and says so", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "s"))
  c.eq(w.client:volume_clone(vol, { to = vol .. "_full", snapshot = "s", reserve = "volume" }), true)
  c.eq(w.client:volume_delete(vol .. "_full"), true)
  local home, path = w:lun()
  c.ok(w.client:snapshot_create(home, "s"))
  local value, e = w.client:lun_clone(path, { to = path .. "_full", snapshot = "s", reserve = true })
  if w.transport == "rest" then
    c.fails(value, e, "unsupported", path)
  else
    c.eq(value, true)
  end
end }

c.case { "export: a policy for one client; a clone mounted under it; in use it stays, and then it goes", run = function(w)
  local vol, name = cloned(w)
  c.eq(w.client:export_create(vol, name, { client = "192.0.2.7", access = "read-only" }), true)
  c.eq(w.client:volume_export(name, { policy = name, junction = "/" .. name }), true)
  c.eq(c.ok(w.client:volumes { name = name })[1].junction, "/" .. name)
  local value, e = w.client:export_create(vol, name, { client = "192.0.2.8", access = "root" })
  c.fails(value, e, "exists", name)
  value, e = w.client:export_delete(name)
  c.eq(value, nil)
  c.ok(e.code ~= "not_found", tostring(e))
  c.eq(w.client:volume_delete(name), true)
  c.eq(w.client:export_delete(name), true)
  value, e = w.client:export_delete(name)
  c.fails(value, e, "not_found", name)
end }

c.case { "export: a volume or a right that is not there; nothing is mounted", run = function(w)
  local value, e = w.client:volume_export("nowhere", { policy = "default", junction = "/nowhere" })
  c.fails(value, e, "not_found", "nowhere")
  value, e = w.client:export_create("plain", "p", { client = "192.0.2.7", access = "all" })
  c.fails(value, e, "invalid", "all")
end }
