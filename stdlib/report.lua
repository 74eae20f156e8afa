--- Human tables and machine documents.
-- @module std.report

local json = require "engine.json"

local report = {}

local function width(text)
  return utf8.len(text) or #text
end

--- Lines of a table with aligned columns; numbers to the right.
-- @tparam {string,...} head
-- @tparam {table,...} rows lists of cells
-- @treturn string
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
    lines[#lines + 1] = (table.concat(out, "  "):gsub("%s+$", ""))
  end
  line(head)
  for _, row in ipairs(rows) do line(row) end
  return table.concat(lines, "\n")
end

--- Bytes for people.
-- @tparam ?integer bytes
-- @treturn string
function report.size(bytes)
  if not bytes then return "-" end
  for _, unit in ipairs { "B", "KiB", "MiB", "GiB", "TiB" } do
    if bytes < 1024 or unit == "TiB" then
      return (unit == "B" and "%d %s" or "%.1f %s"):format(bytes, unit)
    end
    bytes = bytes / 1024
  end
end

--- Print a result on stdout: the document with --json, else the table.
-- @tparam table ctx
-- @tparam table document
-- @tparam[opt] string text what people see
function report.print(ctx, document, text)
  if ctx.opts.json then
    print(json.encode(document, true))
  elseif text and not ctx.opts.quiet then
    print(text)
  end
end

return report
