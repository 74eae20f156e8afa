--- A rolling backup: guests are parted into groups by the volumes that they share, and each group stands still,
-- is snapshotted and runs again by itself, a few groups at a time.
-- @module std.rolling

local plan = require "engine.plan"
local err = require "std.err"
local log = require "std.log"
local pausing = require "std.pausing"
local task = require "std.task"

local rolling = {}

local function key_of(v) return v.controller .. ":" .. v.volume end

--- Whether a run is one. Snapshots that other products make are taken over without any pause.
-- @tparam table ctx
-- @treturn boolean
function rolling.wanted(ctx)
  return ctx.cfg:get("KVM_QUIESCE_MODE") == "rolling" and (ctx.way or "controller") == "controller"
end

-- The representative of a set; sets are trees by `parent`.
local function root(parent, key)
  while parent[key] ~= key do
    parent[key] = parent[parent[key]]
    key = parent[key]
  end
  return key
end

--- The connected components of guests and volumes, in the order of the guests; volumes on which no guest stands
-- still come last, as one group. Guests that are taken as they run connect nothing.
-- @tparam {table,...} guests with name and disks={{object={controller=,volume=}},...}
-- @tparam {{controller=string,volume=string},...} volumes
-- @tparam function stands called with a guest: whether it is to stand still
-- @treturn {{guests={table,...},volumes={table,...}},...}
function rolling.groups(guests, volumes, stands)
  local parent, known = {}, {}
  for _, v in ipairs(volumes) do parent[key_of(v)], known[key_of(v)] = key_of(v), true end
  local function keys_of(guest)
    local keys = {}
    for _, disk in ipairs(guest.disks) do
      if known[key_of(disk.object)] then keys[#keys + 1] = key_of(disk.object) end
    end
    return keys
  end
  for _, guest in ipairs(guests) do
    local keys = stands(guest) and keys_of(guest) or {}
    for i = 2, #keys do parent[root(parent, keys[i])] = root(parent, keys[1]) end
  end
  local groups, by_root, idle = {}, {}, { guests = {}, volumes = {} }
  for _, guest in ipairs(guests) do
    local first = keys_of(guest)[1]
    if first and stands(guest) then
      local at = root(parent, first)
      if not by_root[at] then
        by_root[at] = { guests = {}, volumes = {} }
        groups[#groups + 1] = by_root[at]
      end
      table.insert(by_root[at].guests, guest)
    else
      table.insert(idle.guests, guest) -- looked at all the same, so that its state is known
    end
  end
  for _, v in ipairs(volumes) do
    table.insert((by_root[root(parent, key_of(v))] or idle).volumes, v)
  end
  if #idle.volumes + #idle.guests > 0 then groups[#groups + 1] = idle end
  return groups
end

-- The names of KVM_ANTI_AFFINITY that one set has in both lists of guests; for a list with itself, two different ones.
local function together(sets, a, b)
  local function has(list, name)
    for _, guest in ipairs(list) do
      if guest.name == name then return true end
    end
    return false
  end
  for _, set in ipairs(sets) do
    for i, one in ipairs(set) do
      for k, other in ipairs(set) do
        if i ~= k and has(a, one) and has(b, other) then return one, other end
      end
    end
  end
  return nil
end

--- Part groups into waves: of two groups in one wave no guests must be kept apart. A wave begins when the one before
-- has ended.
-- @tparam {table,...} groups
-- @tparam {{string,...},...} sets of KVM_ANTI_AFFINITY
-- @treturn {{group,...},...}
function rolling.waves(groups, sets)
  local waves = {}
  for _, group in ipairs(groups) do
    local at
    for _, wave in ipairs(waves) do
      local free = true
      for _, other in ipairs(wave) do
        if together(sets, group.guests, other.guests) then free = false end
      end
      if free then
        at = wave
        break
      end
    end
    if not at then
      at = {}
      waves[#waves + 1] = at
    end
    at[#at + 1] = group
  end
  return waves
end

local function stands(ctx)
  return function(guest) return pausing.wanted(ctx, guest) ~= "none" end
end

local function volumes_of(group)
  local names = {}
  for i, v in ipairs(group.volumes) do names[i] = key_of(v) end
  return table.concat(names, ", ")
end

--- Plan a rolling run: `ctx.groups`, `ctx.waves`. Waits for nothing.
-- @tparam table ctx with guests and data_volumes
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00018, exit 2: guests that must be kept apart share a volume
function rolling.prepare(ctx)
  local sets = ctx.cfg:get("KVM_ANTI_AFFINITY") or {}
  ctx.groups = rolling.groups(ctx.guests, ctx.data_volumes, stands(ctx))
  for _, group in ipairs(ctx.groups) do
    local one, other = together(sets, group.guests, group.guests)
    if one and stands(ctx)(group.guests[1]) then
      return nil, err.coded("kvm-00018", ("%s: KVM_ANTI_AFFINITY: guests '%s' and '%s' are connected by volume(s) %s")
        :format(ctx.cfg:where("KVM_ANTI_AFFINITY"), one, other, volumes_of(group)), nil, { code = "conflict", exit = 2 })
    end
  end
  ctx.waves = rolling.waves(ctx.groups, sets)
  for i, group in ipairs(ctx.groups) do
    local names = {}
    for k, guest in ipairs(group.guests) do names[k], guest.group = guest.name, i end
    log.info("Group %d of %d: guests %s; volumes %s", i, #ctx.groups, #names > 0 and table.concat(names, ", ") or "none",
      volumes_of(group))
  end
  return true
end

--- For an action that leaves all guests suspended: that guests which must be kept apart are not among them.
-- @tparam table ctx with guests
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err `conflict`, exit 2
function rolling.none(ctx)
  local standing = {}
  for _, guest in ipairs(ctx.guests) do
    if stands(ctx)(guest) then standing[#standing + 1] = guest end
  end
  local one, other = together(ctx.cfg:get("KVM_ANTI_AFFINITY") or {}, standing, standing)
  if one then
    return nil, err.new("conflict", ("%s: KVM_ANTI_AFFINITY: %s leaves all guests suspended together, also '%s' and '%s'; "
      .. "leave one out with KVM_EXCLUDE_VMS"):format(ctx.cfg:where("KVM_ANTI_AFFINITY"), ctx.action, one, other), { exit = 2 })
  end
  if rolling.wanted(ctx) then log.info("KVM_QUIESCE_MODE=rolling: %s suspends all guests at once", ctx.action) end
  return true
end

-- One group from the first suspend to the last resume. What could not be resumed is released again, and reported, at the
-- end of the run.
local function pass(ctx, group, snapshot)
  local released = false
  local _back <close> = setmetatable({}, { __close = function()
    if not released then ctx.guard:release(group.guests) end
  end })
  local ok, failed = ctx.guard:suspend(group.guests)
  if ok and #group.volumes > 0 then ok, failed = snapshot(group.volumes) end
  if not ok then return nil, failed end
  local disturbed = ctx.guard:disturbed(group.guests)
  local result = ctx.guard:release(group.guests)
  released = true
  for _, list in ipairs { disturbed, result.thawed } do table.move(list, 1, #list, #ctx.disturbed + 1, ctx.disturbed) end
  return true
end

--- Run the groups. After a failure no further group is begun; those under way are finished.
-- @tparam table ctx after `prepare`, with guard; `ctx.disturbed` is added to
-- @tparam function snapshot called with a group's volumes; gives true, or nil and an Err
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err of the first group that failed; all its guests run again
function rolling.run(ctx, snapshot)
  local first
  -- One by default: with 64 guests on eight volumes and two processors, the longest pause with two groups at a time is a
  -- fifth longer, since what one group does keeps the other one waiting; with 32, four make it two fifths longer. Two make
  -- the run a quarter shorter, four no more than that. More are of use where there are processors for them.
  local limit = plan.active() and 1 or ctx.cfg:get("KVM_QUIESCE_GROUPS")
  for _, wave in ipairs(ctx.waves) do
    local done, cancelled = task.map(wave, function(group)
      if first then return true end
      local ok, failed = pass(ctx, group, snapshot)
      if not ok then first = first or failed end
      return true
    end, { limit = limit, collect = true })
    if not done then return nil, cancelled end
    for _, outcome in ipairs(done) do
      if not outcome.ok then first = first or outcome.err end
    end
    if first then return nil, first end
  end
  return true
end

return rolling
