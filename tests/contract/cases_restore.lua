-- Files and LUNs brought back: by their bytes, in place, and nothing else touched.
local c = require "contract"
local file = require "engine.file"

-- Starts a restore and waits; nil and an error when it fails at once or late.
local function restore(w, vol, snap, args)
  local begun, e = w.client:file_restore(vol, snap, args)
  if not begun then return nil, e end
  c.eq(type(begun), "table")
  for key in pairs(begun) do c.ok(key == "job" or key == "form", "field " .. key) end
  return w:restore_end { volume = vol, path = args.to or args.path, job = begun.job }
end

local function restore_lun(w, path, snap, opts)
  local begun, e = w.client:lun_restore(path, snap, opts)
  if not begun then return nil, e end
  for key in pairs(begun) do c.eq(key, "job") end
  return w:restore_end { path = path, job = begun.job }
end

c.case { "file_restore: in place, same bytes, same inode; no other file and no snapshot touched", run = function(w)
  local vol, dir = w:volume()
  local disk, other = dir .. "/web01/vda.qcow2", dir .. "/web02/vda.qcow2"
  local old = w.write(disk)
  w.write(other)
  c.ok(w.client:snapshot_create(vol, "s"))
  local new = w.write(other)
  w.write(disk)
  c.ok(w.client:snapshot_create(vol, "newer"))
  local before, was = file.stat(disk), file.stat(other)
  c.ok(restore(w, vol, "s", { path = "web01/vda.qcow2" }))
  c.ok(w.read(disk) == old, "the old bytes are back")
  c.eq(file.stat(disk).inode, before.inode)
  c.ok(w.read(other) == new, "the other file is as it was")
  c.eq({ file.stat(other).inode, file.stat(other).mtime }, { was.inode, was.mtime })
  c.eq(c.column(c.ok(w.client:snapshots(vol))), { "newer", "s" })
end }

c.case { "file_restore: a file that is gone, and one that has grown, come back", run = function(w)
  local vol, dir = w:volume()
  local a, b = w.write(dir .. "/a.img"), w.write(dir .. "/b.img", w.bytes(5000))
  c.ok(w.client:snapshot_create(vol, "s"))
  c.ok(file.remove(dir .. "/a.img"))
  w.write(dir .. "/b.img", w.bytes(99999))
  c.ok(restore(w, vol, "s", { path = "a.img" }))
  c.ok(restore(w, vol, "s", { path = "b.img" }))
  c.ok(w.read(dir .. "/a.img") == a and w.read(dir .. "/b.img") == b, "bytes and sizes of the snapshot")
end }

c.case { "file_restore: names with blanks, wildcards, &, quotes, percent, UTF-8", run = function(w)
  local vol, dir = w:volume()
  local names = { "web 01/vda & \"b\".img", "a[1]*?.img", "50%25 100%.img", "gr\xc3\xbc\xc3\x9fe#1+2=3.img", "it's;$HOME.img",
    "d.e.e.p/x/y/z/disk", "a|b!c{d}.img" }
  local old = {}
  for i, name in ipairs(names) do old[i] = w.write(dir .. "/" .. name, w.bytes(3000)) end
  c.ok(w.client:snapshot_create(vol, "s"))
  for _, name in ipairs(names) do w.write(dir .. "/" .. name, w.bytes(3000)) end
  for i, name in ipairs(names) do
    c.ok(restore(w, vol, "s", { path = name }))
    c.ok(w.read(dir .. "/" .. name) == old[i], name)
  end
end }

c.case { "file_restore: beside the original, which stays", run = function(w)
  local vol, dir = w:volume()
  local old = w.write(dir .. "/d/disk.img")
  c.ok(w.client:snapshot_create(vol, "s"))
  local new = w.write(dir .. "/d/disk.img")
  c.ok(restore(w, vol, "s", { path = "d/disk.img", to = "d/disk.restored.img" }))
  c.ok(w.read(dir .. "/d/disk.restored.img") == old, "the old bytes beside it")
  c.ok(w.read(dir .. "/d/disk.img") == new, "the original is as it was")
end }

c.case { "file_restore: a snapshot or a file in it that is not there is not found", run = function(w)
  local vol, dir = w:volume()
  local data = w.write(dir .. "/disk.img")
  c.ok(w.client:snapshot_create(vol, "s"))
  local value, e = restore(w, vol, "nosnap", { path = "disk.img" })
  c.fails(value, e, "not_found", "nosnap")
  value, e = restore(w, vol, "s", { path = "none.img" })
  c.fails(value, e, "not_found", "none.img")
  value, e = restore(w, "nowhere", "s", { path = "disk.img" })
  c.fails(value, e, "not_found", "nowhere")
  c.ok(w.read(dir .. "/disk.img") == data, "nothing was written")
end }

c.case { "file_restore: what is no file's path is refused before anything is sent", run = function(w)
  local vol = w:volume()
  c.ok(w.client:snapshot_create(vol, "s"))
  w:begin()
  for _, path in ipairs { "", "/", ".", "..", "../x", "a/../b", "a//b", "a/", ".snapshot/s/x", "/etc/x", "a/.snapshot/x" } do
    local value, e = w.client:file_restore(vol, "s", { path = path })
    c.fails(value, e, "invalid")
    value, e = w.client:file_restore(vol, "s", { path = "good", to = path })
    c.fails(value, e, "invalid")
  end
  c.fails(nil, select(2, w.client:file_restore(vol, "", { path = "good" })), "invalid")
  c.fails(nil, select(2, w.client:file_restore("", "s", { path = "good" })), "invalid")
  c.eq(w:requests().changing, 0)
end }

c.case { "file_restore: a mirror's destination and an offline volume are a conflict", run = function(w)
  for _, vol in ipairs { "mirrored", "off" } do
    local value, e = restore(w, vol, "s", { path = "x" })
    c.eq(value, nil)
    c.ok(e.code == "conflict" or e.code == "not_found", tostring(e))
    c.fails(nil, e, e.code, vol)
  end
end }

c.case { "while a restore runs its snapshot is busy; deleted before the job begins, the restore fails", run = function(w)
  local vol, dir = w:volume()
  local old = w.write(dir .. "/disk.img", w.bytes(1 << 20))
  c.ok(w.client:snapshot_create(vol, "s"))
  local new = w.write(dir .. "/disk.img", w.bytes(1 << 20))
  local begun = c.ok(w.client:file_restore(vol, "s", { path = "disk.img" }))
  local status = c.ok(w.client:restore_status { volume = vol, path = "disk.img", job = begun.job })
  local gone, e = w.client:snapshot_delete(vol, "s")
  local ended, problem = w:restore_end { volume = vol, path = "disk.img", job = begun.job }
  local now = w.read(dir .. "/disk.img")
  if not gone then
    c.fails(gone, e, "busy", "s")
    c.ok(ended, problem)
    c.ok(now == old, "the old bytes")
    c.eq(w.client:snapshot_delete(vol, "s"), true)
  elseif not ended then                                  -- over REST the job may still have been queued
    c.fails(ended, problem, "not_found")
    c.ok(w:is "rest" and now == new, "nothing was written")
  else
    c.ok(status.running == 0 or now == old, "it had ended")
  end
end }

c.case { "restore_status: of the whole SVM", rest = "jobs are known one by one", run = function(w)
  local status = c.ok(w.client:restore_status())
  c.shape(status, { running = "integer", limit = "integer?" })
  c.eq(status.running, 0)
end }

c.case { "file_info: size, type, time, of a live file and of one in a snapshot", run = function(w)
  local vol, dir = w:volume()
  w.write(dir .. "/web 01/disk.img", w.bytes(12345))
  c.ok(w.client:snapshot_create(vol, "s"))
  w.write(dir .. "/web 01/disk.img", w.bytes(23456))
  local mtime = math.floor(file.stat(dir .. "/web 01/disk.img").mtime)
  local info = c.ok(w.client:file_info("/vol/" .. vol .. "/web 01/disk.img"))
  c.shape(info, { size = 23456, type = "file", modified = function(t) return math.abs(t - mtime) <= 1 end })
  info = c.ok(w.client:file_info("/vol/" .. vol .. "/.snapshot/s/web 01/disk.img"))
  c.eq({ info.size, info.type }, { 12345, "file" })
  c.eq(c.ok(w.client:file_info("/vol/" .. vol .. "/web 01")).type, "directory")
end }

c.case { "file_info: a file that is not there is not found", run = function(w)
  local vol = w:volume()
  local value, e = w.client:file_info("/vol/" .. vol .. "/none.img")
  c.fails(value, e, "not_found", "none.img")
  value, e = w.client:file_info("/vol/nowhere/none.img")
  c.fails(value, e, "not_found", "nowhere")
end }

c.case { "lun_restore: in place: bytes back, serial, uuid and maps stay, no other LUN touched", run = function(w)
  local vol, path, disk = w:lun()
  local other = w:new_lun(vol, "other")
  local old = w.write(disk)
  c.ok(w.client:snapshot_create(vol, "s"))
  w.write(disk)
  local stays = w.write(other)
  w:igroup("ig_restore")
  c.ok(w.client:lun_map(path, "ig_restore"))
  local before, inode = c.ok(w.client:luns { path = path })[1], file.stat(disk).inode
  c.ok(restore_lun(w, path, "s"))
  local after = c.ok(w.client:luns { path = path })[1]
  c.ok(w.read(disk):sub(1, #old) == old, "the old bytes are back")
  c.eq({ after.serial, after.uuid, after.size, after.mapped, after.online },
    { before.serial, before.uuid, before.size, true, true })
  c.eq(file.stat(disk).inode, inode)
  c.ok(w.read(other):sub(1, #stays) == stays, "the other LUN is as it was")
  c.eq(#c.ok(w.client:lun_maps { path = path }), 1)
  c.ok(w.client:lun_unmap(path, "ig_restore"))
end }

c.case { "lun_restore: from another LUN's place in the snapshot: serial, uuid and maps stay", run = function(w)
  local vol, path, disk = w:lun()
  local other = w:new_lun(vol, "fetched")
  local wanted = w.write(other)
  c.ok(w.client:snapshot_create(vol, "s"))
  local stays = w.write(other)
  w.write(disk)
  local before = c.ok(w.client:luns { path = path })[1]
  c.ok(restore_lun(w, path, "s", { from = "fetched" }))
  local after = c.ok(w.client:luns { path = path })[1]
  c.ok(w.read(disk):sub(1, #wanted) == wanted, "the bytes of the other one are there")
  c.eq({ after.serial, after.uuid }, { before.serial, before.uuid })
  c.ok(w.read(other):sub(1, #stays) == stays, "the other LUN is as it was")
  for _, from in ipairs { "", "../x", ".snapshot/s/fetched" } do
    c.fails(nil, select(2, w.client:lun_restore(path, "s", { from = from })), "invalid")
  end
end }

c.case { "lun_restore: in a qtree", run = function(w)
  local vol, path, disk = w:qtree_lun()
  local old = w.write(disk)
  c.ok(w.client:snapshot_create(vol, "s"))
  w.write(disk)
  c.ok(restore_lun(w, path, "s"))
  c.ok(w.read(disk):sub(1, #old) == old, "the old bytes are back")
end }

c.case { "lun_restore: a LUN or a snapshot that is not there is not found", run = function(w)
  local vol, path, disk = w:lun()
  local data = w.write(disk)
  c.ok(w.client:snapshot_create(vol, "s"))
  local value, e = restore_lun(w, path, "nosnap")
  c.fails(value, e, "not_found", "nosnap")
  value, e = restore_lun(w, "/vol/" .. vol .. "/none", "s")
  c.fails(value, e, "not_found", "/vol/" .. vol .. "/none")
  c.ok(w.read(disk):sub(1, #data) == data, "nothing was written")
end }

c.case { "lun_restore: what is no LUN's path is refused before anything is sent", run = function(w)
  for _, path in ipairs { "", "/vol", "/vol/", "/vol/s0001", "/vol/s0001/", "lun0", "/vol/s0001/../x",
    "/vol/s0001/.snapshot/s/lun0" } do
    c.fails(nil, select(2, w.client:lun_restore(path, "s")), "invalid")
  end
  c.fails(nil, select(2, w.client:lun_restore("/vol/s0001/lun0", "")), "invalid")
  c.eq(w:requests().changing, 0)
end }

-- One line of the table that the runner prints: what was restored, its checksum before, when spoiled, and after.
local function sums(w, kind, disk, spoil, bring_back)
  local before = w.sum(disk)
  spoil()
  local spoiled = w.sum(disk)
  c.ok(bring_back())
  local after = w.sum(disk)
  c.eq({ after == before, spoiled == before }, { true, false })
  c.say(("restored %s %s %s %s"):format(kind, before:sub(1, 16), spoiled:sub(1, 16), after:sub(1, 16)))
end

c.case { "a file restored, by checksum", run = function(w)
  local vol, dir = w:volume()
  local disk = dir .. "/web01/vda.raw"
  w.write(disk, w.bytes(4 << 20))
  c.ok(w.client:snapshot_create(vol, "s"))
  sums(w, "file", disk, function() w.write(disk, w.bytes(1 << 20)) end,
    function() return restore(w, vol, "s", { path = "web01/vda.raw" }) end)
end }

c.case { "a LUN restored, by checksum", run = function(w)
  local vol, path, disk = w:lun()
  w.write(disk, w.bytes(262144))
  c.ok(w.client:snapshot_create(vol, "s"))
  sums(w, "LUN", disk, function() w.write(disk, w.bytes(100000)) end, function() return restore_lun(w, path, "s") end)
end }
