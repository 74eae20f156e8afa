--- Back up only the guests that carry a tag in their own domain XML: frozen, or suspended where that fails, as one group,
-- mirrored, and with a mail when anything goes wrong.
--
-- When to use it: whoever defines a guest decides how it is kept, not whoever edits the config. Tag a guest with
-- `virsh metadata GUEST urn:site:backup --key site --set '<class>gold</class>'`. Mirrored is what the config names
-- with SNAPMIRROR_VOLUMES.
-- run: moonsnap backup --policy daily --script examples/tagged-gold.lua --params SITE_CLASS=
local discovery = require "std.discovery"
local err = require "std.err"
local guest = require "std.guest"
local log = require "std.log"
local process = require "std.process"
local workflow = require "std.workflow"

local function settings(ctx, names)
  return { KVM_VMS = table.concat(names, ","), KVM_QUIESCE_METHOD = "freeze", KVM_FREEZE_FALLBACK = "suspend",
    NTAP_CONSISTENCY_GROUP_SNAPSHOT = "Y", NTAP_CONSISTENCY_GROUP_TIMEOUT = "MEDIUM",
    NTAP_SNAPMIRROR_UPDATE = ctx.cfg:raw("SNAPMIRROR_VOLUMES") and "Y" or "N" }
end

return workflow.extend("backup", {
  summary = "a backup of the guests that are tagged, as one group",

  discover = function(ctx, next)
    local class = ctx.cfg:raw("SITE_CLASS")
    assert(discovery.connect(ctx))
    local names = assert(guest.tagged(ctx.conn, "urn:site:backup", "class", class))
    if class and #names == 0 then
      return nil, err.new("not_found", ("no guest is tagged %s; nothing was backed up"):format(class), { exit = 1 })
    end
    log.info("Tagged %s: %s", class or "at all", table.concat(names, ", "))
    for name, text in pairs(settings(ctx, names)) do assert(ctx.cfg:set(name, text, "tagged-gold.lua")) end
    return next()
  end,

  -- Whatever became of it: also of a backup that is there, with a mirror that was not updated or a guest left out.
  ended = function(ctx, failed)
    if not failed and ctx.exit == 0 then return end
    local text = ("Subject: backup of %s: %s\n\n%s\n"):format(ctx.config_name, failed and "failed" or "done in part",
      failed or "The backup is there; the log says what is missing.")
    local sendmail, to = ctx.cfg:raw("SITE_SENDMAIL") or "/usr/sbin/sendmail", ctx.cfg:raw("SITE_MAIL_TO") or "root"
    local ok, problem = process.run({ sendmail, to }, { input = text, timeout = 60 })
    if not ok then log.error("nobody was told: %s", problem) end
  end,
})
