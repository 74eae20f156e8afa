--- backupDel: delete one copy of the config, on all its volumes.
local workflow = require "std.workflow"
local catalog = require "std.catalog"
local confirm = require "std.confirm"
local copies = require "std.copies"
local err = require "std.err"
local expire = require "std.expire"
local hooks = require "std.hooks"
local log = require "std.log"
local ontap = require "std.ontap"
local report = require "std.report"
local selection = require "std.selection"

local function depends(row)
  local owners = row.owners and #row.owners > 0 and table.concat(row.owners, ", ")
  return row.dependency or owners or (row.busy and "in use") or nil
end

return workflow {
  action = "backupDel",
  summary = "delete a copy of the config; on a terminal chosen from a menu",
  options = { "policy", "backupName", "cntName", "volName", "yes" },
  lock = true,
  phases = { "find", "confirm", "delete" },

  find = function(ctx)
    if ctx.opts.fileNames then
      return nil, err.new("unsupported", "--fileNames: a snapshot is deleted with all files in it, other guests' as well; "
        .. "leave it out, or name volumes with --cntName and --volName", { exit = 2 })
    end
    local name = assert(selection.backup(ctx))
    for _, copy in ipairs(assert(copies.list(ctx))) do
      if copy.name == name then ctx.copy = copy end
    end
    if not ctx.copy then
      return nil, err.new("not_found", ("backup '%s' is none of config %s; see moonsnap backupList"):format(name,
        ctx.config_name), { exit = 2 })
    end
    ctx.targets = selection.volumes(ctx, ctx.copy.volumes)
    for _, v in ipairs(ctx.targets) do
      local why = depends(v.snapshot)
      if why and not ctx.cfg:get("NTAP_SNAPSHOT_DEPENDENCY_IGNORE") then
        return nil, err.new("busy", ("snapshot %s on %s:%s has a dependency (%s); NTAP_SNAPSHOT_DEPENDENCY_IGNORE=Y "
          .. "deletes it nevertheless"):format(name, v.controller, v.volume, why), { scf = "STORAGE-02015" })
      end
    end
    if #ctx.targets == 0 then
      return nil, err.new("not_found", ("backup '%s' is not on --cntName/--volName"):format(name), { exit = 2 })
    end
    -- The command knows a name and no volumes.
    if expire.has_command(ctx) and #ctx.targets < #ctx.copy.volumes then
      return nil, err.new("unsupported", ("%s: NTAP_SNAPSHOT_DELETE_CMD## deletes '%s' on all its volumes; leave out "
        .. "--cntName and --volName"):format(ctx.cfg.path, name), { exit = 2 })
    end
    assert(hooks.check(ctx, { "NTAP_SNAPSHOT_DELETE_CMD" }))
  end,

  confirm = function(ctx)
    local lines = { ("Backup %s will be deleted for good:"):format(ctx.copy.name) }
    for _, v in ipairs(ctx.targets) do lines[#lines + 1] = ("  %s:%s"):format(v.controller, v.volume) end
    return confirm.ask(ctx, table.concat(lines, "\n"))
  end,

  delete = function(ctx)
    if expire.has_command(ctx) then
      local _, failed = expire.by_command(ctx, ctx.copy.name, ctx.targets)
      if failed then return nil, failed end
    else
      local force = ctx.cfg:get("NTAP_SNAPSHOT_DEPENDENCY_IGNORE")
      for _, v in ipairs(ctx.targets) do
        assert(ontap.delete(ctx, v, v.snapshot, force))
      end
    end
    local record = ctx.copy.record
    if record and #ctx.targets == #ctx.copy.volumes and not catalog.in_vault(record) then
      assert(catalog.remove(ctx, record))
    end
    local deleted = {}
    for i, v in ipairs(ctx.targets) do deleted[i] = v.controller .. ":" .. v.volume end
    log.info("Backup %s deleted on %d volume(s)", ctx.copy.name, #deleted)
    report.print(ctx, { deleted = ctx.copy.name, volumes = deleted }, ("Deleted %s on %s"):format(ctx.copy.name,
      table.concat(deleted, ", ")))
  end,
}
