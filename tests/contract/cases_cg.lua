-- Snapshots of several volumes at one moment.
local c = require "contract"
local task = require "std.task"

-- Two volumes that a group may be made of, with a file each.
local function pair(w)
  local a, dir_a = w:volume()
  local b, dir_b = w:volume()
  return { a, b }, { w.write(dir_a .. "/disk"), w.write(dir_b .. "/disk") }, { dir_a, dir_b }
end

-- REST needs an object that names the volumes.
local function group(w, volumes)
  if w:is "zapi" then return end
  w.groups = (w.groups or 0) + 1
  w:group("cg" .. w.groups, volumes)
end

local function names(w, volumes)
  local out = {}
  for i, vol in ipairs(volumes) do out[i] = c.column(c.ok(w.client:snapshots(vol))) end
  return out
end

local OBJECT, TWO_PHASE = { rest = "9.10.1" }, { rest = "9.11.1" }

c.case { "cg_start, cg_commit: the snapshot is on every volume, with the bytes of the start", since = OBJECT,
  run = function(w)
    local volumes, old, dirs = pair(w)
    group(w, volumes)
    local cg = c.ok(w.client:cg_start(volumes, "cgs", { timeout = 10 }))
    c.shape(cg, { id = "string", committed = w:is "rest" and w.version < 91101 })
    for _, dir in ipairs(dirs) do w.write(dir .. "/disk") end
    if not cg.committed then c.eq(w.client:cg_commit(cg.id), true) end
    c.eq(names(w, volumes), { { "cgs" }, { "cgs" } })
    for i, dir in ipairs(dirs) do c.ok(w.read(dir .. "/.snapshot/cgs/disk") == old[i], "bytes of volume " .. i) end
  end }

c.case { "cg_start: comment and label are on every snapshot", since = OBJECT, run = function(w)
  local volumes = pair(w)
  group(w, volumes)
  local cg = c.ok(w.client:cg_start(volumes, "cgs", { comment = "vm=db01", label = "daily" }))
  if not cg.committed then c.ok(w.client:cg_commit(cg.id)) end
  for _, vol in ipairs(volumes) do
    local row = c.ok(w.client:snapshots(vol))[1]
    c.eq({ row.comment, row.label }, { "vm=db01", "daily" })
  end
end }

c.case { "cg_commit: too late: an error, and no snapshot is left on any volume", since = TWO_PHASE, slow = true,
  run = function(w)
    local volumes = pair(w)
    group(w, volumes)
    local cg = c.ok(w.client:cg_start(volumes, "late", { timeout = 5 }))
    c.eq(cg.committed, false)
    task.sleep(2.1)                     -- the simulator's fence falls after two seconds
    local value, e = w.client:cg_commit(cg.id)
    c.eq(value, nil)
    c.ok(e.code == "partial" or e.code == "timeout" or e.code == "not_found", tostring(e))
    c.fails(nil, e, e.code)
    c.eq(names(w, volumes), { {}, {} })
  end }

c.case { "cg_commit: an id that nobody gave fails", since = TWO_PHASE, run = function(w)
  local value, e = w.client:cg_commit(w:is "zapi" and "987654" or
    "00000000-0000-0000-0000-000000000001/00000000-0000-0000-0000-000000000002")
  c.eq(value, nil)
  c.fails(nil, e, e.code)
end }

c.case { "cg: one volume that cannot make its snapshot fails the whole, by name", since = OBJECT, run = function(w)
  local volumes = pair(w)
  group(w, volumes)
  c.ok(w.client:snapshot_create(volumes[2], "cgs"))
  local cg, e = w.client:cg_start(volumes, "cgs")
  if cg and not cg.committed then cg, e = w.client:cg_commit(cg.id) end
  c.eq(cg, nil)
  c.ok(e.code == "exists" or e.code == "partial", tostring(e))
  c.fails(nil, e, e.code)
end }

c.case { "cg_commit: passed, but one volume has no snapshot: partial, and names it", since = TWO_PHASE, run = function(w)
  local volumes = pair(w)
  group(w, volumes)
  w:fault("cg_commit", { action = "lose", volume = volumes[2] })
  local cg = c.ok(w.client:cg_start(volumes, "cgs"))
  local value, e = w.client:cg_commit(cg.id)
  c.fails(value, e, "partial", volumes[2])
end }

c.case { "cg_commit: its answer is lost, carried out or not: sent once more, and the group is there", since = TWO_PHASE,
  run = function(w)
    for _, after in ipairs { true, false } do
      local volumes = pair(w)
      group(w, volumes)
      local cg = c.ok(w.client:cg_start(volumes, "cgs"))
      w:fault("cg_commit", { action = "drop", after = after or nil, count = 1 })
      c.eq(w.client:cg_commit(cg.id), true)
      w:finish()
      c.eq(names(w, volumes), { { "cgs" }, { "cgs" } })
    end
  end }

c.case { "cg_start: a volume that is not there is not found", since = OBJECT, run = function(w)
  local volumes = pair(w)
  local value, e = w.client:cg_start({ volumes[1], "nowhere" }, "cgs")
  c.eq(value, nil)
  c.ok(e.code == "not_found" or e.code == "unsupported", tostring(e))
  c.fails(nil, e, e.code)
  c.eq(names(w, { volumes[1] }), { {} })
end }

c.case { "cg_start: a time outside 5 to 120 s, no volumes, no name: invalid, nothing is sent", run = function(w)
  for _, timeout in ipairs { 0, 4, 121, -1 } do
    c.fails(nil, select(2, w.client:cg_start({ "plain" }, "s", { timeout = timeout })), "invalid")
  end
  c.fails(nil, select(2, w.client:cg_start({}, "s")), "invalid")
  c.fails(nil, select(2, w.client:cg_start({ "plain" }, "")), "invalid")
  c.eq(w:requests().changing, 0)
end }

c.case { "cg_start over REST without a group object: says what would serve", zapi = "ONTAPI needs no object",
  run = function(w)
    local volumes = pair(w)
    local value, e = w.client:cg_start(volumes, "cgs")
    c.fails(value, e, "unsupported", "consistency group")
    c.eq(names(w, volumes), { {}, {} })
  end }

c.case { "cg_groups: name, uuid, SVM, volumes", since = OBJECT, zapi = "ONTAPI has no such object", run = function(w)
  local volumes = pair(w)
  group(w, volumes)
  local row = c.row(c.ok(w.client:cg_groups()), "cg" .. w.groups)
  c.shape(row, { name = "cg" .. w.groups, uuid = c.uuid, svm = "svm1", volumes = function(list)
    table.sort(list)
    return #list == 2 and list[1] == volumes[1] and list[2] == volumes[2]
  end })
end }

c.case { "cg_groups: unsupported over ONTAPI", rest = "REST has groups", run = function(w)
  c.fails(nil, select(2, w.client:cg_groups()), "unsupported")
end }

c.case { "cg_groups and cg_start: unsupported over REST before 9.10.1", zapi = "ONTAPI needs no object",
  cell = function(w)
    if not w:is "rest" then return w.absent or "ONTAPI needs no object" end
    if w.version >= 91001 then return "this release has groups" end
  end, run = function(w)
    c.fails(nil, select(2, w.client:cg_groups()), "unsupported", "9.10.1")
    c.fails(nil, select(2, w.client:cg_start({ "plain", "deep" }, "s")), "unsupported", "9.10.1")
  end }
