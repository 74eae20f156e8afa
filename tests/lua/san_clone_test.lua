-- A clone of a LUN on this host for a while: the order in which it is made and taken away, and what is left when the next
-- step fails. Host and controller answer as told; `make lab` has both for real.
local clock = require "engine.clock"
local file = require "engine.file"
local lun = require "engine.lun"
local multipath = require "engine.multipath"
local err = require "std.err"
local log = require "std.log"
local san = require "std.san"
local t = require "std.test"

log.open { quiet = true }

local STATE = (os.getenv("MOON_TEST_TMP") or "/tmp") .. "/san_clone"
local ID, SERIAL = "20260101000000-1", "80bqm]PvhKox"
local CLONE = "/vol/v1/one_moonsnap_" .. ID
local WWID = assert(lun.wwid(SERIAL))
local OBJECT = { controller = "svm1", volume = "v1", path = "one", mapping = "/vol/v1/one", device = "/dev/dm-0" }

local steps, fails -- what was done, in order; which steps fail, and how
local function step(name, answer)
  return function()
    steps[#steps + 1] = name
    local code = fails[name]
    if code then return nil, err.new(code, name .. " fails", { source = "ontap", native = code ~= "timeout" and 1 or nil }) end
    if answer ~= nil then return answer end
    return true
  end
end

-- luacheck: push ignore
multipath.flush, lun.remove, lun.scan = step "flush", step "remove", step "scan"
multipath.find = function() return { device = "dm-7", usable = 2, size = 4096 } end
-- luacheck: pop

local noted -- whether the catalog had the clone when the controller was asked for it

local function run(failing)
  steps, fails, noted = {}, failing or {}, nil
  local client = {
    lun_maps = function() return { { igroup = "kvm" } } end,
    luns = function() return { { path = CLONE, uuid = "u7", serial = SERIAL } } end,
    lun_clone = function(...)
      for _, name in ipairs(file.list(STATE .. "/catalog/p/c") or {}) do
        noted = noted or assert(file.read(STATE .. "/catalog/p/c/" .. name)):find(CLONE, 1, true) ~= nil
      end
      return step "clone"(...)
    end,
    lun_map = step "map", lun_unmap = step "unmap", lun_delete = step "delete",
  }
  local c = { name = "svm1", client = client }
  return { id = ID, started = clock.now(), profile = "p", config_name = "c", dirs = { state = STATE },
    controllers = { c, svm1 = c }, cfg = { get = function() return nil end } }
end
local function left() return #(file.list(STATE .. "/catalog/p/c") or {}) end

t.case("it is noted, made, mapped, looked for, used; then map, disks, mapping and LUN go, in this order", function()
  local got, clone = san.with_clone(run(), OBJECT, "s1", function(device, clone)
    steps[#steps + 1] = "use " .. device
    return "done", clone
  end)
  t.eq(steps, { "clone", "map", "scan", "use /dev/dm-7", "flush", "remove", "unmap", "delete" })
  t.eq({ got, clone.path, clone.wwid, clone.uuid, clone.size }, { "done", CLONE, WWID, "u7", 4096 })
  t.eq({ noted, left() }, { true, 0 })
end)

t.case("whatever is done with it, it goes", function()
  local ctx = run()
  local ok, failed = pcall(san.with_clone, ctx, OBJECT, "s1", function() error("broken", 0) end)
  t.eq({ ok, tostring(failed) }, { false, "broken" })
  t.eq(steps, { "clone", "map", "scan", "flush", "remove", "unmap", "delete" })
  t.eq(left(), 0)
end)

t.case("what is made so far goes when the next step fails", function()
  for _, case in ipairs {
    { { clone = "no_space" }, { "clone" } },                                 -- refused: there is nothing
    { { clone = "timeout" }, { "clone", "delete" } },                        -- no answer: it may be there
    { { map = "denied" }, { "clone", "map", "unmap", "delete" } },
    { { scan = "io" }, { "clone", "map", "scan", "flush", "remove", "unmap", "delete" } },
  } do
    local ok, failed = san.with_clone(run(case[1]), OBJECT, "s1", function() error("not reached") end)
    t.eq(ok, nil)
    t.eq(failed.scf, "STORAGE-02046")
    t.eq(steps, case[2], failed.message)
    t.eq(left(), 0)
  end
end)

t.case("what is gone by itself is no reason to forget what is not", function()
  for _, name in ipairs { "unmap", "delete" } do
    local clone = assert(require("std.san_clone").open(run(), OBJECT, "s1"))
    steps, fails = {}, { [name] = "not_found" }
    t.ok(clone:close())
    t.eq(steps, { "flush", "remove", "unmap", "delete" }, name)
    t.eq(left(), 0, name)
  end
  local clone = assert(require("std.san_clone").open(run(), OBJECT, "s1"))
  local remove = lun.remove
  steps, fails = {}, { remove = "not_found" } -- of two disks one went while it was looked at
  lun.remove = function(...) -- luacheck: ignore
    local ok, failed = remove(...)
    fails = {}
    return ok, failed
  end
  local ok = clone:close()
  lun.remove = remove -- luacheck: ignore
  t.ok(ok)
  t.eq(steps, { "flush", "remove", "flush", "remove", "unmap", "delete" })
end)

t.case("a map that this host cannot give up keeps its LUN, mapped and in the catalog", function()
  for _, case in ipairs {
    { "flush", { "flush" } }, { "remove", { "flush", "remove" } }, { "unmap", { "flush", "remove", "unmap" } },
    { "delete", { "flush", "remove", "unmap", "delete" } } } do
    local clone = assert(require("std.san_clone").open(run(), OBJECT, "s1"))
    steps, fails = {}, { [case[1]] = "io" }
    local ok, failed = clone:close()
    t.err(ok, failed, "io", case[1] == "delete" and "is left, not mapped" or "is left, mapped to kvm")
    t.ok(failed.message:find(CLONE, 1, true), failed.message)
    t.eq(failed.scf, "STORAGE-02049")
    t.eq(steps, case[2], case[1])
    t.eq(left(), 1)
    steps, fails = {}, {}
    t.ok(clone:close())
    t.eq(left(), 0)
    steps = {}
    t.ok(clone:close())
    t.eq(steps, {}, "closed once")
  end
end)

t.case("a clone is forgotten only when it is gone itself", function()
  local clones, removal, find = require "std.clones", require "std.clone_removal", multipath.find
  multipath.find = function() return nil, err.new("not_found", "no map") end -- luacheck: ignore
  for _, gone in ipairs { false, true } do
    local ctx, there = run { unmap = "not_found" }, true
    local client = ctx.controllers.svm1.client
    local unmap = client.lun_unmap
    client.luns = function() return { there and { path = CLONE, uuid = "u7", serial = SERIAL } or nil } end
    client.lun_unmap = function()
      there = not gone
      return unmap()
    end
    local entry = { kind = "lun", controller = "svm1", name = CLONE, parent = "/vol/v1/one", uuid = "u7", igroup = "kvm" }
    local record = clones.begin_temporary(ctx, "s1")
    record.clones[1] = entry
    assert(clones.save(ctx, record))
    local clone = { record = record, entry = entry }
    for key, value in pairs(entry) do clone[key] = value end
    local ok, failed = removal.remove(ctx, clone)
    if gone then t.ok(ok) else t.err(ok, failed, "not_found", "is left") end
    t.eq({ left(), #record.clones }, gone and { 0, 0 } or { 1, 1 })
    record.clones = {}
    if not gone then assert(clones.save(ctx, record)) end
  end
  multipath.find = find -- luacheck: ignore
end)

return t.done()
