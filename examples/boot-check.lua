--- Does last night's backup boot? A clone of the guest from its newest backup is started without a network; after a while
-- it must still run, and its agent answer where there is one. Then the clone goes away again, whatever came of it.
-- Exit code 1 when it does not boot, so that a timer can run this every morning.
--
-- When to use it: a backup that nobody has ever started is a hope, not a backup.
-- run: moonsnap run examples/boot-check.lua --params SITE_GUEST=alpha
local err = require "std.err"
local file = require "std.file"
local log = require "std.log"
local task = require "std.task"
local workflow = require "std.workflow"
local beside = require "restore-beside"

-- Takes away what was made, as far as it came.
local function clean(ctx)
  local row = ctx.conn and ctx.copy and ctx.conn:lookup(ctx.copy)
  if row then
    local dom = ctx.conn:domain(row)
    dom:destroy()
    dom:undefine()
  end
  for _, disk in pairs(ctx.disks or {}) do assert(file.remove(disk.file)) end
end

return workflow {
  action = "bootCheck",
  summary = "start a clone of a guest from its newest backup, look, and take it away",
  lock = true,
  phases = { "look", "clone", "define", "boot" },

  look = beside.look,
  clone = function(ctx)
    ctx:own(setmetatable({}, { __close = function() clean(ctx) end }))
    return beside.clone(ctx)
  end,
  define = beside.define,

  boot = function(ctx)
    if ctx.dry_run then return true end -- the clone is not there to be looked at
    local dom = ctx.conn:domain(assert(ctx.conn:lookup(ctx.copy)))
    assert(dom:start())
    local seconds = tonumber(ctx.cfg:raw("SITE_BOOT_SECONDS") or 60)
    for _ = 1, seconds do
      task.sleep(1)
      local state = assert(dom:state())
      if state.state ~= "running" then
        return nil, err.new("conflict", ("guest '%s': is %s (%s) after its start"):format(ctx.copy, state.state, state.reason))
      end
      if dom:agent('{"execute":"guest-ping"}', { timeout = 1 }) then break end
    end
    log.info("%s of '%s' boots", ctx.source.snapshot, ctx.name)
  end,
}
