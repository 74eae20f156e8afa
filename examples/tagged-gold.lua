--- The shipped backup, for the guests that carry a tag in their own domain XML, with a mail when it fails or is done in part.
--
-- When to use it: whoever defines a guest decides how it is kept, not whoever edits the config. Tag a guest with
-- `virsh metadata GUEST urn:site:backup --key site --set '<class>gold</class>'`. Group snapshot and mirror are
-- parameters of the shipped workflow: NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y, NTAP_SNAPMIRROR_UPDATE=Y.
-- run: moonsnap backup --policy daily --script examples/tagged-gold.lua --params SITE_CLASS=
local discovery = require "std.discovery"
local err = require "std.err"
local log = require "std.log"
local process = require "std.process"
local workflow = require "std.workflow"

-- Guests of a class; every guest when none is asked for.
local function tagged(ctx, class)
  local names = {}
  for _, row in ipairs(assert(ctx.conn:list())) do
    local xml = assert(ctx.conn:domain(row):xml { inactive = true })
    local has = xml:match("<site:class[^>]*>%s*(%w+)%s*</site:class>")
    if has == class then names[#names + 1] = row.name end
  end
  return names
end

local function mail(ctx, failed)
  local to = ctx.cfg:raw("SITE_MAIL_TO") or "root"
  local text = ("Subject: backup of %s failed\n\n%s\n"):format(ctx.config_name, tostring(failed))
  local ok, problem = process.run({ ctx.cfg:raw("SITE_SENDMAIL") or "/usr/sbin/sendmail", to }, { input = text, timeout = 60 })
  if not ok then log.warn("nobody was told: %s", problem) end
end

return workflow.extend("backup", {
  summary = "the shipped backup of the guests that are tagged gold",

  discover = function(ctx, next)
    local class = ctx.cfg:raw("SITE_CLASS")
    if class and class ~= "" then
      assert(discovery.connect(ctx))
      local names = tagged(ctx, class)
      if #names == 0 then
        return nil, err.new("not_found", ("no guest is tagged %s; nothing was backed up"):format(class), { exit = 1 })
      end
      log.info("Tagged %s: %s", class, table.concat(names, ", "))
      assert(ctx.cfg:set("KVM_VMS", table.concat(names, ","), "tags"))
    end
    return next()
  end,

  -- A mirror that was not updated lets the backup itself stand: the run ends with exit code 3.
  retain = function(ctx, next)
    local ok, failed = next()
    if ctx.exit ~= 0 then mail(ctx, "it is there, but was done in part only; see the log") end
    return ok, failed
  end,

  failed = function(ctx, failed)
    mail(ctx, failed)
    local shipped = workflow.load_shipped("backup").failed
    if shipped then return shipped(ctx, failed) end
  end,
})
