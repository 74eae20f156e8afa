--- The shipped restore, with a message to the people on duty and a command that brings the site back
-- in order (DNS, load balancer) once the guests run from their old disks.
--
-- When to use it: a restore is not over when the disk is back.
-- run: moonsnap help
--
--    moonsnap restore --profile P --config C --backupName NAME --params KVM_RESTORE_VM_LIST=web1
--      SITE_CHAT_URL=https://chat.example.com/hook --script restore-and-tell.lua --yes
local http = require "std.http"
local log = require "std.log"
local process = require "std.process"
local workflow = require "std.workflow"

local function tell(ctx, text)
  local url = ctx.cfg:raw("SITE_CHAT_URL")
  if not url then return end
  local ok, failed = http.post_json(url, { text = text }, { timeout = 10 })
  if not ok then log.warn("nobody was told: %s", failed) end -- no reason to fail a restore
end

return workflow.extend("restore", {
  summary = "the shipped restore, which tells people and runs the site's follow-up",

  post = function(ctx, next)
    for _, item in ipairs(ctx.items) do
      assert(process.run({ "/bin/true", "site-follow-up", item.name }, { timeout = 60 }))
    end
    tell(ctx, ("restored from %s"):format(ctx.snapshot))
    return next()
  end,

  failed = function(ctx, failed)
    tell(ctx, "the restore failed: " .. tostring(failed))
  end,
})
