--- Questions on a terminal: numbered menus.
-- A question keeps the lock of its config, so that it does not wait for ever: a person who went home must not keep
-- the night's backup from running.
-- @module std.menu

local process = require "engine.process"
local blanks = require "std.blanks"
local err = require "std.err"
local report = require "std.report"
local task = require "std.task"

local menu = {}

local ANSWER_LIMIT = 600 -- seconds
local TRIES = 5

--- Whether somebody can be asked: a terminal on both sides, and nobody said not to ask.
-- @tparam table ctx
-- @treturn boolean
function menu.possible(ctx)
  return not ctx.opts.nonInteractive and process.isatty(0) and process.isatty(2)
end

local function cancelled(why)
  return nil, err.new("cancelled", why .. "; nothing was changed", { exit = 2 })
end

--- Ask for one line. Waits for a person, at most ten minutes.
-- @tparam string prompt
-- @treturn[1] string without blanks round it
-- @return[2] nil
-- @treturn[2] Err `cancelled`, exit 2: the input ended, or nobody answered
function menu.ask(prompt)
  io.stderr:write(prompt)
  io.stderr:flush()
  local answer, failed = task.timeout(ANSWER_LIMIT, process.read_line)
  if answer then return blanks.trim(answer) end
  if failed.code == "timeout" then return cancelled("no answer in 10 minutes") end
  return cancelled("no answer")
end

--- What an answer chooses from a menu.
-- @tparam string answer "2", with `many` also "1,3", "2-4" and "all"
-- @tparam integer count rows of the menu
-- @tparam[opt] boolean many
-- @treturn[1] {integer,...} in the order of the menu, each once
-- @return[2] nil
-- @treturn[2] string what is wrong with it
function menu.parse(answer, count, many)
  local chosen, list = {}, {}
  if many and answer:lower() == "all" then answer = "1-" .. count end
  for part in (answer .. ","):gmatch("%s*(.-)%s*,") do
    local from, to = part:match("^(%d+)%s*%-%s*(%d+)$")
    from = math.tointeger(tonumber(from or part:match("^%d+$") or ""))
    to = to and math.tointeger(tonumber(to)) or from
    if not from or not to then return nil, ("'%s' is no number of the menu"):format(part) end
    if from < 1 or to > count or from > to then return nil, ("'%s' is not between 1 and %d"):format(part, count) end
    for i = from, to do chosen[i] = true end
  end
  for i = 1, count do
    if chosen[i] then list[#list + 1] = i end
  end
  if not many and #list > 1 then return nil, "choose one" end
  return list
end

--- Let somebody choose from a table; the rows get numbers. Waits for a person.
-- @tparam string title
-- @tparam {string,...} head
-- @tparam {table,...} rows lists of cells
-- @tparam[opt] {many=boolean} opts
-- @treturn[1] {integer,...} the rows that were chosen, at least one
-- @return[2] nil
-- @treturn[2] Err `cancelled`, exit 2
function menu.choose(title, head, rows, opts)
  local many, shown = opts and opts.many, {}
  for i, row in ipairs(rows) do shown[i] = { i, table.unpack(row, 1, #head) } end
  io.stderr:write(("\n%s\n%s\n"):format(title, report.table({ "NO", table.unpack(head) }, shown)))
  local prompt = many and "Numbers (1,3 or 2-4 or all), q to end: " or "Number, q to end: "
  for _ = 1, TRIES do
    local answer, failed = menu.ask(prompt)
    if not answer then return nil, failed end
    if answer == "" or answer:lower() == "q" then return cancelled("nothing was chosen") end
    local list, wrong = menu.parse(answer, #rows, many)
    if list then return list end
    io.stderr:write(wrong, "\n")
  end
  return cancelled(("no valid choice in %d tries"):format(TRIES))
end

return menu
