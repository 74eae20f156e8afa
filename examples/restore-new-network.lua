--- The shipped restore, which gives the restored guests new MAC addresses and tells the site's DNS and DHCP, before
-- anybody starts them.
--
-- When to use it: a guest comes back at another place, or its old address has gone to another one meanwhile.
-- run: moonsnap help
--
--    moonsnap restore --profile P --config C --backupName NAME --params KVM_RESTORE_VM_LIST=web1
--      SITE_NETWORK_CMD=/usr/local/sbin/register-host --script restore-new-network.lua --yes
local guest = require "std.guest"
local log = require "std.log"
local process = require "std.process"
local workflow = require "std.workflow"

return workflow.extend("restore", {
  summary = "the shipped restore, with new network identities",

  post = function(ctx, next)
    for _, item in ipairs(ctx.items) do
      local dom = ctx.conn:domain(assert(ctx.conn:lookup(item.name)))
      local xml = assert(guest.edit(assert(dom:xml { inactive = true }), { macs = "new" }))
      assert(ctx.conn:define(xml))
      local command = ctx.cfg:raw("SITE_NETWORK_CMD")
      for mac in xml:gmatch("<mac address=['\"]([%x:]+)") do
        log.info("Guest '%s' has the address %s now", item.name, mac)
        if command then assert(process.run({ command, item.name, mac }, { timeout = 60 })) end
      end
    end
    return next()
  end,
})
