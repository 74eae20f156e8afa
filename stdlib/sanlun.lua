--- What NetApp's `sanlun` (Linux Host Utilities) says of the LUNs of this host, beside what discovery found.
-- Discovery does not need it: it reads serial numbers and asks the controllers. Two answers that came by different
-- ways and are the same say more than one.
-- @module std.sanlun

local multipath = require "engine.multipath"
local devices = require "std.devices"
local err = require "std.err"
local log = require "std.log"
local process = require "std.process"
local blanks = require "std.blanks"

local sanlun = {}

-- 64 MiB hold the longest form of 100,000 paths.
local MAX_OUTPUT = 64 << 20
local MAX_LINE = 4096 -- a longer one is none of its tables

-- Lines that are no LUN: the heads of all versions, and the rule below them.
local HEADS = { "lun%-pathname", "^controller", "^vserver", "^filer", "^%-[%-%s]*$" }

local function is_head(line)
  for _, pattern in ipairs(HEADS) do
    if line:find(pattern) then return true end
  end
  return false
end

-- The lines of an output, fit to be printed whatever is in them.
local function lines_of(text)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  local each = text:gsub("[\0-\8\11\12\14-\31\127]", "?"):gmatch("[^\r\n]+")
  return function()
    local line = each()
    return line and line:sub(1, MAX_LINE)
  end
end

-- What cannot be read is a few lines of many, or a program that says something else altogether.
local function judge(list, unread)
  if #list == 0 and unread[1] then
    return nil, err.new("protocol", ("sanlun's output cannot be read: '%.99s'"):format(unread[1]))
  end
  return list, unread
end

--- Read the output of `sanlun lun show all`: a line per path, in the forms of versions 5 to 8.
-- @tparam string text
-- @treturn[1] {{lun="SVM:/vol/VOLUME/LUN",node="/dev/sdc"},...}; LUNs of other products are left out
-- @treturn[1] {string,...} lines that could not be read
-- @return[2] nil
-- @treturn[2] Err `protocol`: not one line could be read
function sanlun.paths(text)
  local list, unread, others = {}, {}, 0
  for line in lines_of(text) do
    line = blanks.trim(line)
    -- Version 5 writes "filer:  /vol/...".
    local svm, path, node = line:match("^(%S-):?%s+(/vol/.-)%s+(/dev/%S+)%s")
    if svm and svm ~= "" then
      list[#list + 1] = { lun = svm .. ":" .. path, node = node }
    elseif line:find("%s/dev/sd%l+%s") and not line:find("/vol/", 1, true) then
      others = others + 1 -- E-Series and FlashRay have LUNs without a volume
    elseif line ~= "" and not is_head(line) then
      unread[#unread + 1] = line
    end
  end
  if others > 0 then return list, unread end
  return judge(list, unread)
end

--- Read the output of `sanlun lun show -p -v all`: a block per multipath map.
-- @tparam string text
-- @treturn[1] {{lun="SVM:/vol/VOLUME/LUN",host=(the map as it is written),wwid=?string,name=?string},...} wwid and
--   name as `host` tells them: "NAME", "WWID" or "NAME(WWID)"
-- @treturn[1] {string,...} first lines of blocks that name no device
-- @return[2] nil
-- @treturn[2] Err `protocol`: not one block could be read
function sanlun.maps(text)
  local list, unread, block = {}, {}, nil
  local function close()
    if block and block.host then
      list[#list + 1] = block
    elseif block then
      unread[#unread + 1] = "ONTAP Path: " .. block.lun
    end
    block = nil
  end
  local said
  for line in lines_of(text) do
    local key, value = line:match("^%s*([%a][%w%- _]*):%s*(.-)%s*$")
    if key == "ONTAP Path" then
      close()
      block = value:find("^[^:]+:/vol/") and { lun = value } or nil
      if not block then unread[#unread + 1] = line end
    elseif key == "Host Device" and block and not block.host then
      local name, wwid = value:match("^([^%s%(]+)%s*%(?(%x*)%)?$")
      if name and name:find("^3%x+$") and #name == 33 then wwid = name end
      block.host, block.name = name and value, name
      block.wwid = wwid and #wwid == 33 and wwid:lower() or nil
    end
    said = said or line:find("%S") and line
  end
  close()
  if not list[1] and not unread[1] then unread[1] = said end
  return judge(list, unread)
end

local function ask(ctx, args, read)
  local program = ctx.cfg:get("KVM_SANLUN")
  local argv = { program, "lun", "show" }
  table.move(args, 1, #args, 4, argv)
  local out, failed = process.run(argv, { timeout = ctx.cfg:get("KVM_SANLUN_TIMEOUT"), max_output = MAX_OUTPUT,
    reads = true })
  if not out then
    if failed.code == "not_found" then
      failed = err.new("not_found", ("%s is not installed: nothing was compared; install NetApp's Linux Host Utilities, "
        .. "or write where it is: KVM_SANLUN"):format(program))
    elseif failed.code == "timeout" then
      failed = err.new("timeout", ("%s did not answer for %d s, see KVM_SANLUN_TIMEOUT; it asks every path, look for one "
        .. "that hangs"):format(program, ctx.cfg:get("KVM_SANLUN_TIMEOUT")))
    end
    return nil, failed
  end
  if out.truncated then return nil, err.new("protocol", ("%s: more than %d bytes"):format(program, MAX_OUTPUT)) end
  local list, unread = read(out.stdout)
  if not list then return nil, unread end
  for _, line in ipairs(unread) do log.warn("%s: this line could not be read: '%.99s'", program, line) end
  return list
end

-- The LUNs that sanlun names for a map, each once, and the devices it names for the LUN `ours`.
local function claims_of(said, map, ours)
  local is_path, luns, elsewhere, seen = {}, {}, {}, {}
  for _, path in ipairs(map.paths) do is_path["/dev/" .. path.device] = true end
  local function claim(list, value)
    if not seen[value] then list[#list + 1] = value end
    seen[value] = true
  end
  for _, block in ipairs(said.maps) do
    local here = block.wwid == map.wwid
    if not block.wwid then here = block.name == map.name or block.name == map.device end
    if here then
      claim(luns, block.lun)
    elseif ours[block.lun] then
      claim(elsewhere, block.host)
    end
  end
  for _, row in ipairs(said.paths) do
    if is_path[row.node] then
      claim(luns, row.lun)
    elseif ours[row.lun] then
      claim(elsewhere, row.node)
    end
  end
  table.sort(luns)
  table.sort(elsewhere)
  return luns, elsewhere
end

-- One disk: its LUN by both names that its SVM may have, against all that sanlun says of its map.
local function compare_disk(ctx, said, guest, disk)
  local object = disk.object
  local lun = ("%s:%s"):format(object.svm or object.controller, object.mapping)
  local row = { guest = guest.name, target = disk.target, device = object.device, wwid = object.wwid, lun = lun }
  local map, failed = multipath.find(object.device, devices.where(ctx, { socket = "" }))
  if not map then return nil, failed end
  local ours = { [lun] = true, [("%s:%s"):format(object.controller, object.mapping)] = true }
  row.sanlun, row.elsewhere = claims_of(said, map, ours)
  row.result = "agrees"
  for _, one in ipairs(row.sanlun) do
    if not ours[one] then row.result = "differs" end
  end
  if not row.sanlun[1] then row.result = row.elsewhere[1] and "differs" or "unknown" end
  return row
end

--- Compare the disks on LUNs of `ctx.guests` with what sanlun says of their maps and paths. Waits for sanlun, at most
-- KVM_SANLUN_TIMEOUT for each of its two lists.
-- @tparam table ctx after `std.discovery.run`
-- @treturn[1] {{guest=,target=,device=,wwid=,lun="SVM:/vol/...",sanlun={"SVM:/vol/...",...},elsewhere={device,...},
--   result="agrees"|"differs"|"unknown"},...} one per disk; `elsewhere`: other devices for which sanlun names this
--   LUN; empty, without asking sanlun, when no guest lies on a LUN
-- @return[2] nil
-- @treturn[2] Err `not_found` (no sanlun), `denied`, `timeout`, `io`, `protocol`: nothing was compared
function sanlun.compare(ctx)
  local disks, rows = {}, {}
  for _, guest in ipairs(ctx.guests) do
    for _, disk in ipairs(guest.disks) do
      if disk.object.provider == "san" then disks[#disks + 1] = { guest, disk } end
    end
  end
  if #disks == 0 then return rows end
  local maps, paths, failed
  maps, failed = ask(ctx, { "-p", "-v", "all" }, sanlun.maps)
  if maps then paths, failed = ask(ctx, { "all" }, sanlun.paths) end
  if not paths then return nil, failed end
  local said = { maps = maps, paths = paths }
  for i, one in ipairs(disks) do
    rows[i], failed = compare_disk(ctx, said, one[1], one[2])
    if not rows[i] then return nil, failed end
  end
  return rows
end

-- What sanlun said of a disk, in one cell.
local function told(row)
  if row.sanlun[1] then return table.concat(row.sanlun, " ") end
  if row.elsewhere[1] then return "at " .. table.concat(row.elsewhere, " ") end
end

--- Rows for a table of the comparison: guest, disk, what discovery found, what sanlun says, result.
-- @tparam {table,...} rows as from `compare`
-- @treturn {{string,...},...}
function sanlun.cells(rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = { row.guest, row.target, row.lun, told(row), row.result } end
  return out
end

--- What a comparison means for the run: exit code 3 when sanlun does not know a LUN, an error when it names another.
-- @tparam table ctx
-- @tparam {table,...} rows as from `compare`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00015 with both names
function sanlun.verdict(ctx, rows)
  local first
  for _, row in ipairs(rows) do
    if row.result == "unknown" then
      log.warn("Guest '%s', disk %s: sanlun does not know device %s, LUN %s", row.guest, row.target, row.device, row.lun)
      ctx:worse(3)
    elseif row.result == "differs" then
      local failed = err.coded("kvm-00015", ("guest '%s', disk %s, device %s: discovery found %s, sanlun says %s"):format(
        row.guest, row.target, row.device, row.lun, told(row)), nil, { code = "conflict" })
      if first then log.error(failed) end
      first = first or failed
    end
  end
  if first then return nil, first end
  return true
end

return sanlun
