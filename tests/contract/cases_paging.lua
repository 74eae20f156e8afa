-- Lists page by page: nothing lost, nothing twice, an end.
local c = require "contract"

-- A volume with n snapshots a01 ... and their names.
local function many(w, n)
  local vol, names = w:volume(), {}
  for i = 1, n do
    names[i] = ("a%02d"):format(i)
    c.ok(w.client:snapshot_create(vol, names[i]))
  end
  return vol, names
end

-- All rows page by page, with the number of pages; no page is longer than asked.
local function pages(client, verb, size, ...)
  local args = { ... }
  local opts = type(args[#args]) == "table" and table.remove(args) or {}
  local rows, count, page = {}, 0, ""
  repeat
    local with = { max = size, page = page }
    for key, value in pairs(opts) do with[key] = value end
    args[#args + 1] = with
    local one = c.ok(client[verb](client, table.unpack(args)))
    args[#args] = nil
    c.ok(type(one.rows) == "table" and #one.rows <= size, "a page of " .. #one.rows)
    for _, row in ipairs(one.rows) do rows[#rows + 1] = row end
    count, page = count + 1, one.next
    c.ok(count < 100, "the list ends")
  until not page
  return rows, count
end

for _, size in ipairs { 1, 2, 3, 6, 7, 100 } do
  c.case { ("paging: six snapshots by %d"):format(size), run = function(w)
    local vol, names = many(w, 6)
    c.eq(c.column((pages(w.client, "snapshots", size, vol))), names)
    c.eq(c.column(c.ok(w.client:snapshots(vol))), names)
  end }
end

c.case { "a controller that needs more than a page's time: nothing is called gone or missing for that",
  zapi = "only REST cuts its pages by time", run = function(w)
    local vol = w:volume()
    c.ok(w.client:snapshot_create(vol, "s"))
    w:fault("snapshots", { action = "slow" })
    w:fault("volumes", { action = "slow" })
    local other = w:connect {}
    c.eq(c.column(c.ok(other:snapshots(vol))), { "s" })
    c.eq(other:snapshot_rename(vol, "s", { to = "t" }), true)
    w:fault("snapshot_delete", { action = "drop", count = 1 })
    local gone, e = other:snapshot_delete(vol, "t")
    w:finish()
    c.fails(gone, e, e and e.code)
    c.eq(c.column(c.ok(w.client:snapshots(vol))), { "t" })
  end }

c.case { "paging: an empty list is one empty page", run = function(w)
  local vol = w:volume()
  local rows, count = pages(w.client, "snapshots", 5, vol)
  c.eq({ #rows, count }, { 0, 1 })
end }

c.case { "paging: a filter holds on every page", run = function(w)
  local vol = many(w, 5)
  for i = 1, 3 do c.ok(w.client:snapshot_create(vol, "b" .. i)) end
  c.eq(c.column((pages(w.client, "snapshots", 2, vol, { name = "b*" }))), { "b1", "b2", "b3" })
end }

c.case { "paging: volumes, LUNs, SVMs and LIFs page by page are the whole list", run = function(w)
  for _, list in ipairs { { "volumes", "name" }, { "luns", "path" }, { "svms", "name" }, { "lifs", "name" } } do
    local whole = c.column(c.ok(w.client[list[1]](w.client)), list[2])
    c.eq(c.column((pages(w.client, list[1], 50, {})), list[2]), whole, list[1])
    c.ok(#whole > 0, list[1])
  end
end }

c.case { "client:pages streams rows and ends early when the loop does", run = function(w)
  local vol, names = many(w, 5)
  local seen = {}
  for rows in w.client:pages("snapshots", vol, { max = 2 }) do
    c.ok(#rows <= 2, "a page of " .. #rows)
    for _, row in ipairs(rows) do seen[#seen + 1] = row.name end
  end
  table.sort(seen)
  c.eq(seen, names)
  w:begin()
  local next_page = w.client:pages("snapshots", vol, { max = 1 })
  c.eq(#next_page(), 1)
  c.ok(w:count(w:call "snapshots") <= 1, "no page is asked for that nobody wants")
end }

c.case { "a list whose tag never changes comes to an end", rest = "a link is followed as it stands", run = function(w)
  local vol = many(w, 3)
  w:fault("snapshots", { action = "repeat" })
  local count = 0
  local _, problem = pcall(function()
    for _ in w.client:pages("snapshots", vol, { max = 1 }) do
      count = count + 1
      if count > 50 then break end
    end
  end)
  c.ok(count <= 3, ("%d pages, %s"):format(count, tostring(problem)))
end }
