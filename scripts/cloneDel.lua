--- cloneDel: delete clones of the config: volume clones beyond NTAP_NUM_VOL_CLONES and what failed runs left, or with
-- --backupName all that were made from that backup.
local workflow = require "std.workflow"
local clone_removal = require "std.clone_removal"
local clones = require "std.clones"
local confirm = require "std.confirm"
local err = require "std.err"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local report = require "std.report"

local function of_backup(known, name)
  local list = {}
  for _, clone in ipairs(known) do
    if clone.record.snapshot == name then list[#list + 1] = clone end
  end
  if #list > 0 then return list end
  return nil, err.new("not_found", ("config has no clone of backup '%s'; see moonsnap cloneList"):format(name),
    { exit = 2 })
end

return workflow {
  action = "cloneDel",
  summary = "delete clones beyond NTAP_NUM_VOL_CLONES, or those of one backup",
  options = { "backupName", "yes" },
  needs = { "policy" },
  lock = true,
  phases = { "find", "confirm", "delete" },

  find = function(ctx)
    assert(ontap.connect(ctx))
    assert(hooks.check(ctx, { "UMOUNT_CMD", "PRE_NTAP_CLONE_DELETE_CMD" }))
    local known = assert(clones.known(ctx))
    local name = ctx.opts.backupName
    ctx.doomed = name and assert(of_backup(known, name)) or clones.surplus(ctx, known, ctx.cfg:get("NTAP_NUM_VOL_CLONES"))
  end,

  -- Retention asks nobody; who names a backup may have named the wrong one.
  confirm = function(ctx)
    if not ctx.opts.backupName then return true end
    local lines = { ("The clones of backup %s will be deleted for good:"):format(ctx.opts.backupName) }
    for _, clone in ipairs(ctx.doomed) do lines[#lines + 1] = "  " .. clones.text(clone) end
    return confirm.ask(ctx, table.concat(lines, "\n"))
  end,

  delete = function(ctx)
    assert(clone_removal.delete(ctx, ctx.doomed))
    local deleted, rows = {}, {}
    for i, clone in ipairs(ctx.doomed) do
      deleted[i] = { kind = clone.kind, controller = clone.controller, name = clone.name }
      rows[i] = clones.text(clone)
    end
    log.info("%d clone(s) deleted", #deleted)
    report.print(ctx, { deleted = deleted }, #rows == 0 and "No clone is beyond NTAP_NUM_VOL_CLONES"
      or "Deleted " .. table.concat(rows, "\n        "))
  end,
}
