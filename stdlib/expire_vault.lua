--- Retention on the secondary at the end of a backup: plan, delete, forget.
-- @module std.expire_vault

local clock = require "engine.clock"
local catalog = require "std.catalog"
local copies = require "std.copies"
local log = require "std.log"
local ontap = require "std.ontap"
local params = require "std.params"
local retention = require "std.retention"
local vault_records = require "std.vault_records"

local expire_vault = {}

-- What goes of a vault's copies; and the names of all of this config that it has.
local function expired(ctx, r)
  local cfg = ctx.cfg
  local place = { controller = r.controller.name, volume = r.volume }
  local records, failed = catalog.list(ctx)
  if not records then return nil, failed end
  local by_name = catalog.outcomes(records)
  local rows
  rows, failed = ontap.snapshots(ctx, place)
  if not rows then return nil, failed end
  local counts, age = cfg:get("NTAP_SNAPVAULT_RETENTIONS"), cfg:get("NTAP_SNAPVAULT_RETENTION_AGE")
  local only = cfg:get("NTAP_SNAPSHOT_DELETE_BY_AGE_ONLY")
  local by_age = only == "SECONDARY" or only == "BOTH"
  local count = counts and counts.map[ctx.policy]
  if ctx.dry_run then rows[#rows + 1] = { name = ctx.snapshot, created = math.floor(clock.now()), busy = false } end
  local ours, now, names = {}, math.floor(clock.now()), {}
  for _, row in ipairs(rows) do
    row.controller, row.volume = place.controller, place.volume
    if not copies.is_foreign(ctx, row) then
      ours[#ours + 1] = row
      names[row.name] = true
    end
    if row.name == ctx.snapshot then now = math.min(now, row.created) end
  end
  if not count and not by_age then
    log.info("SnapVault [%s]: policy '%s' is not in NTAP_SNAPVAULT_RETENTIONS; nothing is deleted", r.destination, ctx.policy)
    return { delete = {}, blocked = {} }, names
  end
  return retention.plan {
    snapshots = ours, sname = cfg:get("SNAME"), policies = cfg:get("NTAP_SNAPSHOT_RETENTIONS"), policy = ctx.policy,
    count = count, age_days = age and params.age_of(age, ctx.policy), by_age_only = by_age,
    nodelete = cfg:get("NTAP_SNAPVAULT_NODELETE"), force = false, now = now,
    catalog = function(name) return by_name[name] end,
  }, names
end

local function delete_expired(ctx, r, decided, names)
  local place = { controller = r.controller.name, volume = r.volume }
  for _, s in ipairs(decided.blocked) do
    log.warn("Snapshot copy [%s] on [%s] would go, but: %s", s.name, r.destination, s.reason)
  end
  for _, s in ipairs(decided.delete) do
    local ok, failed = ontap.delete(ctx, place, s)
    if ok then
      names[s.name] = nil
    elseif failed.code == "busy" or failed.code == "conflict" then
      -- In use, or a destination where only the controller's own policy deletes.
      log.warn("%s", failed)
    else
      log.error(failed)
      ctx:worse(3)
    end
  end
end

--- Delete what the policy no longer keeps in the vaults that this run has updated: names that are certainly copies of
-- this config and policy, never the newest. What cannot be deleted does not undo the backup.
-- @tparam table ctx after `std.replicate.run`
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err
function expire_vault.run(ctx)
  if not ctx.cfg:get("NTAP_SNAPVAULT_UPDATE") then return true end
  log.banner("Running Snapshot copy Delete on Secondary")
  for _, r in ipairs(ctx.replicated or {}) do
    if r.kind.name == "snapvault" then
      local decided, names = expired(ctx, r)
      if not decided then return nil, names end
      delete_expired(ctx, r, decided, names)
      if not ctx.dry_run then vault_records.compare(ctx, r, names) end
    end
  end
  return true
end

return expire_vault
