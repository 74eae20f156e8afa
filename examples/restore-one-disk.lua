--- The shipped restore, of one disk of each chosen guest: the others stay as they are.
--
-- When to use it: the data disk is spoilt, the system disk has today's updates. Disks of one guest then come from two
-- points in time; only the one who asks knows whether that is right, so that the disk must be named.
-- run: moonsnap help
--
--    moonsnap restore --profile P --config C --backupName NAME --params KVM_RESTORE_VM_LIST=db1 SITE_DISK=vdb
--      --script restore-one-disk.lua --yes
local err = require "std.err"
local workflow = require "std.workflow"

-- Lists of an item that go by the number of the disk.
local PARALLEL = { "objects", "infos" }

return workflow.extend("restore", {
  summary = "the shipped restore, of one disk of a guest",

  find = function(ctx, next)
    local target = ctx.cfg:raw("SITE_DISK")
    if not target then return nil, err.new("invalid", "write --params SITE_DISK=TARGET, vdb for instance", { exit = 2 }) end
    local ok, failed = next()
    if ok == nil and failed then return nil, failed end
    for _, item in ipairs(ctx.items) do
      local at
      for i, disk in ipairs(item.recorded.disks) do
        if disk.target == target then at = i end
      end
      if not at then
        return nil, err.new("not_found", ("guest '%s': has no disk %s in this backup"):format(item.name, target), { exit = 2 })
      end
      for _, name in ipairs(PARALLEL) do item[name] = { item[name][at] } end
      item.recorded.disks = { item.recorded.disks[at] }
    end
  end,
})
