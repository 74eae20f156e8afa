-- What the repl completes; the rest of it is in e2e/repl.sh.
local terminal = require "engine.terminal"
local virt = require "engine.virt"
local repl = require "std.repl"
local t = require "std.test"

local conn = assert(virt.open("test:///default"))

local function set(list)
  local out = {}
  for _, word in ipairs(list) do out[word] = true end
  return out
end

t.case("names behind a dot and a colon", function()
  local names = terminal.names(conn)
  t.eq({ names.lookup, names.domain, names.nothing }, { "function", "function" })
  t.eq(terminal.names { a = 1, [5] = 2, b = { c = 3 } }, { a = "number", b = "table" })
  t.eq(terminal.names(setmetatable({ own = 1 }, { __index = { more = true } })), { own = "number", more = "boolean" })
  for _, value in ipairs { 1, true, print } do t.eq(terminal.names(value), {}) end
  t.eq(terminal.names(nil), {})
end)

t.case("words: variables, what they hold two levels deep, methods of handles, modules", function()
  local words = repl.words({ conn = conn, mine = { inner = { deep = { deeper = 1 } }, ["odd name"] = 1 }, string = string },
    { "std.task", "std.task.map" })
  local has = set(words)
  for _, word in ipairs { "conn", "conn:lookup", "mine", "mine.inner", "mine.inner.deep", "string.format", "std.task.map" } do
    t.ok(has[word], word)
  end
  for _, word in ipairs { "mine.odd name", "mine.inner.deep.deeper", "conn.lookup" } do t.eq(has[word], nil, word) end
  for i = 2, #words do t.ok(words[i - 1] < words[i], words[i]) end
end)

conn:close()
return t.done()
