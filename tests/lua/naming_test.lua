-- Snapshot names.
local naming = require "std.naming"
local t = require "std.test"

local POLICIES = { "hourly", "daily", "Test_Policy", "daily_x" }

t.case("names are made", function()
  t.eq(naming.make { sname = "Backup-ANA", policy = "hourly", stamp = "20140320103943" },
    "Backup-ANA-hourly_20140320103943")
  t.eq(naming.make { sname = "kvm_1", policy = "daily", recent = true }, "kvm_1-daily_recent")
  t.eq(naming.make_safety("kvm_1", "20140320103943"), "kvm_1-restore_20140320103943")
  t.raises(function() naming.make { sname = "", policy = "daily", recent = true } end, "sname must be a text")
  t.raises(function() naming.make { sname = "a", recent = true } end, "policy must be a text")
  t.raises(function() naming.make { sname = "a", policy = "daily" } end, "stamp must be YYYYMMDDhhmmss")
  t.raises(function() naming.make { sname = "a", policy = "daily", stamp = "20140230000000" } end, "stamp must be")
  t.raises(function() naming.make("a") end, "options expected")
  t.raises(function() naming.make_safety("a", "x") end, "stamp must be YYYYMMDDhhmmss")
end)

t.case("names are read", function()
  local function plain(policy, stamp) return { policy = policy, stamp = stamp, recent = false, unlimited = false } end
  local cases = {
    { "Backup-ANA-hourly_20140320103943", "Backup-ANA", plain("hourly", "20140320103943") },
    { "fuji15-daily_20120419130836", "fuji15", plain("daily", "20120419130836") },
    { "Nantes-Test_Policy_20140123121459", "Nantes", plain("Test_Policy", "20140123121459") },
    { "a-daily_x_20140123121459", "a", plain("daily_x", "20140123121459") },
    { "a-daily_recent", "a", { policy = "daily", recent = true, unlimited = false } },
    { "a-daily_recent_unlimited", "a", { policy = "daily", recent = true, unlimited = true } },
    { "a-daily_20140123121459_unlimited", "a",
      { policy = "daily", stamp = "20140123121459", recent = false, unlimited = true } },
    { "a.b%1-daily_20240229235959", "a.b%1", plain("daily", "20240229235959") },
  }
  for _, case in ipairs(cases) do
    t.eq(naming.parse(case[1], case[2], POLICIES), case[3], case[1])
    t.eq(naming.parse(case[1], case[2], { { policy = "hourly", count = 1 }, { policy = "daily", count = 1 },
      { policy = "Test_Policy", count = 1 }, { policy = "daily_x", count = 1 } }), case[3], case[1])
  end
end)

t.case("nothing else is attributed", function()
  for _, name in ipairs {
    "a-weekly_20140123121459",            -- policy not known
    "a-daily_20140123",                   -- no time
    "a-daily_201401231214590",            -- a digit too many
    "a-daily_20140123121459x", "a-daily_20140123121459_old", "xa-daily_20140123121459", "a-daily20140123121459",
    "a_daily_20140123121459", "A-daily_20140123121459", "a-Daily_20140123121459", "a-daily_", "a-daily", "a-",
    "a-daily_recent_old", "a-daily_unlimited", "a-daily_20140123121459_unlimited_unlimited",
    "a-daily_20140123121459_recent", "a-SV_daily_20140123121459", "sv_daily.0", "hourly.0",
    "a-b-daily_20140123121459",           -- SNAME a-b, of which a is a prefix
    "a-daily_20141323121459", "a-daily_20140001121459", "a-daily_20140230121459", "a-daily_20230229121459",
    "a-daily_20140431121459", "a-daily_20140100121459", "a-daily_20140101241459", "a-daily_20140101006059",
    "a-daily_20140101000060", "a-daily_00000101000000", "a-daily_19000229000000",
    "a-restore_20140123121459", "a-daily_2014012312145\n",
  } do
    t.eq(naming.parse(name, "a", POLICIES), nil, name)
  end
  t.eq(naming.parse("a-daily_20140123121459", "a", {}), nil)
  t.eq(naming.parse("a.daily_20140123121459", "a", { "daily" }), nil)
  -- A '.' of an SNAME is a '.', not any character.
  t.eq(naming.parse("axb-daily_20140123121459", "a.b", { "daily" }), nil)
  t.eq(naming.parse("a-restore_20140123121459", "a", { "restore" }), nil)
end)

t.case("safety snapshots", function()
  t.eq(naming.parse_safety("a-restore_20140123121459", "a"), { stamp = "20140123121459" })
  for _, name in ipairs { "a-restore_recent", "a-restore_20140123", "b-restore_20140123121459",
    "a-daily_20140123121459", "a-b-restore_20140123121459", "a-restore_20140123121459_unlimited" } do
    t.eq(naming.parse_safety(name, "a"), nil, name)
  end
end)

t.case("stamps and times", function()
  for _, stamp in ipairs { "20140320103943", "20240229000000", "19991231235959", "20000229120000" } do
    t.eq(naming.stamp(naming.epoch(stamp)), stamp)
  end
  t.eq(naming.stamp(86400 * 365), os.date("%Y%m%d%H%M%S", 86400 * 365))
  t.ok(naming.stamp():find("^%d%d%d%d%d%d%d%d%d%d%d%d%d%d$"))
  for _, stamp in ipairs { "", "x", "2014032010394", "201403201039430", "20140320 03943", "20140001000000" } do
    t.eq(naming.epoch(stamp), nil, stamp)
  end
  t.eq(naming.epoch(nil), nil)
  t.raises(function() naming.stamp(1.5) end, "epoch must be an integer")
end)

t.case("misuse raises", function()
  t.raises(function() naming.parse(nil, "a", {}) end, "naming.parse: name must be a text")
  t.raises(function() naming.parse("x", "", {}) end, "naming.parse: sname must be a text")
  t.raises(function() naming.parse("x", "a") end, "naming.parse: policies must be a list")
  t.raises(function() naming.parse_safety("x") end, "naming.parse_safety: sname must be a text")
end)

return t.done()
