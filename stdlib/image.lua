--- What an image file says of the images below it.
-- libvirt knows a backing chain only while a guest runs, or when its XML spells it out; a qcow2 image
-- names the image below it in its own header (QEMU's qcow2 specification: magic, version, offset and
-- length of the name).
-- @module std.image

local file = require "engine.file"

local image = {}

local DEPTH = 64          -- images below one another
local NAME = 1023         -- the specification's limit for a name
local MAGIC = "QFI\xfb"

-- The name in the header of one image, or nil.
local function backing_name(path)
  local head = file.read(path, { count = 20 })
  if not head or #head < 20 or head:sub(1, 4) ~= MAGIC then return nil end
  local offset, length = string.unpack(">I8I4", head, 9)
  if offset <= 0 or length == 0 or length > NAME or offset > 1 << 32 then return nil end -- beyond 2^63: less than 0
  local name = file.read(path, { offset = offset, count = length })
  return name and #name == length and not name:find("\0", 1, true) and name or nil
end

--- The files below an image, next one first. Other formats than qcow2 have none; a name that is no
-- local file (a network address, a json: description) ends the list. Waits for files.
-- @tparam string path
-- @tparam ?string format the disk's format as its domain XML has it. Only "qcow2" is looked into, as QEMU does: what a raw
--   image begins with is the guest's word, which could name another guest's disk.
-- @treturn {string,...}
function image.backing_files(path, format)
  if format ~= "qcow2" then return {} end
  local list, seen = {}, { [path] = true }
  for _ = 1, DEPTH do
    local name = backing_name(path)
    if name then name = name:gsub("^file:", "") end
    if not name or name:find("^%a[%w+.-]+:") then break end
    if name:sub(1, 1) ~= "/" then name = (path:match("^(.*/)[^/]*$") or "") .. name end
    if seen[name] then break end
    seen[name] = true
    list[#list + 1] = name
    path = name
  end
  return list
end

--- By what an image that others stand upon is known not to have changed: its size and time. Waits for the file; it is
-- opened, so that an NFS client asks its server.
-- @tparam string path
-- @treturn[1] {size=integer,mtime=integer,mtime_ns=integer}
-- @return[2] nil
-- @treturn[2] Err
function image.identity(path)
  local head, failed = file.read(path, { count = 1 })
  if not head then return nil, failed end
  local stat
  stat, failed = file.stat(path)
  if not stat then return nil, failed end
  return { size = stat.size, mtime = stat.mtime, mtime_ns = stat.mtime_ns }
end

return image
