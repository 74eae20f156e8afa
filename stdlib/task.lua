--- Structured concurrency over the engine's tasks.
-- Whatever these functions start has ended when they return. The first failure cancels the rest.
-- @module std.task

local core = require "engine.task"
local err = require "engine.err"

local task = { sleep = core.sleep, cancelled = core.cancelled, limit = core.limit }

-- Cancels and waits for what is still running when the group is left, for whatever reason.
local function group()
  local members = {}
  return setmetatable({ members = members }, {
    __close = function()
      for _, t in ipairs(members) do t:cancel() end
      for _, t in ipairs(members) do
        if not t:done() then t:join() end
      end
    end,
  })
end

-- Whatever was raised, as an error object.
local function object_of(raised)
  if err.is(raised) then return raised end
  return err.new { code = "internal", message = raised == nil and "nil was raised" or tostring(raised) }
end

--- Call fn(item, index) for every item, at most `limit` at a time.
-- @tparam table list
-- @tparam function fn
-- @tparam[opt] {limit=integer,collect=boolean} opts limit: default 4; collect: do not stop at the
--   first failure, give every outcome
-- @treturn[1] table results in the list's order; with collect `{ok=, value=, err=}` each
-- @return[2] nil
-- @treturn[2] Err of the first call that failed, by returning nil and an error or by raising one
-- @raise when cancelled
-- @usage
-- local sizes = assert(require("std.task").map({ 1, 2, 3 }, function(n) return n * n end, { limit = 2 }))
-- assert(sizes[3] == 9)
function task.map(list, fn, opts)
  local limit = opts and opts.limit or 4
  if math.type(limit) ~= "integer" or limit < 1 then error("task.map: limit must be a positive integer", 2) end
  local collect = opts and opts.collect
  local results, failed, next_index = {}, nil, 1
  local g <close> = group()
  -- The first failure stops the others where they wait; the rest of the list is not begun.
  local function stop_others(me)
    for i, t in ipairs(g.members) do
      if i ~= me then t:cancel() end
    end
  end
  local function worker(me)
    while next_index <= #list and not failed do
      local i = next_index
      next_index = i + 1
      local called, value, problem = pcall(fn, list[i], i)
      if not called then value, problem = nil, object_of(value) end
      if collect then
        if not called and err.is(problem) and problem.code == "cancelled" then error(problem, 0) end
        results[i] = { ok = problem == nil and called, value = value, err = problem }
      elseif problem ~= nil or not called then
        if not failed then
          failed = problem
          stop_others(me)
        end
      else
        results[i] = value == nil and true or value
      end
    end
  end
  for i = 1, math.min(limit, #list) do g.members[i] = core.spawn(worker, i) end
  for _, t in ipairs(g.members) do
    local ok, problem = t:join()
    if not ok then failed = failed or object_of(problem) end
  end
  if failed then return nil, failed end
  return results
end

--- Run functions at the same time.
-- @tparam {function,...} fns
-- @treturn[1] table their first results
-- @return[2] nil
-- @treturn[2] Err
function task.all(fns)
  if #fns == 0 then return {} end
  return task.map(fns, function(fn) return fn() end, { limit = #fns })
end

--- Run functions at the same time; the first that ends decides, the others are cancelled.
-- @tparam {function,...} fns
-- @return what it returned, or nil and what it raised, as an error object
-- @raise when there are none, or when cancelled
-- @usage
-- local task = require "std.task"
-- local first = task.race { function() return "quick" end, function() return task.sleep(60) end }
-- assert(first == "quick")
function task.race(fns)
  if #fns == 0 then error("task.race: nothing to run", 2) end
  local g <close> = group()
  for i, fn in ipairs(fns) do g.members[i] = core.spawn(fn) end
  -- The engine says who has ended: one that memory ran out for can tell nobody.
  local out = table.pack(g.members[core.first(table.unpack(g.members))]:join())
  if out[1] then return table.unpack(out, 2, out.n) end
  return nil, object_of(out[2])
end

--- Call a function that must come to its end, such as what lets guests run again: when a cancel arrives in it, it is
-- called once more, and only then the cancel goes on. It must bear to be called twice.
-- @tparam function fn
-- @return what it returned
-- @raise what it raised
-- @usage
-- local task = require "std.task"
-- local guard <close> = setmetatable({}, { __close = function() task.insist(function() return task.sleep(0.01) end) end })
function task.insist(fn)
  local out = table.pack(pcall(fn))
  local raised = not out[1] and out[2]
  if raised and err.is(raised) and raised.code == "cancelled" then fn() end
  if raised then error(raised, 0) end
  return table.unpack(out, 2, out.n)
end

--- Run fn with a time limit.
-- @tparam number seconds
-- @tparam function fn
-- @return[1] what fn returned
-- @return[2] nil
-- @treturn[2] Err `timeout`
-- @usage
-- local task = require "std.task"
-- local done, late = task.timeout(0.05, function() return task.sleep(60) end)
-- assert(not done and late.code == "timeout")
function task.timeout(seconds, fn)
  local late = {}
  local out = table.pack(task.race {
    fn,
    function()
      core.sleep(seconds)
      return late
    end,
  })
  if out[1] == late then
    return nil, err.new { code = "timeout", message = ("not done within %g s"):format(seconds) }
  end
  return table.unpack(out, 1, out.n)
end

return task
