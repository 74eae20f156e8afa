--- Copy the image of a guest out of a snapshot into a file, with progress: for an archive, a colleague, another site.
--
-- When to use it: the copy must leave the storage. What is on it stays as it is; the snapshot is read over the mount.
-- run: moonsnap run examples/copy-out.lua --params SITE_GUEST=alpha SITE_TARGET=/tmp/alpha.img
local err = require "std.err"
local file = require "std.file"
local guest = require "std.guest"
local log = require "std.log"
local report = require "std.report"
local workflow = require "std.workflow"

local PIECE = 16 << 20 -- bytes held in memory

return workflow {
  action = "copyOut",
  summary = "copy a guest's first disk out of its newest backup",
  phases = { "look", "copy" },

  look = function(ctx)
    local name, target = ctx.cfg:raw("SITE_GUEST"), ctx.cfg:raw("SITE_TARGET")
    if not name or not target then
      return nil, err.new("invalid", "write --params SITE_GUEST=NAME SITE_TARGET=/path", { exit = 2 })
    end
    if file.stat(target) then return nil, err.new("exists", target .. ": is there already", { exit = 2 }) end
    local record, found = guest.last_backup(ctx, name)
    local disk = assert(record, found) and found.disks[1]
    -- /mount/dir/web1.img is /mount/.snapshot/NAME/dir/web1.img
    ctx.from = ("%s.snapshot/%s/%s"):format(disk.source:sub(1, #disk.source - #disk.file), record.snapshot, disk.file)
    ctx.target, ctx.size = target, assert(file.stat(ctx.from)).size
  end,

  copy = function(ctx)
    local part = ctx.target .. ".part" -- nobody takes half a copy for a whole one
    assert(file.replace(part, "", { mode = 384 })) -- 0600
    for offset = 0, ctx.size - 1, PIECE do
      local piece = assert(file.read(ctx.from, { offset = offset, count = PIECE }))
      assert(file.append(part, piece))
      local done = offset + #piece
      log.info("%s of %s (%d %%)", report.size(done), report.size(ctx.size), done * 100 // ctx.size)
    end
    if not ctx.dry_run then
      assert(require("std.process").run({ "/bin/mv", "-n", part, ctx.target }, { timeout = 60 }))
    end
    report.print(ctx, { from = ctx.from, to = ctx.target, bytes = ctx.size }, ("%s: %s"):format(ctx.target,
      report.size(ctx.size)))
  end,
}
