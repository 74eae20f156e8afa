--- Human tables and machine documents.
-- @module std.report

local json = require "engine.json"
local plan = require "engine.plan"
local err = require "std.err"
local plans = require "std.plans"
local blanks = require "std.blanks"

local report = {}

local function width(text)
  return utf8.len(text) or #text
end

--- Lines of a table with aligned columns; numbers to the right.
-- @tparam {string,...} head
-- @tparam {table,...} rows lists of cells
-- @treturn string
-- @usage
-- print(require("std.report").table({ "GUEST", "PAUSE MS" }, { { "web1", 12 }, { "db1", 140 } }))
function report.table(head, rows)
  local widths, right = {}, {}
  for c, title in ipairs(head) do widths[c] = width(title) end
  for _, row in ipairs(rows) do
    for c = 1, #head do
      local cell = row[c]
      if type(cell) == "number" then right[c] = true end
      widths[c] = math.max(widths[c], width(tostring(cell == nil and "-" or cell)))
    end
  end
  local lines = {}
  local function line(cells)
    local out = {}
    for c = 1, #head do
      local text = tostring(cells[c] == nil and "-" or cells[c])
      local pad = (" "):rep(widths[c] - width(text))
      out[c] = right[c] and pad .. text or text .. pad
    end
    lines[#lines + 1] = blanks.trim_end(table.concat(out, "  "))
  end
  line(head)
  for _, row in ipairs(rows) do line(row) end
  return table.concat(lines, "\n")
end

--- Bytes for people.
-- @tparam ?integer bytes
-- @treturn string
-- @usage
-- assert(require("std.report").size(1536) == "1.5 KiB")
function report.size(bytes)
  if not bytes then return "-" end
  for _, unit in ipairs { "B", "KiB", "MiB", "GiB", "TiB" } do
    if bytes < 1024 or unit == "TiB" then
      return (unit == "B" and "%d %s" or "%.1f %s"):format(bytes, unit)
    end
    bytes = bytes / 1024
  end
end

-- Whoever asked for the result must learn that it did not arrive.
local function put(text)
  local ok, why = io.stdout:write(text, "\n")
  if ok then ok, why = io.stdout:flush() end
  if not ok then error(err.new("io", "standard output: " .. tostring(why), { exit = 1 }), 0) end
end

--- Print a result on stdout: the document with --json, else the table.
-- @tparam table ctx
-- @tparam table document
-- @tparam[opt] string text what people see
-- @tparam[opt] boolean last in a dry run only the last document is printed, with the others as its plan
function report.print(ctx, document, text, last)
  if ctx.opts.json and ctx.dry_run and not last then
    ctx.plan = ctx.plan or document
  elseif ctx.opts.json then
    ctx.printed = true
    put(json.encode(document, true))
  elseif text and not ctx.opts.quiet then
    put(text)
  end
end

-- Arguments that say nothing to a person; --json has them all.
local UNTOLD = { data = true, xml = true, mode = true }

--- Print what a dry run would have done.
-- @tparam table ctx
function report.steps(ctx)
  local steps = plans.redacted(plan.steps()) -- a hook may have a password among its arguments
  local lines = {}
  for _, step in ipairs(steps) do
    local args = {}
    for key, value in pairs(step.args or {}) do
      if not UNTOLD[key] and type(value) ~= "table" and value ~= step.object then
        args[#args + 1] = ("%s=%s"):format(key, value)
      end
    end
    table.sort(args)
    if step.op ~= "file.mkdirs" then
      lines[#lines + 1] = blanks.trim_end(("  %2d. %s %s %s"):format(#lines + 1, step.op, step.object or "",
        table.concat(args, " ")))
    end
  end
  local text = #lines == 0 and "Dry run: nothing would be changed."
    or ("Dry run: nothing was changed. These %d steps would be carried out:\n%s"):format(#lines,
      table.concat(lines, "\n"))
  report.print(ctx, ctx.opts.json and plans.document(ctx, steps) or {}, text, true)
end

return report
