--- Guests, for workflows: programs inside of them, copies of them beside them.
-- @module std.guest

local domxml = require "engine.domxml"
local json = require "engine.json"
local err = require "std.err"
local task = require "std.task"

local guest = { parse = domxml.parse, edit = domxml.edit }

local POLL = 0.2 -- seconds between two looks at a program in the guest

local B64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- The agent sends what a program said in base64. Whoever rules the guest may send anything.
local function decode(text)
  local out, bits, value = {}, 0, 0
  for c in (type(text) == "string" and text or ""):gmatch("[%w+/]") do
    value = (value << 6 | B64:find(c, 1, true) - 1) & 0xffffff
    bits = bits + 6
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = string.char(value >> bits & 255)
    end
  end
  return table.concat(out)
end

-- A program that a signal ended has no exit code.
local function how_it_ended(done)
  local name = math.type(done.exitcode) == "integer" and "exitcode" or "signal"
  local words = { exitcode = "exit code %d", signal = "ended by signal %d" }
  return math.type(done[name]) == "integer" and words[name]:format(done[name]) or "no exit code"
end

local function ask(dom, command, arguments)
  local reply, failed = dom:agent(json.encode { execute = command, arguments = arguments })
  if not reply then return nil, failed end
  if type(reply) == "table" then return reply end -- a dry run: {planned = true}
  local document
  document, failed = json.decode(reply)
  if failed then return nil, failed end
  local said = type(document) == "table" and document["return"]
  if type(said) == "table" then return said end
  return nil, err.new("protocol", ("guest '%s': its agent does not answer %s as it should"):format(dom:name(), command))
end

--- Run a program inside a guest through its agent and want it to succeed. Give it a time limit of its own inside the
-- guest where it holds something up: it goes on there when this process dies.
-- @tparam Domain dom such as `dom` of `ctx.guests`
-- @tparam {string,...} argv full path first; no shell
-- @tparam[opt] {timeout=number} opts timeout: seconds to wait for its end, 60 when not given
-- @treturn[1] {status=0,stdout=string,stderr=string}; in a dry run with `planned`
-- @return[2] nil
-- @treturn[2] Err `unsupported` or `unreachable` (no agent), `timeout`, `io` (another exit code, with what it said)
-- @usage
-- local ok, failed = require("std.guest").exec(dom, { "/usr/bin/systemctl", "stop", "app" }, { timeout = 30 })
-- assert(ok or failed.code) -- the test driver has no agent
function guest.exec(dom, argv, opts)
  local limit = opts and opts.timeout or 60
  local started, failed = ask(dom, "guest-exec",
    { path = argv[1], arg = { table.unpack(argv, 2) }, ["capture-output"] = true })
  if not started then return nil, failed end
  if started.planned then return { status = 0, stdout = "", stderr = "", planned = true } end
  local done
  done, failed = task.timeout(limit, function()
    while true do
      local status, problem = ask(dom, "guest-exec-status", { pid = started.pid })
      if not status then return nil, problem end
      if status.exited then return status end
      task.sleep(POLL)
    end
  end)
  if not done then return nil, failed end
  local out = { status = done.exitcode, stdout = decode(done["out-data"]), stderr = decode(done["err-data"]) }
  if out.status ~= 0 then
    local said = (out.stderr ~= "" and out.stderr or out.stdout):gsub("%s+$", ""):gsub("%c", " ")
    return nil, err.new("io", ("guest '%s': program %s: %s: %s"):format(dom:name(), argv[1], how_it_ended(done), said))
  end
  return out
end

local function plain(text) return (text:gsub("%p", "%%%0")) end

-- Values of the elements of that name in a namespace below <metadata>; libvirt writes each with a prefix.
local function values_of(text, namespace, key)
  local metadata, found = text:match("<metadata>.-</metadata>") or "", {}
  for prefix, space in metadata:gmatch("xmlns:([^%s=]+)=['\"]([^'\"]*)['\"]") do
    local pattern = ("<%s:%s[%%s>][^<]*"):format(plain(prefix), plain(key))
    for element in space == namespace and metadata:gmatch(pattern) or function() end do
      found[#found + 1] = element:match(">%s*(.-)%s*$")
    end
  end
  return found
end

--- The guests that are tagged in their own definition. `virsh metadata web1 urn:site:backup --key site --set
-- '<class>gold</class>'` tags one.
-- @tparam Conn conn such as `ctx.conn`
-- @tparam string namespace such as "urn:site:backup"
-- @tparam string key such as "class"
-- @tparam[opt] string value such as "gold"; not given: the guests that have no such tag
-- @treturn[1] {string,...} their names, sorted
-- @return[2] nil
-- @treturn[2] Err of libvirt
-- @raise without a connection
-- @usage
-- local names = assert(require("std.guest").tagged(conn, "urn:site:backup", "class", "gold"))
-- assert(#names == 0) -- nobody is
function guest.tagged(conn, namespace, key, value)
  if not conn then error("guest.tagged: a connection is needed; discovery.connect(ctx) makes ctx.conn", 2) end
  local names = {}
  local rows, failed = conn:list()
  if not rows then return nil, failed end
  for _, row in ipairs(rows) do
    local text
    text, failed = conn:domain(row):xml { inactive = true }
    if not text then return nil, failed end
    local values = values_of(text, namespace, key)
    local hit = not value and #values == 0
    for _, item in ipairs(values) do hit = hit or item == value end
    if hit then names[#names + 1] = row.name end
  end
  table.sort(names)
  return names
end

--- The guest of a run by its name.
-- @tparam table ctx after `std.discovery.run`, which the shipped workflows do in their first phase
-- @tparam string name
-- @treturn[1] table one of `ctx.guests`
-- @return[2] nil
-- @treturn[2] Err `not_found`
function guest.find(ctx, name)
  for _, one in ipairs(ctx.guests or {}) do
    if one.name == name then return one end
  end
  return nil, err.new("not_found", ("guest '%s': is not among the guests of this config"):format(name), { exit = 2 })
end

--- The newest good backup of a guest: its record of the catalog, and its entry there.
-- @tparam table ctx
-- @tparam string name
-- @treturn[1] table record, with `snapshot`
-- @treturn[1] table the guest in it, with `disks={{target, controller, volume, path}}`
-- @return[2] nil
-- @treturn[2] Err `not_found`
function guest.last_backup(ctx, name)
  local records, failed = require("std.catalog").list(ctx)
  if not records then return nil, failed end
  for i = #records, 1, -1 do
    local record = records[i]
    for _, one in ipairs(record.action == "backup" and record.status == "ok" and record.guests or {}) do
      if one.name == name then return record, one end
    end
  end
  return nil, err.new("not_found", ("guest '%s': has no good backup in the catalog"):format(name))
end

return guest
