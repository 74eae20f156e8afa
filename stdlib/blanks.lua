--- Blanks round a text, in a time that grows with its length.
-- The usual `^%s*(.-)%s*$` looks at each run of blanks again from each place in it: a line of 64 KiB would take
-- seconds, and a program's output of 1 MiB hours.
-- @module std.blanks

local blanks = {}

--- Without the blanks at both ends.
-- @tparam string s
-- @treturn string
function blanks.trim(s)
  local from = s:find("%S")
  return from and s:match(".*%S", from) or ""
end

--- Without the blanks at its end.
-- @tparam string s
-- @treturn string
function blanks.trim_end(s)
  local from = s:find("%S")
  return from and s:match(".*%S") or ""
end

--- The two sides of the first separator, without blanks round it.
-- @tparam string s
-- @tparam string separator plain text
-- @treturn[1] string what stands before it
-- @treturn[1] string what stands behind it
-- @return[2] nil when there is none
function blanks.cut(s, separator)
  local at, stop = s:find(separator, 1, true)
  if not at then return nil end
  local rest = s:find("%S", stop + 1)
  return blanks.trim_end(s:sub(1, at - 1)), rest and s:sub(rest) or ""
end

return blanks
