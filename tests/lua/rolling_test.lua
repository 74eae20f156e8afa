-- Groups of guests with common volumes, and the waves that keep guests apart.
local rolling = require "std.rolling"
local t = require "std.test"

local function volume(name)
  local controller, v = name:match("^(.-):(.*)$")
  return { controller = controller, volume = v }
end

local function guest(name, ...)
  local disks = {}
  for i, v in ipairs { ... } do disks[i] = { object = volume(v) } end
  return { name = name, disks = disks }
end

local function volumes(...)
  local list = {}
  for i, name in ipairs { ... } do list[i] = volume(name) end
  return list
end

-- "a b@c1:v1 c1:v2"
local function text(groups)
  local out = {}
  for i, group in ipairs(groups) do
    local names, places = {}, {}
    for k, g in ipairs(group.guests) do names[k] = g.name end
    for k, v in ipairs(group.volumes) do places[k] = v.controller .. ":" .. v.volume end
    out[i] = table.concat(names, " ") .. "@" .. table.concat(places, " ")
  end
  return out
end

local function all() return true end

t.case("guests on one volume are a group, others are not", function()
  t.eq(text(rolling.groups({ guest("a", "c:1"), guest("b", "c:2"), guest("d", "c:1") }, volumes("c:1", "c:2"), all)),
    { "a d@c:1", "b@c:2" })
end)

t.case("a guest on two volumes connects them, also over several steps", function()
  t.eq(text(rolling.groups({ guest("a", "c:1"), guest("b", "c:2"), guest("d", "c:3"), guest("e", "c:3", "c:2"),
    guest("f", "c:1", "c:2") }, volumes("c:1", "c:2", "c:3"), all)), { "a b d e f@c:1 c:2 c:3" })
end)

t.case("the same name on another controller is another volume", function()
  t.eq(text(rolling.groups({ guest("a", "c:1"), guest("b", "d:1") }, volumes("c:1", "d:1"), all)), { "a@c:1", "b@d:1" })
end)

t.case("volumes without guests come last, and guests that run connect nothing", function()
  local function stands(g) return g.name ~= "loose" end
  t.eq(text(rolling.groups({ guest("loose", "c:1", "c:2"), guest("a", "c:1"), guest("b", "c:2") },
    volumes("c:3", "c:1", "c:2"), stands)), { "a@c:1", "b@c:2", "loose@c:3" })
  t.eq(rolling.groups({}, {}, all), {})
end)

t.case("every volume and every guest is in one group only, in a thousand random scenes", function()
  math.randomseed(7)
  for _ = 1, 1000 do
    local names, guests = {}, {}
    for i = 1, math.random(1, 8) do names[i] = "c:" .. i end
    for i = 1, math.random(0, 10) do
      local on = {}
      for k = 1, math.random(1, 2) do on[k] = names[math.random(#names)] end
      guests[i] = guest("g" .. i, table.unpack(on))
    end
    local group_of, seen, count = {}, 0, 0
    local groups = rolling.groups(guests, volumes(table.unpack(names)), all)
    for i, group in ipairs(groups) do
      for _, v in ipairs(group.volumes) do
        t.eq(group_of[v.volume], nil)
        group_of[v.volume], seen = i, seen + 1
      end
      count = count + #group.guests
    end
    t.eq({ seen, count }, { #names, #guests })
    for i, group in ipairs(groups) do
      for _, g in ipairs(group.guests) do
        for _, disk in ipairs(g.disks) do t.eq(group_of[disk.object.volume], i) end
      end
    end
  end
end)

t.case("guests that are kept apart come in different waves", function()
  local groups = rolling.groups({ guest("a", "c:1"), guest("b", "c:2"), guest("d", "c:3"), guest("e", "c:4") },
    volumes("c:1", "c:2", "c:3", "c:4"), all)
  t.eq(#rolling.waves(groups, {}), 1)
  local waves = rolling.waves(groups, { { "a", "b", "e" } })
  t.eq({ text(waves[1]), text(waves[2]), text(waves[3]) },
    { { "a@c:1", "d@c:3" }, { "b@c:2" }, { "e@c:4" } })
end)

local function context(sets, guests, method)
  return {
    cfg = { where = function() return "kvm.conf:3" end,
      get = function(_, name)
        return ({ KVM_ANTI_AFFINITY = sets, KVM_QUIESCE_METHOD = { all = method or "suspend", map = {} } })[name]
      end },
    guests = guests, data_volumes = volumes("c:1", "c:2"), action = "quiesce",
  }
end

t.case("guests that are kept apart and share a volume are refused by name", function()
  local guests = { guest("a", "c:1"), guest("b", "c:1", "c:2"), guest("d", "c:2") }
  local value, err = rolling.prepare(context({ { "x", "y" }, { "a", "d" } }, guests))
  t.err(value, err, "conflict")
  t.eq({ err.scf, err.exit }, { "kvm-00018", 2 })
  t.ok(err.message:find("kvm.conf:3: KVM_ANTI_AFFINITY: guests 'a' and 'd' are connected by volume(s) c:1, c:2", 1, true),
    err.message)
  t.ok(rolling.prepare(context({ { "a", "d" } }, guests, "none")))
  t.ok(rolling.prepare(context({ { "a", "x" } }, guests)))
end)

t.case("an action that leaves all suspended refuses two of a set", function()
  local guests = { guest("a", "c:1"), guest("d", "c:2") }
  local value, err = rolling.none(context({ { "a", "d" } }, guests))
  t.err(value, err, "conflict")
  t.eq(err.exit, 2)
  t.ok(rolling.none(context({ { "a", "x" } }, guests)))
end)

return t.done()
