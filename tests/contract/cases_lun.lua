-- LUNs by path and by serial number, igroups, maps, online and offline, delete.
local c = require "contract"
local clock = require "engine.clock"
local file = require "engine.file"

c.case { "luns: every field", run = function(w)
  local vol, path = w:lun()
  local rows = c.ok(w.client:luns { path = path })
  c.eq(#rows, 1)
  c.shape(rows[1], { path = path, volume = vol, svm = "svm1", serial = function(s) return #s == 12 end, uuid = c.uuid,
    size = 262144, used = function(n) return math.type(n) == "integer" and n >= 0 and n <= 262144 end, online = true,
    mapped = false, os_type = "linux",
    created = function(t) return t == nil or math.type(t) == "integer" and t > 1e9 and t <= clock.now() + 1 end,
    qtree = "string?", comment = "string?" })
  c.eq(rows[1].qtree, nil)
end }

c.case { "luns: by volume; by path that is not there an empty list", run = function(w)
  local vol, path = w:lun()
  w:new_lun(vol, "second")
  c.eq(c.column(c.ok(w.client:luns { volume = vol }), "path"), { path, "/vol/" .. vol .. "/second" })
  c.eq(c.ok(w.client:luns { path = "/vol/" .. vol .. "/none" }), {})
  c.eq(c.ok(w.client:luns { volume = "nowhere" }), {})
end }

c.case { "luns: in a qtree", run = function(w)
  local vol, path = w:qtree_lun()
  local row = c.row(c.ok(w.client:luns { volume = vol }), path, "path")
  c.eq({ row.qtree, row.volume }, { "qt_db", vol })
  c.eq(#c.ok(w.client:luns { path = path }), 1)
end }

c.case { "luns: by serial number, whatever characters it holds", run = function(w)
  local rows = c.ok(w.client:luns { volume = "odd" })
  c.eq(#rows, 8)
  for _, row in ipairs(rows) do
    local found = c.ok(w.client:luns { serial = row.serial })
    c.eq({ #found, found[1] and found[1].path }, { 1, row.path }, "serial " .. row.serial)
  end
  local serials = c.column(rows, "serial")
  for _, want in ipairs { "80BeR$M7hQw?", "80BeR*M7hQwA", "800&b%d#fg+i", "[800]Rj0Gde!", "80^a~b@c/d-e", "!80]Rj0Gd[?*",
    "80BeR$M7hQwA", "80BeR$M7hQwa" } do
    c.ok(table.concat(serials, " "):find(want, 1, true), want)
  end
end }

c.case { "luns: a serial that only a wildcard would match is not found", run = function(w)
  for _, serial in ipairs { "80BeR?M7hQwA", "************", "80BeR$M7hQw*", "!0BeR$M7hQwA", "80BeR$M7hQwB", ">80BeR$M7hQw",
    "|80BeR$M7hQw" } do
    c.eq(c.ok(w.client:luns { serial = serial }), {}, serial)
  end
end }

c.case { "luns: a serial of another length is invalid or not there, and asks for nothing odd", run = function(w)
  for _, serial in ipairs { "", "80", "80BeR$M7hQwA1" } do
    local rows, e = w.client:luns { serial = serial }
    if rows then c.eq(rows, {}) else c.fails(rows, e, "invalid") end
  end
end }

c.case { "igroups: name, protocol, OS, initiators", run = function(w)
  w:igroup("ig_list")
  c.shape(c.ok(w.client:igroups { name = "ig_list" })[1], { name = "ig_list", svm = "svm1", protocol = "iscsi",
    os_type = "linux", initiators = function(list) return #list == 1 and list[1] == "iqn.1994-05.com.redhat:ig_list" end })
  c.row(c.ok(w.client:igroups()), "ig_list")
  c.eq(c.ok(w.client:igroups { name = "none" }), {})
end }

c.case { "lun_map: the smallest free number, or the one asked for; the map in the list", run = function(w)
  local vol, path = w:lun()
  local _, second = w:new_lun(vol, "second")
  w:igroup("ig_map")
  c.eq(w.client:lun_map(path, "ig_map"), { id = 0 })
  c.eq(w.client:lun_map(second, "ig_map", { id = 12 }), { id = 12 })
  c.shape(c.ok(w.client:lun_maps { path = second })[1], { path = second, igroup = "ig_map", id = 12, svm = "svm1" })
  c.eq(c.column(c.ok(w.client:lun_maps { igroup = "ig_map" }), "path"), { path, second })
  c.eq(c.ok(w.client:luns { path = second })[1].mapped, true)
  c.ok(w.client:lun_unmap(path, "ig_map"))
  c.ok(w.client:lun_unmap(second, "ig_map"))
  c.eq(c.ok(w.client:lun_maps { igroup = "ig_map" }), {})
end }

c.case { "lun_map: mapped already, or a number in use, is a conflict", run = function(w)
  local vol, path = w:lun()
  local _, second = w:new_lun(vol, "second")
  w:igroup("ig_conflict")
  c.ok(w.client:lun_map(path, "ig_conflict", { id = 3 }))
  local value, e = w.client:lun_map(path, "ig_conflict")
  c.fails(value, e, "conflict", path)
  value, e = w.client:lun_map(second, "ig_conflict", { id = 3 })
  c.fails(value, e, "conflict", second)
  c.eq(#c.ok(w.client:lun_maps { igroup = "ig_conflict" }), 1)
end }

c.case { "lun_map: a LUN or an igroup that is not there is not found", run = function(w)
  local vol, path = w:lun()
  w:igroup("ig_here")
  local value, e = w.client:lun_map(path, "ig_none")
  c.fails(value, e, "not_found", "ig_none")
  value, e = w.client:lun_map("/vol/" .. vol .. "/none", "ig_here")
  c.fails(value, e, "not_found", "/vol/" .. vol .. "/none")
end }

c.case { "lun_unmap: true, also when it was not mapped", run = function(w)
  local _, path = w:lun()
  w:igroup("ig_unmap")
  c.ok(w.client:lun_map(path, "ig_unmap"))
  c.eq(w.client:lun_unmap(path, "ig_unmap"), true)
  c.eq(w.client:lun_unmap(path, "ig_unmap"), true)
  c.eq(c.ok(w.client:lun_maps { path = path }), {})
end }

c.case { "lun_offline, lun_online: true, also when it was so; maps stay", run = function(w)
  local _, path = w:lun()
  w:igroup("ig_off")
  c.ok(w.client:lun_map(path, "ig_off"))
  c.eq(w.client:lun_offline(path), true)
  c.eq(c.ok(w.client:luns { path = path })[1].online, false)
  c.eq(w.client:lun_offline(path), true)
  c.eq(#c.ok(w.client:lun_maps { path = path }), 1)
  c.eq(w.client:lun_online(path), true)
  c.eq(w.client:lun_online(path), true)
  c.eq(c.ok(w.client:luns { path = path })[1].online, true)
  c.ok(w.client:lun_unmap(path, "ig_off"))
end }

c.case { "lun_offline, lun_online, lun_delete: a LUN that is not there is not found", run = function(w)
  local vol = w:lun()
  local path = "/vol/" .. vol .. "/none"
  for _, verb in ipairs { "lun_offline", "lun_online", "lun_delete" } do
    local value, e = w.client[verb](w.client, path)
    c.fails(value, e, "not_found", path)
  end
end }

c.case { "lun_delete: gone, and its file; a neighbour stays", run = function(w)
  local vol, path, disk = w:lun()
  local _, second = w:new_lun(vol, "second")
  c.eq(w.client:lun_delete(path), true)
  c.eq(c.column(c.ok(w.client:luns { volume = vol }), "path"), { second })
  c.eq(file.stat(disk), nil)
end }

c.case { "lun_delete: mapped is a conflict; force deletes it", run = function(w)
  local _, path = w:lun()
  w:igroup("ig_delete")
  c.ok(w.client:lun_map(path, "ig_delete"))
  local value, e = w.client:lun_delete(path)
  c.fails(value, e, "conflict", path)
  c.eq(#c.ok(w.client:luns { path = path }), 1)
  c.eq(w.client:lun_delete(path, { force = true }), true)
  c.eq(c.ok(w.client:luns { path = path }), {})
end }

c.case { "lun_delete: with a uuid never another LUN that has the path now", run = function(w)
  local vol = w:lun()
  local _, path = w:new_lun(vol, "x")
  local first = c.ok(w.client:luns { path = path })[1].uuid
  c.ok(w.client:lun_delete(path, { uuid = first }))
  w:new_lun(vol, "x")
  local value, e = w.client:lun_delete(path, { uuid = first })
  c.fails(value, e, "conflict", path)
  c.eq(#c.ok(w.client:luns { path = path }), 1)
end }
