--- Ask before something is lost.
-- @module std.confirm

local err = require "std.err"
local menu = require "std.menu"

local confirm = {}

--- True when the user agreed: by --yes or --nonInteractive, or at a terminal by typing yes.
-- @tparam table ctx
-- @tparam string text what would be lost
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err kvm-00009, exit 2
function confirm.ask(ctx, text)
  if ctx.dry_run or ctx.opts.yes or ctx.opts.nonInteractive then return true end
  if menu.possible(ctx) then
    local answer, failed = menu.ask(text .. "\nType yes to go on: ")
    if answer and answer:lower() == "yes" then return true end
    return nil, err.new("cancelled", failed and failed.message or "not confirmed; nothing was changed",
      { scf = "kvm-00009", exit = 2 })
  end
  return nil, err.coded("kvm-00009", ctx.action, nil, { code = "invalid", exit = 2 })
end

return confirm
