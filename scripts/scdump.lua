--- scdump: support information of a profile in one archive.
local workflow = require "std.workflow"
local log = require "std.log"
local report = require "std.report"
local scdump = require "std.scdump"

return workflow {
  action = "scdump",
  summary = "pack configs, logs and versions of a profile into one archive, without secrets",
  options = {},
  needs = { "profile" },
  scope = "profile",
  phases = { "collect", "pack" },

  collect = function(ctx)
    ctx.dump = assert(scdump.collect(ctx))
  end,

  pack = function(ctx)
    local archive = assert(scdump.pack(ctx, ctx.dump))
    local names = {}
    for i, one in ipairs(ctx.dump.files) do names[i] = one.name end
    log.info("scdump finished: %s", archive)
    report.print(ctx, { archive = archive, files = names, missing = ctx.dump.missing },
      ctx.dry_run and "" or ("%d files in %s"):format(#names, archive))
  end,
}
