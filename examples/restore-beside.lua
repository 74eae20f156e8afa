--- Bring a guest of the newest good backup back beside the one that runs, under a new name, uuid and MAC addresses and
-- without its network plugged in, to compare the two or to fetch a file. Disks are clones: no space, no waiting.
--
-- When to use it: somebody deleted something yesterday, and the guest of today must not be touched.
-- run: moonsnap run examples/restore-beside.lua --params SITE_GUEST=alpha
local discovery = require "std.discovery"
local err = require "std.err"
local guest = require "std.guest"
local log = require "std.log"
local ontap = require "std.ontap"
local workflow = require "std.workflow"

return workflow {
  action = "restoreBeside",
  summary = "a copy of a guest from its newest backup, beside it",
  lock = true,
  phases = { "look", "clone", "define" },

  look = function(ctx)
    ctx.name = ctx.cfg:raw("SITE_GUEST")
    if not ctx.name then return nil, err.new("invalid", "write --params SITE_GUEST=NAME", { exit = 2 }) end
    assert(ontap.connect(ctx))
    local conn = assert(discovery.connect(ctx))
    local record, found = guest.last_backup(ctx, ctx.name)
    ctx.source, ctx.found = assert(record, found), found
    ctx.copy = ctx.name .. "-" .. record.snapshot:match("%d+$")
    if conn:lookup(ctx.copy) then return nil, err.new("exists", ("guest '%s': is there already"):format(ctx.copy)) end
  end,

  clone = function(ctx)
    ctx.disks = {}
    for _, disk in ipairs(ctx.found.disks) do
      if disk.provider ~= "nfs" then return nil, err.new("unsupported", disk.path .. ": only files can be cloned here") end
      local to = disk.file:gsub("[^/]*$", ctx.copy .. "-" .. disk.target .. ".img")
      local client = ctx.controllers[disk.controller].client
      assert(client:file_clone(disk.volume, { from = disk.file, to = to, snapshot = ctx.source.snapshot }))
      ctx.disks[disk.target] = { file = disk.source:sub(1, #disk.source - #disk.file) .. to }
    end
  end,

  define = function(ctx)
    local xml = assert(guest.edit(ctx.found.xml, { name = ctx.copy, uuid = "new", macs = "new", disks = ctx.disks }))
    xml = xml:gsub("(<interface.-)(</interface>)", "%1<link state='down'/>%2")
    assert(ctx.conn:define(xml))
    log.info("Guest '%s' is defined, its network unplugged; undefine it and delete its disks in the end", ctx.copy)
  end,
}
