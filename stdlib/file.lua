--- Files, for workflows; each function is that of `engine.file`.
-- @module std.file

local core = require "engine.file"

local file = {
  read = core.read, replace = core.replace, append = core.append, mkdirs = core.mkdirs, list = core.list, stat = core.stat,
  remove = core.remove,
}

return file
