--- Backups of guests on a file system with reflinks (XFS, Btrfs), no ONTAP: the guests are suspended by the same guard, the
-- copies are made by `cp --reflink`, which takes no time and no space, into SITE_COPIES/NAME. `cp` copies in full where
-- the file system has no reflinks; set SITE_REFLINK=always to be told instead.
--
-- When to use it: a host with local disks that should be backed up like all others.
-- run: moonsnap run examples/reflink-storage.lua --policy daily --params SITE_COPIES=/tmp/copies
local discovery = require "std.discovery"
local err = require "std.err"
local file = require "std.file"
local guest = require "std.guest"
local log = require "std.log"
local naming = require "std.naming"
local process = require "std.process"
local quiesce = require "std.quiesce"
local report = require "std.report"
local workflow = require "std.workflow"

return workflow {
  action = "reflinkBackup",
  summary = "suspend the guests, copy their disks by reflink, resume",
  needs = { "policy" },
  lock = true,
  phases = { "look", "pause", "copy", "resume" },

  look = function(ctx)
    local base = ctx.cfg:raw("SITE_COPIES")
    if not base then return nil, err.new("invalid", "write --params SITE_COPIES=/path", { exit = 2 }) end
    ctx.dir = ("%s/%s"):format(base, naming.make { sname = ctx.cfg:get("SNAME"), policy = ctx.policy, stamp = ctx.stamp })
    local conn, only = assert(discovery.connect(ctx)), {}
    for _, name in ipairs(ctx.cfg:get("KVM_VMS") or {}) do only[name] = true end
    ctx.guests = {}
    for _, row in ipairs(assert(conn:list())) do
      if next(only) == nil or only[row.name] then
        local dom = conn:domain(row)
        local xml = assert(dom:xml())
        local found = { name = row.name, uuid = row.uuid, dom = dom, xml = xml, disks = assert(guest.parse(xml)).disks }
        for _, disk in ipairs(found.disks) do
          if disk.type ~= "file" then return nil, err.new("unsupported", row.name .. ": a disk is not a file") end
        end
        ctx.guests[#ctx.guests + 1] = found
      end
    end
    return file.mkdirs(ctx.dir) -- before anybody stands still
  end,

  pause = function(ctx)
    ctx.guard = ctx:own(quiesce.guard(ctx, ctx.guests))
    return ctx.guard:suspend()
  end,

  copy = function(ctx)
    for _, one in ipairs(ctx.guests) do
      for _, disk in ipairs(one.disks) do
        assert(process.run({ "/bin/cp", "--reflink=" .. (ctx.cfg:raw("SITE_REFLINK") or "auto"), disk.path,
          ("%s/%s-%s.img"):format(ctx.dir, one.name, disk.target) }, { timeout = ctx.guard:remaining() }))
      end
      assert(file.replace(("%s/%s.xml"):format(ctx.dir, one.name), one.xml))
    end
  end,

  resume = function(ctx)
    local result = ctx.guard:release()
    if #result.failed > 0 then return nil, result.failed[1] end
    if result.fired then ctx:worse(3) end -- they ran again before the copies were complete
    log.info("%d guest(s) copied to %s", #ctx.guests, ctx.dir)
    report.print(ctx, { dir = ctx.dir, guests = #ctx.guests }, ctx.dir)
  end,
}
